# SPDX-License-Identifier: GPL-2.0
"""Tests the tests: each small mistake in the driver must fail one of them.

tools/mutants lists the mistakes. A kernel is built with all of them in it and
booted once for each, under the judges below in turn until one of them objects.
"""

import os
import signal
import subprocess
import time
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from fnmatch import fnmatch
from pathlib import Path

from fanout.host import (JOBS, REPO, Failure, Totals, colour, environment, say,
                         shown)
from fanout.kunit import (MACHINES, build_folder, build_kernel, command,
                          judge)
from fanout.schemata import EPILOGUE, Mutant, make_schema, read_lists
from fanout.tree import KernelTree, farm_layout, make_farm

LISTS = REPO / "tools/mutants"
# Seconds that kunit.py has to end a kernel that took too long.
PATIENCE = 10


@dataclass(frozen=True)
class Judge:
    """A kernel and those of its tests that are asked at once."""

    arch: str
    variant: str
    filter: str         # as kunit.py takes it
    what: str

    @property
    def kernel(self) -> str:
        """The kernel's name, as of `make kunit`."""
        return f"{self.arch}-{self.variant}".rstrip("-")

    def __str__(self) -> str:
        return f"{self.kernel}, {self.what}"


def without(*suites: str) -> str:
    """A filter that leaves @suites out."""
    return ",".join(f"module!={suite}_test" for suite in suites)


# The cheapest first. The model judges no more than the plan, and takes longest;
# under emulation only those suites run that find there what UML has not.
JUDGES = (
    Judge("um", "", without("model"), "all but the model"),
    Judge("um", "debug", without("model"), "all but the model"),
    Judge("um", "", "module=model_test", "the model"),
    Judge("x86_64", "", without("model", "plan", "shim", "fanout", "flush",
                                "fail", "fail_pieces", "memfd_errors", "race",
                                "race_data"),
          "what UML cannot"),
)


@dataclass(frozen=True)
class Verdict:
    """What a judge says of a mutant."""

    seconds: float
    wrong: tuple[str, ...]      # what objected
    met: bool                   # code of the mutant was executed
    tests: int                  # that passed or failed


def write_sources(mutants: Iterable[Mutant], target: Path) -> None:
    """Make @target the driver with all @mutants in it, and the suites.

    Only what differs is written, for make to build no more than that.
    """
    of_file: dict[str, list[Mutant]] = {}
    for mutant in mutants:
        of_file.setdefault(mutant.file, []).append(mutant)
    files = {path.relative_to(REPO): path.read_text()
             for folder in ("driver", "kunit")
             for path in (REPO / folder).rglob("*") if path.is_file()}
    for name, changes in of_file.items():
        path = Path("driver", name)
        if path not in files:
            raise Failure(f"mutants of {path}, which does not exist")
        files[path] = make_schema(files[path], changes)
    files[Path("driver/main.c")] += EPILOGUE
    for folder in ("driver", "kunit"):
        for old in (target / folder).rglob("*"):
            if old.is_file() and old.relative_to(target) not in files:
                old.unlink()
    tools = target / "tools"
    if not tools.is_symlink():
        target.mkdir(parents=True, exist_ok=True)
        tools.symlink_to(REPO / "tools")
    for path, text in files.items():
        copy = target / path
        if not copy.is_file() or copy.read_text() != text:
            copy.parent.mkdir(parents=True, exist_ok=True)
            copy.write_text(text)


def kill_children(parent: int) -> None:
    """Kill what process @parent has started, but not itself."""
    for listed in Path(f"/proc/{parent}/task").glob("*/children"):
        for child in listed.read_text().split():
            os.kill(int(child), signal.SIGKILL)


def ask(judge_: Judge, tree: KernelTree, mutant: int, name: str,
        limit: int) -> Verdict:
    """Boot the kernel of @judge_, built of @tree, as @mutant; run its tests."""
    folder = tree.logs / name / str(judge_).replace(", ", "-").replace(" ", "-")
    folder.mkdir(parents=True, exist_ok=True)
    results, console = folder / "results.json", folder / "test.log"
    for old in (results, console):
        old.unlink(missing_ok=True)
    # kunit.py writes into its build folder: each run has its own.
    for image in ("linux", "arch"):
        link = folder / image
        link.unlink(missing_ok=True)
        link.symlink_to(build_folder(tree, judge_.arch, judge_.variant)
                        / image)
    start = time.monotonic()
    with (folder / "kunit.log").open("w") as out:
        process = subprocess.Popen(
            [*command("exec", tree, judge_.arch, judge_.variant, folder),
             f"--json={results}", f"--timeout={limit}",
             f"--filter={judge_.filter}",
             *(f"--kernel_args={argument}" for argument in (
                 "panic_on_warn=1", *MACHINES[judge_.arch].kernel_args,
                 f"udmabuf_fanout.mutant={mutant}"))],
            env=environment(), stdin=subprocess.DEVNULL, stdout=out,
            stderr=subprocess.STDOUT)
        try:
            status = process.wait(timeout=limit + PATIENCE)
        except subprocess.TimeoutExpired:
            # A UML kernel that is busy for ever does not mind SIGTERM.
            kill_children(process.pid)
            status = process.wait()
    seconds = time.monotonic() - start
    totals, wrong = judge(status, results, console)
    if not console.is_file():
        raise Failure(f"kunit.py did not start: see {shown(folder)}")
    text = console.read_text(errors="replace")
    if seconds >= limit:
        wrong = [f"no end within {limit} s", *(line for line in wrong
                                               if "ERROR" not in line)]
    return Verdict(seconds, tuple(wrong),
                   f"mutant {mutant} was met" in text,
                   totals.passed + totals.failed)


