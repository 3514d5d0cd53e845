// SPDX-License-Identifier: GPL-2.0
/*
 * Copies where memory is in pieces: large ones are made of small ones where there
 * is nothing else, which one fault alone does not show (fail_test.c), so that
 * allocations of each size fail here.
 *
 * Would miss: a kernel that has no large pieces from the start.
 */
#include <kunit/test.h>
#include <linux/dma-buf.h>

#include "../driver/buffer.h"
#include "fail_stage.h"
#include "faults.h"

/*
 * Where there is no large piece of memory, copies are made of smaller ones, as
 * large as there are, down to a page; and where there is none at all, it is an
 * error that leaves nothing behind.
 */
static void copies_are_made_of_what_there_is(struct kunit *test)
{
	static const bool forced[] = { false, true };
	struct stage *s = test->priv;
	const struct step *mapped = s->row->steps[2];
	struct fanout_buffer *ours;
	const struct copy *copy;
	unsigned int order, i;
	long before[NR_THINGS];
	u32 pages, nr;
	long ret;

	stage_make(s, 2);
	ours = s->dmabuf->priv;
	for (i = 0; i < ARRAY_SIZE(forced); i++) {
		s->fake->forced = forced[i];
		for (order = 0; order <= 5; order++) {
			stage_count(s, before);
			faults_of_pages(order);
			ret = mapped->make(s);
			faults_disarm();
			if (!order) {
				KUNIT_EXPECT_TRUE_MSG(test, ret == -ENOMEM ||
						      (forced[i] &&
						       ret == -EIO),
						      "%ld", ret);
				stage_expect_same(s, before, ret, 0, "");
				continue;
			}
			KUNIT_EXPECT_EQ_MSG(test, 0, ret, "order %u", order);
			if (ret)
				continue;
			pages = 0;
			nr = 0;
			list_for_each_entry(copy, &ours->shadow.copies, node) {
				KUNIT_EXPECT_LT(test, copy->nr_pages,
						BIT(order));
				pages += copy->nr_pages;
				nr++;
			}
			KUNIT_EXPECT_EQ(test, MANY_PAGES, pages);
			KUNIT_EXPECT_GE(test, nr, MANY_PAGES >> (order - 1));
			KUNIT_EXPECT_EQ(test, 0, mapped->unmake(s));
			stage_expect_same(s, before, ret, 0, "");
		}
	}
	stage_unmake(s, 2);
}

static int init_pieces(struct kunit *test)
{
	return stage_init(test, &fail_pieces_row);
}

static struct kunit_case pieces_cases[] = {
	KUNIT_CASE(copies_are_made_of_what_there_is),
	{ }
};

static struct kunit_suite pieces_suite = {
	.name = "udmabuf_fanout_fail_pieces",
	.init = init_pieces,
	.test_cases = pieces_cases,
};

kunit_test_suite(pieces_suite);
