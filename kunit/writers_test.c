// SPDX-License-Identifier: GPL-2.0
/*
 * Who has a write access open (H15): the bound is never below the truth, and it
 * does not stay above it because of processes that are gone.
 *
 * Would miss: threads of one process, which are the process. What the bound is
 * for is in flush_test.c.
 */
#include <kunit/test.h>
#include <linux/delay.h>
#include <linux/dma-buf.h>
#include <linux/pid.h>
#include <linux/sched/signal.h>
#include <linux/sched/task.h>

#include "../driver/buffer.h"
#include "importer.h"

/* A buffer is open until each access was ended, in whatever order. */
static void every_open_write_counts(struct kunit *test)
{
	static const unsigned int order[] = { 1, 5, 1, 0, 4, 3, 2 };
	struct process process[6] = { };
	struct users *u = test->priv;
	unsigned int i;

	create_processes(u, process, ARRAY_SIZE(process));
	for (i = 0; i < ARRAY_SIZE(process); i++)
		process_begins(&process[i], i % 2 ? CPU_WRITE : CPU_RW);
	process_begins(&process[1], CPU_WRITE);
	for (i = 0; i < ARRAY_SIZE(order); i++) {
		KUNIT_EXPECT_TRUE_MSG(test, write_is_open(u), "after %u", i);
		process_ends(&process[order[i]], CPU_WRITE);
	}
	KUNIT_EXPECT_FALSE(test, write_is_open(u));

	/* One end more closes nothing that comes later. */
	process_ends(&process[0], CPU_WRITE);
	process_begins(&process[0], CPU_WRITE);
	KUNIT_EXPECT_TRUE(test, write_is_open(u));
	process_begins(&process[2], CPU_WRITE);
	process_ends(&process[0], CPU_WRITE);
	KUNIT_EXPECT_TRUE(test, write_is_open(u));
	process_ends(&process[2], CPU_WRITE);
	KUNIT_EXPECT_FALSE(test, write_is_open(u));
}

/* A read opens nothing, and its end closes nothing. */
static void reads_do_not_count(struct kunit *test)
{
	struct users *u = test->priv;

	cpu_begin(u, CPU_READ);
	KUNIT_EXPECT_FALSE(test, write_is_open(u));
	cpu_end(u, CPU_READ);
	cpu_begin(u, CPU_WRITE);
	cpu_end(u, CPU_READ);
	KUNIT_EXPECT_TRUE(test, write_is_open(u));
}

/* Who ends what another began may as well be ending nothing at all. */
static void nobody_ends_the_write_of_another(struct kunit *test)
{
	struct process process[3] = { };
	struct users *u = test->priv;

	add_device(u, "cam", FAKE_NONCOHERENT, DMA_FROM_DEVICE);
	create_processes(u, process, ARRAY_SIZE(process));
	process_begins(&process[0], CPU_WRITE);
	process_begins(&process[1], CPU_WRITE);
	process_ends(&process[0], CPU_WRITE);
	KUNIT_EXPECT_TRUE(test, write_is_open(u));
	process_ends(&process[2], CPU_WRITE);
	process_ends(&process[0], CPU_WRITE);
	cpu_end(u, CPU_RW);
	KUNIT_EXPECT_TRUE(test, write_is_open(u));
	shim_mark(u->shim);
	cpu_begin(u, CPU_READ);
	FAKE_EXPECT_SYNCS(test, "flush cam BIDIRECTIONAL x8");
	process_ends(&process[1], CPU_WRITE);
	KUNIT_EXPECT_FALSE(test, write_is_open(u));
	shim_mark(u->shim);
	cpu_begin(u, CPU_READ);
	FAKE_EXPECT_SYNCS(test, "for_cpu cam BIDIRECTIONAL");
}

/*
 * What a dead process stored last is data, so it counts until the caches have
 * been cleaned once; others go on counting.
 */
static void a_dead_process_counts_until_it_is_cleaned_for(struct kunit *test)
{
	struct process process[2] = { };
	struct users *u = test->priv;

	add_device(u, "cam", FAKE_NONCOHERENT, DMA_FROM_DEVICE);
	create_processes(u, process, ARRAY_SIZE(process));
	process_begins(&process[0], CPU_WRITE);
	process_begins(&process[1], CPU_WRITE);
	process_dies(&process[0]);
	shim_mark(u->shim);
	/* An end looks as well, and cleans nothing of the kind. */
	cpu_end(u, CPU_READ);
	FAKE_EXPECT_SYNCS(test, "for_device cam BIDIRECTIONAL");
	KUNIT_EXPECT_TRUE(test, write_is_open(u));
	cpu_begin(u, CPU_READ);
	FAKE_EXPECT_SYNCS(test, "flush cam BIDIRECTIONAL x8");
	/* The other one lives. */
	cpu_begin(u, CPU_READ);
	FAKE_EXPECT_SYNCS(test, "flush cam BIDIRECTIONAL x8");
	process_dies(&process[1]);
	KUNIT_EXPECT_TRUE(test, write_is_open(u));
	cpu_begin(u, CPU_READ);
	FAKE_EXPECT_SYNCS(test, "flush cam BIDIRECTIONAL x8");
	KUNIT_EXPECT_FALSE(test, write_is_open(u));
	cpu_begin(u, CPU_READ);
	FAKE_EXPECT_SYNCS(test, "for_cpu cam BIDIRECTIONAL");
}

