// SPDX-License-Identifier: GPL-2.0
/*
 * Memory: what stores, loads and syncs of one line do to pages, copies and the
 * CPU's lines of them. It knows no plan, no event and no promise, but one word
 * of the contract: what has been written back is not loose any more.
 */
#include "model_layers.h"

static void write_in(const struct model_config *config,
		     struct model_memory *memory, unsigned int byte, u8 value)
{
	read_in(memory, config->bytes);
	memory->cached[byte] = value;
	if (config->arch->write_through)
		memory->byte[byte] = value;
	else
		memory->line = LINE_DIRTY;
}

/**
 * model_load_page() - load from a page, through the CPU's cache
 * @config: the architecture and the devices
 * @state: changed: the line is in the cache afterwards
 * @line: which line
 * @byte: which byte of it
 *
 * Return: the value.
 */
u8 model_load_page(const struct model_config *config, struct model_state *state,
		   unsigned int line, unsigned int byte)
{
	if (page_has_line(config, line))
		read_in(&state->page[line], config->bytes);
	return peek(&state->page[line], byte);
}

/**
 * model_store_page() - store to a page, into the CPU's cache
 * @config: the architecture and the devices
 * @state: changed
 * @line: which line
 * @byte: which byte of it
 * @value: what
 */
void model_store_page(const struct model_config *config,
		      struct model_state *state, unsigned int line,
		      unsigned int byte, u8 value)
{
	if (page_has_line(config, line))
		write_in(config, &state->page[line], byte, value);
	else
		state->page[line].byte[byte] = value;
}

/**
 * model_load_copy() - load from a copy
 * @config: the devices
 * @state: changed: if its device does not snoop, the line is in the cache
 * @copy: which copy
 * @line: which line
 * @byte: which byte of it
 *
 * There is nothing but caches that are snooped between the CPU and a device
 * that snoops.
 *
 * Return: the value.
 */
u8 model_load_copy(const struct model_config *config, struct model_state *state,
		   unsigned int copy, unsigned int line, unsigned int byte)
{
	struct model_memory *memory = &state->copy[line][copy];

	if (!face_of(config, copy, line)->snoops)
		read_in(memory, config->bytes);
	return peek(memory, byte);
}

/**
 * model_store_copy() - store to a copy
 * @config: the architecture and the devices
 * @state: changed
 * @copy: which copy
 * @line: which line
 * @byte: which byte of it
 * @value: what
 */
void model_store_copy(const struct model_config *config,
		      struct model_state *state, unsigned int copy,
		      unsigned int line, unsigned int byte, u8 value)
{
	struct model_memory *memory = &state->copy[line][copy];

	if (face_of(config, copy, line)->snoops)
		memory->byte[byte] = value;
	else
		write_in(config, memory, byte, value);
}

/**
 * model_maintain_page() - do cache maintenance on a line of the pages
 * @config: the devices
 * @state: changed
 * @line: which line
 * @op: what is done
 *
 * What was loose and is written back cannot be dropped any more.
 */
void model_maintain_page(const struct model_config *config,
			 struct model_state *state, unsigned int line,
			 enum model_op op)
{
	struct model_memory *page = &state->page[line];
	bool was_dirty = page->line == LINE_DIRTY;

	maintain(op, page, config->bytes);
	if (was_dirty && page->line != LINE_DIRTY)
		state->loose &= ~written_to(config, state, line);
}

/**
 * model_fill_slot() - dma_map_sgtable() with DMA_ATTR_SKIP_CPU_SYNC
 * @config: the architecture and the devices
 * @state: changed
 * @device: whose mapping
 * @line: which line
 *
 * kernel/dma/swiotlb.c, swiotlb_tbl_map_single(): the slot is filled whatever
 * the direction and the attributes are; swiotlb_map() maintains no cache then.
 */
void model_fill_slot(const struct model_config *config,
		     struct model_state *state, unsigned int device,
		     unsigned int line)
{
	unsigned int i;

	if (face_of(config, device, line)->copies)
		for (i = 0; i < config->bytes; i++)
			model_store_copy(config, state, device, line, i,
					 model_load_page(config, state, line,
							 i));
}

