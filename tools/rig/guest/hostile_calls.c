// SPDX-License-Identifier: GPL-2.0
/*
 * Random calls, and a model of what each may return. A world is what one
 * thread owns; nobody else touches it, so the model knows what every call on it
 * must do. What threads share they race for: there only the set of errors is
 * known, and that the kernel must stay silent.
 *
 * A forked child goes on with a copy of its parent's world while the parent
 * waits. What both see, pages and memfds, is therefore kept in shared memory.
 */
#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <dirent.h>
#include <pthread.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <linux/dma-buf.h>
#include <linux/udmabuf.h>

#include "edu_importer.h"
#include "hostile.h"

#define PARAMETERS	"/sys/module/udmabuf_fanout/parameters/"
#define BUFFER_FILES	DEBUGFS "/udmabuf-fanout"

#define MEMFDS		6
#define BUFFERS		6
#define MAPS		8
#define ATTACHMENTS	8
#define MEMFD_PAGES	16
#define BUFFER_PAGES	40
#define ITEMS		6
#define POOL		1024	/* pages a world can have */
#define INODES		32	/* memfds a world can have, closed ones too */
#define HISTORY		24
#define WORLDS		33
#define SCRATCH		512	/* of a page: arguments, not looked at */

/* Under DMA API debugging more than 7 mappings that write warn. */
#define MAPPED_MAX	7

/* As in enum dma_data_direction. */
enum direction { BOTH, READS, WRITES };

/* Numbers of the descriptors that all threads race for. */
#define SHARED_FD	900
#define SHARED_MEMFDS	3
#define SHARED_BUFFERS	3
#define SHARED_IMPORTER	(SHARED_FD + SHARED_MEMFDS + SHARED_BUFFERS)
/* So many attachments, each mapped once, that MAPPED_MAX holds. */
#define SHARED_ATTACHMENTS	5

/* A page of memory, in a memfd, in buffers, or both. */
struct page {
	__u64 stamp;		/* what its first and last words say */
	unsigned short refs;	/* of memfds, buffers, maps, attachments */
	unsigned char mapped;	/* by devices that write */
	unsigned char bounced;	/* of those, by ones that may be bounced */
	bool unsure;		/* a device may have written it */
};

/* The memory of a memfd. */
struct inode {
	__u64 size;
	unsigned int seals;
	bool executable;
	unsigned short users;	/* descriptors and maps */
	unsigned short maps;	/* that deny F_SEAL_WRITE */
	unsigned short maps_unsure;	/* that may */
	bool was_mapped;
	unsigned short page[MEMFD_PAGES + 1];
};

/* The memory of a buffer: the same as long as it lives. */
struct memory {
	unsigned int id;
	unsigned int pages;
	bool twice;		/* one of them stands twice */
	unsigned short page[BUFFER_PAGES];
};

struct memfd {
	int fd;			/* -1: none */
	unsigned int inode;
};

struct buffer {
	int fd;			/* -1: none */
	struct memory memory;
};

struct map {
	__u8 *at;		/* NULL: none */
	unsigned int pages;
	unsigned int first;	/* page of the buffer or memfd */
	int prot;
	int inode;		/* -1: of a buffer */
	bool sure;		/* see struct inode */
	struct memory memory;
};

struct attachment {
	bool used;
	bool mapped;
	bool late;		/* had a transfer with a fence */
	unsigned int number;
	unsigned int device;
	enum direction direction;
	struct memory memory;
};

/* A parameter of the driver; odd versions are being written. */
struct knob {
	atomic_uint version;
	atomic_uint value;
};

enum { LIST_LIMIT, SIZE_LIMIT, POLICY, CONFLICT, KNOBS };

/* What children see, too. */
struct shared_world {
	struct page page[POOL];
	struct inode inode[INODES];
	struct tally tally;
	unsigned int next_page;
	unsigned int next_id;
};

struct arena {
	struct knob knob[KNOBS];
	pthread_mutex_t knob_lock;
	atomic_int attachments;	/* of the shared importer */
	struct shared_world world[WORLDS];
};

static struct arena *arena;

struct world {
	unsigned int thread;
	__u64 random;
	unsigned int child;	/* 1 in a forked child */
	pid_t loose;		/* a child nobody waits for, 0 if none */
	struct shared_world *shared;
	struct tally *tally;
	int node;
	int importer;
	bool timer_made;
	timer_t timer;
	struct memfd memfd[MEMFDS];
	struct buffer buffer[BUFFERS];
	struct map map[MAPS];
	struct attachment attachment[ATTACHMENTS];
	int sync_file;		/* -1: none */
	unsigned int kind;	/* of the call that is being made */
	struct call history[HISTORY];
	__u64 made;
	/* places that are no good as arguments */
	__u8 *none;		/* PROT_NONE */
	__u8 *edge;		/* the last byte before it */
	__u8 *read_only;
};

static __thread struct {
	sigjmp_buf back;
	volatile sig_atomic_t armed;
} trap;

/* Chance. */

static __u64 next(struct world *w)
{
	__u64 z = w->random += 0x9e3779b97f4a7c15ULL;

	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9ULL;
	z = (z ^ z >> 27) * 0x94d049bb133111ebULL;
	return z ^ z >> 31;
}

static unsigned int pick(struct world *w, unsigned int n)
{
	return next(w) % n;
}

static bool one_in(struct world *w, unsigned int n)
{
	return !pick(w, n);
}

/* Record and judge. */

static void add_to_hash(struct world *w, __u64 value)
{
	w->tally->hash = (w->tally->hash ^ value) * 0x100000001b3ULL;
	w->tally->hash ^= w->tally->hash >> 29;
}

/* Nothing in @a, @b and @c may differ from run to run: no address, no number
 * that the kernel chose.
 */
static void start(struct world *w, const char *name, __u64 a, __u64 b, __u64 c)
{
	w->history[w->made++ % HISTORY] = (struct call) {
		.name = name, .arg = { a, b, c }, .error = -1 };
	add_to_hash(w, w->kind);
	add_to_hash(w, a);
	add_to_hash(w, b);
	add_to_hash(w, c);
}

static void finish(struct world *w, int error)
{
	w->history[(w->made - 1) % HISTORY].error = error;
	w->tally->calls++;
	if (error)
		w->tally->failed[w->kind]++;
	else
		w->tally->passed[w->kind]++;
}

static void __noreturn __printf(2, 3) violation(struct world *w,
						const char *format, ...)
{
	char text[200];
	va_list args;
	__u64 i;

	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);

	say("thread %u%s, seed %llu, call %llu; its last calls:", w->thread,
	    w->child ? " (a forked child)" : "", machine.seed,
	    w->tally->calls);
	for (i = w->made > HISTORY ? w->made - HISTORY : 0; i < w->made; i++) {
		const struct call *call = &w->history[i % HISTORY];

		say("  %s %#llx %#llx %#llx: %s", call->name, call->arg[0],
		    call->arg[1], call->arg[2],
		    call->error < 0 ? "..." : call->error ?
		    strerrorname_np(call->error) : "0");
	}
	die("%s", text);
}

static const char *errno_name(int error)
{
	return error ? strerrorname_np(error) ?: "?" : "success";
}

/* The call returned @error and must have returned one of the others. */
#define expect(w, error, ...)						\
	expect_one_of(w, error, (const int []) { __VA_ARGS__, -1 })

static void expect_one_of(struct world *w, int error, const int *allowed)
{
	char text[120] = "";
	const int *e;

	finish(w, error);
	for (e = allowed; *e >= 0; e++)
		if (*e == error)
			return;
	for (e = allowed; *e >= 0; e++) {
		strcat(text, e == allowed ? "" : " or ");
		strcat(text, errno_name(*e));
		if (e - allowed == 6)
			break;
	}
	violation(w, "%s: got %s, expected %s",
		  w->history[(w->made - 1) % HISTORY].name, errno_name(error),
		  text);
}

static int error_of(long ret)
{
	return ret < 0 ? errno : 0;
}

/* The model's memory. */

static unsigned short new_page(struct world *w)
{
	struct shared_world *s = w->shared;
	unsigned int i;

	for (i = 0; i < POOL; i++) {
		s->next_page = s->next_page % (POOL - 1) + 1;
		if (s->page[s->next_page].refs)
			continue;
		s->page[s->next_page] = (struct page) { .refs = 1 };
		return s->next_page;
	}
	die("the model has too few pages");
}

static void put_page(struct world *w, unsigned short page)
{
	w->shared->page[page].refs--;
}

static void get_memory(struct world *w, const struct memory *memory)
{
	unsigned int i;

	for (i = 0; i < memory->pages; i++)
		w->shared->page[memory->page[i]].refs++;
}

