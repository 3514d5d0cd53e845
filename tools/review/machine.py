# SPDX-License-Identifier: GPL-2.0
"""The report for programs: JSON, KTAP, JUnit's XML, and b4's check results.

JSON, format 1; keys are only ever added:

    format          1
    verdict         one line
    regressed, improved, changed, empty
    exporter, kernel, base, patch
    complaints, base_complaints
    cost            {base, patch}: {syncs, maintained, bounced}, summed
    worse, better   [{words, where, rows: [names], histories: [names], example}]
    syncs           [{kind, words, reason, histories: number, example}]
    places          [{file, line, function, text}]: of the patch
    histories       [{name, title, consequence, differences, base_cost,
                    patch_cost, worse, better, base_wrong, patch_wrong}]:
                    the last two are whether anybody reads old data at all
    difference      {kind, call, words, reason, place: its number or null}
    worse, better   of a history: [{reader, place, value, promised, settled,
                    archs}]
    examples        {name: {base, patch}}: records of the examples of groups
    base, patch     {devices: [{name, kind, direction}],
                    calls: [{number, step, error, happened: [...]}]}
    happened        {type: event|moved|used|views, ...}: the fields of
                    review/record.py but the stack; views: {views: {reader:
                    [values]}}
"""

import json
import re
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any
from xml.etree import ElementTree as xml

from review import text, words
from review.findings import Compared, Cost, Place, Report, Wrong
from review.record import Call, Event, History, Moved, Used

TOOL = "udmabuf-fanout-review"
# A test of its own: it can fail when no history does.
COMPLAINTS = "kernel_complaints"


def _happened(call: Call) -> list[dict[str, Any]]:
    """What happened in @call, each with its type."""
    return [{"type": type(one).__name__.lower(),
             **{name: value for name, value in asdict(one).items()
                if name != "stack"}}
            if isinstance(one, (Event, Moved, Used)) else
            {"type": "views", "views": one} for one in call.happened]


def _history(history: History) -> dict[str, Any]:
    """A record."""
    return {"devices": [asdict(device) for device in history.devices],
            "calls": [{"number": call.number, "step": call.step,
                       "error": call.error, "happened": _happened(call)}
                      for call in history.calls]}


def _reads(wrongs: Sequence[Wrong]) -> list[dict[str, Any]]:
    """Who reads what, on which machines."""
    return [{**asdict(one.read), "settled": one.settled,
             "archs": sorted(one.archs)} for one in words.reads(wrongs)]


def _compared(one: Compared, places: dict[Place, int]) -> dict[str, Any]:
    """A history, base against patch, without the records."""
    return {"name": one.name, "title": one.title,
            "consequence": words.consequence(one),
            "differences": [{
                "kind": each.kind, "call": each.call, "words": each.words,
                "reason": each.reason, "place": places.setdefault(
                    each.place, len(places)) if each.place else None}
                for each in one.differences],
            "base_cost": asdict(one.base_cost),
            "patch_cost": asdict(one.patch_cost),
            "worse": _reads(one.worse), "better": _reads(one.better),
            "base_wrong": bool(one.base_wrong),
            "patch_wrong": bool(one.patch_wrong)}


def _group(group: words.Group) -> dict[str, Any]:
    """What becomes worse or better in some rows."""
    return {"words": group.headline(0), "where": group.first.what(0),
            "rows": [row.name for row in group.rows],
            "histories": [told.one.name for row in group.rows
                          for told in row.alike],
            "example": group.first.example.name}


def _sync(one: words.Syncs) -> dict[str, Any]:
    """A difference in syncs, in how many histories."""
    return {"kind": one.happens, "words": one.words, "reason": one.reason,
            "histories": len(one.histories), "example": one.example[0].name}


def to_json(report: Report) -> str:
    """All of it; the keys are told above. A history is a line."""
    cost = {side: asdict(sum((getattr(one, f"{side}_cost")
                              for one in report.histories), Cost()))
            for side in ("base", "patch")}
    places: dict[Place, int] = {}
    compared = [_compared(one, places) for one in report.histories]
    both = [*words.groups(report, True), *words.groups(report, False)]
    shown = [*(group.first.example for group in both),
             *(one.example[0] for one in words.syncs(report))]
    found: dict[str, Any] = {
        "format": 1, "verdict": words.verdict(report),
        "regressed": report.regressed, "improved": report.improved,
        "changed": report.changed, "empty": report.empty,
        "exporter": report.exporter, "kernel": report.kernel,
        "base": report.base, "patch": report.patch,
        "complaints": report.complaints,
        "base_complaints": report.base_complaints, "cost": cost,
        "worse": [_group(each) for each in words.groups(report, True)],
        "better": [_group(each) for each in words.groups(report, False)],
        "syncs": [_sync(each) for each in words.syncs(report)],
        "places": [asdict(place) for place in places],
        "histories": compared,
        "examples": {one.name: {"base": _history(one.base),
                                "patch": _history(one.patch)}
                     for one in shown}}
    return "{\n" + ",\n".join(
        f"{json.dumps(key)}: {_lines(value)}" for key, value in found.items()) \
        + "\n}\n"


