# SPDX-License-Identifier: GPL-2.0
"""Tests of how coverage is read and judged."""

import json
import tempfile
import unittest
from pathlib import Path
from unittest import mock

from fanout import coverage
from fanout.coverage import (Counts, Decision, File, Reason, collect,
                             decisions, judge, read_gcda, read_gcov, table)
from fanout.host import REPO, Failure, Totals
from fanout.tree import JOINT, KernelTree


class Decisions(unittest.TestCase):
    """Which lines of a source decide, and into how many branches."""

    def check(self, source: str, *expected: tuple[int, int, int]) -> None:
        """@source decides at these lines."""
        self.assertEqual(decisions(source),
                         [Decision(*decision) for decision in expected])

    def test_conditions(self) -> None:
        """Each operand is tested; a loop without a condition tests none."""
        self.check("if (a)\n\tb();\n", (1, 1, 2))
        self.check("if (a &&\n    b(c))\n\td();\n", (1, 2, 4))
        self.check("while (a || b || c)\n\t;\n", (1, 1, 6))
        self.check("do {\n\tx();\n} while (a);\n", (3, 3, 2))
        self.check("for (i = 0; i < n; i++)\n\tx();\n", (1, 1, 2))
        self.check("for (;;)\n\tx();\n")

    def test_expressions(self) -> None:
        """An expression decides on all its lines, a value is tested once."""
        self.check("\n\treturn a &&\n\t       b;\n", (2, 3, 4))
        self.check("x = a ? b : c;\n", (1, 1, 2))
        self.check("f(a, b ?: c,\n  d);\n", (1, 2, 2))
        self.check("return a & b;\n")

    def test_a_choice_in_a_condition(self) -> None:
        """Both its values are tested, too."""
        self.check("if (a || (b ? c : d))\n", (1, 1, 8))

    def test_switch(self) -> None:
        """One branch a label, and one if there is no default."""
        self.check("switch (a) {\ncase 1:\ncase 2:\n\tbreak;\ndefault:\n}\n",
                   (1, 1, 4))

    def test_what_is_not_ours(self) -> None:
        """Comments, strings, and what macros decide, even our own."""
        self.check("/* if (a) */ // while (b)\n")
        self.check('f("if (a) b ? c : d");\n')
        self.check("#define X(a) do {\t\\\n\tif (a)\t\\\n\t\tb();\t\\\n"
                   "} while (0)\nX(1);\n")
        self.check("list_for_each_entry(a, b, c)\n\tx = min(d, e);\n")

    def test_the_lines_count_on(self) -> None:
        """What is left out takes up its lines."""
        self.check("/*\n * x\n */\n#define A \\\n\tB\n\nif (a)\n", (7, 7, 2))

    def test_the_driver_has_some(self) -> None:
        """The rule on the real thing: a switch of four labels."""
        source = (REPO / "driver/fanout.c").read_text()
        self.assertIn(5, [d.branches for d in decisions(source)])


class Reading(unittest.TestCase):
    """Counts from a console, and from gcov."""

    LINES = ["[    0.1] gcda a.gcda 5 0 0102ff", "noise",
             "gcda b.gcda 1 0 00", "[    0.2] gcda a.gcda 5 3 0405\n"]

    def test_whole(self) -> None:
        """Two files, interleaved."""
        self.assertEqual(read_gcda(self.LINES),
                         {"a.gcda": b"\x01\x02\xff\x04\x05", "b.gcda": b"\0"})

    def test_cut_off(self) -> None:
        """The end is missing, and a line before it."""
        with self.assertRaisesRegex(Failure, "a.gcda is cut off"):
            read_gcda(self.LINES[:3])
        with self.assertRaisesRegex(Failure, "lines of a.gcda are missing"):
            read_gcda(self.LINES[1:])

    def test_a_file_without_counts(self) -> None:
        """Built without gcov, or never linked: no file may be left out."""
        with tempfile.TemporaryDirectory() as name:
            build, console = Path(name), Path(name) / "console.log"
            driver = build / JOINT / "driver"
            driver.mkdir(parents=True)
            names = [path.stem for path in (REPO / "driver").glob("*.c")]
            cases = [(names[:0], names), (names, names[1:]),
                     (names[1:], names)]
            for notes, counts in cases:
                for stem in names:
                    (driver / f"{stem}.gcno").unlink(missing_ok=True)
                for stem in notes:
                    (driver / f"{stem}.gcno").touch()
                console.write_text("".join(f"gcda {stem}.gcda 1 0 00\n"
                                           for stem in counts))
                with mock.patch.object(coverage, "console_log",
                                       return_value=console), \
                        self.assertRaisesRegex(Failure,
                                               "no counts of driver/"):
                    collect(KernelTree(build, (6, 12, 0), "x"), build)

    def test_gcov(self) -> None:
        """Lines of the driver's files only, summed up over functions."""
        def line(number: int, count: int, *branches: int) -> dict[str, object]:
            return {"line_number": number, "count": count,
                    "branches": [{"count": n} for n in branches]}

        joint = "../linux/drivers/dma-buf/udmabuf-fanout/"
        found = read_gcov(json.dumps({"files": [
            {"file": "include/linux/mm.h", "lines": [line(1, 1)]},
            {"file": joint + "driver/bindings/bindings.h",
             "lines": [line(1, 1)]},
            {"file": joint + "driver/kind.c",
             "lines": [line(3, 1, 1, 0), line(3, 2, 0, 2), line(4, 0)]}]}))
        self.assertEqual(found, {REPO / "driver/kind.c": Counts(
            {3: 3, 4: 0}, {3: [1, 2], 4: []})})


