// SPDX-License-Identifier: GPL-2.0
/*
 * How a run ends: see run.h.
 */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "run.h"

void __noreturn finish(struct run *r, const char *outcome)
{
	r->outcome = outcome;
	longjmp(r->end, 1);
}

void step(struct run *r, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vsnprintf(r->step, sizeof(r->step), format, args);
	va_end(args);
}

void refused(struct run *r, int error)
{
	r->error = error;
	finish(r, "refused");
}

void broken(struct run *r, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vsnprintf(r->detail, sizeof(r->detail), format, args);
	va_end(args);
	finish(r, "broken");
}

void judge(struct run *r, const char *reader, const char *expected,
	   const char *seen, bool right)
{
	struct check *c, *last;

	/* The three places of one reading are one check. */
	last = r->check_count ? &r->checks[r->check_count - 1] : NULL;
	if (!right || !last || strcmp(last->reader, reader) ||
	    strcmp(last->expected, expected)) {
		if (r->check_count == CHECKS_MAX)
			broken(r, "too many checks");
		c = &r->checks[r->check_count++];
		snprintf(c->reader, sizeof(c->reader), "%s", reader);
		snprintf(c->expected, sizeof(c->expected), "%s", expected);
		snprintf(c->seen, sizeof(c->seen), "%s", seen);
	}
	if (!right)
		finish(r, "wrong");
}
