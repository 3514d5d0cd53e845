// SPDX-License-Identifier: GPL-2.0
/*
 * How programs call SYNC that are shipped, and what they must see then: after
 * START the CPU sees all that devices wrote, after END devices see all that the
 * CPU stored, whoever began or ended what, and nothing is lost. What is not
 * promised, or only by cache line, is not looked at.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "../core/steps.h"
#include "../core/workers.h"
#include "patterns.h"
#include "table.h"

#define READ_ACCESS	DMA_BUF_SYNC_READ
#define WRITE_ACCESS	DMA_BUF_SYNC_WRITE
#define RW_ACCESS	DMA_BUF_SYNC_RW

/*
 * The device that writes, if one does, and all that read.
 */
static bool has_writer(const struct run *r)
{
	unsigned int i;

	for (i = 0; i < r->peer_count; i++)
		if (r->mapped[i] && r->peers[i].direction != READS)
			return true;
	return false;
}

static unsigned int writer(struct run *r)
{
	unsigned int i;

	for (i = 0; i < r->peer_count; i++)
		if (r->mapped[i] && r->peers[i].direction != READS)
			return i;
	broken(r, "no device writes");
}

static void readers_see(struct run *r, unsigned int piece,
			enum writer expected)
{
	unsigned int i;

	for (i = 0; i < r->peer_count; i++)
		if (r->mapped[i] && r->peers[i].direction != WRITES)
			device_check(r, i, piece, expected);
}

/*
 * Another process that has the buffer, and lives until the run ends.
 */
static void start_other(struct run *r, struct workers *other)
{
	int error = start_workers(other, r);

	if (error)
		broken(r, "another process: %s", strerror(error));
}

static void sync_by_thread(struct run *r, struct workers *other,
			   unsigned int thread, __u64 flags)
{
	struct order order = { .kind = ORDER_SYNC, .flags = flags };

	step(r, "SYNC of another process");
	if (!tell(other, thread, &order))
		broken(r, "the other process is gone");
	if (order.error)
		refused(r, order.error);
}

static void sync_by_other(struct run *r, struct workers *other, __u64 flags)
{
	sync_by_thread(r, other, 0, flags);
}

/*
 * Patterns.
 */
void never_ended(struct run *r)
{
	unsigned int w = writer(r);

	device_put(r, w, 0, DEVICE);
	begin(r, RW_ACCESS);
	cpu_check(r, 0, DEVICE);
	device_put(r, w, 0, DEVICE_NEW);
	device_put(r, w, 1, DEVICE);
	begin(r, RW_ACCESS);
	cpu_check(r, 0, DEVICE_NEW);
	cpu_check(r, 1, DEVICE);
}

/* Whatever began: the END says reading. */
void ended_for_reading(struct run *r)
{
	unsigned int w = writer(r);

	device_put(r, w, 0, DEVICE);
	begin(r, RW_ACCESS);
	cpu_check(r, 0, DEVICE);
	end(r, READ_ACCESS);
	begin(r, WRITE_ACCESS);
	end(r, READ_ACCESS);
	device_put(r, w, 0, DEVICE_NEW);
	begin(r, READ_ACCESS);
	cpu_check(r, 0, DEVICE_NEW);
	end(r, READ_ACCESS);
}

void stores_ended_for_reading(struct run *r)
{
	begin(r, RW_ACCESS);
	cpu_put(r, 0, CPU);
	end(r, READ_ACCESS);
	readers_see(r, 0, CPU);
	begin(r, WRITE_ACCESS);
	cpu_put(r, 0, CPU_NEW);
	end(r, READ_ACCESS);
	readers_see(r, 0, CPU_NEW);
}

void end_alone(struct run *r)
{
	cpu_put(r, 0, CPU);
	end(r, RW_ACCESS);
	readers_see(r, 0, CPU);
	cpu_put(r, 0, CPU_NEW);
	cpu_put(r, 1, CPU);
	end(r, RW_ACCESS);
	readers_see(r, 0, CPU_NEW);
	readers_see(r, 1, CPU);
}

void end_alone_memfd(struct run *r)
{
	memfd_write(r, 0);
	end(r, RW_ACCESS);
	readers_see(r, 0, CPU);
}

void read_begun_write_ended(struct run *r)
{
	if (has_writer(r))
		device_put(r, writer(r), 0, DEVICE);
	begin(r, READ_ACCESS);
	if (has_writer(r))
		cpu_check(r, 0, DEVICE);
	cpu_put(r, 1, CPU);
	end(r, WRITE_ACCESS);
	readers_see(r, 1, CPU);
	if (has_writer(r))
		readers_see(r, 0, DEVICE);
}

