// SPDX-License-Identifier: GPL-2.0
/*
 * What UML lacks for devices of all kinds: memory to bounce through, and the
 * architecture's part of a sync, which counts what it is asked to maintain. UML
 * has no caches of its own.
 */
#include <linux/dma-map-ops.h>
#include <linux/init.h>
#include <linux/sizes.h>
#include <linux/swiotlb.h>

#include "real_device.h"

struct maintained maintained;

void arch_sync_dma_for_device(phys_addr_t phys, size_t size,
			      enum dma_data_direction dir)
{
	maintained.for_device += size;
}

void arch_sync_dma_for_cpu(phys_addr_t phys, size_t size,
			   enum dma_data_direction dir)
{
	maintained.for_cpu += size;
}

static int __init init_swiotlb(void)
{
	return swiotlb_init_late(SZ_4M, GFP_KERNEL, NULL);
}
late_initcall(init_swiotlb);
