// SPDX-License-Identifier: GPL-2.0
/*
 * All calls: parameters, what threads race for, children, and the table from
 * which one is picked.
 */
#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include <linux/dma-buf.h>
#include <linux/udmabuf.h>

#include "edu/edu_importer.h"
#include "hostile_model.h"

#define PARAMETERS	"/sys/module/udmabuf_fanout/parameters/"

/* Numbers of the descriptors that all threads race for. */
#define SHARED_FD	900
#define SHARED_MEMFDS	3
#define SHARED_BUFFERS	3
#define SHARED_IMPORTER	(SHARED_FD + SHARED_MEMFDS + SHARED_BUFFERS)
/* So many attachments, each mapped once, that MAPPED_MAX holds. */
#define SHARED_ATTACHMENTS	5

/* A parameter of the driver; odd versions are being written. */
struct knob {
	atomic_uint version;
	atomic_uint value;
};

struct arena {
	struct knob knob[KNOBS];
	pthread_mutex_t knob_lock;
	atomic_int attachments;	/* of the shared importer */
	struct shared_world world[WORLDS];
};

static struct arena *arena;

/* Parameters. */

unsigned int knob_version(unsigned int knob)
{
	return atomic_load(&arena->knob[knob].version);
}

/* Whether the parameter has had one value only since @version was read. */
bool knob_steady(unsigned int knob, unsigned int version)
{
	return !(version & 1) && version == knob_version(knob);
}

unsigned int knob_value(unsigned int knob)
{
	return atomic_load(&arena->knob[knob].value);
}

static const struct setting {
	const char *text;
	unsigned int value;
	int error;
} list_settings[] = {
	{ "1024", 1024 }, { "1024", 1024 }, { "1", 1 }, { "3", 3 }, { "0", 0 },
	{ "4294967295", 0xffffffff }, { "-1", 0, EINVAL },
	{ "4294967296", 0, ERANGE }, { "much", 0, EINVAL }, { }
}, size_settings[] = {
	{ "64", 64 }, { "64", 64 }, { "1", 1 }, { "0", 0 }, { "65536", 65536 },
	{ "4294967295", 0xffffffff }, { "-1", 0, EINVAL },
	{ "1e3", 0, EINVAL }, { }
}, policy_settings[] = {
	{ "minimal", 0 }, { "all", 1 }, { "some", 0, EINVAL },
	{ "", 0, EINVAL }, { }
}, copy_settings[] = {
	{ "1024", 1024 }, { "1024", 1024 }, { "0", 0 }, { "1", 1 },
	{ "-1", 0, EINVAL }, { "much", 0, EINVAL }, { }
};

static const struct {
	const char *path;
	const struct setting *settings;
	unsigned int count;
} knobs[] = {
	[LIST_LIMIT] = { PARAMETERS "list_limit", list_settings, 9 },
	[SIZE_LIMIT] = { PARAMETERS "size_limit_mb", size_settings, 8 },
	[POLICY] = { PARAMETERS "sync_policy", policy_settings, 4 },
	[COPY_LIMIT] = { PARAMETERS "copy_limit_mb", copy_settings, 6 },
};

/* Return: the errno. */
static int set_knob(unsigned int knob, const struct setting *setting)
{
	struct knob *k = &arena->knob[knob];
	int fd, error = 0;

	fd = open(knobs[knob].path, O_WRONLY | O_CLOEXEC);
	if (fd < 0)
		return errno;
	pthread_mutex_lock(&arena->knob_lock);
	atomic_fetch_add(&k->version, 1);
	/* A write of nothing never gets to the driver. */
	if (write(fd, *setting->text ? setting->text : "\n",
		  strlen(setting->text) ?: 1) < 0)
		error = errno;
	else
		atomic_store(&k->value, setting->value);
	atomic_fetch_add(&k->version, 1);
	pthread_mutex_unlock(&arena->knob_lock);
	close(fd);
	return error;
}

/* As they are when nobody has written them. */
void default_parameters(void)
{
	unsigned int i;

	for (i = 0; i < KNOBS; i++)
		set_knob(i, &knobs[i].settings[0]);
}

/* Allow lists of any length, or of the usual one. */
void allow_long_lists(bool allow)
{
	set_knob(LIST_LIMIT, &list_settings[allow ? 5 : 0]);
}

