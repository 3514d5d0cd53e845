/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What both benches need: a settled machine, its clock, and memory as programs
 * have it.
 */
#ifndef BENCH_MEMORY_H
#define BENCH_MEMORY_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/ioctl.h>

#include <linux/dma-buf.h>

#include "../core/machine.h"

#define MIB		(256 * PAGE)

enum bench_pages {
	ORDERED,	/* 4 KiB pages, as the allocator gave them */
	SCATTERED,	/* 4 KiB pages, no two in sequence */
	THP,
	HUGETLB,	/* no two in sequence either */
};

/* Lift limits and let the guest's start come to rest. Return: 0, or it was said. */
int settle(void);

/* ns, each of which is an instruction. */
long now(void);

/* Memory as most users have it: written, unless @fresh, before it is used. */
int filled_memfd(enum bench_pages pages, size_t bytes, bool fresh);

/*
 * DMA_BUF_IOCTL_SYNC. Return: whether it worked. In the header so that no call of
 * the bench's own, ten instructions of the 800, is in what it measures.
 */
static inline bool sync_call(int dmabuf, __u64 flags)
{
	struct dma_buf_sync req = { .flags = flags };

	return !ioctl(dmabuf, DMA_BUF_IOCTL_SYNC, &req);
}

#endif
