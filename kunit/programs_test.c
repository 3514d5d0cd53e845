// SPDX-License-Identifier: GPL-2.0
/*
 * Programs as they are: calls that are missing, doubled, interrupted, or made by
 * another process, and devices that write at any moment. Whatever a program
 * does, each store of the CPU and of a device arrives everywhere and none is
 * lost, for each kind of memory that a device can have.
 *
 * Would miss: what caches do, since fakes have none: for devices that use the
 * buffer's own pages and do not snoop, fanout_test.c has the syncs and the model
 * what they come to.
 */
#include <kunit/test.h>
#include <linux/dma-buf.h>
#include <linux/iosys-map.h>
#include <linux/pid.h>
#include <linux/sched/signal.h>
#include <linux/sched/task.h>

#include "../driver/buffer.h"
#include "importer.h"

/* Each kind of memory that the device of a test can have. */
struct device_case {
	const char *name;
	enum fake_kind kind;
	bool forced;
	bool distant;
};

static const struct device_case device_cases[] = {
	{ "own pages", FAKE_COHERENT, false, false },
	{ "shared copy", FAKE_BOUNCED, false, false },
	{ "synced copy", FAKE_BOUNCED, false, true },
	{ "private copy", FAKE_COHERENT, true, false },
	{ "coherent copy", FAKE_OPAQUE, false, false },
};

KUNIT_ARRAY_PARAM_DESC(device, device_cases, name);

/* The device of a test, and one more that only reads. */
struct devices {
	struct importer *dev;
	struct importer *reader;
};

static struct importer *add_case(struct users *u, const char *name,
				 const struct device_case *c,
				 enum dma_data_direction dir)
{
	struct fake_device *fake = fake_device_create(u->test, name, c->kind);
	struct importer *importer;

	fake->forced = c->forced;
	fake->coherent = !c->distant;
	importer = importer_create(u, fake);
	KUNIT_ASSERT_EQ(u->test, 0, importer_map(importer, dir));
	return importer;
}

static struct devices add_devices(struct users *u)
{
	const struct device_case *c = u->test->param_value;

	return (struct devices) {
		.reader = add_case(u, "reader", c, DMA_TO_DEVICE),
		.dev = add_case(u, "dev", c, DMA_BIDIRECTIONAL),
	};
}

/* What everybody must see at @offset after a begin and an end. */
static void expect_everywhere(struct users *u, const struct devices *d,
			      size_t offset, u64 value)
{
	KUNIT_EXPECT_EQ_MSG(u->test, value, cpu_load(u, offset),
			    "the CPU, at %zu", offset);
	KUNIT_EXPECT_EQ_MSG(u->test, value, importer_load(d->dev, offset),
			    "the device, at %zu", offset);
	KUNIT_EXPECT_EQ_MSG(u->test, value, importer_load(d->reader, offset),
			    "the reader, at %zu", offset);
}

static u64 conflicts_of(struct users *u)
{
	struct fanout_buffer *buffer = u->dmabuf->priv;

	return buffer->shadow.fetched.conflicts +
	       buffer->shadow.pushed.conflicts;
}

/* The second word, the first one of another page, the last one of all. */
static const size_t places[] = { 8, 3 * PAGE_SIZE, PAGES * PAGE_SIZE - 8 };

/* By the book: what all other tests depart from. */
static void begin_fetches_and_end_pushes(struct kunit *test)
{
	struct users *u = test->priv;
	struct devices d = add_devices(u);
	unsigned int i, frame;

	for (frame = 1; frame < 4; frame++) {
		for (i = 0; i < ARRAY_SIZE(places); i++)
			importer_store(d.dev, places[i], frame);
		cpu_begin(u, CPU_READ);
		for (i = 0; i < ARRAY_SIZE(places); i++)
			KUNIT_EXPECT_EQ(test, frame, cpu_load(u, places[i]));
		cpu_end(u, CPU_READ);
		for (i = 0; i < ARRAY_SIZE(places); i++)
			expect_everywhere(u, &d, places[i], frame);

		cpu_begin(u, CPU_WRITE);
		for (i = 0; i < ARRAY_SIZE(places); i++)
			cpu_store(u, places[i], frame + 10);
		cpu_end(u, CPU_WRITE);
		for (i = 0; i < ARRAY_SIZE(places); i++)
			expect_everywhere(u, &d, places[i], frame + 10);
	}
}

