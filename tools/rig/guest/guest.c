// SPDX-License-Identifier: GPL-2.0
/*
 * The guest's only program, its init: runs every scenario on every exporter
 * and writes what it saw, one JSON object a line, to the second serial port.
 * It judges nothing but single reads; totals are the host's work.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/reboot.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/utsname.h>
#include <sys/wait.h>
#include <termios.h>
#include <unistd.h>

#include <linux/dma-heap.h>
#include <linux/mempolicy.h>
#include <linux/udmabuf.h>

#include "edu/edu_importer.h"
#include "guest.h"

static const struct exporter all_exporters[] = {
	{ "stock", "/dev/udmabuf", false },
	{ "heap", "/dev/dma_heap/system", true },
	{ "fanout", "/dev/udmabuf-fanout", false },
};

const char *const device_names[] = {
	[B1] = "bounced 1", [B2] = "bounced 2",
	[D1] = "direct 1", [D2] = "direct 2",
};

static const char *const role_names[] = {
	[BOTH] = "reads and writes", [READS] = "reads", [WRITES] = "writes",
};

static int results = -1;
bool all_bounced;
bool huge_memory;

void emit(const char *format, ...)
{
	static char line[16384];
	size_t done = 0;
	va_list args;
	ssize_t n;
	int size;

	va_start(args, format);
	size = vsnprintf(line, sizeof(line) - 1, format, args);
	va_end(args);
	if (size < 0 || (size_t)size >= sizeof(line) - 1)
		abort();
	line[size++] = '\n';
	while (done < (size_t)size) {
		n = write(results, line + done, size - done);
		if (n < 0 && errno != EINTR)
			abort();
		done += n > 0 ? n : 0;
	}
}

/*
 * Runs.
 */
static unsigned int factorial(unsigned int n)
{
	return n < 2 ? 1 : n * factorial(n - 1);
}

/* The @index-th order of @n things. */
static void permute(unsigned int *order, unsigned int n, unsigned int index)
{
	unsigned int left[PEERS_MAX], i, pick, f;

	for (i = 0; i < n; i++)
		left[i] = i;
	for (i = 0; i < n; i++) {
		f = factorial(n - 1 - i);
		pick = index / f;
		index %= f;
		order[i] = left[pick];
		memmove(left + pick, left + pick + 1,
			(n - i - pick - 1) * sizeof(*left));
	}
}

/* A peer alone gets company that is attached and does nothing. */
static void set_peers(struct run *r)
{
	unsigned int i, early = 0;

	r->peer_count = r->scenario->peer_count;
	memcpy(r->peers, r->scenario->peers, sizeof(r->peers));
	for (i = 0; i < r->peer_count; i++)
		early += r->peers[i].presence != LATE;
	if (early < 2) {
		r->peers[r->peer_count].device =
			r->peers[0].device == B1 && early ? D1 : B2;
		r->peers[r->peer_count++].presence = IDLE;
	}
}

static void report(struct run *r, const char *order)
{
	char checks[4096] = "", name[128], end[512];
	const struct check *c;
	size_t used = 0;

	for (c = r->checks; c < r->checks + r->check_count; c++) {
		used += snprintf(checks + used, sizeof(checks) - used,
				 "%s{\"reader\": \"%s\", ",
				 used ? ", " : "", c->reader);
		used += snprintf(checks + used, sizeof(checks) - used,
				 "\"expected\": \"%s\", \"seen\": \"%s\"}",
				 c->expected, c->seen);
	}
	snprintf(end, sizeof(end),
		 "\"step\": \"%s\", \"errno\": %d, \"detail\": \"%s\"",
		 r->error ? r->step : "", r->error, r->detail);
	snprintf(name, sizeof(name), "\"run\": \"%s\", \"exporter\": \"%s\"",
		 r->scenario->name, r->exporter->name);
	emit("{%s, \"order\": %s, \"outcome\": \"%s\", %s, \"checks\": [%s]}",
	     name, order, r->outcome, end, checks);
}

static void run_order(struct run *r, const unsigned int *order,
		      const char *text)
{
	unsigned int i, peer;

	if (!setjmp(r->end)) {
		make_buffer(r);
		for (i = 0; i < r->peer_count; i++) {
			peer = order[i];
			if (r->peers[peer].presence == LATE)
				continue;
			attach_peer(r, peer);
			if (r->peers[peer].presence == MAPPED)
				map_peer(r, peer);
		}
		r->scenario->steps(r);
		r->outcome = r->check_count ? "right" : "broken";
	}
	report(r, text);
}

