// SPDX-License-Identifier: GPL-2.0
/*
 * Calls on a buffer: see buffers.h.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include <sys/ioctl.h>
#include <sys/mman.h>

#include <linux/dma-buf.h>
#include <linux/udmabuf.h>

#include "buffers.h"
#include "machine.h"
#include "places.h"
#include "say.h"

void close_buffer(struct world *w, struct buffer *buffer)
{
	start(w, "close(buffer)", buffer - w->buffer, 0, 0);
	expect(w, error_of(close(buffer->fd)), 0);
	buffer->fd = -1;
	put_memory(w, &buffer->memory);
}

void call_close_buffer(struct world *w)
{
	struct buffer *buffer = some_buffer(w);

	if (buffer)
		close_buffer(w, buffer);
}

void call_dup(struct world *w)
{
	struct buffer *buffer = some_buffer(w);
	int fd;

	if (!buffer)
		return;
	start(w, "dup(buffer)", buffer - w->buffer, 0, 0);
	fd = one_in(w, 2) ? dup(buffer->fd) :
	     fcntl(buffer->fd, F_DUPFD_CLOEXEC, 0);
	expect(w, error_of(fd), 0);
	close(buffer->fd);
	buffer->fd = fd;
}

void call_seek(struct world *w)
{
	struct buffer *buffer = some_buffer(w);
	int whence = pick(w, 5);
	off_t offset = one_in(w, 2) ? 0 : (off_t)next(w), at;

	if (!buffer)
		return;
	start(w, "lseek(buffer)", buffer - w->buffer, whence, offset);
	at = lseek(buffer->fd, offset, whence);
	expect(w, error_of(at), offset || (whence != SEEK_END &&
					   whence != SEEK_SET) ? EINVAL : 0);
	if (at >= 0 && whence == SEEK_END)
		check_size(w, buffer->fd, &buffer->memory);
	else if (at > 0)
		violation(w, "SEEK_SET: %lld", (long long)at);
}

static bool is_fenced(const struct world *w)
{
	unsigned int i;

	for (i = 0; i < ATTACHMENTS; i++)
		if (w->attachment[i].used && w->attachment[i].late)
			return true;
	return false;
}

static void interrupt_me(struct world *w, long us)
{
	struct itimerspec when = { .it_value.tv_nsec = us * 1000 };
	struct sigevent event = {
		.sigev_notify = SIGEV_THREAD_ID,
		.sigev_signo = SIGALRM,
	};

	if (!w->timer_made) {
		event._sigev_un._tid = gettid();
		if (timer_create(CLOCK_MONOTONIC, &event, &w->timer))
			die("timer_create: %s", strerror(errno));
		w->timer_made = true;
	}
	timer_settime(w->timer, 0, &when, NULL);
}

void call_sync(struct world *w)
{
	struct buffer *buffer = some_buffer(w);
	struct dma_buf_sync sync;
	bool interrupt;
	int error;

	if (!buffer)
		return;
	sync.flags = one_in(w, 16) ? next(w) : one_in(w, 16) ? pick(w, 16) :
		     1 + pick(w, 3) + (one_in(w, 2) ? DMA_BUF_SYNC_END : 0);
	start(w, "DMA_BUF_IOCTL_SYNC", buffer - w->buffer, sync.flags, 0);
	if (one_in(w, 50)) {
		expect(w, error_of(ioctl(buffer->fd, DMA_BUF_IOCTL_SYNC,
					 bad_place(w, sizeof(sync), false))),
		       EFAULT);
		return;
	}
	interrupt = is_fenced(w) && one_in(w, 2);
	if (interrupt)
		interrupt_me(w, 1000);
	error = error_of(ioctl(buffer->fd, DMA_BUF_IOCTL_SYNC, &sync));
	if (interrupt)
		interrupt_me(w, 0);
	if (sync.flags & ~7ULL || !(sync.flags & 3))
		expect(w, error, EINVAL);
	else if (sync.flags & DMA_BUF_SYNC_END || !interrupt)
		expect(w, error, 0);
	else
		expect(w, error, 0, EINTR);
}

void call_set_name(struct world *w)
{
	static const char text[] = "a name of thirty-two characters";
	struct buffer *buffer = some_buffer(w);
	unsigned int from = pick(w, sizeof(text));
	unsigned long cmd = one_in(w, 2) ? DMA_BUF_SET_NAME_A :
					   DMA_BUF_SET_NAME_B;
	char longer[40];

	if (!buffer)
		return;
	start(w, "DMA_BUF_SET_NAME", buffer - w->buffer, from, cmd);
	switch (pick(w, 8)) {
	case 0:
		memset(longer, 'x', sizeof(longer));
		expect(w, error_of(ioctl(buffer->fd, cmd, longer)), EINVAL);
		return;
	case 1:
		expect(w, error_of(ioctl(buffer->fd, cmd, w->none)), EFAULT);
		return;
	}
	expect(w, error_of(ioctl(buffer->fd, cmd, text + from)), 0);
}

void call_sync_file(struct world *w)
{
	struct buffer *buffer = some_buffer(w);
	struct dma_buf_export_sync_file export = { .fd = -1 };
	struct dma_buf_import_sync_file import = { };
	bool out = w->sync_file < 0 || one_in(w, 2);
	int error, want;
	void *at;

	if (!buffer)
		return;
	export.flags = one_in(w, 8) ? next(w) : 1 + pick(w, 3);
	want = export.flags & ~3U || !export.flags ? EINVAL : 0;
	if (!machine.sync_files)
		want = ENOTTY;
	start(w, "DMA_BUF_IOCTL_xPORT_SYNC_FILE", buffer - w->buffer,
	      export.flags, out);
	if (out) {
		at = one_in(w, 8) ? bad_place(w, sizeof(export), true) :
				    &export;
		error = error_of(ioctl(buffer->fd,
				       DMA_BUF_IOCTL_EXPORT_SYNC_FILE, at));
		if (at == &export)
			expect(w, error, want);
		else
			expect(w, error, machine.sync_files ? EFAULT : ENOTTY);
		if (error)
			return;
		if (w->sync_file >= 0)
			close(w->sync_file);
		w->sync_file = export.fd;
		return;
	}
	import.flags = export.flags;
	import.fd = one_in(w, 8) ? w->node : w->sync_file;
	error = error_of(ioctl(buffer->fd, DMA_BUF_IOCTL_IMPORT_SYNC_FILE,
			       &import));
	expect(w, error, want ?: import.fd == w->node ? EINVAL : 0);
}

void call_poll(struct world *w)
{
	struct buffer *buffer = some_buffer(w);
	struct pollfd poll_fd = { .events = pick(w, 8) };
	int ret;

	if (!buffer)
		return;
	poll_fd.fd = buffer->fd;
	start(w, "poll(buffer)", buffer - w->buffer, poll_fd.events, 0);
	ret = poll(&poll_fd, 1, one_in(w, 8) ? 2 : 0);
	expect(w, error_of(ret), 0);
	if (poll_fd.revents & ~(poll_fd.events & (POLLIN | POLLOUT)))
		violation(w, "poll for %#x says %#x", poll_fd.events,
			  poll_fd.revents);
}

/* What a dma-buf and its node do not do. */
void call_nonsense(struct world *w)
{
	struct buffer *buffer = some_buffer(w);
	unsigned int what = pick(w, 9);
	char byte = 0;
	int error;

	if (!buffer)
		return;
	start(w, "nonsense", what, 0, 0);
	switch (what) {
	case 0:
		error = error_of(read(buffer->fd, &byte, 1));
		expect(w, error, EINVAL);
		break;
	case 1:
		error = error_of(write(buffer->fd, &byte, 1));
		expect(w, error, EINVAL);
		break;
	case 2:
		expect(w, error_of(ftruncate(buffer->fd, 0)), EINVAL);
		break;
	case 3:
		expect(w, error_of(fallocate(buffer->fd, 0, 0, PAGE)), ENODEV,
		       EOPNOTSUPP);
		break;
	case 4:
		expect(w, error_of(fcntl(buffer->fd, F_ADD_SEALS,
					 F_SEAL_SHRINK)), EINVAL);
		break;
	case 5:
		expect(w, error_of(ioctl(buffer->fd, UDMABUF_CREATE, w->none)),
		       ENOTTY);
		break;
	case 6:
		/* Their numbers collide with nothing of the node's. */
		expect(w, error_of(ioctl(w->node, DMA_BUF_IOCTL_SYNC,
					 w->none)), ENOTTY);
		break;
	case 7:
		expect(w, error_of(ioctl(w->node, _IOW('u', 0x40 + pick(w, 16),
						       char[1]), &byte)),
		       ENOTTY);
		break;
	case 8:
		expect(w, mmap(NULL, PAGE, PROT_READ, MAP_SHARED, w->node, 0) ==
			  MAP_FAILED ? errno : 0, ENODEV);
		break;
	}
}

/* The arguments lie in the buffer, and are not mapped yet when they are read. */
void call_arguments_in_buffer(struct world *w)
{
	struct buffer *buffer = some_buffer(w);
	struct dma_buf_sync sync = {
		.flags = DMA_BUF_SYNC_READ | (one_in(w, 2) ? DMA_BUF_SYNC_END :
							     0),
	};
	unsigned int page;
	__u8 *one, *two;
	int error;

	if (!buffer)
		return;
	page = pick(w, buffer->memory.pages);
	start(w, "arguments in the buffer", buffer - w->buffer, page, 0);
	one = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, buffer->fd,
		   page * PAGE);
	two = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, buffer->fd,
		   page * PAGE);
	if (one == MAP_FAILED || two == MAP_FAILED)
		violation(w, "mmap of page %u of %u: %s", page,
			  buffer->memory.pages, strerrorname_np(errno));
	memcpy(one + SCRATCH, &sync, sizeof(sync));
	munmap(one, PAGE);
	error = error_of(ioctl(buffer->fd, DMA_BUF_IOCTL_SYNC, two + SCRATCH));
	munmap(two, PAGE);
	expect(w, error, 0);
}
