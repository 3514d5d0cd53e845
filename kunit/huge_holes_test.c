// SPDX-License-Identifier: GPL-2.0
/*
 * Huge pages that nobody has touched yet: whose they are, and when there are
 * none. Others reserve all that are left, or punch the holes again.
 *
 * Would miss: two buffers that fill the same holes, and hugetlb pages of other
 * sizes than the default. UML has no hugetlbfs.
 */
#include <kunit/test.h>
#include <linux/delay.h>
#include <linux/falloc.h>
#include <linux/fs.h>
#include <linux/hugetlb.h>
#include <linux/kthread.h>
#include <linux/mm.h>

#include "../driver/memfd.h"
#include "killed.h"
#include "memory.h"

#define ANY_SIZE	U64_MAX

static int init(struct kunit *test)
{
	memory_watch_pins(test);
	return 0;
}

#ifdef CONFIG_HUGETLBFS
static long reserved(void)
{
	return default_hstate.resv_huge_pages;
}

static long unreserved(void)
{
	return default_hstate.free_huge_pages - default_hstate.resv_huge_pages;
}
#else
static long reserved(void)
{
	return 0;
}

static long unreserved(void)
{
	return 0;
}
#endif

static int allocate(struct memory *mem)
{
	return vfs_fallocate(mem->file, FALLOC_FL_KEEP_SIZE, 0,
			     (loff_t)mem->nr_pages << PAGE_SHIFT);
}

static int punch(struct memory *mem)
{
	return vfs_fallocate(mem->file,
			     FALLOC_FL_KEEP_SIZE | FALLOC_FL_PUNCH_HOLE, 0,
			     (loff_t)mem->nr_pages << PAGE_SHIFT);
}

/*
 * Huge pages that nobody touched come from those that nobody has reserved, so
 * that whoever has gets his.
 */
static void huge_holes_take_what_nobody_has_reserved(struct kunit *test)
{
	struct memory *mem = memory_hugetlb_untouched(test, 2), *others;
	struct udmabuf_create_item item = memory_item(mem, 1, mem->nr_pages - 2);
	long before = reserved(), free = unreserved();
	struct extents extents;

	if (free < 3)
		kunit_skip(test, "no 3 free hugetlb pages in this kernel");
	KUNIT_ASSERT_EQ(test, 0, extents_pin(&extents, &item, 1, ANY_SIZE));
	KUNIT_EXPECT_EQ(test, before, reserved());
	KUNIT_EXPECT_EQ(test, free - 2, unreserved());

	/* All that are left. */
	others = memory_hugetlb(test, free - 2);
	KUNIT_EXPECT_EQ(test, before + free - 2, reserved());
	KUNIT_EXPECT_EQ(test, 0, unreserved());
	KUNIT_EXPECT_EQ(test, 0, allocate(others));
	KUNIT_EXPECT_EQ(test, before, reserved());
	extents_unpin(&extents, false);
	memory_drop(test, others);
	memory_drop(test, mem);
	KUNIT_EXPECT_EQ(test, before, reserved());
	KUNIT_EXPECT_EQ(test, free, unreserved());
}

/* What others have reserved is not there to be had. */
static void no_huge_page_is_no_memory(struct kunit *test)
{
	struct memory *mem = memory_hugetlb_untouched(test, 2), *others;
	struct udmabuf_create_item item = memory_item(mem, 0, mem->nr_pages);
	struct extents extents;
	long before;

	if (unreserved() < 2)
		kunit_skip(test, "no 2 free hugetlb pages in this kernel");
	others = memory_hugetlb(test, unreserved() - 1);
	before = reserved();
	KUNIT_EXPECT_EQ(test, -ENOMEM,
			extents_pin(&extents, &item, 1, ANY_SIZE));
	KUNIT_EXPECT_EQ(test, before, reserved());
	KUNIT_EXPECT_EQ(test, 0, allocate(others));
	item.size = PMD_SIZE;
	KUNIT_EXPECT_EQ(test, 0, extents_pin(&extents, &item, 1, ANY_SIZE));
	extents_unpin(&extents, false);
}

/* A range that is refused has nothing allocated for it. */
static void huge_holes_beyond_the_end_are_not_filled(struct kunit *test)
{
	struct memory *mem = memory_hugetlb_untouched(test, 1);
	const struct udmabuf_create_item items[] = {
		{ mem->fd, 0, 0, 2 * PMD_SIZE },
		{ mem->fd, 0, PMD_SIZE, PMD_SIZE },
		{ mem->fd, 0, -PMD_SIZE, 2 * PMD_SIZE },
	};
	struct extents extents;
	long free = unreserved();
	u32 i;

	for (i = 0; i < ARRAY_SIZE(items); i++)
		KUNIT_EXPECT_EQ(test, -EINVAL,
				extents_pin(&extents, &items[i], 1, ANY_SIZE));
	KUNIT_EXPECT_EQ(test, free, unreserved());
}

