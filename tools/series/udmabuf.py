# SPDX-License-Identifier: GPL-2.0
"""The smaller series: stock udmabuf, changed to sync those who map the buffer.

It is made in the kernel's own file, by edits that fail if that is another than they
know; there is no copy of it here to go stale. The plan comes along as it is.
"""

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fanout.host import REPO, say, shown
from fanout.tree import JOINT, KERNELS
from review import __main__ as review
from review import text as review_text
from review.findings import Report
from series import played
from series.letter import demo_table, letter
from series.repository import Repository, head
from series.source import (NAME, PLAN, Kernel, changed_once, kernel_files,
                           kernel_of)
from series.steps import filled

CONFIG = "DMABUF_SYNC_PLAN_KUNIT_TEST"
SUITES = "drivers/dma-buf/.kunitconfig"

MESSAGES = {
    "plan": """\
dma-buf: plan the syncs of a buffer

Devices that share a dma-buf differ: one snoops the CPU's caches, one does not,
one does not reach all of memory and has a copy of it. Which syncs a CPU access
needs, and in what order, follows from all of them together. No device can stand
for the others in general, and a loop over all of them does the same work again
for each.

So let one function decide: peers and an event in, ordered steps out. It knows
no device, takes no lock and allocates nothing, which makes it easy to test. Its
suite has each rule as a row of a table, and then every rule as a property of
every mix of up to four peers in every order.
""",
    "sync": """\
udmabuf: sync those who map the buffer

begin_cpu_access and end_cpu_access sync the driver's own misc device. Whoever
has attached is never synced, nor is a mapping when it is made or undone
(DMA_ATTR_SKIP_CPU_SYNC). On machines where all devices snoop and reach all of
memory nobody sees that. Elsewhere the CPU reads what was there before a device
wrote, and a device what was there before the CPU did.

Keep a list of mappings, under the reservation lock, and take the steps of the
plan for them: a begin fetches what devices wrote, an end pushes what the CPU
wrote, and a map or unmap is both for all others. Fences come first: the core
waits for them after begin_cpu_access, too late for a sync. Whoever writes is
mapped DMA_BIDIRECTIONAL, since the for_device of a DMA_FROM_DEVICE mapping
throws dirty lines away on half of the architectures.

A slot of swiotlb can only be copied whole, and nobody knows whether it or the
page behind it is newer, unless the two cannot both have changed. So slots of
readers are always pushed, and that of a writer is fetched and pushed if it is
the only writer and calls come in pairs. Where that is not so it is left alone,
as it is today.

Syncs are made by address. CONFIG_DMABUF_DEBUG scrambles the page links of tables
that are handed out.
""",
    "device": """\
udmabuf: do not keep a device of its own

Nothing is mapped for the misc device any more, so buffers need not know it, and
it needs no DMA mask.
""",
}

