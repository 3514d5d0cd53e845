// SPDX-License-Identifier: GPL-2.0
/*
 * The merge: a buffer's pages and a device's copy of them are brought in step,
 * and what only one side wrote is never lost.
 *
 * Fetch and push are the same with the sides exchanged: bytes of one side that
 * differ from the twin go to the other side and into the twin. Mostly there are
 * none, and then it is a comparison at the speed of memory.
 */
#include "merge.h"

/* A one in each byte of a word. */
#define ONES	(~0UL / 0xff)

static bool has_zero_byte(unsigned long word)
{
	return (word - ONES) & ~word & (ONES << 7);
}

/*
 * Store those bytes of @new that differ from @old into @to. Others may be
 * storing to the rest of the word right now: it is not touched.
 *
 * Return: the number of bytes.
 */
static unsigned int store_bytes(unsigned long *to, unsigned long new,
				unsigned long old)
{
	const u8 *new_byte = (const u8 *)&new, *old_byte = (const u8 *)&old;
	unsigned int i, stored = 0;
	u8 *to_byte = (u8 *)to;

	for (i = 0; i < sizeof(new); i++) {
		if (new_byte[i] == old_byte[i])
			continue;
		WRITE_ONCE(to_byte[i], new_byte[i]);
		stored++;
	}
	return stored;
}

/* The same, at once where all bytes differ. */
static __always_inline unsigned int store_changed(unsigned long *to,
						  unsigned long new,
						  unsigned long old)
{
	if (unlikely(has_zero_byte(new ^ old)))
		return store_bytes(to, new, old);
	WRITE_ONCE(*to, new);
	return sizeof(new);
}

/* How many bytes differ in all three words. */
static unsigned int count_conflicts(unsigned long one, unsigned long other,
				    unsigned long twin)
{
	const u8 *a = (const u8 *)&one, *b = (const u8 *)&other;
	const u8 *t = (const u8 *)&twin;
	unsigned int i, conflicts = 0;

	for (i = 0; i < sizeof(one); i++)
		conflicts += a[i] != t[i] && b[i] != t[i] && a[i] != b[i];
	return conflicts;
}

static __always_inline unsigned int merge_word(const unsigned long *from,
					       unsigned long *to,
					       unsigned long *twin,
					       struct merge_stats *stats)
{
	unsigned long new = READ_ONCE(*from);
	unsigned long old = *twin;
	unsigned long other;

	if (likely(new == old))
		return 0;
	other = READ_ONCE(*to);
	if (unlikely(other != old))
		stats->conflicts += count_conflicts(new, other, old);
	*twin = new;
	return store_changed(to, new, old);
}

/* What was written in @from goes into @to and @twin. */
static bool merge(const unsigned long *from, unsigned long *to,
		  unsigned long *twin, size_t size, struct merge_stats *stats)
{
	size_t i, bytes = 0;

	for (i = 0; i < size / sizeof(*from); i += 4) {
		bytes += merge_word(from + i, to + i, twin + i, stats);
		bytes += merge_word(from + i + 1, to + i + 1, twin + i + 1,
				    stats);
		bytes += merge_word(from + i + 2, to + i + 2, twin + i + 2,
				    stats);
		bytes += merge_word(from + i + 3, to + i + 3, twin + i + 3,
				    stats);
	}
	stats->bytes += bytes;
	return bytes;
}

static __always_inline unsigned int update_word(const unsigned long *from,
						unsigned long *to)
{
	unsigned long new = READ_ONCE(*from);
	unsigned long old = READ_ONCE(*to);

	if (likely(new == old))
		return 0;
	return store_changed(to, new, old);
}

/* A copy that its device only reads is its own twin. */
static bool update(const unsigned long *page, unsigned long *copy, size_t size,
		   struct merge_stats *stats)
{
	size_t i, bytes = 0;

	for (i = 0; i < size / sizeof(*page); i += 4) {
		bytes += update_word(page + i, copy + i);
		bytes += update_word(page + i + 1, copy + i + 1);
		bytes += update_word(page + i + 2, copy + i + 2);
		bytes += update_word(page + i + 3, copy + i + 3);
	}
	stats->bytes += bytes;
	return bytes;
}

/**
 * merge_fill() - make a new copy
 * @page: what to copy
 * @copy: memory for the copy; no device uses it yet
 * @twin: memory for its twin, or NULL if the device only reads
 * @size: bytes, a multiple of 64
 *
 * Copy and twin are the same afterwards, whatever is stored to @page meanwhile.
 */
void merge_fill(const void *page, void *copy, void *twin, size_t size)
{
	unsigned long *to = copy, *also = twin;
	const unsigned long *from = page;
	size_t i;

	for (i = 0; i < size / sizeof(*from); i++) {
		unsigned long word = READ_ONCE(from[i]);

		to[i] = word;
		if (also)
			also[i] = word;
	}
}

/**
 * merge_fetch() - take over what the device has written
 * @page: the buffer's memory
 * @copy: the device's copy of it
 * @twin: the copy's twin
 * @size: bytes, a multiple of 64
 * @stats: is added to
 *
 * Return: whether the device had written anything.
 */
bool merge_fetch(void *page, const void *copy, void *twin, size_t size,
		 struct merge_stats *stats)
{
	return merge(copy, page, twin, size, stats);
}

/**
 * merge_push() - pass on to the device what others have written
 * @page: the buffer's memory
 * @copy: the device's copy of it
 * @twin: the copy's twin, or NULL if the device only reads
 * @size: bytes, a multiple of 64
 * @stats: is added to; without @twin there are no conflicts
 *
 * Return: whether others had written anything.
 */
bool merge_push(const void *page, void *copy, void *twin, size_t size,
		struct merge_stats *stats)
{
	if (!twin)
		return update(page, copy, size, stats);
	return merge(page, copy, twin, size, stats);
}
