// SPDX-License-Identifier: GPL-2.0
/*
 * Every allocation fails once. Each call of the driver is made without a fault,
 * then again and again while its first, second, third ... allocation fails,
 * until one gets by without that many; then all of it a second time, where what
 * comes after the failed allocation fails as well, for kvmalloc() has a second
 * try. What lib/fault-inject.c counts as one are slab objects, pages, and copies
 * from and to user memory. After each fault the call has succeeded or given an
 * errno of its row, all that can be counted is what it was before, and the same
 * call succeeds. A row must have had the least number of faults that follows
 * from the source, so that faults which hit nothing fail the test. Large copies
 * are made of small pieces where there is nothing else, which one fault alone
 * does not show: allocations of each size fail in a test of its own.
 *
 * Would miss: two faults with a success between them; faults in what a device's
 * own DMA layer allocates (the devices are fakes, but what they are asked for
 * they have from the page allocator); the start of the module, which is long
 * over; huge pages, for which the driver allocates nothing more; memory left
 * behind that is neither pinned nor came from kmalloc(), nor is charged to a
 * memory cgroup, as all pages of copies are.
 */
#include <kunit/test.h>
#include <linux/completion.h>
#include <linux/debugfs.h>
#include <linux/dma-buf.h>
#include <linux/dma-fence.h>
#include <linux/dma-resv.h>
#include <linux/fdtable.h>
#include <linux/file.h>
#include <linux/fs.h>
#include <linux/iosys-map.h>
#include <linux/kallsyms.h>
#include <linux/kthread.h>
#include <linux/log2.h>
#include <linux/mman.h>
#include <linux/mm.h>
#include <linux/rcupdate.h>
#include <linux/resource.h>
#include <linux/sched/signal.h>
#include <linux/sched/task.h>
#include <linux/shmem_fs.h>
#include <linux/sizes.h>
#include <linux/string.h>
#include <linux/tracepoint.h>
#include <linux/uaccess.h>
#include <linux/udmabuf.h>
#include <trace/events/kmem.h>
#include <uapi/linux/dma-buf.h>

#include "../driver/buffer.h"
#include "../driver/memfd.h"
#include "../driver/shadow.h"
#include "compat.h"
#include "fake_device.h"
#include "files.h"
#include "memory.h"

/* Arguments, and where buffers are mapped: no page table is for both. */
#define USER_ADDR	0x20000000UL
#define USER_SIZE	SZ_64K
#define MAP_ADDR	0x60000000UL

/* A buffer's pages; where a row says so, more than kmalloc() alone can list. */
#define PAGES		8
#define MANY_PAGES	600

/* More faults than any call has. */
#define MAX_FAULTS	2000

/* Faults. */

static const char * const attrs[] = {
	"failslab", "fail_page_alloc", "fail_usercopy"
};

/*
 * Allocations of any size fail, those that may sleep, too; after the one that
 * current->fail_nth counts out, all others of a task that asks for it
 * (current->make_it_fail); and nothing is printed. Set in this order, and undone
 * in the opposite one, nobody else's ever fail.
 */
static const struct {
	const char *file;
	size_t size;
	int value;
} settings[] = {
	{ "task-filter", sizeof(bool), true },
	{ "verbose", sizeof(unsigned long), 0 },
	{ "min-order", sizeof(u32), 0 },
	{ "ignore-gfp-highmem", sizeof(bool), false },
	{ "ignore-gfp-wait", sizeof(bool), false },
	{ "times", sizeof(atomic_t), -1 },
	{ "probability", sizeof(unsigned long), 100 },
};

static u64 saved[ARRAY_SIZE(attrs)][ARRAY_SIZE(settings)];

static void set(void *value, size_t size, u64 to)
{
	if (size == sizeof(bool))
		*(bool *)value = to;
	else if (size == sizeof(u32))
		*(u32 *)value = to;
	else
		*(u64 *)value = to;
}

static u64 get(const void *value, size_t size)
{
	if (size == sizeof(bool))
		return *(const bool *)value;
	return size == sizeof(u32) ? *(const u32 *)value : *(const u64 *)value;
}

static void restore_settings(void *unused)
{
	unsigned int attr, i;
	void *value;

	for (attr = 0; attr < ARRAY_SIZE(attrs); attr++) {
		for (i = ARRAY_SIZE(settings); i--;) {
			value = files_debugfs_value(attrs[attr],
						    settings[i].file);
			if (value)
				set(value, settings[i].size, saved[attr][i]);
		}
	}
}

static void change_settings(struct kunit *test)
{
	unsigned int attr, i;
	void *value;

	for (attr = 0; attr < ARRAY_SIZE(attrs); attr++) {
		for (i = 0; i < ARRAY_SIZE(settings); i++) {
			value = files_debugfs_value(attrs[attr],
						    settings[i].file);
			if (!value)
				continue;
			saved[attr][i] = get(value, settings[i].size);
			set(value, settings[i].size, settings[i].value);
		}
	}
	KUNIT_ASSERT_EQ(test, 0,
			kunit_add_action_or_reset(test, restore_settings,
						  NULL));
}

#if defined(CONFIG_FAILSLAB) && defined(CONFIG_FAIL_PAGE_ALLOC) &&	\
	defined(CONFIG_FAULT_INJECTION_USERCOPY) &&			\
	defined(CONFIG_FAULT_INJECTION_DEBUG_FS)
#define CAN_FAIL	1

/* From now on the @nth allocation of this thread fails, or all from it on. */
static void arm(unsigned int nth, bool all)
{
	current->make_it_fail = nth && all;
	current->fail_nth = nth;
}

/* Whether allocations fail by their attributes alone. */
static void arm_pages(bool on)
{
	current->make_it_fail = on;
}

/* Tell whether the fault was consumed. */
static bool disarm(void)
{
	bool consumed = !current->fail_nth;

	current->fail_nth = 0;
	current->make_it_fail = 0;
	return consumed;
}
#else
#define CAN_FAIL	0

static void arm(unsigned int nth, bool all)
{
}

static void arm_pages(bool on)
{
}

static bool disarm(void)
{
	return false;
}
#endif

/*
 * Memory that kmalloc() gave the test's thread, and kfree() has not got back, and
 * pages likewise.
 */

#define MAX_KEPT	4096

/**
 * struct ledger - what is allocated
 * @task: whose allocations count, or NULL; they may be freed by anybody
 * @lock: of all that follows
 * @nth: the fault that is on, for the message
 * @nr: how many @kept there are
 * @lost: there were more
 * @kept: the allocations, in no order
 */
