/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What a world holds: all that one thread owns. Nobody else touches it, so it is
 * known what every call on it must do. What threads share they race for: there
 * only the set of errors is known, and that the kernel must stay silent.
 *
 * A forked child goes on with a copy of its parent's world while the parent
 * waits. What both see, pages and memfds, is therefore in struct shared_world.
 *
 * The program's layers, each of which knows only those before it:
 *
 *	say; machine; record; model, places, knobs
 *	calls of one kind: loose; memfds, buffers, maps, importers, debugfs;
 *		create; shared
 *	life; calls; main
 *
 * sweep, which main runs instead, knows the machine alone.
 */
#ifndef HOSTILE_WORLD_H
#define HOSTILE_WORLD_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>
#include <time.h>

#include <linux/types.h>

#define MEMFDS		6
#define BUFFERS		6
#define MAPS		8
#define ATTACHMENTS	8
#define MEMFD_PAGES	16
#define BUFFER_PAGES	40
#define ITEMS		6
#define POOL		1024	/* pages a world can have */
#define INODES		32	/* memfds a world can have, closed ones too */
#define HISTORY		24
#define SCRATCH		512	/* of a page: arguments, not looked at */
#define KINDS_MAX	64

/* One call, as it is shown when something is wrong. */
struct call {
	const char *name;
	__u64 arg[3];
	int error;		/* what it returned */
};

/* What the process that judges must see of a thread and of its children. */
struct tally {
	__u64 hash;		/* of the calls and what was given to them */
	__u64 calls;
	__u64 passed[KINDS_MAX];	/* by kind of call */
	__u64 failed[KINDS_MAX];
};

/* As in enum dma_data_direction. */
enum direction { BOTH, READS, WRITES };

/* A page of memory, in a memfd, in buffers, or both. */
struct page {
	__u64 stamp;		/* what its first and last words say */
	unsigned short refs;	/* of memfds, buffers, maps, attachments */
	unsigned char mapped;	/* by devices that write */
};

/* The memory of a memfd. */
struct inode {
	__u64 size;
	unsigned int seals;
	bool executable;
	unsigned short users;	/* descriptors and maps */
	unsigned short maps;	/* that deny F_SEAL_WRITE */
	unsigned short maps_unsure;	/* that may */
	bool was_mapped;
	unsigned short page[MEMFD_PAGES + 1];
};

/* The memory of a buffer: the same as long as it lives. */
struct memory {
	unsigned int id;
	unsigned int pages;
	unsigned short page[BUFFER_PAGES];
};

struct memfd {
	int fd;			/* -1: none */
	unsigned int inode;
};

struct buffer {
	int fd;			/* -1: none */
	struct memory memory;
};

struct map {
	__u8 *at;		/* NULL: none */
	unsigned int pages;
	unsigned int first;	/* page of the buffer or memfd */
	int prot;
	int inode;		/* -1: of a buffer */
	bool sure;		/* see struct inode */
	struct memory memory;
};

struct attachment {
	bool used;
	bool mapped;
	bool late;		/* had a transfer with a fence */
	unsigned int number;
	unsigned int device;
	enum direction direction;
	struct memory memory;
};

/* What children see, too. */
struct shared_world {
	struct page page[POOL];
	struct inode inode[INODES];
	struct tally tally;
	unsigned int next_page;
	unsigned int next_id;
};

struct world {
	unsigned int thread;
	__u64 random;
	unsigned int child;	/* 1 in a forked child */
	pid_t loose;		/* a child nobody waits for, 0 if none */
	struct shared_world *shared;
	struct tally *tally;
	int node;
	int importer;
	bool timer_made;
	timer_t timer;
	struct memfd memfd[MEMFDS];
	struct buffer buffer[BUFFERS];
	struct map map[MAPS];
	struct attachment attachment[ATTACHMENTS];
	int sync_file;		/* -1: none */
	unsigned int kind;	/* of the call that is being made */
	struct call history[HISTORY];
	__u64 made;
	/* places that are no good as arguments */
	__u8 *none;		/* PROT_NONE */
	__u8 *edge;		/* the last byte before it */
	__u8 *read_only;
};

#endif
