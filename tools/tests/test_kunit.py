# SPDX-License-Identifier: GPL-2.0
"""Tests of how a run of the suites is judged."""

import json
import tempfile
import unittest
from pathlib import Path

from fanout.host import Totals
from fanout.kunit import judge


def group(name: str, *cases: tuple[str, str]) -> dict[str, object]:
    """A suite in kunit.py's JSON."""
    return {"name": name, "sub_groups": [],
            "test_cases": [{"name": n, "status": s} for n, s in cases]}


class Judge(unittest.TestCase):
    """Totals, and what is wrong, from what a run leaves behind."""

    def setUp(self) -> None:
        temporary = tempfile.TemporaryDirectory()
        self.addCleanup(temporary.cleanup)
        self.results = Path(temporary.name) / "results.json"
        self.console = Path(temporary.name) / "test.log"

    def judged(self, status: int, *suites: dict[str, object],
               console: str = "") -> tuple[Totals, list[str]]:
        """judge() on these suites and this console."""
        self.results.write_text(json.dumps(
            {"name": "KUnit Test Group", "test_cases": [],
             "sub_groups": suites}))
        self.console.write_text(console)
        return judge(status, self.results, self.console)

    def test_cases_count_at_every_depth(self) -> None:
        """A parameterised test is a group of its own."""
        outer = group("suite", ("a", "PASS"), ("b", "SKIP"))
        outer["sub_groups"] = [group("c", ("1", "PASS"), ("2", "FAIL"))]
        self.assertEqual(self.judged(1, outer),
                         (Totals(2, 1, 1), ["suite.c.2: FAIL"]))

    def test_a_crash_is_a_failure(self) -> None:
        """kunit.py calls it ERROR."""
        totals, wrong = self.judged(1, group("suite", ("a", "ERROR")))
        self.assertEqual((totals.failed, wrong), (1, ["suite.a: ERROR"]))

    def test_a_warning_fails_a_run_that_passed(self) -> None:
        """Although kunit.py is content."""
        totals, wrong = self.judged(0, group("suite", ("a", "PASS")),
                                    console="WARNING: CPU: 0\n")
        self.assertEqual(totals, Totals(1, 1, 0))
        self.assertEqual(wrong, ["the kernel says: WARNING: CPU: 0"])

    def test_nothing_run_is_a_failure(self) -> None:
        """A filter that matches nothing, a suite that was not built."""
        self.assertEqual(self.judged(0), (Totals(0, 1, 0), ["no test ran"]))
        self.assertEqual(self.judged(0, group("s", ("a", "SKIP")))[0].failed,
                         1)

    def test_a_failed_build_is_a_failure(self) -> None:
        """It leaves neither results nor a console."""
        self.assertEqual(judge(1, self.results, self.console),
                         (Totals(0, 1, 0),
                          ["kunit.py failed with exit status 1"]))


if __name__ == "__main__":
    unittest.main()
