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
from pathlib import Path

from fanout.host import (BINDINGS, BUILD, JOBS, KERNEL_BUILD, LOGS,
                         PYTHON_CHECKS, REPO, SPARSE, Totals, require, run,
                         say_totals, show_failure, shown)
from fanout.kunit import build_folder, configure
from fanout.module import WARNING
from fanout.tree import FARM, JOINT

# What checkpatch.pl is not asked about: files, message types, and why.
_NOT_IN_PROGRAMS = ("ARRAY_SIZE", "BIT_MACRO", "PREFER_KERNEL_TYPES",
                    "PREFER_DEFINED_ATTRIBUTE_MACRO")
EXCUSED = (
    ("tools/*", _NOT_IN_PROGRAMS, "programs have none of the kernel's macros"),
    ("tools/rig/guest/hostile*.c",
     ("USE_NEGATIVE_ERRNO", "VOLATILE", "ENOSYS"),
     "errno is what user space sees, and touching memory is the point"),
    ("kunit/model.[ch]", _NOT_IN_PROGRAMS, "built as a program, too"),
    ("kunit/model_checks.c", ("REPEATED_WORD",),
     "a history is words, and may repeat one"),
    ("kunit/race_test.c", ("YIELD",),
     "where there is one CPU, threads take turns by it"),
    ("kunit/coverage.c", ("AVOID_EXTERNS",), "the linker defines them"),
    ("tools/rig/guest/edu_importer.c",
     ("LINUX_VERSION_CODE", "CONSTANT_COMPARISON"),
     "one source for 6.12 and later"),
    ("driver/trace.h", ("OPEN_ENDED_LINE", "PARENTHESIS_ALIGNMENT"),
     "TRACE_EVENT() is laid out as the kernel's own trace headers are"),
    ("driver/compat.h", ("LINUX_VERSION_CODE", "CONSTANT_COMPARISON"),
     "one source for 6.12 and later: this is where the versions differ"),
)

Check = Callable[[Path], bool]


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


def checkpatch(log: Path) -> bool:
    """checkpatch.pl --strict finds nothing but what is excused."""
    status = run("checkpatch", [
        FARM / "scripts/checkpatch.pl", "--strict", "--no-tree", "--terse",
        "--show-types", "--no-summary", "-f",
        *(path.relative_to(REPO)
          for path in sources("driver", "kunit", "tools"))], log)
    report = log.read_text(errors="replace").splitlines()[1:]
    if status not in (0, 1) or (status and not report):
        return False
    left = unexcused(report)
    if left:
        log.write_text("\n".join(left) + "\n")
    return not left


def kernel_doc(log: Path) -> bool:
    """Every kernel-doc comment is complete."""
    status = run("kernel-doc", [FARM / "scripts/kernel-doc", "-none", "-Wall",
                                *sources("driver", "kunit")], log)
    return status == 0 and not WARNING.search(log.read_text())


def make_um(what: str, log: Path, *arguments: str) -> bool:
    """Run make in the UML kernel's build. Return: whether that worked."""
    build = configure("um", log)
    return run(what, ["make", "-C", FARM, f"O={build}", "ARCH=um",
                      f"-j{JOBS}", *arguments], log) == 0


def sparse(log: Path) -> bool:
    """gcc with W=1 and sparse are silent about driver and suites under UML.

    The objects are removed first: a warning must not show only once. A file
    that no Makefile names, a suite that never runs for one, is found here.
    """
    objects = build_folder("um") / JOINT
    shutil.rmtree(objects, ignore_errors=True)
    if not make_um("sparse", log, "W=1", "C=2", f"{JOINT}/"):
        return False
    forgotten = [file for file in sources("driver", "kunit")
                 if file.suffix == ".c" and not
                 (objects / file.relative_to(REPO)).with_suffix(".o").exists()]
    with log.open("a") as out:
        for file in forgotten:
            print(f"error: {shown(file)} is in no Makefile", file=out)
    return not WARNING.search(log.read_text(errors="replace"))


def bindings(log: Path, check: bool = True) -> bool:
    """The generated bindings are what the kernel tree gives."""
    require((*KERNEL_BUILD, *BINDINGS))
    return make_um("bindings", log, "prepare") and run(
        "bindings", [sys.executable, REPO / "tools/bindgen.py",
                     f"--ktree={FARM}", f"--build={build_folder('um')}",
                     "--arch=um", *(["--check"] if check else [])], log) == 0


def mypy(log: Path) -> bool:
    """The tools' types fit, under mypy --strict."""
    require(PYTHON_CHECKS)
    return run("mypy", ["mypy", "--strict", f"--cache-dir={BUILD}/mypy",
                        "tools"], log) == 0


def attempt(what: str, check: Check) -> Totals:
    """Run one @check and show how it went."""
    start = time.monotonic()
    log = LOGS / f"{what}.log"
    passed = check(log)
    totals = Totals(passed=passed, failed=not passed)
    say_totals(what, totals, time.monotonic() - start)
    if not passed:
        show_failure(log)
    return totals


def check_all() -> Totals:
    """make check."""
    require((*KERNEL_BUILD, *SPARSE, *BINDINGS, *PYTHON_CHECKS))
    return (attempt("checkpatch", checkpatch)
            + attempt("kernel-doc", kernel_doc)
            + attempt("sparse", sparse)
            + attempt("bindings-check", bindings)
            + attempt("mypy", mypy))


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
