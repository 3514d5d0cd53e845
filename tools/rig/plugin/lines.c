// SPDX-License-Identifier: GPL-2.0
/*
 * What the lines of a cache may hold: see lines.h.
 */
#include <stddef.h>
#include <stdlib.h>

#include "lines.h"

#define PAGE		4096
#define LINES		(PAGE / LINE)

/* Each a mask of the line's bytes. */
struct shared {
	uint64_t stale[LINES];		/* newer in memory than in the cache */
	uint64_t coming[LINES];		/* a device is writing them */
	uint64_t overwritten[LINES];
	uint64_t discarded[LINES];
	uint8_t told[LINES];
};

struct page {
	uint64_t dirty[LINES];		/* newer in the cache than in memory */
	struct shared *shared;		/* once a device has been here */
};

static struct page *pages[MEMORY_END / PAGE];

static void *zeroed(size_t size)
{
	void *memory = calloc(1, size);

	if (!memory)
		abort();
	return memory;
}

/* Return: the page, with its second part if @shared; NULL if never stored to. */
static struct page *page_at(uint64_t at, bool make, bool shared)
{
	struct page **page = &pages[at / PAGE];

	if (!*page && make)
		*page = zeroed(sizeof(**page));
	if (*page && shared && !(*page)->shared)
		(*page)->shared = zeroed(sizeof(*(*page)->shared));
	return *page;
}

static unsigned int line_of(uint64_t at)
{
	return at % PAGE / LINE;
}

/* A piece of memory, and of it the line that is being looked at. */
struct range {
	uint64_t at, left;
	uint64_t line;
	uint64_t mask;		/* which of the line's bytes */
};

static bool next_line(struct range *r)
{
	const unsigned int first = r->at % LINE;
	const uint64_t here = r->left < LINE - first ? r->left : LINE - first;

	if (!here || r->at >= MEMORY_END)
		return false;
	r->line = r->at - first;
	r->mask = ~0ULL >> (LINE - here) << first;
	r->at += here;
	r->left -= here;
	return true;
}

void cpu_stores(uint64_t at, uint64_t bytes)
{
	struct range r = { .at = at, .left = bytes };

	while (next_line(&r)) {
		struct page *page = page_at(r.line, true, false);
		struct shared *s = page->shared;
		const unsigned int i = line_of(r.line);

		page->dirty[i] |= r.mask;
		if (!s)
			continue;
		s->stale[i] &= ~r.mask;
		s->overwritten[i] = (s->overwritten[i] & ~r.mask) | s->stale[i];
		s->discarded[i] &= ~r.mask;
		s->told[i] = 0;
	}
}

static void read_line(uint64_t line, struct shared *s, uint64_t mask,
		      enum found other, bool by_device)
{
	const unsigned int i = line_of(line);
	unsigned int what = other;

	if (s->overwritten[i] & mask)
		what |= FOUND_OVERWRITTEN;
	if (s->discarded[i] & mask)
		what |= FOUND_DISCARDED;
	what &= ~s->told[i];
	s->told[i] |= what;
	for (other = FOUND_DIRTY; what; what &= ~other, other <<= 1)
		if (what & other)
			report_line(line, other, by_device);
}

void cpu_loads(uint64_t at, uint64_t bytes)
{
	struct range r = { .at = at, .left = bytes };

	while (next_line(&r)) {
		struct page *page = page_at(r.line, false, false);

		if (page && page->shared)
			read_line(r.line, page->shared, r.mask,
				  page->shared->stale[line_of(r.line)] & r.mask ?
				  FOUND_STALE : 0, false);
	}
}

void device_reads(uint64_t at, uint64_t bytes)
{
	struct range r = { .at = at, .left = bytes };

	while (next_line(&r)) {
		struct page *page = page_at(r.line, true, true);
		const unsigned int i = line_of(r.line);

		read_line(r.line, page->shared, r.mask,
			  page->dirty[i] & ~page->shared->stale[i] & r.mask ?
			  FOUND_DIRTY : 0, true);
	}
}

void device_writes(uint64_t at, uint64_t bytes, bool ended)
{
	struct range r = { .at = at, .left = bytes };

	while (next_line(&r)) {
		struct page *page = page_at(r.line, true, true);
		struct shared *s = page->shared;
		const unsigned int i = line_of(r.line);

		s->told[i] = 0;
		s->stale[i] |= r.mask;
		s->coming[i] &= ~r.mask;
		s->discarded[i] &= ~r.mask;
		if (!ended) {
			s->coming[i] |= r.mask;
			s->overwritten[i] &= ~r.mask;
		}
		if (page->dirty[i])
			s->overwritten[i] |= r.mask;
	}
}

void clean(uint64_t at)
{
	struct page *page = at < MEMORY_END ? page_at(at, false, false) : NULL;

	if (!page)
		return;
	page->dirty[line_of(at)] = 0;
	if (page->shared)
		page->shared->told[line_of(at)] = 0;
}

void invalidate(uint64_t at)
{
	struct page *page = at < MEMORY_END ? page_at(at, false, false) : NULL;
	const unsigned int i = line_of(at);
	struct shared *s;

	if (!page || (!page->shared && !page->dirty[i]))
		return;
	s = page_at(at, false, true)->shared;
	s->discarded[i] |= page->dirty[i] & ~s->stale[i];
	s->stale[i] = s->coming[i];
	s->told[i] = 0;
	page->dirty[i] = 0;
}

void clean_and_invalidate(uint64_t at)
{
	clean(at);
	invalidate(at);
}
