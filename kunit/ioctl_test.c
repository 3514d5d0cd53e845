// SPDX-License-Identifier: GPL-2.0
/*
 * The device node, called as a process calls it: the node is opened through
 * devtmpfs, arguments lie in user memory, memfds and buffers are descriptors.
 * Each row of the error table goes to the stock udmabuf driver as well, and
 * both have to give the errno that the row names.
 *
 * Would miss: errors only the stock driver could show with a kernel it is not
 * built into (the rig has one), and the module's reference that a buffer holds
 * (here the driver is built in; the rig tries to unload the module). 32-bit
 * callers only where the kernel has them, which UML has not.
 */
#include <kunit/static_stub.h>
#include <kunit/test.h>
#include <linux/cgroup.h>
#include <linux/compat.h>
#include <linux/completion.h>
#include <linux/cred.h>
#include <linux/dma-buf.h>
#include <linux/falloc.h>
#include <linux/fdtable.h>
#include <linux/file.h>
#include <linux/fs.h>
#include <linux/kthread.h>
#include <linux/memcontrol.h>
#include <linux/memfd.h>
#include <linux/mman.h>
#include <linux/mm.h>
#include <linux/ramfs.h>
#include <linux/resource.h>
#include <linux/rwsem.h>
#include <linux/sched/mm.h>
#include <linux/sched/signal.h>
#include <linux/shmem_fs.h>
#include <linux/sizes.h>
#include <linux/uaccess.h>
#include <linux/udmabuf.h>

#include "../driver/bindings/bindings.h"
#include "../driver/buffer.h"
#include "files.h"
#include "memory.h"

/* Low, so that 32-bit callers can have it. */
#define USER_ADDR	0x20000000UL
#define USER_SIZE	SZ_64K

enum driver {
	FANOUT,
	STOCK,
	NR_DRIVERS,
};

static const struct {
	const char *module;
	const char *node;
} drivers[] = {
	[FANOUT] = { "udmabuf_fanout", "udmabuf-fanout" },
	[STOCK] = { "udmabuf", "udmabuf" },
};

/**
 * struct nodes - what a test calls
 * @file: an open node of each driver
 * @user: user memory of USER_SIZE
 * @sysfs: where module parameters are
 */
struct nodes {
	struct file *file[NR_DRIVERS];
	unsigned long user;
	struct vfsmount *sysfs;
};

KUNIT_DEFINE_ACTION_WRAPPER(put_file, __fput_sync, struct file *);

static unsigned int descriptors_before;

static void check_descriptors(void *context)
{
	struct kunit *test = context;

	KUNIT_EXPECT_EQ_MSG(test, files_descriptors(), descriptors_before,
			    "a descriptor was left behind");
}

static int init(struct kunit *test)
{
	struct vfsmount *dev;
	struct nodes *nodes;
	enum driver i;

	if (!IS_BUILTIN(CONFIG_UDMABUF))
		kunit_skip(test, "no stock driver to compare with: set CONFIG_UDMABUF");
	memory_watch_pins(test);
	descriptors_before = files_descriptors();
	KUNIT_ASSERT_EQ(test, 0,
			kunit_add_action_or_reset(test, check_descriptors,
						  test));
	nodes = kunit_kzalloc(test, sizeof(*nodes), GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, nodes);
	test->priv = nodes;

	nodes->sysfs = files_mount(test, "sysfs");
	dev = files_mount(test, "devtmpfs");
	for (i = 0; i < NR_DRIVERS; i++) {
		nodes->file[i] = files_open(dev, drivers[i].node, O_RDWR);
		KUNIT_ASSERT_NOT_ERR_OR_NULL(test, nodes->file[i]);
		KUNIT_ASSERT_EQ(test, 0,
				kunit_add_action_or_reset(test, put_file,
							  nodes->file[i]));
	}

	nodes->user = kunit_vm_mmap(test, NULL, USER_ADDR, USER_SIZE,
				    PROT_READ | PROT_WRITE,
				    MAP_PRIVATE | MAP_ANONYMOUS |
				    MAP_FIXED_NOREPLACE, 0);
	KUNIT_ASSERT_EQ(test, nodes->user, USER_ADDR);
	return 0;
}

static ssize_t try_param(struct kunit *test, enum driver driver,
			 const char *name, const char *value)
{
	struct nodes *nodes = test->priv;
	char path[64];

	snprintf(path, sizeof(path), "module/%s/parameters/%s",
		 drivers[driver].module, name);
	return files_write(test, nodes->sysfs, path, value);
}

/* Set a module parameter of a driver, as root does. */
static void set_param(struct kunit *test, enum driver driver, const char *name,
		      const char *value)
{
	KUNIT_EXPECT_EQ(test, try_param(test, driver, name, value),
			strlen(value));
}

/* The calls. */

enum caller {
	NATIVE,
	COMPAT,
	NR_CALLERS,
};

static bool can_call(struct nodes *nodes, enum driver driver,
		     enum caller caller)
{
	return caller == NATIVE || (IS_ENABLED(CONFIG_COMPAT) &&
				    nodes->file[driver]->f_op->compat_ioctl);
}

static long call(struct nodes *nodes, enum driver driver, enum caller caller,
		 unsigned int cmd, unsigned long arg)
{
	struct file *file = nodes->file[driver];

	if (caller == COMPAT)
		return file->f_op->compat_ioctl(file, cmd, arg);
	return file->f_op->unlocked_ioctl(file, cmd, arg);
}

static long create(struct kunit *test, enum driver driver, enum caller caller,
		   u32 flags, const struct udmabuf_create_item *item)
{
	struct udmabuf_create args = {
		.memfd = item->memfd,
		.flags = flags,
		.offset = item->offset,
		.size = item->size,
	};
	struct nodes *nodes = test->priv;

	KUNIT_ASSERT_EQ(test, 0, copy_to_user((void __user *)nodes->user, &args,
					      sizeof(args)));
	return call(nodes, driver, caller, UDMABUF_CREATE, nodes->user);
}

static long create_list(struct kunit *test, enum driver driver,
			enum caller caller, u32 flags,
			const struct udmabuf_create_item *items, u32 nr_items)
{
	struct udmabuf_create_list head = {
		.flags = flags,
		.count = nr_items,
	};
	struct nodes *nodes = test->priv;
	size_t size = nr_items * sizeof(*items);

	KUNIT_ASSERT_LE(test, sizeof(head) + size, USER_SIZE);
	KUNIT_ASSERT_EQ(test, 0, copy_to_user((void __user *)nodes->user, &head,
					      sizeof(head)));
	KUNIT_ASSERT_EQ(test, 0,
			copy_to_user((void __user *)nodes->user + sizeof(head),
				     items, size));
	return call(nodes, driver, caller, UDMABUF_CREATE_LIST, nodes->user);
}

/* Close a buffer's descriptor; if nobody else has the buffer, it is gone. */
static void close_buffer(struct kunit *test, long fd)
{
	struct dma_buf *dmabuf = dma_buf_get(fd);

	KUNIT_ASSERT_NOT_ERR_OR_NULL(test, dmabuf);
	KUNIT_EXPECT_EQ(test, 0, close_fd(fd));
	__fput_sync(dmabuf->file);
}

