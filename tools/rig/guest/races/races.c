// SPDX-License-Identifier: GPL-2.0
/*
 * Races: threads and processes that do, for some seconds, what must not get
 * into each other's way. What they see is checked where it is known, and what
 * must hold when all is quiet again. Data races are for KCSAN to tell, locks for
 * lockdep.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../core/buffers.h"
#include "../core/report.h"
#include "actions.h"
#include "calls.h"
#include "quiet.h"
#include "races.h"

static const struct race races[] = {
	{ "map and unmap against accesses", true, NULL, {
		&do_come_and_go, &do_come_and_go, &do_write_own_page,
		&do_write_own_page, &do_read_all, &do_read_debugfs } },
	{ "two processes that are killed", true, NULL, {
		&do_live_and_die, &do_live_and_die, &do_come_and_go,
		&do_read_all } },
	{ "signals against fences", false, expect_signals, {
		&do_wait_for_device, &do_wait_for_device, &do_pester } },
	{ "parameters in mid-flight", true, NULL, {
		&do_turn_knobs, &do_read_knobs, &do_come_and_go,
		&do_write_own_page, &do_make_use_close } },
	{ "everything against close", false, NULL, {
		&do_make_publish_close, &do_use_published, &do_use_published,
		&do_read_debugfs } },
	{ "faults against unmap", false, open_windows, {
		&do_map_window, &do_map_window, &do_clear_window,
		&do_touch_window, &do_touch_window } },
	{ "create against seals", false, NULL, {
		&do_make_of_sealed, &do_seal } },
	{ "everything against unload", false, NULL, {
		&do_unload_and_load, &do_make_use_close, &do_read_debugfs,
		&do_read_knobs } },
};

static void *work(void *arg)
{
	struct worker *w = arg;

	while (!stopped(w->stage))
		w->action->step(w);
	return NULL;
}

static void start_workers(struct stage *stage, unsigned int seed)
{
	const struct action *action;
	struct worker *w;
	unsigned int i;

	for (i = 0; i < WORKERS_MAX; i++) {
		action = stage->race->actions[i];
		if (!action)
			break;
		w = &stage->worker[i];
		w->stage = stage;
		w->action = action;
		w->index = i;
		w->seed = seed * WORKERS_MAX + i;
		w->run.attachment[0] = -1;
		w->importer = open("/dev/edu-importer", O_RDWR | O_CLOEXEC);
		w->memfd = sealed_memfd(SMALL_PAGES * PAGE, 0);
		if (w->importer < 0 ||
		    pthread_create(&w->thread, NULL, work, w)) {
			wrong(stage, "cannot start: %s", strerror(errno));
			break;
		}
	}
}

static void join_workers(struct stage *stage)
{
	struct worker *w;

	for (w = stage->worker; w < stage->worker + WORKERS_MAX; w++) {
		if (!w->thread)
			break;
		pthread_join(w->thread, NULL);
		if (!w->done)
			wrong(stage, "%s never did it", w->action->name);
		if (w->action->both && !w->refused)
			wrong(stage, "%s was never refused", w->action->name);
	}
}

static void play(struct stage *stage, unsigned int seconds, unsigned int seed)
{
	struct run *r = &stage->run;
	unsigned int tenths;

	r->exporter = stage->exporter;
	r->made_of = PAGES;
	if (stage->race->prepare)
		stage->race->prepare(stage);
	if (setjmp(r->end)) {
		wrong(stage, "when quiet: %s %s %s", r->outcome, r->step,
		      r->detail);
		return;
	}
	if (stage->race->lasting)
		make_buffer(r);
	start_workers(stage, seed);
	for (tenths = 0; tenths < 10 * seconds && !stopped(stage); tenths++)
		usleep(100000);
	stop(stage);
	join_workers(stage);
	if (stage->failed)
		return;
	if (!stage->race->lasting)
		make_buffer(r);
	round_trip(r);
	close_buffer(r);
}

static void report_race(const struct stage *stage)
{
	const struct worker *w;
	char text[1024] = "";
	size_t used = 0;

	for (w = stage->worker; w < stage->worker + WORKERS_MAX; w++) {
		if (!w->action)
			break;
		used += snprintf(text + used, sizeof(text) - used,
				 "%s[\"%s\", %lu, %lu]", used ? ", " : "",
				 w->action->name, w->done, w->refused);
	}
	emit("{\"race\": \"%s\", \"wrong\": \"%s\", \"workers\": [%s]}",
	     stage->race->name, stage->wrong, text);
}

static void run_race(const struct race *race, const struct exporter *exporter,
		     unsigned int seconds, unsigned int seed)
{
	struct stage *stage;
	int status = -1;
	pid_t pid;

	stage = mmap(NULL, sizeof(*stage), PROT_READ | PROT_WRITE,
		     MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (stage == MAP_FAILED)
		abort();
	stage->race = race;
	stage->exporter = exporter;
	stage->published = -1;
	pid = fork();
	if (!pid) {
		play(stage, seconds, seed);
		_exit(0);
	}
	if (pid < 0 || waitpid(pid, &status, 0) != pid || status)
		wrong(stage, "the program ended with status 0x%x", status);
	clean_up(stage);
	report_race(stage);
	munmap(stage, sizeof(*stage));
}

int run_races(const struct exporter *exporters, unsigned int count)
{
	unsigned int seconds = atoi(getenv("RIG_SECONDS") ?: "10");
	unsigned int seed = atoi(getenv("RIG_SEED") ?: "1"), i;
	const char *only = getenv("RIG_RACE") ?: "";
	char *const hostile[] = { "/hostile", "--seed",
				  getenv("RIG_SEED") ?: "1", "--seconds",
				  getenv("RIG_HOSTILE") ?: "60", "--threads",
				  "4", NULL };

	if (!count)
		return -1;
	write_file(PARAMETERS "copy_limit_mb", "1024");
	for (i = 0; i < ARRAY_SIZE(races); i++)
		if (strstr(races[i].name, only))
			run_race(&races[i], exporters, seconds, seed);
	if (strstr("hostile", only))
		run_program("hostile", exporters->name, hostile);
	return 0;
}
