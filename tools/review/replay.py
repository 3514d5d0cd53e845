# SPDX-License-Identifier: GPL-2.0
"""Replays records on the model: who would read what, and was promised what.

The native program in replay/ does it, on every architecture and with a cache that
writes back, drops and reads in whatever it may whenever it likes. It does not ask
why an exporter did something.
"""

import re
import subprocess
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from fanout.host import BUILD, LOGS, REPO, Failure, run, show_failure
from review.findings import Wrong
from review.histories import Scene
from review.record import (CPU, EXPORTER, Call, Event, History, Moved, Used)

PROGRAM = BUILD / "review/replay"
_SNOOP = ("coherent", "bounced", "half", "forced")
# Where for_cpu() does nothing this driver takes other steps (arch_has_lazy_for_cpu()
# in driver/kind.c), and UML is not such a machine: nothing was recorded for them.
_NOT_RECORDED = {"fanout": ("mips",)}


def build() -> Path:
    """Make the program. Return: where it is."""
    log = LOGS / "review-replay.log"
    if run("replay", ["make", "-s", "-C", REPO / "tools/review/replay"], log):
        show_failure(log)
        raise Failure("the model's replay does not build")
    return PROGRAM


def _numbers(history: History) -> dict[str, int]:
    return {device.name: at for at, device in enumerate(history.devices)}


def _snoops(history: History, name: str, kind: str) -> bool:
    """Whether a device snoops; what it had from dma_alloc_coherent() is snooped."""
    return kind in _SNOOP or (kind == "opaque" and any(
        isinstance(one, Used) and one.device == name and one.memory == "copy"
        for call in history.calls for one in call.happened))


def _place(letter: str) -> str:
    return str("ab".index(letter))


def _call(call: Call, numbers: dict[str, int]) -> str:
    """The step of @call as the program takes it."""
    verb, *rest = call.step.split()
    if verb in ("map", "unmap"):
        return f"{verb} {numbers[rest[0]]}"
    if verb in ("begin", "end"):
        process = rest[rest.index("by") + 1] if "by" in rest else "1"
        return f"{verb} {rest[0]} {process}"
    if verb in ("store", "load"):
        return f"{verb} {_place(rest[0])}"
    if verb in ("write", "read"):
        return f"{verb} {numbers[rest[0]]} {_place(rest[1])}"
    return verb if verb in ("vmap", "vunmap") else "other"


class _Steps:
    """Turns what happened in the calls of a history into lines."""

    def __init__(self, history: History) -> None:
        self.history = history
        self.numbers = _numbers(history)
        self.uses: dict[str, dict[str, str]] = {}

    def _event(self, event: Event) -> Iterator[str]:
        if event.what == "late":
            yield (f"late {self.numbers[event.device]} "
                   f"{_place(event.places)}")
            return
        number = "x" if event.device == EXPORTER else \
            str(self.numbers.get(event.device, ""))
        places = event.places.strip("-")
        if not number or not places:
            return
        if event.what == "map":
            slots = "".join(place for place in places if self.uses.get(
                event.device, {}).get(place) == "slot")
            if slots:
                yield f"fill {number} {slots}"
        if event.syncs:
            yield f"sync {event.syncs} {number} {event.direction} {places}"

    def _lines(self, call: Call) -> Iterator[str]:
        yield f"call {call.number} {_call(call, self.numbers)}"
        for one in call.happened:
            if isinstance(one, Event):
                yield from self._event(one)
            elif isinstance(one, Used):
                self.uses.setdefault(one.device, {})[one.place] = one.memory
                yield (f"uses {self.numbers[one.device]} {_place(one.place)} "
                       f"{one.memory}")
                if one.memory == "copy" and one.other != one.device:
                    yield (f"same {self.numbers[one.device]} "
                           f"{_place(one.place)} {self.numbers[one.other]}")
            elif isinstance(one, Moved):
                yield (f"moved {'page' if one.to_page else 'copy'} "
                       f"{self.numbers[one.device]} {_place(one.place)}")
            else:
                values = [*one[CPU], *(value for name in self.numbers
                                       for value in one[name])]
                yield f"views {' '.join(map(str, values))}"
        yield f"return {call.number} {'FAILED' if call.error else 'OK'}"

    def lines(self, identity: int, neighbours: bool) -> Iterator[str]:
        """All of the history, which is called @identity."""
        size = "1 2" if neighbours else "2 1"
        yield f"history {identity} {size} {len(self.numbers)}"
        for device in self.history.devices:
            snoops = _snoops(self.history, device.name, device.kind)
            yield (f"device {self.numbers[device.name]} {device.direction} "
                   f"{int(snoops)}")
        for call in self.history.calls:
            yield from self._lines(call)
        yield "end"


def named(story: str, names: Sequence[str]) -> str:
    """@story, in which devices are numbers, with their @names."""
    return re.sub(r"\bdevice (\d+)", lambda found: names[int(found[1])], story)


def replay(program: Path, exporter: str, recorded: Iterable[History],
           scenes: Iterable[Scene]) -> list[list[Wrong]]:
    """What is wrong in each of the histories @recorded of @exporter, which are of
    @scenes.
    """
    recorded = list(recorded)
    text = "\n".join(
        line for identity, (history, scene) in enumerate(zip(recorded, scenes))
        for line in _Steps(history).lines(identity, scene.neighbours))
    done = subprocess.run([program], input=text + "\n", capture_output=True,
                          text=True, check=False)
    if done.returncode:
        raise Failure(f"the replay of a record failed: {done.stderr.strip()}")
    found: list[list[Wrong]] = [[] for _ in recorded]
    for line in done.stdout.splitlines():
        identity, arch, state, call, reader, place, value, promised, story = \
            line.split("\t")
        if arch in _NOT_RECORDED.get(exporter, ()):
            continue
        names = [device.name for device in recorded[int(identity)].devices]
        found[int(identity)].append(Wrong(
            arch, state, int(call),
            reader if reader == CPU else names[int(reader)], place,
            int(value), int(promised),
            tuple(named(story, names).split("; ")) if story else ()))
    return found