/* The error table. */

enum whose {
	GOOD,
	OPEN_TO_READ,
	NO_FILE,
	DMA_BUF,
	DEVICE_NODE,
	PLAIN_FILE,
	UNSEALED,
	NEVER_SEALED,
	SEAL_WRITE,
	SEAL_FUTURE_WRITE,
	NR_WHOSE,
};

#define NR_PAGES	8

/*
 * One call, with one range or two; two are always a list. A range of no size is
 * left out.
 */
struct row {
	const char *name;
	enum whose whose[2];
	u64 range[2][2];
	long error;
	long ours;
};

static const struct row rows[] = {
	{ "good", { GOOD }, { { 0, NR_PAGES * PAGE_SIZE } }, 0 },
	{ "good, the last page",
	  { GOOD }, { { (NR_PAGES - 1) * PAGE_SIZE, PAGE_SIZE } }, 0 },
	{ "two good ones", { GOOD, GOOD },
	  { { 0, PAGE_SIZE }, { 3 * PAGE_SIZE, 2 * PAGE_SIZE } }, 0 },
	{ "good, open to read",
	  { OPEN_TO_READ }, { { 0, NR_PAGES * PAGE_SIZE } }, 0, -EACCES },
	{ "offset not page-aligned",
	  { GOOD }, { { 1, PAGE_SIZE } }, -EINVAL },
	{ "offset of half a page",
	  { GOOD }, { { PAGE_SIZE / 2, PAGE_SIZE } }, -EINVAL },
	{ "size not page-aligned",
	  { GOOD }, { { 0, PAGE_SIZE - 1 } }, -EINVAL },
	{ "size a byte more than a page",
	  { GOOD }, { { 0, PAGE_SIZE + 1 } }, -EINVAL },
	{ "offset + size wraps to zero",
	  { GOOD }, { { -PAGE_SIZE, PAGE_SIZE } }, -EINVAL },
	{ "offset + size wraps",
	  { GOOD }, { { -PAGE_SIZE, 2 * PAGE_SIZE } }, -EINVAL },
	{ "offset + size beyond all files",
	  { GOOD }, { { S64_MAX & PAGE_MASK, PAGE_SIZE } }, -EINVAL },
	{ "offset + size wraps to negative",
	  { GOOD }, { { S64_MAX & PAGE_MASK, 2 * PAGE_SIZE } }, -EINVAL },
	{ "negative offset",
	  { GOOD }, { { (u64)S64_MIN, PAGE_SIZE } }, -EINVAL },
	{ "beyond the end", { GOOD },
	  { { NR_PAGES * PAGE_SIZE, PAGE_SIZE } }, -EINVAL },
	{ "across the end", { GOOD },
	  { { (NR_PAGES - 1) * PAGE_SIZE, 2 * PAGE_SIZE } }, -EINVAL },
	{ "bad descriptor", { NO_FILE }, { { 0, PAGE_SIZE } }, -EBADFD },
	{ "a dma-buf", { DMA_BUF }, { { 0, PAGE_SIZE } }, -EBADFD },
	{ "a device node", { DEVICE_NODE }, { { 0, PAGE_SIZE } }, -EBADFD },
	{ "a file of another kind",
	  { PLAIN_FILE }, { { 0, PAGE_SIZE } }, -EBADFD },
	{ "a file of another kind, beyond its end",
	  { PLAIN_FILE }, { { SZ_1M, PAGE_SIZE } }, -EBADFD },
	{ "no seals", { UNSEALED }, { { 0, PAGE_SIZE } }, -EINVAL },
	{ "a tmpfs file, which cannot be sealed",
	  { NEVER_SEALED }, { { 0, PAGE_SIZE } }, -EINVAL },
	{ "F_SEAL_WRITE", { SEAL_WRITE }, { { 0, PAGE_SIZE } }, -EINVAL },
	{ "F_SEAL_FUTURE_WRITE",
	  { SEAL_FUTURE_WRITE }, { { 0, PAGE_SIZE } }, -EINVAL },
	{ "larger than size_limit_mb",
	  { GOOD }, { { 0, SZ_64M + PAGE_SIZE } }, -EINVAL },
	{ "together larger than size_limit_mb", { GOOD, GOOD },
	  { { 0, PAGE_SIZE }, { 0, SZ_64M } }, -EINVAL },
	{ "a good one, then a bad descriptor", { GOOD, NO_FILE },
	  { { 0, 4 * PAGE_SIZE }, { 0, PAGE_SIZE } }, -EBADFD },
	{ "a good one, then one beyond the end", { GOOD, GOOD },
	  { { 0, 4 * PAGE_SIZE }, { NR_PAGES * PAGE_SIZE, PAGE_SIZE } },
	  -EINVAL },
	{ "a good one, then wrong seals", { GOOD, SEAL_WRITE },
	  { { 0, 4 * PAGE_SIZE }, { 0, PAGE_SIZE } }, -EINVAL },
	{ "a good one, then one not aligned", { GOOD, GOOD },
	  { { 0, 4 * PAGE_SIZE }, { 1, PAGE_SIZE } }, -EINVAL },

	/* Two mistakes: the one that is found first counts. */
	{ "bad descriptor, not aligned",
	  { NO_FILE }, { { 1, PAGE_SIZE } }, -EINVAL },
	{ "bad descriptor, too large",
	  { NO_FILE }, { { 0, SZ_64M + PAGE_SIZE } }, -EINVAL },
	{ "bad descriptor, offset + size wraps",
	  { NO_FILE }, { { -PAGE_SIZE, 2 * PAGE_SIZE } }, -EBADFD },
	{ "a dma-buf, offset + size beyond all files",
	  { DMA_BUF }, { { S64_MAX & PAGE_MASK, PAGE_SIZE } }, -EBADFD },
	{ "bad descriptor, then one not aligned", { NO_FILE, GOOD },
	  { { 0, PAGE_SIZE }, { 1, PAGE_SIZE } }, -EINVAL },
	{ "bad descriptor, then one beyond the end", { NO_FILE, GOOD },
	  { { 0, PAGE_SIZE }, { NR_PAGES * PAGE_SIZE, PAGE_SIZE } }, -EBADFD },
	{ "one beyond the end, then bad descriptor", { GOOD, NO_FILE },
	  { { NR_PAGES * PAGE_SIZE, PAGE_SIZE }, { 0, PAGE_SIZE } }, -EINVAL },
};

KUNIT_ARRAY_PARAM_DESC(row, rows, name);

static struct memory *sealed(struct kunit *test, unsigned int seals)
{
	struct memory *mem = memory_shmem(test, NR_PAGES);

	SHMEM_I(file_inode(mem->file))->seals = seals;
	return mem;
}

