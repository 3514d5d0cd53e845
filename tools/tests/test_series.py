# SPDX-License-Identifier: GPL-2.0
"""Tests of what makes the driver a series: text, split, letters, bad input."""

import contextlib
import io
import subprocess
import tempfile
import unittest
from pathlib import Path
from unittest import mock

from fanout.host import REPO, Failure
from fanout.tree import JOINT, KernelTree
from series import (documents, letter, played, repository, source, steps, trial,
                    udmabuf)

COMPAT = """\
#include <linux/huge_mm.h>
#include <linux/version.h>

#if LINUX_VERSION_CODE < KERNEL_VERSION(6, 17, 0)
#include <linux/pfn_t.h>

static inline vm_fault_t insert(struct vm_fault *vmf, unsigned long pfn)
{
	return old_insert(vmf, wrap(pfn), false);
}
#define FLAGS		0
#define set(dev, value)	((dev)->flag = (value))
#else
static inline vm_fault_t insert(struct vm_fault *vmf, unsigned long pfn)
{
	return new_insert(vmf, pfn);
}
#define FLAGS		make_flags(NONE)
#endif
"""
USER = """\
#include <linux/a.h>
#include <linux/z.h>

#include "compat.h"

	return insert(vmf, where);
	set(one, two);
	call(FLAGS);
"""
OLD, NEW = (6, 12, 7), (7, 3, 0)


def compat(version: tuple[int, int, int]) -> source.Compat:
    """What COMPAT is on a kernel."""
    return source.read_compat(source.unifdefed("compat.h", COMPAT, version))


class SourceTest(unittest.TestCase):
    """The project's text as one kernel's."""

    def test_what_compat_says_is_put_where_it_is_used(self) -> None:
        """Of the old kernel, and of the new one."""
        old = source.expanded(USER, compat(OLD))
        self.assertEqual(old, "#include <linux/a.h>\n"
                         "#include <linux/mm.h>\n"
                         "#include <linux/pfn_t.h>\n#include <linux/z.h>\n\n\n"
                         "\treturn old_insert(vmf, wrap(where), false);\n"
                         "\tone->flag = two;\n\tcall(0);\n")
        new = source.expanded(USER, compat(NEW))
        self.assertIn("\treturn new_insert(vmf, where);\n", new)
        self.assertIn("call(make_flags(NONE));\n", new)
        # The new kernel has it itself.
        self.assertIn("set(one, two)", new)
        self.assertNotIn("pfn_t", new)

    def test_long_lines_are_wrapped_at_an_argument(self) -> None:
        """Aligned with what they belong to."""
        line = "static const void *next(struct kunit *test, const void *before, " \
            "char *description)"
        self.assertEqual(source.wrapped(line), line.replace(
            ", char", ",\n\t\t\tchar"))
        self.assertEqual(source.wrapped("\tcall(a, b);"), "\tcall(a, b);")

    def test_programs_parts_are_gone(self) -> None:
        """The kernel is all that is left of __KERNEL__."""
        text = "#ifdef __KERNEL__\nint a;\n#else\nint b;\n#endif\n"
        self.assertEqual(source.unifdefed("x.h", text, OLD), "int a;\n")

    def test_broken_conditions_are_an_error(self) -> None:
        """unifdef's own words say where."""
        with self.assertRaisesRegex(Failure, "x.h"):
            source.unifdefed("x.h", "#ifdef __KERNEL__\n", OLD)

    def test_an_edit_wants_its_words_exactly_once(self) -> None:
        """Not never, and not twice."""
        self.assertEqual(source.changed_once("f", "a b", "b", "c"), "a c")
        for text in ("a", "b b"):
            with self.assertRaisesRegex(Failure, "f is another"):
                source.changed_once("f", text, "b", "c")

    def test_what_belongs_out_of_the_tree_is_found(self) -> None:
        """Each kind of it, and nothing of the kernel's own."""
        for line in ("#if LINUX_VERSION_CODE < 3", "see docs/hazards.md",
                     'MODULE_VERSION("1");', "#ifdef __KERNEL__",
                     '#include "compat.h"', "`make model`", "tools/merge",
                     '#include "../driver/merge.h"', "the native run"):
            self.assertEqual(len(source.left_over("f", f"ok\n{line}\n")), 1,
                             line)
        for line in ("#include <kunit/test.h>", "make a table",
                     "tools/testing/kunit", "#include <linux/compat.h>"):
            self.assertEqual(source.left_over("f", line), [], line)

    def test_allocations_are_those_of_the_kernel(self) -> None:
        """Of objects alone, and not of those that KUnit frees."""
        text = source.in_objects(
            "\ta = kzalloc(sizeof(*a), GFP_KERNEL);\n"
            "\tb = kmalloc(sizeof(*b), COPY_GFP);\n"
            "\tc = kunit_kzalloc(test, sizeof(*c), GFP_KERNEL);\n")
        self.assertEqual(text, "\ta = kzalloc_obj(*a);\n"
                         "\tb = kmalloc_obj(*b, COPY_GFP);\n"
                         "\tc = kunit_kzalloc(test, sizeof(*c), GFP_KERNEL);\n")

    def test_the_projects_own_files_can_go_into_both_kernels(self) -> None:
        """Every edit fits, nothing is left over, and the split has them all."""
        for version, has_objects in ((OLD, False), (NEW, True)):
            kernel = source.Kernel(KernelTree(Path("/nowhere"), version, "x"),
                                   has_objects)
            files = source.kernel_files(kernel)
            self.assertNotIn(f"{JOINT}/compat.h", files)
            self.assertNotIn(f"{JOINT}/tests/coverage.c", files)
            text = files[f"{JOINT}/main.c"]
            self.assertEqual('IMPORT_NS("DMA_BUF")' in text, has_objects)
            self.assertEqual("kzalloc_obj(*copy, " in
                             files[f"{JOINT}/copy.c"], has_objects)
            self.assertTrue(all(names or step.docs for step, names in
                                zip(steps.STEPS, steps.split(files))))

    def test_a_version_of_the_module_stays_behind(self) -> None:
        """Whoever gives it one for packages."""
        kernel = source.Kernel(KernelTree(Path("/nowhere"), NEW, "x"), True)
        text = source.kernel_text("driver/table.c",
                                  'int a;\nMODULE_VERSION("1.0");\n', kernel, {})
        self.assertEqual(text, "int a;\n")


