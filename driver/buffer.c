// SPDX-License-Identifier: GPL-2.0
/*
 * The dma-buf. Who maps the buffer is written down as peers, what must be
 * synced for them is asked of sync_plan(), and this file takes the steps, all
 * under the reservation lock (H10). It must not know why a step is needed.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/cleanup.h>
#include <linux/debugfs.h>
#include <linux/dma-buf.h>
#include <linux/dma-mapping.h>
#include <linux/dma-resv.h>
#include <linux/iosys-map.h>
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/pagemap.h>
#include <linux/ratelimit.h>
#include <linux/seq_file.h>
#include <linux/slab.h>
#include <linux/udmabuf.h>
#include <linux/vmalloc.h>

#include "bindings/bindings.h"
#include "buffer.h"
#include "compat.h"
#include "kind.h"
#include "memfd.h"
#include "open_writes.h"
#include "sync_plan.h"

#define CREATE_TRACE_POINTS
#include "trace.h"

/*
 * Every sync is a planned step (H7), and whether a map failed for want of
 * room in swiotlb is seen from its errno.
 */
#define MAP_ATTRS	(DMA_ATTR_SKIP_CPU_SYNC | DMA_ATTR_NO_WARN)

/* Bytes around a fault whose pages are inserted with it; no more than a PMD. */
#define FAULT_AROUND	(64 * PAGE_SIZE)

static const char * const policy_names[] = {
	[SYNC_POLICY_MINIMAL] = "minimal",
	[SYNC_POLICY_ALL] = "all",
	NULL
};

static const char * const conflict_names[] = {
	[BOUNCE_CONFLICT_REFUSE] = "refuse",
	[BOUNCE_CONFLICT_ALLOW] = "allow",
	NULL
};

int fanout_sync_policy = SYNC_POLICY_MINIMAL;
int fanout_bounce_conflict = BOUNCE_CONFLICT_REFUSE;

static int set_name(const char *val, int *value, const char * const *names)
{
	int i = __sysfs_match_string(names, -1, val);

	if (i < 0)
		return i;
	WRITE_ONCE(*value, i);
	return 0;
}

static int set_policy(const char *val, const struct kernel_param *kp)
{
	return set_name(val, kp->arg, policy_names);
}

static int get_policy(char *buf, const struct kernel_param *kp)
{
	return sysfs_emit(buf, "%s\n", policy_names[*(int *)kp->arg]);
}

static int set_conflict(const char *val, const struct kernel_param *kp)
{
	return set_name(val, kp->arg, conflict_names);
}

static int get_conflict(char *buf, const struct kernel_param *kp)
{
	return sysfs_emit(buf, "%s\n", conflict_names[*(int *)kp->arg]);
}

static const struct kernel_param_ops policy_ops = {
	.set = set_policy,
	.get = get_policy,
};

static const struct kernel_param_ops conflict_ops = {
	.set = set_conflict,
	.get = get_conflict,
};

module_param_cb(sync_policy, &policy_ops, &fanout_sync_policy, 0644);
MODULE_PARM_DESC(sync_policy,
		 "minimal: one sync for each distinct effect (default); all: each mapping its own");
module_param_cb(bounce_conflict, &conflict_ops, &fanout_bounce_conflict, 0644);
MODULE_PARM_DESC(bounce_conflict,
		 "refuse (default) or allow a mapping with which the newest data cannot be told");

static bool is_write(enum dma_data_direction access)
{
	return access != DMA_FROM_DEVICE;
}

/* The steps. */

static void sync_mixed(struct fanout_mapping *mapping, enum sync_kind kind,
		       enum sync_phase phase)
{
	struct device *dev = mapping->dev;
	struct scatterlist *sg;
	int i;

	for_each_sgtable_dma_sg(&mapping->own, sg, i) {
		if (kind_of_segment(dev, sg) != kind)
			continue;
		if (phase == SYNC_FOR_CPU)
			bindings_dma_sync_single_for_cpu(dev,
							 sg_dma_address(sg),
							 sg_dma_len(sg),
							 mapping->dir);
		else
			bindings_dma_sync_single_for_device(dev,
							    sg_dma_address(sg),
							    sg_dma_len(sg),
							    mapping->dir);
	}
}

static void take_steps(struct fanout_buffer *buffer,
		       const struct sync_step *step, unsigned int nr,
		       enum sync_event event, enum dma_data_direction access)
{
	struct fanout_mapping *mapping;
	enum sync_kind kind;

	dma_resv_assert_held(buffer->dmabuf->resv);

