// SPDX-License-Identifier: GPL-2.0
/*
 * The fan-out through the real driver, with fake devices that record every
 * sync: which devices are synced by a CPU access, a map and an unmap, in which
 * order, in which direction, whole or in pieces.
 *
 * Merges are seen where their copies are synced, which is where the device does
 * not snoop. What they do to the bytes is in programs_test.c.
 *
 * Would miss: what an open write access changes (flush_test.c), a sync that is
 * called and does not do what its name says (the model and the rig look there),
 * and a kind told wrongly from a real device (kind_test.c).
 */
#include <kunit/test.h>
#include <linux/dma-buf.h>

#include "../driver/buffer.h"
#include "files.h"
#include "importer.h"

/* What one device of a kind and direction gets from one CPU access. */
struct single_case {
	const char *name;
	enum fake_kind kind;
	bool distant;
	enum dma_data_direction dir;
	const char *begin[2];
	const char *end_read[2];
	const char *end_write[2];
};

#define FETCH	{ "for_cpu dev BIDIRECTIONAL" }
#define PUSH	{ "for_device dev BIDIRECTIONAL" }
#define PUSH_R	{ "for_device dev TO_DEVICE" }
#define MERGE	{ "for_cpu dev BIDIRECTIONAL x1 copies",		\
		  "for_device dev BIDIRECTIONAL x1 copies" }
#define MERGE_R	{ "for_cpu dev TO_DEVICE x1 copies",			\
		  "for_device dev TO_DEVICE x1 copies" }
#define NO	{ }

static const struct single_case single_cases[] = {
	{ "coherent reader", FAKE_COHERENT, false, DMA_TO_DEVICE,
	  NO, NO, NO },
	{ "coherent writer", FAKE_COHERENT, false, DMA_FROM_DEVICE,
	  NO, NO, NO },
	{ "coherent both", FAKE_COHERENT, false, DMA_BIDIRECTIONAL,
	  NO, NO, NO },
	{ "noncoherent reader", FAKE_NONCOHERENT, false, DMA_TO_DEVICE,
	  NO, NO, PUSH_R },
	{ "noncoherent writer", FAKE_NONCOHERENT, false, DMA_FROM_DEVICE,
	  FETCH, PUSH, PUSH },
	{ "noncoherent both", FAKE_NONCOHERENT, false, DMA_BIDIRECTIONAL,
	  FETCH, PUSH, PUSH },
	{ "opaque reader", FAKE_OPAQUE, false, DMA_TO_DEVICE,
	  NO, NO, NO },
	{ "opaque both", FAKE_OPAQUE, false, DMA_BIDIRECTIONAL,
	  NO, NO, NO },
	{ "bounced reader", FAKE_BOUNCED, false, DMA_TO_DEVICE,
	  NO, NO, NO },
	{ "bounced both", FAKE_BOUNCED, false, DMA_BIDIRECTIONAL,
	  NO, NO, NO },
	{ "distant reader", FAKE_BOUNCED, true, DMA_TO_DEVICE,
	  NO, NO, MERGE_R },
	{ "distant writer", FAKE_BOUNCED, true, DMA_FROM_DEVICE,
	  MERGE, MERGE, MERGE },
	{ "distant both", FAKE_BOUNCED, true, DMA_BIDIRECTIONAL,
	  MERGE, MERGE, MERGE },
};

KUNIT_ARRAY_PARAM_DESC(single, single_cases, name);

/*
 * H1, H3, H5: a begin fetches from a device that writes, whatever the CPU will
 * do, and an end pushes to it, always in the direction it was mapped with, which
 * is never the direction of the access. Who snoops is not synced.
 */
static void device_is_synced_in_its_mapped_direction(struct kunit *test)
{
	static const enum dma_data_direction accesses[] = {
		CPU_READ, CPU_WRITE, CPU_RW
	};
	const struct single_case *c = test->param_value;
	struct users *u = test->priv;
	const char * const *want;
	unsigned int i;

	if (c->distant)
		add_distant(u, "dev", c->dir);
	else
		add_device(u, "dev", c->kind, c->dir);
	shim_mark(u->shim);
	for (i = 0; i < ARRAY_SIZE(accesses); i++) {
		cpu_begin(u, accesses[i]);
		fake_expect_syncs(test, __FILE__, __LINE__, c->begin[0],
				  c->begin[1], NULL);
		cpu_end(u, accesses[i]);
		want = accesses[i] == CPU_READ ? c->end_read : c->end_write;
		fake_expect_syncs(test, __FILE__, __LINE__, want[0], want[1],
				  NULL);
	}
}

