/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Threads that use one buffer at the same time, each a process of its own to the
 * driver.
 *
 *	struct race *race = test->priv;
 *
 *	race_import(race, "noncoherent", DMA_FROM_DEVICE);
 *	race_add(race, racer_uses_cpu, 300);
 *	race_add(race, racer_uses_cpu, 300);
 *	race_start(race);
 *	race_await(race);
 *	race_stop(race);
 *	race_check_rules(race);
 *
 * What a device is like is in its name: "noncoherent" does not snoop, "bounced"
 * does not reach the memfd, and both may be said.
 */
#ifndef UDMABUF_FANOUT_RACERS_H
#define UDMABUF_FANOUT_RACERS_H

#include <linux/atomic.h>
#include <linux/completion.h>
#include <linux/prandom.h>
#include <linux/types.h>

#include "../driver/sync_plan.h"
#include "importer.h"

struct device;
struct dma_buf;
struct kunit;
struct mm_struct;
struct race;
struct task_struct;

/* Where programs have the buffer, and arguments. */
#define USER_ADDR	0x60000000UL

#define MAX_RACERS	8

/**
 * struct racer - a thread
 * @race: its race
 * @task: the thread, NULL when there is none
 * @turn: what it does, over and over
 * @turns: how often; 0 is until it is stopped
 * @ready: it takes signals
 * @done: all turns were taken; it lives on until it is stopped
 * @rnd: its random numbers
 * @dev: the device of one that imports
 * @ret: what its last begin returned
 * @may_fail: there may be no room for its copies
 * @mm: the memory map of one that is a program
 * @stores: how many times that one has stored
 * @steps: how many sync steps its calls have taken
 * @last: what the last of them did
 * @signature: of these steps, in order
 */
struct racer {
	struct race *race;
	struct task_struct *task;
	void (*turn)(struct racer *racer);
	unsigned int turns;
	struct completion ready;
	struct completion done;
	struct rnd_state rnd;
	struct device *dev;
	int ret;
	bool may_fail;
	struct mm_struct *mm;
	unsigned int stores;
	unsigned int steps;
	enum sync_op last;
	u64 signature;
};

/**
 * struct race - a buffer, and who uses it at the same time
 * @test: the test
 * @dmabuf: a buffer of PAGES pages
 * @policy: the policy before the test
 * @max_pages: the bound of copies before it
 * @open: write accesses that are open, whatever happens now
 * @invalidated: steps that dropped lines while one was, and did not clean first
 * @unlocked: steps without the reservation lock
 * @over: those who go on for ever stop
 * @nr: how many racers there are
 * @racer: the racers; the test's own thread is one more
 * @own: the steps of the test's own thread
 */
struct race {
	struct kunit *test;
	struct dma_buf *dmabuf;
	int policy;
	unsigned long max_pages;
	atomic_t open;
	atomic_t invalidated;
	atomic_t unlocked;
	bool over;
	unsigned int nr;
	struct racer racer[MAX_RACERS];
	struct racer own;
};

int race_init(struct kunit *test);
void race_exit(struct kunit *test);

struct racer *race_add(struct race *race, void (*turn)(struct racer *racer),
		       unsigned int turns);
void race_start(struct race *race);
void race_await(struct race *race);
void race_stop(struct race *race);

struct device *race_device(struct kunit *test, const char *name);
void race_import(struct race *race, const char *name,
		 enum dma_data_direction dir);

void race_give_way(void);
u32 racer_dice(struct racer *racer, u32 sides);
void racer_pause(struct racer *racer);
enum dma_data_direction racer_direction(struct racer *racer);
void racer_begin(struct racer *racer, enum dma_data_direction access);
void racer_end(struct racer *racer, enum dma_data_direction access);
void racer_uses_cpu(struct racer *racer);

void race_check_rules(struct race *race);

#endif /* UDMABUF_FANOUT_RACERS_H */
