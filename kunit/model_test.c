// SPDX-License-Identifier: GPL-2.0
/*
 * The model: its DMA layer against what the kernel's files say, the driver's
 * plan against every history of every mix, and the plans that are known to be
 * wrong, each of which it must catch.
 *
 * Bounds: histories of one device have two writes, of two devices two in lines
 * of one byte or one in lines of two, of three devices one; on two pages those
 * of two devices are cut off at 7 moves. The native run (make model) goes
 * further, and says how far in docs/hazards.md.
 * Symmetries used: what struct model_walk folds, devices of one type in any
 * order, the bytes of a line, processes by what their calls do.
 *
 * Would miss: what the model does not have: two lines that are not alike for
 * any device, a store that is held back by the CPU's store buffer.
 */
#include <kunit/test.h>
#include <linux/sched.h>
#include <linux/slab.h>

#include "compat.h"
#include "model_checks.h"

#define NODES	655360
#define SLOTS	2097152

/* Where KASAN or emulation makes it many times slower, histories are cut off. */
#define DEPTH	(!IS_ENABLED(CONFIG_UML) || IS_ENABLED(CONFIG_KASAN) ? 8 : 0)

static int model_test_init(struct kunit *test)
{
	struct model_space *space;

	space = kunit_kzalloc(test, sizeof(*space), GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, space);
	test->priv = space;
	space->nodes = NODES;
	space->slots = SLOTS;
	space->node = kvmalloc_array(NODES, sizeof(*space->node), GFP_KERNEL);
	space->table = kvmalloc_array(SLOTS, sizeof(*space->table),
				      GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, space->node);
	KUNIT_ASSERT_NOT_NULL(test, space->table);
	return 0;
}

static void model_test_exit(struct kunit *test)
{
	struct model_space *space = test->priv;

	if (!space)
		return;
	kvfree(space->node);
	kvfree(space->table);
}

/* The DMA layer. A device of each kind, on each architecture. */

static const struct model_arch *arch_named(struct kunit *test,
					   const char *name)
{
	unsigned int i;

	for (i = 0; i < model_nr_archs; i++)
		if (!strcmp(model_archs[i].name, name))
			return &model_archs[i];
	KUNIT_FAIL_AND_ABORT(test, "no architecture %s", name);
	return NULL;
}

static unsigned int kind_named(struct kunit *test, const char *name)
{
	unsigned int i;

	for (i = 0; i < model_nr_kinds; i++)
		if (!strcmp(model_kinds[i].name, name))
			return i;
	KUNIT_FAIL_AND_ABORT(test, "no kind %s", name);
	return 0;
}

/**
 * struct sync_case - one sync of one line
 * @what: what it shows
 * @arch: where
 * @kind: of which device
 * @op: which sync
 * @dir: with which direction
 * @memory: what is in memory afterwards; 1 was before
 * @line: the line of the page afterwards; it was dirty with 2
 * @slot: what is in the slot; 3 was before
 * @slot_line: the line of the slot; it was dirty with 4
 */
struct sync_case {
	const char *what;
	const char *arch;
	const char *kind;
	enum sync_op op;
	enum dma_data_direction dir;
	u8 memory;
	enum model_line line;
	u8 slot;
	enum model_line slot_line;
};

