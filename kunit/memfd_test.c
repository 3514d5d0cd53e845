// SPDX-License-Identifier: GPL-2.0
/*
 * The memory of a buffer: real memfds are pinned, and what driver/memfd.c says
 * about them is compared with what the page cache says, page by page and folio
 * by folio. Every test fails if it leaves a pin behind.
 *
 * Would miss: a folio that moves between pinning and looking it up here (it is
 * pinned, so it can't), memory that goes bad, and seals (seals_test.c).
 * Folios of more than a page only where there is hugetlbfs or THP, which UML
 * has not; a second memory zone only where the machine has one; memory on both
 * sides of a multiple of 4 GiB that is no border of zones.
 */
#include <kunit/static_stub.h>
#include <kunit/test.h>
#include <linux/fs.h>
#include <linux/mm.h>
#include <linux/pagemap.h>
#include <linux/prandom.h>

#include "../driver/bindings/bindings.h"
#include "../driver/memfd.h"
#include "memory.h"

#define ANY_SIZE	U64_MAX

/* What a test pins is unpinned when it ends. */
static void unpin(void *mem)
{
	extents_unpin(mem, false);
}

static struct extents *pin(struct kunit *test,
			   const struct udmabuf_create_item *items,
			   u32 nr_items)
{
	struct extents *mem = kunit_kzalloc(test, sizeof(*mem), GFP_KERNEL);

	KUNIT_ASSERT_NOT_NULL(test, mem);
	KUNIT_ASSERT_EQ(test, 0, extents_pin(mem, items, nr_items, ANY_SIZE));
	KUNIT_ASSERT_EQ(test, 0, kunit_add_action_or_reset(test, unpin, mem));
	return mem;
}

static bool touches(const struct extent *extent, struct folio *folio)
{
	return extent->pfn < folio_pfn(folio) + folio_nr_pages(folio) &&
	       folio_pfn(folio) < extent->pfn + extent->nr_pages;
}

/* The invariant of struct extents and of struct extent. */
static void check_invariants(struct kunit *test, const struct extents *mem)
{
	const struct extent *extent;
	u32 i, pgoff = 0, longest = 0;
	bool straddles = false;

	KUNIT_ASSERT_GE(test, mem->nr, 1);
	for (i = 0; i < mem->nr; i++) {
		extent = &mem->extent[i];
		KUNIT_ASSERT_GE(test, extent->nr_pages, 1);
		KUNIT_ASSERT_EQ(test, extent->pgoff, pgoff);
		KUNIT_ASSERT_PTR_EQ(test,
				    page_zone(pfn_to_page(extent->pfn)),
				    page_zone(pfn_to_page(extent->pfn +
							  extent->nr_pages -
							  1)));
		straddles |= extent->pfn / EXTENT_BOUNDARY !=
			     (extent->pfn + extent->nr_pages - 1) /
			     EXTENT_BOUNDARY;
		if (i && extent[-1].pfn + extent[-1].nr_pages == extent->pfn &&
		    extent->pfn % EXTENT_BOUNDARY)
			KUNIT_ASSERT_PTR_NE(test,
					    page_zone(pfn_to_page(extent[-1].pfn)),
					    page_zone(pfn_to_page(extent->pfn)));
		pgoff += extent->nr_pages;
		longest = max(longest, extent->nr_pages);
	}
	KUNIT_ASSERT_EQ(test, mem->nr_pages, pgoff);
	KUNIT_ASSERT_EQ(test, mem->longest, longest);
	KUNIT_ASSERT_EQ(test, mem->straddles, straddles);
}

/* One pin for each extent that touches the folio; nobody else has pinned it. */
static void check_folio_pins(struct kunit *test, const struct extents *mem,
			     struct folio *folio)
{
	u32 i, pins = 0;

	for (i = 0; i < mem->nr; i++)
		pins += touches(&mem->extent[i], folio);
	KUNIT_ASSERT_EQ(test, memory_folio_pins(folio), pins);
}

