# SPDX-License-Identifier: GPL-2.0
"""Tests of the bindings generator, on small trees that look like a kernel's.

Would miss: headers that only a whole kernel has; `make bindings-check` reads
those.
"""

from __future__ import annotations

import contextlib
import io
import os
import subprocess
import tempfile
import unittest
from pathlib import Path
from unittest import mock

from bindgen import Failure
from bindgen.__main__ import main
from bindgen.c_text import wrapped
from bindgen.cost import TEST_SYMBOL, cost
from bindgen.kbuild import Flags, parse_cmd, read_flags
from bindgen.listing import LIST, Entry, parse_list
from bindgen.prototypes import read_prototypes

HEADER = """\
#pragma once
typedef unsigned long long dma_addr_t;
struct device { int skip; };
struct sg_table;
enum dma_data_direction { DMA_BIDIRECTIONAL, DMA_TO_DEVICE };
int dma_map_sgtable(struct device *dev, struct sg_table *sgt,
		    enum dma_data_direction dir, unsigned long attrs);
void __sync(struct device *dev);
static inline void dma_sync(struct device *dev, dma_addr_t addr)
{
	if (!dev->skip)
		__sync(dev);
}
"""

LISTED = "linux/dma.h\n\tdma_map_sgtable\ta peer appears\n\tdma_sync\ta step of the plan\n"

SUPPORT = {
    "Kbuild": "",
    "include/config/kernel.release": "6.12.1-test\n",
    "include/linux/build_bug.h": "#define static_assert(e, m) _Static_assert(e, m)\n"
                                 "#define __always_inline inline __attribute__((always_inline))\n",
    "include/kunit/static_stub.h": "#define KUNIT_STATIC_STUB_REDIRECT(f, args...) do { } while (0)\n",
    "scripts/mod/.empty.o.cmd":
        "savedcmd_scripts/mod/empty.o := gcc -Wp,-MMD,scripts/mod/.empty.o.d -nostdinc "
        "-I./include -D__KERNEL__ -DNAME='\"x\"' -std=gnu11 -O2 -fno-allow-store-data-races "
        "-fconserve-stack -ftrivial-auto-var-init=zero -c -o scripts/mod/empty.o "
        "scripts/mod/empty.c ; ./tools/objtool scripts/mod/empty.o\n"
        "\nsource_scripts/mod/empty.o := scripts/mod/empty.c\n",
}


class Tree:
    """A kernel tree with one header, and a checkout with one list."""

    def __init__(self, folder: str) -> None:
        self.ktree = Path(folder, "linux")
        self.out = Path(folder, "out")
        for name, text in SUPPORT.items():
            self.write(self.ktree / name, text)
        self.header(HEADER)
        self.write(self.out / LIST, LISTED)

    @staticmethod
    def write(path: Path, text: str) -> None:
        """Write a file and the folders above it."""
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)

    def header(self, text: str) -> None:
        """Change what the kernel declares."""
        self.write(self.ktree / "include/linux/dma.h", text)

    def run(self, *args: str) -> tuple[int, str]:
        """Run the generator; return its status and all it says."""
        said = io.StringIO()
        with contextlib.redirect_stdout(said), contextlib.redirect_stderr(said):
            status = main(["--ktree", str(self.ktree), "--out", str(self.out), *args])
        return status, said.getvalue()

    def compile(self) -> subprocess.CompletedProcess[str]:
        """Compile the committed header against the tree as it is now."""
        return subprocess.run(
            ["gcc", "-I", str(self.ktree / "include"), "-fsyntax-only", "-x", "c",
             str(self.out / "driver/bindings/bindings.h")],
            capture_output=True, text=True, check=False)


class Lists(unittest.TestCase):
    """The list of functions."""

    def test_reads_header_function_and_reason(self) -> None:
        entries = parse_list("# why\n\nlinux/mm.h\n\tunpin_folio\t\tpins go back\n")
        self.assertEqual(entries, [Entry("unpin_folio", "linux/mm.h", "pins go back")])

    def test_names_the_line_of_a_mistake(self) -> None:
        for text, said in (("\tf\twhy\n", "list:1: a function before"),
                           ("linux/mm.h\n\tf\n", "list:2: want"),
                           ("linux/mm.h\n\tf\ta\n\tf\tb\n", "list:3: f is listed twice"),
                           ("<linux/mm.h>\n", "list:1: not a header"),
                           ("# nothing\n", "list: no function")):
            with self.subTest(text), self.assertRaisesRegex(Failure, said):
                parse_list(text, "list")


