// SPDX-License-Identifier: GPL-2.0
/*
 * The model that judges the sync plan.
 *
 * A buffer is one page of two halves, each far larger than a cache line. For
 * each half there is a version in memory, a line of the CPU's cache that is
 * absent, clean or dirty, and for each bounced device a slot, with a line of
 * its own where the device does not snoop. The halves do not influence each
 * other, so that one is enough unless a device has two faces (H18).
 *
 * Every move of everybody is tried in every state: devices write, tasks begin
 * and end accesses, load and store, mappings come and go; a plan is carried out
 * in micro-steps (one cache operation, one copy), and between any two of them
 * the adversary may write a dirty line back, drop it, or read a line in, other
 * tasks may store, and during map and unmap other devices may write.
 *
 * Versions are numbers in the order of writing. Only two things are ever asked
 * of one: is it the newest, and is it at least what a reader is owed. So after
 * each move versions are renamed: one that is not itself newest or owed becomes
 * the last such one before it. That keeps the number of states finite and
 * forgets nothing, so histories need no bound.
 *
 * The contract that histories obey, and what must hold, is in docs/hazards.md.
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
		/*
		 * also arm v4 and v5, sh, hexagon, m68k (68040, ColdFire);
		 * none of them selects SWIOTLB unless all devices snoop
		 */
		.files = "arch/mips/mm/dma-noncoherent.c, no post-DMA flush",
		.for_device = { OP_FLUSH, OP_CLEAN, OP_INVALIDATE },
		.for_cpu = { OP_NONE, OP_NONE, OP_NONE },
		.supported = true,
		.no_slots = true,
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
		.no_slots = true,
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

#define DIRECT(part, coherent)	{ part, coherent, false }
#define SLOT(part, coherent)	{ part, coherent, true }

const struct model_kind model_kinds[] = {
	{ "coherent", 1, { SYNC_COHERENT },
	  { DIRECT(0, true), DIRECT(0, true) } },
	{ "noncoherent", 1, { SYNC_NONCOHERENT },
	  { DIRECT(0, false), DIRECT(0, false) } },
	{ "bounced", 1, { SYNC_BOUNCED },
	  { SLOT(0, true), SLOT(0, true) } },
	{ "bounced noncoherent", 1, { SYNC_BOUNCED },
	  { SLOT(0, false), SLOT(0, false) } },
	{ "opaque (noncoherent)", 1, { SYNC_OPAQUE },
	  { DIRECT(0, false), DIRECT(0, false) } },
	{ "opaque (bounced)", 1, { SYNC_OPAQUE },
	  { SLOT(0, true), SLOT(0, true) } },
	{ "opaque (bounced noncoherent)", 1, { SYNC_OPAQUE },
	  { SLOT(0, false), SLOT(0, false) } },
	{ "opaque (coherent)", 1, { SYNC_OPAQUE },
	  { DIRECT(0, true), DIRECT(0, true) } },
	{ "coherent, partly bounced", 2, { SYNC_COHERENT, SYNC_BOUNCED },
	  { DIRECT(0, true), SLOT(1, true) } },
	{ "partly bounced, coherent", 2, { SYNC_COHERENT, SYNC_BOUNCED },
	  { SLOT(1, true), DIRECT(0, true) } },
	{ "noncoherent, partly bounced", 2, { SYNC_NONCOHERENT, SYNC_BOUNCED },
	  { DIRECT(0, false), SLOT(1, false) } },
	{ "partly bounced, noncoherent", 2, { SYNC_NONCOHERENT, SYNC_BOUNCED },
	  { SLOT(1, false), DIRECT(0, false) } },
};

const unsigned int model_nr_kinds = ARRAY_SIZE(model_kinds);

/* Control flow of plans: the peers, and the steps of the event under way. */

static bool widens(const struct model_config *config)
{
	return config->plan != PLAN_NO_H5 && config->plan != PLAN_STOCK &&
	       config->plan != PLAN_ACCESS_DIRECTION;
}

static bool refuses(const struct model_config *config)
{
	return config->plan != PLAN_NO_H11 && config->plan != PLAN_STOCK &&
	       config->plan != PLAN_ACCESS_DIRECTION &&
	       !(config->flags & MODEL_ALLOW_CONFLICT);
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
					unsigned int device, unsigned int half)
{
	return &kind_of(config, device)->face[half];
}

static bool writes(const struct model_config *config, unsigned int device)
{
	return config->device[device].dir != DMA_TO_DEVICE;
}

static bool reads(const struct model_config *config, unsigned int device)
{
	return config->device[device].dir != DMA_FROM_DEVICE;
}

static bool is_bounced_writer(const struct sync_peer *peer)
{
	return peer->kind > SYNC_NONCOHERENT && peer->dir != DMA_TO_DEVICE;
}

static void add(struct model_step *steps, unsigned int *len, unsigned int peer,
		enum sync_phase phase, unsigned int dir)
{
	steps[*len].peer = peer;
	steps[*len].phase = phase;
	steps[*len].dir = dir;
	(*len)++;
}

/* A sync of the exporter's own mapping of the pages, as stock udmabuf does. */
#define LOOP_BACK	0xff

static unsigned int plan_stock(const struct sync_peer *peers, unsigned int nr,
			       const struct sync_access *access,
			       struct model_step *steps)
{
	unsigned int len = 0, i;

	switch (access->event) {
	case SYNC_BEGIN:
		add(steps, &len, LOOP_BACK, SYNC_FOR_CPU, access->dir);
		break;
	case SYNC_END:
		add(steps, &len, LOOP_BACK, SYNC_FOR_DEVICE, access->dir);
		break;
	case SYNC_MAP:
		for (i = 0; i < nr; i++)
			if (peers[i].mapping == access->mapping)
				add(steps, &len, i, SYNC_FOR_DEVICE,
				    peers[i].dir);
		break;
	case SYNC_UNMAP:
		/* cache_sgt_mapping: nothing is unmapped before detach */
		break;
	}
	return len;
}

static unsigned int plan_access_direction(const struct sync_peer *peers,
					  unsigned int nr,
					  const struct sync_access *access,
					  struct model_step *steps)
{
	unsigned int len = 0, i;

	for (i = 0; i < nr; i++) {
		bool self = peers[i].mapping == access->mapping;

		switch (access->event) {
		case SYNC_BEGIN:
			add(steps, &len, i, SYNC_FOR_CPU, access->dir);
			break;
		case SYNC_END:
			add(steps, &len, i, SYNC_FOR_DEVICE, access->dir);
			break;
		case SYNC_MAP:
			if (self)
				add(steps, &len, i, SYNC_FOR_DEVICE,
				    peers[i].dir);
			break;
		case SYNC_UNMAP:
			if (self)
				add(steps, &len, i, SYNC_FOR_CPU, peers[i].dir);
			break;
		}
	}
	return len;
}

static unsigned int plan_no_h13(const struct sync_peer *peers, unsigned int nr,
				const struct sync_access *access,
				struct model_step *steps)
{
	unsigned int len = 0, i;

	for (i = 0; i < nr && access->event == SYNC_MAP; i++)
		if (peers[i].mapping == access->mapping)
			add(steps, &len, i, SYNC_FOR_DEVICE, peers[i].dir);
	return len;
}

static unsigned int plan_driver(const struct sync_peer *peers, unsigned int nr,
				const struct sync_access *access,
				struct model_step *steps)
{
	struct sync_step planned[MODEL_STEPS];
	unsigned int len, i;

