# SPDX-License-Identifier: GPL-2.0
"""Tests of the bench of importers: what it reads, judges and draws."""

import contextlib
import io
import json
import subprocess
import tempfile
import unittest
from dataclasses import replace
from pathlib import Path
from unittest import mock

from fanout import tree
from fanout.arch import ARM64
from fanout.host import Failure
from rig import importers, kernel, picture

GUEST = kernel.Kernel("stock-arm64", Path("k"), Path("h"), "6.12",
                      tree.KernelTree(Path("t"), (6, 12, 1), "6.12"), ARM64)
DEVICES = [json.dumps({"device": "edu", "bits": bits, "coherent": int(snoops)})
           for bits, snoops in importers.DEVICES]


def point(exporter: str, number: int, start: int = 1000, end: int = 2000,
          devices: str = "noncoherent", role: str = "writers",
          pages: str = "2 MiB") -> str:
    """A point's line, each access at the same price."""
    return json.dumps({
        "importers": number, "devices": devices, "role": role, "pages": pages,
        "exporter": exporter, "attach_map": 5000, "entries": 32,
        "accesses": {access: [start, end] for access in importers.ACCESSES}})


def failed(exporter: str, number: int) -> str:
    """The line of one that could not be had."""
    return json.dumps({
        "importers": number, "devices": "noncoherent", "role": "writers",
        "pages": "2 MiB", "exporter": exporter, "failed": "attach and map",
        "errno": 5})


def marks(cleaned: int, invalidated: int) -> list[str]:
    """What the plugin writes of one point."""
    return ["7 7", f"0 {invalidated}", f"{cleaned} 0"] \
        * len(importers.ACCESSES)


class Reports(unittest.TestCase):
    """What the guest says, and what the plugin wrote beside."""

    def test_lines_belong_to_their_calls(self) -> None:
        """What was counted before an access is nobody's; a failure has none."""
        measured = importers.parse(
            [*DEVICES, failed("heap", 1), point("fanout", 1)], marks(3, 4))
        one = measured.point(("noncoherent", "writers", "2 MiB", "fanout"), 1)
        self.assertEqual(one.pair("RW"), 3.0)
        self.assertEqual(one.cleaned["W"], (0, 3))
        self.assertEqual(one.invalidated["W"], (4, 0))
        text = "\n".join(importers.table(measured))
        self.assertIn("attach and map: errno 5", text)

    def test_each_call_is_in_both_reports(self) -> None:
        """Neither may have one that the other has not."""
        for counted in (marks(1, 1)[1:], marks(1, 1) * 2):
            with self.assertRaisesRegex(Failure, "did not"):
                importers.parse([*DEVICES, point("fanout", 1)], counted)

    def test_devices_must_be_what_they_are_called(self) -> None:
        """A noncoherent one that snoops would cost nothing."""
        lacking: list[list[str]] = [
            [], DEVICES[:4], DEVICES[:4] + DEVICES[2:4]]
        for lines in lacking:
            with self.assertRaisesRegex(Failure, "guest's devices"):
                importers.parse([*lines, point("fanout", 1)])

    def test_without_the_plugin(self) -> None:
        """Instructions alone."""
        measured = importers.parse([*DEVICES, point("fanout", 1)])
        self.assertNotIn("cleaned", "\n".join(importers.table(measured)))
        self.assertNotIn("cleaned", importers.as_json(measured))
        self.assertEqual(len(importers.judge(measured)), 2)


