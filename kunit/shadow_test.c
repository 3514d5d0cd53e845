// SPDX-License-Identifier: GPL-2.0
/*
 * All copies of a buffer, through the interface of driver/shadow.h: which there
 * are, how large, who shares them, what becomes of those that are left behind,
 * and the bound of all buffers' copies. The pages are a memfd's, the devices
 * fakes that do not reach these.
 *
 * Would miss: what becomes of the data in a copy (copy_test.c), and failed
 * allocations (fail_test.c, fail_pieces_test.c).
 */
#include <kunit/test.h>
#include <linux/log2.h>
#include <linux/mm.h>
#include <linux/sizes.h>
#include <linux/string.h>
#include <linux/tracepoint.h>
#include <trace/events/printk.h>

#include "../driver/shadow.h"
#include "fake_device.h"
#include "killed.h"
#include "memory.h"
#include "shadowed.h"

#define PAGES		8

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

/*
 * Devices that reach a copy share it, with one address for all of them, and see
 * each other's stores at once. One that snoops and one that does not share
 * nothing: one's merges would be synced and the other's not.
 */
static void devices_that_reach_a_copy_share_it(struct kunit *test)
{
	struct fake_device *one = remote_device(test, "one", FAKE_COHERENT);
	struct fake_device *two = remote_device(test, "two", FAKE_COHERENT);
	struct fake_device *not = remote_device(test, "not", FAKE_NONCOHERENT);
	struct fake_device *nor = remote_device(test, "nor", FAKE_NONCOHERENT);
	struct shadowed *s = shadowed(test, PAGES);
	struct use *use[4];

	use[0] = use_all(test, s, one, DMA_BIDIRECTIONAL);
	use[1] = use_all(test, s, two, DMA_BIDIRECTIONAL);
	KUNIT_EXPECT_EQ(test, 2 * PAGES, shadow_pages(&s->shadow));
	KUNIT_EXPECT_PTR_EQ(test, use_copy(use[0]), use_copy(use[1]));
	shadow_push(&s->shadow);
	use_store(one, use[0], 3, 33);
	KUNIT_EXPECT_EQ(test, 33, use_load(two, use[1], 3));

	use[2] = use_all(test, s, not, DMA_BIDIRECTIONAL);
	KUNIT_EXPECT_EQ(test, 4 * PAGES, shadow_pages(&s->shadow));
	use[3] = use_all(test, s, nor, DMA_TO_DEVICE);
	KUNIT_EXPECT_EQ(test, 4 * PAGES, shadow_pages(&s->shadow));
	KUNIT_EXPECT_PTR_EQ(test, use_copy(use[2]), use_copy(use[3]));
	KUNIT_EXPECT_PTR_NE(test, use_copy(use[0]), use_copy(use[2]));
	check_copies(test, s);

	use_drop(s, use[0]);
	use_drop(s, use[2]);
	KUNIT_EXPECT_EQ(test, 3 * PAGES, shadow_pages(&s->shadow));
	check_copies(test, s);
	KUNIT_EXPECT_EQ(test, 33, use_load(two, use[1], 3));
	use_drop(s, use[1]);
	use_drop(s, use[3]);
	expect_no_copies(test, s);
}

