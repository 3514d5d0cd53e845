// SPDX-License-Identifier: GPL-2.0
/*
 * The sync plan: which peers a CPU access must sync, in what order.
 *
 * Two moves make up every plan. A fetch brings what devices wrote to where the
 * CPU reads it: caches are invalidated, slots copied back. A push brings what
 * the pages hold to where devices read it: caches are cleaned, slots refreshed.
 * A CPU access begins with a fetch and ends with a push; a mapping that joins
 * or leaves is a CPU access by the kernel, in which the devices do not stop.
 *
 * The hazards H1 to H19 are explained in docs/hazards.md; each rule below is
 * checked by the model, with and without it.
 */
#include "sync_plan.h"

#define NO_MAPPING	(~0U)

/*
 * The peers that one move is about: those of @mapping, or all but those.
 */
struct subset {
	unsigned int mapping;
	bool others;
};

static const struct subset everyone = { NO_MAPPING, true };

struct plan {
	const struct sync_peer *peers;
	unsigned int nr;
	unsigned int present;
	enum sync_policy policy;
	struct sync_step *steps;
	unsigned int len;
};

static bool is_writer(const struct sync_peer *peer)
{
	return peer->dir != DMA_TO_DEVICE;
}

static bool is_member(const struct sync_peer *peer, struct subset set)
{
	return (peer->mapping == set.mapping) != set.others;
}

/* The bit of struct plan.present for one kind of reader or writer. */
static unsigned int class(enum sync_kind kind, bool writer)
{
	return 1u << (kind + (writer ? SYNC_NR_KINDS : 0));
}

static unsigned int census(const struct sync_peer *peers, unsigned int nr)
{
	unsigned int writers = 0, readers = 0, i;

	for (i = 0; i < nr; i++)
		if (is_writer(&peers[i]))
			writers |= class(peers[i].kind, true);
		else
			readers |= class(peers[i].kind, false);
	return writers | readers;
}

static bool has_writer(const struct plan *plan, struct subset set,
		       enum sync_kind kind)
{
	unsigned int i;

	if (!(plan->present & class(kind, true)))
		return false;
	for (i = 0; i < plan->nr; i++)
		if (plan->peers[i].kind == kind &&
		    is_writer(&plan->peers[i]) &&
		    is_member(&plan->peers[i], set))
			return true;
	return false;
}

static bool has_any_writer(const struct plan *plan, struct subset set)
{
	enum sync_kind kind;

	for (kind = SYNC_COHERENT; kind < SYNC_NR_KINDS; kind++)
		if (has_writer(plan, set, kind))
			return true;
	return false;
}

/* A noncoherent one that covers the whole buffer. */
static bool has_whole_writer(const struct plan *plan, struct subset set)
{
	unsigned int i;

	for (i = 0; i < plan->nr; i++)
		if (plan->peers[i].kind == SYNC_NONCOHERENT &&
		    !plan->peers[i].partial && is_writer(&plan->peers[i]) &&
		    is_member(&plan->peers[i], set))
			return true;
	return false;
}

static void add_step(struct plan *plan, unsigned int peer,
		     enum sync_phase phase)
{
	plan->steps[plan->len].peer = peer;
	plan->steps[plan->len].phase = phase;
	plan->len++;
}

/* Readers, writers or both of one kind, each for itself. */
static void add_each(struct plan *plan, struct subset set, enum sync_kind kind,
		     bool readers, bool writers, enum sync_phase phase)
{
	struct sync_step *step = plan->steps + plan->len;
	const struct sync_peer *peers = plan->peers;
	const unsigned int nr = plan->nr;
	unsigned int i;

	if (!(plan->present & ((readers ? class(kind, false) : 0) |
			       (writers ? class(kind, true) : 0))))
		return;
	for (i = 0; i < nr; i++) {
		if (peers[i].kind != kind || !is_member(&peers[i], set) ||
		    !(is_writer(&peers[i]) ? writers : readers))
			continue;
		step->peer = i;
		step->phase = phase;
		step++;
	}
	plan->len = step - plan->steps;
}

/*
 * H9: noncoherent peers use the same lines of the same pages, and the
 * architecture's hooks see an address range and a direction, never a device
 * (arch_sync_dma_for_device() and _for_cpu()): a second sync of them does the
 * first one's work again. So one peer stands for all, if it covers the whole
 * buffer and does all that the others need. A writer does: mapped
 * bidirectionally, its for_device cleans as a reader's does, and where
 * for_cpu() is empty invalidates as well; a reader's for_cpu does nothing.
 * Where there is no such peer, each syncs for itself.
 */
static void add_caches(struct plan *plan, struct subset set, bool readers,
		       enum sync_phase phase)
{
	const struct sync_peer *peer = plan->peers;
	unsigned int rep = plan->nr;
	bool partial_writer = false;
	unsigned int i;

