// SPDX-License-Identifier: GPL-2.0
/*
 * Devices of every kind, of the kernel's own DMA layer: what makes a device
 * noncoherent or has its memory bounced is what makes a real one so. It must not
 * know what anybody does with them.
 */
#include <linux/dma-direct.h>
#include <linux/dma-map-ops.h>
#include <linux/dma-mapping.h>
#include <linux/slab.h>
#include <linux/sort.h>
#include <linux/swiotlb.h>

#include "compat.h"
#include "recorder.h"

/* 4 MiB of slots, more than all devices of a history can use. */
#define SLOTS_SIZE	(4 << 20)

/* swiotlb=force, for one device. */
static struct io_tlb_mem forced;

/* dma_map_ops of its own; nothing can be said of what its syncs do. */

static int opaque_map_sg(struct device *dev, struct scatterlist *sgl,
			 int nents, enum dma_data_direction dir,
			 unsigned long attrs)
{
	struct scatterlist *sg;
	int i;

	for_each_sg(sgl, sg, nents, i) {
		sg_dma_address(sg) = sg_phys(sg);
		sg_dma_len(sg) = sg->length;
	}
	return nents;
}

static void opaque_unmap_sg(struct device *dev, struct scatterlist *sgl,
			    int nents, enum dma_data_direction dir,
			    unsigned long attrs)
{
}

static void opaque_sync_sg(struct device *dev, struct scatterlist *sgl,
			   int nents, enum dma_data_direction dir)
{
}

static void opaque_sync_single(struct device *dev, dma_addr_t address,
			       size_t size, enum dma_data_direction dir)
{
}

static void *opaque_alloc(struct device *dev, size_t size, dma_addr_t *address,
			  gfp_t gfp, unsigned long attrs)
{
	void *memory = (void *)__get_free_pages(gfp | __GFP_ZERO,
						get_order(size));

	if (memory)
		*address = virt_to_phys(memory);
	return memory;
}

static void opaque_free(struct device *dev, size_t size, void *memory,
			dma_addr_t address, unsigned long attrs)
{
	free_pages((unsigned long)memory, get_order(size));
}

static const struct dma_map_ops opaque_ops = {
	.alloc = opaque_alloc,
	.free = opaque_free,
	.map_sg = opaque_map_sg,
	.unmap_sg = opaque_unmap_sg,
	.sync_single_for_cpu = opaque_sync_single,
	.sync_single_for_device = opaque_sync_single,
	.sync_sg_for_cpu = opaque_sync_sg,
	.sync_sg_for_device = opaque_sync_sg,
};

/**
 * importers_init() - give the machine what devices are bounced through
 *
 * Return: 0 or an errno.
 */
int importers_init(void)
{
	struct device dev;
	int error = swiotlb_init_late(SLOTS_SIZE, GFP_KERNEL, NULL);

	if (error)
		return error;
	memset(&dev, 0, sizeof(dev));
	swiotlb_dev_init(&dev);
	forced = *dev.dma_io_tlb_mem;
	forced.force_bounce = true;
	return 0;
}

static void release(struct device *dev)
{
	/* Its windows are freed by the core. */
	kfree(dev);
}

static int by_address(const void *a, const void *b)
{
	phys_addr_t x = *(const phys_addr_t *)a, y = *(const phys_addr_t *)b;

	return x < y ? -1 : x > y;
}

/* It reaches all of memory but the buffer from page @first on, through windows. */
static int keep_from_buffer(struct device *dev, unsigned int first)
{
	unsigned int nr = BUFFER_PAGES - first;
	phys_addr_t page[BUFFER_PAGES], from = 0;
	struct bus_dma_region *map;
	unsigned int i, n = 0;

	map = kcalloc(BUFFER_PAGES + 2, sizeof(*map), GFP_KERNEL);
	if (!map)
		return -ENOMEM;
	for (i = 0; i < nr; i++)
		page[i] = review_buffer.page[first + i];
	sort(page, nr, sizeof(page[0]), by_address, NULL);
	for (i = 0; i <= nr; i++) {
		phys_addr_t to = i < nr ? page[i] : BIT_ULL(40);

		if (to > from) {
			map[n].cpu_start = from;
			map[n].dma_start = from;
			map[n++].size = to - from;
		}
		from = to + PAGE_SIZE;
	}
	dev->dma_range_map = map;
	return 0;
}

