// SPDX-License-Identifier: GPL-2.0
/*
 * Who races, and what has to hold whoever comes first: every step of a sync is
 * taken under the reservation lock, and none drops what an open write access has
 * stored. Mappings and copies are real; only what devices reach, and whether they
 * snoop, is told by the test, so that there is something to sync on every machine.
 */
#include <kunit/device.h>
#include <kunit/static_stub.h>
#include <kunit/test.h>
#include <linux/dma-buf.h>
#include <linux/dma-mapping.h>
#include <linux/dma-resv.h>
#include <linux/kthread.h>
#include <linux/mm.h>
#include <linux/sched/signal.h>

#include "../driver/bindings/bindings.h"
#include "../driver/buffer.h"
#include "../driver/kind.h"
#include "../driver/mapping.h"
#include "../driver/trace.h"
#include "fake_device.h"
#include "memory.h"
#include "racers.h"

#define PATIENCE	(60 * HZ)

static struct racer *current_racer(struct race *race)
{
	unsigned int i;

	for (i = 0; i < race->nr; i++)
		if (race->racer[i].task == current)
			return &race->racer[i];
	return &race->own;
}

static void note_step(struct race *race, const void *mapping, enum sync_op op)
{
	struct racer *racer;

	if (!dma_resv_is_locked(race->dmabuf->resv))
		atomic_inc(&race->unlocked);
	if (op == SYNC_FOR_CPU && atomic_read(&race->open))
		atomic_inc(&race->invalidated);
	racer = current_racer(race);
	racer->steps++;
	racer->last = op;
	racer->signature = racer->signature * 31 + (unsigned long)mapping + op;
}

/* Every step, under the reservation lock, in the thread that takes it. */
static void see_step(void *data, const struct dma_buf *dmabuf,
		     const struct fanout_mapping *mapping,
		     enum sync_event event, enum sync_op op)
{
	struct race *race = data;

	if (dmabuf == race->dmabuf)
		note_step(race, mapping, op);
}

static void see_merge(void *data, const struct dma_buf *dmabuf,
		      enum sync_event event, enum sync_op op, u64 bytes,
		      u64 conflicts)
{
	struct race *race = data;

	if (dmabuf == race->dmabuf)
		note_step(race, dmabuf, op);
}

static void forget_steps(void *race)
{
	unregister_trace_sync_step(see_step, race);
	tracepoint_synchronize_unregister();
}

static void forget_merges(void *race)
{
	unregister_trace_merge(see_merge, race);
	tracepoint_synchronize_unregister();
}

/*
 * What a device is like is in its name. It is no fake: what the shim records, and
 * fakes judge by, is one thread's.
 */
static bool snoops_by_name(struct device *dev)
{
	return !strstr(dev_name(dev), "noncoherent");
}

static bool reaches_by_name(struct device *dev, phys_addr_t phys, u64 size)
{
	return !strstr(dev_name(dev), "bounced") ||
	       !fake_page_is_of_memfd(pfn_to_page(PHYS_PFN(phys)));
}

static bool is_not_lazy(void)
{
	return false;
}

/**
 * race_init() - begin a test with a buffer of PAGES pages
 * @test: the test, whose ->priv becomes a struct race
 *
 * Return: 0.
 */
int race_init(struct kunit *test)
{
	struct udmabuf_create_item item;
	struct memory *mem;
	struct race *race;

	if (!IS_ENABLED(CONFIG_TRACEPOINTS))
		kunit_skip(test, "needs CONFIG_TRACEPOINTS, by which it judges");
	mem = memory_shmem(test, PAGES);
	item = memory_item(mem, 0, PAGES);
	memory_watch_pins(test);
	race = kunit_kzalloc(test, sizeof(*race), GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, race);
	test->priv = race;
	race->test = test;
	race->own.race = race;
	race->policy = fanout_sync_policy;
	race->dmabuf = memory_buffer(test, &item, 1);
	race->max_pages = copy_limit_pages;
	kunit_activate_static_stub(test, bindings_dev_is_dma_coherent,
				   snoops_by_name);
	kunit_activate_static_stub(test, device_reaches, reaches_by_name);
	kunit_activate_static_stub(test, arch_has_lazy_for_cpu, is_not_lazy);
	KUNIT_ASSERT_EQ(test, 0, register_trace_sync_step(see_step, race));
	KUNIT_ASSERT_EQ(test, 0,
			kunit_add_action_or_reset(test, forget_steps, race));
	KUNIT_ASSERT_EQ(test, 0, register_trace_merge(see_merge, race));
	KUNIT_ASSERT_EQ(test, 0,
			kunit_add_action_or_reset(test, forget_merges, race));
	return 0;
}

