// SPDX-License-Identifier: GPL-2.0
/*
 * Seals of memfds: which are respected, and that none slips in between the check
 * and the pins, or afterwards.
 *
 * Would miss: what a seal does to a memfd, which is the kernel's.
 */
#include <kunit/static_stub.h>
#include <kunit/test.h>
#include <linux/completion.h>
#include <linux/falloc.h>
#include <linux/file.h>
#include <linux/fs.h>
#include <linux/kthread.h>
#include <linux/memfd.h>
#include <linux/mman.h>
#include <linux/mm.h>
#include <linux/rwsem.h>
#include <linux/shmem_fs.h>
#include <linux/uaccess.h>
#include <linux/udmabuf.h>

#include "../driver/bindings/bindings.h"
#include "memory.h"
#include "nodes.h"

/**
 * struct sealer - a thread that seals while the driver pins
 * @file: the memfd
 * @thread: the thread
 * @done: it is done
 * @error: what adding the seal came to
 * @seen: the pinning was seen with the lock held and the seal kept waiting
 */
struct sealer {
	struct file *file;
	struct task_struct *thread;
	struct completion done;
	long error;
	bool seen;
};

static struct sealer sealer;

static int add_seal(void *unused)
{
	sealer.error = memfd_fcntl(sealer.file, F_ADD_SEALS, F_SEAL_WRITE);
	complete(&sealer.done);
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
	wake_up_process(sealer.thread);
	/* Until the thread waits for the lock, or has got it. */
	while (!rwsem_is_contended(lock) && !completion_done(&sealer.done) &&
	       time_before(jiffies, deadline))
		schedule_timeout_uninterruptible(1);
	sealer.seen = !exclusive && rwsem_is_contended(lock) &&
		      !completion_done(&sealer.done);

	return memfd_pin_folios(memfd, start, end, folios, max_folios, offset);
}

/*
 * A seal that is added while a buffer is made comes after its pins, and fails
 * for them: between the check and the pins, the inode lock keeps it waiting.
 */
static void racing_seal_cannot_slip_in(struct kunit *test)
{
	struct memory *mem = nodes_memory(test, F_SEAL_SHRINK);
	struct udmabuf_create_item item = memory_item(mem, 0, NR_PAGES);
	long fd;

	sealer = (struct sealer) { .file = mem->file };
	init_completion(&sealer.done);
	sealer.thread = kthread_create(add_seal, NULL, "sealer");
	KUNIT_ASSERT_NOT_ERR_OR_NULL(test, sealer.thread);
	kunit_activate_static_stub(test, bindings_memfd_pin_folios,
				   pin_while_sealed);

	fd = nodes_create(test, FANOUT, NATIVE, 0, &item);
	if (fd < 0)
		wake_up_process(sealer.thread);
	wait_for_completion(&sealer.done);
	KUNIT_ASSERT_GE(test, fd, 0);
	KUNIT_EXPECT_TRUE(test, sealer.seen);
	KUNIT_EXPECT_EQ(test, sealer.error, -EBUSY);
	KUNIT_EXPECT_EQ(test, memfd_fcntl(mem->file, F_GET_SEALS, 0),
			F_SEAL_SHRINK);
	nodes_close(test, fd);
}

/* A seal that was there first is respected, and no buffer is made. */
static void a_seal_that_was_first_wins(struct kunit *test)
{
	struct memory *mem = nodes_memory(test, F_SEAL_SHRINK);
	struct udmabuf_create_item item = memory_item(mem, 0, NR_PAGES);
	enum driver driver;

	KUNIT_ASSERT_EQ(test, 0, memfd_fcntl(mem->file, F_ADD_SEALS,
					     F_SEAL_WRITE));
	for (driver = 0; driver < NR_DRIVERS; driver++)
		KUNIT_EXPECT_EQ(test, -EINVAL,
				nodes_create(test, driver, NATIVE, 0, &item));
}

/*
 * What is done to the memfd afterwards does not reach the buffer. The memory
 * cannot be sealed against writing; it can be against future writes, which
 * those through the buffer are not; and a hole takes pages from the memfd only.
 */
static void a_buffer_is_not_sealed_later(struct kunit *test)
{
	struct memory *mem = nodes_memory(test, F_SEAL_SHRINK);
	struct udmabuf_create_item item = memory_item(mem, 0, NR_PAGES);
	enum driver driver;
	unsigned long user;
	struct fd buffer;
	u64 value = 42;
	long fd;

	for (driver = 0; driver < NR_DRIVERS; driver++) {
		SHMEM_I(file_inode(mem->file))->seals = F_SEAL_SHRINK;
		fd = nodes_create(test, driver, NATIVE, 0, &item);
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
		nodes_close(test, fd);
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
		fd = nodes_create(test, driver, NATIVE, 0, &item);
		KUNIT_ASSERT_GE(test, fd, 0);
		nodes_close(test, fd);
	}
	KUNIT_ASSERT_EQ(test, 0, memfd_fcntl(mem->file, F_ADD_SEALS,
					     F_SEAL_FUTURE_WRITE));
	for (driver = 0; driver < NR_DRIVERS; driver++)
		KUNIT_EXPECT_EQ(test, -EINVAL,
				nodes_create(test, driver, NATIVE, 0, &item));
}

static struct kunit_case seals_cases[] = {
	KUNIT_CASE(racing_seal_cannot_slip_in),
	KUNIT_CASE(a_seal_that_was_first_wins),
	KUNIT_CASE(a_buffer_is_not_sealed_later),
	KUNIT_CASE(seals_of_hugetlbfs_files_count),
	{ }
};

static struct kunit_suite seals_suite = {
	.name = "udmabuf_fanout_seals",
	.init = nodes_init,
	.test_cases = seals_cases,
};

kunit_test_suite(seals_suite);
