# SPDX-License-Identifier: GPL-2.0
"""The report for a terminal, and for a reply by mail.

Both are the same lines: a verdict, then at most a screen. What does not fit is
counted, and --html has it.
"""

import textwrap
from collections.abc import Callable

from fanout.host import colour
from review import words
from review.findings import Compared, Place, Report
from review.record import Call

LINES = 40
TERMINAL = 80
MAIL = 71
# For how many further kinds room is left, so that they are at least named.
NAMED = 4
RED, GREEN, BLUE, BOLD, DIM = 31, 32, 36, 1, 2
_MARK = {"lost": "-", "added": "+", "doubled": "+"}

Paint = Callable[[str, int], str]


def _plain(text: str, _: int) -> str:
    """@text without colour."""
    return text


def cut(text: str, width: int) -> str:
    """@text in at most @width columns."""
    return text if len(text) <= width else text[:width - 2] + ".."


def wrap(text: str, width: int, indent: int = 0, hang: int = 2) -> list[str]:
    """@text in lines of @width, the first behind @indent blanks."""
    return textwrap.wrap(text, width, initial_indent=" " * indent,
                         subsequent_indent=" " * (indent + hang),
                         break_on_hyphens=False)


def place_words(place: Place) -> str:
    """A line of source, as a compiler would name it."""
    text = f"{place.file}:{place.line}, in {place.function}()"
    return f"{text}: {place.text.strip()}" if place.text else text


class _Columns:
    """Base and patch of one history, side by side."""

    def __init__(self, one: Compared, width: int, paint: Paint) -> None:
        self.one = one
        self.marks = words.marks(one)
        self.half = (width - 3) // 2
        self.paint = paint

    def row(self, left: str, right: str, code: int = 0) -> str:
        """One line of both, in colour @code if it is not 0."""
        text = (f"{cut(left, self.half):<{self.half}} | "
                f"{cut(right, self.half)}").rstrip()
        return self.paint(text, code) if code else text

    def call(self, base: Call | None, patch: Call | None) -> list[str]:
        """A call, and what happened in it on both sides."""
        rows = []
        for pair in words.pairs(base, patch, self.marks):
            found = [self.marks[id(one)].kind for one in pair
                     if id(one) in self.marks]
            mark = _MARK.get(found[0], "!") if found else ""
            lock = "lock" in found
            code = (RED if mark == "-" else BLUE) if mark else 0
            cells = [f"  {mark or ' '} {words.happening(one, lock)}"
                     if one else "" for one in pair]
            rows.append(self.row(cells[0], cells[1], code))
        hit = any(this and this.number in
                  {d.call for d in self.one.differences}
                  for this in (base, patch))
        heads = [(">" if hit else " ") + f"{this.number} {this.step}"
                 + (f" = {this.error}" if this.error else "")
                 if this else "" for this in (base, patch)]
        return [self.row(heads[0], heads[1], BOLD if hit else 0), *rows]

    def lines(self, whole: bool) -> list[str]:
        """The @whole history, or else the calls that differ."""
        differ = {difference.call for difference in self.one.differences}
        return [self.row("base", "patch", DIM),
                *(line for pair in words.calls(self.one)
                  if whole or any(this and this.number in differ
                                  for this in pair)
                  for line in self.call(*pair))]


def steps(one: Compared, width: int) -> list[str]:
    """A history in words: its steps, those that differ between > and <."""
    differ = {difference.call for difference in one.differences}
    told = [f">{call.step}<" if call.number in differ else call.step
            for call in one.base.calls]
    return wrap(", ".join(told), width, 3, 0)


