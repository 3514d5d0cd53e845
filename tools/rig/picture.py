# SPDX-License-Identifier: GPL-2.0
"""Draws what a demo or a bench run wrote as JSON."""

import json
from pathlib import Path
from typing import Any

from fanout.host import Failure

_SHADES = {"right": "#3a923a", "wrong": "#c03d3e", "refused": "#e1a32c",
           "broken": "#9372b2", "": "#e8e8e8"}


def _figure(width: float, height: float) -> Any:
    """An empty picture, in inches. Only pictures need matplotlib."""
    from matplotlib.figure import Figure
    return Figure(figsize=(width, height))


def _save(figure: Any, out: Path) -> None:
    """Text stays text, and the same figures give the same file."""
    from matplotlib import rc_context
    with rc_context({"svg.fonttype": "none", "svg.hashsalt": "rig"}):
        figure.savefig(out, metadata={"Date": None}
                       if out.suffix == ".svg" else None)


def outcome(runs: list[dict[str, Any]]) -> str:
    """The worst that happened in any order, nothing if nothing applied."""
    seen = {run["outcome"] for run in runs}
    return next((o for o in ("broken", "wrong", "refused", "right")
                 if o in seen), "")


def words(runs: list[dict[str, Any]], what: str) -> str:
    """What stands in the cell: who read whose data, or why nobody did."""
    run = next((r for r in runs if r["outcome"] == what), None)
    if run is None:
        return ""
    if what == "refused":
        return "refused"
    readers: list[str] = []
    for check in run["checks"]:
        if check["reader"] not in readers:
            readers.append(check["reader"])
    if what == "wrong":
        last = run["checks"][-1]
        return f"{last['reader']} saw {last['seen']}"
    return " and ".join(readers) + " right" if readers else what


def score(scenarios: list[dict[str, Any]], block: str, exporter: str) -> str:
    """How many runs of a block were wrong, and refused."""
    seen = [run["outcome"] for row in scenarios if row["block"] == block
            for run in row["runs"].get(exporter, [])
            if run["outcome"] != "not applicable"]
    refused = seen.count("refused")
    return (f"{seen.count('wrong')} of {len(seen)} wrong"
            + (f", {refused} refused" if refused else ""))


def draw_demo(report: dict[str, Any], out: Path) -> None:
    """Scenarios down, exporters across; a cell says who read what.

    Above each block stand its name and how many of its runs were wrong.
    """
    exporters = report["exporters"]
    rows: list[dict[str, Any]] = []
    for row in report["scenarios"]:
        if not rows or row["block"] != rows[-1]["block"]:
            rows.append({"block": row["block"], "title": row["block"] + ":",
                         "runs": None})
        rows.append(row)
    figure = _figure(12, 0.27 * len(rows) + 1.1)
    axes = figure.add_axes((0.41, 0.01, 0.58,
                            1 - 0.9 / (0.27 * len(rows) + 1.1)))
    for y, row in enumerate(rows):
        if row["runs"] is None:
            for x, exporter in enumerate(exporters):
                axes.text(x + 0.48, y,
                          score(report["scenarios"], row["block"], exporter),
                          ha="center", va="center", fontsize=8)
            continue
        for x, exporter in enumerate(exporters):
            runs = row["runs"].get(exporter, [])
            what = outcome(runs)
            axes.barh(y, 0.97, left=x, height=0.9, color=_SHADES[what])
            axes.text(x + 0.48, y, words(runs, what), ha="center",
                      va="center", fontsize=7,
                      color="black" if what in ("", "refused") else "white")
    axes.set_yticks(range(len(rows)), [row["title"] for row in rows],
                    fontsize=7.5)
    for label, row in zip(axes.get_yticklabels(), rows):
        label.set_fontweight("bold" if row["runs"] is None else "normal")
    axes.set_xticks([x + 0.48 for x in range(len(exporters))],
                    list(exporters.values()), fontsize=9)
    axes.xaxis.tick_top()
    axes.set_xlim(0, len(exporters))
    axes.set_ylim(len(rows) - 0.5, -0.5)
    axes.tick_params(length=0)
    for side in axes.spines.values():
        side.set_visible(False)
    _save(figure, out)


