// SPDX-License-Identifier: GPL-2.0
/*
 * The random player: see player.h. All moves of a game follow from its seed,
 * and happen one after the other, so that it can be played again, whole or with
 * fewer moves. Which of them can happen follows from those before.
 */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <linux/dma-buf.h>

#include "player_oracle.h"

#define GAME_MOVES	60
#define READS_ONLY	1	/* enum dma_data_direction */
#define WRITES_ONLY	2

#define ARRAY_SIZE(a)	(sizeof(a) / sizeof((a)[0]))

static struct table {
	bool mapped[DEVICES];
	unsigned int direction[DEVICES];
	unsigned int writes_open[PROCESSES];
	bool kernel_mapped;
	bool refusals;
	unsigned int move;
	struct game *game;
} table;

static const char *const access_names[] = { "", "READ", "WRITE", "RW" };
static const char *const direction_names[] = {
	"both directions", "reads", "writes"
};

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

/*
 * Moves.
 */
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

	must("load", world_load(worker, memfd, 0, BYTES, data));
	observe(CPU_SIDE, 0, BYTES, data);
}

static void device_reads(unsigned int device, unsigned int arena)
{
	__u8 data[ARENA];

	must("device reads", world_device(device, false, arena * ARENA, ARENA,
					  data));
	observe(DEVICE_SIDE(device), arena * ARENA, ARENA, data);
}

static void start(const struct move *m)
{
	must("START", world_sync(m->worker,
				 m->access | DMA_BUF_SYNC_START));
	if (m->access & DMA_BUF_SYNC_WRITE)
		table.writes_open[m->worker / 2]++;
	oracle_start();
	load_all(m->worker, m->memfd);
}

