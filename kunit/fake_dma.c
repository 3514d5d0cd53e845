// SPDX-License-Identifier: GPL-2.0
/*
 * The DMA API behind the bindings: for fakes what follows, for all other devices
 * the kernel's own. It keeps what is mapped and allocated for each fake; to unmap,
 * free or sync anything else fails the test.
 */
#include <linux/dma-direct.h>
#include <linux/dma-mapping.h>
#include <linux/gfp.h>
#include <linux/scatterlist.h>
#include <linux/slab.h>

#include "fake_dma.h"

/* Which records of the shim are syncs of a copy, and not of a table's pages. */
static DECLARE_BITMAP(of_copies, SHIM_MAX_RECORDS);

static struct fake_mapping *mapping_of(struct fake_device *fake,
				       const struct sg_table *sgt)
{
	struct fake_mapping *mapping;

	list_for_each_entry(mapping, &fake->mappings, node)
		if (mapping->sgt == sgt)
			return mapping;
	return NULL;
}

static u64 sum_table(const struct sg_table *sgt)
{
	u64 sum = sgt->nents * 31ULL + sgt->orig_nents;
	struct scatterlist *sg;
	int i;

	for_each_sgtable_sg(sgt, sg, i) {
		sum = sum * 31 + sg->page_link;
		sum = sum * 31 + sg->offset;
		sum = sum * 31 + sg->length;
		sum = sum * 31 + sg_dma_address(sg);
		sum = sum * 31 + sg_dma_len(sg);
	}
	return sum;
}

/* Mapping. */

static bool crosses(struct fake_device *fake, u64 addr, size_t length)
{
	unsigned long mask = fake->seg_boundary;

	return mask != ULONG_MAX && (addr & mask) + length > (u64)mask + 1;
}

/* Room for @length bytes that keeps to the device's boundary. */
static dma_addr_t take_room(struct fake_device *fake, size_t length)
{
	dma_addr_t addr;

	if (crosses(fake, fake->next, length))
		fake->next = ALIGN(fake->next, (u64)fake->seg_boundary + 1);
	addr = fake->next;
	fake->next += PAGE_ALIGN(length);
	return addr;
}

static void map_each(struct fake_device *fake, struct sg_table *sgt)
{
	struct scatterlist *sg;
	int i;

	for_each_sgtable_sg(sgt, sg, i) {
		sg_dma_address(sg) = phys_to_dma(fake->dev, sg_phys(sg));
		sg_dma_len(sg) = sg->length;
	}
	sgt->nents = sgt->orig_nents;
}

static void map_merged(struct fake_device *fake, struct sg_table *sgt)
{
	struct scatterlist *sg, *to = NULL;
	unsigned int nents = 0;
	dma_addr_t addr;
	int i;

	for_each_sgtable_sg(sgt, sg, i) {
		if (to && sg_dma_len(to) + sg->length <= fake->max_seg_size &&
		    !crosses(fake, sg_dma_address(to),
			     sg_dma_len(to) + sg->length)) {
			sg_dma_len(to) += sg->length;
			fake->next += sg->length;
			continue;
		}
		addr = take_room(fake, sg->length);
		to = to ? sg_next(to) : sgt->sgl;
		sg_dma_address(to) = addr;
		sg_dma_len(to) = sg->length;
		nents++;
	}
	/* What stands behind them is left to the DMA layer. */
	for_each_sgtable_sg(sgt, sg, i)
		if (i >= nents)
			sg_dma_len(sg) = sg->length;
	sgt->nents = nents;
	/* What stands in the others is nobody's business. */
	while ((to = sg_next(to)))
		sg_dma_len(to) = 0xbad;
}

