/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The bench: what each step of each exporter costs.
 */
#ifndef BENCH_BENCH_H
#define BENCH_BENCH_H

#include "../core/machine.h"

int run_bench(const struct exporter *exporters, unsigned int count);

#endif
