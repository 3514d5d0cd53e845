// SPDX-License-Identifier: GPL-2.0
/*
 * Actions with seals: one worker makes a buffer of a memfd that the other is
 * sealing.
 */
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <unistd.h>

#include "../core/buffers.h"
#include "actions.h"
#include "calls.h"

enum turn { MAKE, BOTH_AT_ONCE, LOOK };

static void make_of_sealed(struct worker *w)
{
	int dmabuf, seals, memfd = sealed_memfd(SMALL_PAGES * PAGE, 0);

	__atomic_store_n(&w->stage->published, memfd, __ATOMIC_RELAXED);
	__atomic_store_n(&w->stage->turn, BOTH_AT_ONCE, __ATOMIC_RELEASE);
	usleep(pick(w, 50));
	dmabuf = create_one(w, memfd, SMALL_PAGES * PAGE);
	w->done += dmabuf >= 0;
	while (__atomic_load_n(&w->stage->turn, __ATOMIC_ACQUIRE) != LOOK) {
		if (stopped(w->stage))
			return;
		usleep(100);
	}
	seals = fcntl(memfd, F_GET_SEALS);
	if (dmabuf >= 0 && seals & F_SEAL_WRITE)
		wrong(w->stage, "a buffer of a memfd sealed against writing");
	if (dmabuf < 0 && !(seals & (F_SEAL_WRITE | F_SEAL_FUTURE_WRITE)))
		wrong(w->stage, "refused a memfd that is not sealed");
	if (dmabuf >= 0)
		close(dmabuf);
	close(memfd);
}

static void seal(struct worker *w)
{
	if (__atomic_load_n(&w->stage->turn, __ATOMIC_ACQUIRE) !=
	    BOTH_AT_ONCE) {
		sched_yield();
		return;
	}
	usleep(pick(w, 100));
	if (fcntl(__atomic_load_n(&w->stage->published, __ATOMIC_RELAXED),
		  F_ADD_SEALS, pick(w, 4) ? F_SEAL_WRITE : F_SEAL_FUTURE_WRITE))
		/* It is pinned already. */
		REFUSED(w, "F_ADD_SEALS", EBUSY);
	else
		w->done++;
	__atomic_store_n(&w->stage->turn, LOOK, __ATOMIC_RELEASE);
}

ACTION(make_of_sealed, true);
ACTION(seal, true);
