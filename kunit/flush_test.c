// SPDX-License-Identifier: GPL-2.0
/*
 * The fan-out while a write access may be open (H15), and where begins and ends
 * do not match: what the caches hold is cleaned before it is dropped, piece by
 * piece, and an end pushes whatever its begin was. As fanout_test.c it goes
 * through the real driver, with fake devices that record every sync.
 *
 * Would miss: a flush that drops what is stored between its two halves, which
 * race_data_test.c and the rig look for.
 */
#include <kunit/test.h>
#include <linux/dma-buf.h>
#include <linux/iosys-map.h>

#include "../driver/buffer.h"
#include "importer.h"

/*
 * H15: while a write may be open the caches can hold what nothing else does, so
 * they are cleaned and invalidated piece by piece instead.
 */
static void an_open_write_is_flushed_not_invalidated(struct kunit *test)
{
	struct users *u = test->priv;

	add_device(u, "cam", FAKE_NONCOHERENT, DMA_FROM_DEVICE);
	shim_mark(u->shim);

	cpu_begin(u, CPU_WRITE);
	FAKE_EXPECT_SYNCS(test, "for_cpu cam BIDIRECTIONAL");
	cpu_begin(u, CPU_READ);
	FAKE_EXPECT_SYNCS(test, "flush cam BIDIRECTIONAL x8");
	cpu_end(u, CPU_READ);
	FAKE_EXPECT_SYNCS(test, "for_device cam BIDIRECTIONAL");
	cpu_begin(u, CPU_RW);
	FAKE_EXPECT_SYNCS(test, "flush cam BIDIRECTIONAL x8");
	cpu_end(u, CPU_RW);
	FAKE_EXPECT_SYNCS(test, "for_device cam BIDIRECTIONAL");
	/* Nested: the outer one is still open. */
	cpu_begin(u, CPU_READ);
	FAKE_EXPECT_SYNCS(test, "flush cam BIDIRECTIONAL x8");
	cpu_end(u, CPU_READ);
	cpu_end(u, CPU_WRITE);
	shim_mark(u->shim);
	cpu_begin(u, CPU_READ);
	FAKE_EXPECT_SYNCS(test, "for_cpu cam BIDIRECTIONAL");
}

/* Policy all: each writer its own, and no reader, for whom nothing is fetched. */
static void an_open_write_is_flushed_for_every_writer(struct kunit *test)
{
	struct users *u = test->priv;

	add_device(u, "disp", FAKE_NONCOHERENT, DMA_TO_DEVICE);
	add_device(u, "cam", FAKE_NONCOHERENT, DMA_FROM_DEVICE);
	add_device(u, "gpu", FAKE_COHERENT, DMA_BIDIRECTIONAL);
	add_device(u, "isp", FAKE_NONCOHERENT, DMA_BIDIRECTIONAL);
	cpu_begin(u, CPU_WRITE);
	shim_mark(u->shim);
	cpu_begin(u, CPU_READ);
	FAKE_EXPECT_SYNCS(test, "flush cam BIDIRECTIONAL x8",
			  "flush isp BIDIRECTIONAL x8");
	fanout_sync_policy = SYNC_POLICY_MINIMAL;
	cpu_begin(u, CPU_READ);
	FAKE_EXPECT_SYNCS(test, "flush cam BIDIRECTIONAL x8");
	cpu_end(u, CPU_READ);
	FAKE_EXPECT_SYNCS(test, "for_device cam BIDIRECTIONAL");
}

/* START(RW) before each frame and never an END costs time, frame by frame. */
static void forgotten_ends_are_flushed_each_time(struct kunit *test)
{
	struct users *u = test->priv;
	unsigned int i;

	add_device(u, "cam", FAKE_NONCOHERENT, DMA_FROM_DEVICE);
	cpu_begin(u, CPU_RW);
	shim_mark(u->shim);
	for (i = 0; i < 3; i++) {
		cpu_begin(u, CPU_RW);
		FAKE_EXPECT_SYNCS(test, "flush cam BIDIRECTIONAL x8");
	}
}

/* An END is a flush, whoever began, or nobody. */
static void an_end_alone_pushes(struct kunit *test)
{
	struct users *u = test->priv;

	add_device(u, "disp", FAKE_NONCOHERENT, DMA_TO_DEVICE);
	add_distant(u, "scan", DMA_TO_DEVICE);
	shim_mark(u->shim);
	cpu_end(u, CPU_WRITE);
	FAKE_EXPECT_SYNCS(test, "for_cpu scan TO_DEVICE x1 copies",
			  "for_device scan TO_DEVICE x1 copies",
			  "for_device disp TO_DEVICE");
	/* Nobody can have written anything. */
	cpu_end(u, CPU_READ);
	FAKE_EXPECT_SYNCS(test);
	/* Nor has it closed anything that comes later. */
	cpu_begin(u, CPU_WRITE);
	cpu_end(u, CPU_READ);
	FAKE_EXPECT_SYNCS(test, "for_cpu scan TO_DEVICE x1 copies",
			  "for_device scan TO_DEVICE x1 copies",
			  "for_device disp TO_DEVICE");
	KUNIT_EXPECT_TRUE(test, write_is_open(u));
	cpu_end(u, CPU_WRITE);
	KUNIT_EXPECT_FALSE(test, write_is_open(u));
	shim_mark(u->shim);

	/* Where a device writes, the end of a read pushes as well. */
	add_device(u, "gpu", FAKE_COHERENT, DMA_FROM_DEVICE);
	shim_mark(u->shim);
	cpu_end(u, CPU_READ);
	FAKE_EXPECT_SYNCS(test, "for_cpu scan TO_DEVICE x1 copies",
			  "for_device scan TO_DEVICE x1 copies",
			  "for_device disp TO_DEVICE");
}

