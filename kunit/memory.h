/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Memory for suites: memfds of every page size, buffers made of them, and what
 * the kernel counts about their pages. Nothing here goes through the driver but
 * memory_buffer().
 *
 *	struct memory *mem = memory_shmem(test, 16);
 *	struct udmabuf_create_item item = memory_item(mem, 0, 16);
 *	struct dma_buf *dmabuf = memory_buffer(test, &item, 1);
 *
 * All of it is undone when the test ends, and a suite whose init calls
 * memory_watch_pins() fails each test that leaves a pin behind.
 */
#ifndef UDMABUF_FANOUT_MEMORY_H
#define UDMABUF_FANOUT_MEMORY_H

#include <linux/types.h>
#include <linux/udmabuf.h>

struct dma_buf;
struct file;
struct folio;
struct kunit;
struct mem_cgroup;
struct page;

/**
 * struct memory - a memfd, sealed against shrinking
 * @file: the file
 * @fd: a descriptor of it, in the table that all of KUnit's threads share
 * @nr_pages: its size
 */
struct memory {
	struct file *file;
	int fd;
	u32 nr_pages;
};

struct memory *memory_shmem(struct kunit *test, u32 nr_pages);
struct memory *memory_hugetlb(struct kunit *test, u32 nr_huge_pages);
struct memory *memory_hugetlb_untouched(struct kunit *test, u32 nr_huge_pages);
struct memory *memory_hugetlb_most(struct kunit *test, u32 most);
struct memory *memory_thp(struct kunit *test, u32 nr_huge_pages);
struct memory *memory_of_file(struct kunit *test, struct file *file,
			      u32 nr_pages);

struct udmabuf_create_item memory_item(const struct memory *mem, u32 first,
				       u32 nr_pages);
u64 memory_stamp(const struct memory *mem, u32 page);
void memory_fill(struct kunit *test, struct memory *mem);
void memory_set(struct memory *mem, u32 page, u64 value);
u64 memory_get(struct memory *mem, u32 page);
unsigned long memory_pfn(struct memory *mem, u32 page);
void memory_drop(struct kunit *test, struct memory *mem);

unsigned long memory_block(struct kunit *test, unsigned int order);
bool memory_is_block(const struct page *page);

struct dma_buf *memory_buffer(struct kunit *test,
			      const struct udmabuf_create_item *items,
			      u32 nr_items);
void memory_put_buffer(struct kunit *test, struct dma_buf *dmabuf);

unsigned int memory_folio_pins(struct folio *folio);
long memory_pins(void);
long memory_slab(void);
struct mem_cgroup *memory_cgroup(struct kunit *test, const char *limit);
void memory_watch_pins(struct kunit *test);

#endif /* UDMABUF_FANOUT_MEMORY_H */