/* START(RW) before each frame, and never an END. */
static void begins_without_an_end_show_each_frame(struct kunit *test)
{
	struct users *u = test->priv;
	struct devices d = add_devices(u);
	unsigned int frame;

	for (frame = 1; frame < 4; frame++) {
		importer_store(d.dev, 8, frame);
		cpu_begin(u, CPU_RW);
		KUNIT_EXPECT_EQ(test, frame, cpu_load(u, 8));
		/* What it writes waits for somebody's END, and is not lost. */
		cpu_store(u, 16, frame);
	}
	KUNIT_EXPECT_EQ(test, 3, cpu_load(u, 16));
	cpu_end(u, CPU_READ);
	expect_everywhere(u, &d, 8, 3);
	expect_everywhere(u, &d, 16, 3);
}

/* START(RW) ... END(READ), START(WRITE) ... END(READ). */
static void an_end_for_reading_shows_what_was_written(struct kunit *test)
{
	struct users *u = test->priv;
	struct devices d = add_devices(u);
	unsigned int frame;

	for (frame = 1; frame < 4; frame++) {
		importer_store(d.dev, 8, frame);
		cpu_begin(u, CPU_RW);
		KUNIT_EXPECT_EQ(test, frame, cpu_load(u, 8));
		cpu_store(u, 16, frame);
		cpu_end(u, CPU_READ);
		expect_everywhere(u, &d, 8, frame);
		expect_everywhere(u, &d, 16, frame);

		cpu_begin(u, CPU_WRITE);
		cpu_store(u, 24, frame);
		cpu_end(u, CPU_READ);
		expect_everywhere(u, &d, 24, frame);
	}
}

/* ... also for readers alone, as long as some write access is open. */
static void an_end_for_reading_shows_readers_what_was_written(struct kunit *test)
{
	struct users *u = test->priv;
	struct importer *reader = add_case(u, "reader", test->param_value,
					   DMA_TO_DEVICE);

	cpu_begin(u, CPU_WRITE);
	cpu_store(u, 8, 1);
	cpu_end(u, CPU_READ);
	KUNIT_EXPECT_EQ(test, 1, importer_load(reader, 8));
}

/* END(RW) as a flush, with no START before it. */
static void an_end_alone_shows_what_was_written(struct kunit *test)
{
	struct users *u = test->priv;
	struct devices d = add_devices(u);
	unsigned int frame;

	for (frame = 1; frame < 4; frame++) {
		cpu_store(u, 8, frame);
		/* What it knows nothing of stays. */
		importer_store(d.dev, 16, frame);
		cpu_end(u, CPU_RW);
		KUNIT_EXPECT_EQ(test, frame, importer_load(d.dev, 8));
		KUNIT_EXPECT_EQ(test, frame, importer_load(d.reader, 8));
		KUNIT_EXPECT_EQ(test, frame, importer_load(d.dev, 16));
	}
	cpu_begin(u, CPU_READ);
	KUNIT_EXPECT_EQ(test, 3, cpu_load(u, 16));
	cpu_end(u, CPU_READ);
	expect_everywhere(u, &d, 8, 3);
	expect_everywhere(u, &d, 16, 3);
}

/* START(READ) ... END(WRITE). */
static void a_write_need_not_be_announced(struct kunit *test)
{
	struct users *u = test->priv;
	struct devices d = add_devices(u);

	importer_store(d.dev, 8, 1);
	cpu_begin(u, CPU_READ);
	KUNIT_EXPECT_EQ(test, 1, cpu_load(u, 8));
	cpu_store(u, 16, 2);
	cpu_end(u, CPU_WRITE);
	expect_everywhere(u, &d, 8, 1);
	expect_everywhere(u, &d, 16, 2);
}

