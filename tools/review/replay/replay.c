// SPDX-License-Identifier: GPL-2.0
/*
 * Replays recorded histories on the model's memory, by its contract.
 *
 * A history says what programs, devices and an exporter did, sync by sync. What
 * the CPU's caches do by themselves it does not say, so a replay keeps the set
 * of all states that they can lead to: after every line, and between the two
 * halves of a sync, any line may be written back, dropped or read in. It is
 * replayed on every architecture that can work, from two beginnings, and judged
 * whenever a call returns. What was really seen is judged as well.
 *
 * Histories are read from stdin, as history.h says. On stdout there is a line
 * for each reader who reads at a place what it must not, with tabs between:
 *
 *   ID ARCH STATE CALL READER PLACE VALUE PROMISED STORY
 *
 * It must not know which exporter it was, nor what its plan ought to be.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "history.h"

#define STATES		4096
#define TOLD		65536
#define RECORDED	"recorded"

/**
 * struct told - a move of the caches
 * @before: the one before
 * @said: after which line of the history, or NULL: before all
 * @within: between the two halves of the sync that it is
 * @op: what happens to the CPU's line; OP_NONE: it is read in
 * @dirty: it was dirty before
 * @device: whose copy it is of, or MODEL_CPU
 * @line: which line of the buffer
 * @stays: instead of all these, a device's write stays in a cache
 */
struct told {
	const struct told *before;
	const struct said *said;
	bool within;
	u8 op;
	bool dirty;
	u8 device;
	u8 line;
	bool stays;
};

/**
 * struct node - a state that there can be
 * @state: the state
 * @moves: how many moves of the caches it takes
 * @story: the last of them
 */
struct node {
	struct model_state state;
	unsigned int moves;
	const struct told *story;
};

/**
 * struct set - all states that there can be
 * @node: each of them once
 * @nr: how many there are
 * @moves: the most that one takes
 * @table: where each is, by its hash, and of which @round that is
 * @round: changes when the set is emptied
 */
struct set {
	struct node node[STATES];
	unsigned int nr;
	unsigned int moves;
	struct {
		u32 round;
		u32 node;
	} table[2 * STATES];
	u32 round;
};

/**
 * struct wrong - what is wrong with a view of a place
 * @found: something is
 * @value: what is read
 * @missed: which write was promised, or 0: it does not agree with the CPU
 * @moves: how many moves of the caches it takes
 * @story: the last of them
 */
struct wrong {
	bool found;
	u8 value;
	u8 missed;
	unsigned int moves;
	const struct told *story;
};

/**
 * struct run - a history on one architecture, from one beginning
 * @history: which
 * @config: on what; what devices use changes
 * @start: the beginning's name
 * @line: the line that is asked about; what the caches do to others is not
 *	tried, for nobody can tell by this one
 * @set: the states now
 * @spare: where the next ones are collected
 * @told: moves of the caches
 * @nr_told: how many
 * @memory: an enum memory, of what each device uses
 * @group: whoever has the same number shares a copy
 * @groups: the last number
 * @open: write accesses that each process has open
 * @kernel: a kernel mapping is there
 * @call: the call under way
 * @cleaned: lines that were cleaned in it
 * @agreed: &model_state.quiet when all agree
 * @seen: what was seen last, or NULL
 */
struct run {
	const struct history *history;
	struct model_config config;
	const char *start;
	unsigned int line;
	struct set *set;
	struct set *spare;
	struct told told[TOLD];
	unsigned int nr_told;
	u8 memory[MODEL_LINES][MODEL_DEVICES];
	unsigned int group[MODEL_LINES][MODEL_DEVICES];
	unsigned int groups;
	u8 open[PROCESSES];
	bool kernel;
	const struct said *call;
	u8 cleaned;
	u8 agreed;
	const struct said *seen;
};

/* The set of states, and stories. */

static const struct told *tell(struct run *run, const struct told *before,
			       struct told told)
{
	if (run->nr_told == TOLD)
		fail(told.said ? told.said->line : 0, "too many moves");
	told.before = before;
	run->told[run->nr_told] = told;
	return &run->told[run->nr_told++];
}