	len = sync_plan(peers, nr, access, planned);
	for (i = 0; i < len; i++) {
		steps[i].peer = planned[i].peer;
		steps[i].phase = planned[i].phase;
		steps[i].dir = peers[planned[i].peer].dir;
	}
	return len;
}

static unsigned int keep_mapping(const struct sync_peer *peers,
				 struct model_step *steps, unsigned int len,
				 unsigned int mapping)
{
	unsigned int kept = 0, i;

	for (i = 0; i < len; i++)
		if (peers[steps[i].peer].mapping == mapping)
			steps[kept++] = steps[i];
	return kept;
}

static unsigned int drop_phase(struct model_step *steps, unsigned int len,
			       enum sync_phase phase,
			       const struct sync_peer *peers,
			       bool before_for_cpu)
{
	unsigned int kept = 0, i, j;

	for (i = 0; i < len; i++) {
		bool drop = steps[i].phase == phase;

		/* Only what comes before an invalidate of the same kind. */
		for (j = i + 1; drop && before_for_cpu && j < len; j++)
			if (steps[j].phase == SYNC_FOR_CPU &&
			    peers[steps[j].peer].kind ==
			    peers[steps[i].peer].kind)
				break;
		if (before_for_cpu && j == len)
			drop = false;
		if (!drop)
			steps[kept++] = steps[i];
	}
	return kept;
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

/* for_cpu of bounced and opaque peers before the others, else in order. */
static void copies_first(const struct sync_peer *peers,
			 struct model_step *steps, unsigned int len)
{
	unsigned int i, j;

	for (i = 1; i < len; i++)
		for (j = i; j > 0; j--) {
			struct model_step step = steps[j];

			if (peers[step.peer].kind <= SYNC_NONCOHERENT ||
			    peers[steps[j - 1].peer].kind > SYNC_NONCOHERENT)
				break;
			steps[j] = steps[j - 1];
			steps[j - 1] = step;
		}
}

/* No copies back, and a clean before every invalidate. */
static unsigned int clean_instead_of_copying(const struct sync_peer *peers,
					     struct model_step *steps,
					     unsigned int len)
{
	unsigned int kept = 0, i, j;

	for (i = 0; i < len; i++)
		if (steps[i].phase == SYNC_FOR_DEVICE ||
		    peers[steps[i].peer].kind <= SYNC_NONCOHERENT)
			steps[kept++] = steps[i];
	for (i = 0; i < kept; i++) {
		if (steps[i].phase == SYNC_FOR_DEVICE)
			continue;
		for (j = kept++; j > i; j--)
			steps[j] = steps[j - 1];
		steps[i++].phase = SYNC_FOR_DEVICE;
	}
	return kept;
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

/**
 * model_plan_steps() - the steps that a plan takes for an event
 * @config: which plan
 * @peers: as for sync_plan()
 * @nr: how many
 * @access: the event
 * @steps: room for MODEL_STEPS
 *
 * Return: the number of steps.
 */
unsigned int model_plan_steps(const struct model_config *config,
			      const struct sync_peer *peers, unsigned int nr,
			      const struct sync_access *access,
			      struct model_step *steps)
{
	bool begin = access->event == SYNC_BEGIN;
	bool end = access->event == SYNC_END;
	struct sync_access changed = *access;
	struct sync_peer whole[MODEL_PEERS];
	unsigned int len, i;

	if (config->plan == PLAN_STOCK)
		return plan_stock(peers, nr, access, steps);
	if (config->plan == PLAN_ACCESS_DIRECTION)
		return plan_access_direction(peers, nr, access, steps);
	if (config->plan == PLAN_NO_H13 && !begin && !end)
		return plan_no_h13(peers, nr, access, steps);

	if (config->plan == PLAN_NO_H15 || config->plan == PLAN_H15_CLEAN)
		changed.write_open = false;

	if (config->plan == PLAN_NO_H18) {
		for (i = 0; i < nr; i++) {
			whole[i] = peers[i];
			whole[i].partial = false;
		}
		return plan_driver(whole, nr, access, steps);
	}

	len = plan_driver(peers, nr, &changed, steps);

	switch (config->plan) {
	case PLAN_FIRST_PEER:
		if ((begin || end) && nr)
			len = keep_mapping(peers, steps, len,
					   peers[0].mapping);
		break;
	case PLAN_LAST_PEER:
		if ((begin || end) && nr)
			len = keep_mapping(peers, steps, len,
					   peers[nr - 1].mapping);
		break;
	case PLAN_SWAPPED:
		for (i = 0; i < len; i++)
			steps[i].phase = steps[i].phase == SYNC_FOR_CPU ?
					 SYNC_FOR_DEVICE : SYNC_FOR_CPU;
		break;
	case PLAN_REVERSED:
		reverse(steps, len);
		break;
	case PLAN_NO_H2:
		for (i = 0; begin && i < nr; i++)
			if (peers[i].dir == DMA_TO_DEVICE &&
			    peers[i].kind > SYNC_NONCOHERENT)
				add(steps, &len, i, SYNC_FOR_CPU,
				    DMA_BIDIRECTIONAL);
		break;
	case PLAN_NO_H3:
		if (begin && access->dir == DMA_TO_DEVICE)
			len = 0;
		break;
	case PLAN_NO_H4:
		if (begin)
			copies_first(peers, steps, len);
		break;
	case PLAN_NO_H6:
		if (end && access->dir == DMA_FROM_DEVICE)
			len = 0;
		break;
	case PLAN_NO_H9:
		choose_reader(peers, nr, steps, len);
		break;
	case PLAN_NO_H13_SLOT:
		for (i = 0; !begin && !end && i < nr; i++)
			if (is_bounced_writer(&peers[i]) &&
			    peers[i].mapping != access->mapping)
				add(steps, &len, i, SYNC_FOR_DEVICE,
				    peers[i].dir);
		break;
	case PLAN_NO_H14:
		if (!access->write_open && !end)
			len = drop_phase(steps, len, SYNC_FOR_DEVICE, peers,
					 true);
		break;
	case PLAN_H15_CLEAN:
		if (access->write_open && !end)
			len = clean_instead_of_copying(peers, steps, len);
		break;
	default:
		break;
	}

	if (config->edit)
		len = config->edit(config, peers, nr, access, steps, len);
	return len;
}

/* The DMA layer. */

static void maintain(enum model_op op, u8 *memory, u8 *line, u8 *cached)
{
	if (op == OP_NONE || *line == LINE_ABSENT)
		return;
	if (op != OP_INVALIDATE && *line == LINE_DIRTY) {
		*memory = *cached;
		*line = LINE_CLEAN;
	}
	if (op != OP_CLEAN) {
		*line = LINE_ABSENT;
		*cached = 0;
	}
}

static u8 load(u8 memory, u8 *line, u8 *cached)
{
	if (*line == LINE_ABSENT) {
		*line = LINE_CLEAN;
		*cached = memory;
	}
	return *cached;
}

static void store(const struct model_config *config, u8 version, u8 *memory,
		  u8 *line, u8 *cached)
{
	*cached = version;
	*line = LINE_DIRTY;
	if (config->arch->write_through) {
		*memory = version;
		*line = LINE_CLEAN;
	}
}

/* kernel/dma/swiotlb.c, swiotlb_bounce(): memcpy() through the caches. */
static void copy_to_slot(const struct model_config *config,
			 struct model_cell *cell, unsigned int device,
			 const struct model_face *face)
{
	u8 version = load(cell->memory, &cell->line, &cell->cached);

	/* Nothing but caches that are snooped between CPU and device. */
	if (face->coherent)
		cell->slot[device] = version;
	else
		store(config, version, &cell->slot[device],
		      &cell->slot_line[device], &cell->slot_cached[device]);
}

static void copy_from_slot(const struct model_config *config,
			   struct model_cell *cell, unsigned int device,
			   const struct model_face *face)
{
	u8 version = cell->slot[device];

	if (!face->coherent)
		version = load(version, &cell->slot_line[device],
			       &cell->slot_cached[device]);
	store(config, version, &cell->memory, &cell->line, &cell->cached);
}

/* arch_sync_dma_for_device() and _for_cpu(), on the slot's lines if bounced. */
static void arch_sync(const struct model_config *config,
		      struct model_cell *cell, unsigned int device,
		      const struct model_face *face, enum sync_phase phase,
		      enum dma_data_direction dir)
{
	const u8 *ops = phase == SYNC_FOR_CPU ? config->arch->for_cpu :
						config->arch->for_device;

	if (face->coherent)
		return;
	if (face->bounced)
		maintain(ops[dir], &cell->slot[device],
			 &cell->slot_line[device], &cell->slot_cached[device]);
	else
		maintain(ops[dir], &cell->memory, &cell->line, &cell->cached);
}

static const struct model_face loop_back_face = DIRECT(0, false);

/*
 * kernel/dma/direct.c, dma_direct_sync_sg_for_cpu(): maintenance, then the copy
 * back; dma_direct_sync_sg_for_device(): the copy, then maintenance. In two
 * micro-steps. __swiotlb_sync_single_for_cpu() and _for_device() copy unless
 * the direction forbids it. drivers/iommu/dma-iommu.c does the same.
 *
 * Returns false if there was nothing to do.
 */
static bool sync_micro(const struct model_config *config,
		       struct model_cell *cell, unsigned int device,
		       const struct model_face *face, enum sync_phase phase,
		       enum dma_data_direction dir, bool second, bool doit)
{
	bool copies = second == (phase == SYNC_FOR_CPU);
	const u8 *ops = phase == SYNC_FOR_CPU ? config->arch->for_cpu :
						config->arch->for_device;

	if (copies) {
		if (!face->bounced)
			return false;
		if (dir == (phase == SYNC_FOR_CPU ? DMA_TO_DEVICE :
						    DMA_FROM_DEVICE))
			return false;
		if (doit && phase == SYNC_FOR_CPU)
			copy_from_slot(config, cell, device, face);
		else if (doit)
			copy_to_slot(config, cell, device, face);
		return true;
	}

	if (face->coherent || ops[dir] == OP_NONE)
		return false;
	if (doit)
		arch_sync(config, cell, device, face, phase, dir);
	return true;
}

/**
 * model_sync() - dma_sync_sgtable_for_cpu() or _for_device() of one half
 * @config: the architecture and the devices
 * @state: changed
 * @device: whose mapping
 * @half: which half
 * @phase: which sync
 * @dir: with which direction
 */
void model_sync(const struct model_config *config, struct model_state *state,
		unsigned int device, unsigned int half,
		enum sync_phase phase, enum dma_data_direction dir)
{
	const struct model_face *face = face_of(config, device, half);
	struct model_cell *cell = &state->cell[half];

	sync_micro(config, cell, device, face, phase, dir, false, true);
	sync_micro(config, cell, device, face, phase, dir, true, true);
}

/**
 * model_fill_slot() - dma_map_sgtable() with DMA_ATTR_SKIP_CPU_SYNC
 * @config: the architecture and the devices
 * @state: changed
 * @device: whose mapping
 * @half: which half
 *
 * kernel/dma/swiotlb.c, swiotlb_tbl_map_single(): the slot is filled whatever
 * the direction and the attributes are; swiotlb_map() maintains no cache then.
 */
void model_fill_slot(const struct model_config *config,
		     struct model_state *state, unsigned int device,
		     unsigned int half)
{
	const struct model_face *face = face_of(config, device, half);

	if (face->bounced)
		copy_to_slot(config, &state->cell[half], device, face);
}

/**
 * model_cpu_store() - a task writes a half
 * @config: the architecture
 * @state: changed
 * @half: which half
 *
 * All tasks share the caches, so all are owed the new version.
 */
void model_cpu_store(const struct model_config *config,
		     struct model_state *state, unsigned int half)
{
	struct model_cell *cell = &state->cell[half];
	unsigned int task;

	cell->newest++;
	store(config, cell->newest, &cell->memory, &cell->line, &cell->cached);
	for (task = 0; task < MODEL_TASKS; task++)
		if (cell->seen[task] || state->task[task])
			cell->seen[task] = cell->newest;
}

/**
 * model_cpu_load() - a task reads a half
 * @state: changed: the line is in the cache afterwards
 * @half: which half
 *
 * Return: the version read.
 */
u8 model_cpu_load(struct model_state *state, unsigned int half)
{
	struct model_cell *cell = &state->cell[half];

	return load(cell->memory, &cell->line, &cell->cached);
}

/**
 * model_device_write() - a device writes a half
 * @config: the architecture and the devices
 * @state: changed
 * @device: which device
 * @half: which half
 * @stays_in_cache: if it snoops, its write is left dirty in a cache (H14)
 */
void model_device_write(const struct model_config *config,
			struct model_state *state, unsigned int device,
			unsigned int half, bool stays_in_cache)
{
	const struct model_face *face = face_of(config, device, half);
	struct model_cell *cell = &state->cell[half];

	cell->newest++;
	cell->owed[device] = cell->newest;
	if (face->bounced) {
		cell->slot[device] = cell->newest;
	} else if (!face->coherent) {
		cell->memory = cell->newest;
	} else if (stays_in_cache) {
		store(config, cell->newest, &cell->memory, &cell->line,
		      &cell->cached);
	} else {
		cell->memory = cell->newest;
		cell->line = LINE_ABSENT;
		cell->cached = 0;
	}
}

/**
 * model_device_read() - what a device would read from a half
 * @config: the architecture and the devices
 * @state: not changed
 * @device: which device
 * @half: which half
 *
 * Return: the version.
 */
u8 model_device_read(const struct model_config *config,
		     const struct model_state *state, unsigned int device,
		     unsigned int half)
{
	const struct model_face *face = face_of(config, device, half);
	const struct model_cell *cell = &state->cell[half];

	if (face->bounced)
		return cell->slot[device];
	if (face->coherent && cell->line != LINE_ABSENT)
		return cell->cached;
	return cell->memory;
}

/* States. */

static bool task_writes(u8 task)
{
	return task == 1 + DMA_BIDIRECTIONAL || task == 1 + DMA_TO_DEVICE;
}

static bool any_task_writes(const struct model_state *state)
{
	return task_writes(state->task[0]) || task_writes(state->task[1]);
}

static bool any_task_open(const struct model_state *state)
{
	return state->task[0] || state->task[1];
}

static bool is_event(const struct model_state *state, enum sync_event event)
{
	return state->event == 1 + event;
}

static bool is_cpu_event(const struct model_state *state)
{
	return is_event(state, SYNC_BEGIN) || is_event(state, SYNC_END);
}

static bool is_map_event(const struct model_state *state)
{
	return is_event(state, SYNC_MAP) || is_event(state, SYNC_UNMAP);
}

static bool is_mapped(const struct model_state *state, unsigned int device)
{
	unsigned int i;

	for (i = 0; i < MODEL_DEVICES && state->order[i]; i++)
		if (state->order[i] == device + 1)
			return true;
	return false;
}

/* Mapped, and not just being mapped or unmapped: it may run. */
static bool may_run(const struct model_state *state, unsigned int device)
{
	return is_mapped(state, device) &&
	       !(is_map_event(state) && state->actor == device);
}

/*
 * Rename the versions of a half: a version becomes the number of different
 * newest or owed versions that are not later.
 */
static void rename_versions(const struct model_config *config,
			    struct model_cell *cell)
{
	u8 rank[16] = { 0 };
	unsigned int i, sum = 0;

	rank[cell->newest] = 1;
	for (i = 0; i < config->nr_devices; i++)
		rank[cell->owed[i]] = 1;
	for (i = 0; i < MODEL_TASKS; i++)
		rank[cell->seen[i]] = 1;
	/* Nothing is owed version 0, it stands for anything older. */
	rank[0] = 0;
	for (i = 0; i <= cell->newest; i++) {
		sum += rank[i];
		rank[i] = sum;
	}

	cell->memory = rank[cell->memory];
	cell->cached = rank[cell->cached];
	cell->newest = rank[cell->newest];
	for (i = 0; i < config->nr_devices; i++) {
		cell->slot[i] = rank[cell->slot[i]];
		cell->slot_cached[i] = rank[cell->slot_cached[i]];
		cell->owed[i] = rank[cell->owed[i]];
	}
	for (i = 0; i < MODEL_TASKS; i++)
		cell->seen[i] = rank[cell->seen[i]];
}

static u64 pack_cell(const struct model_cell *cell)
{
	u64 word;
	unsigned int i;

	word = cell->memory | cell->line << 3 | cell->cached << 5 |
	       cell->newest << 8 | cell->seen[0] << 11 | cell->seen[1] << 14;
	for (i = 0; i < MODEL_DEVICES; i++) {
		u64 one = cell->slot[i] | cell->slot_line[i] << 3 |
			  cell->slot_cached[i] << 5 | cell->owed[i] << 8;

		word |= one << (17 + 11 * i);
	}
	return word;
}

static void unpack_cell(u64 word, struct model_cell *cell)
{
	unsigned int i;

	cell->memory = word & 7;
	cell->line = word >> 3 & 3;
	cell->cached = word >> 5 & 7;
	cell->newest = word >> 8 & 7;
	cell->seen[0] = word >> 11 & 7;
	cell->seen[1] = word >> 14 & 7;
	for (i = 0; i < MODEL_DEVICES; i++) {
		u64 one = word >> (17 + 11 * i);

		cell->slot[i] = one & 7;
		cell->slot_line[i] = one >> 3 & 3;
		cell->slot_cached[i] = one >> 5 & 7;
		cell->owed[i] = one >> 8 & 7;
	}
}

static void pack(const struct model_config *config,
		 const struct model_state *state, u64 *word)
{
	u64 control = 0;
	unsigned int i;

	for (i = 0; i < MODEL_DEVICES; i++)
		control |= (u64)state->order[i] << (3 * i);
	control |= state->task[0] << 12 | state->task[1] << 14 |
		   state->event << 16 | state->actor << 19 | state->dir << 21 |
		   (u64)state->pc << 23 | (u64)state->count << 31;
	word[0] = control;
	for (i = 0; i < MODEL_HALVES; i++)
		word[1 + i] = i < config->halves ?
			      pack_cell(&state->cell[i]) : 0;
}

static void unpack(const struct model_config *config, const u64 *word,
		   struct model_state *state)
{
	unsigned int i;

	for (i = 0; i < MODEL_DEVICES; i++)
		state->order[i] = word[0] >> (3 * i) & 7;
	state->task[0] = word[0] >> 12 & 3;
	state->task[1] = word[0] >> 14 & 3;
	state->event = word[0] >> 16 & 7;
	state->actor = word[0] >> 19 & 3;
	state->dir = word[0] >> 21 & 3;
	state->pc = word[0] >> 23 & 0xff;
	state->count = word[0] >> 31 & 3;
	for (i = 0; i < config->halves; i++)
		unpack_cell(word[1 + i], &state->cell[i]);
}

/**
 * model_first_state() - a buffer that nobody has mapped
 * @config: how many halves it has
 * @state: filled in
 *
 * What the CPU wrote last before the buffer was made may lie in its cache only;
 * nothing about memory is known then.
 */
void model_first_state(const struct model_config *config,
		       struct model_state *state)
{
	static const struct model_state zero;
	unsigned int half;

	*state = zero;
	for (half = 0; half < config->halves; half++) {
		struct model_cell *cell = &state->cell[half];

		cell->newest = 1;
		store(config, 1, &cell->memory, &cell->line, &cell->cached);
	}
}

/* Events: plans and how they are carried out. */

struct event_plan {
	struct sync_peer peer[MODEL_PEERS];
	u8 device[MODEL_PEERS];
	u8 part[MODEL_PEERS];
	unsigned int nr;
	struct model_step step[MODEL_STEPS];
	unsigned int len;
};

/* What the driver knows of a device, and that is nothing if it is opaque. */
static bool snoops(const struct model_kind *kind, unsigned int part)
{
	return kind->part[part] != SYNC_OPAQUE && kind->face[0].coherent;
}

static void collect_peers(const struct model_config *config,
			  const struct model_state *state,
			  struct event_plan *plan)
{
	unsigned int i, part;

	plan->nr = 0;
	for (i = 0; i < MODEL_DEVICES && state->order[i]; i++) {
		unsigned int device = state->order[i] - 1;
		const struct model_kind *kind = kind_of(config, device);

		for (part = 0; part < kind->nr_parts; part++) {
			struct sync_peer *peer = &plan->peer[plan->nr];

			*peer = (struct sync_peer) {
				.kind = kind->part[part],
				.dir = mapped_dir(config, device),
				.mapping = device,
				.partial = kind->nr_parts > 1,
				.snoops = snoops(kind, part),
			};
			peer->snoops = kind->face[kind->face[0].part != part].coherent;
			plan->device[plan->nr] = device;
			plan->part[plan->nr] = part;
			plan->nr++;
		}
	}
}

static void make_plan(const struct model_config *config,
		      const struct model_state *state, struct event_plan *plan)
{
	struct sync_access access = {
		.event = state->event - 1,
		.policy = config->policy,
		.dir = state->dir,
		.write_open = state->count > 0,
		.mapping = state->actor,
	};

	collect_peers(config, state, plan);
	if (is_cpu_event(state))
		access.mapping = ~0U;
	plan->len = model_plan_steps(config, plan->peer, plan->nr, &access,
				     plan->step);
}

/* Micro-steps: first the slots that a map fills, then four for each step. */
#define PC_STEPS	MODEL_HALVES
#define PC_PER_STEP	(2 * MODEL_HALVES)

/* Returns false if the micro-step does nothing. */
static bool micro(const struct model_config *config,
		  const struct event_plan *plan, struct model_state *state,
		  unsigned int pc, bool doit)
{
	unsigned int half, index, device;
	const struct model_face *face;
	const struct model_step *step;

	if (pc < PC_STEPS) {
		if (!is_event(state, SYNC_MAP) || pc >= config->halves ||
		    !face_of(config, state->actor, pc)->bounced)
			return false;
		if (doit)
			model_fill_slot(config, state, state->actor, pc);
		return true;
	}

	index = (pc - PC_STEPS) / PC_PER_STEP;
	half = (pc - PC_STEPS) % PC_PER_STEP / 2;
	step = &plan->step[index];
	if (half >= config->halves)
		return false;
	if (step->peer == LOOP_BACK) {
		device = 0;
		face = &loop_back_face;
	} else {
		device = plan->device[step->peer];
		face = face_of(config, device, half);
		if (face->part != plan->part[step->peer])
			return false;
	}
	return sync_micro(config, &state->cell[half], device, face, step->phase,
			  step->dir, (pc - PC_STEPS) & 1, doit);
}

static void forget_device(struct model_state *state, unsigned int device)
{
	unsigned int i, j, half;

	for (i = 0, j = 0; i < MODEL_DEVICES; i++)
		if (state->order[i] != device + 1)
			state->order[j++] = state->order[i];
	for (; j < MODEL_DEVICES; j++)
		state->order[j] = 0;

	for (half = 0; half < MODEL_HALVES; half++) {
		struct model_cell *cell = &state->cell[half];

		cell->slot[device] = 0;
		cell->slot_line[device] = LINE_ABSENT;
		cell->slot_cached[device] = 0;
		cell->owed[device] = 0;
	}
}

/* An ended access hands over what its task was owed. */
static void hand_over(const struct model_config *config,
		      struct model_state *state, unsigned int task)
{
	unsigned int half, i;

	for (half = 0; half < config->halves; half++) {
		struct model_cell *cell = &state->cell[half];

		for (i = 0; i < MODEL_DEVICES && state->order[i]; i++) {
			u8 *owed = &cell->owed[state->order[i] - 1];

			if (!any_task_writes(state) &&
			    *owed < cell->seen[task])
				*owed = cell->seen[task];
		}
		cell->seen[task] = 0;
	}
}

static void finish_event(const struct model_config *config,
			 struct model_state *state)
{
	unsigned int half;

	switch (state->event - 1) {
	case SYNC_BEGIN:
		state->task[state->actor] = 1 + state->dir;
		if (task_writes(1 + state->dir) && state->count < 3)
			state->count++;
		if (config->plan == PLAN_NO_H12)
			for (half = 0; half < config->halves; half++)
				state->cell[half].seen[state->actor] =
					state->cell[half].newest;
		break;
	case SYNC_END:
		if (state->actor < MODEL_TASKS)
			hand_over(config, state, state->actor);
		break;
	case SYNC_UNMAP:
		forget_device(state, state->actor);
		break;
	}
	state->event = 0;
	state->actor = 0;
	state->dir = 0;
	state->pc = 0;
}

/* Go on to the next micro-step that does something, or finish. */
static void settle(const struct model_config *config,
		   const struct event_plan *plan, struct model_state *state)
{
	unsigned int end = PC_STEPS + plan->len * PC_PER_STEP;

	while (state->pc < end && !micro(config, plan, state, state->pc, false))
		state->pc++;
	if (state->pc >= end)
		finish_event(config, state);
}

static void start_event(const struct model_config *config,
			struct model_state *state, enum sync_event event,
			unsigned int actor, unsigned int dir)
{
	struct event_plan plan;

	state->event = 1 + event;
	state->actor = actor;
	state->dir = dir;
	state->pc = 0;
	make_plan(config, state, &plan);
	settle(config, &plan, state);
}

static void step_event(const struct model_config *config,
		       struct model_state *state)
{
	struct event_plan plan;

	make_plan(config, state, &plan);
	micro(config, &plan, state, state->pc, true);
	state->pc++;
	settle(config, &plan, state);
}

/* What changes at once, before the first step of the plan. */
static void begin_event(const struct model_config *config,
			struct model_state *state, enum sync_event event,
			unsigned int actor, unsigned int dir)
{
	unsigned int half, i;

	switch (event) {
	case SYNC_BEGIN:
		for (half = 0; half < config->halves; half++)
			state->cell[half].seen[actor] =
				state->cell[half].newest;
		break;
	case SYNC_END:
		state->task[actor] = 0;
		if (task_writes(1 + dir) && state->count)
			state->count--;
		break;
	case SYNC_MAP:
		for (i = 0; state->order[i]; i++)
			;
		state->order[i] = actor + 1;
		for (half = 0; half < config->halves; half++)
			state->cell[half].owed[actor] =
				any_task_writes(state) ? 0 :
				state->cell[half].newest;
		break;
	case SYNC_UNMAP:
		break;
	}
	start_event(config, state, event, actor, dir);
}

/**
 * model_event() - an event from its start to its end, with no adversary
 * @config: the plan and the devices
 * @state: changed
 * @event: what happens
 * @actor: the task of a CPU access, the device of a mapping
 * @dir: the direction of a CPU access
 */
void model_event(const struct model_config *config, struct model_state *state,
		 enum sync_event event, unsigned int actor, unsigned int dir)
{
	begin_event(config, state, event, actor, dir);
	while (state->event)
		step_event(config, state);
}

/* Moves. */

enum move_type {
	MOVE_STEP,
	MOVE_BEGIN,		/* task, dir */
	MOVE_END,		/* task */
	MOVE_MAP,		/* device */
	MOVE_UNMAP,		/* device */
	MOVE_STORE,		/* half */
	MOVE_LOAD,		/* half */
	MOVE_WRITE,		/* device, half */
	MOVE_WRITE_CACHED,	/* device, half */
	MOVE_EVICT,		/* half */
	MOVE_WRITE_BACK,	/* half */
	MOVE_PREFETCH,		/* half */
	MOVE_EVICT_SLOT,	/* device, half */
	MOVE_PREFETCH_SLOT,	/* device, half */
	MOVE_DIE,		/* task */
	MOVE_STRAY_END,
};

#define MOVE(type, a, b)	((type) << 8 | (a) << 4 | (b))
#define STRAY			3

static bool may_write(const struct model_config *config,
		      const struct model_state *state, unsigned int device,
		      unsigned int half)
{
	const struct model_cell *cell = &state->cell[half];
	const struct model_face *face = face_of(config, device, half);
	bool h12 = config->plan == PLAN_NO_H12 && is_event(state, SYNC_BEGIN);

	if (!may_run(state, device) || !writes(config, device))
		return false;
	/* Who writes a half has been handed its newest version. */
	if (cell->owed[device] != cell->newest)
		return false;
	if ((config->flags & MODEL_ONE_WRITER) && !face->bounced)
		return false;
	if (any_task_writes(state))
		return false;
	if (config->flags & MODEL_WRITE_IN_READ)
		return h12 || !is_cpu_event(state) ||
		       (is_event(state, SYNC_END) &&
			state->dir == DMA_FROM_DEVICE);
	return h12 || (!any_task_open(state) && !is_cpu_event(state));
}

/*
 * H14 under map and unmap: a coherent device that leaves its writes in a cache
 * does not write while a plan is under way that invalidates.
 */
static bool h14_race(const struct model_config *config,
		     const struct model_state *state, unsigned int device,
		     unsigned int half)
{
	const struct model_face *face = face_of(config, device, half);
	struct event_plan plan;
	unsigned int i;

	if (!is_map_event(state) || face->bounced || !face->coherent ||
	    (config->flags & MODEL_H14_RACE))
		return false;
	make_plan(config, state, &plan);
	for (i = 0; i < plan.len; i++)
		if (plan.step[i].phase == SYNC_FOR_CPU &&
		    plan.step[i].peer != LOOP_BACK &&
		    plan.peer[plan.step[i].peer].kind == SYNC_NONCOHERENT)
			return true;
	return false;
}

/**
 * model_conflicts() - whether the driver refuses a mapping (H11)
 * @config: the devices
 * @state: who has mapped
 * @device: who wants to
 * @other: as sync_conflict() sets it
 *
 * Return: true if it is refused.
 */
bool model_conflicts(const struct model_config *config,
		     const struct model_state *state, unsigned int device,
		     unsigned int *other)
{
	struct model_state joined = *state;
	struct event_plan plan;
	unsigned int i;

	for (i = 0; joined.order[i]; i++)
		;
	joined.order[i] = device + 1;
	collect_peers(config, &joined, &plan);
	return sync_conflict(plan.peer, plan.nr, device, other);
}

/*
 * A task died in a write access. What the buffer holds is anybody's guess, so
 * any version that is there may be read; devices may write again when the next
 * access has ended.
 */
static void forget_promises(struct model_cell *cell, unsigned int task)
{
	unsigned int i;

	cell->memory = cell->newest;
	if (cell->line != LINE_ABSENT)
		cell->cached = cell->newest;
	for (i = 0; i < MODEL_DEVICES; i++) {
		cell->slot[i] = cell->newest;
		if (cell->slot_line[i] != LINE_ABSENT)
			cell->slot_cached[i] = cell->newest;
		cell->owed[i] = 0;
	}
	cell->seen[task] = 0;
}

/* Carry out a move that is known to be possible. */
static void play(const struct model_config *config, struct model_state *state,
		 unsigned int move)
{
	unsigned int a = move >> 4 & 15, b = move & 15, half;
	struct model_cell *cell = &state->cell[b & 1];

	switch (move >> 8) {
	case MOVE_STEP:
		step_event(config, state);
		break;
	case MOVE_BEGIN:
		begin_event(config, state, SYNC_BEGIN, a, b);
		break;
	case MOVE_END:
		begin_event(config, state, SYNC_END, a, state->task[a] - 1);
		break;
	case MOVE_MAP:
		begin_event(config, state, SYNC_MAP, a, 0);
		break;
	case MOVE_UNMAP:
		begin_event(config, state, SYNC_UNMAP, a, 0);
		break;
	case MOVE_STORE:
		model_cpu_store(config, state, b);
		break;
	case MOVE_LOAD:
	case MOVE_PREFETCH:
		model_cpu_load(state, b);
		break;
	case MOVE_WRITE:
	case MOVE_WRITE_CACHED:
		model_device_write(config, state, a, b,
				   move >> 8 == MOVE_WRITE_CACHED);
		break;
	case MOVE_EVICT:
		maintain(OP_FLUSH, &cell->memory, &cell->line, &cell->cached);
		break;
	case MOVE_WRITE_BACK:
		maintain(OP_CLEAN, &cell->memory, &cell->line, &cell->cached);
		break;
	case MOVE_EVICT_SLOT:
		maintain(OP_FLUSH, &cell->slot[a], &cell->slot_line[a],
			 &cell->slot_cached[a]);
		break;
	case MOVE_PREFETCH_SLOT:
		load(cell->slot[a], &cell->slot_line[a], &cell->slot_cached[a]);
		break;
	case MOVE_DIE:
		state->task[a] = 0;
		for (half = 0; half < config->halves; half++)
			forget_promises(&state->cell[half], a);
		if ((config->flags & MODEL_PER_PROCESS) && state->count)
			state->count--;
		break;
	case MOVE_STRAY_END:
		start_event(config, state, SYNC_END, STRAY, DMA_TO_DEVICE);
		break;
	}
}

/* Every move that is possible in a state. Returns how many. */
static unsigned int list_moves(const struct model_config *config,
			       const struct model_state *state, u16 *moves,
			       u64 *refused)
{
	const struct model_arch *arch = config->arch;
	unsigned int n = 0, half, i, dir, other;
	bool stores;

	if (state->event)
		moves[n++] = MOVE(MOVE_STEP, 0, 0);

	for (i = 0; !state->event && i < MODEL_TASKS; i++) {
		if (state->task[i]) {
			moves[n++] = MOVE(MOVE_END, i, 0);
			if ((config->flags & MODEL_DYING) &&
			    task_writes(state->task[i]) && state->count < 3)
				moves[n++] = MOVE(MOVE_DIE, i, 0);
			continue;
		}
		/* Tasks are alike: the first idle one begins. */
		if (i && !state->task[0])
			break;
		if (any_task_open(state) && (config->flags & MODEL_ONE_ACCESS))
			break;
		for (dir = DMA_BIDIRECTIONAL; dir <= DMA_FROM_DEVICE; dir++)
			moves[n++] = MOVE(MOVE_BEGIN, i, dir);
	}
	if (!state->event && !state->count &&
	    (config->flags & MODEL_STRAY_END))
		moves[n++] = MOVE(MOVE_STRAY_END, 0, 0);

	for (i = 0; !state->event && i < config->nr_devices; i++) {
		if (is_mapped(state, i))
			moves[n++] = MOVE(MOVE_UNMAP, i, 0);
		else if (refuses(config) &&
			 model_conflicts(config, state, i, &other))
			(*refused)++;
		else
			moves[n++] = MOVE(MOVE_MAP, i, 0);
	}

	stores = any_task_writes(state);
	for (half = 0; half < config->halves; half++) {
		const struct model_cell *cell = &state->cell[half];

		if (stores)
			moves[n++] = MOVE(MOVE_STORE, 0, half);
		if (cell->line == LINE_ABSENT) {
			if (arch->speculates)
				moves[n++] = MOVE(MOVE_PREFETCH, 0, half);
			else if (any_task_open(state))
				moves[n++] = MOVE(MOVE_LOAD, 0, half);
		}
		if (cell->line == LINE_DIRTY) {
			moves[n++] = MOVE(MOVE_EVICT, 0, half);
			/* With speculation: dropped, and read in again. */
			if (!arch->speculates)
				moves[n++] = MOVE(MOVE_WRITE_BACK, 0, half);
		}
		for (i = 0; i < config->nr_devices; i++) {
			const struct model_face *face;

			if (!is_mapped(state, i))
				continue;
			face = face_of(config, i, half);
			if (may_write(config, state, i, half) &&
			    !h14_race(config, state, i, half)) {
				moves[n++] = MOVE(MOVE_WRITE, i, half);
				if (face->coherent && !face->bounced)
					moves[n++] = MOVE(MOVE_WRITE_CACHED, i,
							  half);
			}
			if (!face->bounced || face->coherent)
				continue;
			if (cell->slot_line[i] == LINE_DIRTY)
				moves[n++] = MOVE(MOVE_EVICT_SLOT, i, half);
			else if (cell->slot_line[i] == LINE_ABSENT &&
				 arch->speculates && writes(config, i))
				moves[n++] = MOVE(MOVE_PREFETCH_SLOT, i, half);
		}
	}
	return n;
}

#define MAX_MOVES	64

/* Who would read something too old in this state, on which half. */
static bool is_wrong(const struct model_config *config,
		     const struct model_state *state, unsigned int *who,
		     unsigned int *where)
{
	bool excluded = any_task_writes(state) ||
			(is_cpu_event(state) && state->dir != DMA_FROM_DEVICE);
	unsigned int half, i;

	for (half = 0; half < config->halves; half++) {
		const struct model_cell *cell = &state->cell[half];
		u8 cpu = cell->line == LINE_ABSENT ? cell->memory :
						     cell->cached;

		*where = half;
		for (i = 0; i < MODEL_TASKS; i++) {
			*who = MODEL_DEVICES + i;
			if (state->task[i] && cpu < cell->seen[i])
				return true;
		}
		for (i = 0; !excluded && i < config->nr_devices; i++) {
			*who = i;
			if (may_run(state, i) && reads(config, i) &&
			    model_device_read(config, state, i, half) <
			    cell->owed[i])
				return true;
		}
	}
	return false;
}

/* Exploration. */

static void swap_bytes(u8 *a, u8 *b)
{
	u8 c = *a;

	*a = *b;
	*b = c;
}

/* Tasks differ in nothing but what they do. */
static void order_tasks(const struct model_config *config,
			struct model_state *state)
{
	unsigned int key[MODEL_TASKS], task, half;

	for (task = 0; task < MODEL_TASKS; task++) {
		key[task] = state->task[task] << 1 |
			    (is_cpu_event(state) && state->actor == task);
		for (half = 0; half < config->halves; half++)
			key[task] = key[task] << 3 |
				    state->cell[half].seen[task];
	}
	if (key[0] >= key[1])
		return;

	swap_bytes(&state->task[0], &state->task[1]);
	for (half = 0; half < config->halves; half++)
		swap_bytes(&state->cell[half].seen[0],
			   &state->cell[half].seen[1]);
	if (is_cpu_event(state) && state->actor < MODEL_TASKS)
		state->actor = !state->actor;
}

static u32 device_key(const struct model_config *config,
		      const struct model_state *state, unsigned int device)
{
	unsigned int half, i;
	u32 key = 0;

	for (half = 0; half < config->halves; half++) {
		const struct model_cell *cell = &state->cell[half];

		key = key << 11 | cell->slot[device] |
		      cell->slot_line[device] << 3 |
		      cell->slot_cached[device] << 5 | cell->owed[device] << 8;
	}
	for (i = 0; i < MODEL_DEVICES; i++)
		if (state->order[i] == device + 1)
			key |= (i + 1) << 22;
	return key;
}

static void swap_devices(const struct model_config *config,
			 struct model_state *state, unsigned int a,
			 unsigned int b)
{
	unsigned int half, i;

	for (half = 0; half < config->halves; half++) {
		struct model_cell *cell = &state->cell[half];

		swap_bytes(&cell->slot[a], &cell->slot[b]);
		swap_bytes(&cell->slot_line[a], &cell->slot_line[b]);
		swap_bytes(&cell->slot_cached[a], &cell->slot_cached[b]);
		swap_bytes(&cell->owed[a], &cell->owed[b]);
	}
	for (i = 0; i < MODEL_DEVICES; i++)
		if (state->order[i] == a + 1)
			state->order[i] = b + 1;
		else if (state->order[i] == b + 1)
			state->order[i] = a + 1;
	if (is_map_event(state)) {
		if (state->actor == a)
			state->actor = b;
		else if (state->actor == b)
			state->actor = a;
	}
}

/* Nor do devices of one kind that do the same. */
static void order_devices(const struct model_config *config,
			  struct model_state *state)
{
	unsigned int a, b;

	for (a = 0; a + 1 < config->nr_devices; a++)
		for (b = a + 1; b < config->nr_devices; b++)
			if (config->device[a].kind == config->device[b].kind &&
			    config->device[a].dir == config->device[b].dir &&
			    device_key(config, state, a) <
			    device_key(config, state, b))
				swap_devices(config, state, a, b);
}

/*
 * A reader's slot changes only when its line is written back, so a clean line
 * holds what the slot holds, and might as well be absent.
 */
static void forget_clean_lines(const struct model_config *config,
			       struct model_cell *cell)
{
	unsigned int i;

	for (i = 0; i < config->nr_devices; i++)
		if (!writes(config, i) && cell->slot_line[i] == LINE_CLEAN) {
			cell->slot_line[i] = LINE_ABSENT;
			cell->slot_cached[i] = 0;
		}
}

/* One state for all that cannot be told apart. */
static void canonical(const struct model_config *config,
		      struct model_state *state, u64 *word)
{
	unsigned int half;

	for (half = 0; half < config->halves; half++) {
		forget_clean_lines(config, &state->cell[half]);
		rename_versions(config, &state->cell[half]);
	}
	order_tasks(config, state);
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
	unsigned int n, i, who, where;
	u64 word[3], hashed, *entry;
	u16 moves[MAX_MOVES];
	u32 next, slots;

	model_first_state(config, &from);
	canonical(config, &from, space->node[0].word);
	space->node[0].parent = 0;
	space->node[0].depth = 0;
	found.states = 1;
	slots = grow_table(space, 0, 1);

	for (next = 0; next < found.states; next++) {
		const struct model_node *node = &space->node[next];

		found.depth = node->depth;
		if (config->depth && node->depth >= config->depth) {
			found.cut++;
			continue;
		}
		model_first_state(config, &from);
		unpack(config, node->word, &from);
		n = list_moves(config, &from, moves, &found.refused);
		found.moves += n;
		for (i = 0; i < n; i++) {
			struct model_node *new;

			to = from;
			play(config, &to, moves[i]);
			canonical(config, &to, word);
			hashed = hash(word);
			entry = lookup(space, slots, word, hashed);
			if (*entry)
				continue;
			if (found.states == space->nodes) {
				found.verdict = MODEL_FULL;
				*result = found;
				return;
			}
			new = &space->node[found.states];
			new->word[0] = word[0];
			new->word[1] = word[1];
			new->word[2] = word[2];
			new->parent = next;
			new->depth = node->depth + 1;
			found.states++;
			*entry = hashed >> 32 << 32 | found.states;
			if (is_wrong(config, &to, &who, &where)) {
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

static void put_access(struct text *text, unsigned int task, unsigned int dir)
{
	static const char * const name[] = { "read-write", "write", "read" };

	put(text, " (task ");
	put_number(text, task + 1);
	put(text, ", ");
	put(text, name[dir]);
	put(text, ")");
}

/**
 * model_is_possible() - tell whether an architecture can have such a mix
 * @config: the mix
 *
 * Return: false if a device is bounced where there is no swiotlb, or does not
 * snoop where all do.
 */
bool model_is_possible(const struct model_config *config)
{
	unsigned int i, half;

	for (i = 0; i < config->nr_devices; i++)
		for (half = 0; half < MODEL_HALVES; half++)
			if ((config->arch->no_slots &&
			     face_of(config, i, half)->bounced) ||
			    (config->arch->all_snoop &&
			     !face_of(config, i, half)->coherent))
				return false;
	return true;
}

/**
 * model_is_like() - find an architecture that the driver's plan cannot tell
 * @arch: an architecture
 *
 * The driver never maps FROM_DEVICE, so that column makes no difference.
 *
 * Return: the first with the same behaviour, @arch if there is none.
 */
const struct model_arch *model_is_like(const struct model_arch *arch)
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
	       like->all_snoop != arch->all_snoop ||
	       like->no_slots != arch->no_slots)
		like++;
	return like;
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
}

static void put_half(struct text *text, const struct model_config *config,
		     unsigned int half)
{
	put(text, config->halves > 1 ? (half ? " half 1" : " half 0") : " it");
}

static void put_event(struct text *text, const struct model_state *state)
{
	switch (state->event - 1) {
	case SYNC_BEGIN:
	case SYNC_END:
		put(text, is_event(state, SYNC_BEGIN) ? "begin" : "end");
		if (state->actor == STRAY)
			put(text, " (nobody's, write)");
		else
			put_access(text, state->actor, state->dir);
		break;
	case SYNC_MAP:
		put(text, "map of ");
		put_device(text, state->actor);
		break;
	case SYNC_UNMAP:
		put(text, "unmap of ");
		put_device(text, state->actor);
		break;
	}
}

static void put_micro(struct text *text, const struct model_config *config,
		      const struct model_state *state)
{
	static const char * const op_name[] = {
		"nothing", "clean", "invalidate", "clean and invalidate",
	};
	const struct model_step *step;
	struct event_plan plan;
	unsigned int half;
	bool for_cpu;

	put_event(text, state);
	put(text, ": ");
	if (state->pc < PC_STEPS) {
		put(text, "pages -> slot");
		return;
	}
	make_plan(config, state, &plan);
	step = &plan.step[(state->pc - PC_STEPS) / PC_PER_STEP];
	for_cpu = step->phase == SYNC_FOR_CPU;
	half = (state->pc - PC_STEPS) % PC_PER_STEP / 2;
	put(text, for_cpu ? "for_cpu(" : "for_device(");
	if (step->peer == LOOP_BACK)
		put(text, "own device");
	else
		put_device(text, plan.device[step->peer]);
	put(text, ", ");
	put(text, dir_name(step->dir));
	put(text, "): ");
	if (((state->pc - PC_STEPS) & 1) == for_cpu) {
		put(text, for_cpu ? "slot -> pages" : "pages -> slot");
	} else {
		put(text, op_name[for_cpu ?
				  config->arch->for_cpu[step->dir] :
				  config->arch->for_device[step->dir]]);
		if (step->peer != LOOP_BACK &&
		    face_of(config, plan.device[step->peer], half)->bounced)
			put(text, " slot");
	}
	if (config->halves > 1)
		put_half(text, config, half);
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
	case MOVE_MAP:
	case MOVE_UNMAP:
		started.event = 1 + (move >> 8 == MOVE_BEGIN ? SYNC_BEGIN :
				     move >> 8 == MOVE_END ? SYNC_END :
				     move >> 8 == MOVE_MAP ? SYNC_MAP :
							     SYNC_UNMAP);
		started.actor = a;
		started.dir = b;
		if (move >> 8 == MOVE_END)
			started.dir = state->task[a] - 1;
		put_event(text, &started);
		if (move >> 8 == MOVE_MAP) {
			put(text, ", ");
			put(text, dir_name(mapped_dir(config, a)));
		}
		return;
	case MOVE_STORE:
		put(text, "the CPU stores to");
		break;
	case MOVE_LOAD:
		put(text, "the CPU loads");
		break;
	case MOVE_PREFETCH:
		put(text, "the CPU reads ahead");
		break;
	case MOVE_EVICT:
		put(text, "the cache writes back and drops");
		break;
	case MOVE_WRITE_BACK:
		put(text, "the cache writes back");
		break;
	case MOVE_WRITE:
	case MOVE_WRITE_CACHED:
		put_device(text, a);
		put(text, " writes");
		put_half(text, config, b);
		if (move >> 8 == MOVE_WRITE_CACHED)
			put(text, ", which stays in a cache");
		return;
	case MOVE_EVICT_SLOT:
		put(text, "the cache writes back ");
		put_device(text, a);
		put(text, "'s slot");
		return;
	case MOVE_PREFETCH_SLOT:
		put(text, "the CPU reads ahead in ");
		put_device(text, a);
		put(text, "'s slot");
		return;
	case MOVE_DIE:
		put(text, "task ");
		put_number(text, a + 1);
		put(text, " dies without an END");
		return;
	case MOVE_STRAY_END:
		put(text, "end (nobody's, write)");
		return;
	}
	put_half(text, config, b);
}

static void put_line(struct text *text, u8 line, u8 cached)
{
	if (line == LINE_ABSENT) {
		put(text, "-");
		return;
	}
	put_number(text, cached);
	put(text, line == LINE_DIRTY ? " dirty" : " clean");
}

static void put_cell(struct text *text, const struct model_config *config,
		     const struct model_state *state, unsigned int half)
{
	const struct model_cell *cell = &state->cell[half];
	unsigned int i;

	put(text, "| page ");
	put_number(text, cell->memory);
	put(text, "  line ");
	put_line(text, cell->line, cell->cached);
	for (i = 0; i < config->nr_devices; i++) {
		const struct model_face *face = face_of(config, i, half);

		if (!face->bounced || !is_mapped(state, i))
			continue;
		put(text, "  slot ");
		put_device(text, i);
		put(text, " ");
		put_number(text, cell->slot[i]);
		if (!face->coherent && cell->slot_line[i] != LINE_ABSENT) {
			put(text, " (line ");
			put_line(text, cell->slot_line[i],
				 cell->slot_cached[i]);
			put(text, ")");
		}
	}
}

static void put_end(struct text *text, const struct model_config *config,
		    const struct model_state *state)
{
	const struct model_cell *cell;
	unsigned int who, where;

	if (!is_wrong(config, state, &who, &where))
		return;
	cell = &state->cell[where];
	put(text, "    WRONG: ");
	if (who < MODEL_DEVICES) {
		put_device(text, who);
		put(text, " reads version ");
		put_number(text, model_device_read(config, state, who, where));
		put(text, " and was promised ");
		put_number(text, cell->owed[who]);
	} else {
		put(text, "task ");
		put_number(text, who - MODEL_DEVICES + 1);
		put(text, " reads version ");
		put_number(text, cell->line == LINE_ABSENT ? cell->memory :
							     cell->cached);
		put(text, " and was promised ");
		put_number(text, cell->seen[who - MODEL_DEVICES]);
	}
	if (config->halves > 1) {
		put(text, " on");
		put_half(text, config, where);
	}
}

#define STORY_MOVES	96
#define STORY_COLUMN	72

/**
 * model_story() - tell the way to the wrong state
 * @config: what was explored
 * @space: as model_explore() left it
 * @result: what it found
 * @emit: called for each line
 * @context: for @emit
 *
 * Versions are not renamed here: they count the writes.
 */
void model_story(const struct model_config *config,
		 const struct model_space *space,
		 const struct model_result *result, model_emit emit,
		 void *context)
{
	struct model_state state, next;
	u32 path[STORY_MOVES], at;
	u16 moves[MAX_MOVES];
	unsigned int n = 0, i, m, ways, half;
	char line[240];
	u64 refused, word[3];

	if (result->verdict != MODEL_WRONG)
		return;
	for (at = result->bad; at && n < STORY_MOVES;
	     at = space->node[at].parent)
		path[n++] = at;

	model_first_state(config, &state);
	for (i = 0; i < n; i++) {
		struct text text = { line, sizeof(line), 0 };

		/* The path has canonical names, the story keeps its own. */
		ways = list_moves(config, &state, moves, &refused);
		for (m = 0; m < ways; m++) {
			next = state;
			play(config, &next, moves[m]);
			canonical(config, &next, word);
			if (same(word, space->node[path[n - 1 - i]].word))
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
		play(config, &state, moves[m]);
		for (half = 0; half < config->halves; half++) {
			put_to_column(&text, STORY_COLUMN + 32 * half);
			put_cell(&text, config, &state, half);
		}
		emit(context, line);
	}

	{
		struct text text = { line, sizeof(line), 0 };

		put_end(&text, config, &state);
		emit(context, line);
	}
}
