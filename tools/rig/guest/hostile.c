// SPDX-License-Identifier: GPL-2.0
/*
 * A hostile user of the driver: threads and their children make random calls,
 * from a seed, and a model says what each may return. As init of a guest it
 * mounts what it needs, runs each of the command lines that '+' separates, and
 * powers off.
 */
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/reboot.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <linux/dma-buf.h>
#include <linux/udmabuf.h>

#include "edu/edu_importer.h"
#include "hostile.h"

#define THREADS_MAX	32

struct machine machine = {
	.node = "/dev/udmabuf-fanout",
	.threads = 4,
	.seed = 1,
};

static const char usage[] =
	"--seed N --seconds S --calls N --threads T --node PATH --twice --sweep";

static __u64 calls_wanted;	/* 0: as many as there is time for */
static double seconds_wanted = 10;
static atomic_bool stop;
static atomic_uint running;

/* One line, whole whatever others write. */
static void put_line(const char *mark, const char *format, va_list args)
{
	char line[400];
	int at;

	at = snprintf(line, sizeof(line) - 1, "hostile: %s", mark);
	at += vsnprintf(line + at, sizeof(line) - 1 - at, format, args);
	if (at > (int)sizeof(line) - 2)
		at = sizeof(line) - 2;
	line[at++] = '\n';
	if (write(STDOUT_FILENO, line, at) < 0)
		_exit(2);
}

void say(const char *format, ...)
{
	va_list args;

	va_start(args, format);
	put_line("", format, args);
	va_end(args);
}

void die(const char *format, ...)
{
	va_list args;

	va_start(args, format);
	put_line("FAILED ", format, args);
	va_end(args);
	_exit(1);
}

static double now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec + t.tv_nsec / 1e9;
}

void write_text(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC);

	if (fd < 0)
		return;
	if (write(fd, text, strlen(text)) < 0)
		say("%s: %s", path, strerror(errno));
	close(fd);
}

/* The number after @name in a file of the kernel, -1 if it is not there. */
static long read_number(const char *path, const char *name)
{
	FILE *file = fopen(path, "re");
	long number = -1;
	char line[256], *at;

	if (!file)
		return -1;
	while (number < 0 && fgets(line, sizeof(line), file)) {
		at = strstr(line, name);
		if (at)
			number = strtol(at + strlen(name), NULL, 10);
	}
	fclose(file);
	return number;
}

static long pins(void)
{
	/* Have all CPUs add what they counted. */
	write_text("/proc/sys/vm/stat_refresh", "1");
	return read_number("/proc/vmstat", "nr_foll_pin_acquired ") -
	       read_number("/proc/vmstat", "nr_foll_pin_released ");
}

/* How many dma-bufs there are, -1 if nobody tells. */
static long buffers(void)
{
	return read_number(DEBUGFS "/dma_buf/bufinfo", "Total ");
}

/*
 * How many files are open, by whomever. Of several CPUs each keeps up to 32 to
 * itself: then nobody tells.
 */
static long files(void)
{
	if (sysconf(_SC_NPROCESSORS_ONLN) > 1)
		return -1;
	return read_number("/proc/sys/fs/file-nr", "");
}

static bool is_dma_debug(void)
{
	char answer = 'Y';
	int fd = open(DEBUGFS "/dma-api/disabled", O_RDONLY | O_CLOEXEC);

	if (fd < 0)
		return false;
	if (read(fd, &answer, 1) != 1)
		answer = 'Y';
	close(fd);
	return answer == 'N';
}

/*
 * Everything that was taken is given back, at once or when a fence signals;
 * @open_files are the caller's, opened since the beginning.
 */
void check_returned(unsigned int open_files)
{
	struct timespec moment = { .tv_nsec = 20000000 };
	unsigned int i;

	for (i = 0; i < 100; i++) {
		if (pins() == machine.pins && buffers() == machine.buffers &&
		    (machine.files < 0 ||
		     files() == machine.files + open_files))
			return;
		nanosleep(&moment, NULL);
	}
	die("left behind: %ld pins, %ld dma-bufs, %ld files",
	    pins() - machine.pins, buffers() - machine.buffers,
	    files() - machine.files - open_files);
}

static void find_devices(void)
{
	bool swiotlb = access(DEBUGFS "/swiotlb", F_OK) == 0 ||
		       !machine.debugfs;
	bool force = read_number("/proc/cmdline", "swiotlb=force") >= 0;
	struct edu_device_info info = { };
	int fd = open("/dev/edu-importer", O_RDWR | O_CLOEXEC);

	if (fd < 0) {
		say("no importer: none of its calls is made");
		return;
	}
	for (; machine.devices < ARRAY_SIZE(machine.bounces); info.index++) {
		if (ioctl(fd, EDU_DEVICE_INFO, &info))
			break;
		machine.bounces[machine.devices] =
			swiotlb && (force || info.mask_bits < 64);
		machine.bounces_any |= machine.bounces[machine.devices++];
	}
	close(fd);
}

/* What this kernel has of what the calls are about. */
static void look_around(void)
{
	struct udmabuf_create create = { .flags = UDMABUF_FLAGS_CLOEXEC };
	struct dma_buf_export_sync_file export = { };
	int node = open(machine.node, O_RDWR | O_CLOEXEC);
	int memfd = memfd_create("probe", MFD_ALLOW_SEALING), buffer;

	if (node < 0 || memfd < 0)
		die("%s: %s", machine.node, strerror(errno));
	machine.debugfs = !access(DEBUGFS "/udmabuf-fanout", F_OK) &&
			  !access(DEBUGFS "/dma_buf/bufinfo", R_OK);
	if (!machine.debugfs)
		say("no debugfs: what is there is not compared with the model");
	share_arena();
	machine.uml = read_number("/proc/cpuinfo", "User Mode Linux") >= 0;
	find_devices();

	create.memfd = memfd;
	create.size = PAGE;
	if (ftruncate(memfd, PAGE) || fcntl(memfd, F_ADD_SEALS, F_SEAL_SHRINK))
		die("no memfd: %s", strerror(errno));
	buffer = ioctl(node, UDMABUF_CREATE, &create);
	if (buffer < 0)
		die("no buffer: %s", strerror(errno));
	machine.sync_files = ioctl(buffer, DMA_BUF_IOCTL_EXPORT_SYNC_FILE,
				   &export) && errno == EINVAL;
	close(buffer);
	close(memfd);
	close(node);
	machine.dma_debug = is_dma_debug();
	machine.pins = pins();
	machine.buffers = buffers();
	machine.files = files();
	say("%u importer devices%s%s; %ld pins, %ld dma-bufs, %ld files",
	    machine.devices, machine.bounces_any ? ", some may be bounced" : "",
	    machine.dma_debug ? ", DMA API debugging" : "", machine.pins,
	    machine.buffers, machine.files);
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
	pthread_t thread[THREADS_MAX];
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
	if (machine.dma_debug && !is_dma_debug())
		die("DMA API debugging has given up");

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
	if (!machine.threads || machine.threads > THREADS_MAX)
		die("1 to %u threads", THREADS_MAX);
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
