# SPDX-License-Identifier: GPL-2.0
"""Tests of the console log scan, with logs that kernels have written."""

import re
import unittest
from pathlib import Path

from fanout.logscan import complaints, foreign_races

HERE = Path(__file__).parent


def recorded() -> dict[str, list[str]]:
    """The sections of complaints.log by name."""
    sections = re.split(r"^== (\w+)\n", (HERE / "complaints.log").read_text(),
                        flags=re.MULTILINE)[1:]
    return {name: text.splitlines()
            for name, text in zip(sections[::2], sections[1::2])}


class Complaints(unittest.TestCase):
    """What counts as the kernel saying that something is wrong."""

    def test_every_recorded_report_is_found(self) -> None:
        """Whatever debugging facility reports, the scan sees it."""
        found = recorded()
        self.assertGreater(len(found), 10)
        for name, lines in found.items():
            with self.subTest(name):
                self.assertTrue(complaints(lines))

    def test_a_boot_with_a_failing_test_is_clean(self) -> None:
        """Boot messages and failed tests are not the kernel's complaints."""
        lines = (HERE / "clean.log").read_text().splitlines()
        self.assertIn("    not ok 1 failing", lines)
        self.assertEqual(complaints(lines), [])

    def test_what_tests_print_is_not_searched(self) -> None:
        """A test's own words are not reports, with or without a time."""
        for line in ("ok 1 WARNING: none", "    # wait: BUG: not this",
                     "[    1.250000]     # wait: WARNING: not this"):
            self.assertEqual(complaints([line]), [])

    def test_time_stamps_are_no_hindrance(self) -> None:
        """The line is found where it is, without its time stamp."""
        found, = complaints(["[    0.1] fine",
                             "[    1.250000][    T1] WARNING: CPU: 0 PID: 1"])
        self.assertEqual((found.at, found.text), (1, "WARNING: CPU: 0 PID: 1"))

    def test_silenced_judges_are_complaints(self) -> None:
        """A debugging facility that gave up proves nothing any more."""
        for line in ("DMA-API: debugging out of memory - disabling",
                     "DMA-API: debugging disabled on kernel command line",
                     "INFO: lockdep is turned off."):
            self.assertTrue(complaints([line]), line)

    def test_races_of_others_are_told_apart(self) -> None:
        """By their stacks, whatever else complains about ours."""
        ours = re.compile(r"\[udmabuf_fanout\]")
        rule = "[    9.000000] " + "=" * 66

        def report(name: str, *frames: str) -> list[str]:
            return [rule, f"BUG: KCSAN: data-race in {name}", "", *frames, rule]

        foreign = report("a / b", " vfs_read+0x1/0x2", " ksys_read+0x3/0x4")
        known = report("c / fanout_map", " vfs_read+0x1/0x2",
                       " fanout_map+0x5/0x6 [udmabuf_fanout]")
        lines = foreign + known + ["BUG: scheduling while atomic"] + foreign
        self.assertEqual(
            [found.at for found in foreign_races(lines, ours)], [1, 14])
        self.assertEqual([found.text for found in complaints(lines, ours)],
                         ["BUG: KCSAN: data-race in c / fanout_map",
                          "BUG: scheduling while atomic"])
        self.assertEqual(len(complaints(lines)), 4)

    def test_report_cut_short_counts(self) -> None:
        """A guest that dies in the middle of one may be ours."""
        lines = ["BUG: KCSAN: data-race in a / b", " vfs_read+0x1/0x2"]
        self.assertEqual(
            len(complaints(lines, re.compile("udmabuf_fanout"))), 1)


if __name__ == "__main__":
    unittest.main()