static void run_scenario(const struct exporter *exporter,
			 const struct scenario *scenario)
{
	unsigned int order[PEERS_MAX], index, i;
	char text[256];
	size_t used;
	int status;
	pid_t pid;

	for (index = 0;; index++) {
		struct run r = {
			.exporter = exporter,
			.scenario = scenario,
			.attachment = { -1, -1, -1 },
		};

		set_peers(&r);
		if (index == factorial(r.peer_count))
			return;
		permute(order, r.peer_count, index);
		used = snprintf(text, sizeof(text), "[");
		for (i = 0; i < r.peer_count; i++) {
			const struct peer *peer = &r.peers[order[i]];

			used += snprintf(text + used, sizeof(text) - used,
					 "%s\"%s %s%s\"", i ? ", " : "",
					 device_names[peer->device],
					 peer->presence == IDLE ? "attached" :
					 role_names[peer->direction],
					 peer->presence == LATE ? " later" : "");
		}
		snprintf(text + used, sizeof(text) - used, "]");

		/* A process of its own: whatever it leaves open goes away. */
		pid = fork();
		if (!pid) {
			run_order(&r, order, text);
			_exit(0);
		}
		if (pid < 0 || waitpid(pid, &status, 0) != pid || status) {
			r.outcome = "broken";
			snprintf(r.detail, sizeof(r.detail),
				 "the program ended with status 0x%x", status);
			report(&r, text);
		}
	}
}

void run_program(const char *kind, const char *name, char *const *arguments)
{
	int pipes[2], status = -1;
	char line[512];
	FILE *output;
	pid_t pid;

	if (pipe(pipes))
		return;
	pid = fork();
	if (!pid) {
		dup2(pipes[1], 1);
		dup2(pipes[1], 2);
		close(pipes[0]);
		close(pipes[1]);
		execv(arguments[0], arguments);
		_exit(127);
	}
	close(pipes[1]);
	output = fdopen(pipes[0], "r");
	while (output && fgets(line, sizeof(line), output)) {
		line[strcspn(line, "\n\"\\")] = 0;
		emit("{\"%s\": \"%s\", \"line\": \"%s\"}", kind, name, line);
	}
	if (waitpid(pid, &status, 0) == pid)
		emit("{\"%s\": \"%s\", \"status\": %d}", kind, name,
		     WIFEXITED(status) ? WEXITSTATUS(status) : -1);
	fclose(output);
}

/*
 * The kernel's own selftest, on the node it knows.
 */
static void run_selftest(const struct exporter *exporter)
{
	char *const arguments[] = { "/selftest", NULL };

	if (exporter->heap || access(arguments[0], X_OK))
		return;
	if (strcmp(exporter->node, "/dev/udmabuf") &&
	    mount(exporter->node, "/dev/udmabuf", NULL, MS_BIND, NULL))
		return;
	run_program("selftest", exporter->name, arguments);
	if (strcmp(exporter->node, "/dev/udmabuf"))
		umount("/dev/udmabuf");
}

/*
 * Setting up.
 */
int load_module(const char *path, const char *parameters)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	int ret;

	if (fd < 0)
		return errno;
	ret = syscall(SYS_finit_module, fd, parameters, 0) ? errno : 0;
	close(fd);
	return ret;
}

static int set_up(const char *port)
{
	struct termios raw;
	int error;

	mkdir("/dev", 0755);
	mkdir("/proc", 0755);
	mkdir("/sys", 0755);
	mount("dev", "/dev", "devtmpfs", 0, NULL);
	mount("proc", "/proc", "proc", 0, NULL);
	mount("sys", "/sys", "sysfs", 0, NULL);
	mount("debug", "/sys/kernel/debug", "debugfs", 0, NULL);
	results = open(port, O_RDWR | O_NOCTTY | O_CLOEXEC);
	if (results < 0 || tcgetattr(results, &raw)) {
		dprintf(2, "rig: %s: %s\n", port, strerror(errno));
		return -1;
	}
	cfmakeraw(&raw);
	tcsetattr(results, TCSANOW, &raw);
	error = load_module("/edu_importer.ko", "mask_bits=32,32,64,64");
	if (!error && !access("/udmabuf_fanout.ko", R_OK))
		error = load_module("/udmabuf_fanout.ko", "");
	if (error)
		emit("{\"error\": \"a module could not be loaded: %s\"}",
		     strerror(error));
	return error;
}

