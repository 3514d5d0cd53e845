// SPDX-License-Identifier: GPL-2.0
/*
 * What the player plays on in the guest: a fresh buffer for each game, edu
 * devices, and two processes of two threads that do as they are told.
 */
#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "../core/buffers.h"
#include "../core/report.h"
#include "../core/steps.h"
#include "../core/workers.h"
#include "../edu/edu_importer.h"
#include "clock.h"
#include "games.h"
#include "player.h"

/* Longer than a signal takes to come. */
#define LATE_MS	300

static enum device which[DEVICES] = { B1, B2, D1 };

static const struct exporter *exporter;
static struct run run;
static struct workers processes[PROCESSES];

static void report(const char *line)
{
	emit("{\"player\": \"%s\"}", line);
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

static int world_open(void)
{
	struct edu_attach attach;
	unsigned int i;
	int error;

	memset(&run, 0, sizeof(run));
	run.exporter = exporter;
	run.made_of = PAGES;
	run.untouched = true;
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

static void world_close(void)
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

static int world_map(unsigned int device, unsigned int direction)
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

static int world_unmap(unsigned int device)
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

static int world_device(unsigned int device, bool write, unsigned int at,
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

static int world_sync(unsigned int worker, __u64 flags)
{
	struct order o = { .kind = ORDER_SYNC, .flags = flags };

	return order(worker, &o);
}

static int world_interrupted(unsigned int worker, __u64 flags,
			     unsigned int device, bool write, unsigned int at,
			     unsigned int bytes, __u8 *data)
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

static int world_store(unsigned int worker, bool memfd, unsigned int at,
		       unsigned int bytes, const __u8 *data)
{
	struct order o = { .kind = ORDER_STORE, .memfd = memfd };

	return move_data(&o, worker, at, bytes, (__u8 *)data);
}

static int world_load(unsigned int worker, bool memfd, unsigned int at,
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

static int world_kernel_map(void)
{
	return kernel_call(EDU_KERNEL_MAP, 0, 0, NULL);
}

static int world_kernel_store(unsigned int at, unsigned int bytes,
			      const __u8 *data)
{
	return kernel_call(EDU_KERNEL_WRITE, offset_of(at), bytes, data);
}

static int world_kernel_unmap(void)
{
	return kernel_call(EDU_KERNEL_UNMAP, 0, 0, NULL);
}

static int world_half_begin(unsigned int access)
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

static int world_kill(unsigned int process)
{
	kill_workers(&processes[process]);
	return start_workers(&processes[process], &run);
}

static struct world world = {
	.open = world_open,
	.close = world_close,
	.map = world_map,
	.unmap = world_unmap,
	.device = world_device,
	.sync = world_sync,
	.interrupted = world_interrupted,
	.store = world_store,
	.load = world_load,
	.kernel_map = world_kernel_map,
	.kernel_store = world_kernel_store,
	.kernel_unmap = world_kernel_unmap,
	.half_begin = world_half_begin,
	.kill = world_kill,
	.seconds = seconds_passed,
	.say = report,
};

int run_player(const struct exporter *exporters, unsigned int count)
{
	unsigned int seed = atoi(getenv("RIG_SEED") ?: "1");
	unsigned int games = atoi(getenv("RIG_GAMES") ?: "100000");
	unsigned int seconds = atoi(getenv("RIG_SECONDS") ?: "60");
	unsigned int i;
	bool good;

	if (!count)
		return -1;
	exporter = &exporters[0];
	/* Then no exporter has anything to do, and none may fail. */
	if (getenv("RIG_DIRECT")) {
		which[0] = D1;
		which[1] = D2;
		which[2] = D1;
	}
	for (i = 0; i < DEVICES; i++)
		world.names[i] = device_names[which[i]];
	good = play_games(&world, seed, games, seconds, getenv("RIG_REFUSALS"));
	emit("{\"player_failed\": %s}", good ? "false" : "true");
	return 0;
}
