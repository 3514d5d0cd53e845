// SPDX-License-Identifier: GPL-2.0
/*
 * Fake devices: the DMA layer behind the bindings for devices of our own, and
 * the kernel's for all others. It knows what a kind looks like from above (the
 * questions driver/kind.c asks), and must not know what the driver makes of it.
 */
#include <kunit/device.h>
#include <kunit/static_stub.h>
#include <linux/dma-direct.h>
#include <linux/dma-map-ops.h>
#include <linux/dma-mapping.h>
#include <linux/gfp.h>
#include <linux/highmem.h>
#include <linux/hugetlb.h>
#include <linux/pagemap.h>
#include <linux/scatterlist.h>
#include <linux/sizes.h>
#include <linux/swiotlb.h>

#include "../driver/kind.h"
#include "fake_device.h"
#include "memory.h"

/* IOVAs: beyond any memory of the machines that tests run on. */
#define FAKE_SPACE	BIT_ULL(46)
#define FAKE_ROOM	BIT_ULL(38)

/* The longest list of syncs that one expectation can tell. */
#define MAX_SYNCS	64
#define SYNC_TEXT	96

static const char * const kind_names[FAKE_NR_KINDS] = {
	[FAKE_COHERENT] = "coherent",
	[FAKE_NONCOHERENT] = "noncoherent",
	[FAKE_BOUNCED] = "bounced",
	[FAKE_OPAQUE] = "opaque",
};

/**
 * struct fake_mapping - one table that is mapped
 * @node: in the device's list
 * @sgt: the table
 * @dir: the direction
 * @attrs: the attributes
 * @sum: over all its entries, right after it was mapped
 */
struct fake_mapping {
	struct list_head node;
	struct sg_table *sgt;
	enum dma_data_direction dir;
	unsigned long attrs;
	u64 sum;
};

/* How a device came to a copy. */
enum fake_origin {
	FAKE_MAPPED,
	FAKE_ALLOCATED,
	FAKE_ALLOCATED_COHERENT,
};

/**
 * struct fake_copy - memory that is mapped, or was allocated, in one piece
 * @node: in the device's list
 * @origin: how it came there
 * @dma: its address for the device
 * @size: its size in bytes
 * @dir: the direction
 * @attrs: the attributes, of what is mapped
 * @vaddr: its address for the CPU
 */
struct fake_copy {
	struct list_head node;
	enum fake_origin origin;
	dma_addr_t dma;
	size_t size;
	enum dma_data_direction dir;
	unsigned long attrs;
	void *vaddr;
};

/* KUnit runs one test at a time. */
static LIST_HEAD(fakes);
static u64 nr_created;
static bool lazy_for_cpu;

/* Which records of the shim are syncs of a copy, and not of a table's pages. */
static DECLARE_BITMAP(of_copies, SHIM_MAX_RECORDS);

static struct fake_device *fake_of(const struct device *dev)
{
	struct fake_device *fake;

	list_for_each_entry(fake, &fakes, node)
		if (fake->dev == dev)
			return fake;
	return NULL;
}

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

/* Questions. */

static bool fake_is_coherent(struct device *dev)
{
	struct fake_device *fake = fake_of(dev);

	return fake ? fake->coherent : dev_is_dma_coherent(dev);
}

static const struct dma_map_ops *fake_get_dma_ops(struct device *dev)
{
	static const struct dma_map_ops no_ops;
	struct fake_device *fake = fake_of(dev);

	if (!fake)
		return get_dma_ops(dev);
	return fake->opaque ? &no_ops : NULL;
}

static bool fake_use_dma_iommu(struct device *dev)
{
	struct fake_device *fake = fake_of(dev);

	if (!fake)
		return use_dma_iommu(dev);
	return fake->merges && !fake->opaque;
}

static unsigned long fake_merge_boundary(struct device *dev)
{
	struct fake_device *fake = fake_of(dev);

	if (!fake)
		return dma_get_merge_boundary(dev);
	return fake->merges ? PAGE_SIZE - 1 : 0;
}

static bool fake_dev_need_sync(const struct device *dev)
{
	struct fake_device *fake = fake_of(dev);

	if (!fake)
		return dma_dev_need_sync(dev);
	return fake->opaque || fake->merges || !fake->coherent ||
	       fake->unreached || fake->forced;
}

