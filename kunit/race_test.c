// SPDX-License-Identifier: GPL-2.0
/*
 * Races of who comes and goes: devices that attach, map and leave, processes that
 * sync and die, signals, parameters, the last reference, while others use the same
 * buffer. The judges are lockdep, DMA API debugging, KASAN and KCSAN where they
 * are built in, and what has to hold whoever comes first (racers.c).
 *
 * Would miss: what devices and user space do meanwhile, and the module's unload
 * (the rig has all three). On one CPU, as UML is, threads change places only
 * where they sleep, between two calls or inside of one.
 */
#include <kunit/test.h>
#include <linux/completion.h>
#include <linux/delay.h>
#include <linux/dma-buf.h>
#include <linux/dma-resv.h>
#include <linux/file.h>
#include <linux/fs.h>
#include <linux/iosys-map.h>
#include <linux/kthread.h>
#include <linux/mman.h>
#include <linux/mm.h>
#include <linux/prandom.h>
#include <linux/sched/signal.h>
#include <linux/sizes.h>

#include "../driver/buffer.h"
#include "../driver/kind.h"
#include "files.h"
#include "late_fence.h"
#include "memory.h"
#include "racers.h"

/* Turns. */

/* A kernel mapping comes and goes. */
static void use_vmap(struct racer *racer)
{
	struct dma_buf *dmabuf = racer->race->dmabuf;
	struct iosys_map map;

	KUNIT_EXPECT_EQ(racer->race->test, 0,
			dma_buf_vmap_unlocked(dmabuf, &map));
	atomic_inc(&racer->race->open);
	racer_pause(racer);
	atomic_dec(&racer->race->open);
	dma_buf_vunmap_unlocked(dmabuf, &map);
}

static void import_once(struct racer *racer,
			struct dma_buf_attachment *attachment,
			unsigned int depth)
{
	enum dma_data_direction dir = racer_direction(racer);
	struct kunit *test = racer->race->test;
	struct sg_table *sgt;

	sgt = dma_buf_map_attachment_unlocked(attachment, dir);
	if (racer->may_fail && PTR_ERR_OR_ZERO(sgt) == -ENOMEM) {
		racer->ret = -ENOMEM;
		return;
	}
	KUNIT_EXPECT_NOT_ERR_OR_NULL(test, sgt);
	if (IS_ERR_OR_NULL(sgt))
		return;
	racer_pause(racer);
	if (depth && !racer_dice(racer, 2))
		import_once(racer, attachment, depth - 1);
	dma_buf_unmap_attachment_unlocked(attachment, sgt, dir);
}

/* A device attaches, is mapped once or twice, and goes. */
static void use_device(struct racer *racer)
{
	struct dma_buf *dmabuf = racer->race->dmabuf;
	struct kunit *test = racer->race->test;
	struct dma_buf_attachment *attachment;

	attachment = dma_buf_attach(dmabuf, racer->dev);
	KUNIT_EXPECT_NOT_ERR_OR_NULL(test, attachment);
	if (IS_ERR_OR_NULL(attachment))
		return;
	racer_pause(racer);
	/*
	 * DMA API debugging takes a sync of a part for one of nothing where a
	 * device has mapped it twice (kernel/dma/debug.c, hash_bucket_find():
	 * "multiple matches but no perfect-fit"), and flushes are in parts.
	 */
	import_once(racer, attachment, device_snoops(racer->dev));
	dma_buf_detach(dmabuf, attachment);
}

/* Afterwards. */

/* Nothing is left of the race, and a read access fetches as ever. */
static void check_fetch(struct race *race)
{
	racer_begin(&race->own, CPU_READ);
	KUNIT_EXPECT_EQ(race->test, 1, race->own.steps);
	KUNIT_EXPECT_EQ(race->test, SYNC_FOR_CPU, race->own.last);
	racer_end(&race->own, CPU_READ);
}

