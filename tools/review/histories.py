# SPDX-License-Identifier: GPL-2.0
"""The battery: which histories are run on an exporter.

A row of the table is a history in words and in steps, with roles instead of
devices: who writes ("from"), who reads ("to"), who does both. It is run for every
kind of device in every role, and for every order in which they can map. recorder/
script.c says what the steps are. All that have mapped unmap at the end, in the
order in which they mapped.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import permutations, product

KINDS = ("coherent", "noncoherent", "bounced", "both", "half", "halfboth",
         "opaque", "forced")
# In pairs: a forced one is a bounced one that shares nothing.
PAIRED = ("coherent", "noncoherent", "bounced", "both")
# Three at once: the kinds that differ in what they need.
MIXES = (("noncoherent", "bounced", "bounced"),
         ("bounced", "noncoherent", "noncoherent"),
         ("bounced", "bounced", "coherent"),
         ("coherent", "noncoherent", "bounced"),
         ("noncoherent", "noncoherent", "noncoherent"),
         ("opaque", "noncoherent", "bounced"))

CAM = "cam:from"
GPU = "gpu:to"
NPU = "npu:both"


@dataclass(frozen=True)
class Row:
    """A history, whoever takes part."""

    name: str
    title: str
    roles: tuple[str, ...]
    steps: str
    late: tuple[str, ...] = ()  # who maps in a step of its own
    flags: str = ""             # list: two memfds; neighbours: one cache line


@dataclass(frozen=True)
class Scene:
    """A history with its devices, as it is run."""

    name: str
    title: str
    devices: tuple[tuple[str, str, str], ...]   # name, kind, direction
    steps: tuple[str, ...]
    flags: str
    setting: str = ""           # of the kernel's command line

    @property
    def neighbours(self) -> bool:
        """Whether both places lie in one line of a cache."""
        return "neighbours" in self.flags


def row(name: str, title: str, roles: str, steps: str, late: str = "",
        flags: str = "") -> Row:
    """A row of the table."""
    return Row(name, title, tuple(roles.split()), " ".join(steps.split()),
               tuple(late.split()), flags)


TABLE = (
    # By the book.
    row("device-cpu", "a device writes, the CPU reads", CAM,
        "write cam a; begin r; load a; end r"),
    row("device-cpu-twice", "a device writes twice, the CPU reads each time",
        CAM, """write cam a; begin r; load a; end r;
        write cam a; begin r; load a; end r"""),
    row("cpu-device", "the CPU writes, a device reads", GPU,
        "begin w; store a; end w; read gpu a"),
    row("cpu-device-twice", "the CPU writes twice, a device reads each time",
        GPU, """begin w; store a; end w; read gpu a;
        begin w; store a; end w; read gpu a"""),
    row("both-ways", "a device writes, the CPU reads and writes, it reads", NPU,
        "write npu a; begin rw; load a; store b; end rw; read npu a; read npu b"),
    row("partial-write", "a device writes, the CPU writes elsewhere", NPU,
        """write npu a; begin w; store b; end w; read npu a; begin r; load a;
        end r"""),
    row("partial-write-writer", "a device writes, the CPU writes elsewhere",
        CAM, "write cam a; begin w; store b; end w; begin r; load a; load b; end r"),
    row("one-line", "a device and the CPU write into one line, in turn", NPU,
        """write npu a; begin rw; store b; end rw; read npu a; read npu b;
        begin r; load a; load b; end r""", flags="neighbours"),
    row("idle-writer", "the CPU writes beside a writer that is idle", CAM,
        "begin w; store a; end w; begin r; load a; end r"),
    row("two-memfds", "a buffer of two memfds, both ways", NPU,
        "write npu a; begin rw; load a; store b; end rw; read npu b",
        flags="list"),
    row("writer-unmaps", "a device writes and unmaps, the CPU reads", CAM,
        "write cam a; unmap cam; begin r; load a; end r"),
    row("remapped", "a device writes, unmaps and maps again", NPU,
        """write npu a; unmap npu; begin r; load a; end r; map npu; read npu a;
        write npu b; begin rw; load b; store a; end rw; read npu a"""),
    row("stored-before-map", "the CPU writes, then a device maps and reads", GPU,
        "store a; map gpu; read gpu a", late="gpu"),
    row("fence-read", "a device's write is announced by a fence, the CPU reads",
        CAM, "fence cam a; begin r; load a; end r"),
    row("fence-write", "a write is announced, the CPU writes elsewhere", NPU,
        """fence npu a; begin w; store b; end w; read npu b; begin r; load a;
        end r"""),
    row("interrupted", "START is interrupted and called again", NPU,
        """fence npu a; begin rw interrupted; late npu; begin rw; load a;
        store b; end rw; read npu b; write npu a; begin r; load a; end r"""),
    row("nested", "accesses that overlap", NPU,
        """write npu a; begin r; begin w; store b; load a; end r; load b; end w;
        read npu b"""),
    row("open-write", "START(READ) within a write access", NPU,
        "begin w; store a; begin r; load a; end r; end w; read npu a"),

    # Two devices.
    row("through-cpu", "a device writes, the CPU's access, another reads",
        f"{CAM} {GPU}", "write cam a; begin r; end r; read gpu a"),
    row("idle-reader", "a device writes beside an idle reader, the CPU reads",
        f"{CAM} {GPU}", "write cam a; begin r; load a; end r"),
    row("idle-both", "a device writes beside an idle one that maps both ways",
        f"{CAM} {NPU}", "write cam a; begin r; load a; end r; read npu a"),
    row("cpu-beside-writer", "the CPU writes for a reader, beside a writer",
        f"{CAM} {GPU}", """begin w; store a; end w; read gpu a; begin r; load a;
        end r"""),
    row("two-readers", "the CPU writes for two readers", f"{GPU} dsp:to",
        "begin w; store a; end w; read gpu a; read dsp a"),
    row("two-writers", "two devices write, the CPU reads", f"{CAM} isp:from",
        "write cam a; write isp b; begin r; load a; load b; end r"),
    row("two-writers-reread", "two devices write, the CPU reads again and again",
        f"{CAM} isp:from", """write cam a; write isp b; begin r; load a; load b;
        begin r; load a; load b; end r"""),
    row("both-write", "two that do both take turns", f"{NPU} gpu:both",
        """write npu a; begin r; load a; end r; read gpu a; write gpu b; begin r;
        load b; end r; read npu b"""),
    row("writer-unmaps-reader", "a writer unmaps, another device reads",
        f"{CAM} {GPU}", "write cam a; unmap cam; begin r; end r; read gpu a"),
    row("reader-joins", "a reader maps in the CPU's write access",
        f"{CAM} {GPU}", """begin w; store a; map gpu; store b; end w; read gpu a;
        read gpu b""", late="gpu"),
    row("writer-joins", "a writer maps in the CPU's write access",
        f"{GPU} {CAM}", """begin w; store a; map cam; load a; store b; end w;
        read gpu a; write cam b; begin r; load a; load b; end r""", late="cam"),
    row("map-between", "a device maps between two frames of another",
        f"{CAM} {GPU}", """write cam a; begin r; load a; end r; map gpu;
        read gpu a; write cam b; begin r; load b; end r; read gpu b""",
        late="gpu"),
    row("fence-two", "a write is announced, another device reads after",
        f"{CAM} {GPU}", "fence cam a; begin r; load a; end r; read gpu a"),

    # Programs as they are.
    row("never-ended", "START(RW) a frame and no END", CAM,
        """write cam a; begin rw; load a; write cam a; write cam b; begin rw;
        load a; load b"""),
    row("ended-for-reading", "START(RW), END(READ) a frame", CAM,
        """write cam a; begin rw; load a; end r; begin w; end r; write cam a;
        begin r; load a; end r"""),
    row("stores-ended-for-reading", "stores, then END(READ)", NPU,
        """begin rw; store a; end r; read npu a; begin w; store b; end r;
        read npu b"""),
    row("end-alone", "END(RW) alone as a flush", GPU,
        "store a; end rw; read gpu a; store a; store b; end rw; read gpu b"),
    row("end-alone-both", "END(RW) alone as a flush, the device writes as well",
        NPU, "store a; end rw; read npu a; write npu b; begin r; load b; end r"),
    row("read-begun-write-ended", "START(READ), stores, END(WRITE)", NPU,
        "write npu a; begin r; load a; store b; end w; read npu b"),
    row("interruption-ignored", "START is interrupted, and the program goes on",
        NPU, """fence npu a; begin w interrupted; store b; end w; late npu;
        read npu b; begin r; load a; load b; end r"""),
    row("interruption-believed", "START is interrupted, and the program gives up",
        CAM, """fence cam a; begin rw interrupted; late cam; begin r; load a;
        end r; write cam b; begin r; load b; end r"""),
    row("flushes", "END(WRITE) within a long access", NPU,
        "begin rw; store a; end w; read npu a; store b; end w; read npu b; end rw"),
    row("rereads", "START(READ) within a long access", NPU,
        """begin rw; write npu a; begin r; load a; write npu a; begin r; load a;
        end rw; read npu a"""),
    row("rereads-after-stores", "START(READ) after stores in the access", NPU,
        """begin rw; store a; write npu b; begin r; load b; load a; end rw;
        read npu a"""),
    row("begun-twice", "START, START, END a frame", NPU,
        """write npu a; begin rw; begin rw; load a; store b; end rw; read npu b;
        write npu a; begin rw; begin rw; load a; end rw"""),
    row("forgotten", "another process forgot its END", NPU,
        """begin rw by 2; write npu a; begin r; load a; end r; read npu a;
        begin rw; store b; end rw; read npu b"""),
    row("ended-by-other", "another process calls END", NPU,
        """begin rw; store a; end rw by 2; read npu a; write npu b; begin r;
        load b; end r"""),
    row("not-ended-by-other", "another process ends what is not its own", NPU,
        """begin rw; begin r by 2; end rw by 2; store a; write npu b;
        begin r by 2; load a; load b; end r by 2; end rw; read npu a"""),
    row("double-buffer", "the CPU and a device write at once, apart", NPU,
        """begin rw; store a; write npu b; end rw; read npu a; begin rw; load b;
        store b; write npu a; end rw; read npu b; begin r; load a; end r"""),
    row("kernel-wrote", "the kernel maps, writes and unmaps", NPU,
        """vmap; store a; vunmap; begin rw; load a; end rw; read npu a"""),
    row("kernel-writes", "the kernel writes in a mapping that stays", NPU,
        """vmap; store a; write npu b; begin rw; load a; load b; end rw;
        read npu a; vunmap"""),
    row("unmaps-in-access", "a writer unmaps in a forgotten access",
        f"{CAM} {GPU}", """begin rw; write cam a; unmap cam; read gpu a; begin r;
        load a; end r"""),
    row("maps-in-access", "a reader maps in a forgotten access",
        f"{CAM} {GPU}", """begin rw; store a; write cam b; map gpu; read gpu a;
        read gpu b""", late="gpu"),
    row("flush-beside", "END(WRITE) as a flush, beside an idle writer",
        f"{CAM} {GPU}", """begin rw; store a; end w; read gpu a; store b; end rw;
        read gpu b"""),

    # Three devices.
    row("three", "one writes, the CPU changes it, two read",
        f"{CAM} {GPU} dsp:to", """write cam a; begin rw; load a; store b; end rw;
        read gpu a; read dsp b"""),
)


def _orders(one: Row) -> Iterator[tuple[str, ...]]:
    """Every order in which those can map who do so at once."""
    first = [role.split(":")[0] for role in one.roles]
    yield from permutations([name for name in first if name not in one.late])


def _kinds(count: int) -> Iterator[tuple[str, ...]]:
    """Which kinds the devices have."""
    if count == 3:
        yield from MIXES
    else:
        yield from product(KINDS if count == 1 else PAIRED, repeat=count)
    if count == 2:
        yield from (("opaque", "noncoherent"), ("bounced", "opaque"),
                    ("forced", "bounced"), ("forced", "forced"),
                    ("half", "noncoherent"), ("noncoherent", "half"),
                    ("coherent", "half"), ("halfboth", "noncoherent"),
                    ("noncoherent", "halfboth"), ("halfboth", "bounced"))


def _unmaps(steps: tuple[str, ...]) -> tuple[str, ...]:
    """What unmaps who has mapped when @steps are over."""
    mapped: list[str] = []
    for step in steps:
        verb, *rest = step.split()
        if verb == "map":
            mapped.append(rest[0])
        elif verb == "unmap":
            mapped.remove(rest[0])
    return tuple(f"unmap {name}" for name in mapped)


def _scenes(exporter: str, setting: str, mark: str) -> Iterator[Scene]:
    """All histories under one @setting; a heap has no memfds."""
    for one in TABLE:
        if "list" in one.flags and exporter == "system_heap":
            continue
        names = [role.split(":")[0] for role in one.roles]
        for kinds, order in product(_kinds(len(names)), _orders(one)):
            devices = tuple((name, kind, role.split(":")[1]) for name, kind,
                            role in zip(names, kinds, one.roles))
            steps = (*(f"map {name}" for name in order),
                     *(step.strip() for step in one.steps.split(";")))
            suffix = f"/{','.join(order)}" if len(order) > 1 else ""
            yield Scene(
                f"{one.name}/{'+'.join(kinds)}{suffix}{mark}",
                f"{one.title}: " + ", ".join(
                    f"{name} is {kind}" for name, kind, _ in devices),
                devices, (*steps, *_unmaps(steps)), one.flags, setting)


def battery(exporter: str) -> list[Scene]:
    """All histories for @exporter, under every setting that it has."""
    found = [*_scenes(exporter, "", "")]
    if exporter == "fanout":
        # minimal is its default.
        found += _scenes(exporter, "udmabuf_fanout.sync_policy=all", "@all")
    return found


def script(exporter: str, scenes: Sequence[Scene]) -> str:
    """What the recorder runs."""
    lines = [f"exporter {exporter}"]
    for scene in scenes:
        lines.append(f"history {scene.name} {scene.flags}".rstrip())
        lines += [f"device {' '.join(device)}" for device in scene.devices]
        lines += [f"step {step}" for step in scene.steps]
        lines.append("end")
    return "\n".join(lines) + "\n"
