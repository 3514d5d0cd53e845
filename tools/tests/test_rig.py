# SPDX-License-Identifier: GPL-2.0
"""Tests of the rig: how it reads, judges and watches a guest."""

import contextlib
import graphlib
import io
import errno
import json
import os
import re
import subprocess
import tempfile
import time
import unittest
from dataclasses import replace
from pathlib import Path
from unittest import mock

from fanout import apt, tree
from fanout.arch import ARM64
from fanout.headers import Headers
from fanout.host import REPO, Failure
from rig import __main__, bench, kernel, machine, picture, player, races, results
from rig.machine import GuestFailed

KERNEL = '{"kernel": "6.12.117+deb12-amd64", "version": "#1 SMP"}'
END = '{"end": 0}'
GUEST = kernel.Kernel("stock", Path("k"), Path("h"), "6.12",
                      tree.KernelTree(Path("t"), (6, 12, 1), "6.12"))


def scenario(name: str, design: bool = True,
             block: str = "by the book") -> str:
    """A scenario's line."""
    return json.dumps({"scenario": name, "title": f"title of {name}",
                       "block": block, "design": design})


def run(name: str, exporter: str, outcome: str, error: int = 0) -> str:
    """A run's line."""
    check = {"reader": "CPU", "expected": "the device's data",
             "seen": "the old data" if outcome == "wrong"
             else "the device's data"}
    return json.dumps({
        "run": name, "exporter": exporter, "order": ["bounced 1 writes"],
        "outcome": outcome, "step": "map of bounced 1" if error else "",
        "errno": error, "detail": "", "checks": [check]})


def selftest(exporter: str, *lines: str) -> list[str]:
    """A selftest's lines, with its exit status 0."""
    return [json.dumps({"selftest": exporter, "line": line})
            for line in lines] + \
        [json.dumps({"selftest": exporter, "status": 0})]


def unload(alive: int = errno.EAGAIN, after: int = 0) -> str:
    """What became of removing the module, with a buffer and without."""
    return json.dumps({"unload": alive, "after": after})


def device(name: str, coherent: bool = True) -> str:
    """Whether a device snoops."""
    return json.dumps({"device": name, "coherent": int(coherent)})


def as_known() -> list[str]:
    """What a guest reports whose stock exporters are as wrong as known."""
    lines = [KERNEL, device("bounced 1"), device("direct 1"), scenario("s"),
             scenario("p", False, results.PROGRAMS), unload(),
             run("p", "fanout", "right")]
    for (part, exporter), (wrong, runs) in results.KNOWN_WRONG.items():
        name = "s" if part == results.DESIGN else "p"
        lines += [run(name, exporter, "wrong")] * wrong
        lines += [run(name, exporter, "right")] * (runs - wrong)
    return lines


def judged(*lines: str) -> list[str]:
    """The verdicts on a report that do not hold."""
    report = results.parse([*as_known(), *lines, END])
    return [what for good, what in results.verdicts(report, True)
            if not good]


class Parser(unittest.TestCase):
    """Lines of the result channel become a report."""

    def test_runs_belong_to_scenario_and_exporter(self) -> None:
        """Counted by exporter, by outcome, and by table."""
        report = results.parse([
            KERNEL, scenario("a"), run("a", "stock", "wrong"),
            run("a", "fanout", "right"), scenario("b", design=False),
            run("b", "stock", "wrong"), END])
        self.assertEqual(report.kernel, "6.12.117+deb12-amd64")
        self.assertEqual(report.exporters(), ["stock", "fanout"])
        self.assertEqual(report.count("stock", "wrong"), 2)
        self.assertEqual(report.count("stock", "wrong", design=True), 1)

    def test_blocks_are_counted_apart(self) -> None:
        """In the order in which they came."""
        report = results.parse([
            scenario("a"), run("a", "fanout", "right"),
            scenario("b", False, "other"), run("b", "fanout", "wrong"),
            run("b", "fanout", "refused", 95)])
        self.assertEqual(report.blocks(), ["by the book", "other"])
        self.assertEqual(report.count("fanout", "wrong", "refused"), 2)
        self.assertEqual(report.count("fanout", "wrong", "refused",
                                      block="by the book"), 0)

    def test_nonsense_names_the_line(self) -> None:
        """A line cut short, a run of no scenario, a key that is missing."""
        for bad in ('{"run": "a", "expo', run("never", "stock", "right"),
                    '{"scenario": "a"}', "[]", "7"):
            with self.assertRaisesRegex(Failure, "line 2 makes no sense"):
                results.parse([KERNEL, bad])

    def test_the_guests_own_error_is_passed_on(self) -> None:
        """It is not taken for an empty report."""
        with self.assertRaisesRegex(Failure, "no memory above 4 GiB"):
            results.parse(['{"error": "no memory above 4 GiB"}'])