/**
 * race_exit() - leave the module's parameters as they were
 * @test: the test
 */
void race_exit(struct kunit *test)
{
	struct race *race = test->priv;

	if (!race)
		return;
	fanout_sync_policy = race->policy;
	copy_limit_pages = race->max_pages;
}

/* Threads. */

/**
 * racer_dice() - throw dice
 * @racer: whose
 * @sides: how many sides they have
 *
 * Return: a side, from 0 on.
 */
u32 racer_dice(struct racer *racer, u32 sides)
{
	return prandom_u32_state(&racer->rnd) % sides;
}

/**
 * race_give_way() - let others have a go
 */
void race_give_way(void)
{
	yield();
}

/**
 * racer_pause() - let others have a go now and then
 * @racer: who decides by dice
 */
void racer_pause(struct racer *racer)
{
	if (!racer_dice(racer, 2))
		race_give_way();
	else
		cond_resched();
}

static int run(void *data)
{
	struct racer *racer = data;
	unsigned int i;

	/* Stubs are for this thread, too. */
	current->kunit_test = racer->race->test;
	for (i = 0; !racer->turns || i < racer->turns; i++) {
		if (READ_ONCE(racer->race->over))
			break;
		racer->turn(racer);
		racer_pause(racer);
	}
	current->kunit_test = NULL;

	complete(&racer->done);
	set_current_state(TASK_IDLE);
	while (!kthread_should_stop()) {
		schedule();
		set_current_state(TASK_IDLE);
	}
	__set_current_state(TASK_RUNNING);
	return 0;
}

/**
 * race_add() - make a thread that waits for race_start()
 * @race: the race
 * @turn: what it does, over and over
 * @turns: how often; 0 is until race_stop()
 *
 * Return: the thread.
 */
struct racer *race_add(struct race *race, void (*turn)(struct racer *racer),
		       unsigned int turns)
{
	struct racer *racer = &race->racer[race->nr];
	struct kunit *test = race->test;
	struct task_struct *task;

	KUNIT_ASSERT_LT(test, race->nr, MAX_RACERS);
	*racer = (struct racer) {
		.race = race,
		.turn = turn,
		.turns = turns,
	};
	init_completion(&racer->ready);
	init_completion(&racer->done);
	prandom_seed_state(&racer->rnd, 20261123 + race->nr);
	task = kthread_create(run, racer, "racer %u", race->nr);
	KUNIT_ASSERT_NOT_ERR_OR_NULL(test, task);
	racer->task = get_task_struct(task);
	race->nr++;
	return racer;
}

/**
 * race_start() - let them all go
 * @race: the race
 */
void race_start(struct race *race)
{
	unsigned int i;

	WRITE_ONCE(race->over, false);
	for (i = 0; i < race->nr; i++)
		wake_up_process(race->racer[i].task);
}

/**
 * race_await() - wait until all have taken their turns
 * @race: the race
 *
 * But for those who go on for ever.
 */
void race_await(struct race *race)
{
	struct racer *racer;

	for (racer = race->racer; racer < race->racer + race->nr; racer++)
		if (racer->turns &&
		    !wait_for_completion_timeout(&racer->done, PATIENCE))
			KUNIT_FAIL(race->test, "%s is late", racer->task->comm);
}

/**
 * race_stop() - end the race
 * @race: the race
 *
 * Every racer is a dead process after this. To be stopped is a signal to a
 * thread, so none is in the middle of its turn.
 */
void race_stop(struct race *race)
{
	unsigned int i;

	WRITE_ONCE(race->over, true);
	for (i = 0; i < race->nr; i++)
		if (!race->racer[i].turns)
			wait_for_completion(&race->racer[i].done);
	for (i = 0; i < race->nr; i++) {
		kthread_stop(race->racer[i].task);
		put_task_struct(race->racer[i].task);
	}
	race->nr = 0;
}

/* Devices. */

#ifdef CONFIG_SWIOTLB
/* Where all is bounced (swiotlb=force), these are not. */
static void leave_swiotlb(struct device *dev)
{
	dev->dma_io_tlb_mem = NULL;
}
#else
static void leave_swiotlb(struct device *dev)
{
}
#endif

