// SPDX-License-Identifier: GPL-2.0
/*
 * Devices that do not reach the memory, or not all of it, against the kernel's
 * own DMA layer: they have copies, and data goes from end to end. What the fakes
 * play is tried here in earnest.
 *
 * Would miss: stale caches, for no machine here has any that would show a sync
 * missing (the model and the rig's noncoherent guest are for that), and a table
 * that leaks: pins are counted, not kernel memory.
 */
#include <kunit/test.h>
#include <linux/device.h>
#include <linux/dma-buf.h>
#include <linux/dma-direct.h>
#include <linux/dma-mapping.h>
#include <linux/io.h>
#include <linux/mm.h>
#include <linux/sizes.h>

#include "../driver/mapping.h"
#include "memory.h"
#include "real_device.h"

#define NR_PAGES	100

/* Where all is bounced. */

static struct device *bounced_device(struct kunit *test, bool coherent)
{
	struct device *dev = real_device(test, "bounced", coherent);

	if (!has_swiotlb(dev))
		kunit_skip(test, "no swiotlb here, or not booted with swiotlb=force");
	force_bounce(dev, true);
	return dev;
}

static void check_bounced(struct kunit *test, struct memory *mem, bool coherent)
{
	struct device *dev = bounced_device(test, coherent);
	struct dma_buf *dmabuf = stamped_buffer(test, mem);
	struct real_importer *importer;
	phys_addr_t phys;
	u32 page;

	importer = real_import(test, dmabuf, dev, DMA_FROM_DEVICE);
	expect_kind(test, importer, SYNC_COPY);

	for (page = 0; page < mem->nr_pages; page++) {
		phys = real_phys(importer, page);
		KUNIT_ASSERT_NE(test, PFN_PHYS(memory_pfn(mem, page)), phys);
		KUNIT_ASSERT_FALSE(test, in_swiotlb(dev, phys));
		KUNIT_ASSERT_EQ(test, memory_stamp(mem, page),
				real_get(importer, page));
		real_set(importer, page, ~memory_stamp(mem, page));
	}
	begin_access(test, dmabuf, DMA_FROM_DEVICE);
	for (page = 0; page < mem->nr_pages; page++)
		KUNIT_ASSERT_EQ_MSG(test, ~memory_stamp(mem, page),
				    memory_get(mem, page), "page %u", page);
	end_access(test, dmabuf, DMA_FROM_DEVICE);

	begin_access(test, dmabuf, DMA_TO_DEVICE);
	for (page = 0; page < mem->nr_pages; page++)
		memory_set(mem, page, page);
	end_access(test, dmabuf, DMA_TO_DEVICE);
	for (page = 0; page < mem->nr_pages; page++)
		KUNIT_ASSERT_EQ_MSG(test, page, real_get(importer, page),
				    "page %u", page);
}

/*
 * What a bounced device writes arrives in the pages with the next CPU access,
 * and what the CPU writes in its copy, at every page; and none of it goes
 * through swiotlb.
 */
static void a_bounced_device_sees_what_the_cpu_sees(struct kunit *test)
{
	check_bounced(test, memory_shmem(test, NR_PAGES), true);
}

/* A copy is a copy, whether its device snoops or not. */
static void a_bounced_device_need_not_snoop(struct kunit *test)
{
	need_noncoherent(test);
	check_bounced(test, memory_shmem(test, NR_PAGES), false);
}