/* Compare with @nr_pages page frames, found through the page cache. */
static void check_extents(struct kunit *test, const struct extents *mem,
			  const unsigned long *pfn, u32 nr_pages)
{
	const struct extent *extent;
	u32 i;

	check_invariants(test, mem);
	KUNIT_ASSERT_EQ(test, mem->nr_pages, nr_pages);
	for (i = 0; i < nr_pages; i++) {
		extent = extents_find(mem, i);
		KUNIT_ASSERT_LE(test, extent->pgoff, i);
		KUNIT_ASSERT_LT(test, i, extent->pgoff + extent->nr_pages);
		KUNIT_ASSERT_EQ(test, extent->pfn + i - extent->pgoff, pfn[i]);
		if (!i || pfn_folio(pfn[i]) != pfn_folio(pfn[i - 1]))
			check_folio_pins(test, mem, pfn_folio(pfn[i]));
	}
}

/* Find two pages of @mem that touch: @low comes first in memory. */
static void find_neighbours(struct kunit *test, struct memory *mem, u32 *low,
			    u32 *high)
{
	for (*low = 0; *low < mem->nr_pages; ++*low)
		for (*high = 0; *high < mem->nr_pages; ++*high)
			if (memory_pfn(mem, *low) + 1 == memory_pfn(mem, *high))
				return;
	KUNIT_FAIL_AND_ABORT(test, "no two of %u pages touch", mem->nr_pages);
}

static int init(struct kunit *test)
{
	memory_watch_pins(test);
	return 0;
}

/* Extents. */

/* Two list items that touch in memory make one extent, with a pin a folio. */
static void items_that_touch_are_one_extent(struct kunit *test)
{
	struct memory *mem = memory_shmem(test, 256);
	struct udmabuf_create_item items[2];
	struct extents *extents;
	u32 low, high;

	memory_fill(test, mem);
	find_neighbours(test, mem, &low, &high);
	items[0] = memory_item(mem, low, 1);
	items[1] = memory_item(mem, high, 1);

	extents = pin(test, items, 2);
	KUNIT_ASSERT_EQ(test, extents->nr, 1);
	KUNIT_EXPECT_EQ(test, extents->extent[0].pfn, memory_pfn(mem, low));
	KUNIT_EXPECT_EQ(test, extents->extent[0].nr_pages, 2);
	KUNIT_EXPECT_EQ(test, extents->nr_pages, 2);
	check_folio_pins(test, extents, pfn_folio(memory_pfn(mem, low)));
	check_folio_pins(test, extents, pfn_folio(memory_pfn(mem, high)));
}

/* The same two in the other order do not: the buffer's order comes first. */
static void items_in_reverse_order_stay_apart(struct kunit *test)
{
	struct memory *mem = memory_shmem(test, 256);
	struct udmabuf_create_item items[2];
	struct extents *extents;
	u32 low, high;

	memory_fill(test, mem);
	find_neighbours(test, mem, &low, &high);
	items[0] = memory_item(mem, high, 1);
	items[1] = memory_item(mem, low, 1);

	extents = pin(test, items, 2);
	KUNIT_ASSERT_EQ(test, extents->nr, 2);
	KUNIT_EXPECT_EQ(test, extents->extent[0].pfn, memory_pfn(mem, high));
	KUNIT_EXPECT_EQ(test, extents->extent[1].pfn, memory_pfn(mem, low));
}

/*
 * A page that two items name has two pins: it has two places in the buffer,
 * which are never one extent.
 */
