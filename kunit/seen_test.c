// SPDX-License-Identifier: GPL-2.0
/*
 * What can be seen of a buffer from outside: its debugfs file and the
 * tracepoints.
 *
 * Would miss: how the tracing core prints an event.
 */
#include <kunit/test.h>
#include <linux/debugfs.h>
#include <linux/dma-buf.h>
#include <linux/fs.h>
#include <linux/iosys-map.h>
#include <linux/seq_file.h>
#include <linux/sizes.h>
#include <linux/slab.h>
#include <linux/string.h>
#include <linux/tracepoint.h>
#include <trace/events/printk.h>

#include "../driver/buffer.h"
#include "../driver/trace.h"
#include "files.h"
#include "importer.h"

/* Tracepoints. */

#define MAX_SEEN	32

/* An event of either tracepoint. */
struct seen_event {
	enum sync_event event;
	enum sync_op op;
	const char *device;
	u64 bytes;
	u64 conflicts;
};

struct seen {
	const struct dma_buf *dmabuf;
	struct seen_event event[MAX_SEEN];
	unsigned int nr;
};

static void see(struct seen *seen, const struct dma_buf *dmabuf,
		struct seen_event event)
{
	if (dmabuf != seen->dmabuf)
		return;
	if (seen->nr < MAX_SEEN)
		seen->event[seen->nr] = event;
	seen->nr++;
}

static void see_step(void *data, const struct dma_buf *dmabuf,
		     const struct fanout_mapping *mapping,
		     enum sync_event event, enum sync_op op)
{
	see(data, dmabuf, (struct seen_event) {
		.event = event,
		.op = op,
		.device = dev_name(mapping->dev),
	});
}

static void see_merge(void *data, const struct dma_buf *dmabuf,
		      enum sync_event event, enum sync_op op, u64 bytes,
		      u64 conflicts)
{
	see(data, dmabuf, (struct seen_event) {
		.event = event,
		.op = op,
		.bytes = bytes,
		.conflicts = conflicts,
	});
}

static void stop_seeing(void *seen)
{
	unregister_trace_sync_step(see_step, seen);
	unregister_trace_merge(see_merge, seen);
	tracepoint_synchronize_unregister();
}

static struct seen *start_seeing(struct users *u)
{
	struct kunit *test = u->test;
	struct seen *seen;

	if (!IS_ENABLED(CONFIG_TRACEPOINTS))
		kunit_skip(test, "needs CONFIG_TRACEPOINTS");
	seen = kunit_kzalloc(test, sizeof(*seen), GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, seen);
	seen->dmabuf = u->dmabuf;
	KUNIT_ASSERT_EQ(test, 0, register_trace_sync_step(see_step, seen));
	KUNIT_ASSERT_EQ(test, 0, register_trace_merge(see_merge, seen));
	KUNIT_ASSERT_EQ(test, 0,
			kunit_add_action_or_reset(test, stop_seeing, seen));
	return seen;
}

/* Compare with what was seen since the last time. */
static void expect_seen(struct users *u, struct seen *seen,
			const struct seen_event *want, unsigned int nr)
{
	struct kunit *test = u->test;
	const struct seen_event *got;
	unsigned int i;

	KUNIT_EXPECT_EQ(test, nr, seen->nr);
	for (i = 0; i < min3(nr, seen->nr, MAX_SEEN); i++) {
		got = &seen->event[i];
		KUNIT_EXPECT_EQ_MSG(test, want[i].event, got->event, "%u", i);
		KUNIT_EXPECT_EQ_MSG(test, want[i].op, got->op, "%u", i);
		KUNIT_EXPECT_EQ_MSG(test, want[i].bytes, got->bytes, "%u", i);
		KUNIT_EXPECT_EQ_MSG(test, want[i].conflicts, got->conflicts,
				    "%u", i);
		KUNIT_EXPECT_EQ_MSG(test, !want[i].device, !got->device, "%u",
				    i);
		if (want[i].device && got->device)
			KUNIT_EXPECT_NOT_NULL(test, strstr(got->device,
							   want[i].device));
	}
	seen->nr = 0;
}

