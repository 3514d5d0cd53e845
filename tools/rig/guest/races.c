// SPDX-License-Identifier: GPL-2.0
/*
 * Races: threads and processes that do, for some seconds, what must not get
 * into each other's way. What they see is checked where it is known. When all
 * is quiet again a buffer must carry data both ways, no page may be pinned, and
 * the module must go. Data races are for KCSAN to tell, locks for lockdep.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <linux/udmabuf.h>

#include "edu/edu_importer.h"
#include "guest.h"

#define MODULE		"udmabuf_fanout"
#define DEBUGFS		"/sys/kernel/debug/udmabuf-fanout"
#define PARAMETERS	"/sys/module/" MODULE "/parameters/"
/* One of the values that the races set, as the others are by default. */
#define COPY_LIMIT	"copy_limit_mb=1024"
#define WORKERS_MAX	6
#define SETTLE_MS	10000
#define SMALL_PAGES	16
#define QUIET_PAGE	40	/* of the lasting buffer, nobody's own */
#define WINDOWS		4
#define WINDOW		(2 * HUGE_PAGE)

struct worker;

/**
 * struct action - what a worker does, again and again
 * @name: in the results
 * @step: do it once
 * @both: it must be refused now and then, or it was no race
 */
struct action {
	const char *name;
	void (*step)(struct worker *w);
	bool both;
};

/**
 * struct race - what is done at the same time
 * @name: in the results
 * @lasting: a buffer is there all the time, mapped by the CPU
 * @actions: one for each worker
 */
struct race {
	const char *name;
	bool lasting;
	const struct action *actions[WORKERS_MAX];
};

/**
 * struct worker - one thread
 * @stage: the race it takes part in
 * @action: what it does
 * @thread: itself
 * @index: which one of the race's it is
 * @seed: of its random numbers
 * @done: how often it did what it wanted
 * @refused: how often it could not, for a reason that is right
 * @round: of what it writes
 * @importer: its own door to the devices
 * @memfd: memory for its buffers, or -1
 * @run: a buffer of its own
 * @fault: where it goes on when there is nothing at an address
 */
struct worker {
	struct stage *stage;
	const struct action *action;
	pthread_t thread;
	unsigned int index;
	unsigned int seed;
	unsigned long done;
	unsigned long refused;
	__u32 round;
	int importer;
	int memfd;
	struct run run;
	sigjmp_buf fault;
};

/**
 * struct stage - one race while it runs; shared with its processes
 * @race: what is played
 * @run: the buffer that lasts, and the one that is tried afterwards
 * @published: a dma-buf, or memfd, that others may use at any time; or -1
 * @turn: whose turn it is with a memfd that is sealed
 * @window: addresses that buffers are mapped to
 * @stop: all workers come to an end
 * @failed: @wrong is taken
 * @wrong: what the first worker that saw something wrong saw
 * @worker: the workers
 */
struct stage {
	const struct race *race;
	struct run run;
	int published;
	int turn;
	__u8 *window;
	bool stop;
	bool failed;
	char wrong[160];
	struct worker worker[WORKERS_MAX];
};

static const struct scenario quiet = {
	.name = "quiet",
	.memory = PAGES,
	.peer_count = 2,
	.peers = { { B1, BOTH, MAPPED }, { D1, READS, MAPPED } },
};

static const struct scenario waiting[] = {
	{ .memory = PAGES, .peer_count = 1, .peers = { { B1, WRITES, LATE } } },
	{ .memory = PAGES, .peer_count = 1, .peers = { { D1, BOTH, LATE } } },
};

static const struct exporter *ours;

static bool stopped(const struct stage *stage)
{
	return __atomic_load_n(&stage->stop, __ATOMIC_ACQUIRE);
}

static void stop(struct stage *stage)
{
	__atomic_store_n(&stage->stop, true, __ATOMIC_RELEASE);
}

