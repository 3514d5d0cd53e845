# SPDX-License-Identifier: GPL-2.0
"""What the recorder heard: histories, their calls, and the events within.

The recorder (recorder/) says one line for each thing, behind "review: ", on the
kernel's console. Words are separated by blanks:

    begin NAME                      a history
    device NAME KIND DIRECTION      one of its devices, in the order of numbers
    call N STEP...                  step N of its script begins
    map DEVICE DIRECTION ATTRIBUTES BYTES PLACES TABLE LOCK MAINTAINED
    unmap ..., for_cpu ..., for_device ...
                                    the same
    at ADDRESS...                   who called for the event before, innermost
                                    first
    uses DEVICE PLACE page|slot|copy OTHER
                                    what a mapping is made of, and who else has
                                    it, or the same name again
    wait                            somebody waits for a device's fence
    late DEVICE PLACE               the device writes then, and signals
    views cpu:A:B NAME:A:B...       what all would read at each place, if not as before: the
                                    number of a write, 1 for what was there, 0
                                    for anything else
    return N ERROR                  the step is over: 0 or an errno
    end NAME LINES                  the history is, after so many lines

DEVICE is a device's name, "exporter" for the exporter's own, or "?". PLACES are
letters of the places that are covered, or "-". TABLE is the device for which the
table was mapped. LOCK is what lockdep says is held: "resv" for a
reservation lock, others by their names, with + between them, or "-". MAINTAINED is how many
bytes of cache maintenance the architecture was asked for.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace

PREFIX = "review: "
SYNCS = ("for_cpu", "for_device")
EXPORTER = "exporter"
CPU = "cpu"


class BadRecord(Exception):
    """The record is not complete, or not what it should be."""


@dataclass(frozen=True)
class Event:
    """Something that the recorder heard within a call."""

    what: str           # map, unmap, for_cpu, for_device, wait, late
    device: str = ""
    direction: str = ""     # to, from, both
    attributes: str = "-"   # skip: no maintenance is implied; or hexadecimal
    bytes: int = 0
    places: str = "-"
    table: str = ""
    lock: str = "-"
    maintained: int = 0     # bytes, by the architecture
    stack: tuple[int, ...] = ()

    @property
    def syncs(self) -> str:
        """Which sync it is or implies: for_cpu, for_device or nothing."""
        if self.what in SYNCS:
            return self.what
        if self.attributes.startswith("skip") or self.what not in ("map", "unmap"):
            return ""
        return "for_device" if self.what == "map" else "for_cpu"

    @property
    def key(self) -> tuple[str, str, str, str, int, str, str, str]:
        """What is compared."""
        return (self.what, self.device, self.direction, self.attributes,
                self.bytes, self.places, self.table, self.lock)


@dataclass(frozen=True)
class Moved:
    """Data that the exporter or swiotlb has moved, as it shows in the views."""

    device: str         # in whose copy or slot
    place: str
    to_page: bool


@dataclass(frozen=True)
class Used:
    """What a device's mapping is made of at a place."""

    device: str
    place: str
    memory: str         # page, slot or copy
    other: str          # who has mapped the same, or the device itself


# A view for each reader, a value for each place.
Views = dict[str, tuple[int, ...]]


@dataclass
class Call:
    """A step of a history and what happened in it, in its order."""

    number: int
    step: str
    happened: list[Event | Moved | Used | Views] = field(default_factory=list)
    error: int = 0

    @property
    def events(self) -> list[Event]:
        """The events in it."""
        return [one for one in self.happened if isinstance(one, Event)]


@dataclass(frozen=True)
class Device:
    """A device of a history."""

    name: str
    kind: str           # of histories.KINDS
    direction: str      # to (it reads), from (it writes), both


@dataclass
class History:
    """A history as it was recorded."""

    name: str
    devices: list[Device] = field(default_factory=list)
    calls: list[Call] = field(default_factory=list)


def _words(console: Iterable[str]) -> Iterator[list[str]]:
    """The record's lines in @console, as words, up to its end."""
    for line in console:
        _, found, text = line.rstrip().partition(PREFIX)
        if not found:
            continue
        words = text.split(" ")
        if words[0] == "failed":
            raise BadRecord(text)
        if words == ["done"]:
            return
        yield words
    raise BadRecord("the kernel stopped in the middle of its record")


def _views(words: list[str]) -> Views:
    """The words of a line of views."""
    return {name: tuple(int(value) for value in values.split(":"))
            for name, _, values in (word.partition(":") for word in words)}


