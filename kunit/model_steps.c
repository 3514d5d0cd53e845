// SPDX-License-Identifier: GPL-2.0
/*
 * The steps of a begin or an end: the driver's, and the driver's made wrong on
 * purpose. Whoever makes them knows the peers and the access, as sync_plan()
 * does, and nothing of a state.
 */
#include "model_layers.h"

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

/**
 * model_plan_steps() - plan a begin or an end
 * @config: which plan: one that needs to know no more than the driver's
 * @peers: who has mapped
 * @nr: how many
 * @access: what happens
 * @steps: filled in
 *
 * Return: the number of steps.
 */
unsigned int model_plan_steps(const struct model_config *config,
			      const struct sync_peer *peers, unsigned int nr,
			      const struct sync_access *access,
			      struct model_step *steps)
{
	struct sync_access changed = *access;
	struct sync_peer whole[MODEL_PEERS];
	unsigned int len, i;

	if (config->plan == PLAN_FIRST_STAGE)
		return model_plan_first_stage(peers, nr, access, steps);

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
