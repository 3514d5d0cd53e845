# SPDX-License-Identifier: GPL-2.0
"""Tests of packages, reports and totals; nothing is installed."""

import contextlib
import errno
import io
import os
import tempfile
import unittest
from pathlib import Path
from unittest import mock

from fanout import __main__, apt, headers, host, tree
from fanout.arch import ARM64
from fanout.check import unexcused
from fanout.headers import given_headers, missing_here, newest_headers
from fanout.module import WARNING, quiet


class Packages(unittest.TestCase):
    """What happens where something is missing."""

    ABSENT = host.Need("no-such-package", program="no-such-program")

    def test_missing_without_apt_is_one_message(self) -> None:
        """It names all that is missing, and what to type where apt is."""
        with mock.patch.object(host, "as_root", return_value=None), \
                self.assertRaises(host.Failure) as caught:
            host.require([self.ABSENT, host.Need("other", header="no/such.h"),
                          host.Need("third", module="no_such_module")])
        self.assertIn("no-such-program, no/such.h, Python's no_such_module",
                      str(caught.exception))
        self.assertIn("apt-get install no-such-package other third",
                      str(caught.exception))

    def test_apt_that_fails_is_one_message(self) -> None:
        """With what is still missing."""
        with mock.patch.object(host, "as_root", return_value=[]), \
                mock.patch.object(host, "install", return_value=False), \
                mock.patch("shutil.which", return_value=None), \
                self.assertRaisesRegex(host.Failure, "no-such-package"):
            host.require([self.ABSENT])

    def test_headers_are_missing_without_a_compiler(self) -> None:
        """All at once: not the headers when there is a compiler at last."""
        with mock.patch("shutil.which", return_value=None):
            self.assertTrue(host.Need("libc6-dev", header="stdio.h").present())
            self.assertFalse(host.Need("x", header="no/such.h").present())

    def test_every_command_knows_its_needs(self) -> None:
        """Each of the Makefile's targets asks as it starts."""
        for line, package in ((["test"], "python3-clang"),
                              (["test"], "python3-matplotlib"),
                              (["check"], "sparse"), (["module"], "pahole"),
                              (["kunit", "--arch", "arm64"],
                               "gcc-aarch64-linux-gnu"),
                              (["kunit", "--arch", "arm"],
                               "gcc-arm-linux-gnueabihf"),
                              (["tree"], "xz-utils"), (["model"], "libc6-dev"),
                              (["merge"], "libc6-dev"),
                              (["fresh"], "mmdebstrap")):
            with self.subTest(line):
                needs = __main__.needs_of(__main__.parse(line))
                self.assertIn(package, {need.package for need in needs})

    def test_a_full_disk_is_one_message(self) -> None:
        """It says where there has to be room; exit status 2."""
        def full() -> int:
            raise OSError(errno.ENOSPC, "No space left on device", "x")

        with contextlib.redirect_stderr(io.StringIO()) as said:
            self.assertEqual(host.status_of(full), 2)
        self.assertIn("x: No space left on device", said.getvalue())
        self.assertEqual(len(said.getvalue().splitlines()), 1)

    def test_nothing_to_do_passes(self) -> None:
        """An archive without a newer kernel is no failure."""
        def nothing() -> int:
            raise host.NothingToDo("none newer")

        with contextlib.redirect_stdout(io.StringIO()) as said:
            self.assertEqual(host.status_of(nothing), 0)
        self.assertEqual(said.getvalue().splitlines()[-1],
                         "0 passed, 0 failed, 1 skipped")

    def test_present_needs_nothing(self) -> None:
        """No apt, no sudo, no network where everything is there."""
        with mock.patch.object(host, "as_root", side_effect=AssertionError):
            host.require([host.Need("python3", module="json")])

    def test_headers_and_modules_are_looked_for(self) -> None:
        """A header by the compiler, a module by Python."""
        self.assertTrue(host.Need("libc6-dev", header="stdlib.h").present())
        self.assertFalse(host.Need("x", header="no-such.h").present())
        self.assertFalse(host.Need("x", module="no_such_module").present())
        missing = host.Need("x", header="stdlib.h", compiler="no-such-gcc")
        self.assertFalse(missing.present())
        self.assertEqual(str(missing), "stdlib.h for no-such-gcc")

    def test_no_apt_and_no_cache_is_one_message(self) -> None:
        """It says what to use instead."""
        with tempfile.TemporaryDirectory() as empty, \
                mock.patch.object(tree, "CACHE", Path(empty)), \
                mock.patch.object(apt.Archive, "version",
                                  return_value=None), \
                mock.patch.object(apt, "apt_get", return_value=False), \
                contextlib.redirect_stdout(io.StringIO()), \
                self.assertRaises(host.Failure) as caught:
            tree.packaged_tree()
        self.assertIn("KTREE=", str(caught.exception))


