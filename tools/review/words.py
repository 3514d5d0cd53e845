# SPDX-License-Identifier: GPL-2.0
"""The sentences that all outputs of a report share.

A report can hold hundreds of histories that differ in the same way, and the
same old data on a dozen architectures. Here both become few: consequences are
grouped by the row of the battery, whatever devices take part; differences by
which sync they are about; and what is wrong on many machines is one sentence.
"""

import difflib
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property, lru_cache
from itertools import product, zip_longest

from review.findings import Compared, Cost, Difference, Place, Report, Wrong
from review.record import CPU, EXPORTER, Call, Event, Moved

# The rows of the model on which a shared buffer can work at all
# (kunit/model_archs.c), in its order.
COHERENT = "x86"
ARCHITECTURES = (COHERENT, "arm", "arm64", "mips", "arc", "csky", "nios2",
                 "powerpc", "microblaze", "parisc", "write-through")
RECORDED = "recorded"
SETTLED = "settled"

_ROLES = {"to": "readers", "from": "writers", "both": "readers and writers"}
_KINDS = {"both": "bounced+noncoherent"}
_DIRECT = {"coherent", "noncoherent", "opaque"}
_BOUNCED = {"bounced", "both", "forced"}
# In the order in which they are shown: what costs, what is missing, the rest.
_HAPPENS = {
    "doubled": "is doubled", "lost": "is lost",
    "reordered": "comes in another order",
    "misdirected": "goes to another device", "moved": "moves between calls",
    "direction": "has another direction", "table": "is for another table",
    "size": "has another size", "lock": "is under another lock",
    "attributes": "has other attributes", "added": "is added",
    "failed": "fails or succeeds unlike before",
}
MAPPING = "mapping"


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


def event(one: Event, lock: bool = False, sized: bool = True) -> str:
    """@one in words, with its lock and its size only where they matter."""
    if one.what == "wait":
        return f"wait for {one.device}'s fence"
    if one.what == "late":
        return f"{one.device} writes, late"
    text = f"{one.what} of {one.device} ({one.direction})"
    if sized:
        text += f", {size(one.bytes)}"
    if one.attributes != "-":
        text += f", {one.attributes}"
    if one.table not in ("", "-", one.device):
        text += f", for {one.table}'s table"
    if lock:
        text += ", " + locked(one)
    return text


def happening(one: Event | Moved, kind_of_it: str = "") -> str:
    """An event, or data that has moved, in words; a difference of what kind."""
    if isinstance(one, Event):
        return event(one, kind_of_it == "lock", kind_of_it == "size")
    return f"{one.place} is copied {'from' if one.to_page else 'to'} " \
        f"{one.device}"


Pair = tuple[Event | Moved | None, Event | Moved | None]


def _happened(call: Call | None, syncs_only: bool) -> list[Event | Moved]:
    return [one for one in call.happened if isinstance(one, Moved) or (
        isinstance(one, Event) and not (
            syncs_only and one.what in ("map", "unmap") and not one.syncs))] \
        if call else []


def pairs(base: Call | None, patch: Call | None,
          marked: dict[int, Difference], syncs_only: bool = False) \
        -> list[Pair]:
    """What happened in a call, base beside patch, equal ones in one row.

    What is @marked as reordered is no row with itself: it is the one that shall
    be seen to move. With @syncs_only without maps and unmaps that imply none.
    """
    left, right = (_happened(call, syncs_only) for call in (base, patch))
    keys: list[list[object]] = [[
        id(one) if id(one) in marked and marked[id(one)].kind == "reordered"
        else one.key if isinstance(one, Event) else one for one in side]
        for side in (left, right)]
    rows: list[Pair] = []
    for _, i, j, k, m in difflib.SequenceMatcher(
            None, keys[0], keys[1], False).get_opcodes():
        if keys[0][i:j] == keys[1][k:m]:
            rows += zip(left[i:j], right[k:m])
        else:
            rows += _aligned(left[i:j], right[k:m], marked)
    return rows


def _aligned(left: list[Event | Moved], right: list[Event | Moved],
             marked: dict[int, Difference]) -> Iterator[Pair]:
    """Rows of what differs: one that is instead of another beside that."""
    left, right = left[:], right[:]
    while left or right:
        ours, theirs = ([marked.get(id(one)) for one in side]
                        for side in (left, right))
        first = ours[0] if ours else None
        if first and first.kind != "reordered" and theirs \
                and first is theirs[0]:
            yield left.pop(0), right.pop(0)
        elif left and (not right or not first or first not in theirs
                       or theirs[0] and theirs[0] in ours):
            yield left.pop(0), None
        else:
            yield None, right.pop(0)