def _lines(value: Any) -> str:
    """@value as JSON, what a list holds on a line each."""
    if not isinstance(value, list):
        return json.dumps(value, ensure_ascii=False)
    return "[" + ",\n ".join(json.dumps(one, ensure_ascii=False)
                             for one in value) + "]"


def _printable(line: str) -> str:
    """@line without what XML does not allow and a terminal obeys."""
    return re.sub(r"[^\t -~\xa0-\ud7ff\ue000-\ufffd]", "?", line)


def _says(one: Compared) -> list[str]:
    """What there is to say about a history, a line each."""
    lines = []
    for each in one.differences:
        if each.kind == words.MAPPING:
            continue
        lines.append(f"call {each.call}: {each.sentence}")
        if each.place:
            lines.append(f"by {text.place_words(each.place)}")
    mappings = words.mappings([one])
    if mappings:
        lines.append(mappings)
    lines += words.told(one.worse)
    lines += [f"no longer: {line}" for line in words.told(one.better)]
    if lines:
        lines.insert(0, one.title)
    return [_printable(line) for line in lines]


def _complaints(report: Report) -> list[str]:
    """The lines of what the kernel complains about."""
    return [_printable(line) for one in report.complaints
            for line in one.splitlines()]


def _tests(report: Report) -> list[tuple[str, bool, list[str]]]:
    """Name, result and words of each test: the histories, and complaints."""
    if report.empty:
        return []
    return [*((one.name, not one.worse, _says(one))
              for one in report.histories),
            (COMPLAINTS, not report.complaints, _complaints(report))]


def to_ktap(report: Report) -> str:
    """KTAP, version 1 (Documentation/dev-tools/ktap.rst).

    A test for each history, and one for what the kernel complains about; each
    line that it says is before its result, with its name as KUnit does it.
    """
    tests = _tests(report)
    plan = f"1..{len(tests)}"
    if not tests:
        plan += f" # SKIP {words.verdict(report)}"
    lines = ["KTAP version 1", plan]
    for number, (name, passed, says) in enumerate(tests, 1):
        name = re.sub(r"[#\s]+", "_", _printable(name))
        lines += [f"# {name}: {line}" for line in says]
        lines.append(f"{'ok' if passed else 'not ok'} {number} {name}")
    good = sum(passed for _, passed, _ in tests)
    lines.append(f"# Totals: pass:{good} fail:{len(tests) - good} skip:0")
    return "\n".join(lines) + "\n"


def to_junit(report: Report) -> str:
    """JUnit's XML: a testcase for each test of to_ktap()."""
    tests = _tests(report)
    failures = sum(not passed for _, passed, _ in tests)
    suite = xml.Element("testsuite", name=f"review {report.exporter}",
                        tests=str(len(tests)), failures=str(failures),
                        errors="0", skipped="0")
    for name, passed, says in tests:
        case = xml.SubElement(suite, "testcase", name=_printable(name),
                              classname=f"review.{report.exporter}")
        if not passed:
            worse = next((words.told(one.worse) for one in report.histories
                          if one.worse and one.name == name), says)
            failure = xml.SubElement(case, "failure",
                                     message=_printable(worse[0]))
            failure.text = "\n".join(says)
        elif says:
            xml.SubElement(case, "system-out").text = "\n".join(says)
    xml.SubElement(suite, "system-out").text = _printable(
        words.verdict(report))
    xml.indent(suite)
    return '<?xml version="1.0" encoding="UTF-8"?>\n' \
        + xml.tostring(suite, encoding="unicode") + "\n"


def b4_result(status: str, summary: str, details: str = "") -> str:
    """What b4 expects of a check command: an array of results, here of one.

    As "Writing an external check script" in b4's documentation has it
    (docs/maintainer/review.rst of b4 0.15; misc/review-ci-example.py beside
    it): tool and status (pass, warn or fail) are required; summary is one line,
    details are many, url is optional and left out. An exit status other than 0
    only counts if nothing was printed.
    """
    result = {"tool": TOOL, "status": status, "summary": summary}
    if details:
        result["details"] = details
    return json.dumps([result], indent=2) + "\n"


def to_b4(report: Report) -> str:
    """The report as b4's result.

    What differs without a consequence is a warning only if it costs more.
    """
    dearer = report.changed and words.dearer(report)
    status = "fail" if report.regressed else "warn" if dearer else "pass"
    return b4_result(status, words.verdict(report), text.mail(report))