static void check_entries(struct fake_device *fake, struct sg_table *sgt)
{
	struct scatterlist *sg;
	int i;

	for_each_sgtable_sg(sgt, sg, i) {
		if (sg->length > fake->max_seg_size)
			KUNIT_FAIL(fake->test,
				   "%s: entry %d is %u bytes long, limit %u",
				   fake->name, i, sg->length,
				   fake->max_seg_size);
		if (sg->length > fake->max_mapping_size)
			KUNIT_FAIL(fake->test,
				   "%s: entry %d is %u bytes long, limit of a mapping %zu",
				   fake->name, i, sg->length,
				   fake->max_mapping_size);
		if (crosses(fake, sg_phys(sg), sg->length))
			KUNIT_FAIL(fake->test, "%s: entry %d crosses %#lx",
				   fake->name, i, fake->seg_boundary);
		if (!fake_device_reaches(fake, sg_phys(sg), sg->length))
			KUNIT_FAIL(fake->test,
				   "%s: entry %d is mapped, and not reached",
				   fake->name, i);
	}
}

/* Whether this map is one that the test wants to fail. */
static bool must_fail(unsigned int *left)
{
	if (!*left)
		return false;
	--*left;
	return true;
}

static int map_table(struct fake_device *fake, struct sg_table *sgt,
		     enum dma_data_direction dir, unsigned long attrs)
{
	if (must_fail(&fake->fail_maps))
		return fake->fail_errno;
	if (!fake->dev->dma_mask) {
		sgt->nents = 0;
		return 0;
	}
	check_entries(fake, sgt);
	if (fake->real_dma)
		return dma_map_sgtable(fake->dev, sgt, dir, attrs);
	if (fake->merges)
		map_merged(fake, sgt);
	else
		map_each(fake, sgt);
	return 0;
}

static int fake_map(struct device *dev, struct sg_table *sgt,
		    enum dma_data_direction dir, unsigned long attrs)
{
	struct fake_device *fake = fake_device_of(dev);
	struct fake_mapping *mapping;
	int ret;

	if (!fake)
		return dma_map_sgtable(dev, sgt, dir, attrs);

	if (mapping_of(fake, sgt))
		KUNIT_FAIL(fake->test, "%s: a table is mapped twice", fake->name);

	ret = map_table(fake, sgt, dir, attrs);
	if (ret || !sgt->nents) {
		/* The next try is another table to whoever reads the record. */
		shim_retire(fake->shim, sgt);
		return ret;
	}

	/* Not the driver's memory: no part of failed-allocation tests. */
	mapping = kzalloc(sizeof(*mapping), GFP_KERNEL | __GFP_NOFAIL);
	*mapping = (struct fake_mapping){
		.sgt = sgt,
		.dir = dir,
		.attrs = attrs,
		.sum = sum_table(sgt),
	};
	list_add(&mapping->node, &fake->mappings);
	fake->nr_mappings++;
	return 0;
}

/* Find the mapping a call is about; anything odd about it fails the test. */
static struct fake_mapping *judge(struct fake_device *fake,
				  struct sg_table *sgt,
				  enum dma_data_direction dir, const char *what)
{
	struct fake_mapping *mapping = mapping_of(fake, sgt);

	if (!mapping) {
		KUNIT_FAIL(fake->test,
			   "%s: %s of a table that is not mapped for it (H8)",
			   fake->name, what);
		return NULL;
	}
	if (mapping->dir != dir)
		KUNIT_FAIL(fake->test,
			   "%s: %s in direction %d, mapped in %d (H7)",
			   fake->name, what, dir, mapping->dir);
	if (mapping->sum != sum_table(sgt))
		KUNIT_FAIL(fake->test,
			   "%s: %s of a table that was changed while mapped (H8)",
			   fake->name, what);
	return mapping;
}

static void fake_unmap(struct device *dev, struct sg_table *sgt,
		       enum dma_data_direction dir, unsigned long attrs)
{
	struct fake_device *fake = fake_device_of(dev);
	struct fake_mapping *mapping;

	if (!fake) {
		dma_unmap_sgtable(dev, sgt, dir, attrs);
		return;
	}

