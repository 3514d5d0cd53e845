/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The recorder of the review report: what the DMA API is asked to do, heard
 * through its own trace events and the architecture's hooks, while a script of
 * histories runs on a dma-buf exporter.
 *
 * It knows exporters by their nodes and devices by struct device, and nothing of
 * any driver's inside: the same recorder hears every exporter and every revision.
 * tools/review/record.py says what its lines mean.
 */
#ifndef REVIEW_RECORDER_H
#define REVIEW_RECORDER_H

#include <linux/device.h>
#include <linux/dma-buf.h>
#include <uapi/linux/dma-buf.h>
#include <linux/dma-direction.h>
#include <linux/scatterlist.h>

#define PLACES		2
#define DEVICES		3
#define BUFFER_PAGES	4
#define BUFFER_SIZE	(BUFFER_PAGES * PAGE_SIZE)

/* script.c */

void say(const char *format, ...) __printf(1, 2);
void fail(const char *format, ...) __printf(1, 2);

/* devices.c */

enum memory_used {
	USES_PAGE,	/* the buffer's own */
	USES_SLOT,	/* swiotlb's */
	USES_COPY,	/* something else, so the exporter's */
};

/**
 * struct importer - a device of a history, and what it has mapped
 * @dev: the device
 * @name: its name in the script
 * @dir: the direction in which it maps
 * @attachment: while it is attached
 * @sgt: while it has mapped
 * @address: what the device calls each place while it has mapped, and after an
 *	unmap until the next call
 * @view: the same, for the CPU; NULL while it has not mapped
 * @uses: whose memory that is
 * @fence: a write of it that is announced, or NULL
 */
struct importer {
	struct device *dev;
	char name[32];
	enum dma_data_direction dir;
	struct dma_buf_attachment *attachment;
	struct sg_table *sgt;
	dma_addr_t address[PLACES];
	void *view[PLACES];
	enum memory_used uses[PLACES];
	struct late_write *fence;
};

int importers_init(void);
struct device *device_of_kind(const char *kind, const char *name);
void device_gone(struct device *dev);
void importer_locate(struct importer *importer);

/* buffer.c */

/**
 * struct buffer - the buffer of a history
 * @dmabuf: the buffer
 * @memfd: the memfds that it was made of, or NULL
 * @offset: of each place, in bytes
 * @place: where the CPU finds it
 * @page: the physical address of each page
 */
struct buffer {
	struct dma_buf *dmabuf;
	struct file *memfd[2];
	size_t offset[PLACES];
	void *place[PLACES];
	phys_addr_t page[BUFFER_PAGES];
};

int buffer_init(void);
int buffer_make(struct buffer *buffer, const char *exporter, bool list,
		bool neighbours);
int buffer_sync(struct buffer *buffer, u64 flags);
void buffer_gone(struct buffer *buffer);

/* ears.c */

int ears_init(void);
void ears_history(void);
void ears_listen(struct buffer *buffer, struct importer *importers,
		 unsigned int nr);
void ears_hear_wait(void);
void ears_hear_late(struct importer *importer, unsigned int place);
void ears_tell(void);

u64 stamp_of(unsigned int value);

/* The buffer of the history that runs. */
extern struct buffer review_buffer;

#endif /* REVIEW_RECORDER_H */
