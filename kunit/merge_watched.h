/* SPDX-License-Identifier: GPL-2.0 */
/*
 * driver/merge.c compiled once more, with somebody who stores to pages and copy
 * right after any word of them was read: a task, a device or a hostile host at
 * its worst moment, every time.
 */
#ifndef UDMABUF_FANOUT_MERGE_WATCHED_H
#define UDMABUF_FANOUT_MERGE_WATCHED_H

#include "../driver/merge.h"

/**
 * struct merge_watcher - who is told of each read
 * @read: called after the word at @at was read
 */
struct merge_watcher {
	void (*read)(struct merge_watcher *watcher, const void *at);
};

/* Who is told: set it before any of these is called, in one thread at a time. */
extern struct merge_watcher *merge_watcher;

void watched_merge_fill(const void *page, void *copy, void *twin, size_t size);
bool watched_merge_fetch(void *page, const void *copy, void *twin, size_t size,
			 struct merge_stats *stats);
bool watched_merge_push(const void *page, void *copy, void *twin, size_t size,
			struct merge_stats *stats);

#endif /* UDMABUF_FANOUT_MERGE_WATCHED_H */
