// SPDX-License-Identifier: GPL-2.0
/*
 * Copies of what devices do not reach, through the interface of driver/shadow.h:
 * the pages are a memfd's, the devices fakes that do not reach these, and what a
 * device stores goes into the memory that it was given.
 *
 * Would miss: when something is fetched or pushed (fanout_test.c and the model),
 * byte for byte what a merge does (merge_test.c), and all failed allocations but
 * those that are asked of the DMA API (fail_test.c).
 */
#include <kunit/test.h>
#include <linux/dma-buf.h>
#include <linux/dma-mapping.h>
#include <linux/highmem.h>
#include <linux/log2.h>
#include <linux/memcontrol.h>
#include <linux/mm.h>
#include <linux/scatterlist.h>
#include <linux/sched/mm.h>
#include <linux/sizes.h>
#include <linux/string.h>
#include <linux/tracepoint.h>
#include <trace/events/printk.h>

#include "../driver/buffer.h"
#include "../driver/mapping.h"
#include "../driver/shadow.h"
#include "fake_device.h"
#include "fake_syncs.h"
#include "memory.h"

#define PAGES		8
#define SIZE		(PAGES * PAGE_SIZE)
#define MAX_USES	8

/**
 * struct use - a device's uses, as a mapping has them
 * @uses: the uses; empty if there are none
 * @sgt: a table of them, for the fake
 */
struct use {
	struct list_head uses;
	struct sg_table sgt;
};

/**
 * struct stage - what every test here has
 * @mem: the memfd; its pages bear stamps
 * @extents: the same as extents
 * @shadow: its copies
 * @use: who uses them
 * @nr: how many @use there are
 * @max: what shadow_max_pages was
 */
struct stage {
	struct memory *mem;
	struct extents extents;
	struct shadow shadow;
	struct use use[MAX_USES];
	unsigned int nr;
	unsigned long max;
};

static void drop(struct stage *s, struct use *use)
{
	shadow_drop(&s->shadow, &use->uses);
	if (use->sgt.sgl)
		sg_free_table(&use->sgt);
	use->sgt = (struct sg_table) { };
}

static void leave(void *context)
{
	struct stage *s = context;
	unsigned int i;

	for (i = 0; i < s->nr; i++)
		drop(s, &s->use[i]);
	extents_unpin(&s->extents, false);
	shadow_max_pages = s->max;
}

static struct stage *stage_of(struct kunit *test, struct memory *mem)
{
	struct udmabuf_create_item item = memory_item(mem, 0, mem->nr_pages);
	struct stage *s = kunit_kzalloc(test, sizeof(*s), GFP_KERNEL);

	KUNIT_ASSERT_NOT_NULL(test, s);
	memory_fill(test, mem);
	s->mem = mem;
	s->max = shadow_max_pages;
	KUNIT_ASSERT_EQ(test, 0, extents_pin(&s->extents, &item, 1, U64_MAX));
	shadow_init(&s->shadow, &s->extents);
	return s;
}

/*
 * A stage of @nr_pages pages. After the fakes, so that it is undone before them;
 * whoever asserts something leaves no uses behind.
 */
static struct stage *stage(struct kunit *test, u32 nr_pages)
{
	struct stage *s = stage_of(test, memory_shmem(test, nr_pages));

	KUNIT_ASSERT_EQ(test, 0, kunit_add_action_or_reset(test, leave, s));
	return s;
}

/* ... and of a test that loops, with its devices, which can be named again. */
static void end_stage(struct kunit *test, struct stage *s,
		      struct fake_device *one, struct fake_device *two)
{
	kunit_release_action(test, leave, s);
	fake_device_destroy(one);
	if (two)
		fake_device_destroy(two);
}

/* Nothing is used, and so there is nothing. */
static void expect_nothing(struct kunit *test, struct stage *s)
{
	KUNIT_EXPECT_EQ(test, 0, s->shadow.nr_pages);
	KUNIT_EXPECT_TRUE(test, list_empty(&s->shadow.copies));
}

static struct use *new_use(struct kunit *test, struct stage *s)
{
	KUNIT_ASSERT_LT(test, s->nr, MAX_USES);
	INIT_LIST_HEAD(&s->use[s->nr].uses);
	return &s->use[s->nr++];
}

static struct use *use_part(struct kunit *test, struct stage *s,
			    struct fake_device *fake,
			    enum dma_data_direction dir, u32 pgoff,
			    u32 nr_pages)
{
	struct use *use = new_use(test, s);
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

static struct use *use_all(struct kunit *test, struct stage *s,
			   struct fake_device *fake,
			   enum dma_data_direction dir)
{
	return use_part(test, s, fake, dir, 0, s->mem->nr_pages);
}

static unsigned int nr_copies(struct stage *s)
{
	return list_count_nodes(&s->shadow.copies);
}

static struct copy *first_copy(struct use *use)
{
	return list_first_entry(&use->uses, struct copy_use, of_mapping)->copy;
}

/* What a device does, at the first bytes of a page. */
static void store(struct fake_device *fake, struct use *use, u32 page,
		  u64 value)
{
	fake_device_store(fake, &use->sgt, page * PAGE_SIZE, &value,
			  sizeof(value));
}

static u64 load(struct fake_device *fake, struct use *use, u32 page)
{
	u64 value = 0;

	fake_device_load(fake, &use->sgt, page * PAGE_SIZE, &value,
			 sizeof(value));
	return value;
}

/* A device of @kind that reaches no memfd. */
static struct fake_device *device(struct kunit *test, const char *name,
				  enum fake_kind kind)
{
	struct fake_device *fake = fake_device_create(test, name, kind);

	fake->unreached = fake_page_is_of_memfd;
	return fake;
}

/* Invariants. */

static bool is_writer(const struct copy_use *use)
{
	return use->dir != DMA_TO_DEVICE;
}

/*
 * Those of driver/shadow.h; and that copies are sorted, inside of the buffer,
 * and all that is charged for.
 */
static void check_invariants(struct kunit *test, struct stage *s)
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
	KUNIT_EXPECT_EQ(test, nr_pages, s->shadow.nr_pages);
}

/* A device's copies follow one another and cover what it asked for. */
static void check_cover(struct kunit *test, struct use *use, u32 pgoff,
			u32 nr_pages)
{
	const struct copy_use *one;

	list_for_each_entry(one, &use->uses, of_mapping) {
		KUNIT_ASSERT_EQ(test, pgoff, one->copy->pgoff);
		pgoff += one->copy->nr_pages;
		nr_pages -= one->copy->nr_pages;
	}
	KUNIT_EXPECT_EQ(test, 0, nr_pages);
}

/* Sharing. */

static const struct page *closed_from;
static u32 nr_closed;

/* Nor does it reach some pages of a copy. */
static bool is_closed(const struct page *page)
{
	unsigned long pfn = page_to_pfn(page), from = page_to_pfn(closed_from);

	return fake_page_is_of_memfd(page) ||
	       (pfn >= from && pfn < from + nr_closed);
}

static bool is_any(const struct page *page)
{
	return true;
}

/*
 * Devices that reach a copy share it, with one address for all of them, and see
 * each other's stores at once. One that snoops and one that does not share
 * nothing: one's merges would be synced and the other's not.
 */
