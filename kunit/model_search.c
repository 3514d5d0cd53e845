// SPDX-License-Identifier: GPL-2.0
/*
 * The search: breadth first over all states that a mix can reach, until one is
 * wrong or no new one turns up. It must not know what a state is made of, nor
 * what a move does.
 */
#include "model_layers.h"

static u64 hash(const u64 *word)
{
	u64 h = word[0] * 0x9e3779b97f4a7c15ull;

	h = (h ^ h >> 29 ^ word[1]) * 0xbf58476d1ce4e5b9ull;
	h = (h ^ h >> 32 ^ word[2]) * 0x94d049bb133111ebull;
	return h ^ h >> 31;
}

/*
 * An entry of the table: half of a state's hash, and its index plus one.
 * Returns the one of @word, or the free one where it belongs.
 */
static u64 *lookup(struct model_space *space, u32 slots, const u64 *word,
		   u64 hashed)
{
	u32 at = hashed & (slots - 1);
	u64 tag = hashed >> 32 << 32;

	for (;; at = (at + 1) & (slots - 1)) {
		u64 entry = space->table[at];

		if (!entry)
			break;
		if ((entry ^ tag) >> 32 == 0 &&
		    same(space->node[(u32)entry - 1].word, word))
			break;
	}
	return &space->table[at];
}

/* Start with a small table: most mixes have few states. */
static u32 grow_table(struct model_space *space, u32 slots, u32 states)
{
	u32 i;

	slots = slots ? 4 * slots : 1 << 10;
	if (slots > space->slots)
		slots = space->slots;
	for (i = 0; i < slots; i++)
		space->table[i] = 0;
	for (i = 0; i < states; i++) {
		const u64 *word = space->node[i].word;
		u64 hashed = hash(word);

		*lookup(space, slots, word, hashed) =
			hashed >> 32 << 32 | (i + 1);
	}
	return slots;
}

/**
 * model_explore() - visit every state that a mix can reach
 * @config: what to explore
 * @space: memory
 * @result: filled in
 *
 * Breadth first, so that the way to the first wrong state is a shortest one.
 */
void model_explore(const struct model_config *config,
		   struct model_space *space, struct model_result *result)
{
	struct model_result found = { .verdict = MODEL_RIGHT };
	struct model_state from, to;
	struct complaint complaint;
	struct event_plan plan;
	u16 moves[MODEL_MOVES];
	unsigned int n, i, j;
	u32 next, slots;
	u64 *entry;

	model_first_state(config, &from);
	model_canonical(config, &from, space->node[0].word);
	space->node[0].parent = 0;
	space->node[0].depth = 0;
	found.states = 1;
	slots = grow_table(space, 0, 1);

	for (next = 0; next < found.states; next++) {
		struct model_node *node = &space->node[next];

		found.depth = node->depth;
		if (config->depth && node->depth >= config->depth) {
			found.cut++;
			continue;
		}
		model_unpack(config, node->word, &from);
		n = model_list_moves(config, &from, &plan, moves);
		found.moves += n;
		for (i = 0; i < n; i++) {
			to = from;
			model_play(config, &plan, &to, moves[i]);
			model_canonical(config, &to, space->word[i]);
			space->hash[i] = hash(space->word[i]);
			prefetch(&space->table[space->hash[i] & (slots - 1)]);
		}
		for (i = 0; i < n; i++) {
			struct model_node *new;

			entry = lookup(space, slots, space->word[i],
				       space->hash[i]);
			if (*entry)
				continue;
			if (found.states == space->nodes) {
				found.verdict = MODEL_FULL;
				*result = found;
				return;
			}
			new = &space->node[found.states];
			for (j = 0; j < MODEL_WORDS; j++)
				new->word[j] = space->word[i][j];
			new->parent = next;
			new->depth = node->depth + 1;
			found.states++;
			*entry = space->hash[i] >> 32 << 32 | found.states;
			model_unpack(config, new->word, &to);
			if (model_is_wrong(config, &to, &complaint)) {
				found.verdict = MODEL_WRONG;
				found.bad = found.states - 1;
				*result = found;
				return;
			}
			if (found.states > slots / 2 && slots < space->slots)
				slots = grow_table(space, slots, found.states);
		}
	}
	*result = found;
}

/**
 * model_follow() - find the move that leads from a state to one of the search
 * @config: what was explored
 * @state: the state
 * @word: where to, as model_canonical() packed it
 * @next: set to where the move leads from @state, its devices in their order
 * @move: set to the move
 *
 * Return: true if there is one.
 */
bool model_follow(const struct model_config *config,
		  const struct model_state *state, const u64 *word,
		  struct model_state *next, unsigned int *move)
{
	struct event_plan plan;
	u16 moves[MODEL_MOVES];
	u64 packed[MODEL_WORDS];
	unsigned int n, i;

	n = model_list_moves(config, state, &plan, moves);
	for (i = 0; i < n; i++) {
		*next = *state;
		model_play(config, &plan, next, moves[i]);
		model_canonical(config, next, packed);
		if (!same(packed, word))
			continue;
		*next = *state;
		model_play(config, &plan, next, moves[i]);
		*move = moves[i];
		return true;
	}
	return false;
}
