// SPDX-License-Identifier: GPL-2.0
/*
 * What the model is asked: which mixes, which plans must be found wrong, and
 * what a real kernel was seen to do. It must not know how an answer is found.
 */
#include "model_checks.h"

static unsigned int nr_dirs(const struct model_walk *walk)
{
	return walk->folded ? 2 : 3;
}

static unsigned int nr_types(const struct model_walk *walk)
{
	return model_nr_kinds * nr_dirs(walk);
}

static bool next_policy(struct model_walk *walk)
{
	if (walk->policy >= 0 || walk->at_policy == SYNC_POLICY_ALL)
		return false;
	walk->at_policy = SYNC_POLICY_ALL;
	return true;
}

static bool next_arch(struct model_walk *walk)
{
	if (walk->arch >= 0 || walk->at_arch + 1 == model_nr_archs)
		return false;
	walk->at_arch++;
	return true;
}

/* Devices come in any order later, so a mix is a multiset. */
static bool next_types(struct model_walk *walk)
{
	unsigned int types = nr_types(walk), i, k = walk->nr_devices;

	while (k && walk->type[k - 1] == types - 1)
		k--;
	if (!k)
		return false;
	walk->type[k - 1]++;
	for (i = k; i < walk->nr_devices; i++)
		walk->type[i] = walk->type[k - 1];
	return true;
}

static void reset_types(struct model_walk *walk)
{
	unsigned int i;

	for (i = 0; i < MODEL_DEVICES; i++)
		walk->type[i] = 0;
}

static void make_config(const struct model_walk *walk,
			struct model_config *config)
{
	static const u8 dirs[] = {
		DMA_TO_DEVICE, DMA_BIDIRECTIONAL, DMA_FROM_DEVICE,
	};
	static const struct model_config none;
	unsigned int i, dirs_used = nr_dirs(walk);

	*config = none;
	config->arch = &model_archs[walk->at_arch];
	config->policy = walk->at_policy;
	config->nr_devices = walk->nr_devices;
	config->halves = walk->halves;
	config->depth = walk->depth;
	for (i = 0; i < walk->nr_devices; i++) {
		config->device[i].kind = walk->type[i] / dirs_used;
		config->device[i].dir = dirs[walk->type[i] % dirs_used];
	}
}

static unsigned int count_noncoherent(const struct model_config *config)
{
	unsigned int i, part, nr = 0;

	for (i = 0; i < config->nr_devices; i++) {
		const struct model_kind *kind =
			&model_kinds[config->device[i].kind];

		for (part = 0; part < kind->nr_parts; part++)
			nr += kind->part[part] == SYNC_NONCOHERENT;
	}
	return nr;
}

static bool is_wanted(const struct model_walk *walk,
		      const struct model_config *config)
{
	unsigned int i;

	if (walk->arch < 0 && !config->arch->supported)
		return false;
	for (i = 0; walk->kinds && i < config->nr_devices; i++)
		if (!(walk->kinds & 1 << config->device[i].kind))
			return false;
	if (!model_is_possible(config))
		return false;
	if (!walk->folded)
		return true;
	if (walk->arch < 0 && model_is_like(config->arch) != config->arch)
		return false;
	/* Two halves tell more than one only if somebody has two faces. */
	for (i = 0; walk->halves > 1 && i < config->nr_devices; i++)
		if (model_kinds[config->device[i].kind].nr_parts > 1)
			break;
	if (walk->halves > 1 && i == config->nr_devices)
		return false;
	return walk->policy >= 0 || config->policy == SYNC_POLICY_MINIMAL ||
	       count_noncoherent(config) > 1;
}

/**
 * model_walk_next() - the next mix
 * @walk: where the walk is; zero but for its choices at first
 * @config: filled in
 *
 * Return: false if there is none.
 */