static const struct sync_case sync_cases[] = {
	/* arch/arm/mm/cache-v7.S */
	{ "arm: for_device(FROM_DEVICE) drops a dirty line", "arm",
	  "noncoherent", SYNC_FOR_DEVICE, DMA_FROM_DEVICE, 1, LINE_ABSENT, 3, LINE_DIRTY },
	{ "arm: for_device(BIDIRECTIONAL) cleans", "arm", "noncoherent",
	  SYNC_FOR_DEVICE, DMA_BIDIRECTIONAL, 2, LINE_CLEAN, 3, LINE_DIRTY },
	{ "arm: for_device(TO_DEVICE) cleans", "arm", "noncoherent",
	  SYNC_FOR_DEVICE, DMA_TO_DEVICE, 2, LINE_CLEAN, 3, LINE_DIRTY },
	{ "arm: for_cpu(BIDIRECTIONAL) drops a dirty line", "arm",
	  "noncoherent", SYNC_FOR_CPU, DMA_BIDIRECTIONAL, 1, LINE_ABSENT,
	  3, LINE_DIRTY },
	{ "arm: for_cpu(TO_DEVICE) does nothing", "arm", "noncoherent",
	  SYNC_FOR_CPU, DMA_TO_DEVICE, 1, LINE_DIRTY, 3, LINE_DIRTY },
	/* arch/arm64/mm/dma-mapping.c */
	{ "arm64: for_device(FROM_DEVICE) cleans", "arm64", "noncoherent",
	  SYNC_FOR_DEVICE, DMA_FROM_DEVICE, 2, LINE_CLEAN, 3, LINE_DIRTY },
	{ "arm64: for_cpu(FROM_DEVICE) invalidates", "arm64", "noncoherent",
	  SYNC_FOR_CPU, DMA_FROM_DEVICE, 1, LINE_ABSENT, 3, LINE_DIRTY },
	/* arch/mips/mm/dma-noncoherent.c */
	{ "mips: for_device(BIDIRECTIONAL) invalidates as well", "mips",
	  "noncoherent", SYNC_FOR_DEVICE, DMA_BIDIRECTIONAL, 2, LINE_ABSENT,
	  3, LINE_DIRTY },
	{ "mips: for_cpu() does nothing", "mips", "noncoherent",
	  SYNC_FOR_CPU, DMA_BIDIRECTIONAL, 1, LINE_DIRTY, 3, LINE_DIRTY },
	/* arch/powerpc/mm/dma-noncoherent.c */
	{ "powerpc: for_cpu(BIDIRECTIONAL) writes back first", "powerpc",
	  "noncoherent", SYNC_FOR_CPU, DMA_BIDIRECTIONAL, 2, LINE_ABSENT,
	  3, LINE_DIRTY },
	{ "powerpc: for_cpu(TO_DEVICE) cleans", "powerpc", "noncoherent",
	  SYNC_FOR_CPU, DMA_TO_DEVICE, 2, LINE_CLEAN, 3, LINE_DIRTY },
	/* arch/parisc/kernel/pci-dma.c */
	{ "parisc: for_device(FROM_DEVICE) writes back first", "parisc",
	  "noncoherent", SYNC_FOR_DEVICE, DMA_FROM_DEVICE, 2, LINE_ABSENT, 3, LINE_DIRTY },
	{ "parisc: for_cpu(FROM_DEVICE) does not", "parisc", "noncoherent",
	  SYNC_FOR_CPU, DMA_FROM_DEVICE, 1, LINE_ABSENT, 3, LINE_DIRTY },
	/* arch/openrisc/kernel/dma.c */
	{ "openrisc: for_device(BIDIRECTIONAL) does nothing", "openrisc",
	  "noncoherent", SYNC_FOR_DEVICE, DMA_BIDIRECTIONAL, 1, LINE_DIRTY,
	  3, LINE_DIRTY },
	/* kernel/dma/direct.c */
	{ "a coherent device's sync does nothing", "arm", "coherent",
	  SYNC_FOR_CPU, DMA_BIDIRECTIONAL, 1, LINE_DIRTY, 3, LINE_DIRTY },
	{ "slot lines are maintained, not the pages': for_cpu", "arm",
	  "copy, does not snoop", SYNC_FOR_CPU, DMA_TO_DEVICE, 1, LINE_DIRTY, 3,
	  LINE_DIRTY },
	{ "for_cpu maintains, then copies", "arm", "copy, does not snoop",
	  SYNC_FOR_CPU, DMA_BIDIRECTIONAL, 1, LINE_DIRTY, 3, LINE_CLEAN },
	{ "for_device copies, then maintains", "arm", "copy, does not snoop",
	  SYNC_FOR_DEVICE, DMA_BIDIRECTIONAL, 1, LINE_DIRTY, 2, LINE_CLEAN },
	/* kernel/dma/swiotlb.c */
	{ "for_device(TO_DEVICE) copies to the slot", "arm", "copy",
	  SYNC_FOR_DEVICE, DMA_TO_DEVICE, 1, LINE_DIRTY, 2, LINE_DIRTY },
	{ "for_device(FROM_DEVICE) never refreshes a slot", "arm", "copy",
	  SYNC_FOR_DEVICE, DMA_FROM_DEVICE, 1, LINE_DIRTY, 3, LINE_DIRTY },
	{ "for_cpu(TO_DEVICE) never copies back", "arm", "copy",
	  SYNC_FOR_CPU, DMA_TO_DEVICE, 1, LINE_DIRTY, 3, LINE_DIRTY },
};

