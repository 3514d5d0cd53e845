/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The random player in the guest, on the first exporter.
 */
#ifndef PLAYER_PLAYER_H
#define PLAYER_PLAYER_H

#include "../core/machine.h"

int run_player(const struct exporter *exporters, unsigned int count);

#endif
