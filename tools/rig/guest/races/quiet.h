/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What must hold when all is quiet again, whatever was raced for.
 */
#ifndef RACES_QUIET_H
#define RACES_QUIET_H

#include "stage.h"

/* The run's buffer carries data both ways, or the run ends. */
void round_trip(struct run *r);

/* No page is pinned, and the module goes, and comes back. */
void clean_up(struct stage *stage);

#endif
