/* SPDX-License-Identifier: GPL-2.0 */
/*
 * A history as it was recorded.
 *
 * Lines on stdin, any number of histories; "same" is for copies that devices
 * share:
 *
 *   history ID LINES BYTES NDEV
 *   device I to|from|both SNOOPS
 *   call N map I | unmap I | begin r|w|rw PROC | end r|w|rw PROC | vmap |
 *          vunmap | store PLACE | load PLACE | write I PLACE | read I PLACE |
 *          other
 *   uses I PLACE page|slot|copy
 *   same I PLACE J                  I's copy there is J's as well
 *   fill I PLACES
 *   sync for_cpu|for_device I|x both|to|from PLACES
 *   moved page|copy I PLACE
 *   late I PLACE
 *   views V...
 *   return N OK|FAILED
 *   end
 *
 * PLACES are letters, or "-" for none.
 */
#ifndef REPLAY_HISTORY_H
#define REPLAY_HISTORY_H

#include "../../../kunit/model_layers.h"

#define PLACES		(MODEL_LINES * MODEL_BYTES)
#define PROCESSES	16
#define EXPORTER	MODEL_DEVICES	/* as a device that syncs */

enum what {
	USES, SAME, MAP, UNMAP, BEGIN, END, VMAP, VUNMAP, STORE, LOAD, WRITE,
	READ, OTHER, FILL, SYNC, MOVED, LATE, VIEWS, RETURN,
};

enum memory {
	PAGE,
	SLOT,
	COPY,
};

/**
 * struct form - how a line is written
 * @word: its word, the first or that after the call's number
 * @calls: a call begins with it
 * @arguments: a letter for each
 * @noun: what happens within a call, in a story
 */
struct form {
	const char *word;
	bool calls;
	const char *arguments;
	const char *noun;
};

extern const struct form forms[];
extern const char * const syncs[];

/**
 * struct said - a line of a history
 * @line: its number
 * @call: the call that it begins or is in, or the last one
 * @what: an enum what
 * @device: the device, or EXPORTER
 * @other: another device
 * @place: the place
 * @places: mask of places
 * @process: whose access it is
 * @memory: an enum memory
 * @dir: a direction, or that of an access
 * @for_device: which sync it is
 * @failed: it begins or ends a call that failed
 * @seen: what was seen, by view and place
 */
struct said {
	unsigned int line;
	unsigned int call;
	u8 what;
	u8 device;
	u8 other;
	u8 place;
	u8 places;
	u8 process;
	u8 memory;
	u8 dir;
	bool for_device;
	bool failed;
	u8 seen[MODEL_VIEWS][PLACES];
};

/**
 * struct history - what was recorded
 * @id: its name
 * @config: of what size, with which devices
 * @snoops: which of these snoop, a mask
 * @nr_devices: how many have been said
 * @said: its lines
 * @nr: how many
 * @room: for how many there is room
 * @call: where in @said the call under way is, or -1
 * @line: the number of the last line that was read
 */
struct history {
	char id[64];
	struct model_config config;
	u8 snoops;
	unsigned int nr_devices;
	struct said *said;
	unsigned int nr;
	unsigned int room;
	int call;
	unsigned int line;
};

void __attribute__((noreturn, format(printf, 2, 3)))
fail(unsigned int line, const char *format, ...);
bool read_history(struct history *history);

#endif /* REPLAY_HISTORY_H */
