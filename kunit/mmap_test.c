// SPDX-License-Identifier: GPL-2.0
/*
 * A buffer as the CPU sees it: mmap, page faults, vmap, and what becomes of the
 * pages at release. Each page of a memfd bears a stamp, and is looked for at its
 * place in the buffer, through user addresses and kernel addresses; page tables
 * are read with follow_pfnmap_start().
 *
 * Would miss: faults that race with each other, with munmap() or with who takes
 * mappings away (race_test.c), and mremap(), which the core keeps from growing a
 * mapping. An oversized mapping is refused
 * by the core, so the fault handler is called by hand for what is past the end.
 * Huge faults only where there is hugetlbfs and THP, which UML has not.
 */
#include <kunit/device.h>
#include <kunit/static_stub.h>
#include <kunit/test.h>
#include <linux/completion.h>
#include <linux/dma-buf.h>
#include <linux/file.h>
#include <linux/fs.h>
#include <linux/iosys-map.h>
#include <linux/kthread.h>
#include <linux/mman.h>
#include <linux/mm.h>
#include <linux/pagemap.h>
#include <linux/prandom.h>
#include <linux/sizes.h>
#include <linux/uaccess.h>

#include "../driver/bindings/bindings.h"
#include "../driver/buffer.h"
#include "memory.h"

/* Where a test maps; the start of a PMD, and nothing else is there. */
#define USER_ADDR	0x60000000UL

static int init(struct kunit *test)
{
	unsigned long addr;

	memory_watch_pins(test);
	/* Brings the thread a memory map, as user space has one. */
	addr = kunit_vm_mmap(test, NULL, SZ_512M, PAGE_SIZE,
			     PROT_READ | PROT_WRITE,
			     MAP_PRIVATE | MAP_ANONYMOUS, 0);
	KUNIT_ASSERT_FALSE(test, !addr || IS_ERR_VALUE(addr));
	return 0;
}

/**
 * struct page_at - what stands at a page of a buffer
 * @mem: the memfd
 * @page: its page
 */
struct page_at {
	struct memory *mem;
	u32 page;
};

/**
 * struct mixed - a buffer of ranges of several memfds, in no order
 * @dmabuf: the buffer
 * @at: its pages
 * @order: the numbers of its pages, shuffled
 * @nr_pages: how many
 */
struct mixed {
	struct dma_buf *dmabuf;
	struct page_at *at;
	u32 *order;
	u32 nr_pages;
};

#define MAX_ITEMS	32

static struct mixed *mixed_buffer(struct kunit *test, struct memory **mems,
				  u32 nr_mems, u32 longest)
{
	struct udmabuf_create_item items[MAX_ITEMS];
	u32 i, first, len, page, other;
	struct mixed *mixed;
	struct rnd_state rnd;
	struct memory *mem;

	mixed = kunit_kzalloc(test, sizeof(*mixed), GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, mixed);
	mixed->at = kunit_kcalloc(test, MAX_ITEMS * longest, sizeof(*mixed->at),
				  GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, mixed->at);
	mixed->order = kunit_kcalloc(test, MAX_ITEMS * longest,
				     sizeof(*mixed->order), GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, mixed->order);
	for (i = 0; i < nr_mems; i++)
		memory_fill(test, mems[i]);

	prandom_seed_state(&rnd, 20241117);
	for (i = 0; i < MAX_ITEMS; i++) {
		mem = mems[prandom_u32_state(&rnd) % nr_mems];
		first = prandom_u32_state(&rnd) % mem->nr_pages;
		len = 1 + prandom_u32_state(&rnd) %
			  min(longest, mem->nr_pages - first);
		items[i] = memory_item(mem, first, len);
		for (page = first; page < first + len; page++)
			mixed->at[mixed->nr_pages++] = (struct page_at) {
				.mem = mem,
				.page = page,
			};
	}

	for (i = 0; i < mixed->nr_pages; i++) {
		other = prandom_u32_state(&rnd) % (i + 1);
		mixed->order[i] = mixed->order[other];
		mixed->order[other] = i;
	}
	mixed->dmabuf = memory_buffer(test, items, MAX_ITEMS);
	return mixed;
}

static void map(struct kunit *test, struct dma_buf *dmabuf, unsigned long addr,
		u32 first, u32 nr_pages)
{
	KUNIT_ASSERT_EQ(test, addr,
			vm_mmap(dmabuf->file, addr,
				(unsigned long)nr_pages << PAGE_SHIFT,
				PROT_READ | PROT_WRITE,
				MAP_SHARED | MAP_FIXED_NOREPLACE,
				(unsigned long)first << PAGE_SHIFT));
}

static void __user *user_page(u32 page)
{
	return (void __user *)(USER_ADDR + ((unsigned long)page << PAGE_SHIFT));
}

static u64 read_user(struct kunit *test, u32 page)
{
	u64 value;

	KUNIT_ASSERT_EQ_MSG(test, 0, copy_from_user(&value, user_page(page),
						    sizeof(value)),
			    "page %u", page);
	return value;
}

