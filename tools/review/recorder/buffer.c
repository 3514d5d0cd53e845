// SPDX-License-Identifier: GPL-2.0
/*
 * Buffers, made as user space makes them: an exporter is a node in /dev and what
 * its ioctls do. It must not know who maps them.
 */
#include <uapi/linux/dma-heap.h>
#include <linux/fdtable.h>
#include <linux/file.h>
#include <linux/fs.h>
#include <linux/iosys-map.h>
#include <linux/mm.h>
#include <linux/mman.h>
#include <linux/moduleparam.h>
#include <linux/mount.h>
#include <linux/pagemap.h>
#include <linux/shmem_fs.h>
#include <linux/uaccess.h>
#include <linux/udmabuf.h>
#include <linux/vmalloc.h>

#include "compat.h"
#include "recorder.h"

/* As many tries for a page. */
#define SPARES		16

struct buffer review_buffer;

static struct vfsmount *dev;

/**
 * buffer_init() - find the nodes
 *
 * Return: 0 or an errno.
 */
int buffer_init(void)
{
	struct file_system_type *type = get_fs_type("devtmpfs");

	if (!type)
		return -ENODEV;
	dev = kern_mount(type);
	return PTR_ERR_OR_ZERO(dev);
}

/*
 * An ioctl with its argument in user memory, which the current thread has.
 * Return: what it returns.
 */
static long call_node(struct file *file, unsigned int cmd, void *arg,
		      size_t size)
{
	unsigned long user;
	long ret;

	user = vm_mmap(NULL, 0, PAGE_SIZE, PROT_READ | PROT_WRITE,
		       MAP_PRIVATE | MAP_ANONYMOUS, 0);
	if (IS_ERR_VALUE(user))
		return user;
	if (copy_to_user((void __user *)user, arg, size)) {
		ret = -EFAULT;
	} else {
		ret = file->f_op->unlocked_ioctl(file, cmd, user);
		if (copy_from_user(arg, (void __user *)user, size))
			ret = -EFAULT;
	}
	vm_munmap(user, PAGE_SIZE);
	return ret;
}

static struct file *open_node(const char *name)
{
	return file_open_root_mnt(dev, name, O_RDWR, 0);
}

/* The buffer behind a descriptor, which is closed. */
static int take_descriptor(struct buffer *buffer, long fd)
{
	struct dma_buf *dmabuf;

	if (fd < 0)
		return fd;
	dmabuf = dma_buf_get(fd);
	close_fd(fd);
	if (IS_ERR(dmabuf))
		return PTR_ERR(dmabuf);
	buffer->dmabuf = dmabuf;
	return 0;
}

/*
 * Neighbours in the buffer are none in memory. An exporter may map those as one
 * entry, of which dma_capable() looks at the beginning only; that must not be
 * left to the page allocator.
 */
static bool has_neighbour(const struct buffer *buffer, unsigned int i)
{
	return (i && buffer->page[i - 1] &&
		buffer->page[i - 1] + PAGE_SIZE == buffer->page[i]) ||
	       (i + 1 < BUFFER_PAGES &&
		buffer->page[i + 1] == buffer->page[i] + PAGE_SIZE);
}

/* Page @k of @memfd, which is page @i of the buffer. */
static int choose_page(struct buffer *buffer, struct file *memfd,
		       unsigned int k, unsigned int i)
{
	struct page *spare[SPARES], *page;
	unsigned int nr = 0;
	int error = 0;

	for (;;) {
		page = shmem_read_mapping_page(memfd->f_mapping, k);
		if (IS_ERR(page)) {
			error = PTR_ERR(page);
			break;
		}
		buffer->page[i] = page_to_phys(page);
		put_page(page);
		if (!has_neighbour(buffer, i))
			break;
		/* Given back, and taken, for the memfd to get another. */
		shmem_truncate_range(file_inode(memfd),
				     (loff_t)k << PAGE_SHIFT,
				     ((loff_t)(k + 1) << PAGE_SHIFT) - 1);
		page = nr < SPARES ?
		       alloc_page(mapping_gfp_mask(memfd->f_mapping)) : NULL;
		if (!page) {
			error = -ENOMEM;
			break;
		}
		spare[nr++] = page;
	}
	while (nr)
		__free_page(spare[--nr]);
	return error;
}

static int make_memfd(struct buffer *buffer, unsigned int i,
		      unsigned int pages, unsigned int first)
{
	struct file *memfd = shmem_file_setup("memfd", pages << PAGE_SHIFT,
					      MEMORY_FLAGS);
	unsigned int k;
	int error, fd;

	if (IS_ERR(memfd))
		return PTR_ERR(memfd);
	buffer->memfd[i] = memfd;
	memfd->f_mode |= FMODE_LSEEK | FMODE_PREAD | FMODE_PWRITE;
	SHMEM_I(file_inode(memfd))->seals = F_SEAL_SHRINK;
	for (k = 0; k < pages; k++) {
		error = choose_page(buffer, memfd, k, first + k);
		if (error)
			return error;
	}
	fd = get_unused_fd_flags(0);
	if (fd >= 0)
		fd_install(fd, get_file(memfd));
	return fd;
}

