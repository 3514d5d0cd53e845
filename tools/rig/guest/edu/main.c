// SPDX-License-Identifier: GPL-2.0
/*
 * An importer with a device behind it that really moves memory: QEMU's edu.
 *
 * Every step an importer takes (attach, map, transfer, unmap, detach) is a call of
 * its own, so that a program can interleave them with CPU accesses in any order.
 * The module never syncs a buffer and never looks at its pages: what a reader sees
 * is the exporter's work alone.
 */
#include <linux/dma-buf.h>
#include <linux/miscdevice.h>
#include <linux/module.h>
#include <linux/slab.h>
#include <linux/uaccess.h>

#include "edu.h"

/**
 * struct edu_file - the attachments of one opener
 * @lock: held over every call
 * @kept: the kernel's mapping
 * @slots: by attachment number, allocated when first used
 */
struct edu_file {
	struct mutex lock; /* one call at a time */
	struct edu_kept kept;
	struct edu_attachment *slots[EDU_ATTACHMENTS_MAX];
};

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

/* Return: a free slot's number, or an error. */
static int edu_free_slot(struct edu_file *file)
{
	struct edu_attachment *a;
	u32 slot;

	for (slot = 0; slot < EDU_ATTACHMENTS_MAX; slot++)
		if (!file->slots[slot] || !file->slots[slot]->attach)
			break;
	if (slot == EDU_ATTACHMENTS_MAX)
		return -ENOSPC;
	if (file->slots[slot])
		return slot;
	a = kzalloc(sizeof(*a), GFP_KERNEL);
	if (!a)
		return -ENOMEM;
	edu_init_late(a);
	file->slots[slot] = a;
	return slot;
}

static int edu_attach_slot(struct edu_file *file, struct edu_attach *req)
{
	struct edu *edu = edu_device(req->device);
	int slot, ret;

	if (!edu)
		return -ENODEV;
	slot = edu_free_slot(file);
	if (slot < 0)
		return slot;
	ret = edu_attach(file->slots[slot], edu, req);
	if (!ret)
		req->attachment = slot;
	return ret;
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
		ret = edu_attach_slot(file, &req.attach);
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
		ret = edu_where(a, &req.where);
		break;
	case EDU_VMAP:
		ret = edu_vmap(&req.vmap);
		break;
	case EDU_KERNEL_MAP:
		ret = edu_kernel_map(&file->kept, &req.vmap);
		break;
	case EDU_KERNEL_WRITE:
		ret = edu_kernel_write(&file->kept, &req.vmap);
		break;
	case EDU_KERNEL_UNMAP:
		ret = edu_kernel_unmap(&file->kept);
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

	edu_kernel_unmap(&file->kept);
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

static int __init edu_init(void)
{
	int ret;

	ret = edu_register_devices();
	if (ret)
		return ret;
	ret = misc_register(&edu_misc);
	if (ret)
		edu_unregister_devices();
	return ret;
}
module_init(edu_init);

static void __exit edu_exit(void)
{
	misc_deregister(&edu_misc);
	edu_unregister_devices();
}
module_exit(edu_exit);

MODULE_DESCRIPTION("dma-buf importer for QEMU's edu device, one step at a time");
MODULE_LICENSE("GPL");
/* What MODULE_IMPORT_NS() becomes: its argument is a string from 6.13 on. */
MODULE_INFO(import_ns, "DMA_BUF");
