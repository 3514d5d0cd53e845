# SPDX-License-Identifier: GPL-2.0
"""What each step costs: the guest's figures, the tables, the targets."""

import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from typing import Any

from fanout.host import Totals, colour
from rig.results import NAMES, OURS, read

# Name in the guest's lines, head of its column.
COLUMNS = {
    "create": "create", "attach_map": "attach+map", "entries": "sg entries",
    "pair": "START+END", "touch_any": "touch", "touch_aligned": "aligned",
    "vmap": "vmap", "vunmap": "vunmap", "detach": "detach", "close": "close",
    "held_kib": "held KiB", "copies_kib": "copies KiB",
    "swiotlb_kib": "swiotlb KiB",
}
# Counted in themselves, not in thousands of instructions.
PLAIN = ("entries", "held_kib", "copies_kib", "swiotlb_kib")

SMALL = "scattered 4 KiB pages, 64 MiB"
HUGE = "2 MiB pages, 64 MiB"


@dataclass(frozen=True)
class Target:
    """A figure that ours must not exceed."""

    row: str
    column: str
    most: float         # a figure; with one of these a factor of it:
    title: str
    exporter: str = ""  # another exporter's figure, of the same boot
    row_of: str = ""    # the figure in another row
    per_entry: bool = False


TARGETS = (
    Target(HUGE, "attach_map", 9, "attach+map, 2 MiB pages"),
    Target(HUGE, "entries", 32, "sg entries, 2 MiB pages"),
    Target(SMALL, "attach_map", 1, "attach+map, 4 KiB pages",
           exporter="stock"),
    Target(SMALL, "attach_map", 1, "attach+map, 4 KiB pages, an entry",
           exporter="heap", per_entry=True),
    Target(HUGE, "touch_aligned", 150, "mmap + touch, 2 MiB pages, aligned"),
    Target(HUGE, "touch_any", 15500, "mmap + touch, 2 MiB pages, any address"),
    Target(SMALL, "touch_any", 15500, "mmap + touch, 4 KiB pages"),
    Target(HUGE, "create", 40, "create, 2 MiB pages"),
    Target(SMALL, "create", 29000, "create, 4 KiB pages"),
    Target(HUGE, "close", 100, "close, 2 MiB pages"),
    Target(SMALL, "close", 17860, "close, 4 KiB pages"),
    Target(HUGE, "pair", 1.09, "START+END pair, 1 coherent importer",
           exporter="stock"),
    Target(f"{HUGE}, 64 importers", "pair", 1.09,
           "START+END pair, 64 coherent importers", exporter="stock"),
    Target(f"{HUGE}, 8 bounced importers", "pair", 1.05,
           "START+END pair, 8 bounced importers as 1",
           row_of=f"{HUGE}, 1 bounced importer"),
    Target(f"{HUGE}, 8 bounced both ways", "pair", 1.05,
           "START+END pair, 8 bounced both ways as 1",
           row_of=f"{HUGE}, bounced both ways"),
    Target(f"{HUGE}, 8 bounced both ways", "copies_kib", 1.05,
           "memory of copies, 8 bounced both ways as 1",
           row_of=f"{HUGE}, bounced both ways"),
    Target("2 MiB pages, 1 GiB, bounced, one page written", "swiotlb_kib", 0,
           "swiotlb, 1 GiB for a device of 32 bits"),
)
PLAN_MOST = 2.0     # working out a plan for 64 peers


@dataclass
class Cost:
    """One row with one exporter: every repetition's figures, or a failure."""

    runs: list[dict[str, int]] = field(default_factory=list)
    failed: str = ""

    def value(self, column: str) -> float | None:
        """The least, in thousands unless PLAIN; None if there is none.

        The guest's clock ticks while it measures, which only ever adds.
        """
        if not self.runs:
            return None
        least = min(run[column] for run in self.runs)
        return least if column in PLAIN else least / 1000


@dataclass
class Bench:
    """Everything one boot measured: rows, then exporters."""

    kernel: str = ""
    rows: dict[str, dict[str, Cost]] = field(default_factory=dict)
    plans: dict[str, float] = field(default_factory=dict)

    def value(self, row: str, exporter: str, column: str) -> float | None:
        """One figure of the table."""
        cost = self.rows.get(row, {}).get(exporter)
        return cost.value(column) if cost else None