static void end(const struct move *m)
{
	const bool stores = m->access & DMA_BUF_SYNC_WRITE || write_is_open();
	__u8 data[BYTES];

	must("END", world_sync(m->worker, m->access | DMA_BUF_SYNC_END));
	if (m->access & DMA_BUF_SYNC_WRITE && table.writes_open[m->worker / 2])
		table.writes_open[m->worker / 2]--;
	if (oracle_end_wants_to_know(stores)) {
		must("load", world_load(0, false, 0, BYTES, data));
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
	error = world_interrupted(m->worker, access | DMA_BUF_SYNC_START,
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
		must("store", world_store(m->worker, m->memfd, m->at, m->bytes,
					  data));
	else if (m->kind == KERNEL_STORE)
		must("store", world_kernel_store(m->at, m->bytes, data));
	else
		must("device writes", world_device(m->device, true, m->at,
						   m->bytes, data));
	return true;
}

static bool map(const struct move *m)
{
	int error = world_map(m->device, m->direction);

	if (error && table.refusals)
		return false;
	must("map", error);
	table.mapped[m->device] = true;
	table.direction[m->device] = m->direction;
	oracle_map();
	return true;
}

/* Return: whether it could happen. */
static bool make(const struct move *m)
{
	const bool mapped = table.mapped[m->device];
	const bool writer = can_write(m->device);

	switch (m->kind) {
	case MAP:
		return !mapped && map(m);
	case UNMAP:
		if (!mapped)
			return false;
		must("unmap", world_unmap(m->device));
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
		must("vmap", world_kernel_map());
		table.kernel_mapped = true;
		return true;
	case KERNEL_STORE:
		return table.kernel_mapped && write_move(m, CPU_SIDE);
	case KERNEL_UNMAP:
		if (!table.kernel_mapped)
			return false;
		must("vunmap", world_kernel_unmap());
		table.kernel_mapped = false;
		return true;
	case HALF_BEGIN:
		must("begin_cpu_access", world_half_begin(m->access));
		return true;
	case KILL:
		must("kill", world_kill(m->worker / 2));
		table.writes_open[m->worker / 2] = 0;
		return true;
	default:
		return false;
	}
}

static void tell_move(unsigned int number, const struct move *m)
{
	char who[32], where[48], how[32] = "";

	snprintf(who, sizeof(who), "process %u, thread %u", m->worker / 2 + 1,
		 m->worker % 2 + 1);
	snprintf(where, sizeof(where), "bytes %u to %u", m->at,
		 m->at + m->bytes - 1);
	if (m->memfd)
		snprintf(how, sizeof(how), " through the memfd");
	switch (m->kind) {
	case MAP:
		say("%3u. %s maps, %s", number, world_name(m->device),
		    direction_names[m->direction]);
		break;
	case UNMAP:
		say("%3u. %s unmaps", number, world_name(m->device));
		break;
	case DEVICE_WRITES:
		say("%3u. %s writes %s", number, world_name(m->device),
		    where);
		break;
	case DEVICE_READS:
		say("%3u. %s reads bytes %u to %u", number,
		    world_name(m->device), m->at / ARENA * ARENA,
		    m->at / ARENA * ARENA + ARENA - 1);
		break;
	case START:
		say("%3u. %s: START(%s), reads all%s", number, who,
		    access_names[m->access], how);
		break;
	case END:
		say("%3u. %s: END(%s)", number, who, access_names[m->access]);
		break;
	case INTERRUPTED:
		say("%3u. %s: START(%s) waits for %s's %s, is interrupted",
		    number, who, access_names[m->access],
		    world_name(m->device), where);
		break;
	case STORE:
		say("%3u. %s stores %s%s", number, who, where, how);
		break;
	case LOAD:
		say("%3u. %s reads all%s", number, who, how);
		break;
	case KERNEL_MAP:
		say("%3u. the kernel maps", number);
		break;
	case KERNEL_STORE:
		say("%3u. the kernel stores %s", number, where);
		break;
	case KERNEL_UNMAP:
		say("%3u. the kernel unmaps", number);
		break;
	case HALF_BEGIN:
		say("%3u. begin for %s, and the core's own wait fails", number,
		    access_names[m->access]);
		break;
	case KILL:
		say("%3u. process %u is killed, another takes its place",
		    number, m->worker / 2 + 1);
		break;
	default:
		break;
	}
}

/*
 * Games.
 */
static void everybody_reads(void)
{
	unsigned int device, arena;

	load_all(0, false);
	for (device = 0; device < DEVICES; device++)
		for (arena = 0; arena < ARENAS; arena++)
			if (can_read(device) && !table.game->failed)
				device_reads(device, arena);
}

/* What a game ends with, if it comes so far; everybody reads before and after. */
static const struct move closing[] = {
	{ .kind = START, .access = DMA_BUF_SYNC_RW },
	{ .kind = END, .access = DMA_BUF_SYNC_RW },
};

/* Play the moves that @left does not leave out. What is promised is read. */
static void play(const struct move *moves, unsigned int count,
		 const bool *left, struct game *game)
{
	__u8 data[BYTES];
	unsigned int i;
	bool refusals = table.refusals;

	memset(game, 0, sizeof(*game));
	memset(&table, 0, sizeof(table));
	table.refusals = refusals;
	table.game = game;
	oracle_reset();
	must("a fresh buffer", world_open());
	for (i = 0; i < BYTES; i++)
		data[i] = oracle_first(i);
	if (!game->failed)
		must("store", world_store(0, false, 0, BYTES, data));
	for (i = 0; i < count && !game->failed; i++) {
		table.move = i;
		if (!left || !left[i])
			game->made[i] = make(&moves[i]);
		game->after = i + 1;
	}
	if (!game->failed)
		everybody_reads();
	for (i = 0; i < ARRAY_SIZE(closing) && !game->failed; i++) {
		game->closing = i + 1;
		make(&closing[i]);
	}
	if (!game->failed)
		everybody_reads();
	world_close();
}

static unsigned int draw(__u32 *state, unsigned int n)
{
	/* xorshift32 */
	*state ^= *state << 13;
	*state ^= *state >> 17;
	*state ^= *state << 5;
	return *state % n;
}

/* How often each kind is drawn. */
static const unsigned int weights[MOVE_KINDS] = {
	[MAP] = 4, [UNMAP] = 3, [DEVICE_WRITES] = 16, [DEVICE_READS] = 14,
	[START] = 14, [END] = 14, [INTERRUPTED] = 3, [STORE] = 16, [LOAD] = 3,
	[KERNEL_MAP] = 2, [KERNEL_STORE] = 4, [KERNEL_UNMAP] = 2,
	[HALF_BEGIN] = 1, [KILL] = 1,
};

static enum move_kind draw_kind(__u32 *state)
{
	unsigned int kind, sum = 0, drawn;

	for (kind = 0; kind < MOVE_KINDS; kind++)
		sum += weights[kind];
	drawn = draw(state, sum);
	for (kind = 0; drawn >= weights[kind]; kind++)
		drawn -= weights[kind];
	return kind;
}

static void draw_moves(unsigned int seed, struct move *moves)
{
	__u32 state = seed * 2654435761u + 1;
	unsigned int i, room, first = draw(&state, DEVICES);
	struct move *m;

	for (i = 0; i < GAME_MOVES; i++) {
		m = &moves[i];
		/* Nothing is to be seen before two have mapped. */
		m->kind = i < 2 ? MAP : draw_kind(&state);
		m->device = i < 2 ? (first + i) % DEVICES :
			    draw(&state, DEVICES);
		m->worker = draw(&state, WORKERS);
		m->direction = draw(&state, 3);
		m->access = 1 + draw(&state, 3);
		m->memfd = !draw(&state, 4);
		m->conflict = !draw(&state, 12);
		m->bytes = 1 + draw(&state, WRITE_MAX);
		room = ARENA - m->bytes + 1;
		m->at = draw(&state, ARENAS) * ARENA + draw(&state, room);
	}
}

/* The shortest beginning of @moves that fails, then without single moves. */
static unsigned int shorten(const struct move *moves, unsigned int count,
			    bool *left, struct game *game)
{
	unsigned int good = 0, bad = count, half, i, plays = 0;
	struct game tried;
	bool dropped;

	while (bad - good > 1) {
		half = (good + bad) / 2;
		play(moves, half, left, &tried);
		plays++;
		if (tried.failed) {
			bad = half;
			*game = tried;
		} else {
			good = half;
		}
	}
	for (i = 0; i < bad; i++)
		left[i] = !game->made[i] && i + 1 < bad;
	do {
		dropped = false;
		for (i = bad; i-- > 0;) {
			if (left[i])
				continue;
			left[i] = true;
			play(moves, bad, left, &tried);
			plays++;
			if (tried.failed) {
				*game = tried;
				dropped = true;
			} else {
				left[i] = false;
			}
		}
	} while (dropped);
	say("played %u times to find the shortest", plays);
	return bad;
}

static void tell_failure(unsigned int seed, const struct move *moves,
			 struct game *game)
{
	bool left[MOVES_MAX] = { };
	unsigned int count, i;

	say("seed %u fails after %u moves: %s", seed, game->after, game->what);
	count = shorten(moves, game->after, left, game);
	for (i = 0; i < count; i++)
		if (game->made[i])
			tell_move(i + 1, &moves[i]);
	for (i = 0; i < game->closing; i++)
		tell_move(count + i + 1, &closing[i]);
	say("     %s", game->what);
}

bool play_games(unsigned int seed, unsigned int games, unsigned int seconds,
		bool refusals)
{
	const unsigned int begun = world_seconds();
	static struct move moves[MOVES_MAX];
	unsigned long made = 0, conflicts = 0;
	static struct game game;
	unsigned int g, i;

	table.refusals = refusals;
	for (g = 0; g < games && world_seconds() - begun < seconds; g++) {
		draw_moves(seed + g, moves);
		play(moves, GAME_MOVES, NULL, &game);
		if (game.failed) {
			tell_failure(seed + g, moves, &game);
			return false;
		}
		for (i = 0; i < GAME_MOVES; i++)
			made += game.made[i];
		conflicts += game.conflicts;
		if (!((g + 1) % 10))
			say("%u games", g + 1);
	}
	say("ok: %u games, %lu moves, %lu bytes written by two at once", g,
	    made, conflicts);
	return true;
}
