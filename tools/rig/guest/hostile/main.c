// SPDX-License-Identifier: GPL-2.0
/*
 * A hostile user of the driver: threads and their children make random calls,
 * from a seed, and a model says what each may return. As init of a guest it
 * mounts what it needs, runs each of the command lines that '+' separates, and
 * powers off. world.h says who may know whom.
 */
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include <sys/mount.h>
#include <sys/reboot.h>
#include <sys/wait.h>

#include "calls.h"
#include "knobs.h"
#include "life.h"
#include "machine.h"
#include "places.h"
#include "say.h"
#include "shared.h"
#include "sweep.h"

static const char usage[] =
	"--seed N --seconds S --calls N --threads T --node PATH --twice --sweep";

static __u64 calls_wanted;	/* 0: as many as there is time for */
static double seconds_wanted = 10;
static atomic_bool stop;
static atomic_uint running;

static double now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec + t.tv_nsec / 1e9;
}

static void *thread_main(void *argument)
{
	unsigned int thread = (uintptr_t)argument;
	struct world *w = open_world(thread);
	__u64 calls = calls_wanted / machine.threads;

	while (!atomic_load(&stop) &&
	       (!calls || tally_of(thread)->calls < calls))
		random_call(w);
	close_world(w);
	atomic_fetch_sub(&running, 1);
	return NULL;
}

static __u64 total_calls(void)
{
	__u64 total = 0;
	unsigned int i;

	for (i = 0; i < machine.threads; i++)
		total += tally_of(i)->calls;
	return total;
}

/* Return: the hash of all threads' calls. */
static __u64 generate(void)
{
	struct timespec moment = { .tv_nsec = 50000000 };
	pthread_t thread[WORLDS];
	double begun, said, spent;
	__u64 hash = 0;
	unsigned int i, kind;

	start_over();
	atomic_store(&stop, false);
	atomic_store(&running, machine.threads);
	begun = now();
	said = begun;
	for (i = 0; i < machine.threads; i++)
		if (pthread_create(&thread[i], NULL, thread_main,
				   (void *)(uintptr_t)i))
			die("no thread: %s", strerror(errno));
	while (atomic_load(&running)) {
		nanosleep(&moment, NULL);
		if (seconds_wanted && now() - begun > seconds_wanted)
			atomic_store(&stop, true);
		if (now() - said < 5)
			continue;
		said = now();
		say("progress: %.0f s, %llu calls", said - begun,
		    total_calls());
	}
	for (i = 0; i < machine.threads; i++)
		pthread_join(thread[i], NULL);
	spent = now() - begun;
	close_shared();
	default_parameters();
	check_returned(0);
	check_dma_debug();

	for (kind = 0; kind < kinds; kind++) {
		__u64 passed = 0, failed = 0;

		for (i = 0; i < machine.threads; i++) {
			passed += tally_of(i)->passed[kind];
			failed += tally_of(i)->failed[kind];
		}
		say("count: %-20s %9llu worked %9llu refused", kind_name(kind),
		    passed, failed);
	}
	for (i = 0; i < machine.threads; i++)
		hash ^= tally_of(i)->hash << i | tally_of(i)->hash >> 1 >>
			(63 - i);
	say("ok     seed %llu, %u threads: %llu calls in %.1f s, %.0f a second, hash %016llx",
	    machine.seed, machine.threads, total_calls(), spent,
	    total_calls() / spent, hash);
	return hash;
}

static __u64 to_number(const char *text)
{
	char *end;
	__u64 value;

	errno = 0;
	value = strtoull(text, &end, 0);
	if (errno || !*text || *end)
		die("%s is not a number", text);
	return value;
}

static void program(int argc, char **argv)
{
	static const struct option options[] = {
		{ "seed", required_argument, NULL, 's' },
		{ "seconds", required_argument, NULL, 't' },
		{ "threads", required_argument, NULL, 'j' },
		{ "calls", required_argument, NULL, 'n' },
		{ "node", required_argument, NULL, 'd' },
		{ "sweep", no_argument, NULL, 'f' },
		{ "twice", no_argument, NULL, '2' },
		{ }
	};
	bool faults = false, twice = false;
	__u64 hash;
	int c;

	optind = 0;
	while ((c = getopt_long(argc, argv, "", options, NULL)) != -1) {
		switch (c) {
		case 's':
			machine.seed = to_number(optarg);
			break;
		case 't':
			seconds_wanted = to_number(optarg);
			break;
		case 'j':
			machine.threads = to_number(optarg);
			break;
		case 'n':
			calls_wanted = to_number(optarg);
			seconds_wanted = 0;
			break;
		case 'd':
			machine.node = optarg;
			break;
		case 'f':
			faults = true;
			break;
		case '2':
			twice = true;
			break;
		default:
			die("usage: %s", usage);
		}
	}
	if (!machine.threads || machine.threads > WORLDS)
		die("1 to %u threads", WORLDS);
	share_knobs();
	share_worlds();
	share_attachments();
	catch_signals();
	look_around();
	if (faults) {
		sweep();
		return;
	}
	hash = generate();
	if (!twice)
		return;
	if (generate() != hash)
		die("the same seed made other calls");
	machine.seed++;
	if (generate() == hash)
		die("another seed made the same calls");
	say("ok     the same seed makes the same calls");
}

static void mount_all(void)
{
	static const char *const mounts[][2] = {
		{ "proc", "/proc" }, { "sysfs", "/sys" },
		{ "devtmpfs", "/dev" }, { "debugfs", DEBUGFS },
	};
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(mounts); i++)
		if (mount(mounts[i][0], mounts[i][1], mounts[i][0], 0, NULL) &&
		    errno != EBUSY)
			say("%s: %s", mounts[i][1], strerror(errno));
}

/* Each command line is a process of its own, and all are run. */
static void init(int argc, char **argv)
{
	const char *results = getenv("HOSTILE_RESULTS");
	int first, last, fd, status;

	mount_all();
	fd = open(results ?: "/dev/console", O_WRONLY);
	if (fd >= 0)
		dup2(fd, STDOUT_FILENO);
	for (first = 0; first < argc; first = last) {
		for (last = first + 1; last < argc; last++)
			if (!strcmp(argv[last], "+"))
				break;
		if (!fork()) {
			argv[last] = NULL;
			program(last - first, argv + first);
			exit(0);
		}
		while (wait(&status) < 0)
			;
		if (!WIFEXITED(status))
			say("FAILED the program ended with status %#x", status);
	}
	say("{\"end\": 0}");
	sync();
	reboot(RB_POWER_OFF);
}

int main(int argc, char **argv)
{
	if (getpid() == 1)
		init(argc, argv);
	else
		program(argc, argv);
	return 0;
}
