// SPDX-License-Identifier: GPL-2.0
/*
 * The fake devices: that they are of their kind, carry data, do as they are told
 * and find fault with what no driver may do. What must make a test fail is done
 * in an inner test, of which failing is expected.
 *
 * Would miss: a fake that behaves as no device does. What it imitates is told by
 * kernel/dma/direct.c and drivers/iommu/dma-iommu.c; the suites that go on into
 * the real DMA API, and the QEMU rig, don't depend on it.
 */
#include <kunit/device.h>
#include <kunit/test.h>
#include <linux/dma-direct.h>
#include <linux/dma-mapping.h>
#include <linux/scatterlist.h>
#include <linux/sizes.h>
#include <linux/swiotlb.h>

#include "../driver/kind.h"
#include "fake_device.h"
#include "fake_syncs.h"
#include "instruments.h"
#include "memory.h"

struct kind_case {
	const char *name;
	enum fake_kind kind;
	bool coherent;
	bool ops;
	bool reaches_memfd;
	bool reaches_other;
};

static const struct kind_case kind_cases[] = {
	{ "coherent", FAKE_COHERENT, true, false, true, true },
	{ "noncoherent", FAKE_NONCOHERENT, false, false, true, true },
	{ "bounced", FAKE_BOUNCED, true, false, false, true },
	{ "opaque", FAKE_OPAQUE, true, true, false, false },
};

KUNIT_ARRAY_PARAM_DESC(kind, kind_cases, name);

/* A page of a memfd, which stays in its page cache. */
static phys_addr_t memfd_page(struct kunit *test)
{
	struct memory *mem = memory_shmem(test, 1);

	memory_fill(test, mem);
	return PFN_PHYS(memory_pfn(mem, 0));
}

/* A fake answers as a device of its kind, and so the driver knows it. */
static void a_fake_is_of_its_kind(struct kunit *test)
{
	const struct kind_case *want = test->param_value;
	struct fake_device *fake = fake_device_create(test, "fake", want->kind);
	phys_addr_t other = sg_phys(make_table(test)->sgl);
	struct device *dev = fake->dev;

	KUNIT_EXPECT_EQ(test, bindings_dev_is_dma_coherent(dev), want->coherent);
	KUNIT_EXPECT_EQ(test, !!bindings_get_dma_ops(dev), want->ops);
	KUNIT_EXPECT_FALSE(test, bindings_use_dma_iommu(dev));
	KUNIT_EXPECT_EQ(test, device_snoops(dev), want->coherent);
	KUNIT_EXPECT_NE(test, device_is_direct(dev), want->ops);
	KUNIT_EXPECT_EQ(test, want->reaches_memfd,
			device_reaches(dev, memfd_page(test), PAGE_SIZE));
	KUNIT_EXPECT_EQ(test, want->reaches_other,
			device_reaches(dev, other, PAGE_SIZE));

	/* As with swiotlb=force. */
	fake->forced = true;
	KUNIT_EXPECT_FALSE(test, device_reaches(dev, other, PAGE_SIZE));
	KUNIT_EXPECT_FALSE(test, arch_has_lazy_for_cpu());
	fake_device_lazy_for_cpu(true);
	KUNIT_EXPECT_TRUE(test, arch_has_lazy_for_cpu());
}

/* What is said of other devices is what the driver says of them. */
static void a_device_that_is_no_fake_is_not_faked(struct kunit *test)
{
	struct fake_device *fake = fake_device_create(test, "fake",
						      FAKE_BOUNCED);
	struct device *dev = kunit_device_register(test, "real");
	struct sg_table *sgt = make_table(test);
	phys_addr_t phys = sg_phys(sgt->sgl);
	u64 mask;

	KUNIT_ASSERT_NOT_ERR_OR_NULL(test, dev);
	KUNIT_ASSERT_EQ(test, 0,
			dma_coerce_mask_and_coherent(dev, DMA_BIT_MASK(64)));
	KUNIT_EXPECT_NE(test, is_swiotlb_force_bounce(dev),
			device_reaches(dev, phys, PAGE_SIZE));
	/* A mask that ends right before it. */
	mask = phys - 1;
	swap(mask, *dev->dma_mask);
	KUNIT_EXPECT_FALSE(test, device_reaches(dev, phys, PAGE_SIZE));
	swap(mask, *dev->dma_mask);
	KUNIT_EXPECT_PTR_EQ(test, test, current->kunit_test);
	KUNIT_ASSERT_EQ(test, 0,
			bindings_dma_map_sgtable(dev, sgt, DMA_TO_DEVICE, 0));
	KUNIT_EXPECT_EQ(test, 0, fake->nr_mappings);
	bindings_dma_unmap_sgtable(dev, sgt, DMA_TO_DEVICE, 0);
}

static const struct page *unreached_page;

