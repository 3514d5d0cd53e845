// SPDX-License-Identifier: GPL-2.0
/*
 * The dma-buf: its operations and its life. Each of them is a call or two of
 * the files that hold the ideas, under the right lock.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/debugfs.h>
#include <linux/dma-buf.h>
#include <linux/dma-mapping.h>
#include <linux/dma-resv.h>
#include <linux/err.h>
#include <linux/fs.h>
#include <linux/iosys-map.h>
#include <linux/mm.h>
#include <linux/slab.h>
#include <linux/udmabuf.h>
#include <linux/vmalloc.h>

#include "bindings/bindings.h"
#include "buffer.h"
#include "mapping.h"

/* Attachments and mappings. */

static int fanout_attach(struct dma_buf *dmabuf,
			 struct dma_buf_attachment *attachment)
{
	/* It would map to nothing, without an error. */
	if (!attachment->dev->dma_mask || !*attachment->dev->dma_mask)
		return -EINVAL;
	return 0;
}

/*
 * An importer went away without unmapping, and its device may go on using the
 * memory: neither the mapping nor the pages are ever given back. It is said
 * once a buffer.
 */
static void leak_mapping(struct fanout_buffer *buffer,
			 struct fanout_mapping *mapping)
{
	if (!buffer->leaked)
		pr_err("%s left its mapping behind, leaking %lu KiB\n",
		       dev_name(mapping->dev),
		       (unsigned long)buffer->mem.nr_pages << (PAGE_SHIFT - 10));
	buffer->leaked = true;
	fanout_forget(&buffer->fanout, mapping);
	shadow_leak(&mapping->uses);
	list_del(&mapping->node);
}

/* Leak what @attachment left behind, or for NULL whoever did. */
static void leak_mappings(struct fanout_buffer *buffer,
			  const struct dma_buf_attachment *attachment)
{
	struct fanout_mapping *mapping, *next;

	dma_resv_lock(buffer->dmabuf->resv, NULL);
	list_for_each_entry_safe(mapping, next, &buffer->mappings, node)
		if (!attachment || mapping->attachment == attachment)
			leak_mapping(buffer, mapping);
	dma_resv_unlock(buffer->dmabuf->resv);
}

static void fanout_detach(struct dma_buf *dmabuf,
			  struct dma_buf_attachment *attachment)
{
	leak_mappings(dmabuf->priv, attachment);
}

static struct sg_table *fanout_map(struct dma_buf_attachment *attachment,
				   enum dma_data_direction dir)
{
	struct fanout_buffer *buffer = attachment->dmabuf->priv;
	struct fanout_mapping *mapping;
	int ret;

	dma_resv_assert_held(attachment->dmabuf->resv);

	if (dir != DMA_TO_DEVICE && dir != DMA_FROM_DEVICE &&
	    dir != DMA_BIDIRECTIONAL)
		return ERR_PTR(-EINVAL);

	ret = fanout_reserve(&buffer->fanout);
	if (ret)
		return ERR_PTR(ret);
	mapping = mapping_create(attachment, dir, &buffer->mem,
				 &buffer->shadow);
	if (IS_ERR(mapping))
		return ERR_CAST(mapping);

	fanout_join(&buffer->fanout, mapping);
	list_add_tail(&mapping->node, &buffer->mappings);
	if (mapping->dir != DMA_TO_DEVICE)
		WRITE_ONCE(buffer->written, true);
	return &mapping->importer;
}

static void fanout_unmap(struct dma_buf_attachment *attachment,
			 struct sg_table *sgt, enum dma_data_direction dir)
{
	struct fanout_buffer *buffer = attachment->dmabuf->priv;
	/* SAFETY: every table an importer has is one of these. */
	struct fanout_mapping *mapping =
		container_of(sgt, struct fanout_mapping, importer);

	dma_resv_assert_held(attachment->dmabuf->resv);