static void nobody_attached_nothing_synced(struct kunit *test)
{
	struct users *u = test->priv;

	cpu_begin(u, CPU_RW);
	cpu_end(u, CPU_RW);
	FAKE_EXPECT_SYNCS(test);
}

/* An attachment without a mapping has no addresses to sync. */
static void attached_but_not_mapped_is_not_synced(struct kunit *test)
{
	struct users *u = test->priv;

	importer_create(u, fake_device_create(test, "cam", FAKE_NONCOHERENT));
	cpu_begin(u, CPU_RW);
	cpu_end(u, CPU_RW);
	FAKE_EXPECT_SYNCS(test);
	KUNIT_EXPECT_EQ(test, 0, shim_count(u->shim, SHIM_DMA_MAP_SGTABLE));
}

/* H1, H4: everyone in one order, caches first, whatever the order of mapping. */
static void mixed_devices_in_the_safe_order(struct kunit *test)
{
	struct users *u = test->priv;

	add_device(u, "scan", FAKE_BOUNCED, DMA_TO_DEVICE);
	add_distant(u, "usb", DMA_FROM_DEVICE);
	add_device(u, "isp", FAKE_NONCOHERENT, DMA_BIDIRECTIONAL);
	add_device(u, "npu", FAKE_OPAQUE, DMA_TO_DEVICE);
	add_device(u, "cam", FAKE_NONCOHERENT, DMA_FROM_DEVICE);
	add_device(u, "gpu", FAKE_COHERENT, DMA_TO_DEVICE);
	add_device(u, "disp", FAKE_NONCOHERENT, DMA_TO_DEVICE);
	shim_mark(u->shim);

	cpu_begin(u, CPU_READ);
	FAKE_EXPECT_SYNCS(test, "for_cpu isp BIDIRECTIONAL",
			  "for_cpu cam BIDIRECTIONAL",
			  "for_cpu usb BIDIRECTIONAL x1 copies",
			  "for_device usb BIDIRECTIONAL x1 copies");
	cpu_end(u, CPU_READ);
	FAKE_EXPECT_SYNCS(test, "for_cpu usb BIDIRECTIONAL x1 copies",
			  "for_device usb BIDIRECTIONAL x1 copies",
			  "for_device isp BIDIRECTIONAL",
			  "for_device cam BIDIRECTIONAL",
			  "for_device disp TO_DEVICE");

	fanout_sync_policy = SYNC_POLICY_MINIMAL;
	cpu_begin(u, CPU_RW);
	FAKE_EXPECT_SYNCS(test, "for_cpu isp BIDIRECTIONAL",
			  "for_cpu usb BIDIRECTIONAL x1 copies",
			  "for_device usb BIDIRECTIONAL x1 copies");
	cpu_end(u, CPU_RW);
	FAKE_EXPECT_SYNCS(test, "for_cpu usb BIDIRECTIONAL x1 copies",
			  "for_device usb BIDIRECTIONAL x1 copies",
			  "for_device isp BIDIRECTIONAL");
}

/*
 * H4: what a merge stored lies in the caches alone, and the next begin would
 * drop it there: so it is cleaned at once, if there was anything.
 */
