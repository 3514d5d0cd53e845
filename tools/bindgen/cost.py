# SPDX-License-Identifier: GPL-2.0
"""What a wrapper costs in a build without tests: not one instruction."""

from __future__ import annotations

import difflib
import subprocess
import tempfile
from pathlib import Path
from typing import Sequence

from bindgen import Failure
from bindgen.c_text import call, function_head
from bindgen.kbuild import Flags
from bindgen.listing import Entry, include_text
from bindgen.prototypes import Prototype

TEST_SYMBOL = "CONFIG_UDMABUF_FANOUT_KUNIT_TEST"


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
