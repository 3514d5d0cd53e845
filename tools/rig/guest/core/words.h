/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The data: every word says who wrote it and where in the buffer it belongs, so
 * whoever reads it knows whose it is. How it gets there is not known here.
 */
#ifndef CORE_WORDS_H
#define CORE_WORDS_H

#include "run.h"

/* Who wrote a word: its top byte. The rest says where the word belongs. */
enum writer {
	NOBODY = 0, OLD = 'o', CPU = 'c', CPU_NEW = 'C', DEVICE = 'd',
	DEVICE_NEW = 'D', KERNEL = 'k',
};

__u32 word(enum writer writer, size_t at);

/* @memory is the bytes from @at on, multiples of 4. */
void fill(void *memory, size_t at, size_t bytes, enum writer writer);
void check(struct run *r, const char *reader, const void *memory, size_t at,
	   size_t bytes, enum writer expected);

void describe(char *text, size_t size, __u32 seen, size_t at);

#endif