/* A signal comes while START waits for the device's fence, half a second. */
static void interrupted_start(struct run *r, __u64 access)
{
	int error = try_sync_interrupted(r, access | DMA_BUF_SYNC_START, false);

	if (error != EINTR)
		broken(r, "START was not interrupted: %s", strerror(error));
}

void interruption_ignored(struct run *r)
{
	unsigned int i;

	if (has_writer(r))
		device_write_late(r, writer(r), LATE_AT, 1024);
	else
		device_read_late(r, 0, LATE_AT, 1024);
	interrupted_start(r, WRITE_ACCESS);
	cpu_write_at(r, NEXT_TO_LATE, 1024);
	end(r, WRITE_ACCESS);
	for (i = 0; i < r->peer_count; i++)
		if (r->mapped[i] && r->peers[i].direction != WRITES)
			device_check_at(r, i, NEXT_TO_LATE, 1024, CPU);
	begin(r, READ_ACCESS);
	cpu_check_at(r, NEXT_TO_LATE, 1024, CPU);
	if (has_writer(r))
		cpu_check_at(r, LATE_AT, 1024, DEVICE);
	end(r, READ_ACCESS);
}

/* The same, and the program gives up: nobody ends what was begun. */
void interruption_believed(struct run *r)
{
	unsigned int w = writer(r);

	device_write_late(r, w, LATE_AT, 1024);
	interrupted_start(r, RW_ACCESS);
	begin(r, READ_ACCESS);
	cpu_check_at(r, LATE_AT, 1024, DEVICE);
	end(r, READ_ACCESS);
	device_put(r, w, 0, DEVICE);
	begin(r, READ_ACCESS);
	cpu_check(r, 0, DEVICE);
	end(r, READ_ACCESS);
}

void flushes_in_access(struct run *r)
{
	begin(r, RW_ACCESS);
	cpu_put(r, 0, CPU);
	end(r, WRITE_ACCESS);
	readers_see(r, 0, CPU);
	cpu_put(r, 0, CPU_NEW);
	cpu_put(r, 1, CPU);
	end(r, WRITE_ACCESS);
	readers_see(r, 0, CPU_NEW);
	readers_see(r, 1, CPU);
	cpu_put(r, 2, CPU);
	end(r, RW_ACCESS);
	readers_see(r, 2, CPU);
}

void rereads_in_access(struct run *r)
{
	unsigned int w = writer(r);

	begin(r, RW_ACCESS);
	device_put(r, w, 0, DEVICE);
	begin(r, READ_ACCESS);
	cpu_check(r, 0, DEVICE);
	device_put(r, w, 0, DEVICE_NEW);
	begin(r, READ_ACCESS);
	cpu_check(r, 0, DEVICE_NEW);
	end(r, RW_ACCESS);
	readers_see(r, 0, DEVICE_NEW);
}

void rereads_after_stores(struct run *r)
{
	unsigned int w = writer(r);

	begin(r, RW_ACCESS);
	cpu_put(r, 0, CPU);
	device_put(r, w, 1, DEVICE);
	begin(r, READ_ACCESS);
	cpu_check(r, 1, DEVICE);
	cpu_check(r, 0, CPU);
	end(r, RW_ACCESS);
	readers_see(r, 0, CPU);
	readers_see(r, 1, DEVICE);
}

void begun_twice(struct run *r)
{
	static const struct {
		enum writer device, cpu;
	} frames[] = { { DEVICE, CPU }, { DEVICE_NEW, CPU_NEW } };
	unsigned int w = writer(r), i;

	for (i = 0; i < ARRAY_SIZE(frames); i++) {
		device_put(r, w, 0, frames[i].device);
		begin(r, RW_ACCESS);
		begin(r, RW_ACCESS);
		cpu_check(r, 0, frames[i].device);
		cpu_put(r, 1, frames[i].cpu);
		end(r, RW_ACCESS);
		readers_see(r, 0, frames[i].device);
		readers_see(r, 1, frames[i].cpu);
	}
}