struct ledger {
	struct task_struct *task;
	raw_spinlock_t lock; /* see above */
	unsigned int nth;
	unsigned int nr;
	bool lost;
	struct {
		const void *ptr;
		unsigned long site;
		unsigned int nth;
	} kept[MAX_KEPT];
};

static void strike(struct ledger *ledger, const void *ptr)
{
	unsigned int i = ledger->nr;

	while (i--) {
		if (ledger->kept[i].ptr == ptr) {
			ledger->kept[i] = ledger->kept[--ledger->nr];
			return;
		}
	}
}

static void see_kmalloc(void *data, unsigned long site, const void *ptr,
			size_t bytes_req, size_t bytes_alloc, gfp_t gfp,
			int node)
{
	struct ledger *ledger = data;
	unsigned long flags;

	if (!ptr || !in_task() || current != ledger->task)
		return;
	raw_spin_lock_irqsave(&ledger->lock, flags);
	strike(ledger, ptr);
	if (ledger->nr < MAX_KEPT) {
		ledger->kept[ledger->nr].ptr = ptr;
		ledger->kept[ledger->nr].site = site;
		ledger->kept[ledger->nr++].nth = ledger->nth;
	} else {
		ledger->lost = true;
	}
	raw_spin_unlock_irqrestore(&ledger->lock, flags);
}

static void see_kfree(void *data, unsigned long site, const void *ptr)
{
	struct ledger *ledger = data;
	unsigned long flags;

	raw_spin_lock_irqsave(&ledger->lock, flags);
	strike(ledger, ptr);
	raw_spin_unlock_irqrestore(&ledger->lock, flags);
}

/* Pages that are charged to somebody; those of slabs are not. */
static void see_page_alloc(void *data, struct page *page, unsigned int order,
			   gfp_t gfp, int migratetype)
{
	if (gfp & __GFP_ACCOUNT)
		see_kmalloc(data, (unsigned long)see_page_alloc, page, 0, 0,
			    gfp, 0);
}

static void see_page_free(void *data, struct page *page, unsigned int order)
{
	see_kfree(data, 0, page);
}

static void stop_ledger(void *ledger)
{
	unregister_trace_mm_page_alloc(see_page_alloc, ledger);
	unregister_trace_mm_page_free(see_page_free, ledger);
	unregister_trace_kmalloc(see_kmalloc, ledger);
	unregister_trace_kfree(see_kfree, ledger);
	tracepoint_synchronize_unregister();
}

static struct ledger *open_ledger(struct kunit *test)
{
	struct ledger *ledger;

	ledger = kunit_kzalloc(test, sizeof(*ledger), GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, ledger);
	raw_spin_lock_init(&ledger->lock);
	KUNIT_ASSERT_EQ(test, 0, register_trace_kfree(see_kfree, ledger));
	KUNIT_ASSERT_EQ(test, 0, register_trace_kmalloc(see_kmalloc, ledger));
	KUNIT_ASSERT_EQ(test, 0,
			register_trace_mm_page_free(see_page_free, ledger));
	KUNIT_ASSERT_EQ(test, 0,
			register_trace_mm_page_alloc(see_page_alloc, ledger));
	KUNIT_ASSERT_EQ(test, 0,
			kunit_add_action_or_reset(test, stop_ledger, ledger));
	return ledger;
}

/*
 * What memory cgroups note in a slab, and what keeps objects ready for a CPU
 * (mm/slub.c), live as long as the slabs. The nodes of open files in kernfs are
 * freed by kfree_rcu(), of which newer kernels tell nobody (7.3 does not).
 */
static bool is_not_followed(unsigned long site)
{
	static const char * const sites[] = {
		"alloc_slab_obj_exts", "__pcs_replace_empty_main",
		"kernfs_fop_open",
	};
	char name[KSYM_SYMBOL_LEN];
	unsigned int i;

	sprint_symbol_no_offset(name, site);
	for (i = 0; i < ARRAY_SIZE(sites); i++)
		if (strstarts(name, sites[i]))
			return true;
	return false;
}

static void close_ledger(struct kunit *test, struct ledger *ledger)
{
	unsigned int i, nr = 0;

	flush_delayed_fput();
	rcu_barrier();
	kunit_release_action(test, stop_ledger, ledger);

	KUNIT_EXPECT_FALSE(test, ledger->lost);
	for (i = 0; i < ledger->nr; i++)
		if (!is_not_followed(ledger->kept[i].site) && nr++ < 5)
			KUNIT_FAIL(test,
				   "of fault %u, never freed: what %pS allocated",
				   ledger->kept[i].nth,
				   (void *)ledger->kept[i].site);
	if (nr > 5)
		KUNIT_FAIL(test, "... and %u more", nr - 5);
}

/* What is swept. */

struct stage;

/**
 * struct step - something that is made, and how it goes away again
 * @make: makes it
 * @unmake: undoes that; NULL for nothing
 *
 * Either may be called with faults, so neither expects or asserts anything.
 * They return an errno, or what the call did that succeeded.
 */
struct step {
	long (*make)(struct stage *s);
	long (*unmake)(struct stage *s);
};

/* What a row's buffer is made of. */
enum memory_of {
	FEW_PAGES,
	TWO_ITEMS,
	PAGE_TWICE,
	MANY_ITEMS,
	APART,
	HOLES,
	TOUCHING_PAGES,
};

#define MAX_STEPS	5

/**
 * struct row - a call in one situation
 * @name: its name
 * @least: how many faults it has at the least
 * @steps: what is made, one after the other; the last one is swept
 * @unmake: it is its unmaking that is swept
 * @errors: the errnos it may give after a fault, 0 for none more
 * @want: what it comes to without a fault: an errno if it has to be refused
 * @memory: the buffer's memory
 * @kind: the device
 * @dir: the direction it maps in
 * @access: the CPU's access
 * @others: how many mappings another device has already
 * @others_write: they write
 * @shares: the other device is of the same kind, and shares what copies it can
 * @fail_maps: how many maps of the device, of tables or copies, fail
 * @mixed: the device reaches every other page
 * @forced: it reaches only what was allocated for it
 * @lost: it reaches nothing
 * @no_room: there must be no copies
 * @merges: the device is behind an IOMMU
 */