static bool is_unreached_page(const struct page *page)
{
	return page == unreached_page;
}

/* H18: which pages a fake reaches is up to the test. */
static void a_fake_reaches_some_pages(struct kunit *test)
{
	struct fake_device *fake = fake_device_create(test, "fake",
						      FAKE_NONCOHERENT);
	struct sg_table *sgt = make_table(test);
	struct scatterlist *sg;
	int i;

	fake->unreached = is_unreached_page;
	unreached_page = sg_page(sg_next(sgt->sgl));
	for_each_sgtable_sg(sgt, sg, i)
		KUNIT_EXPECT_EQ(test, i != 1,
				device_reaches(fake->dev, sg_phys(sg),
					       PAGE_SIZE));
	/* Who is behind an IOMMU reaches all of them. */
	fake_device_merge(fake);
	KUNIT_EXPECT_TRUE(test, device_reaches(fake->dev,
					       page_to_phys(unreached_page),
					       PAGE_SIZE));
}

/* Memfds' pages are told from all others, wherever they come from. */
static void pages_of_memfds_are_known(struct kunit *test)
{
	struct memory *mem = memory_shmem(test, 2);
	unsigned long block;
	struct page *page;

	memory_fill(test, mem);
	page = pfn_to_page(memory_pfn(mem, 1));
	KUNIT_EXPECT_TRUE(test, fake_page_is_of_memfd(page));
	page = alloc_pages(GFP_KERNEL, 1);
	KUNIT_ASSERT_NOT_NULL(test, page);
	KUNIT_EXPECT_FALSE(test, fake_page_is_of_memfd(page));
	KUNIT_EXPECT_FALSE(test, fake_page_is_of_memfd(page + 1));
	__free_pages(page, 1);
	block = memory_block(test, 1);
	KUNIT_EXPECT_TRUE(test, fake_page_is_of_memfd(pfn_to_page(block)));
	KUNIT_EXPECT_TRUE(test, fake_page_is_of_memfd(pfn_to_page(block + 1)));
	KUNIT_EXPECT_FALSE(test, memory_is_block(pfn_to_page(block + 2)));
}

/* Data. */

/*
 * What a device stores through a table is in the pages, across entries, at any
 * offset, and it loads what is there; behind an IOMMU likewise.
 */
static void check_data(struct fake_device *fake)
{
	struct kunit *test = fake->test;
	struct sg_table *sgt = make_table(test);
	u8 *memory = sg_virt(sgt->sgl);
	static u8 got[2 * PAGE_SIZE];
	size_t i;

	memset(memory, 0, ENTRIES * PAGE_SIZE);
	bindings_dma_map_sgtable(fake->dev, sgt, DMA_BIDIRECTIONAL, 0);
	fake_device_store(fake, sgt, PAGE_SIZE - 3, "abcdef", 6);
	KUNIT_EXPECT_EQ(test, 0, memcmp(memory + PAGE_SIZE - 3, "abcdef", 6));
	KUNIT_EXPECT_EQ(test, 0, memory[PAGE_SIZE - 4]);
	KUNIT_EXPECT_EQ(test, 0, memory[PAGE_SIZE + 3]);
	for (i = 0; i < ENTRIES * PAGE_SIZE; i++)
		memory[i] = i % 251;
	fake_device_load(fake, sgt, PAGE_SIZE + 7, got, sizeof(got));
	KUNIT_EXPECT_EQ(test, 0, memcmp(got, memory + PAGE_SIZE + 7,
					sizeof(got)));
	fake_device_store(fake, sgt, ENTRIES * PAGE_SIZE - 1, "z", 1);
	KUNIT_EXPECT_EQ(test, 'z', memory[ENTRIES * PAGE_SIZE - 1]);
	bindings_dma_unmap_sgtable(fake->dev, sgt, DMA_BIDIRECTIONAL, 0);
}

static void a_fakes_stores_are_in_the_pages(struct kunit *test)
{
	check_data(fake_device_create(test, "fake", FAKE_COHERENT));
}

static void a_fakes_stores_are_in_the_pages_behind_an_iommu(struct kunit *test)
{
	struct fake_device *fake = fake_device_create(test, "fake",
						      FAKE_COHERENT);

	fake_device_merge(fake);
	fake->max_seg_size = 3 * PAGE_SIZE;
	check_data(fake);
}

/* A table of one entry at a DMA address, as an importer has it of a copy. */
static struct sg_table *table_at(struct kunit *test, dma_addr_t dma,
				 size_t size)
{
	struct sg_table *sgt = kunit_kzalloc(test, sizeof(*sgt), GFP_KERNEL);

	KUNIT_ASSERT_NOT_NULL(test, sgt);
	sgt->sgl = kunit_kzalloc(test, sizeof(*sgt->sgl), GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, sgt->sgl);
	sg_init_table(sgt->sgl, 1);
	sgt->nents = 1;
	sgt->orig_nents = 1;
	sgt->sgl->length = size;
	sg_dma_address(sgt->sgl) = dma;
	sg_dma_len(sgt->sgl) = size;
	return sgt;
}

