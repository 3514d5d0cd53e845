// SPDX-License-Identifier: GPL-2.0
/*
 * Fences and the reservation lock: what a CPU access waits for, what it syncs
 * when, and what it leaves behind when it is interrupted.
 *
 * Would miss: a fence that is added while an access begins, for which there is
 * no order (race_test.c has both at once, and looks at nothing but the judges of
 * the kernel).
 */
#include <kunit/test.h>
#include <linux/dma-buf.h>
#include <linux/dma-fence.h>
#include <linux/dma-resv.h>
#include <linux/sched/signal.h>

#include "importer.h"
#include "late_fence.h"

/* H12: which fences an access waits for; each is signalled by a timer. */
static void sync_comes_after_the_fences(struct kunit *test)
{
	static const struct {
		enum dma_resv_usage usage;
		enum dma_data_direction access;
		bool waits;
	} cases[] = {
		{ DMA_RESV_USAGE_KERNEL, CPU_READ, true },
		{ DMA_RESV_USAGE_WRITE, CPU_READ, true },
		{ DMA_RESV_USAGE_READ, CPU_READ, false },
		{ DMA_RESV_USAGE_WRITE, CPU_WRITE, true },
		{ DMA_RESV_USAGE_READ, CPU_WRITE, true },
		{ DMA_RESV_USAGE_READ, CPU_RW, true },
		{ DMA_RESV_USAGE_BOOKKEEP, CPU_RW, false },
	};
	struct users *u = test->priv;
	struct shim_record *rec;
	unsigned int i, at;
	struct late_fence *late;

	add_device(u, "cam", FAKE_NONCOHERENT, DMA_FROM_DEVICE);
	for (i = 0; i < ARRAY_SIZE(cases); i++) {
		late = late_fence_add(test, u->dmabuf, cases[i].usage);
		if (cases[i].waits)
			late_fence_signal_in(late, HZ / 20);
		shim_reset(u->shim);
		cpu_begin(u, cases[i].access);
		KUNIT_EXPECT_EQ_MSG(test, cases[i].waits,
				    dma_fence_is_signaled(&late->fence),
				    "case %u", i);
		/* The first sync comes after a wait that came back. */
		for (at = 0; at < u->shim->nr; at++)
			if (u->shim->records[at].fn ==
			    SHIM_DMA_SYNC_SGTABLE_FOR_CPU)
				break;
		KUNIT_EXPECT_LT(test, at, u->shim->nr);
		KUNIT_EXPECT_EQ(test, cases[i].waits,
				shim_count(u->shim, SHIM_DMA_RESV_WAIT_TIMEOUT));
		rec = shim_last(u->shim, SHIM_DMA_RESV_WAIT_TIMEOUT);
		if (rec) {
			KUNIT_EXPECT_LT(test, rec - u->shim->records, at);
			KUNIT_EXPECT_TRUE(test, rec->dma_resv_wait_timeout.intr);
			KUNIT_EXPECT_EQ(test, MAX_SCHEDULE_TIMEOUT,
					rec->dma_resv_wait_timeout.timeout);
		}
		cpu_end(u, cases[i].access);
		late_fence_put(test, late);
	}
}

/* H12: an interrupted wait has synced nothing and opened nothing. */
static void interrupted_wait_does_nothing(struct kunit *test)
{
	struct users *u = test->priv;
	struct late_fence *late;
	int ret;

	add_device(u, "cam", FAKE_NONCOHERENT, DMA_FROM_DEVICE);
	late = late_fence_add(test, u->dmabuf, DMA_RESV_USAGE_WRITE);
	shim_mark(u->shim);

	set_tsk_thread_flag(current, TIF_SIGPENDING);
	ret = dma_buf_begin_cpu_access(u->dmabuf, CPU_WRITE);
	clear_tsk_thread_flag(current, TIF_SIGPENDING);
	KUNIT_EXPECT_EQ(test, -ERESTARTSYS, ret);
	FAKE_EXPECT_SYNCS(test);

	dma_fence_signal(&late->fence);
	cpu_begin(u, CPU_READ);
	FAKE_EXPECT_SYNCS(test, "for_cpu cam BIDIRECTIONAL");
	cpu_end(u, CPU_READ);
}

static unsigned int stolen;

static bool steal_twice(struct dma_resv *resv, enum dma_resv_usage usage)
{
	return stolen++ < 2 ? false : dma_resv_test_signaled(resv, usage);
}