static void empty(struct set *set)
{
	set->nr = 0;
	set->moves = 0;
	set->round++;
}

/* States differ in what memory holds, and in hardly anything else. */
static u32 hash_of(const struct model_state *state)
{
	u64 word[(sizeof(state->page) + sizeof(state->copy)) / sizeof(u64)];
	u64 hash = 0;
	unsigned int i;

	memcpy(word, state, sizeof(word));
	for (i = 0; i < ARRAY_SIZE(word); i++)
		hash = (hash ^ word[i]) * 0x9e3779b97f4a7c15ULL;
	return hash >> 32;
}

/* Returns the state's node if it is new or took more moves, or else NULL. */
static struct node *add(struct set *set, const struct model_state *state,
			unsigned int moves, unsigned int line)
{
	u32 at = hash_of(state) % ARRAY_SIZE(set->table);
	struct node *node;

	for (; set->table[at].round == set->round;
	     at = (at + 1) % ARRAY_SIZE(set->table)) {
		node = &set->node[set->table[at].node];
		if (memcmp(&node->state, state, sizeof(*state)))
			continue;
		if (node->moves <= moves)
			return NULL;
		node->moves = moves;
		return node;
	}
	if (set->nr == STATES)
		fail(line, "there are more than %u states", STATES);
	set->table[at].round = set->round;
	set->table[at].node = set->nr;
	node = &set->node[set->nr++];
	node->state = *state;
	node->moves = moves;
	if (moves > set->moves)
		set->moves = moves;
	return node;
}

/* Devices that share a copy: what became of one's became of the others'. */
static void mirror(const struct run *run, struct model_state *state,
		   unsigned int device, unsigned int line)
{
	unsigned int i;

	for (i = 0; run->memory[line][device] == COPY &&
	     i < run->config.nr_devices; i++)
		if (run->memory[line][i] == COPY && is_mapped(state, i) &&
		    run->group[line][i] == run->group[line][device])
			state->copy[line][i] = state->copy[line][device];
}

static void move_cache(struct run *run, const struct node *node,
		       struct told told)
{
	struct model_state state = node->state;
	struct model_memory *memory = &state.page[told.line];
	struct node *to;

	if (told.device != MODEL_CPU)
		memory = &state.copy[told.line][told.device];
	if (told.op == OP_NONE) {
		if (memory->line != LINE_ABSENT ||
		    !run->config.arch->speculates)
			return;
	} else if (memory->line == LINE_ABSENT ||
		   (told.op == OP_CLEAN && memory->line != LINE_DIRTY)) {
		return;
	}
	told.dirty = memory->line == LINE_DIRTY;
	if (told.op == OP_NONE)
		read_in(memory, run->config.bytes);
	else if (told.device == MODEL_CPU)
		model_maintain_page(&run->config, &state, told.line, told.op);
	else
		maintain(told.op, memory, run->config.bytes);
	if (told.device != MODEL_CPU)
		mirror(run, &state, told.device, told.line);
	to = add(run->set, &state, node->moves + 1,
		 told.said ? told.said->line : 0);
	if (to)
		to->story = tell(run, node->story, told);
}

static bool has_line(const struct run *run, const struct model_state *state,
		     unsigned int device, unsigned int line)
{
	const struct model_face *face;

	if (device == MODEL_CPU)
		return page_has_line(&run->config, line);
	if (device >= run->config.nr_devices || !is_mapped(state, device))
		return false;
	face = face_of(&run->config, device, line);
	return face->copies && !face->snoops;
}

/* All that caches can do by themselves now, by the fewest moves. */
static void let_caches_run(struct run *run, const struct said *said,
			   bool within)
{
	static const enum model_op ops[] = { OP_CLEAN, OP_FLUSH, OP_NONE };
	unsigned int moves, i, device, op;
	struct set *set = run->set;

	for (moves = 0; moves <= set->moves; moves++)
		for (i = 0; i < set->nr; i++) {
			const struct node node = set->node[i];

			if (node.moves != moves)
				continue;
			for (device = 0; device < MODEL_VIEWS; device++)
				for (op = 0; op < ARRAY_SIZE(ops) &&
				     has_line(run, &node.state, device,
					      run->line); op++)
					move_cache(run, &node, (struct told) {
						.said = said,
						.within = within,
						.op = ops[op],
						.device = device,
						.line = run->line,
					});
		}
}

