// SPDX-License-Identifier: GPL-2.0
/*
 * Copies of what a device does not reach: which device uses which copy, and
 * their merging with the pages.
 *
 * swiotlb would make such copies as well, but copies them whole, one way or the
 * other, and nobody knows which side is newer; its pool is everybody's; and it
 * has one slot for each mapping. These are merged, charged to who maps, and
 * shared by the devices that reach them. It must not know where their memory
 * comes from.
 */
#include <linux/dma-mapping.h>
#include <linux/err.h>
#include <linux/highmem.h>
#include <linux/log2.h>
#include <linux/sched/signal.h>
#include <linux/slab.h>

#include "bindings/bindings.h"
#include "kind.h"
#include "shadow.h"

/* Users. */

static bool can_use(const struct copy *copy, struct device *dev)
{
	const struct copy_use *first =
		list_first_entry(&copy->users, struct copy_use, of_copy);

	if (copy->leaked)
		return false;
	if (copy->source != COPY_PAGES)
		return first->dev == dev;
	return copy->snoops == device_snoops(dev) && device_is_direct(dev) &&
	       device_reaches(dev, virt_to_phys(copy->vaddr), copy_size(copy));
}

static void remove_user(struct copy_use *use)
{
	struct copy *copy = use->copy;

	if (use->dir != DMA_TO_DEVICE && !--copy->nr_writers)
		copy_free_twin(copy);
	list_del(&use->of_copy);
	list_del(&use->of_mapping);
}

static int add_user(struct copy *copy, struct device *dev,
		    enum dma_data_direction dir, struct list_head *uses)
{
	struct copy_use *use;
	int ret;

	use = kzalloc(sizeof(*use), COPY_GFP);
	if (!use)
		return -ENOMEM;
	use->copy = copy;
	use->dev = dev;
	use->dir = dir;
	use->dma = copy->dma;
	if (dir != DMA_TO_DEVICE) {
		ret = copy->twin ? 0 : copy_add_twin(copy);
		if (ret)
			goto free;
		copy->nr_writers++;
	}
	list_add_tail(&use->of_copy, &copy->users);
	list_add_tail(&use->of_mapping, uses);
	if (copy->source != COPY_PAGES)
		return 0;

	use->dma = bindings_dma_map_page_attrs(dev, copy_first_page(copy), 0,
					       copy_size(copy), dir, MAP_ATTRS);
	if (!dma_mapping_error(dev, use->dma))
		return 0;
	ret = -EIO;
	remove_user(use);
free:
	kfree(use);
	return ret;
}

/**
 * shadow_use() - have a device use copies of some pages
 * @shadow: the copies
 * @dev: the device
 * @dir: the direction it maps
 * @pgoff: the first page
 * @nr_pages: how many, at least 1
 * @uses: the mapping's uses, to which those of these pages are added
 *
 * Copies that are there are shared; others are made, of what size there is
 * memory. Afterwards, a shadow_push() fills those that are new, and before the
 * device runs there must be one.
 *
 * Context: process context, under the owner's lock; may sleep.
 * Return: 0; -ENOMEM, also over the bound of copies; -EIO if the device reaches
 * no memory; -EINTR for a task that is being killed. After an error @uses has
 * some more uses than before, which the caller drops with the others.
 */
int shadow_use(struct shadow *shadow, struct device *dev,
	       enum dma_data_direction dir, u32 pgoff, u32 nr_pages,
	       struct list_head *uses)
{
	unsigned int order = ilog2(COPY_MAX_PAGES);
	struct copy *copy, *at;
	int ret;

	/* Those that begin at @pgoff or later follow @at. */
	at = list_first_entry(&shadow->copies, struct copy, node);
	while (nr_pages) {
		cond_resched();
		if (fatal_signal_pending(current))
			return -EINTR;
		while (!list_entry_is_head(at, &shadow->copies, node) &&
		       at->pgoff < pgoff)
			at = list_next_entry(at, node);
		copy = at;
		while (!list_entry_is_head(copy, &shadow->copies, node) &&
		       copy->pgoff == pgoff &&
		       (copy->nr_pages > nr_pages || !can_use(copy, dev)))
			copy = list_next_entry(copy, node);
		if (list_entry_is_head(copy, &shadow->copies, node) ||
		    copy->pgoff != pgoff) {
			order = min_t(unsigned int, order, ilog2(nr_pages));
			copy = copy_create(dev, pgoff, &order);
			if (IS_ERR(copy))
				return PTR_ERR(copy);
			list_add_tail(&copy->node, &at->node);
		}

		ret = add_user(copy, dev, dir, uses);
		if (ret) {
			if (list_empty(&copy->users))
				copy_destroy(copy, dev);
			return ret;
		}
		pgoff += copy->nr_pages;
		nr_pages -= copy->nr_pages;
	}
	return 0;
}

/**
 * shadow_drop() - end all uses of a mapping
 * @uses: the mapping's uses; empty afterwards
 *
 * What its device wrote was fetched before, or is lost.
 *
 * Context: process context, under the owner's lock; may sleep.
 */
