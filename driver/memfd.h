/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The memory of a buffer: pinned extents of memfds. Knows nothing of dma-bufs,
 * devices or mappings.
 */
#ifndef UDMABUF_FANOUT_MEMFD_H
#define UDMABUF_FANOUT_MEMFD_H

#include <linux/sched.h>
#include <linux/types.h>

struct udmabuf_create_item;

/**
 * struct extent - physically contiguous pages of one buffer
 * @pfn: the first page
 * @nr_pages: how many pages, at least 1
 * @pgoff: where in the buffer the first page stands, in pages
 *
 * Invariant: all pages lie in one memory zone, and every folio that the extent
 * touches carries exactly one pin for it.
 */
struct extent {
	unsigned long pfn;
	u32 nr_pages;
	u32 pgoff;
};

/**
 * struct extents - the memory of one buffer
 * @extent: the extents, in the order of the buffer
 * @nr: how many extents, at least 1
 * @nr_pages: how many pages they have together
 * @longest: how many pages the longest one has
 * @straddles: one crosses a multiple of EXTENT_BOUNDARY, inside of a folio
 * @first_pfn: the page of the lowest address
 * @last_pfn: the page of the highest
 *
 * Invariant: @extent[i + 1].pgoff is @extent[i].pgoff + @extent[i].nr_pages, and
 * two neighbours that touch are one extent where they can be. Never changes
 * between extents_pin() and extents_unpin().
 */
struct extents {
	struct extent *extent;
	u32 nr;
	u32 nr_pages;
	u32 longest;
	bool straddles;
	unsigned long first_pfn;
	unsigned long last_pfn;
};

/* Folios are not merged across a multiple of this many pages, 4 GiB. */
#define EXTENT_BOUNDARY	(1UL << (32 - PAGE_SHIFT))

int extents_pin(struct extents *mem, const struct udmabuf_create_item *items,
		u32 nr_items, u64 max_pages);
void extents_unpin(struct extents *mem, bool dirty);
const struct extent *extents_find(const struct extents *mem, pgoff_t pgoff);

/**
 * extents_breathe() - let others run now and then in a loop over extents
 * @i: the loop's counter
 *
 * A large buffer has millions of them, and each takes some nanoseconds.
 *
 * Context: process context; may sleep.
 */
static inline void extents_breathe(unsigned long i)
{
	if (!(i % 4096))
		cond_resched();
}

#endif /* UDMABUF_FANOUT_MEMFD_H */
