#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0
"""Generate the driver's bindings and the KUnit shim from a kernel tree.

Reads the functions listed in driver/bindings/bindings.list out of the headers
of a configured and prepared kernel build, with libclang and that build's own
compile flags, and writes

  driver/bindings/bindings.h, bindings.c   a wrapper for each function
  kunit/shim.h, shim.c                     a typed record for each function

With --check nothing is written: what the build gives is compared with what is
there, and the wrappers are shown to cost nothing in a build without tests.

Exit status: 0 written or equal, 1 different, 2 cannot tell (the message says
what to do).
"""

from __future__ import annotations

import argparse
import difflib
import re
import shlex
import subprocess
import sys
import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Iterable, Iterator, Sequence

try:
    from clang import cindex  # type: ignore[import]
except ImportError:
    sys.exit("bindgen: libclang for Python is missing: apt install python3-clang "
             "(and run with /usr/bin/python3)")

LIST = "driver/bindings/bindings.list"
TEST_SYMBOL = "CONFIG_UDMABUF_FANOUT_KUNIT_TEST"
WIDTH = 80

# What the ARCH= of a build is called by clang; an UML build runs on this machine.
TARGETS = {
    "um": None,
    "x86_64": "x86_64-linux-gnu",
    "arm64": "aarch64-linux-gnu",
}

# Options that change what a header declares, in both compilers. Everything else
# on gcc's command line is about code and warnings, or unknown to clang.
KEEP = re.compile(
    r"-(D.+|U.+|I.+|std=.+|m32|m64|mlittle-endian|mbig-endian|mabi=.+|nostdinc"
    r"|fshort-wchar|funsigned-char|fms-extensions|fshort-enums|fno-builtin)")
KEEP_WITH_VALUE = ("-include", "-isystem", "-D", "-U", "-I")


class Failure(Exception):
    """Something a person must act on; the text says what."""


class Missing(Failure):
    """The check found listed functions that are not what they were."""


@dataclass(frozen=True)
class Entry:
    """One line of the list."""

    name: str
    header: str
    reason: str


@dataclass(frozen=True)
class Param:
    """One parameter: its type as written and what it means to a printer."""

    type: str
    name: str
    ctype: Any = field(compare=False, repr=False)


@dataclass(frozen=True)
class Prototype:
    """One function as the kernel declares it."""

    name: str
    result: str
    params: tuple[Param, ...]
    ctype: Any = field(compare=False, repr=False)

    @property
    def is_void(self) -> bool:
        """Whether nothing comes back."""
        return self.result == "void"

    def names(self) -> str:
        """Return the arguments as a call passes them."""
        return ", ".join(p.name for p in self.params)

    def types(self) -> str:
        """Return the type without parameter names, for comparing and showing."""
        return f"{self.result} ({', '.join(p.type for p in self.params) or 'void'})"


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


def parse_list(text: str, name: str = LIST) -> list[Entry]:
    """Read the list of functions.

    >>> parse_list("linux/mm.h\\n\\tunpin_folio\\tevery pin goes back\\n")[0].header
    'linux/mm.h'
    """
    entries: list[Entry] = []
    header = ""
    for number, line in enumerate(text.splitlines(), 1):
        if not line.strip() or line.startswith("#"):
            continue
        if not line[0].isspace():
            header = line.strip()
            if not re.fullmatch(r"[\w./-]+\.h", header):
                raise Failure(f"{name}:{number}: not a header: {header}")
            continue
        words = line.split(None, 1)
        if not header:
            raise Failure(f"{name}:{number}: a function before the first header")
        if len(words) < 2 or not re.fullmatch(r"[A-Za-z_]\w*", words[0]):
            raise Failure(f"{name}:{number}: want `function <tab> reason`: {line.strip()}")
        if words[0] in (entry.name for entry in entries):
            raise Failure(f"{name}:{number}: {words[0]} is listed twice")
        entries.append(Entry(words[0], header, words[1].strip()))
    if not entries:
        raise Failure(f"{name}: no function listed")
    return entries


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


def to_prototype(cursor: Any) -> Prototype:
    """Turn a function declaration into a prototype."""
    params = []
    for number, arg in enumerate(cursor.get_arguments()):
        spelling = arg.type.spelling
        if "(" in spelling or "[" in spelling:
            raise Failure(f"{cursor.spelling}(): a parameter of type `{spelling}` "
                          "cannot be wrapped; list a simpler function")
        params.append(Param(spelling, arg.spelling or f"arg{number}", arg.type))
    if cursor.type.kind == cindex.TypeKind.FUNCTIONPROTO and cursor.type.is_function_variadic():
        raise Failure(f"{cursor.spelling}(): variable arguments cannot be wrapped")
    return Prototype(cursor.spelling, cursor.result_type.spelling, tuple(params),
                     cursor.result_type)