static void a_page_that_stands_twice_has_two_places(struct kunit *test)
{
	struct memory *mem = memory_shmem(test, 8);
	struct udmabuf_create_item items[3];
	struct extents *extents;

	memory_fill(test, mem);
	items[0] = memory_item(mem, 0, 4);
	items[1] = memory_item(mem, 6, 1);
	items[2] = memory_item(mem, 2, 1);

	extents = pin(test, items, 3);
	KUNIT_EXPECT_EQ(test, memory_pfn(mem, 2),
			extents_find(extents, 2)->pfn + 2 -
			extents_find(extents, 2)->pgoff);
	KUNIT_EXPECT_EQ(test, memory_pfn(mem, 2),
			extents_find(extents, 5)->pfn + 5 -
			extents_find(extents, 5)->pgoff);
	KUNIT_EXPECT_EQ(test,
			memory_folio_pins(pfn_folio(memory_pfn(mem, 2))), 2);
	KUNIT_EXPECT_EQ(test,
			memory_folio_pins(pfn_folio(memory_pfn(mem, 6))), 1);

	items[1] = memory_item(mem, 2, 1);
	extents = pin(test, items + 1, 2);
	KUNIT_EXPECT_EQ(test, extents->nr, 2);
	KUNIT_EXPECT_EQ(test,
			memory_folio_pins(pfn_folio(memory_pfn(mem, 2))), 4);
}

/*
 * A folio of many pages that two items meet in has one pin where they are one
 * extent, and two where they are not.
 */
static void check_items_in_one_folio(struct kunit *test, struct memory *mem)
{
	static const struct {
		u32 first[2];
		u32 nr_extents;
	} rows[] = {
		{ { 0, 10 }, 1 },
		{ { 50, 60 }, 1 },
		{ { 10, 0 }, 2 },
		{ { 0, 20 }, 2 },
		{ { 0, 9 }, 2 },
		{ { 0, 0 }, 2 },
	};
	struct udmabuf_create_item items[2];
	struct extents extents;
	struct folio *folio;
	u32 i;

	memory_fill(test, mem);
	folio = pfn_folio(memory_pfn(mem, 0));
	if (folio_nr_pages(folio) < 512)
		kunit_skip(test, "got folios of %lu pages, not of 512",
			   folio_nr_pages(folio));

	for (i = 0; i < ARRAY_SIZE(rows); i++) {
		items[0] = memory_item(mem, rows[i].first[0], 10);
		items[1] = memory_item(mem, rows[i].first[1], 10);
		KUNIT_ASSERT_EQ(test, 0,
				extents_pin(&extents, items, 2, ANY_SIZE));
		KUNIT_EXPECT_EQ_MSG(test, extents.nr, rows[i].nr_extents,
				    "row %u", i);
		KUNIT_EXPECT_EQ_MSG(test, memory_folio_pins(folio),
				    rows[i].nr_extents, "row %u", i);
		check_invariants(test, &extents);
		extents_unpin(&extents, false);
		KUNIT_EXPECT_EQ_MSG(test, memory_folio_pins(folio), 0,
				    "row %u", i);
	}
}

/* ... in hugetlb memory. */
static void items_that_meet_in_a_hugetlb_folio_share_its_pin(struct kunit *test)
{
	check_items_in_one_folio(test, memory_hugetlb(test, 1));
}

/* ... in a transparent huge page. */
static void items_that_meet_in_a_thp_share_its_pin(struct kunit *test)
{
	check_items_in_one_folio(test, memory_thp(test, 1));
}

/* Whole hugetlb folios are one extent each, or fewer. */
static void a_hugetlb_folio_is_one_extent_or_less(struct kunit *test)
{
	struct memory *mem = memory_hugetlb(test, 3);
	struct udmabuf_create_item item = memory_item(mem, 0, mem->nr_pages);
	struct extents *extents = pin(test, &item, 1);

	check_invariants(test, extents);
	KUNIT_EXPECT_LE(test, extents->nr, 3);
}

/* Pages that touch across the border of two zones, of nobody's file. */
static unsigned long border_pfn;

static long pin_at_border(struct file *memfd, loff_t start, loff_t end,
			  struct folio **folios, unsigned int max_folios,
			  unsigned long *offset)
{
	*offset = 0;
	folios[0] = pfn_folio(border_pfn - 1);
	folios[1] = pfn_folio(border_pfn);
	return 2;
}

