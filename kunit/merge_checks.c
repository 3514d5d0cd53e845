// SPDX-License-Identifier: GPL-2.0
/*
 * What a merge must do, byte by byte, and checks of it.
 *
 * Would miss: stores that two processors make in the same moment, which the
 * native test has threads for.
 */
#include "merge_checks.h"
#include "merge_watched.h"

#ifdef __KERNEL__
#include <linux/string.h>
#else
#include <string.h>
#endif

#define WORD	sizeof(unsigned long)

const struct merge_build merge_plain = {
	"plain", merge_fill, merge_fetch, merge_push,
};

/* The definition: one byte after the other. */
static void merge_bytes(const u8 *from, u8 *to, u8 *twin, size_t size,
			struct merge_stats *stats)
{
	size_t i;

	for (i = 0; i < size; i++) {
		u8 agreed = twin ? twin[i] : to[i];

		if (from[i] == agreed)
			continue;
		stats->bytes++;
		if (to[i] != agreed && to[i] != from[i])
			stats->conflicts++;
		to[i] = from[i];
		if (twin)
			twin[i] = from[i];
	}
}

static bool differs(struct merge_room *room, const u8 *one, const u8 *other,
		    size_t size)
{
	size_t i;

	for (i = 0; i < size; i++)
		if (one[i] != other[i]) {
			room->at = i;
			return true;
		}
	return false;
}

/* Merge @room->real as it is; it must become what the definition says. */
const char *merge_compare(const struct merge_build *build,
			  struct merge_room *room, enum merge_way way,
			  size_t size)
{
	/* They are added to. */
	struct merge_stats stats = { 3, 5 }, sum = stats;
	struct merge_side *real = &room->real, *wanted = &room->wanted;
	u8 *twin = way == MERGE_PUSH_READER ? NULL : real->twin;
	bool moved;

	memcpy(wanted->page, real->page, size);
	memcpy(wanted->copy, real->copy, size);
	memcpy(wanted->twin, real->twin, size);
	if (way == MERGE_FETCH) {
		moved = build->fetch(real->page, real->copy, twin, size,
				     &stats);
		merge_bytes(wanted->copy, wanted->page, wanted->twin, size,
			    &sum);
	} else {
		moved = build->push(real->page, real->copy, twin, size, &stats);
		merge_bytes(wanted->page, wanted->copy,
			    twin ? wanted->twin : NULL, size, &sum);
	}
	if (differs(room, real->page, wanted->page, size))
		return "wrong in the page";
	if (differs(room, real->copy, wanted->copy, size))
		return "wrong in the copy";
	if (differs(room, real->twin, wanted->twin, size))
		return "wrong in the twin";
	room->at = 0;
	if (stats.bytes != sum.bytes)
		return "wrong number of bytes";
	if (stats.conflicts != sum.conflicts)
		return "wrong number of conflicts";
	if (sum.bytes > 3 ? !moved : moved)
		return "it says that it moved something, or that it did not";
	return NULL;
}

/* What a byte has become that was written. */
static u8 written(u8 byte, size_t i)
{
	static const u8 bits[] = { 0xff, 0x01, 0x80, 0x7f, 0x10 };

	return byte ^ bits[i % sizeof(bits)];
}

/* What byte @i is before anybody writes. */
static u8 settled(size_t i)
{
	return i * 37 + i / 256;
}

/* Page, copy and twin agree. */
static void settle(const struct merge_side *side)
{
	size_t i;

	for (i = 0; i < MERGE_SIZE; i++)
		side->page[i] = settled(i);
	memcpy(side->copy, side->page, MERGE_SIZE);
	memcpy(side->twin, side->page, MERGE_SIZE);
}

/*
 * Each byte of a word in each of five states: written by nobody, by one side,
 * by the other, by both the same, by both differently.
 */
const char *merge_check_patterns(const struct merge_build *build,
				 struct merge_room *room)
{
	unsigned long pattern = 0, patterns = 1, left = 0;
	struct merge_side *side = &room->real;
	const char *wrong = NULL;
	enum merge_way way;
	size_t i;

	for (i = 0; i < WORD; i++)
		patterns *= 5;
	while (pattern < patterns) {
		unsigned long first = pattern;

		for (way = 0; way < MERGE_WAYS && !wrong; way++) {
			settle(side);
			pattern = first;
			for (i = 0; i < MERGE_SIZE; i++) {
				u8 byte = side->twin[i];

				if (i % WORD == 0)
					left = pattern++;
				if (left % 5 == 1 || left % 5 > 2)
					side->page[i] = written(byte, i);
				if (left % 5 == 2 || left % 5 == 3)
					side->copy[i] = written(byte, i);
				if (left % 5 == 4)
					side->copy[i] = written(byte, i + 1);
				left /= 5;
			}
			wrong = merge_compare(build, room, way, MERGE_SIZE);
		}
		if (wrong)
			return wrong;
	}
	return NULL;
}