	for (; nr; nr--, step++) {
		mapping = buffer->owner[step->peer];
		kind = buffer->peer[step->peer].kind;
		trace_sync_step(buffer, mapping, kind, event, access,
				step->phase);
		mapping->syncs++;
		if (mapping->nr_kinds > 1)
			sync_mixed(mapping, kind, step->phase);
		else if (step->phase == SYNC_FOR_CPU)
			bindings_dma_sync_sgtable_for_cpu(mapping->dev,
							  &mapping->own,
							  mapping->dir);
		else
			bindings_dma_sync_sgtable_for_device(mapping->dev,
							     &mapping->own,
							     mapping->dir);
	}
}

static void make_ready(struct fanout_buffer *buffer, enum sync_event event,
		       enum dma_data_direction access, bool write_open,
		       struct ready_plan *ready, struct sync_step **room)
{
	const struct sync_access plan_for = {
		.event = event,
		.policy = buffer->policy,
		.dir = access,
		.write_open = write_open,
	};

	unsigned int nr;

	nr = sync_plan(buffer->peer, buffer->nr_peers, &plan_for, *room);
	ready->step = *room;
	/* is_idle_read() looks without the lock. */
	WRITE_ONCE(ready->nr, nr);
	*room += nr;
}

#define NR_PLANS	5	/* four ready ones, one of the moment */

/* Work the ready plans out anew; step[] has room for NR_PLANS of them. */
static void make_plans(struct fanout_buffer *buffer)
{
	struct sync_step *room = buffer->step;

	dma_resv_assert_held(buffer->dmabuf->resv);

	/* A begin fetches the same for any access (H3). */
	make_ready(buffer, SYNC_BEGIN, DMA_BIDIRECTIONAL, false,
		   &buffer->begin[false], &room);
	make_ready(buffer, SYNC_BEGIN, DMA_BIDIRECTIONAL, true,
		   &buffer->begin[true], &room);
	make_ready(buffer, SYNC_END, DMA_FROM_DEVICE, false,
		   &buffer->end[false], &room);
	make_ready(buffer, SYNC_END, DMA_BIDIRECTIONAL, false,
		   &buffer->end[true], &room);
}

/* The policy may change at run time; one value for one event. */
static void follow_policy(struct fanout_buffer *buffer)
{
	enum sync_policy policy = READ_ONCE(fanout_sync_policy);

	if (unlikely(policy != buffer->policy)) {
		WRITE_ONCE(buffer->policy, policy);
		make_plans(buffer);
	}
}

/* Plan a mapping's coming or going, and take the steps (H13). */
static void change_access(struct fanout_buffer *buffer, enum sync_event event,
			  const struct sync_peer *part)
{
	struct sync_step *step;
	struct sync_access plan_for = {
		.event = event,
		.dir = DMA_FROM_DEVICE,
		.write_open = open_writes_any(&buffer->open_writes),
		.mapping = part->mapping,
	};

	follow_policy(buffer);
	plan_for.policy = buffer->policy;
	step = buffer->step +
	       (NR_PLANS - 1) * SYNC_PLAN_MAX((size_t)buffer->room);
	take_steps(buffer, step,
		   sync_plan(buffer->peer, buffer->nr_peers, &plan_for, step),
		   event, plan_for.dir);
}

/* The peers. */

static int reserve_peers(struct fanout_buffer *buffer, unsigned int more)
{
	unsigned int room = buffer->nr_peers + more;
	struct fanout_mapping **owner __free(kvfree) = NULL;
	struct sync_peer *peer __free(kvfree) = NULL;
	struct sync_step *step __free(kvfree) = NULL;

	if (room <= buffer->room)
		return 0;
	room = roundup_pow_of_two(room);

	peer = kvcalloc(room, sizeof(*peer), GFP_KERNEL_ACCOUNT);
	owner = kvcalloc(room, sizeof(*owner), GFP_KERNEL_ACCOUNT);
	step = kvcalloc(room, NR_PLANS * SYNC_PLAN_MAX(sizeof(*step)),
			GFP_KERNEL_ACCOUNT);
	if (!peer || !owner || !step)
		return -ENOMEM;

	if (buffer->nr_peers) {
		memcpy(peer, buffer->peer, buffer->nr_peers * sizeof(*peer));
		memcpy(owner, buffer->owner, buffer->nr_peers * sizeof(*owner));
	}
	swap(buffer->peer, peer);
	swap(buffer->owner, owner);
	swap(buffer->step, step);
	buffer->room = room;
	make_plans(buffer);
	return 0;
}

