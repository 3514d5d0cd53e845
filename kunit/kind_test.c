// SPDX-License-Identifier: GPL-2.0
/*
 * Kinds, against the kernel's own DMA layer, with nothing faked: a device is
 * made to snoop or not, to reach all memory or some, to be bounced or to have
 * dma_map_ops by what the kernel goes by (struct device, swiotlb), and the driver
 * has to find out. What a device does is done by hand at the address that its
 * mapping gave it, so data really goes from copy to page and back.
 *
 * Would miss: IOMMUs, which kunit devices are not behind, and stale caches: a
 * noncoherent device's syncs are counted, and no machine here has caches that
 * would show one missing (the model and the rig's noncoherent guest are for
 * that). Nor would it see a table leak: pins are counted, not kernel memory. UML
 * has neither swiotlb nor noncoherent devices nor dma_map_ops of a device's own;
 * x86_64 has no noncoherent devices, arm64 no dma_map_ops.
 */
#include <kunit/device.h>
#include <kunit/static_stub.h>
#include <kunit/test.h>
#include <linux/dma-buf.h>
#include <linux/dma-direct.h>
#include <linux/dma-map-ops.h>
#include <linux/dma-mapping.h>
#include <linux/ktime.h>
#include <linux/mm.h>
#include <linux/pagemap.h>
#include <linux/sizes.h>
#include <linux/swiotlb.h>

#include "../driver/bindings/bindings.h"
#include "../driver/buffer.h"
#include "../driver/kind.h"
#include "../driver/mapping.h"
#include "compat.h"
#include "files.h"
#include "memory.h"

/* The machine. */

#ifdef CONFIG_SWIOTLB
static bool has_swiotlb(struct device *dev)
{
	return is_swiotlb_active(dev);
}

/* Of all devices, for maps from now on. */
static void force_bounce(struct device *dev, bool bounce)
{
	dev->dma_io_tlb_mem->force_bounce = bounce;
}

static bool is_bounce_forced(struct device *dev)
{
	return dev->dma_io_tlb_mem->force_bounce;
}

static phys_addr_t swiotlb_start(struct device *dev)
{
	return dev->dma_io_tlb_mem->defpool.start;
}

static size_t swiotlb_size(struct device *dev)
{
	return dev->dma_io_tlb_mem->defpool.end -
	       dev->dma_io_tlb_mem->defpool.start;
}
#else
static bool has_swiotlb(struct device *dev)
{
	return false;
}

static void force_bounce(struct device *dev, bool bounce)
{
}

static bool is_bounce_forced(struct device *dev)
{
	return false;
}

static phys_addr_t swiotlb_start(struct device *dev)
{
	return 0;
}

static size_t swiotlb_size(struct device *dev)
{
	return 0;
}
#endif

#if defined(CONFIG_ARCH_HAS_SYNC_DMA_FOR_DEVICE) || \
	defined(CONFIG_ARCH_HAS_SYNC_DMA_FOR_CPU)
static const bool has_noncoherent = true;

static void set_coherent(struct device *dev, bool coherent)
{
	dev_assign_dma_coherent(dev, coherent);
}
#else
static const bool has_noncoherent;

static void set_coherent(struct device *dev, bool coherent)
{
}
#endif

static bool was_bounce_forced;

static void restore_bounce(void *dev)
{
	force_bounce(dev, was_bounce_forced);
}

/* A device that reaches all of memory, and does not bounce until told. */
static struct device *new_device(struct kunit *test, const char *name,
				 bool coherent)
{
	struct device *dev = kunit_device_register(test, name);

	KUNIT_ASSERT_NOT_ERR_OR_NULL(test, dev);
	set_coherent(dev, coherent);
	KUNIT_ASSERT_EQ(test, 0, dma_set_mask(dev, DMA_BIT_MASK(64)));
	if (!has_swiotlb(dev))
		return dev;
	if (!test->priv) {
		test->priv = dev;
		was_bounce_forced = is_bounce_forced(dev);
		KUNIT_ASSERT_EQ(test, 0,
				kunit_add_action_or_reset(test, restore_bounce,
							  dev));
	}
	force_bounce(dev, false);
	return dev;
}

