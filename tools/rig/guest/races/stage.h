/* SPDX-License-Identifier: GPL-2.0 */
/*
 * A race while it runs: its workers, what they share, and how one of them says
 * that something is wrong. What they do is not known here.
 */
#ifndef RACES_STAGE_H
#define RACES_STAGE_H

#include <pthread.h>
#include <setjmp.h>

#include "../core/run.h"

#define WORKERS_MAX	6
#define SMALL_PAGES	16	/* of a worker's memfd */

struct stage;
struct worker;

/**
 * struct action - what a worker does, again and again
 * @name: in the results
 * @step: do it once
 * @both: it must be refused now and then, or it was no race
 */
struct action {
	const char *name;
	void (*step)(struct worker *w);
	bool both;
};

/**
 * struct race - what is done at the same time
 * @name: in the results
 * @lasting: a buffer is there all the time, mapped by the CPU
 * @prepare: what its actions need before they begin, or NULL
 * @actions: one for each worker
 */
struct race {
	const char *name;
	bool lasting;
	void (*prepare)(struct stage *stage);
	const struct action *actions[WORKERS_MAX];
};

/**
 * struct worker - one thread
 * @stage: the race it takes part in
 * @action: what it does
 * @thread: itself
 * @index: which one of the race's it is
 * @seed: of its random numbers
 * @done: how often it did what it wanted
 * @refused: how often it could not, for a reason that is right
 * @round: of what it writes
 * @importer: its own door to the devices
 * @memfd: memory for its buffers, SMALL_PAGES
 * @run: a buffer of its own
 * @fault: where it goes on when there is nothing at an address
 */
struct worker {
	struct stage *stage;
	const struct action *action;
	pthread_t thread;
	unsigned int index;
	unsigned int seed;
	unsigned long done;
	unsigned long refused;
	__u32 round;
	int importer;
	int memfd;
	struct run run;
	sigjmp_buf fault;
};

/**
 * struct stage - one race while it runs; shared with its processes
 * @race: what is played
 * @exporter: on which one
 * @run: the buffer that lasts, and the one that is tried afterwards
 * @published: a dma-buf, or memfd, that others may use at any time; or -1
 * @turn: whose turn it is with a memfd that is sealed
 * @window: addresses that buffers are mapped to
 * @stop: all workers come to an end
 * @failed: @wrong is taken
 * @wrong: what the first worker that saw something wrong saw
 * @worker: the workers
 */
struct stage {
	const struct race *race;
	const struct exporter *exporter;
	struct run run;
	int published;
	int turn;
	__u8 *window;
	bool stop;
	bool failed;
	char wrong[160];
	struct worker worker[WORKERS_MAX];
};

bool stopped(const struct stage *stage);
void stop(struct stage *stage);

/* Something is wrong: the race is over. */
void __printf(2, 3) wrong(struct stage *stage, const char *format, ...);

/* A call was refused: by one of @allowed, which ends with 0, or it is wrong. */
void was_refused(struct worker *w, const char *call, const int *allowed);

#define REFUSED(w, call, ...) \
	was_refused(w, call, (const int[]){ __VA_ARGS__, 0 })

unsigned int pick(struct worker *w, unsigned int n);

#endif
