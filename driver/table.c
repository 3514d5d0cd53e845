// SPDX-License-Identifier: GPL-2.0
/*
 * An sg table, entry by entry: how long one can be for a device, and how memory
 * is cut into such.
 *
 * Tables have no chains, so that they are cheaply filled and copied: buffers of
 * scattered small pages have one entry a page. It must not know whose memory it
 * is.
 */
#include <linux/dma-mapping.h>
#include <linux/minmax.h>
#include <linux/mm.h>
#include <linux/slab.h>

#include "bindings/bindings.h"
#include "kind.h"
#include "table.h"

/**
 * table_find_limits() - ask what a device takes
 * @dev: the device
 * @limits: the answer
 *
 * Context: any.
 * Return: 0, or -EINVAL for a device that does not take a page.
 */
int table_find_limits(struct device *dev, struct table_limits *limits)
{
	unsigned long boundary = bindings_dma_get_seg_boundary(dev);
	size_t max_entry = bindings_dma_get_max_seg_size(dev);

	/* What is mapped directly is reached, so swiotlb has no say. */
	if (!device_is_direct(dev))
		max_entry = min(max_entry, bindings_dma_max_mapping_size(dev));
	limits->max_pages = max_entry >> PAGE_SHIFT;
	limits->boundary_pages = (boundary >> PAGE_SHIFT) + 1;
	if (!limits->max_pages || boundary < PAGE_SIZE - 1)
		return -EINVAL;
	return 0;
}

/* How many of @nr_pages pages from page @at on one entry can take. */
static u32 entry_pages(unsigned long at, u32 nr_pages,
		       const struct table_limits *limits)
{
	unsigned long room = limits->boundary_pages -
			     (at & (limits->boundary_pages - 1));

	nr_pages = min(nr_pages, limits->max_pages);
	if (limits->boundary_pages && nr_pages > room)
		nr_pages = room;
	return nr_pages;
}

/**
 * table_count() - count the entries of contiguous memory
 * @at: the first page, of physical or of DMA addresses
 * @nr_pages: how many
 * @limits: the device's
 *
 * Context: any.
 * Return: how many entries table_add_within() or table_add_mapped() adds.
 */
u32 table_count(unsigned long at, u32 nr_pages,
		const struct table_limits *limits)
{
	u32 nr = 0, pages;

	for (; nr_pages; nr_pages -= pages, at += pages) {
		pages = entry_pages(at, nr_pages, limits);
		nr++;
	}
	return nr;
}

/**
 * table_alloc() - have room for entries
 * @table: the table
 * @nr: how many, at least 1
 *
 * Context: process context; may sleep.
 * Return: 0 or -ENOMEM. Nothing is in the entries.
 */
int table_alloc(struct sg_table *table, u32 nr)
{
	/* kvmalloc() warns of more than INT_MAX. */
	table->sgl = kvmalloc_array(nr, sizeof(*table->sgl),
				    GFP_KERNEL | __GFP_NOWARN);
	if (!table->sgl)
		return -ENOMEM;
	table->nents = nr;
	table->orig_nents = nr;
	return 0;
}

/**
 * table_free() - free the entries
 * @table: the table; empty afterwards
 *
 * Context: process context; may sleep.
 */
void table_free(struct sg_table *table)
{
	kvfree(table->sgl);
	*table = (struct sg_table) { };
}

/**
 * table_add_within() - add pages, in entries that the device takes
 * @sg: where
 * @pfn: the first page
 * @nr_pages: how many, contiguous
 * @limits: the device's
 *
 * Context: any.
 * Return: where the next entry goes.
 */
struct scatterlist *table_add_within(struct scatterlist *sg, unsigned long pfn,
				     u32 nr_pages,
				     const struct table_limits *limits)
{
	u32 pages;

	for (; nr_pages; nr_pages -= pages, pfn += pages) {
		pages = entry_pages(pfn, nr_pages, limits);
		sg = table_add(sg, pfn, pages);
	}
	return sg;
}

/**
 * table_add_mapped() - add memory that is mapped already
 * @sg: where
 * @page: its first page, or NULL
 * @dma: its DMA address
 * @nr_pages: how many pages it has, contiguous
 * @limits: the device's
 *
 * Context: any.
 * Return: where the next entry goes.
 */
struct scatterlist *table_add_mapped(struct scatterlist *sg, struct page *page,
				     dma_addr_t dma, u32 nr_pages,
				     const struct table_limits *limits)
{
	u32 done, pages;

	for (done = 0; done < nr_pages; done += pages) {
		dma_addr_t at = dma + ((dma_addr_t)done << PAGE_SHIFT);

		pages = entry_pages(at >> PAGE_SHIFT, nr_pages - done, limits);
		*sg = (struct scatterlist) { };
		sg_set_page(sg, page ? page + done : NULL, pages << PAGE_SHIFT,
			    0);
		sg_dma_address(sg) = at;
		sg_dma_len(sg) = pages << PAGE_SHIFT;
		sg++;
	}
	return sg;
}