/* H12: fences are tested under the lock, and waited for without it. */
static void fences_are_tested_under_the_lock(struct kunit *test)
{
	struct users *u = test->priv;

	add_device(u, "cam", FAKE_NONCOHERENT, DMA_FROM_DEVICE);
	dma_fence_signal(&late_fence_add(test, u->dmabuf, DMA_RESV_USAGE_WRITE)->fence);
	stolen = 0;
	u->shim->hooks.dma_resv_test_signaled = steal_twice;
	shim_mark(u->shim);
	cpu_begin(u, CPU_READ);
	KUNIT_EXPECT_EQ(test, 2,
			shim_count(u->shim, SHIM_DMA_RESV_WAIT_TIMEOUT));
	KUNIT_EXPECT_EQ(test, 3,
			shim_count(u->shim, SHIM_DMA_RESV_LOCK_INTERRUPTIBLE));
	FAKE_EXPECT_SYNCS(test, "for_cpu cam BIDIRECTIONAL");
	cpu_end(u, CPU_READ);
}

/* H10: a lock that was not had is an access that did not begin. */
static void interrupted_lock_does_nothing(struct kunit *test)
{
	struct users *u = test->priv;
	int (*lock)(struct dma_resv *resv, struct ww_acquire_ctx *ctx) =
		u->shim->hooks.dma_resv_lock_interruptible;

	add_device(u, "cam", FAKE_NONCOHERENT, DMA_FROM_DEVICE);
	shim_mark(u->shim);
	u->shim->hooks.dma_resv_lock_interruptible = lock_is_interrupted;
	KUNIT_EXPECT_EQ(test, -ERESTARTSYS,
			dma_buf_begin_cpu_access(u->dmabuf, CPU_WRITE));
	u->shim->hooks.dma_resv_lock_interruptible = lock;
	FAKE_EXPECT_SYNCS(test);
	cpu_begin(u, CPU_READ);
	FAKE_EXPECT_SYNCS(test, "for_cpu cam BIDIRECTIONAL");
	cpu_end(u, CPU_READ);
}

static unsigned int locks_to_go;

static int lock_that_often(struct dma_resv *resv, struct ww_acquire_ctx *ctx)
{
	return locks_to_go-- ? dma_resv_lock_interruptible(resv, ctx) : -EINTR;
}

/* H12: after the wait for the fences, the lock may be interrupted, too. */
static void interrupted_after_the_fences_does_nothing(struct kunit *test)
{
	struct users *u = test->priv;
	int (*lock)(struct dma_resv *resv, struct ww_acquire_ctx *ctx) =
		u->shim->hooks.dma_resv_lock_interruptible;

	add_device(u, "cam", FAKE_NONCOHERENT, DMA_FROM_DEVICE);
	dma_fence_signal(&late_fence_add(test, u->dmabuf, DMA_RESV_USAGE_WRITE)->fence);
	stolen = 0;
	u->shim->hooks.dma_resv_test_signaled = steal_twice;
	locks_to_go = 1;
	u->shim->hooks.dma_resv_lock_interruptible = lock_that_often;
	shim_mark(u->shim);
	KUNIT_EXPECT_EQ(test, -ERESTARTSYS,
			dma_buf_begin_cpu_access(u->dmabuf, CPU_WRITE));
	u->shim->hooks.dma_resv_lock_interruptible = lock;
	FAKE_EXPECT_SYNCS(test);
	KUNIT_EXPECT_FALSE(test, write_is_open(u));
}

static bool is_signaled(struct dma_resv *resv, enum dma_resv_usage usage)
{
	return true;
}

/*
 * The core waits as well, after us; a fence that came in between can make it
 * fail although we did not. Then a write is counted that was never open, which
 * costs time, and no data.
 */
