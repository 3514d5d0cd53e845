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
from os.path import commonprefix
from pathlib import Path
from typing import Any, Iterable, Iterator, Sequence

try:
    from clang import cindex
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


# --- The test shim --------------------------------------------------------

# How a pointer to a struct is called in a record, where its tag is too long.
LABELS = {"sg_table": "sgt", "dma_resv": "resv", "ww_acquire_ctx": "ctx"}

SHIM_H_HEAD = """\
 * The recorder behind the bindings: every call the driver makes through
 * driver/bindings becomes one typed record, all devices in one order.
 *
 *	static long no_memory(struct file *memfd, ...)
 *	{
 *		return -ENOMEM;
 *	}
 *
 *	struct shim *shim = shim_install(test);
 *
 *	shim->hooks.memfd_pin_folios = no_memory;
 *	... call the driver ...
 *	rec = shim_last(shim, SHIM_MEMFD_PIN_FOLIOS);
 *	KUNIT_ASSERT_NOT_NULL(test, rec);
 *	KUNIT_EXPECT_EQ(test, rec->memfd_pin_folios.ret, -ENOMEM);
 *
 * The other hooks are the kernel's own functions. The whole record is printed
 * when the test fails. Only calls of the test's own thread get here.
"""

SHIM_H_TYPES = """
/*
 * One call.
 * @fn: the function
 * @done: it has returned
 * @label: what its pointers are called; in the order of its arguments, the
 *	returned one last
 * The member that bears the function's name keeps its arguments and result.
 */
struct shim_record {
	enum shim_fn fn;
	bool done;
	u16 label[SHIM_MAX_POINTERS];
	union {
@MEMBERS@
	};
};

/* What a call goes on into: the kernel's own function until a test says else. */
struct shim_hooks {
@HOOKS@
};

#define SHIM_MAX_RECORDS	1024
#define SHIM_MAX_LABELS		512

/**
 * struct shim_label - what a pointer is called in a record
 * @ptr: the pointer; NULL once it was retired
 * @type: its type
 * @nr: its number among those of this type
 * @name: its name, of devices only
 * @note: what is told in brackets behind the name
 */
struct shim_label {
	const void *ptr;
	const char *type;
	unsigned int nr;
	char name[48];
	const char *note;
};

/**
 * struct shim - the record of one test
 * @test: the test
 * @hooks: what calls go on into; a fake keeps the old one for what is not its
 * @records: the calls
 * @nr: how many there are
 * @calls: how often each function was called, recorded or not
 * @ignored: functions whose calls are counted only: a test that pins and unpins
 *	thousands of folios sets SHIM_UNPIN_FOLIO
 * @capacity: how many there may be; one more fails the test
 * @dropped: how many did not fit
 * @mark: see shim_mark()
 *
 * Invariant: a record's position never changes, and its labels keep their
 * meaning when the memory they name is freed and used again.
 */
struct shim {
	struct kunit *test;
	struct shim_hooks hooks;
	struct shim_record records[SHIM_MAX_RECORDS];
	unsigned int nr;
	unsigned int calls[SHIM_NR_FNS];
	DECLARE_BITMAP(ignored, SHIM_NR_FNS);
	unsigned int capacity;
	unsigned int dropped;
	unsigned int mark;
	/* private: */
	struct shim_label labels[SHIM_MAX_LABELS];
	unsigned int nr_labels;
	struct shim_record scratch;
};

struct shim *shim_install(struct kunit *test);
void shim_reset(struct shim *shim);
void shim_mark(struct shim *shim);
unsigned int shim_count(struct shim *shim, enum shim_fn fn);
struct shim_record *shim_last(struct shim *shim, enum shim_fn fn);
void shim_name_device(struct shim *shim, struct device *dev, const char *name,
		      const char *note);
void shim_retire(struct shim *shim, const void *ptr);
const char *shim_device(const struct shim *shim,
			const struct shim_record *rec);
void shim_describe(const struct shim *shim, const struct shim_record *rec,
		   char *line, size_t size);
void shim_print(struct shim *shim);
"""

