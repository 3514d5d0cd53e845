// SPDX-License-Identifier: GPL-2.0
/*
 * Not a suite: prints what gcov counted in the driver when the kernel goes down,
 * which kunit.py has it do after the suites, so that no user space is needed to
 * get at it. tools/fanout/coverage.py reads the lines from the console. Empty
 * without CONFIG_GCOV_KERNEL.
 */
#include <linux/cleanup.h>
#include <linux/delay.h>
#include <linux/init.h>
#include <linux/minmax.h>
#include <linux/mutex.h>
#include <linux/printk.h>
#include <linux/reboot.h>
#include <linux/slab.h>
#include <linux/string.h>

#include "gcov.h"

/* As many bytes as %*ph prints. */
#define BYTES_A_LINE	64

static void print_counts(struct gcov_info *info)
{
	size_t size = convert_to_gcda(NULL, info), at, nr;
	char *data = kvmalloc(size, GFP_KERNEL | __GFP_NOFAIL);

	convert_to_gcda(data, info);
	for (at = 0; at < size; at += nr) {
		nr = min_t(size_t, size - at, BYTES_A_LINE);
		pr_info("gcda %s %zu %zu %*phN\n",
			kbasename(gcov_info_filename(info)), size, at,
			(int)nr, data + at);
		/* UML drops what its console is not rid of. */
		fsleep(100);
	}
	kvfree(data);
}

static int print_all_counts(struct notifier_block *nb, unsigned long event,
			    void *unused)
{
	struct gcov_info *info = NULL;

	guard(mutex)(&gcov_lock);
	while ((info = gcov_info_next(info)))
		print_counts(info);
	return NOTIFY_DONE;
}

static struct notifier_block at_shutdown = {
	.notifier_call = print_all_counts,
};

/* UML has no constructors that could tell the kernel of them. */
extern struct gcov_info *__start_fanout_gcov[] __weak;
extern struct gcov_info *__stop_fanout_gcov[] __weak;

static int __init coverage_init(void)
{
	struct gcov_info **info;

	if (!IS_ENABLED(CONFIG_GCOV_KERNEL))
		return 0;
	for (info = __start_fanout_gcov; info < __stop_fanout_gcov; info++)
		gcov_info_link(*info);
	return register_reboot_notifier(&at_shutdown);
}
late_initcall(coverage_init);
