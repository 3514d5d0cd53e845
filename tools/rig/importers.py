# SPDX-License-Identifier: GPL-2.0
"""What START and END cost, by number and kind of importers, on arm64."""

import json
import re
import subprocess
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from fanout.host import REPO, Failure, Totals, colour, environment, run, say
from rig.bench import Judged, figure
from rig.kernel import Kernel
from rig.results import read

PLUGIN = REPO / "tools/rig/plugin/maintenance.c"
# The first QEMU whose plugins have another interface.
OTHER_PLUGINS = 9
LINE = 64               # bytes of a cache line of the machine's
LINES = 64 * 2**20 // LINE
NUMBERS = (1, 2, 8, 64)
ACCESSES = ("R", "W", "RW")
# Exporters in the order of the table. Ours is both of the last two.
NAMES = {"stock": "stock udmabuf", "heap": "system heap",
         "fanout": "udmabuf-fanout", "all": "ours, sync_policy=all"}
# What the guest's timer may add to a figure.
TICKS = 1.01
# Two calls of each access, and the mark before them.
MARKS = 3

# Mask and whether it snoops: the PCI devices, which do, and the stand-ins.
DEVICES = [(32, True), (32, True), (64, True), (64, True), (64, False),
           (32, False)]

# Devices, role, pages, exporter.
Row = tuple[str, str, str, str]


@dataclass
class Point:
    """A row with so many importers."""

    attach_map: float = 0       # thousands, the mean of all importers
    entries: int = 0
    # By access: START and END in thousands; and of both together, lines that
    # were cleaned and invalidated in each.
    accesses: dict[str, tuple[float, float]] = field(default_factory=dict)
    cleaned: dict[str, tuple[int, int]] = field(default_factory=dict)
    invalidated: dict[str, tuple[int, int]] = field(default_factory=dict)
    failed: str = ""

    def pair(self, access: str) -> float | None:
        """START and END of @access, in thousands."""
        return sum(self.accesses[access]) if access in self.accesses else None


@dataclass
class Measured:
    """Everything one boot measured."""

    kernel: str = ""
    heap: str = NAMES["heap"]
    counted: bool = False       # the lines
    devices: list[tuple[int, bool]] = field(default_factory=list)
    rows: dict[Row, dict[int, Point]] = field(default_factory=dict)

    def point(self, row: Row, number: int) -> Point:
        """One point, an empty one if it was not measured."""
        return self.rows.get(row, {}).get(number, Point())


def parse(lines: Iterable[str], marks: list[str] | None = None) -> Measured:
    """Read the result channel, and what the plugin wrote at the @marks."""
    measured = Measured(counted=marks is not None)
    counts = [tuple(map(int, line.split())) for line in marks or []]

    def take(entry: dict[str, Any]) -> None:
        if "kernel" in entry:
            measured.kernel = entry["kernel"]
        if "device" in entry:
            measured.devices.append((int(entry["bits"]),
                                     bool(entry["coherent"])))
        if "importers" not in entry:
            return
        row = (entry["devices"], entry["role"], entry["pages"],
               entry["exporter"])
        point = measured.rows.setdefault(row, {}).setdefault(
            int(entry["importers"]), Point())
        if "failed" in entry:
            point.failed = f"{entry['failed']}: errno {entry['errno']}"
            return
        point.attach_map = int(entry["attach_map"]) / 1000
        point.entries = int(entry["entries"])
        for access, (start, end) in entry["accesses"].items():
            point.accesses[access] = int(start) / 1000, int(end) / 1000
            if marks is None:
                continue
            if len(counts) < MARKS:
                raise Failure("the guest reports calls that the plugin did "
                              "not see")
            _, first, second = counts[:MARKS]
            del counts[:MARKS]
            point.cleaned[access] = first[0], second[0]
            point.invalidated[access] = first[1], second[1]

    read(lines, take)
    if measured.devices != DEVICES:
        raise Failure(f"the guest's devices are {measured.devices}, and should "
                      f"be {DEVICES}: (bits, whether it snoops) of each")
    if counts:
        raise Failure(f"the plugin counted {len(counts)} calls that the guest "
                      "did not report")
    return measured