/* A mapping is known to the plan by the index of its first part. */
static void number_peers(struct fanout_buffer *buffer)
{
	unsigned int i;

	for (i = 0; i < buffer->nr_peers; i++)
		if (i && buffer->owner[i] == buffer->owner[i - 1])
			buffer->peer[i].mapping = buffer->peer[i - 1].mapping;
		else
			buffer->peer[i].mapping = i;
}

static struct sync_peer *add_peers(struct fanout_buffer *buffer,
				   struct fanout_mapping *mapping)
{
	unsigned int first = buffer->nr_peers, i;
	bool snoops = device_snoops(mapping->dev);

	for (i = 0; i < mapping->nr_kinds; i++) {
		buffer->owner[first + i] = mapping;
		buffer->peer[first + i] = (struct sync_peer) {
			.kind = mapping->kinds[i],
			.dir = mapping->dir,
			.partial = mapping->nr_kinds > 1,
			.snoops = snoops,
		};
	}
	buffer->nr_peers += mapping->nr_kinds;
	number_peers(buffer);
	return &buffer->peer[first];
}

static struct sync_peer *find_peers(struct fanout_buffer *buffer,
				    const struct fanout_mapping *mapping)
{
	unsigned int i = 0;

	while (buffer->owner[i] != mapping)
		i++;
	return &buffer->peer[i];
}

static void remove_peers(struct fanout_buffer *buffer,
			 const struct fanout_mapping *mapping)
{
	unsigned int i = find_peers(buffer, mapping) - buffer->peer;
	unsigned int nr = mapping->nr_kinds;
	unsigned int tail = buffer->nr_peers - i - nr;

	memmove(&buffer->peer[i], &buffer->peer[i + nr],
		tail * sizeof(*buffer->peer));
	memmove(&buffer->owner[i], &buffer->owner[i + nr],
		tail * sizeof(*buffer->owner));
	buffer->nr_peers -= nr;
	number_peers(buffer);
}

/* The tables. */

/*
 * How many of @nr_pages pages from @pfn on one entry can take. A boundary of no
 * pages is none: the mask was all ones.
 */
static u32 entry_pages(unsigned long pfn, u32 nr_pages, u32 max_pages,
		       unsigned long boundary_pages)
{
	unsigned long room = boundary_pages - (pfn & (boundary_pages - 1));

	nr_pages = min(nr_pages, max_pages);
	if (boundary_pages && nr_pages > room)
		nr_pages = room;
	return nr_pages;
}

static u32 count_entries(const struct extents *mem, u32 max_pages,
			 unsigned long boundary_pages)
{
	u32 i, nr = 0, done, pages;

	for (i = 0; i < mem->nr; i++) {
		const struct extent *extent = &mem->extent[i];

		for (done = 0; done < extent->nr_pages; done += pages) {
			pages = entry_pages(extent->pfn + done,
					    extent->nr_pages - done, max_pages,
					    boundary_pages);
			nr++;
		}
	}
	return nr;
}

/*
 * A table without chains, so that it is cheaply filled and copied: buffers of
 * scattered small pages have one entry a page.
 */
static int alloc_table(struct sg_table *sgt, u32 nr)
{
	sgt->sgl = kvmalloc_array(nr, sizeof(*sgt->sgl), GFP_KERNEL);
	if (!sgt->sgl)
		return -ENOMEM;
	sgt->nents = nr;
	sgt->orig_nents = nr;
	return 0;
}

static int build_table(struct sg_table *sgt, const struct extents *mem,
		       size_t max_entry, unsigned long boundary_mask)
{
	unsigned long boundary_pages = (boundary_mask >> PAGE_SHIFT) + 1;
	u32 max_pages = max_entry >> PAGE_SHIFT;
	struct scatterlist *sg;
	bool whole;
	u32 i;
	int ret;

	/* One entry an extent, if that needs no look at each. */
	whole = mem->longest <= max_pages && !mem->straddles &&
		!(boundary_pages & (EXTENT_BOUNDARY - 1));
	ret = alloc_table(sgt, whole ? mem->nr :
			       count_entries(mem, max_pages, boundary_pages));
	if (ret)
		return ret;

	sg = sgt->sgl;
	for (i = 0; i < mem->nr; i++) {
		unsigned long pfn = mem->extent[i].pfn;
		u32 left = mem->extent[i].nr_pages, pages;

		do {
			pages = whole ? left : entry_pages(pfn, left, max_pages,
							   boundary_pages);
			*sg = (struct scatterlist) { };
			sg_set_page(sg++, pfn_to_page(pfn),
				    pages << PAGE_SHIFT, 0);
			pfn += pages;
			left -= pages;
		} while (left);
	}
	sg_mark_end(sg - 1);
	return 0;
}

