// SPDX-License-Identifier: GPL-2.0
/*
 * What the player plays on in the guest: a fresh buffer for each game, edu
 * devices, and two processes of two threads that do as they are told.
 */
#include <errno.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#ifdef __x86_64__
#include <sys/io.h>
#endif

#include "edu/edu_importer.h"
#include "guest.h"
#include "player.h"
#include "workers.h"

/* Longer than a signal takes to come. */
#define LATE_MS	300

static const struct scenario scenario = {
	.name = "player", .memory = PAGES, .untouched = true,
};

static enum device which[DEVICES] = { B1, B2, D1 };

static const struct exporter *exporter;
static struct run run;
static struct workers processes[PROCESSES];

void say(const char *format, ...)
{
	char text[512];
	va_list args;

	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	emit("{\"player\": \"%s\"}", text);
}

/*
 * The first arena lies across two cache lines, the other one at the buffer's
 * end.
 */
static size_t offset_of(unsigned int at)
{
	return at < ARENA ? PAGE + 40 + at :
	       run.pages * PAGE - ARENA + (at - ARENA);
}

const char *world_name(unsigned int device)
{
	return device_names[which[device]];
}

int world_open(void)
{
	struct edu_attach attach;
	unsigned int i;
	int error;

	memset(&run, 0, sizeof(run));
	run.exporter = exporter;
	run.scenario = &scenario;
	if (setjmp(run.end))
		return run.error ?: EINVAL;
	make_buffer(&run);
	for (i = 0; i < DEVICES; i++) {
		attach = (struct edu_attach) {
			.device = which[i],
			.dmabuf = run.dmabuf,
		};
		if (ioctl(run.importer, EDU_ATTACH, &attach))
			return errno;
		run.attachment[i] = attach.attachment;
	}
	for (i = 0; i < PROCESSES; i++) {
		error = start_workers(&processes[i], &run);
		if (error)
			return error;
	}
	return 0;
}

void world_close(void)
{
	unsigned int i;

	for (i = 0; i < PROCESSES; i++)
		kill_workers(&processes[i]);
	/* Its attachments and mappings go with it. */
	close(run.importer);
	munmap(run.cpu, run.pages * PAGE);
	close(run.dmabuf);
	if (run.memory[0]) {
		munmap(run.memory[0], run.pages * PAGE);
		close(run.memfds[0]);
	}
}

static int map_call(unsigned long request, unsigned int device,
		    unsigned int direction)
{
	struct edu_map req = {
		.attachment = run.attachment[device],
		.direction = direction,
	};

	return ioctl(run.importer, request, &req) ? errno : 0;
}

int world_map(unsigned int device, unsigned int direction)
{
	int error = map_call(EDU_MAP, device, direction);

	if (error)
		return error;
	/* It would prove nothing if it were not what its name says. */
	if (setjmp(run.end))
		return EINVAL;
	check_addresses(&run, run.attachment[device], which[device]);
	return 0;
}

int world_unmap(unsigned int device)
{
	return map_call(EDU_UNMAP, device, 0);
}

static int transfer(unsigned long request, unsigned int device,
		    unsigned int at, unsigned int bytes, __u8 *data,
		    unsigned int delay)
{
	struct edu_transfer req = {
		.attachment = run.attachment[device],
		.offset = offset_of(at),
		.length = bytes,
		.data = (uintptr_t)data,
		.delay_ms = delay,
	};

	return ioctl(run.importer, request, &req) ? errno : 0;
}

int world_device(unsigned int device, bool write, unsigned int at,
		 unsigned int bytes, __u8 *data)
{
	return transfer(write ? EDU_WRITE : EDU_READ, device, at, bytes, data,
			0);
}

static int order(unsigned int worker, struct order *o)
{
	return tell(&processes[worker / THREADS_MAX], worker % THREADS_MAX, o) ?
	       o->error : ESRCH;
}

int world_sync(unsigned int worker, __u64 flags)
{
	struct order o = { .kind = ORDER_SYNC, .flags = flags };

	return order(worker, &o);
}

int world_interrupted(unsigned int worker, __u64 flags, unsigned int device,
		      bool write, unsigned int at, unsigned int bytes,
		      __u8 *data)
{
	struct order o = { .kind = ORDER_INTERRUPTED, .flags = flags };
	int error, late;

	error = transfer(write ? EDU_WRITE : EDU_READ, device, at, bytes, data,
			 LATE_MS);
	if (error)
		return error;
	error = order(worker, &o);
	late = transfer(EDU_FETCH, device, at, bytes, data, 0);
	return late ?: error;
}

