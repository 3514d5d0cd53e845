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
#include <kunit/test.h>
#include <linux/compat.h>
#include <linux/cred.h>
#include <linux/debugfs.h>
#include <linux/dma-buf.h>
#include <linux/fdtable.h>
#include <linux/file.h>
#include <linux/fs.h>
#include <linux/memfd.h>
#include <linux/mman.h>
#include <linux/mm.h>
#include <linux/resource.h>
#include <linux/sched/signal.h>
#include <linux/sizes.h>
#include <linux/uaccess.h>
#include <linux/udmabuf.h>

#include "files.h"
#include "memory.h"
#include "nodes.h"

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

/*
 * One call, with one range or two; two are always a list. A range of no size is
 * left out. @ours is what this driver answers, where it is not the stock one's.
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

static int descriptor(struct kunit *test, enum whose whose)
{
	struct nodes *nodes = test->priv;
	struct udmabuf_create_item item;
	struct memory *mem;

	switch (whose) {
	case GOOD:
		return nodes_memory(test, F_SEAL_SHRINK)->fd;
	case OPEN_TO_READ:
		mem = nodes_memory(test, F_SEAL_SHRINK);
		return memory_of_file(test,
				      dentry_open(&mem->file->f_path, O_RDONLY,
						  current_cred()),
				      NR_PAGES)->fd;
	case DMA_BUF:
		mem = nodes_memory(test, F_SEAL_SHRINK);
		item = memory_item(mem, 0, NR_PAGES);
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
		return nodes_memory(test, 0)->fd;
	case NEVER_SEALED:
		return nodes_memory(test, F_SEAL_SEAL)->fd;
	case SEAL_WRITE:
		return nodes_memory(test, F_SEAL_SHRINK | F_SEAL_WRITE)->fd;
	case SEAL_FUTURE_WRITE:
		return nodes_memory(test, F_SEAL_SHRINK |
					  F_SEAL_FUTURE_WRITE)->fd;
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
				    nodes_name(driver), how);
	} else {
		KUNIT_ASSERT_GE_MSG(test, got, 0, "%s, %s",
				    nodes_name(driver), how);
		dmabuf = dma_buf_get(got);
		KUNIT_ASSERT_NOT_ERR_OR_NULL(test, dmabuf);
		KUNIT_EXPECT_EQ(test, dmabuf->size, size);
		__fput_sync(dmabuf->file);
	}
	if (got >= 0)
		nodes_close(test, got);
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
	nodes_set_param(test, STOCK, "size_limit_mb", "64");

	for (i = 0; i < nr_items; i++) {
		items[i].memfd = descriptor(test, row->whose[i]);
		items[i].offset = row->range[i][0];
		items[i].size = row->range[i][1];
		size += items[i].size;
	}

	for (driver = 0; driver < NR_DRIVERS; driver++) {
		for (caller = 0; caller < NR_CALLERS; caller++) {
			if (!nodes_can_call(nodes, driver, caller))
				continue;
			check_row(test, row,
				  nodes_create_list(test, driver, caller, 0,
						    items, nr_items),
				  driver, "UDMABUF_CREATE_LIST", size);
			if (nr_items == 1)
				check_row(test, row,
					  nodes_create(test, driver, caller, 0,
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
	struct memory *mem = nodes_memory(test, F_SEAL_SHRINK);
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
				nodes_create(test, driver, NATIVE, 0, &bad[1]));
		KUNIT_EXPECT_EQ(test, -EBADFD,
				nodes_create_list(test, driver, NATIVE, 0, bad,
						  2));
		KUNIT_EXPECT_EQ(test, -EINVAL,
				nodes_create(test, driver, NATIVE, 0, items));
		KUNIT_EXPECT_EQ(test, -EINVAL,
				nodes_create_list(test, driver, NATIVE, 0,
						  items, 1));
		KUNIT_EXPECT_EQ(test, -EINVAL,
				nodes_create_list(test, driver, NATIVE, 0,
						  items, 2));
		KUNIT_EXPECT_EQ(test, -EINVAL,
				nodes_create_list(test, driver, NATIVE, 0,
						  items + 1, 2));
	}
}

/* A list of nothing is an error. */
static void an_empty_list_is_an_error(struct kunit *test)
{
	const struct udmabuf_create_item none = { };
	enum driver driver;

	for (driver = 0; driver < NR_DRIVERS; driver++)
		KUNIT_EXPECT_EQ(test, -EINVAL,
				nodes_create_list(test, driver, NATIVE, 0,
						  &none, 0));
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

	for (driver = 0; driver < NR_DRIVERS; driver++) {
		for (caller = 0; caller < NR_CALLERS; caller++) {
			if (!nodes_can_call(nodes, driver, caller))
				continue;
			for (i = 0; i < ARRAY_SIZE(cmds); i++)
				KUNIT_EXPECT_EQ(test, -ENOTTY,
						nodes_call(nodes, driver,
							   caller, cmds[i],
							   nodes->user));
		}
	}
}

