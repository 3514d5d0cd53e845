# SPDX-License-Identifier: GPL-2.0
"""Finds what a kernel complains about in its console log.

kunit.py looks at test results only and passes a run whose log is full of
warnings; here each of them is a failure.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass

_TIME = re.compile(r"\[ *\d+\.\d+\](\[ *[TC]\d+\])? ")
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


@dataclass(frozen=True)
class Complaint:
    """One line of a log, counted from 0."""

    at: int
    text: str


def complaints(lines: Iterable[str]) -> list[Complaint]:
    """The lines in which the kernel says that something is wrong."""
    found = []
    for at, line in enumerate(lines):
        text = _TIME.sub("", line, count=1).strip()
        if not _KTAP.match(text) and _COMPLAINT.search(text):
            found.append(Complaint(at, text))
    return found
