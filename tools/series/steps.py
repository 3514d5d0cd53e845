# SPDX-License-Identifier: GPL-2.0
"""The split: what each patch adds, and why, in an order that can be reviewed.

From the bottom up: a patch uses only what those before it have, so it builds.
"""

import re
import textwrap
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from fanout.host import Failure
from fanout.tree import JOINT
from series.source import DOCS, TESTS, changed_once, cut

PREFIX = "dma-buf/udmabuf-fanout: "
ALL_TESTS = "tools/testing/kunit/configs/all_tests.config"


@dataclass(frozen=True)
class Step:
    """A patch: the files that it adds, by their names without an ending."""

    subject: str
    body: str
    driver: str = ""
    tests: str = ""
    docs: bool = False

    @property
    def message(self) -> str:
        """Of its commit."""
        return f"{PREFIX}{self.subject}\n\n{filled(self.body)}"


def filled(text: str) -> str:
    """The paragraphs of @text in lines as commit messages have them."""
    return "\n\n".join(textwrap.fill(paragraph, 72, break_on_hyphens=False)
                       for paragraph in text.strip().split("\n\n")) + "\n"


PLAN = Step("plan the syncs of a buffer", """\
Devices that share a dma-buf differ: one snoops the CPU's caches, one does
not, one does not reach all of memory and has a copy of it. Which syncs a CPU
access needs, and in what order, follows from all of them together. No device
can stand for the others in general, and a loop over all of them does the same
work again for each, and still gets the order wrong: a merge leaves lines dirty
that the next invalidate drops.

So let one function decide: peers and an event in, ordered steps out. It knows
no device, takes no lock and allocates nothing, which makes it easy to test. Its
suite has each rule as a row of a table, and then every rule as a property of
every mix of up to four peers in every order.

The symbol has no driver behind it yet; that comes with the device node.
""", "sync_plan", "plan_test")

