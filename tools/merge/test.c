// SPDX-License-Identifier: GPL-2.0
/*
 * driver/merge.c, unchanged, against its definition byte by byte: the checks of
 * kunit/merge_checks.c, then random contents, then threads that store while it
 * merges. Buffers end where memory ends.
 */
#include <argp.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include "../../kunit/merge_checks.h"
#include "sanitized.h"

/* With ASan and UBSan; merge_plain is as in the kernel. */
static const struct merge_build merge_sanitized = {
	"sanitized", sanitized_merge_fill, sanitized_merge_fetch,
	sanitized_merge_push,
};

static const struct merge_build * const builds[] = {
	&merge_plain, &merge_sanitized,
};

#define BUILDS	(sizeof(builds) / sizeof(builds[0]))

enum {
	OPT_SEED = 'r',
	OPT_SECONDS = 's',
};

static struct {
	unsigned long seed;
	double seconds;
} opt = { .seconds = 10 };

static const struct argp_option options[] = {
	{ "seed", OPT_SEED, "N", 0, "of what is random (the time)", 0 },
	{ "seconds", OPT_SECONDS, "S", 0,
	  "for how long to try what is random (10)", 0 },
	{ 0 }
};

static error_t parse(int key, char *arg, struct argp_state *state)
{
	(void)state;
	switch (key) {
	case OPT_SEED:
		opt.seed = strtoul(arg, NULL, 0);
		break;
	case OPT_SECONDS:
		opt.seconds = atof(arg);
		break;
	default:
		return ARGP_ERR_UNKNOWN;
	}
	return 0;
}

static const struct argp argp = {
	options, parse, NULL,
	"Test driver/merge.c. Exit status: 0 if it is right, 1 if not, 64 for\n"
	"usage.",
	NULL, NULL, NULL
};

static double now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec + t.tv_nsec / 1e9;
}

static u64 state;

static u64 random_word(void)
{
	state ^= state << 13;
	state ^= state >> 7;
	state ^= state << 17;
	return state;
}

static void expect_right(const char *what, const struct merge_build *build,
			 const char *wrong, size_t at)
{
	if (!wrong)
		return;
	printf("FAILED %s, %s build: %s, byte %zu (--seed %lu)\n", what,
	       build ? build->name : "watched", wrong, at, opt.seed);
	exit(1);
}

