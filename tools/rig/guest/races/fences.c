// SPDX-License-Identifier: GPL-2.0
/*
 * Actions with signals: they come while the CPU waits for a device's fence.
 */
#include <errno.h>
#include <signal.h>
#include <stdint.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "../core/buffers.h"
#include "../core/steps.h"
#include "../edu/edu_importer.h"
#include "actions.h"
#include "calls.h"

static const struct peer waiting[] = {
	{ B1, WRITES, LATE },
	{ D1, BOTH, LATE },
};

static void on_signal(int number)
{
	(void)number;
}

void expect_signals(struct stage *stage)
{
	struct sigaction interrupt = { .sa_handler = on_signal };
	sigset_t set;

	(void)stage;
	sigaction(SIGUSR1, &interrupt, NULL);
	sigemptyset(&set);
	sigaddset(&set, SIGUSR1);
	sigprocmask(SIG_BLOCK, &set, NULL);
}

static bool expect_open(struct worker *w, int expected, const char *when)
{
	int seen = is_open_for_writing(w->run.dmabuf);

	if (seen != expected)
		wrong(w->stage, "open for writing %s: %d", when, seen);
	return seen == expected;
}

static bool make_own_buffer(struct worker *w)
{
	struct run *r = &w->run;

	r->exporter = w->stage->exporter;
	r->made_of = PAGES;
	r->peers[0] = waiting[w->index % ARRAY_SIZE(waiting)];
	if (setjmp(r->end)) {
		wrong(w->stage, "%s: %s %s", w->action->name, r->step,
		      r->detail);
		return false;
	}
	make_buffer(r);
	join(r, 0);
	return true;
}

/*
 * A device writes late, and signals arrive while the CPU waits for its fence: of a
 * START that was interrupted an END leaves nothing (where there is nothing to sync
 * only the core waits, and it may count as begun), one that was not comes after
 * the device.
 */
static void wait_for_device(struct worker *w)
{
	struct edu_transfer late = { .length = 256, .offset = 5 * PAGE };
	struct run *r = &w->run;
	__u32 data[64], *seen;
	sigset_t set;
	unsigned int i;
	int error;

	if (!r->cpu && !make_own_buffer(w))
		return;
	w->round++;
	for (i = 0; i < ARRAY_SIZE(data); i++)
		data[i] = w->round;
	late.attachment = r->attachment[0];
	late.data = (uintptr_t)data;
	late.delay_ms = 1 + pick(w, 20);
	if (ioctl(r->importer, EDU_WRITE, &late)) {
		REFUSED(w, "late write", 0);
		return;
	}

	sigemptyset(&set);
	sigaddset(&set, SIGUSR1);
	for (;;) {
		pthread_sigmask(SIG_UNBLOCK, &set, NULL);
		error = try_sync(r, DMA_BUF_SYNC_START | DMA_BUF_SYNC_RW);
		pthread_sigmask(SIG_BLOCK, &set, NULL);
		if (!error)
			break;
		errno = error;
		REFUSED(w, "START", EINTR);
		if (try_sync(r, DMA_BUF_SYNC_END | DMA_BUF_SYNC_RW))
			REFUSED(w, "END", 0);
		if (!expect_open(w, 0, "after the END of an interrupted START") ||
		    stopped(w->stage))
			return;
	}
	seen = (__u32 *)(r->cpu + late.offset);
	for (i = 0; i < ARRAY_SIZE(data); i++)
		if (load(&seen[i]) != w->round)
			wrong(w->stage, "START came before the device's data");
	expect_open(w, 1, "after START");
	if (try_sync(r, DMA_BUF_SYNC_END | DMA_BUF_SYNC_RW))
		REFUSED(w, "END", 0);
	expect_open(w, 0, "after END");
	w->done++;
}

static void pester(struct worker *w)
{
	struct worker *other = w->stage->worker;
	unsigned int i;

	for (i = 0; i < w->index; i++)
		if (!pthread_kill(other[i].thread, SIGUSR1))
			w->done++;
	usleep(pick(w, 3000));
}

ACTION(wait_for_device, true);
ACTION(pester);
