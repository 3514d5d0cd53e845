# SPDX-License-Identifier: GPL-2.0
"""The judge of cache maintenance, beside a cache of which all is tried."""

import ctypes
import json
import random
import shutil
import subprocess
import tempfile
import unittest
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path
from unittest import mock

from fanout import apt, tree
from fanout.arch import ARM64
from fanout.host import Failure
from rig import cache, kernel, machine, results

LINE = 64
BYTES = (0, 1, 63)      # of a line, that histories use
AT = 0x40000000 + 4096 - LINE
FOUND = {1: "dirty", 2: "stale", 4: "overwritten", 8: "discarded"}
_CALLED = """
void (*heard)(unsigned long long line, int what, int by_device);
void hear(void *call)
{
\theard = call;
}
void report_line(unsigned long long line, int what, _Bool by_device)
{
\theard(line, what, by_device);
}
"""
_HEARD = ctypes.CFUNCTYPE(None, ctypes.c_uint64, ctypes.c_int, ctypes.c_int)


@dataclass(frozen=True)
class State:
    """What a line may hold: the number of the write that is in each byte."""

    memory: tuple[int, ...]
    line: tuple[int, ...] | None = None     # absent
    dirty: bool = False
    # A device's write that has begun, and has not reached memory: byte, number.
    coming: tuple[int, int] | None = None


def put(content: tuple[int, ...], byte: int, number: int) -> tuple[int, ...]:
    """@content after a write."""
    return tuple(number if i == byte else old
                 for i, old in enumerate(content))


def landed(state: State) -> State:
    """@state after the device's write has reached memory."""
    if state.coming is None:
        return state
    return replace(state, memory=put(state.memory, *state.coming), coming=None)


def stored(state: State, write: tuple[int, int]) -> State:
    """@state after a store of the CPU, which allocates."""
    return replace(state, dirty=True,
                   line=put(state.line or state.memory, *write))


def begun(state: State, write: tuple[int, int]) -> State:
    """@state when a device's write has begun."""
    return replace(state, coming=write)


def cleaned(state: State) -> State:
    """@state after its line was written back."""
    if state.line is None or not state.dirty:
        return state
    return replace(state, memory=state.line, dirty=False)


def dropped(state: State) -> State:
    """@state without its line, dirty or not."""
    return replace(state, line=None, dirty=False)


def closed(states: Iterable[State]) -> set[State]:
    """@states, and all that may become of them by itself."""
    todo, known = list(states), set(states)
    while todo:
        state = todo.pop()
        further = {landed(state), cleaned(state)}
        if not state.dirty:
            further |= {dropped(state),
                        replace(state, line=state.line or state.memory)}
        todo += further - known
        known |= further
    return known


class Oracle:
    """One line, in every state it may be in."""

    def __init__(self) -> None:
        self.states = closed([State((0,) * len(BYTES))])
        self.newest = [0] * len(BYTES)
        self.count = 0

    def change(self, how: Callable[[State], State]) -> None:
        """Something happens in all states."""
        self.states = closed(map(how, self.states))

    def write(self, byte: int) -> tuple[int, int]:
        """The next write, which is to @byte, and its number."""
        self.count += 1
        self.newest[byte] = self.count
        return byte, self.count

    def wrong(self, byte: int, by_device: bool) -> bool:
        """Whether a read of @byte may miss the newest write."""
        return any((state.memory if by_device or state.line is None
                    else state.line)[byte] != self.newest[byte]
                   for state in self.states)


