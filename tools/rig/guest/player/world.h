/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What the random player plays on: player.c has the real thing, player_sim.c a
 * model exporter that the tests of the tools play on. A world does as it is told,
 * and knows neither the game nor what must come of it.
 */
#ifndef PLAYER_WORLD_H
#define PLAYER_WORLD_H

#include <stdbool.h>
#include <stddef.h>

#include <linux/types.h>

#define ARENAS		2
#define ARENA		48	/* bytes that are played with, neighbours all */
#define BYTES		(ARENAS * ARENA)
#define DEVICES		3
#define PROCESSES	2
#define WORKERS		(2 * PROCESSES)		/* threads */

/**
 * struct world - a buffer with devices, and processes that have it
 * @names: of the devices
 * @open: a fresh one, of which nothing is mapped
 * @close: its end
 * @map: @direction as in enum dma_data_direction
 * @unmap: who has mapped
 * @device: a device's transfer
 * @sync: a SYNC call of one worker
 * @interrupted: a START that @device's transfer keeps waiting until a signal
 *               comes
 * @store: by the CPU, through the dma-buf or the memfd
 * @load: the same way
 * @kernel_map: the kernel's own mapping
 * @kernel_store: through it
 * @kernel_unmap: its end
 * @half_begin: the exporter's part of a START, for DMA_BUF_SYNC_READ and WRITE
 * @kill: a process dies, and another takes its place
 * @seconds: of the clock on the wall, which no guest's clock is that counts
 *           instructions
 * @say: one line of what is to be told
 *
 * What returns an int returns 0 or an errno.
 */
struct world {
	const char *names[DEVICES];
	int (*open)(void);
	void (*close)(void);
	int (*map)(unsigned int device, unsigned int direction);
	int (*unmap)(unsigned int device);
	int (*device)(unsigned int device, bool write, unsigned int at,
		      unsigned int bytes, __u8 *data);
	int (*sync)(unsigned int worker, __u64 flags);
	int (*interrupted)(unsigned int worker, __u64 flags,
			   unsigned int device, bool write, unsigned int at,
			   unsigned int bytes, __u8 *data);
	int (*store)(unsigned int worker, bool memfd, unsigned int at,
		     unsigned int bytes, const __u8 *data);
	int (*load)(unsigned int worker, bool memfd, unsigned int at,
		    unsigned int bytes, __u8 *data);
	int (*kernel_map)(void);
	int (*kernel_store)(unsigned int at, unsigned int bytes,
			    const __u8 *data);
	int (*kernel_unmap)(void);
	int (*half_begin)(unsigned int access);
	int (*kill)(unsigned int process);
	unsigned int (*seconds)(void);
	void (*say)(const char *line);
};

#endif
