// SPDX-License-Identifier: GPL-2.0
/*
 * The sync plan by itself: each rule as a row of a table, then every rule as a
 * property of every mix of up to four peers in every order.
 *
 * Would miss: rules that are wrong. That a step has the effect a rule counts on
 * is the model's business, that the driver takes the steps fanout_test.c's.
 *
 * Peers are written as words: C coherent, N noncoherent, O opaque, B bounced, S
 * bounced of a device that snoops, then R for a reader or W for a writer;
 * "NW+BW" are the two parts of one mixed mapping. Steps are written as the
 * peer's number and what is synced, "0.cpu" for dma_sync_*_for_cpu() of the
 * first peer, "0.dev" for ..._for_device().
 */
#include <kunit/test.h>
#include <linux/ctype.h>
#include <linux/string.h>

#include "../driver/sync_plan.h"

#define MAX_PEERS	8
#define TEXT		160

static const char kind_letters[] = "CNOBS";

static unsigned int parse_peers(const char *text, struct sync_peer *peers)
{
	unsigned int nr = 0, mapping = 0;

	while (*text) {
		peers[nr] = (struct sync_peer) {
			.kind = min_t(int, SYNC_BOUNCED,
				      strchr(kind_letters, text[0]) -
				      kind_letters),
			.snoops = text[0] == 'S' || text[0] == 'C',
			.dir = text[1] == 'R' ? DMA_TO_DEVICE :
						DMA_BIDIRECTIONAL,
			.mapping = mapping,
			.partial = text[2] == '+' ||
				   (nr && text[-1] == '+'),
		};
		nr++;
		text += 2;
		if (*text != '+')
			mapping++;
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
	unsigned int i;

	*text = '\0';
	for (i = 0; i < nr; i++)
		text += sprintf(text, "%s%u.%s", i ? " " : "", steps[i].peer,
				steps[i].phase == SYNC_FOR_CPU ? "cpu" : "dev");
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

#define CPU_READ	.dir = DMA_FROM_DEVICE
#define CPU_WRITE	.dir = DMA_TO_DEVICE
#define CPU_RW	.dir = DMA_BIDIRECTIONAL
#define BEGIN(args...)	{ .event = SYNC_BEGIN, args }
#define END(args...)	{ .event = SYNC_END, args }
#define MAP(nr, args...)	{ .event = SYNC_MAP, .mapping = (nr), args }
#define UNMAP(nr, args...)	{ .event = SYNC_UNMAP, .mapping = (nr), args }
#define OPEN	.write_open = true

static const struct plan_case plan_cases[] = {
	{ "nobody mapped, begin", "", BEGIN(CPU_RW), "" },
	{ "nobody mapped, end", "", END(CPU_RW), "" },

	{ "H1 a writer is fetched", "NW", BEGIN(CPU_READ), "0.cpu" },
	{ "H1 a bounced writer is fetched", "BW", BEGIN(CPU_READ), "0.cpu" },
	{ "H1 an opaque writer is fetched", "OW", BEGIN(CPU_READ), "0.cpu" },
	{ "H1 a reader is pushed", "NR", END(CPU_WRITE), "0.dev" },
	{ "H1 a bounced reader is pushed", "BR", END(CPU_WRITE), "0.dev" },
	{ "H1 an opaque reader is pushed", "OR", END(CPU_WRITE), "0.dev" },
	{ "a coherent peer needs nothing", "CW", BEGIN(CPU_RW), "", "0.cpu" },
	{ "... nor at the end", "CW", END(CPU_RW), "", "0.dev" },

	{ "H2 a reader's old copy stays where it is", "BR", BEGIN(CPU_READ), "" },
	{ "H2 ... for a read-write access too", "BR", BEGIN(CPU_RW), "" },
	{ "H2 ... beside a coherent writer", "CW BR", BEGIN(CPU_READ), "",
	  "0.cpu" },
	{ "H3 a write access fetches", "BW", BEGIN(CPU_WRITE), "0.cpu" },
	{ "H3 ... through caches too", "NW", BEGIN(CPU_WRITE), "0.cpu" },
	{ "H4 caches, then opaque, then slots", "BW OW NW CW", BEGIN(CPU_RW),
	  "2.dev 2.cpu 1.cpu 0.cpu", "3.dev 2.dev 3.cpu 2.cpu 1.cpu 0.cpu" },

	{ "H6 a read beside a coherent writer makes slots old", "CW BR",
	  END(CPU_READ), "1.dev", "0.dev 1.dev" },
	{ "H6 a copy-back leaves dirty lines", "BW NR", END(CPU_READ), "1.dev" },
	{ "H6 readers alone: a read costs nothing", "NR BR OR", END(CPU_READ),
	  "" },
	{ "H13 a read does not overwrite a writer's slot", "BW", END(CPU_READ),
	  "" },
	{ "a write does", "BW", END(CPU_WRITE), "0.dev" },

	{ "H9 one of many noncoherent writers", "NW NW NW", BEGIN(CPU_RW),
	  "0.cpu", "0.cpu 1.cpu 2.cpu" },
	{ "H9 ... at the end", "NW NW NW", END(CPU_RW), "0.dev",
	  "0.dev 1.dev 2.dev" },
	{ "H9 the writer stands for the readers", "NR NW NR", END(CPU_RW),
	  "1.dev", "0.dev 1.dev 2.dev" },
	{ "H9 readers alone have one, too", "NR NR", END(CPU_RW), "1.dev",
	  "0.dev 1.dev" },
	{ "H9 every slot is its own", "BR BR", END(CPU_RW), "0.dev 1.dev" },

	{ "H14 a coherent writer: clean before invalidating", "CW NW",
	  BEGIN(CPU_READ), "1.dev 1.cpu", "0.dev 1.dev 0.cpu 1.cpu" },
	{ "H14 a coherent reader leaves nothing dirty", "CR NW", BEGIN(CPU_READ),
	  "1.cpu" },
	{ "H14 never through a slot", "CW BW", BEGIN(CPU_READ), "1.cpu",
	  "0.cpu 1.cpu" },
	{ "H15 open: no invalidate of what is being written", "NW",
	  BEGIN(CPU_READ, OPEN), "" },
	{ "H15 open: no slot is copied back", "BW", BEGIN(CPU_READ, OPEN), "" },
	{ "H15 open: nor what may be one", "OW", BEGIN(CPU_READ, OPEN), "" },

	{ "H18 a part cannot stand for a whole", "NW+BW NR", END(CPU_WRITE),
	  "0.dev 2.dev 1.dev" },
	{ "H18 a whole stands for a part", "NW+BW NW", BEGIN(CPU_READ),
	  "2.cpu 1.cpu", "0.cpu 2.cpu 1.cpu" },
	{ "H18 coherent part, bounced part", "CW+BW", BEGIN(CPU_READ), "1.cpu",
	  "0.cpu 1.cpu" },

	{ "H13 a coherent peer snoops what others wrote", "BW CR", MAP(1),
	  "0.cpu", "0.cpu 1.dev" },
	{ "H13 ... not old lines", "NW CR", MAP(1), "0.cpu", "0.cpu 1.dev" },
	{ "H13 ... for nothing beside coherent ones", "CW CR", MAP(1), "",
	  "0.cpu 1.dev" },
	{ "H13 dirty lines before a noncoherent peer", "NW", MAP(0),
	  "0.dev" },
	{ "H13 it sees what its kind wrote", "NW NR", MAP(1), "1.dev" },
	{ "H13 ... but not slots", "BW NR", MAP(1), "0.cpu 1.dev" },
	{ "H13 what others wrote before a slot is filled", "NW BR", MAP(1),
	  "0.cpu 1.dev" },
	{ "H13 a slot was filled by mapping it", "CR SR", MAP(1), "" },
	{ "H13 ... but not with what is fetched now", "BW SR", MAP(1),
	  "0.cpu 1.dev" },
	{ "H13 ... nor through a cache", "BR", MAP(0), "0.dev" },
	{ "H13 ... under an open write", "SW", MAP(0, OPEN), "" },
	{ "H13 ... all of a mixed mapping", "CW+SW", MAP(0), "" },
	{ "H13 one slot to another", "BW BR", MAP(1), "0.cpu 1.dev" },
	{ "H13 a running writer's slot is not refreshed", "BW NR BR", MAP(2),
	  "0.cpu 2.dev" },
	{ "H14 a new coherent writer has left nothing dirty", "NW CW", MAP(1),
	  "0.cpu", "0.cpu 1.dev" },
	{ "H14 an old one may have", "CW NW CR", MAP(2), "1.dev 1.cpu",
	  "0.dev 1.dev 0.cpu 1.cpu 2.dev" },
	{ "H15 ... but not into an open access", "BW BR", MAP(1, OPEN),
	  "1.dev" },
	{ "H15 ... nor through caches", "NW CR", MAP(1, OPEN), "" },
	{ "H13 a reader leaves for nothing", "NW BR", UNMAP(1), "" },
	{ "H13 a writer's data is fetched before it leaves", "NW", UNMAP(0),
	  "0.cpu" },
	{ "H13 ... unless another's sync stays for it", "NW NW", UNMAP(0),
	  "" },
	{ "H13 ... and passed on", "BW NR BR", UNMAP(0), "0.cpu 1.dev 2.dev" },
	{ "H13 ... to slots only if it is clean", "NW NR BR", UNMAP(0),
	  "0.cpu 2.dev" },
	{ "H13 ... later if a writer stays", "NW CW BR", UNMAP(0),
	  "0.dev 0.cpu" },
	{ "H13 ... a coherent one's as well", "CW BR NR", UNMAP(0),
	  "2.dev 1.dev", "0.cpu 2.dev 1.dev" },
	{ "H15 ... but not into an open access", "BW", UNMAP(0, OPEN), "" },
	{ "H15 ... nor through caches", "NW", UNMAP(0, OPEN), "" },
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
 * struct pair_case - whether the last mapping can join
 * @peers: who has the buffer mapped
 * @conflict: the peer it cannot live with (H11), or -1
 * @stale: the peer it shares nothing with between accesses (H19), or -1
 */
struct pair_case {
	const char *peers;
	int conflict;
	int stale;
};

static const struct pair_case pair_cases[] = {
	{ "BW", -1, -1 },
	{ "NW+BW", -1, -1 },
	{ "CW NW", -1, -1 },
	{ "NW CW", -1, -1 },
	{ "BW BR", -1, 0 },
	{ "BR BW", -1, 0 },
	{ "BR BR", -1, -1 },
	{ "OR BR", -1, -1 },
	{ "CW BR", -1, 0 },
	{ "CR BW", -1, 0 },
	{ "BW CW", 0, 0 },
	{ "CW BW", 0, 0 },
	{ "BW NW", 0, 0 },
	{ "NW BW", 0, 0 },
	{ "BW BW", 0, 0 },
	{ "OW CW", 0, 0 },
	{ "CW OW", 0, 0 },
	{ "OW BW", 0, 0 },
	{ "CR NW OW", 1, 0 },
	{ "CW NW+BW", 0, 0 },
	{ "NW+BW CW", 1, 1 },
	{ "CR+BR NR+BR", -1, -1 },
};

static void pair_case_name(const struct pair_case *c, char *name)
{
	strscpy(name, c->peers, KUNIT_PARAM_DESC_SIZE);
}

KUNIT_ARRAY_PARAM(pair, pair_cases, pair_case_name);

/* H11, H19: who cannot live with whom, in both orders. */
static void two_writers_one_copy_conflict(struct kunit *test)
{
	const struct pair_case *c = test->param_value;
	struct sync_peer peers[MAX_PEERS];
	unsigned int nr = parse_peers(c->peers, peers);
	unsigned int last = peers[nr - 1].mapping;
	unsigned int other = 0;

	KUNIT_EXPECT_EQ(test, sync_conflict(peers, nr, last, &other),
			c->conflict >= 0);
	if (c->conflict >= 0)
		KUNIT_EXPECT_EQ(test, other, c->conflict);

	KUNIT_EXPECT_EQ(test, sync_stale_pair(peers, nr, last, &other),
			c->stale >= 0);
	if (c->stale >= 0)
		KUNIT_EXPECT_EQ(test, other, c->stale);
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

static bool copies(const struct sync_peer *peer)
{
	return peer->kind == SYNC_OPAQUE || peer->kind == SYNC_BOUNCED;
}

static unsigned int count_peers(const struct mix *mix, enum sync_kind kind,
				bool writers)
{
	unsigned int i, nr = 0;

	for (i = 0; i < mix->nr; i++)
		nr += mix->peers[i].kind == kind &&
		      writes(&mix->peers[i]) == writers;
	return nr;
}

static unsigned int count_steps(const struct mix *mix, enum sync_kind kind,
				enum sync_phase phase)
{
	unsigned int i, nr = 0;

	for (i = 0; i < mix->nr_steps; i++)
		nr += mix->peers[mix->steps[i].peer].kind == kind &&
		      mix->steps[i].phase == phase;
	return nr;
}

static bool has_step(const struct mix *mix, unsigned int peer,
		     enum sync_phase phase)
{
	unsigned int i;

	for (i = 0; i < mix->nr_steps; i++)
		if (mix->steps[i].peer == peer && mix->steps[i].phase == phase)
			return true;
	return false;
}

/* What holds for every event: the broken rule, or NULL. */
static const char *check_any(const struct mix *mix)
{
	unsigned int i, j;

	if (mix->nr_steps > SYNC_PLAN_MAX(mix->nr))
		return "more steps than there is room for";
	for (i = 0; i < mix->nr_steps; i++) {
		const struct sync_step *step = &mix->steps[i];
		const struct sync_peer *peer = &mix->peers[step->peer];

		if (step->peer >= mix->nr)
			return "a step for a peer that is not there";
		if (step->phase == SYNC_FOR_CPU && !writes(peer))
			return "H2: a reader is fetched";
		if (peer->kind == SYNC_COHERENT &&
		    mix->access.policy == SYNC_POLICY_MINIMAL)
			return "H9: a sync that does nothing";
		/* A map cleans before it fetches and again after the fill. */
		for (j = i + 1; j < mix->nr_steps; j++)
			if (mix->access.event != SYNC_MAP &&
			    mix->steps[j].peer == step->peer &&
			    mix->steps[j].phase == step->phase)
				return "the same sync twice";
	}
	if (mix->access.policy == SYNC_POLICY_MINIMAL &&
	    (count_steps(mix, SYNC_NONCOHERENT, SYNC_FOR_CPU) > 1 ||
	     (mix->access.event < SYNC_MAP &&
	      count_steps(mix, SYNC_NONCOHERENT, SYNC_FOR_DEVICE) > 1)))
		return "H9: one noncoherent peer is enough";
	return NULL;
}

static const char *check_begin(const struct mix *mix)
{
	bool noncoherent = count_peers(mix, SYNC_NONCOHERENT, true);
	bool dirty = count_peers(mix, SYNC_COHERENT, true);
	enum sync_kind last = SYNC_COHERENT;
	bool fetching = false;
	unsigned int i;

	if (mix->access.write_open)
		return mix->nr_steps ? "H15: a step under an open write" : NULL;
	for (i = 0; i < mix->nr_steps; i++) {
		const struct sync_step *step = &mix->steps[i];
		const struct sync_peer *peer = &mix->peers[step->peer];

		if (step->phase == SYNC_FOR_DEVICE) {
			if (fetching)
				return "H14: cleaned after a fetch";
			if (copies(peer))
				return "H14: cleaned by a copy";
			continue;
		}
		fetching = true;
		if (peer->kind < last && copies(&mix->peers[mix->steps[i - 1].peer]))
			return "H4: a cache after a copy";
		if (peer->kind < last && peer->kind == SYNC_OPAQUE)
			return "H4: opaque after a slot";
		last = peer->kind;
	}
	if (noncoherent != !!count_steps(mix, SYNC_NONCOHERENT, SYNC_FOR_CPU))
		return "H1: noncoherent writers are fetched, others not";
	if ((noncoherent && dirty) !=
	    !!count_steps(mix, SYNC_NONCOHERENT, SYNC_FOR_DEVICE))
		return "H14: cleaned if and only if it must be";
	for (i = 0; i < mix->nr; i++)
		if (writes(&mix->peers[i]) && copies(&mix->peers[i]) &&
		    !has_step(mix, i, SYNC_FOR_CPU))
			return "H1: a copy is not fetched";
	return NULL;
}

static const char *check_end(const struct mix *mix)
{
	bool written = mix->access.dir != DMA_FROM_DEVICE, any_writer = false;
	unsigned int i;

	for (i = 0; i < mix->nr; i++)
		any_writer |= writes(&mix->peers[i]);
	if (!written && !any_writer)
		return mix->nr_steps ? "H6: nothing can have changed" : NULL;

	for (i = 0; i < mix->nr_steps; i++)
		if (mix->steps[i].phase == SYNC_FOR_CPU)
			return "an end fetches";
	for (i = 0; i < mix->nr; i++) {
		const struct sync_peer *peer = &mix->peers[i];

		if (peer->kind == SYNC_BOUNCED &&
		    has_step(mix, i, SYNC_FOR_DEVICE) !=
		    (written || !writes(peer)))
			return "H6, H13: slots that are old are refreshed, others not";
		if (peer->kind == SYNC_OPAQUE &&
		    !has_step(mix, i, SYNC_FOR_DEVICE))
			return "H1: opaque peers are pushed";
	}
	if ((count_peers(mix, SYNC_NONCOHERENT, true) ||
	     count_peers(mix, SYNC_NONCOHERENT, false)) !=
	    !!count_steps(mix, SYNC_NONCOHERENT, SYNC_FOR_DEVICE))
		return "H1: noncoherent peers are pushed";
	/* Where for_cpu does nothing, a reader's for_device protects nobody. */
	if (count_peers(mix, SYNC_NONCOHERENT, true)) {
		for (i = 0; i < mix->nr; i++)
			if (mix->peers[i].kind == SYNC_NONCOHERENT &&
			    writes(&mix->peers[i]) &&
			    has_step(mix, i, SYNC_FOR_DEVICE))
				return NULL;
		return "H9: a reader stands for a writer";
	}
	return NULL;
}

static const char *check_change(const struct mix *mix)
{
	bool leaving = mix->access.event == SYNC_UNMAP;
	unsigned int i, self = mix->access.mapping;
	const struct sync_peer *peer = &mix->peers[self];
	unsigned int same = count_peers(mix, SYNC_NONCOHERENT, true);

	for (i = 0; mix->access.write_open && i < mix->nr_steps; i++)
		if (leaving || mix->steps[i].peer != self ||
		    mix->steps[i].phase != SYNC_FOR_DEVICE)
			return "H15: more than a push under an open write";
	if (mix->access.write_open)
		return NULL;
	for (i = 0; i < mix->nr; i++)
		if (i != self && mix->peers[i].kind == SYNC_BOUNCED &&
		    writes(&mix->peers[i]) && has_step(mix, i, SYNC_FOR_DEVICE))
			return "H13: a running writer's slot is overwritten";
	if (!leaving) {
		for (i = 0; i < mix->nr; i++)
			if (i != self && copies(&mix->peers[i]) &&
			    writes(&mix->peers[i]) &&
			    !has_step(mix, i, SYNC_FOR_CPU))
				return "H13: joined without a slot's data";
		if (peer->kind != SYNC_NONCOHERENT && same &&
		    !count_steps(mix, SYNC_NONCOHERENT, SYNC_FOR_CPU))
			return "H13: joined beside old lines";
		if (peer->kind != SYNC_COHERENT &&
		    !has_step(mix, self, SYNC_FOR_DEVICE))
			return "H13: the pages may be dirty in the cache";
		return NULL;
	}
	if (!writes(peer))
		return mix->nr_steps ? "a reader leaves nothing behind" : NULL;
	if ((copies(peer) || (peer->kind == SYNC_NONCOHERENT && same == 1)) &&
	    !has_step(mix, self, SYNC_FOR_CPU))
		return "H13: a writer left with its data";
	return NULL;
}

/* Every peer: four kinds, two directions. */
#define VARIANTS	8

static bool next_mix(struct mix *mix, unsigned int *number)
{
	unsigned int i, rest = (*number)++;

	for (mix->nr = 0; mix->nr <= 4; mix->nr++) {
		unsigned int mixes = 1 << (3 * mix->nr);

		if (rest < mixes)
			break;
		rest -= mixes;
	}
	if (mix->nr > 4)
		return false;
	for (i = 0; i < mix->nr; i++, rest /= VARIANTS)
		mix->peers[i] = (struct sync_peer) {
			.kind = rest % VARIANTS / 2,
			.dir = rest % 2 ? DMA_TO_DEVICE : DMA_BIDIRECTIONAL,
			.mapping = i,
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
	KUNIT_FAIL(test, "%s; peers %s, policy %d, direction %d, open %d, mapping %u: %s",
		   broken, peers, mix->access.policy, mix->access.dir,
		   mix->access.write_open, mix->access.mapping, steps);
	return false;
}

/* Run @check on the plans of @event for every mix, access and policy. */
static void check_mixes(struct kunit *test, enum sync_event event,
			const char *(*check)(const struct mix *mix))
{
	static const enum dma_data_direction dirs[] = {
		DMA_FROM_DEVICE, DMA_TO_DEVICE, DMA_BIDIRECTIONAL
	};
	unsigned int number = 0, plans = 0, variant, self;
	struct mix mix = { };

	while (next_mix(&mix, &number)) {
		for (variant = 0; variant < 2 * 2 * 3; variant++) {
			mix.access = (struct sync_access) {
				.event = event,
				.policy = variant & 1,
				.write_open = variant & 2,
				.dir = dirs[variant / 4],
			};
			for (self = 0; self < mix.nr || !self; self++) {
				if (event >= SYNC_MAP && !mix.nr)
					break;
				mix.access.mapping = self;
				if (!check_mix(test, &mix, check))
					return;
				plans++;
				if (event < SYNC_MAP)
					break;
			}
		}
	}
	KUNIT_EXPECT_EQ(test, number - 1, 1 + 8 + 64 + 512 + 4096);
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

static void every_mix_maps_by_the_rules(struct kunit *test)
{
	check_mixes(test, SYNC_MAP, check_change);
}

static void every_mix_unmaps_by_the_rules(struct kunit *test)
{
	check_mixes(test, SYNC_UNMAP, check_change);
}

/* H3, and what the driver's ready plans rely on. */
static void begin_is_the_same_for_every_access(struct kunit *test)
{
	static const enum dma_data_direction dirs[] = {
		DMA_FROM_DEVICE, DMA_TO_DEVICE, DMA_BIDIRECTIONAL
	};
	struct mix mix = { .access.event = SYNC_BEGIN };
	char expect[TEXT], text[TEXT];
	unsigned int number = 0, i;

	while (next_mix(&mix, &number)) {
		for (i = 0; i < ARRAY_SIZE(dirs); i++) {
			mix.access.dir = dirs[i];
			mix.nr_steps = sync_plan(mix.peers, mix.nr,
						 &mix.access, mix.steps);
			print_steps(i ? text : expect, mix.steps,
				    mix.nr_steps);
			if (i)
				KUNIT_ASSERT_STREQ(test, text, expect);
		}
	}
}

static struct kunit_case plan_test_cases[] = {
	KUNIT_CASE_PARAM(event_takes_these_steps, plan_gen_params),
	KUNIT_CASE_PARAM(two_writers_one_copy_conflict, pair_gen_params),
	KUNIT_CASE(every_mix_begins_by_the_rules),
	KUNIT_CASE(every_mix_ends_by_the_rules),
	KUNIT_CASE(every_mix_maps_by_the_rules),
	KUNIT_CASE(every_mix_unmaps_by_the_rules),
	KUNIT_CASE(begin_is_the_same_for_every_access),
	{ }
};

static struct kunit_suite plan_test_suite = {
	.name = "udmabuf_fanout_plan",
	.test_cases = plan_test_cases,
};

kunit_test_suite(plan_test_suite);