	fanout_leave(&buffer->fanout, mapping);
	list_del(&mapping->node);
	mapping_destroy(mapping);
}

/* CPU access. */

static bool is_write(enum dma_data_direction access)
{
	return access != DMA_FROM_DEVICE;
}

/*
 * H12: a sync comes after what the fences stand for. The core waits as well, but
 * after us. Waits without the lock, and has it again when they are signalled.
 *
 * Return: 0 with the reservation lock held; -ERESTARTSYS without.
 */
static int wait_for_fences(struct dma_resv *resv, enum dma_resv_usage usage)
{
	long ret;

	while (!bindings_dma_resv_test_signaled(resv, usage)) {
		dma_resv_unlock(resv);
		ret = bindings_dma_resv_wait_timeout(resv, usage, true,
						     MAX_SCHEDULE_TIMEOUT);
		if (ret < 0)
			return ret;
		if (bindings_dma_resv_lock_interruptible(resv, NULL))
			return -ERESTARTSYS;
	}
	return 0;
}

static __always_inline int begin_access(struct dma_buf *dmabuf, bool write)
{
	struct fanout_buffer *buffer = dmabuf->priv;
	bool idle;
	int ret;

	/* Nothing to sync, and so no fence to wait for: the core does. */
	if (!write && fanout_begin_is_idle(&buffer->fanout))
		return 0;

	if (bindings_dma_resv_lock_interruptible(dmabuf->resv, NULL))
		return -ERESTARTSYS;
	idle = fanout_begin_is_idle(&buffer->fanout);
	if (!idle) {
		ret = wait_for_fences(dmabuf->resv, dma_resv_usage_rw(write));
		if (ret)
			return ret;
		fanout_begin(&buffer->fanout);
	}
	ret = write ? open_writes_begin(&buffer->open_writes, idle) : 0;
	dma_resv_unlock(dmabuf->resv);
	return ret;
}

static __always_inline void end_access(struct dma_buf *dmabuf, bool write)
{
	struct fanout_buffer *buffer = dmabuf->priv;

	if (!write && fanout_end_is_idle(&buffer->fanout,
					 !open_writes_none(&buffer->open_writes)))
		return;

	/* Not interruptible: who ignores errors expects it to be done. */
	dma_resv_lock(dmabuf->resv, NULL);
	if (!fanout_end_is_idle(&buffer->fanout, true))
		fanout_end(&buffer->fanout, write);
	if (write)
		open_writes_end(&buffer->open_writes);
	dma_resv_unlock(dmabuf->resv);
}

/* Each once for reading and once for writing, in a straight line. */

static int fanout_begin_cpu_access(struct dma_buf *dmabuf,
				   enum dma_data_direction access)
{
	return is_write(access) ? begin_access(dmabuf, true) :
				  begin_access(dmabuf, false);
}

static int fanout_end_cpu_access(struct dma_buf *dmabuf,
				 enum dma_data_direction access)
{
	if (is_write(access))
		end_access(dmabuf, true);
	else
		end_access(dmabuf, false);
	return 0;
}

static int fanout_mmap(struct dma_buf *dmabuf, struct vm_area_struct *vma)
{
	struct fanout_buffer *buffer = dmabuf->priv;

	/* A private mapping would copy what it writes. */
	if (!(vma->vm_flags & (VM_SHARED | VM_MAYSHARE)))
		return -EINVAL;

	cpu_mmap(&buffer->cpu, vma);
	if (vma->vm_flags & VM_MAYWRITE)
		WRITE_ONCE(buffer->written, true);
	return 0;
}

/*
 * Kernel users that write need not say so: what is mapped is a write access
 * that is open. The core maps once, however many there are.
 */