/* START interrupted, and nobody looks: write, END. */
static void an_interrupted_begin_costs_no_data(struct kunit *test)
{
	struct users *u = test->priv;
	struct devices d = add_devices(u);
	unsigned int frame;

	for (frame = 1; frame < 4; frame++) {
		importer_store(d.dev, 8, frame);
		u->shim->hooks.dma_resv_lock_interruptible =
			lock_is_interrupted;
		KUNIT_EXPECT_EQ(test, -ERESTARTSYS,
				dma_buf_begin_cpu_access(u->dmabuf, CPU_RW));
		u->shim->hooks.dma_resv_lock_interruptible =
			dma_resv_lock_interruptible;
		cpu_store(u, 16, frame);
		cpu_end(u, CPU_RW);
		KUNIT_EXPECT_EQ(test, frame, importer_load(d.dev, 8));
		KUNIT_EXPECT_EQ(test, frame, importer_load(d.dev, 16));
		KUNIT_EXPECT_EQ(test, frame, importer_load(d.reader, 16));
		KUNIT_EXPECT_FALSE(test, write_is_open(u));
	}
	cpu_begin(u, CPU_READ);
	cpu_end(u, CPU_READ);
	expect_everywhere(u, &d, 8, 3);
}

/* END(WRITE) as a flush and START(READ) as a reread in a long access. */
static void a_long_access_flushes_and_rereads(struct kunit *test)
{
	struct users *u = test->priv;
	struct devices d = add_devices(u);
	unsigned int frame;

	cpu_begin(u, CPU_RW);
	for (frame = 1; frame < 4; frame++) {
		cpu_store(u, 8, frame);
		cpu_end(u, CPU_WRITE);
		KUNIT_EXPECT_EQ(test, frame, importer_load(d.dev, 8));
		KUNIT_EXPECT_EQ(test, frame, importer_load(d.reader, 8));

		importer_store(d.dev, 16, frame);
		cpu_store(u, 24, frame);
		cpu_begin(u, CPU_READ);
		KUNIT_EXPECT_EQ(test, frame, cpu_load(u, 16));
		KUNIT_EXPECT_EQ(test, frame, cpu_load(u, 24));
	}
	cpu_end(u, CPU_RW);
	expect_everywhere(u, &d, 8, 3);
	expect_everywhere(u, &d, 16, 3);
	expect_everywhere(u, &d, 24, 3);
}

/* START, START, END each frame: a library and its user both bracket. */
static void more_begins_than_ends_cost_no_data(struct kunit *test)
{
	struct users *u = test->priv;
	struct devices d = add_devices(u);
	unsigned int frame;

	for (frame = 1; frame < 4; frame++) {
		importer_store(d.dev, 8, frame);
		cpu_begin(u, CPU_RW);
		cpu_begin(u, CPU_RW);
		KUNIT_EXPECT_EQ(test, frame, cpu_load(u, 8));
		cpu_store(u, 16, frame);
		cpu_end(u, CPU_RW);
		expect_everywhere(u, &d, 8, frame);
		expect_everywhere(u, &d, 16, frame);
	}
}

/* A process forgot its END and lives on; this one does all by the book. */
static void who_forgets_his_end_harms_nobody(struct kunit *test)
{
	struct users *u = test->priv;
	struct devices d = add_devices(u);
	struct process vmm = { };
	unsigned int frame;

	create_processes(u, &vmm, 1);
	process_begins(&vmm, CPU_RW);
	for (frame = 1; frame < 4; frame++) {
		importer_store(d.dev, 8, frame);
		cpu_begin(u, CPU_RW);
		KUNIT_EXPECT_EQ(test, frame, cpu_load(u, 8));
		cpu_store(u, 16, frame);
		cpu_end(u, CPU_RW);
		expect_everywhere(u, &d, 8, frame);
		expect_everywhere(u, &d, 16, frame);
	}
}

/* START by one process, END by another, and accesses of both at once. */
static void begun_by_one_and_ended_by_another(struct kunit *test)
{
	struct users *u = test->priv;
	struct devices d = add_devices(u);
	struct process process[2] = { };
	unsigned int frame;

	create_processes(u, process, ARRAY_SIZE(process));
	for (frame = 1; frame < 4; frame++) {
		importer_store(d.dev, 8, frame);
		process_begins(&process[0], CPU_RW);
		KUNIT_EXPECT_EQ(test, frame, cpu_load(u, 8));
		/* This one has stored, and has not ended yet. */
		cpu_begin(u, CPU_WRITE);
		cpu_store(u, 24, frame);
		cpu_store(u, 16, frame);
		process_ends(&process[1], CPU_RW);
		expect_everywhere(u, &d, 8, frame);
		expect_everywhere(u, &d, 16, frame);
		/* A later START keeps its stores. */
		cpu_store(u, 24, frame + 10);
		process_begins(&process[1], CPU_READ);
		KUNIT_EXPECT_EQ(test, frame + 10, cpu_load(u, 24));
		cpu_end(u, CPU_WRITE);
		expect_everywhere(u, &d, 24, frame + 10);
	}
}

