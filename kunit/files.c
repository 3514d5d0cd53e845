// SPDX-License-Identifier: GPL-2.0
/*
 * Files of the kernel. Nothing is mounted where tests run, so each test that
 * opens a file mounts its file system for itself.
 */
#include <kunit/test.h>
#include <linux/debugfs.h>
#include <linux/err.h>
#include <linux/fdtable.h>
#include <linux/file.h>
#include <linux/fs.h>
#include <linux/mount.h>
#include <linux/sched.h>
#include <linux/string.h>

#include "files.h"

KUNIT_DEFINE_ACTION_WRAPPER(unmount, kern_unmount, struct vfsmount *);

/**
 * files_mount() - mount a file system
 * @test: the test, which is skipped in kernels that do not have it
 * @type: the file system
 *
 * Return: the mount; gone when the test ends.
 */
struct vfsmount *files_mount(struct kunit *test, const char *type)
{
	struct file_system_type *fs = get_fs_type(type);
	struct vfsmount *mnt;

	if (!fs)
		kunit_skip(test, "no %s in this kernel", type);
	mnt = kern_mount(fs);
	KUNIT_ASSERT_NOT_ERR_OR_NULL(test, mnt);
	KUNIT_ASSERT_EQ(test, 0, kunit_add_action_or_reset(test, unmount, mnt));
	return mnt;
}

/**
 * files_open() - open a file
 * @mnt: where files_mount() put its file system
 * @name: its path there
 * @flags: of open()
 *
 * Return: the file, to be put with __fput_sync(), or an errno.
 */
struct file *files_open(struct vfsmount *mnt, const char *name, int flags)
{
	return file_open_root_mnt(mnt, name, flags, 0);
}

/**
 * files_write() - write a text to a file, as echo does
 * @test: the test, which fails if there is no such file
 * @mnt: where files_mount() put its file system
 * @name: its path there
 * @text: the text
 *
 * Return: what write() returned.
 */
ssize_t files_write(struct kunit *test, struct vfsmount *mnt, const char *name,
		    const char *text)
{
	struct file *file = files_open(mnt, name, O_WRONLY);
	loff_t pos = 0;
	ssize_t ret;

	KUNIT_ASSERT_NOT_ERR_OR_NULL_MSG(test, file, "%s", name);
	ret = kernel_write(file, text, strlen(text), &pos);
	__fput_sync(file);
	return ret;
}

/**
 * files_debugfs_value() - find what a debugfs file of one value shows
 * @dir: the folder, at the top of debugfs
 * @name: the file
 *
 * Return: the value, whose type the caller knows; NULL if there is no such
 * file.
 */
void *files_debugfs_value(const char *dir, const char *name)
{
	struct dentry *folder = debugfs_lookup(dir, NULL);
	struct dentry *file;
	void *value;

	/* An errno in a kernel without debugfs. */
	if (IS_ERR_OR_NULL(folder))
		return NULL;
	file = debugfs_lookup(name, folder);
	value = file ? d_inode(file)->i_private : NULL;
	dput(file);
	dput(folder);
	return value;
}

static int count_file(const void *count, struct file *file, unsigned int fd)
{
	++*(unsigned int *)count;
	return 0;
}

/**
 * files_descriptors() - count the descriptors of the current thread's table
 *
 * Return: how many are open.
 */
unsigned int files_descriptors(void)
{
	unsigned int count = 0;

	iterate_fd(current->files, 0, count_file, &count);
	return count;
}