static void what_was_merged_is_cleaned(struct kunit *test)
{
	struct users *u = test->priv;
	struct importer *usb = add_distant(u, "usb", DMA_FROM_DEVICE);

	add_device(u, "cam", FAKE_NONCOHERENT, DMA_FROM_DEVICE);
	add_device(u, "disp", FAKE_NONCOHERENT, DMA_TO_DEVICE);
	shim_mark(u->shim);
	importer_store(usb, 0, 1);
	cpu_begin(u, CPU_READ);
	FAKE_EXPECT_SYNCS(test, "for_cpu cam BIDIRECTIONAL",
			  "for_cpu usb BIDIRECTIONAL x1 copies",
			  "for_device usb BIDIRECTIONAL x1 copies",
			  "for_device cam BIDIRECTIONAL");
	cpu_begin(u, CPU_READ);
	FAKE_EXPECT_SYNCS(test, "for_cpu cam BIDIRECTIONAL",
			  "for_cpu usb BIDIRECTIONAL x1 copies",
			  "for_device usb BIDIRECTIONAL x1 copies");
}

/* ... for writers only: nobody invalidates for a reader. */
static void what_was_merged_need_not_be_cleaned_for_readers(struct kunit *test)
{
	struct users *u = test->priv;
	struct importer *usb = add_distant(u, "usb", DMA_FROM_DEVICE);

	add_device(u, "disp", FAKE_NONCOHERENT, DMA_TO_DEVICE);
	shim_mark(u->shim);
	importer_store(usb, 0, 1);
	cpu_begin(u, CPU_READ);
	FAKE_EXPECT_SYNCS(test, "for_cpu usb BIDIRECTIONAL x1 copies",
			  "for_device usb BIDIRECTIONAL x1 copies");
	cpu_end(u, CPU_READ);
	FAKE_EXPECT_SYNCS(test, "for_cpu usb BIDIRECTIONAL x1 copies",
			  "for_device usb BIDIRECTIONAL x1 copies",
			  "for_device disp TO_DEVICE");
}

/* H14: what a coherent device left in a cache survives the invalidate. */
static void coherent_writer_is_cleaned_before_an_invalidate(struct kunit *test)
{
	struct users *u = test->priv;

	fanout_sync_policy = SYNC_POLICY_MINIMAL;
	add_device(u, "gpu", FAKE_COHERENT, DMA_FROM_DEVICE);
	add_device(u, "cam", FAKE_NONCOHERENT, DMA_FROM_DEVICE);
	shim_mark(u->shim);
	cpu_begin(u, CPU_READ);
	FAKE_EXPECT_SYNCS(test, "for_device cam BIDIRECTIONAL",
			  "for_cpu cam BIDIRECTIONAL");
}

/* Where for_cpu() may do nothing, for_device() is there to invalidate. */
static void for_device_invalidates_where_for_cpu_is_lazy(struct kunit *test)
{
	struct users *u = test->priv;

	fake_device_create(test, "any", FAKE_COHERENT);
	fake_device_lazy_for_cpu(true);
	add_device(u, "cam", FAKE_NONCOHERENT, DMA_FROM_DEVICE);
	FAKE_EXPECT_SYNCS(test, "for_device cam BIDIRECTIONAL");
	cpu_begin(u, CPU_READ);
	FAKE_EXPECT_SYNCS(test, "for_device cam BIDIRECTIONAL",
			  "for_cpu cam BIDIRECTIONAL");
}

/* H8: each mapping of one attachment is a peer, with a table of its own. */
static void mapped_twice_is_two_peers(struct kunit *test)
{
	struct users *u = test->priv;
	struct importer *cam, again;

	cam = add_device(u, "cam", FAKE_NONCOHERENT, DMA_FROM_DEVICE);
	again = (struct importer) { .attachment = cam->attachment };
	KUNIT_ASSERT_EQ(test, 0, importer_map(&again, DMA_TO_DEVICE));
	KUNIT_EXPECT_PTR_NE(test, cam->sgt, again.sgt);
	KUNIT_EXPECT_EQ(test, 2, cam->fake->nr_mappings);
	shim_mark(u->shim);

	cpu_begin(u, CPU_RW);
	FAKE_EXPECT_SYNCS(test, "for_cpu cam BIDIRECTIONAL");
	cpu_end(u, CPU_RW);
	FAKE_EXPECT_SYNCS(test, "for_device cam BIDIRECTIONAL",
			  "for_device cam TO_DEVICE");

	importer_unmap(cam);
	shim_mark(u->shim);
	cpu_begin(u, CPU_RW);
	FAKE_EXPECT_SYNCS(test);
	cpu_end(u, CPU_RW);
	FAKE_EXPECT_SYNCS(test, "for_device cam TO_DEVICE");
	importer_unmap(&again);
}

