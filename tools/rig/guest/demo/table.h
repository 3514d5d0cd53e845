/* SPDX-License-Identifier: GPL-2.0 */
/*
 * How the demo's table is written down: rows in two blocks. Who plays them, and
 * on which exporter, is not known to those who write them.
 */
#ifndef DEMO_TABLE_H
#define DEMO_TABLE_H

#include "../core/run.h"

/* A row. */
struct scenario {
	const char *name;
	const char *title;
	bool design;		/* in the table of the stock kernels' faults */
	enum memory memory;
	bool untouched;		/* do not fill the buffer at first */
	unsigned int peer_count;
	struct peer peers[PEERS_MAX];
	void (*steps)(struct run *r);
};

/* Its peers. */
#define PLAYED_BY(...) \
	.peer_count = sizeof((struct peer[]){ __VA_ARGS__ }) / \
		      sizeof(struct peer), \
	.peers = { __VA_ARGS__ }

struct block {
	const char *name;
	const struct scenario *scenarios;
	unsigned int count;
};

/* In scenarios.c and programs.c. */
extern const struct block by_the_book, programs_as_they_are;

/* Where late transfers go, and the neighbour that the CPU writes meanwhile. */
#define LATE_AT		(5 * PAGE)
#define NEXT_TO_LATE	(LATE_AT + 2048)

#endif
