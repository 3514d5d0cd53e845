// SPDX-License-Identifier: GPL-2.0
/*
 * Copies of what a device does not reach, and their merging with the pages.
 *
 * swiotlb would make such copies as well, but copies them whole, one way or the
 * other, and nobody knows which side is newer; its pool is everybody's; and it
 * has one slot for each mapping. These are merged, charged to who maps, and
 * shared by the devices that reach them.
 *
 * Memory from the page allocator is mapped for each device like any other. It
 * is not asked of dma_alloc_pages(), which gives it to one device: if that one
 * went away, the others would still be using it. Where mapping would bounce
 * (swiotlb=force, confidential guests, restricted pools) it is asked for, and
 * then it is that device's alone.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/atomic.h>
#include <linux/dma-mapping.h>
#include <linux/gfp.h>
#include <linux/highmem.h>
#include <linux/log2.h>
#include <linux/printk.h>
#include <linux/sched.h>
#include <linux/slab.h>

#include "bindings/bindings.h"
#include "kind.h"
#include "shadow.h"

/* The most pages that all copies and twins may have together. */
unsigned long shadow_max_pages;
static atomic_long_t shadow_pages;

static size_t copy_size(const struct copy *copy)
{
	return (size_t)copy->nr_pages << PAGE_SHIFT;
}

/* ENOMEM is better than the OOM killer, also at the limit of a memory cgroup. */
#define SHADOW_GFP	(GFP_KERNEL_ACCOUNT | __GFP_NOWARN | __GFP_RETRY_MAYFAIL)

/* Smaller pieces are better than much reclaim. */
static gfp_t copy_gfp(const struct copy *copy)
{
	if (copy->nr_pages > 1)
		return GFP_KERNEL_ACCOUNT | __GFP_NOWARN | __GFP_NORETRY;
	return SHADOW_GFP;
}

static int charge(struct shadow *shadow, u32 nr_pages)
{
	unsigned long max = READ_ONCE(shadow_max_pages);

	if (atomic_long_add_return(nr_pages, &shadow_pages) > max) {
		atomic_long_sub(nr_pages, &shadow_pages);
		pr_warn_ratelimited("no room for copies: they may have %lu MiB, see copy_limit_mb\n",
				    max >> (20 - PAGE_SHIFT));
		return -ENOMEM;
	}
	shadow->nr_pages += nr_pages;
	return 0;
}

static void uncharge(struct shadow *shadow, u32 nr_pages)
{
	atomic_long_sub(nr_pages, &shadow_pages);
	shadow->nr_pages -= nr_pages;
}

/* Memory. */

/*
 * From the zones that reach lowest last, as kernel/dma/direct.c does.
 *
 * Return: 0; -ENOMEM; -EIO for memory that was had, and is out of reach.
 */
static int alloc_pages_for(struct copy *copy, struct device *dev)
{
	static const gfp_t zones[] = { GFP_DMA32, GFP_DMA };
	unsigned int order = ilog2(copy->nr_pages), i;
	struct page *page;
	int ret = -ENOMEM;

	for (i = 0; i < ARRAY_SIZE(zones); i++) {
		page = alloc_pages(copy_gfp(copy) | zones[i], order);
		if (!page)
			continue;
		if (device_reaches(dev, page_to_phys(page), copy_size(copy))) {
			copy->source = COPY_PAGES;
			copy->vaddr = page_address(page);
			return 0;
		}
		__free_pages(page, order);
		ret = -EIO;
	}
	return ret;
}

static int alloc_device_pages(struct copy *copy, struct device *dev)
{
	struct page *page;

	/* Without it the DMA API warns. */
	if (!dev->coherent_dma_mask)
		return -EIO;
	page = bindings_dma_alloc_pages(dev, copy_size(copy), &copy->dma,
					DMA_BIDIRECTIONAL, copy_gfp(copy));
	if (!page)
		return -ENOMEM;
	copy->source = COPY_DEVICE_PAGES;
	copy->vaddr = page_address(page);
	return 0;
}

