// SPDX-License-Identifier: GPL-2.0
/*
 * The sync plan: what a CPU access must do for the devices, in what order.
 *
 * Two moves make up every plan. A fetch brings what devices wrote to where the
 * CPU reads it: caches are invalidated, copies merged into the pages. A push
 * brings what the pages hold to where devices read it: caches are cleaned, the
 * pages merged into the copies. A CPU access begins with a fetch and ends with
 * a push, whoever makes these calls and in whatever order; so does a mapping
 * that joins or leaves.
 *
 * A merge moves only what one side changed and loses nothing, so nobody has to
 * know which side is newer. An invalidate is not so kind. That is what most of
 * the rules are about.
 *
 * The hazards are explained in docs/hazards.md; each rule below is checked by
 * the model, with and without it.
 */
#include "sync_plan.h"

struct plan {
	const struct sync_peer *peers;
	unsigned int nr;
	const struct sync_access *access;
	struct sync_step *steps;
	unsigned int len;
	/* The first of each, or @nr. */
	unsigned int writer[SYNC_NR_KINDS];
	unsigned int any[SYNC_NR_KINDS];
};

static bool is_writer(const struct sync_peer *peer)
{
	return peer->dir != DMA_TO_DEVICE;
}

static void find_peers(struct plan *plan)
{
	enum sync_kind kind;
	unsigned int i;

	for (kind = 0; kind < SYNC_NR_KINDS; kind++) {
		plan->writer[kind] = plan->nr;
		plan->any[kind] = plan->nr;
	}
	for (i = plan->nr; i--;) {
		kind = plan->peers[i].kind;
		plan->any[kind] = i;
		if (is_writer(&plan->peers[i]))
			plan->writer[kind] = i;
	}
}

static bool has(const struct plan *plan, enum sync_kind kind)
{
	return plan->any[kind] < plan->nr;
}

static bool has_writer(const struct plan *plan, enum sync_kind kind)
{
	return plan->writer[kind] < plan->nr;
}

static void add_step(struct plan *plan, unsigned int peer, enum sync_op op)
{
	plan->steps[plan->len].peer = peer;
	plan->steps[plan->len].op = op;
	plan->len++;
}

/*
 * One peer that stands for all that use the buffer's own pages, or @plan->nr.
 *
 * H9: noncoherent peers use the same lines of the same pages, and the
 * architecture's hooks see an address range and a direction, never a device
 * (arch_sync_dma_for_device() and _for_cpu()): a second sync of them does the
 * first one's work again. So one stands for all, if it covers the whole buffer
 * and does all that the others need. A writer does: mapped bidirectionally, its
 * for_device cleans as a reader's does, and where for_cpu() does nothing
 * invalidates as well; a reader's for_cpu does nothing.
 */
static unsigned int representative(const struct plan *plan, bool readers)
{
	unsigned int rep = plan->nr, i;
	bool partial_writer = false;

	for (i = 0; i < plan->nr; i++) {
		const struct sync_peer *peer = &plan->peers[i];

		if (peer->kind != SYNC_NONCOHERENT)
			continue;
		if (is_writer(peer) && !peer->partial)
			return i;
		if (is_writer(peer))
			partial_writer = true;
		else if (readers && !peer->partial)
			rep = i;
	}
	return partial_writer ? plan->nr : rep;
}

/* Maintain the caches for noncoherent peers: for writers, or for all. */
static void add_caches(struct plan *plan, bool readers, enum sync_op op)
{
	bool all = plan->access->policy == SYNC_POLICY_ALL;
	unsigned int rep, i;

	if (readers ? !has(plan, SYNC_NONCOHERENT) :
		      !has_writer(plan, SYNC_NONCOHERENT))
		return;
	rep = all ? plan->nr : representative(plan, readers);
	if (rep < plan->nr) {
		add_step(plan, rep, op);
		return;
	}
	for (i = 0; i < plan->nr; i++)
		if (plan->peers[i].kind == SYNC_NONCOHERENT &&
		    (readers || is_writer(&plan->peers[i])))
			add_step(plan, i, op);
}

/*
 * H15: while a write access may be open, the caches can hold what was stored in
 * it and nowhere else; then they are cleaned and invalidated with no store
 * between. H14: what a coherent device left dirty in a cache must not fall to
 * the invalidate either.
 */
static void invalidate(struct plan *plan)
{
	if (plan->access->write_open) {
		add_caches(plan, false, SYNC_FLUSH);
		return;
	}
	if (plan->access->lazy_for_cpu || has_writer(plan, SYNC_COHERENT))
		add_caches(plan, false, SYNC_FOR_DEVICE);
	add_caches(plan, false, SYNC_FOR_CPU);
}

/*
 * H3: whatever the CPU is about to do. H4: invalidates come before the merge,
 * whose stores they would drop; so would those of the next begin, and therefore
 * they are cleaned at once.
 */
static void fetch(struct plan *plan)
{
	invalidate(plan);
	if (!has_writer(plan, SYNC_COPY))
		return;
	add_step(plan, plan->writer[SYNC_COPY], SYNC_FETCH);
	add_caches(plan, false, SYNC_CLEAN_FETCHED);
}

/*
 * H15: copies first. What is stored meanwhile and goes into a copy is cleaned
 * afterwards, or a later invalidate drops it from the pages alone, and with it
 * what it has won against in the copy.
 */
static void push(struct plan *plan)
{
	if (has(plan, SYNC_COPY))
		add_step(plan, plan->any[SYNC_COPY], SYNC_PUSH);
	add_caches(plan, true, SYNC_FOR_DEVICE);
}

/*
 * H6: the end of a read access leaves work behind if anyone but the reader can
 * have written.
 */
static bool may_have_changed(const struct plan *plan)
{
	enum sync_kind kind;

	for (kind = 0; kind < SYNC_NR_KINDS; kind++)
		if (has_writer(plan, kind))
			return true;
	return plan->access->write || plan->access->write_open;
}

/**
 * sync_plan() - work out the steps that an event needs
 * @peers: the parts of all mappings of the buffer
 * @nr: how many there are
 * @access: the event
 * @steps: room for SYNC_PLAN_MAX(@nr) steps
 *
 * The steps are to be taken in their order.
 *
 * Context: any; pure. Time linear in @nr.
 * Return: the number of steps.
 */
unsigned int sync_plan(const struct sync_peer *peers, unsigned int nr,
		       const struct sync_access *access,
		       struct sync_step *steps)
{
	struct plan plan = {
		.peers = peers,
		.nr = nr,
		.access = access,
		.steps = steps,
	};

	find_peers(&plan);
	switch (access->event) {
	case SYNC_BEGIN:
		fetch(&plan);
		break;
	case SYNC_END:
		if (may_have_changed(&plan))
			push(&plan);
		break;
	}

	return plan.len;
}
