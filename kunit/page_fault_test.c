// SPDX-License-Identifier: GPL-2.0
/*
 * What a fault brings: the page, its neighbours, a huge entry where there can
 * be one, and no page that went bad. The core refuses oversized mappings, so the
 * handlers are called by hand for what is past the end.
 *
 * Would miss: faults that race with each other, with munmap() or with who takes
 * mappings away (race_data_test.c). Huge entries only where there is hugetlbfs
 * and THP, which UML has not.
 */
#include <kunit/test.h>
#include <linux/mm.h>
#include <linux/page-flags.h>

#include "memory.h"
#include "user_map.h"

static int init(struct kunit *test)
{
	memory_watch_pins(test);
	user_map_init(test);
	return 0;
}

static void expect_fault(struct kunit *test, vm_fault_t want, u32 page,
			 pgoff_t pgoff, unsigned int order)
{
	vm_fault_t ret = user_fault(page, pgoff, order);

	KUNIT_EXPECT_TRUE_MSG(test, ret == want,
			      "order %u, page offset %lu: %#x, not %#x", order,
			      pgoff, (__force unsigned int)ret,
			      (__force unsigned int)want);
}

/* Small pages. */

/* Past the end there is nothing but SIGBUS, even if the mapping were longer. */
static void a_fault_past_the_end_is_sigbus(struct kunit *test)
{
	struct memory *mem = memory_shmem(test, 5);
	struct udmabuf_create_item item = memory_item(mem, 0, 5);
	struct dma_buf *dmabuf = memory_buffer(test, &item, 1);
	u32 i;

	user_map(test, dmabuf, USER_ADDR, 0, 5);
	expect_fault(test, VM_FAULT_SIGBUS, 0, 5, 0);
	expect_fault(test, VM_FAULT_SIGBUS, 0, 6, 0);
	expect_fault(test, VM_FAULT_SIGBUS, 0, 1UL << BITS_PER_LONG / 2, 0);
	expect_fault(test, VM_FAULT_SIGBUS, 0, ULONG_MAX, 0);
	for (i = 0; i < 5; i++)
		KUNIT_EXPECT_EQ(test, 0, mapped_pfn(i, NULL));

	expect_fault(test, VM_FAULT_NOPAGE, 4, 4, 0);
	KUNIT_EXPECT_EQ(test, memory_pfn(mem, 4), mapped_pfn(4, NULL));
}

#define BLOCK_ORDER	7
#define BLOCK_PAGES	BIT(BLOCK_ORDER)

/*
 * A fault brings pages around it, so that not each of them faults: from other
 * extents, too, which lie elsewhere in memory, never beyond the mapping, and each
 * in its place.
 */
static void a_fault_brings_the_right_neighbours(struct kunit *test)
{
	/* First page of the block, and how many: three extents. */
	static const u32 range[][2] = { { 20, 90 }, { 0, 15 }, { 115, 10 } };
	u32 first_of[ARRAY_SIZE(range)], extent_of[BLOCK_PAGES];
	struct udmabuf_create_item items[ARRAY_SIZE(range)];
	u32 i, page, other, nr = 0, mapped, most = 0, total;
	struct memory *mem = memory_shmem(test, BLOCK_PAGES);
	unsigned long first = memory_block(test, BLOCK_ORDER), pfn;
	struct dma_buf *dmabuf;

	for (i = 0; i < ARRAY_SIZE(range); i++) {
		items[i] = memory_item(mem, range[i][0], range[i][1]);
		first_of[i] = nr;
		for (page = 0; page < range[i][1]; page++)
			extent_of[nr++] = i;
	}
	dmabuf = memory_buffer(test, items, ARRAY_SIZE(range));

	/* All but the first page of the buffer and the last three. */
	total = nr - 4;
	for (page = 0; page < total; page++) {
		user_map(test, dmabuf, USER_ADDR, 1, total);
		read_user(test, page);
		mapped = 0;
		for (other = 0; other < total; other++) {
			pfn = mapped_pfn(other, NULL);
			if (!pfn)
				continue;
			mapped++;
			i = extent_of[other + 1];
			KUNIT_ASSERT_EQ_MSG(test, pfn,
					    first + range[i][0] + other + 1 -
					    first_of[i],
					    "page %u came with page %u", other,
					    page);
		}
		KUNIT_ASSERT_NE(test, 0, mapped_pfn(page, NULL));
		most = max(most, mapped);
		KUNIT_ASSERT_EQ(test, 0, vm_munmap(USER_ADDR,
						   (size_t)total << PAGE_SHIFT));
	}
	KUNIT_EXPECT_GE(test, most, 16);
	/* While the pages are there. */
	memory_put_buffer(test, dmabuf);
}

