/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The importer module's own: a device, an attachment of one, and what the kernel
 * does by itself. main.c calls each of them; attachments know late transfers, and
 * both the device; none knows the file whose calls they are.
 */
#ifndef EDU_H
#define EDU_H

#include <linux/dma-buf.h>
#include <linux/dma-fence.h>
#include <linux/iosys-map.h>
#include <linux/mutex.h>
#include <linux/workqueue.h>

#include "edu_importer.h"

/**
 * struct edu - one device
 * @dev: for the DMA API
 * @bar: its registers; NULL: a stand-in, which has none
 * @lock: held over a transfer
 * @staging: memory the device reaches, on the way to or from its own
 * @staging_dma: where the device sees @staging
 */
struct edu {
	struct device *dev;
	void __iomem *bar;
	struct mutex lock; /* one transfer at a time */
	void *staging;
	dma_addr_t staging_dma;
};

/* device.c */
int edu_register_devices(void);
void edu_unregister_devices(void);
struct edu *edu_device(u32 index);
int edu_device_info(struct edu_device_info *info, bool set);
int edu_write(struct edu *edu, dma_addr_t to, const void *data, u32 length);
int edu_read(struct edu *edu, dma_addr_t from, void *data, u32 length);

/**
 * struct edu_attachment - one device on one buffer
 * @edu: the device
 * @attach: its attachment, NULL while the slot is free
 * @sgt: its mapping, or NULL
 * @direction: of the mapping
 * @late: the transfer that is to come
 */
struct edu_attachment {
	struct edu *edu;
	struct dma_buf_attachment *attach;
	struct sg_table *sgt;
	enum dma_data_direction direction;
	struct edu_late {
		struct delayed_work work;
		struct dma_fence *fence;
		bool to_buffer;
		dma_addr_t address;
		u32 length;
		int error;
		u8 data[EDU_TRANSFER_MAX];
	} late;
};

/* late.c */
void edu_init_late(struct edu_attachment *a);
int edu_start_late(struct edu_attachment *a, dma_addr_t address,
		   const struct edu_transfer *req, const void *data,
		   bool to_buffer);
int edu_fetch(struct edu_attachment *a, const struct edu_transfer *req);
void edu_forget_late(struct edu_attachment *a);

/* attachment.c */
int edu_attach(struct edu_attachment *a, struct edu *edu,
	       struct edu_attach *req);
int edu_map(struct edu_attachment *a, struct edu_map *req);
u64 edu_unmap(struct edu_attachment *a);
u64 edu_detach(struct edu_attachment *a);
int edu_transfer(struct edu_attachment *a, const struct edu_transfer *req,
		 bool to_buffer);
int edu_where(struct edu_attachment *a, struct edu_address *req);

/**
 * struct edu_kept - a mapping of the kernel's that lasts
 * @dmabuf: the buffer that is mapped, or NULL
 * @map: where
 */
struct edu_kept {
	struct dma_buf *dmabuf;
	struct iosys_map map;
};

/* kernel.c */
int edu_vmap(struct edu_vmap *req);
int edu_kernel_map(struct edu_kept *kept, const struct edu_vmap *req);
int edu_kernel_write(struct edu_kept *kept, const struct edu_vmap *req);
int edu_kernel_unmap(struct edu_kept *kept);
int edu_half_begin(const struct edu_half_begin *req);

#endif