static int descriptor(struct kunit *test, enum whose whose)
{
	struct nodes *nodes = test->priv;
	struct udmabuf_create_item item;
	struct memory *mem;

	switch (whose) {
	case GOOD:
		return sealed(test, F_SEAL_SHRINK)->fd;
	case OPEN_TO_READ:
		mem = sealed(test, F_SEAL_SHRINK);
		return memory_of_file(test,
				      dentry_open(&mem->file->f_path, O_RDONLY,
						  current_cred()),
				      NR_PAGES)->fd;
	case DMA_BUF:
		item = memory_item(sealed(test, F_SEAL_SHRINK), 0, NR_PAGES);
		mem = memory_of_file(test,
				     get_file(memory_buffer(test, &item,
							    1)->file),
				     NR_PAGES);
		return mem->fd;
	case DEVICE_NODE:
		return memory_of_file(test, get_file(nodes->file[FANOUT]),
				      0)->fd;
	case PLAIN_FILE:
		mem = memory_of_file(test,
				     files_open(nodes->sysfs,
						"module/udmabuf_fanout/parameters/list_limit",
						O_RDWR), 1);
		return mem->fd;
	case UNSEALED:
		return sealed(test, 0)->fd;
	case NEVER_SEALED:
		return sealed(test, F_SEAL_SEAL)->fd;
	case SEAL_WRITE:
		return sealed(test, F_SEAL_SHRINK | F_SEAL_WRITE)->fd;
	case SEAL_FUTURE_WRITE:
		return sealed(test, F_SEAL_SHRINK | F_SEAL_FUTURE_WRITE)->fd;
	default:
		return -1;
	}
}

static void check_row(struct kunit *test, const struct row *row, long got,
		      enum driver driver, const char *how, u64 size)
{
	long error = driver == FANOUT && row->ours ? row->ours : row->error;
	struct dma_buf *dmabuf;

	if (error) {
		KUNIT_EXPECT_EQ_MSG(test, got, error, "%s, %s",
				    drivers[driver].node, how);
	} else {
		KUNIT_ASSERT_GE_MSG(test, got, 0, "%s, %s",
				    drivers[driver].node, how);
		dmabuf = dma_buf_get(got);
		KUNIT_ASSERT_NOT_ERR_OR_NULL(test, dmabuf);
		KUNIT_EXPECT_EQ(test, dmabuf->size, size);
		__fput_sync(dmabuf->file);
	}
	if (got >= 0)
		close_buffer(test, got);
}

/*
 * Each row, with UDMABUF_CREATE and with UDMABUF_CREATE_LIST, from 64-bit and
 * 32-bit callers: the stock driver and ours give the errno of the row. What a
 * failed call leaves pinned fails the test.
 */
static void errors_are_those_of_the_stock_driver(struct kunit *test)
{
	const struct row *row = test->param_value;
	struct udmabuf_create_item items[2] = { };
	u32 nr_items = row->range[1][1] ? 2 : 1, i;
	struct nodes *nodes = test->priv;
	enum driver driver;
	enum caller caller;
	u64 size = 0;

	/* By default that of newer kernels has no limit. */
	set_param(test, STOCK, "size_limit_mb", "64");

	for (i = 0; i < nr_items; i++) {
		items[i].memfd = descriptor(test, row->whose[i]);
		items[i].offset = row->range[i][0];
		items[i].size = row->range[i][1];
		size += items[i].size;
	}

	for (driver = 0; driver < NR_DRIVERS; driver++) {
		for (caller = 0; caller < NR_CALLERS; caller++) {
			if (!can_call(nodes, driver, caller))
				continue;
			check_row(test, row,
				  create_list(test, driver, caller, 0, items,
					      nr_items),
				  driver, "UDMABUF_CREATE_LIST", size);
			if (nr_items == 1)
				check_row(test, row,
					  create(test, driver, caller, 0,
						 items),
					  driver, "UDMABUF_CREATE", size);
		}
	}
}

/*
 * A range of no size is an error, alone, first or last: these are no rows, where
 * no size means no range.
 */
static void a_range_of_no_size_is_an_error(struct kunit *test)
{
	struct memory *mem = sealed(test, F_SEAL_SHRINK);
	const struct udmabuf_create_item items[] = {
		memory_item(mem, 0, 0),
		memory_item(mem, 0, 1),
		memory_item(mem, 0, 0),
	};
	const struct udmabuf_create_item bad[] = {
		memory_item(mem, 0, 1),
		{ .memfd = -1 },
	};
	enum driver driver;

	for (driver = 0; driver < NR_DRIVERS; driver++) {
		KUNIT_EXPECT_EQ(test, -EINVAL,
				create(test, driver, NATIVE, 0, &bad[1]));
		KUNIT_EXPECT_EQ(test, -EBADFD,
				create_list(test, driver, NATIVE, 0, bad, 2));
		KUNIT_EXPECT_EQ(test, -EINVAL,
				create(test, driver, NATIVE, 0, items));
		KUNIT_EXPECT_EQ(test, -EINVAL,
				create_list(test, driver, NATIVE, 0, items, 1));
		KUNIT_EXPECT_EQ(test, -EINVAL,
				create_list(test, driver, NATIVE, 0, items, 2));
		KUNIT_EXPECT_EQ(test, -EINVAL,
				create_list(test, driver, NATIVE, 0, items + 1,
					    2));
	}
}

/* A list of nothing is an error. */
static void an_empty_list_is_an_error(struct kunit *test)
{
	const struct udmabuf_create_item none = { };
	enum driver driver;

	for (driver = 0; driver < NR_DRIVERS; driver++)
		KUNIT_EXPECT_EQ(test, -EINVAL,
				create_list(test, driver, NATIVE, 0, &none, 0));
}

/* Numbers that are no call of ours, one of them with the size changed. */
static void unknown_calls_are_refused(struct kunit *test)
{
	static const unsigned int cmds[] = {
		0,
		_IO('u', 0x42),
		_IO('u', 0x43),
		_IOW('u', 0x44, struct udmabuf_create),
		_IOR('u', 0x42, struct udmabuf_create),
		_IOW('u', 0x42, u64),
		_IOW('v', 0x42, struct udmabuf_create),
		~0U,
	};
	struct nodes *nodes = test->priv;
	enum driver driver;
	enum caller caller;
	unsigned int i;

	for (driver = 0; driver < NR_DRIVERS; driver++)
		for (caller = 0; caller < NR_CALLERS; caller++)
			for (i = 0; i < ARRAY_SIZE(cmds); i++)
				if (can_call(nodes, driver, caller))
					KUNIT_EXPECT_EQ(test, -ENOTTY,
							call(nodes, driver,
							     caller, cmds[i],
							     nodes->user));
}

/*
 * Arguments that are not there, or only in part: the head, the items, the last
 * item.
 */