/* They begin with the mapping, which may begin anywhere in their block. */
static void neighbours_begin_with_the_mapping(struct kunit *test)
{
	struct memory *mem = memory_shmem(test, 20);
	struct udmabuf_create_item item = memory_item(mem, 0, 20);
	struct dma_buf *dmabuf;
	u32 page;

	memory_fill(test, mem);
	dmabuf = memory_buffer(test, &item, 1);
	user_map(test, dmabuf, USER_ADDR + 3 * PAGE_SIZE, 2, 8);
	read_user(test, 5);
	KUNIT_EXPECT_EQ(test, 0, mapped_pfn(2, NULL));
	for (page = 0; page < 8; page++)
		KUNIT_EXPECT_EQ(test, memory_pfn(mem, 2 + page),
				mapped_pfn(3 + page, NULL));
	KUNIT_EXPECT_EQ(test, 0, mapped_pfn(11, NULL));
}

/* A fault brings no neighbours past the end, even if the mapping had them. */
static void no_neighbours_past_the_end(struct kunit *test)
{
	struct memory *mem = memory_shmem(test, 5);
	struct udmabuf_create_item item = memory_item(mem, 0, 5);
	struct mm_struct *mm = current->mm;
	struct dma_buf *dmabuf;
	u32 i;

	dmabuf = memory_buffer(test, &item, 1);
	user_map(test, dmabuf, USER_ADDR, 0, 5);
	/* The core would not let a mapping begin at page 2. */
	mmap_write_lock(mm);
	vma_lookup(mm, USER_ADDR)->vm_pgoff = 2;
	mmap_write_unlock(mm);
	expect_fault(test, VM_FAULT_NOPAGE, 1, 3, 0);
	for (i = 0; i < 5; i++)
		KUNIT_EXPECT_EQ(test, i < 3 ? memory_pfn(mem, 2 + i) : 0,
				mapped_pfn(i, NULL));
	mmap_write_lock(mm);
	vma_lookup(mm, USER_ADDR)->vm_pgoff = 0;
	mmap_write_unlock(mm);
}

/* Huge entries. */

/* What a huge fault cannot map whole, it leaves to small ones. */
static void a_huge_fault_falls_back(struct kunit *test)
{
	struct memory *mem = memory_shmem(test, 8);
	struct udmabuf_create_item item = memory_item(mem, 0, 8);
	struct dma_buf *dmabuf = memory_buffer(test, &item, 1);

	user_map(test, dmabuf, USER_ADDR, 0, 8);
	expect_fault(test, VM_FAULT_FALLBACK, 0, 0, PMD_ORDER);
	expect_fault(test, VM_FAULT_FALLBACK, 0, 0, PUD_SHIFT - PAGE_SHIFT);
	expect_fault(test, VM_FAULT_FALLBACK, 0, 0, 1);
	KUNIT_EXPECT_EQ(test, 0, mapped_pfn(0, NULL));
}

/**
 * struct huge_row - a mapping of hugetlb memory, and whether PMDs can map it
 * @name: what is special
 * @skip: pages of the memory that the buffer leaves out at its start
 * @shift: pages by which the mapping's address is off
 * @first: where in the buffer the mapping begins
 * @nr_pages: its size
 * @huge: pages of the mapping that a PMD maps; all others have page tables
 */
struct huge_row {
	const char *name;
	u32 skip;
	u32 shift;
	u32 first;
	u32 nr_pages;
	u32 huge[2];
};