/* Something is wrong: the race is over. */
static void __printf(2, 3) wrong(struct stage *stage, const char *format, ...)
{
	va_list args;

	if (!__atomic_exchange_n(&stage->failed, true, __ATOMIC_ACQ_REL)) {
		va_start(args, format);
		vsnprintf(stage->wrong, sizeof(stage->wrong), format, args);
		va_end(args);
	}
	stop(stage);
}

/* A call was refused: by one of @allowed, which ends with 0, or it is wrong. */
static void was_refused(struct worker *w, const char *call, const int *allowed)
{
	int error = errno;

	w->refused++;
	while (*allowed && *allowed != error)
		allowed++;
	if (!*allowed)
		wrong(w->stage, "%s: %s: %s", w->action->name, call,
		      strerror(error));
}

#define REFUSED(w, call, ...) \
	was_refused(w, call, (const int[]){ __VA_ARGS__, 0 })

/* What a descriptor says that was closed, and perhaps opened as another file. */
static const int closed[] = { EBADF, EINVAL, ENOTTY, ENODEV, EACCES, 0 };

static unsigned int pick(struct worker *w, unsigned int n)
{
	return rand_r(&w->seed) % n;
}

static int sync_dmabuf(int dmabuf, __u64 flags)
{
	struct dma_buf_sync req = { .flags = flags };

	return ioctl(dmabuf, DMA_BUF_IOCTL_SYNC, &req);
}

/*
 * Workers on the buffer that lasts.
 */

/* Attach, map, unmap, detach; @dmabuf may be closed meanwhile. */
static void import(struct worker *w, int dmabuf)
{
	struct edu_attach attach = { .device = pick(w, 4), .dmabuf = dmabuf };
	struct edu_map map = { .direction = pick(w, 3) };

	if (ioctl(w->importer, EDU_ATTACH, &attach)) {
		was_refused(w, "attach", closed);
		return;
	}
	map.attachment = attach.attachment;
	if (ioctl(w->importer, EDU_MAP, &map)) {
		REFUSED(w, "map", 0);
	} else {
		if (!pick(w, 4))
			usleep(pick(w, 500));
		if (ioctl(w->importer, EDU_UNMAP, &map))
			REFUSED(w, "unmap", 0);
		w->done++;
	}
	if (ioctl(w->importer, EDU_DETACH, &attach))
		REFUSED(w, "detach", 0);
}

static void come_and_go(struct worker *w)
{
	import(w, w->stage->run.dmabuf);
}

/* Others write to the same memory, so the compiler must not reason about it. */
static __u32 load(const __u32 *at)
{
	return __atomic_load_n(at, __ATOMIC_RELAXED);
}

static void store(__u32 *at, __u32 value)
{
	__atomic_store_n(at, value, __ATOMIC_RELAXED);
}

static bool holds(const __u32 *page, __u32 value)
{
	unsigned int i;

	for (i = 0; i < PAGE / 4; i++)
		if (load(&page[i]) != value)
			return false;
	return true;
}

/*
 * Nobody else writes to the page, neither CPU nor device: what was written
 * stays, through every copy that is made meanwhile, during the access and after.
 */
static void write_own_page(struct worker *w)
{
	struct run *r = &w->stage->run;
	__u32 *page = (__u32 *)(r->cpu + (1 + w->index) * PAGE);
	__u32 value = w->index << 24 | (w->round & 0xffffff);
	unsigned int i;

	if (sync_dmabuf(r->dmabuf, DMA_BUF_SYNC_START | DMA_BUF_SYNC_RW)) {
		REFUSED(w, "START", 0);
		return;
	}
	if (w->round && !holds(page, value))
		wrong(w->stage, "what was written is gone at the next access");
	value = w->index << 24 | (++w->round & 0xffffff);
	for (i = 0; i < PAGE / 4; i++)
		store(&page[i], value);
	sched_yield();
	if (!holds(page, value))
		wrong(w->stage, "what was written is gone before the access ends");
	if (sync_dmabuf(r->dmabuf, DMA_BUF_SYNC_END | DMA_BUF_SYNC_RW))
		REFUSED(w, "END", 0);
	w->done++;
}

