/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What the model is asked: which mixes, which plans must be found wrong, and
 * what a real kernel was seen to do. Shared by the KUnit suite and tools/model.
 */
#ifndef UDMABUF_FANOUT_MODEL_CHECKS_H
#define UDMABUF_FANOUT_MODEL_CHECKS_H

#include "model.h"

/* Kinds by their place in model_kinds. */
#define MODEL_COHERENT			BIT(0)
#define MODEL_NONCOHERENT		BIT(1)
#define MODEL_BOUNCED			BIT(2)
#define MODEL_BOUNCED_NONCOHERENT	BIT(3)
#define MODEL_OPAQUE_NONCOHERENT	BIT(4)
#define MODEL_OPAQUE_BOUNCED		BIT(5)
#define MODEL_PARTLY_NONCOHERENT		(BIT(10) | BIT(11))
#define MODEL_MAIN_KINDS	(MODEL_COHERENT | MODEL_NONCOHERENT | \
				 MODEL_BOUNCED | MODEL_BOUNCED_NONCOHERENT)

/**
 * struct model_walk - a walk over mixes
 * @nr_devices: devices in a mix
 * @halves: halves of the buffer
 * @arch: index of the one architecture, or -1 for all that are supported
 * @policy: the one policy, or -1 for both
 * @folded: leave out what cannot differ: importers that only write (their maps
 *	are those of importers that do both, and they read less),
 *	architectures that differ in FROM_DEVICE only, and policy all where
 *	it only adds syncs of coherent peers
 * @kinds: the kinds of devices, a mask of MODEL_KIND_*, 0 for all
 * @depth: longest history, 0 for all
 * @started: set by model_walk_next()
 * @at_arch: likewise
 * @at_policy: likewise
 * @type: likewise
 */
struct model_walk {
	unsigned int nr_devices;
	unsigned int halves;
	int arch;
	int policy;
	bool folded;
	unsigned int kinds;
	unsigned int depth;
	bool started;
	unsigned int at_arch;
	unsigned int at_policy;
	unsigned int type[MODEL_DEVICES];
};

bool model_walk_next(struct model_walk *walk, struct model_config *config);

/**
 * struct model_wrong - something that must be found wrong
 * @name: for people and --plan
 * @what: what is wrong
 * @plan: the plan
 * @flags: MODEL_*
 * @arch: the architecture by name, or NULL for all that are supported
 * @kinds: the kinds of devices on two halves, or 0 for MODEL_MAIN_KINDS on one
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

/**
 * struct model_row - a scenario that was run in QEMU
 * @what: what happens
 * @device: the devices
 * @nr_devices: how many
 * @script: what happens, see model_row_is_right()
 * @right: whether PLAN_DRIVER, PLAN_STOCK and PLAN_ACCESS_DIRECTION get it right
 */
struct model_row {
	const char *what;
	struct model_device device[2];
	unsigned int nr_devices;
	const char *script;
	bool right[3];
};

extern const struct model_row model_rows[];
extern const unsigned int model_nr_rows;

bool model_row_is_right(const struct model_row *row, enum model_plan plan);

#endif /* UDMABUF_FANOUT_MODEL_CHECKS_H */