void forgotten_by_other(struct run *r)
{
	struct workers other;

	start_other(r, &other);
	sync_by_other(r, &other, RW_ACCESS | DMA_BUF_SYNC_START);
	if (has_writer(r)) {
		device_put(r, writer(r), 0, DEVICE);
		begin(r, READ_ACCESS);
		cpu_check(r, 0, DEVICE);
		end(r, READ_ACCESS);
		readers_see(r, 0, DEVICE);
		device_put(r, writer(r), 0, DEVICE_NEW);
	}
	begin(r, RW_ACCESS);
	if (has_writer(r))
		cpu_check(r, 0, DEVICE_NEW);
	cpu_put(r, 1, CPU);
	end(r, RW_ACCESS);
	readers_see(r, 1, CPU);
	kill_workers(&other);
}

void ended_by_other(struct run *r)
{
	struct workers other;

	start_other(r, &other);
	begin(r, RW_ACCESS);
	cpu_put(r, 0, CPU);
	sync_by_other(r, &other, RW_ACCESS | DMA_BUF_SYNC_END);
	readers_see(r, 0, CPU);
	begin(r, RW_ACCESS);
	cpu_put(r, 1, CPU);
	sync_by_other(r, &other, RW_ACCESS | DMA_BUF_SYNC_END);
	readers_see(r, 1, CPU);
	if (has_writer(r)) {
		device_put(r, writer(r), 2, DEVICE);
		begin(r, READ_ACCESS);
		cpu_check(r, 2, DEVICE);
	}
	kill_workers(&other);
}

/* What the other one ends is not this one's access. */
void not_ended_by_other(struct run *r)
{
	struct workers other;

	start_other(r, &other);
	begin(r, RW_ACCESS);
	sync_by_other(r, &other, READ_ACCESS | DMA_BUF_SYNC_START);
	sync_by_other(r, &other, RW_ACCESS | DMA_BUF_SYNC_END);
	cpu_put(r, 0, CPU);
	device_put(r, writer(r), 1, DEVICE);
	sync_by_other(r, &other, READ_ACCESS | DMA_BUF_SYNC_START);
	cpu_check(r, 0, CPU);
	cpu_check(r, 1, DEVICE);
	sync_by_other(r, &other, READ_ACCESS | DMA_BUF_SYNC_END);
	end(r, RW_ACCESS);
	readers_see(r, 0, CPU);
	readers_see(r, 1, DEVICE);
	cpu_check(r, 0, CPU);
	kill_workers(&other);
}

void ended_by_thread(struct run *r)
{
	struct workers other;

	start_other(r, &other);
	sync_by_thread(r, &other, 0, RW_ACCESS | DMA_BUF_SYNC_START);
	cpu_put(r, 0, CPU);
	sync_by_thread(r, &other, 1, RW_ACCESS | DMA_BUF_SYNC_END);
	readers_see(r, 0, CPU);
	device_put(r, writer(r), 1, DEVICE);
	begin(r, READ_ACCESS);
	cpu_check(r, 1, DEVICE);
	end(r, READ_ACCESS);
	kill_workers(&other);
}

void double_buffer(struct run *r)
{
	unsigned int w = writer(r);

	begin(r, RW_ACCESS);
	cpu_put(r, 0, CPU);
	device_put(r, w, 1, DEVICE);
	end(r, RW_ACCESS);
	readers_see(r, 0, CPU);
	begin(r, RW_ACCESS);
	cpu_check(r, 1, DEVICE);
	cpu_check(r, 0, CPU);
	cpu_put(r, 1, CPU_NEW);
	device_put(r, w, 0, DEVICE_NEW);
	end(r, RW_ACCESS);
	readers_see(r, 1, CPU_NEW);
	begin(r, READ_ACCESS);
	cpu_check(r, 0, DEVICE_NEW);
	cpu_check(r, 1, CPU_NEW);
	end(r, READ_ACCESS);
	readers_see(r, 0, DEVICE_NEW);
}

static void check_mixed(struct run *r, const char *reader, const __u8 *bytes,
			size_t count)
{
	char seen[64];
	size_t i;

	for (i = 0; i < count; i++)
		if (bytes[i] != (i % 2 ? DEVICE : CPU))
			break;
	snprintf(seen, sizeof(seen), "byte %zu: %s", i,
		 i % 2 ? "not the device's" : "not the CPU's");
	judge(r, reader, "every second byte the device's", seen, i == count);
}

