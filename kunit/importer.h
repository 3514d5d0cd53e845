/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Who uses a buffer in a test: importers with fake devices, the CPU, and
 * processes of their own.
 *
 *	struct users *u = test->priv;
 *	struct importer *cam = add_device(u, "cam", FAKE_BOUNCED,
 *					  DMA_FROM_DEVICE);
 *
 *	importer_store(cam, 0, 42);
 *	cpu_begin(u, CPU_READ);
 *	KUNIT_EXPECT_EQ(test, 42, cpu_load(u, 0));
 *	cpu_end(u, CPU_READ);
 */
#ifndef UDMABUF_FANOUT_IMPORTER_H
#define UDMABUF_FANOUT_IMPORTER_H

#include <linux/dma-direction.h>
#include <linux/kthread.h>
#include <linux/types.h>

#include "fake_device.h"
#include "fake_syncs.h"
#include "memory.h"

struct dma_buf;
struct dma_buf_attachment;

/* What the CPU does, in the directions of a CPU access. */
#define CPU_READ	DMA_FROM_DEVICE
#define CPU_WRITE	DMA_TO_DEVICE
#define CPU_RW		DMA_BIDIRECTIONAL

/* The size of the buffer that each test has. */
#define PAGES		8

/**
 * struct users - a buffer and who uses it
 * @test: the test
 * @shim: its recorder
 * @mem: the memfd of the buffer that each test has
 * @dmabuf: the buffer that is used: at first that of @mem, whole
 * @policy: the policy before the test
 */
struct users {
	struct kunit *test;
	struct shim *shim;
	struct memory *mem;
	struct dma_buf *dmabuf;
	int policy;
};

/**
 * struct importer - an attachment of a fake device, and at most one mapping
 * @users: whom it belongs to
 * @fake: the device
 * @attachment: the attachment; NULL once detached
 * @sgt: the mapping's table; NULL if it has none
 * @dir: the mapping's direction
 * @bare: mapped by importer_map_bare()
 */
struct importer {
	struct users *users;
	struct fake_device *fake;
	struct dma_buf_attachment *attachment;
	struct sg_table *sgt;
	enum dma_data_direction dir;
	bool bare;
};

int users_init(struct kunit *test);
void users_exit(struct kunit *test);
struct dma_buf *export_pages(struct kunit *test, u32 pages);

unsigned long use_block(struct users *u, unsigned int order,
			struct udmabuf_create_item *items,
			unsigned int nr_items);

struct importer *importer_create(struct users *u, struct fake_device *fake);
int importer_map(struct importer *importer, enum dma_data_direction dir);
void importer_map_bare(struct importer *importer, enum dma_data_direction dir);
void importer_unmap(struct importer *importer);
void importer_lose(struct importer *importer);
void importer_go(struct importer *importer);
struct importer *add_device(struct users *u, const char *name,
			    enum fake_kind kind, enum dma_data_direction dir);
struct importer *add_distant(struct users *u, const char *name,
			     enum dma_data_direction dir);
struct importer *add_mixed(struct users *u, const char *name,
			   enum fake_kind kind, enum dma_data_direction dir);

void importer_store(struct importer *importer, size_t offset, u64 value);
u64 importer_load(struct importer *importer, size_t offset);
void cpu_store(struct users *u, size_t offset, u64 value);
u64 cpu_load(struct users *u, size_t offset);

void cpu_begin(struct users *u, enum dma_data_direction access);
void cpu_end(struct users *u, enum dma_data_direction access);
bool write_is_open_in(struct dma_buf *dmabuf);
bool write_is_open(struct users *u);

int lock_is_interrupted(struct dma_resv *resv, struct ww_acquire_ctx *ctx);

/**
 * struct process - a process of its own that does what it is told
 * @users: whom it belongs to
 * @worker: its thread
 * @work: what it does next
 * @access: the access it begins or ends
 * @ends: it ends one
 * @ret: what the call returned
 */
struct process {
	struct users *users;
	struct kthread_worker *worker;
	struct kthread_work work;
	enum dma_data_direction access;
	bool ends;
	int ret;
};

void create_processes(struct users *u, struct process *process,
		      unsigned int nr);
void process_begins(struct process *process, enum dma_data_direction access);
void process_ends(struct process *process, enum dma_data_direction access);
void process_dies(struct process *process);

#endif /* UDMABUF_FANOUT_IMPORTER_H */