def reads(one: Compared, width: int, paint: Paint) -> list[str]:
    """Who reads what in a history, and the shortest story of it."""
    lines = []
    for found, before, code in ((words.told(one.worse), "", RED),
                                (words.told(one.better), "no longer: ",
                                 GREEN)):
        for sentence in found[:2]:
            lines += [paint(line, code)
                      for line in wrap(before + sentence, width, 3)]
        if len(found) > 2:
            lines.append(f"   and {len(found) - 2} more like this")
    shortest = words.story(one.worse)
    if shortest:
        lines += wrap(f"{shortest.arch}: {'; '.join(shortest.story)}", width,
                      3)[:4]
    if not lines:
        lines.append("   " + ("wrong before and after" if one.patch_wrong
                              else "nobody reads older data"))
    return lines


def block(kind: words.Kind, width: int, paint: Paint, whole: bool) -> list[str]:
    """A kind of difference with its example."""
    one, _ = kind.example
    code = RED if kind.worse else GREEN if kind.better else BOLD
    lines = [paint(line, code) for line in wrap(kind.headline(), width)]
    lines += wrap(one.title, width, 3, 0)
    if not whole:
        lines += steps(one, width)
    if one.differences:
        lines += ["   " + line for line in
                  _Columns(one, width - 3, paint).lines(whole)]
    lines += reads(one, width, paint)
    if kind.place:
        lines += wrap("by " + place_words(kind.place), width, 3)
    return lines


def cost(report: Report, width: int) -> list[str]:
    """What it costs, per access and in all."""
    found = [one for one in words.costs(report) if one.base or one.patch]
    each = [f"{one.what} {one.each(one.base)} -> {one.each(one.patch)} "
            f"({one.percent})" if one.base != one.patch else
            f"{one.what} {one.each(one.base)} as before" for one in found]
    total = [f"{one.what} {one.all(one.base)} -> {one.all(one.patch)}"
             for one in found if one.base != one.patch]
    return wrap(f"cost per access: {', '.join(each) or 'nothing'}"
                + (f"; in all: {', '.join(total)}" if total else ""), width)


def complaints(report: Report, width: int, paint: Paint) -> list[str]:
    """What the kernel complains about with the patch, and did not before."""
    lines = []
    for one in report.complaints[:3]:
        lines += [paint(line, RED) for line in wrap(
            "complaint: " + one.splitlines()[0].strip(), width)]
    if len(report.complaints) > 3:
        lines.append(f"and {len(report.complaints) - 3} more complaints")
    return lines


def blocks(report: Report, width: int, paint: Paint, room: int) -> list[str]:
    """The kinds of differences, as many as fit in @room lines.

    With the whole history if all fit so; or else with the calls that differ; or
    else only named.
    """
    found = words.kinds(report)
    lines = [line for kind in found[:NAMED]
             for line in ["", *block(kind, width, paint, True)]]
    if len(found) <= NAMED and len(lines) <= room:
        return lines
    lines = []
    for number, kind in enumerate(found):
        rest = len(found) - number - 1
        left = room - len(lines) - (rest > 0)
        full = ["", *block(kind, width, paint, False)]
        if len(full) > left - 3 * min(rest, NAMED):
            full = ["", *wrap(kind.headline(), width)]
        if len(full) > left:
            return [*lines, "", f"and {rest + 1} more kinds of differences "
                    "(--html shows all)"]
        lines += full
    return lines


def render(report: Report, width: int, paint: Paint) -> str:
    """The report in lines of @width."""
    code = RED if report.regressed else GREEN
    head = [paint(line, code)
            for line in wrap(words.verdict(report), width, hang=0)]
    if report.empty:
        return "\n".join(head) + "\n"
    head += wrap(f"{report.exporter}, Linux {report.kernel}, {report.patch} "
                 f"against {report.base}", width)
    tail = complaints(report, width, paint)
    tail = ["", *tail, *cost(report, width)] if report.histories else tail
    return "\n".join([
        *head, *blocks(report, width, paint, LINES - len(head) - len(tail)),
        *tail]) + "\n"


def terminal(report: Report) -> str:
    """The report for a terminal."""
    return render(report, TERMINAL, colour)


def mail(report: Report) -> str:
    """The report for a reply: plain, below 72 columns."""
    return render(report, MAIL, _plain)
