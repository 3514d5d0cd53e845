# SPDX-License-Identifier: GPL-2.0
"""Hostile users of the driver: random calls, and a model that judges them.

In UML they run natively, on the kernel of `make test` with KASAN, lockdep and
DMA API debugging; every fault that a call can have follows in the same boot.
"""

import re
import time

from fanout.host import Totals, colour, say, shown
from rig import kernel, machine

_SAID = re.compile(r"hostile: (.*)")
# Without hardware: what a device of 32 bits and one of 64 may be given.
_DEVICES = ("edu_importer.stand_ins=4", "edu_importer.mask_bits=32,32,64,64")


def programs(seed: int, seconds: int) -> list[list[str]]:
    """What one boot runs: each a command line of the hostile program.

    One thread alone has the stricter model: nothing may be left whenever it
    has given everything back. The sweep comes last, since a fault may switch
    DMA API debugging off.
    """
    alone = seconds // 3
    return [
        ["--seed", str(seed), "--threads", "1", "--calls", "1500", "--twice"],
        ["--seed", str(seed), "--threads", "1", "--seconds", str(alone)],
        ["--seed", str(seed), "--threads", "4",
         "--seconds", str(seconds - alone)],
        ["--sweep"],
    ]


def arguments(seed: int, seconds: int) -> tuple[str, ...]:
    """The kernel's command line, from `--` on that of its init."""
    line: list[str] = []
    for program in programs(seed, seconds):
        line += ["+", *program]
    return ("init=/hostile", "kunit.enable=0", "panic_on_warn=1", *_DEVICES,
            "--", *line[1:])


def said(lines: list[str]) -> list[str]:
    """What the program said; the kernel uses the same console."""
    return [match[1].rstrip() for line in lines if (match := _SAID.match(line))]


def progress(text: str) -> str:
    """The last thing the program said about how far it is."""
    found = [line for line in said(text.splitlines())
             if line.startswith("progress:")]
    return found[-1].removeprefix("progress: ") if found else ""


def judge(lines: list[str]) -> Totals:
    """How many parts of the run were right, wrong, and not there."""
    def count(mark: str) -> int:
        return sum(line.startswith(mark) for line in lines)

    passed, failed = count("ok "), count("FAILED ")
    return Totals(passed, failed + (not passed and not failed),
                  count("skip "))


def show(lines: list[str]) -> None:
    """Print what the program said, but for what only the log is for."""
    for line in lines:
        if line and not line.startswith(("progress:", "count:", "{")):
            print(colour(line, 31) if line.startswith("FAILED") else line)


def run(seed: int, seconds: int, um: kernel.Kernel) -> Totals:
    """make hostile, in the kernel @um."""
    start = time.monotonic()
    root = um.build / "root"
    for folder in ("dev", "proc", "sys", "tmp"):
        (root / folder).mkdir(parents=True, exist_ok=True)
    log = um.tree.logs / "rig-um-build.log"
    log.parent.mkdir(parents=True, exist_ok=True)
    log.write_text("")
    kernel.build_hostile(root / "hostile", log)
    say("hostile", f"seed {seed}, {seconds} s in UML and a minute for the "
        "faults")
    boot = machine.Boot("hostile-um", um, root, arguments(seed, seconds), 512,
                        silence=120, total=seconds + 600)
    again = f"make hostile SEED={seed} SECONDS={seconds}"
    try:
        lines = said(machine.run_uml(boot, progress))
    except machine.GuestFailed:
        print(f"again: {again}")
        raise
    show(lines)
    totals = judge(lines)
    if totals.failed:
        print(f"again: {again}")
    print(f"{shown(boot.log('*'))} has all of it; "
          f"{time.monotonic() - start:.0f} s\n")
    return totals
