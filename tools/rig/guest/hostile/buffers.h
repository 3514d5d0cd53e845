/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Calls on a buffer: what its descriptor does.
 */
#ifndef HOSTILE_BUFFERS_H
#define HOSTILE_BUFFERS_H

#include "model.h"

void close_buffer(struct world *w, struct buffer *buffer);

void call_close_buffer(struct world *w);
void call_dup(struct world *w);
void call_seek(struct world *w);
void call_sync(struct world *w);
void call_set_name(struct world *w);
void call_sync_file(struct world *w);
void call_poll(struct world *w);
void call_nonsense(struct world *w);
void call_arguments_in_buffer(struct world *w);

#endif