def calls(one: Compared) -> list[tuple[Call | None, Call | None]]:
    """The calls of a history, base beside patch."""
    return list(zip_longest(one.base.calls, one.patch.calls))


def moments(one: Compared) -> set[int]:
    """The calls in which syncs differ, or what is copied; or else anything."""
    return {each.call for each in one.differences if each.kind != MAPPING} | {
        base.number for base, patch in calls(one) if base and patch
        and [each for each in base.happened if isinstance(each, Moved)]
        != [each for each in patch.happened if isinstance(each, Moved)]} or \
        {each.call for each in one.differences}


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
    if not rows:
        return "seen in UML"
    missing = [arch for arch in ARCHITECTURES if arch not in archs]
    if not missing:
        text = "everywhere"
    elif missing == [COHERENT]:
        text = "wherever caches are not coherent"
    elif len(missing) == 1:
        text = f"everywhere except {missing[0]}"
    elif len(missing) == 2 and COHERENT in missing:
        text = f"wherever caches are not coherent, except {missing[1]}"
    else:
        text = "on " + listed(rows, most)
    return f"{text}, also seen in UML" if RECORDED in archs else text


@dataclass(frozen=True)
class Read:
    """What somebody reads instead of what, wherever that is."""

    reader: str
    place: str
    value: int
    promised: int

    @classmethod
    def of(cls, wrong: Wrong) -> "Read":
        """What is read in @wrong."""
        return cls(wrong.reader, wrong.place, wrong.value, wrong.promised)

    def __str__(self) -> str:
        text = f"{self.reader} reads {_version(self.value)} {self.place}, "
        if not self.value:
            return text + f"was promised version {self.promised}"
        return text + (f"was promised {self.promised}" if self.promised else
                       "unlike the CPU")


@dataclass
class Reads:
    """The same wrong read on many machines."""

    read: Read
    archs: set[str] = field(default_factory=set)
    settled: bool = False   # or only if caches are dirty at first

    def add(self, wrong: Wrong) -> None:
        """One more machine."""
        self.archs.add(wrong.arch)
        self.settled |= wrong.state == SETTLED

    def places(self, most: int = 0) -> str:
        """On which machines, at most @most by name, and when."""
        return where(self.archs, most) + ("" if self.settled else
                                          ", if caches are dirty at first")

    def sentence(self, most: int = 0) -> str:
        """For a line of its own."""
        return f"{self.read}: {self.places(most)}"

    def note(self) -> str:
        """For a picture, where one sees who reads."""
        value = str(self.read.value) if self.read.value else "what nobody wrote"
        promised = f"was promised {self.read.promised}" \
            if self.read.promised else "unlike the CPU"
        return (f"{self.read.place}: reads {value}, {promised} "
                f"({self.places(4)})")


def reads(wrongs: Iterable[Wrong]) -> list[Reads]:
    """@wrongs, what is the same on many machines once; settled ones first."""
    found: dict[tuple[str, str, int, int], Reads] = {}
    for one in wrongs:
        key = one.reader, one.place, one.value, one.promised
        if key not in found:
            found[key] = Reads(Read(*key))
        found[key].add(one)
    return sorted(found.values(), key=lambda one: not one.settled)


def told(wrongs: Iterable[Wrong], most: int = 0) -> list[str]:
    """@wrongs as sentences, at most @most architectures of each by name."""
    return [one.sentence(most) for one in reads(wrongs)]


def story(wrongs: Iterable[Wrong], read: Read | None = None) -> Wrong | None:
    """The one of @wrongs with the shortest story, if any has one; of those that
    are @read, if it is given.
    """
    stories = [one for one in wrongs if one.story
               and (read is None or Read.of(one) == read)]
    if not stories:
        return None
    return min(stories, key=lambda one: (one.state != SETTLED, len(one.story)))


def consequence(one: Compared) -> str:
    """What follows from the differences of a history, in a word or two."""
    if one.worse:
        return "worse and better" if one.better else "worse"
    if one.better:
        return "better"
    if one.patch_wrong:
        return "wrong before and after"
    return "none" if one.differences else ""


# For which devices.

def kind(name: str) -> str:
    """A kind of device: "both" alone says nothing."""
    return _KINDS.get(name, name)


