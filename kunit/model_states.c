// SPDX-License-Identifier: GPL-2.0
/*
 * States, packed into a few words: one for all that cannot be told apart. It
 * must not know how one state comes from another.
 */
#include "model_layers.h"

struct bits {
	u64 *word;
	unsigned int at;
};

static __always_inline void put_bits(struct bits *bits, u64 value,
				     unsigned int nr)
{
	unsigned int shift = bits->at % 64;

	bits->word[bits->at / 64] |= value << shift;
	if (shift + nr > 64)
		bits->word[bits->at / 64 + 1] |= value >> (64 - shift);
	bits->at += nr;
}

static __always_inline u64 get_bits(struct bits *bits, unsigned int nr)
{
	unsigned int shift = bits->at % 64;
	u64 value = bits->word[bits->at / 64] >> shift;

	if (shift + nr > 64)
		value |= bits->word[bits->at / 64 + 1] << (64 - shift);
	bits->at += nr;
	return value & ((1ull << nr) - 1);
}

/* Either direction: one list of what a state consists of. */
static __always_inline void move_bits(struct bits *bits, u8 *value,
				      unsigned int nr, bool pack)
{
	if (pack)
		put_bits(bits, *value, nr);
	else
		*value = get_bits(bits, nr);
}

static __always_inline void move_memory(const struct model_config *config,
					struct bits *bits,
					struct model_memory *memory,
					bool has_line, bool pack)
{
	unsigned int i;

	for (i = 0; i < config->bytes; i++) {
		move_bits(bits, &memory->byte[i], 3, pack);
		if (has_line)
			move_bits(bits, &memory->cached[i], 3, pack);
	}
	if (has_line)
		move_bits(bits, &memory->line, 2, pack);
}

static __always_inline void move_state(const struct model_config *config,
				       struct model_state *state, u64 *word,
				       bool pack)
{
	struct bits bits = { word, 0 };
	unsigned int line, i, j;
	u64 pc = state->pc;

	for (line = 0; line < config->lines; line++) {
		move_memory(config, &bits, &state->page[line],
			    page_has_line(config, line), pack);
		for (i = 0; i < config->nr_devices; i++) {
			const struct model_face *face = face_of(config, i, line);

			if (!face->copies || copy_of(config, i, line) != i)
				continue;
			move_memory(config, &bits, &state->copy[line][i],
				    !face->snoops, pack);
			for (j = 0; j < config->bytes; j++)
				move_bits(&bits, &state->twin[line][i][j], 3,
					  pack);
		}
	}
	move_bits(&bits, &state->mapped, config->nr_devices, pack);
	move_bits(&bits, &state->open, 1, pack);
	move_bits(&bits, &state->dead, 2, pack);
	move_bits(&bits, &state->kernel, 1, pack);
	move_bits(&bits, &state->believed, 2, pack);
	move_bits(&bits, &state->event, 3, pack);
	move_bits(&bits, &state->actor, 2, pack);
	move_bits(&bits, &state->dir, 2, pack);
	move_bits(&bits, &state->counted, 3, pack);
	move_bits(&bits, &state->since, 3, pack);
	move_bits(&bits, &state->found, 1, pack);
	move_bits(&bits, &state->quiet, 3, pack);
	move_bits(&bits, &state->nr_writes, 3, pack);
	for (i = 0; i < config->writes; i++) {
		struct model_write *write = &state->write[MODEL_INITIAL + 1 + i];

		move_bits(&bits, &write->writer, 2, pack);
		move_bits(&bits, &write->place, 1, pack);
		move_bits(&bits, &write->knew, i, pack);
	}
	for (i = 0; i < config->nr_devices; i++)
		move_bits(&bits, &state->known[i], config->writes, pack);
	move_bits(&bits, &state->known[MODEL_CPU], config->writes, pack);
	move_bits(&bits, &state->conflicts, config->writes, pack);
	move_bits(&bits, &state->dropped, config->writes, pack);
	move_bits(&bits, &state->loose, config->writes, pack);
	move_bits(&bits, &state->unpushed, config->writes, pack);
	if (pack)
		put_bits(&bits, pc, 10);
	else
		state->pc = get_bits(&bits, 10);
}

