# SPDX-License-Identifier: GPL-2.0
"""Tests the review: mistakes that are known, and what it must say of them.

A kernel is built with all mistakes in it, as mutants are (fanout.schemata): those
of the driver in tools/mutants, and those of the stock exporters in trials/. Each
is booted and compared with the same kernel without one.
"""

import argparse
import re
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path

from fanout import tree as trees
from fanout.host import (JOBS, KERNEL_BUILD, REPO, UNPACK, Failure, Totals,
                         colour, require, say, status_of)
from fanout.mutants import LISTS, matches
from fanout.schemata import EPILOGUE, Mutant, make_schema, read_list, read_lists
from review import edits, kernels, replay
from review.compare import differences
from review.findings import Compared
from review.histories import Scene, battery
from review.sides import Heard, heard, judge, listen, log_name
from review.states import FANOUT, State, state_of

TRIALS = REPO / "tools/review/trials"
FILES = {"udmabuf": "drivers/dma-buf/udmabuf.c",
         "system_heap": "drivers/dma-buf/heaps/system_heap.c"}


@dataclass(frozen=True)
class Wanted:
    """What must be said of a mistake."""

    name: str
    exporter: str
    kinds: frozenset[str]   # of differences, some of which there must be
    verdict: str            # worse, same, complaint, any


@dataclass(frozen=True)
class Trial:
    """A mistake in an exporter."""

    exporter: str
    mutant: Mutant


@dataclass(frozen=True)
class Outcome:
    """What the review says of one."""

    failed: str = ""            # why nothing was recorded
    kinds: tuple[tuple[str, int], ...] = ()     # of differences, how many
    worse: int = 0              # histories
    better: int = 0
    complaint: str = ""
    met: bool = True

    @property
    def heard(self) -> bool:
        """Whether any record is another one."""
        return bool(self.failed or self.kinds or self.complaint or self.worse)

    @property
    def verdict(self) -> str:
        """In a word."""
        if self.failed:
            return "failed"
        if self.complaint:
            return "complaint"
        return "worse" if self.worse else "same"

    def __str__(self) -> str:
        parts = [f"{number} {kind}" for kind, number in self.kinds]
        parts += [f"worse in {self.worse}"] if self.worse else []
        parts += [f"better in {self.better}"] if self.better else []
        parts += [self.failed[:60]] if self.failed else []
        parts += [f"complaint: {self.complaint[:50]}"] if self.complaint else []
        return ", ".join(parts) or ("nothing differs" if self.met else
                                    "never met, nothing differs")


_LINE = re.compile(r"(\S+)\s+(\S+)\s+(\S+)\s+(\w+)")


def wanted(text: str) -> list[Wanted]:
    """The table of expectations: exporter, mistake, kinds, verdict."""
    found = []
    for line in text.splitlines():
        if not line.strip() or line.startswith("#"):
            continue
        match = _LINE.fullmatch(line.strip())
        if not match:
            raise Failure(f"{TRIALS}/wanted: {line}")
        exporter, name, kinds, verdict = match.groups()
        found.append(Wanted(name, exporter, frozenset(
            kinds.split(",")) - {"-"}, verdict))
    return found


def all_trials() -> list[Trial]:
    """Every mistake, each with a number of its own."""
    trials = [Trial(FANOUT, mutant) for mutant in read_lists(LISTS)]
    for exporter in FILES:
        path = TRIALS / f"{exporter}.diff"
        trials += [Trial(exporter, mutant) for mutant in read_list(
            path.read_text(), f"{exporter}.c", len(trials) + 1)]
    return trials


def mistaken(trials: Iterable[Trial], tree: trees.KernelTree) -> State:
    """The work tree and the kernel with all of them in."""
    base = state_of("worktree", FANOUT, None, tree.path, ())
    driver = dict(base.driver)
    kernel = {}
    of_file: dict[tuple[str, str], list[Mutant]] = {}
    for trial in trials:
        of_file.setdefault((trial.exporter, trial.mutant.file),
                           []).append(trial.mutant)
    for (exporter, file), mutants in of_file.items():
        if exporter == FANOUT:
            driver[file] = make_schema(driver[file].decode(),
                                       mutants).encode()
        else:
            text = (tree.path / FILES[exporter]).read_text()
            kernel[FILES[exporter]] = make_schema(text, mutants).encode()
    # Where all three find it: its parameter is buffer.mutant.
    kernel[f"{kernels.JOINT}/recorder/buffer.c"] = (
        (kernels.RECORDER / "buffer.c").read_text() + EPILOGUE).encode()
    return State("all mistakes", driver, kernel)


