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

#include "edu_importer.h"
#include "guest.h"

#define BUFFER_PAGES	64
#define PIECE		1024
#define LATE_MS		500
#define DROP_CACHES	"/proc/sys/vm/drop_caches"

/* Node 0 is the memory below 4 GiB, node 1 what lies above. */
#define LOW_NODE	1UL
#define HIGH_NODE	2UL

static const struct exporter all_exporters[] = {
	{ "stock", "/dev/udmabuf", false },
	{ "heap", "/dev/dma_heap/system", true },
	{ "fanout", "/dev/udmabuf-fanout", false },
};

static const char *const device_names[] = {
	[B1] = "bounced 1", [B2] = "bounced 2",
	[D1] = "direct 1", [D2] = "direct 2",
};

static const char *const role_names[] = {
	[BOTH] = "reads and writes", [READS] = "reads", [WRITES] = "writes",
};

static int results = -1;
static bool all_bounced;

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
 * Outcomes.
 */
static void __noreturn finish(struct run *r, const char *outcome)
{
	r->outcome = outcome;
	longjmp(r->end, 1);
}

static void __printf(2, 3) step(struct run *r, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vsnprintf(r->step, sizeof(r->step), format, args);
	va_end(args);
}

void refused(struct run *r, int error)
{
	r->error = error;
	finish(r, "refused");
}

void broken(struct run *r, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vsnprintf(r->detail, sizeof(r->detail), format, args);
	va_end(args);
	finish(r, "broken");
}

/*
 * Data: every word says who wrote it and where it belongs.
 */
static __u32 word(enum writer writer, size_t at)
{
	return (__u32)writer << 24 | (at / 4 & 0xffffff);
}

static const char *writer_name(__u32 value)
{
	switch (value >> 24) {
	case OLD:
		return "the old data";
	case CPU:
		return "the CPU's data";
	case DEVICE:
		return "the device's data";
	}
	return NULL;
}

static void fill(void *memory, size_t at, size_t bytes, enum writer writer)
{
	__u32 *words = memory;
	size_t i;

	for (i = 0; i < bytes / 4; i++)
		words[i] = word(writer, at + 4 * i);
}

static void describe(char *text, size_t size, __u32 seen, size_t at)
{
	const char *name = writer_name(seen);

	if (name && (seen & 0xffffff) == (word(0, at) & 0xffffff))
		snprintf(text, size, "%s", name);
	else if (name)
		snprintf(text, size, "%s, from byte %u", name,
			 (seen & 0xffffff) * 4);
	else if (!seen)
		snprintf(text, size, "zeros");
	else
		snprintf(text, size, "0x%08x, which nobody wrote", seen);
}

static void check(struct run *r, const char *reader, const void *memory,
		  size_t at, size_t bytes, enum writer expected)
{
	const __u32 *words = memory;
	size_t i, wrong = 0, first = 0;
	struct check *c, *last;

	for (i = 0; i < bytes / 4; i++)
		if (words[i] != word(expected, at + 4 * i) && !wrong++)
			first = i;

	/* The three places of one reading are one check. */
	last = r->check_count ? &r->checks[r->check_count - 1] : NULL;
	if (r->check_count == CHECKS_MAX)
		broken(r, "too many checks");
	c = &r->checks[r->check_count];
	snprintf(c->reader, sizeof(c->reader), "%s", reader);
	describe(c->expected, sizeof(c->expected), word(expected, at), at);
	describe(c->seen, sizeof(c->seen), words[first], at + 4 * first);
	if (!last || strcmp(last->reader, reader) ||
	    strcmp(last->expected, c->expected) || wrong)
		r->check_count++;
	if (wrong) {
		snprintf(r->detail, sizeof(r->detail),
			 "page %zu, byte %zu: %zu of %zu bytes differ",
			 (at + 4 * first) / PAGE, (at + 4 * first) % PAGE,
			 4 * wrong, bytes);
		finish(r, "wrong");
	}
}

/*
 * Steps of the importers.
 */