static void sync_case_name(const struct sync_case *c, char *name)
{
	strscpy(name, c->what, KUNIT_PARAM_DESC_SIZE);
}

KUNIT_ARRAY_PARAM(sync, sync_cases, sync_case_name);

/* As an exporter sees it that does not merge: copies are slots. */
static void lay_out(struct kunit *test, const char *arch, const char *kind,
		    struct model_config *config, struct model_state *state)
{
	*config = (struct model_config) {
		.arch = arch_named(test, arch),
		.plan = PLAN_STOCK,
		.nr_devices = 1,
		.lines = 1,
		.bytes = 1,
	};
	config->device[0].kind = kind_named(test, kind);
	*state = (struct model_state) { .nr_writes = 3 };
	state->page[0] = (struct model_memory) { { 1 }, LINE_DIRTY, { 2 } };
	state->copy[0][0] = (struct model_memory) { { 3 }, LINE_DIRTY, { 4 } };
}

static void a_sync_does_what_the_kernel_does(struct kunit *test)
{
	const struct sync_case *c = test->param_value;
	struct model_config config;
	struct model_state state;

	lay_out(test, c->arch, c->kind, &config, &state);
	model_sync(&config, &state, 0, 0, c->op, c->dir);
	KUNIT_EXPECT_EQ(test, state.page[0].byte[0], c->memory);
	KUNIT_EXPECT_EQ(test, state.page[0].line, c->line);
	KUNIT_EXPECT_EQ(test, state.copy[0][0].byte[0], c->slot);
	KUNIT_EXPECT_EQ(test, state.copy[0][0].line, c->slot_line);
}

/* swiotlb_tbl_map_single(): whatever the direction; the lines stay dirty. */
static void a_map_fills_the_slot_through_the_caches(struct kunit *test)
{
	struct model_config config;
	struct model_state state;

	lay_out(test, "arm", "copy, does not snoop", &config, &state);
	state.copy[0][0].line = LINE_ABSENT;
	model_fill_slot(&config, &state, 0, 0);
	KUNIT_EXPECT_EQ(test, state.copy[0][0].byte[0], 3);
	KUNIT_EXPECT_EQ(test, state.copy[0][0].line, LINE_DIRTY);
	KUNIT_EXPECT_EQ(test, state.copy[0][0].cached[0], 2);
}

/* for_cpu of a slot: what the device wrote, not the old line. */
static void a_copy_back_dirties_the_page(struct kunit *test)
{
	struct model_config config;
	struct model_state state;

	lay_out(test, "arm", "copy, does not snoop", &config, &state);
	model_sync(&config, &state, 0, 0, SYNC_FOR_CPU, DMA_BIDIRECTIONAL);
	KUNIT_EXPECT_EQ(test, state.page[0].cached[0], 3);
	KUNIT_EXPECT_EQ(test, state.page[0].line, LINE_DIRTY);
}

