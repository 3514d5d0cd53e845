/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The player's oracle: the second contract, byte by byte. It numbers each
 * byte's writes; a reader must see one that is not older than what it was last
 * promised. Who writes without having been promised the newest writes at the
 * same time as somebody else: then one of these stands, and after the next
 * START and END (for writing) it is the same for everybody. It does not know what
 * is played on.
 */
#ifndef PLAYER_ORACLE_H
#define PLAYER_ORACLE_H

#include "moves.h"

/* Who reads and writes: the CPU, whatever it does it through, and devices. */
#define CPU_SIDE	0
#define DEVICE_SIDE(d)	(1 + (d))
#define SIDES		(1 + DEVICES)

/* Every byte is what oracle_first() says. @names: how devices are told. */
void oracle_reset(const char *const *names);
__u8 oracle_first(unsigned int i);

/* Whether @side has been promised the newest of these bytes. */
bool oracle_in_order(unsigned int at, unsigned int bytes, unsigned int side);

/*
 * @side writes: what, comes back in @data.
 * Return: how many bytes somebody else wrote at the same time.
 */
unsigned int oracle_write(unsigned int at, unsigned int bytes,
			  unsigned int side, unsigned int move, __u8 *data);

/* What has been read. Return: whether it is right, else @what is not. */
bool oracle_read(unsigned int side, unsigned int at, unsigned int bytes,
		 const __u8 *data, char *what, size_t size);

/* A START: the CPU sees all that devices wrote. */
void oracle_start(void);

/*
 * An END: devices see what the CPU was shown by a START, and if @stores all
 * that it stored. Where two wrote at once before the last START, oracle_end()
 * wants to be told what the CPU reads, and takes that for what stands.
 */
bool oracle_end_wants_to_know(bool stores);
void oracle_end(bool stores, const __u8 *cpu);

/* Map, and unmap of who writes: everybody sees everything. */
void oracle_map(void);

#endif