/* One that dies with nothing open is not there any more. */
static void a_process_that_ended_its_writes_may_die(struct kunit *test)
{
	struct process process[2] = { };
	struct users *u = test->priv;
	unsigned int held;
	struct pid *pid;

	create_processes(u, process, ARRAY_SIZE(process));
	pid = task_tgid(process[0].worker->task);
	held = refcount_read(&pid->count);
	process_begins(&process[0], CPU_WRITE);
	KUNIT_EXPECT_EQ(test, held + 1, refcount_read(&pid->count));
	process_ends(&process[0], CPU_WRITE);
	process_begins(&process[1], CPU_WRITE);
	KUNIT_EXPECT_EQ(test, held, refcount_read(&pid->count));

	process_begins(&process[0], CPU_WRITE);
	process_ends(&process[0], CPU_WRITE);
	process_dies(&process[0]);
	KUNIT_EXPECT_TRUE(test, write_is_open(u));
	process_ends(&process[1], CPU_WRITE);
	KUNIT_EXPECT_FALSE(test, write_is_open(u));
}

/* Many that die one after the other need the room of one or two. */
static void dead_processes_do_not_pile_up(struct kunit *test)
{
	struct users *u = test->priv;
	struct fanout_buffer *buffer = u->dmabuf->priv;
	unsigned int i, room;

	for (i = 0; i < 40; i++) {
		struct process process = { };

		/* At first nobody has mapped, and nothing needs cleaning. */
		if (i == 20) {
			add_device(u, "cam", FAKE_NONCOHERENT, DMA_FROM_DEVICE);
			FAKE_EXPECT_SYNCS(test, "for_device cam BIDIRECTIONAL");
			KUNIT_EXPECT_FALSE(test, write_is_open(u));
			room = buffer->open_writes.nr_more;
		}
		create_processes(u, &process, 1);
		process_begins(&process, CPU_WRITE);
		process_dies(&process);
		KUNIT_EXPECT_LE(test, buffer->open_writes.nr_more, 3);
	}
	KUNIT_EXPECT_EQ(test, room, buffer->open_writes.nr_more);
}

static int begin_and_exit(void *dmabuf)
{
	dma_buf_begin_cpu_access(dmabuf, CPU_WRITE);
	do_exit(0);
}

/* A process is dead before anybody has waited for it. */
static void a_zombie_is_dead(struct kunit *test)
{
	struct users *u = test->priv;
	struct task_struct *task;
	struct pid *pid;
	pid_t nr;

	add_device(u, "cam", FAKE_NONCOHERENT, DMA_FROM_DEVICE);
	/* Kernel threads ignore it, and have no zombies. */
	kernel_sigaction(SIGCHLD, SIG_DFL);
	nr = user_mode_thread(begin_and_exit, u->dmabuf, SIGCHLD);
	KUNIT_ASSERT_GT(test, nr, 0);
	pid = find_get_pid(nr);
	task = get_pid_task(pid, PIDTYPE_TGID);
	put_pid(pid);
	KUNIT_ASSERT_NOT_NULL(test, task);
	while (!READ_ONCE(task->exit_state))
		msleep(20);
	KUNIT_EXPECT_EQ(test, EXIT_ZOMBIE, READ_ONCE(task->exit_state));
	shim_mark(u->shim);
	cpu_begin(u, CPU_READ);
	FAKE_EXPECT_SYNCS(test, "flush cam BIDIRECTIONAL x8");
	cpu_begin(u, CPU_READ);
	FAKE_EXPECT_SYNCS(test, "for_cpu cam BIDIRECTIONAL");
	KUNIT_EXPECT_EQ(test, EXIT_ZOMBIE, READ_ONCE(task->exit_state));
	put_task_struct(task);
	kernel_wait(nr, NULL);
	kernel_sigaction(SIGCHLD, SIG_IGN);
}

/* More than 2^32 are counted, and do not become none. */
static void a_count_does_not_overflow(struct kunit *test)
{
	struct users *u = test->priv;
	struct fanout_buffer *buffer = u->dmabuf->priv;

	cpu_begin(u, CPU_WRITE);
	buffer->open_writes.first.depth = UINT_MAX;
	cpu_begin(u, CPU_WRITE);
	KUNIT_EXPECT_EQ(test, 1ULL << 32, buffer->open_writes.first.depth);
	KUNIT_EXPECT_TRUE(test, open_writes_any(&buffer->open_writes));
	cpu_end(u, CPU_WRITE);
	KUNIT_EXPECT_EQ(test, UINT_MAX, buffer->open_writes.first.depth);
	buffer->open_writes.first.depth = 1;
	cpu_end(u, CPU_WRITE);
}

static struct kunit_case writers_cases[] = {
	KUNIT_CASE(every_open_write_counts),
	KUNIT_CASE(reads_do_not_count),
	KUNIT_CASE(nobody_ends_the_write_of_another),
	KUNIT_CASE(a_dead_process_counts_until_it_is_cleaned_for),
	KUNIT_CASE(a_process_that_ended_its_writes_may_die),
	KUNIT_CASE(dead_processes_do_not_pile_up),
	KUNIT_CASE(a_zombie_is_dead),
	KUNIT_CASE(a_count_does_not_overflow),
	{ }
};

static struct kunit_suite writers_suite = {
	.name = "udmabuf_fanout_writers",
	.init = users_init,
	.exit = users_exit,
	.test_cases = writers_cases,
};

kunit_test_suite(writers_suite);
