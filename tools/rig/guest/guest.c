// SPDX-License-Identifier: GPL-2.0
/*
 * The guest's only program, its init: sets the machine up, has one part do its
 * work, and powers off. The parts write what they saw, one JSON object a line, to
 * the second serial port. core/run.h says who may know whom.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/reboot.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/utsname.h>
#include <unistd.h>

#include <linux/mempolicy.h>

#include "bench/bench.h"
#include "bench/importers.h"
#include "core/buffers.h"
#include "core/report.h"
#include "demo/demo.h"
#include "player/player.h"
#include "races/races.h"

/*
 * What RIG_MODE can name. Each returns 0, or something else if it could not even
 * try; those that play on one exporter take the first.
 */
static const struct part {
	const char *name;
	int (*run)(const struct exporter *exporters, unsigned int count);
	const char *devices;	/* if not four on PCI */
} parts[] = {
	{ "demo", run_demo },
	{ "bench", run_bench },
	{ "importers", run_importers, STAND_INS },
	{ "races", run_races },
	{ "player", run_player },
};

static const struct exporter all_exporters[] = {
	{ "stock", "/dev/udmabuf", false },
	{ "heap", "/dev/dma_heap/system", true },
	{ "fanout", "/dev/udmabuf-fanout", false },
};

static int set_up(const char *port, const char *devices)
{
	int error;

	mkdir("/dev", 0755);
	mkdir("/proc", 0755);
	mkdir("/sys", 0755);
	mount("dev", "/dev", "devtmpfs", 0, NULL);
	mount("proc", "/proc", "proc", 0, NULL);
	mount("sys", "/sys", "sysfs", 0, NULL);
	mount("debug", "/sys/kernel/debug", "debugfs", 0, NULL);
	if (!open_results(port))
		return -1;
	/* Where the kernel lacks the system heap: of its own source. */
	error = access("/system_heap_module.ko", R_OK) ? 0 :
		load_module("/system_heap_module.ko", "");
	if (!error)
		error = load_module("/edu_importer.ko", devices);
	if (!error && !access("/udmabuf_fanout.ko", R_OK))
		error = load_module("/udmabuf_fanout.ko", "");
	if (error)
		emit("{\"error\": \"a module could not be loaded: %s\"}",
		     strerror(error));
	return error;
}

int main(void)
{
	struct exporter exporters[ARRAY_SIZE(all_exporters)];
	const char *wanted = getenv("RIG_EXPORTERS") ?: "stock,heap,fanout";
	const char *mode = getenv("RIG_MODE") ?: "demo";
	unsigned long high = HIGH_NODE;
	const struct part *part = NULL;
	unsigned int count = 0, i;
	struct utsname system;
	int status = 1;

	for (i = 0; i < ARRAY_SIZE(parts); i++)
		if (!strcmp(mode, parts[i].name))
			part = &parts[i];
	if (set_up(getenv("RIG_PORT") ?: "/dev/ttyS1", part && part->devices ?
		   part->devices : "mask_bits=32,32,64,64"))
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
	if (part && !part->run(exporters, count))
		status = 0;
off:
	end_results(status);
	sync();
	reboot(RB_POWER_OFF);
	return 0;
}