static void free_table(struct sg_table *sgt)
{
	kvfree(sgt->sgl);
}

/*
 * H16: entries as long as the device takes them, and as swiotlb has room for
 * them in one piece.
 */
static int map_own_table(struct fanout_buffer *buffer,
			 struct fanout_mapping *mapping)
{
	struct device *dev = mapping->dev;
	unsigned long boundary = bindings_dma_get_seg_boundary(dev);
	size_t bounce = bindings_dma_max_mapping_size(dev);
	size_t max_entry;
	int ret;

	/* No more than UINT_MAX, which is the most an entry can have. */
	max_entry = min_t(size_t, bindings_dma_get_max_seg_size(dev), bounce);
	max_entry = ALIGN_DOWN(max_entry, PAGE_SIZE);
	if (!max_entry || boundary < PAGE_SIZE - 1)
		return -EINVAL;

	for (;;) {
		ret = build_table(&mapping->own, &buffer->mem, max_entry,
				  boundary);
		if (ret)
			return ret;

		ret = bindings_dma_map_sgtable(dev, &mapping->own,
					       mapping->dir, MAP_ATTRS);
		if (!ret && mapping->own.nents)
			return 0;
		free_table(&mapping->own);
		if (!ret)
			return -EINVAL;
		if (bounce == SIZE_MAX || ret == -EREMOTEIO || ret == -EINVAL)
			return ret;
		if (max_entry == PAGE_SIZE)
			return -ENOMEM;
		max_entry = max(ALIGN_DOWN(max_entry / 4, PAGE_SIZE),
				PAGE_SIZE);
	}
}

/* H8: complete, and new for each map. */
static int build_importer_table(struct fanout_mapping *mapping)
{
	struct sg_table *table = &mapping->importer;
	const struct sg_table *own = &mapping->own;
	unsigned int i;
	int ret;

	ret = alloc_table(table, own->orig_nents);
	if (ret)
		return ret;
	memcpy(table->sgl, own->sgl,
	       array_size(own->orig_nents, sizeof(*own->sgl)));
	table->nents = own->nents;
	/* Segments that were merged away. */
	for (i = own->nents; i < own->orig_nents; i++)
		sg_dma_len(&table->sgl[i]) = 0;
	/* The importer may change its struct, too. */
	mapping->importer_sgl = table->sgl;
	return 0;
}

static void unmap_own_table(struct fanout_mapping *mapping)
{
	bindings_dma_unmap_sgtable(mapping->dev, &mapping->own, mapping->dir,
				   MAP_ATTRS);
	free_table(&mapping->own);
}

/* Attachments and mappings. */

static int fanout_attach(struct dma_buf *dmabuf,
			 struct dma_buf_attachment *attachment)
{
	/* It would map to nothing, without an error. */
	if (!attachment->dev->dma_mask || !*attachment->dev->dma_mask)
		return -EINVAL;
	return 0;
}

/*
 * An importer went away without unmapping, and its device may go on using the
 * memory: neither the mapping nor the pages are ever given back. It is said
 * once a buffer.
 */
static void leak_mapping(struct fanout_buffer *buffer,
			 struct fanout_mapping *mapping)
{
	if (!buffer->leaked)
		pr_err("%s left its mapping behind, leaking %lu KiB\n",
		       dev_name(mapping->dev),
		       (unsigned long)buffer->mem.nr_pages << (PAGE_SHIFT - 10));
	buffer->leaked = true;
	remove_peers(buffer, mapping);
	list_del(&mapping->node);
}

/* Leak what @attachment left behind, or for NULL whoever did. */
static void leak_mappings(struct fanout_buffer *buffer,
			  const struct dma_buf_attachment *attachment)
{
	struct fanout_mapping *mapping, *next;

	dma_resv_lock(buffer->dmabuf->resv, NULL);
	list_for_each_entry_safe(mapping, next, &buffer->mappings, node)
		if (!attachment || mapping->attachment == attachment)
			leak_mapping(buffer, mapping);
	make_plans(buffer);
	dma_resv_unlock(buffer->dmabuf->resv);
}

static void fanout_detach(struct dma_buf *dmabuf,
			  struct dma_buf_attachment *attachment)
{
	leak_mappings(dmabuf->priv, attachment);
}