static void put_memory(struct world *w, const struct memory *memory)
{
	unsigned int i;

	for (i = 0; i < memory->pages; i++)
		put_page(w, memory->page[i]);
}

static unsigned int pages_of(const struct inode *inode)
{
	return (inode->size + PAGE - 1) / PAGE;
}

static void resize(struct world *w, struct inode *inode, __u64 size)
{
	unsigned int old = pages_of(inode), i;

	inode->size = size;
	for (i = old; i < pages_of(inode); i++)
		inode->page[i] = new_page(w);
	for (i = pages_of(inode); i < old; i++)
		put_page(w, inode->page[i]);
}

static unsigned int new_inode(struct world *w)
{
	unsigned int i;

	for (i = 0; i < INODES; i++) {
		if (w->shared->inode[i].users)
			continue;
		w->shared->inode[i] = (struct inode) { .users = 1 };
		return i;
	}
	die("the model has too few inodes");
}

static void put_inode(struct world *w, unsigned int i)
{
	struct inode *inode = &w->shared->inode[i];

	if (!--inode->users)
		resize(w, inode, 0);
}

/* Some slot that is in use, or NULL. */

static struct memfd *some_memfd(struct world *w)
{
	unsigned int at = pick(w, MEMFDS), i;

	for (i = 0; i < MEMFDS; i++, at = (at + 1) % MEMFDS)
		if (w->memfd[at].fd >= 0)
			return &w->memfd[at];
	return NULL;
}

static struct buffer *some_buffer(struct world *w)
{
	unsigned int at = pick(w, BUFFERS), i;

	for (i = 0; i < BUFFERS; i++, at = (at + 1) % BUFFERS)
		if (w->buffer[at].fd >= 0)
			return &w->buffer[at];
	return NULL;
}

static struct map *some_map(struct world *w)
{
	unsigned int at = pick(w, MAPS), i;

	for (i = 0; i < MAPS; i++, at = (at + 1) % MAPS)
		if (w->map[at].at)
			return &w->map[at];
	return NULL;
}

static struct attachment *some_attachment(struct world *w, bool used)
{
	unsigned int at = pick(w, ATTACHMENTS), i;

	for (i = 0; i < ATTACHMENTS; i++, at = (at + 1) % ATTACHMENTS)
		if (w->attachment[at].used == used)
			return &w->attachment[at];
	return NULL;
}

static struct inode *inode_of(struct world *w, const struct memfd *memfd)
{
	return &w->shared->inode[memfd->inode];
}

/* Bad places for arguments of @size bytes; @output: they are written to. */
static void *bad_place(struct world *w, size_t size, bool output)
{
	switch (pick(w, output ? 7 : 6)) {
	case 0:
		return NULL;
	case 1:
		return w->none;
	case 2:
		return w->edge + 1 - (size > 8 ? 8 : 1);
	case 3:
		return (void *)~7UL;
	case 4:
		return (void *)0xffff888000000000UL;
	case 5:
		return (void *)8UL;
	default:
		return w->read_only;
	}
}

/* Signals. */

static void on_fault(int signal)
{
	if (!trap.armed)
		die("signal %d out of nowhere", signal);
	siglongjmp(trap.back, signal);
}

static void on_alarm(int signal)
{
	(void)signal;
}

/* Read or write one word. Return: the signal that it cost, 0 for none. */
static int touch(void *at, __u64 *value, bool write)
{
	int signal = sigsetjmp(trap.back, 1);

	if (!signal) {
		trap.armed = 1;
		if (write)
			*(volatile __u64 *)at = *value;
		else
			*value = *(volatile __u64 *)at;
	}
	trap.armed = 0;
	return signal;
}

/* Stamps. */

static const size_t stamp_at[] = { 0, PAGE - sizeof(__u64) };

static bool holds(const struct memory *memory, unsigned int page)
{
	unsigned int i;

	for (i = 0; i < memory->pages; i++)
		if (memory->page[i] == page)
			return true;
	return false;
}

static void sync_plainly(struct world *w, int fd, __u64 flags)
{
	struct dma_buf_sync sync = { .flags = flags };

	while (ioctl(fd, DMA_BUF_IOCTL_SYNC, &sync))
		if (errno != EINTR)
			violation(w, "SYNC %#llx of a live buffer: %s", flags,
				  strerrorname_np(errno));
}

/*
 * A page that a bounced device writes is written between begin and end of all
 * its buffers; if one of them has no descriptor any more, or others sync it
 * too, nobody knows what it holds from then on.
 */
static void bracket(struct world *w, unsigned int page, __u64 flags)
{
	struct page *p = &w->shared->page[page];
	unsigned int i, j;

	if (!p->bounced)
		return;
	if (w->child || w->loose)
		p->unsure = true;
	for (i = 0; i < BUFFERS; i++)
		if (w->buffer[i].fd >= 0 && holds(&w->buffer[i].memory, page))
			sync_plainly(w, w->buffer[i].fd, flags);
	for (i = 0; i < ATTACHMENTS; i++) {
		struct attachment *a = &w->attachment[i];

		if (!a->used || !holds(&a->memory, page))
			continue;
		for (j = 0; j < BUFFERS; j++)
			if (w->buffer[j].fd >= 0 &&
			    w->buffer[j].memory.id == a->memory.id)
				break;
		if (j == BUFFERS)
			p->unsure = true;
	}
}

static void check_stamp(struct world *w, unsigned int page, __u64 seen,
			const char *where)
{
	const struct page *p = &w->shared->page[page];

	if (!p->unsure && seen != p->stamp)
		violation(w, "%s: page %u has %#llx, expected %#llx", where,
			  page, seen, p->stamp);
}

/* Look through a map of a page. */
static void check_mapped(struct world *w, const __u8 *at, unsigned int page,
			 const char *where)
{
	__u64 seen;
	size_t i;

	for (i = 0; i < ARRAY_SIZE(stamp_at); i++) {
		memcpy(&seen, at + stamp_at[i], sizeof(seen));
		check_stamp(w, page, seen, where);
	}
}

/* memfds. */

static void call_memfd(struct world *w)
{
	static const unsigned int flags[] = {
		MFD_ALLOW_SEALING, MFD_ALLOW_SEALING | MFD_CLOEXEC,
		MFD_ALLOW_SEALING | 8 /* MFD_NOEXEC_SEAL */, 0,
	};
	unsigned int which = one_in(w, 8) ? pick(w, 4) : 0, i;
	__u64 size = pick(w, MEMFD_PAGES + 1) * PAGE;
	struct memfd *memfd = &w->memfd[pick(w, MEMFDS)];
	struct inode *inode;

	if (memfd->fd >= 0) {
		start(w, "close(memfd)", memfd - w->memfd, 0, 0);
		expect(w, error_of(close(memfd->fd)), 0);
		put_inode(w, memfd->inode);
		memfd->fd = -1;
	}
	start(w, "memfd_create", flags[which], size, 0);
	memfd->fd = syscall(SYS_memfd_create, "hostile", flags[which]);
	expect(w, error_of(memfd->fd), 0);
	memfd->inode = new_inode(w);
	inode = inode_of(w, memfd);
	inode->seals = which == 3 ? F_SEAL_SEAL : which == 2 ? 0x20 : 0;
	inode->executable = which != 2;
	if (ftruncate(memfd->fd, size))
		violation(w, "ftruncate of a new memfd: %s",
			  strerrorname_np(errno));
	resize(w, inode, size);
	if (which == 3 || one_in(w, 4))
		return;
	/* Most of them are good for a buffer. */
	i = F_SEAL_SHRINK | (one_in(w, 4) ? F_SEAL_GROW : 0);
	if (fcntl(memfd->fd, F_ADD_SEALS, i))
		violation(w, "sealing a new memfd: %s", strerrorname_np(errno));
	inode->seals |= i;
}

static void call_close_memfd(struct world *w)
{
	struct memfd *memfd = some_memfd(w);

	if (!memfd)
		return;
	start(w, "close(memfd)", memfd - w->memfd, 0, 0);
	expect(w, error_of(close(memfd->fd)), 0);
	put_inode(w, memfd->inode);
	memfd->fd = -1;
}

/*
 * If two tasks take pages from a process's maps at once, UML walks them without
 * their lock (flush_tlb_mm() in arch/um/kernel/tlb.c). Lockdep tells, or it
 * crashes. A child of any thread may still have a map that was here.
 */
static bool must_not_unmap(const struct world *w, const struct inode *inode)
{
	return machine.uml && (machine.threads > 1 || w->loose) &&
	       inode->was_mapped;
}

