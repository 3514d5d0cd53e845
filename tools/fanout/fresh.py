# SPDX-License-Identifier: GPL-2.0
"""Makes targets on a machine that has nothing: a minimal Debian of its own.

What somebody installed by hand hides what a user lacks. The root has what
mmdebstrap puts there and no more; a clone of this checkout in it, no cache but
the compiler's. The README's lines are run there word for word. Everything that
is mounted is so in a namespace, and goes with its processes.
"""

import os
import re
import shutil
import subprocess
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from fanout import apt
from fanout.host import (BUILD, CACHE, LOGS, REPO, Failure, Totals, run, say,
                         say_totals, show_failure, shown)

ROOTS = BUILD / "fresh"
SUITES = ("bookworm", "trixie")
TARGETS = "demo test"
HOME = "root/udmabuf-fanout"
_TOTALS = re.compile(r"^(\d+) passed, (\d+) failed, (\d+) skipped$",
                     re.MULTILINE)
# $1 is the root, $2 the compiler's cache, $3 what to do.
_INSIDE = f"""
mount -t proc proc "$1/proc"
for node in null zero full random urandom tty; do
	touch "$1/dev/$node"
	mount --bind "/dev/$node" "$1/dev/$node"
done
ln -sfn /proc/self/fd "$1/dev/fd"
mkdir -p "$1/dev/shm" "$1/root/.cache/udmabuf-fanout/ccache"
mount -t tmpfs -o mode=1777 tmpfs "$1/dev/shm"
mount --bind "$2" "$1/root/.cache/udmabuf-fanout/ccache"
exec chroot "$1" env -i HOME=/root LC_ALL=C.UTF-8 CI=true NO_COLOR=1 \\
	PATH=/usr/sbin:/usr/bin:/sbin:/bin ${{http_proxy:+http_proxy=$http_proxy}} \\
	sh -c "cd /{HOME} && $3"
"""


def check_choice(suite: str) -> None:
    """Whether SUITE= is one that there is."""
    if suite and suite not in SUITES:
        raise Failure(f"SUITE={suite}: it is {' or '.join(SUITES)}")


def split(targets: str) -> list[str]:
    """@targets one by one, each with the variables that follow it."""
    words = targets.split()
    if not words or "=" in words[0]:
        raise Failure(f"TARGETS={targets!r} names no target")
    found: list[str] = []
    for word in words:
        if "=" in word:
            found[-1] += f" {word}"
        else:
            found.append(word)
    return found


def lines_for(readme: str, targets: Sequence[str]) -> list[str]:
    """What to run for each of @targets: the README's line, where it has one.

    The first of its lines begins with what a bare machine needs; so does the
    first that is run.
    """
    written = re.findall(r"^    (\S.*)$", readme, re.MULTILINE)
    known = {match[1]: line for line in reversed(written)
             if (match := re.search(r"\bmake (\S+)$", line))}
    prefix = next((line.rpartition("make ")[0] for line in written
                   if re.search(r"\bmake \S+$", line)), "")
    lines = [known.get(target, f"make {target}") for target in targets]
    if not lines[0].startswith(prefix):
        lines[0] = prefix + lines[0]
    return lines


def sources(uris: str, suite: str, own: str) -> list[str]:
    """This machine's apt sources for @suite, from apt's list of @uris.

    They are those of its @own suite, with the name of the other in it.
    """
    key = f"[signed-by={apt.KEYRING}] "
    lines = [f"deb {key}{base} {suite}{name.removeprefix(own)} main"
             for base, name in apt.releases(uris)
             if own and name.startswith(own)]
    if not lines:
        raise Failure("this machine's apt has no sources of a Debian release "
                      "to take the mirror from")
    return lines


def namespace() -> list[str]:
    """What to put before a command for it to be root and able to mount."""
    command = ["setpriv", "--pdeathsig", "KILL", "unshare", "--mount", "--pid",
               "--fork", "--kill-child"]
    if os.geteuid():
        command += ["--map-root-user", "--map-auto"]
    if subprocess.run([*command, "true"], capture_output=True,
                      check=False).returncode:
        raise Failure("make fresh needs root, or user namespaces for users: "
                      "the package uidmap, an entry in /etc/subuid and "
                      "/etc/subgid, and a kernel that allows them")
    return command


