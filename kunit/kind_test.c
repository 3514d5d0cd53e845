// SPDX-License-Identifier: GPL-2.0
/*
 * Kinds, against the kernel's own DMA layer, with nothing faked: a device is
 * made coherent, noncoherent, bounced, opaque or mixed by what the kernel goes
 * by (struct device, swiotlb, dma_map_ops), and the driver has to find out. What
 * a device does is done by hand at the address that its mapping gave it, so data
 * really goes from slot to page and back.
 *
 * Would miss: IOMMUs, which kunit devices are not behind, and stale caches: a
 * noncoherent device's syncs are counted, and no machine here has caches that
 * would show one missing (the model and the rig's noncoherent guest are for
 * that). Nor would it see a table leak: pins and slots are counted, not kernel
 * memory. UML has neither swiotlb nor noncoherent devices nor dma_map_ops of a
 * device's own; x86_64 has no noncoherent devices, arm64 no dma_map_ops.
 */
#include <kunit/device.h>
#include <kunit/static_stub.h>
#include <kunit/test.h>
#include <linux/dma-buf.h>
#include <linux/dma-direct.h>
#include <linux/dma-map-ops.h>
#include <linux/dma-mapping.h>
#include <linux/mm.h>
#include <linux/pagemap.h>
#include <linux/sizes.h>
#include <linux/swiotlb.h>

