/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Who maps a buffer, and what must be done for all of them together.
 */
#ifndef UDMABUF_FANOUT_FANOUT_H
#define UDMABUF_FANOUT_FANOUT_H

#include <linux/types.h>

#include <asm/barrier.h>

#include "sync_plan.h"

struct cpu_mappings;
struct dma_buf;
struct fanout_mapping;
struct open_writes;
struct shadow;

/**
 * struct ready_plan - the steps of an event that can come at any time
 * @step: the steps, indices into struct fanout.peer
 * @nr: how many
 */
struct ready_plan {
	struct sync_step *step;
	unsigned int nr;
};

/**
 * struct fanout - who maps a buffer
 * @dmabuf: the dma-buf
 * @shadow: the copies to merge
 * @cpu: the mappings to take away
 * @open_writes: CPU write accesses that may be open (H15)
 * @peer: the parts of its mappings, those of one mapping side by side
 * @owner: the mapping that each of @peer is a part of
 * @step: room for the steps of all plans
 * @nr_peers: how many @peer and @owner have
 * @room: how many they have room for
 * @begin: the plans of SYNC_BEGIN, [a write access may be open]
 * @end: the plans of SYNC_END, [it or an open access has written]
 * @policy: the policy of the plans
 * @conflict_told: a device and somebody else wrote to the same bytes
 *
 * Invariant: the plans are those of the peers, under the reservation lock
 * whenever nobody changes the peers.
 */
struct fanout {
	struct dma_buf *dmabuf;
	struct shadow *shadow;
	struct cpu_mappings *cpu;
	struct open_writes *open_writes;
	struct sync_peer *peer;
	struct fanout_mapping **owner;
	struct sync_step *step;
	unsigned int nr_peers;
	unsigned int room;
	struct ready_plan begin[2];
	struct ready_plan end[2];
	enum sync_policy policy;
	bool conflict_told;
};

extern const char * const fanout_policy_names[];
extern int fanout_sync_policy;

int fanout_reserve(struct fanout *fanout);
void fanout_join(struct fanout *fanout, struct fanout_mapping *mapping);
void fanout_leave(struct fanout *fanout, struct fanout_mapping *mapping);
void fanout_forget(struct fanout *fanout,
		   const struct fanout_mapping *mapping);
void fanout_free(struct fanout *fanout);
void fanout_begin(struct fanout *fanout);
void fanout_end(struct fanout *fanout, bool write);

/**
 * fanout_begin_is_idle() - tell whether fanout_begin() would do nothing
 * @fanout: who maps the buffer
 *
 * Under any policy: it only tells how often the same is done.
 *
 * Context: any. A map that races with it comes after it; what an unmap has
 * fetched is there when it has made this idle.
 * Return: true if it would.
 */
static inline bool fanout_begin_is_idle(const struct fanout *fanout)
{
	/* Pairs with the release in make_plan(). */
	return !smp_load_acquire(&fanout->begin[false].nr);
}

/**
 * fanout_end_is_idle() - tell whether fanout_end() would do nothing
 * @fanout: who maps the buffer
 * @write: it, or an access that may be open, has written
 *
 * Context: any. As fanout_begin_is_idle().
 * Return: true if it would.
 */
static inline bool fanout_end_is_idle(const struct fanout *fanout, bool write)
{
	/* As above. */
	return !smp_load_acquire(&fanout->end[write].nr);
}

#endif /* UDMABUF_FANOUT_FANOUT_H */
