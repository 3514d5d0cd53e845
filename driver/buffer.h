/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The dma-buf: attachments, mappings, CPU access, mmap, vmap.
 */
#ifndef UDMABUF_FANOUT_BUFFER_H
#define UDMABUF_FANOUT_BUFFER_H

#include <linux/list.h>
#include <linux/types.h>

#include "cpu.h"
#include "fanout.h"
#include "memfd.h"
#include "open_writes.h"
#include "shadow.h"

struct dentry;
struct dma_buf;
struct udmabuf_create_item;

/**
 * struct fanout_buffer - what a dma-buf of ours exports
 * @mem: its memory
 * @dmabuf: the dma-buf; not referenced, it owns the buffer
 * @mappings: its mappings
 * @fanout: who maps it, and what to do for them
 * @shadow: copies of its memory for devices that do not reach it
 * @cpu: the CPU's mappings
 * @open_writes: CPU write accesses that may be open (H15)
 * @written: the memory may have been written through the buffer other than in a
 *	CPU access (H17)
 * @leaked: a mapping was left behind; the memory is never given back
 * @debugfs: its file, if it has one; removed with it
 *
 * Lock: the reservation lock, dma_buf.resv, protects all that changes, but for
 * @written, which is only ever set. Without it, an access looks whether there
 * is nothing to do.
 *
 * Lock order: mmap_lock, the reservation lock, fs_reclaim
 * (drivers/dma-buf/dma-resv.c: dma_resv_lockdep()). So user memory is not
 * touched under the reservation lock, and allocations under it may sleep.
 * Fences are waited for without it, since others may use the buffer meanwhile,
 * and so are the readers of @debugfs, who take it, when the file is removed.
 * Under it, or under mmap_lock or a VMA's lock by a fault, @cpu's lock for
 * faults is taken, which nothing is waited for under but memory and page tables.
 * Creating takes one memfd's inode lock at a time, releasing one folio's lock;
 * neither meets the reservation lock. A parameter's change, under the module's
 * parameter lock, takes none.
 */
struct fanout_buffer {
	struct extents mem;
	struct dma_buf *dmabuf;
	struct list_head mappings;
	struct fanout fanout;
	struct shadow shadow;
	struct cpu_mappings cpu;
	struct open_writes open_writes;
	bool written;
	bool leaked;
	struct dentry *debugfs;
};

struct dma_buf *fanout_buffer_export(const struct udmabuf_create_item *items,
				     u32 nr_items, u64 max_pages);

#endif /* UDMABUF_FANOUT_BUFFER_H */
