// SPDX-License-Identifier: GPL-2.0
/*
 * Allocations that fail: the settings of lib/fault-inject.c, found where debugfs
 * shows them, and the counters that it keeps for each thread.
 */
#include <kunit/test.h>
#include <linux/sched.h>

#include "faults.h"
#include "files.h"

static const char * const attrs[] = {
	"failslab", "fail_page_alloc", "fail_usercopy"
};

/*
 * Allocations of any size fail, those that may sleep, too; after the one that
 * current->fail_nth counts out, all others of a task that asks for it
 * (current->make_it_fail); and nothing is printed. Set in this order, and undone
 * in the opposite one, nobody else's ever fail.
 */
static const struct {
	const char *file;
	size_t size;
	int value;
} settings[] = {
	{ "task-filter", sizeof(bool), true },
	{ "verbose", sizeof(unsigned long), 0 },
	{ "min-order", sizeof(u32), 0 },
	{ "ignore-gfp-highmem", sizeof(bool), false },
	{ "ignore-gfp-wait", sizeof(bool), false },
	{ "times", sizeof(atomic_t), -1 },
	{ "probability", sizeof(unsigned long), 100 },
};

static u64 saved[ARRAY_SIZE(attrs)][ARRAY_SIZE(settings)];

static void set(void *value, size_t size, u64 to)
{
	if (size == sizeof(bool))
		*(bool *)value = to;
	else if (size == sizeof(u32))
		*(u32 *)value = to;
	else
		*(u64 *)value = to;
}

static u64 get(const void *value, size_t size)
{
	if (size == sizeof(bool))
		return *(const bool *)value;
	return size == sizeof(u32) ? *(const u32 *)value : *(const u64 *)value;
}

static void restore_settings(void *unused)
{
	unsigned int attr, i;
	void *value;

	for (attr = 0; attr < ARRAY_SIZE(attrs); attr++) {
		for (i = ARRAY_SIZE(settings); i--;) {
			value = files_debugfs_value(attrs[attr],
						    settings[i].file);
			if (value)
				set(value, settings[i].size, saved[attr][i]);
		}
	}
}

/**
 * faults_allow() - let allocations fail from now on
 * @test: the test, with whose end that ends
 *
 * They do so while a thread has said which.
 */
void faults_allow(struct kunit *test)
{
	unsigned int attr, i;
	void *value;

	for (attr = 0; attr < ARRAY_SIZE(attrs); attr++) {
		for (i = 0; i < ARRAY_SIZE(settings); i++) {
			value = files_debugfs_value(attrs[attr],
						    settings[i].file);
			if (!value)
				continue;
			saved[attr][i] = get(value, settings[i].size);
			set(value, settings[i].size, settings[i].value);
		}
	}
	KUNIT_ASSERT_EQ(test, 0,
			kunit_add_action_or_reset(test, restore_settings,
						  NULL));
}

#if CAN_FAIL
/**
 * faults_arm() - have this thread's allocations fail
 * @nth: which one, counted from now on; 0 for none
 * @all: and all that come after it
 */
void faults_arm(unsigned int nth, bool all)
{
	current->make_it_fail = nth && all;
	current->fail_nth = nth;
}

/**
 * faults_of_pages() - have this thread's large allocations fail, and no others
 * @order: from how many pages on, as a power of two
 */
void faults_of_pages(unsigned int order)
{
	void *slab = files_debugfs_value("failslab", "probability");
	void *copy = files_debugfs_value("fail_usercopy", "probability");
	void *least = files_debugfs_value("fail_page_alloc", "min-order");

	if (slab)
		set(slab, sizeof(unsigned long), 0);
	if (copy)
		set(copy, sizeof(unsigned long), 0);
	if (least)
		set(least, sizeof(u32), order);
	current->make_it_fail = true;
}

/**
 * faults_disarm() - let this thread's allocations succeed again
 *
 * Return: whether there were as many as faults_arm() was told.
 */
bool faults_disarm(void)
{
	bool consumed = !current->fail_nth;

	current->fail_nth = 0;
	current->make_it_fail = 0;
	return consumed;
}
#else
void faults_arm(unsigned int nth, bool all)
{
}

void faults_of_pages(unsigned int order)
{
}

bool faults_disarm(void)
{
	return false;
}
#endif
