# SPDX-License-Identifier: GPL-2.0
"""What the guest's random player told: that all went well, or how little fails."""

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from fanout.host import Totals, colour
from rig.results import read


@dataclass
class Report:
    """Everything one boot reported."""

    said: list[str] = field(default_factory=list)
    failed: bool | None = None      # None: it did not come to an end


def parse(lines: Iterable[str]) -> Report:
    """Read the result channel."""
    report = Report()

    def take(entry: dict[str, Any]) -> None:
        if "player" in entry:
            report.said.append(str(entry["player"]))
        if "player_failed" in entry:
            report.failed = bool(entry["player_failed"])

    read(lines, take)
    return report


def is_progress(line: str) -> bool:
    """It only says how far the games are."""
    return re.fullmatch(r"\d+ games", line) is not None


def games(text: str) -> str:
    """How far a result channel is."""
    said = [line for line in text.splitlines() if line.endswith(' games"}')]
    return said[-1].split('"')[3] if said else "the first games"


def table(report: Report) -> list[str]:
    """One line if all went well, else the moves that fail."""
    said = [line for line in report.said if not is_progress(line)]
    if report.failed is False and said:
        return [colour("ok    ", 32) + f" player: {said[-1].removeprefix('ok: ')}"]
    return [*(f"       {line}" for line in said),
            colour("FAILED", 31) + " player: "
            + (said[0] if said else "it said nothing")]


def totals(report: Report) -> Totals:
    """It is one test."""
    return Totals(int(report.failed is False), int(report.failed is not False),
                  0)
