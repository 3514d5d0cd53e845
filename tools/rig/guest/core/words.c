// SPDX-License-Identifier: GPL-2.0
/*
 * The data: see words.h.
 */
#include <stdio.h>

#include "words.h"

__u32 word(enum writer writer, size_t at)
{
	return (__u32)writer << 24 | (at / 4 & 0xffffff);
}

static const char *writer_name(__u32 value)
{
	switch (value >> 24) {
	case OLD:
		return "the old data";
	case CPU:
		return "the CPU's data";
	case CPU_NEW:
		return "the CPU's new data";
	case DEVICE:
		return "the device's data";
	case DEVICE_NEW:
		return "the device's new data";
	case KERNEL:
		return "the kernel's data";
	}
	return NULL;
}

void fill(void *memory, size_t at, size_t bytes, enum writer writer)
{
	__u32 *words = memory;
	size_t i;

	for (i = 0; i < bytes / 4; i++)
		words[i] = word(writer, at + 4 * i);
}

void describe(char *text, size_t size, __u32 seen, size_t at)
{
	const char *name = writer_name(seen);

	if (name && (seen & 0xffffff) == (word(0, at) & 0xffffff))
		snprintf(text, size, "%s", name);
	else if (name)
		snprintf(text, size, "%s, from byte %u", name,
			 (seen & 0xffffff) * 4);
	else if (!seen)
		snprintf(text, size, "zeros");
	else
		snprintf(text, size, "0x%08x, which nobody wrote", seen);
}

void check(struct run *r, const char *reader, const void *memory, size_t at,
	   size_t bytes, enum writer expected)
{
	char wanted[64], seen[64];
	const __u32 *words = memory;
	size_t i, wrong = 0, first = 0;

	for (i = 0; i < bytes / 4; i++)
		if (words[i] != word(expected, at + 4 * i) && !wrong++)
			first = i;
	describe(wanted, sizeof(wanted), word(expected, at), at);
	describe(seen, sizeof(seen), words[first], at + 4 * first);
	if (wrong)
		snprintf(r->detail, sizeof(r->detail),
			 "page %zu, byte %zu: %zu of %zu bytes differ",
			 (at + 4 * first) / PAGE, (at + 4 * first) % PAGE,
			 4 * wrong, bytes);
	judge(r, reader, wanted, seen, !wrong);
}