class Headers(unittest.TestCase):
    """Which kernel headers the module is built against."""

    def test_the_newest_of_the_flavour(self) -> None:
        """By number: 117 is newer than 99; rt and cloud are others."""
        names = [f"linux-headers-6.12.{name}" for name in (
            "99+deb12-amd64", "117+deb12-amd64", "118+deb12-rt-amd64",
            "119+deb12-cloud-amd64", "120+deb12-common", "121+deb12-arm64")]
        self.assertEqual(newest_headers(names, (6, 12), "amd64"), names[1])
        self.assertIsNone(newest_headers(names, (6, 12), "riscv64"))
        self.assertIsNone(newest_headers(names, (7, 3), "amd64"))

    def test_a_wrong_kdir_is_one_message(self) -> None:
        """Neither a folder without Makefile nor an unprepared tree."""
        with tempfile.TemporaryDirectory() as folder:
            with self.assertRaisesRegex(host.Failure, "no Makefile"):
                given_headers(folder)
            (Path(folder) / "Makefile").write_text("")
            with self.assertRaisesRegex(host.Failure, "modules_prepare"):
                given_headers(folder)


    def test_what_this_machine_lacks_for_headers(self) -> None:
        """Their compiler, and the C library that their programs want."""
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder, "usr/src/linux-headers-7.3.4-amd64")
            programs = Path(folder, "usr/lib/linux-kbuild-7.3.4/scripts/mod")
            path.mkdir(parents=True)
            programs.mkdir(parents=True)
            found = headers.Headers(path, "7.3.4-amd64")
            self.assertEqual(missing_here(found), "")
            (path / ".kernelvariables").write_text("CC = gcc-99\n")
            program = programs / "modpost"
            program.write_text("#!/bin/sh\nexit 1\n")
            program.chmod(0o755)
            self.assertEqual(missing_here(found), "gcc-99")
            program.write_text("#!/bin/sh\n"
                               "printf '`GLIBC_2.99\\047 not found\\n' >&2\n")
            self.assertEqual(missing_here(found), "gcc-99 and GLIBC 2.99")


    def test_what_a_kernel_exports_is_read_in_its_source(self) -> None:
        """Each symbol once, with its namespace however that is written."""
        self.assertEqual(headers.exported([
            "EXPORT_SYMBOL(kfree);", "EXPORT_SYMBOL_GPL(kfree);",
            "EXPORT_SYMBOL_NS_GPL(dma_buf_get, DMA_BUF);",
            'EXPORT_SYMBOL_NS_GPL(dma_buf_put, "DMA_BUF");',
            "STANDARD_PARAM_DEF(uint,\tunsigned int, \"%u\", kstrtouint);",
            "nothing"]).splitlines(), [
            f"0x00000000\t{name}\tvmlinux\tEXPORT_SYMBOL{kind}\t{space}"
            for name, kind, space in (
                ("kfree", "_GPL", ""), ("dma_buf_get", "_GPL", "DMA_BUF"),
                ("dma_buf_put", "_GPL", "DMA_BUF"),
                ("param_ops_uint", "", ""))])

    def test_another_architecture_has_its_own_needs(self) -> None:
        """Its compiler, and the one that given headers name."""
        for arch, package in (("arm64", "gcc-aarch64-linux-gnu"),
                              ("armhf", "gcc-arm-linux-gnueabihf"),
                              ("riscv64", "gcc-riscv64-linux-gnu")):
            for line in (["module", "--arch", arch], ["check"]):
                needs = __main__.needs_of(__main__.parse(line))
                self.assertIn(package, {need.package for need in needs})
        with tempfile.TemporaryDirectory() as folder:
            Path(folder, ".kernelvariables").write_text("CC = $(X)gcc-99\n")
            need, = headers.needs_of(folder, ARM64)
        self.assertEqual((need.package, need.program), (
            "gcc-99-aarch64-linux-gnu", "aarch64-linux-gnu-gcc-99"))
        with self.assertRaisesRegex(host.Failure, "ARCH=mips"):
            __main__.needs_of(__main__.parse(["module", "--arch", "mips"]))


