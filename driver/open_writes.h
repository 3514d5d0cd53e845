/* SPDX-License-Identifier: GPL-2.0 */
#ifndef UDMABUF_FANOUT_OPEN_WRITES_H
#define UDMABUF_FANOUT_OPEN_WRITES_H

#include <linux/sched/signal.h>
#include <linux/types.h>

/* Processes that are told apart; more are only counted. */
#define MAX_OPEN_WRITERS	4

/**
 * struct open_writes - the CPU write accesses that are open
 * @by: the processes that began them
 * @by.process: a reference, or NULL; kept when nothing is open any more, since
 *	the next access is most likely of the same process
 * @by.depth: how many accesses
 * @rest: accesses of processes for which there was no room in @by
 *
 * Lock: the owner's. All zero is empty.
 */
struct open_writes {
	struct {
		struct pid *process;
		unsigned int depth;
	} by[MAX_OPEN_WRITERS];
	unsigned int rest;
};

void open_another_write(struct open_writes *writes);
bool end_another_write(struct open_writes *writes);
bool open_writes_any(struct open_writes *writes);
void open_writes_forget(struct open_writes *writes);

/**
 * open_writes_begin() - a write access of the current process begins
 * @writes: the open ones
 *
 * Context: any process context, under the owner's lock.
 */
static inline void open_writes_begin(struct open_writes *writes)
{
	if (likely(writes->by[0].process == task_tgid(current)))
		writes->by[0].depth++;
	else
		open_another_write(writes);
}

/**
 * open_writes_end() - a write access ends
 * @writes: the open ones
 *
 * One of the current process, or if it has none anybody's: a begin may be ended
 * by another process, or by a kernel thread.
 *
 * Context: any process context, under the owner's lock.
 * Return: false if none was open.
 */
static inline bool open_writes_end(struct open_writes *writes)
{
	if (likely(writes->by[0].process == task_tgid(current) &&
		   writes->by[0].depth)) {
		writes->by[0].depth--;
		return true;
	}
	return end_another_write(writes);
}

#endif /* UDMABUF_FANOUT_OPEN_WRITES_H */