static void read_all(struct worker *w)
{
	struct run *r = &w->stage->run;

	if (sync_dmabuf(r->dmabuf, DMA_BUF_SYNC_START | DMA_BUF_SYNC_READ) ||
	    sync_dmabuf(r->dmabuf, DMA_BUF_SYNC_END | DMA_BUF_SYNC_READ)) {
		REFUSED(w, "SYNC", 0);
		return;
	}
	w->done++;
}

/* A process of its own that writes its page, until it is killed. */
static void live_and_die(struct worker *w)
{
	pid_t pid = fork();

	if (!pid) {
		w->round = 0;
		while (!w->stage->failed)
			write_own_page(w);
		_exit(0);
	}
	if (pid < 0) {
		REFUSED(w, "fork", 0);
		return;
	}
	usleep(5000 + pick(w, 100000));
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
}

/* Return: how many bytes there are to read, or -1. */
static ssize_t read_whole(const char *path, char *text, size_t size)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t n;

	if (fd < 0)
		return -1;
	n = read(fd, text, size - 1);
	close(fd);
	text[n > 0 ? n : 0] = 0;
	return n;
}

static void read_debugfs(struct worker *w)
{
	char path[512], text[4096];
	DIR *dir = opendir(DEBUGFS);
	struct dirent *entry;

	if (!dir) {
		REFUSED(w, "opendir", ENOENT);
		return;
	}
	while ((entry = readdir(dir))) {
		if (*entry->d_name == '.')
			continue;
		snprintf(path, sizeof(path), DEBUGFS "/%s", entry->d_name);
		if (read_whole(path, text, sizeof(text)) < 0)
			REFUSED(w, "debugfs", ENOENT, EIO);
		else if (!strstr(text, "policy: "))
			wrong(w->stage, "a debugfs file does not say the policy");
		else
			w->done++;
	}
	closedir(dir);
}

/*
 * Fences.
 */
static void on_signal(int number)
{
	(void)number;
}

/* Return: whether debugfs says that a write access is open, -1 for an error. */
static int is_open_for_writing(int dmabuf)
{
	char path[64], text[4096];
	struct stat status;

	if (fstat(dmabuf, &status))
		return -1;
	snprintf(path, sizeof(path), DEBUGFS "/%lu",
		 (unsigned long)status.st_ino);
	if (read_whole(path, text, sizeof(text)) < 0)
		return -1;
	return strstr(text, "open for writing: maybe") ? 1 :
	       strstr(text, "open for writing: no") ? 0 : -1;
}

static bool expect_open(struct worker *w, int expected, const char *when)
{
	int seen = is_open_for_writing(w->run.dmabuf);

	if (seen != expected)
		wrong(w->stage, "open for writing %s: %d", when, seen);
	return seen == expected;
}

static bool make_own_buffer(struct worker *w)
{
	struct run *r = &w->run;

	r->exporter = ours;
	r->scenario = &waiting[w->index % ARRAY_SIZE(waiting)];
	r->peers[0] = r->scenario->peers[0];
	if (setjmp(r->end)) {
		wrong(w->stage, "%s: %s %s", w->action->name, r->step,
		      r->detail);
		return false;
	}
	make_buffer(r);
	join(r, 0);
	return true;
}

/*
 * A device writes late, and signals arrive while the CPU waits for its fence: a
 * START that was interrupted has begun nothing, one that was not comes after
 * the device.
 */
