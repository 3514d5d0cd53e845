// SPDX-License-Identifier: GPL-2.0
/*
 * The stage of the sweep: how it is set for a row, and what is counted on it.
 */
#include <kunit/test.h>
#include <linux/debugfs.h>
#include <linux/dma-buf.h>
#include <linux/file.h>
#include <linux/fs.h>
#include <linux/log2.h>
#include <linux/mman.h>
#include <linux/mm.h>
#include <linux/sizes.h>

#include "../driver/buffer.h"
#include "../driver/memfd.h"
#include "../driver/shadow.h"
#include "fail_stage.h"
#include "faults.h"
#include "files.h"
#include "memory.h"

/* Setting it. */

KUNIT_DEFINE_ACTION_WRAPPER(put_file, __fput_sync, struct file *);

/* Every other page of a memfd is out of reach. */
static unsigned long closed[PAGES / 2];

static void close_pages(struct memory *mem)
{
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(closed); i++)
		closed[i] = memory_pfn(mem, 2 * i + 1);
}

static bool is_closed(const struct page *page)
{
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(closed); i++)
		if (page_to_pfn(page) == closed[i])
			return true;
	return false;
}

static bool is_any(const struct page *page)
{
	return true;
}

static void restore_bound(void *context)
{
	struct stage *s = context;

	copy_limit_pages = s->max_pages;
}

/**
 * stage_init() - set the stage
 * @test: the test, whose ->priv becomes a struct stage
 * @row: the row
 *
 * Return: 0.
 */
int stage_init(struct kunit *test, const struct row *row)
{
	unsigned long addr;
	struct stage *s;

	if (!CAN_FAIL)
		kunit_skip(test, "needs a kernel whose allocations can fail: DEBUG=1");

	memory_watch_pins(test);
	s = kunit_kzalloc(test, sizeof(*s), GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, s);
	test->priv = s;
	s->test = test;
	s->row = row;
	s->max_pages = copy_limit_pages;
	s->sysfs = files_mount(test, "sysfs");
	s->debugfs = files_mount(test, "debugfs");
	s->node = files_open(files_mount(test, "devtmpfs"), "udmabuf-fanout",
			     O_RDWR);
	KUNIT_ASSERT_NOT_ERR_OR_NULL(test, s->node);
	KUNIT_ASSERT_EQ(test, 0,
			kunit_add_action_or_reset(test, put_file, s->node));
	addr = kunit_vm_mmap(test, NULL, USER_ADDR, USER_SIZE,
			     PROT_READ | PROT_WRITE,
			     MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE,
			     0);
	KUNIT_ASSERT_EQ(test, addr, USER_ADDR);

	s->mem = memory_shmem(test, row->memory == MANY_ITEMS ? MANY_PAGES :
								PAGES);
	memory_fill(test, s->mem);
	s->holes = memory_shmem(test, PAGES);

	s->probe = fake_device_create(test, "probe", FAKE_BOUNCED);
	s->peer = fake_device_create(test, "peer", row->shares ? row->kind :
						   FAKE_NONCOHERENT);
	s->fake = fake_device_create(test, "dev", row->kind);
	/* There are many calls, and they are counted by nobody. */
	bitmap_fill(s->fake->shim->ignored, SHIM_NR_FNS);
	if (row->mixed) {
		close_pages(s->mem);
		s->fake->unreached = is_closed;
		if (row->shares)
			s->peer->unreached = is_closed;
	}
	if (row->lost) {
		s->fake->unreached = is_any;
		s->fake->fail_allocs = UINT_MAX;
	}
	s->fake->forced = row->forced;
	if (row->memory == MANY_ITEMS)
		s->fake->max_seg_size = PAGE_SIZE;
	if (row->no_room) {
		copy_limit_pages = 0;
		KUNIT_ASSERT_EQ(test, 0,
				kunit_add_action_or_reset(test, restore_bound,
							  s));
	}
	if (row->merges)
		fake_device_merge(s->fake);
	if (row->memory == TOUCHING_PAGES)
		memory_block(test, ilog2(PAGES));

	faults_allow(test);
	return 0;
}

/* Steps. */

/**
 * stage_make() - take a row's first steps
 * @s: the stage
 * @nr: how many
 */
void stage_make(struct stage *s, unsigned int nr)
{
	unsigned int i;

	for (i = 0; i < nr; i++)
		KUNIT_ASSERT_GE(s->test, s->row->steps[i]->make(s), 0);
}

/**
 * stage_unmake() - take them back
 * @s: the stage
 * @nr: how many
 */
void stage_unmake(struct stage *s, unsigned int nr)
{
	while (nr--)
		if (s->row->steps[nr]->unmake)
			KUNIT_EXPECT_GE(s->test,
					s->row->steps[nr]->unmake(s), 0);
}

