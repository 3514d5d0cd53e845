# SPDX-License-Identifier: GPL-2.0
"""Whether caches were maintained: a plugin of QEMU watches, this reads.

QEMU has no caches, so what a guest reads says nothing of them. plugin/cache.c
follows what each line of memory might hold; lines.h says what is found.
"""

import json
import re
from bisect import bisect_left
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

from fanout import apt
from fanout.host import (BUILD, CACHE, Failure, run, say, show_failure, shown)
from fanout.tree import locked
from rig.results import OURS

SOURCES = [Path(__file__).parent / "plugin" / name
           for name in ("cache.c", "lines.c")]
PROGRAM = "qemu-system-aarch64"
PACKAGE = "qemu-system-arm"
# The first whose plugins are told what is stored, the first that no longer takes
# plugins made for it, and a Debian that has one between.
OLDEST, TOO_NEW = (9, 2), (11, 0)
SUITE = "trixie"
KINDS = {"dirty": "a device read what only the cache may have had",
         "stale": "the CPU read what the cache may have had from before",
         "overwritten": "read after a write-back may have undone a device's "
                        "write",
         "discarded": "read after an invalidate may have undone a store"}
# Findings with ours that break no promise: scenario and kind, and why.
EXCUSED = {("double-direct", "stale"):
           "an END merges pages that a device wrote in the open access; whose "
           "copy it goes to is promised that by the next START and END"}
# What must have been seen, or there is nothing to believe.
WANTED = ("loads", "stores", "cleaned", "invalidated", "device_reads",
          "device_writes")


@dataclass
class Lines:
    """What was found with one exporter."""

    runs: int = 0
    found: dict[str, int] = field(default_factory=dict)     # lines, by kind
    scenarios: dict[str, dict[str, int]] = field(default_factory=dict)
    runs_with: int = 0          # any
    right: int = 0              # of these: what was read was right all the same
    excused: dict[str, int] = field(default_factory=dict)   # by scenario


@dataclass
class Caches:
    """What the plugin reported of one boot."""

    exporters: dict[str, Lines] = field(default_factory=dict)
    elsewhere: int = 0          # not in a run
    seen: dict[str, int] = field(default_factory=dict)


def fits(*command: str | Path) -> bool:
    """Whether @command runs a QEMU with the interface that the plugin needs."""
    match = re.search(r"version (\d+)\.(\d+)",
                      apt.output(*map(str, command), "--version"))
    return match is not None and \
        OLDEST <= (int(match[1]), int(match[2])) < TOO_NEW


def qemu() -> tuple[str | Path, ...]:
    """The command that runs a QEMU with that interface.

    This machine's, or else Debian 13's with all its libraries, unpacked.
    """
    if fits(PROGRAM):
        return (PROGRAM,)
    with locked(CACHE):
        archive = apt.of_suite(SUITE, PACKAGE)
        found = archive.version(PACKAGE) or ""
        folder = CACHE / f"{PACKAGE}-{re.sub(r'^[0-9]+:', '', found)}"
        if not found:
            raise Failure(f"{SUITE} has no {PACKAGE} for this machine: leave "
                          "CACHE=1 out, or use Debian 13")
        if not folder.is_dir():
            packages = archive.with_dependencies(PACKAGE)
            say("qemu", "this machine's does not take the plugin: "
                f"downloading {found} of {SUITE} (36 MB)")
            with apt.appearing(folder) as files:
                archive.fetch(packages, files)
    loader = next(folder.glob("usr/lib/*-linux-gnu*/ld-linux*.so.*"), None)
    program = folder / "usr/bin" / PROGRAM
    if loader is None or not program.is_file():
        raise Failure(f"there is no {PROGRAM} in {shown(folder)}: remove it "
                      "and try again")
    command = (loader, "--library-path", loader.parent, program)
    if not fits(*command):
        raise Failure(f"the QEMU in {shown(folder)} does not run here: leave "
                      "CACHE=1 out, or use Debian 13")
    return command


def plugin() -> Path:
    """Build the plugin."""
    library, log = BUILD / "rig/cache.so", BUILD / "log/rig-cache.log"
    library.parent.mkdir(parents=True, exist_ok=True)
    if run("plugin", ["gcc", "-O2", "-Wall", "-Wextra", "-Werror", "-shared",
                      "-fPIC", "-fvisibility=hidden", "-o", library,
                      *SOURCES], log):
        show_failure(log)
        raise Failure("QEMU's plugin could not be built")
    return library


