// SPDX-License-Identifier: GPL-2.0
/*
 * The clock on the wall: see clock.h.
 */
#include <stdbool.h>
#include <time.h>

#ifdef __x86_64__
#include <sys/io.h>
#endif

#include "clock.h"

/*
 * The machine's CMOS clock is the host's. Where there is none the guest's own has
 * to do.
 */
#ifdef __x86_64__
static unsigned int cmos(unsigned char index)
{
	unsigned int bcd;

	outb(index, 0x70);
	bcd = inb(0x71);
	return 10 * (bcd >> 4) + (bcd & 15);
}

static unsigned int clock_on_the_wall(void)
{
	unsigned int seconds;

	if (ioperm(0x70, 2, 1))
		return time(NULL);
	/* Read until it did not change meanwhile. */
	do {
		seconds = cmos(0);
		if (seconds == cmos(0) && seconds < 60)
			seconds += 60 * cmos(2);
	} while (seconds % 60 != cmos(0));
	return seconds;
}
#else
static unsigned int clock_on_the_wall(void)
{
	return time(NULL);
}
#endif

/* An hour has passed when the clock is before the last. */
unsigned int seconds_passed(void)
{
	static unsigned int last, passed;
	static bool called;
	unsigned int now = clock_on_the_wall();

	if (called)
		passed += now >= last ? now - last : now + 3600 - last;
	called = true;
	last = now;
	return passed;
}
