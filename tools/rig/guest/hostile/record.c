// SPDX-License-Identifier: GPL-2.0
/*
 * Chance, and the record: see record.h.
 */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "machine.h"
#include "record.h"
#include "say.h"

__u64 next(struct world *w)
{
	__u64 z = w->random += 0x9e3779b97f4a7c15ULL;

	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9ULL;
	z = (z ^ z >> 27) * 0x94d049bb133111ebULL;
	return z ^ z >> 31;
}

unsigned int pick(struct world *w, unsigned int n)
{
	return next(w) % n;
}

bool one_in(struct world *w, unsigned int n)
{
	return !pick(w, n);
}

static void add_to_hash(struct world *w, __u64 value)
{
	w->tally->hash = (w->tally->hash ^ value) * 0x100000001b3ULL;
	w->tally->hash ^= w->tally->hash >> 29;
}

void start(struct world *w, const char *name, __u64 a, __u64 b, __u64 c)
{
	w->history[w->made++ % HISTORY] = (struct call) {
		.name = name, .arg = { a, b, c }, .error = -1 };
	add_to_hash(w, w->kind);
	add_to_hash(w, a);
	add_to_hash(w, b);
	add_to_hash(w, c);
}

void finish(struct world *w, int error)
{
	w->history[(w->made - 1) % HISTORY].error = error;
	w->tally->calls++;
	if (error)
		w->tally->failed[w->kind]++;
	else
		w->tally->passed[w->kind]++;
}

void violation(struct world *w, const char *format, ...)
{
	char text[200];
	va_list args;
	__u64 i;

	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);

	say("thread %u%s, seed %llu, call %llu; its last calls:", w->thread,
	    w->child ? " (a forked child)" : "", machine.seed,
	    w->tally->calls);
	for (i = w->made > HISTORY ? w->made - HISTORY : 0; i < w->made; i++) {
		const struct call *call = &w->history[i % HISTORY];

		say("  %s %#llx %#llx %#llx: %s", call->name, call->arg[0],
		    call->arg[1], call->arg[2],
		    call->error < 0 ? "..." : call->error ?
		    strerrorname_np(call->error) : "0");
	}
	die("%s", text);
}

static const char *errno_name(int error)
{
	return error ? strerrorname_np(error) ?: "?" : "success";
}

void expect_one_of(struct world *w, int error, const int *allowed)
{
	char text[120] = "";
	const int *e;

	finish(w, error);
	for (e = allowed; *e >= 0; e++)
		if (*e == error)
			return;
	for (e = allowed; *e >= 0; e++) {
		strcat(text, e == allowed ? "" : " or ");
		strcat(text, errno_name(*e));
		if (e - allowed == 6)
			break;
	}
	violation(w, "%s: got %s, expected %s",
		  w->history[(w->made - 1) % HISTORY].name, errno_name(error),
		  text);
}