/* What for_cpu of a slot does after maintenance. */
static void empty_slot(const struct model_config *config,
		       struct model_state *state, unsigned int device,
		       unsigned int line)
{
	unsigned int i;

	for (i = 0; i < config->bytes; i++)
		model_store_page(config, state, line, i,
				 model_load_copy(config, state, device, line,
						 i));
}

/**
 * model_sync_micro() - one half of a sync of one line
 * @config: the architecture and the devices
 * @state: changed if @doit
 * @device: whose mapping
 * @face: what the device is on this line
 * @line: which line
 * @op: SYNC_FOR_CPU or SYNC_FOR_DEVICE
 * @dir: with which direction
 * @second: the second half
 * @doit: false: only tell whether there is anything to do
 *
 * kernel/dma/direct.c, dma_direct_sync_sg_for_cpu(): maintenance, then the copy
 * back; dma_direct_sync_sg_for_device(): the copy, then maintenance. In two
 * micro-steps. __swiotlb_sync_single_for_cpu() and _for_device() copy unless
 * the direction forbids it. drivers/iommu/dma-iommu.c does the same.
 *
 * Return: false if there is nothing to do, whatever the state is.
 */
bool model_sync_micro(const struct model_config *config,
		      struct model_state *state, unsigned int device,
		      const struct model_face *face, unsigned int line,
		      enum sync_op op, enum dma_data_direction dir, bool second,
		      bool doit)
{
	bool for_cpu = op == SYNC_FOR_CPU;
	enum model_op what = arch_op(config, op, dir);

	if (second == for_cpu) {
		if (!face->copies ||
		    dir == (for_cpu ? DMA_TO_DEVICE : DMA_FROM_DEVICE))
			return false;
		if (doit && for_cpu)
			empty_slot(config, state, device, line);
		else if (doit)
			model_fill_slot(config, state, device, line);
		return true;
	}

	if (face->snoops || what == OP_NONE)
		return false;
	if (doit && face->copies)
		maintain(what, &state->copy[line][device], config->bytes);
	else if (doit)
		model_maintain_page(config, state, line, what);
	return true;
}

/**
 * model_sync() - dma_sync_sgtable_for_cpu() or _for_device() of one line
 * @config: the architecture and the devices; a copy is a swiotlb slot
 * @state: changed
 * @device: whose mapping
 * @line: which line
 * @op: SYNC_FOR_CPU or SYNC_FOR_DEVICE
 * @dir: with which direction
 */
void model_sync(const struct model_config *config, struct model_state *state,
		unsigned int device, unsigned int line, enum sync_op op,
		enum dma_data_direction dir)
{
	const struct model_face *face = face_of(config, device, line);

	model_sync_micro(config, state, device, face, line, op, dir, false,
			 true);
	model_sync_micro(config, state, device, face, line, op, dir, true,
			 true);
}

/**
 * model_cpu_load() - somebody reads the pages
 * @config: the architecture
 * @state: changed: the line is in the cache afterwards
 * @place: which byte
 *
 * Return: the value read.
 */
u8 model_cpu_load(const struct model_config *config, struct model_state *state,
		  unsigned int place)
{
	return model_load_page(config, state, line_of(config, place),
			       place % config->bytes);
}

/**
 * model_device_read() - what a device would read
 * @config: the architecture and the devices
 * @state: not changed
 * @device: which device
 * @place: which byte
 *
 * Return: the value.
 */
u8 model_device_read(const struct model_config *config,
		     const struct model_state *state, unsigned int device,
		     unsigned int place)
{
	unsigned int line = line_of(config, place), byte = place % config->bytes;
	const struct model_face *face = face_of(config, device, line);

	if (face->copies)
		return state->copy[line][copy_of(config, device, line)].byte[byte];
	if (face->snoops)
		return peek(&state->page[line], byte);
	return state->page[line].byte[byte];
}

/**
 * model_first_state() - a buffer that nobody has mapped
 * @config: how large it is
 * @state: filled in
 *
 * What the CPU wrote last before the buffer was made may lie in its cache only;
 * nothing about memory is known then.
 */
void model_first_state(const struct model_config *config,
		       struct model_state *state)
{
	static const struct model_state zero;
	unsigned int line, i;

	*state = zero;
	for (line = 0; line < config->lines; line++)
		for (i = 0; i < config->bytes; i++)
			model_store_page(config, state, line, i, MODEL_INITIAL);
}