def parse(lines: Iterable[str]) -> Bench:
    """Read the result channel."""
    bench = Bench()

    def take(entry: dict[str, Any]) -> None:
        if "kernel" in entry:
            bench.kernel = entry["kernel"]
        if "plan" in entry:
            for event in ("begin", "end"):
                bench.plans[f"{entry['plan']}: {event}"] = \
                    int(entry[event]) / 1000
        if "bench" not in entry:
            return
        cost = bench.rows.setdefault(entry["bench"], {}).setdefault(
            entry["exporter"], Cost())
        if "failed" in entry:
            cost.failed = f"{entry['failed']}: errno {entry['errno']}"
        else:
            cost.runs.append({name: int(entry[name]) for name in COLUMNS})

    read(lines, take)
    return bench


def figure(value: float | None) -> str:
    """A figure as the table shows it."""
    if value is None:
        return "-"
    return f"{value:,.0f}" if value >= 100 or value == int(value) \
        else f"{value:.3g}"


def table(bench: Bench) -> list[str]:
    """Rows and exporters down, steps across, in thousands of instructions."""
    wide = max(map(len, bench.rows))
    lines = [" ".join([f"{'':<{wide}} {'':<14}",
                       *(f"{head:>11}" for head in COLUMNS.values())])]
    for row, costs in bench.rows.items():
        title = row
        for exporter, cost in costs.items():
            text = [figure(cost.value(column)) for column in COLUMNS]
            lines.append(" ".join(
                [f"{title:<{wide}} {NAMES[exporter]:<14}",
                 *(f"{cell:>11}" for cell in text)])
                if cost.runs else
                f"{title:<{wide}} {NAMES[exporter]:<14} {cost.failed}")
            title = ""
    return lines


@dataclass(frozen=True)
class Judged:
    """A target and what became of it."""

    title: str
    value: float | None
    most: float | None

    @property
    def met(self) -> bool:
        """Whether both are known and it is not exceeded."""
        return (self.value is not None and self.most is not None
                and self.value <= self.most)

    def __str__(self) -> str:
        return (f"{self.title:<62} {figure(self.value):>10}  at most "
                f"{figure(self.most):>10}")


def judge(bench: Bench, targets: Iterable[Target] = TARGETS) -> list[Judged]:
    """Compare ours with the targets."""
    found = []
    for target in targets:
        def one(row: str, exporter: str, target: Target = target) \
                -> float | None:
            value = bench.value(row, exporter, target.column)
            entries = bench.value(row, exporter, "entries")
            if not target.per_entry or value is None:
                return value
            return value / entries if entries else None

        most: float | None = target.most
        if target.exporter or target.row_of:
            base = one(target.row_of or target.row, target.exporter or OURS)
            most = None if base is None else base * target.most
        found.append(Judged(target.title, one(target.row, OURS), most))
    worst = max(bench.plans, key=lambda name: bench.plans[name], default="")
    found.append(Judged(f"plan of 64 peers ({worst})",
                        bench.plans.get(worst), PLAN_MOST))
    return found


def report(bench: Bench) -> tuple[Totals, list[str]]:
    """The targets as lines, and how many were met."""
    judged = judge(bench)
    lines = [colour("ok    " if j.met else "MISSED", 32 if j.met else 31)
             + f" {j}" for j in judged]
    met = sum(j.met for j in judged)
    return Totals(met, len(judged) - met), lines


def as_json(bench: Bench) -> str:
    """Everything measured, for machines."""
    tree = {
        "kernel": bench.kernel, "unit": "1000 instructions",
        "exporters": NAMES,
        "rows": {row: {exporter: {
            "least": {c: cost.value(c) for c in COLUMNS} if cost.runs else {},
            "runs": cost.runs, "failed": cost.failed}
            for exporter, cost in costs.items()}
            for row, costs in bench.rows.items()},
        "plans": bench.plans,
        "targets": [asdict(j) | {"met": j.met} for j in judge(bench)],
    }
    return json.dumps(tree, indent=1) + "\n"