/* ... whose pieces DMA API debugging could not tell apart. */
static void mapped_twice_is_flushed_whole(struct kunit *test)
{
	struct users *u = test->priv;
	struct importer *cam, again;

	cam = add_device(u, "cam", FAKE_NONCOHERENT, DMA_FROM_DEVICE);
	again = (struct importer) { .attachment = cam->attachment };
	KUNIT_ASSERT_EQ(test, 0, importer_map(&again, DMA_TO_DEVICE));
	cpu_begin(u, CPU_WRITE);
	shim_mark(u->shim);
	cpu_begin(u, CPU_READ);
	FAKE_EXPECT_SYNCS(test, "for_device cam BIDIRECTIONAL",
			  "for_cpu cam BIDIRECTIONAL");
	cpu_end(u, CPU_READ);
	cpu_end(u, CPU_WRITE);
	importer_unmap(&again);
}

/* A read for which there is nothing to do waits for nobody. */
static void an_idle_read_takes_no_lock(struct kunit *test)
{
	struct users *u = test->priv;
	struct dma_buf *dmabuf = u->dmabuf;

	add_device(u, "gpu", FAKE_COHERENT, DMA_FROM_DEVICE);
	dma_resv_lock(dmabuf->resv, NULL);
	KUNIT_EXPECT_EQ(test, 0, dmabuf->ops->begin_cpu_access(dmabuf,
							       CPU_READ));
	KUNIT_EXPECT_EQ(test, 0, dmabuf->ops->end_cpu_access(dmabuf, CPU_READ));
	dma_resv_unlock(dmabuf->resv);
}

/* Maps and unmaps. */

/*
 * H13: a mapping that joins is a whole access by the kernel, so that its device
 * and all the others have what is newest.
 */
static void a_map_fetches_and_pushes_for_everybody(struct kunit *test)
{
	struct users *u = test->priv;

	add_device(u, "cam", FAKE_NONCOHERENT, DMA_FROM_DEVICE);
	FAKE_EXPECT_SYNCS(test, "for_device cam BIDIRECTIONAL");
	add_distant(u, "scan", DMA_TO_DEVICE);
	FAKE_EXPECT_SYNCS(test, "for_cpu cam BIDIRECTIONAL",
			  "for_cpu scan TO_DEVICE x1 copies",
			  "for_device scan TO_DEVICE x1 copies",
			  "for_device cam BIDIRECTIONAL");
	/* It is between fetch and push that the copy gets its first data. */
	add_distant(u, "usb", DMA_FROM_DEVICE);
	FAKE_EXPECT_SYNCS(test, "for_cpu cam BIDIRECTIONAL",
			  "for_cpu usb BIDIRECTIONAL x1 copies",
			  "for_device usb BIDIRECTIONAL x1 copies",
			  "for_device cam BIDIRECTIONAL");
	add_device(u, "gpu", FAKE_COHERENT, DMA_TO_DEVICE);
	FAKE_EXPECT_SYNCS(test, "for_cpu cam BIDIRECTIONAL",
			  "for_cpu usb BIDIRECTIONAL x1 copies",
			  "for_device usb BIDIRECTIONAL x1 copies",
			  "for_cpu usb BIDIRECTIONAL x1 copies",
			  "for_device usb BIDIRECTIONAL x1 copies",
			  "for_device cam BIDIRECTIONAL");
}

/* H13: a writer's data is fetched when it leaves, and end does not miss it. */
static void unmapped_between_begin_and_end(struct kunit *test)
{
	struct users *u = test->priv;
	struct importer *cam;

	cam = add_device(u, "cam", FAKE_NONCOHERENT, DMA_FROM_DEVICE);
	add_device(u, "disp", FAKE_NONCOHERENT, DMA_TO_DEVICE);
	add_distant(u, "scan", DMA_TO_DEVICE);
	shim_mark(u->shim);

	cpu_begin(u, CPU_READ);
	FAKE_EXPECT_SYNCS(test, "for_cpu cam BIDIRECTIONAL");
	importer_unmap(cam);
	FAKE_EXPECT_SYNCS(test, "for_cpu cam BIDIRECTIONAL",
			  "for_cpu scan TO_DEVICE x1 copies",
			  "for_device scan TO_DEVICE x1 copies",
			  "for_device cam BIDIRECTIONAL",
			  "for_device disp TO_DEVICE");
	cpu_end(u, CPU_READ);
	FAKE_EXPECT_SYNCS(test);
}

