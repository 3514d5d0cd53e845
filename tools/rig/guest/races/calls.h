/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The calls that several actions make, each with what may come of it.
 */
#ifndef RACES_CALLS_H
#define RACES_CALLS_H

#include <sys/types.h>

#include <linux/dma-buf.h>

#include "stage.h"

#define MODULE		"udmabuf_fanout"
#define DEBUGFS		"/sys/kernel/debug/udmabuf-fanout"
#define PARAMETERS	"/sys/module/" MODULE "/parameters/"
/* One of the values that the races set, as the others are by default. */
#define COPY_LIMIT	"copy_limit_mb=1024"

/* What a descriptor says that was closed, and perhaps opened as another file. */
extern const int closed[];

int sync_dmabuf(int dmabuf, __u64 flags);

/* Attach, map, unmap, detach; @dmabuf may be closed meanwhile. */
void import(struct worker *w, int dmabuf);

/* Return: the exporter's node, or -1. */
int open_node(struct worker *w);

/* Return: a dma-buf, or -1. */
int create_one(struct worker *w, int memfd, size_t bytes);

/* Return: how many bytes there are to read, or -1. */
ssize_t read_whole(const char *path, char *text, size_t size);

/* Return: whether debugfs says that a write access is open, -1 for an error. */
int is_open_for_writing(int dmabuf);

/* Others write to the same memory, so the compiler must not reason about it. */
static inline __u32 load(const __u32 *at)
{
	return __atomic_load_n(at, __ATOMIC_RELAXED);
}

static inline void store(__u32 *at, __u32 value)
{
	__atomic_store_n(at, value, __ATOMIC_RELAXED);
}

#endif
