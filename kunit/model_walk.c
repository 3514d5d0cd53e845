// SPDX-License-Identifier: GPL-2.0
/*
 * The walk over mixes: which there are, and which of them need not be explored
 * because another one has all that they have. It must not know how one is
 * explored, nor what for.
 */
#include "model_walk.h"
#include "model_world.h"

static unsigned int nr_dirs(const struct model_walk *walk)
{
	return walk->fold ? 2 : 3;
}

static unsigned int nr_types(const struct model_walk *walk)
{
	return model_nr_kinds * nr_dirs(walk);
}

/* Devices come in any order later, so a mix is a multiset. */
static bool next_types(struct model_walk *walk)
{
	unsigned int types = nr_types(walk), i, k = walk->nr_devices;

	while (k && walk->type[k - 1] == types - 1)
		k--;
	if (!k) {
		for (i = 0; i < MODEL_DEVICES; i++)
			walk->type[i] = 0;
		return false;
	}
	walk->type[k - 1]++;
	for (i = k; i < walk->nr_devices; i++)
		walk->type[i] = walk->type[k - 1];
	return true;
}

static bool next_shared(struct model_walk *walk)
{
	walk->at_shared = !walk->at_shared;
	return walk->at_shared;
}

static bool next_arch(struct model_walk *walk)
{
	if (walk->arch < 0 && ++walk->at_arch < model_nr_archs)
		return true;
	walk->at_arch = walk->arch < 0 ? 0 : walk->arch;
	return false;
}

static bool next_policy(struct model_walk *walk)
{
	if (walk->policy >= 0 || walk->at_policy == SYNC_POLICY_ALL)
		return false;
	walk->at_policy = SYNC_POLICY_ALL;
	return true;
}

static void make_config(const struct model_walk *walk,
			struct model_config *config)
{
	static const u8 dirs[] = {
		DMA_TO_DEVICE, DMA_BIDIRECTIONAL, DMA_FROM_DEVICE,
	};
	static const struct model_config none;
	unsigned int i, dirs_used = nr_dirs(walk);

	*config = none;
	config->arch = &model_archs[walk->at_arch];
	config->policy = walk->at_policy;
	config->nr_devices = walk->nr_devices;
	config->shared = walk->at_shared;
	config->lines = walk->lines;
	config->bytes = walk->bytes;
	config->writes = walk->writes;
	config->flags = walk->flags;
	config->depth = walk->depth;
	for (i = 0; i < walk->nr_devices; i++) {
		config->device[i].kind = walk->type[i] / dirs_used;
		config->device[i].dir = dirs[walk->type[i] % dirs_used];
	}
}

static bool all_snoop(const struct model_config *config)
{
	unsigned int i, line;

	for (i = 0; i < config->nr_devices; i++)
		for (line = 0; line < MODEL_LINES; line++)
			if (!kind_of(config, i)->face[line].snoops)
				return false;
	return true;
}

/* How many devices use a copy that another could use as well. */
static bool can_share(const struct model_config *config)
{
	unsigned int line, i, snoops, nr;

	for (line = 0; line < config->lines; line++)
		for (snoops = 0; snoops < 2; snoops++) {
			for (i = 0, nr = 0; i < config->nr_devices; i++)
				nr += kind_of(config, i)->face[line].copies &&
				      kind_of(config, i)->face[line].snoops ==
				      snoops;
			if (nr > 1)
				return true;
		}
	return false;
}

static unsigned int count_noncoherent(const struct model_config *config)
{
	unsigned int i, part, nr = 0;

	for (i = 0; i < config->nr_devices; i++)
		for (part = 0; part < kind_of(config, i)->nr_parts; part++)
			nr += kind_of(config, i)->part[part] ==
			      SYNC_NONCOHERENT;
	return nr;
}

/*
 * The first architecture that the driver's plan cannot tell from @arch. The
 * driver never maps FROM_DEVICE, so that column makes no difference.
 */
static const struct model_arch *model_is_like(const struct model_arch *arch)
{
	const struct model_arch *like = model_archs;

	while (like->for_device[DMA_BIDIRECTIONAL] !=
	       arch->for_device[DMA_BIDIRECTIONAL] ||
	       like->for_device[DMA_TO_DEVICE] !=
	       arch->for_device[DMA_TO_DEVICE] ||
	       like->for_cpu[DMA_BIDIRECTIONAL] !=
	       arch->for_cpu[DMA_BIDIRECTIONAL] ||
	       like->for_cpu[DMA_TO_DEVICE] != arch->for_cpu[DMA_TO_DEVICE] ||
	       like->speculates != arch->speculates ||
	       like->write_through != arch->write_through ||
	       like->all_snoop != arch->all_snoop)
		like++;
	return like;
}

/*
 * An architecture that does all that @arch does, so it is wrong if @arch is;
 * @arch if there is none.
 *
 * Where the CPU speculates and caches are written back later, an operation that
 * does more is one that does less after or before a move of the cache: a flush
 * is a write-back and drop, then an invalidate of nothing, or a clean, then a
 * drop of what is clean. So arm covers them, whose operations do the least, as
 * long as the driver's plan is the same.
 */
static const struct model_arch *model_covers(const struct model_arch *arch)
{
	const struct model_arch *arm = &model_archs[1];

	if (arch->supported && arch->speculates && !arch->write_through &&
	    arch->for_cpu[DMA_BIDIRECTIONAL] != OP_NONE)
		return arm;
	return arch;
}

static bool is_wanted(const struct model_walk *walk,
		      const struct model_config *config)
{
	unsigned int kinds = walk->kinds, i, faces = 0;

	if (walk->arch < 0 && !config->arch->supported)
		return false;
	if (!kinds)
		kinds = walk->lines > 1 ? MODEL_MAIN_KINDS | MODEL_PARTLY :
					  MODEL_MAIN_KINDS;
	for (i = 0; i < config->nr_devices; i++) {
		if (!(kinds & 1 << config->device[i].kind))
			return false;
		faces += kind_of(config, i)->nr_parts > 1;
	}
	if (walk->lines > 1 && !faces)
		return false;
	if ((config->arch->all_snoop && !all_snoop(config)) ||
	    (config->shared && !can_share(config)))
		return false;
	if (!walk->fold)
		return true;
	if (walk->arch < 0 && (model_is_like(config->arch) != config->arch ||
			       (all_snoop(config) && !config->arch->all_snoop)))
		return false;
	if (walk->arch < 0 && walk->fold == FOLD_COVERED &&
	    model_covers(config->arch) != config->arch)
		return false;
	return walk->policy >= 0 || config->policy == SYNC_POLICY_MINIMAL ||
	       count_noncoherent(config) > 1;
}

/**
 * model_walk_next() - the next mix
 * @walk: where the walk is; zero but for its choices at first
 * @config: filled in
 *
 * Return: false if there is none.
 */
bool model_walk_next(struct model_walk *walk, struct model_config *config)
{
	do {
		if (!walk->started) {
			walk->started = true;
			walk->at_arch = walk->arch < 0 ? 0 : walk->arch;
			walk->at_policy = walk->policy < 0 ?
					  SYNC_POLICY_MINIMAL : walk->policy;
		} else if (!next_types(walk) && !next_shared(walk) &&
			   !next_arch(walk) && !next_policy(walk)) {
			return false;
		}
		make_config(walk, config);
	} while (!is_wanted(walk, config));
	return true;
}
