/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The random player: games from a seed, and how the first one that fails is
 * told. It has no idea of what it plays on.
 */
#ifndef PLAYER_GAMES_H
#define PLAYER_GAMES_H

#include "world.h"

/*
 * Play @games games from @seed on, or for @seconds, what is over first; the
 * first that fails is told, as short as it still fails. With @may_refuse a map
 * may be refused.
 *
 * Return: whether all went well.
 */
bool play_games(const struct world *on, unsigned int seed, unsigned int games,
		unsigned int seconds, bool may_refuse);

#endif