@unittest.skipUnless(shutil.which("gcc"), "there is no compiler")
class Lines(unittest.TestCase):
    """lines.c, which keeps three masks where a cache has many states."""

    folder: "tempfile.TemporaryDirectory[str]"
    count = 0

    @classmethod
    def setUpClass(cls) -> None:
        cls.folder = tempfile.TemporaryDirectory()
        cls.addClassCleanup(cls.folder.cleanup)
        subprocess.run(
            ["gcc", "-O1", "-Wall", "-Wextra", "-Werror", "-shared", "-fPIC",
             "-fsanitize=undefined", "-fsanitize-undefined-trap-on-error",
             "-o", Path(cls.folder.name) / "lines.so",
             cache.SOURCES[-1], "-x", "c", "-"],
            input=_CALLED, text=True, check=True)

    def setUp(self) -> None:
        # A copy, as a library of the same name is not loaded again.
        Lines.count += 1
        path = Path(self.folder.name) / f"lines{Lines.count}.so"
        shutil.copy(path.with_name("lines.so"), path)
        self.lib = ctypes.CDLL(str(path))
        self.heard: list[tuple[int, str, bool]] = []

        def hear(line: int, what: int, by_device: int) -> None:
            self.heard.append((line, FOUND[what], bool(by_device)))

        self.hear = _HEARD(hear)
        self.lib.hear(self.hear)

    def call(self, name: str, at: int, *more: int) -> list[tuple[int, str,
                                                                 bool]]:
        """Call a function of lines.h. Return: what it found."""
        self.heard.clear()
        getattr(self.lib, name)(ctypes.c_uint64(at), *map(ctypes.c_uint64,
                                                          more))
        return list(self.heard)

    def play(self, seed: int) -> None:
        """A random history of one line, and each read judged twice."""
        rng = random.Random(seed)
        oracle = Oracle()
        at = AT + seed * LINE
        coming: int | None = None
        told: list[str] = []
        for _ in range(rng.randrange(2, 14)):
            byte = rng.randrange(len(BYTES))
            where = at + BYTES[byte]
            what = rng.choice((
                "store", "device writes", "clean", "invalidate",
                "clean_and_invalidate", "cpu_loads", "device_reads"))
            told.append(f"{what} {byte}")
            # Who touches a byte that a device is just writing gets either.
            if coming is not None and (what == "device writes"
                                       or byte == coming):
                what = "device has written"
            if what == "store":
                oracle.change(partial(stored, write=oracle.write(byte)))
                self.call("cpu_stores", where, 1)
            elif what == "device writes":
                coming = byte
                oracle.change(partial(begun, write=oracle.write(byte)))
                self.call("device_writes", where, 1, 0)
            elif what == "device has written":
                assert coming is not None
                self.call("device_writes", at + BYTES[coming], 1, 1)
                oracle.change(landed)
                coming = None
            elif what in ("cpu_loads", "device_reads"):
                by_device = what == "device_reads"
                # Only what is new is told, so a change comes first.
                if not oracle.newest[byte]:
                    continue
                self.assertEqual(bool(self.call(what, where, 1)),
                                 oracle.wrong(byte, by_device),
                                 f"seed {seed}: {', '.join(told)}")
                return
            else:
                if what != "invalidate":
                    oracle.change(cleaned)
                if what != "clean":
                    oracle.change(dropped)
                self.call(what, at + rng.choice(BYTES))

    def test_it_knows_all_that_a_cache_may_do(self) -> None:
        """It finds a read if, and only if, in some state it is wrong."""
        for seed in range(10000):
            self.play(seed)

    def test_causes_have_names(self) -> None:
        """Each of the four, told once until the line changes."""
        self.call("cpu_stores", AT + 8, 8)
        self.assertEqual(self.call("device_reads", AT, 8), [])
        self.assertEqual(self.call("device_reads", AT, 16),
                         [(AT, "dirty", True)])
        self.assertEqual(self.call("device_reads", AT, 16), [])
        self.call("cpu_stores", AT + 8, 1)
        self.assertEqual(self.call("device_reads", AT, 16),
                         [(AT, "dirty", True)])
        self.call("clean", AT + 63)
        self.assertEqual(self.call("device_reads", AT, 64), [])
        for _ in range(2):
            self.call("device_writes", AT, 4, 0)
            self.call("device_writes", AT, 4, 1)
            self.assertEqual(self.call("cpu_loads", AT + 4, 4), [])
            self.assertEqual(self.call("cpu_loads", AT, 8),
                             [(AT, "stale", False)])
        self.call("cpu_stores", AT + 32, 1)
        self.call("clean_and_invalidate", AT)
        self.assertEqual(self.call("device_reads", AT, 64),
                         [(AT, "overwritten", True)])
        self.call("cpu_stores", AT + 32, 1)
        self.call("invalidate", AT)
        self.assertEqual(self.call("cpu_loads", AT + 32, 1),
                         [(AT, "discarded", False)])
        self.assertEqual(self.call("cpu_loads", AT + 32, 1), [])
        self.call("invalidate", AT)
        self.assertEqual(self.call("cpu_loads", AT + 32, 1),
                         [(AT, "discarded", False)])

    def test_a_device_that_writes_over_a_store_reads_its_own(self) -> None:
        """Unless the store is written back: neither dirty nor discarded."""
        self.call("cpu_stores", AT, 4)
        self.call("device_writes", AT, 4, 0)
        self.call("device_writes", AT, 4, 1)
        for _ in range(2):
            self.assertEqual(self.call("device_reads", AT, 4),
                             [(AT, "overwritten", True)])
            self.call("invalidate", AT)

    def test_what_is_written_anew_is_fresh(self) -> None:
        """A page that was freed and cleared has no past, in any order."""
        self.call("device_writes", AT, LINE, 0)
        self.call("device_writes", AT, LINE, 1)
        for at in range(AT, AT + LINE, 16):
            self.call("cpu_stores", at, 16)
        self.assertEqual(self.call("cpu_loads", AT, LINE), [])

    def test_accesses_go_over_lines_and_pages(self) -> None:
        """AT is the last line of a page."""
        self.call("cpu_stores", AT + 60, 8)
        self.assertEqual(self.call("device_reads", AT - 64, 256),
                         [(AT, "dirty", True), (AT + LINE, "dirty", True)])
        self.assertEqual(self.call("device_reads", (1 << 36) - 4, 8), [])


