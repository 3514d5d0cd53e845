// SPDX-License-Identifier: GPL-2.0
/*
 * An importer with a device behind it that really moves memory: QEMU's edu.
 *
 * Every step an importer takes (attach, map, transfer, unmap, detach) is a
 * call of its own, so that a program can interleave them with CPU accesses in
 * any order. The module never syncs a buffer and never looks at its pages:
 * what a reader sees is the exporter's work alone.
 */
#include <linux/delay.h>
#include <linux/dma-buf.h>
#include <linux/dma-fence.h>
#include <linux/dma-mapping.h>
#include <linux/dma-resv.h>
#include <linux/iopoll.h>
#include <linux/iosys-map.h>
#include <linux/ktime.h>
#include <linux/miscdevice.h>
#include <linux/module.h>
#include <linux/pci.h>
#include <linux/platform_device.h>
#include <linux/slab.h>
#include <linux/uaccess.h>
#include <linux/workqueue.h>

#include "edu_importer.h"

#define EDU_DMA_SRC	0x80
#define EDU_DMA_DST	0x88
#define EDU_DMA_COUNT	0x90
#define EDU_DMA_CMD	0x98
#define EDU_DMA_RUN	BIT(0)
#define EDU_DMA_TO_RAM	BIT(1)
#define EDU_DMA_BUFFER	0x40000	/* the device's own memory, as it sees it */

#define EDU_DEVICES_MAX	16

static int mask_bits[EDU_DEVICES_MAX];
static int mask_bits_count;
module_param_array(mask_bits, int, &mask_bits_count, 0444);
MODULE_PARM_DESC(mask_bits, "DMA mask of each device, in PCI order; the device cannot tell");

static unsigned int stand_ins;
module_param(stand_ins, uint, 0444);
MODULE_PARM_DESC(stand_ins, "devices to make after those on PCI, where there are none: they do all but transfer");

/**
 * struct edu - one device
 * @dev: for the DMA API
 * @bar: its registers; NULL: a stand-in, which has none
 * @lock: held over a transfer
 * @staging: memory the device reaches, on the way to or from its own
 * @staging_dma: where the device sees @staging
 */
struct edu {
	struct device *dev;
	void __iomem *bar;
	struct mutex lock; /* one transfer at a time */
	void *staging;
	dma_addr_t staging_dma;
};

/**
 * struct edu_attachment - one device on one buffer
 * @edu: the device
 * @attach: its attachment, NULL while the slot is free
 * @sgt: its mapping, or NULL
 * @direction: of the mapping
 * @late: the transfer that is to come
 */
struct edu_attachment {
	struct edu *edu;
	struct dma_buf_attachment *attach;
	struct sg_table *sgt;
	enum dma_data_direction direction;
	struct edu_late {
		struct delayed_work work;
		struct dma_fence *fence;
		bool to_buffer;
		dma_addr_t address;
		u32 length;
		int error;
		u8 data[EDU_TRANSFER_MAX];
	} late;
};

/**
 * struct edu_file - the attachments of one opener
 * @lock: held over every call
 * @kept: the buffer that the kernel has mapped, or NULL
 * @kernel: where
 * @slots: by attachment number, allocated when first used
 */
struct edu_file {
	struct mutex lock; /* one call at a time */
	struct dma_buf *kept;
	struct iosys_map kernel;
	struct edu_attachment *slots[EDU_ATTACHMENTS_MAX];
};

static struct edu *edus[EDU_DEVICES_MAX];
static int edu_count;

static int edu_move(struct edu *edu, dma_addr_t from, dma_addr_t to,
		    u32 length, u64 command)
{
	u32 busy;

	writeq(from, edu->bar + EDU_DMA_SRC);
	writeq(to, edu->bar + EDU_DMA_DST);
	writeq(length, edu->bar + EDU_DMA_COUNT);
	writeq(command | EDU_DMA_RUN, edu->bar + EDU_DMA_CMD);
	/* The device takes its 100 ms: sleep, so that a QEMU may skip them. */
	msleep(101);
	return readl_poll_timeout(edu->bar + EDU_DMA_CMD, busy,
				  !(busy & EDU_DMA_RUN), 5000, 5000000);
}

static int edu_write(struct edu *edu, dma_addr_t to, const void *data,
		     u32 length)
{
	int ret;

	if (!edu->bar)
		return -ENODEV;
	guard(mutex)(&edu->lock);
	memcpy(edu->staging, data, length);
	ret = edu_move(edu, edu->staging_dma, EDU_DMA_BUFFER, length, 0);
	if (ret)
		return ret;
	return edu_move(edu, EDU_DMA_BUFFER, to, length, EDU_DMA_TO_RAM);
}

