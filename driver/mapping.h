/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What one importer gets. Knows nothing of other mappings, or of syncs.
 */
#ifndef UDMABUF_FANOUT_MAPPING_H
#define UDMABUF_FANOUT_MAPPING_H

#include <linux/dma-direction.h>
#include <linux/list.h>
#include <linux/scatterlist.h>
#include <linux/types.h>

#include "sync_plan.h"

struct device;
struct dma_buf_attachment;
struct extents;
struct shadow;

/* Its own pages and copies. */
#define MAPPING_MAX_KINDS	2

/**
 * struct fanout_mapping - one mapping of an attachment
 * @node: its place on the buffer's list
 * @importer: the table the importer got. Its own: it may edit entries, and
 *	under CONFIG_DMABUF_DEBUG page links are scrambled (H8).
 * @own: the buffer's own pages that the device uses, as they were mapped;
 *	empty if it reaches none. Nobody else has it.
 * @uses: the copies it uses for the others
 * @importer_sgl: the importer's table as it was allocated, to free it
 * @attachment: whose mapping this is
 * @dev: the attachment's device
 * @requested: the direction the importer asked for
 * @dir: the direction that was mapped: @requested, widened (H5)
 * @kinds: its kinds, in the order of its peers
 * @nr_kinds: how many it has, 1 or 2 (H18)
 * @syncs: how many steps of the sync plan it has taken
 *
 * Invariant: on its buffer's list of mappings, and its @nr_kinds peers among
 * the buffer's, from map to unmap. All but @importer is constant or protected
 * by the reservation lock.
 */
struct fanout_mapping {
	struct list_head node;
	struct sg_table importer;
	struct sg_table own;
	struct list_head uses;
	struct scatterlist *importer_sgl;
	struct dma_buf_attachment *attachment;
	struct device *dev;
	enum dma_data_direction requested;
	enum dma_data_direction dir;
	enum sync_kind kinds[MAPPING_MAX_KINDS];
	unsigned int nr_kinds;
	u64 syncs;
};

struct fanout_mapping *mapping_create(struct dma_buf_attachment *attachment,
				      enum dma_data_direction dir,
				      const struct extents *mem,
				      struct shadow *shadow);
void mapping_destroy(struct fanout_mapping *mapping);
void mapping_sync(struct fanout_mapping *mapping, bool for_cpu);
void mapping_flush(struct fanout_mapping *mapping, bool whole);

#endif /* UDMABUF_FANOUT_MAPPING_H */
