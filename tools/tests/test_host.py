# SPDX-License-Identifier: GPL-2.0
"""Tests of packages, reports and totals; nothing is installed."""

import contextlib
import io
import os
import tempfile
import unittest
from pathlib import Path
from unittest import mock

from fanout import host, tree
from fanout.check import unexcused
from fanout.module import WARNING, find_headers, newest_headers


class Packages(unittest.TestCase):
    """What happens where something is missing."""

    ABSENT = host.Need("no-such-package", program="no-such-program")

    def test_missing_without_apt_is_one_message(self) -> None:
        """It names the program and the package."""
        with mock.patch.object(host, "as_root", return_value=None), \
                self.assertRaises(host.Failure) as caught:
            host.require([self.ABSENT])
        self.assertIn("no-such-program (Debian package no-such-package)",
                      str(caught.exception))

    def test_present_needs_nothing(self) -> None:
        """No apt, no sudo, no network where everything is there."""
        with mock.patch.object(host, "as_root", side_effect=AssertionError):
            host.require([host.Need("python3", module="json")])

    def test_headers_and_modules_are_looked_for(self) -> None:
        """A header by the compiler, a module by Python."""
        self.assertTrue(host.Need("libc6-dev", header="stdlib.h").present())
        self.assertFalse(host.Need("x", header="no-such.h").present())
        self.assertFalse(host.Need("x", module="no_such_module").present())

    def test_no_apt_and_no_cache_is_one_message(self) -> None:
        """It says what to use instead."""
        with tempfile.TemporaryDirectory() as empty, \
                mock.patch.object(tree, "CACHE", Path(empty)), \
                mock.patch.object(tree, "candidate_version",
                                  return_value=None), \
                mock.patch.object(tree, "apt_get", return_value=False), \
                contextlib.redirect_stdout(io.StringIO()), \
                self.assertRaises(host.Failure) as caught:
            tree.newest_tree()
        self.assertIn("KTREE=", str(caught.exception))


class Headers(unittest.TestCase):
    """Which kernel headers the module is built against."""

    def test_the_newest_of_the_flavour(self) -> None:
        """By number: 117 is newer than 99; rt and cloud are others."""
        names = [f"linux-headers-6.12.{name}" for name in (
            "99+deb12-amd64", "117+deb12-amd64", "118+deb12-rt-amd64",
            "119+deb12-cloud-amd64", "120+deb12-common", "121+deb12-arm64")]
        self.assertEqual(newest_headers(names, "amd64"), names[1])
        self.assertIsNone(newest_headers(names, "riscv64"))

    def test_a_wrong_kdir_is_one_message(self) -> None:
        """Neither a folder without Makefile nor an unprepared tree."""
        with tempfile.TemporaryDirectory() as folder:
            with self.assertRaisesRegex(host.Failure, "no Makefile"):
                find_headers(folder)
            (Path(folder) / "Makefile").write_text("")
            with self.assertRaisesRegex(host.Failure, "modules_prepare"):
                find_headers(folder)


class Reports(unittest.TestCase):
    """What the terminal shows."""

    def test_totals_add_up(self) -> None:
        """The last line of every command has this form."""
        self.assertEqual(str(host.Totals(1, 2, 3) + host.Totals(10, 0, 1)),
                         "11 passed, 2 failed, 4 skipped")

    def test_twenty_lines_around_the_trouble(self) -> None:
        """A log's relevant part is short and has the first error in it."""
        lines = [f"line {i}" for i in range(100)]
        lines[50] = "x.c:1: error: no"
        shown = host.relevant(lines)
        self.assertEqual(len(shown), 20)
        self.assertIn(lines[50], shown)
        self.assertEqual(host.relevant(lines[:3]), lines[:3])

    def test_no_color(self) -> None:
        """NO_COLOR is honoured, and a file gets no colour either."""
        with mock.patch("sys.stdout.isatty", return_value=True):
            with mock.patch.dict(os.environ):
                os.environ.pop("NO_COLOR", None)
                self.assertNotEqual(host.colour("text", 31), "text")
                os.environ["NO_COLOR"] = "1"
                self.assertEqual(host.colour("text", 31), "text")

    def test_builds_do_not_inherit_make_variables(self) -> None:
        """make kunit DEBUG=1 is not DEBUG=1 for the kernel's Makefiles."""
        with mock.patch.dict(os.environ, {"DEBUG": "1", "MAKEFLAGS": "k"}):
            self.assertFalse({"DEBUG", "MAKEFLAGS"} & set(host.environment()))

    def test_warnings_are_recognised(self) -> None:
        """As gcc, sparse, kernel-doc and modpost write them."""
        for line in ("a.c:3:5: warning: unused", "WARNING: modpost: x",
                     "a.c:3:5: error: undefined"):
            self.assertTrue(WARNING.search(line), line)
        self.assertFalse(WARNING.search("  CC [M]  error.o"))

    def test_excuses_are_for_a_file_and_a_type(self) -> None:
        """The same message in another file counts."""
        excused = "driver/compat.h:13: WARNING:LINUX_VERSION_CODE: x"
        counted = excused.replace("compat.h", "main.c")
        self.assertEqual(unexcused([excused, counted]), [counted])


if __name__ == "__main__":
    unittest.main()