static void need_swiotlb(struct kunit *test, struct device *dev)
{
	if (!has_swiotlb(dev))
		kunit_skip(test, "no swiotlb here, or not booted with swiotlb=force");
}

/* Mappings. */

/**
 * struct importer - a device with a mapping of a buffer
 * @dev: the device
 * @attachment: its attachment
 * @sgt: its table
 * @dir: the direction it asked for
 * @mapping: how the driver knows it
 */
struct importer {
	struct device *dev;
	struct dma_buf_attachment *attachment;
	struct sg_table *sgt;
	enum dma_data_direction dir;
	struct fanout_mapping *mapping;
};

static void detach(void *context)
{
	struct dma_buf_attachment *attachment = context;

	dma_buf_detach(attachment->dmabuf, attachment);
}

static void unmap(void *context)
{
	struct importer *importer = context;

	dma_buf_unmap_attachment_unlocked(importer->attachment, importer->sgt,
					  importer->dir);
}

static struct dma_buf_attachment *attach(struct kunit *test,
					 struct dma_buf *dmabuf,
					 struct device *dev)
{
	struct dma_buf_attachment *attachment = dma_buf_attach(dmabuf, dev);

	KUNIT_ASSERT_NOT_ERR_OR_NULL(test, attachment);
	KUNIT_ASSERT_EQ(test, 0,
			kunit_add_action_or_reset(test, detach, attachment));
	return attachment;
}

static struct importer *import(struct kunit *test, struct dma_buf *dmabuf,
			       struct device *dev, enum dma_data_direction dir)
{
	struct fanout_buffer *buffer = dmabuf->priv;
	struct importer *importer;

	importer = kunit_kzalloc(test, sizeof(*importer), GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, importer);
	importer->dev = dev;
	importer->dir = dir;
	importer->attachment = attach(test, dmabuf, dev);
	importer->sgt = dma_buf_map_attachment_unlocked(importer->attachment,
							dir);
	KUNIT_ASSERT_NOT_ERR_OR_NULL(test, importer->sgt);
	KUNIT_ASSERT_EQ(test, 0,
			kunit_add_action_or_reset(test, unmap, importer));
	importer->mapping = list_last_entry(&buffer->mappings,
					    struct fanout_mapping, node);
	return importer;
}

static void stop(struct kunit *test, struct importer *importer)
{
	kunit_release_action(test, unmap, importer);
}

/* Where a device sees a page of the buffer: DMA address and kernel address. */
static dma_addr_t device_address(struct importer *importer, u32 page)
{
	size_t offset = (size_t)page << PAGE_SHIFT;
	struct scatterlist *sg;
	int i;

	for_each_sgtable_dma_sg(&importer->mapping->importer, sg, i) {
		if (offset < sg_dma_len(sg))
			return sg_dma_address(sg) + offset;
		offset -= sg_dma_len(sg);
	}
	return DMA_MAPPING_ERROR;
}

static u64 *device_view(struct importer *importer, u32 page)
{
	return phys_to_virt(dma_to_phys(importer->dev,
					device_address(importer, page)));
}

static bool uses_frame(struct importer *importer, u32 page, unsigned long pfn)
{
	return dma_to_phys(importer->dev, device_address(importer, page)) ==
	       PFN_PHYS(pfn);
}

static bool uses_own_page(struct importer *importer, struct memory *mem,
			  u32 page)
{
	return uses_frame(importer, page, memory_pfn(mem, page));
}