def brief(wrong: Iterable[str]) -> str:
    """The first of what objected, the tests before the kernel."""
    # A crash leaves cases and suites without a name behind.
    names = [line.removeprefix("udmabuf_fanout_").removesuffix(": FAIL")
             .replace(".: ERROR", " crashed")
             for line in sorted(wrong, key=lambda line:
                                not line.startswith("udmabuf_fanout_"))
             if not line.startswith(": ")]
    names = list(dict.fromkeys(names))
    more = f" and {len(names) - 2} more" if len(names) > 2 else ""
    return ", ".join(name[:70] for name in names[:2]) + more


def hear(judge_: Judge, tree: KernelTree, mutants: list[Mutant],
         met: set[str]) -> tuple[Totals, list[Mutant]]:
    """Ask @judge_ about all @mutants in @tree; those met go into @met.

    Return: how many it caught, and those that got away.
    """
    control = ask(judge_, tree, 0, "none", MACHINES[judge_.arch].seconds)
    if control.wrong or not control.tests:
        raise Failure(f"{judge_} objects to the driver as it is: "
                      f"{brief(control.wrong)}: see {shown(tree.logs / 'none')}")
    limit = 15 + int(5 * control.seconds)
    say("judge", f"{judge_}: {control.tests} tests, {control.seconds:.0f} s")
    caught = failed = 0
    left = []
    with ThreadPoolExecutor(JOBS) as pool:
        for mutant, verdict in zip(mutants, pool.map(
                lambda m: ask(judge_, tree, m.number, m.name, limit), mutants)):
            if verdict.met:
                met.add(mutant.name)
            if not verdict.wrong:
                left.append(mutant)
                continue
            # Not the mutant's doing: some test fails at random.
            caught += verdict.met
            failed += not verdict.met
            note = "" if verdict.met else colour("not met, yet ", 31)
            print(f"{mutant.name:<36} {mutant.rule:<24} {judge_.kernel:<8}"
                  f" {note}{brief(verdict.wrong)}, {verdict.seconds:.0f} s",
                  flush=True)
    return Totals(caught, failed), left


def matches(name: str, only: str) -> bool:
    """Whether mutant @name is one of @only: globs, with commas between them."""
    return any(fnmatch(name, glob) for glob in (only or "*").split(","))


def test_tests(kernel: KernelTree, only: str = "") -> Totals:
    """Build the kernels with the mutants that @only matches and judge all."""
    every = read_lists(LISTS)
    mutants = [m for m in every if matches(m.name, only)]
    if not mutants:
        raise Failure(f"no mutant is called {only}")
    start = time.monotonic()
    # A checkout with mutants in its driver, its kernel tree and builds; these
    # lie to each other as usual, or ccache would not know them again.
    tree = replace(kernel, name=f"{kernel.name}/mutants")
    write_sources(every, tree.build)
    make_farm(farm_layout(tree.path, tree.build), tree.farm)
    totals = Totals()
    left = mutants
    met: set[str] = set()
    caught: dict[str, int] = {}
    built: set[str] = set()
    for judge_ in JUDGES:
        if not left:
            break
        if judge_.kernel not in built:
            build_kernel(tree, judge_.arch, judge_.variant)
            built.add(judge_.kernel)
        some, left = hear(judge_, tree, left, met)
        totals += some
        caught[str(judge_)] = some.passed
    for mutant in left:
        print(colour(f"not caught, {'' if mutant.name in met else 'not even '}"
                     f"met:\n{mutant}", 31))
    say("mutants", ", ".join(f"{number} by {judge_}"
                             for judge_, number in caught.items() if number)
        + f" in {time.monotonic() - start:.0f} s")
    return totals + Totals(failed=len(left))


def show(only: str = "") -> None:
    """Print the mutants that @only matches."""
    for mutant in read_lists(LISTS):
        if matches(mutant.name, only):
            print(f"{mutant}\n")
