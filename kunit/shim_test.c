// SPDX-License-Identifier: GPL-2.0
/*
 * The instruments of the other suites: the shim, the fake devices, and the
 * expectations. What must make a test fail is done in an inner test, of which
 * failing is expected.
 *
 * Would miss: a fake that behaves as no device does. What it imitates is told by
 * kernel/dma/direct.c and drivers/iommu/dma-iommu.c; the suites that go on into
 * the real DMA API, and the QEMU rig, don't depend on it.
 */
#include <kunit/device.h>
#include <kunit/test.h>
#include <linux/dma-direct.h>
#include <linux/dma-mapping.h>
#include <linux/dma-resv.h>
#include <linux/scatterlist.h>
#include <linux/sizes.h>

#include "../driver/kind.h"
#include "fake_device.h"

#define ENTRIES		4
#define ATTRS		(DMA_ATTR_SKIP_CPU_SYNC | DMA_ATTR_NO_WARN)

static void free_table(void *sgt)
{
	sg_free_table(sgt);
}

static void free_memory(void *memory)
{
	free_pages((unsigned long)memory, get_order(ENTRIES * PAGE_SIZE));
}

/* A table of ENTRIES entries, a page each, that lie one behind the other. */
static struct sg_table *make_table(struct kunit *test)
{
	struct scatterlist *sg;
	struct sg_table *sgt;
	void *memory;
	int i;

	memory = (void *)__get_free_pages(GFP_KERNEL,
					  get_order(ENTRIES * PAGE_SIZE));
	KUNIT_ASSERT_NOT_NULL(test, memory);
	KUNIT_ASSERT_EQ(test, 0,
			kunit_add_action_or_reset(test, free_memory, memory));
	sgt = kunit_kzalloc(test, sizeof(*sgt), GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, sgt);
	KUNIT_ASSERT_EQ(test, 0, sg_alloc_table(sgt, ENTRIES, GFP_KERNEL));
	KUNIT_ASSERT_EQ(test, 0,
			kunit_add_action_or_reset(test, free_table, sgt));
	for_each_sgtable_sg(sgt, sg, i)
		sg_set_buf(sg, memory + i * PAGE_SIZE, PAGE_SIZE);
	return sgt;
}

/* An inner test: calls are made on its behalf until it ends. */
static struct kunit *inner_begin(struct kunit *test)
{
	struct kunit *inner = kunit_kzalloc(test, sizeof(*inner), GFP_KERNEL);

	KUNIT_ASSERT_NOT_NULL(test, inner);
	kunit_init_test(inner, "inner", NULL);
	current->kunit_test = inner;
	return inner;
}

static enum kunit_status inner_end(struct kunit *test, struct kunit *inner)
{
	kunit_cleanup(inner);
	current->kunit_test = test;
	return inner->status;
}

static const char *line_of(struct kunit *test, struct shim *shim,
			   unsigned int i)
{
	char *line = kunit_kzalloc(test, 128, GFP_KERNEL);

	KUNIT_ASSERT_NOT_NULL(test, line);
	KUNIT_ASSERT_LT(test, i, shim->nr);
	shim_describe(shim, &shim->records[i], line, 128);
	return line;
}

