// SPDX-License-Identifier: GPL-2.0
/*
 * The native run of the model in kunit/ against driver/sync_plan.c, unchanged:
 * more peers than a KUnit suite has time for, on all processors.
 */
#include <argp.h>
#include <errno.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "../../kunit/model.h"
#include "../../kunit/model_checks.h"

#define NODES_PER_WORKER	16777216

enum {
	OPT_PEERS = 'p',
	OPT_SECONDS = 's',
	OPT_POLICY = 'P',
	OPT_PLAN = 'l',
	OPT_ARCH = 'a',
	OPT_JOBS = 'j',
	OPT_STORY = 'S',
	OPT_HAZARDS = 'H',
};

static struct {
	unsigned int peers;
	double seconds;
	int policy;		/* -1: both */
	const char *plan;	/* NULL: the driver's, and the wrong ones */
	int arch;		/* -1: all */
	long jobs;
	bool story;
	bool hazards;
} opt = {
	.peers = 3, .seconds = 1200, .policy = -1, .arch = -1,
};

static const struct argp_option options[] = {
	{ "peers", OPT_PEERS, "N", 0, "explore mixes of up to N devices (3)", 0 },
	{ "seconds", OPT_SECONDS, "S", 0,
	  "stop after S seconds (1200), 0: never", 0 },
	{ "policy", OPT_POLICY, "NAME", 0, "minimal or all (both)", 0 },
	{ "plan", OPT_PLAN, "NAME", 0,
	  "judge only this plan: driver, or one that is known to be wrong", 0 },
	{ "arch", OPT_ARCH, "NAME", 0, "only this architecture (all)", 0 },
	{ "jobs", OPT_JOBS, "N", 0, "threads (one a processor)", 0 },
	{ "story", OPT_STORY, NULL, 0,
	  "tell the shortest counterexample of each plan", 0 },
	{ "hazards", OPT_HAZARDS, NULL, 0,
	  "print the generated part of docs/hazards.md and stop", 0 },
	{ 0 }
};

static double now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec + t.tv_nsec / 1e9;
}

static error_t parse(int key, char *arg, struct argp_state *state)
{
	unsigned int i;

	switch (key) {
	case OPT_PEERS:
		opt.peers = atoi(arg);
		if (opt.peers < 1 || opt.peers > MODEL_DEVICES)
			argp_error(state, "--peers: 1 to %d", MODEL_DEVICES);
		break;
	case OPT_SECONDS:
		opt.seconds = atof(arg);
		break;
	case OPT_POLICY:
		if (strcmp(arg, "minimal") && strcmp(arg, "all"))
			argp_error(state, "--policy: minimal or all");
		opt.policy = strcmp(arg, "all") ? SYNC_POLICY_MINIMAL :
						  SYNC_POLICY_ALL;
		break;
	case OPT_PLAN:
		opt.plan = arg;
		for (i = 0; i < model_nr_wrongs; i++)
			if (!strcmp(arg, model_wrongs[i].name))
				return 0;
		if (!strcmp(arg, "driver"))
			break;
		fprintf(stderr, "plans:\n  %-17s %s\n", "driver",
			"what driver/sync_plan.c does");
		for (i = 0; i < model_nr_wrongs; i++)
			fprintf(stderr, "  %-17s %s\n", model_wrongs[i].name,
				model_wrongs[i].what);
		argp_error(state, "--plan: none of these");
		break;
	case OPT_ARCH:
		for (i = 0; i < model_nr_archs; i++)
			if (!strcmp(arg, model_archs[i].name))
				opt.arch = i;
		if (opt.arch >= 0)
			break;
		fprintf(stderr, "architectures:\n");
		for (i = 0; i < model_nr_archs; i++)
			fprintf(stderr, "  %-14s %s\n", model_archs[i].name,
				model_archs[i].files);
		argp_error(state, "--arch: none of these");
		break;
	case OPT_JOBS:
		opt.jobs = atoi(arg);
		break;
	case OPT_STORY:
		opt.story = true;
		break;
	case OPT_HAZARDS:
		opt.hazards = true;
		break;
	default:
		return ARGP_ERR_UNKNOWN;
	}
	return 0;
}

