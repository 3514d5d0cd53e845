// SPDX-License-Identifier: GPL-2.0
/*
 * The sync plan by itself: each rule as a row of a table, then every rule as a
 * property of every mix of up to four peers in every order.
 *
 * Would miss: rules that are wrong. That a step has the effect a rule counts on
 * is the model's business, that the driver takes the steps fanout_test.c's.
 *
 * Peers are written as words: C coherent, N noncoherent, M merged, that is with
 * a copy, then R for a reader or W for a writer; "NW+MW" are the two parts of
 * one mixed mapping. Steps are written as the peer's number and what is done:
 * "0.cpu" for dma_sync_*_for_cpu() of the first peer, "0.dev" for
 * ..._for_device(), "0.both" for a flush, "0.clean" for a clean of what was
 * fetched; "0.fetch" and "0.push" are about all copies.
 */
#include <kunit/test.h>
#include <linux/minmax.h>
#include <linux/string.h>

#include "../driver/sync_plan.h"

#define MAX_PEERS	8
#define TEXT		160

static const char kind_letters[] = "CNM";

static unsigned int parse_peers(const char *text, struct sync_peer *peers)
{
	unsigned int nr = 0;

	while (*text) {
		peers[nr] = (struct sync_peer) {
			.kind = strchr(kind_letters, text[0]) - kind_letters,
			.dir = text[1] == 'R' ? DMA_TO_DEVICE :
						DMA_BIDIRECTIONAL,
			.partial = text[2] == '+' ||
				   (nr && text[-1] == '+'),
		};
		nr++;
		text += 2;
		if (*text)
			text++;
	}
	return nr;
}

static void print_peers(char *text, const struct sync_peer *peers,
			unsigned int nr)
{
	unsigned int i;

	*text = '\0';
	for (i = 0; i < nr; i++)
		text += sprintf(text, "%s%c%c", i ? " " : "",
				kind_letters[peers[i].kind],
				peers[i].dir == DMA_TO_DEVICE ? 'R' : 'W');
}

static void print_steps(char *text, const struct sync_step *steps,
			unsigned int nr)
{
	static const char * const ops[] = {
		[SYNC_FOR_CPU] = "cpu",
		[SYNC_FOR_DEVICE] = "dev",
		[SYNC_FLUSH] = "both",
		[SYNC_FETCH] = "fetch",
		[SYNC_PUSH] = "push",
		[SYNC_CLEAN_FETCHED] = "clean",
	};
	unsigned int i;

	*text = '\0';
	for (i = 0; i < nr; i++)
		text += sprintf(text, "%s%u.%s", i ? " " : "", steps[i].peer,
				ops[steps[i].op]);
}

/**
 * struct plan_case - what one event must do
 * @rule: the rule it shows
 * @peers: who has the buffer mapped
 * @access: the event
 * @minimal: the steps under policy minimal
 * @all: the steps under policy all, if they are others
 */
struct plan_case {
	const char *rule;
	const char *peers;
	struct sync_access access;
	const char *minimal;
	const char *all;
};

#define BEGIN(args...)	{ .event = SYNC_BEGIN, args }
#define END(args...)	{ .event = SYNC_END, args }
#define WROTE	.write = true
#define OPEN	.write_open = true
#define LAZY	.lazy_for_cpu = true

