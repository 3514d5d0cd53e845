// SPDX-License-Identifier: GPL-2.0
/*
 * A buffer in the memory map of the test's thread. Page tables are read with
 * follow_pfnmap_start(), as KVM does.
 */
#include <kunit/test.h>
#include <linux/dma-buf.h>
#include <linux/mm.h>
#include <linux/mman.h>
#include <linux/sched.h>
#include <linux/sizes.h>
#include <linux/uaccess.h>

#include "user_map.h"

/**
 * user_map_init() - bring the thread a memory map
 * @test: the test
 */
void user_map_init(struct kunit *test)
{
	unsigned long addr;

	addr = kunit_vm_mmap(test, NULL, SZ_512M, PAGE_SIZE,
			     PROT_READ | PROT_WRITE,
			     MAP_PRIVATE | MAP_ANONYMOUS, 0);
	KUNIT_ASSERT_FALSE(test, !addr || IS_ERR_VALUE(addr));
}

/**
 * user_map() - map pages of a buffer, to read and to write
 * @test: the test
 * @dmabuf: the buffer
 * @addr: where to
 * @first: the first page
 * @nr_pages: how many
 */
void user_map(struct kunit *test, struct dma_buf *dmabuf, unsigned long addr,
	      u32 first, u32 nr_pages)
{
	KUNIT_ASSERT_EQ(test, addr,
			vm_mmap(dmabuf->file, addr,
				(unsigned long)nr_pages << PAGE_SHIFT,
				PROT_READ | PROT_WRITE,
				MAP_SHARED | MAP_FIXED_NOREPLACE,
				(unsigned long)first << PAGE_SHIFT));
}

/**
 * user_page() - tell where a page is
 * @page: the page
 *
 * Return: its address.
 */
void __user *user_page(u32 page)
{
	return (void __user *)(USER_ADDR + ((unsigned long)page << PAGE_SHIFT));
}

/**
 * read_user() - read the first eight bytes of a page
 * @test: the test
 * @page: the page
 *
 * Return: what stands there.
 */
u64 read_user(struct kunit *test, u32 page)
{
	u64 value;

	KUNIT_ASSERT_EQ_MSG(test, 0, copy_from_user(&value, user_page(page),
						    sizeof(value)),
			    "page %u", page);
	return value;
}

/**
 * write_user() - write the first eight bytes of a page
 * @test: the test
 * @page: the page
 * @value: what to write
 */
void write_user(struct kunit *test, u32 page, u64 value)
{
	KUNIT_ASSERT_EQ_MSG(test, 0, copy_to_user(user_page(page), &value,
						  sizeof(value)),
			    "page %u", page);
}

/**
 * need_pmd_mappings() - skip a test where a PMD cannot map pages of a buffer
 * @test: the test
 */
void need_pmd_mappings(struct kunit *test)
{
	if (!IS_ENABLED(CONFIG_TRANSPARENT_HUGEPAGE))
		kunit_skip(test, "no PMD mappings without CONFIG_TRANSPARENT_HUGEPAGE");
	if (!IS_ENABLED(CONFIG_ARCH_SUPPORTS_PMD_PFNMAP))
		kunit_skip(test, "needs CONFIG_ARCH_SUPPORTS_PMD_PFNMAP");
}

/**
 * mapped_pfn_locked() - look a page up in the page tables
 * @page: the page
 * @huge: whether a huge entry maps it; NULL if that is not asked
 *
 * Context: the lock of the memory map is held.
 * Return: its page frame, or 0.
 */
unsigned long mapped_pfn_locked(u32 page, bool *huge)
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

/**
 * mapped_pfn() - look a page up in the page tables
 * @page: the page
 * @huge: whether a huge entry maps it; NULL if that is not asked
 *
 * Return: its page frame, or 0.
 */
unsigned long mapped_pfn(u32 page, bool *huge)
{
	unsigned long pfn;

	mmap_read_lock(current->mm);
	pfn = mapped_pfn_locked(page, huge);
	mmap_read_unlock(current->mm);
	return pfn;
}

/* As mm/memory.c has it, before it calls a handler. */
static pmd_t *make_pmd(struct mm_struct *mm, unsigned long addr)
{
	p4d_t *p4d = p4d_alloc(mm, pgd_offset(mm, addr), addr);
	pud_t *pud = p4d ? pud_alloc(mm, p4d, addr) : NULL;

	return pud ? pmd_alloc(mm, pud, addr) : NULL;
}

/**
 * user_fault() - call a fault handler of a mapping
 * @page: where
 * @pgoff: the page of the buffer that is asked for, if it has it or not
 * @order: 0 for the handler of small faults, or how large an entry is asked for
 *
 * Return: what the handler says; VM_FAULT_SIGSEGV where nothing is mapped;
 * VM_FAULT_OOM.
 */
vm_fault_t user_fault(u32 page, pgoff_t pgoff, unsigned int order)
{
	unsigned long addr = (unsigned long)user_page(page);
	vm_fault_t ret = VM_FAULT_SIGSEGV;
	struct mm_struct *mm = current->mm;
	struct vm_area_struct *vma;

	mmap_read_lock(mm);
	vma = vma_lookup(mm, addr);
	if (vma) {
		struct vm_fault vmf = {
			.vma = vma,
			.gfp_mask = GFP_KERNEL,
			.pgoff = pgoff,
			.address = addr,
			.real_address = addr,
			.pmd = make_pmd(mm, addr),
			.flags = FAULT_FLAG_USER | FAULT_FLAG_WRITE,
		};

		if (!vmf.pmd)
			ret = VM_FAULT_OOM;
		else
			ret = order ? vma->vm_ops->huge_fault(&vmf, order) :
				      vma->vm_ops->fault(&vmf);
	}
	mmap_read_unlock(mm);
	return ret;
}