#define EXPECT_SEEN(u, seen, ...)					\
	expect_seen(u, seen, (struct seen_event[]) { __VA_ARGS__ },	\
		    sizeof((struct seen_event[]) { __VA_ARGS__ }) /	\
		    sizeof(struct seen_event))

/* Every step for the caches is an event that names device, event and step. */
static void every_step_is_traced(struct kunit *test)
{
	struct users *u = test->priv;
	struct seen *seen = start_seeing(u);
	struct importer *cam;

	cam = add_device(u, "cam", FAKE_NONCOHERENT, DMA_FROM_DEVICE);
	EXPECT_SEEN(u, seen, { SYNC_END, SYNC_FOR_DEVICE, "cam" });
	cpu_begin(u, CPU_WRITE);
	EXPECT_SEEN(u, seen, { SYNC_BEGIN, SYNC_FOR_CPU, "cam" });
	cpu_begin(u, CPU_READ);
	EXPECT_SEEN(u, seen, { SYNC_BEGIN, SYNC_FLUSH, "cam" });
	cpu_end(u, CPU_READ);
	EXPECT_SEEN(u, seen, { SYNC_END, SYNC_FOR_DEVICE, "cam" });
	importer_unmap(cam);
	EXPECT_SEEN(u, seen, { SYNC_BEGIN, SYNC_FLUSH, "cam" },
		    { SYNC_END, SYNC_FOR_DEVICE, "cam" });
}

/* ... and so is every merge, with what it moved and what it found. */
static void every_merge_is_traced(struct kunit *test)
{
	struct users *u = test->priv;
	struct seen *seen = start_seeing(u);
	struct importer *usb, *scan;

	usb = add_device(u, "usb", FAKE_BOUNCED, DMA_FROM_DEVICE);
	/* What fills a copy is no merge, and was not written by anybody. */
	EXPECT_SEEN(u, seen, { SYNC_END, SYNC_PUSH });
	importer_store(usb, 0, 0x11);
	importer_store(usb, PAGE_SIZE, 0x2222);
	cpu_begin(u, CPU_READ);
	EXPECT_SEEN(u, seen, { SYNC_BEGIN, SYNC_FETCH, .bytes = 3 });
	cpu_store(u, 0, 0x333333);
	importer_store(usb, 0, 0x44);
	cpu_end(u, CPU_READ);
	EXPECT_SEEN(u, seen,
		    { SYNC_END, SYNC_PUSH, .bytes = 3, .conflicts = 1 });

	/* A reader alone: there is nothing to fetch. */
	importer_unmap(usb);
	seen->nr = 0;
	scan = add_device(u, "scan", FAKE_BOUNCED, DMA_TO_DEVICE);
	EXPECT_SEEN(u, seen, { SYNC_END, SYNC_PUSH });
	cpu_begin(u, CPU_WRITE);
	cpu_store(u, 8, 0x55);
	cpu_end(u, CPU_WRITE);
	EXPECT_SEEN(u, seen, { SYNC_END, SYNC_PUSH, .bytes = 1 });
	importer_unmap(scan);
	KUNIT_EXPECT_EQ(test, 0, seen->nr);
}

/* What was merged is cleaned, which is a step only if there was anything. */
static void cleaning_after_a_merge_is_traced(struct kunit *test)
{
	struct users *u = test->priv;
	struct seen *seen = start_seeing(u);
	struct importer *usb;

	usb = add_device(u, "usb", FAKE_BOUNCED, DMA_FROM_DEVICE);
	add_device(u, "cam", FAKE_NONCOHERENT, DMA_FROM_DEVICE);
	seen->nr = 0;
	importer_store(usb, 0, 1);
	cpu_begin(u, CPU_READ);
	EXPECT_SEEN(u, seen, { SYNC_BEGIN, SYNC_FOR_CPU, "cam" },
		    { SYNC_BEGIN, SYNC_FETCH, .bytes = 1 },
		    { SYNC_BEGIN, SYNC_CLEAN_FETCHED, "cam" });
	cpu_begin(u, CPU_READ);
	EXPECT_SEEN(u, seen, { SYNC_BEGIN, SYNC_FOR_CPU, "cam" },
		    { SYNC_BEGIN, SYNC_FETCH });
}