/*
 * H11. @part is the first part of @mapping, which is mapped and among the
 * peers.
 */
static int check_conflict(struct fanout_buffer *buffer,
			  struct fanout_mapping *mapping,
			  const struct sync_peer *part)
{
	unsigned int other, i;
	int ret;

	if (READ_ONCE(fanout_bounce_conflict) == BOUNCE_CONFLICT_ALLOW)
		return 0;

	if (sync_conflict(buffer->peer, buffer->nr_peers, part->mapping,
			  &other)) {
		pr_warn_ratelimited("refused to map for %s: it writes, and so does %s, and one of them is bounced\n",
				    dev_name(mapping->dev),
				    dev_name(buffer->owner[other]->dev));
		return -EOPNOTSUPP;
	}

	/* A page that stands twice has two slots. */
	for (i = 0; i < mapping->nr_kinds; i++) {
		if (part[i].kind <= SYNC_NONCOHERENT ||
		    mapping->dir == DMA_TO_DEVICE)
			continue;
		ret = extents_overlap(&buffer->mem);
		if (ret < 0)
			return ret;
		if (!ret)
			continue;
		pr_warn_ratelimited("refused to map for %s: it writes and is bounced, and a page stands twice in the buffer\n",
				    dev_name(mapping->dev));
		return -EOPNOTSUPP;
	}
	return 0;
}

/* H19 */
static void tell_stale_pair(struct fanout_buffer *buffer,
			    struct fanout_mapping *mapping,
			    const struct sync_peer *part)
{
	unsigned int other;

	if (buffer->stale_pair_told ||
	    !sync_stale_pair(buffer->peer, buffer->nr_peers, part->mapping,
			     &other))
		return;
	buffer->stale_pair_told = true;
	pr_info_ratelimited("%s and %s see each other's writes only after a CPU access: one of them is bounced\n",
			    dev_name(mapping->dev),
			    dev_name(buffer->owner[other]->dev));
}

static struct sg_table *fanout_map(struct dma_buf_attachment *attachment,
				   enum dma_data_direction dir)
{
	struct fanout_buffer *buffer = attachment->dmabuf->priv;
	struct fanout_mapping *mapping __free(kfree) = NULL;
	struct sync_peer *part;
	int ret;

	dma_resv_assert_held(attachment->dmabuf->resv);

	if (dir != DMA_TO_DEVICE && dir != DMA_FROM_DEVICE &&
	    dir != DMA_BIDIRECTIONAL)
		return ERR_PTR(-EINVAL);

	ret = reserve_peers(buffer, MAX_KINDS);
	if (ret)
		return ERR_PTR(ret);
	mapping = kzalloc(sizeof(*mapping), GFP_KERNEL);
	if (!mapping)
		return ERR_PTR(-ENOMEM);

	mapping->attachment = attachment;
	mapping->dev = attachment->dev;
	mapping->requested = dir;
	/* H5: never the other way round, a reader's copy is not data. */
	mapping->dir = dir == DMA_TO_DEVICE ? dir : DMA_BIDIRECTIONAL;

	ret = map_own_table(buffer, mapping);
	if (ret)
		return ERR_PTR(ret);
	ret = build_importer_table(mapping);
	if (ret)
		goto unmap;

	mapping->nr_kinds = kinds_of_mapping(mapping->dev, &mapping->own,
					     mapping->kinds);
	part = add_peers(buffer, mapping);
	ret = check_conflict(buffer, mapping, part);
	if (ret)
		goto remove;

	tell_stale_pair(buffer, mapping, part);
	change_access(buffer, SYNC_MAP, part);
	make_plans(buffer);
	list_add_tail(&mapping->node, &buffer->mappings);
	if (mapping->dir != DMA_TO_DEVICE)
		WRITE_ONCE(buffer->written, true);
	return &no_free_ptr(mapping)->importer;

remove:
	remove_peers(buffer, mapping);
	kvfree(mapping->importer_sgl);
unmap:
	unmap_own_table(mapping);
	return ERR_PTR(ret);
}

static void fanout_unmap(struct dma_buf_attachment *attachment,
			 struct sg_table *sgt, enum dma_data_direction dir)
{
	struct fanout_buffer *buffer = attachment->dmabuf->priv;
	/* SAFETY: every table an importer has is one of these. */
	struct fanout_mapping *mapping =
		container_of(sgt, struct fanout_mapping, importer);

	dma_resv_assert_held(attachment->dmabuf->resv);

