/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Files of the kernel, as a process opens them: device nodes, module
 * parameters, debugfs.
 */
#ifndef UDMABUF_FANOUT_FILES_H
#define UDMABUF_FANOUT_FILES_H

#include <linux/types.h>

struct file;
struct kunit;
struct vfsmount;

struct vfsmount *files_mount(struct kunit *test, const char *type);
struct file *files_open(struct vfsmount *mnt, const char *name, int flags);
ssize_t files_write(struct kunit *test, struct vfsmount *mnt, const char *name,
		    const char *text);
void *files_debugfs_value(const char *dir, const char *name);
unsigned int files_descriptors(void);

#endif /* UDMABUF_FANOUT_FILES_H */
