# SPDX-License-Identifier: GPL-2.0
"""Installs the package on minimal Debians, and boots what DKMS built there.

In a root DKMS builds for every kernel that has headers there. The modules that it
built are then played in the rig, beside those that the rig builds itself.
"""

import re
import shutil
import sys
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from fanout import apt, fresh, tree
from fanout.deb import PACKAGE, version
from fanout.headers import newest_headers, stock_headers
from fanout.host import (BUILD, LOGS, REPO, Failure, NothingToDo, Totals,
                         colour, run, say, shown)
from fanout.module import quiet

ROOTS = BUILD / "deb-test"
BUILT = BUILD / "deb-built"
KO = "udmabuf_fanout.ko"
# Which kernels a release has headers for that its tools can use.
KERNELS = {"bookworm": (tree.DEFAULT,), "trixie": (tree.DEFAULT, tree.NEWEST)}
BACKPORTS = {"trixie": "trixie-backports"}
# What DKMS says where there is nothing to build for.
NO_KERNEL = r"No kernel headers were found|\bSkipped\.|BUILD_EXCLUSIVE"
# What is not the package's: logs, caches and lists of apt and dpkg, the signing
# key that DKMS makes once for all modules, and what depmod(8) writes anew.
_ANYBODYS = re.compile(
    r"/(tmp|root|run|var/(log|cache|lib/(dpkg|apt|systemd))|"
    r"var/lib/dkms/(mok\.(key|pub)|dkms_dbversion)|"
    r"usr/lib/modules/[^/]+/modules\.[a-z.]+|etc/ld\.so\.cache)(/|$)")
_LIST = (r"find / -xdev \( -path /proc -o -path /dev -o -path /sys \) -prune "
         r"-o -type f -printf '%y %m %u:%g %s %p\n' "
         r"-o -printf '%y %m %u:%g %p -> %l\n'")


@dataclass
class Machine:
    """A minimal Debian that the package is tried on, and what held there."""

    suite: str
    root: Path
    inside: Sequence[str]
    steps: int = 0
    verdicts: list[tuple[bool, str]] = field(default_factory=list)

    def run(self, what: str, line: str) -> tuple[int, str]:
        """Run @line there. Return: its exit status, and what it said."""
        self.steps += 1
        log = LOGS / f"deb-{self.suite}/{self.steps:02d}-{what}.log"
        status = run(f"{self.suite} {what}",
                     fresh.there(line, self.root, self.inside), log)
        # The log begins with the command, whose end is the line.
        return status, log.read_text(errors="replace").partition(
            f" {line}\n")[2]

    def do(self, what: str, line: str) -> str:
        """Run @line, which must work for the rest to make sense."""
        status, said = self.run(what, line)
        if status:
            for text in said.splitlines()[-20:]:
                print("    " + text)
            raise Failure(f"{self.suite}: {what} ended with status {status}: "
                          f"{shown(LOGS)}/deb-{self.suite} has all of it")
        return said

    def check(self, good: object, what: str) -> None:
        """Note that @what holds, or not, and say so."""
        self.verdicts.append((bool(good), f"{self.suite}: {what}"))
        show(self.verdicts[-1:])

    def files(self) -> set[str]:
        """Every file that matters there, with its size and mode."""
        return {line for line in self.do("files", _LIST).splitlines()
                if not _ANYBODYS.match(path_of(line))}


def path_of(line: str) -> str:
    """The path in a line of Machine.files()."""
    words = line.split(" ", 4 if line.startswith("f") else 3)
    return words[-1].partition(" -> ")[0]


def show(verdicts: Iterable[tuple[bool, str]]) -> None:
    """Print what held and what did not."""
    for good, what in verdicts:
        print(colour("ok    " if good else "FAILED", 32 if good else 31), what,
              flush=True)


def releases(names: str, suite: str) -> list[str]:
    """The kernels of apt's @names that @suite is tried with."""
    found = []
    for kernel in KERNELS[suite]:
        try:
            _, series = tree.series_of(kernel)
        except NothingToDo:
            continue
        package = newest_headers(names.split(), series, apt.architecture())
        if package is None:
            raise Failure(f"{suite} has no headers of a {series[0]}.{series[1]} "
                          "kernel")
        found.append(package.removeprefix("linux-headers-"))
    return found


def one_message(status: int, said: str, pattern: str) -> bool:
    """Whether @said is one message with @pattern in it, of a failure."""
    return status != 0 and re.search(pattern, said) is not None and \
        len(re.findall(r"^(Error!|Warning)", said, re.MULTILINE)) == 1 and \
        "Traceback" not in said


