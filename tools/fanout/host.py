# SPDX-License-Identifier: GPL-2.0
"""The machine the tools run on: folders, terminal, commands, packages."""

import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

REPO = Path(__file__).resolve().parents[2]
BUILD = REPO / "build"
LOGS = BUILD / "log"
JOBS = len(os.sched_getaffinity(0))
CACHE = Path(os.environ.get("UDMABUF_FANOUT_CACHE")
             or Path.home() / ".cache" / "udmabuf-fanout").absolute()

# Make hands its command line down through the environment, where the kernel's
# Makefiles would take ARCH=, DEBUG= or V= for themselves.
_NOT_INHERITED = ("MAKEFLAGS", "MFLAGS", "MAKELEVEL", "MAKEOVERRIDES", "ARCH",
                  "SUBARCH", "CROSS_COMPILE", "DEBUG", "FILTER", "KTREE",
                  "KDIR", "KBUILD_OUTPUT", "O", "M", "V", "W", "C", "CHECK")


class Failure(Exception):
    """Something the user has to act on; its text is all that is printed."""


@dataclass(frozen=True)
class Totals:
    """How many test cases and checks passed, failed and were skipped."""

    passed: int = 0
    failed: int = 0
    skipped: int = 0

    def __add__(self, other: "Totals") -> "Totals":
        return Totals(self.passed + other.passed, self.failed + other.failed,
                      self.skipped + other.skipped)

    def __str__(self) -> str:
        return (f"{self.passed:d} passed, {self.failed:d} failed, "
                f"{self.skipped:d} skipped")


def colour(text: str, code: int) -> str:
    """@text in a terminal colour, or as it is where colours are unwanted."""
    if "NO_COLOR" in os.environ or not sys.stdout.isatty():
        return text
    return f"\033[{code}m{text}\033[0m"


def say(what: str, text: str) -> None:
    """One line about step @what."""
    print(f"{what:<14} {text}", flush=True)


def say_totals(what: str, totals: Totals, seconds: float) -> None:
    """The result line of step @what."""
    text = colour(str(totals), 31 if totals.failed else 32)
    say(what, f"{text} in {seconds:.0f} s")


def shown(path: Path) -> str:
    """@path as a user in the checkout would type it."""
    return str(path.relative_to(REPO) if path.is_relative_to(REPO) else path)


def environment() -> dict[str, str]:
    """The environment for builds: this one, cleaned, and ccache if it is here.

    ccache comes in through its folder of compiler names, so that compiler
    command lines are the same with and without it.
    """
    env = {k: v for k, v in os.environ.items() if k not in _NOT_INHERITED}
    env["LC_ALL"] = "C.UTF-8"
    wrappers = Path("/usr/lib/ccache")
    if wrappers.is_dir():
        env["PATH"] = f"{wrappers}:{env.get('PATH', os.defpath)}"
        env.setdefault("CCACHE_DIR", str(CACHE / "ccache"))
        env.setdefault("CCACHE_BASEDIR", str(REPO))
        env.setdefault("CCACHE_NOHASHDIR", "1")
    return env


def run(what: str, command: Sequence[str | Path], log: Path, *,
        cwd: Path = REPO, append: bool = False) -> int:
    """Run @command with its output in @log; show that time passes.

    Return: the exit status.
    """
    log.parent.mkdir(parents=True, exist_ok=True)
    start = time.monotonic()
    with log.open("a" if append else "w") as out:
        print("$", *command, file=out, flush=True)
        try:
            process = subprocess.Popen(command, cwd=cwd, env=environment(),
                                       stdin=subprocess.DEVNULL, stdout=out,
                                       stderr=subprocess.STDOUT)
        except FileNotFoundError as error:
            raise Failure(f"cannot run {command[0]}: {error.strerror}") \
                from error
        tty = sys.stdout.isatty()
        while True:
            try:
                status = process.wait(timeout=1 if tty else 60)
                break
            except subprocess.TimeoutExpired:
                waited = f"... {time.monotonic() - start:.0f} s"
                if tty:
                    print(f"\r{what:<14} {waited}", end="", flush=True)
                else:
                    say(what, waited)
            except BaseException:
                process.terminate()
                process.wait()
                raise
        if tty:
            print("\r\033[K", end="", flush=True)
    return status


_TROUBLE = re.compile(r"(\berror\b|\bwarning\b|\*\*\*|Traceback|not ok )",
                      re.IGNORECASE)


