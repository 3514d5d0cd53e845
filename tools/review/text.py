# SPDX-License-Identifier: GPL-2.0
"""The report for a terminal, and for a reply by mail.

Both are the same lines: a verdict, then at most a screen. What does not fit is
counted, and --html has it.
"""

import textwrap
from collections.abc import Callable
from functools import partial

from fanout.host import colour
from review import words
from review.findings import Compared, Place, Report
from review.record import Call, Moved

LINES = 44
TERMINAL = 80
MAIL = 71
# How many groups are at least named: worse, better, syncs.
NAMED = 2
BETTER = 2
SYNCS = 6
# How many have their example, and of how many lines.
EXAMPLES = 2
MOMENTS = 10
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
    text = f"{place.file}:{place.line}"
    if place.function:
        text += f", in {place.function}()"
    sign, line = place.text[:1], place.text[1:].strip()
    if sign not in "+-":
        sign, line = "", place.text.strip()
    return f"{text}: {sign}{line}" if line else text


class _Columns:
    """Base and patch of one history, side by side."""

    def __init__(self, one: Compared, width: int, paint: Paint) -> None:
        self.one = one
        self.marks = words.marks(one)
        self.moments = words.moments(one)
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
        for pair in words.pairs(base, patch, self.marks, True):
            found = [self.marks[id(one)].kind for one in pair
                     if id(one) in self.marks]
            if found:
                mark = _MARK.get(found[0], "!")
            elif any(isinstance(one, Moved) for one in pair) and \
                    None in pair:
                mark = "+" if pair[0] is None else "-"
            else:
                mark = " "
            code = 0 if mark == " " else RED if mark == "-" else BLUE
            cells = [f"  {mark} {words.happening(one, *found[:1])}"
                     if one else "" for one in pair]
            rows.append(self.row(cells[0], cells[1], code))
        heads = [f">{this.number} {this.step}"
                 + (f" = {this.error}" if this.error else "")
                 if this else "" for this in (base, patch)]
        return [self.row(heads[0], heads[1], BOLD), *rows]

    def lines(self, last: int) -> list[str]:
        """The calls that differ, up to call @last; of many those next to it."""
        shown: list[list[str]] = []
        for pair in words.calls(self.one):
            number = next(this.number for this in pair if this)
            if number in self.moments and number <= last:
                shown.append(self.call(*pair))
        while len(shown) > 1 and sum(map(len, shown)) > MOMENTS:
            del shown[0]
        return [self.row("base", "patch", DIM),
                *(line for lines in shown for line in lines)]


def example(one: Compared, last: int, width: int, paint: Paint) -> list[str]:
    """A history in words, and where it differs, up to call @last."""
    moments = words.moments(one)
    steps = [f">{call.step}<" if call.number in moments else call.step
             for call in one.base.calls]
    lines = wrap(f"{one.name}: {', '.join(steps)}", width, 3)
    if moments:
        lines += ["   " + line for line in
                  _Columns(one, width - 3, paint).lines(last)]
    return lines


def group(one: words.Group, width: int, paint: Paint, whole: bool) \
        -> list[str]:
    """What becomes worse or better in rows of the battery; @whole: with the
    first one's example.
    """
    row = one.first
    code = RED if row.is_worse else GREEN
    if not whole:
        return [paint(line, code)
                for line in wrap(one.headline(), width, 2)]
    rest = row.rest()
    lines = wrap(f"{row.name}: {row.title}; {row.whom()}"
                 + (f" ({rest})" if rest else ""), width, 2)
    lines += wrap(row.what(), width, 3)
    lines = [paint(line, code) for line in lines]
    lines += example(row.example, row.call, width, paint)
    story = words.story(row.example.worse if row.is_worse else
                        row.example.better, row.read)
    if story:
        lines += wrap(f"{'' if row.is_worse else 'before, '}{story.arch}: "
                      f"{'; '.join(story.story)}", width, 3)[:3]
    if row.place:
        lines += wrap("by " + place_words(row.place), width, 3)
    if one.rows[1:]:
        lines += wrap("and so in " + words.listed(
            [each.name for each in one.rows[1:]], 5), width, 3)
    return lines


