/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The clock on the wall, which the guest's own is not: that counts instructions,
 * and jumps while devices work.
 */
#ifndef PLAYER_CLOCK_H
#define PLAYER_CLOCK_H

/* Since the first call. */
unsigned int seconds_passed(void);

#endif