_FIELDS = """\
	struct list_head mappings;
	struct udmabuf_mapping *fetched;
	struct sync_peer *peer;
	struct udmabuf_mapping **owner;
	struct sync_step *step;
	unsigned int nr_mappings;
	unsigned int accesses;
	unsigned int vmaps;
	bool wrote;
"""
_MAPPING = """\
/*
 * A mapping of an importer. Some of it can be bounced by swiotlb. Its slots are
 * torn if they and the pages behind them may both have been written to since
 * they were the same: then there is no right way to copy them.
 *
 * Who maps, and all that is known of CPU accesses, is protected by the
 * reservation lock.
 */
struct udmabuf_mapping {
	struct list_head list;
	struct dma_buf_attachment *attachment;
	struct sg_table *table;
	enum dma_data_direction dir;
	bool direct;
	bool bounced;
	bool torn;
};

"""
_HELPERS = """\
static bool is_writer(const struct udmabuf_mapping *map)
{
	return map->dir != DMA_TO_DEVICE;
}

/* What the pages get and a writer's slots do not, or the other way round. */
static void tear_slots(struct udmabuf *ubuf)
{
	struct udmabuf_mapping *map;

	list_for_each_entry(map, &ubuf->mappings, list)
		if (is_writer(map) && map != ubuf->fetched)
			map->torn = true;
}

"""
_MAP = """\
/* Whether @addr is not where the buffer's memory is. */
static bool is_bounced(struct device *dev, dma_addr_t addr)
{
	if (use_dma_iommu(dev))
		return false;
	/* Of dma_map_ops those of Xen have slots. */
	if (get_dma_ops(dev))
		return IS_ENABLED(CONFIG_SWIOTLB_XEN) &&
		       dma_need_sync(dev, addr);
	return swiotlb_find_pool(dev, dma_to_phys(dev, addr));
}

/* What dma_map_ops of their own do in a sync is not known. */
static enum sync_kind direct_kind(struct device *dev)
{
	return dev_is_dma_coherent(dev) && !get_dma_ops(dev) ?
		SYNC_COHERENT : SYNC_NONCOHERENT;
}

/*
 * Sync the part of a mapping that is @bounced or not. By address: the page links
 * of a table that was handed out may be scrambled (CONFIG_DMABUF_DEBUG).
 */
static void sync_mapping(struct udmabuf_mapping *map, bool bounced,
			 bool for_cpu)
{
	struct device *dev = map->attachment->dev;
	struct scatterlist *sg;
	dma_addr_t addr;
	int i;

	for_each_sgtable_dma_sg(map->table, sg, i) {
		addr = sg_dma_address(sg);
		if (is_bounced(dev, addr) != bounced)
			continue;
		if (for_cpu)
			dma_sync_single_for_cpu(dev, addr, sg_dma_len(sg),
						map->dir);
		else
			dma_sync_single_for_device(dev, addr, sg_dma_len(sg),
						   map->dir);
	}
}

/* The mapping that writes, if it is the only one and its slots are not torn. */
static struct udmabuf_mapping *only_writer(struct udmabuf *ubuf)
{
	struct udmabuf_mapping *map, *found = NULL;

	list_for_each_entry(map, &ubuf->mappings, list) {
		if (!is_writer(map))
			continue;
		if (found)
			return NULL;
		found = map;
	}
	return found && found->bounced && !found->torn && !ubuf->vmaps ?
		found : NULL;
}

/* While an access is open the pages may be newer. */
static void fetch_slots(struct udmabuf *ubuf)
{
	if (ubuf->accesses)
		return;
	ubuf->fetched = only_writer(ubuf);
	if (ubuf->fetched)
		sync_mapping(ubuf->fetched, true, true);
}

static void push_slots(struct udmabuf *ubuf, bool write)
{
	struct udmabuf_mapping *map;

	list_for_each_entry(map, &ubuf->mappings, list)
		if (map->bounced &&
		    (!is_writer(map) || (write && map == ubuf->fetched)))
			sync_mapping(map, true, false);
	if (write)
		tear_slots(ubuf);
}

static void add_peer(struct udmabuf *ubuf, unsigned int *nr,
		     struct udmabuf_mapping *map, enum sync_kind kind)
{
	ubuf->peer[*nr] = (struct sync_peer) {
		.kind = kind,
		.dir = map->dir,
		.partial = map->direct && map->bounced,
	};
	ubuf->owner[(*nr)++] = map;
}

/*
 * Which write accesses are open is not known: programs leave them open, and end
 * those of others. So the caches are cleaned before they are invalidated. A store
 * between the two through a mapping of the buffer can be lost.
 */
static void sync_all(struct udmabuf *ubuf, enum sync_event event, bool write)
{
	struct sync_access access = {
		.event = event,
		.write = write,
		.write_open = true,
	};
	struct udmabuf_mapping *map;
	unsigned int nr = 0, i;

	list_for_each_entry(map, &ubuf->mappings, list) {
		struct device *dev = map->attachment->dev;

		/* Nobody can stand for those whose syncs are of their own. */
		if (get_dma_ops(dev))
			access.policy = SYNC_POLICY_ALL;
		if (map->direct)
			add_peer(ubuf, &nr, map, direct_kind(dev));
		if (map->bounced)
			add_peer(ubuf, &nr, map, SYNC_COPY);
	}

	nr = sync_plan(ubuf->peer, nr, &access, ubuf->step);
	for (i = 0; i < nr; i++) {
		map = ubuf->owner[ubuf->step[i].peer];
		switch (ubuf->step[i].op) {
		case SYNC_FLUSH:
			sync_mapping(map, false, false);
			fallthrough;
		case SYNC_FOR_CPU:
			sync_mapping(map, false, true);
			break;
		case SYNC_FOR_DEVICE:
		case SYNC_CLEAN_FETCHED:
			sync_mapping(map, false, false);
			break;
		case SYNC_FETCH:
			fetch_slots(ubuf);
			break;
		case SYNC_PUSH:
			push_slots(ubuf, write);
			break;
		}
	}
}

/* Make room for the peers and steps of one more mapping. */
static int reserve_mapping(struct udmabuf *ubuf)
{
	unsigned int nr = 2 * (ubuf->nr_mappings + 1);
	void *room;

	room = krealloc_array(ubuf->peer, nr, sizeof(*ubuf->peer), GFP_KERNEL);
	if (!room)
		return -ENOMEM;
	ubuf->peer = room;
	room = krealloc_array(ubuf->owner, nr, sizeof(*ubuf->owner),
			      GFP_KERNEL);
	if (!room)
		return -ENOMEM;
	ubuf->owner = room;
	room = krealloc_array(ubuf->step, SYNC_PLAN_MAX(nr),
			      sizeof(*ubuf->step), GFP_KERNEL);
	if (!room)
		return -ENOMEM;
	ubuf->step = room;
	return 0;
}

static void find_kinds(struct udmabuf_mapping *map)
{
	struct scatterlist *sg;
	int i;

	for_each_sgtable_dma_sg(map->table, sg, i) {
		if (is_bounced(map->attachment->dev, sg_dma_address(sg)))
			map->bounced = true;
		else
			map->direct = true;
	}
}

/* A map begins for those who were there before and ends for all. */
static struct sg_table *map_udmabuf(struct dma_buf_attachment *at,
				    enum dma_data_direction direction)
{
	struct udmabuf *ubuf = at->dmabuf->priv;
	struct udmabuf_mapping *map;
	int ret;

	ret = reserve_mapping(ubuf);
	if (ret)
		return ERR_PTR(ret);
	map = {alloc};
	if (!map)
		return ERR_PTR(-ENOMEM);

	sync_all(ubuf, SYNC_BEGIN, false);
	map->attachment = at;
	map->dir = direction == DMA_TO_DEVICE ? direction : DMA_BIDIRECTIONAL;
	map->table = get_sg_table(at->dev, at->dmabuf, map->dir);
	if (IS_ERR(map->table)) {
		ret = PTR_ERR(map->table);
		kfree(map);
		return ERR_PTR(ret);
	}
	find_kinds(map);
	/* The slots were filled, and nobody has cleaned them. */
	if (map->bounced)
		sync_mapping(map, true, false);
	list_add_tail(&map->list, &ubuf->mappings);
	ubuf->nr_mappings++;
	if (is_writer(map)) {
		/* New slots are what the pages are. */
		ubuf->fetched = only_writer(ubuf);
		if (!ubuf->fetched)
			tear_slots(ubuf);
	}
	sync_all(ubuf, SYNC_END, false);
	if (!ubuf->accesses)
		ubuf->fetched = NULL;
	return map->table;
}

static void forget_mapping(struct udmabuf *ubuf, struct udmabuf_mapping *map)
{
	list_del(&map->list);
	ubuf->nr_mappings--;
	if (ubuf->fetched == map)
		ubuf->fetched = NULL;
}

static void unmap_udmabuf(struct dma_buf_attachment *at,
			  struct sg_table *sg,
			  enum dma_data_direction direction)
{
	struct udmabuf *ubuf = at->dmabuf->priv;
	struct udmabuf_mapping *map;

	list_for_each_entry(map, &ubuf->mappings, list)
		if (map->table == sg)
			break;
	if (WARN_ON(list_entry_is_head(map, &ubuf->mappings, list)))
		return;

	if (is_writer(map)) {
		sync_all(ubuf, SYNC_BEGIN, false);
		sync_all(ubuf, SYNC_END, false);
		if (!ubuf->accesses)
			ubuf->fetched = NULL;
	}
	forget_mapping(ubuf, map);
	put_sg_table(at->dev, sg, map->dir);
	kfree(map);
}

/* A mapping that an importer leaves behind is not synced any more. */
static void detach_udmabuf(struct dma_buf *buf, struct dma_buf_attachment *at)
{
	struct udmabuf *ubuf = buf->priv;
	struct udmabuf_mapping *map, *next;

	dma_resv_lock(buf->resv, NULL);
	list_for_each_entry_safe(map, next, &ubuf->mappings, list)
		if (map->attachment == at) {
			forget_mapping(ubuf, map);
			kfree(map);
		}
	dma_resv_unlock(buf->resv);
}

"""
_ACCESS = """\
/* The core waits for fences as well, but after us. */
static int lock_signaled(struct dma_resv *resv, enum dma_resv_usage usage)
{
	long ret;

	for (;;) {
		ret = dma_resv_wait_timeout(resv, usage, true,
					    MAX_SCHEDULE_TIMEOUT);
		if (ret < 0)
			return ret;
		ret = dma_resv_lock_interruptible(resv, NULL);
		if (ret)
			return ret;
		if (dma_resv_test_signaled(resv, usage))
			return 0;
		dma_resv_unlock(resv);
	}
}

/* Whether a device does not see what an end without a begin should push. */
static bool has_torn_slots(struct udmabuf *ubuf)
{
	struct udmabuf_mapping *map;

	list_for_each_entry(map, &ubuf->mappings, list)
		if (map->bounced && map->torn)
			return true;
	return false;
}

static int begin_cpu_udmabuf(struct dma_buf *buf,
			     enum dma_data_direction direction)
{
	struct udmabuf *ubuf = buf->priv;
	bool write = direction != DMA_FROM_DEVICE;
	int ret;

	ret = lock_signaled(buf->resv, dma_resv_usage_rw(write));
	if (ret)
		return ret;
	sync_all(ubuf, SYNC_BEGIN, write);
	ubuf->accesses++;
	ubuf->wrote |= write;
	dma_resv_unlock(buf->resv);
	return 0;
}

static int end_cpu_udmabuf(struct dma_buf *buf,
			   enum dma_data_direction direction)
{
	struct udmabuf *ubuf = buf->priv;
	bool write = direction != DMA_FROM_DEVICE;
	int ret = 0;

	dma_resv_lock(buf->resv, NULL);
	/* Who has begun for writing and ends for reading has written. */
	if (ubuf->accesses == 1)
		write |= ubuf->wrote;
	sync_all(ubuf, SYNC_END, write);
	if (ubuf->accesses)
		ubuf->accesses--;
	else if (write && has_torn_slots(ubuf))
		ret = -EINVAL;
	if (!ubuf->accesses) {
		ubuf->fetched = NULL;
		ubuf->wrote = false;
	}
	dma_resv_unlock(buf->resv);
	return ret;
}

"""


