/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Every call is made with its first fault, then with its second, and so on, until
 * one was not reached. /proc/thread-self/fail-nth counts what can be made to fail:
 * allocations and, where the kernel has that, accesses to user memory. A call
 * either works or has done nothing, and works the next time. No world is known
 * here, nor a model.
 */
#ifndef HOSTILE_SWEEP_H
#define HOSTILE_SWEEP_H

void sweep(void);

#endif