/* Calls of several devices are one story, and each is a line without a key. */
static void records_of_all_devices_have_one_order(struct kunit *test)
{
	struct fake_device *cam = fake_device_create(test, "cam", SYNC_BOUNCED);
	struct fake_device *gpu = fake_device_create(test, "gpu",
						     SYNC_NONCOHERENT);
	struct sg_table *one = make_table(test), *two = make_table(test);
	struct shim *shim = cam->shim;

	gpu->fail_maps = 1;
	gpu->fail_errno = -ENOMEM;
	bindings_dma_map_sgtable(cam->dev, one, DMA_BIDIRECTIONAL, ATTRS);
	bindings_dma_map_sgtable(gpu->dev, two, DMA_TO_DEVICE, 0);
	bindings_dma_map_sgtable(gpu->dev, two, DMA_TO_DEVICE, 0);
	bindings_dma_sync_sgtable_for_cpu(cam->dev, one, DMA_BIDIRECTIONAL);
	bindings_dma_sync_sgtable_for_device(gpu->dev, two, DMA_TO_DEVICE);
	bindings_dev_is_dma_coherent(gpu->dev);
	bindings_dma_unmap_sgtable(gpu->dev, two, DMA_TO_DEVICE, 0);
	bindings_dma_unmap_sgtable(cam->dev, one, DMA_BIDIRECTIONAL, ATTRS);

	KUNIT_EXPECT_EQ(test, shim->nr, 8);
	KUNIT_EXPECT_STREQ(test, line_of(test, shim, 0),
			   "cam(bounced) dma_map_sgtable sgt#1 BIDIRECTIONAL attrs=SKIP_CPU_SYNC|NO_WARN = 0");
	KUNIT_EXPECT_STREQ(test, line_of(test, shim, 1),
			   "gpu(noncoherent) dma_map_sgtable sgt#2 TO_DEVICE attrs=0 = -ENOMEM");
	KUNIT_EXPECT_STREQ(test, line_of(test, shim, 3),
			   "cam(bounced) dma_sync_sgtable_for_cpu sgt#1 BIDIRECTIONAL");
	KUNIT_EXPECT_STREQ(test, line_of(test, shim, 4),
			   "gpu(noncoherent) dma_sync_sgtable_for_device sgt#3 TO_DEVICE");
	KUNIT_EXPECT_STREQ(test, line_of(test, shim, 5),
			   "gpu(noncoherent) dev_is_dma_coherent = no");
	KUNIT_EXPECT_PTR_EQ(test, shim->records[4].dma_sync_sgtable_for_device.dev,
			    gpu->dev);
	KUNIT_EXPECT_PTR_EQ(test, shim->records[4].dma_sync_sgtable_for_device.sgt,
			    two);
}

/* A table at the address of an older one is not taken for it. */
static void reused_memory_gets_a_label_of_its_own(struct kunit *test)
{
	struct fake_device *cam = fake_device_create(test, "cam", SYNC_COHERENT);
	struct sg_table *sgt = make_table(test);
	int i;

	for (i = 0; i < 2; i++) {
		bindings_dma_map_sgtable(cam->dev, sgt, DMA_TO_DEVICE, 0);
		bindings_dma_unmap_sgtable(cam->dev, sgt, DMA_TO_DEVICE, 0);
	}
	KUNIT_EXPECT_STREQ(test, line_of(test, cam->shim, 1),
			   "cam(coherent) dma_unmap_sgtable sgt#1 TO_DEVICE attrs=0");
	KUNIT_EXPECT_STREQ(test, line_of(test, cam->shim, 2),
			   "cam(coherent) dma_map_sgtable sgt#2 TO_DEVICE attrs=0 = 0");
}

/* What nobody hooked is done by the kernel, with its effect and its result. */
static void unhooked_calls_are_the_kernels_own(struct kunit *test)
{
	struct shim *shim = shim_install(test);
	struct sg_table *sgt = make_table(test);
	struct dma_resv resv;
	struct device *dev;

	dev = kunit_device_register(test, "real");
	KUNIT_ASSERT_NOT_ERR_OR_NULL(test, dev);
	KUNIT_ASSERT_EQ(test, 0,
			dma_coerce_mask_and_coherent(dev, DMA_BIT_MASK(64)));
	shim_name_device(shim, dev, "real", NULL);
	KUNIT_EXPECT_EQ(test, bindings_dma_get_max_seg_size(dev), SZ_64K);
	KUNIT_ASSERT_EQ(test, 0,
			bindings_dma_map_sgtable(dev, sgt, DMA_TO_DEVICE, 0));
	KUNIT_EXPECT_GT(test, sgt->nents, 0);
	KUNIT_EXPECT_NE(test, sg_dma_address(sgt->sgl), 0);
	bindings_dma_unmap_sgtable(dev, sgt, DMA_TO_DEVICE, 0);

	dma_resv_init(&resv);
	KUNIT_EXPECT_EQ(test, 0, bindings_dma_resv_lock_interruptible(&resv, NULL));
	KUNIT_EXPECT_TRUE(test, dma_resv_is_locked(&resv));
	dma_resv_unlock(&resv);
	bindings_dma_resv_wait_timeout(&resv, DMA_RESV_USAGE_WRITE, true,
				       MAX_SCHEDULE_TIMEOUT);
	dma_resv_fini(&resv);

	KUNIT_EXPECT_STREQ(test, line_of(test, shim, 0),
			   "real dma_get_max_seg_size = 65536");
	KUNIT_EXPECT_STREQ(test, line_of(test, shim, 3),
			   "dma_resv_lock_interruptible resv#1 NULL = 0");
	KUNIT_EXPECT_STREQ(test, line_of(test, shim, 4),
			   "dma_resv_wait_timeout resv#1 WRITE intr=yes timeout=max = max");
}