class Cells(unittest.TestCase):
    """What the table says in one place."""

    def cell(self, *outcomes: str, error: int = 0) -> tuple[str, list[str]]:
        """The cell and the legend for runs that ended so."""
        report = results.parse([scenario("a"), *(
            run("a", "fanout", outcome, error) for outcome in outcomes)])
        legend: list[str] = []
        return results.cell(report.scenarios[0].runs["fanout"], legend), legend

    def test_right_only_if_every_order_is(self) -> None:
        """One wrong order shows, with what was seen."""
        self.assertEqual(self.cell("right", "right"), ("right", []))
        self.assertEqual(self.cell("right", "wrong"), (
            "WRONG (1) 1/2",
            ["CPU saw the old data, expected the device's data"]))

    def test_refused_has_its_errno(self) -> None:
        """As the kernel's headers call it."""
        self.assertEqual(self.cell("refused", "right", error=95)[0],
                         "refused EOPNOTSUPP")

    def test_wrong_outweighs_refused(self) -> None:
        """A refusal in one order does not hide a wrong one in the other."""
        self.assertEqual(self.cell("refused", "wrong")[0], "WRONG (1) 1/2")

    def test_not_applicable_is_a_dash(self) -> None:
        """It counts as nothing."""
        self.assertEqual(self.cell("not applicable", "not applicable")[0],
                         "-")

    def test_table_has_all_rows_and_totals(self) -> None:
        """Scenarios down, exporters across."""
        with mock.patch.dict(os.environ, NO_COLOR="1"):
            text = "\n".join(results.table(results.parse(as_known())))
        self.assertRegex(text, r"title of s +WRONG \(1\) 16/28 +WRONG")
        self.assertRegex(text, r"WRONG +16 +14")
        self.assertIn("(1) CPU saw the old data", text)

    def test_table_has_each_block_with_its_totals(self) -> None:
        """Under its name, the legend once below both."""
        with mock.patch.dict(os.environ, NO_COLOR="1"):
            lines = results.table(results.parse(as_known()))
        heads = [number for number, line in enumerate(lines)
                 if line.startswith(("by the book:", results.PROGRAMS + ":"))]
        self.assertEqual(len(heads), 2)
        self.assertRegex("\n".join(lines[heads[1]:]),
                         r"title of p(?s:.)+WRONG +132 +67 +0")
        self.assertEqual(sum(line.startswith("(1)") for line in lines), 1)


