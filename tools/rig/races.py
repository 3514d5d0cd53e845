# SPDX-License-Identifier: GPL-2.0
"""What the guest reported of its races, and of the hostile program."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from fanout.host import Totals, colour
from rig.results import read


@dataclass(frozen=True)
class Race:
    """One race: what was wrong, and how often who did what."""

    name: str
    wrong: str
    workers: list[tuple[str, int, int]]     # action, done, refused


@dataclass
class Report:
    """Everything one boot reported."""

    kernel: str = ""
    races: list[Race] = field(default_factory=list)
    hostile: list[str] = field(default_factory=list)
    hostile_status: int | None = None       # None: it did not run


def parse(lines: Iterable[str]) -> Report:
    """Read the result channel."""
    report = Report()

    def take(entry: dict[str, Any]) -> None:
        if "kernel" in entry:
            report.kernel = entry["kernel"]
        if "race" in entry:
            report.races.append(Race(
                entry["race"], entry["wrong"],
                [(name, int(done), int(refused))
                 for name, done, refused in entry["workers"]]))
        if "hostile" in entry and "status" in entry:
            report.hostile_status = int(entry["status"])
        elif "hostile" in entry:
            report.hostile.append(entry["line"].removeprefix("hostile: "))

    read(lines, take)
    return report


def _counts(race: Race) -> str:
    """How often each kind of worker did it, and was refused."""
    sums: dict[str, tuple[int, int]] = {}
    for name, done, refused in race.workers:
        before = sums.get(name, (0, 0))
        sums[name] = before[0] + done, before[1] + refused
    return ", ".join(f"{name} {done}" + (f" ({refused} refused)"
                                         if refused else "")
                     for name, (done, refused) in sums.items())


def table(report: Report) -> list[str]:
    """A line for each race, then what the hostile program said last."""
    lines = []
    for race in report.races:
        lines.append(
            colour("FAILED" if race.wrong else "ok    ",
                   31 if race.wrong else 32)
            + f" {race.name}: {race.wrong or _counts(race)}")
    if report.hostile_status is not None:
        last = report.hostile[-1] if report.hostile else ""
        if report.hostile_status:
            lines += [f"       {line}" for line in report.hostile[-20:]
                      if not line.startswith("progress:")]
            lines.append(colour("FAILED", 31)
                         + f" hostile: exit status {report.hostile_status}")
        else:
            lines.append(colour("ok    ", 32) + " hostile: "
                         + last.removeprefix("ok").strip())
    return lines


def totals(report: Report) -> Totals:
    """Races and the hostile program."""
    failed = sum(bool(race.wrong) for race in report.races) \
        + (report.hostile_status not in (0, None))
    ran = len(report.races) + (report.hostile_status is not None)
    return Totals(ran - failed, failed, 0)
