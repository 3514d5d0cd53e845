/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What differs between kernel versions, from 6.12 on. Nothing else knows one.
 */
#ifndef UDMABUF_FANOUT_COMPAT_H
#define UDMABUF_FANOUT_COMPAT_H

#include <linux/huge_mm.h>
#include <linux/version.h>

/* 6.17: pfn_t is gone. */
#if LINUX_VERSION_CODE < KERNEL_VERSION(6, 17, 0)
#include <linux/pfn_t.h>

static inline vm_fault_t insert_pfn_pmd(struct vm_fault *vmf, unsigned long pfn)
{
	return vmf_insert_pfn_pmd(vmf, __pfn_to_pfn_t(pfn, PFN_DEV),
				  vmf->vma->vm_flags & VM_WRITE);
}
#else
static inline vm_fault_t insert_pfn_pmd(struct vm_fault *vmf, unsigned long pfn)
{
	return vmf_insert_pfn_pmd(vmf, pfn, vmf->vma->vm_flags & VM_WRITE);
}
#endif

#endif /* UDMABUF_FANOUT_COMPAT_H */