static void call_parameter(struct world *w)
{
	unsigned int knob = pick(w, KNOBS), which;
	int error;

	which = pick(w, knobs[knob].count);
	start(w, "parameter", knob, which, 0);
	error = set_knob(knob, &knobs[knob].settings[which]);
	if (error == ENOENT || error == EACCES || error == EROFS) {
		finish(w, error);
		return;
	}
	expect(w, error, knobs[knob].settings[which].error);
	/* Not for long, or nothing would succeed any more. */
	if (knob <= SIZE_LIMIT && !one_in(w, 8))
		set_knob(knob, &knobs[knob].settings[0]);
}

/* A buffer may be as large as it may be, and not a page larger. */
static void call_size_limit(struct world *w)
{
	static const struct setting small = { "1", 1 };
	struct udmabuf_create args = { };
	unsigned int limit = (1 << 20) / PAGE;
	int fd;

	if (machine.threads > 1 || set_knob(SIZE_LIMIT, &small))
		return;
	args.size = (limit + pick(w, 2)) * PAGE;
	args.memfd = syscall(SYS_memfd_create, "large", MFD_ALLOW_SEALING);
	if ((int)args.memfd < 0 || ftruncate(args.memfd, args.size) ||
	    fcntl(args.memfd, F_ADD_SEALS, F_SEAL_SHRINK))
		die("memfd: %s", strerror(errno));
	start(w, "UDMABUF_CREATE of a MiB", args.size, 0, 0);
	fd = ioctl(w->node, UDMABUF_CREATE, &args);
	expect(w, error_of(fd), args.size / PAGE > limit ? EINVAL : 0);
	set_knob(SIZE_LIMIT, &size_settings[0]);
	close(args.memfd);
	if (fd < 0)
		return;
	if (lseek(fd, 0, SEEK_END) != (off_t)args.size)
		violation(w, "a MiB has another size");
	close(fd);
}

/* What all threads race for. */

static void shared_mmap(struct world *w, int fd)
{
	__u64 value = 0;
	int signal = 0;
	__u8 *at;

	at = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (at == MAP_FAILED) {
		expect(w, errno, EBADF);
		return;
	}
	signal = touch(at + SCRATCH, &value, one_in(w, 2));
	munmap(at, PAGE);
	expect(w, 0, 0);
	if (signal)
		violation(w, "the first page of a buffer: signal %d", signal);
}

static void shared_attach(struct world *w, int fd)
{
	struct edu_attach req = { .dmabuf = fd };
	int error;

	req.device = pick(w, machine.devices);
	if (atomic_fetch_add(&arena->attachments, 1) >= SHARED_ATTACHMENTS) {
		atomic_fetch_sub(&arena->attachments, 1);
		expect(w, ENOSPC, ENOSPC);
		return;
	}
	error = error_of(ioctl(SHARED_IMPORTER, EDU_ATTACH, &req));
	if (error)
		atomic_fetch_sub(&arena->attachments, 1);
	expect(w, error, 0, EBADF);
}

static void shared_importer(struct world *w, int fd)
{
	unsigned int number = pick(w, SHARED_ATTACHMENTS), what = pick(w, 7);
	struct edu_transfer transfer = { .attachment = number };
	struct edu_attach attach = { .attachment = number };
	struct edu_map map = { .attachment = number };
	int error;
	__u64 data;

	switch (what) {
	case 0:
	case 1:
		shared_attach(w, fd);
		break;
	case 2:
	case 3:
		map.direction = pick(w, 3);
		error = error_of(ioctl(SHARED_IMPORTER, EDU_MAP, &map));
		expect(w, error, 0, ENOENT, EBUSY, EOPNOTSUPP, ENOMEM);
		break;
	case 4:
		error = error_of(ioctl(SHARED_IMPORTER, EDU_UNMAP, &map));
		expect(w, error, 0, ENOENT);
		break;
	case 5:
		error = error_of(ioctl(SHARED_IMPORTER, EDU_DETACH, &attach));
		if (!error)
			atomic_fetch_sub(&arena->attachments, 1);
		expect(w, error, 0, ENOENT, EBUSY);
		break;
	case 6:
		transfer.length = sizeof(data);
		transfer.data = (uintptr_t)&data;
		transfer.delay_ms = 1 + pick(w, 5);
		error = error_of(ioctl(SHARED_IMPORTER, EDU_READ, &transfer));
		expect(w, error, 0, ENOENT, EBUSY);
		break;
	}
}