def kinds(some: Iterable[str], every: Iterable[str],
          most: Iterable[str] = ()) -> str:
    """@some kinds of devices of @every kind there is, in words; "" for all.

    It may be that up to @most are meant: of the rest nothing is known.
    """
    every = set(every)
    some = set(some) & every
    most = set(most) & every or some
    if every <= most:
        return ""
    if len(every - most) == 1 and len(every) > 3:
        return f"not {kind(min(every - most))}"
    said = []
    for names, name in ((_DIRECT & every, "direct"),
                        (_BOUNCED & every, "bounced")):
        if len(names) > 1 and names <= most and names & some:
            some -= names
            said.append(name)
    return " or ".join([*said, *map(kind, sorted(some))])


Mix = tuple[str, ...]


def _is_in(mix: Mix, sets: Sequence[set[str]]) -> bool:
    return all(map(set.__contains__, sets, mix))


def _grown(seed: Mix, wanted: set[Mix], every: Sequence[Mix],
           sorts: Sequence[set[str]]) -> list[set[str]]:
    """The kinds around @seed of which all mixes of @every are @wanted."""
    grown = [{name} for name in seed]
    more = [(at, name) for at, names in enumerate(sorts)
            for name in sorted(names)]
    # Of what was not run nothing is known: that last, it must not be in the way.
    for known, (at, name) in product((True, True, False), more):
        tried = [*grown[:at], grown[at] | {name}, *grown[at + 1:]]
        mixes = [mix for mix in every if _is_in(mix, tried)]
        if wanted.issuperset(mixes) and (
                not known or any(mix[at] == name for mix in mixes)):
            grown = tried
    return grown


def _mix(one: Compared) -> Mix:
    return tuple(device.kind for device in one.base.devices)


def for_whom(some: Sequence[Compared], row: Sequence[Compared],
             most: int = 2) -> str:
    """For which kinds of devices the histories of a @row are @some of it.

    In at most @most parts: "cam is direct and gpu is bounced".
    """
    every = list(dict.fromkeys(map(_mix, row)))
    wanted = set(map(_mix, some))
    if len(wanted) == len(every):
        return "with all kinds of devices" if len(every) > 1 else ""
    sorts = [set(names) for names in zip(*every)]
    names = [device.name for device in row[0].base.devices]
    left, parts = wanted, []
    while left:
        grown = max((_grown(mix, wanted, every, sorts)
                     for mix in sorted(left)),
                    key=lambda sets: sum(_is_in(mix, sets) for mix in left))
        really = [set(names_of_it) for names_of_it in
                  zip(*(mix for mix in wanted if _is_in(mix, grown)))]
        left = {mix for mix in left if not _is_in(mix, grown)}
        parts.append(" and ".join(
            f"{name} is {said}" for name, some_kinds, all_kinds, could
            in zip(names, really, sorts, grown)
            if (said := kinds(some_kinds, all_kinds, could))))
    if len(parts) > most:
        parts = [*parts[:most - 1], f"in {len(parts) - most + 1} more mixes"]
    return "where " + ", or ".join(parts)


# Consequences: rows of the battery.

def _reads_in(step: Sequence[str], wrong: Wrong) -> bool:
    """Whether @wrong is read by the program's @step, not only could be."""
    return [*step[:2]] == ["load", wrong.place] \
        if wrong.reader == CPU else [*step[:3]] == ["read", wrong.reader,
                                                    wrong.place]


class Told:
    """A history as an example: what of it is told, and how good it is.

    What is wrong if caches are dirty at first counts less: a program can do
    something about these. So does what somebody reads who reads old data on
    that machine on the other side as well.
    """

    def __init__(self, one: Compared, worse: bool) -> None:
        self.one = one
        wrongs, back, other = (one.worse, one.better, one.base_wrong) \
            if worse else (one.better, one.worse, one.patch_wrong)
        known = {(wrong.arch, wrong.reader) for wrong in other
                 if wrong.state == SETTLED}
        fresh = [wrong for wrong in wrongs if wrong.state == SETTLED
                 and (wrong.arch, wrong.reader) not in known]
        steps = {call.number: call.step.split() for call in one.base.calls}
        real = [wrong for wrong in fresh or wrongs
                if _reads_in(steps.get(wrong.call, []), wrong)]
        self.wrongs = real or fresh or wrongs
        self.found = {(wrong.reader, wrong.place, wrong.value, wrong.promised)
                      for wrong in self.wrongs}
        machines = {arch for arch, _ in known}
        # What is better: false before true.
        self.rank = (
            not fresh,
            all(wrong.arch != RECORDED for wrong in self.wrongs),
            any(wrong.state == SETTLED for wrong in back),
            not real,
            all(wrong.arch in machines for wrong in self.wrongs))
        self.simple = (
            len(one.base.devices), len(one.base.calls),
            sum(each.kind != MAPPING for each in one.differences),
            len(wrongs))


