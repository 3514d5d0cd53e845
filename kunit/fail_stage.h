/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What each row of the sweep is played with: a device, memory, a node that is
 * open, and what a row's steps make of them; and all of it that can be counted.
 */
#ifndef UDMABUF_FANOUT_FAIL_STAGE_H
#define UDMABUF_FANOUT_FAIL_STAGE_H

#include <kunit/test.h>
#include <linux/completion.h>
#include <linux/iosys-map.h>
#include <linux/sizes.h>
#include <linux/types.h>

#include "fail_rows.h"
#include "fake_device.h"

struct dma_buf;
struct dma_buf_attachment;
struct file;
struct files_struct;
struct ledger;
struct memory;
struct sg_table;
struct task_struct;
struct vfsmount;

/* Where a call's arguments are. */
#define USER_ADDR	0x20000000UL
#define USER_SIZE	SZ_64K

/**
 * struct stage - what a row's steps are made with
 * @test: the test
 * @row: the row
 * @ledger: what the row's steps allocate; NULL before that counts
 * @node: the device node
 * @sysfs: where module parameters are
 * @debugfs: where buffers have their files
 * @mem: memory whose pages are there
 * @holes: memory whose pages are not there
 * @fake: the row's device
 * @peer: the device of the mappings that are there already
 * @probe: a device that tells how much is charged for copies
 * @dmabuf: the buffer
 * @fd: a descriptor of another one, its only reference
 * @attachment: of @fake
 * @sgt: a mapping of @attachment
 * @others: attachment of @peer
 * @other: mappings of @others
 * @map: a kernel mapping of the buffer
 * @writer: another process
 * @writing: it has a write access open
 * @files: the thread's descriptor table, while it has another one
 * @limit: of descriptors, while there is another one
 * @max_pages: the bound of copies before the test
 */
struct stage {
	struct kunit *test;
	const struct row *row;
	struct ledger *ledger;
	struct file *node;
	struct vfsmount *sysfs;
	struct vfsmount *debugfs;
	struct memory *mem;
	struct memory *holes;
	struct fake_device *fake;
	struct fake_device *peer;
	struct fake_device *probe;
	struct dma_buf *dmabuf;
	long fd;
	struct dma_buf_attachment *attachment;
	struct sg_table *sgt;
	struct dma_buf_attachment *others;
	struct sg_table *other[MAX_OTHERS];
	struct iosys_map map;
	struct task_struct *writer;
	struct completion writing;
	struct files_struct *files;
	unsigned long limit;
	unsigned long max_pages;
};

enum thing {
	PINS,
	DESCRIPTORS,
	BUFFERS,
	REFERENCES,
	MEMFD_REFERENCES,
	ATTACHMENTS,
	MAPPINGS,
	PEERS,
	DEVICE_MAPPINGS,
	DEVICE_COPIES,
	COPIES,
	CHARGED,
	OPEN_WRITES,
	USER_MAPPINGS,
	POLICY,
	NR_THINGS,
};

int stage_init(struct kunit *test, const struct row *row);
void stage_make(struct stage *s, unsigned int nr);
void stage_unmake(struct stage *s, unsigned int nr);
void stage_count(struct stage *s, long nr[NR_THINGS]);
void stage_expect_same(struct stage *s, const long before[NR_THINGS], long ret,
		       unsigned int nth, const char *later);
unsigned long stage_charged(struct stage *s);

#endif /* UDMABUF_FANOUT_FAIL_STAGE_H */