static const struct plan_case plan_cases[] = {
	{ "nobody mapped, begin", "", BEGIN(), "" },
	{ "nobody mapped, end", "", END(WROTE), "" },
	{ "a coherent peer needs nothing", "CW", BEGIN(), "" },
	{ "... nor at the end", "CW", END(WROTE), "" },

	{ "H1 a writer is fetched", "NW", BEGIN(), "0.cpu" },
	{ "H1 a copy of a writer is fetched", "MW", BEGIN(), "0.fetch" },
	{ "H1 a reader is pushed", "NR", END(WROTE), "0.dev" },
	{ "H1 a copy of a reader is pushed", "MR", END(WROTE), "0.push" },
	{ "H1 a copy of a writer is pushed", "MW", END(WROTE), "0.push" },
	{ "H1 what only readers use is not fetched", "NR MR", BEGIN(), "" },
	{ "one fetch is for all copies", "MR MW MW", BEGIN(), "1.fetch" },
	{ "one push is for all copies", "CR MR MW", END(WROTE), "1.push" },

	{ "H4 caches, then copies, then what was fetched", "MW NW", BEGIN(),
	  "1.cpu 0.fetch 1.clean" },
	{ "H4 nothing invalidates for noncoherent readers", "MW NR", BEGIN(),
	  "0.fetch" },
	{ "H6 a read end beside a coherent writer", "CW MR NR", END(),
	  "1.push 2.dev" },
	{ "H6 ... beside a copy of a writer", "MW NR", END(),
	  "0.push 1.dev" },
	{ "H6 readers alone: a read costs nothing", "NR MR", END(), "" },
	{ "H6 ... unless a write may be open", "NR MR", END(OPEN),
	  "1.push 0.dev" },

	{ "H9 one of many noncoherent writers", "NW NW NW", BEGIN(), "0.cpu",
	  "0.cpu 1.cpu 2.cpu" },
	{ "H9 ... at the end", "NW NW NW", END(WROTE), "0.dev",
	  "0.dev 1.dev 2.dev" },
	{ "H9 the writer stands for the readers", "NR NW NR", END(WROTE),
	  "1.dev", "0.dev 1.dev 2.dev" },
	{ "H9 readers alone have one, too", "NR NR", END(WROTE), "1.dev",
	  "0.dev 1.dev" },
	{ "H9 ... in a flush", "NW NR NW", BEGIN(OPEN), "0.both",
	  "0.both 2.both" },

	{ "H14 a coherent writer: clean before invalidating", "CW NW", BEGIN(),
	  "1.dev 1.cpu" },
	{ "H14 a coherent reader leaves nothing dirty", "CR NW", BEGIN(),
	  "1.cpu" },
	{ "H14 nothing to clean for without an invalidate", "CW NR MW",
	  BEGIN(), "2.fetch" },
	{ "H15 open: clean and invalidate at once", "NW", BEGIN(OPEN),
	  "0.both" },
	{ "H15 ... which is enough for a coherent writer", "CW NW",
	  BEGIN(OPEN), "1.both" },
	{ "H15 open: copies are fetched as ever", "MW", BEGIN(OPEN),
	  "0.fetch" },
	{ "H15 copies are pushed, then caches cleaned", "NR MR", END(WROTE),
	  "1.push 0.dev" },

	{ "for_cpu does nothing: for_device invalidates", "NW", BEGIN(LAZY),
	  "0.dev 0.cpu" },
	{ "... not for readers", "NR", BEGIN(LAZY), "" },

	{ "H18 a part cannot stand for a whole", "NW+MW NR", END(WROTE),
	  "1.push 0.dev 2.dev" },
	{ "H18 ... nor a reader for a part that writes", "NR NW+MW",
	  END(WROTE), "2.push 0.dev 1.dev" },
	{ "H18 a part of a reader stands for nobody", "NR+MR NR", END(WROTE),
	  "1.push 2.dev", "1.push 0.dev 2.dev" },
	{ "H18 parts of readers each for itself", "NR+MR NR+MR", END(WROTE),
	  "1.push 0.dev 2.dev" },
	{ "H18 a whole stands for a part", "NW+MW NW", BEGIN(),
	  "2.cpu 1.fetch 2.clean", "0.cpu 2.cpu 1.fetch 0.clean 2.clean" },
	{ "H18 coherent part, part with a copy", "CW+MW", BEGIN(), "1.fetch" },
};

static void plan_case_name(const struct plan_case *c, char *name)
{
	strscpy(name, c->rule, KUNIT_PARAM_DESC_SIZE);
}

KUNIT_ARRAY_PARAM(plan, plan_cases, plan_case_name);

