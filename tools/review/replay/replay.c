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
 * Lines on stdin, any number of histories; "same" is for copies that devices
 * share:
 *
 *   history ID LINES BYTES NDEV
 *   device I to|from|both SNOOPS
 *   call N map I | unmap I | begin r|w|rw PROC | end r|w|rw PROC | vmap |
 *          vunmap | store PLACE | load PLACE | write I PLACE | read I PLACE |
 *          other
 *   uses I PLACE page|slot|copy
 *   same I PLACE J                  I's copy there is J's as well
 *   fill I PLACES
 *   sync for_cpu|for_device I|x both|to|from PLACES
 *   moved page|copy I PLACE
 *   late I PLACE
 *   views V...
 *   return N OK|FAILED
 *   end
 *
 * PLACES are letters, or "-" for none. On stdout, a line for each reader who
 * reads at a place what it must not, with tabs between:
 *
 *   ID ARCH STATE CALL READER PLACE VALUE PROMISED STORY
 *
 * It must not know which exporter it was, nor what its plan ought to be.
 */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../../../kunit/model_layers.h"

#define PLACES		(MODEL_LINES * MODEL_BYTES)
#define PROCESSES	16
#define WORDS		32
#define STATES		4096
#define TOLD		65536
#define EXPORTER	MODEL_DEVICES	/* as a device that syncs */
#define RECORDED	"recorded"

enum what {
	USES, SAME, MAP, UNMAP, BEGIN, END, VMAP, VUNMAP, STORE, LOAD, WRITE,
	READ, OTHER, FILL, SYNC, MOVED, LATE, VIEWS, RETURN,
};

enum memory {
	PAGE,
	SLOT,
	COPY,
};

/*
 * How a line is written. Of its arguments: d a device, x a device or the
 * exporter, j the other device, p a place, l places, n a process, c a call, v
 * values, and words: m memory, r a direction, a an access, o which sync, s
 * success.
 */
static const struct form {
	const char *word;
	bool calls;
	const char *arguments;
	const char *noun;
} forms[] = {
	[USES] = { "uses", false, "dpm", "mapping" },
	[SAME] = { "same", false, "dpj", "mapping" },
	[MAP] = { "map", true, "d" },
	[UNMAP] = { "unmap", true, "d" },
	[BEGIN] = { "begin", true, "an" },
	[END] = { "end", true, "an" },
	[VMAP] = { "vmap", true, "" },
	[VUNMAP] = { "vunmap", true, "" },
	[STORE] = { "store", true, "p" },
	[LOAD] = { "load", true, "p" },
	[WRITE] = { "write", true, "dp" },
	[READ] = { "read", true, "dp" },
	[OTHER] = { "other", true, "" },
	[FILL] = { "fill", false, "dl", "filling of a slot" },
	[SYNC] = { "sync", false, "oxrl", "sync" },
	[MOVED] = { "moved", false, "mdp", "copying" },
	[LATE] = { "late", false, "dp", "late write" },
	[VIEWS] = { "views", false, "v" },
	[RETURN] = { "return", false, "cs" },
};

static const char * const memories[] = { "page", "slot", "copy", NULL };
static const char * const directions[] = { "both", "to", "from", NULL };
static const char * const accesses[] = { "rw", "w", "r", NULL };
static const char * const syncs[] = { "for_cpu", "for_device", NULL };
static const char * const successes[] = { "FAILED", "OK", NULL };

/**
 * struct said - a line of a history
 * @line: its number
 * @call: the call that it begins or is in, or the last one
 * @what: an enum what
 * @device: the device, or EXPORTER
 * @other: another device
 * @place: the place
 * @places: mask of places
 * @process: whose access it is
 * @memory: an enum memory
 * @dir: a direction, or that of an access
 * @for_device: which sync it is
 * @failed: it begins or ends a call that failed
 * @seen: what was seen, by view and place
 */
struct said {
	unsigned int line;
	unsigned int call;
	u8 what;
	u8 device;
	u8 other;
	u8 place;
	u8 places;
	u8 process;
	u8 memory;
	u8 dir;
	bool for_device;
	bool failed;
	u8 seen[MODEL_VIEWS][PLACES];
};

/**
 * struct history - what was recorded
 * @id: its name
 * @config: of what size, with which devices
 * @snoops: which of these snoop, a mask
 * @nr_devices: how many have been said
 * @said: its lines
 * @nr: how many
 * @room: for how many there is room
 * @call: where in @said the call under way is, or -1
 */
