// SPDX-License-Identifier: GPL-2.0
/*
 * One copy of what a device does not reach: its memory, its twin, what is synced
 * and what is merged, through the interface of driver/shadow.h.
 *
 * Would miss: when something is fetched or pushed (fanout_test.c and the model),
 * byte for byte what a merge does (merge_test.c), and all failed allocations but
 * those that are asked of the DMA API (fail_test.c).
 */
#include <kunit/test.h>
#include <linux/highmem.h>
#include <linux/mm.h>

#include "../driver/shadow.h"
#include "fake_device.h"
#include "fake_syncs.h"
#include "memory.h"
#include "shadowed.h"

#define PAGES		8

/* Memory. */

static bool is_any(const struct page *page)
{
	return true;
}

/* A device that no memory is reached by is told so, and keeps nothing. */
static void who_reaches_nothing_gets_nothing(struct kunit *test)
{
	static const struct {
		enum fake_kind kind;
		bool no_mask;
		unsigned int fail_maps;
		unsigned int fail_allocs;
		int want;
	} rows[] = {
		/* Memory is had, and of no use. */
		{ FAKE_COHERENT, false, 0, UINT_MAX, -EIO },
		{ FAKE_COHERENT, true, 0, 0, -EIO },
		/* Only the DMA API knows. */
		{ FAKE_OPAQUE, false, 0, UINT_MAX, -ENOMEM },
		{ FAKE_OPAQUE, true, 0, 0, -EIO },
		/* It is reached, and cannot be mapped. */
		{ FAKE_NONCOHERENT, false, UINT_MAX, 0, -EIO },
	};
	struct fake_device *fake;
	struct use *use;
	struct shadowed *s;
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(rows); i++) {
		fake = remote_device(test, "dev", rows[i].kind);
		if (!rows[i].fail_maps)
			fake->unreached = is_any;
		fake->fail_maps = rows[i].fail_maps;
		fake->fail_allocs = rows[i].fail_allocs;
		if (rows[i].no_mask)
			fake->dev->coherent_dma_mask = 0;
		s = shadowed(test, PAGES);
		use = use_new(test, s);
		KUNIT_EXPECT_EQ_MSG(test, rows[i].want,
				    shadow_use(&s->shadow, fake->dev,
					       DMA_BIDIRECTIONAL, 0, PAGES,
					       &use->uses), "row %u", i);
		KUNIT_EXPECT_TRUE(test, list_empty(&use->uses));
		expect_no_copies(test, s);
		KUNIT_EXPECT_EQ(test, 0, fake->nr_copies);
		shadowed_end(test, s, fake, NULL);
	}
}

/* Twins. */

/* A twin comes with the first writer and goes with the last one. */
static void only_writers_bring_a_twin(struct kunit *test)
{
	struct fake_device *one = remote_device(test, "one", FAKE_COHERENT);
	struct fake_device *two = remote_device(test, "two", FAKE_COHERENT);
	struct shadowed *s = shadowed(test, PAGES);
	struct use *reader, *first, *second;

	reader = use_all(test, s, one, DMA_TO_DEVICE);
	KUNIT_EXPECT_EQ(test, PAGES, shadow_pages(&s->shadow));
	check_copies(test, s);
	first = use_all(test, s, two, DMA_BIDIRECTIONAL);
	KUNIT_EXPECT_EQ(test, 2 * PAGES, shadow_pages(&s->shadow));
	second = use_all(test, s, one, DMA_BIDIRECTIONAL);
	KUNIT_EXPECT_EQ(test, 2 * PAGES, shadow_pages(&s->shadow));
	check_copies(test, s);
	use_drop(s, first);
	KUNIT_EXPECT_EQ(test, 2 * PAGES, shadow_pages(&s->shadow));
	check_copies(test, s);
	use_drop(s, second);
	KUNIT_EXPECT_EQ(test, PAGES, shadow_pages(&s->shadow));
	check_copies(test, s);
	use_drop(s, reader);
	expect_no_copies(test, s);
}