class Row:
    """A row of the battery and what becomes worse or better in it."""

    def __init__(self, name: str, histories_of_it: Sequence[Compared],
                 worse: bool) -> None:
        self.name = name
        self.all = histories_of_it
        self.is_worse = worse
        self.told = [Told(one, worse) for one in histories_of_it
                     if (one.worse if worse else one.better)]
        self.best = min(self.told, key=lambda one: (one.rank, one.simple))
        # Those of which the same can be said.
        self.alike = [one for one in self.told
                      if one.rank[:2] == self.best.rank[:2]]
        counts = Counter(read for one in self.alike for read in one.found)
        self.read = Read(*max(sorted(self.best.found),
                              key=counts.__getitem__))

    @property
    def title(self) -> str:
        """What happens in it."""
        return self.all[0].title.partition(": ")[0]

    @property
    def example(self) -> Compared:
        """The simplest history, in which little else differs."""
        return self.best.one

    @property
    def call(self) -> int:
        """After which call of the example that is read."""
        return min(wrong.call for wrong in self.best.wrongs
                   if Read.of(wrong) == self.read)

    @property
    def place(self) -> Place | None:
        """The line that is most likely behind it: of the last sync before."""
        found = [each for each in self.example.differences
                 if each.place and each.kind != MAPPING]
        before = [each for each in found if each.call <= self.call]
        return next((each.place for each in before[-1:] or found), None)

    def what(self, most: int = 3) -> str:
        """Who reads what, where, in all histories of which it can be said."""
        found = Reads(self.read)
        for one in self.alike:
            for wrong in one.wrongs:
                if Read.of(wrong) == self.read:
                    found.add(wrong)
        return found.sentence(most)

    @cached_property
    def where(self) -> str:
        """For which devices."""
        return for_whom([one.one for one in self.alike], self.all)

    def whom(self) -> str:
        """In how many histories, for which devices."""
        return f"in {len(self.alike)} of {len(self.all)} {self.where}".rstrip()

    def rest(self) -> str:
        """What else there is to say of its other histories, or nothing."""
        others = len(self.told) - len(self.alike)
        other = sum(bool(one.better if self.is_worse else one.worse)
                    for one in self.all)
        way, back = ("worse", "better") if self.is_worse else \
            ("better", "worse")
        return ", ".join(part for part in (
            f"{way} in {count(others, 'other')}" if others else "",
            f"{back} in {other}" if other else "") if part)


@dataclass
class Group:
    """Rows of the battery of which the same can be said."""

    rows: list[Row]

    @property
    def first(self) -> Row:
        """The one that is told."""
        return self.rows[0]

    @property
    def number(self) -> int:
        """In how many histories it is so."""
        return sum(len(row.alike) for row in self.rows)

    def headline(self, most: int = 3) -> str:
        """One sentence about all of it; at most @most rows by name."""
        total = sum(len(row.all) for row in self.rows)
        return (f"{listed([row.name for row in self.rows], most)}, "
                f"{self.number} of {total} {self.first.where}".rstrip()
                + f": {self.first.read}")


@lru_cache(maxsize=8)
def groups(report: Report, worse: bool) -> list[Group]:
    """What becomes worse, or better: what says most first.

    First that of which the base, or the patch, was right; then what is in the
    most histories. Within a group rows are as the battery has them.
    """
    rows: dict[str, list[Compared]] = {}
    for one in report.histories:
        rows.setdefault(one.name.partition("/")[0], []).append(one)
    found: dict[tuple[object, ...], Group] = {}
    for row in sorted((Row(name, those, worse) for name, those in rows.items()
                       if any(one.worse if worse else one.better
                              for one in those)),
                      key=lambda row: row.best.rank):
        found.setdefault((row.best.rank[:2], row.where, row.read.reader),
                         Group([])).rows.append(row)
    return sorted(found.values(), key=lambda group: (
        group.first.best.rank[:3], -group.number))


# Differences: by which sync they are about.

