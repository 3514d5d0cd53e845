// SPDX-License-Identifier: GPL-2.0
/*
 * The bound of open write accesses, by itself. Processes are kernel threads,
 * each of which does at a time what the test's thread tells it to; so nobody
 * needs the lock that the driver holds.
 *
 * Would miss: what the bound is used for (flush_test.c, race_test.c), threads
 * of one process, and that a count is lost when there is no memory for it
 * (fail_test.c).
 */
#include <kunit/test.h>
#include <linux/completion.h>
#include <linux/err.h>
#include <linux/kthread.h>
#include <linux/pid.h>
#include <linux/refcount.h>
#include <linux/sched/task.h>

#include "../driver/open_writes.h"

/* More than there is room for without growing twice. */
#define MANY	12

/**
 * struct process - a process that does what it is told
 * @task: its only thread; referenced
 * @what: what it does next; NULL to die
 * @ret: what that returned
 * @told: @what is new
 * @done: it is done
 */
struct process {
	struct task_struct *task;
	int (*what)(void);
	int ret;
	struct completion told;
	struct completion done;
};

static struct open_writes writes;
static bool forget_dead;

static int live(void *data)
{
	struct process *process = data;
	int (*what)(void);

	/* What is told next may come before this one has been left. */
	do {
		wait_for_completion(&process->told);
		what = process->what;
		if (what)
			process->ret = what();
		complete(&process->done);
	} while (what);

	/* As a zombie, which is not waited for. */
	return 0;
}

static void tell(struct process *process, int (*what)(void))
{
	process->what = what;
	complete(&process->told);
	wait_for_completion(&process->done);
}

static bool is_dead(struct process *process)
{
	return !atomic_read(&process->task->signal->live);
}

static void kill_process(struct process *process)
{
	tell(process, NULL);
	while (!is_dead(process))
		schedule_timeout_uninterruptible(1);
}

static void end_process(void *data)
{
	struct process *process = data;

	if (!is_dead(process))
		kill_process(process);
	put_task_struct(process->task);
}

static struct process *new_process(struct kunit *test)
{
	struct process *process;
	struct task_struct *task;

	process = kunit_kzalloc(test, sizeof(*process), GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, process);
	init_completion(&process->told);
	init_completion(&process->done);
	task = kthread_create(live, process, "process");
	KUNIT_ASSERT_NOT_ERR_OR_NULL(test, task);
	process->task = get_task_struct(task);
	wake_up_process(task);
	KUNIT_ASSERT_EQ(test, 0, kunit_add_action_or_reset(test, end_process,
							   process));
	return process;
}

static int do_begin(void)
{
	return open_writes_begin(&writes, forget_dead);
}

static int do_end(void)
{
	open_writes_end(&writes);
	return 0;
}

/* By a process, or by the test's own for NULL. */
static void begin(struct kunit *test, struct process *process)
{
	if (process)
		tell(process, do_begin);
	KUNIT_EXPECT_EQ(test, 0, process ? process->ret : do_begin());
}

static void end(struct process *process)
{
	if (process)
		tell(process, do_end);
	else
		do_end();
}

static unsigned int nr_slots(void)
{
	return 1 + writes.nr_more;
}

#define EXPECT_OPEN(test)	KUNIT_EXPECT_TRUE(test, open_writes_any(&writes))
#define EXPECT_NONE(test)	KUNIT_EXPECT_FALSE(test, open_writes_any(&writes))

static int init(struct kunit *test)
{
	writes = (struct open_writes) { };
	forget_dead = false;
	return 0;
}

static void leave(struct kunit *test)
{
	open_writes_forget(&writes);
}

/* Counting. */

/* As many ends as begins, and not one less; more of them mean nothing. */
static void each_begin_has_its_end(struct kunit *test)
{
	struct process *other = new_process(test), *by;
	unsigned int i;

	for (i = 0; i < 2; i++) {
		by = i ? other : NULL;
		EXPECT_NONE(test);
		end(by);
		end(by);
		begin(test, by);
		begin(test, by);
		end(by);
		EXPECT_OPEN(test);
		end(by);
		EXPECT_NONE(test);
		end(by);
		begin(test, by);
		EXPECT_OPEN(test);
		end(by);
		EXPECT_NONE(test);
		/* So that the other one is not the first. */
		begin(test, NULL);
		end(NULL);
		open_writes_forget(&writes);
		begin(test, NULL);
		begin(test, other);
		end(NULL);
		EXPECT_OPEN(test);
		end(other);
	}
}

