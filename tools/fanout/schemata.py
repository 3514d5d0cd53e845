# SPDX-License-Identifier: GPL-2.0
"""Puts many small mistakes into one C file, to be chosen at run time.

A mutant is a change within functions, written as in a diff. Each function that
mutants change is there once as it was and once for each of them, and under its
own name stands one that calls the one that is wanted: a mutant schema (Untch,
Offutt, Harrold: Mutation analysis using mutant schemata, 1993). So all mutants
take one build.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from fanout.host import Failure

# Says which mutant is wanted, 0 for none, and hears when it is met.
PROLOGUE = "extern int fanout_mutant;\nvoid fanout_mutant_met(void);\n\n"
EPILOGUE = """
int fanout_mutant;
module_param_named(mutant, fanout_mutant, int, 0444);

void fanout_mutant_met(void)
{
	pr_notice_once("mutant %d was met\\n", fanout_mutant);
}
"""

_HEAD = re.compile(r"# (?P<name>[a-z0-9-]+): (?P<rule>[^:]+): (?P<text>.+)")
# Kernel style: only a function's braces stand at the margin with nothing else.
_FUNCTION = re.compile(r"^(?P<before>\w[^\n;{}(]*?)(?P<name>\w+)"
                       r"\((?P<parameters>[^;{}]*)\)\n"
                       r"(?P<body>\{\n.*?^\}\n)", re.MULTILINE | re.DOTALL)


@dataclass(frozen=True)
class Hunk:
    """A change in one function."""

    function: str
    lines: tuple[str, ...]      # as in a diff

    def text(self, left_out: str) -> str:
        """The lines, without those marked by @left_out."""
        return "".join(f"{line[1:]}\n" for line in self.lines
                       if line[:1] != left_out)


@dataclass(frozen=True)
class Mutant:
    """A small mistake."""

    number: int
    name: str
    rule: str           # that it breaks: H1 to H20, or what goes wrong
    text: str
    file: str           # in driver/
    hunks: tuple[Hunk, ...]

    def __str__(self) -> str:
        """As it is written in the list."""
        return "\n".join([
            f"# {self.name}: {self.rule}: {self.text}",
            *(line for hunk in self.hunks
              for line in (f"@@ {hunk.function}", *hunk.lines))])


def read_list(text: str, file: str, first: int) -> list[Mutant]:
    """The mutants of driver/@file that @text lists, numbered from @first."""
    found: list[Mutant] = []
    hunks: list[tuple[str, list[str]]] = []

    def finish() -> None:
        if found:
            old = found.pop()
            found.append(Mutant(
                old.number, old.name, old.rule, old.text, file,
                tuple(Hunk(name, tuple(lines)) for name, lines in hunks)))
            for hunk in found[-1].hunks:
                if hunk.text("+") == hunk.text("-"):
                    raise Failure(f"mutant {old.name} changes nothing in "
                                  f"{hunk.function}()")
            if not hunks:
                raise Failure(f"mutant {old.name} has no @@ line")
        hunks.clear()

    for at, line in enumerate(text.splitlines(), 1):
        head = _HEAD.fullmatch(line)
        if head:
            finish()
            found.append(Mutant(first + len(found), head["name"], head["rule"],
                                head["text"], file, ()))
        elif found and re.fullmatch(r"@@ \w+", line):
            hunks.append((line[3:], []))
        elif hunks and line[:1] in ("+", "-", " "):
            hunks[-1][1].append(line)
        elif line and not line.startswith("//"):
            raise Failure(f"mutants of {file}, line {at}: {line}")
    finish()
    return found


def read_lists(folder: Path) -> list[Mutant]:
    """All mutants: @folder has a list for each file, named after it."""
    mutants: list[Mutant] = []
    for path in sorted(folder.glob("*.diff")):
        mutants += read_list(path.read_text(), path.stem, len(mutants) + 1)
    names = [mutant.name for mutant in mutants]
    twice = {name for name in names if names.count(name) > 1}
    if twice:
        raise Failure(f"two mutants of one name: {', '.join(sorted(twice))}")
    return mutants


def _arguments(parameters: str) -> str:
    """What to call a function of these @parameters with, to pass them on."""
    if parameters.strip() == "void":
        return ""
    return ", ".join(re.sub(r"\W*(\[.*\])?$", "", one).split()[-1].lstrip("*")
                     for one in parameters.split(","))


def _mutated(body: str, mutant: Mutant, function: str) -> str:
    """A function's @body with what @mutant does to it."""
    for hunk in mutant.hunks:
        if hunk.function != function:
            continue
        found = body.count(hunk.text("+"))
        if found != 1:
            raise Failure(f"mutant {mutant.name} is stale: its text stands "
                          f"{found} times in {function}()")
        body = body.replace(hunk.text("+"), hunk.text("-"))
    return body


def make_schema(source: str, mutants: Iterable[Mutant]) -> str:
    """The text of @source with all @mutants, which are of this file, in it."""
    wanted: dict[str, list[Mutant]] = {}
    for mutant in mutants:
        for name in dict.fromkeys(hunk.function for hunk in mutant.hunks):
            wanted.setdefault(name, []).append(mutant)

    def schema(match: re.Match[str]) -> str:
        changes = wanted.pop(match["name"], [])
        if not changes:
            return match[0]
        name, before = match["name"], match["before"]
        private = before if "static" in before.split() else f"static {before}"
        text = f"{private}{name}__0({match['parameters']})\n{match['body']}\n"
        call = f"({_arguments(match['parameters'])});\n"
        cases = f"\tdefault:\n\t\treturn {name}__0{call}"
        for mutant in changes:
            variant = f"{name}__{mutant.number}"
            text += (f"{private}{variant}({match['parameters']})\n"
                     f"{_mutated(match['body'], mutant, name)}\n")
            cases += (f"\tcase {mutant.number}:\n\t\tfanout_mutant_met();\n"
                      f"\t\treturn {variant}{call}")
        return (f"{text}{before}{name}({match['parameters']})\n{{\n"
                f"\tswitch (fanout_mutant) {{\n{cases}\t}}\n}}\n")

    text = _FUNCTION.sub(schema, source)
    if wanted:
        name, stale = wanted.popitem()
        raise Failure(f"mutant {stale[0].name} is stale: there is no {name}()")
    return text.replace("#include", f"{PROLOGUE}#include", 1)
