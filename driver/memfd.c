// SPDX-License-Identifier: GPL-2.0
/*
 * The memory of a buffer: seals are checked and folios pinned in one go, and
 * what was pinned is kept as extents, not as pages. It must not know what the
 * memory is used for.
 */
#include <linux/cleanup.h>
#include <linux/falloc.h>
#include <linux/file.h>
#include <linux/fs.h>
#include <linux/hugetlb.h>
#include <linux/magic.h>
#include <linux/mm.h>
#include <linux/overflow.h>
#include <linux/pagemap.h>
#include <linux/sched/signal.h>
#include <linux/shmem_fs.h>
#include <linux/slab.h>
#include <linux/udmabuf.h>

#include "bindings/bindings.h"
#include "memfd.h"

/* Folios pinned in one call: a page full of pointers. */
#define PIN_BATCH	(PAGE_SIZE / sizeof(struct folio *))

/*
 * The most references a folio may have, pins among them, so that pinning the
 * same page over and over cannot make the count negative.
 */
#define MAX_REFS	(INT_MAX / 2)

/**
 * struct pinning - extents while they grow
 * @mem: the extents so far; @mem.extent has room for @room
 * @room: see there
 * @folios: room for PIN_BATCH folios
 */
struct pinning {
	struct extents mem;
	u32 room;
	struct folio **folios;
};

#ifdef CONFIG_HUGETLBFS
static bool is_hugetlbfs_file(struct file *file)
{
	/* hugetlbfs_file_operations is not there for modules. */
	return file_inode(file)->i_sb->s_magic == HUGETLBFS_MAGIC &&
	       S_ISREG(file_inode(file)->i_mode);
}

static unsigned int hugetlbfs_seals(struct file *file)
{
	return HUGETLBFS_I(file_inode(file))->seals;
}

static u64 huge_size(struct file *file)
{
	return huge_page_size(hstate_file(file));
}
#else
static bool is_hugetlbfs_file(struct file *file)
{
	return false;
}

static unsigned int hugetlbfs_seals(struct file *file)
{
	return 0;
}

static u64 huge_size(struct file *file)
{
	return PAGE_SIZE;
}
#endif

/*
 * Context: the inode lock is held, so the seals stay what they are (mm/memfd.c
 * adds seals under it).
 */
static int check_file(struct file *file)
{
	unsigned int seals;

	lockdep_assert_held(&file_inode(file)->i_rwsem);

	if (shmem_file(file))
		seals = SHMEM_I(file_inode(file))->seals;
	else if (is_hugetlbfs_file(file))
		seals = hugetlbfs_seals(file);
	else
		return -EBADFD;

	/* As mmap() has it. The stock driver takes any descriptor. */
	if (!(file->f_mode & FMODE_WRITE))
		return -EACCES;
	if (!(seals & F_SEAL_SHRINK) ||
	    (seals & (F_SEAL_WRITE | F_SEAL_FUTURE_WRITE)))
		return -EINVAL;
	return 0;
}

/* Room for a batch more, so that nothing can fail once its folios are pinned. */
static int reserve_batch(struct pinning *pin, u32 nr_pages)
{
	u32 want = pin->mem.nr + min_t(u32, nr_pages, PIN_BATCH);
	struct extent *bigger;

	if (want <= pin->room)
		return 0;

	want = max_t(u64, want, min_t(u64, 2ull * pin->room, U32_MAX));
	bigger = kvrealloc(pin->mem.extent,
			   array_size(want, sizeof(*bigger)),
			   GFP_KERNEL_ACCOUNT | __GFP_NOWARN);
	if (!bigger)
		return -ENOMEM;
	pin->mem.extent = bigger;
	pin->room = want;
	return 0;
}

/*
 * SAFETY: the caller's pin on @folio becomes the extent's one pin on it, or is
 * given back if the extent has one already: two items that meet in the middle
 * of a folio pinned it twice.
 */
static void add_folio(struct pinning *pin, struct folio *folio, u32 first,
		      u32 nr_pages)
{
	unsigned long pfn = folio_pfn(folio) + first;
	struct extents *mem = &pin->mem;
	struct extent *last;
	struct page *tail;

	if (mem->nr) {
		last = &mem->extent[mem->nr - 1];
		tail = pfn_to_page(last->pfn + last->nr_pages - 1);
		if (last->pfn + last->nr_pages == pfn &&
		    tail + 1 == pfn_to_page(pfn) && pfn % EXTENT_BOUNDARY &&
		    page_zone(tail) == folio_zone(folio)) {
			last->nr_pages += nr_pages;
			mem->nr_pages += nr_pages;
			if (page_folio(tail) == folio)
				bindings_unpin_folio(folio);
			return;
		}
	}

	mem->extent[mem->nr++] = (struct extent) {
		.pfn = pfn,
		.nr_pages = nr_pages,
		.pgoff = mem->nr_pages,
	};
	mem->nr_pages += nr_pages;
}

