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
from fanout.arch import NATIVE, Arch
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


def needs_of(kdir: str, arch: Arch = NATIVE) -> list[Need]:
    """What a given folder wants besides what all do: its own compiler."""
    gcc = compiler(Path(kdir)) if kdir else None
    foreign = f"-{arch.cross.rstrip('-')}" if arch.cross else ""
    return [Need(gcc + foreign, program=arch.cross + gcc)] if gcc else []


def _localise(unpacked: Path, final: Path) -> None:
    """Have the headers' Makefile find its other half where it will be."""
    for makefile in unpacked.glob("usr/src/*/Makefile"):
        text = makefile.read_text()
        makefile.write_text(re.sub(r"^(include |KBUILD_OUTPUT=)(/usr/src/)",
                                   rf"\1{final}\2", text, flags=re.MULTILINE))


def _unpacked(kernel: str, arch: Arch) -> Headers:
    """The newest headers of @kernel, downloaded unless they were before."""
    archive, series = tree.series_of(kernel, arch.foreign)
    flavour = arch.debian
    cached = newest_headers((path.name for path in CACHE.iterdir()), series,
                            flavour)
    prefix = f"linux-headers-{series[0]}.{series[1]}"
    package = newest_headers(archive.names(prefix), series, flavour)
    if package is None and cached is None and not arch.foreign:
        apt.update()
        package = newest_headers(archive.names(prefix), series, flavour)
    name = package or cached
    if name is None:
        raise Failure(f"apt has no {flavour} headers of a "
                      f"{series[0]}.{series[1]} kernel"
                      + ("" if arch.foreign else ": give those of a 6.12 or "
                         "later kernel with KDIR="))
    folder = CACHE / name
    if not folder.is_dir():
        say("headers", f"downloading {name} (17 MB)")
        with apt.appearing(folder) as files:
            others = archive.dependencies(name)
            archive.fetch([name, *(other for other in others
                                   if other.startswith("linux-headers-"))],
                          files)
            # What they hold are programs: they must run here.
            programs = [other for other in others
                        if other.startswith("linux-kbuild-")]
            native = tree.series_of(kernel)[0]
            if not all(map(native.version, programs)):
                apt.update()
            native.fetch(programs, files)
            _localise(files, folder)
    return Headers(folder / "usr/src" / name,
                   name.removeprefix("linux-headers-"))


def missing_here(headers: Headers, arch: Arch = NATIVE) -> str:
    """What this machine lacks to use Debian's @headers, nothing if it can."""
    gcc = compiler(headers.path)
    gcc = gcc and arch.cross + gcc
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


def _from_source(kernel: str, headers: Headers, lacks: str,
                 arch: Arch) -> Headers:
    """A folder as @headers, made with this machine's tools from the source.

    The configuration and the kernel's symbols are Debian's, so modules that
    are built here fit Debian's kernel.
    """
    source = tree.packaged_tree(kernel)
    name = "-".join(filter(None, ("headers", arch.foreign)))
    build = source.build / name
    log = source.logs / f"{name}.log"
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
    _make_ready(source, build, log, (f"KERNELRELEASE={headers.release}",
                                     *arch.make), "olddefconfig",
                "modules_prepare")
    shutil.copy(headers.path / "Module.symvers", build)
    stamp.write_text(identity)
    return Headers(build, headers.release)


def _make_ready(source: tree.KernelTree, build: Path, log: Path,
                options: Iterable[str], *goals: str) -> None:
    """Make @goals of @source in @build, the first in a new log."""
    for goal in goals:
        if run("headers", ["make", "-C", source.path, f"O={build}", *options,
                           f"-j{JOBS}", goal], log, append=goal != goals[0]):
            show_failure(log)
            raise Failure("the kernel's source package cannot be made ready "
                          f"for modules in {shown(build)}: give other headers "
                          "with KDIR=, or use Debian 13 or later")


# Where what a module may call is exported, and how that looks.
_EXPORTING = ("kernel", "mm", "lib", "fs", "security", "drivers/base",
              "drivers/char", "drivers/dma-buf")
_EXPORT = re.compile(r'EXPORT_SYMBOL(?:_NS)?(_GPL)?\((\w+)(?:, *"?(\w+)"?)?\)')
_PARAMETER = re.compile(r"STANDARD_PARAM_DEF\((\w+)")


def exported(lines: Iterable[str]) -> str:
    """The Module.symvers of a kernel in whose sources @lines are."""
    found = {}
    for line in lines:
        if match := _EXPORT.search(line):
            kind, name, space = match[1] or "", match[2], match[3] or ""
        elif match := _PARAMETER.search(line):
            kind, name, space = "", f"param_ops_{match[1]}", ""
        else:
            continue
        found[name] = (f"0x00000000\t{name}\tvmlinux\tEXPORT_SYMBOL{kind}"
                       f"\t{space}\n")
    return "".join(found.values())


def source_headers(source: tree.KernelTree, arch: Arch) -> Headers:
    """A folder to build modules in for @arch, of its default configuration.

    No kernel is built: what it exports is read in its source.
    """
    build = source.build / f"headers-{arch.name}"
    log = source.logs / f"headers-{arch.name}.log"
    stamp = build / "made.of"
    identity = f"{source.path} {source.release} {arch.options}\n"
    if not stamp.is_file() or stamp.read_text() != identity:
        say("headers", f"making those of linux {source.release} for "
            f"{arch.name} (half a minute)")
        shutil.rmtree(build, ignore_errors=True)
        build.mkdir(parents=True)
        _make_ready(source, build, log, arch.make, "defconfig")
        with (build / ".config").open("a") as config:
            config.writelines(f"{option}\n" for option in arch.options)
        _make_ready(source, build, log, arch.make, "olddefconfig",
                    "modules_prepare")
        folders = [f"arch/{arch.kernel}", *_EXPORTING]
        symbols = subprocess.run(
            ["grep", "-rhE", "--include=*.[cS]",
             "^ *(EXPORT_SYMBOL|STANDARD_PARAM_DEF)", *folders],
            cwd=source.path, capture_output=True, text=True, check=False)
        (build / "Module.symvers").write_text(
            exported(symbols.stdout.splitlines()))
        stamp.write_text(identity)
    lost = [option for option in arch.options if option not in
            (build / ".config").read_text().splitlines()]
    if lost:
        raise Failure(f"a kernel for {arch.name} cannot have "
                      f"{', '.join(lost)}: tools/fanout/arch.py needs a change")
    return Headers(build, f"{source.release} for {arch.name}")


def stock_headers(kernel: str, arch: Arch = NATIVE) -> Headers:
    """The folder to build modules in for the newest stock kernel of @kernel."""
    with locked(CACHE):
        headers = _unpacked(kernel, arch)
    lacks = missing_here(headers, arch)
    return _from_source(kernel, headers, lacks, arch) if lacks else headers
