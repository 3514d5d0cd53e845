/* SPDX-License-Identifier: GPL-2.0 */
/*
 * A buffer in the memory map of the test's thread, as user space has one: the
 * words at its pages, what stands in the page tables, and faults that nobody's
 * access asks for. Pages are counted from USER_ADDR.
 *
 *	user_map_init(test);
 *	user_map(test, dmabuf, USER_ADDR, 0, 4);
 *	KUNIT_EXPECT_EQ(test, 0, mapped_pfn(3, NULL));
 *	KUNIT_EXPECT_EQ(test, memory_stamp(mem, 3), read_user(test, 3));
 *	KUNIT_EXPECT_EQ(test, memory_pfn(mem, 3), mapped_pfn(3, NULL));
 *
 * What is mapped is unmapped with the thread's memory map, when the test ends.
 */
#ifndef UDMABUF_FANOUT_USER_MAP_H
#define UDMABUF_FANOUT_USER_MAP_H

#include <linux/bits.h>
#include <linux/mm_types.h>
#include <linux/pgtable.h>
#include <linux/types.h>

struct dma_buf;
struct kunit;

/* Where a test maps; the start of a PMD, and nothing else is there. */
#define USER_ADDR	0x60000000UL

#define PMD_PAGES	BIT(PMD_ORDER)

void user_map_init(struct kunit *test);
void user_map(struct kunit *test, struct dma_buf *dmabuf, unsigned long addr,
	      u32 first, u32 nr_pages);

void __user *user_page(u32 page);
u64 read_user(struct kunit *test, u32 page);
void write_user(struct kunit *test, u32 page, u64 value);

void need_pmd_mappings(struct kunit *test);
unsigned long mapped_pfn_locked(u32 page, bool *huge);
unsigned long mapped_pfn(u32 page, bool *huge);

vm_fault_t user_fault(u32 page, pgoff_t pgoff, unsigned int order);

#endif /* UDMABUF_FANOUT_USER_MAP_H */