static void check_late_twin(struct kunit *test, enum fake_kind kind)
{
	struct fake_device *one = remote_device(test, "one", kind);
	struct fake_device *two = remote_device(test, "two", kind);
	struct shadowed *s = shadowed(test, PAGES);
	struct use *reader, *writer;

	reader = use_all(test, s, one, DMA_TO_DEVICE);
	shadow_push(&s->shadow);
	memory_set(s->mem, 5, 55);
	writer = use_all(test, s, two, DMA_BIDIRECTIONAL);
	KUNIT_EXPECT_NULL(test, shadow_fetch(&s->shadow));
	KUNIT_EXPECT_EQ(test, 0, s->shadow.fetched.bytes);
	KUNIT_EXPECT_EQ(test, 55, memory_get(s->mem, 5));

	use_store(two, writer, 4, 44);
	KUNIT_EXPECT_NULL(test, shadow_fetch(&s->shadow));
	KUNIT_EXPECT_EQ(test, 44, memory_get(s->mem, 4));
	KUNIT_EXPECT_NULL(test, shadow_push(&s->shadow));
	KUNIT_EXPECT_EQ(test, 55, use_load(one, reader, 5));
	KUNIT_EXPECT_EQ(test, 44, use_load(one, reader, 4));

	/* ... and what a reader's copy is afterwards. */
	use_drop(s, writer);
	memory_set(s->mem, 4, 45);
	shadow_fetch(&s->shadow);
	KUNIT_EXPECT_EQ(test, 45, memory_get(s->mem, 4));
	shadow_push(&s->shadow);
	KUNIT_EXPECT_EQ(test, 45, use_load(one, reader, 4));
	shadowed_end(test, s, one, two);
}

/*
 * A writer that joins a reader's copy: the twin is what the copy holds, not what
 * the page does, which somebody has written meanwhile.
 */
static void a_late_twin_is_what_the_copy_holds(struct kunit *test)
{
	check_late_twin(test, FAKE_COHERENT);
	check_late_twin(test, FAKE_NONCOHERENT);
}

/* ... and a twin that was made before the copy was filled, is filled with it. */
static void an_early_twin_is_filled_with_the_copy(struct kunit *test)
{
	struct fake_device *one = remote_device(test, "one", FAKE_COHERENT);
	struct fake_device *two = remote_device(test, "two", FAKE_COHERENT);
	struct shadowed *s = shadowed(test, PAGES);
	struct use *reader, *writer;
	u32 page;

	reader = use_all(test, s, one, DMA_TO_DEVICE);
	writer = use_all(test, s, two, DMA_BIDIRECTIONAL);
	/* There is nothing to fetch yet; garbage would be. */
	shadow_fetch(&s->shadow);
	KUNIT_EXPECT_EQ(test, 0, s->shadow.fetched.bytes);
	shadow_push(&s->shadow);
	KUNIT_EXPECT_EQ(test, 0, s->shadow.pushed.bytes);
	for (page = 0; page < PAGES; page++) {
		KUNIT_EXPECT_EQ(test, memory_stamp(s->mem, page),
				memory_get(s->mem, page));
		KUNIT_EXPECT_EQ(test, memory_stamp(s->mem, page),
				use_load(one, reader, page));
	}
	shadow_fetch(&s->shadow);
	shadow_push(&s->shadow);
	KUNIT_EXPECT_EQ(test, 0, s->shadow.fetched.bytes);
	KUNIT_EXPECT_EQ(test, 0, s->shadow.pushed.bytes);
	KUNIT_EXPECT_EQ(test, memory_stamp(s->mem, 1), use_load(two, writer, 1));
}

/* Merging. */

