/* SPDX-License-Identifier: GPL-2.0 */
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
 * Plain C without a library; the same files are part of the KUnit suite and of
 * the native program in tools/model. Memory comes from the caller. The model
 * must not know how sync_plan.c decides, only what it decided.
 *
 * This is what its users see. model_contract.c says what is promised; the other
 * files stand in the order of model_layers.h.
 */
#ifndef UDMABUF_FANOUT_MODEL_H
#define UDMABUF_FANOUT_MODEL_H

#include "../driver/sync_plan.h"

#ifdef __KERNEL__
#include <linux/array_size.h>
#include <linux/bits.h>
#include <linux/prefetch.h>
#else
#include <stddef.h>
#include <stdint.h>
typedef uint8_t u8;
typedef uint16_t u16;
typedef uint32_t u32;
typedef uint64_t u64;
#define ARRAY_SIZE(array)	(sizeof(array) / sizeof((array)[0]))
#define BIT(nr)			(1UL << (nr))
#define prefetch(address)	__builtin_prefetch(address)
#endif

#define MODEL_DEVICES	3
#define MODEL_LINES	2
#define MODEL_BYTES	2
#define MODEL_WRITES	4	/* in a history that is explored */
#define MODEL_VALUES	8	/* in any */
#define MODEL_PEERS	(2 * MODEL_DEVICES)
/* Of a begin and an end, and one more for each peer. */
#define MODEL_STEPS	(2 * SYNC_PLAN_MAX(MODEL_PEERS) + MODEL_PEERS)

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
	bool all_snoop;
};

extern const struct model_arch model_archs[];
extern const unsigned int model_nr_archs;

/**
 * struct model_face - what a device is on one line of the buffer
 * @part: which part of its mapping the line belongs to
 * @snoops: it snoops the CPU's caches
 * @copies: it uses a copy
 */
struct model_face {
	u8 part;
	bool snoops;
	bool copies;
};

/**
 * struct model_kind - a kind of device, as the plan sees it and as it is
 * @name: for people
 * @nr_parts: how many parts its mapping has
 * @part: what the plan is told about each
 * @face: what it really is, on each line
 */
