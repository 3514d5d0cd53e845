# SPDX-License-Identifier: GPL-2.0
"""Finds what a kernel complains about in its console log.

kunit.py looks at test results only and passes a run whose log is full of
warnings; here each of them is a failure.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass

# KTAP lines name tests and carry their messages; kunit.py judges those.
_KTAP = re.compile(r"\s*(#|ok \d|not ok \d|1\.\.\d|KTAP version)")
_TIME = re.compile(r"^(<\d>)?\[ *\d+\.\d+\](\[ *[TC]\d+\])? ")

_COMPLAINTS = tuple(re.compile(pattern) for pattern in (
    r"\bWARNING: ",
    r"\bBUG: ",
    r"\bBUG\b.*\(.*\): ",               # slab: "BUG kmalloc-64 (...): ..."
    r"\bkernel BUG at ",
    r"\bUBSAN: ",
    r"\bKernel panic\b",
    r"\bOops\b",
    r"\bINFO: (possible|inconsistent|suspicious|task|rcu|trying)",
    r"\brcu: INFO: .*stall",
    r"\b(possible|circular|inconsistent) .*lock(ing)? .*(detected|state)",
    r"\bturning off the locking correctness validator",
    r"\bscheduling while atomic\b",
    r"\bsleeping function called from invalid context\b",
    r"\bDMA-API: .*(device driver|exceeded|leak|overlapping|out of memory|"
    r"debugging disabled|cacheline)",
    r"\bkmemleak: \d+ new suspected",
    r"^unreferenced object 0x",
    r"\bObjects remaining in ",
    r"\bBad page (state|map)\b",
    r"\bgeneral protection fault\b",
    r"\bUnable to handle kernel\b",
    r"\blist_(add|del) corruption\b",
    r"\bODEBUG: ",
    r"\brefcount_t: ",
    r"\bSegfault with no mm\b",         # how UML dies
    r"\bTest timed out\b|\btest case timed out\b",
))


@dataclass(frozen=True)
class Complaint:
    """One line of a log, counted from 0."""

    at: int
    text: str


def complaints(lines: Iterable[str]) -> list[Complaint]:
    """The lines in which the kernel says that something is wrong."""
    found = []
    for at, line in enumerate(lines):
        text = _TIME.sub("", line.rstrip("\n"))
        if not _KTAP.match(text) and any(p.search(text) for p in _COMPLAINTS):
            found.append(Complaint(at, text.strip()))
    return found