static bool uses_swiotlb(struct importer *importer, u32 page)
{
	phys_addr_t phys = dma_to_phys(importer->dev,
				       device_address(importer, page));

	return phys >= swiotlb_start(importer->dev) &&
	       phys - swiotlb_start(importer->dev) <
	       swiotlb_size(importer->dev);
}

static void begin(struct kunit *test, struct dma_buf *dmabuf,
		  enum dma_data_direction access)
{
	KUNIT_ASSERT_EQ(test, 0, dma_buf_begin_cpu_access(dmabuf, access));
}

static void end(struct kunit *test, struct dma_buf *dmabuf,
		enum dma_data_direction access)
{
	KUNIT_ASSERT_EQ(test, 0, dma_buf_end_cpu_access(dmabuf, access));
}

static void expect_kind(struct kunit *test, struct importer *importer,
			enum sync_kind kind)
{
	KUNIT_EXPECT_EQ(test, 1, importer->mapping->nr_kinds);
	KUNIT_EXPECT_EQ(test, kind, importer->mapping->kinds[0]);
}

#define NR_PAGES	100

static struct dma_buf *whole(struct kunit *test, struct memory *mem)
{
	struct udmabuf_create_item item = memory_item(mem, 0, mem->nr_pages);

	memory_fill(test, mem);
	return memory_buffer(test, &item, 1);
}

/* DMA API debugging. */

static u32 *dma_errors;
static u32 dma_errors_before;

static void check_dma_errors(void *context)
{
	struct kunit *test = context;

	KUNIT_EXPECT_EQ_MSG(test, dma_errors_before, READ_ONCE(*dma_errors),
			    "DMA API debugging found an error");
}

static int init(struct kunit *test)
{
	memory_watch_pins(test);
	dma_errors = files_debugfs_value("dma-api", "error_count");
	if (!dma_errors)
		return 0;
	dma_errors_before = READ_ONCE(*dma_errors);
	return kunit_add_action_or_reset(test, check_dma_errors, test);
}

/* Own pages. */

/* A coherent device that reaches all pages uses them, and is never synced. */
static void a_coherent_device_is_never_synced(struct kunit *test)
{
	static const enum dma_data_direction dirs[] = {
		DMA_TO_DEVICE, DMA_FROM_DEVICE, DMA_BIDIRECTIONAL,
	};
	struct device *dev = new_device(test, "coherent", true);
	struct memory *mem = memory_shmem(test, NR_PAGES);
	struct dma_buf *dmabuf = whole(test, mem);
	struct importer *importer;
	u32 i, page;

	for (i = 0; i < ARRAY_SIZE(dirs); i++) {
		importer = import(test, dmabuf, dev, dirs[i]);
		expect_kind(test, importer, SYNC_COHERENT);
		for (page = 0; page < NR_PAGES; page++)
			KUNIT_EXPECT_TRUE(test,
					  uses_own_page(importer, mem, page));
		begin(test, dmabuf, DMA_BIDIRECTIONAL);
		end(test, dmabuf, DMA_BIDIRECTIONAL);
		KUNIT_EXPECT_EQ(test, 0, importer->mapping->syncs);
		stop(test, importer);
	}
}

/* A device that does not snoop uses the pages, too, and is synced. */
static void a_device_that_does_not_snoop_is_noncoherent(struct kunit *test)
{
	struct device *dev = new_device(test, "noncoherent", false);
	struct memory *mem = memory_shmem(test, NR_PAGES);
	struct importer *importer;
	struct dma_buf *dmabuf;
	u64 mapped, begun;
	u32 page;

	if (!has_noncoherent)
		kunit_skip(test, "all devices of this architecture are coherent");
	dmabuf = whole(test, mem);
	importer = import(test, dmabuf, dev, DMA_FROM_DEVICE);
	expect_kind(test, importer, SYNC_NONCOHERENT);
	for (page = 0; page < NR_PAGES; page++)
		KUNIT_EXPECT_TRUE(test, uses_own_page(importer, mem, page));

	mapped = importer->mapping->syncs;
	begin(test, dmabuf, DMA_FROM_DEVICE);
	begun = importer->mapping->syncs;
	KUNIT_EXPECT_GT(test, begun, mapped);
	end(test, dmabuf, DMA_FROM_DEVICE);
	KUNIT_EXPECT_GT(test, importer->mapping->syncs, begun);
}