/* A device that only reads has nothing that anybody misses. */
static void a_reader_leaves_without_a_sync(struct kunit *test)
{
	struct users *u = test->priv;
	struct importer *disp, *scan;

	add_device(u, "cam", FAKE_NONCOHERENT, DMA_FROM_DEVICE);
	disp = add_device(u, "disp", FAKE_NONCOHERENT, DMA_TO_DEVICE);
	scan = add_distant(u, "scan", DMA_TO_DEVICE);
	shim_mark(u->shim);
	importer_unmap(disp);
	importer_unmap(scan);
	FAKE_EXPECT_SYNCS(test);
	cpu_end(u, CPU_RW);
	FAKE_EXPECT_SYNCS(test, "for_device cam BIDIRECTIONAL");
}

/* Where in the record the last call of a function is. */
static int last_call(struct users *u, enum shim_fn fn)
{
	struct shim_record *rec = shim_last(u->shim, fn);

	return rec ? rec - u->shim->records : -1;
}

/* H13: the sync comes before the unmap, while the addresses are good. */
static void writer_is_fetched_before_it_is_unmapped(struct kunit *test)
{
	struct users *u = test->priv;
	struct importer *cam, *usb;

	cam = add_device(u, "cam", FAKE_NONCOHERENT, DMA_FROM_DEVICE);
	shim_mark(u->shim);
	importer_unmap(cam);
	KUNIT_EXPECT_GE(test, last_call(u, SHIM_DMA_SYNC_SGTABLE_FOR_CPU), 0);
	KUNIT_EXPECT_GT(test, last_call(u, SHIM_DMA_UNMAP_SGTABLE),
			last_call(u, SHIM_DMA_SYNC_SGTABLE_FOR_CPU));

	usb = add_distant(u, "usb", DMA_FROM_DEVICE);
	shim_mark(u->shim);
	importer_unmap(usb);
	KUNIT_EXPECT_GE(test, last_call(u, SHIM_DMA_SYNC_SINGLE_FOR_CPU), 0);
	KUNIT_EXPECT_GT(test, last_call(u, SHIM_DMA_UNMAP_PAGE_ATTRS),
			last_call(u, SHIM_DMA_SYNC_SINGLE_FOR_CPU));
}

/* Mixed mappings. */

#define COPY_OF_DEV	"for_cpu dev BIDIRECTIONAL x1 copies",		\
			"for_device dev BIDIRECTIONAL x1 copies"

/* H18: own pages and copies, each as their kind wants it, caches first. */
static void mixed_mapping_is_synced_in_halves(struct kunit *test)
{
	struct users *u = test->priv;
	struct importer *dev;

	use_block(u, 3, NULL, 0);
	dev = add_mixed(u, "dev", FAKE_NONCOHERENT, DMA_FROM_DEVICE);
	shim_mark(u->shim);
	cpu_begin(u, CPU_READ);
	FAKE_EXPECT_SYNCS(test, "for_cpu dev BIDIRECTIONAL",
			  COPY_OF_DEV, COPY_OF_DEV, COPY_OF_DEV, COPY_OF_DEV);
	cpu_end(u, CPU_READ);
	FAKE_EXPECT_SYNCS(test, "for_cpu dev BIDIRECTIONAL x1 copies",
			  "for_device dev BIDIRECTIONAL x1 copies",
			  "for_cpu dev BIDIRECTIONAL x1 copies",
			  "for_device dev BIDIRECTIONAL x1 copies",
			  "for_cpu dev BIDIRECTIONAL x1 copies",
			  "for_device dev BIDIRECTIONAL x1 copies",
			  "for_cpu dev BIDIRECTIONAL x1 copies",
			  "for_device dev BIDIRECTIONAL x1 copies",
			  "for_device dev BIDIRECTIONAL");

	/* Its own pages are all that is flushed. */
	cpu_begin(u, CPU_WRITE);
	shim_mark(u->shim);
	cpu_begin(u, CPU_READ);
	FAKE_EXPECT_SYNCS(test, "flush dev BIDIRECTIONAL x4",
			  COPY_OF_DEV, COPY_OF_DEV, COPY_OF_DEV, COPY_OF_DEV);

	importer_unmap(dev);
	shim_mark(u->shim);
	cpu_begin(u, CPU_RW);
	cpu_end(u, CPU_RW);
	FAKE_EXPECT_SYNCS(test);
}

