# SPDX-License-Identifier: GPL-2.0
"""What the suites reach of the driver: gcov's counts, and a judgement of them.

Kernels of several architectures run the suites and print their counts
(kunit/coverage.c); the sums are judged. Of the branches that gcov sees, those
count that our source decides (see decisions()); the others are a macro's or
the compiler's.
"""

import gzip
import json
import re
import shutil
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from itertools import chain
from pathlib import Path

from fanout.host import (BUILD, KERNEL_BUILD, LOGS, REPO, X86_64, Failure, Need,
                         Totals, require, run, say, say_totals, show_failure,
                         shown)
from fanout.kunit import build_folder, run_suites
from fanout.tree import JOINT

LCOV = (Need("lcov", program="genhtml"), Need("gcc", program="gcov"))
ARCHITECTURES = ("um", "x86_64")
REPORT = BUILD / "coverage"

# In hundredths: of the lines and of the branches that must be reached.
LEAST_LINES = 100
LEAST_BRANCHES = 95


@dataclass(frozen=True)
class Reason:
    """Why some lines of the driver need not be reached here.

    @text is these lines, and as many before them as it takes to stand only
    once in the file; indentation does not matter.
    """

    file: str
    text: str
    why: str


ACCEPTED: tuple[Reason, ...] = ()


@dataclass(frozen=True)
class Decision:
    """Where our source decides: its lines, and how many branches it makes."""

    first: int
    last: int
    branches: int


@dataclass
class Counts:
    """How often each line of a file was reached, and each branch on it."""

    lines: dict[int, int] = field(default_factory=dict)
    branches: dict[int, list[int]] = field(default_factory=dict)

    def add(self, other: "Counts") -> None:
        """Sum up. Where builds differ, the one with more branches counts."""
        for line, count in other.lines.items():
            self.lines[line] = self.lines.get(line, 0) + count
        for line, theirs in other.branches.items():
            ours = self.branches.get(line, [])
            if len(ours) == len(theirs):
                self.branches[line] = [a + b for a, b in zip(ours, theirs)]
            elif len(ours) < len(theirs):
                self.branches[line] = theirs


_NO_CODE = re.compile(
    r"""/\*.*?\*/ | //[^\n]* | "(?:\\.|[^"\\])*" | '(?:\\.|[^'\\])*'
    | ^[ \t]*\#(?:\\\n|[^\n])*""", re.DOTALL | re.MULTILINE | re.VERBOSE)


def blanked(text: str) -> str:
    """@text with a blank for everything but its line ends."""
    return re.sub(r"[^\n]", " ", text)


def closing(text: str, at: int) -> int:
    """Where the bracket that opens at @text[@at] is closed."""
    depth = 0
    for match in re.compile(r"[({\[]|[)}\]]").finditer(text, at):
        depth += 1 if match[0] in "({[" else -1
        if not depth:
            return match.start()
    raise ValueError("a bracket is not closed")


def decisions(source: str) -> list[Decision]:
    """Where a C source decides, in the order of its lines.

    A decision is the condition of an if, while, for or switch, or any other
    expression with ?:, && or ||. It makes at most two branches for each operand
    that is tested, a switch one for each label and one for none. Inside of a
    condition the two values of a ?: are tested as well.
    """
    text = _NO_CODE.sub(lambda match: blanked(match[0]), source)
    found = []

    def add(start: int, end: int, branches: int) -> None:
        if branches:
            found.append(Decision(source.count("\n", 0, start) + 1,
                                  source.count("\n", 0, end) + 1, branches))

    for match in re.finditer(r"\b(if|while|for|switch)\s*\(", text):
        end = closing(text, match.end() - 1)
        condition = text[match.end():end]
        if match[1] == "switch":
            body = text.index("{", end)
            branches = 1 + len(re.findall(r"\b(?:case|default)\b",
                                          text[body:closing(text, body)]))
        else:
            if match[1] == "for":
                condition = condition.split(";")[1]
            branches = 2 * (bool(condition.strip())
                            + len(re.findall(r"&&|\|\|", condition))
                            + 2 * condition.count("?"))
        add(match.start(), end, branches)
        text = text[:match.start()] + blanked(text[match.start():end + 1]) \
            + text[end + 1:]
    for match in re.finditer(r"[^;{}\s][^;{}]*", text):
        logical = len(re.findall(r"&&|\|\|", match[0]))
        add(match.start(), match.end() - 1,
            2 * (logical + bool(logical) + match[0].count("?")))
    return sorted(found, key=lambda decision: decision.first)


