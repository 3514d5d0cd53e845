// SPDX-License-Identifier: GPL-2.0
/*
 * Races for the data: whatever is begun, ended, mapped and unmapped meanwhile, no
 * store is lost, and no page is another one. Where a store could be lost to a
 * cache there is one, written here, for most machines snoop.
 *
 * Would miss: stores of real devices and of user space (the rig has both), and
 * all that one CPU cannot do at once.
 */
#include <kunit/static_stub.h>
#include <kunit/test.h>
#include <linux/dma-buf.h>
#include <linux/dma-direct.h>
#include <linux/highmem.h>
#include <linux/kthread.h>
#include <linux/mman.h>
#include <linux/mm.h>
#include <linux/pagemap.h>
#include <linux/sched/mm.h>
#include <linux/sched/signal.h>
#include <linux/uaccess.h>

#include "../driver/bindings/bindings.h"
#include "../driver/buffer.h"
#include "memory.h"
#include "racers.h"

/* Page faults. */

#define MAPPED_PAGES	100

/* The memory map that racers share, and what stands in the buffer. */
static struct {
	struct mm_struct *mm;
	struct memory *mem;
} mapped;

static void map_all(struct race *race)
{
	KUNIT_EXPECT_EQ(race->test, USER_ADDR,
			vm_mmap(race->dmabuf->file, USER_ADDR,
				MAPPED_PAGES << PAGE_SHIFT,
				PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED,
				0));
}

static void map_user(struct racer *racer)
{
	kthread_use_mm(mapped.mm);
	map_all(racer->race);
	racer_pause(racer);
	if (racer_dice(racer, 2))
		vm_munmap(USER_ADDR + racer_dice(racer, MAPPED_PAGES) * PAGE_SIZE,
			  PAGE_SIZE);
	kthread_unuse_mm(mapped.mm);
}

/* A page is the right one or is not there. */
static void touch_user(struct racer *racer)
{
	u32 page = racer_dice(racer, MAPPED_PAGES);
	u64 stamp = memory_stamp(mapped.mem, page), value = stamp;
	void __user *at = (void __user *)(USER_ADDR + page * PAGE_SIZE);

	kthread_use_mm(mapped.mm);
	if (racer_dice(racer, 2)) {
		if (!copy_from_user(&value, at, sizeof(value)))
			racer->steps++;
		else
			value = stamp;
	} else if (!copy_to_user(at, &stamp, sizeof(stamp))) {
		racer->steps++;
	}
	kthread_unuse_mm(mapped.mm);
	KUNIT_EXPECT_EQ(racer->race->test, stamp, value);
}

/* Two threads fault while a third maps and unmaps under their feet. */
static void faults_and_unmaps_race(struct kunit *test)
{
	struct memory *mem = memory_shmem(test, MAPPED_PAGES);
	struct udmabuf_create_item item = memory_item(mem, 0, MAPPED_PAGES);
	struct race *race = test->priv;
	struct dma_buf *before = race->dmabuf;
	unsigned int i, touched;
	unsigned long addr;

	memory_fill(test, mem);
	race->dmabuf = memory_buffer(test, &item, 1);
	/* Brings the thread a memory map. */
	addr = kunit_vm_mmap(test, NULL, 0, PAGE_SIZE, PROT_READ,
			     MAP_PRIVATE | MAP_ANONYMOUS, 0);
	KUNIT_ASSERT_FALSE(test, !addr || IS_ERR_VALUE(addr));
	mapped.mm = current->mm;
	mapped.mem = mem;
	map_all(race);

	race_add(race, map_user, 40);
	race_add(race, touch_user, 400);
	race_add(race, touch_user, 400);
	race_start(race);
	race_await(race);
	touched = race->racer[1].steps + race->racer[2].steps;
	race_stop(race);
	vm_munmap(USER_ADDR, MAPPED_PAGES << PAGE_SHIFT);
	KUNIT_EXPECT_GT(test, touched, 0);
	for (i = 0; i < MAPPED_PAGES; i++)
		KUNIT_EXPECT_EQ(test, memory_stamp(mem, i), memory_get(mem, i));
	race->dmabuf = before;
}

/* A cache. */

/*
 * Memory behind the CPU's cache, which is what the buffer's pages hold: a device
 * that does not snoop reads and writes here. Lines are pages.
 */
static struct {
	unsigned long pfn[PAGES];
	u8 memory[PAGES][PAGE_SIZE];
	unsigned int flushed;
} cache;