static int alloc_coherent(struct copy *copy, struct device *dev)
{
	if (!dev->coherent_dma_mask)
		return -EIO;
	copy->vaddr = bindings_dma_alloc_coherent(dev, copy_size(copy),
						  &copy->dma, copy_gfp(copy));
	if (!copy->vaddr)
		return -ENOMEM;
	copy->source = COPY_COHERENT;
	return 0;
}

static int alloc_memory(struct copy *copy, struct device *dev)
{
	int ret;

	if (!device_is_direct(dev))
		return alloc_coherent(copy, dev);
	if (device_is_forced(dev))
		return alloc_device_pages(copy, dev);
	ret = alloc_pages_for(copy, dev);
	/* It may have memory of its own. */
	if (ret && !alloc_device_pages(copy, dev))
		return 0;
	return ret;
}

/* @dev is the device it is for, if it is for one. */
static void free_memory(struct copy *copy, struct device *dev)
{
	switch (copy->source) {
	case COPY_PAGES:
		__free_pages(virt_to_page(copy->vaddr), ilog2(copy->nr_pages));
		break;
	case COPY_DEVICE_PAGES:
		bindings_dma_free_pages(dev, copy_size(copy),
					virt_to_page(copy->vaddr), copy->dma,
					DMA_BIDIRECTIONAL);
		break;
	case COPY_COHERENT:
		bindings_dma_free_coherent(dev, copy_size(copy), copy->vaddr,
					   copy->dma);
		break;
	}
}

static void free_twin(struct shadow *shadow, struct copy *copy)
{
	if (!copy->twin)
		return;
	kvfree(copy->twin);
	copy->twin = NULL;
	uncharge(shadow, copy->nr_pages);
}

static void free_copy(struct shadow *shadow, struct copy *copy,
		      struct device *dev)
{
	free_twin(shadow, copy);
	free_memory(copy, dev);
	uncharge(shadow, copy->nr_pages);
	list_del(&copy->node);
	kfree(copy);
}

/* Nobody uses @copy any more; but a device that was left behind may. */
static void drop_copy(struct shadow *shadow, struct copy *copy,
		      struct device *dev)
{
	if (!copy->leaked) {
		free_copy(shadow, copy, dev);
		return;
	}
	list_del(&copy->node);
	kfree(copy);
}

/*
 * A copy of up to 1 << *@order pages from @pgoff on, before @at in the list.
 * *@order is lowered to what there is.
 */
static struct copy *new_copy(struct shadow *shadow, struct device *dev,
			     u32 pgoff, unsigned int *order,
			     struct list_head *at)
{
	struct copy *copy;
	int ret;

	copy = kzalloc(sizeof(*copy), SHADOW_GFP);
	if (!copy)
		return ERR_PTR(-ENOMEM);
	INIT_LIST_HEAD(&copy->users);
	copy->pgoff = pgoff;
	copy->snoops = device_snoops(dev);

	for (;; --*order) {
		copy->nr_pages = 1U << *order;
		ret = charge(shadow, copy->nr_pages);
		if (ret)
			goto free;
		ret = alloc_memory(copy, dev);
		if (!ret)
			break;
		uncharge(shadow, copy->nr_pages);
		if (!*order)
			goto free;
	}
	list_add_tail(&copy->node, at);
	return copy;

free:
	kfree(copy);
	return ERR_PTR(ret);
}

/* Users. */

/**
 * shadow_page() - a copy's first page
 * @copy: the copy
 *
 * Context: any.
 * Return: the page, which the others follow; NULL if it has none to speak of.
 */
struct page *shadow_page(const struct copy *copy)
{
	return copy->source == COPY_COHERENT ? NULL : virt_to_page(copy->vaddr);
}

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