struct row {
	const char *name;
	unsigned int least;
	const struct step *steps[MAX_STEPS];
	bool unmake;
	long errors[2];
	long want;
	enum memory_of memory;
	enum fake_kind kind;
	enum dma_data_direction dir;
	enum dma_data_direction access;
	unsigned int others;
	bool others_write;
	bool shares;
	unsigned int fail_maps;
	bool mixed;
	bool forced;
	bool lost;
	bool no_room;
	bool merges;
};

#define MAX_OTHERS	2

/**
 * struct stage - what a row's steps are made with
 * @test: the test
 * @row: the row
 * @ledger: what the row's steps allocate; NULL before that counts
 * @node: the device node
 * @sysfs: where module parameters are
 * @debugfs: where buffers have their files
 * @mem: memory whose pages are there
 * @holes: memory whose pages are not there
 * @fake: the row's device
 * @peer: the device of the mappings that are there already
 * @probe: a device that tells how much is charged for copies
 * @dmabuf: the buffer
 * @fd: a descriptor of another one, its only reference
 * @attachment: of @fake
 * @sgt: a mapping of @attachment
 * @others: attachment of @peer
 * @other: mappings of @others
 * @map: a kernel mapping of the buffer
 * @writer: another process
 * @writing: it has a write access open
 * @files: the thread's descriptor table, while it has another one
 * @limit: of descriptors, while there is another one
 * @max_pages: the bound of copies before the test
 */
struct stage {
	struct kunit *test;
	const struct row *row;
	struct ledger *ledger;
	struct file *node;
	struct vfsmount *sysfs;
	struct vfsmount *debugfs;
	struct memory *mem;
	struct memory *holes;
	struct fake_device *fake;
	struct fake_device *peer;
	struct fake_device *probe;
	struct dma_buf *dmabuf;
	long fd;
	struct dma_buf_attachment *attachment;
	struct sg_table *sgt;
	struct dma_buf_attachment *others;
	struct sg_table *other[MAX_OTHERS];
	struct iosys_map map;
	struct task_struct *writer;
	struct completion writing;
	struct files_struct *files;
	unsigned long limit;
	unsigned long max_pages;
};

static bool put_user_args(unsigned int at, const void *args, size_t size)
{
	return copy_to_user((void __user *)USER_ADDR + at, args, size);
}

/* Memory. */

static u32 make_items(struct stage *s, struct udmabuf_create_item *items)
{
	u32 pages = s->mem->nr_pages, half = pages / 2, i;

	switch (s->row->memory) {
	case TWO_ITEMS:
		items[0] = memory_item(s->mem, 0, half);
		items[1] = memory_item(s->mem, half, pages - half);
		return 2;
	case PAGE_TWICE:
		items[0] = memory_item(s->mem, 0, half);
		items[1] = memory_item(s->mem, half - 1, half);
		return 2;
	case MANY_ITEMS:
	case APART:
		/* So that next to none of them touch. */
		for (i = 0; i < pages; i++)
			items[i] = memory_item(s->mem, i * 7 % pages, 1);
		return pages;
	case HOLES:
		items[0] = memory_item(s->mem, 0, pages);
		items[1] = memory_item(s->holes, 0, s->holes->nr_pages);
		return 2;
	default:
		items[0] = memory_item(s->mem, 0, pages);
		return 1;
	}
}

static long make_holes(struct stage *s)
{
	shmem_truncate_range(file_inode(s->holes->file), 0, -1);
	return 0;
}

static const struct step holes = { make_holes, make_holes };

/* The calls of the device node. */

static long put_create(struct stage *s)
{
	struct udmabuf_create args = {
		.memfd = s->mem->fd,
		.size = (u64)s->mem->nr_pages << PAGE_SHIFT,
	};

	return put_user_args(0, &args, sizeof(args));
}

static long create(struct stage *s)
{
	s->fd = s->node->f_op->unlocked_ioctl(s->node, UDMABUF_CREATE,
					      USER_ADDR);
	return s->fd;
}

static long put_list(struct stage *s)
{
	struct udmabuf_create_list args = { };
	struct udmabuf_create_item *items;
	bool failed;

	items = kcalloc(MANY_PAGES, sizeof(*items), GFP_KERNEL);
	if (!items)
		return -ENOMEM;
	args.count = make_items(s, items);
	failed = put_user_args(0, &args, sizeof(args)) ||
		 put_user_args(sizeof(args), items,
			       args.count * sizeof(*items));
	kfree(items);
	return failed;
}

static long create_list(struct stage *s)
{
	s->fd = s->node->f_op->unlocked_ioctl(s->node, UDMABUF_CREATE_LIST,
					      USER_ADDR);
	return s->fd;
}

static long close_last(struct stage *s)
{
	long ret = close_fd(s->fd);

	flush_delayed_fput();
	return ret;
}

static const struct step create_args = { put_create };
static const struct step created = { create, close_last };
static const struct step list_args = { put_list };
static const struct step list_created = { create_list, close_last };

/* Descriptors. */

static long forbid_descriptors(struct stage *s)
{
	struct rlimit *limit = &current->signal->rlim[RLIMIT_NOFILE];

	s->limit = limit->rlim_cur;
	WRITE_ONCE(limit->rlim_cur, 0);
	return 0;
}

static long allow_descriptors(struct stage *s)
{
	WRITE_ONCE(current->signal->rlim[RLIMIT_NOFILE].rlim_cur, s->limit);
	return 0;
}

static struct files_struct *change_files(struct files_struct *files)
{
	struct files_struct *old = current->files;

	task_lock(current);
	current->files = files;
	task_unlock(current);
	return old;
}

/* In a table of its own, which has to grow for the next descriptor. */
static long fill_table(struct stage *s)
{
	struct files_struct *files = dup_fd(current->files, NULL);
	int fd;

	if (IS_ERR(files))
		return PTR_ERR(files);
	s->files = change_files(files);
	do {
		fd = get_unused_fd_flags(0);
		if (fd >= 0)
			fd_install(fd, get_file(s->node));
	} while (fd >= 0 && fd < NR_OPEN_DEFAULT - 1);
	return fd;
}

static long drop_table(struct stage *s)
{
	put_files_struct(change_files(s->files));
	return 0;
}

static const struct step no_descriptors = {
	forbid_descriptors, allow_descriptors
};

static const struct step full_table = { fill_table, drop_table };

/* Attachments and mappings. */