static void devices_that_reach_a_copy_share_it(struct kunit *test)
{
	struct fake_device *one = device(test, "one", FAKE_COHERENT);
	struct fake_device *two = device(test, "two", FAKE_COHERENT);
	struct fake_device *not = device(test, "not", FAKE_NONCOHERENT);
	struct fake_device *nor = device(test, "nor", FAKE_NONCOHERENT);
	struct stage *s = stage(test, PAGES);
	struct use *use[4];

	use[0] = use_all(test, s, one, DMA_BIDIRECTIONAL);
	use[1] = use_all(test, s, two, DMA_BIDIRECTIONAL);
	KUNIT_EXPECT_EQ(test, 2 * PAGES, s->shadow.nr_pages);
	KUNIT_EXPECT_PTR_EQ(test, first_copy(use[0]), first_copy(use[1]));
	shadow_push(&s->shadow);
	store(one, use[0], 3, 33);
	KUNIT_EXPECT_EQ(test, 33, load(two, use[1], 3));

	use[2] = use_all(test, s, not, DMA_BIDIRECTIONAL);
	KUNIT_EXPECT_EQ(test, 4 * PAGES, s->shadow.nr_pages);
	use[3] = use_all(test, s, nor, DMA_TO_DEVICE);
	KUNIT_EXPECT_EQ(test, 4 * PAGES, s->shadow.nr_pages);
	KUNIT_EXPECT_PTR_EQ(test, first_copy(use[2]), first_copy(use[3]));
	KUNIT_EXPECT_PTR_NE(test, first_copy(use[0]), first_copy(use[2]));
	check_invariants(test, s);

	drop(s, use[0]);
	drop(s, use[2]);
	KUNIT_EXPECT_EQ(test, 3 * PAGES, s->shadow.nr_pages);
	check_invariants(test, s);
	KUNIT_EXPECT_EQ(test, 33, load(two, use[1], 3));
	drop(s, use[1]);
	drop(s, use[3]);
	expect_nothing(test, s);
}

/* A device has a copy of its own where it does not reach that of another. */
static void what_is_out_of_reach_is_not_shared(struct kunit *test)
{
	struct fake_device *one = device(test, "one", FAKE_COHERENT);
	struct fake_device *two = device(test, "two", FAKE_COHERENT);
	struct stage *s = stage(test, PAGES);
	struct use *use[2];

	use[0] = use_all(test, s, one, DMA_BIDIRECTIONAL);
	closed_from = shadow_page(first_copy(use[0]));
	nr_closed = PAGES;
	two->unreached = is_closed;
	use[1] = use_all(test, s, two, DMA_BIDIRECTIONAL);
	KUNIT_EXPECT_EQ(test, 4 * PAGES, s->shadow.nr_pages);
	KUNIT_EXPECT_PTR_NE(test, first_copy(use[0]), first_copy(use[1]));
	check_invariants(test, s);

	/* What one writes comes to the other by way of the pages. */
	shadow_push(&s->shadow);
	store(one, use[0], 0, 1);
	store(two, use[1], 1, 2);
	KUNIT_EXPECT_NULL(test, shadow_fetch(&s->shadow));
	KUNIT_EXPECT_EQ(test, 1, memory_get(s->mem, 0));
	KUNIT_EXPECT_EQ(test, 2, memory_get(s->mem, 1));
	shadow_push(&s->shadow);
	KUNIT_EXPECT_EQ(test, 2, load(one, use[0], 1));
	KUNIT_EXPECT_EQ(test, 1, load(two, use[1], 0));
}

/* What was allocated for one device is that device's alone, twice over. */
static void a_devices_own_memory_is_not_shared(struct kunit *test)
{
	static const struct {
		enum fake_kind kind;
		bool forced;
		enum copy_source source;
	} rows[] = {
		{ FAKE_COHERENT, true, COPY_DEVICE_PAGES },
		{ FAKE_NONCOHERENT, true, COPY_DEVICE_PAGES },
		{ FAKE_OPAQUE, false, COPY_COHERENT },
	};
	struct fake_device *one, *two;
	struct use *use[3];
	struct stage *s;
	unsigned int i, k;

	for (i = 0; i < ARRAY_SIZE(rows); i++) {
		one = device(test, "one", rows[i].kind);
		two = device(test, "two", rows[i].kind);
		one->forced = rows[i].forced;
		two->forced = rows[i].forced;
		s = stage(test, PAGES);
		use[0] = use_all(test, s, one, DMA_BIDIRECTIONAL);
		use[1] = use_all(test, s, two, DMA_BIDIRECTIONAL);
		KUNIT_EXPECT_EQ(test, rows[i].source,
				first_copy(use[0])->source);
		KUNIT_EXPECT_PTR_NE(test, first_copy(use[0]),
				    first_copy(use[1]));
		use[2] = use_all(test, s, one, DMA_TO_DEVICE);
		KUNIT_EXPECT_PTR_EQ(test, first_copy(use[0]),
				    first_copy(use[2]));
		check_invariants(test, s);
		KUNIT_EXPECT_EQ(test, 4 * PAGES, s->shadow.nr_pages);

		shadow_push(&s->shadow);
		store(one, use[0], 2, 22);
		KUNIT_EXPECT_EQ(test, 22, load(one, use[2], 2));
		shadow_fetch(&s->shadow);
		shadow_push(&s->shadow);
		KUNIT_EXPECT_EQ(test, 22, load(two, use[1], 2));

		/* Whoever goes first: the last one takes the memory along. */
		drop(s, use[0]);
		KUNIT_EXPECT_EQ(test, 22, load(one, use[2], 2));
		for (k = 1; k < 3; k++)
			drop(s, use[k]);
		expect_nothing(test, s);
		KUNIT_EXPECT_EQ(test, 0, one->nr_copies);
		KUNIT_EXPECT_EQ(test, 0, two->nr_copies);
		end_stage(test, s, one, two);
	}
}

/* Parts of a buffer are shared where they begin and end alike. */
static void parts_that_are_alike_are_shared(struct kunit *test)
{
	static const struct {
		u32 pgoff;
		u32 nr_pages;
		u32 charged;	/* afterwards, all together */
	} parts[] = {
		{ 2, 4, 4 },
		{ 2, 4, 4 },
		/* Begins with one of four pages. */
		{ 2, 6, 4 + 2 },
		/* Is there. */
		{ 6, 2, 4 + 2 },
		/* Too short for the one of four. */
		{ 2, 2, 4 + 2 + 2 },
		{ 0, 8, 4 + 2 + 2 + 8 },
		{ 3, 4, 4 + 2 + 2 + 8 + 4 },
	};
	struct fake_device *fake = device(test, "dev", FAKE_COHERENT);
	struct stage *s = stage(test, PAGES);
	struct use *part[ARRAY_SIZE(parts)];
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(parts); i++) {
		part[i] = use_part(test, s, fake, DMA_TO_DEVICE, parts[i].pgoff,
				   parts[i].nr_pages);
		check_cover(test, part[i], parts[i].pgoff, parts[i].nr_pages);
		check_invariants(test, s);
		KUNIT_EXPECT_EQ_MSG(test, parts[i].charged, s->shadow.nr_pages,
				    "part %u", i);
	}
	shadow_push(&s->shadow);
	for (i = 0; i < ARRAY_SIZE(parts); i++)
		KUNIT_EXPECT_EQ_MSG(test,
				    memory_stamp(s->mem, parts[i].pgoff + 1),
				    load(fake, part[i], 1), "part %u", i);
	for (i = 0; i < ARRAY_SIZE(parts); i++) {
		drop(s, part[i]);
		check_invariants(test, s);
	}
	expect_nothing(test, s);
}

/* Pieces. */

static size_t largest;
static unsigned int nr_asked;

static struct page *(*alloc_pages_before)(struct device *dev, size_t size,
					  dma_addr_t *dma,
					  enum dma_data_direction dir,
					  gfp_t gfp);

/* There is no more contiguous memory than that. */
static struct page *alloc_small_pages(struct device *dev, size_t size,
				      dma_addr_t *dma,
				      enum dma_data_direction dir, gfp_t gfp)
{
	nr_asked++;
	if (size > largest)
		return NULL;
	return alloc_pages_before(dev, size, dma, dir, gfp);
}

/*
 * Copies are as large as there is memory, 2 MiB at the most and a page at the
 * least, and what the allocator does not have it is asked for once.
 */
