// SPDX-License-Identifier: GPL-2.0
/*
 * Calls on a buffer: what its descriptor does, and its maps.
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
#include <sys/syscall.h>
#include <sys/uio.h>

#include <linux/dma-buf.h>
#include <linux/udmabuf.h>

#include "hostile_model.h"

/* Buffers. */

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

/* Maps. */

void drop_map(struct world *w, struct map *map)
{
	struct inode *inode;

	map->at = NULL;
	if (map->inode < 0) {
		put_memory(w, &map->memory);
		return;
	}
	inode = &w->shared->inode[map->inode];
	if (map->sure)
		inode->maps--;
	else
		inode->maps_unsure--;
	put_inode(w, map->inode);
}

void unmap(struct world *w, struct map *map)
{
	start(w, "munmap", map - w->map, map->pages, 0);
	expect(w, error_of(munmap(map->at, map->pages * PAGE)), 0);
	drop_map(w, map);
}

void call_mmap(struct world *w)
{
	static const int protections[] = {
		PROT_READ | PROT_WRITE, PROT_READ, PROT_NONE };
	struct buffer *buffer = some_buffer(w);
	struct map *map = &w->map[pick(w, MAPS)];
	__u64 offset, size;
	int flags = MAP_SHARED | (one_in(w, 4) ? MAP_POPULATE : 0);
	int want = 0, error, prot;
	__u8 *at;

	if (!buffer)
		return;
	if (map->at)
		unmap(w, map);
	offset = pick(w, buffer->memory.pages);
	size = 1 + pick(w, buffer->memory.pages - offset);
	prot = protections[one_in(w, 2) ? 0 : pick(w, 3)];
	switch (one_in(w, 6) ? pick(w, 4) : 4) {
	case 0:
		size = buffer->memory.pages - offset + 1 + pick(w, 9);
		want = EINVAL;
		break;
	case 1:
		offset = (next(w) >> 12) | buffer->memory.pages;
		want = EINVAL;
		break;
	case 2:
		flags ^= MAP_SHARED ^ MAP_PRIVATE;
		want = EINVAL;
		break;
	case 3:
		size = 0;
		want = EINVAL;
		break;
	}
	start(w, "mmap(buffer)", buffer - w->buffer, offset, size);
	/* glibc has an opinion about offsets. */
	at = (__u8 *)syscall(SYS_mmap, NULL, size * PAGE, prot, flags,
			     buffer->fd, offset * PAGE);
	error = at == MAP_FAILED ? errno : 0;
	if (want)
		expect(w, error, want, EOVERFLOW);
	else
		expect(w, error, 0);
	if (error)
		return;
	*map = (struct map) {
		.at = at, .pages = size, .first = offset, .prot = prot,
		.inode = -1, .memory = buffer->memory,
	};
	get_memory(w, &map->memory);
}

void call_mmap_memfd(struct world *w)
{
	struct memfd *memfd = some_memfd(w);
	struct map *map = &w->map[pick(w, MAPS)];
	struct inode *inode;
	bool sealed, sure;
	int prot, error;
	__u8 *at;

	if (!memfd)
		return;
	if (map->at)
		unmap(w, map);
	inode = inode_of(w, memfd);
	sealed = inode->seals & (F_SEAL_WRITE | F_SEAL_FUTURE_WRITE);
	prot = PROT_READ | (one_in(w, 4) ? 0 : PROT_WRITE);
	start(w, "mmap(memfd)", memfd - w->memfd, prot, 0);
	at = mmap(NULL, MEMFD_PAGES * PAGE, prot, MAP_SHARED, memfd->fd, 0);
	error = at == MAP_FAILED ? errno : 0;
	sure = !sealed;
	if (sealed && prot & PROT_WRITE)
		expect(w, error, EPERM);
	else if (sealed)
		expect(w, error, 0, EPERM);
	else
		expect(w, error, 0);
	if (error)
		return;
	*map = (struct map) {
		.at = at, .pages = MEMFD_PAGES, .prot = prot,
		.inode = memfd->inode, .sure = sure,
	};
	inode->users++;
	inode->was_mapped = true;
	if (sure)
		inode->maps++;
	else
		inode->maps_unsure++;
}

void call_munmap(struct world *w)
{
	struct map *map = some_map(w);
	unsigned int pages;

	if (!map)
		return;
	if (map->pages == 1 || one_in(w, 2)) {
		unmap(w, map);
		return;
	}
	/* A part of it, at one end. */
	pages = 1 + pick(w, map->pages - 1);
	start(w, "munmap of a part", map - w->map, map->pages, pages);
	if (one_in(w, 2)) {
		expect(w, error_of(munmap(map->at, pages * PAGE)), 0);
		map->at += pages * PAGE;
		map->first += pages;
	} else {
		expect(w, error_of(munmap(map->at + (map->pages - pages) * PAGE,
					  pages * PAGE)), 0);
	}
	map->pages -= pages;
}