/* The log. */

static char conflict[256];

static void see_message(void *data, const char *text, size_t size)
{
	if (strnstr(text, "different data", size))
		strscpy(conflict, text, min(size + 1, sizeof(conflict)));
}

static void unsee_messages(void *unused)
{
	unregister_trace_console(see_message, NULL);
	tracepoint_synchronize_unregister();
}

/* Whoever looks for a conflict is told who uses the copy, and where it was. */
static void a_conflict_names_its_devices(struct kunit *test)
{
	struct users *u = test->priv;
	struct importer *usb, *scan;
	char want[128];

	if (!IS_ENABLED(CONFIG_TRACEPOINTS))
		kunit_skip(test, "needs CONFIG_TRACEPOINTS, to hear messages");
	usb = add_device(u, "usb", FAKE_BOUNCED, DMA_FROM_DEVICE);
	scan = add_device(u, "scan", FAKE_BOUNCED, DMA_TO_DEVICE);
	conflict[0] = '\0';
	KUNIT_ASSERT_EQ(test, 0, register_trace_console(see_message, NULL));
	KUNIT_ASSERT_EQ(test, 0,
			kunit_add_action_or_reset(test, unsee_messages, NULL));
	cpu_store(u, 0, 0x11);
	importer_store(usb, 0, 0x22);
	cpu_begin(u, CPU_READ);
	cpu_end(u, CPU_READ);
	snprintf(want, sizeof(want), "%s, %s and somebody else ",
		 dev_name(usb->fake->dev), dev_name(scan->fake->dev));
	KUNIT_EXPECT_NOT_NULL_MSG(test, strstr(conflict, want),
				  "'%s' is not in '%s'", want, conflict);
	KUNIT_EXPECT_NOT_NULL(test, strstr(conflict, " page 0 "));
}

/* Debugfs. */

static void close_file(void *file)
{
	__fput_sync(file);
}

/* The buffer's debugfs file, open, with room for its text in ->buf. */
static struct seq_file *open_debugfs(struct users *u)
{
	struct fanout_buffer *buffer = u->dmabuf->priv;
	struct kunit *test = u->test;
	struct seq_file *m;
	struct file *file;
	char name[32];

	snprintf(name, sizeof(name), "%pd", buffer->debugfs);
	file = files_open(files_mount(test, "debugfs"), name, O_RDONLY);
	KUNIT_ASSERT_NOT_ERR_OR_NULL(test, file);
	KUNIT_ASSERT_EQ(test, 0,
			kunit_add_action_or_reset(test, close_file, file));

	/* debugfs files are read by user space only; seq_release() frees. */
	m = file->private_data;
	m->size = SZ_4K;
	m->buf = kvzalloc(m->size, GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, m->buf);
	return m;
}

/* The file's text as it is now. */
static const char *read_debugfs(struct users *u, struct seq_file *m)
{
	m->count = 0;
	memset(m->buf, 0, m->size);
	KUNIT_EXPECT_EQ(u->test, 0, m->op->show(m, NULL));
	return m->buf;
}

static void expect_shows(struct users *u, struct seq_file *m, const char *text)
{
	KUNIT_EXPECT_NOT_NULL_MSG(u->test, strstr(read_debugfs(u, m), text),
				  "'%s' is not in:\n%s", text, m->buf);
}

