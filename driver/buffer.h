/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The dma-buf: attachments, mappings, CPU access, mmap, vmap.
 */
#ifndef UDMABUF_FANOUT_BUFFER_H
#define UDMABUF_FANOUT_BUFFER_H

#include <linux/dma-direction.h>
#include <linux/list.h>
#include <linux/scatterlist.h>
#include <linux/types.h>

#include "kind.h"
#include "memfd.h"
#include "open_writes.h"
#include "sync_plan.h"

struct dentry;
struct device;
struct dma_buf;
struct dma_buf_attachment;
struct seq_file;
struct udmabuf_create_item;

/* What to do with a mapping that sync_conflict() objects to (H11). */
enum bounce_conflict {
	BOUNCE_CONFLICT_REFUSE,
	BOUNCE_CONFLICT_ALLOW,
};

/**
 * struct fanout_mapping - one mapping of an attachment
 * @node: its place on the buffer's list
 * @importer: the table the importer got. Its own: it may edit entries, and
 *	under CONFIG_DMABUF_DEBUG page links are scrambled (H8).
 * @own: the table that was mapped and that every sync uses; nobody else has it
 * @importer_sgl: the importer's table as it was allocated, to free it
 * @attachment: whose mapping this is
 * @dev: the attachment's device
 * @requested: the direction the importer asked for
 * @dir: the direction that was mapped: @requested, widened (H5)
 * @kinds: its kinds, in the order of its peers
 * @nr_kinds: how many it has, 1 or 2
 * @syncs: how many sync steps it has taken
 *
 * Invariant: on its buffer's list of mappings, and its @nr_kinds peers among
 * the buffer's, from map to unmap. All but @importer is constant or protected
 * by the reservation lock.
 */
struct fanout_mapping {
	struct list_head node;
	struct sg_table importer;
	struct sg_table own;
	struct scatterlist *importer_sgl;
	struct dma_buf_attachment *attachment;
	struct device *dev;
	enum dma_data_direction requested;
	enum dma_data_direction dir;
	enum sync_kind kinds[MAX_KINDS];
	unsigned int nr_kinds;
	u64 syncs;
};

/**
 * struct ready_plan - the steps of an event that can come at any time
 * @step: the steps, indices into struct fanout_buffer.peer
 * @nr: how many
 */
struct ready_plan {
	struct sync_step *step;
	unsigned int nr;
};

/**
 * struct fanout_buffer - what a dma-buf of ours exports
 * @mem: its memory
 * @dmabuf: the dma-buf; not referenced, it owns the buffer
 * @mappings: its mappings
 * @peer: the parts of its mappings, those of one mapping side by side
 * @owner: the mapping that each of @peer is a part of
 * @step: room for the steps of all plans, and for one of the moment
 * @nr_peers: how many @peer and @owner have
 * @room: how many they have room for
 * @begin: ready plans of SYNC_BEGIN, [a write access is open already]
 * @end: ready plans of SYNC_END, [the access that ends was a write access]
 * @policy: the policy of the ready plans
 * @open_writes: CPU write accesses that are open (H15)
 * @written: the memory may have been written through the buffer (H17)
 * @leaked: a mapping was left behind; the memory is never given back
 * @stale_pair_told: H19 was said
 * @debugfs: its file
 *
 * Lock: the reservation lock, dma_buf.resv, protects all that changes, but for
 * @written, which is only ever set. Without it, an access looks whether @policy
 * and the length of a ready plan mean that there is nothing to do.
 *
 * Lock order: mmap_lock, the reservation lock, fs_reclaim
 * (drivers/dma-buf/dma-resv.c: dma_resv_lockdep()). So user memory is not
 * touched under the reservation lock, and allocations under it may sleep.
 * Fences are waited for without it, since others may use the buffer meanwhile,
 * and so are the readers of @debugfs, who take it, when the file is removed.
 * Creating takes one memfd's inode lock at a time, releasing one folio's lock;
 * neither meets the reservation lock. A fault, under mmap_lock or its VMA's
 * lock, and a parameter's change, under the module's parameter lock, take none.
 *
 * Invariant: the ready plans are those of the peers, under the reservation
 * lock whenever nobody changes the peers.
 */
struct fanout_buffer {
	struct extents mem;
	struct dma_buf *dmabuf;
	struct list_head mappings;
	struct sync_peer *peer;
	struct fanout_mapping **owner;
	struct sync_step *step;
	unsigned int nr_peers;
	unsigned int room;
	struct ready_plan begin[2];
	struct ready_plan end[2];
	enum sync_policy policy;
	struct open_writes open_writes;
	bool written;
	bool leaked;
	bool stale_pair_told;
	struct dentry *debugfs;
};

extern int fanout_sync_policy;
extern int fanout_bounce_conflict;

struct dma_buf *fanout_buffer_export(const struct udmabuf_create_item *items,
				     u32 nr_items, u64 max_pages,
				     struct dentry *debugfs_dir);

#endif /* UDMABUF_FANOUT_BUFFER_H */