static bool reaches(struct fake_device *fake, phys_addr_t phys, u64 size)
{
	unsigned long pfn = PHYS_PFN(phys), end = PHYS_PFN(phys + size - 1);

	if (fake->opaque)
		return false;
	if (fake->merges)
		return true;
	if (fake->real_dma)
		return !is_swiotlb_force_bounce(fake->dev);
	/* It may be a range with other memory, or none, between its pages. */
	for (; fake->unreached && pfn <= end; pfn++)
		if (pfn_valid(pfn) && fake->unreached(pfn_to_page(pfn)))
			return false;
	return !fake->forced;
}

static bool fake_is_forced(struct device *dev)
{
	struct fake_device *fake = fake_of(dev);
	struct kunit *test = current->kunit_test;
	bool ret;

	if (fake && !fake->real_dma)
		return fake->forced;
	/* The driver's own is found by who is in no test. */
	current->kunit_test = NULL;
	ret = device_is_forced(dev);
	current->kunit_test = test;
	return ret;
}

static bool fake_reaches(struct device *dev, phys_addr_t phys, u64 size)
{
	struct fake_device *fake = fake_of(dev);
	struct kunit *test = current->kunit_test;
	bool ret;

	if (fake)
		return reaches(fake, phys, size);
	/* The driver's own is found by who is in no test. */
	current->kunit_test = NULL;
	ret = device_reaches(dev, phys, size);
	current->kunit_test = test;
	return ret;
}

static bool fake_has_lazy_for_cpu(void)
{
	return lazy_for_cpu;
}

static unsigned int fake_max_seg_size(struct device *dev)
{
	struct fake_device *fake = fake_of(dev);

	return fake ? fake->max_seg_size : dma_get_max_seg_size(dev);
}

static unsigned long fake_seg_boundary(struct device *dev)
{
	struct fake_device *fake = fake_of(dev);

	return fake ? fake->seg_boundary : dma_get_seg_boundary(dev);
}

static size_t fake_max_mapping_size(struct device *dev)
{
	struct fake_device *fake = fake_of(dev);

	return fake ? fake->max_mapping_size : dma_max_mapping_size(dev);
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
		if (!reaches(fake, sg_phys(sg), sg->length))
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
	struct fake_device *fake = fake_of(dev);
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
	struct fake_device *fake = fake_of(dev);
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
	struct fake_device *fake = fake_of(dev);

	if (!fake || (judge(fake, sgt, dir, "sync for_cpu") && fake->real_dma))
		dma_sync_sgtable_for_cpu(dev, sgt, dir);
}

static void fake_sync_for_device(struct device *dev, struct sg_table *sgt,
				 enum dma_data_direction dir)
{
	struct fake_device *fake = fake_of(dev);

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
	struct fake_device *fake = fake_of(dev);

	if (!fake || (judge_single(fake, addr, size, dir) && fake->real_dma))
		dma_sync_single_for_cpu(dev, addr, size, dir);
}

static void fake_sync_single_for_device(struct device *dev, dma_addr_t addr,
					size_t size,
					enum dma_data_direction dir)
{
	struct fake_device *fake = fake_of(dev);

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
	struct fake_device *fake = fake_of(dev);
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
	if (!reaches(fake, page_to_phys(page), size))
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
	struct fake_device *fake = fake_of(dev);

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
	struct fake_device *fake = fake_of(dev);
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
	struct fake_device *fake = fake_of(dev);

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
	struct fake_device *fake = fake_of(dev);
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
	struct fake_device *fake = fake_of(dev);

	if (fake && !remove_copy(fake, &copy))
		return;
	if (!fake || fake->real_dma)
		dma_free_coherent(dev, size, vaddr, dma);
	else
		free_pages((unsigned long)vaddr, get_order(size));
}

