# SPDX-License-Identifier: GPL-2.0
"""What the guest reported: read, judged, and shown as a table."""

import errno
import json
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass, field
from typing import Any

from fanout.host import Failure, Totals, colour

NAMES = {"stock": "stock udmabuf", "heap": "system heap",
         "fanout": "udmabuf-fanout"}
OURS = "fanout"
# The design's table, which is within the first block, and the second block.
DESIGN = "the design's table"
PROGRAMS = "programs as they are"
# (wrong, all) of their runs, on a stock 6.12 kernel.
KNOWN_WRONG = {(DESIGN, "stock"): (16, 28), (DESIGN, "heap"): (14, 26),
               (PROGRAMS, "stock"): (132, 136), (PROGRAMS, "heap"): (67, 134)}


@dataclass
class Run:
    """One scenario with one exporter in one order of its peers."""

    order: list[str]
    outcome: str        # right, wrong, refused, broken, not applicable
    step: str           # that was refused
    errno: int
    detail: str
    checks: list[dict[str, str]]

    @property
    def error(self) -> str:
        """The name of the errno."""
        if self.errno == errno.EOPNOTSUPP:
            return "EOPNOTSUPP"     # it has a second name
        return errno.errorcode.get(self.errno, str(self.errno))

    @property
    def story(self) -> str:
        """How it ended, if not right."""
        if self.outcome == "wrong":
            last = self.checks[-1]
            return (f"{last['reader']} saw {last['seen']}, expected "
                    f"{last['expected']}")
        if self.outcome == "refused":
            return f"{self.step}: {self.error}"
        return f"{self.outcome}: {self.detail}"


@dataclass
class Scenario:
    """A row of the table."""

    name: str
    title: str
    block: str          # of the table
    design: bool
    runs: dict[str, list[Run]] = field(default_factory=dict)


@dataclass
class Report:
    """Everything one boot reported."""

    kernel: str = ""
    scenarios: list[Scenario] = field(default_factory=list)
    selftest: dict[str, list[str]] = field(default_factory=dict)
    unload: tuple[int, int] | None = None   # errno while a buffer lives, after
    dma_api_errors: int | None = None
    coherent: dict[str, bool] = field(default_factory=dict)     # devices
    heap: str = NAMES["heap"]   # what the system heap's column is called

    @property
    def names(self) -> dict[str, str]:
        """What the exporters are called."""
        return NAMES | {"heap": self.heap}

    def exporters(self) -> list[str]:
        """Those that were run, in the order of the columns."""
        return [name for name in NAMES
                if any(name in s.runs for s in self.scenarios)]

    def blocks(self) -> list[str]:
        """The parts of the table, from the top."""
        return list(dict.fromkeys(s.block for s in self.scenarios))

    def count(self, exporter: str, *outcomes: str, block: str = "",
              design: bool = False) -> int:
        """Runs of @exporter that ended so, in all blocks or one."""
        return sum(run.outcome in outcomes for s in self.scenarios
                   if (s.design or not design) and block in ("", s.block)
                   for run in s.runs.get(exporter, []))


def read(lines: Iterable[str], take: Callable[[dict[str, Any]], None]) -> None:
    """Have @take put each line of a result channel where it belongs.

    A Failure says what the guest says went wrong, or which line @take cannot
    make sense of.
    """
    for number, line in enumerate(lines, 1):
        try:
            entry = json.loads(line)
            if not isinstance(entry, dict):
                raise TypeError("not an object")
            if "error" in entry:
                raise Failure(f"the guest program says: {entry['error']}")
            take(entry)
        except (ValueError, KeyError, TypeError) as error:
            raise Failure(f"the guest's result line {number} makes no sense: "
                          f"{line[:120]!r}") from error


def parse(lines: Iterable[str]) -> Report:
    """Read the result channel."""
    report = Report()
    rows: dict[str, Scenario] = {}
    read(lines, lambda entry: _take(entry, report, rows))
    return report


def _take(entry: dict[str, Any], report: Report,
          rows: dict[str, Scenario]) -> None:
    """Put one line of the result channel where it belongs."""
    if "kernel" in entry:
        report.kernel = entry["kernel"]
    elif "scenario" in entry:
        row = Scenario(entry["scenario"], entry["title"], entry["block"],
                       entry["design"])
        rows[row.name] = row
        report.scenarios.append(row)
    elif "run" in entry:
        rows[entry["run"]].runs.setdefault(entry["exporter"], []).append(
            Run(entry["order"], entry["outcome"], entry["step"],
                entry["errno"], entry["detail"], entry["checks"]))
    elif "selftest" in entry:
        seen = report.selftest.setdefault(entry["selftest"], [])
        if "status" in entry:
            seen.append(f"exit status {entry['status']}")
        elif entry["line"].startswith(("ok ", "not ok ", "# drivers")):
            seen.append(entry["line"])
    elif "unload" in entry:
        report.unload = int(entry["unload"]), int(entry["after"])
    elif "dma_api_errors" in entry:
        disabled = entry["disabled"] != "N"
        report.dma_api_errors = -1 if disabled else entry["dma_api_errors"]
    elif "device" in entry:
        report.coherent[entry["device"]] = bool(entry["coherent"])


def cell(runs: list[Run], legend: list[str]) -> str:
    """What the table says of one scenario with one exporter.

    What was seen and what was expected goes to @legend, once for all cells.
    """
    outcomes = [run.outcome for run in runs]
    if not runs or set(outcomes) == {"not applicable"}:
        return "-"
    for bad, word in (("broken", "BROKEN"), ("wrong", "WRONG")):
        if bad not in outcomes:
            continue
        story = runs[outcomes.index(bad)].story
        if story not in legend:
            legend.append(story)
        some = outcomes.count(bad)
        return (f"{word} ({legend.index(story) + 1})"
                + (f" {some}/{len(runs)}" if some < len(runs) else ""))
    if "refused" in outcomes:
        return f"refused {runs[outcomes.index('refused')].error}"
    return "right"