static const char *peer_name(const struct run *r, unsigned int peer)
{
	return device_names[r->peers[peer].device];
}

static void attach_peer(struct run *r, unsigned int peer)
{
	struct edu_attach req = {
		.device = r->peers[peer].device,
		.dmabuf = r->dmabuf,
	};

	step(r, "attach of %s", peer_name(r, peer));
	if (ioctl(r->importer, EDU_ATTACH, &req))
		refused(r, errno);
	r->attachment[peer] = req.attachment;
}

static __u64 device_address(struct run *r, int attachment, size_t at)
{
	struct edu_address where = { .attachment = attachment, .offset = at };

	if (ioctl(r->importer, EDU_WHERE, &where))
		broken(r, "no device address for byte %zu: %s", at,
		       strerror(errno));
	return where.address;
}

/* A scenario proves nothing if the device is not what its name says. */
static void check_address(struct run *r, int attachment, enum device device,
			  size_t at, bool low_memory)
{
	__u64 address = device_address(r, attachment, at);
	bool low = device == B1 || device == B2 || low_memory || all_bounced;
	bool high = address >= FOUR_GIB;

	if (low == high)
		broken(r, "%s sees byte %zu at 0x%llx", device_names[device],
		       at, (unsigned long long)address);
}

static void check_addresses(struct run *r, int attachment, enum device device)
{
	size_t last = (r->pages - 1) * PAGE;

	check_address(r, attachment, device, 0,
		      r->scenario->memory == PART_LOW);
	check_address(r, attachment, device, last, false);
}

void map_peer(struct run *r, unsigned int peer)
{
	struct edu_map req = {
		.attachment = r->attachment[peer],
		.direction = r->peers[peer].direction,
	};

	step(r, "map of %s", peer_name(r, peer));
	if (ioctl(r->importer, EDU_MAP, &req))
		refused(r, errno);
	r->mapped[peer] = true;
	check_addresses(r, r->attachment[peer], r->peers[peer].device);
}

void unmap_peer(struct run *r, unsigned int peer)
{
	struct edu_map req = { .attachment = r->attachment[peer] };

	if (ioctl(r->importer, EDU_UNMAP, &req))
		broken(r, "unmap: %s", strerror(errno));
	r->mapped[peer] = false;
}

void join(struct run *r, unsigned int peer)
{
	attach_peer(r, peer);
	map_peer(r, peer);
}

void leave(struct run *r, unsigned int peer)
{
	struct edu_attach req = { .attachment = r->attachment[peer] };

	if (r->mapped[peer])
		unmap_peer(r, peer);
	if (ioctl(r->importer, EDU_DETACH, &req))
		broken(r, "detach: %s", strerror(errno));
	r->attachment[peer] = -1;
}

static void transfer(struct run *r, unsigned int peer, unsigned long request,
		     size_t at, size_t bytes, void *data, unsigned int delay)
{
	struct edu_transfer req = {
		.attachment = r->attachment[peer],
		.offset = at,
		.length = bytes,
		.data = (uintptr_t)data,
		.delay_ms = delay,
	};

	if (ioctl(r->importer, request, &req))
		broken(r, "%s cannot move byte %zu: %s", peer_name(r, peer),
		       at, strerror(errno));
}

void device_write_at(struct run *r, unsigned int peer, size_t at, size_t bytes)
{
	__u32 data[PIECE / 4];

	fill(data, at, bytes, DEVICE);
	transfer(r, peer, EDU_WRITE, at, bytes, data, 0);
}

void device_check_at(struct run *r, unsigned int peer, size_t at, size_t bytes,
		     enum writer expected)
{
	__u32 data[PIECE / 4] = { 0 };

	transfer(r, peer, EDU_READ, at, bytes, data, 0);
	check(r, peer_name(r, peer), data, at, bytes, expected);
}

void device_write_late(struct run *r, unsigned int peer, size_t at,
		       size_t bytes)
{
	__u32 data[PIECE / 4];

	fill(data, at, bytes, DEVICE);
	transfer(r, peer, EDU_WRITE, at, bytes, data, LATE_MS);
}

