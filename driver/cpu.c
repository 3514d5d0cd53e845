// SPDX-License-Identifier: GPL-2.0
/*
 * The CPU's side: faults, huge entries, kernel mappings, and taking the user's
 * mappings away for a moment. It must not know what the moment is for.
 */
#include <linux/cleanup.h>
#include <linux/fs.h>
#include <linux/mm.h>
#include <linux/pagemap.h>
#include <linux/slab.h>
#include <linux/vmalloc.h>

#include "compat.h"
#include "cpu.h"
#include "memfd.h"

/* Bytes around a fault whose pages are inserted with it; no more than a PMD. */
#define FAULT_AROUND	(64 * PAGE_SIZE)

/*
 * A hugetlb folio is poisoned as a whole (mm/hugetlb.c, hugetlb_fault()); of
 * others it is the page.
 */
static bool is_poisoned(unsigned long pfn)
{
	struct page *page = pfn_to_page(pfn);

	return PageHWPoison(page) || (folio_test_hugetlb(page_folio(page)) &&
				      folio_test_hwpoison(page_folio(page)));
}

static vm_fault_t insert_page(struct vm_area_struct *vma, unsigned long addr,
			      unsigned long pfn)
{
	return is_poisoned(pfn) ? VM_FAULT_HWPOISON :
				  vmf_insert_pfn(vma, addr, pfn);
}

static vm_fault_t insert_pages(struct vm_fault *vmf)
{
	struct vm_area_struct *vma = vmf->vma;
	const struct cpu_mappings *cpu = vma->vm_private_data;
	const struct extent *extent;
	unsigned long addr, end;
	vm_fault_t ret;
	pgoff_t pgoff;

	if (vmf->pgoff >= cpu->mem->nr_pages)
		return VM_FAULT_SIGBUS;

	extent = extents_find(cpu->mem, vmf->pgoff);
	ret = insert_page(vma, vmf->address,
			  extent->pfn + vmf->pgoff - extent->pgoff);
	if (ret != VM_FAULT_NOPAGE)
		return ret;

	/*
	 * The neighbours, by address, so that they share a page table: the next
	 * one may be a PMD of ours.
	 */
	addr = max(ALIGN_DOWN(vmf->address, FAULT_AROUND), vma->vm_start);
	end = min(ALIGN_DOWN(vmf->address, FAULT_AROUND) + FAULT_AROUND,
		  vma->vm_end);
	pgoff = linear_page_index(vma, addr);
	extent = extents_find(cpu->mem, pgoff);
	for (; addr < end && pgoff < cpu->mem->nr_pages;
	     addr += PAGE_SIZE, pgoff++) {
		if (pgoff - extent->pgoff == extent->nr_pages)
			extent++;
		if (addr != vmf->address &&
		    insert_page(vma, addr, extent->pfn + pgoff -
					   extent->pgoff) != VM_FAULT_NOPAGE)
			break;
	}
	return VM_FAULT_NOPAGE;
}

/* Whether one of the folios has a poisoned page; each is asked once. */
static bool has_poisoned(unsigned long pfn, unsigned long end)
{
	struct folio *folio;

	for (; pfn < end; pfn = folio_pfn(folio) + folio_nr_pages(folio)) {
		folio = page_folio(pfn_to_page(pfn));
		if (folio_contain_hwpoisoned_page(folio))
			return true;
	}
	return false;
}

static vm_fault_t insert_huge_page(struct vm_fault *vmf, unsigned int order)
{
	struct vm_area_struct *vma = vmf->vma;
	const struct cpu_mappings *cpu = vma->vm_private_data;
	unsigned long addr = vmf->address & PMD_MASK;
	const struct extent *extent;
	unsigned long pfn;
	pgoff_t pgoff;

	if (!IS_ENABLED(CONFIG_ARCH_SUPPORTS_PMD_PFNMAP) ||
	    !IS_ENABLED(CONFIG_TRANSPARENT_HUGEPAGE) || order != PMD_ORDER ||
	    addr < vma->vm_start || addr + PMD_SIZE > vma->vm_end)
		return VM_FAULT_FALLBACK;

	pgoff = linear_page_index(vma, addr);
	if (pgoff + (1UL << PMD_ORDER) > cpu->mem->nr_pages)
		return VM_FAULT_FALLBACK;

	extent = extents_find(cpu->mem, pgoff);
	pfn = extent->pfn + pgoff - extent->pgoff;
	if (!IS_ALIGNED(pfn, 1UL << PMD_ORDER) ||
	    pgoff + (1UL << PMD_ORDER) > extent->pgoff + extent->nr_pages)
		return VM_FAULT_FALLBACK;
	if (has_poisoned(pfn, pfn + (1UL << PMD_ORDER)))
		return VM_FAULT_FALLBACK;

	return insert_pfn_pmd(vmf, pfn);
}