static void call_shared(struct world *w)
{
	int memfd = SHARED_FD + pick(w, SHARED_MEMFDS);
	int buffer = SHARED_FD + SHARED_MEMFDS + pick(w, SHARED_BUFFERS);
	struct dma_buf_sync sync = { };
	struct udmabuf_create create = { };
	unsigned int what = pick(w, 14);
	int fd, error;
	off_t size;

	if (!machine.devices && what >= 10)
		what -= 6;
	start(w, "shared", what, memfd, buffer);
	switch (what) {
	case 0:
		fd = syscall(SYS_memfd_create, "shared", MFD_ALLOW_SEALING);
		if (fd < 0 || ftruncate(fd, 4 * PAGE))
			die("memfd: %s", strerror(errno));
		if (!one_in(w, 4))
			fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK);
		error = error_of(dup3(fd, memfd, O_CLOEXEC));
		close(fd);
		expect(w, error, 0, EBUSY);
		break;
	case 1:
	case 2:
		create.memfd = memfd;
		create.offset = pick(w, 3) * PAGE;
		create.size = PAGE;
		fd = ioctl(w->node, UDMABUF_CREATE, &create);
		expect(w, error_of(fd), 0, EBADFD, EINVAL);
		if (fd < 0)
			break;
		size = lseek(fd, 0, SEEK_END);
		if (size != PAGE)
			violation(w, "SEEK_END: %lld", (long long)size);
		if (dup3(fd, buffer, O_CLOEXEC) < 0 && errno != EBUSY)
			die("dup3: %s", strerror(errno));
		close(fd);
		break;
	case 3:
		error = error_of(close(one_in(w, 2) ? memfd : buffer));
		expect(w, error, 0, EBADF);
		break;
	case 4:
	case 5:
		sync.flags = 1 + pick(w, 3) + 4 * pick(w, 2);
		error = error_of(ioctl(buffer, DMA_BUF_IOCTL_SYNC, &sync));
		expect(w, error, 0, EBADF);
		break;
	case 6:
		error = error_of(fcntl(memfd, F_ADD_SEALS, F_SEAL_SHRINK |
				       (one_in(w, 8) ? F_SEAL_FUTURE_WRITE :
						       0)));
		expect(w, error, 0, EBADF);
		break;
	case 7:
		error = error_of(ftruncate(memfd, pick(w, 6) * PAGE));
		expect(w, error, 0, EBADF, EPERM);
		break;
	case 8:
		error = error_of(fallocate(memfd, FALLOC_FL_PUNCH_HOLE |
						  FALLOC_FL_KEEP_SIZE,
					   pick(w, 4) * PAGE, PAGE));
		expect(w, error, 0, EBADF, EPERM);
		break;
	case 9:
		shared_mmap(w, buffer);
		break;
	default:
		shared_importer(w, buffer);
		break;
	}
}

static void open_shared(void)
{
	int fd;

	if (!machine.devices)
		return;
	fd = open("/dev/edu-importer", O_RDWR | O_CLOEXEC);
	if (fd < 0 || dup3(fd, SHARED_IMPORTER, O_CLOEXEC) < 0)
		die("/dev/edu-importer: %s", strerror(errno));
	close(fd);
	atomic_store(&arena->attachments, 0);
}

void close_shared(void)
{
	int fd;

	for (fd = SHARED_FD; fd <= SHARED_IMPORTER; fd++)
		close(fd);
}

/* Processes. */

/* A fork has descriptors and maps of all threads; the model's count too. */
static void inherit(struct world *w)
{
	unsigned int i;

	w->child = 1;
	w->loose = 0;
	w->timer_made = false;
	for (i = 0; i < MEMFDS; i++)
		if (w->memfd[i].fd >= 0)
			inode_of(w, &w->memfd[i])->users++;
	for (i = 0; i < BUFFERS; i++)
		if (w->buffer[i].fd >= 0)
			get_memory(w, &w->buffer[i].memory);
	for (i = 0; i < MAPS; i++) {
		struct inode *inode;

		if (!w->map[i].at)
			continue;
		if (w->map[i].inode < 0) {
			get_memory(w, &w->map[i].memory);
			continue;
		}
		inode = &w->shared->inode[w->map[i].inode];
		inode->users++;
		if (w->map[i].sure)
			inode->maps++;
		else
			inode->maps_unsure++;
	}
	/* The parent's importer is the parent's. */
	memset(w->attachment, 0, sizeof(w->attachment));
	open_importer(w);
}

