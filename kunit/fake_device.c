// SPDX-License-Identifier: GPL-2.0
/*
 * Fake devices: the DMA layer behind the bindings for devices of our own, and
 * the kernel's for all others. It knows what a kind looks like from above (the
 * questions driver/kind.c asks), and must not know what the driver makes of it.
 */
#include <kunit/device.h>
#include <linux/dma-direct.h>
#include <linux/dma-map-ops.h>
#include <linux/dma-mapping.h>
#include <linux/scatterlist.h>
#include <linux/sizes.h>

#include "fake_device.h"

/* Slots and IOVAs: beyond any memory of the machines that tests run on. */
#define FAKE_SPACE	BIT_ULL(46)
#define FAKE_ROOM	BIT_ULL(38)

/* The longest list of syncs that one expectation can tell. */
#define MAX_SYNCS	64
#define SYNC_TEXT	96

static const char * const kind_names[SYNC_NR_KINDS] = {
	[SYNC_COHERENT] = "coherent",
	[SYNC_NONCOHERENT] = "noncoherent",
	[SYNC_OPAQUE] = "opaque",
	[SYNC_BOUNCED] = "bounced",
};

/**
 * struct fake_mapping - one table that is mapped
 * @node: in the device's list
 * @sgt: the table
 * @dir: the direction
 * @sum: over all its entries, right after it was mapped
 */
struct fake_mapping {
	struct list_head node;
	struct sg_table *sgt;
	enum dma_data_direction dir;
	u64 sum;
};

/* KUnit runs one test at a time. */
static LIST_HEAD(fakes);
static u64 nr_created;

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
	       fake->bounce_every || fake->bounces;
}

static bool fake_need_sync(struct device *dev, dma_addr_t addr)
{
	struct fake_device *fake = fake_of(dev);

	if (!fake)
		return dma_need_sync(dev, addr);
	return fake->opaque || fake->merges || !fake->coherent ||
	       fake_device_is_slot(fake, addr);
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

static bool is_bounced(struct fake_device *fake, struct scatterlist *sg,
		       unsigned int i)
{
	if (fake->bounces)
		return fake->bounces(sg_page(sg));
	return fake->bounce_every && i % fake->bounce_every == 0;
}

static int map_each(struct fake_device *fake, struct sg_table *sgt)
{
	struct scatterlist *sg;
	int i;

	for_each_sgtable_sg(sgt, sg, i) {
		if (!is_bounced(fake, sg, i))
			sg_dma_address(sg) = phys_to_dma(fake->dev, sg_phys(sg));
		else if (sg->length <= fake->max_mapping_size)
			sg_dma_address(sg) = take_room(fake, sg->length);
		else
			return -EIO;
		sg_dma_len(sg) = sg->length;
	}
	sgt->nents = sgt->orig_nents;
	return 0;
}

static int map_merged(struct fake_device *fake, struct sg_table *sgt)
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
	return 0;
}

static int check_entries(struct fake_device *fake, struct sg_table *sgt)
{
	struct scatterlist *sg;
	int i;

	for_each_sgtable_sg(sgt, sg, i) {
		if (sg->length > fake->max_seg_size)
			KUNIT_FAIL(fake->test,
				   "%s: entry %d is %u bytes long, limit %u",
				   fake->name, i, sg->length,
				   fake->max_seg_size);
		if (crosses(fake, sg_phys(sg), sg->length))
			KUNIT_FAIL(fake->test, "%s: entry %d crosses %#lx",
				   fake->name, i, fake->seg_boundary);
		if (fake->fail_above && sg->length > fake->fail_above)
			return -EIO;
	}
	return 0;
}

static int map_table(struct fake_device *fake, struct sg_table *sgt,
		     enum dma_data_direction dir, unsigned long attrs)
{
	int ret;

	if (fake->fail_maps) {
		fake->fail_maps--;
		return fake->fail_errno;
	}
	if (!fake->dev->dma_mask) {
		sgt->nents = 0;
		return 0;
	}
	ret = check_entries(fake, sgt);
	if (ret)
		return ret;
	if (fake->real_dma)
		return dma_map_sgtable(fake->dev, sgt, dir, attrs);
	return fake->merges ? map_merged(fake, sgt) : map_each(fake, sgt);
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

static bool judge_segment(struct fake_device *fake, dma_addr_t addr,
			  size_t size, enum dma_data_direction dir)
{
	struct fake_mapping *mapping;
	struct scatterlist *sg;
	bool found = false;
	int i;

	list_for_each_entry(mapping, &fake->mappings, node) {
		if (mapping->dir != dir)
			continue;
		for_each_sgtable_dma_sg(mapping->sgt, sg, i)
			if (sg_dma_address(sg) == addr && sg_dma_len(sg) == size)
				found = true;
	}
	if (!found)
		KUNIT_FAIL(fake->test,
			   "%s: sync of %#llx+%#zx, no segment mapped in this direction (H7)",
			   fake->name, (u64)addr, size);
	return found;
}

static void fake_sync_segment_for_cpu(struct device *dev, dma_addr_t addr,
				      size_t size, enum dma_data_direction dir)
{
	struct fake_device *fake = fake_of(dev);

	if (!fake || (judge_segment(fake, addr, size, dir) && fake->real_dma))
		dma_sync_single_for_cpu(dev, addr, size, dir);
}

static void fake_sync_segment_for_device(struct device *dev, dma_addr_t addr,
					 size_t size,
					 enum dma_data_direction dir)
{
	struct fake_device *fake = fake_of(dev);

