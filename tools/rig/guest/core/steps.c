// SPDX-License-Identifier: GPL-2.0
/*
 * Steps: see steps.h.
 */
#include <errno.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/time.h>

#include "../edu/edu_importer.h"
#include "steps.h"

#define PIECE		1024
#define LATE_MS		500

/*
 * The three places: in the first, the middle and the last page.
 */
static size_t place(const struct run *r, unsigned int which, unsigned int piece)
{
	const size_t page = which * (r->pages - 1) / 2;

	return page * PAGE + 512 + piece * PIECE;
}

/*
 * Steps of the importers.
 */
const char *peer_name(const struct run *r, unsigned int peer)
{
	return device_names[r->peers[peer].device];
}

void attach_peer(struct run *r, unsigned int peer)
{
	struct edu_attach req = {
		.device = r->peers[peer].device,
		.dmabuf = r->dmabuf,
	};

	step(r, "attach of %s", peer_name(r, peer));
	if (ioctl(r->importer, EDU_ATTACH, &req))
		refused(r, errno);
	r->attachment[peer] = req.attachment;
}

static __u64 device_address(struct run *r, int attachment, size_t at)
{
	struct edu_address where = { .attachment = attachment, .offset = at };

	if (ioctl(r->importer, EDU_WHERE, &where))
		broken(r, "no device address for byte %zu: %s", at,
		       strerror(errno));
	return where.address;
}

/* Nothing is proved if the device is not what its name says. */
static void check_address(struct run *r, int attachment, enum device device,
			  size_t at, bool low_memory)
{
	__u64 address = device_address(r, attachment, at);
	bool low = device == B1 || device == B2 || low_memory || all_bounced;
	bool high = address >= FOUR_GIB;

	if (low == high)
		broken(r, "%s sees byte %zu at 0x%llx", device_names[device],
		       at, (unsigned long long)address);
}

void check_addresses(struct run *r, int attachment, enum device device)
{
	size_t last = (r->pages - 1) * PAGE;

	check_address(r, attachment, device, 0, r->made_of == PART_LOW);
	check_address(r, attachment, device, last, false);
}

void map_peer(struct run *r, unsigned int peer)
{
	struct edu_map req = {
		.attachment = r->attachment[peer],
		.direction = r->peers[peer].direction,
	};

	step(r, "map of %s", peer_name(r, peer));
	if (ioctl(r->importer, EDU_MAP, &req))
		refused(r, errno);
	r->mapped[peer] = true;
	check_addresses(r, r->attachment[peer], r->peers[peer].device);
}

void unmap_peer(struct run *r, unsigned int peer)
{
	struct edu_map req = { .attachment = r->attachment[peer] };

	if (ioctl(r->importer, EDU_UNMAP, &req))
		broken(r, "unmap: %s", strerror(errno));
	r->mapped[peer] = false;
}

void join(struct run *r, unsigned int peer)
{
	attach_peer(r, peer);
	map_peer(r, peer);
}

void leave(struct run *r, unsigned int peer)
{
	struct edu_attach req = { .attachment = r->attachment[peer] };

	if (r->mapped[peer])
		unmap_peer(r, peer);
	if (ioctl(r->importer, EDU_DETACH, &req))
		broken(r, "detach: %s", strerror(errno));
	r->attachment[peer] = -1;
}

static void transfer(struct run *r, unsigned int peer, unsigned long request,
		     size_t at, size_t bytes, void *data, unsigned int delay)
{
	struct edu_transfer req = {
		.attachment = r->attachment[peer],
		.offset = at,
		.length = bytes,
		.data = (uintptr_t)data,
		.delay_ms = delay,
	};

	if (ioctl(r->importer, request, &req))
		broken(r, "%s cannot move byte %zu: %s", peer_name(r, peer),
		       at, strerror(errno));
}

void device_store(struct run *r, unsigned int peer, size_t at, size_t bytes,
		  const void *data)
{
	transfer(r, peer, EDU_WRITE, at, bytes, (void *)data, 0);
}