static void pieces_are_as_large_as_there_is_memory(struct kunit *test)
{
	/* Two of 512, one of 256, 16 and 4. */
	const u32 nr_pages = 1300;
	struct fake_device *fake = device(test, "dev", FAKE_COHERENT);
	const struct copy_use *one;
	u32 left, want, order;
	struct use *pieces;
	struct stage *s;
	long nr_pieces;

	fake->forced = true;
	alloc_pages_before = fake->shim->hooks.dma_alloc_pages;
	fake->shim->hooks.dma_alloc_pages = alloc_small_pages;
	bitmap_fill(fake->shim->ignored, SHIM_NR_FNS);
	s = stage(test, nr_pages);
	for (order = 0; order <= 9; order += 3) {
		largest = PAGE_SIZE << order;
		nr_asked = 0;
		s->nr = 0;
		pieces = use_all(test, s, fake, DMA_TO_DEVICE);
		check_cover(test, pieces, 0, nr_pages);
		left = nr_pages;
		list_for_each_entry(one, &pieces->uses, of_mapping) {
			want = min(1U << order, rounddown_pow_of_two(left));
			KUNIT_ASSERT_EQ_MSG(test, want, one->copy->nr_pages,
					    "%u left, order %u", left, order);
			left -= one->copy->nr_pages;
		}
		KUNIT_EXPECT_EQ(test, nr_pages, s->shadow.nr_pages);
		nr_pieces = list_count_nodes(&pieces->uses);
		KUNIT_EXPECT_EQ(test, nr_pieces + 9 - order, nr_asked);
		check_invariants(test, s);

		shadow_push(&s->shadow);
		for (left = 0; left < nr_pages; left += 97)
			KUNIT_ASSERT_EQ(test, memory_stamp(s->mem, left),
					load(fake, pieces, left));
		drop(s, pieces);
		expect_nothing(test, s);
	}
}

/* The page allocator's are as well, but what it has is nobody's promise. */
static void pages_cover_the_buffer(struct kunit *test)
{
	struct fake_device *fake = device(test, "dev", FAKE_COHERENT);
	struct fake_device *two = device(test, "two", FAKE_COHERENT);
	struct stage *s = stage(test, 1300);
	struct use *one, *other;
	u32 page;

	bitmap_fill(fake->shim->ignored, SHIM_NR_FNS);
	one = use_all(test, s, fake, DMA_BIDIRECTIONAL);
	other = use_all(test, s, two, DMA_BIDIRECTIONAL);
	check_cover(test, one, 0, 1300);
	check_cover(test, other, 0, 1300);
	check_invariants(test, s);
	KUNIT_EXPECT_EQ(test, 2 * 1300, s->shadow.nr_pages);
	shadow_push(&s->shadow);
	for (page = 0; page < 1300; page++) {
		KUNIT_ASSERT_EQ(test, memory_stamp(s->mem, page),
				load(fake, one, page));
		store(two, other, page, page);
	}
	shadow_fetch(&s->shadow);
	for (page = 0; page < 1300; page++)
		KUNIT_ASSERT_EQ(test, page, memory_get(s->mem, page));
}

/* A device that no memory is reached by is told so, and keeps nothing. */
static void who_reaches_nothing_gets_nothing(struct kunit *test)
{
	static const struct {
		enum fake_kind kind;
		bool no_mask;
		unsigned int fail_maps;
		unsigned int fail_allocs;
		int want;
	} rows[] = {
		/* Memory is had, and of no use. */
		{ FAKE_COHERENT, false, 0, UINT_MAX, -EIO },
		{ FAKE_COHERENT, true, 0, 0, -EIO },
		/* Only the DMA API knows. */
		{ FAKE_OPAQUE, false, 0, UINT_MAX, -ENOMEM },
		{ FAKE_OPAQUE, true, 0, 0, -EIO },
		/* It is reached, and cannot be mapped. */
		{ FAKE_NONCOHERENT, false, UINT_MAX, 0, -EIO },
	};
	struct fake_device *fake;
	struct use *use;
	struct stage *s;
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(rows); i++) {
		fake = device(test, "dev", rows[i].kind);
		if (!rows[i].fail_maps)
			fake->unreached = is_any;
		fake->fail_maps = rows[i].fail_maps;
		fake->fail_allocs = rows[i].fail_allocs;
		if (rows[i].no_mask)
			fake->dev->coherent_dma_mask = 0;
		s = stage(test, PAGES);
		use = new_use(test, s);
		KUNIT_EXPECT_EQ_MSG(test, rows[i].want,
				    shadow_use(&s->shadow, fake->dev,
					       DMA_BIDIRECTIONAL, 0, PAGES,
					       &use->uses), "row %u", i);
		KUNIT_EXPECT_TRUE(test, list_empty(&use->uses));
		expect_nothing(test, s);
		KUNIT_EXPECT_EQ(test, 0, fake->nr_copies);
		end_stage(test, s, fake, NULL);
	}
}

/*
 * What was used before the piece that cannot be had stays with the caller, who
 * drops it; others who share that part keep it.
 */
static void what_came_before_an_error_is_the_callers(struct kunit *test)
{
	struct fake_device *fake = device(test, "dev", FAKE_COHERENT);
	struct fake_device *other = device(test, "other", FAKE_COHERENT);
	struct stage *s = stage(test, PAGES);
	struct use *shared, *failed;

	/* Of 4 and 2 pages. */
	shared = use_part(test, s, other, DMA_BIDIRECTIONAL, 0, 6);
	failed = new_use(test, s);
	shadow_max_pages = 0;
	KUNIT_EXPECT_EQ(test, -ENOMEM,
			shadow_use(&s->shadow, fake->dev, DMA_BIDIRECTIONAL, 0,
				   PAGES, &failed->uses));
	KUNIT_EXPECT_EQ(test, 2, list_count_nodes(&failed->uses));
	KUNIT_EXPECT_EQ(test, 2 * 6, s->shadow.nr_pages);
	check_invariants(test, s);
	drop(s, failed);
	KUNIT_EXPECT_EQ(test, 0, fake->nr_copies);
	KUNIT_EXPECT_EQ(test, 2 * 6, s->shadow.nr_pages);
	check_invariants(test, s);
	shadow_max_pages = s->max;
	drop(s, shared);
	expect_nothing(test, s);
}

/* Twins. */

/* A twin comes with the first writer and goes with the last one. */
static void only_writers_bring_a_twin(struct kunit *test)
{
	struct fake_device *one = device(test, "one", FAKE_COHERENT);
	struct fake_device *two = device(test, "two", FAKE_COHERENT);
	struct stage *s = stage(test, PAGES);
	struct use *reader, *first, *second;

	reader = use_all(test, s, one, DMA_TO_DEVICE);
	KUNIT_EXPECT_EQ(test, PAGES, s->shadow.nr_pages);
	check_invariants(test, s);
	first = use_all(test, s, two, DMA_BIDIRECTIONAL);
	KUNIT_EXPECT_EQ(test, 2 * PAGES, s->shadow.nr_pages);
	second = use_all(test, s, one, DMA_BIDIRECTIONAL);
	KUNIT_EXPECT_EQ(test, 2 * PAGES, s->shadow.nr_pages);
	check_invariants(test, s);
	drop(s, first);
	KUNIT_EXPECT_EQ(test, 2 * PAGES, s->shadow.nr_pages);
	check_invariants(test, s);
	drop(s, second);
	KUNIT_EXPECT_EQ(test, PAGES, s->shadow.nr_pages);
	check_invariants(test, s);
	drop(s, reader);
	expect_nothing(test, s);
}