static void unpin_nothing(struct folio *folio)
{
}

static bool find_zone_border(void)
{
	struct zone *zone;

	for_each_populated_zone(zone) {
		border_pfn = zone_end_pfn(zone);
		if (pfn_valid(border_pfn) && pfn_valid(border_pfn - 1) &&
		    page_zone(pfn_to_page(border_pfn - 1)) == zone &&
		    page_zone(pfn_to_page(border_pfn)) != zone &&
		    !PageCompound(pfn_to_page(border_pfn - 1)) &&
		    !PageCompound(pfn_to_page(border_pfn)))
			return true;
	}
	return false;
}

/*
 * H16: pages that touch in memory but lie in two zones are two extents. Only
 * their page frames and zones are looked at, so they are nobody's.
 */
static void extents_never_cross_zones(struct kunit *test)
{
	struct memory *mem = memory_shmem(test, 2);
	struct udmabuf_create_item item = memory_item(mem, 0, 2);
	struct extents extents;

	if (!find_zone_border())
		kunit_skip(test, "no two zones touch in this machine");
	kunit_activate_static_stub(test, bindings_memfd_pin_folios,
				   pin_at_border);
	kunit_activate_static_stub(test, bindings_unpin_folio, unpin_nothing);

	KUNIT_ASSERT_EQ(test, 0, extents_pin(&extents, &item, 1, ANY_SIZE));
	KUNIT_EXPECT_EQ(test, extents.nr, 2);
	KUNIT_EXPECT_EQ(test, extents.nr_pages, 2);
	extents_unpin(&extents, false);
}

/* Pages that no one has touched are allocated, once, and the file keeps them. */
static void holes_are_allocated(struct kunit *test)
{
	struct memory *mem = memory_shmem(test, 20);
	struct udmabuf_create_item item = memory_item(mem, 3, 10);
	struct extents *extents;
	u32 i;

	KUNIT_ASSERT_EQ(test, mem->file->f_mapping->nrpages, 0);
	extents = pin(test, &item, 1);
	KUNIT_EXPECT_EQ(test, mem->file->f_mapping->nrpages, 10);
	for (i = 0; i < 10; i++) {
		KUNIT_EXPECT_NE(test, memory_pfn(mem, 3 + i), 0);
		KUNIT_EXPECT_EQ(test, extents_find(extents, i)->pfn + i -
				      extents_find(extents, i)->pgoff,
				memory_pfn(mem, 3 + i));
		KUNIT_EXPECT_EQ(test, memory_get(mem, 3 + i), 0);
	}
	KUNIT_EXPECT_EQ(test, memory_pfn(mem, 2), 0);
	KUNIT_EXPECT_EQ(test, memory_pfn(mem, 13), 0);
}

/* Pinning goes in batches of 512 folios; where one ends must not show. */
static void batches_join_without_a_seam(struct kunit *test)
{
	static const u32 sizes[] = { 511, 512, 513, 1023, 1024, 1025, 1600 };
	struct memory *mem = memory_shmem(test, 1700);
	struct udmabuf_create_item item;
	struct extents extents;
	unsigned long *pfn;
	long before;
	u32 i, j;

	memory_fill(test, mem);
	pfn = kunit_kcalloc(test, mem->nr_pages, sizeof(*pfn), GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, pfn);
	before = memory_pins();

	for (i = 0; i < ARRAY_SIZE(sizes); i++) {
		item = memory_item(mem, 7, sizes[i]);
		for (j = 0; j < sizes[i]; j++)
			pfn[j] = memory_pfn(mem, 7 + j);
		KUNIT_ASSERT_EQ(test, 0,
				extents_pin(&extents, &item, 1, ANY_SIZE));
		KUNIT_EXPECT_EQ(test, memory_pins() - before, sizes[i]);
		check_extents(test, &extents, pfn, sizes[i]);
		extents_unpin(&extents, false);
		KUNIT_EXPECT_EQ(test, memory_pins(), before);
	}
}