bool model_walk_next(struct model_walk *walk, struct model_config *config)
{
	do {
		if (!walk->started) {
			walk->started = true;
			walk->at_arch = walk->arch < 0 ? 0 : walk->arch;
			walk->at_policy = walk->policy < 0 ?
					  SYNC_POLICY_MINIMAL : walk->policy;
			reset_types(walk);
		} else if (!next_types(walk)) {
			reset_types(walk);
			if (!next_arch(walk)) {
				walk->at_arch = walk->arch < 0 ? 0 : walk->arch;
				if (!next_policy(walk))
					return false;
			}
		}
		make_config(walk, config);
	} while (!is_wanted(walk, config));
	return true;
}

const struct model_wrong model_wrongs[] = {
	{ "stock", "the exporter's own device is synced, importers never",
	  PLAN_STOCK, 0, "x86" },
	{ "access-direction",
	  "every peer is synced with the direction of the CPU access",
	  PLAN_ACCESS_DIRECTION, 0, NULL },
	{ "first-peer", "only the first peer is synced",
	  PLAN_FIRST_PEER, 0, NULL },
	{ "last-peer", "only the last peer is synced",
	  PLAN_LAST_PEER, 0, NULL },
	{ "swapped", "for_cpu and for_device swapped",
	  PLAN_SWAPPED, 0, NULL },
	{ "reversed", "the steps in reverse order",
	  PLAN_REVERSED, 0, NULL },
	{ "no-H2", "begin copies readers' slots back as well",
	  PLAN_NO_H2, 0, NULL },
	{ "no-H3", "a write-only begin fetches nothing",
	  PLAN_NO_H3, 0, NULL },
	{ "no-H4", "begin copies back before it invalidates (bounce_conflict=allow)",
	  PLAN_NO_H4, MODEL_ALLOW_CONFLICT | MODEL_ONE_WRITER |
	  MODEL_ONE_ACCESS, NULL },
	{ "no-H5", "FROM_DEVICE is mapped as it is asked for",
	  PLAN_NO_H5, 0, NULL },
	{ "no-H6", "the end of a read access does nothing",
	  PLAN_NO_H6, 0, NULL },
	{ "no-H9", "a reader stands for the noncoherent peers",
	  PLAN_NO_H9, 0, NULL },
	{ "no-H11", "no mapping is refused",
	  PLAN_NO_H11, 0, NULL },
	{ "no-H12", "begin does not wait for devices that write",
	  PLAN_NO_H12, 0, NULL },
	{ "no-H13", "map and unmap sync nothing but the new peer",
	  PLAN_NO_H13, 0, NULL },
	{ "no-H13-slot", "map and unmap refresh the slots of bounced writers",
	  PLAN_NO_H13_SLOT, 0, NULL },
	{ "no-H14", "nothing is cleaned for coherent writers",
	  PLAN_NO_H14, 0, NULL },
	{ "no-H15", "an open write access changes nothing",
	  PLAN_NO_H15, 0, NULL },
	{ "H15-clean", "in an open write access begin cleans, then invalidates",
	  PLAN_H15_CLEAN, 0, NULL },

	{ "no-H18", "a part of a mapping stands for the whole buffer",
	  PLAN_NO_H18, 0, "arm",
	  MODEL_NONCOHERENT | MODEL_PARTLY_NONCOHERENT },

	/* Beyond the contract: what no exporter can promise. */
	{ "H14-race", "a coherent device writes while a noncoherent writer is unmapped",
	  PLAN_DRIVER, MODEL_H14_RACE, NULL },
	{ "write-in-read", "a device writes while the CPU reads",
	  PLAN_DRIVER, MODEL_WRITE_IN_READ, NULL },
	{ "open-for-ever", "a begin that is never ended counts for ever",
	  PLAN_DRIVER, MODEL_DYING, NULL },
	{ "stray-end", "an end of a write access that nobody began is carried out",
	  PLAN_DRIVER, MODEL_STRAY_END, NULL },
	{ "no-post-flush",
	  "the CPU speculates, for_cpu does nothing (mips would be so)",
	  PLAN_DRIVER, 0, "mips without flush" },
	{ "openrisc", "for_device(BIDIRECTIONAL) does nothing",
	  PLAN_DRIVER, 0, "openrisc" },
	{ "68060", "for_device(BIDIRECTIONAL) does not invalidate, for_cpu is empty",
	  PLAN_DRIVER, 0, "68060" },
	{ "68030", "for_device(BIDIRECTIONAL) leaves the data cache alone",
	  PLAN_DRIVER, 0, "68030" },
};