/* One byte on one side, at each position. */
const char *merge_check_positions(const struct merge_build *build,
				  struct merge_room *room)
{
	struct merge_side *side = &room->real;
	const char *wrong = NULL;
	enum merge_way way;
	size_t i;

	settle(side);
	for (i = 0; i < 256 && !wrong; i++)
		for (way = 0; way < MERGE_WAYS && !wrong; way++) {
			u8 *from = way == MERGE_FETCH ? side->copy : side->page;

			from[i] = written(from[i], i);
			wrong = merge_compare(build, room, way, 256);
			/* Which a push without a twin leaves behind. */
			side->twin[i] = from[i];
		}
	return wrong;
}

/* Nothing, then everything, at each size. */
const char *merge_check_all_and_none(const struct merge_build *build,
				     struct merge_room *room)
{
	struct merge_side *side = &room->real;
	const char *wrong = NULL;
	enum merge_way way;
	size_t size, i;

	for (size = 64; size <= MERGE_SIZE && !wrong; size += 64)
		for (way = 0; way < MERGE_WAYS && !wrong; way++) {
			u8 *from = way == MERGE_FETCH ? side->copy : side->page;

			settle(side);
			wrong = merge_compare(build, room, way, size);
			for (i = 0; i < MERGE_SIZE; i++)
				from[i] = written(from[i], i);
			if (!wrong)
				wrong = merge_compare(build, room, way, size);
			if (!wrong && size < MERGE_SIZE &&
			    side->page[size] == side->copy[size])
				wrong = "moved more than was asked for";
		}
	return wrong;
}

/* A new copy is the page, and so is its twin, if it has one. */
const char *merge_check_fill(const struct merge_build *build,
			     struct merge_room *room)
{
	struct merge_side *side = &room->real;

	settle(side);
	memset(side->copy, 0, MERGE_SIZE);
	memset(side->twin, 0, MERGE_SIZE);
	build->fill(side->page, side->copy, NULL, MERGE_SIZE - 64);
	if (differs(room, side->copy, side->page, MERGE_SIZE - 64))
		return "wrong in the copy";
	for (room->at = MERGE_SIZE - 64; room->at < MERGE_SIZE; room->at++)
		if (side->copy[room->at])
			return "filled more than was asked for";
	build->fill(side->page, side->copy, side->twin, MERGE_SIZE);
	if (differs(room, side->copy, side->page, MERGE_SIZE))
		return "wrong in the copy with a twin";
	if (differs(room, side->twin, side->page, MERGE_SIZE))
		return "wrong in the twin";
	return NULL;
}

/* Of two values one stands, the same for both, and it is counted. */
const char *merge_check_conflict(const struct merge_build *build,
				 struct merge_room *room)
{
	struct merge_side *side = &room->real;
	struct merge_stats stats = { 0 };

	settle(side);
	side->page[20] = side->twin[20] + 1;
	side->copy[20] = side->twin[20] + 2;
	side->page[30] = side->twin[30] + 3;
	side->copy[30] = side->twin[30] + 3;
	build->fetch(side->page, side->copy, side->twin, MERGE_SIZE, &stats);
	if (stats.conflicts != 1)
		return "a conflict was not counted once";
	if (differs(room, side->page, side->copy, MERGE_SIZE))
		return "a fetch left a conflict behind";
	if (build->push(side->page, side->copy, side->twin, MERGE_SIZE, &stats))
		return "a push after a fetch found something";
	return NULL;
}

/*
 * What a task and two devices write into neighbouring bytes at the same time is
 * everywhere after each was fetched from and pushed to.
 */
const char *merge_check_two_copies(const struct merge_build *build,
				   struct merge_room *room)
{
	const struct merge_side *one = &room->real, *other = &room->wanted;
	struct merge_stats stats = { 0 };
	size_t i;

	settle(one);
	build->fill(one->page, other->copy, other->twin, MERGE_SIZE);
	for (i = 0; i < MERGE_SIZE; i++) {
		u8 *writer[] = { one->page, one->copy, other->copy, NULL };
		u8 *to = writer[(i + i / 64) % 4];

		if (to)
			to[i] = written(to[i], i);
	}
	build->fetch(one->page, one->copy, one->twin, MERGE_SIZE, &stats);
	build->fetch(one->page, other->copy, other->twin, MERGE_SIZE, &stats);
	build->push(one->page, one->copy, one->twin, MERGE_SIZE, &stats);
	build->push(one->page, other->copy, other->twin, MERGE_SIZE, &stats);
	for (i = 0; i < MERGE_SIZE; i++) {
		u8 byte = settled(i);

		room->at = i;
		if ((i + i / 64) % 4 < 3)
			byte = written(byte, i);
		if (one->page[i] != byte)
			return "lost in the page";
		if (one->copy[i] != byte || one->twin[i] != byte)
			return "lost in the first copy";
		if (other->copy[i] != byte || other->twin[i] != byte)
			return "lost in the second copy";
	}
	if (stats.conflicts)
		return "a conflict where there is none";
	return NULL;
}

