# SPDX-License-Identifier: GPL-2.0
"""The report for programs: JSON, KTAP, JUnit's XML, and b4's check results.

JSON, format 1; keys are only ever added:

    format          1
    verdict         one line
    regressed, improved, changed, empty
    exporter, kernel, base, patch
    complaints, base_complaints
    cost            {base, patch}: {syncs, maintained, bounced}, summed
    kinds           [{words, histories, worse, better, example}]: names
    histories       [{name, title, consequence, differences, base_cost,
                    patch_cost, base_wrong, patch_wrong, worse, better, base,
                    patch}]
    difference      {kind, call, words, base, patch, place}
    place           {file, line, function, text} or null
    wrong           {arch, state, call, reader, place, value, promised, story}
    history's base, patch
                    {devices: [{name, kind, direction}],
                    calls: [{number, step, error, happened: [...]}]}
    happened        {type: event|moved|used|views, ...}: the fields of
                    review/record.py; views: {views: {reader: [values]}}
"""

import json
import re
from dataclasses import asdict
from typing import Any
from xml.etree import ElementTree as xml

from review import text, words
from review.findings import Compared, Cost, Report
from review.record import Call, Event, History, Moved, Used

TOOL = "udmabuf-fanout-review"
# A test of its own: it can fail when no history does.
COMPLAINTS = "kernel_complaints"


def _happened(call: Call) -> list[dict[str, Any]]:
    """What happened in @call, each with its type."""
    return [{"type": type(one).__name__.lower(), **asdict(one)}
            if isinstance(one, (Event, Moved, Used)) else
            {"type": "views", "views": one} for one in call.happened]


def _history(history: History) -> dict[str, Any]:
    """A record."""
    return {"devices": [asdict(device) for device in history.devices],
            "calls": [{"number": call.number, "step": call.step,
                       "error": call.error, "happened": _happened(call)}
                      for call in history.calls]}


def _compared(one: Compared) -> dict[str, Any]:
    """A history, base against patch."""
    wrongs = {name: [asdict(wrong) for wrong in those] for name, those in (
        ("base_wrong", one.base_wrong), ("patch_wrong", one.patch_wrong),
        ("worse", one.worse), ("better", one.better))}
    return {"name": one.name, "title": one.title,
            "consequence": words.consequence(one),
            "differences": [asdict(each) for each in one.differences],
            "base_cost": asdict(one.base_cost),
            "patch_cost": asdict(one.patch_cost), **wrongs,
            "base": _history(one.base), "patch": _history(one.patch)}


def _kind(kind: words.Kind) -> dict[str, Any]:
    """A kind of difference, with the names of its histories."""
    return {"words": kind.words, "example": kind.example[0].name,
            **{key: [one.name for one in those] for key, those in (
                ("histories", kind.histories), ("worse", kind.worse),
                ("better", kind.better))}}


def to_json(report: Report) -> str:
    """All of it; the keys are told above."""
    cost = {side: asdict(sum((getattr(one, f"{side}_cost")
                              for one in report.histories), Cost()))
            for side in ("base", "patch")}
    return json.dumps({
        "format": 1, "verdict": words.verdict(report),
        "regressed": report.regressed, "improved": report.improved,
        "changed": report.changed, "empty": report.empty,
        "exporter": report.exporter, "kernel": report.kernel,
        "base": report.base, "patch": report.patch,
        "complaints": report.complaints,
        "base_complaints": report.base_complaints, "cost": cost,
        "kinds": [_kind(kind) for kind in words.kinds(report)],
        "histories": [_compared(one) for one in report.histories],
    }, indent=1, ensure_ascii=False) + "\n"


def _printable(line: str) -> str:
    """@line without what XML does not allow and a terminal obeys."""
    return re.sub(r"[^\t -~\xa0-\ud7ff\ue000-\ufffd]", "?", line)


def _says(one: Compared) -> list[str]:
    """What there is to say about a history, a line each."""
    lines = []
    for each in one.differences:
        lines.append(f"call {each.call}: {each.words}")
        if each.place:
            lines.append(f"by {text.place_words(each.place)}")
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