static long no_memory(struct file *memfd, loff_t start, loff_t end,
		      struct folio **folios, unsigned int max_folios,
		      pgoff_t *offset)
{
	return -ENOMEM;
}

/* A hook stands in for its function, and the record tells its result. */
static void a_hook_replaces_the_kernels_function(struct kunit *test)
{
	struct shim *shim = shim_install(test);
	struct shim_record *rec;

	shim->hooks.memfd_pin_folios = no_memory;
	KUNIT_EXPECT_EQ(test, -ENOMEM,
			bindings_memfd_pin_folios(NULL, 0, 4095, NULL, 1, NULL));
	rec = shim_last(shim, SHIM_MEMFD_PIN_FOLIOS);
	KUNIT_ASSERT_NOT_NULL(test, rec);
	KUNIT_EXPECT_EQ(test, rec->memfd_pin_folios.ret, -ENOMEM);
	KUNIT_EXPECT_EQ(test, rec->memfd_pin_folios.end, 4095);
	KUNIT_EXPECT_STREQ(test, line_of(test, shim, 0),
			   "memfd_pin_folios NULL start=0 end=4095 max_folios=1 = -ENOMEM");
}

/* A story with a missing end must not pass for a whole one. */
static void a_full_recorder_fails_the_test(struct kunit *test)
{
	unsigned int room;

	for (room = 2; room <= 3; room++) {
		struct kunit *inner = inner_begin(test);
		struct fake_device *cam;
		int i;

		cam = fake_device_create(inner, "cam", SYNC_COHERENT);
		cam->shim->capacity = room;
		for (i = 0; i < 3; i++)
			bindings_dev_is_dma_coherent(cam->dev);
		KUNIT_EXPECT_EQ(test, cam->shim->nr, room);
		KUNIT_EXPECT_EQ(test, inner_end(test, inner),
				room < 3 ? KUNIT_FAILURE : KUNIT_SUCCESS);
	}
}

/* Thousands of folios need no room in the recorder, and are counted. */
static void ignored_calls_are_counted(struct kunit *test)
{
	struct fake_device *cam = fake_device_create(test, "cam", SYNC_COHERENT);
	struct shim *shim = cam->shim;
	int i;

	__set_bit(SHIM_DEV_IS_DMA_COHERENT, shim->ignored);
	for (i = 0; i < 2 * SHIM_MAX_RECORDS; i++)
		bindings_dev_is_dma_coherent(cam->dev);
	bindings_get_dma_ops(cam->dev);
	KUNIT_EXPECT_EQ(test, shim->nr, 1);
	KUNIT_EXPECT_EQ(test, shim->calls[SHIM_DEV_IS_DMA_COHERENT],
			2 * SHIM_MAX_RECORDS);
	KUNIT_EXPECT_EQ(test, shim_count(shim, SHIM_GET_DMA_OPS), 1);
	shim_mark(shim);
	KUNIT_EXPECT_EQ(test, shim_count(shim, SHIM_GET_DMA_OPS), 0);
	KUNIT_EXPECT_NULL(test, shim_last(shim, SHIM_GET_DMA_OPS));
	shim_reset(shim);
	KUNIT_EXPECT_EQ(test, shim->nr, 0);
	bindings_get_dma_ops(cam->dev);
	KUNIT_EXPECT_STREQ(test, line_of(test, shim, 0),
			   "cam(coherent) get_dma_ops = NULL");
}

