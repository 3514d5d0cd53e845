# SPDX-License-Identifier: GPL-2.0
"""Compares what is generated with the files that are committed."""

from __future__ import annotations

import difflib
import re
from pathlib import Path
from typing import Iterator, Sequence

from bindgen.kbuild import Flags, kernel_version
from bindgen.prototypes import Prototype, read_wrappers


def generated_from(text: str) -> str:
    """Return the version of the kernel that a generated file was made from."""
    found = re.search(r"prototypes of Linux (\S+)\. ", text)
    return found[1] if found else "unknown"


def without_version(text: str) -> str:
    """Drop the version: a stable update that changes no prototype is no change."""
    return re.sub(r"(prototypes of Linux )\S+\. ", r"\1VERSION. ", text, count=1)


def compare(wanted: dict[str, str], root: Path) -> Iterator[str]:
    """Yield a unified diff for each committed file that is not what was generated."""
    for name, text in wanted.items():
        path = root / name
        old = path.read_text() if path.is_file() else ""
        yield from difflib.unified_diff(
            without_version(old).splitlines(True), without_version(text).splitlines(True),
            f"{name} (committed)", f"{name} (generated now)")


def changed_prototypes(protos: Sequence[Prototype], root: Path, flags: Flags, build: Path,
                       target: str | None) -> Iterator[str]:
    """Yield a sentence for each prototype that is not the committed wrapper's.

    It names both kernels.
    """
    header = root / "driver/bindings/bindings.h"
    if not header.is_file():
        return
    committed = read_wrappers(header, flags, build, target)
    for proto in protos:
        old = committed.get("bindings_" + proto.name)
        if old and old.types() != proto.types():
            yield (f"{proto.name}() changed its prototype:\n"
                   f"  committed, of Linux {generated_from(header.read_text())}: "
                   f"{old.types()}\n"
                   f"  this tree, of Linux {kernel_version(build)}: {proto.types()}")
