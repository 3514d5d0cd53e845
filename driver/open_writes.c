// SPDX-License-Identifier: GPL-2.0
/*
 * Which CPU write accesses are open (H15). While one is, nothing may be copied
 * over what it has written, so one that never ends would keep a bounced
 * device's data from the CPU for ever. A begin without an end is easily had: a
 * process dies, or the core reports an error after the exporter's part of begin
 * succeeded. So an access is open only as long as the process that began it
 * lives, and every process that has one is known. It must not know what an
 * access does.
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

/* Whether an access of @writer is open; those of a dead process are over. */
static bool is_open(struct open_writer *writer)
{
	if (writer->depth && !is_alive(writer->process))
		writer->depth = 0;
	return writer->depth;
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
	writes->nr_more = nr;
	return 0;
}

/**
 * open_another_write() - open_writes_begin() of a process that is not the first
 * @writes: the open ones
 *
 * Context: process context, under the owner's lock; may sleep.
 * Return: 0 or -ENOMEM.
 */
int open_another_write(struct open_writes *writes)
{
	struct pid *process = task_tgid(current);
	unsigned int i, room = UINT_MAX;
	struct open_writer *at;
	int ret;

	for (i = 0; i <= writes->nr_more; i++) {
		at = writer(writes, i);
		if (at->process == process) {
			at->depth++;
			return 0;
		}
		if (room == UINT_MAX && !is_open(at))
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
	at->depth = 1;
	return 0;
}

/**
 * open_writes_any() - tell whether a write access is open
 * @writes: the open ones; those of dead processes are dropped
 *
 * Context: any process context, under the owner's lock.
 * Return: true if one is.
 */
bool open_writes_any(struct open_writes *writes)
{
	unsigned int i;

	for (i = 0; i <= writes->nr_more; i++)
		if (is_open(writer(writes, i)))
			return true;
	return false;
}

/**
 * end_another_write() - open_writes_end() where it is not the first process's
 * @writes: the open ones
 *
 * Context: any process context, under the owner's lock.
 * Return: false if none was open.
 */
bool end_another_write(struct open_writes *writes)
{
	struct pid *process = task_tgid(current);
	struct open_writer *at, *other = NULL;
	unsigned int i;

	for (i = 0; i <= writes->nr_more; i++) {
		at = writer(writes, i);
		if (!is_open(at))
			continue;
		other = at;
		if (at->process == process)
			break;
	}
	if (!other)
		return false;
	other->depth--;
	return true;
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
