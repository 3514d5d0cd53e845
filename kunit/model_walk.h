/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The walk over the mixes that the model is to judge.
 */
#ifndef UDMABUF_FANOUT_MODEL_WALK_H
#define UDMABUF_FANOUT_MODEL_WALK_H

#include "model.h"

/* Kinds by their place in model_kinds. */
#define MODEL_COHERENT			BIT(0)
#define MODEL_NONCOHERENT		BIT(1)
#define MODEL_COPY			BIT(2)
#define MODEL_COPY_NONCOHERENT		BIT(3)
#define MODEL_PARTLY_COHERENT		(BIT(4) | BIT(5))
#define MODEL_PARTLY_NONCOHERENT	(BIT(6) | BIT(7))
#define MODEL_MAIN_KINDS	(MODEL_COHERENT | MODEL_NONCOHERENT | \
				 MODEL_COPY | MODEL_COPY_NONCOHERENT)
#define MODEL_PARTLY	(MODEL_PARTLY_COHERENT | MODEL_PARTLY_NONCOHERENT)

/**
 * enum model_fold - what a walk leaves out, each more than those before
 * @FOLD_NOTHING: nothing
 * @FOLD_SAME: what cannot differ: importers that only write (their maps are
 *	those of importers that do both, and they read less), architectures that
 *	differ in FROM_DEVICE only or where all devices snoop, and policy all
 *	where it adds no sync
 * @FOLD_COVERED: architectures that model_covers() another one
 */
enum model_fold {
	FOLD_NOTHING,
	FOLD_SAME,
	FOLD_COVERED,
};

/**
 * struct model_walk - a walk over mixes
 * @nr_devices: devices in a mix
 * @lines: lines of the buffer; of two, each has one byte, and one device of the
 *	mix has two faces
 * @bytes: bytes in a line
 * @writes: longest history in writes
 * @arch: index of the one architecture, or -1 for all that are supported
 * @policy: the one policy, or -1 for both
 * @fold: what is left out
 * @kinds: the kinds of devices, a mask of MODEL_KIND_*, 0 for all that have one
 *	face, or any if there are two lines
 * @flags: MODEL_*
 * @depth: longest history in moves, 0 for all
 * @started: set by model_walk_next()
 * @at_arch: likewise
 * @at_policy: likewise
 * @at_shared: likewise
 * @type: likewise
 */
struct model_walk {
	unsigned int nr_devices;
	unsigned int lines;
	unsigned int bytes;
	unsigned int writes;
	int arch;
	int policy;
	enum model_fold fold;
	unsigned int kinds;
	unsigned int flags;
	unsigned int depth;
	bool started;
	unsigned int at_arch;
	unsigned int at_policy;
	bool at_shared;
	unsigned int type[MODEL_DEVICES];
};

bool model_walk_next(struct model_walk *walk, struct model_config *config);

#endif /* UDMABUF_FANOUT_MODEL_WALK_H */