/* Copies: mapped, allocated, allocated coherently; each is used and given back. */
static void a_fake_uses_copies(struct kunit *test)
{
	struct fake_device *fake = fake_device_create(test, "fake",
						      FAKE_BOUNCED);
	struct page *page = sg_page(make_table(test)->sgl), *pages;
	struct device *dev = fake->dev;
	dma_addr_t dma;
	void *vaddr;

	dma = bindings_dma_map_page_attrs(dev, page, 0, PAGE_SIZE,
					  DMA_BIDIRECTIONAL, ATTRS);
	KUNIT_EXPECT_EQ(test, page_to_phys(page), dma_to_phys(dev, dma));
	KUNIT_EXPECT_TRUE(test, fake_device_is_copy(fake, dma + 5));
	KUNIT_EXPECT_FALSE(test, fake_device_is_copy(fake, dma + PAGE_SIZE));
	fake_device_store(fake, table_at(test, dma, PAGE_SIZE), 0, "one", 4);
	KUNIT_EXPECT_STREQ(test, "one", (char *)page_address(page));
	KUNIT_EXPECT_EQ(test, 1, fake->nr_copies);
	bindings_dma_unmap_page_attrs(dev, dma, PAGE_SIZE, DMA_BIDIRECTIONAL,
				      ATTRS);
	KUNIT_EXPECT_FALSE(test, fake_device_is_copy(fake, dma));

	fake->forced = true;
	pages = bindings_dma_alloc_pages(dev, 2 * PAGE_SIZE, &dma,
					 DMA_BIDIRECTIONAL, GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, pages);
	fake_device_store(fake, table_at(test, dma, 2 * PAGE_SIZE), PAGE_SIZE,
			  "two", 4);
	KUNIT_EXPECT_STREQ(test, "two", (char *)page_address(pages + 1));
	bindings_dma_free_pages(dev, 2 * PAGE_SIZE, pages, dma,
				DMA_BIDIRECTIONAL);

	vaddr = bindings_dma_alloc_coherent(dev, PAGE_SIZE, &dma, GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, vaddr);
	fake_device_store(fake, table_at(test, dma, PAGE_SIZE), 0, "three", 6);
	KUNIT_EXPECT_STREQ(test, "three", (char *)vaddr);
	bindings_dma_free_coherent(dev, PAGE_SIZE, vaddr, dma);
	KUNIT_EXPECT_EQ(test, 0, fake->nr_copies);
}

/* Behind an IOMMU there are fewer segments than entries, as long together. */
static void a_fake_merges_entries(struct kunit *test)
{
	struct fake_device *fake = fake_device_create(test, "fake",
						      FAKE_NONCOHERENT);
	struct sg_table *sgt = make_table(test);
	struct scatterlist *sg;
	size_t length = 0;
	int i;

	fake_device_merge(fake);
	fake->max_seg_size = 3 * PAGE_SIZE;
	bindings_dma_map_sgtable(fake->dev, sgt, DMA_BIDIRECTIONAL, 0);
	KUNIT_EXPECT_TRUE(test, bindings_use_dma_iommu(fake->dev));
	KUNIT_EXPECT_EQ(test, sgt->orig_nents, ENTRIES);
	KUNIT_EXPECT_EQ(test, sgt->nents, 2);
	for_each_sgtable_dma_sg(sgt, sg, i) {
		KUNIT_EXPECT_LE(test, sg_dma_len(sg), fake->max_seg_size);
		length += sg_dma_len(sg);
	}
	KUNIT_EXPECT_EQ(test, length, ENTRIES * PAGE_SIZE);
	KUNIT_EXPECT_EQ(test, sgt->sgl->length, PAGE_SIZE);
	KUNIT_EXPECT_FALSE(test, device_is_direct(fake->dev));
	KUNIT_EXPECT_FALSE(test, device_is_bounced(fake->dev, sgt));
	bindings_dma_unmap_sgtable(fake->dev, sgt, DMA_BIDIRECTIONAL, 0);
}