void device_read_late(struct run *r, unsigned int peer, size_t at, size_t bytes)
{
	__u32 data[PIECE / 4];

	transfer(r, peer, EDU_READ, at, bytes, data, LATE_MS);
}

void device_check_late(struct run *r, unsigned int peer, size_t at,
		       size_t bytes, enum writer expected)
{
	__u32 data[PIECE / 4] = { 0 };

	transfer(r, peer, EDU_FETCH, at, bytes, data, 0);
	check(r, peer_name(r, peer), data, at, bytes, expected);
}

/*
 * Steps of the CPU.
 */
int try_sync(struct run *r, __u64 flags)
{
	struct dma_buf_sync req = { .flags = flags };

	return ioctl(r->dmabuf, DMA_BUF_IOCTL_SYNC, &req) ? errno : 0;
}

void begin(struct run *r, __u64 access)
{
	int error = try_sync(r, access | DMA_BUF_SYNC_START);

	step(r, "SYNC_START");
	if (error)
		refused(r, error);
}

void end(struct run *r, __u64 access)
{
	int error = try_sync(r, access | DMA_BUF_SYNC_END);

	step(r, "SYNC_END");
	if (error)
		refused(r, error);
}

void cpu_write_at(struct run *r, size_t at, size_t bytes)
{
	fill(r->cpu + at, at, bytes, CPU);
}

void cpu_check_at(struct run *r, size_t at, size_t bytes, enum writer expected)
{
	check(r, "CPU", r->cpu + at, at, bytes, expected);
}

/* Where byte @at of the buffer lies in its memfds. */
static __u8 *memfd_at(struct run *r, size_t at)
{
	const size_t quarter = r->pages * PAGE / 4;

	if (r->exporter->heap)
		finish(r, "not applicable");
	switch (r->scenario->memory) {
	case TWO_MEMFDS:
		return r->memory[at / quarter % 2] +
		       at / (2 * quarter) * quarter + at % quarter;
	case SAME_TWICE:
		return r->memory[0] + at % (2 * quarter);
	case HUGE_PART:
		return r->memory[0] + BUFFER_PAGES * PAGE + at;
	default:
		return r->memory[0] + at;
	}
}

/*
 * The three places: in the first, the middle and the last page.
 */
static size_t place(const struct run *r, unsigned int which, unsigned int half)
{
	const size_t page = which * (r->pages - 1) / 2;

	return page * PAGE + 512 + half * PIECE;
}

void device_write(struct run *r, unsigned int peer, unsigned int half)
{
	unsigned int i;

	for (i = 0; i < 3; i++)
		device_write_at(r, peer, place(r, i, half), PIECE);
}

void device_check(struct run *r, unsigned int peer, unsigned int half,
		  enum writer expected)
{
	unsigned int i;

	for (i = 0; i < 3; i++)
		device_check_at(r, peer, place(r, i, half), PIECE, expected);
}

void cpu_write(struct run *r, unsigned int half)
{
	unsigned int i;

	for (i = 0; i < 3; i++)
		cpu_write_at(r, place(r, i, half), PIECE);
}

void cpu_check(struct run *r, unsigned int half, enum writer expected)
{
	unsigned int i;

	for (i = 0; i < 3; i++)
		cpu_check_at(r, place(r, i, half), PIECE, expected);
}

void memfd_write(struct run *r, unsigned int half)
{
	unsigned int i;
	size_t at;

	for (i = 0; i < 3; i++) {
		at = place(r, i, half);
		fill(memfd_at(r, at), at, PIECE, CPU);
	}
}

void memfd_check(struct run *r, unsigned int half, enum writer expected)
{
	unsigned int i;
	size_t at;

	for (i = 0; i < 3; i++) {
		at = place(r, i, half);
		check(r, "memfd", memfd_at(r, at), at, PIECE, expected);
	}
}

