// SPDX-License-Identifier: GPL-2.0
/*
 * The random player's moves: see moves.h.
 */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <linux/dma-buf.h>

#include "oracle.h"

#define READS_ONLY	1	/* enum dma_data_direction */
#define WRITES_ONLY	2

static const struct world *world;

static struct table {
	bool refusals;
	bool mapped[DEVICES];
	unsigned int direction[DEVICES];
	unsigned int writes_open[PROCESSES];
	bool kernel_mapped;
	unsigned int move;
	struct game *game;
} table;

static void __attribute__((__format__(printf, 1, 2)))
fail(const char *format, ...)
{
	struct game *game = table.game;
	va_list args;

	if (game->failed)
		return;
	game->failed = true;
	va_start(args, format);
	vsnprintf(game->what, sizeof(game->what), format, args);
	va_end(args);
}

static void must(const char *call, int error)
{
	if (error)
		fail("%s: %s", call, strerror(error));
}

static void observe(unsigned int side, unsigned int at, unsigned int bytes,
		    const __u8 *data)
{
	char what[sizeof(table.game->what)];

	if (!table.game->failed &&
	    !oracle_read(side, at, bytes, data, what, sizeof(what)))
		fail("%s", what);
}

static bool write_is_open(void)
{
	unsigned int process;

	for (process = 0; process < PROCESSES; process++)
		if (table.writes_open[process])
			return true;
	return false;
}

static bool can_write(unsigned int device)
{
	return table.mapped[device] && table.direction[device] != READS_ONLY;
}

static bool can_read(unsigned int device)
{
	return table.mapped[device] && table.direction[device] != WRITES_ONLY;
}

static void load_all(unsigned int worker, bool memfd)
{
	__u8 data[BYTES];

	must("load", world->load(worker, memfd, 0, BYTES, data));
	observe(CPU_SIDE, 0, BYTES, data);
}

static void device_reads(unsigned int device, unsigned int arena)
{
	__u8 data[ARENA];

	must("device reads", world->device(device, false, arena * ARENA, ARENA,
					   data));
	observe(DEVICE_SIDE(device), arena * ARENA, ARENA, data);
}

static void start(const struct move *m)
{
	must("START", world->sync(m->worker, m->access | DMA_BUF_SYNC_START));
	if (m->access & DMA_BUF_SYNC_WRITE)
		table.writes_open[m->worker / 2]++;
	oracle_start();
	load_all(m->worker, m->memfd);
}

static void end(const struct move *m)
{
	const bool stores = m->access & DMA_BUF_SYNC_WRITE || write_is_open();
	__u8 data[BYTES];

	must("END", world->sync(m->worker, m->access | DMA_BUF_SYNC_END));
	if (m->access & DMA_BUF_SYNC_WRITE && table.writes_open[m->worker / 2])
		table.writes_open[m->worker / 2]--;
	if (oracle_end_wants_to_know(stores)) {
		must("load", world->load(0, false, 0, BYTES, data));
		observe(CPU_SIDE, 0, BYTES, data);
	}
	if (!table.game->failed)
		oracle_end(stores, data);
}

/* Say in @data what to write. Two write at once only if the move says so. */
static bool writes(const struct move *m, unsigned int side, __u8 *data)
{
	if (!m->conflict && !oracle_in_order(m->at, m->bytes, side))
		return false;
	table.game->conflicts += oracle_write(m->at, m->bytes, side,
					      table.move, data);
	return true;
}

/* What a START that failed has done is nothing. */
static bool interrupted_start(const struct move *m)
{
	const bool write = can_write(m->device);
	/* For reading, START does not wait for one that reads. */
	const unsigned int access = write ? m->access :
				    m->access | DMA_BUF_SYNC_WRITE;
	__u8 data[WRITE_MAX];
	int error;

	if (write && !writes(m, DEVICE_SIDE(m->device), data))
		return false;
	error = world->interrupted(m->worker, access | DMA_BUF_SYNC_START,
				   m->device, write, m->at, m->bytes, data);
	if (error != EINTR)
		fail("a START that waits is not interrupted: %s",
		     strerror(error));
	else if (!write)
		observe(DEVICE_SIDE(m->device), m->at, m->bytes, data);
	return true;
}

static bool write_move(const struct move *m, unsigned int side)
{
	__u8 data[WRITE_MAX];

	if (!writes(m, side, data))
		return false;
	if (m->kind == STORE)
		must("store", world->store(m->worker, m->memfd, m->at, m->bytes,
					   data));
	else if (m->kind == KERNEL_STORE)
		must("store", world->kernel_store(m->at, m->bytes, data));
	else
		must("device writes", world->device(m->device, true, m->at,
						    m->bytes, data));
	return true;
}

static bool map(const struct move *m)
{
	int error = world->map(m->device, m->direction);

	if (error && table.refusals)
		return false;
	must("map", error);
	table.mapped[m->device] = true;
	table.direction[m->device] = m->direction;
	oracle_map();
	return true;
}

void begin_game(const struct world *on, bool refusals, struct game *game)
{
	__u8 data[BYTES];
	unsigned int i;

	memset(game, 0, sizeof(*game));
	world = on;
	table = (struct table) { .refusals = refusals, .game = game };
	oracle_reset(world->names);
	must("a fresh buffer", world->open());
	for (i = 0; i < BYTES; i++)
		data[i] = oracle_first(i);
	if (!game->failed)
		must("store", world->store(0, false, 0, BYTES, data));
}

bool make_move(const struct move *m, unsigned int number)
{
	const bool mapped = table.mapped[m->device];
	const bool writer = can_write(m->device);

	table.move = number;
	switch (m->kind) {
	case MAP:
		return !mapped && map(m);
	case UNMAP:
		if (!mapped)
			return false;
		must("unmap", world->unmap(m->device));
		table.mapped[m->device] = false;
		/* Who only reads is not missed: that is no sync. */
		if (writer)
			oracle_map();
		return true;
	case DEVICE_WRITES:
		return can_write(m->device) && write_move(m, DEVICE_SIDE(m->device));
	case DEVICE_READS:
		if (!can_read(m->device))
			return false;
		device_reads(m->device, m->at / ARENA);
		return true;
	case START:
		start(m);
		return true;
	case END:
		end(m);
		return true;
	case INTERRUPTED:
		return mapped && interrupted_start(m);
	case STORE:
		return write_move(m, CPU_SIDE);
	case LOAD:
		load_all(m->worker, m->memfd);
		return true;
	case KERNEL_MAP:
		if (table.kernel_mapped)
			return false;
		must("vmap", world->kernel_map());
		table.kernel_mapped = true;
		return true;
	case KERNEL_STORE:
		return table.kernel_mapped && write_move(m, CPU_SIDE);
	case KERNEL_UNMAP:
		if (!table.kernel_mapped)
			return false;
		must("vunmap", world->kernel_unmap());
		table.kernel_mapped = false;
		return true;
	case HALF_BEGIN:
		must("begin_cpu_access", world->half_begin(m->access));
		return true;
	case KILL:
		must("kill", world->kill(m->worker / 2));
		table.writes_open[m->worker / 2] = 0;
		return true;
	default:
		return false;
	}
}

void everybody_reads(void)
{
	unsigned int device, arena;

	load_all(0, false);
	for (device = 0; device < DEVICES; device++)
		for (arena = 0; arena < ARENAS; arena++)
			if (can_read(device) && !table.game->failed)
				device_reads(device, arena);
}
