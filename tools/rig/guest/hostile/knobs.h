/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The driver's parameters, which all threads write, and what they are meanwhile.
 */
#ifndef HOSTILE_KNOBS_H
#define HOSTILE_KNOBS_H

#include "record.h"

enum { LIST_LIMIT, SIZE_LIMIT, POLICY, COPY_LIMIT, KNOBS };

/* First of all: what threads and their children will share. */
void share_knobs(void);

/* As they are when nobody has written them. */
void default_parameters(void);

unsigned int knob_version(unsigned int knob);
/* Whether the parameter has had one value only since @version was read. */
bool knob_steady(unsigned int knob, unsigned int version);
unsigned int knob_value(unsigned int knob);

/* Allow lists of any length, or of the usual one. */
void allow_long_lists(bool allow);

void call_parameter(struct world *w);
void call_size_limit(struct world *w);

#endif