static long get_buffer(struct stage *s)
{
	struct udmabuf_create_item *items;
	u32 nr;

	items = kunit_kcalloc(s->test, MANY_PAGES, sizeof(*items), GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(s->test, items);
	nr = make_items(s, items);
	s->dmabuf = memory_buffer(s->test, items, nr);
	kunit_kfree(s->test, items);
	return 0;
}

static long put_buffer(struct stage *s)
{
	memory_put_buffer(s->test, s->dmabuf);
	s->dmabuf = NULL;
	return 0;
}

static long attach(struct stage *s)
{
	s->attachment = dma_buf_attach(s->dmabuf, s->fake->dev);
	return PTR_ERR_OR_ZERO(s->attachment);
}

static long detach(struct stage *s)
{
	dma_buf_detach(s->dmabuf, s->attachment);
	return 0;
}

static enum dma_data_direction dir_of_others(struct stage *s)
{
	return s->row->others_write ? DMA_FROM_DEVICE : DMA_TO_DEVICE;
}

static long map_others(struct stage *s)
{
	struct sg_table *sgt;
	unsigned int i;

	s->others = dma_buf_attach(s->dmabuf, s->peer->dev);
	if (IS_ERR(s->others))
		return PTR_ERR(s->others);
	for (i = 0; i < s->row->others; i++) {
		sgt = dma_buf_map_attachment_unlocked(s->others,
						      dir_of_others(s));
		if (IS_ERR(sgt))
			return PTR_ERR(sgt);
		s->other[i] = sgt;
	}
	return 0;
}

static long unmap_others(struct stage *s)
{
	unsigned int i;

	for (i = 0; i < s->row->others; i++)
		dma_buf_unmap_attachment_unlocked(s->others, s->other[i],
						  dir_of_others(s));
	dma_buf_detach(s->dmabuf, s->others);
	return 0;
}

static long map(struct stage *s)
{
	s->fake->fail_maps = s->row->fail_maps;
	s->sgt = dma_buf_map_attachment_unlocked(s->attachment, s->row->dir);
	return PTR_ERR_OR_ZERO(s->sgt);
}

static long unmap(struct stage *s)
{
	dma_buf_unmap_attachment_unlocked(s->attachment, s->sgt, s->row->dir);
	return 0;
}

static const struct step buffer = { get_buffer, put_buffer };
static const struct step attached = { attach, detach };
static const struct step others = { map_others, unmap_others };
static const struct step mapped = { map, unmap };

/* CPU access. */

static unsigned int asked;

/* The first question comes before the fence has signalled. */
static bool signalled_later(struct dma_resv *resv, enum dma_resv_usage usage)
{
	return asked++ ? dma_resv_test_signaled(resv, usage) : false;
}

static long add_fence(struct stage *s)
{
	struct dma_resv *resv = s->dmabuf->resv;
	struct dma_fence *stub;
	int ret;

	s->fake->shim->hooks.dma_resv_test_signaled = signalled_later;
	stub = dma_fence_get_stub();
	dma_resv_lock(resv, NULL);
	/* kfree_rcu() frees it with others, which no tracepoint tells. */
	if (s->ledger)
		s->ledger->task = NULL;
	ret = dma_resv_reserve_fences(resv, 1);
	if (s->ledger)
		s->ledger->task = current;
	if (!ret)
		dma_resv_add_fence(resv, stub, DMA_RESV_USAGE_WRITE);
	dma_resv_unlock(resv);
	dma_fence_put(stub);
	return ret;
}

static long begin(struct stage *s)
{
	asked = 0;
	return dma_buf_begin_cpu_access(s->dmabuf, s->row->access);
}

static long end(struct stage *s)
{
	return dma_buf_end_cpu_access(s->dmabuf, s->row->access);
}

static long put_sync(u64 flags)
{
	struct dma_buf_sync args = { .flags = flags | DMA_BUF_SYNC_RW };

	return put_user_args(0, &args, sizeof(args));
}

static long put_start(struct stage *s)
{
	return put_sync(DMA_BUF_SYNC_START);
}

static long put_end(struct stage *s)
{
	return put_sync(DMA_BUF_SYNC_END);
}

static long sync(struct stage *s)
{
	struct file *file = s->dmabuf->file;

	asked = 0;
	return file->f_op->unlocked_ioctl(file, DMA_BUF_IOCTL_SYNC, USER_ADDR);
}

/* Another process has a write access open until it is stopped. */
static int write_until_stopped(void *data)
{
	struct stage *s = data;
	long ret = begin(s);

	complete(&s->writing);
	for (;;) {
		set_current_state(TASK_IDLE);
		if (kthread_should_stop())
			break;
		schedule();
	}
	__set_current_state(TASK_RUNNING);
	return ret ?: end(s);
}

static long start_writer(struct stage *s)
{
	init_completion(&s->writing);
	s->writer = kthread_run(write_until_stopped, s, "writer");
	if (IS_ERR(s->writer))
		return PTR_ERR(s->writer);
	wait_for_completion(&s->writing);
	return 0;
}

static long stop_writer(struct stage *s)
{
	return kthread_stop(s->writer);
}

static const struct step another_writes = { start_writer, stop_writer };
static const struct step fence = { add_fence };
static const struct step begun = { begin, end };
static const struct step start_args = { put_start };
static const struct step started = { sync, end };
static const struct step end_args = { put_end };
static const struct step ended = { sync, begin };

/* mmap and vmap. */

static size_t size_of(const struct stage *s)
{
	return (size_t)s->mem->nr_pages << PAGE_SHIFT;
}

static long mmap(struct stage *s)
{
	unsigned long addr = vm_mmap(s->dmabuf->file, MAP_ADDR, size_of(s),
				     PROT_READ | PROT_WRITE,
				     MAP_SHARED | MAP_FIXED_NOREPLACE, 0);

	return IS_ERR_VALUE(addr) ? addr : 0;
}

static long munmap(struct stage *s)
{
	return vm_munmap(MAP_ADDR, size_of(s));
}

/* The fault that a write of user space brings. */
static long touch(struct stage *s)
{
	struct follow_pfnmap_args args = { .address = MAP_ADDR };
	struct mm_struct *mm = current->mm;
	long ret;

	mmap_read_lock(mm);
	ret = fixup_user_fault(mm, MAP_ADDR, FAULT_FLAG_WRITE, NULL);
	args.vma = vma_lookup(mm, MAP_ADDR);
	if (!ret && follow_pfnmap_start(&args))
		ret = -ENODATA;
	else if (!ret)
		follow_pfnmap_end(&args);
	mmap_read_unlock(mm);
	return ret;
}

static long untouch(struct stage *s)
{
	return munmap(s) ?: mmap(s);
}

/* Not through the core, which warns of a vmap that fails. */
static long vmap_buffer(struct stage *s)
{
	int ret;

	iosys_map_clear(&s->map);
	dma_resv_lock(s->dmabuf->resv, NULL);
	ret = s->dmabuf->ops->vmap(s->dmabuf, &s->map);
	dma_resv_unlock(s->dmabuf->resv);
	return ret ?: iosys_map_is_set(&s->map) ? 0 : -ENODATA;
}

static long vunmap_buffer(struct stage *s)
{
	dma_resv_lock(s->dmabuf->resv, NULL);
	s->dmabuf->ops->vunmap(s->dmabuf, &s->map);
	dma_resv_unlock(s->dmabuf->resv);
	return 0;
}

static const struct step mmapped = { mmap, munmap };
static const struct step touched = { touch, untouch };
static const struct step vmapped = { vmap_buffer, vunmap_buffer };

/* Files. */

static long put_nothing(struct stage *s)
{
	char nothing[SZ_1K] = "";

	return put_user_args(0, nothing, sizeof(nothing));
}

/* Opened, read to the end, and closed. */
static long read_debugfs(struct stage *s)
{
	struct fanout_buffer *ours = s->dmabuf->priv;
	struct file *file;
	loff_t pos = 0;
	char name[32];
	ssize_t ret;

	snprintf(name, sizeof(name), "%pd", ours->debugfs);
	file = files_open(s->debugfs, name, O_RDONLY);
	if (IS_ERR(file))
		return PTR_ERR(file);
	ret = file->f_op->read(file, (char __user *)USER_ADDR, USER_SIZE, &pos);
	__fput_sync(file);
	return ret;
}

static long check_text(struct stage *s)
{
	char text[SZ_1K];

	if (copy_from_user(text, (void __user *)USER_ADDR, sizeof(text)))
		return -EFAULT;
	text[sizeof(text) - 1] = 0;
	if (!strstr(text, "size: 32768\n"))
		return -ENODATA;
	if (s->row->kind == FAKE_BOUNCED)
		return strstr(text, "copies and twins: 65536\n") &&
		       strstr(text, "dev kind=copy ") &&
		       strstr(text, "copy: from=0 ") ? 0 : -ENODATA;
	return strstr(text, "copies and twins: 0\n") &&
	       strstr(text, "dev kind=coherent ") ? 0 : -ENODATA;
}

static long set_policy(struct stage *s)
{
	struct file *file;
	loff_t pos = 0;
	ssize_t ret;

	file = files_open(s->sysfs,
			  "module/udmabuf_fanout/parameters/sync_policy",
			  O_WRONLY);
	if (IS_ERR(file))
		return PTR_ERR(file);
	ret = kernel_write(file, "all", 3, &pos);
	__fput_sync(file);
	return ret;
}

static long reset_policy(struct stage *s)
{
	if (fanout_sync_policy != SYNC_POLICY_ALL)
		return -ENODATA;
	fanout_sync_policy = SYNC_POLICY_MINIMAL;
	return 0;
}

static const struct step room_for_text = { put_nothing };
static const struct step text_read = { read_debugfs, check_text };
static const struct step policy_changed = { set_policy, reset_policy };

/* The rows. */

/*
 * What calls cannot do without. CREATE: the arguments; struct fanout_buffer, the
 * batch of folios and the extents; inode, dentry, struct file and struct dma_buf
 * of a dma-buf; dentry and inode in debugfs. LIST: head and items are copied,
 * there is room for the items. MAP: struct fanout_mapping and two tables, or one
 * table where there are only copies. ROOM: what fanout_reserve() makes. COPY: it
 * itself, its memory, its use, and for a writer the TWIN.
 */
#define CREATE		(1 + 3 + 4 + 2)
#define LIST		(CREATE + 1 + 1)
#define MAP		(1 + 2)
#define MAP_COPIES	(1 + 1)
#define ROOM		3
#define COPY		3
#define TWIN		1

#define CREATE_STEPS	{ &create_args, &created }
#define LIST_STEPS	{ &list_args, &list_created }
#define MAP_STEPS	{ &buffer, &attached, &others, &mapped }
#define CREATE_ERRORS	{ -ENOMEM, -EFAULT }

static const struct row rows[] = {
	{ "create", CREATE, CREATE_STEPS, .errors = CREATE_ERRORS },
	/* One extent, and the room for eight is given back. */
	{ "create of pages that touch", CREATE + 1, CREATE_STEPS,
	  .errors = CREATE_ERRORS, .memory = TOUCHING_PAGES },
	{ "create, no descriptor left", CREATE,
	  { &create_args, &no_descriptors, &created }, .errors = CREATE_ERRORS,
	  .want = -EMFILE },
	/* The table, its files and its bits. */
	{ "create, descriptor table full", CREATE + 3,
	  { &create_args, &full_table, &created }, .errors = CREATE_ERRORS },
	/* The extents grow with the second item. */
	{ "create_list", LIST + 1, LIST_STEPS, .errors = CREATE_ERRORS,
	  .memory = TWO_ITEMS },
	/* ... and from 1 to 1024, twice as many each time. */
	{ "create_list, long", LIST + 10, LIST_STEPS, .errors = CREATE_ERRORS,
	  .memory = MANY_ITEMS },
	/* ... and the second one's pages are made, and their array. */
	{ "create_list of holes", LIST + 1 + PAGES + 1,
	  { &list_args, &holes, &list_created }, .errors = CREATE_ERRORS,
	  .memory = HOLES },
	{ "close", 0, CREATE_STEPS, .unmake = true },

	{ "attach", 1, { &buffer, &attached }, .errors = { -ENOMEM } },
	{ "detach", 0, { &buffer, &attached }, .unmake = true },

	{ "map, coherent reader", ROOM + MAP, MAP_STEPS,
	  .errors = { -ENOMEM },
	  .kind = FAKE_COHERENT, .dir = DMA_TO_DEVICE },
	{ "map, coherent writer", ROOM + MAP, MAP_STEPS,
	  .errors = { -ENOMEM },
	  .kind = FAKE_COHERENT, .dir = DMA_FROM_DEVICE },
	{ "map, noncoherent reader", ROOM + MAP, MAP_STEPS,
	  .errors = { -ENOMEM },
	  .kind = FAKE_NONCOHERENT, .dir = DMA_TO_DEVICE },
	{ "map, noncoherent writer", ROOM + MAP, MAP_STEPS,
	  .errors = { -ENOMEM },
	  .kind = FAKE_NONCOHERENT, .dir = DMA_FROM_DEVICE },
	{ "map, opaque reader", ROOM + MAP_COPIES + COPY, MAP_STEPS,
	  .errors = { -ENOMEM },
	  .kind = FAKE_OPAQUE, .dir = DMA_TO_DEVICE },
	{ "map, opaque writer", ROOM + MAP_COPIES + COPY + TWIN, MAP_STEPS,
	  .errors = { -ENOMEM },
	  .kind = FAKE_OPAQUE, .dir = DMA_FROM_DEVICE },
	{ "map, bounced reader", ROOM + MAP_COPIES + COPY, MAP_STEPS,
	  .errors = { -ENOMEM },
	  .kind = FAKE_BOUNCED, .dir = DMA_TO_DEVICE },
	{ "map, bounced writer", ROOM + MAP_COPIES + COPY + TWIN, MAP_STEPS,
	  .errors = { -ENOMEM },
	  .kind = FAKE_BOUNCED, .dir = DMA_BIDIRECTIONAL },
	{ "map, forced reader", ROOM + MAP_COPIES + COPY, MAP_STEPS,
	  .errors = { -ENOMEM }, .forced = true,
	  .kind = FAKE_COHERENT, .dir = DMA_TO_DEVICE },
	{ "map, forced writer", ROOM + MAP_COPIES + COPY + TWIN, MAP_STEPS,
	  .errors = { -ENOMEM }, .forced = true,
	  .kind = FAKE_NONCOHERENT, .dir = DMA_FROM_DEVICE },
	/* How many of the eight pages touch is luck: one copy there is. */
	{ "map, mixed reader", ROOM + MAP + COPY, MAP_STEPS,
	  .errors = { -ENOMEM }, .mixed = true, .memory = APART,
	  .kind = FAKE_NONCOHERENT, .dir = DMA_TO_DEVICE },
	{ "map, mixed writer", ROOM + MAP + COPY + TWIN, MAP_STEPS,
	  .errors = { -ENOMEM }, .mixed = true, .memory = APART,
	  .kind = FAKE_NONCOHERENT, .dir = DMA_FROM_DEVICE },
	/* Only a use, and a twin where there is none yet. */
	{ "map, sharing a reader's copy", ROOM + MAP_COPIES + 1, MAP_STEPS,
	  .errors = { -ENOMEM }, .others = 1, .shares = true,
	  .kind = FAKE_BOUNCED, .dir = DMA_TO_DEVICE },
	{ "map, a writer joins a reader", ROOM + MAP_COPIES + 1 + TWIN,
	  MAP_STEPS, .errors = { -ENOMEM }, .others = 1, .shares = true,
	  .kind = FAKE_BOUNCED, .dir = DMA_FROM_DEVICE },
	{ "map, a writer joins a writer", ROOM + MAP_COPIES + 1, MAP_STEPS,
	  .errors = { -ENOMEM }, .others = 1, .others_write = true,
	  .shares = true, .kind = FAKE_BOUNCED, .dir = DMA_FROM_DEVICE },
	{ "map, some of it shared", ROOM + MAP + 1, MAP_STEPS,
	  .errors = { -ENOMEM }, .others = 1, .shares = true, .mixed = true,
	  .memory = APART, .kind = FAKE_COHERENT, .dir = DMA_FROM_DEVICE },
	{ "map, behind an IOMMU", ROOM + MAP, MAP_STEPS,
	  .errors = { -ENOMEM }, .merges = true,
	  .kind = FAKE_NONCOHERENT, .dir = DMA_BIDIRECTIONAL },
	{ "map, peers need more room", ROOM + MAP, MAP_STEPS,
	  .errors = { -ENOMEM }, .others = 1,
	  .kind = FAKE_NONCOHERENT, .dir = DMA_FROM_DEVICE },
	{ "map, peers have room", MAP, MAP_STEPS,
	  .errors = { -ENOMEM }, .others = 2,
	  .kind = FAKE_NONCOHERENT, .dir = DMA_FROM_DEVICE },
	{ "map, long tables", ROOM + MAP, MAP_STEPS,
	  .errors = { -ENOMEM }, .memory = MANY_ITEMS,
	  .kind = FAKE_NONCOHERENT, .dir = DMA_FROM_DEVICE },
	/* 600 pages are 512, 64, 16 and 8 of them, or more pieces. */
	{ "map, long copies", ROOM + MAP_COPIES + 4 * (COPY + TWIN), MAP_STEPS,
	  .errors = { -ENOMEM }, .memory = MANY_ITEMS,
	  .kind = FAKE_BOUNCED, .dir = DMA_FROM_DEVICE },
	{ "map, the device does not", ROOM + 1 + 1, MAP_STEPS,
	  .errors = { -ENOMEM }, .want = -EIO, .fail_maps = 1,
	  .kind = FAKE_NONCOHERENT, .dir = DMA_FROM_DEVICE },
	{ "map, a copy is not mapped", ROOM + 1 + COPY + TWIN, MAP_STEPS,
	  .errors = { -ENOMEM }, .want = -EIO, .fail_maps = 1,
	  .kind = FAKE_BOUNCED, .dir = DMA_FROM_DEVICE },
	{ "map, a shared copy is not mapped", ROOM + 1 + 1 + TWIN, MAP_STEPS,
	  .errors = { -ENOMEM }, .want = -EIO, .fail_maps = 1,
	  .others = 1, .shares = true,
	  .kind = FAKE_BOUNCED, .dir = DMA_FROM_DEVICE },
	{ "map, nothing is reached", ROOM + 1 + 1, MAP_STEPS,
	  .errors = { -ENOMEM }, .want = -EIO, .lost = true,
	  .kind = FAKE_BOUNCED, .dir = DMA_FROM_DEVICE },
	{ "map, no room for copies", ROOM + 1 + 1, MAP_STEPS,
	  .errors = { -ENOMEM }, .want = -ENOMEM, .no_room = true,
	  .kind = FAKE_BOUNCED, .dir = DMA_FROM_DEVICE },
	{ "map, another one writes", ROOM + MAP_COPIES + COPY + TWIN, MAP_STEPS,
	  .errors = { -ENOMEM }, .others = 1, .others_write = true,
	  .kind = FAKE_BOUNCED, .dir = DMA_FROM_DEVICE },
	{ "map, a page stands twice", ROOM + MAP_COPIES + COPY + TWIN,
	  MAP_STEPS, .errors = { -ENOMEM }, .memory = PAGE_TWICE,
	  .kind = FAKE_BOUNCED, .dir = DMA_FROM_DEVICE },
	{ "unmap, reader", 0, MAP_STEPS, .unmake = true,
	  .kind = FAKE_BOUNCED, .dir = DMA_TO_DEVICE },
	{ "unmap, writer among others", 0, MAP_STEPS, .unmake = true,
	  .others = 2, .kind = FAKE_NONCOHERENT, .dir = DMA_FROM_DEVICE },
	{ "unmap, mixed writer", 0, MAP_STEPS, .unmake = true, .mixed = true,
	  .memory = APART, .kind = FAKE_NONCOHERENT, .dir = DMA_FROM_DEVICE },
	{ "unmap, who shares with a writer", 0, MAP_STEPS, .unmake = true,
	  .others = 2, .others_write = true, .shares = true,
	  .kind = FAKE_BOUNCED, .dir = DMA_FROM_DEVICE },
	{ "unmap, forced writer", 0, MAP_STEPS, .unmake = true, .forced = true,
	  .kind = FAKE_NONCOHERENT, .dir = DMA_FROM_DEVICE },
	{ "unmap, opaque writer", 0, MAP_STEPS, .unmake = true,
	  .kind = FAKE_OPAQUE, .dir = DMA_FROM_DEVICE },

	{ "begin, read", 0, { &buffer, &attached, &mapped, &begun },
	  .kind = FAKE_NONCOHERENT, .dir = DMA_FROM_DEVICE,
	  .access = DMA_FROM_DEVICE },
	{ "begin, write", 0, { &buffer, &attached, &mapped, &begun },
	  .kind = FAKE_BOUNCED, .dir = DMA_FROM_DEVICE,
	  .access = DMA_TO_DEVICE },
	{ "begin, after a fence", 0,
	  { &buffer, &attached, &mapped, &fence, &begun },
	  .kind = FAKE_OPAQUE, .dir = DMA_FROM_DEVICE,
	  .access = DMA_BIDIRECTIONAL },
	/* A second process is written down beside the first. */
	{ "begin, another one writes", 1,
	  { &buffer, &another_writes, &begun }, .errors = { -ENOMEM },
	  .access = DMA_TO_DEVICE },
	{ "end, read", 0, { &buffer, &attached, &mapped, &begun },
	  .unmake = true, .kind = FAKE_NONCOHERENT, .dir = DMA_FROM_DEVICE,
	  .access = DMA_FROM_DEVICE },
	{ "end, write", 0, { &buffer, &attached, &mapped, &begun },
	  .unmake = true, .kind = FAKE_BOUNCED, .dir = DMA_FROM_DEVICE,
	  .access = DMA_BIDIRECTIONAL },
	/* The arguments. */
	{ "SYNC_START", 1, { &buffer, &fence, &start_args, &started },
	  .errors = { -EFAULT }, .access = DMA_BIDIRECTIONAL },
	{ "SYNC_END", 1, { &buffer, &begun, &end_args, &ended },
	  .errors = { -EFAULT }, .access = DMA_BIDIRECTIONAL },

	/* An area. */
	{ "mmap", 1, { &buffer, &mmapped }, .errors = { -ENOMEM } },
	/* Two levels of page tables. */
	{ "first touch", 2, { &buffer, &mmapped, &touched },
	  .errors = { -ENOMEM } },
	/* The list of pages, and the area. */
	{ "vmap", 2, { &buffer, &vmapped }, .errors = { -ENOMEM } },
	{ "vmap of many pages", 2, { &buffer, &vmapped },
	  .errors = { -ENOMEM }, .memory = MANY_ITEMS },
	{ "vunmap", 0, { &buffer, &vmapped }, .unmake = true },

	/* Two files, operations, seq_file, its text, which is copied. */
	{ "debugfs file", 6,
	  { &buffer, &attached, &mapped, &room_for_text, &text_read },
	  .errors = CREATE_ERRORS, .dir = DMA_FROM_DEVICE },
	{ "debugfs file, copies", 6,
	  { &buffer, &attached, &mapped, &room_for_text, &text_read },
	  .errors = CREATE_ERRORS, .kind = FAKE_BOUNCED,
	  .dir = DMA_FROM_DEVICE },
	/* The file, what kernfs knows of it, what is written. */
	{ "sync_policy", 3, { &policy_changed }, .errors = { -ENOMEM } },
};

KUNIT_ARRAY_PARAM_DESC(row, rows, name);

/* Where nothing can fail, one row is enough to say so. */
static const void *next_row(GENERATOR_ARGS)
{
	return prev && !CAN_FAIL ? NULL : GENERATOR_CALL(row_gen_params);
}

/* Counting. */

enum thing {
	PINS,
	DESCRIPTORS,
	BUFFERS,
	REFERENCES,
	MEMFD_REFERENCES,
	ATTACHMENTS,
	MAPPINGS,
	PEERS,
	DEVICE_MAPPINGS,
	DEVICE_COPIES,
	COPIES,
	CHARGED,
	OPEN_WRITES,
	USER_MAPPINGS,
	POLICY,
	NR_THINGS,
};

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

static void count(struct stage *s, long nr[NR_THINGS])
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

static void expect_same(struct stage *s, const long before[NR_THINGS],
			long ret, unsigned int nth, const char *later)
{
	long now[NR_THINGS];
	enum thing i;

	count(s, now);
	for (i = 0; i < NR_THINGS; i++)
		KUNIT_EXPECT_EQ_MSG(s->test, now[i], before[i],
				    "%s, after %ld with fault %u%s", things[i],
				    ret, nth, later);
}

/* The sweep. */

static bool is_right(const struct row *row, long ret)
{
	return row->want ? ret == row->want : ret >= 0;
}

static bool is_error_of(const struct row *row, long ret)
{
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(row->errors); i++)
		if (ret && ret == row->errors[i])
			return true;
	return false;
}

