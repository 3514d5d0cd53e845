// SPDX-License-Identifier: GPL-2.0
/*
 * What the kernel itself does with a buffer: maps it for itself, and the exporter's
 * part of an access whose other part fails. No device is known here.
 */
#include <linux/dma-buf.h>
#include <linux/iosys-map.h>
#include <linux/ktime.h>
#include <linux/uaccess.h>

#include "edu.h"

int edu_vmap(struct edu_vmap *req)
{
	struct dma_buf *dmabuf = dma_buf_get(req->dmabuf);
	struct iosys_map map;
	u64 start;
	int ret;

	if (IS_ERR(dmabuf))
		return PTR_ERR(dmabuf);
	if (req->offset > dmabuf->size ||
	    req->length > dmabuf->size - req->offset) {
		ret = -ERANGE;
		goto put;
	}
	start = ktime_get_ns();
	ret = dma_buf_vmap_unlocked(dmabuf, &map);
	req->map_ns = ktime_get_ns() - start;
	if (ret)
		goto put;
	if (copy_to_user(u64_to_user_ptr(req->data), map.vaddr + req->offset,
			 req->length))
		ret = -EFAULT;
	start = ktime_get_ns();
	dma_buf_vunmap_unlocked(dmabuf, &map);
	req->unmap_ns = ktime_get_ns() - start;
put:
	dma_buf_put(dmabuf);
	return ret;
}

/*
 * As uvcvideo through vb2 and vkms do it: a mapping that lasts, and stores with
 * no begin before them and no end after.
 */
int edu_kernel_map(struct edu_kept *kept, const struct edu_vmap *req)
{
	struct dma_buf *dmabuf;
	int ret;

	if (kept->dmabuf)
		return -EBUSY;
	dmabuf = dma_buf_get(req->dmabuf);
	if (IS_ERR(dmabuf))
		return PTR_ERR(dmabuf);
	ret = dma_buf_vmap_unlocked(dmabuf, &kept->map);
	if (ret) {
		dma_buf_put(dmabuf);
		return ret;
	}
	kept->dmabuf = dmabuf;
	return 0;
}

int edu_kernel_write(struct edu_kept *kept, const struct edu_vmap *req)
{
	if (!kept->dmabuf)
		return -ENOENT;
	if (req->offset > kept->dmabuf->size ||
	    req->length > kept->dmabuf->size - req->offset)
		return -ERANGE;
	if (copy_from_user(kept->map.vaddr + req->offset,
			   u64_to_user_ptr(req->data), req->length))
		return -EFAULT;
	return 0;
}

int edu_kernel_unmap(struct edu_kept *kept)
{
	if (!kept->dmabuf)
		return -ENOENT;
	dma_buf_vunmap_unlocked(kept->dmabuf, &kept->map);
	dma_buf_put(kept->dmabuf);
	kept->dmabuf = NULL;
	return 0;
}

int edu_half_begin(const struct edu_half_begin *req)
{
	struct dma_buf *dmabuf;
	int ret = 0;

	if (req->direction > DMA_FROM_DEVICE)
		return -EINVAL;
	dmabuf = dma_buf_get(req->dmabuf);
	if (IS_ERR(dmabuf))
		return PTR_ERR(dmabuf);
	if (dmabuf->ops->begin_cpu_access)
		ret = dmabuf->ops->begin_cpu_access(dmabuf, req->direction);
	dma_buf_put(dmabuf);
	return ret;
}