static void install(struct kunit *test, struct shim *shim)
{
	struct shim_hooks *hooks = &shim->hooks;

	lazy_for_cpu = false;
	kunit_activate_static_stub(test, device_reaches, fake_reaches);
	kunit_activate_static_stub(test, device_is_forced, fake_is_forced);
	kunit_activate_static_stub(test, arch_has_lazy_for_cpu,
				   fake_has_lazy_for_cpu);

	hooks->dev_is_dma_coherent = fake_is_coherent;
	hooks->get_dma_ops = fake_get_dma_ops;
	hooks->use_dma_iommu = fake_use_dma_iommu;
	hooks->dma_dev_need_sync = fake_dev_need_sync;
	hooks->dma_get_max_seg_size = fake_max_seg_size;
	hooks->dma_get_merge_boundary = fake_merge_boundary;
	hooks->dma_get_seg_boundary = fake_seg_boundary;
	hooks->dma_max_mapping_size = fake_max_mapping_size;
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

/* The life of a fake. */

static void fake_device_release(void *data)
{
	struct fake_device *fake = data;
	struct fake_mapping *mapping, *next;
	struct fake_copy *copy, *next_copy;

	if ((fake->nr_mappings || fake->nr_copies) && !fake->may_leak)
		KUNIT_FAIL(fake->test, "%s: %u mappings and %u copies left behind",
			   fake->name, fake->nr_mappings, fake->nr_copies);
	list_for_each_entry_safe(mapping, next, &fake->mappings, node)
		kfree(mapping);
	/* Their memory is whose that left them. */
	list_for_each_entry_safe(copy, next_copy, &fake->copies, node)
		kfree(copy);
	list_del(&fake->node);
	shim_retire(fake->shim, fake->dev);
}

/**
 * fake_device_create() - make a device of one kind
 * @test: the test; the device goes when it ends, before what was made earlier
 * @name: how it is called in records and expectations; not copied
 * @kind: its kind
 *
 * Installs the shim and its own hooks, unless a fake of this test did.
 *
 * Context: may sleep. Fails the test instead of failing.
 * Return: the device.
 */
struct fake_device *fake_device_create(struct kunit *test, const char *name,
				       enum fake_kind kind)
{
	struct shim *shim = shim_install(test);
	struct fake_device *fake;
	struct device *dev;

	if (shim->hooks.dma_map_sgtable == dma_map_sgtable)
		install(test, shim);

	fake = kunit_kzalloc(test, sizeof(*fake), GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, fake);
	dev = kunit_device_register(test, name);
	KUNIT_ASSERT_NOT_ERR_OR_NULL(test, dev);
	KUNIT_ASSERT_EQ(test, 0,
			dma_coerce_mask_and_coherent(dev, DMA_BIT_MASK(64)));

	*fake = (struct fake_device){
		.dev = dev,
		.name = name,
		.test = test,
		.shim = shim,
		.coherent = kind != FAKE_NONCOHERENT,
		.opaque = kind == FAKE_OPAQUE,
		.unreached = kind == FAKE_BOUNCED ? fake_page_is_of_memfd : NULL,
		.max_seg_size = SZ_64K,
		.seg_boundary = ULONG_MAX,
		.max_mapping_size = SIZE_MAX,
		.fail_errno = -EIO,
		.base = FAKE_SPACE + nr_created++ % 64 * FAKE_ROOM,
	};
	fake->next = fake->base;
	INIT_LIST_HEAD(&fake->mappings);
	INIT_LIST_HEAD(&fake->copies);
	list_add(&fake->node, &fakes);
	shim_name_device(shim, dev, name, kind_names[kind]);
	KUNIT_ASSERT_EQ(test, 0,
			kunit_add_action_or_reset(test, fake_device_release,
						  fake));
	return fake;
}

/**
 * fake_device_destroy() - unregister a device before its test ends
 * @fake: the device
 *
 * For tests that loop.
 */
void fake_device_destroy(struct fake_device *fake)
{
	struct kunit *test = fake->test;

	kunit_release_action(test, fake_device_release, fake);
	kunit_device_unregister(test, fake->dev);
	kunit_kfree(test, fake);
}

/**
 * fake_device_merge() - let the device sit behind an IOMMU that merges entries
 * @fake: the device
 *
 * Skips the test in kernels whose tables have no place for a merged length.
 */
void fake_device_merge(struct fake_device *fake)
{
	if (!IS_ENABLED(CONFIG_NEED_SG_DMA_LENGTH))
		kunit_skip(fake->test, "needs CONFIG_NEED_SG_DMA_LENGTH");
	fake->merges = true;
}

/**
 * fake_device_no_mask() - take the device's DMA mask away
 * @fake: the device
 *
 * Such a device maps to nothing, without an error.
 */
void fake_device_no_mask(struct fake_device *fake)
{
	fake->dev->dma_mask = NULL;
}

/**
 * fake_device_table() - find the table that was mapped last and still is
 * @fake: the device
 *
 * Return: the table, or NULL.
 */
struct sg_table *fake_device_table(struct fake_device *fake)
{
	struct fake_mapping *mapping;

	mapping = list_first_entry_or_null(&fake->mappings, struct fake_mapping,
					   node);
	return mapping ? mapping->sgt : NULL;
}

/**
 * fake_device_lazy_for_cpu() - say what arch_has_lazy_for_cpu() says
 * @lazy: the answer from now on; false in a new test
 */
void fake_device_lazy_for_cpu(bool lazy)
{
	lazy_for_cpu = lazy;
}

/**
 * fake_page_is_of_memfd() - tell a memfd's page from one of a copy
 * @page: the page
 *
 * What is in a page cache is a memfd's, and what is pinned; so is what a test
 * has put in their place.
 *
 * Return: true if it is.
 */
bool fake_page_is_of_memfd(const struct page *page)
{
	struct folio *folio = page_folio((struct page *)page);

	return folio_test_hugetlb(folio) || folio_mapping(folio) ||
	       folio_maybe_dma_pinned(folio) || memory_is_block(page);
}

/* What the device does. */

static struct fake_copy *copy_at(struct fake_device *fake, dma_addr_t addr,
				 bool stores)
{
	struct fake_copy *copy;

	list_for_each_entry(copy, &fake->copies, node)
		if (addr >= copy->dma && addr - copy->dma < copy->size &&
		    !(stores && copy->dir == DMA_TO_DEVICE))
			return copy;
	return NULL;
}

/**
 * fake_device_is_copy() - tell a copy from the buffer's own pages
 * @fake: the device
 * @addr: a DMA address it was given
 *
 * Return: whether @addr lies in a copy.
 */
bool fake_device_is_copy(struct fake_device *fake, dma_addr_t addr)
{
	return copy_at(fake, addr, false);
}

/* The page that stands at @offset bytes of a table. */
static struct page *table_page(struct sg_table *sgt, size_t offset)
{
	struct scatterlist *sg;
	int i;

	for_each_sgtable_sg(sgt, sg, i) {
		if (offset < sg->length)
			return pfn_to_page(page_to_pfn(sg_page(sg)) +
					   (offset >> PAGE_SHIFT));
		offset -= sg->length;
	}
	return NULL;
}

/* The page behind @addr of some table; NULL if there is none. */
static struct page *page_at(struct fake_device *fake, dma_addr_t addr,
			    bool stores)
{
	struct fake_mapping *mapping;
	struct scatterlist *sg;
	size_t offset;
	int i;

	list_for_each_entry(mapping, &fake->mappings, node) {
		if (stores && mapping->dir == DMA_TO_DEVICE)
			continue;
		offset = 0;
		for_each_sgtable_dma_sg(mapping->sgt, sg, i) {
			if (addr >= sg_dma_address(sg) &&
			    addr - sg_dma_address(sg) < sg_dma_len(sg))
				return table_page(mapping->sgt, offset + addr -
						  sg_dma_address(sg));
			offset += sg_dma_len(sg);
		}
	}
	return NULL;
}

static void move(struct fake_device *fake, dma_addr_t addr, void *data,
		 size_t size, bool stores)
{
	struct fake_copy *copy = copy_at(fake, addr, stores);
	struct page *page = copy ? NULL : page_at(fake, addr, stores);
	void *at;

	if (!copy && !page) {
		KUNIT_FAIL(fake->test, "%s: it may not %s %#llx", fake->name,
			   stores ? "write to" : "read", (u64)addr);
		return;
	}
	at = copy ? copy->vaddr + (addr - copy->dma) :
		    kmap_local_page(page) + offset_in_page(addr);
	if (stores)
		memcpy(at, data, size);
	else
		memcpy(data, at, size);
	if (page)
		kunmap_local(at);
}

static void run(struct fake_device *fake, struct sg_table *sgt, size_t offset,
		void *data, size_t size, bool stores)
{
	struct scatterlist *sg;
	size_t part;
	int i;

	for_each_sgtable_dma_sg(sgt, sg, i) {
		if (offset >= sg_dma_len(sg)) {
			offset -= sg_dma_len(sg);
			continue;
		}
		for (; size && offset < sg_dma_len(sg); offset += part) {
			dma_addr_t addr = sg_dma_address(sg) + offset;

			part = min3(size, sg_dma_len(sg) - offset,
				    PAGE_SIZE - offset_in_page(addr));
			move(fake, addr, data, part, stores);
			data += part;
			size -= part;
		}
		offset = 0;
	}
	if (size)
		KUNIT_FAIL(fake->test, "%s: %zu bytes beyond its table",
			   fake->name, size);
}

/**
 * fake_device_store() - have the device write to the buffer
 * @fake: the device
 * @sgt: the importer's table
 * @offset: where in the buffer
 * @data: what
 * @size: how many bytes
 *
 * Fails the test for memory that the device was not given, or only to read.
 */
void fake_device_store(struct fake_device *fake, struct sg_table *sgt,
		       size_t offset, const void *data, size_t size)
{
	run(fake, sgt, offset, (void *)data, size, true);
}

/**
 * fake_device_load() - have the device read from the buffer
 * @fake: the device
 * @sgt: the importer's table
 * @offset: where in the buffer
 * @data: where to
 * @size: how many bytes
 *
 * Fails the test for memory that the device was not given.
 */
void fake_device_load(struct fake_device *fake, struct sg_table *sgt,
		      size_t offset, void *data, size_t size)
{
	run(fake, sgt, offset, data, size, false);
}

/* Expectations. */

struct sync_texts {
	char text[MAX_SYNCS][SYNC_TEXT];
	unsigned int nr;
};

static const char *dir_name(enum dma_data_direction dir)
{
	static const char * const names[] = {
		[DMA_BIDIRECTIONAL] = "BIDIRECTIONAL",
		[DMA_TO_DEVICE] = "TO_DEVICE",
		[DMA_FROM_DEVICE] = "FROM_DEVICE",
		[DMA_NONE] = "NONE",
	};

	return names[dir];
}

/**
 * struct fake_sync - a sync, or several alike, as expectations tell them
 * @phase: what was done
 * @dev: for whom
 * @name: how the device is called
 * @dir: the direction
 * @what: what there was a number of; NULL for one whole table
 * @addr: of the last one
 * @size: of the last one
 * @nr: how many
 */
struct fake_sync {
	const char *phase;
	struct device *dev;
	const char *name;
	enum dma_data_direction dir;
	const char *what;
	dma_addr_t addr;
	size_t size;
	unsigned int nr;
};

static const char for_cpu[] = "for_cpu", for_device[] = "for_device";
static const char flush[] = "flush", copies[] = "copies", pages[] = "pages";

static bool read_sync(struct shim *shim, unsigned int i, struct fake_sync *sync)
{
	const struct shim_record *rec = &shim->records[i];

	*sync = (struct fake_sync) { .nr = 1, .name = shim_device(shim, rec) };
	switch (rec->fn) {
	case SHIM_DMA_SYNC_SGTABLE_FOR_CPU:
		sync->phase = for_cpu;
		sync->dir = rec->dma_sync_sgtable_for_cpu.dir;
		return true;
	case SHIM_DMA_SYNC_SGTABLE_FOR_DEVICE:
		sync->phase = for_device;
		sync->dir = rec->dma_sync_sgtable_for_device.dir;
		return true;
	case SHIM_DMA_SYNC_SINGLE_FOR_CPU:
		sync->phase = for_cpu;
		sync->dir = rec->dma_sync_single_for_cpu.dir;
		sync->dev = rec->dma_sync_single_for_cpu.dev;
		sync->addr = rec->dma_sync_single_for_cpu.addr;
		sync->size = rec->dma_sync_single_for_cpu.size;
		break;
	case SHIM_DMA_SYNC_SINGLE_FOR_DEVICE:
		sync->phase = for_device;
		sync->dir = rec->dma_sync_single_for_device.dir;
		sync->dev = rec->dma_sync_single_for_device.dev;
		sync->addr = rec->dma_sync_single_for_device.addr;
		sync->size = rec->dma_sync_single_for_device.size;
		break;
	default:
		return false;
	}
	sync->what = test_bit(i, of_copies) ? copies : pages;
	return true;
}

/* The second half of a flush: the same piece, for_cpu right after for_device. */
static bool ends_flush(const struct fake_sync *last,
		       const struct fake_sync *sync)
{
	return last->what == pages && sync->what == pages &&
	       last->phase == for_device && sync->phase == for_cpu &&
	       last->dev == sync->dev && last->dir == sync->dir &&
	       last->addr == sync->addr && last->size == sync->size;
}

static bool in_a_row(const struct fake_sync *last, const struct fake_sync *sync)
{
	return last->what && last->what == sync->what &&
	       last->phase == sync->phase && last->dev == sync->dev &&
	       last->dir == sync->dir;
}

/* Two passes over one list: halves to flushes, then what is alike in a row. */
static unsigned int read_syncs(struct shim *shim, struct fake_sync *sync)
{
	unsigned int i, nr = 0, rows = 0;

	for (i = shim->mark; i < shim->nr; i++) {
		if (!read_sync(shim, i, &sync[nr]))
			continue;
		if (nr && ends_flush(&sync[nr - 1], &sync[nr]))
			sync[nr - 1].phase = flush;
		else
			nr++;
	}
	for (i = 0; i < nr; i++) {
		if (rows && in_a_row(&sync[rows - 1], &sync[i]))
			sync[rows - 1].nr++;
		else
			sync[rows++] = sync[i];
	}
	return rows;
}

static void collect_syncs(struct shim *shim, struct sync_texts *got)
{
	/* KUnit runs one test at a time. */
	static struct fake_sync syncs[SHIM_MAX_RECORDS];
	const struct fake_sync *sync;
	unsigned int i;
	char *text;

	got->nr = read_syncs(shim, syncs);
	for (i = 0; i < min(got->nr, MAX_SYNCS); i++) {
		sync = &syncs[i];
		text = got->text[i];
		if (!sync->what)
			snprintf(text, SYNC_TEXT, "%s %s %s", sync->phase,
				 sync->name, dir_name(sync->dir));
		else if (sync->phase == flush)
			snprintf(text, SYNC_TEXT, "%s %s %s x%u", sync->phase,
				 sync->name, dir_name(sync->dir), sync->nr);
		else
			snprintf(text, SYNC_TEXT, "%s %s %s x%u %s",
				 sync->phase, sync->name, dir_name(sync->dir),
				 sync->nr, sync->what);
	}
}

/**
 * fake_expect_syncs() - see FAKE_EXPECT_SYNCS()
 * @test: the test
 * @file: where it is expected
 * @line: where it is expected
 * @...: the syncs, then NULL
 */
void fake_expect_syncs(struct kunit *test, const char *file, int line, ...)
{
	struct sync_texts *got, *want;
	struct shim *shim = shim_install(test);
	unsigned int i, differ = 0;
	const char *text;
	va_list args;

	got = kunit_kzalloc(test, 2 * sizeof(*got), GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, got);
	want = got + 1;

	va_start(args, line);
	while ((text = va_arg(args, const char *)))
		if (want->nr < MAX_SYNCS)
			strscpy(want->text[want->nr++], text);
	va_end(args);
	collect_syncs(shim, got);
	shim_mark(shim);

	for (i = 0; i < MAX_SYNCS; i++)
		differ += !!strcmp(want->text[i], got->text[i]);
	if (got->nr > MAX_SYNCS)
		KUNIT_FAIL(test, "%s:%d: more than %u syncs: shim_mark() first",
			   kbasename(file), line, MAX_SYNCS);
	else if (differ)
		KUNIT_FAIL(test, "%s:%d: %u of the syncs differ",
			   kbasename(file), line, differ);
	if (differ) {
		kunit_err(test, "  %-36s  %s\n", "expected", "recorded");
		for (i = 0; i < MAX_SYNCS; i++) {
			if (!want->text[i][0] && !got->text[i][0])
				break;
			kunit_err(test, "%c %-36s  %s\n",
				  strcmp(want->text[i], got->text[i]) ? '!' : ' ',
				  want->text[i], got->text[i]);
		}
	}
	kunit_kfree(test, got);
}
