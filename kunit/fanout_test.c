// SPDX-License-Identifier: GPL-2.0
/*
 * The fan-out through the real driver, with fake devices that record every
 * sync: which devices are synced by a CPU access, a map and an unmap, in which
 * order, in which direction, through which table.
 *
 * Would miss: a sync that is called and does not do what its name says (the
 * model and the rig look there), and a kind told wrongly from a real device
 * (kind_test.c).
 */
#include <kunit/test.h>
#include <linux/completion.h>
#include <linux/debugfs.h>
#include <linux/delay.h>
#include <linux/dma-buf.h>
#include <linux/dma-fence.h>
#include <linux/dma-resv.h>
#include <linux/fs.h>
#include <linux/iosys-map.h>
#include <linux/kthread.h>
#include <linux/pid.h>
#include <linux/sched/signal.h>
#include <linux/sched/task.h>
#include <linux/seq_file.h>
#include <linux/sizes.h>
#include <linux/slab.h>
#include <linux/udmabuf.h>
#include <linux/workqueue.h>

#include "../driver/buffer.h"
#include "../driver/trace.h"
#include "fake_device.h"
#include "files.h"
#include "memory.h"
#include "shim.h"

#define PAGES	8

/**
 * struct fanout - what every test here has
 * @test: the test
 * @shim: its recorder
 * @dmabuf: a buffer of PAGES pages
 * @policy: the policy before the test
 */
struct fanout {
	struct kunit *test;
	struct shim *shim;
	struct dma_buf *dmabuf;
	int policy;
};

/**
 * struct importer - an attachment of a fake device, and at most one mapping
 * @fake: the device
 * @attachment: the attachment; NULL once detached
 * @sgt: the mapping's table; NULL if it has none
 * @dir: the mapping's direction
 * @bare: mapped by importer_map_bare()
 */
struct importer {
	struct fake_device *fake;
	struct dma_buf_attachment *attachment;
	struct sg_table *sgt;
	enum dma_data_direction dir;
	bool bare;
};

static struct dma_buf *export_pages(struct kunit *test, u32 pages)
{
	struct memory *mem = memory_shmem(test, pages);
	struct udmabuf_create_item item = memory_item(mem, 0, pages);

	return memory_buffer(test, &item, 1);
}

static int fanout_test_init(struct kunit *test)
{
	struct fanout *f = kunit_kzalloc(test, sizeof(*f), GFP_KERNEL);

	if (!f)
		return -ENOMEM;
	test->priv = f;
	f->test = test;
	f->policy = fanout_sync_policy;
	fanout_sync_policy = SYNC_POLICY_ALL;
	f->shim = shim_install(test);
	f->dmabuf = export_pages(test, PAGES);
	shim_reset(f->shim);
	return 0;
}

static void fanout_test_exit(struct kunit *test)
{
	struct fanout *f = test->priv;

	if (f)
		fanout_sync_policy = f->policy;
	fanout_bounce_conflict = BOUNCE_CONFLICT_REFUSE;
}

static void importer_unmap(struct importer *importer)
{
	struct dma_buf_attachment *attachment = importer->attachment;
	struct sg_table *sgt = importer->sgt;

	importer->sgt = NULL;
	if (sgt && importer->bare) {
		dma_resv_lock(attachment->dmabuf->resv, NULL);
		attachment->dmabuf->ops->unmap_dma_buf(attachment, sgt,
						       importer->dir);
		dma_resv_unlock(attachment->dmabuf->resv);
	} else if (sgt) {
		dma_buf_unmap_attachment_unlocked(attachment, sgt,
						  importer->dir);
	}
}

static void importer_detach(void *data)
{
	struct importer *importer = data;

	importer_unmap(importer);
	if (importer->attachment)
		dma_buf_detach(importer->attachment->dmabuf,
			       importer->attachment);
	importer->attachment = NULL;
}

static struct importer *attach(struct fanout *f, struct fake_device *fake)
{
	struct importer *importer;

	importer = kunit_kzalloc(f->test, sizeof(*importer), GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(f->test, importer);
	importer->fake = fake;
	importer->attachment = dma_buf_attach(f->dmabuf, fake->dev);
	KUNIT_ASSERT_NOT_ERR_OR_NULL(f->test, importer->attachment);
	KUNIT_ASSERT_EQ(f->test, 0,
			kunit_add_action_or_reset(f->test, importer_detach,
						  importer));
	return importer;
}

static int importer_map(struct importer *importer, enum dma_data_direction dir)
{
	struct sg_table *sgt;

	sgt = dma_buf_map_attachment_unlocked(importer->attachment, dir);
	if (IS_ERR(sgt))
		return PTR_ERR(sgt);
	importer->sgt = sgt;
	importer->dir = dir;
	return 0;
}

/*
 * Map past the core: under DMABUF_DEBUG it shows importers something else than
 * the driver's table, scrambled page links and from 7.0 on a copy without pages.
 */
static void importer_map_bare(struct importer *importer,
			      enum dma_data_direction dir)
{
	struct dma_buf_attachment *attachment = importer->attachment;
	struct kunit *test = importer->fake->test;
	struct sg_table *sgt;

	dma_resv_lock(attachment->dmabuf->resv, NULL);
	sgt = attachment->dmabuf->ops->map_dma_buf(attachment, dir);
	dma_resv_unlock(attachment->dmabuf->resv);
	KUNIT_ASSERT_NOT_ERR_OR_NULL(test, sgt);
	importer->sgt = sgt;
	importer->dir = dir;
	importer->bare = true;
}

/* A device of a kind, attached and mapped. */
static struct importer *add_device(struct fanout *f, const char *name,
				   enum sync_kind kind,
				   enum dma_data_direction dir)
{
	struct fake_device *fake = fake_device_create(f->test, name, kind);
	struct importer *importer = attach(f, fake);

