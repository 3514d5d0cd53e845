// SPDX-License-Identifier: GPL-2.0
/*
 * A child that nobody waits for: see loose.h.
 */
#include <errno.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>
#include <sys/ioctl.h>
#include <sys/wait.h>

#include <linux/dma-buf.h>

#include "loose.h"
#include "machine.h"
#include "places.h"
#include "say.h"

void reap(struct world *w)
{
	int status;

	if (!w->loose)
		return;
	kill(w->loose, SIGKILL);
	while (waitpid(w->loose, &status, 0) < 0)
		if (errno != EINTR)
			die("waitpid: %s", strerror(errno));
	if (WIFEXITED(status) && WEXITSTATUS(status))
		die("a child says that something is wrong");
	w->loose = 0;
}

void call_loose_child(struct world *w)
{
	unsigned int i, calls = 1 + pick(w, 2000);

	if (w->child)
		return;
	start(w, "fork without wait", calls, 0, 0);
	reap(w);
	w->loose = fork();
	if (!w->loose) {
		w->timer_made = false;
		for (i = 0; i < calls; i++) {
			struct dma_buf_sync sync = {
				.flags = 1 + i % 3 + 4 * (i / 3 % 2) };
			struct buffer *buffer = &w->buffer[i % BUFFERS];
			struct map *map = &w->map[i % MAPS];
			__u64 value;

			if (buffer->fd >= 0 &&
			    ioctl(buffer->fd, DMA_BUF_IOCTL_SYNC, &sync))
				_exit(1);
			if (map->at && map->inode < 0)
				touch(map->at, &value, false);
		}
		_exit(0);
	}
	if (w->loose < 0)
		w->loose = 0;
	expect(w, w->loose ? 0 : errno, 0);
}
