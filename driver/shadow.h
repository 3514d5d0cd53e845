/* SPDX-License-Identifier: GPL-2.0 */
/*
 * All copies of one buffer: which device uses which, and their merging. Knows
 * nothing of dma-bufs, tables or why a copy is merged when it is.
 */
#ifndef UDMABUF_FANOUT_SHADOW_H
#define UDMABUF_FANOUT_SHADOW_H

#include <linux/dma-direction.h>
#include <linux/list.h>
#include <linux/types.h>

#include "copy.h"
#include "memfd.h"
#include "merge.h"

struct device;

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
	struct merge_stats fetched;
	struct merge_stats pushed;
};

/*
 * How pages and copies are mapped: every sync is a planned step (H7), and a
 * failed map is seen from its errno.
 */
#define MAP_ATTRS	(DMA_ATTR_SKIP_CPU_SYNC | DMA_ATTR_NO_WARN)

void shadow_init(struct shadow *shadow, const struct extents *mem);
int shadow_use(struct shadow *shadow, struct device *dev,
	       enum dma_data_direction dir, u32 pgoff, u32 nr_pages,
	       struct list_head *uses);
void shadow_drop(struct list_head *uses);
void shadow_leak(struct list_head *uses);
u64 shadow_pages(const struct shadow *shadow);
const struct copy *shadow_fetch(struct shadow *shadow);
const struct copy *shadow_push(struct shadow *shadow);

#endif /* UDMABUF_FANOUT_SHADOW_H */
