// SPDX-License-Identifier: GPL-2.0
/*
 * What START and END cost, by number and kind of importers: see importers.h.
 *
 * PCI devices are as the machine's device tree has them. The stand-ins are in no
 * tree, and what is in none is not coherent on arm64. They cannot transfer, which
 * nothing here asks for.
 *
 * An instruction that does nothing marks where each access and its two calls
 * begin, for whoever counts instructions outside.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <linux/dma-heap.h>
#include <linux/udmabuf.h>

#include "../core/report.h"
#include "../edu/edu_importer.h"
#include "importers.h"
#include "memory.h"

#define BYTES		(64 * MIB)
#define IMPORTERS_MAX	64
#define POLICY		"/sys/module/udmabuf_fanout/parameters/sync_policy"

enum stand_in { DIRECT = D2 + 1, BOUNCED };

static const struct devices {
	const char *name;
	unsigned int device[2];		/* in turn */
} all_devices[] = {
	{ "noncoherent", { DIRECT, DIRECT } },
	{ "every second coherent", { DIRECT, D1 } },
	{ "bounced", { BOUNCED, BOUNCED } },
};

static const struct {
	const char *name;
	enum direction direction;
} roles[] = {
	{ "readers", READS },
	{ "writers", BOTH },
};

static const struct {
	const char *name;
	enum bench_pages pages;
} memories[] = {
	{ "4 KiB", SCATTERED },
	{ "2 MiB", HUGETLB },
};

static const struct {
	const char *name;
	__u64 flags;
} accesses[] = {
	{ "R", DMA_BUF_SYNC_READ },
	{ "W", DMA_BUF_SYNC_WRITE },
	{ "RW", DMA_BUF_SYNC_RW },
};

static const unsigned int numbers[] = { 1, 2, 8, 64 };

/* One bar of the plot: who, on what, with whom. */
struct point {
	const struct exporter *exporter;
	const char *policy;		/* of ours */
	const struct devices *devices;
	unsigned int memory, role, importers;
};

struct measured {
	long attach_map;		/* of all importers */
	unsigned int entries;
	long start[ARRAY_SIZE(accesses)], end[ARRAY_SIZE(accesses)];
	const char *failed;		/* the step that failed */
};

static void mark(void)
{
#ifdef __aarch64__
	__asm__ volatile("hint #127" : : : "memory");
#endif
}

static int make_dmabuf(const struct point *p)
{
	struct dma_heap_allocation_data heap = {
		.len = BYTES,
		.fd_flags = O_RDWR | O_CLOEXEC,
	};
	struct udmabuf_create one = { .size = BYTES };
	int node, fd;

	node = open(p->exporter->node, O_RDWR | O_CLOEXEC);
	if (p->exporter->heap)
		return ioctl(node, DMA_HEAP_IOCTL_ALLOC, &heap) ? -1 :
								(int)heap.fd;
	one.memfd = filled_memfd(memories[p->memory].pages, BYTES, false);
	fd = ioctl(node, UDMABUF_CREATE, &one);
	close(one.memfd);
	return fd;
}

static bool join_all(const struct point *p, int importer, int dmabuf,
		     struct measured *m)
{
	struct edu_device_info device;
	struct edu_attach attach;
	struct edu_map map;
	unsigned int i;

	for (i = 0; i < p->importers; i++) {
		device = (struct edu_device_info){
			.index = p->devices->device[i % 2],
		};
		attach = (struct edu_attach){
			.device = device.index,
			.dmabuf = dmabuf,
		};
		if (ioctl(importer, EDU_SET_SEGMENT, &device) ||
		    ioctl(importer, EDU_ATTACH, &attach))
			return false;
		map = (struct edu_map){
			.attachment = attach.attachment,
			.direction = roles[p->role].direction,
		};
		if (ioctl(importer, EDU_MAP, &map))
			return false;
		m->attach_map += attach.ns + map.ns;
		m->entries = map.entries;
	}
	return true;
}

static bool access_once(int dmabuf, __u64 flags, long *start, long *end)
{
	long before;

	mark();
	before = now();
	if (!sync_call(dmabuf, flags | DMA_BUF_SYNC_START))
		return false;
	*start = now() - before;
	mark();
	before = now();
	if (!sync_call(dmabuf, flags | DMA_BUF_SYNC_END))
		return false;
	*end = now() - before;
	mark();
	return true;
}

