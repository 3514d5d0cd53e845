# SPDX-License-Identifier: GPL-2.0
"""What the recorder heard: histories, their calls, and the events within.

The recorder (recorder/) says one line for each thing, behind "review: ", on the
kernel's console. Words are separated by blanks:

    begin NAME                      a history
    device NAME KIND DIRECTION      one of its devices, in the order of numbers
    call N STEP...                  step N of its script begins
    map DEVICE DIRECTION ATTRIBUTES BYTES PLACES TABLE LOCK
    unmap ...                       the same
    for_cpu DEVICE DIRECTION ATTRIBUTES BYTES PLACES TABLE LOCK
    for_device ...                  the same
    cache for_cpu|for_device DIRECTION BYTES
                                    maintenance by the architecture
    at ADDRESS...                   who called for the event before, innermost
                                    first
    uses DEVICE PLACE page|slot|copy
                                    what a mapping is made of
    wait                            somebody waits for a device's fence
    late DEVICE PLACE               the device writes then, and signals
    views CPU:V... NAME:V...        what all would read, if not as before: the
                                    number of a write, 1 for what was there, 0
                                    for anything else
    return N ERROR                  the step is over: 0 or an errno
    end NAME LINES                  the history is, after so many lines

DEVICE is a device's name, "exporter" for the exporter's own, or "?". PLACES are
letters of the places that are covered, or "-". TABLE is the device for which the
table was mapped. LOCK is "resv" under the buffer's reservation lock, or "-".
"""

from collections.abc import Iterable
from dataclasses import dataclass, field

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
        if self.attributes == "skip" or self.what not in ("map", "unmap"):
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
    kind: str           # coherent, noncoherent, bounced, both, opaque
    direction: str      # to (it reads), from (it writes), both


@dataclass
class History:
    """A history as it was recorded."""

    name: str
    devices: list[Device] = field(default_factory=list)
    calls: list[Call] = field(default_factory=list)
