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
import sys
from pathlib import Path
from typing import Sequence

from bindgen import Failure
from bindgen.committed import changed_prototypes, compare
from bindgen.cost import cost
from bindgen.kbuild import Flags, kernel_version, read_flags
from bindgen.listing import LIST, Entry, parse_list
from bindgen.prototypes import TARGETS, Missing, Prototype, read_prototypes
from bindgen.shim import shim_c, shim_h
from bindgen.wrappers import bindings_c, bindings_h


def generate(entries: Sequence[Entry], protos: Sequence[Prototype],
             version: str) -> dict[str, str]:
    """Return every generated file: path below the checkout, and text."""
    return {
        "driver/bindings/bindings.h": bindings_h(entries, protos, version),
        "driver/bindings/bindings.c": bindings_c(protos, version),
        "kunit/shim.h": shim_h(protos, version),
        "kunit/shim.c": shim_c(protos, version),
    }


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
        prog="bindgen", description=summary, epilog=rest,
        formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--ktree", type=Path, required=True, metavar="DIR",
                        help="kernel source tree")
    parser.add_argument("--build", type=Path, metavar="DIR",
                        help="build folder (O=) of that tree, configured, after `make prepare`; "
                        "default: the tree itself")
    parser.add_argument("--arch", choices=sorted(TARGETS), default="um",
                        help="ARCH= of the build (default: %(default)s)")
    parser.add_argument("--out", type=Path, default=Path(__file__).resolve().parents[2],
                        metavar="DIR", help="checkout whose files are written or checked "
                        "(default: the one that this is in)")
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