static void make(struct stage *s, unsigned int nr)
{
	unsigned int i;

	for (i = 0; i < nr; i++)
		KUNIT_ASSERT_GE(s->test, s->row->steps[i]->make(s), 0);
}

static void unmake(struct stage *s, unsigned int nr)
{
	while (nr--)
		if (s->row->steps[nr]->unmake)
			KUNIT_EXPECT_GE(s->test,
					s->row->steps[nr]->unmake(s), 0);
}

static void record(struct stage *s, unsigned int nth)
{
	if (!s->ledger)
		return;
	s->ledger->nth = nth;
	s->ledger->task = nth ? current : NULL;
}

/*
 * Make the call with a fault, undo it if it succeeded, and do that again without
 * a fault.
 *
 * Return: whether the call had as many allocations.
 */
static bool try(struct stage *s, unsigned int nth, bool all)
{
	const struct row *row = s->row;
	long (*call)(struct stage *s), (*undo)(struct stage *s);
	const char *later = all ? " and all later ones" : "";
	long before[NR_THINGS], ret;
	unsigned int nr = 0, round;
	bool consumed = false;

	while (nr < MAX_STEPS && row->steps[nr])
		nr++;
	call = row->steps[nr - 1]->make;
	undo = row->steps[nr - 1]->unmake;
	if (row->unmake)
		swap(call, undo);
	else
		nr--;

	record(s, nth);
	make(s, nr);
	count(s, before);
	shim_reset(s->fake->shim);
	for (round = 0; round < 2; round++) {
		if (!round)
			arm(nth, all);
		ret = call(s);
		if (!round)
			consumed = disarm() && nth;
		flush_delayed_fput();

		if (!is_right(row, ret) &&
		    !(!round && consumed && is_error_of(row, ret)))
			KUNIT_FAIL(s->test, "%ld %s fault %u%s", ret,
				   round ? "after" : "with", nth, later);
		if (ret >= 0)
			KUNIT_EXPECT_GE(s->test, undo(s), 0);
		expect_same(s, before, ret, nth, later);
	}
	unmake(s, nr);
	record(s, 0);
	return consumed;
}

