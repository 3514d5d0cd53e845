// SPDX-License-Identifier: GPL-2.0
/*
 * The sweep of faults: see sweep.h.
 */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <sys/ioctl.h>
#include <sys/mman.h>

#include <linux/dma-buf.h>
#include <linux/udmabuf.h>

#include "../edu/edu_importer.h"
#include "machine.h"
#include "say.h"
#include "sweep.h"

#define PAGES		8
#define FAULTS_MAX	500

/* What a call works on. */
static struct subject {
	int node;
	int importer;
	int memfd[2];
	int buffer;		/* -1: none */
	int fd;			/* -1: none; what else a call makes */
	__u8 *map;
	struct edu_attach attach;
	struct edu_map mapping;
} subject;

static struct edu_map direction;	/* what map asks for */

static void must(long ret, const char *what)
{
	if (ret < 0)
		die("%s: %s", what, strerror(errno));
}

/* Getting there, without faults. */

static void have_memfds(bool filled)
{
	static const char byte = 1;
	unsigned int i, page;

	for (i = 0; i < ARRAY_SIZE(subject.memfd); i++) {
		int fd = memfd_create("sweep", MFD_ALLOW_SEALING | MFD_CLOEXEC);

		must(fd, "memfd_create");
		must(ftruncate(fd, PAGES * PAGE), "ftruncate");
		must(fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK), "F_ADD_SEALS");
		for (page = 0; filled && page < PAGES; page++)
			must(pwrite(fd, &byte, 1, page * PAGE), "pwrite");
		subject.memfd[i] = fd;
	}
}

static void memfds(void)
{
	have_memfds(true);
}

static void holes(void)
{
	have_memfds(false);
}

static int create(void)
{
	struct udmabuf_create args = {
		.memfd = subject.memfd[0],
		.flags = UDMABUF_FLAGS_CLOEXEC,
		.size = PAGES * PAGE,
	};

	subject.buffer = ioctl(subject.node, UDMABUF_CREATE, &args);
	return error_of(subject.buffer);
}

static void buffer(void)
{
	memfds();
	must(-create(), "UDMABUF_CREATE");
}

static int attach(void)
{
	struct edu_attach args = {
		.device = subject.attach.device,
		.dmabuf = subject.buffer,
	};
	int error = error_of(ioctl(subject.importer, EDU_ATTACH, &args));

	subject.attach.attachment = args.attachment;
	return error;
}

static int map(void)
{
	struct edu_map args = {
		.attachment = subject.attach.attachment,
		.direction = direction.direction,
	};

	return error_of(ioctl(subject.importer, EDU_MAP, &args));
}

static void attached(void)
{
	buffer();
	subject.importer = open("/dev/edu-importer", O_RDWR | O_CLOEXEC);
	must(subject.importer, "/dev/edu-importer");
	must(-attach(), "attach");
}

static void opened(void)
{
	buffer();
	subject.importer = open("/dev/edu-importer", O_RDWR | O_CLOEXEC);
	must(subject.importer, "/dev/edu-importer");
}

static void mapped(void)
{
	attached();
	must(-map(), "map");
}

/* With a fence that will signal soon. */
static void fenced(void)
{
	__u64 data;
	struct edu_transfer args = {
		.length = sizeof(data),
		.data = (uintptr_t)&data,
		.delay_ms = 5,
	};

	mapped();
	args.attachment = subject.attach.attachment;
	must(ioctl(subject.importer, EDU_READ, &args), "late transfer");
}

static int map_memory(void)
{
	void *at = mmap(NULL, PAGES * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED,
			subject.buffer, 0);

	if (at == MAP_FAILED)
		return errno;
	subject.map = at;
	return 0;
}

static void memory(void)
{
	buffer();
	must(-map_memory(), "mmap");
}

static int export_fences(void)
{
	struct dma_buf_export_sync_file args = { .flags = DMA_BUF_SYNC_RW };
	int error = error_of(ioctl(subject.buffer,
				   DMA_BUF_IOCTL_EXPORT_SYNC_FILE, &args));

	if (!error)
		subject.fd = args.fd;
	return error;
}

static void fences(void)
{
	buffer();
	must(-export_fences(), "EXPORT_SYNC_FILE");
}

/* The calls. */

static int create_list(void)
{
	struct {
		struct udmabuf_create_list head;
		struct udmabuf_create_item item[3];
	} args = {
		.head = { .flags = UDMABUF_FLAGS_CLOEXEC, .count = 3 },
		.item = {
			{ .memfd = subject.memfd[0], .size = PAGE },
			{ .memfd = subject.memfd[1], .size = 2 * PAGE },
			{ .memfd = subject.memfd[0], .offset = 4 * PAGE,
			  .size = 2 * PAGE },
		},
	};

	subject.buffer = ioctl(subject.node, UDMABUF_CREATE_LIST, &args);
	return error_of(subject.buffer);
}