class Commands(unittest.TestCase):
    """The compile command of a kernel build."""

    def setUp(self) -> None:
        self.flags = parse_cmd(SUPPORT["scripts/mod/.empty.o.cmd"])

    def test_clang_gets_only_what_changes_declarations(self) -> None:
        self.assertEqual(self.flags.for_clang(),
                         ["-nostdinc", "-I./include", "-D__KERNEL__", '-DNAME="x"', "-std=gnu11"])

    def test_gcc_gets_everything_but_files(self) -> None:
        self.assertEqual(self.flags.for_gcc(), [
            "-nostdinc", "-I./include", "-D__KERNEL__", '-DNAME="x"', "-std=gnu11", "-O2",
            "-fno-allow-store-data-races", "-fconserve-stack", "-ftrivial-auto-var-init=zero"])

    def test_disassembler_belongs_to_the_compiler(self) -> None:
        for compiler, objdump in ((["gcc"], "objdump"), (["ccache", "gcc-12"], "objdump"),
                                  (["aarch64-linux-gnu-gcc"], "aarch64-linux-gnu-objdump")):
            self.assertEqual(Flags(compiler, []).objdump(), objdump)

    def test_another_file_is_an_error(self) -> None:
        with self.assertRaises(Failure):
            parse_cmd("cmd_x := touch x\n")


class Text(unittest.TestCase):
    """The C that is written."""

    def test_breaks_lines_behind_the_bracket(self) -> None:
        text = wrapped("\tcall(", ["a" * 30, "b" * 30, "ccccccc"], ");")
        self.assertEqual(text, "\tcall(" + "a" * 30 + ", " + "b" * 30 + ",\n\t     ccccccc);")

    def test_no_argument(self) -> None:
        self.assertEqual(wrapped("f(", [], ")"), "f()")


