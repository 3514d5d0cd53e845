# SPDX-License-Identifier: GPL-2.0
"""docs/examples and the report command, run on a stock kernel.

The guest's programs are this machine's Python and what gcc makes of the C
example. Its cameras are vivid, which Debian's kernels have.
"""

import re
import shutil
import subprocess
import sys
import sysconfig
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from fanout.apt import appearing
from fanout.deb import version
from fanout.host import (CACHE, REPO, Failure, Totals, colour, environment,
                         say)
from fanout.tree import locked, series_of
from rig.kernel import (GUEST, Kernel, log_of, logged, module_bytes, pack,
                        put_modules)
from rig.results import read

EXAMPLES = REPO / "docs/examples"
INIT = GUEST / "examples/init.py"
CAMERA = "vivid"
# Of Python's library: what no example has a use for.
_NOT_COPIED = shutil.ignore_patterns(
    "test", "tests", "idlelib", "tkinter", "lib2to3", "ensurepip", "config-*",
    "site-packages", "dist-packages", "pydoc_data", "distutils")
_FRAME = re.compile(r"frame (\d+): (\d+) bytes, begins (\S\S \S\S \S\S \S\S), "
                    r"(\d+) not written")
FRAMES = 6
# What the guest plays: programs on each camera and one on two other nodes, and
# how many devices of the rig get a frame.
PROGRAMS = 8
DEVICES = 2


@dataclass
class Report:
    """Everything one boot reported."""

    programs: dict[str, dict[str, Any]] = field(default_factory=dict)
    devices: list[dict[str, Any]] = field(default_factory=list)
    interrupted: dict[str, Any] = field(default_factory=dict)
    report: dict[str, Any] = field(default_factory=dict)


def parse(lines: Iterable[str]) -> Report:
    """Read the result channel."""
    report = Report()

    def take(entry: dict[str, Any]) -> None:
        if "program" in entry:
            report.programs[entry["program"]] = entry
        elif "device" in entry:
            report.devices.append(entry)
        elif "interrupted" in entry:
            report.interrupted = entry
        elif "report" in entry:
            report.report = entry

    read(lines, take)
    return report


def frames(entry: dict[str, Any]) -> set[str] | None:
    """How the frames of a program begin, None if it did not do as it should."""
    found = [_FRAME.fullmatch(line) for line in entry["said"]]
    if entry["status"] or len(found) != FRAMES or not entry.get("ours", True):
        return None
    begins = set()
    for number, match in enumerate(found):
        if not match or int(match[1]) != number or int(match[4]):
            return None
        begins.add(match[3])
    return begins


def _one_message(entry: dict[str, Any]) -> bool:
    """Whether a program failed with one line."""
    return entry["status"] == 1 and len(entry["said"]) == 1


def _missing(report: Report) -> list[str]:
    """What the report command did not tell, of what it must."""
    said = "\n".join(report.report.get("said", []))
    number = version((REPO / "driver/main.c").read_text())
    wanted = {
        "its version": rf"^version: {re.escape(number)}$",
        "the kernel": r"^Linux version ",
        "a parameter": r"^size_limit_mb=64$",
        "the node": r"^/dev/udmabuf-fanout: crw------- root root$",
        "five buffers": r"^## buffers\n5$",
        "the camera's peer": rf"^peer: {CAMERA}\.\d kind=\w+ "
                             "requested=FROM_DEVICE ",
        "a bounced device": r"^peer: \S+ kind=copy requested=TO_DEVICE ",
        "its driver": r"^driver: edu-importer$",
        "its mask": r"^dma_mask_bits: 32$",
        "the kernel's messages": r"^\[\d+\.\d+\] udmabuf_fanout: ",
    }
    return [what for what, pattern in wanted.items()
            if not re.search(pattern, said, re.MULTILINE)]


def verdicts(report: Report) -> list[tuple[bool, str]]:
    """Each thing that has to hold, and whether it does."""
    played = {name: entry for name, entry in report.programs.items()
              if name != "C, no camera"}
    begins = [frames(entry) for entry in played.values()]
    wrong = [name for name, entry in played.items() if not frames(entry)]
    alike = set().union(*(some or set() for some in begins))
    found: list[tuple[bool, str]] = [
        (not wrong and len(played) == PROGRAMS,
         f"examples: {len(played)} runs of {FRAMES} frames, each written by the "
         f"camera and read" + (f"; not {', '.join(wrong)}" if wrong else "")),
        (len(alike) == 1, "examples: every frame has the same picture's "
         f"beginning ({', '.join(sorted(alike))})"),
        (_one_message(report.programs.get("C, no camera",
                                          {"status": 0, "said": []})),
         "examples: without a camera, one message"),
        (len(report.devices) == DEVICES
         and all(entry["cpu"] and entry["device"] for entry in report.devices),
         f"examples: {len(report.devices)} devices of the rig and the CPU see "
         "each other's bytes in a frame"),
        (report.interrupted.get("frames") == 8
         and report.interrupted.get("signals", 0) >= 4,
         f"examples: {report.interrupted.get('signals', 0)} signals interrupt "
         "Python's calls, and no frame is lost"),
    ]
    missing = _missing(report)
    found.append((report.report.get("status") == 0 and not missing,
                  "report: tells all of it"
                  + (f" but {', '.join(missing)}" if missing else "")))
    return found


