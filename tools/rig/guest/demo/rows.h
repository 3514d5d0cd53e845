/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Playing a row: once for every order in which its peers can attach, each time
 * in a process of its own. Which rows there are is not known here.
 */
#ifndef DEMO_ROWS_H
#define DEMO_ROWS_H

#include "table.h"

void run_scenario(const struct exporter *exporter,
		  const struct scenario *scenario);

#endif