/* H18: of a coherent device nothing is synced, copies or not. */
static void mixed_mapping_of_a_coherent_device_is_not_synced(struct kunit *test)
{
	struct users *u = test->priv;

	use_block(u, 3, NULL, 0);
	add_mixed(u, "dev", FAKE_COHERENT, DMA_FROM_DEVICE);
	cpu_begin(u, CPU_RW);
	cpu_end(u, CPU_RW);
	FAKE_EXPECT_SYNCS(test);
}

/* H18: a half that writes stands for itself alone, and others for themselves. */
static void a_half_does_not_stand_for_the_whole(struct kunit *test)
{
	struct users *u = test->priv;

	fanout_sync_policy = SYNC_POLICY_MINIMAL;
	use_block(u, 3, NULL, 0);
	add_mixed(u, "dev", FAKE_NONCOHERENT, DMA_FROM_DEVICE);
	add_device(u, "disp", FAKE_NONCOHERENT, DMA_TO_DEVICE);
	cpu_begin(u, CPU_READ);
	shim_mark(u->shim);
	cpu_end(u, CPU_READ);
	FAKE_EXPECT_SYNCS(test, "for_cpu dev BIDIRECTIONAL x1 copies",
			  "for_device dev BIDIRECTIONAL x1 copies",
			  "for_cpu dev BIDIRECTIONAL x1 copies",
			  "for_device dev BIDIRECTIONAL x1 copies",
			  "for_cpu dev BIDIRECTIONAL x1 copies",
			  "for_device dev BIDIRECTIONAL x1 copies",
			  "for_cpu dev BIDIRECTIONAL x1 copies",
			  "for_device dev BIDIRECTIONAL x1 copies",
			  "for_device dev BIDIRECTIONAL",
			  "for_device disp TO_DEVICE");
	/* ... until somebody writes who covers all. */
	add_device(u, "cam", FAKE_NONCOHERENT, DMA_FROM_DEVICE);
	shim_mark(u->shim);
	cpu_end(u, CPU_READ);
	FAKE_EXPECT_SYNCS(test, "for_cpu dev BIDIRECTIONAL x1 copies",
			  "for_device dev BIDIRECTIONAL x1 copies",
			  "for_cpu dev BIDIRECTIONAL x1 copies",
			  "for_device dev BIDIRECTIONAL x1 copies",
			  "for_cpu dev BIDIRECTIONAL x1 copies",
			  "for_device dev BIDIRECTIONAL x1 copies",
			  "for_cpu dev BIDIRECTIONAL x1 copies",
			  "for_device dev BIDIRECTIONAL x1 copies",
			  "for_device cam BIDIRECTIONAL");
}

/* What it costs. */

