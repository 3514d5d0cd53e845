// SPDX-License-Identifier: GPL-2.0
/*
 * What was synced, told in words: the records of the shim, of which several in
 * a row are one line, beside the lines that a test expects.
 */
#include <linux/string.h>

#include "fake_dma.h"
#include "fake_syncs.h"

/* The longest list of syncs that one expectation can tell. */
#define MAX_SYNCS	64
#define SYNC_TEXT	96

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
	sync->what = fake_dma_synced_copy(i) ? copies : pages;
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
