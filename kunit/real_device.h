/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Devices against the kernel's own DMA layer, with nothing faked, and their
 * mappings of a buffer. A device is made to snoop or not, to reach all memory or
 * some, or to be bounced by what the kernel goes by (struct device, swiotlb), and
 * the driver has to find out. What a device does is done by hand at the address
 * that its mapping gave it, so data really goes from copy to page and back.
 *
 *	struct device *dev = real_device(test, "usb", true);
 *	struct real_importer *usb;
 *
 *	force_bounce(dev, true);
 *	usb = real_import(test, dmabuf, dev, DMA_FROM_DEVICE);
 *	expect_kind(test, usb, SYNC_COPY);
 *	real_set(usb, 3, 33);
 *	begin_access(test, dmabuf, DMA_FROM_DEVICE);
 *	KUNIT_EXPECT_EQ(test, 33, memory_get(mem, 3));
 *	end_access(test, dmabuf, DMA_FROM_DEVICE);
 *
 * A suite whose init is real_device_init() fails each test that leaves a pin
 * behind, or that DMA API debugging has objected to.
 */
#ifndef UDMABUF_FANOUT_REAL_DEVICE_H
#define UDMABUF_FANOUT_REAL_DEVICE_H

#include <linux/dma-direction.h>
#include <linux/types.h>

#include "../driver/sync_plan.h"

struct bus_dma_region;
struct device;
struct dma_buf;
struct dma_buf_attachment;
struct fanout_mapping;
struct kunit;
struct memory;
struct sg_table;

/**
 * struct real_importer - a device with a mapping of a buffer
 * @dev: the device
 * @attachment: its attachment
 * @sgt: its table
 * @dir: the direction it asked for
 * @mapping: how the driver knows it
 */
struct real_importer {
	struct device *dev;
	struct dma_buf_attachment *attachment;
	struct sg_table *sgt;
	enum dma_data_direction dir;
	struct fanout_mapping *mapping;
};

/**
 * struct maintained - what the architecture was asked to maintain; of UML only
 * @for_device: bytes that were to be cleaned
 * @for_cpu: bytes that were to be invalidated
 */
struct maintained {
	u64 for_device;
	u64 for_cpu;
};

extern struct maintained maintained;

int real_device_init(struct kunit *test);

struct device *real_device(struct kunit *test, const char *name, bool coherent);
void need_noncoherent(struct kunit *test);
void set_coherent(struct device *dev, bool coherent);
bool has_swiotlb(struct device *dev);
void force_bounce(struct device *dev, bool bounce);
bool in_swiotlb(struct device *dev, phys_addr_t phys);
void set_reach(struct kunit *test, struct device *dev,
	       const struct bus_dma_region *from, unsigned int nr);

struct dma_buf *stamped_buffer(struct kunit *test, struct memory *mem);
struct dma_buf_attachment *real_attach(struct kunit *test,
				       struct dma_buf *dmabuf,
				       struct device *dev);
struct real_importer *real_import(struct kunit *test, struct dma_buf *dmabuf,
				  struct device *dev,
				  enum dma_data_direction dir);
void real_unmap(struct kunit *test, struct real_importer *importer);
void expect_kind(struct kunit *test, struct real_importer *importer,
		 enum sync_kind kind);

phys_addr_t real_phys(struct real_importer *importer, u32 page);
u64 real_get(struct real_importer *importer, u32 page);
void real_set(struct real_importer *importer, u32 page, u64 value);
void begin_access(struct kunit *test, struct dma_buf *dmabuf,
		  enum dma_data_direction access);
void end_access(struct kunit *test, struct dma_buf *dmabuf,
		enum dma_data_direction access);

#endif /* UDMABUF_FANOUT_REAL_DEVICE_H */