class Verdicts(unittest.TestCase):
    """What must hold for a run to pass."""

    def test_all_holds(self) -> None:
        """Ours right, the others as known."""
        self.assertEqual(judged(run("s", "fanout", "right")), [])

    def test_one_wrong_of_ours_fails(self) -> None:
        """However many are right."""
        self.assertRegex(judged(run("s", "fanout", "right"),
                                run("s", "fanout", "wrong"))[0],
                         "udmabuf-fanout, by the book: 1 WRONG, 1 right")

    def test_one_wrong_in_the_second_block_fails(self) -> None:
        """The first one does not make up for it."""
        self.assertEqual(judged(run("s", "fanout", "right"),
                                run("p", "fanout", "wrong")), [
            "udmabuf-fanout, programs as they are: 1 WRONG, 1 right, "
            "0 refused"])

    def test_nothing_but_refusals_fails(self) -> None:
        """A driver that refuses everything is never wrong."""
        self.assertTrue(judged(run("s", "fanout", "refused", 95)))

    def test_a_refusal_fails(self) -> None:
        """Whatever other devices do; the stock exporters may."""
        right = run("s", "fanout", "right")
        self.assertEqual(judged(
            right, scenario("t", False), run("t", "fanout", "refused", 95)),
            ["it refuses nothing, but t"])
        self.assertEqual(judged(
            right, scenario("t", False), run("t", "heap", "refused", 5)), [])

    def test_others_are_known_on_the_usual_machine_only(self) -> None:
        """With every device bounced they are as they are."""
        report = results.parse([
            KERNEL, device("d"), scenario("s"), run("s", "stock", "right"),
            run("s", "fanout", "right"), unload(), END])
        self.assertFalse(all(good for good, _ in
                             results.verdicts(report, True)))
        self.assertTrue(all(good for good, _ in
                            results.verdicts(report, False)))

    def test_broken_fails_whoever_it_is(self) -> None:
        """A scenario that could not be played proves nothing."""
        self.assertTrue(judged(run("s", "fanout", "right"),
                               run("s", "heap", "broken")))

    def test_stock_no_longer_wrong_fails(self) -> None:
        """Then the rig does not show what it is built to show."""
        self.assertRegex(judged(run("s", "fanout", "right"),
                                run("s", "stock", "right"))[0],
                         "wrong in 16 of 29 runs")

    def test_module_must_stay_while_a_buffer_lives(self) -> None:
        """And go when there is none."""
        good = run("s", "fanout", "right")
        self.assertEqual(judged(good), [])
        self.assertTrue(judged(good, unload(alive=0)))
        self.assertTrue(judged(good, unload(after=errno.EAGAIN)))

    def test_selftest_must_be_the_same_and_have_passed(self) -> None:
        """On both nodes, line by line."""
        good = run("s", "fanout", "right")
        stock = selftest("stock", "ok 1 a", "ok 2 b")
        self.assertEqual(judged(good, *stock,
                                *selftest("fanout", "ok 1 a", "ok 2 b")), [])
        for ours in (("ok 1 a", "not ok 2 b"), ("ok 1 a",), ()):
            self.assertTrue(judged(good, *stock, *selftest("fanout", *ours)))
        self.assertTrue(judged(good, *selftest("stock"),
                               *selftest("fanout")))

    def test_devices_must_be_what_the_machine_says(self) -> None:
        """One that snoops proves nothing of those that do not, nor none."""
        good = run("s", "fanout", "right")
        self.assertRegex(judged(good, device("direct 2", False))[0],
                         "2 of 3 devices snoop")
        for devices, holds in (("00", True), ("01", False), ("", False)):
            report = results.parse([*(device(str(n), snoops == "1")
                                      for n, snoops in enumerate(devices)),
                                    scenario("s"), good, unload(), END])
            self.assertEqual(holds, all(good for good, _ in results.verdicts(
                report, False, noncoherent=True)))

    def test_a_heap_that_was_built_is_called_so(self) -> None:
        """In the table, the verdicts and the JSON."""
        report = results.parse([*as_known(), END])
        report.heap = "system heap (module)"
        verdict = results.verdicts(report, True)
        for text in ("\n".join(results.table(report)),
                     results.as_json(report, verdict, 1)):
            self.assertIn("system heap (module)", text)
        self.assertIn("system heap (module) is wrong in 14 of 26 runs of the "
                      "design's table (14 of 26 known)",
                      [what for _, what in verdict])

    def test_dma_debugging_must_be_on_and_silent(self) -> None:
        """An oracle that has switched itself off says nothing."""
        for errors, disabled, failed in ((0, "N", 0), (1, "N", 1),
                                         (0, "Y", 1)):
            line = json.dumps({"dma_api_errors": errors,
                               "disabled": disabled})
            self.assertEqual(
                len(judged(run("s", "fanout", "right"), line)), failed)

    def test_totals_count_verdicts(self) -> None:
        """A failed verdict is a failure even if no run of ours was wrong."""
        report = results.parse([KERNEL, device("d")])
        verdict = results.verdicts(report, False)
        self.assertEqual(results.totals(report, verdict).failed, 1)


def measured(row: str, exporter: str, **figures: int) -> str:
    """A line of the bench."""
    return json.dumps({"bench": row, "exporter": exporter}
                      | {column: 0 for column in bench.COLUMNS} | figures)


