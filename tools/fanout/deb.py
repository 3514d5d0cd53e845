# SPDX-License-Identifier: GPL-2.0
"""Builds the Debian package whose module DKMS makes for each kernel.

The driver's MODULE_VERSION() is the only version there is: the package, its
changelog and dkms.conf get theirs from it.
"""

import os
import re
import shutil
import time
from email.utils import formatdate
from pathlib import Path

from fanout import apt
from fanout.host import (BUILD, LOGS, REPO, Failure, Totals, run, say,
                         show_failure, shown)

PACKAGE = "udmabuf-fanout-dkms"
PACKAGING = REPO / "tools/deb"
LOG = LOGS / "deb.log"
# Where the module's source would be if this were an installed package.
TREE = BUILD / "deb/udmabuf-fanout"
# What Debian's own tools read. Without it the package says that nobody answers
# for it, as nobody has said so.
_WHO = ("DEBFULLNAME", "DEBEMAIL")
NOBODY = "Local build <nobody@udmabuf-fanout.invalid>"
_VERSION = re.compile(r'^MODULE_VERSION\("([^"]+)"\);$', re.MULTILINE)
# A version that is one to Debian, and to its package without a revision.
_VALID = re.compile(r"\d[0-9A-Za-z.+~]*")


def version(source: str) -> str:
    """The version in the text of the driver's @source."""
    found = _VERSION.findall(source)
    if len(found) != 1 or not _VALID.fullmatch(found[0]):
        raise Failure("driver/main.c needs one MODULE_VERSION(\"...\") of "
                      "digits, letters and dots that begins with a digit: "
                      "packages are called after it")
    return str(found[0])


def maintainer() -> str:
    """Who answers for the package."""
    name, address = (os.environ.get(variable, "") for variable in _WHO)
    if not name and not address:
        return NOBODY
    if not name or not re.fullmatch(r"[^\s<>]+@[^\s<>]+", address):
        raise Failure(f"{_WHO[0]}={name!r} and {_WHO[1]}={address!r} are no "
                      "name and address: set both, or neither")
    return f"{name} <{address}>"


def date() -> str:
    """When what is packaged was changed, as a changelog writes it."""
    told = apt.output("git", "-C", str(REPO), "log", "-1", "--format=%cD")
    return told.strip() or formatdate(
        (REPO / "driver/main.c").stat().st_mtime)


def changelog(number: str, who: str, when: str) -> str:
    """The package's changelog: Debian wants one, git has the real one."""
    return (f"udmabuf-fanout ({number}) unstable; urgency=medium\n\n"
            f"  * Built from its source.\n\n -- {who}  {when}\n")


def make_tree(tree: Path, number: str) -> None:
    """Fill @tree with what Debian's tools build the package of."""
    shutil.rmtree(tree.parent, ignore_errors=True)
    tree.mkdir(parents=True)
    shutil.copytree(REPO / "driver", tree / "driver")
    shutil.copytree(PACKAGING / "debian", tree / "debian")
    shutil.copytree(REPO / "docs/examples", tree / "docs/examples",
                    ignore=shutil.ignore_patterns("__pycache__"))
    for document in ("using", "driver", "hazards"):
        shutil.copy(REPO / f"docs/{document}.md", tree / "docs")
    for file in ("60-udmabuf-fanout.rules", "udmabuf-fanout-report.8"):
        shutil.copy(PACKAGING / file, tree)
    shutil.copy(PACKAGING / "report.py", tree / "udmabuf-fanout-report")
    who = maintainer()
    control = tree / "debian/control"
    control.write_text(control.read_text().replace("@MAINTAINER@", who))
    (tree / "debian/changelog").write_text(changelog(number, who, date()))
    install = tree / f"debian/{PACKAGE}.install"
    install.write_text(install.read_text().replace("@VERSION@", number))


def build_deb() -> Totals:
    """make deb."""
    start = time.monotonic()
    number = version((REPO / "driver/main.c").read_text())
    make_tree(TREE, number)
    # Its own list of build dependencies has a compiler for programs, of which
    # there are none; what is needed was asked for.
    if run("deb", ["dpkg-buildpackage", "--build=binary", "--no-check-builddeps",
                   "--no-sign"], LOG, cwd=TREE):
        show_failure(LOG)
        raise Failure("the package could not be built")
    for old in BUILD.glob(f"{PACKAGE}_*_all.deb"):
        old.unlink()
    package = BUILD / f"{PACKAGE}_{number}_all.deb"
    shutil.move(TREE.parent / package.name, package)
    say("deb", f"{shown(package)} in {time.monotonic() - start:.0f} s")
    return Totals(passed=1)
