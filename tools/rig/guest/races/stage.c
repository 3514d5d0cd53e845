// SPDX-License-Identifier: GPL-2.0
/*
 * A race while it runs: see stage.h.
 */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "stage.h"

bool stopped(const struct stage *stage)
{
	return __atomic_load_n(&stage->stop, __ATOMIC_ACQUIRE);
}

void stop(struct stage *stage)
{
	__atomic_store_n(&stage->stop, true, __ATOMIC_RELEASE);
}

void wrong(struct stage *stage, const char *format, ...)
{
	va_list args;

	if (!__atomic_exchange_n(&stage->failed, true, __ATOMIC_ACQ_REL)) {
		va_start(args, format);
		vsnprintf(stage->wrong, sizeof(stage->wrong), format, args);
		va_end(args);
	}
	stop(stage);
}

void was_refused(struct worker *w, const char *call, const int *allowed)
{
	int error = errno;

	w->refused++;
	while (*allowed && *allowed != error)
		allowed++;
	if (!*allowed)
		wrong(w->stage, "%s: %s: %s", w->action->name, call,
		      strerror(error));
}

unsigned int pick(struct worker *w, unsigned int n)
{
	return rand_r(&w->seed) % n;
}
