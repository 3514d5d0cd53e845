# SPDX-License-Identifier: GPL-2.0
"""The machine the tools run on: folders, terminal, commands, packages."""

import errno
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Sequence
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
                  "SUBARCH", "CROSS_COMPILE", "DEBUG", "FILTER", "KERNEL",
                  "KTREE", "KDIR", "KBUILD_OUTPUT", "O", "M", "V", "W", "C",
                  "CHECK")


class Failure(Exception):
    """Something the user has to act on; its text is all that is printed."""


class NothingToDo(Exception):
    """What was asked for does not exist here, and that is no failure."""


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
    compiler: str = "cc"    # whose header it is

    def present(self) -> bool:
        """Whether this machine has it."""
        if self.program:
            return shutil.which(self.program) is not None
        if self.header and shutil.which(self.compiler) is None:
            return self.compiler == "cc" and any(
                path.is_file() for folder in ("", "*/") for path in
                Path("/usr/include").glob(folder + self.header))
        probe = [self.compiler, "-fsyntax-only", "-include", self.header,
                 "-x", "c", "/dev/null"] if self.header else \
            [sys.executable, "-c", f"import {self.module}"]
        return subprocess.run(probe, capture_output=True,
                              check=False).returncode == 0

    def __str__(self) -> str:
        if self.header and self.compiler != "cc":
            return f"{self.header} for {self.compiler}"
        return self.program or self.header or f"Python's {self.module}"


KERNEL_BUILD = (
    Need("gcc", program="gcc"), Need("gcc", program="cc"),
    Need("libc6-dev", header="stdlib.h"), Need("make", program="make"),
    Need("flex", program="flex"), Need("bison", program="bison"),
    Need("bc", program="bc"), Need("perl", program="perl"),
    Need("libelf-dev", header="gelf.h"),
    Need("libssl-dev", header="openssl/opensslv.h"),
)
X86_64 = (Need("qemu-system-x86", program="qemu-system-x86_64"),)
CROSS_ARM64 = (Need("gcc-aarch64-linux-gnu", program="aarch64-linux-gnu-gcc"),)
CROSS_ARMHF = (Need("gcc-arm-linux-gnueabihf",
                    program="arm-linux-gnueabihf-gcc"),)
CROSS_RISCV64 = (Need("gcc-riscv64-linux-gnu",
                      program="riscv64-linux-gnu-gcc"),)
ARM64_PROGRAMS = (Need("libc6-dev-arm64-cross", header="stdlib.h",
                       compiler="aarch64-linux-gnu-gcc"),)
QEMU_ARM = (Need("qemu-system-arm", program="qemu-system-aarch64"),)
ARM64 = (*QEMU_ARM, *CROSS_ARM64)
ARM = (*QEMU_ARM, *CROSS_ARMHF)
DEVICE_TREE = (Need("device-tree-compiler", program="fdtput"),)
MYPY = (Need("mypy", program="mypy"),)
BINDINGS = (Need("python3-clang", module="clang.cindex"),)
PICTURES = (Need("python3-matplotlib", module="matplotlib"),)
SPARSE = (Need("sparse", program="sparse"),)
COVERAGE = (Need("lcov", program="genhtml"), Need("gcc", program="gcov"))
# To unpack what apt downloads: kernel trees, and headers or images.
UNPACK = (Need("dpkg", program="dpkg"), Need("tar", program="tar"),
          Need("xz-utils", program="xz"))
# Modules for a stock kernel: Debian's headers want its type information made.
MODULES = (*KERNEL_BUILD, *UNPACK, Need("pahole", program="pahole"))
# A guest in QEMU, its programs and its initramfs.
GUEST = (*MODULES, Need("cpio", program="cpio"))
GIT = (Need("git", program="git"),)
# make fresh: a Debian root, and a clone to put in it.
FRESH = (Need("mmdebstrap", program="mmdebstrap"), *GIT,
         Need("tar", program="tar"))
# make deb: Debian's own tools for packages of modules.
DEB = (Need("debhelper", program="dh"), Need("dh-dkms", program="dh_dkms"),
       Need("dpkg-dev", program="dpkg-buildpackage"))
# The driver as patches for a kernel: which lines are its, and its pages.
SERIES = (*GIT, Need("unifdef", program="unifdef"),
          Need("pandoc", program="pandoc"))
PROGRAMS = (Need("gcc", program="cc"), Need("libc6-dev", header="stdlib.h"),
            Need("make", program="make"))


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


def install(packages: list[str]) -> bool:
    """Install @packages. Return: whether that worked."""
    say("packages", f"installing {' '.join(packages)} through apt "
        "(about a minute)")
    # Never asked for, but what makes every later build faster comes along.
    command = ("packages", "install", "-y", "--no-install-recommends",
               "ccache", *packages)
    return apt_get(*command) or (apt_get("packages", "update")
                                 and apt_get(*command))


def require(needs: Iterable[Need]) -> None:
    """Install what is missing of @needs, or say what that is and stop.

    Each command does this once, as it starts, with all it needs.
    """
    needs = list(needs)
    missing = [need for need in needs if not need.present()]
    if not missing:
        return
    packages = sorted({need.package for need in missing})
    tried = ""
    if as_root() is not None and shutil.which("apt-get") is not None:
        if not install(packages):
            tried = (" apt could not install them: is there a network, and "
                     "room on the disk, and is this Debian 12 or later? (its "
                     f"words: {shown(LOGS / 'apt.log')})")
        missing = [need for need in needs if not need.present()]
    if missing:
        names = ", ".join(dict.fromkeys(map(str, missing)))
        raise Failure(f"missing: {names}.{tried} Install what is missing and "
                      "try again; on Debian, as root: apt-get install "
                      f"{' '.join(packages)}")


def status_of(command: Callable[[], int]) -> int:
    """Run @command. Return: its exit status, 2 if it could not be tried.

    What the user has to act on is one message on standard error.
    """
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    try:
        return command()
    except NothingToDo as nothing:
        say("skipped", str(nothing))
        print(Totals(skipped=1))
        return 0
    except Failure as failure:
        text = str(failure)
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EDQUOT, errno.EROFS,
                               errno.EACCES, errno.EPERM):
            raise
        text = (f"{error.filename or 'writing'}: {error.strerror}: this needs "
                f"to write to {BUILD} and {CACHE} ($UDMABUF_FANOUT_CACHE names "
                "another cache)")
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        return 130
    print(colour(f"error: {text}", 31), file=sys.stderr)
    return 2