	mapping = judge(fake, sgt, dir, "unmap");
	if (!mapping)
		return;
	if (mapping->attrs != attrs)
		KUNIT_FAIL(fake->test, "%s: unmap with attributes %#lx, mapped with %#lx",
			   fake->name, attrs, mapping->attrs);
	if (fake->real_dma)
		dma_unmap_sgtable(dev, sgt, dir, attrs);
	list_del(&mapping->node);
	kfree(mapping);
	fake->nr_mappings--;
	shim_retire(fake->shim, sgt);
}

/* Syncs. */

static void fake_sync_for_cpu(struct device *dev, struct sg_table *sgt,
			      enum dma_data_direction dir)
{
	struct fake_device *fake = fake_device_of(dev);

	if (!fake || (judge(fake, sgt, dir, "sync for_cpu") && fake->real_dma))
		dma_sync_sgtable_for_cpu(dev, sgt, dir);
}

static void fake_sync_for_device(struct device *dev, struct sg_table *sgt,
				 enum dma_data_direction dir)
{
	struct fake_device *fake = fake_device_of(dev);

	if (!fake ||
	    (judge(fake, sgt, dir, "sync for_device") && fake->real_dma))
		dma_sync_sgtable_for_device(dev, sgt, dir);
}

/* The part of a mapped table that @addr lies in, of a mapping in @dir. */
static struct fake_mapping *mapping_at(struct fake_device *fake,
				       dma_addr_t addr, size_t size,
				       enum dma_data_direction dir)
{
	struct fake_mapping *mapping;
	struct scatterlist *sg;
	int i;

	list_for_each_entry(mapping, &fake->mappings, node) {
		if (mapping->dir != dir)
			continue;
		for_each_sgtable_dma_sg(mapping->sgt, sg, i)
			if (addr >= sg_dma_address(sg) &&
			    addr - sg_dma_address(sg) + size <= sg_dma_len(sg))
				return mapping;
	}
	return NULL;
}

/**
 * fake_dma_synced_copy() - tell syncs of copies from those of tables' pages
 * @record: which of the shim's records, of a sync of a single piece
 *
 * Return: whether it was a copy.
 */
bool fake_dma_synced_copy(unsigned int record)
{
	return test_bit(record, of_copies);
}

/* Only whole ones are synced: they are merged whole. */
static bool judge_single(struct fake_device *fake, dma_addr_t addr,
			 size_t size, enum dma_data_direction dir)
{
	/* Ignored calls have no record. */
	unsigned int rec = fake->shim->nr ? fake->shim->nr - 1 : 0;
	struct fake_copy *copy;

	__clear_bit(rec, of_copies);
	list_for_each_entry(copy, &fake->copies, node) {
		if (copy->dma != addr || copy->size != size || copy->dir != dir)
			continue;
		__set_bit(rec, of_copies);
		if (copy->origin == FAKE_ALLOCATED_COHERENT)
			KUNIT_FAIL(fake->test, "%s: sync of a coherent copy",
				   fake->name);
		return true;
	}
	if (mapping_at(fake, addr, size, dir))
		return true;
	KUNIT_FAIL(fake->test,
		   "%s: sync of %#llx+%#zx, nothing mapped there in this direction (H7)",
		   fake->name, (u64)addr, size);
	return false;
}

static void fake_sync_single_for_cpu(struct device *dev, dma_addr_t addr,
				     size_t size, enum dma_data_direction dir)
{
	struct fake_device *fake = fake_device_of(dev);

	if (!fake || (judge_single(fake, addr, size, dir) && fake->real_dma))
		dma_sync_single_for_cpu(dev, addr, size, dir);
}

static void fake_sync_single_for_device(struct device *dev, dma_addr_t addr,
					size_t size,
					enum dma_data_direction dir)
{
	struct fake_device *fake = fake_device_of(dev);

	if (!fake || (judge_single(fake, addr, size, dir) && fake->real_dma))
		dma_sync_single_for_device(dev, addr, size, dir);
}

/* Copies. */