def relevant(lines: Sequence[str], at: int | None = None,
             count: int = 20) -> list[str]:
    """The @count lines around line @at, or else around the first trouble."""
    if at is None:
        at = next((i for i, line in enumerate(lines)
                   if i and _TROUBLE.search(line)), len(lines))
    first = max(0, min(at - 4, len(lines) - count))
    return list(lines[first:first + count])


def show_failure(log: Path, at: int | None = None) -> None:
    """Print the relevant lines of @log and where the rest is."""
    lines = log.read_text(errors="replace").splitlines()
    for line in relevant(lines, at):
        print("    " + line)
    print(f"    (all of it: {shown(log)})", flush=True)


@dataclass(frozen=True)
class Need:
    """A program, C header or Python module, and the package that has it."""

    package: str
    program: str = ""
    header: str = ""
    module: str = ""

    def present(self) -> bool:
        """Whether this machine has it."""
        if self.program:
            return shutil.which(self.program) is not None
        if self.header:
            if shutil.which("cc") is None:
                return True     # cannot tell yet
            probe = ["cc", "-fsyntax-only", "-include", self.header,
                     "-x", "c", "/dev/null"]
        else:
            probe = [sys.executable, "-c", f"import {self.module}"]
        return subprocess.run(probe, capture_output=True,
                              check=False).returncode == 0

    def __str__(self) -> str:
        name = self.program or self.header or f"Python's {self.module}"
        return f"{name} (Debian package {self.package})"


KERNEL_BUILD = (
    Need("gcc", program="gcc"), Need("gcc", program="cc"),
    Need("libc6-dev", header="stdlib.h"), Need("make", program="make"),
    Need("flex", program="flex"), Need("bison", program="bison"),
    Need("bc", program="bc"), Need("perl", program="perl"),
    Need("libelf-dev", header="gelf.h"),
    Need("libssl-dev", header="openssl/opensslv.h"),
)
X86_64 = (Need("qemu-system-x86", program="qemu-system-x86_64"),)
ARM64 = (Need("qemu-system-arm", program="qemu-system-aarch64"),
         Need("gcc-aarch64-linux-gnu", program="aarch64-linux-gnu-gcc"))
PYTHON_CHECKS = (Need("mypy", program="mypy"),)
BINDINGS = (Need("python3-clang", module="clang.cindex"),)
SPARSE = (Need("sparse", program="sparse"),)
UNPACK = (Need("dpkg", program="dpkg"), Need("tar", program="tar"),
          Need("xz-utils", program="xz"))


def as_root() -> list[str] | None:
    """What to put before a command to run it as root, None if impossible."""
    if os.geteuid() == 0:
        return []
    if shutil.which("sudo") and subprocess.run(
            ["sudo", "-n", "true"], capture_output=True,
            check=False).returncode == 0:
        return ["sudo", "-n"]
    return None


def apt_get(what: str, *arguments: str) -> bool:
    """Run apt-get as root. Return: whether that was possible and worked."""
    root = as_root()
    return root is not None and shutil.which("apt-get") is not None and run(
        what, [*root, "env", "DEBIAN_FRONTEND=noninteractive", "apt-get",
               *arguments], LOGS / "apt.log", append=True) == 0


def install(packages: list[str]) -> None:
    """Install @packages."""
    say("packages", f"installing {' '.join(packages)} through apt "
        "(about a minute)")
    command = ("packages", "install", "-y", "--no-install-recommends",
               *packages)
    if not apt_get(*command) and not (apt_get("packages", "update")
                                      and apt_get(*command)):
        raise Failure(f"apt could not install {' '.join(packages)}: is there "
                      "a network, and is this Debian 12 or later? (its words: "
                      f"{shown(LOGS / 'apt.log')})")


def require(needs: Iterable[Need]) -> None:
    """Install what is missing of @needs, or say what that is and stop."""
    needs = list(needs)
    # Headers can only be looked for once there is a compiler.
    for _ in range(2):
        missing = [need for need in needs if not need.present()]
        if not missing:
            return
        if as_root() is None or shutil.which("apt-get") is None:
            break
        install(sorted({need.package for need in missing}))
    missing = [need for need in needs if not need.present()]
    if missing:
        raise Failure(f"missing: {', '.join(map(str, missing))}. Install what "
                      "is missing and try again.")
