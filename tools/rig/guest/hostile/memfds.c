// SPDX-License-Identifier: GPL-2.0
/*
 * Calls on memfds: see memfds.h.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>
#include <sys/mman.h>
#include <sys/syscall.h>

#include "loose.h"
#include "machine.h"
#include "memfds.h"

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