static int close_it(void)
{
	int fd = subject.buffer;

	subject.buffer = -1;
	return error_of(close(fd));
}

static int close_importer(void)
{
	int fd = subject.importer;

	subject.importer = -1;
	return error_of(close(fd));
}

static int unmap(void)
{
	struct edu_map args = { .attachment = subject.attach.attachment };

	return error_of(ioctl(subject.importer, EDU_UNMAP, &args));
}

static int detach(void)
{
	struct edu_attach args = { .attachment = subject.attach.attachment };

	return error_of(ioctl(subject.importer, EDU_DETACH, &args));
}

static sigjmp_buf back;

static void on_fault(int signal)
{
	siglongjmp(back, signal);
}

static int touch(void)
{
	if (sigsetjmp(back, 1))
		return EFAULT;
	*(volatile __u8 *)subject.map = 1;
	*(volatile __u8 *)(subject.map + (PAGES - 1) * PAGE) = 1;
	return 0;
}

static int sync_both(void)
{
	struct dma_buf_sync args = {
		.flags = DMA_BUF_SYNC_START | DMA_BUF_SYNC_RW };

	if (ioctl(subject.buffer, DMA_BUF_IOCTL_SYNC, &args))
		return errno;
	args.flags = DMA_BUF_SYNC_END | DMA_BUF_SYNC_RW;
	return error_of(ioctl(subject.buffer, DMA_BUF_IOCTL_SYNC, &args));
}

static int set_name(void)
{
	return error_of(ioctl(subject.buffer, DMA_BUF_SET_NAME_B, "name"));
}

static int import_fences(void)
{
	struct dma_buf_import_sync_file args = {
		.flags = DMA_BUF_SYNC_RW,
		.fd = subject.fd,
	};

	return error_of(ioctl(subject.buffer, DMA_BUF_IOCTL_IMPORT_SYNC_FILE,
			      &args));
}

static int look_in_debugfs(void)
{
	char text[512];
	int fd = open(DEBUGFS "/dma_buf/bufinfo", O_RDONLY | O_CLOEXEC), error;

	if (fd < 0)
		return errno;
	error = error_of(read(fd, text, sizeof(text)));
	close(fd);
	return error;
}

/* No vmap: dma_buf_vmap() itself warns when an exporter returns an error. */
static const struct sweep {
	const char *name;
	void (*prepare)(void);
	int (*call)(void);
	unsigned int least;	/* faults it must be able to have */
	unsigned int pages;	/* more, if pages can be refused */
	unsigned int device;
	unsigned int direction;
	bool importer;		/* needs one */
	bool fences;		/* needs sync files */
} sweeps[] = {
	{ "create", memfds, create, 8 },
	{ "create of holes", holes, create, 9, PAGES },
	{ "create_list", memfds, create_list, 10 },
	{ "create_list of holes", holes, create_list, 12, 5 },
	{ "close", buffer, close_it },
	{ "attach", opened, attach, 2, .importer = true },
	{ "map to read", attached, map, 5, 0, 0, 1, true },
	{ "map to write", attached, map, 5, 0, 1, 2, true },
	{ "map for both", attached, map, 5, 0, 2, 0, true },
	{ "unmap", mapped, unmap, .importer = true },
	{ "detach", attached, detach, .importer = true },
	{ "importer's end", mapped, close_importer, .importer = true },
	{ "mmap", buffer, map_memory, 1 },
	{ "first touch", memory, touch, .pages = 1 },
	{ "SYNC", buffer, sync_both },
	{ "SYNC with a mapping", mapped, sync_both, .importer = true },
	{ "SYNC with a fence", fenced, sync_both, .importer = true },
	{ "SET_NAME", buffer, set_name, 1 },
	{ "EXPORT_SYNC_FILE", fenced, export_fences, 3, .importer = true,
	  .fences = true },
	{ "IMPORT_SYNC_FILE", fences, import_fences, 1, .fences = true },
	{ "debugfs", mapped, look_in_debugfs, 3, .importer = true },
};

/* Back to nothing, in an order of its own each time. */
static void clean(unsigned int round)
{
	int *fds[] = { &subject.memfd[0], &subject.buffer, &subject.importer,
		       &subject.memfd[1], &subject.fd };
	unsigned int i;

	if (subject.map)
		munmap(subject.map, PAGES * PAGE);
	subject.map = NULL;
	for (i = 0; i < ARRAY_SIZE(fds); i++) {
		int *fd = fds[(i + round) % ARRAY_SIZE(fds)];

		if (*fd >= 0)
			close(*fd);
		*fd = -1;
	}
}

