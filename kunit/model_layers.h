/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What stands on the world, from the ground up: memory, the contract, plans,
 * events, moves, states; then the search, and stories of what it found. A file
 * calls what is above its own part of this header, and nothing below.
 */
#ifndef UDMABUF_FANOUT_MODEL_LAYERS_H
#define UDMABUF_FANOUT_MODEL_LAYERS_H

#include "model_world.h"

/* model_memory.c */

u8 model_load_page(const struct model_config *config,
		   struct model_state *state, unsigned int line,
		   unsigned int byte);
void model_store_page(const struct model_config *config,
		      struct model_state *state, unsigned int line,
		      unsigned int byte, u8 value);
u8 model_load_copy(const struct model_config *config,
		   struct model_state *state, unsigned int copy,
		   unsigned int line, unsigned int byte);
void model_store_copy(const struct model_config *config,
		      struct model_state *state, unsigned int copy,
		      unsigned int line, unsigned int byte, u8 value);
void model_maintain_page(const struct model_config *config,
			 struct model_state *state, unsigned int line,
			 enum model_op op);
bool model_sync_micro(const struct model_config *config,
		      struct model_state *state, unsigned int device,
		      const struct model_face *face, unsigned int line,
		      enum sync_op op, enum dma_data_direction dir,
		      bool second, bool doit);

/* model_contract.c */

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

u8 model_note_write(const struct model_config *config,
		    struct model_state *state, unsigned int writer,
		    unsigned int place);
u8 model_note_store(const struct model_config *config,
		    struct model_state *state, unsigned int place);
void model_note_dropped(const struct model_config *config,
			struct model_state *state, unsigned int line,
			bool cleaned);
void model_note_call(struct model_state *state);
void model_note_return(const struct model_config *config,
		       struct model_state *state);
void model_forget(const struct model_config *config,
		  struct model_state *state);
bool model_is_wrong(const struct model_config *config,
		    const struct model_state *state,
		    struct complaint *what);

/* model_exporters.c */

/* A sync of the exporter's own mapping of the pages, as stock udmabuf does. */
#define LOOP_BACK	0xff

/**
 * struct event_plan - the plan of an event
 * @peer: what is mapped, as the plan sees it
 * @device: whose mapping each is
 * @part: which part of it
 * @nr: how many there are
 * @step: the steps
 * @len: how many
 */
struct event_plan {
	struct sync_peer peer[MODEL_PEERS];
	u8 device[MODEL_PEERS];
	u8 part[MODEL_PEERS];
	unsigned int nr;
	struct model_step step[MODEL_STEPS];
	unsigned int len;
};

static inline void add_step(struct model_step *steps, unsigned int *len,
			    unsigned int peer, enum sync_op op,
			    unsigned int dir)
{
	steps[*len].peer = peer;
	steps[*len].op = op;
	steps[*len].dir = dir;
	(*len)++;
}

unsigned int model_plan_first_stage(const struct sync_peer *peers,
				    unsigned int nr,
				    const struct sync_access *access,
				    struct model_step *steps);
void model_plan_stock(const struct model_state *state,
		      struct event_plan *plan);
void model_plan_access_direction(const struct model_state *state,
				 struct event_plan *plan);

/* model_steps.c */

unsigned int model_plan_steps(const struct model_config *config,
			      const struct sync_peer *peers, unsigned int nr,
			      const struct sync_access *access,
			      struct model_step *steps);

/* model_plan.c */

void model_make_plan(const struct model_config *config,
		     const struct model_state *state,
		     struct event_plan *plan);

/* model_events.c */

/*
 * Micro-steps: those of mapping itself, then of each step. Of a fetch or a push
 * there are, for each line of each copy, for_cpu of the copy, the merge of each
 * byte, and for_device of the copy.
 */
#define PC_PER_COPY	(MODEL_BYTES + 2)
#define PC_PER_STEP	(MODEL_DEVICES * MODEL_LINES * PC_PER_COPY)

/**
 * struct place_in_plan - a micro-step on the pages
 * @step: the step it belongs to
 * @line: of which line
 * @op: which sync
 * @second: its second half
 */
struct place_in_plan {
	const struct model_step *step;
	unsigned int line;
	enum sync_op op;
	bool second;
};

bool model_locate(const struct model_config *config,
		  const struct event_plan *plan, unsigned int pc,
		  struct place_in_plan *at);
bool model_holds_stores(const struct model_config *config,
			const struct event_plan *plan, unsigned int pc);
void model_leave(const struct model_config *config, struct model_state *state,
		 unsigned int device);
void model_begin_event(const struct model_config *config,
		       struct model_state *state, enum model_event event,
		       unsigned int actor, unsigned int dir, bool own);
void model_step_event(const struct model_config *config,
		      const struct event_plan *plan,
		      struct model_state *state);

/* model_moves.c */

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

unsigned int model_list_moves(const struct model_config *config,
			      const struct model_state *state,
			      struct event_plan *plan, u16 *moves);
void model_play(const struct model_config *config,
		const struct event_plan *plan, struct model_state *state,
		unsigned int move);

/* model_states.c */

void model_unpack(const struct model_config *config, u64 *word,
		  struct model_state *state);
void model_canonical(const struct model_config *config,
		     struct model_state *state, u64 *word);

static inline bool same(const u64 *a, const u64 *b)
{
	return a[0] == b[0] && a[1] == b[1] && a[2] == b[2];
}

/* model_search.c */

bool model_follow(const struct model_config *config,
		  const struct model_state *state, const u64 *word,
		  struct model_state *next, unsigned int *move);

#endif /* UDMABUF_FANOUT_MODEL_LAYERS_H */
