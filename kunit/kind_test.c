// SPDX-License-Identifier: GPL-2.0
/*
 * Kinds, against the kernel's own DMA layer: whether a device snoops, what it
 * reaches, and what dma_map_ops of its own make of it.
 *
 * Would miss: IOMMUs, which kunit devices are not behind, and stale caches: a
 * noncoherent device's syncs are counted, under UML also the bytes that they
 * maintain, and what they do is not looked at. x86_64 has no noncoherent devices,
 * arm64 no dma_map_ops.
 */
#include <kunit/static_stub.h>
#include <kunit/test.h>
#include <linux/device.h>
#include <linux/dma-buf.h>
#include <linux/dma-direct.h>
#include <linux/dma-map-ops.h>
#include <linux/dma-mapping.h>
#include <linux/ktime.h>
#include <linux/math64.h>
#include <linux/mm.h>
#include <linux/sizes.h>

#include "../driver/bindings/bindings.h"
#include "../driver/buffer.h"
#include "../driver/kind.h"
#include "../driver/mapping.h"
#include "memory.h"
#include "real_device.h"

#define NR_PAGES	100

/* Own pages. */

/* A coherent device that reaches all pages uses them, and is never synced. */
static void a_coherent_device_is_never_synced(struct kunit *test)
{
	static const enum dma_data_direction dirs[] = {
		DMA_TO_DEVICE, DMA_FROM_DEVICE, DMA_BIDIRECTIONAL,
	};
	struct device *dev = real_device(test, "coherent", true);
	struct memory *mem = memory_shmem(test, NR_PAGES);
	struct dma_buf *dmabuf = stamped_buffer(test, mem);
	struct real_importer *importer;
	u32 i, page;

	for (i = 0; i < ARRAY_SIZE(dirs); i++) {
		importer = real_import(test, dmabuf, dev, dirs[i]);
		expect_kind(test, importer, SYNC_COHERENT);
		for (page = 0; page < NR_PAGES; page++)
			KUNIT_EXPECT_EQ(test, PFN_PHYS(memory_pfn(mem, page)),
					real_phys(importer, page));
		begin_access(test, dmabuf, DMA_BIDIRECTIONAL);
		end_access(test, dmabuf, DMA_BIDIRECTIONAL);
		KUNIT_EXPECT_EQ(test, 0, importer->mapping->syncs);
		real_unmap(test, importer);
	}
}

/* A device that does not snoop uses the pages, too, and is synced. */
static void a_device_that_does_not_snoop_is_noncoherent(struct kunit *test)
{
	struct device *dev = real_device(test, "noncoherent", false);
	struct memory *mem = memory_shmem(test, NR_PAGES);
	struct real_importer *importer;
	struct dma_buf *dmabuf;
	u64 mapped, begun;
	u32 page;

	need_noncoherent(test);
	dmabuf = stamped_buffer(test, mem);
	importer = real_import(test, dmabuf, dev, DMA_FROM_DEVICE);
	expect_kind(test, importer, SYNC_NONCOHERENT);
	for (page = 0; page < NR_PAGES; page++)
		KUNIT_EXPECT_EQ(test, PFN_PHYS(memory_pfn(mem, page)),
				real_phys(importer, page));

	mapped = importer->mapping->syncs;
	begin_access(test, dmabuf, DMA_FROM_DEVICE);
	begun = importer->mapping->syncs;
	KUNIT_EXPECT_GT(test, begun, mapped);
	end_access(test, dmabuf, DMA_FROM_DEVICE);
	KUNIT_EXPECT_GT(test, importer->mapping->syncs, begun);
}

/*
 * H9, as the architecture hears it: however many devices do not snoop, a START
 * invalidates each byte once, and an END cleans it once. H15: a START beside an
 * open write cleans as well.
 */
