/* SPDX-License-Identifier: GPL-2.0 */
#ifndef UDMABUF_FANOUT_OPEN_WRITES_H
#define UDMABUF_FANOUT_OPEN_WRITES_H

#include <linux/sched/signal.h>
#include <linux/types.h>

/**
 * struct open_writer - a process and the write accesses it began
 * @process: a reference, or NULL; kept when nothing is open any more, since the
 *	next access is most likely of the same process
 * @depth: how many are open, unless the process is dead
 */
struct open_writer {
	struct pid *process;
	unsigned int depth;
};

/**
 * struct open_writes - the CPU write accesses that are open
 * @first: a process
 * @more: others
 * @nr_more: how many @more has room for
 *
 * Invariant: a process stands here at most once.
 *
 * Lock: the owner's. All zero is empty.
 */
struct open_writes {
	struct open_writer first;
	struct open_writer *more;
	unsigned int nr_more;
};

int open_another_write(struct open_writes *writes);
bool end_another_write(struct open_writes *writes);
bool open_writes_any(struct open_writes *writes);
void open_writes_forget(struct open_writes *writes);

/**
 * open_writes_begin() - a write access of the current process begins
 * @writes: the open ones
 *
 * Context: process context, under the owner's lock; may sleep.
 * Return: 0 or, for one more process than ever before, -ENOMEM.
 */
static inline int open_writes_begin(struct open_writes *writes)
{
	if (unlikely(writes->first.process != task_tgid(current)))
		return open_another_write(writes);
	writes->first.depth++;
	return 0;
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
	if (likely(writes->first.process == task_tgid(current) &&
		   writes->first.depth)) {
		writes->first.depth--;
		return true;
	}
	return end_another_write(writes);
}

#endif /* UDMABUF_FANOUT_OPEN_WRITES_H */
