# SPDX-License-Identifier: GPL-2.0
"""Command line of the build and test tools; the Makefile calls it."""

import argparse
import sys

from fanout import check, coverage, kunit, module, mutants, tree
from fanout.host import (BUILD, KERNEL_BUILD, PYTHON_CHECKS, Failure, Totals,
                         colour, require)


def parse(arguments: list[str]) -> argparse.Namespace:
    """The command line as options."""
    parser = argparse.ArgumentParser(prog="fanout", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)

    def add(name: str, text: str) -> argparse.ArgumentParser:
        command = commands.add_parser(name, help=text, description=text)
        command.add_argument("--ktree", default="", metavar="DIR",
                             help="kernel tree to use instead of the newest "
                             "source package")
        return command

    add("test", "the suites in both UML kernels, the tools' tests, types")
    add("tree", "prepare build/linux: a kernel tree with the driver in it")
    suites = add("kunit", "run the KUnit suites through the tree's kunit.py")
    suites.add_argument("--arch", default="um", choices=kunit.MACHINES)
    suites.add_argument("--debug", action="store_true",
                        help="with KASAN, lockdep and DMA API debugging")
    suites.add_argument("--filter", default="", metavar="GLOB",
                        help="suites or tests to run, as kunit.py takes it")
    add("coverage", "what the suites reach of the driver, counted by gcov")
    add("check", "checkpatch, kernel-doc, sparse, bindings, types")
    add("bindings", "generate the bindings from the kernel tree")
    add("bindings-check", "fail if the bindings are not what the tree gives")
    mistakes = add("mutants", "put small mistakes into the driver: each must "
                   "fail a test")
    mistakes.add_argument("--only", default="", metavar="GLOB",
                          help="mutants to try, by their names")
    mistakes.add_argument("--list", action="store_true",
                          help="show them as diffs instead")
    build = commands.add_parser("module", help="build udmabuf_fanout.ko")
    build.add_argument("--kdir", default="", metavar="DIR",
                       help="kernel build folder, instead of the newest "
                       "6.12 headers package")
    return parser.parse_args(arguments)


def perform(options: argparse.Namespace) -> Totals:
    """Do what the command line asks for."""
    if options.command == "module":
        return module.build_module(options.kdir)
    if options.command == "mutants" and options.list:
        mutants.show(options.only)
        return Totals()
    require(KERNEL_BUILD)
    kernel = tree.prepare(options.ktree)
    if options.command == "test":
        require(PYTHON_CHECKS)
        return (kunit.run_suites() + kunit.run_suites(variant="debug")
                + check.unit_tests() + check.attempt("mypy", check.mypy))
    if options.command == "kunit":
        return kunit.run_suites(
            options.arch, "debug" if options.debug else "", options.filter)
    if options.command == "mutants":
        return mutants.test_tests(kernel, options.only)
    if options.command == "coverage":
        return coverage.coverage()
    if options.command == "check":
        return check.check_all()
    if options.command == "bindings-check":
        return check.attempt("bindings-check", check.bindings)
    if options.command == "bindings":
        return check.attempt(
            "bindings", lambda log: check.bindings(log, check=False))
    return Totals()


def main() -> int:
    """Return: 0 if everything passed, 1 if not, 2 if it could not be tried."""
    options = parse(sys.argv[1:])
    try:
        with tree.locked(BUILD):
            totals = perform(options)
    except Failure as failure:
        print(colour(f"error: {failure}", 31), file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        return 130
    if options.command != "tree" and not getattr(options, "list", False):
        print(totals)
    return 1 if totals.failed else 0


if __name__ == "__main__":
    sys.exit(main())