static void each_byte_is_maintained_once(struct kunit *test)
{
	struct dma_buf *dmabuf;

	if (!IS_ENABLED(CONFIG_UDMABUF_FANOUT_UML_DEVICES))
		kunit_skip(test, "only UML counts what is maintained");
	dmabuf = stamped_buffer(test, memory_shmem(test, NR_PAGES));
	real_import(test, dmabuf, real_device(test, "reader", false),
		    DMA_TO_DEVICE);
	real_import(test, dmabuf, real_device(test, "writer", false),
		    DMA_FROM_DEVICE);
	real_import(test, dmabuf, real_device(test, "both", false),
		    DMA_BIDIRECTIONAL);

	maintained = (struct maintained){};
	begin_access(test, dmabuf, DMA_BIDIRECTIONAL);
	KUNIT_EXPECT_EQ(test, NR_PAGES * PAGE_SIZE, maintained.for_cpu);
	KUNIT_EXPECT_EQ(test, 0, maintained.for_device);
	end_access(test, dmabuf, DMA_BIDIRECTIONAL);
	KUNIT_EXPECT_EQ(test, NR_PAGES * PAGE_SIZE, maintained.for_cpu);
	KUNIT_EXPECT_EQ(test, NR_PAGES * PAGE_SIZE, maintained.for_device);

	begin_access(test, dmabuf, DMA_BIDIRECTIONAL);
	maintained = (struct maintained){};
	begin_access(test, dmabuf, DMA_BIDIRECTIONAL);
	KUNIT_EXPECT_EQ(test, NR_PAGES * PAGE_SIZE, maintained.for_device);
	KUNIT_EXPECT_EQ(test, NR_PAGES * PAGE_SIZE, maintained.for_cpu);
}

/* Where for_cpu() may do nothing; that is none of the machines with suites. */
static void for_cpu_invalidates_here(struct kunit *test)
{
	need_noncoherent(test);
	KUNIT_EXPECT_FALSE(test, arch_has_lazy_for_cpu());
}

static u64 cost_of_begins(struct kunit *test, struct dma_buf *dmabuf,
			  unsigned int rounds, bool ends)
{
	u64 start, ns = 0;
	unsigned int i;
	int ret;

	for (i = 0; i < rounds; i++) {
		/* The driver's calls go where they go outside of tests. */
		current->kunit_test = NULL;
		start = ktime_get_ns();
		ret = dma_buf_begin_cpu_access(dmabuf, DMA_BIDIRECTIONAL);
		ns += ktime_get_ns() - start;
		current->kunit_test = test;
		KUNIT_ASSERT_EQ(test, 0, ret);
		if (ends)
			end_access(test, dmabuf, DMA_BIDIRECTIONAL);
	}
	return div_u64(ns, rounds);
}

/*
 * What a program pays that never ends its accesses: each START cleans as well,
 * page by page. The figure is in the log (docs/testing.md); here, it is dearer,
 * and not out of all proportion.
 */
static void a_forgotten_end_costs_time(struct kunit *test)
{
	u64 balanced, forgotten;
	struct dma_buf *dmabuf;

	need_noncoherent(test);
	dmabuf = stamped_buffer(test, memory_shmem(test, SZ_16M >> PAGE_SHIFT));
	real_import(test, dmabuf, real_device(test, "dev", false),
		    DMA_FROM_DEVICE);
	balanced = cost_of_begins(test, dmabuf, 4, true);
	begin_access(test, dmabuf, DMA_BIDIRECTIONAL);
	forgotten = cost_of_begins(test, dmabuf, 4, false);
	kunit_info(test, "16 MiB: a START takes %llu us, %llu us after one without an END",
		   div_u64(balanced, NSEC_PER_USEC),
		   div_u64(forgotten, NSEC_PER_USEC));
	KUNIT_EXPECT_GT(test, forgotten, balanced);
	/* DMA API debugging looks each piece up. */
	KUNIT_EXPECT_LT(test, forgotten, 1000 * balanced);
}

/* Reach. */