	KUNIT_ASSERT_EQ(f->test, 0, importer_map(importer, dir));
	return importer;
}

static void begin(struct fanout *f, enum dma_data_direction access)
{
	KUNIT_EXPECT_EQ(f->test, 0,
			dma_buf_begin_cpu_access(f->dmabuf, access));
}

static void end(struct fanout *f, enum dma_data_direction access)
{
	KUNIT_EXPECT_EQ(f->test, 0, dma_buf_end_cpu_access(f->dmabuf, access));
}

#define CPU_READ	DMA_FROM_DEVICE
#define CPU_WRITE	DMA_TO_DEVICE
#define CPU_RW	DMA_BIDIRECTIONAL

/* What one device of a kind and direction gets from one CPU access. */
struct single_case {
	enum sync_kind kind;
	enum dma_data_direction dir;
	const char *begin;
	const char *end_read;
	const char *end_write;
};

#define FETCH	"for_cpu dev BIDIRECTIONAL"
#define PUSH	"for_device dev BIDIRECTIONAL"
#define PUSH_R	"for_device dev TO_DEVICE"

static const struct single_case single_cases[] = {
	{ SYNC_COHERENT, DMA_TO_DEVICE, NULL, NULL, PUSH_R },
	{ SYNC_COHERENT, DMA_FROM_DEVICE, FETCH, PUSH, PUSH },
	{ SYNC_COHERENT, DMA_BIDIRECTIONAL, FETCH, PUSH, PUSH },
	{ SYNC_NONCOHERENT, DMA_TO_DEVICE, NULL, NULL, PUSH_R },
	{ SYNC_NONCOHERENT, DMA_FROM_DEVICE, FETCH, PUSH, PUSH },
	{ SYNC_NONCOHERENT, DMA_BIDIRECTIONAL, FETCH, PUSH, PUSH },
	{ SYNC_OPAQUE, DMA_TO_DEVICE, NULL, NULL, PUSH_R },
	{ SYNC_OPAQUE, DMA_FROM_DEVICE, FETCH, PUSH, PUSH },
	{ SYNC_OPAQUE, DMA_BIDIRECTIONAL, FETCH, PUSH, PUSH },
	{ SYNC_BOUNCED, DMA_TO_DEVICE, NULL, NULL, PUSH_R },
	{ SYNC_BOUNCED, DMA_FROM_DEVICE, FETCH, NULL, PUSH },
	{ SYNC_BOUNCED, DMA_BIDIRECTIONAL, FETCH, NULL, PUSH },
};

static void single_name(const struct single_case *c, char *name)
{
	static const char * const kinds[] = {
		"coherent", "noncoherent", "opaque", "bounced"
	};
	static const char * const dirs[] = {
		"bidirectional", "reader", "writer"
	};

	snprintf(name, KUNIT_PARAM_DESC_SIZE, "%s %s", kinds[c->kind],
		 dirs[c->dir]);
}

KUNIT_ARRAY_PARAM(single, single_cases, single_name);

/*
 * H1, H2, H3, H5: a begin fetches from a device that writes, whatever the CPU
 * will do, and an end pushes to it, always in the direction it was mapped with,
 * which is never the direction of the access.
 */
static void device_is_synced_in_its_mapped_direction(struct kunit *test)
{
	static const enum dma_data_direction accesses[] = { CPU_READ, CPU_WRITE, CPU_RW };
	const struct single_case *c = test->param_value;
	struct fanout *f = test->priv;
	unsigned int i;

	add_device(f, "dev", c->kind, c->dir);
	shim_mark(f->shim);
	for (i = 0; i < ARRAY_SIZE(accesses); i++) {
		begin(f, accesses[i]);
		fake_expect_syncs(test, __FILE__, __LINE__, c->begin, NULL);
		end(f, accesses[i]);
		fake_expect_syncs(test, __FILE__, __LINE__,
				  accesses[i] == CPU_READ ? c->end_read :
							c->end_write, NULL);
	}
}

/* Minimal: a coherent device is never synced at all. */
static void minimal_spares_coherent_devices(struct kunit *test)
{
	struct fanout *f = test->priv;

	fanout_sync_policy = SYNC_POLICY_MINIMAL;
	add_device(f, "cam", SYNC_COHERENT, DMA_FROM_DEVICE);
	add_device(f, "gpu", SYNC_COHERENT, DMA_BIDIRECTIONAL);
	begin(f, CPU_RW);
	end(f, CPU_RW);
	FAKE_EXPECT_SYNCS(test);
}

static void nobody_attached_nothing_synced(struct kunit *test)
{
	struct fanout *f = test->priv;

	begin(f, CPU_RW);
	end(f, CPU_RW);
	FAKE_EXPECT_SYNCS(test);
}

/* An attachment without a mapping has no addresses to sync. */
static void attached_but_not_mapped_is_not_synced(struct kunit *test)
{
	struct fanout *f = test->priv;

	attach(f, fake_device_create(test, "cam", SYNC_NONCOHERENT));
	begin(f, CPU_RW);
	end(f, CPU_RW);
	FAKE_EXPECT_SYNCS(test);
	KUNIT_EXPECT_EQ(test, 0, shim_count(f->shim, SHIM_DMA_MAP_SGTABLE));
}

/* H1, H4: everyone in one order, whatever the order of attaching. */
static void mixed_devices_in_the_safe_order(struct kunit *test)
{
	struct fanout *f = test->priv;

	add_device(f, "scan", SYNC_BOUNCED, DMA_TO_DEVICE);
	add_device(f, "isp", SYNC_NONCOHERENT, DMA_BIDIRECTIONAL);
	add_device(f, "npu", SYNC_OPAQUE, DMA_TO_DEVICE);
	add_device(f, "cam", SYNC_NONCOHERENT, DMA_FROM_DEVICE);
	add_device(f, "gpu", SYNC_COHERENT, DMA_TO_DEVICE);
	shim_mark(f->shim);

	begin(f, CPU_READ);
	FAKE_EXPECT_SYNCS(test, "for_cpu isp BIDIRECTIONAL",
			  "for_cpu cam BIDIRECTIONAL");
	end(f, CPU_READ);
	FAKE_EXPECT_SYNCS(test, "for_device gpu TO_DEVICE",
			  "for_device isp BIDIRECTIONAL",
			  "for_device cam BIDIRECTIONAL",
			  "for_device npu TO_DEVICE",
			  "for_device scan TO_DEVICE");

	fanout_sync_policy = SYNC_POLICY_MINIMAL;
	begin(f, CPU_RW);
	FAKE_EXPECT_SYNCS(test, "for_cpu isp BIDIRECTIONAL");
	end(f, CPU_RW);
	FAKE_EXPECT_SYNCS(test, "for_device isp BIDIRECTIONAL",
			  "for_device npu TO_DEVICE",
			  "for_device scan TO_DEVICE");
}

/* H4: a slot is copied back after every invalidate, not before. */
static void caches_before_slots(struct kunit *test)
{
	struct fanout *f = test->priv;

	fanout_bounce_conflict = BOUNCE_CONFLICT_ALLOW;
	add_device(f, "usb", SYNC_BOUNCED, DMA_FROM_DEVICE);
	add_device(f, "npu", SYNC_OPAQUE, DMA_FROM_DEVICE);
	add_device(f, "cam", SYNC_NONCOHERENT, DMA_FROM_DEVICE);
	shim_mark(f->shim);
	begin(f, CPU_READ);
	FAKE_EXPECT_SYNCS(test, "for_cpu cam BIDIRECTIONAL",
			  "for_cpu npu BIDIRECTIONAL",
			  "for_cpu usb BIDIRECTIONAL");
	end(f, CPU_READ);
}

/* H14: what a coherent device left in a cache survives the invalidate. */
static void coherent_writer_is_cleaned_before_an_invalidate(struct kunit *test)
{
	struct fanout *f = test->priv;

	fanout_sync_policy = SYNC_POLICY_MINIMAL;
	add_device(f, "gpu", SYNC_COHERENT, DMA_FROM_DEVICE);
	add_device(f, "cam", SYNC_NONCOHERENT, DMA_FROM_DEVICE);
	shim_mark(f->shim);
	begin(f, CPU_READ);
	FAKE_EXPECT_SYNCS(test, "for_device cam BIDIRECTIONAL",
			  "for_cpu cam BIDIRECTIONAL");
	end(f, CPU_READ);
}

/* H8: each mapping of one attachment is a peer, with a table of its own. */
static void mapped_twice_is_two_peers(struct kunit *test)
{
	struct fanout *f = test->priv;
	struct importer *cam, *again;

	cam = add_device(f, "cam", SYNC_NONCOHERENT, DMA_FROM_DEVICE);
	again = kunit_kzalloc(test, sizeof(*again), GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, again);
	*again = (struct importer) { .attachment = cam->attachment };
	KUNIT_ASSERT_EQ(test, 0, importer_map(again, DMA_TO_DEVICE));
	KUNIT_EXPECT_PTR_NE(test, cam->sgt, again->sgt);
	KUNIT_EXPECT_EQ(test, 2, cam->fake->nr_mappings);
	shim_mark(f->shim);

	begin(f, CPU_RW);
	FAKE_EXPECT_SYNCS(test, "for_cpu cam BIDIRECTIONAL");
	end(f, CPU_RW);
	FAKE_EXPECT_SYNCS(test, "for_device cam BIDIRECTIONAL",
			  "for_device cam TO_DEVICE");

	importer_unmap(cam);
	shim_mark(f->shim);
	begin(f, CPU_RW);
	FAKE_EXPECT_SYNCS(test);
	end(f, CPU_RW);
	FAKE_EXPECT_SYNCS(test, "for_device cam TO_DEVICE");
	importer_unmap(again);
}

/* H13: a writer's data is fetched when it leaves, and end does not miss it. */
static void unmapped_between_begin_and_end(struct kunit *test)
{
	struct fanout *f = test->priv;
	struct importer *cam;

	cam = add_device(f, "cam", SYNC_NONCOHERENT, DMA_FROM_DEVICE);
	add_device(f, "scan", SYNC_BOUNCED, DMA_TO_DEVICE);
	shim_mark(f->shim);

	begin(f, CPU_READ);
	FAKE_EXPECT_SYNCS(test, "for_cpu cam BIDIRECTIONAL");
	importer_unmap(cam);
	FAKE_EXPECT_SYNCS(test, "for_cpu cam BIDIRECTIONAL",
			  "for_device scan TO_DEVICE");
	end(f, CPU_READ);
	FAKE_EXPECT_SYNCS(test);
}

/* H13: the sync comes before the unmap, while the addresses are good. */
static void writer_is_fetched_before_it_is_unmapped(struct kunit *test)
{
	struct fanout *f = test->priv;
	struct importer *usb;
	unsigned int last;

	usb = add_device(f, "usb", SYNC_BOUNCED, DMA_FROM_DEVICE);
	shim_mark(f->shim);
	importer_unmap(usb);
	FAKE_EXPECT_SYNCS(test, "for_cpu usb BIDIRECTIONAL");
	last = f->shim->nr - 1;
	KUNIT_ASSERT_GE(test, f->shim->nr, 2);
	KUNIT_EXPECT_EQ(test, SHIM_DMA_UNMAP_SGTABLE,
			f->shim->records[last].fn);
	KUNIT_EXPECT_EQ(test, SHIM_DMA_SYNC_SGTABLE_FOR_CPU,
			f->shim->records[last - 1].fn);
}

/* H13: a slot is filled with what the others wrote, after it was fetched. */
static void bounced_reader_joins_with_fresh_data(struct kunit *test)
{
	struct fanout *f = test->priv;

	add_device(f, "cam", SYNC_NONCOHERENT, DMA_FROM_DEVICE);
	shim_mark(f->shim);
	add_device(f, "scan", SYNC_BOUNCED, DMA_TO_DEVICE);
	FAKE_EXPECT_SYNCS(test, "for_cpu cam BIDIRECTIONAL",
			  "for_device scan TO_DEVICE");
}

/* H13: a running bounced writer is fetched, and its slot left alone. */
static void map_never_refreshes_a_running_writers_slot(struct kunit *test)
{
	struct fanout *f = test->priv;

	add_device(f, "usb", SYNC_BOUNCED, DMA_FROM_DEVICE);
	shim_mark(f->shim);
	add_device(f, "scan", SYNC_BOUNCED, DMA_TO_DEVICE);
	FAKE_EXPECT_SYNCS(test, "for_cpu usb BIDIRECTIONAL",
			  "for_device scan TO_DEVICE");
}

/* H15: what an open write access wrote is not copied over. */
static void overlapping_accesses_keep_the_open_write(struct kunit *test)
{
	struct fanout *f = test->priv;

	add_device(f, "usb", SYNC_BOUNCED, DMA_FROM_DEVICE);
	shim_mark(f->shim);

	begin(f, CPU_WRITE);
	FAKE_EXPECT_SYNCS(test, "for_cpu usb BIDIRECTIONAL");
	begin(f, CPU_READ);
	FAKE_EXPECT_SYNCS(test);
	end(f, CPU_READ);
	FAKE_EXPECT_SYNCS(test);
	begin(f, CPU_WRITE);
	FAKE_EXPECT_SYNCS(test);
	end(f, CPU_WRITE);
	FAKE_EXPECT_SYNCS(test, "for_device usb BIDIRECTIONAL");
	/* Nested: the outer one is still open. */
	begin(f, CPU_READ);
	FAKE_EXPECT_SYNCS(test);
	end(f, CPU_READ);
	end(f, CPU_WRITE);
	FAKE_EXPECT_SYNCS(test, "for_device usb BIDIRECTIONAL");
	begin(f, CPU_READ);
	FAKE_EXPECT_SYNCS(test, "for_cpu usb BIDIRECTIONAL");
	end(f, CPU_READ);
}

/* H15: nor invalidated, even if cleaned first: it goes on being written. */
static void overlapping_accesses_leave_the_caches_alone(struct kunit *test)
{
	struct fanout *f = test->priv;

	add_device(f, "cam", SYNC_NONCOHERENT, DMA_FROM_DEVICE);
	shim_mark(f->shim);
	begin(f, CPU_WRITE);
	FAKE_EXPECT_SYNCS(test, "for_cpu cam BIDIRECTIONAL");
	begin(f, CPU_READ);
	FAKE_EXPECT_SYNCS(test);
	end(f, CPU_READ);
	end(f, CPU_WRITE);
	shim_mark(f->shim);
	begin(f, CPU_READ);
	FAKE_EXPECT_SYNCS(test, "for_cpu cam BIDIRECTIONAL");
	end(f, CPU_READ);
}

/* H13, H15: a writer that joins or leaves inside an open write access. */
static void map_and_unmap_inside_an_open_write(struct kunit *test)
{
	struct fanout *f = test->priv;
	struct importer *usb;

	begin(f, CPU_WRITE);
	usb = add_device(f, "usb", SYNC_BOUNCED, DMA_FROM_DEVICE);
	begin(f, CPU_READ);
	end(f, CPU_READ);
	importer_unmap(usb);
	FAKE_EXPECT_SYNCS(test);
	add_device(f, "cam", SYNC_NONCOHERENT, DMA_FROM_DEVICE);
	FAKE_EXPECT_SYNCS(test, "for_device cam BIDIRECTIONAL");
	end(f, CPU_WRITE);
	FAKE_EXPECT_SYNCS(test, "for_device cam BIDIRECTIONAL");
}

/*
 * An end that had no begin closes nothing, and does not take old pages for what
 * the CPU wrote: a running writer's slot stays as it is.
 */
static void end_without_begin_is_harmless(struct kunit *test)
{
	struct fanout *f = test->priv;

	add_device(f, "usb", SYNC_BOUNCED, DMA_FROM_DEVICE);
	shim_mark(f->shim);
	end(f, CPU_WRITE);
	FAKE_EXPECT_SYNCS(test);
	begin(f, CPU_WRITE);
	FAKE_EXPECT_SYNCS(test, "for_cpu usb BIDIRECTIONAL");
	begin(f, CPU_READ);
	FAKE_EXPECT_SYNCS(test);
	end(f, CPU_READ);
	end(f, CPU_WRITE);
}

/* A process of its own that begins a write access and does not end it. */
struct victim {
	struct dma_buf *dmabuf;
	struct completion begun;
};

static int begin_and_die(void *data)
{
	struct victim *victim = data;
	int ret;

	ret = dma_buf_begin_cpu_access(victim->dmabuf, DMA_TO_DEVICE);
	complete(&victim->begun);
	return ret;
}

/*
 * H15: an access that is never ended is over when its process is dead, and so
 * are those of any number of processes, though nobody asked meanwhile.
 */
static void open_write_dies_with_its_process(struct kunit *test)
{
	struct fanout *f = test->priv;
	struct victim victim = { .dmabuf = f->dmabuf };
	struct task_struct *task;
	unsigned int i;

	for (i = 0; i < 20; i++) {
		init_completion(&victim.begun);
		task = kthread_create(begin_and_die, &victim, "begin_and_die");
		KUNIT_ASSERT_NOT_ERR_OR_NULL(test, task);
		get_task_struct(task);
		wake_up_process(task);
		/* One that is stopped too early never runs. */
		wait_for_completion(&victim.begun);
		KUNIT_EXPECT_EQ(test, 0, kthread_stop(task));
		put_task_struct(task);
	}

	add_device(f, "cam", SYNC_NONCOHERENT, DMA_FROM_DEVICE);
	shim_mark(f->shim);
	begin(f, CPU_READ);
	FAKE_EXPECT_SYNCS(test, "for_cpu cam BIDIRECTIONAL");
	end(f, CPU_READ);
}

/* H5: a writer is mapped both ways, a reader never. */
static void from_device_is_widened_and_to_device_is_not(struct kunit *test)
{
	static const enum dma_data_direction want[][2] = {
		{ DMA_TO_DEVICE, DMA_TO_DEVICE },
		{ DMA_FROM_DEVICE, DMA_BIDIRECTIONAL },
		{ DMA_BIDIRECTIONAL, DMA_BIDIRECTIONAL },
	};
	struct fanout *f = test->priv;
	struct importer *cam = attach(f, fake_device_create(test, "cam",
							    SYNC_NONCOHERENT));
	struct shim_record *rec;
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(want); i++) {
		KUNIT_ASSERT_EQ(test, 0, importer_map(cam, want[i][0]));
		rec = shim_last(f->shim, SHIM_DMA_MAP_SGTABLE);
		KUNIT_ASSERT_NOT_NULL(test, rec);
		KUNIT_EXPECT_EQ(test, want[i][1], rec->dma_map_sgtable.dir);
		KUNIT_EXPECT_TRUE(test, rec->dma_map_sgtable.attrs &
					DMA_ATTR_SKIP_CPU_SYNC);
		importer_unmap(cam);
		rec = shim_last(f->shim, SHIM_DMA_UNMAP_SGTABLE);
		KUNIT_ASSERT_NOT_NULL(test, rec);
		KUNIT_EXPECT_EQ(test, want[i][1], rec->dma_unmap_sgtable.dir);
		KUNIT_EXPECT_TRUE(test, rec->dma_unmap_sgtable.attrs &
					DMA_ATTR_SKIP_CPU_SYNC);
	}
	KUNIT_EXPECT_EQ(test, -EINVAL, importer_map(cam, DMA_NONE));
}