SHIM_C_RECORDER = """
/* KUnit runs one test at a time, and only its own thread gets here. */
static struct shim the_shim;

static struct shim_record *shim_begin(enum shim_fn fn)
{
	struct shim *shim = &the_shim;
	struct shim_record *rec;

	shim->calls[fn]++;
	if (test_bit(fn, shim->ignored)) {
		rec = &shim->scratch;
	} else if (shim->nr < shim->capacity) {
		rec = &shim->records[shim->nr++];
	} else {
		rec = &shim->scratch;
		shim->dropped++;
	}
	memset(rec, 0, sizeof(*rec));
	rec->fn = fn;
	return rec;
}

/* Label 0 is NULL, the last one is what finds no room. */
static u16 find_label(const void *ptr, const char *type)
{
	struct shim *shim = &the_shim;
	struct shim_label *label;
	unsigned int i, nr = 1;

	if (!ptr)
		return 0;

	for (i = 1; i < shim->nr_labels; i++) {
		label = &shim->labels[i];
		if (strcmp(label->type, type))
			continue;
		if (label->ptr == ptr)
			return i;
		nr++;
	}
	if (i == SHIM_MAX_LABELS - 1)
		return i;

	label = &shim->labels[i];
	*label = (struct shim_label){ .ptr = ptr, .type = type, .nr = nr };
	shim->nr_labels++;
	return i;
}

static u16 find_device(const struct device *dev)
{
	u16 i = find_label(dev, "device");
	struct shim_label *label = &the_shim.labels[i];

	if (i && i < SHIM_MAX_LABELS - 1 && !label->name[0])
		strscpy(label->name, dev_name(dev));
	return i;
}

static void label(struct shim_record *rec, unsigned int n, const void *ptr,
		  const char *type)
{
	if (rec != &the_shim.scratch)
		rec->label[n] = find_label(ptr, type);
}

static void label_device(struct shim_record *rec, unsigned int n,
			 const struct device *dev)
{
	if (rec != &the_shim.scratch)
		rec->label[n] = find_device(dev);
}

static void put_label(struct seq_buf *s, const struct shim *shim, u16 i)
{
	const struct shim_label *label = &shim->labels[i];

	if (!i)
		seq_buf_puts(s, "NULL");
	else if (i == SHIM_MAX_LABELS - 1)
		seq_buf_puts(s, "?");
	else if (label->name[0])
		seq_buf_puts(s, label->name);
	else
		seq_buf_printf(s, "%s#%u", label->type, label->nr);
	if (label->note)
		seq_buf_printf(s, "(%s)", label->note);
}

/**
 * shim_device() - tell whose call it was
 * @shim: the recorder
 * @rec: one of its records
 *
 * Return: the device's name, or an empty text for a call that has no device.
 */
const char *shim_device(const struct shim *shim,
			const struct shim_record *rec)
{
	return shim->labels[rec->label[0]].name;
}

static void put_number(struct seq_buf *s, long long n)
{
	if (n == LONG_MAX)
		seq_buf_puts(s, "max");
	else
		seq_buf_printf(s, "%lld", n);
}

static void put_result(struct seq_buf *s, long n)
{
	if (IS_ERR_VALUE(n))
		seq_buf_printf(s, "%pe", ERR_PTR(n));
	else
		put_number(s, n);
}

static void put_attrs(struct seq_buf *s, unsigned long attrs)
{
	static const struct {
		unsigned long bit;
		const char *name;
	} known[] = {
		{ DMA_ATTR_SKIP_CPU_SYNC, "SKIP_CPU_SYNC" },
		{ DMA_ATTR_NO_WARN, "NO_WARN" },
	};
	const char *before = "";
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(known); i++) {
		if (!(attrs & known[i].bit))
			continue;
		seq_buf_printf(s, "%s%s", before, known[i].name);
		attrs &= ~known[i].bit;
		before = "|";
	}
	if (attrs)
		seq_buf_printf(s, "%s%#lx", before, attrs);
	else if (!*before)
		seq_buf_puts(s, "0");
}
"""

