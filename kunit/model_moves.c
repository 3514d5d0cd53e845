// SPDX-License-Identifier: GPL-2.0
/*
 * Moves: what anybody can do in a state, and what it does to it.
 *
 * Who calls is folded: what an END does depends on whether its own process has
 * a write access open and whether another has, which are tried for any number
 * of processes by three numbers: a living process has one open or not, a dead
 * one is still counted or not, the kernel has a mapping or not. An END is its
 * own or a stranger's; the END of one of two accesses is a stranger's.
 *
 * It must not know in which order moves are tried, nor what a state is worth.
 */
#include "model_layers.h"

/**
 * model_cpu_store() - somebody stores into the pages
 * @config: the architecture
 * @state: changed
 * @place: which byte
 */
void model_cpu_store(const struct model_config *config,
		     struct model_state *state, unsigned int place)
{
	u8 value = model_note_store(config, state, place);

	model_store_page(config, state, line_of(config, place),
			 place % config->bytes, value);
}

/**
 * model_device_write() - a device writes
 * @config: the architecture and the devices
 * @state: changed
 * @device: which device
 * @place: which byte
 * @stays_in_cache: if it snoops, its write is left dirty in a cache (H14)
 */
void model_device_write(const struct model_config *config,
			struct model_state *state, unsigned int device,
			unsigned int place, bool stays_in_cache)
{
	unsigned int line = line_of(config, place), byte = place % config->bytes;
	const struct model_face *face = face_of(config, device, line);
	u8 value = model_note_write(config, state, device, place);

	if (face->copies) {
		state->copy[line][copy_of(config, device, line)].byte[byte] =
			value;
	} else if (face->snoops && stays_in_cache) {
		model_store_page(config, state, line, byte, value);
		state->loose |= mask_of(value);
	} else {
		if (face->snoops)
			model_maintain_page(config, state, line, OP_FLUSH);
		state->page[line].byte[byte] = value;
	}
}

/**
 * model_play() - carry out a move
 * @config: what is explored
 * @plan: as of model_list_moves()
 * @state: changed
 * @move: one of model_list_moves()
 */
void model_play(const struct model_config *config,
		const struct event_plan *plan, struct model_state *state,
		unsigned int move)
{
	unsigned int a = move >> 4 & 15, b = move & 15;

	switch (move >> 8) {
	case MOVE_STEP:
		model_step_event(config, plan, state);
		break;
	case MOVE_BEGIN:
		model_begin_event(config, state, EVENT_BEGIN, 0, b, a);
		break;
	case MOVE_END:
		model_begin_event(config, state, EVENT_END, a == 2, b, a);
		break;
	case MOVE_MAP:
		model_begin_event(config, state, EVENT_MAP, a, 0, false);
		break;
	case MOVE_UNMAP:
		if (writes(config, a) || has_slots(config))
			model_begin_event(config, state, EVENT_UNMAP, a, 0,
					  false);
		else
			model_leave(config, state, a);
		break;
	case MOVE_STORE:
		model_cpu_store(config, state, b);
		break;
	case MOVE_WRITE:
	case MOVE_WRITE_CACHED:
		model_device_write(config, state, a, b,
				   move >> 8 == MOVE_WRITE_CACHED);
		break;
	case MOVE_LOAD:
	case MOVE_PREFETCH:
		read_in(&state->page[b], config->bytes);
		break;
	case MOVE_EVICT:
		model_maintain_page(config, state, b, OP_FLUSH);
		break;
	case MOVE_WRITE_BACK:
		model_maintain_page(config, state, b, OP_CLEAN);
		break;
	case MOVE_PREFETCH_COPY:
		read_in(&state->copy[b][a], config->bytes);
		break;
	case MOVE_EVICT_COPY:
		maintain(OP_FLUSH, &state->copy[b][a], config->bytes);
		break;
	case MOVE_DIE:
		state->open = a;
		state->dead = state->event ? 2 : 1;
		if (config->plan == PLAN_FIRST_STAGE)
			state->believed = 0;
		break;
	}
}

/* Kinds of access that the plan might tell from one another. */
static bool is_other_access(const struct model_config *config, unsigned int dir)
{
	return dir != DMA_TO_DEVICE || config->plan == PLAN_NO_H3 ||
	       config->plan == PLAN_STOCK ||
	       config->plan == PLAN_ACCESS_DIRECTION;
}

