// SPDX-License-Identifier: GPL-2.0
/*
 * The device node: ioctls, their limits, the module and its parameters. It must
 * not know what a buffer is made of.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/cacheinfo.h>
#include <linux/cleanup.h>
#include <linux/debugfs.h>
#include <linux/dma-buf.h>
#include <linux/fs.h>
#include <linux/kstrtox.h>
#include <linux/miscdevice.h>
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/slab.h>
#include <linux/string.h>
#include <linux/udmabuf.h>

#include "buffer.h"
#include "debugfs.h"

static int set_policy(const char *val, const struct kernel_param *kp)
{
	int policy = __sysfs_match_string(fanout_policy_names, -1, val);

	if (policy < 0)
		return policy;
	WRITE_ONCE(fanout_sync_policy, policy);
	return 0;
}

static int get_policy(char *buf, const struct kernel_param *kp)
{
	return sysfs_emit(buf, "%s\n", fanout_policy_names[READ_ONCE(fanout_sync_policy)]);
}

static const struct kernel_param_ops policy_ops = {
	.set = set_policy,
	.get = get_policy,
};

module_param_cb(sync_policy, &policy_ops, NULL, 0644);
MODULE_PARM_DESC(sync_policy,
		 "minimal: one sync for each distinct effect (default); all: each mapping its own");

static unsigned int list_limit = 1024;
module_param(list_limit, uint, 0644);
MODULE_PARM_DESC(list_limit,
		 "most items of one UDMABUF_CREATE_LIST (default 1024)");

static unsigned int size_limit_mb = 64;
module_param(size_limit_mb, uint, 0644);
MODULE_PARM_DESC(size_limit_mb, "largest buffer, in MiB (default 64)");

static int set_copy_limit(const char *val, const struct kernel_param *kp)
{
	unsigned int mb;
	int ret;

	ret = kstrtouint(val, 0, &mb);
	if (ret)
		return ret;
	WRITE_ONCE(copy_limit_pages,
		   min_t(u64, (u64)mb << (20 - PAGE_SHIFT), LONG_MAX));
	return 0;
}

static int get_copy_limit(char *buf, const struct kernel_param *kp)
{
	return sysfs_emit(buf, "%lu\n",
			  READ_ONCE(copy_limit_pages) >> (20 - PAGE_SHIFT));
}

static const struct kernel_param_ops copy_limit_ops = {
	.set = set_copy_limit,
	.get = get_copy_limit,
};

module_param_cb(copy_limit_mb, &copy_limit_ops, NULL, 0644);
MODULE_PARM_DESC(copy_limit_mb,
		 "most memory of all copies for devices that do not reach buffers, in MiB (default a quarter of all memory)");

static char *name = IS_ENABLED(CONFIG_UDMABUF) ? "udmabuf-fanout" : "udmabuf";
module_param(name, charp, 0444);
MODULE_PARM_DESC(name, "name of the device node");

static struct dentry *debugfs_dir;

static int create(u32 flags, const struct udmabuf_create_item *items,
		  u32 nr_items)
{
	u64 max_pages = (u64)READ_ONCE(size_limit_mb) << (20 - PAGE_SHIFT);
	struct dma_buf *dmabuf;
	int fd;

	dmabuf = fanout_buffer_export(items, nr_items, max_pages);
	if (IS_ERR(dmabuf))
		return PTR_ERR(dmabuf);
	fanout_debugfs_add(dmabuf, debugfs_dir);

	/*
	 * As the stock driver does, flags that are not known are not looked
	 * at. Nothing can fail once the descriptor is there.
	 */
	fd = dma_buf_fd(dmabuf, flags & UDMABUF_FLAGS_CLOEXEC ? O_CLOEXEC : 0);
	if (fd < 0)
		dma_buf_put(dmabuf);
	return fd;
}

static int ioctl_create(const void __user *arg)
{
	struct udmabuf_create_item item = { };
	struct udmabuf_create args;

	if (copy_from_user(&args, arg, sizeof(args)))
		return -EFAULT;

	item.memfd = args.memfd;
	item.offset = args.offset;
	item.size = args.size;
	return create(args.flags, &item, 1);
}

static int ioctl_create_list(const void __user *arg)
{
	struct udmabuf_create_list args;

	/* Whatever list_limit allows, kvmalloc() warns of more than INT_MAX. */
	if (copy_from_user(&args, arg, sizeof(args)))
		return -EFAULT;
	if (!args.count || args.count > READ_ONCE(list_limit) ||
	    args.count > INT_MAX / sizeof(struct udmabuf_create_item))
		return -EINVAL;

	struct udmabuf_create_item *items __free(kvfree) =
		vmemdup_array_user(arg + sizeof(args), args.count,
				   sizeof(*items));
	if (IS_ERR(items))
		return PTR_ERR(items);
	return create(args.flags, items, args.count);
}

static long fanout_ioctl(struct file *file, unsigned int cmd,
			 unsigned long arg)
{
	switch (cmd) {
	case UDMABUF_CREATE:
		return ioctl_create((void __user *)arg);
	case UDMABUF_CREATE_LIST:
		return ioctl_create_list((void __user *)arg);
	default:
		return -ENOTTY;
	}
}

static const struct file_operations fanout_fops = {
	.owner = THIS_MODULE,
	.unlocked_ioctl = fanout_ioctl,
	.compat_ioctl = compat_ptr_ioctl,
};

static struct miscdevice fanout_misc = {
	.minor = MISC_DYNAMIC_MINOR,
	.fops = &fanout_fops,
};

static int __init fanout_init(void)
{
	int ret;

	/* H20: user space would have to flush its own aliases. */
	if (cpu_dcache_is_aliasing()) {
		pr_err("not on a CPU whose data cache has aliases\n");
		return -ENODEV;
	}

	if (copy_limit_pages == COPY_LIMIT_UNSET)
		copy_limit_pages = totalram_pages() / 4;

	/* Before the node: from then on there may be buffers. */
	debugfs_dir = debugfs_create_dir("udmabuf-fanout", NULL);
	fanout_misc.name = name;
	ret = misc_register(&fanout_misc);
	if (ret) {
		pr_err("cannot register /dev/%s: %pe\n", name, ERR_PTR(ret));
		debugfs_remove(debugfs_dir);
	}
	return ret;
}

static void __exit fanout_exit(void)
{
	misc_deregister(&fanout_misc);
	debugfs_remove(debugfs_dir);
}

module_init(fanout_init);
module_exit(fanout_exit);

MODULE_DESCRIPTION("memfd memory as dma-bufs, synced for every attached device");
MODULE_LICENSE("GPL");
MODULE_VERSION("1.0");
/* What MODULE_IMPORT_NS() becomes: its argument is a string from 6.13 on. */
MODULE_INFO(import_ns, "DMA_BUF");
