/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Between a fake device and the DMA layer that stands behind the bindings for
 * it: what it has mapped. No suite needs this.
 */
#ifndef UDMABUF_FANOUT_FAKE_DMA_H
#define UDMABUF_FANOUT_FAKE_DMA_H

#include <linux/dma-direction.h>
#include <linux/list.h>
#include <linux/types.h>

#include "fake_device.h"

/**
 * struct fake_mapping - one table that is mapped
 * @node: in the device's list
 * @sgt: the table
 * @dir: the direction
 * @attrs: the attributes
 * @sum: over all its entries, right after it was mapped
 */
struct fake_mapping {
	struct list_head node;
	struct sg_table *sgt;
	enum dma_data_direction dir;
	unsigned long attrs;
	u64 sum;
};

/* How a device came to a copy. */
enum fake_origin {
	FAKE_MAPPED,
	FAKE_ALLOCATED,
	FAKE_ALLOCATED_COHERENT,
};

/**
 * struct fake_copy - memory that is mapped, or was allocated, in one piece
 * @node: in the device's list
 * @origin: how it came there
 * @dma: its address for the device
 * @size: its size in bytes
 * @dir: the direction
 * @attrs: the attributes, of what is mapped
 * @vaddr: its address for the CPU
 */
struct fake_copy {
	struct list_head node;
	enum fake_origin origin;
	dma_addr_t dma;
	size_t size;
	enum dma_data_direction dir;
	unsigned long attrs;
	void *vaddr;
};

struct fake_device *fake_device_of(const struct device *dev);
bool fake_device_reaches(struct fake_device *fake, phys_addr_t phys,
			 size_t size);
void fake_dma_install(struct shim_hooks *hooks);
bool fake_dma_synced_copy(unsigned int record);

#endif /* UDMABUF_FANOUT_FAKE_DMA_H */
