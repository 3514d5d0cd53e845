/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Fake devices: a struct device of a chosen kind, with a DMA layer that stands
 * behind the bindings, so that the driver classifies, maps and syncs for real
 * and every call of it is a record of the shim.
 *
 *	struct fake_device *cam = fake_device_create(test, "cam", SYNC_BOUNCED);
 *	struct fake_device *gpu = fake_device_create(test, "gpu",
 *						     SYNC_NONCOHERENT);
 *
 *	... attach cam->dev and gpu->dev, map ...
 *	shim_mark(cam->shim);
 *	... begin a CPU access ...
 *	FAKE_EXPECT_SYNCS(test, "for_cpu gpu BIDIRECTIONAL",
 *				"for_cpu cam BIDIRECTIONAL");
 *
 * The fake DMA layer is a judge, too. It fails the test for: a table mapped
 * twice; an entry beyond the device's limits; a sync or unmap of anything but
 * the very table, or one whole segment of it, that was mapped for this device
 * (H8); one in another direction than the mapped one (H7); a table that was
 * changed while it was mapped; a mapping left behind.
 *
 * It moves no data: what a sync does is the model's business and the rig's.
 */
#ifndef UDMABUF_FANOUT_FAKE_DEVICE_H
#define UDMABUF_FANOUT_FAKE_DEVICE_H

#include <linux/list.h>

#include "../driver/sync_plan.h"
#include "shim.h"

struct page;

/**
 * struct fake_device - a device whose DMA layer is a fake
 * @dev: the device, to be attached to a dma-buf
 * @name: how it is called in records and expectations
 * @test: the test that owns it
 * @shim: the test's recorder
 * @coherent: what dev_is_dma_coherent() says
 * @opaque: whether get_dma_ops() finds any
 * @merges: entries are merged into few long segments, as an IOMMU does, and
 *	use_dma_iommu() says so. Set it with fake_device_merge().
 * @real_dma: map, unmap and sync go on into the kernel's DMA API; only the
 *	questions from which the kind is told are answered by the fake, so it
 *	can't be bounced
 * @bounce_every: every n-th entry is bounced, beginning with the first; 0 none
 * @bounces: if set, tells which entries are bounced, by their first page,
 *	instead of @bounce_every
 * @max_seg_size: the DMA API's answer; 64 KiB unless set
 * @seg_boundary: the DMA API's answer; none unless set
 * @max_mapping_size: the DMA API's answer, and a longer bounced entry fails to
 *	map with -EIO; 256 KiB for a bounced device, no limit for others
 * @fail_maps: how many maps fail from now on
 * @fail_errno: with what; -EIO unless set
 * @fail_above: a map with an entry longer than this fails with -EIO; 0 is none
 * @may_leak: mappings left behind do not fail the test
 * @nr_mappings: how many mappings there are
 *
 * Everything down to @may_leak may be changed by the test at any time and
 * holds for later maps.
 *
 * Invariant: @mappings holds one entry for each table that was mapped and not
 * unmapped.
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
	unsigned int bounce_every;
	bool (*bounces)(const struct page *page);
	unsigned int max_seg_size;
	unsigned long seg_boundary;
	size_t max_mapping_size;
	unsigned int fail_maps;
	int fail_errno;
	size_t fail_above;
	bool may_leak;
	unsigned int nr_mappings;
	/* private: */
	struct list_head mappings;
	struct list_head node;
	dma_addr_t base;
	dma_addr_t next;
};

struct fake_device *fake_device_create(struct kunit *test, const char *name,
				       enum sync_kind kind);
void fake_device_destroy(struct fake_device *fake);
void fake_device_merge(struct fake_device *fake);
void fake_device_no_mask(struct fake_device *fake);
struct sg_table *fake_device_table(struct fake_device *fake);
bool fake_device_is_slot(struct fake_device *fake, dma_addr_t addr);

void fake_expect_syncs(struct kunit *test, const char *file, int line, ...);

/**
 * FAKE_EXPECT_SYNCS() - compare the syncs since shim_mark() with a list
 * @test: the test
 * @...: the syncs in order, each "for_cpu NAME DIRECTION" or
 *	"for_device NAME DIRECTION", followed by " xN pages" or " xN slots" if
 *	it was done segment by segment (H18), for N in a row that the device
 *	does or does not share with the CPU; no text at all if nothing may be
 *	synced
 *
 * Moves the mark behind them. If they differ, both lists are printed side by
 * side.
 */
#define FAKE_EXPECT_SYNCS(test, ...)					\
	fake_expect_syncs(test, __FILE__, __LINE__, ##__VA_ARGS__, NULL)

#endif /* UDMABUF_FANOUT_FAKE_DEVICE_H */
