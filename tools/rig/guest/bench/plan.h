/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What a plan costs: driver/sync_plan.c itself, in this program, on the clock
 * that counts instructions, for 64 peers. It knows no buffer and no exporter.
 */
#ifndef BENCH_PLAN_H
#define BENCH_PLAN_H

void bench_plans(void);

#endif
