// SPDX-License-Identifier: GPL-2.0
/*
 * What a merge costs beside memcpy(): driver/merge.c, unchanged, in general
 * registers as in the kernel. memcpy() is the C library's, which may use vector
 * registers; "rep movsb" is what the kernel's own memcpy() is on x86.
 *
 * All memory is touched first. Of several runs the best counts, since others use
 * the caches and the memory, too; each run measures everything once, in turn.
 */
#include <argp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>

#include "../../driver/merge.h"

#define MIB	(1UL << 20)
#define MEMORY	(64 * MIB)
#define PAGE	4096

enum {
	OPT_RUNS = 'n',
};

static struct {
	int runs;
} opt = { .runs = 9 };

static const struct argp_option options[] = {
	{ "runs", OPT_RUNS, "N", 0,
	  "of so many runs the best counts (9); up to four times as many where a limit is missed",
	  0 },
	{ 0 }
};

static error_t parse(int key, char *arg, struct argp_state *state)
{
	switch (key) {
	case OPT_RUNS:
		opt.runs = atoi(arg);
		if (opt.runs < 1)
			argp_error(state, "--runs: 1 or more");
		break;
	default:
		return ARGP_ERR_UNKNOWN;
	}
	return 0;
}

static const struct argp argp = {
	options, parse, NULL,
	"Measure driver/merge.c beside memcpy(). Exit status: 0 if it is within\n"
	"its limits, 1 if not, 64 for usage.",
	NULL, NULL, NULL
};

/* Without the time that others have the processor. */
static double now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
	return t.tv_sec * 1e9 + t.tv_nsec;
}

static u8 *page, *copy, *twin;
static struct merge_stats stats;

static void run_memcpy(size_t at, size_t size)
{
	memcpy(copy + at, page + at, size);
}

#ifdef __x86_64__
static void run_movsb(size_t at, size_t size)
{
	void *to = copy + at, *from = page + at;

	__asm__ volatile("rep movsb" : "+D" (to), "+S" (from), "+c" (size) : :
			 "memory");
}
#endif

static void run_fetch(size_t at, size_t size)
{
	merge_fetch(page + at, copy + at, twin + at, size, &stats);
}

static void run_push(size_t at, size_t size)
{
	merge_push(page + at, copy + at, twin + at, size, &stats);
}

static void run_push_reader(size_t at, size_t size)
{
	merge_push(page + at, copy + at, NULL, size, &stats);
}

static void run_fill(size_t at, size_t size)
{
	merge_fill(page + at, copy + at, twin + at, size);
}

static void run_fill_reader(size_t at, size_t size)
{
	merge_fill(page + at, copy + at, NULL, size);
}

enum change {
	NOTHING,
	ONE_PAGE,	/* in each stretch */
	ALL,
	RANDOM,		/* of 256 bytes one has the value it had */
};

static const struct row {
	const char *what;
	void (*run)(size_t at, size_t size);
	u8 **changed;		/* the side that was written */
	enum change change;
	double limit;		/* times memcpy(), 0: none */
} rows[] = {
	{ "memcpy", run_memcpy },
#ifdef __x86_64__
	{ "rep movsb", run_movsb },
#endif
	{ "fetch, nothing changed", run_fetch, &copy, NOTHING, 1.1 },
	{ "fetch, one page changed", run_fetch, &copy, ONE_PAGE },
	{ "fetch, all changed", run_fetch, &copy, ALL, 2.5 },
	{ "fetch, random data", run_fetch, &copy, RANDOM },
	{ "push, nothing changed", run_push, &page, NOTHING, 1.1 },
	{ "push, one page changed", run_push, &page, ONE_PAGE },
	{ "push, all changed", run_push, &page, ALL, 2.5 },
	{ "push, random data", run_push, &page, RANDOM },
	{ "push to a reader, nothing", run_push_reader, &page, NOTHING, 1.1 },
	{ "push to a reader, all", run_push_reader, &page, ALL, 2.5 },
	/* Whose twin is as old as its copy. */
	{ "fill", run_fill },
	{ "fill for a reader", run_fill_reader },
};