SHIM_C_END = """
/**
 * shim_describe() - write one record as a line of text
 * @shim: the recorder
 * @rec: one of its records
 * @line: the text
 * @size: how long it may be
 */
void shim_describe(const struct shim *shim, const struct shim_record *rec,
		   char *line, size_t size)
{
	struct seq_buf s;

	seq_buf_init(&s, line, size);
	describe(&s, shim, rec);
	if (!rec->done)
		seq_buf_puts(&s, " ... (has not returned)");
	seq_buf_str(&s);
}

/**
 * shim_print() - print every record, a line each
 * @shim: the recorder
 *
 * Context: may sleep, so that the console of UML can follow.
 */
void shim_print(struct shim *shim)
{
	char line[160];
	unsigned int i;

	kunit_err(shim->test, "%u calls recorded\\n", shim->nr);
	for (i = 0; i < shim->nr; i++) {
		shim_describe(shim, &shim->records[i], line, sizeof(line));
		kunit_err(shim->test, "%3u %s\\n", i + 1, line);
		if (i % 16 == 15)
			fsleep(2000);
	}
}

/**
 * shim_reset() - forget all records, but not the devices' names
 * @shim: the recorder
 *
 * For tests that loop.
 */
void shim_reset(struct shim *shim)
{
	unsigned int i, kept = 1;

	for (i = 1; i < shim->nr_labels; i++)
		if (shim->labels[i].ptr && shim->labels[i].name[0])
			shim->labels[kept++] = shim->labels[i];
	shim->nr_labels = kept;
	shim->nr = 0;
	shim->mark = 0;
	memset(shim->calls, 0, sizeof(shim->calls));
}

/**
 * shim_mark() - let later expectations see later calls only
 * @shim: the recorder
 */
void shim_mark(struct shim *shim)
{
	shim->mark = shim->nr;
}

/**
 * shim_count() - count the calls of one function since the mark
 * @shim: the recorder
 * @fn: the function
 *
 * Return: the number of calls.
 */
unsigned int shim_count(struct shim *shim, enum shim_fn fn)
{
	unsigned int i, count = 0;

	for (i = shim->mark; i < shim->nr; i++)
		count += shim->records[i].fn == fn;
	return count;
}

/**
 * shim_last() - find the newest call of one function since the mark
 * @shim: the recorder
 * @fn: the function
 *
 * Return: its record, or NULL.
 */
struct shim_record *shim_last(struct shim *shim, enum shim_fn fn)
{
	unsigned int i = shim->nr;

	while (i-- > shim->mark)
		if (shim->records[i].fn == fn)
			return &shim->records[i];
	return NULL;
}

/**
 * shim_name_device() - say how a device is called in the records
 * @shim: the recorder
 * @dev: the device
 * @name: its name
 * @note: told in brackets behind it; not copied
 */
void shim_name_device(struct shim *shim, struct device *dev, const char *name,
		      const char *note)
{
	struct shim_label *label = &shim->labels[find_device(dev)];

	strscpy(label->name, name);
	label->note = note;
}

/**
 * shim_retire() - the object behind a pointer is gone
 * @shim: the recorder
 * @ptr: the pointer; what comes to lie there later gets a label of its own
 */
void shim_retire(struct shim *shim, const void *ptr)
{
	unsigned int i;

	for (i = 1; i < shim->nr_labels; i++)
		if (shim->labels[i].ptr == ptr)
			shim->labels[i].ptr = NULL;
}

static void shim_finish(void *data)
{
	struct shim *shim = data;

	if (shim->dropped)
		KUNIT_FAIL(shim->test, "recorder full: %u calls not recorded",
			   shim->dropped);
	if (shim->test->status == KUNIT_FAILURE)
		shim_print(shim);
	shim->test = NULL;
}

/**
 * shim_install() - record what the driver calls during a test
 * @test: the test
 *
 * A second call in one test changes nothing. Does not allocate per record, so
 * it stands in the way of no failed-allocation test.
 *
 * Return: the recorder.
 */
struct shim *shim_install(struct kunit *test)
{
	struct shim *shim = &the_shim;

	if (shim->test == test)
		return shim;

	memset(shim, 0, sizeof(*shim));
	shim->test = test;
	shim->capacity = SHIM_MAX_RECORDS;
	shim->nr_labels = 1;
	shim->hooks = (struct shim_hooks){
@REAL@
	};
	KUNIT_ASSERT_EQ(test, 0,
			kunit_add_action_or_reset(test, shim_finish, shim));

@ACTIVATE@
	return shim;
}
"""


@dataclass(frozen=True)
class Item:
    """An argument or the result of a function, as a record keeps it."""

    type: str
    name: str
    ctype: Any = field(repr=False)
    label: int | None

    @property
    def is_device(self) -> bool:
        """Whether it names a device."""
        return pointee_struct(self.ctype) == "device"


def pointee_struct(ctype: Any) -> str | None:
    """Return the tag of the struct a type points to."""
    canonical = ctype.get_canonical()
    if canonical.kind != cindex.TypeKind.POINTER:
        return None
    target = canonical.get_pointee()
    if target.kind != cindex.TypeKind.RECORD:
        return None
    return str(target.get_declaration().spelling)


def items_of(proto: Prototype) -> list[Item]:
    """Return what a record of `proto` keeps: its arguments, then its result."""
    items: list[Item] = []
    labels = 0
    pairs = [(p.type, p.name, p.ctype) for p in proto.params]
    if not proto.is_void:
        pairs.append((proto.result, "ret", proto.ctype))
    for type_, name, ctype in pairs:
        label = None
        if pointee_struct(ctype):
            label, labels = labels, labels + 1
        items.append(Item(type_, name, ctype, label))
    return items


