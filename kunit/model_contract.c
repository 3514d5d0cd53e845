// SPDX-License-Identifier: GPL-2.0
/*
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
 * Nothing here knows how a plan keeps a promise; it hears of a write, of a call
 * and its return, of what a cache has dropped, and judges what is read.
 */
#include "model_layers.h"

static u8 excused(const struct model_state *state)
{
	return state->conflicts | state->dropped;
}

/* All writes up to and with @value. */
static u8 up_to(unsigned int value)
{
	return (1 << (value - MODEL_INITIAL)) - 1;
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

/* Writes. */

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

/**
 * model_note_write() - somebody writes
 * @config: the architecture and the devices
 * @state: changed
 * @writer: MODEL_CPU or a device
 * @place: which byte
 *
 * Return: the value of the write.
 */
u8 model_note_write(const struct model_config *config,
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
	state->quiet = QUIET_NOT;
	return value;
}

/**
 * model_note_store() - the CPU stores
 * @config: the architecture and the devices
 * @state: changed
 * @place: which byte
 *
 * Return: the value of the write.
 */
u8 model_note_store(const struct model_config *config,
		    struct model_state *state, unsigned int place)
{
	u8 value = model_note_write(config, state, MODEL_CPU, place);
	unsigned int i;

	state->unpushed |= mask_of(value);
	if (state->open || state->kernel)
		return value;
	for (i = 0; i < config->nr_devices; i++)
		if (is_mapped(state, i) &&
		    is_noncoherent_writer(config, i, line_of(config, place)))
			state->loose |= mask_of(value);
	return value;
}

/**
 * model_note_dropped() - an invalidate drops a dirty line of the pages
 * @config: which excuses are granted
 * @state: changed
 * @line: which line
 * @cleaned: the same event has cleaned it before
 *
 * What of it may be lost is excused.
 */
void model_note_dropped(const struct model_config *config,
			struct model_state *state, unsigned int line,
			bool cleaned)
{
	u8 dropped = state->loose & written_to(config, state, line);
	unsigned int i;

	if (state->event == EVENT_END)
		return;
	for (i = MODEL_INITIAL + 1; i <= last_write(state); i++) {
		if (!(dropped & mask_of(i)))
			continue;
		if (state->write[i].writer == MODEL_CPU ?
		    !(config->flags & MODEL_STRICT_LOOSE) :
		    !(config->flags & MODEL_STRICT_H14) && cleaned)
			state->dropped |= mask_of(i);
	}
}

/* Promises. */

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

/**
 * model_note_call() - an event begins
 * @state: changed: the event has not changed it yet
 */
void model_note_call(struct model_state *state)
{
	switch (state->event) {
	case EVENT_BEGIN:
		if (state->quiet == QUIET_NOT)
			state->quiet = QUIET_BEGINS;
		break;
	case EVENT_END:
		if (is_write(state->dir) || state->open || state->kernel)
			state->counted |= MODEL_PROMISED;
		if (state->quiet == QUIET_BEGUN &&
		    (state->counted & MODEL_PROMISED || !state->unpushed))
			state->quiet = QUIET_ENDS;
		break;
	case EVENT_MAP:
	case EVENT_UNMAP:
		if (state->quiet != QUIET_AGREED)
			state->quiet = QUIET_CHANGES;
		break;
	}
}

/**
 * model_note_return() - an event is over, and keeps its promises from now on
 * @config: the devices
 * @state: changed: whoever leaves has left
 */
void model_note_return(const struct model_config *config,
		       struct model_state *state)
{
	u8 before = up_to(MODEL_INITIAL + state->since);

	switch (state->event) {
	case EVENT_BEGIN:
		state->known[MODEL_CPU] |= before & written_by_devices(state);
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
		state->loose &= ~before;
		state->unpushed &= ~before;
		state->known[MODEL_CPU] |= before;
		promise(config, state, before);
		if (state->quiet == QUIET_CHANGES)
			state->quiet = QUIET_AGREED;
		break;
	}
}

/**
 * model_forget() - forget what no move and no judgement will ask for again
 * @config: the longest history
 * @state: changed
 */
void model_forget(const struct model_config *config, struct model_state *state)
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

/* Judgement. */

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

/**
 * model_is_wrong() - judge a state
 * @config: the devices
 * @state: not changed
 * @what: set to what is wrong
 *
 * Return: true if somebody would read what breaks the contract.
 */
bool model_is_wrong(const struct model_config *config,
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