/* Reach. */

/* Have a device see some of physical memory, at other addresses perhaps. */
static void set_reach(struct kunit *test, struct device *dev,
		      const struct bus_dma_region *from, unsigned int nr)
{
	/* The device owns it, and an empty one ends it. */
	struct bus_dma_region *reach = kcalloc(nr + 1, sizeof(*reach),
					       GFP_KERNEL);

	KUNIT_ASSERT_NOT_NULL(test, reach);
	memcpy(reach, from, nr * sizeof(*reach));
	kfree(dev->dma_range_map);
	dev->dma_range_map = reach;
}

/* What a mask, a bus or its windows leave of memory, to the byte. */
static void a_device_reaches_what_the_kernel_says(struct kunit *test)
{
	struct device *dev = new_device(test, "dev", true);
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
	struct device *dev = new_device(test, "dev", true);
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
	struct device *dev = new_device(test, "dev", true);
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
	struct device *dev = new_device(test, "dev", true);
	struct dma_buf *dmabuf = whole(test, memory_shmem(test, NR_PAGES));
	struct dma_buf_attachment *attachment = attach(test, dmabuf, dev);
	struct fanout_buffer *buffer = dmabuf->priv;

	*dev->dma_mask = PAGE_SIZE - 1;
	KUNIT_EXPECT_PTR_EQ(test, ERR_PTR(-EIO),
			    dma_buf_map_attachment_unlocked(attachment,
							    DMA_FROM_DEVICE));
	KUNIT_EXPECT_EQ(test, 0, shadow_pages(&buffer->shadow));
	*dev->dma_mask = DMA_BIT_MASK(64);
}

#define BLOCK_ORDER	6
#define HALF		16

/*
 * H18: a device that reaches one half of a buffer: the rest it has a copy of,
 * and all of it at addresses of its own.
 */
static void check_mixed(struct kunit *test, bool coherent)
{
	struct device *dev = new_device(test, "mixed", coherent);
	struct device *other = new_device(test, "other", coherent);
	unsigned long pfn = memory_block(test, BLOCK_ORDER);
	struct memory *mem = memory_shmem(test, BIT(BLOCK_ORDER));
	const struct udmabuf_create_item items[] = {
		memory_item(mem, 40, HALF), memory_item(mem, 0, HALF),
	};
	struct dma_buf *dmabuf = memory_buffer(test, items, ARRAY_SIZE(items));
	phys_addr_t hole = PFN_PHYS(pfn + 40);
	/* All but the buffer's first half. */
	const struct bus_dma_region windows[] = {
		{ .cpu_start = 0, .dma_start = SZ_1G, .size = hole },
		{ .cpu_start = hole + HALF * PAGE_SIZE,
		  .dma_start = SZ_1G + hole + HALF * PAGE_SIZE,
		  .size = BIT_ULL(44) },
	};
	struct importer *importer, *second;
	u32 page;

	set_reach(test, dev, windows, ARRAY_SIZE(windows));
	set_reach(test, other, windows, ARRAY_SIZE(windows));
	importer = import(test, dmabuf, dev, DMA_BIDIRECTIONAL);
	KUNIT_EXPECT_EQ(test, 2, importer->mapping->nr_kinds);
	KUNIT_EXPECT_EQ(test, coherent ? SYNC_COHERENT : SYNC_NONCOHERENT,
			importer->mapping->kinds[0]);
	KUNIT_EXPECT_EQ(test, SYNC_COPY, importer->mapping->kinds[1]);
	for (page = 0; page < HALF; page++) {
		KUNIT_EXPECT_FALSE(test, uses_frame(importer, page,
						    pfn + 40 + page));
		KUNIT_EXPECT_TRUE(test, uses_frame(importer, HALF + page,
						   pfn + page));
		*device_view(importer, page) = page;
		*device_view(importer, HALF + page) = HALF + page;
	}

	begin(test, dmabuf, DMA_BIDIRECTIONAL);
	for (page = 0; page < HALF; page++) {
		u64 *first = phys_to_virt(PFN_PHYS(pfn + 40 + page));
		u64 *last = phys_to_virt(PFN_PHYS(pfn + page));

		KUNIT_ASSERT_EQ_MSG(test, page, *first, "page %u", page);
		KUNIT_ASSERT_EQ_MSG(test, HALF + page, *last, "page %u", page);
		*first = ~page;
		*last = ~(HALF + page);
	}
	end(test, dmabuf, DMA_BIDIRECTIONAL);
	/* One that reaches as much shares it. */
	second = import(test, dmabuf, other, DMA_TO_DEVICE);
	for (page = 0; page < 2 * HALF; page++) {
		KUNIT_ASSERT_EQ_MSG(test, ~page, *device_view(importer, page),
				    "page %u", page);
		KUNIT_ASSERT_PTR_EQ(test, device_view(importer, page),
				    device_view(second, page));
	}
	stop(test, second);
	stop(test, importer);
}

