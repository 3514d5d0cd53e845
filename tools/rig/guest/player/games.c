// SPDX-License-Identifier: GPL-2.0
/*
 * The random player: see games.h. All moves of a game follow from its seed, and
 * happen one after the other, so that it can be played again, whole or with fewer
 * moves. Which of them can happen follows from those before.
 */
#include <linux/dma-buf.h>

#include "games.h"
#include "tell.h"

#define GAME_MOVES	60

#define ARRAY_SIZE(a)	(sizeof(a) / sizeof((a)[0]))

static const struct world *world;
static bool refusals;

/* What a game ends with, if it comes so far; everybody reads before and after. */
static const struct move closing[] = {
	{ .kind = START, .access = DMA_BUF_SYNC_RW },
	{ .kind = END, .access = DMA_BUF_SYNC_RW },
};

/* Play the moves that @left does not leave out. What is promised is read. */
static void play(const struct move *moves, unsigned int count,
		 const bool *left, struct game *game)
{
	unsigned int i;

	begin_game(world, refusals, game);
	for (i = 0; i < count && !game->failed; i++) {
		if (!left || !left[i])
			game->made[i] = make_move(&moves[i], i);
		game->after = i + 1;
	}
	if (!game->failed)
		everybody_reads();
	for (i = 0; i < ARRAY_SIZE(closing) && !game->failed; i++) {
		game->closing = i + 1;
		make_move(&closing[i], count + i);
	}
	if (!game->failed)
		everybody_reads();
	world->close();
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
	say(world, "played %u times to find the shortest", plays);
	return bad;
}

static void tell_failure(unsigned int seed, const struct move *moves,
			 struct game *game)
{
	bool left[MOVES_MAX] = { };
	unsigned int count, i;

	say(world, "seed %u fails after %u moves: %s", seed, game->after,
	    game->what);
	count = shorten(moves, game->after, left, game);
	for (i = 0; i < count; i++)
		if (game->made[i])
			tell_move(world, i + 1, &moves[i]);
	for (i = 0; i < game->closing; i++)
		tell_move(world, count + i + 1, &closing[i]);
	say(world, "     %s", game->what);
}

bool play_games(const struct world *on, unsigned int seed, unsigned int games,
		unsigned int seconds, bool may_refuse)
{
	const unsigned int begun = on->seconds();
	static struct move moves[MOVES_MAX];
	unsigned long made = 0, conflicts = 0;
	static struct game game;
	unsigned int g, i;

	world = on;
	refusals = may_refuse;
	for (g = 0; g < games && world->seconds() - begun < seconds; g++) {
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
			say(world, "%u games", g + 1);
	}
	say(world, "ok: %u games, %lu moves, %lu bytes written by two at once", g,
	    made, conflicts);
	return true;
}
