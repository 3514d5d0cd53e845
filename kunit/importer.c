// SPDX-License-Identifier: GPL-2.0
/*
 * Who uses a buffer in a test. Importers go through the dma-buf core, and so
 * does the CPU; what the CPU reads and writes goes past all of it, to the
 * memfd's pages.
 */
#include <kunit/test.h>
#include <linux/dma-buf.h>
#include <linux/dma-resv.h>
#include <linux/err.h>
#include <linux/highmem.h>

#include "../driver/buffer.h"
#include "importer.h"

/**
 * export_pages() - make a buffer of a memfd of its own
 * @test: the test
 * @pages: its size
 *
 * Return: the buffer.
 */
struct dma_buf *export_pages(struct kunit *test, u32 pages)
{
	struct memory *mem = memory_shmem(test, pages);
	struct udmabuf_create_item item = memory_item(mem, 0, pages);

	return memory_buffer(test, &item, 1);
}

/**
 * users_init() - begin a test with a buffer of PAGES pages
 * @test: the test, whose ->priv becomes a struct users
 *
 * Return: 0 or -ENOMEM.
 */
int users_init(struct kunit *test)
{
	struct users *u = kunit_kzalloc(test, sizeof(*u), GFP_KERNEL);
	struct udmabuf_create_item item;

	if (!u)
		return -ENOMEM;
	test->priv = u;
	u->test = test;
	u->policy = fanout_sync_policy;
	fanout_sync_policy = SYNC_POLICY_ALL;
	u->shim = shim_install(test);
	u->mem = memory_shmem(test, PAGES);
	item = memory_item(u->mem, 0, PAGES);
	u->dmabuf = memory_buffer(test, &item, 1);
	shim_reset(u->shim);
	return 0;
}

/**
 * users_exit() - leave the module's parameters as they were
 * @test: the test
 */
void users_exit(struct kunit *test)
{
	struct users *u = test->priv;

	if (u)
		fanout_sync_policy = u->policy;
}

/* Importers. */

static void importer_detach(void *data)
{
	struct importer *importer = data;

	importer_unmap(importer);
	if (importer->attachment)
		dma_buf_detach(importer->attachment->dmabuf,
			       importer->attachment);
	importer->attachment = NULL;
}

/**
 * importer_create() - attach a device to the buffer
 * @u: whose buffer
 * @fake: the device
 *
 * Return: the importer; unmapped and detached when the test ends.
 */
struct importer *importer_create(struct users *u, struct fake_device *fake)
{
	struct importer *importer;

	importer = kunit_kzalloc(u->test, sizeof(*importer), GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(u->test, importer);
	importer->users = u;
	importer->fake = fake;
	importer->attachment = dma_buf_attach(u->dmabuf, fake->dev);
	KUNIT_ASSERT_NOT_ERR_OR_NULL(u->test, importer->attachment);
	KUNIT_ASSERT_EQ(u->test, 0,
			kunit_add_action_or_reset(u->test, importer_detach,
						  importer));
	return importer;
}

/**
 * importer_map() - map for the device
 * @importer: the importer
 * @dir: the direction
 *
 * Return: 0 or what the map returned.
 */
int importer_map(struct importer *importer, enum dma_data_direction dir)
{
	struct sg_table *sgt;

	sgt = dma_buf_map_attachment_unlocked(importer->attachment, dir);
	if (IS_ERR(sgt))
		return PTR_ERR(sgt);
	importer->sgt = sgt;
	importer->dir = dir;
	return 0;
}

/**
 * importer_map_bare() - map past the core
 * @importer: the importer
 * @dir: the direction
 *
 * Under DMABUF_DEBUG the core shows importers something else than the driver's
 * table, scrambled page links and from 7.0 on a copy without pages.
 */
void importer_map_bare(struct importer *importer, enum dma_data_direction dir)
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

/**
 * importer_unmap() - undo the mapping, if there is one
 * @importer: the importer
 */
void importer_unmap(struct importer *importer)
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
	importer->bare = false;
}

/**
 * importer_lose() - detach without unmapping
 * @importer: the importer
 */
void importer_lose(struct importer *importer)
{
	importer->fake->may_leak = true;
	importer->sgt = NULL;
	importer_go(importer);
}

/**
 * importer_go() - unmap and detach before the test ends
 * @importer: the importer
 */
void importer_go(struct importer *importer)
{
	kunit_release_action(importer->users->test, importer_detach, importer);
}