class Bench(unittest.TestCase):
    """Figures and targets."""

    def test_least_in_thousands(self) -> None:
        """A run that something disturbed does not count; entries do."""
        read = bench.parse([measured("r", "stock", create=value, entries=32)
                            for value in (2100, 9000000, 2000)])
        self.assertEqual(read.value("r", "stock", "create"), 2.0)
        self.assertEqual(read.value("r", "stock", "entries"), 32)

    def test_target_is_met_or_missed(self) -> None:
        """Against a figure, against an exporter, by entry, and unknown."""
        read = bench.parse([
            measured("r", "fanout", attach_map=200000, entries=1000),
            measured("r", "stock", attach_map=300000, entries=16384),
            measured("r", "heap", attach_map=10000, entries=100)])
        targets = [bench.Target("r", "attach_map", 200, ""),
                   bench.Target("r", "attach_map", 199.9, ""),
                   bench.Target("r", "attach_map", 1, "", exporter="stock"),
                   bench.Target("r", "attach_map", 1, "", exporter="heap",
                                per_entry=True),
                   bench.Target("none", "attach_map", 1, ""),
                   bench.Target("r", "attach_map", 1, "", row_of="r"),
                   bench.Target("r", "attach_map", 0.99, "", row_of="r"),
                   bench.Target("r", "attach_map", 1, "", row_of="none")]
        self.assertEqual([j.met for j in bench.judge(read, targets)],
                         [True, False, True, False, False,
                          True, False, False, False])

    def test_dearest_plan_is_judged(self) -> None:
        """Of all mixes and both events the worst one."""
        cheap = {"plan": "a", "begin": 1999, "end": 2000}
        dear = {"plan": "b", "begin": 7, "end": 2001}
        for lines, met in (([cheap], True), ([cheap, dear], False)):
            read = bench.parse(map(json.dumps, lines))
            self.assertEqual([j.met for j in bench.judge(read, [])], [met])

    def test_targets_name_rows_and_columns_that_exist(self) -> None:
        """A target on a row that was renamed would never be judged."""
        source = (kernel.GUEST / "bench/bench.c").read_text()
        for target in bench.TARGETS:
            self.assertIn(f'"{target.row}"', source)
            self.assertIn(target.column, bench.COLUMNS)

    def test_failed_row_is_shown_as_failed(self) -> None:
        """With the step and the errno."""
        read = bench.parse([json.dumps({
            "bench": "r", "exporter": "heap", "failed": "attach and map",
            "errno": 5})])
        self.assertIn("attach and map: errno 5", bench.table(read)[1])


def race(name: str, wrong: str = "",
         workers: tuple[tuple[str, int, int], ...] = (("read_all", 3, 0),)
         ) -> str:
    """A line of the races."""
    return json.dumps({"race": name, "wrong": wrong, "workers": workers})


def hostile(status: int, *lines: str) -> list[str]:
    """What the hostile program said, and how it ended."""
    return [json.dumps({"hostile": "fanout", "line": line})
            for line in lines] + \
        [json.dumps({"hostile": "fanout", "status": status})]


class Races(unittest.TestCase):
    """Races and the hostile program."""

    def table(self, *lines: str) -> tuple[list[str], str]:
        """What is shown and what is counted."""
        report = races.parse([KERNEL, *lines, END])
        with mock.patch.dict(os.environ, NO_COLOR="1"):
            return races.table(report), str(races.totals(report))

    def test_workers_are_added_up(self) -> None:
        """By what they do."""
        workers = (("come_and_go", 3, 1), ("read_all", 5, 0),
                   ("come_and_go", 4, 2))
        self.assertEqual(self.table(race("r", workers=workers)), (
            ["ok     r: come_and_go 7 (3 refused), read_all 5"],
            "1 passed, 0 failed, 0 skipped"))

    def test_wrong_race_fails(self) -> None:
        """With what was wrong, and the others are counted."""
        self.assertEqual(self.table(race("r"), race("s", "2 pages stay")), (
            ["ok     r: read_all 3", "FAILED s: 2 pages stay"],
            "1 passed, 1 failed, 0 skipped"))

    def test_hostile_program_is_judged_by_its_status(self) -> None:
        """Its last words are shown; if it failed, more of them."""
        self.assertEqual(self.table(race("r"), *hostile(0, "a", "hostile: ok     5 calls")), (
            ["ok     r: read_all 3", "ok     hostile: 5 calls"],
            "2 passed, 0 failed, 0 skipped"))
        self.assertEqual(self.table(*hostile(1, "a", "lost")), (
            ["       a", "       lost", "FAILED hostile: exit status 1"],
            "0 passed, 1 failed, 0 skipped"))

    def test_nonsense_names_the_line(self) -> None:
        """A line cut short, a key that is missing, the guest's own error."""
        for bad in ('{"race": "a", "wro', '{"race": "a"}', "7"):
            with self.assertRaisesRegex(Failure, "line 2 makes no sense"):
                races.parse([KERNEL, bad])
        with self.assertRaisesRegex(Failure, "no memory above"):
            races.parse(['{"error": "no memory above 4 GiB"}'])


def said(*lines: str, failed: bool) -> list[str]:
    """What the player said."""
    return [json.dumps({"player": line}) for line in lines] + \
        [json.dumps({"player_failed": failed})]


