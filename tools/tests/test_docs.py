# SPDX-License-Identifier: GPL-2.0
"""Tests of what the documents say about the suites."""

import re
import unittest

from fanout.host import REPO


def suites() -> dict[str, set[str]]:
    """The tests of each suite, by its name without udmabuf_fanout_."""
    found = {}
    for path in REPO.glob("kunit/*_test.c"):
        text = path.read_text()
        for name in re.findall(r'\.name = "udmabuf_fanout_(\w+)"', text):
            found[name] = set(re.findall(r"\bKUNIT_CASE\w*\((\w+)", text))
    return found


class Bugs(unittest.TestCase):
    """docs/bugs.md names tests that exist."""

    def setUp(self) -> None:
        self.rows = [line for line in
                     (REPO / "docs/bugs.md").read_text().splitlines()
                     if line.startswith("|")
                     and not line.startswith(("| bug |", "|---|"))]

    def test_every_bug_has_a_test(self) -> None:
        """And whoever renames one renames it there, too."""
        found = suites()
        self.assertGreater(len(self.rows), 30)
        for row in self.rows:
            named = re.findall(r"`(\w+)\.(\w+)`", row.split("|")[3])
            self.assertTrue(named, row)
            for suite, test in named:
                self.assertIn(test, found.get(suite, set()), row)


if __name__ == "__main__":
    unittest.main()