/*
 * Who ends what another process began may be ending nothing: only the own end
 * counts, whoever stands first.
 */
static void nobody_ends_anothers_access(struct kunit *test)
{
	struct process *one = new_process(test), *two = new_process(test);

	begin(test, one);
	end(NULL);
	end(two);
	EXPECT_OPEN(test);

	/* The second one stands behind the first. */
	begin(test, two);
	end(one);
	end(one);
	end(NULL);
	EXPECT_OPEN(test);
	end(two);
	EXPECT_NONE(test);
}

/* Kernel mappings count, whoever lives or dies, and nothing cleans them away. */
static void kernel_mappings_count(struct kunit *test)
{
	writes.kernel++;
	EXPECT_OPEN(test);
	KUNIT_EXPECT_FALSE(test, open_writes_none(&writes));
	open_writes_cleaned(&writes);
	end(NULL);
	EXPECT_OPEN(test);
	writes.kernel--;
	EXPECT_NONE(test);
	KUNIT_EXPECT_TRUE(test, open_writes_none(&writes));
}

/* Without the lock "none" may be said too rarely, and never wrongly. */
static void none_is_never_said_wrongly(struct kunit *test)
{
	struct process *other = new_process(test);

	KUNIT_EXPECT_TRUE(test, open_writes_none(&writes));
	begin(test, NULL);
	KUNIT_EXPECT_FALSE(test, open_writes_none(&writes));
	end(NULL);
	KUNIT_EXPECT_TRUE(test, open_writes_none(&writes));

	begin(test, NULL);
	begin(test, other);
	end(NULL);
	KUNIT_EXPECT_FALSE(test, open_writes_none(&writes));
	end(other);
}

/* The dead. */

/* What a dead process stored counts until it was cleaned once. */
static void the_dead_count_until_cleaned(struct kunit *test)
{
	struct process *first = new_process(test), *more = new_process(test);

	begin(test, first);
	begin(test, more);
	begin(test, more);
	kill_process(first);
	kill_process(more);
	EXPECT_OPEN(test);
	EXPECT_OPEN(test);
	open_writes_cleaned(&writes);
	EXPECT_NONE(test);
}

/* ... and who died while it was being cleaned, until the next time. */
static void who_dies_meanwhile_counts_on(struct kunit *test)
{
	struct process *first = new_process(test), *more = new_process(test);

	begin(test, first);
	begin(test, more);
	EXPECT_OPEN(test);
	kill_process(first);
	kill_process(more);
	open_writes_cleaned(&writes);
	EXPECT_OPEN(test);
	open_writes_cleaned(&writes);
	EXPECT_NONE(test);
}

/* The living are not cleaned away, nor a dead one's neighbour. */
static void the_living_stay(struct kunit *test)
{
	struct process *one = new_process(test), *two = new_process(test);

	begin(test, NULL);
	begin(test, one);
	begin(test, two);
	kill_process(one);
	EXPECT_OPEN(test);
	open_writes_cleaned(&writes);
	end(NULL);
	EXPECT_OPEN(test);
	end(two);
	EXPECT_NONE(test);
}

/*
 * Where nothing needs cleaning, the dead make room for whoever comes next, and
 * otherwise they do not.
 */
static void the_dead_make_room_if_they_may(struct kunit *test)
{
	struct process *dead[MANY];
	unsigned int i, k;

	for (k = 0; k < 2; k++) {
		forget_dead = k;
		for (i = 0; i < MANY; i++) {
			dead[i] = new_process(test);
			begin(test, dead[i]);
			kill_process(dead[i]);
		}
		if (forget_dead) {
			KUNIT_EXPECT_EQ(test, 1, nr_slots());
			/* The last one. */
			EXPECT_OPEN(test);
			begin(test, NULL);
			end(NULL);
			EXPECT_NONE(test);
		} else {
			KUNIT_EXPECT_GE(test, nr_slots(), MANY);
			EXPECT_OPEN(test);
		}
		open_writes_forget(&writes);
	}
}

