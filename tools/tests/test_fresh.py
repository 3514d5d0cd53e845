# SPDX-License-Identifier: GPL-2.0
"""Tests of what is run on a minimal Debian, and of how it is judged."""

import tempfile
import unittest
from pathlib import Path
from unittest import mock

from fanout import fresh
from fanout.host import REPO, Failure, Totals

README = """
    $(which sudo) sh -c "apt-get install make" && make demo
    make test

    make module
    insmod it
"""


class Lines(unittest.TestCase):
    """What is run is what the README says."""

    def test_the_readmes_lines_word_for_word(self) -> None:
        """Where it has one; the first begins with what a bare machine needs."""
        bare = '$(which sudo) sh -c "apt-get install make" && '
        self.assertEqual(fresh.lines_for(README, ["demo", "test", "check"]),
                         [f"{bare}make demo", "make test", "make check"])
        self.assertEqual(fresh.lines_for(README, ["kunit ARCH=x86_64", "demo"]),
                         [f"{bare}make kunit ARCH=x86_64", f"{bare}make demo"])

    def test_the_readme_has_them(self) -> None:
        """Both commands, and a first line that stands alone."""
        lines = fresh.lines_for((REPO / "README.md").read_text(),
                                ["demo", "test"])
        self.assertTrue(lines[0].endswith(" && make demo"), lines)
        self.assertEqual(lines[1], "make test")

    def test_variables_go_with_their_target(self) -> None:
        """As on make's own command line."""
        self.assertEqual(fresh.split("demo kunit ARCH=um DEBUG=1 test"),
                         ["demo", "kunit ARCH=um DEBUG=1", "test"])
        self.assertEqual(fresh.split("module KERNEL=newest"),
                         ["module KERNEL=newest"])
        for bad in ("", "ARCH=um"):
            with self.assertRaisesRegex(Failure, "names no target"):
                fresh.split(bad)


class Root(unittest.TestCase):
    """Where the root comes from, and what is refused."""

    URIS = ("'http://m/debian/dists/bookworm/InRelease' a 0\n"
            "'http://m/security/dists/bookworm-security/InRelease' b 0\n"
            "'http://o/dists/other/InRelease' c 0\n")

    def test_sources_are_the_machines_for_another_suite(self) -> None:
        """Its mirrors, none of other people's packages."""
        lines = fresh.sources(self.URIS, "trixie", "bookworm")
        self.assertEqual([line.split()[2:] for line in lines], [
            ["http://m/debian", "trixie", "main"],
            ["http://m/security", "trixie-security", "main"]])
        with self.assertRaisesRegex(Failure, "no sources of a Debian"):
            fresh.sources(self.URIS, "trixie", "")

    def test_an_unknown_suite(self) -> None:
        """It says which there are."""
        with self.assertRaisesRegex(Failure, "bookworm or trixie"):
            fresh.check_choice("buster")

    def test_a_folder_that_is_not_empty(self) -> None:
        """Nothing in it is touched."""
        with tempfile.TemporaryDirectory() as build, \
                mock.patch.object(fresh, "namespace", return_value=[]), \
                mock.patch.object(fresh, "ROOTS", Path(build)):
            left = Path(build, "trixie/root")
            left.mkdir(parents=True)
            with self.assertRaisesRegex(Failure, "not empty"):
                fresh.fresh("trixie", "demo", False)
            self.assertTrue(left.is_dir())

    def test_no_namespaces(self) -> None:
        """One line that says what would do."""
        with mock.patch("subprocess.run") as run:
            run.return_value.returncode = 1
            with self.assertRaisesRegex(Failure, "needs root, or user"):
                fresh.namespace()


class Judged(unittest.TestCase):
    """What a target amounts to."""

    def test_the_last_line_of_totals_counts(self) -> None:
        """And the exit status, if it does not fit."""
        text = "1 passed, 0 failed, 0 skipped\nx\n5 passed, 0 failed, 2 skipped\n"
        self.assertEqual(fresh.totals_of(text, 0), Totals(5, 0, 2))
        self.assertEqual(fresh.totals_of(text, 2), Totals(5, 1, 2))
        self.assertEqual(fresh.totals_of("no totals", 0), Totals(1))
        self.assertEqual(fresh.totals_of("no totals", 2), Totals(0, 1))


if __name__ == "__main__":
    unittest.main()
