/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What a merge must do, byte by byte, and checks of it. Plain C, part of the
 * KUnit suite and of the native test in tools/merge. Memory comes from the
 * caller.
 */
#ifndef UDMABUF_FANOUT_MERGE_CHECKS_H
#define UDMABUF_FANOUT_MERGE_CHECKS_H

#include "../driver/merge.h"

#define MERGE_SIZE	4096

/**
 * struct merge_build - driver/merge.c in one of the ways it is compiled
 * @name: which
 * @fill: its merge_fill()
 * @fetch: its merge_fetch()
 * @push: its merge_push()
 */
struct merge_build {
	const char *name;
	void (*fill)(const void *page, void *copy, void *twin, size_t size);
	bool (*fetch)(void *page, const void *copy, void *twin, size_t size,
		      struct merge_stats *stats);
	bool (*push)(const void *page, void *copy, void *twin, size_t size,
		     struct merge_stats *stats);
};

/* As the driver has it. */
extern const struct merge_build merge_plain;

/**
 * struct merge_side - a page, a copy and a twin
 * @page: MERGE_SIZE bytes
 * @copy: as many
 * @twin: as many
 */
struct merge_side {
	u8 *page;
	u8 *copy;
	u8 *twin;
};

/**
 * struct merge_room - what a check works with
 * @real: merged by the build that is checked
 * @wanted: merged byte by byte, or what a check needs besides
 * @at: the byte that is wrong, for a message
 */
struct merge_room {
	struct merge_side real;
	struct merge_side wanted;
	size_t at;
};

/* How to merge. */
enum merge_way {
	MERGE_FETCH,
	MERGE_PUSH,
	MERGE_PUSH_READER,	/* without a twin */
};

#define MERGE_WAYS	(MERGE_PUSH_READER + 1)

/* What a check returns: what is wrong, or NULL. */
const char *merge_compare(const struct merge_build *build,
			  struct merge_room *room, enum merge_way way,
			  size_t size);
const char *merge_check_patterns(const struct merge_build *build,
				 struct merge_room *room);
const char *merge_check_positions(const struct merge_build *build,
				  struct merge_room *room);
const char *merge_check_all_and_none(const struct merge_build *build,
				     struct merge_room *room);
const char *merge_check_fill(const struct merge_build *build,
			     struct merge_room *room);
const char *merge_check_two_copies(const struct merge_build *build,
				   struct merge_room *room);
const char *merge_check_conflict(const struct merge_build *build,
				 struct merge_room *room);
/* Of the build that is watched. */
const char *merge_check_reads(struct merge_room *room);

#endif /* UDMABUF_FANOUT_MERGE_CHECKS_H */