static unsigned int list_events(const struct model_config *config,
				const struct model_state *state, u16 *moves,
				unsigned int n)
{
	bool kernel = config->flags & MODEL_KERNEL;
	unsigned int i, dir;

	for (dir = DMA_BIDIRECTIONAL; dir <= DMA_FROM_DEVICE; dir++) {
		if (!is_other_access(config, dir))
			continue;
		moves[n++] = MOVE(MOVE_BEGIN, 0, dir);
		moves[n++] = MOVE(MOVE_END, 0, dir);
		if (is_write(dir) && state->open)
			moves[n++] = MOVE(MOVE_END, 1, dir);
	}
	if (kernel && !state->kernel)
		moves[n++] = MOVE(MOVE_BEGIN, 1, DMA_BIDIRECTIONAL);
	if (state->kernel)
		moves[n++] = MOVE(MOVE_END, 2, DMA_BIDIRECTIONAL);
	for (i = 0; i < config->nr_devices; i++)
		if (is_mapped(state, i))
			moves[n++] = MOVE(MOVE_UNMAP, i, 0);
		else if (!model_refuses(config, state, i))
			moves[n++] = MOVE(MOVE_MAP, i, 0);
	return n;
}

static unsigned int list_writes(const struct model_config *config,
				const struct model_state *state, bool stores,
				u16 *moves, unsigned int n)
{
	unsigned int places = config->lines * config->bytes, place, i;

	if (state->nr_writes == config->writes)
		return n;
	/* The bytes of one line are alike. */
	if (!state->nr_writes && config->lines == 1)
		places = 1;
	for (place = 0; place < places; place++) {
		unsigned int line = line_of(config, place);

		if (stores)
			moves[n++] = MOVE(MOVE_STORE, 0, place);
		for (i = 0; i < config->nr_devices; i++) {
			const struct model_face *face = face_of(config, i, line);

			if (!may_run(state, i) || !writes(config, i))
				continue;
			moves[n++] = MOVE(MOVE_WRITE, i, place);
			if (!face->copies && face->snoops &&
			    page_has_line(config, line))
				moves[n++] = MOVE(MOVE_WRITE_CACHED, i, place);
		}
	}
	return n;
}

/* What the caches do by themselves. */
static unsigned int list_cache_moves(const struct model_config *config,
				     const struct model_state *state,
				     u16 *moves, unsigned int n)
{
	const struct model_arch *arch = config->arch;
	unsigned int line, i;

	for (line = 0; line < config->lines; line++) {
		u8 page = state->page[line].line;

		if (page == LINE_ABSENT && page_has_line(config, line))
			moves[n++] = MOVE(arch->speculates ? MOVE_PREFETCH :
							     MOVE_LOAD, 0, line);
		if (page != LINE_ABSENT)
			moves[n++] = MOVE(MOVE_EVICT, 0, line);
		/* With speculation: dropped, and read in again. */
		if (page == LINE_DIRTY && !arch->speculates)
			moves[n++] = MOVE(MOVE_WRITE_BACK, 0, line);
		for (i = 0; i < config->nr_devices; i++) {
			const struct model_face *face = face_of(config, i, line);
			u8 copy = state->copy[line][i].line;

			if (!face->copies || face->snoops ||
			    !copy_is_used(config, state, i, line, false))
				continue;
			if (copy != LINE_ABSENT)
				moves[n++] = MOVE(MOVE_EVICT_COPY, i, line);
			else if (arch->speculates)
				moves[n++] = MOVE(MOVE_PREFETCH_COPY, i, line);
		}
	}
	return n;
}

/*
 * Without a noncoherent writer whether an access may be open changes nothing
 * but an END for reading, which then pushes as one for writing does.
 */
static bool counts_matter(const struct model_config *config)
{
	unsigned int i, line;

	for (i = 0; i < config->nr_devices; i++)
		for (line = 0; line < config->lines; line++)
			if (is_noncoherent_writer(config, i, line))
				return true;
	return has_slots(config);
}

/**
 * model_list_moves() - list every move that is possible in a state
 * @config: what is explored
 * @state: not changed
 * @plan: made that of the event under way, if there is one
 * @moves: room for MODEL_MOVES
 *
 * Return: how many there are.
 */
unsigned int model_list_moves(const struct model_config *config,
			      const struct model_state *state,
			      struct event_plan *plan, u16 *moves)
{
	bool stores = true;
	unsigned int n = 0;

	if (state->event) {
		model_make_plan(config, state, plan);
		stores = !model_holds_stores(config, plan, state->pc);
		moves[n++] = MOVE(MOVE_STEP, 0, 0);
	} else {
		n = list_events(config, state, moves, n);
	}
	if (state->open && counts_matter(config)) {
		moves[n++] = MOVE(MOVE_DIE, 0, 0);
		if (!state->dead)
			moves[n++] = MOVE(MOVE_DIE, 1, 0);
	}
	n = list_writes(config, state, stores, moves, n);
	return list_cache_moves(config, state, moves, n);
}