static const struct argp argp = {
	options, parse, NULL,
	"Explore every history of every mix of devices, and judge the plan in\n"
	"driver/sync_plan.c by it. Exit status: 0 if it is right and every plan\n"
	"known to be wrong was caught, 1 if not, 2 for usage.",
	NULL, NULL, NULL
};

static struct model_space new_space(u32 nodes)
{
	struct model_space space = { .nodes = nodes, .slots = 2 * nodes };

	space.node = malloc(sizeof(*space.node) * (size_t)nodes);
	space.table = malloc(sizeof(*space.table) * (size_t)space.slots);
	if (!space.node || !space.table) {
		fprintf(stderr, "model: no memory for %u states; try --jobs 1\n",
			nodes);
		exit(2);
	}
	return space;
}

static void print_line(void *context, const char *line)
{
	fprintf(context, "%s\n", line);
}

static void print_story(FILE *out, const struct model_config *config,
			const struct model_space *space,
			const struct model_result *result)
{
	char mix[320];

	model_describe_mix(config, mix, sizeof(mix));
	fprintf(out, "%s\n", mix);
	model_story(config, space, result, print_line, out);
}

/* One stretch of mixes, shared by all workers. */
static struct {
	pthread_mutex_t lock;
	struct model_walk walk;
	const char *what;
	unsigned long mixes, total;
	u64 states, moves;
	u32 deepest, largest;
	unsigned int wrong, full;
	bool done, out_of_time;
	double began;
} run = { .lock = PTHREAD_MUTEX_INITIALIZER };

static double deadline;

static void *work(void *unused)
{
	struct model_space space = new_space(NODES_PER_WORKER);
	struct model_config config;
	struct model_result result;

	(void)unused;
	for (;;) {
		pthread_mutex_lock(&run.lock);
		if (deadline && now() > deadline)
			run.out_of_time = true;
		if (run.done || run.out_of_time ||
		    !model_walk_next(&run.walk, &config)) {
			run.done = true;
			pthread_mutex_unlock(&run.lock);
			break;
		}
		pthread_mutex_unlock(&run.lock);

		model_explore(&config, &space, &result);

		pthread_mutex_lock(&run.lock);
		run.mixes++;
		run.states += result.states;
		run.moves += result.moves;
		if (result.depth > run.deepest)
			run.deepest = result.depth;
		if (result.states > run.largest)
			run.largest = result.states;
		run.full += result.verdict == MODEL_FULL;
		if (result.verdict == MODEL_WRONG && run.wrong++ < 3) {
			printf("\nWRONG ");
			print_story(stdout, &config, &space, &result);
		}
		pthread_mutex_unlock(&run.lock);
	}
	free(space.node);
	free(space.table);
	return NULL;
}

static void progress(bool last)
{
	double t = now() - run.began;

	if (!last && !isatty(STDERR_FILENO))
		return;
	fprintf(last ? stdout : stderr,
		"%s%-33s %4lu of %lu mixes, %11llu states, %4.0f s, %.2f M/s%s",
		last ? "" : "\r", run.what, run.mixes, run.total,
		(unsigned long long)run.states, t,
		t > 0 ? run.states / t / 1e6 : 0, last ? "\n" : "");
	fflush(last ? stdout : stderr);
}

