// SPDX-License-Identifier: GPL-2.0
/*
 * Places that are no good: see places.h.
 */
#include <setjmp.h>
#include <signal.h>
#include <sys/mman.h>

#include <linux/dma-buf.h>

#include "machine.h"
#include "places.h"
#include "say.h"

static __thread struct {
	sigjmp_buf back;
	volatile sig_atomic_t armed;
} trap;

void *bad_place(struct world *w, size_t size, bool output)
{
	switch (pick(w, output ? 7 : 6)) {
	case 0:
		return NULL;
	case 1:
		return w->none;
	case 2:
		return w->edge + 1 - (size > 8 ? 8 : 1);
	case 3:
		return (void *)~7UL;
	case 4:
		return (void *)0xffff888000000000UL;
	case 5:
		return (void *)8UL;
	default:
		return w->read_only;
	}
}

static void on_fault(int signal)
{
	if (!trap.armed)
		die("signal %d out of nowhere", signal);
	siglongjmp(trap.back, signal);
}

static void on_alarm(int signal)
{
	(void)signal;
}

void catch_signals(void)
{
	struct sigaction fault = { .sa_handler = on_fault };
	struct sigaction alarm = { .sa_handler = on_alarm };

	sigaction(SIGSEGV, &fault, NULL);
	sigaction(SIGBUS, &fault, NULL);
	/* Without SA_RESTART: a wait that is interrupted must say so. */
	sigaction(SIGALRM, &alarm, NULL);
}

int touch(void *at, __u64 *value, bool write)
{
	int signal = sigsetjmp(trap.back, 1);

	if (!signal) {
		trap.armed = 1;
		if (write)
			*(volatile __u64 *)at = *value;
		else
			*value = *(volatile __u64 *)at;
	}
	trap.armed = 0;
	return signal;
}

void open_places(struct world *w)
{
	w->none = mmap(NULL, 3 * PAGE, PROT_READ | PROT_WRITE,
		       MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (w->none == MAP_FAILED)
		die("no memory");
	/* One page to write to, one that is not there, one to read. */
	w->edge = w->none + PAGE - 1;
	w->read_only = w->none + 2 * PAGE;
	w->none += PAGE;
	*(__u32 *)w->read_only = DMA_BUF_SYNC_READ;
	mprotect(w->none, PAGE, PROT_NONE);
	mprotect(w->read_only, PAGE, PROT_READ);
}

void close_places(struct world *w)
{
	munmap(w->none - PAGE, 3 * PAGE);
}
