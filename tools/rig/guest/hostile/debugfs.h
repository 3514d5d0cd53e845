/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What the kernel tells of buffers, in debugfs and fdinfo, is what the model
 * knows.
 */
#ifndef HOSTILE_DEBUGFS_H
#define HOSTILE_DEBUGFS_H

#include "model.h"

void call_debugfs(struct world *w);
void call_debugfs_all(struct world *w);
void call_fdinfo(struct world *w);

#endif