/* What a mask, a bus or its windows leave of memory, to the byte. */
static void a_device_reaches_what_the_kernel_says(struct kunit *test)
{
	struct device *dev = real_device(test, "dev", true);
	phys_addr_t phys = PFN_PHYS(memory_block(test, 2));
	struct bus_dma_region window = {
		.cpu_start = phys + PAGE_SIZE,
		.dma_start = 0x10000,
		.size = 2 * PAGE_SIZE,
	};

	KUNIT_EXPECT_TRUE(test, device_is_direct(dev));
	KUNIT_EXPECT_TRUE(test, device_reaches(dev, phys, 4 * PAGE_SIZE));
	*dev->dma_mask = phys + 2 * PAGE_SIZE - 1;
	KUNIT_EXPECT_TRUE(test, device_reaches(dev, phys, PAGE_SIZE));
	KUNIT_EXPECT_TRUE(test, device_reaches(dev, phys, 2 * PAGE_SIZE));
	KUNIT_EXPECT_FALSE(test, device_reaches(dev, phys, 2 * PAGE_SIZE + 1));
	*dev->dma_mask = DMA_BIT_MASK(64);
	dev->bus_dma_limit = phys + PAGE_SIZE - 1;
	KUNIT_EXPECT_TRUE(test, device_reaches(dev, phys, PAGE_SIZE));
	KUNIT_EXPECT_FALSE(test, device_reaches(dev, phys, PAGE_SIZE + 1));
	dev->bus_dma_limit = 0;

	set_reach(test, dev, &window, 1);
	KUNIT_EXPECT_FALSE(test, device_reaches(dev, phys, PAGE_SIZE));
	KUNIT_EXPECT_TRUE(test, device_reaches(dev, phys + PAGE_SIZE,
					       2 * PAGE_SIZE));
	KUNIT_EXPECT_FALSE(test, device_reaches(dev, phys + 3 * PAGE_SIZE,
						PAGE_SIZE));
	/* Beyond the window it is not what it was in there. */
	KUNIT_EXPECT_FALSE(test, device_reaches(dev, phys + PAGE_SIZE,
						3 * PAGE_SIZE));
	KUNIT_EXPECT_FALSE(test, device_reaches(dev, phys, 2 * PAGE_SIZE));
	if (!has_swiotlb(dev))
		return;
	force_bounce(dev, true);
	KUNIT_EXPECT_FALSE(test, device_reaches(dev, phys + PAGE_SIZE,
						PAGE_SIZE));
}

/* ... and two windows that are neighbours need not be so for the device. */
static void windows_are_not_crossed(struct kunit *test)
{
	struct device *dev = real_device(test, "dev", true);
	phys_addr_t phys = PFN_PHYS(memory_block(test, 2));
	struct bus_dma_region windows[] = {
		{ .cpu_start = phys, .dma_start = 0x10000,
		  .size = 2 * PAGE_SIZE },
		{ .cpu_start = phys + 2 * PAGE_SIZE, .dma_start = 0x80000,
		  .size = 2 * PAGE_SIZE },
	};

	set_reach(test, dev, windows, ARRAY_SIZE(windows));
	KUNIT_EXPECT_TRUE(test, device_reaches(dev, phys, 2 * PAGE_SIZE));
	KUNIT_EXPECT_TRUE(test, device_reaches(dev, phys + 2 * PAGE_SIZE,
					       2 * PAGE_SIZE));
	KUNIT_EXPECT_FALSE(test, device_reaches(dev, phys, 4 * PAGE_SIZE));
	/* As if there was one. */
	windows[1].dma_start = 0x10000 + 2 * PAGE_SIZE;
	set_reach(test, dev, windows, ARRAY_SIZE(windows));
	KUNIT_EXPECT_TRUE(test, device_reaches(dev, phys, 4 * PAGE_SIZE));
}

static bool is_behind_an_iommu(struct device *dev)
{
	return true;
}

/* Behind an IOMMU a device reaches memory that its mask does not. */
static void an_iommu_reaches_all_memory(struct kunit *test)
{
	struct device *dev = real_device(test, "dev", true);
	phys_addr_t phys = PFN_PHYS(memory_block(test, 0));

	dev->bus_dma_limit = 1;
	KUNIT_EXPECT_FALSE(test, device_reaches(dev, phys, PAGE_SIZE));
	kunit_activate_static_stub(test, bindings_use_dma_iommu,
				   is_behind_an_iommu);
	KUNIT_EXPECT_TRUE(test, device_reaches(dev, phys, PAGE_SIZE));
}