/*
 * A write is held open while a device writes other bytes, even of the same
 * word.
 */
static void a_device_writes_beside_an_open_write(struct kunit *test)
{
	struct users *u = test->priv;
	struct devices d = add_devices(u);
	unsigned int frame;

	cpu_begin(u, CPU_WRITE);
	for (frame = 1; frame < 4; frame++) {
		u64 high = (u64)frame << 32;

		/* Neither knows what the other half has become. */
		fake_device_store(d.dev->fake, d.dev->sgt, 12, &frame,
				  sizeof(frame));
		if (d.dev->fake->nr_copies)
			cpu_store(u, 8, ((u64)(frame - 1) << 32) | frame);
		else
			cpu_store(u, 8, high | frame);
		importer_store(d.dev, 5 * PAGE_SIZE, frame);
		cpu_begin(u, CPU_READ);
		KUNIT_EXPECT_EQ(test, high | frame, cpu_load(u, 8));
		KUNIT_EXPECT_EQ(test, frame, cpu_load(u, 5 * PAGE_SIZE));
		cpu_end(u, CPU_READ);
		expect_everywhere(u, &d, 8, high | frame);
		expect_everywhere(u, &d, 5 * PAGE_SIZE, frame);
	}
}

/* A kernel mapping whose user writes and calls neither begin nor end. */
static void a_kernel_writer_needs_no_begin(struct kunit *test)
{
	struct users *u = test->priv;
	struct devices d = add_devices(u);
	struct iosys_map map;
	u64 *vaddr;

	importer_store(d.dev, 8, 1);
	KUNIT_ASSERT_EQ(test, 0, dma_buf_vmap_unlocked(u->dmabuf, &map));
	vaddr = map.vaddr;
	KUNIT_EXPECT_EQ(test, 1, vaddr[1]);
	vaddr[2] = 2;
	importer_store(d.dev, 24, 3);
	cpu_begin(u, CPU_READ);
	KUNIT_EXPECT_EQ(test, 2, vaddr[2]);
	KUNIT_EXPECT_EQ(test, 3, vaddr[3]);
	cpu_end(u, CPU_READ);
	expect_everywhere(u, &d, 16, 2);
	expect_everywhere(u, &d, 24, 3);

	vaddr[4] = 4;
	dma_buf_vunmap_unlocked(u->dmabuf, &map);
	expect_everywhere(u, &d, 32, 4);
}

/* What a dead process stored last is data, too. */
static void a_dead_processs_stores_are_kept(struct kunit *test)
{
	struct users *u = test->priv;
	struct devices d = add_devices(u);
	struct process process = { };

	create_processes(u, &process, 1);
	process_begins(&process, CPU_WRITE);
	cpu_store(u, 8, 1);
	process_dies(&process);
	importer_store(d.dev, 16, 2);
	cpu_begin(u, CPU_READ);
	KUNIT_EXPECT_EQ(test, 1, cpu_load(u, 8));
	KUNIT_EXPECT_EQ(test, 2, cpu_load(u, 16));
	cpu_end(u, CPU_READ);
	expect_everywhere(u, &d, 8, 1);
	expect_everywhere(u, &d, 16, 2);
}

/* Maps and unmaps. */

/* A mapping's device reads what is newest when the map begins. */
static void a_map_inside_an_open_write_shows_what_is_there(struct kunit *test)
{
	struct users *u = test->priv;
	struct importer *first, *second;

	cpu_store(u, 8, 1);
	cpu_begin(u, CPU_WRITE);
	cpu_store(u, 16, 2);
	first = add_case(u, "first", test->param_value, DMA_BIDIRECTIONAL);
	KUNIT_EXPECT_EQ(test, 1, importer_load(first, 8));
	KUNIT_EXPECT_EQ(test, 2, importer_load(first, 16));

	cpu_store(u, 24, 3);
	importer_store(first, 32, 4);
	second = add_case(u, "second", test->param_value, DMA_TO_DEVICE);
	KUNIT_EXPECT_EQ(test, 3, importer_load(second, 24));
	KUNIT_EXPECT_EQ(test, 4, importer_load(second, 32));
	/* Nobody's stores were lost, and the others have them, too. */
	KUNIT_EXPECT_EQ(test, 3, importer_load(first, 24));
	KUNIT_EXPECT_EQ(test, 4, importer_load(first, 32));
	KUNIT_EXPECT_EQ(test, 3, cpu_load(u, 24));
	KUNIT_EXPECT_EQ(test, 4, cpu_load(u, 32));
}