static void print_letters(const struct run *run, unsigned int line)
{
	unsigned int i;

	for (i = 0; i < run->config.bytes; i++)
		putchar('a' + line * run->config.bytes + i);
}

static void print_story(const struct run *run, const struct told *told)
{
	static const char * const did[] = {
		[OP_NONE] = "read in",
		[OP_CLEAN] = "written back",
		[OP_FLUSH] = "dropped",
	};
	const struct said *said = told->said;

	if (told->before) {
		print_story(run, told->before);
		printf("; ");
	}
	if (!said)
		printf("at first");
	else if (!forms[said->what].noun)
		printf("after call %u", said->call);
	else
		printf("in call %u %s the %s", said->call,
		       told->within ? "within" : "after",
		       forms[said->what].noun);
	if (said && said->what == SYNC) {
		printf(" %s of ", syncs[said->for_device]);
		if (said->device == EXPORTER)
			printf("the exporter");
		else
			printf("device %u", said->device);
	}
	if (told->stays) {
		printf(" what device %u wrote to %c is in a cache only",
		       said->device, 'a' + said->place);
		return;
	}
	printf(" the CPU's line of ");
	if (told->device != MODEL_CPU)
		printf("device %u's copy of ", told->device);
	print_letters(run, told->line);
	printf(" is %s%s", told->op == OP_FLUSH && told->dirty ?
	       "written back and " : "", did[told->op]);
}

/* Judging, by the rules of model_is_wrong(), but all of it. */

/* QUIET_AGREED, for which there is no name here: all agree after a map. */
static u8 agreed(const struct model_config *config)
{
	struct model_state state = { .event = EVENT_MAP };

	model_note_call(&state);
	model_note_return(config, &state);
	return state.quiet;
}

/* The newest write that @view was promised and that knew what it reads. */
static u8 newest_missed(const struct model_state *state, unsigned int view,
			unsigned int place, u8 value)
{
	u8 promised = state->known[view] & ~(state->conflicts | state->dropped);
	unsigned int i;

	for (i = last_write(state); i > MODEL_INITIAL; i--)
		if (promised & mask_of(i) && state->write[i].place == place &&
		    (value <= MODEL_INITIAL ||
		     state->write[i].knew & mask_of(value)))
			return i;
	return value ? 0 : MODEL_INITIAL;
}

static bool judge_view(const struct run *run, const struct node *node,
		       unsigned int view, unsigned int place, u8 value, u8 cpu,
		       struct wrong *wrong)
{
	const struct model_state *state = &node->state;
	u8 missed = newest_missed(state, view, place, value);

	if (!missed && (state->quiet != run->agreed || value == cpu))
		return false;
	if (!wrong->found || wrong->moves > node->moves)
		*wrong = (struct wrong) {
			true, value, missed, node->moves, node->story,
		};
	return true;
}

/* Of writes that conflicted not one was kept: a state that is else right. */
static bool judge_lost(const struct run *run, const struct node *node,
		       const u8 *cpu, struct wrong wrong[][PLACES])
{
	struct model_state state = node->state;
	struct complaint what;
	unsigned int place;

	state.mapped = 0;
	memset(state.known, 0, sizeof(state.known));
	for (place = 0; place < run->config.lines * run->config.bytes; place++) {
		struct model_memory *page =
			&state.page[line_of(&run->config, place)];

		page->line = LINE_ABSENT;
		page->byte[place % run->config.bytes] =
			cpu[place] ? cpu[place] : MODEL_INITIAL;
	}
	if (!model_is_wrong(&run->config, &state, &what))
		return false;
	if (!wrong[MODEL_CPU][what.place].found)
		wrong[MODEL_CPU][what.place] = (struct wrong) {
			true, cpu[what.place], what.missed, node->moves,
			node->story,
		};
	return true;
}

