/* SPDX-License-Identifier: GPL-2.0 */
/*
 * A fence of a buffer that is signalled later, as a device does that is not done
 * yet.
 *
 *	late = late_fence_add(test, dmabuf, DMA_RESV_USAGE_WRITE);
 *	late_fence_signal_in(late, HZ / 20);
 *	... what waits for it ...
 *	late_fence_put(test, late);
 */
#ifndef UDMABUF_FANOUT_LATE_FENCE_H
#define UDMABUF_FANOUT_LATE_FENCE_H

#include <linux/dma-fence.h>
#include <linux/dma-resv.h>
#include <linux/spinlock.h>
#include <linux/timer.h>

struct dma_buf;
struct kunit;

/**
 * struct late_fence - a fence that a timer signals
 * @fence: the fence; it owns the rest
 * @lock: of the fence
 * @timer: the timer
 */
struct late_fence {
	struct dma_fence fence;
	spinlock_t lock; /* of the fence */
	struct timer_list timer;
};

struct late_fence *late_fence_add(struct kunit *test, struct dma_buf *dmabuf,
				  enum dma_resv_usage usage);
void late_fence_signal_in(struct late_fence *late, unsigned long delay);
void late_fence_put(struct kunit *test, struct late_fence *late);

#endif /* UDMABUF_FANOUT_LATE_FENCE_H */
