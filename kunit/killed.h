/* SPDX-License-Identifier: GPL-2.0 */
/*
 * A thread that is being killed, and lives on to see what came of it.
 */
#ifndef UDMABUF_FANOUT_KILLED_H
#define UDMABUF_FANOUT_KILLED_H

#include <linux/sched/signal.h>

/**
 * set_killed() - let the current thread have been sent SIGKILL, or not
 * @killed: which
 */
static inline void set_killed(bool killed)
{
	if (killed) {
		sigaddset(&current->pending.signal, SIGKILL);
		set_tsk_thread_flag(current, TIF_SIGPENDING);
	} else {
		sigdelset(&current->pending.signal, SIGKILL);
		clear_tsk_thread_flag(current, TIF_SIGPENDING);
	}
}

#endif /* UDMABUF_FANOUT_KILLED_H */