/*
 * H8: an importer that writes all over its table disturbs nobody: the fake DMA
 * layer fails the test if a sync or the unmap uses that table or a changed one.
 */
static void importers_table_is_its_own(struct kunit *test)
{
	static struct scatterlist other[1];
	struct fanout *f = test->priv;
	struct scatterlist *sg;
	struct importer *cam;
	int i;

	cam = attach(f, fake_device_create(test, "cam", SYNC_NONCOHERENT));
	importer_map_bare(cam, DMA_FROM_DEVICE);
	KUNIT_EXPECT_PTR_NE(test, cam->sgt, fake_device_table(cam->fake));
	for_each_sgtable_sg(cam->sgt, sg, i) {
		sg->length = 1;
		sg->offset = 7;
		sg_dma_address(sg) = 0xbad;
	}
	cam->sgt->nents = 0;
	begin(f, CPU_RW);
	end(f, CPU_RW);
	/* It is not freed through what the importer made of it either. */
	sg_init_table(other, ARRAY_SIZE(other));
	cam->sgt->sgl = other;
	cam->sgt->orig_nents = ARRAY_SIZE(other);
	importer_unmap(cam);
}

/* H8: the importer's table says all that the mapped one does. */
static void importers_table_is_complete(struct kunit *test)
{
	struct fanout *f = test->priv;
	struct scatterlist *sg, *own;
	struct fake_device *fake;
	struct importer *cam;
	size_t length = 0;
	int i;

	fake = fake_device_create(test, "cam", SYNC_NONCOHERENT);
	fake->max_seg_size = PAGE_SIZE;
	cam = attach(f, fake);
	importer_map_bare(cam, DMA_FROM_DEVICE);
	KUNIT_EXPECT_EQ(test, PAGES, cam->sgt->orig_nents);
	KUNIT_EXPECT_EQ(test, PAGES, cam->sgt->nents);

	own = fake_device_table(fake)->sgl;
	for_each_sgtable_sg(cam->sgt, sg, i) {
		KUNIT_EXPECT_PTR_EQ(test, sg_page(own), sg_page(sg));
		KUNIT_EXPECT_EQ(test, sg_dma_address(own), sg_dma_address(sg));
		KUNIT_EXPECT_EQ(test, sg_dma_len(own), sg_dma_len(sg));
		length += sg->length;
		own = sg_next(own);
	}
	KUNIT_EXPECT_EQ(test, PAGES * PAGE_SIZE, length);
}

/* H8: behind an IOMMU there are fewer segments than entries. */
static void merged_segments_end_with_zero_lengths(struct kunit *test)
{
	struct memory *mem = memory_shmem(test, PAGES);
	struct udmabuf_create_item items[PAGES];
	struct fanout *f = test->priv;
	struct fake_device *fake;
	struct scatterlist *sg;
	struct importer *gpu;
	size_t length = 0;
	int i;

	/* No two pages touch in this order. */
	memory_block(test, 3);
	for (i = 0; i < PAGES; i++)
		items[i] = memory_item(mem, PAGES - 1 - i, 1);
	f->dmabuf = memory_buffer(test, items, PAGES);
	fake = fake_device_create(test, "gpu", SYNC_NONCOHERENT);
	fake->max_seg_size = 4 * PAGE_SIZE;
	fake_device_merge(fake);
	gpu = attach(f, fake);
	importer_map_bare(gpu, DMA_BIDIRECTIONAL);
	KUNIT_EXPECT_EQ(test, fake_device_table(fake)->nents, gpu->sgt->nents);
	for_each_sgtable_sg(gpu->sgt, sg, i) {
		if (i >= gpu->sgt->nents)
			KUNIT_EXPECT_EQ(test, 0, sg_dma_len(sg));
		length += sg_dma_len(sg);
	}
	KUNIT_EXPECT_EQ(test, 2, gpu->sgt->nents);
	KUNIT_EXPECT_EQ(test, PAGES * PAGE_SIZE, length);
	kunit_release_action(test, importer_detach, gpu);
	memory_put_buffer(test, f->dmabuf);
}

/* A device without a mask would map to nothing, without an error. */
static void device_without_a_mask_is_refused(struct kunit *test)
{
	struct fanout *f = test->priv;
	struct dma_buf_attachment *attachment;
	struct fake_device *fake;

	fake = fake_device_create(test, "cam", SYNC_COHERENT);
	fake_device_no_mask(fake);
	attachment = dma_buf_attach(f->dmabuf, fake->dev);
	KUNIT_EXPECT_PTR_EQ(test, ERR_PTR(-EINVAL), attachment);
}

/* A map that fails changes nobody's syncs, and the next one succeeds. */
static void failed_map_leaves_nothing_behind(struct kunit *test)
{
	struct fanout *f = test->priv;
	struct importer *cam;

	add_device(f, "gpu", SYNC_NONCOHERENT, DMA_FROM_DEVICE);
	cam = attach(f, fake_device_create(test, "cam", SYNC_NONCOHERENT));
	shim_mark(f->shim);
	cam->fake->fail_maps = 1;
	KUNIT_EXPECT_EQ(test, -EIO, importer_map(cam, DMA_FROM_DEVICE));
	begin(f, CPU_READ);
	FAKE_EXPECT_SYNCS(test, "for_cpu gpu BIDIRECTIONAL");
	end(f, CPU_READ);
	KUNIT_EXPECT_EQ(test, 0, importer_map(cam, DMA_FROM_DEVICE));
}

/* H16: the device's limits; the fake fails the test for a longer entry. */
static void entries_keep_to_the_devices_limits(struct kunit *test)
{
	struct fanout *f = test->priv;
	struct fake_device *fake;
	struct importer *cam;

	f->dmabuf = export_pages(test, 64);
	fake = fake_device_create(test, "cam", SYNC_COHERENT);
	cam = attach(f, fake);

	/* Not a multiple of a page: rounded down. */
	fake->max_seg_size = 3 * PAGE_SIZE + 512;
	KUNIT_ASSERT_EQ(test, 0, importer_map(cam, DMA_TO_DEVICE));
	KUNIT_EXPECT_GE(test, cam->sgt->nents, DIV_ROUND_UP(64, 3));
	importer_unmap(cam);

	fake->max_seg_size = UINT_MAX;
	fake->seg_boundary = SZ_8K - 1;
	KUNIT_ASSERT_EQ(test, 0, importer_map(cam, DMA_TO_DEVICE));
	KUNIT_EXPECT_GE(test, cam->sgt->nents, 32);
	importer_unmap(cam);

	fake->seg_boundary = ULONG_MAX;
	fake->max_seg_size = PAGE_SIZE - 1;
	KUNIT_EXPECT_EQ(test, -EINVAL, importer_map(cam, DMA_TO_DEVICE));
	fake->max_seg_size = UINT_MAX;
	fake->seg_boundary = SZ_1K - 1;
	KUNIT_EXPECT_EQ(test, -EINVAL, importer_map(cam, DMA_TO_DEVICE));
}

/* The pages of @items, in order, by the page cache. */
static void check_entries(struct kunit *test, struct memory *mem,
			  const struct udmabuf_create_item *items,
			  unsigned int nr_items, struct fake_device *fake)
{
	unsigned long pfn, last = 0, item = 0, page = 0;
	struct scatterlist *sg;
	u32 done, length = 0;
	int i;

	for_each_sgtable_sg(fake_device_table(fake), sg, i) {
		pfn = page_to_pfn(sg_page(sg));
		KUNIT_ASSERT_EQ(test, 0, sg->offset);
		KUNIT_ASSERT_TRUE(test, PAGE_ALIGNED(sg->length));
		/* Neighbours are one entry, unless that is too long. */
		if (i && pfn == last + 1 &&
		    page_zone(pfn_to_page(last)) == page_zone(sg_page(sg)))
			KUNIT_ASSERT_GT(test, length + sg->length,
					fake->max_seg_size);
		for (done = 0; done < sg->length; done += PAGE_SIZE) {
			KUNIT_ASSERT_LT(test, item, nr_items);
			KUNIT_ASSERT_EQ(test, pfn + (done >> PAGE_SHIFT),
					memory_pfn(mem,
						   (items[item].offset >>
						    PAGE_SHIFT) + page));
			if (++page == items[item].size >> PAGE_SHIFT) {
				item++;
				page = 0;
			}
		}
		length = sg->length;
		last = pfn + (length >> PAGE_SHIFT) - 1;
	}
	KUNIT_EXPECT_EQ(test, item, nr_items);
}

