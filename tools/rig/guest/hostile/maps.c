// SPDX-License-Identifier: GPL-2.0
/*
 * Calls on maps: see maps.h.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <unistd.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/uio.h>

#include "machine.h"
#include "maps.h"
#include "places.h"

void drop_map(struct world *w, struct map *map)
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

void unmap(struct world *w, struct map *map)
{
	start(w, "munmap", map - w->map, map->pages, 0);
	expect(w, error_of(munmap(map->at, map->pages * PAGE)), 0);
	drop_map(w, map);
}

void call_mmap(struct world *w)
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

void call_mmap_memfd(struct world *w)
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

void call_munmap(struct world *w)
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

void call_mremap(struct world *w)
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

void call_mprotect(struct world *w)
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
void call_madvise(struct world *w)
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

void call_touch(struct world *w)
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
	if (write)
		stamp = next(w);
	for (i = 0; i < ARRAY_SIZE(stamp_at) && !signal; i++) {
		signal = touch(map->at + page * PAGE + stamp_at[i], &stamp,
			       write);
		if (!signal && !write && !want)
			check_stamp(w, which, stamp, "map");
	}
	if (write && !signal)
		w->shared->page[which].stamp = stamp;
	finish(w, 0);
	if (signal != want)
		violation(w, "touch: signal %d, expected %d", signal, want);
}
