# SPDX-License-Identifier: GPL-2.0
"""Command line of the build and test tools; the Makefile calls it."""

import argparse
import sys

from fanout import (check, coverage, deb, deb_test, fresh, headers, kunit,
                    module, mutants, tree)
from fanout.arch import FOREIGN, named
from fanout.host import (BINDINGS, BUILD, COVERAGE, DEB, FRESH, GUEST,
                         KERNEL_BUILD, MODULES, MYPY, PICTURES, PROGRAMS,
                         SERIES, SPARSE, UNPACK, X86_64, Need, Totals, require,
                         status_of)

# What each command needs, all asked for as it starts.
NEEDS: dict[str, tuple[Need, ...]] = {
    "test": (*BINDINGS, *MYPY, *PICTURES, *SERIES),
    "kunit": (), "tree": (),
    "check": (*SPARSE, *BINDINGS, *MYPY, *MODULES,
              *(need for arch in FOREIGN.values() for need in arch.needs)),
    "bindings": BINDINGS, "bindings-check": BINDINGS,
    "coverage": (*X86_64, *COVERAGE),
    "mutants": X86_64,
    "module": (*MODULES, *SPARSE),
    "model": PROGRAMS, "merge": PROGRAMS,
    "deb": DEB, "deb-test": (*DEB, *FRESH, *GUEST),
    "fresh": FRESH,
}
# Those whose programs the Makefile builds; here they only ask for their needs.
NATIVE = ("model", "merge")
PACKAGED = ("deb", "deb-test")
# Those that begin with a kernel tree.
OF_A_TREE = tuple(command for command in NEEDS
                  if command not in ("module", *NATIVE, *PACKAGED, "fresh"))


def parse(arguments: list[str]) -> argparse.Namespace:
    """The command line as options."""
    parser = argparse.ArgumentParser(prog="fanout", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)

    def add(name: str, text: str) -> argparse.ArgumentParser:
        command = commands.add_parser(name, help=text, description=text)
        if name in OF_A_TREE or name == "module":
            tree.add_kernel(command)
        if name in OF_A_TREE:
            tree.add_ktree(command)
        return command

    add("test", "the suites in both UML kernels, the tools' tests, types")
    add("tree", "prepare a kernel tree with the driver in it, for kunit.py")
    suites = add("kunit", "run the KUnit suites through the tree's kunit.py")
    suites.add_argument("--arch", default="um", choices=kunit.MACHINES)
    suites.add_argument("--debug", action="store_true",
                        help="with KASAN, lockdep and DMA API debugging")
    suites.add_argument("--filter", default="", metavar="GLOB",
                        help="suites or tests to run, as kunit.py takes it")
    add("coverage", "what the suites reach of the driver, counted by gcov")
    add("check", "checkpatch, kernel-doc, sparse, bindings, types, and the "
        "order of the driver's files")
    add("bindings", "generate the bindings from the kernel tree")
    add("bindings-check", "fail if the bindings are not what the tree gives")
    mistakes = add("mutants", "put small mistakes into the driver: each must "
                   "fail a test")
    mistakes.add_argument("--only", default="", metavar="GLOB,...",
                          help="mutants to try, by their names")
    mistakes.add_argument("--list", action="store_true",
                          help="show them as diffs instead")
    build = add("module", "build udmabuf_fanout.ko")
    build.add_argument("--kdir", default="", metavar="DIR",
                       help="kernel build folder, instead of the newest "
                       "headers package of the kernel")
    build.add_argument("--arch", default="", metavar="WORD",
                       help=f"{', '.join(FOREIGN)}, instead of this machine")
    add("model", "make sure that the model's program can be built")
    add("merge", "make sure that the merge's programs can be built")
    add("deb", "build the Debian package, whose module DKMS makes")
    tried = add("deb-test", "install the package on minimal Debians, and boot "
                "what DKMS built there")
    pristine = add("fresh", "make targets on a minimal Debian that has nothing")
    for command in (tried, pristine):
        command.add_argument("--suite", default="", metavar="NAME",
                             help=f"{' or '.join(fresh.SUITES)}")
        command.add_argument("--keep", action="store_true",
                             help="do not remove the root afterwards")
    pristine.add_argument("--targets", default="", metavar="TARGETS",
                          help="what to make there, one after the other; "
                          "variables go with the target before them "
                          f"(default: {fresh.TARGETS})")
    return parser.parse_args(arguments)


def needs_of(options: argparse.Namespace) -> list[Need]:
    """All that the command needs."""
    needs = list(NEEDS[options.command])
    if options.command in OF_A_TREE:
        needs += [*KERNEL_BUILD, *(() if options.ktree else UNPACK)]
    if options.command == "kunit":
        needs += kunit.MACHINES[options.arch].needs
    if options.command == "module":
        needs += headers.needs_of(options.kdir, named(options.arch))
        needs += named(options.arch).needs
    return needs


def perform(options: argparse.Namespace) -> Totals:
    """Do what the command line asks for."""
    if options.command == "mutants" and options.list:
        mutants.show(options.only)
        return Totals()
    if options.command in ("fresh", "deb-test"):
        fresh.check_choice(options.suite)
    elif options.command not in (*NATIVE, *PACKAGED):
        tree.check_choice(options.kernel, getattr(options, "ktree", "")
                          or getattr(options, "kdir", ""))
    require(needs_of(options))
    if options.command in NATIVE:
        return Totals()
    if options.command == "fresh":
        return fresh.fresh(options.suite or fresh.SUITES[0],
                           options.targets or fresh.TARGETS, options.keep)
    if options.command == "deb":
        return deb.build_deb()
    if options.command == "deb-test":
        return deb_test.deb_test(options.suite, options.keep)
    if options.command == "module":
        return module.build_module(options.kernel, options.kdir,
                                   named(options.arch))
    kernel = tree.choose(options.kernel, options.ktree)
    tree.prepare(kernel)
    if options.command == "test":
        return (kunit.run_suites(kernel)
                + kunit.run_suites(kernel, variant="debug")
                + check.unit_tests() + check.check_types())
    if options.command == "kunit":
        return kunit.run_suites(
            kernel, options.arch, "debug" if options.debug else "",
            options.filter)
    if options.command == "mutants":
        return mutants.test_tests(kernel, options.only)
    if options.command == "coverage":
        return coverage.coverage(kernel)
    if options.command == "check":
        return check.check_all(kernel)
    if options.command.startswith("bindings"):
        return check.check_bindings(kernel, options.command != "bindings")
    tree.show_kunit_line(kernel)
    return Totals()


def main() -> int:
    """Return: 0 if everything passed, 1 if not, 2 if it could not be tried."""
    options = parse(sys.argv[1:])
    # A pristine root has nothing to do with this checkout's builds.
    roots = {"fresh": fresh.ROOTS, "deb-test": deb_test.ROOTS}
    with tree.locked(roots.get(options.command, BUILD)):
        totals = perform(options)
    if options.command not in ("tree", *NATIVE) and \
            not getattr(options, "list", False):
        print(totals)
    return 1 if totals.failed else 0


if __name__ == "__main__":
    sys.exit(status_of(main))
