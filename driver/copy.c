// SPDX-License-Identifier: GPL-2.0
/*
 * One copy: where memory that a device reaches comes from, and what all copies
 * together may have.
 *
 * Memory from the page allocator is mapped for each device like any other. It
 * is not asked of dma_alloc_pages(), which gives it to one device: if that one
 * went away, the others would still be using it. Where mapping would bounce
 * (swiotlb=force, confidential guests, restricted pools) it is asked for, and
 * then it is that device's alone. It must not know who uses a copy, or when.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/atomic.h>
#include <linux/dma-mapping.h>
#include <linux/err.h>
#include <linux/gfp.h>
#include <linux/log2.h>
#include <linux/printk.h>
#include <linux/sched.h>
#include <linux/slab.h>

#include "bindings/bindings.h"
#include "copy.h"
#include "kind.h"

/* The most pages that all copies and twins may have together. */
unsigned long copy_limit_pages = COPY_LIMIT_UNSET;
static atomic_long_t charged_pages;

static int charge(u32 nr_pages)
{
	unsigned long max = READ_ONCE(copy_limit_pages);

	if (atomic_long_add_return(nr_pages, &charged_pages) <= max)
		return 0;
	atomic_long_sub(nr_pages, &charged_pages);
	pr_warn_ratelimited("no room for copies: they may have %lu MiB, see copy_limit_mb\n",
			    max >> (20 - PAGE_SHIFT));
	return -ENOMEM;
}

static void uncharge(u32 nr_pages)
{
	atomic_long_sub(nr_pages, &charged_pages);
}

/* Smaller pieces are better than much reclaim. */
static gfp_t copy_gfp(const struct copy *copy)
{
	if (copy->nr_pages > 1)
		return GFP_KERNEL_ACCOUNT | __GFP_NOWARN | __GFP_NORETRY;
	return COPY_GFP;
}

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

/**
 * copy_create() - allocate a copy
 * @dev: the device that will be its first user
 * @pgoff: the first page that it is a copy of
 * @order: how many pages, 1 << @order; lowered to what there was memory for
 *
 * Context: process context; may sleep.
 * Return: the copy, in no list, with nothing in it; -ENOMEM, also over the
 * bound of copies; -EIO if the device reaches no memory.
 */
struct copy *copy_create(struct device *dev, u32 pgoff, unsigned int *order)
{
	struct copy *copy;
	int ret;

	copy = kzalloc(sizeof(*copy), COPY_GFP);
	if (!copy)
		return ERR_PTR(-ENOMEM);
	INIT_LIST_HEAD(&copy->node);
	INIT_LIST_HEAD(&copy->users);
	copy->pgoff = pgoff;
	copy->snoops = device_snoops(dev);

	for (;; --*order) {
		copy->nr_pages = 1U << *order;
		ret = charge(copy->nr_pages);
		if (ret)
			break;
		ret = alloc_memory(copy, dev);
		if (!ret)
			return copy;
		uncharge(copy->nr_pages);
		if (!*order)
			break;
	}
	kfree(copy);
	return ERR_PTR(ret);
}

/**
 * copy_destroy() - free a copy that nobody uses any more
 * @copy: the copy; taken from its list
 * @dev: its last user
 *
 * What a device that was left behind may still use stays allocated, and counts.
 *
 * Context: process context; may sleep.
 */
void copy_destroy(struct copy *copy, struct device *dev)
{
	copy_free_twin(copy);
	if (!copy->leaked) {
		free_memory(copy, dev);
		uncharge(copy->nr_pages);
	}
	list_del(&copy->node);
	kfree(copy);
}

/**
 * copy_add_twin() - remember what a copy holds
 * @copy: the copy, which has no twin, and which no device has written to
 *
 * Context: process context; may sleep.
 * Return: 0; -ENOMEM, also over the bound of copies.
 */
int copy_add_twin(struct copy *copy)
{
	int ret;

	ret = charge(copy->nr_pages);
	if (ret)
		return ret;
	copy->twin = kvmalloc(copy_size(copy), COPY_GFP);
	if (!copy->twin) {
		uncharge(copy->nr_pages);
		return -ENOMEM;
	}
	if (copy->filled)
		memcpy(copy->twin, copy->vaddr, copy_size(copy));
	return 0;
}

/**
 * copy_free_twin() - forget it
 * @copy: the copy, which may have no twin
 *
 * Context: process context; may sleep.
 */
void copy_free_twin(struct copy *copy)
{
	if (!copy->twin)
		return;
	kvfree(copy->twin);
	copy->twin = NULL;
	uncharge(copy->nr_pages);
}

/**
 * copy_first_page() - a copy's first page
 * @copy: the copy
 *
 * Context: any.
 * Return: the page, which the others follow; NULL if it has none to speak of.
 */
struct page *copy_first_page(const struct copy *copy)
{
	return copy->source == COPY_COHERENT ? NULL : virt_to_page(copy->vaddr);
}