def outcome(base: Heard, patch: Heard) -> Outcome:
    """What the review would say."""
    kinds: Counter[str] = Counter()
    worse = better = 0
    for at, (old, new) in enumerate(zip(base.recorded, patch.recorded)):
        if old is new:
            continue
        kinds.update(one.kind for one in differences(old, new))
        one = Compared("", "", old, new, [], base.wrong[at], patch.wrong[at])
        worse += bool(one.worse)
        better += bool(one.better)
    said = [line for line in patch.complaints if line not in base.complaints]
    return Outcome("", tuple(kinds.most_common()), worse, better,
                   said[0] if said else "")


class Judges:
    """A kernel with all mistakes, and what its exporters do without any."""

    def __init__(self, where: kernels.Kernels, program: Path) -> None:
        self.where = where
        self.program = program
        self.scenes: dict[str, list[Scene]] = {}
        self.base: dict[str, Heard] = {}
        # Functions that no scene calls, whatever their mistake is.
        self.unmet: set[tuple[str, str]] = set()

    def prepare(self, exporters: Iterable[str]) -> None:
        """Hear what @exporters do without a mistake."""
        start = time.monotonic()
        for exporter in exporters:
            self.scenes[exporter] = battery(exporter)
            self.base[exporter] = heard(
                self.where, self.where.image, exporter, self.scenes[exporter],
                f"trial-{exporter}", self.program)
        # A mistake can make it wait for ever.
        self.where = replace(self.where,
                             seconds=10 + 3 * (time.monotonic() - start))

    def again(self, exporter: str) -> Outcome:
        """What the review says of two boots of the same."""
        return outcome(self.base[exporter], heard(
            self.where, self.where.image, exporter, self.scenes[exporter],
            "trial-again", self.program))

    def judge(self, trial: Trial) -> Outcome:
        """What the review says of @trial."""
        base, scenes = self.base[trial.exporter], self.scenes[trial.exporter]
        number = trial.mutant.number
        functions = {(trial.mutant.file, hunk.function)
                     for hunk in trial.mutant.hunks}
        if trial.exporter == FANOUT and functions <= self.unmet:
            return Outcome(met=False)
        try:
            found = listen(self.where, self.where.image, trial.exporter,
                           scenes, f"trial-{number}",
                           f"buffer.mutant={number}", known=base)
        except kernels.NotBuilt as failure:
            return Outcome(str(failure).split(" (all of it")[0]
                           .partition(": ")[2])
        met = any(f"mutant {number} was met" in (
            self.where.tree.logs / f"review-{name}.console.log")
            .read_text(errors="replace")
            for name in (log_name(f"trial-{number}", boot)
                         for boot in range(len(base.said))))
        if trial.exporter == FANOUT and not met:
            self.unmet |= functions
        if found.said == base.said:
            found.wrong = base.wrong
        else:
            judge(found, trial.exporter, scenes, self.program)
        return replace(outcome(base, found), met=met)


def check(trials: Sequence[Trial], expected: Sequence[Wanted],
          judges: Judges) -> Totals:
    """Judge @trials; those that are @expected must come out as that says."""
    exporters = list(dict.fromkeys(trial.exporter for trial in trials))
    judges.prepare(exporters)
    by_name = {(one.exporter, one.name): one for one in expected}
    passed = failed = skipped = 0
    said: Counter[str] = Counter()
    for exporter in exporters:
        again = judges.again(exporter)
        passed += not again.heard
        failed += again.heard
        print(f"{exporter:<12} {'no mistake, once more':<45} {again}",
              flush=True)
    with ThreadPoolExecutor(JOBS) as pool:
        for trial, found in zip(trials, pool.map(judges.judge, trials)):
            want = by_name.get((trial.exporter, trial.mutant.name))
            said["heard" if found.heard else "not heard"] += 1
            said[found.verdict] += 1
            right = want is None or (
                want.kinds <= {kind for kind, _ in found.kinds}
                and want.verdict in (found.verdict, "any"))
            passed += want is not None and right
            failed += not right
            skipped += want is None
            note = "" if right else colour(
                f" WANTED {','.join(sorted(want.kinds)) or '-'} "
                f"{want.verdict}" if want else "", 31)
            print(f"{trial.exporter:<12} {trial.mutant.name:<34} "
                  f"{trial.mutant.rule[:10]:<10} {found}{note}", flush=True)
    say("trials", ", ".join(f"{number} {what}" for what, number
                            in said.most_common()))
    return Totals(passed, failed, skipped)


