// SPDX-License-Identifier: GPL-2.0
/*
 * Who maps the buffer is written down as peers, what must be done for them is
 * asked of sync_plan() whenever they change, and this file takes the steps, all
 * under the reservation lock (H10). It must not know why a step is needed.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/cleanup.h>
#include <linux/device.h>
#include <linux/dma-buf.h>
#include <linux/dma-resv.h>
#include <linux/log2.h>
#include <linux/printk.h>
#include <linux/slab.h>

#include "cpu.h"
#include "fanout.h"
#include "kind.h"
#include "mapping.h"
#include "open_writes.h"
#include "shadow.h"

#define CREATE_TRACE_POINTS
#include "trace.h"

const char * const fanout_policy_names[] = {
	[SYNC_POLICY_MINIMAL] = "minimal",
	[SYNC_POLICY_ALL] = "all",
	NULL
};

int fanout_sync_policy = SYNC_POLICY_MINIMAL;

/* The steps. */

/* Once a buffer: the first one may be a mistake of the programs that use it. */
static void tell_conflict(struct fanout *fanout, const struct copy *copy)
{
	const struct copy_use *use;
	char names[128];
	int len = 0;

	if (!copy || fanout->conflict_told)
		return;
	fanout->conflict_told = true;
	list_for_each_entry(use, &copy->users, of_copy)
		len += scnprintf(names + len, sizeof(names) - len, "%s%s",
				 len ? ", " : "", dev_name(use->dev));
	pr_warn_ratelimited("%s and somebody else wrote different data to the same bytes near page %u of a buffer between two syncs; one of both stands\n",
			    names, copy->pgoff);
}

/* Return: whether anything was moved. */
static bool merge_copies(struct fanout *fanout, enum sync_event event,
			 enum sync_op op)
{
	struct shadow *shadow = fanout->shadow;
	struct merge_stats *stats = op == SYNC_FETCH ? &shadow->fetched :
						       &shadow->pushed;
	struct merge_stats before = *stats;

	tell_conflict(fanout, op == SYNC_FETCH ? shadow_fetch(shadow) :
						 shadow_push(shadow));
	trace_merge(fanout->dmabuf, event, op, stats->bytes - before.bytes,
		    stats->conflicts - before.conflicts);
	return stats->bytes != before.bytes;
}

/*
 * DMA API debugging cannot tell whose a piece is where a device has mapped the
 * same memory twice (kernel/dma/debug.c, __hash_bucket_find()).
 */
static bool is_mapped_again(const struct fanout *fanout,
			    const struct fanout_mapping *mapping)
{
	unsigned int i;

	for (i = 0; i < fanout->nr_peers; i++)
		if (fanout->owner[i] != mapping &&
		    fanout->owner[i]->dev == mapping->dev)
			return true;
	return false;
}

static void take_steps(struct fanout *fanout, const struct ready_plan *plan,
		       enum sync_event event)
{
	const struct sync_step *step = plan->step;
	const struct sync_step *end = step + plan->nr;
	struct fanout_mapping *mapping;
	bool fetched = false;

	dma_resv_assert_held(fanout->dmabuf->resv);

	for (; step < end; step++) {
		mapping = fanout->owner[step->peer];
		switch (step->op) {
		case SYNC_FETCH:
			fetched = merge_copies(fanout, event, step->op);
			continue;
		case SYNC_PUSH:
			merge_copies(fanout, event, step->op);
			continue;
		case SYNC_CLEAN_FETCHED:
			if (!fetched)
				continue;
			break;
		default:
			break;
		}
		trace_sync_step(fanout->dmabuf, mapping, event, step->op);
		mapping->syncs++;
		switch (step->op) {
		case SYNC_FLUSH:
			cpu_take_mappings(fanout->cpu);
			mapping_flush(mapping, is_mapped_again(fanout, mapping));
			cpu_allow_faults(fanout->cpu);
			break;
		case SYNC_FOR_CPU:
			mapping_sync(mapping, true);
			break;
		default:
			mapping_sync(mapping, false);
			break;
		}
	}
}

/* The plans. */

#define NR_PLANS	4

static void make_plan(struct fanout *fanout, enum sync_event event, bool write,
		      bool write_open, struct ready_plan *plan)
{
	const struct sync_access access = {
		.event = event,
		.policy = fanout->policy,
		.write = write,
		.write_open = write_open,
		.lazy_for_cpu = arch_has_lazy_for_cpu(),
	};
	unsigned int nr = sync_plan(fanout->peer, fanout->nr_peers, &access,
				    plan->step);

	/*
	 * Accesses look without the lock whether there is any. Who sees that
	 * the last writer is gone must see what was fetched from it.
	 */
	smp_store_release(&plan->nr, nr);
}

static void make_plans(struct fanout *fanout)
{
	struct sync_step *step = fanout->step;
	unsigned int i;

	dma_resv_assert_held(fanout->dmabuf->resv);

	for (i = 0; i < 2; i++) {
		fanout->begin[i].step = step;
		step += SYNC_PLAN_MAX(fanout->room);
		fanout->end[i].step = step;
		step += SYNC_PLAN_MAX(fanout->room);
		make_plan(fanout, SYNC_BEGIN, false, i, &fanout->begin[i]);
		make_plan(fanout, SYNC_END, i, false, &fanout->end[i]);
	}
}