static void map_and_check_entries(struct fanout *f, struct memory *mem,
				  const struct udmabuf_create_item *items,
				  unsigned int nr_items)
{
	static const unsigned int limits[] = { SZ_4K, SZ_64K, UINT_MAX };
	struct fake_device *fake = fake_device_create(f->test, "cam",
						      SYNC_NONCOHERENT);
	struct importer *cam;
	unsigned int i;

	memory_fill(f->test, mem);
	f->dmabuf = memory_buffer(f->test, items, nr_items);
	cam = attach(f, fake);
	for (i = 0; i < ARRAY_SIZE(limits); i++) {
		fake->max_seg_size = limits[i];
		KUNIT_ASSERT_EQ(f->test, 0,
				importer_map(cam, DMA_FROM_DEVICE));
		check_entries(f->test, mem, items, nr_items, fake);
		importer_unmap(cam);
	}
}

/*
 * Entries name the buffer's pages in order, each from its first byte on, and
 * are as long as memory and the device allow.
 */
static void entries_are_the_pages_in_order(struct kunit *test)
{
	struct memory *mem = memory_shmem(test, 200);
	const struct udmabuf_create_item items[] = {
		memory_item(mem, 100, 70),
		memory_item(mem, 3, 1),
		memory_item(mem, 4, 96),
		memory_item(mem, 100, 1),
	};

	map_and_check_entries(test->priv, mem, items, ARRAY_SIZE(items));
}

/* ... of hugetlb folios, from the middle on. */
static void entries_are_the_pages_of_hugetlb_in_order(struct kunit *test)
{
	struct memory *mem = memory_hugetlb(test, 2);
	const struct udmabuf_create_item items[] = {
		memory_item(mem, 513, 20),
		memory_item(mem, 7, 600),
		memory_item(mem, 512, 1),
	};

	map_and_check_entries(test->priv, mem, items, ARRAY_SIZE(items));
}

/* One page, again and again: as scattered as memory can be. */
static struct folio *the_folio;

static long pin_one(struct file *memfd, loff_t start, loff_t end,
		    struct folio **folios, unsigned int max_folios,
		    unsigned long *offset)
{
	u64 left = (end + 1 - start) >> PAGE_SHIFT;
	long i, nr = min_t(u64, left, max_folios);

	for (i = 0; i < nr; i++)
		folios[i] = the_folio;
	*offset = 0;
	return nr;
}

static void unpin_nothing(struct folio *folio)
{
}

/*
 * Of nothing that grows with a buffer more than the longest piece of contiguous
 * memory is needed: its extents and both tables are longer here.
 */
static void large_buffers_need_no_contiguous_memory(struct kunit *test)
{
	u32 pages = KMALLOC_MAX_SIZE / sizeof(struct extent) + 1;
	struct memory *mem = memory_shmem(test, 1);
	struct udmabuf_create_item item = memory_item(mem, 0, pages);
	struct fanout *f = test->priv;
	struct importer *cam;

	memory_fill(test, mem);
	the_folio = page_folio(pfn_to_page(memory_pfn(mem, 0)));
	f->shim->hooks.memfd_pin_folios = pin_one;
	f->shim->hooks.unpin_folio = unpin_nothing;
	__set_bit(SHIM_MEMFD_PIN_FOLIOS, f->shim->ignored);
	__set_bit(SHIM_UNPIN_FOLIO, f->shim->ignored);
	f->dmabuf = memory_buffer(test, &item, 1);
	cam = add_device(f, "cam", SYNC_COHERENT, DMA_TO_DEVICE);
	KUNIT_EXPECT_EQ(test, pages, cam->sgt->nents);
	kunit_release_action(test, importer_detach, cam);
	/* While nothing is unpinned. */
	memory_put_buffer(test, f->dmabuf);
	f->shim->hooks.memfd_pin_folios = memfd_pin_folios;
	f->shim->hooks.unpin_folio = unpin_folio;
}

/* H16: where contiguous slots are short, smaller entries are tried. */
static void bounced_map_retries_with_smaller_entries(struct kunit *test)
{
	struct fanout *f = test->priv;
	struct fake_device *fake;
	struct importer *usb;

	memory_block(test, 6);
	f->dmabuf = export_pages(test, 64);
	fake = fake_device_create(test, "usb", SYNC_BOUNCED);
	fake->max_seg_size = UINT_MAX;
	usb = attach(f, fake);

	/* What can be bounced in one piece is known before. */
	fake->max_mapping_size = SZ_64K;
	shim_reset(f->shim);
	KUNIT_ASSERT_EQ(test, 0, importer_map(usb, DMA_TO_DEVICE));
	KUNIT_EXPECT_EQ(test, 1, shim_count(f->shim, SHIM_DMA_MAP_SGTABLE));
	importer_unmap(usb);

	/* Whether there is room for it is not. */
	fake->fail_above = PAGE_SIZE;
	shim_reset(f->shim);
	KUNIT_ASSERT_EQ(test, 0, importer_map(usb, DMA_TO_DEVICE));
	KUNIT_EXPECT_EQ(test, 64, usb->sgt->nents);
	KUNIT_EXPECT_GT(test, shim_count(f->shim, SHIM_DMA_MAP_SGTABLE), 1);
	importer_unmap(usb);

	/* No room at all. */
	fake->fail_above = 1;
	KUNIT_EXPECT_EQ(test, -ENOMEM, importer_map(usb, DMA_TO_DEVICE));

	/* Smaller entries do not help a device that cannot be bounced. */
	fake->max_mapping_size = SIZE_MAX;
	shim_mark(f->shim);
	KUNIT_EXPECT_EQ(test, -EIO, importer_map(usb, DMA_TO_DEVICE));
	KUNIT_EXPECT_EQ(test, 1, shim_count(f->shim, SHIM_DMA_MAP_SGTABLE));
	kunit_release_action(test, importer_detach, usb);
	memory_put_buffer(test, f->dmabuf);
}

static struct importer *add_mixed(struct fanout *f, enum sync_kind kind)
{
	struct fake_device *fake = fake_device_create(f->test, "dev", kind);
	struct importer *dev = attach(f, fake);

	/* Eight entries, every other one bounced. */
	fake->max_seg_size = PAGE_SIZE;
	fake->max_mapping_size = SZ_256K;
	fake->bounce_every = 2;
	KUNIT_ASSERT_EQ(f->test, 0, importer_map(dev, DMA_FROM_DEVICE));
	return dev;
}

/* H18: a step touches the segments of its half only, caches first. */
static void mixed_mapping_is_synced_in_halves(struct kunit *test)
{
	struct fanout *f = test->priv;
	struct importer *dev;

	dev = add_mixed(f, SYNC_NONCOHERENT);
	shim_mark(f->shim);
	begin(f, CPU_READ);
	FAKE_EXPECT_SYNCS(test, "for_cpu dev BIDIRECTIONAL x4 pages",
			  "for_cpu dev BIDIRECTIONAL x4 slots");
	/* H13: a read does not refresh the bounced half. */
	end(f, CPU_READ);
	FAKE_EXPECT_SYNCS(test, "for_device dev BIDIRECTIONAL x4 pages");
	begin(f, CPU_WRITE);
	shim_mark(f->shim);
	end(f, CPU_WRITE);
	FAKE_EXPECT_SYNCS(test, "for_device dev BIDIRECTIONAL x4 pages",
			  "for_device dev BIDIRECTIONAL x4 slots");

	importer_unmap(dev);
	shim_mark(f->shim);
	begin(f, CPU_RW);
	end(f, CPU_RW);
	FAKE_EXPECT_SYNCS(test);
}

/* H18: of a coherent device only the bounced half needs anything. */
static void minimal_syncs_only_the_bounced_half(struct kunit *test)
{
	struct fanout *f = test->priv;

	fanout_sync_policy = SYNC_POLICY_MINIMAL;
	add_mixed(f, SYNC_COHERENT);
	shim_mark(f->shim);
	begin(f, CPU_RW);
	FAKE_EXPECT_SYNCS(test, "for_cpu dev BIDIRECTIONAL x4 slots");
	end(f, CPU_RW);
	FAKE_EXPECT_SYNCS(test, "for_device dev BIDIRECTIONAL x4 slots");
}

/* H11: the second of two writers is refused, in both orders, and allowed. */
static void two_writers_with_a_slot_are_refused(struct kunit *test)
{
	static const enum sync_kind pairs[][2] = {
		{ SYNC_BOUNCED, SYNC_COHERENT },
		{ SYNC_COHERENT, SYNC_BOUNCED },
		{ SYNC_BOUNCED, SYNC_NONCOHERENT },
		{ SYNC_NONCOHERENT, SYNC_BOUNCED },
		{ SYNC_BOUNCED, SYNC_BOUNCED },
		{ SYNC_OPAQUE, SYNC_COHERENT },
		{ SYNC_COHERENT, SYNC_OPAQUE },
		{ SYNC_OPAQUE, SYNC_BOUNCED },
	};
	struct fanout *f = test->priv;
	struct importer *first, *second;
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(pairs); i++) {
		first = add_device(f, "one", pairs[i][0], DMA_FROM_DEVICE);
		second = attach(f, fake_device_create(test, "two",
						      pairs[i][1]));
		KUNIT_EXPECT_EQ(test, -EOPNOTSUPP,
				importer_map(second, DMA_BIDIRECTIONAL));
		KUNIT_EXPECT_EQ(test, 0, second->fake->nr_mappings);
		/* Nobody noticed. */
		shim_mark(f->shim);
		begin(f, CPU_READ);
		FAKE_EXPECT_SYNCS(test, "for_cpu one BIDIRECTIONAL");
		end(f, CPU_READ);
		/* A reader is welcome. */
		KUNIT_EXPECT_EQ(test, 0, importer_map(second, DMA_TO_DEVICE));
		importer_unmap(second);

		fanout_bounce_conflict = BOUNCE_CONFLICT_ALLOW;
		KUNIT_EXPECT_EQ(test, 0,
				importer_map(second, DMA_BIDIRECTIONAL));
		importer_unmap(second);
		fanout_bounce_conflict = BOUNCE_CONFLICT_REFUSE;
		kunit_release_action(test, importer_detach, second);
		fake_device_destroy(second->fake);
		kunit_release_action(test, importer_detach, first);
		fake_device_destroy(first->fake);
	}
}

/* H11: a page that stands twice in the buffer has two slots. */
static void page_twice_is_refused_to_a_bounced_writer(struct kunit *test)
{
	struct memory *mem = memory_shmem(test, 1);
	struct udmabuf_create_item items[] = {
		memory_item(mem, 0, 1), memory_item(mem, 0, 1),
	};
	struct fanout *f = test->priv;
	struct importer *usb, *gpu;

	f->dmabuf = memory_buffer(test, items, ARRAY_SIZE(items));
	usb = attach(f, fake_device_create(test, "usb", SYNC_BOUNCED));
	KUNIT_EXPECT_EQ(test, -EOPNOTSUPP, importer_map(usb, DMA_FROM_DEVICE));
	KUNIT_EXPECT_EQ(test, 0, importer_map(usb, DMA_TO_DEVICE));
	importer_unmap(usb);
	gpu = attach(f, fake_device_create(test, "gpu", SYNC_NONCOHERENT));
	KUNIT_EXPECT_EQ(test, 0, importer_map(gpu, DMA_FROM_DEVICE));
}