/* Counting. */

static const char * const things[] = {
	[PINS] = "pins",
	[DESCRIPTORS] = "descriptors",
	[BUFFERS] = "made buffers in debugfs",
	[REFERENCES] = "references to the buffer",
	[MEMFD_REFERENCES] = "references to memfds",
	[ATTACHMENTS] = "attachments",
	[MAPPINGS] = "mappings",
	[PEERS] = "peers",
	[DEVICE_MAPPINGS] = "mappings of the device",
	[DEVICE_COPIES] = "copies of the devices",
	[COPIES] = "copies",
	[CHARGED] = "pages of copies and twins",
	[OPEN_WRITES] = "open write accesses",
	[USER_MAPPINGS] = "user mappings",
	[POLICY] = "policy",
};

static long pins_of(struct memory *mem)
{
	unsigned long pfn;
	long pins = 0;
	u32 i;

	for (i = 0; i < mem->nr_pages; i++) {
		pfn = memory_pfn(mem, i);
		if (pfn)
			pins += memory_folio_pins(pfn_folio(pfn));
	}
	return pins;
}

static long open_depth(const struct open_writes *writes)
{
	long depth = writes->first.depth;
	unsigned int i;

	for (i = 0; i < writes->nr_more; i++)
		depth += writes->more[i].depth;
	return depth;
}

/**
 * stage_count() - count all that can be counted
 * @s: the stage
 * @nr: how many there are of each
 */
void stage_count(struct stage *s, long nr[NR_THINGS])
{
	struct dentry *dir = debugfs_lookup("udmabuf-fanout", NULL);
	struct fanout_buffer *ours;

	memset(nr, 0, NR_THINGS * sizeof(*nr));
	nr[PINS] = pins_of(s->mem) + pins_of(s->holes);
	nr[DESCRIPTORS] = files_descriptors();
	nr[BUFFERS] = !simple_empty(dir);
	nr[MEMFD_REFERENCES] = file_count(s->mem->file) +
			       file_count(s->holes->file);
	nr[USER_MAPPINGS] = current->mm->map_count;
	nr[DEVICE_MAPPINGS] = s->fake->nr_mappings;
	nr[DEVICE_COPIES] = s->fake->nr_copies + s->peer->nr_copies;
	nr[POLICY] = fanout_sync_policy;
	dput(dir);
	if (!s->dmabuf)
		return;
	ours = s->dmabuf->priv;
	nr[REFERENCES] = file_count(s->dmabuf->file);
	nr[ATTACHMENTS] = list_count_nodes(&s->dmabuf->attachments);
	nr[MAPPINGS] = list_count_nodes(&ours->mappings);
	nr[PEERS] = ours->fanout.nr_peers;
	nr[COPIES] = list_count_nodes(&ours->shadow.copies);
	nr[CHARGED] = shadow_pages(&ours->shadow);
	nr[OPEN_WRITES] = open_depth(&ours->open_writes);
}

/**
 * stage_expect_same() - expect that a call has left nothing behind
 * @s: the stage
 * @before: what stage_count() counted before it
 * @ret: what it returned
 * @nth: the fault it had
 * @later: ... and which others
 */
void stage_expect_same(struct stage *s, const long before[NR_THINGS], long ret,
		       unsigned int nth, const char *later)
{
	long now[NR_THINGS];
	enum thing i;

	stage_count(s, now);
	for (i = 0; i < NR_THINGS; i++)
		KUNIT_EXPECT_EQ_MSG(s->test, now[i], before[i],
				    "%s, after %ld with fault %u%s", things[i],
				    ret, nth, later);
}

/**
 * stage_charged() - find what is charged for all copies of all buffers
 * @s: the stage, on which there are none
 *
 * The least bound that leaves room for a page tells.
 *
 * Return: the pages of what other suites have leaked for good.
 */
unsigned long stage_charged(struct stage *s)
{
	struct udmabuf_create_item item = memory_item(s->mem, 0, 1);
	unsigned long before = copy_limit_pages, low = 0, high = SZ_64K, mid;
	struct extents extents;
	struct shadow shadow = { };
	LIST_HEAD(uses);
	int ret;

	KUNIT_ASSERT_EQ(s->test, 0, extents_pin(&extents, &item, 1, U64_MAX));
	shadow_init(&shadow, &extents);
	while (low < high) {
		mid = (low + high) / 2;
		copy_limit_pages = mid + 1;
		ret = shadow_use(&shadow, s->probe->dev, DMA_TO_DEVICE, 0, 1,
				 &uses);
		shadow_drop(&uses);
		if (ret)
			low = mid + 1;
		else
			high = mid;
	}
	copy_limit_pages = before;
	extents_unpin(&extents, false);
	return low;
}