class Player(unittest.TestCase):
    """What the random player found."""

    def table(self, *lines: str) -> tuple[list[str], str]:
        """What is shown and what is counted."""
        report = player.parse([KERNEL, *lines, END])
        with mock.patch.dict(os.environ, NO_COLOR="1"):
            return player.table(report), str(player.totals(report))

    def test_all_went_well(self) -> None:
        """One line."""
        self.assertEqual(
            self.table(*said("50 games", "ok: 60 games", failed=False)),
            (["ok     player: 60 games"], "1 passed, 0 failed, 0 skipped"))

    def test_failure_is_shown_with_its_moves(self) -> None:
        """And how far it came before is not."""
        self.assertEqual(
            self.table(*said("50 games", "seed 7 fails", "1. a", failed=True)),
            (["       seed 7 fails", "       1. a",
              "FAILED player: seed 7 fails"],
             "0 passed, 1 failed, 0 skipped"))

    def test_a_player_that_never_ended_failed(self) -> None:
        """Silence is not success."""
        self.assertEqual(self.table()[1], "0 passed, 1 failed, 0 skipped")
        self.assertEqual(self.table(*said(failed=False))[0],
                         ["FAILED player: it said nothing"])

    def test_progress_is_the_last_count(self) -> None:
        """Of the lines that are whole."""
        self.assertEqual(player.games(""), "the first games")
        self.assertEqual(player.games(
            '{"player": "50 games"}\n{"player": "100 games"}\n{"pla'),
            "100 games")


class Layers(unittest.TestCase):
    """Who knows whom in the guest's programs."""

    def calls(self, sources: list[Path]) -> dict[Path, set[Path]]:
        """Which of @sources each of them calls, by what the linker sees."""
        with tempfile.TemporaryDirectory() as folder:
            subprocess.run(["gcc", *kernel.GUEST_FLAGS, "-O0", "-c", *sources],
                           cwd=folder, check=True)
            symbols = {source: [
                line.split()[-2:] for line in subprocess.run(
                    ["nm", f"{source.stem}.o"], cwd=folder, check=True,
                    text=True, stdout=subprocess.PIPE).stdout.splitlines()]
                for source in sources}
        owners = {name: source for source in sources
                  for kind, name in symbols[source]
                  if kind.isupper() and kind != "U"}
        return {source: {owners[name] for kind, name in symbols[source]
                         if kind == "U" and name in owners}
                for source in sources}

    def test_nobody_calls_in_a_circle(self) -> None:
        """Neither in the guest program nor in the hostile one."""
        for sources in (kernel.guest_sources(), kernel.hostile_sources()):
            graphlib.TopologicalSorter(self.calls(sources)).prepare()

    def test_parts_know_the_core_and_no_other(self) -> None:
        """The core knows none of them, and the hostile program is alone."""
        plan = REPO / "driver/sync_plan.h"
        door = kernel.GUEST / "edu/edu_importer.h"
        core = kernel.GUEST / "core"
        for name in (*kernel.PARTS, "hostile"):
            folder = kernel.GUEST / name
            for source in folder.glob("*.[ch]"):
                for header in re.findall(r'^#include "(.*)"$',
                                         source.read_text(), re.MULTILINE):
                    path = (folder / header).resolve()
                    with self.subTest(f"{name}/{source.name}: {header}"):
                        self.assertTrue(
                            path in (plan, door) or path.parent == folder
                            or path.parent == core and name != "hostile")


class Rows(unittest.TestCase):
    """The demo's rows, on a model exporter in place of a kernel."""

    program: Path

    @classmethod
    def setUpClass(cls) -> None:
        folder = tempfile.TemporaryDirectory()
        cls.addClassCleanup(folder.cleanup)
        cls.program = Path(folder.name) / "rows_sim"
        subprocess.run(
            ["gcc", *kernel.GUEST_FLAGS, "-Dioctl=model_ioctl", "-o",
             cls.program, *(kernel.GUEST / name for name in (
                 "core/run.c", "core/words.c", "core/steps.c",
                 "core/workers.c", "demo/scenarios.c", "demo/programs.c",
                 "demo/patterns.c", "demo/rows_sim.c"))], check=True)

    def play(self, *words: str) -> list[str]:
        """What was not right, and how many rows there were."""
        return subprocess.run([self.program, *words], check=True, text=True,
                              stdout=subprocess.PIPE).stdout.splitlines()

    def test_every_row_can_be_right(self) -> None:
        """None of them asks for more than merging can give."""
        self.assertEqual(self.play(), ["104 rows"])

    def test_mistakes_are_seen(self) -> None:
        """In many rows, those of both blocks among them."""
        for word, least in (("end-pushes-nothing", 100), ("push-all", 10),
                            ("start-fetches-nothing", 100)):
            with self.subTest(word):
                lines = self.play(word)
                self.assertGreater(len(lines), least)
                self.assertTrue(any(": wrong " in line for line in lines))