/* The policy changes under a living buffer, from one event to the next. */
static void policy_changes_at_run_time(struct kunit *test)
{
	struct fanout *f = test->priv;

	add_device(f, "cam", SYNC_NONCOHERENT, DMA_FROM_DEVICE);
	add_device(f, "isp", SYNC_NONCOHERENT, DMA_FROM_DEVICE);
	shim_mark(f->shim);
	begin(f, CPU_READ);
	FAKE_EXPECT_SYNCS(test, "for_cpu cam BIDIRECTIONAL",
			  "for_cpu isp BIDIRECTIONAL");
	fanout_sync_policy = SYNC_POLICY_MINIMAL;
	end(f, CPU_READ);
	FAKE_EXPECT_SYNCS(test, "for_device cam BIDIRECTIONAL");
	begin(f, CPU_READ);
	FAKE_EXPECT_SYNCS(test, "for_cpu cam BIDIRECTIONAL");
	fanout_sync_policy = SYNC_POLICY_ALL;
	end(f, CPU_READ);
	FAKE_EXPECT_SYNCS(test, "for_device cam BIDIRECTIONAL",
			  "for_device isp BIDIRECTIONAL");
}

/* A read access that has nothing to sync takes no lock and asks no fence. */
static void reading_what_only_readers_have_mapped_is_free(struct kunit *test)
{
	struct fanout *f = test->priv;

	add_device(f, "scan", SYNC_BOUNCED, DMA_TO_DEVICE);
	add_device(f, "disp", SYNC_NONCOHERENT, DMA_TO_DEVICE);
	shim_mark(f->shim);
	begin(f, CPU_READ);
	end(f, CPU_READ);
	KUNIT_EXPECT_EQ(test, f->shim->mark, f->shim->nr);
}

/* H9: sixty-four importers cost what one costs. */
static void many_importers_cost_what_one_costs(struct kunit *test)
{
	struct fanout *f = test->priv;
	struct fake_device *cam, *gpu;
	unsigned int i;

	fanout_sync_policy = SYNC_POLICY_MINIMAL;
	cam = fake_device_create(test, "cam", SYNC_NONCOHERENT);
	gpu = fake_device_create(test, "gpu", SYNC_COHERENT);
	for (i = 0; i < 32; i++) {
		KUNIT_ASSERT_EQ(test, 0, importer_map(attach(f, cam),
						      DMA_FROM_DEVICE));
		KUNIT_ASSERT_EQ(test, 0, importer_map(attach(f, gpu),
						      DMA_TO_DEVICE));
		shim_reset(f->shim);
	}
	begin(f, CPU_RW);
	FAKE_EXPECT_SYNCS(test, "for_cpu cam BIDIRECTIONAL");
	end(f, CPU_RW);
	FAKE_EXPECT_SYNCS(test, "for_device cam BIDIRECTIONAL");
}

/* Fences. */

static const char *fence_name(struct dma_fence *fence)
{
	return "fanout_test";
}

static const struct dma_fence_ops fence_ops = {
	.get_driver_name = fence_name,
	.get_timeline_name = fence_name,
};

/**
 * struct job - a fence that a worker signals
 * @fence: the fence; it owns the job
 * @lock: of the fence
 * @work: signals it
 */
struct job {
	struct dma_fence fence;
	spinlock_t lock; /* of the fence */
	struct delayed_work work;
};

static void finish_job(struct work_struct *work)
{
	struct job *job = container_of(work, struct job, work.work);

	dma_fence_signal(&job->fence);
}

static void put_job(void *data)
{
	struct job *job = data;

	cancel_delayed_work_sync(&job->work);
	if (!dma_fence_is_signaled(&job->fence))
		dma_fence_signal(&job->fence);
	dma_fence_put(&job->fence);
}

static struct job *add_job(struct fanout *f, enum dma_resv_usage usage)
{
	struct dma_resv *resv = f->dmabuf->resv;
	struct job *job;

	/* Freed by dma_fence_free(), which wants the fence first. */
	job = kzalloc(sizeof(*job), GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(f->test, job);
	spin_lock_init(&job->lock);
	INIT_DELAYED_WORK(&job->work, finish_job);
	dma_fence_init(&job->fence, &fence_ops, &job->lock,
		       dma_fence_context_alloc(1), 1);
	KUNIT_ASSERT_EQ(f->test, 0,
			kunit_add_action_or_reset(f->test, put_job, job));
	dma_resv_lock(resv, NULL);
	KUNIT_EXPECT_EQ(f->test, 0, dma_resv_reserve_fences(resv, 1));
	dma_resv_add_fence(resv, &job->fence, usage);
	dma_resv_unlock(resv);
	return job;
}

/* H12: which fences an access waits for; each is signalled by a worker. */
static void sync_comes_after_the_fences(struct kunit *test)
{
	static const struct {
		enum dma_resv_usage usage;
		enum dma_data_direction access;
		bool waits;
	} cases[] = {
		{ DMA_RESV_USAGE_KERNEL, CPU_READ, true },
		{ DMA_RESV_USAGE_WRITE, CPU_READ, true },
		{ DMA_RESV_USAGE_READ, CPU_READ, false },
		{ DMA_RESV_USAGE_WRITE, CPU_WRITE, true },
		{ DMA_RESV_USAGE_READ, CPU_WRITE, true },
		{ DMA_RESV_USAGE_READ, CPU_RW, true },
		{ DMA_RESV_USAGE_BOOKKEEP, CPU_RW, false },
	};
	struct fanout *f = test->priv;
	struct shim_record *rec;
	unsigned int i, at;
	struct job *job;

	add_device(f, "cam", SYNC_NONCOHERENT, DMA_FROM_DEVICE);
	for (i = 0; i < ARRAY_SIZE(cases); i++) {
		job = add_job(f, cases[i].usage);
		if (cases[i].waits)
			schedule_delayed_work(&job->work, HZ / 20);
		shim_reset(f->shim);
		begin(f, cases[i].access);
		KUNIT_EXPECT_EQ_MSG(test, cases[i].waits,
				    dma_fence_is_signaled(&job->fence),
				    "case %u", i);
		/* The first sync comes after a wait that came back. */
		for (at = 0; at < f->shim->nr; at++)
			if (f->shim->records[at].fn ==
			    SHIM_DMA_SYNC_SGTABLE_FOR_CPU)
				break;
		KUNIT_EXPECT_LT(test, at, f->shim->nr);
		KUNIT_EXPECT_EQ(test, cases[i].waits,
				shim_count(f->shim, SHIM_DMA_RESV_WAIT_TIMEOUT));
		rec = shim_last(f->shim, SHIM_DMA_RESV_WAIT_TIMEOUT);
		if (rec) {
			KUNIT_EXPECT_LT(test, rec - f->shim->records, at);
			KUNIT_EXPECT_TRUE(test, rec->dma_resv_wait_timeout.intr);
			KUNIT_EXPECT_EQ(test, MAX_SCHEDULE_TIMEOUT,
					rec->dma_resv_wait_timeout.timeout);
		}
		end(f, cases[i].access);
		put_job(job);
		kunit_remove_action(test, put_job, job);
	}
}

/* H12: an interrupted wait has synced nothing and opened nothing. */
static void interrupted_wait_does_nothing(struct kunit *test)
{
	struct fanout *f = test->priv;
	struct job *job;
	int ret;

	add_device(f, "usb", SYNC_BOUNCED, DMA_FROM_DEVICE);
	job = add_job(f, DMA_RESV_USAGE_WRITE);
	shim_mark(f->shim);

	set_tsk_thread_flag(current, TIF_SIGPENDING);
	ret = dma_buf_begin_cpu_access(f->dmabuf, CPU_WRITE);
	clear_tsk_thread_flag(current, TIF_SIGPENDING);
	KUNIT_EXPECT_EQ(test, -ERESTARTSYS, ret);
	FAKE_EXPECT_SYNCS(test);

	dma_fence_signal(&job->fence);
	begin(f, CPU_READ);
	FAKE_EXPECT_SYNCS(test, "for_cpu usb BIDIRECTIONAL");
	end(f, CPU_READ);
}

static unsigned int stolen;

static bool steal_twice(struct dma_resv *resv, enum dma_resv_usage usage)
{
	return stolen++ < 2 ? false : dma_resv_test_signaled(resv, usage);
}

/* H12: fences are tested under the lock, and waited for without it. */
static void fences_are_tested_under_the_lock(struct kunit *test)
{
	struct fanout *f = test->priv;

	add_device(f, "cam", SYNC_NONCOHERENT, DMA_FROM_DEVICE);
	dma_fence_signal(&add_job(f, DMA_RESV_USAGE_WRITE)->fence);
	stolen = 0;
	f->shim->hooks.dma_resv_test_signaled = steal_twice;
	shim_mark(f->shim);
	begin(f, CPU_READ);
	KUNIT_EXPECT_EQ(test, 2,
			shim_count(f->shim, SHIM_DMA_RESV_WAIT_TIMEOUT));
	KUNIT_EXPECT_EQ(test, 3,
			shim_count(f->shim, SHIM_DMA_RESV_LOCK_INTERRUPTIBLE));
	FAKE_EXPECT_SYNCS(test, "for_cpu cam BIDIRECTIONAL");
	end(f, CPU_READ);
}

/* H10: a lock that was not had is an access that did not begin. */
static int no_lock(struct dma_resv *resv, struct ww_acquire_ctx *ctx)
{
	return -EINTR;
}

static void interrupted_lock_does_nothing(struct kunit *test)
{
	struct fanout *f = test->priv;
	int (*lock)(struct dma_resv *resv, struct ww_acquire_ctx *ctx) =
		f->shim->hooks.dma_resv_lock_interruptible;

	add_device(f, "usb", SYNC_BOUNCED, DMA_FROM_DEVICE);
	shim_mark(f->shim);
	f->shim->hooks.dma_resv_lock_interruptible = no_lock;
	KUNIT_EXPECT_EQ(test, -ERESTARTSYS,
			dma_buf_begin_cpu_access(f->dmabuf, CPU_WRITE));
	f->shim->hooks.dma_resv_lock_interruptible = lock;
	FAKE_EXPECT_SYNCS(test);
	begin(f, CPU_READ);
	FAKE_EXPECT_SYNCS(test, "for_cpu usb BIDIRECTIONAL");
	end(f, CPU_READ);
}

/* The same, judged by DMA API debugging. */

/*
 * H7: recorded, and then for real: DMA API debugging finds no fault with any
 * map, sync or unmap, of all kinds that can be had without a slot, under both
 * policies, with maps and unmaps inside open accesses.
 */
static void dma_api_debugging_finds_nothing(struct kunit *test)
{
	static const enum sync_kind kinds[] = {
		SYNC_COHERENT, SYNC_NONCOHERENT, SYNC_OPAQUE
	};
	static const enum dma_data_direction dirs[] = {
		DMA_TO_DEVICE, DMA_FROM_DEVICE, DMA_BIDIRECTIONAL
	};
	u32 *errors = files_debugfs_value("dma-api", "error_count");
	bool *disabled = files_debugfs_value("dma-api", "disabled");
	struct fanout *f = test->priv;
	struct importer *one, *two;
	unsigned int i, syncs = 0;
	struct fake_device *a, *b;
	u32 before;

	if (!errors || !disabled)
		kunit_skip(test, "needs CONFIG_DMA_API_DEBUG");
	before = *errors;
	KUNIT_ASSERT_FALSE(test, *disabled);
	fanout_bounce_conflict = BOUNCE_CONFLICT_ALLOW;
	for (i = 0; i < 2 * 9 * 9; i++) {
		fanout_sync_policy = i % 2;
		a = fake_device_create(test, "cam", kinds[i / 2 % 3]);
		b = fake_device_create(test, "gpu", kinds[i / 6 % 3]);
		a->real_dma = true;
		b->real_dma = true;
		one = attach(f, a);
		two = attach(f, b);
		KUNIT_ASSERT_EQ(test, 0,
				importer_map(one, dirs[i / 18 % 3]));
		begin(f, CPU_READ);
		KUNIT_ASSERT_EQ(test, 0, importer_map(two, dirs[i / 54]));
		begin(f, CPU_WRITE);
		end(f, CPU_WRITE);
		importer_unmap(one);
		end(f, CPU_READ);
		kunit_release_action(test, importer_detach, two);
		kunit_release_action(test, importer_detach, one);
		syncs += f->shim->calls[SHIM_DMA_SYNC_SGTABLE_FOR_CPU] +
			 f->shim->calls[SHIM_DMA_SYNC_SGTABLE_FOR_DEVICE];
		fake_device_destroy(b);
		fake_device_destroy(a);
		shim_reset(f->shim);
	}
	KUNIT_EXPECT_GT(test, syncs, i);
	KUNIT_EXPECT_EQ(test, before, *errors);
	KUNIT_EXPECT_FALSE(test, *disabled);
}

/* What is left behind, and what can be seen. */

/*
 * An importer that goes without unmapping: its device may still write, so the
 * memory is not handed back. The pages of this buffer stay pinned for good.
 */
static void memory_of_a_lost_mapping_is_kept(struct kunit *test)
{
	struct fanout *f = test->priv;
	long pins = memory_pins();
	struct importer *cam;

	/* Of two buffers, the one whose mapping is lost. */
	f->dmabuf = export_pages(test, PAGES);
	KUNIT_EXPECT_EQ(test, pins + PAGES, memory_pins());
	cam = add_device(f, "cam", SYNC_NONCOHERENT, DMA_FROM_DEVICE);
	cam->fake->may_leak = true;
	cam->sgt = NULL;
	kunit_release_action(test, importer_detach, cam);

	/* It is no peer any more. */
	shim_mark(f->shim);
	begin(f, CPU_RW);
	end(f, CPU_RW);
	FAKE_EXPECT_SYNCS(test);
	KUNIT_EXPECT_EQ(test, 0, shim_count(f->shim, SHIM_DMA_UNMAP_SGTABLE));

	memory_put_buffer(test, f->dmabuf);
	KUNIT_EXPECT_EQ(test, pins + PAGES, memory_pins());
}

struct seen_step {
	unsigned int nr;
	enum sync_event event[4];
	enum sync_phase phase[4];
	enum dma_data_direction access[4];
};

static void see_step(void *data, const struct fanout_buffer *buffer,
		     const struct fanout_mapping *mapping, enum sync_kind kind,
		     enum sync_event event, enum dma_data_direction access,
		     enum sync_phase phase)
{
	struct seen_step *seen = data;

