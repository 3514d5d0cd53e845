# SPDX-License-Identifier: GPL-2.0
"""What a comparison found: the one thing that all outputs are made from."""

from dataclasses import dataclass, field
from functools import cached_property

from review.record import Event, History


@dataclass(frozen=True)
class Place:
    """A place in the source that called for an event."""

    file: str           # as in the tree: drivers/dma-buf/udmabuf.c
    line: int
    function: str
    text: str = ""      # the line itself


@dataclass(frozen=True)
class Difference:
    """One difference between base and patch, in one call of one history."""

    kind: str           # lost, added, doubled, reordered, moved, misdirected,
                        # direction, table, size, lock, attributes, failed,
                        # or mapping: a map or unmap that implies no sync
    call: int           # its number
    base: Event | None
    patch: Event | None
    words: str          # one line for people: "for_cpu of gpu (from) is lost"
    place: Place | None = None  # which line of the patch it is most likely by
    reason: str = ""    # why it is called that, or why it does no harm

    @property
    def sentence(self) -> str:
        """What it is, and why."""
        return f"{self.words}: {self.reason}" if self.reason else self.words


@dataclass(frozen=True)
class Wrong:
    """Somebody reads, or would read, older data than was promised."""

    arch: str           # a row of the model, or "recorded": seen in UML
    state: str          # settled or dirty: of the caches, at first
    call: int           # after which call
    reader: str         # cpu or a device's name
    place: str          # a, b
    value: int          # which write it reads; 0 what none has written
    promised: int       # which one it was promised
    story: tuple[str, ...] = ()     # what caches did until then

    @property
    def key(self) -> tuple[str, str, int, str, str]:
        """What is compared: who reads old data when, and where."""
        return self.arch, self.state, self.call, self.reader, self.place


@dataclass(frozen=True)
class Cost:
    """What a history costs."""

    syncs: int = 0          # calls, implied ones included
    maintained: int = 0     # bytes of cache maintenance
    bounced: int = 0        # bytes synced for devices that use a slot

    def __add__(self, other: "Cost") -> "Cost":
        return Cost(self.syncs + other.syncs,
                    self.maintained + other.maintained,
                    self.bounced + other.bounced)


@dataclass(eq=False)
class Compared:
    """A history, base against patch.

    What is wrong is not changed any more once worse or better was asked for:
    there are tens of thousands of them.
    """

    name: str
    title: str              # in words
    base: History
    patch: History
    differences: list[Difference] = field(default_factory=list)
    base_wrong: list[Wrong] = field(default_factory=list)
    patch_wrong: list[Wrong] = field(default_factory=list)
    base_cost: Cost = Cost()
    patch_cost: Cost = Cost()

    @cached_property
    def _changed(self) -> tuple[list[Wrong], list[Wrong]]:
        """What is wrong with the patch only, and with the base only."""
        before = {wrong.key: wrong for wrong in self.base_wrong}
        after = {wrong.key: wrong for wrong in self.patch_wrong}
        return ([wrong for key, wrong in after.items() if key not in before],
                [wrong for key, wrong in before.items() if key not in after])

    @property
    def worse(self) -> list[Wrong]:
        """What is wrong with the patch and was not before."""
        return self._changed[0]

    @property
    def better(self) -> list[Wrong]:
        """What was wrong before and is not with the patch."""
        return self._changed[1]


@dataclass(eq=False)
class Report:
    """All of it."""

    exporter: str           # fanout, udmabuf, system_heap
    kernel: str             # 6.12.117
    base: str               # what it is, in words
    patch: str
    histories: list[Compared] = field(default_factory=list)
    # What the patched kernel complains about and the base does not: lockdep, a
    # warning, sleeping where that is forbidden.
    complaints: list[str] = field(default_factory=list)
    base_complaints: list[str] = field(default_factory=list)
    empty: bool = False     # base and patch are the same text

    @property
    def regressed(self) -> bool:
        """Whether somebody reads older data than before, or it complains."""
        return bool(self.complaints) or any(one.worse for one in self.histories)

    @property
    def improved(self) -> bool:
        """Whether somebody reads newer data than before."""
        return any(one.better for one in self.histories)

    @property
    def changed(self) -> bool:
        """Whether any sync is another one."""
        return any(one.differences for one in self.histories)
