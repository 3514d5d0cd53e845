# SPDX-License-Identifier: GPL-2.0
"""Tests of how a run of the hostile users is put together and judged."""

import contextlib
import io
import os
import unittest
from unittest import mock

from fanout.host import Totals
from rig import hostile

OK = "ok     seed 1, 4 threads: 5 calls in 1.0 s, hash 0"
FAILED = "FAILED UDMABUF_CREATE: got EFAULT, expected success"


class Judge(unittest.TestCase):
    """Totals from what the program said."""

    def test_parts_are_counted(self) -> None:
        """Right, wrong and not there; everything else is talk."""
        self.assertEqual(
            hostile.judge(["talk", OK, FAILED, OK, "skip   vmap: none",
                           "  ok where it is no mark", '{"end": 0}']),
            Totals(2, 1, 1))

    def test_nothing_tried_is_a_failure(self) -> None:
        """A program that says nothing, or skips everything."""
        self.assertEqual(hostile.judge([]).failed, 1)
        self.assertEqual(hostile.judge(["skip   all of it"]).failed, 1)

    def test_progress_is_the_last_one(self) -> None:
        """Once there is one."""
        self.assertEqual(hostile.progress("talk\n"), "")
        self.assertEqual(hostile.progress(
            "hostile: progress: 5 s, 9 calls\r\n"
            "hostile: progress: 10 s, 20 calls\r\n"),
            "10 s, 20 calls")

    def test_what_is_shown(self) -> None:
        """What was wrong and what was counted, not how long it took."""
        with contextlib.redirect_stdout(io.StringIO()) as out, \
                mock.patch.dict(os.environ, NO_COLOR="1"):
            hostile.show(["progress: 5 s, 9 calls", "", FAILED,
                          "count: touch 5 worked", OK,
                          '{"end": 0}'])
        self.assertEqual(out.getvalue().splitlines(), [FAILED, OK])

    def test_the_kernel_says_other_things(self) -> None:
        """On the same console."""
        self.assertEqual(hostile.said(
            ["Linux version 6.12", f"hostile: {OK}\r", "reboot: hostile: "]),
            [OK])


class Arguments(unittest.TestCase):
    """The kernel's command line."""

    def test_seed_and_time_reach_the_programs(self) -> None:
        """All that are random have the seed; together they take the time."""
        programs = hostile.programs(7, 60)
        spent = 0
        for line in programs:
            self.assertTrue("--sweep" in line
                            or line[line.index("--seed") + 1] == "7", line)
            if "--seconds" in line:
                spent += int(line[line.index("--seconds") + 1])
        self.assertEqual(spent, 60)

    def test_each_program_is_inits(self) -> None:
        """After `--`, one after the other; the kernel stops at a warning."""
        line = hostile.arguments(7, 60)
        at = line.index("--")
        self.assertEqual(line[at + 1:].count("+"),
                         len(hostile.programs(7, 60)) - 1)
        self.assertIn("panic_on_warn=1", line[:at])
        # More would make the kernel panic (CONFIG_INIT_ENV_ARG_LIMIT).
        self.assertLess(len(line) - at, 32)


if __name__ == "__main__":
    unittest.main()
