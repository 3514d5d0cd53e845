// SPDX-License-Identifier: GPL-2.0
/*
 * What an importer gets: the direction, the table and its entries, the buffer's
 * own pages or copies, what the device can take of them, and maps that fail.
 *
 * Would miss: an importer that reads its table in another way than the DMA API
 * says, and what the fakes imitate wrongly (bounced_test.c has real devices).
 */
#include <kunit/test.h>
#include <linux/dma-buf.h>
#include <linux/dma-mapping.h>
#include <linux/dma-resv.h>
#include <linux/scatterlist.h>
#include <linux/sizes.h>
#include <linux/slab.h>
#include <linux/udmabuf.h>

#include "../driver/buffer.h"
#include "../driver/mapping.h"
#include "importer.h"

/* Each kind of memory that a device can have. */
struct memory_case {
	const char *name;
	enum fake_kind kind;
	bool forced;
};

static const struct memory_case memory_cases[] = {
	{ "own pages", FAKE_NONCOHERENT, false },
	{ "shared copy", FAKE_BOUNCED, false },
	{ "private copy", FAKE_COHERENT, true },
	{ "coherent copy", FAKE_OPAQUE, false },
};

KUNIT_ARRAY_PARAM_DESC(memory, memory_cases, name);

static struct fake_device *create_case(struct kunit *test, const char *name)
{
	const struct memory_case *c = test->param_value;
	struct fake_device *fake = fake_device_create(test, name, c->kind);

	fake->forced = c->forced;
	return fake;
}

/* Directions. */

/* H5: a writer is mapped both ways, a reader never. */
static void from_device_is_widened_and_to_device_is_not(struct kunit *test)
{
	static const enum dma_data_direction want[][2] = {
		{ DMA_TO_DEVICE, DMA_TO_DEVICE },
		{ DMA_FROM_DEVICE, DMA_BIDIRECTIONAL },
		{ DMA_BIDIRECTIONAL, DMA_BIDIRECTIONAL },
	};
	struct users *u = test->priv;
	struct importer *cam, *usb;
	struct shim_record *rec;
	unsigned int i;

	cam = importer_create(u, fake_device_create(test, "cam",
						    FAKE_NONCOHERENT));
	usb = importer_create(u, fake_device_create(test, "usb", FAKE_BOUNCED));
	for (i = 0; i < ARRAY_SIZE(want); i++) {
		KUNIT_ASSERT_EQ(test, 0, importer_map(cam, want[i][0]));
		rec = shim_last(u->shim, SHIM_DMA_MAP_SGTABLE);
		KUNIT_ASSERT_NOT_NULL(test, rec);
		KUNIT_EXPECT_EQ(test, want[i][1], rec->dma_map_sgtable.dir);
		/* H7: every sync is a step of the plan. */
		KUNIT_EXPECT_TRUE(test, rec->dma_map_sgtable.attrs &
					DMA_ATTR_SKIP_CPU_SYNC);
		importer_unmap(cam);

		KUNIT_ASSERT_EQ(test, 0, importer_map(usb, want[i][0]));
		rec = shim_last(u->shim, SHIM_DMA_MAP_PAGE_ATTRS);
		KUNIT_ASSERT_NOT_NULL(test, rec);
		KUNIT_EXPECT_EQ(test, want[i][1], rec->dma_map_page_attrs.dir);
		KUNIT_EXPECT_TRUE(test, rec->dma_map_page_attrs.attrs &
					DMA_ATTR_SKIP_CPU_SYNC);
		importer_unmap(usb);
	}
	KUNIT_EXPECT_EQ(test, -EINVAL, importer_map(cam, DMA_NONE));
	KUNIT_EXPECT_EQ(test, -EINVAL, importer_map(usb, DMA_NONE));
}

/* The importer's table. */

/*
 * H8: an importer that writes all over its table disturbs nobody: the fake DMA
 * layer fails the test if a sync or the unmap uses that table or a changed one.
 */
