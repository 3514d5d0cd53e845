# SPDX-License-Identifier: GPL-2.0
"""What modules for a stock kernel are built with: Debian's headers packages.

They are unpacked, not installed. Where the compiler or the C library of this
machine is too old for a newer kernel's, the same folder is made from its
source package.
"""

import re
import shutil
import subprocess
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from fanout import apt, tree
from fanout.host import (CACHE, JOBS, Failure, Need, run, say, show_failure,
                         shown)
from fanout.tree import locked


@dataclass(frozen=True)
class Headers:
    """A folder that modules can be built in, and for which kernel."""

    path: Path
    release: str    # as uname -r says it


def newest_headers(names: Iterable[str], series: tuple[int, int],
                   flavour: str) -> str | None:
    """The newest linux-headers package of @series for @flavour in @names."""
    pattern = re.compile(rf"linux-headers-{series[0]}\.{series[1]}\.(\d+)"
                         rf"(?:\+\w+)?-{re.escape(flavour)}")
    found = [(int(match[1]), name) for name in names
             if (match := pattern.fullmatch(name))]
    return max(found)[1] if found else None


def compiler(headers: Path) -> str | None:
    """The compiler that @headers name, such as gcc-14."""
    variables = headers / ".kernelvariables"
    match = re.search(r"gcc-\d+", variables.read_text()) \
        if variables.is_file() else None
    return match[0] if match else None


def given_headers(kdir: str) -> Headers:
    """KDIR=, if a module can be built there."""
    given = Path(kdir).absolute()
    if not (given / "Makefile").is_file():
        raise Failure(f"KDIR={kdir} is not a kernel build folder: it has no "
                      "Makefile")
    if not (given / "include/generated/autoconf.h").is_file():
        raise Failure(f"KDIR={kdir} is not configured and prepared: run make "
                      "modules_prepare there")
    release = given / "include/config/kernel.release"
    return Headers(given, release.read_text().strip()
                   if release.is_file() else given.name)


def needs_of(kdir: str) -> list[Need]:
    """What a given folder wants besides what all do: its own compiler."""
    gcc = compiler(Path(kdir)) if kdir else None
    return [Need(gcc, program=gcc)] if gcc else []


def _localise(unpacked: Path, final: Path) -> None:
    """Have the headers' Makefile find its other half where it will be."""
    for makefile in unpacked.glob("usr/src/*/Makefile"):
        text = makefile.read_text()
        makefile.write_text(re.sub(r"^(include |KBUILD_OUTPUT=)(/usr/src/)",
                                   rf"\1{final}\2", text, flags=re.MULTILINE))


def _unpacked(archive: apt.Archive, series: tuple[int, int]) -> Headers:
    """The newest headers of @series, downloaded unless they were before."""
    flavour = apt.architecture()
    cached = newest_headers((path.name for path in CACHE.iterdir()), series,
                            flavour)
    prefix = f"linux-headers-{series[0]}.{series[1]}"
    package = newest_headers(archive.names(prefix), series, flavour)
    if package is None and cached is None:
        apt.update()
        package = newest_headers(archive.names(prefix), series, flavour)
    name = package or cached
    if name is None:
        raise Failure(f"apt has no headers of a {series[0]}.{series[1]} "
                      "kernel: give those of a 6.12 or later kernel with KDIR=")
    folder = CACHE / name
    if not folder.is_dir():
        say("headers", f"downloading {name} (17 MB)")
        with apt.appearing(folder) as files:
            archive.fetch([name, *(
                other for other in archive.dependencies(name)
                if other.startswith(("linux-headers-", "linux-kbuild-")))],
                files)
            _localise(files, folder)
    return Headers(folder / "usr/src" / name,
                   name.removeprefix("linux-headers-"))


def missing_here(headers: Headers) -> str:
    """What this machine lacks to use Debian's @headers, nothing if it can."""
    gcc = compiler(headers.path)
    lacks = [] if gcc is None or shutil.which(gcc) else [gcc]
    for program in headers.path.parents[1].glob("lib/linux-kbuild-*/**/*"):
        if program.name not in ("fixdep", "modpost", "objtool",
                                "resolve_btfids") or not program.is_file():
            continue
        said = subprocess.run([program, "--help"], capture_output=True,
                              text=True, check=False).stderr
        if version := re.search(r"`(GLIBC_\S+)' not found", said):
            lacks.append(version[1].replace("_", " "))
    return " and ".join(dict.fromkeys(lacks))


def _from_source(kernel: str, headers: Headers, lacks: str) -> Headers:
    """A folder as @headers, made with this machine's tools from the source.

    The configuration and the kernel's symbols are Debian's, so modules that
    are built here fit Debian's kernel.
    """
    source = tree.packaged_tree(kernel)
    build = source.build / "headers"
    log = source.logs / "headers.log"
    stamp = build / "made.of"
    identity = f"{headers.release} {source.release}\n"
    say("headers", f"those of {headers.release} want {lacks}, which this "
        "machine has not: using its source package"
        + (" (2 minutes)" if not stamp.is_file() else ""))
    if stamp.is_file() and stamp.read_text() == identity:
        return Headers(build, headers.release)
    shutil.rmtree(build, ignore_errors=True)
    build.mkdir(parents=True)
    shutil.copy(headers.path / ".config", build)
    # What the configuration of Debian's own build cannot say.
    make: list[str | Path] = [
        "make", "-C", source.path, f"O={build}",
        f"KERNELRELEASE={headers.release}", f"-j{JOBS}"]
    for goal in ("olddefconfig", "modules_prepare"):
        if run("headers", [*make, goal], log, append=goal != "olddefconfig"):
            show_failure(log)
            raise Failure("the kernel's source package cannot be made ready "
                          f"for modules in {shown(build)}: give other headers "
                          "with KDIR=, or use Debian 13 or later")
    shutil.copy(headers.path / "Module.symvers", build)
    stamp.write_text(identity)
    return Headers(build, headers.release)


def stock_headers(kernel: str) -> Headers:
    """The folder to build modules in for the newest stock kernel of @kernel."""
    with locked(CACHE):
        archive, series = tree.series_of(kernel)
        headers = _unpacked(archive, series)
    lacks = missing_here(headers)
    return _from_source(kernel, headers, lacks) if lacks else headers