/* A copy that was only read until now was written by nobody. */
static void a_writer_that_joins_readers_brings_nothing_old(struct kunit *test)
{
	const struct device_case *c = test->param_value;
	struct users *u = test->priv;
	struct devices d;

	cpu_store(u, 8, 1);
	d.reader = add_case(u, "reader", c, DMA_TO_DEVICE);
	/* Nobody has told the reader yet. */
	cpu_store(u, 8, 2);
	d.dev = add_case(u, "dev", c, DMA_BIDIRECTIONAL);
	expect_everywhere(u, &d, 8, 2);
	KUNIT_EXPECT_EQ(test, 0, conflicts_of(u));
}

/* What it wrote survives its unmap, whatever access is open or forgotten. */
static void an_unmap_inside_a_forgotten_access_keeps_the_data(struct kunit *test)
{
	struct users *u = test->priv;
	struct devices d = add_devices(u);
	struct process vmm = { };
	unsigned int i;

	create_processes(u, &vmm, 1);
	process_begins(&vmm, CPU_RW);
	cpu_begin(u, CPU_WRITE);
	cpu_store(u, 16, 7);
	for (i = 0; i < ARRAY_SIZE(places); i++)
		importer_store(d.dev, places[i], i + 1);
	importer_unmap(d.dev);
	for (i = 0; i < ARRAY_SIZE(places); i++) {
		KUNIT_EXPECT_EQ(test, i + 1, cpu_load(u, places[i]));
		KUNIT_EXPECT_EQ(test, i + 1,
				importer_load(d.reader, places[i]));
	}
	KUNIT_EXPECT_EQ(test, 7, cpu_load(u, 16));
	KUNIT_EXPECT_EQ(test, 7, importer_load(d.reader, 16));

	/* And again, for who had none of it. */
	KUNIT_ASSERT_EQ(test, 0, importer_map(d.dev, DMA_BIDIRECTIONAL));
	for (i = 0; i < ARRAY_SIZE(places); i++)
		expect_everywhere(u, &d, places[i], i + 1);
}

/* Several devices. */

/* Devices that write at the same time, each its own part, keep all of it. */
static void writers_beside_each_other_keep_all(struct kunit *test)
{
	struct users *u = test->priv;
	struct importer *importer[ARRAY_SIZE(device_cases)];
	unsigned int i, j;

	/* H11: none of them is refused. */
	for (i = 0; i < ARRAY_SIZE(device_cases); i++)
		importer[i] = add_case(u, device_cases[i].name,
				       &device_cases[i], DMA_BIDIRECTIONAL);
	/* Neighbouring bytes. */
	for (i = 0; i < ARRAY_SIZE(importer); i++)
		fake_device_store(importer[i]->fake, importer[i]->sgt,
				  PAGE_SIZE + i, &(u8){ i + 1 }, 1);
	cpu_begin(u, CPU_READ);
	KUNIT_EXPECT_EQ(test, 0x0504030201, cpu_load(u, PAGE_SIZE));
	cpu_end(u, CPU_READ);
	for (j = 0; j < ARRAY_SIZE(importer); j++)
		KUNIT_EXPECT_EQ_MSG(test, 0x0504030201,
				    importer_load(importer[j], PAGE_SIZE),
				    "%s", device_cases[j].name);
}

/* One device with two mappings has one copy, even where none is shared. */
static void mappings_of_one_device_share(struct kunit *test)
{
	struct users *u = test->priv;
	struct fanout_buffer *buffer = u->dmabuf->priv;
	const struct device_case *c = test->param_value;
	struct importer *one, *two;

	one = add_case(u, "dev", c, DMA_BIDIRECTIONAL);
	two = importer_create(u, one->fake);
	KUNIT_ASSERT_EQ(test, 0, importer_map(two, DMA_TO_DEVICE));
	importer_store(one, 8, 1);
	KUNIT_EXPECT_EQ(test, 1, importer_load(two, 8));
	if (one->fake->nr_copies)
		KUNIT_EXPECT_TRUE(test,
				  list_is_singular(&buffer->shadow.copies));
	importer_unmap(one);
	KUNIT_EXPECT_EQ(test, 1, cpu_load(u, 8));
	KUNIT_EXPECT_EQ(test, 1, importer_load(two, 8));
}

