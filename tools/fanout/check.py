# SPDX-License-Identifier: GPL-2.0
"""What can be said about the sources without running them."""

import io
import re
import shutil
import sys
import time
import unittest
from collections.abc import Callable, Iterable
from fnmatch import fnmatch
from functools import partial
from pathlib import Path

from fanout import tree
from fanout.host import (BUILD, JOBS, LOGS, REPO, NothingToDo, Totals, run, say,
                         say_totals, show_failure, shown)
from fanout.kunit import build_folder, command, configure
from fanout.logscan import not_said
from fanout.module import RUN_SPARSE, WARNING, build_foreign, quiet
from fanout.rooms import misplaced
from fanout.tree import JOINT, KernelTree

# What checkpatch.pl is not asked about: files, message types, and why.
_NOT_IN_PROGRAMS = ("ARRAY_SIZE", "BIT_MACRO", "PREFER_KERNEL_TYPES",
                    "PREFER_DEFINED_ATTRIBUTE_MACRO")
EXCUSED = (
    ("tools/*", _NOT_IN_PROGRAMS, "programs have none of the kernel's macros"),
    ("docs/*", _NOT_IN_PROGRAMS, "the same"),
    ("tools/rig/guest/hostile/*.c",
     ("USE_NEGATIVE_ERRNO", "VOLATILE", "ENOSYS"),
     "errno is what user space sees, and touching memory is the point"),
    ("tools/rig/guest/[dp]*/*.c", ("USE_NEGATIVE_ERRNO",),
     "errno is what user space sees"),
    ("kunit/model.h", _NOT_IN_PROGRAMS, "built as a program, too"),
    ("driver/merge.h", _NOT_IN_PROGRAMS, "built as a program, too"),
    ("kunit/model_checks.c", ("REPEATED_WORD",),
     "a history is words, and may repeat one"),
    ("kunit/racers.c", ("YIELD",),
     "where there is one CPU, threads take turns by it"),
    ("kunit/coverage.c", ("AVOID_EXTERNS",), "the linker defines them"),
    ("driver/trace.h", ("OPEN_ENDED_LINE", "PARENTHESIS_ALIGNMENT"),
     "TRACE_EVENT() is laid out as the kernel's own trace headers are"),
    ("*", ("ALLOC_WITH_SIZEOF",), "6.12 has no kzalloc_obj()"),
    ("*/compat.h", ("LINUX_VERSION_CODE", "CONSTANT_COMPARISON"),
     "one source for 6.12 and later: this is where the versions differ"),
)

def sources(*folders: str) -> list[Path]:
    """The C files in @folders of the checkout."""
    return sorted(path for folder in folders
                  for path in (REPO / folder).rglob("*.[ch]"))


def unexcused(lines: Iterable[str]) -> list[str]:
    """The lines of checkpatch.pl's report that EXCUSED does not cover."""
    found = [(match, line) for line in lines
             if (match := re.match(r"(\S+?):\d+: \w+:(\w+): ", line))]
    return [line for match, line in found
            if not any(fnmatch(match[1], files) and match[2] in types
                       for files, types, _ in EXCUSED)]


def rooms(log: Path) -> bool:
    """No file of the driver includes from a room above it."""
    wrong = misplaced(REPO / "driver")
    log.parent.mkdir(parents=True, exist_ok=True)
    log.write_text("".join(f"{line}\n" for line in wrong))
    return not wrong


def checkpatch(kernel: KernelTree, log: Path) -> bool:
    """checkpatch.pl --strict finds nothing but what is excused."""
    files = sources("driver", "kunit", "tools", "docs")
    status = run("checkpatch", [
        kernel.farm / "scripts/checkpatch.pl", "--strict", "--no-tree",
        "--emacs", "--show-types", "--summary-file", "-f",
        *(path.relative_to(REPO) for path in files)], log)
    if status not in (0, 1) or not_said(log, {
            file: rf"^{re.escape(shown(file))} total: .* [1-9]\d* lines checked"
            for file in files}):
        return False
    left = unexcused(log.read_text(errors="replace").splitlines()[1:])
    if left:
        log.write_text("\n".join(left) + "\n")
    return not left


def kernel_doc(kernel: KernelTree, log: Path) -> bool:
    """Every kernel-doc comment is complete."""
    files = sources("driver", "kunit")
    status = run("kernel-doc", [kernel.farm / "scripts/kernel-doc", "-none",
                                "-v", "-Wall", *files], log)
    if status or not_said(log, {
            file: rf"{re.escape(str(file))}:\d+.*Scanning doc for"
            for file in files if re.search(r"^/\*\*$", file.read_text(),
                                           re.MULTILINE)}):
        return False
    return not WARNING.search(log.read_text())


def make_um(kernel: KernelTree, what: str, log: Path, *arguments: str) -> int:
    """Run make in the UML kernel's build. Return: its exit status."""
    build = configure(kernel, "um", log)
    return run(what, ["make", "-C", kernel.farm, f"O={build}", "ARCH=um",
                      f"-j{JOBS}", *arguments], log)


