/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Places in memory that are no good, as arguments or to touch, and what touching
 * one of them costs.
 */
#ifndef HOSTILE_PLACES_H
#define HOSTILE_PLACES_H

#include "record.h"

void catch_signals(void);

/* A world's own. */
void open_places(struct world *w);
void close_places(struct world *w);

/* Bad places for arguments of @size bytes; @output: they are written to. */
void *bad_place(struct world *w, size_t size, bool output);

/* Read or write one word. Return: the signal that it cost, 0 for none. */
int touch(void *at, __u64 *value, bool write);

#endif
