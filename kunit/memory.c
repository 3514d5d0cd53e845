// SPDX-License-Identifier: GPL-2.0
/*
 * Memory for suites. A kernel thread's last fput() is deferred, so files are
 * put with __fput_sync(), and what the driver puts itself is waited for.
 */
#include <kunit/static_stub.h>
#include <kunit/test.h>
#include <linux/cgroup.h>
#include <linux/delay.h>
#include <linux/dma-buf.h>
#include <linux/err.h>
#include <linux/fdtable.h>
#include <linux/file.h>
#include <linux/fs.h>
#include <linux/fs_context.h>
#include <linux/highmem.h>
#include <linux/hugetlb.h>
#include <linux/memcontrol.h>
#include <linux/memfd.h>
#include <linux/mm.h>
#include <linux/mount.h>
#include <linux/pagemap.h>
#include <linux/shmem_fs.h>
#include <linux/vmstat.h>

#include "../driver/bindings/bindings.h"
#include "../driver/buffer.h"
#include "../driver/debugfs.h"
#include "compat.h"
#include "files.h"
#include "memory.h"

KUNIT_DEFINE_ACTION_WRAPPER(put_file, __fput_sync, struct file *);
KUNIT_DEFINE_ACTION_WRAPPER(unmount, kern_unmount, struct vfsmount *);

static void put_fd(void *fd)
{
	close_fd((long)fd);
}

/**
 * memory_of_file() - give a file a descriptor
 * @test: the test; it owns @file from now on
 * @file: any file
 * @nr_pages: its size
 *
 * Return: the file as memory.
 */
struct memory *memory_of_file(struct kunit *test, struct file *file,
			      u32 nr_pages)
{
	struct memory *mem;
	int fd;

	KUNIT_ASSERT_NOT_ERR_OR_NULL(test, file);
	KUNIT_ASSERT_EQ(test, 0,
			kunit_add_action_or_reset(test, put_file, file));
	mem = kunit_kzalloc(test, sizeof(*mem), GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, mem);

	fd = get_unused_fd_flags(O_CLOEXEC);
	KUNIT_ASSERT_GE(test, fd, 0);
	fd_install(fd, get_file(file));
	KUNIT_ASSERT_EQ(test, 0, kunit_add_action_or_reset(test, put_fd,
							   (void *)(long)fd));
	*mem = (struct memory) {
		.file = file,
		.fd = fd,
		.nr_pages = nr_pages,
	};
	return mem;
}

/* As memfd_create(MFD_ALLOW_SEALING) and F_ADD_SEALS do. */
static struct memory *shmem_memory(struct kunit *test, struct file *file,
				   u32 nr_pages)
{
	struct memory *mem = memory_of_file(test, file, nr_pages);

	SHMEM_I(file_inode(file))->seals = F_SEAL_SHRINK;
	return mem;
}

/**
 * memory_shmem() - make a memfd of ordinary pages, all holes
 * @test: the test
 * @nr_pages: its size
 *
 * Return: the memfd.
 */
struct memory *memory_shmem(struct kunit *test, u32 nr_pages)
{
	return shmem_memory(test,
			    shmem_file_setup("memory",
					     (loff_t)nr_pages << PAGE_SHIFT,
					     MEMORY_NORESERVE),
			    nr_pages);
}

#ifdef CONFIG_HUGETLBFS
static void seal_hugetlb(struct file *file)
{
	HUGETLBFS_I(file_inode(file))->seals = F_SEAL_SHRINK;
}
#else
static void seal_hugetlb(struct file *file)
{
}
#endif

/**
 * memory_hugetlb_untouched() - make a memfd of hugetlb pages as programs do
 * @test: the test, which is skipped where there are none
 * @nr_huge_pages: how many
 *
 * Nothing is reserved, as with memfd_create(), and nothing allocated.
 *
 * Return: the memfd.
 */
struct memory *memory_hugetlb_untouched(struct kunit *test, u32 nr_huge_pages)
{
	struct file *file =
		hugetlb_file_setup("memory", (size_t)nr_huge_pages << PMD_SHIFT,
				   MEMORY_NORESERVE, HUGETLB_ANONHUGE_INODE, 0);

	if (IS_ERR(file))
		kunit_skip(test, "no hugetlb pages in this kernel: %pe", file);
	seal_hugetlb(file);
	return memory_of_file(test, file, nr_huge_pages << PMD_ORDER);
}

static struct file *hugetlb_file(u32 nr_huge_pages)
{
	return hugetlb_file_setup("memory", (size_t)nr_huge_pages << PMD_SHIFT,
				  MEMORY_NO_FLAGS, HUGETLB_ANONHUGE_INODE, 0);
}