/* The policy changes under a living buffer, from one event to the next. */
static void policy_changes_at_run_time(struct kunit *test)
{
	struct users *u = test->priv;

	add_device(u, "cam", FAKE_NONCOHERENT, DMA_FROM_DEVICE);
	add_device(u, "isp", FAKE_NONCOHERENT, DMA_FROM_DEVICE);
	shim_mark(u->shim);
	cpu_begin(u, CPU_READ);
	FAKE_EXPECT_SYNCS(test, "for_cpu cam BIDIRECTIONAL",
			  "for_cpu isp BIDIRECTIONAL");
	fanout_sync_policy = SYNC_POLICY_MINIMAL;
	cpu_end(u, CPU_READ);
	FAKE_EXPECT_SYNCS(test, "for_device cam BIDIRECTIONAL");
	cpu_begin(u, CPU_READ);
	FAKE_EXPECT_SYNCS(test, "for_cpu cam BIDIRECTIONAL");
	fanout_sync_policy = SYNC_POLICY_ALL;
	cpu_end(u, CPU_READ);
	FAKE_EXPECT_SYNCS(test, "for_device cam BIDIRECTIONAL",
			  "for_device isp BIDIRECTIONAL");
	fanout_sync_policy = SYNC_POLICY_MINIMAL;
	add_device(u, "disp", FAKE_NONCOHERENT, DMA_TO_DEVICE);
	FAKE_EXPECT_SYNCS(test, "for_cpu cam BIDIRECTIONAL",
			  "for_device cam BIDIRECTIONAL");
}

/* A read access that has nothing to sync takes no lock and asks no fence. */
static void reading_what_only_readers_have_mapped_is_free(struct kunit *test)
{
	struct users *u = test->priv;
	struct process other = { };

	create_processes(u, &other, 1);
	add_distant(u, "scan", DMA_TO_DEVICE);
	add_device(u, "disp", FAKE_NONCOHERENT, DMA_TO_DEVICE);
	shim_mark(u->shim);
	cpu_begin(u, CPU_READ);
	cpu_end(u, CPU_READ);
	KUNIT_EXPECT_EQ(test, u->shim->mark, u->shim->nr);

	/* ... as long as nobody has a write access open. */
	process_begins(&other, CPU_WRITE);
	cpu_begin(u, CPU_READ);
	cpu_end(u, CPU_READ);
	FAKE_EXPECT_SYNCS(test, "for_cpu scan TO_DEVICE x1 copies",
			  "for_device scan TO_DEVICE x1 copies",
			  "for_device disp TO_DEVICE");
}

/* H9: ninety-six importers cost what two cost. */
static void many_importers_cost_what_one_costs(struct kunit *test)
{
	struct users *u = test->priv;
	struct fanout_buffer *buffer = u->dmabuf->priv;
	struct fake_device *fakes[3];
	unsigned int i;

	fanout_sync_policy = SYNC_POLICY_MINIMAL;
	fakes[0] = fake_device_create(test, "cam", FAKE_NONCOHERENT);
	fakes[1] = fake_device_create(test, "gpu", FAKE_COHERENT);
	fakes[2] = fake_device_create(test, "usb", FAKE_BOUNCED);
	fakes[2]->coherent = false;
	for (i = 0; i < 96; i++) {
		KUNIT_ASSERT_EQ(test, 0,
				importer_map(importer_create(u, fakes[i % 3]),
					     i % 3 == 1 ? DMA_TO_DEVICE :
							  DMA_FROM_DEVICE));
		shim_reset(u->shim);
	}
	cpu_begin(u, CPU_RW);
	FAKE_EXPECT_SYNCS(test, "for_cpu cam BIDIRECTIONAL",
			  "for_cpu usb BIDIRECTIONAL x1 copies",
			  "for_device usb BIDIRECTIONAL x1 copies");
	cpu_end(u, CPU_RW);
	FAKE_EXPECT_SYNCS(test, "for_cpu usb BIDIRECTIONAL x1 copies",
			  "for_device usb BIDIRECTIONAL x1 copies",
			  "for_device cam BIDIRECTIONAL");
	/* One copy and its twin. */
	KUNIT_EXPECT_EQ(test, 2 * PAGES, shadow_pages(&buffer->shadow));
}

/* All of it, judged by DMA API debugging. */

/*
 * H7: recorded, and then for real: DMA API debugging finds no fault with any
 * map, sync or unmap, nor with copies of opaque devices, under both policies,
 * with maps and unmaps inside open accesses.
 */