static void check_late_twin(struct kunit *test, enum fake_kind kind)
{
	struct fake_device *one = device(test, "one", kind);
	struct fake_device *two = device(test, "two", kind);
	struct stage *s = stage(test, PAGES);
	struct use *reader, *writer;

	reader = use_all(test, s, one, DMA_TO_DEVICE);
	shadow_push(&s->shadow);
	memory_set(s->mem, 5, 55);
	writer = use_all(test, s, two, DMA_BIDIRECTIONAL);
	KUNIT_EXPECT_NULL(test, shadow_fetch(&s->shadow));
	KUNIT_EXPECT_EQ(test, 0, s->shadow.fetched.bytes);
	KUNIT_EXPECT_EQ(test, 55, memory_get(s->mem, 5));

	store(two, writer, 4, 44);
	KUNIT_EXPECT_NULL(test, shadow_fetch(&s->shadow));
	KUNIT_EXPECT_EQ(test, 44, memory_get(s->mem, 4));
	KUNIT_EXPECT_NULL(test, shadow_push(&s->shadow));
	KUNIT_EXPECT_EQ(test, 55, load(one, reader, 5));
	KUNIT_EXPECT_EQ(test, 44, load(one, reader, 4));

	/* ... and what a reader's copy is afterwards. */
	drop(s, writer);
	memory_set(s->mem, 4, 45);
	shadow_fetch(&s->shadow);
	KUNIT_EXPECT_EQ(test, 45, memory_get(s->mem, 4));
	shadow_push(&s->shadow);
	KUNIT_EXPECT_EQ(test, 45, load(one, reader, 4));
	end_stage(test, s, one, two);
}

/*
 * A writer that joins a reader's copy: the twin is what the copy holds, not what
 * the page does, which somebody has written meanwhile.
 */
static void a_late_twin_is_what_the_copy_holds(struct kunit *test)
{
	check_late_twin(test, FAKE_COHERENT);
	check_late_twin(test, FAKE_NONCOHERENT);
}

/* ... and a twin that was made before the copy was filled, is filled with it. */
static void an_early_twin_is_filled_with_the_copy(struct kunit *test)
{
	struct fake_device *one = device(test, "one", FAKE_COHERENT);
	struct fake_device *two = device(test, "two", FAKE_COHERENT);
	struct stage *s = stage(test, PAGES);
	struct use *reader, *writer;
	u32 page;

	reader = use_all(test, s, one, DMA_TO_DEVICE);
	writer = use_all(test, s, two, DMA_BIDIRECTIONAL);
	/* There is nothing to fetch yet; garbage would be. */
	shadow_fetch(&s->shadow);
	KUNIT_EXPECT_EQ(test, 0, s->shadow.fetched.bytes);
	shadow_push(&s->shadow);
	KUNIT_EXPECT_EQ(test, 0, s->shadow.pushed.bytes);
	for (page = 0; page < PAGES; page++) {
		KUNIT_EXPECT_EQ(test, memory_stamp(s->mem, page),
				memory_get(s->mem, page));
		KUNIT_EXPECT_EQ(test, memory_stamp(s->mem, page),
				load(one, reader, page));
	}
	shadow_fetch(&s->shadow);
	shadow_push(&s->shadow);
	KUNIT_EXPECT_EQ(test, 0, s->shadow.fetched.bytes);
	KUNIT_EXPECT_EQ(test, 0, s->shadow.pushed.bytes);
	KUNIT_EXPECT_EQ(test, memory_stamp(s->mem, 1), load(two, writer, 1));
}

/* Merging. */

/* What a device that only reads has in its copy is never fetched. */
static void readers_are_only_pushed_to(struct kunit *test)
{
	struct fake_device *fake = device(test, "dev", FAKE_NONCOHERENT);
	struct stage *s = stage(test, PAGES);
	struct use *reader = use_all(test, s, fake, DMA_TO_DEVICE);

	shadow_push(&s->shadow);
	shim_mark(fake->shim);
	*(u64 *)first_copy(reader)->vaddr = 1234;
	KUNIT_EXPECT_NULL(test, shadow_fetch(&s->shadow));
	FAKE_EXPECT_SYNCS(test);
	KUNIT_EXPECT_EQ(test, memory_stamp(s->mem, 0), memory_get(s->mem, 0));
	KUNIT_EXPECT_EQ(test, 0, s->shadow.fetched.bytes);

	memory_set(s->mem, 1, 11);
	KUNIT_EXPECT_NULL(test, shadow_push(&s->shadow));
	KUNIT_EXPECT_EQ(test, memory_stamp(s->mem, 0), load(fake, reader, 0));
	KUNIT_EXPECT_EQ(test, 11, load(fake, reader, 1));
	KUNIT_EXPECT_EQ(test, 0, s->shadow.pushed.conflicts);
}

/* Set one byte of the buffer, as a task does. */
static void set_byte(struct stage *s, u32 page, u32 at, u8 value)
{
	u8 *data = kmap_local_page(pfn_to_page(memory_pfn(s->mem, page)));

	data[at] = value;
	kunmap_local(data);
}

static u8 get_byte(struct stage *s, u32 page, u32 at)
{
	u8 *data = kmap_local_page(pfn_to_page(memory_pfn(s->mem, page)));
	u8 value = data[at];

	kunmap_local(data);
	return value;
}

/*
 * A device and a task write bytes side by side, at both ends of each page: all of
 * them are there for both, whatever is done first, and nothing is a conflict.
 */
static void neighbouring_bytes_are_all_kept(struct kunit *test)
{
	struct fake_device *fake = device(test, "dev", FAKE_COHERENT);
	struct stage *s = stage(test, PAGES);
	struct use *writer = use_all(test, s, fake, DMA_BIDIRECTIONAL);
	static const u32 at[] = { 0, 6, 8, PAGE_SIZE - 2 };
	u32 page, i, round;
	u8 mine, its, byte[2];

	shadow_push(&s->shadow);
	for (round = 0; round < 2; round++) {
		mine = 0xa1 + round;
		its = 0xb1 + round;
		for (page = 0; page < PAGES; page++) {
			for (i = 0; i < ARRAY_SIZE(at); i++) {
				set_byte(s, page, at[i], mine);
				fake_device_store(fake, &writer->sgt,
						  page * PAGE_SIZE + at[i] + 1,
						  &its, 1);
			}
		}
		if (round)
			KUNIT_EXPECT_NULL(test, shadow_push(&s->shadow));
		KUNIT_EXPECT_NULL(test, shadow_fetch(&s->shadow));
		if (!round)
			KUNIT_EXPECT_NULL(test, shadow_push(&s->shadow));
		for (page = 0; page < PAGES; page++) {
			for (i = 0; i < ARRAY_SIZE(at); i++) {
				KUNIT_EXPECT_EQ(test, its,
						get_byte(s, page, at[i] + 1));
				KUNIT_EXPECT_EQ(test, mine,
						get_byte(s, page, at[i]));
				fake_device_load(fake, &writer->sgt,
						 page * PAGE_SIZE + at[i],
						 byte, 2);
				KUNIT_EXPECT_EQ(test, mine, byte[0]);
				KUNIT_EXPECT_EQ(test, its, byte[1]);
			}
		}
	}
}

/*
 * Who wrote the same byte meets a conflict, which is counted by bytes: the value
 * of who is merged from stands, and the first copy that has one is named.
 */
static void conflicts_are_counted(struct kunit *test)
{
	struct fake_device *fake = device(test, "dev", FAKE_COHERENT);
	struct stage *s = stage(test, PAGES);
	struct use *first, *second;

	first = use_part(test, s, fake, DMA_BIDIRECTIONAL, 0, 4);
	second = use_part(test, s, fake, DMA_BIDIRECTIONAL, 4, 4);
	memory_set(s->mem, 0, 0);
	memory_set(s->mem, 4, 0);
	memory_set(s->mem, 6, 0);
	shadow_push(&s->shadow);

	/* The same value is none. */
	memory_set(s->mem, 0, 0x11);
	store(fake, first, 0, 0x11);
	KUNIT_EXPECT_NULL(test, shadow_fetch(&s->shadow));
	KUNIT_EXPECT_EQ(test, 0, s->shadow.fetched.conflicts);

	memory_set(s->mem, 4, 0x010203);
	store(fake, second, 0, 0x04050003);
	KUNIT_EXPECT_PTR_EQ(test, first_copy(second), shadow_fetch(&s->shadow));
	KUNIT_EXPECT_EQ(test, 1, s->shadow.fetched.conflicts);
	/* Bytes: conflict, not written by the device, conflict, its own. */
	KUNIT_EXPECT_EQ(test, 0x04050203, memory_get(s->mem, 4));

	memory_set(s->mem, 0, 0x22);
	memory_set(s->mem, 6, 0x22);
	store(fake, first, 0, 0x33);
	store(fake, second, 2, 0x33);
	KUNIT_EXPECT_PTR_EQ(test, first_copy(first), shadow_push(&s->shadow));
	KUNIT_EXPECT_EQ(test, 2, s->shadow.pushed.conflicts);
	KUNIT_EXPECT_EQ(test, 0x22, load(fake, first, 0));
	KUNIT_EXPECT_EQ(test, 0x22, load(fake, second, 2));
	KUNIT_EXPECT_NULL(test, shadow_fetch(&s->shadow));
	KUNIT_EXPECT_EQ(test, 0x22, memory_get(s->mem, 0));
	KUNIT_EXPECT_EQ(test, 1, s->shadow.fetched.conflicts);
}

