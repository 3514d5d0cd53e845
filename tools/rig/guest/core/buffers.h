/* SPDX-License-Identifier: GPL-2.0 */
/*
 * A run's buffer: of which memory each exporter makes it, and that it lies where
 * it has to. What it is for is not known here.
 */
#ifndef CORE_BUFFERS_H
#define CORE_BUFFERS_H

#include "run.h"

extern bool huge_memory;	/* all memfds have 2 MiB pages */

/* Return: a memfd that a buffer can be made of, or -1. */
int sealed_memfd(size_t bytes, unsigned int flags);

/* Make r->made_of of r->exporter; returns only if it worked. */
void make_buffer(struct run *r);
void close_buffer(struct run *r);

#endif
