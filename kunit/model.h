/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The model that judges the sync plan: pages, CPU cache lines, bounce slots,
 * devices and an adversary, explored until no new state turns up.
 *
 * Plain C without a library; the same file is part of the KUnit suite and of
 * the native program in tools/model. Memory comes from the caller. It must not
 * know how sync_plan.c decides, only what it decided.
 */
#ifndef UDMABUF_FANOUT_MODEL_H
#define UDMABUF_FANOUT_MODEL_H

#include "../driver/sync_plan.h"

#ifdef __KERNEL__
#include <linux/array_size.h>
#include <linux/bits.h>
#else
#include <stddef.h>
#include <stdint.h>
typedef uint8_t u8;
typedef uint16_t u16;
typedef uint32_t u32;
typedef uint64_t u64;
#define ARRAY_SIZE(array)	(sizeof(array) / sizeof((array)[0]))
#define BIT(nr)			(1UL << (nr))
#endif

#define MODEL_DEVICES	4
#define MODEL_HALVES	2
#define MODEL_TASKS	2
#define MODEL_PEERS	(2 * MODEL_DEVICES)
#define MODEL_STEPS	SYNC_PLAN_MAX(MODEL_PEERS)

/* What cache maintenance does to a line. */
enum model_op {
	OP_NONE,
	OP_CLEAN,
	OP_INVALIDATE,
	OP_FLUSH,		/* clean and invalidate, in one go */
};

/**
 * struct model_arch - how an architecture maintains its caches
 * @name: what the behaviour is called
 * @files: where it is written down
 * @for_device: arch_sync_dma_for_device(), by direction
 * @for_cpu: arch_sync_dma_for_cpu(), by direction
 * @speculates: a line may be read into the cache at any moment
 * @write_through: no line is ever dirty
 * @no_slots: has no swiotlb where devices do not snoop
 * @all_snoop: all devices are coherent
 * @supported: a buffer mapped bidirectionally can work there at all
 */
struct model_arch {
	const char *name;
	const char *files;
	u8 for_device[3];
	u8 for_cpu[3];
	bool speculates;
	bool write_through;
	bool supported;
	bool no_slots;
	bool all_snoop;
};

extern const struct model_arch model_archs[];
extern const unsigned int model_nr_archs;

/**
 * struct model_face - what a device is on one half of the buffer
 * @part: which part of its mapping the half belongs to
 * @coherent: it snoops the CPU's caches
 * @bounced: it uses a slot
 */
struct model_face {
	u8 part;
	bool coherent;
	bool bounced;
};

/**
 * struct model_kind - a kind of device, as the plan sees it and as it is
 * @name: for people
 * @nr_parts: how many parts its mapping has
 * @part: what the plan is told about each
 * @face: what it really is, on each half
 */
struct model_kind {
	const char *name;
	unsigned int nr_parts;
	enum sync_kind part[2];
	struct model_face face[MODEL_HALVES];
};

extern const struct model_kind model_kinds[];
extern const unsigned int model_nr_kinds;

/**
 * struct model_device - a device of a mix
 * @kind: index into model_kinds
 * @dir: the direction its importer asks for
 */
struct model_device {
	u8 kind;
	u8 dir;
};

/* Plans: the driver's, and those known to be wrong. */
enum model_plan {
	PLAN_DRIVER,
	PLAN_STOCK,
	PLAN_ACCESS_DIRECTION,
	PLAN_FIRST_PEER,
	PLAN_LAST_PEER,
	PLAN_SWAPPED,
	PLAN_REVERSED,
	PLAN_NO_H2,
	PLAN_NO_H3,
	PLAN_NO_H4,
	PLAN_NO_H5,
	PLAN_NO_H6,
	PLAN_NO_H9,
	PLAN_NO_H11,
	PLAN_NO_H12,
	PLAN_NO_H13,
	PLAN_NO_H13_SLOT,
	PLAN_NO_H14,
	PLAN_H15_CLEAN,
	PLAN_NO_H15,
	PLAN_NO_H18,
	MODEL_NR_PLANS,
};

/*
 * What user space and importers may do beyond the contract, for the stories of
 * docs/hazards.md, and two contracts that can be asked for instead.
 */
#define MODEL_ALLOW_CONFLICT	BIT(0) /* bounce_conflict=allow */
#define MODEL_ONE_WRITER	BIT(1) /* with it: only bounced writers write */
#define MODEL_H14_RACE		BIT(2) /* coherent writes while a map fetches */
#define MODEL_WRITE_IN_READ	BIT(3) /* devices write while the CPU reads */
#define MODEL_DYING		BIT(4) /* a task dies in a write access */
#define MODEL_STRAY_END		BIT(5) /* an END(write) without its START */
#define MODEL_PER_PROCESS	BIT(6) /* open accesses die with their task */
#define MODEL_ONE_ACCESS	BIT(7) /* CPU accesses do not overlap */

struct model_step {
	u8 peer;
	u8 phase;
	u8 dir;
};

struct model_config;

/* Changes a plan; returns its new length. */
typedef unsigned int (*model_edit)(const struct model_config *config,
				   const struct sync_peer *peers,
				   unsigned int nr,
				   const struct sync_access *access,
				   struct model_step *steps, unsigned int len);

