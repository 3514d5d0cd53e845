# SPDX-License-Identifier: GPL-2.0
"""A history as two sequence pictures, base and patch, in SVG.

Both have the same rows, so that they can be compared at a glance. Time goes
down; CPU, memory and each device are life lines. Colours come from page.css,
and every mark says in words what it is.
"""

import re
import textwrap
from collections.abc import Sequence
from html import escape

from review import words
from review.findings import Compared, Difference, Wrong
from review.record import CPU, EXPORTER, Call, Event, Moved

MEMORY = "memory"
_MARGIN = 24
_GAP = 104              # between life lines
_HEAD, _BAND, _ROW, _LINE = 46, 24, 32, 16
_CHAR = 7.4             # how wide a character is, about, in wide fonts
_ACCESSES = {"read": ("reads", True), "write": ("writes", False),
             "load": ("loads", True), "store": ("stores", False)}


def lanes(one: Compared) -> list[str]:
    """CPU, memory, the devices, and who else has syncs."""
    names = [CPU, MEMORY, *(device.name for device in one.base.devices)]
    for history in (one.base, one.patch):
        for call in history.calls:
            names += [event.device for event in call.events
                      if event.device and event.device != "-"]
    return list(dict.fromkeys(names))


class _Canvas:
    """One picture that grows downwards."""

    def __init__(self, names: Sequence[str]) -> None:
        self.x = {name: _GAP // 2 + _GAP * at for at, name in enumerate(names)}
        self.width = _GAP * len(names)
        self.y = _HEAD
        self.stripes: list[str] = []    # below the life lines
        self.parts: list[str] = []      # above them

    def label(self, x: float, y: float, text: str, style: str = "mid") -> None:
        """@text around @x, but within the picture."""
        half = len(text) * _CHAR / 2
        x = max(half + 2, min(x, self.width - half - 2))
        self.parts.append(f'<text x="{x:.0f}" y="{y:.0f}" class="{style}">'
                          f"{escape(text)}</text>")

    def arrow(self, ends: tuple[str, str], text: str, style: str) -> None:
        """An arrow from a life line to another, with @text above it."""
        start, end = (self.x[name] for name in ends)
        y = self.y + _ROW - 9
        tip = -8 if end > start else 8
        self.parts.append(
            f'<g class="{style}"><path class="arrow" d="M{start} {y}H'
            f'{end + tip // 2}"/><path class="tip" d="M{end} {y}l{tip} -4.5v9z"'
            "/>")
        self.label((start + end) / 2, y - 6, text)
        self.parts.append("</g>")

    def dot(self, name: str, text: str, style: str) -> None:
        """Something at one life line."""
        y = self.y + _ROW - 9
        self.parts.append(f'<g class="{style}"><circle class="tip" cx="'
                          f'{self.x[name]}" cy="{y}" r="3.5"/>')
        self.label(self.x[name], y - 6, text)
        self.parts.append("</g>")

    def band(self, height: int, style: str) -> None:
        """A stripe behind a row."""
        self.stripes.append(f'<rect class="{style}" y="{self.y}" width='
                            f'"{self.width}" height="{height}"/>')

    def step(self, call: Call | None, hit: bool) -> None:
        """The row that names a call."""
        self.band(_BAND, "band hit" if hit else "band")
        text = f"{call.number}  {call.step}" if call else "is not reached"
        if call and call.error:
            text += f": error {call.error}"
        self.parts.append(f'<text class="step" x="8" y="{self.y + 17}">'
                          f"{escape(text)}</text>")

    def note(self, name: str, lines: Sequence[str]) -> None:
        """Who reads old data: a box at a life line."""
        wide = max(map(len, lines)) * _CHAR + 34
        x = max(3.0, min(self.x[name] - 14, self.width - wide - 3))
        tall = len(lines) * _LINE + 8
        y = self.y + 4
        self.parts.append(
            f'<rect class="old" x="{x:.0f}" y="{y}" width="{wide:.0f}" height='
            f'"{tall}" rx="4"/><circle class="old dot" cx="{x + 14:.0f}" '
            f'cy="{y + 13}" r="8"/><text class="bang" x="{x + 14:.0f}" y="'
            f'{y + 17.5}">!</text>')
        for at, line in enumerate(lines):
            self.parts.append(f'<text class="note" x="{x + 27:.0f}" y="'
                              f'{y + 17 + at * _LINE}">{escape(line)}</text>')

    def svg(self, one: Compared, title: str, desc: str, ident: str) -> str:
        """The whole picture."""
        kinds = {device.name: device for device in one.base.devices}
        heads = []
        for name, x in self.x.items():
            shown = {CPU: "CPU", EXPORTER: "exporter's"}.get(name, name)
            device = kinds.get(name)
            under = f"{device.kind}, {device.direction}" if device else \
                "own device" if name == EXPORTER else ""
            heads.append(f'<text class="head" x="{x}" y="17">{escape(shown)}'
                         f'</text><text class="small" x="{x}" y="33">'
                         f"{escape(under)}</text>")
        lives = [f'<path class="life" d="M{x} {_HEAD - 6}V{self.y + 6}"/>'
                 for x in self.x.values()]
        return (f'<svg viewBox="0 0 {self.width} {self.y + 8}" role="img" '
                f'aria-labelledby="{ident}-t {ident}-d" style="min-width:'
                f"{self.width * .8:.0f}px;max-width:{self.width * 1.15:.0f}px"
                f'"><title id="{ident}-t">{escape(title)}</title><desc id="'
                f'{ident}-d">{escape(desc)}</desc>'
                + "".join([*self.stripes, *lives, *heads, *self.parts])
                + "</svg>")


def _event_words(event: Event, kind: str) -> str:
    """What stands at an arrow that already shows the device.

    Its size and its lock only for a difference of that @kind.
    """
    text = f"{event.what} ({event.direction})"
    if event.table not in ("", "-", event.device):
        text += f", {event.table}'s table"
    if event.attributes != "-":
        text += f", {event.attributes}"
    if kind == "size":
        text += f", {words.size(event.bytes)}"
    if kind == "lock":
        text += ", " + words.locked(event)
    return text


def _draw_event(canvas: _Canvas, event: Event, kind: str = "",
                mark: str = "", style: str = "") -> None:
    """A sync as an arrow, anything else as what it is.

    It has a @mark and a @style of its own if it is in a difference of a @kind.
    """
    if event.what == "wait":
        canvas.dot(CPU, f"{mark}waits for {event.device}", style or "quiet")
    elif event.what == "late":
        canvas.arrow((event.device, MEMORY), f"{mark}writes "
                     f"{event.places}, late", style or "access")
    elif event.syncs:
        ends = (event.device, CPU) if event.syncs == "for_cpu" \
            else (CPU, event.device)
        implied = "" if event.what == event.syncs else " implied"
        canvas.arrow(ends, mark + _event_words(event, kind),
                     (style or "sync") + implied)
    else:
        canvas.dot(event.device, mark + _event_words(event, kind),
                   style or "quiet")


def _draw_moved(canvas: _Canvas, moved: Moved, mark: str = "",
                style: str = "quiet") -> None:
    """Data that the exporter or swiotlb has copied."""
    ends = (moved.device, MEMORY) if moved.to_page else (MEMORY, moved.device)
    canvas.arrow(ends, f"{mark}{moved.place} copied", style)


def _draw_access(canvas: _Canvas, call: Call) -> None:
    """A load, a store, or what a device does, as an arrow to memory."""
    name, *rest = call.step.split()
    verb, reads = _ACCESSES[name]
    actor, place = (CPU, rest[0]) if name in ("load", "store") \
        else (rest[0], rest[1])
    canvas.arrow((MEMORY, actor) if reads else (actor, MEMORY),
                 f"{verb} {place}", "access")


def _accesses(call: Call | None, names: Sequence[str]) -> bool:
    """Whether @call is an access that can be drawn."""
    parts = call.step.split() if call else []
    return bool(parts) and parts[0] in _ACCESSES and len(parts) > 1 and (
        parts[0] in ("load", "store") or len(parts) > 2 and parts[1] in names)


class _Pictures:
    """Both pictures of a history, row by row."""

    def __init__(self, one: Compared) -> None:
        self.one = one
        self.names = lanes(one)
        self.marks = words.marks(one)
        self.base, self.patch = _Canvas(self.names), _Canvas(self.names)
        # Who reads what after the last call, on both sides.
        self.known: list[set[words.Read]] = [set(), set()]
        for pair in words.calls(one):
            self._call(*pair)

    def _down(self, height: int) -> None:
        """The next row."""
        self.base.y += height
        self.patch.y += height

    def _call(self, base: Call | None, patch: Call | None) -> None:
        """A call: its name, its access, what happened, who reads old data."""
        numbers = {call.number for call in (base, patch) if call}
        hit = any(each.call in numbers for each in self.one.differences)
        self.base.step(base, hit)
        self.patch.step(patch, hit)
        self._down(_BAND)
        if _accesses(base, self.names) or _accesses(patch, self.names):
            for canvas, call in ((self.base, base), (self.patch, patch)):
                if call and _accesses(call, self.names):
                    _draw_access(canvas, call)
            self._down(_ROW)
        for pair in words.pairs(base, patch, self.marks):
            self._pair(*pair)
        self._wrong(self._news(0, self.one.base_wrong, numbers),
                    self._news(1, self.one.patch_wrong, numbers))
        self._down(6)

    def _news(self, side: int, wrongs: list[Wrong], numbers: set[int]) \
            -> list[words.Reads]:
        """Who reads what after a call and did not after the one before; what is
        read from dirty caches only if nothing else is.
        """
        found = words.reads(each for each in wrongs if each.call in numbers)
        new = [each for each in found if each.read not in self.known[side]]
        self.known[side] = {each.read for each in found}
        return [each for each in new if each.settled] or new

    def _pair(self, base: Event | Moved | None,
              patch: Event | Moved | None) -> None:
        """A row: the same on both sides, or marked in the patch's picture."""
        found = next((self.marks[id(each)] for each in (patch, base)
                      if id(each) in self.marks), None)
        if found:
            self.base.band(_ROW, "hit")
            self.patch.band(_ROW, "hit")
        if isinstance(base, Moved):
            _draw_moved(self.base, base)
            if not patch:
                _draw_moved(self.patch, base, "\u2717 lost: ", "lost")
        if isinstance(patch, Moved):
            _draw_moved(self.patch, patch, *(() if base else
                                             ("+ added: ", "added")))
        if isinstance(base, Event):
            _draw_event(self.base, base, found.kind if found else "")
        if isinstance(patch, Event):
            self._marked(patch, found, False)
        elif isinstance(base, Event) and found and (
                not found.patch or found.kind in ("reordered", "moved")):
            self._marked(base, found, True)
        self._down(_ROW)

    def _marked(self, event: Event, found: Difference | None,
                gone: bool) -> None:
        """An event in the patch's picture; @gone: only the base has it."""
        if not found:
            _draw_event(self.patch, event)
            return
        if found.kind == "reordered":
            mark = "was here: " if gone else "now here: "
        else:
            mark = "" if found.kind == words.MAPPING else f"{found.kind}: "
        sign = "\u2717 " if gone else \
            "+ " if found.kind in ("added", "doubled") else "\u2260 "
        style = "lost" if gone else \
            "added" if found.kind == "added" else "other"
        _draw_event(self.patch, event, found.kind, sign + mark, style)

    def _wrong(self, before: list[words.Reads], after: list[words.Reads]) \
            -> None:
        """A row for each reader of old data, in the pictures of both."""
        for reader in dict.fromkeys(each.read.reader
                                    for each in before + after):
            tall = 0
            for canvas, those in ((self.base, before), (self.patch, after)):
                lines = [line for each in those if each.read.reader == reader
                         for line in textwrap.wrap(each.note(), max(
                             24, int((canvas.width - 42) / _CHAR)))]
                if lines and reader in canvas.x:
                    canvas.note(reader, lines)
                    tall = max(tall, len(lines) * _LINE + 16)
            self._down(tall)


def pictures(one: Compared, ident: str) -> tuple[str, str]:
    """The pictures of a history, base and patch, as inline SVG."""
    both = _Pictures(one)
    said = "; ".join(each.words for each in one.differences
                     if each.kind != words.MAPPING)
    after = "; ".join(words.told(one.patch_wrong)) or "nobody reads old data"
    before = "; ".join(words.told(one.base_wrong)) or "nobody reads old data"
    return (both.base.svg(one, f"{one.name}, base", before, f"{ident}-base"),
            both.patch.svg(one, f"{one.name}, patch", "; ".join(
                part for part in (said, after) if part), f"{ident}-patch"))


def alone(one: Compared, css: str) -> str:
    """Both pictures of a history as one SVG file with @css, base on the left."""
    both = pictures(one, "p")
    sizes = [tuple(map(int, match.groups())) for svg in both
             if (match := re.search(r'viewBox="0 0 (\d+) (\d+)"', svg))]
    left, tall = sizes[0][0] + 2 * _MARGIN, max(size[1] for size in sizes)
    wide = left + sizes[1][0]
    placed = "".join(
        f'<text x="{x + _MARGIN}" y="17" font-weight="600" fill="var(--dim)">{name}</text>'
        + svg.replace("<svg ", f'<svg x="{x}" y="{_MARGIN}" width="{size[0]}" '
                      f'height="{size[1]}" ', 1)
        for x, name, svg, size in zip((0, left), ("base", "patch"), both, sizes))
    return (f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {wide} '
            f'{tall + _MARGIN}" font-family="sans-serif"><style>{css}\n'
            "svg { width: auto }</style>"
            f'<rect width="100%" height="100%" fill="var(--bg)"/>{placed}'
            "</svg>\n")
