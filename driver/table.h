/* SPDX-License-Identifier: GPL-2.0 */
/*
 * An sg table, entry by entry. Knows nothing of buffers or copies.
 */
#ifndef UDMABUF_FANOUT_TABLE_H
#define UDMABUF_FANOUT_TABLE_H

#include <linux/scatterlist.h>
#include <linux/types.h>

struct device;

/**
 * struct table_limits - what a device takes for one entry of a table (H16)
 * @max_pages: the most pages, at least 1
 * @boundary_pages: no entry crosses a multiple of so many pages; 0 is none
 */
struct table_limits {
	u32 max_pages;
	unsigned long boundary_pages;
};

int table_find_limits(struct device *dev, struct table_limits *limits);
u32 table_count(unsigned long at, u32 nr_pages,
		const struct table_limits *limits);
int table_alloc(struct sg_table *table, u32 nr);
void table_free(struct sg_table *table);
struct scatterlist *table_add_within(struct scatterlist *sg, unsigned long pfn,
				     u32 nr_pages,
				     const struct table_limits *limits);
struct scatterlist *table_add_mapped(struct scatterlist *sg, struct page *page,
				     dma_addr_t dma, u32 nr_pages,
				     const struct table_limits *limits);

/**
 * table_add() - add one entry
 * @sg: where
 * @pfn: the first page
 * @nr_pages: how many, no more than the device takes
 *
 * Return: where the next one goes.
 */
static inline struct scatterlist *table_add(struct scatterlist *sg,
					    unsigned long pfn, u32 nr_pages)
{
	*sg = (struct scatterlist) { };
	sg_set_page(sg, pfn_to_page(pfn), nr_pages << PAGE_SHIFT, 0);
	return sg + 1;
}

#endif /* UDMABUF_FANOUT_TABLE_H */