	if (seen->nr < ARRAY_SIZE(seen->event)) {
		seen->event[seen->nr] = event;
		seen->phase[seen->nr] = phase;
		seen->access[seen->nr] = access;
	}
	seen->nr++;
}

/* Every step is an event of the tracepoint. */
static void every_step_is_traced(struct kunit *test)
{
	struct fanout *f = test->priv;
	struct seen_step *seen;
	struct importer *cam;

	if (!IS_ENABLED(CONFIG_TRACEPOINTS))
		kunit_skip(test, "needs CONFIG_TRACEPOINTS");
	seen = kunit_kzalloc(test, sizeof(*seen), GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, seen);
	KUNIT_ASSERT_EQ(test, 0, register_trace_sync_step(see_step, seen));
	cam = add_device(f, "cam", SYNC_NONCOHERENT, DMA_FROM_DEVICE);
	begin(f, CPU_READ);
	end(f, CPU_READ);
	importer_unmap(cam);
	unregister_trace_sync_step(see_step, seen);
	tracepoint_synchronize_unregister();

	KUNIT_ASSERT_EQ(test, 4, seen->nr);
	KUNIT_EXPECT_EQ(test, SYNC_MAP, seen->event[0]);
	KUNIT_EXPECT_EQ(test, SYNC_FOR_DEVICE, seen->phase[0]);
	KUNIT_EXPECT_EQ(test, SYNC_BEGIN, seen->event[1]);
	KUNIT_EXPECT_EQ(test, SYNC_FOR_CPU, seen->phase[1]);
	KUNIT_EXPECT_EQ(test, CPU_READ, seen->access[1]);
	KUNIT_EXPECT_EQ(test, SYNC_END, seen->event[2]);
	KUNIT_EXPECT_EQ(test, SYNC_UNMAP, seen->event[3]);
}

static void close_file(void *file)
{
	__fput_sync(file);
}

/* The buffer's debugfs file, open, with room for its text in ->buf. */
static struct seq_file *open_debugfs(struct kunit *test)
{
	struct fanout *f = test->priv;
	struct fanout_buffer *buffer = f->dmabuf->priv;
	struct seq_file *m;
	struct file *file;
	char name[32];

	snprintf(name, sizeof(name), "%pd", buffer->debugfs);
	file = files_open(files_mount(test, "debugfs"), name, O_RDONLY);
	KUNIT_ASSERT_NOT_ERR_OR_NULL(test, file);
	KUNIT_ASSERT_EQ(test, 0,
			kunit_add_action_or_reset(test, close_file, file));

