# SPDX-License-Identifier: GPL-2.0
"""Finds in a kernel's console log what belongs to which KUnit test.

A test says everything before its own result line, and after the one before
(Documentation/dev-tools/ktap.rst). Some tests here run another one inside that
fails on purpose; its lines begin with its own name, and so can be told apart.
"""

import re
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from fanout.logscan import TIME

_RESULT = re.compile(r"(not )?ok \d+(?: -)? (.*?)(?: # (SKIP)(?: (.*))?)?$")
_SUBTEST = re.compile(r"# Subtest: (\S+)$")
_SAYS = re.compile(r"# ([^\s:]+): ?(.*)$")
# How many lines of one test are shown.
MOST = 24


@dataclass(frozen=True)
class Result:
    """A test's end: a case, one of its parameters, or a whole suite."""

    name: str                   # suite.case, with .parameter behind it
    passed: bool
    lines: tuple[str, ...]      # that it said, without those of tests inside
    skipped: str | None = None  # why; None if it ran


def _own(lines: Iterable[str], case: str) -> tuple[str, ...]:
    """What test @case itself says in @lines, without its name before it."""
    found = []
    others = False
    for line in lines:
        says = _SAYS.match(line.strip())
        if says:
            others = says[1] != case
        if not others:
            found.append(says[2] if says else line.rstrip())
    return tuple(found)


def _unstamped(log: Iterable[str]) -> Iterator[tuple[int, str]]:
    """Each line of @log without its time, and how deep in tests it stands."""
    for line in log:
        text = TIME.sub("", line.rstrip(), count=1)
        yield (len(text) - len(text.lstrip())) // 4, text


def results(log: Iterable[str]) -> list[Result]:
    """Every result in @log, in its order: parameters before their case."""
    found: list[Result] = []
    names: dict[int, str] = {}
    said: list[str] = []
    for depth, text in _unstamped(log):
        if subtest := _SUBTEST.match(text.strip()):
            names[depth] = subtest[1]
            said = []
        elif result := _RESULT.match(text.strip()):
            path = [*(names.get(at, "?") for at in range(1, depth + 1)),
                    result[2]]
            case = path[1] if len(path) > 1 else path[0]
            found.append(Result(
                ".".join(path), not result[1], _own(said, case),
                (result[4] or "no reason given") if result[3] else None))
            said = []
        else:
            said.append(text)
    return found


def cut_short(log: Iterable[str]) -> Result | None:
    """What was running when @log ends, if it ends within a suite.

    A case is only named when it is over, so it is that suite, and what was
    said since its last result.
    """
    running: dict[int, str] = {}
    said: list[str] = []
    for depth, text in _unstamped(log):
        subtest = _SUBTEST.match(text.strip())
        if subtest or _RESULT.match(text.strip()):
            running = {at: name for at, name in running.items()
                       if at < depth + (not subtest)}
            if subtest:
                running[depth] = subtest[1]
            said = []
        else:
            said.append(text)
    return Result(".".join(running.values()), False, tuple(said)) \
        if running else None


def leaves(found: Iterable[Result]) -> list[Result]:
    """Those of @found that are no sum of others: a suite is one of its cases."""
    kept: list[Result] = []
    above: set[str] = set()
    for result in found:
        if result.name not in above:
            kept.append(result)
        names = result.name.split(".")
        above |= {".".join(names[:end]) for end in range(1, len(names))}
    return kept


def failed(found: Iterable[Result]) -> list[Result]:
    """Those of @found that failed by themselves, not because a part did."""
    bad: list[Result] = []
    for result in found:
        if not result.passed and not any(
                other.name.startswith(f"{result.name}.") for other in bad):
            bad.append(result)
    return bad


def shortened(lines: Iterable[str]) -> list[str]:
    """@lines, with the middle left out if they are more than MOST."""
    lines = list(lines)
    if len(lines) <= MOST:
        return lines
    half = MOST // 2
    return [*lines[:half], f"... {len(lines) - 2 * half} lines ...",
            *lines[-half:]]


def why_skipped(found: Iterable[Result]) -> list[str]:
    """Why tests were skipped, how often each; numbers do not tell apart."""
    reasons: Counter[str] = Counter()
    first: dict[str, str] = {}
    for result in leaves(found):
        if result.skipped is not None:
            kind = re.sub(r"\d+", "#", result.skipped)
            first.setdefault(kind, result.skipped)
            reasons[kind] += 1
    return [f"{number} skipped: {first[kind]}"
            for kind, number in reasons.most_common()]