#define MAX_ITEMS	8

/*
 * Random lists over all of @mems, some with pages twice, some that touch; what
 * is said about each is compared with the page cache.
 */
static void check_random_lists(struct kunit *test, struct memory **mems,
			       u32 nr_mems, u32 longest, u32 rounds)
{
	struct udmabuf_create_item items[MAX_ITEMS];
	u32 round, i, nr_items, nr_pages, first, len, page;
	struct extents extents;
	struct rnd_state rnd;
	struct memory *mem;
	unsigned long *pfn;

	pfn = kunit_kcalloc(test, MAX_ITEMS * longest, sizeof(*pfn),
			    GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, pfn);
	for (i = 0; i < nr_mems; i++)
		memory_fill(test, mems[i]);

	prandom_seed_state(&rnd, 20241117);
	for (round = 0; round < rounds; round++) {
		nr_items = 1 + prandom_u32_state(&rnd) % MAX_ITEMS;
		nr_pages = 0;
		page = 0;
		mem = mems[0];
		for (i = 0; i < nr_items; i++) {
			/* Every third goes on where the last one ended. */
			first = page;
			if (prandom_u32_state(&rnd) % 3 ||
			    first == mem->nr_pages) {
				mem = mems[prandom_u32_state(&rnd) % nr_mems];
				first = prandom_u32_state(&rnd) %
					mem->nr_pages;
			}
			len = 1 + prandom_u32_state(&rnd) %
				  min(longest, mem->nr_pages - first);
			items[i] = memory_item(mem, first, len);
			for (page = first; page < first + len; page++)
				pfn[nr_pages++] = memory_pfn(mem, page);
		}

		KUNIT_ASSERT_EQ(test, 0, extents_pin(&extents, items, nr_items,
						     nr_pages));
		check_extents(test, &extents, pfn, nr_pages);
		extents_unpin(&extents, false);
		for (i = 0; i < nr_pages; i++)
			KUNIT_ASSERT_EQ(test,
					memory_folio_pins(pfn_folio(pfn[i])), 0);
	}
}

/* The invariants hold for random lists of small pages. */
static void random_lists_keep_the_invariants(struct kunit *test)
{
	struct memory *mems[] = {
		memory_shmem(test, 1),
		memory_shmem(test, 30),
		memory_shmem(test, 100),
	};

	check_random_lists(test, mems, ARRAY_SIZE(mems), 20, 500);
}

/* ... and of hugetlb folios among them. */
static void random_lists_with_hugetlb_keep_the_invariants(struct kunit *test)
{
	struct memory *mems[] = {
		memory_hugetlb(test, 2),
		memory_shmem(test, 30),
		memory_hugetlb(test, 1),
	};

	check_random_lists(test, mems, ARRAY_SIZE(mems), 700, 20);
}

/* ... and of transparent huge pages among them. */
static void random_lists_with_thp_keep_the_invariants(struct kunit *test)
{
	struct memory *mems[] = {
		memory_shmem(test, 30),
		memory_thp(test, 2),
	};

	check_random_lists(test, mems, ARRAY_SIZE(mems), 700, 20);
}

/* H17. */

static unsigned int nr_unpinned_dirty, nr_unpinned_clean;

static void count_unpinned(struct folio *folio)
{
	if (folio_test_dirty(folio))
		nr_unpinned_dirty++;
	else
		nr_unpinned_clean++;
	unpin_folio(folio);
}