static void *cached_page(u32 page)
{
	return page_address(pfn_to_page(cache.pfn[page]));
}

/* Other threads have a go whenever something was done. */
static void clean(unsigned long pfn, u32 nr_pages)
{
	u32 i;

	for (i = 0; i < PAGES; i++)
		if (cache.pfn[i] >= pfn && cache.pfn[i] < pfn + nr_pages)
			memcpy(cache.memory[i], cached_page(i), PAGE_SIZE);
	race_give_way();
}

static void invalidate(unsigned long pfn, u32 nr_pages)
{
	u32 i;

	race_give_way();
	for (i = 0; i < PAGES; i++)
		if (cache.pfn[i] >= pfn && cache.pfn[i] < pfn + nr_pages)
			memcpy(cached_page(i), cache.memory[i], PAGE_SIZE);
}

static void clean_piece(struct device *dev, dma_addr_t addr, size_t size,
			enum dma_data_direction dir)
{
	clean(PHYS_PFN(dma_to_phys(dev, addr)), size >> PAGE_SHIFT);
	cache.flushed++;
}

static void invalidate_piece(struct device *dev, dma_addr_t addr, size_t size,
			     enum dma_data_direction dir)
{
	invalidate(PHYS_PFN(dma_to_phys(dev, addr)), size >> PAGE_SHIFT);
}

static void clean_table(struct device *dev, struct sg_table *sgt,
			enum dma_data_direction dir)
{
	struct scatterlist *sg;
	int i;

	for_each_sgtable_sg(sgt, sg, i)
		clean(page_to_pfn(sg_page(sg)), sg->length >> PAGE_SHIFT);
}

static void invalidate_table(struct device *dev, struct sg_table *sgt,
			     enum dma_data_direction dir)
{
	struct scatterlist *sg;
	int i;

	if (dir == DMA_TO_DEVICE)
		return;
	for_each_sgtable_sg(sgt, sg, i)
		invalidate(page_to_pfn(sg_page(sg)), sg->length >> PAGE_SHIFT);
}

/* From now on there is a cache between a new buffer of @mem and devices. */
static void put_cache(struct race *race, struct memory *mem)
{
	struct udmabuf_create_item item = memory_item(mem, 0, PAGES);
	struct kunit *test = race->test;
	u32 i;

	/* Pages that have an address. */
	mapping_set_gfp_mask(mem->file->f_mapping, GFP_USER);
	memory_fill(test, mem);
	race->dmabuf = memory_buffer(test, &item, 1);
	cache.flushed = 0;
	for (i = 0; i < PAGES; i++) {
		cache.pfn[i] = memory_pfn(mem, i);
		memcpy(cache.memory[i], cached_page(i), PAGE_SIZE);
	}
	kunit_activate_static_stub(test, bindings_dma_sync_single_for_device,
				   clean_piece);
	kunit_activate_static_stub(test, bindings_dma_sync_single_for_cpu,
				   invalidate_piece);
	kunit_activate_static_stub(test, bindings_dma_sync_sgtable_for_device,
				   clean_table);
	kunit_activate_static_stub(test, bindings_dma_sync_sgtable_for_cpu,
				   invalidate_table);
}

/* Programs. */

static void put_mm(void *mm)
{
	mmput(mm);
}

/* A program that maps the buffer, as a child does that was forked. */
static struct mm_struct *new_program(struct race *race)
{
	struct kunit *test = race->test;
	struct mm_struct *mm = mm_alloc();
	struct mm_struct *before = current->mm;
	unsigned long addr;

	KUNIT_ASSERT_NOT_NULL(test, mm);
	arch_pick_mmap_layout(mm, &current->signal->rlim[RLIMIT_STACK]);
	KUNIT_ASSERT_EQ(test, 0, kunit_add_action_or_reset(test, put_mm, mm));
	if (before)
		kthread_unuse_mm(before);
	kthread_use_mm(mm);
	addr = vm_mmap(race->dmabuf->file, USER_ADDR, PAGES << PAGE_SHIFT,
		       PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED_NOREPLACE,
		       0);
	kthread_unuse_mm(mm);
	if (before)
		kthread_use_mm(before);
	KUNIT_ASSERT_EQ(test, USER_ADDR, addr);
	return mm;
}

/* Which racer it is tells its place in each page. */
static u32 place(struct racer *racer)
{
	return racer - racer->race->racer;
}

