// SPDX-License-Identifier: GPL-2.0
/*
 * The player's oracle: see oracle.h.
 */
#include <stdio.h>
#include <string.h>

#include "oracle.h"

#define NEVER_STOOD	SIDES

/**
 * struct byte - what is known of one
 * @issued: number of the last write
 * @newest: of those that may stand the last, and
 * @stands: the first; the same unless two wrote at once
 * @fetched: the newest of a device's that a START has shown
 * @started: a START came after two had written at once
 * @least: what each side sees at least; never above @stands
 * @by: each write's side, or NEVER_STOOD
 * @move: each write's move
 */
struct byte {
	unsigned int issued;
	unsigned int newest;
	unsigned int stands;
	unsigned int fetched;
	bool started;
	unsigned int least[SIDES];
	__u8 by[MOVES_MAX + 1];
	__u8 move[MOVES_MAX + 1];
};

static struct byte bytes_known[BYTES];
static const char *const *device_names;

static const char *side_name(unsigned int side)
{
	return side == CPU_SIDE ? "the CPU" : device_names[side - 1];
}

/* What write @number of byte @i stores there; close numbers differ. */
static __u8 value(unsigned int i, unsigned int number)
{
	return 37 * i + number;
}

static unsigned int number_of(unsigned int i, __u8 seen)
{
	return (__u8)(seen - value(i, 0));
}

void oracle_reset(const char *const *names)
{
	device_names = names;
	memset(bytes_known, 0, sizeof(bytes_known));
}

__u8 oracle_first(unsigned int i)
{
	return value(i, 0);
}

static bool in_order(const struct byte *b, unsigned int side)
{
	return b->stands == b->newest && b->least[side] == b->newest;
}

bool oracle_in_order(unsigned int at, unsigned int bytes, unsigned int side)
{
	unsigned int i;

	for (i = at; i < at + bytes; i++)
		if (!in_order(&bytes_known[i], side))
			return false;
	return true;
}

unsigned int oracle_write(unsigned int at, unsigned int bytes,
			  unsigned int side, unsigned int move, __u8 *data)
{
	unsigned int i, at_once = 0;
	struct byte *b;

	for (i = at; i < at + bytes; i++) {
		b = &bytes_known[i];
		b->issued++;
		b->by[b->issued] = side;
		b->move[b->issued] = move;
		if (in_order(b, side)) {
			b->stands = b->issued;
			b->least[side] = b->issued;
		} else {
			/* Another's may yet come to stand here. */
			b->least[side] = b->stands;
			at_once++;
		}
		b->newest = b->issued;
		b->started = false;
		data[i - at] = value(i, b->issued);
	}
	return at_once;
}

static void describe(char *text, size_t size, const struct byte *b,
		     unsigned int number)
{
	if (number)
		snprintf(text, size, "what %s wrote in move %u",
			 side_name(b->by[number]), b->move[number] + 1);
	else
		snprintf(text, size, "what was there first");
}

bool oracle_read(unsigned int side, unsigned int at, unsigned int bytes,
		 const __u8 *data, char *what, size_t size)
{
	char old[64], new[64];
	const struct byte *b;
	unsigned int i, seen;

	for (i = at; i < at + bytes; i++) {
		b = &bytes_known[i];
		seen = number_of(i, data[i - at]);
		if (seen > b->newest || b->by[seen] == NEVER_STOOD) {
			snprintf(what, size, "%s reads 0x%02x in byte %u, which does not stand",
				 side_name(side), data[i - at], i);
			return false;
		}
		if (seen >= b->least[side])
			continue;
		describe(old, sizeof(old), b, seen);
		describe(new, sizeof(new), b, b->least[side]);
		snprintf(what, size, "%s reads in byte %u %s, not %s",
			 side_name(side), i, old, new);
		return false;
	}
	return true;
}

void oracle_start(void)
{
	struct byte *b;

	for (b = bytes_known; b < bytes_known + BYTES; b++) {
		b->least[CPU_SIDE] = b->stands;
		if (b->stands < b->newest)
			b->started = true;
		else if (b->by[b->newest] != CPU_SIDE)
			b->fetched = b->newest;
	}
}

bool oracle_end_wants_to_know(bool stores)
{
	const struct byte *b;

	for (b = bytes_known; b < bytes_known + BYTES; b++)
		if (stores && b->started)
			return true;
	return false;
}

/* Two wrote, and write @number has come to stand. */
static void settle(struct byte *b, unsigned int number)
{
	unsigned int other;

	for (other = b->stands; other <= b->newest; other++)
		if (other != number)
			b->by[other] = NEVER_STOOD;
	b->newest = number;
	b->stands = number;
	b->least[CPU_SIDE] = number;
	if (b->by[number] != CPU_SIDE)
		b->fetched = number;
	b->started = false;
}

void oracle_end(bool stores, const __u8 *cpu)
{
	unsigned int i, side, least;
	struct byte *b;

	for (i = 0; i < BYTES; i++) {
		b = &bytes_known[i];
		if (stores && b->started)
			settle(b, number_of(i, cpu[i]));
		least = stores ? b->least[CPU_SIDE] : b->fetched;
		for (side = 0; side < SIDES; side++)
			if (side != CPU_SIDE && b->least[side] < least)
				b->least[side] = least;
	}
}

void oracle_map(void)
{
	unsigned int side;
	struct byte *b;

	for (b = bytes_known; b < bytes_known + BYTES; b++) {
		for (side = 0; side < SIDES; side++)
			b->least[side] = b->stands;
		if (b->stands == b->newest && b->by[b->newest] != CPU_SIDE)
			b->fetched = b->newest;
	}
}
