# SPDX-License-Identifier: GPL-2.0
"""Runs the suites through the kernel tree's own kunit.py and judges the run."""

import json
import shutil
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fanout import ktap
from fanout.host import (ARM, ARM64, JOBS, REPO, X86_64, Failure, Need, Totals,
                         relevant, run, say, say_totals, show_failure, shown)
from fanout.logscan import complaints
from fanout.tree import DEFAULT, KernelTree

# So many failed tests have their lines shown.
MOST_SHOWN = 5


@dataclass(frozen=True)
class Machine:
    """What one architecture's kernel is configured, built and run with."""

    config: Path
    needs: tuple[Need, ...]
    seconds: int        # a run may take
    minutes: str        # a first build takes on two cores
    kernel_args: tuple[str, ...] = ()
    options: tuple[str, ...] = ()
    suites: str = ""    # if not all, an argument of kunit.py that names them


# A panicking guest must end QEMU instead of waiting for the time limit.
# 128 MiB of slots and 80 MiB of huge pages, to bounce a buffer of 64 MiB.
_QEMU_ARGS = ("panic=-1", "swiotlb=65536,force", "hugepages=40")
# The model is the same C everywhere, and takes longest where all is emulated.
_NO_MODEL = "--filter=module!=model_test"
MACHINES = {
    "um": Machine(REPO / ".kunitconfig", (), 120, "3"),
    "x86_64": Machine(REPO / "kunit/x86_64.kunitconfig", X86_64, 300, "7",
                      _QEMU_ARGS, ("--arch=x86_64", "--qemu_args=-smp 2")),
    "arm64": Machine(REPO / "kunit/arm64.kunitconfig", ARM64, 300, "6",
                     _QEMU_ARGS,
                     ("--arch=arm64", "--cross_compile=aarch64-linux-gnu-",
                      # the architecture's pointer authentication is slow
                      # to emulate, and 7.3's kunit.py no longer says impdef
                      "--qemu_args=-smp 2 -cpu max,pauth-impdef=on"),
                     _NO_MODEL),
    "arm": Machine(REPO / "kunit/arm.kunitconfig", ARM, 600, "8",
                   _QEMU_ARGS,
                   ("--arch=arm", "--cross_compile=arm-linux-gnueabihf-",
                    "--qemu_args=-smp 2"),
                   _NO_MODEL),
}


def command(verb: str, tree: KernelTree, arch: str, variant: str = "",
            build: Path | None = None) -> list[str | Path]:
    """The kunit.py line for @verb, as far as all verbs have it in common.

    @variant names what is added to the architecture's configuration, of
    kunit/*.kunitconfig: several with a - between them. @build is another
    build folder than usual.
    """
    machine = MACHINES[arch]
    configs = [machine.config, *(REPO / f"kunit/{name}.kunitconfig"
                                 for name in variant.split("-") if name)]
    return [sys.executable, tree.farm / "tools/testing/kunit/kunit.py", verb,
            f"--build_dir={build or build_folder(tree, arch, variant)}",
            *(f"--kunitconfig={config}" for config in configs),
            *machine.options]


def build_folder(tree: KernelTree, arch: str, variant: str = "") -> Path:
    """Where the kernel for a run is built."""
    return tree.build / (f"{arch}-{variant}" if variant else arch)


def title(tree: KernelTree, build: Path) -> str:
    """What a step with the kernel in @build is called on the terminal."""
    return build.name if tree.name == DEFAULT else f"{tree.name} {build.name}"


def configure(tree: KernelTree, arch: str, log: Path) -> Path:
    """Configure the kernel for @arch.

    Return: its build folder.
    """
    if run("configure", command("config", tree, arch), log):
        show_failure(log)
        raise Failure(f"the kernel for {arch} could not be configured")
    return build_folder(tree, arch)


def build_kernel(tree: KernelTree, arch: str, variant: str) -> Path:
    """Build the kernel for @arch and @variant; @tree's farm is prepared.

    Return: its build folder.
    """
    build = build_folder(tree, arch, variant)
    what = title(tree, build)
    log = tree.logs / f"build-{build.name}.log"
    say(what, f"building the kernel, {MACHINES[arch].minutes} minutes or more "
        "on 2 cores the first time")
    if run(what, [*command("build", tree, arch, variant), f"--jobs={JOBS}"],
           log):
        show_failure(log)
        raise Failure(f"the kernel in {shown(build)} could not be built")
    return build