/* As long as a write access may be open, it takes more care. */
static void check_flush(struct race *race)
{
	racer_begin(&race->own, CPU_READ);
	KUNIT_EXPECT_EQ(race->test, 1, race->own.steps);
	KUNIT_EXPECT_EQ(race->test, SYNC_FLUSH, race->own.last);
	racer_end(&race->own, CPU_READ);
}

/* Nobody maps the buffer, and nothing is left of who did. */
static void check_nobody(struct race *race)
{
	struct fanout_buffer *buffer = race->dmabuf->priv;

	KUNIT_EXPECT_TRUE(race->test, list_empty(&buffer->mappings));
	KUNIT_EXPECT_EQ(race->test, 0, buffer->fanout.nr_peers);
	KUNIT_EXPECT_TRUE(race->test, list_empty(&buffer->shadow.copies));
	KUNIT_EXPECT_EQ(race->test, 0, shadow_pages(&buffer->shadow));
}

/* Devices and processes. */

/*
 * H10: devices come and go while two threads use the CPU and one a kernel
 * mapping. No step is without the lock, none drops what an open write access has
 * stored (H15), and no peer and no copy is left.
 */
static void devices_come_and_go_during_cpu_accesses(struct kunit *test)
{
	struct race *race = test->priv;

	race_add(race, use_device, 300)->dev =
		race_device(test, "noncoherent-1");
	race_add(race, use_device, 300)->dev = race_device(test, "bounced-1");
	race_add(race, racer_uses_cpu, 300);
	race_add(race, racer_uses_cpu, 300);
	race_add(race, use_vmap, 300);
	race_start(race);
	race_await(race);
	race_stop(race);

	race_check_rules(race);
	check_nobody(race);
	race_import(race, "noncoherent-2", DMA_FROM_DEVICE);
	check_fetch(race);
}

static void use_device_and_put(struct racer *racer)
{
	use_device(racer);
	__fput_sync(racer->race->dmabuf->file);
}

static void use_cpu_and_put(struct racer *racer)
{
	racer_uses_cpu(racer);
	__fput_sync(racer->race->dmabuf->file);
}

static void use_vmap_and_put(struct racer *racer)
{
	use_vmap(racer);
	__fput_sync(racer->race->dmabuf->file);
}

/*
 * Whoever gives up the last reference, while others have just finished: the
 * buffer is released once, and every pin comes back.
 */
static void anybody_may_put_last(struct kunit *test)
{
	struct memory *mem = memory_shmem(test, PAGES);
	struct udmabuf_create_item item = memory_item(mem, 0, PAGES);
	struct device *dev = race_device(test, "noncoherent");
	struct race *race = test->priv;
	struct dma_buf *before = race->dmabuf;
	long pins = memory_pins();
	unsigned int round, i;

	for (round = 0; round < 60; round++) {
		race->dmabuf = fanout_buffer_export(&item, 1, PAGES);
		KUNIT_ASSERT_NOT_ERR_OR_NULL(test, race->dmabuf);
		race_add(race, use_device_and_put, 1)->dev = dev;
		race_add(race, use_cpu_and_put, 1);
		race_add(race, use_vmap_and_put, 1);
		for (i = 0; i < race->nr; i++) {
			prandom_seed_state(&race->racer[i].rnd,
					   round * MAX_RACERS + i);
			get_file(race->dmabuf->file);
		}
		race_start(race);
		__fput_sync(race->dmabuf->file);
		race_await(race);
		race_stop(race);
		KUNIT_ASSERT_EQ(test, pins, memory_pins());
	}
	race->dmabuf = before;
}

/* H15: several processes sync one buffer; nobody's open write is lost. */
static void several_processes_sync_one_buffer(struct kunit *test)
{
	struct race *race = test->priv;
	unsigned int i;

	race_import(race, "noncoherent", DMA_FROM_DEVICE);
	race_import(race, "bounced", DMA_TO_DEVICE);
	for (i = 0; i < 3; i++)
		race_add(race, racer_uses_cpu, 500);
	race_start(race);
	race_await(race);
	race_stop(race);

	race_check_rules(race);
	check_fetch(race);
}