void memfd_check_all(struct run *r, enum writer expected)
{
	unsigned int page, lost = 0;

	for (page = 0; page < r->pages; page++)
		lost += *(__u32 *)memfd_at(r, page * PAGE) !=
			word(expected, page * PAGE);
	if (lost) {
		snprintf(r->checks[0].reader, sizeof(r->checks[0].reader),
			 "memfd");
		describe(r->checks[0].expected, sizeof(r->checks[0].expected),
			 word(expected, 0), 0);
		snprintf(r->checks[0].seen, sizeof(r->checks[0].seen),
			 "%u of %u pages lost", lost, r->pages);
		r->check_count = 1;
		finish(r, "wrong");
	}
	check(r, "memfd", memfd_at(r, 0), 0, r->pages * PAGE, expected);
}

/*
 * Buffers.
 */
int sealed_memfd(size_t bytes, unsigned int flags)
{
	int fd = memfd_create("rig", MFD_CLOEXEC | MFD_ALLOW_SEALING | flags);

	if (fd >= 0 && (ftruncate(fd, bytes) ||
			fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK))) {
		close(fd);
		fd = -1;
	}
	return fd;
}

static void make_memfd(struct run *r, unsigned int which, size_t bytes,
		       unsigned int flags)
{
	unsigned long low = LOW_NODE;

	r->memfds[which] = sealed_memfd(bytes, flags);
	if (r->memfds[which] < 0)
		broken(r, "memfd: %s", strerror(errno));
	r->memory[which] = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED,
				r->memfds[which], 0);
	if (r->memory[which] == MAP_FAILED)
		broken(r, "memfd mmap: %s", strerror(errno));
	if (r->scenario->memory == PART_LOW &&
	    syscall(SYS_mbind, r->memory[which], bytes / 2, MPOL_BIND, &low,
		    sizeof(low) * 8, 0))
		broken(r, "mbind: %s", strerror(errno));
}

static int make_from_heap(struct run *r, int node)
{
	struct dma_heap_allocation_data req = {
		.len = r->pages * PAGE,
		.fd_flags = O_RDWR | O_CLOEXEC,
	};

	if (r->scenario->memory != PAGES && r->scenario->memory != HUGE_WHOLE)
		finish(r, "not applicable");
	return ioctl(node, DMA_HEAP_IOCTL_ALLOC, &req) ? -1 : (int)req.fd;
}

static int make_from_memfds(struct run *r, int node)
{
	struct {
		struct udmabuf_create_list head;
		struct udmabuf_create_item items[4];
	} list = { .head.flags = UDMABUF_FLAGS_CLOEXEC };
	struct udmabuf_create one = {
		.flags = UDMABUF_FLAGS_CLOEXEC,
		.size = r->pages * PAGE,
	};
	const size_t quarter = r->pages * PAGE / 4;
	unsigned int i;

	switch (r->scenario->memory) {
	case TWO_MEMFDS:
		make_memfd(r, 0, 2 * quarter, 0);
		make_memfd(r, 1, 2 * quarter, 0);
		list.head.count = 4;
		for (i = 0; i < 4; i++) {
			list.items[i].memfd = r->memfds[i % 2];
			list.items[i].offset = i / 2 * quarter;
			list.items[i].size = quarter;
		}
		break;
	case SAME_TWICE:
		make_memfd(r, 0, 2 * quarter, 0);
		list.head.count = 2;
		for (i = 0; i < 2; i++) {
			list.items[i].memfd = r->memfds[0];
			list.items[i].size = 2 * quarter;
		}
		break;
	case HUGE_PART:
		make_memfd(r, 0, HUGE_PAGE, MFD_HUGETLB);
		one.offset = BUFFER_PAGES * PAGE;
		break;
	case HUGE_WHOLE:
		make_memfd(r, 0, r->pages * PAGE, MFD_HUGETLB);
		break;
	default:
		make_memfd(r, 0, r->pages * PAGE, 0);
		/* Low and high pages: allocated now, by the mapping's policy. */
		if (r->scenario->memory == PART_LOW)
			memset(r->memory[0], 0, r->pages * PAGE);
	}
	if (list.head.count)
		return ioctl(node, UDMABUF_CREATE_LIST, &list);
	one.memfd = r->memfds[0];
	return ioctl(node, UDMABUF_CREATE, &one);
}