@dataclass(frozen=True)
class Edit:
    """A change to stock udmabuf, and what must be said of which history."""

    what: str
    make: Callable[[str], str]
    worse: str
    arch: str           # on which that is ...
    right: str          # ... and on which it is not
    better: str
    kind: str           # of a difference ...
    where: str          # ... in this history


EDITS = (
    Edit("each attachment is synced", edits.every_attachment,
         "idle-reader/coherent+bounced/cam,gpu", "recorded", "",
         "device-cpu/bounced",
         "doubled", "two-readers/noncoherent+noncoherent/gpu,dsp"),
    Edit("the first begin is forgotten", edits.first_begin_forgotten,
         "device-cpu/noncoherent", "arm64", "x86",
         "", "lost", "device-cpu/noncoherent"),
)


def check_edit(edit: Edit, where: kernels.Kernels, base: State, stock: Heard,
               program: Path) -> Totals:
    """Build @edit on top of @base, whose udmabuf is @stock, and compare."""
    text = (where.tree.path / edits.NAME).read_text()
    kernels.build_base(where, base)
    kernels.build_patch(where, replace(
        base, what=edit.what,
        kernel={edits.NAME: edit.make(text).encode()}))
    scenes = battery("udmabuf")
    found = heard(where, where.image, "udmabuf", scenes, "trial-edit", program)
    told = {scene.name: Compared(
        scene.name, "", old, new, differences(old, new), before, after)
        for scene, old, new, before, after in zip(
            scenes, stock.recorded, found.recorded, stock.wrong, found.wrong)}
    worse = {one.arch for one in told[edit.worse].worse
             if one.state == "settled"}
    wrong = []
    if edit.arch not in worse or edit.right in worse:
        wrong.append(f"{edit.worse} is worse on {', '.join(sorted(worse))}")
    if edit.better and not told[edit.better].better:
        wrong.append(f"{edit.better} is not better")
    if edit.kind not in {one.kind for one in told[edit.where].differences}:
        wrong.append(f"nothing {edit.kind} in {edit.where}")
    say("edit", f"{edit.what}: " + (colour("; ".join(wrong), 31) or "told"))
    return Totals(passed=not wrong, failed=bool(wrong))


def main() -> int:
    """Return: 0 if all comes out as expected."""
    parser = argparse.ArgumentParser(prog="review.trials", description=__doc__)
    trees.add_kernel(parser)
    trees.add_ktree(parser)
    parser.add_argument("--only", default="", metavar="GLOB,...",
                        help="mistakes to try, expected or not (default: those "
                        "with an expectation)")
    options = parser.parse_args()
    trees.check_choice(options.kernel, options.ktree)
    require([*KERNEL_BUILD, *(() if options.ktree else UNPACK)])
    tree = trees.choose(options.kernel, options.ktree)
    expected = wanted((TRIALS / "wanted").read_text())
    trials = all_trials()
    names = {(one.exporter, one.name) for one in expected}
    chosen = [trial for trial in trials
              if (matches(trial.mutant.name, options.only) if options.only
                  else (trial.exporter, trial.mutant.name) in names)]
    missing = names - {(trial.exporter, trial.mutant.name)
                       for trial in trials}
    if missing or not chosen:
        raise Failure(f"no such mistake: {sorted(missing) or options.only}")
    where = kernels.Kernels(tree)
    program = replay.build()
    with trees.locked(where.folder):
        base = state_of("worktree", FANOUT, None, tree.path, ())
        kernels.build_base(where, base)
        kernels.build_patch(where, mistaken(trials, tree))
        judges = Judges(where, program)
        totals = check(chosen, expected, judges)
        if not options.only:
            for edit in EDITS:
                totals += check_edit(edit, where, base, judges.base["udmabuf"],
                                     program)
    print(totals)
    return int(bool(totals.failed))


if __name__ == "__main__":
    sys.exit(status_of(main))