/* Bytes of one word, written by both while an access is open. */
void mixed_bytes(struct run *r)
{
	const __u8 byte = DEVICE;
	__u8 seen[16];
	size_t i;

	begin(r, RW_ACCESS);
	for (i = 0; i < sizeof(seen); i += 2)
		r->cpu[LATE_AT + i] = CPU;
	for (i = 1; i < sizeof(seen); i += 2)
		device_store(r, writer(r), LATE_AT + i, 1, &byte);
	end(r, RW_ACCESS);
	begin(r, READ_ACCESS);
	check_mixed(r, "CPU", r->cpu + LATE_AT, sizeof(seen));
	end(r, READ_ACCESS);
	for (i = 0; i < r->peer_count; i++) {
		if (!r->mapped[i] || r->peers[i].direction == WRITES)
			continue;
		device_load(r, i, LATE_AT, sizeof(seen), seen);
		check_mixed(r, peer_name(r, i), seen, sizeof(seen));
	}
}

/* Both write the same bytes: for each one of the two, the same for all. */
void same_bytes(struct run *r)
{
	__u8 device[256], seen[256];
	unsigned int i;
	size_t b;

	memset(device, DEVICE, sizeof(device));
	begin(r, RW_ACCESS);
	memset(r->cpu + LATE_AT, CPU, sizeof(device));
	device_store(r, writer(r), LATE_AT, sizeof(device), device);
	end(r, RW_ACCESS);
	begin(r, RW_ACCESS);
	end(r, RW_ACCESS);
	for (b = 0; b < sizeof(device); b++)
		judge(r, "CPU", "one of two values",
		      "another", r->cpu[LATE_AT + b] == CPU ||
		      r->cpu[LATE_AT + b] == DEVICE);
	for (i = 0; i < r->peer_count; i++) {
		if (!r->mapped[i] || r->peers[i].direction == WRITES)
			continue;
		device_load(r, i, LATE_AT, sizeof(seen), seen);
		judge(r, peer_name(r, i), "what the CPU sees",
		      "something else",
		      !memcmp(seen, r->cpu + LATE_AT, sizeof(seen)));
	}
}

void kernel_wrote(struct run *r)
{
	kernel_map(r);
	kernel_write(r, 0);
	kernel_unmap(r);
	begin(r, RW_ACCESS);
	cpu_check(r, 0, KERNEL);
	end(r, RW_ACCESS);
	readers_see(r, 0, KERNEL);
}

/* The mapping lasts, as long as frames come. */
void kernel_writes(struct run *r)
{
	unsigned int piece;

	kernel_map(r);
	for (piece = 0; piece < 2; piece++) {
		kernel_write(r, piece);
		if (has_writer(r))
			device_put(r, writer(r), 2, piece ? DEVICE_NEW : DEVICE);
		begin(r, RW_ACCESS);
		cpu_check(r, piece, KERNEL);
		if (has_writer(r))
			cpu_check(r, 2, piece ? DEVICE_NEW : DEVICE);
		end(r, RW_ACCESS);
		readers_see(r, piece, KERNEL);
	}
	kernel_unmap(r);
	cpu_check(r, 0, KERNEL);
}

void unmaps_in_access(struct run *r)
{
	unsigned int w = writer(r);

	begin(r, RW_ACCESS);
	device_put(r, w, 0, DEVICE);
	leave(r, w);
	readers_see(r, 0, DEVICE);
	begin(r, READ_ACCESS);
	cpu_check(r, 0, DEVICE);
}

void maps_in_access(struct run *r)
{
	unsigned int w = writer(r);

	begin(r, RW_ACCESS);
	cpu_put(r, 0, CPU);
	device_put(r, w, 1, DEVICE);
	join(r, 1);
	readers_see(r, 0, CPU);
	readers_see(r, 1, DEVICE);
}

void half_begun(struct run *r)
{
	unsigned int w = writer(r);

	half_begin(r, BOTH);
	device_put(r, w, 0, DEVICE);
	begin(r, READ_ACCESS);
	cpu_check(r, 0, DEVICE);
	end(r, READ_ACCESS);
	half_begin(r, BOTH);
	device_put(r, w, 0, DEVICE_NEW);
	leave(r, w);
	begin(r, READ_ACCESS);
	cpu_check(r, 0, DEVICE_NEW);
	end(r, READ_ACCESS);
}

/* Both may write, neither is refused, and each sees the other's. */
void both_write(struct run *r)
{
	unsigned int i;

	for (i = 0; i < 2; i++) {
		device_put(r, i, i, DEVICE);
		begin(r, READ_ACCESS);
		cpu_check(r, i, DEVICE);
		end(r, READ_ACCESS);
		device_check(r, !i, i, DEVICE);
	}
}
