/* SPDX-License-Identifier: GPL-2.0 */
/*
 * One copy of some pages: its memory and its twin. Knows nothing of who uses it,
 * or of what is in it.
 */
#ifndef UDMABUF_FANOUT_COPY_H
#define UDMABUF_FANOUT_COPY_H

#include <linux/list.h>
#include <linux/mm.h>
#include <linux/types.h>

struct device;
struct page;

/**
 * enum copy_source - where a copy's memory comes from, and who can use it
 * @COPY_PAGES: the page allocator; mapped for each device that reaches it
 * @COPY_DEVICE_PAGES: dma_alloc_pages(), for one device
 * @COPY_COHERENT: dma_alloc_coherent(), for one device; it needs no sync
 */
enum copy_source {
	COPY_PAGES,
	COPY_DEVICE_PAGES,
	COPY_COHERENT,
};

/**
 * struct copy - a copy of some pages of the buffer
 * @node: its place among the shadow's copies
 * @users: its uses
 * @pgoff: where in the buffer they begin, in pages
 * @nr_pages: how many there are: a power of two, up to COPY_MAX_PAGES
 * @source: where its memory comes from
 * @snoops: all devices that use it do, or none does
 * @filled: it has been in step with the pages
 * @leaked: a device that went away may still use it; it is never freed
 * @nr_writers: how many of @users write
 * @vaddr: its memory
 * @dma: its address, if it is for one device
 * @twin: what @vaddr and the pages last agreed on; NULL before the first writer
 *
 * Owner: the shadow, whose lock protects it.
 */
struct copy {
	struct list_head node;
	struct list_head users;
	u32 pgoff;
	u32 nr_pages;
	enum copy_source source;
	bool snoops;
	bool filled;
	bool leaked;
	unsigned int nr_writers;
	void *vaddr;
	dma_addr_t dma;
	void *twin;
};

/* The largest copy: what the page allocator has in one piece, 2 MiB. */
#define COPY_MAX_PAGES	512U

/* ENOMEM is better than the OOM killer, also at the limit of a memory cgroup. */
#define COPY_GFP	(GFP_KERNEL_ACCOUNT | __GFP_NOWARN | __GFP_RETRY_MAYFAIL)

/* No parameter says as much. */
#define COPY_LIMIT_UNSET	ULONG_MAX

extern unsigned long copy_limit_pages;

struct copy *copy_create(struct device *dev, u32 pgoff, unsigned int *order);
void copy_destroy(struct copy *copy, struct device *dev);
int copy_add_twin(struct copy *copy);
void copy_free_twin(struct copy *copy);
struct page *copy_first_page(const struct copy *copy);

/**
 * copy_size() - a copy's size
 * @copy: the copy
 *
 * Context: any.
 * Return: the size in bytes; its twin, if it has one, has the same.
 */
static inline size_t copy_size(const struct copy *copy)
{
	return (size_t)copy->nr_pages << PAGE_SHIFT;
}

#endif /* UDMABUF_FANOUT_COPY_H */
