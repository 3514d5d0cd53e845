/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Door between the guest program and the importer module: one attachment of
 * one edu device to one dma-buf is a small number, good until the file that
 * made it is closed.
 */
#ifndef EDU_IMPORTER_H
#define EDU_IMPORTER_H

#include <linux/ioctl.h>
#include <linux/types.h>

/* An edu device refuses a transfer that ends at the end of its buffer. */
#define EDU_TRANSFER_MAX	4095
#define EDU_ATTACHMENTS_MAX	128

/**
 * struct edu_device_info - what the module knows of one device
 * @index: which device, in PCI order; input
 * @mask_bits: its DMA mask
 * @max_seg_size: longest segment it takes, 0 for no limit; EDU_SET_SEGMENT
 *                reads it
 * @coherent: whether it snoops the CPU's caches
 * @name: as the kernel's messages call it
 */
struct edu_device_info {
	__u32 index;
	__u32 mask_bits;
	__u32 max_seg_size;
	__u32 coherent;
	char name[20];
};

/**
 * struct edu_attach - attach a device, without mapping it
 * @device: index of the device
 * @dmabuf: file descriptor of the dma-buf
 * @attachment: what the other calls name it by; output
 * @pad: zero
 * @ns: how long dma_buf_attach() took; output
 */
struct edu_attach {
	__u32 device;
	__s32 dmabuf;
	__u32 attachment;
	__u32 pad;
	__u64 ns;
};

/**
 * struct edu_map - map or unmap an attachment
 * @attachment: from EDU_ATTACH
 * @direction: enum dma_data_direction: 0 both, 1 the device reads, 2 it writes
 * @entries: mapped entries of the table; output
 * @pad: zero
 * @ns: how long the dma-buf call took; output
 */
struct edu_map {
	__u32 attachment;
	__u32 direction;
	__u32 entries;
	__u32 pad;
	__u64 ns;
};

/**
 * struct edu_transfer - one transfer between the device and the buffer
 * @attachment: from EDU_ATTACH; must be mapped
 * @length: bytes, at most EDU_TRANSFER_MAX
 * @offset: where in the buffer
 * @data: what to write, or where to put what was read
 * @delay_ms: EDU_WRITE and EDU_READ only; not 0: return at once, put a fence
 *            in the reservation object, transfer so much later, then signal.
 *            Data of a late read is picked up by EDU_FETCH.
 * @pad: zero
 */
struct edu_transfer {
	__u32 attachment;
	__u32 length;
	__u64 offset;
	__u64 data;
	__u32 delay_ms;
	__u32 pad;
};

/**
 * struct edu_address - where the device sees one byte of the buffer
 * @attachment: from EDU_ATTACH; must be mapped
 * @pad: zero
 * @offset: where in the buffer
 * @address: DMA address; output
 */
struct edu_address {
	__u32 attachment;
	__u32 pad;
	__u64 offset;
	__u64 address;
};

/**
 * struct edu_vmap - map the buffer for the kernel, read from it, unmap it; or
 *                   one of these, and to write
 * @dmabuf: file descriptor of the dma-buf
 * @length: bytes to copy to @data; EDU_KERNEL_WRITE: from there
 * @offset: from where, or to where
 * @data: to where, or from where
 * @map_ns: how long dma_buf_vmap() took; output
 * @unmap_ns: how long dma_buf_vunmap() took; output
 */
struct edu_vmap {
	__s32 dmabuf;
	__u32 length;
	__u64 offset;
	__u64 data;
	__u64 map_ns;
	__u64 unmap_ns;
};

/**
 * struct edu_half_begin - the exporter's part of a CPU access's begin
 * @dmabuf: file descriptor of the dma-buf
 * @direction: enum dma_data_direction: as the access is
 *
 * What has happened when the core's own wait for fences, which comes after it,
 * fails: nobody will end what the exporter began.
 */
struct edu_half_begin {
	__s32 dmabuf;
	__u32 direction;
};

#define EDU_DEVICE_INFO	_IOWR('e', 0, struct edu_device_info)
#define EDU_SET_SEGMENT	_IOWR('e', 1, struct edu_device_info)
#define EDU_ATTACH	_IOWR('e', 2, struct edu_attach)
#define EDU_DETACH	_IOWR('e', 3, struct edu_attach)
#define EDU_MAP		_IOWR('e', 4, struct edu_map)
#define EDU_UNMAP	_IOWR('e', 5, struct edu_map)
#define EDU_WRITE	_IOW('e', 6, struct edu_transfer)
#define EDU_READ	_IOW('e', 7, struct edu_transfer)
#define EDU_FETCH	_IOW('e', 8, struct edu_transfer)
#define EDU_WHERE	_IOWR('e', 9, struct edu_address)
#define EDU_VMAP	_IOWR('e', 10, struct edu_vmap)
/* One mapping of the kernel's is kept for each file, and written unbracketed. */
#define EDU_KERNEL_MAP		_IOW('e', 11, struct edu_vmap)
#define EDU_KERNEL_WRITE	_IOW('e', 12, struct edu_vmap)
#define EDU_KERNEL_UNMAP	_IOW('e', 13, struct edu_vmap)
#define EDU_HALF_BEGIN		_IOW('e', 14, struct edu_half_begin)

#endif
