/* SPDX-License-Identifier: GPL-2.0 */
#ifndef UDMABUF_FANOUT_OPEN_WRITES_H
#define UDMABUF_FANOUT_OPEN_WRITES_H

#include <linux/compiler.h>
#include <linux/sched/signal.h>
#include <linux/types.h>

/**
 * struct open_writer - a process and the write accesses it began
 * @process: a reference, or NULL; kept when nothing is open any more, since the
 *	next access is most likely of the same process
 * @depth: how many it began and did not end
 * @dead: it was found dead with some open
 */
struct open_writer {
	struct pid *process;
	u64 depth;
	bool dead;
};

/**
 * struct open_writes - the CPU write accesses that may be open
 * @first: a process
 * @more: others
 * @nr_more: how many @more has room for
 * @kernel: kernel mappings
 *
 * An upper bound: what is open is counted here, and what is counted here need
 * not be open.
 *
 * Invariant: a process stands here at most once.
 *
 * Lock: the owner's. All zero is empty.
 */
struct open_writes {
	struct open_writer first;
	struct open_writer *more;
	unsigned int nr_more;
	unsigned int kernel;
};

int open_another_write(struct open_writes *writes, bool forget_dead);
void end_another_write(struct open_writes *writes);
bool open_writes_any(struct open_writes *writes);
void open_writes_cleaned(struct open_writes *writes);
void open_writes_forget(struct open_writes *writes);

/**
 * open_writes_begin() - a write access of the current process begins
 * @writes: the open ones
 * @forget_dead: what a dead process has stored needs no cleaning
 *
 * Context: process context, under the owner's lock; may sleep.
 * Return: 0 or, for one more process than ever before, -ENOMEM.
 */
static inline int open_writes_begin(struct open_writes *writes,
				    bool forget_dead)
{
	if (unlikely(writes->first.process != task_tgid(current)))
		return open_another_write(writes, forget_dead);
	/* To open_writes_none() any value but 0 is the same. */
	data_race(writes->first.depth++);
	return 0;
}

/**
 * open_writes_end() - a write access ends
 * @writes: the open ones
 *
 * One of the current process, if it has one: who ends what another process
 * began may as well be ending nothing at all.
 *
 * Context: any process context, under the owner's lock.
 */
static inline void open_writes_end(struct open_writes *writes)
{
	struct open_writer *first = &writes->first;

	if (unlikely(first->process != task_tgid(current)))
		end_another_write(writes);
	else if (likely(first->depth))
		/* As above. */
		data_race(first->depth--);
}

/**
 * open_writes_by_kernel() - a kernel mapping comes or goes
 * @writes: the open ones
 * @by: 1 or -1
 *
 * Context: any process context, under the owner's lock.
 */
static inline void open_writes_by_kernel(struct open_writes *writes, int by)
{
	WRITE_ONCE(writes->kernel, writes->kernel + by);
}

/**
 * open_writes_none() - tell whether none is open, without the lock
 * @writes: the open ones
 *
 * Context: any.
 * Return: true if none is; false if one may be.
 */
static inline bool open_writes_none(const struct open_writes *writes)
{
	return !READ_ONCE(writes->first.depth) && !READ_ONCE(writes->nr_more) &&
	       !READ_ONCE(writes->kernel);
}

/**
 * open_writes_were() - tell whether any process ever began one
 * @writes: the open ones
 *
 * Context: any, under the owner's lock or when nobody else has @writes.
 * Return: true if one did.
 */
static inline bool open_writes_were(const struct open_writes *writes)
{
	return writes->first.process;
}

#endif /* UDMABUF_FANOUT_OPEN_WRITES_H */
