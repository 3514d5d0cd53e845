// SPDX-License-Identifier: GPL-2.0
/*
 * The shim: what it records, how it tells it, and what it goes on into. What
 * must make a test fail is done in an inner test, of which failing is expected.
 *
 * Would miss: a function that the driver calls past the bindings.
 */
#include <kunit/device.h>
#include <kunit/test.h>
#include <linux/dma-mapping.h>
#include <linux/dma-resv.h>
#include <linux/sizes.h>

#include "fake_device.h"
#include "instruments.h"

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
	struct fake_device *cam = fake_device_create(test, "cam", FAKE_COHERENT);
	struct fake_device *gpu = fake_device_create(test, "gpu",
						     FAKE_NONCOHERENT);
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
			   "cam(coherent) dma_map_sgtable sgt#1 BIDIRECTIONAL attrs=SKIP_CPU_SYNC|NO_WARN = 0");
	KUNIT_EXPECT_STREQ(test, line_of(test, shim, 1),
			   "gpu(noncoherent) dma_map_sgtable sgt#2 TO_DEVICE attrs=0 = -ENOMEM");
	KUNIT_EXPECT_STREQ(test, line_of(test, shim, 3),
			   "cam(coherent) dma_sync_sgtable_for_cpu sgt#1 BIDIRECTIONAL");
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
	struct fake_device *cam = fake_device_create(test, "cam", FAKE_COHERENT);
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

		cam = fake_device_create(inner, "cam", FAKE_COHERENT);
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
	struct fake_device *cam = fake_device_create(test, "cam", FAKE_COHERENT);
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

static struct kunit_case shim_cases[] = {
	KUNIT_CASE(records_of_all_devices_have_one_order),
	KUNIT_CASE(reused_memory_gets_a_label_of_its_own),
	KUNIT_CASE(unhooked_calls_are_the_kernels_own),
	KUNIT_CASE(a_hook_replaces_the_kernels_function),
	KUNIT_CASE(a_full_recorder_fails_the_test),
	KUNIT_CASE(ignored_calls_are_counted),
	{}
};

static struct kunit_suite shim_suite = {
	.name = "udmabuf_fanout_shim",
	.test_cases = shim_cases,
};

kunit_test_suite(shim_suite);
