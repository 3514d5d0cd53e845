// SPDX-License-Identifier: GPL-2.0
/*
 * Events: what changes at once, a plan carried out in micro-steps between which
 * all others go on, and what is undone in the end. It must not know why a plan
 * has its steps, nor what they are good for.
 */
#include "model_layers.h"

/*
 * One byte. Each is read once: a device, or a task, may be writing. What is
 * equal is left alone: somebody may be storing to it.
 */
static void merge_fetch(const struct model_config *config,
			struct model_state *state, unsigned int copy,
			unsigned int line, unsigned int byte)
{
	u8 value = model_load_copy(config, state, copy, line, byte);
	u8 *twin = &state->twin[line][copy][byte];

	if (value == *twin && config->plan != PLAN_WHOLE_COPY)
		return;
	model_store_page(config, state, line, byte, value);
	if (config->plan != PLAN_FETCH_KEEPS_TWIN)
		*twin = value;
	state->found = true;
}

static void merge_push(const struct model_config *config,
		       struct model_state *state, unsigned int copy,
		       unsigned int line, unsigned int byte)
{
	u8 value = model_load_page(config, state, line, byte);
	bool has_twin = copy_is_used(config, state, copy, line, true);
	u8 *twin = &state->twin[line][copy][byte];
	u8 known = has_twin ? *twin :
		   model_load_copy(config, state, copy, line, byte);

	if (value == known && config->plan != PLAN_WHOLE_COPY)
		return;
	model_store_copy(config, state, copy, line, byte, value);
	if (has_twin && config->plan != PLAN_PUSH_KEEPS_TWIN)
		*twin = value;
}

static bool merge_micro(const struct model_config *config,
			struct model_state *state, enum sync_op op,
			unsigned int pc, bool doit)
{
	unsigned int copy = pc / PC_PER_COPY / MODEL_LINES;
	unsigned int line = pc / PC_PER_COPY % MODEL_LINES;
	unsigned int part = pc % PC_PER_COPY;
	bool writers;

	if (copy >= config->nr_devices || line >= config->lines ||
	    !copy_is_used(config, state, copy, line, op == SYNC_FETCH))
		return false;

	if (part > 0 && part <= MODEL_BYTES) {
		if (part > config->bytes)
			return false;
		if (doit && op == SYNC_FETCH)
			merge_fetch(config, state, copy, line, part - 1);
		else if (doit)
			merge_push(config, state, copy, line, part - 1);
		return true;
	}

	if (config->plan == (part ? PLAN_COPY_NOT_CLEANED :
				    PLAN_COPY_NOT_INVALIDATED))
		return false;
	writers = copy_is_used(config, state, copy, line, true);
	return model_sync_micro(config, state, copy,
				face_of(config, copy, line), line,
				part ? SYNC_FOR_DEVICE : SYNC_FOR_CPU,
				writers ? DMA_BIDIRECTIONAL : DMA_TO_DEVICE,
				part, doit) &&
	       !face_of(config, copy, line)->snoops;
}

/**
 * model_locate() - find a micro-step of a step on the pages
 * @config: how many lines there are
 * @plan: the plan
 * @pc: which micro-step
 * @at: filled in
 *
 * Return: false if there is no such micro-step.
 */
bool model_locate(const struct model_config *config,
		  const struct event_plan *plan, unsigned int pc,
		  struct place_in_plan *at)
{
	unsigned int within = (pc - 1) % PC_PER_STEP;

	at->step = &plan->step[(pc - 1) / PC_PER_STEP];
	at->second = within & 1;
	switch (at->step->op) {
	case SYNC_FLUSH:
		/* All lines are cleaned, then all invalidated. */
		at->line = within % MODEL_LINES;
		at->op = within < MODEL_LINES ? SYNC_FOR_DEVICE : SYNC_FOR_CPU;
		at->second = at->op == SYNC_FOR_DEVICE;
		if (within >= 2 * MODEL_LINES)
			return false;
		break;
	default:
		at->line = within / 2;
		at->op = at->step->op == SYNC_FOR_CPU ? SYNC_FOR_CPU :
							SYNC_FOR_DEVICE;
		break;
	}
	return at->line < config->lines;
}

/* for_cpu maintains first, for_device last. */
static bool maintains(const struct place_in_plan *at)
{
	return at->second != (at->op == SYNC_FOR_CPU);
}

