// SPDX-License-Identifier: GPL-2.0
/*
 * Races: kernel threads that use one buffer at the same time. To the driver each
 * of them is a process of its own. The judges are lockdep, DMA API debugging,
 * KASAN and KCSAN where they are built in, and what has to hold whoever comes
 * first. Mappings and copies are real; only what devices reach, and whether they
 * snoop, is told by the test, so that there is something to sync on every
 * machine, and where a store could be lost to a cache, so is the cache.
 *
 * Would miss: what devices and user space do meanwhile, and the module's unload
 * (the rig has all three). On one CPU, as UML is, threads change places only
 * where they sleep, between two calls or inside of one.
 */
#include <kunit/device.h>
#include <kunit/static_stub.h>
#include <kunit/test.h>
#include <linux/completion.h>
#include <linux/delay.h>
#include <linux/dma-direct.h>
#include <linux/dma-buf.h>
#include <linux/dma-fence.h>
#include <linux/dma-mapping.h>
#include <linux/dma-resv.h>
#include <linux/file.h>
#include <linux/fs.h>
#include <linux/highmem.h>
#include <linux/iosys-map.h>
#include <linux/kthread.h>
#include <linux/mman.h>
#include <linux/mm.h>
#include <linux/prandom.h>
#include <linux/sched/mm.h>
#include <linux/sched/signal.h>
#include <linux/sizes.h>
#include <linux/timer.h>
#include <linux/uaccess.h>

#include "../driver/bindings/bindings.h"
#include "../driver/buffer.h"
#include "../driver/kind.h"
#include "../driver/mapping.h"
#include "../driver/trace.h"
#include "fake_device.h"
#include "files.h"
#include "memory.h"

#define PAGES		8
#define MAX_RACERS	8
#define PATIENCE	(60 * HZ)

#define CPU_READ	DMA_FROM_DEVICE
#define CPU_WRITE	DMA_TO_DEVICE
#define CPU_RW		DMA_BIDIRECTIONAL

struct race;

/**
 * struct racer - a thread
 * @race: its race
 * @task: the thread, NULL when there is none
 * @turn: what it does, over and over
 * @turns: how often; 0 is until it is stopped
 * @ready: it takes signals
 * @done: all turns were taken; it lives on until it is stopped
 * @rnd: its random numbers
 * @dev: the device of one that imports
 * @ret: what its last begin returned
 * @may_fail: there may be no room for its copies
 * @mm: the memory map of one that is a program
 * @stores: how many times that one has stored
 * @steps: how many sync steps its calls have taken
 * @last: what the last of them did
 * @signature: of these steps, in order
 */
struct racer {
	struct race *race;
	struct task_struct *task;
	void (*turn)(struct racer *racer);
	unsigned int turns;
	struct completion ready;
	struct completion done;
	struct rnd_state rnd;
	struct device *dev;
	int ret;
	bool may_fail;
	struct mm_struct *mm;
	unsigned int stores;
	unsigned int steps;
	enum sync_op last;
	u64 signature;
};

/**
 * struct race - what every test here has
 * @test: the test
 * @dmabuf: a buffer of PAGES pages
 * @policy: the policy before the test
 * @max_pages: the bound of copies before it
 * @open: write accesses that are open, whatever happens now
 * @invalidated: steps that dropped lines while one was, and did not clean first
 * @unlocked: steps without the reservation lock
 * @over: those who go on for ever stop
 * @nr: how many racers there are
 * @racer: the racers; the test's own thread is one more
 * @own: the steps of the test's own thread
 * @wanted: for each policy the signatures of begin and end, for reading and for
 *	writing
 * @followed: how many events took the steps of each policy
 * @astray: how many took those of neither
 */
struct race {
	struct kunit *test;
	struct dma_buf *dmabuf;
	int policy;
	unsigned long max_pages;
	atomic_t open;
	atomic_t invalidated;
	atomic_t unlocked;
	bool over;
	unsigned int nr;
	struct racer racer[MAX_RACERS];
	struct racer own;
	u64 wanted[2][4];
	unsigned int followed[2];
	unsigned int astray;
};

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

/* What a device is like is in its name. */
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

static int init(struct kunit *test)
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

static void leave(struct kunit *test)
{
	struct race *race = test->priv;

	if (!race)
		return;
	fanout_sync_policy = race->policy;
	copy_limit_pages = race->max_pages;
}

/* Threads. */

static u32 dice(struct racer *racer, u32 sides)
{
	return prandom_u32_state(&racer->rnd) % sides;
}

/* Let others have a go, ... */
static void give_way(void)
{
	yield();
}