/* H14: in memory, or dirty in a cache; both are seen by who snoops. */
static void a_coherent_write_is_seen_by_snooping(struct kunit *test)
{
	struct model_config config;
	struct model_state state;
	unsigned int cached;

	for (cached = 0; cached < 2; cached++) {
		lay_out(test, "arm", "coherent", &config, &state);
		model_device_write(&config, &state, 0, 0, cached);
		KUNIT_EXPECT_EQ(test, state.page[0].byte[0], cached ? 1 : 5);
		KUNIT_EXPECT_EQ(test, state.page[0].line,
				cached ? LINE_DIRTY : LINE_ABSENT);
		KUNIT_EXPECT_EQ(test, model_device_read(&config, &state, 0, 0),
				5);
		KUNIT_EXPECT_EQ(test, model_cpu_load(&config, &state, 0), 5);
	}
}

/* What comes with a byte: its neighbour, written back, not lost. */
static void a_coherent_write_keeps_the_rest_of_a_dirty_line(struct kunit *test)
{
	struct model_config config;
	struct model_state state;

	lay_out(test, "arm", "coherent", &config, &state);
	config.bytes = 2;
	state.page[0].byte[1] = 1;
	state.page[0].cached[1] = 3;
	model_device_write(&config, &state, 0, 0, false);
	KUNIT_EXPECT_EQ(test, state.page[0].byte[0], 5);
	KUNIT_EXPECT_EQ(test, state.page[0].byte[1], 3);
}

static void a_noncoherent_write_goes_past_the_cache(struct kunit *test)
{
	struct model_config config;
	struct model_state state;

	lay_out(test, "arm", "noncoherent", &config, &state);
	model_device_write(&config, &state, 0, 0, true);
	KUNIT_EXPECT_EQ(test, state.page[0].byte[0], 5);
	KUNIT_EXPECT_EQ(test, model_cpu_load(&config, &state, 0), 2);
	KUNIT_EXPECT_EQ(test, model_device_read(&config, &state, 0, 0), 5);
}

/* H18: a step of one part leaves the other page alone. */
static void a_step_touches_its_part_only(struct kunit *test)
{
	struct model_config config = {
		.arch = arch_named(test, "arm"),
		.nr_devices = 1,
		.lines = 2,
		.bytes = 1,
	};
	struct model_state state;

	config.device[0].kind = kind_named(test, "noncoherent, partly copy");
	config.device[0].dir = DMA_BIDIRECTIONAL;
	model_first_state(&config, &state);
	model_event(&config, &state, EVENT_MAP, 0, 0, false);
	model_device_write(&config, &state, 0, 0, false);
	model_device_write(&config, &state, 0, 1, false);
	KUNIT_EXPECT_EQ(test, state.page[0].byte[0], 2);
	KUNIT_EXPECT_EQ(test, state.copy[1][0].byte[0], 3);
	KUNIT_EXPECT_EQ(test, state.page[1].byte[0], 1);
	model_event(&config, &state, EVENT_BEGIN, 0, DMA_FROM_DEVICE, false);
	KUNIT_EXPECT_EQ(test, model_cpu_load(&config, &state, 0), 2);
	KUNIT_EXPECT_EQ(test, model_cpu_load(&config, &state, 1), 3);
}

/* Both sides wrote: each byte from where it was written, one of a conflict. */
static void a_merge_moves_what_changed(struct kunit *test)
{
	struct model_config config = {
		.arch = arch_named(test, "x86"),
		.nr_devices = 1,
		.lines = 1,
		.bytes = 2,
	};
	struct model_state state;

	config.device[0].kind = kind_named(test, "copy");
	config.device[0].dir = DMA_BIDIRECTIONAL;
	model_first_state(&config, &state);
	model_event(&config, &state, EVENT_MAP, 0, 0, false);
	model_device_write(&config, &state, 0, 0, false);
	model_cpu_store(&config, &state, 1);
	model_event(&config, &state, EVENT_BEGIN, 0, DMA_FROM_DEVICE, false);
	KUNIT_EXPECT_EQ(test, model_cpu_load(&config, &state, 0), 2);
	KUNIT_EXPECT_EQ(test, model_cpu_load(&config, &state, 1), 3);
	KUNIT_EXPECT_EQ(test, model_device_read(&config, &state, 0, 1), 1);
	model_event(&config, &state, EVENT_END, 0, DMA_FROM_DEVICE, false);
	KUNIT_EXPECT_EQ(test, model_device_read(&config, &state, 0, 0), 2);
	KUNIT_EXPECT_EQ(test, model_device_read(&config, &state, 0, 1), 3);
}