struct kind_case {
	const char *name;
	enum sync_kind kind;
	bool coherent;
	bool ops;
	bool need_sync;
	bool own_pages;
};

static const struct kind_case kind_cases[] = {
	{ "coherent", SYNC_COHERENT, true, false, false, true },
	{ "noncoherent", SYNC_NONCOHERENT, false, false, true, true },
	{ "opaque", SYNC_OPAQUE, true, true, true, true },
	{ "bounced", SYNC_BOUNCED, true, false, true, false },
};

KUNIT_ARRAY_PARAM_DESC(kind, kind_cases, name);

/* A fake answers as a device of its kind, and the driver finds that kind. */
static void a_fake_is_of_its_kind(struct kunit *test)
{
	const struct kind_case *want = test->param_value;
	struct fake_device *fake = fake_device_create(test, "fake", want->kind);
	struct device *dev = fake->dev;
	enum sync_kind kinds[MAX_KINDS];
	struct sg_table *sgt = make_table(test);
	struct scatterlist *sg;
	int i;

	KUNIT_ASSERT_EQ(test, 0,
			bindings_dma_map_sgtable(dev, sgt, DMA_BIDIRECTIONAL, 0));
	KUNIT_EXPECT_EQ(test, bindings_dev_is_dma_coherent(dev), want->coherent);
	KUNIT_EXPECT_EQ(test, !!bindings_get_dma_ops(dev), want->ops);
	KUNIT_EXPECT_FALSE(test, bindings_use_dma_iommu(dev));
	KUNIT_EXPECT_EQ(test, sgt->nents, ENTRIES);
	for_each_sgtable_dma_sg(sgt, sg, i) {
		dma_addr_t addr = sg_dma_address(sg);

		KUNIT_EXPECT_EQ(test, sg_dma_len(sg), PAGE_SIZE);
		KUNIT_EXPECT_EQ(test, bindings_dma_need_sync(dev, addr),
				want->need_sync);
		KUNIT_EXPECT_EQ(test, dma_to_phys(dev, addr) == sg_phys(sg),
				want->own_pages);
		KUNIT_EXPECT_NE(test, fake_device_is_slot(fake, addr),
				want->own_pages);
	}
	KUNIT_EXPECT_EQ(test, 1, kinds_of_mapping(dev, sgt, kinds));
	KUNIT_EXPECT_EQ(test, kinds[0], want->kind);
	KUNIT_EXPECT_PTR_EQ(test, fake_device_table(fake), sgt);
	KUNIT_EXPECT_EQ(test, fake->nr_mappings, 1);
	bindings_dma_unmap_sgtable(dev, sgt, DMA_BIDIRECTIONAL, 0);
	KUNIT_EXPECT_NULL(test, fake_device_table(fake));
}

static const struct page *bounced_page;

static bool is_bounced_page(const struct page *page)
{
	return page == bounced_page;
}

