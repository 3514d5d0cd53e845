/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The random player's moves: each is made on a world, the oracle is told of it,
 * and judges what is read. Which moves come, and when a game ends, is not known
 * here.
 */
#ifndef PLAYER_MOVES_H
#define PLAYER_MOVES_H

#include "world.h"

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

/* On a fresh world; with @refusals a map may be refused. */
void begin_game(const struct world *on, bool refusals, struct game *game);

/* Return: whether it could happen. */
bool make_move(const struct move *m, unsigned int number);

void everybody_reads(void);

#endif