static bool judge(const struct run *run, const struct node *node,
		  const u8 value[][PLACES], struct wrong wrong[][PLACES])
{
	unsigned int place = run->line * run->config.bytes, view;
	bool found = false;

	for (; line_of(&run->config, place) == run->line; place++)
		for (view = 0; view < MODEL_VIEWS; view++)
			if (view == MODEL_CPU ||
			    (view < run->config.nr_devices &&
			     may_run(&node->state, view) &&
			     reads(&run->config, view)))
				found |= judge_view(run, node, view, place,
						    value[view][place],
						    value[MODEL_CPU][place],
						    &wrong[view][place]);
	if (node->state.conflicts)
		found |= judge_lost(run, node, value[MODEL_CPU], wrong);
	return found;
}

static void print_wrongs(const struct run *run, const char *arch,
			 const struct said *said, struct wrong wrong[][PLACES])
{
	unsigned int place = run->line * run->config.bytes, i;

	for (; line_of(&run->config, place) == run->line; place++)
		for (i = 0; i < MODEL_VIEWS; i++) {
			const struct wrong *one = &wrong[i][place];

			if (!one->found)
				continue;
			printf("%s\t%s\t%s\t%u\t", run->history->id, arch,
			       run->start, said->call);
			if (i == MODEL_CPU)
				printf("cpu");
			else
				printf("%u", i);
			printf("\t%c\t%u\t%u\t", 'a' + place, one->value,
			       one->missed);
			if (one->story)
				print_story(run, one->story);
			putchar('\n');
		}
}

static void judge_all(const struct run *run, const struct said *said)
{
	struct wrong wrong[MODEL_VIEWS][PLACES] = { 0 };
	unsigned int i, view, place;
	struct complaint what;
	bool is_wrong;

	for (i = 0; i < run->set->nr; i++) {
		const struct node *node = &run->set->node[i];
		u8 value[MODEL_VIEWS][PLACES] = { 0 };

		for (place = 0; place < run->config.lines * run->config.bytes;
		     place++) {
			for (view = 0; view < run->config.nr_devices; view++)
				value[view][place] =
					model_device_read(&run->config,
							  &node->state, view,
							  place);
			value[MODEL_CPU][place] =
				peek(&node->state.page[line_of(&run->config,
							       place)],
				     place % run->config.bytes);
		}
		/* Its first complaint may be about another line. */
		is_wrong = model_is_wrong(&run->config, &node->state, &what);
		if (judge(run, node, value, wrong) ? !is_wrong :
		    is_wrong && line_of(&run->config, what.place) == run->line)
			fail(said->line, "the model judges it otherwise");
	}
	print_wrongs(run, run->config.arch->name, said, wrong);
}

/* Replaying. */

static const struct model_face loop_back = { .snoops = false };

/* What a device is where, by what it uses there. */
static void choose_kind(struct run *run, unsigned int device)
{
	struct model_config *config = &run->config;
	bool snoops = config->arch->all_snoop ||
		      run->history->snoops >> device & 1;
	unsigned int kind, line;

	for (kind = 0; kind < model_nr_kinds; kind++) {
		const struct model_face *face = model_kinds[kind].face;

		for (line = 0; line < config->lines; line++)
			if (face[line].snoops != snoops ||
			    face[line].copies != !!run->memory[line][device])
				break;
		if (line == config->lines)
			break;
	}
	config->device[device].kind = kind;
}