def report(*entries: Mapping[str, object]) -> list[str]:
    """Lines of a report."""
    return [json.dumps(entry) for entry in entries]


def a_run(name: str, exporter: str, outcome: str = "right") -> list[str]:
    """What the guest says of a run."""
    return report({"run": name, "exporter": exporter, "outcome": outcome},
                  {"ended": name})


def length(lines: list[str]) -> int:
    """How many bytes @lines are in the guest's report."""
    return sum(len(line) + 1 for line in lines)


SEEN = {what: 5 for what in cache.WANTED}


class Reports(unittest.TestCase):
    """What becomes of the plugin's report."""

    def judged(self, *found: tuple[int, str, str],
               name: str = "x") -> tuple[cache.Caches, list[str]]:
        """Three runs, and what was found (after so many bytes, kind, line).

        Return: it all, and the verdicts that do not hold.
        """
        lines = [*a_run(name, "stock", "wrong"), *a_run(name, "fanout"),
                 *a_run(name, "heap", "not applicable")]
        caches = cache.parse(lines, report(*(
            {"at": at, "found": kind, "line": line, "by": "code 0x1"}
            for at, kind, line in found), SEEN))
        return caches, [what for good, what in cache.verdicts(
            caches, results.NAMES) if not good]

    def test_findings_are_of_the_run_that_ended_next(self) -> None:
        """What a run leaves to its process's end is its own."""
        run_line = a_run("x", "stock", "wrong")
        caches, wrong = self.judged(
            (0, "dirty", "0x40"), (0, "dirty", "0x80"), (0, "dirty", "0x40"),
            (length(run_line[:1]), "stale", "0x40"))
        self.assertEqual(wrong, [])
        self.assertEqual(list(caches.exporters), ["stock", "fanout"])
        stock = caches.exporters["stock"]
        self.assertEqual((stock.found, stock.runs, stock.runs_with,
                          stock.right),
                         ({"dirty": 2, "stale": 1}, 1, 1, 0))
        _, wrong = self.judged((0, "dirty", "0x40"),
                               (length(run_line), "stale", "0x40"))
        self.assertEqual(wrong, ["caches of udmabuf-fanout: 1 lines in 1 of 1 "
                                 "runs (x)"])

    def test_who_finds_nothing_in_others_is_not_believed(self) -> None:
        """Nor who saw nothing, or something outside of any run."""
        self.assertEqual(self.judged()[1],
                         ["caches of stock udmabuf: 0 lines in 0 of 1 runs"])
        self.assertRegex(self.judged((0, "dirty", "0x40"),
                                     (9999, "dirty", "0x40"))[1][0],
                         "1 findings are of no run")
        caches, _ = self.judged((0, "dirty", "0x40"))
        for what in (*SEEN, "maintained_elsewhere"):
            caches.seen = SEEN | {what: int(what not in SEEN)}
            self.assertEqual(len([good for good, _ in cache.verdicts(
                caches, results.NAMES) if not good]), 1)
        caches.seen = {}
        self.assertFalse(cache.verdicts(caches, results.NAMES)[-1][0])

    def test_what_breaks_no_promise_is_excused_by_name(self) -> None:
        """Of that scenario and that kind alone, and it is said."""
        (name, kind), _ = next(iter(cache.EXCUSED.items()))
        ours = length(a_run(name, "stock", "wrong"))
        caches, wrong = self.judged((0, "dirty", "0x40"),
                                    (ours, kind, "0x40"), name=name)
        self.assertEqual(wrong, [])
        self.assertIn(f"1 in {name} break no promise", "".join(
            what for _, what in cache.verdicts(caches, results.NAMES)))
        for other in set(cache.KINDS) - {kind}:
            self.assertTrue(self.judged((0, "dirty", "0x40"),
                                        (ours, other, "0x40"), name=name)[1])
        self.assertTrue(self.judged((0, "dirty", "0x40"),
                                    (length(a_run("x", "stock", "wrong")),
                                     kind, "0x40"))[1])

    def test_table_has_all_kinds(self) -> None:
        """And both exporters that played."""
        caches, _ = self.judged((0, "dirty", "0x40"))
        lines = cache.table(caches, results.NAMES)
        self.assertEqual(len(lines), 4 + len(cache.KINDS))
        self.assertRegex(lines[0], "stock udmabuf  udmabuf-fanout$")

    def test_it_can_be_written_as_json(self) -> None:
        """With the numbers under their names."""
        caches, _ = self.judged((0, "dirty", "0x40"))
        tree = json.loads(json.dumps(asdict(caches)))
        self.assertEqual(tree["exporters"]["stock"]["scenarios"],
                         {"x": {"dirty": 1}})

    def test_scenarios_that_are_excused_exist(self) -> None:
        """By the names that the guest has for them."""
        source = (kernel.GUEST / "demo/programs.c").read_text()
        for name, kind in cache.EXCUSED:
            self.assertIn(f'"{name}"', source)
            self.assertIn(kind, cache.KINDS)