@dataclass(frozen=True)
class File:
    """What was reached of one file."""

    path: Path
    counts: Counts
    decisions: Sequence[Decision]

    def branches(self) -> dict[int, list[int]]:
        """The branches that our source decides, by their lines."""
        ours = {line for decision in self.decisions
                for line in range(decision.first, decision.last + 1)}
        return {line: counts for line, counts in self.counts.branches.items()
                if line in ours}

    def missed(self) -> dict[int, str]:
        """What is to be said about each line that is not fully reached."""
        missed = {line: f"{counts.count(0)} of {len(counts)} branches"
                  for line, counts in self.branches().items() if 0 in counts}
        return missed | {line: "not reached" for line, count
                         in self.counts.lines.items() if not count}


_GCDA = re.compile(r"gcda (\S+) (\d+) (\d+) ([0-9a-f]+)$")


def read_gcda(console: Iterable[str]) -> dict[str, bytes]:
    """The files that kunit/coverage.c printed on @console."""
    data: dict[str, bytes] = {}
    sizes: dict[str, int] = {}
    for line in console:
        if match := _GCDA.search(line.rstrip()):
            name = match[1]
            part = bytes.fromhex(match[4])
            if len(data.setdefault(name, b"")) != int(match[3]):
                raise Failure(f"lines of {name} are missing on the console")
            data[name] += part
            sizes[name] = int(match[2])
    for name, size in sizes.items():
        if len(data[name]) != size:
            raise Failure(f"{name} is cut off on the console")
    return data


def read_gcov(text: str) -> dict[Path, Counts]:
    """The counts of the driver's files in gcov's JSON."""
    found: dict[Path, Counts] = {}
    for file in json.loads(text)["files"]:
        inside = re.search(rf"{re.escape(JOINT)}/(driver/[^/]+)$", file["file"])
        if not inside:
            continue
        counts = found.setdefault(REPO / inside[1], Counts())
        for line in file["lines"]:
            counts.add(Counts({line["line_number"]: line["count"]},
                              {line["line_number"]: [
                                  branch["count"]
                                  for branch in line["branches"]]}))
    return found


def collect(arch: str) -> dict[Path, Counts]:
    """The counts of the run of @arch's kernel that was the last."""
    build = build_folder(arch, "coverage")
    work = build / "gcov"
    shutil.rmtree(work, ignore_errors=True)
    work.mkdir()
    console = LOGS / f"kunit-{build.name}.console.log"
    data = read_gcda(console.read_text(errors="replace").splitlines())
    # Not those of bindings/, which is generated.
    for notes in (build / JOINT / "driver").glob("*.gcno"):
        if f"{notes.stem}.gcda" not in data:
            raise Failure(f"no counts of {notes.stem}.c in {shown(console)}")
        (work / f"{notes.stem}.gcda").write_bytes(data[f"{notes.stem}.gcda"])
        shutil.copy(notes, work)
    log = LOGS / f"gcov-{arch}.log"
    # gcov goes on where counts and objects don't belong together.
    if run("gcov", ["gcov", "--json-format", "--branch-probabilities",
                    *work.glob("*.gcda")], log, cwd=work) \
            or "mismatch" in log.read_text():
        show_failure(log)
        raise Failure(f"gcov cannot read the counts of {arch}")
    counts: dict[Path, Counts] = {}
    for result in work.glob("*.gcov.json.gz"):
        with gzip.open(result, "rt") as text:
            for path, found in read_gcov(text.read()).items():
                counts.setdefault(path, Counts()).add(found)
    return counts


def reasons_for(file: File, accepted: Iterable[Reason]) -> dict[int, Reason]:
    """The accepted reason for each line of @file that has one.

    A Failure names one that is stale.
    """
    lines = [line.strip() for line in file.path.read_text().splitlines()]
    missed = file.missed()
    found: dict[int, Reason] = {}
    for reason in accepted:
        wanted = reason.text.splitlines()
        places = [at for at in range(len(lines))
                  if lines[at:at + len(wanted)] == wanted]
        if len(places) != 1:
            raise Failure(f"{reason.file}: the lines of an accepted reason "
                          f"stand there {len(places)} times: {reason.text!r}")
        here = {number for number in range(places[0] + 1,
                                           places[0] + 1 + len(wanted))
                if number in missed}
        if not here:
            raise Failure(f"{reason.file}: all of it is reached, and a reason "
                          f"why not is accepted: {reason.text!r}")
        found |= dict.fromkeys(here, reason)
    return found