static void add_copy(struct fake_device *fake, const struct fake_copy *from)
{
	/* Not the driver's memory: no part of failed-allocation tests. */
	struct fake_copy *copy = kmemdup(from, sizeof(*from),
					 GFP_KERNEL | __GFP_NOFAIL);

	list_add(&copy->node, &fake->copies);
	fake->nr_copies++;
}

/* Take a copy off the list; anything odd about that fails the test. */
static bool remove_copy(struct fake_device *fake, const struct fake_copy *want)
{
	struct fake_copy *copy;

	list_for_each_entry(copy, &fake->copies, node) {
		if (copy->dma != want->dma || copy->size != want->size ||
		    copy->dir != want->dir || copy->origin != want->origin ||
		    copy->attrs != want->attrs)
			continue;
		if (want->vaddr && want->vaddr != copy->vaddr)
			KUNIT_FAIL(fake->test, "%s: another copy's memory",
				   fake->name);
		list_del(&copy->node);
		kfree(copy);
		fake->nr_copies--;
		return true;
	}
	KUNIT_FAIL(fake->test,
		   "%s: no copy at %#llx+%#zx to %s in direction %d", fake->name,
		   (u64)want->dma, want->size,
		   want->origin == FAKE_MAPPED ? "unmap" : "free", want->dir);
	return false;
}

static dma_addr_t fake_map_page(struct device *dev, struct page *page,
				size_t offset, size_t size,
				enum dma_data_direction dir,
				unsigned long attrs)
{
	struct fake_device *fake = fake_device_of(dev);
	struct fake_copy copy = {
		.origin = FAKE_MAPPED,
		.size = size,
		.dir = dir,
		.attrs = attrs,
	};

	if (!fake)
		return dma_map_page_attrs(dev, page, offset, size, dir, attrs);
	if (must_fail(&fake->fail_maps))
		return DMA_MAPPING_ERROR;
	if (!fake_device_reaches(fake, page_to_phys(page), size))
		KUNIT_FAIL(fake->test, "%s: a copy is mapped, and not reached",
			   fake->name);
	copy.vaddr = page_address(page) + offset;
	copy.dma = fake->real_dma ?
		   dma_map_page_attrs(dev, page, offset, size, dir, attrs) :
		   phys_to_dma(dev, page_to_phys(page) + offset);
	if (copy.dma != DMA_MAPPING_ERROR)
		add_copy(fake, &copy);
	return copy.dma;
}

static void fake_unmap_page(struct device *dev, dma_addr_t addr, size_t size,
			    enum dma_data_direction dir, unsigned long attrs)
{
	const struct fake_copy copy = {
		.origin = FAKE_MAPPED,
		.dma = addr,
		.size = size,
		.dir = dir,
		.attrs = attrs,
	};
	struct fake_device *fake = fake_device_of(dev);

	if (!fake || (remove_copy(fake, &copy) && fake->real_dma))
		dma_unmap_page_attrs(dev, addr, size, dir, attrs);
}

/* kernel/dma/mapping.c warns of these. */
static void check_alloc(struct fake_device *fake, gfp_t gfp)
{
	if (gfp & (__GFP_DMA | __GFP_DMA32 | __GFP_HIGHMEM | __GFP_COMP))
		KUNIT_FAIL(fake->test, "%s: memory allocated with %pGg",
			   fake->name, &gfp);
	if (!fake->dev->coherent_dma_mask)
		KUNIT_FAIL(fake->test, "%s: memory allocated without a mask",
			   fake->name);
}

static struct page *fake_alloc_pages(struct device *dev, size_t size,
				     dma_addr_t *dma,
				     enum dma_data_direction dir, gfp_t gfp)
{
	struct fake_device *fake = fake_device_of(dev);
	struct fake_copy copy = {
		.origin = FAKE_ALLOCATED,
		.size = size,
		.dir = dir,
	};
	struct page *page;

