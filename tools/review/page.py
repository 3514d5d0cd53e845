# SPDX-License-Identifier: GPL-2.0
"""The report as one HTML file, with pictures: no network, no scripts."""

from collections.abc import Iterable
from html import escape
from pathlib import Path

from review import text, words
from review.findings import Compared, Report
from review.picture import pictures

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


def _story(one: Compared) -> str:
    """How it comes that old data is read, the shortest way."""
    shortest = words.story(one.worse)
    if not shortest:
        return ""
    steps = "".join(f"<li>{escape(step)}</li>" for step in shortest.story)
    return (f"<details><summary>How that comes, on {escape(shortest.arch)}"
            f"</summary><ol>{steps}</ol></details>")


def _shown(one: Compared, number: int, report: Report) -> str:
    """A history: what is another, what follows, and both pictures."""
    base, patch = pictures(one, f"p{number}")
    places = dict.fromkeys(text.place_words(each.place)
                           for each in one.differences if each.place)
    return (
        f'<p>{escape(one.title)} <a class="dim" href="#h{number}">in the '
        "table</a></p>" + _list((each.words for each in one.differences), "")
        + _list(words.told(one.worse), "bad")
        + _list((f"no longer: {line}" for line in words.told(one.better)),
                "good")
        + ("" if one.worse or one.better else
           "<p>" + ("Wrong before and after." if one.patch_wrong else
                    "Nobody reads older data.") + "</p>")
        + _story(one)
        + "".join(f"<p>by <code>{escape(place)}</code></p>"
                  for place in places)
        + f'<div class="pair"><figure><figcaption>base: {escape(report.base)}'
        f"</figcaption>{base}</figure><figure><figcaption>patch: "
        f"{escape(report.patch)}</figcaption>{patch}</figure></div>")


def _kind(kind: words.Kind, numbers: dict[int, int], drawn: set[int],
          report: Report) -> str:
    """A kind: its example drawn, others with a consequence folded.

    What is @drawn already is only linked.
    """
    example = kind.example[0]
    parts = [f"<section><h2>{escape(kind.headline())}</h2>"]
    linked = []
    for one in [example, *(one for one in kind.histories
                           if one is not example)]:
        number = numbers[id(one)]
        matters = one is example or one.worse or one.better
        if number in drawn or not matters:
            linked.append(f'<a href="#{"d" if number in drawn else "h"}'
                          f'{number}">{escape(one.name)}</a>')
            continue
        drawn.add(number)
        shown = _shown(one, number, report)
        parts.append(
            f'<div id="d{number}"><h3>{escape(one.name)}</h3>{shown}</div>'
            if one is example else
            f'<details id="d{number}"><summary>{escape(one.name)}: '
            f"{words.consequence(one)}</summary>{shown}</details>")
    if linked:
        parts.append(f"<details{'' if len(linked) > 8 else ' open'}><summary>"
                     f"also in {words.histories(len(linked))}</summary><p>"
                     f"{', '.join(linked)}</p></details>")
    return "".join([*parts, "</section>"])


def _row(one: Compared, number: int, drawn: bool) -> str:
    """A history in the table of all."""
    name = escape(one.name)
    if drawn:
        name = f'<a href="#d{number}">{name}</a>'
    differences = "; ".join(each.words for each in one.differences)
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
    drawn: set[int] = set()
    numbers = {id(one): number for number, one in
               enumerate(report.histories, 1)}
    found = words.kinds(report)
    if report.histories:
        parts.append(_cost(report))
    if found:
        parts.append("<h2>What differs</h2>" + _legend())
    parts += [_kind(kind, numbers, drawn, report) for kind in found]
    if report.histories:
        rows = "".join(_row(one, number, number in drawn) for number, one in
                       enumerate(report.histories, 1))
        parts.append(
            '<h2>All histories</h2><table class="all"><thead><tr><th>name</th>'
            "<th>what happens</th><th>differences</th><th>consequence</th>"
            f"<th>cost</th></tr></thead><tbody>{rows}</tbody></table>")
    parts.append(_complaints("The kernel complains about the base as well",
                             report.base_complaints))
    return "\n".join(part for part in parts if part) + "\n</body></html>\n"