	change_access(buffer, SYNC_UNMAP, find_peers(buffer, mapping));
	remove_peers(buffer, mapping);
	make_plans(buffer);
	list_del(&mapping->node);
	unmap_own_table(mapping);
	kvfree(mapping->importer_sgl);
	kfree(mapping);
}

/* CPU access. */

/*
 * Wait for fences without the lock, and have the lock again when they are
 * signalled. Out of the way of the buffers that have none.
 */
static noinline int wait_for_fences(struct dma_resv *resv,
				    enum dma_resv_usage usage)
{
	long ret;

	while (!bindings_dma_resv_test_signaled(resv, usage)) {
		dma_resv_unlock(resv);
		ret = bindings_dma_resv_wait_timeout(resv, usage, true,
						     MAX_SCHEDULE_TIMEOUT);
		if (ret < 0)
			return ret;
		if (bindings_dma_resv_lock_interruptible(resv, NULL))
			return -ERESTARTSYS;
	}
	return 0;
}

/*
 * H12: the sync comes after what the fences stand for. The core waits as well,
 * but after us.
 *
 * Return: 0 with the reservation lock held; -ERESTARTSYS.
 */
static int lock_after_fences(struct dma_resv *resv, bool write)
{
	if (bindings_dma_resv_lock_interruptible(resv, NULL))
		return -ERESTARTSYS;
	if (likely(!rcu_access_pointer(resv->fences)))
		return 0;
	return wait_for_fences(resv, dma_resv_usage_rw(write));
}

/*
 * A read access for which there is nothing to do needs no lock and, since the
 * core waits as well, no fence. A map that races with it comes after it.
 */
static bool is_idle_read(const struct fanout_buffer *buffer,
			 const struct ready_plan *plan,
			 enum dma_data_direction access)
{
	return !is_write(access) && !READ_ONCE(plan->nr) &&
	       READ_ONCE(buffer->policy) == READ_ONCE(fanout_sync_policy);
}

static int fanout_begin_cpu_access(struct dma_buf *dmabuf,
				   enum dma_data_direction access)
{
	struct fanout_buffer *buffer = dmabuf->priv;
	const struct ready_plan *plan = &buffer->begin[false];
	int ret;

	if (is_idle_read(buffer, plan, access))
		return 0;

	ret = lock_after_fences(dmabuf->resv, is_write(access));
	if (ret)
		return ret;

	follow_policy(buffer);
	if (plan->nr && open_writes_any(&buffer->open_writes))
		plan = &buffer->begin[true];
	if (is_write(access)) {
		ret = open_writes_begin(&buffer->open_writes);
		if (ret)
			goto unlock;
		WRITE_ONCE(buffer->written, true);
	}
	if (plan->nr)
		take_steps(buffer, plan->step, plan->nr, SYNC_BEGIN, access);
unlock:
	dma_resv_unlock(dmabuf->resv);
	return ret;
}

static int fanout_end_cpu_access(struct dma_buf *dmabuf,
				 enum dma_data_direction access)
{
	struct fanout_buffer *buffer = dmabuf->priv;
	const struct ready_plan *plan = &buffer->end[false];

	if (is_idle_read(buffer, plan, access))
		return 0;

	/* Not interruptible: an access that cannot end would stay open. */
	dma_resv_lock(dmabuf->resv, NULL);
	follow_policy(buffer);
	/* An end without a begin: the pages may be older than a slot. */
	if (is_write(access) && open_writes_end(&buffer->open_writes))
		plan = &buffer->end[true];
	if (plan->nr)
		take_steps(buffer, plan->step, plan->nr, SYNC_END, access);
	dma_resv_unlock(dmabuf->resv);
	return 0;
}

/* mmap and vmap. */

static vm_fault_t fanout_fault(struct vm_fault *vmf)
{
	struct vm_area_struct *vma = vmf->vma;
	const struct fanout_buffer *buffer = vma->vm_private_data;
	const struct extent *extent;
	unsigned long addr, end;
	vm_fault_t ret;
	pgoff_t pgoff;

	if (vmf->pgoff >= buffer->mem.nr_pages)
		return VM_FAULT_SIGBUS;

	extent = extents_find(&buffer->mem, vmf->pgoff);
	ret = vmf_insert_pfn(vma, vmf->address,
			     extent->pfn + vmf->pgoff - extent->pgoff);
	if (ret != VM_FAULT_NOPAGE)
		return ret;

	/*
	 * The neighbours, by address, so that they share a page table: the next
	 * one may be a PMD of ours.
	 */
	addr = max(ALIGN_DOWN(vmf->address, FAULT_AROUND), vma->vm_start);
	end = min(ALIGN_DOWN(vmf->address, FAULT_AROUND) + FAULT_AROUND,
		  vma->vm_end);
	pgoff = linear_page_index(vma, addr);
	extent = extents_find(&buffer->mem, pgoff);
	for (; addr < end && pgoff < buffer->mem.nr_pages;
	     addr += PAGE_SIZE, pgoff++) {
		if (pgoff - extent->pgoff == extent->nr_pages)
			extent++;
		if (addr != vmf->address &&
		    vmf_insert_pfn(vma, addr, extent->pfn + pgoff -
					      extent->pgoff) != VM_FAULT_NOPAGE)
			break;
	}
	return VM_FAULT_NOPAGE;
}