void call_mremap(struct world *w)
{
	struct map *map = some_map(w);
	unsigned int what = pick(w, 5), pages;
	__u8 *to, *at;

	if (!map || map->inode >= 0)
		return;
	start(w, "mremap(buffer)", map - w->map, what, map->pages);
	switch (what) {
	case 0:		/* grow */
		at = mremap(map->at, map->pages * PAGE,
			    (map->pages + 1 + pick(w, 4)) * PAGE,
			    one_in(w, 2) ? MREMAP_MAYMOVE : 0);
		expect(w, at == MAP_FAILED ? errno : 0, EFAULT);
		return;
	case 1:		/* a second one */
		at = mremap(map->at, 0, map->pages * PAGE, MREMAP_MAYMOVE);
		expect(w, at == MAP_FAILED ? errno : 0, EFAULT, EINVAL);
		return;
	case 2:
		at = mremap(map->at, map->pages * PAGE, map->pages * PAGE,
			    MREMAP_MAYMOVE | 4 /* MREMAP_DONTUNMAP */);
		expect(w, at == MAP_FAILED ? errno : 0, EINVAL);
		return;
	case 3:		/* shrink */
		pages = 1 + pick(w, map->pages);
		at = mremap(map->at, map->pages * PAGE, pages * PAGE, 0);
		expect(w, at == MAP_FAILED ? errno : 0, 0);
		map->pages = pages;
		return;
	case 4:		/* move */
		to = mmap(NULL, map->pages * PAGE, PROT_NONE,
			  MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
		at = mremap(map->at, map->pages * PAGE, map->pages * PAGE,
			    MREMAP_MAYMOVE | MREMAP_FIXED, to);
		expect(w, at == MAP_FAILED ? errno : 0, 0);
		map->at = at;
		return;
	}
}

void call_mprotect(struct world *w)
{
	static const int protections[] = {
		PROT_NONE, PROT_READ, PROT_READ | PROT_WRITE };
	struct map *map = some_map(w);
	int prot = protections[pick(w, 3)];

	if (!map || map->inode >= 0)
		return;
	start(w, "mprotect(buffer)", map - w->map, prot, 0);
	expect(w, error_of(mprotect(map->at, map->pages * PAGE, prot)), 0);
	map->prot = prot;
}

/* What is not for memory that is mapped by page frame. */
void call_madvise(struct world *w)
{
	struct map *map = some_map(w);
	unsigned int what = pick(w, 6);
	size_t size;
	char byte;
	struct iovec here = { &byte, 1 }, there;
	int error;

	if (!map || map->inode >= 0)
		return;
	size = map->pages * PAGE;
	there = (struct iovec) { map->at, 1 };
	start(w, "madvise(buffer)", map - w->map, what, 0);
	switch (what) {
	case 0:
		expect(w, error_of(madvise(map->at, size, MADV_DONTNEED)),
		       EINVAL);
		break;
	case 1:
		error = error_of(madvise(map->at, size, MADV_REMOVE));
		expect(w, error, ENODEV, EOPNOTSUPP, EACCES);
		break;
	case 2:
		expect(w, error_of(msync(map->at, size, MS_SYNC)), EINVAL);
		break;
	case 3:
		error = error_of(madvise(map->at, size,
					 22 /* MADV_POPULATE_READ */));
		expect(w, error, EINVAL, EFAULT, ENOMEM);
		break;
	case 4:
		/* Nobody gets hold of its pages. */
		error = error_of(process_vm_readv(getpid(), &here, 1, &there,
						  1, 0));
		expect(w, error, EFAULT, ENOSYS);
		break;
	case 5:
		expect(w, error_of(mlock(map->at, size)), 0);
		munlock(map->at, size);
		break;
	}
}

void call_touch(struct world *w)
{
	struct map *map = some_map(w);
	unsigned int page, which;
	bool write = one_in(w, 2);
	int signal = 0, want;
	__u64 stamp = 0;
	size_t i;

	if (!map)
		return;
	page = pick(w, map->pages);
	/* The rest of a part of a page is not the file's. */
	if (map->inode >= 0 && (map->first + page + 1) * PAGE >
			       w->shared->inode[map->inode].size)
		write = false;
	want = write ? map->prot & PROT_WRITE ? 0 : SIGSEGV :
	       map->prot != PROT_NONE ? 0 : SIGSEGV;
	start(w, write ? "write" : "read", map - w->map, page, map->inode >= 0);
	if (map->inode < 0) {
		which = map->memory.page[map->first + page];
	} else {
		struct inode *inode = &w->shared->inode[map->inode];

		which = 0;
		if (map->first + page < pages_of(inode))
			which = inode->page[map->first + page];
		else if (!want)
			want = SIGBUS;
	}
	if (write)
		stamp = next(w);
	for (i = 0; i < ARRAY_SIZE(stamp_at) && !signal; i++) {
		signal = touch(map->at + page * PAGE + stamp_at[i], &stamp,
			       write);
		if (!signal && !write && !want)
			check_stamp(w, which, stamp, "map");
	}
	if (write && !signal)
		w->shared->page[which].stamp = stamp;
	finish(w, 0);
	if (signal != want)
		violation(w, "touch: signal %d, expected %d", signal, want);
}
