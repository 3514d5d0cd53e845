// SPDX-License-Identifier: GPL-2.0
/*
 * Fake devices: what one is like, and what it does with the buffer. It knows what
 * a kind looks like from above (the questions driver/kind.c asks), and must not
 * know what the driver makes of it.
 */
#include <kunit/device.h>
#include <kunit/static_stub.h>
#include <linux/dma-map-ops.h>
#include <linux/dma-mapping.h>
#include <linux/highmem.h>
#include <linux/hugetlb.h>
#include <linux/pagemap.h>
#include <linux/scatterlist.h>
#include <linux/sizes.h>
#include <linux/swiotlb.h>

#include "../driver/kind.h"
#include "fake_dma.h"
#include "memory.h"

/* IOVAs: beyond any memory of the machines that tests run on. */
#define FAKE_SPACE	BIT_ULL(46)
#define FAKE_ROOM	BIT_ULL(38)

static const char * const kind_names[FAKE_NR_KINDS] = {
	[FAKE_COHERENT] = "coherent",
	[FAKE_NONCOHERENT] = "noncoherent",
	[FAKE_BOUNCED] = "bounced",
	[FAKE_OPAQUE] = "opaque",
};

/* KUnit runs one test at a time. */
static LIST_HEAD(fakes);
static u64 nr_created;
static bool lazy_for_cpu;

/**
 * fake_device_of() - find the fake that a device is
 * @dev: the device
 *
 * Return: the fake; NULL for any other device.
 */
struct fake_device *fake_device_of(const struct device *dev)
{
	struct fake_device *fake;

	list_for_each_entry(fake, &fakes, node)
		if (fake->dev == dev)
			return fake;
	return NULL;
}

/* Questions. */

static bool fake_is_coherent(struct device *dev)
{
	struct fake_device *fake = fake_device_of(dev);

	return fake ? fake->coherent : dev_is_dma_coherent(dev);
}

static const struct dma_map_ops *fake_get_dma_ops(struct device *dev)
{
	static const struct dma_map_ops no_ops;
	struct fake_device *fake = fake_device_of(dev);

	if (!fake)
		return get_dma_ops(dev);
	return fake->opaque ? &no_ops : NULL;
}

static bool fake_use_dma_iommu(struct device *dev)
{
	struct fake_device *fake = fake_device_of(dev);

	if (!fake)
		return use_dma_iommu(dev);
	return fake->merges && !fake->opaque;
}

static unsigned long fake_merge_boundary(struct device *dev)
{
	struct fake_device *fake = fake_device_of(dev);

	if (!fake)
		return dma_get_merge_boundary(dev);
	return fake->merges ? PAGE_SIZE - 1 : 0;
}

static bool fake_dev_need_sync(const struct device *dev)
{
	struct fake_device *fake = fake_device_of(dev);

	if (!fake)
		return dma_dev_need_sync(dev);
	return fake->opaque || fake->merges || !fake->coherent ||
	       fake->unreached || fake->forced;
}

/**
 * fake_device_reaches() - tell whether memory can be mapped for a fake
 * @fake: the device
 * @phys: where the memory begins
 * @size: its size in bytes
 *
 * Return: true if it reaches all of it.
 */
bool fake_device_reaches(struct fake_device *fake, phys_addr_t phys,
			 size_t size)
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
	struct fake_device *fake = fake_device_of(dev);
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
	struct fake_device *fake = fake_device_of(dev);
	struct kunit *test = current->kunit_test;
	bool ret;

	if (fake)
		return fake_device_reaches(fake, phys, size);
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
	struct fake_device *fake = fake_device_of(dev);

	return fake ? fake->max_seg_size : dma_get_max_seg_size(dev);
}

static unsigned long fake_seg_boundary(struct device *dev)
{
	struct fake_device *fake = fake_device_of(dev);

	return fake ? fake->seg_boundary : dma_get_seg_boundary(dev);
}

static size_t fake_max_mapping_size(struct device *dev)
{
	struct fake_device *fake = fake_device_of(dev);

	return fake ? fake->max_mapping_size : dma_max_mapping_size(dev);
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
	fake_dma_install(hooks);
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