/* Each row, under both policies. */
static void event_takes_these_steps(struct kunit *test)
{
	const struct plan_case *c = test->param_value;
	struct sync_step steps[SYNC_PLAN_MAX(MAX_PEERS)];
	struct sync_peer peers[MAX_PEERS];
	struct sync_access access = c->access;
	unsigned int nr = parse_peers(c->peers, peers);
	char text[TEXT];

	access.policy = SYNC_POLICY_MINIMAL;
	print_steps(text, steps, sync_plan(peers, nr, &access, steps));
	KUNIT_EXPECT_STREQ_MSG(test, text, c->minimal, "minimal, peers: %s",
			       c->peers);

	access.policy = SYNC_POLICY_ALL;
	print_steps(text, steps, sync_plan(peers, nr, &access, steps));
	KUNIT_EXPECT_STREQ_MSG(test, text, c->all ?: c->minimal,
			       "all, peers: %s", c->peers);
}

/**
 * struct mix - one of all mixes of up to four peers, and a plan for it
 * @peers: the peers, in one of all orders
 * @nr: how many
 * @access: the event
 * @steps: its plan
 * @nr_steps: how many
 */
struct mix {
	struct sync_peer peers[4];
	unsigned int nr;
	struct sync_access access;
	struct sync_step steps[SYNC_PLAN_MAX(4)];
	unsigned int nr_steps;
};

static bool writes(const struct sync_peer *peer)
{
	return peer->dir != DMA_TO_DEVICE;
}

static unsigned int count_peers(const struct mix *mix, enum sync_kind kind,
				bool writers)
{
	unsigned int i, nr = 0;

	for (i = 0; i < mix->nr; i++)
		nr += mix->peers[i].kind == kind &&
		      (!writers || writes(&mix->peers[i]));
	return nr;
}

static unsigned int count_steps(const struct mix *mix, enum sync_op op)
{
	unsigned int i, nr = 0;

	for (i = 0; i < mix->nr_steps; i++)
		nr += mix->steps[i].op == op;
	return nr;
}

/* The first step that does @op, or one past the last. */
static unsigned int find_step(const struct mix *mix, enum sync_op op)
{
	unsigned int i;

	for (i = 0; i < mix->nr_steps; i++)
		if (mix->steps[i].op == op)
			break;
	return i;
}

static bool is_about_copies(enum sync_op op)
{
	return op == SYNC_FETCH || op == SYNC_PUSH;
}

/* H9: nobody else is synced, or it is one that covers all the others. */
static const char *check_representative(const struct mix *mix, unsigned int at)
{
	enum sync_op op = mix->steps[at].op;
	const struct sync_peer *peer = &mix->peers[mix->steps[at].peer];
	unsigned int i, same = 0, needed = 0;
	bool readers = false;

	for (i = at; i < mix->nr_steps && mix->steps[i].op == op; i++) {
		same++;
		readers |= !writes(&mix->peers[mix->steps[i].peer]);
	}
	for (i = 0; i < mix->nr; i++)
		if (mix->peers[i].kind == SYNC_NONCOHERENT &&
		    (readers || writes(&mix->peers[i])))
			needed++;
	if (same >= needed)
		return NULL;
	if (mix->access.policy == SYNC_POLICY_ALL)
		return "a peer is left out under policy all";
	if (same != 1)
		return "H9: some are synced, some are not";
	if (peer->partial)
		return "H18: a part stands for the others";
	if (!writes(peer) && count_peers(mix, SYNC_NONCOHERENT, true))
		return "H9: a reader stands for a writer";
	return NULL;
}

/* What holds for every event: the broken rule, or NULL. */
static const char *check_any(const struct mix *mix)
{
	const char *broken;
	unsigned int i;

	if (mix->nr_steps > SYNC_PLAN_MAX(mix->nr))
		return "more steps than there is room for";
	for (i = 0; i < mix->nr_steps; i++) {
		const struct sync_step *step = &mix->steps[i];
		const struct sync_peer *peer = &mix->peers[step->peer];

		if (step->peer >= mix->nr)
			return "a step for a peer that is not there";
		if (is_about_copies(step->op) ? peer->kind != SYNC_COPY :
						peer->kind == SYNC_COPY)
			return "a step of another kind than its peer";
		if (peer->kind == SYNC_COHERENT)
			return "a sync that does nothing";
		if (step->op != SYNC_FOR_DEVICE && step->op != SYNC_PUSH &&
		    !writes(peer))
			return "H1: a reader is fetched";
		if (i && step->op == mix->steps[i - 1].op)
			continue;
		if (is_about_copies(step->op))
			continue;
		broken = check_representative(mix, i);
		if (broken)
			return broken;
	}
	if (count_steps(mix, SYNC_FETCH) > 1 || count_steps(mix, SYNC_PUSH) > 1)
		return "one is about all copies";
	return NULL;
}