static const struct huge_row huge_rows[] = {
	{ "aligned", 0, 0, 0, 2 * PMD_PAGES, { 0, 2 * PMD_PAGES } },
	{ "address not aligned", 0, 1, 0, PMD_PAGES },
	{ "memory not aligned", 1, 0, 0, PMD_PAGES },
	{ "both by the same", 1, 1, 0, 2 * PMD_PAGES - 1,
	  { PMD_PAGES - 1, 2 * PMD_PAGES - 1 } },
	{ "offset not aligned", 0, 0, 3, PMD_PAGES },
	{ "offset and address", 0, 3, 3, 2 * PMD_PAGES - 3,
	  { PMD_PAGES - 3, 2 * PMD_PAGES - 3 } },
	{ "mapping ends early", 0, 0, 0, PMD_PAGES + 10, { 0, PMD_PAGES } },
	{ "mapping shorter than a PMD", 0, 0, 0, PMD_PAGES - 1 },
};

KUNIT_ARRAY_PARAM_DESC(huge_row, huge_rows, name);

/* Find two hugetlb pages that touch, so that they are one extent. */
static void find_huge_pair(struct kunit *test, struct memory *mem, u32 *low,
			   u32 *high)
{
	for (*low = 0; *low < mem->nr_pages; *low += PMD_PAGES)
		for (*high = 0; *high < mem->nr_pages; *high += PMD_PAGES)
			if (memory_pfn(mem, *low) + PMD_PAGES ==
			    memory_pfn(mem, *high))
				return;
	kunit_skip(test, "no two of %lu hugetlb pages touch",
		   mem->nr_pages / PMD_PAGES);
}

/*
 * Where address, buffer and memory agree, one fault brings a PMD; where they do
 * not, small pages come, and it is the right memory either way.
 */
static void hugetlb_memory_is_mapped_by_pmds(struct kunit *test)
{
	const struct huge_row *row = test->param_value;
	struct udmabuf_create_item items[2];
	u32 i, page, low, high, *at;
	struct dma_buf *dmabuf;
	struct memory *mem;
	bool huge;

	need_pmd_mappings(test);
	mem = memory_hugetlb_most(test, 8);
	memory_fill(test, mem);
	find_huge_pair(test, mem, &low, &high);
	items[0] = memory_item(mem, low + row->skip, PMD_PAGES - row->skip);
	items[1] = memory_item(mem, high, PMD_PAGES);
	dmabuf = memory_buffer(test, items, 2);

	/* The memfd's page behind each page of the mapping. */
	at = kunit_kcalloc(test, row->nr_pages, sizeof(*at), GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, at);
	for (i = 0; i < row->nr_pages; i++) {
		page = row->skip + row->first + i;
		at[i] = page < PMD_PAGES ? low + page : high + page - PMD_PAGES;
	}

	user_map(test, dmabuf, (unsigned long)user_page(row->shift),
		 row->first, row->nr_pages);
	for (i = 0; i < row->nr_pages; i++) {
		/* From the middle, so that what comes first is not aligned. */
		page = (i + row->nr_pages / 2 + 5) % row->nr_pages;
		KUNIT_ASSERT_EQ(test, memory_stamp(mem, at[page]),
				read_user(test, row->shift + page));
	}
	for (page = 0; page < row->nr_pages; page++) {
		KUNIT_ASSERT_EQ(test, memory_pfn(mem, at[page]),
				mapped_pfn(row->shift + page, &huge));
		KUNIT_ASSERT_EQ_MSG(test, huge,
				    page >= row->huge[0] && page < row->huge[1],
				    "page %u", page);
	}
}

/* A PMD would map what lies behind the extent instead of what comes next. */
static void a_short_extent_is_not_mapped_by_a_pmd(struct kunit *test)
{
	struct memory *mem = memory_hugetlb(test, 2);
	struct udmabuf_create_item items[] = {
		memory_item(mem, 0, 100),
		memory_item(mem, PMD_PAGES, PMD_PAGES),
	};
	struct dma_buf *dmabuf;

	memory_fill(test, mem);
	dmabuf = memory_buffer(test, items, ARRAY_SIZE(items));
	user_map(test, dmabuf, USER_ADDR, 0, 100 + PMD_PAGES);
	KUNIT_EXPECT_EQ(test, memory_stamp(mem, 0), read_user(test, 0));
	KUNIT_EXPECT_EQ(test, memory_stamp(mem, PMD_PAGES),
			read_user(test, 100));
}