	/* debugfs files are read by user space only; seq_release() frees. */
	m = file->private_data;
	m->size = SZ_4K;
	m->buf = kvzalloc(m->size, GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, m->buf);
	return m;
}

/* What a person reads there. */
static void debugfs_shows_the_peers(struct kunit *test)
{
	struct fanout *f = test->priv;
	struct seq_file *m = open_debugfs(test);

	add_device(f, "cam", SYNC_NONCOHERENT, DMA_FROM_DEVICE);
	begin(f, CPU_WRITE);
	KUNIT_ASSERT_EQ(test, 0, m->op->show(m, NULL));
	end(f, CPU_WRITE);

	KUNIT_EXPECT_NOT_NULL(test, strstr(m->buf, "size: 32768\n"));
	KUNIT_EXPECT_NOT_NULL(test, strstr(m->buf, "open for writing: yes\n"));
	KUNIT_EXPECT_NOT_NULL(test, strstr(m->buf, "CPU accesses: no\n"));
	KUNIT_EXPECT_NOT_NULL(test, strstr(m->buf, "cam kind=noncoherent "));
	KUNIT_EXPECT_NOT_NULL(test, strstr(m->buf, "requested=FROM_DEVICE mapped=BIDIRECTIONAL"));
	KUNIT_EXPECT_NOT_NULL(test, strstr(m->buf, "syncs=2\n"));
}

/* ... of a mapping with two kinds, and of a pair that H19 is about. */
static void debugfs_shows_halves_and_stale_pairs(struct kunit *test)
{
	struct fanout *f = test->priv;
	struct seq_file *m = open_debugfs(test);

	add_mixed(f, SYNC_NONCOHERENT);
	add_device(f, "gpu", SYNC_COHERENT, DMA_TO_DEVICE);
	KUNIT_ASSERT_EQ(test, 0, m->op->show(m, NULL));
	KUNIT_EXPECT_NOT_NULL(test, strstr(m->buf, "open for writing: no\n"));
	KUNIT_EXPECT_NOT_NULL(test, strstr(m->buf, "CPU accesses: yes\n"));
	KUNIT_EXPECT_NOT_NULL(test, strstr(m->buf, "dev kind=noncoherent+bounced "));
	KUNIT_EXPECT_NOT_NULL(test, strstr(m->buf, "gpu kind=coherent "));
}

/* ... and whoever reads it can be interrupted, as long as the lock is taken. */
static void debugfs_can_be_interrupted(struct kunit *test)
{
	struct fanout *f = test->priv;
	struct seq_file *m = open_debugfs(test);

	f->shim->hooks.dma_resv_lock_interruptible = no_lock;
	KUNIT_EXPECT_EQ(test, -EINTR, m->op->show(m, NULL));
	KUNIT_EXPECT_EQ(test, 0, m->count);
}

/* Processes. */

/**
 * struct process - a process of its own that writes when it is told to
 * @worker: its thread
 * @work: what it does next
 * @dmabuf: the buffer
 * @ends: it ends an access, instead of beginning one
 */
struct process {
	struct kthread_worker *worker;
	struct kthread_work work;
	struct dma_buf *dmabuf;
	bool ends;
};

static void process_work(struct kthread_work *work)
{
	struct process *process = container_of(work, struct process, work);

	if (process->ends)
		dma_buf_end_cpu_access(process->dmabuf, CPU_WRITE);
	else
		dma_buf_begin_cpu_access(process->dmabuf, CPU_WRITE);
}

KUNIT_DEFINE_ACTION_WRAPPER(stop_worker, kthread_destroy_worker,
			    struct kthread_worker *);

static void create_processes(struct kunit *test, struct process *process,
			     unsigned int nr)
{
	struct fanout *f = test->priv;

	for (; nr; nr--, process++) {
		process->dmabuf = f->dmabuf;
		kthread_init_work(&process->work, process_work);
		process->worker = kthread_create_worker(0, "writer");
		KUNIT_ASSERT_NOT_ERR_OR_NULL(test, process->worker);
		KUNIT_ASSERT_EQ(test, 0,
				kunit_add_action_or_reset(test, stop_worker,
							  process->worker));
	}
}

static void begins(struct process *process)
{
	process->ends = false;
	kthread_queue_work(process->worker, &process->work);
	kthread_flush_work(&process->work);
}

static void ends(struct process *process)
{
	process->ends = true;
	kthread_queue_work(process->worker, &process->work);
	kthread_flush_work(&process->work);
}

static bool is_open(struct fanout *f)
{
	struct fanout_buffer *buffer = f->dmabuf->priv;
	bool open;

	dma_resv_lock(f->dmabuf->resv, NULL);
	open = open_writes_any(&buffer->open_writes);
	dma_resv_unlock(f->dmabuf->resv);
	return open;
}

/*
 * H15: a buffer is open until each access was ended, whoever began it and in
 * whatever order.
 */
static void every_open_write_counts(struct kunit *test)
{
	static const unsigned int order[] = { 1, 5, 1, 0, 4, 3, 2 };
	struct process process[6] = { };
	struct fanout *f = test->priv;
	unsigned int i;

	create_processes(test, process, ARRAY_SIZE(process));
	for (i = 0; i < ARRAY_SIZE(process); i++)
		begins(&process[i]);
	begins(&process[1]);
	for (i = 0; i < ARRAY_SIZE(order); i++) {
		KUNIT_EXPECT_TRUE_MSG(test, is_open(f), "after %u", i);
		ends(&process[order[i]]);
	}
	KUNIT_EXPECT_FALSE(test, is_open(f));

	/* One end more closes nothing that comes later. */
	ends(&process[0]);
	begins(&process[2]);
	KUNIT_EXPECT_TRUE(test, is_open(f));
	ends(&process[2]);
	KUNIT_EXPECT_FALSE(test, is_open(f));
}

/* H15: an access may be ended by a process that began none. */
static void anybody_may_end_an_open_write(struct kunit *test)
{
	struct process process[3] = { };
	struct fanout *f = test->priv;

	create_processes(test, process, ARRAY_SIZE(process));
	begins(&process[0]);
	begins(&process[1]);
	ends(&process[0]);
	KUNIT_EXPECT_TRUE(test, is_open(f));
	ends(&process[2]);
	KUNIT_EXPECT_FALSE(test, is_open(f));

	/* ... nor has one open any more. */
	begins(&process[1]);
	ends(&process[0]);
	KUNIT_EXPECT_FALSE(test, is_open(f));
}

static int begin_and_exit(void *dmabuf)
{
	dma_buf_begin_cpu_access(dmabuf, CPU_WRITE);
	do_exit(0);
}

/* H15: ... nor need anybody have waited for the dead process. */
static void open_write_dies_before_its_process_is_reaped(struct kunit *test)
{
	struct fanout *f = test->priv;
	struct task_struct *task;
	struct pid *pid;
	pid_t nr;

	/* Kernel threads ignore it, and have no zombies. */
	kernel_sigaction(SIGCHLD, SIG_DFL);
	nr = user_mode_thread(begin_and_exit, f->dmabuf, SIGCHLD);
	KUNIT_ASSERT_GT(test, nr, 0);
	pid = find_get_pid(nr);
	task = get_pid_task(pid, PIDTYPE_TGID);
	put_pid(pid);
	KUNIT_ASSERT_NOT_NULL(test, task);
	while (!READ_ONCE(task->exit_state))
		msleep(20);
	KUNIT_EXPECT_EQ(test, EXIT_ZOMBIE, READ_ONCE(task->exit_state));
	KUNIT_EXPECT_FALSE(test, is_open(f));
	put_task_struct(task);
	kernel_wait(nr, NULL);
	kernel_sigaction(SIGCHLD, SIG_IGN);
}

/* What else can go wrong. */

static unsigned int locks_to_go;

static int lock_that_often(struct dma_resv *resv, struct ww_acquire_ctx *ctx)
{
	return locks_to_go-- ? dma_resv_lock_interruptible(resv, ctx) : -EINTR;
}

/* H12: after the wait for the fences, the lock may be interrupted, too. */
static void interrupted_after_the_fences_does_nothing(struct kunit *test)
{
	struct fanout *f = test->priv;
	int (*lock)(struct dma_resv *resv, struct ww_acquire_ctx *ctx) =
		f->shim->hooks.dma_resv_lock_interruptible;

	add_device(f, "usb", SYNC_BOUNCED, DMA_FROM_DEVICE);
	dma_fence_signal(&add_job(f, DMA_RESV_USAGE_WRITE)->fence);
	stolen = 0;
	f->shim->hooks.dma_resv_test_signaled = steal_twice;
	locks_to_go = 1;
	f->shim->hooks.dma_resv_lock_interruptible = lock_that_often;
	shim_mark(f->shim);
	KUNIT_EXPECT_EQ(test, -ERESTARTSYS,
			dma_buf_begin_cpu_access(f->dmabuf, CPU_WRITE));
	f->shim->hooks.dma_resv_lock_interruptible = lock;
	FAKE_EXPECT_SYNCS(test);
	KUNIT_EXPECT_FALSE(test, is_open(f));
}

/*
 * The plan of a new policy is made even by a read access for which there was
 * nothing to do under the old one.
 */
static void idle_reads_follow_the_policy(struct kunit *test)
{
	struct fanout *f = test->priv;

	add_device(f, "cam", SYNC_COHERENT, DMA_FROM_DEVICE);
	fanout_sync_policy = SYNC_POLICY_MINIMAL;
	begin(f, CPU_READ);
	end(f, CPU_READ);
	shim_mark(f->shim);
	begin(f, CPU_READ);
	end(f, CPU_READ);
	KUNIT_EXPECT_EQ(test, f->shim->mark, f->shim->nr);

	fanout_sync_policy = SYNC_POLICY_ALL;
	begin(f, CPU_READ);
	FAKE_EXPECT_SYNCS(test, "for_cpu cam BIDIRECTIONAL");
	fanout_sync_policy = SYNC_POLICY_MINIMAL;
	end(f, CPU_READ);
	begin(f, CPU_READ);
	FAKE_EXPECT_SYNCS(test);
	fanout_sync_policy = SYNC_POLICY_ALL;
	end(f, CPU_READ);
	FAKE_EXPECT_SYNCS(test, "for_device cam BIDIRECTIONAL");
}

/* A mask that allows no address maps to nothing, as no mask does. */
static void device_with_an_empty_mask_is_refused(struct kunit *test)
{
	struct fanout *f = test->priv;
	struct fake_device *fake = fake_device_create(test, "cam",
						      SYNC_COHERENT);
	u64 mask = *fake->dev->dma_mask;

	*fake->dev->dma_mask = 0;
	KUNIT_EXPECT_PTR_EQ(test, ERR_PTR(-EINVAL),
			    dma_buf_attach(f->dmabuf, fake->dev));
	*fake->dev->dma_mask = mask;
}

/* A map that gives no addresses is an error, although it is none to the core. */
static void map_to_no_entries_is_an_error(struct kunit *test)
{
	struct fanout *f = test->priv;
	struct importer *cam = attach(f, fake_device_create(test, "cam",
							    SYNC_NONCOHERENT));

	fake_device_no_mask(cam->fake);
	shim_mark(f->shim);
	KUNIT_EXPECT_EQ(test, -EINVAL, importer_map(cam, DMA_FROM_DEVICE));
	KUNIT_EXPECT_EQ(test, 1, shim_count(f->shim, SHIM_DMA_MAP_SGTABLE));
}

/* H16: errors that no smaller entry can help are not tried again. */
static void hopeless_maps_are_tried_once(struct kunit *test)
{
	static const int errors[] = { -EREMOTEIO, -EINVAL };
	struct fanout *f = test->priv;
	struct importer *usb;
	unsigned int i;

	usb = attach(f, fake_device_create(test, "usb", SYNC_BOUNCED));
	for (i = 0; i < ARRAY_SIZE(errors); i++) {
		usb->fake->fail_maps = 1;
		usb->fake->fail_errno = errors[i];
		KUNIT_EXPECT_EQ(test, errors[i],
				importer_map(usb, DMA_FROM_DEVICE));
		KUNIT_EXPECT_EQ(test, 0, usb->fake->fail_maps);
	}
	KUNIT_EXPECT_EQ(test, 0, importer_map(usb, DMA_FROM_DEVICE));
}

#define BLOCK_ORDER	4

/* H16: entries end where the device's boundary is, wherever the memory lies. */
static void entries_end_at_the_boundary(struct kunit *test)
{
	struct fanout *f = test->priv;
	struct udmabuf_create_item item;
	struct importer *cam;
	struct memory *mem;

	memory_block(test, BLOCK_ORDER);
	/* All but one at each end: neither begins nor ends at a boundary. */
	mem = memory_shmem(test, BIT(BLOCK_ORDER));
	item = memory_item(mem, 1, BIT(BLOCK_ORDER) - 2);
	f->dmabuf = memory_buffer(test, &item, 1);
	cam = attach(f, fake_device_create(test, "cam", SYNC_COHERENT));
	cam->fake->max_seg_size = UINT_MAX;
	cam->fake->seg_boundary = 4 * PAGE_SIZE - 1;
	KUNIT_ASSERT_EQ(test, 0, importer_map(cam, DMA_TO_DEVICE));
	KUNIT_EXPECT_EQ(test, 4, cam->sgt->nents);
	importer_unmap(cam);

	/* Both limits. */
	cam->fake->max_seg_size = 3 * PAGE_SIZE;
	KUNIT_ASSERT_EQ(test, 0, importer_map(cam, DMA_TO_DEVICE));
	KUNIT_EXPECT_EQ(test, 6, cam->sgt->nents);
	importer_unmap(cam);

	/* A page less than all of it. */
	cam->fake->seg_boundary = ULONG_MAX;
	cam->fake->max_seg_size = (BIT(BLOCK_ORDER) - 3) * PAGE_SIZE;
	KUNIT_ASSERT_EQ(test, 0, importer_map(cam, DMA_TO_DEVICE));
	KUNIT_EXPECT_EQ(test, 2, cam->sgt->nents);
	importer_unmap(cam);
	kunit_release_action(test, importer_detach, cam);
	memory_put_buffer(test, f->dmabuf);
}

static int (*map_of_fakes)(struct device *dev, struct sg_table *sgt,
			   enum dma_data_direction dir, unsigned long attrs);

static int map_marked(struct device *dev, struct sg_table *sgt,
		      enum dma_data_direction dir, unsigned long attrs)
{
	int ret = map_of_fakes(dev, sgt, dir, attrs);