/* ... of a coherent device. */
static void a_device_of_short_reach_is_two_peers(struct kunit *test)
{
	check_mixed(test, true);
}

/* ... of one that does not snoop. */
static void a_device_of_short_reach_need_not_snoop(struct kunit *test)
{
	if (!has_noncoherent)
		kunit_skip(test, "all devices of this architecture are coherent");
	check_mixed(test, false);
}

/* Where for_cpu() may do nothing. */
static void arm64_invalidates_for_the_cpu(struct kunit *test)
{
	if (!IS_ENABLED(CONFIG_ARM64))
		kunit_skip(test, "this architecture has no noncoherent devices");
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
			end(test, dmabuf, DMA_BIDIRECTIONAL);
	}
	return ns / rounds;
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

	if (!has_noncoherent)
		kunit_skip(test, "all devices of this architecture are coherent");
	dmabuf = whole(test, memory_shmem(test, SZ_16M >> PAGE_SHIFT));
	import(test, dmabuf, new_device(test, "dev", false), DMA_FROM_DEVICE);
	balanced = cost_of_begins(test, dmabuf, 4, true);
	begin(test, dmabuf, DMA_BIDIRECTIONAL);
	forgotten = cost_of_begins(test, dmabuf, 4, false);
	kunit_info(test, "16 MiB: a START takes %llu us, %llu us after one without an END",
		   balanced / NSEC_PER_USEC, forgotten / NSEC_PER_USEC);
	KUNIT_EXPECT_GT(test, forgotten, balanced);
	/* DMA API debugging looks each piece up. */
	KUNIT_EXPECT_LT(test, forgotten, 1000 * balanced);
}

/* Where all is bounced. */

