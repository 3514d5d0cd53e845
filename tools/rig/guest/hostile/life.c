// SPDX-License-Identifier: GPL-2.0
/*
 * A world's life: see life.h.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "buffers.h"
#include "importers.h"
#include "life.h"
#include "loose.h"
#include "machine.h"
#include "maps.h"
#include "places.h"
#include "say.h"
#include "shared.h"

static struct shared_world *worlds;

void share_worlds(void)
{
	worlds = shared_memory(WORLDS * sizeof(*worlds));
}

void start_over(void)
{
	memset(worlds, 0, WORLDS * sizeof(*worlds));
	open_shared();
}

const struct tally *tally_of(unsigned int thread)
{
	return &worlds[thread].tally;
}

struct world *open_world(unsigned int thread)
{
	struct world *w = calloc(1, sizeof(*w));
	unsigned int i;

	if (!w)
		die("no memory");
	w->thread = thread;
	w->random = machine.seed * 0x2545f4914f6cdd1dULL + thread;
	w->shared = &worlds[thread];
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
	open_places(w);
	return w;
}

/* A fork has descriptors and maps of all threads; the model's count too. */
void inherit(struct world *w)
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

void disown(struct world *w)
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

void close_world(struct world *w)
{
	clear(w);
	if (w->timer_made)
		timer_delete(w->timer);
	close_places(w);
	close(w->node);
	free(w);
}

/* Nothing may be left of the world; only a world that is alone can tell. */
void call_end_of_the_world(struct world *w)
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
