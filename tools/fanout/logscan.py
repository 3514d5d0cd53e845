# SPDX-License-Identifier: GPL-2.0
"""Finds in logs what those who wrote them do not fail for.

kunit.py looks at test results only and passes a run whose log is full of the
kernel's warnings; here each of them is a failure. So is a file that a checker
passes because it never looked at it.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from fanout.host import shown

TIME = re.compile(r"\[ *\d+\.\d+\](\[ *[TC]\d+\])? ")
# KTAP lines name tests and carry their messages; kunit.py judges those.
_KTAP = re.compile(r"\s*(#|ok \d|not ok \d|1\.\.\d|KTAP version)")
_COMPLAINT = re.compile("|".join((
    # WARN(), lockdep, RCU; KASAN, sleeping while atomic
    r"\bWARNING: ", r"\bBUG: ", r"\bkernel BUG at ", r"\bUBSAN: ", r"\bINFO: ",
    # slab: "BUG kmalloc-64 (Not tainted): Redzone overwritten"
    r"^BUG \S+ \(", r"\bBad page ", r"\bpage dumped because: ",
    r"\blist_(add|del) corruption", r"\brefcount_t: ", r"\bODEBUG: ",
    r"\bKernel panic\b", r"\bOops\b", r"\bgeneral protection fault\b",
    r"\bUnable to handle kernel\b", r"\bunreferenced object 0x",
    # reports come with a WARNING; these are when it stops looking
    r"\bDMA-API: debugging (out of memory|disabled)",
)))
_RACE = re.compile(r"\bBUG: KCSAN: ")
# KCSAN's reports, like KASAN's, end with a line of these.
_RULE = re.compile(r"^={60,}$")


@dataclass(frozen=True)
class Complaint:
    """One line of a log, counted from 0."""

    at: int
    text: str


def _without_time(line: str) -> str:
    """What @line says."""
    return TIME.sub("", line, count=1).strip()


def foreign_races(lines: Iterable[str],
                  ours: re.Pattern[str]) -> list[Complaint]:
    """KCSAN's reports that have no line with @ours in either stack."""
    found = []
    report: Complaint | None = None
    for at, line in enumerate(lines):
        text = _without_time(line)
        if _RACE.search(text):
            report = Complaint(at, text)
        elif report and _RULE.match(text):
            found.append(report)
            report = None
        elif ours.search(text):
            report = None
    return found


def complaints(lines: Iterable[str],
               ours: re.Pattern[str] | None = None) -> list[Complaint]:
    """The lines in which the kernel says that something is wrong.

    With @ours, a data race counts only if a line of its stacks has it.
    """
    lines = list(lines)
    ignored = foreign_races(lines, ours) if ours else []
    found = []
    for at, line in enumerate(lines):
        text = _without_time(line)
        if not _KTAP.match(text) and _COMPLAINT.search(text):
            found.append(Complaint(at, text))
    return [complaint for complaint in found if complaint not in ignored]


def not_said(log: Path, wanted: dict[Path, str]) -> bool:
    """Whether @log lacks one of @wanted: what a tool says of each file.

    Those that it says nothing of, it has not looked at.
    """
    text = log.read_text(errors="replace")
    left = [file for file, pattern in wanted.items()
            if not re.search(pattern, text, re.MULTILINE)]
    with log.open("a") as out:
        for file in left:
            print(f"error: {shown(file)} was not looked at", file=out)
    return bool(left)
