# SPDX-License-Identifier: GPL-2.0
"""Compares two records: which syncs are lost, added or changed, and by which line.

Calls are compared one by one: both records are of the same script. Within a call
equal events are matched in their order; what is left over is told apart by how
much of it is equal.
"""

import bisect
import difflib
import re
import subprocess
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path

from review.findings import Compared, Cost, Difference, Place
from review.histories import Scene
from review.kernels import JOINT, in_tree
from review.record import EXPORTER, BadRecord, Call, Event, History, Used
from review.sides import Heard
from review.states import State

_NOT_CALLERS = (f"{JOINT}/recorder/", "include/linux/", "arch/")


# What each device's mapping is made of at each place.
Uses = dict[tuple[str, str], str]


@dataclass(frozen=True)
class _Left:
    """An event without its equal on the other side."""

    call: int
    event: Event


# Differences.

def matched(base: Sequence[Event], patch: Sequence[Event]) \
        -> list[tuple[int, int]]:
    """Indices of equal events, the first of each kind with the first."""
    free: dict[tuple[object, ...], list[int]] = {}
    for at, event in enumerate(patch):
        free.setdefault(event.key, []).append(at)
    return [(at, free[event.key].pop(0)) for at, event in enumerate(base)
            if free.get(event.key)]


def out_of_order(pairs: Sequence[tuple[int, int]]) -> list[tuple[int, int]]:
    """The fewest of @pairs without which the rest keeps its order.

    All but a longest increasing subsequence (patience sorting).
    """
    tops: list[int] = []
    index: list[int] = []
    before: list[int | None] = []
    for at, (_, other) in enumerate(pairs):
        pile = bisect.bisect_left(tops, other)
        before.append(index[pile - 1] if pile else None)
        tops[pile:pile + 1] = [other]
        index[pile:pile + 1] = [at]
    kept = set()
    at_: int | None = index[-1] if index else None
    while at_ is not None:
        kept.add(at_)
        at_ = before[at_]
    return [pair for at, pair in enumerate(pairs) if at not in kept]


def _implied(event: Event) -> str:
    """How an event is called in a sentence."""
    name = event.what
    if event.what in ("map", "unmap") and event.syncs:
        name = f"{event.syncs} implied by the {event.what}"
    return f"{name} of {event.device} ({event.direction})"


def _lock(event: Event) -> str:
    """What was held."""
    if event.lock == "-":
        return "no lock"
    return event.lock.replace("resv", "the reservation lock").replace(
        "+", " and ")


def _changed(base: Event, patch: Event) -> tuple[str, str]:
    """What is different in two events of one kind for one device."""
    what = f"{base.what} of {base.device}"
    if base.syncs and not patch.syncs:
        return "lost", f"{_implied(base)} is lost"
    if patch.syncs and not base.syncs:
        return "added", f"{_implied(patch)} is new"
    if base.direction != patch.direction:
        return "direction", (f"{what} in direction {patch.direction} instead "
                             f"of {base.direction}")
    if base.table != patch.table:
        return "table", (f"{what} with {patch.table}'s table instead of "
                         f"{base.table}'s")
    if (base.bytes, base.places) != (patch.bytes, patch.places):
        return "size", f"{what} of {patch.bytes} bytes instead of {base.bytes}"
    if base.lock != patch.lock:
        return "lock", (f"{what} under {_lock(patch)} instead of "
                        f"{_lock(base)}")
    return "attributes", (f"{what} with attributes {patch.attributes} instead "
                          f"of {base.attributes}")


def _maintained_before(call: Call, event: Event, uses: Uses) -> str:
    """For whom the same lines were maintained in the same way before @event in
    @call, if for anybody: devices that do not snoop and use the buffer's pages.
    """
    def lines(one: Event) -> bool:
        return one.device == EXPORTER or (one.maintained > 0 and all(
            uses.get((one.device, place)) == "page" for place in one.places))

    for other in call.events:
        if other is event or other == event:
            return ""
        if event.syncs and other.syncs == event.syncs \
                and other.places == event.places and lines(other) \
                and lines(event):
            return other.device
    return ""


def _pair_up(lost: list[_Left], added: list[_Left]) -> list[Difference]:
    """Differences between what is lost and what is added instead; both lists
    are left with what has no pendant.
    """
    found = []
    rules: tuple[Callable[[_Left, _Left], bool], ...] = (
        # One attribute of it is another.
        lambda a, b: a.call == b.call and (a.event.what, a.event.device)
        == (b.event.what, b.event.device),
        # It is for somebody else.
        lambda a, b: a.call == b.call and a.event.what == b.event.what
        and a.event.what in ("for_cpu", "for_device"),
        # It is in another call.
        lambda a, b: a.event.key == b.event.key,
    )
    for at, rule in enumerate(rules):
        for one in lost[:]:
            other = next((two for two in added if rule(one, two)), None)
            if other is None:
                continue
            lost.remove(one)
            added.remove(other)
            if at == 0:
                kind, words = _changed(one.event, other.event)
            elif at == 1:
                kind = "misdirected"
                words = (f"{one.event.what} of {other.event.device} instead of "
                         f"{one.event.device}"
                         + (", the exporter's own device: no importer's"
                            if other.event.device == EXPORTER else ""))
            else:
                kind = "moved"
                words = (f"{_implied(one.event)} in call {other.call} instead "
                         f"of {one.call}")
            found.append(Difference(kind, one.call, one.event, other.event,
                                    words))
    return found


