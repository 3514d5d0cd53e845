/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The sync plan: which peers a CPU access must sync, in what order.
 *
 * Pure: peers and an event in, ordered steps out. No kernel call, no lock, no
 * allocation, no global; the same file is part of the module, of the KUnit
 * suites and of the native model. It must not know what a device, a buffer or
 * an sg table is.
 */
#ifndef UDMABUF_FANOUT_SYNC_PLAN_H
#define UDMABUF_FANOUT_SYNC_PLAN_H

#ifdef __KERNEL__
#include <linux/dma-direction.h>
#include <linux/types.h>
#else
#include <stdbool.h>

/* The values of include/linux/dma-direction.h. */
enum dma_data_direction {
	DMA_BIDIRECTIONAL = 0,
	DMA_TO_DEVICE = 1,
	DMA_FROM_DEVICE = 2,
	DMA_NONE = 3,
};
#endif

/**
 * enum sync_kind - why a peer needs syncs
 * @SYNC_COHERENT: it does not; every sync of it is a no-op
 * @SYNC_NONCOHERENT: its device uses the buffer's own pages and does not snoop;
 *	the CPU caches must be maintained by physical address
 * @SYNC_OPAQUE: it does, and nobody can tell why (custom dma_map_ops)
 * @SYNC_BOUNCED: its device uses a private copy, a swiotlb slot
 *
 * In the order in which begin must visit them (H4).
 */
enum sync_kind {
	SYNC_COHERENT,
	SYNC_NONCOHERENT,
	SYNC_OPAQUE,
	SYNC_BOUNCED,
};

#define SYNC_NR_KINDS	(SYNC_BOUNCED + 1)

/**
 * struct sync_peer - the part of one mapping that has one kind
 * @kind: why it needs syncs
 * @dir: the direction that was mapped, after widening (H5): DMA_TO_DEVICE for
 *	a reader, DMA_BIDIRECTIONAL for a writer. DMA_FROM_DEVICE is a writer
 *	as well; the driver never maps it.
 * @mapping: which mapping this is a part of; the two parts of a mixed mapping
 *	(H18) cover different pages and carry the same number. Any number but
 *	UINT_MAX.
 * @partial: it is one of two parts, so it covers only some of the buffer and
 *	cannot stand for others
 * @snoops: its device is cache-coherent, so a slot of it needs no maintenance
 */
struct sync_peer {
	enum sync_kind kind;
	enum dma_data_direction dir;
	unsigned int mapping;
	bool partial;
	bool snoops;
};

/**
 * enum sync_event - what happens to the buffer
 * @SYNC_BEGIN: a CPU access begins
 * @SYNC_END: a CPU access ends
 * @SYNC_MAP: a mapping was made and joins the peers (H13)
 * @SYNC_UNMAP: a mapping is about to be undone and to leave the peers (H13)
 */
enum sync_event {
	SYNC_BEGIN,
	SYNC_END,
	SYNC_MAP,
	SYNC_UNMAP,
};

/**
 * enum sync_policy - how many syncs one effect may cost
 * @SYNC_POLICY_MINIMAL: one sync for each distinct effect (H9)
 * @SYNC_POLICY_ALL: every peer that a step concerns gets its own sync
 */
enum sync_policy {
	SYNC_POLICY_MINIMAL,
	SYNC_POLICY_ALL,
};

/**
 * struct sync_access - the event a plan is made for
 * @event: what happens
 * @policy: how many syncs one effect may cost
 * @dir: SYNC_BEGIN and SYNC_END: what the CPU does; DMA_FROM_DEVICE reads,
 *	DMA_TO_DEVICE writes, DMA_BIDIRECTIONAL does both. It is never the
 *	direction of a sync.
 * @write_open: SYNC_BEGIN, SYNC_MAP, SYNC_UNMAP: a CPU write access is open
 *	already (H15)
 * @mapping: SYNC_MAP, SYNC_UNMAP: the mapping that joins or leaves
 */
struct sync_access {
	enum sync_event event;
	enum sync_policy policy;
	enum dma_data_direction dir;
	bool write_open;
	unsigned int mapping;
};

/**
 * enum sync_phase - which of the two DMA API syncs a step is
 * @SYNC_FOR_CPU: dma_sync_*_for_cpu()
 * @SYNC_FOR_DEVICE: dma_sync_*_for_device()
 */
enum sync_phase {
	SYNC_FOR_CPU,
	SYNC_FOR_DEVICE,
};

/**
 * struct sync_step - one sync, in the peer's mapped direction
 * @peer: index into the peers the plan was made from
 * @phase: which sync
 */
struct sync_step {
	unsigned int peer;
	enum sync_phase phase;
};

/* Steps that a plan for @nr peers has at most: clean, fetch, push. */
#define SYNC_PLAN_MAX(nr)	(3 * (nr))

unsigned int sync_plan(const struct sync_peer *peers, unsigned int nr,
		       const struct sync_access *access,
		       struct sync_step *steps);
bool sync_conflict(const struct sync_peer *peers, unsigned int nr,
		   unsigned int mapping, unsigned int *other);
bool sync_stale_pair(const struct sync_peer *peers, unsigned int nr,
		     unsigned int mapping, unsigned int *other);

#endif /* UDMABUF_FANOUT_SYNC_PLAN_H */