/* What is moved is counted, by bytes, and what is equal is not moved. */
static void bytes_are_counted(struct kunit *test)
{
	struct fake_device *fake = device(test, "dev", FAKE_COHERENT);
	struct stage *s = stage(test, PAGES);
	struct use *writer = use_all(test, s, fake, DMA_BIDIRECTIONAL);
	u8 byte;

	shadow_push(&s->shadow);
	byte = get_byte(s, 0, 100) + 1;
	fake_device_store(fake, &writer->sgt, 100, &byte, 1);
	shadow_fetch(&s->shadow);
	shadow_push(&s->shadow);
	KUNIT_EXPECT_EQ(test, 1, s->shadow.fetched.bytes);
	KUNIT_EXPECT_EQ(test, 0, s->shadow.pushed.bytes);
	set_byte(s, 0, 100, byte + 1);
	set_byte(s, 7, PAGE_SIZE - 1, 1);
	shadow_fetch(&s->shadow);
	shadow_push(&s->shadow);
	KUNIT_EXPECT_EQ(test, 1, s->shadow.fetched.bytes);
	KUNIT_EXPECT_EQ(test, 2, s->shadow.pushed.bytes);
}

/* Pages of a copy lie in as many extents as they like. */
static void a_copy_follows_the_extents(struct kunit *test)
{
	struct fake_device *fake = device(test, "dev", FAKE_COHERENT);
	struct memory *mem = memory_shmem(test, 64);
	struct udmabuf_create_item items[64];
	struct stage *s = stage(test, 1);
	struct extents own = s->extents;
	struct use *writer;
	u32 i;

	memory_fill(test, mem);
	for (i = 0; i < 64; i++)
		items[i] = memory_item(mem, (i * 37 + 5) % 64, 1);
	KUNIT_ASSERT_EQ(test, 0, extents_pin(&s->extents, items, 64, U64_MAX));
	writer = use_part(test, s, fake, DMA_BIDIRECTIONAL, 3, 57);
	shadow_push(&s->shadow);
	for (i = 0; i < 57; i++) {
		KUNIT_EXPECT_EQ(test, memory_stamp(mem, ((i + 3) * 37 + 5) % 64),
				load(fake, writer, i));
		store(fake, writer, i, i);
	}
	shadow_fetch(&s->shadow);
	for (i = 0; i < 57; i++)
		KUNIT_EXPECT_EQ(test, i,
				memory_get(mem, ((i + 3) * 37 + 5) % 64));
	drop(s, writer);
	extents_unpin(&s->extents, false);
	s->extents = own;
}

/* Syncs. */

/*
 * A copy of a device that does not snoop is synced before each merge and after
 * it, through a writer's use if there is one: in a reader's direction for_cpu
 * does nothing.
 */
static void noncoherent_copies_are_synced_around_merges(struct kunit *test)
{
	struct fake_device *one = device(test, "one", FAKE_NONCOHERENT);
	struct fake_device *two = device(test, "two", FAKE_NONCOHERENT);
	struct stage *s = stage(test, PAGES);
	struct use *writer;

	use_all(test, s, one, DMA_TO_DEVICE);
	shim_mark(one->shim);
	shadow_push(&s->shadow);
	FAKE_EXPECT_SYNCS(test, "for_cpu one TO_DEVICE x1 copies",
			  "for_device one TO_DEVICE x1 copies");
	writer = use_all(test, s, two, DMA_BIDIRECTIONAL);
	use_all(test, s, one, DMA_TO_DEVICE);
	shim_mark(one->shim);
	shadow_fetch(&s->shadow);
	FAKE_EXPECT_SYNCS(test, "for_cpu two BIDIRECTIONAL x1 copies",
			  "for_device two BIDIRECTIONAL x1 copies");
	store(two, writer, 0, 1);
	shadow_fetch(&s->shadow);
	FAKE_EXPECT_SYNCS(test, "for_cpu two BIDIRECTIONAL x1 copies",
			  "for_device two BIDIRECTIONAL x1 copies");
	shadow_push(&s->shadow);
	FAKE_EXPECT_SYNCS(test, "for_cpu two BIDIRECTIONAL x1 copies",
			  "for_device two BIDIRECTIONAL x1 copies");
	drop(s, writer);
	shim_mark(one->shim);
	shadow_fetch(&s->shadow);
	FAKE_EXPECT_SYNCS(test);
	shadow_push(&s->shadow);
	FAKE_EXPECT_SYNCS(test, "for_cpu one TO_DEVICE x1 copies",
			  "for_device one TO_DEVICE x1 copies");
}

/* What dma_alloc_pages() gave is synced in the direction it was asked for. */
static void device_pages_are_synced_both_ways(struct kunit *test)
{
	struct fake_device *fake = device(test, "dev", FAKE_NONCOHERENT);
	struct stage *s = stage(test, PAGES);

	fake->forced = true;
	use_all(test, s, fake, DMA_TO_DEVICE);
	shim_mark(fake->shim);
	shadow_push(&s->shadow);
	FAKE_EXPECT_SYNCS(test, "for_cpu dev BIDIRECTIONAL x1 copies",
			  "for_device dev BIDIRECTIONAL x1 copies");
}

/* Who snoops, or has coherent memory, needs none. */
static void other_copies_are_not_synced(struct kunit *test)
{
	struct fake_device *snoops = device(test, "snoops", FAKE_COHERENT);
	struct fake_device *forced = device(test, "forced", FAKE_COHERENT);
	struct fake_device *opaque = device(test, "opaque", FAKE_OPAQUE);
	struct fake_device *deaf = device(test, "deaf", FAKE_OPAQUE);
	struct stage *s = stage(test, PAGES);

	forced->forced = true;
	deaf->coherent = false;
	use_all(test, s, snoops, DMA_BIDIRECTIONAL);
	use_all(test, s, forced, DMA_BIDIRECTIONAL);
	use_all(test, s, opaque, DMA_BIDIRECTIONAL);
	use_all(test, s, deaf, DMA_BIDIRECTIONAL);
	KUNIT_EXPECT_EQ(test, 4, nr_copies(s));
	shim_mark(snoops->shim);
	shadow_push(&s->shadow);
	shadow_fetch(&s->shadow);
	FAKE_EXPECT_SYNCS(test);
}

/* A cache of one copy: what the CPU sees of it, and what its device does. */
static struct {
	u64 *cached;
	u64 memory;
	void (*for_cpu)(struct device *dev, dma_addr_t addr, size_t size,
			enum dma_data_direction dir);
	void (*for_device)(struct device *dev, dma_addr_t addr, size_t size,
			   enum dma_data_direction dir);
} cache;

static void drop_lines(struct device *dev, dma_addr_t addr, size_t size,
		       enum dma_data_direction dir)
{
	cache.for_cpu(dev, addr, size, dir);
	if (cache.cached)
		*cache.cached = cache.memory;
}

static void clean_lines(struct device *dev, dma_addr_t addr, size_t size,
			enum dma_data_direction dir)
{
	cache.for_device(dev, addr, size, dir);
	if (cache.cached)
		cache.memory = *cache.cached;
}

