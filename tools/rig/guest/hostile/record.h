/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Chance, and the record: which call was made, what it returned, and what it had
 * to return. What a call is about is not known here.
 */
#ifndef HOSTILE_RECORD_H
#define HOSTILE_RECORD_H

#include "world.h"

__u64 next(struct world *w);
unsigned int pick(struct world *w, unsigned int n);
bool one_in(struct world *w, unsigned int n);

/*
 * Before a call. Nothing in @a, @b and @c may differ from run to run: no address,
 * no number that the kernel chose.
 */
void start(struct world *w, const char *name, __u64 a, __u64 b, __u64 c);
void finish(struct world *w, int error);

/* The call returned @error and must have returned one of the others. */
#define expect(w, error, ...)						\
	expect_one_of(w, error, (const int []) { __VA_ARGS__, -1 })
void expect_one_of(struct world *w, int error, const int *allowed);

void __noreturn __printf(2, 3) violation(struct world *w,
					 const char *format, ...);

#endif