/*
 * A program with its write access open all the time stores to each page, and
 * sees what it stored there before.
 */
static void store_and_look(struct racer *racer)
{
	u64 value, last = racer->stores;
	u32 page;

	if (!last) {
		KUNIT_EXPECT_EQ(racer->race->test, 0,
				dma_buf_begin_cpu_access(racer->race->dmabuf,
							 CPU_WRITE));
		atomic_inc(&racer->race->open);
	}
	racer->stores++;
	kthread_use_mm(racer->mm);
	for (page = 0; page < PAGES; page++) {
		u64 __user *at = (u64 __user *)(USER_ADDR + page * PAGE_SIZE) +
				 1 + place(racer);

		if (copy_from_user(&value, at, sizeof(value)))
			value = ~0ULL;
		if (last)
			KUNIT_EXPECT_EQ(racer->race->test, last, value);
		value = racer->stores;
		if (copy_to_user(at, &value, sizeof(value)))
			KUNIT_FAIL(racer->race->test, "no page %u", page);
		if (page % 2)
			racer_pause(racer);
	}
	kthread_unuse_mm(racer->mm);
	if (racer->stores == racer->turns) {
		atomic_dec(&racer->race->open);
		KUNIT_EXPECT_EQ(racer->race->test, 0,
				dma_buf_end_cpu_access(racer->race->dmabuf,
						       CPU_WRITE));
	}
}

static void read_by_cpu(struct racer *racer)
{
	racer_begin(racer, CPU_READ);
	racer_pause(racer);
	racer_end(racer, CPU_READ);
}

/*
 * H15: two programs store through their mappings, with a write access open, while
 * others begin and end accesses and a device that does not snoop may be writing:
 * lines are cleaned and dropped under their feet. No store comes between the two,
 * so none is lost, and in the end all of them are in memory.
 */
static void no_store_is_lost_to_a_begin(struct kunit *test)
{
	struct memory *mem = memory_shmem(test, PAGES);
	struct race *race = test->priv;
	struct dma_buf *before = race->dmabuf;
	unsigned int i, page;

	put_cache(race, mem);
	race_import(race, "noncoherent", DMA_FROM_DEVICE);
	for (i = 0; i < 2; i++)
		race_add(race, store_and_look, 60)->mm = new_program(race);
	race_add(race, read_by_cpu, 0);
	race_add(race, read_by_cpu, 0);
	race_start(race);
	race_await(race);
	race_stop(race);

	racer_begin(&race->own, CPU_READ);
	for (page = 0; page < PAGES; page++)
		for (i = 0; i < 2; i++) {
			KUNIT_EXPECT_EQ(test, 60,
					((u64 *)cached_page(page))[1 + i]);
			KUNIT_EXPECT_EQ(test, 60,
					((u64 *)cache.memory[page])[1 + i]);
		}
	racer_end(&race->own, CPU_READ);
	/* Or it was no test. */
	KUNIT_EXPECT_GT(test, cache.flushed, PAGES);
	race_check_rules(race);
	race->dmabuf = before;
}

static void begin_and_store(struct racer *racer)
{
	struct kunit *test = racer->race->test;
	u64 value = 42;

	KUNIT_EXPECT_EQ(test, 0,
			dma_buf_begin_cpu_access(racer->race->dmabuf,
						 CPU_WRITE));
	kthread_use_mm(racer->mm);
	KUNIT_EXPECT_EQ(test, 0, copy_to_user((void __user *)USER_ADDR, &value,
					      sizeof(value)));
	kthread_unuse_mm(racer->mm);
}

/*
 * H15: what a program stored before it died, in an access that nobody ends, is
 * data: the first begin afterwards cleans it, and later ones need not.
 */
static void what_the_dead_have_stored_is_kept(struct kunit *test)
{
	struct memory *mem = memory_shmem(test, PAGES);
	struct race *race = test->priv;
	struct dma_buf *before = race->dmabuf;
	unsigned int i;

	put_cache(race, mem);
	race_import(race, "noncoherent", DMA_FROM_DEVICE);
	race_add(race, begin_and_store, 1)->mm = new_program(race);
	race_start(race);
	race_await(race);
	race_stop(race);

	KUNIT_EXPECT_NE(test, 42, *(u64 *)cache.memory[0]);
	for (i = 0; i < 3; i++) {
		racer_begin(&race->own, CPU_READ);
		KUNIT_EXPECT_EQ(test, i ? SYNC_FOR_CPU : SYNC_FLUSH,
				race->own.last);
		KUNIT_EXPECT_EQ(test, 42, memory_get(mem, 0));
		KUNIT_EXPECT_EQ(test, 42, *(u64 *)cache.memory[0]);
		/* Without an end, which would clean as well. */
	}
	race_check_rules(race);
	race->dmabuf = before;
}