def sparse(kernel: KernelTree, log: Path) -> bool:
    """gcc with W=1 and sparse are silent about driver and suites under UML.

    The objects are removed first: a warning must not show only once. A file
    that no Makefile names, a suite that never runs for one, is found here.
    """
    objects = build_folder(kernel, "um") / JOINT
    shutil.rmtree(objects, ignore_errors=True)
    status = make_um(kernel, "sparse", log, *RUN_SPARSE, f"{JOINT}/")
    files = [file for file in sources("driver", "kunit")
             if file.suffix == ".c"]
    seen = quiet(status, log, "CC", files)
    return quiet(status, log, "CHECK", files) and seen


def bindings(kernel: KernelTree, log: Path, check: bool = True) -> bool:
    """The generated bindings are what the kernel tree gives."""
    if make_um(kernel, "bindings", log, "prepare"):
        return False
    return run("bindings", [
        sys.executable, "-m", "bindgen", f"--ktree={kernel.farm}",
        f"--build={build_folder(kernel, 'um')}", "--arch=um",
        *(["--check"] if check else [])],
        log, cwd=REPO / "tools") == 0 and not not_said(
            log, {REPO / "driver/bindings/bindings.list": "^bindings: [1-9]"})


def all_tests(kernel: KernelTree, log: Path) -> bool:
    """kunit.py --alltests, kernel CI's usual way, has the suites."""
    build = kernel.build / "alltests"
    build.mkdir(exist_ok=True)
    if run("alltests", [
            sys.executable, kernel.farm / "tools/testing/kunit/kunit.py",
            "config", "--alltests", f"--build_dir={build}"], log):
        return False
    found = "CONFIG_UDMABUF_FANOUT_KUNIT_TEST=y" in \
        (build / ".config").read_text().splitlines()
    if not found:
        with log.open("a") as out:
            print("error: CONFIG_UDMABUF_FANOUT_KUNIT_TEST is off", file=out)
    return found


def mypy(log: Path) -> bool:
    """The types of tools and examples fit, under mypy --strict.

    What is imported may be there or not, with types or without.
    """
    folders = ("tools", "docs/examples")
    files = [file for folder in folders for file in (REPO / folder).rglob("*.py")]
    return run("mypy", ["mypy", "--strict", "--ignore-missing-imports",
                        f"--cache-dir={BUILD}/mypy", *folders], log) == 0 \
        and not not_said(log, {
            REPO / "tools": rf"^Success: .* in {len(files)} source files"})


def attempt(what: str, log: Path, check: Callable[[Path], bool]) -> Totals:
    """Run one @check that writes to @log, and show how it went."""
    start = time.monotonic()
    passed = check(log)
    totals = Totals(passed=passed, failed=not passed)
    say_totals(what, totals, time.monotonic() - start)
    if not passed:
        show_failure(log)
    return totals


def check_bindings(kernel: KernelTree, check: bool = True) -> Totals:
    """make bindings and make bindings-check."""
    return attempt(f"bindings {kernel.name}",
                   kernel.logs / "bindings-check.log",
                   partial(bindings, kernel, check=check))


def newest_bindings() -> Totals:
    """The same bindings fit the newest kernel, if there is a newer one."""
    try:
        kernel = tree.choose(tree.NEWEST, "")
    except NothingToDo as nothing:
        say("bindings", f"skipped: {nothing}")
        return Totals(skipped=1)
    tree.prepare(kernel)
    return check_bindings(kernel)


def check_types() -> Totals:
    """mypy's part of make check and make test."""
    return attempt("mypy", LOGS / "mypy.log", mypy)


def check_all(kernel: KernelTree) -> Totals:
    """make check."""
    totals = attempt("rooms", LOGS / "rooms.log", rooms)
    for what, check in (("checkpatch", checkpatch), ("kernel-doc", kernel_doc),
                        ("sparse", sparse), ("alltests", all_tests)):
        totals += attempt(what, kernel.logs / f"{what}.log",
                          partial(check, kernel))
    totals += check_bindings(kernel)
    if kernel.name == tree.DEFAULT:
        totals += newest_bindings()
    totals += build_foreign(kernel)
    return totals + check_types()


def unit_tests() -> Totals:
    """The tools' own tests."""
    start = time.monotonic()
    report = io.StringIO()
    suite = unittest.defaultTestLoader.discover(
        str(REPO / "tools/tests"), top_level_dir=str(REPO / "tools"))
    result = unittest.TextTestRunner(stream=report, verbosity=2).run(suite)
    failed = len(result.failures) + len(result.errors) \
        + len(result.unexpectedSuccesses) + (not result.testsRun)
    skipped = len(result.skipped)
    totals = Totals(max(0, result.testsRun - failed - skipped), failed, skipped)
    log = LOGS / "unittest.log"
    log.parent.mkdir(parents=True, exist_ok=True)
    log.write_text(report.getvalue())
    say_totals("tools' tests", totals, time.monotonic() - start)
    if failed:
        show_failure(log)
    return totals
