/* SPDX-License-Identifier: GPL-2.0 */
/*
 * All calls there are: one is picked by chance, with the weights of a table.
 */
#ifndef HOSTILE_CALLS_H
#define HOSTILE_CALLS_H

#include "world.h"

extern const unsigned int kinds;
const char *kind_name(unsigned int kind);
void random_call(struct world *w);

#endif