def _between(text: str, first: str, end: str, new: str) -> str:
    """@text in which what begins with @first and ends before @end is @new."""
    start = text.find(first)
    stop = text.find(end, start)
    old = text[start:stop] if 0 <= start < stop else first
    return changed_once(NAME, text, old, new)


def with_syncs(text: str, kernel: Kernel) -> str:
    """udmabuf.c's @text with the mappings synced."""
    def once(old: str, new: str) -> None:
        nonlocal text
        text = changed_once(NAME, text, old, new)

    once("#include <linux/dma-buf.h>\n",
         "#include <linux/dma-buf.h>\n#include <linux/dma-direct.h>\n"
         "#include <linux/dma-map-ops.h>\n")
    once("#include <linux/init.h>\n",
         "#include <linux/init.h>\n#include <linux/iommu-dma.h>\n")
    once("#include <linux/slab.h>\n",
         "#include <linux/slab.h>\n#include <linux/swiotlb.h>\n")
    once("#include <linux/iosys-map.h>\n",
         '#include <linux/iosys-map.h>\n\n#include "dma-buf-sync-plan.h"\n')
    once("struct udmabuf {\n", _MAPPING + "struct udmabuf {\n")
    once("\tstruct sg_table *sg;\n\tenum dma_data_direction sg_dir;\n",
         _FIELDS)
    once("static int vmap_udmabuf(", _HELPERS + "static int vmap_udmabuf(")
    once("\tiosys_map_set_vaddr(map, vaddr);\n",
         "\t/* The kernel may store there at any time. */\n"
         "\tubuf->vmaps++;\n\tubuf->fetched = NULL;\n\ttear_slots(ubuf);\n"
         "\tiosys_map_set_vaddr(map, vaddr);\n")
    once("\tvm_unmap_ram(map->vaddr, ubuf->pagecount);\n",
         "\tvm_unmap_ram(map->vaddr, ubuf->pagecount);\n\tubuf->vmaps--;\n")
    text = _between(text, "static struct sg_table *map_udmabuf",
                    "static void unpin_all_folios", _MAP.replace(
                        "{alloc}", "kzalloc_obj(*map)" if kernel.has_alloc_obj
                        else "kzalloc(sizeof(*map), GFP_KERNEL)"))
    once("\tstruct device *dev = ubuf->device->this_device;\n\n"
         "\tif (ubuf->sg)\n\t\tput_sg_table(dev, ubuf->sg, ubuf->sg_dir);\n\n",
         "\n\tkfree(ubuf->step);\n\tkfree(ubuf->owner);\n\tkfree(ubuf->peer);\n")
    text = _between(text, "static int begin_cpu_udmabuf",
                    "static const struct dma_buf_ops", _ACCESS)
    # Gone since 6.16: an attachment's mapping would be kept without us.
    text = text.replace("\t.cache_sgt_mapping = true,\n", "")
    once("\t.map_dma_buf\t   = ", "\t.detach\t\t   = detach_udmabuf,\n"
         "\t.map_dma_buf\t   = ")
    once("\tubuf->device = device;\n",
         "\tubuf->device = device;\n\tINIT_LIST_HEAD(&ubuf->mappings);\n")
    return text