/* udmabuf's ioctls, on any node that has them. */
static int make_of_memfds(struct buffer *buffer, const char *name, bool list)
{
	struct {
		struct udmabuf_create_list head;
		struct udmabuf_create_item item[2];
	} args = { .head.count = 2 };
	struct udmabuf_create one = {};
	unsigned int n = list ? 2 : 1, i;
	struct file *node = open_node(name);
	int error = 0;
	long ret = 0;

	if (IS_ERR(node))
		return PTR_ERR(node);
	for (i = 0; i < n && !error; i++) {
		int fd = make_memfd(buffer, i, BUFFER_PAGES / n,
				    i * (BUFFER_PAGES / n));

		if (fd < 0) {
			error = fd;
			n = i;
		}
		args.item[i].memfd = fd;
		args.item[i].size = BUFFER_SIZE / n;
	}
	if (!error && list) {
		ret = call_node(node, UDMABUF_CREATE_LIST, &args, sizeof(args));
	} else if (!error) {
		one.memfd = args.item[0].memfd;
		one.size = BUFFER_SIZE;
		ret = call_node(node, UDMABUF_CREATE, &one, sizeof(one));
	}
	for (i = 0; i < n; i++)
		close_fd(args.item[i].memfd);
	fput(node);
	return error ?: take_descriptor(buffer, ret);
}

static int make_of_heap(struct buffer *buffer, const char *name)
{
	struct dma_heap_allocation_data data = {
		.len = BUFFER_SIZE,
		.fd_flags = O_RDWR | O_CLOEXEC,
	};
	struct file *node = open_node(name);
	struct iosys_map map;
	struct page *page;
	unsigned int i;
	int error;
	long ret;

	if (IS_ERR(node))
		return PTR_ERR(node);
	ret = call_node(node, DMA_HEAP_IOCTL_ALLOC, &data, sizeof(data));
	fput(node);
	error = take_descriptor(buffer, ret ?: (long)data.fd);
	if (error)
		return error;
	error = dma_buf_vmap_unlocked(buffer->dmabuf, &map);
	if (error)
		return error;
	for (i = 0; i < BUFFER_PAGES; i++) {
		page = vmalloc_to_page(map.vaddr + i * PAGE_SIZE);
		buffer->page[i] = page_to_phys(page);
	}
	dma_buf_vunmap_unlocked(buffer->dmabuf, &map);
	return 0;
}

/**
 * buffer_make() - make a buffer
 * @buffer: filled in, whatever is returned; to be given to buffer_gone()
 * @exporter: which node
 * @list: of two memfds, one place in each; not of a heap
 * @neighbours: both places in one line of a cache
 *
 * Return: 0 or an errno.
 */
int buffer_make(struct buffer *buffer, const char *exporter, bool list,
		bool neighbours)
{
	bool heap = !strcmp(exporter, "system_heap");
	unsigned int p;
	int error;

	memset(buffer, 0, sizeof(*buffer));
	if (heap)
		error = list ? -EINVAL :
			make_of_heap(buffer, "dma_heap/system");
	else
		error = make_of_memfds(buffer, !strcmp(exporter, "fanout") ?
				       "udmabuf-fanout" : exporter, list);
	if (error)
		return error;
	buffer->offset[1] = neighbours ? sizeof(u64) : BUFFER_SIZE / 2;
	for (p = 0; p < PLACES; p++) {
		buffer->place[p] =
			phys_to_virt(buffer->page[buffer->offset[p] >>
						  PAGE_SHIFT] +
				     offset_in_page(buffer->offset[p]));
		WRITE_ONCE(*(u64 *)buffer->place[p], stamp_of(1));
	}
	return 0;
}

/**
 * buffer_sync() - call DMA_BUF_IOCTL_SYNC
 * @buffer: on which buffer
 * @flags: its flags
 *
 * Context: a thread that has user memory.
 * Return: what it returns.
 */
int buffer_sync(struct buffer *buffer, u64 flags)
{
	struct dma_buf_sync sync = { .flags = flags };

	return call_node(buffer->dmabuf->file, DMA_BUF_IOCTL_SYNC, &sync,
			 sizeof(sync));
}

/**
 * buffer_gone() - let go of a buffer
 * @buffer: the buffer; nobody has it mapped
 */
void buffer_gone(struct buffer *buffer)
{
	unsigned int i;

	if (buffer->dmabuf)
		__fput_sync(buffer->dmabuf->file);
	for (i = 0; i < ARRAY_SIZE(buffer->memfd); i++)
		if (buffer->memfd[i])
			__fput_sync(buffer->memfd[i]);
	memset(buffer, 0, sizeof(*buffer));
}
