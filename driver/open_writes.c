// SPDX-License-Identifier: GPL-2.0
/*
 * Which CPU write accesses may be open (H15). While one is, the CPU's caches
 * can hold what nothing else does, and invalidating them takes care and time.
 *
 * Programs begin what they never end, end what they never began, and have it
 * done by another process. So this is a bound from above, by process: its own
 * end lowers its own count, and nothing else does. What a dead process stored
 * last is data, too: it counts until the caches have been cleaned once after
 * its death. It must not know what an access does.
 */
#include <linux/pid.h>
#include <linux/rcupdate.h>
#include <linux/sched/signal.h>
#include <linux/slab.h>

#include "open_writes.h"

/* A process that is dead but not waited for is dead. */
static bool is_alive(struct pid *process)
{
	struct task_struct *task;
	bool alive;

	rcu_read_lock();
	task = pid_task(process, PIDTYPE_TGID);
	alive = task && atomic_read(&task->signal->live);
	rcu_read_unlock();
	return alive;
}

static struct open_writer *writer(struct open_writes *writes, unsigned int i)
{
	return i ? &writes->more[i - 1] : &writes->first;
}

static void look_after(struct open_writer *writer)
{
	if (writer->depth && !writer->dead)
		writer->dead = !is_alive(writer->process);
}

static void forget_if_dead(struct open_writer *writer)
{
	if (!writer->dead)
		return;
	writer->dead = false;
	WRITE_ONCE(writer->depth, 0);
}

/* Room for as many again. */
static int grow(struct open_writes *writes)
{
	unsigned int nr = max(2 * writes->nr_more, 3U);
	struct open_writer *more;

	more = kvcalloc(nr, sizeof(*more), GFP_KERNEL_ACCOUNT);
	if (!more)
		return -ENOMEM;
	if (writes->nr_more)
		memcpy(more, writes->more,
		       array_size(writes->nr_more, sizeof(*more)));
	kvfree(writes->more);
	writes->more = more;
	WRITE_ONCE(writes->nr_more, nr);
	return 0;
}

/**
 * open_another_write() - open_writes_begin() of a process that is not the first
 * @writes: the open ones
 * @forget_dead: what a dead process has stored needs no cleaning
 *
 * Context: process context, under the owner's lock; may sleep.
 * Return: 0 or -ENOMEM.
 */
int open_another_write(struct open_writes *writes, bool forget_dead)
{
	struct pid *process = task_tgid(current);
	unsigned int i, room = UINT_MAX;
	struct open_writer *at;
	int ret;

	for (i = 0; i <= writes->nr_more; i++) {
		at = writer(writes, i);
		if (at->process == process) {
			WRITE_ONCE(at->depth, at->depth + 1);
			return 0;
		}
		if (forget_dead) {
			look_after(at);
			forget_if_dead(at);
		}
		if (room == UINT_MAX && !at->depth)
			room = i;
	}
	if (room == UINT_MAX) {
		room = i;
		ret = grow(writes);
		if (ret)
			return ret;
	}
	at = writer(writes, room);
	put_pid(at->process);
	at->process = get_pid(process);
	WRITE_ONCE(at->depth, 1);
	return 0;
}

/**
 * end_another_write() - open_writes_end() of a process that is not the first
 * @writes: the open ones
 *
 * Context: any process context, under the owner's lock.
 */
void end_another_write(struct open_writes *writes)
{
	struct pid *process = task_tgid(current);
	struct open_writer *at;
	unsigned int i;

	for (i = 0; i < writes->nr_more; i++) {
		at = &writes->more[i];
		if (at->process != process)
			continue;
		if (at->depth)
			WRITE_ONCE(at->depth, at->depth - 1);
		return;
	}
}

/**
 * open_writes_any() - tell whether a write access may be open
 * @writes: the open ones
 *
 * Context: any process context, under the owner's lock.
 * Return: true if one may be.
 */
bool open_writes_any(struct open_writes *writes)
{
	bool any = writes->kernel;
	unsigned int i;

	for (i = 0; i <= writes->nr_more; i++) {
		look_after(writer(writes, i));
		any |= writer(writes, i)->depth > 0;
	}
	return any;
}

/**
 * open_writes_cleaned() - the caches were cleaned after open_writes_any()
 * @writes: the open ones; those of processes that were dead then are dropped
 *
 * Context: any process context, under the owner's lock.
 */
void open_writes_cleaned(struct open_writes *writes)
{
	unsigned int i;

	for (i = 0; i <= writes->nr_more; i++)
		forget_if_dead(writer(writes, i));
}

/**
 * open_writes_forget() - drop all
 * @writes: the open ones; empty afterwards
 *
 * Context: any process context, under the owner's lock.
 */
void open_writes_forget(struct open_writes *writes)
{
	unsigned int i;

	for (i = 0; i <= writes->nr_more; i++)
		put_pid(writer(writes, i)->process);
	kvfree(writes->more);
	*writes = (struct open_writes) { };
}