static void call_truncate(struct world *w)
{
	struct memfd *memfd = some_memfd(w);
	struct inode *inode;
	__u64 size;
	int want;

	if (!memfd)
		return;
	inode = inode_of(w, memfd);
	if (must_not_unmap(w, inode))
		return;
	size = pick(w, MEMFD_PAGES + 1) * PAGE;
	/* Part of a page only where the page is new: nothing is cut off. */
	if (size > inode->size && one_in(w, 4))
		size -= pick(w, PAGE - 1) + 1;
	if (size < inode->size && size % PAGE)
		size = inode->size;
	want = size < inode->size && inode->seals & F_SEAL_SHRINK ? EPERM :
	       size > inode->size && inode->seals & F_SEAL_GROW ? EPERM : 0;
	start(w, "ftruncate", memfd - w->memfd, size, inode->size);
	expect(w, error_of(ftruncate(memfd->fd, size)), want);
	if (!want)
		resize(w, inode, size);
}

/* Nobody else holds what this world holds from here on. */
static void reap(struct world *w)
{
	int status;

	if (!w->loose)
		return;
	kill(w->loose, SIGKILL);
	while (waitpid(w->loose, &status, 0) < 0)
		if (errno != EINTR)
			die("waitpid: %s", strerror(errno));
	if (WIFEXITED(status) && WEXITSTATUS(status))
		die("a child says that something is wrong");
	w->loose = 0;
}

static void call_seal(struct world *w)
{
	struct memfd *memfd = some_memfd(w);
	struct inode *inode;
	unsigned int seals, i;
	bool held = false;
	int error;

	if (!memfd)
		return;
	inode = inode_of(w, memfd);
	for (i = 0; i < pages_of(inode); i++)
		held |= w->shared->page[inode->page[i]].refs > 1;
	seals = one_in(w, 2) ? F_SEAL_SHRINK :
		one_in(w, 8) ? next(w) & 0xffffffff : pick(w, 64);
	/* The kernel tries for 150 ms before it gives up. */
	if (held && !one_in(w, 32))
		seals &= ~(F_SEAL_WRITE | 0x20);
	start(w, "F_ADD_SEALS", memfd - w->memfd, seals, inode->seals);
	if (seals & (F_SEAL_WRITE | 0x20))
		reap(w);
	error = error_of(fcntl(memfd->fd, F_ADD_SEALS, seals));
	if (seals & ~0x3f) {
		expect(w, error, EINVAL);
		return;
	}
	if (inode->seals & F_SEAL_SEAL) {
		expect(w, error, EPERM);
		return;
	}
	if (seals & 0x20 && inode->executable)
		seals |= F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE |
			 F_SEAL_FUTURE_WRITE;
	if (!(seals & F_SEAL_WRITE) || inode->seals & F_SEAL_WRITE)
		expect(w, error, 0);
	else if (held || inode->maps)
		expect(w, error, EBUSY);
	else if (inode->maps_unsure || machine.threads > 1 || w->child)
		/* Children of other threads hold everything, too. */
		expect(w, error, 0, EBUSY);
	else
		expect(w, error, 0);
	if (!error)
		inode->seals |= seals;
}

static void call_get_seals(struct world *w)
{
	struct memfd *memfd = some_memfd(w);
	int seals;

	if (!memfd)
		return;
	start(w, "F_GET_SEALS", memfd - w->memfd, 0, 0);
	seals = fcntl(memfd->fd, F_GET_SEALS);
	expect(w, error_of(seals), 0);
	if (seals != (int)inode_of(w, memfd)->seals)
		violation(w, "F_GET_SEALS: got %#x, expected %#x", seals,
			  inode_of(w, memfd)->seals);
}

static void call_write_memfd(struct world *w)
{
	struct memfd *memfd = some_memfd(w);
	struct inode *inode;
	unsigned int page;
	__u64 stamp;
	int error;
	size_t i;

	if (!memfd)
		return;
	inode = inode_of(w, memfd);
	if (inode->size < PAGE)
		return;
	page = pick(w, inode->size / PAGE);
	stamp = next(w);
	start(w, "pwrite(memfd)", memfd - w->memfd, page, stamp);
	bracket(w, inode->page[page], DMA_BUF_SYNC_START | DMA_BUF_SYNC_RW);
	error = 0;
	for (i = 0; i < ARRAY_SIZE(stamp_at) && !error; i++)
		error = error_of(pwrite(memfd->fd, &stamp, sizeof(stamp),
					page * PAGE + stamp_at[i]));
	bracket(w, inode->page[page], DMA_BUF_SYNC_END | DMA_BUF_SYNC_RW);
	expect(w, error, inode->seals & (F_SEAL_WRITE | F_SEAL_FUTURE_WRITE) ?
			 EPERM : 0);
	if (!error)
		w->shared->page[inode->page[page]].stamp = stamp;
}

static void call_read_memfd(struct world *w)
{
	struct memfd *memfd = some_memfd(w);
	struct inode *inode;
	unsigned int page;
	__u64 stamp = 0;
	size_t at;

	if (!memfd)
		return;
	inode = inode_of(w, memfd);
	if (inode->size < PAGE)
		return;
	page = pick(w, inode->size / PAGE);
	at = stamp_at[pick(w, ARRAY_SIZE(stamp_at))];
	start(w, "pread(memfd)", memfd - w->memfd, page, at);
	expect(w, error_of(pread(memfd->fd, &stamp, sizeof(stamp),
				 page * PAGE + at)), 0);
	check_stamp(w, inode->page[page], stamp, "memfd");
}

static void call_punch(struct world *w)
{
	struct memfd *memfd = some_memfd(w);
	unsigned int first, pages, i;
	struct inode *inode;
	int want;

	if (!memfd)
		return;
	inode = inode_of(w, memfd);
	if (inode->size < PAGE || must_not_unmap(w, inode))
		return;
	first = pick(w, inode->size / PAGE);
	pages = 1 + pick(w, inode->size / PAGE - first);
	want = inode->seals & (F_SEAL_WRITE | F_SEAL_FUTURE_WRITE) ? EPERM : 0;
	start(w, "punch hole", memfd - w->memfd, first, pages);
	expect(w, error_of(fallocate(memfd->fd, FALLOC_FL_PUNCH_HOLE |
						FALLOC_FL_KEEP_SIZE,
				     first * PAGE, pages * PAGE)), want);
	for (i = first; !want && i < first + pages; i++) {
		put_page(w, inode->page[i]);
		inode->page[i] = new_page(w);
	}
}

/* Parameters. */

static unsigned int knob_version(unsigned int knob)
{
	return atomic_load(&arena->knob[knob].version);
}

/* Whether the parameter has had one value only since @version was read. */
static bool knob_steady(unsigned int knob, unsigned int version)
{
	return !(version & 1) && version == knob_version(knob);
}

static unsigned int knob_value(unsigned int knob)
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
}, conflict_settings[] = {
	{ "refuse", 0 }, { "refuse", 0 }, { "allow", 1 }, { "0", 0, EINVAL }, { }
};

