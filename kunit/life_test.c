// SPDX-License-Identifier: GPL-2.0
/*
 * Ends of buffers, and of importers that do not end as they should: what is kept
 * for a device that may still use it, and that nothing else is.
 *
 * Would miss: memory that is lost in less than one life of a few thousand, and
 * what an allocation that fails leaves behind (fail_test.c).
 */
#include <kunit/test.h>
#include <linux/dma-buf.h>
#include <linux/iosys-map.h>
#include <linux/mmzone.h>
#include <linux/pid.h>
#include <linux/sched/signal.h>
#include <linux/vmstat.h>

#include "../driver/buffer.h"
#include "importer.h"

/*
 * An importer that goes without unmapping: its device may still write, so the
 * memory is not handed back. The pages of this buffer stay pinned for good.
 */
static void memory_of_a_lost_mapping_is_kept(struct kunit *test)
{
	struct users *u = test->priv;
	long pins = memory_pins();
	struct importer *cam;

	/* Of two buffers, the one whose mapping is lost. */
	u->dmabuf = export_pages(test, PAGES);
	KUNIT_EXPECT_EQ(test, pins + PAGES, memory_pins());
	cam = add_device(u, "cam", FAKE_NONCOHERENT, DMA_FROM_DEVICE);
	importer_lose(cam);

	/* It is no peer any more. */
	shim_mark(u->shim);
	cpu_begin(u, CPU_RW);
	cpu_end(u, CPU_RW);
	FAKE_EXPECT_SYNCS(test);
	KUNIT_EXPECT_EQ(test, 0, shim_count(u->shim, SHIM_DMA_UNMAP_SGTABLE));

	memory_put_buffer(test, u->dmabuf);
	KUNIT_EXPECT_EQ(test, pins + PAGES, memory_pins());
}

/* An importer that goes takes all its mappings along, and no one else's. */
static void only_lost_mappings_are_dropped(struct kunit *test)
{
	struct users *u = test->priv;
	long pins = memory_pins();
	struct importer *cam;

	u->dmabuf = export_pages(test, PAGES);
	add_device(u, "gpu", FAKE_NONCOHERENT, DMA_FROM_DEVICE);
	cam = add_device(u, "cam", FAKE_NONCOHERENT, DMA_FROM_DEVICE);
	KUNIT_ASSERT_EQ(test, 0, importer_map(cam, DMA_TO_DEVICE));
	importer_lose(cam);

	shim_mark(u->shim);
	cpu_begin(u, CPU_RW);
	FAKE_EXPECT_SYNCS(test, "for_cpu gpu BIDIRECTIONAL");
	cpu_end(u, CPU_RW);
	FAKE_EXPECT_SYNCS(test, "for_device gpu BIDIRECTIONAL");
	KUNIT_EXPECT_EQ(test, pins + PAGES, memory_pins());
}

/*
 * ... nor are copies that its device may still use. Who shares them goes on as
 * if nothing had happened, and nobody new joins them.
 */
static void copies_of_a_lost_mapping_are_kept(struct kunit *test)
{
	struct importer *usb, *scan, *cam;
	struct users *u = test->priv;
	struct fanout_buffer *buffer;

	/* A buffer whose memory is lost, too. */
	u->dmabuf = export_pages(test, PAGES);
	buffer = u->dmabuf->priv;
	usb = add_distant(u, "usb", DMA_FROM_DEVICE);
	scan = add_distant(u, "scan", DMA_TO_DEVICE);
	importer_store(usb, 0, 1);
	KUNIT_EXPECT_EQ(test, 1, importer_load(scan, 0));
	importer_lose(usb);
	KUNIT_EXPECT_EQ(test, 1, usb->fake->nr_copies);

	shim_mark(u->shim);
	cpu_begin(u, CPU_RW);
	cpu_store(u, 0, 2);
	cpu_end(u, CPU_RW);
	FAKE_EXPECT_SYNCS(test, "for_cpu scan TO_DEVICE x1 copies",
			  "for_device scan TO_DEVICE x1 copies");
	KUNIT_EXPECT_EQ(test, 2, importer_load(scan, 0));
	cam = add_distant(u, "cam", DMA_FROM_DEVICE);
	importer_store(cam, 8, 3);
	KUNIT_EXPECT_EQ(test, 0, importer_load(scan, 8));
	cpu_begin(u, CPU_READ);
	KUNIT_EXPECT_EQ(test, 3, cpu_load(u, 8));
	cpu_end(u, CPU_READ);
	KUNIT_EXPECT_EQ(test, 3, importer_load(scan, 8));

	/* When nobody uses them any more, they are forgotten. */
	importer_unmap(scan);
	shim_mark(u->shim);
	cpu_end(u, CPU_WRITE);
	FAKE_EXPECT_SYNCS(test, "for_cpu cam BIDIRECTIONAL x1 copies",
			  "for_device cam BIDIRECTIONAL x1 copies");
	KUNIT_EXPECT_TRUE(test, list_is_singular(&buffer->shadow.copies));
	importer_unmap(cam);
	KUNIT_EXPECT_TRUE(test, list_empty(&buffer->shadow.copies));
}

