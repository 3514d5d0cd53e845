/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The device nodes, ours and the stock driver's, called as a process calls them.
 *
 *	struct memory *mem = nodes_memory(test, F_SEAL_SHRINK);
 *	struct udmabuf_create_item item = memory_item(mem, 0, NR_PAGES);
 *	long fd = nodes_create(test, FANOUT, NATIVE, 0, &item);
 *
 *	KUNIT_ASSERT_GE(test, fd, 0);
 *	nodes_close(test, fd);
 */
#ifndef UDMABUF_FANOUT_NODES_H
#define UDMABUF_FANOUT_NODES_H

#include <linux/sizes.h>
#include <linux/types.h>
#include <linux/udmabuf.h>

struct file;
struct kunit;
struct memory;
struct vfsmount;

/* Low, so that 32-bit callers can have it. */
#define USER_ADDR	0x20000000UL
#define USER_SIZE	SZ_64K

/* The size of the memory that most calls are about. */
#define NR_PAGES	8

enum driver {
	FANOUT,
	STOCK,
	NR_DRIVERS,
};

enum caller {
	NATIVE,
	COMPAT,
	NR_CALLERS,
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

int nodes_init(struct kunit *test);
const char *nodes_name(enum driver driver);

struct memory *nodes_memory(struct kunit *test, unsigned int seals);
bool nodes_can_call(struct nodes *nodes, enum driver driver,
		    enum caller caller);
long nodes_call(struct nodes *nodes, enum driver driver, enum caller caller,
		unsigned int cmd, unsigned long arg);
long nodes_create(struct kunit *test, enum driver driver, enum caller caller,
		  u32 flags, const struct udmabuf_create_item *item);
long nodes_create_list(struct kunit *test, enum driver driver,
		       enum caller caller, u32 flags,
		       const struct udmabuf_create_item *items, u32 nr_items);
void nodes_close(struct kunit *test, long fd);

ssize_t nodes_try_param(struct kunit *test, enum driver driver,
			const char *name, const char *value);
void nodes_set_param(struct kunit *test, enum driver driver, const char *name,
		     const char *value);

#endif /* UDMABUF_FANOUT_NODES_H */
