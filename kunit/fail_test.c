// SPDX-License-Identifier: GPL-2.0
/*
 * Every allocation fails once. Each call of the driver is made without a fault,
 * then again and again while its first, second, third ... allocation fails,
 * until one gets by without that many; then all of it a second time, where what
 * comes after the failed allocation fails as well, for kvmalloc() has a second
 * try. What lib/fault-inject.c counts as one are slab objects, pages, and copies
 * from and to user memory. After each fault the call has succeeded or given an
 * errno of its row (fail_rows.c), all that can be counted is what it was before,
 * and the same call succeeds. A row must have had the least number of faults that
 * follows from the source, so that faults which hit nothing fail the test.
 *
 * Would miss: two faults with a success between them; faults in what a device's
 * own DMA layer allocates (the devices are fakes, but what they are asked for
 * they have from the page allocator); the start of the module, which is long
 * over; huge pages, for which the driver allocates nothing more; memory left
 * behind that is neither pinned nor came from kmalloc(), nor is charged to a
 * memory cgroup, as all pages of copies are.
 */
#include <kunit/test.h>
#include <linux/file.h>
#include <linux/string.h>

#include "compat.h"
#include "fail_stage.h"
#include "faults.h"
#include "ledger.h"

/* More faults than any call has. */
#define MAX_FAULTS	2000

static bool is_right(const struct row *row, long ret)
{
	return row->want ? ret == row->want : ret >= 0;
}

static bool is_error_of(const struct row *row, long ret)
{
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(row->errors); i++)
		if (ret && ret == row->errors[i])
			return true;
	return false;
}

static void record(struct stage *s, unsigned int nth)
{
	if (!s->ledger)
		return;
	s->ledger->nth = nth;
	s->ledger->task = nth ? current : NULL;
}

/*
 * Make the call with a fault, undo it if it succeeded, and do that again without
 * a fault.
 *
 * Return: whether the call had as many allocations.
 */
static bool try(struct stage *s, unsigned int nth, bool all)
{
	const struct row *row = s->row;
	long (*call)(struct stage *s), (*undo)(struct stage *s);
	const char *later = all ? " and all later ones" : "";
	long before[NR_THINGS], made[NR_THINGS], ret, opened = -1;
	unsigned int nr = 0, round;
	bool consumed = false;

	while (nr < MAX_STEPS && row->steps[nr])
		nr++;
	call = row->steps[nr - 1]->make;
	undo = row->steps[nr - 1]->unmake;
	if (row->unmake)
		swap(call, undo);
	else
		nr--;

	record(s, nth);
	stage_make(s, nr);
	stage_count(s, before);
	shim_reset(s->fake->shim);
	for (round = 0; round < 2; round++) {
		if (!round)
			faults_arm(nth, all);
		ret = call(s);
		if (!round)
			consumed = faults_disarm() && nth;
		flush_delayed_fput();

		if (!is_right(row, ret) &&
		    !(!round && consumed && is_error_of(row, ret)))
			KUNIT_FAIL(s->test, "%ld %s fault %u%s", ret,
				   round ? "after" : "with", nth, later);
		if (ret >= 0) {
			/* What a fault did not stop is done as without one. */
			stage_count(s, made);
			if (round && opened >= 0)
				KUNIT_EXPECT_EQ_MSG(s->test, opened,
						    made[OPEN_WRITES],
						    "open writes, with fault %u%s",
						    nth, later);
			opened = made[OPEN_WRITES];
			KUNIT_EXPECT_GE(s->test, undo(s), 0);
		}
		stage_expect_same(s, before, ret, nth, later);
	}
	stage_unmake(s, nr);
	record(s, 0);
	return consumed;
}

/* All faults of a call, each alone or with all that come after it. */
static unsigned int sweep(struct stage *s, bool all)
{
	unsigned int nth = 1;

	while (try(s, nth, all) && nth < MAX_FAULTS &&
	       READ_ONCE(s->test->status) == KUNIT_SUCCESS)
		nth++;
	KUNIT_EXPECT_LT(s->test, nth, MAX_FAULTS);
	return nth - 1;
}

static unsigned int total;

/* See the top of this file. */
static void faults_leave_nothing_behind(struct kunit *test)
{
	struct stage *s = test->priv;
	unsigned long charged = stage_charged(s);
	unsigned int one, all;

	/* What the kernel keeps for the next time is made here. */
	try(s, 0, false);

	s->ledger = ledger_open(test);
	one = sweep(s, false);
	all = sweep(s, true);
	total += one + all;
	kunit_info(test, "%s: %u faults alone, %u with all later ones; so far %u\n",
		   s->row->name, one, all, total);
	/* What KUnit allocates to say that a test failed is in the ledger. */
	if (READ_ONCE(test->status) != KUNIT_SUCCESS)
		return;
	ledger_close(test, s->ledger);
	KUNIT_EXPECT_EQ(test, charged, stage_charged(s));
	KUNIT_EXPECT_GE(test, one, s->row->least);
	KUNIT_EXPECT_GE(test, all, s->row->least);
}

static const void *next_row(GENERATOR_ARGS)
{
	const struct row *next = prev ? (const struct row *)prev + 1 : fail_rows;

	/* Where nothing can fail, one row is enough to say so. */
	if (!next->name || (prev && !CAN_FAIL))
		return NULL;
	strscpy(desc, next->name, KUNIT_PARAM_DESC_SIZE);
	return next;
}

static int init(struct kunit *test)
{
	return stage_init(test, test->param_value);
}

static struct kunit_case fail_cases[] = {
	KUNIT_CASE_PARAM(faults_leave_nothing_behind, next_row),
	{ }
};

static struct kunit_suite fail_suite = {
	.name = "udmabuf_fanout_fail",
	.init = init,
	.test_cases = fail_cases,
};

kunit_test_suite(fail_suite);
