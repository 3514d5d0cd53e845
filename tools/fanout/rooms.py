# SPDX-License-Identifier: GPL-2.0
"""The order of the driver's rooms: each includes from those below it only.

A room is X.c with X.h; driver/Makefile lists them from top to bottom. A header
without a .c is in no list: it stands just above the highest room that it
includes, or at the bottom if it includes none.
"""

import re
from pathlib import Path

from fanout.host import shown

_LIST = re.compile(r"^udmabuf_fanout-\S+ *[:+]?=((?:\\\n|[^\n])*)",
                   re.MULTILINE)
_INCLUDE = re.compile(r'^[ \t]*#[ \t]*include[ \t]+[<"]([^>"]+)[>"]',
                      re.MULTILINE)
_BOTTOM = (0, 0)


def listed(makefile: str) -> list[str]:
    """The rooms in the lists of @makefile, from top to bottom."""
    return [room for objects in _LIST.findall(makefile)
            for room in re.findall(r"(\S+)\.o\b", objects)]


def included(file: Path, folder: Path) -> list[Path]:
    """The files of @folder that @file includes; the Makefile has -I$(src)."""
    found = []
    for name in _INCLUDE.findall(file.read_text()):
        places = [(base / name).resolve() for base in (file.parent, folder)]
        found += [path for path in places
                  if path.is_file() and path.is_relative_to(folder)][:1]
    return found


def misplaced(folder: Path) -> list[str]:
    """What is wrong with the order of the driver in @folder, a line each."""
    folder = folder.resolve()
    makefile = folder / "Makefile"
    order = listed(makefile.read_text())
    includes = {file: included(file, folder)
                for file in sorted(folder.rglob("*.[ch]"))}
    ranks = {room: (len(order) - at, 0) for at, room in enumerate(order)}

    def room_of(file: Path) -> str:
        return str(file.relative_to(folder).with_suffix(""))

    def rank(room: str) -> tuple[int, int]:
        if room not in ranks:
            # For headers that include each other: on no way round do ranks
            # only fall, whatever they are.
            ranks[room] = _BOTTOM
            below = [rank(room_of(other))
                     for file, others in includes.items()
                     if room_of(file) == room
                     for other in others if room_of(other) != room]
            if below:
                highest, headers = max(below)
                ranks[room] = highest, headers + 1
        return ranks[room]

    wrong = [f"{shown(file)} is in no list of {shown(makefile)}"
             for file in includes
             if file.suffix == ".c" and room_of(file) not in order]
    for file, others in includes.items():
        wrong += [f"{shown(file)} includes {other.relative_to(folder)}, a room "
                  f"above it (see {shown(makefile)})"
                  for other in others if room_of(other) != room_of(file)
                  and rank(room_of(other)) >= rank(room_of(file))]
    return wrong