/* H18: own pages beside copies, with everybody else looking on. */
static void a_mixed_device_sees_what_all_see(struct kunit *test)
{
	struct users *u = test->priv;
	struct importer *gpu;
	struct devices d;
	u32 page;

	use_block(u, 3, NULL, 0);
	d.dev = add_mixed(u, "dev", FAKE_COHERENT, DMA_BIDIRECTIONAL);
	d.reader = add_device(u, "scan", FAKE_BOUNCED, DMA_TO_DEVICE);
	gpu = add_device(u, "gpu", FAKE_COHERENT, DMA_BIDIRECTIONAL);
	for (page = 0; page < PAGES; page++) {
		importer_store(d.dev, page * PAGE_SIZE, page + 1);
		importer_store(gpu, page * PAGE_SIZE + 8, page + 2);
	}
	cpu_begin(u, CPU_WRITE);
	for (page = 0; page < PAGES; page++)
		cpu_store(u, page * PAGE_SIZE + 16, page + 3);
	cpu_end(u, CPU_WRITE);
	for (page = 0; page < PAGES; page++) {
		expect_everywhere(u, &d, page * PAGE_SIZE, page + 1);
		expect_everywhere(u, &d, page * PAGE_SIZE + 8, page + 2);
		expect_everywhere(u, &d, page * PAGE_SIZE + 16, page + 3);
	}
}

/* A page that stands twice in the buffer has two copies, and is one page. */
static void a_page_twice_in_the_buffer(struct kunit *test)
{
	struct memory *mem = memory_shmem(test, 2);
	struct udmabuf_create_item items[] = {
		memory_item(mem, 0, 1), memory_item(mem, 1, 1),
		memory_item(mem, 0, 1),
	};
	struct users *u = test->priv;
	struct devices d;
	unsigned int i;

	u->dmabuf = memory_buffer(test, items, ARRAY_SIZE(items));
	d = add_devices(u);
	for (i = 1; i < 4; i++) {
		importer_store(d.dev, 0, i);
		importer_store(d.dev, 2 * PAGE_SIZE + 8, i + 10);
		cpu_begin(u, CPU_RW);
		KUNIT_EXPECT_EQ(test, i, cpu_load(u, 2 * PAGE_SIZE));
		KUNIT_EXPECT_EQ(test, i + 10, cpu_load(u, 8));
		cpu_store(u, 16, i + 20);
		cpu_end(u, CPU_RW);
		expect_everywhere(u, &d, 0, i);
		expect_everywhere(u, &d, 2 * PAGE_SIZE, i);
		expect_everywhere(u, &d, 8, i + 10);
		expect_everywhere(u, &d, 2 * PAGE_SIZE + 8, i + 10);
		expect_everywhere(u, &d, 16, i + 20);
		expect_everywhere(u, &d, 2 * PAGE_SIZE + 16, i + 20);
	}
}

/* Conflicts. */

/*
 * If both wrote the same byte between two syncs, one of the two values stands,
 * the same for everybody after the next begin and end, and it is counted.
 */
static void a_conflict_is_settled_and_counted(struct kunit *test)
{
	struct users *u = test->priv;
	struct fanout_buffer *buffer = u->dmabuf->priv;
	struct devices d = add_devices(u);
	u64 value, before;
	unsigned int i;

	if (!d.dev->fake->nr_copies)
		kunit_skip(test, "there is one memory, and no conflict");
	for (i = 0; i < 4; i++) {
		before = conflicts_of(u);
		KUNIT_EXPECT_EQ(test, i > 0, buffer->fanout.conflict_told);
		/* All bytes but one differ from what was there, and the other. */
		importer_store(d.dev, 8, 0x1111111111111100 * (i + 1));
		cpu_store(u, 8, 0x0101010101010100 * (i + 9));
		importer_store(d.dev, 16, i + 1);
		if (i % 2)
			cpu_end(u, CPU_WRITE);
		cpu_begin(u, CPU_READ);
		cpu_end(u, CPU_READ);
		value = cpu_load(u, 8);
		KUNIT_EXPECT_TRUE(test,
				  value == 0x1111111111111100 * (i + 1) ||
				  value == 0x0101010101010100 * (i + 9));
		expect_everywhere(u, &d, 8, value);
		expect_everywhere(u, &d, 16, i + 1);
		KUNIT_EXPECT_EQ(test, before + 7, conflicts_of(u));
		KUNIT_EXPECT_TRUE(test, buffer->fanout.conflict_told);
		/* It is over. */
		cpu_begin(u, CPU_RW);
		cpu_end(u, CPU_RW);
		KUNIT_EXPECT_EQ(test, before + 7, conflicts_of(u));
	}
}