/* What importers and CPUs do with a buffer, and what fails, in one life of it. */
static void one_life(struct users *u, struct udmabuf_create_item *item,
		     struct fake_device **fakes, unsigned int nr,
		     struct process *process)
{
	struct dma_buf_attachment *attachment[3];
	struct sg_table *sgt[3];
	struct iosys_map map;
	unsigned int i;

	u->dmabuf = fanout_buffer_export(item, 1, PAGES - 1);
	KUNIT_ASSERT_PTR_EQ(u->test, ERR_PTR(-EINVAL), u->dmabuf);
	u->dmabuf = fanout_buffer_export(item, 1, PAGES);
	KUNIT_ASSERT_NOT_ERR_OR_NULL(u->test, u->dmabuf);
	for (i = 0; i < nr; i++) {
		attachment[i] = dma_buf_attach(u->dmabuf, fakes[i]->dev);
		fakes[i]->fail_maps = 1;
		fakes[i]->fail_allocs = 4;
		sgt[i] = dma_buf_map_attachment_unlocked(attachment[i],
							 DMA_FROM_DEVICE);
		KUNIT_ASSERT_TRUE(u->test, IS_ERR(sgt[i]));
		fakes[i]->fail_maps = 0;
		fakes[i]->fail_allocs = 0;
		sgt[i] = dma_buf_map_attachment_unlocked(attachment[i],
							 DMA_FROM_DEVICE);
		KUNIT_ASSERT_NOT_ERR_OR_NULL(u->test, sgt[i]);
	}
	cpu_begin(u, CPU_RW);
	process_begins(process, CPU_WRITE);
	process_ends(process, CPU_WRITE);
	cpu_end(u, CPU_RW);
	for (i = 0; i < nr; i++) {
		dma_buf_unmap_attachment_unlocked(attachment[i], sgt[i],
						  DMA_FROM_DEVICE);
		dma_buf_detach(u->dmabuf, attachment[i]);
	}

	KUNIT_ASSERT_EQ(u->test, 0, dma_buf_vmap_unlocked(u->dmabuf, &map));
	dma_buf_vunmap_unlocked(u->dmabuf, &map);
	__fput_sync(u->dmabuf->file);
	shim_reset(u->shim);
}

/* More lives than a leak of 64 bytes could stay unnoticed in. */
#define LIVES		4096
#define LEAK_PAGES	((long)(LIVES * 64 / PAGE_SIZE / 2))

static void lives_leave_no_memory_behind(struct kunit *test)
{
	struct udmabuf_create_item item;
	struct users *u = test->priv;
	long slab = 0, unused = 0;
	struct process process = { };
	struct fake_device *fakes[3];
	unsigned int i, processes;

	/* KASAN keeps freed memory; and emulation has not the time. */
	if (!IS_ENABLED(CONFIG_UML) || IS_ENABLED(CONFIG_KASAN))
		kunit_skip(test, "only in a plain UML kernel");
	item = memory_item(u->mem, 0, PAGES);
	fakes[0] = fake_device_create(test, "cam", FAKE_NONCOHERENT);
	fakes[0]->max_seg_size = PAGE_SIZE;
	fakes[1] = fake_device_create(test, "usb", FAKE_BOUNCED);
	fakes[2] = fake_device_create(test, "npu", FAKE_OPAQUE);
	create_processes(u, &process, 1);
	processes = refcount_read(&task_tgid(current)->count);

	/* The first half is for what the kernel keeps for the next one. */
	for (i = 0; i < 2 * LIVES; i++) {
		if (i == LIVES) {
			slab = memory_slab();
			unused = global_zone_page_state(NR_FREE_PAGES);
		}
		one_life(u, &item, fakes, ARRAY_SIZE(fakes), &process);
	}
	KUNIT_EXPECT_LT(test, memory_slab() - slab, LEAK_PAGES);
	/* Copies are whole pages; others use memory as well, but not so much. */
	KUNIT_EXPECT_LT(test,
			unused - (long)global_zone_page_state(NR_FREE_PAGES),
			LIVES / 2);
	KUNIT_EXPECT_EQ(test, processes,
			refcount_read(&task_tgid(current)->count));
}

static struct kunit_case life_cases[] = {
	KUNIT_CASE(memory_of_a_lost_mapping_is_kept),
	KUNIT_CASE(only_lost_mappings_are_dropped),
	KUNIT_CASE(copies_of_a_lost_mapping_are_kept),
	KUNIT_CASE(lives_leave_no_memory_behind),
	{ }
};

static struct kunit_suite life_suite = {
	.name = "udmabuf_fanout_life",
	.init = users_init,
	.exit = users_exit,
	.test_cases = life_cases,
};

kunit_test_suite(life_suite);