class Targets(unittest.TestCase):
    """What ours must keep to."""

    def missed(self, *lines: str, counted: list[str] | None = None) -> str:
        """What is judged to be missed."""
        measured = importers.parse([*DEVICES, *lines], counted)
        return "\n".join(str(j) for j in importers.judge(measured)
                         if not j.met)

    def test_one_sync_stands_for_all(self) -> None:
        """64 cost what one costs, and one what the heap's does."""
        heap = point("heap", 1)
        self.assertEqual(self.missed(heap, point("fanout", 1),
                                     point("fanout", 64, end=2020)), "")
        self.assertRegex(self.missed(heap, point("fanout", 1),
                                     point("fanout", 64, end=2040)),
                         "64 importers as 1")
        self.assertRegex(self.missed(heap, point("fanout", 1, end=2040),
                                     point("fanout", 64)),
                         "1 noncoherent writer")
        self.assertRegex(self.missed(heap, point("fanout", 1)),
                         "64 importers as 1")

    def test_a_mix_begins_with_two(self) -> None:
        """Of a single kind there is none."""
        self.assertRegex(self.missed(
            point("fanout", 2, devices="mixed"),
            point("fanout", 64, end=5000, devices="mixed")),
            "64 importers as 2: mixed")

    def test_a_write_begin_leaves_no_line_old(self) -> None:
        """Or stores to a part of a line lose the device's other part."""
        lines = [point("heap", 1), point("fanout", 1), point("fanout", 64)]
        all_of_it = importers.LINES
        self.assertEqual(self.missed(
            *lines, counted=marks(all_of_it, all_of_it) * 3), "")
        self.assertRegex(self.missed(
            *lines, counted=marks(all_of_it, all_of_it - 1) * 3),
            r"START\(W\) leaves old")


class Outside(unittest.TestCase):
    """QEMU's plugin, the picture."""

    def test_the_plugin_is_of_qemus_kind(self) -> None:
        """Another QEMU has another interface: it is said, and not counted."""
        self.assertEqual(importers.plugin_version(
            "QEMU emulator version 7.2.22 (Debian 1:7.2)"), 7)
        self.assertIsNone(importers.plugin_version(""))
        with tempfile.TemporaryDirectory() as folder, \
                mock.patch.object(tree, "BUILD", Path(folder)), \
                contextlib.redirect_stdout(io.StringIO()) as said:
            GUEST.build.mkdir(parents=True)
            qemu = Path(folder, "qemu")
            log = Path(folder, "log")
            for version, built in (("7.2.22", True), ("10.0.2", False)):
                qemu.write_text(f"#!/bin/sh\necho QEMU version {version}\n")
                qemu.chmod(0o755)
                program = importers.build_plugin(GUEST, str(qemu), log)
                self.assertEqual(program is not None, built)
            self.assertIn("QEMU 10 has another interface", said.getvalue())

    def test_marks_and_maintenance_are_known(self) -> None:
        """The plugin's words are what an assembler makes of the names."""
        words = {"hint #127": 0xd5032fff, "dc ivac, x0": 0xd5087620,
                 "dc cvac, x0": 0xd50b7a20, "dc civac, x0": 0xd50b7e20}
        text = importers.PLUGIN.read_text()
        for word in words.values():
            self.assertIn(f"{word:#x}", text)
        try:
            with tempfile.TemporaryDirectory() as folder:
                subprocess.run(
                    ["aarch64-linux-gnu-as", "-o", f"{folder}/o", "-"],
                    input="\n".join([*words, ""]), text=True, check=True)
                subprocess.run(["aarch64-linux-gnu-objcopy", "-O", "binary",
                                "-j", ".text", f"{folder}/o", f"{folder}/b"],
                               check=True)
                made = Path(folder, "b").read_bytes()
        except FileNotFoundError:
            self.skipTest("there is no assembler for arm64")
        self.assertEqual(made, b"".join(
            word.to_bytes(4, "little") for word in words.values()))

    def test_picture(self) -> None:
        """Of what was measured; who cannot map is said to."""
        measured = importers.parse([*DEVICES, *(
            point(exporter, number) for exporter in ("stock", "fanout", "all")
            for number in importers.NUMBERS), failed("heap", 1)])
        with tempfile.TemporaryDirectory() as folder:
            source, out = Path(folder, "json"), Path(folder, "out.svg")
            source.write_text(importers.as_json(
                replace(measured, heap="system heap (module)")))
            picture.draw(source, out)
            text = out.read_text()
        self.assertIn("writers, noncoherent", text)
        self.assertIn("system heap (module): cannot map", text)


if __name__ == "__main__":
    unittest.main()
