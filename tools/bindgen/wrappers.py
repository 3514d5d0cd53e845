# SPDX-License-Identifier: GPL-2.0
"""The bindings: a wrapper for each listed function."""

from __future__ import annotations

from typing import Sequence

from bindgen.c_text import call, fill, function_head, wrapped
from bindgen.listing import Entry, include_text
from bindgen.prototypes import Prototype


def bindings_h(entries: Sequence[Entry], protos: Sequence[Prototype], version: str) -> str:
    """Write driver/bindings/bindings.h."""
    includes = include_text(["linux/build_bug.h", *(entry.header for entry in entries)])
    asserts, outlined, inlined = [], [], []
    for proto in protos:
        name = "bindings_" + proto.name
        types = [p.type.text for p in proto.params] or ["void"]
        asserts.append(wrapped("BINDINGS_ASSERT(", [proto.name, proto.result.text, *types], ");"))
        outlined.append(function_head(proto, name, "", ");"))
        inlined.append(f"{function_head(proto, name, 'static __always_inline ', ')')}\n"
                       f"{{\n{call(proto, proto.name)}\n}}")
    return fill("bindings.h", version, INCLUDES=includes, ASSERTS="\n".join(asserts),
                OUTLINED="\n".join(outlined), INLINED="\n\n".join(inlined))


def bindings_c(protos: Sequence[Prototype], version: str) -> str:
    """Write driver/bindings/bindings.c."""
    functions = []
    for proto in protos:
        name = "bindings_" + proto.name
        redirect = wrapped("\tKUNIT_STATIC_STUB_REDIRECT(",
                           [name, *(p.name for p in proto.params)], ");")
        functions.append(f"{function_head(proto, name, '', ')')}\n{{\n{redirect}\n"
                         f"{call(proto, proto.name)}\n}}")
    return fill("bindings.c", version, WRAPPERS="\n\n".join(functions))