static void check_bounced(struct kunit *test, struct memory *mem, bool coherent)
{
	struct device *dev = new_device(test, "bounced", coherent);
	struct importer *importer;
	struct dma_buf *dmabuf;
	u32 page;

	need_swiotlb(test, dev);
	dmabuf = whole(test, mem);
	force_bounce(dev, true);
	importer = import(test, dmabuf, dev, DMA_FROM_DEVICE);
	expect_kind(test, importer, SYNC_COPY);

	for (page = 0; page < mem->nr_pages; page++) {
		KUNIT_ASSERT_FALSE(test, uses_own_page(importer, mem, page));
		KUNIT_ASSERT_FALSE(test, uses_swiotlb(importer, page));
		KUNIT_ASSERT_EQ(test, memory_stamp(mem, page),
				*device_view(importer, page));
		*device_view(importer, page) = ~memory_stamp(mem, page);
	}
	begin(test, dmabuf, DMA_FROM_DEVICE);
	for (page = 0; page < mem->nr_pages; page++)
		KUNIT_ASSERT_EQ_MSG(test, ~memory_stamp(mem, page),
				    memory_get(mem, page), "page %u", page);
	end(test, dmabuf, DMA_FROM_DEVICE);

	begin(test, dmabuf, DMA_TO_DEVICE);
	for (page = 0; page < mem->nr_pages; page++)
		memory_set(mem, page, page);
	end(test, dmabuf, DMA_TO_DEVICE);
	for (page = 0; page < mem->nr_pages; page++)
		KUNIT_ASSERT_EQ_MSG(test, page, *device_view(importer, page),
				    "page %u", page);
}

/*
 * What a bounced device writes arrives in the pages with the next CPU access,
 * and what the CPU writes in its copy, at every page; and none of it goes
 * through swiotlb.
 */
static void a_bounced_device_sees_what_the_cpu_sees(struct kunit *test)
{
	check_bounced(test, memory_shmem(test, NR_PAGES), true);
}

/* A copy is a copy, whether its device snoops or not. */
static void a_bounced_device_need_not_snoop(struct kunit *test)
{
	if (!has_noncoherent)
		kunit_skip(test, "all devices of this architecture are coherent");
	check_bounced(test, memory_shmem(test, NR_PAGES), false);
}

/* H2: a reader's copy is never taken for what another device wrote. */
static void a_readers_old_copy_is_not_fetched(struct kunit *test)
{
	struct device *bounced = new_device(test, "bounced", true);
	struct device *direct = new_device(test, "direct", true);
	struct memory *mem = memory_shmem(test, NR_PAGES);
	struct importer *reader, *writer;
	struct dma_buf *dmabuf;
	u32 page;

	need_swiotlb(test, bounced);
	dmabuf = whole(test, mem);
	writer = import(test, dmabuf, direct, DMA_FROM_DEVICE);
	force_bounce(bounced, true);
	reader = import(test, dmabuf, bounced, DMA_TO_DEVICE);
	expect_kind(test, writer, SYNC_COHERENT);
	expect_kind(test, reader, SYNC_COPY);

	for (page = 0; page < NR_PAGES; page++)
		*device_view(writer, page) = page;
	begin(test, dmabuf, DMA_FROM_DEVICE);
	for (page = 0; page < NR_PAGES; page++)
		KUNIT_EXPECT_EQ(test, page, memory_get(mem, page));
	end(test, dmabuf, DMA_FROM_DEVICE);

	/* H6: reading has brought the reader up to date. */
	for (page = 0; page < NR_PAGES; page++)
		KUNIT_EXPECT_EQ(test, page, *device_view(reader, page));
}

/* H3: the CPU writes one page, and the device's data in the others lives. */
static void a_partial_write_keeps_the_devices_data(struct kunit *test)
{
	struct device *dev = new_device(test, "bounced", true);
	struct memory *mem = memory_shmem(test, NR_PAGES);
	struct importer *importer;
	struct dma_buf *dmabuf;
	u32 page;

	need_swiotlb(test, dev);
	dmabuf = whole(test, mem);
	force_bounce(dev, true);
	importer = import(test, dmabuf, dev, DMA_FROM_DEVICE);

	for (page = 0; page < NR_PAGES; page++)
		*device_view(importer, page) = page;
	begin(test, dmabuf, DMA_TO_DEVICE);
	memory_set(mem, 7, 4711);
	end(test, dmabuf, DMA_TO_DEVICE);
	for (page = 0; page < NR_PAGES; page++) {
		KUNIT_EXPECT_EQ(test, page == 7 ? 4711 : page,
				memory_get(mem, page));
		KUNIT_EXPECT_EQ(test, page == 7 ? 4711 : page,
				*device_view(importer, page));
	}
}

