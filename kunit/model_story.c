// SPDX-License-Identifier: GPL-2.0
/*
 * Stories: the way to a wrong state, told to people. It reads everything that
 * there is in the model, and decides nothing.
 */
#include "model_layers.h"

struct text {
	char *at;
	unsigned int left;
	unsigned int column;
};

static void put_char(struct text *text, char c)
{
	if (text->left > 1) {
		*text->at++ = c;
		text->left--;
		text->column++;
	}
	if (text->left)
		*text->at = '\0';
}

static void put(struct text *text, const char *string)
{
	while (*string)
		put_char(text, *string++);
}

static void put_number(struct text *text, unsigned int number)
{
	if (number > 9)
		put_number(text, number / 10);
	put_char(text, '0' + number % 10);
}

static void put_to_column(struct text *text, unsigned int column)
{
	do
		put_char(text, ' ');
	while (text->column < column && text->left > 1);
}

static void put_device(struct text *text, unsigned int device)
{
	put_char(text, 'A' + device);
}

static const char *dir_name(unsigned int dir)
{
	static const char * const name[] = {
		"BIDIRECTIONAL", "TO_DEVICE", "FROM_DEVICE",
	};

	return name[dir];
}

/**
 * model_describe_mix() - name the devices of a mix
 * @config: the mix
 * @text: for the name
 * @size: room in @text
 */
void model_describe_mix(const struct model_config *config, char *text,
			unsigned int size)
{
	static const char * const does[] = {
		"reads and writes", "reads", "writes",
	};
	struct text out = { text, size, 0 };
	unsigned int i;

	put(&out, config->arch->name);
	for (i = 0; i < config->nr_devices; i++) {
		put(&out, i ? "; " : ": ");
		put_device(&out, i);
		put(&out, " ");
		put(&out, kind_of(config, i)->name);
		put(&out, ", ");
		put(&out, does[config->device[i].dir]);
	}
	if (config->shared)
		put(&out, "; copies are shared");
}

static void put_line_name(struct text *text, const struct model_config *config,
			  unsigned int line)
{
	if (config->lines > 1) {
		put(text, " of page ");
		put_number(text, line);
	}
}

static void put_place(struct text *text, const struct model_config *config,
		      unsigned int place)
{
	if (config->lines > 1)
		put(text, " page ");
	else
		put(text, " byte ");
	put_number(text, place);
}

static void put_event(struct text *text, const struct model_state *state)
{
	static const char * const access[] = { "read-write", "write", "read" };

	switch (state->event) {
	case EVENT_BEGIN:
		put(text, state->counted & MODEL_OWN ? "vmap" : "START(");
		break;
	case EVENT_END:
		if (state->actor)
			put(text, "vunmap");
		else
			put(text, "END(");
		break;
	case EVENT_MAP:
		put(text, "map of ");
		put_device(text, state->actor);
		return;
	case EVENT_UNMAP:
		put(text, "unmap of ");
		put_device(text, state->actor);
		return;
	}
	if (state->event == EVENT_BEGIN ? state->counted & MODEL_OWN :
					  state->actor)
		return;
	put(text, access[state->dir]);
	put(text, ")");
}

static void put_copy_name(struct text *text, unsigned int copy)
{
	put_device(text, copy);
	put(text, "'s copy");
}

static void put_micro(struct text *text, const struct model_config *config,
		      const struct model_state *state)
{
	static const char * const op_name[] = {
		"nothing", "clean", "invalidate", "clean and invalidate",
	};
	unsigned int within = (state->pc - 1) % PC_PER_STEP, copy, part;
	struct place_in_plan at;
	struct event_plan plan;
	bool for_cpu;

	put_event(text, state);
	put(text, ": ");
	model_make_plan(config, state, &plan);
	at.step = &plan.step[(state->pc - 1) / PC_PER_STEP];
	if (at.step->op == SYNC_FETCH || at.step->op == SYNC_PUSH) {
		copy = within / PC_PER_COPY / MODEL_LINES;
		part = within % PC_PER_COPY;
		at.line = within / PC_PER_COPY % MODEL_LINES;
		if (part == 0 || part > MODEL_BYTES) {
			put(text, part ? "for_device of " : "for_cpu of ");
			put_copy_name(text, copy);
		} else {
			put(text, at.step->op == SYNC_FETCH ? "fetch from " :
							      "push to ");
			put_copy_name(text, copy);
			if (config->bytes > 1)
				put_place(text, config, part - 1);
		}
		put_line_name(text, config, at.line);
		return;
	}

	model_locate(config, &plan, state->pc, &at);
	for_cpu = at.op == SYNC_FOR_CPU;
	if (at.step->op == SYNC_FLUSH)
		put(text, "flush: ");
	put(text, for_cpu ? "for_cpu(" : "for_device(");
	if (at.step->peer == LOOP_BACK)
		put(text, "own device");
	else
		put_device(text, plan.device[at.step->peer]);
	put(text, ", ");
	put(text, dir_name(at.step->dir));
	put(text, "): ");
	if (at.second == for_cpu)
		put(text, for_cpu ? "slot -> pages" : "pages -> slot");
	else
		put(text, op_name[arch_op(config, at.op, at.step->dir)]);
	put_line_name(text, config, at.line);
}