static int punch_until_stopped(void *mem)
{
	while (!kthread_should_stop()) {
		punch(mem);
		usleep_range(10, 50);
	}
	return 0;
}

/* ... and holes that somebody punches all the while are filled as well. */
static void huge_holes_may_come_back(struct kunit *test)
{
	struct memory *mem = memory_hugetlb_untouched(test, 4);
	struct udmabuf_create_item item = memory_item(mem, 0, mem->nr_pages);
	long before = reserved(), free = unreserved();
	struct task_struct *task;
	struct extents extents;
	int ret = 0;
	u32 i;

	if (free < 8)
		kunit_skip(test, "no 8 free hugetlb pages in this kernel");
	task = kthread_run(punch_until_stopped, mem, "puncher");
	KUNIT_ASSERT_FALSE(test, IS_ERR(task));
	for (i = 0; i < 200 && !ret; i++) {
		ret = extents_pin(&extents, &item, 1, ANY_SIZE);
		if (!ret)
			extents_unpin(&extents, false);
		if (reserved() != before)
			break;
	}
	kthread_stop(task);
	KUNIT_EXPECT_EQ(test, 0, ret);
	KUNIT_EXPECT_EQ(test, before, reserved());
	KUNIT_EXPECT_EQ(test, 0, punch(mem));
	KUNIT_EXPECT_EQ(test, free, unreserved());
}

/* A range that begins within one huge page and ends within the next. */
static void the_page_that_a_range_ends_in_is_filled(struct kunit *test)
{
	struct memory *mem = memory_hugetlb_untouched(test, 2);
	struct udmabuf_create_item items[] = {
		memory_item(mem, 0, 1),
		memory_item(mem, mem->nr_pages / 2 - 1, 2),
	};
	long before = reserved(), free = unreserved();
	struct extents extents;
	u32 i;

	if (free < 2)
		kunit_skip(test, "no 2 free hugetlb pages in this kernel");
	for (i = 0; i < ARRAY_SIZE(items); i++) {
		KUNIT_ASSERT_EQ(test, 0,
				extents_pin(&extents, &items[i], 1, ANY_SIZE));
		extents_unpin(&extents, false);
		KUNIT_EXPECT_EQ(test, before, reserved());
		KUNIT_EXPECT_EQ(test, free - 1 - i, unreserved());
	}
	memory_drop(test, mem);
	KUNIT_EXPECT_EQ(test, free, unreserved());
}

/* Who gets a signal meanwhile calls again, unless it kills. */
static void who_fills_holes_can_be_interrupted(struct kunit *test)
{
	struct memory *mem = memory_hugetlb_untouched(test, 2);
	struct udmabuf_create_item item = memory_item(mem, 0, mem->nr_pages);
	long free = unreserved();
	struct extents extents;
	int ret;

	if (free < 2)
		kunit_skip(test, "no 2 free hugetlb pages in this kernel");
	set_tsk_thread_flag(current, TIF_SIGPENDING);
	ret = extents_pin(&extents, &item, 1, ANY_SIZE);
	clear_tsk_thread_flag(current, TIF_SIGPENDING);
	KUNIT_EXPECT_EQ(test, -ERESTARTSYS, ret);
	set_killed(true);
	ret = extents_pin(&extents, &item, 1, ANY_SIZE);
	set_killed(false);
	KUNIT_EXPECT_EQ(test, -EINTR, ret);
	KUNIT_EXPECT_EQ(test, free, unreserved());
	KUNIT_ASSERT_EQ(test, 0, extents_pin(&extents, &item, 1, ANY_SIZE));
	extents_unpin(&extents, false);
}

static struct kunit_case huge_holes_cases[] = {
	KUNIT_CASE(huge_holes_take_what_nobody_has_reserved),
	KUNIT_CASE(no_huge_page_is_no_memory),
	KUNIT_CASE(huge_holes_beyond_the_end_are_not_filled),
	KUNIT_CASE(huge_holes_may_come_back),
	KUNIT_CASE(the_page_that_a_range_ends_in_is_filled),
	KUNIT_CASE(who_fills_holes_can_be_interrupted),
	{ }
};

static struct kunit_suite huge_holes_suite = {
	.name = "udmabuf_fanout_huge_holes",
	.init = init,
	.test_cases = huge_holes_cases,
};

kunit_test_suite(huge_holes_suite);
