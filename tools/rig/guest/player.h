/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The random player: moves from a seed, an oracle that knows for each byte who
 * wrote it and who must see it, and what they are played on. player.c has no
 * idea of what it plays on; player_guest.c is the real thing, player_sim.c a
 * model exporter that the tests of the tools play on.
 */
#ifndef PLAYER_H
#define PLAYER_H

#include <stdbool.h>
#include <stddef.h>

#include <linux/types.h>

#define ARENAS		2
#define ARENA		48	/* bytes that are played with, neighbours all */
#define BYTES		(ARENAS * ARENA)
#define DEVICES		3
#define PROCESSES	2
#define WORKERS		(2 * PROCESSES)		/* threads */
#define MOVES_MAX	200
#define WRITE_MAX	8

enum move_kind {
	MAP, UNMAP, DEVICE_WRITES, DEVICE_READS, START, END, INTERRUPTED,
	STORE, LOAD, KERNEL_MAP, KERNEL_STORE, KERNEL_UNMAP, HALF_BEGIN, KILL,
	MOVE_KINDS
};

/**
 * struct move - one thing that happens
 * @kind: what
 * @worker: who, of the threads
 * @device: which
 * @direction: of a mapping, as enum dma_data_direction
 * @access: of a CPU access, DMA_BUF_SYNC_READ and WRITE
 * @memfd: loads and stores: through the memfd
 * @conflict: a write may be one of two to the same byte
 * @at: which bytes
 * @bytes: how many
 */
struct move {
	enum move_kind kind;
	unsigned int worker;
	unsigned int device;
	unsigned int direction;
	unsigned int access;
	bool memfd;
	bool conflict;
	unsigned int at;
	unsigned int bytes;
};

/**
 * struct game - what came of one game
 * @failed: something is wrong
 * @what: what is
 * @after: how many moves had been made
 * @closing: and of those that close the game
 * @made: which of them happened, others were not possible
 * @conflicts: bytes that were written by two
 */
struct game {
	bool failed;
	char what[240];
	unsigned int after;
	unsigned int closing;
	bool made[MOVES_MAX];
	unsigned long conflicts;
};

/*
 * What it is played on, fresh for each game. Calls return 0 or an errno.
 */
const char *world_name(unsigned int device);
int world_open(void);
void world_close(void);
int world_map(unsigned int device, unsigned int direction);
int world_unmap(unsigned int device);
int world_device(unsigned int device, bool write, unsigned int at,
		 unsigned int bytes, __u8 *data);
int world_sync(unsigned int worker, __u64 flags);
/* A START that @device's transfer keeps waiting until a signal comes. */
int world_interrupted(unsigned int worker, __u64 flags, unsigned int device,
		      bool write, unsigned int at, unsigned int bytes,
		      __u8 *data);
int world_store(unsigned int worker, bool memfd, unsigned int at,
		unsigned int bytes, const __u8 *data);
int world_load(unsigned int worker, bool memfd, unsigned int at,
	       unsigned int bytes, __u8 *data);
int world_kernel_map(void);
int world_kernel_store(unsigned int at, unsigned int bytes, const __u8 *data);
int world_kernel_unmap(void);
int world_half_begin(unsigned int access);
int world_kill(unsigned int process);
/* Of the clock on the wall, which no guest's clock is that counts instructions. */
unsigned int world_seconds(void);

/* One line of what is to be told. */
void __attribute__((__format__(printf, 1, 2))) say(const char *format, ...);

/*
 * Play @games games from @seed on, or for @seconds, what is over first; the
 * first that fails is told, as short as it still fails. With @refusals a map may
 * be refused.
 *
 * Return: whether all went well.
 */
bool play_games(unsigned int seed, unsigned int games, unsigned int seconds,
		bool refusals);

#endif
