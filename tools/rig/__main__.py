# SPDX-License-Identifier: GPL-2.0
"""Real DMA on a real kernel in QEMU: who sees what, and what it costs."""

import argparse
import sys
import time
from contextlib import redirect_stdout
from dataclasses import asdict, replace
from pathlib import Path

from fanout.arch import ARM64, NATIVE, Arch
from fanout.host import (BUILD, DEVICE_TREE, GUEST, KERNEL_BUILD, PICTURES,
                         QEMU_ARM, UNPACK, X86_64, Failure, Need, Totals,
                         colour, require, say, shown, status_of)
from fanout.logscan import foreign_races
from fanout.tree import add_kernel, add_ktree, check_choice, locked
from rig import (bench, cache, examples, hostile, importers, kernel, machine,
                 picture, player, races, results)

# The kernel's selftest wants 1024 huge pages, scenarios want their own; with
# --hugetlb one of them wants memory below 4 GiB.
HUGE_PAGES = "hugepages=1:1100"
LOW_HUGE_PAGES = "hugepages=0:8,1:1100"
# 1 GiB of them and what the kernel takes; 8 bounced mappings of 64 MiB, and no more:
# what swiotlb has, copies have not.
BENCH_MEMORY = "hugepages=1:520 swiotlb=262144"
# A buffer of them, and 8 bounced mappings of the heap's.
IMPORTERS_MEMORY = "hugepages=1:40 swiotlb=327680"
# Frames of one camera, a page each; more for what is still held.
EXAMPLE_MEMORY = "hugepages=1:32"
# Two races map 2 MiB pages.
RACE_MEMORY = "hugepages=1:16"
# What each command that boots a kernel needs, all asked for as it starts.
NEEDS = {"demo": GUEST, "examples": GUEST, "bench": GUEST, "races": GUEST,
         "player": GUEST, "hostile": (*KERNEL_BUILD, *UNPACK)}
# What --arch can say, and what its machine needs.
ARCHES: dict[str, tuple[Arch, tuple[Need, ...]]] = {
    "x86_64": (NATIVE, X86_64),
    "arm64": (ARM64, (*QEMU_ARM, *DEVICE_TREE, *ARM64.needs,
                      *ARM64.programs)),
}
HEAP_MODULE = "system heap (module)"
# The random player plays for so many seconds.
PLAYED = 60
SCENARIO = '{"scenario"'
RACE = '{"race"'
EXAMPLE = '{"program"'
BENCH = '{"bench"'
IMPORTERS = '{"importers"'