def totals(found: list[tuple[bool, str]]) -> Totals:
    """Each of the verdicts is a test."""
    good = sum(holds for holds, _ in found)
    return Totals(good, len(found) - good)


def show(report: Report, found: list[tuple[bool, str]]) -> None:
    """Print the verdicts; what programs said, if one does not hold."""
    for holds, what in found:
        print(colour("ok    " if holds else "FAILED", 32 if holds else 31), what)
    if all(holds for holds, _ in found):
        return
    for entry in (*report.programs.values(), report.report):
        for line in entry.get("said", []):
            print("    " + line)


def closure(folder: Path, name: str) -> list[Path]:
    """The module @name in @folder after all that it depends on."""
    files = {path.name.split(".ko")[0].replace("-", "_"): path
             for path in folder.rglob("*.ko*")}
    ordered: list[Path] = []

    def add(wanted: str) -> None:
        path = files.get(wanted.replace("-", "_"))
        if path is None:
            raise Failure(f"the kernel's packages have no module {wanted}")
        if path in ordered:
            return
        depends = re.search(rb"\0depends=([^\0]*)\0", module_bytes(path))
        for other in depends[1].decode().split(",") if depends else []:
            if other:
                add(other)
        ordered.append(path)

    add(name)
    return ordered


def stock_modules(kernel: Kernel) -> Path:
    """The folder that has the modules of the stock @kernel."""
    with locked(CACHE) as cache:
        folder = cache / f"linux-image-{kernel.release}"
        if next(folder.rglob("*.ko*"), None) is None:
            # Since 6.19 the image has none.
            folder = cache / f"linux-modules-{kernel.release}"
        if not folder.is_dir():
            archive, _ = series_of(kernel.tree.name)
            say("guest kernel", f"downloading {folder.name} (up to 105 MB)")
            with appearing(folder) as files:
                archive.fetch([folder.name], files)
    return folder


def copy_python(root: Path) -> None:
    """Put the Python that runs this, and what it needs, into @root."""
    library = Path(sysconfig.get_path("stdlib"))
    shutil.copytree(library, root / library.relative_to("/"),
                    ignore=_NOT_COPIED)
    interpreter = Path(sys.executable).resolve()
    (root / "usr/bin").mkdir(parents=True)
    shutil.copy(interpreter, root / "usr/bin/python3")
    told = subprocess.run(
        ["ldd", interpreter, *library.glob("lib-dynload/*.so")],
        capture_output=True, text=True, check=True, env=environment()).stdout
    for name in sorted(set(re.findall(r"^\s+(?:\S+ => )?(/\S+) \(", told,
                                      re.MULTILINE))):
        target = root / name.lstrip("/")
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(name, target)


def initramfs(kernel: Kernel, module: Path | None) -> Path:
    """Pack what the guest runs for @kernel; @module is the driver if given."""
    log = log_of(kernel, "examples-build")
    root = kernel.build / "examples-root"
    shutil.rmtree(root, ignore_errors=True)
    root.mkdir(parents=True)
    copy_python(root)
    compile_c: list[str | Path] = ["gcc", "-static", "-O2", "-Wall", "-Wextra",
                                   "-Werror", EXAMPLES / "capture.c", "-o"]
    failure = "the example could not be built"
    logged("examples", [*compile_c, root / "capture"], log, failure)
    logged("examples", [*compile_c, root / "interrupted", "-Wl,--wrap=ioctl",
                        GUEST / "examples/interrupted.c"], log, failure)
    for source, name in ((INIT, "init"), (EXAMPLES / "capture.py", "capture.py"),
                         (REPO / "tools/deb/report.py",
                          "udmabuf-fanout-report")):
        shutil.copy(source, root / name)
        (root / name).chmod(0o755)
    # As on any machine: the report tells users by their names.
    (root / "etc").mkdir()
    (root / "etc/passwd").write_text("root:x:0:0::/:/bin/false\n")
    (root / "etc/group").write_text("root:x:0:\n")
    modules = root / "modules"
    modules.mkdir()
    order = []
    for path in closure(stock_modules(kernel), CAMERA):
        order.append(path.name.removesuffix(".xz"))
        (modules / order[-1]).write_bytes(module_bytes(path))
    order += put_modules(kernel, module, modules, log)
    (modules / "order").write_text("\n".join(order) + "\n")
    return pack(root, kernel.build / "examples-initramfs", log)
