// SPDX-License-Identifier: GPL-2.0
/*
 * Devices against the kernel's own DMA layer. UML has those that uml_devices.c
 * gives it; x86_64 has no noncoherent devices. No kunit device is behind an
 * IOMMU.
 */
#include <kunit/device.h>
#include <kunit/test.h>
#include <linux/dma-buf.h>
#include <linux/dma-direct.h>
#include <linux/dma-map-ops.h>
#include <linux/dma-mapping.h>
#include <linux/highmem.h>
#include <linux/slab.h>
#include <linux/swiotlb.h>

#include "../driver/buffer.h"
#include "../driver/mapping.h"
#include "compat.h"
#include "files.h"
#include "memory.h"
#include "real_device.h"

/* The machine. */

#ifdef CONFIG_SWIOTLB
/**
 * has_swiotlb() - tell whether the machine can bounce
 * @dev: a device
 *
 * Return: true if it can.
 */
bool has_swiotlb(struct device *dev)
{
	return is_swiotlb_active(dev);
}

/**
 * force_bounce() - bounce all devices, or none that reaches the memory
 * @dev: any of them
 * @bounce: which, for maps from now on
 */
void force_bounce(struct device *dev, bool bounce)
{
	dev->dma_io_tlb_mem->force_bounce = bounce;
}

static bool is_bounce_forced(struct device *dev)
{
	return dev->dma_io_tlb_mem->force_bounce;
}

/**
 * in_swiotlb() - tell whether memory is swiotlb's
 * @dev: a device
 * @phys: the memory
 *
 * Return: true if it is.
 */
bool in_swiotlb(struct device *dev, phys_addr_t phys)
{
	return phys >= dev->dma_io_tlb_mem->defpool.start &&
	       phys < dev->dma_io_tlb_mem->defpool.end;
}
#else
bool has_swiotlb(struct device *dev)
{
	return false;
}

void force_bounce(struct device *dev, bool bounce)
{
}

static bool is_bounce_forced(struct device *dev)
{
	return false;
}

bool in_swiotlb(struct device *dev, phys_addr_t phys)
{
	return false;
}
#endif

#if defined(CONFIG_ARCH_HAS_SYNC_DMA_FOR_DEVICE) || \
	defined(CONFIG_ARCH_HAS_SYNC_DMA_FOR_CPU)
/**
 * need_noncoherent() - skip a test where all devices are coherent
 * @test: the test
 */
void need_noncoherent(struct kunit *test)
{
}

/**
 * set_coherent() - have a device snoop the caches
 * @dev: the device
 * @coherent: or not
 */
void set_coherent(struct device *dev, bool coherent)
{
	dev_assign_dma_coherent(dev, coherent);
}
#else
void need_noncoherent(struct kunit *test)
{
	kunit_skip(test, "all devices of this architecture are coherent");
}

void set_coherent(struct device *dev, bool coherent)
{
}
#endif

static bool was_bounce_forced;

static void restore_bounce(void *dev)
{
	force_bounce(dev, was_bounce_forced);
}

/**
 * real_device() - make a device that reaches all of memory
 * @test: the test, which has @test->priv to itself otherwise
 * @name: its name
 * @coherent: whether it snoops
 *
 * Bounces are not forced from now on.
 *
 * Return: the device; gone when the test ends.
 */
struct device *real_device(struct kunit *test, const char *name, bool coherent)
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

/**
 * set_reach() - have a device see some of physical memory
 * @test: the test
 * @dev: the device
 * @from: its windows, perhaps at other addresses
 * @nr: how many
 */
