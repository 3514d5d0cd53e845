# SPDX-License-Identifier: GPL-2.0
"""Boots a guest in QEMU and brings back what it says."""

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from fanout.host import Failure, relevant, run, show_failure, shown
from fanout.logscan import complaints
from rig.kernel import Kernel

# Bounced, bounced, direct, direct: what the guest program expects.
_DEVICES = (0xffffffff, 0xffffffff, 0xffffffffffffffff, 0xffffffffffffffff)


@dataclass(frozen=True)
class Machine:
    """What QEMU emulates for one architecture.

    Memory below 4 GiB is a node of its own, so that the guest can choose.
    """

    qemu: tuple[str, ...]
    low: int                    # GiB
    high: int
    console: str                # as the kernel calls it
    ports: tuple[str, ...]      # the options of QEMU with its two files
    results: str                # the second one, as the kernel calls it
    host: str = ""              # the PCI host in its device tree


MACHINES = {
    "": Machine(("qemu-system-x86_64", "-machine", "q35"), 2, 4, "ttyS0",
                ("-serial", "file:{console}", "-serial", "file:{results}"),
                "ttyS1"),
    # Its memory begins at 1 GiB. The clock has a tick for each instruction.
    "arm64": Machine(
        ("qemu-system-aarch64", "-machine", "virt,gic-version=3", "-cpu",
         "cortex-a72,cntfrq=1000000000"), 3, 4, "ttyAMA0",
        ("-serial", "file:{console}", "-chardev",
         "file,id=results,path={results}", "-device",
         "pci-serial,chardev=results"), "ttyS0", "/pcie@10000000"),
}
# edu says so on its standard output when it cannot reach an address.
_CLAMPED = re.compile(r"EDU: clamping DMA")
# A frame of a stack trace that is in one of the modules built for the guest.
OURS = re.compile(r"\+0x\S+ \[(udmabuf_fanout|edu_importer)\]")


class GuestFailed(Failure):
    """The guest ran, and something is wrong with it; its log was shown."""


@dataclass(frozen=True)
class Boot:
    """One boot: which kernel, what it is told, how patient we are."""

    name: str                       # of its logs
    kernel: Kernel
    initramfs: Path
    arguments: tuple[str, ...]      # for the kernel and, as VAR=value, init
    memory_mb: int                  # of the host: what it was seen to touch
    cpus: int = 1
    parallel: bool = False          # its CPUs run at once, in real time
    noncoherent: bool = False       # all PCI devices, by device tree
    qemu: tuple[str | Path, ...] = ()   # another one than this machine's
    plugin: Path | None = None      # of QEMU, which writes to log("plugin")
    silence: int = 120              # seconds without a word before it hangs
    total: int = 600                # seconds

    @property
    def console(self) -> Path:
        """The guest's log."""
        return self.log("console.log")

    @property
    def machine(self) -> Machine:
        """What it runs on."""
        return MACHINES[self.kernel.arch.name]

    def log(self, kind: str) -> Path:
        """Where what is @kind of this boot is kept."""
        return self.kernel.tree.logs / f"rig-{self.name}.{kind}"

    def console_lines(self) -> list[str]:
        """The guest's log, nothing if there is none."""
        return self.console.read_text(errors="replace").splitlines() \
            if self.console.exists() else []