static void check(const struct run *run, const struct said *said)
{
	const struct model_state *state = &run->set->node[0].state;
	unsigned int line = line_of(&run->config, said->place);
	const struct model_device *device =
		&run->config.device[said->device];
	bool mapped = is_mapped(state, said->device);

	switch (said->what) {
	case MAP:
		if (mapped)
			fail(said->line, "it is mapped");
		break;
	case WRITE:
	case LATE:
		if (!said->failed && device->dir == DMA_TO_DEVICE)
			fail(said->line, "it only reads");
		if (!said->failed && !mapped)
			fail(said->line, "it is not mapped");
		break;
	case UNMAP:
	case READ:
		if (!said->failed && !mapped)
			fail(said->line, "it is not mapped");
		break;
	case SAME:
		if (run->memory[line][said->device] != COPY ||
		    run->memory[line][said->other] != COPY ||
		    !is_mapped(state, said->other))
			fail(said->line, "not both use a copy there");
		break;
	case MOVED:
		if (run->memory[line][said->device] == PAGE)
			fail(said->line, "it uses the page there");
		break;
	}
	if ((said->what == WRITE || said->what == LATE ||
	     said->what == STORE) && !said->failed &&
	    last_write(state) + 1 == MODEL_VALUES)
		fail(said->line, "there are too many writes");
}

static bool is_event(const struct run *run, const struct said *call)
{
	if (call->failed)
		return false;
	return call->what == BEGIN || call->what == END ||
	       call->what == VMAP || call->what == VUNMAP ||
	       call->what == MAP ||
	       /* Of a reader it promises nothing. */
	       (call->what == UNMAP && writes(&run->config, call->device));
}

static void note_call(const struct run *run, const struct said *call,
		      struct model_state *state)
{
	static const enum model_event events[] = {
		[BEGIN] = EVENT_BEGIN,
		[VMAP] = EVENT_BEGIN,
		[END] = EVENT_END,
		[VUNMAP] = EVENT_END,
		[MAP] = EVENT_MAP,
		[UNMAP] = EVENT_UNMAP,
	};

	if (call->what == MAP)
		state->mapped |= 1 << call->device;
	if (!is_event(run, call))
		return;
	state->event = events[call->what];
	state->actor = call->device;
	state->dir = call->dir;
	state->since = state->nr_writes;
	model_note_call(state);
}

static void note_return(const struct run *run, const struct said *call,
			struct model_state *state)
{
	unsigned int i;

	state->open = false;
	for (i = 0; i < PROCESSES; i++)
		state->open |= !!run->open[i];
	state->kernel = run->kernel;
	if (call->what == (call->failed ? MAP : UNMAP))
		model_leave(&run->config, state, call->device);
	if (is_event(run, call))
		model_note_return(&run->config, state);
	state->event = EVENT_NONE;
	state->actor = 0;
	state->dir = 0;
	state->counted = 0;
	state->since = 0;
}

/* Who has write accesses open after @call. */
static void count(struct run *run, const struct said *call)
{
	u8 *open = &run->open[call->process];

	if (call->failed)
		return;
	if (call->what == VMAP || call->what == VUNMAP)
		run->kernel = call->what == VMAP;
	if (call->what == BEGIN && is_write(call->dir))
		(*open)++;
	if (call->what == END && is_write(call->dir) && *open)
		(*open)--;
}

static void write_by_device(const struct run *run, const struct said *said,
			    struct model_state *state, bool stays)
{
	unsigned int line = line_of(&run->config, said->place);

	model_device_write(&run->config, state, said->device, said->place,
			   stays);
	mirror(run, state, said->device, line);
	/* What a fence announced is there when it signals. */
	if (said->what == LATE && state->event == EVENT_BEGIN)
		state->since = state->nr_writes;
}

static const struct model_face *face_of_sync(const struct run *run,
					     const struct said *said,
					     unsigned int line)
{
	return said->device == EXPORTER ? &loop_back :
	       face_of(&run->config, said->device, line);
}

static enum sync_op sync_op(const struct said *said)
{
	return said->for_device ? SYNC_FOR_DEVICE : SYNC_FOR_CPU;
}

/* for_cpu maintains first, for_device last. */
static bool maintains(const struct said *said, bool second)
{
	return second == said->for_device;
}

