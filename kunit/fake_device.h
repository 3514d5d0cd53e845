/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Fake devices: a struct device of a chosen kind, with a DMA layer that stands
 * behind the bindings, so that the driver tells kinds, maps, copies and syncs
 * for real, and every call of it is a record of the shim.
 *
 *	struct fake_device *cam = fake_device_create(test, "cam", FAKE_BOUNCED);
 *	struct fake_device *gpu = fake_device_create(test, "gpu",
 *						     FAKE_NONCOHERENT);
 *
 *	... attach cam->dev and gpu->dev, map ...
 *	fake_device_store(cam, cam_table, 0, "frame", 5);
 *	... begin a CPU access, see the frame in the memfd's page ...
 *
 * The fake DMA layer is a judge, too. It fails the test for: a table mapped
 * twice; an entry beyond the device's limits; memory that the device does not
 * reach; a sync or unmap of anything but what was mapped for this device, whole
 * (H8) or in pieces; one in another direction than the mapped one (H7), or an
 * unmap with other attributes; a table that was changed while it was mapped; a
 * sync of coherent memory; a mapping or a copy left behind; a device that uses
 * what it was not given.
 *
 * It carries data: what a device stores at a DMA address it was given is in the
 * memory that this address stands for, the buffer's pages or a copy. It has no
 * caches: what a sync of these does is the model's business.
 */
#ifndef UDMABUF_FANOUT_FAKE_DEVICE_H
#define UDMABUF_FANOUT_FAKE_DEVICE_H

#include <linux/list.h>
#include <linux/types.h>

#include "shim.h"

struct page;
struct sg_table;

/**
 * enum fake_kind - what a fake device is
 * @FAKE_COHERENT: it snoops, and reaches all memory
 * @FAKE_NONCOHERENT: it does not snoop, and reaches all memory
 * @FAKE_BOUNCED: it snoops, and does not reach the memory of memfds
 * @FAKE_OPAQUE: it has dma_map_ops of its own, which need syncs
 */
enum fake_kind {
	FAKE_COHERENT,
	FAKE_NONCOHERENT,
	FAKE_BOUNCED,
	FAKE_OPAQUE,
};

#define FAKE_NR_KINDS	(FAKE_OPAQUE + 1)

/**
 * struct fake_device - a device whose DMA layer is a fake
 * @dev: the device, to be attached to a dma-buf
 * @name: how it is called in records and expectations
 * @test: the test that owns it
 * @shim: its test's recorder
 * @coherent: what dev_is_dma_coherent() says
 * @opaque: whether get_dma_ops() finds any
 * @merges: entries are merged into few long segments, as an IOMMU does, and
 *	use_dma_iommu() says so. Set it with fake_device_merge().
 * @real_dma: map, unmap, alloc and sync go on into the kernel's DMA API; only
 *	the questions are answered by the fake, so it reaches all memory unless
 *	the kernel runs with swiotlb=force
 * @unreached: tells which pages it does not reach; NULL if it reaches all
 * @forced: it reaches no memory that is mapped for it, as with swiotlb=force;
 *	what it is given by dma_alloc_pages() it does
 * @max_seg_size: the DMA API's answer; 64 KiB unless set
 * @seg_boundary: the DMA API's answer; none unless set
 * @max_mapping_size: the DMA API's answer; no limit unless set
 * @fail_maps: how many maps, of tables or copies, fail from now on
 * @fail_errno: with what tables do; -EIO unless set
 * @fail_allocs: how many dma_alloc_pages() and dma_alloc_coherent() fail from
 *	now on
 * @may_leak: mappings left behind do not fail the test
 * @nr_mappings: how many tables are mapped
 * @nr_copies: how many copies are mapped or were allocated for it
 *
 * Everything down to @may_leak may be changed by the test at any time and
 * holds for later maps.
 *
 * Invariant: @mappings holds one entry for each table that was mapped and not
 * unmapped, @copies likewise.
 */
struct fake_device {
	struct device *dev;
	const char *name;
	struct kunit *test;
	struct shim *shim;
	bool coherent;
	bool opaque;
	bool merges;
	bool real_dma;
	bool (*unreached)(const struct page *page);
	bool forced;
	unsigned int max_seg_size;
	unsigned long seg_boundary;
	size_t max_mapping_size;
	unsigned int fail_maps;
	int fail_errno;
	unsigned int fail_allocs;
	bool may_leak;
	unsigned int nr_mappings;
	unsigned int nr_copies;
	/* private: */
	struct list_head mappings;
	struct list_head copies;
	struct list_head node;
	dma_addr_t base;
	dma_addr_t next;
};

struct fake_device *fake_device_create(struct kunit *test, const char *name,
				       enum fake_kind kind);
void fake_device_destroy(struct fake_device *fake);
void fake_device_merge(struct fake_device *fake);
void fake_device_no_mask(struct fake_device *fake);
struct sg_table *fake_device_table(struct fake_device *fake);
bool fake_device_is_copy(struct fake_device *fake, dma_addr_t addr);
void fake_device_store(struct fake_device *fake, struct sg_table *sgt,
		       size_t offset, const void *data, size_t size);
void fake_device_load(struct fake_device *fake, struct sg_table *sgt,
		      size_t offset, void *data, size_t size);
bool fake_page_is_of_memfd(const struct page *page);
void fake_device_lazy_for_cpu(bool lazy);

#endif /* UDMABUF_FANOUT_FAKE_DEVICE_H */