/* A device has a copy of its own where it does not reach that of another. */
static void what_is_out_of_reach_is_not_shared(struct kunit *test)
{
	struct fake_device *one = remote_device(test, "one", FAKE_COHERENT);
	struct fake_device *two = remote_device(test, "two", FAKE_COHERENT);
	struct shadowed *s = shadowed(test, PAGES);
	struct use *use[2];

	use[0] = use_all(test, s, one, DMA_BIDIRECTIONAL);
	closed_from = copy_first_page(use_copy(use[0]));
	nr_closed = PAGES;
	two->unreached = is_closed;
	use[1] = use_all(test, s, two, DMA_BIDIRECTIONAL);
	KUNIT_EXPECT_EQ(test, 4 * PAGES, shadow_pages(&s->shadow));
	KUNIT_EXPECT_PTR_NE(test, use_copy(use[0]), use_copy(use[1]));
	check_copies(test, s);

	/* What one writes comes to the other by way of the pages. */
	shadow_push(&s->shadow);
	use_store(one, use[0], 0, 1);
	use_store(two, use[1], 1, 2);
	KUNIT_EXPECT_NULL(test, shadow_fetch(&s->shadow));
	KUNIT_EXPECT_EQ(test, 1, memory_get(s->mem, 0));
	KUNIT_EXPECT_EQ(test, 2, memory_get(s->mem, 1));
	shadow_push(&s->shadow);
	KUNIT_EXPECT_EQ(test, 2, use_load(one, use[0], 1));
	KUNIT_EXPECT_EQ(test, 1, use_load(two, use[1], 0));
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
	struct shadowed *s;
	unsigned int i, k;

	for (i = 0; i < ARRAY_SIZE(rows); i++) {
		one = remote_device(test, "one", rows[i].kind);
		two = remote_device(test, "two", rows[i].kind);
		one->forced = rows[i].forced;
		two->forced = rows[i].forced;
		s = shadowed(test, PAGES);
		use[0] = use_all(test, s, one, DMA_BIDIRECTIONAL);
		use[1] = use_all(test, s, two, DMA_BIDIRECTIONAL);
		KUNIT_EXPECT_EQ(test, rows[i].source,
				use_copy(use[0])->source);
		KUNIT_EXPECT_PTR_NE(test, use_copy(use[0]),
				    use_copy(use[1]));
		use[2] = use_all(test, s, one, DMA_TO_DEVICE);
		KUNIT_EXPECT_PTR_EQ(test, use_copy(use[0]),
				    use_copy(use[2]));
		check_copies(test, s);
		KUNIT_EXPECT_EQ(test, 4 * PAGES, shadow_pages(&s->shadow));

		shadow_push(&s->shadow);
		use_store(one, use[0], 2, 22);
		KUNIT_EXPECT_EQ(test, 22, use_load(one, use[2], 2));
		shadow_fetch(&s->shadow);
		shadow_push(&s->shadow);
		KUNIT_EXPECT_EQ(test, 22, use_load(two, use[1], 2));

		/* Whoever goes first: the last one takes the memory along. */
		use_drop(s, use[0]);
		KUNIT_EXPECT_EQ(test, 22, use_load(one, use[2], 2));
		for (k = 1; k < 3; k++)
			use_drop(s, use[k]);
		expect_no_copies(test, s);
		KUNIT_EXPECT_EQ(test, 0, one->nr_copies);
		KUNIT_EXPECT_EQ(test, 0, two->nr_copies);
		shadowed_end(test, s, one, two);
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
	struct fake_device *fake = remote_device(test, "dev", FAKE_COHERENT);
	struct shadowed *s = shadowed(test, PAGES);
	struct use *part[ARRAY_SIZE(parts)];
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(parts); i++) {
		part[i] = use_part(test, s, fake, DMA_TO_DEVICE, parts[i].pgoff,
				   parts[i].nr_pages);
		check_cover(test, part[i], parts[i].pgoff, parts[i].nr_pages);
		check_copies(test, s);
		KUNIT_EXPECT_EQ_MSG(test, parts[i].charged, shadow_pages(&s->shadow),
				    "part %u", i);
	}
	shadow_push(&s->shadow);
	for (i = 0; i < ARRAY_SIZE(parts); i++)
		KUNIT_EXPECT_EQ_MSG(test,
				    memory_stamp(s->mem, parts[i].pgoff + 1),
				    use_load(fake, part[i], 1), "part %u", i);
	for (i = 0; i < ARRAY_SIZE(parts); i++) {
		use_drop(s, part[i]);
		check_copies(test, s);
	}
	expect_no_copies(test, s);
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
	struct fake_device *fake = remote_device(test, "dev", FAKE_COHERENT);
	const struct copy_use *one;
	u32 left, want, order;
	struct use *pieces;
	struct shadowed *s;
	long nr_pieces;

	fake->forced = true;
	alloc_pages_before = fake->shim->hooks.dma_alloc_pages;
	fake->shim->hooks.dma_alloc_pages = alloc_small_pages;
	bitmap_fill(fake->shim->ignored, SHIM_NR_FNS);
	s = shadowed(test, nr_pages);
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
		KUNIT_EXPECT_EQ(test, nr_pages, shadow_pages(&s->shadow));
		nr_pieces = list_count_nodes(&pieces->uses);
		KUNIT_EXPECT_EQ(test, nr_pieces + 9 - order, nr_asked);
		check_copies(test, s);

		shadow_push(&s->shadow);
		for (left = 0; left < nr_pages; left += 97)
			KUNIT_ASSERT_EQ(test, memory_stamp(s->mem, left),
					use_load(fake, pieces, left));
		use_drop(s, pieces);
		expect_no_copies(test, s);
	}
}