static void put_move(struct text *text, const struct model_config *config,
		     const struct model_state *state, unsigned int move)
{
	unsigned int a = move >> 4 & 15, b = move & 15;
	struct model_state started = *state;

	switch (move >> 8) {
	case MOVE_STEP:
		put_micro(text, config, state);
		return;
	case MOVE_BEGIN:
	case MOVE_END:
		started.event = move >> 8 == MOVE_BEGIN ? EVENT_BEGIN :
							  EVENT_END;
		started.actor = a == 2;
		started.dir = b;
		started.counted = a ? MODEL_OWN : 0;
		put_event(text, &started);
		if (move >> 8 == MOVE_END && !a && is_write(b) && state->open)
			put(text, " by another process");
		return;
	case MOVE_MAP:
		put(text, "map of ");
		put_device(text, a);
		put(text, ", ");
		put(text, dir_name(mapped_dir(config, a)));
		return;
	case MOVE_UNMAP:
		put(text, "unmap of ");
		put_device(text, a);
		return;
	case MOVE_STORE:
		put(text, "the CPU stores to");
		put_place(text, config, b);
		return;
	case MOVE_WRITE:
	case MOVE_WRITE_CACHED:
		put_device(text, a);
		put(text, " writes");
		put_place(text, config, b);
		if (move >> 8 == MOVE_WRITE_CACHED)
			put(text, ", which stays in a cache");
		return;
	case MOVE_LOAD:
		put(text, "the CPU loads the line");
		put_line_name(text, config, b);
		return;
	case MOVE_PREFETCH:
		put(text, "the CPU reads the line ahead");
		put_line_name(text, config, b);
		return;
	case MOVE_EVICT:
		put(text, state->page[b].line == LINE_DIRTY ?
		    "the cache writes back and drops the line" :
		    "the cache drops the line");
		put_line_name(text, config, b);
		return;
	case MOVE_WRITE_BACK:
		put(text, "the cache writes back the line");
		put_line_name(text, config, b);
		return;
	case MOVE_PREFETCH_COPY:
		put(text, "the CPU reads ahead in ");
		put_copy_name(text, a);
		put_line_name(text, config, b);
		return;
	case MOVE_EVICT_COPY:
		put(text, state->copy[b][a].line == LINE_DIRTY ?
		    "the cache writes back and drops " : "the cache drops ");
		put_copy_name(text, a);
		put_line_name(text, config, b);
		return;
	case MOVE_DIE:
		put(text, a ? "one of two that have a write access open dies" :
			      "the process dies without an END");
		return;
	}
}

static void put_values(struct text *text, const struct model_config *config,
		       const u8 *value)
{
	unsigned int i;

	for (i = 0; i < config->bytes; i++)
		put_number(text, value[i]);
}

static void put_cached(struct text *text, const struct model_config *config,
		       const struct model_memory *memory)
{
	if (memory->line == LINE_ABSENT) {
		put(text, "-");
		return;
	}
	put_values(text, config, memory->cached);
	put(text, memory->line == LINE_DIRTY ? " dirty" : " clean");
}

static void put_line(struct text *text, const struct model_config *config,
		     const struct model_state *state, unsigned int line)
{
	unsigned int i;

	put(text, "| page ");
	put_values(text, config, state->page[line].byte);
	if (page_has_line(config, line)) {
		put(text, "  line ");
		put_cached(text, config, &state->page[line]);
	}
	for (i = 0; i < config->nr_devices; i++) {
		const struct model_memory *copy = &state->copy[line][i];

		if (!face_of(config, i, line)->copies ||
		    !copy_is_used(config, state, i, line, false))
			continue;
		put(text, has_slots(config) ? "  slot " : "  copy ");
		put_device(text, i);
		put(text, " ");
		put_values(text, config, copy->byte);
		if (copy->line != LINE_ABSENT) {
			put(text, " (line ");
			put_cached(text, config, copy);
			put(text, ")");
		}
		if (!has_slots(config) &&
		    copy_is_used(config, state, i, line, true)) {
			put(text, " twin ");
			put_values(text, config, state->twin[line][i]);
		}
	}
}

static void put_end(struct text *text, const struct model_config *config,
		    const struct model_state *state)
{
	struct complaint what;

	if (!model_is_wrong(config, state, &what))
		return;
	put(text, "    WRONG: ");
	if (what.view == MODEL_CPU)
		put(text, "the CPU");
	else
		put_device(text, what.view);
	put(text, " reads ");
	put_number(text, what.value);
	if (what.missed) {
		put(text, " and was promised ");
		put_number(text, what.missed);
	} else {
		put(text, ", the CPU something else, after a START and an END");
	}
	if (config->lines * config->bytes > 1) {
		put(text, ",");
		put_place(text, config, what.place);
	}
}

#define STORY_COLUMN	64

/**
 * model_story() - tell the way to the wrong state
 * @config: what was explored
 * @space: as model_explore() left it
 * @result: what it found
 * @emit: called for each line
 * @context: for @emit
 */
void model_story(const struct model_config *config,
		 const struct model_space *space,
		 const struct model_result *result, model_emit emit,
		 void *context)
{
	struct model_state state, next;
	unsigned int n, i, move, line;
	char buffer[240];
	u32 at;

	if (result->verdict != MODEL_WRONG)
		return;
	n = space->node[result->bad].depth;
	model_first_state(config, &state);
	for (i = 0; i < n; i++) {
		struct text text = { buffer, sizeof(buffer), 0 };

		at = result->bad;
		while (space->node[at].depth > i + 1)
			at = space->node[at].parent;
		/* On the path devices may be in another order. */
		if (!model_follow(config, &state, space->node[at].word, &next,
				  &move)) {
			emit(context, "the plan is not a function of its arguments");
			return;
		}

		if (i + 1 < 10)
			put(&text, " ");
		put_number(&text, i + 1);
		put(&text, ". ");
		put_move(&text, config, &state, move);
		state = next;
		for (line = 0; line < config->lines; line++) {
			put_to_column(&text, STORY_COLUMN + 40 * line);
			put_line(&text, config, &state, line);
		}
		emit(context, buffer);
	}

	{
		struct text text = { buffer, sizeof(buffer), 0 };

		put_end(&text, config, &state);
		emit(context, buffer);
	}
}