/* What DMA API debugging has counted, in kernels that have it. */
static void report_dma_debug(void)
{
	char errors[32] = "", disabled[32] = "";
	FILE *file;

	file = fopen("/sys/kernel/debug/dma-api/error_count", "r");
	if (!file)
		return;
	if (!fgets(errors, sizeof(errors), file))
		errors[0] = 0;
	fclose(file);
	file = fopen("/sys/kernel/debug/dma-api/disabled", "r");
	if (!file || !fgets(disabled, sizeof(disabled), file))
		disabled[0] = 0;
	if (file)
		fclose(file);
	errors[strcspn(errors, "\n")] = 0;
	disabled[strcspn(disabled, "\n")] = 0;
	emit("{\"dma_api_errors\": %s, \"disabled\": \"%s\"}",
	     *errors ? errors : "-1", disabled);
}

/* Whether our module can be removed while a buffer lives, and afterwards. */
static void report_unload(void)
{
	struct udmabuf_create create = { .size = PAGE };
	int node, dmabuf, alive, after;

	node = open("/dev/udmabuf-fanout", O_RDWR | O_CLOEXEC);
	create.memfd = memfd_create("unload", MFD_ALLOW_SEALING);
	if (node < 0 || ftruncate(create.memfd, PAGE) ||
	    fcntl(create.memfd, F_ADD_SEALS, F_SEAL_SHRINK))
		return;
	dmabuf = ioctl(node, UDMABUF_CREATE, &create);
	close(node);
	close(create.memfd);
	if (dmabuf < 0)
		return;
	alive = syscall(SYS_delete_module, "udmabuf_fanout", O_NONBLOCK) ?
		errno : 0;
	close(dmabuf);
	after = syscall(SYS_delete_module, "udmabuf_fanout", O_NONBLOCK) ?
		errno : 0;
	emit("{\"unload\": %d, \"after\": %d}", alive, after);
}

static void run_block(const struct block *block,
		      const struct exporter *exporters, unsigned int count)
{
	const struct scenario *s;
	unsigned int e;

	for (s = block->scenarios; s < block->scenarios + block->count; s++) {
		emit("{\"scenario\": \"%s\", \"title\": \"%s\", \"block\": \"%s\", \"design\": %s}",
		     s->name, s->title, block->name,
		     s->design ? "true" : "false");
		for (e = 0; e < count; e++)
			run_scenario(&exporters[e], s);
	}
}

static void run_demo(const struct exporter *exporters, unsigned int count)
{
	unsigned int e;

	run_block(&by_the_book, exporters, count);
	run_block(&programs_as_they_are, exporters, count);
	for (e = 0; e < count; e++)
		run_selftest(&exporters[e]);
	report_unload();
	report_dma_debug();
}

int main(void)
{
	struct exporter exporters[ARRAY_SIZE(all_exporters)];
	const char *wanted = getenv("RIG_EXPORTERS") ?: "stock,heap,fanout";
	const char *mode = getenv("RIG_MODE") ?: "demo";
	unsigned long high = HIGH_NODE;
	unsigned int count = 0, i;
	struct utsname system;
	int status = 1;

	if (set_up(getenv("RIG_PORT") ?: "/dev/ttyS1"))
		goto off;
	all_bounced = getenv("RIG_ALL_BOUNCED");
	huge_memory = getenv("RIG_HUGETLB");
	uname(&system);
	emit("{\"kernel\": \"%s\", \"version\": \"%s\"}", system.release,
	     system.version);
	for (i = 0; i < ARRAY_SIZE(all_exporters); i++)
		if (strstr(wanted, all_exporters[i].name))
			exporters[count++] = all_exporters[i];
	if (syscall(SYS_set_mempolicy, MPOL_BIND, &high, sizeof(high) * 8)) {
		emit("{\"error\": \"no memory above 4 GiB: %s\"}",
		     strerror(errno));
		goto off;
	}
	if (!strcmp(mode, "demo"))
		run_demo(exporters, count);
	else if (!strcmp(mode, "races"))
		run_races(&exporters[0]);
	else if (!strcmp(mode, "player"))
		run_player(&exporters[0]);
	else if (run_bench(exporters, count))
		goto off;
	status = 0;
off:
	if (results >= 0) {
		emit("{\"end\": %d}", status);
		tcdrain(results);
	}
	sync();
	reboot(RB_POWER_OFF);
	return 0;
}