void device_load(struct run *r, unsigned int peer, size_t at, size_t bytes,
		 void *data)
{
	transfer(r, peer, EDU_READ, at, bytes, data, 0);
}

static void device_put_at(struct run *r, unsigned int peer, size_t at,
			  size_t bytes, enum writer writer)
{
	__u32 data[PIECE / 4];

	fill(data, at, bytes, writer);
	device_store(r, peer, at, bytes, data);
}

void device_write_at(struct run *r, unsigned int peer, size_t at, size_t bytes)
{
	device_put_at(r, peer, at, bytes, DEVICE);
}

void device_check_at(struct run *r, unsigned int peer, size_t at, size_t bytes,
		     enum writer expected)
{
	__u32 data[PIECE / 4] = { 0 };

	device_load(r, peer, at, bytes, data);
	check(r, peer_name(r, peer), data, at, bytes, expected);
}

void device_write_late(struct run *r, unsigned int peer, size_t at,
		       size_t bytes)
{
	__u32 data[PIECE / 4];

	fill(data, at, bytes, DEVICE);
	transfer(r, peer, EDU_WRITE, at, bytes, data, LATE_MS);
}

void device_read_late(struct run *r, unsigned int peer, size_t at, size_t bytes)
{
	__u32 data[PIECE / 4];

	transfer(r, peer, EDU_READ, at, bytes, data, LATE_MS);
}

void device_check_late(struct run *r, unsigned int peer, size_t at,
		       size_t bytes, enum writer expected)
{
	__u32 data[PIECE / 4] = { 0 };

	transfer(r, peer, EDU_FETCH, at, bytes, data, 0);
	check(r, peer_name(r, peer), data, at, bytes, expected);
}

/*
 * Steps of the CPU.
 */
int try_sync(struct run *r, __u64 flags)
{
	struct dma_buf_sync req = { .flags = flags };

	return ioctl(r->dmabuf, DMA_BUF_IOCTL_SYNC, &req) ? errno : 0;
}

static void on_alarm(int signal)
{
	(void)signal;
}

int try_sync_interrupted(struct run *r, __u64 flags, bool restart)
{
	struct itimerval soon = { .it_value = { .tv_usec = 100000 } };
	struct sigaction action = {
		.sa_handler = on_alarm,
		.sa_flags = restart ? SA_RESTART : 0,
	};
	struct itimerval never = { };
	int error;

	sigaction(SIGALRM, &action, NULL);
	setitimer(ITIMER_REAL, &soon, NULL);
	error = try_sync(r, flags);
	setitimer(ITIMER_REAL, &never, NULL);
	return error;
}

void begin(struct run *r, __u64 access)
{
	int error = try_sync(r, access | DMA_BUF_SYNC_START);

	step(r, "SYNC_START");
	if (error)
		refused(r, error);
}

void end(struct run *r, __u64 access)
{
	int error = try_sync(r, access | DMA_BUF_SYNC_END);

	step(r, "SYNC_END");
	if (error)
		refused(r, error);
}

void cpu_put_at(struct run *r, size_t at, size_t bytes, enum writer writer)
{
	fill(r->cpu + at, at, bytes, writer);
}

void cpu_write_at(struct run *r, size_t at, size_t bytes)
{
	cpu_put_at(r, at, bytes, CPU);
}

void cpu_check_at(struct run *r, size_t at, size_t bytes, enum writer expected)
{
	check(r, "CPU", r->cpu + at, at, bytes, expected);
}

/*
 * Steps of the kernel's own mapping, which nobody brackets.
 */
void kernel_map(struct run *r)
{
	struct edu_vmap req = { .dmabuf = r->dmabuf };

	step(r, "vmap");
	if (ioctl(r->importer, EDU_KERNEL_MAP, &req))
		refused(r, errno);
}

void kernel_unmap(struct run *r)
{
	struct edu_vmap req = { .dmabuf = r->dmabuf };

	if (ioctl(r->importer, EDU_KERNEL_UNMAP, &req))
		broken(r, "vunmap: %s", strerror(errno));
}

