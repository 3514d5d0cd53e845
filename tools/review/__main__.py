# SPDX-License-Identifier: GPL-2.0
"""Which syncs a change loses, adds or reorders, and who reads old data by it.

BASE and PATCH are two states of an exporter. Both are built into a kernel for User
Mode Linux, which runs the same histories on them; what it heard of the DMA API is
compared, and replayed on the model of every architecture's caches.

Exit status: 0 if nobody reads older data than before, 1 if somebody does or the
patched kernel complains, 2 if it could not be told.
"""

import argparse
import contextlib
import gc
import os
import stat
import sys
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from fanout import tree as trees
from fanout.host import (BUILD, GIT, KERNEL_BUILD, UNPACK, Failure, Need,
                         require, say, shown, status_of)
from review import histories, kernels, machine, page, replay, text
from review.compare import Callers, Side, compare
from review.findings import Report
from review.sides import heard
from review.states import (EXPORTERS, FANOUT, STDIN, STOCK, WORKTREE, State,
                           commit_of, diffs_in, git, patched, read_patch,
                           state_of, touched)

NEEDS = (*KERNEL_BUILD, *GIT, Need("binutils", program="addr2line"))
OUT = BUILD / "review"
FORMATS = {"json": machine.to_json, "ktap": machine.to_ktap,
           "junit": machine.to_junit, "b4": machine.to_b4, "mail": text.mail}
FILES = {"report.html": page.to_html, "report.svg": page.to_svg,
         "report.json": machine.to_json,
         "report.ktap": machine.to_ktap, "report.xml": machine.to_junit,
         "report.txt": text.mail}


def parse(arguments: Sequence[str]) -> argparse.Namespace:
    """The command line as options."""
    parser = argparse.ArgumentParser(
        prog="review", description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--base", default="", metavar="WHAT",
        help="for this driver a revision, worktree or a patch file (default: "
        "where this branch left main, or HEAD); for the kernel's exporters "
        "stock (default) or a patch file")
    parser.add_argument(
        "--patch", default="", metavar="WHAT",
        help="the same; a patch file can be a mail or an mbox with a series, "
        "and - is standard input (default: standard input if something comes "
        "from there, or the work tree)")
    parser.add_argument("--exporter", default="", choices=("", *EXPORTERS),
                        help="whose syncs (default: by what the patch changes)")
    parser.add_argument("--out", default="", metavar="DIR",
                        help="where report.html, .svg, .json, .ktap, .xml and "
                        f".txt go (default: {shown(OUT)})")
    formats = parser.add_mutually_exclusive_group()
    for name, what in (("json", "all that was found, as JSON"),
                       ("ktap", "a test for each history, as KTAP"),
                       ("junit", "the same as JUnit's XML"),
                       ("mail", "plain text for a reply"),
                       ("html", "the page with pictures"),
                       ("b4", "what b4 review's check commands print; reads "
                        "the mail on standard input")):
        formats.add_argument(f"--{name}", action="store_const", const=name,
                             dest="format", help=f"print {what}")
    trees.add_kernel(parser)
    trees.add_ktree(parser)
    options = parser.parse_args(arguments)
    if options.format == "b4":
        options.patch = options.patch or STDIN
    return options


def comes_from_stdin() -> bool:
    """Whether standard input is a pipe or a file, so somebody's patch."""
    try:
        mode = os.fstat(0).st_mode
    except OSError:
        return False
    return stat.S_ISFIFO(mode) or stat.S_ISREG(mode)


def exporter_of(names: set[str]) -> str:
    """Whose syncs a patch to files @names is most likely about."""
    for mark, exporter in (("driver/", FANOUT), ("system_heap", "system_heap"),
                           ("dma-heap", "system_heap"), ("udmabuf", "udmabuf")):
        if any(mark in name if mark != "driver/" else name.startswith(mark)
               for name in names):
            return exporter
    return "udmabuf" if names else FANOUT