/* H13: what a writer wrote last is in the pages when it has unmapped. */
static void a_writer_leaves_its_data_behind(struct kunit *test)
{
	struct device *dev = new_device(test, "bounced", true);
	struct memory *mem = memory_shmem(test, NR_PAGES);
	struct importer *importer;
	struct dma_buf *dmabuf;
	u32 page;

	need_swiotlb(test, dev);
	dmabuf = whole(test, mem);
	force_bounce(dev, true);
	importer = import(test, dmabuf, dev, DMA_FROM_DEVICE);
	for (page = 0; page < NR_PAGES; page++)
		*device_view(importer, page) = page;
	stop(test, importer);
	for (page = 0; page < NR_PAGES; page++)
		KUNIT_EXPECT_EQ(test, page, memory_get(mem, page));
}

/* H15: while a write is open, nothing is fetched over what it has written. */
static void an_open_write_is_not_overwritten(struct kunit *test)
{
	struct device *dev = new_device(test, "bounced", true);
	struct memory *mem = memory_shmem(test, NR_PAGES);
	struct importer *importer;
	struct dma_buf *dmabuf;

	need_swiotlb(test, dev);
	dmabuf = whole(test, mem);
	force_bounce(dev, true);
	importer = import(test, dmabuf, dev, DMA_FROM_DEVICE);

	begin(test, dmabuf, DMA_TO_DEVICE);
	memory_set(mem, 3, 4711);
	begin(test, dmabuf, DMA_FROM_DEVICE);
	KUNIT_EXPECT_EQ(test, 4711, memory_get(mem, 3));
	end(test, dmabuf, DMA_FROM_DEVICE);
	KUNIT_EXPECT_EQ(test, 4711, memory_get(mem, 3));
	end(test, dmabuf, DMA_TO_DEVICE);
	KUNIT_EXPECT_EQ(test, 4711, *device_view(importer, 3));
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
	dev = new_device(test, "ops", true);
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
	struct dma_buf *dmabuf = whole(test, mem);
	struct importer *importer;
	u32 page;

	KUNIT_EXPECT_FALSE(test, device_is_direct(dev));
	KUNIT_EXPECT_FALSE(test, device_reaches(dev, 0, PAGE_SIZE));
	importer = import(test, dmabuf, dev, DMA_FROM_DEVICE);
	expect_kind(test, importer, SYNC_COPY);

	ops_for_cpu = 0;
	ops_for_device = 0;
	for (page = 0; page < NR_PAGES; page++) {
		KUNIT_ASSERT_EQ(test, memory_stamp(mem, page),
				*device_view(importer, page));
		*device_view(importer, page) = page;
	}
	begin(test, dmabuf, DMA_BIDIRECTIONAL);
	for (page = 0; page < NR_PAGES; page++) {
		KUNIT_ASSERT_EQ(test, page, memory_get(mem, page));
		memory_set(mem, page, page + 1);
	}
	end(test, dmabuf, DMA_BIDIRECTIONAL);
	for (page = 0; page < NR_PAGES; page++)
		KUNIT_ASSERT_EQ(test, page + 1, *device_view(importer, page));
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
	struct dma_buf *dmabuf = whole(test, memory_shmem(test, NR_PAGES));
	struct importer *importer;

	KUNIT_EXPECT_TRUE(test, device_reaches(dev, 0, PAGE_SIZE));
	set_coherent(dev, false);
	KUNIT_EXPECT_TRUE(test, device_snoops(dev));
	importer = import(test, dmabuf, dev, DMA_FROM_DEVICE);
	expect_kind(test, importer, SYNC_COHERENT);
}

/* H16. */

/* 64 MiB of hugetlb memory, or what there is. */
static struct memory *much_hugetlb(struct kunit *test)
{
	return memory_hugetlb_most(test, SZ_64M / PMD_SIZE);
}

