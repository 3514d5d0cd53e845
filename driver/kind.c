// SPDX-License-Identifier: GPL-2.0
/*
 * What kind of device it is: whether it snoops the CPU's caches, and which
 * memory it reaches. The one file that looks below the DMA API, at dma-direct.h
 * and dma-map-ops.h, because it asks before anything is mapped: what a device
 * does not reach would go through swiotlb, whose pool belongs to everybody.
 */
#include <linux/cc_platform.h>
#include <linux/dma-direct.h>
#include <linux/dma-map-ops.h>
#include <linux/dma-mapping.h>
#include <linux/iommu-dma.h>
#include <linux/scatterlist.h>
#include <linux/swiotlb.h>

#include "bindings/bindings.h"
#include "kind.h"

/* The caches of ARM before v6, as those of mips below. */
#ifdef CONFIG_ARM
#define ARM_IS_LAZY	(__LINUX_ARM_ARCH__ < 6)
#else
#define ARM_IS_LAZY	0
#endif

/**
 * arch_has_lazy_for_cpu() - tell whether for_cpu() may do nothing
 *
 * Where the CPU does not read ahead, for_device() with DMA_BIDIRECTIONAL has
 * invalidated and nothing is left to do (arch/mips/mm/dma-noncoherent.c,
 * cpu_needs_post_dma_flush(); arch/arm/mm/cache-v4wb.S). That holds as long as
 * nobody reads between the two.
 *
 * Context: any.
 * Return: true if it may.
 */
bool arch_has_lazy_for_cpu(void)
{
	BINDINGS_REDIRECT(arch_has_lazy_for_cpu);

	return !IS_ENABLED(CONFIG_ARCH_HAS_SYNC_DMA_FOR_CPU) ||
	       IS_ENABLED(CONFIG_MIPS) || ARM_IS_LAZY;
}

/*
 * As dma_setup_need_sync() (kernel/dma/mapping.c) has it. dma_dev_need_sync()
 * says otherwise with CONFIG_DMA_API_DEBUG.
 */
static bool ops_sync(const struct dma_map_ops *ops)
{
	return ops->sync_single_for_cpu || ops->sync_single_for_device ||
	       ops->sync_sg_for_cpu || ops->sync_sg_for_device;
}

/**
 * device_snoops() - tell whether a device is cache-coherent
 * @dev: the device
 *
 * Context: any.
 * Return: true if it is; then no memory needs cache maintenance for it.
 */
bool device_snoops(struct device *dev)
{
	const struct dma_map_ops *ops = bindings_get_dma_ops(dev);

	return (ops && !ops_sync(ops)) || bindings_dev_is_dma_coherent(dev);
}

/**
 * device_is_direct() - tell whether a device uses physical addresses
 * @dev: the device
 *
 * Context: any.
 * Return: true if kernel/dma/direct.c maps for it, so that device_reaches()
 * holds for any memory.
 */
bool device_is_direct(struct device *dev)
{
	return !bindings_use_dma_iommu(dev) && !bindings_get_dma_ops(dev);
}

/**
 * device_is_forced() - tell whether whatever is mapped for a device is bounced
 * @dev: the device, which is direct
 *
 * By swiotlb=force, a restricted pool, or because the memory of a confidential
 * guest is encrypted (force_dma_unencrypted(), which modules cannot ask).
 *
 * Context: any.
 * Return: true if it reaches only what dma_alloc_pages() gives it.
 */
bool device_is_forced(struct device *dev)
{
	BINDINGS_REDIRECT(device_is_forced, dev);

	return is_swiotlb_force_bounce(dev) ||
	       cc_platform_has(CC_ATTR_GUEST_MEM_ENCRYPT) ||
	       (!IS_ENABLED(CONFIG_X86) &&
		cc_platform_has(CC_ATTR_MEM_ENCRYPT));
}

/**
 * device_reaches() - tell whether a device can use memory as it is
 * @dev: the device
 * @phys: where the memory begins
 * @size: its size in bytes
 *
 * What dma_capable() says not to be so is bounced (kernel/dma/direct.h). An
 * IOMMU makes everything reachable. Custom dma_map_ops that need syncs do not
 * say what these do (kernel/dma/mapping.c, dma_setup_need_sync()), so what they
 * map is not for us to use.
 *
 * Context: any.
 * Return: true if a mapping of it uses this memory, and needs no sync but cache
 * maintenance.
 */
bool device_reaches(struct device *dev, phys_addr_t phys, u64 size)
{
	const struct dma_map_ops *ops;
	dma_addr_t addr, end;

	BINDINGS_REDIRECT(device_reaches, dev, phys, size);

	if (bindings_use_dma_iommu(dev))
		return true;
	ops = bindings_get_dma_ops(dev);
	if (ops)
		return !ops_sync(ops);

	/*
	 * A bus can have several windows. dma_capable() looks up where an entry
	 * begins, and takes it that it ends in the same one.
	 */
	addr = phys_to_dma(dev, phys);
	end = phys_to_dma(dev, phys + size - 1);
	return !device_is_forced(dev) && addr != DMA_MAPPING_ERROR &&
	       end == addr + size - 1 && addr <= end &&
	       end <= min_not_zero(*dev->dma_mask, dev->bus_dma_limit);
}

/**
 * device_is_bounced() - tell whether a mapping does not use its own pages
 * @dev: the device it was made for
 * @sgt: the table that was mapped
 *
 * What device_reaches() cannot tell beforehand. drivers/iommu/dma-iommu.c
 * bounces the lists of untrusted devices, and of these only entries that do not
 * fill whole pages of the IOMMU.
 *
 * Context: any.
 * Return: true if it is bounced, or some of it.
 */
bool device_is_bounced(struct device *dev, struct sg_table *sgt)
{
	unsigned long mask;
	struct scatterlist *sg;
	int i;

	if (!bindings_dma_dev_need_sync(dev))
		return false;
	if (device_is_direct(dev)) {
		for_each_sgtable_dma_sg(sgt, sg, i)
			if (sg_dma_address(sg) != phys_to_dma(dev, sg_phys(sg)))
				return true;
		return false;
	}
	if (!bindings_use_dma_iommu(dev) || !sg_dma_is_swiotlb(sgt->sgl))
		return false;

	mask = bindings_dma_get_merge_boundary(dev);
	for_each_sgtable_sg(sgt, sg, i)
		if ((sg_phys(sg) | sg->length) & mask)
			return true;
	return false;
}