/* H2: a reader's copy is never taken for what another device wrote. */
static void a_readers_old_copy_is_not_fetched(struct kunit *test)
{
	struct memory *mem = memory_shmem(test, NR_PAGES);
	struct dma_buf *dmabuf = stamped_buffer(test, mem);
	struct real_importer *reader, *writer;
	u32 page;

	writer = real_import(test, dmabuf, real_device(test, "direct", true),
			     DMA_FROM_DEVICE);
	reader = real_import(test, dmabuf, bounced_device(test, true),
			     DMA_TO_DEVICE);
	expect_kind(test, writer, SYNC_COHERENT);
	expect_kind(test, reader, SYNC_COPY);

	for (page = 0; page < NR_PAGES; page++)
		real_set(writer, page, page);
	begin_access(test, dmabuf, DMA_FROM_DEVICE);
	for (page = 0; page < NR_PAGES; page++)
		KUNIT_EXPECT_EQ(test, page, memory_get(mem, page));
	end_access(test, dmabuf, DMA_FROM_DEVICE);

	/* H6: reading has brought the reader up to date. */
	for (page = 0; page < NR_PAGES; page++)
		KUNIT_EXPECT_EQ(test, page, real_get(reader, page));
}

/* H3: the CPU writes one page, and the device's data in the others lives. */
static void a_partial_write_keeps_the_devices_data(struct kunit *test)
{
	struct device *dev = bounced_device(test, true);
	struct memory *mem = memory_shmem(test, NR_PAGES);
	struct dma_buf *dmabuf = stamped_buffer(test, mem);
	struct real_importer *importer;
	u32 page;

	importer = real_import(test, dmabuf, dev, DMA_FROM_DEVICE);

	for (page = 0; page < NR_PAGES; page++)
		real_set(importer, page, page);
	begin_access(test, dmabuf, DMA_TO_DEVICE);
	memory_set(mem, 7, 4711);
	end_access(test, dmabuf, DMA_TO_DEVICE);
	for (page = 0; page < NR_PAGES; page++) {
		KUNIT_EXPECT_EQ(test, page == 7 ? 4711 : page,
				memory_get(mem, page));
		KUNIT_EXPECT_EQ(test, page == 7 ? 4711 : page,
				real_get(importer, page));
	}
}

/* H13: what a writer wrote last is in the pages when it has unmapped. */
static void a_writer_leaves_its_data_behind(struct kunit *test)
{
	struct device *dev = bounced_device(test, true);
	struct memory *mem = memory_shmem(test, NR_PAGES);
	struct dma_buf *dmabuf = stamped_buffer(test, mem);
	struct real_importer *importer;
	u32 page;

	importer = real_import(test, dmabuf, dev, DMA_FROM_DEVICE);
	for (page = 0; page < NR_PAGES; page++)
		real_set(importer, page, page);
	real_unmap(test, importer);
	for (page = 0; page < NR_PAGES; page++)
		KUNIT_EXPECT_EQ(test, page, memory_get(mem, page));
}

/* H15: while a write is open, nothing is fetched over what it has written. */
static void an_open_write_is_not_overwritten(struct kunit *test)
{
	struct device *dev = bounced_device(test, true);
	struct memory *mem = memory_shmem(test, NR_PAGES);
	struct dma_buf *dmabuf = stamped_buffer(test, mem);
	struct real_importer *importer;

	importer = real_import(test, dmabuf, dev, DMA_FROM_DEVICE);

	begin_access(test, dmabuf, DMA_TO_DEVICE);
	memory_set(mem, 3, 4711);
	begin_access(test, dmabuf, DMA_FROM_DEVICE);
	KUNIT_EXPECT_EQ(test, 4711, memory_get(mem, 3));
	end_access(test, dmabuf, DMA_FROM_DEVICE);
	KUNIT_EXPECT_EQ(test, 4711, memory_get(mem, 3));
	end_access(test, dmabuf, DMA_TO_DEVICE);
	KUNIT_EXPECT_EQ(test, 4711, real_get(importer, 3));
}

/* H16. */

static void check_entries(struct kunit *test, struct real_importer *importer,
			  u32 nr_pages, size_t longest)
{
	struct scatterlist *sg;
	size_t size = 0;
	int i;

	for_each_sgtable_dma_sg(&importer->mapping->importer, sg, i) {
		KUNIT_ASSERT_LE(test, sg_dma_len(sg), longest);
		size += sg_dma_len(sg);
	}
	KUNIT_EXPECT_EQ(test, (size_t)nr_pages << PAGE_SHIFT, size);
}

