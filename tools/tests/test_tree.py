# SPDX-License-Identifier: GPL-2.0
"""Tests of the kernel tree's preparation, with a tree of a few small files."""

import contextlib
import io
import os
import tempfile
import unittest
from pathlib import Path
from unittest import mock

from fanout import tree
from fanout.host import Failure

FILES = {
    "Makefile": "VERSION = 6\nPATCHLEVEL = 12\nSUBLEVEL = 7\n",
    ".config": "",
    "fs/file.c": "",
    "arch/um/Makefile": "",
    "arch/x86/Makefile": "",
    "arch/x86/include/generated/asm.h": "",
    "arch/x86/include/asm/page.h": "",
    "drivers/pci/pci.c": "",
    "drivers/dma-buf/Kconfig": "menu \"DMABUF options\"\n\nendmenu\n",
    "drivers/dma-buf/Makefile": "obj-y := dma-buf.o\n",
    "drivers/dma-buf/dma-buf.c": "",
    "include/config/FOO": "",
    "include/linux/dma-buf.h": "",
    "include/trace/define_trace.h": "",
    "include/trace/events/dma.h": "",
    "tools/testing/kunit/kunit.py": "#!/usr/bin/env python3\n",
    "tools/testing/selftests/Makefile": "",
    "tools/objtool/Makefile": "",
}
JOINT = "drivers/dma-buf/udmabuf-fanout"


def snapshot(folder: Path) -> dict[str, tuple[float, int]]:
    """Time stamp and size of everything in @folder, links not followed."""
    return {str(path): (path.lstat().st_mtime, path.lstat().st_size)
            for path in folder.rglob("*")}


class TreeTest(unittest.TestCase):
    """Each test has a small kernel tree of its own."""

    def setUp(self) -> None:
        temporary = tempfile.TemporaryDirectory()
        self.addCleanup(temporary.cleanup)
        top = Path(temporary.name)
        self.source, self.farm = top / "source", top / "farm"
        self.repo = top / "repo"
        for name, text in FILES.items():
            file = self.source / name
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(text)
        for name in ("driver", "kunit", "tools/rig/guest"):
            (self.repo / name).mkdir(parents=True)
            (self.repo / name / "Kconfig").write_text("")


class Check(TreeTest):
    """A user's KTREE= is looked at before anything is built."""

    def refusal(self, path: Path) -> str:
        """Why @path is refused."""
        with self.assertRaises(Failure) as caught:
            tree.check_tree(path)
        return str(caught.exception)

    def test_what_a_patch_changed_is_joined(self) -> None:
        """Not the tree's own Kconfig and Makefile."""
        layout = tree.joined(self.source, "x", ("driver",), {
            "drivers/dma-buf/Kconfig": b"menu\nconfig A\n\nendmenu\n"})
        kconfig = layout["drivers/dma-buf/Kconfig"]
        self.assertEqual(kconfig, b'menu\nconfig A\n\nsource "drivers/dma-buf/'
                         b'x/Kconfig"\n\nendmenu\n')
        self.assertEqual(layout["drivers/dma-buf/Makefile"],
                         b"obj-y := dma-buf.o\nobj-y += x/\n")

    def test_a_kernel_tree_is_accepted(self) -> None:
        """Its version is the Makefile's."""
        self.assertEqual(tree.check_tree(self.source).version, (6, 12, 7))

    def test_older_than_6_12_is_refused(self) -> None:
        """6.9 is older than 6.12, although 9 is more than 1."""
        (self.source / "Makefile").write_text(
            "VERSION = 6\nPATCHLEVEL = 9\nSUBLEVEL = 0\n")
        self.assertIn("Linux 6.9.0; 6.12 is the oldest",
                      self.refusal(self.source))

    def test_newer_is_accepted(self) -> None:
        """7.0 is newer than 6.12."""
        (self.source / "Makefile").write_text(
            "VERSION = 7\nPATCHLEVEL = 0\nSUBLEVEL = 0\n")
        self.assertEqual(tree.check_tree(self.source).version, (7, 0, 0))

    def test_other_folders_are_refused(self) -> None:
        """No folder, no kernel, half a kernel: each says which it is."""
        self.assertIn("no such folder", self.refusal(self.source / "none"))
        self.assertIn("not a kernel source tree", self.refusal(self.repo))
        (self.source / "drivers/dma-buf/Kconfig").unlink()
        self.assertIn("Kconfig is missing", self.refusal(self.source))


