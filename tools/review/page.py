# SPDX-License-Identifier: GPL-2.0
"""The report as one HTML file, with pictures: no network, no scripts."""

from collections.abc import Iterable
from dataclasses import dataclass
from html import escape
from pathlib import Path

from review import text, words
from review.findings import Compared, Report
from review.picture import alone, pictures

# How many reads of a history are told at once, groups are listed at the top, of
# each sort are open at first, and histories are linked.
READS, TOP, OPEN, LINKS = 6, 8, 2, 60
STYLE = Path(__file__).with_name("page.css")
_LEGEND = (("sync", "a sync"), ("sync implied", "a sync that a map or unmap "
                                "implies"),
           ("access", "CPU or device reads or writes"), ("lost", "lost"),
           ("added", "added"), ("other", "doubled, or other than before"))


def _list(sentences: Iterable[str], style: str) -> str:
    """A list of @sentences, nothing if there are none."""
    items = "".join(f"<li>{escape(each)}</li>" for each in sentences)
    return f'<ul class="{style}">{items}</ul>' if items else ""


def _cost(report: Report) -> str:
    """The table of costs."""
    rows = "".join(
        f"<tr><th>{one.what}</th><td>{one.each(one.base)}</td><td>"
        f"{one.each(one.patch)}</td><td>{one.percent}</td><td>"
        f"{one.all(one.base)} \u2192 {one.all(one.patch)}</td></tr>"
        for one in words.costs(report))
    return ("<h2>Cost of an access</h2><table><thead><tr><th></th><th>base</th>"
            "<th>patch</th><th>change</th><th>in all histories</th></tr>"
            f"</thead><tbody>{rows}</tbody></table>")


def _complaints(title: str, complaints: list[str]) -> str:
    """What the kernel says, whole."""
    if not complaints:
        return ""
    return f"<h2>{title}</h2>" + "".join(f"<pre>{escape(one)}</pre>"
                                         for one in complaints)


def _legend() -> str:
    """What the arrows mean."""
    keys = "".join(
        f'<span><svg viewBox="0 0 48 14" aria-hidden="true"><g class="{style}">'
        '<path class="arrow" d="M2 7H42"/><path class="tip" d="M46 7l-8 -4.5v9z'
        f'"/></g></svg> {meaning}</span>' for style, meaning in _LEGEND)
    return f'<p class="legend">{keys}</p>'


def _story(one: Compared, read: words.Read | None) -> str:
    """How it comes that old data is read, the shortest way."""
    shortest = words.story(one.worse, read) or words.story(one.better, read)
    if not shortest:
        return ""
    steps = "".join(f"<li>{escape(step)}</li>" for step in shortest.story)
    return (f"<details><summary>How that comes, on {escape(shortest.arch)}"
            f"</summary><ol>{steps}</ol></details>")


def _differences(one: Compared) -> list[str]:
    """What differs in a history, those that are no syncs counted."""
    found = [f"call {each.call}: {each.sentence}" for each in one.differences
             if each.kind != words.MAPPING]
    mappings = words.mappings([one])
    return [*found, mappings] if mappings else found


def _folded(what: str, inside: str) -> str:
    """@inside, to be opened by @what, unless there is none."""
    return f"<details><summary>{what}</summary>{inside}</details>" \
        if inside else ""


def _reads(one: Compared) -> str:
    """Who reads what in a history, not before or no longer."""
    worse, better = words.told(one.worse), words.told(one.better)
    return (_list(worse[:READS], "bad") + _folded(
        f"and {len(worse) - READS} more", _list(worse[READS:], "bad"))
        + _folded(f"better: {len(better)}", _list(better, "good")))


def _shown(one: Compared, number: int, report: Report,
           read: words.Read | None) -> str:
    """A history: what is another, what follows, and both pictures."""
    base, patch = pictures(one, f"p{number}")
    places = dict.fromkeys(text.place_words(each.place)
                           for each in one.differences
                           if each.place and each.kind != words.MAPPING)
    found = _list(_differences(one), "")
    return (
        f'<p>{escape(one.name)}: {escape(one.title)} <a class="dim" '
        f'href="#h{number}">in the table</a></p>' + _reads(one)
        + ("" if one.worse or one.better else
           "<p>" + ("Wrong before and after." if one.patch_wrong else
                    "Nobody reads older data.") + "</p>")
        + _story(one, read)
        + (found if len(one.differences) < READS else
           _folded(words.count(len(one.differences), "difference"), found))
        + _list((f"by {place}" for place in places), "places")
        + f'<div class="pair"><figure><figcaption>base: {escape(report.base)}'
        f"</figcaption>{base}</figure><figure><figcaption>patch: "
        f"{escape(report.patch)}</figcaption>{patch}</figure></div>")


@dataclass
class _Section:
    """A group of the page: what it says, its example, where else it is so."""

    style: str
    headline: str
    rows: list[str]     # what is told of each of its rows
    example: Compared
    read: words.Read | None
    histories: list[Compared]


def _sections(report: Report) -> list[tuple[str, list[_Section]]]:
    """All groups, with a title: what follows before what differs."""
    found = []
    for title, style, those in (
            ("Worse: somebody reads older data", "bad",
             words.groups(report, True)),
            ("Better: what is read no longer", "good",
             words.groups(report, False))):
        found.append((title, [_Section(
            style, group.headline(), [
                f"{row.name}: {row.title}; {row.whom()}: {row.what(0)}"
                + (f" ({row.rest()})" if row.rest() else "")
                for row in group.rows], group.first.example, group.first.read,
            [told.one for row in group.rows for told in row.alike])
            for group in those]))
    found.append(("Syncs that differ, in so many histories", [_Section(
        "", one.headline(), [], one.example[0], None, one.histories)
        for one in words.syncs(report)]))
    return [pair for pair in found if pair[1]]