static vm_fault_t fanout_huge_fault(struct vm_fault *vmf, unsigned int order)
{
	struct vm_area_struct *vma = vmf->vma;
	const struct fanout_buffer *buffer = vma->vm_private_data;
	unsigned long addr = vmf->address & PMD_MASK;
	const struct extent *extent;
	unsigned long pfn;
	pgoff_t pgoff;

	if (!IS_ENABLED(CONFIG_TRANSPARENT_HUGEPAGE) || order != PMD_ORDER ||
	    addr < vma->vm_start || addr + PMD_SIZE > vma->vm_end)
		return VM_FAULT_FALLBACK;

	pgoff = linear_page_index(vma, addr);
	if (pgoff + (1UL << PMD_ORDER) > buffer->mem.nr_pages)
		return VM_FAULT_FALLBACK;

	extent = extents_find(&buffer->mem, pgoff);
	pfn = extent->pfn + pgoff - extent->pgoff;
	if (!IS_ALIGNED(pfn, 1UL << PMD_ORDER) ||
	    pgoff + (1UL << PMD_ORDER) > extent->pgoff + extent->nr_pages)
		return VM_FAULT_FALLBACK;

	return insert_pfn_pmd(vmf, pfn);
}

static const struct vm_operations_struct fanout_vm_ops = {
	.fault = fanout_fault,
	.huge_fault = fanout_huge_fault,
};

static int fanout_mmap(struct dma_buf *dmabuf, struct vm_area_struct *vma)
{
	struct fanout_buffer *buffer = dmabuf->priv;

	/* A private mapping would copy what it writes. */
	if (!(vma->vm_flags & (VM_SHARED | VM_MAYSHARE)))
		return -EINVAL;

	vma->vm_ops = &fanout_vm_ops;
	vma->vm_private_data = buffer;
	/*
	 * By page frame: the memfd may go away while the mapping lives, and
	 * a mapped page would keep it.
	 */
	vm_flags_set(vma, VM_PFNMAP | VM_DONTEXPAND | VM_DONTDUMP);
	if (vma->vm_flags & VM_MAYWRITE)
		WRITE_ONCE(buffer->written, true);
	return 0;
}

static int fanout_vmap(struct dma_buf *dmabuf, struct iosys_map *map)
{
	struct fanout_buffer *buffer = dmabuf->priv;
	struct page **pages __free(kvfree) = NULL;
	const struct extent *extent;
	u32 i, nr = 0, page;
	void *vaddr;

	dma_resv_assert_held(dmabuf->resv);

	pages = kvmalloc_array(buffer->mem.nr_pages, sizeof(*pages),
			       GFP_KERNEL);
	if (!pages)
		return -ENOMEM;

	for (i = 0; i < buffer->mem.nr; i++) {
		extent = &buffer->mem.extent[i];
		for (page = 0; page < extent->nr_pages; page++)
			pages[nr++] = pfn_to_page(extent->pfn + page);
	}

	vaddr = vmap(pages, nr, VM_MAP, PAGE_KERNEL);
	if (!vaddr)
		return -ENOMEM;
	WRITE_ONCE(buffer->written, true);
	iosys_map_set_vaddr(map, vaddr);
	return 0;
}

static void fanout_vunmap(struct dma_buf *dmabuf, struct iosys_map *map)
{
	vunmap(map->vaddr);
}

/* The end, and the beginning. */

static void free_buffer(struct fanout_buffer *buffer)
{
	open_writes_forget(&buffer->open_writes);
	extents_unpin(&buffer->mem, READ_ONCE(buffer->written));
	kvfree(buffer->peer);
	kvfree(buffer->owner);
	kvfree(buffer->step);
	kfree(buffer);
}