	if (plan->policy == SYNC_POLICY_ALL) {
		add_each(plan, set, SYNC_COHERENT, readers, true, phase);
		add_each(plan, set, SYNC_NONCOHERENT, readers, true, phase);
		return;
	}

	if (!(plan->present & (class(SYNC_NONCOHERENT, true) |
			       class(SYNC_NONCOHERENT, false))))
		return;
	for (i = 0; i < plan->nr; i++, peer++) {
		if (peer->kind != SYNC_NONCOHERENT || !is_member(peer, set))
			continue;
		if (is_writer(peer) && !peer->partial) {
			add_step(plan, i, phase);
			return;
		}
		if (is_writer(peer))
			partial_writer = true;
		else if (readers && !peer->partial)
			rep = i;
	}

	if (rep < plan->nr && !partial_writer)
		add_step(plan, rep, phase);
	else
		add_each(plan, set, SYNC_NONCOHERENT, readers, true, phase);
}

/*
 * H2: only what writes is fetched, whatever the CPU is about to do (H3).
 * H4: caches first, then opaque peers, then slots, so that no invalidate comes
 * after a copy.
 * H14: what a coherent device, one of @running, left dirty in a cache must not
 * fall to the invalidate.
 */
static void fetch(struct plan *plan, struct subset set, struct subset running)
{
	if (has_writer(plan, set, SYNC_NONCOHERENT) &&
	    has_writer(plan, running, SYNC_COHERENT))
		add_caches(plan, set, false, SYNC_FOR_DEVICE);
	add_caches(plan, set, false, SYNC_FOR_CPU);
	add_each(plan, set, SYNC_OPAQUE, false, true, SYNC_FOR_CPU);
	add_each(plan, set, SYNC_BOUNCED, false, true, SYNC_FOR_CPU);
}

/*
 * H13: a bounced writer's slot is the newest copy of what its device writes, so
 * it is overwritten only after a CPU write access, during which the device does
 * not write: @slots.
 */
static void push(struct plan *plan, struct subset set, bool opaque, bool slots)
{
	add_caches(plan, set, true, SYNC_FOR_DEVICE);
	add_each(plan, set, SYNC_OPAQUE, true, opaque, SYNC_FOR_DEVICE);
	add_each(plan, set, SYNC_BOUNCED, true, slots, SYNC_FOR_DEVICE);
}

/*
 * What mapping filled from the pages, and neither cache hides from the device:
 * kernel/dma/swiotlb.c fills a slot whatever the direction and attributes.
 */
static bool is_filled(const struct plan *plan, struct subset set)
{
	const struct sync_peer *peer = plan->peers;
	unsigned int i;

	for (i = 0; i < plan->nr; i++, peer++)
		if (is_member(peer, set) && peer->kind != SYNC_COHERENT &&
		    !(peer->kind == SYNC_BOUNCED && peer->snoops))
			return false;
	return true;
}

/*
 * A mapping joins. Making it filled its slots from the pages, through the CPU's
 * caches, and a coherent device looks into these caches: what others wrote must
 * come first, so it is fetched now, and if there was any the slots are filled
 * again. A noncoherent device finds in the pages what others of its kind wrote,
 * but not what is in slots. The new device does not run yet; the others do.
 */
static void join(struct plan *plan, struct subset self, struct subset others)
{
	unsigned int i;

	for (i = 0; i < plan->nr; i++)
		if (is_member(&plan->peers[i], self) &&
		    plan->peers[i].kind != SYNC_NONCOHERENT)
			break;
	if (i < plan->nr) {
		fetch(plan, others, others);
	} else {
		add_each(plan, others, SYNC_OPAQUE, false, true, SYNC_FOR_CPU);
		add_each(plan, others, SYNC_BOUNCED, false, true, SYNC_FOR_CPU);
	}
	if (plan->len || !is_filled(plan, self))
		push(plan, self, true, true);
}

/*
 * A mapping leaves, and if its device writes takes its sync away from the
 * others: its data is fetched now, unless it is in the pages and somebody stays
 * whose sync fetches it just as well. If no writer stays, the end of the next
 * read access has nothing to pass on (H6), so that is done now, too. An
 * invalidate leaves nothing dirty, but a copy does, and a coherent device may.
 */
static void leave(struct plan *plan, struct subset self, struct subset others)
{
	bool dirties = has_writer(plan, self, SYNC_COHERENT) ||
		       has_writer(plan, self, SYNC_OPAQUE) ||
		       has_writer(plan, self, SYNC_BOUNCED);

	if (dirties) {
		fetch(plan, self, others);
		push(plan, others, false, false);
	} else if (has_writer(plan, self, SYNC_NONCOHERENT) &&
		   !has_whole_writer(plan, others)) {
		fetch(plan, self, others);
		if (has_any_writer(plan, others))
			return;
		add_each(plan, others, SYNC_OPAQUE, true, false,
			 SYNC_FOR_DEVICE);
		add_each(plan, others, SYNC_BOUNCED, true, false,
			 SYNC_FOR_DEVICE);
	}
}