class Oracle(unittest.TestCase):
    """The player's oracle, on exporters that are right, and wrong ones."""

    program: Path

    @classmethod
    def setUpClass(cls) -> None:
        folder = tempfile.TemporaryDirectory()
        cls.addClassCleanup(folder.cleanup)
        cls.program = Path(folder.name) / "player_sim"
        subprocess.run(
            ["gcc", "-O2", "-D_GNU_SOURCE", "-o", cls.program,
             *(kernel.GUEST / "player" / name for name in (
                 "games.c", "moves.c", "tell.c", "oracle.c",
                 "player_sim.c"))],
            check=True)

    def play(self, *words: str, games: int = 2000) -> tuple[bool, list[str]]:
        """Whether all went well, and what was said but for the progress."""
        ended = subprocess.run(
            [self.program, "1", str(games), *words], check=False,
            stdout=subprocess.PIPE, text=True)
        return ended.returncode == 0, [
            line for line in ended.stdout.splitlines()
            if not player.is_progress(line)]

    def test_it_is_silent_about_what_is_right(self) -> None:
        """Whatever the contract leaves open."""
        for words in ((), ("shared",), ("cpu-wins",), ("start-pushes",),
                      ("shared", "start-pushes"), ("cpu-wins", "shared")):
            with self.subTest(words):
                good, lines = self.play(*words)
                self.assertTrue(good, lines)

    def test_it_notices_each_mistake(self) -> None:
        """With a seed, and seven moves at most that still show it."""
        for word in ("copy-all", "by-word", "push-all", "map-fetches-nothing",
                     "unmap-in-access-loses", "unmap-pushes-nothing",
                     "open-write-stops-fetch", "end-by-owner-only",
                     "end-read-pushes-nothing", "end-pushes-nothing"):
            with self.subTest(word):
                good, lines = self.play(word)
                self.assertFalse(good)
                self.assertRegex(lines[0], r"^seed \d+ fails after \d+ moves: ")
                moves = [line for line in lines if line[:3].strip().isdigit()]
                self.assertTrue(2 <= len(moves) <= 7, lines)

    def test_a_seed_says_it_all(self) -> None:
        """It plays the same games, and one of them alone fails as well."""
        first = self.play("by-word")
        self.assertEqual(self.play("by-word"), first)
        seed = first[1][0].split()[1]
        ended = subprocess.run([self.program, seed, "1", "by-word"],
                               check=False, stdout=subprocess.PIPE, text=True)
        self.assertEqual(ended.stdout.splitlines(), first[1])