static bool stretch(const char *what, struct model_walk walk)
{
	struct model_walk counted = walk;
	struct model_config config;
	pthread_t worker[64];
	long i;

	run.walk = walk;
	run.what = what;
	run.mixes = 0;
	run.total = 0;
	run.states = 0;
	run.moves = 0;
	run.deepest = 0;
	run.largest = 0;
	run.wrong = 0;
	run.full = 0;
	run.done = false;
	run.began = now();
	while (model_walk_next(&counted, &config))
		run.total++;
	for (i = 0; i < opt.jobs; i++)
		if (pthread_create(&worker[i], NULL, work, NULL)) {
			fprintf(stderr, "model: cannot start a thread\n");
			exit(2);
		}
	while (!run.done) {
		struct timespec pause = { 0, 300 * 1000 * 1000 };

		nanosleep(&pause, NULL);
		pthread_mutex_lock(&run.lock);
		progress(false);
		pthread_mutex_unlock(&run.lock);
	}
	for (i = 0; i < opt.jobs; i++)
		pthread_join(worker[i], NULL);
	if (isatty(STDERR_FILENO))
		fprintf(stderr, "\r\033[K");
	progress(true);
	printf("  %u wrong; largest: %u states, %u moves%s\n",
	       run.wrong, run.largest, run.deepest,
	       run.mixes < run.total ? "; INCOMPLETE: time is up" : "");
	if (run.full)
		printf("  %u mixes did not fit into memory\n", run.full);
	return run.wrong || run.full;
}

/* The shortest counterexample of a wrong plan. Returns false if none. */
static bool catch(const struct model_wrong *wrong, struct model_space *space,
		  bool story)
{
	struct model_result result;
	struct model_config config;

	if (!model_find_shortest(wrong, space, &config, &result)) {
		printf("%-20s NOT CAUGHT: %s\n", wrong->name, wrong->what);
		return false;
	}
	printf("%-20s caught in %2u moves: %s\n", wrong->name,
	       space->node[result.bad].depth, wrong->what);
	if (story) {
		print_story(stdout, &config, space, &result);
		printf("\n");
	}
	return true;
}

static void print_rows(void)
{
	unsigned int i, plan;

	printf("### What programs do\n\n");
	printf("Two devices, one of which needs a copy; in the other columns it has a\n"
	       "swiotlb slot. The rows above the line were seen to end so in QEMU under\n"
	       "a stock kernel, for stock udmabuf and the system heap. Words of a script: mA,\n"
	       "uA map and unmap, wA0 the device writes page 0, dA0 it reads it, bb, br, bw\n"
	       "START for both, reading, writing, eb and so on END, xb another process's,\n"
	       "s0, c0 the CPU stores, reads.\n\n");
	printf("| | script | this driver | stock | system heap | first stage |\n"
	       "|---|---|---|---|---|---|\n");
	for (i = 0; i < model_nr_rows; i++) {
		if (i && model_rows[i - 1].ran && !model_rows[i].ran)
			printf("| --- | | | | | |\n");
		printf("| %s | `%s` |", model_rows[i].what,
		       model_rows[i].script);
		for (plan = 0; plan < MODEL_ROW_PLANS; plan++)
			printf(" %s |", model_row_is_right(&model_rows[i],
							   model_row_plans[plan]) ?
			       "right" : "**wrong**");
		printf("\n");
	}
	printf("\nThe first stage refuses two writers of which one is bounced (H11); that\n"
	       "counts as wrong.\n\n");
}

static void print_hazards(struct model_space *space)
{
	unsigned int i;

	print_rows();
	for (i = 0; i < model_nr_wrongs; i++) {
		const struct model_wrong *wrong = &model_wrongs[i];
		struct model_result result;
		struct model_config config;

		printf("### %s: %s\n\n", wrong->name, wrong->what);
		if (!model_find_shortest(wrong, space, &config, &result)) {
			printf("No counterexample.\n\n");
			continue;
		}
		printf("```\n");
		print_story(stdout, &config, space, &result);
		printf("```\n\n");
	}
}

static bool check_table(void)
{
	static const char * const names[MODEL_ROW_PLANS] = {
		"driver", "stock", "access-direction", "first-stage",
	};
	unsigned int i, plan, differs = 0;

	for (i = 0; i < model_nr_rows; i++)
		for (plan = 0; plan < MODEL_ROW_PLANS; plan++)
			if (model_row_is_right(&model_rows[i],
					       model_row_plans[plan]) !=
			    model_rows[i].right[plan]) {
				printf("%s, %s: not as in the table\n",
				       names[plan], model_rows[i].what);
				differs++;
			}
	printf("%u scenarios, some of which ran on a stock kernel in QEMU: %u differ\n",
	       model_nr_rows, differs);
	return differs;
}