def parse(arguments: list[str]) -> argparse.Namespace:
    """The command line as options."""
    parser = argparse.ArgumentParser(prog="rig", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)

    def add(name: str, text: str) -> argparse.ArgumentParser:
        command = commands.add_parser(name, help=text, description=text)
        if name in NEEDS:
            add_kernel(command)
        return command

    def add_arch(command: argparse.ArgumentParser) -> None:
        command.add_argument("--arch", default="x86_64", metavar="WORD",
                             help=f"{' or '.join(ARCHES)} (x86_64)")

    demo = add("demo", "play every scenario on the stock exporters and ours")
    add_arch(demo)
    demo.add_argument("--coherent", action="store_true",
                      help="arm64: leave the devices coherent, as QEMU has "
                      "them")
    demo.add_argument("--cache", action="store_true",
                      help="arm64: have a plugin of QEMU judge whether caches "
                      "are maintained")
    demo.add_argument("--json", action="store_true",
                      help="print JSON instead of the table")
    demo.add_argument("--all-bounced", action="store_true",
                      help="bounce every device (swiotlb=force)")
    demo.add_argument("--hugetlb", action="store_true",
                      help="all memfds have pages of 2 MiB")
    demo.add_argument("--debug", action="store_true",
                      help="ours only, on a kernel with KASAN, lockdep and "
                      "DMA API debugging, built from source (10 minutes)")
    played = add("examples", "run docs/examples and the report command in a "
                 "guest (a minute)")
    for command in (demo, played):
        command.add_argument("--module", type=Path, default=None, metavar="KO",
                             help="the driver as built elsewhere for the guest's "
                             "kernel, or a folder from which another one is "
                             "built as udmabuf_fanout.ko")
    add_arch(add("bench", "measure each step of the three exporters on an "
                 "instruction clock (5 minutes); on arm64 START and END, by "
                 "number and kind of importers"))
    race = add("races", "play races and the hostile program in a guest with two "
               "CPUs and KCSAN")
    race.add_argument("--seconds", type=int, default=10, metavar="N",
                      help="for each race (10)")
    race.add_argument("--hostile", type=int, default=60, metavar="N",
                      help="seconds for the hostile program (60)")
    race.add_argument("--seed", type=int, default=1, metavar="N",
                      help="of all random numbers (1)")
    race.add_argument("--played", type=int, default=PLAYED, metavar="N",
                      help=f"seconds for the random player ({PLAYED})")
    race.add_argument("--only", default="", metavar="WORD",
                      help="races with WORD in their names, hostile, or player")
    race.add_argument("--debug", action="store_true",
                      help="on the kernel with KASAN instead of KCSAN")
    games = add("player", "play random games on real devices: unbalanced calls, "
                "map and unmap, device writes at any time")
    games.add_argument("--seed", type=int, default=1, metavar="N",
                       help="of the first game (1)")
    games.add_argument("--seconds", type=int, default=PLAYED, metavar="N",
                       dest="played", help=f"how long ({PLAYED})")
    games.add_argument("--games", type=int, default=100000, metavar="N",
                       help="not more than so many")
    games.add_argument("--exporter", choices=results.NAMES,
                       default=results.OURS, help="which to play on (ours)")
    games.add_argument("--refusals", action="store_true",
                       help="do not mind a map that is refused")
    games.add_argument("--hugetlb", action="store_true",
                       help="the memfd has pages of 2 MiB")
    games.add_argument("--direct", action="store_true",
                       help="direct devices only: every exporter must pass")
    games.add_argument("--all-bounced", action="store_true",
                       help="bounce every device (swiotlb=force)")
    games.add_argument("--debug", action="store_true",
                       help="on the kernel with KASAN")
    users = add("hostile", "let hostile users loose on the driver, in UML")
    users.add_argument("--seed", type=int, default=1, metavar="N",
                       help="of the random calls (1)")
    users.add_argument("--seconds", type=int, default=60, metavar="N",
                       help="how long (60)")
    add_ktree(users)
    draw = add("picture", "draw what a demo or bench run wrote as JSON")
    draw.add_argument("json", type=Path, metavar="JSON")
    draw.add_argument("out", type=Path, metavar="OUT.svg")
    return parser.parse_args(arguments)


def check_arch(options: argparse.Namespace) -> None:
    """Whether ARCH= and what goes with it make sense; Failure if not."""
    arch = getattr(options, "arch", "x86_64")
    if arch not in ARCHES:
        raise Failure(f"ARCH={arch}: the rig has machines for "
                      f"{' and '.join(ARCHES)}")
    if arch != "x86_64" and getattr(options, "debug", False):
        raise Failure(f"DEBUG=1 has no kernel for ARCH={arch}: leave one of "
                      f"them out (make kunit ARCH={arch} DEBUG=1 has one)")
    if arch == "x86_64" and getattr(options, "coherent", False):
        raise Failure("COHERENT=1 is for ARCH=arm64: on x86_64 all devices "
                      "are coherent")
    if getattr(options, "cache", False) and (arch == "x86_64"
                                             or options.coherent):
        raise Failure("CACHE=1 judges devices that are not coherent: those of "
                      "ARCH=arm64 without COHERENT=1")