static void wait_for_device(struct worker *w)
{
	struct edu_transfer late = { .length = 256, .offset = 5 * PAGE };
	struct run *r = &w->run;
	__u32 data[64], *seen;
	sigset_t set;
	unsigned int i;
	int error;

	if (!r->cpu && !make_own_buffer(w))
		return;
	w->round++;
	for (i = 0; i < ARRAY_SIZE(data); i++)
		data[i] = w->round;
	late.attachment = r->attachment[0];
	late.data = (uintptr_t)data;
	late.delay_ms = 1 + pick(w, 20);
	if (ioctl(r->importer, EDU_WRITE, &late)) {
		REFUSED(w, "late write", 0);
		return;
	}

	sigemptyset(&set);
	sigaddset(&set, SIGUSR1);
	for (;;) {
		pthread_sigmask(SIG_UNBLOCK, &set, NULL);
		error = try_sync(r, DMA_BUF_SYNC_START | DMA_BUF_SYNC_RW);
		pthread_sigmask(SIG_BLOCK, &set, NULL);
		if (!error)
			break;
		errno = error;
		REFUSED(w, "START", EINTR);
		if (!expect_open(w, 0, "after an interrupted START") ||
		    stopped(w->stage))
			return;
	}
	seen = (__u32 *)(r->cpu + late.offset);
	for (i = 0; i < ARRAY_SIZE(data); i++)
		if (load(&seen[i]) != w->round)
			wrong(w->stage, "START came before the device's data");
	expect_open(w, 1, "after START");
	if (try_sync(r, DMA_BUF_SYNC_END | DMA_BUF_SYNC_RW))
		REFUSED(w, "END", 0);
	expect_open(w, 0, "after END");
	w->done++;
}

static void pester(struct worker *w)
{
	struct worker *other = w->stage->worker;
	unsigned int i;

	for (i = 0; i < w->index; i++)
		if (!pthread_kill(other[i].thread, SIGUSR1))
			w->done++;
	usleep(pick(w, 3000));
}

/*
 * Parameters.
 */
static const struct {
	const char *file;
	const char *values[3];
} knobs[] = {
	{ PARAMETERS "sync_policy", { "minimal", "all", "all" } },
	{ PARAMETERS "copy_limit_mb", { "64", "512", "1024" } },
	{ PARAMETERS "size_limit_mb", { "0", "1", "64" } },
	{ PARAMETERS "list_limit", { "0", "2", "1024" } },
};

static void turn_knobs(struct worker *w)
{
	unsigned int i = pick(w, ARRAY_SIZE(knobs));

	if (!write_file(knobs[i].file, knobs[i].values[pick(w, 3)]))
		REFUSED(w, knobs[i].file, 0);
	w->done++;
}

static void read_knobs(struct worker *w)
{
	unsigned int i = pick(w, ARRAY_SIZE(knobs)), v;
	char text[64];

	if (read_whole(knobs[i].file, text, sizeof(text)) < 0) {
		REFUSED(w, knobs[i].file, ENOENT, ENODEV);
		return;
	}
	text[strcspn(text, "\n")] = 0;
	for (v = 0; v < 3; v++)
		if (!strcmp(text, knobs[i].values[v])) {
			w->done++;
			return;
		}
	wrong(w->stage, "%s is %s", knobs[i].file, text);
}

/*
 * Buffers that come and go.
 */
static int open_node(struct worker *w)
{
	int node = open(ours->node, O_RDWR | O_CLOEXEC);

	/* Not there, being removed, or a node without a driver for now. */
	if (node < 0)
		REFUSED(w, "open", ENOENT, ENODEV, ENXIO);
	return node;
}

/* Return: a dma-buf, or -1. */
static int create_one(struct worker *w, int memfd, size_t bytes)
{
	struct udmabuf_create one = {
		.memfd = memfd,
		.flags = UDMABUF_FLAGS_CLOEXEC,
		.size = bytes,
	};
	int dmabuf, node = open_node(w);

	if (node < 0)
		return -1;
	dmabuf = ioctl(node, UDMABUF_CREATE, &one);
	/* Beyond a limit that is being changed, or sealed just now. */
	if (dmabuf < 0)
		REFUSED(w, "create", EINVAL);
	close(node);
	return dmabuf;
}