/*
 * Arguments that are not there, or only in part: the head, the items, the last
 * item.
 */
static void missing_arguments_are_faults(struct kunit *test)
{
	struct udmabuf_create_item item =
		memory_item(nodes_memory(test, F_SEAL_SHRINK), 0, 1);
	struct udmabuf_create_list head = { .count = 2 };
	struct nodes *nodes = test->priv;
	unsigned long end = nodes->user + USER_SIZE, at;
	enum driver driver;

	for (driver = 0; driver < NR_DRIVERS; driver++) {
		KUNIT_EXPECT_EQ(test, -EFAULT, nodes_call(nodes, driver, NATIVE,
							  UDMABUF_CREATE, 0));
		KUNIT_EXPECT_EQ(test, -EFAULT, nodes_call(nodes, driver, NATIVE,
							  UDMABUF_CREATE, end));
		KUNIT_EXPECT_EQ(test, -EFAULT,
				nodes_call(nodes, driver, NATIVE,
					   UDMABUF_CREATE, end - 8));
		KUNIT_EXPECT_EQ(test, -EFAULT,
				nodes_call(nodes, driver, NATIVE,
					   UDMABUF_CREATE_LIST, end));
		KUNIT_EXPECT_EQ(test, -EFAULT,
				nodes_call(nodes, driver, NATIVE,
					   UDMABUF_CREATE_LIST, end - 4));

		/* The head ends where memory does. */
		at = end - sizeof(head);
		KUNIT_ASSERT_EQ(test, 0, copy_to_user((void __user *)at, &head,
						      sizeof(head)));
		KUNIT_EXPECT_EQ(test, -EFAULT,
				nodes_call(nodes, driver, NATIVE,
					   UDMABUF_CREATE_LIST, at));

		/* One item of two. */
		at -= sizeof(item);
		KUNIT_ASSERT_EQ(test, 0, copy_to_user((void __user *)at, &head,
						      sizeof(head)));
		KUNIT_ASSERT_EQ(test, 0,
				copy_to_user((void __user *)at + sizeof(head),
					     &item, sizeof(item)));
		KUNIT_EXPECT_EQ(test, -EFAULT,
				nodes_call(nodes, driver, NATIVE,
					   UDMABUF_CREATE_LIST, at));
	}
}

/* Of hugetlbfs only files are memory. */
static void folders_of_hugetlbfs_are_no_memfds(struct kunit *test)
{
	struct vfsmount *mnt = files_mount(test, "hugetlbfs");
	struct file *root = files_open(mnt, ".", O_RDONLY | O_DIRECTORY);
	struct udmabuf_create_item item;

	item = memory_item(memory_of_file(test, root, 1), 0, 1);
	KUNIT_EXPECT_EQ(test, -EBADFD,
			nodes_create(test, FANOUT, NATIVE, 0, &item));
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
				nodes_create_list(test, FANOUT, NATIVE, 0,
						  items, nr));
	}
	KUNIT_EXPECT_LT(test, memory_slab() - before, (long)calls / 2);
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
		memory_item(nodes_memory(test, F_SEAL_SHRINK), 0, 1);
	enum driver driver;
	unsigned int i;
	long fd;

	for (driver = 0; driver < NR_DRIVERS; driver++) {
		for (i = 0; i < ARRAY_SIZE(flags); i++) {
			fd = nodes_create(test, driver, NATIVE, flags[i],
					  &item);
			KUNIT_ASSERT_GE(test, fd, 0);
			KUNIT_EXPECT_EQ(test, get_close_on_exec(fd),
					flags[i] & UDMABUF_FLAGS_CLOEXEC);
			nodes_close(test, fd);

			fd = nodes_create_list(test, driver, NATIVE, flags[i],
					       &item, 1);
			KUNIT_ASSERT_GE(test, fd, 0);
			KUNIT_EXPECT_EQ(test, get_close_on_exec(fd),
					flags[i] & UDMABUF_FLAGS_CLOEXEC);
			nodes_close(test, fd);
		}
	}
}

/* Callers and descriptors. */