def table(measured: Measured) -> list[str]:
    """START+END in thousands of instructions, importers across; lines."""
    names = NAMES | {"heap": measured.heap}
    wide = max(map(len, names.values()))
    lines = [f"{'':<{wide + 30}}" + "".join(
        f"{f'{number} imp.':>11}" for number in NUMBERS) + (
            f"{'cleaned':>13}{'invalidated':>13}" if measured.counted else "")]
    title = ""
    for devices, role, pages in dict.fromkeys(row[:3]
                                              for row in measured.rows):
        lines.append(f"{devices} {role}, {pages} pages:")
        for access in ACCESSES:
            title = f"  {access}"
            for exporter, name in names.items():
                points = [measured.point((devices, role, pages, exporter),
                                         number) for number in NUMBERS]
                text = f"{title:<30}{name:<{wide}}" + "".join(
                    f"{figure(point.pair(access)):>11}" for point in points)
                last = next((p for p in points[::-1] if p.accesses), None)
                if last and last.cleaned:
                    text += (f"{sum(last.cleaned[access]):>13,}"
                             f"{sum(last.invalidated[access]):>13,}")
                failed = {p.failed for p in points if p.failed}
                lines.append(text + "".join(f"  {why}" for why in failed))
                title = ""
    return lines


def judge(measured: Measured) -> list[Judged]:
    """What ours must keep to."""
    found = []
    for devices, role, pages in dict.fromkeys(row[:3]
                                              for row in measured.rows):
        row = (devices, role, pages, "fanout")
        fewest = min(measured.rows.get(row, {}), default=1)
        base = measured.point(row, fewest).pair("RW")
        most = 8 if (devices, pages) == ("bounced", "4 KiB") else 64
        found.append(Judged(
            f"START+END, {most} importers as {fewest}: {devices} {role}, "
            f"{pages}", measured.point(row, most).pair("RW"),
            None if base is None else TICKS * base))
    heap = measured.point(("noncoherent", "writers", "2 MiB", "heap"), 1)
    ours = measured.point(("noncoherent", "writers", "2 MiB", "fanout"), 1)
    theirs = heap.pair("RW")
    found.append(Judged("START+END, 1 noncoherent writer, 2 MiB pages",
                        ours.pair("RW"),
                        None if theirs is None else TICKS * theirs))
    if measured.counted:
        found.append(Judged(
            "lines that START(W) leaves old, 1 noncoherent writer",
            LINES - ours.invalidated["W"][0] if ours.accesses else None, 0))
    return found


def report(measured: Measured) -> tuple[Totals, list[str]]:
    """What was judged as lines, and how much of it was kept."""
    judged = judge(measured)
    lines = [colour("ok    " if j.met else "MISSED", 32 if j.met else 31)
             + f" {j}" for j in judged]
    met = sum(j.met for j in judged)
    return Totals(met, len(judged) - met), lines


def as_json(measured: Measured) -> str:
    """Everything measured, for machines: a line for each point."""
    points = []
    for (devices, role, pages, exporter), numbers in measured.rows.items():
        for number, point in numbers.items():
            one: dict[str, Any] = {
                "devices": devices, "role": role, "pages": pages,
                "exporter": exporter, "importers": number}
            if point.failed:
                one["failed"] = point.failed
            else:
                one |= {"attach_map": point.attach_map,
                        "entries": point.entries, "accesses": point.accesses}
            if point.cleaned:
                one |= {"cleaned": point.cleaned,
                        "invalidated": point.invalidated}
            points.append(json.dumps(one))
    head = json.dumps({
        "kernel": measured.kernel, "unit": "1000 instructions",
        "line": LINE, "exporters": NAMES | {"heap": measured.heap}}, indent=1)
    return (head.removesuffix("\n}") + ',\n "points": [\n  '
            + ",\n  ".join(points) + "\n ]\n}\n")


def plugin_version(said: str) -> int | None:
    """The first number of QEMU's version, in what it @said of it."""
    match = re.search(r"version (\d+)\.", said)
    return int(match[1]) if match else None


def build_plugin(kernel: Kernel, qemu: str, log: Path) -> Path | None:
    """Build what counts cache maintenance, if @qemu's plugins are of its kind."""
    said = subprocess.run([qemu, "--version"], capture_output=True, text=True,
                          check=False, env=environment()).stdout
    version = plugin_version(said)
    if version is None or version >= OTHER_PLUGINS:
        say("plugin", f"QEMU {version or '?'} has another interface for "
            "plugins: lines are not counted")
        return None
    program = kernel.build / "maintenance.so"
    if run("plugin", ["gcc", "-shared", "-fPIC", "-fvisibility=hidden", "-O2",
                      "-Wall", "-Wextra", "-Werror", "-o", program, PLUGIN],
           log, append=True):
        raise Failure(f"{PLUGIN.relative_to(REPO)} could not be built: {log}")
    return program