/* H18: some segments of a mapping are bounced, by number or by page. */
static void a_fake_bounces_some_segments(struct kunit *test)
{
	struct fake_device *fake = fake_device_create(test, "fake",
						      SYNC_NONCOHERENT);
	enum sync_kind kinds[MAX_KINDS];
	struct sg_table *sgt = make_table(test);
	struct scatterlist *sg;
	int i;

	fake->bounce_every = 2;
	bindings_dma_map_sgtable(fake->dev, sgt, DMA_BIDIRECTIONAL, 0);
	for_each_sgtable_dma_sg(sgt, sg, i)
		KUNIT_EXPECT_EQ(test, i % 2 == 0,
				fake_device_is_slot(fake, sg_dma_address(sg)));
	KUNIT_EXPECT_EQ(test, 2, kinds_of_mapping(fake->dev, sgt, kinds));
	KUNIT_EXPECT_EQ(test, kinds[0], SYNC_NONCOHERENT);
	KUNIT_EXPECT_EQ(test, kinds[1], SYNC_BOUNCED);

	shim_mark(fake->shim);
	for_each_sgtable_dma_sg(sgt, sg, i)
		if (i % 2)
			bindings_dma_sync_single_for_cpu(fake->dev,
							 sg_dma_address(sg),
							 sg_dma_len(sg),
							 DMA_BIDIRECTIONAL);
	for_each_sgtable_dma_sg(sgt, sg, i)
		if (i % 2 == 0)
			bindings_dma_sync_single_for_cpu(fake->dev,
							 sg_dma_address(sg),
							 sg_dma_len(sg),
							 DMA_BIDIRECTIONAL);
	FAKE_EXPECT_SYNCS(test, "for_cpu fake BIDIRECTIONAL x2 pages",
			  "for_cpu fake BIDIRECTIONAL x2 slots");
	bindings_dma_unmap_sgtable(fake->dev, sgt, DMA_BIDIRECTIONAL, 0);

	fake->bounces = is_bounced_page;
	bounced_page = sg_page(sg_next(sgt->sgl));
	bindings_dma_map_sgtable(fake->dev, sgt, DMA_BIDIRECTIONAL, 0);
	for_each_sgtable_dma_sg(sgt, sg, i)
		KUNIT_EXPECT_EQ(test, i == 1,
				fake_device_is_slot(fake, sg_dma_address(sg)));
	bindings_dma_unmap_sgtable(fake->dev, sgt, DMA_BIDIRECTIONAL, 0);
}

/* Behind an IOMMU there are fewer segments than entries, as long together. */
static void a_fake_merges_entries(struct kunit *test)
{
	struct fake_device *fake = fake_device_create(test, "fake",
						      SYNC_NONCOHERENT);
	enum sync_kind kinds[MAX_KINDS];
	struct sg_table *sgt = make_table(test);
	struct scatterlist *sg;
	size_t length = 0;
	int i;

	fake_device_merge(fake);
	fake->max_seg_size = 3 * PAGE_SIZE;
	bindings_dma_map_sgtable(fake->dev, sgt, DMA_BIDIRECTIONAL, 0);
	KUNIT_EXPECT_TRUE(test, bindings_use_dma_iommu(fake->dev));
	KUNIT_EXPECT_EQ(test, sgt->orig_nents, ENTRIES);
	KUNIT_EXPECT_EQ(test, sgt->nents, 2);
	for_each_sgtable_dma_sg(sgt, sg, i) {
		KUNIT_EXPECT_LE(test, sg_dma_len(sg), fake->max_seg_size);
		length += sg_dma_len(sg);
	}
	KUNIT_EXPECT_EQ(test, length, ENTRIES * PAGE_SIZE);
	KUNIT_EXPECT_EQ(test, sgt->sgl->length, PAGE_SIZE);
	KUNIT_EXPECT_EQ(test, 1, kinds_of_mapping(fake->dev, sgt, kinds));
	KUNIT_EXPECT_EQ(test, kinds[0], SYNC_NONCOHERENT);
	bindings_dma_unmap_sgtable(fake->dev, sgt, DMA_BIDIRECTIONAL, 0);
}

/* A device says what it can take. */
static void a_fake_tells_its_limits(struct kunit *test)
{
	struct fake_device *fake = fake_device_create(test, "fake", SYNC_BOUNCED);

	KUNIT_EXPECT_EQ(test, bindings_dma_get_max_seg_size(fake->dev), SZ_64K);
	KUNIT_EXPECT_EQ(test, bindings_dma_get_seg_boundary(fake->dev), ULONG_MAX);
	KUNIT_EXPECT_EQ(test, bindings_dma_max_mapping_size(fake->dev), SZ_256K);
	fake->max_seg_size = SZ_1M;
	fake->seg_boundary = SZ_4M - 1;
	fake->max_mapping_size = SZ_2M;
	KUNIT_EXPECT_EQ(test, bindings_dma_get_max_seg_size(fake->dev), SZ_1M);
	KUNIT_EXPECT_EQ(test, bindings_dma_get_seg_boundary(fake->dev), SZ_4M - 1);
	KUNIT_EXPECT_EQ(test, bindings_dma_max_mapping_size(fake->dev), SZ_2M);
}