/* The model forgets what a process had that is about to end. */
static void disown(struct world *w)
{
	unsigned int i;

	for (i = 0; i < MEMFDS; i++)
		if (w->memfd[i].fd >= 0)
			put_inode(w, w->memfd[i].inode);
	for (i = 0; i < BUFFERS; i++)
		if (w->buffer[i].fd >= 0)
			put_memory(w, &w->buffer[i].memory);
	for (i = 0; i < MAPS; i++)
		if (w->map[i].at)
			drop_map(w, &w->map[i]);
	for (i = 0; i < ATTACHMENTS; i++)
		if (w->attachment[i].used)
			drop_attachment(w, &w->attachment[i]);
}

static void call_fork(struct world *w)
{
	unsigned int calls = 1 + pick(w, 40);
	__u64 seed = next(w);
	unsigned int i;
	int status;
	pid_t pid;

	if (w->child)
		return;
	start(w, "fork", calls, seed, 0);
	reap(w);
	pid = fork();
	if (!pid) {
		inherit(w);
		w->random = seed;
		for (i = 0; i < calls; i++)
			random_call(w);
		/* The kernel closes what is left. */
		disown(w);
		_exit(0);
	}
	expect(w, error_of(pid), 0);
	while (waitpid(pid, &status, 0) < 0)
		if (errno != EINTR)
			die("waitpid: %s", strerror(errno));
	if (!WIFEXITED(status) || WEXITSTATUS(status))
		die("a child ended with status %#x", status);
}

/* A child that syncs and reads while its parent goes on, until it is killed. */
static void call_loose_child(struct world *w)
{
	unsigned int i, calls = 1 + pick(w, 2000);

	if (w->child)
		return;
	start(w, "fork without wait", calls, 0, 0);
	reap(w);
	w->loose = fork();
	if (!w->loose) {
		w->timer_made = false;
		for (i = 0; i < calls; i++) {
			struct dma_buf_sync sync = {
				.flags = 1 + i % 3 + 4 * (i / 3 % 2) };
			struct buffer *buffer = &w->buffer[i % BUFFERS];
			struct map *map = &w->map[i % MAPS];
			__u64 value;

			if (buffer->fd >= 0 &&
			    ioctl(buffer->fd, DMA_BUF_IOCTL_SYNC, &sync))
				_exit(1);
			if (map->at && map->inode < 0)
				touch(map->at, &value, false);
		}
		_exit(0);
	}
	if (w->loose < 0)
		w->loose = 0;
	expect(w, w->loose ? 0 : errno, 0);
}

/* The world comes to an end, and nothing may be left of it. */
static void clear(struct world *w)
{
	unsigned int i;

	reap(w);
	for (i = 0; i < MAPS; i++)
		if (w->map[i].at)
			unmap(w, &w->map[i]);
	if (one_in(w, 2))
		close_importer(w);
	for (i = 0; i < BUFFERS; i++)
		if (w->buffer[i].fd >= 0)
			close_buffer(w, &w->buffer[i]);
	for (i = 0; i < MEMFDS; i++) {
		if (w->memfd[i].fd < 0)
			continue;
		close(w->memfd[i].fd);
		put_inode(w, w->memfd[i].inode);
		w->memfd[i].fd = -1;
	}
	if (w->sync_file >= 0)
		close(w->sync_file);
	w->sync_file = -1;
	close_importer(w);
	for (i = 1; i < POOL; i++)
		if (w->shared->page[i].refs)
			die("the model has lost page %u", i);
}

/* Nothing may be left of the world; only a world that is alone can tell. */
static void call_end_of_the_world(struct world *w)
{
	if (w->child || machine.threads > 1)
		return;
	start(w, "end of the world", 0, 0, 0);
	clear(w);
	close_shared();
	finish(w, 0);
	check_returned(1);
	open_shared();
	open_importer(w);
}

