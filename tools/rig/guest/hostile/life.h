/* SPDX-License-Identifier: GPL-2.0 */
/*
 * A world's life: it is opened, goes on in a child, and in the end nothing may be
 * left of it. Which calls it makes meanwhile is not known here.
 */
#ifndef HOSTILE_LIFE_H
#define HOSTILE_LIFE_H

#include "world.h"

#define WORLDS		32	/* one a thread */

/* First of all: what threads and their children will share. */
void share_worlds(void);

/* A new beginning, as far as the model knows. */
void start_over(void);
const struct tally *tally_of(unsigned int thread);

struct world *open_world(unsigned int thread);
void close_world(struct world *w);

/* In a child: the world is a copy from here on. */
void inherit(struct world *w);
/* The model forgets what a process had that is about to end. */
void disown(struct world *w);

void call_end_of_the_world(struct world *w);

#endif