/* No memory at all, not even of the kernel's own choice: that is an error. */
static void a_device_that_reaches_nothing_is_refused(struct kunit *test)
{
	struct device *dev = real_device(test, "dev", true);
	struct dma_buf_attachment *attachment;
	struct fanout_buffer *buffer;
	struct dma_buf *dmabuf;

	dmabuf = stamped_buffer(test, memory_shmem(test, NR_PAGES));
	buffer = dmabuf->priv;
	attachment = real_attach(test, dmabuf, dev);
	*dev->dma_mask = PAGE_SIZE - 1;
	KUNIT_EXPECT_PTR_EQ(test, ERR_PTR(-EIO),
			    dma_buf_map_attachment_unlocked(attachment,
							    DMA_FROM_DEVICE));
	KUNIT_EXPECT_EQ(test, 0, shadow_pages(&buffer->shadow));
	*dev->dma_mask = DMA_BIT_MASK(64);
}

/* dma_map_ops. */

static unsigned int ops_for_cpu, ops_for_device;

static int ops_map_sg(struct device *dev, struct scatterlist *sgl, int nents,
		      enum dma_data_direction dir, unsigned long attrs)
{
	struct scatterlist *sg;
	int i;

	for_each_sg(sgl, sg, nents, i) {
		sg_dma_address(sg) = sg_phys(sg);
		sg_dma_len(sg) = sg->length;
	}
	return nents;
}

static void ops_unmap_sg(struct device *dev, struct scatterlist *sgl, int nents,
			 enum dma_data_direction dir, unsigned long attrs)
{
}

static void ops_sync_for_cpu(struct device *dev, struct scatterlist *sgl,
			     int nents, enum dma_data_direction dir)
{
	ops_for_cpu++;
}

static void ops_sync_for_device(struct device *dev, struct scatterlist *sgl,
				int nents, enum dma_data_direction dir)
{
	ops_for_device++;
}

static void *ops_alloc(struct device *dev, size_t size, dma_addr_t *dma,
		       gfp_t gfp, unsigned long attrs)
{
	void *vaddr = (void *)__get_free_pages(gfp | __GFP_ZERO,
					       get_order(size));

	if (vaddr)
		*dma = virt_to_phys(vaddr);
	return vaddr;
}

static void ops_free(struct device *dev, size_t size, void *vaddr,
		     dma_addr_t dma, unsigned long attrs)
{
	free_pages((unsigned long)vaddr, get_order(size));
}

static const struct dma_map_ops syncing_ops = {
	.alloc = ops_alloc,
	.free = ops_free,
	.map_sg = ops_map_sg,
	.unmap_sg = ops_unmap_sg,
	.sync_sg_for_cpu = ops_sync_for_cpu,
	.sync_sg_for_device = ops_sync_for_device,
};

static void ops_sync_piece(struct device *dev, dma_addr_t dma, size_t size,
			   enum dma_data_direction dir)
{
}

static const struct dma_map_ops silent_ops = {
	.map_sg = ops_map_sg,
	.unmap_sg = ops_unmap_sg,
};

static struct device *device_with_ops(struct kunit *test,
				      const struct dma_map_ops *ops)
{
	struct device *dev;

	if (!IS_ENABLED(CONFIG_ARCH_HAS_DMA_OPS))
		kunit_skip(test, "this kernel has no dma_map_ops");
	dev = real_device(test, "ops", true);
	set_dma_ops(dev, ops);
	/* Asks the kernel to look at the ops. */
	KUNIT_ASSERT_EQ(test, 0, dma_set_mask(dev, DMA_BIT_MASK(64)));
	return dev;
}

/*
 * What ops that sync do with the pages nobody knows, so their device has a
 * coherent copy, and nothing is synced.
 */