static void check_dirty(struct kunit *test, struct memory *mem, u32 nr_folios,
			bool written)
{
	struct udmabuf_create_item item = memory_item(mem, 0, mem->nr_pages);
	struct extents extents;
	struct folio *folio;
	u32 i;

	KUNIT_ASSERT_EQ(test, 0, extents_pin(&extents, &item, 1, ANY_SIZE));
	/* If this fails, the rest proves nothing. */
	for (i = 0; i < mem->nr_pages; i++) {
		folio = pfn_folio(memory_pfn(mem, i));
		KUNIT_ASSERT_FALSE(test, folio_test_dirty(folio));
	}

	nr_unpinned_dirty = 0;
	nr_unpinned_clean = 0;
	kunit_activate_static_stub(test, bindings_unpin_folio, count_unpinned);
	extents_unpin(&extents, written);
	KUNIT_EXPECT_EQ(test, nr_unpinned_dirty, written ? nr_folios : 0);
	KUNIT_EXPECT_EQ(test, nr_unpinned_clean, written ? 0 : nr_folios);
	for (i = 0; i < mem->nr_pages; i++) {
		folio = pfn_folio(memory_pfn(mem, i));
		KUNIT_EXPECT_EQ(test, written, folio_test_dirty(folio));
	}
	KUNIT_EXPECT_NULL(test, extents.extent);
	KUNIT_EXPECT_EQ(test, extents.nr, 0);
}

/* Folios that may have been written are dirty before they are unpinned. */
static void written_folios_are_dirty_before_they_are_unpinned(struct kunit *test)
{
	check_dirty(test, memory_shmem(test, 40), 40, true);
}

/* Folios that nobody wrote stay clean: reclaim need not write them. */
static void folios_nobody_wrote_stay_clean(struct kunit *test)
{
	check_dirty(test, memory_shmem(test, 40), 40, false);
}

/* A large folio is marked and unpinned once. */
static void a_large_folio_is_dirty_once(struct kunit *test)
{
	struct memory *mem = memory_thp(test, 1);

	memory_fill(test, mem);
	if (!folio_test_large(pfn_folio(memory_pfn(mem, 0))))
		kunit_skip(test, "got no large folio");
	check_dirty(test, mem, 1, true);
}

/* Pages outlive their file: its folios have no mapping to be dirty for. */
static void the_file_may_go_first(struct kunit *test)
{
	struct udmabuf_create_item item;
	struct extents extents;
	struct folio *folio;
	struct memory *mem;

	mem = memory_shmem(test, 600);
	item = memory_item(mem, 0, 600);
	KUNIT_ASSERT_EQ(test, 0, extents_pin(&extents, &item, 1, ANY_SIZE));
	folio = pfn_folio(memory_pfn(mem, 0));
	memory_drop(test, mem);
	KUNIT_ASSERT_NULL(test, folio->mapping);

	extents_unpin(&extents, true);
}

static struct kunit_case memfd_cases[] = {
	KUNIT_CASE(items_that_touch_are_one_extent),
	KUNIT_CASE(items_in_reverse_order_stay_apart),
	KUNIT_CASE(a_page_that_stands_twice_has_two_places),
	KUNIT_CASE(items_that_meet_in_a_hugetlb_folio_share_its_pin),
	KUNIT_CASE(items_that_meet_in_a_thp_share_its_pin),
	KUNIT_CASE(a_hugetlb_folio_is_one_extent_or_less),
	KUNIT_CASE(extents_never_cross_zones),
	KUNIT_CASE(holes_are_allocated),
	KUNIT_CASE(batches_join_without_a_seam),
	KUNIT_CASE(random_lists_keep_the_invariants),
	KUNIT_CASE(random_lists_with_hugetlb_keep_the_invariants),
	KUNIT_CASE(random_lists_with_thp_keep_the_invariants),
	KUNIT_CASE(written_folios_are_dirty_before_they_are_unpinned),
	KUNIT_CASE(folios_nobody_wrote_stay_clean),
	KUNIT_CASE(a_large_folio_is_dirty_once),
	KUNIT_CASE(the_file_may_go_first),
	{ }
};

static struct kunit_suite memfd_suite = {
	.name = "udmabuf_fanout_memfd",
	.init = init,
	.test_cases = memfd_cases,
};

kunit_test_suite(memfd_suite);
