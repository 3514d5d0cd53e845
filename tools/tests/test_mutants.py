# SPDX-License-Identifier: GPL-2.0
"""Tests of how mutants get into the driver, and of who is said to catch them."""

import shutil
import subprocess
import tempfile
import unittest
from pathlib import Path
from unittest import mock

from fanout import mutants
from fanout.host import Failure, Totals
from fanout.kunit import MACHINES
from fanout.schemata import make_schema, read_list, read_lists
from fanout.tree import KernelTree

SOURCE = """\
// SPDX-License-Identifier: GPL-2.0
#include "double.h"

static int factor = 2;

static void set(int *to,
\t\tconst int from[2])
{
\t*to = from[0];
}

/* Twice, or not. */
int twice(int number)
{
\tint result;

\tset(&result, (int[2]) { factor * number, 0 });
\treturn result;
}

int none(void)
{
\treturn 0;
}

void again(int x)
{
\tx++;
\tx++;
}
"""
LIST = """\
// about this list

# thrice: H1: another factor
@@ twice
-\tset(&result, (int[2]) { factor * number, 0 });
+\tset(&result, (int[2]) { 3 * number, 0 });

# second: H2: the other of two
@@ set
-\t*to = from[0];
+\t*to = from[1];

# both: H3: a change in two functions, and a line more
@@ twice
 \tint result;
+\tfactor = 5;
@@ none
-\treturn 0;
+\treturn 1;
"""
MAIN = """\
#include <stdio.h>
#include <stdlib.h>
#include "double.h"
int fanout_mutant;
static int met;
void fanout_mutant_met(void) { met = 1; }
int main(int argc, char **argv)
{
\tfanout_mutant = atoi(argv[argc - 1]);
\tprintf("%d ", twice(4));
\tprintf("%d %d", none(), met);
\treturn 0;
}
"""


class Lists(unittest.TestCase):
    """What a list says."""

    def refusal(self, text: str) -> str:
        """Why @text is no list, or does not fit SOURCE."""
        with self.assertRaises(Failure) as caught:
            make_schema(SOURCE, read_list(text, "double.c", 1))
        return str(caught.exception)

    def test_a_mutant_has_all_that_its_list_says(self) -> None:
        """And is shown as it is written."""
        found = read_list(LIST, "double.c", 7)
        self.assertEqual([(m.number, m.name, m.rule) for m in found],
                         [(7, "thrice", "H1"), (8, "second", "H2"),
                          (9, "both", "H3")])
        self.assertEqual([hunk.function for hunk in found[2].hunks],
                         ["twice", "none"])
        self.assertEqual("// about this list\n\n"
                         + "\n\n".join(map(str, found)) + "\n", LIST)

    def test_what_is_stale_is_named(self) -> None:
        """Its text must be there, once, in a function that is there."""
        self.assertIn("thrice is stale: its text stands 0 times in twice()",
                      self.refusal(LIST.replace("-\tset(&r", "-\tset(r")))
        self.assertIn("both is stale: its text stands 0 times in none()",
                      self.refusal(LIST.replace("-\treturn 0", "-\treturn 2")))
        self.assertIn("again is stale: its text stands 2 times in again()",
                      self.refusal("# again: H1: x\n@@ again\n-\tx++;\n"))
        self.assertIn("thrice is stale: there is no triple()",
                      self.refusal(LIST.replace("@@ twice", "@@ triple", 1)))

    def test_what_is_no_mutant_is_refused(self) -> None:
        """Words between, a change of nothing, a change nowhere."""
        self.assertIn("line 1: words", self.refusal("words\n"))
        self.assertIn("line 2: -x", self.refusal("# a: H1: b\n-x\n"))
        self.assertIn("a has no @@ line", self.refusal("# a: H1: b\n"))
        self.assertIn("a changes nothing in none()", self.refusal(
            "# a: H1: b\n@@ none\n-\treturn 0;\n+\treturn 0;\n"))

    def test_a_name_is_given_once(self) -> None:
        """Over all lists; numbers go on from one to the next."""
        with tempfile.TemporaryDirectory() as temporary:
            folder = Path(temporary)
            (folder / "a.c.diff").write_text(LIST)
            other = LIST.replace("# ", "# my-")
            (folder / "b.h.diff").write_text(other)
            found = read_lists(folder)
            self.assertEqual([m.number for m in found], [1, 2, 3, 4, 5, 6])
            self.assertEqual(found[3].file, "b.h")
            (folder / "b.h.diff").write_text(LIST)
            with self.assertRaisesRegex(Failure, "both, second, thrice"):
                read_lists(folder)

    def test_the_drivers_own_are_not_stale(self) -> None:
        """Each fits the driver as it is, and each hazard has one."""
        found = read_lists(mutants.LISTS)
        with tempfile.TemporaryDirectory() as temporary:
            mutants.write_sources(found, Path(temporary))
        gone = {"H11", "H19"}   # nothing is refused; no exporter can help
        self.assertLessEqual({f"H{rule}" for rule in range(1, 21)} - gone,
                             {mutant.rule for mutant in found})