static void begin_and_stay(struct racer *racer)
{
	racer->ret = dma_buf_begin_cpu_access(racer->race->dmabuf, CPU_WRITE);
}

/*
 * H15: as many processes as you like begin a write access and die, while
 * another one uses the CPU properly. As long as one of them lives, and once more
 * when they are all dead, what the caches hold is cleaned before it is dropped.
 */
static void open_writes_of_dying_processes_are_over(struct kunit *test)
{
	struct race *race = test->priv;
	unsigned int round, i;

	race_import(race, "noncoherent", DMA_FROM_DEVICE);
	for (round = 0; round < 10; round++) {
		for (i = 1; i < MAX_RACERS; i++)
			race_add(race, begin_and_stay, 1);
		race_add(race, racer_uses_cpu, 10);
		race_start(race);
		race_await(race);
		for (i = 0; i < MAX_RACERS; i++)
			KUNIT_EXPECT_EQ(test, 0, race->racer[i].ret);
		check_flush(race);
		check_flush(race);
		race_stop(race);

		KUNIT_EXPECT_TRUE(test, write_is_open_in(race->dmabuf));
		check_flush(race);
		race_check_rules(race);
		check_fetch(race);
	}
}

/* Fences and signals. */

/* The exporter's part alone: the core waits as well, but afterwards. */
static void begin_and_wait(struct racer *racer)
{
	struct dma_buf *dmabuf = racer->race->dmabuf;

	allow_signal(SIGUSR1);
	complete(&racer->ready);
	racer->ret = dmabuf->ops->begin_cpu_access(dmabuf, CPU_WRITE);
}

static void check_begin(struct race *race, const struct racer *racer)
{
	struct kunit *test = race->test;
	bool unlocked = dma_resv_trylock(race->dmabuf->resv);

	KUNIT_EXPECT_TRUE(test, unlocked);
	if (unlocked)
		dma_resv_unlock(race->dmabuf->resv);
	if (racer->ret) {
		KUNIT_EXPECT_EQ(test, -ERESTARTSYS, racer->ret);
		KUNIT_EXPECT_EQ(test, 0, racer->steps);
		KUNIT_EXPECT_FALSE(test, write_is_open_in(race->dmabuf));
		return;
	}
	KUNIT_EXPECT_EQ(test, 1, racer->steps);
	KUNIT_EXPECT_TRUE(test, write_is_open_in(race->dmabuf));
	/* It is not for us to end. */
	KUNIT_EXPECT_EQ(test, 0, dma_buf_end_cpu_access(race->dmabuf,
							CPU_WRITE));
	KUNIT_EXPECT_TRUE(test, write_is_open_in(race->dmabuf));
}

/*
 * H12: a thread waits for a fence and gets a signal, before the fence is
 * signalled, afterwards, or at the same time. An access that has not begun holds
 * nothing, has synced nothing and is not open; one that has is complete.
 */
static void a_fence_and_a_signal_race(struct kunit *test)
{
	struct race *race = test->priv;
	unsigned int round, delay, begun[3] = { }, interrupted[3] = { };
	struct late_fence *late;
	struct racer *racer;
	bool open;

	race_import(race, "noncoherent", DMA_FROM_DEVICE);
	for (round = 0; round < 30; round++) {
		late = late_fence_add(test, race->dmabuf,
				      DMA_RESV_USAGE_WRITE);
		racer = race_add(race, begin_and_wait, 1);
		race_start(race);
		wait_for_completion(&racer->ready);
		switch (round % 3) {
		case 0:
			send_sig(SIGUSR1, racer->task, 0);
			break;
		case 1:
			late_fence_signal_in(late, 1);
			break;
		default:
			late_fence_signal_in(late, 1);
			delay = round * jiffies_to_usecs(2) / 30;
			usleep_range(delay, delay + 1);
			send_sig(SIGUSR1, racer->task, 0);
			break;
		}
		race_await(race);
		check_begin(race, racer);
		if (racer->ret)
			interrupted[round % 3]++;
		else
			begun[round % 3]++;
		open = !racer->ret;
		race_stop(race);
		if (open)
			check_flush(race);
		KUNIT_EXPECT_FALSE(test, write_is_open_in(race->dmabuf));
		late_fence_put(test, late);
	}
	KUNIT_EXPECT_EQ(test, 0, begun[0]);
	KUNIT_EXPECT_EQ(test, 0, interrupted[1]);
	kunit_info(test, "at the same time: %u begun, %u interrupted", begun[2],
		   interrupted[2]);
	check_fetch(race);
}