/* The adversary and the calls alone, with one store. */
static void nobody_maps(struct kunit *test)
{
	struct model_config config = {
		.arch = arch_named(test, "arm"),
		.lines = 1,
		.bytes = 1,
		.writes = 1,
	};
	struct model_result result;

	model_explore(&config, test->priv, &result);
	KUNIT_EXPECT_EQ(test, result.verdict, MODEL_RIGHT);
	KUNIT_EXPECT_EQ(test, result.states, 12);
}

/* The driver's plan. */

static void print_line(void *context, const char *line)
{
	struct kunit *test = context;

	kunit_info(test, "%s", line);
}

static void tell(struct kunit *test, const struct model_config *config,
		 const struct model_result *result)
{
	char mix[240];

	model_describe_mix(config, mix, sizeof(mix));
	kunit_info(test, "%s", mix);
	model_story(config, test->priv, result, print_line, test);
}

/* Explore a walk; it must have @mixes mixes, and none wrong. */
static void explore(struct kunit *test, struct model_walk walk,
		    unsigned int mixes)
{
	unsigned int explored = 0, largest = 0, deepest = 0;
	struct model_config config;
	struct model_result result;
	u64 states = 0;

	while (model_walk_next(&walk, &config)) {
		model_explore(&config, test->priv, &result);
		cond_resched();
		explored++;
		states += result.states;
		largest = max(largest, result.states);
		deepest = max(deepest, result.depth);
		if (result.verdict == MODEL_WRONG)
			tell(test, &config, &result);
		KUNIT_ASSERT_EQ(test, result.verdict, MODEL_RIGHT);
	}
	KUNIT_EXPECT_EQ(test, explored, mixes);
	kunit_info(test, "%u mixes, %llu states, at most %u, histories of up to %u moves",
		   explored, states, largest, deepest);
}

static void one_device_is_never_wrong(struct kunit *test)
{
	explore(test, (struct model_walk) {
		.nr_devices = 1, .lines = 1, .bytes = 2, .writes = 2,
		.arch = -1, .policy = -1,
	}, 252);
}

/* Whoever has two faces needs two pages. */
static void one_device_is_never_wrong_on_two_pages(struct kunit *test)
{
	explore(test, (struct model_walk) {
		.nr_devices = 1, .lines = 2, .bytes = 1, .writes = 1,
		.arch = -1, .policy = -1, .fold = FOLD_SAME, .depth = DEPTH,
	}, 32);
}

/* Conflicts of two bytes in a line need two writes: make model has them. */
static void two_devices_are_never_wrong_after_a_write(struct kunit *test)
{
	explore(test, (struct model_walk) {
		.nr_devices = 2, .lines = 1, .bytes = 2, .writes = 1,
		.arch = -1, .policy = -1, .fold = FOLD_SAME, .depth = DEPTH,
	}, 237);
}

static void two_devices_are_never_wrong(struct kunit *test)
{
	explore(test, (struct model_walk) {
		.nr_devices = 2, .lines = 1, .bytes = 1, .writes = 2,
		.arch = -1, .policy = -1, .fold = FOLD_COVERED, .depth = DEPTH,
	}, 109);
}