static void missing_arguments_are_faults(struct kunit *test)
{
	struct udmabuf_create_item item =
		memory_item(sealed(test, F_SEAL_SHRINK), 0, 1);
	struct udmabuf_create_list head = { .count = 2 };
	struct nodes *nodes = test->priv;
	unsigned long end = nodes->user + USER_SIZE, at;
	enum driver driver;

	for (driver = 0; driver < NR_DRIVERS; driver++) {
		KUNIT_EXPECT_EQ(test, -EFAULT, call(nodes, driver, NATIVE,
						    UDMABUF_CREATE, 0));
		KUNIT_EXPECT_EQ(test, -EFAULT, call(nodes, driver, NATIVE,
						    UDMABUF_CREATE, end));
		KUNIT_EXPECT_EQ(test, -EFAULT, call(nodes, driver, NATIVE,
						    UDMABUF_CREATE, end - 8));
		KUNIT_EXPECT_EQ(test, -EFAULT, call(nodes, driver, NATIVE,
						    UDMABUF_CREATE_LIST, end));
		KUNIT_EXPECT_EQ(test, -EFAULT,
				call(nodes, driver, NATIVE, UDMABUF_CREATE_LIST,
				     end - 4));

		/* The head ends where memory does. */
		at = end - sizeof(head);
		KUNIT_ASSERT_EQ(test, 0, copy_to_user((void __user *)at, &head,
						      sizeof(head)));
		KUNIT_EXPECT_EQ(test, -EFAULT,
				call(nodes, driver, NATIVE, UDMABUF_CREATE_LIST,
				     at));

		/* One item of two. */
		at -= sizeof(item);
		KUNIT_ASSERT_EQ(test, 0, copy_to_user((void __user *)at, &head,
						      sizeof(head)));
		KUNIT_ASSERT_EQ(test, 0,
				copy_to_user((void __user *)at + sizeof(head),
					     &item, sizeof(item)));
		KUNIT_EXPECT_EQ(test, -EFAULT,
				call(nodes, driver, NATIVE, UDMABUF_CREATE_LIST,
				     at));
	}
}

/* Flags. */

/*
 * Flags that mean nothing are not looked at, and UDMABUF_FLAGS_CLOEXEC alone
 * says what becomes of the descriptor at exec.
 */
static void only_cloexec_is_looked_at(struct kunit *test)
{
	static const u32 flags[] = { 0, 1, 2, 3, 0x80000000, ~0U, ~1U };
	struct udmabuf_create_item item =
		memory_item(sealed(test, F_SEAL_SHRINK), 0, 1);
	enum driver driver;
	unsigned int i;
	long fd;

	for (driver = 0; driver < NR_DRIVERS; driver++) {
		for (i = 0; i < ARRAY_SIZE(flags); i++) {
			fd = create(test, driver, NATIVE, flags[i], &item);
			KUNIT_ASSERT_GE(test, fd, 0);
			KUNIT_EXPECT_EQ(test, get_close_on_exec(fd),
					flags[i] & UDMABUF_FLAGS_CLOEXEC);
			close_buffer(test, fd);

			fd = create_list(test, driver, NATIVE, flags[i], &item,
					 1);
			KUNIT_ASSERT_GE(test, fd, 0);
			KUNIT_EXPECT_EQ(test, get_close_on_exec(fd),
					flags[i] & UDMABUF_FLAGS_CLOEXEC);
			close_buffer(test, fd);
		}
	}
}

/* Limits. */

static void check_list_limit(struct kunit *test, enum driver driver, u32 limit)
{
	struct udmabuf_create_item *items;
	struct memory *mem = sealed(test, F_SEAL_SHRINK);
	long fd;
	u32 i;

	items = kunit_kcalloc(test, limit + 1, sizeof(*items), GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, items);
	for (i = 0; i <= limit; i++)
		items[i] = memory_item(mem, i % NR_PAGES, 1);

	KUNIT_EXPECT_EQ(test, -EINVAL, create_list(test, driver, NATIVE, 0,
						   items, limit + 1));
	fd = create_list(test, driver, NATIVE, 0, items, limit);
	KUNIT_ASSERT_GE(test, fd, 0);
	close_buffer(test, fd);
}

/* list_limit is the most items of a list: 1024, or what it is set to. */
static void list_limit_counts_items(struct kunit *test)
{
	enum driver driver;

	for (driver = 0; driver < NR_DRIVERS; driver++) {
		check_list_limit(test, driver, 1024);
		set_param(test, driver, "list_limit", "3");
		check_list_limit(test, driver, 3);
		set_param(test, driver, "list_limit", "1024");
	}
}

/* Limits are not negative, which the stock driver takes for none at all. */
static void limits_are_not_negative(struct kunit *test)
{
	KUNIT_EXPECT_EQ(test, -EINVAL,
			try_param(test, FANOUT, "list_limit", "-1"));
	KUNIT_EXPECT_EQ(test, -EINVAL,
			try_param(test, FANOUT, "size_limit_mb", "-1"));
	check_list_limit(test, FANOUT, 1024);
}

/*
 * However large list_limit is, a count whose items would fill more than
 * INT_MAX bytes, or wrap to few, is an error and no warning.
 */
static void a_count_cannot_overflow(struct kunit *test)
{
	static const u32 counts[] = {
		INT_MAX / sizeof(struct udmabuf_create_item) + 1,
		U32_MAX / sizeof(struct udmabuf_create_item) + 1,
		2 * (U32_MAX / sizeof(struct udmabuf_create_item) + 1),
		INT_MAX,
		(u32)INT_MAX + 1,
		U32_MAX,
	};
	struct udmabuf_create_item item =
		memory_item(sealed(test, F_SEAL_SHRINK), 0, 1);
	struct nodes *nodes = test->priv;
	struct udmabuf_create_list head = { };
	unsigned int i;
	long fd;

	set_param(test, FANOUT, "list_limit", "4294967295");
	fd = create_list(test, FANOUT, NATIVE, 0, &item, 1);
	KUNIT_EXPECT_GE(test, fd, 0);
	if (fd >= 0)
		close_buffer(test, fd);
	for (i = 0; i < ARRAY_SIZE(counts); i++) {
		head.count = counts[i];
		KUNIT_EXPECT_EQ(test, 0,
				copy_to_user((void __user *)nodes->user, &head,
					     sizeof(head)));
		KUNIT_EXPECT_EQ_MSG(test, -EINVAL,
				    call(nodes, FANOUT, NATIVE,
					 UDMABUF_CREATE_LIST, nodes->user),
				    "%u items", counts[i]);
	}
	set_param(test, FANOUT, "list_limit", "1024");
}

/*
 * A list that is longer than the longest piece of contiguous memory is read,
 * all of it: its first item is the bad one.
 */
static void a_long_list_needs_no_contiguous_memory(struct kunit *test)
{
	struct udmabuf_create_list head = {
		.count = KMALLOC_MAX_SIZE / sizeof(struct udmabuf_create_item) +
			 1,
	};
	const struct udmabuf_create_item bad = {
		.memfd = -1,
		.size = PAGE_SIZE,
	};
	struct nodes *nodes = test->priv;
	unsigned long user;

	/* The other items are zeros: aligned, and nothing. */
	user = kunit_vm_mmap(test, NULL, 0,
			     PAGE_ALIGN(sizeof(head) +
					head.count * sizeof(bad)),
			     PROT_READ | PROT_WRITE,
			     MAP_PRIVATE | MAP_ANONYMOUS, 0);
	KUNIT_ASSERT_FALSE(test, !user || IS_ERR_VALUE(user));
	KUNIT_ASSERT_EQ(test, 0, copy_to_user((void __user *)user, &head,
					      sizeof(head)));
	KUNIT_ASSERT_EQ(test, 0,
			copy_to_user((void __user *)user + sizeof(head), &bad,
				     sizeof(bad)));
	set_param(test, FANOUT, "list_limit", "4294967295");
	KUNIT_EXPECT_EQ(test, -EBADFD, call(nodes, FANOUT, NATIVE,
					    UDMABUF_CREATE_LIST, user));
	set_param(test, FANOUT, "list_limit", "1024");
}