/* A page between two that cannot be touched. */
static u8 *guarded(void)
{
	size_t size = sysconf(_SC_PAGESIZE);
	u8 *memory = mmap(NULL, 3 * size, PROT_READ | PROT_WRITE,
			  MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (memory == MAP_FAILED || mprotect(memory, size, PROT_NONE) ||
	    mprotect(memory + 2 * size, size, PROT_NONE)) {
		perror("test: no memory");
		exit(1);
	}
	/* Its end is what matters where pages are larger. */
	return memory + 2 * size - MERGE_SIZE;
}

static struct merge_room new_room(void)
{
	return (struct merge_room) {
		.real = { guarded(), guarded(), guarded() },
		.wanted = { guarded(), guarded(), guarded() },
	};
}

static const struct {
	const char *what;
	const char *(*check)(const struct merge_build *build,
			     struct merge_room *room);
} checks[] = {
	{ "every position", merge_check_positions },
	{ "all and none", merge_check_all_and_none },
	{ "fill", merge_check_fill },
	{ "conflict", merge_check_conflict },
	{ "two copies", merge_check_two_copies },
	{ "every pattern of a word", merge_check_patterns },
};

/* Sizes and contents at random, the end of each buffer at the end of memory. */
static unsigned long try_random(struct merge_room *room, double until)
{
	unsigned long rounds = 0;
	size_t i;

	do {
		const struct merge_build *build = builds[random_word() % BUILDS];
		enum merge_way way = random_word() % MERGE_WAYS;
		size_t size = (random_word() % (MERGE_SIZE / 64) + 1) * 64;
		size_t skip = MERGE_SIZE - size;
		/* From about every byte to about one in a page. */
		unsigned int rarely = random_word() % 13;
		struct merge_room end = {
			.real = { room->real.page + skip,
				  room->real.copy + skip,
				  room->real.twin + skip },
			.wanted = { room->wanted.page + skip,
				    room->wanted.copy + skip,
				    room->wanted.twin + skip },
		};

		for (i = 0; i < size; i++) {
			u64 random = random_word();
			u8 byte = random;

			end.real.page[i] = byte;
			end.real.copy[i] = byte;
			end.real.twin[i] = byte;
			if (!(random >> 8 & ((1 << rarely) - 1)))
				end.real.page[i] = random >> 24;
			if (!(random >> 32 & ((1 << rarely) - 1)))
				end.real.copy[i] = random >> 48;
		}
		expect_right("random contents", build,
			     merge_compare(build, &end, way, size), end.at);
		rounds++;
	} while (now() < until);
	return rounds;
}

/**
 * struct storer - a thread that stores to some bytes of a buffer, for ever
 * @side: the buffer
 * @first: the first of its bytes; every third after it is its own, too
 * @flip: all bytes are its own, and each changes all the time
 * @last: what it last stored in each
 * @stop: it shall end
 * @lost: the byte in which somebody else's store has been, or -1
 */
struct storer {
	u8 *side;
	size_t first;
	bool flip;
	u8 last[MERGE_SIZE];
	bool stop;
	long lost;
	pthread_t thread;
};

static void *store(void *context)
{
	struct storer *storer = context;
	size_t i, step = storer->flip ? 1 : 3;

	while (!__atomic_load_n(&storer->stop, __ATOMIC_RELAXED)) {
		for (i = storer->first; i < MERGE_SIZE; i += step) {
			u8 *at = &storer->side[i];

			if (!storer->flip && storer->lost < 0 &&
			    __atomic_load_n(at, __ATOMIC_RELAXED) !=
			    storer->last[i])
				storer->lost = i;
			storer->last[i] += i % 5 * 2 + 1;
			__atomic_store_n(at, storer->last[i], __ATOMIC_RELAXED);
		}
	}
	return NULL;
}

static void start_storer(struct storer *storer, u8 *side, size_t first,
			 bool flip)
{
	*storer = (struct storer) {
		.side = side, .first = first, .flip = flip, .lost = -1,
	};
	memcpy(storer->last, side, MERGE_SIZE);
	if (pthread_create(&storer->thread, NULL, store, storer)) {
		fprintf(stderr, "test: cannot start a thread\n");
		exit(1);
	}
}

static void stop_storer(struct storer *storer)
{
	__atomic_store_n(&storer->stop, true, __ATOMIC_RELAXED);
	pthread_join(storer->thread, NULL);
}

/*
 * A task stores to every third byte of the page and a device to every third of
 * the copy. Neither ever finds anything else in its bytes, nothing is taken for
 * a conflict, and when they are done everybody has what both stored last.
 */
static unsigned long try_neighbours(const struct merge_build *build,
				    const struct merge_side *side, double until)
{
	static struct storer task, device;
	struct merge_stats stats = { 0 };
	unsigned long rounds = 0;
	const char *wrong = NULL;
	size_t i, at = 0;

	memset(side->page, 0, MERGE_SIZE);
	build->fill(side->page, side->copy, side->twin, MERGE_SIZE);
	start_storer(&task, side->page, 0, false);
	start_storer(&device, side->copy, 1, false);
	do {
		build->fetch(side->page, side->copy, side->twin, MERGE_SIZE,
			     &stats);
		build->push(side->page, side->copy, side->twin, MERGE_SIZE,
			    &stats);
		rounds++;
	} while (now() < until);
	stop_storer(&task);
	stop_storer(&device);
	build->fetch(side->page, side->copy, side->twin, MERGE_SIZE, &stats);
	build->push(side->page, side->copy, side->twin, MERGE_SIZE, &stats);

	for (i = 0; i < MERGE_SIZE && !wrong; i++) {
		u8 byte = i % 3 == 0 ? task.last[i] :
			  i % 3 == 1 ? device.last[i] : 0;

		at = i;
		if (side->page[i] != byte)
			wrong = "wrong in the page when all is quiet";
		else if (side->copy[i] != byte)
			wrong = "wrong in the copy when all is quiet";
		else if (side->twin[i] != byte)
			wrong = "wrong in the twin when all is quiet";
	}
	if (stats.conflicts)
		wrong = "a conflict where there is none";
	if (task.lost >= 0) {
		wrong = "a task's store was lost";
		at = task.lost;
	}
	if (device.lost >= 0) {
		wrong = "a device's store was lost";
		at = device.lost;
	}
	expect_right("neighbours", build, wrong, at);
	return rounds;
}

/*
 * All bytes of one side change all the time: whatever a merge has seen of it,
 * the other side and the twin have the same.
 */
static unsigned long try_flips(const struct merge_build *build,
			       const struct merge_side *side, bool fetch,
			       double until)
{
	u8 *from = fetch ? side->copy : side->page;
	u8 *to = fetch ? side->page : side->copy;
	static struct storer storer;
	struct merge_stats stats = { 0 };
	unsigned long rounds = 0;
	size_t i = 0;

	build->fill(side->page, side->copy, side->twin, MERGE_SIZE);
	start_storer(&storer, from, 0, true);
	do {
		rounds++;
		if (fetch)
			build->fetch(side->page, side->copy, side->twin,
				     MERGE_SIZE, &stats);
		else if (rounds % 2)
			build->push(side->page, side->copy, side->twin,
				    MERGE_SIZE, &stats);
		else
			build->fill(side->page, side->copy, side->twin,
				    MERGE_SIZE);
		for (i = 0; i < MERGE_SIZE && to[i] == side->twin[i]; i++)
			;
	} while (i == MERGE_SIZE && now() < until);
	stop_storer(&storer);
	expect_right(fetch ? "flips of the copy" : "flips of the page", build,
		     i < MERGE_SIZE ? "what was compared is not what was stored"
		     : stats.conflicts ? "a conflict where there is none" : NULL,
		     i);
	return rounds;
}

int main(int argc, char **argv)
{
	unsigned long rounds = 0, merges = 0, i, b;
	struct merge_room room = new_room();
	double part;

	opt.seed = time(NULL);
	argp_parse(&argp, argc, argv, 0, NULL, NULL);
	setvbuf(stdout, NULL, _IOLBF, 0);
	printf("seed %lu\n", opt.seed);
	/* Never 0, of which xorshift makes nothing else. */
	state = opt.seed * 2 + 1;

	expect_right("reads", NULL, merge_check_reads(&room), room.at);
	for (b = 0; b < BUILDS; b++)
		for (i = 0; i < sizeof(checks) / sizeof(checks[0]); i++)
			expect_right(checks[i].what, builds[b],
				     checks[i].check(builds[b], &room),
				     room.at);
	printf("ok     %zu checks of %zu builds, and how often they read\n",
	       sizeof(checks) / sizeof(checks[0]), BUILDS);

	part = opt.seconds / 4;
	rounds = try_random(&room, now() + part);
	printf("ok     %lu random merges\n", rounds);

	for (b = 0, rounds = 0; b < BUILDS; b++)
		rounds += try_neighbours(builds[b], &room.real,
					 now() + part / BUILDS);
	printf("ok     %lu merges beside threads that store\n", rounds);

	part = opt.seconds / 2 / (2 * BUILDS);
	for (b = 0; b < BUILDS; b++) {
		merges += try_flips(builds[b], &room.real, true, now() + part);
		merges += try_flips(builds[b], &room.real, false, now() + part);
	}
	printf("ok     %lu merges of what changes meanwhile\n", merges);
	return 0;
}