/*
 * Huge pages have copies, in entries that fit the device, and data goes through
 * at both ends.
 */
static void huge_pages_have_copies(struct kunit *test)
{
	static const unsigned int seg_sizes[] = { SZ_64K, SZ_2M, UINT_MAX };
	struct device *dev = bounced_device(test, true);
	struct device_dma_parameters *parms;
	struct real_importer *importer;
	struct dma_buf *dmabuf;
	struct memory *mem;
	u32 i, page;

	/* 64 MiB, or what there is. */
	mem = memory_hugetlb_most(test, SZ_64M / PMD_SIZE);
	dmabuf = stamped_buffer(test, mem);
	parms = devm_kzalloc(dev, sizeof(*parms), GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, parms);
	dev->dma_parms = parms;
	for (i = 0; i < ARRAY_SIZE(seg_sizes); i++) {
		parms->max_segment_size = seg_sizes[i];
		importer = real_import(test, dmabuf, dev, DMA_FROM_DEVICE);
		expect_kind(test, importer, SYNC_COPY);
		check_entries(test, importer, mem->nr_pages,
			      min(seg_sizes[i], SZ_2M));
		for (page = 0; page < mem->nr_pages; page++)
			real_set(importer, page, page + i);
		begin_access(test, dmabuf, DMA_FROM_DEVICE);
		for (page = 0; page < mem->nr_pages; page++)
			KUNIT_ASSERT_EQ(test, page + i, memory_get(mem, page));
		end_access(test, dmabuf, DMA_FROM_DEVICE);
		real_unmap(test, importer);
	}
	kunit_info(test, "copies of %u MiB of hugetlb memory",
		   mem->nr_pages >> (20 - PAGE_SHIFT));
}

/* Where some is in reach. */

#define BLOCK_ORDER	6
#define HALF		16

/*
 * H18: a device that reaches one half of a buffer: the rest it has a copy of,
 * and all of it at addresses of its own.
 */
static void check_mixed(struct kunit *test, bool coherent)
{
	struct device *dev = real_device(test, "mixed", coherent);
	struct device *other = real_device(test, "other", coherent);
	unsigned long pfn = memory_block(test, BLOCK_ORDER);
	struct memory *mem = memory_shmem(test, BIT(BLOCK_ORDER));
	const struct udmabuf_create_item items[] = {
		memory_item(mem, 40, HALF), memory_item(mem, 0, HALF),
	};
	struct dma_buf *dmabuf = memory_buffer(test, items, ARRAY_SIZE(items));
	phys_addr_t hole = PFN_PHYS(pfn + 40);
	/* All but the buffer's first half. */
	const struct bus_dma_region windows[] = {
		{ .cpu_start = 0, .dma_start = SZ_1G, .size = hole },
		{ .cpu_start = hole + HALF * PAGE_SIZE,
		  .dma_start = SZ_1G + hole + HALF * PAGE_SIZE,
		  .size = BIT_ULL(44) },
	};
	struct real_importer *importer, *second;
	u32 page;

	set_reach(test, dev, windows, ARRAY_SIZE(windows));
	set_reach(test, other, windows, ARRAY_SIZE(windows));
	importer = real_import(test, dmabuf, dev, DMA_BIDIRECTIONAL);
	KUNIT_EXPECT_EQ(test, 2, importer->mapping->nr_kinds);
	KUNIT_EXPECT_EQ(test, coherent ? SYNC_COHERENT : SYNC_NONCOHERENT,
			importer->mapping->kinds[0]);
	KUNIT_EXPECT_EQ(test, SYNC_COPY, importer->mapping->kinds[1]);
	for (page = 0; page < HALF; page++) {
		KUNIT_EXPECT_NE(test, PFN_PHYS(pfn + 40 + page),
				real_phys(importer, page));
		KUNIT_EXPECT_EQ(test, PFN_PHYS(pfn + page),
				real_phys(importer, HALF + page));
		real_set(importer, page, page);
		real_set(importer, HALF + page, HALF + page);
	}

	begin_access(test, dmabuf, DMA_BIDIRECTIONAL);
	for (page = 0; page < HALF; page++) {
		u64 *first = phys_to_virt(PFN_PHYS(pfn + 40 + page));
		u64 *last = phys_to_virt(PFN_PHYS(pfn + page));

		KUNIT_ASSERT_EQ_MSG(test, page, *first, "page %u", page);
		KUNIT_ASSERT_EQ_MSG(test, HALF + page, *last, "page %u", page);
		*first = ~page;
		*last = ~(HALF + page);
	}
	end_access(test, dmabuf, DMA_BIDIRECTIONAL);
	/* One that reaches as much shares it. */
	second = real_import(test, dmabuf, other, DMA_TO_DEVICE);
	for (page = 0; page < 2 * HALF; page++) {
		KUNIT_ASSERT_EQ_MSG(test, ~page, real_get(importer, page),
				    "page %u", page);
		KUNIT_ASSERT_EQ(test, real_phys(importer, page),
				real_phys(second, page));
	}
	real_unmap(test, second);
	real_unmap(test, importer);
}