def _default_base() -> str:
    """Where this branch has left main, or HEAD."""
    for main in ("origin/main", "main", "master"):
        if commit_of(main):
            found = git("merge-base", "HEAD", main).stdout.decode().strip()
            if found:
                return found
    return "HEAD"


def choose_states(options: argparse.Namespace, tree: Path) \
        -> tuple[str, State, State]:
    """The exporter, base and patch."""
    stdin: tuple[bytes, ...] = ()
    if options.patch == STDIN or (not options.patch and comes_from_stdin()):
        options.patch = STDIN
        stdin = (sys.stdin.buffer.read(),)
    names: set[str] = set()
    is_patch = options.patch == STDIN or Path(options.patch).is_file()
    if is_patch:
        diff, _ = read_patch(options.patch, stdin)
        names = {name for one in diffs_in(diff) for name in touched(one)}
    exporter = options.exporter or exporter_of(names)
    if exporter != FANOUT:
        base = state_of(options.base or STOCK, exporter, None, tree, ())
        patch = state_of(options.patch, exporter, base, tree, stdin) \
            if is_patch or options.patch else base
        return exporter, base, patch
    if not is_patch:
        base = state_of(options.base or _default_base(), exporter, None, tree,
                        ())
        return exporter, base, state_of(options.patch or WORKTREE, exporter,
                                        base, tree, ())
    diff, name = read_patch(options.patch, stdin)
    tried = [options.base] if options.base else [_default_base(), "HEAD"]
    for at, what in enumerate(tried):
        base = state_of(what, exporter, None, tree, ())
        try:
            return exporter, base, patched(base, diff, name, tree)
        except Failure:
            if at + 1 == len(tried):
                raise
    raise AssertionError


def review(options: argparse.Namespace) -> Report:
    """Build, record and judge base and patch."""
    trees.check_choice(options.kernel, options.ktree)
    require([*NEEDS, *(() if options.ktree else UNPACK)])
    tree = trees.choose(options.kernel, options.ktree)
    exporter, base, patch = choose_states(options, tree.path)
    report = Report(exporter, tree.release, base.what, patch.what,
                    empty=base.same_as(patch))
    if report.empty:
        return report
    where = kernels.Kernels(tree)
    program = replay.build()
    scenes = histories.battery(exporter)
    with trees.locked(where.folder):
        start = time.monotonic()
        kernels.build_base(where, base)
        with ThreadPoolExecutor() as pool:
            listening = pool.submit(heard, where, where.base, exporter, scenes,
                                    "base", program)
            kernels.build_patch(where, patch)
            after = heard(where, where.image, exporter, scenes, "patch",
                          program)
            before = listening.result()
        report.base_complaints = before.complaints
        report.complaints = [line for line in after.complaints
                             if line not in before.complaints]
        report.histories = compare(
            scenes, Side(base, before, Callers(where.base)),
            Side(patch, after, Callers(where.image)), tree.path)
        say("compared", f"{len(scenes)} histories, after "
            f"{time.monotonic() - start:.0f} s")
    return report


def main() -> int:
    """Return: 0 if nobody reads older data, 1 if so; status_of() gives 2."""
    options = parse(sys.argv[1:])
    chosen = options.format
    # Whoever reads a format by program wants nothing else on standard output.
    with contextlib.redirect_stdout(sys.stderr if chosen else sys.stdout):
        try:
            report = review(options)
        except Failure as failure:
            if chosen != "b4":
                raise
            print(machine.b4_result("fail", str(failure)), file=sys.__stdout__)
            return 2
        out = Path(options.out or OUT)
        # What was found stays: no use to look through it again and again.
        gc.freeze()
        if not report.empty:
            out.mkdir(parents=True, exist_ok=True)
            for name, write in FILES.items():
                (out / name).write_text(write(report))
    if chosen:
        print((FORMATS | {"html": page.to_html})[chosen](report))
    else:
        print(text.terminal(report))
        if not report.empty:
            say("pictures", shown((out / "report.html").absolute()))
    return int(report.regressed)


if __name__ == "__main__":
    sys.exit(status_of(main))
