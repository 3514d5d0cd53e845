// SPDX-License-Identifier: GPL-2.0
/*
 * What the tests of the instruments share.
 */
#include <linux/gfp.h>

#include "instruments.h"

static void free_table(void *sgt)
{
	sg_free_table(sgt);
}

static void free_memory(void *memory)
{
	free_pages((unsigned long)memory, get_order(ENTRIES * PAGE_SIZE));
}

/**
 * make_table() - make a table of ENTRIES entries
 * @test: the test
 *
 * Return: the table; its entries are a page each and lie one behind the other.
 */
struct sg_table *make_table(struct kunit *test)
{
	struct scatterlist *sg;
	struct sg_table *sgt;
	void *memory;
	int i;

	memory = (void *)__get_free_pages(GFP_KERNEL,
					  get_order(ENTRIES * PAGE_SIZE));
	KUNIT_ASSERT_NOT_NULL(test, memory);
	KUNIT_ASSERT_EQ(test, 0,
			kunit_add_action_or_reset(test, free_memory, memory));
	sgt = kunit_kzalloc(test, sizeof(*sgt), GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, sgt);
	KUNIT_ASSERT_EQ(test, 0, sg_alloc_table(sgt, ENTRIES, GFP_KERNEL));
	KUNIT_ASSERT_EQ(test, 0,
			kunit_add_action_or_reset(test, free_table, sgt));
	for_each_sgtable_sg(sgt, sg, i)
		sg_set_buf(sg, memory + i * PAGE_SIZE, PAGE_SIZE);
	return sgt;
}

/**
 * inner_begin() - begin an inner test
 * @test: the test around it
 *
 * Return: the inner test, on whose behalf calls are made until it ends.
 */
struct kunit *inner_begin(struct kunit *test)
{
	struct kunit *inner = kunit_kzalloc(test, sizeof(*inner), GFP_KERNEL);

	KUNIT_ASSERT_NOT_NULL(test, inner);
	kunit_init_test(inner, "inner", NULL);
	current->kunit_test = inner;
	return inner;
}

/**
 * inner_end() - end an inner test
 * @test: the test around it
 * @inner: the inner test
 *
 * Return: how it ended.
 */
enum kunit_status inner_end(struct kunit *test, struct kunit *inner)
{
	kunit_cleanup(inner);
	current->kunit_test = test;
	return inner->status;
}
