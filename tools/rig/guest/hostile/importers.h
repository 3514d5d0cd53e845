/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Calls of importers on a buffer.
 */
#ifndef HOSTILE_IMPORTERS_H
#define HOSTILE_IMPORTERS_H

#include "model.h"

void open_importer(struct world *w);
/*
 * The importer goes away with all it has. Children of other threads have its
 * file, too, and keep what is mapped: then nothing may be.
 */
void close_importer(struct world *w);
/* The model forgets it. */
void drop_attachment(struct world *w, struct attachment *a);

void call_attach(struct world *w);
void call_map(struct world *w);
void call_unmap(struct world *w);
void call_detach(struct world *w);
void call_late(struct world *w);
void call_where(struct world *w);
void call_vmap(struct world *w);
void call_importer_dies(struct world *w);

#endif