	if (!ret)
		sg_dma_mark_swiotlb(sgt->sgl);
	return ret;
}

static unsigned long merge_two_pages(struct device *dev)
{
	return 2 * PAGE_SIZE - 1;
}

/*
 * Behind an IOMMU a list that may be bounced is, entry by entry, where an entry
 * does not fill whole pages of the IOMMU: those of a larger size than the CPU's.
 */
static void marked_lists_are_opaque_if_pages_differ(struct kunit *test)
{
	struct fanout *f = test->priv;
	struct fanout_buffer *buffer;
	struct udmabuf_create_item item;
	struct importer *gpu;

	if (!IS_ENABLED(CONFIG_NEED_SG_DMA_FLAGS))
		kunit_skip(test, "needs CONFIG_NEED_SG_DMA_FLAGS");
	memory_block(test, 2);
	item = memory_item(memory_shmem(test, 4), 1, 1);
	f->dmabuf = memory_buffer(test, &item, 1);
	buffer = f->dmabuf->priv;
	gpu = attach(f, fake_device_create(test, "gpu", SYNC_NONCOHERENT));
	fake_device_merge(gpu->fake);

	map_of_fakes = f->shim->hooks.dma_map_sgtable;
	f->shim->hooks.dma_map_sgtable = map_marked;
	KUNIT_ASSERT_EQ(test, 0, importer_map(gpu, DMA_TO_DEVICE));
	KUNIT_EXPECT_EQ(test, SYNC_NONCOHERENT, buffer->peer[0].kind);
	importer_unmap(gpu);

	f->shim->hooks.dma_get_merge_boundary = merge_two_pages;
	KUNIT_ASSERT_EQ(test, 0, importer_map(gpu, DMA_TO_DEVICE));
	KUNIT_EXPECT_EQ(test, SYNC_OPAQUE, buffer->peer[0].kind);
	kunit_release_action(test, importer_detach, gpu);
	memory_put_buffer(test, f->dmabuf);
}

/* An importer that goes takes all its mappings along, and no one else's. */
static void only_lost_mappings_are_dropped(struct kunit *test)
{
	struct fanout *f = test->priv;
	long pins = memory_pins();
	struct importer *cam;

	f->dmabuf = export_pages(test, PAGES);
	add_device(f, "gpu", SYNC_NONCOHERENT, DMA_FROM_DEVICE);
	cam = add_device(f, "cam", SYNC_NONCOHERENT, DMA_FROM_DEVICE);
	KUNIT_ASSERT_EQ(test, 0, importer_map(cam, DMA_TO_DEVICE));
	cam->fake->may_leak = true;
	cam->sgt = NULL;
	kunit_release_action(test, importer_detach, cam);

	shim_mark(f->shim);
	begin(f, CPU_RW);
	FAKE_EXPECT_SYNCS(test, "for_cpu gpu BIDIRECTIONAL");
	end(f, CPU_RW);
	FAKE_EXPECT_SYNCS(test, "for_device gpu BIDIRECTIONAL");
	KUNIT_EXPECT_EQ(test, pins + PAGES, memory_pins());
}

/* H18: a half that writes stands for itself alone, and others for themselves. */
static void a_half_does_not_stand_for_the_whole(struct kunit *test)
{
	struct fanout *f = test->priv;

	fanout_sync_policy = SYNC_POLICY_MINIMAL;
	add_mixed(f, SYNC_NONCOHERENT);
	add_device(f, "gpu", SYNC_NONCOHERENT, DMA_TO_DEVICE);
	begin(f, CPU_READ);
	shim_mark(f->shim);
	end(f, CPU_READ);
	FAKE_EXPECT_SYNCS(test, "for_device dev BIDIRECTIONAL x4 pages",
			  "for_device gpu TO_DEVICE");
}

/* H15: of two processes, one ends its own access, dies, and is forgotten. */
static void an_end_is_of_its_own_process(struct kunit *test)
{
	struct process process[2] = { };
	struct fanout *f = test->priv;
	struct pid *pid;
	unsigned int held;

	create_processes(test, process, ARRAY_SIZE(process));
	pid = task_tgid(process[0].worker->task);
	held = refcount_read(&pid->count);
	begins(&process[0]);
	KUNIT_EXPECT_EQ(test, held + 1, refcount_read(&pid->count));
	ends(&process[0]);
	begins(&process[1]);
	KUNIT_EXPECT_EQ(test, held, refcount_read(&pid->count));

	begins(&process[0]);
	ends(&process[0]);
	kunit_release_action(test, stop_worker, process[0].worker);
	KUNIT_EXPECT_TRUE(test, is_open(f));
	ends(&process[1]);
	KUNIT_EXPECT_FALSE(test, is_open(f));
}

/* What importers and CPUs do with a buffer, and what fails, in one life of it. */
static void one_life(struct fanout *f, struct udmabuf_create_item *item,
		     struct fake_device *cam, struct fake_device *usb,
		     struct process *process)
{
	struct dma_buf_attachment *first, *second;
	struct iosys_map map;
	struct sg_table *sgt;

	f->dmabuf = fanout_buffer_export(item, 1, PAGES - 1, NULL);
	KUNIT_ASSERT_PTR_EQ(f->test, ERR_PTR(-EINVAL), f->dmabuf);
	f->dmabuf = fanout_buffer_export(item, 1, PAGES, NULL);
	KUNIT_ASSERT_NOT_ERR_OR_NULL(f->test, f->dmabuf);
	first = dma_buf_attach(f->dmabuf, cam->dev);
	second = dma_buf_attach(f->dmabuf, usb->dev);

	cam->fail_maps = 1;
	sgt = dma_buf_map_attachment_unlocked(first, DMA_FROM_DEVICE);
	KUNIT_ASSERT_PTR_EQ(f->test, ERR_PTR(-EIO), sgt);
	sgt = dma_buf_map_attachment_unlocked(first, DMA_FROM_DEVICE);
	KUNIT_ASSERT_NOT_ERR_OR_NULL(f->test, sgt);
	KUNIT_ASSERT_PTR_EQ(f->test, ERR_PTR(-EOPNOTSUPP),
			    dma_buf_map_attachment_unlocked(second,
							    DMA_FROM_DEVICE));
	begin(f, CPU_RW);
	process->dmabuf = f->dmabuf;
	begins(process);
	ends(process);
	end(f, CPU_RW);
	dma_buf_unmap_attachment_unlocked(first, sgt, DMA_FROM_DEVICE);
	dma_buf_detach(f->dmabuf, second);
	dma_buf_detach(f->dmabuf, first);

	KUNIT_ASSERT_EQ(f->test, 0, dma_buf_vmap_unlocked(f->dmabuf, &map));
	dma_buf_vunmap_unlocked(f->dmabuf, &map);
	__fput_sync(f->dmabuf->file);
	shim_reset(f->shim);
}

/* More lives than a leak of 64 bytes could stay unnoticed in. */
#define LIVES		4096
#define LEAK_PAGES	((long)(LIVES * 64 / PAGE_SIZE / 2))

static void lives_leave_no_memory_behind(struct kunit *test)
{
	struct udmabuf_create_item item;
	struct fanout *f = test->priv;
	struct fake_device *cam, *usb;
	struct memory *mem;
	struct process process = { };
	unsigned int i, processes;
	long before = 0;

	/* KASAN keeps freed memory; and emulation has not the time. */
	if (!IS_ENABLED(CONFIG_UML) || IS_ENABLED(CONFIG_KASAN))
		kunit_skip(test, "only in a plain UML kernel");
	mem = memory_shmem(test, PAGES);
	item = memory_item(mem, 0, PAGES);
	cam = fake_device_create(test, "cam", SYNC_NONCOHERENT);
	cam->max_seg_size = PAGE_SIZE;
	usb = fake_device_create(test, "usb", SYNC_BOUNCED);
	create_processes(test, &process, 1);
	processes = refcount_read(&task_tgid(current)->count);

	/* The first half is for what the kernel keeps for the next one. */
	for (i = 0; i < 2 * LIVES; i++) {
		if (i == LIVES)
			before = memory_slab();
		one_life(f, &item, cam, usb, &process);
	}
	KUNIT_EXPECT_LT(test, memory_slab() - before, LEAK_PAGES);
	KUNIT_EXPECT_EQ(test, processes,
			refcount_read(&task_tgid(current)->count));
}

/* ... until the buffer is gone. */
static void debugfs_forgets_the_buffer(struct kunit *test)
{
	struct dma_buf *dmabuf = export_pages(test, PAGES);
	struct fanout_buffer *buffer = dmabuf->priv;
	struct dentry *file;
	char name[32];

	if (!IS_ENABLED(CONFIG_DEBUG_FS))
		kunit_skip(test, "needs CONFIG_DEBUG_FS");
	snprintf(name, sizeof(name), "%pd", buffer->debugfs);
	memory_put_buffer(test, dmabuf);
	file = debugfs_lookup(name, NULL);
	KUNIT_EXPECT_NULL(test, file);
	dput(file);
}

static struct kunit_case fanout_test_cases[] = {
	KUNIT_CASE_PARAM(device_is_synced_in_its_mapped_direction,
			 single_gen_params),
	KUNIT_CASE(minimal_spares_coherent_devices),
	KUNIT_CASE(nobody_attached_nothing_synced),
	KUNIT_CASE(attached_but_not_mapped_is_not_synced),
	KUNIT_CASE(mixed_devices_in_the_safe_order),
	KUNIT_CASE(caches_before_slots),
	KUNIT_CASE(coherent_writer_is_cleaned_before_an_invalidate),
	KUNIT_CASE(mapped_twice_is_two_peers),
	KUNIT_CASE(unmapped_between_begin_and_end),
	KUNIT_CASE(writer_is_fetched_before_it_is_unmapped),
	KUNIT_CASE(bounced_reader_joins_with_fresh_data),
	KUNIT_CASE(map_never_refreshes_a_running_writers_slot),
	KUNIT_CASE(overlapping_accesses_keep_the_open_write),
	KUNIT_CASE(overlapping_accesses_leave_the_caches_alone),
	KUNIT_CASE(map_and_unmap_inside_an_open_write),
	KUNIT_CASE(end_without_begin_is_harmless),
	KUNIT_CASE(open_write_dies_with_its_process),
	KUNIT_CASE(from_device_is_widened_and_to_device_is_not),
	KUNIT_CASE(importers_table_is_its_own),
	KUNIT_CASE(importers_table_is_complete),
	KUNIT_CASE(merged_segments_end_with_zero_lengths),
	KUNIT_CASE(device_without_a_mask_is_refused),
	KUNIT_CASE(failed_map_leaves_nothing_behind),
	KUNIT_CASE(entries_keep_to_the_devices_limits),
	KUNIT_CASE(entries_are_the_pages_in_order),
	KUNIT_CASE(entries_are_the_pages_of_hugetlb_in_order),
	KUNIT_CASE_SLOW(large_buffers_need_no_contiguous_memory),
	KUNIT_CASE(bounced_map_retries_with_smaller_entries),
	KUNIT_CASE(mixed_mapping_is_synced_in_halves),
	KUNIT_CASE(minimal_syncs_only_the_bounced_half),
	KUNIT_CASE(two_writers_with_a_slot_are_refused),
	KUNIT_CASE(page_twice_is_refused_to_a_bounced_writer),
	KUNIT_CASE(policy_changes_at_run_time),
	KUNIT_CASE(reading_what_only_readers_have_mapped_is_free),
	KUNIT_CASE(many_importers_cost_what_one_costs),
	KUNIT_CASE(sync_comes_after_the_fences),
	KUNIT_CASE(interrupted_wait_does_nothing),
	KUNIT_CASE(fences_are_tested_under_the_lock),
	KUNIT_CASE(interrupted_lock_does_nothing),
	KUNIT_CASE(dma_api_debugging_finds_nothing),
	KUNIT_CASE(memory_of_a_lost_mapping_is_kept),
	KUNIT_CASE(every_step_is_traced),
	KUNIT_CASE(debugfs_shows_the_peers),
	KUNIT_CASE(debugfs_shows_halves_and_stale_pairs),
	KUNIT_CASE(debugfs_can_be_interrupted),
	KUNIT_CASE(every_open_write_counts),
	KUNIT_CASE(anybody_may_end_an_open_write),
	KUNIT_CASE(open_write_dies_before_its_process_is_reaped),
	KUNIT_CASE(interrupted_after_the_fences_does_nothing),
	KUNIT_CASE(idle_reads_follow_the_policy),
	KUNIT_CASE(device_with_an_empty_mask_is_refused),
	KUNIT_CASE(map_to_no_entries_is_an_error),
	KUNIT_CASE(hopeless_maps_are_tried_once),
	KUNIT_CASE(entries_end_at_the_boundary),
	KUNIT_CASE(marked_lists_are_opaque_if_pages_differ),
	KUNIT_CASE(only_lost_mappings_are_dropped),
	KUNIT_CASE(a_half_does_not_stand_for_the_whole),
	KUNIT_CASE(an_end_is_of_its_own_process),
	KUNIT_CASE(lives_leave_no_memory_behind),
	KUNIT_CASE(debugfs_forgets_the_buffer),
	{ }
};

static struct kunit_suite fanout_test_suite = {
	.name = "udmabuf_fanout_fanout",
	.init = fanout_test_init,
	.exit = fanout_test_exit,
	.test_cases = fanout_test_cases,
};

kunit_test_suite(fanout_test_suite);