const unsigned int model_nr_wrongs = ARRAY_SIZE(model_wrongs);

/**
 * model_find_shortest() - find a shortest counterexample
 * @wrong: what is wrong
 * @space: memory
 * @config: set to the mix that has it
 * @result: set to what was found; @space is as model_explore() left it
 *
 * One device if that is enough, otherwise two; among those the shortest way,
 * and among equals the first in the order of the walk.
 *
 * Return: false if there is none.
 */
bool model_find_shortest(const struct model_wrong *wrong,
			 struct model_space *space,
			 struct model_config *config,
			 struct model_result *result)
{
	struct model_config best, tried;
	unsigned int shortest = 0;
	unsigned int nr;

	for (nr = 1; nr <= 2 && !shortest; nr++) {
		struct model_walk walk = {
			.nr_devices = nr,
			.halves = wrong->kinds ? 2 : 1,
			.arch = -1,
			.policy = SYNC_POLICY_MINIMAL,
			.kinds = wrong->kinds ?: MODEL_MAIN_KINDS,
		};

		if (wrong->arch)
			for (walk.arch = 0;; walk.arch++) {
				const char *a = model_archs[walk.arch].name;
				const char *b = wrong->arch;

				while (*a && *a == *b)
					a++, b++;
				if (!*a && !*b)
					break;
			}
		while (model_walk_next(&walk, &tried)) {
			/* Its stories are shorter, and few know it. */
			if (tried.arch->write_through && !wrong->arch)
				continue;
			tried.plan = wrong->plan;
			tried.flags = wrong->flags;
			tried.depth = shortest ? shortest - 1 : 0;
			if (shortest == 1)
				break;
			model_explore(&tried, space, result);
			if (result->verdict != MODEL_WRONG)
				continue;
			shortest = space->node[result->bad].depth;
			best = tried;
		}
	}
	if (!shortest)
		return false;

	*config = best;
	config->depth = 0;
	model_explore(config, space, result);
	return true;
}

/* Places in model_kinds. */
#define DIRECT		0
#define SLOT		2

#define READS(kind)	{ kind, DMA_TO_DEVICE }
#define WRITES(kind)	{ kind, DMA_FROM_DEVICE }
#define BOTH_WAYS(kind)	{ kind, DMA_BIDIRECTIONAL }