#include "../driver/bindings/bindings.h"
#include "../driver/buffer.h"
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

	for_each_sgtable_dma_sg(&importer->mapping->own, sg, i) {
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

static bool uses_own_page(struct importer *importer, struct memory *mem,
			  u32 page)
{
	return dma_to_phys(importer->dev, device_address(importer, page)) ==
	       PFN_PHYS(memory_pfn(mem, page));
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

/* Slots. */

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
	expect_kind(test, importer, SYNC_BOUNCED);

	for (page = 0; page < mem->nr_pages; page++) {
		KUNIT_ASSERT_FALSE(test, uses_own_page(importer, mem, page));
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
 * and what the CPU writes in the slot, at every page.
 */
static void a_bounced_device_sees_what_the_cpu_sees(struct kunit *test)
{
	check_bounced(test, memory_shmem(test, NR_PAGES), true);
}

/* A slot is a slot, whether its device snoops or not. */
static void a_bounced_device_need_not_snoop(struct kunit *test)
{
	if (!has_noncoherent)
		kunit_skip(test, "all devices of this architecture are coherent");
	check_bounced(test, memory_shmem(test, NR_PAGES), false);
}

/* H2: a reader's slot is never copied back over what another device wrote. */
static void a_readers_old_copy_stays_in_its_slot(struct kunit *test)
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
	expect_kind(test, reader, SYNC_BOUNCED);

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

/* H15: while a write is open, no slot is copied over what it has written. */
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

/* H18: mixed. */

/*
 * A device that reaches one of two hugetlb pages: what is out of its reach is
 * bounced, the rest is used as it is, and each half gets the syncs it needs.
 */
static void check_mixed(struct kunit *test, bool coherent)
{
	struct device *dev = new_device(test, "mixed", coherent);
	struct bus_dma_region *reach;
	u32 page, half, own = 0, slots = 0;
	struct importer *importer;
	struct dma_buf *dmabuf;
	struct memory *mem;

	need_swiotlb(test, dev);
	mem = memory_hugetlb(test, 2);
	dmabuf = whole(test, mem);
	half = mem->nr_pages / 2;

	/* The device owns it from now on. */
	reach = kcalloc(3, sizeof(*reach), GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, reach);
	dev->dma_range_map = reach;
	reach[0].cpu_start = PFN_PHYS(memory_pfn(mem, 0));
	reach[0].size = (u64)half << PAGE_SHIFT;
	reach[1].cpu_start = swiotlb_start(dev);
	reach[1].size = swiotlb_size(dev);
	reach[0].dma_start = reach[0].cpu_start;
	reach[1].dma_start = reach[1].cpu_start;

	importer = import(test, dmabuf, dev, DMA_BIDIRECTIONAL);
	KUNIT_EXPECT_EQ(test, 2, importer->mapping->nr_kinds);
	KUNIT_EXPECT_EQ(test, coherent ? SYNC_COHERENT : SYNC_NONCOHERENT,
			importer->mapping->kinds[0]);
	KUNIT_EXPECT_EQ(test, SYNC_BOUNCED, importer->mapping->kinds[1]);
	for (page = 0; page < mem->nr_pages; page++) {
		if (uses_own_page(importer, mem, page))
			own++;
		else
			slots++;
		*device_view(importer, page) = page;
	}
	KUNIT_EXPECT_EQ(test, half, own);
	KUNIT_EXPECT_EQ(test, half, slots);

	begin(test, dmabuf, DMA_BIDIRECTIONAL);
	for (page = 0; page < mem->nr_pages; page++) {
		KUNIT_ASSERT_EQ_MSG(test, page, memory_get(mem, page),
				    "page %u", page);
		memory_set(mem, page, page + 1);
	}
	end(test, dmabuf, DMA_BIDIRECTIONAL);
	for (page = 0; page < mem->nr_pages; page++)
		KUNIT_ASSERT_EQ_MSG(test, page + 1,
				    *device_view(importer, page), "page %u",
				    page);
}

/* ... of a coherent device, whose own half takes no sync. */
static void a_device_of_short_reach_is_two_peers(struct kunit *test)
{
	check_mixed(test, true);
}

/* ... of one that does not snoop, so that both halves do. */
static void a_device_of_short_reach_need_not_snoop(struct kunit *test)
{
	if (!has_noncoherent)
		kunit_skip(test, "all devices of this architecture are coherent");
	check_mixed(test, false);
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

static const struct dma_map_ops syncing_ops = {
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

/* A device with ops of its own is opaque, and its syncs reach the ops. */
static void a_device_with_its_own_ops_is_opaque(struct kunit *test)
{
	struct device *dev = device_with_ops(test, &syncing_ops);
	struct dma_buf *dmabuf = whole(test, memory_shmem(test, NR_PAGES));
	struct importer *importer;

	importer = import(test, dmabuf, dev, DMA_FROM_DEVICE);
	expect_kind(test, importer, SYNC_OPAQUE);

	ops_for_cpu = 0;
	ops_for_device = 0;
	begin(test, dmabuf, DMA_BIDIRECTIONAL);
	KUNIT_EXPECT_EQ(test, 1, ops_for_cpu);
	KUNIT_EXPECT_EQ(test, 0, ops_for_device);
	end(test, dmabuf, DMA_BIDIRECTIONAL);
	KUNIT_EXPECT_EQ(test, 1, ops_for_cpu);
	KUNIT_EXPECT_EQ(test, 1, ops_for_device);
}

#ifdef CONFIG_DMA_NEED_SYNC
/* What dma_need_sync() says where DMA API debugging does not say yes to all. */
static bool need_sync_undebugged(struct device *dev, dma_addr_t dma_addr)
{
	return !dev_dma_skip_sync(dev) && __dma_need_sync(dev, dma_addr);
}
#else
static bool need_sync_undebugged(struct device *dev, dma_addr_t dma_addr)
{
	return dma_need_sync(dev, dma_addr);
}
#endif

/* Ops that cannot sync need no sync. */
static void ops_that_cannot_sync_are_coherent(struct kunit *test)
{
	struct device *dev = device_with_ops(test, &silent_ops);
	struct dma_buf *dmabuf = whole(test, memory_shmem(test, NR_PAGES));
	struct importer *importer;

	kunit_activate_static_stub(test, bindings_dma_need_sync,
				   need_sync_undebugged);
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

	for_each_sgtable_dma_sg(&importer->mapping->own, sg, i) {
		KUNIT_ASSERT_LE(test, sg_dma_len(sg), longest);
		size += sg_dma_len(sg);
	}
	KUNIT_EXPECT_EQ(test, (size_t)nr_pages << PAGE_SHIFT, size);
}

/*
 * Huge pages are mapped for a device that bounces, in entries that fit both the
 * device and swiotlb, and data goes through at both ends.
 */
static void huge_pages_are_bounced_in_pieces(struct kunit *test)
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
		expect_kind(test, importer, SYNC_BOUNCED);
		check_entries(test, importer, mem->nr_pages,
			      min(seg_sizes[i], SZ_256K));
		for (page = 0; page < mem->nr_pages; page++)
			*device_view(importer, page) = page + i;
		begin(test, dmabuf, DMA_FROM_DEVICE);
		for (page = 0; page < mem->nr_pages; page++)
			KUNIT_ASSERT_EQ(test, page + i, memory_get(mem, page));
		end(test, dmabuf, DMA_FROM_DEVICE);
		stop(test, importer);
	}
	kunit_info(test, "%u MiB of hugetlb memory through %zu MiB of swiotlb",
		   mem->nr_pages >> (20 - PAGE_SHIFT), swiotlb_size(dev) >> 20);
}

#define MAX_READERS	64

/* Map for as many readers as swiotlb has room for; what the next one got. */
static u32 fill_swiotlb(struct kunit *test, struct dma_buf *dmabuf,
			struct dma_buf_attachment *attachment,
			struct sg_table **tables, long *error)
{
	struct sg_table *sgt;
	u32 nr;

	for (nr = 0; nr < MAX_READERS; nr++) {
		sgt = dma_buf_map_attachment_unlocked(attachment,
						      DMA_TO_DEVICE);
		*error = PTR_ERR_OR_ZERO(sgt);
		if (*error)
			break;
		tables[nr] = sgt;
	}
	return nr;
}

/*
 * Where swiotlb has no room, a map fails and says so, and leaves nothing behind:
 * as many fit the second time.
 */
static void a_full_swiotlb_is_an_error(struct kunit *test)
{
	struct device *dev = new_device(test, "bounced", true);
	struct dma_buf_attachment *attachment;
	struct sg_table **tables;
	struct dma_buf *dmabuf;
	struct memory *mem;
	u32 nr[2], i, j;
	long error;

	need_swiotlb(test, dev);
	mem = much_hugetlb(test);
	dmabuf = whole(test, mem);
	force_bounce(dev, true);
	tables = kunit_kcalloc(test, MAX_READERS, sizeof(*tables), GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, tables);
	attachment = attach(test, dmabuf, dev);

	for (i = 0; i < 2; i++) {
		nr[i] = fill_swiotlb(test, dmabuf, attachment, tables, &error);
		KUNIT_EXPECT_EQ(test, error, -ENOMEM);
		for (j = 0; j < nr[i]; j++)
			dma_buf_unmap_attachment_unlocked(attachment, tables[j],
							  DMA_TO_DEVICE);
	}
	KUNIT_EXPECT_EQ(test, nr[0], nr[1]);
	KUNIT_EXPECT_LT(test, nr[0], MAX_READERS);
	kunit_info(test, "%zu MiB of swiotlb has room for %u times %u MiB",
		   swiotlb_size(dev) >> 20, nr[0],
		   mem->nr_pages >> (20 - PAGE_SHIFT));
}

static struct kunit_case kind_cases[] = {
	KUNIT_CASE(a_coherent_device_is_never_synced),
	KUNIT_CASE(a_device_that_does_not_snoop_is_noncoherent),
	KUNIT_CASE(a_bounced_device_sees_what_the_cpu_sees),
	KUNIT_CASE(a_bounced_device_need_not_snoop),
	KUNIT_CASE(a_readers_old_copy_stays_in_its_slot),
	KUNIT_CASE(a_partial_write_keeps_the_devices_data),
	KUNIT_CASE(a_writer_leaves_its_data_behind),
	KUNIT_CASE(an_open_write_is_not_overwritten),
	KUNIT_CASE(a_device_of_short_reach_is_two_peers),
	KUNIT_CASE(a_device_of_short_reach_need_not_snoop),
	KUNIT_CASE(a_device_with_its_own_ops_is_opaque),
	KUNIT_CASE(ops_that_cannot_sync_are_coherent),
	KUNIT_CASE_SLOW(huge_pages_are_bounced_in_pieces),
	KUNIT_CASE_SLOW(a_full_swiotlb_is_an_error),
	{ }
};

static struct kunit_suite kind_suite = {
	.name = "udmabuf_fanout_kind",
	.init = init,
	.test_cases = kind_cases,
};

kunit_test_suite(kind_suite);