/* Make sure that the memory lies where the scenario needs it. */
static void check_memory(struct run *r)
{
	struct edu_attach attach = { .device = D2, .dmabuf = r->dmabuf };
	struct edu_map map = { .direction = READS };

	if (all_bounced)
		return;
	if (ioctl(r->importer, EDU_ATTACH, &attach))
		broken(r, "attach of a direct device: %s", strerror(errno));
	map.attachment = attach.attachment;
	if (ioctl(r->importer, EDU_MAP, &map))
		broken(r, "map of a direct device: %s", strerror(errno));
	check_addresses(r, map.attachment, D2);
	if (ioctl(r->importer, EDU_UNMAP, &map) ||
	    ioctl(r->importer, EDU_DETACH, &attach))
		broken(r, "detach of a direct device: %s", strerror(errno));
}

void make_buffer(struct run *r)
{
	int node = open(r->exporter->node, O_RDWR | O_CLOEXEC);

	if (node < 0)
		broken(r, "%s: %s", r->exporter->node, strerror(errno));
	r->importer = open("/dev/edu-importer", O_RDWR | O_CLOEXEC);
	if (r->importer < 0)
		broken(r, "/dev/edu-importer: %s", strerror(errno));
	r->pages = r->scenario->memory == HUGE_WHOLE ? 1024 : BUFFER_PAGES;
	step(r, "create");
	r->dmabuf = r->exporter->heap ? make_from_heap(r, node) :
					make_from_memfds(r, node);
	if (r->dmabuf < 0)
		refused(r, errno);
	close(node);
	step(r, "mmap");
	r->cpu = mmap(NULL, r->pages * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED,
		      r->dmabuf, 0);
	if (r->cpu == MAP_FAILED)
		refused(r, errno);
	check_memory(r);
	if (r->scenario->untouched)
		return;
	begin(r, DMA_BUF_SYNC_RW);
	fill(r->cpu, 0, r->pages * PAGE, OLD);
	end(r, DMA_BUF_SYNC_RW);
}

void close_buffer(struct run *r)
{
	unsigned int i;

	for (i = 0; i < r->peer_count; i++)
		if (r->attachment[i] >= 0)
			leave(r, i);
	munmap(r->cpu, r->pages * PAGE);
	close(r->dmabuf);
}

bool write_file(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC);
	bool written = fd >= 0 &&
		       write(fd, text, strlen(text)) == (ssize_t)strlen(text);

	if (fd >= 0)
		close(fd);
	return written;
}

void drop_caches(void)
{
	sync();
	write_file(DROP_CACHES, "1");
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

/*
 * Pages and slot both written, and nobody can tell which is newer: only then
 * may an exporter refuse to map.
 */
static bool undecidable(const struct scenario *scenario)
{
	unsigned int i, writers = 0, bounced = 0;
	const struct peer *peer;

	for (i = 0; i < scenario->peer_count; i++) {
		peer = &scenario->peers[i];
		if (peer->presence == IDLE || peer->direction == READS)
			continue;
		writers++;
		bounced += peer->device == B1 || peer->device == B2 ||
			   all_bounced;
	}
	return bounced && (writers > 1 || scenario->memory == SAME_TWICE);
}

static void run_demo(const struct exporter *exporters, unsigned int count)
{
	unsigned int e, s;
	char flags[64];

	for (s = 0; s < scenario_count; s++) {
		snprintf(flags, sizeof(flags),
			 "\"design\": %s, \"undecidable\": %s",
			 scenarios[s].design ? "true" : "false",
			 undecidable(&scenarios[s]) ? "true" : "false");
		emit("{\"scenario\": \"%s\", \"title\": \"%s\", %s}",
		     scenarios[s].name, scenarios[s].title, flags);
		for (e = 0; e < count; e++)
			run_scenario(&exporters[e], &scenarios[s]);
	}
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
