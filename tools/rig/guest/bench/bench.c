// SPDX-License-Identifier: GPL-2.0
/*
 * What each step costs. The rig runs the guest on an instruction clock, so a
 * nanosecond here is an instruction. Every case is repeated, each time in a
 * process of its own; the host takes the median and knows the spread.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <linux/dma-heap.h>
#include <linux/udmabuf.h>

#include "../core/buffers.h"
#include "../core/report.h"
#include "../edu/edu_importer.h"
#include "bench.h"
#include "memory.h"
#include "plan.h"

#define LIST_ITEMS	1024
#define PAIRS		16

/* What the CPU writes between START and END; not counted. */
enum bench_writes {
	NOTHING,
	ONE_PAGE,
	EVERYTHING,
};

struct bench {
	const char *name;
	enum bench_pages pages;
	unsigned int mib;
	unsigned int importers;
	enum device device;
	unsigned int segment;	/* longest the device takes; 0: no limit */
	bool list;		/* LIST_ITEMS items, last one first */
	bool fresh;		/* never written: create allocates */
	bool both;		/* importers read and write */
	enum bench_writes writes;
};

static const struct bench benches[] = {
	{ "4 KiB pages, 1 MiB", ORDERED, 1, 1, D1 },
	{ "4 KiB pages, 64 MiB", ORDERED, 64, 1, D1 },
	{ "4 KiB pages, 1 GiB", ORDERED, 1024, 1, D1 },
	{ "scattered 4 KiB pages, 64 MiB", SCATTERED, 64, 1, D1 },
	{ "THP, 1 MiB", THP, 1, 1, D1 },
	{ "THP, 64 MiB", THP, 64, 1, D1 },
	{ "THP, 1 GiB", THP, 1024, 1, D1 },
	{ "2 MiB pages, 1 MiB", HUGETLB, 1, 1, D1 },
	{ "2 MiB pages, 64 MiB", HUGETLB, 64, 1, D1 },
	{ "2 MiB pages, 1 GiB", HUGETLB, 1024, 1, D1 },
	{ "4 KiB pages, 64 MiB, never written", ORDERED, 64, 1, D1,
	  .fresh = true },
	{ "2 MiB pages, 64 MiB, never written", HUGETLB, 64, 1, D1,
	  .fresh = true },
	{ "scattered, 64 MiB, no importer", SCATTERED, 64, 0, D1 },
	{ "scattered, 64 MiB, 8 importers", SCATTERED, 64, 8, D1 },
	{ "scattered, 64 MiB, 64 importers", SCATTERED, 64, 64, D1 },
	{ "2 MiB pages, 64 MiB, no importer", HUGETLB, 64, 0, D1 },
	{ "2 MiB pages, 64 MiB, 8 importers", HUGETLB, 64, 8, D1 },
	{ "2 MiB pages, 64 MiB, 64 importers", HUGETLB, 64, 64, D1 },
	{ "scattered, 64 MiB, list of 1024 items", SCATTERED, 64, 1, D1,
	  .list = true },
	{ "scattered, 64 MiB, segments of 64 KiB", SCATTERED, 64, 1, D1, 65536 },
	{ "2 MiB pages, 64 MiB, segments of 64 KiB", HUGETLB, 64, 1, D1,
	  65536 },
	{ "scattered, 64 MiB, 1 bounced importer", SCATTERED, 64, 1, B1 },
	{ "scattered, 64 MiB, 8 bounced importers", SCATTERED, 64, 8, B1 },
	{ "2 MiB pages, 64 MiB, 1 bounced importer", HUGETLB, 64, 1, B1 },
	{ "2 MiB pages, 64 MiB, 8 bounced importers", HUGETLB, 64, 8, B1 },
	{ "2 MiB pages, 64 MiB, bounced both ways", HUGETLB, 64, 1, B1,
	  .both = true },
	{ "2 MiB pages, 64 MiB, 8 bounced both ways", HUGETLB, 64, 8, B1,
	  .both = true },
	{ "2 MiB pages, 64 MiB, bounced, one page written", HUGETLB, 64, 1, B1,
	  .both = true, .writes = ONE_PAGE },
	{ "2 MiB pages, 64 MiB, bounced, all written", HUGETLB, 64, 1, B1,
	  .both = true, .writes = EVERYTHING },
	{ "2 MiB pages, 1 GiB, bounced, one page written", HUGETLB, 1024, 1,
	  B1, .writes = ONE_PAGE },
};