/* Room. */

/* Processes that come one after the other need one place. */
static void places_are_used_again(struct kunit *test)
{
	struct process *process;
	unsigned int i;

	for (i = 0; i < MANY; i++) {
		process = new_process(test);
		begin(test, process);
		begin(test, NULL);
		end(process);
		end(NULL);
		EXPECT_NONE(test);
		/* The first one has its place again, or took the other. */
		KUNIT_EXPECT_LE(test, nr_slots(), 4);
	}
}

/* As many processes at a time as there are; each is found again, and once. */
static void many_processes_at_a_time(struct kunit *test)
{
	struct process *process[MANY];
	unsigned int i, k, places;

	for (i = 0; i < MANY; i++) {
		process[i] = new_process(test);
		begin(test, process[i]);
	}
	for (i = 0; i < MANY; i++)
		begin(test, process[i]);
	KUNIT_EXPECT_LE(test, nr_slots(), 2 * MANY);
	for (i = 0; i < MANY; i++) {
		places = writes.first.process == task_tgid(process[i]->task);
		for (k = 0; k < writes.nr_more; k++)
			places += writes.more[k].process ==
				  task_tgid(process[i]->task);
		KUNIT_EXPECT_EQ(test, 1, places);
	}
	for (i = MANY; i--;) {
		end(process[i]);
		EXPECT_OPEN(test);
		end(process[i]);
		if (i)
			EXPECT_OPEN(test);
	}
	EXPECT_NONE(test);
}

/* A process that has a free place before its own does not get two. */
static void a_process_keeps_its_place(struct kunit *test)
{
	struct process *one = new_process(test), *two = new_process(test);

	begin(test, one);
	begin(test, two);
	end(one);
	/* The first place is free now. */
	begin(test, two);
	KUNIT_EXPECT_EQ(test, 0, writes.first.depth);
	end(two);
	EXPECT_OPEN(test);
	end(two);
	EXPECT_NONE(test);
}

/* Every reference to a process is given back. */
static void processes_are_not_kept(struct kunit *test)
{
	struct process *one = new_process(test), *two = new_process(test);
	struct pid *pid[] = { task_tgid(one->task), task_tgid(two->task) };
	unsigned int before[2], i;

	for (i = 0; i < 2; i++)
		before[i] = refcount_read(&pid[i]->count);
	begin(test, one);
	begin(test, two);
	begin(test, one);
	KUNIT_EXPECT_EQ(test, before[0] + 1, refcount_read(&pid[0]->count));
	end(one);
	end(one);
	/* Another one's place. */
	begin(test, NULL);
	KUNIT_EXPECT_EQ(test, before[0], refcount_read(&pid[0]->count));
	KUNIT_EXPECT_EQ(test, before[1] + 1, refcount_read(&pid[1]->count));
	open_writes_forget(&writes);
	for (i = 0; i < 2; i++)
		KUNIT_EXPECT_EQ(test, before[i], refcount_read(&pid[i]->count));
	KUNIT_EXPECT_NULL(test, writes.more);
	EXPECT_NONE(test);
}

static struct kunit_case open_writes_cases[] = {
	KUNIT_CASE(each_begin_has_its_end),
	KUNIT_CASE(nobody_ends_anothers_access),
	KUNIT_CASE(kernel_mappings_count),
	KUNIT_CASE(none_is_never_said_wrongly),
	KUNIT_CASE(the_dead_count_until_cleaned),
	KUNIT_CASE(who_dies_meanwhile_counts_on),
	KUNIT_CASE(the_living_stay),
	KUNIT_CASE(the_dead_make_room_if_they_may),
	KUNIT_CASE(places_are_used_again),
	KUNIT_CASE(many_processes_at_a_time),
	KUNIT_CASE(a_process_keeps_its_place),
	KUNIT_CASE(processes_are_not_kept),
	{ }
};

static struct kunit_suite open_writes_suite = {
	.name = "udmabuf_fanout_open_writes",
	.init = init,
	.exit = leave,
	.test_cases = open_writes_cases,
};

kunit_test_suite(open_writes_suite);
