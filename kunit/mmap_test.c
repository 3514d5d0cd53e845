// SPDX-License-Identifier: GPL-2.0
/*
 * A buffer as the CPU sees it: mmap, vmap, and what becomes of the pages at
 * release. Each page of a memfd bears a stamp, and is looked for at its place
 * in the buffer, through user addresses and kernel addresses.
 *
 * Would miss: what a fault brings beside the page that is asked for
 * (page_fault_test.c), and mremap(), which the core keeps from growing one.
 */
#include <kunit/device.h>
#include <kunit/test.h>
#include <linux/dma-buf.h>
#include <linux/fs.h>
#include <linux/iosys-map.h>
#include <linux/mman.h>
#include <linux/mm.h>
#include <linux/pagemap.h>
#include <linux/prandom.h>
#include <linux/sizes.h>

#include "memory.h"
#include "user_map.h"

static int init(struct kunit *test)
{
	memory_watch_pins(test);
	user_map_init(test);
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

	user_map(test, mixed->dmabuf, USER_ADDR, 0, mixed->nr_pages);
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
		user_map(test, mixed->dmabuf, USER_ADDR, first, nr);
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
	user_map(test, dmabuf, USER_ADDR, 0, 600);
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
	struct folio *folio;
	struct page *page;
	unsigned int refs;

	user_map(test, dmabuf, USER_ADDR, 0, 2);
	folio = pfn_folio(memory_pfn(mem, 0));
	refs = folio_ref_count(folio);
	write_user(test, 0, 1);
	KUNIT_EXPECT_EQ(test, refs, folio_ref_count(folio));
	KUNIT_EXPECT_EQ(test, -EFAULT,
			get_user_pages_unlocked(USER_ADDR, 1, &page, 0));
	KUNIT_EXPECT_EQ(test, -EFAULT,
			pin_user_pages_unlocked(USER_ADDR, 1, &page,
						FOLL_WRITE));
}

/* mremap() would have pages of a mapping that are not in the buffer. */
static void a_mapping_cannot_grow(struct kunit *test)
{
	struct memory *mem = memory_shmem(test, 5);
	struct udmabuf_create_item item = memory_item(mem, 0, 5);
	struct dma_buf *dmabuf = memory_buffer(test, &item, 1);
	struct mm_struct *mm = current->mm;
	struct vm_area_struct *vma;

	user_map(test, dmabuf, USER_ADDR, 1, 2);
	mmap_read_lock(mm);
	vma = vma_lookup(mm, USER_ADDR);
	KUNIT_EXPECT_TRUE(test, vma && vma->vm_flags & VM_DONTEXPAND);
	mmap_read_unlock(mm);
}

/* Sizes have more than 32 bits. */
static void a_buffer_may_have_more_than_4_gib(struct kunit *test)
{
	const u32 pages = PMD_PAGES, nr = SZ_4G / PMD_SIZE + 1;
	struct udmabuf_create_item *items;
	struct dma_buf *dmabuf;
	struct memory *mem;
	u32 i;

	if (SIZE_MAX == U32_MAX)
		kunit_skip(test, "a size has 32 bits here");
	mem = memory_hugetlb(test, 1);
	items = kunit_kcalloc(test, nr, sizeof(*items), GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, items);
	for (i = 0; i < nr; i++)
		items[i] = memory_item(mem, 0, pages);
	dmabuf = memory_buffer(test, items, nr);
	KUNIT_EXPECT_EQ(test, (u64)nr * PMD_SIZE, dmabuf->size);
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
	user_map(test, dmabuf, USER_ADDR, 0, 1);
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
		folio = pfn_folio(memory_pfn(mem, i));
		KUNIT_ASSERT_FALSE(test, folio_test_dirty(folio));
	}

	memory_put_buffer(test, dmabuf);
	KUNIT_EXPECT_EQ(test, before, memory_pins());
	for (i = 0; i < 16; i++) {
		folio = pfn_folio(memory_pfn(mem, i));
		KUNIT_EXPECT_EQ(test, use->dirty, folio_test_dirty(folio));
	}
}

static struct kunit_case mmap_cases[] = {
	KUNIT_CASE(private_mappings_are_refused),
	KUNIT_CASE(every_page_is_the_right_one),
	KUNIT_CASE(every_page_of_hugetlb_is_the_right_one),
	KUNIT_CASE(an_offset_moves_the_mapping),
	KUNIT_CASE(a_mapping_keeps_the_pages),
	KUNIT_CASE(pages_of_a_mapping_cannot_be_taken),
	KUNIT_CASE(a_mapping_cannot_grow),
	KUNIT_CASE(a_buffer_may_have_more_than_4_gib),
	KUNIT_CASE(vmap_shows_every_page),
	KUNIT_CASE(vmap_shows_every_page_of_large_folios),
	KUNIT_CASE_PARAM(release_dirties_what_may_be_written, use_gen_params),
	{ }
};

static struct kunit_suite mmap_suite = {
	.name = "udmabuf_fanout_mmap",
	.init = init,
	.test_cases = mmap_cases,
};

kunit_test_suite(mmap_suite);
