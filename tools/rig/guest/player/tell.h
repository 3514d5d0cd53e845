/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Moves in words.
 */
#ifndef PLAYER_TELL_H
#define PLAYER_TELL_H

#include "moves.h"

void __attribute__((__format__(printf, 2, 3)))
say(const struct world *world, const char *format, ...);

void tell_move(const struct world *world, unsigned int number,
	       const struct move *m);

#endif