/* size_limit_mb is the largest buffer: 64 MiB, or what it is set to. */
static void size_limit_mb_counts_mebibytes(struct kunit *test)
{
	struct memory *mem = memory_shmem(test, (2 * SZ_1M) / PAGE_SIZE + 1);
	struct udmabuf_create_item fits, does_not;
	enum driver driver;
	long fd;

	fits = memory_item(mem, 0, mem->nr_pages - 1);
	does_not = memory_item(mem, 0, mem->nr_pages);
	for (driver = 0; driver < NR_DRIVERS; driver++) {
		set_param(test, driver, "size_limit_mb", "2");
		KUNIT_EXPECT_EQ(test, -EINVAL,
				create(test, driver, NATIVE, 0, &does_not));
		fd = create(test, driver, NATIVE, 0, &fits);
		set_param(test, driver, "size_limit_mb", "64");
		KUNIT_ASSERT_GE(test, fd, 0);
		close_buffer(test, fd);
	}
}

/* The limits were passed, and nothing needs to be pinned to see it. */
static long pin_no_space(struct file *memfd, loff_t start, loff_t end,
			 struct folio **folios, unsigned int max_folios,
			 unsigned long *offset)
{
	return -ENOSPC;
}

/* Limits of 4 GiB and more are what they say, to the page. */
static void size_limit_mb_does_not_overflow(struct kunit *test)
{
	static const struct {
		const char *limit;
		u64 size;
	} sizes[] = {
		{ "2048", SZ_2G },
		{ "4095", SZ_4G - SZ_1M },
		{ "4096", SZ_4G },
		{ "65536", 16 * SZ_4G },
	};
	struct udmabuf_create_item item =
		memory_item(sealed(test, F_SEAL_SHRINK), 0, 1);
	struct udmabuf_create_item items[2];
	unsigned int i;

	kunit_activate_static_stub(test, bindings_memfd_pin_folios,
				   pin_no_space);
	for (i = 0; i < ARRAY_SIZE(sizes); i++) {
		set_param(test, FANOUT, "size_limit_mb", sizes[i].limit);
		item.size = sizes[i].size;
		KUNIT_EXPECT_EQ_MSG(test, -ENOSPC,
				    create(test, FANOUT, NATIVE, 0, &item),
				    "%s MiB", sizes[i].limit);
		item.size = sizes[i].size + PAGE_SIZE;
		KUNIT_EXPECT_EQ_MSG(test, -EINVAL,
				    create(test, FANOUT, NATIVE, 0, &item),
				    "%s MiB and a page", sizes[i].limit);

		/* The same, and twice as much, in two halves. */
		item.size = sizes[i].size / 2;
		items[0] = item;
		items[1] = item;
		KUNIT_EXPECT_EQ_MSG(test, -ENOSPC,
				    create_list(test, FANOUT, NATIVE, 0, items,
						2),
				    "%s MiB", sizes[i].limit);
		items[0].size *= 2;
		items[1].size *= 2;
		KUNIT_EXPECT_EQ_MSG(test, -EINVAL,
				    create_list(test, FANOUT, NATIVE, 0, items,
						2),
				    "twice %s MiB", sizes[i].limit);
	}
	/* Whatever the limit, pages are counted in 32 bits. */
	set_param(test, FANOUT, "size_limit_mb", "4294967295");
	item.size = U32_MAX * (u64)PAGE_SIZE;
	KUNIT_EXPECT_EQ(test, -ENOSPC, create(test, FANOUT, NATIVE, 0, &item));
	item.size += 2 * PAGE_SIZE;
	KUNIT_EXPECT_EQ(test, -EINVAL, create(test, FANOUT, NATIVE, 0, &item));
	set_param(test, FANOUT, "size_limit_mb", "64");
}

/* Under a limit of 64 GiB, buffers beyond 64 MiB are made for real. */
static void a_large_limit_makes_large_buffers(struct kunit *test)
{
	struct memory *mem = memory_shmem(test, SZ_64M / PAGE_SIZE + 1);
	struct udmabuf_create_item item = memory_item(mem, 0, mem->nr_pages);
	enum driver driver;
	long fd;

	for (driver = 0; driver < NR_DRIVERS; driver++) {
		set_param(test, driver, "size_limit_mb", "65536");
		fd = create(test, driver, NATIVE, 0, &item);
		set_param(test, driver, "size_limit_mb", "64");
		KUNIT_ASSERT_GE(test, fd, 0);
		close_buffer(test, fd);
		KUNIT_EXPECT_EQ(test, -EINVAL,
				create(test, driver, NATIVE, 0, &item));
	}
}

/* Descriptors. */

/* 32-bit callers exist where the kernel knows them, for ours as for stock. */
static void callers_of_32_bits_are_served(struct kunit *test)
{
	struct nodes *nodes = test->priv;
	struct udmabuf_create_item item;
	enum driver driver;
	long fd;

	if (!IS_ENABLED(CONFIG_COMPAT))
		kunit_skip(test, "this kernel has no 32-bit callers");
	item = memory_item(sealed(test, F_SEAL_SHRINK), 2, 3);
	for (driver = 0; driver < NR_DRIVERS; driver++) {
		KUNIT_ASSERT_NOT_NULL(test,
				      nodes->file[driver]->f_op->compat_ioctl);
		fd = create(test, driver, COMPAT, 0, &item);
		KUNIT_ASSERT_GE(test, fd, 0);
		close_buffer(test, fd);
	}
}

/*
 * Where no descriptor is left, the buffer that was made already goes away: its
 * pins come back before the test ends.
 */
static void a_buffer_without_a_descriptor_is_released(struct kunit *test)
{
	struct rlimit *limit = &current->signal->rlim[RLIMIT_NOFILE];
	struct udmabuf_create_item item =
		memory_item(sealed(test, F_SEAL_SHRINK), 0, NR_PAGES);
	unsigned long before = limit->rlim_cur;
	enum driver driver;
	long ret;

	for (driver = 0; driver < NR_DRIVERS; driver++) {
		WRITE_ONCE(limit->rlim_cur, 0);
		ret = create(test, driver, NATIVE, 0, &item);
		WRITE_ONCE(limit->rlim_cur, before);
		KUNIT_EXPECT_EQ(test, ret, -EMFILE);
	}
}

