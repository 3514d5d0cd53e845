# SPDX-License-Identifier: GPL-2.0
"""The list of functions: which ones, of which header, and why."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Iterable

from bindgen import Failure

LIST = "driver/bindings/bindings.list"


@dataclass(frozen=True)
class Entry:
    """One line of the list."""

    name: str
    header: str
    reason: str


def parse_list(text: str, name: str = LIST) -> list[Entry]:
    """Read the list of functions.

    >>> parse_list("linux/mm.h\\n\\tunpin_folio\\tevery pin goes back\\n")[0].header
    'linux/mm.h'
    """
    entries: list[Entry] = []
    header = ""
    for number, line in enumerate(text.splitlines(), 1):
        if not line.strip() or line.startswith("#"):
            continue
        if not line[0].isspace():
            header = line.strip()
            if not re.fullmatch(r"[\w./-]+\.h", header):
                raise Failure(f"{name}:{number}: not a header: {header}")
            continue
        words = line.split(None, 1)
        if not header:
            raise Failure(f"{name}:{number}: a function before the first header")
        if len(words) < 2 or not re.fullmatch(r"[A-Za-z_]\w*", words[0]):
            raise Failure(f"{name}:{number}: want `function <tab> reason`: {line.strip()}")
        if words[0] in (entry.name for entry in entries):
            raise Failure(f"{name}:{number}: {words[0]} is listed twice")
        entries.append(Entry(words[0], header, words[1].strip()))
    if not entries:
        raise Failure(f"{name}: no function listed")
    return entries


def include_text(headers: Iterable[str]) -> str:
    """Return one #include line per header, each once, in order."""
    return "".join(f"#include <{header}>\n" for header in dict.fromkeys(headers))