/*
 * Two faults of one PMD at the same time: the small one was first, and the huge
 * one finds its page table.
 */
static void a_page_table_in_the_way_stays(struct kunit *test)
{
	struct dma_buf *dmabuf;
	struct memory *mem;
	bool huge;

	need_pmd_mappings(test);
	mem = memory_hugetlb(test, 1);
	memory_fill(test, mem);
	dmabuf = memory_buffer(test, (struct udmabuf_create_item[]) {
				       memory_item(mem, 0, PMD_PAGES) }, 1);
	user_map(test, dmabuf, USER_ADDR, 0, PMD_PAGES);
	expect_fault(test, VM_FAULT_NOPAGE, 3, 3, 0);
	expect_fault(test, VM_FAULT_NOPAGE, 3, 3, PMD_ORDER);
	KUNIT_EXPECT_EQ(test, memory_pfn(mem, 3), mapped_pfn(3, &huge));
	KUNIT_EXPECT_FALSE(test, huge);
	write_user(test, PMD_PAGES - 1, 7);
	KUNIT_EXPECT_EQ(test, 7, memory_get(mem, PMD_PAGES - 1));
}

/* Memory that went bad. */

static void heal(void *page)
{
	ClearPageHWPoison(page);
	if (PageCompound(page))
		folio_clear_has_hwpoisoned(page_folio((struct page *)page));
}

static void poison(struct kunit *test, struct memory *mem, u32 page)
{
	struct page *bad = pfn_to_page(memory_pfn(mem, page));

	if (!IS_ENABLED(CONFIG_MEMORY_FAILURE))
		kunit_skip(test, "needs CONFIG_MEMORY_FAILURE");
	/* As memory_failure() leaves it. */
	if (folio_test_hugetlb(page_folio(bad)))
		bad = folio_page(page_folio(bad), 0);
	else if (folio_test_large(page_folio(bad)))
		folio_set_has_hwpoisoned(page_folio(bad));
	SetPageHWPoison(bad);
	KUNIT_ASSERT_EQ(test, 0, kunit_add_action_or_reset(test, heal, bad));
}

/* A bad page is not mapped, neither for itself nor as a neighbour. */
static void bad_pages_are_not_mapped(struct kunit *test)
{
	struct memory *mem = memory_shmem(test, 16);
	struct udmabuf_create_item item = memory_item(mem, 0, 16);
	struct dma_buf *dmabuf;
	u32 page;

	memory_fill(test, mem);
	poison(test, mem, 5);
	dmabuf = memory_buffer(test, &item, 1);
	user_map(test, dmabuf, USER_ADDR, 0, 16);
	for (page = 0; page < 16; page++) {
		if (page == 5)
			continue;
		KUNIT_EXPECT_EQ(test, memory_stamp(mem, page),
				read_user(test, page));
	}
	KUNIT_EXPECT_EQ(test, 0, mapped_pfn(5, NULL));
	expect_fault(test, VM_FAULT_HWPOISON, 5, 5, 0);
	KUNIT_EXPECT_EQ(test, 0, mapped_pfn(5, NULL));
}

/* Of a hugetlb page none is, and no PMD; the next one is. */
static void bad_huge_pages_are_not_mapped(struct kunit *test)
{
	struct udmabuf_create_item item;
	struct dma_buf *dmabuf;
	struct memory *mem;

	mem = memory_hugetlb(test, 2);
	memory_fill(test, mem);
	poison(test, mem, 9);
	item = memory_item(mem, 0, mem->nr_pages);
	dmabuf = memory_buffer(test, &item, 1);
	user_map(test, dmabuf, USER_ADDR, 0, mem->nr_pages);
	expect_fault(test, VM_FAULT_FALLBACK, 4, 4, PMD_ORDER);
	expect_fault(test, VM_FAULT_HWPOISON, 4, 4, 0);
	KUNIT_EXPECT_EQ(test, 0, mapped_pfn(4, NULL));
	KUNIT_EXPECT_EQ(test, memory_stamp(mem, PMD_PAGES),
			read_user(test, PMD_PAGES));
}