/* With a cache between: the merge sees memory, and memory sees the merge. */
static void a_merge_is_between_its_syncs(struct kunit *test)
{
	struct fake_device *fake = device(test, "dev", FAKE_NONCOHERENT);
	struct shim_hooks *hooks = &fake->shim->hooks;
	struct stage *s = stage(test, PAGES);
	struct use *writer;

	cache.cached = NULL;
	cache.for_cpu = hooks->dma_sync_single_for_cpu;
	cache.for_device = hooks->dma_sync_single_for_device;
	hooks->dma_sync_single_for_cpu = drop_lines;
	hooks->dma_sync_single_for_device = clean_lines;
	writer = use_all(test, s, fake, DMA_BIDIRECTIONAL);
	cache.cached = first_copy(writer)->vaddr;
	cache.memory = 0x5555;

	/* Filled, too: what stood there is nobody's. */
	shadow_push(&s->shadow);
	KUNIT_EXPECT_EQ(test, memory_stamp(s->mem, 0), cache.memory);

	cache.memory = 77;
	shadow_fetch(&s->shadow);
	KUNIT_EXPECT_EQ(test, 77, memory_get(s->mem, 0));
	KUNIT_EXPECT_EQ(test, 77, cache.memory);
	memory_set(s->mem, 0, 78);
	shadow_push(&s->shadow);
	KUNIT_EXPECT_EQ(test, 78, cache.memory);
}

/* Leaks. */

/*
 * A device goes without unmapping. The copy stays where it is for good; who
 * shares it goes on; who comes later gets another one; and when the last of
 * those who share it goes, nothing is done for it any more.
 */
static void check_leak(struct kunit *test, enum fake_kind kind,
		       enum dma_data_direction dir)
{
	struct fake_device *one = device(test, "one", kind);
	struct fake_device *two = device(test, "two", kind);
	struct stage *s = stage(test, PAGES);
	struct use *left, *shares, *later;
	const struct copy *copy;
	void *memory;

	left = use_all(test, s, one, dir);
	shares = use_all(test, s, two, DMA_BIDIRECTIONAL);
	shadow_push(&s->shadow);
	copy = first_copy(left);
	memory = copy->vaddr;
	KUNIT_ASSERT_PTR_EQ(test, copy, first_copy(shares));
	shim_mark(one->shim);
	shadow_leak(&s->shadow, &left->uses);
	KUNIT_EXPECT_TRUE(test, list_empty(&left->uses));
	KUNIT_EXPECT_EQ(test, 1, one->nr_copies);
	one->may_leak = true;
	check_invariants(test, s);

	later = use_all(test, s, one, DMA_BIDIRECTIONAL);
	KUNIT_EXPECT_PTR_NE(test, copy, first_copy(later));
	store(two, shares, 0, 1);
	shadow_fetch(&s->shadow);
	KUNIT_EXPECT_EQ(test, 1, memory_get(s->mem, 0));
	shadow_push(&s->shadow);
	KUNIT_EXPECT_EQ(test, 1, load(one, later, 0));

	drop(s, shares);
	KUNIT_EXPECT_EQ(test, 1, nr_copies(s));
	KUNIT_EXPECT_EQ(test, 0, two->nr_copies);
	memory_set(s->mem, 0, 2);
	shadow_fetch(&s->shadow);
	shadow_push(&s->shadow);
	KUNIT_EXPECT_EQ(test, 2, load(one, later, 0));
	KUNIT_EXPECT_EQ(test, 1, *(u64 *)memory);
	KUNIT_EXPECT_EQ(test, 1, page_count(virt_to_page(memory)));
	drop(s, later);
	/* What is lost stays charged, the twin does not. */
	KUNIT_EXPECT_EQ(test, PAGES, s->shadow.nr_pages);
	KUNIT_EXPECT_TRUE(test, list_empty(&s->shadow.copies));
	__free_pages(virt_to_page(memory), ilog2(PAGES));
	end_stage(test, s, one, two);
}

static void a_copy_that_is_left_behind_stays(struct kunit *test)
{
	check_leak(test, FAKE_COHERENT, DMA_TO_DEVICE);
	check_leak(test, FAKE_COHERENT, DMA_BIDIRECTIONAL);
	check_leak(test, FAKE_NONCOHERENT, DMA_TO_DEVICE);
	check_leak(test, FAKE_NONCOHERENT, DMA_BIDIRECTIONAL);
}

/* A device of which nothing can be asked any more: nothing is. */
static void nothing_is_asked_of_who_is_gone(struct kunit *test)
{
	struct fake_device *one = device(test, "one", FAKE_NONCOHERENT);
	struct stage *s = stage(test, PAGES);
	unsigned int calls[SHIM_NR_FNS];
	struct use *left;
	void *memory;

	left = use_all(test, s, one, DMA_BIDIRECTIONAL);
	shadow_push(&s->shadow);
	memory = first_copy(left)->vaddr;
	one->may_leak = true;
	memcpy(calls, one->shim->calls, sizeof(calls));
	shadow_leak(&s->shadow, &left->uses);
	shadow_fetch(&s->shadow);
	shadow_push(&s->shadow);
	KUNIT_EXPECT_MEMEQ(test, calls, one->shim->calls, sizeof(calls));
	KUNIT_EXPECT_TRUE(test, list_empty(&s->shadow.copies));
	__free_pages(virt_to_page(memory), ilog2(PAGES));
}

/* The bound. */

static unsigned int nr_messages;

static void see_message(void *data, const char *text, size_t size)
{
	if (strnstr(text, "no room for copies", size))
		nr_messages++;
}

static void unsee_messages(void *unused)
{
	unregister_trace_console(see_message, NULL);
	tracepoint_synchronize_unregister();
}

static void count_messages(struct kunit *test)
{
	nr_messages = 0;
	KUNIT_ASSERT_EQ(test, 0, register_trace_console(see_message, NULL));
	KUNIT_ASSERT_EQ(test, 0,
			kunit_add_action_or_reset(test, unsee_messages, NULL));
}

static int try_use(struct stage *s, struct use *use, struct fake_device *fake,
		   enum dma_data_direction dir)
{
	int ret = shadow_use(&s->shadow, fake->dev, dir, 0, PAGES, &use->uses);

	if (ret)
		shadow_drop(&s->shadow, &use->uses);
	return ret;
}

/* How many pages all copies have that there are already: of what was leaked. */
static unsigned long pages_of_others(struct kunit *test, struct stage *s,
				     struct fake_device *fake)
{
	struct use *use = new_use(test, s);
	unsigned long base = 0;

	for (;; base++) {
		shadow_max_pages = base + PAGES;
		if (!try_use(s, use, fake, DMA_TO_DEVICE))
			break;
		KUNIT_ASSERT_LT(test, base, 1000);
	}
	drop(s, use);
	return base;
}

/*
 * All copies and twins of all buffers count, to the page. Over the bound there
 * is an error and a message, everything is given back, and what others have is
 * not touched.
 */