def is_enum(ctype: Any) -> bool:
    """Whether a type is an enum with a tag."""
    return bool(ctype.get_canonical().kind == cindex.TypeKind.ENUM)


def enum_printers(protos: Sequence[Prototype]) -> str:
    """Write a function that prints the values, for each enum in the prototypes."""
    enums = {item.ctype.get_canonical().get_declaration().spelling: item.ctype
             for proto in protos for item in items_of(proto) if is_enum(item.ctype)}
    out = []
    for tag, ctype in sorted(enums.items()):
        values: dict[int, str] = {}
        for constant in ctype.get_canonical().get_declaration().get_children():
            values.setdefault(constant.enum_value, constant.spelling)
        names = list(values.values())
        prefix = commonprefix(names).rpartition("_")[0]
        table = "".join(f'\t\t[{name}] = "{name[len(prefix):].lstrip("_")}",\n' for name in names)
        out.append(f"\nstatic void put_{tag}(struct seq_buf *s, unsigned int n)\n{{\n"
                   f"\tstatic const char * const names[] = {{\n{table}\t}};\n\n"
                   "\tseq_buf_puts(s, n < ARRAY_SIZE(names) && names[n] ? names[n] : \"?\");\n}\n")
    return "".join(out)


def enum_name(name: str) -> str:
    """Return the constant that stands for a function."""
    return "SHIM_" + name.upper()


def put_value(item: Item, access: str) -> str:
    """Return the statement that prints one value, without the word before it."""
    kind = item.ctype.get_canonical().kind
    kinds = cindex.TypeKind
    if item.label is not None:
        return f"put_label(s, shim, rec->label[{item.label}]);"
    if is_enum(item.ctype):
        tag = item.ctype.get_canonical().get_declaration().spelling
        return f"put_{tag}(s, {access});"
    if kind == kinds.BOOL:
        return f"seq_buf_puts(s, str_yes_no({access}));"
    if item.name == "attrs":
        return f"put_attrs(s, {access});"
    if item.name == "ret" and kind in (kinds.INT, kinds.LONG):
        return f"put_result(s, {access});"
    if item.type == "gfp_t":
        return f'seq_buf_printf(s, "%pGg", &{access});'
    if item.type in ("dma_addr_t", "phys_addr_t"):
        return f'seq_buf_printf(s, "%#llx", (u64){access});'
    if kind in (kinds.ULONG, kinds.UINT, kinds.ULONGLONG, kinds.INT, kinds.LONG, kinds.LONGLONG):
        return f"put_number(s, {access});"
    raise Failure(f"no printer for `{item.type} {item.name}`: add one to put_value()")


def describe_case(proto: Prototype) -> str:
    """Write the part of describe() for one function: what follows its name."""
    items = items_of(proto)
    lines = [f"\tcase {enum_name(proto.name)}:"]
    for item in items[1 if items and items[0].is_device else 0:]:
        access = f"rec->{proto.name}.{item.name}"
        if item.label is None and item.ctype.get_canonical().kind == cindex.TypeKind.POINTER:
            continue  # what it points to is not known to be readable any more
        word = f" {item.name}="
        if item.name == "ret":
            word = " = "
            lines += ["\t\tif (!rec->done)", "\t\t\tbreak;"]
        elif item.label is not None or is_enum(item.ctype):
            word = " "
        lines.append(f'\t\tseq_buf_puts(s, "{word}");')
        lines.append(wrap_statement("\t\t" + put_value(item, access)))
    return "\n".join([*lines, "\t\tbreak;"])


def wrap_statement(text: str) -> str:
    """Break a call that is too long behind its opening bracket."""
    head, _, rest = text.partition("(")
    if columns(text) <= WIDTH:
        return text
    parts = rest.removesuffix(");").split(", ")
    return wrapped(head + "(", parts, ");")