static const struct {
	const char *path;
	const struct setting *settings;
	unsigned int count;
} knobs[] = {
	[LIST_LIMIT] = { PARAMETERS "list_limit", list_settings, 9 },
	[SIZE_LIMIT] = { PARAMETERS "size_limit_mb", size_settings, 8 },
	[POLICY] = { PARAMETERS "sync_policy", policy_settings, 4 },
	[CONFLICT] = { PARAMETERS "bounce_conflict", conflict_settings, 4 },
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

/* Creating. */

struct source {
	int fd;
	int close;		/* descriptor to close afterwards, or -1 */
	const struct memfd *memfd;	/* NULL: not a memfd of ours */
	int error;		/* then: what it is good for */
};

/* A descriptor that may stand where a memfd belongs. */
static struct source some_source(struct world *w, unsigned int *what)
{
	struct source source = { .fd = -1, .close = -1, .error = EBADFD };
	const struct memfd *memfd = some_memfd(w);
	char path[40];

	*what = one_in(w, 10) ? pick(w, 8) : 0;
	if (memfd)
		snprintf(path, sizeof(path), "/proc/self/fd/%d", memfd->fd);
	switch (*what) {
	case 1:
		source.fd = (int)next(w) | 0x10000;
		break;
	case 2:
		source.fd = w->buffer[pick(w, BUFFERS)].fd;
		break;
	case 3:
		source.fd = w->node;
		break;
	case 4:
		source.fd = open("/", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		source.close = source.fd;
		break;
	case 5:
		if (!memfd)
			break;
		source.fd = open(path, O_PATH | O_CLOEXEC);
		source.close = source.fd;
		break;
	case 6:
		/* A second, read-only description of the same memfd. */
		if (!memfd)
			break;
		source.fd = open(path, O_RDONLY | O_CLOEXEC);
		source.close = source.fd;
		source.memfd = source.fd >= 0 ? memfd : NULL;
		break;
	default:
		if (!memfd)
			break;
		source.fd = memfd->fd;
		source.memfd = memfd;
	}
	return source;
}

/* Most are good. */
static void some_range(struct world *w, const struct source *source,
		       __u64 *offset, __u64 *size)
{
	const struct inode *inode;
	unsigned int pages = 4;

	if (source->memfd) {
		inode = inode_of(w, source->memfd);
		pages = inode->size / PAGE ?: 1;
	}
	*offset = pick(w, pages) * PAGE;
	*size = (1 + pick(w, pages - *offset / PAGE)) * PAGE;
	if (!one_in(w, 6))
		return;
	switch (pick(w, 10)) {
	case 0:
		*offset += 1 + pick(w, PAGE - 1);
		break;
	case 1:
		*size -= 1 + pick(w, PAGE - 1);
		break;
	case 2:
		*size = 0;
		break;
	case 3:
		*offset = next(w) & ~(PAGE - 1);
		break;
	case 4:
		*size = next(w) & ~(PAGE - 1);
		break;
	case 5:
		*offset = -*size;
		break;
	case 6:
		*offset = 0x8000000000000000ULL;
		break;
	case 7:
		*size = -PAGE;
		break;
	case 8:
		*size += PAGE * pages;
		break;
	case 9:
		*offset = pages * PAGE;
		break;
	}
}

/* What the driver must say about @items with these limits. */
static int judge_items(struct world *w, const struct udmabuf_create_item *items,
		       const struct source *sources, unsigned int count,
		       __u64 limit_mb)
{
	__u64 limit = limit_mb << 8, pages = 0;
	unsigned int i;

	if (limit > 0xffffffff)
		limit = 0xffffffff;
	for (i = 0; i < count; i++) {
		if ((items[i].offset | items[i].size) % PAGE)
			return EINVAL;
		pages += items[i].size / PAGE;
		if (pages > limit)
			return EINVAL;
	}
	if (!pages)
		return EINVAL;
	for (i = 0; i < count; i++) {
		const struct inode *inode;

		if (!sources[i].memfd)
			return sources[i].error;
		inode = inode_of(w, sources[i].memfd);
		if (!(inode->seals & F_SEAL_SHRINK) ||
		    inode->seals & (F_SEAL_WRITE | F_SEAL_FUTURE_WRITE))
			return EINVAL;
		if (!items[i].size || items[i].offset > inode->size ||
		    items[i].size > inode->size - items[i].offset)
			return EINVAL;
	}
	return 0;
}

static void describe(struct world *w, const struct udmabuf_create_item *items,
		     const struct source *sources, unsigned int count,
		     struct memory *memory)
{
	unsigned int i, j;

	*memory = (struct memory) { .id = ++w->shared->next_id };
	for (i = 0; i < count; i++) {
		const struct inode *inode = inode_of(w, sources[i].memfd);

		for (j = 0; j < items[i].size / PAGE; j++) {
			unsigned short page =
				inode->page[items[i].offset / PAGE + j];

			memory->twice |= holds(memory, page);
			memory->page[memory->pages++] = page;
		}
	}
}

static void check_size(struct world *w, int fd, const struct memory *memory)
{
	off_t size = lseek(fd, 0, SEEK_END);

	if (size != (off_t)(memory->pages * PAGE))
		violation(w, "SEEK_END: %lld, expected %lld", (long long)size,
			  (long long)(memory->pages * PAGE));
}

/* Every page of the buffer is the memfd's page. */
static void check_contents(struct world *w, int fd, const struct memory *memory)
{
	__u8 *at = mmap(NULL, memory->pages * PAGE, PROT_READ, MAP_SHARED, fd,
			0);
	unsigned int i;

	if (at == MAP_FAILED)
		violation(w, "mmap of a buffer: %s", strerrorname_np(errno));
	for (i = 0; i < memory->pages; i++)
		check_mapped(w, at + i * PAGE, memory->page[i], "buffer");
	munmap(at, memory->pages * PAGE);
}

static void close_buffer(struct world *w, struct buffer *buffer)
{
	start(w, "close(buffer)", buffer - w->buffer, 0, 0);
	expect(w, error_of(close(buffer->fd)), 0);
	buffer->fd = -1;
	put_memory(w, &buffer->memory);
}

/* After the call: compare, and keep what was made. */
static void judge_create(struct world *w, int fd, unsigned int flags, int want,
			 bool steady, int want_full,
			 const struct udmabuf_create_item *items,
			 const struct source *sources, unsigned int count)
{
	struct buffer *buffer = &w->buffer[pick(w, BUFFERS)];
	struct memory memory;
	int error = error_of(fd);

	if (want_full)
		expect(w, error, want ?: want_full);
	else if (steady)
		expect(w, error, want);
	else
		expect(w, error, want, EINVAL,
		       judge_items(w, items, sources, count, 0xffffffff));
	if (error)
		return;

	describe(w, items, sources, count, &memory);
	check_size(w, fd, &memory);
	if (!!(fcntl(fd, F_GETFD) & FD_CLOEXEC) != (flags & 1))
		violation(w, "flags %#x: wrong close-on-exec", flags);
	if (one_in(w, 4))
		check_contents(w, fd, &memory);
	get_memory(w, &memory);
	if (buffer->fd >= 0)
		close_buffer(w, buffer);
	buffer->fd = fd;
	buffer->memory = memory;
}

/* Leave room for no descriptor more. Return: what was allowed before. */
static struct rlimit forbid_descriptors(void)
{
	struct rlimit old, none;
	int next_fd = dup(0);

	close(next_fd);
	if (getrlimit(RLIMIT_NOFILE, &old))
		die("getrlimit: %s", strerror(errno));
	none = old;
	none.rlim_cur = next_fd;
	if (setrlimit(RLIMIT_NOFILE, &none))
		die("setrlimit: %s", strerror(errno));
	return old;
}

static void call_create(struct world *w)
{
	bool full = (w->child || machine.threads == 1) && one_in(w, 20);
	unsigned int version = knob_version(SIZE_LIMIT), what;
	struct source source = some_source(w, &what);
	struct udmabuf_create_item item = { };
	struct udmabuf_create args = { };
	struct rlimit old;
	bool steady;
	int fd, want;

	some_range(w, &source, &item.offset, &item.size);
	args.memfd = source.fd;
	args.flags = one_in(w, 4) ? next(w) : pick(w, 2);
	args.offset = item.offset;
	args.size = item.size;
	want = judge_items(w, &item, &source, 1, knob_value(SIZE_LIMIT));
	start(w, "UDMABUF_CREATE", what, item.offset, item.size);
	if (one_in(w, 30)) {
		expect(w, error_of(ioctl(w->node, UDMABUF_CREATE,
					 bad_place(w, sizeof(args), false))),
		       EFAULT);
		goto out;
	}
	if (full)
		old = forbid_descriptors();
	fd = ioctl(w->node, UDMABUF_CREATE, &args);
	if (full)
		setrlimit(RLIMIT_NOFILE, &old);
	steady = knob_steady(SIZE_LIMIT, version);
	if (full && !steady) {
		/* Two uncertainties at once. */
		finish(w, error_of(fd));
		if (fd >= 0)
			close(fd);
		goto out;
	}
	judge_create(w, fd, args.flags, want, steady, full ? EMFILE : 0, &item,
		     &source, 1);
out:
	if (source.close >= 0)
		close(source.close);
}

static void call_create_list(struct world *w)
{
	struct {
		struct udmabuf_create_list head;
		struct udmabuf_create_item item[ITEMS];
	} args = { };
	unsigned int list_version = knob_version(LIST_LIMIT);
	unsigned int size_version = knob_version(SIZE_LIMIT);
	unsigned int count = 1 + pick(w, ITEMS), pages = 0, what = 0, one, i;
	__u64 limit = knob_value(LIST_LIMIT);
	struct source source[ITEMS];
	int fd, want;

	for (i = 0; i < count; i++) {
		__u64 offset, size;

		source[i] = some_source(w, &one);
		if (source[i].memfd && i && one_in(w, 8)) {
			/* The same pages again. */
			if (source[i].close >= 0)
				close(source[i].close);
			source[i] = source[i - 1];
			source[i].close = -1;
		}
		what = what * 8 + one;
		some_range(w, &source[i], &offset, &size);
		args.item[i].memfd = source[i].fd;
		args.item[i].offset = offset;
		args.item[i].size = size;
		if (size < BUFFER_PAGES * PAGE)
			pages += size / PAGE;
	}
	args.head.count = count;
	args.head.flags = pick(w, 2);
	start(w, "UDMABUF_CREATE_LIST", count, what, args.item[0].size);
	if (pages > BUFFER_PAGES)
		/* Too large for the model, so not to be had. */
		args.item[0].offset |= 1;

	switch (one_in(w, 10) ? pick(w, 5) : 5) {
	case 0:
		args.head.count = 0;
		break;
	case 1:
		args.head.count = 0xffffffff;
		break;
	case 2:
		args.head.count = 0x80000000;
		break;
	case 3:
		fd = ioctl(w->node, UDMABUF_CREATE_LIST,
			   bad_place(w, sizeof(args.head), false));
		expect(w, error_of(fd), EFAULT);
		goto out;
	case 4:
		/* The head can be read, the items cannot. */
		memcpy(w->edge + 1 - sizeof(args.head), &args.head,
		       sizeof(args.head));
		fd = ioctl(w->node, UDMABUF_CREATE_LIST,
			   w->edge + 1 - sizeof(args.head));
		if (knob_steady(LIST_LIMIT, list_version))
			expect(w, error_of(fd),
			       count > limit ? EINVAL : EFAULT);
		else
			expect(w, error_of(fd), EINVAL, EFAULT);
		goto out;
	}
	fd = ioctl(w->node, UDMABUF_CREATE_LIST, &args);
	if (args.head.count > count || !args.head.count) {
		/* No memory for so many, if they were allowed. */
		if (args.head.count &&
		    (args.head.count <= limit ||
		     !knob_steady(LIST_LIMIT, list_version)))
			expect(w, error_of(fd), EINVAL, ENOMEM, EFAULT);
		else
			expect(w, error_of(fd), EINVAL);
		goto out;
	}
	want = count > limit ? EINVAL :
	       judge_items(w, args.item, source, count, knob_value(SIZE_LIMIT));
	judge_create(w, fd, args.head.flags, want,
		     knob_steady(LIST_LIMIT, list_version) &&
		     knob_steady(SIZE_LIMIT, size_version), 0, args.item,
		     source, count);
out:
	for (i = 0; i < count; i++)
		if (source[i].close >= 0)
			close(source[i].close);
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

/* Buffers. */

static void call_close_buffer(struct world *w)
{
	struct buffer *buffer = some_buffer(w);

	if (buffer)
		close_buffer(w, buffer);
}

static void call_dup(struct world *w)
{
	struct buffer *buffer = some_buffer(w);
	int fd;

	if (!buffer)
		return;
	start(w, "dup(buffer)", buffer - w->buffer, 0, 0);
	fd = one_in(w, 2) ? dup(buffer->fd) :
	     fcntl(buffer->fd, F_DUPFD_CLOEXEC, 0);
	expect(w, error_of(fd), 0);
	close(buffer->fd);
	buffer->fd = fd;
}

static void call_seek(struct world *w)
{
	struct buffer *buffer = some_buffer(w);
	int whence = pick(w, 5);
	off_t offset = one_in(w, 2) ? 0 : (off_t)next(w), at;

	if (!buffer)
		return;
	start(w, "lseek(buffer)", buffer - w->buffer, whence, offset);
	at = lseek(buffer->fd, offset, whence);
	expect(w, error_of(at), offset || (whence != SEEK_END &&
					   whence != SEEK_SET) ? EINVAL : 0);
	if (at >= 0 && whence == SEEK_END)
		check_size(w, buffer->fd, &buffer->memory);
	else if (at > 0)
		violation(w, "SEEK_SET: %lld", (long long)at);
}

static bool is_fenced(const struct world *w)
{
	unsigned int i;

	for (i = 0; i < ATTACHMENTS; i++)
		if (w->attachment[i].used && w->attachment[i].late)
			return true;
	return false;
}

static void interrupt_me(struct world *w, long us)
{
	struct itimerspec when = { .it_value.tv_nsec = us * 1000 };
	struct sigevent event = {
		.sigev_notify = SIGEV_THREAD_ID,
		.sigev_signo = SIGALRM,
	};

	if (!w->timer_made) {
		event._sigev_un._tid = gettid();
		if (timer_create(CLOCK_MONOTONIC, &event, &w->timer))
			die("timer_create: %s", strerror(errno));
		w->timer_made = true;
	}
	timer_settime(w->timer, 0, &when, NULL);
}

static void call_sync(struct world *w)
{
	struct buffer *buffer = some_buffer(w);
	struct dma_buf_sync sync;
	bool interrupt;
	int error;

	if (!buffer)
		return;
	sync.flags = one_in(w, 16) ? next(w) : one_in(w, 16) ? pick(w, 16) :
		     1 + pick(w, 3) + (one_in(w, 2) ? DMA_BUF_SYNC_END : 0);
	start(w, "DMA_BUF_IOCTL_SYNC", buffer - w->buffer, sync.flags, 0);
	if (one_in(w, 50)) {
		expect(w, error_of(ioctl(buffer->fd, DMA_BUF_IOCTL_SYNC,
					 bad_place(w, sizeof(sync), false))),
		       EFAULT);
		return;
	}
	interrupt = is_fenced(w) && one_in(w, 2);
	if (interrupt)
		interrupt_me(w, 1000);
	error = error_of(ioctl(buffer->fd, DMA_BUF_IOCTL_SYNC, &sync));
	if (interrupt)
		interrupt_me(w, 0);
	if (sync.flags & ~7ULL || !(sync.flags & 3))
		expect(w, error, EINVAL);
	else if (sync.flags & DMA_BUF_SYNC_END || !interrupt)
		expect(w, error, 0);
	else
		expect(w, error, 0, EINTR);
}

static void call_set_name(struct world *w)
{
	static const char text[] = "a name of thirty-two characters";
	struct buffer *buffer = some_buffer(w);
	unsigned int from = pick(w, sizeof(text));
	unsigned long cmd = one_in(w, 2) ? DMA_BUF_SET_NAME_A :
					   DMA_BUF_SET_NAME_B;
	char longer[40];

	if (!buffer)
		return;
	start(w, "DMA_BUF_SET_NAME", buffer - w->buffer, from, cmd);
	switch (pick(w, 8)) {
	case 0:
		memset(longer, 'x', sizeof(longer));
		expect(w, error_of(ioctl(buffer->fd, cmd, longer)), EINVAL);
		return;
	case 1:
		expect(w, error_of(ioctl(buffer->fd, cmd, w->none)), EFAULT);
		return;
	}
	expect(w, error_of(ioctl(buffer->fd, cmd, text + from)), 0);
}

static void call_sync_file(struct world *w)
{
	struct buffer *buffer = some_buffer(w);
	struct dma_buf_export_sync_file export = { .fd = -1 };
	struct dma_buf_import_sync_file import = { };
	bool out = w->sync_file < 0 || one_in(w, 2);
	int error, want;
	void *at;

	if (!buffer)
		return;
	export.flags = one_in(w, 8) ? next(w) : 1 + pick(w, 3);
	want = export.flags & ~3U || !export.flags ? EINVAL : 0;
	if (!machine.sync_files)
		want = ENOTTY;
	start(w, "DMA_BUF_IOCTL_xPORT_SYNC_FILE", buffer - w->buffer,
	      export.flags, out);
	if (out) {
		at = one_in(w, 8) ? bad_place(w, sizeof(export), true) :
				    &export;
		error = error_of(ioctl(buffer->fd,
				       DMA_BUF_IOCTL_EXPORT_SYNC_FILE, at));
		if (at == &export)
			expect(w, error, want);
		else
			expect(w, error, machine.sync_files ? EFAULT : ENOTTY);
		if (error)
			return;
		if (w->sync_file >= 0)
			close(w->sync_file);
		w->sync_file = export.fd;
		return;
	}
	import.flags = export.flags;
	import.fd = one_in(w, 8) ? w->node : w->sync_file;
	error = error_of(ioctl(buffer->fd, DMA_BUF_IOCTL_IMPORT_SYNC_FILE,
			       &import));
	expect(w, error, want ?: import.fd == w->node ? EINVAL : 0);
}

static void call_poll(struct world *w)
{
	struct buffer *buffer = some_buffer(w);
	struct pollfd poll_fd = { .events = pick(w, 8) };
	int ret;

	if (!buffer)
		return;
	poll_fd.fd = buffer->fd;
	start(w, "poll(buffer)", buffer - w->buffer, poll_fd.events, 0);
	ret = poll(&poll_fd, 1, one_in(w, 8) ? 2 : 0);
	expect(w, error_of(ret), 0);
	if (poll_fd.revents & ~(poll_fd.events & (POLLIN | POLLOUT)))
		violation(w, "poll for %#x says %#x", poll_fd.events,
			  poll_fd.revents);
}

/* What a dma-buf and its node do not do. */
static void call_nonsense(struct world *w)
{
	struct buffer *buffer = some_buffer(w);
	unsigned int what = pick(w, 9);
	char byte = 0;
	int error;

	if (!buffer)
		return;
	start(w, "nonsense", what, 0, 0);
	switch (what) {
	case 0:
		error = error_of(read(buffer->fd, &byte, 1));
		expect(w, error, EINVAL);
		break;
	case 1:
		error = error_of(write(buffer->fd, &byte, 1));
		expect(w, error, EINVAL);
		break;
	case 2:
		expect(w, error_of(ftruncate(buffer->fd, 0)), EINVAL);
		break;
	case 3:
		expect(w, error_of(fallocate(buffer->fd, 0, 0, PAGE)), ENODEV,
		       EOPNOTSUPP);
		break;
	case 4:
		expect(w, error_of(fcntl(buffer->fd, F_ADD_SEALS,
					 F_SEAL_SHRINK)), EINVAL);
		break;
	case 5:
		expect(w, error_of(ioctl(buffer->fd, UDMABUF_CREATE, w->none)),
		       ENOTTY);
		break;
	case 6:
		/* Their numbers collide with nothing of the node's. */
		expect(w, error_of(ioctl(w->node, DMA_BUF_IOCTL_SYNC,
					 w->none)), ENOTTY);
		break;
	case 7:
		expect(w, error_of(ioctl(w->node, _IOW('u', 0x40 + pick(w, 16),
						       char[1]), &byte)),
		       ENOTTY);
		break;
	case 8:
		expect(w, mmap(NULL, PAGE, PROT_READ, MAP_SHARED, w->node, 0) ==
			  MAP_FAILED ? errno : 0, ENODEV);
		break;
	}
}

/* The arguments lie in the buffer, and are not mapped yet when they are read. */
static void call_arguments_in_buffer(struct world *w)
{
	struct buffer *buffer = some_buffer(w);
	struct dma_buf_sync sync = {
		.flags = DMA_BUF_SYNC_READ | (one_in(w, 2) ? DMA_BUF_SYNC_END :
							     0),
	};
	unsigned int page;
	__u8 *one, *two;
	int error;

	if (!buffer)
		return;
	page = pick(w, buffer->memory.pages);
	start(w, "arguments in the buffer", buffer - w->buffer, page, 0);
	if (w->shared->page[buffer->memory.page[page]].bounced)
		return;
	one = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, buffer->fd,
		   page * PAGE);
	two = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, buffer->fd,
		   page * PAGE);
	if (one == MAP_FAILED || two == MAP_FAILED)
		violation(w, "mmap of page %u of %u: %s", page,
			  buffer->memory.pages, strerrorname_np(errno));
	memcpy(one + SCRATCH, &sync, sizeof(sync));
	munmap(one, PAGE);
	error = error_of(ioctl(buffer->fd, DMA_BUF_IOCTL_SYNC, two + SCRATCH));
	munmap(two, PAGE);
	expect(w, error, 0);
}

/* Maps. */

static void drop_map(struct world *w, struct map *map)
{
	struct inode *inode;

	map->at = NULL;
	if (map->inode < 0) {
		put_memory(w, &map->memory);
		return;
	}
	inode = &w->shared->inode[map->inode];
	if (map->sure)
		inode->maps--;
	else
		inode->maps_unsure--;
	put_inode(w, map->inode);
}

static void unmap(struct world *w, struct map *map)
{
	start(w, "munmap", map - w->map, map->pages, 0);
	expect(w, error_of(munmap(map->at, map->pages * PAGE)), 0);
	drop_map(w, map);
}

static void call_mmap(struct world *w)
{
	static const int protections[] = {
		PROT_READ | PROT_WRITE, PROT_READ, PROT_NONE };
	struct buffer *buffer = some_buffer(w);
	struct map *map = &w->map[pick(w, MAPS)];
	__u64 offset, size;
	int flags = MAP_SHARED | (one_in(w, 4) ? MAP_POPULATE : 0);
	int want = 0, error, prot;
	__u8 *at;

	if (!buffer)
		return;
	if (map->at)
		unmap(w, map);
	offset = pick(w, buffer->memory.pages);
	size = 1 + pick(w, buffer->memory.pages - offset);
	prot = protections[one_in(w, 2) ? 0 : pick(w, 3)];
	switch (one_in(w, 6) ? pick(w, 4) : 4) {
	case 0:
		size = buffer->memory.pages - offset + 1 + pick(w, 9);
		want = EINVAL;
		break;
	case 1:
		offset = (next(w) >> 12) | buffer->memory.pages;
		want = EINVAL;
		break;
	case 2:
		flags ^= MAP_SHARED ^ MAP_PRIVATE;
		want = EINVAL;
		break;
	case 3:
		size = 0;
		want = EINVAL;
		break;
	}
	start(w, "mmap(buffer)", buffer - w->buffer, offset, size);
	/* glibc has an opinion about offsets. */
	at = (__u8 *)syscall(SYS_mmap, NULL, size * PAGE, prot, flags,
			     buffer->fd, offset * PAGE);
	error = at == MAP_FAILED ? errno : 0;
	if (want)
		expect(w, error, want, EOVERFLOW);
	else
		expect(w, error, 0);
	if (error)
		return;
	*map = (struct map) {
		.at = at, .pages = size, .first = offset, .prot = prot,
		.inode = -1, .memory = buffer->memory,
	};
	get_memory(w, &map->memory);
}

static void call_mmap_memfd(struct world *w)
{
	struct memfd *memfd = some_memfd(w);
	struct map *map = &w->map[pick(w, MAPS)];
	struct inode *inode;
	bool sealed, sure;
	int prot, error;
	__u8 *at;

	if (!memfd)
		return;
	if (map->at)
		unmap(w, map);
	inode = inode_of(w, memfd);
	sealed = inode->seals & (F_SEAL_WRITE | F_SEAL_FUTURE_WRITE);
	prot = PROT_READ | (one_in(w, 4) ? 0 : PROT_WRITE);
	start(w, "mmap(memfd)", memfd - w->memfd, prot, 0);
	at = mmap(NULL, MEMFD_PAGES * PAGE, prot, MAP_SHARED, memfd->fd, 0);
	error = at == MAP_FAILED ? errno : 0;
	sure = !sealed;
	if (sealed && prot & PROT_WRITE)
		expect(w, error, EPERM);
	else if (sealed)
		expect(w, error, 0, EPERM);
	else
		expect(w, error, 0);
	if (error)
		return;
	*map = (struct map) {
		.at = at, .pages = MEMFD_PAGES, .prot = prot,
		.inode = memfd->inode, .sure = sure,
	};
	inode->users++;
	inode->was_mapped = true;
	if (sure)
		inode->maps++;
	else
		inode->maps_unsure++;
}

static void call_munmap(struct world *w)
{
	struct map *map = some_map(w);
	unsigned int pages;

	if (!map)
		return;
	if (map->pages == 1 || one_in(w, 2)) {
		unmap(w, map);
		return;
	}
	/* A part of it, at one end. */
	pages = 1 + pick(w, map->pages - 1);
	start(w, "munmap of a part", map - w->map, map->pages, pages);
	if (one_in(w, 2)) {
		expect(w, error_of(munmap(map->at, pages * PAGE)), 0);
		map->at += pages * PAGE;
		map->first += pages;
	} else {
		expect(w, error_of(munmap(map->at + (map->pages - pages) * PAGE,
					  pages * PAGE)), 0);
	}
	map->pages -= pages;
}

static void call_mremap(struct world *w)
{
	struct map *map = some_map(w);
	unsigned int what = pick(w, 5), pages;
	__u8 *to, *at;

	if (!map || map->inode >= 0)
		return;
	start(w, "mremap(buffer)", map - w->map, what, map->pages);
	switch (what) {
	case 0:		/* grow */
		at = mremap(map->at, map->pages * PAGE,
			    (map->pages + 1 + pick(w, 4)) * PAGE,
			    one_in(w, 2) ? MREMAP_MAYMOVE : 0);
		expect(w, at == MAP_FAILED ? errno : 0, EFAULT);
		return;
	case 1:		/* a second one */
		at = mremap(map->at, 0, map->pages * PAGE, MREMAP_MAYMOVE);
		expect(w, at == MAP_FAILED ? errno : 0, EFAULT, EINVAL);
		return;
	case 2:
		at = mremap(map->at, map->pages * PAGE, map->pages * PAGE,
			    MREMAP_MAYMOVE | 4 /* MREMAP_DONTUNMAP */);
		expect(w, at == MAP_FAILED ? errno : 0, EINVAL);
		return;
	case 3:		/* shrink */
		pages = 1 + pick(w, map->pages);
		at = mremap(map->at, map->pages * PAGE, pages * PAGE, 0);
		expect(w, at == MAP_FAILED ? errno : 0, 0);
		map->pages = pages;
		return;
	case 4:		/* move */
		to = mmap(NULL, map->pages * PAGE, PROT_NONE,
			  MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
		at = mremap(map->at, map->pages * PAGE, map->pages * PAGE,
			    MREMAP_MAYMOVE | MREMAP_FIXED, to);
		expect(w, at == MAP_FAILED ? errno : 0, 0);
		map->at = at;
		return;
	}
}

static void call_mprotect(struct world *w)
{
	static const int protections[] = {
		PROT_NONE, PROT_READ, PROT_READ | PROT_WRITE };
	struct map *map = some_map(w);
	int prot = protections[pick(w, 3)];

	if (!map || map->inode >= 0)
		return;
	start(w, "mprotect(buffer)", map - w->map, prot, 0);
	expect(w, error_of(mprotect(map->at, map->pages * PAGE, prot)), 0);
	map->prot = prot;
}

/* What is not for memory that is mapped by page frame. */
static void call_madvise(struct world *w)
{
	struct map *map = some_map(w);
	unsigned int what = pick(w, 6);
	size_t size;
	char byte;
	struct iovec here = { &byte, 1 }, there;
	int error;

	if (!map || map->inode >= 0)
		return;
	size = map->pages * PAGE;
	there = (struct iovec) { map->at, 1 };
	start(w, "madvise(buffer)", map - w->map, what, 0);
	switch (what) {
	case 0:
		expect(w, error_of(madvise(map->at, size, MADV_DONTNEED)),
		       EINVAL);
		break;
	case 1:
		error = error_of(madvise(map->at, size, MADV_REMOVE));
		expect(w, error, ENODEV, EOPNOTSUPP, EACCES);
		break;
	case 2:
		expect(w, error_of(msync(map->at, size, MS_SYNC)), EINVAL);
		break;
	case 3:
		error = error_of(madvise(map->at, size,
					 22 /* MADV_POPULATE_READ */));
		expect(w, error, EINVAL, EFAULT, ENOMEM);
		break;
	case 4:
		/* Nobody gets hold of its pages. */
		error = error_of(process_vm_readv(getpid(), &here, 1, &there,
						  1, 0));
		expect(w, error, EFAULT, ENOSYS);
		break;
	case 5:
		expect(w, error_of(mlock(map->at, size)), 0);
		munlock(map->at, size);
		break;
	}
}

static void call_touch(struct world *w)
{
	struct map *map = some_map(w);
	unsigned int page, which;
	bool write = one_in(w, 2);
	int signal = 0, want;
	__u64 stamp = 0;
	size_t i;

	if (!map)
		return;
	page = pick(w, map->pages);
	/* The rest of a part of a page is not the file's. */
	if (map->inode >= 0 && (map->first + page + 1) * PAGE >
			       w->shared->inode[map->inode].size)
		write = false;
	want = write ? map->prot & PROT_WRITE ? 0 : SIGSEGV :
	       map->prot != PROT_NONE ? 0 : SIGSEGV;
	start(w, write ? "write" : "read", map - w->map, page, map->inode >= 0);
	if (map->inode < 0) {
		which = map->memory.page[map->first + page];
	} else {
		struct inode *inode = &w->shared->inode[map->inode];

		which = 0;
		if (map->first + page < pages_of(inode))
			which = inode->page[map->first + page];
		else if (!want)
			want = SIGBUS;
	}
	if (write) {
		stamp = next(w);
		bracket(w, which, DMA_BUF_SYNC_START | DMA_BUF_SYNC_RW);
	}
	for (i = 0; i < ARRAY_SIZE(stamp_at) && !signal; i++) {
		signal = touch(map->at + page * PAGE + stamp_at[i], &stamp,
			       write);
		if (!signal && !write && !want)
			check_stamp(w, which, stamp, "map");
	}
	if (write) {
		bracket(w, which, DMA_BUF_SYNC_END | DMA_BUF_SYNC_RW);
		if (!signal)
			w->shared->page[which].stamp = stamp;
	}
	finish(w, 0);
	if (signal != want)
		violation(w, "touch: signal %d, expected %d", signal, want);
}

/* Importers. */

static void count_mapping(struct world *w, const struct attachment *a, int by)
{
	unsigned int i;

	if (a->direction == READS)
		return;
	for (i = 0; i < a->memory.pages; i++) {
		struct page *p = &w->shared->page[a->memory.page[i]];

		p->mapped += by;
		if (machine.bounces[a->device])
			p->bounced += by;
	}
}

static void drop_attachment(struct world *w, struct attachment *a)
{
	if (a->mapped)
		count_mapping(w, a, -1);
	put_memory(w, &a->memory);
	a->used = false;
}

static void call_attach(struct world *w)
{
	struct attachment *a = some_attachment(w, false);
	struct buffer *buffer = some_buffer(w);
	struct edu_attach req = { };
	int error, want = 0;

	if (!buffer || !a || !machine.devices)
		return;
	req.device = pick(w, machine.devices);
	req.dmabuf = buffer->fd;
	switch (one_in(w, 10) ? pick(w, 3) : 3) {
	case 0:
		req.device = machine.devices + pick(w, 99);
		want = ENODEV;
		break;
	case 1:
		req.dmabuf = w->node;
		want = EINVAL;
		break;
	case 2:
		req.dmabuf = -1 - (int)pick(w, 9);
		want = EBADF;
		break;
	}
	start(w, "attach", buffer - w->buffer, req.device, want);
	error = error_of(ioctl(w->importer, EDU_ATTACH, &req));
	expect(w, error, want);
	if (error)
		return;
	*a = (struct attachment) {
		.used = true, .number = req.attachment, .device = req.device,
		.memory = buffer->memory,
	};
	get_memory(w, &a->memory);
}

/* Whether the driver may refuse to let @a write as well. */
static bool may_conflict(const struct world *w, const struct attachment *a,
			 unsigned int direction)
{
	unsigned int i;

	if (direction == READS)
		return false;
	if (machine.bounces[a->device] && a->memory.twice)
		return true;
	for (i = 0; i < ATTACHMENTS; i++) {
		const struct attachment *b = &w->attachment[i];

		if (b != a && b->used && b->mapped && b->direction != READS &&
		    b->memory.id == a->memory.id &&
		    (machine.bounces[a->device] || machine.bounces[b->device]))
			return true;
	}
	/* The parent has attachments of its own. */
	return w->child && machine.bounces_any;
}

static bool too_often(struct world *w, const struct attachment *a)
{
	unsigned int i;

	for (i = 0; i < a->memory.pages; i++) {
		const struct page *p = &w->shared->page[a->memory.page[i]];
		unsigned int same = 0, j;

		for (j = 0; j < a->memory.pages; j++)
			same += a->memory.page[j] == a->memory.page[i];
		if (p->mapped + same > MAPPED_MAX)
			return true;
	}
	return false;
}

static void call_map(struct world *w)
{
	struct attachment *a = some_attachment(w, true);
	unsigned int version = knob_version(CONFLICT);
	bool allowed = knob_value(CONFLICT);
	struct edu_map req = { };
	bool may_refuse;
	int error;

	if (!a)
		return;
	req.attachment = a->number;
	req.direction = pick(w, 3);
	start(w, "map", a - w->attachment, a->device, req.direction);
	if (one_in(w, 20)) {
		req.direction = 3 + pick(w, 9);
		expect(w, error_of(ioctl(w->importer, EDU_MAP, &req)),
		       a->mapped ? EBUSY : EINVAL);
		return;
	}
	if (!a->mapped && req.direction != READS && too_often(w, a))
		return;
	error = error_of(ioctl(w->importer, EDU_MAP, &req));
	may_refuse = may_conflict(w, a, req.direction) &&
		     (!allowed || !knob_steady(CONFLICT, version));
	if (a->mapped)
		expect(w, error, EBUSY);
	else if (machine.bounces[a->device])
		expect(w, error, 0, ENOMEM, may_refuse ? EOPNOTSUPP : 0);
	else
		expect(w, error, 0, may_refuse ? EOPNOTSUPP : 0);
	if (error)
		return;
	if (!req.entries || req.entries > a->memory.pages)
		violation(w, "%u entries for %u pages", req.entries,
			  a->memory.pages);
	a->mapped = true;
	a->direction = req.direction;
	count_mapping(w, a, 1);
}

static void call_unmap(struct world *w)
{
	struct attachment *a = some_attachment(w, true);
	struct edu_map req = { };

	if (!a)
		return;
	req.attachment = a->number;
	start(w, "unmap", a - w->attachment, a->mapped, 0);
	expect(w, error_of(ioctl(w->importer, EDU_UNMAP, &req)),
	       a->mapped ? 0 : ENOENT);
	if (a->mapped)
		count_mapping(w, a, -1);
	a->mapped = false;
}

static void call_detach(struct world *w)
{
	struct attachment *a = some_attachment(w, true);
	struct edu_attach req = { };

	if (!a)
		return;
	req.attachment = a->number;
	start(w, "detach", a - w->attachment, a->mapped, 0);
	expect(w, error_of(ioctl(w->importer, EDU_DETACH, &req)),
	       a->mapped ? EBUSY : 0);
	if (!a->mapped)
		drop_attachment(w, a);
}

/* A transfer to come, so that a fence stands in the reservation object. */
static void call_late(struct world *w)
{
	struct attachment *a = some_attachment(w, true);
	struct edu_transfer req = { };
	__u64 data;
	int error;

	if (!a)
		return;
	req.attachment = a->number;
	req.length = sizeof(data);
	req.data = (uintptr_t)&data;
	req.delay_ms = 1 + pick(w, 20);
	start(w, "late transfer", a - w->attachment, req.delay_ms, a->mapped);
	error = error_of(ioctl(w->importer, EDU_READ, &req));
	if (!a->mapped)
		expect(w, error, ENOENT);
	else
		expect(w, error, 0, EBUSY);
	if (!error)
		a->late = true;
}

static void call_where(struct world *w)
{
	struct attachment *a = some_attachment(w, true);
	struct edu_address req = { };
	bool beyond = one_in(w, 4);

	if (!a)
		return;
	req.attachment = a->number;
	req.offset = pick(w, a->memory.pages) * PAGE +
		     (beyond ? a->memory.pages * PAGE : 0);
	start(w, "where", a - w->attachment, req.offset, a->mapped);
	expect(w, error_of(ioctl(w->importer, EDU_WHERE, &req)),
	       !a->mapped ? ENOENT : beyond ? ERANGE : 0);
}

static void call_vmap(struct world *w)
{
	struct buffer *buffer = some_buffer(w);
	struct edu_vmap req = { };
	unsigned int page;
	__u64 stamp = 0;

	if (!buffer || w->importer < 0)
		return;
	page = pick(w, buffer->memory.pages);
	req.dmabuf = buffer->fd;
	req.length = sizeof(stamp);
	req.offset = page * PAGE + stamp_at[pick(w, 2)];
	req.data = (uintptr_t)&stamp;
	start(w, "vmap", buffer - w->buffer, req.offset, 0);
	if (one_in(w, 8)) {
		req.data = (uintptr_t)w->none;
		expect(w, error_of(ioctl(w->importer, EDU_VMAP, &req)), EFAULT);
		return;
	}
	if (one_in(w, 8)) {
		req.offset += buffer->memory.pages * PAGE;
		expect(w, error_of(ioctl(w->importer, EDU_VMAP, &req)), ERANGE);
		return;
	}
	expect(w, error_of(ioctl(w->importer, EDU_VMAP, &req)), 0);
	check_stamp(w, buffer->memory.page[page], stamp, "vmap");
}

static void open_importer(struct world *w)
{
	w->importer = -1;
	if (!machine.devices)
		return;
	w->importer = open("/dev/edu-importer", O_RDWR | O_CLOEXEC);
	if (w->importer < 0)
		die("/dev/edu-importer: %s", strerror(errno));
}

/*
 * The importer goes away with all it has. Children of other threads have its
 * file, too, and keep what is mapped: then nothing may be.
 */
static void close_importer(struct world *w)
{
	unsigned int i;

	if (w->importer < 0)
		return;
	for (i = 0; i < ATTACHMENTS && machine.threads > 1; i++) {
		struct edu_map req = { .attachment = w->attachment[i].number };

		if (w->attachment[i].used && w->attachment[i].mapped &&
		    ioctl(w->importer, EDU_UNMAP, &req))
			violation(w, "unmap: %s", strerrorname_np(errno));
	}
	close(w->importer);
	w->importer = -1;
	for (i = 0; i < ATTACHMENTS; i++)
		if (w->attachment[i].used)
			drop_attachment(w, &w->attachment[i]);
}

static void call_importer_dies(struct world *w)
{
	if (!machine.devices)
		return;
	start(w, "close(importer)", 0, 0, 0);
	/* A child may have a copy, which keeps it alive. */
	reap(w);
	close_importer(w);
	finish(w, 0);
	open_importer(w);
}

/* debugfs. */

/* Read a file from start to end. Return: the errno; @text gets its start. */
static int read_text(const char *path, char *text, size_t size)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC), error = 0;
	char rest[512];
	size_t got = 0;
	ssize_t n;

	if (fd < 0)
		return errno;
	do {
		n = read(fd, got < size - 1 ? text + got : rest,
			 got < size - 1 ? size - 1 - got : sizeof(rest));
		if (n < 0)
			error = errno;
		else if (got < size - 1)
			got += n;
	} while (n > 0);
	text[got] = 0;
	close(fd);
	return error;
}