def draw_bench(report: dict[str, Any], out: Path) -> None:
    """For the rows of 64 MiB: each step's cost, exporters beside each other."""
    steps = ("create", "attach_map", "pair", "touch_any", "touch_aligned",
             "detach", "close")
    rows = [r for r in ("scattered 4 KiB pages, 64 MiB", "THP, 64 MiB",
                        "2 MiB pages, 64 MiB") if r in report["rows"]]
    figure = _figure(12, 3.2 * len(rows))
    for number, row in enumerate(rows, 1):
        axes = figure.add_subplot(len(rows), 1, number)
        for i, (exporter, name) in enumerate(report["exporters"].items()):
            least = report["rows"][row].get(exporter, {}).get("least") or {}
            values = [least.get(step) or 0 for step in steps]
            bars = axes.bar([x + 0.27 * (i - 1) for x in range(len(steps))],
                            values, 0.25, label=name,
                            color=("#888888", "#4c72b0", "#3a923a")[i])
            axes.bar_label(bars, [f"{v:,.0f}" if v >= 10 else f"{v:.1f}"
                                  for v in values], fontsize=7)
        axes.set_yscale("log")
        axes.set_ylabel("1000 instructions", fontsize=8)
        axes.set_xticks(range(len(steps)), [
            "create", "attach + map", "START + END",
            "mmap + touch\nany address", "mmap + touch\naligned",
            "detach", "close"], fontsize=8)
        axes.set_title(row, fontsize=10)
        axes.margins(y=0.15)
        if number == 1:
            axes.legend(fontsize=8, loc=(0.29, 0.6))
    figure.tight_layout()
    _save(figure, out)


# What is in each panel: devices and what they do.
_PANELS = (("noncoherent", "writers"), ("noncoherent", "readers"),
           ("every second coherent", "writers"), ("bounced", "writers"))
_LINES = {"stock": ("#888888", ":", " (syncs none of them)"),
          "heap": ("#4c72b0", "-", ""),
          "all": ("#e1a32c", "--", ""), "fanout": ("#3a923a", "-", "")}


def draw_importers(report: dict[str, Any], out: Path) -> None:
    """Cost of START+END against the number of importers, a panel for a kind."""
    figure = _figure(11, 6.6)
    measured = {(p["devices"], p["role"]) for p in report["points"]
                if "failed" not in p}
    for place, (devices, role) in enumerate(_PANELS, 1):
        if (devices, role) not in measured:
            continue
        axes = figure.add_subplot(2, 2, place)
        numbers: set[int] = set()
        for exporter, (shade, style, remark) in _LINES.items():
            tried = [p for p in report["points"]
                     if (p["devices"], p["role"], p["pages"], p["exporter"])
                     == (devices, role, "2 MiB", exporter)]
            if not tried:
                continue
            points = [p for p in tried if "failed" not in p]
            found = [p["importers"] for p in points]
            numbers.update(found)
            axes.plot(found, [sum(p["accesses"]["RW"]) for p in points],
                      style, color=shade, marker="o", markersize=4,
                      linewidth=2.5 if exporter == "fanout" else 1.5,
                      label=report["exporters"][exporter]
                      + (remark if points else ": cannot map"))
        axes.set_xscale("log", base=2)
        axes.set_yscale("log")
        axes.set_xticks(sorted(numbers), [str(n) for n in sorted(numbers)])
        axes.minorticks_off()
        axes.grid(axis="y", color="#e8e8e8")
        axes.set_ylim(2e3, 1e6)
        axes.set_title(f"{role}, {devices}", fontsize=10)
        axes.tick_params(labelsize=8)
        axes.legend(fontsize=7.5, loc="upper left")
        if place > 2:
            axes.set_xlabel("importers", fontsize=9)
        if place % 2:
            axes.set_ylabel("START + END, 1000 instructions", fontsize=9)
    figure.tight_layout()
    _save(figure, out)


def draw(source: Path, out: Path) -> None:
    """Draw @source, whichever of the three it is, to @out."""
    if out.suffix not in (".svg", ".png"):
        raise Failure(f"{out}: a picture is .svg or .png")
    try:
        report = json.loads(source.read_text())
    except (OSError, ValueError) as error:
        raise Failure(f"{source} cannot be read: {error}; run demo or bench "
                      "first") from error
    if "scenarios" in report:
        draw_demo(report, out)
    elif "rows" in report:
        draw_bench(report, out)
    elif "points" in report:
        draw_importers(report, out)
    else:
        raise Failure(f"{source} is not what demo or bench wrote")