static void interrupted_core_costs_no_data(struct kunit *test)
{
	struct users *u = test->priv;
	struct importer *usb, *cam;
	int ret;

	cam = add_device(u, "cam", FAKE_NONCOHERENT, DMA_FROM_DEVICE);
	usb = add_device(u, "usb", FAKE_BOUNCED, DMA_FROM_DEVICE);
	late_fence_add(test, u->dmabuf, DMA_RESV_USAGE_WRITE);
	u->shim->hooks.dma_resv_test_signaled = is_signaled;
	shim_mark(u->shim);
	set_tsk_thread_flag(current, TIF_SIGPENDING);
	ret = dma_buf_begin_cpu_access(u->dmabuf, CPU_WRITE);
	clear_tsk_thread_flag(current, TIF_SIGPENDING);
	KUNIT_EXPECT_EQ(test, -ERESTARTSYS, ret);
	FAKE_EXPECT_SYNCS(test, "for_cpu cam BIDIRECTIONAL");
	KUNIT_EXPECT_TRUE(test, write_is_open(u));

	importer_store(usb, 0, 1);
	importer_unmap(cam);
	FAKE_EXPECT_SYNCS(test, "flush cam BIDIRECTIONAL x8",
			  "for_device cam BIDIRECTIONAL",
			  "for_device cam BIDIRECTIONAL");
	KUNIT_EXPECT_EQ(test, 1, cpu_load(u, 0));
	importer_store(usb, 8, 2);
	importer_unmap(usb);
	KUNIT_EXPECT_EQ(test, 2, cpu_load(u, 8));
}

/*
 * Where there is nothing to sync, only the core waits: what it was interrupted
 * in counts as begun.
 */
static void nothing_to_sync_is_nothing_to_wait_for(struct kunit *test)
{
	struct users *u = test->priv;
	struct late_fence *late;
	int ret;

	add_device(u, "gpu", FAKE_COHERENT, DMA_FROM_DEVICE);
	late = late_fence_add(test, u->dmabuf, DMA_RESV_USAGE_WRITE);
	late_fence_signal_in(late, HZ / 20);
	shim_mark(u->shim);
	cpu_begin(u, CPU_WRITE);
	KUNIT_EXPECT_TRUE(test, dma_fence_is_signaled(&late->fence));
	KUNIT_EXPECT_EQ(test, 0,
			shim_count(u->shim, SHIM_DMA_RESV_TEST_SIGNALED));
	cpu_end(u, CPU_WRITE);
	KUNIT_EXPECT_FALSE(test, write_is_open(u));

	late_fence_add(test, u->dmabuf, DMA_RESV_USAGE_WRITE);
	set_tsk_thread_flag(current, TIF_SIGPENDING);
	ret = dma_buf_begin_cpu_access(u->dmabuf, CPU_WRITE);
	clear_tsk_thread_flag(current, TIF_SIGPENDING);
	KUNIT_EXPECT_EQ(test, -ERESTARTSYS, ret);
	KUNIT_EXPECT_TRUE(test, write_is_open(u));
}

static struct importer *late_importer;

static int lock_after_a_map(struct dma_resv *resv, struct ww_acquire_ctx *ctx)
{
	if (!late_importer->sgt)
		importer_map(late_importer, DMA_FROM_DEVICE);
	return dma_resv_lock_interruptible(resv, ctx);
}

/* H10: who maps while a begin waits for the lock is seen by that begin. */
static void mapped_before_the_lock_is_seen(struct kunit *test)
{
	struct users *u = test->priv;
	int (*lock)(struct dma_resv *resv, struct ww_acquire_ctx *ctx) =
		u->shim->hooks.dma_resv_lock_interruptible;

	late_importer = importer_create(u, fake_device_create(test, "cam",
							      FAKE_NONCOHERENT));
	u->shim->hooks.dma_resv_lock_interruptible = lock_after_a_map;
	shim_mark(u->shim);
	cpu_begin(u, CPU_WRITE);
	u->shim->hooks.dma_resv_lock_interruptible = lock;
	FAKE_EXPECT_SYNCS(test, "for_device cam BIDIRECTIONAL",
			  "for_cpu cam BIDIRECTIONAL");
	cpu_end(u, CPU_WRITE);
}

static struct kunit_case fence_cases[] = {
	KUNIT_CASE(sync_comes_after_the_fences),
	KUNIT_CASE(interrupted_wait_does_nothing),
	KUNIT_CASE(fences_are_tested_under_the_lock),
	KUNIT_CASE(interrupted_lock_does_nothing),
	KUNIT_CASE(mapped_before_the_lock_is_seen),
	KUNIT_CASE(interrupted_after_the_fences_does_nothing),
	KUNIT_CASE(interrupted_core_costs_no_data),
	KUNIT_CASE(nothing_to_sync_is_nothing_to_wait_for),
	{ }
};

static struct kunit_suite fence_suite = {
	.name = "udmabuf_fanout_fence",
	.init = users_init,
	.exit = users_exit,
	.test_cases = fence_cases,
};

kunit_test_suite(fence_suite);