/* The page allocator's are as well, but what it has is nobody's promise. */
static void pages_cover_the_buffer(struct kunit *test)
{
	struct fake_device *fake = remote_device(test, "dev", FAKE_COHERENT);
	struct fake_device *two = remote_device(test, "two", FAKE_COHERENT);
	struct shadowed *s = shadowed(test, 1300);
	struct use *one, *other;
	u32 page;

	bitmap_fill(fake->shim->ignored, SHIM_NR_FNS);
	one = use_all(test, s, fake, DMA_BIDIRECTIONAL);
	other = use_all(test, s, two, DMA_BIDIRECTIONAL);
	check_cover(test, one, 0, 1300);
	check_cover(test, other, 0, 1300);
	check_copies(test, s);
	KUNIT_EXPECT_EQ(test, 2 * 1300, shadow_pages(&s->shadow));
	shadow_push(&s->shadow);
	for (page = 0; page < 1300; page++) {
		KUNIT_ASSERT_EQ(test, memory_stamp(s->mem, page),
				use_load(fake, one, page));
		use_store(two, other, page, page);
	}
	shadow_fetch(&s->shadow);
	for (page = 0; page < 1300; page++)
		KUNIT_ASSERT_EQ(test, page, memory_get(s->mem, page));
}

/*
 * What was used before the piece that cannot be had stays with the caller, who
 * drops it; others who share that part keep it.
 */
static void what_came_before_an_error_is_the_callers(struct kunit *test)
{
	struct fake_device *fake = remote_device(test, "dev", FAKE_COHERENT);
	struct fake_device *other = remote_device(test, "other", FAKE_COHERENT);
	struct shadowed *s = shadowed(test, PAGES);
	struct use *shared, *failed;

	/* Of 4 and 2 pages. */
	shared = use_part(test, s, other, DMA_BIDIRECTIONAL, 0, 6);
	failed = use_new(test, s);
	copy_limit_pages = 0;
	KUNIT_EXPECT_EQ(test, -ENOMEM,
			shadow_use(&s->shadow, fake->dev, DMA_BIDIRECTIONAL, 0,
				   PAGES, &failed->uses));
	KUNIT_EXPECT_EQ(test, 2, list_count_nodes(&failed->uses));
	KUNIT_EXPECT_EQ(test, 2 * 6, shadow_pages(&s->shadow));
	check_copies(test, s);
	use_drop(s, failed);
	KUNIT_EXPECT_EQ(test, 0, fake->nr_copies);
	KUNIT_EXPECT_EQ(test, 2 * 6, shadow_pages(&s->shadow));
	check_copies(test, s);
	copy_limit_pages = s->max;
	use_drop(s, shared);
	expect_no_copies(test, s);
}

static bool kill_and_reach(const struct page *page)
{
	set_killed(true);
	return fake_page_is_of_memfd(page);
}

/* Who is being killed gets no further copy, and those he has can be dropped. */
static void who_is_killed_gets_no_more_copies(struct kunit *test)
{
	struct fake_device *fake = remote_device(test, "dev", FAKE_COHERENT);
	struct shadowed *s = shadowed(test, 5);
	struct use *use = use_new(test, s);
	int ret;

	/* A copy of 4 pages, and none of the fifth. */
	fake->unreached = kill_and_reach;
	ret = shadow_use(&s->shadow, fake->dev, DMA_BIDIRECTIONAL, 0, 5,
			 &use->uses);
	set_killed(false);
	KUNIT_EXPECT_EQ(test, -EINTR, ret);
	KUNIT_EXPECT_EQ(test, 1, list_count_nodes(&use->uses));
	KUNIT_EXPECT_EQ(test, 2 * 4, shadow_pages(&s->shadow));
	use_drop(s, use);
	expect_no_copies(test, s);
}

static int try_use(struct shadowed *s, struct use *use,
		   struct fake_device *fake, enum dma_data_direction dir)
{
	int ret = shadow_use(&s->shadow, fake->dev, dir, 0, PAGES, &use->uses);

