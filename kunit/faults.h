/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Allocations that fail, in kernels that are built for it.
 *
 *	faults_allow(test);
 *	faults_arm(3, false);
 *	... the third slab object, page, or copy from or to user memory fails ...
 *	if (!faults_disarm())
 *		... there were not as many ...
 *
 * Only what the current thread does fails.
 */
#ifndef UDMABUF_FANOUT_FAULTS_H
#define UDMABUF_FANOUT_FAULTS_H

#include <linux/types.h>

struct kunit;

#if defined(CONFIG_FAILSLAB) && defined(CONFIG_FAIL_PAGE_ALLOC) &&	\
	defined(CONFIG_FAULT_INJECTION_USERCOPY) &&			\
	defined(CONFIG_FAULT_INJECTION_DEBUG_FS)
#define CAN_FAIL	1
#else
#define CAN_FAIL	0
#endif

void faults_allow(struct kunit *test);
void faults_arm(unsigned int nth, bool all);
void faults_of_pages(unsigned int order);
bool faults_disarm(void);

#endif /* UDMABUF_FANOUT_FAULTS_H */
