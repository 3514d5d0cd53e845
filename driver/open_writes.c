// SPDX-License-Identifier: GPL-2.0
/*
 * Which CPU write accesses are open (H15). While one is, nothing may be copied
 * over what it has written, so one that never ends would keep a bounced
 * device's data from the CPU for ever. A begin without an end is easily had: a
 * process dies, or the core reports an error after the exporter's part of begin
 * succeeded. So an access is open only as long as the process that began it
 * lives. It must not know what an access does.
 */
#include <linux/pid.h>
#include <linux/rcupdate.h>
#include <linux/sched/signal.h>

#include "open_writes.h"

static void remove(struct open_writes *writes, unsigned int i)
{
	put_pid(writes->by[i].process);
	for (writes->nr--; i < writes->nr; i++)
		writes->by[i] = writes->by[i + 1];
}

static unsigned int find_current(const struct open_writes *writes)
{
	unsigned int i;

	for (i = 0; i < writes->nr; i++)
		if (writes->by[i].process == task_tgid(current))
			break;
	return i;
}

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

/**
 * open_writes_begin() - a write access of the current process begins
 * @writes: the open ones
 *
 * Context: any process context, under the owner's lock.
 */
void open_writes_begin(struct open_writes *writes)
{
	unsigned int i = find_current(writes);

	if (i < writes->nr) {
		writes->by[i].depth++;
	} else if (i < MAX_OPEN_WRITERS) {
		writes->by[i].process = get_pid(task_tgid(current));
		writes->by[i].depth = 1;
		writes->nr++;
	} else {
		writes->rest++;
	}
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
	unsigned int i = 0;

	while (i < writes->nr)
		if (is_alive(writes->by[i].process))
			i++;
		else
			remove(writes, i);
	return writes->nr || writes->rest;
}

/**
 * open_writes_end() - a write access ends
 * @writes: the open ones
 *
 * One of the current process, or if it has none the oldest: a begin may be
 * ended by another process, or by a kernel thread.
 *
 * Context: any process context, under the owner's lock.
 * Return: false if none was open.
 */
bool open_writes_end(struct open_writes *writes)
{
	unsigned int i = find_current(writes);

	if (i == writes->nr) {
		if (!open_writes_any(writes))
			return false;
		if (writes->rest) {
			writes->rest--;
			return true;
		}
		i = 0;
	}
	if (!--writes->by[i].depth)
		remove(writes, i);
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
	while (writes->nr)
		remove(writes, 0);
	writes->rest = 0;
}
