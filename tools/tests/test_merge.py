# SPDX-License-Identifier: GPL-2.0
"""The merge's native test: it passes, and no mutant of the merge does."""

import os
import shutil
import subprocess
import tempfile
import unittest
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from fanout.host import BUILD, JOBS, REPO
from fanout.mutants import LISTS
from fanout.schemata import Mutant, make_schema, read_list

CHOOSER = """
int fanout_mutant;

void fanout_mutant_met(void)
{
}

__attribute__((constructor)) static void choose(void)
{
\tfanout_mutant = atoi(getenv("MUTANT"));
}
"""


def build(program: Path, sources: Path, flags: str) -> None:
    """Make @program, a test, of the tree at @sources."""
    subprocess.run(["make", "-s", "-C", sources / "tools/merge",
                    f"OUT={program.parent}", program],
                   env={**os.environ, "CFLAGS": flags}, check=True)


def run(program: Path, seconds: float, mutant: int = 0) \
        -> subprocess.CompletedProcess[str]:
    """Run @program, as @mutant if it has some, always from the same seed."""
    return subprocess.run(
        [program, "--seed=1", f"--seconds={seconds}"],
        env={**os.environ, "MUTANT": str(mutant)}, capture_output=True,
        text=True, check=False, timeout=60)


@unittest.skipUnless(shutil.which("cc") and shutil.which("make"),
                     "there is no compiler, or no make")
class MergeTest(unittest.TestCase):
    """What the program finds, with ASan and UBSan."""

    def test_the_merge_passes(self) -> None:
        """In two seconds, beside threads."""
        program = BUILD / "merge/test"
        build(program, REPO, "-O2 -g")
        done = run(program, 2)
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        self.assertIn("merges of what changes meanwhile", done.stdout)

    def test_no_mutant_passes(self) -> None:
        """All of the list, in one build; a message says what is wrong."""
        mutants = read_list((LISTS / "merge.c.diff").read_text(), "merge.c", 1)
        with tempfile.TemporaryDirectory() as folder:
            tree = Path(folder)
            for part in ("driver", "kunit", "tools/merge"):
                shutil.copytree(REPO / part, tree / part)
            shutil.copy(REPO / "tools/native.mk", tree / "tools")
            merge = tree / "driver/merge.c"
            merge.write_text(make_schema(merge.read_text(), mutants))
            with (tree / "tools/merge/test.c").open("a") as test:
                test.write(CHOOSER)
            program = tree / "build/test"
            # A function that is there fifty times takes long to optimize.
            build(program, tree, "-O0")
            self.assertEqual(run(program, 0).returncode, 0)

            def ask(mutant: Mutant) -> subprocess.CompletedProcess[str]:
                return run(program, 0, mutant.number)

            with ThreadPoolExecutor(JOBS) as pool:
                for mutant, done in zip(mutants, pool.map(ask, mutants)):
                    with self.subTest(mutant.name):
                        self.assertEqual(done.returncode, 1, done.stderr)
                        self.assertRegex(done.stdout + done.stderr,
                                         "FAILED|Sanitizer|runtime error")


if __name__ == "__main__":
    unittest.main()