@contextmanager
def empty(folder: Path, keep: bool, inside: Sequence[str]) -> Iterator[None]:
    """@folder to make a root in, which is removed afterwards unless @keep."""
    if folder.is_dir() and any(folder.iterdir()):
        raise Failure(f"{shown(folder)} is not empty: another run left it, or "
                      "is still going on. Remove it and try again")
    folder.mkdir(parents=True, exist_ok=True)
    (CACHE / "ccache").mkdir(parents=True, exist_ok=True)
    try:
        yield
    finally:
        if keep:
            say("fresh", f"kept: {shown(folder)}")
        else:
            subprocess.run([*inside, "rm", "-rf", folder], check=False)


def make_root(suite: str, folder: Path, inside: Sequence[str]) -> Path:
    """A minimal Debian @suite in @folder, with a clone of this checkout."""
    root, tarball = folder / "root", folder / "root.tar"
    log = LOGS / f"fresh-{suite}/root.log"
    mirrors = sources(apt.update_uris(), suite, apt.codename())
    say("fresh", f"a minimal {suite} from {mirrors[0].split()[2]} (a minute)")
    steps: list[list[str | Path]] = [
        ["mmdebstrap", "--variant=minbase",
         # without it usrmerge comes in, and with it all of perl
         "--hook-dir=/usr/share/mmdebstrap/hooks/merged-usr",
         suite, tarball, *mirrors],
        [*inside, "tar", "-xf", tarball, "-C", root, "--exclude=./dev/*"],
        [*inside, "cp", "-L", "/etc/resolv.conf", "/etc/hosts", root / "etc"],
        [*inside, "git", "clone", "--quiet", REPO, root / HOME]]
    root.mkdir()
    for step in steps:
        if run("fresh", step, log, append=step is not steps[0]):
            show_failure(log)
            raise Failure(f"no {suite} could be made: is there a network, and "
                          f"room on the disk of {shown(folder)}?")
    tarball.unlink()
    return root


def totals_of(text: str, status: int) -> Totals:
    """What a target's output @text and exit @status amount to."""
    found = _TOTALS.findall(text)
    totals = Totals(*map(int, found[-1])) if found \
        else Totals(passed=not status)
    if status and not totals.failed:
        totals += Totals(failed=1)
    return totals


def there(line: str, root: Path, inside: Sequence[str]) -> list[str | Path]:
    """The command that runs @line in the clone in @root."""
    return [*inside, "sh", "-ec", _INSIDE, "sh", root, CACHE / "ccache", line]


def make_there(line: str, target: str, root: Path, log: Path,
               inside: Sequence[str]) -> Totals:
    """Run @line, which makes @target, in @root."""
    start = time.monotonic()
    say("fresh", line)
    status = run(f"fresh {target}", there(line, root, inside), log)
    text = log.read_text(errors="replace")
    totals = totals_of(text, status)
    say_totals(f"fresh {target}", totals, time.monotonic() - start)
    if totals.failed:
        for said in text.splitlines()[-40:]:
            print("    " + said)
        print(f"    (all of it: {shown(log)})", flush=True)
    return totals


def fresh(suite: str, targets: str, keep: bool) -> Totals:
    """make fresh."""
    wanted = split(targets)
    folder = ROOTS / suite
    inside = namespace()
    changes = apt.output("git", "-C", str(REPO), "status", "--porcelain")
    if changes:
        say("fresh", f"{len(changes.splitlines())} uncommitted changes are not "
            "part of it")
    logs = LOGS / f"fresh-{suite}"
    shutil.rmtree(logs, ignore_errors=True)
    totals = Totals()
    with empty(folder, keep, inside):
        root = make_root(suite, folder, inside)
        lines = lines_for((root / HOME / "README.md").read_text(), wanted)
        for number, (target, line) in enumerate(zip(wanted, lines), 1):
            name = re.sub(r"\W+", "-", target)
            totals += make_there(line, target, root,
                                 logs / f"{number}-{name}.log", inside)
        inner = root / HOME / "build/log"
        if inner.is_dir():
            shutil.copytree(inner, logs / "its-own", symlinks=True)
    return totals