def demo(options: argparse.Namespace) -> tuple[Totals, str]:
    """Play the scenarios and show the table. Return: totals, and the JSON."""
    start = time.monotonic()
    arch, _ = ARCHES[options.arch]
    noncoherent = arch is not NATIVE and not options.coherent
    guest = kernel.built_kernel("debug", options.kernel) if options.debug \
        else kernel.stock_kernel(options.kernel, arch)
    other = f"-{options.module.name}" if options.module and \
        options.module.is_dir() else ""
    guest = replace(guest, name=guest.name + other)
    archive = kernel.initramfs(guest, options.module)
    name = "demo" + (f"-{arch.name}" if arch.name else "") + other + \
        ("-coherent" if options.coherent else "") + \
        ("-cache" if options.cache else "") + \
        ("-debug" if options.debug else "") + \
        ("-all-bounced" if options.all_bounced else "") + \
        ("-hugetlb" if options.hugetlb else "")
    arguments = [LOW_HUGE_PAGES, "RIG_HUGETLB=1"] if options.hugetlb \
        else [HUGE_PAGES]
    if options.all_bounced:
        arguments += ["swiotlb=force", "RIG_ALL_BOUNCED=1"]
    if options.debug:
        arguments += ["RIG_EXPORTERS=fanout", "dma_debug_entries=262144"]
    if options.cache:
        # Memory that is used anew has no past then.
        arguments.append("init_on_alloc=1")
    patient = options.debug or options.cache
    boot = machine.Boot(name, guest, archive, tuple(arguments),
                        4500 if options.cache else 3500,
                        cpus=2 if options.debug else 1,
                        noncoherent=noncoherent,
                        qemu=cache.qemu() if options.cache else (),
                        plugin=cache.plugin() if options.cache else None,
                        silence=300 if patient else 120,
                        total=1800 if patient else 600)
    say(name, f"booting linux {guest.release} in QEMU, "
        + ("2 to 4 minutes" if patient else
           "a minute; no device is coherent" if noncoherent else
           "half a minute"))
    lines = machine.run_guest(
        boot, lambda text: f"{text.count(SCENARIO)} scenarios")
    report = results.parse(lines)
    if kernel.lacks_heaps(guest.headers):
        report.heap = HEAP_MODULE
    verdict = results.verdicts(
        report, not options.all_bounced and not options.hugetlb,
        noncoherent)
    more: list[str] = []
    caches = cache.parse(
        lines, boot.log("plugin").read_text().splitlines()) \
        if options.cache else None
    if caches:
        more = [*cache.table(caches, report.names), ""]
        verdict += cache.verdicts(caches, report.names)
    text = results.as_json(report, verdict, time.monotonic() - start,
                           asdict(caches) if caches else None)
    out = kernel.rig_of(guest.tree) / f"{name}.json"
    out.write_text(text)
    if not options.json:
        print("\n".join(("", *results.table(report), "", *more)))
    for good, what in verdict:
        print(colour("ok    " if good else "FAILED", 32 if good else 31), what)
    print(f"{shown(out)} has all of it; {time.monotonic() - start:.0f} s\n")
    return results.totals(report, verdict), text


def play_examples(options: argparse.Namespace) -> Totals:
    """Play the examples, and say how it went."""
    start = time.monotonic()
    guest = kernel.stock_kernel(options.kernel)
    archive = examples.initramfs(guest, options.module)
    say("examples", f"booting linux {guest.release} in QEMU, a minute")
    lines = machine.run_guest(
        machine.Boot("examples", guest, archive, (
            EXAMPLE_MEMORY, "PYTHONHASHSEED=0"), 1500),
        lambda text: f"{text.count(EXAMPLE)} programs")
    report = examples.parse(lines)
    found = examples.verdicts(report)
    examples.show(report, found)
    print(f"{time.monotonic() - start:.0f} s\n")
    return examples.totals(found)