class Generator(unittest.TestCase):
    """Writing and checking."""

    def setUp(self) -> None:
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        # libclang's -working-directory is one for the whole process.
        self.addCleanup(os.chdir, os.getcwd())
        self.tree = Tree(folder.name)
        status, said = self.tree.run()
        self.assertEqual(status, 0, said)

    def committed(self, name: str = "driver/bindings/bindings.h") -> str:
        """Return what was written."""
        return (self.tree.out / name).read_text()

    def test_writes_wrappers_and_records(self) -> None:
        self.assertIn("prototypes of Linux 6.12.1.", self.committed())
        self.assertIn("BINDINGS_ASSERT(dma_sync, void, struct device *, dma_addr_t);",
                      self.committed())
        self.assertIn("KUNIT_STATIC_STUB_REDIRECT(bindings_dma_sync, dev, addr);",
                      self.committed("driver/bindings/bindings.c"))
        self.assertIn("struct shim_dma_sync {\n\tstruct device *dev;\n\tdma_addr_t addr;\n};",
                      self.committed("kunit/shim.h"))
        self.assertIn('[DMA_TO_DEVICE] = "TO_DEVICE"', self.committed("kunit/shim.c"))

    def test_check_passes_what_was_just_written(self) -> None:
        status, said = self.tree.run("--check")
        self.assertEqual(status, 0, said)
        self.assertIn("2 prototypes unchanged", said)

    def test_a_new_stable_version_alone_is_no_difference(self) -> None:
        self.tree.write(self.tree.ktree / "include/config/kernel.release", "6.12.2\n")
        self.assertEqual(self.tree.run("--check")[0], 0)

    def test_a_function_that_is_gone_is_named(self) -> None:
        self.tree.header(HEADER.replace("dma_map_sgtable", "dma_map_table"))
        status, said = self.tree.run("--check")
        self.assertEqual(status, 1)
        self.assertIn("dma_map_sgtable() is gone: <linux/dma.h> of Linux 6.12.1", said)

    def test_a_function_that_became_a_macro_is_named(self) -> None:
        self.tree.header(HEADER.replace("dma_sync(", "dma_sync_attrs(")
                         + "#define dma_sync(d, a) dma_sync_attrs(d, a)\n")
        status, said = self.tree.run("--check")
        self.assertEqual(status, 1)
        self.assertRegex(said, r"dma_sync\(\) became a macro \(\S*linux/dma.h:14\)")

    def test_a_macro_that_only_says_the_function_exists_is_none(self) -> None:
        self.tree.header(HEADER + "#define dma_sync dma_sync\n")
        self.assertEqual(self.tree.run("--check")[0], 0)

    def test_a_changed_prototype_is_shown_with_the_difference(self) -> None:
        self.tree.header(HEADER.replace("dma_addr_t addr)", "dma_addr_t addr, int size)"))
        status, said = self.tree.run("--check")
        self.assertEqual(status, 1)
        self.assertIn("dma_sync() changed its prototype:\n"
                      "  committed, of Linux 6.12.1: void (struct device *, dma_addr_t)\n"
                      "  this tree, of Linux 6.12.1: "
                      "void (struct device *, dma_addr_t, int)\n", said)
        self.assertIn("--- driver/bindings/bindings.h (committed)\n", said)
        self.assertIn("+BINDINGS_ASSERT(dma_sync, void, struct device *, dma_addr_t, int);", said)

    def test_a_changed_prototype_breaks_the_build_with_advice(self) -> None:
        self.assertEqual(self.tree.compile().stderr, "")
        self.tree.header(HEADER.replace("unsigned long attrs", "unsigned int attrs"))
        done = self.tree.compile()
        self.assertNotEqual(done.returncode, 0)
        self.assertIn("dma_map_sgtable() has another prototype in this kernel: run `make bindings",
                      done.stderr.replace('" "', "").replace('\\"', '"'))

    def test_an_edited_file_is_shown(self) -> None:
        path = self.tree.out / "kunit/shim.c"
        path.write_text(path.read_text().replace("put_number", "put_figure"))
        status, said = self.tree.run("--check")
        self.assertEqual(status, 1)
        self.assertIn("-static void put_figure(", said)

    def test_a_wrapper_that_costs_something_fails_the_check(self) -> None:
        with mock.patch("bindgen.__main__.cost", return_value="+ nop\n"):
            status, said = self.tree.run("--check")
        self.assertEqual(status, 1)
        self.assertIn("+ nop\n\nA wrapper costs something", said)

    def test_a_missing_file_is_shown(self) -> None:
        (self.tree.out / "kunit/shim.h").unlink()
        status, said = self.tree.run("--check")
        self.assertEqual(status, 1)
        self.assertIn("+++ kunit/shim.h (generated now)", said)

    def test_what_cannot_be_wrapped_is_refused(self) -> None:
        for change, said in (("struct device *dev, ...)", "variable arguments"),
                             ("void (*f)(int))", "cannot be wrapped")):
            self.tree.header(HEADER.replace("struct device *dev, dma_addr_t addr)", change)
                             .replace("dev->skip", "0").replace("__sync(dev)", "0"))
            status, text = self.tree.run()
            self.assertEqual((status, said in text), (2, True), text)

    def test_what_cannot_be_printed_is_refused(self) -> None:
        self.tree.header(HEADER.replace("dma_addr_t addr)", "struct device addr)"))
        status, said = self.tree.run()
        self.assertEqual(status, 2)
        self.assertIn("no printer for `struct device addr`", said)

    def test_a_header_that_does_not_parse_is_an_error(self) -> None:
        self.tree.header(HEADER + "#include <linux/nowhere.h>\n")
        status, said = self.tree.run()
        self.assertEqual(status, 2)
        self.assertIn("linux/nowhere.h", said)

    def test_an_unprepared_build_is_an_error(self) -> None:
        (self.tree.ktree / "scripts/mod/.empty.o.cmd").unlink()
        status, said = self.tree.run("--check")
        self.assertEqual(status, 2)
        self.assertIn("not a prepared kernel build", said)

    def test_no_kernel_tree_is_an_error(self) -> None:
        (self.tree.ktree / "Kbuild").unlink()
        self.assertIn("not a kernel source tree", self.tree.run()[1])

    def test_a_build_of_another_tree_is_an_error(self) -> None:
        (self.tree.ktree / "source").symlink_to(self.tree.out)
        status, said = self.tree.run("--check")
        self.assertEqual(status, 2)
        self.assertIn("is a build of", said)


class Cost(unittest.TestCase):
    """That a wrapper costs nothing, and that we would see it if it did."""

    def setUp(self) -> None:
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        # libclang's -working-directory is one for the whole process.
        self.addCleanup(os.chdir, os.getcwd())
        self.tree = Tree(folder.name)
        self.tree.run()
        self.path = self.tree.out / "driver/bindings/bindings.h"

    def cost(self) -> str:
        """Compare callers with the header as it is now."""
        build = self.tree.ktree
        entries = parse_list(LISTED)
        flags = read_flags(build)
        protos = read_prototypes(entries, flags, build)
        return cost(entries, protos, self.tree.out, flags, build)

    def test_nothing(self) -> None:
        self.assertEqual(self.cost(), "")

    def test_one_instruction_is_seen(self) -> None:
        text = self.path.read_text()
        self.path.write_text(text.replace("\tdma_sync(dev", '\tasm volatile("nop");\n\tdma_sync(dev'))
        self.assertRegex(self.cost(), r"\+.*nop")

    def test_a_comparison_that_sees_nothing_is_an_error(self) -> None:
        text = self.path.read_text()
        self.path.write_text(text.replace(f"#ifdef {TEST_SYMBOL}", "#if 0"))
        with self.assertRaisesRegex(Failure, "blind"):
            self.cost()


if __name__ == "__main__":
    unittest.main()
