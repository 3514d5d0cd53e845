# SPDX-License-Identifier: GPL-2.0
"""The sentences that all outputs of a report share.

A report can hold hundreds of histories that differ in the same way, and the
same old data on a dozen architectures. Here both become few: differences are
grouped into kinds, and what is wrong on many machines is one sentence.
"""

import difflib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from itertools import zip_longest

from review.findings import Compared, Cost, Difference, Place, Report, Wrong
from review.record import EXPORTER, Call, Event, History, Moved

# The rows of the model (kunit/model_archs.c), in its order.
COHERENT = "x86"
ARCHITECTURES = (COHERENT, "arm", "arm64", "mips", "arc", "csky", "nios2",
                 "powerpc", "microblaze", "parisc", "write-through",
                 "mips without flush", "openrisc", "68060", "68030")
RECORDED = "recorded"
ONLY_DATA = "no sync differs, but what is read does"

_ROLES = {"to": "readers", "from": "writers", "both": "readers and writers"}
_ACCESSES = {"r": "READ", "w": "WRITE", "rw": "READ|WRITE"}
_HAPPENS = {
    "lost": "is lost", "added": "is added", "doubled": "is doubled",
    "reordered": "comes in another order", "moved": "moves between calls",
    "misdirected": "goes to the wrong device",
    "direction": "has another direction", "table": "is for another table",
    "size": "has another size", "lock": "is under another lock",
    "failed": "fails",
}


def count(number: int, what: str, many: str = "") -> str:
    """@number of @what: "1 history", "2 histories"."""
    return f"{number} {what if number == 1 else many or what + 's'}"


def histories(number: int) -> str:
    """So many histories."""
    return count(number, "history", "histories")


def listed(names: Sequence[str], most: int = 0) -> str:
    """@names in a sentence; not more than @most of them, if that is given."""
    if most and len(names) > most:
        names = [*names[:most], f"{len(names) - most} more"]
    return " and ".join([", ".join(names[:-1]), names[-1]]
                        if len(names) > 1 else names)


def size(number: float) -> str:
    """@number bytes, in the unit that suits."""
    for unit in ("B", "KiB", "MiB"):
        if number < 1024:
            break
        number /= 1024
    else:
        unit = "GiB"
    return f"{number:.1f}".removesuffix(".0") + f" {unit}"


# Events.

def locked(one: Event) -> str:
    """Under which lock @one was."""
    return "not locked" if one.lock == "-" else f"under {one.lock}"


def event(one: Event, lock: bool = False) -> str:
    """@one in words, with its lock only where that matters."""
    if one.what == "wait":
        return f"wait for {one.device}'s fence"
    if one.what == "late":
        return f"{one.device} writes, late"
    text = f"{one.what} of {one.device} ({one.direction}), {size(one.bytes)}"
    if one.attributes != "-":
        text += f", {one.attributes}"
    if one.table not in ("", "-", one.device):
        text += f", for {one.table}'s table"
    if lock:
        text += ", " + locked(one)
    return text


def happening(one: Event | Moved, lock: bool = False) -> str:
    """An event, or data that has moved, in words."""
    if isinstance(one, Event):
        return event(one, lock)
    return f"{one.place} is copied {'from' if one.to_page else 'to'} " \
        f"{one.device}"


Pair = tuple[Event | Moved | None, Event | Moved | None]


def _happened(call: Call | None) -> list[Event | Moved]:
    return [one for one in call.happened if isinstance(one, (Event, Moved))] \
        if call else []


def pairs(base: Call | None, patch: Call | None,
          marked: dict[int, Difference]) -> list[Pair]:
    """What happened in a call, base beside patch, equal ones in one row.

    What is @marked as reordered is no row with itself: it is the one that shall
    be seen to move.
    """
    left, right = _happened(base), _happened(patch)
    keys: list[list[object]] = [[
        id(one) if id(one) in marked and marked[id(one)].kind == "reordered"
        else one.key if isinstance(one, Event) else one for one in side]
        for side in (left, right)]
    rows: list[Pair] = []
    for _, i, j, k, m in difflib.SequenceMatcher(
            None, keys[0], keys[1], False).get_opcodes():
        rows += zip_longest(left[i:j], right[k:m])
    return rows


def calls(one: Compared) -> list[tuple[Call | None, Call | None]]:
    """The calls of a history, base beside patch."""
    return list(zip_longest(one.base.calls, one.patch.calls))


def marks(one: Compared) -> dict[int, Difference]:
    """Which events the differences of a history are about, by their id().

    Of equal events in the same call it is the last one: what is doubled is the
    second.
    """
    found: dict[int, Difference] = {}
    for difference in one.differences:
        for history, wanted in ((one.base, difference.base),
                                (one.patch, difference.patch)):
            near = sorted(history.calls, key=lambda call:
                          call.number == difference.call)
            fits = [this for call in near for this in call.events
                    if this == wanted and id(this) not in found]
            if fits:
                found[id(next((this for this in fits if this is wanted),
                              fits[-1]))] = difference
    return found


# Who reads what.