static int add_writer(struct shadow *shadow, struct copy *copy)
{
	int ret;

	if (!copy->twin) {
		ret = charge(shadow, copy->nr_pages);
		if (ret)
			return ret;
		copy->twin = kvmalloc(copy_size(copy), SHADOW_GFP);
		if (!copy->twin) {
			uncharge(shadow, copy->nr_pages);
			return -ENOMEM;
		}
		/* So far nobody but us has written to it. */
		if (copy->filled)
			memcpy(copy->twin, copy->vaddr, copy_size(copy));
	}
	copy->nr_writers++;
	return 0;
}

static void remove_user(struct shadow *shadow, struct copy_use *use)
{
	struct copy *copy = use->copy;

	if (use->dir != DMA_TO_DEVICE && !--copy->nr_writers)
		free_twin(shadow, copy);
	list_del(&use->of_copy);
	list_del(&use->of_mapping);
}

static int add_user(struct shadow *shadow, struct copy *copy,
		    struct device *dev, enum dma_data_direction dir,
		    struct list_head *uses)
{
	struct copy_use *use;
	int ret;

	use = kzalloc(sizeof(*use), SHADOW_GFP);
	if (!use)
		return -ENOMEM;
	use->copy = copy;
	use->dev = dev;
	use->dir = dir;
	use->dma = copy->dma;
	if (dir != DMA_TO_DEVICE) {
		ret = add_writer(shadow, copy);
		if (ret)
			goto free;
	}
	list_add_tail(&use->of_copy, &copy->users);
	list_add_tail(&use->of_mapping, uses);
	if (copy->source != COPY_PAGES)
		return 0;

	use->dma = bindings_dma_map_page_attrs(dev, shadow_page(copy), 0,
					       copy_size(copy), dir, MAP_ATTRS);
	if (!dma_mapping_error(dev, use->dma))
		return 0;
	ret = -EIO;
	remove_user(shadow, use);
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
 * no memory. After an error @uses has some more uses than before, which the
 * caller drops with the others.
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
			copy = new_copy(shadow, dev, pgoff, &order, &at->node);
			if (IS_ERR(copy))
				return PTR_ERR(copy);
		}

		ret = add_user(shadow, copy, dev, dir, uses);
		if (ret) {
			if (list_empty(&copy->users))
				free_copy(shadow, copy, dev);
			return ret;
		}
		pgoff += copy->nr_pages;
		nr_pages -= copy->nr_pages;
	}
	return 0;
}

/**
 * shadow_drop() - end all uses of a mapping
 * @shadow: the copies
 * @uses: the mapping's uses; empty afterwards
 *
 * What its device wrote was fetched before, or is lost.
 *
 * Context: process context, under the owner's lock; may sleep.
 */
void shadow_drop(struct shadow *shadow, struct list_head *uses)
{
	struct copy_use *use, *next;

	list_for_each_entry_safe(use, next, uses, of_mapping) {
		struct copy *copy = use->copy;

		if (copy->source == COPY_PAGES)
			bindings_dma_unmap_page_attrs(use->dev, use->dma,
						      copy_size(copy), use->dir,
						      MAP_ATTRS);
		remove_user(shadow, use);
		if (list_empty(&copy->users))
			drop_copy(shadow, copy, use->dev);
		kfree(use);
	}
}

/**
 * shadow_leak() - forget the uses of a mapping that was left behind
 * @shadow: the copies
 * @uses: the mapping's uses; empty afterwards
 *
 * Its device may go on using the copies, so their memory is never given back;
 * nor is the device asked for anything any more.
 *
 * Context: process context, under the owner's lock.
 */
void shadow_leak(struct shadow *shadow, struct list_head *uses)
{
	struct copy_use *use, *next;

	list_for_each_entry_safe(use, next, uses, of_mapping) {
		struct copy *copy = use->copy;

		copy->leaked = true;
		remove_user(shadow, use);
		if (list_empty(&copy->users))
			drop_copy(shadow, copy, use->dev);
		kfree(use);
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
 * shadow_init() - no copies yet
 * @shadow: the copies
 * @mem: the pages
 */
void shadow_init(struct shadow *shadow, const struct extents *mem)
{
	shadow->mem = mem;
	INIT_LIST_HEAD(&shadow->copies);
}