def _order(call: Call, base: Sequence[Event], patch: Sequence[Event],
           pairs: Sequence[tuple[int, int]]) -> list[Difference]:
    found = []
    for at, other in out_of_order(pairs):
        event = base[at]
        words = ("the wait for the fence has another place among the syncs"
                 if event.what in ("wait", "late") else
                 f"{_implied(event)} in another order")
        found.append(Difference("reordered", call.number, event, patch[other],
                                words))
    return found


def _added(call: Call, event: Event, was: Sequence[Event], uses: Uses) \
        -> Difference:
    """What an @event is that only the patch's @call has; @was in the base's."""
    before = _maintained_before(call, event, uses)
    if before:
        return Difference(
            "doubled", call.number, None, event, f"{_implied(event)} is new",
            reason=f"the same lines as {before}'s")
    if any((event.what, event.device) == (one.what, one.device)
           for one in was):
        return Difference("doubled", call.number, None, event,
                          f"{_implied(event)} is doubled")
    return Difference("added", call.number, None, event,
                      f"{_implied(event)} is new")


def _no_sync(one: Difference) -> Difference:
    """@one, as of kind mapping if it is not about a sync."""
    events = [event for event in (one.base, one.patch) if event]
    if events and not any(event.syncs or event.what in ("wait", "late")
                          for event in events):
        return replace(one, kind="mapping")
    return one


def differences(base: History, patch: History) -> list[Difference]:
    """All differences between two records of one history."""
    found: list[Difference] = []
    lost: list[_Left] = []
    added: list[_Left] = []
    calls: dict[int, tuple[Call, Call]] = {}
    if [call.step for call in base.calls] != [call.step for call in
                                              patch.calls]:
        raise BadRecord(f"{base.name}: the records are of two scripts")
    for one, other in zip(base.calls, patch.calls):
        events, others = one.events, other.events
        calls[one.number] = one, other
        pairs = matched(events, others)
        lost += [_Left(one.number, event) for at, event in enumerate(events)
                 if at not in {pair[0] for pair in pairs}]
        added += [_Left(one.number, event) for at, event in enumerate(others)
                  if at not in {pair[1] for pair in pairs}]
        found += _order(one, events, others, pairs)
        if one.error != other.error:
            found.append(Difference(
                "failed", one.number, None, None,
                f"{one.step}: error {other.error} instead of {one.error}"
                if other.error else f"{one.step}: no error {one.error} any "
                "more"))
    found += _pair_up(lost, added)
    found += [Difference("lost", left.call, left.event, None,
                         f"{_implied(left.event)} is lost") for left in lost]
    uses = {(one.device, one.place): one.memory for call in patch.calls
            for one in call.happened if isinstance(one, Used)}
    found += [_added(calls[left.call][1], left.event,
                     calls[left.call][0].events, uses) for left in added]
    return sorted(map(_no_sync, found), key=lambda one: one.call)


# Why a difference may do no harm.

def reason(one: Difference, history: History) -> str:
    """Why nobody reads older data for all that, as far as the record tells."""
    event = one.base or one.patch
    kinds = {device.name: device.kind for device in history.devices}
    if event is None or one.kind in ("failed", "lock", "mapping"):
        return ""
    if kinds.get(event.device) == "coherent":
        return "the device snoops: its syncs do nothing"
    call = next(call for call in history.calls if call.number == one.call)
    if one.kind in ("lost", "doubled", "added", "misdirected"):
        for other in call.events:
            if other is not event and other.syncs == event.syncs and \
                    other.syncs and other.device != event.device and \
                    kinds.get(other.device, "noncoherent") in (
                        "noncoherent", "both", "opaque"):
                return f"the same lines are maintained for {other.device}"
    return "replayed on every architecture, all read the same"


# Costs.

def cost(history: History) -> Cost:
    """What the syncs of @history cost."""
    slots: set[str] = set()
    total = Cost()
    for call in history.calls:
        for one in call.happened:
            if isinstance(one, Used) and one.memory == "slot":
                slots.add(one.device)
            elif isinstance(one, Event):
                total += Cost(int(bool(one.syncs)), one.maintained,
                              one.bytes if one.syncs and one.device in slots
                              else 0)
    return total


# Places.

@dataclass(frozen=True)
class _Change:
    """Lines that differ: of base from, of patch to."""

    file: str
    base: range
    patch: range
    text: str               # the first of them that says anything
    lines: tuple[str, ...]  # those of the patch