def _version(number: int) -> str:
    return f"version {number} of" if number else "what nobody has written in"


def where(archs: Iterable[str], most: int = 0) -> str:
    """On which machines, or that it was seen here; at most @most by name."""
    archs = set(archs)
    rows = [arch for arch in ARCHITECTURES if arch in archs]
    rows += sorted(archs - {*rows, RECORDED})
    seen = "seen here, in UML" if RECORDED in archs else ""
    if not rows:
        return seen
    if set(ARCHITECTURES) <= archs:
        text = "everywhere"
    elif len(rows) == len(ARCHITECTURES) - 1 and COHERENT not in rows:
        text = "wherever caches are not coherent"
    elif len(rows) == 1 and not seen:
        text = rows[0]
    else:
        text = "on " + listed(rows, most)
    return f"{seen}, and {text}" if seen else text


@dataclass(frozen=True)
class Reads:
    """The same wrong read on many machines."""

    reader: str
    place: str
    value: int
    promised: int
    archs: frozenset[str]
    states: frozenset[str]

    def sentence(self, most: int = 0) -> str:
        """For a line of its own."""
        state = f", {min(self.states)}" if len(self.states) == 1 else ""
        return (f"{where(self.archs, most)}{state}: {self.reader} reads "
                f"{_version(self.value)} {self.place}, was promised "
                + (f"{self.promised}" if self.value else
                   f"version {self.promised}"))

    def note(self) -> str:
        """For a picture, where one sees who reads."""
        value = str(self.value) if self.value else "what nobody wrote"
        state = f"; {min(self.states)}" if len(self.states) == 1 else ""
        return (f"{self.place}: reads {value}, was promised {self.promised} "
                f"({where(self.archs)}{state})")


def reads(wrongs: Iterable[Wrong]) -> list[Reads]:
    """@wrongs, what is the same on many machines and in both states once."""
    states: dict[tuple[str, str, int, int], dict[str, set[str]]] = {}
    for one in wrongs:
        states.setdefault((one.reader, one.place, one.value, one.promised),
                          {}).setdefault(one.arch, set()).add(one.state)
    found = []
    for key, by_arch in states.items():
        alike: dict[frozenset[str], set[str]] = {}
        for arch, when in by_arch.items():
            alike.setdefault(frozenset(when), set()).add(arch)
        found += [Reads(*key, frozenset(archs), when)
                  for when, archs in alike.items()]
    return found


def told(wrongs: Iterable[Wrong], most: int = 0) -> list[str]:
    """@wrongs as sentences, at most @most architectures of each by name."""
    return [one.sentence(most) for one in reads(wrongs)]


def story(wrongs: Iterable[Wrong]) -> Wrong | None:
    """The one of @wrongs with the shortest story, if any has one."""
    told_ones = [one for one in wrongs if one.story]
    return min(told_ones, key=lambda one: len(one.story)) \
        if told_ones else None


def consequence(one: Compared) -> str:
    """What follows from the differences of a history, in a word or two."""
    if one.worse:
        return "worse and better" if one.better else "worse"
    if one.better:
        return "better"
    if one.patch_wrong:
        return "wrong before and after"
    return "none" if one.differences else ""


# Kinds of differences.

@dataclass
class Kind:
    """The same difference in many histories."""

    words: str
    found: list[tuple[Compared, Difference | None]] = \
        field(default_factory=list)

    @property
    def histories(self) -> list[Compared]:
        """In which it is, each once."""
        return list({id(one): one for one, _ in self.found}.values())

    @property
    def worse(self) -> list[Compared]:
        """Those in which somebody reads older data."""
        return [one for one in self.histories if one.worse]

    @property
    def better(self) -> list[Compared]:
        """Those in which somebody reads newer data."""
        return [one for one in self.histories if one.better]

    @property
    def example(self) -> tuple[Compared, Difference | None]:
        """The first one that is worse, or else better, or else the first."""
        return ([pair for pair in self.found if pair[0].worse]
                or [pair for pair in self.found if pair[0].better]
                or self.found)[0]

    @property
    def place(self) -> Place | None:
        """The line behind it."""
        example = self.example[1]
        return example.place if example else None

    def headline(self) -> str:
        """One sentence about all of it."""
        number = len(self.histories)
        many = [f"{len(those)} {what}" for those, what in
                ((self.worse, "worse"), (self.better, "better")) if those]
        which = "in" if number == 1 else "first in"
        return (f"{self.words}: {histories(number)}"
                + (f" ({', '.join(many)})" if many else "")
                + f", {which} {self.example[0].name}")


def who(device: str, history: History) -> str:
    """A device as one of its sort."""
    if device == EXPORTER:
        return "the exporter's own device"
    for one in history.devices:
        if one.name == device:
            return f"{one.kind} {_ROLES.get(one.direction, 'devices')}"
    return "an unknown device"


def moment(history: History, number: int) -> str:
    """A call as one of its sort: START(READ)."""
    step = next((call.step for call in history.calls
                 if call.number == number), "?").split() or ["?"]
    if step[0] in ("begin", "end") and len(step) > 1:
        name = "START" if step[0] == "begin" else "END"
        return f"{name}({_ACCESSES.get(step[1], step[1])})"
    return step[0]