static void all_copies_and_twins_have_a_bound(struct kunit *test)
{
	struct fake_device *one = device(test, "one", FAKE_COHERENT);
	struct fake_device *two = device(test, "two", FAKE_NONCOHERENT);
	struct stage *s = stage(test, PAGES), *other = stage(test, PAGES);
	struct use *first = new_use(test, s), *second = new_use(test, s);
	struct use *third = new_use(test, other);
	unsigned long base;

	if (!IS_ENABLED(CONFIG_TRACEPOINTS))
		kunit_skip(test, "needs CONFIG_TRACEPOINTS, to hear messages");
	base = pages_of_others(test, s, one);
	/* A copy and its twin. */
	shadow_max_pages = base + 2 * PAGES - 1;
	count_messages(test);
	KUNIT_EXPECT_EQ(test, -ENOMEM,
			try_use(s, first, one, DMA_BIDIRECTIONAL));
	KUNIT_EXPECT_EQ(test, 1, nr_messages);
	expect_nothing(test, s);
	KUNIT_EXPECT_EQ(test, 0, one->nr_copies);
	shadow_max_pages++;
	KUNIT_EXPECT_EQ(test, 0, try_use(s, first, one, DMA_BIDIRECTIONAL));
	KUNIT_EXPECT_EQ(test, 2 * PAGES, s->shadow.nr_pages);

	/* A second one of this buffer, and one of another. */
	KUNIT_EXPECT_EQ(test, -ENOMEM, try_use(s, second, two, DMA_TO_DEVICE));
	KUNIT_EXPECT_EQ(test, -ENOMEM,
			try_use(other, third, one, DMA_TO_DEVICE));
	KUNIT_EXPECT_EQ(test, 3, nr_messages);
	check_invariants(test, s);
	KUNIT_EXPECT_EQ(test, 2 * PAGES, s->shadow.nr_pages);
	expect_nothing(test, other);
	/* To share one costs nothing. */
	KUNIT_EXPECT_EQ(test, 0, try_use(s, second, one, DMA_BIDIRECTIONAL));
	drop(s, second);

	shadow_max_pages += PAGES;
	KUNIT_EXPECT_EQ(test, 0,
			try_use(other, third, one, DMA_TO_DEVICE));
	KUNIT_EXPECT_EQ(test, -ENOMEM, try_use(s, second, two, DMA_TO_DEVICE));
	/* A twin for what is there already. */
	KUNIT_EXPECT_EQ(test, -ENOMEM,
			try_use(other, new_use(test, other), one,
				DMA_BIDIRECTIONAL));
	check_invariants(test, other);
	KUNIT_EXPECT_EQ(test, PAGES, other->shadow.nr_pages);
	drop(s, first);
	KUNIT_EXPECT_EQ(test, 0, try_use(s, second, two, DMA_TO_DEVICE));

	/* Lowered under what is there, it stops what is new. */
	shadow_max_pages = 0;
	drop(other, third);
	KUNIT_EXPECT_EQ(test, -ENOMEM,
			try_use(other, third, one, DMA_TO_DEVICE));
	check_invariants(test, s);
	drop(s, second);
	shadow_max_pages = base;
	KUNIT_EXPECT_EQ(test, -ENOMEM,
			try_use(other, third, one, DMA_TO_DEVICE));
	shadow_max_pages = base + PAGES;
	KUNIT_EXPECT_EQ(test, 0,
			try_use(other, third, one, DMA_TO_DEVICE));
}

/* Through the driver. */

static struct sg_table *map(struct kunit *test, struct dma_buf *dmabuf,
			    struct fake_device *fake,
			    enum dma_data_direction dir,
			    struct dma_buf_attachment **attachment)
{
	struct sg_table *sgt;

	*attachment = dma_buf_attach(dmabuf, fake->dev);
	KUNIT_ASSERT_NOT_ERR_OR_NULL(test, *attachment);
	sgt = dma_buf_map_attachment_unlocked(*attachment, dir);
	if (IS_ERR(sgt))
		dma_buf_detach(dmabuf, *attachment);
	return sgt;
}

static void unmap(struct dma_buf_attachment *attachment, struct sg_table *sgt,
		  enum dma_data_direction dir)
{
	struct dma_buf *dmabuf = attachment->dmabuf;

	dma_buf_unmap_attachment_unlocked(attachment, sgt, dir);
	dma_buf_detach(dmabuf, attachment);
}

/* H16: entries of a copy keep to the device's limits, as those of pages do. */
static void entries_of_copies_keep_to_the_limits(struct kunit *test)
{
	static const struct {
		unsigned int max_seg_size;
		unsigned long boundary;
		bool forced;
	} rows[] = {
		{ SZ_64K, ULONG_MAX, false },
		{ PAGE_SIZE, ULONG_MAX, false },
		{ 3 * PAGE_SIZE, ULONG_MAX, true },
		{ 3 * PAGE_SIZE + 17, SZ_32K - 1, false },
		{ SZ_2G, 4 * PAGE_SIZE - 1, true },
		{ SZ_2G, ULONG_MAX, false },
	};
	struct fake_device *fake = device(test, "dev", FAKE_COHERENT);
	struct memory *mem = memory_shmem(test, 700);
	struct udmabuf_create_item item = memory_item(mem, 0, 700);
	struct dma_buf *dmabuf = memory_buffer(test, &item, 1);
	struct dma_buf_attachment *attachment;
	struct scatterlist *sg;
	struct sg_table *sgt;
	unsigned int i, k;
	size_t size;

	bitmap_fill(fake->shim->ignored, SHIM_NR_FNS);
	for (i = 0; i < ARRAY_SIZE(rows); i++) {
		fake->max_seg_size = rows[i].max_seg_size;
		fake->seg_boundary = rows[i].boundary;
		fake->forced = rows[i].forced;
		sgt = map(test, dmabuf, fake, DMA_BIDIRECTIONAL, &attachment);
		KUNIT_ASSERT_NOT_ERR_OR_NULL(test, sgt);
		KUNIT_EXPECT_EQ(test, sgt->nents, sgt->orig_nents);
		size = 0;
		for_each_sgtable_dma_sg(sgt, sg, k) {
			dma_addr_t last = sg_dma_address(sg) + sg_dma_len(sg) -
					  1;

			KUNIT_EXPECT_LE(test, sg_dma_len(sg),
					rows[i].max_seg_size);
			KUNIT_EXPECT_EQ(test,
					sg_dma_address(sg) & ~rows[i].boundary,
					last & ~rows[i].boundary);
			KUNIT_EXPECT_TRUE(test, PAGE_ALIGNED(sg_dma_len(sg)));
			KUNIT_EXPECT_TRUE(test,
					  fake_device_is_copy(fake,
							      sg_dma_address(sg)));
			KUNIT_EXPECT_TRUE(test, fake_device_is_copy(fake, last));
			size += sg_dma_len(sg);
		}
		KUNIT_EXPECT_EQ(test, dmabuf->size, size);
		unmap(attachment, sgt, DMA_BIDIRECTIONAL);
	}
}

/* An importer goes without a word; those who share its copy see no difference. */
static void detach_without_unmap_leaves_the_others_alone(struct kunit *test)
{
	struct fake_device *one = device(test, "one", FAKE_NONCOHERENT);
	struct fake_device *two = device(test, "two", FAKE_NONCOHERENT);
	struct dma_buf_attachment *left, *stays;
	struct sg_table *gone, *sgt;
	struct dma_buf *dmabuf;
	u64 value = 42;

	/* The buffer is never freed, so neither may its memory be the memfd's. */
	struct memory *mem = memory_shmem(test, PAGES);
	struct udmabuf_create_item item = memory_item(mem, 0, PAGES);

	memory_block(test, ilog2(PAGES));
	dmabuf = memory_buffer(test, &item, 1);
	gone = map(test, dmabuf, one, DMA_BIDIRECTIONAL, &left);
	KUNIT_ASSERT_NOT_ERR_OR_NULL(test, gone);
	sgt = map(test, dmabuf, two, DMA_BIDIRECTIONAL, &stays);
	KUNIT_ASSERT_NOT_ERR_OR_NULL(test, sgt);
	KUNIT_EXPECT_EQ(test, sg_dma_address(gone->sgl),
			sg_dma_address(sgt->sgl));
	one->may_leak = true;
	dma_buf_detach(dmabuf, left);

	fake_device_store(two, sgt, 0, &value, sizeof(value));
	KUNIT_EXPECT_EQ(test, 0, dma_buf_begin_cpu_access(dmabuf,
							  DMA_BIDIRECTIONAL));
	KUNIT_EXPECT_EQ(test, 0, dma_buf_end_cpu_access(dmabuf,
							DMA_BIDIRECTIONAL));
	value = 0;
	fake_device_load(two, sgt, 0, &value, sizeof(value));
	KUNIT_EXPECT_EQ(test, 42, value);
	unmap(stays, sgt, DMA_BIDIRECTIONAL);
	KUNIT_EXPECT_EQ(test, 0, two->nr_copies);
	KUNIT_EXPECT_EQ(test, 0, dma_buf_begin_cpu_access(dmabuf,
							  DMA_BIDIRECTIONAL));
	KUNIT_EXPECT_EQ(test, 0, dma_buf_end_cpu_access(dmabuf,
							DMA_BIDIRECTIONAL));
	memory_put_buffer(test, dmabuf);
}