/*
 * Under mmap_lock or the VMA's lock, which come before the reservation lock; so
 * a fault can wait for whoever took the mappings away under that.
 */
static vm_fault_t cpu_fault(struct vm_fault *vmf)
{
	struct cpu_mappings *cpu = vmf->vma->vm_private_data;
	vm_fault_t ret;

	down_read(&cpu->faults);
	ret = insert_pages(vmf);
	up_read(&cpu->faults);
	return ret;
}

static vm_fault_t cpu_huge_fault(struct vm_fault *vmf, unsigned int order)
{
	struct cpu_mappings *cpu = vmf->vma->vm_private_data;
	vm_fault_t ret;

	down_read(&cpu->faults);
	ret = insert_huge_page(vmf, order);
	up_read(&cpu->faults);
	return ret;
}

static const struct vm_operations_struct cpu_vm_ops = {
	.fault = cpu_fault,
	.huge_fault = cpu_huge_fault,
};

/**
 * cpu_mmap() - map the buffer for user space
 * @cpu: the buffer's mappings
 * @vma: where; shared
 *
 * Context: process context, under mmap_lock.
 */
void cpu_mmap(struct cpu_mappings *cpu, struct vm_area_struct *vma)
{
	vma->vm_ops = &cpu_vm_ops;
	vma->vm_private_data = cpu;
	/*
	 * By page frame: the memfd may go away while the mapping lives, and
	 * a mapped page would keep it.
	 */
	vm_flags_set(vma, VM_PFNMAP | VM_DONTEXPAND | VM_DONTDUMP);
}

/**
 * cpu_take_mappings() - keep user space from storing to the buffer
 * @cpu: the buffer's mappings
 *
 * Until cpu_allow_faults() who touches a mapping waits. Only mappings of the
 * dma-buf are taken; those of the memfd are not the buffer's.
 *
 * Context: process context, under the reservation lock; may sleep.
 */
void cpu_take_mappings(struct cpu_mappings *cpu)
{
	down_write(&cpu->faults);
	unmap_mapping_range(cpu->mapped, 0, 0, 1);
}

/**
 * cpu_allow_faults() - let user space at the buffer again
 * @cpu: the buffer's mappings
 *
 * Context: process context, after cpu_take_mappings().
 */
void cpu_allow_faults(struct cpu_mappings *cpu)
{
	up_write(&cpu->faults);
}

/**
 * cpu_vmap() - map the buffer for the kernel
 * @cpu: the buffer's mappings
 *
 * Context: process context; may sleep.
 * Return: the address, to be given to vunmap(), or NULL.
 */
void *cpu_vmap(const struct cpu_mappings *cpu)
{
	const struct extents *mem = cpu->mem;
	u32 i, nr = 0, page;

	struct page **pages __free(kvfree) =
		kvmalloc_array(mem->nr_pages, sizeof(*pages),
			       GFP_KERNEL | __GFP_NOWARN);
	if (!pages)
		return NULL;

	for (i = 0; i < mem->nr; i++) {
		extents_breathe(i);
		for (page = 0; page < mem->extent[i].nr_pages; page++)
			pages[nr++] = pfn_to_page(mem->extent[i].pfn + page);
	}
	return vmap(pages, nr, VM_MAP, PAGE_KERNEL);
}

/**
 * cpu_mappings_init() - no mappings yet
 * @cpu: the buffer's mappings
 * @mem: its memory
 *
 * Before the first user mapping, &cpu_mappings.mapped is set.
 */
void cpu_mappings_init(struct cpu_mappings *cpu, const struct extents *mem)
{
	cpu->mem = mem;
	init_rwsem(&cpu->faults);
}