class Archive(unittest.TestCase):
    """Other suites of the machine's own mirror."""

    URIS = ("'http://example.org/apt/dists/stable/InRelease' a 0\n"
            "'http://deb.example/debian/dists/bookworm/InRelease' b 0\n"
            "'http://deb.example/debian-security/dists/bookworm-security/"
            "InRelease' c 0\n")

    def test_the_mirror_is_that_of_the_release(self) -> None:
        """Not that of somebody's own packages."""
        self.assertEqual(apt.read_mirror(self.URIS, "bookworm"),
                         "http://deb.example/debian")
        self.assertEqual(apt.read_mirror(self.URIS, "sid"),
                         "http://example.org/apt")
        self.assertIsNone(apt.read_mirror("", "bookworm"))

    def test_another_architecture_has_the_same_suites(self) -> None:
        """The release and its updates, nothing of other people's."""
        self.assertEqual(apt.own_suites(self.URIS, "bookworm"), [
            "http://deb.example/debian bookworm",
            "http://deb.example/debian-security bookworm-security"])

    def test_an_architecture_that_the_archive_has_not(self) -> None:
        """One message that names it, and nothing is left in the cache."""
        with tempfile.TemporaryDirectory() as cache, \
                mock.patch.object(apt, "CACHE", Path(cache)), \
                mock.patch.object(apt, "update_uris", return_value=self.URIS), \
                mock.patch.object(apt, "codename", return_value="bookworm"), \
                mock.patch.object(apt, "run", return_value=100) as ran, \
                mock.patch.object(apt.Archive, "names", return_value=[]), \
                contextlib.redirect_stdout(io.StringIO()):
            with self.assertRaisesRegex(host.Failure,
                                        "has no kernels for arm64"):
                apt.of_architecture("arm64")
            self.assertIn("-oAPT::Architecture=arm64", ran.call_args[0][1])
            self.assertEqual(list(Path(cache).iterdir()), [])
            self.assertIs(apt.of_architecture(""), apt.MACHINE)
            with mock.patch.object(apt, "update_uris", return_value=""), \
                    self.assertRaisesRegex(host.Failure, "for arm64"):
                apt.of_architecture("arm64")

    def test_a_folder_appears_when_it_is_complete(self) -> None:
        """Or not at all."""
        with tempfile.TemporaryDirectory() as folder:
            target = Path(folder, "linux-1")
            with self.assertRaises(host.Failure):
                with apt.appearing(target) as partial:
                    (partial / "half").touch()
                    raise host.Failure("full")
            self.assertEqual(list(Path(folder).iterdir()), [])
            with apt.appearing(target) as partial:
                (partial / "all").touch()
            self.assertTrue((target / "all").exists())

    def test_suites_that_the_mirror_has_not(self) -> None:
        """One message, and nothing is left in the cache."""
        with tempfile.TemporaryDirectory() as cache, \
                mock.patch.object(apt, "CACHE", Path(cache)), \
                mock.patch.object(apt, "mirror", return_value="http://m"), \
                mock.patch.object(apt, "run", return_value=100), \
                mock.patch.object(apt.Archive, "names", return_value=[]), \
                contextlib.redirect_stdout(io.StringIO()):
            with self.assertRaisesRegex(host.Failure, "http://m has no"):
                apt.newer_suites()
            self.assertEqual(list(Path(cache).iterdir()), [])


class Steps(unittest.TestCase):
    """A step of make that was left out does not pass."""

    def test_each_file_must_have_been_looked_at(self) -> None:
        """By name, as Kbuild says it: sparse of the source, gcc of the object.
        """
        files = [host.REPO / "driver/main.c", host.REPO / "driver/kind.c"]
        with tempfile.TemporaryDirectory() as folder:
            log = Path(folder) / "log"
            log.write_text("  CC [M]  /b/main.o\n  CC      kind.o\n"
                           "  CHECK   /b/main.c\n")
            self.assertTrue(quiet(0, log, "CC", files))
            self.assertFalse(quiet(1, log, "CC", files))
            self.assertFalse(quiet(0, log, "CHECK", files))
            self.assertIn("error: driver/kind.c was not looked at",
                          log.read_text())


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
