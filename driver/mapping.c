// SPDX-License-Identifier: GPL-2.0
/*
 * What one importer gets: tables of the buffer's own pages, where its device
 * reaches them, and of copies where it does not. It must not know who else has
 * mapped the buffer, or when something is synced.
 */
#include <linux/dma-buf.h>
#include <linux/dma-mapping.h>
#include <linux/mm.h>
#include <linux/slab.h>

#include "bindings/bindings.h"
#include "kind.h"
#include "mapping.h"
#include "memfd.h"
#include "shadow.h"
#include "table.h"

/* Bytes that are cleaned and invalidated before the next are. */
#define FLUSH_BYTES	PAGE_SIZE

/* Which extents a device is given as they are, and not as copies. */
enum given {
	GIVEN_ALL,
	GIVEN_REACHED,
	GIVEN_NONE,
};

static bool is_given(struct device *dev, const struct extent *extent,
		     enum given given)
{
	if (given != GIVEN_REACHED)
		return given == GIVEN_ALL;
	return device_reaches(dev, PFN_PHYS(extent->pfn),
			      (u64)extent->nr_pages << PAGE_SHIFT);
}

/* Mostly all, and then one question is enough: what it reaches is a range. */
static enum given what_is_given(struct device *dev, const struct extents *mem)
{
	u64 span = (u64)(mem->last_pfn - mem->first_pfn + 1) << PAGE_SHIFT;

	if (!device_reaches(dev, PFN_PHYS(mem->first_pfn), span))
		return GIVEN_REACHED;
	return GIVEN_ALL;
}

/* One entry an extent, where that needs no look at each. */
static bool is_whole(const struct extents *mem, const struct table_limits *limits)
{
	return mem->longest <= limits->max_pages && !mem->straddles &&
	       !(limits->boundary_pages & (EXTENT_BOUNDARY - 1));
}

/* In a straight line: of scattered small pages there are many. */
static struct scatterlist *add_whole(struct scatterlist *sg,
				     const struct extents *mem)
{
	const struct extent *extent = mem->extent;
	const struct extent *last = extent + mem->nr, *end;

	while (extent < last) {
		end = extent + min(last - extent, 4096);
		for (; extent < end; extent++)
			sg = table_add(sg, extent->pfn, extent->nr_pages);
		cond_resched();
	}
	return sg;
}

/* A table of the extents that the device is given, which may be none. */
static int build_own_table(struct fanout_mapping *mapping,
			   const struct extents *mem,
			   const struct table_limits *limits, enum given given)
{
	bool whole = given == GIVEN_ALL && is_whole(mem, limits);
	const struct extent *extent = mem->extent;
	struct scatterlist *sg;
	u32 nr = 0, i;
	int ret;

	if (whole)
		nr = mem->nr;
	for (i = 0; !whole && i < mem->nr; i++) {
		extents_breathe(i);
		if (is_given(mapping->dev, &extent[i], given))
			nr += table_count(extent[i].pfn, extent[i].nr_pages,
					  limits);
	}
	if (!nr)
		return 0;
	ret = table_alloc(&mapping->own, nr);
	if (ret)
		return ret;

	sg = mapping->own.sgl;
	if (whole)
		sg = add_whole(sg, mem);
	for (i = 0; !whole && i < mem->nr; i++) {
		extents_breathe(i);
		if (is_given(mapping->dev, &extent[i], given))
			sg = table_add_within(sg, extent[i].pfn,
					      extent[i].nr_pages, limits);
	}
	sg_mark_end(sg - 1);
	return 0;
}

static int map_own_table(struct fanout_mapping *mapping)
{
	int ret;

	if (!mapping->own.sgl)
		return 0;
	ret = bindings_dma_map_sgtable(mapping->dev, &mapping->own,
				       mapping->dir, MAP_ATTRS);
	/* A device without a mask maps to nothing. */
	if (!ret && !mapping->own.nents)
		ret = -EINVAL;
	if (ret)
		table_free(&mapping->own);
	return ret;
}

