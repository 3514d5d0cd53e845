// SPDX-License-Identifier: GPL-2.0
/*
 * The device nodes are opened through devtmpfs, arguments lie in user memory,
 * memfds and buffers are descriptors.
 */
#include <kunit/test.h>
#include <linux/compat.h>
#include <linux/dma-buf.h>
#include <linux/fdtable.h>
#include <linux/file.h>
#include <linux/fs.h>
#include <linux/mman.h>
#include <linux/mm.h>
#include <linux/shmem_fs.h>
#include <linux/string.h>
#include <linux/uaccess.h>

#include "files.h"
#include "memory.h"
#include "nodes.h"

static const struct {
	const char *module;
	const char *node;
} drivers[] = {
	[FANOUT] = { "udmabuf_fanout", "udmabuf-fanout" },
	[STOCK] = { "udmabuf", "udmabuf" },
};

/**
 * nodes_name() - tell how a driver's node is called
 * @driver: the driver
 *
 * Return: the name.
 */
const char *nodes_name(enum driver driver)
{
	return drivers[driver].node;
}

KUNIT_DEFINE_ACTION_WRAPPER(put_file, __fput_sync, struct file *);

static unsigned int descriptors_before;

static void check_descriptors(void *context)
{
	struct kunit *test = context;

	KUNIT_EXPECT_EQ_MSG(test, files_descriptors(), descriptors_before,
			    "a descriptor was left behind");
}

/**
 * nodes_init() - begin a test with both nodes open
 * @test: the test, whose ->priv becomes a struct nodes, and which fails if it
 *	leaves a pin or a descriptor behind
 *
 * Return: 0.
 */
int nodes_init(struct kunit *test)
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

/**
 * nodes_memory() - make a memfd
 * @test: the test
 * @seals: with which seals
 *
 * Return: NR_PAGES pages of it.
 */
struct memory *nodes_memory(struct kunit *test, unsigned int seals)
{
	struct memory *mem = memory_shmem(test, NR_PAGES);

	SHMEM_I(file_inode(mem->file))->seals = seals;
	return mem;
}

/**
 * nodes_can_call() - tell whether there are such callers
 * @nodes: the nodes
 * @driver: whom they would call
 * @caller: the caller
 *
 * Return: true if there are.
 */
bool nodes_can_call(struct nodes *nodes, enum driver driver,
		    enum caller caller)
{
	return caller == NATIVE || (IS_ENABLED(CONFIG_COMPAT) &&
				    nodes->file[driver]->f_op->compat_ioctl);
}

/**
 * nodes_call() - call ioctl()
 * @nodes: the nodes
 * @driver: on whose node
 * @caller: as whom
 * @cmd: the call
 * @arg: where in user memory its argument is
 *
 * Return: what it returns.
 */
long nodes_call(struct nodes *nodes, enum driver driver, enum caller caller,
		unsigned int cmd, unsigned long arg)
{
	struct file *file = nodes->file[driver];

	if (caller == COMPAT)
		return file->f_op->compat_ioctl(file, cmd, arg);
	return file->f_op->unlocked_ioctl(file, cmd, arg);
}

/**
 * nodes_create() - call UDMABUF_CREATE
 * @test: the test
 * @driver: on whose node
 * @caller: as whom
 * @flags: the flags
 * @item: the range
 *
 * Return: a descriptor of the buffer, or an errno.
 */
long nodes_create(struct kunit *test, enum driver driver, enum caller caller,
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
	return nodes_call(nodes, driver, caller, UDMABUF_CREATE, nodes->user);
}

/**
 * nodes_create_list() - call UDMABUF_CREATE_LIST
 * @test: the test
 * @driver: on whose node
 * @caller: as whom
 * @flags: the flags
 * @items: the ranges
 * @nr_items: how many
 *
 * Return: a descriptor of the buffer, or an errno.
 */
long nodes_create_list(struct kunit *test, enum driver driver,
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
	return nodes_call(nodes, driver, caller, UDMABUF_CREATE_LIST,
			  nodes->user);
}

/**
 * nodes_close() - close a buffer's descriptor
 * @test: the test
 * @fd: the descriptor; if nobody else has the buffer, it is gone
 */
void nodes_close(struct kunit *test, long fd)
{
	struct dma_buf *dmabuf = dma_buf_get(fd);

	KUNIT_ASSERT_NOT_ERR_OR_NULL(test, dmabuf);
	KUNIT_EXPECT_EQ(test, 0, close_fd(fd));
	__fput_sync(dmabuf->file);
}

/**
 * nodes_try_param() - set a driver's module parameter, as root does
 * @test: the test
 * @driver: whose
 * @name: its name
 * @value: what is written
 *
 * Return: what write() returned.
 */
ssize_t nodes_try_param(struct kunit *test, enum driver driver,
			const char *name, const char *value)
{
	struct nodes *nodes = test->priv;
	char path[64];

	snprintf(path, sizeof(path), "module/%s/parameters/%s",
		 drivers[driver].module, name);
	return files_write(test, nodes->sysfs, path, value);
}

/**
 * nodes_set_param() - ... which must succeed
 * @test: the test
 * @driver: whose
 * @name: its name
 * @value: what is written
 */
void nodes_set_param(struct kunit *test, enum driver driver, const char *name,
		     const char *value)
{
	KUNIT_EXPECT_EQ(test, nodes_try_param(test, driver, name, value),
			strlen(value));
}