void set_reach(struct kunit *test, struct device *dev,
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

/* Mappings. */

/**
 * stamped_buffer() - make a buffer of a memfd
 * @test: the test
 * @mem: the memfd; its pages bear stamps from now on
 *
 * Return: the dma-buf, as memory_buffer() makes it.
 */
struct dma_buf *stamped_buffer(struct kunit *test, struct memory *mem)
{
	struct udmabuf_create_item item = memory_item(mem, 0, mem->nr_pages);

	memory_fill(test, mem);
	return memory_buffer(test, &item, 1);
}

static void detach(void *context)
{
	struct dma_buf_attachment *attachment = context;

	dma_buf_detach(attachment->dmabuf, attachment);
}

/**
 * real_attach() - attach a device to a buffer until the test ends
 * @test: the test
 * @dmabuf: the buffer
 * @dev: the device
 *
 * Return: the attachment.
 */
struct dma_buf_attachment *real_attach(struct kunit *test,
				       struct dma_buf *dmabuf,
				       struct device *dev)
{
	struct dma_buf_attachment *attachment = dma_buf_attach(dmabuf, dev);

	KUNIT_ASSERT_NOT_ERR_OR_NULL(test, attachment);
	KUNIT_ASSERT_EQ(test, 0,
			kunit_add_action_or_reset(test, detach, attachment));
	return attachment;
}

static void unmap(void *context)
{
	struct real_importer *importer = context;

	dma_buf_unmap_attachment_unlocked(importer->attachment, importer->sgt,
					  importer->dir);
}

/**
 * real_import() - have a device map a buffer
 * @test: the test
 * @dmabuf: the buffer
 * @dev: the device
 * @dir: the direction
 *
 * Return: the importer; it unmaps when the test ends, or by real_unmap().
 */
struct real_importer *real_import(struct kunit *test, struct dma_buf *dmabuf,
				  struct device *dev,
				  enum dma_data_direction dir)
{
	struct fanout_buffer *buffer = dmabuf->priv;
	struct real_importer *importer;

	importer = kunit_kzalloc(test, sizeof(*importer), GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, importer);
	importer->dev = dev;
	importer->dir = dir;
	importer->attachment = real_attach(test, dmabuf, dev);
	importer->sgt = dma_buf_map_attachment_unlocked(importer->attachment,
							dir);
	KUNIT_ASSERT_NOT_ERR_OR_NULL(test, importer->sgt);
	KUNIT_ASSERT_EQ(test, 0,
			kunit_add_action_or_reset(test, unmap, importer));
	importer->mapping = list_last_entry(&buffer->mappings,
					    struct fanout_mapping, node);
	return importer;
}

/**
 * real_unmap() - have a device unmap the buffer before the test ends
 * @test: the test
 * @importer: who
 */
void real_unmap(struct kunit *test, struct real_importer *importer)
{
	kunit_release_action(test, unmap, importer);
}

/**
 * expect_kind() - expect that the driver found a device to be of one kind
 * @test: the test
 * @importer: who
 * @kind: the kind
 */
void expect_kind(struct kunit *test, struct real_importer *importer,
		 enum sync_kind kind)
{
	KUNIT_EXPECT_EQ(test, 1, importer->mapping->nr_kinds);
	KUNIT_EXPECT_EQ(test, kind, importer->mapping->kinds[0]);
}

static dma_addr_t device_address(struct real_importer *importer, u32 page)
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

/**
 * real_phys() - tell what memory a device uses
 * @importer: who
 * @page: for which page of the buffer
 *
 * Return: its physical address.
 */
phys_addr_t real_phys(struct real_importer *importer, u32 page)
{
	return dma_to_phys(importer->dev, device_address(importer, page));
}

static u64 *map_page(struct real_importer *importer, u32 page)
{
	return kmap_local_pfn(PHYS_PFN(real_phys(importer, page)));
}

/**
 * real_get() - have a device read the first eight bytes of a page
 * @importer: who
 * @page: which page of the buffer
 *
 * Return: what it reads.
 */
u64 real_get(struct real_importer *importer, u32 page)
{
	u64 *data = map_page(importer, page), value = *data;

	kunmap_local(data);
	return value;
}

/**
 * real_set() - have a device write the first eight bytes of a page
 * @importer: who
 * @page: which page of the buffer
 * @value: what it writes
 */
void real_set(struct real_importer *importer, u32 page, u64 value)
{
	u64 *data = map_page(importer, page);

	*data = value;
	kunmap_local(data);
}

/**
 * begin_access() - begin a CPU access
 * @test: the test
 * @dmabuf: the buffer
 * @access: the access
 */
void begin_access(struct kunit *test, struct dma_buf *dmabuf,
		  enum dma_data_direction access)
{
	KUNIT_ASSERT_EQ(test, 0, dma_buf_begin_cpu_access(dmabuf, access));
}

/**
 * end_access() - end a CPU access
 * @test: the test
 * @dmabuf: the buffer
 * @access: the access
 */
void end_access(struct kunit *test, struct dma_buf *dmabuf,
		enum dma_data_direction access)
{
	KUNIT_ASSERT_EQ(test, 0, dma_buf_end_cpu_access(dmabuf, access));
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

/**
 * real_device_init() - a suite's init
 * @test: the test
 *
 * Return: 0 or an error.
 */
int real_device_init(struct kunit *test)
{
	memory_watch_pins(test);
	dma_errors = files_debugfs_value("dma-api", "error_count");
	if (!dma_errors)
		return 0;
	dma_errors_before = READ_ONCE(*dma_errors);
	return kunit_add_action_or_reset(test, check_dma_errors, test);
}