static void unmap_own_table(struct fanout_mapping *mapping)
{
	if (!mapping->own.sgl)
		return;
	bindings_dma_unmap_sgtable(mapping->dev, &mapping->own, mapping->dir,
				   MAP_ATTRS);
	table_free(&mapping->own);
}

/* Copies for each run of extents that the device is not given. */
static int use_copies(struct fanout_mapping *mapping,
		      const struct extents *mem, struct shadow *shadow,
		      enum given given)
{
	const struct extent *extent = mem->extent;
	u32 i, pgoff = 0, nr_pages = 0;
	int ret;

	for (i = 0; i <= mem->nr; i++) {
		extents_breathe(i);
		if (i < mem->nr && !is_given(mapping->dev, &extent[i], given)) {
			nr_pages += extent[i].nr_pages;
			continue;
		}
		if (nr_pages) {
			ret = shadow_use(shadow, mapping->dev, mapping->dir,
					 pgoff, nr_pages, &mapping->uses);
			if (ret)
				return ret;
		}
		if (i < mem->nr)
			pgoff = extent[i].pgoff + extent[i].nr_pages;
		nr_pages = 0;
	}
	return 0;
}

static int map_memory(struct fanout_mapping *mapping,
		      const struct extents *mem, struct shadow *shadow,
		      const struct table_limits *limits)
{
	enum given given = what_is_given(mapping->dev, mem);
	int ret;

	ret = build_own_table(mapping, mem, limits, given);
	if (ret)
		return ret;
	ret = map_own_table(mapping);
	if (ret)
		return ret;
	if (mapping->own.sgl && device_is_bounced(mapping->dev, &mapping->own)) {
		unmap_own_table(mapping);
		given = GIVEN_NONE;
	}
	if (given == GIVEN_ALL)
		return 0;
	return use_copies(mapping, mem, shadow, given);
}

/* The importer's table. */

static void copy_entries(struct scatterlist *to, const struct scatterlist *from,
			 u32 nr)
{
	u32 done, some;

	for (done = 0; done < nr; done += some) {
		some = min(nr - done, 4096);
		memcpy(to + done, from + done, array_size(some, sizeof(*to)));
		cond_resched();
	}
}

/*
 * H8: complete, and new for each map. With copies beside own pages the device
 * uses physical addresses, so that entries and segments of its own pages are
 * the same.
 */
static int build_importer_table(struct fanout_mapping *mapping,
				const struct table_limits *limits)
{
	struct sg_table *table = &mapping->importer;
	const struct sg_table *own = &mapping->own;
	const struct scatterlist *from = own->sgl;
	const struct copy_use *use;
	struct scatterlist *sg;
	u32 nr = own->orig_nents, pgoff = 0, i;
	int ret;

	list_for_each_entry(use, &mapping->uses, of_mapping)
		nr += table_count(use->dma >> PAGE_SHIFT, use->copy->nr_pages,
				  limits);
	ret = table_alloc(table, nr);
	if (ret)
		return ret;
	/* The importer may change its struct, too. */
	mapping->importer_sgl = table->sgl;

	sg = table->sgl;
	list_for_each_entry(use, &mapping->uses, of_mapping) {
		for (; pgoff < use->copy->pgoff; from++) {
			extents_breathe(from - own->sgl);
			pgoff += from->length >> PAGE_SHIFT;
			*sg = *from;
			sg_unmark_end(sg++);
		}
		sg = table_add_mapped(sg, copy_first_page(use->copy), use->dma,
				      use->copy->nr_pages, limits);
		pgoff += use->copy->nr_pages;
	}
	copy_entries(sg, from, own->orig_nents - (from - own->sgl));

	/* Segments of its own pages that were merged away. */
	table->nents = nr - (own->orig_nents - own->nents);
	for (i = table->nents; i < nr; i++) {
		extents_breathe(i);
		sg_dma_len(&table->sgl[i]) = 0;
	}
	sg_mark_end(&table->sgl[nr - 1]);
	return 0;
}