/* What one repetition measured, in ns; of importers the mean of all. */
struct cost {
	long create, attach_map, entries, pair, touch_any, touch_aligned;
	long vmap, vunmap, detach, close, held_kib, copies_kib, swiotlb_kib;
	const char *failed;	/* the step that failed */
};

/* Slab and vmalloc memory of the whole system. */
static long kernel_memory_kib(void)
{
	char line[128];
	long sum = 0, kib;
	FILE *meminfo = fopen("/proc/meminfo", "r");

	if (!meminfo)
		return 0;
	while (fgets(line, sizeof(line), meminfo))
		if (sscanf(line, "Slab: %ld", &kib) == 1 ||
		    sscanf(line, "VmallocUsed: %ld", &kib) == 1)
			sum += kib;
	fclose(meminfo);
	return sum;
}

/* Memory of copies and their twins; other exporters have none. */
static long copies_kib(void)
{
	const char *folder = "/sys/kernel/debug/udmabuf-fanout";
	DIR *dir = opendir(folder);
	struct dirent *entry;
	char path[320], line[256];
	long sum = 0, bytes;
	FILE *file;

	if (!dir)
		return 0;
	while ((entry = readdir(dir))) {
		snprintf(path, sizeof(path), "%s/%s", folder, entry->d_name);
		file = entry->d_name[0] == '.' ? NULL : fopen(path, "r");
		while (file && fgets(line, sizeof(line), file))
			if (sscanf(line, "copies and twins: %ld", &bytes) == 1)
				sum += bytes / 1024;
		if (file)
			fclose(file);
	}
	closedir(dir);
	return sum;
}

/* What is taken of the pool that all devices share. */
static long swiotlb_kib(void)
{
	FILE *file = fopen("/sys/kernel/debug/swiotlb/io_tlb_used", "r");
	long slots = 0;

	if (!file)
		return 0;
	if (fscanf(file, "%ld", &slots) != 1)
		slots = 0;
	fclose(file);
	return slots * 2;
}

static int create(const struct exporter *exporter, const struct bench *b,
		  int node, int memfd, size_t bytes, struct cost *cost)
{
	struct dma_heap_allocation_data heap = {
		.len = bytes,
		.fd_flags = O_RDWR | O_CLOEXEC,
	};
	struct udmabuf_create one = { .memfd = memfd, .size = bytes };
	struct udmabuf_create_list *list;
	size_t item = bytes / LIST_ITEMS;
	long start;
	int fd, i;

	if (exporter->heap) {
		start = now();
		fd = ioctl(node, DMA_HEAP_IOCTL_ALLOC, &heap) ? -1 :
							(int)heap.fd;
		cost->create = now() - start;
		return fd;
	}
	if (!b->list) {
		start = now();
		fd = ioctl(node, UDMABUF_CREATE, &one);
		cost->create = now() - start;
		return fd;
	}
	list = calloc(1, sizeof(*list) + LIST_ITEMS * sizeof(list->list[0]));
	if (!list)
		return -1;
	list->count = LIST_ITEMS;
	for (i = 0; i < LIST_ITEMS; i++) {
		list->list[i].memfd = memfd;
		list->list[i].offset = (LIST_ITEMS - 1 - i) * item;
		list->list[i].size = item;
	}
	start = now();
	fd = ioctl(node, UDMABUF_CREATE_LIST, list);
	cost->create = now() - start;
	free(list);
	return fd;
}