def bench_all(options: argparse.Namespace) -> Totals:
    """Measure, show the table, compare with the targets."""
    start = time.monotonic()
    guest = kernel.stock_kernel(options.kernel)
    archive = kernel.initramfs(guest)
    say("bench", f"booting linux {guest.release} in QEMU, 5 minutes")
    lines = machine.run_guest(
        machine.Boot("bench", guest, archive,
                     (BENCH_MEMORY, "numa_balancing=disable",
                      "RIG_MODE=bench"), 5500, silence=300, total=1800),
        lambda text: f"{text.count(BENCH)} measurements")
    measured = bench.parse(lines)
    out = kernel.rig_of(guest.tree) / "bench.json"
    out.write_text(bench.as_json(measured))
    print("\n".join(("", "thousands of instructions, each the least of three "
                     "runs (1 GiB: one):", *bench.table(measured), "")))
    totals, judged = bench.report(measured)
    print("\n".join((f"targets of {results.NAMES[results.OURS]}:", *judged)))
    print(f"{shown(out)} has all of it; {time.monotonic() - start:.0f} s\n")
    return totals


def bench_importers(options: argparse.Namespace) -> Totals:
    """The bench of machines whose devices need not be coherent."""
    start = time.monotonic()
    guest = kernel.stock_kernel(options.kernel, ARCHES[options.arch][0])
    archive = kernel.initramfs(guest)
    name = f"bench-{options.arch}"
    plugin = importers.build_plugin(
        guest, machine.MACHINES[options.arch].qemu[0],
        guest.tree.logs / f"rig-{guest.name}-build.log")
    say(name, f"booting linux {guest.release} in QEMU, 10 minutes")
    boot = machine.Boot(name, guest, archive,
                        (IMPORTERS_MEMORY, "numa_balancing=disable",
                         "RIG_MODE=importers"), 3000, plugin=plugin,
                        silence=600, total=3600)
    lines = machine.run_guest(
        boot, lambda text: f"{text.count(IMPORTERS)} measurements")
    measured = importers.parse(
        lines, boot.log("plugin").read_text().splitlines() if plugin else None)
    if kernel.lacks_heaps(guest.headers):
        measured.heap = HEAP_MODULE
    out = kernel.rig_of(guest.tree) / f"{name}.json"
    out.write_text(importers.as_json(measured))
    print("\n".join(("", "START+END of 64 MiB in thousands of instructions; "
                     "cache lines of the last column:",
                     *importers.table(measured), "")))
    totals, judged = importers.report(measured)
    print("\n".join((f"targets of {results.NAMES[results.OURS]}:", *judged)))
    print(f"{shown(out)} has all of it; {time.monotonic() - start:.0f} s\n")
    return totals


def play_games(options: argparse.Namespace) -> Totals:
    """Have the random player play, on the clock that counts instructions.

    Its moves come one after the other: KCSAN would have nothing to watch.
    """
    start = time.monotonic()
    guest = kernel.built_kernel("debug", options.kernel) if options.debug \
        else kernel.stock_kernel(options.kernel)
    archive = kernel.initramfs(guest)
    name = "player" + ("-debug" if options.debug else "")
    say(name, f"booting linux {guest.release} in QEMU, {options.played} s of "
        "games")
    arguments = [RACE_MEMORY, "RIG_MODE=player", f"RIG_SEED={options.seed}",
                 f"RIG_SECONDS={options.played}", "dma_debug_entries=262144"]
    if options.command == "player":
        arguments += [f"RIG_EXPORTERS={options.exporter}",
                      f"RIG_GAMES={options.games}"]
        for given, words in (
                (options.refusals, ["RIG_REFUSALS=1"]),
                (options.hugetlb, ["RIG_HUGETLB=1"]),
                (options.direct, ["RIG_DIRECT=1"]),
                (options.all_bounced, ["swiotlb=force",
                                       "RIG_ALL_BOUNCED=1"])):
            arguments += words if given else []
    else:
        arguments.append(f"RIG_EXPORTERS={results.OURS}")
    lines = machine.run_guest(
        machine.Boot(name, guest, archive, tuple(arguments), 2500, cpus=2,
                     silence=300, total=900 + 2 * options.played),
        player.games)
    report = player.parse(lines)
    print("\n".join(player.table(report)))
    print(f"seed {options.seed}; {time.monotonic() - start:.0f} s\n")
    return player.totals(report)