static int pin_range(struct pinning *pin, struct file *file, u64 start,
		     u64 size)
{
	u32 left = size >> PAGE_SHIFT;
	loff_t end = start + size - 1;
	pgoff_t offset;
	long i, nr;
	u32 pages;
	int ret;

	do {
		cond_resched();
		if (fatal_signal_pending(current))
			return -EINTR;
		ret = reserve_batch(pin, left);
		if (ret)
			return ret;

		nr = bindings_memfd_pin_folios(file, start, end, pin->folios,
					       PIN_BATCH, &offset);
		if (nr <= 0)
			return nr ?: -EINVAL;

		for (i = 0; i < nr; i++) {
			struct folio *folio = pin->folios[i];
			u32 first = offset >> PAGE_SHIFT;

			pages = min_t(u32, left,
				      folio_nr_pages(folio) - first);
			add_folio(pin, folio, first, pages);
			start += (u64)pages << PAGE_SHIFT;
			left -= pages;
			offset = 0;
			if (unlikely(folio_ref_count(folio) > MAX_REFS))
				ret = -ENOMEM;
		}
	} while (left && !ret);

	return ret;
}

/* What is not is for memfd_pin_folios() to refuse. */
static bool is_within(struct file *file, const struct udmabuf_create_item *item)
{
	u64 end;

	return item->size && !check_add_overflow(item->offset, item->size, &end) &&
	       end <= i_size_read(file_inode(file));
}

/*
 * Context: the inode lock is held, so that no hole is punched; and what is not
 * beyond the end stays so, as shrinking is sealed.
 */
static bool has_holes(struct file *file, u64 start, u64 size)
{
	u64 at = round_down(start, huge_size(file)), end = start + size;
	struct folio *folio;

	for (; at < end && !fatal_signal_pending(current);
	     at += huge_size(file)) {
		folio = filemap_get_folio(file->f_mapping, at >> PAGE_SHIFT);
		if (IS_ERR(folio))
			return true;
		folio_put(folio);
		cond_resched();
	}
	return false;
}

/*
 * A huge page that is not there memfd_pin_folios() takes from those that are
 * reserved, for whomever (mm/memfd.c, memfd_alloc_folio(), before Linux 6.16);
 * fallocate() allocates it as a fault would. In hugetlbfs it takes the inode
 * lock, and until that is taken again there may be holes again.
 */
static int fill_holes(struct file *file, const struct udmabuf_create_item *item)
{
	int ret;

	ret = vfs_fallocate(file, FALLOC_FL_KEEP_SIZE, item->offset,
			    item->size);
	if (ret == -ENOSPC)
		return -ENOMEM;
	return ret == -EINTR ? -ERESTARTSYS : ret;
}

static int pin_item(struct pinning *pin,
		    const struct udmabuf_create_item *item)
{
	struct file *file __free(fput) = fget(item->memfd);
	bool hole;
	int ret;

	if (!file)
		return -EBADFD;

	do {
		/* A racing F_ADD_SEALS comes before the check or after the pins. */
		inode_lock_shared(file_inode(file));
		ret = check_file(file);
		hole = !ret && is_hugetlbfs_file(file) &&
		       is_within(file, item) &&
		       has_holes(file, item->offset, item->size);
		if (!ret && !hole)
			ret = pin_range(pin, file, item->offset, item->size);
		inode_unlock_shared(file_inode(file));
		if (hole)
			ret = fill_holes(file, item);
	} while (hole && !ret);
	return ret;
}

/* Context: process context; may sleep for the folio lock if @dirty. */
static void unpin_extent(const struct extent *extent, bool dirty)
{
	unsigned long end = extent->pfn + extent->nr_pages;
	unsigned long pfn = extent->pfn;
	struct folio *folio;

	while (pfn < end) {
		folio = page_folio(pfn_to_page(pfn));
		pfn = folio_pfn(folio) + folio_nr_pages(folio);

		/*
		 * H17. The lock keeps the inode from going away meanwhile.
		 */
		if (dirty && !folio_test_dirty(folio)) {
			folio_lock(folio);
			folio_mark_dirty(folio);
			folio_unlock(folio);
		}
		/* SAFETY: the folio may be gone after this. */
		bindings_unpin_folio(folio);
		cond_resched();
	}
}

