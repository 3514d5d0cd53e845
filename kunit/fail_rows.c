// SPDX-License-Identifier: GPL-2.0
/*
 * Each call of the driver in each of its situations: how it is made and unmade,
 * what is made before it, and how many allocations it has at the least.
 */
#include <kunit/test.h>
#include <linux/completion.h>
#include <linux/dma-buf.h>
#include <linux/dma-fence.h>
#include <linux/dma-resv.h>
#include <linux/fdtable.h>
#include <linux/file.h>
#include <linux/fs.h>
#include <linux/kthread.h>
#include <linux/mman.h>
#include <linux/mm.h>
#include <linux/resource.h>
#include <linux/sched/signal.h>
#include <linux/sched/task.h>
#include <linux/shmem_fs.h>
#include <linux/string.h>
#include <linux/uaccess.h>
#include <linux/udmabuf.h>
#include <uapi/linux/dma-buf.h>

#include "../driver/buffer.h"
#include "fail_stage.h"
#include "files.h"
#include "ledger.h"
#include "memory.h"

/* Where buffers are mapped: no page table is for arguments as well. */
#define MAP_ADDR	0x60000000UL

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
	static const char nothing[SZ_1K];

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
	static char text[SZ_1K];

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

const struct row fail_rows[] = {
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
	{ }
};

/* One that is not swept: see fail_pieces_test.c. */
const struct row fail_pieces_row = {
	.name = "pieces", .steps = { &buffer, &attached, &mapped },
	.memory = MANY_ITEMS, .kind = FAKE_BOUNCED, .dir = DMA_TO_DEVICE,
};