#define ROWS	(sizeof(rows) / sizeof(rows[0]))

static void write_some(const struct row *row, size_t at, size_t size)
{
	static u64 random = 1;
	size_t i;

	if (row->change == ONE_PAGE)
		size = PAGE;
	if (row->change != NOTHING)
		for (i = at; i < at + size; i += sizeof(u64)) {
			u64 *word = (u64 *)(*row->changed + i);

			random ^= random << 13;
			random ^= random >> 7;
			random ^= random << 17;
			*word = row->change == RANDOM ? random : ~*word;
		}
}

/* One run of @row over all memory, in stretches of @size. Return: ns. */
static double measure(const struct row *row, size_t size, size_t memory)
{
	double took = 0, start;
	size_t at;

	/* All before any: what was written is no longer in the cache. */
	for (at = 0; at < memory; at += size)
		write_some(row, at, size);
	for (at = 0; at < memory; at += size) {
		start = now();
		row->run(at, size);
		took += now() - start;
	}
	return took;
}

static bool misses(const struct row *row, const double *best)
{
	return row->limit && best[row - rows] > row->limit * best[0];
}

static bool any_misses(const double *best)
{
	unsigned int i;

	for (i = 0; i < ROWS; i++)
		if (misses(&rows[i], best))
			return true;
	return false;
}

/*
 * A processor whose other half is busy computes at half the speed, and copies as
 * fast as ever: where a limit is missed, there are more runs.
 *
 * Return: whether it was missed in them, too.
 */
static bool print_table(const char *what, size_t size, size_t memory,
			bool limits)
{
	double best[ROWS] = { 0 };
	unsigned int i;
	int run;

	memcpy(copy, page, MEMORY);
	memcpy(twin, page, MEMORY);
	for (run = 0; run < 4 * opt.runs; run++) {
		if (run >= opt.runs && !(limits && any_misses(best)))
			break;
		for (i = 0; i < ROWS; i++) {
			double took = measure(&rows[i], size, memory);

			/* A push to a reader knows of no twin. */
			if (rows[i].run == run_push_reader)
				memcpy(twin, page, memory);
			if (!run || took < best[i])
				best[i] = took;
		}
	}
	printf("%-36s %10s %10s %8s\n", what, "ns/MiB", "x memcpy",
	       limits ? "limit" : "");
	for (i = 0; i < ROWS; i++) {
		printf("  %-34s %10.0f %10.2f", rows[i].what,
		       best[i] / (memory / MIB), best[i] / best[0]);
		if (limits && rows[i].limit)
			printf(" %8.1f%s", rows[i].limit,
			       misses(&rows[i], best) ? "  MISSED" : "");
		printf("\n");
	}
	printf("\n");
	return limits && any_misses(best);
}

static u8 *get(void)
{
	u8 *memory = mmap(NULL, MEMORY, PROT_READ | PROT_WRITE,
			  MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	size_t i;

	if (memory == MAP_FAILED) {
		perror("bench: no memory");
		exit(1);
	}
	/* The kernel's own mapping of memory has large pages. */
	madvise(memory, MEMORY, MADV_HUGEPAGE);
	for (i = 0; i < MEMORY; i++)
		memory[i] = i * 37 + i / PAGE;
	return memory;
}

int main(int argc, char **argv)
{
	bool missed;

	argp_parse(&argp, argc, argv, 0, NULL, NULL);
	setvbuf(stdout, NULL, _IOLBF, 0);
	page = get();
	copy = get();
	twin = get();
	missed = print_table("64 MiB", MEMORY, MEMORY, true);
	missed |= print_table("4 MiB, a part of 64 in turn", 4 * MIB, MEMORY,
			      true);
	print_table("4 MiB, always the same, in the cache", 4 * MIB, 4 * MIB,
		    false);
	printf("%s\n", missed ? "FAILED: slower than it may be" :
	       "within its limits");
	return missed;
}