/* What a device that only reads has in its copy is never fetched. */
static void readers_are_only_pushed_to(struct kunit *test)
{
	struct fake_device *fake = remote_device(test, "dev", FAKE_NONCOHERENT);
	struct shadowed *s = shadowed(test, PAGES);
	struct use *reader = use_all(test, s, fake, DMA_TO_DEVICE);

	shadow_push(&s->shadow);
	shim_mark(fake->shim);
	*(u64 *)use_copy(reader)->vaddr = 1234;
	KUNIT_EXPECT_NULL(test, shadow_fetch(&s->shadow));
	FAKE_EXPECT_SYNCS(test);
	KUNIT_EXPECT_EQ(test, memory_stamp(s->mem, 0), memory_get(s->mem, 0));
	KUNIT_EXPECT_EQ(test, 0, s->shadow.fetched.bytes);

	memory_set(s->mem, 1, 11);
	KUNIT_EXPECT_NULL(test, shadow_push(&s->shadow));
	KUNIT_EXPECT_EQ(test, memory_stamp(s->mem, 0), use_load(fake, reader, 0));
	KUNIT_EXPECT_EQ(test, 11, use_load(fake, reader, 1));
	KUNIT_EXPECT_EQ(test, 0, s->shadow.pushed.conflicts);
}

/* Set one byte of the buffer, as a task does. */
static void set_byte(struct shadowed *s, u32 page, u32 at, u8 value)
{
	u8 *data = kmap_local_page(pfn_to_page(memory_pfn(s->mem, page)));

	data[at] = value;
	kunmap_local(data);
}

static u8 get_byte(struct shadowed *s, u32 page, u32 at)
{
	u8 *data = kmap_local_page(pfn_to_page(memory_pfn(s->mem, page)));
	u8 value = data[at];

	kunmap_local(data);
	return value;
}

/*
 * A device and a task write bytes side by side, at both ends of each page: all of
 * them are there for both, whatever is done first, and nothing is a conflict.
 */
static void neighbouring_bytes_are_all_kept(struct kunit *test)
{
	struct fake_device *fake = remote_device(test, "dev", FAKE_COHERENT);
	struct shadowed *s = shadowed(test, PAGES);
	struct use *writer = use_all(test, s, fake, DMA_BIDIRECTIONAL);
	static const u32 at[] = { 0, 6, 8, PAGE_SIZE - 2 };
	u32 page, i, round;
	u8 mine, its, byte[2];

	shadow_push(&s->shadow);
	for (round = 0; round < 2; round++) {
		mine = 0xa1 + round;
		its = 0xb1 + round;
		for (page = 0; page < PAGES; page++) {
			for (i = 0; i < ARRAY_SIZE(at); i++) {
				set_byte(s, page, at[i], mine);
				fake_device_store(fake, &writer->sgt,
						  page * PAGE_SIZE + at[i] + 1,
						  &its, 1);
			}
		}
		if (round)
			KUNIT_EXPECT_NULL(test, shadow_push(&s->shadow));
		KUNIT_EXPECT_NULL(test, shadow_fetch(&s->shadow));
		if (!round)
			KUNIT_EXPECT_NULL(test, shadow_push(&s->shadow));
		for (page = 0; page < PAGES; page++) {
			for (i = 0; i < ARRAY_SIZE(at); i++) {
				KUNIT_EXPECT_EQ(test, its,
						get_byte(s, page, at[i] + 1));
				KUNIT_EXPECT_EQ(test, mine,
						get_byte(s, page, at[i]));
				fake_device_load(fake, &writer->sgt,
						 page * PAGE_SIZE + at[i],
						 byte, 2);
				KUNIT_EXPECT_EQ(test, mine, byte[0]);
				KUNIT_EXPECT_EQ(test, its, byte[1]);
			}
		}
	}
}

/*
 * Who wrote the same byte meets a conflict, which is counted by bytes: the value
 * of who is merged from stands, and the first copy that has one is named.
 */