def without_device(text: str) -> str:
    """udmabuf.c's @text, with syncs, without what its own device was for."""
    def once(old: str, new: str) -> None:
        nonlocal text
        text = changed_once(NAME, text, old, new)

    once("\tstruct miscdevice *device;\n", "")
    once("\tubuf->device = device;\n", "")
    once("static struct dma_buf *export_udmabuf(struct udmabuf *ubuf,\n"
         "\t\t\t\t      struct miscdevice *device)\n",
         "static struct dma_buf *export_udmabuf(struct udmabuf *ubuf)\n")
    once("export_udmabuf(ubuf, device)", "export_udmabuf(ubuf)")
    once("static long udmabuf_create(struct miscdevice *device,\n"
         "\t\t\t   struct udmabuf_create_list *head,\n",
         "static long udmabuf_create(struct udmabuf_create_list *head,\n")
    once("udmabuf_create(filp->private_data, &head, &list)",
         "udmabuf_create(&head, &list)")
    once("udmabuf_create(filp->private_data, &head, list)",
         "udmabuf_create(&head, list)")
    for kind in ("create", "create_list"):
        once(f"udmabuf_ioctl_{kind}(struct file *filp, unsigned long arg)",
             f"udmabuf_ioctl_{kind}(unsigned long arg)")
        once(f"udmabuf_ioctl_{kind}(filp, arg)", f"udmabuf_ioctl_{kind}(arg)")
    return _between(
        text, "\tret = dma_coerce_mask_and_coherent(", "\treturn 0;\n}\n\n"
        "static void __exit", "")


