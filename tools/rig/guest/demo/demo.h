/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The demo: every row of the table on every exporter, and what the kernel says
 * afterwards.
 */
#ifndef DEMO_DEMO_H
#define DEMO_DEMO_H

#include "../core/machine.h"

int run_demo(const struct exporter *exporters, unsigned int count);

#endif