class Guest(unittest.TestCase):
    """A guest is watched to its end, whatever that is."""

    def setUp(self) -> None:
        temporary = tempfile.TemporaryDirectory()
        self.addCleanup(temporary.cleanup)
        self.folder = Path(temporary.name)
        patches = contextlib.ExitStack()
        self.addCleanup(patches.close)
        patches.enter_context(mock.patch.object(tree, "LOGS", self.folder))
        patches.enter_context(mock.patch.object(
            machine, "available_memory_mb", return_value=8000))
        patches.enter_context(mock.patch.dict(
            os.environ, PATH=f"{self.folder}:/bin"))

    def boot(self, script: str, silence: int = 20) -> list[str]:
        """Run @script as QEMU: $console and $results are its two ports."""
        qemu = self.folder / "qemu-system-x86_64"
        qemu.write_text("#!/bin/sh\necho $$ > " f"{self.folder}/pid\n"
                        f"console={self.folder}/6.12/rig-t.console.log\n"
                        f"results={self.folder}/6.12/rig-t.results\n{script}\n")
        qemu.chmod(0o755)
        with contextlib.redirect_stdout(io.StringIO()) as shown:
            try:
                return machine.run_guest(
                    machine.Boot("t", GUEST, Path("i"), (), 3000,
                                 silence=silence),
                    lambda text: "")
            finally:
                self.shown = shown.getvalue()

    def test_lines_come_back(self) -> None:
        """A run without anything to complain about."""
        self.assertEqual(
            self.boot(f"echo hello > $console; echo '{END}' > $results"),
            [END])

    def test_complaint_fails_a_run_that_ended_well(self) -> None:
        """With the log around it."""
        with self.assertRaisesRegex(GuestFailed, "complains: WARNING: CPU: 0"):
            self.boot("echo '[    1.000000] WARNING: CPU: 0 PID: 1 at x' > "
                      f"$console; echo '{END}' > $results")
        self.assertIn("WARNING: CPU: 0", self.shown)

    def test_race_counts_if_a_module_of_ours_is_in_it(self) -> None:
        """Other code's data races are not ours to judge."""
        rule = "=" * 66
        for frame, bad in (("vfs_read+0x1/0x2", False),
                           ("fanout_map+0x1/0x2 [udmabuf_fanout]", True),
                           ("edu_map+0x1/0x2 [edu_importer]", True)):
            script = (f"for line in '{rule}' 'BUG: KCSAN: data-race in a / b' "
                      f"' {frame}' '{rule}'; do echo \"$line\"; done > "
                      f"$console; echo '{END}' > $results")
            with self.subTest(frame):
                if not bad:
                    self.assertEqual(self.boot(script), [END])
                    continue
                with self.assertRaisesRegex(GuestFailed, "KCSAN: data-race"):
                    self.boot(script)

    def test_cpus_run_at_once_or_count_instructions(self) -> None:
        """Never both: with -icount the CPUs take turns."""
        for parallel, words in ((True, "tcg,thread=multi"), (False, "-icount")):
            line = machine.command(
                machine.Boot("t", GUEST, Path("i"), (), 3000,
                             parallel=parallel), Path("c"), Path("r"))
            self.assertIn(words, line)
            self.assertEqual("-icount" in line, not parallel)

    def test_devices_are_made_noncoherent(self) -> None:
        """In the tree of the very machine that is booted, or it is said."""
        arm64 = replace(GUEST, name="stock-arm64", arch=ARM64)
        boot = machine.Boot("t", arm64, Path("i"), (), 3000, noncoherent=True)
        for name, script in (
                ("qemu-system-aarch64", 'for word; do case "$word" in '
                 '*,dumpdtb=*) echo "$*" > "${word#*dumpdtb=}";; esac; done'),
                ("fdtput", f'echo "$@" >> {self.folder}/words')):
            program = self.folder / name
            program.write_text(f"#!/bin/sh\n{script}\n")
            program.chmod(0o755)
        machine.make_noncoherent(boot)
        # Newer ones have the property at the root as well.
        self.assertEqual((self.folder / "words").read_text().splitlines(), [
            f"-d {boot.log('dtb')} {node} dma-coherent"
            for node in ("/pcie@10000000", "/")])
        line = list(map(str, machine.command(boot, Path("c"), Path("r"))))
        self.assertEqual(line[line.index("-dtb") + 1], str(boot.log("dtb")))
        hardware = list(map(str, machine.hardware(boot)))[1:]
        made = boot.log("dtb").read_text().split()
        self.assertEqual(made[0:1] + made[2:], hardware[0:1] + hardware[2:])
        self.assertTrue(made[1].startswith(f"{hardware[1]},dumpdtb="))
        (self.folder / "fdtput").write_text("#!/bin/sh\nexit 1\n")
        with contextlib.redirect_stdout(io.StringIO()), \
                self.assertRaisesRegex(Failure, "COHERENT=1"):
            machine.make_noncoherent(boot)

    def test_what_an_architecture_has_not_is_one_message(self) -> None:
        """No machine, no debug kernel, no device that can be coherent."""
        for words, said in ((["--arch=armhf"], "x86_64 and arm64"),
                            (["--arch=arm64", "--debug"], "DEBUG=1"),
                            (["--coherent"], "ARCH=arm64"),
                            (["--cache"], "ARCH=arm64"),
                            (["--arch=arm64", "--cache", "--coherent"],
                             "CACHE=1")):
            with self.subTest(words), self.assertRaisesRegex(Failure, said):
                __main__.check_arch(__main__.parse(["demo", *words]))
        good = __main__.parse(["demo", "--arch=arm64", "--coherent"])
        __main__.check_arch(good)
        self.assertLess({"device-tree-compiler", "libc6-dev-arm64-cross"},
                        {need.package for need in __main__.needs_of(good)})

    def test_guest_that_never_comes_up(self) -> None:
        """It is ended, and nothing is left running."""
        with self.assertRaisesRegex(GuestFailed, "never came up"):
            self.boot("exec sleep 60", silence=1)
        pid = int((self.folder / "pid").read_text())
        self.assertFalse(Path(f"/proc/{pid}").exists())

    def test_guest_that_hangs(self) -> None:
        """It spoke, and then no more."""
        start = time.monotonic()
        with self.assertRaisesRegex(GuestFailed, "said nothing for 1 s"):
            self.boot("echo hello > $console; exec sleep 60", silence=1)
        self.assertLess(time.monotonic() - start, 20)
        self.assertIn("hello", self.shown)

    def test_guest_that_dies(self) -> None:
        """QEMU ends by itself, the program's last line is missing."""
        with self.assertRaisesRegex(GuestFailed, "did not finish"):
            self.boot(f"echo hello > $console; echo '{KERNEL}' > $results")

    def test_qemu_that_fails(self) -> None:
        """Its own message is passed on."""
        with self.assertRaisesRegex(Failure, "status 1: no such machine"):
            self.boot("echo no such machine; exit 1")

    def test_address_out_of_reach(self) -> None:
        """edu says so on QEMU's output, and goes on with another address."""
        with self.assertRaisesRegex(GuestFailed, "cannot reach"):
            self.boot("echo 'EDU: clamping DMA 0x1 to 0x0!'; "
                      f"echo hello > $console; echo '{END}' > $results")

    def test_too_little_memory(self) -> None:
        """Said before anything is started."""
        with mock.patch.object(machine, "available_memory_mb",
                               return_value=100), \
                self.assertRaisesRegex(Failure, "100 MB of memory left"):
            self.boot("exit 0")
        self.assertFalse((self.folder / "pid").exists())