def prepare(there: Machine, package: Path) -> list[str]:
    """Install what the package says that it needs, then kernels' headers.

    In between there is no kernel to build for: Debian 13 has no headers at all
    then, Debian 12 those of 6.1.

    Return: the kernels.
    """
    shutil.copy(package, there.root / "tmp")
    # It need not survive a power failure.
    (there.root / "etc/dpkg/dpkg.cfg.d/unsafe").write_text("force-unsafe-io\n")
    newer = BACKPORTS.get(there.suite)
    if newer:
        (there.root / "etc/apt/sources.list.d/newer.list").write_text(
            f"deb [signed-by={apt.KEYRING}] {apt.mirror()} {newer} main\n")
    there.do("update", "apt-get update")
    depends = apt.output("dpkg-deb", "-f", str(package), "Depends").strip()
    there.do("depends", f"apt-get satisfy -y '{depends}'")
    said = there.do("no-kernel", f"apt-get install -y /tmp/{package.name}")
    there.check(re.search(NO_KERNEL, said), "installed where there is no kernel "
                "to build for; DKMS says so")
    there.do("no-kernel-purge", f"apt-get purge -y {PACKAGE}")
    wanted = releases(there.do("names", "apt-cache pkgnames linux-headers-"),
                      there.suite)
    there.do("headers", "apt-get install -y --no-install-recommends udev "
             + " ".join(f"linux-headers-{release}" for release in wanted))
    for release in wanted:
        there.do("depmod", f"depmod {release}")
    return wanted


def installed(said: str, release: str, number: str) -> bool:
    """Whether `dkms status` @said that the module is there for @release."""
    return re.search(rf"^udmabuf-fanout/{re.escape(number)}, "
                     rf"{re.escape(release)}, \S+: installed\b", said,
                     re.MULTILINE) is not None


def check_module(there: Machine, release: str, number: str) -> None:
    """The module for @release is as it should be; keep a copy of it."""
    ko = there.do("where", f"find /lib/modules/{release}/updates/dkms "
                  f"-name '{KO}*'").strip()
    fields = dict(line.split(":", 1) for line in there.do(
        "modinfo", f"modinfo {ko}").splitlines() if ":" in line)
    told = {name: value.strip() for name, value in fields.items()}
    there.check(told.get("version") == number
                and told.get("vermagic", "").startswith(f"{release} ")
                and told.get("license") == "GPL",
                f"{release}: modinfo has version {told.get('version')}")
    there.check(told.get("signer") == "DKMS module signing key",
                f"{release}: signed by {told.get('signer', 'nobody')}")
    logs = list((there.root / f"var/lib/dkms/udmabuf-fanout/{number}/{release}")
                .glob("*/log/make.log"))
    kept = LOGS / f"deb-{there.suite}/make-{release}.log"
    if logs:
        shutil.copy(logs[0], kept)
    files = list((REPO / "driver").glob("*.c"))
    there.check(logs and quiet(0, kept, "CC", files),
                f"{release}: built without a warning")
    target = BUILT / release
    target.mkdir(parents=True, exist_ok=True)
    shutil.copy(there.root / ko.lstrip("/"), target)


def try_refusals(there: Machine, release: str, number: str) -> None:
    """What cannot be built says so once."""
    module = f"udmabuf-fanout/{number}"
    status, said = there.run("no-headers", f"dkms build {module} -k 6.12.0-none")
    there.check(one_message(status, said, r"kernel headers"),
                "a kernel without headers: one message")
    source = f"/usr/src/linux-headers-{release}"
    status, said = there.run("too-old", f"dkms build {module} -k 6.11.9-old "
                             f"--kernelsourcedir {source}")
    there.check(status == 77 and one_message(status, said, "BUILD_EXCLUSIVE"),
                "a kernel older than 6.12: excluded")
    status, said = there.run(
        "no-memfd", f"cp -a {source} /tmp/no-memfd; "
        "sed -i '/^CONFIG_MEMFD_CREATE=/d' /tmp/no-memfd/.config "
        "/tmp/no-memfd/include/config/auto.conf; "
        f"dkms build {module} -k 6.12.9-no-memfd "
        "--kernelsourcedir /tmp/no-memfd")
    there.check(status == 77 and one_message(status, said, "BUILD_EXCLUSIVE"),
                "a kernel without memfds: excluded")


def check_lintian(there: Machine, package: Path) -> None:
    """Debian's own check of packages, as new as there is, finds no error."""
    there.do("lintian", "apt-get install -y --no-install-recommends lintian")
    status, said = there.run("lintian", "lintian --allow-root --fail-on error "
                             f"/tmp/{package.name}")
    tags = re.findall(r"^[EW]: .*", said, re.MULTILINE)
    there.check(not status, f"lintian: no error, {len(tags)} warnings"
                + "".join(f"\n    {tag}" for tag in tags))