/* mmap() and one write to every page, @off bytes past a 2 MiB boundary. */
static long touch(int dmabuf, size_t bytes, size_t off)
{
	size_t size = bytes + 2 * HUGE_PAGE, at;
	char *space, *memory;
	long start, ns;

	space = mmap(NULL, size, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1,
		     0);
	if (space == MAP_FAILED)
		return -1;
	start = now();
	memory = mmap(space + HUGE_PAGE - (size_t)space % HUGE_PAGE + off,
		      bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED,
		      dmabuf, 0);
	if (memory == MAP_FAILED)
		return -1;
	for (at = 0; at < bytes; at += PAGE)
		__atomic_store_n(memory + at, 1, __ATOMIC_RELAXED);
	ns = now() - start;
	munmap(space, size);
	return ns;
}

static bool sync_start(int dmabuf)
{
	return sync_call(dmabuf, DMA_BUF_SYNC_RW | DMA_BUF_SYNC_START);
}

static bool sync_end(int dmabuf)
{
	return sync_call(dmabuf, DMA_BUF_SYNC_RW | DMA_BUF_SYNC_END);
}

static long sync_pairs(int dmabuf)
{
	long start = 0;
	int i;

	/* The first one sets things up in some exporters. */
	for (i = -1; i < PAIRS; i++) {
		if (!i)
			start = now();
		if (!sync_start(dmabuf) || !sync_end(dmabuf))
			return -1;
	}
	return (now() - start) / PAIRS;
}

/* The same with something written between, which is not counted. */
static long write_pairs(int dmabuf, enum bench_writes writes, size_t bytes)
{
	const int pairs = 2;
	long ns = 0, start;
	char *memory;
	int i;

	memory = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, dmabuf,
		      0);
	if (memory == MAP_FAILED)
		return -1;
	for (i = 0; i < pairs; i++) {
		start = now();
		if (!sync_start(dmabuf))
			return -1;
		ns += now() - start;
		memset(memory, 2 + i, writes == ONE_PAGE ? PAGE : bytes);
		start = now();
		if (!sync_end(dmabuf))
			return -1;
		ns += now() - start;
	}
	munmap(memory, bytes);
	return ns / pairs;
}

static void measure(const struct exporter *exporter, const struct bench *b,
		    struct cost *cost)
{
	struct edu_device_info device = {
		.index = b->device,
		.max_seg_size = b->segment,
	};
	struct edu_attach attach[64];
	struct edu_map map[64];
	size_t bytes = b->mib * MIB;
	struct edu_vmap vmap = { 0 };
	int importer, node, memfd, dmabuf;
	unsigned int i;
	long start;

	importer = open("/dev/edu-importer", O_RDWR);
	node = open(exporter->node, O_RDWR);
	cost->failed = "set up";
	if (importer < 0 || node < 0 ||
	    ioctl(importer, EDU_SET_SEGMENT, &device))
		return;
	memfd = -1;
	if (!exporter->heap) {
		memfd = filled_memfd(b->pages, bytes, b->fresh);
		if (memfd < 0)
			return;
	}

	cost->failed = "create";
	cost->held_kib = kernel_memory_kib();
	dmabuf = create(exporter, b, node, memfd, bytes, cost);
	if (dmabuf < 0)
		return;
	cost->held_kib = kernel_memory_kib() - cost->held_kib;
	if (memfd >= 0)
		close(memfd);

	cost->failed = "attach and map";
	cost->swiotlb_kib = swiotlb_kib();
	for (i = 0; i < b->importers; i++) {
		attach[i] = (struct edu_attach){ .device = b->device,
						 .dmabuf = dmabuf };
		if (ioctl(importer, EDU_ATTACH, &attach[i]))
			return;
		map[i] = (struct edu_map){ .attachment = attach[i].attachment,
					   .direction = b->both ? BOTH : READS };
		if (ioctl(importer, EDU_MAP, &map[i]))
			return;
		cost->attach_map += attach[i].ns + map[i].ns;
		cost->entries = map[i].entries;
	}

