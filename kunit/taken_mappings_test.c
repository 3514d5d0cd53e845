// SPDX-License-Identifier: GPL-2.0
/*
 * User space's mappings that are taken away for a moment, and come back by
 * faults, which wait until they may.
 *
 * Would miss: stores at that moment (race_data_test.c), and when it comes
 * (flush_test.c). Huge entries only where there is hugetlbfs and THP, which UML
 * has not.
 */
#include <kunit/test.h>
#include <linux/completion.h>
#include <linux/dma-buf.h>
#include <linux/err.h>
#include <linux/kthread.h>
#include <linux/mm.h>
#include <linux/mman.h>
#include <linux/uaccess.h>

#include "../driver/buffer.h"
#include "memory.h"
#include "user_map.h"

static int init(struct kunit *test)
{
	memory_watch_pins(test);
	user_map_init(test);
	return 0;
}

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
	user_map(test, dmabuf, USER_ADDR, 0, 40);
	user_map(test, dmabuf, (unsigned long)user_page(40), 15, 10);
	user_map(test, another, (unsigned long)user_page(50), 0, 4);
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
	user_map(test, dmabuf, USER_ADDR, 0, 4);
	take_and_allow(dmabuf);
	read_user(test, 0);
	KUNIT_EXPECT_EQ(test, 0, vm_munmap(USER_ADDR, 4 * PAGE_SIZE));
	take_and_allow(dmabuf);
}

/* Huge entries are taken, and are huge when they come back. */
static void pmds_are_taken_and_come_back(struct kunit *test)
{
	struct memory *mem;
	struct udmabuf_create_item item;
	struct dma_buf *dmabuf;
	unsigned int round;
	bool huge;

	need_pmd_mappings(test);
	mem = memory_hugetlb(test, 1);
	item = memory_item(mem, 0, PMD_PAGES);
	memory_fill(test, mem);
	dmabuf = memory_buffer(test, &item, 1);
	user_map(test, dmabuf, USER_ADDR, 0, PMD_PAGES);
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

/* Faults meanwhile. */

/**
 * struct toucher - a thread of the same program that touches page 0
 * @mm: the program
 * @touch: how
 * @started: it is about to touch it
 * @done: it has
 * @value: what came of it
 */
struct toucher {
	struct mm_struct *mm;
	u64 (*touch)(void);
	struct completion started;
	struct completion done;
	u64 value;
};

static int run_toucher(void *data)
{
	struct toucher *toucher = data;

	kthread_use_mm(toucher->mm);
	complete(&toucher->started);
	toucher->value = toucher->touch();
	kthread_unuse_mm(toucher->mm);
	complete(&toucher->done);
	return 0;
}

/* @touch goes on, and has @want, when faults are allowed, and not before. */
static void check_waits(struct kunit *test, struct dma_buf *dmabuf,
			u64 (*touch)(void), u64 want)
{
	struct toucher toucher = { .mm = current->mm, .touch = touch };
	struct task_struct *task;
	bool early, late;

	init_completion(&toucher.started);
	init_completion(&toucher.done);
	cpu_take_mappings(mappings_of(dmabuf));
	task = kthread_run(run_toucher, &toucher, "toucher");
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
	KUNIT_EXPECT_EQ(test, want, toucher.value);
}

static u64 load(void)
{
	u64 value;

	return copy_from_user(&value, user_page(0), sizeof(value)) ? 0 : value;
}

/* While mappings are taken away, who touches one waits, and then goes on. */
static void a_fault_waits_until_it_may(struct kunit *test)
{
	struct memory *mem = memory_shmem(test, 4);
	struct udmabuf_create_item item = memory_item(mem, 0, 4);
	struct dma_buf *dmabuf;

	memory_fill(test, mem);
	dmabuf = memory_buffer(test, &item, 1);
	user_map(test, dmabuf, USER_ADDR, 0, 4);
	read_user(test, 0);
	check_waits(test, dmabuf, load, memory_stamp(mem, 0));
}

static u64 fault_huge(void)
{
	return (__force u64)user_fault(0, 0, PMD_ORDER);
}

/* Huge faults wait as well, whether there is a huge page for them or not. */
static void a_huge_fault_waits_until_it_may(struct kunit *test)
{
	struct memory *mem = memory_shmem(test, 4);
	struct udmabuf_create_item item = memory_item(mem, 0, 4);
	struct dma_buf *dmabuf = memory_buffer(test, &item, 1);

	user_map(test, dmabuf, USER_ADDR, 0, 4);
	check_waits(test, dmabuf, fault_huge, (__force u64)VM_FAULT_FALLBACK);
}

static struct kunit_case taken_mappings_cases[] = {
	KUNIT_CASE(mappings_are_taken_and_come_back),
	KUNIT_CASE(nothing_mapped_is_nothing_to_take),
	KUNIT_CASE(pmds_are_taken_and_come_back),
	KUNIT_CASE(a_fault_waits_until_it_may),
	KUNIT_CASE(a_huge_fault_waits_until_it_may),
	{ }
};

static struct kunit_suite taken_mappings_suite = {
	.name = "udmabuf_fanout_taken_mappings",
	.init = init,
	.test_cases = taken_mappings_cases,
};

kunit_test_suite(taken_mappings_suite);