def report(files: Iterable[File]) -> None:
    """Write the HTML report."""
    shutil.rmtree(REPORT, ignore_errors=True)
    REPORT.mkdir()
    trace = REPORT / "driver.info"
    with trace.open("w") as out:
        for file in files:
            print(f"SF:{file.path}", file=out)
            for line, count in sorted(file.counts.lines.items()):
                print(f"DA:{line},{count}", file=out)
            for line, counts in sorted(file.branches().items()):
                for number, count in enumerate(counts):
                    print(f"BRDA:{line},0,{number},{count}", file=out)
            print("end_of_record", file=out)
    log = LOGS / "genhtml.log"
    if run("genhtml", ["genhtml", "--branch-coverage", "--legend",
                       f"--prefix={REPO}", f"--output-directory={REPORT}",
                       trace], log):
        show_failure(log)
        raise Failure("genhtml could not write the report")
    say("coverage", shown(REPORT / "index.html"))


def share(counts: Sequence[int]) -> tuple[int, int]:
    """How many of @counts are not 0, and how many there are."""
    return len(counts) - counts.count(0), len(counts)


def percent(reached: int, total: int) -> float:
    """@reached of @total; nothing is reached wholly."""
    return 100 * reached / total if total else 100


def table(files: Iterable[File]) -> list[str]:
    """Lines and branches of each file, and of all."""
    rows = [(shown(file.path), share(list(file.counts.lines.values())),
             share(list(chain.from_iterable(file.branches().values()))))
            for file in files]
    rows.append(("all",
                 (sum(row[1][0] for row in rows), sum(row[1][1] for row in rows)),
                 (sum(row[2][0] for row in rows), sum(row[2][1] for row in rows)),
                 ))
    return [f"{'':<24}{'lines':>20}{'branches':>20}"] + [
        f"{name:<24}" + "".join(
            f"{reached:>6} /{total:>5} {percent(reached, total):>5.1f} %"
            for reached, total in shares)
        for name, *shares in rows]


def judge(files: Sequence[File],
          accepted: Sequence[Reason]) -> tuple[Totals, list[str]]:
    """Whether enough is reached, and the lines that say what is not.

    Lines and branches are one check each.
    """
    text = []
    excused = 0
    for file in files:
        name = shown(file.path)
        source = file.path.read_text().splitlines()
        reasons = reasons_for(
            file, [reason for reason in accepted if reason.file == name])
        for line, what in sorted(file.missed().items()):
            text.append(f"{name}:{line}: {what}: {source[line - 1].strip()}")
            if line in reasons:
                text.append(f"    accepted: {reasons[line].why}")
                excused += not file.counts.lines.get(line, 1)
    lines = share([count for file in files
                   for count in file.counts.lines.values()])
    branches = share([count for file in files for counts in
                      file.branches().values() for count in counts])
    checks = (percent(lines[0] + excused, lines[1]) >= LEAST_LINES,
              percent(*branches) >= LEAST_BRANCHES)
    for name in {reason.file for reason in accepted} - {
            shown(file.path) for file in files}:
        raise Failure(f"{name}, of which an accepted reason speaks, has no code")
    return Totals(sum(checks), len(checks) - sum(checks)), text


def coverage() -> Totals:
    """make coverage."""
    require((*KERNEL_BUILD, *X86_64, *LCOV))
    start = time.monotonic()
    totals = Totals()
    for arch in ARCHITECTURES:
        totals += run_suites(arch, "coverage")
    if totals.failed:
        say("coverage", "not counted: the suites failed")
        return totals
    counts: dict[Path, Counts] = {}
    for arch in ARCHITECTURES:
        for path, found in collect(arch).items():
            counts.setdefault(path, Counts()).add(found)
    files = [File(path, counts[path], decisions(path.read_text()))
             for path in sorted(counts)]
    result, text = judge(files, ACCEPTED)
    for line in table(files) + text:
        print("    " + line)
    report(files)
    say_totals("coverage", result, time.monotonic() - start)
    return totals + result