/**
 * race_device() - make a device
 * @test: the test
 * @name: its name, which says what it is like
 *
 * Return: the device; gone when the test ends.
 */
struct device *race_device(struct kunit *test, const char *name)
{
	struct device *dev = kunit_device_register(test, name);

	KUNIT_ASSERT_NOT_ERR_OR_NULL(test, dev);
	KUNIT_ASSERT_EQ(test, 0,
			dma_coerce_mask_and_coherent(dev, DMA_BIT_MASK(64)));
	leave_swiotlb(dev);
	return dev;
}

/* A mapping that stays. */
struct standing {
	struct dma_buf_attachment *attachment;
	struct sg_table *sgt;
	enum dma_data_direction dir;
};

static void unimport(void *data)
{
	struct standing *standing = data;
	struct dma_buf *dmabuf = standing->attachment->dmabuf;

	dma_buf_unmap_attachment_unlocked(standing->attachment, standing->sgt,
					  standing->dir);
	dma_buf_detach(dmabuf, standing->attachment);
}

/**
 * race_import() - have a device map the buffer until the test ends
 * @race: whose buffer
 * @name: the device's name, which says what it is like
 * @dir: the direction
 */
void race_import(struct race *race, const char *name,
		 enum dma_data_direction dir)
{
	struct kunit *test = race->test;
	struct standing *standing;

	standing = kunit_kzalloc(test, sizeof(*standing), GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, standing);
	standing->dir = dir;
	standing->attachment = dma_buf_attach(race->dmabuf,
					      race_device(test, name));
	KUNIT_ASSERT_NOT_ERR_OR_NULL(test, standing->attachment);
	standing->sgt = dma_buf_map_attachment_unlocked(standing->attachment,
							dir);
	KUNIT_ASSERT_NOT_ERR_OR_NULL(test, standing->sgt);
	KUNIT_ASSERT_EQ(test, 0,
			kunit_add_action_or_reset(test, unimport, standing));
}

/* The CPU. */

/**
 * racer_begin() - begin a CPU access, which must succeed
 * @racer: who
 * @access: the access
 */
void racer_begin(struct racer *racer, enum dma_data_direction access)
{
	racer->steps = 0;
	racer->signature = 0;
	KUNIT_EXPECT_EQ(racer->race->test, 0,
			dma_buf_begin_cpu_access(racer->race->dmabuf, access));
	if (access != CPU_READ)
		atomic_inc(&racer->race->open);
}

/**
 * racer_end() - end a CPU access
 * @racer: who
 * @access: the access
 */
void racer_end(struct racer *racer, enum dma_data_direction access)
{
	if (access != CPU_READ)
		atomic_dec(&racer->race->open);
	racer->steps = 0;
	racer->signature = 0;
	KUNIT_EXPECT_EQ(racer->race->test, 0,
			dma_buf_end_cpu_access(racer->race->dmabuf, access));
}

/**
 * racer_direction() - choose a direction by dice
 * @racer: whose dice
 *
 * Return: the direction, of a mapping or of an access.
 */
enum dma_data_direction racer_direction(struct racer *racer)
{
	static const enum dma_data_direction directions[] = {
		DMA_BIDIRECTIONAL, DMA_TO_DEVICE, DMA_FROM_DEVICE
	};

	return directions[racer_dice(racer, ARRAY_SIZE(directions))];
}

/**
 * racer_uses_cpu() - a turn: a CPU access, or two, one in the other
 * @racer: who
 */
void racer_uses_cpu(struct racer *racer)
{
	enum dma_data_direction outer = racer_direction(racer);
	enum dma_data_direction inner = racer_direction(racer);
	bool nested = !racer_dice(racer, 4);

	racer_begin(racer, outer);
	racer_pause(racer);
	if (nested) {
		racer_begin(racer, inner);
		racer_pause(racer);
		racer_end(racer, inner);
	}
	racer_end(racer, outer);
}

/* Afterwards. */

/**
 * race_check_rules() - expect that the rules were kept, and nothing is open
 * @race: the race
 */
void race_check_rules(struct race *race)
{
	KUNIT_EXPECT_EQ(race->test, 0, atomic_read(&race->unlocked));
	KUNIT_EXPECT_EQ(race->test, 0, atomic_read(&race->invalidated));
	KUNIT_EXPECT_EQ(race->test, 0, atomic_read(&race->open));
	KUNIT_EXPECT_FALSE(race->test, write_is_open_in(race->dmabuf));
}