/**
 * memory_hugetlb() - make a memfd of hugetlb pages
 * @test: the test, which is skipped where there are not enough of them
 * @nr_huge_pages: how many
 *
 * Return: the memfd.
 */
struct memory *memory_hugetlb(struct kunit *test, u32 nr_huge_pages)
{
	struct file *file = hugetlb_file(nr_huge_pages);

	if (IS_ERR(file))
		kunit_skip(test, "no %u free hugetlb pages in this kernel: %pe",
			   nr_huge_pages, file);
	seal_hugetlb(file);
	return memory_of_file(test, file, nr_huge_pages << PMD_ORDER);
}

/**
 * memory_hugetlb_most() - make a memfd of as many hugetlb pages as there are
 * @test: the test, which is skipped where there are none
 * @most: the most it needs
 *
 * Return: the memfd.
 */
struct memory *memory_hugetlb_most(struct kunit *test, u32 most)
{
	struct file *file;

	for (; most > 1; most--) {
		file = hugetlb_file(most);
		if (!IS_ERR(file)) {
			__fput_sync(file);
			break;
		}
	}
	return memory_hugetlb(test, most);
}

/**
 * memory_thp() - make a memfd of transparent huge pages
 * @test: the test, which is skipped where there are none
 * @nr_huge_pages: how many
 *
 * Return: the memfd.
 */
struct memory *memory_thp(struct kunit *test, u32 nr_huge_pages)
{
	u32 nr_pages = nr_huge_pages << PMD_ORDER;
	char options[] = "huge=always";
	struct file_system_type *type;
	struct vfsmount *mnt;

	if (!IS_ENABLED(CONFIG_TRANSPARENT_HUGEPAGE))
		kunit_skip(test, "no transparent huge pages in this kernel");

	type = get_fs_type("tmpfs");
	KUNIT_ASSERT_NOT_NULL(test, type);
	mnt = vfs_kern_mount(type, SB_KERNMOUNT, type->name, options);
	KUNIT_ASSERT_NOT_ERR_OR_NULL(test, mnt);
	KUNIT_ASSERT_EQ(test, 0, kunit_add_action_or_reset(test, unmount, mnt));
	return shmem_memory(test,
			    shmem_file_setup_with_mnt(mnt, "memory",
						      (loff_t)nr_pages <<
						      PAGE_SHIFT,
						      MEMORY_NORESERVE),
			    nr_pages);
}

/**
 * memory_item() - name a range of a memfd, as user space does
 * @mem: the memfd
 * @first: the first page
 * @nr_pages: how many
 *
 * Return: the item.
 */
struct udmabuf_create_item memory_item(const struct memory *mem, u32 first,
				       u32 nr_pages)
{
	return (struct udmabuf_create_item) {
		.memfd = mem->fd,
		.offset = (u64)first << PAGE_SHIFT,
		.size = (u64)nr_pages << PAGE_SHIFT,
	};
}

/**
 * memory_stamp() - what memory_fill() writes to a page
 * @mem: the memfd
 * @page: the page
 *
 * Return: a value that no other page of the test has.
 */
u64 memory_stamp(const struct memory *mem, u32 page)
{
	return (u64)(mem->fd + 1) << 32 | page;
}

static struct page *page_of(struct memory *mem, u32 page)
{
	struct folio *folio = filemap_get_folio(mem->file->f_mapping, page);

	return IS_ERR(folio) ? NULL : folio_file_page(folio, page);
}

/**
 * memory_set() - write the first eight bytes of a page that is there
 * @mem: the memfd
 * @page: the page
 * @value: what to write
 */
void memory_set(struct memory *mem, u32 page, u64 value)
{
	struct page *at = page_of(mem, page);
	u64 *data = kmap_local_page(at);

	*data = value;
	kunmap_local(data);
	put_page(at);
}

/**
 * memory_get() - read the first eight bytes of a page that is there
 * @mem: the memfd
 * @page: the page
 *
 * Return: what stands there.
 */
u64 memory_get(struct memory *mem, u32 page)
{
	struct page *at = page_of(mem, page);
	u64 *data = kmap_local_page(at), value = *data;

	kunmap_local(data);
	put_page(at);
	return value;
}

/**
 * memory_fill() - allocate all pages of a memfd and stamp them
 * @test: the test
 * @mem: the memfd
 */
void memory_fill(struct kunit *test, struct memory *mem)
{
	struct folio *folio;
	pgoff_t offset;
	u32 page = 0;
	long nr;

	while (page < mem->nr_pages) {
		nr = memfd_pin_folios(mem->file, (loff_t)page << PAGE_SHIFT,
				      ((loff_t)mem->nr_pages << PAGE_SHIFT) - 1,
				      &folio, 1, &offset);
		KUNIT_ASSERT_EQ(test, nr, 1);
		page += folio_nr_pages(folio);
		unpin_folio(folio);
	}
	for (page = 0; page < mem->nr_pages; page++)
		memory_set(mem, page, memory_stamp(mem, page));
}