static void write_user(struct kunit *test, u32 page, u64 value)
{
	KUNIT_ASSERT_EQ_MSG(test, 0, copy_to_user(user_page(page), &value,
						  sizeof(value)),
			    "page %u", page);
}

static void expect_stamp(struct kunit *test, struct page_at at, u64 value)
{
	KUNIT_EXPECT_EQ_MSG(test, value, memory_stamp(at.mem, at.page),
			    "page %u of fd %d", at.page, at.mem->fd);
}

/* mmap. */

/* A private mapping would keep what it writes to itself. */
static void private_mappings_are_refused(struct kunit *test)
{
	struct memory *mem = memory_shmem(test, 2);
	struct udmabuf_create_item item = memory_item(mem, 0, 2);
	struct dma_buf *dmabuf = memory_buffer(test, &item, 1);

	KUNIT_EXPECT_EQ(test, -EINVAL,
			vm_mmap(dmabuf->file, USER_ADDR, PAGE_SIZE,
				PROT_READ | PROT_WRITE,
				MAP_PRIVATE | MAP_FIXED_NOREPLACE, 0));
	KUNIT_EXPECT_EQ(test, -EINVAL,
			vm_mmap(dmabuf->file, USER_ADDR, PAGE_SIZE, PROT_READ,
				MAP_PRIVATE | MAP_FIXED_NOREPLACE, 0));
}

/*
 * Pages that stand twice in the buffer have only one first word: the stamp is
 * what the last writer of any place left.
 */
static void check_every_page(struct kunit *test, struct mixed *mixed)
{
	u32 i, page;

	map(test, mixed->dmabuf, USER_ADDR, 0, mixed->nr_pages);
	for (i = 0; i < mixed->nr_pages; i++) {
		page = mixed->order[i];
		expect_stamp(test, mixed->at[page], read_user(test, page));
	}
	for (i = 0; i < mixed->nr_pages; i++) {
		page = mixed->order[i];
		write_user(test, page, ~(u64)page);
		KUNIT_EXPECT_EQ_MSG(test, ~(u64)page,
				    memory_get(mixed->at[page].mem,
					       mixed->at[page].page),
				    "page %u", page);
	}
	KUNIT_EXPECT_EQ(test, 0, vm_munmap(USER_ADDR, (size_t)mixed->nr_pages <<
						      PAGE_SHIFT));
}

/* Reads and writes at each page of the buffer reach that page of the memfds. */
static void every_page_is_the_right_one(struct kunit *test)
{
	struct memory *mems[] = {
		memory_shmem(test, 50),
		memory_shmem(test, 200),
		memory_shmem(test, 1),
	};

	check_every_page(test, mixed_buffer(test, mems, ARRAY_SIZE(mems), 30));
}

/* ... when some of it is hugetlb memory. */
static void every_page_of_hugetlb_is_the_right_one(struct kunit *test)
{
	struct memory *mems[] = {
		memory_hugetlb(test, 2),
		memory_shmem(test, 200),
	};

	check_every_page(test, mixed_buffer(test, mems, ARRAY_SIZE(mems), 200));
}

/* A mapping may begin anywhere in the buffer. */
static void an_offset_moves_the_mapping(struct kunit *test)
{
	struct memory *mems[] = {
		memory_shmem(test, 50),
		memory_shmem(test, 200),
	};
	struct mixed *mixed = mixed_buffer(test, mems, ARRAY_SIZE(mems), 10);
	u32 first, nr, i;

	for (first = 0; first < mixed->nr_pages; first += 7) {
		nr = min(mixed->nr_pages - first, 11);
		map(test, mixed->dmabuf, USER_ADDR, first, nr);
		for (i = nr; i--;)
			expect_stamp(test, mixed->at[first + i],
				     read_user(test, i));
		KUNIT_ASSERT_EQ(test, 0,
				vm_munmap(USER_ADDR, (size_t)nr << PAGE_SHIFT));
	}
}

/*
 * The memfd and every other reference to the buffer may go: the mapping keeps
 * the pages, and the last one to go gives back every pin.
 */
static void a_mapping_keeps_the_pages(struct kunit *test)
{
	long before = memory_pins();
	struct udmabuf_create_item item;
	struct dma_buf *dmabuf;
	struct memory *mem;
	u64 stamp;

	mem = memory_shmem(test, 600);
	memory_fill(test, mem);
	stamp = memory_stamp(mem, 0);
	item = memory_item(mem, 0, 600);
	dmabuf = memory_buffer(test, &item, 1);
	map(test, dmabuf, USER_ADDR, 0, 600);
	memory_drop(test, mem);

	KUNIT_EXPECT_EQ(test, stamp + 300, read_user(test, 300));
	write_user(test, 301, 1);
	KUNIT_EXPECT_EQ(test, 1, read_user(test, 301));
	KUNIT_EXPECT_EQ(test, 600, memory_pins() - before);

	KUNIT_EXPECT_EQ(test, 0, vm_munmap(USER_ADDR, 600 * PAGE_SIZE));
	KUNIT_EXPECT_EQ(test, 600, memory_pins() - before);
	memory_put_buffer(test, dmabuf);
	KUNIT_EXPECT_EQ(test, before, memory_pins());
}