static void importers_table_is_its_own(struct kunit *test)
{
	static struct scatterlist other[1];
	struct users *u = test->priv;
	struct scatterlist *sg;
	struct importer *cam;
	int i;

	cam = importer_create(u, create_case(test, "cam"));
	importer_map_bare(cam, DMA_FROM_DEVICE);
	KUNIT_EXPECT_PTR_NE(test, cam->sgt, fake_device_table(cam->fake));
	for_each_sgtable_sg(cam->sgt, sg, i) {
		sg->length = 1;
		sg->offset = 7;
		sg_dma_address(sg) = 0xbad;
	}
	cam->sgt->nents = 0;
	cpu_begin(u, CPU_RW);
	cpu_begin(u, CPU_RW);
	cpu_end(u, CPU_RW);
	/* It is not freed through what the importer made of it either. */
	sg_init_table(other, ARRAY_SIZE(other));
	cam->sgt->sgl = other;
	cam->sgt->orig_nents = ARRAY_SIZE(other);
	importer_unmap(cam);
}

/* H8: the importer's table says all that the mapped one does. */
static void importers_table_is_complete(struct kunit *test)
{
	struct users *u = test->priv;
	struct scatterlist *sg, *own;
	struct fake_device *fake;
	struct importer *cam;
	size_t length = 0;
	int i;

	fake = fake_device_create(test, "cam", FAKE_NONCOHERENT);
	fake->max_seg_size = PAGE_SIZE;
	cam = importer_create(u, fake);
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

/* ... to its end, if it is long. */
static void a_long_table_is_complete(struct kunit *test)
{
	struct users *u = test->priv;
	struct scatterlist *sg, *own;
	struct fake_device *fake;
	struct importer *cam;
	const u32 nr = 9000;
	int i;

	u->dmabuf = export_pages(test, nr);
	bitmap_fill(u->shim->ignored, SHIM_NR_FNS);
	fake = fake_device_create(test, "cam", FAKE_COHERENT);
	fake->max_seg_size = PAGE_SIZE;
	cam = importer_create(u, fake);
	importer_map_bare(cam, DMA_FROM_DEVICE);
	KUNIT_ASSERT_EQ(test, nr, cam->sgt->orig_nents);
	own = fake_device_table(fake)->sgl;
	for_each_sgtable_sg(cam->sgt, sg, i) {
		KUNIT_ASSERT_PTR_EQ_MSG(test, sg_page(own), sg_page(sg),
					"entry %d", i);
		KUNIT_ASSERT_EQ(test, sg_dma_address(own), sg_dma_address(sg));
		own = sg_next(own);
	}
}

/*
 * Every entry has a place, a length and a DMA address, every page that the CPU
 * may look at is the one the device uses, and the last one is marked.
 */
static void check_importers_table(struct importer *importer, size_t size)
{
	struct kunit *test = importer->fake->test;
	struct sg_table *sgt = importer->sgt;
	struct scatterlist *sg;
	size_t length = 0;
	int i;

	KUNIT_EXPECT_EQ(test, sgt->nents, sgt->orig_nents);
	for_each_sgtable_sg(sgt, sg, i) {
		KUNIT_EXPECT_EQ(test, 0, sg->offset);
		KUNIT_EXPECT_EQ(test, sg->length, sg_dma_len(sg));
		KUNIT_EXPECT_EQ(test, i == sgt->orig_nents - 1,
				!!sg_is_last(sg));
		if (sg_page(sg))
			KUNIT_EXPECT_EQ(test, sg_dma_address(sg), sg_phys(sg));
		length += sg->length;
	}
	KUNIT_EXPECT_EQ(test, size, length);
	KUNIT_EXPECT_EQ(test, sgt->orig_nents, sg_nents(sgt->sgl));
}

/* H8: ... whatever memory it is made of. */
static void every_table_is_complete(struct kunit *test)
{
	const struct memory_case *c = test->param_value;
	struct users *u = test->priv;
	struct fake_device *fake;
	struct importer *cam;
	u32 page;

	fake = create_case(test, "cam");
	fake->max_seg_size = 3 * PAGE_SIZE;
	cam = importer_create(u, fake);
	importer_map_bare(cam, DMA_FROM_DEVICE);
	check_importers_table(cam, PAGES * PAGE_SIZE);
	KUNIT_EXPECT_EQ(test, c->kind == FAKE_OPAQUE,
			!sg_page(cam->sgt->sgl));
	KUNIT_EXPECT_NE(test, c->kind == FAKE_NONCOHERENT,
			fake_device_is_copy(fake,
					    sg_dma_address(cam->sgt->sgl)));

	for (page = 0; page < PAGES; page++)
		importer_store(cam, page * PAGE_SIZE, page + 1);
	cpu_begin(u, CPU_READ);
	for (page = 0; page < PAGES; page++)
		KUNIT_EXPECT_EQ(test, page + 1, cpu_load(u, page * PAGE_SIZE));
	cpu_end(u, CPU_READ);
}

/* H8, H18: ... and if there is some of each. */
static void a_mixed_table_is_complete_and_in_order(struct kunit *test)
{
	struct users *u = test->priv;
	struct importer *dev;
	u32 page;
	int i;
	struct scatterlist *sg;

	use_block(u, 3, NULL, 0);
	dev = add_mixed(u, "dev", FAKE_NONCOHERENT, DMA_FROM_DEVICE);
	importer_unmap(dev);
	importer_map_bare(dev, DMA_FROM_DEVICE);
	check_importers_table(dev, PAGES * PAGE_SIZE);
	KUNIT_EXPECT_EQ(test, PAGES, dev->sgt->nents);
	for_each_sgtable_dma_sg(dev->sgt, sg, i)
		KUNIT_EXPECT_EQ(test, i % 2 == 0,
				fake_device_is_copy(dev->fake,
						    sg_dma_address(sg)));

	for (page = 0; page < PAGES; page++)
		importer_store(dev, page * PAGE_SIZE, page + 1);
	/* Across a border. */
	importer_store(dev, 2 * PAGE_SIZE - 4, 0x1111111122222222);
	cpu_begin(u, CPU_READ);
	for (page = 0; page < PAGES; page++)
		KUNIT_EXPECT_EQ(test, page == 2 ? 0x11111111 : page + 1,
				cpu_load(u, page * PAGE_SIZE));
	cpu_end(u, CPU_READ);
}

static unsigned long first_unreached;

static bool lies_beyond(const struct page *page)
{
	return fake_page_is_of_memfd(page) &&
	       page_to_pfn(page) >= first_unreached;
}

/* Which byte of the buffer a page is, as its device sees it. */
static dma_addr_t address_of(struct importer *importer, u32 page)
{
	size_t offset = page * PAGE_SIZE;
	struct scatterlist *sg;
	int i;

	for_each_sgtable_dma_sg(importer->sgt, sg, i) {
		if (offset < sg_dma_len(sg))
			return sg_dma_address(sg) + offset;
		offset -= sg_dma_len(sg);
	}
	return DMA_MAPPING_ERROR;
}

/* One buffer of runs of pages that are reached, and not, in turn. */
static void check_runs(struct users *u, struct fake_device *fake,
		       const u32 *runs, unsigned int nr, bool copied)
{
	struct udmabuf_create_item items[4];
	u32 low = 0, high = 32, run, page = 0, i;
	struct importer *dev;
	bool copy = copied;

	/* With gaps, so that no two are one extent. */
	for (run = 0; run < nr; run++, copy = !copy) {
		items[run] = memory_item(u->mem, copy ? high : low, runs[run]);
		if (copy)
			high += runs[run] + 1;
		else
			low += runs[run] + 1;
	}
	memory_put_buffer(u->test, u->dmabuf);
	u->dmabuf = memory_buffer(u->test, items, nr);
	dev = importer_create(u, fake);
	importer_map_bare(dev, DMA_FROM_DEVICE);
	check_importers_table(dev, PAGES * PAGE_SIZE);
	for (run = 0, copy = copied; run < nr; run++, copy = !copy) {
		for (i = 0; i < runs[run]; i++, page++) {
			KUNIT_EXPECT_EQ(u->test, copy,
					fake_device_is_copy(fake,
							    address_of(dev,
								       page)));
			importer_store(dev, page * PAGE_SIZE, page + 1);
		}
	}
	cpu_begin(u, CPU_READ);
	while (page--)
		KUNIT_EXPECT_EQ(u->test, page + 1,
				cpu_load(u, page * PAGE_SIZE));
	cpu_end(u, CPU_READ);
	importer_go(dev);
	shim_reset(u->shim);
}

/*
 * H18: copies that stand first or last, or are longer or shorter than what is
 * beside them.
 */
static void copies_stand_where_their_pages_do(struct kunit *test)
{
	static const struct {
		u32 runs[4];
		unsigned int nr;
	} cases[] = {
		{ { 8 }, 1 }, { { 3, 5 }, 2 }, { { 1, 6, 1 }, 3 },
		{ { 2, 1, 1, 4 }, 4 }, { { 1, 1, 1, 5 }, 4 },
	};
	struct users *u = test->priv;
	struct fake_device *fake = fake_device_create(test, "dev",
						      FAKE_COHERENT);
	unsigned int i;

	first_unreached = use_block(u, 6, NULL, 0) + 32;
	fake->unreached = lies_beyond;
	for (i = 0; i < 2 * ARRAY_SIZE(cases); i++)
		check_runs(u, fake, cases[i / 2].runs, cases[i / 2].nr, i % 2);
}

/* The last page of all counts like the others. */
static void one_page_out_of_reach_is_enough(struct kunit *test)
{
	struct users *u = test->priv;
	struct udmabuf_create_item item;
	struct fake_device *fake;
	struct importer *dev;

	first_unreached = use_block(u, 3, NULL, 0) + PAGES - 1;
	item = memory_item(u->mem, 0, PAGES);
	memory_put_buffer(test, u->dmabuf);
	u->dmabuf = memory_buffer(test, &item, 1);
	fake = fake_device_create(test, "dev", FAKE_COHERENT);
	fake->unreached = lies_beyond;
	dev = importer_create(u, fake);
	importer_map_bare(dev, DMA_FROM_DEVICE);
	KUNIT_EXPECT_TRUE(test, fake_device_is_copy(fake,
						    address_of(dev, PAGES - 1)));
}

/* H8: behind an IOMMU there are fewer segments than entries. */
static void merged_segments_end_with_zero_lengths(struct kunit *test)
{
	struct users *u = test->priv;
	struct fake_device *fake;
	struct scatterlist *sg;
	struct importer *gpu;
	size_t length = 0;
	int i;

	use_block(u, 3, NULL, 0);
	fake = fake_device_create(test, "gpu", FAKE_NONCOHERENT);
	fake->max_seg_size = 4 * PAGE_SIZE;
	fake_device_merge(fake);
	gpu = importer_create(u, fake);
	importer_map_bare(gpu, DMA_BIDIRECTIONAL);
	KUNIT_EXPECT_EQ(test, fake_device_table(fake)->nents, gpu->sgt->nents);
	for_each_sgtable_sg(gpu->sgt, sg, i) {
		if (i >= gpu->sgt->nents)
			KUNIT_EXPECT_EQ(test, 0, sg_dma_len(sg));
		length += sg_dma_len(sg);
	}
	KUNIT_EXPECT_EQ(test, 2, gpu->sgt->nents);
	KUNIT_EXPECT_EQ(test, PAGES * PAGE_SIZE, length);

	/* What the device writes through them is in the pages. */
	importer_store(gpu, 3 * PAGE_SIZE - 4, 0x1111111122222222);
	KUNIT_EXPECT_EQ(test, 0x11111111, cpu_load(u, 3 * PAGE_SIZE));
}

/* What no device can be given. */

/* A device without a mask would map to nothing, without an error. */
static void device_without_a_mask_is_refused(struct kunit *test)
{
	struct users *u = test->priv;
	struct dma_buf_attachment *attachment;
	struct fake_device *fake;

	fake = fake_device_create(test, "cam", FAKE_COHERENT);
	fake_device_no_mask(fake);
	attachment = dma_buf_attach(u->dmabuf, fake->dev);
	KUNIT_EXPECT_PTR_EQ(test, ERR_PTR(-EINVAL), attachment);
}

/* A mask that allows no address maps to nothing, as no mask does. */
static void device_with_an_empty_mask_is_refused(struct kunit *test)
{
	struct users *u = test->priv;
	struct fake_device *fake = fake_device_create(test, "cam",
						      FAKE_COHERENT);
	u64 mask = *fake->dev->dma_mask;

	*fake->dev->dma_mask = 0;
	KUNIT_EXPECT_PTR_EQ(test, ERR_PTR(-EINVAL),
			    dma_buf_attach(u->dmabuf, fake->dev));
	*fake->dev->dma_mask = mask;
}

/* A map that gives no addresses is an error, although it is none to the core. */
static void map_to_no_entries_is_an_error(struct kunit *test)
{
	struct users *u = test->priv;
	struct importer *cam = importer_create(u, fake_device_create(test, "cam",
							    FAKE_NONCOHERENT));

	fake_device_no_mask(cam->fake);
	shim_mark(u->shim);
	KUNIT_EXPECT_EQ(test, -EINVAL, importer_map(cam, DMA_FROM_DEVICE));
	KUNIT_EXPECT_EQ(test, 1, shim_count(u->shim, SHIM_DMA_MAP_SGTABLE));
}

/*
 * A map that fails changes nobody's syncs and leaves nothing mapped, charged or
 * allocated behind, and the next one succeeds.
 */
static void failed_map_leaves_nothing_behind(struct kunit *test)
{
	const struct memory_case *c = test->param_value;
	struct users *u = test->priv;
	struct fanout_buffer *buffer = u->dmabuf->priv;
	struct importer *cam;

	add_device(u, "gpu", FAKE_NONCOHERENT, DMA_FROM_DEVICE);
	cam = importer_create(u, create_case(test, "cam"));
	shim_mark(u->shim);
	cam->fake->fail_maps = 1;
	/* One page at last, which is tried again with no better luck. */
	cam->fake->fail_allocs = 4;
	KUNIT_EXPECT_EQ(test,
			c->kind == FAKE_OPAQUE || c->forced ? -ENOMEM : -EIO,
			importer_map(cam, DMA_FROM_DEVICE));
	KUNIT_EXPECT_EQ(test, 0, cam->fake->nr_mappings);
	KUNIT_EXPECT_EQ(test, 0, cam->fake->nr_copies);
	KUNIT_EXPECT_EQ(test, 0, shadow_pages(&buffer->shadow));
	cpu_begin(u, CPU_READ);
	FAKE_EXPECT_SYNCS(test, "for_cpu gpu BIDIRECTIONAL");
	cpu_end(u, CPU_READ);
	cam->fake->fail_maps = 0;
	cam->fake->fail_allocs = 0;
	KUNIT_EXPECT_EQ(test, 0, importer_map(cam, DMA_FROM_DEVICE));
}

/* ... nor does one that fails in the middle take a mapping of before along. */
static void failed_map_leaves_others_alone(struct kunit *test)
{
	struct users *u = test->priv;
	struct fanout_buffer *buffer = u->dmabuf->priv;
	struct importer *usb, *cam;
	u64 pages;

	usb = add_device(u, "usb", FAKE_BOUNCED, DMA_TO_DEVICE);
	pages = shadow_pages(&buffer->shadow);
	KUNIT_EXPECT_EQ(test, PAGES, pages);
	cam = importer_create(u, fake_device_create(test, "cam", FAKE_BOUNCED));
	cam->fake->fail_maps = 1;
	/* It would have been a writer, so there was a twin. */
	KUNIT_EXPECT_EQ(test, -EIO, importer_map(cam, DMA_FROM_DEVICE));
	KUNIT_EXPECT_EQ(test, pages, shadow_pages(&buffer->shadow));
	cpu_begin(u, CPU_WRITE);
	cpu_store(u, 0, 1);
	cpu_end(u, CPU_WRITE);
	KUNIT_EXPECT_EQ(test, 1, importer_load(usb, 0));
}

/* The limits of devices. */

/* Every entry, as the device sees it. */
static void check_limits(struct importer *importer, u32 pages)
{
	struct fake_device *fake = importer->fake;
	struct kunit *test = fake->test;
	struct scatterlist *sg;
	size_t size = 0;
	int i;

	for_each_sgtable_dma_sg(importer->sgt, sg, i) {
		u64 first = sg_dma_address(sg);
		u64 last = first + sg_dma_len(sg) - 1;

		KUNIT_EXPECT_LE(test, sg_dma_len(sg), fake->max_seg_size);
		KUNIT_EXPECT_EQ(test, first & ~(u64)fake->seg_boundary,
				last & ~(u64)fake->seg_boundary);
		size += sg_dma_len(sg);
	}
	KUNIT_EXPECT_EQ(test, pages * PAGE_SIZE, size);
}

/* H16: of pages and of copies alike. */
static void entries_keep_to_the_devices_limits(struct kunit *test)
{
	struct users *u = test->priv;
	struct fake_device *fake;
	struct importer *cam;

	u->dmabuf = export_pages(test, 64);
	fake = create_case(test, "cam");
	cam = importer_create(u, fake);

	/* Not a multiple of a page: rounded down. */
	fake->max_seg_size = 3 * PAGE_SIZE + 512;
	KUNIT_ASSERT_EQ(test, 0, importer_map(cam, DMA_TO_DEVICE));
	KUNIT_EXPECT_GE(test, cam->sgt->nents, DIV_ROUND_UP(64, 3));
	check_limits(cam, 64);
	importer_unmap(cam);

	fake->max_seg_size = UINT_MAX;
	fake->seg_boundary = SZ_8K - 1;
	KUNIT_ASSERT_EQ(test, 0, importer_map(cam, DMA_TO_DEVICE));
	KUNIT_EXPECT_GE(test, cam->sgt->nents, 32);
	check_limits(cam, 64);
	importer_unmap(cam);

	/* Both. */
	fake->max_seg_size = 3 * PAGE_SIZE;
	fake->seg_boundary = 8 * PAGE_SIZE - 1;
	KUNIT_ASSERT_EQ(test, 0, importer_map(cam, DMA_TO_DEVICE));
	KUNIT_EXPECT_GE(test, cam->sgt->nents, 24);
	check_limits(cam, 64);
	importer_unmap(cam);

	fake->seg_boundary = ULONG_MAX;
	fake->max_seg_size = PAGE_SIZE - 1;
	KUNIT_EXPECT_EQ(test, -EINVAL, importer_map(cam, DMA_TO_DEVICE));
	fake->max_seg_size = UINT_MAX;
	fake->seg_boundary = SZ_1K - 1;
	KUNIT_EXPECT_EQ(test, -EINVAL, importer_map(cam, DMA_TO_DEVICE));
}

/*
 * H16: what an IOMMU or dma_map_ops map in one piece is a limit, too; what
 * swiotlb does is none, since nothing is mapped through it.
 */
static void entries_keep_to_the_largest_mapping(struct kunit *test)
{
	struct users *u = test->priv;
	struct fake_device *npu, *usb;
	struct importer *importer;
	struct shim_record *rec;

	npu = fake_device_create(test, "npu", FAKE_OPAQUE);
	npu->max_mapping_size = 2 * PAGE_SIZE;
	importer = importer_create(u, npu);
	KUNIT_ASSERT_EQ(test, 0, importer_map(importer, DMA_TO_DEVICE));
	KUNIT_EXPECT_EQ(test, PAGES / 2, importer->sgt->nents);

	usb = fake_device_create(test, "usb", FAKE_BOUNCED);
	usb->max_mapping_size = 2 * PAGE_SIZE;
	shim_mark(u->shim);
	importer = importer_create(u, usb);
	KUNIT_ASSERT_EQ(test, 0, importer_map(importer, DMA_TO_DEVICE));
	KUNIT_EXPECT_EQ(test, 1, importer->sgt->nents);
	rec = shim_last(u->shim, SHIM_DMA_MAP_PAGE_ATTRS);
	KUNIT_ASSERT_NOT_NULL(test, rec);
	KUNIT_EXPECT_EQ(test, PAGES * PAGE_SIZE, rec->dma_map_page_attrs.size);
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

static void map_and_check_entries(struct users *u, struct memory *mem,
				  const struct udmabuf_create_item *items,
				  unsigned int nr_items)
{
	static const unsigned int limits[] = { SZ_4K, SZ_64K, UINT_MAX };
	struct fake_device *fake = fake_device_create(u->test, "cam",
						      FAKE_NONCOHERENT);
	struct importer *cam;
	unsigned int i;

	memory_fill(u->test, mem);
	u->dmabuf = memory_buffer(u->test, items, nr_items);
	cam = importer_create(u, fake);
	for (i = 0; i < ARRAY_SIZE(limits); i++) {
		fake->max_seg_size = limits[i];
		KUNIT_ASSERT_EQ(u->test, 0,
				importer_map(cam, DMA_FROM_DEVICE));
		check_entries(u->test, mem, items, nr_items, fake);
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
	struct users *u = test->priv;
	struct importer *cam;

	memory_fill(test, mem);
	the_folio = page_folio(pfn_to_page(memory_pfn(mem, 0)));
	u->shim->hooks.memfd_pin_folios = pin_one;
	u->shim->hooks.unpin_folio = unpin_nothing;
	__set_bit(SHIM_MEMFD_PIN_FOLIOS, u->shim->ignored);
	__set_bit(SHIM_UNPIN_FOLIO, u->shim->ignored);
	u->dmabuf = memory_buffer(test, &item, 1);
	cam = add_device(u, "cam", FAKE_COHERENT, DMA_TO_DEVICE);
	KUNIT_EXPECT_EQ(test, pages, cam->sgt->nents);
	importer_go(cam);
	/* While nothing is unpinned. */
	memory_put_buffer(test, u->dmabuf);
	u->shim->hooks.memfd_pin_folios = memfd_pin_folios;
	u->shim->hooks.unpin_folio = unpin_folio;
}

#define BLOCK_ORDER	4

/* H16: entries end where the device's boundary is, wherever the memory lies. */
static void entries_end_at_the_boundary(struct kunit *test)
{
	struct users *u = test->priv;
	/* All but one at each end: neither begins nor ends at a boundary. */
	struct udmabuf_create_item item = {
		.offset = PAGE_SIZE,
		.size = (BIT(BLOCK_ORDER) - 2) * PAGE_SIZE,
	};
	struct importer *cam;

	use_block(u, BLOCK_ORDER, &item, 1);
	cam = importer_create(u, fake_device_create(test, "cam", FAKE_COHERENT));
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
 * Then the device gets a copy.
 */
static void marked_lists_are_not_used_if_pages_differ(struct kunit *test)
{
	struct users *u = test->priv;
	struct udmabuf_create_item item = {
		.offset = PAGE_SIZE,
		.size = PAGE_SIZE,
	};
	struct fanout_buffer *buffer;
	struct importer *gpu;

	if (!IS_ENABLED(CONFIG_NEED_SG_DMA_FLAGS))
		kunit_skip(test, "needs CONFIG_NEED_SG_DMA_FLAGS");
	use_block(u, 2, &item, 1);
	buffer = u->dmabuf->priv;
	gpu = importer_create(u, fake_device_create(test, "gpu", FAKE_NONCOHERENT));
	fake_device_merge(gpu->fake);

	map_of_fakes = u->shim->hooks.dma_map_sgtable;
	u->shim->hooks.dma_map_sgtable = map_marked;
	KUNIT_ASSERT_EQ(test, 0, importer_map(gpu, DMA_TO_DEVICE));
	KUNIT_EXPECT_EQ(test, SYNC_NONCOHERENT, buffer->fanout.peer[0].kind);
	importer_unmap(gpu);

	u->shim->hooks.dma_get_merge_boundary = merge_two_pages;
	KUNIT_ASSERT_EQ(test, 0, importer_map(gpu, DMA_TO_DEVICE));
	KUNIT_EXPECT_EQ(test, SYNC_COPY, buffer->fanout.peer[0].kind);
	KUNIT_EXPECT_EQ(test, 1, buffer->fanout.nr_peers);
	KUNIT_EXPECT_EQ(test, 0, gpu->fake->nr_mappings);
	cpu_store(u, 0, 7);
	cpu_end(u, CPU_WRITE);
	KUNIT_EXPECT_EQ(test, 7, importer_load(gpu, 0));
}

static void (*unmap_of_fakes)(struct device *dev, struct sg_table *sgt,
			      enum dma_data_direction dir, unsigned long attrs);

static int map_elsewhere(struct device *dev, struct sg_table *sgt,
			 enum dma_data_direction dir, unsigned long attrs)
{
	int ret = map_of_fakes(dev, sgt, dir, attrs);

	sg_dma_address(sgt->sgl) ^= BIT_ULL(30);
	return ret;
}

static void unmap_elsewhere(struct device *dev, struct sg_table *sgt,
			    enum dma_data_direction dir, unsigned long attrs)
{
	sg_dma_address(sgt->sgl) ^= BIT_ULL(30);
	unmap_of_fakes(dev, sgt, dir, attrs);
}

/* kernel/dma/swiotlb.c: dma_reset_need_sync(), when it bounces. */
static bool always_needs_sync(const struct device *dev)
{
	return true;
}

/* What the kernel bounces against all expectation is not used either. */
static void bounced_mappings_are_not_used(struct kunit *test)
{
	struct users *u = test->priv;
	struct fanout_buffer *buffer = u->dmabuf->priv;
	struct importer *cam;

	cam = importer_create(u, fake_device_create(test, "cam",
						    FAKE_COHERENT));
	map_of_fakes = u->shim->hooks.dma_map_sgtable;
	unmap_of_fakes = u->shim->hooks.dma_unmap_sgtable;
	u->shim->hooks.dma_map_sgtable = map_elsewhere;
	u->shim->hooks.dma_unmap_sgtable = unmap_elsewhere;
	u->shim->hooks.dma_dev_need_sync = always_needs_sync;
	KUNIT_ASSERT_EQ(test, 0, importer_map(cam, DMA_FROM_DEVICE));
	KUNIT_EXPECT_EQ(test, 0, cam->fake->nr_mappings);
	KUNIT_EXPECT_EQ(test, 1, buffer->fanout.nr_peers);
	KUNIT_EXPECT_EQ(test, SYNC_COPY, buffer->fanout.peer[0].kind);
	importer_store(cam, 8, 1);
	cpu_begin(u, CPU_READ);
	KUNIT_EXPECT_EQ(test, 1, cpu_load(u, 8));
}

static struct kunit_case mapping_cases[] = {
	KUNIT_CASE(from_device_is_widened_and_to_device_is_not),
	KUNIT_CASE_PARAM(importers_table_is_its_own, memory_gen_params),
	KUNIT_CASE(importers_table_is_complete),
	KUNIT_CASE(a_long_table_is_complete),
	KUNIT_CASE_PARAM(every_table_is_complete, memory_gen_params),
	KUNIT_CASE(a_mixed_table_is_complete_and_in_order),
	KUNIT_CASE(copies_stand_where_their_pages_do),
	KUNIT_CASE(one_page_out_of_reach_is_enough),
	KUNIT_CASE(merged_segments_end_with_zero_lengths),
	KUNIT_CASE(device_without_a_mask_is_refused),
	KUNIT_CASE(device_with_an_empty_mask_is_refused),
	KUNIT_CASE(map_to_no_entries_is_an_error),
	KUNIT_CASE_PARAM(failed_map_leaves_nothing_behind, memory_gen_params),
	KUNIT_CASE(failed_map_leaves_others_alone),
	KUNIT_CASE_PARAM(entries_keep_to_the_devices_limits, memory_gen_params),
	KUNIT_CASE(entries_keep_to_the_largest_mapping),
	KUNIT_CASE(entries_are_the_pages_in_order),
	KUNIT_CASE(entries_are_the_pages_of_hugetlb_in_order),
	KUNIT_CASE_SLOW(large_buffers_need_no_contiguous_memory),
	KUNIT_CASE(entries_end_at_the_boundary),
	KUNIT_CASE(marked_lists_are_not_used_if_pages_differ),
	KUNIT_CASE(bounced_mappings_are_not_used),
	{ }
};

static struct kunit_suite mapping_suite = {
	.name = "udmabuf_fanout_mapping",
	.init = users_init,
	.exit = users_exit,
	.test_cases = mapping_cases,
};

kunit_test_suite(mapping_suite);
