// SPDX-License-Identifier: GPL-2.0
/*
 * The model that judges the sync plan.
 *
 * A buffer is one line of the CPU's cache with two bytes in it, or two lines of
 * one byte where a device has two faces (H18). There is what memory holds, what
 * the CPU's line holds, and for each copy its memory, its twin, and where its
 * device does not snoop a line of its own. Every move of everybody is tried in
 * every state: calls come balanced or not and in any order, devices write and
 * the CPU stores at any moment, an event is carried out in micro-steps, and
 * between any two of these all others go on: stores, device writes, deaths, and
 * the adversary, who writes a dirty line back, drops it, or reads one in.
 *
 * A history has a few writes and any number of other moves, so there are
 * finitely many states. A value is the number of its write.
 *
 * The contract. A view is the CPU or a mapped device. Each has been promised a
 * set of writes, and a write knows what its writer had been promised:
 * - START promises the CPU all that devices had written when it was called.
 * - END promises every device all that the CPU had stored or been promised when
 *   it was called; an END for reading not the stores that no END has promised
 *   yet, unless a write access is open.
 * - Map, and unmap of a writer, promise everybody everything.
 * What a view reads is wrong if it was promised a write of that byte that knew
 * what it reads: it is older. Of two writes that do not know each other either
 * may be read, but when a START and an END have passed, or a map or unmap, with
 * no write since, all views agree.
 *
 * The excuses; an excused write may be lost, and all views agree all the same:
 * - Lines. Two writes to different bytes of one line that do not know each
 *   other, if one of the writers does not snoop and they do not use the same
 *   memory: the line that is written back takes the neighbours along. One of
 *   them is kept.
 * - Loose stores. What the CPU stores while no process that lives has a write
 *   access open, and a noncoherent writer is mapped, until an END that comes
 *   later has finished: if it is dropped by the invalidate of a START, a map or
 *   an unmap.
 * - H14 race. What a coherent device writes into a cache between the clean and
 *   the invalidate of one event.
 *
 * Who calls is folded: what an END does depends on whether its own process has
 * a write access open and whether another has, which are tried for any number
 * of processes by three numbers: a living process has one open or not, a dead
 * one is still counted or not, the kernel has a mapping or not. An END is its
 * own or a stranger's; the END of one of two accesses is a stranger's.
 */
#include "model.h"

/*
 * Columns: DMA_BIDIRECTIONAL, DMA_TO_DEVICE, DMA_FROM_DEVICE. An architecture
 * with less speculation and the same operations is a special case of its row.
 */
const struct model_arch model_archs[] = {
	{
		.name = "x86",
		.files = "no ARCH_HAS_SYNC_DMA_FOR_DEVICE, no _FOR_CPU",
		.supported = true,
		.all_snoop = true,
	}, {
		.name = "arm",
		/* v6 and later; xtensa is the same but for_device(FROM) = {} */
		.files = "arch/arm/mm/dma-mapping.c, cache-v7.S",
		.for_device = { OP_CLEAN, OP_CLEAN, OP_INVALIDATE },
		.for_cpu = { OP_INVALIDATE, OP_NONE, OP_INVALIDATE },
		.speculates = true,
		.supported = true,
	}, {
		.name = "arm64",
		.files = "arch/arm64/mm/dma-mapping.c, arch/riscv/mm/dma-noncoherent.c",
		.for_device = { OP_CLEAN, OP_CLEAN, OP_CLEAN },
		.for_cpu = { OP_INVALIDATE, OP_NONE, OP_INVALIDATE },
		.speculates = true,
		.supported = true,
	}, {
		.name = "mips",
		/* also arm v4 and v5, sh, hexagon, m68k (68040, ColdFire) */
		.files = "arch/mips/mm/dma-noncoherent.c, no post-DMA flush",
		.for_device = { OP_FLUSH, OP_CLEAN, OP_INVALIDATE },
		.for_cpu = { OP_NONE, OP_NONE, OP_NONE },
		.supported = true,
	}, {
		.name = "arc",
		/* also mips with post-DMA flush */
		.files = "arch/arc/mm/dma.c, arch/mips/mm/dma-noncoherent.c",
		.for_device = { OP_FLUSH, OP_CLEAN, OP_INVALIDATE },
		.for_cpu = { OP_INVALIDATE, OP_NONE, OP_INVALIDATE },
		.speculates = true,
		.supported = true,
	}, {
		.name = "csky",
		.files = "arch/csky/mm/dma-mapping.c",
		.for_device = { OP_FLUSH, OP_CLEAN, OP_FLUSH },
		.for_cpu = { OP_INVALIDATE, OP_NONE, OP_INVALIDATE },
		.speculates = true,
		.supported = true,
	}, {
		.name = "nios2",
		.files = "arch/nios2/mm/dma-mapping.c",
		.for_device = { OP_FLUSH, OP_FLUSH, OP_INVALIDATE },
		.for_cpu = { OP_INVALIDATE, OP_NONE, OP_INVALIDATE },
		.speculates = true,
		.supported = true,
	}, {
		.name = "powerpc",
		.files = "arch/powerpc/mm/dma-noncoherent.c",
		.for_device = { OP_FLUSH, OP_CLEAN, OP_INVALIDATE },
		.for_cpu = { OP_FLUSH, OP_CLEAN, OP_INVALIDATE },
		.speculates = true,
		.supported = true,
	}, {
		.name = "microblaze",
		.files = "arch/microblaze/kernel/dma.c",
		.for_device = { OP_FLUSH, OP_FLUSH, OP_INVALIDATE },
		.for_cpu = { OP_FLUSH, OP_FLUSH, OP_INVALIDATE },
		.speculates = true,
		.supported = true,
	}, {
		.name = "parisc",
		.files = "arch/parisc/kernel/pci-dma.c",
		.for_device = { OP_FLUSH, OP_FLUSH, OP_FLUSH },
		.for_cpu = { OP_FLUSH, OP_FLUSH, OP_INVALIDATE },
		.speculates = true,
		.supported = true,
	}, {
		.name = "write-through",
		/* also sparc LEON and xtensa, nommu or not */
		.files = "arch/arm/mm/cache-v4wt.S, arch/sparc/kernel/ioport.c",
		.for_device = { OP_NONE, OP_NONE, OP_NONE },
		.for_cpu = { OP_INVALIDATE, OP_NONE, OP_INVALIDATE },
		.speculates = true,
		.write_through = true,
		.supported = true,
	}, {
		/* What cpu_needs_post_dma_flush() is for. */
		.name = "mips without flush",
		.files = "arch/mips/mm/dma-noncoherent.c",
		.for_device = { OP_FLUSH, OP_CLEAN, OP_INVALIDATE },
		.for_cpu = { OP_NONE, OP_NONE, OP_NONE },
		.speculates = true,
	}, {
		.name = "openrisc",
		.files = "arch/openrisc/kernel/dma.c",
		.for_device = { OP_NONE, OP_FLUSH, OP_INVALIDATE },
		.for_cpu = { OP_NONE, OP_NONE, OP_NONE },
	}, {
		.name = "68060",
		.files = "arch/m68k/kernel/dma.c, arch/m68k/mm/memory.c",
		.for_device = { OP_CLEAN, OP_CLEAN, OP_INVALIDATE },
		.for_cpu = { OP_NONE, OP_NONE, OP_NONE },
	}, {
		.name = "68030",
		.files = "arch/m68k/kernel/dma.c, arch/m68k/mm/memory.c",
		.for_device = { OP_NONE, OP_NONE, OP_INVALIDATE },
		.for_cpu = { OP_NONE, OP_NONE, OP_NONE },
		.write_through = true,
	},
};

const unsigned int model_nr_archs = ARRAY_SIZE(model_archs);

#define OWN(part, snoops)	{ part, snoops, false }
#define COPY(part, snoops)	{ part, snoops, true }

const struct model_kind model_kinds[] = {
	{ "coherent", 1, { SYNC_COHERENT }, { OWN(0, true), OWN(0, true) } },
	{ "noncoherent", 1, { SYNC_NONCOHERENT },
	  { OWN(0, false), OWN(0, false) } },
	{ "copy", 1, { SYNC_COPY }, { COPY(0, true), COPY(0, true) } },
	{ "copy, does not snoop", 1, { SYNC_COPY },
	  { COPY(0, false), COPY(0, false) } },
	{ "coherent, partly copy", 2, { SYNC_COHERENT, SYNC_COPY },
	  { OWN(0, true), COPY(1, true) } },
	{ "partly copy, coherent", 2, { SYNC_COHERENT, SYNC_COPY },
	  { COPY(1, true), OWN(0, true) } },
	{ "noncoherent, partly copy", 2, { SYNC_NONCOHERENT, SYNC_COPY },
	  { OWN(0, false), COPY(1, false) } },
	{ "partly copy, noncoherent", 2, { SYNC_NONCOHERENT, SYNC_COPY },
	  { COPY(1, false), OWN(0, false) } },
};

const unsigned int model_nr_kinds = ARRAY_SIZE(model_kinds);

/* What a mix is. */

/* A copy is a swiotlb slot: syncs copy it whole, and there is no merge. */
static bool has_slots(const struct model_config *config)
{
	return config->plan == PLAN_STOCK ||
	       config->plan == PLAN_ACCESS_DIRECTION ||
	       config->plan == PLAN_FIRST_STAGE;
}

static bool widens(const struct model_config *config)
{
	return config->plan != PLAN_NO_H5 && config->plan != PLAN_STOCK &&
	       config->plan != PLAN_ACCESS_DIRECTION;
}

static enum dma_data_direction mapped_dir(const struct model_config *config,
					  unsigned int device)
{
	u8 dir = config->device[device].dir;

	if (dir == DMA_FROM_DEVICE && widens(config))
		return DMA_BIDIRECTIONAL;
	return dir;
}

static const struct model_kind *kind_of(const struct model_config *config,
					unsigned int device)
{
	return &model_kinds[config->device[device].kind];
}

static const struct model_face *face_of(const struct model_config *config,
					unsigned int device, unsigned int line)
{
	return &kind_of(config, device)->face[line];
}

static bool writes(const struct model_config *config, unsigned int device)
{
	return config->device[device].dir != DMA_TO_DEVICE;
}

static bool reads(const struct model_config *config, unsigned int device)
{
	return config->device[device].dir != DMA_FROM_DEVICE;
}

static bool is_mapped(const struct model_state *state, unsigned int device)
{
	return state->mapped >> device & 1;
}

static bool is_change(const struct model_state *state)
{
	return state->event == EVENT_MAP || state->event == EVENT_UNMAP;
}

/* Mapped, and not just being mapped or unmapped. */
static bool may_run(const struct model_state *state, unsigned int device)
{
	return is_mapped(state, device) &&
	       !(is_change(state) && state->actor == device);
}