/*
 * Pages of a mapping are not to be had as pages, neither to read nor to write:
 * who took one would keep it, and could pass it on, behind the memfd's back.
 */
static void pages_of_a_mapping_cannot_be_taken(struct kunit *test)
{
	struct memory *mem = memory_shmem(test, 2);
	struct udmabuf_create_item item = memory_item(mem, 0, 2);
	struct dma_buf *dmabuf = memory_buffer(test, &item, 1);
	struct page *page;
	unsigned int refs;

	map(test, dmabuf, USER_ADDR, 0, 2);
	refs = folio_ref_count(page_folio(pfn_to_page(memory_pfn(mem, 0))));
	write_user(test, 0, 1);
	KUNIT_EXPECT_EQ(test, refs,
			folio_ref_count(page_folio(pfn_to_page(memory_pfn(mem,
									  0)))));
	KUNIT_EXPECT_EQ(test, -EFAULT,
			get_user_pages_unlocked(USER_ADDR, 1, &page, 0));
	KUNIT_EXPECT_EQ(test, -EFAULT,
			pin_user_pages_unlocked(USER_ADDR, 1, &page,
						FOLL_WRITE));
}

/* Page tables. */

/* The page frame that stands in the page table of the current thread, or 0. */
static unsigned long mapped_pfn_locked(u32 page, bool *huge)
{
	struct follow_pfnmap_args args = {
		.address = (unsigned long)user_page(page),
	};
	unsigned long pfn = 0;

	mmap_assert_locked(current->mm);
	args.vma = vma_lookup(current->mm, args.address);
	if (args.vma && !follow_pfnmap_start(&args)) {
		pfn = args.pfn;
		if (huge)
			*huge = !args.ptep;
		follow_pfnmap_end(&args);
	}
	return pfn;
}

static unsigned long mapped_pfn(u32 page, bool *huge)
{
	unsigned long pfn;

	mmap_read_lock(current->mm);
	pfn = mapped_pfn_locked(page, huge);
	mmap_read_unlock(current->mm);
	return pfn;
}

/* Call a fault handler of the mapping, for a page that no access asks for. */
static void expect_fault(struct kunit *test, vm_fault_t want, u32 page,
			 pgoff_t pgoff, unsigned int order)
{
	unsigned long addr = (unsigned long)user_page(page);
	struct mm_struct *mm = current->mm;
	struct vm_area_struct *vma;
	vm_fault_t ret = 0;

	mmap_read_lock(mm);
	vma = vma_lookup(mm, addr);
	if (vma) {
		struct vm_fault vmf = {
			.vma = vma,
			.gfp_mask = GFP_KERNEL,
			.pgoff = pgoff,
			.address = addr,
			.real_address = addr,
			.pmd = pmd_off(mm, addr),
			.flags = FAULT_FLAG_USER | FAULT_FLAG_WRITE,
		};

		ret = order ? vma->vm_ops->huge_fault(&vmf, order) :
			      vma->vm_ops->fault(&vmf);
	}
	mmap_read_unlock(mm);
	KUNIT_ASSERT_NOT_NULL(test, vma);
	KUNIT_EXPECT_TRUE_MSG(test, ret == want,
			      "order %u, page offset %lu: %#x, not %#x", order,
			      pgoff, (__force unsigned int)ret,
			      (__force unsigned int)want);
}

