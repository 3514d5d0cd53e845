// SPDX-License-Identifier: GPL-2.0
/*
 * Copies through the dma-buf core, with fake devices that do not reach the memfd:
 * what importers get of them, who shares them, and who pays for them.
 *
 * Would miss: which copies there are and what is in them (shadow_test.c and
 * copy_test.c), and what programs see of it all (programs_test.c).
 */
#include <kunit/test.h>
#include <linux/dma-buf.h>
#include <linux/dma-direct.h>
#include <linux/log2.h>
#include <linux/memcontrol.h>
#include <linux/mm.h>
#include <linux/scatterlist.h>
#include <linux/sched/mm.h>
#include <linux/sizes.h>

#include "../driver/buffer.h"
#include "importer.h"
#include "real_device.h"

/* Sharing. */

/* Those that can use the same copy do, and need no sync between them. */
static void devices_that_share_a_copy_see_stores_at_once(struct kunit *test)
{
	struct users *u = test->priv;
	struct fanout_buffer *buffer = u->dmabuf->priv;
	struct importer *usb, *cam;

	usb = add_device(u, "usb", FAKE_BOUNCED, DMA_BIDIRECTIONAL);
	cam = add_device(u, "cam", FAKE_BOUNCED, DMA_BIDIRECTIONAL);
	KUNIT_EXPECT_TRUE(test, list_is_singular(&buffer->shadow.copies));
	importer_store(usb, 8, 1);
	KUNIT_EXPECT_EQ(test, 1, importer_load(cam, 8));
	importer_store(cam, 8, 2);
	KUNIT_EXPECT_EQ(test, 2, importer_load(usb, 8));
	KUNIT_EXPECT_EQ(test, 0, cpu_load(u, 8));
	/* One that goes takes nothing along. */
	importer_unmap(usb);
	KUNIT_EXPECT_EQ(test, 2, cpu_load(u, 8));
	importer_store(cam, 8, 3);
	cpu_begin(u, CPU_READ);
	KUNIT_EXPECT_EQ(test, 3, cpu_load(u, 8));
}

/* Whether the two devices of each case share is seen from their stores. */
static void who_shares_and_who_does_not(struct kunit *test)
{
	static const struct {
		bool distant[2];
		bool forced[2];
		bool opaque[2];
		bool shares;
	} cases[] = {
		{ .shares = true },
		{ .distant = { true, true }, .shares = true },
		{ .distant = { true, false } },
		{ .distant = { false, true } },
		{ .forced = { true, false } },
		{ .forced = { false, true } },
		{ .forced = { true, true } },
		{ .opaque = { true, false } },
		{ .opaque = { false, true } },
		{ .opaque = { true, true } },
	};
	struct users *u = test->priv;
	struct importer *importer[2];
	struct fake_device *fake;
	enum fake_kind kind;
	unsigned int i, j;

	for (i = 0; i < ARRAY_SIZE(cases); i++) {
		for (j = 0; j < 2; j++) {
			kind = FAKE_BOUNCED;
			if (cases[i].opaque[j])
				kind = FAKE_OPAQUE;
			fake = fake_device_create(test, j ? "b" : "a", kind);
			fake->coherent = !cases[i].distant[j];
			fake->forced = cases[i].forced[j];
			importer[j] = importer_create(u, fake);
			KUNIT_ASSERT_EQ(test, 0,
					importer_map(importer[j],
						     DMA_BIDIRECTIONAL));
		}
		importer_store(importer[0], 8, i + 1);
		KUNIT_EXPECT_EQ_MSG(test, cases[i].shares,
				    importer_load(importer[1], 8) == i + 1,
				    "case %u", i);
		/* With a begin and an end all do. */
		cpu_begin(u, CPU_READ);
		cpu_end(u, CPU_READ);
		KUNIT_EXPECT_EQ(test, i + 1, importer_load(importer[1], 8));
		for (j = 0; j < 2; j++) {
			importer_go(importer[j]);
			fake_device_destroy(importer[j]->fake);
		}
		shim_reset(u->shim);
	}
}

static bool reaches_nothing_here(const struct page *page)
{
	return page_to_pfn(page) != 0;
}

/* A device that reaches nothing at all is told so, and nobody else is. */
static void a_device_without_reach_has_memory_of_its_own(struct kunit *test)
{
	struct users *u = test->priv;
	struct importer *isa, *usb;

	usb = add_device(u, "usb", FAKE_BOUNCED, DMA_BIDIRECTIONAL);
	isa = importer_create(u, fake_device_create(test, "isa",
						    FAKE_BOUNCED));
	isa->fake->unreached = reaches_nothing_here;
	/* What dma_alloc_pages() gives is taken. */
	KUNIT_ASSERT_EQ(test, 0, importer_map(isa, DMA_BIDIRECTIONAL));
	importer_store(isa, 8, 1);
	importer_store(usb, 16, 2);
	cpu_begin(u, CPU_READ);
	cpu_end(u, CPU_READ);
	KUNIT_EXPECT_EQ(test, 1, importer_load(usb, 8));
	KUNIT_EXPECT_EQ(test, 2, importer_load(isa, 16));
	importer_unmap(isa);

	isa->fake->fail_allocs = UINT_MAX;
	KUNIT_EXPECT_EQ(test, -EIO, importer_map(isa, DMA_BIDIRECTIONAL));
	importer_store(usb, 8, 3);
	cpu_begin(u, CPU_READ);
	KUNIT_EXPECT_EQ(test, 3, cpu_load(u, 8));
}

