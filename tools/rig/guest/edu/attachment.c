// SPDX-License-Identifier: GPL-2.0
/*
 * Attachments: each step of an importer on one buffer, with a device that moves
 * the data. A buffer is never synced, and its pages are never looked at.
 */
#include <linux/dma-buf.h>
#include <linux/ktime.h>
#include <linux/slab.h>
#include <linux/uaccess.h>

#include "edu.h"

/* The device's address of one byte, and how far the segment goes from there. */
static int edu_locate(struct edu_attachment *a, u64 offset,
		      dma_addr_t *address, u64 *room)
{
	struct scatterlist *sg;
	int i;

	for_each_sgtable_dma_sg(a->sgt, sg, i) {
		if (offset < sg_dma_len(sg)) {
			*address = sg_dma_address(sg) + offset;
			*room = sg_dma_len(sg) - offset;
			return 0;
		}
		offset -= sg_dma_len(sg);
	}
	return -ERANGE;
}

int edu_where(struct edu_attachment *a, struct edu_address *req)
{
	u64 room;

	return edu_locate(a, req->offset, (dma_addr_t *)&req->address, &room);
}

int edu_attach(struct edu_attachment *a, struct edu *edu,
	       struct edu_attach *req)
{
	struct dma_buf_attachment *attach;
	struct dma_buf *dmabuf;
	u64 start;

	dmabuf = dma_buf_get(req->dmabuf);
	if (IS_ERR(dmabuf))
		return PTR_ERR(dmabuf);
	start = ktime_get_ns();
	attach = dma_buf_attach(dmabuf, edu->dev);
	req->ns = ktime_get_ns() - start;
	if (IS_ERR(attach)) {
		dma_buf_put(dmabuf);
		return PTR_ERR(attach);
	}
	a->edu = edu;
	a->attach = attach;
	return 0;
}

int edu_map(struct edu_attachment *a, struct edu_map *req)
{
	struct sg_table *sgt;
	u64 start;

	if (a->sgt)
		return -EBUSY;
	if (req->direction > DMA_FROM_DEVICE)
		return -EINVAL;
	start = ktime_get_ns();
	sgt = dma_buf_map_attachment_unlocked(a->attach, req->direction);
	req->ns = ktime_get_ns() - start;
	if (IS_ERR(sgt))
		return PTR_ERR(sgt);
	a->sgt = sgt;
	a->direction = req->direction;
	req->entries = sgt->nents;
	return 0;
}

u64 edu_unmap(struct edu_attachment *a)
{
	u64 start;

	flush_delayed_work(&a->late.work);
	start = ktime_get_ns();
	dma_buf_unmap_attachment_unlocked(a->attach, a->sgt, a->direction);
	a->sgt = NULL;
	return ktime_get_ns() - start;
}

u64 edu_detach(struct edu_attachment *a)
{
	struct dma_buf *dmabuf = a->attach->dmabuf;
	u64 start, ns;

	start = ktime_get_ns();
	dma_buf_detach(dmabuf, a->attach);
	ns = ktime_get_ns() - start;
	a->attach = NULL;
	edu_forget_late(a);
	dma_buf_put(dmabuf);
	return ns;
}

int edu_transfer(struct edu_attachment *a, const struct edu_transfer *req,
		 bool to_buffer)
{
	void __user *user = u64_to_user_ptr(req->data);
	dma_addr_t address;
	u64 room;
	u8 *data;
	int ret;

	if (!req->length || req->length > EDU_TRANSFER_MAX)
		return -EINVAL;
	ret = edu_locate(a, req->offset, &address, &room);
	if (ret)
		return ret;
	if (room < req->length)
		return -ERANGE;

	data = kzalloc(req->length, GFP_KERNEL);
	if (!data)
		return -ENOMEM;
	if (to_buffer && copy_from_user(data, user, req->length)) {
		ret = -EFAULT;
	} else if (req->delay_ms) {
		ret = edu_start_late(a, address, req, data, to_buffer);
	} else if (to_buffer) {
		ret = edu_write(a->edu, address, data, req->length);
	} else {
		ret = edu_read(a->edu, address, data, req->length);
		if (!ret && copy_to_user(user, data, req->length))
			ret = -EFAULT;
	}
	kfree(data);
	return ret;
}
