# SPDX-License-Identifier: GPL-2.0
"""Make the driver, or a change to the stock one, a series of patches."""

import argparse
import sys

from fanout import tree as trees
from fanout.host import (BUILD, GUEST, KERNEL_BUILD, SERIES, SPARSE, UNPACK,
                         Need, Totals, require, say, status_of)
from review import __main__ as review
from series import fanout_series, trial, udmabuf
from series.repository import Repository, check_clean, head, person

TRIAL = (*KERNEL_BUILD, *SPARSE, Need("python3-sphinx", program="sphinx-build"))
# The change to the stock driver is reviewed and played before it is sent.
PLAYED = (*review.NEEDS, *GUEST)
OUT = {"fanout": BUILD / "series", "udmabuf": BUILD / "series-udmabuf"}


def parse(arguments: list[str]) -> argparse.Namespace:
    """The command line as options."""
    parser = argparse.ArgumentParser(prog="series", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    for name, text in (("make", "write the patches"),
                       ("test", "apply them one by one, build each, run the "
                        "suites")):
        command = commands.add_parser(name, help=text, description=text)
        trees.add_kernel(command)
        trees.add_ktree(command)
        command.add_argument("--series", default="", choices=("", *OUT),
                             help="this driver (fanout, default), or a change "
                             "to the stock one (udmabuf)")
        command.add_argument("--signoff", default="", metavar="PERSON",
                             help="who sends it: Name <address>")
    return parser.parse_args(arguments)


def main() -> int:
    """Return: 0 if all is right, 1 if not; status_of() gives 2."""
    options = parse(sys.argv[1:])
    trees.check_choice(options.kernel, options.ktree)
    testing = options.command == "test"
    who = person(options.signoff or (trial.SIGNOFF if testing else ""))
    check_clean()
    require([*SERIES, *(TRIAL if testing else ()),
             *(PLAYED if options.series == "udmabuf" else ()),
             *(() if options.ktree else UNPACK)])
    with trees.locked(BUILD):
        tree = trees.choose(options.kernel or
                            ("" if options.ktree else trees.NEWEST),
                            options.ktree)
        repository = Repository(tree, head("%ct +0000"), who)
        name = options.series or "fanout"
        say("series", f"of {name}, for linux {tree.release}")
        totals = Totals()
        if name == "udmabuf":
            made = udmabuf.make(repository, OUT[name])
            if made.report.regressed:
                print("the review finds somebody who reads older data: it is "
                      "in the cover letter")
            totals = trial.try_udmabuf(repository, made) if testing else \
                Totals(failed=made.report.regressed)
        else:
            patches = fanout_series.make(repository, OUT[name])
            if testing:
                totals = trial.try_fanout(repository, patches)
    if testing:
        print(totals)
    return 1 if totals.failed else 0


if __name__ == "__main__":
    sys.exit(status_of(main))