/* What a person reads there. */
static void debugfs_shows_the_peers(struct kunit *test)
{
	struct users *u = test->priv;
	struct seq_file *m = open_debugfs(u);

	expect_shows(u, m, "size: 32768\n");
	expect_shows(u, m, "open for writing: no\n");
	expect_shows(u, m, "copies and twins: 0\n");
	expect_shows(u, m, "fetched: 0\npushed: 0\nconflicts: 0\n");
	KUNIT_EXPECT_NULL(test, strstr(m->buf, "peer:"));
	KUNIT_EXPECT_NULL(test, strstr(m->buf, "copy:"));

	add_device(u, "cam", FAKE_NONCOHERENT, DMA_FROM_DEVICE);
	add_device(u, "gpu", FAKE_COHERENT, DMA_TO_DEVICE);
	expect_shows(u, m, "policy: all\n");
	fanout_sync_policy = SYNC_POLICY_MINIMAL;
	cpu_begin(u, CPU_WRITE);
	expect_shows(u, m, "policy: minimal\n");
	expect_shows(u, m, "open for writing: maybe\n");
	expect_shows(u, m, "cam kind=noncoherent requested=FROM_DEVICE mapped=BIDIRECTIONAL ");
	/* One of its own map, two of the other one's, and the begin. */
	expect_shows(u, m, "copied=0 syncs=4\n");
	expect_shows(u, m, "gpu kind=coherent requested=TO_DEVICE mapped=TO_DEVICE ");
	expect_shows(u, m, "copied=0 syncs=0\n");
}

/* Kernel mappings are writes that may be open. */
static void debugfs_shows_kernel_mappings(struct kunit *test)
{
	struct users *u = test->priv;
	struct seq_file *m = open_debugfs(u);
	struct iosys_map map;

	KUNIT_ASSERT_EQ(test, 0, dma_buf_vmap_unlocked(u->dmabuf, &map));
	expect_shows(u, m, "open for writing: maybe\n");
	dma_buf_vunmap_unlocked(u->dmabuf, &map);
	expect_shows(u, m, "open for writing: no\n");
}

/* Copies: whose, of what, from where, and what went through them. */
static void debugfs_shows_the_copies(struct kunit *test)
{
	struct users *u = test->priv;
	struct seq_file *m = open_debugfs(u);
	struct importer *usb, *npu;

	add_device(u, "scan", FAKE_BOUNCED, DMA_TO_DEVICE);
	expect_shows(u, m, "copies and twins: 32768\n");
	expect_shows(u, m, "scan kind=copy requested=TO_DEVICE mapped=TO_DEVICE ");
	expect_shows(u, m, " entries=1 copied=32768 syncs=0\n");
	expect_shows(u, m, "copy: from=0 size=32768 pieces=1 memory=pages twin=no for ");
	usb = add_device(u, "usb", FAKE_BOUNCED, DMA_FROM_DEVICE);
	expect_shows(u, m, "copies and twins: 65536\n");
	expect_shows(u, m, "memory=pages twin=yes for ");
	expect_shows(u, m, "scan ");
	expect_shows(u, m, "usb\n");

	npu = add_device(u, "npu", FAKE_OPAQUE, DMA_TO_DEVICE);
	expect_shows(u, m, "copies and twins: 98304\n");
	expect_shows(u, m, "memory=coherent twin=no for ");
	expect_shows(u, m, "npu\n");
	importer_unmap(npu);
	npu->fake->opaque = false;
	npu->fake->forced = true;
	KUNIT_ASSERT_EQ(test, 0, importer_map(npu, DMA_TO_DEVICE));
	expect_shows(u, m, "memory=device twin=no for ");
	importer_unmap(npu);

	importer_store(usb, 0, 0x11);
	cpu_begin(u, CPU_READ);
	expect_shows(u, m, "fetched: 1\npushed: 0\nconflicts: 0\n");
	cpu_store(u, 8, 0x2222);
	importer_store(usb, 8, 0x3333);
	cpu_end(u, CPU_READ);
	expect_shows(u, m, "fetched: 1\npushed: 2\nconflicts: 2\n");
	importer_unmap(usb);
	expect_shows(u, m, "copies and twins: 32768\n");
	expect_shows(u, m, "twin=no for ");
}

/* ... of a mapping that has own pages and copies, each alike as one line. */
static void debugfs_shows_mixed_mappings(struct kunit *test)
{
	struct users *u = test->priv;
	struct seq_file *m;

	use_block(u, 3, NULL, 0);
	m = open_debugfs(u);
	add_mixed(u, "dev", FAKE_NONCOHERENT, DMA_FROM_DEVICE);
	expect_shows(u, m, "extents: 8\n");
	expect_shows(u, m, "dev kind=noncoherent+copy requested=FROM_DEVICE ");
	expect_shows(u, m, " entries=8 copied=16384 syncs=1\n");
	/* There is something between them. */
	expect_shows(u, m, "copy: from=0 size=4096 pieces=1 ");
	expect_shows(u, m, "copy: from=24576 size=4096 pieces=1 ");
}

