/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Copies of what a device does not reach. Knows nothing of dma-bufs, tables or
 * why a copy is merged when it is.
 */
#ifndef UDMABUF_FANOUT_SHADOW_H
#define UDMABUF_FANOUT_SHADOW_H

#include <linux/dma-direction.h>
#include <linux/list.h>
#include <linux/types.h>

#include "memfd.h"
#include "merge.h"

struct device;
struct page;

/**
 * enum copy_source - where a copy's memory comes from, and who can use it
 * @COPY_PAGES: the page allocator; mapped for each device that reaches it
 * @COPY_DEVICE_PAGES: dma_alloc_pages(), for one device
 * @COPY_COHERENT: dma_alloc_coherent(), for one device; it needs no sync
 */
enum copy_source {
	COPY_PAGES,
	COPY_DEVICE_PAGES,
	COPY_COHERENT,
};

/**
 * struct copy - a copy of some pages of the buffer
 * @node: its place among the shadow's copies
 * @users: its uses
 * @pgoff: where in the buffer they begin, in pages
 * @nr_pages: how many there are: a power of two, up to COPY_MAX_PAGES
 * @source: where its memory comes from
 * @snoops: all devices that use it do, or none does
 * @filled: it has been in step with the pages
 * @leaked: a device that went away may still use it; it is never freed
 * @nr_writers: how many of @users write
 * @vaddr: its memory
 * @dma: its address, if it is for one device
 * @twin: what @vaddr and the pages last agreed on; NULL before the first writer
 */
struct copy {
	struct list_head node;
	struct list_head users;
	u32 pgoff;
	u32 nr_pages;
	enum copy_source source;
	bool snoops;
	bool filled;
	bool leaked;
	unsigned int nr_writers;
	void *vaddr;
	dma_addr_t dma;
	void *twin;
};

/**
 * struct copy_use - a device's use of a copy, by one mapping
 * @of_copy: its place among the copy's users
 * @of_mapping: its place in the mapping, in the order of the buffer
 * @copy: which copy
 * @dev: the device
 * @dir: the mapped direction
 * @dma: the copy's address for the device
 */
struct copy_use {
	struct list_head of_copy;
	struct list_head of_mapping;
	struct copy *copy;
	struct device *dev;
	enum dma_data_direction dir;
	dma_addr_t dma;
};

/**
 * struct shadow - all copies of one buffer
 * @mem: the pages they are copies of
 * @copies: the copies, sorted by where they begin
 * @nr_pages: how many pages copies and twins have together
 * @fetched: how many bytes were fetched, and conflicts met
 * @pushed: likewise pushed
 *
 * Lock: the owner's.
 *
 * Invariant: a copy has at least one user. A copy with a writer has a twin.
 */
struct shadow {
	const struct extents *mem;
	struct list_head copies;
	u64 nr_pages;
	struct merge_stats fetched;
	struct merge_stats pushed;
};

/*
 * How pages and copies are mapped: every sync is a planned step (H7), and a
 * failed map is seen from its errno.
 */
#define MAP_ATTRS	(DMA_ATTR_SKIP_CPU_SYNC | DMA_ATTR_NO_WARN)

/* The largest copy: what the page allocator has in one piece, 2 MiB. */
#define COPY_MAX_PAGES	512U

extern unsigned long shadow_max_pages;

void shadow_init(struct shadow *shadow, const struct extents *mem);
int shadow_use(struct shadow *shadow, struct device *dev,
	       enum dma_data_direction dir, u32 pgoff, u32 nr_pages,
	       struct list_head *uses);
void shadow_drop(struct shadow *shadow, struct list_head *uses);
void shadow_leak(struct shadow *shadow, struct list_head *uses);
struct page *shadow_page(const struct copy *copy);
const struct copy *shadow_fetch(struct shadow *shadow);
const struct copy *shadow_push(struct shadow *shadow);

#endif /* UDMABUF_FANOUT_SHADOW_H */