def plan_files(kernel: Kernel) -> dict[str, str]:
    """The plan and its suite as files of the subsystem."""
    files = kernel_files(kernel, REPO)
    header = files[f"{JOINT}/sync_plan.h"].replace(
        "UDMABUF_FANOUT_SYNC_PLAN_H", "DMA_BUF_SYNC_PLAN_H")
    source = files[f"{JOINT}/sync_plan.c"]
    # The pages and the model come with the other series.
    source = changed_once(
        "sync_plan.c", source, re.findall(
            r" \*\n \* The hazards are in .*\n.* without it\.\n", source)[0], "")
    source = changed_once("sync_plan.c", source, '#include "sync_plan.h"',
                          '#include "dma-buf-sync-plan.h"')
    suite = files[f"{JOINT}/tests/plan_test.c"]
    suite = changed_once("plan_test.c", suite, '#include "../sync_plan.h"',
                         '#include "dma-buf-sync-plan.h"')
    suite = changed_once("plan_test.c", suite, '"udmabuf_fanout_plan"',
                         '"dma_buf_sync_plan"')
    suite = changed_once(
        "plan_test.c", suite,
        " * Would miss: rules that are wrong. That a step has the effect a rule "
        "counts on\n * is the model's business, that the driver takes the steps "
        "fanout_test.c's.\n",
        " * Would miss: rules that are wrong, and drivers that do not take the "
        "steps.\n")
    return {f"{PLAN}.h": header, f"{PLAN}.c": source,
            f"{PLAN}_test.c": suite}