@unittest.skipUnless(shutil.which("cc"), "no C compiler")
class Schemata(unittest.TestCase):
    """A file with all mutants in it, compiled and run as each of them."""

    def test_each_mutant_is_itself_alone(self) -> None:
        """And none is as it was; what is called says that it was met."""
        with tempfile.TemporaryDirectory() as temporary:
            folder = Path(temporary)
            (folder / "double.h").write_text(
                "int twice(int number);\nint none(void);\n")
            (folder / "double.c").write_text(
                make_schema(SOURCE, read_list(LIST, "double.c", 1)))
            (folder / "main.c").write_text(MAIN)
            subprocess.run(["cc", "-Wall", "-Werror", "-o", "double",
                            "double.c", "main.c"], cwd=folder, check=True)
            said = [subprocess.run(
                ["./double", str(mutant)], cwd=folder, check=True,
                capture_output=True, text=True).stdout
                for mutant in range(4)]
        self.assertEqual(said, ["8 0 0", "12 0 1", "0 0 1", "20 1 1"])


class Verdicts(unittest.TestCase):
    """What comes of what the judges say."""

    MUTANTS = read_list(LIST, "double.c", 1)

    def heard(self, said: dict[int, mutants.Verdict]
              ) -> tuple[Totals, list[str]]:
        """hear() where a judge says this of mutants, by their numbers."""
        def ask(_: mutants.Judge, __: KernelTree, number: int,
                *___: object) -> mutants.Verdict:
            return said.get(number, mutants.Verdict(1, (), True, 1))

        with mock.patch.object(mutants, "ask", ask), \
                mock.patch("builtins.print"):
            totals, left = mutants.hear(
                mutants.JUDGES[0], KernelTree(Path("t"), (6, 12, 1), "6.12"),
                self.MUTANTS, set())
        return totals, [mutant.name for mutant in left]

    def test_who_is_not_objected_to_is_left(self) -> None:
        """For the next judge."""
        self.assertEqual(
            self.heard({2: mutants.Verdict(1, ("suite.test: FAIL",), True, 1)}),
            (Totals(1), ["thrice", "both"]))

    def test_an_objection_must_be_the_mutants_doing(self) -> None:
        """A test that fails where its code did not run fails at random."""
        self.assertEqual(
            self.heard({2: mutants.Verdict(1, ("suite.test: FAIL",), False,
                                           1)}),
            (Totals(failed=1), ["thrice", "both"]))

    def test_the_driver_as_it_is_must_pass(self) -> None:
        """Or nothing is shown, likewise if no test ran."""
        for said in (mutants.Verdict(1, ("suite.test: FAIL",), False, 1),
                     mutants.Verdict(1, (), False, 0)):
            with self.assertRaisesRegex(Failure, "objects to the driver"):
                self.heard({0: said})

    def test_tests_are_named_before_the_kernel(self) -> None:
        """And not all of them."""
        self.assertEqual(mutants.brief((
            "the kernel says: BUG: x", "udmabuf_fanout_a.b: FAIL",
            "udmabuf_fanout_a.: ERROR", "udmabuf_fanout_a.: ERROR")),
            "a.b, a crashed and 1 more")

    def test_a_kernel_is_killed_and_its_parent_goes_on(self) -> None:
        """kunit.py has to say what there was until then."""
        with subprocess.Popen(
                ["sh", "-c", "trap '' TERM; sleep 60 & echo $!; wait; echo on"],
                stdout=subprocess.PIPE, text=True) as parent:
            assert parent.stdout is not None
            self.assertTrue(parent.stdout.readline())
            mutants.kill_children(parent.pid)
            self.assertEqual(parent.communicate(timeout=30)[0], "on\n")

    def test_judges_are_machines(self) -> None:
        """Each is one that `make kunit` has."""
        for judge in mutants.JUDGES:
            self.assertIn(judge.arch, MACHINES)


if __name__ == "__main__":
    unittest.main()
