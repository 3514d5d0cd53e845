# SPDX-License-Identifier: GPL-2.0
"""Tests of whose lines are shown; failed.log is of two kernels with tests that
were broken on purpose.
"""

import contextlib
import io
import tempfile
import unittest
from pathlib import Path

from fanout import ktap, kunit

LOG = Path(__file__).with_name("failed.log")
LINES = LOG.read_text().splitlines()
FULL = "udmabuf_fanout_shim.a_full_recorder_fails_the_test"
JUDGE = "udmabuf_fanout_shim.a_fake_judges_its_use.map twice"
SYNCED = ("udmabuf_fanout_fanout.device_is_synced_in_its_mapped_direction."
          "bounced reader")


class Results(unittest.TestCase):
    """A log becomes results, each with what its test said."""

    def test_who_failed(self) -> None:
        """Cases and parameters; not the case or suite around a parameter."""
        self.assertEqual(
            [result.name for result in ktap.failed(ktap.results(LINES))],
            [FULL, JUDGE, SYNCED])

    def test_a_tests_own_lines(self) -> None:
        """Those of the test inside it, which fails on purpose, are not."""
        by_name = {result.name: result for result in ktap.results(LINES)}
        self.assertEqual(by_name[JUDGE].lines[0],
                         "EXPECTATION FAILED at ../../kunit/shim_test.c:623")
        self.assertEqual(len(by_name[JUDGE].lines), 4)
        for result in by_name.values():
            text = "\n".join(result.lines)
            self.assertNotIn("inner:", text)
            self.assertNotIn("mapped twice", text)

    def test_the_record_is_among_them(self) -> None:
        """It follows the expectation."""
        by_name = {result.name: result for result in ktap.results(LINES)}
        text = "\n".join(by_name[SYNCED].lines)
        self.assertIn("! for_device dev BIDIRECTIONAL", text)
        self.assertIn("21 calls recorded", text)

    def test_time_stamps_and_callers(self) -> None:
        """As a kernel with PRINTK_TIME and PRINTK_CALLER writes them."""
        stamped = [f"[    1.234567][   T12] {line}" for line in LINES]
        self.assertEqual(ktap.results(stamped), ktap.results(LINES))

    def test_long_output_is_cut_in_the_middle(self) -> None:
        """Its ends are what one looks for."""
        lines = [str(number) for number in range(100)]
        short = ktap.shortened(lines)
        self.assertEqual((short[0], short[-1]), ("0", "99"))
        self.assertIn("... 76 lines ...", short)
        self.assertEqual(ktap.shortened(lines[:24]), lines[:24])

    def test_why_tests_were_skipped(self) -> None:
        """Once for each reason, whatever numbers are in it."""
        found = ktap.results([
            "    # Subtest: s", "    ok 1 a # SKIP no 4 pages",
            "    ok 2 b # SKIP no 80 pages", "    ok 3 c",
            "        # Subtest: d", "        ok 1 e # SKIP",
            "    ok 4 d # SKIP", "ok 1 s # SKIP"])
        self.assertEqual(ktap.why_skipped(found), [
            "2 skipped: no 4 pages", "1 skipped: no reason given"])

    def test_where_a_run_was_cut_short(self) -> None:
        """The suite, or the case with parameters, and what came last."""
        self.assertIsNone(ktap.cut_short([*LINES, "not ok 1 fanout"]))
        log = ["    # Subtest: s", "    ok 1 a", "    # b: half way", "hello"]
        cut = ktap.cut_short(log)
        assert cut is not None
        self.assertEqual((cut.name, cut.lines),
                         ("s", ("    # b: half way", "hello")))
        cut = ktap.cut_short([*log, "        # Subtest: d", "        ok 1 e"])
        assert cut is not None
        self.assertEqual((cut.name, cut.lines), ("s.d", ()))
        self.assertIsNone(ktap.cut_short([*log, "    ok 2 b", "ok 1 s"]))


class Shown(unittest.TestCase):
    """What the terminal shows."""

    def shown(self, console: str, *wrong: str) -> str:
        """show_trouble() with this console and these messages."""
        with tempfile.TemporaryDirectory() as folder, \
                contextlib.redirect_stdout(io.StringIO()) as out:
            log, results = Path(folder, "test.log"), Path(folder, "json")
            log.write_text(console)
            results.write_text("{}")
            kunit.show_trouble(wrong, results, log, log)
        return out.getvalue()

    def test_each_failed_test_has_its_lines(self) -> None:
        """And nothing of what was to fail."""
        text = self.shown(LOG.read_text(), f"{JUDGE}: FAIL", "s.x: ERROR")
        for line in (f"{FULL}: FAIL", "kunit/shim_test.c:216", f"{JUDGE}: FAIL",
                     "the->want == 0 (0x0)", "21 calls recorded", "s.x: ERROR"):
            self.assertEqual(text.count(line), 1, line)
        self.assertNotIn("inner:", text)

    def test_five_at_most(self) -> None:
        """And how many more there are."""
        text = self.shown("    # Subtest: s\n" + "".join(
            f"    # t{n}: says {n}\n    not ok {n} t{n}\n" for n in range(7)))
        self.assertIn("says 4", text)
        self.assertNotIn("says 5", text)
        self.assertIn("... and 2 more", text)

    def test_a_complaint_comes_first(self) -> None:
        """With the last test that ended before it."""
        text = self.shown("    # Subtest: s\n    ok 1 a\n"
                          "WARNING: CPU: 0 PID: 1 at x\n    not ok 2 b\n")
        self.assertIn("the kernel says: WARNING: CPU: 0 PID: 1 at x"
                      "  (after s.a)", text)
        self.assertIn("s.b: FAIL", text)


if __name__ == "__main__":
    unittest.main()
