// SPDX-License-Identifier: GPL-2.0
/*
 * Pages with copies and those who use them. What a device stores goes into the
 * memory that it was given, what the CPU does into the memfd's pages.
 */
#include <kunit/test.h>
#include <linux/dma-mapping.h>
#include <linux/log2.h>
#include <linux/slab.h>

#include "memory.h"
#include "shadowed.h"

/**
 * remote_device() - make a device that reaches no memfd
 * @test: the test
 * @name: its name
 * @kind: what it is besides
 *
 * Return: the device.
 */
struct fake_device *remote_device(struct kunit *test, const char *name,
				  enum fake_kind kind)
{
	struct fake_device *fake = fake_device_create(test, name, kind);

	fake->unreached = fake_page_is_of_memfd;
	return fake;
}

static void leave(void *context)
{
	struct shadowed *s = context;
	unsigned int i;

	for (i = 0; i < s->nr; i++)
		use_drop(s, &s->use[i]);
	extents_unpin(&s->extents, false);
	copy_limit_pages = s->max;
}

/**
 * shadowed() - make pages that can have copies
 * @test: the test
 * @nr_pages: how many; they bear stamps
 *
 * After the devices, so that it is undone before them; whoever asserts something
 * leaves no uses behind.
 *
 * Return: the pages.
 */
struct shadowed *shadowed(struct kunit *test, u32 nr_pages)
{
	struct shadowed *s = kunit_kzalloc(test, sizeof(*s), GFP_KERNEL);
	struct udmabuf_create_item item;

	KUNIT_ASSERT_NOT_NULL(test, s);
	s->mem = memory_shmem(test, nr_pages);
	memory_fill(test, s->mem);
	s->max = copy_limit_pages;
	item = memory_item(s->mem, 0, nr_pages);
	KUNIT_ASSERT_EQ(test, 0, extents_pin(&s->extents, &item, 1, U64_MAX));
	shadow_init(&s->shadow, &s->extents);
	KUNIT_ASSERT_EQ(test, 0, kunit_add_action_or_reset(test, leave, s));
	return s;
}

/**
 * shadowed_end() - undo it before the test ends
 * @test: the test
 * @s: the pages
 * @one: a device that goes, too, and can be named again
 * @two: another one, or NULL
 *
 * For tests that loop.
 */
void shadowed_end(struct kunit *test, struct shadowed *s,
		  struct fake_device *one, struct fake_device *two)
{
	kunit_release_action(test, leave, s);
	fake_device_destroy(one);
	if (two)
		fake_device_destroy(two);
}

/* Uses. */

/**
 * use_new() - a use of nothing so far
 * @test: the test
 * @s: the pages
 *
 * Return: the use.
 */
struct use *use_new(struct kunit *test, struct shadowed *s)
{
	KUNIT_ASSERT_LT(test, s->nr, MAX_USES);
	INIT_LIST_HEAD(&s->use[s->nr].uses);
	return &s->use[s->nr++];
}

/**
 * use_part() - have a device use copies of some pages
 * @test: the test
 * @s: the pages
 * @fake: the device
 * @dir: the direction it maps
 * @pgoff: the first page
 * @nr_pages: how many
 *
 * Return: the use.
 */
struct use *use_part(struct kunit *test, struct shadowed *s,
		     struct fake_device *fake, enum dma_data_direction dir,
		     u32 pgoff, u32 nr_pages)
{
	struct use *use = use_new(test, s);
	struct copy_use *one;
	struct scatterlist *sg;
	unsigned int nr = 0;

	KUNIT_ASSERT_EQ(test, 0, shadow_use(&s->shadow, fake->dev, dir, pgoff,
					    nr_pages, &use->uses));
	list_for_each_entry(one, &use->uses, of_mapping)
		nr++;
	KUNIT_ASSERT_EQ(test, 0, sg_alloc_table(&use->sgt, nr, GFP_KERNEL));
	sg = use->sgt.sgl;
	list_for_each_entry(one, &use->uses, of_mapping) {
		sg->length = one->copy->nr_pages << PAGE_SHIFT;
		sg_dma_address(sg) = one->dma;
		sg_dma_len(sg) = sg->length;
		sg = sg_next(sg);
	}
	return use;
}