	if (ret)
		shadow_drop(&use->uses);
	return ret;
}

/* How many pages all copies have that there are already: of what was leaked. */
static unsigned long pages_of_others(struct kunit *test, struct shadowed *s,
				     struct fake_device *fake)
{
	struct use *use = use_new(test, s);
	unsigned long base = 0, limit = copy_limit_pages;

	for (;; base++) {
		copy_limit_pages = base + PAGES;
		if (!try_use(s, use, fake, DMA_TO_DEVICE))
			break;
		KUNIT_ASSERT_LT(test, base, 1000);
	}
	copy_limit_pages = limit;
	use_drop(s, use);
	return base;
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
	struct fake_device *one = remote_device(test, "one", kind);
	struct fake_device *two = remote_device(test, "two", kind);
	struct shadowed *s = shadowed(test, PAGES);
	unsigned long others = pages_of_others(test, s, two);
	struct use *left, *shares, *later;
	const struct copy *copy;
	void *memory;

	left = use_all(test, s, one, dir);
	shares = use_all(test, s, two, DMA_BIDIRECTIONAL);
	shadow_push(&s->shadow);
	copy = use_copy(left);
	memory = copy->vaddr;
	KUNIT_ASSERT_PTR_EQ(test, copy, use_copy(shares));
	shim_mark(one->shim);
	shadow_leak(&left->uses);
	KUNIT_EXPECT_TRUE(test, list_empty(&left->uses));
	KUNIT_EXPECT_EQ(test, 1, one->nr_copies);
	one->may_leak = true;
	check_copies(test, s);

	later = use_all(test, s, one, DMA_BIDIRECTIONAL);
	KUNIT_EXPECT_PTR_NE(test, copy, use_copy(later));
	use_store(two, shares, 0, 1);
	shadow_fetch(&s->shadow);
	KUNIT_EXPECT_EQ(test, 1, memory_get(s->mem, 0));
	shadow_push(&s->shadow);
	KUNIT_EXPECT_EQ(test, 1, use_load(one, later, 0));

	use_drop(s, shares);
	KUNIT_EXPECT_EQ(test, 1, list_count_nodes(&s->shadow.copies));
	KUNIT_EXPECT_EQ(test, 0, two->nr_copies);
	memory_set(s->mem, 0, 2);
	shadow_fetch(&s->shadow);
	shadow_push(&s->shadow);
	KUNIT_EXPECT_EQ(test, 2, use_load(one, later, 0));
	KUNIT_EXPECT_EQ(test, 1, *(u64 *)memory);
	KUNIT_EXPECT_EQ(test, 1, page_count(virt_to_page(memory)));
	use_drop(s, later);
	/* What is lost stays charged, the twin does not. */
	KUNIT_EXPECT_EQ(test, others + PAGES, pages_of_others(test, s, two));
	KUNIT_EXPECT_TRUE(test, list_empty(&s->shadow.copies));
	__free_pages(virt_to_page(memory), ilog2(PAGES));
	shadowed_end(test, s, one, two);
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
	struct fake_device *one = remote_device(test, "one", FAKE_NONCOHERENT);
	struct shadowed *s = shadowed(test, PAGES);
	unsigned int calls[SHIM_NR_FNS];
	struct use *left;
	void *memory;