def _event(words: list[str]) -> Event:
    """The words of an event's line."""
    what, device, direction, attributes, size, places, table, lock, kept = words
    return Event(what, device, direction, attributes, int(size), places, table,
                 lock, int(kept))


def _moves(history: History, call: Call, seen: Views, last: Views,
           uses: dict[tuple[str, str], str], written: bool) -> Iterator[Moved]:
    """What the exporter has moved for @last to become @seen.

    A new value in the page is what a copy holds, and a new one in a copy what the
    page holds; there is no other source. A write of this call is none.
    """
    names = [device.name for device in history.devices]
    for at, place in enumerate("ab"):
        now, before = seen[CPU][at], last.get(CPU, (1, 1))[at]
        if now != before and not written:
            for name in names:
                if uses.get((name, place)) == "copy" \
                        and last.get(name, (0, 0))[at] == now:
                    yield Moved(name, place, True)
                    break
        for name in names:
            if uses.get((name, place)) == "copy" and not written \
                    and seen[name][at] != last.get(name, (0, 0))[at] \
                    and seen[name][at] == now:
                yield Moved(name, place, False)


def _first_filled(call: Call) -> None:
    """Put what fills the copy of a device that @call maps before what cleans it.

    Where the device's copy is, is known only when it has been mapped, so that is
    seen too late.
    """
    name = call.step.split()[-1]
    cleans = next((at for at, one in enumerate(call.happened)
                   if isinstance(one, Event) and one.what == "for_device"
                   and one.device == name), None)
    if cleans is None:
        return
    late = [one for one in call.happened[cleans:]
            if isinstance(one, Moved) and one.device == name
            and not one.to_page]
    rest = [one for one in call.happened[cleans:] if one not in late]
    call.happened[cleans:] = [*late, *rest]


class _Reader:
    """Reads the lines of one history."""

    def __init__(self, name: str) -> None:
        self.history = History(name)
        self.last: Views = {}
        self.uses: dict[tuple[str, str], str] = {}
        self.lines = 1
        # Until the views are said that a write changes.
        self.written = False

    @property
    def call(self) -> Call:
        """The call that the last line belongs to."""
        if not self.history.calls:
            raise BadRecord(f"{self.history.name}: an event before all calls")
        return self.history.calls[-1]

    def add(self, words: list[str]) -> None:
        """One line."""
        self.lines += 1
        verb = words[0]
        if verb == "device":
            self.history.devices.append(Device(*words[1:]))
        elif verb == "call":
            self.history.calls.append(Call(int(words[1]), " ".join(words[2:])))
            self.written = words[2] in ("store", "write", "late")
        elif verb == "at":
            event = self.call.happened[-1]
            assert isinstance(event, Event)
            self.call.happened[-1] = replace(
                event, stack=tuple(int(word, 16) for word in words[1:]))
        elif verb == "uses":
            used = Used(*words[1:])
            self.uses[used.device, used.place] = used.memory
            self.call.happened.append(used)
            # What was there before is not moved to it.
            if used.other != used.device and self.last:
                at = "ab".index(used.place)
                seen = list(self.last.get(used.device, (0, 0)))
                seen[at] = self.last[used.other][at]
                self.last[used.device] = tuple(seen)
        elif verb == "views":
            views = _views(words[1:])
            self.call.happened += _moves(self.history, self.call, views,
                                         self.last, self.uses, self.written)
            self.call.happened.append(views)
            self.last = views
            self.written = False
        elif verb == "wait":
            self.call.happened.append(Event("wait"))
        elif verb == "late":
            self.call.happened.append(
                Event("late", words[1], places=words[2]))
            self.written = True
        elif verb == "return":
            self.call.error = int(words[2])
            if self.call.step.startswith("map "):
                _first_filled(self.call)
        else:
            self.call.happened.append(_event(words))


def histories(console: Iterable[str]) -> list[History]:
    """All histories in @console; BadRecord if it is not complete."""
    found: list[History] = []
    reader: _Reader | None = None
    for words in _words(console):
        if words[0] == "begin":
            reader = _Reader(words[1])
        elif reader is None:
            raise BadRecord(f"{' '.join(words)}: in no history")
        elif words[0] == "end":
            if int(words[2]) != reader.lines + 1:
                raise BadRecord(f"{words[1]}: {reader.lines + 1} lines of "
                                f"{words[2]}")
            found.append(reader.history)
            reader = None
        else:
            reader.add(words)
    return found