def replacement(proto: Prototype) -> str:
    """Write the function that stands in for one wrapper."""
    items = items_of(proto)
    out = [f"\n{function_head(proto, 'shim_' + proto.name, 'static ', ')')}\n{{\n",
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
    return "".join(out) + "}\n"


def label_statement(item: Item, value: str) -> str:
    """Write the statement that gives a pointer its label."""
    if item.is_device:
        return f"\tlabel_device(rec, {item.label}, {value});\n"
    tag = pointee_struct(item.ctype) or ""
    return f'\tlabel(rec, {item.label}, {value}, "{LABELS.get(tag, tag)}");\n'


def shim_h(protos: Sequence[Prototype], version: str) -> str:
    """Write kunit/shim.h."""
    out = ["/* SPDX-License-Identifier: GPL-2.0 */\n", banner(SHIM_H_HEAD, version)]
    out.append('#ifndef UDMABUF_FANOUT_SHIM_H\n#define UDMABUF_FANOUT_SHIM_H\n\n'
               '#include <kunit/test.h>\n\n'
               '#include "../driver/bindings/bindings.h"\n\nenum shim_fn {\n')
    out += [f"\t{enum_name(proto.name)},\n" for proto in protos]
    out.append("};\n\n" + f"#define SHIM_NR_FNS\t({enum_name(protos[-1].name)} + 1)\n")
    pointers = 1
    for proto in protos:
        items = items_of(proto)
        pointers = max(pointers, sum(item.label is not None for item in items))
        out.append(f"\nstruct shim_{proto.name} {{\n")
        out += [f"\t{declare(item.type, item.name)};\n" for item in items]
        out.append("};\n")
    out.append(f"\n#define SHIM_MAX_POINTERS\t{pointers}\n")
    members = "\n".join(declare_member(proto.name) for proto in protos)
    hooks = "\n".join(wrapped("\t" + declare(proto.result, f"(*{proto.name})") + "(",
                              [declare(p.type, p.name) for p in proto.params] or ["void"], ");")
                      for proto in protos)
    out.append(SHIM_H_TYPES.replace("@MEMBERS@", members).replace("@HOOKS@", hooks))
    out.append("\n#endif /* UDMABUF_FANOUT_SHIM_H */\n")
    return "".join(out)


def declare_member(name: str) -> str:
    """Write the member of the record that keeps the calls of one function."""
    return f"\t\tstruct shim_{name} {name};"


def shim_c(protos: Sequence[Prototype], version: str) -> str:
    """Write kunit/shim.c."""
    out = ["// SPDX-License-Identifier: GPL-2.0\n",
           banner(" * The recorder of shim.h: redirects each wrapper of the bindings, keeps a typed\n"
                  " * record of the call and hands it to the hook, or to the kernel's own function.\n",
                  version),
           "#include <kunit/static_stub.h>\n#include <linux/delay.h>\n"
           "#include <linux/seq_buf.h>\n#include <linux/string_choices.h>\n\n"
           '#include "shim.h"\n']
    out.append(SHIM_C_RECORDER)
    out.append(enum_printers(protos))
    names = "".join(f'\t[{enum_name(p.name)}] = "{p.name}",\n' for p in protos)
    out.append(f"\nstatic const char * const fn_names[] = {{\n{names}}};\n")
    body = "\n".join(describe_case(proto) for proto in protos)
    out.append("\nstatic void describe(struct seq_buf *s, const struct shim *shim,\n"
               "\t\t     const struct shim_record *rec)\n{\n"
               "\tif (shim_device(shim, rec)[0]) {\n\t\tput_label(s, shim, rec->label[0]);\n"
               "\t\tseq_buf_putc(s, ' ');\n\t}\n"
               "\tseq_buf_puts(s, fn_names[rec->fn]);\n\n\tswitch (rec->fn) {\n"
               f"{body}\n\t}}\n}}\n")
    out += [replacement(proto) for proto in protos]
    activate = "\n".join(wrapped("\tkunit_activate_static_stub(",
                                 ["test", f"bindings_{p.name}", f"shim_{p.name}"], ");")
                         for p in protos)
    real = "\n".join(f"\t\t.{p.name} = {p.name}," for p in protos)
    out.append(SHIM_C_END.replace("@ACTIVATE@", activate).replace("@REAL@", real))
    return "".join(out)


def generate(entries: Sequence[Entry], protos: Sequence[Prototype],
             version: str) -> dict[str, str]:
    """Return every generated file: path below the checkout, and text."""
    return {
        "driver/bindings/bindings.h": bindings_h(entries, protos, version),
        "driver/bindings/bindings.c": bindings_c(protos, version),
        "kunit/shim.h": shim_h(protos, version),
        "kunit/shim.c": shim_c(protos, version),
    }


# --- Checking -------------------------------------------------------------

def generated_from(text: str) -> str:
    """Return the version of the kernel that a generated file was made from."""
    found = re.search(r"prototypes of Linux (\S+)\. ", text)
    return found[1] if found else "unknown"


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
    """Yield a sentence for each prototype that is not the committed wrapper's.

    It names both kernels.
    """
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
                   f"  committed, of Linux {generated_from(header.read_text())}: "
                   f"{old.types()}\n"
                   f"  this tree, of Linux {kernel_version(build)}: {proto.types()}")


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