static void pack(const struct model_config *config, struct model_state *state,
		 u64 *word)
{
	unsigned int i;

	for (i = 0; i < MODEL_WORDS; i++)
		word[i] = 0;
	move_state(config, state, word, true);
}

/**
 * model_unpack() - lay a state open
 * @config: what is explored
 * @word: the state, as model_canonical() packed it
 * @state: filled in
 */
void model_unpack(const struct model_config *config, u64 *word,
		  struct model_state *state)
{
	static const struct model_state zero;

	*state = zero;
	move_state(config, state, word, false);
}

static void swap_bytes(u8 *a, u8 *b)
{
	u8 c = *a;

	*a = *b;
	*b = c;
}

/* Devices of one kind that do the same differ in nothing but this. */
static bool is_before(const struct model_config *config,
		      const struct model_state *state, unsigned int a,
		      unsigned int b)
{
	unsigned int line, i;
	int order;

	order = is_mapped(state, b) - is_mapped(state, a);
	if (!order)
		order = state->known[b] - state->known[a];
	for (line = 0; line < config->lines; line++)
		for (i = 0; !order && !config->shared && i < config->bytes; i++) {
			const struct model_memory *x = &state->copy[line][a];
			const struct model_memory *y = &state->copy[line][b];

			order = y->byte[i] - x->byte[i];
			if (!order)
				order = y->cached[i] - x->cached[i];
			if (!order)
				order = y->line - x->line;
			if (!order)
				order = state->twin[line][b][i] -
					state->twin[line][a][i];
		}
	for (i = MODEL_INITIAL + 1;
	     !order && i <= last_write(state); i++)
		order = (state->write[i].writer == b) -
			(state->write[i].writer == a);
	return order < 0;
}

static void swap_devices(const struct model_config *config,
			 struct model_state *state, unsigned int a,
			 unsigned int b)
{
	unsigned int line, i;
	u8 mapped = state->mapped & ~(1 << a | 1 << b);

	mapped |= is_mapped(state, a) << b | is_mapped(state, b) << a;
	state->mapped = mapped;
	swap_bytes(&state->known[a], &state->known[b]);
	for (line = 0; !config->shared && line < config->lines; line++) {
		struct model_memory copy = state->copy[line][a];

		state->copy[line][a] = state->copy[line][b];
		state->copy[line][b] = copy;
		for (i = 0; i < MODEL_BYTES; i++)
			swap_bytes(&state->twin[line][a][i],
				   &state->twin[line][b][i]);
	}
	for (i = MODEL_INITIAL + 1; i <= last_write(state); i++)
		if (state->write[i].writer == a)
			state->write[i].writer = b;
		else if (state->write[i].writer == b)
			state->write[i].writer = a;
}

static void order_devices(const struct model_config *config,
			  struct model_state *state)
{
	unsigned int a, b;

	/* Within an event some have had their steps. */
	if (state->event)
		return;
	for (a = 0; a + 1 < config->nr_devices; a++)
		for (b = a + 1; b < config->nr_devices; b++)
			if (config->device[a].kind == config->device[b].kind &&
			    config->device[a].dir == config->device[b].dir &&
			    is_before(config, state, b, a))
				swap_devices(config, state, a, b);
}

/**
 * model_canonical() - make one state of all that cannot be told apart
 * @config: what is explored
 * @state: changed to it
 * @word: filled in: it is packed
 */
void model_canonical(const struct model_config *config,
		     struct model_state *state, u64 *word)
{
	model_forget(config, state);
	order_devices(config, state);
	pack(config, state, word);
}