/**
 * memory_pfn() - tell where a page is
 * @mem: the memfd
 * @page: the page
 *
 * Return: its page frame; 0 for a hole.
 */
unsigned long memory_pfn(struct memory *mem, u32 page)
{
	struct page *at = page_of(mem, page);
	unsigned long pfn = at ? page_to_pfn(at) : 0;

	if (at)
		put_page(at);
	return pfn;
}

/**
 * memory_drop() - close a memfd's descriptor and drop the file
 * @test: the test
 * @mem: the memfd; if nobody else has it, its inode is gone after this
 */
void memory_drop(struct kunit *test, struct memory *mem)
{
	kunit_release_action(test, put_fd, (void *)(long)mem->fd);
	kunit_release_action(test, put_file, mem->file);
}

static struct page *block;
static unsigned int block_order;

/**
 * memory_is_block() - tell whether a page is one of memory_block()
 * @page: the page
 *
 * Return: true if it is.
 */
bool memory_is_block(const struct page *page)
{
	return block && page >= block && page < block + BIT(block_order);
}

static long pin_block(struct file *memfd, loff_t start, loff_t end,
		      struct folio **folios, unsigned int max_folios,
		      unsigned long *offset)
{
	u32 i, nr = (end + 1 - start) >> PAGE_SHIFT;

	*offset = 0;
	for (i = 0; i < nr; i++)
		folios[i] = page_folio(block + (start >> PAGE_SHIFT) + i);
	return nr;
}

static void unpin_block(struct folio *folio)
{
}

struct free_block {
	struct page *pages;
	unsigned int order;
};

static void free_block(void *data)
{
	struct free_block *free = data;
	u32 i;

	for (i = 0; i < BIT(free->order); i++)
		__free_page(free->pages + i);
	if (block == free->pages)
		block = NULL;
}

/**
 * memory_block() - have pages that lie side by side pinned instead of a memfd's
 * @test: the test
 * @order: how many, as a power of two; at least as many as the memfd has
 *
 * Where a memfd's pages lie is luck. Page n of any memfd that the driver pins in
 * this test is page n of the block; put the buffers before the test ends.
 *
 * Return: the first page frame.
 */
unsigned long memory_block(struct kunit *test, unsigned int order)
{
	struct free_block *free = kunit_kzalloc(test, sizeof(*free),
						GFP_KERNEL);

	KUNIT_ASSERT_NOT_NULL(test, free);
	block = alloc_pages(GFP_KERNEL | __GFP_ZERO, order);
	KUNIT_ASSERT_NOT_NULL(test, block);
	block_order = order;
	split_page(block, order);
	free->pages = block;
	free->order = order;
	KUNIT_ASSERT_EQ(test, 0,
			kunit_add_action_or_reset(test, free_block, free));
	kunit_activate_static_stub(test, bindings_memfd_pin_folios, pin_block);
	kunit_activate_static_stub(test, bindings_unpin_folio, unpin_block);
	return page_to_pfn(block);
}

/**
 * memory_buffer() - make a buffer of ours
 * @test: the test
 * @items: the ranges
 * @nr_items: how many
 *
 * Return: the dma-buf. The test owns it; memory_put_buffer() ends that.
 */
struct dma_buf *memory_buffer(struct kunit *test,
			      const struct udmabuf_create_item *items,
			      u32 nr_items)
{
	struct dma_buf *dmabuf = fanout_buffer_export(items, nr_items, U32_MAX);

	KUNIT_ASSERT_NOT_ERR_OR_NULL(test, dmabuf);
	KUNIT_ASSERT_EQ(test, 0,
			kunit_add_action_or_reset(test, put_file,
						  dmabuf->file));
	/* No folder: its debugfs file is at the top. */
	fanout_debugfs_add(dmabuf, NULL);
	return dmabuf;
}

/**
 * memory_put_buffer() - give the test's reference to a buffer back
 * @test: the test
 * @dmabuf: what memory_buffer() made; if nobody else has it, it is released
 *	before this returns
 */
void memory_put_buffer(struct kunit *test, struct dma_buf *dmabuf)
{
	kunit_release_action(test, put_file, dmabuf->file);
}

/**
 * memory_folio_pins() - count the pins of a folio
 * @folio: the folio
 *
 * Return: how many it has.
 */
unsigned int memory_folio_pins(struct folio *folio)
{
	if (folio_test_large(folio))
		return atomic_read(&folio->_pincount);
	return folio_ref_count(folio) / GUP_PIN_COUNTING_BIAS;
}

