# SPDX-License-Identifier: GPL-2.0
"""Tests of the order of the rooms, on drivers of a few empty files."""

import tempfile
import unittest
from pathlib import Path

from fanout.host import REPO
from fanout.rooms import listed, misplaced

MAKEFILE = """\
obj-$(CONFIG_UDMABUF_FANOUT) += udmabuf_fanout.o
udmabuf_fanout-y := top.o \\
	middle.o
udmabuf_fanout-y += low.o
udmabuf_fanout-$(CONFIG_TEST) += bindings/bindings.o
CFLAGS_other.o := -I$(src)
"""
FILES = {
    "top.c": "<linux/mm.h> middle.h low.h bindings/bindings.h top.h",
    "top.h": "middle.h",
    "middle.c": "middle.h low.h",
    "middle.h": "low.h middle.h",
    "low.c": "low.h bindings/bindings.h",
    "low.h": "",
    "bindings/bindings.c": "bindings.h",
    "bindings/bindings.h": "<linux/mm.h>",
}


class Rooms(unittest.TestCase):
    """Each test changes a driver of three rooms and the bindings."""

    def wrong(self, **changes: str) -> list[str]:
        """What is said of FILES with @changes: what else these include."""
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name).resolve() / "driver"
            folder.mkdir()
            (folder.parent / "outside.h").touch()
            (folder / "Makefile").write_text(MAKEFILE)
            more = {name.replace("__", "/").replace("_", "."): what
                    for name, what in changes.items()}
            for name in FILES.keys() | more.keys():
                file = folder / name
                file.parent.mkdir(exist_ok=True)
                file.write_text("".join(
                    f"#include {what}\n" if what.startswith("<")
                    else f'#include "{what}"\n' for what in
                    f"{FILES.get(name, '')} {more.get(name, '')}".split()))
            return [line.replace(f"{folder}/", "")
                    for line in misplaced(folder)]

    def above(self, file: str, header: str) -> list[str]:
        """The one complaint that @file includes @header."""
        return [f"{file} includes {header}, a room above it (see Makefile)"]

    def test_the_lists(self) -> None:
        """All lines and their continuations, in their order, and no others."""
        self.assertEqual(listed(MAKEFILE),
                         ["top", "middle", "low", "bindings/bindings"])

    def test_downwards(self) -> None:
        """Headers of the rooms below, one's own, and the kernel's."""
        self.assertEqual(self.wrong(), [])

    def test_upwards(self) -> None:
        """From a source and from a header, by one room and by two."""
        self.assertEqual(self.wrong(low_c="middle.h"),
                         self.above("low.c", "middle.h"))
        self.assertEqual(self.wrong(low_h="top.h"),
                         self.above("low.h", "top.h"))

    def test_upwards_by_other_ways(self) -> None:
        """Through the folder above, and through -I$(src)."""
        self.assertEqual(self.wrong(bindings__bindings_c="../low.h"),
                         self.above("bindings/bindings.c", "low.h"))
        self.assertEqual(self.wrong(low_c="../driver/top.h"),
                         self.above("low.c", "top.h"))
        self.assertEqual(self.wrong(bindings__bindings_h="<low.h>"),
                         self.above("bindings/bindings.h", "low.h"))

    def test_outside(self) -> None:
        """What is not the driver's has no room."""
        self.assertEqual(self.wrong(
            low_c="../outside.h ../driver/low.h <linux/top.h>"), [])

    def test_a_forgotten_file(self) -> None:
        """Its header stands where its includes put it, all the same."""
        self.assertEqual(self.wrong(new_c="new.h", new_h="low.h",
                                    low_c="new.h"),
                         ["new.c is in no list of Makefile",
                          *self.above("low.c", "new.h")])

    def test_a_header_alone(self) -> None:
        """It stands above what it includes, and below the next room."""
        self.assertEqual(self.wrong(trace_h="middle.h", top_c="trace.h"), [])
        self.assertEqual(self.wrong(trace_h="middle.h low.h",
                                    middle_c="trace.h"),
                         self.above("middle.c", "trace.h"))
        self.assertEqual(self.wrong(compat_h="", low_c="compat.h",
                                    bindings__bindings_c="../compat.h"), [])

    def test_headers_alone_on_each_other(self) -> None:
        """They all fit between two rooms."""
        headers = {"a_h": "b.h", "b_h": "c.h", "c_h": "middle.h"}
        self.assertEqual(self.wrong(**headers, top_h="a.h"), [])
        self.assertEqual(self.wrong(**headers, middle_h="a.h"),
                         self.above("middle.h", "a.h"))

    def test_headers_in_a_circle(self) -> None:
        """One of them is above the other; one that includes itself is not."""
        self.assertEqual(self.wrong(a_h="b.h", b_h="c.h", c_h="a.h"),
                         self.above("a.h", "b.h"))
        self.assertEqual(self.wrong(a_h="a.h", top_c="a.h"), [])

    def test_the_driver_has_some(self) -> None:
        """Its Makefile is understood."""
        order = listed((REPO / "driver/Makefile").read_text())
        self.assertEqual(set(order), {
            str(path.relative_to(REPO / "driver").with_suffix(""))
            for path in (REPO / "driver").rglob("*.c")})


if __name__ == "__main__":
    unittest.main()