class Merging(unittest.TestCase):
    """Counts of two builds."""

    def test_sum(self) -> None:
        """Lines and branches of both."""
        counts = Counts({1: 1, 2: 0}, {1: [1, 0]})
        counts.add(Counts({2: 2, 3: 0}, {1: [0, 1], 3: [0, 0]}))
        self.assertEqual(counts, Counts({1: 1, 2: 2, 3: 0},
                                        {1: [1, 1], 3: [0, 0]}))

    def test_one_folds_a_branch(self) -> None:
        """The other one counts, whichever comes first."""
        whole, folded = Counts({}, {1: [1, 0, 0, 1]}), Counts({}, {1: [5, 5]})
        counts = Counts()
        for other in (folded, whole, folded):
            counts.add(other)
        self.assertEqual(counts, whole)


class Judging(unittest.TestCase):
    """A file of four lines and two branches."""

    SOURCE = "if (a)\n\treturn 1;\nb();\nreturn 1;\n"

    def setUp(self) -> None:
        temporary = tempfile.TemporaryDirectory()
        self.addCleanup(temporary.cleanup)
        self.path = Path(temporary.name) / "x.c"
        self.path.write_text(self.SOURCE)

    def judged(self, lines: list[int], branches: list[int],
               *accepted: str) -> tuple[Totals, list[str]]:
        """judge() with these counts, and these lines accepted."""
        file = File(self.path, Counts(dict(enumerate(lines, 1)),
                                      {1: branches, 3: [0, 0]}),
                    decisions(self.SOURCE))
        return judge([file], [Reason(str(self.path), text, "so")
                              for text in accepted])

    def test_all(self) -> None:
        """The call's branches are not ours."""
        self.assertEqual(self.judged([2, 1, 1, 1], [1, 1]), (Totals(3), []))

    def test_a_line_is_missed(self) -> None:
        """It and the branch to it are listed, and two checks fail."""
        totals, text = self.judged([1, 0, 1, 1], [0, 1])
        self.assertEqual(totals, Totals(1, 2))
        self.assertEqual(text, [
            f"{self.path}:1: 1 of 2 branches: if (a)",
            f"{self.path}:2: not reached: return 1;"])

    def test_accepted(self) -> None:
        """A reason is for lines; branches have to be reached all the same."""
        totals, text = self.judged([1, 0, 1, 1], [0, 1], "if (a)\nreturn 1;")
        self.assertEqual(totals, Totals(2, 1))
        self.assertEqual(text[1],
                         f"{self.path}:2: not reached: return 1;  (so)")

    def test_stale_reasons(self) -> None:
        """No such lines, several of them, reached, of no file."""
        for text in "c();", "return 1;", "b();":
            totals, lines = self.judged([1, 1, 1, 0], [1, 1], text)
            self.assertEqual(totals, Totals(1, 2))
            self.assertIn("a reason is stale", lines[-1])
        self.assertEqual(judge([], [Reason("y.c", "x", "so")])[0],
                         Totals(2, 1))

    def test_table(self) -> None:
        """A row a file, and one for all."""
        rows = table([File(self.path, Counts({1: 1, 2: 0}, {1: [1, 0, 0, 1]}),
                           decisions(self.SOURCE))])
        self.assertEqual(rows[-2].split(), "all 1 / 2 50.0 % 2 / 4 50.0 %"
                         .split())
        self.assertIn("at most 2 branches, the compiler left 2 of them and "
                      "made 2 copies", rows[-1])