/* START(READ) ... END(WRITE), and START(WRITE) ... END(READ). */
static void an_end_pushes_what_its_begin_did_not_announce(struct kunit *test)
{
	struct users *u = test->priv;

	add_device(u, "disp", FAKE_NONCOHERENT, DMA_TO_DEVICE);
	shim_mark(u->shim);
	cpu_begin(u, CPU_READ);
	cpu_end(u, CPU_WRITE);
	FAKE_EXPECT_SYNCS(test, "for_device disp TO_DEVICE");
	cpu_begin(u, CPU_WRITE);
	cpu_end(u, CPU_READ);
	FAKE_EXPECT_SYNCS(test, "for_device disp TO_DEVICE");
	/* ... and every other read, since the write is still open. */
	cpu_begin(u, CPU_READ);
	cpu_end(u, CPU_READ);
	FAKE_EXPECT_SYNCS(test, "for_device disp TO_DEVICE");
}

/* H13, H15: a writer that joins or leaves inside an open write access. */
static void map_and_unmap_inside_an_open_write(struct kunit *test)
{
	struct users *u = test->priv;
	struct importer *cam;

	cpu_begin(u, CPU_WRITE);
	cam = add_device(u, "cam", FAKE_NONCOHERENT, DMA_FROM_DEVICE);
	FAKE_EXPECT_SYNCS(test, "for_device cam BIDIRECTIONAL");
	importer_unmap(cam);
	FAKE_EXPECT_SYNCS(test, "flush cam BIDIRECTIONAL x8",
			  "for_device cam BIDIRECTIONAL");
	add_device(u, "disp", FAKE_NONCOHERENT, DMA_TO_DEVICE);
	FAKE_EXPECT_SYNCS(test, "for_device disp TO_DEVICE");
	cpu_end(u, CPU_WRITE);
	FAKE_EXPECT_SYNCS(test, "for_device disp TO_DEVICE");
}

/* A kernel mapping is a write that is open, and its end is one, too. */
static void a_kernel_mapping_is_an_open_write(struct kunit *test)
{
	struct users *u = test->priv;
	struct iosys_map map;

	add_device(u, "cam", FAKE_NONCOHERENT, DMA_FROM_DEVICE);
	shim_mark(u->shim);
	KUNIT_ASSERT_EQ(test, 0, dma_buf_vmap_unlocked(u->dmabuf, &map));
	FAKE_EXPECT_SYNCS(test, "for_cpu cam BIDIRECTIONAL");
	KUNIT_EXPECT_TRUE(test, write_is_open(u));
	cpu_begin(u, CPU_READ);
	FAKE_EXPECT_SYNCS(test, "flush cam BIDIRECTIONAL x8");
	/* No end of a process is its end. */
	cpu_end(u, CPU_WRITE);
	FAKE_EXPECT_SYNCS(test, "for_device cam BIDIRECTIONAL");
	KUNIT_EXPECT_TRUE(test, write_is_open(u));

	dma_buf_vunmap_unlocked(u->dmabuf, &map);
	FAKE_EXPECT_SYNCS(test, "for_device cam BIDIRECTIONAL");
	KUNIT_EXPECT_FALSE(test, write_is_open(u));
	cpu_begin(u, CPU_READ);
	FAKE_EXPECT_SYNCS(test, "for_cpu cam BIDIRECTIONAL");
}

/* ... which pushes for readers, too, for whom nothing was written otherwise. */
static void a_kernel_mapping_pushes_when_it_goes(struct kunit *test)
{
	struct users *u = test->priv;
	struct iosys_map map;

	add_device(u, "disp", FAKE_NONCOHERENT, DMA_TO_DEVICE);
	shim_mark(u->shim);
	KUNIT_ASSERT_EQ(test, 0, dma_buf_vmap_unlocked(u->dmabuf, &map));
	FAKE_EXPECT_SYNCS(test);
	cpu_end(u, CPU_READ);
	FAKE_EXPECT_SYNCS(test, "for_device disp TO_DEVICE");
	dma_buf_vunmap_unlocked(u->dmabuf, &map);
	FAKE_EXPECT_SYNCS(test, "for_device disp TO_DEVICE");
	cpu_end(u, CPU_READ);
	FAKE_EXPECT_SYNCS(test);
}

static struct kunit_case flush_cases[] = {
	KUNIT_CASE(an_open_write_is_flushed_not_invalidated),
	KUNIT_CASE(an_open_write_is_flushed_for_every_writer),
	KUNIT_CASE(forgotten_ends_are_flushed_each_time),
	KUNIT_CASE(an_end_alone_pushes),
	KUNIT_CASE(an_end_pushes_what_its_begin_did_not_announce),
	KUNIT_CASE(map_and_unmap_inside_an_open_write),
	KUNIT_CASE(a_kernel_mapping_is_an_open_write),
	KUNIT_CASE(a_kernel_mapping_pushes_when_it_goes),
	{ }
};

static struct kunit_suite flush_suite = {
	.name = "udmabuf_fanout_flush",
	.init = users_init,
	.exit = users_exit,
	.test_cases = flush_cases,
};

kunit_test_suite(flush_suite);