def _paint(text: str, width: int) -> str:
    """@text in its column, in the colour of what it means."""
    if text.startswith(("WRONG", "BROKEN")):
        shade = 31
    elif text == "right":
        shade = 32
    else:
        shade = 33
    return colour(f"{text:<{width}}", shade)


_TOTALS = (("right", ("right",)), ("WRONG", ("wrong",)),
           ("refused", ("refused",)),
           ("of so many runs", ("right", "wrong", "refused", "broken")))


def table(report: Report) -> list[str]:
    """Scenarios down, exporters across, each block with its totals."""
    exporters = report.exporters()
    wide = max(len(s.title) for s in report.scenarios)
    columns = [max(18, len(report.names[e])) for e in exporters]
    rule = "-" * (wide + sum(c + 2 for c in columns))

    def row(title: str, cells: list[str]) -> str:
        return "  ".join([f"{title:<{wide}}", *cells]).rstrip()

    legend: list[str] = []
    lines: list[str] = []
    for block in report.blocks():
        lines += [row(f"{block}:", [f"{report.names[e]:<{c}}"
                                    for e, c in zip(exporters, columns)]),
                  rule]
        for s in report.scenarios:
            if s.block == block:
                lines.append(row(s.title, [
                    _paint(cell(s.runs.get(e, []), legend), c)
                    for e, c in zip(exporters, columns)]))
        lines.append(rule)
        for title, outcomes in _TOTALS:
            lines.append(row(title, [
                f"{report.count(e, *outcomes, block=block):<{c}}"
                for e, c in zip(exporters, columns)]))
        lines.append("")
    return lines + [f"({number}) {story}" for number, story
                    in enumerate(legend, 1)]


def verdicts(report: Report, usual: bool,
             noncoherent: bool = False) -> list[tuple[bool, str]]:
    """What must hold for the run to pass: whether it does, and a sentence.

    How often the others are wrong is known for the @usual machine and memory.
    All its devices are @noncoherent, or none is.
    """
    found: list[tuple[bool, str]] = []
    exporters = report.exporters()
    broken = sum(report.count(e, "broken") for e in exporters)
    found.append((broken == 0 and bool(report.scenarios),
                  f"every scenario could be played ({broken} could not)"))
    snoops = sum(report.coherent.values())
    found.append((len(report.coherent) > 0 and snoops ==
                  (0 if noncoherent else len(report.coherent)),
                  f"{snoops} of {len(report.coherent)} devices snoop the "
                  "CPU's caches"))
    if OURS in exporters:
        for block in report.blocks():
            wrong, right, refused = (
                report.count(OURS, outcome, block=block)
                for outcome in ("wrong", "right", "refused"))
            found.append((wrong == 0 and right > 0,
                          f"{NAMES[OURS]}, {block}: {wrong} WRONG, {right} "
                          f"right, {refused} refused"))
        names = [s.name for s in report.scenarios
                 if any(r.outcome == "refused" for r in s.runs.get(OURS, []))]
        found.append((not names, "it refuses nothing"
                      + (f", but {', '.join(names)}" if names else "")))
    for (part, e), (wrong, runs) in KNOWN_WRONG.items():
        if e not in exporters or not usual:
            continue
        design, block = part == DESIGN, "" if part == DESIGN else part
        got = (report.count(e, "wrong", block=block, design=design),
               report.count(e, "wrong", "right", block=block, design=design))
        found.append((got == (wrong, runs),
                      f"{report.names[e]} is wrong in {got[0]} of {got[1]} runs of "
                      f"{part} ({wrong} of {runs} known)"))
    tested = list(report.selftest.values())
    if tested:
        same = all(t == tested[0] for t in tested) and \
            all(any(line.startswith("ok ") for line in t) for t in tested)
        passed = ", ".join(
            f"{sum(line.startswith('ok ') for line in t)} passed on {NAMES[e]}"
            for e, t in report.selftest.items())
        found.append((same, f"the kernel's own selftest: {passed}"))
    if OURS in exporters:
        found.append((report.unload == (errno.EAGAIN, 0),
                      "the module stays while a buffer lives, and goes then"))
    if report.dma_api_errors is not None:
        found.append((report.dma_api_errors == 0,
                      f"DMA API debugging: {report.dma_api_errors} errors"))
    return found


def totals(report: Report, verdict: list[tuple[bool, str]]) -> Totals:
    """Our runs and the verdicts, as the other steps count theirs."""
    failed = sum(not good for good, _ in verdict)
    return Totals(report.count(OURS, "right") + len(verdict) - failed,
                  report.count(OURS, "wrong", "broken") + failed,
                  report.count(OURS, "refused", "not applicable"))


def as_json(report: Report, verdict: list[tuple[bool, str]],
            seconds: float, caches: dict[str, Any] | None = None) -> str:
    """The whole report for machines, with what was found of @caches."""
    tree = asdict(report) | ({"caches": caches} if caches else {})
    tree["exporters"] = {e: report.names[e] for e in report.exporters()}
    tree["totals"] = {
        e: {outcome: report.count(e, outcome)
            for outcome in ("right", "wrong", "refused", "broken")}
        for e in report.exporters()}
    tree["verdicts"] = [{"holds": good, "what": what}
                        for good, what in verdict]
    tree["seconds"] = round(seconds, 1)
    return json.dumps(tree, indent=1) + "\n"
