/* SPDX-License-Identifier: GPL-2.0 */
#ifndef UDMABUF_FANOUT_OPEN_WRITES_H
#define UDMABUF_FANOUT_OPEN_WRITES_H

#include <linux/types.h>

struct pid;

/* Processes that are told apart; more are only counted. */
#define MAX_OPEN_WRITERS	4

/**
 * struct open_writes - the CPU write accesses that are open
 * @by: the processes that began them
 * @by.process: a reference, or NULL; kept when nothing is open any more, since
 *	the next access is most likely of the same process
 * @by.depth: how many accesses
 * @rest: accesses of processes for which there was no room in @by
 *
 * Lock: the owner's. All zero is empty.
 */
struct open_writes {
	struct {
		struct pid *process;
		unsigned int depth;
	} by[MAX_OPEN_WRITERS];
	unsigned int rest;
};

void open_writes_begin(struct open_writes *writes);
bool open_writes_end(struct open_writes *writes);
bool open_writes_any(struct open_writes *writes);
void open_writes_forget(struct open_writes *writes);

#endif /* UDMABUF_FANOUT_OPEN_WRITES_H */