/* The policy may change at run time; one value for one event. */
static void follow_policy(struct fanout *fanout)
{
	enum sync_policy policy = READ_ONCE(fanout_sync_policy);

	if (unlikely(policy != fanout->policy)) {
		WRITE_ONCE(fanout->policy, policy);
		make_plans(fanout);
	}
}

/* The peers. */

/**
 * fanout_reserve() - make room for one more mapping
 * @fanout: who maps the buffer
 *
 * Context: process context, under the reservation lock; may sleep.
 * Return: 0 or -ENOMEM.
 */
int fanout_reserve(struct fanout *fanout)
{
	unsigned int room = fanout->nr_peers + MAPPING_MAX_KINDS;

	if (room <= fanout->room)
		return 0;
	room = roundup_pow_of_two(room);

	struct sync_peer *peer __free(kvfree) =
		kvcalloc(room, sizeof(*peer), GFP_KERNEL_ACCOUNT);
	struct fanout_mapping **owner __free(kvfree) =
		kvcalloc(room, sizeof(*owner), GFP_KERNEL_ACCOUNT);
	struct sync_step *step __free(kvfree) =
		kvcalloc(SYNC_PLAN_MAX((size_t)room), NR_PLANS * sizeof(*step),
			 GFP_KERNEL_ACCOUNT);
	if (!peer || !owner || !step)
		return -ENOMEM;

	if (fanout->nr_peers) {
		memcpy(peer, fanout->peer, fanout->nr_peers * sizeof(*peer));
		memcpy(owner, fanout->owner, fanout->nr_peers * sizeof(*owner));
	}
	swap(fanout->peer, peer);
	swap(fanout->owner, owner);
	swap(fanout->step, step);
	fanout->room = room;
	make_plans(fanout);
	return 0;
}

/**
 * fanout_join() - a mapping was made
 * @fanout: who maps the buffer, with room for one more
 * @mapping: the mapping
 *
 * H13: what others wrote is fetched before, and pushed to it and to all.
 *
 * Context: process context, under the reservation lock; may sleep.
 */
void fanout_join(struct fanout *fanout, struct fanout_mapping *mapping)
{
	unsigned int i;

	fanout_begin(fanout);
	for (i = 0; i < mapping->nr_kinds; i++) {
		fanout->owner[fanout->nr_peers] = mapping;
		fanout->peer[fanout->nr_peers++] = (struct sync_peer) {
			.kind = mapping->kinds[i],
			.dir = mapping->dir,
			.partial = mapping->nr_kinds > 1,
		};
	}
	make_plans(fanout);
	fanout_end(fanout, true);
}

/**
 * fanout_leave() - a mapping will be undone
 * @fanout: who maps the buffer
 * @mapping: the mapping, which has joined
 *
 * H13: what its device wrote is fetched, and pushed to all. One that only reads
 * has nothing that anybody misses.
 *
 * Context: process context, under the reservation lock; may sleep.
 */
void fanout_leave(struct fanout *fanout, struct fanout_mapping *mapping)
{
	if (mapping->dir != DMA_TO_DEVICE) {
		fanout_begin(fanout);
		fanout_end(fanout, true);
	}
	fanout_forget(fanout, mapping);
}

/**
 * fanout_forget() - a mapping is not to be synced any more
 * @fanout: who maps the buffer
 * @mapping: the mapping, which has joined
 *
 * Context: process context, under the reservation lock.
 */
void fanout_forget(struct fanout *fanout,
		   const struct fanout_mapping *mapping)
{
	unsigned int nr = mapping->nr_kinds, i = 0, tail;

	while (fanout->owner[i] != mapping)
		i++;
	tail = fanout->nr_peers - i - nr;
	memmove(&fanout->peer[i], &fanout->peer[i + nr],
		tail * sizeof(*fanout->peer));
	memmove(&fanout->owner[i], &fanout->owner[i + nr],
		tail * sizeof(*fanout->owner));
	fanout->nr_peers -= nr;
	make_plans(fanout);
}

/**
 * fanout_free() - free what was reserved
 * @fanout: who maps the buffer
 */
void fanout_free(struct fanout *fanout)
{
	kvfree(fanout->peer);
	kvfree(fanout->owner);
	kvfree(fanout->step);
}

/* CPU access. */

/**
 * fanout_begin() - a CPU access begins: fetch
 * @fanout: who maps the buffer
 *
 * Context: process context, under the reservation lock; may sleep.
 */
void fanout_begin(struct fanout *fanout)
{
	follow_policy(fanout);
	if (likely(!open_writes_any(fanout->open_writes))) {
		take_steps(fanout, &fanout->begin[false], SYNC_BEGIN);
		return;
	}
	take_steps(fanout, &fanout->begin[true], SYNC_BEGIN);
	open_writes_cleaned(fanout->open_writes);
}

/**
 * fanout_end() - a CPU access ends: push
 * @fanout: who maps the buffer
 * @write: it has written
 *
 * Context: process context, under the reservation lock; may sleep.
 */
void fanout_end(struct fanout *fanout, bool write)
{
	follow_policy(fanout);
	if (!write && fanout->end[false].nr != fanout->end[true].nr)
		write = open_writes_any(fanout->open_writes);
	take_steps(fanout, &fanout->end[write], SYNC_END);
}
