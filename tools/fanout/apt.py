# SPDX-License-Identifier: GPL-2.0
"""Packages: what apt knows of, and how to have them without installing them."""

import re
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from fanout.host import (CACHE, LOGS, Failure, apt_get, environment, run, say,
                         show_failure, shown)

LOG = LOGS / "apt.log"
# Where Debian has kernels that are newer than its releases'.
NEWER_SUITES = ("trixie-backports", "unstable")
KEYRING = Path("/usr/share/keyrings/debian-archive-keyring.gpg")
DAY = 24 * 60 * 60


def output(*command: str) -> str:
    """What @command prints, or nothing where it does not exist or fails."""
    if shutil.which(command[0]) is None:
        return ""
    return subprocess.run(command, capture_output=True, text=True, check=False,
                          env=environment()).stdout


def architecture() -> str:
    """Debian's name of this machine's architecture, amd64 if it has none."""
    return output("dpkg", "--print-architecture").strip() or "amd64"


@dataclass(frozen=True)
class Archive:
    """A view of Debian's archive: the machine's own apt unless @options."""

    options: tuple[str, ...] = ()

    def names(self, prefix: str) -> list[str]:
        """The names of packages that begin with @prefix."""
        return output("apt-cache", *self.options, "pkgnames", prefix).split()

    def version(self, package: str) -> str | None:
        """The version of @package that would be downloaded, None if none."""
        text = output("apt-cache", *self.options, "show", "--no-all-versions",
                      package)
        match = re.search(r"^Version: (\S+)", text, re.MULTILINE)
        return match[1] if match else None

    def dependencies(self, package: str) -> list[str]:
        """The packages that @package depends on, directly."""
        return re.findall(r"^ *Depends: (\S+)$", output(
            "apt-cache", *self.options, "depends", package), re.MULTILINE)

    def with_dependencies(self, package: str) -> list[str]:
        """@package, and all that it depends on."""
        return re.findall(r"^Inst (\S+)", output(
            "apt-get", *self.options, "--simulate", "--no-install-recommends",
            "install", package), re.MULTILINE)

    def fetch(self, packages: list[str], target: Path) -> None:
        """Download @packages and unpack them into @target, not installed."""
        downloads = target / "downloads"
        downloads.mkdir(parents=True)
        if run("download", ["apt-get", *self.options, "download", *packages],
               LOG, cwd=downloads, append=True):
            raise Failure(f"apt could not download {' '.join(packages)}: is "
                          "there a network, and room on the disk of "
                          f"{CACHE}? (its words: {shown(LOG)})")
        for package in sorted(downloads.glob("*.deb")):
            unpack(["dpkg", "-x", package, target])
        shutil.rmtree(downloads)


MACHINE = Archive()


def unpack(command: list[str | Path]) -> None:
    """Run @command, which unpacks the file that it names into the cache."""
    if run("unpack", command, LOG, append=True):
        show_failure(LOG)
        raise Failure(f"{command[0]} could not unpack into {CACHE}: is its "
                      "disk full?")


@contextmanager
def appearing(target: Path) -> Iterator[Path]:
    """A folder to fill, which becomes @target only if all goes well.

    Nothing is left of it otherwise.
    """
    partial = target.with_name(f"{target.name}.partial")
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir(parents=True)
    try:
        yield partial
        partial.rename(target)
    finally:
        shutil.rmtree(partial, ignore_errors=True)


def codename() -> str:
    """This release's name, as suites are called after it."""
    try:
        text = Path("/etc/os-release").read_text(encoding="utf-8")
    except OSError:
        return ""
    match = re.search(r"^VERSION_CODENAME=(\S+)", text, re.MULTILINE)
    return match[1] if match else ""


def releases(uris: str) -> list[tuple[str, str]]:
    """The mirrors and their suites in apt's list of @uris."""
    return re.findall(r"'(\S+?)/dists/([^']+)/InRelease'", uris)


def update_uris() -> str:
    """What the machine's own apt would fetch as package lists."""
    return output("apt-get", "--print-uris", "update")


def read_mirror(uris: str, suite: str) -> str | None:
    """The mirror that has @suite, or else the first, in apt's list of @uris."""
    found = releases(uris)
    return next((base for base, name in found if name == suite),
                found[0][0] if found else None)


