/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What differs between kernel versions, from 6.12 on. Nothing else knows one.
 */
#ifndef UDMABUF_FANOUT_COMPAT_H
#define UDMABUF_FANOUT_COMPAT_H

#include <linux/huge_mm.h>
#include <linux/version.h>

/*
 * 6.17: pfn_t is gone.
 *
 * Not for writing: a shared mapping's entries are writable anyway, and with a
 * page table in the way insert_pfn_pmd() warns (mm/huge_memory.c), where here it
 * does nothing and the fault comes again.
 */
#if LINUX_VERSION_CODE < KERNEL_VERSION(6, 17, 0)
#include <linux/pfn_t.h>

static inline vm_fault_t insert_pfn_pmd(struct vm_fault *vmf, unsigned long pfn)
{
	return vmf_insert_pfn_pmd(vmf, __pfn_to_pfn_t(pfn, PFN_DEV), false);
}
#else
static inline vm_fault_t insert_pfn_pmd(struct vm_fault *vmf, unsigned long pfn)
{
	return vmf_insert_pfn_pmd(vmf, pfn, false);
}
#endif

#endif /* UDMABUF_FANOUT_COMPAT_H */