class Interface(unittest.TestCase):
    """Which QEMU is taken."""

    def test_this_machines_is_taken_if_it_can(self) -> None:
        """By its version, without asking apt."""
        for said, own in (("QEMU emulator version 9.2.0 (Debian)", True),
                          ("QEMU emulator version 10.0.13", True),
                          ("QEMU emulator version 11.1.3", False),
                          ("QEMU emulator version 9.1.9", False),
                          ("QEMU emulator version 7.2.22", False),
                          ("", False)):
            with self.subTest(said), \
                 mock.patch.object(apt, "output", return_value=said), \
                 mock.patch.object(apt, "of_suite",
                                   side_effect=Failure("no network")):
                if own:
                    self.assertEqual(cache.qemu(), (cache.PROGRAM,))
                else:
                    with self.assertRaisesRegex(Failure, "no network"):
                        cache.qemu()

    def test_plugin_is_on_the_command_line(self) -> None:
        """With its files, under the QEMU that was chosen."""
        guest = kernel.Kernel("stock-arm64", Path("k"), Path("h"), "6.12",
                              tree.KernelTree(Path("t"), (6, 12, 1), "6.12"),
                              ARM64)
        boot = machine.Boot("cache", guest, Path("i"), (), 1,
                            qemu=("loader", "qemu"), plugin=Path("p.so"))
        line = machine.command(boot, Path("console"), Path("results"))
        self.assertEqual(line[:3], ["loader", "qemu", "-machine"])
        self.assertEqual(line[line.index("-plugin") + 1],
                         f"p.so,out={boot.log('plugin')},results=results")
        plain = machine.command(replace(boot, qemu=(), plugin=None),
                                Path("console"), Path("results"))
        self.assertEqual(plain[0], cache.PROGRAM)
        self.assertNotIn("-plugin", plain)


if __name__ == "__main__":
    unittest.main()
