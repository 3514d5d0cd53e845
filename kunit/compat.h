/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What differs between kernel versions for the suites, from 6.12 on. For the
 * driver it is driver/compat.h.
 */
#ifndef UDMABUF_FANOUT_KUNIT_COMPAT_H
#define UDMABUF_FANOUT_KUNIT_COMPAT_H

#include <linux/device.h>
#include <linux/mm.h>
#include <linux/version.h>

/* 6.18: what generates parameters is given the test. */
#if LINUX_VERSION_CODE < KERNEL_VERSION(6, 18, 0)
#define GENERATOR_ARGS		const void *prev, char *desc
#else
#define GENERATOR_ARGS		struct kunit *test, const void *prev, char *desc
#endif

/* 7.0: flags of files for memory are a type of their own. */
#if LINUX_VERSION_CODE < KERNEL_VERSION(7, 0, 0)
#define MEMORY_NORESERVE	VM_NORESERVE
#define MEMORY_NO_FLAGS		0
#else
#define MEMORY_NORESERVE	mk_vma_flags(VMA_NORESERVE_BIT)
#define MEMORY_NO_FLAGS		EMPTY_VMA_FLAGS
#endif

/* 7.2: a device's flags are bits with accessors. */
#if LINUX_VERSION_CODE < KERNEL_VERSION(7, 2, 0)
#define dev_assign_dma_coherent(dev, value)	((dev)->dma_coherent = (value))
#endif

#endif /* UDMABUF_FANOUT_KUNIT_COMPAT_H */