class StepsTest(unittest.TestCase):
    """The split."""

    def test_a_file_that_no_patch_has_is_an_error(self) -> None:
        """And so is a patch's file that is gone."""
        names = [f"{JOINT}/{stem}.c" for step in steps.STEPS
                 for stem in step.driver.split()]
        names += [f"{JOINT}/tests/{stem}.c" for step in steps.STEPS
                  for stem in step.tests.split()]
        self.assertTrue(steps.split(names))
        with self.assertRaisesRegex(Failure, "no patch of the series has"):
            steps.split([*names, f"{JOINT}/new.c"])
        with self.assertRaisesRegex(Failure, "not there: plan_test"):
            steps.split([name for name in names if "plan_test" not in name])

    def test_makefiles_have_what_is_there(self) -> None:
        """An object whose source comes later is in none."""
        text = (REPO / "driver/Makefile").read_text()
        first = steps.driver_makefile(text, {"sync_plan"})
        self.assertIn("\nudmabuf_fanout-y := sync_plan.o\n", first)
        self.assertNotIn("merge.o", first)
        self.assertNotIn("CFLAGS", first)
        whole = steps.driver_makefile(text, {
            stem for step in steps.STEPS for stem in step.driver.split()})
        self.assertIn("CFLAGS_fanout.o", whole)
        self.assertIn("+= bindings.o\n", whole)
        suites = steps.tests_makefile((REPO / "kunit/Makefile").read_text(),
                                      {"plan_test"})
        self.assertEqual(suites.count(".o"), 1)

    def test_a_module_comes_with_the_node(self) -> None:
        """Before that the symbol is yes or no."""
        driver, suites = ((REPO / name).read_text() for name in
                          ("driver/Kconfig", "kunit/Kconfig"))
        early = steps.kconfig(driver, suites, False, False)
        self.assertIn("\tbool \"userspace", early)
        self.assertNotIn("choose M here", early)
        self.assertNotIn("UML_DEVICES", early)
        self.assertIn("UDMABUF_FANOUT_KUNIT_TEST", early)
        late = steps.kconfig(driver, suites, True, True)
        self.assertIn("\ttristate ", late)
        self.assertIn("UML_DEVICES", late)
        self.assertEqual(late.count("SPDX"), 1)

    def test_the_kunitconfig_is_what_suites_need(self) -> None:
        """Without what only this project's programs want."""
        text = steps.kunitconfig((REPO / ".kunitconfig").read_text(), True)
        self.assertNotIn("EDU_IMPORTER", text)
        self.assertIn("UML_DEVICES", text)

    def test_messages_have_lines_that_checkpatch_takes(self) -> None:
        """72 columns, and a subject below 75."""
        for step in steps.STEPS:
            lines = step.message.splitlines()
            self.assertLess(len(lines[0]), 75, lines[0])
            self.assertLess(max(map(len, lines)), 75, lines[0])