/* Entries, and importers that go. */

/* H16: entries of a copy keep to the device's limits, as those of pages do. */
static void entries_of_copies_keep_to_the_limits(struct kunit *test)
{
	static const struct {
		unsigned int max_seg_size;
		unsigned long boundary;
		bool forced;
		u32 shift;	/* of DMA addresses, in pages */
	} rows[] = {
		{ SZ_64K, ULONG_MAX, false },
		{ PAGE_SIZE, ULONG_MAX, false },
		{ 3 * PAGE_SIZE, ULONG_MAX, true },
		{ 3 * PAGE_SIZE + 17, SZ_32K - 1, false },
		{ SZ_2G, 4 * PAGE_SIZE - 1, true },
		{ SZ_2G, ULONG_MAX, false },
		{ SZ_2G, 4 * PAGE_SIZE - 1, false, 3 },
		{ 3 * PAGE_SIZE, SZ_32K - 1, false, 1 },
	};
	struct bus_dma_region bus = { .size = SZ_1T };
	struct fake_device *fake = fake_device_create(test, "dev",
						      FAKE_BOUNCED);
	struct users *u = test->priv;
	struct importer *importer;
	struct scatterlist *sg;
	unsigned int i, k;
	size_t size;

	u->dmabuf = export_pages(test, 700);
	bitmap_fill(u->shim->ignored, SHIM_NR_FNS);
	for (i = 0; i < ARRAY_SIZE(rows); i++) {
		fake->max_seg_size = rows[i].max_seg_size;
		fake->seg_boundary = rows[i].boundary;
		fake->forced = rows[i].forced;
		bus.dma_start = (dma_addr_t)rows[i].shift << PAGE_SHIFT;
		set_reach(test, fake->dev, &bus, 1);
		importer = importer_create(u, fake);
		KUNIT_ASSERT_EQ(test, 0,
				importer_map(importer, DMA_BIDIRECTIONAL));
		KUNIT_EXPECT_EQ(test, importer->sgt->nents,
				importer->sgt->orig_nents);
		size = 0;
		for_each_sgtable_dma_sg(importer->sgt, sg, k) {
			dma_addr_t last = sg_dma_address(sg) + sg_dma_len(sg) -
					  1;

			KUNIT_EXPECT_LE(test, sg_dma_len(sg),
					rows[i].max_seg_size);
			KUNIT_EXPECT_EQ(test,
					sg_dma_address(sg) & ~rows[i].boundary,
					last & ~rows[i].boundary);
			KUNIT_EXPECT_TRUE(test, PAGE_ALIGNED(sg_dma_len(sg)));
			KUNIT_EXPECT_TRUE(test,
					  fake_device_is_copy(fake,
							      sg_dma_address(sg)));
			KUNIT_EXPECT_TRUE(test, fake_device_is_copy(fake, last));
			size += sg_dma_len(sg);
		}
		KUNIT_EXPECT_EQ(test, u->dmabuf->size, size);
		importer_go(importer);
	}
}

/* An importer goes without a word; those who share its copy see no difference. */
static void detach_without_unmap_leaves_the_others_alone(struct kunit *test)
{
	/* The buffer is never freed, so neither may its memory be the memfd's. */
	struct udmabuf_create_item item = { .size = PAGES * PAGE_SIZE };
	struct users *u = test->priv;
	struct importer *left, *stays;

	use_block(u, ilog2(PAGES), &item, 1);
	left = add_distant(u, "one", DMA_BIDIRECTIONAL);
	stays = add_distant(u, "two", DMA_BIDIRECTIONAL);
	KUNIT_EXPECT_EQ(test, sg_dma_address(left->sgt->sgl),
			sg_dma_address(stays->sgt->sgl));
	importer_lose(left);

	importer_store(stays, 0, 42);
	cpu_begin(u, CPU_RW);
	cpu_end(u, CPU_RW);
	KUNIT_EXPECT_EQ(test, 42, importer_load(stays, 0));
	importer_go(stays);
	KUNIT_EXPECT_EQ(test, 0, stays->fake->nr_copies);
	cpu_begin(u, CPU_RW);
	cpu_end(u, CPU_RW);
	memory_put_buffer(test, u->dmabuf);
}