def race_all(options: argparse.Namespace) -> Totals:
    """Play every race, then be hostile, then play games; show how it went."""
    if options.only == "player":
        return play_games(options)
    start = time.monotonic()
    guest = kernel.built_kernel("debug" if options.debug else "kcsan",
                                options.kernel)
    archive = kernel.initramfs(guest)
    name = "races" + ("-debug" if options.debug else "")
    say(name, f"booting linux {guest.release} in QEMU, 4 minutes")
    boot = machine.Boot(
        name, guest, archive,
        (RACE_MEMORY, "RIG_MODE=races", "RIG_EXPORTERS=fanout",
         "dma_debug_entries=262144", f"RIG_SEED={options.seed}",
         f"RIG_RACE={options.only}", f"RIG_SECONDS={options.seconds}",
         f"RIG_HOSTILE={options.hostile}"), 2500, cpus=2, parallel=True,
        silence=300 + options.seconds,
        total=900 + 10 * options.seconds + 2 * options.hostile)
    lines = machine.run_guest(boot, lambda text: f"{text.count(RACE)} races")
    report = races.parse(lines)
    print("\n".join(races.table(report)))
    if not options.debug:
        others = foreign_races(boot.console_lines(), machine.OURS)
        print(f"KCSAN: no report that we are part of, {len(others)} others"
              + "".join(f"\n    {other.text}" for other in others))
    print(f"seed {options.seed}; {time.monotonic() - start:.0f} s\n")
    counted = races.totals(report)
    if not options.only:
        counted += play_games(options)
    return counted


def play(options: argparse.Namespace) -> Totals:
    """Do what the command line asks for, in a guest."""
    try:
        if options.command == "bench":
            return (bench_all if options.arch == "x86_64" else
                    bench_importers)(options)
        if options.command == "examples":
            return play_examples(options)
        if options.command == "races":
            return race_all(options)
        if options.command == "player":
            return play_games(options)
        if options.command == "hostile":
            return hostile.run(options.seed, options.seconds,
                               kernel.um_kernel(options.kernel, options.ktree))
        # Only the JSON itself goes to standard output.
        with redirect_stdout(sys.stderr if options.json else sys.stdout):
            totals, text = demo(options)
        if options.json:
            print(text, end="")
        return totals
    except machine.GuestFailed as failure:
        print(colour(f"error: {failure}", 31), file=sys.stderr)
        return Totals(failed=1)


def needs_of(options: argparse.Namespace) -> list[Need]:
    """All that the command needs."""
    needs = list(NEEDS[options.command])
    if options.command != "hostile":
        needs += ARCHES[getattr(options, "arch", "x86_64")][1]
    return needs


def main() -> int:
    """Return: 0 if all is right, 1 if not, 2 if it could not be tried."""
    options = parse(sys.argv[1:])
    if options.command == "picture":
        require(PICTURES)
        picture.draw(options.json, options.out)
        return 0
    check_choice(options.kernel, getattr(options, "ktree", ""))
    check_arch(options)
    with locked(BUILD):
        require(needs_of(options))
        if options.command in ("demo", "examples"):
            if options.module and getattr(options, "debug", False):
                raise Failure("MODULE= is a module for the stock kernel, and "
                              "DEBUG=1 boots another: give one of them")
            if options.module:
                kernel.check_module(
                    options.module, options.kernel,
                    ARCHES[getattr(options, "arch", "x86_64")][0])
        totals = play(options)
    print(totals, file=sys.stderr if options.command == "demo"
          and options.json else sys.stdout)
    return 1 if totals.failed else 0


if __name__ == "__main__":
    sys.exit(status_of(main))