/* Counts stay with their CPU for a while. */
static long count_all(enum node_stat_item item)
{
	long count = global_node_page_state_pages(item);
	struct pglist_data *node;
	unsigned int cpu;

	for_each_online_pgdat(node)
		for_each_online_cpu(cpu)
			count += per_cpu_ptr(node->per_cpu_nodestats,
					     cpu)->vm_node_stat_diff[item];
	return count;
}

/**
 * memory_pins() - count all pins of the system
 *
 * Return: how many there are.
 */
long memory_pins(void)
{
	long pins = LONG_MIN, before;

	/* Until no CPU has handed on what it had meanwhile. */
	do {
		before = pins;
		pins = count_all(NR_FOLL_PIN_ACQUIRED) -
		       count_all(NR_FOLL_PIN_RELEASED);
	} while (pins != before);
	return pins;
}

/**
 * memory_slab() - count what the kernel has allocated for itself
 *
 * Return: pages of kmalloc() and of what is not given back under pressure.
 */
long memory_slab(void)
{
	rcu_barrier();
	return count_all(NR_SLAB_UNRECLAIMABLE_B);
}

#ifdef CONFIG_MEMCG
static void remove_cgroup(void *context)
{
	struct dentry *dentry = ((struct file *)context)->f_path.dentry;
	struct inode *dir = d_inode(dentry->d_parent);

	inode_lock(dir);
	dir->i_op->rmdir(dir, dentry);
	inode_unlock(dir);
}

KUNIT_DEFINE_ACTION_WRAPPER(put_css, css_put, struct cgroup_subsys_state *);

/**
 * memory_cgroup() - make a memory cgroup with a limit
 * @test: the test, which is skipped in kernels that have none
 * @limit: its memory.max
 *
 * Return: the cgroup, for set_active_memcg(); it is gone when the test ends.
 */
struct mem_cgroup *memory_cgroup(struct kunit *test, const char *limit)
{
	struct vfsmount *mnt = files_mount(test, "cgroup2");
	struct inode *dir = d_inode(mnt->mnt_root);
	struct cgroup_subsys_state *css;
	struct dentry *dentry;
	struct file *file;

	KUNIT_ASSERT_GT(test, files_write(test, mnt, "cgroup.subtree_control",
					  "+memory"), 0);
	/* What it returns differs between kernels; open() tells. */
	dentry = d_alloc_name(mnt->mnt_root, "fanout");
	KUNIT_ASSERT_NOT_NULL(test, dentry);
	inode_lock(dir);
	dir->i_op->mkdir(&nop_mnt_idmap, dir, dentry, 0755);
	inode_unlock(dir);
	dput(dentry);
	file = files_open(mnt, "fanout", O_RDONLY | O_DIRECTORY);
	KUNIT_ASSERT_NOT_ERR_OR_NULL(test, file);
	KUNIT_ASSERT_EQ(test, 0,
			kunit_add_action_or_reset(test, put_file, file));
	KUNIT_ASSERT_EQ(test, 0,
			kunit_add_action_or_reset(test, remove_cgroup, file));
	KUNIT_ASSERT_GT(test, files_write(test, mnt, "fanout/memory.max", limit),
			0);
	css = css_tryget_online_from_dir(file->f_path.dentry,
					 &memory_cgrp_subsys);
	KUNIT_ASSERT_NOT_ERR_OR_NULL(test, css);
	KUNIT_ASSERT_EQ(test, 0, kunit_add_action_or_reset(test, put_css, css));
	return mem_cgroup_from_css(css);
}
#else
struct mem_cgroup *memory_cgroup(struct kunit *test, const char *limit)
{
	kunit_skip(test, "needs CONFIG_MEMCG");
}
#endif

struct pin_watch {
	struct kunit *test;
	long before;
};

static void check_pins(void *context)
{
	unsigned long deadline = jiffies + 5 * HZ;
	struct pin_watch *watch = context;

	/* The driver's own puts, and those of the test's memory map. */
	flush_delayed_fput();
	while (memory_pins() != watch->before && time_before(jiffies, deadline))
		msleep(20);
	KUNIT_EXPECT_EQ_MSG(watch->test, memory_pins(), watch->before,
			    "the test did not give every pin back");
}

/**
 * memory_watch_pins() - fail a test that does not give every pin back
 * @test: the test; what it makes from now on is undone before the check
 */
void memory_watch_pins(struct kunit *test)
{
	struct pin_watch *watch;

	watch = kunit_kzalloc(test, sizeof(*watch), GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, watch);
	watch->test = test;
	watch->before = memory_pins();
	KUNIT_ASSERT_EQ(test, 0,
			kunit_add_action_or_reset(test, check_pins, watch));
}
