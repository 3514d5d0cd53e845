// SPDX-License-Identifier: GPL-2.0
/*
 * The model: see model.h.
 */
#include <string.h>
#include <unistd.h>

#include "machine.h"
#include "model.h"
#include "say.h"

unsigned short new_page(struct world *w)
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

void put_page(struct world *w, unsigned short page)
{
	w->shared->page[page].refs--;
}

void get_memory(struct world *w, const struct memory *memory)
{
	unsigned int i;

	for (i = 0; i < memory->pages; i++)
		w->shared->page[memory->page[i]].refs++;
}

void put_memory(struct world *w, const struct memory *memory)
{
	unsigned int i;

	for (i = 0; i < memory->pages; i++)
		put_page(w, memory->page[i]);
}

unsigned int pages_of(const struct inode *inode)
{
	return (inode->size + PAGE - 1) / PAGE;
}

void resize(struct world *w, struct inode *inode, __u64 size)
{
	unsigned int old = pages_of(inode), i;

	inode->size = size;
	for (i = old; i < pages_of(inode); i++)
		inode->page[i] = new_page(w);
	for (i = pages_of(inode); i < old; i++)
		put_page(w, inode->page[i]);
}

unsigned int new_inode(struct world *w)
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

void put_inode(struct world *w, unsigned int i)
{
	struct inode *inode = &w->shared->inode[i];

	if (!--inode->users)
		resize(w, inode, 0);
}

struct memfd *some_memfd(struct world *w)
{
	unsigned int at = pick(w, MEMFDS), i;

	for (i = 0; i < MEMFDS; i++, at = (at + 1) % MEMFDS)
		if (w->memfd[at].fd >= 0)
			return &w->memfd[at];
	return NULL;
}

struct buffer *some_buffer(struct world *w)
{
	unsigned int at = pick(w, BUFFERS), i;

	for (i = 0; i < BUFFERS; i++, at = (at + 1) % BUFFERS)
		if (w->buffer[at].fd >= 0)
			return &w->buffer[at];
	return NULL;
}

struct map *some_map(struct world *w)
{
	unsigned int at = pick(w, MAPS), i;

	for (i = 0; i < MAPS; i++, at = (at + 1) % MAPS)
		if (w->map[at].at)
			return &w->map[at];
	return NULL;
}

struct attachment *some_attachment(struct world *w, bool used)
{
	unsigned int at = pick(w, ATTACHMENTS), i;

	for (i = 0; i < ATTACHMENTS; i++, at = (at + 1) % ATTACHMENTS)
		if (w->attachment[at].used == used)
			return &w->attachment[at];
	return NULL;
}

struct inode *inode_of(struct world *w, const struct memfd *memfd)
{
	return &w->shared->inode[memfd->inode];
}

const size_t stamp_at[] = { 0, PAGE - sizeof(__u64) };

void check_stamp(struct world *w, unsigned int page, __u64 seen,
		 const char *where)
{
	const struct page *p = &w->shared->page[page];

	if (seen != p->stamp)
		violation(w, "%s: page %u has %#llx, expected %#llx", where,
			  page, seen, p->stamp);
}

/* Look through a map of a page. */
void check_mapped(struct world *w, const __u8 *at, unsigned int page,
		  const char *where)
{
	__u64 seen;
	size_t i;

	for (i = 0; i < ARRAY_SIZE(stamp_at); i++) {
		memcpy(&seen, at + stamp_at[i], sizeof(seen));
		check_stamp(w, page, seen, where);
	}
}

void check_size(struct world *w, int fd, const struct memory *memory)
{
	off_t size = lseek(fd, 0, SEEK_END);

	if (size != (off_t)(memory->pages * PAGE))
		violation(w, "SEEK_END: %lld, expected %lld", (long long)size,
			  (long long)(memory->pages * PAGE));
}