/* Its half, with the state or only to tell whether it does anything. */
static bool sync_half(const struct run *run, const struct said *said,
		      unsigned int line, bool second, struct model_state *state,
		      bool doit)
{
	const struct model_face *face = face_of_sync(run, said, line);
	enum sync_op op = sync_op(said);

	/* Nobody knows a slot that is gone, and no sync copies a copy. */
	if (face->copies && (!is_mapped(state, said->device) ||
			     (run->memory[line][said->device] == COPY &&
			      !maintains(said, second))))
		return false;
	if (doit && maintains(said, second) && !face->copies &&
	    arch_op(&run->config, op, said->dir) == OP_INVALIDATE &&
	    state->page[line].line == LINE_DIRTY)
		model_note_dropped(&run->config, state, line,
				   run->cleaned >> line & 1);
	if (!model_sync_micro(&run->config, state, said->device % EXPORTER,
			      face, line, op, said->dir, second, doit))
		return false;
	if (doit && said->device != EXPORTER)
		mirror(run, state, said->device, line);
	return true;
}

static void move(const struct run *run, const struct said *said,
		 struct model_state *state)
{
	unsigned int line = line_of(&run->config, said->place);
	unsigned int byte = said->place % run->config.bytes;
	u8 value;

	if (said->memory == PAGE) {
		value = model_load_copy(&run->config, state, said->device, line,
					byte);
		model_store_page(&run->config, state, line, byte, value);
	} else {
		value = model_load_page(&run->config, state, line, byte);
		model_store_copy(&run->config, state, said->device, line, byte,
				 value);
	}
	mirror(run, state, said->device, line);
}

/* What a line of the history does to a state. */
static void play(const struct run *run, const struct said *said,
		 unsigned int line, bool second, bool stays,
		 struct model_state *state)
{
	static const struct model_memory none;

	switch (said->what) {
	case USES:
		state->copy[line][said->device] = none;
		break;
	case SAME:
		state->copy[line][said->device] =
			state->copy[line][said->other];
		break;
	case FILL:
		model_fill_slot(&run->config, state, said->device, line);
		break;
	case SYNC:
		sync_half(run, said, line, second, state, true);
		break;
	case MOVED:
		move(run, said, state);
		break;
	case LOAD:
		model_cpu_load(&run->config, state, said->place);
		break;
	case STORE:
		if (!said->failed)
			model_cpu_store(&run->config, state, said->place);
		break;
	case WRITE:
	case LATE:
		if (!said->failed)
			write_by_device(run, said, state, stays);
		break;
	case RETURN:
		note_return(run, run->call, state);
		break;
	default:
		note_call(run, said, state);
		break;
	}
}

/* Whether it does something to memory or caches of the line. */
static bool touches(const struct run *run, const struct said *said,
		    unsigned int line)
{
	return line == run->line && said->what != RETURN &&
	       (!forms[said->what].calls || said->what == STORE ||
		said->what == LOAD || said->what == WRITE);
}

/* A device that snoops may leave in a cache what it writes (H14). */
static bool may_stay(const struct run *run, const struct said *said,
		     unsigned int line)
{
	return (said->what == WRITE || said->what == LATE) && !said->failed &&
	       page_has_line(&run->config, line);
}

static void step(struct run *run, const struct said *said, unsigned int line,
		 bool second, bool within)
{
	struct set *old = run->set;
	unsigned int ways = 1 + may_stay(run, said, line), i, stays;
	struct node *to;

	if (!touches(run, said, line)) {
		for (i = 0; i < old->nr; i++)
			play(run, said, line, second, false,
			     &old->node[i].state);
		return;
	}
	run->set = run->spare;
	run->spare = old;
	empty(run->set);
	for (i = 0; i < old->nr; i++)
		for (stays = 0; stays < ways; stays++) {
			struct node node = old->node[i];

			play(run, said, line, second, stays, &node.state);
			to = add(run->set, &node.state, node.moves + stays,
				 said->line);
			if (!to)
				continue;
			to->story = node.story;
			if (stays)
				to->story = tell(run, node.story,
						 (struct told) {
							.said = said,
							.stays = true,
						 });
		}
	let_caches_run(run, said, within);
}

static bool covers(const struct run *run, const struct said *said,
		   unsigned int line)
{
	unsigned int bytes = run->config.bytes;

	return said->places >> line * bytes & ((1 << bytes) - 1);
}