def try_package(there: Machine, package: Path, number: str) -> None:
    """Install, look, remove, purge."""
    wanted = prepare(there, package)
    before = there.files()
    there.do("install", f"apt-get install -y /tmp/{package.name}")
    for release in wanted:
        there.check(installed(there.do("status", "dkms status"), release,
                              number), f"{release}: DKMS built and installed it")
        check_module(there, release, number)
    # What DKMS hears of a kernel's update is that headers are installed.
    there.do("unbuild", f"dkms unbuild udmabuf-fanout/{number} -k {wanted[-1]}")
    there.do("update-kernel",
             f"apt-get install -y --reinstall linux-headers-{wanted[-1]}")
    there.check(installed(there.do("status", "dkms status"), wanted[-1], number),
                f"{wanted[-1]}: there again when its headers are updated")
    rule = there.do("rules", "grep -rhE 'KERNEL==\"udmabuf(-fanout)?\"' "
                    "/usr/lib/udev/rules.d")
    there.check(len(re.findall(r'GROUP="kvm"', rule)) == 2
                and "MODE" not in rule, "the node's udev rule is udmabuf's")
    if there.suite != "bookworm":
        there.do("udevadm", "udevadm verify "
                 "/usr/lib/udev/rules.d/60-udmabuf-fanout.rules")
    try_refusals(there, wanted[0], number)
    status, said = there.run("report", "udmabuf-fanout-report")
    there.check(not status and f"udmabuf-fanout/{number}" in said
                and "not loaded: modprobe udmabuf_fanout" in said,
                "the report command, with no module loaded")
    there.do("remove", f"apt-get remove -y {PACKAGE}")
    there.check("udmabuf" not in there.do("status", "dkms status"),
                "removed: DKMS knows it no longer")
    # Of a package without configuration files nothing is left to purge.
    there.do("purge", f"dpkg --purge {PACKAGE}")
    differ = sorted(before ^ there.files(), key=path_of)
    for line in differ[:20]:
        print("    " + line)
    there.check(not differ, f"purged: {len(before)} files are as they were")
    if there.suite == fresh.SUITES[-1]:
        check_lintian(there, package)


def totals(verdicts: Sequence[tuple[bool, str]]) -> Totals:
    """Each of the verdicts is a test."""
    good = sum(holds for holds, _ in verdicts)
    return Totals(good, len(verdicts) - good)


def make(module: str, *arguments: str) -> Totals:
    """Another command of these tools. Return: what it came to."""
    log = LOGS / f"deb-{'-'.join(arguments[:3]).replace('--', '')}.log"
    status = run(" ".join(arguments[:1]), [sys.executable, "-m", module,
                                           *arguments], log, cwd=REPO / "tools")
    return fresh.totals_of(log.read_text(errors="replace"), status)


def play(kernel: str, suite: str) -> list[tuple[bool, str]]:
    """Play the module that DKMS built for @kernel's guest in the rig.

    @suite is the one Debian that was tried, or "" for all. One alone need not
    have the kernel that the rig has.
    """
    release = stock_headers(kernel).release
    module = next((BUILT / release).glob(f"{KO}*"), None)
    if module is None and suite:
        raise NothingToDo(f"{suite} has not the rig's {release}")
    if module is None:
        return [(False, f"{release}: no Debian that was tried has built the "
                 "module for the rig's kernel")]
    say("deb-test", f"the demo for {release}, twice, and the examples (3 "
        "minutes)")
    own = make("rig", "demo", "--kernel", kernel)
    theirs = make("rig", "demo", "--kernel", kernel, "--module", str(module))
    examples = make("rig", "examples", "--kernel", kernel, "--module",
                    str(module))
    return [(theirs == own and not theirs.failed,
             f"{release}: the demo of DKMS's module: {theirs}; of the rig's: "
             f"{own}"),
            (bool(examples.passed and not examples.failed),
             f"{release}: the examples on DKMS's module: {examples}")]


def deb_test(suite: str, keep: bool) -> Totals:
    """make deb-test."""
    start = time.monotonic()
    number = version((REPO / "driver/main.c").read_text())
    if make("fanout", "deb").failed:
        raise Failure("the package could not be built: make deb says why")
    package = BUILD / f"{PACKAGE}_{number}_all.deb"
    inside = fresh.namespace()
    shutil.rmtree(BUILT, ignore_errors=True)
    found: list[tuple[bool, str]] = []
    for name in [suite] if suite else KERNELS:
        shutil.rmtree(LOGS / f"deb-{name}", ignore_errors=True)
        folder = ROOTS / name
        with fresh.empty(folder, keep, inside):
            there = Machine(name, fresh.make_root(name, folder, inside), inside)
            try_package(there, package, number)
            found += there.verdicts
    for kernel in tree.KERNELS:
        if not suite or kernel in KERNELS[suite]:
            try:
                played = play(kernel, suite)
            except NothingToDo as nothing:
                say("deb-test", f"{kernel}: {nothing}")
                continue
            show(played)
            found += played
    say("deb-test", f"{time.monotonic() - start:.0f} s")
    return totals(found)