def sync(one: words.Syncs, width: int, paint: Paint, whole: bool) -> list[str]:
    """A difference in syncs; @whole: with its example."""
    if not whole:
        return [cut("  " + one.headline(), width)]
    history, difference = one.example
    lines = [paint(line, BOLD) for line in wrap(one.headline(), width, 2)]
    lines += example(history, len(history.base.calls) + 1, width, paint)
    if difference.place:
        lines += wrap("by " + place_words(difference.place), width, 3)
    return lines


Block = Callable[[bool], list[str]]


def section(title: str, blocks: list[Block], room: int, whole: int) \
        -> list[str]:
    """@blocks below @title in @room lines, the first @whole with an example."""
    lines = [title]
    for number, block in enumerate(blocks):
        rest = len(blocks) - number - 1
        full = block(True) if number < whole else []
        if not full or len(lines) + len(full) + 2 * min(rest, NAMED) > room:
            full = block(False)
        if len(lines) + len(full) + (rest > 0) > room:
            return [*lines, f"  and {rest + 1} more (--html shows all)"]
        lines += full
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


def _groups(report: Report, worse: bool, width: int, paint: Paint, room: int,
            whole: int) -> list[str]:
    """What is worse, or better, if anything is."""
    found = words.groups(report, worse)
    if not found:
        return []
    title = "WORSE, somebody reads older data:" if worse else \
        "BETTER, what is read no longer:"
    return ["", *section(
        title, [partial(group, one, width, paint) for one in found],
        room - 1, whole)]


def _syncs(report: Report, width: int, paint: Paint, room: int, whole: int) \
        -> list[str]:
    """Which syncs are others; maps and unmaps without one are counted."""
    found = words.syncs(report)
    counted = [line for line in (words.only_data(report),
                                 words.mappings(report.histories)) if line]
    if not found and not counted:
        return []
    title = "SYNCS that differ, in so many histories:" if found else \
        "Otherwise:"
    lines = section(title,
                    [partial(sync, one, width, paint) for one in found],
                    room - 1 - len(counted), whole)
    return ["", *lines, *(line for one in counted
                          for line in wrap(one, width, 2))]


def render(report: Report, width: int, paint: Paint) -> str:
    """The report in lines of @width: what follows, then what differs.

    What is worse has the room that the rest leaves, and only what comes first
    has its example.
    """
    code = RED if report.regressed else GREEN
    head = [paint(line, code)
            for line in wrap(words.verdict(report), width, hang=0)]
    if report.empty:
        return "\n".join(head) + "\n"
    head += wrap(f"{report.exporter}, Linux {report.kernel}, {report.patch} "
                 f"against {report.base}", width)
    tail = complaints(report, width, paint)
    tail = ["", *tail, *cost(report, width)] if report.histories else tail
    room = LINES - len(head) - len(tail)
    worse = bool(words.groups(report, True))
    better = bool(words.groups(report, False))
    syncs = _syncs(report, width, paint, SYNCS + 4 if worse or better else
                   room, 0 if worse or better else EXAMPLES)
    good = _groups(report, False, width, paint, 2 * BETTER + 3 if worse else
                 room - len(syncs), 0 if worse else EXAMPLES)
    bad = _groups(report, True, width, paint, room - len(good) - len(syncs),
                EXAMPLES)
    return "\n".join([*head, *bad, *good, *syncs, *tail]) + "\n"


def terminal(report: Report) -> str:
    """The report for a terminal."""
    return render(report, TERMINAL, colour)


def mail(report: Report) -> str:
    """The report for a reply: plain, below 72 columns."""
    return render(report, MAIL, _plain)