static void measure(const struct point *p, struct measured *m)
{
	unsigned int i;
	int importer, dmabuf;

	m->failed = "create";
	importer = open("/dev/edu-importer", O_RDWR | O_CLOEXEC);
	dmabuf = make_dmabuf(p);
	if (dmabuf < 0)
		return;
	m->failed = "attach and map";
	if (!join_all(p, importer, dmabuf, m))
		return;
	/* Not before: each map is a sync for all that were there, too. */
	m->failed = "policy";
	if (!write_file(POLICY, p->policy))
		return;
	m->failed = "SYNC";
	/* The first one sets things up in some exporters. */
	if (!sync_call(dmabuf, DMA_BUF_SYNC_RW | DMA_BUF_SYNC_START) ||
	    !sync_call(dmabuf, DMA_BUF_SYNC_RW | DMA_BUF_SYNC_END))
		return;
	for (i = 0; i < ARRAY_SIZE(accesses); i++)
		if (!access_once(dmabuf, accesses[i].flags, &m->start[i],
				 &m->end[i]))
			return;
	m->failed = NULL;
}

static void measure_and_tell(const struct point *p)
{
	struct measured m = { 0 };
	char head[256], costs[256];
	unsigned int i, n = 0;

	if (write_file(POLICY, "minimal"))
		measure(p, &m);
	else
		m.failed = "policy";
	snprintf(head, sizeof(head),
		 "\"importers\": %u, \"devices\": \"%s\", \"role\": \"%s\", \"pages\": \"%s\", \"exporter\": \"%s\"",
		 p->importers, p->devices->name, roles[p->role].name,
		 memories[p->memory].name, p->exporter->name);
	if (m.failed) {
		emit("{%s, \"failed\": \"%s\", \"errno\": %d}", head, m.failed,
		     errno);
		return;
	}
	for (i = 0; i < ARRAY_SIZE(accesses); i++)
		n += snprintf(costs + n, sizeof(costs) - n,
			      "%s\"%s\": [%ld, %ld]", i ? ", " : "",
			      accesses[i].name, m.start[i], m.end[i]);
	emit("{%s, \"attach_map\": %ld, \"entries\": %u, \"accesses\": {%s}}",
	     head, m.attach_map / p->importers, m.entries, costs);
}

/* In a process of its own, which takes all with it. Return: 0 if it ended well. */
static int run_point(const struct point *p)
{
	int status = -1;
	pid_t pid;

	pid = fork();
	if (!pid) {
		measure_and_tell(p);
		_exit(0);
	}
	if (pid < 0 || waitpid(pid, &status, 0) != pid || status)
		emit("{\"error\": \"%u importers died of 0x%x\"}",
		     p->importers, status);
	return status;
}

static bool worth_it(const struct point *p)
{
	/* One kind alone is no mix. */
	if (p->devices->device[0] != p->devices->device[1])
		return p->importers > 1;
	/* 64 copies or maps of copies take minutes: once is enough. */
	return p->devices->device[0] != BOUNCED || p->importers <= 8 ||
	       (memories[p->memory].pages == HUGETLB &&
		!strcmp(p->policy, "minimal"));
}

static int run_devices(const struct exporter *exporter, const char *policy)
{
	struct point p = { .exporter = exporter, .policy = policy };
	unsigned int d, n;

	for (d = 0; d < ARRAY_SIZE(all_devices); d++)
		for (p.memory = 0; p.memory < ARRAY_SIZE(memories); p.memory++)
			for (p.role = 0; p.role < ARRAY_SIZE(roles); p.role++)
				for (n = 0; n < ARRAY_SIZE(numbers); n++) {
					p.devices = &all_devices[d];
					p.importers = numbers[n];
					if (worth_it(&p) && run_point(&p))
						return -1;
				}
	return 0;
}

/* That the devices are what they are called, is the host's to see. */
static void report_devices(void)
{
	int importer = open("/dev/edu-importer", O_RDWR | O_CLOEXEC);
	struct edu_device_info device = { .index = 0 };

	for (; !ioctl(importer, EDU_DEVICE_INFO, &device); device.index++)
		emit("{\"device\": \"%s\", \"bits\": %u, \"coherent\": %u}",
		     device.name, device.mask_bits, device.coherent);
	close(importer);
}

int run_importers(const struct exporter *exporters, unsigned int count)
{
	struct exporter each;
	unsigned int e;

	if (settle())
		return -1;
	report_devices();
	for (e = 0; e < count; e++)
		if (run_devices(&exporters[e], "minimal"))
			return -1;
	/* Ours again, as the plain fan-out that it is spared to be. */
	each = exporters[count - 1];
	each.name = "all";
	return run_devices(&each, each.name);
}