/* A device says what it can take. */
static void a_fake_tells_its_limits(struct kunit *test)
{
	struct fake_device *fake = fake_device_create(test, "fake", FAKE_BOUNCED);

	KUNIT_EXPECT_EQ(test, bindings_dma_get_max_seg_size(fake->dev), SZ_64K);
	KUNIT_EXPECT_EQ(test, bindings_dma_get_seg_boundary(fake->dev), ULONG_MAX);
	KUNIT_EXPECT_EQ(test, bindings_dma_max_mapping_size(fake->dev), SIZE_MAX);
	fake->max_seg_size = SZ_1M;
	fake->seg_boundary = SZ_4M - 1;
	fake->max_mapping_size = SZ_2M;
	KUNIT_EXPECT_EQ(test, bindings_dma_get_max_seg_size(fake->dev), SZ_1M);
	KUNIT_EXPECT_EQ(test, bindings_dma_get_seg_boundary(fake->dev), SZ_4M - 1);
	KUNIT_EXPECT_EQ(test, bindings_dma_max_mapping_size(fake->dev), SZ_2M);
}

/* Maps and allocations fail when they are told to. */
static void a_fake_fails_to_map(struct kunit *test)
{
	struct fake_device *fake = fake_device_create(test, "fake", FAKE_COHERENT);
	struct sg_table *sgt = make_table(test);
	struct device *dev = fake->dev;
	struct page *page;
	dma_addr_t dma;
	void *vaddr;

	fake->fail_maps = 2;
	fake->fail_errno = -ENOMEM;
	KUNIT_EXPECT_EQ(test, -ENOMEM,
			bindings_dma_map_sgtable(dev, sgt, DMA_TO_DEVICE, 0));
	KUNIT_EXPECT_EQ(test, DMA_MAPPING_ERROR,
			bindings_dma_map_page_attrs(dev, sg_page(sgt->sgl), 0,
						    PAGE_SIZE, DMA_TO_DEVICE,
						    0));
	KUNIT_EXPECT_EQ(test, 0,
			bindings_dma_map_sgtable(dev, sgt, DMA_TO_DEVICE, 0));
	bindings_dma_unmap_sgtable(dev, sgt, DMA_TO_DEVICE, 0);

	fake->fail_allocs = 2;
	KUNIT_EXPECT_NULL(test,
			  bindings_dma_alloc_pages(dev, PAGE_SIZE, &dma,
						   DMA_BIDIRECTIONAL,
						   GFP_KERNEL));
	KUNIT_EXPECT_NULL(test,
			  bindings_dma_alloc_coherent(dev, PAGE_SIZE, &dma,
						      GFP_KERNEL));
	page = bindings_dma_alloc_pages(dev, PAGE_SIZE, &dma, DMA_BIDIRECTIONAL,
					GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, page);
	bindings_dma_free_pages(dev, PAGE_SIZE, page, dma, DMA_BIDIRECTIONAL);
	vaddr = bindings_dma_alloc_coherent(dev, PAGE_SIZE, &dma, GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, vaddr);
	bindings_dma_free_coherent(dev, PAGE_SIZE, vaddr, dma);

	fake_device_no_mask(fake);
	KUNIT_EXPECT_EQ(test, 0,
			bindings_dma_map_sgtable(dev, sgt, DMA_TO_DEVICE, 0));
	KUNIT_EXPECT_EQ(test, sgt->nents, 0);
	KUNIT_EXPECT_EQ(test, fake->nr_mappings, 0);
	KUNIT_EXPECT_EQ(test, fake->nr_copies, 0);
}

/* Only the questions are faked: the kernel's DMA API does the work. */
static void a_fake_can_use_the_real_dma_api(struct kunit *test)
{
	struct fake_device *fake = fake_device_create(test, "fake",
						      FAKE_NONCOHERENT);
	struct sg_table *sgt = make_table(test);
	struct page *page;
	dma_addr_t dma;

	fake->real_dma = true;
	/* A boot with swiotlb=force bounces in earnest. */
	KUNIT_EXPECT_NE(test, is_swiotlb_force_bounce(fake->dev),
			device_reaches(fake->dev, sg_phys(sgt->sgl),
				       PAGE_SIZE));
	if (!is_swiotlb_force_bounce(fake->dev)) {
		KUNIT_ASSERT_EQ(test, 0,
				bindings_dma_map_sgtable(fake->dev, sgt,
							 DMA_BIDIRECTIONAL,
							 ATTRS));
		KUNIT_EXPECT_FALSE(test, device_is_bounced(fake->dev, sgt));
		bindings_dma_sync_sgtable_for_cpu(fake->dev, sgt,
						  DMA_BIDIRECTIONAL);
		FAKE_EXPECT_SYNCS(test, "for_cpu fake BIDIRECTIONAL");
		bindings_dma_unmap_sgtable(fake->dev, sgt, DMA_BIDIRECTIONAL,
					   ATTRS);
	}

	page = bindings_dma_alloc_pages(fake->dev, PAGE_SIZE, &dma,
					DMA_BIDIRECTIONAL, GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, page);
	KUNIT_EXPECT_EQ(test, page_to_phys(page), dma_to_phys(fake->dev, dma));
	bindings_dma_sync_single_for_cpu(fake->dev, dma, PAGE_SIZE,
					 DMA_BIDIRECTIONAL);
	FAKE_EXPECT_SYNCS(test, "for_cpu fake BIDIRECTIONAL x1 copies");
	bindings_dma_free_pages(fake->dev, PAGE_SIZE, page, dma,
				DMA_BIDIRECTIONAL);
}

