// SPDX-License-Identifier: GPL-2.0
/*
 * What the model is asked: which plans must be found wrong, and what a real
 * kernel was seen to do. It must not know how an answer is found.
 */
#include "model_checks.h"

const struct model_wrong model_wrongs[] = {
	{ "stock", "the exporter's own device is synced, importers never",
	  PLAN_STOCK, 0, "x86" },
	{ "access-direction",
	  "every peer is synced with the direction of the CPU access",
	  PLAN_ACCESS_DIRECTION },
	{ "first-stage", "slots copied whole; open accesses, matched calls count",
	  PLAN_FIRST_STAGE, 0, "x86" },
	{ "swapped", "for_cpu and for_device, fetch and push swapped",
	  PLAN_SWAPPED },
	{ "reversed", "the steps in reverse order",
	  PLAN_REVERSED },
	{ "whole-copies", "copies are copied whole, not merged",
	  PLAN_WHOLE_COPY, 0, "x86" },
	{ "fetch-keeps-twin", "a fetch leaves the twin as it was",
	  PLAN_FETCH_KEEPS_TWIN, 0, "x86" },
	{ "push-keeps-twin", "a push leaves the twin as it was",
	  PLAN_PUSH_KEEPS_TWIN, 0, "x86" },
	{ "end-of-own", "an end pushes only if its process had begun a write",
	  PLAN_END_OF_OWN },
	{ "no-H3", "a write-only begin fetches nothing",
	  PLAN_NO_H3 },
	{ "no-H4", "copies are fetched before caches are invalidated",
	  PLAN_NO_H4 },
	{ "no-H4-clean", "what was fetched is not cleaned",
	  PLAN_NO_H4_CLEAN },
	{ "no-H5", "FROM_DEVICE is mapped as it is asked for",
	  PLAN_NO_H5 },
	{ "no-H6", "the end of a read access does nothing",
	  PLAN_NO_H6 },
	{ "no-H6-open", "... unless somebody writes, whatever is open",
	  PLAN_NO_H6_OPEN },
	{ "no-H9", "a reader stands for the noncoherent peers",
	  PLAN_NO_H9 },
	{ "no-H13", "map and unmap sync nothing but a new copy",
	  PLAN_NO_H13 },
	{ "no-H13-others", "map and unmap sync nothing but their own peer",
	  PLAN_NO_H13_OTHERS },
	{ "no-H13-before", "map invalidates for the mapping that joins as well",
	  PLAN_NO_H13_BEFORE },
	{ "no-H14", "nothing is cleaned for coherent writers",
	  PLAN_NO_H14 },
	{ "no-H15", "an open write access changes nothing",
	  PLAN_NO_H15 },
	{ "no-H15-atomic", "stores come between the two halves of a flush",
	  PLAN_NO_H15_ATOMIC },
	{ "no-H15-order", "an end cleans before it pushes into copies",
	  PLAN_NO_H15_ORDER },
	{ "no-H15-own", "an end lowers another process's count",
	  PLAN_NO_H15_OWN },
	{ "no-H15-dead", "a process that has died does not count",
	  PLAN_NO_H15_DEAD },
	{ "no-H15-kernel", "a kernel mapping does not count",
	  PLAN_NO_H15_KERNEL, MODEL_KERNEL },
	{ "not-lazy", "for_cpu is taken to invalidate everywhere",
	  PLAN_NOT_LAZY, 0, "mips" },
	{ "copy-not-invalidated", "a copy's lines are not invalidated for a merge",
	  PLAN_COPY_NOT_INVALIDATED },
	{ "copy-not-cleaned", "a copy's lines are not cleaned after a merge",
	  PLAN_COPY_NOT_CLEANED },
	{ "new-copy-dirty", "a new copy is filled, and its lines left dirty",
	  PLAN_NEW_COPY_DIRTY },
	{ "no-H18", "a part of a mapping stands for the whole buffer",
	  PLAN_NO_H18, 0, "arm", MODEL_NONCOHERENT | MODEL_PARTLY_NONCOHERENT },

	/* What no exporter can promise. */
	{ "one-line", "two bytes of a line count as two",
	  PLAN_DRIVER, MODEL_STRICT_LINES },
	{ "loose-store", "a store outside of any access counts",
	  PLAN_DRIVER, MODEL_STRICT_LOOSE },
	{ "H14-race", "a coherent write between clean and invalidate counts",
	  PLAN_DRIVER, MODEL_STRICT_H14 },
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

static int arch_named(const char *name)
{
	unsigned int i;

	for (i = 0; i < model_nr_archs; i++) {
		const char *a = model_archs[i].name, *b = name;

		while (*a && *a == *b)
			a++, b++;
		if (!*a && !*b)
			break;
	}
	return i;
}

/**
 * model_find_shortest() - find a shortest counterexample
 * @wrong: what is wrong
 * @space: memory
 * @config: set to the mix that has it
 * @result: set to what was found; @space is as model_explore() left it
 *
 * One device if that is enough, otherwise two, and of these as few writes as
 * are enough, up to three; among those the shortest way, and among equals the
 * first in the order of the walk.
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
	unsigned int nr, writes;

	for (nr = 1; nr <= 2; nr++) {
		for (writes = 1; writes <= 3 && !shortest; writes++) {
			struct model_walk walk = {
				.nr_devices = nr,
				.lines = wrong->kinds ? 2 : 1,
				.bytes = wrong->kinds ? 1 : 2,
				.writes = writes,
				.arch = wrong->arch ? arch_named(wrong->arch) :
						      -1,
				.policy = SYNC_POLICY_MINIMAL,
				.fold = wrong->plan == PLAN_NO_H5 ||
					wrong->plan == PLAN_ACCESS_DIRECTION ?
					FOLD_NOTHING : FOLD_COVERED,
				.kinds = wrong->kinds ?: MODEL_MAIN_KINDS,
			};

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
	}
	if (!shortest)
		return false;

	*config = best;
	config->depth = 0;
	model_explore(config, space, result);
	return true;
}

const enum model_plan model_row_plans[MODEL_ROW_PLANS] = {
	PLAN_DRIVER, PLAN_STOCK, PLAN_ACCESS_DIRECTION, PLAN_FIRST_STAGE,
};

/* Places in model_kinds. */
#define DIRECT		0
#define SLOT		2

#define READS(kind)	{ kind, DMA_TO_DEVICE }
#define WRITES(kind)	{ kind, DMA_FROM_DEVICE }
#define BOTH_WAYS(kind)	{ kind, DMA_BIDIRECTIONAL }

const struct model_row model_rows[] = {
	/* Two edu devices of QEMU under a stock kernel: bounced and direct. */
	{ "bounced writer -> CPU", { WRITES(SLOT) }, 1,
	  "mA wA0 br c0 er", { true, false, true, true }, true },
	{ "CPU -> bounced reader", { READS(SLOT) }, 1,
	  "mA bw s0 ew dA0", { true, false, true, true }, true },
	{ "CPU -> direct reader", { READS(DIRECT) }, 1,
	  "mA bw s0 ew dA0", { true, true, true, true }, true },
	{ "direct writer, bounced reader idle -> CPU",
	  { WRITES(DIRECT), READS(SLOT) }, 2,
	  "mA mB wA0 br c0 er", { true, true, false, true }, true },
	{ "bounced device wrote, CPU writes elsewhere -> device reads",
	  { BOTH_WAYS(SLOT) }, 1,
	  "mA wA0 bw s1 ew dA0", { true, true, false, true }, true },
	{ "bounced device wrote, CPU writes elsewhere -> CPU reads",
	  { BOTH_WAYS(SLOT) }, 1,
	  "mA wA0 bw s1 ew br c0 er", { true, false, false, true }, true },
	{ "direct writer, bounced bidirectional mapping idle -> CPU",
	  { WRITES(DIRECT), BOTH_WAYS(SLOT) }, 2,
	  "mA mB wA0 br c0 er", { true, true, false, false }, true },
	{ "direct writer -> CPU read-only access -> bounced reader",
	  { WRITES(DIRECT), READS(SLOT) }, 2,
	  "mA mB wA0 br er dB0", { true, false, false, true }, true },
	{ "CPU writes, bounced FROM_DEVICE peer idle -> CPU reads back",
	  { WRITES(SLOT) }, 1,
	  "mA bw s0 ew br c0 er", { true, true, true, true }, true },
	{ "CPU read access begins in an open write access -> CPU reads back",
	  { BOTH_WAYS(SLOT) }, 1,
	  "mA bw s0 br c0 er ew", { true, true, false, true }, true },
	{ "CPU write access begins in an open write access -> device reads",
	  { BOTH_WAYS(SLOT) }, 1,
	  "mA bw s0 bw ew ew dA0", { true, false, true, true }, true },
	{ "bounced writer unmaps -> CPU", { WRITES(SLOT) }, 1,
	  "mA wA0 uA br c0 er", { true, false, true, true }, true },

	/* What programs do, played by the model only. */
	{ "START(RW) before each frame, never an END", { BOTH_WAYS(SLOT) }, 1,
	  "mA wA0 bb c0 wA0 bb c0", { true, false, true, false } },
	{ "START(RW) ... END(READ)", { BOTH_WAYS(SLOT) }, 1,
	  "mA bb s0 er dA0 wA1 bb c1", { true, false, false, false } },
	{ "END(RW) alone as a flush", { READS(SLOT) }, 1,
	  "mA s0 eb dA0", { true, false, true, false } },
	{ "START(READ) ... END(WRITE)", { READS(SLOT) }, 1,
	  "mA br s0 ew dA0", { true, false, true, false } },
	{ "START interrupted, the result ignored, END", { BOTH_WAYS(SLOT) }, 1,
	  "mA wA0 s1 eb dA1 br c0", { true, false, false, false } },
	{ "flush and reread in the middle of a long access",
	  { BOTH_WAYS(SLOT) }, 1,
	  "mA bb s0 ew dA0 wA1 br c1 s0 ew dA0 eb",
	  { true, false, true, false } },
	{ "START, START, END: a library and its user", { BOTH_WAYS(SLOT) }, 1,
	  "mA wA0 bb bb c0 eb wA0 bb bb c0 eb", { true, false, true, false } },
	{ "a process forgot END and lives on", { BOTH_WAYS(SLOT) }, 1,
	  "mA bb wA0 br c0 er", { true, false, true, false } },
	{ "another process's END, then a START over the first one's stores",
	  { BOTH_WAYS(SLOT) }, 1,
	  "mA bb xb s1 br c1", { true, true, false, false } },
	{ "a device writes other bytes while a write is held open",
	  { BOTH_WAYS(SLOT) }, 1,
	  "mA bb s0 wA1 br c1 c0", { true, false, false, false } },
	{ "a kernel writer that calls neither begin nor end",
	  { BOTH_WAYS(SLOT) }, 1,
	  "mA wA1 s0 br c0 c1", { true, false, false, false } },
	{ "begin succeeds, the wait for fences fails, the writer unmaps",
	  { WRITES(SLOT) }, 1,
	  "mA bb wA0 uA br c0", { true, false, true, false } },
	{ "a direct writer beside a bounced writer", { WRITES(DIRECT),
						       BOTH_WAYS(SLOT) }, 2,
	  "mA mB wA0 wB1 br c0 c1 er dB0", { true, false, false, false } },
};

const unsigned int model_nr_rows = ARRAY_SIZE(model_rows);

static unsigned int access_of(char c)
{
	return c == 'r' ? DMA_FROM_DEVICE :
	       c == 'w' ? DMA_TO_DEVICE : DMA_BIDIRECTIONAL;
}

/**
 * model_row_is_right() - play a scenario, with no adversary
 * @row: the scenario
 * @plan: by which plan
 *
 * Words of the script: mA and uA map and unmap device A, wA0 has it write page
 * 0, dA0 read it; br, bw, bb are a START for reading, writing, both, er and so
 * on an END; xb is one of another process; s0 and c0 have the CPU store to page
 * 0 and read it.
 *
 * Return: true if every reader read the newest version. A refused mapping is
 * not right.
 */
bool model_row_is_right(const struct model_row *row, enum model_plan plan)
{
	struct model_config config = {
		.arch = &model_archs[0],
		.plan = plan,
		.nr_devices = row->nr_devices,
		.lines = 2,
		.bytes = 1,
		.writes = MODEL_WRITES,
	};
	const char *word = row->script;
	struct model_state state;
	unsigned int open = 0, i;
	bool right = true;

	for (i = 0; i < row->nr_devices; i++)
		config.device[i] = row->device[i];
	model_first_state(&config, &state);

	while (*word) {
		unsigned int a = word[1] - 'A', page = word[1] - '0';
		unsigned int dir = access_of(word[1]);
		unsigned int of_device = word[2] - '0';
		bool writes = dir != DMA_FROM_DEVICE;

		switch (*word) {
		case 'm':
			if (model_refuses(&config, &state, a))
				return false;
			model_event(&config, &state, EVENT_MAP, a, 0, false);
			break;
		case 'u':
			model_event(&config, &state, EVENT_UNMAP, a, 0, false);
			break;
		case 'b':
			model_event(&config, &state, EVENT_BEGIN, 0, dir,
				    false);
			open += writes;
			break;
		case 'e':
			/* The last of its own, or one that leaves another. */
			model_event(&config, &state, EVENT_END, 0, dir,
				    writes && open == 1);
			if (writes && open)
				open--;
			break;
		case 'x':
			model_event(&config, &state, EVENT_END, 0, dir, false);
			break;
		case 'w':
			model_device_write(&config, &state, a, of_device,
					   false);
			break;
		case 'd':
			right &= model_device_read(&config, &state, a,
						   of_device) ==
				 model_newest(&state, of_device);
			break;
		case 's':
			model_cpu_store(&config, &state, page);
			break;
		case 'c':
			right &= model_cpu_load(&config, &state, page) ==
				 model_newest(&state, page);
			break;
		}
		while (*word && *word != ' ')
			word++;
		while (*word == ' ')
			word++;
	}
	return right;
}
