/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Other processes and their threads, which do one thing with a buffer when they
 * are told to, and nothing else: who decides waits for the answer, so there is
 * one order of all that happens. What they are told for is not known here.
 */
#ifndef CORE_WORKERS_H
#define CORE_WORKERS_H

#include <sys/types.h>

#include "run.h"

#define THREADS_MAX	2
#define ORDER_BYTES	64

enum order_kind {
	ORDER_SYNC,		/* flags: of the SYNC call */
	ORDER_INTERRUPTED,	/* the same, and a signal comes while it waits */
	ORDER_STORE,		/* data: through the dma-buf, or its memfd */
	ORDER_LOAD,
};

/**
 * struct order - what a worker is told, and answers
 * @kind: what to do
 * @memfd: loads and stores: not through the dma-buf's mapping
 * @flags: of the SYNC call
 * @at: which bytes of the buffer
 * @bytes: how many, at most ORDER_BYTES
 * @data: to store, or what was loaded
 * @error: 0 or an errno; output
 */
struct order {
	enum order_kind kind;
	bool memfd;
	__u64 flags;
	size_t at;
	size_t bytes;
	__u8 data[ORDER_BYTES];
	int error;
};

/**
 * struct workers - a process that has the buffer, with its threads
 * @run: the buffer
 * @pid: the process
 * @question: pipes to its threads
 * @answer: pipes back
 */
struct workers {
	struct run *run;
	pid_t pid;
	int question[THREADS_MAX][2];
	int answer[THREADS_MAX][2];
};

/* Return: 0 or an errno. */
int start_workers(struct workers *workers, struct run *r);

/* Return: false if the process is gone. */
bool tell(struct workers *workers, unsigned int thread, struct order *order);

/* At any moment, whatever it has begun. */
void kill_workers(struct workers *workers);

#endif