/**
 * use_all() - have a device use copies of all pages
 * @test: the test
 * @s: the pages
 * @fake: the device
 * @dir: the direction it maps
 *
 * Return: the use.
 */
struct use *use_all(struct kunit *test, struct shadowed *s,
		    struct fake_device *fake, enum dma_data_direction dir)
{
	return use_part(test, s, fake, dir, 0, s->mem->nr_pages);
}

/**
 * use_drop() - end a use
 * @s: the pages
 * @use: the use; of nothing afterwards
 */
void use_drop(struct shadowed *s, struct use *use)
{
	shadow_drop(&use->uses);
	if (use->sgt.sgl)
		sg_free_table(&use->sgt);
	use->sgt = (struct sg_table) { };
}

/**
 * use_copy() - find the copy that a use begins with
 * @use: the use
 *
 * Return: the copy.
 */
struct copy *use_copy(struct use *use)
{
	return list_first_entry(&use->uses, struct copy_use, of_mapping)->copy;
}

/**
 * use_store() - have a device write at the beginning of a page
 * @fake: the device
 * @use: its use
 * @page: which page of @use
 * @value: what
 */
void use_store(struct fake_device *fake, struct use *use, u32 page, u64 value)
{
	fake_device_store(fake, &use->sgt, page * PAGE_SIZE, &value,
			  sizeof(value));
}

/**
 * use_load() - have a device read there
 * @fake: the device
 * @use: its use
 * @page: which page of @use
 *
 * Return: what it reads.
 */
u64 use_load(struct fake_device *fake, struct use *use, u32 page)
{
	u64 value = 0;

	fake_device_load(fake, &use->sgt, page * PAGE_SIZE, &value,
			 sizeof(value));
	return value;
}

/* What has to hold. */

static bool is_writer(const struct copy_use *use)
{
	return use->dir != DMA_TO_DEVICE;
}

/**
 * check_copies() - expect that the invariants of driver/shadow.h hold
 * @test: the test
 * @s: the pages
 *
 * And that copies are sorted, inside of the buffer, and all that is charged for.
 */
void check_copies(struct kunit *test, struct shadowed *s)
{
	const struct copy_use *one;
	const struct copy *copy;
	unsigned int writers;
	u64 nr_pages = 0;
	u32 pgoff = 0;

	list_for_each_entry(copy, &s->shadow.copies, node) {
		KUNIT_EXPECT_GE(test, copy->pgoff, pgoff);
		pgoff = copy->pgoff;
		KUNIT_EXPECT_TRUE(test, is_power_of_2(copy->nr_pages));
		KUNIT_EXPECT_LE(test, copy->nr_pages, COPY_MAX_PAGES);
		KUNIT_EXPECT_LE(test, pgoff + copy->nr_pages,
				s->extents.nr_pages);
		KUNIT_EXPECT_FALSE(test, list_empty(&copy->users));
		writers = 0;
		list_for_each_entry(one, &copy->users, of_copy)
			writers += is_writer(one);
		KUNIT_EXPECT_EQ(test, writers, copy->nr_writers);
		KUNIT_EXPECT_EQ(test, !!writers, !!copy->twin);
		nr_pages += copy->nr_pages * (copy->twin ? 2 : 1);
	}
	KUNIT_EXPECT_EQ(test, nr_pages, shadow_pages(&s->shadow));
}

/**
 * check_cover() - expect that the copies follow one another and cover all
 * @test: the test
 * @use: a device's use
 * @pgoff: the first page that it asked for
 * @nr_pages: how many it asked for
 */
void check_cover(struct kunit *test, struct use *use, u32 pgoff, u32 nr_pages)
{
	const struct copy_use *one;

	list_for_each_entry(one, &use->uses, of_mapping) {
		KUNIT_ASSERT_EQ(test, pgoff, one->copy->pgoff);
		pgoff += one->copy->nr_pages;
		nr_pages -= one->copy->nr_pages;
	}
	KUNIT_EXPECT_EQ(test, 0, nr_pages);
}

/**
 * expect_no_copies() - expect that nothing is used, and so there is nothing
 * @test: the test
 * @s: the pages
 */
void expect_no_copies(struct kunit *test, struct shadowed *s)
{
	KUNIT_EXPECT_EQ(test, 0, shadow_pages(&s->shadow));
	KUNIT_EXPECT_TRUE(test, list_empty(&s->shadow.copies));
}