class Farm(TreeTest):
    """What build/linux looks like."""

    def setUp(self) -> None:
        super().setUp()
        before = snapshot(self.source)
        tree.make_farm(tree.farm_layout(self.source, self.repo),
                       self.farm)
        self.assertEqual(snapshot(self.source), before)

    def test_the_driver_is_in_it(self) -> None:
        """Kconfig and Makefile lead to driver and suites in the checkout."""
        kconfig = (self.farm / "drivers/dma-buf/Kconfig").read_text()
        self.assertLess(kconfig.index(f'source "{JOINT}/Kconfig"'),
                        kconfig.index("endmenu"))
        self.assertIn("obj-y += udmabuf-fanout/",
                      (self.farm / "drivers/dma-buf/Makefile").read_text())
        for name, folder in (("driver", "driver"), ("kunit", "kunit"),
                             ("importer", "tools/rig/guest")):
            self.assertEqual((self.farm / JOINT / name).resolve(),
                             (self.repo / folder).resolve())

    def test_everything_of_the_tree_is_in_it(self) -> None:
        """Files are reached under their own names, the joined ones aside."""
        left_out = [".config", "include/config/FOO",
                    "arch/x86/include/generated/asm.h"]
        for name, text in FILES.items():
            file = self.farm / name
            self.assertEqual(file.exists(), name not in left_out, name)
            if name in left_out or name.startswith("drivers/dma-buf/"):
                continue
            self.assertEqual(file.read_text(), text)

    def test_guests_are_emulated(self) -> None:
        """The farm's kunit.py does not ask for KVM."""
        name = "tools/testing/kunit/kunit_kernel.py"
        (self.source / name).write_text(
            "a = ['-m',\n\t'-accel', 'kvm',\n\t'-accel', 'tcg']\n")
        tree.make_farm(tree.farm_layout(self.source, self.repo),
                       self.farm)
        self.assertEqual((self.farm / name).read_text(),
                         "a = ['-m',\n\t'-accel', 'tcg']\n")

    def test_kunit_and_trace_are_found_in_the_farm(self) -> None:
        """kunit.py builds the tree its real path is in, and define_trace.h
        includes by way of .. of its folder."""
        kunit = self.farm / "tools/testing/kunit/kunit.py"
        self.assertEqual(kunit.resolve(), kunit)
        self.assertTrue(os.access(kunit, os.X_OK))
        self.assertFalse((self.farm / "include/trace").is_symlink())

    def test_a_second_time_touches_nothing(self) -> None:
        """Or make would build again."""
        (self.farm / "tools/testing/kunit/__pycache__").mkdir()
        before = snapshot(self.farm)
        tree.make_farm(tree.farm_layout(self.source, self.repo),
                       self.farm)
        self.assertEqual(snapshot(self.farm), before)

    def test_it_follows_the_tree(self) -> None:
        """Files and folders come, go, and change from one to the other."""
        (self.source / "mm").mkdir()
        (self.source / "fs/file.c").unlink()
        (self.source / "fs").rmdir()
        (self.source / "arch/x86/include/generated/asm.h").unlink()
        (self.source / "arch/x86/include/generated").rmdir()
        (self.source / "drivers/dma-buf/Makefile").write_text("# new\n")
        tree.make_farm(tree.farm_layout(self.source, self.repo),
                       self.farm)
        self.assertTrue((self.farm / "mm").is_symlink())
        self.assertFalse((self.farm / "fs").is_symlink())
        self.assertTrue((self.farm / "arch").is_symlink())
        self.assertTrue((self.farm / "drivers/dma-buf/Makefile").read_text()
                        .startswith("# new\n"))

    def test_only_another_release_removes_what_was_built(self) -> None:
        """Headers may have been made before the farm, and stay then."""
        with mock.patch.object(tree, "BUILD", self.farm.parent / "build"), \
                mock.patch.object(tree, "REPO", self.repo), \
                contextlib.redirect_stdout(io.StringIO()):
            kernel = tree.check_tree(self.source, "6.12")
            made = kernel.build / "headers"
            made.mkdir(parents=True)
            tree.prepare(kernel)
            tree.prepare(kernel)
            self.assertTrue(made.is_dir())
            (self.source / "Makefile").write_text(
                FILES["Makefile"].replace("SUBLEVEL = 7", "SUBLEVEL = 8"))
            tree.prepare(tree.check_tree(self.source, "6.12"))
            self.assertFalse(made.exists())
            self.assertTrue(kernel.farm.is_dir())


if __name__ == "__main__":
    unittest.main()
