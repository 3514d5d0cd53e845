# SPDX-License-Identifier: GPL-2.0
"""The KUnit shim: a typed record for each listed function, and what fills it.

What does not depend on the functions is in shim.h.in and shim.c.in.
"""

from __future__ import annotations

from dataclasses import dataclass
from os.path import commonprefix
from typing import Sequence

from bindgen import Failure
from bindgen.c_text import declare, fill, function_head, parameters, wrapped, wrapped_call
from bindgen.prototypes import Prototype, Type

# How a pointer to a struct is called in a record, where its tag is too long.
LABELS = {"sg_table": "sgt", "dma_resv": "resv", "ww_acquire_ctx": "ctx"}
NUMBERS = ("ULONG", "UINT", "ULONGLONG", "INT", "LONG", "LONGLONG")


@dataclass(frozen=True)
class Item:
    """An argument or the result of a function, as a record keeps it."""

    type: Type
    name: str
    label: int | None       # its number among the pointers to structs

    @property
    def is_device(self) -> bool:
        """Whether it names a device."""
        return self.label is not None and self.type.tag == "device"


def items_of(proto: Prototype) -> list[Item]:
    """Return what a record of `proto` keeps: its arguments, then its result."""
    items: list[Item] = []
    labels = 0
    pairs = [(p.type, p.name) for p in proto.params]
    if not proto.is_void:
        pairs.append((proto.result, "ret"))
    for type_, name in pairs:
        label = None
        if type_.kind == "POINTER" and type_.tag:
            label, labels = labels, labels + 1
        items.append(Item(type_, name, label))
    return items


def enum_name(name: str) -> str:
    """Return the constant that stands for a function."""
    return "SHIM_" + name.upper()


def enum_printers(protos: Sequence[Prototype]) -> list[str]:
    """Write a function that prints the values, for each enum in the prototypes."""
    enums = {item.type.tag: item.type.constants
             for proto in protos for item in items_of(proto) if item.type.kind == "ENUM"}
    out = []
    for tag, names in sorted(enums.items()):
        prefix = commonprefix(names).rpartition("_")[0]
        table = "".join(f'\t\t[{name}] = "{name[len(prefix):].lstrip("_")}",\n' for name in names)
        out.append(f"static void put_{tag}(struct seq_buf *s, unsigned int n)\n{{\n"
                   f"\tstatic const char * const names[] = {{\n{table}\t}};\n\n"
                   "\tseq_buf_puts(s, n < ARRAY_SIZE(names) && names[n] ? names[n] : \"?\");\n}")
    return out


def put_value(item: Item, access: str) -> str:
    """Return the statement that prints one value, without the word before it."""
    kind, text = item.type.kind, item.type.text
    if item.label is not None:
        return f"put_label(s, shim, rec->label[{item.label}]);"
    if kind == "ENUM":
        return f"put_{item.type.tag}(s, {access});"
    if kind == "BOOL":
        return f"seq_buf_puts(s, str_yes_no({access}));"
    if item.name == "attrs":
        return f"put_attrs(s, {access});"
    if item.name == "ret" and kind in ("INT", "LONG"):
        return f"put_result(s, {access});"
    if text == "gfp_t":
        return f'seq_buf_printf(s, "%pGg", &{access});'
    if text in ("dma_addr_t", "phys_addr_t"):
        return f'seq_buf_printf(s, "%#llx", (u64){access});'
    if kind in NUMBERS:
        return f"put_number(s, {access});"
    raise Failure(f"no printer for `{text} {item.name}`: add one to put_value()")


def describe_case(proto: Prototype) -> str:
    """Write the part of describe() for one function: what follows its name."""
    items = items_of(proto)
    lines = [f"\tcase {enum_name(proto.name)}:"]
    for item in items[1 if items and items[0].is_device else 0:]:
        access = f"rec->{proto.name}.{item.name}"
        if item.label is None and item.type.kind == "POINTER":
            continue  # what it points to is not known to be readable any more
        word = f" {item.name}="
        if item.name == "ret":
            word = " = "
            lines += ["\t\tif (!rec->done)", "\t\t\tbreak;"]
        elif item.label is not None or item.type.kind == "ENUM":
            word = " "
        lines.append(f'\t\tseq_buf_puts(s, "{word}");')
        lines.append(wrapped_call("\t\t" + put_value(item, access)))
    return "\n".join([*lines, "\t\tbreak;"])


def label_statement(item: Item, value: str) -> str:
    """Write the statement that gives a pointer its label."""
    if item.is_device:
        return f"\tlabel_device(rec, {item.label}, {value});\n"
    tag = item.type.tag
    return f'\tlabel(rec, {item.label}, {value}, "{LABELS.get(tag, tag)}");\n'


def replacement(proto: Prototype) -> str:
    """Write the function that stands in for one wrapper."""
    items = items_of(proto)
    out = [f"{function_head(proto, 'shim_' + proto.name, 'static ', ')')}\n{{\n",
           f"\tstruct shim_record *rec = shim_begin({enum_name(proto.name)});\n",
           f"\tstruct shim_{proto.name} *call = &rec->{proto.name};\n\n"]
    out += [f"\tcall->{item.name} = {item.name};\n" for item in items if item.name != "ret"]
    out += [label_statement(item, item.name) for item in items
            if item.label is not None and item.name != "ret"]
    result = "" if proto.is_void else "call->ret = "
    out.append(wrapped(f"\t{result}the_shim.hooks.{proto.name}(", [p.name for p in proto.params],
                       ");") + "\n")
    if items and items[-1].name == "ret" and items[-1].label is not None:
        out.append(label_statement(items[-1], "call->ret"))
    out.append("\trec->done = true;\n")
    if not proto.is_void:
        out.append("\treturn call->ret;\n")
    return "".join(out) + "}"


def record_struct(proto: Prototype) -> str:
    """Write the struct that keeps the arguments and the result of one call."""
    members = "".join(f"\t{declare(item.type.text, item.name)};\n" for item in items_of(proto))
    return f"struct shim_{proto.name} {{\n{members}}};"


def shim_h(protos: Sequence[Prototype], version: str) -> str:
    """Write kunit/shim.h."""
    pointers = max(sum(item.label is not None for item in items_of(proto)) for proto in protos)
    hooks = [wrapped("\t" + declare(proto.result.text, f"(*{proto.name})") + "(",
                     parameters(proto), ");") for proto in protos]
    return fill("shim.h", version,
                FUNCTIONS="".join(f"\t{enum_name(proto.name)},\n" for proto in protos),
                LAST=enum_name(protos[-1].name),
                STRUCTS="\n\n".join(map(record_struct, protos)),
                POINTERS=str(max(pointers, 1)),
                MEMBERS="".join(f"\t\tstruct shim_{proto.name} {proto.name};\n"
                                for proto in protos),
                HOOKS="\n".join(hooks))


def shim_c(protos: Sequence[Prototype], version: str) -> str:
    """Write kunit/shim.c."""
    activate = [wrapped("\tkunit_activate_static_stub(",
                        ["test", f"bindings_{proto.name}", f"shim_{proto.name}"], ");")
                for proto in protos]
    return fill("shim.c", version,
                ENUMS="\n\n".join(enum_printers(protos)),
                NAMES="".join(f'\t[{enum_name(proto.name)}] = "{proto.name}",\n'
                              for proto in protos),
                CASES="\n".join(map(describe_case, protos)),
                REPLACEMENTS="\n\n".join(map(replacement, protos)),
                REAL="".join(f"\t\t.{proto.name} = {proto.name},\n" for proto in protos),
                ACTIVATE="\n".join(activate))
