// SPDX-License-Identifier: GPL-2.0
/*
 * Copies as importers meet them, and those who pay for them: through the dma-buf
 * core, with fake devices that do not reach the memfd.
 *
 * Would miss: which copies there are and what is in them (shadow_test.c and
 * copy_test.c).
 */
#include <kunit/test.h>
#include <linux/dma-buf.h>
#include <linux/log2.h>
#include <linux/memcontrol.h>
#include <linux/mm.h>
#include <linux/scatterlist.h>
#include <linux/sched/mm.h>
#include <linux/sizes.h>

#include "../driver/buffer.h"
#include "importer.h"

/* H16: entries of a copy keep to the device's limits, as those of pages do. */
static void entries_of_copies_keep_to_the_limits(struct kunit *test)
{
	static const struct {
		unsigned int max_seg_size;
		unsigned long boundary;
		bool forced;
	} rows[] = {
		{ SZ_64K, ULONG_MAX, false },
		{ PAGE_SIZE, ULONG_MAX, false },
		{ 3 * PAGE_SIZE, ULONG_MAX, true },
		{ 3 * PAGE_SIZE + 17, SZ_32K - 1, false },
		{ SZ_2G, 4 * PAGE_SIZE - 1, true },
		{ SZ_2G, ULONG_MAX, false },
	};
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
	KUNIT_EXPECT_EQ(test, 0, buffer->shadow.nr_pages);
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
	KUNIT_EXPECT_EQ(test, 0, buffer->shadow.nr_pages);
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
