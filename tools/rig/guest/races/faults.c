// SPDX-License-Identifier: GPL-2.0
/*
 * Actions on addresses that buffers are mapped to, cleared of, and touched.
 */
#include <signal.h>
#include <stdint.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../core/buffers.h"
#include "../core/words.h"
#include "actions.h"
#include "calls.h"

#define WINDOWS		4
#define WINDOW		(2 * HUGE_PAGE)

static __thread struct worker *toucher;

static void on_fault(int number)
{
	if (toucher)
		siglongjmp(toucher->fault, number);
	_exit(number);
}

/* Nothing can be read there, and nobody else is given the addresses. */
static void *make_hole(void *at, size_t bytes)
{
	return mmap(at, bytes, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS |
		    MAP_NORESERVE | (at ? MAP_FIXED : 0), -1, 0);
}

void open_windows(struct stage *stage)
{
	struct sigaction fault = { .sa_handler = on_fault };

	sigaction(SIGSEGV, &fault, NULL);
	sigaction(SIGBUS, &fault, NULL);
	stage->window = make_hole(NULL, (WINDOWS + 1) * WINDOW);
	stage->window += -(uintptr_t)stage->window % WINDOW;
}

/* The memory of window @i: every page's first word says which page it is. */
static int window_memory(struct worker *w, unsigned int i, size_t *bytes)
{
	int *fd = &w->run.memfds[i % 2];
	unsigned int page;
	__u8 *memory;

	*bytes = i % 2 ? HUGE_PAGE : 64 * PAGE;
	if (*fd > 0)
		return *fd;
	*fd = sealed_memfd(*bytes, i % 2 ? MFD_HUGETLB : 0);
	memory = mmap(NULL, *bytes, PROT_READ | PROT_WRITE, MAP_SHARED, *fd, 0);
	if (memory == MAP_FAILED) {
		REFUSED(w, "memory of a window", 0);
		return -1;
	}
	for (page = 0; page < *bytes / PAGE; page++)
		store((__u32 *)(memory + page * PAGE), OLD << 24 | page);
	munmap(memory, *bytes);
	return *fd;
}

static void map_window(struct worker *w)
{
	unsigned int i = pick(w, WINDOWS);
	int memfd, dmabuf;
	size_t bytes;

	memfd = window_memory(w, i, &bytes);
	if (memfd < 0)
		return;
	dmabuf = create_one(w, memfd, bytes);
	if (dmabuf < 0)
		return;
	/* What was there is unmapped, and released with it. */
	if (mmap(w->stage->window + i * WINDOW, bytes, PROT_READ | PROT_WRITE,
		 MAP_SHARED | MAP_FIXED, dmabuf, 0) == MAP_FAILED)
		REFUSED(w, "mmap", 0);
	close(dmabuf);
	usleep(pick(w, 3000));
	w->done++;
}

static void clear_window(struct worker *w)
{
	const size_t bytes = (1 + pick(w, 64)) * PAGE;
	__u8 *at = w->stage->window + pick(w, WINDOWS) * WINDOW +
		   pick(w, 64) * PAGE;
	pid_t pid;

	if (pick(w, 8)) {
		if (make_hole(at, bytes) == MAP_FAILED)
			REFUSED(w, "mmap", 0);
	} else {
		/* The page tables are copied. */
		pid = fork();
		if (!pid)
			_exit(0);
		if (pid < 0)
			REFUSED(w, "fork", 0);
		waitpid(pid, NULL, 0);
	}
	usleep(pick(w, 1000));
	w->done++;
}

static void touch_window(struct worker *w)
{
	unsigned int i = pick(w, WINDOWS), page = pick(w, i % 2 ? 512 : 64);
	__u32 *at = (__u32 *)(w->stage->window + i * WINDOW + page * PAGE);
	__u32 seen;

	if (sigsetjmp(w->fault, 1)) {
		toucher = NULL;
		w->refused++;
		return;
	}
	toucher = w;
	if (pick(w, 2))
		store(at + 1, w->index);
	seen = load(at);
	toucher = NULL;
	if (seen != (OLD << 24 | page))
		wrong(w->stage, "page %u of a window reads %08x", page, seen);
	w->done++;
}

ACTION(map_window);
ACTION(clear_window);
ACTION(touch_window, true);
