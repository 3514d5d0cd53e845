# SPDX-License-Identifier: GPL-2.0
"""A kernel's build: its version, and how it compiles an object.

What it is told to compile, and what clang makes of it, are not known here.
"""

from __future__ import annotations

import re
import shlex
from dataclasses import dataclass
from pathlib import Path

from bindgen import Failure

# Options that change what a header declares, in both compilers. Everything else
# on gcc's command line is about code and warnings, or unknown to clang.
KEEP = re.compile(
    r"-(D.+|U.+|I.+|std=.+|m32|m64|mlittle-endian|mbig-endian|mabi=.+|nostdinc"
    r"|fshort-wchar|funsigned-char|fms-extensions|fshort-enums|fno-builtin)")
KEEP_WITH_VALUE = ("-include", "-isystem", "-D", "-U", "-I")


@dataclass(frozen=True)
class Flags:
    """How a kernel build compiles one object."""

    compiler: list[str]
    args: list[str]

    def for_clang(self) -> list[str]:
        """Return the options that change what headers declare."""
        kept: list[str] = []
        args = iter(self.args)
        for arg in args:
            if arg in KEEP_WITH_VALUE:
                kept += [arg, next(args, "")]
            elif KEEP.fullmatch(arg):
                kept.append(arg)
        return kept

    def for_gcc(self) -> list[str]:
        """Return the options as they are, without inputs and outputs."""
        kept: list[str] = []
        args = iter(self.args)
        for arg in args:
            if arg == "-o":
                next(args, "")
            elif arg == "-c" or arg.startswith("-Wp,-M") or arg.endswith(".c"):
                continue
            else:
                kept.append(arg)
        return kept

    def objdump(self) -> str:
        """Return the disassembler that belongs to the compiler."""
        return re.sub(r"gcc(-[0-9]+)?$", "objdump", self.compiler[-1])


def parse_cmd(text: str) -> Flags:
    """Read the compile command out of the text of a kbuild .cmd file.

    >>> parse_cmd("savedcmd_a.o := gcc -DX -c -o a.o a.c ; echo\\n").for_gcc()
    ['-DX']
    """
    first = text.split("\n", 1)[0]
    _, found, command = first.partition(":=")
    words = shlex.split(command)
    if ";" in command:
        words = words[:next((i for i, w in enumerate(words) if w.endswith(";")), len(words)) + 1]
        words[-1] = words[-1].rstrip(";")
    split = next((i for i, word in enumerate(words) if word.startswith("-")), 0)
    if not found or not split:
        raise Failure("not the .cmd file of a compiled object")
    return Flags(words[:split], [word for word in words[split:] if word])


def read_flags(build: Path) -> Flags:
    """Find how `build` compiles kernel code; `make prepare` is enough for it."""
    cmd = build / "scripts/mod/.empty.o.cmd"
    if not cmd.is_file():
        raise Failure(f"{build} is not a prepared kernel build (no {cmd.relative_to(build)}): "
                      "run `make O=... olddefconfig prepare` there first")
    return parse_cmd(cmd.read_text())


def kernel_version(build: Path) -> str:
    """Return the version that `build` says it is, without local suffixes."""
    release = build / "include/config/kernel.release"
    if not release.is_file():
        raise Failure(f"{build} is not a prepared kernel build (no include/config/kernel.release)")
    return release.read_text().strip().partition("-")[0]
