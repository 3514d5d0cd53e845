/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Calls on maps, of buffers and of memfds.
 */
#ifndef HOSTILE_MAPS_H
#define HOSTILE_MAPS_H

#include "model.h"

/* The model forgets it. */
void drop_map(struct world *w, struct map *map);
void unmap(struct world *w, struct map *map);

void call_mmap(struct world *w);
void call_mmap_memfd(struct world *w);
void call_munmap(struct world *w);
void call_mremap(struct world *w);
void call_mprotect(struct world *w);
void call_madvise(struct world *w);
void call_touch(struct world *w);

#endif