static void check_bad_page_of_a_huge_one(struct kunit *test, u32 bad, u32 good)
{
	struct memory *mem = memory_thp(test, 1);
	struct udmabuf_create_item item = memory_item(mem, 0, mem->nr_pages);
	struct dma_buf *dmabuf;

	memory_fill(test, mem);
	if (!folio_test_large(pfn_folio(memory_pfn(mem, 0))))
		kunit_skip(test, "got no large folio");
	poison(test, mem, bad);
	dmabuf = memory_buffer(test, &item, 1);
	user_map(test, dmabuf, USER_ADDR, 0, mem->nr_pages);
	expect_fault(test, VM_FAULT_FALLBACK, 0, 0, PMD_ORDER);
	KUNIT_EXPECT_EQ(test, memory_stamp(mem, good), read_user(test, good));
	expect_fault(test, VM_FAULT_HWPOISON, bad, bad, 0);
}

/* ... nor where it is small pages that a PMD maps. */
static void a_bad_page_of_a_huge_one_is_not_mapped(struct kunit *test)
{
	check_bad_page_of_a_huge_one(test, PMD_PAGES - 1, 0);
}

/* ... of which the first one is one like any other. */
static void a_bad_first_page_of_a_huge_one_is_one_page(struct kunit *test)
{
	check_bad_page_of_a_huge_one(test, 0, 1);
}

/* ... and where a PMD maps small pages that lie side by side. */
static void a_bad_page_among_small_ones_is_not_mapped(struct kunit *test)
{
	struct memory *mem = memory_shmem(test, PMD_PAGES);
	struct udmabuf_create_item item = memory_item(mem, 0, PMD_PAGES);
	unsigned long first = memory_block(test, PMD_ORDER);
	struct page *bad = pfn_to_page(first + PMD_PAGES / 2);
	struct dma_buf *dmabuf;

	if (!IS_ENABLED(CONFIG_MEMORY_FAILURE))
		kunit_skip(test, "needs CONFIG_MEMORY_FAILURE");
	dmabuf = memory_buffer(test, &item, 1);
	user_map(test, dmabuf, USER_ADDR, 0, PMD_PAGES);
	SetPageHWPoison(bad);
	KUNIT_ASSERT_EQ(test, 0, kunit_add_action_or_reset(test, heal, bad));
	expect_fault(test, VM_FAULT_FALLBACK, 0, 0, PMD_ORDER);
	kunit_release_action(test, heal, bad);
	expect_fault(test, VM_FAULT_NOPAGE, 0, 0, PMD_ORDER);
	KUNIT_EXPECT_EQ(test, first, mapped_pfn(0, NULL));
	/* While the pages are there. */
	KUNIT_EXPECT_EQ(test, 0, vm_munmap(USER_ADDR, PMD_SIZE));
	memory_put_buffer(test, dmabuf);
}

static struct kunit_case page_fault_cases[] = {
	KUNIT_CASE(a_fault_past_the_end_is_sigbus),
	KUNIT_CASE(a_fault_brings_the_right_neighbours),
	KUNIT_CASE(neighbours_begin_with_the_mapping),
	KUNIT_CASE(no_neighbours_past_the_end),
	KUNIT_CASE(a_huge_fault_falls_back),
	KUNIT_CASE_PARAM(hugetlb_memory_is_mapped_by_pmds, huge_row_gen_params),
	KUNIT_CASE(a_short_extent_is_not_mapped_by_a_pmd),
	KUNIT_CASE(a_page_table_in_the_way_stays),
	KUNIT_CASE(bad_pages_are_not_mapped),
	KUNIT_CASE(bad_huge_pages_are_not_mapped),
	KUNIT_CASE(a_bad_page_of_a_huge_one_is_not_mapped),
	KUNIT_CASE(a_bad_first_page_of_a_huge_one_is_one_page),
	KUNIT_CASE(a_bad_page_among_small_ones_is_not_mapped),
	{ }
};

static struct kunit_suite page_fault_suite = {
	.name = "udmabuf_fanout_page_fault",
	.init = init,
	.test_cases = page_fault_cases,
};

kunit_test_suite(page_fault_suite);
