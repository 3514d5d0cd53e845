/* SPDX-License-Identifier: GPL-2.0 */
/*
 * UDMABUF_CREATE and CREATE_LIST: what they may be given, and what they must say
 * to it.
 */
#ifndef HOSTILE_CREATE_H
#define HOSTILE_CREATE_H

#include "model.h"

void call_create(struct world *w);
void call_create_list(struct world *w);

#endif
