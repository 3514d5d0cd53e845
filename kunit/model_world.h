/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The world: a mix of devices, a state, and a line of memory with the CPU's
 * cache before it, in questions of a few lines each. They are inline, for the
 * search asks them millions of times a second. Nothing here knows what anybody
 * was promised, nor which steps a plan has.
 */
#ifndef UDMABUF_FANOUT_MODEL_WORLD_H
#define UDMABUF_FANOUT_MODEL_WORLD_H

#include "model.h"

/* What a mix is. */

/* A copy is a swiotlb slot: syncs copy it whole, and there is no merge. */
static inline bool has_slots(const struct model_config *config)
{
	return config->plan == PLAN_STOCK ||
	       config->plan == PLAN_ACCESS_DIRECTION ||
	       config->plan == PLAN_FIRST_STAGE;
}

static inline bool widens(const struct model_config *config)
{
	return config->plan != PLAN_NO_H5 && config->plan != PLAN_STOCK &&
	       config->plan != PLAN_ACCESS_DIRECTION;
}

static inline enum dma_data_direction
mapped_dir(const struct model_config *config, unsigned int device)
{
	u8 dir = config->device[device].dir;

	if (dir == DMA_FROM_DEVICE && widens(config))
		return DMA_BIDIRECTIONAL;
	return dir;
}

static inline const struct model_kind *
kind_of(const struct model_config *config, unsigned int device)
{
	return &model_kinds[config->device[device].kind];
}

static inline const struct model_face *
face_of(const struct model_config *config, unsigned int device,
	unsigned int line)
{
	return &kind_of(config, device)->face[line];
}

static inline bool writes(const struct model_config *config,
			  unsigned int device)
{
	return config->device[device].dir != DMA_TO_DEVICE;
}

static inline bool reads(const struct model_config *config, unsigned int device)
{
	return config->device[device].dir != DMA_FROM_DEVICE;
}

static inline bool is_noncoherent_writer(const struct model_config *config,
					 unsigned int device,
					 unsigned int line)
{
	const struct model_face *face = face_of(config, device, line);

	return writes(config, device) && !face->copies && !face->snoops;
}

/* The first device of the mix that uses the same copy. */
static inline unsigned int copy_of(const struct model_config *config,
				   unsigned int device, unsigned int line)
{
	const struct model_face *face = face_of(config, device, line);
	unsigned int i;

	for (i = 0; config->shared && i < device; i++)
		if (face_of(config, i, line)->copies &&
		    face_of(config, i, line)->snoops == face->snoops)
			return i;
	return device;
}

/* Whether anybody can tell what the CPU's line of the page holds. */
static inline bool page_has_line(const struct model_config *config,
				 unsigned int line)
{
	unsigned int i;

	if (config->arch->all_snoop)
		return false;
	if (config->plan == PLAN_STOCK)
		return true;
	for (i = 0; i < config->nr_devices; i++)
		if (!face_of(config, i, line)->snoops &&
		    !face_of(config, i, line)->copies)
			return true;
	return false;
}

static inline unsigned int line_of(const struct model_config *config,
				   unsigned int place)
{
	return place / config->bytes;
}

/* By the direction of a CPU access. */
static inline bool is_write(unsigned int dir)
{
	return dir != DMA_FROM_DEVICE;
}

static inline enum model_op arch_op(const struct model_config *config,
				    enum sync_op op,
				    enum dma_data_direction dir)
{
	return op == SYNC_FOR_CPU ? config->arch->for_cpu[dir] :
				    config->arch->for_device[dir];
}

/* What a state holds. */

static inline bool is_mapped(const struct model_state *state,
			     unsigned int device)
{
	return state->mapped >> device & 1;
}

static inline bool is_change(const struct model_state *state)
{
	return state->event == EVENT_MAP || state->event == EVENT_UNMAP;
}

/* Mapped, and not just being mapped or unmapped. */
static inline bool may_run(const struct model_state *state, unsigned int device)
{
	return is_mapped(state, device) &&
	       !(is_change(state) && state->actor == device);
}

static inline bool copy_is_used(const struct model_config *config,
				const struct model_state *state,
				unsigned int copy, unsigned int line,
				bool by_writers)
{
	unsigned int i;

	for (i = copy; i < config->nr_devices; i++)
		if (is_mapped(state, i) && face_of(config, i, line)->copies &&
		    copy_of(config, i, line) == copy &&
		    (!by_writers || writes(config, i)))
			return true;
	return false;
}

static inline u8 mask_of(u8 value)
{
	return value > MODEL_INITIAL ? 1 << (value - MODEL_INITIAL - 1) : 0;
}

static inline unsigned int last_write(const struct model_state *state)
{
	return MODEL_INITIAL + state->nr_writes;
}

static inline u8 written_to(const struct model_config *config,
			    const struct model_state *state, unsigned int line)
{
	unsigned int i;
	u8 mask = 0;

	for (i = MODEL_INITIAL + 1; i <= last_write(state); i++)
		if (line_of(config, state->write[i].place) == line)
			mask |= mask_of(i);
	return mask;
}

/* What a line does. */

static inline void maintain(enum model_op op, struct model_memory *memory,
			    unsigned int bytes)
{
	unsigned int i;

	if (op == OP_NONE || memory->line == LINE_ABSENT)
		return;
	if (op != OP_INVALIDATE && memory->line == LINE_DIRTY) {
		for (i = 0; i < bytes; i++)
			memory->byte[i] = memory->cached[i];
		memory->line = LINE_CLEAN;
	}
	if (op != OP_CLEAN) {
		memory->line = LINE_ABSENT;
		for (i = 0; i < bytes; i++)
			memory->cached[i] = 0;
	}
}

/* What is read through the cache, without a trace in it. */
static inline u8 peek(const struct model_memory *memory, unsigned int byte)
{
	return memory->line == LINE_ABSENT ? memory->byte[byte] :
					     memory->cached[byte];
}

static inline void read_in(struct model_memory *memory, unsigned int bytes)
{
	unsigned int i;

	if (memory->line != LINE_ABSENT)
		return;
	memory->line = LINE_CLEAN;
	for (i = 0; i < bytes; i++)
		memory->cached[i] = memory->byte[i];
}

#endif /* UDMABUF_FANOUT_MODEL_WORLD_H */