/* The buffer's file says what the model knows. */
static void call_debugfs(struct world *w)
{
	struct buffer *buffer = some_buffer(w);
	unsigned int i, peers = 0, want = 0;
	char path[80], text[4096];
	unsigned long long size;
	const char *line;
	struct stat st;

	if (!buffer || !machine.debugfs)
		return;
	start(w, "read(debugfs)", buffer - w->buffer, 0, 0);
	if (fstat(buffer->fd, &st))
		die("fstat of a buffer: %s", strerror(errno));
	snprintf(path, sizeof(path), BUFFER_FILES "/%lu",
		 (unsigned long)st.st_ino);
	expect(w, read_text(path, text, sizeof(text)), 0);
	if (sscanf(text, "size: %llu", &size) != 1 ||
	    size != buffer->memory.pages * PAGE)
		violation(w, "debugfs says: %.60s", text);
	for (line = text; (line = strstr(line, "peer: ")); line++)
		peers++;
	for (i = 0; i < ATTACHMENTS; i++)
		want += w->attachment[i].used && w->attachment[i].mapped &&
			w->attachment[i].memory.id == buffer->memory.id;
	/* The parent of a child has attachments of its own. */
	if (peers < want || (peers > want && !w->child))
		violation(w, "debugfs shows %u peers, expected %u", peers,
			  want);
}