/* Maps fail when they are told to, and where swiotlb has no room. */
static void a_fake_fails_to_map(struct kunit *test)
{
	struct fake_device *fake = fake_device_create(test, "fake", SYNC_BOUNCED);
	struct sg_table *sgt = make_table(test);

	fake->fail_maps = 2;
	fake->fail_errno = -ENOMEM;
	KUNIT_EXPECT_EQ(test, -ENOMEM,
			bindings_dma_map_sgtable(fake->dev, sgt, DMA_TO_DEVICE, 0));
	KUNIT_EXPECT_EQ(test, -ENOMEM,
			bindings_dma_map_sgtable(fake->dev, sgt, DMA_TO_DEVICE, 0));
	fake->fail_above = PAGE_SIZE - 1;
	KUNIT_EXPECT_EQ(test, -EIO,
			bindings_dma_map_sgtable(fake->dev, sgt, DMA_TO_DEVICE, 0));
	fake->fail_above = PAGE_SIZE;
	fake->max_mapping_size = PAGE_SIZE - 1;
	KUNIT_EXPECT_EQ(test, -EIO,
			bindings_dma_map_sgtable(fake->dev, sgt, DMA_TO_DEVICE, 0));
	fake->max_mapping_size = PAGE_SIZE;
	KUNIT_EXPECT_EQ(test, 0,
			bindings_dma_map_sgtable(fake->dev, sgt, DMA_TO_DEVICE, 0));
	bindings_dma_unmap_sgtable(fake->dev, sgt, DMA_TO_DEVICE, 0);

	fake_device_no_mask(fake);
	KUNIT_EXPECT_EQ(test, 0,
			bindings_dma_map_sgtable(fake->dev, sgt, DMA_TO_DEVICE, 0));
	KUNIT_EXPECT_EQ(test, sgt->nents, 0);
	KUNIT_EXPECT_EQ(test, fake->nr_mappings, 0);
}

/* Only the classification is faked: the kernel's DMA API does the mapping. */
static void a_fake_can_use_the_real_dma_api(struct kunit *test)
{
	struct fake_device *fake = fake_device_create(test, "fake",
						      SYNC_NONCOHERENT);
	enum sync_kind kinds[MAX_KINDS];
	struct sg_table *sgt = make_table(test);

	/* The fake's own mapping would be seen by its slots. */
	fake->bounce_every = 1;
	fake->real_dma = true;
	KUNIT_ASSERT_EQ(test, 0,
			bindings_dma_map_sgtable(fake->dev, sgt,
						 DMA_BIDIRECTIONAL, ATTRS));
	KUNIT_EXPECT_FALSE(test,
			   fake_device_is_slot(fake, sg_dma_address(sgt->sgl)));
	KUNIT_EXPECT_EQ(test, 1, kinds_of_mapping(fake->dev, sgt, kinds));
	/* A boot with swiotlb=force bounces in earnest. */
	KUNIT_EXPECT_EQ(test, kinds[0],
			dma_to_phys(fake->dev, sg_dma_address(sgt->sgl)) ==
			sg_phys(sgt->sgl) ? SYNC_NONCOHERENT : SYNC_BOUNCED);
	bindings_dma_sync_sgtable_for_cpu(fake->dev, sgt, DMA_BIDIRECTIONAL);
	FAKE_EXPECT_SYNCS(test, "for_cpu fake BIDIRECTIONAL");
	bindings_dma_unmap_sgtable(fake->dev, sgt, DMA_BIDIRECTIONAL, ATTRS);
}

static void nothing_odd(struct fake_device *fake, struct sg_table *sgt)
{
	bindings_dma_sync_sgtable_for_cpu(fake->dev, sgt, DMA_BIDIRECTIONAL);
}

static void sync_importers_table(struct fake_device *fake, struct sg_table *sgt)
{
	struct sg_table importer = *sgt;

	bindings_dma_sync_sgtable_for_cpu(fake->dev, &importer,
					  DMA_BIDIRECTIONAL);
}

