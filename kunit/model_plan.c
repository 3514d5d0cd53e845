// SPDX-License-Identifier: GPL-2.0
/*
 * The plan of an event: what an exporter knows of a state, and the steps that
 * it takes then, be it the driver or one that is wrong on purpose. It must not
 * know how they are carried out, nor what comes of them.
 */
#include "model_layers.h"

/* Whether the driver believes that a write access may be open. */
static bool is_write_open(const struct model_config *config,
			  const struct model_state *state)
{
	bool open = state->open || state->dead || state->kernel;

	if (config->plan == PLAN_FIRST_STAGE)
		return state->believed;
	/* What is wrong with a count is told by what is lost, not by H6. */
	if (state->event == EVENT_END)
		return open;
	switch (config->plan) {
	case PLAN_NO_H15_OWN:
		return state->believed || state->kernel || state->dead;
	case PLAN_NO_H15_DEAD:
		return state->open || state->kernel;
	case PLAN_NO_H15_KERNEL:
		return state->open || state->dead;
	default:
		return open;
	}
}

static void collect_peers(const struct model_config *config,
			  const struct model_state *state,
			  struct event_plan *plan)
{
	unsigned int i, part;

	plan->nr = 0;
	for (i = 0; i < config->nr_devices; i++) {
		const struct model_kind *kind = kind_of(config, i);

		for (part = 0; is_mapped(state, i) && part < kind->nr_parts;
		     part++) {
			plan->peer[plan->nr] = (struct sync_peer) {
				.kind = kind->part[part],
				.dir = mapped_dir(config, i),
				.partial = kind->nr_parts > 1,
			};
			plan->device[plan->nr] = i;
			plan->part[plan->nr] = part;
			plan->nr++;
		}
	}
}

/* What a mapping would do by itself, and nothing for anybody else. */
static void plan_self(const struct model_state *state, struct event_plan *plan,
		      bool unmaps)
{
	unsigned int i;

	for (i = 0; i < plan->nr; i++) {
		if (plan->device[i] != state->actor ||
		    (state->event == EVENT_UNMAP && !unmaps))
			continue;
		if (plan->peer[i].kind == SYNC_NONCOHERENT)
			add_step(plan->step, &plan->len, i, SYNC_FOR_DEVICE,
				 plan->peer[i].dir);
		if (state->event == EVENT_MAP)
			continue;
		if (plan->peer[i].kind == SYNC_NONCOHERENT)
			add_step(plan->step, &plan->len, i, SYNC_FOR_CPU,
				 plan->peer[i].dir);
		if (plan->peer[i].kind == SYNC_COPY)
			add_step(plan->step, &plan->len, i, SYNC_FETCH, 0);
	}
}

/* A begin of those that were there before, and an end of all. */
static void plan_change(const struct model_config *config,
			const struct model_state *state,
			struct sync_access *access, struct event_plan *plan)
{
	bool joins = state->event == EVENT_MAP &&
		     config->plan != PLAN_NO_H13_BEFORE;
	struct sync_peer before[MODEL_PEERS];
	u8 number[MODEL_PEERS];
	unsigned int nr = 0, i;

	for (i = 0; i < plan->nr; i++) {
		if (joins && plan->device[i] == state->actor)
			continue;
		before[nr] = plan->peer[i];
		number[nr++] = i;
	}
	access->event = SYNC_BEGIN;
	plan->len = model_plan_steps(config, before, nr, access, plan->step);
	for (i = 0; i < plan->len; i++)
		plan->step[i].peer = number[plan->step[i].peer];

	access->event = SYNC_END;
	/* There, running writers' slots were not refreshed by a map. */
	access->write = config->plan != PLAN_FIRST_STAGE;
	plan->len += model_plan_steps(config, plan->peer, plan->nr, access,
				      plan->step + plan->len);
}

/**
 * model_make_plan() - plan an event
 * @config: which plan, of which devices
 * @state: what is under way, and who has mapped
 * @plan: filled in
 */
void model_make_plan(const struct model_config *config,
		     const struct model_state *state, struct event_plan *plan)
{
	struct sync_access access = {
		.event = state->event == EVENT_BEGIN ? SYNC_BEGIN : SYNC_END,
		.policy = config->policy,
		.write = state->event == EVENT_END && is_write(state->dir),
		.write_open = is_write_open(config, state),
		.lazy_for_cpu = !config->arch->all_snoop &&
			config->arch->for_cpu[DMA_BIDIRECTIONAL] == OP_NONE,
	};

	collect_peers(config, state, plan);
	plan->len = 0;
	switch (config->plan) {
	case PLAN_STOCK:
		model_plan_stock(state, plan);
		return;
	case PLAN_ACCESS_DIRECTION:
		model_plan_access_direction(state, plan);
		return;
	case PLAN_NO_H3:
		if (state->event == EVENT_BEGIN && state->dir == DMA_TO_DEVICE)
			return;
		break;
	case PLAN_NO_H6:
		if (state->event == EVENT_END && !is_write(state->dir) &&
		    !access.write_open)
			return;
		break;
	case PLAN_NO_H6_OPEN:
		if (state->event == EVENT_END)
			access.write_open = false;
		break;
	case PLAN_NO_H13:
	case PLAN_NO_H13_OTHERS:
		if (!is_change(state))
			break;
		plan_self(state, plan, config->plan == PLAN_NO_H13_OTHERS);
		return;
	case PLAN_END_OF_OWN:
		if (access.write && !(state->counted & MODEL_OWN))
			return;
		break;
	case PLAN_FIRST_STAGE:
		if (access.write && !(state->counted & MODEL_COUNTED))
			access.write = false;
		break;
	default:
		break;
	}
	if (is_change(state))
		plan_change(config, state, &access, plan);
	else
		plan->len = model_plan_steps(config, plan->peer, plan->nr,
					     &access, plan->step);
}