static void check_entries(struct kunit *test, struct importer *importer,
			  u32 nr_pages, size_t longest)
{
	struct scatterlist *sg;
	size_t size = 0;
	int i;

	for_each_sgtable_dma_sg(&importer->mapping->importer, sg, i) {
		KUNIT_ASSERT_LE(test, sg_dma_len(sg), longest);
		size += sg_dma_len(sg);
	}
	KUNIT_EXPECT_EQ(test, (size_t)nr_pages << PAGE_SHIFT, size);
}

/*
 * Huge pages have copies, in entries that fit the device, and data goes through
 * at both ends.
 */
static void huge_pages_have_copies(struct kunit *test)
{
	static const unsigned int seg_sizes[] = { SZ_64K, SZ_2M, UINT_MAX };
	struct device *dev = new_device(test, "bounced", true);
	struct device_dma_parameters *parms;
	struct importer *importer;
	struct dma_buf *dmabuf;
	struct memory *mem;
	u32 i, page;

	need_swiotlb(test, dev);
	mem = much_hugetlb(test);
	dmabuf = whole(test, mem);
	force_bounce(dev, true);
	parms = devm_kzalloc(dev, sizeof(*parms), GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, parms);
	dev->dma_parms = parms;
	for (i = 0; i < ARRAY_SIZE(seg_sizes); i++) {
		parms->max_segment_size = seg_sizes[i];
		importer = import(test, dmabuf, dev, DMA_FROM_DEVICE);
		expect_kind(test, importer, SYNC_COPY);
		check_entries(test, importer, mem->nr_pages,
			      min(seg_sizes[i], SZ_2M));
		for (page = 0; page < mem->nr_pages; page++)
			*device_view(importer, page) = page + i;
		begin(test, dmabuf, DMA_FROM_DEVICE);
		for (page = 0; page < mem->nr_pages; page++)
			KUNIT_ASSERT_EQ(test, page + i, memory_get(mem, page));
		end(test, dmabuf, DMA_FROM_DEVICE);
		stop(test, importer);
	}
	kunit_info(test, "copies of %u MiB of hugetlb memory",
		   mem->nr_pages >> (20 - PAGE_SHIFT));
}

static struct kunit_case kind_cases[] = {
	KUNIT_CASE(a_coherent_device_is_never_synced),
	KUNIT_CASE(a_device_that_does_not_snoop_is_noncoherent),
	KUNIT_CASE(a_device_reaches_what_the_kernel_says),
	KUNIT_CASE(windows_are_not_crossed),
	KUNIT_CASE(an_iommu_reaches_all_memory),
	KUNIT_CASE(a_device_that_reaches_nothing_is_refused),
	KUNIT_CASE(a_device_of_short_reach_is_two_peers),
	KUNIT_CASE(a_device_of_short_reach_need_not_snoop),
	KUNIT_CASE(arm64_invalidates_for_the_cpu),
	KUNIT_CASE_SLOW(a_forgotten_end_costs_time),
	KUNIT_CASE(a_bounced_device_sees_what_the_cpu_sees),
	KUNIT_CASE(a_bounced_device_need_not_snoop),
	KUNIT_CASE(a_readers_old_copy_is_not_fetched),
	KUNIT_CASE(a_partial_write_keeps_the_devices_data),
	KUNIT_CASE(a_writer_leaves_its_data_behind),
	KUNIT_CASE(an_open_write_is_not_overwritten),
	KUNIT_CASE(a_device_with_its_own_ops_has_a_copy),
	KUNIT_CASE(ops_that_cannot_sync_are_coherent),
	KUNIT_CASE_SLOW(huge_pages_have_copies),
	{ }
};

static struct kunit_suite kind_suite = {
	.name = "udmabuf_fanout_kind",
	.init = init,
	.test_cases = kind_cases,
};

kunit_test_suite(kind_suite);
