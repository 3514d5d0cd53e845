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
 * open_another_write() - open_writes_begin() of a process that is not the first
 * @writes: the open ones
 *
 * Context: any process context, under the owner's lock.
 */
void open_another_write(struct open_writes *writes)
{
	struct pid *process = task_tgid(current);
	unsigned int i, room = MAX_OPEN_WRITERS;

	for (i = 0; i < MAX_OPEN_WRITERS; i++) {
		if (writes->by[i].process == process) {
			writes->by[i].depth++;
			return;
		}
		if (!writes->by[i].depth && room == MAX_OPEN_WRITERS)
			room = i;
	}
	if (room == MAX_OPEN_WRITERS) {
		writes->rest++;
		return;
	}
	put_pid(writes->by[room].process);
	writes->by[room].process = get_pid(process);
	writes->by[room].depth = 1;
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

	for (i = 0; i < MAX_OPEN_WRITERS; i++) {
		if (!writes->by[i].depth)
			continue;
		if (is_alive(writes->by[i].process))
			return true;
		writes->by[i].depth = 0;
	}
	return writes->rest;
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
	unsigned int i;

	for (i = 0; i < MAX_OPEN_WRITERS; i++) {
		if (writes->by[i].process == process && writes->by[i].depth) {
			writes->by[i].depth--;
			return true;
		}
	}
	if (!open_writes_any(writes))
		return false;
	if (writes->rest) {
		writes->rest--;
		return true;
	}
	for (i = 0; !writes->by[i].depth; i++)
		;
	writes->by[i].depth--;
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

	for (i = 0; i < MAX_OPEN_WRITERS; i++)
		put_pid(writes->by[i].process);
	*writes = (struct open_writes) { };
}