/* The first device of the mix that uses the same copy. */
static unsigned int copy_of(const struct model_config *config,
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

static bool copy_is_used(const struct model_config *config,
			 const struct model_state *state, unsigned int copy,
			 unsigned int line, bool by_writers)
{
	unsigned int i;

	for (i = copy; i < config->nr_devices; i++)
		if (is_mapped(state, i) && face_of(config, i, line)->copies &&
		    copy_of(config, i, line) == copy &&
		    (!by_writers || writes(config, i)))
			return true;
	return false;
}

/* Whether anybody can tell what the CPU's line of the page holds. */
static bool page_has_line(const struct model_config *config, unsigned int line)
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

static unsigned int line_of(const struct model_config *config,
			    unsigned int place)
{
	return place / config->bytes;
}

static u8 mask_of(u8 value)
{
	return value > MODEL_INITIAL ? 1 << (value - MODEL_INITIAL - 1) : 0;
}

static unsigned int last_write(const struct model_state *state)
{
	return MODEL_INITIAL + state->nr_writes;
}

static u8 excused(const struct model_state *state)
{
	return state->conflicts | state->dropped;
}

/* All writes up to and with @value. */
static u8 up_to(unsigned int value)
{
	return (1 << (value - MODEL_INITIAL)) - 1;
}

/* Plans. */

static void add(struct model_step *steps, unsigned int *len, unsigned int peer,
		enum sync_op op, unsigned int dir)
{
	steps[*len].peer = peer;
	steps[*len].op = op;
	steps[*len].dir = dir;
	(*len)++;
}

/* A sync of the exporter's own mapping of the pages, as stock udmabuf does. */
#define LOOP_BACK	0xff

struct event_plan {
	struct sync_peer peer[MODEL_PEERS];
	u8 device[MODEL_PEERS];
	u8 part[MODEL_PEERS];
	unsigned int nr;
	struct model_step step[MODEL_STEPS];
	unsigned int len;
};

static bool is_writer(const struct sync_peer *peer)
{
	return peer->dir != DMA_TO_DEVICE;
}

static bool has_peer(const struct sync_peer *peers, unsigned int nr,
		     unsigned int kinds, bool writers)
{
	unsigned int i;

	for (i = 0; i < nr; i++)
		if (kinds >> peers[i].kind & 1 &&
		    (!writers || is_writer(&peers[i])))
			return true;
	return false;
}

/* Readers, writers or both of one kind, each for itself. */
static void add_each(const struct sync_peer *peers, unsigned int nr,
		     enum sync_kind kind, bool readers, bool writers,
		     enum sync_op op, struct model_step *steps,
		     unsigned int *len)
{
	unsigned int i;

	for (i = 0; i < nr; i++)
		if (peers[i].kind == kind &&
		    (is_writer(&peers[i]) ? writers : readers))
			add(steps, len, i, op, peers[i].dir);
}

/*
 * The first stage, in short: slots are copied whole, a begin in an open write
 * access does nothing, an end that nobody began counts as one for reading, and
 * map and unmap never refresh a writer's slot.
 */
static unsigned int plan_first_stage(const struct sync_peer *peers,
				     unsigned int nr,
				     const struct sync_access *access,
				     struct model_step *steps)
{
	const unsigned int all = BIT(SYNC_COHERENT) | BIT(SYNC_NONCOHERENT) |
				 BIT(SYNC_COPY);
	bool slots = access->event == SYNC_END && access->write;
	unsigned int len = 0;

	if (access->event != SYNC_END && !access->write_open) {
		if (has_peer(peers, nr, BIT(SYNC_COHERENT), true))
			add_each(peers, nr, SYNC_NONCOHERENT, false, true,
				 SYNC_FOR_DEVICE, steps, &len);
		add_each(peers, nr, SYNC_NONCOHERENT, false, true, SYNC_FOR_CPU,
			 steps, &len);
		add_each(peers, nr, SYNC_COPY, false, true, SYNC_FOR_CPU,
			 steps, &len);
	}
	if (access->event == SYNC_BEGIN ||
	    (!slots && !has_peer(peers, nr, all, true)))
		return len;
	add_each(peers, nr, SYNC_NONCOHERENT, true, true, SYNC_FOR_DEVICE,
		 steps, &len);
	add_each(peers, nr, SYNC_COPY, true, slots, SYNC_FOR_DEVICE, steps,
		 &len);
	return len;
}

static unsigned int plan_driver(const struct sync_peer *peers, unsigned int nr,
				const struct sync_access *access,
				struct model_step *steps)
{
	struct sync_step planned[SYNC_PLAN_MAX(MODEL_PEERS)];
	unsigned int len, i;

	len = sync_plan(peers, nr, access, planned);
	for (i = 0; i < len; i++) {
		steps[i].peer = planned[i].peer;
		steps[i].op = planned[i].op;
		steps[i].dir = peers[planned[i].peer].dir;
	}
	return len;
}

static void reverse(struct model_step *steps, unsigned int len)
{
	unsigned int i;

	for (i = 0; i < len / 2; i++) {
		struct model_step step = steps[i];

		steps[i] = steps[len - 1 - i];
		steps[len - 1 - i] = step;
	}
}

static unsigned int drop(struct model_step *steps, unsigned int len,
			 enum sync_op op)
{
	unsigned int kept = 0, i;

	for (i = 0; i < len; i++)
		if (steps[i].op != op)
			steps[kept++] = steps[i];
	return kept;
}

/* Of cleans, only those that come before an invalidate. */
static unsigned int drop_first_cleans(struct model_step *steps,
				      unsigned int len)
{
	unsigned int kept = 0, i, last = 0;

	for (i = 0; i < len; i++)
		if (steps[i].op == SYNC_FOR_CPU)
			last = i;
	for (i = 0; i < len; i++)
		if (steps[i].op != SYNC_FOR_DEVICE || i >= last)
			steps[kept++] = steps[i];
	return kept;
}

static void move_fetch_to_the_front(struct model_step *steps, unsigned int len)
{
	unsigned int i, j;

	for (i = 0; i < len; i++)
		if (steps[i].op == SYNC_FETCH)
			for (j = i; j; j--) {
				struct model_step step = steps[j];

				steps[j] = steps[j - 1];
				steps[j - 1] = step;
			}
}

static void move_push_to_the_end(struct model_step *steps, unsigned int len)
{
	unsigned int i;

	for (i = 0; i + 1 < len; i++)
		if (steps[i].op == SYNC_PUSH) {
			struct model_step step = steps[i];

			steps[i] = steps[i + 1];
			steps[i + 1] = step;
		}
}

static void choose_reader(const struct sync_peer *peers, unsigned int nr,
			  struct model_step *steps, unsigned int len)
{
	unsigned int i, reader;

	for (reader = 0; reader < nr; reader++)
		if (peers[reader].kind == SYNC_NONCOHERENT &&
		    peers[reader].dir == DMA_TO_DEVICE)
			break;
	for (i = 0; i < len && reader < nr; i++)
		if (peers[steps[i].peer].kind == SYNC_NONCOHERENT) {
			steps[i].peer = reader;
			steps[i].dir = peers[reader].dir;
		}
}

static void swap_phases(struct model_step *steps, unsigned int len)
{
	static const u8 other[] = {
		[SYNC_FOR_CPU] = SYNC_FOR_DEVICE,
		[SYNC_FOR_DEVICE] = SYNC_FOR_CPU,
		[SYNC_FLUSH] = SYNC_FLUSH,
		[SYNC_FETCH] = SYNC_PUSH,
		[SYNC_PUSH] = SYNC_FETCH,
		[SYNC_CLEAN_FETCHED] = SYNC_FOR_CPU,
	};
	unsigned int i;

	for (i = 0; i < len; i++)
		steps[i].op = other[steps[i].op];
}

/* The steps of a plan that needs to know no more than the driver's. */
static unsigned int plan_steps(const struct model_config *config,
			       const struct sync_peer *peers, unsigned int nr,
			       const struct sync_access *access,
			       struct model_step *steps)
{
	struct sync_access changed = *access;
	struct sync_peer whole[MODEL_PEERS];
	unsigned int len, i;

	if (config->plan == PLAN_FIRST_STAGE)
		return plan_first_stage(peers, nr, access, steps);

	switch (config->plan) {
	case PLAN_NO_H15:
		changed.write_open &= access->event == SYNC_END;
		break;
	case PLAN_NOT_LAZY:
		changed.lazy_for_cpu = false;
		break;
	case PLAN_NO_H18:
		for (i = 0; i < nr; i++) {
			whole[i] = peers[i];
			whole[i].partial = false;
		}
		peers = whole;
		break;
	default:
		break;
	}

	len = plan_driver(peers, nr, &changed, steps);

	switch (config->plan) {
	case PLAN_SWAPPED:
		swap_phases(steps, len);
		break;
	case PLAN_REVERSED:
		reverse(steps, len);
		break;
	case PLAN_NO_H4:
		move_fetch_to_the_front(steps, len);
		break;
	case PLAN_NO_H4_CLEAN:
		len = drop(steps, len, SYNC_CLEAN_FETCHED);
		break;
	case PLAN_NO_H15_ORDER:
		move_push_to_the_end(steps, len);
		break;
	case PLAN_NO_H9:
		choose_reader(peers, nr, steps, len);
		break;
	case PLAN_NO_H14:
		if (access->event == SYNC_BEGIN && !access->lazy_for_cpu)
			len = drop_first_cleans(steps, len);
		break;
	default:
		break;
	}

	if (config->edit)
		len = config->edit(config, peers, nr, access, steps, len);
	return len;
}

/* The DMA layer. */

static u8 written_to(const struct model_config *config,
		     const struct model_state *state, unsigned int line)
{
	unsigned int i;
	u8 mask = 0;

	for (i = MODEL_INITIAL + 1; i <= last_write(state); i++)
		if (line_of(config, state->write[i].place) == line)
			mask |= mask_of(i);
	return mask;
}

static void maintain(enum model_op op, struct model_memory *memory,
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
static u8 peek(const struct model_memory *memory, unsigned int byte)
{
	return memory->line == LINE_ABSENT ? memory->byte[byte] :
					     memory->cached[byte];
}

static void read_in(struct model_memory *memory, unsigned int bytes)
{
	unsigned int i;

	if (memory->line != LINE_ABSENT)
		return;
	memory->line = LINE_CLEAN;
	for (i = 0; i < bytes; i++)
		memory->cached[i] = memory->byte[i];
}

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

static u8 load_page(const struct model_config *config,
		    struct model_state *state, unsigned int line,
		    unsigned int byte)
{
	if (page_has_line(config, line))
		read_in(&state->page[line], config->bytes);
	return peek(&state->page[line], byte);
}

static void store_page(const struct model_config *config,
		       struct model_state *state, unsigned int line,
		       unsigned int byte, u8 value)
{
	if (page_has_line(config, line))
		write_in(config, &state->page[line], byte, value);
	else
		state->page[line].byte[byte] = value;
}

/* Nothing but caches that are snooped between CPU and a device that snoops. */
static u8 load_copy(const struct model_config *config,
		    struct model_state *state, unsigned int copy,
		    unsigned int line, unsigned int byte)
{
	struct model_memory *memory = &state->copy[line][copy];

	if (!face_of(config, copy, line)->snoops)
		read_in(memory, config->bytes);
	return peek(memory, byte);
}

static void store_copy(const struct model_config *config,
		       struct model_state *state, unsigned int copy,
		       unsigned int line, unsigned int byte, u8 value)
{
	struct model_memory *memory = &state->copy[line][copy];

	if (face_of(config, copy, line)->snoops)
		memory->byte[byte] = value;
	else
		write_in(config, memory, byte, value);
}

/* What was loose and is written back cannot be dropped any more. */
static void maintain_page(const struct model_config *config,
			  struct model_state *state, unsigned int line,
			  enum model_op op)
{
	struct model_memory *page = &state->page[line];
	bool was_dirty = page->line == LINE_DIRTY;

	maintain(op, page, config->bytes);
	if (was_dirty && page->line != LINE_DIRTY)
		state->loose &= ~written_to(config, state, line);
}

static const struct model_face loop_back_face = OWN(0, false);

static enum model_op arch_op(const struct model_config *config,
			     enum sync_op op, enum dma_data_direction dir)
{
	return op == SYNC_FOR_CPU ? config->arch->for_cpu[dir] :
				    config->arch->for_device[dir];
}

/*
 * kernel/dma/direct.c, dma_direct_sync_sg_for_cpu(): maintenance, then the copy
 * back; dma_direct_sync_sg_for_device(): the copy, then maintenance. In two
 * micro-steps. __swiotlb_sync_single_for_cpu() and _for_device() copy unless
 * the direction forbids it. drivers/iommu/dma-iommu.c does the same.
 *
 * Returns false if there is nothing to do, whatever the state is.
 */
static bool sync_micro(const struct model_config *config,
		       struct model_state *state, unsigned int device,
		       const struct model_face *face, unsigned int line,
		       enum sync_op op, enum dma_data_direction dir,
		       bool second, bool doit)
{
	bool for_cpu = op == SYNC_FOR_CPU;
	enum model_op what = arch_op(config, op, dir);
	unsigned int i;

	if (second == for_cpu) {
		if (!face->copies ||
		    dir == (for_cpu ? DMA_TO_DEVICE : DMA_FROM_DEVICE))
			return false;
		for (i = 0; doit && i < config->bytes; i++)
			if (for_cpu)
				store_page(config, state, line, i,
					   load_copy(config, state, device,
						     line, i));
			else
				store_copy(config, state, device, line, i,
					   load_page(config, state, line, i));
		return true;
	}

	if (face->snoops || what == OP_NONE)
		return false;
	if (doit && face->copies)
		maintain(what, &state->copy[line][device], config->bytes);
	else if (doit)
		maintain_page(config, state, line, what);
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

	sync_micro(config, state, device, face, line, op, dir, false, true);
	sync_micro(config, state, device, face, line, op, dir, true, true);
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
			store_copy(config, state, device, line, i,
				   load_page(config, state, line, i));
}

/* Whoever writes the same memory, or sees each other by snooping. */
static unsigned int domain_of(const struct model_config *config,
			      unsigned int writer, unsigned int line)
{
	const struct model_face *face;

	if (writer == MODEL_CPU)
		return 0;
	face = face_of(config, writer, line);
	if (face->copies)
		return 2 + copy_of(config, writer, line);
	return !face->snoops;
}

static bool writer_snoops(const struct model_config *config,
			  unsigned int writer, unsigned int line)
{
	return writer == MODEL_CPU || face_of(config, writer, line)->snoops;
}

static bool conflict_by_line(const struct model_config *config, unsigned int a,
			     unsigned int b, unsigned int line)
{
	if (config->flags & MODEL_STRICT_LINES || config->arch->write_through)
		return false;
	return domain_of(config, a, line) != domain_of(config, b, line) &&
	       !(writer_snoops(config, a, line) &&
		 writer_snoops(config, b, line));
}

/* A new write; returns its value. */
static u8 note_write(const struct model_config *config,
		     struct model_state *state, unsigned int writer,
		     unsigned int place)
{
	unsigned int line = line_of(config, place), i;
	u8 value = MODEL_INITIAL + ++state->nr_writes;

	state->write[value] = (struct model_write) {
		.writer = writer,
		.place = place,
	};
	for (i = MODEL_INITIAL + 1; i < value; i++) {
		const struct model_write *before = &state->write[i];

		if (before->place == place)
			state->write[value].knew |=
				state->known[writer] & mask_of(i);
		if (before->place != place &&
		    line_of(config, before->place) == line &&
		    !(state->known[writer] & mask_of(i)) &&
		    conflict_by_line(config, writer, before->writer, line))
			state->conflicts |= mask_of(i) | mask_of(value);
	}
	state->known[writer] |= mask_of(value);
	state->quiet = 0;
	return value;
}

static bool is_noncoherent_writer(const struct model_config *config,
				  unsigned int device, unsigned int line)
{
	const struct model_face *face = face_of(config, device, line);

	return writes(config, device) && !face->copies && !face->snoops;
}

/**
 * model_cpu_store() - somebody stores into the pages
 * @config: the architecture
 * @state: changed
 * @place: which byte
 */
void model_cpu_store(const struct model_config *config,
		     struct model_state *state, unsigned int place)
{
	unsigned int line = line_of(config, place), i;
	u8 value = note_write(config, state, MODEL_CPU, place);

	store_page(config, state, line, place % config->bytes, value);
	state->unpushed |= mask_of(value);
	if (state->open || state->kernel)
		return;
	for (i = 0; i < config->nr_devices; i++)
		if (is_mapped(state, i) &&
		    is_noncoherent_writer(config, i, line))
			state->loose |= mask_of(value);
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
	return load_page(config, state, line_of(config, place),
			 place % config->bytes);
}

/**
 * model_device_write() - a device writes
 * @config: the architecture and the devices
 * @state: changed
 * @device: which device
 * @place: which byte
 * @stays_in_cache: if it snoops, its write is left dirty in a cache (H14)
 */
void model_device_write(const struct model_config *config,
			struct model_state *state, unsigned int device,
			unsigned int place, bool stays_in_cache)
{
	unsigned int line = line_of(config, place), byte = place % config->bytes;
	const struct model_face *face = face_of(config, device, line);
	u8 value = note_write(config, state, device, place);

	if (face->copies) {
		state->copy[line][copy_of(config, device, line)].byte[byte] =
			value;
	} else if (face->snoops && stays_in_cache) {
		store_page(config, state, line, byte, value);
		state->loose |= mask_of(value);
	} else {
		if (face->snoops)
			maintain_page(config, state, line, OP_FLUSH);
		state->page[line].byte[byte] = value;
	}
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
 * model_newest() - the last write of a byte
 * @state: not changed
 * @place: which byte
 *
 * Return: its value.
 */
u8 model_newest(const struct model_state *state, unsigned int place)
{
	u8 value = MODEL_INITIAL + state->nr_writes;

	while (value > MODEL_INITIAL && state->write[value].place != place)
		value--;
	return value;
}

/* States. */

struct bits {
	u64 *word;
	unsigned int at;
};

static __always_inline void put_bits(struct bits *bits, u64 value,
				     unsigned int nr)
{
	unsigned int shift = bits->at % 64;

	bits->word[bits->at / 64] |= value << shift;
	if (shift + nr > 64)
		bits->word[bits->at / 64 + 1] |= value >> (64 - shift);
	bits->at += nr;
}

static __always_inline u64 get_bits(struct bits *bits, unsigned int nr)
{
	unsigned int shift = bits->at % 64;
	u64 value = bits->word[bits->at / 64] >> shift;

	if (shift + nr > 64)
		value |= bits->word[bits->at / 64 + 1] << (64 - shift);
	bits->at += nr;
	return value & ((1ull << nr) - 1);
}

/* Either direction: one list of what a state consists of. */
static __always_inline void move_bits(struct bits *bits, u8 *value,
				      unsigned int nr, bool pack)
{
	if (pack)
		put_bits(bits, *value, nr);
	else
		*value = get_bits(bits, nr);
}

static __always_inline void move_memory(const struct model_config *config,
					struct bits *bits,
					struct model_memory *memory,
					bool has_line, bool pack)
{
	unsigned int i;

	for (i = 0; i < config->bytes; i++) {
		move_bits(bits, &memory->byte[i], 3, pack);
		if (has_line)
			move_bits(bits, &memory->cached[i], 3, pack);
	}
	if (has_line)
		move_bits(bits, &memory->line, 2, pack);
}

static __always_inline void move_state(const struct model_config *config,
				       struct model_state *state, u64 *word,
				       bool pack)
{
	struct bits bits = { word, 0 };
	unsigned int line, i, j;
	u64 pc = state->pc;

	for (line = 0; line < config->lines; line++) {
		move_memory(config, &bits, &state->page[line],
			    page_has_line(config, line), pack);
		for (i = 0; i < config->nr_devices; i++) {
			const struct model_face *face = face_of(config, i, line);

			if (!face->copies || copy_of(config, i, line) != i)
				continue;
			move_memory(config, &bits, &state->copy[line][i],
				    !face->snoops, pack);
			for (j = 0; j < config->bytes; j++)
				move_bits(&bits, &state->twin[line][i][j], 3,
					  pack);
		}
	}
	move_bits(&bits, &state->mapped, config->nr_devices, pack);
	move_bits(&bits, &state->open, 1, pack);
	move_bits(&bits, &state->dead, 2, pack);
	move_bits(&bits, &state->kernel, 1, pack);
	move_bits(&bits, &state->believed, 2, pack);
	move_bits(&bits, &state->event, 3, pack);
	move_bits(&bits, &state->actor, 2, pack);
	move_bits(&bits, &state->dir, 2, pack);
	move_bits(&bits, &state->counted, 3, pack);
	move_bits(&bits, &state->since, 3, pack);
	move_bits(&bits, &state->found, 1, pack);
	move_bits(&bits, &state->quiet, 3, pack);
	move_bits(&bits, &state->nr_writes, 3, pack);
	for (i = 0; i < config->writes; i++) {
		struct model_write *write = &state->write[MODEL_INITIAL + 1 + i];

		move_bits(&bits, &write->writer, 2, pack);
		move_bits(&bits, &write->place, 1, pack);
		move_bits(&bits, &write->knew, i, pack);
	}
	for (i = 0; i < config->nr_devices; i++)
		move_bits(&bits, &state->known[i], config->writes, pack);
	move_bits(&bits, &state->known[MODEL_CPU], config->writes, pack);
	move_bits(&bits, &state->conflicts, config->writes, pack);
	move_bits(&bits, &state->dropped, config->writes, pack);
	move_bits(&bits, &state->loose, config->writes, pack);
	move_bits(&bits, &state->unpushed, config->writes, pack);
	if (pack)
		put_bits(&bits, pc, 10);
	else
		state->pc = get_bits(&bits, 10);
}

static void pack(const struct model_config *config, struct model_state *state,
		 u64 *word)
{
	unsigned int i;

	for (i = 0; i < MODEL_WORDS; i++)
		word[i] = 0;
	move_state(config, state, word, true);
}

static void unpack(const struct model_config *config, u64 *word,
		   struct model_state *state)
{
	static const struct model_state zero;

	*state = zero;
	move_state(config, state, word, false);
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
			store_page(config, state, line, i, MODEL_INITIAL);
}

/* Events: plans and how they are carried out. */

/* Whether the driver believes that a write access may be open. */
static bool is_write_open(const struct model_config *config,
			  const struct model_state *state)
{
	bool open = state->open || state->dead || state->kernel;

	if (config->plan == PLAN_FIRST_STAGE)
		return state->believed;
	/* What is wrong with a count is told by what is lost, not by H6. */
	if (state->event == EVENT_END)
		return open;
	switch (config->plan) {
	case PLAN_NO_H15_OWN:
		return state->believed || state->kernel || state->dead;
	case PLAN_NO_H15_DEAD:
		return state->open || state->kernel;
	case PLAN_NO_H15_KERNEL:
		return state->open || state->dead;
	default:
		return open;
	}
}

static bool is_write(unsigned int dir)
{
	return dir != DMA_FROM_DEVICE;
}

static void collect_peers(const struct model_config *config,
			  const struct model_state *state,
			  struct event_plan *plan)
{
	unsigned int i, part;

	plan->nr = 0;
	for (i = 0; i < config->nr_devices; i++) {
		const struct model_kind *kind = kind_of(config, i);

		for (part = 0; is_mapped(state, i) && part < kind->nr_parts;
		     part++) {
			plan->peer[plan->nr] = (struct sync_peer) {
				.kind = kind->part[part],
				.dir = mapped_dir(config, i),
				.partial = kind->nr_parts > 1,
			};
			plan->device[plan->nr] = i;
			plan->part[plan->nr] = part;
			plan->nr++;
		}
	}
}

static void plan_stock(const struct model_state *state, struct event_plan *plan)
{
	/* Maps with DMA_ATTR_SKIP_CPU_SYNC; unmaps at detach only. */
	if (!is_change(state))
		add(plan->step, &plan->len, LOOP_BACK,
		    state->event == EVENT_BEGIN ? SYNC_FOR_CPU :
						  SYNC_FOR_DEVICE, state->dir);
}

/* As the system heap does. */
static void plan_access_direction(const struct model_state *state,
				  struct event_plan *plan)
{
	bool for_cpu = state->event == EVENT_BEGIN ||
		       state->event == EVENT_UNMAP;
	unsigned int i;

	for (i = 0; i < plan->nr; i++)
		if (!is_change(state) || plan->device[i] == state->actor)
			add(plan->step, &plan->len, i,
			    for_cpu ? SYNC_FOR_CPU : SYNC_FOR_DEVICE,
			    is_change(state) ? plan->peer[i].dir : state->dir);
}

/* What a mapping would do by itself, and nothing for anybody else. */
static void plan_self(const struct model_state *state, struct event_plan *plan,
		      bool unmaps)
{
	unsigned int i;

	for (i = 0; i < plan->nr; i++) {
		if (plan->device[i] != state->actor ||
		    (state->event == EVENT_UNMAP && !unmaps))
			continue;
		if (plan->peer[i].kind == SYNC_NONCOHERENT)
			add(plan->step, &plan->len, i, SYNC_FOR_DEVICE,
			    plan->peer[i].dir);
		if (state->event == EVENT_MAP)
			continue;
		if (plan->peer[i].kind == SYNC_NONCOHERENT)
			add(plan->step, &plan->len, i, SYNC_FOR_CPU,
			    plan->peer[i].dir);
		if (plan->peer[i].kind == SYNC_COPY)
			add(plan->step, &plan->len, i, SYNC_FETCH, 0);
	}
}

/* A begin of those that were there before, and an end of all. */
static void plan_change(const struct model_config *config,
			const struct model_state *state,
			struct sync_access *access, struct event_plan *plan)
{
	bool joins = state->event == EVENT_MAP &&
		     config->plan != PLAN_NO_H13_BEFORE;
	struct sync_peer before[MODEL_PEERS];
	u8 number[MODEL_PEERS];
	unsigned int nr = 0, i;

	for (i = 0; i < plan->nr; i++) {
		if (joins && plan->device[i] == state->actor)
			continue;
		before[nr] = plan->peer[i];
		number[nr++] = i;
	}
	access->event = SYNC_BEGIN;
	plan->len = plan_steps(config, before, nr, access, plan->step);
	for (i = 0; i < plan->len; i++)
		plan->step[i].peer = number[plan->step[i].peer];

	access->event = SYNC_END;
	/* There, running writers' slots were not refreshed by a map. */
	access->write = config->plan != PLAN_FIRST_STAGE;
	plan->len += plan_steps(config, plan->peer, plan->nr, access,
				plan->step + plan->len);
}

static void make_plan(const struct model_config *config,
		      const struct model_state *state, struct event_plan *plan)
{
	struct sync_access access = {
		.event = state->event == EVENT_BEGIN ? SYNC_BEGIN : SYNC_END,
		.policy = config->policy,
		.write = state->event == EVENT_END && is_write(state->dir),
		.write_open = is_write_open(config, state),
		.lazy_for_cpu = !config->arch->all_snoop &&
			config->arch->for_cpu[DMA_BIDIRECTIONAL] == OP_NONE,
	};

	collect_peers(config, state, plan);
	plan->len = 0;
	switch (config->plan) {
	case PLAN_STOCK:
		plan_stock(state, plan);
		return;
	case PLAN_ACCESS_DIRECTION:
		plan_access_direction(state, plan);
		return;
	case PLAN_NO_H3:
		if (state->event == EVENT_BEGIN && state->dir == DMA_TO_DEVICE)
			return;
		break;
	case PLAN_NO_H6:
		if (state->event == EVENT_END && !is_write(state->dir) &&
		    !access.write_open)
			return;
		break;
	case PLAN_NO_H6_OPEN:
		if (state->event == EVENT_END)
			access.write_open = false;
		break;
	case PLAN_NO_H13:
	case PLAN_NO_H13_OTHERS:
		if (!is_change(state))
			break;
		plan_self(state, plan, config->plan == PLAN_NO_H13_OTHERS);
		return;
	case PLAN_END_OF_OWN:
		if (access.write && !(state->counted & MODEL_OWN))
			return;
		break;
	case PLAN_FIRST_STAGE:
		if (access.write && !(state->counted & MODEL_COUNTED))
			access.write = false;
		break;
	default:
		break;
	}
	if (is_change(state))
		plan_change(config, state, &access, plan);
	else
		plan->len = plan_steps(config, plan->peer, plan->nr, &access,
				       plan->step);
}

/*
 * Micro-steps: those of mapping itself, then of each step. Of a fetch or a push
 * there are, for each line of each copy, for_cpu of the copy, the merge of each
 * byte, and for_device of the copy.
 */
#define PC_PER_COPY	(MODEL_BYTES + 2)
#define PC_PER_STEP	(MODEL_DEVICES * MODEL_LINES * PC_PER_COPY)

/*
 * One byte. Each is read once: a device, or a task, may be writing. What is
 * equal is left alone: somebody may be storing to it.
 */
static void merge_fetch(const struct model_config *config,
			struct model_state *state, unsigned int copy,
			unsigned int line, unsigned int byte)
{
	u8 value = load_copy(config, state, copy, line, byte);
	u8 *twin = &state->twin[line][copy][byte];

	if (value == *twin && config->plan != PLAN_WHOLE_COPY)
		return;
	store_page(config, state, line, byte, value);
	if (config->plan != PLAN_FETCH_KEEPS_TWIN)
		*twin = value;
	state->found = true;
}

static void merge_push(const struct model_config *config,
		       struct model_state *state, unsigned int copy,
		       unsigned int line, unsigned int byte)
{
	u8 value = load_page(config, state, line, byte);
	bool has_twin = copy_is_used(config, state, copy, line, true);
	u8 *twin = &state->twin[line][copy][byte];
	u8 known = has_twin ? *twin :
		   load_copy(config, state, copy, line, byte);

	if (value == known && config->plan != PLAN_WHOLE_COPY)
		return;
	store_copy(config, state, copy, line, byte, value);
	if (has_twin && config->plan != PLAN_PUSH_KEEPS_TWIN)
		*twin = value;
}

static bool merge_micro(const struct model_config *config,
			struct model_state *state, enum sync_op op,
			unsigned int pc, bool doit)
{
	unsigned int copy = pc / PC_PER_COPY / MODEL_LINES;
	unsigned int line = pc / PC_PER_COPY % MODEL_LINES;
	unsigned int part = pc % PC_PER_COPY;
	bool writers;

	if (copy >= config->nr_devices || line >= config->lines ||
	    !copy_is_used(config, state, copy, line, op == SYNC_FETCH))
		return false;

	if (part > 0 && part <= MODEL_BYTES) {
		if (part > config->bytes)
			return false;
		if (doit && op == SYNC_FETCH)
			merge_fetch(config, state, copy, line, part - 1);
		else if (doit)
			merge_push(config, state, copy, line, part - 1);
		return true;
	}

	if (config->plan == (part ? PLAN_COPY_NOT_CLEANED :
				    PLAN_COPY_NOT_INVALIDATED))
		return false;
	writers = copy_is_used(config, state, copy, line, true);
	return sync_micro(config, state, copy, face_of(config, copy, line),
			  line, part ? SYNC_FOR_DEVICE : SYNC_FOR_CPU,
			  writers ? DMA_BIDIRECTIONAL : DMA_TO_DEVICE, part,
			  doit) && !face_of(config, copy, line)->snoops;
}

struct place_in_plan {
	const struct model_step *step;
	unsigned int line;
	enum sync_op op;
	bool second;
};

/* Where a step on the pages is; false if there is no such micro-step. */
static bool locate(const struct model_config *config,
		   const struct event_plan *plan, unsigned int pc,
		   struct place_in_plan *at)
{
	unsigned int within = (pc - 1) % PC_PER_STEP;

	at->step = &plan->step[(pc - 1) / PC_PER_STEP];
	at->second = within & 1;
	switch (at->step->op) {
	case SYNC_FLUSH:
		/* All lines are cleaned, then all invalidated. */
		at->line = within % MODEL_LINES;
		at->op = within < MODEL_LINES ? SYNC_FOR_DEVICE : SYNC_FOR_CPU;
		at->second = at->op == SYNC_FOR_DEVICE;
		if (within >= 2 * MODEL_LINES)
			return false;
		break;
	default:
		at->line = within / 2;
		at->op = at->step->op == SYNC_FOR_CPU ? SYNC_FOR_CPU :
							SYNC_FOR_DEVICE;
		break;
	}
	return at->line < config->lines;
}

/* for_cpu maintains first, for_device last. */
static bool maintains(const struct place_in_plan *at)
{
	return at->second != (at->op == SYNC_FOR_CPU);
}

/* Where the second half of a FLUSH is next, the CPU stores nothing. */
static bool holds_stores(const struct model_config *config,
			 const struct event_plan *plan, unsigned int pc)
{
	const struct model_step *step = &plan->step[(pc - 1) / PC_PER_STEP];

	return pc && step->op == SYNC_FLUSH && (pc - 1) % PC_PER_STEP &&
	       config->plan != PLAN_NO_H15_ATOMIC;
}

/* Has this event cleaned the line before @pc? */
static bool has_cleaned(const struct model_config *config,
			const struct event_plan *plan, unsigned int line,
			unsigned int pc)
{
	struct place_in_plan at;
	unsigned int i;

	for (i = 1; i < pc; i++) {
		u8 op = plan->step[(i - 1) / PC_PER_STEP].op;

		if (op == SYNC_FETCH || op == SYNC_PUSH ||
		    !locate(config, plan, i, &at) || !maintains(&at) ||
		    at.line != line || at.step->peer == LOOP_BACK)
			continue;
		op = arch_op(config, at.op, at.step->dir);
		if (op == OP_CLEAN || op == OP_FLUSH)
			return true;
	}
	return false;
}

/* An invalidate drops a dirty line: what of it may be lost is excused. */
static void excuse_dropped(const struct model_config *config,
			   const struct event_plan *plan,
			   struct model_state *state, unsigned int line)
{
	u8 dropped = state->loose & written_to(config, state, line);
	unsigned int i;

	if (state->event == EVENT_END || state->page[line].line != LINE_DIRTY)
		return;
	for (i = MODEL_INITIAL + 1; i <= last_write(state); i++) {
		if (!(dropped & mask_of(i)))
			continue;
		if (state->write[i].writer == MODEL_CPU ?
		    !(config->flags & MODEL_STRICT_LOOSE) :
		    !(config->flags & MODEL_STRICT_H14) &&
		    has_cleaned(config, plan, line, state->pc))
			state->dropped |= mask_of(i);
	}
}

static const struct model_face *face_of_step(const struct model_config *config,
					     const struct event_plan *plan,
					     const struct place_in_plan *at)
{
	const struct model_face *face;

	if (at->step->peer == LOOP_BACK)
		return &loop_back_face;
	face = face_of(config, plan->device[at->step->peer], at->line);
	return face->part == plan->part[at->step->peer] ? face : NULL;
}

/* What mapping does before any step. */
static void join(const struct model_config *config, struct model_state *state)
{
	bool fills = config->plan == PLAN_NO_H13 ||
		     config->plan == PLAN_NO_H13_OTHERS ||
		     config->plan == PLAN_NEW_COPY_DIRTY;
	unsigned int device = state->actor, line, i;

	for (line = 0; line < config->lines; line++) {
		unsigned int copy = copy_of(config, device, line);
		struct model_memory *memory = &state->copy[line][copy];

		if (!face_of(config, device, line)->copies)
			continue;
		if (has_slots(config)) {
			model_fill_slot(config, state, device, line);
			continue;
		}
		if (fills && !copy_is_used(config, state, copy, line, false)) {
			model_fill_slot(config, state, copy, line);
			if (config->plan != PLAN_NEW_COPY_DIRTY)
				maintain(OP_FLUSH, memory, config->bytes);
		}
		/* It has a twin from its first writer on. */
		if (!writes(config, device) ||
		    copy_is_used(config, state, copy, line, true))
			continue;
		for (i = 0; i < config->bytes; i++)
			state->twin[line][copy][i] = peek(memory, i);
	}
}

/* Returns false if the micro-step does nothing, whatever the state is. */
static bool micro(const struct model_config *config,
		  const struct event_plan *plan, struct model_state *state,
		  bool doit)
{
	const struct model_face *face;
	struct place_in_plan at;
	unsigned int pc = state->pc;

	if (!pc)
		return false;
	at.step = &plan->step[(pc - 1) / PC_PER_STEP];
	if (at.step->op == SYNC_FETCH || at.step->op == SYNC_PUSH)
		return merge_micro(config, state, at.step->op,
				   (pc - 1) % PC_PER_STEP, doit);
	if (at.step->op == SYNC_CLEAN_FETCHED && !state->found)
		return false;
	if (!locate(config, plan, pc, &at))
		return false;
	face = face_of_step(config, plan, &at);
	/* A merged copy is no business of the DMA API. */
	if (!face || (face->copies && !has_slots(config)))
		return false;
	if (doit && maintains(&at) && !face->copies && !face->snoops &&
	    arch_op(config, at.op, at.step->dir) == OP_INVALIDATE)
		excuse_dropped(config, plan, state, at.line);
	return sync_micro(config, state,
			  at.step->peer == LOOP_BACK ? 0 :
			  plan->device[at.step->peer], face, at.line, at.op,
			  at.step->dir, at.second, doit);
}

static void forget_copies(const struct model_config *config,
			  struct model_state *state)
{
	static const struct model_memory none;
	unsigned int line, i, j;

	for (line = 0; line < config->lines; line++)
		for (i = 0; i < config->nr_devices; i++) {
			if (!face_of(config, i, line)->copies)
				continue;
			if (!copy_is_used(config, state, i, line, false))
				state->copy[line][i] = none;
			if (!copy_is_used(config, state, i, line, true))
				for (j = 0; j < MODEL_BYTES; j++)
					state->twin[line][i][j] = 0;
		}
}

static void promise(const struct model_config *config,
		    struct model_state *state, u8 writes)
{
	unsigned int i;

	for (i = 0; i < config->nr_devices; i++)
		if (is_mapped(state, i))
			state->known[i] |= writes;
}

static u8 written_by_devices(const struct model_state *state)
{
	unsigned int i;
	u8 mask = 0;

	for (i = MODEL_INITIAL + 1; i <= last_write(state); i++)
		if (state->write[i].writer != MODEL_CPU)
			mask |= mask_of(i);
	return mask;
}

/* States of quiet: how far a START and an END have come without a write. */
enum {
	QUIET_NOT,
	QUIET_BEGINS,
	QUIET_BEGUN,
	QUIET_ENDS,
	QUIET_AGREED,
	QUIET_CHANGES,
};

static void finish_event(const struct model_config *config,
			 struct model_state *state)
{
	u8 before = up_to(MODEL_INITIAL + state->since);

	switch (state->event) {
	case EVENT_BEGIN:
		state->known[MODEL_CPU] |= before & written_by_devices(state);
		if (is_write(state->dir)) {
			if (state->counted & MODEL_OWN)
				state->kernel = true;
			else
				state->open = true;
			if (state->believed < 3)
				state->believed++;
		}
		if (state->quiet == QUIET_BEGINS)
			state->quiet = QUIET_BEGUN;
		break;
	case EVENT_END:
		state->loose &= ~before;
		if (state->counted & MODEL_PROMISED) {
			promise(config, state,
				state->known[MODEL_CPU] & before);
			state->unpushed &= ~before;
		} else {
			promise(config, state, state->known[MODEL_CPU] &
					       before & ~state->unpushed);
		}
		if (state->quiet == QUIET_ENDS)
			state->quiet = QUIET_AGREED;
		break;
	case EVENT_MAP:
	case EVENT_UNMAP:
		if (state->event == EVENT_UNMAP) {
			state->mapped &= ~(1 << state->actor);
			state->known[state->actor] = 0;
			forget_copies(config, state);
		}
		state->loose &= ~before;
		state->unpushed &= ~before;
		state->known[MODEL_CPU] |= before;
		promise(config, state, before);
		if (state->quiet == QUIET_CHANGES)
			state->quiet = QUIET_AGREED;
		break;
	}
	state->dead = state->dead == 2;
	if (config->plan != PLAN_FIRST_STAGE && config->plan != PLAN_NO_H15_OWN)
		state->believed = 0;
	state->event = EVENT_NONE;
	state->actor = 0;
	state->dir = 0;
	state->counted = 0;
	state->pc = 0;
	state->since = 0;
	state->found = 0;
}

/* Go on to the next micro-step that does something, or finish. */
static void settle(const struct model_config *config,
		   const struct event_plan *plan, struct model_state *state)
{
	unsigned int end = 1 + plan->len * PC_PER_STEP;

	while (state->pc < end && !micro(config, plan, state, false))
		state->pc++;
	if (state->pc >= end)
		finish_event(config, state);
}

static void step_event(const struct model_config *config,
		       const struct event_plan *plan,
		       struct model_state *state)
{
	micro(config, plan, state, true);
	state->pc++;
	settle(config, plan, state);
}

/* What changes at once, before the first step of the plan. */
static void begin_event(const struct model_config *config,
			struct model_state *state, enum model_event event,
			unsigned int actor, unsigned int dir, bool own)
{
	struct event_plan plan;

	state->event = event;
	state->actor = actor;
	state->dir = dir;
	state->counted = own ? MODEL_OWN : 0;
	state->pc = 0;
	state->since = state->nr_writes;

	switch (event) {
	case EVENT_BEGIN:
		if (state->quiet == QUIET_NOT)
			state->quiet = QUIET_BEGINS;
		break;
	case EVENT_END:
		if (is_write(dir) || state->open || state->kernel)
			state->counted |= MODEL_PROMISED;
		if (state->believed)
			state->counted |= MODEL_COUNTED;
		if (is_write(dir) && state->believed)
			state->believed--;
		if (state->quiet == QUIET_BEGUN &&
		    (state->counted & MODEL_PROMISED || !state->unpushed))
			state->quiet = QUIET_ENDS;
		if (!own)
			break;
		if (actor)
			state->kernel = false;
		else
			state->open = false;
		break;
	case EVENT_MAP:
	case EVENT_UNMAP:
		if (state->quiet != QUIET_AGREED)
			state->quiet = QUIET_CHANGES;
		if (event == EVENT_UNMAP)
			break;
		join(config, state);
		state->mapped |= 1 << actor;
		break;
	case EVENT_NONE:
		break;
	}
	if (config->plan != PLAN_FIRST_STAGE && config->plan != PLAN_NO_H15_OWN)
		state->counted &= ~MODEL_COUNTED;
	if (event == EVENT_END && config->plan != PLAN_END_OF_OWN) {
		state->counted &= ~MODEL_OWN;
		state->actor = 0;
	}

	make_plan(config, state, &plan);
	settle(config, &plan, state);
}

/**
 * model_event() - an event from its start to its end, with no adversary
 * @config: the plan and the devices
 * @state: changed
 * @event: what happens
 * @actor: the device of a mapping; of an end of its own: 1 for the kernel's
 * @dir: the direction of a CPU access
 * @own: EVENT_BEGIN: by a kernel mapping; EVENT_END: it lowers a count
 */
void model_event(const struct model_config *config, struct model_state *state,
		 enum model_event event, unsigned int actor, unsigned int dir,
		 bool own)
{
	struct event_plan plan;

	begin_event(config, state, event, actor, dir, own);
	while (state->event) {
		make_plan(config, state, &plan);
		step_event(config, &plan, state);
	}
}

/* Moves. */

enum move_type {
	MOVE_STEP,
	MOVE_BEGIN,		/* by the kernel, dir */
	MOVE_END,		/* of its own: 1, the kernel's: 2; dir */
	MOVE_MAP,		/* device */
	MOVE_UNMAP,		/* device */
	MOVE_STORE,		/* place */
	MOVE_WRITE,		/* device, place */
	MOVE_WRITE_CACHED,	/* device, place */
	MOVE_LOAD,		/* line */
	MOVE_PREFETCH,		/* line */
	MOVE_EVICT,		/* line */
	MOVE_WRITE_BACK,	/* line */
	MOVE_PREFETCH_COPY,	/* copy, line */
	MOVE_EVICT_COPY,	/* copy, line */
	MOVE_DIE,		/* another lives that has an access open */
};

#define MOVE(type, a, b)	((type) << 8 | (a) << 4 | (b))

static void unmap_reader(const struct model_config *config,
			 struct model_state *state, unsigned int device)
{
	state->mapped &= ~(1 << device);
	state->known[device] = 0;
	forget_copies(config, state);
}

/* Carry out a move that is known to be possible; @plan is as of list_moves(). */
static void play(const struct model_config *config,
		 const struct event_plan *plan, struct model_state *state,
		 unsigned int move)
{
	unsigned int a = move >> 4 & 15, b = move & 15;

	switch (move >> 8) {
	case MOVE_STEP:
		step_event(config, plan, state);
		break;
	case MOVE_BEGIN:
		begin_event(config, state, EVENT_BEGIN, 0, b, a);
		break;
	case MOVE_END:
		begin_event(config, state, EVENT_END, a == 2, b, a);
		break;
	case MOVE_MAP:
		begin_event(config, state, EVENT_MAP, a, 0, false);
		break;
	case MOVE_UNMAP:
		if (writes(config, a) || has_slots(config))
			begin_event(config, state, EVENT_UNMAP, a, 0, false);
		else
			unmap_reader(config, state, a);
		break;
	case MOVE_STORE:
		model_cpu_store(config, state, b);
		break;
	case MOVE_WRITE:
	case MOVE_WRITE_CACHED:
		model_device_write(config, state, a, b,
				   move >> 8 == MOVE_WRITE_CACHED);
		break;
	case MOVE_LOAD:
	case MOVE_PREFETCH:
		read_in(&state->page[b], config->bytes);
		break;
	case MOVE_EVICT:
		maintain_page(config, state, b, OP_FLUSH);
		break;
	case MOVE_WRITE_BACK:
		maintain_page(config, state, b, OP_CLEAN);
		break;
	case MOVE_PREFETCH_COPY:
		read_in(&state->copy[b][a], config->bytes);
		break;
	case MOVE_EVICT_COPY:
		maintain(OP_FLUSH, &state->copy[b][a], config->bytes);
		break;
	case MOVE_DIE:
		state->open = a;
		state->dead = state->event ? 2 : 1;
		if (config->plan == PLAN_FIRST_STAGE)
			state->believed = 0;
		break;
	}
}

/**
 * model_refuses() - whether a mapping is refused
 * @config: the plan and the devices
 * @state: who has mapped
 * @device: who wants to
 *
 * Return: true for the first stage's H11: two writers, one with a copy.
 */
bool model_refuses(const struct model_config *config,
		   const struct model_state *state, unsigned int device)
{
	const unsigned int copies = BIT(SYNC_COPY);
	struct model_state joined = *state;
	struct event_plan plan;
	unsigned int i, writers = 0;

	if (config->plan != PLAN_FIRST_STAGE || !writes(config, device))
		return false;
	joined.mapped |= 1 << device;
	collect_peers(config, &joined, &plan);
	for (i = 0; i < config->nr_devices; i++)
		writers += is_mapped(&joined, i) && writes(config, i);
	return writers > 1 && has_peer(plan.peer, plan.nr, copies, true);
}

/* Kinds of access that the plan might tell from one another. */
static bool is_other_access(const struct model_config *config, unsigned int dir)
{
	return dir != DMA_TO_DEVICE || config->plan == PLAN_NO_H3 ||
	       config->plan == PLAN_STOCK ||
	       config->plan == PLAN_ACCESS_DIRECTION;
}

static unsigned int list_events(const struct model_config *config,
				const struct model_state *state, u16 *moves,
				unsigned int n)
{
	bool kernel = config->flags & MODEL_KERNEL;
	unsigned int i, dir;

	for (dir = DMA_BIDIRECTIONAL; dir <= DMA_FROM_DEVICE; dir++) {
		if (!is_other_access(config, dir))
			continue;
		moves[n++] = MOVE(MOVE_BEGIN, 0, dir);
		moves[n++] = MOVE(MOVE_END, 0, dir);
		if (is_write(dir) && state->open)
			moves[n++] = MOVE(MOVE_END, 1, dir);
	}
	if (kernel && !state->kernel)
		moves[n++] = MOVE(MOVE_BEGIN, 1, DMA_BIDIRECTIONAL);
	if (state->kernel)
		moves[n++] = MOVE(MOVE_END, 2, DMA_BIDIRECTIONAL);
	for (i = 0; i < config->nr_devices; i++)
		if (is_mapped(state, i))
			moves[n++] = MOVE(MOVE_UNMAP, i, 0);
		else if (!model_refuses(config, state, i))
			moves[n++] = MOVE(MOVE_MAP, i, 0);
	return n;
}

static unsigned int list_writes(const struct model_config *config,
				const struct model_state *state, bool stores,
				u16 *moves, unsigned int n)
{
	unsigned int places = config->lines * config->bytes, place, i;

	if (state->nr_writes == config->writes)
		return n;
	/* The bytes of one line are alike. */
	if (!state->nr_writes && config->lines == 1)
		places = 1;
	for (place = 0; place < places; place++) {
		unsigned int line = line_of(config, place);

		if (stores)
			moves[n++] = MOVE(MOVE_STORE, 0, place);
		for (i = 0; i < config->nr_devices; i++) {
			const struct model_face *face = face_of(config, i, line);

			if (!may_run(state, i) || !writes(config, i))
				continue;
			moves[n++] = MOVE(MOVE_WRITE, i, place);
			if (!face->copies && face->snoops &&
			    page_has_line(config, line))
				moves[n++] = MOVE(MOVE_WRITE_CACHED, i, place);
		}
	}
	return n;
}

/* What the caches do by themselves. */
static unsigned int list_cache_moves(const struct model_config *config,
				     const struct model_state *state,
				     u16 *moves, unsigned int n)
{
	const struct model_arch *arch = config->arch;
	unsigned int line, i;

	for (line = 0; line < config->lines; line++) {
		u8 page = state->page[line].line;

		if (page == LINE_ABSENT && page_has_line(config, line))
			moves[n++] = MOVE(arch->speculates ? MOVE_PREFETCH :
							     MOVE_LOAD, 0, line);
		if (page != LINE_ABSENT)
			moves[n++] = MOVE(MOVE_EVICT, 0, line);
		/* With speculation: dropped, and read in again. */
		if (page == LINE_DIRTY && !arch->speculates)
			moves[n++] = MOVE(MOVE_WRITE_BACK, 0, line);
		for (i = 0; i < config->nr_devices; i++) {
			const struct model_face *face = face_of(config, i, line);
			u8 copy = state->copy[line][i].line;

			if (!face->copies || face->snoops ||
			    !copy_is_used(config, state, i, line, false))
				continue;
			if (copy != LINE_ABSENT)
				moves[n++] = MOVE(MOVE_EVICT_COPY, i, line);
			else if (arch->speculates)
				moves[n++] = MOVE(MOVE_PREFETCH_COPY, i, line);
		}
	}
	return n;
}

/*
 * Without a noncoherent writer whether an access may be open changes nothing
 * but an END for reading, which then pushes as one for writing does.
 */
static bool counts_matter(const struct model_config *config)
{
	unsigned int i, line;

	for (i = 0; i < config->nr_devices; i++)
		for (line = 0; line < config->lines; line++)
			if (is_noncoherent_writer(config, i, line))
				return true;
	return has_slots(config);
}

/*
 * Every move that is possible in a state. Returns how many. @plan is made that
 * of the event under way.
 */
static unsigned int list_moves(const struct model_config *config,
			       const struct model_state *state,
			       struct event_plan *plan, u16 *moves)
{
	bool stores = true;
	unsigned int n = 0;

	if (state->event) {
		make_plan(config, state, plan);
		stores = !holds_stores(config, plan, state->pc);
		moves[n++] = MOVE(MOVE_STEP, 0, 0);
	} else {
		n = list_events(config, state, moves, n);
	}
	if (state->open && counts_matter(config)) {
		moves[n++] = MOVE(MOVE_DIE, 0, 0);
		if (!state->dead)
			moves[n++] = MOVE(MOVE_DIE, 1, 0);
	}
	n = list_writes(config, state, stores, moves, n);
	return list_cache_moves(config, state, moves, n);
}

/* Judgement. */

/**
 * struct complaint - what is wrong in a state
 * @view: who reads it
 * @place: where
 * @value: what
 * @missed: the write that it was promised, or 0: it does not agree with the CPU
 */
struct complaint {
	unsigned int view;
	unsigned int place;
	u8 value;
	u8 missed;
};

/* A write that @view was promised and that knew what it reads. */
static u8 find_missed(const struct model_state *state, unsigned int view,
		      unsigned int place, u8 value)
{
	u8 promised = state->known[view] & ~excused(state);
	unsigned int i;

	if (!value)
		return MODEL_INITIAL;
	for (i = MODEL_INITIAL + 1; i <= last_write(state); i++)
		if (promised & mask_of(i) && state->write[i].place == place &&
		    (value == MODEL_INITIAL ||
		     state->write[i].knew & mask_of(value)))
			return i;
	return 0;
}

/*
 * All agree, and of writes that conflicted by line not one has been kept. So
 * few writes are one conflict.
 */
static bool is_all_lost(const struct model_config *config,
			const struct model_state *state, struct complaint *what)
{
	unsigned int i;

	if (state->quiet != QUIET_AGREED || !state->conflicts ||
	    state->dropped)
		return false;
	what->view = MODEL_CPU;
	for (i = MODEL_INITIAL + 1; i <= last_write(state); i++) {
		if (!(state->conflicts & mask_of(i)))
			continue;
		what->missed = i;
		what->place = state->write[i].place;
		what->value = peek(&state->page[line_of(config, what->place)],
				   what->place % config->bytes);
		if (what->value > MODEL_INITIAL &&
		    !(state->write[i].knew & mask_of(what->value)))
			return false;
	}
	return true;
}

static bool is_wrong(const struct model_config *config,
		     const struct model_state *state, struct complaint *what)
{
	unsigned int places = config->lines * config->bytes;
	unsigned int *place = &what->place, *view = &what->view;

	for (*place = 0; *place < places; (*place)++) {
		u8 cpu = peek(&state->page[line_of(config, *place)],
			      *place % config->bytes);

		*view = MODEL_CPU;
		what->value = cpu;
		what->missed = find_missed(state, *view, *place, cpu);
		if (what->missed)
			return true;
		for (*view = 0; *view < config->nr_devices; (*view)++) {
			if (!may_run(state, *view) || !reads(config, *view))
				continue;
			what->value = model_device_read(config, state, *view,
							*place);
			what->missed = find_missed(state, *view, *place,
						   what->value);
			if (what->missed || (state->quiet == QUIET_AGREED &&
					     what->value != cpu))
				return true;
		}
	}
	return is_all_lost(config, state, what);
}

/* Exploration. */

static void swap_bytes(u8 *a, u8 *b)
{
	u8 c = *a;

	*a = *b;
	*b = c;
}

/* Devices of one kind that do the same differ in nothing but this. */
static bool is_before(const struct model_config *config,
		      const struct model_state *state, unsigned int a,
		      unsigned int b)
{
	unsigned int line, i;
	int order;

	order = is_mapped(state, b) - is_mapped(state, a);
	if (!order)
		order = state->known[b] - state->known[a];
	for (line = 0; line < config->lines; line++)
		for (i = 0; !order && !config->shared && i < config->bytes; i++) {
			const struct model_memory *x = &state->copy[line][a];
			const struct model_memory *y = &state->copy[line][b];

			order = y->byte[i] - x->byte[i];
			if (!order)
				order = y->cached[i] - x->cached[i];
			if (!order)
				order = y->line - x->line;
			if (!order)
				order = state->twin[line][b][i] -
					state->twin[line][a][i];
		}
	for (i = MODEL_INITIAL + 1;
	     !order && i <= last_write(state); i++)
		order = (state->write[i].writer == b) -
			(state->write[i].writer == a);
	return order < 0;
}

static void swap_devices(const struct model_config *config,
			 struct model_state *state, unsigned int a,
			 unsigned int b)
{
	unsigned int line, i;
	u8 mapped = state->mapped & ~(1 << a | 1 << b);

	mapped |= is_mapped(state, a) << b | is_mapped(state, b) << a;
	state->mapped = mapped;
	swap_bytes(&state->known[a], &state->known[b]);
	for (line = 0; !config->shared && line < config->lines; line++) {
		struct model_memory copy = state->copy[line][a];

		state->copy[line][a] = state->copy[line][b];
		state->copy[line][b] = copy;
		for (i = 0; i < MODEL_BYTES; i++)
			swap_bytes(&state->twin[line][a][i],
				   &state->twin[line][b][i]);
	}
	for (i = MODEL_INITIAL + 1; i <= last_write(state); i++)
		if (state->write[i].writer == a)
			state->write[i].writer = b;
		else if (state->write[i].writer == b)
			state->write[i].writer = a;
}

static void order_devices(const struct model_config *config,
			  struct model_state *state)
{
	unsigned int a, b;

	/* Within an event some have had their steps. */
	if (state->event)
		return;
	for (a = 0; a + 1 < config->nr_devices; a++)
		for (b = a + 1; b < config->nr_devices; b++)
			if (config->device[a].kind == config->device[b].kind &&
			    config->device[a].dir == config->device[b].dir &&
			    is_before(config, state, b, a))
				swap_devices(config, state, a, b);
}

/* What no move and no judgement will ask for again. */
static void forget(const struct model_config *config,
		   struct model_state *state)
{
	unsigned int last = last_write(state), i, view;

	for (i = 0; i < config->lines; i++)
		if (state->page[i].line != LINE_DIRTY)
			state->loose &= ~written_to(config, state, i);
	state->loose &= ~excused(state);

	/*
	 * Whether a write is excused is decided when the later one is made. And
	 * whoever disagrees after fewer writes does so in a history with more:
	 * some can be made before anybody maps.
	 */
	if (state->nr_writes < config->writes) {
		state->quiet = QUIET_NOT;
		return;
	}
	for (view = 0; view < MODEL_VIEWS; view++) {
		u8 *known = &state->known[view];

		*known &= ~excused(state);
		for (i = last; i > MODEL_INITIAL; i--)
			if (*known & mask_of(i) & ~state->unpushed)
				*known &= ~state->write[i].knew;
	}
}

/* One state for all that cannot be told apart. */
static void canonical(const struct model_config *config,
		      struct model_state *state, u64 *word)
{
	forget(config, state);
	order_devices(config, state);
	pack(config, state, word);
}

static u64 hash(const u64 *word)
{
	u64 h = word[0] * 0x9e3779b97f4a7c15ull;

	h = (h ^ h >> 29 ^ word[1]) * 0xbf58476d1ce4e5b9ull;
	h = (h ^ h >> 32 ^ word[2]) * 0x94d049bb133111ebull;
	return h ^ h >> 31;
}

static bool same(const u64 *a, const u64 *b)
{
	return a[0] == b[0] && a[1] == b[1] && a[2] == b[2];
}

/*
 * An entry of the table: half of a state's hash, and its index plus one.
 * Returns the one of @word, or the free one where it belongs.
 */
static u64 *lookup(struct model_space *space, u32 slots, const u64 *word,
		   u64 hashed)
{
	u32 at = hashed & (slots - 1);
	u64 tag = hashed >> 32 << 32;

	for (;; at = (at + 1) & (slots - 1)) {
		u64 entry = space->table[at];

		if (!entry)
			break;
		if ((entry ^ tag) >> 32 == 0 &&
		    same(space->node[(u32)entry - 1].word, word))
			break;
	}
	return &space->table[at];
}

/* Start with a small table: most mixes have few states. */
static u32 grow_table(struct model_space *space, u32 slots, u32 states)
{
	u32 i;

	slots = slots ? 4 * slots : 1 << 10;
	if (slots > space->slots)
		slots = space->slots;
	for (i = 0; i < slots; i++)
		space->table[i] = 0;
	for (i = 0; i < states; i++) {
		const u64 *word = space->node[i].word;
		u64 hashed = hash(word);

		*lookup(space, slots, word, hashed) =
			hashed >> 32 << 32 | (i + 1);
	}
	return slots;
}

/**
 * model_explore() - visit every state that a mix can reach
 * @config: what to explore
 * @space: memory
 * @result: filled in
 *
 * Breadth first, so that the way to the first wrong state is a shortest one.
 */
void model_explore(const struct model_config *config,
		   struct model_space *space, struct model_result *result)
{
	struct model_result found = { .verdict = MODEL_RIGHT };
	struct model_state from, to;
	struct complaint complaint;
	struct event_plan plan;
	u16 moves[MODEL_MOVES];
	unsigned int n, i, j;
	u32 next, slots;
	u64 *entry;

	model_first_state(config, &from);
	canonical(config, &from, space->node[0].word);
	space->node[0].parent = 0;
	space->node[0].depth = 0;
	found.states = 1;
	slots = grow_table(space, 0, 1);

	for (next = 0; next < found.states; next++) {
		struct model_node *node = &space->node[next];

		found.depth = node->depth;
		if (config->depth && node->depth >= config->depth) {
			found.cut++;
			continue;
		}
		unpack(config, node->word, &from);
		n = list_moves(config, &from, &plan, moves);
		found.moves += n;
		for (i = 0; i < n; i++) {
			to = from;
			play(config, &plan, &to, moves[i]);
			canonical(config, &to, space->word[i]);
			space->hash[i] = hash(space->word[i]);
			prefetch(&space->table[space->hash[i] & (slots - 1)]);
		}
		for (i = 0; i < n; i++) {
			struct model_node *new;

			entry = lookup(space, slots, space->word[i],
				       space->hash[i]);
			if (*entry)
				continue;
			if (found.states == space->nodes) {
				found.verdict = MODEL_FULL;
				*result = found;
				return;
			}
			new = &space->node[found.states];
			for (j = 0; j < MODEL_WORDS; j++)
				new->word[j] = space->word[i][j];
			new->parent = next;
			new->depth = node->depth + 1;
			found.states++;
			*entry = space->hash[i] >> 32 << 32 | found.states;
			unpack(config, new->word, &to);
			if (is_wrong(config, &to, &complaint)) {
				found.verdict = MODEL_WRONG;
				found.bad = found.states - 1;
				*result = found;
				return;
			}
			if (found.states > slots / 2 && slots < space->slots)
				slots = grow_table(space, slots, found.states);
		}
	}
	*result = found;
}

/* Stories. */

struct text {
	char *at;
	unsigned int left;
	unsigned int column;
};

static void put_char(struct text *text, char c)
{
	if (text->left > 1) {
		*text->at++ = c;
		text->left--;
		text->column++;
	}
	if (text->left)
		*text->at = '\0';
}

static void put(struct text *text, const char *string)
{
	while (*string)
		put_char(text, *string++);
}

static void put_number(struct text *text, unsigned int number)
{
	if (number > 9)
		put_number(text, number / 10);
	put_char(text, '0' + number % 10);
}

static void put_to_column(struct text *text, unsigned int column)
{
	do
		put_char(text, ' ');
	while (text->column < column && text->left > 1);
}

static void put_device(struct text *text, unsigned int device)
{
	put_char(text, 'A' + device);
}

static const char *dir_name(unsigned int dir)
{
	static const char * const name[] = {
		"BIDIRECTIONAL", "TO_DEVICE", "FROM_DEVICE",
	};

	return name[dir];
}

/**
 * model_describe_mix() - name the devices of a mix
 * @config: the mix
 * @text: for the name
 * @size: room in @text
 */
void model_describe_mix(const struct model_config *config, char *text,
			unsigned int size)
{
	static const char * const does[] = {
		"reads and writes", "reads", "writes",
	};
	struct text out = { text, size, 0 };
	unsigned int i;

	put(&out, config->arch->name);
	for (i = 0; i < config->nr_devices; i++) {
		put(&out, i ? "; " : ": ");
		put_device(&out, i);
		put(&out, " ");
		put(&out, kind_of(config, i)->name);
		put(&out, ", ");
		put(&out, does[config->device[i].dir]);
	}
	if (config->shared)
		put(&out, "; copies are shared");
}

static void put_line_name(struct text *text, const struct model_config *config,
			  unsigned int line)
{
	if (config->lines > 1) {
		put(text, " of page ");
		put_number(text, line);
	}
}

static void put_place(struct text *text, const struct model_config *config,
		      unsigned int place)
{
	if (config->lines > 1)
		put(text, " page ");
	else
		put(text, " byte ");
	put_number(text, place);
}

static void put_event(struct text *text, const struct model_state *state)
{
	static const char * const access[] = { "read-write", "write", "read" };

	switch (state->event) {
	case EVENT_BEGIN:
		put(text, state->counted & MODEL_OWN ? "vmap" : "START(");
		break;
	case EVENT_END:
		if (state->actor)
			put(text, "vunmap");
		else
			put(text, "END(");
		break;
	case EVENT_MAP:
		put(text, "map of ");
		put_device(text, state->actor);
		return;
	case EVENT_UNMAP:
		put(text, "unmap of ");
		put_device(text, state->actor);
		return;
	}
	if (state->event == EVENT_BEGIN ? state->counted & MODEL_OWN :
					  state->actor)
		return;
	put(text, access[state->dir]);
	put(text, ")");
}

static void put_copy_name(struct text *text, unsigned int copy)
{
	put_device(text, copy);
	put(text, "'s copy");
}

static void put_micro(struct text *text, const struct model_config *config,
		      const struct model_state *state)
{
	static const char * const op_name[] = {
		"nothing", "clean", "invalidate", "clean and invalidate",
	};
	unsigned int within = (state->pc - 1) % PC_PER_STEP, copy, part;
	struct place_in_plan at;
	struct event_plan plan;
	bool for_cpu;

	put_event(text, state);
	put(text, ": ");
	make_plan(config, state, &plan);
	at.step = &plan.step[(state->pc - 1) / PC_PER_STEP];
	if (at.step->op == SYNC_FETCH || at.step->op == SYNC_PUSH) {
		copy = within / PC_PER_COPY / MODEL_LINES;
		part = within % PC_PER_COPY;
		at.line = within / PC_PER_COPY % MODEL_LINES;
		if (part == 0 || part > MODEL_BYTES) {
			put(text, part ? "for_device of " : "for_cpu of ");
			put_copy_name(text, copy);
		} else {
			put(text, at.step->op == SYNC_FETCH ? "fetch from " :
							      "push to ");
			put_copy_name(text, copy);
			if (config->bytes > 1)
				put_place(text, config, part - 1);
		}
		put_line_name(text, config, at.line);
		return;
	}

	locate(config, &plan, state->pc, &at);
	for_cpu = at.op == SYNC_FOR_CPU;
	if (at.step->op == SYNC_FLUSH)
		put(text, "flush: ");
	put(text, for_cpu ? "for_cpu(" : "for_device(");
	if (at.step->peer == LOOP_BACK)
		put(text, "own device");
	else
		put_device(text, plan.device[at.step->peer]);
	put(text, ", ");
	put(text, dir_name(at.step->dir));
	put(text, "): ");
	if (at.second == for_cpu)
		put(text, for_cpu ? "slot -> pages" : "pages -> slot");
	else
		put(text, op_name[arch_op(config, at.op, at.step->dir)]);
	put_line_name(text, config, at.line);
}

static void put_move(struct text *text, const struct model_config *config,
		     const struct model_state *state, unsigned int move)
{
	unsigned int a = move >> 4 & 15, b = move & 15;
	struct model_state started = *state;

	switch (move >> 8) {
	case MOVE_STEP:
		put_micro(text, config, state);
		return;
	case MOVE_BEGIN:
	case MOVE_END:
		started.event = move >> 8 == MOVE_BEGIN ? EVENT_BEGIN :
							  EVENT_END;
		started.actor = a == 2;
		started.dir = b;
		started.counted = a ? MODEL_OWN : 0;
		put_event(text, &started);
		if (move >> 8 == MOVE_END && !a && is_write(b) && state->open)
			put(text, " by another process");
		return;
	case MOVE_MAP:
		put(text, "map of ");
		put_device(text, a);
		put(text, ", ");
		put(text, dir_name(mapped_dir(config, a)));
		return;
	case MOVE_UNMAP:
		put(text, "unmap of ");
		put_device(text, a);
		return;
	case MOVE_STORE:
		put(text, "the CPU stores to");
		put_place(text, config, b);
		return;
	case MOVE_WRITE:
	case MOVE_WRITE_CACHED:
		put_device(text, a);
		put(text, " writes");
		put_place(text, config, b);
		if (move >> 8 == MOVE_WRITE_CACHED)
			put(text, ", which stays in a cache");
		return;
	case MOVE_LOAD:
		put(text, "the CPU loads the line");
		put_line_name(text, config, b);
		return;
	case MOVE_PREFETCH:
		put(text, "the CPU reads the line ahead");
		put_line_name(text, config, b);
		return;
	case MOVE_EVICT:
		put(text, state->page[b].line == LINE_DIRTY ?
		    "the cache writes back and drops the line" :
		    "the cache drops the line");
		put_line_name(text, config, b);
		return;
	case MOVE_WRITE_BACK:
		put(text, "the cache writes back the line");
		put_line_name(text, config, b);
		return;
	case MOVE_PREFETCH_COPY:
		put(text, "the CPU reads ahead in ");
		put_copy_name(text, a);
		put_line_name(text, config, b);
		return;
	case MOVE_EVICT_COPY:
		put(text, state->copy[b][a].line == LINE_DIRTY ?
		    "the cache writes back and drops " : "the cache drops ");
		put_copy_name(text, a);
		put_line_name(text, config, b);
		return;
	case MOVE_DIE:
		put(text, a ? "one of two that have a write access open dies" :
			      "the process dies without an END");
		return;
	}
}

static void put_values(struct text *text, const struct model_config *config,
		       const u8 *value)
{
	unsigned int i;

	for (i = 0; i < config->bytes; i++)
		put_number(text, value[i]);
}

static void put_cached(struct text *text, const struct model_config *config,
		       const struct model_memory *memory)
{
	if (memory->line == LINE_ABSENT) {
		put(text, "-");
		return;
	}
	put_values(text, config, memory->cached);
	put(text, memory->line == LINE_DIRTY ? " dirty" : " clean");
}

static void put_line(struct text *text, const struct model_config *config,
		     const struct model_state *state, unsigned int line)
{
	unsigned int i;

	put(text, "| page ");
	put_values(text, config, state->page[line].byte);
	if (page_has_line(config, line)) {
		put(text, "  line ");
		put_cached(text, config, &state->page[line]);
	}
	for (i = 0; i < config->nr_devices; i++) {
		const struct model_memory *copy = &state->copy[line][i];

		if (!face_of(config, i, line)->copies ||
		    !copy_is_used(config, state, i, line, false))
			continue;
		put(text, has_slots(config) ? "  slot " : "  copy ");
		put_device(text, i);
		put(text, " ");
		put_values(text, config, copy->byte);
		if (copy->line != LINE_ABSENT) {
			put(text, " (line ");
			put_cached(text, config, copy);
			put(text, ")");
		}
		if (!has_slots(config) &&
		    copy_is_used(config, state, i, line, true)) {
			put(text, " twin ");
			put_values(text, config, state->twin[line][i]);
		}
	}
}

static void put_end(struct text *text, const struct model_config *config,
		    const struct model_state *state)
{
	struct complaint what;

	if (!is_wrong(config, state, &what))
		return;
	put(text, "    WRONG: ");
	if (what.view == MODEL_CPU)
		put(text, "the CPU");
	else
		put_device(text, what.view);
	put(text, " reads ");
	put_number(text, what.value);
	if (what.missed) {
		put(text, " and was promised ");
		put_number(text, what.missed);
	} else {
		put(text, ", the CPU something else, after a START and an END");
	}
	if (config->lines * config->bytes > 1) {
		put(text, ",");
		put_place(text, config, what.place);
	}
}

#define STORY_COLUMN	64

/**
 * model_story() - tell the way to the wrong state
 * @config: what was explored
 * @space: as model_explore() left it
 * @result: what it found
 * @emit: called for each line
 * @context: for @emit
 */
void model_story(const struct model_config *config,
		 const struct model_space *space,
		 const struct model_result *result, model_emit emit,
		 void *context)
{
	struct model_state state, next;
	struct event_plan plan;
	u16 moves[MODEL_MOVES];
	unsigned int n, i, m, ways, line;
	u64 word[MODEL_WORDS];
	char buffer[240];
	u32 at;

	if (result->verdict != MODEL_WRONG)
		return;
	n = space->node[result->bad].depth;
	model_first_state(config, &state);
	for (i = 0; i < n; i++) {
		struct text text = { buffer, sizeof(buffer), 0 };

		at = result->bad;
		while (space->node[at].depth > i + 1)
			at = space->node[at].parent;
		/* On the path devices may be in another order. */
		ways = list_moves(config, &state, &plan, moves);
		for (m = 0; m < ways; m++) {
			next = state;
			play(config, &plan, &next, moves[m]);
			canonical(config, &next, word);
			if (same(word, space->node[at].word))
				break;
		}
		if (m == ways) {
			emit(context, "the plan is not a function of its arguments");
			return;
		}

		if (i + 1 < 10)
			put(&text, " ");
		put_number(&text, i + 1);
		put(&text, ". ");
		put_move(&text, config, &state, moves[m]);
		play(config, &plan, &state, moves[m]);
		for (line = 0; line < config->lines; line++) {
			put_to_column(&text, STORY_COLUMN + 40 * line);
			put_line(&text, config, &state, line);
		}
		emit(context, buffer);
	}

	{
		struct text text = { buffer, sizeof(buffer), 0 };

		put_end(&text, config, &state);
		emit(context, buffer);
	}
}
