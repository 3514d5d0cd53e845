// SPDX-License-Identifier: GPL-2.0
/*
 * Calls that make memory and buffers of it: memfds, their seals, sizes and
 * contents, and UDMABUF_CREATE and CREATE_LIST.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include <linux/dma-buf.h>
#include <linux/udmabuf.h>

#include "hostile_model.h"

/* memfds. */

void call_memfd(struct world *w)
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

void call_close_memfd(struct world *w)
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

void call_truncate(struct world *w)
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
void reap(struct world *w)
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

void call_seal(struct world *w)
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

void call_get_seals(struct world *w)
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

/* Return: a memfd and, in @page, one of its pages; or NULL. */
static struct memfd *some_page(struct world *w, unsigned int *page)
{
	struct memfd *memfd = some_memfd(w);
	__u64 size = memfd ? inode_of(w, memfd)->size : 0;

	if (size < PAGE)
		return NULL;
	*page = pick(w, size / PAGE);
	return memfd;
}

void call_write_memfd(struct world *w)
{
	struct memfd *memfd;
	struct inode *inode;
	unsigned int page;
	__u64 stamp;
	int error;
	size_t i;

	memfd = some_page(w, &page);
	if (!memfd)
		return;
	inode = inode_of(w, memfd);
	stamp = next(w);
	start(w, "pwrite(memfd)", memfd - w->memfd, page, stamp);
	error = 0;
	for (i = 0; i < ARRAY_SIZE(stamp_at) && !error; i++)
		error = error_of(pwrite(memfd->fd, &stamp, sizeof(stamp),
					page * PAGE + stamp_at[i]));
	expect(w, error, inode->seals & (F_SEAL_WRITE | F_SEAL_FUTURE_WRITE) ?
			 EPERM : 0);
	if (!error)
		w->shared->page[inode->page[page]].stamp = stamp;
}

void call_read_memfd(struct world *w)
{
	struct memfd *memfd;
	struct inode *inode;
	unsigned int page;
	__u64 stamp = 0;
	size_t at;

	memfd = some_page(w, &page);
	if (!memfd)
		return;
	inode = inode_of(w, memfd);
	at = stamp_at[pick(w, ARRAY_SIZE(stamp_at))];
	start(w, "pread(memfd)", memfd - w->memfd, page, at);
	expect(w, error_of(pread(memfd->fd, &stamp, sizeof(stamp),
				 page * PAGE + at)), 0);
	check_stamp(w, inode->page[page], stamp, "memfd");
}

void call_punch(struct world *w)
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
		if (source.fd >= 0)
			source.error = EACCES;
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

			memory->page[memory->pages++] = page;
		}
	}
}

void check_size(struct world *w, int fd, const struct memory *memory)
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

void close_buffer(struct world *w, struct buffer *buffer)
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

void call_create(struct world *w)
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

void call_create_list(struct world *w)
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
		/* So many that an int is full of bytes. */
		args.head.count = 0x80000000 / sizeof(args.item[0]) + 1;
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
	if (args.head.count > count || !args.head.count) {
		/* Too many, whatever is allowed. */
		allow_long_lists(true);
		fd = ioctl(w->node, UDMABUF_CREATE_LIST, &args);
		allow_long_lists(false);
		expect(w, error_of(fd), EINVAL);
		goto out;
	}
	fd = ioctl(w->node, UDMABUF_CREATE_LIST, &args);
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