static void two_devices_are_not_wrong_soon_on_two_pages(struct kunit *test)
{
	explore(test, (struct model_walk) {
		.nr_devices = 2, .lines = 2, .bytes = 1, .writes = 2,
		.arch = -1, .policy = -1, .fold = FOLD_COVERED, .depth = 7,
	}, 376);
}

static void three_devices_are_never_wrong_after_a_write(struct kunit *test)
{
	explore(test, (struct model_walk) {
		.nr_devices = 3, .lines = 1, .bytes = 1, .writes = 1,
		.arch = -1, .policy = -1, .fold = FOLD_COVERED, .depth = DEPTH,
	}, 498);
}

/* What must be found wrong, each by a shortest story. */

static const void *wrong_gen_params(GENERATOR_ARGS)
{
	const struct model_wrong *next = prev;

	next = next ? next + 1 : model_wrongs;
	if (next == model_wrongs + model_nr_wrongs)
		return NULL;
	strscpy(desc, next->name, KUNIT_PARAM_DESC_SIZE);
	return next;
}

static void what_is_wrong_is_caught(struct kunit *test)
{
	struct model_config config;
	struct model_result result;

	KUNIT_EXPECT_TRUE(test, model_find_shortest(test->param_value,
						    test->priv, &config,
						    &result));
	KUNIT_EXPECT_EQ(test, result.verdict, MODEL_WRONG);
}

static const void *row_gen_params(GENERATOR_ARGS)
{
	const struct model_row *next = prev;

	next = next ? next + 1 : model_rows;
	if (next == model_rows + model_nr_rows)
		return NULL;
	strscpy(desc, next->what, KUNIT_PARAM_DESC_SIZE);
	return next;
}

/* What stock udmabuf and the system heap were seen to do in QEMU, and more. */
static void scenarios_end_as_in_a_real_kernel(struct kunit *test)
{
	const struct model_row *row = test->param_value;
	unsigned int i;

	for (i = 0; i < MODEL_ROW_PLANS; i++)
		KUNIT_EXPECT_EQ_MSG(test,
				    model_row_is_right(row, model_row_plans[i]),
				    row->right[i], "plan %u",
				    model_row_plans[i]);
}

static struct kunit_case model_test_cases[] = {
	KUNIT_CASE_PARAM(a_sync_does_what_the_kernel_does, sync_gen_params),
	KUNIT_CASE(a_map_fills_the_slot_through_the_caches),
	KUNIT_CASE(a_copy_back_dirties_the_page),
	KUNIT_CASE(a_coherent_write_is_seen_by_snooping),
	KUNIT_CASE(a_coherent_write_keeps_the_rest_of_a_dirty_line),
	KUNIT_CASE(a_noncoherent_write_goes_past_the_cache),
	KUNIT_CASE(a_step_touches_its_part_only),
	KUNIT_CASE(a_merge_moves_what_changed),
	KUNIT_CASE(nobody_maps),
	KUNIT_CASE_PARAM(scenarios_end_as_in_a_real_kernel, row_gen_params),
	KUNIT_CASE_PARAM_ATTR(what_is_wrong_is_caught, wrong_gen_params,
			      { .speed = KUNIT_SPEED_SLOW }),
	KUNIT_CASE_SLOW(one_device_is_never_wrong),
	KUNIT_CASE_SLOW(one_device_is_never_wrong_on_two_pages),
	KUNIT_CASE_SLOW(two_devices_are_never_wrong_after_a_write),
	KUNIT_CASE_SLOW(two_devices_are_never_wrong),
	KUNIT_CASE_SLOW(two_devices_are_not_wrong_soon_on_two_pages),
	KUNIT_CASE_SLOW(three_devices_are_never_wrong_after_a_write),
	{ }
};

static struct kunit_suite model_test_suite = {
	.name = "udmabuf_fanout_model",
	.init = model_test_init,
	.exit = model_test_exit,
	.test_cases = model_test_cases,
};

kunit_test_suite(model_test_suite);