void kernel_write(struct run *r, unsigned int piece)
{
	__u32 data[PIECE / 4];
	struct edu_vmap req = {
		.dmabuf = r->dmabuf,
		.length = PIECE,
		.data = (uintptr_t)data,
	};
	unsigned int i;

	for (i = 0; i < 3; i++) {
		req.offset = place(r, i, piece);
		fill(data, req.offset, PIECE, KERNEL);
		if (ioctl(r->importer, EDU_KERNEL_WRITE, &req))
			broken(r, "the kernel's mapping: %s", strerror(errno));
	}
}

/*
 * What is left when the core's own wait for fences fails: the exporter's part
 * of a begin, and an error for the program.
 */
void half_begin(struct run *r, enum direction access)
{
	struct edu_half_begin req = {
		.dmabuf = r->dmabuf,
		.direction = access,
	};

	step(r, "begin_cpu_access");
	if (ioctl(r->importer, EDU_HALF_BEGIN, &req))
		refused(r, errno);
}

/* Where byte @at of the buffer lies in its memfds. */
static __u8 *memfd_at(struct run *r, size_t at)
{
	const size_t quarter = r->pages * PAGE / 4;

	if (r->exporter->heap)
		finish(r, "not applicable");
	switch (r->made_of) {
	case TWO_MEMFDS:
		return r->memory[at / quarter % 2] +
		       at / (2 * quarter) * quarter + at % quarter;
	case SAME_TWICE:
		return r->memory[0] + at % (2 * quarter);
	case HUGE_PART:
		return r->memory[0] + HUGE_PART_AT + at;
	default:
		return r->memory[0] + at;
	}
}

void device_put(struct run *r, unsigned int peer, unsigned int piece,
		enum writer writer)
{
	unsigned int i;

	for (i = 0; i < 3; i++)
		device_put_at(r, peer, place(r, i, piece), PIECE, writer);
}

void device_write(struct run *r, unsigned int peer, unsigned int piece)
{
	device_put(r, peer, piece, DEVICE);
}

void device_check(struct run *r, unsigned int peer, unsigned int piece,
		  enum writer expected)
{
	unsigned int i;

	for (i = 0; i < 3; i++)
		device_check_at(r, peer, place(r, i, piece), PIECE, expected);
}

void cpu_put(struct run *r, unsigned int piece, enum writer writer)
{
	unsigned int i;

	for (i = 0; i < 3; i++)
		cpu_put_at(r, place(r, i, piece), PIECE, writer);
}

void cpu_write(struct run *r, unsigned int piece)
{
	cpu_put(r, piece, CPU);
}

void cpu_check(struct run *r, unsigned int piece, enum writer expected)
{
	unsigned int i;

	for (i = 0; i < 3; i++)
		cpu_check_at(r, place(r, i, piece), PIECE, expected);
}

void memfd_write(struct run *r, unsigned int piece)
{
	unsigned int i;
	size_t at;

	for (i = 0; i < 3; i++) {
		at = place(r, i, piece);
		fill(memfd_at(r, at), at, PIECE, CPU);
	}
}

void memfd_check(struct run *r, unsigned int piece, enum writer expected)
{
	unsigned int i;
	size_t at;

	for (i = 0; i < 3; i++) {
		at = place(r, i, piece);
		check(r, "memfd", memfd_at(r, at), at, PIECE, expected);
	}
}

void memfd_check_all(struct run *r, enum writer expected)
{
	unsigned int page, lost = 0;

	for (page = 0; page < r->pages; page++)
		lost += *(__u32 *)memfd_at(r, page * PAGE) !=
			word(expected, page * PAGE);
	if (lost) {
		snprintf(r->checks[0].reader, sizeof(r->checks[0].reader),
			 "memfd");
		describe(r->checks[0].expected, sizeof(r->checks[0].expected),
			 word(expected, 0), 0);
		snprintf(r->checks[0].seen, sizeof(r->checks[0].seen),
			 "%u of %u pages lost", lost, r->pages);
		r->check_count = 1;
		finish(r, "wrong");
	}
	check(r, "memfd", memfd_at(r, 0), 0, r->pages * PAGE, expected);
}