class DocumentsTest(unittest.TestCase):
    """The pages as reStructuredText."""

    def test_the_pages_can_be_made(self) -> None:
        """No page of this project, command of it or Markdown is left."""
        pages = documents.documents()
        self.assertEqual(len(pages), 4)
        for name, text in pages.items():
            self.assertTrue(text.startswith(documents.SPDX), name)
            self.assertNotRegex(text, r"\.md\b|make (?:model|demo|check)|docs/")
            self.assertNotRegex(text, r"^\|", name)

    def test_tables_keep_their_words_whole(self) -> None:
        """As list-tables."""
        text = documents.to_rst("| a | b |\n|---|---|\n| `long/path.c` | - |\n")
        self.assertIn(".. list-table::\n", text)
        self.assertIn("   * - ``long/path.c``\n     - \\-\n", text)

    def test_a_section_that_is_gone_is_an_error(self) -> None:
        """So is one that is there twice."""
        with self.assertRaisesRegex(Failure, "no section 'x'"):
            documents.without_sections("## y\n", ("x",))


def scenario(stock: str, ours: str, block: str = "by the book") \
        -> dict[str, object]:
    """A row of the demo with one run each."""
    return {"title": "a row", "design": True, "block": block,
            "runs": {"stock": [{"outcome": stock}],
                     "fanout": [{"outcome": ours}]}}


class LetterTest(unittest.TestCase):
    """The cover letters' tables."""

    def test_the_demo_as_a_table(self) -> None:
        """A row for each known fault, and totals."""
        figures = {"exporters": {"stock": "", "fanout": ""}, "scenarios": [
            scenario("wrong", "right"), scenario("right", "right")]}
        table = letter.demo_table(figures, "this")
        self.assertRegex(table, r"a row +WRONG +right\n")
        self.assertRegex(table, r"all runs: by the book +1 of 2 +0 of 2$")
        self.assertRegex(table, r"^ +udmabuf +this\n")

    def test_without_a_demo_it_says_how_to_get_one(self) -> None:
        """No figure is made up."""
        with tempfile.TemporaryDirectory() as folder, \
                mock.patch.object(letter, "BUILD", Path(folder)), \
                mock.patch("fanout.tree.BUILD", Path(folder)), \
                self.assertRaisesRegex(Failure, "make demo"):
            letter.demo_figures(KernelTree(Path("/nowhere"), OLD, "6.12"))

    def test_the_bench_comes_from_the_page(self) -> None:
        """Both of its tables are found."""
        table = letter.page_table("demo.md", "Measured on 64 MiB when this page",
                                  4)
        self.assertIn("attach+map, 2 MiB pages", table)
        self.assertNotIn("target", table)
        self.assertIn("START+END", letter.page_table("demo.md", "### Copies", 3))

    def test_letters_have_room_for_all_parts(self) -> None:
        """And nothing is left to fill in."""
        for name, parts in (
                ("fanout", ("demo_kernel", "demo", "bench", "copies", "release",
                            "project")),
                ("udmabuf", ("demo_kernel", "demo", "review", "release",
                             "project"))):
            subject, text = letter.letter(name, **{part: f"<{part}>"
                                                   for part in parts})
            self.assertTrue(subject)
            for part in parts:
                self.assertIn(f"<{part}>", text)
            self.assertNotIn("{", text)

    def test_every_reference_is_there_and_used(self) -> None:
        """[1] in the text is [1] below it."""
        for name in ("fanout", "udmabuf"):
            text = (letter.TEXTS / f"{name}.txt").read_text()
            body, _, links = text.partition("\n[1] ")
            used = {word for word in body.split("[")[1:]}
            numbers = {word.split("]")[0] for word in used}
            given = {line[1:].split("]")[0]
                     for line in f"[1] {links}".splitlines()
                     if line.startswith("[")}
            self.assertEqual(numbers, given, name)