/* The policy. */

/*
 * For each policy the signatures of begin and end, for reading and for writing;
 * how many events took the steps of each, and how many those of neither.
 */
static struct {
	u64 wanted[2][4];
	unsigned int followed[2];
	unsigned int astray;
} policy;

static void follow(struct racer *racer, unsigned int event)
{
	if (racer->signature == policy.wanted[SYNC_POLICY_MINIMAL][event])
		policy.followed[SYNC_POLICY_MINIMAL]++;
	else if (racer->signature == policy.wanted[SYNC_POLICY_ALL][event])
		policy.followed[SYNC_POLICY_ALL]++;
	else
		policy.astray++;
}

static void use_cpu_by_policy(struct racer *racer)
{
	bool write = racer_dice(racer, 2);

	racer_begin(racer, write ? CPU_WRITE : CPU_READ);
	follow(racer, 2 * write);
	racer_end(racer, write ? CPU_WRITE : CPU_READ);
	follow(racer, 2 * write + 1);
}

static void change_policy(struct racer *racer)
{
	unsigned int i;

	for (i = 0; i < 100; i++)
		WRITE_ONCE(fanout_sync_policy, i % 2);
	/* Where threads take turns, this is what the others see. */
	WRITE_ONCE(fanout_sync_policy, racer_dice(racer, 2));
}

/* The steps of each event when nobody changes the policy. */
static void take_signatures(struct race *race, u64 signature[4])
{
	unsigned int i;

	for (i = 0; i < 4; i += 2) {
		racer_begin(&race->own, i ? CPU_WRITE : CPU_READ);
		signature[i] = race->own.signature;
		racer_end(&race->own, i ? CPU_WRITE : CPU_READ);
		signature[i + 1] = race->own.signature;
	}
}

/*
 * The policy changes as fast as it can. Each event follows one or the other, and
 * when it has come to rest, all follow that one.
 */
static void each_event_follows_one_policy(struct kunit *test)
{
	struct race *race = test->priv;
	unsigned int round, i;
	u64 signature[4];

	memset(&policy, 0, sizeof(policy));
	race_import(race, "noncoherent-1", DMA_FROM_DEVICE);
	race_import(race, "noncoherent-2", DMA_BIDIRECTIONAL);
	race_import(race, "noncoherent-3", DMA_FROM_DEVICE);
	race_import(race, "noncoherent-4", DMA_TO_DEVICE);
	for (i = 0; i < 2; i++) {
		WRITE_ONCE(fanout_sync_policy, i);
		take_signatures(race, policy.wanted[i]);
	}
	for (i = 0; i < 4; i++)
		KUNIT_ASSERT_NE(test, policy.wanted[0][i], policy.wanted[1][i]);

	for (round = 0; round < 20; round++) {
		race_add(race, use_cpu_by_policy, 50);
		race_add(race, change_policy, 0);
		race_start(race);
		race_await(race);
		race_stop(race);
		WRITE_ONCE(fanout_sync_policy, round % 2);
		take_signatures(race, signature);
		for (i = 0; i < 4; i++)
			KUNIT_EXPECT_EQ(test, signature[i],
					policy.wanted[round % 2][i]);
	}
	KUNIT_EXPECT_EQ(test, 0, policy.astray);
	KUNIT_EXPECT_GT(test, policy.followed[SYNC_POLICY_MINIMAL], 0);
	KUNIT_EXPECT_GT(test, policy.followed[SYNC_POLICY_ALL], 0);
	race_check_rules(race);
}