static void conflicts_are_counted(struct kunit *test)
{
	struct fake_device *fake = remote_device(test, "dev", FAKE_COHERENT);
	struct shadowed *s = shadowed(test, PAGES);
	struct use *first, *second;

	first = use_part(test, s, fake, DMA_BIDIRECTIONAL, 0, 4);
	second = use_part(test, s, fake, DMA_BIDIRECTIONAL, 4, 4);
	memory_set(s->mem, 0, 0);
	memory_set(s->mem, 4, 0);
	memory_set(s->mem, 6, 0);
	shadow_push(&s->shadow);

	/* The same value is none. */
	memory_set(s->mem, 0, 0x11);
	use_store(fake, first, 0, 0x11);
	KUNIT_EXPECT_NULL(test, shadow_fetch(&s->shadow));
	KUNIT_EXPECT_EQ(test, 0, s->shadow.fetched.conflicts);

	memory_set(s->mem, 4, 0x010203);
	use_store(fake, second, 0, 0x04050003);
	KUNIT_EXPECT_PTR_EQ(test, use_copy(second), shadow_fetch(&s->shadow));
	KUNIT_EXPECT_EQ(test, 1, s->shadow.fetched.conflicts);
	/* Bytes: conflict, not written by the device, conflict, its own. */
	KUNIT_EXPECT_EQ(test, 0x04050203, memory_get(s->mem, 4));

	memory_set(s->mem, 0, 0x22);
	memory_set(s->mem, 6, 0x22);
	use_store(fake, first, 0, 0x33);
	use_store(fake, second, 2, 0x33);
	KUNIT_EXPECT_PTR_EQ(test, use_copy(first), shadow_push(&s->shadow));
	KUNIT_EXPECT_EQ(test, 2, s->shadow.pushed.conflicts);
	KUNIT_EXPECT_EQ(test, 0x22, use_load(fake, first, 0));
	KUNIT_EXPECT_EQ(test, 0x22, use_load(fake, second, 2));
	KUNIT_EXPECT_NULL(test, shadow_fetch(&s->shadow));
	KUNIT_EXPECT_EQ(test, 0x22, memory_get(s->mem, 0));
	KUNIT_EXPECT_EQ(test, 1, s->shadow.fetched.conflicts);
}

/* What is moved is counted, by bytes, and what is equal is not moved. */
static void bytes_are_counted(struct kunit *test)
{
	struct fake_device *fake = remote_device(test, "dev", FAKE_COHERENT);
	struct shadowed *s = shadowed(test, PAGES);
	struct use *writer = use_all(test, s, fake, DMA_BIDIRECTIONAL);
	u8 byte;

	shadow_push(&s->shadow);
	byte = get_byte(s, 0, 100) + 1;
	fake_device_store(fake, &writer->sgt, 100, &byte, 1);
	shadow_fetch(&s->shadow);
	shadow_push(&s->shadow);
	KUNIT_EXPECT_EQ(test, 1, s->shadow.fetched.bytes);
	KUNIT_EXPECT_EQ(test, 0, s->shadow.pushed.bytes);
	set_byte(s, 0, 100, byte + 1);
	set_byte(s, 7, PAGE_SIZE - 1, 1);
	shadow_fetch(&s->shadow);
	shadow_push(&s->shadow);
	KUNIT_EXPECT_EQ(test, 1, s->shadow.fetched.bytes);
	KUNIT_EXPECT_EQ(test, 2, s->shadow.pushed.bytes);
}

/* Pages of a copy lie in as many extents as they like. */
static void a_copy_follows_the_extents(struct kunit *test)
{
	struct fake_device *fake = remote_device(test, "dev", FAKE_COHERENT);
	struct memory *mem = memory_shmem(test, 64);
	struct shadowed *s = shadowed(test, 1);
	struct udmabuf_create_item *items;
	struct extents own = s->extents;
	struct use *writer;
	u32 i;

	items = kunit_kcalloc(test, 64, sizeof(*items), GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, items);
	memory_fill(test, mem);
	for (i = 0; i < 64; i++)
		items[i] = memory_item(mem, (i * 37 + 5) % 64, 1);
	KUNIT_ASSERT_EQ(test, 0, extents_pin(&s->extents, items, 64, U64_MAX));
	writer = use_part(test, s, fake, DMA_BIDIRECTIONAL, 3, 57);
	shadow_push(&s->shadow);
	for (i = 0; i < 57; i++) {
		KUNIT_EXPECT_EQ(test, memory_stamp(mem, ((i + 3) * 37 + 5) % 64),
				use_load(fake, writer, i));
		use_store(fake, writer, i, i);
	}
	shadow_fetch(&s->shadow);
	for (i = 0; i < 57; i++)
		KUNIT_EXPECT_EQ(test, i,
				memory_get(mem, ((i + 3) * 37 + 5) % 64));
	use_drop(s, writer);
	extents_unpin(&s->extents, false);
	s->extents = own;
}