static void sync_in_access_direction(struct fake_device *fake,
				     struct sg_table *sgt)
{
	bindings_dma_sync_sgtable_for_device(fake->dev, sgt, DMA_TO_DEVICE);
}

static void sync_segment_in_access_direction(struct fake_device *fake,
					     struct sg_table *sgt)
{
	bindings_dma_sync_single_for_device(fake->dev, sg_dma_address(sgt->sgl),
					    sg_dma_len(sgt->sgl),
					    DMA_TO_DEVICE);
}

static void sync_half_a_segment(struct fake_device *fake, struct sg_table *sgt)
{
	bindings_dma_sync_single_for_cpu(fake->dev, sg_dma_address(sgt->sgl),
					 sg_dma_len(sgt->sgl) / 2,
					 DMA_BIDIRECTIONAL);
}

static void sync_for_another_device(struct fake_device *fake,
				    struct sg_table *sgt)
{
	struct fake_device *other = fake_device_create(fake->test, "other",
						       SYNC_NONCOHERENT);

	bindings_dma_sync_sgtable_for_cpu(other->dev, sgt, DMA_BIDIRECTIONAL);
}

static void sync_scrambled_table(struct fake_device *fake, struct sg_table *sgt)
{
	struct scatterlist *sg = sg_next(sgt->sgl);
	unsigned long page_link = sg->page_link;

	sg->page_link ^= ~0xffUL;
	bindings_dma_sync_sgtable_for_cpu(fake->dev, sgt, DMA_BIDIRECTIONAL);
	sg->page_link = page_link;
}

static void map_twice(struct fake_device *fake, struct sg_table *sgt)
{
	bindings_dma_map_sgtable(fake->dev, sgt, DMA_BIDIRECTIONAL, ATTRS);
	bindings_dma_unmap_sgtable(fake->dev, sgt, DMA_BIDIRECTIONAL, ATTRS);
}

static void unmap_twice(struct fake_device *fake, struct sg_table *sgt)
{
	bindings_dma_unmap_sgtable(fake->dev, sgt, DMA_BIDIRECTIONAL, ATTRS);
	bindings_dma_unmap_sgtable(fake->dev, sgt, DMA_BIDIRECTIONAL, ATTRS);
	bindings_dma_map_sgtable(fake->dev, sgt, DMA_BIDIRECTIONAL, ATTRS);
}

static void remap(struct fake_device *fake, struct sg_table *sgt)
{
	bindings_dma_unmap_sgtable(fake->dev, sgt, DMA_BIDIRECTIONAL, ATTRS);
	bindings_dma_map_sgtable(fake->dev, sgt, DMA_BIDIRECTIONAL, ATTRS);
}

static void exceed_max_seg_size(struct fake_device *fake, struct sg_table *sgt)
{
	fake->max_seg_size = PAGE_SIZE / 2;
	remap(fake, sgt);
}

static void cross_the_boundary(struct fake_device *fake, struct sg_table *sgt)
{
	fake->seg_boundary = PAGE_SIZE / 2 - 1;
	remap(fake, sgt);
}

static void leave_a_mapping(struct fake_device *fake, struct sg_table *sgt)
{
	struct sg_table *left = make_table(fake->test);

	bindings_dma_map_sgtable(fake->dev, left, DMA_BIDIRECTIONAL, ATTRS);
}

static void leave_a_mapping_on_purpose(struct fake_device *fake,
				       struct sg_table *sgt)
{
	fake->may_leak = true;
	leave_a_mapping(fake, sgt);
}

static void expect_what_was(struct fake_device *fake, struct sg_table *sgt)
{
	nothing_odd(fake, sgt);
	FAKE_EXPECT_SYNCS(fake->test, "for_cpu fake BIDIRECTIONAL");
	FAKE_EXPECT_SYNCS(fake->test);
}

static void expect_another_direction(struct fake_device *fake,
				     struct sg_table *sgt)
{
	nothing_odd(fake, sgt);
	FAKE_EXPECT_SYNCS(fake->test, "for_cpu fake TO_DEVICE");
}