void shadow_drop(struct list_head *uses)
{
	struct copy_use *use, *next;

	list_for_each_entry_safe(use, next, uses, of_mapping) {
		struct copy *copy = use->copy;

		if (copy->source == COPY_PAGES)
			bindings_dma_unmap_page_attrs(use->dev, use->dma,
						      copy_size(copy), use->dir,
						      MAP_ATTRS);
		remove_user(use);
		if (list_empty(&copy->users))
			copy_destroy(copy, use->dev);
		kfree(use);
		cond_resched();
	}
}

/**
 * shadow_leak() - forget the uses of a mapping that was left behind
 * @uses: the mapping's uses; empty afterwards
 *
 * Its device may go on using the copies, so their memory is never given back;
 * nor is the device asked for anything any more.
 *
 * Context: process context, under the owner's lock.
 */
void shadow_leak(struct list_head *uses)
{
	struct copy_use *use, *next;

	list_for_each_entry_safe(use, next, uses, of_mapping) {
		struct copy *copy = use->copy;

		copy->leaked = true;
		remove_user(use);
		if (list_empty(&copy->users))
			copy_destroy(copy, use->dev);
		kfree(use);
		cond_resched();
	}
}

/* Merging. */

/*
 * A device that does not snoop: the caches' lines of the copy are dropped
 * before a merge, and cleaned after it. Both, whatever the merge did: where
 * for_cpu() does nothing it is this for_device() that drops them.
 */
static void sync_copy(const struct copy *copy, bool for_cpu)
{
	const struct copy_use *use, *by =
		list_first_entry(&copy->users, struct copy_use, of_copy);
	enum dma_data_direction dir;

	if (copy->snoops || copy->source == COPY_COHERENT)
		return;
	list_for_each_entry(use, &copy->users, of_copy)
		if (use->dir != DMA_TO_DEVICE)
			by = use;
	dir = copy->source == COPY_PAGES ? by->dir : DMA_BIDIRECTIONAL;
	if (for_cpu)
		bindings_dma_sync_single_for_cpu(by->dev, by->dma,
						 copy_size(copy), dir);
	else
		bindings_dma_sync_single_for_device(by->dev, by->dma,
						    copy_size(copy), dir);
}

static void merge_copy(const struct shadow *shadow, struct copy *copy,
		       bool fetch, struct merge_stats *stats)
{
	const struct extent *extent = extents_find(shadow->mem, copy->pgoff);
	u32 i, pgoff = copy->pgoff;

	sync_copy(copy, true);
	for (i = 0; i < copy->nr_pages; i++, pgoff++) {
		size_t offset = (size_t)i << PAGE_SHIFT;
		void *twin = copy->twin ? copy->twin + offset : NULL;
		void *memory = copy->vaddr + offset;
		void *page;

		if (pgoff - extent->pgoff == extent->nr_pages)
			extent++;
		page = kmap_local_page(pfn_to_page(extent->pfn + pgoff -
						   extent->pgoff));
		if (!copy->filled)
			merge_fill(page, memory, twin, PAGE_SIZE);
		else if (fetch)
			merge_fetch(page, memory, twin, PAGE_SIZE, stats);
		else
			merge_push(page, memory, twin, PAGE_SIZE, stats);
		kunmap_local(page);
	}
	copy->filled = true;
	sync_copy(copy, false);
	cond_resched();
}

static const struct copy *merge_all(struct shadow *shadow, bool fetch,
				    struct merge_stats *stats)
{
	const struct copy *conflict = NULL;
	struct copy *copy;
	u64 before;

	list_for_each_entry(copy, &shadow->copies, node) {
		if (fetch && !(copy->nr_writers && copy->filled))
			continue;
		before = stats->conflicts;
		merge_copy(shadow, copy, fetch, stats);
		if (stats->conflicts != before && !conflict)
			conflict = copy;
	}
	return conflict;
}

/**
 * shadow_fetch() - bring what devices wrote to their copies into the pages
 * @shadow: the copies
 *
 * Context: process context, under the owner's lock; may sleep.
 * Return: the first copy that both a device and somebody else wrote to in the
 * same place, or NULL.
 */
const struct copy *shadow_fetch(struct shadow *shadow)
{
	return merge_all(shadow, true, &shadow->fetched);
}

/**
 * shadow_push() - bring what others wrote to the pages into the copies
 * @shadow: the copies
 *
 * Context: process context, under the owner's lock; may sleep.
 * Return: as shadow_fetch().
 */
const struct copy *shadow_push(struct shadow *shadow)
{
	return merge_all(shadow, false, &shadow->pushed);
}

/**
 * shadow_pages() - count memory
 * @shadow: the copies
 *
 * Context: any, under the owner's lock.
 * Return: how many pages copies and twins have together.
 */
u64 shadow_pages(const struct shadow *shadow)
{
	const struct copy *copy;
	u64 nr = 0;

	list_for_each_entry(copy, &shadow->copies, node)
		nr += copy->nr_pages * (copy->twin ? 2ull : 1ull);
	return nr;
}

/**
 * shadow_init() - no copies yet
 * @shadow: the copies
 * @mem: the pages
 */
void shadow_init(struct shadow *shadow, const struct extents *mem)
{
	shadow->mem = mem;
	INIT_LIST_HEAD(&shadow->copies);
}