/* ... now and then. */
static void pause(struct racer *racer)
{
	if (!dice(racer, 2))
		give_way();
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
		pause(racer);
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

/* A thread that waits for start(). */
static struct racer *add_racer(struct race *race, void (*turn)(struct racer *),
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

static void start(struct race *race)
{
	unsigned int i;

	WRITE_ONCE(race->over, false);
	for (i = 0; i < race->nr; i++)
		wake_up_process(race->racer[i].task);
}

/* Wait until all have taken their turns, but for those who go on for ever. */
static void await(struct race *race)
{
	struct racer *racer;

	for (racer = race->racer; racer < race->racer + race->nr; racer++)
		if (racer->turns &&
		    !wait_for_completion_timeout(&racer->done, PATIENCE))
			KUNIT_FAIL(race->test, "%s is late", racer->task->comm);
}

/*
 * Every racer is a dead process after this. To be stopped is a signal to a
 * thread, so none is in the middle of its turn.
 */
static void stop(struct race *race)
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

static struct device *new_device(struct kunit *test, const char *name)
{
	struct device *dev = kunit_device_register(test, name);

	KUNIT_ASSERT_NOT_ERR_OR_NULL(test, dev);
	KUNIT_ASSERT_EQ(test, 0,
			dma_coerce_mask_and_coherent(dev, DMA_BIT_MASK(64)));
	leave_swiotlb(dev);
	return dev;
}

/* Turns. */

static void begin(struct racer *racer, enum dma_data_direction access)
{
	racer->steps = 0;
	racer->signature = 0;
	KUNIT_EXPECT_EQ(racer->race->test, 0,
			dma_buf_begin_cpu_access(racer->race->dmabuf, access));
	if (access != CPU_READ)
		atomic_inc(&racer->race->open);
}

static void end(struct racer *racer, enum dma_data_direction access)
{
	if (access != CPU_READ)
		atomic_dec(&racer->race->open);
	racer->steps = 0;
	racer->signature = 0;
	KUNIT_EXPECT_EQ(racer->race->test, 0,
			dma_buf_end_cpu_access(racer->race->dmabuf, access));
}

static const enum dma_data_direction directions[] = {
	DMA_BIDIRECTIONAL, DMA_TO_DEVICE, DMA_FROM_DEVICE
};

/* A CPU access, or two, one in the other. */
static void use_cpu(struct racer *racer)
{
	enum dma_data_direction outer = directions[dice(racer, 3)];
	enum dma_data_direction inner = directions[dice(racer, 3)];
	bool nested = !dice(racer, 4);

	begin(racer, outer);
	pause(racer);
	if (nested) {
		begin(racer, inner);
		pause(racer);
		end(racer, inner);
	}
	end(racer, outer);
}

/* A kernel mapping comes and goes. */
static void use_vmap(struct racer *racer)
{
	struct dma_buf *dmabuf = racer->race->dmabuf;
	struct iosys_map map;

	KUNIT_EXPECT_EQ(racer->race->test, 0,
			dma_buf_vmap_unlocked(dmabuf, &map));
	atomic_inc(&racer->race->open);
	pause(racer);
	atomic_dec(&racer->race->open);
	dma_buf_vunmap_unlocked(dmabuf, &map);
}

static void import_once(struct racer *racer,
			struct dma_buf_attachment *attachment,
			unsigned int depth)
{
	enum dma_data_direction dir = directions[dice(racer, 3)];
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
	pause(racer);
	if (depth && !dice(racer, 2))
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
	pause(racer);
	/*
	 * DMA API debugging takes a sync of a part for one of nothing where a
	 * device has mapped it twice (kernel/dma/debug.c, hash_bucket_find():
	 * "multiple matches but no perfect-fit"), and flushes are in parts.
	 */
	import_once(racer, attachment, snoops_by_name(racer->dev));
	dma_buf_detach(dmabuf, attachment);
}

/* Mappings that stay. */

struct importer {
	struct dma_buf_attachment *attachment;
	struct sg_table *sgt;
	enum dma_data_direction dir;
};

static void unimport(void *data)
{
	struct importer *importer = data;
	struct dma_buf *dmabuf = importer->attachment->dmabuf;

	dma_buf_unmap_attachment_unlocked(importer->attachment, importer->sgt,
					  importer->dir);
	dma_buf_detach(dmabuf, importer->attachment);
}

static void import(struct race *race, const char *name,
		   enum dma_data_direction dir)
{
	struct kunit *test = race->test;
	struct importer *importer;

	importer = kunit_kzalloc(test, sizeof(*importer), GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, importer);
	importer->dir = dir;
	importer->attachment = dma_buf_attach(race->dmabuf,
					      new_device(test, name));
	KUNIT_ASSERT_NOT_ERR_OR_NULL(test, importer->attachment);
	importer->sgt = dma_buf_map_attachment_unlocked(importer->attachment,
							dir);
	KUNIT_ASSERT_NOT_ERR_OR_NULL(test, importer->sgt);
	KUNIT_ASSERT_EQ(test, 0,
			kunit_add_action_or_reset(test, unimport, importer));
}

/* Afterwards. */

static bool is_write_open(struct race *race)
{
	struct fanout_buffer *buffer = race->dmabuf->priv;
	bool open;

	dma_resv_lock(race->dmabuf->resv, NULL);
	open = open_writes_any(&buffer->open_writes);
	dma_resv_unlock(race->dmabuf->resv);
	return open;
}

static void check_rules(struct race *race)
{
	KUNIT_EXPECT_EQ(race->test, 0, atomic_read(&race->unlocked));
	KUNIT_EXPECT_EQ(race->test, 0, atomic_read(&race->invalidated));
	KUNIT_EXPECT_EQ(race->test, 0, atomic_read(&race->open));
	KUNIT_EXPECT_FALSE(race->test, is_write_open(race));
}

/* The test's own thread is a racer in all but name. */
static struct racer *own(struct race *race)
{
	race->own.race = race;
	return &race->own;
}

/* Nothing is left of the race, and a read access fetches as ever. */
static void check_fetch(struct race *race)
{
	begin(own(race), CPU_READ);
	KUNIT_EXPECT_EQ(race->test, 1, race->own.steps);
	KUNIT_EXPECT_EQ(race->test, SYNC_FOR_CPU, race->own.last);
	end(&race->own, CPU_READ);
}

/* As long as a write access may be open, it takes more care. */
static void check_flush(struct race *race)
{
	begin(own(race), CPU_READ);
	KUNIT_EXPECT_EQ(race->test, 1, race->own.steps);
	KUNIT_EXPECT_EQ(race->test, SYNC_FLUSH, race->own.last);
	end(&race->own, CPU_READ);
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

/* The races. */

/*
 * H10: devices come and go while two threads use the CPU and one a kernel
 * mapping. No step is without the lock, none drops what an open write access has
 * stored (H15), and no peer and no copy is left.
 */
static void devices_come_and_go_during_cpu_accesses(struct kunit *test)
{
	struct race *race = test->priv;

	add_racer(race, use_device, 300)->dev =
		new_device(test, "noncoherent-1");
	add_racer(race, use_device, 300)->dev = new_device(test, "bounced-1");
	add_racer(race, use_cpu, 300);
	add_racer(race, use_cpu, 300);
	add_racer(race, use_vmap, 300);
	start(race);
	await(race);
	stop(race);

	check_rules(race);
	check_nobody(race);
	import(race, "noncoherent-2", DMA_FROM_DEVICE);
	check_fetch(race);
}

static void use_device_and_put(struct racer *racer)
{
	use_device(racer);
	__fput_sync(racer->race->dmabuf->file);
}

static void use_cpu_and_put(struct racer *racer)
{
	use_cpu(racer);
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
	struct device *dev = new_device(test, "noncoherent");
	struct race *race = test->priv;
	struct dma_buf *before = race->dmabuf;
	long pins = memory_pins();
	unsigned int round, i;

	for (round = 0; round < 60; round++) {
		race->dmabuf = fanout_buffer_export(&item, 1, PAGES);
		KUNIT_ASSERT_NOT_ERR_OR_NULL(test, race->dmabuf);
		add_racer(race, use_device_and_put, 1)->dev = dev;
		add_racer(race, use_cpu_and_put, 1);
		add_racer(race, use_vmap_and_put, 1);
		for (i = 0; i < race->nr; i++) {
			prandom_seed_state(&race->racer[i].rnd,
					   round * MAX_RACERS + i);
			get_file(race->dmabuf->file);
		}
		start(race);
		__fput_sync(race->dmabuf->file);
		await(race);
		stop(race);
		KUNIT_ASSERT_EQ(test, pins, memory_pins());
	}
	race->dmabuf = before;
}

/* H15: several processes sync one buffer; nobody's open write is lost. */
static void several_processes_sync_one_buffer(struct kunit *test)
{
	struct race *race = test->priv;
	unsigned int i;

	import(race, "noncoherent", DMA_FROM_DEVICE);
	import(race, "bounced", DMA_TO_DEVICE);
	for (i = 0; i < 3; i++)
		add_racer(race, use_cpu, 500);
	start(race);
	await(race);
	stop(race);

	check_rules(race);
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

	import(race, "noncoherent", DMA_FROM_DEVICE);
	for (round = 0; round < 10; round++) {
		for (i = 1; i < MAX_RACERS; i++)
			add_racer(race, begin_and_stay, 1);
		add_racer(race, use_cpu, 10);
		start(race);
		await(race);
		for (i = 0; i < MAX_RACERS; i++)
			KUNIT_EXPECT_EQ(test, 0, race->racer[i].ret);
		check_flush(race);
		check_flush(race);
		stop(race);

		KUNIT_EXPECT_TRUE(test, is_write_open(race));
		check_flush(race);
		check_rules(race);
		check_fetch(race);
	}
}

/* Fences and signals. */

static const char *fence_name(struct dma_fence *fence)
{
	return "race_test";
}

static const struct dma_fence_ops fence_ops = {
	.get_driver_name = fence_name,
	.get_timeline_name = fence_name,
};

/**
 * struct late_fence - a fence that a timer signals
 * @fence: the fence
 * @lock: of the fence
 * @timer: the timer
 */
struct late_fence {
	struct dma_fence fence;
	spinlock_t lock; /* of the fence */
	struct timer_list timer;
};

static void signal_fence(struct timer_list *timer)
{
	dma_fence_signal(&container_of(timer, struct late_fence, timer)->fence);
}

static struct late_fence *add_fence(struct race *race)
{
	struct dma_resv *resv = race->dmabuf->resv;
	struct late_fence *late;

	/* Freed by dma_fence_free(), which wants the fence first. */
	late = kzalloc(sizeof(*late), GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(race->test, late);
	spin_lock_init(&late->lock);
	timer_setup(&late->timer, signal_fence, 0);
	dma_fence_init(&late->fence, &fence_ops, &late->lock,
		       dma_fence_context_alloc(1), 1);
	dma_resv_lock(resv, NULL);
	KUNIT_EXPECT_EQ(race->test, 0, dma_resv_reserve_fences(resv, 1));
	dma_resv_add_fence(resv, &late->fence, DMA_RESV_USAGE_WRITE);
	dma_resv_unlock(resv);
	return late;
}

static void put_fence(struct late_fence *late)
{
	timer_delete_sync(&late->timer);
	if (!dma_fence_is_signaled(&late->fence))
		dma_fence_signal(&late->fence);
	dma_fence_put(&late->fence);
}

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
		KUNIT_EXPECT_FALSE(test, is_write_open(race));
		return;
	}
	KUNIT_EXPECT_EQ(test, 1, racer->steps);
	KUNIT_EXPECT_TRUE(test, is_write_open(race));
	/* It is not for us to end. */
	KUNIT_EXPECT_EQ(test, 0, dma_buf_end_cpu_access(race->dmabuf,
							CPU_WRITE));
	KUNIT_EXPECT_TRUE(test, is_write_open(race));
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

	import(race, "noncoherent", DMA_FROM_DEVICE);
	for (round = 0; round < 30; round++) {
		late = add_fence(race);
		racer = add_racer(race, begin_and_wait, 1);
		start(race);
		wait_for_completion(&racer->ready);
		switch (round % 3) {
		case 0:
			send_sig(SIGUSR1, racer->task, 0);
			break;
		case 1:
			mod_timer(&late->timer, jiffies + 1);
			break;
		default:
			mod_timer(&late->timer, jiffies + 1);
			delay = round * jiffies_to_usecs(2) / 30;
			usleep_range(delay, delay + 1);
			send_sig(SIGUSR1, racer->task, 0);
			break;
		}
		await(race);
		check_begin(race, racer);
		if (racer->ret)
			interrupted[round % 3]++;
		else
			begun[round % 3]++;
		open = !racer->ret;
		stop(race);
		if (open)
			check_flush(race);
		KUNIT_EXPECT_FALSE(test, is_write_open(race));
		put_fence(late);
	}
	KUNIT_EXPECT_EQ(test, 0, begun[0]);
	KUNIT_EXPECT_EQ(test, 0, interrupted[1]);
	kunit_info(test, "at the same time: %u begun, %u interrupted", begun[2],
		   interrupted[2]);
	check_fetch(race);
}

/* The policy. */

static void follow(struct racer *racer, unsigned int event)
{
	struct race *race = racer->race;

	if (racer->signature == race->wanted[SYNC_POLICY_MINIMAL][event])
		race->followed[SYNC_POLICY_MINIMAL]++;
	else if (racer->signature == race->wanted[SYNC_POLICY_ALL][event])
		race->followed[SYNC_POLICY_ALL]++;
	else
		race->astray++;
}

static void use_cpu_by_policy(struct racer *racer)
{
	bool write = dice(racer, 2);

	begin(racer, write ? CPU_WRITE : CPU_READ);
	follow(racer, 2 * write);
	end(racer, write ? CPU_WRITE : CPU_READ);
	follow(racer, 2 * write + 1);
}

static void change_policy(struct racer *racer)
{
	unsigned int i;

	for (i = 0; i < 100; i++)
		WRITE_ONCE(fanout_sync_policy, i % 2);
	/* Where threads take turns, this is what the others see. */
	WRITE_ONCE(fanout_sync_policy, dice(racer, 2));
}

/* The steps of each event when nobody changes the policy. */
static void take_signatures(struct race *race, u64 signature[4])
{
	unsigned int i;

	for (i = 0; i < 4; i += 2) {
		begin(own(race), i ? CPU_WRITE : CPU_READ);
		signature[i] = race->own.signature;
		end(own(race), i ? CPU_WRITE : CPU_READ);
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

	import(race, "noncoherent-1", DMA_FROM_DEVICE);
	import(race, "noncoherent-2", DMA_BIDIRECTIONAL);
	import(race, "noncoherent-3", DMA_FROM_DEVICE);
	import(race, "noncoherent-4", DMA_TO_DEVICE);
	for (i = 0; i < 2; i++) {
		WRITE_ONCE(fanout_sync_policy, i);
		take_signatures(race, race->wanted[i]);
	}
	for (i = 0; i < 4; i++)
		KUNIT_ASSERT_NE(test, race->wanted[0][i], race->wanted[1][i]);

	for (round = 0; round < 20; round++) {
		add_racer(race, use_cpu_by_policy, 50);
		add_racer(race, change_policy, 0);
		start(race);
		await(race);
		stop(race);
		WRITE_ONCE(fanout_sync_policy, round % 2);
		take_signatures(race, signature);
		for (i = 0; i < 4; i++)
			KUNIT_EXPECT_EQ(test, signature[i],
					race->wanted[round % 2][i]);
	}
	KUNIT_EXPECT_EQ(test, 0, race->astray);
	KUNIT_EXPECT_GT(test, race->followed[SYNC_POLICY_MINIMAL], 0);
	KUNIT_EXPECT_GT(test, race->followed[SYNC_POLICY_ALL], 0);
	check_rules(race);
}

/* Page faults. */

#define USER_ADDR	0x60000000UL
#define MAPPED_PAGES	100

/* The memory map that racers share, and what stands in the buffer. */
static struct {
	struct mm_struct *mm;
	struct memory *mem;
} mapped;

static void map_all(struct race *race)
{
	KUNIT_EXPECT_EQ(race->test, USER_ADDR,
			vm_mmap(race->dmabuf->file, USER_ADDR,
				MAPPED_PAGES << PAGE_SHIFT,
				PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED,
				0));
}

static void map_user(struct racer *racer)
{
	kthread_use_mm(mapped.mm);
	map_all(racer->race);
	pause(racer);
	if (dice(racer, 2))
		vm_munmap(USER_ADDR + dice(racer, MAPPED_PAGES) * PAGE_SIZE,
			  PAGE_SIZE);
	kthread_unuse_mm(mapped.mm);
}

/* A page is the right one or is not there. */
static void touch_user(struct racer *racer)
{
	u32 page = dice(racer, MAPPED_PAGES);
	u64 stamp = memory_stamp(mapped.mem, page), value = stamp;
	void __user *at = (void __user *)(USER_ADDR + page * PAGE_SIZE);

	kthread_use_mm(mapped.mm);
	if (dice(racer, 2)) {
		if (!copy_from_user(&value, at, sizeof(value)))
			racer->steps++;
		else
			value = stamp;
	} else if (!copy_to_user(at, &stamp, sizeof(stamp))) {
		racer->steps++;
	}
	kthread_unuse_mm(mapped.mm);
	KUNIT_EXPECT_EQ(racer->race->test, stamp, value);
}

/* Two threads fault while a third maps and unmaps under their feet. */
static void faults_and_unmaps_race(struct kunit *test)
{
	struct memory *mem = memory_shmem(test, MAPPED_PAGES);
	struct udmabuf_create_item item = memory_item(mem, 0, MAPPED_PAGES);
	struct race *race = test->priv;
	struct dma_buf *before = race->dmabuf;
	unsigned int i, touched;
	unsigned long addr;

	memory_fill(test, mem);
	race->dmabuf = memory_buffer(test, &item, 1);
	/* Brings the thread a memory map. */
	addr = kunit_vm_mmap(test, NULL, 0, PAGE_SIZE, PROT_READ,
			     MAP_PRIVATE | MAP_ANONYMOUS, 0);
	KUNIT_ASSERT_FALSE(test, !addr || IS_ERR_VALUE(addr));
	mapped.mm = current->mm;
	mapped.mem = mem;
	map_all(race);

	add_racer(race, map_user, 40);
	add_racer(race, touch_user, 400);
	add_racer(race, touch_user, 400);
	start(race);
	await(race);
	touched = race->racer[1].steps + race->racer[2].steps;
	stop(race);
	vm_munmap(USER_ADDR, MAPPED_PAGES << PAGE_SHIFT);
	KUNIT_EXPECT_GT(test, touched, 0);
	for (i = 0; i < MAPPED_PAGES; i++)
		KUNIT_EXPECT_EQ(test, memory_stamp(mem, i), memory_get(mem, i));
	race->dmabuf = before;
}

/* Everything at once. */

static void change_limit(struct racer *racer)
{
	WRITE_ONCE(copy_limit_pages, dice(racer, 3) * 2 * PAGES);
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
		racer = add_racer(race, use_device, 300);
		racer->dev = new_device(test, names[i]);
		racer->may_fail = true;
	}
	add_racer(race, use_cpu, 300);
	add_racer(race, change_limit, 0);
	add_racer(race, change_policy, 0);
	add_racer(race, read_debugfs, 100)->mm = current->mm;
	start(race);
	await(race);
	stop(race);

	check_rules(race);
	check_nobody(race);
	WRITE_ONCE(copy_limit_pages, race->max_pages);
	WRITE_ONCE(fanout_sync_policy, SYNC_POLICY_MINIMAL);
	import(race, "bounced-3", DMA_FROM_DEVICE);
	import(race, "noncoherent-2", DMA_FROM_DEVICE);
	begin(own(race), CPU_READ);
	/* Invalidate, and fetch, which finds nothing to clean. */
	KUNIT_EXPECT_EQ(test, 2, race->own.steps);
	end(&race->own, CPU_READ);
}

/* A cache. */

/*
 * Memory behind the CPU's cache, which is what the buffer's pages hold: a device
 * that does not snoop reads and writes here. Lines are pages.
 */
static struct {
	struct race *race;
	unsigned long pfn[PAGES];
	u8 memory[PAGES][PAGE_SIZE];
	unsigned int flushed;
} cache;

static void *cached_page(u32 page)
{
	return page_address(pfn_to_page(cache.pfn[page]));
}

/* Other threads have a go whenever something was done. */
static void clean(unsigned long pfn, u32 nr_pages)
{
	u32 i;

	for (i = 0; i < PAGES; i++)
		if (cache.pfn[i] >= pfn && cache.pfn[i] < pfn + nr_pages)
			memcpy(cache.memory[i], cached_page(i), PAGE_SIZE);
	give_way();
}

static void invalidate(unsigned long pfn, u32 nr_pages)
{
	u32 i;

	give_way();
	for (i = 0; i < PAGES; i++)
		if (cache.pfn[i] >= pfn && cache.pfn[i] < pfn + nr_pages)
			memcpy(cached_page(i), cache.memory[i], PAGE_SIZE);
}

static void clean_piece(struct device *dev, dma_addr_t addr, size_t size,
			enum dma_data_direction dir)
{
	clean(PHYS_PFN(dma_to_phys(dev, addr)), size >> PAGE_SHIFT);
	cache.flushed++;
}

static void invalidate_piece(struct device *dev, dma_addr_t addr, size_t size,
			     enum dma_data_direction dir)
{
	invalidate(PHYS_PFN(dma_to_phys(dev, addr)), size >> PAGE_SHIFT);
}

static void clean_table(struct device *dev, struct sg_table *sgt,
			enum dma_data_direction dir)
{
	struct scatterlist *sg;
	int i;

	for_each_sgtable_sg(sgt, sg, i)
		clean(page_to_pfn(sg_page(sg)), sg->length >> PAGE_SHIFT);
}

static void invalidate_table(struct device *dev, struct sg_table *sgt,
			     enum dma_data_direction dir)
{
	struct scatterlist *sg;
	int i;

	if (dir == DMA_TO_DEVICE)
		return;
	for_each_sgtable_sg(sgt, sg, i)
		invalidate(page_to_pfn(sg_page(sg)), sg->length >> PAGE_SHIFT);
}

/* From now on there is a cache between a new buffer of @mem and devices. */
static void put_cache(struct race *race, struct memory *mem)
{
	struct udmabuf_create_item item = memory_item(mem, 0, PAGES);
	struct kunit *test = race->test;
	u32 i;

	if (IS_ENABLED(CONFIG_HIGHMEM))
		kunit_skip(test, "pages have no address");
	memory_fill(test, mem);
	race->dmabuf = memory_buffer(test, &item, 1);
	cache.race = race;
	cache.flushed = 0;
	for (i = 0; i < PAGES; i++) {
		cache.pfn[i] = memory_pfn(mem, i);
		memcpy(cache.memory[i], cached_page(i), PAGE_SIZE);
	}
	kunit_activate_static_stub(test, bindings_dma_sync_single_for_device,
				   clean_piece);
	kunit_activate_static_stub(test, bindings_dma_sync_single_for_cpu,
				   invalidate_piece);
	kunit_activate_static_stub(test, bindings_dma_sync_sgtable_for_device,
				   clean_table);
	kunit_activate_static_stub(test, bindings_dma_sync_sgtable_for_cpu,
				   invalidate_table);
}

static void put_mm(void *mm)
{
	mmput(mm);
}

/* A program that maps the buffer, as a child does that was forked. */
static struct mm_struct *new_program(struct race *race)
{
	struct kunit *test = race->test;
	struct mm_struct *mm = mm_alloc();
	struct mm_struct *before = current->mm;
	unsigned long addr;

	KUNIT_ASSERT_NOT_NULL(test, mm);
	arch_pick_mmap_layout(mm, &current->signal->rlim[RLIMIT_STACK]);
	KUNIT_ASSERT_EQ(test, 0, kunit_add_action_or_reset(test, put_mm, mm));
	if (before)
		kthread_unuse_mm(before);
	kthread_use_mm(mm);
	addr = vm_mmap(race->dmabuf->file, USER_ADDR, PAGES << PAGE_SHIFT,
		       PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED_NOREPLACE,
		       0);
	kthread_unuse_mm(mm);
	if (before)
		kthread_use_mm(before);
	KUNIT_ASSERT_EQ(test, USER_ADDR, addr);
	return mm;
}

/* Which racer it is tells its place in each page. */
static u32 place(struct racer *racer)
{
	return racer - racer->race->racer;
}

/*
 * A program with its write access open all the time stores to each page, and
 * sees what it stored there before.
 */
static void store_and_look(struct racer *racer)
{
	u64 value, last = racer->stores;
	u32 page;

	if (!last) {
		KUNIT_EXPECT_EQ(racer->race->test, 0,
				dma_buf_begin_cpu_access(racer->race->dmabuf,
							 CPU_WRITE));
		atomic_inc(&racer->race->open);
	}
	racer->stores++;
	kthread_use_mm(racer->mm);
	for (page = 0; page < PAGES; page++) {
		u64 __user *at = (u64 __user *)(USER_ADDR + page * PAGE_SIZE) +
				 1 + place(racer);

		if (copy_from_user(&value, at, sizeof(value)))
			value = ~0ULL;
		if (last)
			KUNIT_EXPECT_EQ(racer->race->test, last, value);
		value = racer->stores;
		if (copy_to_user(at, &value, sizeof(value)))
			KUNIT_FAIL(racer->race->test, "no page %u", page);
		if (page % 2)
			pause(racer);
	}
	kthread_unuse_mm(racer->mm);
	if (racer->stores == racer->turns) {
		atomic_dec(&racer->race->open);
		KUNIT_EXPECT_EQ(racer->race->test, 0,
				dma_buf_end_cpu_access(racer->race->dmabuf,
						       CPU_WRITE));
	}
}

static void read_by_cpu(struct racer *racer)
{
	begin(racer, CPU_READ);
	pause(racer);
	end(racer, CPU_READ);
}

/*
 * H15: two programs store through their mappings, with a write access open, while
 * others begin and end accesses and a device that does not snoop may be writing:
 * lines are cleaned and dropped under their feet. No store comes between the two,
 * so none is lost, and in the end all of them are in memory.
 */
static void no_store_is_lost_to_a_begin(struct kunit *test)
{
	struct memory *mem = memory_shmem(test, PAGES);
	struct race *race = test->priv;
	struct dma_buf *before = race->dmabuf;
	unsigned int i, page;

	put_cache(race, mem);
	import(race, "noncoherent", DMA_FROM_DEVICE);
	for (i = 0; i < 2; i++)
		add_racer(race, store_and_look, 60)->mm = new_program(race);
	add_racer(race, read_by_cpu, 0);
	add_racer(race, read_by_cpu, 0);
	start(race);
	await(race);
	stop(race);

	begin(own(race), CPU_READ);
	for (page = 0; page < PAGES; page++)
		for (i = 0; i < 2; i++) {
			KUNIT_EXPECT_EQ(test, 60,
					((u64 *)cached_page(page))[1 + i]);
			KUNIT_EXPECT_EQ(test, 60,
					((u64 *)cache.memory[page])[1 + i]);
		}
	end(&race->own, CPU_READ);
	/* Or it was no test. */
	KUNIT_EXPECT_GT(test, cache.flushed, PAGES);
	check_rules(race);
	race->dmabuf = before;
}

static void begin_and_store(struct racer *racer)
{
	struct kunit *test = racer->race->test;
	u64 value = 42;

	KUNIT_EXPECT_EQ(test, 0,
			dma_buf_begin_cpu_access(racer->race->dmabuf,
						 CPU_WRITE));
	kthread_use_mm(racer->mm);
	KUNIT_EXPECT_EQ(test, 0, copy_to_user((void __user *)USER_ADDR, &value,
					      sizeof(value)));
	kthread_unuse_mm(racer->mm);
}

/*
 * H15: what a program stored before it died, in an access that nobody ends, is
 * data: the first begin afterwards cleans it, and later ones need not.
 */
static void what_the_dead_have_stored_is_kept(struct kunit *test)
{
	struct memory *mem = memory_shmem(test, PAGES);
	struct race *race = test->priv;
	struct dma_buf *before = race->dmabuf;
	unsigned int i;

	put_cache(race, mem);
	import(race, "noncoherent", DMA_FROM_DEVICE);
	add_racer(race, begin_and_store, 1)->mm = new_program(race);
	start(race);
	await(race);
	stop(race);

	KUNIT_EXPECT_NE(test, 42, *(u64 *)cache.memory[0]);
	for (i = 0; i < 3; i++) {
		begin(own(race), CPU_READ);
		KUNIT_EXPECT_EQ(test, i ? SYNC_FOR_CPU : SYNC_FLUSH,
				race->own.last);
		KUNIT_EXPECT_EQ(test, 42, memory_get(mem, 0));
		KUNIT_EXPECT_EQ(test, 42, *(u64 *)cache.memory[0]);
		/* Without an end, which would clean as well. */
	}
	check_rules(race);
	race->dmabuf = before;
}

/* Merges. */

/* What a device that has a copy does: every other byte. */
static void store_to_copy(struct racer *racer)
{
	struct fanout_buffer *buffer = racer->race->dmabuf->priv;
	const struct copy *copy;
	size_t i;
	u8 *byte;

	racer->stores++;
	/* It is there as long as the importer is. */
	list_for_each_entry(copy, &buffer->shadow.copies, node) {
		byte = copy->vaddr;
		for (i = 1; i < copy->nr_pages << PAGE_SHIFT; i += 2) {
			WRITE_ONCE(byte[i], racer->stores);
			if (i % 1024 == 1)
				pause(racer);
		}
	}
}

/* What a program does: every other byte, but other ones. */
static void store_to_mapping(struct racer *racer)
{
	u8 value = ++racer->stores;
	size_t i;

	kthread_use_mm(racer->mm);
	for (i = 0; i < PAGES << PAGE_SHIFT; i += 2) {
		if (copy_to_user((u8 __user *)USER_ADDR + i, &value, 1))
			KUNIT_FAIL(racer->race->test, "no byte %zu", i);
		if (i % 1024 == 0)
			pause(racer);
	}
	kthread_unuse_mm(racer->mm);
}

/*
 * A device and a program store to the same words, but to different bytes, while
 * others begin and end accesses: each byte is what was stored there last, on both
 * sides, and nothing was a conflict.
 */
static void neighbouring_bytes_are_merged(struct kunit *test)
{
	struct memory *mem = memory_shmem(test, PAGES);
	struct udmabuf_create_item item = memory_item(mem, 0, PAGES);
	struct race *race = test->priv;
	struct dma_buf *before = race->dmabuf;
	struct fanout_buffer *buffer;
	const struct copy *copy;
	size_t i, size, wrong = 0;
	unsigned long pfn;
	u8 *seen, *page;

	memory_fill(test, mem);
	race->dmabuf = memory_buffer(test, &item, 1);
	buffer = race->dmabuf->priv;
	import(race, "bounced", DMA_BIDIRECTIONAL);
	add_racer(race, store_to_copy, 20);
	add_racer(race, store_to_mapping, 20)->mm = new_program(race);
	add_racer(race, read_by_cpu, 0);
	add_racer(race, use_cpu, 0);
	start(race);
	await(race);
	stop(race);

	begin(own(race), CPU_RW);
	end(own(race), CPU_RW);
	list_for_each_entry(copy, &buffer->shadow.copies, node) {
		size = copy->nr_pages << PAGE_SHIFT;
		seen = copy->vaddr;
		for (i = 0; i < size; i++) {
			pfn = memory_pfn(mem, copy->pgoff + (i >> PAGE_SHIFT));
			page = kmap_local_page(pfn_to_page(pfn));
			wrong += seen[i] != 20 ||
				 page[offset_in_page(i)] != 20;
			kunmap_local(page);
		}
	}
	KUNIT_EXPECT_EQ(test, 0, wrong);
	KUNIT_EXPECT_EQ(test, 0, buffer->shadow.fetched.conflicts);
	KUNIT_EXPECT_EQ(test, 0, buffer->shadow.pushed.conflicts);
	KUNIT_EXPECT_GT(test, buffer->shadow.fetched.bytes, 0);
	KUNIT_EXPECT_GT(test, buffer->shadow.pushed.bytes, 0);
	check_rules(race);
	race->dmabuf = before;
}

static struct kunit_case race_cases[] = {
	KUNIT_CASE(devices_come_and_go_during_cpu_accesses),
	KUNIT_CASE(anybody_may_put_last),
	KUNIT_CASE(several_processes_sync_one_buffer),
	KUNIT_CASE(open_writes_of_dying_processes_are_over),
	KUNIT_CASE(a_fence_and_a_signal_race),
	KUNIT_CASE(each_event_follows_one_policy),
	KUNIT_CASE(faults_and_unmaps_race),
	KUNIT_CASE(everything_changes_meanwhile),
	KUNIT_CASE(no_store_is_lost_to_a_begin),
	KUNIT_CASE(what_the_dead_have_stored_is_kept),
	KUNIT_CASE(neighbouring_bytes_are_merged),
	{ }
};

static struct kunit_suite race_suite = {
	.name = "udmabuf_fanout_race",
	.init = init,
	.exit = leave,
	.test_cases = race_cases,
};

kunit_test_suite(race_suite);