/**
 * model_holds_stores() - tell whether the CPU can store
 * @config: which plan
 * @plan: its steps
 * @pc: the next micro-step
 *
 * Return: true where the second half of a FLUSH is next: nothing is stored.
 */
bool model_holds_stores(const struct model_config *config,
			const struct event_plan *plan, unsigned int pc)
{
	const struct model_step *step = &plan->step[(pc - 1) / PC_PER_STEP];

	return pc && step->op == SYNC_FLUSH && (pc - 1) % PC_PER_STEP &&
	       config->plan != PLAN_NO_H15_ATOMIC;
}

/* Has this event cleaned the line before @pc? */
static bool has_cleaned(const struct model_config *config,
			const struct event_plan *plan, unsigned int line,
			unsigned int pc)
{
	struct place_in_plan at;
	unsigned int i;

	for (i = 1; i < pc; i++) {
		u8 op = plan->step[(i - 1) / PC_PER_STEP].op;

		if (op == SYNC_FETCH || op == SYNC_PUSH ||
		    !model_locate(config, plan, i, &at) || !maintains(&at) ||
		    at.line != line || at.step->peer == LOOP_BACK)
			continue;
		op = arch_op(config, at.op, at.step->dir);
		if (op == OP_CLEAN || op == OP_FLUSH)
			return true;
	}
	return false;
}

/* As udmabuf sees its pages: it maps them for itself, and does not snoop. */
static const struct model_face loop_back_face = { .snoops = false };

static const struct model_face *face_of_step(const struct model_config *config,
					     const struct event_plan *plan,
					     const struct place_in_plan *at)
{
	const struct model_face *face;

	if (at->step->peer == LOOP_BACK)
		return &loop_back_face;
	face = face_of(config, plan->device[at->step->peer], at->line);
	return face->part == plan->part[at->step->peer] ? face : NULL;
}

/* What mapping does before any step. */
static void join(const struct model_config *config, struct model_state *state)
{
	bool fills = config->plan == PLAN_NO_H13 ||
		     config->plan == PLAN_NO_H13_OTHERS ||
		     config->plan == PLAN_NEW_COPY_DIRTY;
	unsigned int device = state->actor, line, i;

	for (line = 0; line < config->lines; line++) {
		unsigned int copy = copy_of(config, device, line);
		struct model_memory *memory = &state->copy[line][copy];

		if (!face_of(config, device, line)->copies)
			continue;
		if (has_slots(config)) {
			model_fill_slot(config, state, device, line);
			continue;
		}
		if (fills && !copy_is_used(config, state, copy, line, false)) {
			model_fill_slot(config, state, copy, line);
			if (config->plan != PLAN_NEW_COPY_DIRTY)
				maintain(OP_FLUSH, memory, config->bytes);
		}
		/* It has a twin from its first writer on. */
		if (!writes(config, device) ||
		    copy_is_used(config, state, copy, line, true))
			continue;
		for (i = 0; i < config->bytes; i++)
			state->twin[line][copy][i] = peek(memory, i);
	}
}

/* Returns false if the micro-step does nothing, whatever the state is. */
static bool micro(const struct model_config *config,
		  const struct event_plan *plan, struct model_state *state,
		  bool doit)
{
	const struct model_face *face;
	struct place_in_plan at;
	unsigned int pc = state->pc;

	if (!pc)
		return false;
	at.step = &plan->step[(pc - 1) / PC_PER_STEP];
	if (at.step->op == SYNC_FETCH || at.step->op == SYNC_PUSH)
		return merge_micro(config, state, at.step->op,
				   (pc - 1) % PC_PER_STEP, doit);
	if (at.step->op == SYNC_CLEAN_FETCHED && !state->found)
		return false;
	if (!model_locate(config, plan, pc, &at))
		return false;
	face = face_of_step(config, plan, &at);
	/* A merged copy is no business of the DMA API. */
	if (!face || (face->copies && !has_slots(config)))
		return false;
	if (doit && maintains(&at) && !face->copies && !face->snoops &&
	    arch_op(config, at.op, at.step->dir) == OP_INVALIDATE &&
	    state->page[at.line].line == LINE_DIRTY)
		model_note_dropped(config, state, at.line,
				   has_cleaned(config, plan, at.line, pc));
	return model_sync_micro(config, state,
				at.step->peer == LOOP_BACK ? 0 :
				plan->device[at.step->peer], face, at.line,
				at.op, at.step->dir, at.second, doit);
}

static void forget_copies(const struct model_config *config,
			  struct model_state *state)
{
	static const struct model_memory none;
	unsigned int line, i, j;