static int fail_nth = -1;

static void arm(unsigned int nth)
{
	char text[16];
	int size = snprintf(text, sizeof(text), "%u", nth);

	/* A fault that is armed may hit this very write. */
	while (pwrite(fail_nth, text, size, 0) != size)
		if (errno != EFAULT)
			die("fail-nth: %s", strerror(errno));
}

/* Return: whether the fault was had by what was done since. */
static bool disarm(void)
{
	char text[16] = "";
	bool had = pread(fail_nth, text, sizeof(text) - 1, 0) > 0 &&
		   !strtoul(text, NULL, 10);

	arm(0);
	return had;
}

static int next_fd(void)
{
	int fd = dup(0);

	close(fd);
	return fd;
}

/* Return: whether the fault was reached. */
static bool with_fault(const struct sweep *s, unsigned int nth,
		       unsigned int *refused)
{
	int fd, error, again = 0;
	bool had;

	s->prepare();
	fd = next_fd();
	arm(nth);
	error = s->call();
	had = disarm();
	if (!had && error)
		die("%s: %s without a fault", s->name,
		    strerrorname_np(error));
	if (error && error != ENOMEM && error != EFAULT)
		die("%s: fault %u ended in %s", s->name, nth,
		    strerrorname_np(error));
	if (error) {
		++*refused;
		if (next_fd() != fd)
			die("%s: fault %u left a descriptor behind", s->name,
			    nth);
		/* It must not have broken anything. */
		again = s->call();
		/* Our importer had done it, and could not say so. */
		if (s->importer && error == EFAULT &&
		    (again == EBUSY || again == ENOENT))
			again = 0;
	}
	if (again)
		die("%s: %s after fault %u", s->name, strerrorname_np(again),
		    nth);
	clean(nth);
	check_returned(2);
	return had;
}

static void sweep_one(const struct sweep *s)
{
	unsigned int least = s->least, nth = 1, refused = 0;

	if (!access(DEBUGFS "/fail_page_alloc", F_OK))
		least += s->pages;
	subject.attach.device = s->device;
	direction.direction = s->direction;
	while (with_fault(s, nth, &refused))
		if (++nth > FAULTS_MAX)
			die("%s: no end of faults", s->name);
	if (--nth < least)
		die("%s: %u faults, expected at least %u: nothing was proved",
		    s->name, nth, least);
	say("ok     %-20s %3u faults, %3u refused, %3u without effect (at least %u)",
	    s->name, nth, refused, nth - refused, least);
}

/* Make everything able to fail that can, and quietly. */
static void allow_faults(void)
{
	static const char *const settings[][2] = {
		{ DEBUGFS "/failslab/ignore-gfp-wait", "N" },
		{ DEBUGFS "/failslab/verbose", "0" },
		{ DEBUGFS "/fail_page_alloc/ignore-gfp-wait", "N" },
		{ DEBUGFS "/fail_page_alloc/ignore-gfp-highmem", "N" },
		{ DEBUGFS "/fail_page_alloc/min-order", "0" },
		{ DEBUGFS "/fail_page_alloc/verbose", "0" },
		{ DEBUGFS "/fail_usercopy/verbose", "0" },
	};
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(settings); i++)
		write_text(settings[i][0], settings[i][1]);
}

void sweep(void)
{
	struct sigaction fault = { .sa_handler = on_fault };
	unsigned int i;

	fail_nth = open("/proc/thread-self/fail-nth", O_RDWR | O_CLOEXEC);
	if (fail_nth < 0 || access(DEBUGFS "/failslab/ignore-gfp-wait", W_OK)) {
		say("skip   no fault injection: nothing was made to fail");
		return;
	}
	allow_faults();
	sigaction(SIGSEGV, &fault, NULL);
	sigaction(SIGBUS, &fault, NULL);
	subject = (struct subject) {
		.importer = -1, .memfd = { -1, -1 }, .buffer = -1, .fd = -1 };
	subject.node = open(machine.node, O_RDWR | O_CLOEXEC);
	must(subject.node, machine.node);
	for (i = 0; i < ARRAY_SIZE(sweeps); i++) {
		if ((sweeps[i].importer && machine.devices < 3) ||
		    (sweeps[i].fences && !machine.sync_files))
			say("skip   %s: this kernel has no such thing",
			    sweeps[i].name);
		else
			sweep_one(&sweeps[i]);
	}
}