static void dma_api_debugging_finds_nothing(struct kunit *test)
{
	static const enum fake_kind kinds[] = {
		FAKE_COHERENT, FAKE_NONCOHERENT, FAKE_OPAQUE
	};
	static const enum dma_data_direction dirs[] = {
		DMA_TO_DEVICE, DMA_FROM_DEVICE, DMA_BIDIRECTIONAL
	};
	u32 *errors = files_debugfs_value("dma-api", "error_count");
	bool *disabled = files_debugfs_value("dma-api", "disabled");
	struct users *u = test->priv;
	struct importer *one, *two;
	unsigned int i, syncs = 0;
	struct fake_device *a, *b;
	u32 before;

	if (!errors || !disabled)
		kunit_skip(test, "needs CONFIG_DMA_API_DEBUG");
	before = *errors;
	KUNIT_ASSERT_FALSE(test, *disabled);
	for (i = 0; i < 2 * 9 * 9; i++) {
		fanout_sync_policy = i % 2;
		a = fake_device_create(test, "cam", kinds[i / 2 % 3]);
		b = fake_device_create(test, "gpu", kinds[i / 6 % 3]);
		a->real_dma = true;
		b->real_dma = true;
		one = importer_create(u, a);
		two = importer_create(u, b);
		KUNIT_ASSERT_EQ(test, 0,
				importer_map(one, dirs[i / 18 % 3]));
		cpu_begin(u, CPU_READ);
		KUNIT_ASSERT_EQ(test, 0, importer_map(two, dirs[i / 54]));
		cpu_begin(u, CPU_WRITE);
		cpu_begin(u, CPU_READ);
		cpu_end(u, CPU_WRITE);
		importer_unmap(one);
		cpu_end(u, CPU_READ);
		importer_go(two);
		importer_go(one);
		syncs += u->shim->calls[SHIM_DMA_SYNC_SGTABLE_FOR_CPU] +
			 u->shim->calls[SHIM_DMA_SYNC_SGTABLE_FOR_DEVICE] +
			 u->shim->calls[SHIM_DMA_SYNC_SINGLE_FOR_CPU];
		fake_device_destroy(b);
		fake_device_destroy(a);
		shim_reset(u->shim);
	}
	KUNIT_EXPECT_GT(test, syncs, i);
	KUNIT_EXPECT_EQ(test, before, *errors);
	KUNIT_EXPECT_FALSE(test, *disabled);
}

static struct kunit_case fanout_test_cases[] = {
	KUNIT_CASE_PARAM(device_is_synced_in_its_mapped_direction,
			 single_gen_params),
	KUNIT_CASE(nobody_attached_nothing_synced),
	KUNIT_CASE(attached_but_not_mapped_is_not_synced),
	KUNIT_CASE(mixed_devices_in_the_safe_order),
	KUNIT_CASE(what_was_merged_is_cleaned),
	KUNIT_CASE(what_was_merged_need_not_be_cleaned_for_readers),
	KUNIT_CASE(coherent_writer_is_cleaned_before_an_invalidate),
	KUNIT_CASE(for_device_invalidates_where_for_cpu_is_lazy),
	KUNIT_CASE(mapped_twice_is_two_peers),
	KUNIT_CASE(mapped_twice_is_flushed_whole),
	KUNIT_CASE(an_idle_read_takes_no_lock),
	KUNIT_CASE(a_map_fetches_and_pushes_for_everybody),
	KUNIT_CASE(unmapped_between_begin_and_end),
	KUNIT_CASE(a_reader_leaves_without_a_sync),
	KUNIT_CASE(writer_is_fetched_before_it_is_unmapped),
	KUNIT_CASE(mixed_mapping_is_synced_in_halves),
	KUNIT_CASE(mixed_mapping_of_a_coherent_device_is_not_synced),
	KUNIT_CASE(a_half_does_not_stand_for_the_whole),
	KUNIT_CASE(policy_changes_at_run_time),
	KUNIT_CASE(reading_what_only_readers_have_mapped_is_free),
	KUNIT_CASE(many_importers_cost_what_one_costs),
	KUNIT_CASE(dma_api_debugging_finds_nothing),
	{ }
};

static struct kunit_suite fanout_test_suite = {
	.name = "udmabuf_fanout_fanout",
	.init = users_init,
	.exit = users_exit,
	.test_cases = fanout_test_cases,
};

kunit_test_suite(fanout_test_suite);