	for (line = 0; line < config->lines; line++)
		for (i = 0; i < config->nr_devices; i++) {
			if (!face_of(config, i, line)->copies)
				continue;
			if (!copy_is_used(config, state, i, line, false))
				state->copy[line][i] = none;
			if (!copy_is_used(config, state, i, line, true))
				for (j = 0; j < MODEL_BYTES; j++)
					state->twin[line][i][j] = 0;
		}
}

/**
 * model_leave() - a mapping is undone
 * @config: the devices
 * @state: changed
 * @device: whose mapping
 */
void model_leave(const struct model_config *config, struct model_state *state,
		 unsigned int device)
{
	state->mapped &= ~(1 << device);
	state->known[device] = 0;
	forget_copies(config, state);
}

static void finish_event(const struct model_config *config,
			 struct model_state *state)
{
	if (state->event == EVENT_BEGIN && is_write(state->dir)) {
		if (state->counted & MODEL_OWN)
			state->kernel = true;
		else
			state->open = true;
		if (state->believed < 3)
			state->believed++;
	}
	if (state->event == EVENT_UNMAP)
		model_leave(config, state, state->actor);
	model_note_return(config, state);
	state->dead = state->dead == 2;
	if (config->plan != PLAN_FIRST_STAGE && config->plan != PLAN_NO_H15_OWN)
		state->believed = 0;
	state->event = EVENT_NONE;
	state->actor = 0;
	state->dir = 0;
	state->counted = 0;
	state->pc = 0;
	state->since = 0;
	state->found = 0;
}

/* Go on to the next micro-step that does something, or finish. */
static void settle(const struct model_config *config,
		   const struct event_plan *plan, struct model_state *state)
{
	unsigned int end = 1 + plan->len * PC_PER_STEP;

	while (state->pc < end && !micro(config, plan, state, false))
		state->pc++;
	if (state->pc >= end)
		finish_event(config, state);
}

/**
 * model_step_event() - carry out the next micro-step
 * @config: the plan and the devices
 * @plan: the plan of the event under way
 * @state: changed
 */
void model_step_event(const struct model_config *config,
		      const struct event_plan *plan, struct model_state *state)
{
	micro(config, plan, state, true);
	state->pc++;
	settle(config, plan, state);
}

/**
 * model_begin_event() - what changes at once, before the first step of a plan
 * @config: the plan and the devices
 * @state: changed
 * @event: what happens
 * @actor: as of model_event()
 * @dir: likewise
 * @own: likewise
 */
void model_begin_event(const struct model_config *config,
		       struct model_state *state, enum model_event event,
		       unsigned int actor, unsigned int dir, bool own)
{
	struct event_plan plan;

	state->event = event;
	state->actor = actor;
	state->dir = dir;
	state->counted = own ? MODEL_OWN : 0;
	state->pc = 0;
	state->since = state->nr_writes;

	model_note_call(state);
	if (event == EVENT_END) {
		if (state->believed)
			state->counted |= MODEL_COUNTED;
		if (is_write(dir) && state->believed)
			state->believed--;
		if (own && actor)
			state->kernel = false;
		else if (own)
			state->open = false;
	}
	if (event == EVENT_MAP) {
		join(config, state);
		state->mapped |= 1 << actor;
	}
	if (config->plan != PLAN_FIRST_STAGE && config->plan != PLAN_NO_H15_OWN)
		state->counted &= ~MODEL_COUNTED;
	if (event == EVENT_END && config->plan != PLAN_END_OF_OWN) {
		state->counted &= ~MODEL_OWN;
		state->actor = 0;
	}

	model_make_plan(config, state, &plan);
	settle(config, &plan, state);
}

/**
 * model_event() - an event from its start to its end, with no adversary
 * @config: the plan and the devices
 * @state: changed
 * @event: what happens
 * @actor: the device of a mapping; of an end of its own: 1 for the kernel's
 * @dir: the direction of a CPU access
 * @own: EVENT_BEGIN: by a kernel mapping; EVENT_END: it lowers a count
 */
void model_event(const struct model_config *config, struct model_state *state,
		 enum model_event event, unsigned int actor, unsigned int dir,
		 bool own)
{
	struct event_plan plan;

	model_begin_event(config, state, event, actor, dir, own);
	while (state->event) {
		model_make_plan(config, state, &plan);
		model_step_event(config, &plan, state);
	}
}