def changes(base: State, patch: State, tree: Path) -> list[_Change]:
    """Where the text of two states differs."""
    names = sorted({*(f"driver/{name}" for name in {*base.driver,
                                                    *patch.driver}),
                    *base.kernel, *patch.kernel})
    found = []
    for name in names:
        old = (base.file(name, tree) or "").splitlines()
        new = (patch.file(name, tree) or "").splitlines()
        if old == new:
            continue
        matcher = difflib.SequenceMatcher(None, old, new, autojunk=False)
        for tag, a, b, c, d in matcher.get_opcodes():
            if tag == "equal":
                continue
            lines = [f"+{line}" for line in new[c:d] if line.strip()] or \
                [f"-{line}" for line in old[a:b] if line.strip()] or [""]
            found.append(_Change(name, range(a + 1, b + 1),
                                 range(c + 1, d + 1), lines[0],
                                 tuple(new[c:d])))
    # A blank line or a brace is behind nothing, if there is anything else.
    return [change for change in found
            if re.search(r"\w", change.text)] or found


@dataclass(frozen=True)
class Frame:
    """A caller, innermost of what was inlined first."""

    function: str
    file: str
    line: int


class Callers:
    """Who the addresses of a kernel's stacks are, by addr2line."""

    def __init__(self, image: Path) -> None:
        self.image = image
        self.known: dict[int, list[Frame]] = {}

    def learn(self, addresses: Iterable[int]) -> None:
        """Look @addresses up, all at once."""
        new = sorted(set(addresses) - set(self.known))
        if not new:
            return
        # A return address is behind the call.
        asked = "\n".join(f"{address - 1:#x}" for address in new)
        said = subprocess.run(
            ["addr2line", "-a", "-f", "-i", "-e", self.image],
            input=asked, capture_output=True, text=True, check=True).stdout
        blocks = re.split(r"^0x[0-9a-f]+\n", said, flags=re.MULTILINE)[1:]
        for address, block in zip(new, blocks):
            lines = block.splitlines()
            self.known[address] = [
                Frame(function, in_tree(where.rpartition(":")[0]),
                      int(re.sub(r"\D.*", "", where.rpartition(":")[2]) or 0))
                for function, where in zip(lines[::2], lines[1::2])
                if function != "??"]

    def of(self, event: Event) -> list[Frame]:
        """The callers of @event, the innermost first."""
        return [frame for address in event.stack
                for frame in self.known.get(address, ())
                if not frame.file.startswith(_NOT_CALLERS)]


def blame(frames: Sequence[Frame], of_base: bool,
          changed: Sequence[_Change]) -> Place | None:
    """Which of the @changed lines is most likely behind what @frames called.

    The one nearest to a caller, in the innermost function of a changed file; if
    no caller is in a changed file, the first.
    """
    def distance(change: _Change, frame: Frame) -> int:
        lines = change.base if of_base else change.patch
        if frame.line in lines:
            return 0
        return min(abs(frame.line - lines.start),
                   abs(frame.line - max(lines.start, lines.stop - 1)))

    best: tuple[int, _Change, Frame] | None = None
    for frame in frames:
        for change in changed:
            if change.file != frame.file:
                continue
            far = distance(change, frame)
            if best is None or far < best[0]:
                best = far, change, frame
    if not best:
        return Place(changed[0].file, changed[0].patch.start, "",
                     changed[0].text) if changed else None
    far, change, frame = best
    if not far and not of_base:
        # The very line, of many that are new.
        return Place(change.file, frame.line, frame.function,
                     f"+{change.lines[frame.line - change.patch.start]}")
    return Place(change.file, change.patch.start, frame.function, change.text)


@dataclass
class Side:
    """One side of a comparison, recorded and judged."""

    state: State
    heard: Heard
    callers: Callers


def compare(scenes: Sequence[Scene], base: Side, patch: Side, tree: Path) \
        -> list[Compared]:
    """Compare all histories."""
    changed = changes(base.state, patch.state, tree)
    found = []
    for at, (scene, old, new) in enumerate(zip(scenes, base.heard.recorded,
                                               patch.heard.recorded)):
        found.append(Compared(scene.name, scene.title, old, new,
                              differences(old, new), base.heard.wrong[at],
                              patch.heard.wrong[at], cost(old), cost(new)))
    different = [difference for one in found for difference in one.differences]
    for side, events in ((base, [one.base for one in different]),
                         (patch, [one.patch for one in different])):
        side.callers.learn(address for event in events if event
                           for address in event.stack)

    @cache
    def placed(stack: tuple[int, ...], of_base: bool) -> Place | None:
        side = base if of_base else patch
        return blame(side.callers.of(Event("", stack=stack)), of_base, changed)

    for one in found:
        for at, difference in enumerate(one.differences):
            event = difference.patch or difference.base
            one.differences[at] = replace(
                difference, place=placed(event.stack if event else (),
                                         difference.patch is None),
                reason=difference.reason or (
                    "" if one.worse else reason(difference, one.base)))
    return found