/* The same value twice is none, nor is a byte that was stored as it was. */
static void equal_stores_are_no_conflict(struct kunit *test)
{
	struct users *u = test->priv;
	struct fanout_buffer *buffer = u->dmabuf->priv;
	struct devices d = add_devices(u);

	importer_store(d.dev, 8, 5);
	cpu_store(u, 8, 5);
	cpu_store(u, 16, 0);
	importer_store(d.dev, 16, 6);
	cpu_begin(u, CPU_RW);
	KUNIT_EXPECT_EQ(test, 5, cpu_load(u, 8));
	KUNIT_EXPECT_EQ(test, 6, cpu_load(u, 16));
	cpu_end(u, CPU_RW);
	KUNIT_EXPECT_EQ(test, 0, conflicts_of(u));
	KUNIT_EXPECT_FALSE(test, buffer->fanout.conflict_told);
}

static struct kunit_case programs_cases[] = {
	KUNIT_CASE_PARAM(begin_fetches_and_end_pushes, device_gen_params),
	KUNIT_CASE_PARAM(begins_without_an_end_show_each_frame,
			 device_gen_params),
	KUNIT_CASE_PARAM(an_end_for_reading_shows_what_was_written,
			 device_gen_params),
	KUNIT_CASE_PARAM(an_end_for_reading_shows_readers_what_was_written,
			 device_gen_params),
	KUNIT_CASE_PARAM(an_end_alone_shows_what_was_written,
			 device_gen_params),
	KUNIT_CASE_PARAM(a_write_need_not_be_announced, device_gen_params),
	KUNIT_CASE_PARAM(an_interrupted_begin_costs_no_data, device_gen_params),
	KUNIT_CASE_PARAM(a_long_access_flushes_and_rereads, device_gen_params),
	KUNIT_CASE_PARAM(more_begins_than_ends_cost_no_data, device_gen_params),
	KUNIT_CASE_PARAM(who_forgets_his_end_harms_nobody, device_gen_params),
	KUNIT_CASE_PARAM(begun_by_one_and_ended_by_another, device_gen_params),
	KUNIT_CASE_PARAM(a_device_writes_beside_an_open_write,
			 device_gen_params),
	KUNIT_CASE_PARAM(a_kernel_writer_needs_no_begin, device_gen_params),
	KUNIT_CASE_PARAM(a_dead_processs_stores_are_kept, device_gen_params),
	KUNIT_CASE_PARAM(a_map_inside_an_open_write_shows_what_is_there,
			 device_gen_params),
	KUNIT_CASE_PARAM(a_writer_that_joins_readers_brings_nothing_old,
			 device_gen_params),
	KUNIT_CASE_PARAM(an_unmap_inside_a_forgotten_access_keeps_the_data,
			 device_gen_params),
	KUNIT_CASE(writers_beside_each_other_keep_all),
	KUNIT_CASE_PARAM(mappings_of_one_device_share, device_gen_params),
	KUNIT_CASE(a_mixed_device_sees_what_all_see),
	KUNIT_CASE_PARAM(a_page_twice_in_the_buffer, device_gen_params),
	KUNIT_CASE_PARAM(a_conflict_is_settled_and_counted, device_gen_params),
	KUNIT_CASE_PARAM(equal_stores_are_no_conflict, device_gen_params),
	{ }
};

static struct kunit_suite programs_suite = {
	.name = "udmabuf_fanout_programs",
	.init = users_init,
	.exit = users_exit,
	.test_cases = programs_cases,
};

kunit_test_suite(programs_suite);