static const struct {
	const char *name;
	unsigned int weight;
	void (*call)(struct world *w);
} calls[] = {
	{ "memfd_create", 24, call_memfd },
	{ "close(memfd)", 6, call_close_memfd },
	{ "ftruncate", 10, call_truncate },
	{ "F_ADD_SEALS", 8, call_seal },
	{ "F_GET_SEALS", 4, call_get_seals },
	{ "pwrite(memfd)", 40, call_write_memfd },
	{ "pread(memfd)", 30, call_read_memfd },
	{ "punch hole", 10, call_punch },
	{ "CREATE", 100, call_create },
	{ "CREATE_LIST", 70, call_create_list },
	{ "CREATE of a MiB", 1, call_size_limit },
	{ "close(buffer)", 30, call_close_buffer },
	{ "dup(buffer)", 8, call_dup },
	{ "lseek(buffer)", 16, call_seek },
	{ "SYNC", 140, call_sync },
	{ "SET_NAME", 10, call_set_name },
	{ "SYNC_FILE", 16, call_sync_file },
	{ "poll(buffer)", 16, call_poll },
	{ "nonsense", 16, call_nonsense },
	{ "arguments in buffer", 6, call_arguments_in_buffer },
	{ "mmap(buffer)", 50, call_mmap },
	{ "mmap(memfd)", 10, call_mmap_memfd },
	{ "munmap", 20, call_munmap },
	{ "mremap", 12, call_mremap },
	{ "mprotect", 16, call_mprotect },
	{ "madvise", 12, call_madvise },
	{ "touch", 120, call_touch },
	{ "attach", 50, call_attach },
	{ "map", 60, call_map },
	{ "unmap", 40, call_unmap },
	{ "detach", 30, call_detach },
	{ "late transfer", 6, call_late },
	{ "where", 12, call_where },
	{ "vmap", 12, call_vmap },
	{ "importer dies", 1, call_importer_dies },
	{ "debugfs", 6, call_debugfs },
	{ "all of debugfs", 2, call_debugfs_all },
	{ "fdinfo", 4, call_fdinfo },
	{ "parameter", 10, call_parameter },
	{ "shared", 100, call_shared },
	{ "fork", 2, call_fork },
	{ "fork without wait", 2, call_loose_child },
	{ "end of the world", 1, call_end_of_the_world },
};

static_assert(ARRAY_SIZE(calls) <= KINDS_MAX, "KINDS_MAX is too small");

const unsigned int kinds = ARRAY_SIZE(calls);

const char *kind_name(unsigned int kind)
{
	return calls[kind].name;
}

void random_call(struct world *w)
{
	static unsigned int total;
	unsigned int at, kind;

	if (!total)
		for (kind = 0; kind < kinds; kind++)
			total += calls[kind].weight;
	at = pick(w, total);
	for (kind = 0; at >= calls[kind].weight; kind++)
		at -= calls[kind].weight;
	w->kind = kind;
	calls[kind].call(w);
}

const struct tally *tally_of(unsigned int thread)
{
	return &arena->world[thread].tally;
}

/* First of all: what threads and their children will share. */
void share_arena(void)
{
	pthread_mutexattr_t attributes;

	arena = mmap(NULL, sizeof(*arena), PROT_READ | PROT_WRITE,
		     MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (arena == MAP_FAILED)
		die("no memory: %s", strerror(errno));
	pthread_mutexattr_init(&attributes);
	pthread_mutexattr_setpshared(&attributes, PTHREAD_PROCESS_SHARED);
	pthread_mutex_init(&arena->knob_lock, &attributes);
	default_parameters();
	catch_signals();
}

/* A new beginning, as far as the model knows. */
void start_over(void)
{
	memset(arena->world, 0, sizeof(arena->world));
	open_shared();
}

struct world *open_world(unsigned int thread)
{
	struct world *w = calloc(1, sizeof(*w));
	unsigned int i;

	if (!w)
		die("no memory");
	w->thread = thread;
	w->random = machine.seed * 0x2545f4914f6cdd1dULL + thread;
	w->shared = &arena->world[thread];
	w->tally = &w->shared->tally;
	w->sync_file = -1;
	for (i = 0; i < MEMFDS; i++)
		w->memfd[i].fd = -1;
	for (i = 0; i < BUFFERS; i++)
		w->buffer[i].fd = -1;
	w->node = open(machine.node, O_RDWR | O_CLOEXEC);
	if (w->node < 0)
		die("%s: %s", machine.node, strerror(errno));
	open_importer(w);
	w->none = mmap(NULL, 3 * PAGE, PROT_READ | PROT_WRITE,
		       MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (w->none == MAP_FAILED)
		die("no memory");
	/* One page to write to, one that is not there, one to read. */
	w->edge = w->none + PAGE - 1;
	w->read_only = w->none + 2 * PAGE;
	w->none += PAGE;
	*(__u32 *)w->read_only = DMA_BUF_SYNC_READ;
	mprotect(w->none, PAGE, PROT_NONE);
	mprotect(w->read_only, PAGE, PROT_READ);
	return w;
}

void close_world(struct world *w)
{
	clear(w);
	if (w->timer_made)
		timer_delete(w->timer);
	munmap(w->none - PAGE, 3 * PAGE);
	close(w->node);
	free(w);
}
