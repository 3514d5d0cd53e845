// SPDX-License-Identifier: GPL-2.0
/*
 * Actions on the buffer that lasts: mapped and unmapped, written and read by
 * threads and processes.
 */
#include <dirent.h>
#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "actions.h"
#include "calls.h"

static void come_and_go(struct worker *w)
{
	import(w, w->stage->run.dmabuf);
}

static bool holds(const __u32 *page, __u32 value)
{
	unsigned int i;

	for (i = 0; i < PAGE / 4; i++)
		if (load(&page[i]) != value)
			return false;
	return true;
}

/*
 * Nobody else writes to the page, neither CPU nor device: what was written
 * stays, through every copy that is made meanwhile, during the access and after.
 */
static void write_own_page(struct worker *w)
{
	struct run *r = &w->stage->run;
	__u32 *page = (__u32 *)(r->cpu + (1 + w->index) * PAGE);
	__u32 value = w->index << 24 | (w->round & 0xffffff);
	unsigned int i;

	if (sync_dmabuf(r->dmabuf, DMA_BUF_SYNC_START | DMA_BUF_SYNC_RW)) {
		REFUSED(w, "START", 0);
		return;
	}
	if (w->round && !holds(page, value))
		wrong(w->stage, "what was written is gone at the next access");
	value = w->index << 24 | (++w->round & 0xffffff);
	for (i = 0; i < PAGE / 4; i++)
		store(&page[i], value);
	sched_yield();
	if (!holds(page, value))
		wrong(w->stage, "what was written is gone before the access ends");
	if (sync_dmabuf(r->dmabuf, DMA_BUF_SYNC_END | DMA_BUF_SYNC_RW))
		REFUSED(w, "END", 0);
	w->done++;
}

static void read_all(struct worker *w)
{
	struct run *r = &w->stage->run;

	if (sync_dmabuf(r->dmabuf, DMA_BUF_SYNC_START | DMA_BUF_SYNC_READ) ||
	    sync_dmabuf(r->dmabuf, DMA_BUF_SYNC_END | DMA_BUF_SYNC_READ)) {
		REFUSED(w, "SYNC", 0);
		return;
	}
	w->done++;
}

/* A process of its own that writes its page, until it is killed. */
static void live_and_die(struct worker *w)
{
	pid_t pid = fork();

	if (!pid) {
		w->round = 0;
		while (!w->stage->failed)
			write_own_page(w);
		_exit(0);
	}
	if (pid < 0) {
		REFUSED(w, "fork", 0);
		return;
	}
	usleep(5000 + pick(w, 100000));
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
}

static void read_debugfs(struct worker *w)
{
	char path[512], text[4096];
	DIR *dir = opendir(DEBUGFS);
	struct dirent *entry;

	if (!dir) {
		REFUSED(w, "opendir", ENOENT);
		return;
	}
	while ((entry = readdir(dir))) {
		if (*entry->d_name == '.')
			continue;
		snprintf(path, sizeof(path), DEBUGFS "/%s", entry->d_name);
		if (read_whole(path, text, sizeof(text)) < 0)
			REFUSED(w, "debugfs", ENOENT, EIO);
		else if (!strstr(text, "policy: "))
			wrong(w->stage, "a debugfs file does not say the policy");
		else
			w->done++;
	}
	closedir(dir);
}

ACTION(come_and_go);
ACTION(write_own_page);
ACTION(read_all);
ACTION(live_and_die);
ACTION(read_debugfs);