static const char *check_begin(const struct mix *mix)
{
	bool invalidates = count_peers(mix, SYNC_NONCOHERENT, true);
	bool fetches = count_peers(mix, SYNC_COPY, true);
	unsigned int cpu = find_step(mix, SYNC_FOR_CPU);
	unsigned int both = find_step(mix, SYNC_FLUSH);
	unsigned int fetch = find_step(mix, SYNC_FETCH);
	unsigned int clean = find_step(mix, SYNC_CLEAN_FETCHED);
	bool cleaned_first = find_step(mix, SYNC_FOR_DEVICE) < cpu;
	bool flushed = both < mix->nr_steps;
	bool fetched = fetch < mix->nr_steps;
	bool cleaned = clean < mix->nr_steps;
	bool cleans = mix->access.lazy_for_cpu ||
		      count_peers(mix, SYNC_COHERENT, true);

	if (count_steps(mix, SYNC_PUSH))
		return "a begin pushes";
	if (invalidates != (flushed || cpu < mix->nr_steps))
		return "H1: noncoherent writers are fetched, others not";
	if (invalidates && mix->access.write_open != flushed)
		return "H15: flushed if and only if a write may be open";
	if (cpu < mix->nr_steps && cleans != cleaned_first)
		return "H14: cleaned first if and only if it must be";
	if (fetches != fetched)
		return "H1: copies of writers are fetched, others not";
	if (fetches && invalidates && fetch < min(cpu, both))
		return "H4: fetched before the caches are invalidated";
	if ((fetches && invalidates) != cleaned)
		return "H4: cleaned again if and only if it must be";
	if (cleaned && clean < fetch)
		return "H4: cleaned before it is fetched";
	return NULL;
}

static const char *check_push(const struct mix *mix)
{
	bool noncoherent = count_peers(mix, SYNC_NONCOHERENT, false);
	bool copies = count_peers(mix, SYNC_COPY, false);
	bool pushed = find_step(mix, SYNC_PUSH) < mix->nr_steps;
	bool last = mix->nr_steps &&
		    mix->steps[mix->nr_steps - 1].op == SYNC_FOR_DEVICE;

	if (copies != pushed)
		return "H1: copies are pushed";
	if (noncoherent != last)
		return "H1, H15: what noncoherent peers see is cleaned last";
	return NULL;
}

static const char *check_end(const struct mix *mix)
{
	bool changed = mix->access.write || mix->access.write_open ||
		       count_peers(mix, SYNC_COHERENT, true) ||
		       count_peers(mix, SYNC_NONCOHERENT, true) ||
		       count_peers(mix, SYNC_COPY, true);
	unsigned int i;

	if (!changed)
		return mix->nr_steps ? "H6: nothing can have changed" : NULL;
	for (i = 0; i < mix->nr_steps; i++)
		if (mix->steps[i].op != SYNC_FOR_DEVICE &&
		    mix->steps[i].op != SYNC_PUSH)
			return "an end fetches";
	return check_push(mix);
}

/* Every peer: three kinds, two directions, a part or a whole. */
#define VARIANTS	12

static bool next_mix(struct mix *mix, unsigned int *number)
{
	unsigned int i, rest = (*number)++, mixes = 1;

	for (mix->nr = 0; mix->nr <= 4; mix->nr++, mixes *= VARIANTS) {
		if (rest < mixes)
			break;
		rest -= mixes;
	}
	if (mix->nr > 4)
		return false;
	for (i = 0; i < mix->nr; i++, rest /= VARIANTS)
		mix->peers[i] = (struct sync_peer) {
			.kind = rest % VARIANTS / 4,
			.dir = rest & 1 ? DMA_TO_DEVICE : DMA_BIDIRECTIONAL,
			.partial = rest & 2,
		};
	return true;
}