def _add(counts: dict[str, int], more: dict[str, int]) -> None:
    """Count @more as well."""
    for name, number in more.items():
        counts[name] = counts.get(name, 0) + number


def parse(results: Iterable[str], reported: Iterable[str]) -> Caches:
    """Read what the plugin @reported, by how long the guest's @results were.

    Whatever a run does was done when the guest says that it ended.
    """
    caches = Caches()
    ends: list[int] = []
    runs: list[dict[str, str]] = []
    run_: dict[str, str] = {}
    position = 0
    for line in results:
        entry = json.loads(line)
        if "run" in entry:
            run_ = entry
        elif "ended" in entry:
            ends.append(position)
            runs.append(run_)
            if run_["outcome"] != "not applicable":
                caches.exporters.setdefault(run_["exporter"],
                                            Lines()).runs += 1
        position += len(line.encode()) + 1

    of_run: dict[int, set[tuple[str, str]]] = {}
    for text in reported:
        entry = json.loads(text)
        if "found" not in entry:
            caches.seen = entry
            continue
        number = bisect_left(ends, entry["at"])
        if number == len(ends):
            caches.elsewhere += 1
        else:
            of_run.setdefault(number, set()).add((entry["line"],
                                                  entry["found"]))
    for number, found in of_run.items():
        run_ = runs[number]
        lines = caches.exporters[run_["exporter"]]
        kinds = Counter(kind for _, kind in found)
        if run_["exporter"] == OURS:
            for kind in [kind for kind in kinds
                         if (run_["run"], kind) in EXCUSED]:
                _add(lines.excused, {run_["run"]: kinds.pop(kind)})
        _add(lines.found, kinds)
        lines.runs_with += bool(kinds)
        lines.right += bool(kinds) and run_["outcome"] == "right"
        if kinds:
            _add(lines.scenarios.setdefault(run_["run"], {}), kinds)
    return caches


def table(caches: Caches, names: dict[str, str]) -> list[str]:
    """Kinds down, exporters across."""
    wide = max(map(len, KINDS.values()))
    columns = {e: max(14, len(names[e])) for e in caches.exporters}

    def row(title: str, cells: Iterable[int | str]) -> str:
        return "  ".join([f"{title:<{wide}}", *(
            f"{cell:>{c},}" if isinstance(cell, int) else f"{cell:>{c}}"
            for cell, c in zip(cells, columns.values()))]).rstrip()

    every = list(caches.exporters.values())
    return [row("cache lines that may have been wrong:",
                (names[e] for e in columns)),
            *(row(title, (lines.found.get(kind, 0) for lines in every))
              for kind, title in KINDS.items()),
            row("in so many runs", (lines.runs_with for lines in every)),
            row("... whose data was right in QEMU, which has no caches",
                (lines.right for lines in every)),
            row("of so many runs", (lines.runs for lines in every))]


def verdicts(caches: Caches, names: dict[str, str]) -> list[tuple[bool, str]]:
    """What must hold: ours has none, the others have, and all was seen."""
    found: list[tuple[bool, str]] = []
    for exporter, lines in caches.exporters.items():
        some, where = sum(lines.found.values()), list(lines.scenarios)
        if exporter != OURS:
            found.append((some > 0, f"caches of {names[exporter]}: {some:,} "
                          f"lines in {lines.runs_with} of {lines.runs} runs"))
            continue
        text = f"caches of {names[exporter]}: {some:,} lines"
        if some:
            text += (f" in {lines.runs_with} of {lines.runs} runs "
                     f"({', '.join(where[:5] + ['...'] * (len(where) > 5))})")
        for name, number in lines.excused.items():
            text += f"; {number} in {name} break no promise"
        found.append((some == 0 and lines.runs > 0, text))
    seen = Counter(caches.seen)
    text = (f"seen were {seen['cleaned']:,} lines cleaned, "
            f"{seen['invalidated']:,} invalidated, {seen['device_reads']:,} "
            f"reads and {seen['device_writes']:,} writes of devices")
    if caches.elsewhere:
        text += f"; {caches.elsewhere} findings are of no run"
    if seen["maintained_elsewhere"]:
        text += f"; {seen['maintained_elsewhere']} lines could not be placed"
    found.append((not caches.elsewhere and not seen["maintained_elsewhere"]
                  and all(seen[what] for what in WANTED), text))
    return found
