// SPDX-License-Identifier: GPL-2.0
/*
 * Memory that cannot be had: ranges that are not in their memfd or too large,
 * and pins that fail on the way. What was pinned before that is given back,
 * which is looked for at the end of every test as well.
 *
 * Would miss: allocations of the driver's own that fail (fail_test.c), seals
 * (seals_test.c), files that are no memory (ioctl_test.c), and huge pages that
 * are not there (huge_holes_test.c).
 */
#include <kunit/static_stub.h>
#include <kunit/test.h>
#include <linux/fs.h>
#include <linux/mm.h>
#include <linux/sizes.h>

#include "../driver/bindings/bindings.h"
#include "../driver/memfd.h"
#include "killed.h"
#include "memory.h"

#define ANY_SIZE	U64_MAX
/* Pages that extents_pin() asks for in three calls. */
#define THREE_BATCHES	(2 * PAGE_SIZE / sizeof(struct folio *) + 76)

static int init(struct kunit *test)
{
	memory_watch_pins(test);
	return 0;
}

/* Bounds. */

/* A range may end where the file ends and not a page later. */
static void the_file_ends_where_it_ends(struct kunit *test)
{
	struct memory *mem = memory_shmem(test, 10);
	struct udmabuf_create_item item;
	struct extents extents;

	item = memory_item(mem, 9, 1);
	KUNIT_ASSERT_EQ(test, 0, extents_pin(&extents, &item, 1, ANY_SIZE));
	extents_unpin(&extents, false);

	item = memory_item(mem, 9, 2);
	KUNIT_EXPECT_EQ(test, extents_pin(&extents, &item, 1, ANY_SIZE),
			-EINVAL);
	item = memory_item(mem, 10, 1);
	KUNIT_EXPECT_EQ(test, extents_pin(&extents, &item, 1, ANY_SIZE),
			-EINVAL);

	/* A last page that the file has only half of is not in reach. */
	i_size_write(file_inode(mem->file), 10 * PAGE_SIZE - 1);
	item = memory_item(mem, 9, 1);
	KUNIT_EXPECT_EQ(test, extents_pin(&extents, &item, 1, ANY_SIZE),
			-EINVAL);
}

/* All items together may have as many pages as the limit says, not one more. */
static void the_limit_counts_all_items(struct kunit *test)
{
	struct memory *mem = memory_shmem(test, 10);
	struct udmabuf_create_item items[] = {
		memory_item(mem, 0, 6),
		memory_item(mem, 0, 4),
	};
	struct extents extents;

	KUNIT_EXPECT_EQ(test, extents_pin(&extents, items, 2, 9), -EINVAL);
	KUNIT_ASSERT_EQ(test, 0, extents_pin(&extents, items, 2, 10));
	extents_unpin(&extents, false);
	KUNIT_EXPECT_EQ(test, extents_pin(&extents, items, 0, 10), -EINVAL);
	KUNIT_EXPECT_EQ(test, extents_pin(&extents, items, 1, 0), -EINVAL);
}

/* On 32-bit machines a buffer of 4 GiB has a size that is 0. */
static void a_size_that_wraps_is_too_large(struct kunit *test)
{
	struct udmabuf_create_item items[] = {
		{ .memfd = -1, .size = SZ_2G },
		{ .memfd = -1, .size = SZ_2G },
	};
	struct extents extents;

	KUNIT_EXPECT_EQ(test, -EBADFD,
			extents_pin(&extents, items, 1, ANY_SIZE));
	KUNIT_EXPECT_EQ(test, BITS_PER_LONG == 32 ? -EINVAL : -EBADFD,
			extents_pin(&extents, items, 2, ANY_SIZE));
}

/* What was pinned is given back. */

struct bad_item {
	const char *name;
	u64 offset;
	u64 size;
	bool no_file;
	int error;
};