def cases(group: dict[str, Any], prefix: str = "") -> Iterator[tuple[str, str]]:
    """Every test case in kunit.py's JSON: its full name and its status."""
    for case in group["test_cases"]:
        yield f"{prefix}{case['name']}", case["status"]
    for sub in group["sub_groups"]:
        yield from cases(sub, f"{prefix}{sub['name']}.")


def judge(status: int, results: Path,
          console: Path) -> tuple[Totals, list[str]]:
    """What a run amounts to: its totals, and what is wrong with it.

    The run as a whole counts as one more failure when the kernel complained,
    when no test ran, or when kunit.py says so for a reason of its own.
    """
    ran = list(cases(json.loads(results.read_text()))) \
        if results.is_file() else []
    wrong = [f"{name}: {state}" for name, state in ran
             if state not in ("PASS", "SKIP")]
    whole = []
    if console.is_file():
        whole = [f"the kernel says: {c.text}" for c in complaints(
            console.read_text(errors="replace").splitlines())]
    if results.is_file() and all(state == "SKIP" for _, state in ran):
        whole.append("no test ran")
    if status and not wrong and not whole:
        whole.append(f"kunit.py failed with exit status {status}")
    return Totals(sum(state == "PASS" for _, state in ran),
                  len(wrong) + bool(whole),
                  sum(state == "SKIP" for _, state in ran)), whole + wrong


def show_trouble(wrong: Sequence[str], results: Path, console: Path,
                 log: Path) -> None:
    """Print what is wrong: the kernel's complaint, or where the run ended too
    early, and what each failed test said itself, of five at most.
    """
    if not results.is_file() or not console.is_file():
        show_failure(log)
        return
    lines = console.read_text(errors="replace").splitlines()
    found = complaints(lines)
    if found:
        before = ktap.results(lines[:found[0].at])
        print(f"    the kernel says: {found[0].text}"
              + (f"  (after {before[-1].name})" if before else ""))
        for line in relevant(lines, found[0].at):
            print("        " + line)
    elif cut := ktap.cut_short(lines):
        print(f"    {cut.name}: the run ended in it")
        for line in ktap.shortened(cut.lines):
            print("        " + line)
    bad = ktap.failed(ktap.results(lines))
    for result in bad[:MOST_SHOWN]:
        print(f"    {result.name}: FAIL")
        for line in ktap.shortened(result.lines):
            print("        " + line)
    if len(bad) > MOST_SHOWN:
        print(f"    ... and {len(bad) - MOST_SHOWN} more that failed")
    # Those that never came to a result, and the run as a whole.
    others = [line for line in wrong if not line.endswith(": FAIL")
              and not line.startswith("the kernel says")]
    for line in others[:10]:
        print("    " + line)
    print(f"    (all of it: {shown(console)})", flush=True)


def run_suites(tree: KernelTree, arch: str = "um", variant: str = "",
               suites: str = "") -> Totals:
    """Build the kernel for @arch and @variant and run the suites in it.

    All that @arch is made for, or those that @suites names: a glob, or another
    argument of kunit.py that does. The farm of @tree must have been prepared.
    """
    machine = MACHINES[arch]
    suites = suites or machine.suites
    build = build_folder(tree, arch, variant)
    what = f"kunit {title(tree, build)}"
    log = tree.logs / f"kunit-{build.name}.log"
    results = log.with_suffix(".json")
    console = build / "test.log"
    for old in (results, console):
        old.unlink(missing_ok=True)
    minutes = "6" if (arch, variant[:5]) == ("um", "debug") \
        else machine.minutes
    say(what, "building and running the suites"
        if (build / "vmlinux").exists() else
        f"building a kernel and running the suites, about {minutes} minutes "
        "on 2 cores the first time")
    start = time.monotonic()
    status = run(what, [
        *command("run", tree, arch, variant), f"--json={results}",
        f"--timeout={machine.seconds}",
        *(f"--kernel_args={arg}"
          for arg in ("panic_on_warn=1", *machine.kernel_args)),
        *([suites] if suites else [])], log)
    totals, wrong = judge(status, results, console)
    say_totals(what, totals, time.monotonic() - start)
    if wrong:
        show_trouble(wrong, results, console, log)
    if console.is_file():
        for line in ktap.why_skipped(ktap.results(
                console.read_text(errors="replace").splitlines())):
            print("    " + line, flush=True)
        shutil.copyfile(console, console_log(tree, build))
    return totals


def console_log(tree: KernelTree, build: Path) -> Path:
    """Where the console of the last run of the kernel in @build is kept."""
    return tree.logs / f"kunit-{build.name}.console.log"
