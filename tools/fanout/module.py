# SPDX-License-Identifier: GPL-2.0
"""Builds the driver as a module for an installed or downloaded kernel."""

import re
import shutil
import subprocess
import time
from collections.abc import Iterable
from pathlib import Path

from fanout.host import (BUILD, CACHE, JOBS, KERNEL_BUILD, LOGS, REPO, SPARSE,
                         Failure, Need, Totals, apt_get, environment, require,
                         run, say, say_totals, show_failure, shown)
from fanout.tree import fetch_packages, locked

MODULE = BUILD / "module"
WARNING = re.compile(r"\b(warning|error)\b:", re.IGNORECASE)


def newest_headers(names: Iterable[str], flavour: str) -> str | None:
    """The newest linux-headers-6.12.* package for @flavour among @names."""
    pattern = re.compile(
        rf"linux-headers-6\.12\.(\d+)(?:\+\w+)?-{re.escape(flavour)}")
    found = [(int(match[1]), name) for name in names
             if (match := pattern.fullmatch(name))]
    return max(found)[1] if found else None


def _output(*command: str) -> str:
    """What @command prints, or nothing where it does not exist or fails."""
    if shutil.which(command[0]) is None:
        return ""
    return subprocess.run(command, capture_output=True, text=True, check=False,
                          env=environment()).stdout


def _architecture() -> str:
    """Debian's name of this machine's architecture, amd64 if it has none."""
    return _output("dpkg", "--print-architecture").strip() or "amd64"


def _known_headers() -> str | None:
    """The newest headers package that apt knows."""
    return newest_headers(
        _output("apt-cache", "pkgnames", "linux-headers-6.12").split(),
        _architecture())


def _localise(unpacked: Path, final: Path) -> None:
    """Have the headers' Makefile find its common half where it will be."""
    for makefile in unpacked.glob("usr/src/*/Makefile"):
        text = makefile.read_text()
        if text.startswith("include /usr/src/"):
            makefile.write_text(
                text.replace("include /usr/src/",
                             f"include {final}/usr/src/", 1))


def find_headers(kdir: str = "") -> Path:
    """The kernel build folder to build against, and its compiler."""
    headers = _given_headers(kdir) if kdir else _newest_headers()
    variables = headers / ".kernelvariables"
    if variables.is_file() and (gcc := re.search(r"gcc-\d+",
                                                 variables.read_text())):
        require([Need(gcc[0], program=gcc[0])])
    return headers


def _given_headers(kdir: str) -> Path:
    """KDIR=, if a module can be built there."""
    given = Path(kdir).absolute()
    if not (given / "Makefile").is_file():
        raise Failure(f"KDIR={kdir} is not a kernel build folder: it has no "
                      "Makefile")
    if not (given / "include/generated/autoconf.h").is_file():
        raise Failure(f"KDIR={kdir} is not configured and prepared: run make "
                      "modules_prepare there")
    return given


def _newest_headers() -> Path:
    """The newest 6.12 headers package, downloaded unless it was before."""
    with locked(CACHE) as cache:
        cached = newest_headers(
            (path.name for path in cache.iterdir()), _architecture())
        package = _known_headers()
        if package is None and cached is None:
            apt_get("package lists", "update")
            package = _known_headers()
        name = package or cached
        if name is None:
            raise Failure("apt has no headers of a 6.12 kernel: give those of "
                          "a 6.12 or later kernel with KDIR=")
        if not (cache / name).is_dir():
            say("headers", f"downloading {name} (17 MB)")
            partial = cache / f"{name}.partial"
            fetch_packages([name, *(
                word for word in _output("apt-cache", "depends", name).split()
                if word.startswith(("linux-headers-", "linux-kbuild-"))
                and word != name)], partial)
            _localise(partial, cache / name)
            partial.rename(cache / name)
        return cache / name / "usr/src" / name


def build_module(kdir: str) -> Totals:
    """Build build/module/udmabuf_fanout.ko with W=1, then check with sparse.

    It is built from scratch each time, for a warning to show each time.
    """
    require((*KERNEL_BUILD, *SPARSE))
    headers = find_headers(kdir)
    shutil.rmtree(MODULE, ignore_errors=True)
    shutil.copytree(REPO / "driver", MODULE)
    say("module", f"building against {headers} (10 s)")
    totals = Totals()
    for what, options in (("module W=1", ["W=1"]),
                          ("module sparse", ["W=1", "C=2"])):
        start = time.monotonic()
        log = LOGS / f"{what.replace(' ', '-').replace('=', '')}.log"
        status = run(what, ["make", "-C", headers, f"M={MODULE}",
                            f"-j{JOBS}", "CONFIG_UDMABUF_FANOUT=m",
                            *options, "modules"], log)
        bad = status != 0 or WARNING.search(log.read_text(errors="replace"))
        result = Totals(passed=not bad, failed=bool(bad))
        say_totals(what, result, time.monotonic() - start)
        totals += result
        if bad:
            show_failure(log)
    if not totals.failed:
        say("module", shown(MODULE / "udmabuf_fanout.ko"))
    return totals
