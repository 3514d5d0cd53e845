/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Pages of a memfd with copies, and fake devices that use these, through the
 * interface of driver/shadow.h alone: no dma-buf, no mapping, no plan.
 *
 *	struct fake_device *cam = remote_device(test, "cam", FAKE_COHERENT);
 *	struct shadowed *s = shadowed(test, 8);
 *	struct use *use = use_all(test, s, cam, DMA_BIDIRECTIONAL);
 *
 *	shadow_push(&s->shadow);
 *	use_store(cam, use, 3, 33);
 *	shadow_fetch(&s->shadow);
 *	KUNIT_EXPECT_EQ(test, 33, memory_get(s->mem, 3));
 */
#ifndef UDMABUF_FANOUT_SHADOWED_H
#define UDMABUF_FANOUT_SHADOWED_H

#include <linux/dma-direction.h>
#include <linux/scatterlist.h>
#include <linux/types.h>

#include "../driver/memfd.h"
#include "../driver/shadow.h"
#include "fake_device.h"

struct memory;

#define MAX_USES	8

/**
 * struct use - a device's uses, as a mapping has them
 * @uses: the uses; empty if there are none
 * @sgt: a table of them, for the fake
 */
struct use {
	struct list_head uses;
	struct sg_table sgt;
};

/**
 * struct shadowed - pages, their copies and who uses them
 * @mem: the memfd; its pages bear stamps
 * @extents: the same as extents
 * @shadow: its copies
 * @use: who uses them
 * @nr: how many @use there are
 * @max: what copy_limit_pages was
 */
struct shadowed {
	struct memory *mem;
	struct extents extents;
	struct shadow shadow;
	struct use use[MAX_USES];
	unsigned int nr;
	unsigned long max;
};

struct fake_device *remote_device(struct kunit *test, const char *name,
				  enum fake_kind kind);
struct shadowed *shadowed(struct kunit *test, u32 nr_pages);
void shadowed_end(struct kunit *test, struct shadowed *s,
		  struct fake_device *one, struct fake_device *two);

struct use *use_new(struct kunit *test, struct shadowed *s);
struct use *use_part(struct kunit *test, struct shadowed *s,
		     struct fake_device *fake, enum dma_data_direction dir,
		     u32 pgoff, u32 nr_pages);
struct use *use_all(struct kunit *test, struct shadowed *s,
		    struct fake_device *fake, enum dma_data_direction dir);
void use_drop(struct shadowed *s, struct use *use);
struct copy *use_copy(struct use *use);
void use_store(struct fake_device *fake, struct use *use, u32 page, u64 value);
u64 use_load(struct fake_device *fake, struct use *use, u32 page);

void check_copies(struct kunit *test, struct shadowed *s);
void check_cover(struct kunit *test, struct use *use, u32 pgoff, u32 nr_pages);
void expect_no_copies(struct kunit *test, struct shadowed *s);

#endif /* UDMABUF_FANOUT_SHADOWED_H */