static void sync(struct run *run, const struct said *said)
{
	struct model_state *state = &run->set->node[0].state;
	u8 parts = 0;
	unsigned int i;

	for (i = 0; i < 2 * run->config.lines; i++)
		if (covers(run, said, i / 2) &&
		    sync_half(run, said, i / 2, i % 2, state, false))
			parts |= 1 << i;
	for (i = 0; parts >> i; i++) {
		enum model_op op;

		if (!(parts >> i & 1))
			continue;
		step(run, said, i / 2, i % 2, parts >> i > 1);
		op = arch_op(&run->config, sync_op(said), said->dir);
		if (maintains(said, i % 2) &&
		    said->device != EXPORTER &&
		    !face_of_sync(run, said, i / 2)->copies &&
		    (op == OP_CLEAN || op == OP_FLUSH))
			run->cleaned |= 1 << i / 2;
	}
}

static void fill(struct run *run, const struct said *said)
{
	unsigned int line;

	for (line = 0; line < run->config.lines; line++) {
		if (!covers(run, said, line))
			continue;
		if (run->memory[line][said->device] != SLOT)
			fail(said->line, "it uses no slot there");
		step(run, said, line, false, false);
	}
}

/* UML has no caches, as x86: one state. */
static void judge_seen(const struct run *run, const struct said *said)
{
	struct wrong wrong[MODEL_VIEWS][PLACES] = { 0 };

	if (!run->seen || !run->config.arch->all_snoop ||
	    strcmp(run->start, "settled"))
		return;
	judge(run, &run->set->node[0], run->seen->seen, wrong);
	print_wrongs(run, RECORDED, said, wrong);
}

static void replay_said(struct run *run, const struct said *said)
{
	unsigned int line = line_of(&run->config, said->place);

	check(run, said);
	switch (said->what) {
	case VIEWS:
		run->seen = said;
		return;
	case SYNC:
		sync(run, said);
		return;
	case FILL:
		fill(run, said);
		return;
	case USES:
		run->memory[line][said->device] = said->memory;
		run->group[line][said->device] = ++run->groups;
		choose_kind(run, said->device);
		break;
	case SAME:
		run->group[line][said->device] =
			run->group[line][said->other];
		break;
	case RETURN:
		count(run, run->call);
		break;
	}
	if (forms[said->what].calls) {
		run->call = said;
		run->cleaned = 0;
	}
	step(run, said, line, false, false);
	if (said->what != RETURN)
		return;
	judge_all(run, said);
	judge_seen(run, said);
}

static void replay(const struct history *history, const struct model_arch *arch,
		   const char *start, unsigned int line)
{
	static struct set sets[2];
	static struct run run;
	struct model_state state;
	unsigned int i;

	run.history = history;
	run.config = history->config;
	run.config.arch = arch;
	run.start = start;
	run.line = line;
	run.set = &sets[0];
	run.spare = &sets[1];
	run.nr_told = 0;
	memset(run.memory, 0, sizeof(run.memory));
	memset(run.open, 0, sizeof(run.open));
	run.kernel = false;
	run.agreed = agreed(&run.config);
	run.call = NULL;
	run.seen = NULL;
	for (i = 0; i < history->config.nr_devices; i++)
		choose_kind(&run, i);

	model_first_state(&run.config, &state);
	for (i = 0; i < run.config.lines && !strcmp(start, "settled"); i++)
		model_maintain_page(&run.config, &state, i, OP_FLUSH);
	empty(run.set);
	add(run.set, &state, 0, 0)->story = NULL;
	let_caches_run(&run, NULL, false);
	for (i = 0; i < history->nr; i++)
		replay_said(&run, &history->said[i]);
}

static void replay_everywhere(const struct history *history)
{
	unsigned int i, line;

	for (i = 0; i < model_nr_archs; i++)
		for (line = 0; line < history->config.lines &&
		     model_archs[i].supported; line++) {
			replay(history, &model_archs[i], "settled", line);
			replay(history, &model_archs[i], "dirty", line);
		}
}

int main(void)
{
	static struct history history;

	while (read_history(&history))
		replay_everywhere(&history);
	free(history.said);
	return 0;
}
