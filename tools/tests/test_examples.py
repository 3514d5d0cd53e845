# SPDX-License-Identifier: GPL-2.0
"""Tests of how the examples' run is judged, and of what the guest is given."""

import lzma
import tempfile
import unittest
from pathlib import Path
from typing import Any
from unittest import mock

from fanout.headers import Headers
from fanout.host import Failure
from rig import examples, kernel

SAID = """\
## module
version: 1.0
## kernel
Linux version 6.12
## parameters
size_limit_mb=64
## node
/dev/udmabuf-fanout: crw------- root root
## buffers
5
peer: vivid.0 kind=copy requested=FROM_DEVICE mapped=BIDIRECTIONAL
peer: 0000:00:03.0 kind=copy requested=TO_DEVICE mapped=TO_DEVICE
driver: edu-importer
dma_mask_bits: 32
## messages
[2.500000] udmabuf_fanout: hello
"""


def program(begins: str = "80 80 eb 80") -> dict[str, Any]:
    """A program that did as it should."""
    return {"status": 0, "said": [
        f"frame {number}: 614400 bytes, begins {begins}, 0 not written"
        for number in range(examples.FRAMES)]}


def good() -> examples.Report:
    """A boot at which all went well."""
    found = examples.Report()
    for number in range(examples.PROGRAMS):
        found.programs[str(number)] = program()
    found.programs["C, no camera"] = {"status": 1, "said": ["/dev/no: none"]}
    found.devices = [{"cpu": True, "device": True}] * examples.DEVICES
    found.interrupted = {"signals": 8, "frames": 8}
    found.report = {"status": 0, "said": SAID.splitlines()}
    return found


class Judged(unittest.TestCase):
    """What holds, and what does not."""

    def failed(self, report: examples.Report) -> int:
        """How many verdicts on @report do not hold."""
        with mock.patch.object(examples, "version", return_value="1.0"):
            return examples.totals(examples.verdicts(report)).failed

    def test_all_is_well(self) -> None:
        """As it is when it is."""
        self.assertEqual(self.failed(good()), 0)

    def test_a_program(self) -> None:
        """That fails, loses a frame, or sees what was there before."""
        for said in (program()["said"][1:],
                     [*program()["said"][:-1],
                      "frame 5: 614400 bytes, begins 80 80 eb 80, 64 not "
                      "written"],
                     [*program()["said"][:-1], "frame 5: Input/output error"]):
            report = good()
            report.programs["0"] = {"status": 0, "said": said}
            self.assertEqual(self.failed(report), 1, said)
        report = good()
        report.programs["0"]["status"] = 1
        self.assertEqual(self.failed(report), 1)
        report = good()
        report.programs["0"]["ours"] = False
        self.assertEqual(self.failed(report), 1)

    def test_another_picture(self) -> None:
        """One camera's picture begins in one way."""
        report = good()
        report.programs["0"] = program("5a 5a 5a 5a")
        self.assertEqual(self.failed(report), 1)

    def test_one_that_was_not_played(self) -> None:
        """Is not passed over."""
        report = good()
        del report.programs["0"]
        self.assertEqual(self.failed(report), 1)
        report = good()
        del report.programs["C, no camera"]
        self.assertEqual(self.failed(report), 1)
        self.assertEqual(self.failed(examples.Report()), 6)

    def test_devices(self) -> None:
        """Each of them, in both directions."""
        report = good()
        report.devices[1] = {"cpu": True, "device": False}
        self.assertEqual(self.failed(report), 1)
        report.devices = report.devices[:1]
        self.assertEqual(self.failed(report), 1)

    def test_signals(self) -> None:
        """There have to be some."""
        report = good()
        report.interrupted = {"signals": 0, "frames": 8}
        self.assertEqual(self.failed(report), 1)

    def test_the_report(self) -> None:
        """Each line that matters is missed."""
        report = good()
        for line in SAID.splitlines():
            if line.startswith("## ") and line != "## buffers":
                continue
            report.report["said"] = [other for other in SAID.splitlines()
                                     if other != line]
            self.assertEqual(self.failed(report), 1, line)


class Modules(unittest.TestCase):
    """What is loaded, and whose driver."""

    def setUp(self) -> None:
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = Path(folder.name)

    def module(self, name: str, depends: str = "", release: str = "6.12") -> Path:
        """A file with the fields of a module."""
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        raw = (f"\x7fELF\0depends={depends}\0"
               f"vermagic={release} SMP preempt \0").encode()
        path.write_bytes(lzma.compress(raw) if path.suffix == ".xz" else raw)
        return path

    def test_what_it_depends_on_comes_first(self) -> None:
        """Whatever the spelling, each once, compressed or not."""
        self.module("a/b-1.ko.xz", "c,d")
        self.module("c.ko.xz", "d")
        self.module("b/d.ko")
        self.module("e.ko", "b_1")
        self.assertEqual([path.name for path in
                          examples.closure(self.folder, "b_1")],
                         ["d.ko", "c.ko.xz", "b-1.ko.xz"])
        with self.assertRaisesRegex(Failure, "have no module f"):
            examples.closure(self.folder, "f")

    def test_a_module_that_is_given(self) -> None:
        """It is for the guest's kernel, or one message says what it is."""
        headers = Headers(self.folder, "6.12")
        with mock.patch.object(kernel, "stock_headers", return_value=headers):
            given = self.module("x.ko.xz")
            kernel.check_module(given, "")
            for path, words in (
                    (self.folder / "no.ko", "no such file"),
                    (self.module("y.ko", release="6.11"),
                     "is for 6.11, and the guest has 6.12")):
                with self.assertRaisesRegex(Failure, words):
                    kernel.check_module(path, "")
            (self.folder / "z.ko").write_text("text")
            with self.assertRaisesRegex(Failure, "not a kernel module"):
                kernel.check_module(self.folder / "z.ko", "")


if __name__ == "__main__":
    unittest.main()
