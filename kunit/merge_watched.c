// SPDX-License-Identifier: GPL-2.0
/*
 * driver/merge.c with its reads watched: READ_ONCE() is all it reads pages and
 * copies with, and what would read them otherwise gets what was stored since.
 */
#include "merge_watched.h"

struct merge_watcher *merge_watcher;

static unsigned long watched_read(const unsigned long *at)
{
	unsigned long word = READ_ONCE(*at);

	merge_watcher->read(merge_watcher, at);
	return word;
}

#undef READ_ONCE
#define READ_ONCE(word)	watched_read(&(word))

#define merge_fill	watched_merge_fill
#define merge_fetch	watched_merge_fetch
#define merge_push	watched_merge_push
#include "../driver/merge.c"