class RepositoryTest(unittest.TestCase):
    """git, and who sends."""

    def test_nobody_is_made_up(self) -> None:
        """A name and an address, both given."""
        self.assertEqual(str(repository.person("Jane O'Doe <j@example.org>")),
                         "Jane O'Doe <j@example.org>")
        with self.assertRaisesRegex(Failure, "SIGNOFF= is missing"):
            repository.person("")
        for wrong in ("Jane", "<j@example.org>", "Jane <j>", "Jane <a@b> x"):
            with self.assertRaisesRegex(Failure, "a name and an address"):
                repository.person(wrong)

    def test_a_dirty_work_tree_is_an_error(self) -> None:
        """It names what differs; a folder without git is one, too."""
        with tempfile.TemporaryDirectory() as folder, \
                mock.patch.object(repository, "REPO", Path(folder)):
            with mock.patch.dict("os.environ", {
                    "GIT_CEILING_DIRECTORIES": str(Path(folder).parent)}), \
                    self.assertRaisesRegex(Failure, "no git repository"):
                repository.check_clean()
            subprocess.run(["git", "init", "-q", folder], check=True)
            repository.check_clean()
            Path(folder, "new.c").write_text("")
            with self.assertRaisesRegex(Failure, "differs from it: new.c"):
                repository.check_clean()

    def test_patches_are_written_and_apply(self) -> None:
        """To the tree as it was, which is not touched."""
        with tempfile.TemporaryDirectory() as folder:
            tree = Path(folder, "tree")
            for name in (*repository.TOUCHED, "tools/testing/kunit/kunit.py",
                         "include/trace/a.h"):
                path = tree / name
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_text("one\n")
            with mock.patch("fanout.tree.BUILD", Path(folder, "build")):
                made = repository.Repository(
                    KernelTree(tree, OLD, "x"),
                    who=repository.Person("A", "a@example.org"))
                made.make()
                made.commit({"MAINTAINERS": "two\n"}, "a subject\n\na body\n")
                patches = made.write_patches(Path(folder, "out"), "cover me",
                                             "the text")
                self.assertEqual(len(patches), 2)
                cover = patches[0].read_text()
                self.assertIn("Subject: [PATCH 0/1] cover me", cover)
                self.assertIn("\nthe text\n", cover)
                mail = patches[1].read_text()
                self.assertIn("\nSigned-off-by: A <a@example.org>\n", mail)
                self.assertIn("\n-one\n+two\n", mail)
                made.reset()
                self.assertEqual(made.read("MAINTAINERS"), "one\n")
                made.git("am", patches[1])
                self.assertEqual(made.read("MAINTAINERS"), "two\n")
            self.assertEqual((tree / "MAINTAINERS").read_text(), "one\n")


class TrialTest(unittest.TestCase):
    """What series-test makes of what tools say."""

    def test_what_checkpatch_says_counts_unless_it_is_excused(self) -> None:
        """By file and type."""
        report = ("drivers/x/trace.h:3: CHECK:OPEN_ENDED_LINE: Lines should\n"
                  "drivers/x/a.c:3: CHECK:OPEN_ENDED_LINE: Lines should\n"
                  "drivers/x/a.c:1: WARNING:FILE_PATH_CHANGES: added\n"
                  "total: 0 errors, 1 warnings, 2 checks, 9 lines checked\n")
        self.assertEqual(trial.unexcused(report),
                         ["drivers/x/a.c: OPEN_ENDED_LINE: Lines should"])

    def test_the_sources_of_a_patch(self) -> None:
        """Those that must have been compiled."""
        self.assertEqual(trial.sources_of("+++ b/a/b.c\n+++ b/c.h\n"),
                         [Path("a/b.c")])

    def test_patched_udmabuf_must_not_be_worse(self) -> None:
        """By the book; programs as they are may."""
        rows = [scenario("wrong", "right"), scenario("wrong", "wrong"),
                scenario("right", "wrong", "programs as they are")]
        self.assertEqual(trial.worse_than_stock({"scenarios": rows}), [])
        rows.append(scenario("right", "refused"))
        self.assertEqual(trial.worse_than_stock({"scenarios": rows}),
                         ["a row"])


class UdmabufTest(unittest.TestCase):
    """The edits of the stock driver."""

    def test_another_file_is_an_error(self) -> None:
        """It says which words are missing."""
        kernel = source.Kernel(KernelTree(Path("/nowhere"), NEW, "x"), True)
        with self.assertRaisesRegex(Failure, "udmabuf.c is another.*dma-buf.h"):
            udmabuf.with_syncs("int a;\n", kernel)
        with self.assertRaisesRegex(Failure, "udmabuf.c is another"):
            udmabuf.without_device("int a;\n")
        with self.assertRaisesRegex(Failure, "udmabuf.c is another"):
            played.module_text("int a;\n", kernel)

    def test_the_plan_goes_without_what_is_not_in_its_series(self) -> None:
        """Neither pages nor a model nor a driver of that name."""
        kernel = source.Kernel(KernelTree(Path("/nowhere"), NEW, "x"), True)
        for name, text in udmabuf.plan_files(kernel).items():
            self.assertNotRegex(text, r"hazards\.rst|udmabuf.fanout|"
                                r"UDMABUF_FANOUT|fanout_test", name)

    def test_the_command_line(self) -> None:
        """One message, and status 2."""
        from series.__main__ import main     # pylint: disable=C0415
        with mock.patch("sys.argv", ["series", "make"]), \
                contextlib.redirect_stderr(io.StringIO()), \
                self.assertRaisesRegex(Failure, "SIGNOFF"):
            main()
        with mock.patch("sys.argv", ["series", "make", "--series=x"]), \
                contextlib.redirect_stderr(io.StringIO()), \
                self.assertRaises(SystemExit) as raised:
            main()
        self.assertEqual(raised.exception.code, 2)


if __name__ == "__main__":
    unittest.main()