/**
 * struct changer - changes all bytes of each word that was read
 * @watcher: how it hears of it
 * @side: whose words
 * @page_reads: how often each was read
 * @copy_reads: likewise
 */
struct changer {
	struct merge_watcher watcher;
	const struct merge_side *side;
	u8 page_reads[MERGE_SIZE / WORD];
	u8 copy_reads[MERGE_SIZE / WORD];
};

static void change(struct merge_watcher *watcher, const void *at)
{
	/* SAFETY: the watcher is its first member. */
	struct changer *changer = (struct changer *)watcher;
	const u8 *byte = at;
	size_t i, offset;
	u8 *side;

	if (byte >= changer->side->page &&
	    byte < changer->side->page + MERGE_SIZE) {
		side = changer->side->page;
		offset = byte - side;
		changer->page_reads[offset / WORD]++;
	} else {
		side = changer->side->copy;
		offset = byte - side;
		changer->copy_reads[offset / WORD]++;
	}
	for (i = offset; i < offset + WORD; i++)
		side[i] ^= 0xff;
}

/* Whether byte @i of the side that is merged from was written: all mixes. */
static bool is_written(size_t i)
{
	return i / WORD >> i % WORD & 1;
}

/* What byte @i of the other side is: in one half it was written, too. */
static u8 other_side(size_t i, enum merge_way way)
{
	return i < MERGE_SIZE / 2 || way == MERGE_PUSH_READER ?
		settled(i) : written(settled(i), i + 1);
}

static const char *check_reads(struct merge_room *room, enum merge_way way,
			       struct changer *changer)
{
	struct merge_side *side = &room->real;
	bool fetch = way == MERGE_FETCH;
	u8 *from = fetch ? side->copy : side->page;
	u8 *to = fetch ? side->page : side->copy;
	const u8 *from_reads = fetch ? changer->copy_reads : changer->page_reads;
	const u8 *to_reads = fetch ? changer->page_reads : changer->copy_reads;
	struct merge_stats stats = { 0 };
	size_t i;

	settle(side);
	for (i = 0; i < MERGE_SIZE; i++) {
		to[i] = other_side(i, way);
		if (is_written(i))
			from[i] = written(from[i], i);
	}
	memset(changer->page_reads, 0, sizeof(changer->page_reads));
	memset(changer->copy_reads, 0, sizeof(changer->copy_reads));
	merge_watcher = &changer->watcher;
	if (fetch)
		watched_merge_fetch(side->page, side->copy, side->twin,
				    MERGE_SIZE, &stats);
	else
		watched_merge_push(side->page, side->copy,
				   way == MERGE_PUSH ? side->twin : NULL,
				   MERGE_SIZE, &stats);

	for (i = 0; i < MERGE_SIZE; i++) {
		u8 old = settled(i);
		u8 new = is_written(i) ? written(old, i) : old;
		u8 other = other_side(i, way);
		u8 changed = new ^ 0xff;

		room->at = i;
		if (from_reads[i / WORD] != 1)
			return "not read once";
		if (to_reads[i / WORD] > 1)
			return "the other side is read twice";
		if (way != MERGE_PUSH_READER && side->twin[i] != new)
			return "the twin is not what was read";
		if (is_written(i) && to[i] != new)
			return "what is stored is not what was read";
		if (!is_written(i) &&
		    to[i] != (to_reads[i / WORD] ? other ^ 0xff : other))
			return "somebody else's store is lost";
		if (from[i] != changed)
			return "stored to what it should only read";
	}
	return NULL;
}

/* Whoever stores right after a read neither confuses a merge nor loses it. */
const char *merge_check_reads(struct merge_room *room)
{
	static struct changer changer;
	struct merge_side *side = &room->real;
	const char *wrong = NULL;
	enum merge_way way;

	changer.watcher.read = change;
	changer.side = side;
	for (way = 0; way < MERGE_WAYS && !wrong; way++)
		wrong = check_reads(room, way, &changer);
	if (wrong)
		return wrong;

	settle(side);
	merge_watcher = &changer.watcher;
	watched_merge_fill(side->page, side->copy, side->twin, MERGE_SIZE);
	if (differs(room, side->copy, side->twin, MERGE_SIZE))
		return "a new copy and its twin differ";
	return NULL;
}
