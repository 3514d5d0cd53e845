/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The races, on the first exporter, and the hostile program after them.
 */
#ifndef RACES_RACES_H
#define RACES_RACES_H

#include "../core/machine.h"

int run_races(const struct exporter *exporters, unsigned int count);

#endif