/* Who pays. */

static bool is_charged_to(const void *vaddr, struct mem_cgroup *memcg)
{
	struct folio *folio = virt_to_folio(vaddr);

	guard(rcu)();
	return folio_memcg(folio) == memcg;
}

#ifdef CONFIG_MEMCG
static long nr_ooms(struct mem_cgroup *memcg)
{
	return atomic_long_read(&memcg->memory_events[MEMCG_OOM]);
}
#else
static long nr_ooms(struct mem_cgroup *memcg)
{
	return 0;
}
#endif

static int map_in(struct mem_cgroup *memcg, struct importer *importer,
		  enum dma_data_direction dir)
{
	struct mem_cgroup *before = set_active_memcg(memcg);
	int ret = importer_map(importer, dir);

	set_active_memcg(before);
	return ret;
}

/*
 * A copy is charged to the memory cgroup of who maps. Over its limit there is no
 * mapping, nothing is kept, and nobody is killed for it.
 */
static void copies_are_charged_to_who_maps(struct kunit *test)
{
	struct fake_device *fake = fake_device_create(test, "dev",
						      FAKE_BOUNCED);
	struct mem_cgroup *memcg = memory_cgroup(test, "1M");
	struct users *u = test->priv;
	struct fanout_buffer *buffer = u->dmabuf->priv;
	struct importer *importer;
	struct copy *copy;
	long ooms = nr_ooms(memcg);

	bitmap_fill(u->shim->ignored, SHIM_NR_FNS);
	importer = importer_create(u, fake);
	KUNIT_ASSERT_EQ(test, 0, map_in(memcg, importer, DMA_BIDIRECTIONAL));
	copy = list_first_entry(&buffer->shadow.copies, struct copy, node);
	KUNIT_EXPECT_TRUE(test, is_charged_to(copy->vaddr, memcg));
	importer_go(importer);

	u->dmabuf = export_pages(test, SZ_4M / PAGE_SIZE);
	buffer = u->dmabuf->priv;
	importer = importer_create(u, fake);
	KUNIT_EXPECT_EQ(test, -ENOMEM,
			map_in(memcg, importer, DMA_TO_DEVICE));
	KUNIT_EXPECT_EQ(test, ooms, nr_ooms(memcg));
	KUNIT_EXPECT_EQ(test, 0, shadow_pages(&buffer->shadow));
	KUNIT_EXPECT_EQ(test, 0, fake->nr_copies);
	importer_unmap(importer);

	KUNIT_EXPECT_EQ(test, 0, importer_map(importer, DMA_TO_DEVICE));
}

/* ... and so is a twin: here there is room for the copy, and not for both. */
static void twins_are_charged_to_who_maps(struct kunit *test)
{
	struct fake_device *fake = fake_device_create(test, "dev",
						      FAKE_BOUNCED);
	struct mem_cgroup *memcg = memory_cgroup(test, "1M");
	struct users *u = test->priv;
	struct fanout_buffer *buffer;
	struct importer *importer;
	long ooms;

	u->dmabuf = export_pages(test, 3 * SZ_256K / PAGE_SIZE);
	buffer = u->dmabuf->priv;
	importer = importer_create(u, fake);
	KUNIT_ASSERT_EQ(test, 0, map_in(memcg, importer, DMA_TO_DEVICE));
	importer_unmap(importer);

	ooms = nr_ooms(memcg);
	KUNIT_EXPECT_EQ(test, -ENOMEM,
			map_in(memcg, importer, DMA_BIDIRECTIONAL));
	KUNIT_EXPECT_EQ(test, ooms, nr_ooms(memcg));
	KUNIT_EXPECT_EQ(test, 0, shadow_pages(&buffer->shadow));
	KUNIT_EXPECT_EQ(test, 0, fake->nr_copies);
	importer_unmap(importer);

	KUNIT_EXPECT_EQ(test, 0, importer_map(importer, DMA_BIDIRECTIONAL));
}

static int init(struct kunit *test)
{
	memory_watch_pins(test);
	return users_init(test);
}

static struct kunit_case mapped_copies_cases[] = {
	KUNIT_CASE(devices_that_share_a_copy_see_stores_at_once),
	KUNIT_CASE(who_shares_and_who_does_not),
	KUNIT_CASE(a_device_without_reach_has_memory_of_its_own),
	KUNIT_CASE(entries_of_copies_keep_to_the_limits),
	KUNIT_CASE(detach_without_unmap_leaves_the_others_alone),
	KUNIT_CASE(copies_are_charged_to_who_maps),
	KUNIT_CASE(twins_are_charged_to_who_maps),
	{ }
};

static struct kunit_suite mapped_copies_suite = {
	.name = "udmabuf_fanout_mapped_copies",
	.init = init,
	.exit = users_exit,
	.test_cases = mapped_copies_cases,
};

kunit_test_suite(mapped_copies_suite);