/* What user space may not write: @args, in memory that can only be read. */
static unsigned long read_only(struct kunit *test, const void *args, size_t size)
{
	struct memory *mem = memory_shmem(test, 1);
	unsigned long user;
	loff_t pos = 0;

	KUNIT_ASSERT_EQ(test, size, kernel_write(mem->file, args, size, &pos));
	user = kunit_vm_mmap(test, mem->file, 0, PAGE_SIZE, PROT_READ,
			     MAP_PRIVATE, 0);
	KUNIT_ASSERT_FALSE(test, !user || IS_ERR_VALUE(user));
	return user;
}

/*
 * A descriptor is there for all threads of a process as soon as it is in the
 * table, so nothing may fail after that: nothing is written to the caller's
 * memory. What a failed call leaves in the table fails every test here.
 */
static void nothing_is_written_to_the_caller(struct kunit *test)
{
	struct memory *mem = sealed(test, F_SEAL_SHRINK);
	const struct udmabuf_create one = {
		.memfd = mem->fd,
		.size = PAGE_SIZE,
	};
	const struct {
		struct udmabuf_create_list head;
		struct udmabuf_create_item item;
	} list = {
		.head.count = 1,
		.item = memory_item(mem, 0, 1),
	};
	unsigned long users[] = {
		read_only(test, &one, sizeof(one)),
		read_only(test, &list, sizeof(list)),
	};
	struct nodes *nodes = test->priv;
	enum driver driver;
	unsigned int i;
	long fd;

	for (driver = 0; driver < NR_DRIVERS; driver++) {
		for (i = 0; i < 2; i++) {
			fd = call(nodes, driver, NATIVE,
				  i ? UDMABUF_CREATE_LIST : UDMABUF_CREATE,
				  users[i]);
			KUNIT_EXPECT_GE(test, fd, 0);
			if (fd >= 0)
				close_buffer(test, fd);
		}
	}
}

/* Who may have buffers, and whose memory they are. */

/* The node is root's alone, until udev says otherwise; to open it is all. */
static void who_opens_the_node_has_buffers(struct kunit *test)
{
	struct memory *mem = sealed(test, F_SEAL_SHRINK);
	struct udmabuf_create_item item = memory_item(mem, 0, 1);
	struct vfsmount *dev = files_mount(test, "devtmpfs");
	struct nodes *nodes = test->priv;
	struct file *before;
	enum driver driver;
	struct inode *inode;
	long fd;

	for (driver = 0; driver < NR_DRIVERS; driver++) {
		before = nodes->file[driver];
		inode = file_inode(before);
		KUNIT_EXPECT_EQ(test, inode->i_mode & 07777, 0600);
		KUNIT_EXPECT_TRUE(test, uid_eq(inode->i_uid, GLOBAL_ROOT_UID));
		nodes->file[driver] = files_open(dev, drivers[driver].node,
						 O_RDONLY);
		KUNIT_ASSERT_NOT_ERR_OR_NULL(test, nodes->file[driver]);
		fd = create(test, driver, NATIVE, 0, &item);
		__fput_sync(nodes->file[driver]);
		nodes->file[driver] = before;
		KUNIT_ASSERT_GE(test, fd, 0);
		close_buffer(test, fd);
	}
}

/*
 * Pinned memory is not locked memory: a user who may lock none can make buffers,
 * and nothing is charged for them, as with the stock driver.
 */
static void pins_are_not_locked_memory(struct kunit *test)
{
	struct rlimit *limit = &current->signal->rlim[RLIMIT_MEMLOCK];
	struct udmabuf_create_item item =
		memory_item(sealed(test, F_SEAL_SHRINK), 0, NR_PAGES);
	unsigned long before = limit->rlim_cur, locked = current->mm->locked_vm;
	s64 pinned = atomic64_read(&current->mm->pinned_vm);
	struct cred *user = prepare_creds();
	const struct cred *root;
	enum driver driver;
	long fd;

	KUNIT_ASSERT_NOT_NULL(test, user);
	cap_clear(user->cap_effective);
	for (driver = 0; driver < NR_DRIVERS; driver++) {
		root = override_creds(user);
		WRITE_ONCE(limit->rlim_cur, 0);
		fd = create(test, driver, NATIVE, 0, &item);
		WRITE_ONCE(limit->rlim_cur, before);
		revert_creds(root);
		KUNIT_EXPECT_GE(test, fd, 0);
		KUNIT_EXPECT_EQ(test, locked, current->mm->locked_vm);
		KUNIT_EXPECT_EQ(test, pinned,
				atomic64_read(&current->mm->pinned_vm));
		if (fd >= 0)
			close_buffer(test, fd);
	}
	put_cred(user);
}

static bool is_charged_to(struct memory *mem, u32 page, struct mem_cgroup *memcg)
{
	struct folio *folio = page_folio(pfn_to_page(memory_pfn(mem, page)));

	guard(rcu)();
	return folio_memcg(folio) == memcg;
}

/*
 * Pages are charged to the memory cgroup of whoever allocates them, which may be
 * the one who makes the buffer. At its limit there is no buffer, and nothing is
 * pinned.
 */
static void the_memory_cgroup_is_the_limit(struct kunit *test)
{
	struct memory *others, *mine, *too_much;
	struct udmabuf_create_item items[3];
	struct mem_cgroup *memcg, *before;
	enum driver driver;
	long fd[3];
	u32 i;

	memcg = memory_cgroup(test, "4M");
	for (driver = 0; driver < NR_DRIVERS; driver++) {
		others = memory_shmem(test, NR_PAGES);
		memory_fill(test, others);
		mine = memory_shmem(test, NR_PAGES);
		too_much = memory_shmem(test, SZ_8M / PAGE_SIZE);
		items[0] = memory_item(others, 0, others->nr_pages);
		items[1] = memory_item(mine, 0, mine->nr_pages);
		items[2] = memory_item(too_much, 0, too_much->nr_pages);

		before = set_active_memcg(memcg);
		for (i = 0; i < 3; i++)
			fd[i] = create(test, driver, NATIVE, 0, &items[i]);
		set_active_memcg(before);
		KUNIT_EXPECT_GE(test, fd[0], 0);
		KUNIT_EXPECT_GE(test, fd[1], 0);
		KUNIT_EXPECT_EQ(test, fd[2], -ENOMEM);
		for (i = 0; i < NR_PAGES; i++) {
			KUNIT_EXPECT_FALSE(test,
					   is_charged_to(others, i, memcg));
			KUNIT_EXPECT_TRUE(test, is_charged_to(mine, i, memcg));
		}
		for (i = 0; i < 3; i++)
			if (fd[i] >= 0)
				close_buffer(test, fd[i]);
		memory_drop(test, too_much);
	}
}

/* Seals. */

/**
 * struct race - a thread that seals while the driver pins
 * @file: the memfd
 * @thread: the thread
 * @done: it is done
 * @error: what adding the seal came to
 * @seen: the pinning was seen with the lock held and the seal kept waiting
 */
struct race {
	struct file *file;
	struct task_struct *thread;
	struct completion done;
	long error;
	bool seen;
};

static struct race race;