static int move_data(struct order *o, unsigned int worker, unsigned int at,
		     unsigned int bytes, __u8 *data)
{
	const bool store = o->kind == ORDER_STORE;
	unsigned int piece;
	int error;

	o->memfd &= !exporter->heap;
	for (; bytes; at += piece, bytes -= piece, data += piece) {
		/* Up to where the arena ends. */
		piece = ARENA - at % ARENA;
		if (piece > bytes)
			piece = bytes;
		o->at = offset_of(at);
		o->bytes = piece;
		if (store)
			memcpy(o->data, data, piece);
		error = order(worker, o);
		if (error)
			return error;
		if (!store)
			memcpy(data, o->data, piece);
	}
	return 0;
}

int world_store(unsigned int worker, bool memfd, unsigned int at,
		unsigned int bytes, const __u8 *data)
{
	struct order o = { .kind = ORDER_STORE, .memfd = memfd };

	return move_data(&o, worker, at, bytes, (__u8 *)data);
}

int world_load(unsigned int worker, bool memfd, unsigned int at,
	       unsigned int bytes, __u8 *data)
{
	struct order o = { .kind = ORDER_LOAD, .memfd = memfd };

	return move_data(&o, worker, at, bytes, data);
}

static int kernel_call(unsigned long request, size_t at, unsigned int bytes,
		       const __u8 *data)
{
	struct edu_vmap req = {
		.dmabuf = run.dmabuf,
		.offset = at,
		.length = bytes,
		.data = (uintptr_t)data,
	};

	return ioctl(run.importer, request, &req) ? errno : 0;
}

int world_kernel_map(void)
{
	return kernel_call(EDU_KERNEL_MAP, 0, 0, NULL);
}

int world_kernel_store(unsigned int at, unsigned int bytes, const __u8 *data)
{
	return kernel_call(EDU_KERNEL_WRITE, offset_of(at), bytes, data);
}

int world_kernel_unmap(void)
{
	return kernel_call(EDU_KERNEL_UNMAP, 0, 0, NULL);
}

int world_half_begin(unsigned int access)
{
	static const enum direction directions[] = {
		[DMA_BUF_SYNC_READ] = WRITES, [DMA_BUF_SYNC_WRITE] = READS,
		[DMA_BUF_SYNC_RW] = BOTH,
	};
	struct edu_half_begin req = {
		.dmabuf = run.dmabuf,
		.direction = directions[access],
	};

	return ioctl(run.importer, EDU_HALF_BEGIN, &req) ? errno : 0;
}

int world_kill(unsigned int process)
{
	kill_workers(&processes[process]);
	return start_workers(&processes[process], &run);
}

/*
 * The machine's CMOS clock is the host's. Where there is none the guest's own
 * has to do, which jumps while devices work.
 */
#ifdef __x86_64__
static unsigned int cmos(unsigned char index)
{
	unsigned int bcd;

	outb(index, 0x70);
	bcd = inb(0x71);
	return 10 * (bcd >> 4) + (bcd & 15);
}

static unsigned int clock_on_the_wall(void)
{
	unsigned int seconds;

	if (ioperm(0x70, 2, 1))
		return time(NULL);
	/* Read until it did not change meanwhile. */
	do {
		seconds = cmos(0);
		if (seconds == cmos(0) && seconds < 60)
			seconds += 60 * cmos(2);
	} while (seconds % 60 != cmos(0));
	return seconds;
}
#else
static unsigned int clock_on_the_wall(void)
{
	return time(NULL);
}
#endif

/* Since the first call; an hour has passed when the clock is before the last. */
unsigned int world_seconds(void)
{
	static unsigned int last, passed;
	static bool called;
	unsigned int now = clock_on_the_wall();

	if (called)
		passed += now >= last ? now - last : now + 3600 - last;
	called = true;
	last = now;
	return passed;
}

void run_player(const struct exporter *ours)
{
	unsigned int seed = atoi(getenv("RIG_SEED") ?: "1");
	unsigned int games = atoi(getenv("RIG_GAMES") ?: "100000");
	unsigned int seconds = atoi(getenv("RIG_SECONDS") ?: "60");
	bool good;

	exporter = ours;
	/* Then no exporter has anything to do, and none may fail. */
	if (getenv("RIG_DIRECT")) {
		which[0] = D1;
		which[1] = D2;
		which[2] = D1;
	}
	good = play_games(seed, games, seconds, getenv("RIG_REFUSALS"));
	emit("{\"player_failed\": %s}", good ? "false" : "true");
}