/* Pieces of one copy are one line, and those that nothing joins are not. */
static void debugfs_joins_pieces(struct kunit *test)
{
	struct users *u = test->priv;
	struct seq_file *m;

	/* 4 pages and 1, of which there is no piece of 5. */
	u->dmabuf = export_pages(test, 5);
	m = open_debugfs(u);
	add_device(u, "usb", FAKE_BOUNCED, DMA_FROM_DEVICE);
	expect_shows(u, m, "copy: from=0 size=20480 pieces=2 memory=pages twin=yes for ");
}

static bool has_even_frame(const struct page *page)
{
	return fake_page_is_of_memfd(page) && !(page_to_pfn(page) & 1);
}

/* ... nor are those that different devices use. */
static void debugfs_tells_whose_copy_it_is(struct kunit *test)
{
	struct users *u = test->priv;
	struct importer *even;
	struct seq_file *m;

	use_block(u, 3, NULL, 0);
	m = open_debugfs(u);
	add_mixed(u, "odd", FAKE_COHERENT, DMA_FROM_DEVICE);
	even = importer_create(u, fake_device_create(test, "even",
						     FAKE_COHERENT));
	even->fake->unreached = has_even_frame;
	KUNIT_ASSERT_EQ(test, 0, importer_map(even, DMA_FROM_DEVICE));
	expect_shows(u, m, "copy: from=0 size=4096 pieces=1 memory=pages twin=yes for ");
	expect_shows(u, m, "copy: from=4096 size=4096 pieces=1 memory=pages twin=yes for ");
}

/* Whoever reads it can be interrupted, as long as the lock is taken. */
static void debugfs_can_be_interrupted(struct kunit *test)
{
	struct users *u = test->priv;
	struct seq_file *m = open_debugfs(u);

	u->shim->hooks.dma_resv_lock_interruptible = lock_is_interrupted;
	KUNIT_EXPECT_EQ(test, -EINTR, m->op->show(m, NULL));
	KUNIT_EXPECT_EQ(test, 0, m->count);
}

/* When the buffer is gone, so is its file. */
static void debugfs_forgets_the_buffer(struct kunit *test)
{
	struct dma_buf *dmabuf = export_pages(test, PAGES);
	struct fanout_buffer *buffer = dmabuf->priv;
	struct dentry *file;
	char name[32];

	if (!IS_ENABLED(CONFIG_DEBUG_FS))
		kunit_skip(test, "needs CONFIG_DEBUG_FS");
	snprintf(name, sizeof(name), "%pd", buffer->debugfs);
	memory_put_buffer(test, dmabuf);
	file = debugfs_lookup(name, NULL);
	KUNIT_EXPECT_NULL(test, file);
	dput(file);
}

static struct kunit_case seen_cases[] = {
	/* First, as such messages are rate-limited. */
	KUNIT_CASE(a_conflict_names_its_devices),
	KUNIT_CASE(every_step_is_traced),
	KUNIT_CASE(every_merge_is_traced),
	KUNIT_CASE(cleaning_after_a_merge_is_traced),
	KUNIT_CASE(debugfs_shows_the_peers),
	KUNIT_CASE(debugfs_shows_kernel_mappings),
	KUNIT_CASE(debugfs_shows_the_copies),
	KUNIT_CASE(debugfs_shows_mixed_mappings),
	KUNIT_CASE(debugfs_joins_pieces),
	KUNIT_CASE(debugfs_tells_whose_copy_it_is),
	KUNIT_CASE(debugfs_can_be_interrupted),
	KUNIT_CASE(debugfs_forgets_the_buffer),
	{ }
};

static struct kunit_suite seen_suite = {
	.name = "udmabuf_fanout_seen",
	.init = users_init,
	.exit = users_exit,
	.test_cases = seen_cases,
};

kunit_test_suite(seen_suite);
