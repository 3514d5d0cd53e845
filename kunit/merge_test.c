// SPDX-License-Identifier: GPL-2.0
/*
 * The merge by itself, against its definition byte by byte.
 *
 * Would miss: stores that two processors make in the same moment. The native
 * test in tools/merge has threads that do, and random contents besides; the
 * checks are the same.
 */
#include <kunit/test.h>

#include "merge_checks.h"

static int merge_test_init(struct kunit *test)
{
	struct merge_room *room = kunit_kzalloc(test, sizeof(*room),
						GFP_KERNEL);
	u8 **buffers[] = {
		&room->real.page, &room->real.copy, &room->real.twin,
		&room->wanted.page, &room->wanted.copy, &room->wanted.twin,
	};
	unsigned int i;

	KUNIT_ASSERT_NOT_NULL(test, room);
	for (i = 0; i < ARRAY_SIZE(buffers); i++) {
		*buffers[i] = kunit_kzalloc(test, MERGE_SIZE, GFP_KERNEL);
		KUNIT_ASSERT_NOT_NULL(test, *buffers[i]);
	}
	test->priv = room;
	return 0;
}

static void expect_right(struct kunit *test, const char *wrong)
{
	struct merge_room *room = test->priv;

	if (wrong)
		KUNIT_FAIL(test, "%s, byte %zu", wrong, room->at);
}

/* Every mix of what was written on which side, in one word: 5 to the 8th. */
static void only_what_was_written_moves(struct kunit *test)
{
	expect_right(test, merge_check_patterns(&merge_plain, test->priv));
}

/* A single byte, wherever it is. */
static void one_byte_is_found_anywhere(struct kunit *test)
{
	expect_right(test, merge_check_positions(&merge_plain, test->priv));
}

/* Sizes: neither too little is moved, nor too much. */
static void all_is_moved_and_no_more(struct kunit *test)
{
	expect_right(test, merge_check_all_and_none(&merge_plain, test->priv));
}

/* Filling, with a twin and without. */
static void new_copy_is_the_page(struct kunit *test)
{
	expect_right(test, merge_check_fill(&merge_plain, test->priv));
}

/* Both sides wrote one byte: counted once, and only if they differ. */
static void conflict_is_counted_and_settled(struct kunit *test)
{
	expect_right(test, merge_check_conflict(&merge_plain, test->priv));
}

/* The protocol as a whole, at byte granularity. */
static void three_writers_lose_nothing(struct kunit *test)
{
	expect_right(test, merge_check_two_copies(&merge_plain, test->priv));
}

/*
 * All that can be read changes right after it was read: what is compared is what
 * is stored, and no byte that somebody else stores is overwritten.
 */
static void each_word_is_read_once(struct kunit *test)
{
	expect_right(test, merge_check_reads(test->priv));
}

static struct kunit_case merge_test_cases[] = {
	KUNIT_CASE_SLOW(only_what_was_written_moves),
	KUNIT_CASE(one_byte_is_found_anywhere),
	KUNIT_CASE(all_is_moved_and_no_more),
	KUNIT_CASE(new_copy_is_the_page),
	KUNIT_CASE(conflict_is_counted_and_settled),
	KUNIT_CASE(three_writers_lose_nothing),
	KUNIT_CASE(each_word_is_read_once),
	{ }
};

static struct kunit_suite merge_test_suite = {
	.name = "udmabuf_fanout_merge",
	.init = merge_test_init,
	.test_cases = merge_test_cases,
};

kunit_test_suite(merge_test_suite);