/* Merges. */

/* What a device that has a copy does: every other byte. */
static void store_to_copy(struct racer *racer)
{
	struct fanout_buffer *buffer = racer->race->dmabuf->priv;
	const struct copy *copy;
	size_t i;
	u8 *byte;

	racer->stores++;
	/* It is there as long as the importer is. */
	list_for_each_entry(copy, &buffer->shadow.copies, node) {
		byte = copy->vaddr;
		for (i = 1; i < copy->nr_pages << PAGE_SHIFT; i += 2) {
			WRITE_ONCE(byte[i], racer->stores);
			if (i % 1024 == 1)
				racer_pause(racer);
		}
	}
}

/* What a program does: every other byte, but other ones. */
static void store_to_mapping(struct racer *racer)
{
	u8 value = ++racer->stores;
	size_t i;

	kthread_use_mm(racer->mm);
	for (i = 0; i < PAGES << PAGE_SHIFT; i += 2) {
		if (copy_to_user((u8 __user *)USER_ADDR + i, &value, 1))
			KUNIT_FAIL(racer->race->test, "no byte %zu", i);
		if (i % 1024 == 0)
			racer_pause(racer);
	}
	kthread_unuse_mm(racer->mm);
}

/*
 * A device and a program store to the same words, but to different bytes, while
 * others begin and end accesses: each byte is what was stored there last, on both
 * sides, and nothing was a conflict.
 */
static void neighbouring_bytes_are_merged(struct kunit *test)
{
	struct memory *mem = memory_shmem(test, PAGES);
	struct udmabuf_create_item item = memory_item(mem, 0, PAGES);
	struct race *race = test->priv;
	struct dma_buf *before = race->dmabuf;
	struct fanout_buffer *buffer;
	const struct copy *copy;
	size_t i, size, wrong = 0;
	unsigned long pfn;
	u8 *seen, *page;

	memory_fill(test, mem);
	race->dmabuf = memory_buffer(test, &item, 1);
	buffer = race->dmabuf->priv;
	race_import(race, "bounced", DMA_BIDIRECTIONAL);
	race_add(race, store_to_copy, 20);
	race_add(race, store_to_mapping, 20)->mm = new_program(race);
	race_add(race, read_by_cpu, 0);
	race_add(race, racer_uses_cpu, 0);
	race_start(race);
	race_await(race);
	race_stop(race);

	racer_begin(&race->own, CPU_RW);
	racer_end(&race->own, CPU_RW);
	list_for_each_entry(copy, &buffer->shadow.copies, node) {
		size = copy->nr_pages << PAGE_SHIFT;
		seen = copy->vaddr;
		for (i = 0; i < size; i++) {
			pfn = memory_pfn(mem, copy->pgoff + (i >> PAGE_SHIFT));
			page = kmap_local_page(pfn_to_page(pfn));
			wrong += seen[i] != 20 ||
				 page[offset_in_page(i)] != 20;
			kunmap_local(page);
		}
	}
	KUNIT_EXPECT_EQ(test, 0, wrong);
	KUNIT_EXPECT_EQ(test, 0, buffer->shadow.fetched.conflicts);
	KUNIT_EXPECT_EQ(test, 0, buffer->shadow.pushed.conflicts);
	KUNIT_EXPECT_GT(test, buffer->shadow.fetched.bytes, 0);
	KUNIT_EXPECT_GT(test, buffer->shadow.pushed.bytes, 0);
	race_check_rules(race);
	race->dmabuf = before;
}

static struct kunit_case race_data_cases[] = {
	KUNIT_CASE(faults_and_unmaps_race),
	KUNIT_CASE(no_store_is_lost_to_a_begin),
	KUNIT_CASE(what_the_dead_have_stored_is_kept),
	KUNIT_CASE(neighbouring_bytes_are_merged),
	{ }
};

static struct kunit_suite race_data_suite = {
	.name = "udmabuf_fanout_race_data",
	.init = race_init,
	.exit = race_exit,
	.test_cases = race_data_cases,
};

kunit_test_suite(race_data_suite);