/* Syncs. */

/*
 * A copy of a device that does not snoop is synced before each merge and after
 * it, through a writer's use if there is one: in a reader's direction for_cpu
 * does nothing.
 */
static void noncoherent_copies_are_synced_around_merges(struct kunit *test)
{
	struct fake_device *one = remote_device(test, "one", FAKE_NONCOHERENT);
	struct fake_device *two = remote_device(test, "two", FAKE_NONCOHERENT);
	struct shadowed *s = shadowed(test, PAGES);
	struct use *writer;

	use_all(test, s, one, DMA_TO_DEVICE);
	shim_mark(one->shim);
	shadow_push(&s->shadow);
	FAKE_EXPECT_SYNCS(test, "for_cpu one TO_DEVICE x1 copies",
			  "for_device one TO_DEVICE x1 copies");
	writer = use_all(test, s, two, DMA_BIDIRECTIONAL);
	use_all(test, s, one, DMA_TO_DEVICE);
	shim_mark(one->shim);
	shadow_fetch(&s->shadow);
	FAKE_EXPECT_SYNCS(test, "for_cpu two BIDIRECTIONAL x1 copies",
			  "for_device two BIDIRECTIONAL x1 copies");
	use_store(two, writer, 0, 1);
	shadow_fetch(&s->shadow);
	FAKE_EXPECT_SYNCS(test, "for_cpu two BIDIRECTIONAL x1 copies",
			  "for_device two BIDIRECTIONAL x1 copies");
	shadow_push(&s->shadow);
	FAKE_EXPECT_SYNCS(test, "for_cpu two BIDIRECTIONAL x1 copies",
			  "for_device two BIDIRECTIONAL x1 copies");
	use_drop(s, writer);
	shim_mark(one->shim);
	shadow_fetch(&s->shadow);
	FAKE_EXPECT_SYNCS(test);
	shadow_push(&s->shadow);
	FAKE_EXPECT_SYNCS(test, "for_cpu one TO_DEVICE x1 copies",
			  "for_device one TO_DEVICE x1 copies");
}

/* What dma_alloc_pages() gave is synced in the direction it was asked for. */
static void device_pages_are_synced_both_ways(struct kunit *test)
{
	struct fake_device *fake = remote_device(test, "dev", FAKE_NONCOHERENT);
	struct shadowed *s = shadowed(test, PAGES);

	fake->forced = true;
	use_all(test, s, fake, DMA_TO_DEVICE);
	shim_mark(fake->shim);
	shadow_push(&s->shadow);
	FAKE_EXPECT_SYNCS(test, "for_cpu dev BIDIRECTIONAL x1 copies",
			  "for_device dev BIDIRECTIONAL x1 copies");
}

/* Who snoops, or has coherent memory, needs none. */
static void other_copies_are_not_synced(struct kunit *test)
{
	struct fake_device *snoops = remote_device(test, "snoops", FAKE_COHERENT);
	struct fake_device *forced = remote_device(test, "forced", FAKE_COHERENT);
	struct fake_device *opaque = remote_device(test, "opaque", FAKE_OPAQUE);
	struct fake_device *deaf = remote_device(test, "deaf", FAKE_OPAQUE);
	struct shadowed *s = shadowed(test, PAGES);

	forced->forced = true;
	deaf->coherent = false;
	use_all(test, s, snoops, DMA_BIDIRECTIONAL);
	use_all(test, s, forced, DMA_BIDIRECTIONAL);
	use_all(test, s, opaque, DMA_BIDIRECTIONAL);
	use_all(test, s, deaf, DMA_BIDIRECTIONAL);
	KUNIT_EXPECT_EQ(test, 4, list_count_nodes(&s->shadow.copies));
	shim_mark(snoops->shim);
	shadow_push(&s->shadow);
	shadow_fetch(&s->shadow);
	FAKE_EXPECT_SYNCS(test);
}