static void expect_more(struct fake_device *fake, struct sg_table *sgt)
{
	nothing_odd(fake, sgt);
	FAKE_EXPECT_SYNCS(fake->test, "for_cpu fake BIDIRECTIONAL",
			  "for_device fake BIDIRECTIONAL");
}

static void expect_less(struct fake_device *fake, struct sg_table *sgt)
{
	nothing_odd(fake, sgt);
	FAKE_EXPECT_SYNCS(fake->test);
}

struct judge_case {
	const char *name;
	void (*act)(struct fake_device *fake, struct sg_table *sgt);
	enum kunit_status want;
};

static const struct judge_case judge_cases[] = {
	{ "nothing odd", nothing_odd, KUNIT_SUCCESS },
	{ "unmap and map again", remap, KUNIT_SUCCESS },
	{ "sync of the importer's table", sync_importers_table, KUNIT_FAILURE },
	{ "sync in the access direction", sync_in_access_direction,
	  KUNIT_FAILURE },
	{ "segment in the access direction", sync_segment_in_access_direction,
	  KUNIT_FAILURE },
	{ "sync of half a segment", sync_half_a_segment, KUNIT_FAILURE },
	{ "sync for another device", sync_for_another_device, KUNIT_FAILURE },
	{ "sync of a scrambled table", sync_scrambled_table, KUNIT_FAILURE },
	{ "map twice", map_twice, KUNIT_FAILURE },
	{ "unmap twice", unmap_twice, KUNIT_FAILURE },
	{ "entry beyond max_seg_size", exceed_max_seg_size, KUNIT_FAILURE },
	{ "entry across the boundary", cross_the_boundary, KUNIT_FAILURE },
	{ "mapping left behind", leave_a_mapping, KUNIT_FAILURE },
	{ "... on purpose", leave_a_mapping_on_purpose, KUNIT_SUCCESS },
	{ "the syncs that were", expect_what_was, KUNIT_SUCCESS },
	{ "another direction", expect_another_direction, KUNIT_FAILURE },
	{ "more syncs than were", expect_more, KUNIT_FAILURE },
	{ "fewer syncs than were", expect_less, KUNIT_FAILURE },
};

KUNIT_ARRAY_PARAM_DESC(judge, judge_cases, name);

/* Each way to misuse the DMA API fails a test, and proper use does not. */
static void a_fake_judges_its_use(struct kunit *test)
{
	const struct judge_case *the = test->param_value;
	struct kunit *inner = inner_begin(test);
	struct fake_device *fake = fake_device_create(inner, "fake",
						      SYNC_NONCOHERENT);
	struct sg_table *sgt = make_table(inner);

	bindings_dma_map_sgtable(fake->dev, sgt, DMA_BIDIRECTIONAL, ATTRS);
	the->act(fake, sgt);
	if (fake->nr_mappings)
		bindings_dma_unmap_sgtable(fake->dev, sgt, DMA_BIDIRECTIONAL,
					   ATTRS);
	KUNIT_EXPECT_EQ(test, inner_end(test, inner), the->want);
}

static struct kunit_case shim_cases[] = {
	KUNIT_CASE(records_of_all_devices_have_one_order),
	KUNIT_CASE(reused_memory_gets_a_label_of_its_own),
	KUNIT_CASE(unhooked_calls_are_the_kernels_own),
	KUNIT_CASE(a_hook_replaces_the_kernels_function),
	KUNIT_CASE(a_full_recorder_fails_the_test),
	KUNIT_CASE(ignored_calls_are_counted),
	KUNIT_CASE_PARAM(a_fake_is_of_its_kind, kind_gen_params),
	KUNIT_CASE(a_fake_bounces_some_segments),
	KUNIT_CASE(a_fake_merges_entries),
	KUNIT_CASE(a_fake_tells_its_limits),
	KUNIT_CASE(a_fake_fails_to_map),
	KUNIT_CASE(a_fake_can_use_the_real_dma_api),
	KUNIT_CASE_PARAM(a_fake_judges_its_use, judge_gen_params),
	{}
};

static struct kunit_suite shim_suite = {
	.name = "udmabuf_fanout_shim",
	.test_cases = shim_cases,
};

kunit_test_suite(shim_suite);
