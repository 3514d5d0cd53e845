/* SPDX-License-Identifier: GPL-2.0 */
/* What differs between kernel versions for the recorder, from 6.12 on. */
#ifndef REVIEW_COMPAT_H
#define REVIEW_COMPAT_H

#include <linux/device.h>
#include <linux/mm.h>
#include <linux/version.h>

/* 7.0: flags of files for memory are a type of their own. */
#if LINUX_VERSION_CODE < KERNEL_VERSION(7, 0, 0)
#define MEMORY_FLAGS		VM_NORESERVE
#else
#define MEMORY_FLAGS		mk_vma_flags(VMA_NORESERVE_BIT)
#endif

/* 7.2: a device's flags are bits with accessors. */
#if LINUX_VERSION_CODE < KERNEL_VERSION(7, 2, 0)
#define dev_assign_dma_coherent(dev, value)	((dev)->dma_coherent = (value))
#endif

#endif /* REVIEW_COMPAT_H */