static int add_seal(void *unused)
{
	race.error = memfd_fcntl(race.file, F_ADD_SEALS, F_SEAL_WRITE);
	complete(&race.done);
	return 0;
}

static long pin_while_sealed(struct file *memfd, loff_t start, loff_t end,
			     struct folio **folios, unsigned int max_folios,
			     unsigned long *offset)
{
	struct rw_semaphore *lock = &file_inode(memfd)->i_rwsem;
	unsigned long deadline = jiffies + 5 * HZ;
	bool exclusive = down_write_trylock(lock);

	if (exclusive)
		up_write(lock);
	wake_up_process(race.thread);
	/* Until the thread waits for the lock, or has got it. */
	while (!rwsem_is_contended(lock) && !completion_done(&race.done) &&
	       time_before(jiffies, deadline))
		schedule_timeout_uninterruptible(1);
	race.seen = !exclusive && rwsem_is_contended(lock) &&
		    !completion_done(&race.done);

	return memfd_pin_folios(memfd, start, end, folios, max_folios, offset);
}

/*
 * A seal that is added while a buffer is made comes after its pins, and fails
 * for them: between the check and the pins, the inode lock keeps it waiting.
 */
static void racing_seal_cannot_slip_in(struct kunit *test)
{
	struct memory *mem = sealed(test, F_SEAL_SHRINK);
	struct udmabuf_create_item item = memory_item(mem, 0, NR_PAGES);
	long fd;

	race = (struct race) { .file = mem->file };
	init_completion(&race.done);
	race.thread = kthread_create(add_seal, NULL, "sealer");
	KUNIT_ASSERT_NOT_ERR_OR_NULL(test, race.thread);
	kunit_activate_static_stub(test, bindings_memfd_pin_folios,
				   pin_while_sealed);

	fd = create(test, FANOUT, NATIVE, 0, &item);
	if (fd < 0)
		wake_up_process(race.thread);
	wait_for_completion(&race.done);
	KUNIT_ASSERT_GE(test, fd, 0);
	KUNIT_EXPECT_TRUE(test, race.seen);
	KUNIT_EXPECT_EQ(test, race.error, -EBUSY);
	KUNIT_EXPECT_EQ(test, memfd_fcntl(mem->file, F_GET_SEALS, 0),
			F_SEAL_SHRINK);
	close_buffer(test, fd);
}

/* A seal that was there first is respected, and no buffer is made. */
static void a_seal_that_was_first_wins(struct kunit *test)
{
	struct memory *mem = sealed(test, F_SEAL_SHRINK);
	struct udmabuf_create_item item = memory_item(mem, 0, NR_PAGES);
	enum driver driver;

	KUNIT_ASSERT_EQ(test, 0, memfd_fcntl(mem->file, F_ADD_SEALS,
					     F_SEAL_WRITE));
	for (driver = 0; driver < NR_DRIVERS; driver++)
		KUNIT_EXPECT_EQ(test, -EINVAL,
				create(test, driver, NATIVE, 0, &item));
}

/*
 * What is done to the memfd afterwards does not reach the buffer. The memory
 * cannot be sealed against writing; it can be against future writes, which
 * those through the buffer are not; and a hole takes pages from the memfd only.
 */
static void a_buffer_is_not_sealed_later(struct kunit *test)
{
	struct memory *mem = sealed(test, F_SEAL_SHRINK);
	struct udmabuf_create_item item = memory_item(mem, 0, NR_PAGES);
	enum driver driver;
	unsigned long user;
	struct fd buffer;
	u64 value = 42;
	long fd;

	for (driver = 0; driver < NR_DRIVERS; driver++) {
		SHMEM_I(file_inode(mem->file))->seals = F_SEAL_SHRINK;
		fd = create(test, driver, NATIVE, 0, &item);
		KUNIT_ASSERT_GE(test, fd, 0);
		KUNIT_EXPECT_EQ(test, -EBUSY, memfd_fcntl(mem->file,
							  F_ADD_SEALS,
							  F_SEAL_WRITE));
		KUNIT_EXPECT_EQ(test, 0, memfd_fcntl(mem->file, F_ADD_SEALS,
						     F_SEAL_FUTURE_WRITE));
		buffer = fdget(fd);
		user = vm_mmap(fd_file(buffer), 0, PAGE_SIZE,
			       PROT_READ | PROT_WRITE, MAP_SHARED, 0);
		fdput(buffer);
		KUNIT_EXPECT_FALSE(test, IS_ERR_VALUE(user));
		KUNIT_EXPECT_EQ(test, 0, copy_to_user((void __user *)user,
						      &value, sizeof(value)));
		KUNIT_EXPECT_EQ(test, value, memory_get(mem, 0));

		SHMEM_I(file_inode(mem->file))->seals = F_SEAL_SHRINK;
		KUNIT_EXPECT_EQ(test, 0,
				vfs_fallocate(mem->file, FALLOC_FL_PUNCH_HOLE |
						    FALLOC_FL_KEEP_SIZE,
					      0, PAGE_SIZE));
		KUNIT_EXPECT_EQ(test, 0, memory_pfn(mem, 0));
		value = 0;
		KUNIT_EXPECT_EQ(test, 0, copy_from_user(&value,
							(void __user *)user,
							sizeof(value)));
		KUNIT_EXPECT_EQ(test, 42, value);
		vm_munmap(user, PAGE_SIZE);
		close_buffer(test, fd);
	}
}

/* hugetlbfs files have seals of their own: the same rules. */
static void seals_of_hugetlbfs_files_count(struct kunit *test)
{
	struct memory *mem = memory_hugetlb(test, 1);
	struct udmabuf_create_item item = memory_item(mem, 3, 2);
	enum driver driver;
	long fd;

	for (driver = 0; driver < NR_DRIVERS; driver++) {
		fd = create(test, driver, NATIVE, 0, &item);
		KUNIT_ASSERT_GE(test, fd, 0);
		close_buffer(test, fd);
	}
	KUNIT_ASSERT_EQ(test, 0, memfd_fcntl(mem->file, F_ADD_SEALS,
					     F_SEAL_FUTURE_WRITE));
	for (driver = 0; driver < NR_DRIVERS; driver++)
		KUNIT_EXPECT_EQ(test, -EINVAL,
				create(test, driver, NATIVE, 0, &item));
}

/* Read a module parameter of ours, or write it. */
static ssize_t access_param(struct kunit *test, const char *name, char *value,
			    size_t size, bool write)
{
	struct nodes *nodes = test->priv;
	struct file *file;
	loff_t pos = 0;
	char path[64];
	ssize_t ret;

	snprintf(path, sizeof(path), "module/udmabuf_fanout/parameters/%s",
		 name);
	file = files_open(nodes->sysfs, path, write ? O_WRONLY : O_RDONLY);
	KUNIT_ASSERT_NOT_ERR_OR_NULL(test, file);
	ret = write ? kernel_write(file, value, size, &pos) :
		      kernel_read(file, value, size, &pos);
	__fput_sync(file);
	return ret;
}