/* All faults of a call, each alone or with all that come after it. */
static unsigned int sweep(struct stage *s, bool all)
{
	unsigned int nth = 1;

	while (try(s, nth, all) && nth < MAX_FAULTS &&
	       READ_ONCE(s->test->status) == KUNIT_SUCCESS)
		nth++;
	KUNIT_EXPECT_LT(s->test, nth, MAX_FAULTS);
	return nth - 1;
}

/*
 * What is charged for all copies of all buffers: of what other suites have leaked
 * for good, and nothing else. The least bound that leaves room for a page tells.
 */
static unsigned long charged_pages(struct stage *s)
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

static unsigned int total;

/* See the top of this file. */
static void faults_leave_nothing_behind(struct kunit *test)
{
	struct stage *s = test->priv;
	unsigned long charged = charged_pages(s);
	unsigned int one, all;

	/* What the kernel keeps for the next time is made here. */
	try(s, 0, false);

	s->ledger = open_ledger(test);
	one = sweep(s, false);
	all = sweep(s, true);
	total += one + all;
	kunit_info(test, "%s: %u faults alone, %u with all later ones; so far %u\n",
		   s->row->name, one, all, total);
	/* What KUnit allocates to say that a test failed is in the ledger. */
	if (READ_ONCE(test->status) != KUNIT_SUCCESS)
		return;
	close_ledger(test, s->ledger);
	KUNIT_EXPECT_EQ(test, charged, charged_pages(s));
	KUNIT_EXPECT_GE(test, one, s->row->least);
	KUNIT_EXPECT_GE(test, all, s->row->least);
}

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

