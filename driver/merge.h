/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The merge: a buffer's pages and a device's copy of them are brought in step,
 * and what only one side wrote is never lost.
 *
 * Each copy that a device can write has a twin: what pages and copy last agreed
 * on. Where a side differs from the twin, it was written. (Twin and diff, the
 * multiple-writer protocol of Munin and TreadMarks.)
 *
 * Pure: three buffers in, bytes out. No lock, no allocation, no global; the
 * same file is part of the module, of the KUnit suites and of native programs.
 * It must not know what a page, a device or an sg table is.
 *
 * Page and copy may be stored to at any time, by tasks, by a device, by a
 * hostile host. So each word of them is read once in a call, and bytes that need
 * not change are not stored, not even with the value they have. What one call
 * misses the next one finds. A twin is nobody else's: whoever calls sees to it
 * that calls with the same twin, or for the same copy, come one after the other.
 *
 * Buffers are aligned to a word (unsigned long), sizes are multiples of 64.
 */
#ifndef UDMABUF_FANOUT_MERGE_H
#define UDMABUF_FANOUT_MERGE_H

#ifdef __KERNEL__
#include <linux/compiler.h>
#include <linux/types.h>
#else
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
typedef uint8_t u8;
typedef uint64_t u64;
#define READ_ONCE(x)		__atomic_load_n(&(x), __ATOMIC_RELAXED)
#define WRITE_ONCE(x, value)	__atomic_store_n(&(x), value, __ATOMIC_RELAXED)
#define likely(x)		__builtin_expect(!!(x), 1)
#define unlikely(x)		__builtin_expect(!!(x), 0)
#endif

/**
 * struct merge_stats - what merges have done; they add to it
 * @bytes: bytes moved
 * @conflicts: bytes among them that both sides had written, differently: the
 *	value of the side that was merged from stands
 */
struct merge_stats {
	u64 bytes;
	u64 conflicts;
};

void merge_fill(const void *page, void *copy, void *twin, size_t size);
bool merge_fetch(void *page, const void *copy, void *twin, size_t size,
		 struct merge_stats *stats);
bool merge_push(const void *page, void *copy, void *twin, size_t size,
		struct merge_stats *stats);

#endif /* UDMABUF_FANOUT_MERGE_H */