static void find_kinds(struct fanout_mapping *mapping)
{
	if (mapping->own.sgl)
		mapping->kinds[mapping->nr_kinds++] =
			device_snoops(mapping->dev) ? SYNC_COHERENT :
						      SYNC_NONCOHERENT;
	if (!list_empty(&mapping->uses))
		mapping->kinds[mapping->nr_kinds++] = SYNC_COPY;
}

/**
 * mapping_create() - map a buffer's memory for a device
 * @attachment: for whose device
 * @dir: the direction that was asked for
 * @mem: the memory
 * @shadow: the buffer's copies
 *
 * Context: process context, under the reservation lock; may sleep.
 * Return: the mapping, whose copies hold nothing yet, or -EINVAL for a device
 * whose limits allow no page, or without a DMA mask; what dma_map_sgtable() and
 * shadow_use() return; -ENOMEM.
 */
struct fanout_mapping *mapping_create(struct dma_buf_attachment *attachment,
				      enum dma_data_direction dir,
				      const struct extents *mem,
				      struct shadow *shadow)
{
	struct fanout_mapping *mapping;
	struct table_limits limits;
	int ret;

	ret = table_find_limits(attachment->dev, &limits);
	if (ret)
		return ERR_PTR(ret);
	mapping = kzalloc(sizeof(*mapping), GFP_KERNEL);
	if (!mapping)
		return ERR_PTR(-ENOMEM);

	INIT_LIST_HEAD(&mapping->uses);
	mapping->attachment = attachment;
	mapping->dev = attachment->dev;
	mapping->requested = dir;
	/* H5: never the other way round, a reader's copy is not data. */
	mapping->dir = dir == DMA_TO_DEVICE ? dir : DMA_BIDIRECTIONAL;

	ret = map_memory(mapping, mem, shadow, &limits);
	if (!ret)
		ret = build_importer_table(mapping, &limits);
	if (ret) {
		mapping_destroy(mapping);
		return ERR_PTR(ret);
	}
	find_kinds(mapping);
	return mapping;
}

/**
 * mapping_destroy() - unmap, and free the mapping
 * @mapping: the mapping
 *
 * Context: process context, under the reservation lock; may sleep.
 */
void mapping_destroy(struct fanout_mapping *mapping)
{
	shadow_drop(&mapping->uses);
	unmap_own_table(mapping);
	kvfree(mapping->importer_sgl);
	kfree(mapping);
}

/**
 * mapping_sync() - sync the buffer's own pages for a mapping
 * @mapping: the mapping, which has some
 * @for_cpu: for_cpu or for_device
 *
 * Context: process context, under the reservation lock.
 */
void mapping_sync(struct fanout_mapping *mapping, bool for_cpu)
{
	if (for_cpu)
		bindings_dma_sync_sgtable_for_cpu(mapping->dev, &mapping->own,
						  mapping->dir);
	else
		bindings_dma_sync_sgtable_for_device(mapping->dev,
						     &mapping->own,
						     mapping->dir);
}

/**
 * mapping_flush() - clean and invalidate the buffer's own pages for a mapping
 * @mapping: the mapping, which has some
 * @whole: all of them at once
 *
 * In pieces, since nobody keeps stores through the memfd's own mappings or the
 * kernel's from coming between the two.
 *
 * Context: process context, under the reservation lock.
 */
void mapping_flush(struct fanout_mapping *mapping, bool whole)
{
	struct device *dev = mapping->dev;
	struct scatterlist *sg;
	u32 done, size;
	int i;

	if (whole) {
		mapping_sync(mapping, false);
		mapping_sync(mapping, true);
		return;
	}
	for_each_sgtable_dma_sg(&mapping->own, sg, i) {
		for (done = 0; done < sg_dma_len(sg); done += size) {
			dma_addr_t dma = sg_dma_address(sg) + done;

			cond_resched();
			size = min_t(u32, sg_dma_len(sg) - done, FLUSH_BYTES);
			bindings_dma_sync_single_for_device(dev, dma, size,
							    mapping->dir);
			bindings_dma_sync_single_for_cpu(dev, dma, size,
							 mapping->dir);
		}
	}
}