/**
 * extents_unpin() - give the memory of a buffer back
 * @mem: what extents_pin() made; empty afterwards
 * @dirty: the memory may have been written through the buffer
 *
 * Context: process context; may sleep.
 */
void extents_unpin(struct extents *mem, bool dirty)
{
	u32 i;

	for (i = 0; i < mem->nr; i++)
		unpin_extent(&mem->extent[i], dirty);
	kvfree(mem->extent);
	*mem = (struct extents) { };
}

/*
 * What the stock driver finds before it looks at any memfd. Ranges that are
 * empty or beyond all files are left to memfd_pin_folios().
 */
static int check_items(const struct udmabuf_create_item *items, u32 nr_items,
		       u64 max_pages)
{
	u64 nr_pages = 0;
	u32 i;

	for (i = 0; i < nr_items; i++) {
		if (!PAGE_ALIGNED(items[i].offset) ||
		    !PAGE_ALIGNED(items[i].size))
			return -EINVAL;

		/* No overflow: both are at most 2^52. */
		nr_pages += items[i].size >> PAGE_SHIFT;
		if (nr_pages > max_pages)
			return -EINVAL;
	}
	return nr_pages ? 0 : -EINVAL;
}

static void describe(struct extents *mem)
{
	const struct extent *extent;
	unsigned long last;
	u32 i;

	mem->first_pfn = mem->extent[0].pfn;
	for (i = 0; i < mem->nr; i++) {
		extents_breathe(i);
		extent = &mem->extent[i];
		last = extent->pfn + extent->nr_pages - 1;
		mem->first_pfn = min(mem->first_pfn, extent->pfn);
		mem->last_pfn = max(mem->last_pfn, last);
		mem->longest = max(mem->longest, extent->nr_pages);
		mem->straddles |= (extent->pfn ^ last) >= EXTENT_BOUNDARY;
	}
}

static void trim(struct extents *mem)
{
	struct extent *exact;

	exact = kvmalloc_array(mem->nr, sizeof(*exact),
			       GFP_KERNEL_ACCOUNT | __GFP_NOWARN);
	if (!exact)
		return;
	memcpy(exact, mem->extent, array_size(mem->nr, sizeof(*exact)));
	kvfree(mem->extent);
	mem->extent = exact;
}

/**
 * extents_pin() - pin memfd ranges and describe them as extents
 * @mem: where to describe them
 * @items: the ranges, as user space gave them; nothing in them is trusted
 * @nr_items: how many, any number
 * @max_pages: the most pages all ranges may have together
 *
 * Seals are checked and folios pinned under each memfd's inode lock.
 *
 * Context: process context; may sleep.
 * Return: 0; -EINVAL for a range that is empty, not page-aligned, too large or
 * beyond the end of its file, and for wrong seals; -EBADFD for what is not a
 * memfd; -EACCES for one that is not open for writing; -ENOMEM, also for a page
 * that is pinned too often; -EINTR for a task that is being killed, -ERESTARTSYS
 * for one that is interrupted while huge pages are allocated. After an error
 * nothing is pinned.
 */
int extents_pin(struct extents *mem, const struct udmabuf_create_item *items,
		u32 nr_items, u64 max_pages)
{
	struct pinning pin = { };
	int ret;
	u32 i;

	/* The size in bytes is a size_t. */
	max_pages = min3(max_pages, (u64)U32_MAX, (u64)SIZE_MAX >> PAGE_SHIFT);
	ret = check_items(items, nr_items, max_pages);
	if (ret)
		return ret;

	struct folio **folios __free(kfree) =
		kmalloc_array(PIN_BATCH, sizeof(*folios), GFP_KERNEL);
	if (!folios)
		return -ENOMEM;
	pin.folios = folios;

	for (i = 0; i < nr_items; i++) {
		ret = pin_item(&pin, &items[i]);
		if (ret) {
			extents_unpin(&pin.mem, false);
			return ret;
		}
	}

	if (pin.mem.nr < pin.room)
		trim(&pin.mem);
	describe(&pin.mem);
	*mem = pin.mem;
	return 0;
}

/**
 * extents_find() - find the extent that holds a page of the buffer
 * @mem: the extents
 * @pgoff: the page, below @mem->nr_pages
 *
 * Context: any.
 * Return: the extent.
 */
const struct extent *extents_find(const struct extents *mem, pgoff_t pgoff)
{
	u32 low = 0, high = mem->nr - 1, mid;

	while (low < high) {
		mid = high - (high - low) / 2;
		if (mem->extent[mid].pgoff <= pgoff)
			low = mid;
		else
			high = mid - 1;
	}
	return &mem->extent[low];
}