static void nothing_odd(struct fake_device *fake, struct sg_table *sgt)
{
	bindings_dma_sync_sgtable_for_cpu(fake->dev, sgt, DMA_BIDIRECTIONAL);
}

static void sync_importers_table(struct fake_device *fake, struct sg_table *sgt)
{
	struct sg_table importer = *sgt;

	bindings_dma_sync_sgtable_for_cpu(fake->dev, &importer,
					  DMA_BIDIRECTIONAL);
}

static void sync_in_access_direction(struct fake_device *fake,
				     struct sg_table *sgt)
{
	bindings_dma_sync_sgtable_for_device(fake->dev, sgt, DMA_TO_DEVICE);
}

static void sync_segment_in_access_direction(struct fake_device *fake,
					     struct sg_table *sgt)
{
	bindings_dma_sync_single_for_device(fake->dev, sg_dma_address(sgt->sgl),
					    sg_dma_len(sgt->sgl),
					    DMA_TO_DEVICE);
}

static void sync_half_a_segment(struct fake_device *fake, struct sg_table *sgt)
{
	bindings_dma_sync_single_for_cpu(fake->dev, sg_dma_address(sgt->sgl),
					 sg_dma_len(sgt->sgl) / 2,
					 DMA_BIDIRECTIONAL);
}

static void sync_beyond_a_segment(struct fake_device *fake,
				  struct sg_table *sgt)
{
	bindings_dma_sync_single_for_cpu(fake->dev, sg_dma_address(sgt->sgl),
					 sg_dma_len(sgt->sgl) + 1,
					 DMA_BIDIRECTIONAL);
}

static dma_addr_t map_copy(struct fake_device *fake, struct sg_table *sgt)
{
	/* Any memory will do. */
	return bindings_dma_map_page_attrs(fake->dev, sg_page(sgt->sgl), 0,
					   2 * PAGE_SIZE, DMA_TO_DEVICE, ATTRS);
}

static void unmap_copy(struct fake_device *fake, dma_addr_t dma)
{
	bindings_dma_unmap_page_attrs(fake->dev, dma, 2 * PAGE_SIZE,
				      DMA_TO_DEVICE, ATTRS);
}

static void use_a_copy(struct fake_device *fake, struct sg_table *sgt)
{
	dma_addr_t dma = map_copy(fake, sgt);

	bindings_dma_sync_single_for_cpu(fake->dev, dma, 2 * PAGE_SIZE,
					 DMA_TO_DEVICE);
	unmap_copy(fake, dma);
}

static void leave_a_copy(struct fake_device *fake, struct sg_table *sgt)
{
	map_copy(fake, sgt);
}

static void unmap_a_copy_twice(struct fake_device *fake, struct sg_table *sgt)
{
	dma_addr_t dma = map_copy(fake, sgt);

	unmap_copy(fake, dma);
	unmap_copy(fake, dma);
}

static void unmap_half_a_copy(struct fake_device *fake, struct sg_table *sgt)
{
	dma_addr_t dma = map_copy(fake, sgt);

	bindings_dma_unmap_page_attrs(fake->dev, dma, PAGE_SIZE, DMA_TO_DEVICE,
				      ATTRS);
	unmap_copy(fake, dma);
}

static void unmap_a_copy_both_ways(struct fake_device *fake,
				   struct sg_table *sgt)
{
	dma_addr_t dma = map_copy(fake, sgt);

	bindings_dma_unmap_page_attrs(fake->dev, dma, 2 * PAGE_SIZE,
				      DMA_BIDIRECTIONAL, ATTRS);
	unmap_copy(fake, dma);
}

static void unmap_a_copy_and_sync(struct fake_device *fake,
				  struct sg_table *sgt)
{
	dma_addr_t dma = map_copy(fake, sgt);

	bindings_dma_unmap_page_attrs(fake->dev, dma, 2 * PAGE_SIZE,
				      DMA_TO_DEVICE, 0);
	unmap_copy(fake, dma);
}

static void sync_a_coherent_copy(struct fake_device *fake, struct sg_table *sgt)
{
	dma_addr_t dma;
	void *vaddr = bindings_dma_alloc_coherent(fake->dev, PAGE_SIZE, &dma,
						  GFP_KERNEL);

	bindings_dma_sync_single_for_cpu(fake->dev, dma, PAGE_SIZE,
					 DMA_BIDIRECTIONAL);
	bindings_dma_free_coherent(fake->dev, PAGE_SIZE, vaddr, dma);
}