def include_text(headers: Iterable[str]) -> str:
    """Return one #include line per header, each once, in order."""
    return "".join(f"#include <{header}>\n" for header in dict.fromkeys(headers))


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


# --- C text ---------------------------------------------------------------

def declare(type_: str, name: str) -> str:
    """Join a type and a name the way the kernel writes them.

    >>> declare("struct device *", "dev"), declare("int", "n")
    ('struct device *dev', 'int n')
    """
    return type_ + name if type_.endswith("*") else f"{type_} {name}"


def columns(text: str) -> int:
    """Return the width of a line with tabs of 8."""
    return len(text.expandtabs(8))


def indent_to(column: int) -> str:
    """Return tabs and spaces up to a column."""
    return "\t" * (column // 8) + " " * (column % 8)


def wrapped(head: str, items: Sequence[str], tail: str) -> str:
    """Write `head` + items + `tail`, broken after commas, aligned behind `head`.

    >>> print(wrapped("f(", ["int a", "int b"], ");"))
    f(int a, int b);
    """
    if not items:
        return head + tail
    lines = head.split("\n")
    column = columns(lines[-1])
    for number, item in enumerate(items):
        end = tail if number == len(items) - 1 else ","
        gap = "" if lines[-1].endswith("(") or not lines[-1].strip() else " "
        if gap and columns(lines[-1] + gap + item + end) > WIDTH:
            lines.append(indent_to(column) + item + end)
        else:
            lines[-1] += gap + item + end
    return "\n".join(lines)


def function_head(proto: Prototype, name: str, lead: str, tail: str) -> str:
    """Write the head of a function with the parameters of `proto`."""
    params = [declare(p.type, p.name) for p in proto.params] or ["void"]
    longest = max(columns(p) for p in params) + 2
    head = declare(lead + proto.result, name) + "("
    if columns(head) + longest > WIDTH:
        head = f"{lead}{proto.result}\n{name}("
    return wrapped(head, params, tail)


def call(proto: Prototype, name: str, tab: str = "\t") -> str:
    """Write the statement that calls `name` and hands back its result."""
    head = f"{tab}{'' if proto.is_void else 'return '}{name}("
    return wrapped(head, [p.name for p in proto.params], ");")


def banner(first: str, version: str) -> str:
    """Write a generated file's head comment."""
    return f"""\
/*
{first.rstrip()}
 *
 * Generated by tools/bindgen.py from {LIST} and the
 * prototypes of Linux {version}. Do not edit: change the list, `make bindings`.
 */
"""


def bindings_h(entries: Sequence[Entry], protos: Sequence[Prototype], version: str) -> str:
    """Write driver/bindings/bindings.h."""
    out = ["/* SPDX-License-Identifier: GPL-2.0 */\n"]
    out.append(banner("""\
 * The driver's only door to the DMA API, to page pinning and to fences: for each
 * listed function f there is a bindings_f() that calls it. In test builds it
 * stands out of line and a KUnit test can put a function of its own in its
 * place; otherwise it is the call, and costs nothing.
""", version))
    out.append("""\
#ifndef UDMABUF_FANOUT_BINDINGS_H
#define UDMABUF_FANOUT_BINDINGS_H

""")
    out.append(include_text(["linux/build_bug.h", *(entry.header for entry in entries)]))
    out.append("""
/* A prototype that moved on breaks the build here, not a test at run time. */
#define BINDINGS_ASSERT(fn, result, ...)				\\
	static_assert(__builtin_types_compatible_p(typeof(fn),		\\
						   result(__VA_ARGS__)), \\
		      #fn "() has another prototype in this kernel: "	\\
		      "run `make bindings KTREE=...` and see what changed")

""")
    for proto in protos:
        types = [p.type for p in proto.params] or ["void"]
        out.append(wrapped("BINDINGS_ASSERT(", [proto.name, proto.result, *types], ");") + "\n")
    out.append(f"""
#undef BINDINGS_ASSERT

#ifdef {TEST_SYMBOL}

#include <kunit/static_stub.h>

/* For functions of the driver itself that a test must be able to replace. */
#define BINDINGS_REDIRECT(fn, args...) KUNIT_STATIC_STUB_REDIRECT(fn, args)

""")
    for proto in protos:
        out.append(function_head(proto, "bindings_" + proto.name, "", ");") + "\n")
    out.append(f"""
#else /* !{TEST_SYMBOL} */

#define BINDINGS_REDIRECT(fn, args...) ((void)(fn))
""")
    for proto in protos:
        head = function_head(proto, "bindings_" + proto.name, "static __always_inline ", ")")
        out.append(f"\n{head}\n{{\n{call(proto, proto.name)}\n}}\n")
    out.append(f"""
#endif /* !{TEST_SYMBOL} */

#endif /* UDMABUF_FANOUT_BINDINGS_H */
""")
    return "".join(out)


def bindings_c(protos: Sequence[Prototype], version: str) -> str:
    """Write driver/bindings/bindings.c."""
    out = ["// SPDX-License-Identifier: GPL-2.0\n"]
    out.append(banner("""\
 * The wrappers of test builds: a KUnit test may redirect each to a function of
 * its own, everyone else gets the real call.
""", version))
    out.append('#include "bindings.h"\n')
    for proto in protos:
        name = "bindings_" + proto.name
        redirect = wrapped("\tKUNIT_STATIC_STUB_REDIRECT(",
                           [name, *(p.name for p in proto.params)], ");")
        out.append(f"\n{function_head(proto, name, '', ')')}\n{{\n{redirect}\n"
                   f"{call(proto, proto.name)}\n}}\n")
    return "".join(out)


def generate(entries: Sequence[Entry], protos: Sequence[Prototype],
             version: str) -> dict[str, str]:
    """Return every generated file: path below the checkout, and text."""
    return {
        "driver/bindings/bindings.h": bindings_h(entries, protos, version),
        "driver/bindings/bindings.c": bindings_c(protos, version),
    }


# --- Checking -------------------------------------------------------------

def without_version(text: str) -> str:
    """Drop the version: a stable update that changes no prototype is no change."""
    return re.sub(r"(prototypes of Linux )\S+\. ", r"\1VERSION. ", text, count=1)


def compare(wanted: dict[str, str], root: Path) -> Iterator[str]:
    """Yield a unified diff for each committed file that is not what was generated."""
    for name, text in wanted.items():
        path = root / name
        old = path.read_text() if path.is_file() else ""
        yield from difflib.unified_diff(
            without_version(old).splitlines(True), without_version(text).splitlines(True),
            f"{name} (committed)", f"{name} (generated now)")


def changed_prototypes(protos: Sequence[Prototype], root: Path, flags: Flags, build: Path,
                       target: str | None) -> Iterator[str]:
    """Yield a sentence for each prototype that is not the committed wrapper's."""
    header = root / "driver/bindings/bindings.h"
    if not header.is_file():
        return
    unit = parse(f'#include "{header.resolve()}"\n', flags.for_clang(), build, target)
    committed = {cursor.spelling: to_prototype(cursor) for cursor in unit.cursor.get_children()
                 if cursor.kind == cindex.CursorKind.FUNCTION_DECL
                 and cursor.spelling.startswith("bindings_")}
    for proto in protos:
        old = committed.get("bindings_" + proto.name)
        if old and old.types() != proto.types():
            yield (f"{proto.name}() changed its prototype:\n"
                   f"  committed {old.types()}\n"
                   f"  this tree {proto.types()}")


def cost_source(entries: Sequence[Entry], protos: Sequence[Prototype], root: Path,
                wrapper: bool, test_build: bool) -> str:
    """Write one caller per function, through the wrapper or direct."""
    prefix = "bindings_" if wrapper else ""
    out = [f"#{'define' if test_build else 'undef'} {TEST_SYMBOL}\n",
           include_text(entry.header for entry in entries)]
    if wrapper:
        out.append(f'#include "{(root / "driver/bindings/bindings.h").resolve()}"\n')
    for proto in protos:
        head = function_head(proto, "caller_of_" + proto.name, "", ")")
        out.append(f"{head};\n{head}\n{{\n{call(proto, prefix + proto.name)}\n}}\n")
    return "".join(out)


def disassemble(source: str, flags: Flags, build: Path) -> str:
    """Compile C text as the kernel build would, and return the code."""
    with tempfile.TemporaryDirectory() as folder:
        code, obj = Path(folder, "caller.c"), Path(folder, "caller.o")
        code.write_text(source)
        command = [*flags.compiler, *flags.for_gcc(), "-w", "-c", "-o", str(obj), str(code)]
        done = subprocess.run(command, cwd=build, capture_output=True, text=True, check=False)
        if done.returncode:
            raise Failure("a caller of the wrappers does not compile:\n" + done.stderr[-2000:])
        dump = subprocess.run([flags.objdump(), "-dr", "--no-show-raw-insn", str(obj)],
                              capture_output=True, text=True, check=True).stdout
    return "".join(dump.splitlines(True)[3:])  # the first lines name the file


def cost(entries: Sequence[Entry], protos: Sequence[Prototype], root: Path, flags: Flags,
         build: Path) -> str:
    """Return how the callers differ with and without wrappers; empty if they don't."""
    direct = disassemble(cost_source(entries, protos, root, False, False), flags, build)
    inline = disassemble(cost_source(entries, protos, root, True, False), flags, build)
    tested = disassemble(cost_source(entries, protos, root, True, True), flags, build)
    if tested == direct:
        raise Failure("the wrappers of a test build cost nothing either: the comparison is blind")
    return "".join(difflib.unified_diff(direct.splitlines(True), inline.splitlines(True),
                                        "caller without wrapper", "caller with wrapper"))


# --- Command line ---------------------------------------------------------

def check(wanted: dict[str, str], entries: Sequence[Entry], protos: Sequence[Prototype],
          root: Path, flags: Flags, build: Path, target: str | None) -> int:
    """Compare, report, and return the exit status."""
    changes = list(changed_prototypes(protos, root, flags, build, target))
    for change in changes:
        print(change)
    lines = list(compare(wanted, root))
    sys.stdout.writelines(lines)
    if lines:
        print("\nThe committed bindings are not what this tree gives: `make bindings`, "
              "look at the difference, commit it.")
        return 1
    difference = cost(entries, protos, root, flags, build)
    if difference:
        sys.stdout.write(difference)
        print("\nA wrapper costs something in a build without tests.")
        return 1
    print(f"bindings: {len(protos)} prototypes unchanged; "
          f"{len(protos)} callers compile to the same code with and without wrappers")
    return 0


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line."""
    summary, _, rest = (__doc__ or "").partition("\n")
    parser = argparse.ArgumentParser(
        description=summary, epilog=rest, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--ktree", type=Path, required=True, metavar="DIR",
                        help="kernel source tree")
    parser.add_argument("--build", type=Path, metavar="DIR",
                        help="build folder (O=) of that tree, configured, after `make prepare`; "
                        "default: the tree itself")
    parser.add_argument("--arch", choices=sorted(TARGETS), default="um",
                        help="ARCH= of the build (default: %(default)s)")
    parser.add_argument("--out", type=Path, default=Path(__file__).resolve().parent.parent,
                        metavar="DIR", help="checkout whose files are written or checked "
                        "(default: the one this script is in)")
    parser.add_argument("--check", action="store_true",
                        help="write nothing; compare, and measure what the wrappers cost")
    args = parser.parse_args(argv)
    ktree: Path = args.ktree.resolve()
    build: Path = (args.build or args.ktree).resolve()
    target = TARGETS[args.arch]
    try:
        if not (ktree / "Kbuild").is_file() or not (ktree / "include/linux").is_dir():
            raise Failure(f"{ktree} is not a kernel source tree")
        source = build / "source"
        if source.exists() and source.resolve() != ktree:
            raise Failure(f"{build} is a build of {source.resolve()}, not of {ktree}")
        entries = parse_list((args.out / LIST).read_text())
        flags, version = read_flags(build), kernel_version(build)
        protos = read_prototypes(entries, flags, build, target, version)
        wanted = generate(entries, protos, version)
        if args.check:
            return check(wanted, entries, protos, args.out, flags, build, target)
        for name, text in wanted.items():
            (args.out / name).parent.mkdir(parents=True, exist_ok=True)
            (args.out / name).write_text(text)
        print(f"bindings: {len(protos)} functions of Linux {version} written to "
              + ", ".join(wanted))
        return 0
    except Missing as failure:
        print(f"bindgen: {failure}", file=sys.stderr)
        return 1
    except (Failure, OSError) as failure:
        print(f"bindgen: {failure}", file=sys.stderr)
        return 2


if __name__ == "__main__":
    sys.exit(main())