static void a_device_with_its_own_ops_has_a_copy(struct kunit *test)
{
	struct device *dev = device_with_ops(test, &syncing_ops);
	struct memory *mem = memory_shmem(test, NR_PAGES);
	struct dma_buf *dmabuf = stamped_buffer(test, mem);
	struct real_importer *importer;
	u32 page;

	KUNIT_EXPECT_FALSE(test, device_is_direct(dev));
	KUNIT_EXPECT_FALSE(test, device_reaches(dev, 0, PAGE_SIZE));
	importer = real_import(test, dmabuf, dev, DMA_FROM_DEVICE);
	expect_kind(test, importer, SYNC_COPY);

	ops_for_cpu = 0;
	ops_for_device = 0;
	for (page = 0; page < NR_PAGES; page++) {
		KUNIT_ASSERT_EQ(test, memory_stamp(mem, page),
				real_get(importer, page));
		real_set(importer, page, page);
	}
	begin_access(test, dmabuf, DMA_BIDIRECTIONAL);
	for (page = 0; page < NR_PAGES; page++) {
		KUNIT_ASSERT_EQ(test, page, memory_get(mem, page));
		memory_set(mem, page, page + 1);
	}
	end_access(test, dmabuf, DMA_BIDIRECTIONAL);
	for (page = 0; page < NR_PAGES; page++)
		KUNIT_ASSERT_EQ(test, page + 1, real_get(importer, page));
	KUNIT_EXPECT_EQ(test, 0, ops_for_cpu);
	KUNIT_EXPECT_EQ(test, 0, ops_for_device);
}

/*
 * Ops that cannot sync use the pages, and need no sync; nor do they with DMA API
 * debugging, which calls all syncs.
 */
static void ops_that_cannot_sync_are_coherent(struct kunit *test)
{
	struct device *dev = device_with_ops(test, &silent_ops);
	struct real_importer *importer;
	struct dma_buf *dmabuf;

	KUNIT_EXPECT_TRUE(test, device_reaches(dev, 0, PAGE_SIZE));
	set_coherent(dev, false);
	KUNIT_EXPECT_TRUE(test, device_snoops(dev));
	dmabuf = stamped_buffer(test, memory_shmem(test, NR_PAGES));
	importer = real_import(test, dmabuf, dev, DMA_FROM_DEVICE);
	expect_kind(test, importer, SYNC_COHERENT);
}

static const struct dma_map_ops *ops_found;

static const struct dma_map_ops *find_ops(struct device *dev)
{
	return ops_found;
}

static bool never_snoops(struct device *dev)
{
	return false;
}

/* Ops that have any of the four callbacks sync, whatever else they have. */
static void one_callback_is_a_sync(struct kunit *test)
{
	static const struct dma_map_ops ops[] = {
		{ .sync_single_for_cpu = ops_sync_piece },
		{ .sync_single_for_device = ops_sync_piece },
		{ .sync_sg_for_cpu = ops_sync_for_cpu },
		{ .sync_sg_for_device = ops_sync_for_device },
		{ .map_sg = ops_map_sg },
	};
	struct device *dev = real_device(test, "ops", true);
	bool syncs;
	u32 i;

	kunit_activate_static_stub(test, bindings_get_dma_ops, find_ops);
	kunit_activate_static_stub(test, bindings_dev_is_dma_coherent,
				   never_snoops);
	for (i = 0; i < ARRAY_SIZE(ops); i++) {
		ops_found = &ops[i];
		syncs = !ops[i].map_sg;
		KUNIT_EXPECT_NE_MSG(test, syncs, device_snoops(dev), "row %u",
				    i);
		KUNIT_EXPECT_NE_MSG(test, syncs,
				    device_reaches(dev, 0, PAGE_SIZE),
				    "row %u", i);
	}
	ops_found = NULL;
	KUNIT_EXPECT_FALSE(test, device_snoops(dev));
}

static struct kunit_case kind_cases[] = {
	KUNIT_CASE(a_coherent_device_is_never_synced),
	KUNIT_CASE(a_device_that_does_not_snoop_is_noncoherent),
	KUNIT_CASE(each_byte_is_maintained_once),
	KUNIT_CASE(for_cpu_invalidates_here),
	KUNIT_CASE_SLOW(a_forgotten_end_costs_time),
	KUNIT_CASE(a_device_reaches_what_the_kernel_says),
	KUNIT_CASE(windows_are_not_crossed),
	KUNIT_CASE(an_iommu_reaches_all_memory),
	KUNIT_CASE(a_device_that_reaches_nothing_is_refused),
	KUNIT_CASE(a_device_with_its_own_ops_has_a_copy),
	KUNIT_CASE(ops_that_cannot_sync_are_coherent),
	KUNIT_CASE(one_callback_is_a_sync),
	{ }
};

static struct kunit_suite kind_suite = {
	.name = "udmabuf_fanout_kind",
	.init = real_device_init,
	.test_cases = kind_cases,
};

kunit_test_suite(kind_suite);