static void free_as_if_coherent(struct fake_device *fake, struct sg_table *sgt)
{
	dma_addr_t dma;
	struct page *page = bindings_dma_alloc_pages(fake->dev, PAGE_SIZE, &dma,
						     DMA_BIDIRECTIONAL,
						     GFP_KERNEL);

	bindings_dma_free_coherent(fake->dev, PAGE_SIZE, page_address(page),
				   dma);
	bindings_dma_free_pages(fake->dev, PAGE_SIZE, page, dma,
				DMA_BIDIRECTIONAL);
}

static void allocate_by_zone(struct fake_device *fake, struct sg_table *sgt)
{
	dma_addr_t dma;
	struct page *page = bindings_dma_alloc_pages(fake->dev, PAGE_SIZE, &dma,
						     DMA_BIDIRECTIONAL,
						     GFP_KERNEL | GFP_DMA32);

	bindings_dma_free_pages(fake->dev, PAGE_SIZE, page, dma,
				DMA_BIDIRECTIONAL);
}

static void map_a_copy_out_of_reach(struct fake_device *fake,
				    struct sg_table *sgt)
{
	fake->forced = true;
	use_a_copy(fake, sgt);
	fake->forced = false;
}

static void map_out_of_reach(struct fake_device *fake, struct sg_table *sgt)
{
	struct sg_table *other = make_table(fake->test);

	fake->forced = true;
	bindings_dma_map_sgtable(fake->dev, other, DMA_BIDIRECTIONAL, ATTRS);
	bindings_dma_unmap_sgtable(fake->dev, other, DMA_BIDIRECTIONAL, ATTRS);
	fake->forced = false;
}

static void store_to_the_table(struct fake_device *fake, struct sg_table *sgt)
{
	fake_device_store(fake, sgt, ENTRIES * PAGE_SIZE - 1, "", 1);
}

static void store_beyond_the_table(struct fake_device *fake,
				   struct sg_table *sgt)
{
	fake_device_store(fake, sgt, ENTRIES * PAGE_SIZE - 1, "", 2);
}

static void store_to_what_is_only_read(struct fake_device *fake,
				       struct sg_table *sgt)
{
	struct sg_table *other = make_table(fake->test);

	bindings_dma_map_sgtable(fake->dev, other, DMA_TO_DEVICE, ATTRS);
	fake_device_store(fake, other, 0, "", 1);
	bindings_dma_unmap_sgtable(fake->dev, other, DMA_TO_DEVICE, ATTRS);
}

static void load_what_is_not_mapped(struct fake_device *fake,
				    struct sg_table *sgt)
{
	dma_addr_t dma = map_copy(fake, make_table(fake->test));
	struct sg_table *table = table_at(fake->test, dma, PAGE_SIZE);
	u8 byte;

	unmap_copy(fake, dma);
	fake_device_load(fake, table, 0, &byte, 1);
}

static void unmap_with_other_attributes(struct fake_device *fake,
					struct sg_table *sgt)
{
	bindings_dma_unmap_sgtable(fake->dev, sgt, DMA_BIDIRECTIONAL, 0);
	bindings_dma_map_sgtable(fake->dev, sgt, DMA_BIDIRECTIONAL, ATTRS);
}

static void sync_for_another_device(struct fake_device *fake,
				    struct sg_table *sgt)
{
	struct fake_device *other = fake_device_create(fake->test, "other",
						       FAKE_NONCOHERENT);

	bindings_dma_sync_sgtable_for_cpu(other->dev, sgt, DMA_BIDIRECTIONAL);
}

static void sync_scrambled_table(struct fake_device *fake, struct sg_table *sgt)
{
	struct scatterlist *sg = sg_next(sgt->sgl);
	unsigned long page_link = sg->page_link;

	sg->page_link ^= ~0xffUL;
	bindings_dma_sync_sgtable_for_cpu(fake->dev, sgt, DMA_BIDIRECTIONAL);
	sg->page_link = page_link;
}

static void map_twice(struct fake_device *fake, struct sg_table *sgt)
{
	bindings_dma_map_sgtable(fake->dev, sgt, DMA_BIDIRECTIONAL, ATTRS);
	bindings_dma_unmap_sgtable(fake->dev, sgt, DMA_BIDIRECTIONAL, ATTRS);
}

static void unmap_twice(struct fake_device *fake, struct sg_table *sgt)
{
	bindings_dma_unmap_sgtable(fake->dev, sgt, DMA_BIDIRECTIONAL, ATTRS);
	bindings_dma_unmap_sgtable(fake->dev, sgt, DMA_BIDIRECTIONAL, ATTRS);
	bindings_dma_map_sgtable(fake->dev, sgt, DMA_BIDIRECTIONAL, ATTRS);
}

