/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What the model is asked: which plans must be found wrong, and what a real
 * kernel was seen to do. Shared by the KUnit suite and tools/model.
 */
#ifndef UDMABUF_FANOUT_MODEL_CHECKS_H
#define UDMABUF_FANOUT_MODEL_CHECKS_H

#include "model_walk.h"

/**
 * struct model_wrong - something that must be found wrong
 * @name: for people and --plan
 * @what: what is wrong
 * @plan: the plan
 * @flags: MODEL_*
 * @arch: the architecture by name, or NULL for those that cover the others
 * @kinds: the kinds of devices on two lines, or 0 for MODEL_MAIN_KINDS on one
 */
struct model_wrong {
	const char *name;
	const char *what;
	enum model_plan plan;
	unsigned int flags;
	const char *arch;
	unsigned int kinds;
};

extern const struct model_wrong model_wrongs[];
extern const unsigned int model_nr_wrongs;

bool model_find_shortest(const struct model_wrong *wrong,
			 struct model_space *space,
			 struct model_config *config,
			 struct model_result *result);

/* The plans that a row is played by, in the order of its columns. */
#define MODEL_ROW_PLANS	4
extern const enum model_plan model_row_plans[MODEL_ROW_PLANS];

/**
 * struct model_row - a scenario
 * @what: what happens
 * @device: the devices
 * @nr_devices: how many
 * @script: what happens, see model_row_is_right()
 * @right: whether each of model_row_plans gets it right
 * @ran: the columns of stock and access-direction were seen in QEMU
 */
struct model_row {
	const char *what;
	struct model_device device[2];
	unsigned int nr_devices;
	const char *script;
	bool right[MODEL_ROW_PLANS];
	bool ran;
};

extern const struct model_row model_rows[];
extern const unsigned int model_nr_rows;

bool model_row_is_right(const struct model_row *row, enum model_plan plan);

#endif /* UDMABUF_FANOUT_MODEL_CHECKS_H */