/* Two edu devices of QEMU under a stock kernel: bounced and direct. */
const struct model_row model_rows[] = {
	{ "bounced writer -> CPU", { WRITES(SLOT) }, 1,
	  "mA wA0 br c0 er", { true, false, true } },
	{ "CPU -> bounced reader", { READS(SLOT) }, 1,
	  "mA bw s0 ew dA0", { true, false, true } },
	{ "CPU -> direct reader", { READS(DIRECT) }, 1,
	  "mA bw s0 ew dA0", { true, true, true } },
	{ "direct writer, bounced reader idle -> CPU",
	  { WRITES(DIRECT), READS(SLOT) }, 2,
	  "mA mB wA0 br c0 er", { true, true, false } },
	{ "bounced device wrote, CPU writes elsewhere -> device reads",
	  { BOTH_WAYS(SLOT) }, 1,
	  "mA wA0 bw s1 ew dA0", { true, true, false } },
	{ "bounced device wrote, CPU writes elsewhere -> CPU reads",
	  { BOTH_WAYS(SLOT) }, 1,
	  "mA wA0 bw s1 ew br c0 er", { true, false, false } },
	{ "direct writer, bounced bidirectional mapping idle -> CPU",
	  { WRITES(DIRECT), BOTH_WAYS(SLOT) }, 2,
	  "mA mB wA0 br c0 er", { true, true, false } },
	{ "direct writer -> CPU read-only access -> bounced reader",
	  { WRITES(DIRECT), READS(SLOT) }, 2,
	  "mA mB wA0 br er dB0", { true, false, false } },
	{ "CPU writes, bounced FROM_DEVICE peer idle -> CPU reads back",
	  { WRITES(SLOT) }, 1,
	  "mA bw s0 ew br c0 er", { true, true, true } },
	{ "CPU read access begins in an open write access -> CPU reads back",
	  { BOTH_WAYS(SLOT) }, 1,
	  "mA bw s0 br c0 er ew", { true, true, false } },
	{ "CPU write access begins in an open write access -> device reads",
	  { BOTH_WAYS(SLOT) }, 1,
	  "mA bw s0 bw ew ew dA0", { true, false, true } },
	{ "bounced writer unmaps -> CPU", { WRITES(SLOT) }, 1,
	  "mA wA0 uA br c0 er", { true, false, true } },
};

const unsigned int model_nr_rows = ARRAY_SIZE(model_rows);

static unsigned int access_of(char c)
{
	return c == 'r' ? DMA_FROM_DEVICE : DMA_TO_DEVICE;
}

/* The task that has such an access open, or the first that has none. */
static unsigned int task_with(const struct model_state *state, u8 task)
{
	return state->task[0] == task ? 0 : 1;
}

/**
 * model_row_is_right() - play a scenario, with no adversary
 * @row: the scenario
 * @plan: by which plan
 *
 * Words of the script: mA and uA map and unmap device A, wA0 has it write half
 * 0, dA0 read it; br, bw, er, ew begin and end a read or write access; s0 and
 * c0 have the CPU store to half 0 and read it.
 *
 * Return: true if every reader read the newest version.
 */
bool model_row_is_right(const struct model_row *row, enum model_plan plan)
{
	struct model_config config = {
		.arch = &model_archs[0],
		.plan = plan,
		/* The kernel maps what is asked for; who refuses shows nothing. */
		.nr_devices = row->nr_devices,
		.halves = 2,
	};
	const char *word = row->script;
	struct model_state state;
	unsigned int i;
	bool right = true;

	for (i = 0; i < row->nr_devices; i++)
		config.device[i] = row->device[i];
	model_first_state(&config, &state);

	while (*word) {
		unsigned int a = word[1] - 'A', half = word[1] - '0';
		unsigned int dir = access_of(word[1]);
		unsigned int of_device = word[2] - '0';
		unsigned int other;

		switch (*word) {
		case 'm':
			/* A refused mapping is never wrong. */
			if (plan == PLAN_DRIVER &&
			    model_conflicts(&config, &state, a, &other))
				return true;
			model_event(&config, &state, SYNC_MAP, a, 0);
			break;
		case 'u':
			model_event(&config, &state, SYNC_UNMAP, a, 0);
			break;
		case 'b':
			model_event(&config, &state, SYNC_BEGIN,
				    task_with(&state, 0), dir);
			break;
		case 'e':
			model_event(&config, &state, SYNC_END,
				    task_with(&state, 1 + dir), dir);
			break;
		case 'w':
			model_device_write(&config, &state, a, of_device,
					   false);
			break;
		case 'd':
			right &= model_device_read(&config, &state, a,
						   of_device) ==
				 state.cell[of_device].newest;
			break;
		case 's':
			model_cpu_store(&config, &state, half);
			break;
		case 'c':
			right &= model_cpu_load(&state, half) ==
				 state.cell[half].newest;
			break;
		}
		while (*word && *word != ' ')
			word++;
		while (*word == ' ')
			word++;
	}
	return right;
}