static void remap(struct fake_device *fake, struct sg_table *sgt)
{
	bindings_dma_unmap_sgtable(fake->dev, sgt, DMA_BIDIRECTIONAL, ATTRS);
	bindings_dma_map_sgtable(fake->dev, sgt, DMA_BIDIRECTIONAL, ATTRS);
}

static void exceed_max_seg_size(struct fake_device *fake, struct sg_table *sgt)
{
	fake->max_seg_size = PAGE_SIZE / 2;
	remap(fake, sgt);
}

static void cross_the_boundary(struct fake_device *fake, struct sg_table *sgt)
{
	fake->seg_boundary = PAGE_SIZE / 2 - 1;
	remap(fake, sgt);
}

static void leave_a_mapping(struct fake_device *fake, struct sg_table *sgt)
{
	struct sg_table *left = make_table(fake->test);

	bindings_dma_map_sgtable(fake->dev, left, DMA_BIDIRECTIONAL, ATTRS);
}

static void leave_a_mapping_on_purpose(struct fake_device *fake,
				       struct sg_table *sgt)
{
	fake->may_leak = true;
	leave_a_mapping(fake, sgt);
}

static void expect_what_was(struct fake_device *fake, struct sg_table *sgt)
{
	nothing_odd(fake, sgt);
	FAKE_EXPECT_SYNCS(fake->test, "for_cpu fake BIDIRECTIONAL");
	FAKE_EXPECT_SYNCS(fake->test);
}

static void sync_in_pieces(struct fake_device *fake, struct sg_table *sgt)
{
	dma_addr_t dma = map_copy(fake, make_table(fake->test));
	struct device *dev = fake->dev;
	struct scatterlist *sg;
	int i;

	for_each_sgtable_dma_sg(sgt, sg, i) {
		bindings_dma_sync_single_for_device(dev, sg_dma_address(sg),
						    PAGE_SIZE,
						    DMA_BIDIRECTIONAL);
		bindings_dma_sync_single_for_cpu(dev, sg_dma_address(sg),
						 PAGE_SIZE, DMA_BIDIRECTIONAL);
	}
	for_each_sgtable_dma_sg(sgt, sg, i)
		bindings_dma_sync_single_for_device(dev, sg_dma_address(sg),
						    PAGE_SIZE,
						    DMA_BIDIRECTIONAL);
	for (i = 0; i < 3; i++)
		bindings_dma_sync_single_for_device(dev, dma, 2 * PAGE_SIZE,
						    DMA_TO_DEVICE);
	bindings_dma_sync_single_for_cpu(dev, dma, 2 * PAGE_SIZE,
					 DMA_TO_DEVICE);
	unmap_copy(fake, dma);
}

static void expect_pieces(struct fake_device *fake, struct sg_table *sgt)
{
	sync_in_pieces(fake, sgt);
	FAKE_EXPECT_SYNCS(fake->test, "flush fake BIDIRECTIONAL x4",
			  "for_device fake BIDIRECTIONAL x4 pages",
			  "for_device fake TO_DEVICE x3 copies",
			  "for_cpu fake TO_DEVICE x1 copies");
}

static void expect_fewer_pieces(struct fake_device *fake, struct sg_table *sgt)
{
	sync_in_pieces(fake, sgt);
	FAKE_EXPECT_SYNCS(fake->test, "flush fake BIDIRECTIONAL x3",
			  "for_device fake BIDIRECTIONAL x4 pages",
			  "for_device fake TO_DEVICE x3 copies",
			  "for_cpu fake TO_DEVICE x1 copies");
}

static void expect_another_direction(struct fake_device *fake,
				     struct sg_table *sgt)
{
	nothing_odd(fake, sgt);
	FAKE_EXPECT_SYNCS(fake->test, "for_cpu fake TO_DEVICE");
}

static void expect_more(struct fake_device *fake, struct sg_table *sgt)
{
	nothing_odd(fake, sgt);
	FAKE_EXPECT_SYNCS(fake->test, "for_cpu fake BIDIRECTIONAL",
			  "for_device fake BIDIRECTIONAL");
}

static void expect_less(struct fake_device *fake, struct sg_table *sgt)
{
	nothing_odd(fake, sgt);
	FAKE_EXPECT_SYNCS(fake->test);
}

struct judge_case {
	const char *name;
	void (*act)(struct fake_device *fake, struct sg_table *sgt);
	enum kunit_status want;
};

