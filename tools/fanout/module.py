# SPDX-License-Identifier: GPL-2.0
"""Builds the driver as a module for an installed or downloaded kernel."""

import re
import shutil
import time
from collections.abc import Iterable
from pathlib import Path

from fanout import tree
from fanout.arch import FOREIGN, NATIVE, Arch
from fanout.headers import (Headers, given_headers, source_headers,
                            stock_headers)
from fanout.host import (BUILD, JOBS, LOGS, REPO, Totals, run, say, say_totals,
                         show_failure, shown)
from fanout.logscan import not_said

WARNING = re.compile(r"\b(warning|error)\b:", re.IGNORECASE)
# Since 7.1 make runs no sparse that lacks C23's typeof_unqual, as Debian's does,
# nor where headers lack the script that asks for it. To that sparse the length
# of a literal is no constant, which MODULE_INFO() of 6.19 and later wants.
RUN_SPARSE = ("W=1", "C=2", "KBUILD_CHECKSRC=2",
              "CHECK=sparse -D__typeof_unqual__=__typeof__ "
              "'-D__builtin_strlen(literal)=(sizeof(literal)-1)'")


def quiet(status: int, log: Path, mark: str, files: Iterable[Path]) -> bool:
    """Whether make ended with @status 0, warned of nothing, and saw @files.

    Kbuild leaves a step out where it cannot do it, and passes: a line with
    @mark, CC or CHECK, is what tells of each file.
    """
    suffix = ".o" if mark == "CC" else ".c"
    return not status and not not_said(log, {
        file: rf"^ *{mark} (\[M\])? *(\S*/)?{file.stem}\{suffix}$"
        for file in files}) and not WARNING.search(
            log.read_text(errors="replace"))


def _build(headers: Headers, arch: Arch, what: str, mark: str,
           *options: str) -> Totals:
    """Build the module; @mark says which step must have seen each file."""
    start = time.monotonic()
    log = LOGS / f"{what.replace(' ', '-').replace('=', '')}.log"
    files = sorted((REPO / "driver").glob("*.c"))
    good = quiet(run(what, ["make", "-C", headers.path, f"M={folder(arch)}",
                            f"-j{JOBS}", "CONFIG_UDMABUF_FANOUT=m", *arch.make,
                            *options, "modules"], log), log, mark, files)
    totals = Totals(passed=good, failed=not good)
    say_totals(what, totals, time.monotonic() - start)
    if not good:
        show_failure(log)
    return totals


def folder(arch: Arch) -> Path:
    """Where the module for @arch is built."""
    return BUILD / "-".join(filter(None, ("module", arch.name)))


def _silent(headers: Headers, arch: Arch) -> Totals:
    """Build with W=1 from scratch, for a warning to show each time."""
    shutil.rmtree(folder(arch), ignore_errors=True)
    shutil.copytree(REPO / "driver", folder(arch))
    return _build(headers, arch, " ".join(
        filter(None, ("module", arch.name, "W=1"))), "CC", "W=1")


def headers_for(kernel: tree.KernelTree, arch: Arch) -> Headers:
    """What a module for @arch and @kernel is built with.

    A tree of somebody's own has no headers at Debian.
    """
    if arch.packaged and kernel.name in tree.KERNELS:
        return stock_headers(kernel.name, arch)
    return source_headers(kernel, arch)


def build_foreign(kernel: tree.KernelTree) -> Totals:
    """Build the module for all other architectures."""
    totals = Totals()
    for arch in FOREIGN.values():
        totals += _silent(headers_for(kernel, arch), arch)
    return totals


def build_module(kernel: str, kdir: str, arch: Arch) -> Totals:
    """Build udmabuf_fanout.ko with W=1, then for this machine with sparse."""
    if kdir:
        headers = given_headers(kdir)
    elif arch is NATIVE:
        headers = stock_headers(kernel or tree.DEFAULT)
    else:
        headers = headers_for(tree.choose(kernel, ""), arch)
    say("module", f"building for {headers.release} against {headers.path} "
        "(10 s)")
    totals = _silent(headers, arch)
    if arch is NATIVE:
        totals += _build(headers, arch, "module sparse", "CHECK", *RUN_SPARSE)
    if not totals.failed:
        say("module", shown(folder(arch) / "udmabuf_fanout.ko"))
    return totals