STEPS: tuple[Step, ...] = (
    PLAN,
    Step("merge a buffer with a device's copy of it", """\
What swiotlb copies it copies whole, one way or the other, and whoever calls
must know which side is newer. Nobody does, where a device and the CPU write to
different bytes of a page.

Keep a twin beside the copy: what both last agreed on. Where a side differs from
the twin it was written, and that, and nothing else, is moved. This is what
software distributed shared memory does (twin and diff, in Munin and
TreadMarks).

Pages and copy may be stored to at any time, so each word of them is read once,
and bytes that need not change are not stored. The suite compiles the file a
second time with all reads watched, where what was read changes right after.
""", "merge", "merge_checks merge_watched merge_test"),
    Step("note which write accesses may be open", """\
An invalidate drops what the CPU has stored and nobody has pushed. It may do so
only if no write access is open, and programs do not balance their calls: many
never end what they begin, or end what another process began.

Keep an upper bound: a process's own END lowers its own count, and nothing else
does. Who died counts until the caches were cleaned for him once. A bound that
is too high costs time, never data.
""", "open_writes", "open_writes_test"),
    Step("pin the memory of memfds", """\
Memory is pinned as udmabuf does it, under the inode lock that seals are added
under. What is pinned is kept as extents, runs of physically contiguous pages,
and not page by page: 64 MiB of huge pages are 32 entries, not 16384.

All calls into the DMA API, page pinning and dma_resv go through bindings.h,
where a KUnit test can put a function of its own. Without the tests these are
the calls themselves.
""", "bindings memfd"),
    Step("tell what a device reaches", """\
Whether a device snoops and which memory it reaches is asked before anything is
mapped: what it does not reach would go through swiotlb, whose pool belongs to
everybody. kind.c is the one file that looks below the DMA API.

Tables are cut to what the device takes: its segment size and boundary, and what
an IOMMU maps in one piece.
""", "kind table"),
    Step("copy what a device does not reach", """\
Memory that a device does not reach it gets as a copy, in pieces of up to 2 MiB
from the page allocator's zones that it does reach. Devices that reach the same
copy share it: N of them cost one merge, and see each other's writes at once.

Copies and twins are charged to the memory cgroup of whoever maps, and bounded
by a parameter.
""", "copy shadow"),
    Step("map a buffer for an importer", """\
Each map returns a table of its own, with the buffer's own pages where the
device reaches them and a copy's where it does not. The importer may do with it
what it likes, and so may CONFIG_DMABUF_DEBUG, which scrambles the page links of
tables that are handed out: the driver syncs another one.

Whoever writes is mapped DMA_BIDIRECTIONAL. The for_device of a DMA_FROM_DEVICE
mapping throws dirty lines away on half of the architectures.
""", "mapping"),
    Step("map a buffer for the CPU", """\
Faults map by page frame, by one entry where 2 MiB pages line up. A flush can
take all user mappings away and hold faults: between the clean and the
invalidate of a line no store may come.
""", "cpu"),
    Step("carry out the plan for all who map", """\
A plan is made whenever somebody maps or unmaps, so an access only takes its
steps, and one that has nothing to do takes no lock. A map or unmap is a begin
and an end for all others.

Two tracepoints tell of cache maintenance and of merges.
""", "fanout trace"),
    Step("export a dma-buf", """\
The dma-buf's operations: take the reservation lock, wait for fences before the
first sync, and leave the rest to the files below. A begin that fails has opened
nothing.
""", "buffer"),
    Step("add the device node", """\
The ioctls of <linux/udmabuf.h>, so a program changes nothing but the name of
the node. It is udmabuf-fanout where CONFIG_UDMABUF has the short name, and
udmabuf where not. A file in debugfs for each buffer shows who maps it and what
that costs.

The driver can be a module from here on.
""", "debugfs main"),
    Step("record syncs and fake devices for KUnit", """\
Fake devices of each kind, whose memory really moves and which find fault with
what no driver may do: syncs in a direction that was not mapped, accesses
without a mapping, entries beyond their limits. Every call through bindings.h is
recorded in order, and printed if a test fails.
""", "", "shim fake_device fake_dma fake_syncs instruments files memory "
         "shim_test fake_test"),
    Step("test memory and its limits", """\
Real memfds, of small and of huge pages, with holes, seals and every error.
""", "", "killed memfd_test memfd_errors_test huge_holes_test"),
    Step("test copies", """\
Which copies there are, who shares them, and what is merged, without a dma-buf.
""", "", "shadowed copy_test shadow_test"),
    Step("test importers and CPU accesses", """\
Importers of each kind in every order, with calls as programs make them:
balanced, nested, forgotten, interrupted, by another process; with fences that
come late, and importers that leave mappings behind.
""", "", "importer late_fence mapping_test fanout_test flush_test "
         "fence_test programs_test life_test writers_test seen_test"),
    Step("test the node and mappings of the CPU", """\
The ioctls with all their errors, compared with those of udmabuf where that is
built as well; faults, also of huge entries and of pages that went bad.
""", "", "nodes user_map ioctl_test limits_test seals_test mmap_test "
         "page_fault_test taken_mappings_test"),
    Step("test with the kernel's own DMA layer", """\
Devices of the kernel, not fakes, where the architecture has what that takes:
bounced by swiotlb, not coherent, with dma_map_ops.
""", "", "uml_devices real_device kind_test bounced_test "
         "mapped_copies_test"),
    Step("test races", """\
Importers that come and go, faults, fences and signals, and data that must not
be lost meanwhile.
""", "", "racers race_test race_data_test"),
    Step("fail every allocation once", """\
Each call is repeated with its first allocation failing, its second, and so on,
until none fails. Afterwards everything that can be counted is as it was before.
Skipped without fault injection.

Switch on what the suites need for kunit.py --alltests.
""", "", "faults ledger fail_stage fail_rows fail_test fail_pieces_test"),
    Step("judge the plan by a model", """\
That each step has the effect a rule counts on is more than a test of the plan
can say. Model one cache line of two bytes, what memory, copies and twins hold,
and the cache operations of every architecture, and try every move of everybody
in every state: calls in any order, stores and device writes at any moment, and
an adversary who writes back, drops and reads in lines between any two steps.

The plan must never show anybody less than was promised. Plans that are known to
be wrong, that of udmabuf and of the system heap among them, must be caught.
""", "", "model model_archs model_memory model_contract model_exporters "
         "model_layers model_world model_steps model_plan model_events "
         "model_moves model_states model_search model_story model_walk "
         "model_checks model_test"),
    Step("document it", """\
For users what the ioctls do and what a sync promises, for authors of importers
what they can count on, for reviewers what can go wrong, which rule is against
it, and how the files hang together.
""", docs=True),
)


def _stem(name: str) -> tuple[bool, str]:
    """Whether file @name is of the suites, and its name without an ending."""
    rest = name.removeprefix(f"{JOINT}/")
    return rest.startswith(f"{TESTS}/"), Path(rest).stem


def split(names: Iterable[str]) -> list[list[str]]:
    """The files of each step; a Failure if one belongs to none."""
    owner = {(tests, stem): at for at, step in enumerate(STEPS)
             for tests, stems in ((False, step.driver), (True, step.tests))
             for stem in stems.split()}
    found: list[list[str]] = [[] for _ in STEPS]
    for name in sorted(names):
        at = owner.get(_stem(name))
        if at is None:
            raise Failure(f"no patch of the series has {name}: name it in a "
                          "step in tools/series/steps.py")
        found[at].append(name)
    missing = set(owner) - {_stem(name) for files in found for name in files}
    if missing:
        raise Failure("a step in tools/series/steps.py has files that are not "
                      f"there: {', '.join(sorted(s for _, s in missing))}")
    return found


