// SPDX-License-Identifier: GPL-2.0
/*
 * Other exporters: stock udmabuf, the system heap, and the first stage of this
 * one. They bounce through swiotlb slots, and each is wrong. They must not know
 * what the driver's plan does.
 */
#include "model_layers.h"

static bool is_writer(const struct sync_peer *peer)
{
	return peer->dir != DMA_TO_DEVICE;
}

static bool has_writer(const struct sync_peer *peers, unsigned int nr,
		       unsigned int kinds)
{
	unsigned int i;

	for (i = 0; i < nr; i++)
		if (kinds >> peers[i].kind & 1 && is_writer(&peers[i]))
			return true;
	return false;
}

/* Readers, writers or both of one kind, each for itself. */
static void add_each(const struct sync_peer *peers, unsigned int nr,
		     enum sync_kind kind, bool readers, bool writers,
		     enum sync_op op, struct model_step *steps,
		     unsigned int *len)
{
	unsigned int i;

	for (i = 0; i < nr; i++)
		if (peers[i].kind == kind &&
		    (is_writer(&peers[i]) ? writers : readers))
			add_step(steps, len, i, op, peers[i].dir);
}

/**
 * model_plan_first_stage() - the first stage's steps of a begin or an end
 * @peers: who has mapped
 * @nr: how many
 * @access: what happens
 * @steps: filled in
 *
 * In short: slots are copied whole, a begin in an open write access does
 * nothing, an end that nobody began counts as one for reading, and map and
 * unmap never refresh a writer's slot.
 *
 * Return: the number of steps.
 */
unsigned int model_plan_first_stage(const struct sync_peer *peers,
				    unsigned int nr,
				    const struct sync_access *access,
				    struct model_step *steps)
{
	const unsigned int all = BIT(SYNC_COHERENT) | BIT(SYNC_NONCOHERENT) |
				 BIT(SYNC_COPY);
	bool slots = access->event == SYNC_END && access->write;
	unsigned int len = 0;

	if (access->event != SYNC_END && !access->write_open) {
		if (has_writer(peers, nr, BIT(SYNC_COHERENT)))
			add_each(peers, nr, SYNC_NONCOHERENT, false, true,
				 SYNC_FOR_DEVICE, steps, &len);
		add_each(peers, nr, SYNC_NONCOHERENT, false, true, SYNC_FOR_CPU,
			 steps, &len);
		add_each(peers, nr, SYNC_COPY, false, true, SYNC_FOR_CPU,
			 steps, &len);
	}
	if (access->event == SYNC_BEGIN ||
	    (!slots && !has_writer(peers, nr, all)))
		return len;
	add_each(peers, nr, SYNC_NONCOHERENT, true, true, SYNC_FOR_DEVICE,
		 steps, &len);
	add_each(peers, nr, SYNC_COPY, true, slots, SYNC_FOR_DEVICE, steps,
		 &len);
	return len;
}

/**
 * model_plan_stock() - what stock udmabuf does in an event
 * @state: the event
 * @plan: its steps, of which there are none yet
 */
void model_plan_stock(const struct model_state *state,
		      struct event_plan *plan)
{
	/* Maps with DMA_ATTR_SKIP_CPU_SYNC; unmaps at detach only. */
	if (!is_change(state))
		add_step(plan->step, &plan->len, LOOP_BACK,
			 state->event == EVENT_BEGIN ? SYNC_FOR_CPU :
						       SYNC_FOR_DEVICE,
			 state->dir);
}

/**
 * model_plan_access_direction() - what the system heap does in an event
 * @state: the event
 * @plan: its peers, and its steps, of which there are none yet
 */
void model_plan_access_direction(const struct model_state *state,
				 struct event_plan *plan)
{
	bool for_cpu = state->event == EVENT_BEGIN ||
		       state->event == EVENT_UNMAP;
	unsigned int i;

	for (i = 0; i < plan->nr; i++)
		if (!is_change(state) || plan->device[i] == state->actor)
			add_step(plan->step, &plan->len, i,
				 for_cpu ? SYNC_FOR_CPU : SYNC_FOR_DEVICE,
				 is_change(state) ? plan->peer[i].dir :
						    state->dir);
}

/**
 * model_refuses() - whether a mapping is refused
 * @config: the plan and the devices
 * @state: who has mapped
 * @device: who wants to
 *
 * Return: true for the first stage's H11: two writers, one with a copy.
 */
bool model_refuses(const struct model_config *config,
		   const struct model_state *state, unsigned int device)
{
	unsigned int i, part, writers = 0, copies = 0;

	if (config->plan != PLAN_FIRST_STAGE || !writes(config, device))
		return false;
	for (i = 0; i < config->nr_devices; i++) {
		const struct model_kind *kind = kind_of(config, i);

		if (!writes(config, i) || (i != device && !is_mapped(state, i)))
			continue;
		writers++;
		for (part = 0; part < kind->nr_parts; part++)
			copies += kind->part[part] == SYNC_COPY;
	}
	return writers > 1 && copies;
}