static bool check_mix(struct kunit *test, struct mix *mix,
		      const char *(*check)(const struct mix *mix))
{
	char peers[TEXT], steps[TEXT];
	const char *broken;

	mix->nr_steps = sync_plan(mix->peers, mix->nr, &mix->access,
				  mix->steps);
	broken = check_any(mix) ?: check(mix);
	if (!broken)
		return true;
	print_peers(peers, mix->peers, mix->nr);
	print_steps(steps, mix->steps, mix->nr_steps);
	KUNIT_FAIL(test, "%s; peers %s, policy %d, write %d, open %d, lazy %d: %s",
		   broken, peers, mix->access.policy, mix->access.write,
		   mix->access.write_open, mix->access.lazy_for_cpu, steps);
	return false;
}

/* Run @check on the plans of @event for every mix, access and policy. */
static void check_mixes(struct kunit *test, enum sync_event event,
			const char *(*check)(const struct mix *mix))
{
	unsigned int number = 0, plans = 0, variant;
	struct mix mix = { };

	while (next_mix(&mix, &number)) {
		for (variant = 0; variant < 16; variant++) {
			mix.access = (struct sync_access) {
				.event = event,
				.policy = variant & 1,
				.write_open = variant & 2,
				.write = variant & 4,
				.lazy_for_cpu = variant & 8,
			};
			if (mix.access.write && event != SYNC_END)
				continue;
			if (!check_mix(test, &mix, check))
				return;
			plans++;
		}
	}
	KUNIT_EXPECT_EQ(test, number - 1, 1 + 12 + 144 + 1728 + 20736);
	kunit_info(test, "%u plans", plans);
}

static void every_mix_begins_by_the_rules(struct kunit *test)
{
	check_mixes(test, SYNC_BEGIN, check_begin);
}

static void every_mix_ends_by_the_rules(struct kunit *test)
{
	check_mixes(test, SYNC_END, check_end);
}

/* What each step is about, and how often: all that its effect depends on. */
static void print_effect(char *text, const struct mix *mix)
{
	unsigned int i, run;

	*text = '\0';
	for (i = 0; i < mix->nr_steps; i += run) {
		unsigned int about[8] = { }, j;

		for (run = 0; i + run < mix->nr_steps &&
		     mix->steps[i + run].op == mix->steps[i].op; run++) {
			const struct sync_peer *peer =
				&mix->peers[mix->steps[i + run].peer];

			if (!is_about_copies(mix->steps[i].op))
				about[peer->partial << 1 | writes(peer)]++;
		}
		text += sprintf(text, "%d:", mix->steps[i].op);
		for (j = 0; j < 4; j++)
			text += sprintf(text, "%u", about[j]);
		text += sprintf(text, " ");
	}
}

/* The model takes peers in one order only. */
static void the_order_of_peers_changes_nothing(struct kunit *test)
{
	char expect[TEXT], text[TEXT];
	struct mix mix = { }, other;
	unsigned int number = 0, i, variant;

	while (next_mix(&mix, &number)) {
		for (variant = 0; variant < 3 * 8; variant++) {
			mix.access = (struct sync_access) {
				.event = variant % 3,
				.policy = variant / 3 & 1,
				.write_open = variant / 3 & 2,
				.lazy_for_cpu = variant / 3 & 4,
			};
			mix.nr_steps = sync_plan(mix.peers, mix.nr,
						 &mix.access, mix.steps);
			print_effect(expect, &mix);
			/* Neighbours swapped in turn: any order. */
			for (i = 0; i + 1 < mix.nr; i++) {
				other = mix;
				swap(other.peers[i], other.peers[i + 1]);
				other.nr_steps = sync_plan(other.peers,
							   other.nr,
							   &other.access,
							   other.steps);
				print_effect(text, &other);
				KUNIT_ASSERT_STREQ(test, text, expect);
			}
		}
	}
}

static struct kunit_case plan_test_cases[] = {
	KUNIT_CASE_PARAM(event_takes_these_steps, plan_gen_params),
	KUNIT_CASE(every_mix_begins_by_the_rules),
	KUNIT_CASE(every_mix_ends_by_the_rules),
	KUNIT_CASE(the_order_of_peers_changes_nothing),
	{ }
};

static struct kunit_suite plan_test_suite = {
	.name = "udmabuf_fanout_plan",
	.test_cases = plan_test_cases,
};

kunit_test_suite(plan_test_suite);
