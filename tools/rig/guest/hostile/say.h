/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What is said, one line at a time, whole whatever others write. It knows nothing
 * of what goes on.
 */
#ifndef HOSTILE_SAY_H
#define HOSTILE_SAY_H

void __printf(1, 2) say(const char *format, ...);

/* Something is wrong, and this process ends. */
void __noreturn __printf(1, 2) die(const char *format, ...);

#endif