static void fanout_release(struct dma_buf *dmabuf)
{
	struct fanout_buffer *buffer = dmabuf->priv;

	debugfs_remove(buffer->debugfs);
	leak_mappings(buffer, NULL);
	if (!buffer->leaked)
		free_buffer(buffer);
}

static const struct dma_buf_ops fanout_ops = {
	.attach = fanout_attach,
	.detach = fanout_detach,
	.map_dma_buf = fanout_map,
	.unmap_dma_buf = fanout_unmap,
	.begin_cpu_access = fanout_begin_cpu_access,
	.end_cpu_access = fanout_end_cpu_access,
	.mmap = fanout_mmap,
	.vmap = fanout_vmap,
	.vunmap = fanout_vunmap,
	.release = fanout_release,
};

static const char * const kind_names[] = {
	[SYNC_COHERENT] = "coherent",
	[SYNC_NONCOHERENT] = "noncoherent",
	[SYNC_OPAQUE] = "opaque",
	[SYNC_BOUNCED] = "bounced",
};

static const char * const direction_names[] = {
	[DMA_BIDIRECTIONAL] = "BIDIRECTIONAL",
	[DMA_TO_DEVICE] = "TO_DEVICE",
	[DMA_FROM_DEVICE] = "FROM_DEVICE",
};

static int buffer_show(struct seq_file *m, void *unused)
{
	struct fanout_buffer *buffer = m->private;
	struct fanout_mapping *mapping;
	int ret;

	ret = bindings_dma_resv_lock_interruptible(buffer->dmabuf->resv, NULL);
	if (ret)
		return ret;

	seq_printf(m, "size: %llu\nextents: %u\nopen for writing: %s\npolicy: %s\nsee each other only at CPU accesses: %s\n",
		   (u64)buffer->mem.nr_pages << PAGE_SHIFT, buffer->mem.nr,
		   open_writes_any(&buffer->open_writes) ? "yes" : "no",
		   policy_names[buffer->policy],
		   buffer->stale_pair_told ? "yes" : "no");
	list_for_each_entry(mapping, &buffer->mappings, node) {
		seq_printf(m, "peer: %s kind=%s", dev_name(mapping->dev),
			   kind_names[mapping->kinds[0]]);
		if (mapping->nr_kinds > 1)
			seq_printf(m, "+%s", kind_names[mapping->kinds[1]]);
		seq_printf(m, " requested=%s mapped=%s entries=%u syncs=%llu\n",
			   direction_names[mapping->requested],
			   direction_names[mapping->dir],
			   mapping->own.orig_nents, mapping->syncs);
	}
	dma_resv_unlock(buffer->dmabuf->resv);
	return 0;
}
DEFINE_SHOW_ATTRIBUTE(buffer);

/**
 * fanout_buffer_export() - make a dma-buf of memfd ranges
 * @items: the ranges, as user space gave them
 * @nr_items: how many
 * @max_pages: the most pages they may have together
 * @debugfs_dir: where the buffer's file goes, named by the dma-buf's inode
 *
 * Context: process context; may sleep.
 * Return: the dma-buf, which the caller owns, or what extents_pin() and
 * dma_buf_export() return.
 */
struct dma_buf *fanout_buffer_export(const struct udmabuf_create_item *items,
				     u32 nr_items, u64 max_pages,
				     struct dentry *debugfs_dir)
{
	DEFINE_DMA_BUF_EXPORT_INFO(info);
	struct fanout_buffer *buffer;
	struct dma_buf *dmabuf;
	char name[24];
	int ret;

	buffer = kzalloc(sizeof(*buffer), GFP_KERNEL_ACCOUNT);
	if (!buffer)
		return ERR_PTR(-ENOMEM);
	INIT_LIST_HEAD(&buffer->mappings);
	buffer->policy = READ_ONCE(fanout_sync_policy);

	ret = extents_pin(&buffer->mem, items, nr_items, max_pages);
	if (ret) {
		kfree(buffer);
		return ERR_PTR(ret);
	}

	info.ops = &fanout_ops;
	info.size = (size_t)buffer->mem.nr_pages << PAGE_SHIFT;
	info.flags = O_RDWR;
	info.priv = buffer;
	dmabuf = dma_buf_export(&info);
	if (IS_ERR(dmabuf)) {
		free_buffer(buffer);
		return dmabuf;
	}

	buffer->dmabuf = dmabuf;
	snprintf(name, sizeof(name), "%llu",
		 (u64)file_inode(dmabuf->file)->i_ino);
	buffer->debugfs = debugfs_create_file(name, 0400, debugfs_dir, buffer,
					      &buffer_fops);
	return dmabuf;
}