def kind_words(one: Compared, difference: Difference) -> str:
    """The sentence that all differences of a sort share."""
    heard = difference.base or difference.patch
    subject = f"{heard.what} of {who(heard.device, one.base)}" \
        if heard else "the call"
    happens = _HAPPENS.get(difference.kind, difference.kind)
    base, patch = difference.base, difference.patch
    if base and patch and difference.kind == "direction":
        happens = f"is ({patch.direction}) instead of ({base.direction})"
    if base and patch and difference.kind == "misdirected":
        happens = f"goes to {who(patch.device, one.patch)} instead"
    return f"{subject} {happens} at {moment(one.base, difference.call)}"


def kinds(report: Report) -> list[Kind]:
    """All kinds of differences: with the most consequences first."""
    found: dict[str, Kind] = {}
    for one in report.histories:
        differences: list[Difference | None] = [*one.differences]
        if not differences and (one.worse or one.better):
            differences = [None]
        for difference in differences:
            words = kind_words(one, difference) if difference else ONLY_DATA
            found.setdefault(words, Kind(words)).found.append(
                (one, difference))
    return sorted(found.values(), key=lambda kind: (
        -len(kind.worse), -len(kind.better), -len(kind.histories)))


# Cost.

@dataclass(frozen=True)
class Costs:
    """One sort of cost, in all histories."""

    what: str
    base: int
    patch: int
    accesses: int

    def all(self, number: int) -> str:
        """A sum, @number, in words."""
        return f"{number}" if self.what == "syncs" else size(number)

    def each(self, number: int) -> str:
        """@number for each access."""
        number_each = number / max(self.accesses, 1)
        return f"{number_each:.2f}" if self.what == "syncs" \
            else size(round(number_each))

    @property
    def percent(self) -> str:
        """How much more or less it is."""
        if self.base == self.patch:
            return "the same"
        if not self.base:
            return "none before"
        percent = (self.patch - self.base) * 100 / self.base
        return f"{percent:+.0f}%" if abs(percent) >= 1 else f"{percent:+.1g}%"


def costs(report: Report) -> list[Costs]:
    """What all histories cost, base against patch."""
    base = sum((one.base_cost for one in report.histories), Cost())
    patch = sum((one.patch_cost for one in report.histories), Cost())
    accesses = sum(call.step.startswith("begin ")
                   for one in report.histories for call in one.base.calls)
    return [Costs("syncs", base.syncs, patch.syncs, accesses),
            Costs("maintained", base.maintained, patch.maintained, accesses),
            Costs("bounced", base.bounced, patch.bounced, accesses)]


def dearer(report: Report) -> bool:
    """Whether anything costs more than before."""
    return any(one.patch > one.base for one in costs(report))


def cheaper(report: Report) -> bool:
    """Whether anything costs less than before."""
    return any(one.patch < one.base for one in costs(report))


def cost_change(report: Report) -> str:
    """Whether it costs less or more, and how much."""
    changed = [f"{one.what} {one.percent}" for one in costs(report)
               if one.base != one.patch]
    if not changed:
        return "it costs the same"
    much = "more" if not cheaper(report) else \
        "less" if not dearer(report) else "less and more"
    return f"it costs {much} ({', '.join(changed)})"


# The verdict.

def _first(those: Sequence[Compared], wrongs: Sequence[Wrong]) -> str:
    return f"first: {those[0].name}, {told(wrongs, 3)[0]}"


def _base_wrong(report: Report) -> str:
    """That the base is wrong already, if it is."""
    wrong = sum(bool(one.base_wrong) for one in report.histories)
    return (f"; the base is wrong already in {wrong}" if wrong else "") \
        + ("; the kernel complains about the base already"
           if report.base_complaints else "")


def verdict(report: Report) -> str:
    """The whole report in one line."""
    number = len(report.histories)
    if report.empty:
        return "nothing to compare: base and patch are the same"
    worse = [one for one in report.histories if one.worse]
    better = [one for one in report.histories if one.better]
    parts = []
    if worse:
        parts.append(f"REGRESSION: in {len(worse)} of {histories(number)} "
                     "somebody reads older data than before; "
                     + _first(worse, worse[0].worse))
    if report.complaints:
        parts.append(("" if worse else "REGRESSION: ")
                     + "the kernel complains, and did not before: "
                     + report.complaints[0].splitlines()[0].strip())
    if better:
        parts.append(
            f"better in {len(better)}" if worse else
            f"{'better' if parts else 'BETTER'}: in {len(better)} of "
            f"{histories(number)} somebody reads newer data than before; "
            + _first(better, better[0].better))
    differing = sum(bool(one.differences) for one in report.histories)
    if not worse and not better:
        parts.append(
            f"{differing} of {histories(number)} "
            f"{'differs' if differing == 1 else 'differ'}, nobody reads older "
            f"data; {cost_change(report)}" if differing else
            f"no sync differs in {histories(number)}")
    return "; ".join(parts) + _base_wrong(report)