struct history {
	char id[64];
	struct model_config config;
	u8 snoops;
	unsigned int nr_devices;
	struct said *said;
	unsigned int nr;
	unsigned int room;
	int call;
};

/**
 * struct told - a move of the caches
 * @before: the one before
 * @said: after which line of the history, or NULL: before all
 * @within: between the two halves of the sync that it is
 * @op: what happens to the CPU's line; OP_NONE: it is read in
 * @dirty: it was dirty before
 * @device: whose copy it is of, or MODEL_CPU
 * @line: which line
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

static void __attribute__((noreturn, format(printf, 2, 3)))
fail(unsigned int line, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	fprintf(stderr, "replay: line %u: ", line);
	vfprintf(stderr, format, args);
	fprintf(stderr, "\n");
	va_end(args);
	exit(2);
}

/* Reading. */

static unsigned int number(unsigned int line, const char *word,
			   unsigned int from, unsigned int to)
{
	char *end;
	unsigned long value = strtoul(word, &end, 10);

	if (*word < '0' || *word > '9' || *end || value < from || value > to)
		fail(line, "%s is not a number from %u to %u", word, from, to);
	return value;
}

static unsigned int choice(unsigned int line, const char *word,
			   const char * const *words)
{
	unsigned int i;

	for (i = 0; words[i]; i++)
		if (!strcmp(word, words[i]))
			return i;
	fail(line, "%s is not one of %s, %s...", word, words[0], words[1]);
}

/* A letter, or a number. */
static unsigned int place_of(const struct history *history, unsigned int line,
			     const char *word)
{
	unsigned int places = history->config.lines * history->config.bytes;

	if (*word >= 'a' && *word < (int)('a' + places) && !word[1])
		return *word - 'a';
	return number(line, word, 0, places - 1);
}

static u8 places_of(const struct history *history, unsigned int line,
		    const char *word)
{
	u8 places = 0;

	if (!strcmp(word, "-"))
		return 0;
	for (; *word; word++) {
		const char letter[] = { *word, '\0' };

		places |= 1 << place_of(history, line, letter);
	}
	return places;
}

static void read_views(const struct history *history, struct said *said,
		       char **words)
{
	unsigned int view, place;

	for (view = 0; view <= history->config.nr_devices; view++)
		for (place = 0; place < history->config.lines *
					history->config.bytes; place++) {
			if (!*words)
				fail(said->line, "there are too few values");
			/* The CPU's are first. */
			said->seen[view ? view - 1 : MODEL_CPU][place] =
				number(said->line, *words++, 0,
				       MODEL_VALUES - 1);
		}
	if (*words)
		fail(said->line, "there are too many values");
}

static void read_argument(const struct history *history, struct said *said,
			  char kind, const char *word)
{
	unsigned int devices = history->config.nr_devices, line = said->line;

	switch (kind) {
	case 'x':
	case 'd':
		said->device = kind == 'x' && !strcmp(word, "x") ? EXPORTER :
			       number(line, word, 0, devices - 1);
		break;
	case 'j':
		said->other = number(line, word, 0, devices - 1);
		break;
	case 'p':
		said->place = place_of(history, line, word);
		break;
	case 'l':
		said->places = places_of(history, line, word);
		break;
	case 'n':
		said->process = number(line, word, 0, PROCESSES - 1);
		break;
	case 'c':
		if (number(line, word, 0, ~0U) != said->call)
			fail(line, "call %u is under way", said->call);
		break;
	case 'm':
		said->memory = choice(line, word, memories);
		break;
	case 'r':
		said->dir = choice(line, word, directions);
		break;
	case 'a':
		said->dir = choice(line, word, accesses);
		break;
	case 'o':
		said->for_device = choice(line, word, syncs);
		break;
	case 's':
		said->failed = !choice(line, word, successes);
		break;
	}
}

static void read_history(struct history *history, unsigned int line,
			 char **words)
{
	if (!words[1] || !words[2] || !words[3] || !words[4] || words[5] ||
	    strlen(words[1]) >= sizeof(history->id))
		fail(line, "it is: history ID LINES BYTES NDEV");
	strcpy(history->id, words[1]);
	history->config = (struct model_config) {
		/* Pages always have a line, and nothing is widened. */
		.plan = PLAN_STOCK,
		.lines = number(line, words[2], 1, MODEL_LINES),
		.bytes = number(line, words[3], 1, MODEL_BYTES),
		.nr_devices = number(line, words[4], 1, MODEL_DEVICES),
	};
	history->snoops = 0;
	history->nr_devices = 0;
	history->nr = 0;
	history->call = -1;
}

