// SPDX-License-Identifier: GPL-2.0
/*
 * Fences that are signalled later.
 */
#include <kunit/test.h>
#include <linux/dma-buf.h>
#include <linux/jiffies.h>
#include <linux/slab.h>

#include "late_fence.h"

static const char *fence_name(struct dma_fence *fence)
{
	return "late";
}

static const struct dma_fence_ops fence_ops = {
	.get_driver_name = fence_name,
	.get_timeline_name = fence_name,
};

static void signal_fence(struct timer_list *timer)
{
	dma_fence_signal(&container_of(timer, struct late_fence, timer)->fence);
}

static void put_fence(void *data)
{
	struct late_fence *late = data;

	timer_delete_sync(&late->timer);
	if (!dma_fence_is_signaled(&late->fence))
		dma_fence_signal(&late->fence);
	dma_fence_put(&late->fence);
}

/**
 * late_fence_add() - add a fence to a buffer
 * @test: the test
 * @dmabuf: the buffer
 * @usage: whom it concerns
 *
 * Return: the fence, which nothing signals before late_fence_signal_in(), or the
 * end of the test.
 */
struct late_fence *late_fence_add(struct kunit *test, struct dma_buf *dmabuf,
				  enum dma_resv_usage usage)
{
	struct late_fence *late;

	/* Freed by dma_fence_free(), which wants the fence first. */
	late = kzalloc(sizeof(*late), GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, late);
	spin_lock_init(&late->lock);
	timer_setup(&late->timer, signal_fence, 0);
	dma_fence_init(&late->fence, &fence_ops, &late->lock,
		       dma_fence_context_alloc(1), 1);
	KUNIT_ASSERT_EQ(test, 0,
			kunit_add_action_or_reset(test, put_fence, late));
	dma_resv_lock(dmabuf->resv, NULL);
	KUNIT_EXPECT_EQ(test, 0, dma_resv_reserve_fences(dmabuf->resv, 1));
	dma_resv_add_fence(dmabuf->resv, &late->fence, usage);
	dma_resv_unlock(dmabuf->resv);
	return late;
}

/**
 * late_fence_signal_in() - have it signalled
 * @late: the fence
 * @delay: when, in jiffies from now on
 */
void late_fence_signal_in(struct late_fence *late, unsigned long delay)
{
	mod_timer(&late->timer, jiffies + delay);
}

/**
 * late_fence_put() - signal it, if that was not done, and put it
 * @test: the test
 * @late: the fence
 */
void late_fence_put(struct kunit *test, struct late_fence *late)
{
	kunit_release_action(test, put_fence, late);
}