def driver_makefile(text: str, present: set[str]) -> str:
    """driver/Makefile's @text with the objects of files that are @present."""
    def listed(line: str) -> str:
        head, _, objects = line.partition("=")
        kept = [name for name in objects.split()
                if Path(name).stem in present]
        return f"{head}= {' '.join(kept)}" if kept else ""

    lines: list[str] = []
    for line in text.replace("bindings/bindings.o", "bindings.o").splitlines():
        if line.startswith("udmabuf_fanout-"):
            line = listed(line)
            if line and not any(before.startswith("udmabuf_fanout-y :=")
                                for before in lines):
                line = line.replace("+=", ":=", 1)
        elif re.match(r"CFLAGS_(\w+)\.o", line) and \
                line[len("CFLAGS_"):].split(".")[0] not in present:
            line = ""
        elif line.startswith("# trace.h") and "trace" not in present:
            line = ""
        if line:
            lines.append(line)
    lines.append(f"obj-$(CONFIG_UDMABUF_FANOUT_KUNIT_TEST) += {TESTS}/")
    return "\n".join(lines) + "\n"


def tests_makefile(text: str, present: set[str]) -> str:
    """kunit/Makefile's @text with the objects of files that are @present."""
    return "".join(
        line for line in text.splitlines(keepends=True)
        if line.startswith("#") or (match := re.search(r"(\w+)\.o$", line))
        and match[1] in present)


def kconfig(driver: str, suites: str, module: bool, fakes: bool) -> str:
    """The Kconfig: a driver that can be a @module, suites with @fakes."""
    if not module:
        driver = changed_once("driver/Kconfig", driver, "\ttristate ",
                              "\tbool ")
        driver = cut("driver/Kconfig", driver,
                     "\n\t  To compile this as a module", "udmabuf_fanout.\n")
    suites = suites.removeprefix("# SPDX-License-Identifier: GPL-2.0\n")
    if not fakes:
        suites = suites[:suites.index("\nconfig UDMABUF_FANOUT_UML_DEVICES")]
    return driver + "\n" + suites


def kunitconfig(text: str, fakes: bool) -> str:
    """The project's .kunitconfig @text without what only its tools need, and
    where there are no @fakes yet without what is for them.
    """
    text = cut(".kunitconfig", text, "\n# For `make hostile`",
               "CONFIG_SYNC_FILE=y\n")
    return text if fakes else changed_once(
        ".kunitconfig", text, "CONFIG_UDMABUF_FANOUT_UML_DEVICES=y\n", "")


def maintainers(text: str, who: str) -> str:
    """MAINTAINERS' @text with the driver, which @who maintains."""
    next_one = "USERSPACE I/O (UIO)\n"
    return changed_once("MAINTAINERS", text, "\n" + next_one, f"""
USERSPACE DMA BUFFER FAN-OUT DRIVER
M:	{who}
L:	linux-media@vger.kernel.org
L:	dri-devel@lists.freedesktop.org
L:	linaro-mm-sig@lists.linaro.org (moderated for non-subscribers)
S:	Maintained
F:	{JOINT}/

""" + next_one)


def maintainers_docs(text: str) -> str:
    """MAINTAINERS' @text, which has the driver, with its documentation."""
    return changed_once("MAINTAINERS", text, f"F:\t{JOINT}/\n",
                        f"F:\t{DOCS}/\nF:\t{JOINT}/\n")


def joined_kconfig(text: str) -> str:
    """drivers/dma-buf/Kconfig's @text with the driver's."""
    heaps = 'source "drivers/dma-buf/heaps/Kconfig"\n'
    return changed_once("drivers/dma-buf/Kconfig", text, heaps,
                        f'{heaps}source "{JOINT}/Kconfig"\n')


def joined_makefile(text: str) -> str:
    """drivers/dma-buf/Makefile's @text with the driver's folder."""
    stock = "obj-$(CONFIG_UDMABUF)\t\t+= udmabuf.o\n"
    return changed_once(
        "drivers/dma-buf/Makefile", text, stock,
        f"{stock}obj-$(CONFIG_UDMABUF_FANOUT)\t+= {Path(JOINT).name}/\n")


def all_tests(text: str) -> str:
    """all_tests.config's @text with what the suites need."""
    return text.rstrip("\n") + "\n" + "".join(
        f"{line}\n" for line in (
            "", "CONFIG_TMPFS=y", "CONFIG_MEMFD_CREATE=y", "CONFIG_DEVTMPFS=y",
            "CONFIG_UDMABUF=y", "CONFIG_UDMABUF_FANOUT=y"))


def index(text: str) -> str:
    """Documentation/driver-api/index.rst's @text with the driver's page."""
    return changed_once("Documentation/driver-api/index.rst", text,
                        "   dma-buf\n",
                        f"   dma-buf\n   {Path(DOCS).name}/index\n")