/* The parameters that take a name take no other, and give it back. */
static void parameters_take_their_names_only(struct kunit *test)
{
	static const struct {
		const char *param;
		const int *value;
		const char *name[2];	/* the default last */
		int is[2];
	} params[] = {
		{ "sync_policy", &fanout_sync_policy, { "all", "minimal" },
		  { SYNC_POLICY_ALL, SYNC_POLICY_MINIMAL } },
	};
	char text[16], wrong[] = "some";
	unsigned int i, j;

	for (i = 0; i < ARRAY_SIZE(params); i++) {
		for (j = 0; j < 2; j++) {
			/* As echo writes it. */
			snprintf(text, sizeof(text), "%s\n",
				 params[i].name[j]);
			KUNIT_EXPECT_EQ(test, strlen(text),
					access_param(test, params[i].param,
						     text, strlen(text), true));
			KUNIT_EXPECT_EQ(test, params[i].is[j],
					*params[i].value);

			KUNIT_EXPECT_EQ(test, -EINVAL,
					access_param(test, params[i].param,
						     wrong, strlen(wrong),
						     true));
			KUNIT_EXPECT_EQ(test, params[i].is[j],
					*params[i].value);

			memset(text, 0, sizeof(text));
			KUNIT_EXPECT_EQ(test, strlen(params[i].name[j]) + 1,
					access_param(test, params[i].param,
						     text, sizeof(text) - 1,
						     false));
			KUNIT_EXPECT_STREQ(test, params[i].name[j],
					   strim(text));
		}
	}
}

/*
 * copy_limit_mb is a number of mebibytes, up to more memory than there is, and
 * holds at once; a quarter of all memory, rounded down, is what it is at first.
 */
static void copy_limit_mb_counts_mebibytes(struct kunit *test)
{
	static const struct {
		const char *value;
		unsigned long mb;
	} good[] = {
		{ "0", 0 },
		{ "1", 1 },
		{ "4294967295\n", U32_MAX },
		{ "0x10", 16 },
	};
	static const char * const bad[] = { "-1", "4294967296", "1.5", "some", "" };
	const unsigned long before = copy_limit_pages;
	unsigned long mb = 0;
	char text[16];
	unsigned int i;

	/* Unless who booted this kernel has said otherwise. */
	KUNIT_EXPECT_GT(test, before, 0);
	for (i = 0; i < ARRAY_SIZE(good); i++) {
		strscpy(text, good[i].value);
		KUNIT_EXPECT_EQ(test, strlen(text),
				access_param(test, "copy_limit_mb", text,
					     strlen(text), true));
		KUNIT_EXPECT_EQ(test, good[i].mb << (20 - PAGE_SHIFT),
				copy_limit_pages);
		memset(text, 0, sizeof(text));
		KUNIT_EXPECT_GT(test, access_param(test, "copy_limit_mb", text,
						   sizeof(text) - 1, false), 0);
		KUNIT_EXPECT_EQ(test, 0, kstrtoul(text, 10, &mb));
		KUNIT_EXPECT_EQ(test, good[i].mb, mb);
	}
	for (i = 0; i < ARRAY_SIZE(bad); i++) {
		strscpy(text, bad[i]);
		KUNIT_EXPECT_LE_MSG(test, access_param(test, "copy_limit_mb",
						       text, strlen(text), true),
				    0, "%s", bad[i]);
		KUNIT_EXPECT_EQ(test, 16UL << (20 - PAGE_SHIFT),
				copy_limit_pages);
	}
	copy_limit_pages = before;
}

/* ... and of nothing else there. */
static void folders_of_hugetlbfs_are_no_memfds(struct kunit *test)
{
	struct vfsmount *mnt = files_mount(test, "hugetlbfs");
	struct file *root = files_open(mnt, ".", O_RDONLY | O_DIRECTORY);
	struct udmabuf_create_item item;

	item = memory_item(memory_of_file(test, root, 1), 0, 1);
	KUNIT_EXPECT_EQ(test, -EBADFD, create(test, FANOUT, NATIVE, 0, &item));
}

/* The copy of a list is not kept, whatever becomes of the call. */
static void lists_are_freed(struct kunit *test)
{
	struct udmabuf_create_item *items;
	const u32 nr = 256, calls = 512;
	long before = 0;
	u32 i;

	if (IS_ENABLED(CONFIG_KASAN))
		kunit_skip(test, "KASAN keeps freed memory");
	items = kunit_kcalloc(test, nr, sizeof(*items), GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, items);
	for (i = 0; i < nr; i++)
		items[i] = (struct udmabuf_create_item) {
			.memfd = -1, .size = PAGE_SIZE,
		};
	for (i = 0; i < 2 * calls; i++) {
		if (i == calls)
			before = memory_slab();
		KUNIT_ASSERT_EQ(test, -EBADFD,
				create_list(test, FANOUT, NATIVE, 0, items,
					    nr));
	}
	KUNIT_EXPECT_LT(test, memory_slab() - before, (long)calls / 2);
}

static struct kunit_case ioctl_cases[] = {
	KUNIT_CASE_PARAM(errors_are_those_of_the_stock_driver, row_gen_params),
	KUNIT_CASE(a_range_of_no_size_is_an_error),
	KUNIT_CASE(an_empty_list_is_an_error),
	KUNIT_CASE(unknown_calls_are_refused),
	KUNIT_CASE(missing_arguments_are_faults),
	KUNIT_CASE(only_cloexec_is_looked_at),
	KUNIT_CASE(list_limit_counts_items),
	KUNIT_CASE(limits_are_not_negative),
	KUNIT_CASE(a_count_cannot_overflow),
	KUNIT_CASE(a_long_list_needs_no_contiguous_memory),
	KUNIT_CASE(size_limit_mb_counts_mebibytes),
	KUNIT_CASE(size_limit_mb_does_not_overflow),
	KUNIT_CASE(a_large_limit_makes_large_buffers),
	KUNIT_CASE(callers_of_32_bits_are_served),
	KUNIT_CASE(a_buffer_without_a_descriptor_is_released),
	KUNIT_CASE(nothing_is_written_to_the_caller),
	KUNIT_CASE(who_opens_the_node_has_buffers),
	KUNIT_CASE(pins_are_not_locked_memory),
	KUNIT_CASE(the_memory_cgroup_is_the_limit),
	KUNIT_CASE(racing_seal_cannot_slip_in),
	KUNIT_CASE(a_seal_that_was_first_wins),
	KUNIT_CASE(a_buffer_is_not_sealed_later),
	KUNIT_CASE(seals_of_hugetlbfs_files_count),
	KUNIT_CASE(parameters_take_their_names_only),
	KUNIT_CASE(copy_limit_mb_counts_mebibytes),
	KUNIT_CASE(folders_of_hugetlbfs_are_no_memfds),
	KUNIT_CASE(lists_are_freed),
	{ }
};

static struct kunit_suite ioctl_suite = {
	.name = "udmabuf_fanout_ioctl",
	.init = init,
	.test_cases = ioctl_cases,
};

kunit_test_suite(ioctl_suite);
