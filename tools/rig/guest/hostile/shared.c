// SPDX-License-Identifier: GPL-2.0
/*
 * What all threads race for: see shared.h.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdint.h>
#include <string.h>
#include <unistd.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>

#include <linux/dma-buf.h>
#include <linux/udmabuf.h>

#include "../edu/edu_importer.h"
#include "machine.h"
#include "places.h"
#include "say.h"
#include "shared.h"

/* Numbers of the descriptors that all threads race for. */
#define SHARED_FD	900
#define SHARED_MEMFDS	3
#define SHARED_BUFFERS	3
#define SHARED_IMPORTER	(SHARED_FD + SHARED_MEMFDS + SHARED_BUFFERS)
/* So few that, each mapped once, DMA API debugging does not warn. */
#define SHARED_ATTACHMENTS	5

static atomic_int *attachments;	/* of the shared importer */

static void shared_mmap(struct world *w, int fd)
{
	__u64 value = 0;
	int signal = 0;
	__u8 *at;

	at = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (at == MAP_FAILED) {
		expect(w, errno, EBADF);
		return;
	}
	signal = touch(at + SCRATCH, &value, one_in(w, 2));
	munmap(at, PAGE);
	expect(w, 0, 0);
	if (signal)
		violation(w, "the first page of a buffer: signal %d", signal);
}

static void shared_attach(struct world *w, int fd)
{
	struct edu_attach req = { .dmabuf = fd };
	int error;

	req.device = pick(w, machine.devices);
	if (atomic_fetch_add(attachments, 1) >= SHARED_ATTACHMENTS) {
		atomic_fetch_sub(attachments, 1);
		expect(w, ENOSPC, ENOSPC);
		return;
	}
	error = error_of(ioctl(SHARED_IMPORTER, EDU_ATTACH, &req));
	if (error)
		atomic_fetch_sub(attachments, 1);
	expect(w, error, 0, EBADF);
}

static void shared_importer(struct world *w, int fd)
{
	unsigned int number = pick(w, SHARED_ATTACHMENTS), what = pick(w, 7);
	struct edu_transfer transfer = { .attachment = number };
	struct edu_attach attach = { .attachment = number };
	struct edu_map map = { .attachment = number };
	int error;
	__u64 data;

	switch (what) {
	case 0:
	case 1:
		shared_attach(w, fd);
		break;
	case 2:
	case 3:
		map.direction = pick(w, 3);
		error = error_of(ioctl(SHARED_IMPORTER, EDU_MAP, &map));
		expect(w, error, 0, ENOENT, EBUSY, EOPNOTSUPP, ENOMEM);
		break;
	case 4:
		error = error_of(ioctl(SHARED_IMPORTER, EDU_UNMAP, &map));
		expect(w, error, 0, ENOENT);
		break;
	case 5:
		error = error_of(ioctl(SHARED_IMPORTER, EDU_DETACH, &attach));
		if (!error)
			atomic_fetch_sub(attachments, 1);
		expect(w, error, 0, ENOENT, EBUSY);
		break;
	case 6:
		transfer.length = sizeof(data);
		transfer.data = (uintptr_t)&data;
		transfer.delay_ms = 1 + pick(w, 5);
		error = error_of(ioctl(SHARED_IMPORTER, EDU_READ, &transfer));
		expect(w, error, 0, ENOENT, EBUSY);
		break;
	}
}

void call_shared(struct world *w)
{
	int memfd = SHARED_FD + pick(w, SHARED_MEMFDS);
	int buffer = SHARED_FD + SHARED_MEMFDS + pick(w, SHARED_BUFFERS);
	struct dma_buf_sync sync = { };
	struct udmabuf_create create = { };
	unsigned int what = pick(w, 14);
	int fd, error;
	off_t size;

	if (!machine.devices && what >= 10)
		what -= 6;
	start(w, "shared", what, memfd, buffer);
	switch (what) {
	case 0:
		fd = syscall(SYS_memfd_create, "shared", MFD_ALLOW_SEALING);
		if (fd < 0 || ftruncate(fd, 4 * PAGE))
			die("memfd: %s", strerror(errno));
		if (!one_in(w, 4))
			fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK);
		error = error_of(dup3(fd, memfd, O_CLOEXEC));
		close(fd);
		expect(w, error, 0, EBUSY);
		break;
	case 1:
	case 2:
		create.memfd = memfd;
		create.offset = pick(w, 3) * PAGE;
		create.size = PAGE;
		fd = ioctl(w->node, UDMABUF_CREATE, &create);
		expect(w, error_of(fd), 0, EBADFD, EINVAL);
		if (fd < 0)
			break;
		size = lseek(fd, 0, SEEK_END);
		if (size != PAGE)
			violation(w, "SEEK_END: %lld", (long long)size);
		if (dup3(fd, buffer, O_CLOEXEC) < 0 && errno != EBUSY)
			die("dup3: %s", strerror(errno));
		close(fd);
		break;
	case 3:
		error = error_of(close(one_in(w, 2) ? memfd : buffer));
		expect(w, error, 0, EBADF);
		break;
	case 4:
	case 5:
		sync.flags = 1 + pick(w, 3) + 4 * pick(w, 2);
		error = error_of(ioctl(buffer, DMA_BUF_IOCTL_SYNC, &sync));
		expect(w, error, 0, EBADF);
		break;
	case 6:
		error = error_of(fcntl(memfd, F_ADD_SEALS, F_SEAL_SHRINK |
				       (one_in(w, 8) ? F_SEAL_FUTURE_WRITE :
						       0)));
		expect(w, error, 0, EBADF);
		break;
	case 7:
		error = error_of(ftruncate(memfd, pick(w, 6) * PAGE));
		expect(w, error, 0, EBADF, EPERM);
		break;
	case 8:
		error = error_of(fallocate(memfd, FALLOC_FL_PUNCH_HOLE |
						  FALLOC_FL_KEEP_SIZE,
					   pick(w, 4) * PAGE, PAGE));
		expect(w, error, 0, EBADF, EPERM);
		break;
	case 9:
		shared_mmap(w, buffer);
		break;
	default:
		shared_importer(w, buffer);
		break;
	}
}

void open_shared(void)
{
	int fd;

	if (!machine.devices)
		return;
	fd = open("/dev/edu-importer", O_RDWR | O_CLOEXEC);
	if (fd < 0 || dup3(fd, SHARED_IMPORTER, O_CLOEXEC) < 0)
		die("/dev/edu-importer: %s", strerror(errno));
	close(fd);
	atomic_store(attachments, 0);
}

void close_shared(void)
{
	int fd;

	for (fd = SHARED_FD; fd <= SHARED_IMPORTER; fd++)
		close(fd);
}

void share_attachments(void)
{
	attachments = shared_memory(sizeof(*attachments));
}
