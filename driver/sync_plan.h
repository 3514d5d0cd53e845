/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The sync plan: what a CPU access must do for the devices, in what order.
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
 * enum sync_kind - which memory a peer's device uses, and how
 * @SYNC_COHERENT: the buffer's own pages, through the CPU's caches; it needs
 *	no sync
 * @SYNC_NONCOHERENT: the buffer's own pages, and it does not snoop; the CPU
 *	caches must be maintained by physical address
 * @SYNC_COPY: a copy of the pages, its own or shared, which is merged with them
 */
enum sync_kind {
	SYNC_COHERENT,
	SYNC_NONCOHERENT,
	SYNC_COPY,
};

#define SYNC_NR_KINDS	(SYNC_COPY + 1)

/**
 * struct sync_peer - the part of one mapping that has one kind
 * @kind: which memory it uses
 * @dir: the direction that was mapped, after widening (H5): DMA_TO_DEVICE for
 *	a reader, DMA_BIDIRECTIONAL for a writer. DMA_FROM_DEVICE is a writer
 *	as well; the driver never maps it.
 * @partial: it is one of two parts, so it covers only some of the buffer and
 *	cannot stand for others (H18)
 */
struct sync_peer {
	enum sync_kind kind;
	enum dma_data_direction dir;
	bool partial;
};

/**
 * enum sync_event - what happens to the buffer
 * @SYNC_BEGIN: a CPU access begins
 * @SYNC_END: a CPU access ends, whoever began it, or nobody
 *
 * A mapping that is made, or undone, is both (H13): an access of the kernel that
 * begins with those who were there before and ends with those who are there
 * then; one whose device writes leaves after its end. One whose device reads is
 * not missed.
 */
enum sync_event {
	SYNC_BEGIN,
	SYNC_END,
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
 * @write: SYNC_END: the CPU has written
 * @write_open: a CPU write access may be open (H15)
 * @lazy_for_cpu: for_cpu() of this architecture may do nothing, and it is the
 *	for_device() of a writer that invalidates
 */
struct sync_access {
	enum sync_event event;
	enum sync_policy policy;
	bool write;
	bool write_open;
	bool lazy_for_cpu;
};

/**
 * enum sync_op - what a step does
 * @SYNC_FOR_CPU: dma_sync_*_for_cpu() of @peer, in its mapped direction
 * @SYNC_FOR_DEVICE: dma_sync_*_for_device() of @peer, likewise
 * @SYNC_FLUSH: both of @peer, for_device first, and no store of the CPU comes
 *	between them
 * @SYNC_FETCH: every copy that a device can have written: what it wrote goes
 *	into the pages
 * @SYNC_PUSH: every copy: what others wrote goes into it
 * @SYNC_CLEAN_FETCHED: as SYNC_FOR_DEVICE; can be left out if the SYNC_FETCH
 *	before it found nothing
 */
enum sync_op {
	SYNC_FOR_CPU,
	SYNC_FOR_DEVICE,
	SYNC_FLUSH,
	SYNC_FETCH,
	SYNC_PUSH,
	SYNC_CLEAN_FETCHED,
};

/**
 * struct sync_step - one step
 * @peer: index into the peers the plan was made from; of SYNC_FETCH and
 *	SYNC_PUSH, which are about all copies, the first one that has a copy
 * @op: what it does
 */
struct sync_step {
	unsigned int peer;
	enum sync_op op;
};

/*
 * Steps that a plan for @nr peers has at most: the caches are cleaned,
 * invalidated and cleaned again for each, and there is a fetch.
 */
#define SYNC_PLAN_MAX(nr)	(3 * (nr) + 1)

unsigned int sync_plan(const struct sync_peer *peers, unsigned int nr,
		       const struct sync_access *access,
		       struct sync_step *steps);

#endif /* UDMABUF_FANOUT_SYNC_PLAN_H */