	if (!fake || (judge_segment(fake, addr, size, dir) && fake->real_dma))
		dma_sync_single_for_device(dev, addr, size, dir);
}

static void install(struct shim *shim)
{
	struct shim_hooks *hooks = &shim->hooks;

	hooks->dev_is_dma_coherent = fake_is_coherent;
	hooks->get_dma_ops = fake_get_dma_ops;
	hooks->use_dma_iommu = fake_use_dma_iommu;
	hooks->dma_dev_need_sync = fake_dev_need_sync;
	hooks->dma_need_sync = fake_need_sync;
	hooks->dma_get_max_seg_size = fake_max_seg_size;
	hooks->dma_get_merge_boundary = fake_merge_boundary;
	hooks->dma_get_seg_boundary = fake_seg_boundary;
	hooks->dma_max_mapping_size = fake_max_mapping_size;
	hooks->dma_map_sgtable = fake_map;
	hooks->dma_unmap_sgtable = fake_unmap;
	hooks->dma_sync_sgtable_for_cpu = fake_sync_for_cpu;
	hooks->dma_sync_sgtable_for_device = fake_sync_for_device;
	hooks->dma_sync_single_for_cpu = fake_sync_segment_for_cpu;
	hooks->dma_sync_single_for_device = fake_sync_segment_for_device;
}

/* The life of a fake. */

static void fake_device_release(void *data)
{
	struct fake_device *fake = data;
	struct fake_mapping *mapping, *next;

	if (fake->nr_mappings && !fake->may_leak)
		KUNIT_FAIL(fake->test, "%s: %u mappings left behind",
			   fake->name, fake->nr_mappings);
	list_for_each_entry_safe(mapping, next, &fake->mappings, node)
		kfree(mapping);
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
				       enum sync_kind kind)
{
	struct shim *shim = shim_install(test);
	struct fake_device *fake;
	struct device *dev;

	if (shim->hooks.dma_map_sgtable == dma_map_sgtable)
		install(shim);

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
		.coherent = kind != SYNC_NONCOHERENT,
		.opaque = kind == SYNC_OPAQUE,
		.bounce_every = kind == SYNC_BOUNCED,
		.max_seg_size = SZ_64K,
		.seg_boundary = ULONG_MAX,
		.max_mapping_size = kind == SYNC_BOUNCED ? SZ_256K : SIZE_MAX,
		.fail_errno = -EIO,
		.base = FAKE_SPACE + nr_created++ % 64 * FAKE_ROOM,
	};
	fake->next = fake->base;
	INIT_LIST_HEAD(&fake->mappings);
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
 * fake_device_is_slot() - tell a bounce slot from the buffer's own pages
 * @fake: the device
 * @addr: a DMA address it was given
 *
 * Return: whether @addr lies in a slot of this device (or is an IOVA).
 */
bool fake_device_is_slot(struct fake_device *fake, dma_addr_t addr)
{
	return addr >= fake->base && addr - fake->base < FAKE_ROOM;
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

/* Write a sync as expectations do; @what is left NULL for a whole table. */
static bool describe_sync(struct shim *shim, const struct shim_record *rec,
			  char text[SYNC_TEXT], const char **what)
{
	enum dma_data_direction dir;
	const char *phase;
	dma_addr_t addr = 0;

	*what = NULL;
	switch (rec->fn) {
	case SHIM_DMA_SYNC_SGTABLE_FOR_CPU:
		phase = "for_cpu";
		dir = rec->dma_sync_sgtable_for_cpu.dir;
		break;
	case SHIM_DMA_SYNC_SGTABLE_FOR_DEVICE:
		phase = "for_device";
		dir = rec->dma_sync_sgtable_for_device.dir;
		break;
	case SHIM_DMA_SYNC_SINGLE_FOR_CPU:
		phase = "for_cpu";
		dir = rec->dma_sync_single_for_cpu.dir;
		addr = rec->dma_sync_single_for_cpu.addr;
		*what = "pages";
		break;
	case SHIM_DMA_SYNC_SINGLE_FOR_DEVICE:
		phase = "for_device";
		dir = rec->dma_sync_single_for_device.dir;
		addr = rec->dma_sync_single_for_device.addr;
		*what = "pages";
		break;
	default:
		return false;
	}
	if (addr >= FAKE_SPACE)
		*what = "slots";
	snprintf(text, SYNC_TEXT, "%s %s %s", phase, shim_device(shim, rec),
		 dir_name(dir));
	return true;
}

/* The syncs since the mark, segments of one sort in a row as one. */
static void collect_syncs(struct shim *shim, struct sync_texts *got)
{
	char text[SYNC_TEXT], last[SYNC_TEXT] = "";
	const char *what, *last_what = NULL;
	unsigned int i, row = 0;

	for (i = shim->mark; i < shim->nr; i++) {
		if (!describe_sync(shim, &shim->records[i], text, &what))
			continue;
		if (what && what == last_what && !strcmp(text, last)) {
			row++;
		} else {
			row = 1;
			got->nr++;
		}
		strscpy(last, text);
		last_what = what;
		if (got->nr > MAX_SYNCS)
			continue;
		if (what)
			snprintf(got->text[got->nr - 1], SYNC_TEXT,
				 "%.80s x%u %s", text, row, what);
		else
			strscpy(got->text[got->nr - 1], text);
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