static const struct bad_item bad_items[] = {
	{ "offset within a page", 1, PAGE_SIZE, false, -EINVAL },
	{ "size of half a page", 0, PAGE_SIZE / 2, false, -EINVAL },
	{ "no size", 0, 0, false, -EINVAL },
	{ "beyond the file", 8 * PAGE_SIZE, PAGE_SIZE, false, -EINVAL },
	{ "across the end", 7 * PAGE_SIZE, 2 * PAGE_SIZE, false, -EINVAL },
	{ "overflow", -PAGE_SIZE, 2 * PAGE_SIZE, false, -EINVAL },
	{ "no such file", 0, PAGE_SIZE, true, -EBADFD },
};

KUNIT_ARRAY_PARAM_DESC(bad_item, bad_items, name);

/* What good items before a bad one have pinned is given back. */
static void a_bad_item_gives_back_what_the_good_ones_pinned(struct kunit *test)
{
	const struct bad_item *bad = test->param_value;
	struct memory *mem = memory_shmem(test, 8);
	struct udmabuf_create_item items[] = {
		memory_item(mem, 0, 8),
		memory_item(mem, 2, 3),
		{
			.memfd = bad->no_file ? -1 : mem->fd,
			.offset = bad->offset,
			.size = bad->size,
		},
	};
	struct extents extents = { };
	u32 i;

	memory_fill(test, mem);
	KUNIT_EXPECT_EQ(test, bad->error,
			extents_pin(&extents, items, 3, ANY_SIZE));
	KUNIT_EXPECT_NULL(test, extents.extent);
	for (i = 0; i < 8; i++)
		KUNIT_EXPECT_EQ(test,
				memory_folio_pins(pfn_folio(memory_pfn(mem, i))),
				0);
}

static unsigned int calls_left;

static long pin_until_memory_is_out(struct file *memfd, loff_t start,
				    loff_t end, struct folio **folios,
				    unsigned int max_folios,
				    unsigned long *offset)
{
	if (!calls_left--)
		return -ENOMEM;
	return memfd_pin_folios(memfd, start, end, folios, max_folios, offset);
}

/* Nor does a batch that cannot be had keep those before it. */
static void a_batch_that_fails_gives_back_those_before_it(struct kunit *test)
{
	struct memory *mem = memory_shmem(test, THREE_BATCHES);
	struct udmabuf_create_item items[] = {
		memory_item(mem, 0, THREE_BATCHES),
		memory_item(mem, 0, 1),
	};
	struct extents extents;
	unsigned int calls;
	long before;

	memory_fill(test, mem);
	before = memory_pins();
	kunit_activate_static_stub(test, bindings_memfd_pin_folios,
				   pin_until_memory_is_out);

	/* Three batches of the first item, one of the second. */
	for (calls = 0; calls < 4; calls++) {
		calls_left = calls;
		KUNIT_EXPECT_EQ_MSG(test, -ENOMEM,
				    extents_pin(&extents, items, 2, ANY_SIZE),
				    "after %u calls", calls);
		KUNIT_EXPECT_EQ_MSG(test, memory_pins(), before,
				    "after %u calls", calls);
	}
	calls_left = 4;
	KUNIT_ASSERT_EQ(test, 0, extents_pin(&extents, items, 2, ANY_SIZE));
	extents_unpin(&extents, false);
}

static long pin_until_killed(struct file *memfd, loff_t start, loff_t end,
			     struct folio **folios, unsigned int max_folios,
			     unsigned long *offset)
{
	if (!calls_left--)
		set_killed(true);
	return memfd_pin_folios(memfd, start, end, folios, max_folios, offset);
}

/* Who is being killed goes on for no more than a batch. */
static void a_batch_is_the_last_of_who_is_killed(struct kunit *test)
{
	struct memory *mem = memory_shmem(test, THREE_BATCHES);
	struct udmabuf_create_item item = memory_item(mem, 0, THREE_BATCHES);
	struct extents extents;
	int calls, ret;
	long before;

	memory_fill(test, mem);
	before = memory_pins();
	kunit_activate_static_stub(test, bindings_memfd_pin_folios,
				   pin_until_killed);
	for (calls = 0; calls < 2; calls++) {
		calls_left = calls;
		ret = extents_pin(&extents, &item, 1, ANY_SIZE);
		set_killed(false);
		KUNIT_EXPECT_EQ(test, -EINTR, ret);
		KUNIT_EXPECT_EQ(test, -1, (int)calls_left);
		KUNIT_EXPECT_EQ(test, memory_pins(), before);
	}
	calls_left = 0;
	set_killed(true);
	ret = extents_pin(&extents, &item, 1, ANY_SIZE);
	set_killed(false);
	KUNIT_EXPECT_EQ(test, -EINTR, ret);
	KUNIT_EXPECT_EQ(test, 0, calls_left);
	KUNIT_EXPECT_EQ(test, memory_pins(), before);
}