/**
 * struct model_config - one exploration
 * @arch: how caches behave
 * @policy: the driver's sync_policy
 * @plan: which plan
 * @device: the mix
 * @nr_devices: how many devices it has
 * @halves: 1 or 2; one half is enough where devices have one face
 * @flags: MODEL_*
 * @depth: longest history in moves, 0 for all
 * @edit: changes each plan before it is used, or NULL
 * @edit_context: for @edit
 */
struct model_config {
	const struct model_arch *arch;
	enum sync_policy policy;
	enum model_plan plan;
	struct model_device device[MODEL_DEVICES];
	unsigned int nr_devices;
	unsigned int halves;
	unsigned int flags;
	unsigned int depth;
	model_edit edit;
	void *edit_context;
};

/* A state: control, and one word for each half; see pack(). */
struct model_node {
	u64 word[1 + MODEL_HALVES];
	u32 parent;
	u32 depth;
};

/**
 * struct model_space - memory for an exploration
 * @node: room for @nodes states
 * @nodes: how many fit
 * @table: room for @slots entries
 * @slots: a power of two, at least twice @nodes
 */
struct model_space {
	struct model_node *node;
	u32 nodes;
	u64 *table;
	u32 slots;
};

enum model_verdict {
	MODEL_RIGHT,
	MODEL_WRONG,
	MODEL_FULL,
};

/**
 * struct model_result - what an exploration found
 * @verdict: right, wrong, or out of memory
 * @states: states explored
 * @moves: moves tried
 * @refused: maps that the plan refused (H11)
 * @depth: moves in the longest of the shortest ways to a state
 * @cut: states that were not followed because of &model_config.depth
 * @bad: the wrong state
 */
struct model_result {
	enum model_verdict verdict;
	u32 states;
	u64 moves;
	u64 refused;
	u32 depth;
	u32 cut;
	u32 bad;
};

typedef void (*model_emit)(void *context, const char *line);

void model_explore(const struct model_config *config,
		   struct model_space *space, struct model_result *result);
void model_story(const struct model_config *config,
		 const struct model_space *space,
		 const struct model_result *result, model_emit emit,
		 void *context);
bool model_is_possible(const struct model_config *config);
const struct model_arch *model_is_like(const struct model_arch *arch);
void model_describe_mix(const struct model_config *config, char *text,
			unsigned int size);
unsigned int model_plan_steps(const struct model_config *config,
			      const struct sync_peer *peers, unsigned int nr,
			      const struct sync_access *access,
			      struct model_step *steps);

/* A state laid open, for the DMA layer and its tests. */
enum model_line {
	LINE_ABSENT,
	LINE_CLEAN,
	LINE_DIRTY,
};

/**
 * struct model_cell - one half of the buffer
 * @memory: version in memory
 * @line: the CPU's line
 * @cached: version in it
 * @newest: the version written last
 * @slot: version in each device's slot
 * @slot_line: the CPU's line of the slot
 * @slot_cached: version in it
 * @owed: what each device must at least read
 * @seen: what each task must at least read
 */
struct model_cell {
	u8 memory;
	u8 line;
	u8 cached;
	u8 newest;
	u8 slot[MODEL_DEVICES];
	u8 slot_line[MODEL_DEVICES];
	u8 slot_cached[MODEL_DEVICES];
	u8 owed[MODEL_DEVICES];
	u8 seen[MODEL_TASKS];
};

/**
 * struct model_state - everything
 * @cell: the halves
 * @order: mapped devices plus one in the order of their mapping, then zeros
 * @task: what each task has open: 0, or 1 + its access direction
 * @event: what is under way: 0, or 1 + an enum sync_event
 * @actor: the task or device it is about
 * @dir: the access direction it is about
 * @pc: the next micro-step
 * @count: write accesses that the driver believes to be open
 */
struct model_state {
	struct model_cell cell[MODEL_HALVES];
	u8 order[MODEL_DEVICES];
	u8 task[MODEL_TASKS];
	u8 event;
	u8 actor;
	u8 dir;
	u8 pc;
	u8 count;
};

void model_first_state(const struct model_config *config,
		       struct model_state *state);
bool model_conflicts(const struct model_config *config,
		     const struct model_state *state, unsigned int device,
		     unsigned int *other);
void model_event(const struct model_config *config, struct model_state *state,
		 enum sync_event event, unsigned int actor, unsigned int dir);
void model_sync(const struct model_config *config, struct model_state *state,
		unsigned int device, unsigned int half,
		enum sync_phase phase, enum dma_data_direction dir);
void model_fill_slot(const struct model_config *config,
		     struct model_state *state, unsigned int device,
		     unsigned int half);
void model_cpu_store(const struct model_config *config,
		     struct model_state *state, unsigned int half);
u8 model_cpu_load(struct model_state *state, unsigned int half);
void model_device_write(const struct model_config *config,
			struct model_state *state, unsigned int device,
			unsigned int half, bool stays_in_cache);
u8 model_device_read(const struct model_config *config,
		     const struct model_state *state, unsigned int device,
		     unsigned int half);

#endif /* UDMABUF_FANOUT_MODEL_H */