/* The same from three items, each page of which stands in the next, too. */
static int create_list(struct worker *w)
{
	struct {
		struct udmabuf_create_list head;
		struct udmabuf_create_item items[3];
	} list = { .head = { UDMABUF_FLAGS_CLOEXEC, 3 } };
	int dmabuf, node = open_node(w);
	unsigned int i;

	if (node < 0)
		return -1;
	for (i = 0; i < 3; i++) {
		list.items[i].memfd = w->memfd;
		list.items[i].offset = i * PAGE;
		list.items[i].size = (SMALL_PAGES - 3) * PAGE;
	}
	dmabuf = ioctl(node, UDMABUF_CREATE_LIST, &list);
	if (dmabuf < 0)
		REFUSED(w, "create list", EINVAL);
	close(node);
	return dmabuf;
}

/*
 * The module may come and go: while there is a buffer it stays, and its
 * buffer's file is where it belongs.
 */
static void make_use_close(struct worker *w)
{
	int dmabuf = pick(w, 2) ? create_list(w) :
		     create_one(w, w->memfd, SMALL_PAGES * PAGE);

	if (dmabuf < 0)
		return;
	if (is_open_for_writing(dmabuf))
		wrong(w->stage, "a new buffer's file in debugfs: %s",
		      strerror(errno));
	if (sync_dmabuf(dmabuf, DMA_BUF_SYNC_START | DMA_BUF_SYNC_RW))
		REFUSED(w, "START", 0);
	import(w, dmabuf);
	close(dmabuf);
	usleep(pick(w, 5000));
	w->done++;
}

static void unload_and_load(struct worker *w)
{
	int error;

	if (syscall(SYS_delete_module, MODULE, O_NONBLOCK)) {
		REFUSED(w, "unload", EAGAIN);
		usleep(pick(w, 300));
		return;
	}
	error = load_module("/" MODULE ".ko", COPY_LIMIT);
	if (error) {
		errno = error;
		REFUSED(w, "load", 0);
	}
	usleep(pick(w, 5000));
	w->done++;
}

/* Others use its number, which may be another file's the next moment. */
static void make_publish_close(struct worker *w)
{
	int dmabuf = create_one(w, w->memfd, SMALL_PAGES * PAGE);

	if (dmabuf < 0)
		return;
	__atomic_store_n(&w->stage->published, dmabuf, __ATOMIC_RELEASE);
	usleep(pick(w, 5000));
	close(dmabuf);
	w->done++;
}

static void use_published(struct worker *w)
{
	static const __u64 accesses[] = { DMA_BUF_SYNC_READ, DMA_BUF_SYNC_WRITE,
					  DMA_BUF_SYNC_RW };
	int dmabuf = __atomic_load_n(&w->stage->published, __ATOMIC_ACQUIRE);
	const size_t bytes = SMALL_PAGES / 2 * PAGE;
	__u64 access;
	__u8 *cpu;

	if (dmabuf < 0) {
		sched_yield();
		return;
	}
	switch (pick(w, 3)) {
	case 0:
		access = accesses[pick(w, 3)];
		if (sync_dmabuf(dmabuf, access | DMA_BUF_SYNC_START) ||
		    sync_dmabuf(dmabuf, access | DMA_BUF_SYNC_END))
			was_refused(w, "SYNC", closed);
		else
			w->done++;
		break;
	case 1:
		import(w, dmabuf);
		break;
	case 2:
		cpu = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED,
			   dmabuf, 0);
		if (cpu == MAP_FAILED) {
			was_refused(w, "mmap", closed);
			break;
		}
		munmap(cpu, bytes);
		w->done++;
		break;
	}
}

/*
 * Faults.
 */
static __thread struct worker *toucher;

static void on_fault(int number)
{
	if (toucher)
		siglongjmp(toucher->fault, number);
	_exit(number);
}