struct model_kind {
	const char *name;
	unsigned int nr_parts;
	enum sync_kind part[2];
	struct model_face face[MODEL_LINES];
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

/*
 * Plans: the driver's, and those known to be wrong. Up to the first stage's
 * they bounce through swiotlb slots instead of merging copies.
 */
enum model_plan {
	PLAN_DRIVER,
	PLAN_STOCK,
	PLAN_ACCESS_DIRECTION,
	PLAN_FIRST_STAGE,
	PLAN_SWAPPED,
	PLAN_REVERSED,
	PLAN_NO_H3,
	PLAN_NO_H4,
	PLAN_NO_H4_CLEAN,
	PLAN_NO_H5,
	PLAN_NO_H6,
	PLAN_NO_H6_OPEN,
	PLAN_NO_H9,
	PLAN_NO_H13,
	PLAN_NO_H13_OTHERS,
	PLAN_NO_H13_BEFORE,
	PLAN_NO_H14,
	PLAN_NO_H15,
	PLAN_NO_H15_ATOMIC,
	PLAN_NO_H15_ORDER,
	PLAN_NO_H15_DEAD,
	PLAN_NO_H15_KERNEL,
	PLAN_NO_H15_OWN,
	PLAN_NO_H18,
	PLAN_NOT_LAZY,
	PLAN_END_OF_OWN,
	PLAN_WHOLE_COPY,
	PLAN_FETCH_KEEPS_TWIN,
	PLAN_PUSH_KEEPS_TWIN,
	PLAN_COPY_NOT_INVALIDATED,
	PLAN_COPY_NOT_CLEANED,
	PLAN_NEW_COPY_DIRTY,
	MODEL_NR_PLANS,
};

/*
 * Excuses that are not granted, for the stories of docs/hazards.md, and moves
 * that are left out or added.
 */
#define MODEL_STRICT_LINES	BIT(0) /* writes of one line, no snooping */
#define MODEL_STRICT_LOOSE	BIT(1) /* stores outside of any access */
#define MODEL_STRICT_H14	BIT(2) /* coherent writes between two steps */
#define MODEL_KERNEL		BIT(3) /* a kernel mapping comes and goes */

/**
 * struct model_step - one step of a plan
 * @peer: as in struct sync_step
 * @op: likewise
 * @dir: the direction of a sync
 */
struct model_step {
	u8 peer;
	u8 op;
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
 * @shared: devices that use copies and snoop alike use the same one
 * @lines: 1 or 2; one is enough where devices have one face
 * @bytes: 1 or 2 in a line, 1 if there are two lines
 * @writes: longest history in writes, up to MODEL_WRITES
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
	bool shared;
	unsigned int lines;
	unsigned int bytes;
	unsigned int writes;
	unsigned int flags;
	unsigned int depth;
	model_edit edit;
	void *edit_context;
};

#define MODEL_WORDS	3
#define MODEL_MOVES	64

/* A state, as model_states.c packs it. */
struct model_node {
	u64 word[MODEL_WORDS];
	u32 parent;
	u32 depth;
};

/**
 * struct model_space - memory for an exploration
 * @node: room for @nodes states
 * @nodes: how many fit
 * @table: room for @slots entries
 * @slots: a power of two, at least twice @nodes
 * @word: the states that one leads to
 * @hash: their hashes
 */
struct model_space {
	struct model_node *node;
	u32 nodes;
	u64 *table;
	u32 slots;
	u64 word[MODEL_MOVES][MODEL_WORDS];
	u64 hash[MODEL_MOVES];
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
 * @depth: moves in the longest of the shortest ways to a state
 * @cut: states that were not followed because of &model_config.depth
 * @bad: the wrong state
 */
struct model_result {
	enum model_verdict verdict;
	u32 states;
	u64 moves;
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
void model_describe_mix(const struct model_config *config, char *text,
			unsigned int size);

/* A state laid open, for the DMA layer and its tests. */
enum model_line {
	LINE_ABSENT,
	LINE_CLEAN,
	LINE_DIRTY,
};

/**
 * struct model_memory - one line of memory, and of the CPU's cache
 * @byte: values in memory
 * @line: an enum model_line
 * @cached: values in the line
 */
struct model_memory {
	u8 byte[MODEL_BYTES];
	u8 line;
	u8 cached[MODEL_BYTES];
};

/**
 * struct model_write - one write of a history
 * @writer: MODEL_CPU or a device
 * @place: the byte, counted over all lines
 * @knew: mask of writes that its writer had been promised
 */
struct model_write {
	u8 writer;
	u8 place;
	u8 knew;
};

#define MODEL_CPU	MODEL_DEVICES	/* as a view and as a writer */
#define MODEL_VIEWS	(MODEL_DEVICES + 1)
#define MODEL_INITIAL	1		/* the value of all before any write */

/**
 * enum model_event - what is under way
 * @EVENT_NONE: nothing
 * @EVENT_BEGIN: SYNC_BEGIN
 * @EVENT_END: SYNC_END
 * @EVENT_MAP: both, a mapping joins after the first
 * @EVENT_UNMAP: both, it is about to leave
 */
enum model_event {
	EVENT_NONE,
	EVENT_BEGIN,
	EVENT_END,
	EVENT_MAP,
	EVENT_UNMAP,
};

/**
 * struct model_state - everything
 * @page: the pages
 * @copy: each device's copy, or that of the first that shares it
 * @twin: what pages and copy last agreed on
 * @mapped: mask of devices
 * @open: processes that live have write accesses open
 * @dead: one died in a write access: before this event 1, in it 2
 * @kernel: a kernel mapping is there
 * @believed: a wrong plan's idea of @open
 * @event: an enum model_event
 * @actor: the device it is about
 * @dir: the access direction it is about
 * @counted: MODEL_OWN of an end that the driver counts, MODEL_PROMISED of one
 *	that promises stores
 * @pc: the next micro-step
 * @since: writes that there were when it began
 * @found: a merge has moved something in it
 * @quiet: how far a START and an END have come without a write
 * @nr_writes: writes so far
 * @write: the writes, by value
 * @known: what each view has been promised, a mask of writes
 * @conflicts: writes of which one is kept, conflicts by line
 * @dropped: writes that an invalidate has dropped, and was allowed to
 * @loose: stores outside of any access, and writes of coherent devices, that
 *	are in a cache only; of the former until an END
 * @unpushed: stores that no END has promised to devices
 */
struct model_state {
	struct model_memory page[MODEL_LINES];
	struct model_memory copy[MODEL_LINES][MODEL_DEVICES];
	u8 twin[MODEL_LINES][MODEL_DEVICES][MODEL_BYTES];
	u8 mapped;
	u8 open;
	u8 dead;
	u8 kernel;
	u8 believed;
	u8 event;
	u8 actor;
	u8 dir;
	u8 counted;
	u16 pc;
	u8 since;
	u8 found;
	u8 quiet;
	u8 nr_writes;
	struct model_write write[MODEL_VALUES];
	u8 known[MODEL_VIEWS];
	u8 conflicts;
	u8 dropped;
	u8 loose;
	u8 unpushed;
};

#define MODEL_OWN	BIT(0)
#define MODEL_PROMISED	BIT(1)
#define MODEL_COUNTED	BIT(2)

void model_first_state(const struct model_config *config,
		       struct model_state *state);
bool model_refuses(const struct model_config *config,
		   const struct model_state *state, unsigned int device);
void model_event(const struct model_config *config, struct model_state *state,
		 enum model_event event, unsigned int actor, unsigned int dir,
		 bool own);
void model_sync(const struct model_config *config, struct model_state *state,
		unsigned int device, unsigned int line, enum sync_op op,
		enum dma_data_direction dir);
void model_fill_slot(const struct model_config *config,
		     struct model_state *state, unsigned int device,
		     unsigned int line);
void model_cpu_store(const struct model_config *config,
		     struct model_state *state, unsigned int place);
u8 model_cpu_load(const struct model_config *config, struct model_state *state,
		  unsigned int place);
void model_device_write(const struct model_config *config,
			struct model_state *state, unsigned int device,
			unsigned int place, bool stays_in_cache);
u8 model_device_read(const struct model_config *config,
		     const struct model_state *state, unsigned int device,
		     unsigned int place);
u8 model_newest(const struct model_state *state, unsigned int place);

#endif /* UDMABUF_FANOUT_MODEL_H */