/* 32-bit callers exist where the kernel knows them, for ours as for stock. */
static void callers_of_32_bits_are_served(struct kunit *test)
{
	struct nodes *nodes = test->priv;
	struct udmabuf_create_item item;
	enum driver driver;
	long fd;

	if (!IS_ENABLED(CONFIG_COMPAT))
		kunit_skip(test, "this kernel has no 32-bit callers");
	item = memory_item(nodes_memory(test, F_SEAL_SHRINK), 2, 3);
	for (driver = 0; driver < NR_DRIVERS; driver++) {
		KUNIT_ASSERT_NOT_NULL(test,
				      nodes->file[driver]->f_op->compat_ioctl);
		fd = nodes_create(test, driver, COMPAT, 0, &item);
		KUNIT_ASSERT_GE(test, fd, 0);
		nodes_close(test, fd);
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
		memory_item(nodes_memory(test, F_SEAL_SHRINK), 0, NR_PAGES);
	unsigned long before = limit->rlim_cur;
	enum driver driver;
	long ret;

	for (driver = 0; driver < NR_DRIVERS; driver++) {
		WRITE_ONCE(limit->rlim_cur, 0);
		ret = nodes_create(test, driver, NATIVE, 0, &item);
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
	struct memory *mem = nodes_memory(test, F_SEAL_SHRINK);
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
			fd = nodes_call(nodes, driver, NATIVE,
					i ? UDMABUF_CREATE_LIST : UDMABUF_CREATE,
					users[i]);
			KUNIT_EXPECT_GE(test, fd, 0);
			if (fd >= 0)
				nodes_close(test, fd);
		}
	}
}

/* The node is root's alone, until udev says otherwise; to open it is all. */
static void who_opens_the_node_has_buffers(struct kunit *test)
{
	struct memory *mem = nodes_memory(test, F_SEAL_SHRINK);
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
		nodes->file[driver] = files_open(dev, nodes_name(driver),
						 O_RDONLY);
		KUNIT_ASSERT_NOT_ERR_OR_NULL(test, nodes->file[driver]);
		fd = nodes_create(test, driver, NATIVE, 0, &item);
		__fput_sync(nodes->file[driver]);
		nodes->file[driver] = before;
		KUNIT_ASSERT_GE(test, fd, 0);
		nodes_close(test, fd);
	}
}

/*
 * A buffer has a debugfs file in the driver's folder, for root alone, with the
 * name that fdinfo and trace events give the buffer; it goes with the buffer.
 */
static void a_buffer_has_its_debugfs_file(struct kunit *test)
{
	struct udmabuf_create_item item =
		memory_item(nodes_memory(test, F_SEAL_SHRINK), 0, 1);
	struct dentry *dir, *file;
	struct dma_buf *dmabuf;
	char name[24];
	long fd;

	if (!IS_ENABLED(CONFIG_DEBUG_FS))
		kunit_skip(test, "needs CONFIG_DEBUG_FS");
	fd = nodes_create(test, FANOUT, NATIVE, 0, &item);
	KUNIT_ASSERT_GE(test, fd, 0);
	dmabuf = dma_buf_get(fd);
	snprintf(name, sizeof(name), "%llu",
		 (u64)file_inode(dmabuf->file)->i_ino);
	__fput_sync(dmabuf->file);

	dir = debugfs_lookup("udmabuf-fanout", NULL);
	file = debugfs_lookup(name, dir);
	KUNIT_EXPECT_NOT_NULL(test, file);
	if (file)
		KUNIT_EXPECT_EQ(test, S_IFREG | 0400, d_inode(file)->i_mode);
	dput(file);
	nodes_close(test, fd);
	file = debugfs_lookup(name, dir);
	KUNIT_EXPECT_NULL(test, file);
	dput(file);
	dput(dir);
}

static struct kunit_case ioctl_cases[] = {
	KUNIT_CASE_PARAM(errors_are_those_of_the_stock_driver, row_gen_params),
	KUNIT_CASE(a_range_of_no_size_is_an_error),
	KUNIT_CASE(an_empty_list_is_an_error),
	KUNIT_CASE(unknown_calls_are_refused),
	KUNIT_CASE(missing_arguments_are_faults),
	KUNIT_CASE(only_cloexec_is_looked_at),
	KUNIT_CASE(callers_of_32_bits_are_served),
	KUNIT_CASE(a_buffer_without_a_descriptor_is_released),
	KUNIT_CASE(a_buffer_has_its_debugfs_file),
	KUNIT_CASE(nothing_is_written_to_the_caller),
	KUNIT_CASE(who_opens_the_node_has_buffers),
	KUNIT_CASE(folders_of_hugetlbfs_are_no_memfds),
	KUNIT_CASE(lists_are_freed),
	{ }
};

static struct kunit_suite ioctl_suite = {
	.name = "udmabuf_fanout_ioctl",
	.init = nodes_init,
	.test_cases = ioctl_cases,
};

kunit_test_suite(ioctl_suite);
