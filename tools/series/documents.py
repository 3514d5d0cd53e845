# SPDX-License-Identifier: GPL-2.0
"""The project's pages as the kernel's documentation.

pandoc turns them into reStructuredText. What is about this project's commands and
not about the driver is left out by headings, links to pages that are not in the
kernel become plain text.
"""

import re
import subprocess
import textwrap
from pathlib import Path

from fanout.host import REPO, Failure
from fanout.tree import JOINT
from series.source import DOCS, changed_once

SPDX = ".. SPDX-License-Identifier: GPL-2.0\n\n"
# Page, what it is called there, headings of sections that stay out.
PAGES = (
    ("driver.md", "using", ()),
    ("hazards.md", "hazards", ("The stories",)),
    ("inside.md", "inside", ("Where the tests are",)),
)
# Page, what is there exactly once, what is there instead.
EDITS = (
    ("hazards.md", "All of it is checked by a model (`kunit/model.h`) that tries "
     "every\nmove of everybody in every state; the stories below are printed by "
     "it.\n\n```\nmake model              judge the plan, and see that wrong ones "
     "are caught\nmake model-docs         write the generated part of this page "
     "again\nbuild/model/model --plan no-H14          one story\n"
     "build/model/model --help\n```\n",
     "All of it is checked by a model (`tests/model.h`) that tries every\nmove "
     "of everybody in every state.\n"),
    ("hazards.md", "| 1, 2, 3, 5, 6 | `udmabuf_fanout_model`, `make model` |",
     "| 1, 2, 3, 5, 6 | `udmabuf_fanout_model` |"),
    ("inside.md", "![The files of the driver: who calls whom, under which lock, "
     "and where data\npasses](inside.svg)\n\n", ""),
    ("inside.md", "Calls go downwards only: `driver/Makefile` has the files from "
     "top to bottom, and\n`make check` fails if one includes a header of a file "
     "above it. The", "Calls go downwards only: the Makefile has the files from "
     "top to bottom. The"),
    ("inside.md", "| `bindings/` | the door: every call that a test must be able "
     "to fake, generated from a list |\n| `compat.h` | what differs between "
     "kernel versions |\n", "| `bindings.h` | the door: every call that a test "
     "must be able to fake |\n"),
    ("inside.md", "Both are compiled unchanged into the module, the KUnit suites "
     "and\nnative programs, and the model (`make model`) tries the plan against "
     "every history.", "Both know nothing of the kernel, and the model "
     "(`tests/model.h`) tries the plan against\nevery history."),
)
# In the sections that stay, of the project alone.
_DROPPED = (
    ("hazards.md", "The last whole `make model`", "\n\n`build/model/model` folds "
     "only what cannot differ (`struct model_walk`); the\nKUnit suite says in "
     "its head where it cuts off.\n"),
    ("driver.md", " [using.md](using.md) says", "how to report a problem."),
    ("driver.md", "; the [package]", "brings one that does"),
    ("driver.md", " Figures are in\n  [demo.md]", "(demo.md#the-bench)."),
)

_INDEX = f"""\
{SPDX}===================================================
udmabuf-fanout: memfds as dma-bufs, for all devices
===================================================

``/dev/udmabuf-fanout`` turns memfd memory into a dma-buf, as ``/dev/udmabuf``
does, and keeps the CPU and every attached device looking at the same data,
whether a device is cache-coherent, is not, or does not reach all of memory.

.. toctree::
   :maxdepth: 1

   using
   hazards
   inside

The plan
========

.. kernel-doc:: {JOINT}/sync_plan.h

.. kernel-doc:: {JOINT}/sync_plan.c

The merge
=========

.. kernel-doc:: {JOINT}/merge.h

.. kernel-doc:: {JOINT}/merge.c
"""


def without_sections(text: str, headings: tuple[str, ...]) -> str:
    """@text without the sections that have @headings."""
    for heading in headings:
        mark = f"\n## {heading}\n"
        if text.count(mark) != 1:
            raise Failure(f"the documentation has no section {heading!r} any "
                          "more: change PAGES in tools/series/documents.py")
        before, _, rest = text.partition(mark)
        end = rest.find("\n## ")
        text = before + (rest[end:] if end >= 0 else "\n")
    return text


def unlinked(text: str) -> str:
    """@text with links as the kernel's documentation has them."""
    names = {page: name for page, name, _ in PAGES}

    def link(match: re.Match[str]) -> str:
        page, _, section = match[2].partition("#")
        if page in names:
            return f"[{match[1]}]({names[page]}.rst)"
        if not page and section:
            return match[1]
        return match[1] if "://" not in page else match[0]

    return re.sub(r"\[([^\]]*)\]\(([^)\s]+)\)", link, text)


def page_text(page: str, text: str, headings: tuple[str, ...]) -> str:
    """The project's @page, which has @text, as Markdown for the kernel."""
    for file, old, new in EDITS:
        if file == page:
            text = changed_once(f"docs/{page}", text, old, new)
    for file, first, last in _DROPPED:
        if file != page:
            continue
        start, stop = text.find(first), text.find(last)
        if start < 0 or stop < start:
            raise Failure(f"docs/{page} is another than the edit for the series "
                          f"knows: no {first.strip()!r} before {last.strip()!r}")
        text = text[:start] + text[stop + len(last):]
    text = unlinked(without_sections(text, headings))
    text = re.sub(r"\bdriver/(\w+\.[ch])\b", r"\1", text)
    return text.replace("`kunit/", "`tests/")


_TABLE = re.compile(r"^\|.*\|\n\|[-|: ]+\|\n(?:\|.*\|\n)+", re.MULTILINE)


def list_table(match: re.Match[str]) -> str:
    """A table as the directive that the kernel's pages use: pandoc's own ones
    break words.
    """
    rows = [[cell.strip() for cell in re.split(r"(?<!\\)\|", line[1:-1])]
            for line in match[0].splitlines()]
    del rows[1]
    lines = [".. list-table::", "   :header-rows: 1", ""]
    for row in rows:
        for at, cell in enumerate(row):
            cell = re.sub(r"`([^`]+)`", r"``\1``", cell.replace("\\|", "|"))
            # A dash alone would begin a list.
            cell = "\\-" if cell == "-" else cell
            lines += textwrap.wrap(
                cell, 80, initial_indent=f"   {' ' if at else '*'} - ",
                subsequent_indent="       ", break_long_words=False,
                break_on_hyphens=False) or [f"   {' ' if at else '*'} -"]
    return "```{=rst}\n" + "\n".join(lines) + "\n\n```\n"


def to_rst(markdown: str) -> str:
    """@markdown as reStructuredText."""
    done = subprocess.run(
        ["pandoc", "--from=gfm-raw_html+raw_attribute", "--to=rst",
         "--columns=80"], input=_TABLE.sub(list_table, markdown), text=True,
        capture_output=True, check=False)
    if done.returncode:
        raise Failure(f"pandoc cannot convert a page: {done.stderr.strip()}")
    # References to pages beside it, by their own titles.
    text = re.sub(r"`\w+\.md <(\w+)\.rst>`__", r":doc:`\1`", done.stdout)
    text = re.sub(r"`([^`<>]+) <(\w+)\.rst>`__", r":doc:`\1 <\2>`", text)
    return SPDX + text


def documents(repo: Path = REPO) -> dict[str, str]:
    """The kernel's pages, by their names in its tree."""
    found = {f"{DOCS}/index.rst": _INDEX}
    for page, name, headings in PAGES:
        text = page_text(page, (repo / "docs" / page).read_text(), headings)
        found[f"{DOCS}/{name}.rst"] = to_rst(text)
    return found