/* ... of a coherent device. */
static void a_device_of_short_reach_is_two_peers(struct kunit *test)
{
	check_mixed(test, true);
}

/* ... of one that does not snoop. */
static void a_device_of_short_reach_need_not_snoop(struct kunit *test)
{
	need_noncoherent(test);
	check_mixed(test, false);
}

/*
 * Zones are asked for copies one after the other, and such copies are shared; what
 * the DMA API gives a device, from whatever zone, is not.
 */
static void a_zone_that_is_reached_is_found(struct kunit *test)
{
	struct device *dev = real_device(test, "dev", true);
	struct device *other = real_device(test, "other", true);
	struct memory *mem = memory_shmem(test, NR_PAGES);
	struct dma_buf *dmabuf = stamped_buffer(test, mem);
	struct real_importer *importer, *second;
	u32 page;

	if (!IS_ENABLED(CONFIG_X86) || !IS_ENABLED(CONFIG_ZONE_DMA))
		kunit_skip(test, "no zone ends at 16 MiB here");
	KUNIT_ASSERT_EQ(test, 0,
			dma_set_mask_and_coherent(dev, DMA_BIT_MASK(24)));
	KUNIT_ASSERT_EQ(test, 0,
			dma_set_mask_and_coherent(other, DMA_BIT_MASK(24)));
	importer = real_import(test, dmabuf, dev, DMA_TO_DEVICE);
	second = real_import(test, dmabuf, other, DMA_TO_DEVICE);
	expect_kind(test, importer, SYNC_COPY);
	for (page = 0; page < NR_PAGES; page++) {
		KUNIT_ASSERT_LT(test, real_phys(importer, page), SZ_16M);
		KUNIT_ASSERT_EQ(test, real_phys(importer, page),
				real_phys(second, page));
		KUNIT_ASSERT_EQ(test, memory_stamp(mem, page),
				real_get(second, page));
	}
}

static struct kunit_case bounced_cases[] = {
	KUNIT_CASE(a_bounced_device_sees_what_the_cpu_sees),
	KUNIT_CASE(a_bounced_device_need_not_snoop),
	KUNIT_CASE(a_readers_old_copy_is_not_fetched),
	KUNIT_CASE(a_partial_write_keeps_the_devices_data),
	KUNIT_CASE(a_writer_leaves_its_data_behind),
	KUNIT_CASE(an_open_write_is_not_overwritten),
	KUNIT_CASE_SLOW(huge_pages_have_copies),
	KUNIT_CASE(a_device_of_short_reach_is_two_peers),
	KUNIT_CASE(a_device_of_short_reach_need_not_snoop),
	KUNIT_CASE(a_zone_that_is_reached_is_found),
	{ }
};

static struct kunit_suite bounced_suite = {
	.name = "udmabuf_fanout_bounced",
	.init = real_device_init,
	.test_cases = bounced_cases,
};

kunit_test_suite(bounced_suite);