static int init_row(struct kunit *test, const struct row *row)
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

	change_settings(test);
	return 0;
}

static int init(struct kunit *test)
{
	return init_row(test, test->param_value);
}

/* Only pages of @order and more fail from now on, and they all do. */
static void fail_pages(unsigned int order)
{
	void *slab = files_debugfs_value("failslab", "probability");
	void *copy = files_debugfs_value("fail_usercopy", "probability");
	void *least = files_debugfs_value("fail_page_alloc", "min-order");

	if (slab)
		set(slab, sizeof(unsigned long), 0);
	if (copy)
		set(copy, sizeof(unsigned long), 0);
	if (least)
		set(least, sizeof(u32), order);
	arm_pages(true);
}

static const struct row pieces_row = {
	.name = "pieces", .memory = MANY_ITEMS, .kind = FAKE_BOUNCED,
	.dir = DMA_TO_DEVICE,
};

/*
 * Where there is no large piece of memory, copies are made of smaller ones, as
 * large as there are, down to a page; and where there is none at all, it is an
 * error that leaves nothing behind.
 */
static void copies_are_made_of_what_there_is(struct kunit *test)
{
	static const bool forced[] = { false, true };
	struct stage *s = test->priv;
	struct fanout_buffer *ours;
	const struct copy *copy;
	unsigned int order, i;
	long before[NR_THINGS];
	u32 pages, nr;
	long ret;

	get_buffer(s);
	KUNIT_ASSERT_EQ(test, 0, attach(s));
	ours = s->dmabuf->priv;
	for (i = 0; i < ARRAY_SIZE(forced); i++) {
		s->fake->forced = forced[i];
		for (order = 0; order <= 5; order++) {
			count(s, before);
			fail_pages(order);
			ret = map(s);
			arm_pages(false);
			if (!order) {
				KUNIT_EXPECT_TRUE_MSG(test, ret == -ENOMEM ||
						      (forced[i] &&
						       ret == -EIO),
						      "%ld", ret);
				expect_same(s, before, ret, 0, "");
				continue;
			}
			KUNIT_EXPECT_EQ_MSG(test, 0, ret, "order %u", order);
			if (ret)
				continue;
			pages = 0;
			nr = 0;
			list_for_each_entry(copy, &ours->shadow.copies, node) {
				KUNIT_EXPECT_LT(test, copy->nr_pages,
						BIT(order));
				pages += copy->nr_pages;
				nr++;
			}
			KUNIT_EXPECT_EQ(test, MANY_PAGES, pages);
			KUNIT_EXPECT_GE(test, nr, MANY_PAGES >> (order - 1));
			KUNIT_EXPECT_EQ(test, 0, unmap(s));
			expect_same(s, before, ret, 0, "");
		}
	}
	detach(s);
	put_buffer(s);
}

static int init_pieces(struct kunit *test)
{
	return init_row(test, &pieces_row);
}

static struct kunit_case pieces_cases[] = {
	KUNIT_CASE(copies_are_made_of_what_there_is),
	{ }
};

static struct kunit_suite pieces_suite = {
	.name = "udmabuf_fanout_fail_pieces",
	.init = init_pieces,
	.test_cases = pieces_cases,
};

static struct kunit_case fail_cases[] = {
	KUNIT_CASE_PARAM(faults_leave_nothing_behind, next_row),
	{ }
};

static struct kunit_suite fail_suite = {
	.name = "udmabuf_fanout_fail",
	.init = init,
	.test_cases = fail_cases,
};

kunit_test_suites(&fail_suite, &pieces_suite);
