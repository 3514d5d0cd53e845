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

from fanout.host import (BUILD, REPO, Failure, Totals, run, say, say_totals,
                         show_failure, shown)
from fanout.kunit import build_folder, console_log, run_suites
from fanout.tree import JOINT, KernelTree

# The debug kernel for UML, since it has the sweeps of failed allocations.
KERNELS = (("um", "debug-coverage"), ("x86_64", "coverage"))
# The model only asks for plans, of which plan_test.c has all, and takes longest.
SUITES = "--filter=module!=model_test"
REPORT = BUILD / "coverage"

# Of all branches, in hundredths. Of the lines, all that have no reason not to.
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


ACCEPTED = (
    Reason("driver/main.c", """\
pr_err("cannot register /dev/%s: %pe\\n", name, ERR_PTR(ret));
debugfs_remove(debugfs_dir);""",
           "the node is registered once, as the kernel boots, where its name is "
           "free"),
    Reason("driver/main.c", """\
static void __exit fanout_exit(void)
{
misc_deregister(&fanout_misc);
debugfs_remove(debugfs_dir);
}""",
           "the driver is built in here; make demo removes the module"),
)


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


def collect(tree: KernelTree, build: Path) -> dict[Path, Counts]:
    """The counts of the last run of the kernel that was built in @build."""
    work = build / "gcov"
    shutil.rmtree(work, ignore_errors=True)
    work.mkdir()
    console = console_log(tree, build)
    data = read_gcda(console.read_text(errors="replace").splitlines())
    # Not those of bindings/, which is generated.
    for source in (REPO / "driver").glob("*.c"):
        notes = build / JOINT / f"driver/{source.stem}.gcno"
        if f"{source.stem}.gcda" not in data or not notes.is_file():
            raise Failure(f"no counts of {shown(source)} in {shown(console)}")
        (work / f"{source.stem}.gcda").write_bytes(data[f"{source.stem}.gcda"])
        shutil.copy(notes, work)
    log = tree.logs / f"gcov-{build.name}.log"
    # gcov goes on where counts and objects don't belong together.
    if run("gcov", ["gcov", "--json-format", "--branch-probabilities",
                    *work.glob("*.gcda")], log, cwd=work) \
            or "mismatch" in log.read_text():
        show_failure(log)
        raise Failure(f"gcov cannot read the counts of {build.name}")
    counts: dict[Path, Counts] = {}
    for result in work.glob("*.gcov.json.gz"):
        with gzip.open(result, "rt") as text:
            for path, found in read_gcov(text.read()).items():
                counts.setdefault(path, Counts()).add(found)
    return counts


def excused_lines(file: File, reason: Reason) -> set[int]:
    """The lines of @file that are not reached for @reason, none if it is stale.

    That is, unless its text stands in the file once and is not all reached.
    """
    lines = [line.strip() for line in file.path.read_text().splitlines()]
    wanted = reason.text.splitlines()
    places = [at for at in range(len(lines))
              if lines[at:at + len(wanted)] == wanted]
    if len(places) != 1:
        return set()
    first = places[0] + 1
    return file.missed().keys() & range(first, first + len(wanted))


def report(files: Iterable[File], log: Path) -> None:
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


def compared(files: Iterable[File]) -> str:
    """How gcov's number of branches compares with the source's."""
    ours = seen = copies = 0
    for file in files:
        branches = file.branches()
        for decision in file.decisions:
            here = sum(len(branches.get(line, ())) for line in
                       range(decision.first, decision.last + 1))
            ours += decision.branches
            seen += min(here, decision.branches)
            copies += max(here - decision.branches, 0)
    return (f"the source makes at most {ours} branches, the compiler left "
            f"{seen} of them and made {copies} copies")


def table(files: Sequence[File]) -> list[str]:
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
        for name, *shares in rows] + [compared(files)]


def judge(files: Sequence[File],
          accepted: Sequence[Reason]) -> tuple[Totals, list[str]]:
    """Whether enough is reached, and the lines that say what is not.

    Lines, branches and reasons, of which none may be stale, are a check each.
    """
    text = []
    reasons: dict[tuple[Path, int], Reason] = {}
    stale = []
    for reason in accepted:
        found = {(file.path, line): reason for file in files
                 if shown(file.path) == reason.file
                 for line in excused_lines(file, reason)}
        reasons |= found
        if not found:
            stale.append(f"{reason.file}: a reason is stale: {reason.text!r}")
    unexcused = 0
    for file in files:
        source = file.path.read_text().splitlines()
        for line, what in sorted(file.missed().items()):
            text.append(f"{shown(file.path)}:{line}: {what}: "
                        f"{source[line - 1].strip()}")
            if (file.path, line) in reasons:
                text[-1] += f"  ({reasons[file.path, line].why})"
            else:
                unexcused += file.counts.lines.get(line) == 0
    checks = (not unexcused, percent(*share(
        [count for file in files for counts in file.branches().values()
         for count in counts])) >= LEAST_BRANCHES, not stale)
    return Totals(sum(checks), len(checks) - sum(checks)), text + stale


def coverage(tree: KernelTree) -> Totals:
    """make coverage."""
    start = time.monotonic()
    totals = Totals()
    for kernel in KERNELS:
        totals += run_suites(tree, *kernel, SUITES)
    if totals.failed:
        say("coverage", "not counted: the suites failed")
        return totals
    counts: dict[Path, Counts] = {}
    for kernel in KERNELS:
        for path, found in collect(
                tree, build_folder(tree, *kernel)).items():
            counts.setdefault(path, Counts()).add(found)
    files = [File(path, counts[path], decisions(path.read_text()))
             for path in sorted(counts)]
    result, text = judge(files, ACCEPTED)
    for line in table(files) + text:
        print("    " + line)
    report(files, tree.logs / "genhtml.log")
    say_totals("coverage", result, time.monotonic() - start)
    return totals + result
