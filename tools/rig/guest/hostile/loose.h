/* SPDX-License-Identifier: GPL-2.0 */
/*
 * A child that nobody waits for: it syncs and reads while its parent goes on,
 * until it is killed.
 */
#ifndef HOSTILE_LOOSE_H
#define HOSTILE_LOOSE_H

#include "record.h"

void call_loose_child(struct world *w);

/* Nobody else holds what this world holds from here on. */
void reap(struct world *w);

#endif