/* Place in model_archs: it covers most of the others. */
#define ARM	1

/* What the whole run explores. */
static const struct {
	const char *what;
	struct model_walk walk;
} stretches[] = {
	{ "1 device, 3 writes", {
		.nr_devices = 1, .lines = 1, .bytes = 2, .writes = 3,
		.arch = -1, .policy = -1, .fold = FOLD_NOTHING } },
	{ "1 device, 2 writes, vmap", {
		.nr_devices = 1, .lines = 1, .bytes = 2, .writes = 2,
		.arch = -1, .policy = SYNC_POLICY_MINIMAL, .fold = FOLD_SAME,
		.flags = MODEL_KERNEL } },
	{ "1 device, 2 pages, 3 writes", {
		.nr_devices = 1, .lines = 2, .bytes = 1, .writes = 3,
		.arch = -1, .policy = -1, .fold = FOLD_COVERED } },
	{ "2 devices, 2 writes", {
		.nr_devices = 2, .lines = 1, .bytes = 2, .writes = 2,
		.arch = -1, .policy = -1, .fold = FOLD_SAME } },
	{ "2 devices, 2 pages, 1 write", {
		.nr_devices = 2, .lines = 2, .bytes = 1, .writes = 1,
		.arch = -1, .policy = -1, .fold = FOLD_COVERED } },
	{ "3 devices, 1 write", {
		.nr_devices = 3, .lines = 1, .bytes = 1, .writes = 1,
		.arch = -1, .policy = -1, .fold = FOLD_COVERED } },
	{ "2 devices, 2 pages, 2 writes, arm", {
		.nr_devices = 2, .lines = 2, .bytes = 1, .writes = 2,
		.arch = ARM, .policy = SYNC_POLICY_MINIMAL,
		.fold = FOLD_SAME } },
	{ "3 devices, 2 writes, arm", {
		.nr_devices = 3, .lines = 1, .bytes = 1, .writes = 2,
		.arch = ARM, .policy = SYNC_POLICY_MINIMAL,
		.fold = FOLD_SAME } },
	{ "2 devices, 3 writes, arm", {
		.nr_devices = 2, .lines = 1, .bytes = 2, .writes = 3,
		.arch = ARM, .policy = SYNC_POLICY_MINIMAL, .fold = FOLD_SAME,
		/* With a copy that has a line of its own: 33 million states. */
		.kinds = MODEL_COHERENT | MODEL_NONCOHERENT | MODEL_COPY } },
};

int main(int argc, char **argv)
{
	struct model_space space;
	bool failed = false;
	unsigned int i;

	argp_parse(&argp, argc, argv, 0, NULL, NULL);
	if (opt.jobs < 1)
		opt.jobs = sysconf(_SC_NPROCESSORS_ONLN);
	if (opt.jobs > 64)
		opt.jobs = 64;
	setvbuf(stdout, NULL, _IOLBF, 0);
	if (opt.seconds > 0)
		deadline = now() + opt.seconds;
	space = new_space(1 << 22);

	if (opt.hazards) {
		print_hazards(&space);
		return 0;
	}

	for (i = 0; i < model_nr_wrongs; i++)
		if (!opt.plan || !strcmp(opt.plan, model_wrongs[i].name))
			failed |= !catch(&model_wrongs[i], &space,
					 opt.story || opt.plan);
	if (opt.plan && strcmp(opt.plan, "driver"))
		return failed;
	if (!opt.plan)
		failed |= check_table();

	for (i = 0; i < ARRAY_SIZE(stretches); i++) {
		struct model_walk walk = stretches[i].walk;

		if (walk.nr_devices > opt.peers)
			continue;
		if (opt.arch >= 0)
			walk.arch = opt.arch;
		if (opt.policy >= 0)
			walk.policy = opt.policy;
		failed |= stretch(stretches[i].what, walk);
		if (run.out_of_time)
			break;
	}
	printf("%s\n", failed ? "FAILED" : !run.out_of_time ?
	       "no history found that the plan gets wrong" :
	       "nothing wrong so far, but not all explored: try --seconds 0");
	return failed;
}