/* Past the end there is nothing but SIGBUS, even if the mapping were longer. */
static void a_fault_past_the_end_is_sigbus(struct kunit *test)
{
	struct memory *mem = memory_shmem(test, 5);
	struct udmabuf_create_item item = memory_item(mem, 0, 5);
	struct dma_buf *dmabuf = memory_buffer(test, &item, 1);
	u32 i;

	map(test, dmabuf, USER_ADDR, 0, 5);
	expect_fault(test, VM_FAULT_SIGBUS, 0, 5, 0);
	expect_fault(test, VM_FAULT_SIGBUS, 0, 6, 0);
	expect_fault(test, VM_FAULT_SIGBUS, 0, 1UL << 32, 0);
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
		map(test, dmabuf, USER_ADDR, 1, total);
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

/* What a huge fault cannot map whole, it leaves to small ones. */
static void a_huge_fault_falls_back(struct kunit *test)
{
	struct memory *mem = memory_shmem(test, 8);
	struct udmabuf_create_item item = memory_item(mem, 0, 8);
	struct dma_buf *dmabuf = memory_buffer(test, &item, 1);

	map(test, dmabuf, USER_ADDR, 0, 8);
	expect_fault(test, VM_FAULT_FALLBACK, 0, 0, PMD_ORDER);
	expect_fault(test, VM_FAULT_FALLBACK, 0, 0, PUD_SHIFT - PAGE_SHIFT);
	expect_fault(test, VM_FAULT_FALLBACK, 0, 0, 1);
	KUNIT_EXPECT_EQ(test, 0, mapped_pfn(0, NULL));
}

#define PMD_PAGES	BIT(PMD_ORDER)

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

	if (!IS_ENABLED(CONFIG_TRANSPARENT_HUGEPAGE))
		kunit_skip(test, "no PMD mappings without CONFIG_TRANSPARENT_HUGEPAGE");
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

	map(test, dmabuf, (unsigned long)user_page(row->shift), row->first,
	    row->nr_pages);
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

/*
 * Two faults of one PMD at the same time: the small one was first, and the huge
 * one finds its page table.
 */
static void a_page_table_in_the_way_stays(struct kunit *test)
{
	struct dma_buf *dmabuf;
	struct memory *mem;
	bool huge;

	if (!IS_ENABLED(CONFIG_TRANSPARENT_HUGEPAGE))
		kunit_skip(test, "no PMD mappings without CONFIG_TRANSPARENT_HUGEPAGE");
	mem = memory_hugetlb(test, 1);
	memory_fill(test, mem);
	dmabuf = memory_buffer(test, (struct udmabuf_create_item[]) {
				       memory_item(mem, 0, PMD_PAGES) }, 1);
	map(test, dmabuf, USER_ADDR, 0, PMD_PAGES);
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
}

static void poison(struct kunit *test, struct memory *mem, u32 page)
{
	struct page *bad = pfn_to_page(memory_pfn(mem, page));

	if (!IS_ENABLED(CONFIG_MEMORY_FAILURE))
		kunit_skip(test, "needs CONFIG_MEMORY_FAILURE");
	/* As memory_failure() leaves it. */
	if (folio_test_hugetlb(page_folio(bad)))
		bad = folio_page(page_folio(bad), 0);
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
	map(test, dmabuf, USER_ADDR, 0, 16);
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
	map(test, dmabuf, USER_ADDR, 0, mem->nr_pages);
	expect_fault(test, VM_FAULT_FALLBACK, 4, 4, PMD_ORDER);
	expect_fault(test, VM_FAULT_HWPOISON, 4, 4, 0);
	KUNIT_EXPECT_EQ(test, 0, mapped_pfn(4, NULL));
	KUNIT_EXPECT_EQ(test, memory_stamp(mem, PMD_PAGES),
			read_user(test, PMD_PAGES));
}

/* ... nor where it is small pages that a PMD maps. */
static void a_bad_page_of_a_huge_one_is_not_mapped(struct kunit *test)
{
	struct memory *mem = memory_thp(test, 1);
	struct udmabuf_create_item item = memory_item(mem, 0, mem->nr_pages);
	struct dma_buf *dmabuf;

	memory_fill(test, mem);
	if (!folio_test_large(page_folio(pfn_to_page(memory_pfn(mem, 0)))))
		kunit_skip(test, "got no large folio");
	poison(test, mem, PMD_PAGES - 1);
	dmabuf = memory_buffer(test, &item, 1);
	map(test, dmabuf, USER_ADDR, 0, mem->nr_pages);
	expect_fault(test, VM_FAULT_FALLBACK, 0, 0, PMD_ORDER);
	KUNIT_EXPECT_EQ(test, memory_stamp(mem, 0), read_user(test, 0));
	expect_fault(test, VM_FAULT_HWPOISON, PMD_PAGES - 1, PMD_PAGES - 1, 0);
}

/* Mappings that are taken away. */

static struct cpu_mappings *mappings_of(struct dma_buf *dmabuf)
{
	struct fanout_buffer *buffer = dmabuf->priv;

	return &buffer->cpu;
}

static void take_and_allow(struct dma_buf *dmabuf)
{
	cpu_take_mappings(mappings_of(dmabuf));
	cpu_allow_faults(mappings_of(dmabuf));
}

/* Pages of the mapping at USER_ADDR that stand in page tables. */
static u32 count_mapped_locked(u32 nr_pages)
{
	u32 page, nr = 0;

	for (page = 0; page < nr_pages; page++)
		nr += !!mapped_pfn_locked(page, NULL);
	return nr;
}

static u32 count_mapped(u32 nr_pages)
{
	u32 nr;

	mmap_read_lock(current->mm);
	nr = count_mapped_locked(nr_pages);
	mmap_read_unlock(current->mm);
	return nr;
}

/*
 * Every mapping of a buffer is taken away, wherever it begins, and comes back by
 * faults, page by page, with what was stored; one of another buffer, or of the
 * memfd itself, stays.
 */
static void mappings_are_taken_and_come_back(struct kunit *test)
{
	struct memory *mem = memory_shmem(test, 40), *other = memory_shmem(test, 4);
	struct udmabuf_create_item items[] = {
		memory_item(mem, 20, 20),
		memory_item(mem, 0, 20),
		memory_item(other, 0, 4),
	};
	struct dma_buf *dmabuf, *another;
	unsigned long addr;
	u32 i, round;

	memory_fill(test, mem);
	memory_fill(test, other);
	dmabuf = memory_buffer(test, items, 2);
	another = memory_buffer(test, items + 2, 1);
	/* All of it, a part, another buffer, and the memfd. */
	map(test, dmabuf, USER_ADDR, 0, 40);
	map(test, dmabuf, (unsigned long)user_page(40), 15, 10);
	map(test, another, (unsigned long)user_page(50), 0, 4);
	addr = (unsigned long)user_page(54);
	KUNIT_ASSERT_EQ(test, addr,
			vm_mmap(mem->file, addr, PAGE_SIZE,
				PROT_READ | PROT_WRITE,
				MAP_SHARED | MAP_FIXED_NOREPLACE, 0));

	for (round = 0; round < 3; round++) {
		for (i = 0; i < 54; i++)
			read_user(test, i);
		write_user(test, 54, memory_stamp(mem, 0));
		write_user(test, 17, 1700 + round);
		KUNIT_ASSERT_EQ(test, 54, count_mapped(54));

		/* It comes before the lock of faults. */
		mmap_read_lock(current->mm);
		cpu_take_mappings(mappings_of(dmabuf));
		KUNIT_EXPECT_EQ(test, 0, count_mapped_locked(50));
		KUNIT_EXPECT_EQ(test, 54 - 50, count_mapped_locked(54));
		cpu_allow_faults(mappings_of(dmabuf));
		mmap_read_unlock(current->mm);

		KUNIT_EXPECT_EQ(test, memory_stamp(other, 3),
				read_user(test, 53));
		KUNIT_EXPECT_EQ(test, memory_stamp(mem, 0), read_user(test, 54));
		KUNIT_EXPECT_EQ(test, 0, count_mapped(50));
		KUNIT_EXPECT_EQ(test, 1700 + round, read_user(test, 17));
		KUNIT_EXPECT_EQ(test, 1700 + round, read_user(test, 42));
		KUNIT_EXPECT_EQ(test, memory_stamp(mem, 9), read_user(test, 29));
		KUNIT_EXPECT_EQ(test, memory_pfn(mem, 9), mapped_pfn(29, NULL));
	}
	KUNIT_EXPECT_EQ(test, 0, vm_munmap(addr, PAGE_SIZE));
}

/* A buffer that nobody has mapped, or not any more, has nothing to take. */
static void nothing_mapped_is_nothing_to_take(struct kunit *test)
{
	struct memory *mem = memory_shmem(test, 4);
	struct udmabuf_create_item item = memory_item(mem, 0, 4);
	struct dma_buf *dmabuf = memory_buffer(test, &item, 1);

	take_and_allow(dmabuf);
	map(test, dmabuf, USER_ADDR, 0, 4);
	take_and_allow(dmabuf);
	read_user(test, 0);
	KUNIT_EXPECT_EQ(test, 0, vm_munmap(USER_ADDR, 4 * PAGE_SIZE));
	take_and_allow(dmabuf);
}

/**
 * struct toucher - a thread of the same program that touches a page
 * @mm: the program
 * @started: it is about to touch it
 * @done: it has
 * @value: what it read, or what the handler returned
 */
struct toucher {
	struct mm_struct *mm;
	struct completion started;
	struct completion done;
	u64 value;
};

static int touch(void *data)
{
	struct toucher *toucher = data;

	kthread_use_mm(toucher->mm);
	complete(&toucher->started);
	if (copy_from_user(&toucher->value, user_page(0),
			   sizeof(toucher->value)))
		toucher->value = 0;
	kthread_unuse_mm(toucher->mm);
	complete(&toucher->done);
	return 0;
}

/* While mappings are taken away, who touches one waits, and then goes on. */
static void a_fault_waits_until_it_may(struct kunit *test)
{
	struct memory *mem = memory_shmem(test, 4);
	struct udmabuf_create_item item = memory_item(mem, 0, 4);
	struct toucher toucher = { .mm = current->mm };
	struct dma_buf *dmabuf;
	struct task_struct *task;
	bool early, late;

	memory_fill(test, mem);
	dmabuf = memory_buffer(test, &item, 1);
	map(test, dmabuf, USER_ADDR, 0, 4);
	read_user(test, 0);
	init_completion(&toucher.started);
	init_completion(&toucher.done);

	cpu_take_mappings(mappings_of(dmabuf));
	task = kthread_run(touch, &toucher, "toucher");
	if (IS_ERR(task)) {
		cpu_allow_faults(mappings_of(dmabuf));
		KUNIT_FAIL_AND_ABORT(test, "no thread: %pe", task);
	}
	wait_for_completion(&toucher.started);
	early = wait_for_completion_timeout(&toucher.done, HZ / 20 + 1);
	cpu_allow_faults(mappings_of(dmabuf));
	late = early || wait_for_completion_timeout(&toucher.done, 10 * HZ);
	/* It has @toucher. */
	if (!late)
		wait_for_completion(&toucher.done);
	KUNIT_EXPECT_FALSE(test, early);
	KUNIT_EXPECT_TRUE(test, late);
	KUNIT_EXPECT_EQ(test, memory_stamp(mem, 0), toucher.value);
}

/* Huge faults wait as well, whether there is a huge page for them or not. */
static int touch_huge(void *data)
{
	struct toucher *toucher = data;
	struct vm_area_struct *vma;

	mmap_read_lock(toucher->mm);
	vma = vma_lookup(toucher->mm, USER_ADDR);
	complete(&toucher->started);
	if (vma) {
		struct vm_fault vmf = {
			.vma = vma,
			.gfp_mask = GFP_KERNEL,
			.address = USER_ADDR,
			.real_address = USER_ADDR,
			.flags = FAULT_FLAG_USER,
		};

		toucher->value = (__force u64)
			vma->vm_ops->huge_fault(&vmf, PMD_ORDER);
	}
	mmap_read_unlock(toucher->mm);
	complete(&toucher->done);
	return 0;
}

static void a_huge_fault_waits_until_it_may(struct kunit *test)
{
	struct memory *mem = memory_shmem(test, 4);
	struct udmabuf_create_item item = memory_item(mem, 0, 4);
	struct dma_buf *dmabuf = memory_buffer(test, &item, 1);
	struct toucher toucher = { .mm = current->mm };
	struct task_struct *task;
	bool early;

	map(test, dmabuf, USER_ADDR, 0, 4);
	init_completion(&toucher.started);
	init_completion(&toucher.done);
	cpu_take_mappings(mappings_of(dmabuf));
	task = kthread_run(touch_huge, &toucher, "toucher");
	if (IS_ERR(task)) {
		cpu_allow_faults(mappings_of(dmabuf));
		KUNIT_FAIL_AND_ABORT(test, "no thread: %pe", task);
	}
	wait_for_completion(&toucher.started);
	early = wait_for_completion_timeout(&toucher.done, HZ / 20 + 1);
	cpu_allow_faults(mappings_of(dmabuf));
	if (!early)
		wait_for_completion(&toucher.done);
	KUNIT_EXPECT_FALSE(test, early);
	KUNIT_EXPECT_EQ(test, (__force u64)VM_FAULT_FALLBACK, toucher.value);
}

/* Huge entries are taken, and are huge when they come back. */
static void pmds_are_taken_and_come_back(struct kunit *test)
{
	struct memory *mem;
	struct udmabuf_create_item item;
	struct dma_buf *dmabuf;
	unsigned int round;
	bool huge;

	if (!IS_ENABLED(CONFIG_TRANSPARENT_HUGEPAGE))
		kunit_skip(test, "no PMD mappings without CONFIG_TRANSPARENT_HUGEPAGE");
	mem = memory_hugetlb(test, 1);
	item = memory_item(mem, 0, PMD_PAGES);
	memory_fill(test, mem);
	dmabuf = memory_buffer(test, &item, 1);
	map(test, dmabuf, USER_ADDR, 0, PMD_PAGES);
	for (round = 0; round < 3; round++) {
		KUNIT_EXPECT_EQ(test, memory_stamp(mem, 7), read_user(test, 7));
		write_user(test, 8, 80 + round);
		KUNIT_EXPECT_EQ(test, memory_pfn(mem, 9), mapped_pfn(9, &huge));
		KUNIT_EXPECT_TRUE(test, huge);
		take_and_allow(dmabuf);
		KUNIT_EXPECT_EQ(test, 0, count_mapped(PMD_PAGES));
		KUNIT_EXPECT_EQ(test, 80 + round, read_user(test, 8));
	}
}

/* vmap. */

static void check_vmap(struct kunit *test, struct mixed *mixed)
{
	struct iosys_map map;
	u64 *word;
	u32 page;

	KUNIT_ASSERT_EQ(test, 0, dma_buf_vmap_unlocked(mixed->dmabuf, &map));
	KUNIT_EXPECT_FALSE(test, map.is_iomem);
	for (page = 0; page < mixed->nr_pages; page++) {
		word = map.vaddr + ((size_t)page << PAGE_SHIFT);
		expect_stamp(test, mixed->at[page], *word);
	}
	for (page = 0; page < mixed->nr_pages; page++) {
		word = map.vaddr + ((size_t)page << PAGE_SHIFT);
		*word = ~(u64)page;
		KUNIT_EXPECT_EQ_MSG(test, ~(u64)page,
				    memory_get(mixed->at[page].mem,
					       mixed->at[page].page),
				    "page %u", page);
	}
	dma_buf_vunmap_unlocked(mixed->dmabuf, &map);
	KUNIT_EXPECT_FALSE(test, iosys_map_is_set(&mixed->dmabuf->vmap_ptr));
}

/* A kernel mapping shows each page of the buffer in its place. */
static void vmap_shows_every_page(struct kunit *test)
{
	struct memory *mems[] = {
		memory_shmem(test, 50),
		memory_shmem(test, 200),
	};
	struct mixed *mixed = mixed_buffer(test, mems, ARRAY_SIZE(mems), 30);

	check_vmap(test, mixed);
}

/* ... of large folios not only the first one (the stock driver's old bug). */
static void vmap_shows_every_page_of_large_folios(struct kunit *test)
{
	struct memory *mems[] = {
		memory_hugetlb(test, 2),
		memory_shmem(test, 200),
	};

	check_vmap(test, mixed_buffer(test, mems, ARRAY_SIZE(mems), 200));
}

/* Release. */

/* What has been done to a buffer before it is released. */
struct use {
	const char *name;
	void (*use)(struct kunit *test, struct dma_buf *dmabuf);
	bool dirty;
};

static void do_nothing(struct kunit *test, struct dma_buf *dmabuf)
{
}

static void do_mmap_and_write(struct kunit *test, struct dma_buf *dmabuf)
{
	map(test, dmabuf, USER_ADDR, 0, 1);
	write_user(test, 0, 1);
	KUNIT_EXPECT_EQ(test, 0, vm_munmap(USER_ADDR, PAGE_SIZE));
}

/* It may be made writable later, by mprotect(). */
static void do_mmap_to_read(struct kunit *test, struct dma_buf *dmabuf)
{
	KUNIT_ASSERT_EQ(test, USER_ADDR,
			vm_mmap(dmabuf->file, USER_ADDR, PAGE_SIZE, PROT_READ,
				MAP_SHARED | MAP_FIXED_NOREPLACE, 0));
	KUNIT_EXPECT_EQ(test, 0, vm_munmap(USER_ADDR, PAGE_SIZE));
}

/* ... unless the file is not open for writing, as an importer's may be. */
static void do_mmap_only_to_read(struct kunit *test, struct dma_buf *dmabuf)
{
	dmabuf->file->f_mode &= ~FMODE_WRITE;
	do_mmap_to_read(test, dmabuf);
	dmabuf->file->f_mode |= FMODE_WRITE;
}

static void do_vmap(struct kunit *test, struct dma_buf *dmabuf)
{
	struct iosys_map map;

	KUNIT_ASSERT_EQ(test, 0, dma_buf_vmap_unlocked(dmabuf, &map));
	dma_buf_vunmap_unlocked(dmabuf, &map);
}

static void do_cpu_read(struct kunit *test, struct dma_buf *dmabuf)
{
	KUNIT_EXPECT_EQ(test, 0,
			dma_buf_begin_cpu_access(dmabuf, DMA_FROM_DEVICE));
	KUNIT_EXPECT_EQ(test, 0,
			dma_buf_end_cpu_access(dmabuf, DMA_FROM_DEVICE));
}

static void do_cpu_write(struct kunit *test, struct dma_buf *dmabuf)
{
	KUNIT_EXPECT_EQ(test, 0,
			dma_buf_begin_cpu_access(dmabuf, DMA_TO_DEVICE));
	KUNIT_EXPECT_EQ(test, 0, dma_buf_end_cpu_access(dmabuf, DMA_TO_DEVICE));
}

static void do_device(struct kunit *test, struct dma_buf *dmabuf,
		      enum dma_data_direction dir)
{
	struct device *dev = kunit_device_register(test, "device");
	struct dma_buf_attachment *attachment;
	struct sg_table *sgt;

	KUNIT_ASSERT_NOT_ERR_OR_NULL(test, dev);
	attachment = dma_buf_attach(dmabuf, dev);
	KUNIT_ASSERT_NOT_ERR_OR_NULL(test, attachment);
	sgt = dma_buf_map_attachment_unlocked(attachment, dir);
	KUNIT_EXPECT_NOT_ERR_OR_NULL(test, sgt);
	if (!IS_ERR_OR_NULL(sgt))
		dma_buf_unmap_attachment_unlocked(attachment, sgt, dir);
	dma_buf_detach(dmabuf, attachment);
}

static void do_device_read(struct kunit *test, struct dma_buf *dmabuf)
{
	do_device(test, dmabuf, DMA_TO_DEVICE);
}

static void do_device_write(struct kunit *test, struct dma_buf *dmabuf)
{
	do_device(test, dmabuf, DMA_FROM_DEVICE);
}

static void do_device_both(struct kunit *test, struct dma_buf *dmabuf)
{
	do_device(test, dmabuf, DMA_BIDIRECTIONAL);
}

static const struct use uses[] = {
	{ "nothing", do_nothing, false },
	{ "mmap, written", do_mmap_and_write, true },
	{ "mmap to read", do_mmap_to_read, true },
	{ "mmap never to write", do_mmap_only_to_read, false },
	{ "vmap", do_vmap, true },
	{ "CPU access to read", do_cpu_read, false },
	{ "CPU access to write", do_cpu_write, true },
	{ "a device that reads", do_device_read, false },
	{ "a device that writes", do_device_write, true },
	{ "a device that does both", do_device_both, true },
};

KUNIT_ARRAY_PARAM_DESC(use, uses, name);

/*
 * H17: after all that can have written the memory, release leaves the folios
 * dirty; after all that cannot, it leaves them clean. All pins come back.
 */
static void release_dirties_what_may_be_written(struct kunit *test)
{
	const struct use *use = test->param_value;
	struct memory *mem = memory_shmem(test, 16);
	struct udmabuf_create_item item = memory_item(mem, 0, 16);
	long before = memory_pins();
	struct dma_buf *dmabuf;
	struct folio *folio;
	u32 i;

	dmabuf = memory_buffer(test, &item, 1);
	KUNIT_EXPECT_EQ(test, 16, memory_pins() - before);
	use->use(test, dmabuf);
	for (i = 0; i < 16; i++) {
		folio = page_folio(pfn_to_page(memory_pfn(mem, i)));
		KUNIT_ASSERT_FALSE(test, folio_test_dirty(folio));
	}

	memory_put_buffer(test, dmabuf);
	KUNIT_EXPECT_EQ(test, before, memory_pins());
	for (i = 0; i < 16; i++) {
		folio = page_folio(pfn_to_page(memory_pfn(mem, i)));
		KUNIT_EXPECT_EQ(test, use->dirty, folio_test_dirty(folio));
	}
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
	map(test, dmabuf, USER_ADDR, 0, 5);
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

/* mremap() would have pages of a mapping that are not in the buffer. */
static void a_mapping_cannot_grow(struct kunit *test)
{
	struct memory *mem = memory_shmem(test, 5);
	struct udmabuf_create_item item = memory_item(mem, 0, 5);
	struct dma_buf *dmabuf = memory_buffer(test, &item, 1);
	struct mm_struct *mm = current->mm;
	struct vm_area_struct *vma;

	map(test, dmabuf, USER_ADDR, 1, 2);
	mmap_read_lock(mm);
	vma = vma_lookup(mm, USER_ADDR);
	KUNIT_EXPECT_TRUE(test, vma && vma->vm_flags & VM_DONTEXPAND);
	mmap_read_unlock(mm);
}

/* ... whose first page is anywhere in the block that they are looked for in. */
static void neighbours_begin_with_the_mapping(struct kunit *test)
{
	struct memory *mem = memory_shmem(test, 20);
	struct udmabuf_create_item item = memory_item(mem, 0, 20);
	struct dma_buf *dmabuf;
	u32 page;

	memory_fill(test, mem);
	dmabuf = memory_buffer(test, &item, 1);
	map(test, dmabuf, USER_ADDR + 3 * PAGE_SIZE, 2, 8);
	read_user(test, 5);
	KUNIT_EXPECT_EQ(test, 0, mapped_pfn(2, NULL));
	for (page = 0; page < 8; page++)
		KUNIT_EXPECT_EQ(test, memory_pfn(mem, 2 + page),
				mapped_pfn(3 + page, NULL));
	KUNIT_EXPECT_EQ(test, 0, mapped_pfn(11, NULL));
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
	map(test, dmabuf, USER_ADDR, 0, 100 + PMD_PAGES);
	KUNIT_EXPECT_EQ(test, memory_stamp(mem, 0), read_user(test, 0));
	KUNIT_EXPECT_EQ(test, memory_stamp(mem, PMD_PAGES),
			read_user(test, 100));
}

/* Sizes have more than 32 bits. */
static void a_buffer_may_have_more_than_4_gib(struct kunit *test)
{
	const u32 pages = 1 << PMD_ORDER, nr = SZ_4G / PMD_SIZE + 1;
	struct memory *mem = memory_hugetlb(test, 1);
	struct udmabuf_create_item *items;
	struct dma_buf *dmabuf;
	u32 i;

	items = kunit_kcalloc(test, nr, sizeof(*items), GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, items);
	for (i = 0; i < nr; i++)
		items[i] = memory_item(mem, 0, pages);
	dmabuf = memory_buffer(test, items, nr);
	KUNIT_EXPECT_EQ(test, (u64)nr * PMD_SIZE, dmabuf->size);
}

static struct kunit_case mmap_cases[] = {
	KUNIT_CASE(private_mappings_are_refused),
	KUNIT_CASE(every_page_is_the_right_one),
	KUNIT_CASE(every_page_of_hugetlb_is_the_right_one),
	KUNIT_CASE(an_offset_moves_the_mapping),
	KUNIT_CASE(a_mapping_keeps_the_pages),
	KUNIT_CASE(pages_of_a_mapping_cannot_be_taken),
	KUNIT_CASE(a_fault_past_the_end_is_sigbus),
	KUNIT_CASE(a_fault_brings_the_right_neighbours),
	KUNIT_CASE(a_huge_fault_falls_back),
	KUNIT_CASE_PARAM(hugetlb_memory_is_mapped_by_pmds, huge_row_gen_params),
	KUNIT_CASE(a_page_table_in_the_way_stays),
	KUNIT_CASE(bad_pages_are_not_mapped),
	KUNIT_CASE(bad_huge_pages_are_not_mapped),
	KUNIT_CASE(a_bad_page_of_a_huge_one_is_not_mapped),
	KUNIT_CASE(mappings_are_taken_and_come_back),
	KUNIT_CASE(nothing_mapped_is_nothing_to_take),
	KUNIT_CASE(a_fault_waits_until_it_may),
	KUNIT_CASE(a_huge_fault_waits_until_it_may),
	KUNIT_CASE(pmds_are_taken_and_come_back),
	KUNIT_CASE(vmap_shows_every_page),
	KUNIT_CASE(vmap_shows_every_page_of_large_folios),
	KUNIT_CASE_PARAM(release_dirties_what_may_be_written, use_gen_params),
	KUNIT_CASE(no_neighbours_past_the_end),
	KUNIT_CASE(a_mapping_cannot_grow),
	KUNIT_CASE(neighbours_begin_with_the_mapping),
	KUNIT_CASE(a_short_extent_is_not_mapped_by_a_pmd),
	KUNIT_CASE(a_buffer_may_have_more_than_4_gib),
	{ }
};

static struct kunit_suite mmap_suite = {
	.name = "udmabuf_fanout_mmap",
	.init = init,
	.test_cases = mmap_cases,
};

kunit_test_suite(mmap_suite);
