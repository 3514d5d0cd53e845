// SPDX-License-Identifier: GPL-2.0
/*
 * Creating: see create.h.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/resource.h>

#include <linux/udmabuf.h>

#include "buffers.h"
#include "create.h"
#include "knobs.h"
#include "machine.h"
#include "places.h"
#include "say.h"

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