static int fanout_vmap(struct dma_buf *dmabuf, struct iosys_map *map)
{
	struct fanout_buffer *buffer = dmabuf->priv;
	void *vaddr;

	dma_resv_assert_held(dmabuf->resv);

	vaddr = cpu_vmap(&buffer->cpu);
	if (!vaddr)
		return -ENOMEM;
	fanout_begin(&buffer->fanout);
	open_writes_by_kernel(&buffer->open_writes, 1);
	WRITE_ONCE(buffer->written, true);
	iosys_map_set_vaddr(map, vaddr);
	return 0;
}

static void fanout_vunmap(struct dma_buf *dmabuf, struct iosys_map *map)
{
	struct fanout_buffer *buffer = dmabuf->priv;

	dma_resv_assert_held(dmabuf->resv);

	vunmap(map->vaddr);
	fanout_end(&buffer->fanout, true);
	open_writes_by_kernel(&buffer->open_writes, -1);
}

/* The end, and the beginning. */

static void free_buffer(struct fanout_buffer *buffer)
{
	bool dirty = READ_ONCE(buffer->written) ||
		     open_writes_were(&buffer->open_writes);

	extents_unpin(&buffer->mem, dirty);
	open_writes_forget(&buffer->open_writes);
	fanout_free(&buffer->fanout);
	kfree(buffer);
}

static void fanout_release(struct dma_buf *dmabuf)
{
	struct fanout_buffer *buffer = dmabuf->priv;

	debugfs_remove(buffer->debugfs);
	leak_mappings(buffer, NULL);
	if (!buffer->leaked)
		free_buffer(buffer);
}

static const struct dma_buf_ops fanout_ops = {
	.attach = fanout_attach,
	.detach = fanout_detach,
	.map_dma_buf = fanout_map,
	.unmap_dma_buf = fanout_unmap,
	.begin_cpu_access = fanout_begin_cpu_access,
	.end_cpu_access = fanout_end_cpu_access,
	.mmap = fanout_mmap,
	.vmap = fanout_vmap,
	.vunmap = fanout_vunmap,
	.release = fanout_release,
};

/**
 * fanout_buffer_export() - make a dma-buf of memfd ranges
 * @items: the ranges, as user space gave them
 * @nr_items: how many
 * @max_pages: the most pages they may have together
 *
 * Context: process context; may sleep.
 * Return: the dma-buf, which the caller owns, or what extents_pin() and
 * dma_buf_export() return.
 */
struct dma_buf *fanout_buffer_export(const struct udmabuf_create_item *items,
				     u32 nr_items, u64 max_pages)
{
	DEFINE_DMA_BUF_EXPORT_INFO(info);
	struct fanout_buffer *buffer;
	struct dma_buf *dmabuf;
	int ret;

	buffer = kzalloc(sizeof(*buffer), GFP_KERNEL_ACCOUNT);
	if (!buffer)
		return ERR_PTR(-ENOMEM);
	INIT_LIST_HEAD(&buffer->mappings);
	shadow_init(&buffer->shadow, &buffer->mem);
	cpu_mappings_init(&buffer->cpu, &buffer->mem);
	buffer->fanout = (struct fanout) {
		.shadow = &buffer->shadow,
		.cpu = &buffer->cpu,
		.open_writes = &buffer->open_writes,
		.policy = READ_ONCE(fanout_sync_policy),
	};

	ret = extents_pin(&buffer->mem, items, nr_items, max_pages);
	if (ret) {
		kfree(buffer);
		return ERR_PTR(ret);
	}

	info.ops = &fanout_ops;
	info.size = (size_t)buffer->mem.nr_pages << PAGE_SHIFT;
	info.flags = O_RDWR;
	info.priv = buffer;
	dmabuf = dma_buf_export(&info);
	if (IS_ERR(dmabuf)) {
		free_buffer(buffer);
		return dmabuf;
	}

	buffer->dmabuf = dmabuf;
	buffer->fanout.dmabuf = dmabuf;
	buffer->cpu.mapped = dmabuf->file->f_mapping;
	return dmabuf;
}