def mirror() -> str:
    """The mirror that this machine's own apt uses."""
    base = read_mirror(update_uris(), codename())
    if base is None:
        raise Failure("apt names no mirror here, so kernels of other suites "
                      "cannot be found: give a kernel tree with KTREE=")
    return base


def _keeping(folder: Path, what: str, sources: Callable[[], list[str]],
             foreign: str, unavailable: str, instead: str = "",
             kept: str = "linux-headers-") -> Archive:
    """A view of @sources, "mirror suite" each, kept in @folder.

    It is of the architecture @foreign, or of this machine's. The lists are
    looked at again after a day; the machine's apt does not learn of them.
    Without a package that begins with @kept they are of no use.
    """
    archive = Archive((
        f"-oDir::Etc::sourcelist={folder}/sources.list",
        "-oDir::Etc::sourceparts=/dev/null",
        f"-oDir::State::Lists={folder}/lists",
        f"-oDir::Cache={folder}/cache",
        # or the machine's packages would be candidates, too
        "-oDir::State::status=/dev/null",
        *([f"-oAPT::Architecture={foreign}",
           f"-oAPT::Architectures={foreign}"] if foreign else [])))
    stamp = folder / "updated"
    if stamp.is_file() and time.time() - stamp.stat().st_mtime < DAY:
        return archive
    lines = sources()
    base = lines[0].split()[0]
    say("package lists", f"of {what} from {base} (20 s)")
    known = stamp.is_file()
    try:
        for name in ("lists/partial", "cache/archives/partial"):
            (folder / name).mkdir(parents=True, exist_ok=True)
        key = f"[signed-by={KEYRING}] " if KEYRING.is_file() else ""
        (folder / "sources.list").write_text("".join(
            f"deb {key}{line} main\n" for line in lines))
        # One suite that this mirror has not got is not the end of it, nor is
        # no network where there are older lists.
        failed = run("package lists", ["apt-get", *archive.options, "update"],
                     LOG, append=True)
        if not archive.names(kept):
            raise Failure(f"{base} has no {unavailable}, or there is no "
                          f"network (apt's words: {shown(LOG)}){instead}")
    except BaseException:
        if not known:
            shutil.rmtree(folder, ignore_errors=True)
        raise
    if not (known and failed):
        stamp.touch()
    return archive


def newer_suites(foreign: str = "") -> Archive:
    """The suites of the machine's mirror that have newer kernels."""
    def sources() -> list[str]:
        base = mirror()
        return [f"{base} {suite}" for suite in NEWER_SUITES]

    what = ", ".join(NEWER_SUITES)
    return _keeping(
        CACHE / "-".join(("apt", *([foreign] if foreign else []))),
        f"{what} for {foreign}" if foreign else what, sources, foreign,
        f"{' or '.join(NEWER_SUITES)} with kernels"
        + (f" for {foreign}" if foreign else ""),
        "" if foreign else ": give a kernel tree with KTREE=")


def own_suites(uris: str, release: str) -> list[str]:
    """The "mirror suite"s of @release, and what updates it, in apt's @uris."""
    return [f"{base} {suite}" for base, suite in releases(uris)
            if suite == release or suite.startswith(f"{release}-")]


def of_architecture(foreign: str) -> Archive:
    """The suites that this machine's apt uses, for another architecture.

    The machine's own if @foreign is empty.
    """
    if not foreign:
        return MACHINE

    def sources() -> list[str]:
        found = own_suites(update_uris(), codename())
        if not found:
            raise Failure("apt names no mirror of this release here, so there "
                          f"are no packages for {foreign}")
        return found

    return _keeping(CACHE / f"apt-{foreign}-{codename()}",
                    f"{codename()} for {foreign}", sources, foreign,
                    f"kernels for {foreign}")


def of_suite(suite: str, package: str) -> Archive:
    """A suite of the machine's mirror, which must have @package."""
    return _keeping(CACHE / f"apt-{suite}", suite,
                    lambda: [f"{mirror()} {suite}"], "",
                    f"{suite} with {package}", kept=package)


def update() -> None:
    """Have the machine's package lists fetched, where that is possible."""
    apt_get("package lists", "update")
