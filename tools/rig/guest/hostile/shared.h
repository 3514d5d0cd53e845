/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What all threads race for: a few descriptors and an importer, of which no model
 * is kept.
 */
#ifndef HOSTILE_SHARED_H
#define HOSTILE_SHARED_H

#include "record.h"

/* First of all: what threads and their children will share. */
void share_attachments(void);

void open_shared(void);
void close_shared(void);

void call_shared(struct world *w);

#endif