/**
 * add_device() - attach and map a new device
 * @u: whose buffer
 * @name: the device's name
 * @kind: its kind
 * @dir: the direction
 *
 * Return: the importer.
 */
struct importer *add_device(struct users *u, const char *name,
			    enum fake_kind kind, enum dma_data_direction dir)
{
	struct fake_device *fake = fake_device_create(u->test, name, kind);
	struct importer *importer = importer_create(u, fake);

	KUNIT_ASSERT_EQ(u->test, 0, importer_map(importer, dir));
	return importer;
}

/**
 * add_distant() - attach and map a device that neither snoops nor reaches
 * @u: whose buffer
 * @name: the device's name
 * @dir: the direction
 *
 * Its copies are synced, so that merges can be seen among the syncs.
 *
 * Return: the importer.
 */
struct importer *add_distant(struct users *u, const char *name,
			     enum dma_data_direction dir)
{
	struct fake_device *fake = fake_device_create(u->test, name,
						      FAKE_BOUNCED);
	struct importer *importer = importer_create(u, fake);

	fake->coherent = false;
	KUNIT_ASSERT_EQ(u->test, 0, importer_map(importer, dir));
	return importer;
}

static bool has_odd_frame(const struct page *page)
{
	return fake_page_is_of_memfd(page) && page_to_pfn(page) % 2;
}

/**
 * use_block() - use a buffer whose place in memory is known
 * @u: the users; their old buffer is gone
 * @order: the size of the block of page frames, as a power of two
 * @items: what of it the buffer has, or NULL: PAGES pages, the last one first,
 *	so that no two are neighbours
 * @nr_items: how many @items there are
 *
 * Return: the first page frame of the block.
 */
unsigned long use_block(struct users *u, unsigned int order,
			struct udmabuf_create_item *items,
			unsigned int nr_items)
{
	struct udmabuf_create_item scattered[PAGES];
	unsigned long pfn;
	int i;

	/* Its pins would not go back any more. */
	memory_put_buffer(u->test, u->dmabuf);
	pfn = memory_block(u->test, order);
	u->mem = memory_shmem(u->test, BIT(order));
	for (i = 0; i < PAGES; i++)
		scattered[i] = memory_item(u->mem, PAGES - 1 - i, 1);
	for (i = 0; i < nr_items; i++)
		items[i].memfd = u->mem->fd;
	u->dmabuf = memory_buffer(u->test, items ?: scattered,
				  items ? nr_items : PAGES);
	shim_reset(u->shim);
	return pfn;
}

/**
 * add_mixed() - attach and map a device that reaches every other page
 * @u: whose buffer use_block() has made, with pages that are no neighbours
 * @name: the device's name
 * @kind: what it is besides
 * @dir: the direction
 *
 * The first page of such a buffer is in an odd page frame, so that pages 0, 2
 * and so on have copies.
 *
 * Return: the importer.
 */
struct importer *add_mixed(struct users *u, const char *name,
			   enum fake_kind kind, enum dma_data_direction dir)
{
	struct fake_device *fake = fake_device_create(u->test, name, kind);
	struct importer *importer;

	fake->unreached = has_odd_frame;
	importer = importer_create(u, fake);
	KUNIT_ASSERT_EQ(u->test, 0, importer_map(importer, dir));
	return importer;
}

/* Data. */

/**
 * importer_store() - have the device write a word
 * @importer: whose device
 * @offset: where in the buffer
 * @value: what
 */
void importer_store(struct importer *importer, size_t offset, u64 value)
{
	fake_device_store(importer->fake, importer->sgt, offset, &value,
			  sizeof(value));
}

/**
 * importer_load() - have the device read a word
 * @importer: whose device
 * @offset: where in the buffer
 *
 * Return: what it reads.
 */
u64 importer_load(struct importer *importer, size_t offset)
{
	u64 value = 0;

	fake_device_load(importer->fake, importer->sgt, offset, &value,
			 sizeof(value));
	return value;
}

/* The word's place in the buffer's own memory. */
static u64 *cpu_map(struct users *u, size_t offset)
{
	struct fanout_buffer *buffer = u->dmabuf->priv;
	u32 pgoff = offset >> PAGE_SHIFT;
	const struct extent *extent = extents_find(&buffer->mem, pgoff);

	return kmap_local_page(pfn_to_page(extent->pfn + pgoff -
					   extent->pgoff)) +
	       offset_in_page(offset);
}