/* Everything at once. */

static void change_limit(struct racer *racer)
{
	WRITE_ONCE(copy_limit_pages, racer_dice(racer, 3) * 2 * PAGES);
}

static struct vfsmount *debugfs;

static void read_debugfs(struct racer *racer)
{
	struct fanout_buffer *buffer = racer->race->dmabuf->priv;
	struct file *file;
	loff_t pos = 0;
	char name[32];
	ssize_t ret;

	snprintf(name, sizeof(name), "%pd", buffer->debugfs);
	file = files_open(debugfs, name, O_RDONLY);
	KUNIT_EXPECT_FALSE(racer->race->test, IS_ERR(file));
	if (IS_ERR(file))
		return;
	kthread_use_mm(racer->mm);
	ret = file->f_op->read(file, (char __user *)USER_ADDR, SZ_4K, &pos);
	kthread_unuse_mm(racer->mm);
	__fput_sync(file);
	KUNIT_EXPECT_GT(racer->race->test, ret, 0);
}

/*
 * Devices of all kinds come and go, some share copies, while the bound of copies
 * and the policy change and debugfs is read. A map may find no room; but nothing
 * else fails, and nothing is left.
 */
static void everything_changes_meanwhile(struct kunit *test)
{
	static const char * const names[] = {
		"noncoherent-1", "bounced-1", "bounced-2",
		"bounced-noncoherent",
	};
	struct race *race = test->priv;
	struct racer *racer;
	unsigned int i;

	debugfs = files_mount(test, "debugfs");
	KUNIT_ASSERT_EQ(test, USER_ADDR,
			kunit_vm_mmap(test, NULL, USER_ADDR, SZ_4K,
				      PROT_READ | PROT_WRITE,
				      MAP_PRIVATE | MAP_ANONYMOUS |
				      MAP_FIXED_NOREPLACE, 0));
	for (i = 0; i < ARRAY_SIZE(names); i++) {
		racer = race_add(race, use_device, 300);
		racer->dev = race_device(test, names[i]);
		racer->may_fail = true;
	}
	race_add(race, racer_uses_cpu, 300);
	race_add(race, change_limit, 0);
	race_add(race, change_policy, 0);
	race_add(race, read_debugfs, 100)->mm = current->mm;
	race_start(race);
	race_await(race);
	race_stop(race);

	race_check_rules(race);
	check_nobody(race);
	WRITE_ONCE(copy_limit_pages, race->max_pages);
	WRITE_ONCE(fanout_sync_policy, SYNC_POLICY_MINIMAL);
	race_import(race, "bounced-3", DMA_FROM_DEVICE);
	race_import(race, "noncoherent-2", DMA_FROM_DEVICE);
	racer_begin(&race->own, CPU_READ);
	/* Invalidate, and fetch, which finds nothing to clean. */
	KUNIT_EXPECT_EQ(test, 2, race->own.steps);
	racer_end(&race->own, CPU_READ);
}

static struct kunit_case race_cases[] = {
	KUNIT_CASE(devices_come_and_go_during_cpu_accesses),
	KUNIT_CASE(anybody_may_put_last),
	KUNIT_CASE(several_processes_sync_one_buffer),
	KUNIT_CASE(open_writes_of_dying_processes_are_over),
	KUNIT_CASE(a_fence_and_a_signal_race),
	KUNIT_CASE(each_event_follows_one_policy),
	KUNIT_CASE(everything_changes_meanwhile),
	{ }
};

static struct kunit_suite race_suite = {
	.name = "udmabuf_fanout_race",
	.init = race_init,
	.exit = race_exit,
	.test_cases = race_cases,
};

kunit_test_suite(race_suite);