/* The memory of window @i: every page's first word says which page it is. */
static int window_memory(struct worker *w, unsigned int i, size_t *bytes)
{
	unsigned int page;
	__u8 *memory;
	int fd;

	*bytes = i % 2 ? HUGE_PAGE : 64 * PAGE;
	if (!(i % 2) && w->memfd >= 0)
		return w->memfd;
	if (i % 2 && w->run.memfds[0] > 0)
		return w->run.memfds[0];
	fd = sealed_memfd(*bytes, i % 2 ? MFD_HUGETLB : 0);
	memory = mmap(NULL, *bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (memory == MAP_FAILED) {
		REFUSED(w, "memory of a window", 0);
		return -1;
	}
	for (page = 0; page < *bytes / PAGE; page++)
		store((__u32 *)(memory + page * PAGE), OLD << 24 | page);
	munmap(memory, *bytes);
	if (i % 2)
		w->run.memfds[0] = fd;
	else
		w->memfd = fd;
	return fd;
}

static void map_window(struct worker *w)
{
	unsigned int i = pick(w, WINDOWS);
	int memfd, dmabuf;
	size_t bytes;

	memfd = window_memory(w, i, &bytes);
	if (memfd < 0)
		return;
	dmabuf = create_one(w, memfd, bytes);
	if (dmabuf < 0)
		return;
	/* What was there is unmapped, and released with it. */
	if (mmap(w->stage->window + i * WINDOW, bytes, PROT_READ | PROT_WRITE,
		 MAP_SHARED | MAP_FIXED, dmabuf, 0) == MAP_FAILED)
		REFUSED(w, "mmap", 0);
	close(dmabuf);
	usleep(pick(w, 3000));
	w->done++;
}

/* Nothing can be read there, and nobody else is given the addresses. */
static void *make_hole(void *at, size_t bytes)
{
	return mmap(at, bytes, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS |
		    MAP_NORESERVE | (at ? MAP_FIXED : 0), -1, 0);
}

static void clear_window(struct worker *w)
{
	const size_t bytes = (1 + pick(w, 64)) * PAGE;
	__u8 *at = w->stage->window + pick(w, WINDOWS) * WINDOW +
		   pick(w, 64) * PAGE;
	pid_t pid;

	if (pick(w, 8)) {
		if (make_hole(at, bytes) == MAP_FAILED)
			REFUSED(w, "mmap", 0);
	} else {
		/* The page tables are copied. */
		pid = fork();
		if (!pid)
			_exit(0);
		if (pid < 0)
			REFUSED(w, "fork", 0);
		waitpid(pid, NULL, 0);
	}
	usleep(pick(w, 1000));
	w->done++;
}

static void touch_window(struct worker *w)
{
	unsigned int i = pick(w, WINDOWS), page = pick(w, i % 2 ? 512 : 64);
	__u32 *at = (__u32 *)(w->stage->window + i * WINDOW + page * PAGE);
	__u32 seen;

	if (sigsetjmp(w->fault, 1)) {
		toucher = NULL;
		w->refused++;
		return;
	}
	toucher = w;
	if (pick(w, 2))
		store(at + 1, w->index);
	seen = load(at);
	toucher = NULL;
	if (seen != (OLD << 24 | page))
		wrong(w->stage, "page %u of a window reads %08x", page, seen);
	w->done++;
}

/*
 * Seals: one worker makes a buffer of a memfd that the other is sealing.
 */
enum turn { MAKE, BOTH_AT_ONCE, LOOK };

static void make_of_sealed(struct worker *w)
{
	int dmabuf, seals, memfd = sealed_memfd(SMALL_PAGES * PAGE, 0);

	__atomic_store_n(&w->stage->published, memfd, __ATOMIC_RELAXED);
	__atomic_store_n(&w->stage->turn, BOTH_AT_ONCE, __ATOMIC_RELEASE);
	usleep(pick(w, 50));
	dmabuf = create_one(w, memfd, SMALL_PAGES * PAGE);
	w->done += dmabuf >= 0;
	while (__atomic_load_n(&w->stage->turn, __ATOMIC_ACQUIRE) != LOOK) {
		if (stopped(w->stage))
			return;
		usleep(100);
	}
	seals = fcntl(memfd, F_GET_SEALS);
	if (dmabuf >= 0 && seals & F_SEAL_WRITE)
		wrong(w->stage, "a buffer of a memfd sealed against writing");
	if (dmabuf < 0 && !(seals & (F_SEAL_WRITE | F_SEAL_FUTURE_WRITE)))
		wrong(w->stage, "refused a memfd that is not sealed");
	if (dmabuf >= 0)
		close(dmabuf);
	close(memfd);
}

static void seal(struct worker *w)
{
	if (__atomic_load_n(&w->stage->turn, __ATOMIC_ACQUIRE) !=
	    BOTH_AT_ONCE) {
		sched_yield();
		return;
	}
	usleep(pick(w, 100));
	if (fcntl(__atomic_load_n(&w->stage->published, __ATOMIC_RELAXED),
		  F_ADD_SEALS, pick(w, 4) ? F_SEAL_WRITE : F_SEAL_FUTURE_WRITE))
		/* It is pinned already. */
		REFUSED(w, "F_ADD_SEALS", EBUSY);
	else
		w->done++;
	__atomic_store_n(&w->stage->turn, LOOK, __ATOMIC_RELEASE);
}

#define ACTION(name, ...) \
	static const struct action do_##name = { #name, name, __VA_ARGS__ }

ACTION(clear_window);
ACTION(come_and_go);
ACTION(live_and_die);
ACTION(make_of_sealed, true);
ACTION(make_publish_close);
ACTION(make_use_close, true);
ACTION(map_window);
ACTION(pester);
ACTION(read_all);
ACTION(read_debugfs);
ACTION(read_knobs);
ACTION(seal, true);
ACTION(touch_window, true);
ACTION(turn_knobs);
ACTION(unload_and_load, true);
ACTION(use_published, true);
ACTION(wait_for_device, true);
ACTION(write_own_page);

static const struct race races[] = {
	{ "map and unmap against accesses", true, {
		&do_come_and_go, &do_come_and_go, &do_write_own_page,
		&do_write_own_page, &do_read_all, &do_read_debugfs } },
	{ "two processes that are killed", true, {
		&do_live_and_die, &do_live_and_die, &do_come_and_go,
		&do_read_all } },
	{ "signals against fences", false, {
		&do_wait_for_device, &do_wait_for_device, &do_pester } },
	{ "parameters in mid-flight", true, {
		&do_turn_knobs, &do_read_knobs, &do_come_and_go,
		&do_write_own_page, &do_make_use_close } },
	{ "everything against close", false, {
		&do_make_publish_close, &do_use_published, &do_use_published,
		&do_read_debugfs } },
	{ "faults against unmap", false, {
		&do_map_window, &do_map_window, &do_clear_window,
		&do_touch_window, &do_touch_window } },
	{ "create against seals", false, {
		&do_make_of_sealed, &do_seal } },
	{ "everything against unload", false, {
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

/* The CPU to both devices, then the bounced one to the CPU. */
static void round_trip(struct run *r)
{
	const size_t at = QUIET_PAGE * PAGE, late = at + 2048;

	join(r, 0);
	join(r, 1);
	begin(r, DMA_BUF_SYNC_RW);
	cpu_write_at(r, at, 512);
	end(r, DMA_BUF_SYNC_RW);
	device_check_at(r, 0, at, 512, CPU);
	device_check_at(r, 1, at, 512, CPU);
	device_write_at(r, 0, late, 512);
	begin(r, DMA_BUF_SYNC_READ);
	cpu_check_at(r, late, 512, DEVICE);
	cpu_check_at(r, at, 512, CPU);
	end(r, DMA_BUF_SYNC_READ);
	leave(r, 0);
	leave(r, 1);
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
		w->memfd = action->step == map_window ? -1 :
			   sealed_memfd(SMALL_PAGES * PAGE, 0);
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
	struct sigaction interrupt = { .sa_handler = on_signal };
	struct sigaction fault = { .sa_handler = on_fault };
	struct run *r = &stage->run;
	unsigned int tenths;
	sigset_t set;

	sigaction(SIGUSR1, &interrupt, NULL);
	sigaction(SIGSEGV, &fault, NULL);
	sigaction(SIGBUS, &fault, NULL);
	sigemptyset(&set);
	sigaddset(&set, SIGUSR1);
	sigprocmask(SIG_BLOCK, &set, NULL);

	r->exporter = ours;
	r->scenario = &quiet;
	r->peer_count = quiet.peer_count;
	memcpy(r->peers, quiet.peers, sizeof(r->peers));
	r->attachment[0] = -1;
	r->attachment[1] = -1;
	stage->window = make_hole(NULL, (WINDOWS + 1) * WINDOW);
	stage->window += -(uintptr_t)stage->window % WINDOW;
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

/* Pages that are pinned anywhere in the system. */
static long pinned_pages(void)
{
	static const char *const names[] = { "nr_foll_pin_acquired ",
					     "nr_foll_pin_released " };
	long counts[2] = { -1, -1 };
	unsigned int i;
	char line[128];
	FILE *file;

	write_file("/proc/sys/vm/stat_refresh", "1");
	file = fopen("/proc/vmstat", "r");
	if (!file)
		return -1;
	while (fgets(line, sizeof(line), file))
		for (i = 0; i < 2; i++)
			if (!strncmp(line, names[i], strlen(names[i])))
				counts[i] = atol(line + strlen(names[i]));
	fclose(file);
	/* None was ever pinned: they are not counted. */
	return counts[0] > 0 ? counts[0] - counts[1] : -1;
}

/* Return: 0 once the module is gone, or why it stays. */
static int unload(void)
{
	unsigned int ms;

	/* Files are released a moment after the last process has ended. */
	for (ms = 0; ms < SETTLE_MS; ms += 100) {
		if (!syscall(SYS_delete_module, MODULE, O_NONBLOCK))
			return 0;
		usleep(100000);
	}
	return errno;
}

static void clean_up(struct stage *stage)
{
	int error = unload();
	long pinned;

	if (error)
		wrong(stage, "the module stays: %s", strerror(error));
	pinned = pinned_pages();
	if (pinned)
		wrong(stage, "%ld pages stay pinned", pinned);
	error = error ? 0 : load_module("/" MODULE ".ko", COPY_LIMIT);
	if (error)
		wrong(stage, "the module cannot be loaded: %s",
		      strerror(error));
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

static void run_race(const struct race *race, unsigned int seconds,
		     unsigned int seed)
{
	struct stage *stage;
	int status = -1;
	pid_t pid;

	stage = mmap(NULL, sizeof(*stage), PROT_READ | PROT_WRITE,
		     MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (stage == MAP_FAILED)
		abort();
	stage->race = race;
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

void run_races(const struct exporter *exporter)
{
	unsigned int seconds = atoi(getenv("RIG_SECONDS") ?: "10");
	unsigned int seed = atoi(getenv("RIG_SEED") ?: "1"), i;
	const char *only = getenv("RIG_RACE") ?: "";
	char *const hostile[] = { "/hostile", "--seed",
				  getenv("RIG_SEED") ?: "1", "--seconds",
				  getenv("RIG_HOSTILE") ?: "60", "--threads",
				  "4", NULL };

	ours = exporter;
	write_file(PARAMETERS "copy_limit_mb", "1024");
	for (i = 0; i < ARRAY_SIZE(races); i++)
		if (strstr(races[i].name, only))
			run_race(&races[i], seconds, seed);
	if (strstr("hostile", only))
		run_program("hostile", exporter->name, hostile);
}
