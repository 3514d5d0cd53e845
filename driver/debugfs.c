// SPDX-License-Identifier: GPL-2.0
/*
 * What a buffer says of itself in debugfs. Reads, and changes nothing.
 */
#include <linux/debugfs.h>
#include <linux/dma-buf.h>
#include <linux/dma-mapping.h>
#include <linux/dma-resv.h>
#include <linux/fs.h>
#include <linux/module.h>
#include <linux/sched.h>
#include <linux/seq_file.h>

#include "bindings/bindings.h"
#include "buffer.h"
#include "debugfs.h"
#include "mapping.h"

static const char * const kind_names[] = {
	[SYNC_COHERENT] = "coherent",
	[SYNC_NONCOHERENT] = "noncoherent",
	[SYNC_COPY] = "copy",
};

static const char * const direction_names[] = {
	[DMA_BIDIRECTIONAL] = "BIDIRECTIONAL",
	[DMA_TO_DEVICE] = "TO_DEVICE",
	[DMA_FROM_DEVICE] = "FROM_DEVICE",
};

static const char * const source_names[] = {
	[COPY_PAGES] = "pages",
	[COPY_DEVICE_PAGES] = "device",
	[COPY_COHERENT] = "coherent",
};

static void show_mapping(struct seq_file *m,
			 const struct fanout_mapping *mapping)
{
	const struct copy_use *use;
	u64 copied = 0;

	list_for_each_entry(use, &mapping->uses, of_mapping)
		copied += (u64)use->copy->nr_pages << PAGE_SHIFT;
	seq_printf(m, "peer: %s kind=%s", dev_name(mapping->dev),
		   kind_names[mapping->kinds[0]]);
	if (mapping->nr_kinds > 1)
		seq_printf(m, "+%s", kind_names[mapping->kinds[1]]);
	seq_printf(m, " requested=%s mapped=%s entries=%u copied=%llu syncs=%llu\n",
		   direction_names[mapping->requested],
		   direction_names[mapping->dir],
		   mapping->importer.orig_nents, copied, mapping->syncs);
}

/* Whether two copies are used by the same devices, and are alike. */
static bool are_alike(const struct copy *a, const struct copy *b)
{
	const struct copy_use *x, *y =
		list_first_entry(&b->users, struct copy_use, of_copy);

	if (a->source != b->source || !a->twin != !b->twin)
		return false;
	list_for_each_entry(x, &a->users, of_copy) {
		if (list_entry_is_head(y, &b->users, of_copy) ||
		    x->dev != y->dev)
			return false;
		y = list_next_entry(y, of_copy);
	}
	return list_entry_is_head(y, &b->users, of_copy);
}

/* One line for copies that follow one another and are alike. */
static void show_copies(struct seq_file *m, struct shadow *shadow)
{
	const struct copy *copy, *next, *first = NULL;
	const struct copy_use *use;
	u32 nr_pages = 0, nr = 0;

	list_for_each_entry(copy, &shadow->copies, node) {
		cond_resched();
		if (!first)
			first = copy;
		nr_pages += copy->nr_pages;
		nr++;
		next = list_next_entry(copy, node);
		if (!list_entry_is_head(next, &shadow->copies, node) &&
		    next->pgoff == copy->pgoff + copy->nr_pages &&
		    are_alike(first, next))
			continue;
		seq_printf(m, "copy: from=%llu size=%llu pieces=%u memory=%s twin=%s for",
			   (u64)first->pgoff << PAGE_SHIFT,
			   (u64)nr_pages << PAGE_SHIFT, nr,
			   source_names[first->source],
			   first->twin ? "yes" : "no");
		list_for_each_entry(use, &first->users, of_copy)
			seq_printf(m, " %s", dev_name(use->dev));
		seq_putc(m, '\n');
		first = NULL;
		nr_pages = 0;
		nr = 0;
	}
}

static int fanout_debugfs_show(struct seq_file *m, void *unused)
{
	struct fanout_buffer *buffer = m->private;
	struct shadow *shadow = &buffer->shadow;
	struct fanout_mapping *mapping;
	int ret;

	ret = bindings_dma_resv_lock_interruptible(buffer->dmabuf->resv, NULL);
	if (ret)
		return ret;

	seq_printf(m, "size: %llu\nextents: %u\nopen for writing: %s\npolicy: %s\ncopies and twins: %llu\nfetched: %llu\npushed: %llu\nconflicts: %llu\n",
		   (u64)buffer->mem.nr_pages << PAGE_SHIFT, buffer->mem.nr,
		   open_writes_any(&buffer->open_writes) ? "maybe" : "no",
		   fanout_policy_names[buffer->fanout.policy],
		   shadow_pages(shadow) << PAGE_SHIFT, shadow->fetched.bytes,
		   shadow->pushed.bytes,
		   shadow->fetched.conflicts + shadow->pushed.conflicts);
	list_for_each_entry(mapping, &buffer->mappings, node)
		show_mapping(m, mapping);
	show_copies(m, shadow);
	dma_resv_unlock(buffer->dmabuf->resv);
	return 0;
}

static int fanout_debugfs_open(struct inode *inode, struct file *file)
{
	return single_open(file, fanout_debugfs_show, inode->i_private);
}

static const struct file_operations fanout_debugfs_fops = {
	.owner = THIS_MODULE,
	.open = fanout_debugfs_open,
	.read = seq_read,
	.llseek = seq_lseek,
	.release = single_release,
};

/**
 * fanout_debugfs_add() - make a buffer's file, named by the dma-buf's inode
 * @dmabuf: a new dma-buf of ours, which nobody else has yet
 * @dir: where
 *
 * The buffer removes it. That there is none is no error.
 *
 * Context: process context; may sleep.
 */
void fanout_debugfs_add(struct dma_buf *dmabuf, struct dentry *dir)
{
	struct fanout_buffer *buffer = dmabuf->priv;
	char name[24];

	snprintf(name, sizeof(name), "%llu",
		 (u64)file_inode(dmabuf->file)->i_ino);
	buffer->debugfs = debugfs_create_file(name, 0400, dir, buffer,
					      &fanout_debugfs_fops);
}