/* A cache of one copy: what the CPU sees of it, and what its device does. */
static struct {
	u64 *cached;
	u64 memory;
	void (*for_cpu)(struct device *dev, dma_addr_t addr, size_t size,
			enum dma_data_direction dir);
	void (*for_device)(struct device *dev, dma_addr_t addr, size_t size,
			   enum dma_data_direction dir);
} cache;

static void drop_lines(struct device *dev, dma_addr_t addr, size_t size,
		       enum dma_data_direction dir)
{
	cache.for_cpu(dev, addr, size, dir);
	if (cache.cached)
		*cache.cached = cache.memory;
}

static void clean_lines(struct device *dev, dma_addr_t addr, size_t size,
			enum dma_data_direction dir)
{
	cache.for_device(dev, addr, size, dir);
	if (cache.cached)
		cache.memory = *cache.cached;
}

/* With a cache between: the merge sees memory, and memory sees the merge. */
static void a_merge_is_between_its_syncs(struct kunit *test)
{
	struct fake_device *fake = remote_device(test, "dev", FAKE_NONCOHERENT);
	struct shim_hooks *hooks = &fake->shim->hooks;
	struct shadowed *s = shadowed(test, PAGES);
	struct use *writer;

	cache.cached = NULL;
	cache.for_cpu = hooks->dma_sync_single_for_cpu;
	cache.for_device = hooks->dma_sync_single_for_device;
	hooks->dma_sync_single_for_cpu = drop_lines;
	hooks->dma_sync_single_for_device = clean_lines;
	writer = use_all(test, s, fake, DMA_BIDIRECTIONAL);
	cache.cached = use_copy(writer)->vaddr;
	cache.memory = 0x5555;

	/* Filled, too: what stood there is nobody's. */
	shadow_push(&s->shadow);
	KUNIT_EXPECT_EQ(test, memory_stamp(s->mem, 0), cache.memory);

	cache.memory = 77;
	shadow_fetch(&s->shadow);
	KUNIT_EXPECT_EQ(test, 77, memory_get(s->mem, 0));
	KUNIT_EXPECT_EQ(test, 77, cache.memory);
	memory_set(s->mem, 0, 78);
	shadow_push(&s->shadow);
	KUNIT_EXPECT_EQ(test, 78, cache.memory);
}

static int init(struct kunit *test)
{
	memory_watch_pins(test);
	return 0;
}

static struct kunit_case copy_cases[] = {
	KUNIT_CASE(who_reaches_nothing_gets_nothing),
	KUNIT_CASE(only_writers_bring_a_twin),
	KUNIT_CASE(a_late_twin_is_what_the_copy_holds),
	KUNIT_CASE(an_early_twin_is_filled_with_the_copy),
	KUNIT_CASE(readers_are_only_pushed_to),
	KUNIT_CASE(neighbouring_bytes_are_all_kept),
	KUNIT_CASE(conflicts_are_counted),
	KUNIT_CASE(bytes_are_counted),
	KUNIT_CASE(a_copy_follows_the_extents),
	KUNIT_CASE(noncoherent_copies_are_synced_around_merges),
	KUNIT_CASE(device_pages_are_synced_both_ways),
	KUNIT_CASE(other_copies_are_not_synced),
	KUNIT_CASE(a_merge_is_between_its_syncs),
	{ }
};

static struct kunit_suite copy_suite = {
	.name = "udmabuf_fanout_copy",
	.init = init,
	.test_cases = copy_cases,
};

kunit_test_suite(copy_suite);
