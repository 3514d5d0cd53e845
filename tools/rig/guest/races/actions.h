/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What workers can do. Each is alone with what it sees: which others there are
 * in a race is known to races.c.
 */
#ifndef RACES_ACTIONS_H
#define RACES_ACTIONS_H

#include "stage.h"

#define ACTION(name, ...) \
	const struct action do_##name = { #name, name, __VA_ARGS__ }

/* On the buffer that lasts: accesses.c */
extern const struct action do_come_and_go, do_write_own_page, do_read_all,
	do_live_and_die, do_read_debugfs;

/* fences.c */
void expect_signals(struct stage *stage);
extern const struct action do_wait_for_device, do_pester;

/* knobs.c */
extern const struct action do_turn_knobs, do_read_knobs;

/* With buffers that come and go: life.c */
extern const struct action do_make_use_close, do_unload_and_load,
	do_make_publish_close, do_use_published;

/* faults.c */
void open_windows(struct stage *stage);
extern const struct action do_map_window, do_clear_window, do_touch_window;

/* seals.c */
extern const struct action do_make_of_sealed, do_seal;

#endif