/* Other signals wait until the buffer is there. */
static void a_signal_that_does_not_kill_waits(struct kunit *test)
{
	struct memory *mem = memory_shmem(test, 4);
	struct udmabuf_create_item item = memory_item(mem, 0, 4);
	struct extents extents;
	int ret;

	memory_fill(test, mem);
	set_tsk_thread_flag(current, TIF_SIGPENDING);
	ret = extents_pin(&extents, &item, 1, ANY_SIZE);
	clear_tsk_thread_flag(current, TIF_SIGPENDING);
	KUNIT_ASSERT_EQ(test, 0, ret);
	extents_unpin(&extents, false);
}

/* A pin that brings nothing is an error and no endless loop. */
static long pin_nothing(struct file *memfd, loff_t start, loff_t end,
			struct folio **folios, unsigned int max_folios,
			unsigned long *offset)
{
	return 0;
}

static void no_folio_is_an_error(struct kunit *test)
{
	struct memory *mem = memory_shmem(test, 1);
	struct udmabuf_create_item item = memory_item(mem, 0, 1);
	struct extents extents;

	kunit_activate_static_stub(test, bindings_memfd_pin_folios,
				   pin_nothing);
	KUNIT_EXPECT_EQ(test, extents_pin(&extents, &item, 1, ANY_SIZE),
			-EINVAL);
}

/*
 * A page that has half as many references as the counter takes is not pinned
 * once more, and the others of its batch are given back.
 */
static void a_page_pinned_too_often_is_an_error(struct kunit *test)
{
	struct memory *mem = memory_shmem(test, 4);
	struct udmabuf_create_item items[] = {
		memory_item(mem, 0, 4),
		memory_item(mem, 0, 1),
	};
	long before = memory_pins();
	struct extents extents;
	struct folio *folio;
	int ret;

	memory_fill(test, mem);
	folio = pfn_folio(memory_pfn(mem, 2));
	folio_ref_add(folio, INT_MAX / 2);
	ret = extents_pin(&extents, items, 2, ANY_SIZE);
	if (!ret)
		extents_unpin(&extents, false);
	folio_ref_sub(folio, INT_MAX / 2);
	KUNIT_EXPECT_EQ(test, ret, -ENOMEM);
	KUNIT_EXPECT_EQ(test, before, memory_pins());

	KUNIT_ASSERT_EQ(test, 0, extents_pin(&extents, items, 2, ANY_SIZE));
	extents_unpin(&extents, false);
}

static struct kunit_case memfd_errors_cases[] = {
	KUNIT_CASE(the_file_ends_where_it_ends),
	KUNIT_CASE(the_limit_counts_all_items),
	KUNIT_CASE(a_size_that_wraps_is_too_large),
	KUNIT_CASE_PARAM(a_bad_item_gives_back_what_the_good_ones_pinned,
			 bad_item_gen_params),
	KUNIT_CASE(a_batch_that_fails_gives_back_those_before_it),
	KUNIT_CASE(a_batch_is_the_last_of_who_is_killed),
	KUNIT_CASE(a_signal_that_does_not_kill_waits),
	KUNIT_CASE(no_folio_is_an_error),
	KUNIT_CASE(a_page_pinned_too_often_is_an_error),
	{ }
};

static struct kunit_suite memfd_errors_suite = {
	.name = "udmabuf_fanout_memfd_errors",
	.init = init,
	.test_cases = memfd_errors_cases,
};

kunit_test_suite(memfd_errors_suite);
