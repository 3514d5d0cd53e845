// SPDX-License-Identifier: GPL-2.0
/*
 * What a plan costs: see plan.h.
 */
#include <time.h>

#include "../../../../driver/sync_plan.h"
#include "../core/machine.h"
#include "../core/report.h"
#include "plan.h"

#define PEERS	64
#define REPEATS	16

struct mix {
	const char *name;
	enum sync_kind kind;	/* of all peers but the first */
	bool write;		/* they write */
	enum sync_kind first;
};

static const struct mix mixes[] = {
	{ "coherent writers", SYNC_COHERENT, true, SYNC_COHERENT },
	{ "noncoherent writers", SYNC_NONCOHERENT, true, SYNC_NONCOHERENT },
	{ "noncoherent readers", SYNC_NONCOHERENT, false, SYNC_NONCOHERENT },
	{ "noncoherent writers, a coherent one", SYNC_NONCOHERENT, true,
	  SYNC_COHERENT },
	{ "readers with copies, a writer with one", SYNC_COPY, false,
	  SYNC_COPY },
	{ "writers with copies, a noncoherent one", SYNC_COPY, true,
	  SYNC_NONCOHERENT },
};

static long measure_plan(const struct mix *mix, enum sync_event event)
{
	static struct sync_step steps[SYNC_PLAN_MAX(PEERS)];
	static struct sync_peer peers[PEERS];
	struct sync_access access = {
		.event = event,
		.policy = SYNC_POLICY_MINIMAL,
		.write = true,
	};
	struct timespec start, end;
	unsigned int i;

	for (i = 0; i < PEERS; i++)
		peers[i] = (struct sync_peer) {
			.kind = i ? mix->kind : mix->first,
			.dir = !i || mix->write ? DMA_BIDIRECTIONAL :
						  DMA_TO_DEVICE,
		};
	clock_gettime(CLOCK_MONOTONIC, &start);
	for (i = 0; i < REPEATS; i++)
		sync_plan(peers, PEERS, &access, steps);
	clock_gettime(CLOCK_MONOTONIC, &end);
	return ((end.tv_sec - start.tv_sec) * 1000000000L +
		end.tv_nsec - start.tv_nsec) / REPEATS;
}

void bench_plans(void)
{
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(mixes); i++)
		emit("{\"plan\": \"%s\", \"begin\": %ld, \"end\": %ld}",
		     mixes[i].name, measure_plan(&mixes[i], SYNC_BEGIN),
		     measure_plan(&mixes[i], SYNC_END));
}