	if (!fake)
		return dma_alloc_pages(dev, size, dma, dir, gfp);
	check_alloc(fake, gfp);
	if (must_fail(&fake->fail_allocs))
		return NULL;
	if (fake->real_dma) {
		page = dma_alloc_pages(dev, size, dma, dir, gfp);
	} else {
		page = alloc_pages(gfp | __GFP_ZERO, get_order(size));
		if (page)
			*dma = phys_to_dma(dev, page_to_phys(page));
	}
	if (!page)
		return NULL;
	copy.dma = *dma;
	copy.vaddr = page_address(page);
	add_copy(fake, &copy);
	return page;
}

static void fake_free_pages(struct device *dev, size_t size, struct page *page,
			    dma_addr_t dma, enum dma_data_direction dir)
{
	const struct fake_copy copy = {
		.origin = FAKE_ALLOCATED,
		.dma = dma,
		.size = size,
		.dir = dir,
		.vaddr = page_address(page),
	};
	struct fake_device *fake = fake_device_of(dev);

	if (fake && !remove_copy(fake, &copy))
		return;
	if (!fake || fake->real_dma)
		dma_free_pages(dev, size, page, dma, dir);
	else
		__free_pages(page, get_order(size));
}

static void *fake_alloc_coherent(struct device *dev, size_t size,
				 dma_addr_t *dma, gfp_t gfp)
{
	struct fake_device *fake = fake_device_of(dev);
	struct fake_copy copy = {
		.origin = FAKE_ALLOCATED_COHERENT,
		.size = size,
		.dir = DMA_BIDIRECTIONAL,
	};

	if (!fake)
		return dma_alloc_coherent(dev, size, dma, gfp);
	check_alloc(fake, gfp);
	if (must_fail(&fake->fail_allocs))
		return NULL;
	if (fake->real_dma) {
		copy.vaddr = dma_alloc_coherent(dev, size, dma, gfp);
	} else {
		copy.vaddr = (void *)__get_free_pages(gfp | __GFP_ZERO,
						      get_order(size));
		if (copy.vaddr && fake->merges)
			*dma = take_room(fake, size);
		else if (copy.vaddr)
			*dma = phys_to_dma(dev, virt_to_phys(copy.vaddr));
	}
	if (!copy.vaddr)
		return NULL;
	copy.dma = *dma;
	add_copy(fake, &copy);
	return copy.vaddr;
}

static void fake_free_coherent(struct device *dev, size_t size, void *vaddr,
			       dma_addr_t dma)
{
	const struct fake_copy copy = {
		.origin = FAKE_ALLOCATED_COHERENT,
		.dma = dma,
		.size = size,
		.dir = DMA_BIDIRECTIONAL,
		.vaddr = vaddr,
	};
	struct fake_device *fake = fake_device_of(dev);

	if (fake && !remove_copy(fake, &copy))
		return;
	if (!fake || fake->real_dma)
		dma_free_coherent(dev, size, vaddr, dma);
	else
		free_pages((unsigned long)vaddr, get_order(size));
}

/**
 * fake_dma_install() - have the DMA layer behind the bindings
 * @hooks: the shim's
 */
void fake_dma_install(struct shim_hooks *hooks)
{
	hooks->dma_map_sgtable = fake_map;
	hooks->dma_unmap_sgtable = fake_unmap;
	hooks->dma_sync_sgtable_for_cpu = fake_sync_for_cpu;
	hooks->dma_sync_sgtable_for_device = fake_sync_for_device;
	hooks->dma_sync_single_for_cpu = fake_sync_single_for_cpu;
	hooks->dma_sync_single_for_device = fake_sync_single_for_device;
	hooks->dma_map_page_attrs = fake_map_page;
	hooks->dma_unmap_page_attrs = fake_unmap_page;
	hooks->dma_alloc_pages = fake_alloc_pages;
	hooks->dma_free_pages = fake_free_pages;
	hooks->dma_alloc_coherent = fake_alloc_coherent;
	hooks->dma_free_coherent = fake_free_coherent;
}