@dataclass
class Syncs:
    """The same difference in many histories, at whatever moment."""

    happens: str            # its kind
    what: str               # for_cpu of, whose
    every: set[str]         # kinds of devices in the report
    found: list[tuple[Compared, Difference]] = field(default_factory=list)

    @property
    def histories(self) -> list[Compared]:
        """In which it is, each once."""
        return list({id(one): one for one, _ in self.found}.values())

    @property
    def example(self) -> tuple[Compared, Difference]:
        """The simplest."""
        return min(self.found, key=lambda pair: (
            bool(pair[0].worse), len(pair[0].base.devices),
            len(pair[0].base.calls), len(pair[0].differences)))

    @property
    def reason(self) -> str:
        """The example's, if it can be one for all of them."""
        return "" if self.happens != "doubled" and any(
            one.worse for one, _ in self.found) else self.example[1].reason

    @property
    def words(self) -> str:
        """What it is, with whose sync it is about."""
        devices = [device for one, each in self.found
                   for device in one.base.devices
                   if device.name == (each.patch or each.base or _NOBODY)
                   .device]
        roles = {device.direction for device in devices}
        role = _ROLES[min(roles)] if len(roles) == 1 else "importers"
        of_kind = kinds({device.kind for device in devices}, self.every)
        return self.what.format(f"{of_kind} {role}".strip())

    def headline(self) -> str:
        """One line about all of it."""
        text = f"{len(self.histories)} {self.words}"
        return f"{text}: {self.reason}" if self.reason else text


_NOBODY = Event("")


def _about(each: Difference) -> str:
    """Which sync a difference is about, with a hole for whose it is."""
    base, patch = each.base, each.patch
    happens = _HAPPENS.get(each.kind, each.kind)
    if not base and not patch:
        return f"a call {happens}"
    heard = patch or base
    assert heard
    if heard.what in ("wait", "late"):
        return f"the wait for a fence {happens}"
    name = heard.syncs or heard.what
    if name != heard.what:
        name += f" implied by {heard.what}"
    own = "the exporter's own device"
    whose = own if (base or heard).device == EXPORTER else "{}"
    if each.kind == "misdirected" and base and patch:
        if whose == own:
            return f"{name} of {own} goes to {{}} instead"
        if patch.device == EXPORTER:
            return f"{name} goes to {own} instead of an importer's"
    if each.kind == "direction" and base and patch:
        happens = f"is ({patch.direction}) instead of ({base.direction})"
    return f"{name} of {whose} {happens}"


@lru_cache(maxsize=8)
def syncs(report: Report) -> list[Syncs]:
    """All differences in syncs; first what reviewers ask about first."""
    every = {device.kind for one in report.histories
             for device in one.base.devices}
    found: dict[tuple[str, str], Syncs] = {}
    for one in report.histories:
        for each in one.differences:
            if each.kind != MAPPING:
                what = _about(each)
                found.setdefault((each.kind, what), Syncs(
                    each.kind, what, every)).found.append((one, each))
    order = [*_HAPPENS]
    return sorted(found.values(), key=lambda one: (
        order.index(one.happens) if one.happens in order else len(order),
        -len(one.histories)))


def mappings(those: Sequence[Compared]) -> str:
    """How many maps and unmaps differ in @those that imply no sync, if any."""
    numbers = [sum(each.kind == MAPPING for each in one.differences)
               for one in those]
    number = sum(numbers)
    if not number:
        return ""
    text = count(number, "map or unmap without a sync differs",
                 "maps and unmaps without a sync differ")
    return text if len(those) == 1 else \
        f"{text}, in {histories(sum(map(bool, numbers)))}"


def only_data(report: Report) -> str:
    """In how many histories no sync differs, but what is read does."""
    number = sum(bool(one.worse or one.better) and not one.differences
                 for one in report.histories)
    return f"{histories(number)} without another sync, but with other data" \
        if number else ""


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

def verdict(report: Report) -> str:
    """The whole report in one line, that is two on a terminal."""
    if report.empty:
        return "nothing to compare: base and patch are the same"
    number = histories(len(report.histories))
    worse, better, wrong, differing = (
        sum(bool(getattr(one, name)) for one in report.histories)
        for name in ("worse", "better", "base_wrong", "differences"))
    parts = []
    if worse:
        parts.append(f"REGRESSION: somebody reads older data than before in "
                     f"{worse} of {number}")
    if report.complaints:
        said = report.complaints[0].splitlines()[0].strip()
        parts.append(("" if worse else "REGRESSION: ")
                     + f"the kernel complains, and did not before: {said}")
    if better:
        parts.append(f"better in {better}" if parts else
                     f"BETTER: somebody reads newer data than before in "
                     f"{better} of {number}")
    if not worse and not better:
        parts.append(
            f"{differing} of {number} "
            f"{'differs' if differing == 1 else 'differ'}, nobody reads older "
            f"data; {cost_change(report)}"
            if differing else f"no sync differs in {number}")
    if wrong:
        parts.append(f"wrong already in {wrong}")
    if report.base_complaints:
        parts.append("the base has complaints already")
    return "; ".join(parts)