	left = use_all(test, s, one, DMA_BIDIRECTIONAL);
	shadow_push(&s->shadow);
	memory = use_copy(left)->vaddr;
	one->may_leak = true;
	memcpy(calls, one->shim->calls, sizeof(calls));
	shadow_leak(&left->uses);
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

/*
 * All copies and twins of all buffers count, to the page. Over the bound there
 * is an error and a message, everything is given back, and what others have is
 * not touched.
 */
static void all_copies_and_twins_have_a_bound(struct kunit *test)
{
	struct fake_device *one = remote_device(test, "one", FAKE_COHERENT);
	struct fake_device *two = remote_device(test, "two", FAKE_NONCOHERENT);
	struct shadowed *s = shadowed(test, PAGES);
	struct shadowed *other = shadowed(test, PAGES);
	struct use *first = use_new(test, s), *second = use_new(test, s);
	struct use *third = use_new(test, other);
	unsigned long base;

	if (!IS_ENABLED(CONFIG_TRACEPOINTS))
		kunit_skip(test, "needs CONFIG_TRACEPOINTS, to hear messages");
	base = pages_of_others(test, s, one);
	/* A copy and its twin. */
	copy_limit_pages = base + 2 * PAGES - 1;
	count_messages(test);
	KUNIT_EXPECT_EQ(test, -ENOMEM,
			try_use(s, first, one, DMA_BIDIRECTIONAL));
	KUNIT_EXPECT_EQ(test, 1, nr_messages);
	expect_no_copies(test, s);
	KUNIT_EXPECT_EQ(test, 0, one->nr_copies);
	copy_limit_pages++;
	KUNIT_EXPECT_EQ(test, 0, try_use(s, first, one, DMA_BIDIRECTIONAL));
	KUNIT_EXPECT_EQ(test, 2 * PAGES, shadow_pages(&s->shadow));

	/* A second one of this buffer, and one of another. */
	KUNIT_EXPECT_EQ(test, -ENOMEM, try_use(s, second, two, DMA_TO_DEVICE));
	KUNIT_EXPECT_EQ(test, -ENOMEM,
			try_use(other, third, one, DMA_TO_DEVICE));
	KUNIT_EXPECT_EQ(test, 3, nr_messages);
	check_copies(test, s);
	KUNIT_EXPECT_EQ(test, 2 * PAGES, shadow_pages(&s->shadow));
	expect_no_copies(test, other);
	/* To share one costs nothing. */
	KUNIT_EXPECT_EQ(test, 0, try_use(s, second, one, DMA_BIDIRECTIONAL));
	use_drop(s, second);

	copy_limit_pages += PAGES;
	KUNIT_EXPECT_EQ(test, 0,
			try_use(other, third, one, DMA_TO_DEVICE));
	KUNIT_EXPECT_EQ(test, -ENOMEM, try_use(s, second, two, DMA_TO_DEVICE));
	/* A twin for what is there already. */
	KUNIT_EXPECT_EQ(test, -ENOMEM,
			try_use(other, use_new(test, other), one,
				DMA_BIDIRECTIONAL));
	check_copies(test, other);
	KUNIT_EXPECT_EQ(test, PAGES, shadow_pages(&other->shadow));
	use_drop(s, first);
	KUNIT_EXPECT_EQ(test, 0, try_use(s, second, two, DMA_TO_DEVICE));

	/* Lowered under what is there, it stops what is new. */
	copy_limit_pages = 0;
	use_drop(other, third);
	KUNIT_EXPECT_EQ(test, -ENOMEM,
			try_use(other, third, one, DMA_TO_DEVICE));
	check_copies(test, s);
	use_drop(s, second);
	copy_limit_pages = base;
	KUNIT_EXPECT_EQ(test, -ENOMEM,
			try_use(other, third, one, DMA_TO_DEVICE));
	copy_limit_pages = base + PAGES;
	KUNIT_EXPECT_EQ(test, 0,
			try_use(other, third, one, DMA_TO_DEVICE));
}

static int init(struct kunit *test)
{
	memory_watch_pins(test);
	return 0;
}

static struct kunit_case shadow_cases[] = {
	/* Before anything is leaked for good, which would cost a message each. */
	KUNIT_CASE(who_is_killed_gets_no_more_copies),
	KUNIT_CASE(all_copies_and_twins_have_a_bound),
	KUNIT_CASE(devices_that_reach_a_copy_share_it),
	KUNIT_CASE(what_is_out_of_reach_is_not_shared),
	KUNIT_CASE(a_devices_own_memory_is_not_shared),
	KUNIT_CASE(parts_that_are_alike_are_shared),
	KUNIT_CASE(pieces_are_as_large_as_there_is_memory),
	KUNIT_CASE(pages_cover_the_buffer),
	KUNIT_CASE(what_came_before_an_error_is_the_callers),
	KUNIT_CASE(a_copy_that_is_left_behind_stays),
	KUNIT_CASE(nothing_is_asked_of_who_is_gone),
	{ }
};

static struct kunit_suite shadow_suite = {
	.name = "udmabuf_fanout_shadow",
	.init = init,
	.test_cases = shadow_cases,
};

kunit_test_suite(shadow_suite);
