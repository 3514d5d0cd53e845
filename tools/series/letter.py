# SPDX-License-Identifier: GPL-2.0
"""The cover letters: a text, and tables made of figures that were measured."""

import json
import re
from pathlib import Path
from typing import Any

from fanout.host import BUILD, REPO, Failure, shown
from fanout.tree import KERNELS, KernelTree

TEXTS = Path(__file__).parent
_NAMES = {"stock": "udmabuf", "heap": "system heap", "fanout": ""}


def text_table(rows: list[list[str]]) -> str:
    """@rows, of which the first is the head, in columns."""
    widths = [max(map(len, column)) for column in zip(*rows)]
    lines = ["  ".join(cell.ljust(width) if at == 0 else cell.rjust(width)
                       for at, (cell, width) in enumerate(zip(row, widths)))
             for row in rows]
    rule = "  ".join("-" * width for width in widths)
    return "\n".join(f"  {line.rstrip()}" for line in
                     (lines[0], rule, *lines[1:]))


def demo_figures(tree: KernelTree) -> dict[str, Any]:
    """What a demo run wrote last, of this kernel if there was one."""
    folders = [tree.build, *(BUILD / kernel for kernel in KERNELS)]
    for folder in folders:
        file = folder / "rig/demo.json"
        if file.is_file():
            figures = json.loads(file.read_text())
            assert isinstance(figures, dict)
            return figures
    raise Failure("the cover letter has the demo's table, and no demo was "
                  "played here yet: make demo (a minute), then this again; "
                  f"it writes {shown(BUILD)}/6.12/rig/demo.json")


def _outcome(runs: list[dict[str, Any]]) -> str:
    """What one exporter's @runs of a scenario amount to."""
    found = [run["outcome"] for run in runs]
    if not found or set(found) == {"not applicable"}:
        return "-"
    for bad in ("broken", "wrong", "refused"):
        if bad in found:
            some = found.count(bad)
            return bad.upper() if some == len(found) else \
                f"{bad.upper()} {some}/{len(found)}"
    return "right"


def demo_table(figures: dict[str, Any], ours: str) -> str:
    """The known faults row by row, and the totals of each block.

    What was played as ours is called @ours.
    """
    exporters = [name for name in _NAMES if name in figures["exporters"]]
    rows = [["", *(_NAMES[name] or ours for name in exporters)]]
    scenarios = figures["scenarios"]
    rows += [[row["title"], *(_outcome(row["runs"].get(name, []))
                              for name in exporters)]
             for row in scenarios if row["design"]]
    for block in dict.fromkeys(row["block"] for row in scenarios):
        cells = []
        for name in exporters:
            runs = [run["outcome"] for row in scenarios
                    if row["block"] == block
                    for run in row["runs"].get(name, [])
                    if run["outcome"] != "not applicable"]
            cells.append(f"{runs.count('wrong')} of {len(runs)}")
        rows.append([f"wrong, of all runs: {block}", *cells])
    return text_table(rows)


def page_table(page: str, after: str, columns: int) -> str:
    """The first table behind @after in the project's @page, its first @columns."""
    text = (REPO / "docs" / page).read_text()
    match = re.search(r"(?:^\|.*\|\n)+", text[text.find(after):], re.MULTILINE)
    if text.count(after) != 1 or not match:
        raise Failure(f"docs/{page} has no table after {after!r}: change "
                      "tools/series/letter.py")
    rows = [[cell.strip() for cell in line[1:-1].split("|")][:columns]
            for line in match[0].splitlines()]
    return text_table([rows[0], *rows[2:]])


def letter(name: str, **parts: str) -> tuple[str, str]:
    """Subject and text of letter @name with its @parts."""
    text = (TEXTS / f"{name}.txt").read_text()
    subject, _, rest = text.partition("\n\n")
    return subject, rest.format(**parts)