static bool is_charged_to(const void *vaddr, struct mem_cgroup *memcg)
{
	struct folio *folio = virt_to_folio(vaddr);

	guard(rcu)();
	return folio_memcg(folio) == memcg;
}

#ifdef CONFIG_MEMCG
static long nr_ooms(struct mem_cgroup *memcg)
{
	return atomic_long_read(&memcg->memory_events[MEMCG_OOM]);
}
#else
static long nr_ooms(struct mem_cgroup *memcg)
{
	return 0;
}
#endif

/*
 * A copy is charged to the memory cgroup of who maps. Over its limit there is no
 * mapping, nothing is kept, and nobody is killed for it.
 */
static void copies_are_charged_to_who_maps(struct kunit *test)
{
	struct fake_device *fake = device(test, "dev", FAKE_COHERENT);
	struct mem_cgroup *memcg = memory_cgroup(test, "1M");
	struct memory *few = memory_shmem(test, PAGES);
	struct memory *many = memory_shmem(test, SZ_4M / PAGE_SIZE);
	struct udmabuf_create_item items[] = {
		memory_item(few, 0, few->nr_pages),
		memory_item(many, 0, many->nr_pages),
	};
	struct dma_buf *dmabuf[] = {
		memory_buffer(test, &items[0], 1),
		memory_buffer(test, &items[1], 1),
	};
	struct dma_buf_attachment *attachment;
	struct fanout_buffer *buffer;
	struct mem_cgroup *before;
	struct sg_table *sgt;
	struct copy *copy;
	long ooms = nr_ooms(memcg);

	bitmap_fill(fake->shim->ignored, SHIM_NR_FNS);
	before = set_active_memcg(memcg);
	sgt = map(test, dmabuf[0], fake, DMA_BIDIRECTIONAL, &attachment);
	set_active_memcg(before);
	KUNIT_ASSERT_NOT_ERR_OR_NULL(test, sgt);
	buffer = dmabuf[0]->priv;
	copy = list_first_entry(&buffer->shadow.copies, struct copy, node);
	KUNIT_EXPECT_TRUE(test, is_charged_to(copy->vaddr, memcg));
	unmap(attachment, sgt, DMA_BIDIRECTIONAL);

	before = set_active_memcg(memcg);
	sgt = map(test, dmabuf[1], fake, DMA_TO_DEVICE, &attachment);
	set_active_memcg(before);
	KUNIT_EXPECT_EQ(test, -ENOMEM, PTR_ERR_OR_ZERO(sgt));
	KUNIT_EXPECT_EQ(test, ooms, nr_ooms(memcg));
	buffer = dmabuf[1]->priv;
	KUNIT_EXPECT_EQ(test, 0, buffer->shadow.nr_pages);
	KUNIT_EXPECT_EQ(test, 0, fake->nr_copies);
	if (!IS_ERR(sgt))
		unmap(attachment, sgt, DMA_TO_DEVICE);

	sgt = map(test, dmabuf[1], fake, DMA_TO_DEVICE, &attachment);
	KUNIT_ASSERT_NOT_ERR_OR_NULL(test, sgt);
	unmap(attachment, sgt, DMA_TO_DEVICE);
}

/* ... and so is a twin: here there is room for the copy, and not for both. */
static void twins_are_charged_to_who_maps(struct kunit *test)
{
	struct fake_device *fake = device(test, "dev", FAKE_COHERENT);
	struct mem_cgroup *memcg = memory_cgroup(test, "1M");
	struct memory *mem = memory_shmem(test, 3 * SZ_256K / PAGE_SIZE);
	struct udmabuf_create_item item = memory_item(mem, 0, mem->nr_pages);
	struct dma_buf *dmabuf = memory_buffer(test, &item, 1);
	struct fanout_buffer *buffer = dmabuf->priv;
	struct dma_buf_attachment *attachment;
	struct mem_cgroup *before;
	struct sg_table *sgt;
	long ooms;

	before = set_active_memcg(memcg);
	sgt = map(test, dmabuf, fake, DMA_TO_DEVICE, &attachment);
	set_active_memcg(before);
	KUNIT_ASSERT_NOT_ERR_OR_NULL(test, sgt);
	unmap(attachment, sgt, DMA_TO_DEVICE);

	ooms = nr_ooms(memcg);
	before = set_active_memcg(memcg);
	sgt = map(test, dmabuf, fake, DMA_BIDIRECTIONAL, &attachment);
	set_active_memcg(before);
	KUNIT_EXPECT_EQ(test, -ENOMEM, PTR_ERR_OR_ZERO(sgt));
	KUNIT_EXPECT_EQ(test, ooms, nr_ooms(memcg));
	KUNIT_EXPECT_EQ(test, 0, buffer->shadow.nr_pages);
	KUNIT_EXPECT_EQ(test, 0, fake->nr_copies);
	if (!IS_ERR(sgt))
		unmap(attachment, sgt, DMA_BIDIRECTIONAL);

	sgt = map(test, dmabuf, fake, DMA_BIDIRECTIONAL, &attachment);
	KUNIT_ASSERT_NOT_ERR_OR_NULL(test, sgt);
	unmap(attachment, sgt, DMA_BIDIRECTIONAL);
}

static int init(struct kunit *test)
{
	memory_watch_pins(test);
	return 0;
}

static struct kunit_case shadow_cases[] = {
	/* Before anything is leaked for good, which would cost a message each. */
	KUNIT_CASE(all_copies_and_twins_have_a_bound),
	KUNIT_CASE(devices_that_reach_a_copy_share_it),
	KUNIT_CASE(what_is_out_of_reach_is_not_shared),
	KUNIT_CASE(a_devices_own_memory_is_not_shared),
	KUNIT_CASE(parts_that_are_alike_are_shared),
	KUNIT_CASE(pieces_are_as_large_as_there_is_memory),
	KUNIT_CASE(pages_cover_the_buffer),
	KUNIT_CASE(who_reaches_nothing_gets_nothing),
	KUNIT_CASE(what_came_before_an_error_is_the_callers),
	KUNIT_CASE(only_writers_bring_a_twin),
	KUNIT_CASE(a_late_twin_is_what_the_copy_holds),
	KUNIT_CASE(an_early_twin_is_filled_with_the_copy),
	KUNIT_CASE(readers_are_only_pushed_to),
	KUNIT_CASE(neighbouring_bytes_are_all_kept),
	KUNIT_CASE(conflicts_are_counted),
	KUNIT_CASE(bytes_are_counted),
	KUNIT_CASE(a_copy_follows_the_extents),
	KUNIT_CASE(noncoherent_copies_are_synced_around_merges),
	KUNIT_CASE(device_pages_are_synced_both_ways),
	KUNIT_CASE(other_copies_are_not_synced),
	KUNIT_CASE(a_merge_is_between_its_syncs),
	KUNIT_CASE(entries_of_copies_keep_to_the_limits),
	KUNIT_CASE(a_copy_that_is_left_behind_stays),
	KUNIT_CASE(nothing_is_asked_of_who_is_gone),
	KUNIT_CASE(detach_without_unmap_leaves_the_others_alone),
	KUNIT_CASE(copies_are_charged_to_who_maps),
	KUNIT_CASE(twins_are_charged_to_who_maps),
	{ }
};

static struct kunit_suite shadow_suite = {
	.name = "udmabuf_fanout_shadow",
	.init = init,
	.test_cases = shadow_cases,
};

kunit_test_suite(shadow_suite);