/**
 * cpu_store() - have the CPU write a word
 * @u: whose buffer
 * @offset: where in the buffer
 * @value: what
 */
void cpu_store(struct users *u, size_t offset, u64 value)
{
	u64 *at = cpu_map(u, offset);

	*at = value;
	kunmap_local(at);
}

/**
 * cpu_load() - have the CPU read a word
 * @u: whose buffer
 * @offset: where in the buffer
 *
 * Return: what it reads.
 */
u64 cpu_load(struct users *u, size_t offset)
{
	u64 *at = cpu_map(u, offset), value = *at;

	kunmap_local(at);
	return value;
}

/* CPU access. */

/**
 * cpu_begin() - begin a CPU access, which must succeed
 * @u: to whose buffer
 * @access: the access
 */
void cpu_begin(struct users *u, enum dma_data_direction access)
{
	KUNIT_EXPECT_EQ(u->test, 0,
			dma_buf_begin_cpu_access(u->dmabuf, access));
}

/**
 * cpu_end() - end a CPU access
 * @u: to whose buffer
 * @access: the access
 */
void cpu_end(struct users *u, enum dma_data_direction access)
{
	KUNIT_EXPECT_EQ(u->test, 0, dma_buf_end_cpu_access(u->dmabuf, access));
}

/**
 * write_is_open_in() - ask the driver
 * @dmabuf: about which buffer
 *
 * Return: whether a write access may be open.
 */
bool write_is_open_in(struct dma_buf *dmabuf)
{
	struct fanout_buffer *buffer = dmabuf->priv;
	bool open;

	dma_resv_lock(dmabuf->resv, NULL);
	open = open_writes_any(&buffer->open_writes);
	dma_resv_unlock(dmabuf->resv);
	return open;
}

/**
 * write_is_open() - ask the driver
 * @u: about whose buffer
 *
 * Return: whether a write access may be open.
 */
bool write_is_open(struct users *u)
{
	return write_is_open_in(u->dmabuf);
}

/**
 * lock_is_interrupted() - a hook for dma_resv_lock_interruptible()
 * @resv: what is not locked
 * @ctx: unused
 *
 * Return: -EINTR.
 */
int lock_is_interrupted(struct dma_resv *resv, struct ww_acquire_ctx *ctx)
{
	return -EINTR;
}

/* Processes. */

static void process_work(struct kthread_work *work)
{
	struct process *process = container_of(work, struct process, work);
	struct dma_buf *dmabuf = process->users->dmabuf;

	/* The test waits meanwhile, so the stubs can be this thread's. */
	current->kunit_test = process->users->test;
	if (process->ends)
		process->ret = dma_buf_end_cpu_access(dmabuf, process->access);
	else
		process->ret = dma_buf_begin_cpu_access(dmabuf,
							process->access);
	current->kunit_test = NULL;
}

KUNIT_DEFINE_ACTION_WRAPPER(stop_worker, kthread_destroy_worker,
			    struct kthread_worker *);

/**
 * create_processes() - start some processes
 * @u: whose buffer they use
 * @process: the processes
 * @nr: how many
 */
void create_processes(struct users *u, struct process *process,
		      unsigned int nr)
{
	for (; nr; nr--, process++) {
		process->users = u;
		kthread_init_work(&process->work, process_work);
		process->worker = kthread_create_worker(0, "writer");
		KUNIT_ASSERT_NOT_ERR_OR_NULL(u->test, process->worker);
		KUNIT_ASSERT_EQ(u->test, 0,
				kunit_add_action_or_reset(u->test, stop_worker,
							  process->worker));
	}
}

static void process_runs(struct process *process,
			 enum dma_data_direction access, bool ends)
{
	process->access = access;
	process->ends = ends;
	kthread_queue_work(process->worker, &process->work);
	kthread_flush_work(&process->work);
	KUNIT_EXPECT_EQ(process->users->test, 0, process->ret);
}

/**
 * process_begins() - have a process begin an access
 * @process: the process
 * @access: the access
 */
void process_begins(struct process *process, enum dma_data_direction access)
{
	process_runs(process, access, false);
}

/**
 * process_ends() - have a process end an access
 * @process: the process
 * @access: the access
 */
void process_ends(struct process *process, enum dma_data_direction access)
{
	process_runs(process, access, true);
}

/**
 * process_dies() - have a process exit
 * @process: the process
 */
void process_dies(struct process *process)
{
	kunit_release_action(process->users->test, stop_worker,
			     process->worker);
}