/* Those of all threads, while they come and go. */
static void call_debugfs_all(struct world *w)
{
	char path[320], text[64];
	struct dirent *entry;
	int error = 0;
	DIR *dir;

	if (!machine.debugfs)
		return;
	start(w, "read(all of debugfs)", 0, 0, 0);
	dir = opendir(BUFFER_FILES);
	while (dir && (entry = readdir(dir))) {
		if (entry->d_name[0] == '.')
			continue;
		snprintf(path, sizeof(path), BUFFER_FILES "/%s",
			 entry->d_name);
		error = read_text(path, text, sizeof(text));
		if (error && error != ENOENT && error != EIO)
			break;
		error = 0;
	}
	if (dir)
		closedir(dir);
	if (!error)
		error = read_text(DEBUGFS "/dma_buf/bufinfo", text,
				  sizeof(text));
	expect(w, error, 0);
}

static void call_fdinfo(struct world *w)
{
	struct buffer *buffer = some_buffer(w);
	char path[40], text[400], *at;
	unsigned long long size;

	if (!buffer)
		return;
	snprintf(path, sizeof(path), "/proc/self/fdinfo/%d", buffer->fd);
	start(w, "read(fdinfo)", buffer - w->buffer, 0, 0);
	expect(w, read_text(path, text, sizeof(text)), 0);
	at = strstr(text, "size:");
	if (!at || sscanf(at, "size: %llu", &size) != 1 ||
	    size != buffer->memory.pages * PAGE)
		violation(w, "fdinfo says: %.60s", at ?: text);
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
	struct sigaction fault = { .sa_handler = on_fault };
	struct sigaction alarm = { .sa_handler = on_alarm };
	pthread_mutexattr_t attributes;

	arena = mmap(NULL, sizeof(*arena), PROT_READ | PROT_WRITE,
		     MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (arena == MAP_FAILED)
		die("no memory: %s", strerror(errno));
	pthread_mutexattr_init(&attributes);
	pthread_mutexattr_setpshared(&attributes, PTHREAD_PROCESS_SHARED);
	pthread_mutex_init(&arena->knob_lock, &attributes);
	default_parameters();
	sigaction(SIGSEGV, &fault, NULL);
	sigaction(SIGBUS, &fault, NULL);
	/* Without SA_RESTART: a wait that is interrupted must say so. */
	sigaction(SIGALRM, &alarm, NULL);
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