def plan_kconfig(text: str) -> str:
    """drivers/dma-buf/Kconfig's @text with the plan and its suite."""
    return changed_once("drivers/dma-buf/Kconfig", text, "config UDMABUF\n", f"""\
config DMABUF_SYNC_PLAN
	bool

config {CONFIG}
	bool "KUnit tests for the plan of syncs" if !KUNIT_ALL_TESTS
	depends on KUNIT=y
	select DMA_SHARED_BUFFER
	select DMABUF_SYNC_PLAN
	default KUNIT_ALL_TESTS
	help
	  Tests of what decides which syncs a dma-buf needs that several
	  devices have mapped: each rule by itself, then all of them for
	  every mix of devices in every order. They need no device and run
	  in a moment.

	  If unsure, say N.

config UDMABUF
""")


def plan_makefile(text: str) -> str:
    """drivers/dma-buf/Makefile's @text with the plan and its suite."""
    stock = "obj-$(CONFIG_UDMABUF)\t\t+= udmabuf.o\n"
    return changed_once(
        "drivers/dma-buf/Makefile", text, stock,
        f"{stock}obj-$(CONFIG_DMABUF_SYNC_PLAN)\t+= dma-buf-sync-plan.o\n"
        f"obj-$(CONFIG_{CONFIG}) += dma-buf-sync-plan_test.o\n")


def udmabuf_kconfig(text: str) -> str:
    """drivers/dma-buf/Kconfig's @text, which has the plan, with its user."""
    return changed_once(
        "drivers/dma-buf/Kconfig", text,
        "\tdepends on MMU\n\thelp\n\t  A driver to let userspace turn memfd",
        "\tdepends on MMU\n\tdepends on HAS_DMA\n\tselect DMABUF_SYNC_PLAN\n"
        "\thelp\n\t  A driver to let userspace turn memfd")


def commit_all(repository: Repository) -> None:
    """Commit the patches of the series."""
    def commit(what: str, files: dict[str, str]) -> None:
        subject, _, body = MESSAGES[what].partition("\n\n")
        repository.commit(files, f"{subject}\n\n{filled(body)}")

    kernel = kernel_of(repository.tree)
    kconfig, makefile = "drivers/dma-buf/Kconfig", "drivers/dma-buf/Makefile"
    new = plan_files(kernel) | {
        kconfig: plan_kconfig(repository.read(kconfig)),
        makefile: plan_makefile(repository.read(makefile))}
    if (repository.work / SUITES).is_file():        # 7.2
        new[SUITES] = repository.read(SUITES) + f"CONFIG_{CONFIG}=y\n"
    commit("plan", new)
    commit("sync", {
        NAME: with_syncs(repository.read(NAME), kernel),
        kconfig: udmabuf_kconfig(repository.read(kconfig))})
    commit("device", {NAME: without_device(repository.read(NAME))})


def reviewed(repository: Repository, patches: list[Path]) -> Report:
    """What `make review` says of @patches, their cover letter apart."""
    mbox = repository.folder / "udmabuf.mbox"
    mbox.write_text("".join(patch.read_text() for patch in patches[1:]))
    tree = repository.tree
    where = f"--kernel={tree.name}" if tree.name in KERNELS \
        else f"--ktree={tree.path}"
    return review.review(review.parse(
        ["--exporter=udmabuf", f"--patch={mbox}", where]))


@dataclass(frozen=True)
class Made:
    """The series, and what was found out about it for its letter."""

    patches: list[Path]
    report: Report
    figures: dict[str, Any]


def make(repository: Repository, out: Path) -> Made:
    """Write the series to @out; it is reviewed and played for its letter."""
    repository.make()
    commit_all(repository)
    patches = repository.write_patches(out, "", "")
    report = reviewed(repository, patches)
    figures = played.play(repository)
    subject, text = letter(
        "udmabuf", release=repository.tree.release,
        project=head("udmabuf-fanout %h"), demo_kernel=figures["kernel"],
        demo=demo_table(figures, "with this"),
        review=review_text.mail(report).strip())
    patches = repository.write_patches(out, subject, text)
    say("series", f"{len(patches) - 1} patches and a cover letter for linux "
        f"{repository.tree.release} in {shown(out)}")
    return Made(patches, report, figures)
