// SPDX-License-Identifier: GPL-2.0
/*
 * A run's buffer: see buffers.h.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <linux/dma-heap.h>
#include <linux/mempolicy.h>
#include <linux/udmabuf.h>

#include "../edu/edu_importer.h"
#include "buffers.h"
#include "steps.h"

bool huge_memory;

int sealed_memfd(size_t bytes, unsigned int flags)
{
	int fd = memfd_create("rig", MFD_CLOEXEC | MFD_ALLOW_SEALING | flags);

	if (fd >= 0 && (ftruncate(fd, bytes) ||
			fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK))) {
		close(fd);
		fd = -1;
	}
	return fd;
}

static void make_memfd(struct run *r, unsigned int which, size_t bytes,
		       unsigned int flags)
{
	unsigned long low = LOW_NODE;
	size_t at;

	if (huge_memory)
		flags |= MFD_HUGETLB;
	r->memfds[which] = sealed_memfd(bytes, flags);
	if (r->memfds[which] < 0)
		broken(r, "memfd: %s", strerror(errno));
	r->memory[which] = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED,
				r->memfds[which], 0);
	if (r->memory[which] == MAP_FAILED)
		broken(r, "memfd mmap: %s", strerror(errno));
	if (r->made_of == PART_LOW &&
	    syscall(SYS_mbind, r->memory[which], bytes / 2, MPOL_BIND, &low,
		    sizeof(low) * 8, 0))
		broken(r, "mbind: %s", strerror(errno));
	/* What create allocates of hugetlb follows no policy. */
	for (at = 0; huge_memory && at < bytes; at += HUGE_PAGE)
		memset(r->memory[which] + at, 0, 1);
}

static int make_from_heap(struct run *r, int node)
{
	struct dma_heap_allocation_data req = {
		.len = r->pages * PAGE,
		.fd_flags = O_RDWR | O_CLOEXEC,
	};

	if (r->made_of != PAGES && r->made_of != HUGE_WHOLE)
		finish(r, "not applicable");
	return ioctl(node, DMA_HEAP_IOCTL_ALLOC, &req) ? -1 : (int)req.fd;
}

static int make_from_memfds(struct run *r, int node)
{
	struct {
		struct udmabuf_create_list head;
		struct udmabuf_create_item items[4];
	} list = { .head.flags = UDMABUF_FLAGS_CLOEXEC };
	struct udmabuf_create one = {
		.flags = UDMABUF_FLAGS_CLOEXEC,
		.size = r->pages * PAGE,
	};
	const size_t quarter = r->pages * PAGE / 4;
	unsigned int i;

	switch (r->made_of) {
	case TWO_MEMFDS:
		make_memfd(r, 0, 2 * quarter, 0);
		make_memfd(r, 1, 2 * quarter, 0);
		list.head.count = 4;
		for (i = 0; i < 4; i++) {
			list.items[i].memfd = r->memfds[i % 2];
			list.items[i].offset = i / 2 * quarter;
			list.items[i].size = quarter;
		}
		break;
	case SAME_TWICE:
		make_memfd(r, 0, 2 * quarter, 0);
		list.head.count = 2;
		for (i = 0; i < 2; i++) {
			list.items[i].memfd = r->memfds[0];
			list.items[i].size = 2 * quarter;
		}
		break;
	case HUGE_PART:
		make_memfd(r, 0, HUGE_PAGE, MFD_HUGETLB);
		one.offset = HUGE_PART_AT;
		break;
	case HUGE_WHOLE:
		make_memfd(r, 0, r->pages * PAGE, MFD_HUGETLB);
		break;
	default:
		make_memfd(r, 0, r->pages * PAGE, 0);
		/* Low and high pages: allocated now, by the mapping's policy. */
		if (r->made_of == PART_LOW)
			memset(r->memory[0], 0, r->pages * PAGE);
	}
	if (list.head.count)
		return ioctl(node, UDMABUF_CREATE_LIST, &list);
	one.memfd = r->memfds[0];
	return ioctl(node, UDMABUF_CREATE, &one);
}

/* Make sure that the memory lies where it has to. */
static void check_memory(struct run *r)
{
	struct edu_attach attach = { .device = D2, .dmabuf = r->dmabuf };
	struct edu_map map = { .direction = READS };

	if (all_bounced)
		return;
	if (ioctl(r->importer, EDU_ATTACH, &attach))
		broken(r, "attach of a direct device: %s", strerror(errno));
	map.attachment = attach.attachment;
	if (ioctl(r->importer, EDU_MAP, &map))
		broken(r, "map of a direct device: %s", strerror(errno));
	check_addresses(r, map.attachment, D2);
	if (ioctl(r->importer, EDU_UNMAP, &map) ||
	    ioctl(r->importer, EDU_DETACH, &attach))
		broken(r, "detach of a direct device: %s", strerror(errno));
}

/* Memfds of 2 MiB pages: one for each half of the buffer at least. */
static unsigned int pages_of(const struct run *r)
{
	switch (r->made_of) {
	case HUGE_PART:
		return BUFFER_PAGES;
	case HUGE_WHOLE:
		return 2 * HUGE_PAGE / PAGE;
	default:
		return huge_memory && !r->exporter->heap ?
		       2 * HUGE_PAGE / PAGE : BUFFER_PAGES;
	}
}

void make_buffer(struct run *r)
{
	int node = open(r->exporter->node, O_RDWR | O_CLOEXEC);

	if (node < 0)
		broken(r, "%s: %s", r->exporter->node, strerror(errno));
	r->importer = open("/dev/edu-importer", O_RDWR | O_CLOEXEC);
	if (r->importer < 0)
		broken(r, "/dev/edu-importer: %s", strerror(errno));
	r->pages = pages_of(r);
	step(r, "create");
	r->dmabuf = r->exporter->heap ? make_from_heap(r, node) :
					make_from_memfds(r, node);
	if (r->dmabuf < 0)
		refused(r, errno);
	close(node);
	step(r, "mmap");
	r->cpu = mmap(NULL, r->pages * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED,
		      r->dmabuf, 0);
	if (r->cpu == MAP_FAILED)
		refused(r, errno);
	check_memory(r);
	if (r->untouched)
		return;
	begin(r, DMA_BUF_SYNC_RW);
	cpu_put_at(r, 0, r->pages * PAGE, OLD);
	end(r, DMA_BUF_SYNC_RW);
}

void close_buffer(struct run *r)
{
	unsigned int i;

	for (i = 0; i < r->peer_count; i++)
		if (r->attachment[i] >= 0)
			leave(r, i);
	munmap(r->cpu, r->pages * PAGE);
	close(r->dmabuf);
}
