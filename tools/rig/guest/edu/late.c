// SPDX-License-Identifier: GPL-2.0
/*
 * Late transfers: a fence in the reservation object says that the device is not
 * done, as a GPU's or a camera's job would.
 */
#include <linux/dma-fence.h>
#include <linux/dma-resv.h>
#include <linux/slab.h>
#include <linux/uaccess.h>
#include <linux/workqueue.h>

#include "edu.h"

static const char *edu_fence_name(struct dma_fence *fence)
{
	return "edu-importer";
}

static const struct dma_fence_ops edu_fence_ops = {
	.get_driver_name = edu_fence_name,
	.get_timeline_name = edu_fence_name,
};

static DEFINE_SPINLOCK(edu_fence_lock);

static void edu_late_work(struct work_struct *work)
{
	struct edu_attachment *a =
		container_of(work, struct edu_attachment, late.work.work);
	struct edu_late *late = &a->late;

	if (late->to_buffer)
		late->error = edu_write(a->edu, late->address, late->data,
					late->length);
	else
		late->error = edu_read(a->edu, late->address, late->data,
				       late->length);
	dma_fence_signal(late->fence);
}

void edu_init_late(struct edu_attachment *a)
{
	INIT_DELAYED_WORK(&a->late.work, edu_late_work);
}

/* Nothing can be fetched any more. */
void edu_forget_late(struct edu_attachment *a)
{
	dma_fence_put(a->late.fence);
	a->late.fence = NULL;
}

int edu_start_late(struct edu_attachment *a, dma_addr_t address,
		   const struct edu_transfer *req, const void *data,
		   bool to_buffer)
{
	struct dma_resv *resv = a->attach->dmabuf->resv;
	struct edu_late *late = &a->late;
	struct dma_fence *fence;
	int ret;

	if (delayed_work_pending(&late->work))
		return -EBUSY;
	flush_delayed_work(&late->work);
	edu_forget_late(a);

	fence = kzalloc(sizeof(*fence), GFP_KERNEL);
	if (!fence)
		return -ENOMEM;
	dma_fence_init(fence, &edu_fence_ops, &edu_fence_lock,
		       dma_fence_context_alloc(1), 1);

	dma_resv_lock(resv, NULL);
	ret = dma_resv_reserve_fences(resv, 1);
	if (!ret)
		dma_resv_add_fence(resv, fence, to_buffer ?
				   DMA_RESV_USAGE_WRITE : DMA_RESV_USAGE_READ);
	dma_resv_unlock(resv);
	if (ret) {
		dma_fence_put(fence);
		return ret;
	}

	late->fence = fence;
	late->to_buffer = to_buffer;
	late->address = address;
	late->length = req->length;
	late->error = 0;
	memcpy(late->data, data, req->length);
	schedule_delayed_work(&late->work, msecs_to_jiffies(req->delay_ms));
	return 0;
}

int edu_fetch(struct edu_attachment *a, const struct edu_transfer *req)
{
	struct edu_late *late = &a->late;

	flush_delayed_work(&late->work);
	if (!late->fence || req->length > late->length)
		return -EINVAL;
	if (late->error)
		return late->error;
	if (!late->to_buffer &&
	    copy_to_user(u64_to_user_ptr(req->data), late->data, req->length))
		return -EFAULT;
	return 0;
}
