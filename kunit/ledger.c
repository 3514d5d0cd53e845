// SPDX-License-Identifier: GPL-2.0
/*
 * Memory that was allocated and not given back, as the tracepoints tell: what
 * kmalloc() gave, and pages that are charged to a memory cgroup.
 */
#include <kunit/test.h>
#include <linux/file.h>
#include <linux/kallsyms.h>
#include <linux/rcupdate.h>
#include <linux/sched.h>
#include <linux/string.h>
#include <linux/tracepoint.h>
#include <trace/events/kmem.h>

#include "ledger.h"

static void strike(struct ledger *ledger, const void *ptr)
{
	unsigned int i = ledger->nr;

	while (i--) {
		if (ledger->kept[i].ptr == ptr) {
			ledger->kept[i] = ledger->kept[--ledger->nr];
			return;
		}
	}
}

static void see_kmalloc(void *data, unsigned long site, const void *ptr,
			size_t bytes_req, size_t bytes_alloc, gfp_t gfp,
			int node)
{
	struct ledger *ledger = data;
	unsigned long flags;

	if (!ptr || !in_task() || current != ledger->task)
		return;
	raw_spin_lock_irqsave(&ledger->lock, flags);
	strike(ledger, ptr);
	if (ledger->nr < MAX_KEPT) {
		ledger->kept[ledger->nr].ptr = ptr;
		ledger->kept[ledger->nr].site = site;
		ledger->kept[ledger->nr++].nth = ledger->nth;
	} else {
		ledger->lost = true;
	}
	raw_spin_unlock_irqrestore(&ledger->lock, flags);
}

static void see_kfree(void *data, unsigned long site, const void *ptr)
{
	struct ledger *ledger = data;
	unsigned long flags;

	raw_spin_lock_irqsave(&ledger->lock, flags);
	strike(ledger, ptr);
	raw_spin_unlock_irqrestore(&ledger->lock, flags);
}

/* Pages that are charged to somebody; those of slabs are not. */
static void see_page_alloc(void *data, struct page *page, unsigned int order,
			   gfp_t gfp, int migratetype)
{
	if (gfp & __GFP_ACCOUNT)
		see_kmalloc(data, (unsigned long)see_page_alloc, page, 0, 0,
			    gfp, 0);
}

static void see_page_free(void *data, struct page *page, unsigned int order)
{
	see_kfree(data, 0, page);
}

static void stop_ledger(void *ledger)
{
	unregister_trace_mm_page_alloc(see_page_alloc, ledger);
	unregister_trace_mm_page_free(see_page_free, ledger);
	unregister_trace_kmalloc(see_kmalloc, ledger);
	unregister_trace_kfree(see_kfree, ledger);
	tracepoint_synchronize_unregister();
}

/**
 * ledger_open() - follow what is allocated from now on
 * @test: the test
 *
 * Return: the ledger, of nobody's allocations so far.
 */
struct ledger *ledger_open(struct kunit *test)
{
	struct ledger *ledger;

	ledger = kunit_kzalloc(test, sizeof(*ledger), GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, ledger);
	raw_spin_lock_init(&ledger->lock);
	KUNIT_ASSERT_EQ(test, 0, register_trace_kfree(see_kfree, ledger));
	KUNIT_ASSERT_EQ(test, 0, register_trace_kmalloc(see_kmalloc, ledger));
	KUNIT_ASSERT_EQ(test, 0,
			register_trace_mm_page_free(see_page_free, ledger));
	KUNIT_ASSERT_EQ(test, 0,
			register_trace_mm_page_alloc(see_page_alloc, ledger));
	KUNIT_ASSERT_EQ(test, 0,
			kunit_add_action_or_reset(test, stop_ledger, ledger));
	return ledger;
}

/*
 * What memory cgroups note in a slab, and what keeps objects ready for a CPU
 * (mm/slub.c), live as long as the slabs. The nodes of open files in kernfs are
 * freed by kfree_rcu(), of which newer kernels tell nobody (7.3 does not).
 */
static bool is_not_followed(unsigned long site)
{
	static const char * const sites[] = {
		"alloc_slab_obj_exts", "__pcs_replace_empty_main",
		"kernfs_fop_open",
	};
	char name[KSYM_SYMBOL_LEN];
	unsigned int i;

	sprint_symbol_no_offset(name, site);
	for (i = 0; i < ARRAY_SIZE(sites); i++)
		if (strstarts(name, sites[i]))
			return true;
	return false;
}

/**
 * ledger_close() - fail the test if anything is still allocated
 * @test: the test
 * @ledger: the ledger
 */
void ledger_close(struct kunit *test, struct ledger *ledger)
{
	unsigned int i, nr = 0;

	flush_delayed_fput();
	rcu_barrier();
	kunit_release_action(test, stop_ledger, ledger);

	KUNIT_EXPECT_FALSE(test, ledger->lost);
	for (i = 0; i < ledger->nr; i++)
		if (!is_not_followed(ledger->kept[i].site) && nr++ < 5)
			KUNIT_FAIL(test,
				   "of fault %u, never freed: what %pS allocated",
				   ledger->kept[i].nth,
				   (void *)ledger->kept[i].site);
	if (nr > 5)
		KUNIT_FAIL(test, "... and %u more", nr - 5);
}