static void read_device(struct history *history, unsigned int line,
			char **words)
{
	unsigned int i;

	if (!words[1] || !words[2] || !words[3] || words[4] || history->nr ||
	    history->nr_devices == history->config.nr_devices)
		fail(line, "it is: device I DIR SNOOPS, once for each");
	i = number(line, words[1], history->nr_devices, history->nr_devices);
	history->config.device[i].dir = choice(line, words[2], directions);
	history->snoops |= number(line, words[3], 0, 1) << i;
	history->nr_devices++;
}

static struct said *new_said(struct history *history)
{
	struct said *said;

	if (history->nr == history->room) {
		history->room = history->room ? 2 * history->room : 64;
		history->said = realloc(history->said, history->room *
						       sizeof(*said));
		if (!history->said) {
			perror("replay");
			exit(2);
		}
	}
	said = &history->said[history->nr++];
	memset(said, 0, sizeof(*said));
	return said;
}

static void read_said(struct history *history, unsigned int line, char **words)
{
	bool calls = words[1] && words[2] && !strcmp(words[0], "call");
	struct said *said = new_said(history);
	const char *kind;

	said->line = line;
	if (history->nr_devices < history->config.nr_devices)
		fail(line, "not all devices have been said");
	if (history->call >= 0)
		said->call = history->said[history->call].call;
	else if (history->nr > 1)
		said->call = history->said[history->nr - 2].call;
	if (calls) {
		if (history->call >= 0)
			fail(line, "call %u is under way", said->call);
		said->call = number(line, words[1], 0, ~0U);
		history->call = history->nr - 1;
		words += 2;
	}
	while (said->what < ARRAY_SIZE(forms) &&
	       (forms[said->what].calls != calls ||
		strcmp(forms[said->what].word, words[0])))
		said->what++;
	if (said->what == ARRAY_SIZE(forms))
		fail(line, "nothing is called %s", words[0]);
	words++;
	if (said->what == VIEWS) {
		read_views(history, said, words);
		return;
	}
	for (kind = forms[said->what].arguments; *kind; kind++, words++) {
		if (!*words)
			fail(line, "there are too few words");
		read_argument(history, said, *kind, *words);
	}
	if (*words)
		fail(line, "there are too many words");
	if (said->what == RETURN) {
		if (history->call < 0)
			fail(line, "no call is under way");
		history->said[history->call].failed = said->failed;
		history->call = -1;
	}
}

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
	if (told.op == OP_NONE ? memory->line != LINE_ABSENT ||
				 !run->config.arch->speculates :
	    told.op == OP_CLEAN ? memory->line != LINE_DIRTY :
				  memory->line == LINE_ABSENT)
		return;
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
		printf(" what it wrote to %c is in a cache only",
		       'a' + said->place);
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
		/* fall through */
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
	const struct model_face *face;

	if ((said->what != WRITE && said->what != LATE) || said->failed)
		return false;
	face = face_of(&run->config, said->device, line);
	return face->snoops && !face->copies &&
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
	struct history history = { 0 };
	bool has_begun = false;
	unsigned int line = 0;
	char *text = NULL;
	size_t size = 0;

	while (getline(&text, &size, stdin) >= 0) {
		char *words[WORDS + 1], *rest = text;
		unsigned int nr = 0;

		line++;
		do
			words[nr] = strtok_r(rest, " \t\n", &rest);
		while (words[nr] && ++nr <= WORDS);
		if (nr > WORDS)
			fail(line, "there are too many words");
		if (!nr)
			continue;
		if (has_begun != !!strcmp(words[0], "history"))
			fail(line, has_begun ? "the last history has no end" :
					       "there is no history");
		if (!has_begun) {
			read_history(&history, line, words);
			has_begun = true;
		} else if (!strcmp(words[0], "device")) {
			read_device(&history, line, words);
		} else if (!strcmp(words[0], "end") && nr == 1) {
			if (history.call >= 0)
				fail(line, "a call is under way");
			replay_everywhere(&history);
			has_begun = false;
		} else {
			read_said(&history, line, words);
		}
	}
	if (has_begun)
		fail(line, "the last history has no end");
	free(history.said);
	free(text);
	return 0;
}
