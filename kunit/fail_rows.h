/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The rows of the sweep: each call of the driver in each of its situations.
 */
#ifndef UDMABUF_FANOUT_FAIL_ROWS_H
#define UDMABUF_FANOUT_FAIL_ROWS_H

#include <linux/dma-direction.h>
#include <linux/types.h>

#include "fake_device.h"

/* A buffer's pages; where a row says so, more than kmalloc() alone can list. */
#define PAGES		8
#define MANY_PAGES	600

struct stage;

/**
 * struct step - something that is made, and how it goes away again
 * @make: makes it
 * @unmake: undoes that; NULL for nothing
 *
 * Either may be called with faults, so neither expects or asserts anything.
 * They return an errno, or what the call did that succeeded.
 */
struct step {
	long (*make)(struct stage *s);
	long (*unmake)(struct stage *s);
};

/* What a row's buffer is made of. */
enum memory_of {
	FEW_PAGES,
	TWO_ITEMS,
	PAGE_TWICE,
	MANY_ITEMS,
	APART,
	HOLES,
	TOUCHING_PAGES,
};

/* The most that a row has of these. */
#define MAX_STEPS	5
#define MAX_OTHERS	2

/**
 * struct row - a call in one situation
 * @name: its name
 * @least: how many faults it has at the least
 * @steps: what is made, one after the other; the last one is swept
 * @unmake: it is its unmaking that is swept
 * @errors: the errnos it may give after a fault, 0 for none more
 * @want: what it comes to without a fault: an errno if it has to be refused
 * @memory: the buffer's memory
 * @kind: the device
 * @dir: the direction it maps in
 * @access: the CPU's access
 * @others: how many mappings another device has already
 * @others_write: they write
 * @shares: the other device is of the same kind, and shares what copies it can
 * @fail_maps: how many maps of the device, of tables or copies, fail
 * @mixed: the device reaches every other page
 * @forced: it reaches only what was allocated for it
 * @lost: it reaches nothing
 * @no_room: there must be no copies
 * @merges: the device is behind an IOMMU
 */
struct row {
	const char *name;
	unsigned int least;
	const struct step *steps[MAX_STEPS];
	bool unmake;
	long errors[2];
	long want;
	enum memory_of memory;
	enum fake_kind kind;
	enum dma_data_direction dir;
	enum dma_data_direction access;
	unsigned int others;
	bool others_write;
	bool shares;
	unsigned int fail_maps;
	bool mixed;
	bool forced;
	bool lost;
	bool no_room;
	bool merges;
};

extern const struct row fail_rows[];
extern const struct row fail_pieces_row;

#endif /* UDMABUF_FANOUT_FAIL_ROWS_H */