static const struct kind {
	const char *name;
	bool noncoherent, forced, opaque;
	unsigned int reaches;		/* pages of the buffer */
} kinds[] = {
	{ "coherent", .reaches = BUFFER_PAGES },
	{ "noncoherent", .noncoherent = true, .reaches = BUFFER_PAGES },
	{ "bounced" },
	{ "both", .noncoherent = true },
	{ "half", .reaches = BUFFER_PAGES / 2 },
	{ "halfboth", .noncoherent = true, .reaches = BUFFER_PAGES / 2 },
	{ "forced", .forced = true, .reaches = BUFFER_PAGES },
	{ "opaque", .opaque = true, .reaches = BUFFER_PAGES },
};

static const struct kind *find_kind(const char *name)
{
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(kinds); i++)
		if (!strcmp(kinds[i].name, name))
			return &kinds[i];
	return NULL;
}

/**
 * device_of_kind() - make a device
 * @kind: the kind
 * @name: its name
 *
 * Return: the device, or NULL if there is no such kind.
 */
struct device *device_of_kind(const char *kind, const char *name)
{
	const struct kind *is = find_kind(kind);
	struct device *dev;

	dev = is ? kzalloc(sizeof(*dev), GFP_KERNEL) : NULL;
	if (!dev)
		return NULL;
	device_initialize(dev);
	dev->release = release;
	dev->dma_mask = &dev->coherent_dma_mask;
	dev_assign_dma_coherent(dev, !is->noncoherent);
	if (is->forced)
		dev->dma_io_tlb_mem = &forced;
	if (is->opaque)
		set_dma_ops(dev, &opaque_ops);
	if (dev_set_name(dev, "%s", name) ||
	    (is->reaches < BUFFER_PAGES &&
	     keep_from_buffer(dev, is->reaches)) ||
	    dma_set_mask_and_coherent(dev, DMA_BIT_MASK(64))) {
		put_device(dev);
		return NULL;
	}
	return dev;
}

/**
 * device_gone() - forget a device
 * @dev: the device; it has nothing mapped
 */
void device_gone(struct device *dev)
{
	put_device(dev);
}

static phys_addr_t phys_of(struct device *dev, dma_addr_t address)
{
	return get_dma_ops(dev) ? address : dma_to_phys(dev, address);
}

/**
 * importer_locate() - find where a device that has mapped finds its places
 * @importer: who; its views and addresses are set
 */
void importer_locate(struct importer *importer)
{
	struct io_tlb_pool *slots = &forced.defpool;
	struct scatterlist *sg;
	unsigned int p;
	int i;

	for (p = 0; p < PLACES; p++) {
		size_t offset = review_buffer.offset[p];
		phys_addr_t phys = 0;

		importer->view[p] = NULL;
		for_each_sgtable_dma_sg(importer->sgt, sg, i) {
			if (offset < sg_dma_len(sg)) {
				importer->address[p] = sg_dma_address(sg) +
						       offset;
				phys = phys_of(importer->dev,
					       importer->address[p]);
				importer->view[p] = phys_to_virt(phys);
				break;
			}
			offset -= sg_dma_len(sg);
		}
		if (!importer->view[p] || !pfn_valid(PHYS_PFN(phys))) {
			fail("%s: place %c is not in the table, or not in memory",
			     importer->name, 'a' + p);
			importer->view[p] = NULL;
		}
		if (importer->view[p] == review_buffer.place[p])
			importer->uses[p] = USES_PAGE;
		else if (phys >= slots->start && phys < slots->end)
			importer->uses[p] = USES_SLOT;
		else
			importer->uses[p] = USES_COPY;
	}
}