static const struct judge_case judge_cases[] = {
	{ "nothing odd", nothing_odd, KUNIT_SUCCESS },
	{ "unmap and map again", remap, KUNIT_SUCCESS },
	{ "sync of the importer's table", sync_importers_table, KUNIT_FAILURE },
	{ "sync in the access direction", sync_in_access_direction,
	  KUNIT_FAILURE },
	{ "segment in the access direction", sync_segment_in_access_direction,
	  KUNIT_FAILURE },
	{ "sync of half a segment", sync_half_a_segment, KUNIT_SUCCESS },
	{ "sync beyond a segment", sync_beyond_a_segment, KUNIT_FAILURE },
	{ "sync for another device", sync_for_another_device, KUNIT_FAILURE },
	{ "sync of a scrambled table", sync_scrambled_table, KUNIT_FAILURE },
	{ "map twice", map_twice, KUNIT_FAILURE },
	{ "unmap twice", unmap_twice, KUNIT_FAILURE },
	{ "unmap with other attributes", unmap_with_other_attributes,
	  KUNIT_FAILURE },
	{ "use of a copy", use_a_copy, KUNIT_SUCCESS },
	{ "copy left behind", leave_a_copy, KUNIT_FAILURE },
	{ "unmap of a copy twice", unmap_a_copy_twice, KUNIT_FAILURE },
	{ "unmap of half a copy", unmap_half_a_copy, KUNIT_FAILURE },
	{ "unmap of a copy both ways", unmap_a_copy_both_ways, KUNIT_FAILURE },
	{ "unmap of a copy with a sync", unmap_a_copy_and_sync,
	  KUNIT_FAILURE },
	{ "sync of a coherent copy", sync_a_coherent_copy, KUNIT_FAILURE },
	{ "free of another sort", free_as_if_coherent, KUNIT_FAILURE },
	{ "allocation by zone", allocate_by_zone, KUNIT_FAILURE },
	{ "copy out of reach", map_a_copy_out_of_reach, KUNIT_FAILURE },
	{ "table out of reach", map_out_of_reach, KUNIT_FAILURE },
	{ "store to the table", store_to_the_table, KUNIT_SUCCESS },
	{ "store beyond the table", store_beyond_the_table, KUNIT_FAILURE },
	{ "store to what is only read", store_to_what_is_only_read,
	  KUNIT_FAILURE },
	{ "load of what is not mapped", load_what_is_not_mapped,
	  KUNIT_FAILURE },
	{ "entry beyond max_seg_size", exceed_max_seg_size, KUNIT_FAILURE },
	{ "entry across the boundary", cross_the_boundary, KUNIT_FAILURE },
	{ "mapping left behind", leave_a_mapping, KUNIT_FAILURE },
	{ "... on purpose", leave_a_mapping_on_purpose, KUNIT_SUCCESS },
	{ "the syncs that were", expect_what_was, KUNIT_SUCCESS },
	{ "the pieces that were", expect_pieces, KUNIT_SUCCESS },
	{ "fewer pieces than were", expect_fewer_pieces, KUNIT_FAILURE },
	{ "another direction", expect_another_direction, KUNIT_FAILURE },
	{ "more syncs than were", expect_more, KUNIT_FAILURE },
	{ "fewer syncs than were", expect_less, KUNIT_FAILURE },
};

KUNIT_ARRAY_PARAM_DESC(judge, judge_cases, name);

/* Each way to misuse the DMA API fails a test, and proper use does not. */
static void a_fake_judges_its_use(struct kunit *test)
{
	const struct judge_case *the = test->param_value;
	struct kunit *inner = inner_begin(test);
	struct fake_device *fake = fake_device_create(inner, "fake",
						      FAKE_NONCOHERENT);
	struct sg_table *sgt = make_table(inner);

	bindings_dma_map_sgtable(fake->dev, sgt, DMA_BIDIRECTIONAL, ATTRS);
	the->act(fake, sgt);
	if (fake->nr_mappings)
		bindings_dma_unmap_sgtable(fake->dev, sgt, DMA_BIDIRECTIONAL,
					   ATTRS);
	KUNIT_EXPECT_EQ(test, inner_end(test, inner), the->want);
}

static struct kunit_case fake_cases[] = {
	KUNIT_CASE_PARAM(a_fake_is_of_its_kind, kind_gen_params),
	KUNIT_CASE(a_device_that_is_no_fake_is_not_faked),
	KUNIT_CASE(a_fake_reaches_some_pages),
	KUNIT_CASE(pages_of_memfds_are_known),
	KUNIT_CASE(a_fakes_stores_are_in_the_pages),
	KUNIT_CASE(a_fakes_stores_are_in_the_pages_behind_an_iommu),
	KUNIT_CASE(a_fake_uses_copies),
	KUNIT_CASE(a_fake_merges_entries),
	KUNIT_CASE(a_fake_tells_its_limits),
	KUNIT_CASE(a_fake_fails_to_map),
	KUNIT_CASE(a_fake_can_use_the_real_dma_api),
	KUNIT_CASE_PARAM(a_fake_judges_its_use, judge_gen_params),
	{}
};

static struct kunit_suite fake_suite = {
	.name = "udmabuf_fanout_fake",
	.test_cases = fake_cases,
};

kunit_test_suite(fake_suite);