class Images(unittest.TestCase):
    """Where the stock kernel comes from."""

    def test_no_image_in_the_archive(self) -> None:
        """Headers without an image: one message, nothing downloaded."""
        with tempfile.TemporaryDirectory() as cache, \
                mock.patch.object(kernel, "CACHE", Path(cache)), \
                mock.patch.object(kernel, "choose", return_value=GUEST.tree), \
                mock.patch.object(kernel, "prepare"), \
                mock.patch.object(
                    kernel, "stock_headers",
                    return_value=Headers(Path("h"), "6.12.1-amd64")), \
                mock.patch.object(apt.Archive, "version", return_value=None), \
                self.assertRaisesRegex(Failure, "no kernel image"):
            kernel.stock_kernel("")

    def test_an_image_is_found_where_each_kernel_has_it(self) -> None:
        """In /boot, or since 6.19 beside its modules."""
        for name in ("boot/vmlinuz-6.12.1-amd64",
                     "usr/lib/modules/7.3.4-amd64/vmlinuz"):
            with tempfile.TemporaryDirectory() as folder:
                image = Path(folder, name)
                self.assertIsNone(kernel.image_in(Path(folder)))
                image.parent.mkdir(parents=True)
                image.touch()
                self.assertEqual(kernel.image_in(Path(folder)), image)

    def test_kernels_that_are_built_have_their_fragments(self) -> None:
        """None was renamed, and none sets what another one sets."""
        for name, (fragments, _) in kernel.BUILT.items():
            options = [option.partition("=")[0] for fragment in fragments
                       for option in kernel.wanted_options(
                           (kernel.GUEST / fragment).read_text())]
            with self.subTest(name):
                self.assertTrue(options)
                self.assertEqual(len(options), len(set(options)))

    def test_wanted_options(self) -> None:
        """Options that a fragment switches off are not missed."""
        self.assertEqual(kernel.wanted_options(
            "# CONFIG_A is not set\nCONFIG_B=y\n"), ["CONFIG_B=y"])


class Picture(unittest.TestCase):
    """Both kinds of JSON can be drawn; nothing else can."""

    def draw(self, text: str, name: str = "out.svg") -> str:
        """The picture of @text."""
        with tempfile.TemporaryDirectory() as folder:
            source = Path(folder) / "in.json"
            source.write_text(text)
            picture.draw(source, Path(folder) / name)
            return (Path(folder) / name).read_text()

    def test_demo(self) -> None:
        """A picture of what as_known() reports, with both blocks' names."""
        report = results.parse(as_known())
        text = self.draw(results.as_json(
            report, results.verdicts(report, True), 1.0))
        for word in ("<svg", "by the book:", results.PROGRAMS + ":",
                     "title of p", "16 of 28 wrong", "132 of 136 wrong",
                     "0 of 1 wrong"):
            self.assertIn(word, text)

    def test_bench(self) -> None:
        """A picture of one row."""
        self.assertIn("<svg", self.draw(bench.as_json(bench.parse(
            [measured(bench.HUGE, e, create=1000) for e in results.NAMES]))))

    def test_neither(self) -> None:
        """One message each."""
        for text in ("{}", "nonsense"):
            with self.assertRaises(Failure):
                self.draw(text)
        with self.assertRaisesRegex(Failure, "svg or .png"):
            self.draw("{}", "out.bmp")


if __name__ == "__main__":
    unittest.main()