	cost->copies_kib = copies_kib();
	cost->swiotlb_kib = swiotlb_kib() - cost->swiotlb_kib;

	cost->failed = "SYNC";
	cost->pair = b->writes ? write_pairs(dmabuf, b->writes, bytes) :
				 sync_pairs(dmabuf);
	if (cost->pair < 0)
		return;

	cost->failed = "mmap";
	cost->touch_any = touch(dmabuf, bytes, 3 * PAGE);
	cost->touch_aligned = touch(dmabuf, bytes, 0);
	if (cost->touch_any < 0 || cost->touch_aligned < 0)
		return;

	cost->failed = "vmap";
	vmap.dmabuf = dmabuf;
	if (ioctl(importer, EDU_VMAP, &vmap)) {
		cost->vmap = -errno;	/* the stock driver may have no room */
	} else {
		cost->vmap = vmap.map_ns;
		cost->vunmap = vmap.unmap_ns;
	}

	cost->failed = "detach";
	for (i = 0; i < b->importers; i++) {
		if (ioctl(importer, EDU_UNMAP, &map[i]))
			return;
		cost->detach += map[i].ns;
		if (ioctl(importer, EDU_DETACH, &attach[i]))
			return;
		cost->detach += attach[i].ns;
	}
	if (b->importers) {
		cost->attach_map /= b->importers;
		cost->detach /= b->importers;
	}

	start = now();
	close(dmabuf);
	cost->close = now() - start;
	cost->failed = NULL;
}

static void run_one(const struct exporter *exporter, const struct bench *b)
{
	char head[256], map[128], cpu[256], memory[128];
	struct cost cost = { 0 };

	measure(exporter, b, &cost);
	snprintf(head, sizeof(head), "\"bench\": \"%s\", \"exporter\": \"%s\"",
		 b->name, exporter->name);
	if (cost.failed) {
		emit("{%s, \"failed\": \"%s\", \"errno\": %d}", head,
		     cost.failed, errno);
		return;
	}
	snprintf(map, sizeof(map),
		 "\"attach_map\": %ld, \"entries\": %ld, \"detach\": %ld",
		 cost.attach_map, cost.entries, cost.detach);
	snprintf(cpu, sizeof(cpu),
		 "\"pair\": %ld, \"touch_any\": %ld, \"touch_aligned\": %ld, ",
		 cost.pair, cost.touch_any, cost.touch_aligned);
	snprintf(cpu + strlen(cpu), sizeof(cpu) - strlen(cpu),
		 "\"vmap\": %ld, \"vunmap\": %ld", cost.vmap, cost.vunmap);
	snprintf(memory, sizeof(memory),
		 "\"held_kib\": %ld, \"copies_kib\": %ld, \"swiotlb_kib\": %ld",
		 cost.held_kib, cost.copies_kib, cost.swiotlb_kib);
	emit("{%s, \"create\": %ld, %s, %s, \"close\": %ld, %s}",
	     head, cost.create, map, cpu, cost.close, memory);
}

int run_bench(const struct exporter *exporters, unsigned int count)
{
	unsigned int i, e, repeats;
	int status;
	pid_t pid;

	if (settle())
		return -1;
	bench_plans();
	for (i = 0; i < ARRAY_SIZE(benches); i++) {
		for (e = 0; e < count; e++) {
			repeats = benches[i].mib > 64 ? 1 : 3;
			while (repeats--) {
				pid = fork();
				if (!pid) {
					run_one(&exporters[e], &benches[i]);
					_exit(0);
				}
				if (pid < 0 || waitpid(pid, &status, 0) != pid)
					return -1;
				if (status)
					emit("{\"error\": \"%s died of 0x%x\"}",
					     benches[i].name, status);
			}
		}
	}
	return 0;
}
