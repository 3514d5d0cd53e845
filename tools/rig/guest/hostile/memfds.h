/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Calls on memfds: their seals, sizes and contents.
 */
#ifndef HOSTILE_MEMFDS_H
#define HOSTILE_MEMFDS_H

#include "model.h"

void call_memfd(struct world *w);
void call_close_memfd(struct world *w);
void call_truncate(struct world *w);
void call_seal(struct world *w);
void call_get_seals(struct world *w);
void call_write_memfd(struct world *w);
void call_read_memfd(struct world *w);
void call_punch(struct world *w);

#endif
