/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Memory that was allocated and not given back.
 *
 *	struct ledger *ledger = ledger_open(test);
 *
 *	ledger->task = current;
 *	... what must give back all that it allocates ...
 *	ledger_close(test, ledger);
 */
#ifndef UDMABUF_FANOUT_LEDGER_H
#define UDMABUF_FANOUT_LEDGER_H

#include <linux/spinlock.h>
#include <linux/types.h>

struct kunit;
struct task_struct;

#define MAX_KEPT	4096

/**
 * struct ledger - what is allocated
 * @task: whose allocations count, or NULL; they may be freed by anybody
 * @lock: of all that follows
 * @nth: which time it is, for the message
 * @nr: how many @kept there are
 * @lost: there were more
 * @kept: the allocations, in no order
 */
struct ledger {
	struct task_struct *task;
	raw_spinlock_t lock; /* see above */
	unsigned int nth;
	unsigned int nr;
	bool lost;
	struct {
		const void *ptr;
		unsigned long site;
		unsigned int nth;
	} kept[MAX_KEPT];
};

struct ledger *ledger_open(struct kunit *test);
void ledger_close(struct kunit *test, struct ledger *ledger);

#endif /* UDMABUF_FANOUT_LEDGER_H */