def available_memory_mb() -> int:
    """How much memory the host can give away, in MB."""
    with open("/proc/meminfo", encoding="ascii") as meminfo:
        found = re.search(r"^MemAvailable: +(\d+) kB", meminfo.read(),
                          re.MULTILINE)
    available = int(found[1]) // 1024 if found else 0
    try:
        group = Path("/sys/fs/cgroup")
        limit = int((group / "memory.max").read_text())
        used = int((group / "memory.current").read_text())
        available = min(available, (limit - used) // 2**20)
    except (OSError, ValueError):
        pass        # no such limit
    return available


def hardware(boot: Boot) -> list[str | Path]:
    """The part of QEMU's command line that says what is in the machine.

    -icount with sleep=off: the clock counts instructions and jumps when the
    guest idles, so edu's 100 ms for each transfer cost nothing, and a guest
    nanosecond is an instruction. But its CPUs take turns: for races it is off.
    """
    machine = boot.machine
    clock = ["-accel", "tcg,thread=multi"] if boot.parallel else \
        ["-accel", "tcg", "-icount", "shift=0,sleep=off"]
    line: list[str | Path] = [
        *(boot.qemu or machine.qemu[:1]), *machine.qemu[1:], *clock,
        "-m", f"{machine.low + machine.high}G", "-smp", str(boot.cpus),
        "-nodefaults", "-no-user-config", "-display", "none", "-no-reboot"]
    for name, gib in ("low", machine.low), ("high", machine.high):
        line += ["-object", f"memory-backend-ram,id={name},size={gib}G",
                 "-numa", f"node,memdev={name}"]
    for mask in _DEVICES:
        line += ["-device", f"edu,dma_mask={mask:#x}"]
    return line


def command(boot: Boot, console: Path, results: Path) -> list[str | Path]:
    """The QEMU command line for @boot."""
    machine = boot.machine
    line = hardware(boot)
    line += [option.format(console=console, results=results)
             for option in machine.ports]
    if boot.noncoherent:
        line += ["-dtb", boot.log("dtb")]
    if boot.plugin:
        line += ["-plugin", f"{boot.plugin},out={boot.log('plugin')},"
                 f"results={results}"]
    return line + [
        "-kernel", boot.kernel.image, "-initrd", boot.initramfs, "-append",
        " ".join((f"console={machine.console}", "panic=-1",
                  f"RIG_PORT=/dev/{machine.results}", *boot.arguments))]


def make_noncoherent(boot: Boot) -> None:
    """Write the machine's own device tree, in which no PCI device snoops."""
    tree = boot.log("dtb")
    tree.parent.mkdir(parents=True, exist_ok=True)
    tree.unlink(missing_ok=True)
    line = hardware(boot)
    line[line.index("-machine") + 1] = \
        f"{line[line.index('-machine') + 1]},dumpdtb={tree}"
    log = boot.log("dtb.log")
    remove: list[str | Path] = ["fdtput", "-d", tree]
    failed = run("device tree", line, log) or run(
        "device tree", [*remove, boot.machine.host, "dma-coherent"], log,
        append=True)
    # Newer ones say it of all devices as well; with others this fails.
    run("device tree", [*remove, "/", "dma-coherent"], log, append=True)
    if failed:
        show_failure(log)
        raise Failure("the machine's device tree could not be made "
                      "noncoherent; COHERENT=1 takes it as it is")


def show_console(console: Path, at: int | None = None) -> None:
    """Print the lines of the guest's log that matter."""
    if not console.exists():
        return
    lines = console.read_text(errors="replace").splitlines()
    for line in (relevant(lines, at) if at is not None else lines[-20:]):
        print("    " + line)
    print(f"    (all of it: {shown(console)})", flush=True)


def _watch(boot: Boot, process: "subprocess.Popen[bytes]",
           files: Sequence[Path], progress: Callable[[str], str]) -> str | None:
    """Wait for QEMU to end. Return: what went wrong, None if it just ended."""
    start = heard = time.monotonic()
    size = 0
    tty = sys.stdout.isatty()
    while True:
        try:
            process.wait(timeout=0.2)
            return None
        except subprocess.TimeoutExpired:
            pass
        now = time.monotonic()
        grown = sum(path.stat().st_size for path in files if path.exists())
        if grown != size:
            size, heard = grown, now
        if tty:
            text = progress(files[1].read_text(errors="replace")
                            if files[1].exists() else "")
            print(f"\r\033[K{boot.name:<14} {text} ({now - start:.0f} s)",
                  end="", flush=True)
        if now - heard > boot.silence:
            return (f"said nothing for {boot.silence} s" if size else
                    f"never came up: no console output in {boot.silence} s")
        if now - start > boot.total:
            return f"did not end within {boot.total} s"


def _wait(boot: Boot, process: "subprocess.Popen[bytes]",
          files: Sequence[Path], progress: Callable[[str], str]) -> str | None:
    """_watch(), and no process of @process's session is left afterwards."""
    try:
        return _watch(boot, process, files, progress)
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        if sys.stdout.isatty():
            print("\r\033[K", end="", flush=True)


def _judged(boot: Boot, trouble: str | None, results: Path) -> list[str]:
    """The lines of the result channel, if the guest ended as it should."""
    console = boot.console
    found = complaints(boot.console_lines(), OURS)
    if found:
        show_console(console, found[0].at)
        raise GuestFailed(f"the guest's kernel complains: {found[0].text}")
    if trouble:
        show_console(console)
        raise GuestFailed(f"the guest {trouble}")
    text = results.read_text(errors="replace") if results.exists() else ""
    if '{"end": 0}' not in text:
        show_console(console)
        last = text.splitlines()[-1:] or ["it reported nothing"]
        raise GuestFailed(f"the guest program did not finish: {last[0]}")
    return text.splitlines()


def uml_command(boot: Boot) -> list[str | Path]:
    """The command line that runs a UML kernel as a process of this machine.

    Its root is a folder of this machine, its console standard output.
    """
    return [boot.kernel.image, f"mem={boot.memory_mb}M", "rootfstype=hostfs",
            f"rootflags={boot.initramfs}", "rw", "con0=fd:0,fd:1", "con=null",
            *boot.arguments]


def run_uml(boot: Boot, progress: Callable[[str], str]) -> list[str]:
    """Boot a UML kernel, otherwise as run_guest(): its console has it all."""
    console = boot.console
    console.parent.mkdir(parents=True, exist_ok=True)
    with console.open("wb") as out:
        trouble = _wait(boot, subprocess.Popen(
            uml_command(boot), stdin=subprocess.DEVNULL, stdout=out,
            stderr=subprocess.STDOUT, start_new_session=True),
            (console, console), progress)
    return _judged(boot, trouble, console)


def run_guest(boot: Boot, progress: Callable[[str], str]) -> list[str]:
    """Boot the guest and wait for its end.

    A guest that hangs or dies, and one whose kernel complains about anything
    but other people's data races, raises GuestFailed.

    Return: the lines of its result channel.
    """
    memory = available_memory_mb()
    if memory < boot.memory_mb:
        raise Failure(f"this machine has {memory} MB of memory left; the guest "
                      f"uses {boot.memory_mb} MB of its "
                      f"{boot.machine.low + boot.machine.high} GiB")
    if boot.noncoherent:
        make_noncoherent(boot)
    console = boot.console
    results, output = boot.log("results"), boot.log("qemu.log")
    console.parent.mkdir(parents=True, exist_ok=True)
    for old in (console, results):
        old.unlink(missing_ok=True)
    with output.open("wb") as out:
        process = subprocess.Popen(
            command(boot, console, results), stdin=subprocess.DEVNULL,
            stdout=out, stderr=subprocess.STDOUT, start_new_session=True)
        trouble = _wait(boot, process, (console, results), progress)
    said = output.read_text(errors="replace").strip()
    if process.returncode > 0:
        raise Failure(f"QEMU ended with status {process.returncode}: "
                      f"{said.splitlines()[-1] if said else 'no message'}")
    lines = _judged(boot, trouble, results)
    if _CLAMPED.search(said):
        raise GuestFailed("a device was given an address that it cannot "
                          f"reach: {said.splitlines()[0]}")
    return lines
