# SPDX-License-Identifier: GPL-2.0
"""Tests of what the documents say about the suites."""

import json
import re
import unittest
from typing import Any

from fanout.host import REPO
from rig.bench import figure
from rig.importers import ACCESSES, LINES, NUMBERS


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


# The importers that the page has a row for: devices, role, pages.
SHOWN = (("noncoherent", "writers", "2 MiB"),
         ("noncoherent", "writers", "4 KiB"),
         ("noncoherent", "readers", "2 MiB"),
         ("every second coherent", "writers", "2 MiB"),
         ("bounced", "writers", "2 MiB"), ("bounced", "readers", "2 MiB"))


class Importers(unittest.TestCase):
    """docs/demo.md has the figures of docs/arm64.json."""

    def setUp(self) -> None:
        report = json.loads((REPO / "docs/arm64.json").read_text())
        self.points: dict[tuple[object, ...], dict[str, Any]] = {
            (p["devices"], p["role"], p["pages"], p["exporter"],
             p["importers"]): p
            for p in report["points"] if "failed" not in p}

    def cost(self, row: tuple[str, ...], exporter: str, access: str) -> str:
        """START+END with 1, 8 and 64 importers, or 2 where 1 is no mix."""
        cells = []
        for numbers in ((1, 2), (8,), (64,)):
            point = next((self.points[(*row, exporter, number)]
                          for number in numbers
                          if (*row, exporter, number) in self.points), None)
            cells.append(figure(sum(point["accesses"][access])
                                if point else None))
        return cells[0] if len(set(cells)) == 1 else " / ".join(cells)

    def lines(self, row: tuple[str, ...], exporter: str, access: str) -> str:
        """How often every line was cleaned and invalidated, at most."""
        counted = [self.points[(*row, exporter, number)]
                   for number in NUMBERS
                   if (*row, exporter, number) in self.points]
        if not counted:
            return "-"
        return " + ".join(f"{sum(counted[-1][what][access]) / LINES:g}"
                          for what in ("cleaned", "invalidated"))

    def test_the_table_is_what_was_measured(self) -> None:
        """Row by row."""
        page = (REPO / "docs/demo.md").read_text().splitlines()
        for row in SHOWN:
            devices, role, pages = row
            for access in ACCESSES:
                cells = [f"{role}, {devices}, {pages}", access]
                cells += [self.cost(row, exporter, access)
                          for exporter in ("stock", "heap", "all", "fanout")]
                cells += [self.lines(row, exporter, access)
                          for exporter in ("heap", "fanout")]
                self.assertIn(f"| {' | '.join(cells)} |", page)


if __name__ == "__main__":
    unittest.main()
