# SPDX-License-Identifier: GPL-2.0
"""One side of a comparison: the battery, run on a kernel, recorded and judged."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import groupby
from pathlib import Path

from fanout.host import shown
from fanout.logscan import complaints
from review import histories, record, replay
from review.findings import Wrong
from review.histories import Scene
from review.kernels import Kernels, NotBuilt, boot
from review.record import History

# What the kernel says because it is told to.
_DISABLED = "debugging disabled on kernel command line"


@dataclass
class Heard:
    """What was heard of a side, and what is wrong in it, for each scene."""

    recorded: list[History] = field(default_factory=list)
    wrong: list[list[Wrong]] = field(default_factory=list)
    complaints: list[str] = field(default_factory=list)
    # For each boot, without who called.
    said: list[list[str]] = field(default_factory=list)


def log_name(what: str, number: int) -> str:
    """What the boot for setting @number of @what is called in the logs."""
    return f"{what}-{number}" if number else what


def listen(kernels: Kernels, image: Path, exporter: str,
           scenes: Sequence[Scene], what: str, *arguments: str,
           known: Heard | None = None) -> Heard:
    """Record @scenes in the kernel @image; nothing is judged.

    One boot for each setting, with @arguments of the kernel's command line. What
    says the same as @known is not read again.
    """
    found = Heard()
    for number, (setting, group) in enumerate(
            groupby(scenes, lambda scene: scene.setting)):
        wanted = list(group)
        name = log_name(what, number)
        console = boot(kernels, image, histories.script(exporter, wanted), name,
                       *filter(None, [setting]), *arguments).splitlines()
        log = f"{shown(kernels.tree.logs)}/review-{name}.console.log"
        said = [one.text for one in complaints(console)
                if _DISABLED not in one.text]
        found.said.append([line.partition(record.PREFIX)[2] for line in console
                           if record.PREFIX in line
                           and f"{record.PREFIX}at " not in line])
        if known and known.said[number] == found.said[number]:
            at = len(found.recorded)
            found.recorded += known.recorded[at:at + len(wanted)]
            found.complaints += said
            continue
        try:
            recorded = record.histories(console)
        except record.BadRecord as bad:
            raise NotBuilt(f"{what}: {said[0] if said else bad} (all of it: "
                           f"{log})") from bad
        if [one.name for one in recorded] != [one.name for one in wanted]:
            raise NotBuilt(f"{what}: {len(recorded)} of {len(wanted)} "
                           f"histories were recorded (all of it: {log})")
        found.recorded += recorded
        found.complaints += said
    return found


def judge(heard_: Heard, exporter: str, scenes: Sequence[Scene],
          program: Path) -> None:
    """Replay what was heard."""
    heard_.wrong = replay.replay(program, exporter, heard_.recorded, scenes)


def heard(kernels: Kernels, image: Path, exporter: str,
          scenes: Sequence[Scene], what: str, program: Path) -> Heard:
    """listen() and judge()."""
    found = listen(kernels, image, exporter, scenes, what)
    judge(found, exporter, scenes, program)
    return found