static int edu_read(struct edu *edu, dma_addr_t from, void *data, u32 length)
{
	int ret;

	if (!edu->bar)
		return -ENODEV;
	guard(mutex)(&edu->lock);
	ret = edu_move(edu, from, EDU_DMA_BUFFER, length, 0);
	if (ret)
		return ret;
	memset(edu->staging, 0, length);
	ret = edu_move(edu, EDU_DMA_BUFFER, edu->staging_dma, length,
		       EDU_DMA_TO_RAM);
	if (!ret)
		memcpy(data, edu->staging, length);
	return ret;
}

/*
 * Late transfers: a fence in the reservation object says that the device is
 * not done, as a GPU's or a camera's job would.
 */
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

static int edu_start_late(struct edu_attachment *a, dma_addr_t address,
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
	dma_fence_put(late->fence);
	late->fence = NULL;

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

static struct edu_attachment *edu_find(struct edu_file *file, u32 number,
				       bool mapped)
{
	struct edu_attachment *a;

	if (number >= EDU_ATTACHMENTS_MAX)
		return ERR_PTR(-EINVAL);
	a = file->slots[number];
	if (!a || !a->attach || (mapped && !a->sgt))
		return ERR_PTR(-ENOENT);
	return a;
}

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

static int edu_attach(struct edu_file *file, struct edu_attach *req)
{
	struct dma_buf_attachment *attach;
	struct edu_attachment *a;
	struct dma_buf *dmabuf;
	u64 start;
	u32 slot;

	if (req->device >= edu_count)
		return -ENODEV;
	for (slot = 0; slot < EDU_ATTACHMENTS_MAX; slot++)
		if (!file->slots[slot] || !file->slots[slot]->attach)
			break;
	if (slot == EDU_ATTACHMENTS_MAX)
		return -ENOSPC;

	a = file->slots[slot];
	if (!a) {
		a = kzalloc(sizeof(*a), GFP_KERNEL);
		if (!a)
			return -ENOMEM;
		INIT_DELAYED_WORK(&a->late.work, edu_late_work);
		file->slots[slot] = a;
	}

	dmabuf = dma_buf_get(req->dmabuf);
	if (IS_ERR(dmabuf))
		return PTR_ERR(dmabuf);
	a->edu = edus[req->device];
	start = ktime_get_ns();
	attach = dma_buf_attach(dmabuf, a->edu->dev);
	req->ns = ktime_get_ns() - start;
	if (IS_ERR(attach)) {
		dma_buf_put(dmabuf);
		return PTR_ERR(attach);
	}
	a->attach = attach;
	req->attachment = slot;
	return 0;
}

static int edu_map(struct edu_attachment *a, struct edu_map *req)
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

static u64 edu_unmap(struct edu_attachment *a)
{
	u64 start;

	flush_delayed_work(&a->late.work);
	start = ktime_get_ns();
	dma_buf_unmap_attachment_unlocked(a->attach, a->sgt, a->direction);
	a->sgt = NULL;
	return ktime_get_ns() - start;
}

static u64 edu_detach(struct edu_attachment *a)
{
	struct dma_buf *dmabuf = a->attach->dmabuf;
	u64 start, ns;

	start = ktime_get_ns();
	dma_buf_detach(dmabuf, a->attach);
	ns = ktime_get_ns() - start;
	a->attach = NULL;
	dma_fence_put(a->late.fence);
	a->late.fence = NULL;
	dma_buf_put(dmabuf);
	return ns;
}

static int edu_transfer(struct edu_attachment *a,
			const struct edu_transfer *req, bool to_buffer)
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

static int edu_fetch(struct edu_attachment *a, const struct edu_transfer *req)
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

static int edu_vmap(struct edu_vmap *req)
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
static int edu_kernel_map(struct edu_file *file, const struct edu_vmap *req)
{
	struct dma_buf *dmabuf;
	int ret;

	if (file->kept)
		return -EBUSY;
	dmabuf = dma_buf_get(req->dmabuf);
	if (IS_ERR(dmabuf))
		return PTR_ERR(dmabuf);
	ret = dma_buf_vmap_unlocked(dmabuf, &file->kernel);
	if (ret) {
		dma_buf_put(dmabuf);
		return ret;
	}
	file->kept = dmabuf;
	return 0;
}

static int edu_kernel_write(struct edu_file *file, const struct edu_vmap *req)
{
	if (!file->kept)
		return -ENOENT;
	if (req->offset > file->kept->size ||
	    req->length > file->kept->size - req->offset)
		return -ERANGE;
	if (copy_from_user(file->kernel.vaddr + req->offset,
			   u64_to_user_ptr(req->data), req->length))
		return -EFAULT;
	return 0;
}

static int edu_kernel_unmap(struct edu_file *file)
{
	if (!file->kept)
		return -ENOENT;
	dma_buf_vunmap_unlocked(file->kept, &file->kernel);
	dma_buf_put(file->kept);
	file->kept = NULL;
	return 0;
}

static int edu_half_begin(const struct edu_half_begin *req)
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

static int edu_device_info(struct edu_device_info *info, bool set)
{
	struct edu *edu;

	if (info->index >= edu_count)
		return -ENODEV;
	edu = edus[info->index];
	if (set)
		dma_set_max_seg_size(edu->dev,
				     info->max_seg_size ?: UINT_MAX);
	info->mask_bits = mask_bits[info->index];
	info->max_seg_size = dma_get_max_seg_size(edu->dev);
	strscpy(info->name, dev_name(edu->dev), sizeof(info->name));
	return 0;
}

static long edu_ioctl(struct file *filp, unsigned int cmd, unsigned long arg)
{
	union {
		struct edu_device_info info;
		struct edu_attach attach;
		struct edu_map map;
		struct edu_transfer transfer;
		struct edu_address where;
		struct edu_vmap vmap;
		struct edu_half_begin half_begin;
	} req = { };
	struct edu_file *file = filp->private_data;
	void __user *user = (void __user *)arg;
	struct edu_attachment *a = NULL;
	u64 room;
	int ret;

	if (_IOC_TYPE(cmd) != 'e' || _IOC_SIZE(cmd) > sizeof(req))
		return -ENOTTY;
	if (copy_from_user(&req, user, _IOC_SIZE(cmd)))
		return -EFAULT;

	guard(mutex)(&file->lock);

	switch (cmd) {
	case EDU_DETACH:
		a = edu_find(file, req.attach.attachment, false);
		break;
	case EDU_MAP:
		a = edu_find(file, req.map.attachment, false);
		break;
	case EDU_UNMAP:
		a = edu_find(file, req.map.attachment, true);
		break;
	case EDU_WRITE:
	case EDU_READ:
	case EDU_FETCH:
		a = edu_find(file, req.transfer.attachment, true);
		break;
	case EDU_WHERE:
		a = edu_find(file, req.where.attachment, true);
		break;
	}
	if (IS_ERR(a))
		return PTR_ERR(a);

	switch (cmd) {
	case EDU_DEVICE_INFO:
	case EDU_SET_SEGMENT:
		ret = edu_device_info(&req.info, cmd == EDU_SET_SEGMENT);
		break;
	case EDU_ATTACH:
		ret = edu_attach(file, &req.attach);
		break;
	case EDU_DETACH:
		if (a->sgt)
			return -EBUSY;
		req.attach.ns = edu_detach(a);
		ret = 0;
		break;
	case EDU_MAP:
		ret = edu_map(a, &req.map);
		break;
	case EDU_UNMAP:
		req.map.ns = edu_unmap(a);
		ret = 0;
		break;
	case EDU_WRITE:
	case EDU_READ:
		ret = edu_transfer(a, &req.transfer, cmd == EDU_WRITE);
		break;
	case EDU_FETCH:
		ret = edu_fetch(a, &req.transfer);
		break;
	case EDU_WHERE:
		ret = edu_locate(a, req.where.offset,
				 (dma_addr_t *)&req.where.address, &room);
		break;
	case EDU_VMAP:
		ret = edu_vmap(&req.vmap);
		break;
	case EDU_KERNEL_MAP:
		ret = edu_kernel_map(file, &req.vmap);
		break;
	case EDU_KERNEL_WRITE:
		ret = edu_kernel_write(file, &req.vmap);
		break;
	case EDU_KERNEL_UNMAP:
		ret = edu_kernel_unmap(file);
		break;
	case EDU_HALF_BEGIN:
		ret = edu_half_begin(&req.half_begin);
		break;
	default:
		return -ENOTTY;
	}
	if (!ret && (_IOC_DIR(cmd) & _IOC_READ) &&
	    copy_to_user(user, &req, _IOC_SIZE(cmd)))
		ret = -EFAULT;
	return ret;
}

static int edu_open(struct inode *inode, struct file *filp)
{
	struct edu_file *file = kzalloc(sizeof(*file), GFP_KERNEL);

	if (!file)
		return -ENOMEM;
	mutex_init(&file->lock);
	filp->private_data = file;
	return 0;
}

static int edu_release(struct inode *inode, struct file *filp)
{
	struct edu_file *file = filp->private_data;
	struct edu_attachment *a;
	u32 slot;

	edu_kernel_unmap(file);
	for (slot = 0; slot < EDU_ATTACHMENTS_MAX; slot++) {
		a = file->slots[slot];
		if (a && a->sgt)
			edu_unmap(a);
		if (a && a->attach)
			edu_detach(a);
		kfree(a);
	}
	kfree(file);
	return 0;
}

static const struct file_operations edu_fops = {
	.owner = THIS_MODULE,
	.open = edu_open,
	.release = edu_release,
	.unlocked_ioctl = edu_ioctl,
};

static struct miscdevice edu_misc = {
	.minor = MISC_DYNAMIC_MINOR,
	.name = "edu-importer",
	.fops = &edu_fops,
};

static int edu_probe(struct pci_dev *pdev, const struct pci_device_id *id)
{
	struct device *dev = &pdev->dev;
	struct edu *edu;
	int ret;

	if (edu_count == mask_bits_count)
		return dev_err_probe(dev, -ENODEV, "mask_bits= is too short\n");
	edu = devm_kzalloc(dev, sizeof(*edu), GFP_KERNEL);
	if (!edu)
		return -ENOMEM;
	edu->dev = dev;
	mutex_init(&edu->lock);
	ret = pcim_enable_device(pdev);
	if (ret)
		return ret;
	pci_set_master(pdev);
	ret = dma_set_mask_and_coherent(dev,
					DMA_BIT_MASK(mask_bits[edu_count]));
	if (ret)
		return ret;
	edu->bar = pcim_iomap(pdev, 0, 0);
	if (!edu->bar)
		return -ENOMEM;
	edu->staging = dmam_alloc_coherent(dev, PAGE_SIZE, &edu->staging_dma,
					   GFP_KERNEL);
	if (!edu->staging)
		return -ENOMEM;
	edus[edu_count++] = edu;
	return 0;
}

static const struct pci_device_id edu_ids[] = {
	{ PCI_DEVICE(0x1234, 0x11e8) },
	{ }
};
MODULE_DEVICE_TABLE(pci, edu_ids);

static struct pci_driver edu_driver = {
	.name = "edu-importer",
	.id_table = edu_ids,
	.probe = edu_probe,
	.driver.suppress_bind_attrs = true,
};

/* No driver is bound to a stand-in, so its memory is freed here. */
static void edu_remove_stand_ins(void)
{
	while (edu_count && !edus[edu_count - 1]->bar) {
		struct edu *edu = edus[--edu_count];

		platform_device_unregister(to_platform_device(edu->dev));
		kfree(edu);
	}
}

static int edu_add_stand_in(void)
{
	struct platform_device *pdev;
	struct edu *edu;
	int bits;

	if (edu_count == mask_bits_count)
		return -ENODEV;
	edu = kzalloc(sizeof(*edu), GFP_KERNEL);
	if (!edu)
		return -ENOMEM;
	pdev = platform_device_register_simple("edu-stand-in", edu_count,
					       NULL, 0);
	if (IS_ERR(pdev)) {
		kfree(edu);
		return PTR_ERR(pdev);
	}
	edu->dev = &pdev->dev;
	mutex_init(&edu->lock);
	bits = mask_bits[edu_count];
	edus[edu_count++] = edu;
	return dma_set_mask_and_coherent(edu->dev, DMA_BIT_MASK(bits));
}

static int __init edu_init(void)
{
	unsigned int i;
	int ret;

	ret = pci_register_driver(&edu_driver);
	if (ret)
		return ret;
	for (i = 0; i < stand_ins && !ret; i++)
		ret = edu_add_stand_in();
	if (!ret)
		ret = misc_register(&edu_misc);
	if (ret) {
		edu_remove_stand_ins();
		pci_unregister_driver(&edu_driver);
	}
	return ret;
}
module_init(edu_init);

static void __exit edu_exit(void)
{
	misc_deregister(&edu_misc);
	edu_remove_stand_ins();
	pci_unregister_driver(&edu_driver);
}
module_exit(edu_exit);

MODULE_DESCRIPTION("dma-buf importer for QEMU's edu device, one step at a time");
MODULE_LICENSE("GPL");
/* What MODULE_IMPORT_NS() becomes: its argument is a string from 6.13 on. */
MODULE_INFO(import_ns, "DMA_BUF");