/**
 * sync_plan() - work out the syncs that an event needs
 * @peers: the parts of all mappings of the buffer; for SYNC_MAP with the one
 *	that joins, for SYNC_UNMAP still with the one that leaves
 * @nr: how many there are
 * @access: the event
 * @steps: room for SYNC_PLAN_MAX(@nr) steps
 *
 * The steps are to be taken in their order, each in its peer's mapped
 * direction. For SYNC_MAP they are taken after the mapping was made, for
 * SYNC_UNMAP before it is undone.
 *
 * Context: any; pure. Time linear in @nr.
 * Return: the number of steps.
 */
unsigned int sync_plan(const struct sync_peer *peers, unsigned int nr,
		       const struct sync_access *access,
		       struct sync_step *steps)
{
	const struct subset self = { access->mapping, false };
	const struct subset others = { access->mapping, true };
	struct plan plan = {
		.peers = peers,
		.nr = nr,
		.present = census(peers, nr),
		.policy = access->policy,
		.steps = steps,
	};

	/*
	 * H15: in a write access the pages as the CPU sees them are newer than
	 * anything else: its begin has fetched, devices do not write in it, and
	 * its end pushes. So there is nothing to fetch or to pass on before
	 * that, and no order of steps would be safe: what is stored between a
	 * clean and an invalidate is lost.
	 */
	if (access->write_open) {
		if (access->event == SYNC_MAP && !is_filled(&plan, self))
			push(&plan, self, true, true);
		if (access->event != SYNC_END)
			return plan.len;
	}

	switch (access->event) {
	case SYNC_BEGIN:
		fetch(&plan, everyone, everyone);
		break;
	case SYNC_END:
		/*
		 * H6: a read access leaves work behind if anyone but the CPU
		 * can have written: copied slots are dirty lines, and readers'
		 * slots are older than the pages. And where for_cpu() is empty,
		 * this for_device() is what invalidates.
		 */
		if (access->dir != DMA_FROM_DEVICE)
			push(&plan, everyone, true, true);
		else if (has_any_writer(&plan, everyone))
			push(&plan, everyone, true, false);
		break;
	case SYNC_MAP:
		join(&plan, self, others);
		break;
	case SYNC_UNMAP:
		leave(&plan, self, others);
		break;
	}

	return plan.len;
}

static bool has_own_copy(const struct sync_peer *peer)
{
	return peer->kind == SYNC_OPAQUE || peer->kind == SYNC_BOUNCED;
}

/**
 * sync_conflict() - find a mapping that makes the newest data undecidable
 * @peers: the parts of all mappings of the buffer
 * @nr: how many there are
 * @mapping: the mapping that joins, among @peers
 * @other: set to the index of a peer it cannot live with
 *
 * H11: of two writers, one with a copy of its own, both the pages and the copy
 * may have changed, and nobody can tell which is newer.
 *
 * Context: any; pure. Time linear in @nr.
 * Return: true if there is such a peer.
 */
bool sync_conflict(const struct sync_peer *peers, unsigned int nr,
		   unsigned int mapping, unsigned int *other)
{
	bool writes = false, copies = false;
	unsigned int i;

	for (i = 0; i < nr; i++) {
		if (peers[i].mapping != mapping || !is_writer(&peers[i]))
			continue;
		writes = true;
		copies |= has_own_copy(&peers[i]);
	}
	if (!writes)
		return false;

	for (i = 0; i < nr; i++) {
		if (peers[i].mapping == mapping || !is_writer(&peers[i]))
			continue;
		if (copies || has_own_copy(&peers[i])) {
			*other = i;
			return true;
		}
	}
	return false;
}

/**
 * sync_stale_pair() - find a mapping whose data passes only at CPU accesses
 * @peers: the parts of all mappings of the buffer
 * @nr: how many there are
 * @mapping: the mapping that joins, among @peers
 * @other: set to the index of the other peer of the pair
 *
 * H19: of a writer and another device, one with a copy of its own, what the one
 * writes reaches the other at the next CPU access or map, not before. No
 * exporter can cure that: no callback says that a device has written.
 *
 * Context: any; pure. Time linear in the product of @nr and the two parts that
 * a mapping can have.
 * Return: true if there is such a peer.
 */
bool sync_stale_pair(const struct sync_peer *peers, unsigned int nr,
		     unsigned int mapping, unsigned int *other)
{
	unsigned int i, j;

	for (i = 0; i < nr; i++) {
		if (peers[i].mapping != mapping)
			continue;
		for (j = 0; j < nr; j++) {
			if (peers[j].mapping == mapping)
				continue;
			if (!has_own_copy(&peers[i]) &&
			    !has_own_copy(&peers[j]))
				continue;
			if (is_writer(&peers[i]) || is_writer(&peers[j])) {
				*other = j;
				return true;
			}
		}
	}
	return false;
}
