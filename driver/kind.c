// SPDX-License-Identifier: GPL-2.0
/*
 * The kind of a mapping: why its device needs syncs, or that it does not. The
 * one file that looks below the DMA API, at dma-direct.h and dma-map-ops.h;
 * where it cannot tell, the answer is SYNC_OPAQUE, which is right and slow.
 */
#include <linux/dma-direct.h>
#include <linux/dma-map-ops.h>
#include <linux/dma-mapping.h>
#include <linux/iommu-dma.h>
#include <linux/scatterlist.h>

#include "bindings/bindings.h"
#include "kind.h"

/**
 * device_snoops() - tell whether a device is cache-coherent
 * @dev: the device
 *
 * Context: any.
 * Return: true if it is; then neither its slots nor the buffer's own pages need
 * cache maintenance for it.
 */
bool device_snoops(struct device *dev)
{
	return bindings_dev_is_dma_coherent(dev);
}

static enum sync_kind own_pages_kind(struct device *dev)
{
	return device_snoops(dev) ? SYNC_COHERENT : SYNC_NONCOHERENT;
}

/**
 * kind_of_segment() - tell the kind of one segment of a direct mapping
 * @dev: the device
 * @sg: the segment, mapped by kernel/dma/direct.c, so that entry and DMA
 *	address belong together
 *
 * Context: any.
 * Return: SYNC_BOUNCED if the device does not use the segment's own pages,
 * otherwise SYNC_COHERENT or SYNC_NONCOHERENT.
 */
enum sync_kind kind_of_segment(struct device *dev, struct scatterlist *sg)
{
	if (dma_to_phys(dev, sg_dma_address(sg)) != sg_phys(sg))
		return SYNC_BOUNCED;
	return own_pages_kind(dev);
}

static unsigned int direct_kinds(struct device *dev, struct sg_table *sgt,
				 enum sync_kind kinds[MAX_KINDS])
{
	bool own = false, bounced = false;
	struct scatterlist *sg;
	unsigned int nr = 0;
	int i;

	for_each_sgtable_dma_sg(sgt, sg, i) {
		if (kind_of_segment(dev, sg) == SYNC_BOUNCED)
			bounced = true;
		else
			own = true;
	}

	if (own)
		kinds[nr++] = own_pages_kind(dev);
	if (bounced)
		kinds[nr++] = SYNC_BOUNCED;
	return nr;
}

/*
 * drivers/iommu/dma-iommu.c: a list is bounced entry by entry if it was marked,
 * and then only entries that do not fill whole pages of the IOMMU.
 */
static enum sync_kind iommu_kind(struct device *dev, struct sg_table *sgt)
{
	unsigned long mask = bindings_dma_get_merge_boundary(dev);
	struct scatterlist *sg;
	int i;

	if (sg_dma_is_swiotlb(sgt->sgl))
		for_each_sgtable_sg(sgt, sg, i)
			if ((sg_phys(sg) | sg->length) & mask)
				return SYNC_OPAQUE;
	return own_pages_kind(dev);
}

static enum sync_kind ops_kind(struct device *dev, struct sg_table *sgt)
{
	struct scatterlist *sg;
	int i;

	for_each_sgtable_dma_sg(sgt, sg, i)
		if (bindings_dma_need_sync(dev, sg_dma_address(sg)))
			return SYNC_OPAQUE;
	return SYNC_COHERENT;
}

/**
 * kinds_of_mapping() - tell the kinds of a mapping
 * @dev: the device it was made for
 * @sgt: the table that was mapped
 * @kinds: set to one kind, or to the kind of its own pages and SYNC_BOUNCED
 *
 * Two kinds only for a direct mapping, so that kind_of_segment() can tell which
 * segment is which.
 *
 * Context: any.
 * Return: the number of kinds, 1 or 2.
 */
unsigned int kinds_of_mapping(struct device *dev, struct sg_table *sgt,
			      enum sync_kind kinds[MAX_KINDS])
{
	BINDINGS_REDIRECT(kinds_of_mapping, dev, sgt, kinds);

	if (!bindings_dma_dev_need_sync(dev))
		kinds[0] = SYNC_COHERENT;
	else if (bindings_use_dma_iommu(dev))
		kinds[0] = iommu_kind(dev, sgt);
	else if (bindings_get_dma_ops(dev))
		kinds[0] = ops_kind(dev, sgt);
	else
		return direct_kinds(dev, sgt, kinds);
	return 1;
}