class _Page:
    """Writes the groups: at the top a list of all, then each with pictures."""

    def __init__(self, report: Report) -> None:
        self.report = report
        self.numbers = {id(one): number for number, one in
                        enumerate(report.histories, 1)}
        self.sections = _sections(report)
        self.drawn: set[int] = set()

    def top(self) -> str:
        """What there is, in a sentence each."""
        parts = []
        number = 0
        for title, sections in self.sections:
            items = []
            for section in sections:
                number += 1
                items.append(
                    f'<li class="{section.style}"><a href="#g{number}">'
                    f"{escape(section.headline)}</a></li>")
            more = "".join(items[TOP:])
            parts.append(f"<h2>{title}</h2><ul>{''.join(items[:TOP])}</ul>"
                         + _folded(f"and {len(items) - TOP} more",
                                   more and f"<ul>{more}</ul>"))
        counted = [line for line in (
            words.only_data(self.report),
            words.mappings(self.report.histories)) if line]
        return "".join([*parts, *(f"<p>{line}</p>" for line in counted)])

    def _links(self, histories: list[Compared]) -> str:
        """Where else it is so, by name, the first of many."""
        names = [f'<a href="#h{self.numbers[id(one)]}">{escape(one.name)}</a>'
                 for one in histories]
        if len(names) > LINKS:
            names = [*names[:LINKS], f"{len(names) - LINKS} more"]
        return _folded(f"in {words.histories(len(histories))}",
                       f"<p>{', '.join(names)}</p>")

    def _group(self, number: int, section: _Section, is_open: bool) -> str:
        """A group with its example, unless that is drawn already."""
        one = section.example
        at = self.numbers[id(one)]
        if at in self.drawn:
            shown = f'<p>As in <a href="#d{at}">{escape(one.name)}</a>.</p>'
        else:
            self.drawn.add(at)
            shown = (f'<div id="d{at}">'
                     f"{_shown(one, at, self.report, section.read)}</div>")
        return (f'<details id="g{number}"{" open" if is_open else ""}>'
                f'<summary class="{section.style}">{escape(section.headline)}'
                "</summary>" + _list(section.rows[:1], "")
                + _folded(f"and in {len(section.rows) - 1} more rows",
                          _list(section.rows[1:], ""))
                + self._links(section.histories) + shown + "</details>")

    def groups(self) -> str:
        """All groups, of each sort the first ones open."""
        parts = []
        number = 0
        for title, sections in self.sections:
            parts.append(f"<h2>{title}, with examples</h2>")
            for at, section in enumerate(sections):
                number += 1
                parts.append(self._group(number, section, at < OPEN))
        return "".join(parts)

    def table(self) -> str:
        """All histories."""
        rows = "".join(_row(one, number, number in self.drawn)
                       for number, one in enumerate(self.report.histories, 1))
        return ('<h2>All histories</h2><table class="all"><thead><tr><th>name'
                "</th><th>what happens</th><th>differences</th><th>consequence"
                f"</th><th>cost</th></tr></thead><tbody>{rows}</tbody></table>")


def _row(one: Compared, number: int, drawn: bool) -> str:
    """A history in the table of all."""
    name = escape(one.name)
    if drawn:
        name = f'<a href="#d{number}">{name}</a>'
    differences = "; ".join(_differences(one))
    follows = words.consequence(one)
    style = "bad" if one.worse else "good" if one.better else ""
    before, after = one.base_cost, one.patch_cost
    cost = f"{before.syncs} syncs, {words.size(before.maintained)}"
    if before != after:
        cost += f" \u2192 {after.syncs} syncs, {words.size(after.maintained)}"
    return (f'<tr id="h{number}"><td>{name}</td><td>{escape(one.title)}</td>'
            f'<td>{escape(differences)}</td><td class="{style}">{follows}</td>'
            f'<td class="number">{cost}</td></tr>')


def to_html(report: Report) -> str:
    """The whole page."""
    style = "bad" if report.regressed else "good"
    subject = (f"{report.exporter}, Linux {report.kernel}: {report.patch} "
               f"against {report.base}")
    parts = [
        '<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8"><meta '
        'name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{escape(subject)}</title><style>\n{STYLE.read_text()}</style>"
        f"</head><body><h1>{escape(subject)}</h1><p class=\"verdict {style}\">"
        f"{escape(words.verdict(report))}</p>"]
    parts.append(_complaints("The kernel complains, and did not before",
                             report.complaints))
    page = _Page(report)
    parts.append(page.top())
    if report.histories:
        parts.append(_cost(report))
    if page.sections:
        parts.append(_legend())
    parts.append(page.groups())
    if report.histories:
        parts.append(page.table())
    parts.append(_complaints("The kernel complains about the base as well",
                             report.base_complaints))
    return "\n".join(part for part in parts if part) + "\n</body></html>\n"


def to_svg(report: Report) -> str:
    """The picture of the first example; nothing if nothing differs."""
    sections = _sections(report)
    return alone(sections[0][1][0].example, STYLE.read_text()) if sections else ""
