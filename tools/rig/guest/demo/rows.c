// SPDX-License-Identifier: GPL-2.0
/*
 * Playing a row: see rows.h. Nothing but single reads is judged; totals are the
 * host's work.
 */
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../core/buffers.h"
#include "../core/report.h"
#include "../core/steps.h"
#include "rows.h"

static const char *const role_names[] = {
	[BOTH] = "reads and writes", [READS] = "reads", [WRITES] = "writes",
};

static unsigned int factorial(unsigned int n)
{
	return n < 2 ? 1 : n * factorial(n - 1);
}

/* The @index-th order of @n things. */
static void permute(unsigned int *order, unsigned int n, unsigned int index)
{
	unsigned int left[PEERS_MAX], i, pick, f;

	for (i = 0; i < n; i++)
		left[i] = i;
	for (i = 0; i < n; i++) {
		f = factorial(n - 1 - i);
		pick = index / f;
		index %= f;
		order[i] = left[pick];
		memmove(left + pick, left + pick + 1,
			(n - i - pick - 1) * sizeof(*left));
	}
}

/* A peer alone gets company that is attached and does nothing. */
static void set_peers(struct run *r, const struct scenario *scenario)
{
	unsigned int i, early = 0;

	r->peer_count = scenario->peer_count;
	memcpy(r->peers, scenario->peers, sizeof(r->peers));
	for (i = 0; i < r->peer_count; i++)
		early += r->peers[i].presence != LATE;
	if (early < 2) {
		r->peers[r->peer_count].device =
			r->peers[0].device == B1 && early ? D1 : B2;
		r->peers[r->peer_count++].presence = IDLE;
	}
}

static void report(const struct run *r, const char *name, const char *order)
{
	char checks[4096] = "", head[128], end[512];
	const struct check *c;
	size_t used = 0;

	for (c = r->checks; c < r->checks + r->check_count; c++) {
		used += snprintf(checks + used, sizeof(checks) - used,
				 "%s{\"reader\": \"%s\", ",
				 used ? ", " : "", c->reader);
		used += snprintf(checks + used, sizeof(checks) - used,
				 "\"expected\": \"%s\", \"seen\": \"%s\"}",
				 c->expected, c->seen);
	}
	snprintf(end, sizeof(end),
		 "\"step\": \"%s\", \"errno\": %d, \"detail\": \"%s\"",
		 r->error ? r->step : "", r->error, r->detail);
	snprintf(head, sizeof(head), "\"run\": \"%s\", \"exporter\": \"%s\"",
		 name, r->exporter->name);
	emit("{%s, \"order\": %s, \"outcome\": \"%s\", %s, \"checks\": [%s]}",
	     head, order, r->outcome, end, checks);
}

static void run_order(struct run *r, const struct scenario *scenario,
		      const unsigned int *order)
{
	unsigned int i, peer;

	if (!setjmp(r->end)) {
		make_buffer(r);
		for (i = 0; i < r->peer_count; i++) {
			peer = order[i];
			if (r->peers[peer].presence == LATE)
				continue;
			attach_peer(r, peer);
			if (r->peers[peer].presence == MAPPED)
				map_peer(r, peer);
		}
		scenario->steps(r);
		r->outcome = r->check_count ? "right" : "broken";
	}
}

void run_scenario(const struct exporter *exporter,
		  const struct scenario *scenario)
{
	unsigned int order[PEERS_MAX], index, i;
	char text[256];
	size_t used;
	int status;
	pid_t pid;

	for (index = 0;; index++) {
		struct run r = {
			.exporter = exporter,
			.made_of = scenario->memory,
			.untouched = scenario->untouched,
			.attachment = { -1, -1, -1 },
		};

		set_peers(&r, scenario);
		if (index == factorial(r.peer_count))
			return;
		permute(order, r.peer_count, index);
		used = snprintf(text, sizeof(text), "[");
		for (i = 0; i < r.peer_count; i++) {
			const struct peer *peer = &r.peers[order[i]];

			used += snprintf(text + used, sizeof(text) - used,
					 "%s\"%s %s%s\"", i ? ", " : "",
					 device_names[peer->device],
					 peer->presence == IDLE ? "attached" :
					 role_names[peer->direction],
					 peer->presence == LATE ? " later" : "");
		}
		snprintf(text + used, sizeof(text) - used, "]");

		/* A process of its own: whatever it leaves open goes away. */
		pid = fork();
		if (!pid) {
			run_order(&r, scenario, order);
			report(&r, scenario->name, text);
			_exit(0);
		}
		if (pid < 0 || waitpid(pid, &status, 0) != pid || status) {
			r.outcome = "broken";
			snprintf(r.detail, sizeof(r.detail),
				 "the program ended with status 0x%x", status);
			report(&r, scenario->name, text);
		}
		emit("{\"ended\": \"%s\"}", scenario->name);
	}
}
