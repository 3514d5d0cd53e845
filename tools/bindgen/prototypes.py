# SPDX-License-Identifier: GPL-2.0
"""What the kernel's headers declare. Only here is libclang known."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Sequence

from bindgen import Failure
from bindgen.kbuild import Flags
from bindgen.listing import LIST, Entry, include_text

try:
    from clang import cindex
except ImportError:
    sys.exit("bindgen: libclang for Python is missing: apt install python3-clang "
             "(and run with /usr/bin/python3)")

# What the ARCH= of a build is called by clang; an UML build runs on this machine.
TARGETS = {
    "um": None,
    "x86_64": "x86_64-linux-gnu",
    "arm64": "aarch64-linux-gnu",
}


class Missing(Failure):
    """Listed functions are not what they were."""


@dataclass(frozen=True)
class Type:
    """A type: as it is written, and what a printer has to know of it."""

    text: str
    kind: str                       # what it comes down to: POINTER, ENUM, INT ...
    tag: str = ""                   # of the enum, or of the struct it points to
    constants: tuple[str, ...] = ()  # of the enum, one for each value


@dataclass(frozen=True)
class Param:
    """One parameter."""

    type: Type
    name: str


@dataclass(frozen=True)
class Prototype:
    """One function as the kernel declares it."""

    name: str
    result: Type
    params: tuple[Param, ...]

    @property
    def is_void(self) -> bool:
        """Whether nothing comes back."""
        return self.result.text == "void"

    def types(self) -> str:
        """Return the type without parameter names, for comparing and showing."""
        return f"{self.result.text} ({', '.join(p.type.text for p in self.params) or 'void'})"


def parse(source: str, args: Sequence[str], build: Path, target: str | None) -> Any:
    """Parse C text as if it were compiled in the kernel build."""
    extra = [f"-working-directory={build}", "-Wno-everything", "-ferror-limit=0"]
    if target:
        extra.append(f"--target={target}")
    path = str(build / "bindgen-input.c")
    # Function bodies are skipped: inline functions matter by their prototype.
    options = (cindex.TranslationUnit.PARSE_DETAILED_PROCESSING_RECORD |
               cindex.TranslationUnit.PARSE_SKIP_FUNCTION_BODIES)
    return cindex.Index.create().parse(path, [*args, *extra], [(path, source)], options)


def to_type(ctype: Any) -> Type:
    """Turn clang's type into ours."""
    canonical = ctype.get_canonical()
    kind: str = canonical.kind.name
    tag = ""
    constants: dict[int, str] = {}
    if kind == "ENUM":
        enum = canonical.get_declaration()
        tag = enum.spelling
        for constant in enum.get_children():
            constants.setdefault(constant.enum_value, constant.spelling)
    elif kind == "POINTER" and canonical.get_pointee().kind == cindex.TypeKind.RECORD:
        tag = canonical.get_pointee().get_declaration().spelling
    return Type(ctype.spelling, kind, tag, tuple(constants.values()))


def to_prototype(cursor: Any) -> Prototype:
    """Turn a function declaration into a prototype."""
    params = []
    for number, arg in enumerate(cursor.get_arguments()):
        spelling = arg.type.spelling
        if "(" in spelling or "[" in spelling:
            raise Failure(f"{cursor.spelling}(): a parameter of type `{spelling}` "
                          "cannot be wrapped; list a simpler function")
        params.append(Param(to_type(arg.type), arg.spelling or f"arg{number}"))
    if cursor.type.kind == cindex.TypeKind.FUNCTIONPROTO and cursor.type.is_function_variadic():
        raise Failure(f"{cursor.spelling}(): variable arguments cannot be wrapped")
    return Prototype(cursor.spelling, to_type(cursor.result_type), tuple(params))


def read_prototypes(entries: Sequence[Entry], flags: Flags, build: Path,
                    target: str | None = None, version: str = "this kernel") -> list[Prototype]:
    """Return the prototypes of the listed functions, in the order of the list."""
    unit = parse(include_text(entry.header for entry in entries), flags.for_clang(), build, target)
    wanted = {entry.name for entry in entries}
    functions: dict[str, Any] = {}
    macros: dict[str, str] = {}
    for cursor in unit.cursor.get_children():
        if cursor.spelling not in wanted:
            continue
        if cursor.kind == cindex.CursorKind.FUNCTION_DECL:
            functions[cursor.spelling] = cursor
        elif cursor.kind == cindex.CursorKind.MACRO_DEFINITION:
            tokens = [token.spelling for token in cursor.get_tokens()]
            if tokens[1:] != [cursor.spelling]:  # `#define f f` only says f exists
                macros[cursor.spelling] = f"{cursor.location.file}:{cursor.location.line}"

    problems = []
    errors = [d for d in unit.diagnostics if d.severity >= cindex.Diagnostic.Error]
    for entry in entries:
        if entry.name in macros:
            problems.append(f"{entry.name}() became a macro ({macros[entry.name]}): a macro has "
                            f"no prototype. List the function behind it in {LIST}")
        elif entry.name not in functions:
            problems.append(f"{entry.name}() is gone: <{entry.header}> of Linux {version} does not "
                            f"declare it. Find out what replaced it, change {LIST}, and let "
                            "driver/compat.h bridge the versions")
    if problems:
        if errors:
            problems.append("clang also says: " + "; ".join(str(d) for d in errors[:3]))
        raise Missing("\n".join(problems))
    if errors:
        raise Failure("clang cannot read the headers: " + "; ".join(str(d) for d in errors[:5]))
    return [to_prototype(functions[entry.name]) for entry in entries]


def read_wrappers(header: Path, flags: Flags, build: Path,
                  target: str | None) -> dict[str, Prototype]:
    """Return the prototypes that a bindings.h declares, by their names there."""
    unit = parse(f'#include "{header.resolve()}"\n', flags.for_clang(), build, target)
    return {cursor.spelling: to_prototype(cursor) for cursor in unit.cursor.get_children()
            if cursor.kind == cindex.CursorKind.FUNCTION_DECL
            and cursor.spelling.startswith("bindings_")}
