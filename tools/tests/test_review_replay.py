# SPDX-License-Identifier: GPL-2.0
"""What tools/review/replay says about histories that are made by hand."""

import os
import shutil
import subprocess
import unittest
from collections.abc import Sequence

from fanout.host import BUILD, REPO

PROGRAM = BUILD / "review/replay"
TOOL = REPO / "tools/review/replay"

Calls = Sequence[Sequence[str]]

# A noncoherent writer is mapped, its place is loaded, and it writes.
READ = (["map 0", "uses 0 a page"], ["load a"], ["write 0 a"])
# The same without a load.
WROTE = (READ[0], READ[2])
# A writer has a slot, and writes.
SLOT = (["map 0", "uses 0 a slot", "fill 0 a"], ["write 0 a"])
# It has a copy that the exporter fills.
COPY = (["map 0", "uses 0 a copy", "moved copy 0 a",
         "sync for_device 0 both a"], ["write 0 a"])
# A noncoherent reader is mapped, and what it reads is cleaned.
READER = (["map 0", "uses 0 a page", "sync for_device 0 to a"],)


def history(devices: Sequence[str], calls: Calls, bytes_: int = 1) -> str:
    """A history of one line: what is said of each device, and within each call.

    A call ends with its success unless it ends with FAILED.
    """
    said = [f"history h 1 {bytes_} {len(devices)}"]
    said += [f"device {i} {device}" for i, device in enumerate(devices)]
    for number, (call, *within) in enumerate(calls):
        failed = within[-1:] == ["FAILED"]
        said += [f"call {number} {call}", *within[:len(within) - failed],
                 f"return {number} {'FAILED' if failed else 'OK'}"]
    return "\n".join([*said, "end", ""])


def run(text: str) -> subprocess.CompletedProcess[str]:
    """Replay @text."""
    return subprocess.run([PROGRAM], input=text, capture_output=True, text=True,
                          check=False, timeout=60)


@unittest.skipUnless(shutil.which("cc") and shutil.which("make"),
                     "there is no compiler, or no make")
class ReplayTest(unittest.TestCase):
    """Histories, and who reads what in them."""

    @classmethod
    def setUpClass(cls) -> None:
        """Build it; not as another test's CFLAGS would have it."""
        subprocess.run(["make", "-s", "-C", TOOL, f"OUT={PROGRAM.parent}"],
                       env={**os.environ, "CFLAGS": "-O2 -g"}, check=True)

    def wrongs(self, devices: Sequence[str], calls: Calls, arch: str = "arm64",
               state: str = "settled", last: bool = True) -> list[str]:
        """CALL READER PLACE VALUE PROMISED and the story of each complaint.

        About @arch from @state, and if @last after the last call only.
        """
        done = run(history(devices, calls))
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        found = [line.split("\t") for line in done.stdout.splitlines()]
        return [" ".join(words[3:]).rstrip() for words in found
                if words[:3] == ["h", arch, state]
                and (not last or int(words[3]) == len(calls) - 1)]

    def test_a_lost_for_cpu_is_seen_in_what_the_cpu_had_read(self) -> None:
        """And in nothing where all snoop; not before the call returns."""
        calls = (*READ, ["begin r 0"])
        self.assertEqual(self.wrongs(["from 0"], calls, last=False),
                         ["3 cpu a 1 2"])
        self.assertEqual(self.wrongs(["from 0"], calls, "x86"), [])
        self.assertEqual(self.wrongs(["from 1"], calls), [])

    def test_a_for_cpu_is_enough(self) -> None:
        """Of the device or of the exporter's own."""
        for device in "0x":
            calls = (*READ, ["begin r 0", f"sync for_cpu {device} from a"])
            self.assertEqual(self.wrongs(["from 0"], calls), [])

    def test_speculation_does_without_a_load(self) -> None:
        """It is the whole story, and none where nothing speculates."""
        calls = (*WROTE, ["begin r 0"])
        self.assertEqual(self.wrongs(["from 0"], calls),
                         ["2 cpu a 1 2 "
                          "at first the CPU's line of a is read in"])
        self.assertEqual(self.wrongs(["from 0"], calls, "mips"), [])

    def test_a_line_is_read_in_after_a_sync(self) -> None:
        """What is invalidated before the device writes may be there again."""
        calls = (READ[0], ["begin r 0", "sync for_cpu 0 from a"], READ[1],
                 READ[2], ["end r 0"], ["begin r 0"])
        self.assertEqual(self.wrongs(["from 0"], calls), ["5 cpu a 1 2"])
        without = (*calls[:2], *calls[3:])
        self.assertEqual(
            self.wrongs(["from 0"], without),
            ["4 cpu a 1 2 in call 1 after the sync for_cpu of device 0 "
             "the CPU's line of a is read in"])

    def test_a_stranger_to_its_direction_is_no_sync(self) -> None:
        """for_cpu to the device does nothing on any of them."""
        calls: Calls = (*READ, ["begin r 0", "sync for_cpu 0 to a"])
        self.assertEqual(self.wrongs(["from 0"], calls), ["3 cpu a 1 2"])

    def test_a_lost_for_device(self) -> None:
        """A reader reads what was there; cleaned it reads the store."""
        calls: Calls = (*READER, ["begin w 0"], ["store a"], ["end w 0"])
        self.assertEqual(self.wrongs(["to 0"], calls), ["3 0 a 1 2"])
        self.assertEqual(self.wrongs(["to 0"], calls, "x86"), [])
        calls = [*calls[:-1], ["end w 0", "sync for_device 0 to a"]]
        self.assertEqual(self.wrongs(["to 0"], calls), [])

    def test_a_for_device_of_a_reader_in_the_wrong_direction(self) -> None:
        """It drops the store on arm; arm64 cleans all the same."""
        calls: Calls = (*READER, ["begin w 0"], ["store a"],
                        ["end w 0", "sync for_device 0 from a"])
        self.assertEqual(self.wrongs(["to 0"], calls, "arm"),
                         ["3 0 a 1 2", "3 cpu a 1 2"])
        self.assertEqual(self.wrongs(["to 0"], calls), [])

    def test_a_slot_needs_its_own_syncs(self) -> None:
        """On all, and the exporter's own do nothing for it."""
        syncs: Calls = ([], ["sync for_cpu x from a"], ["sync for_cpu 0 to a"])
        for sync in syncs:
            calls = (*SLOT, ["begin r 0", *sync])
            self.assertEqual(self.wrongs(["from 1"], calls, "x86"),
                             ["2 cpu a 1 2"])
        calls = (*SLOT, ["begin r 0", "sync for_cpu 0 from a"])
        for snoops in "01":
            self.assertEqual(self.wrongs([f"from {snoops}"], calls, "x86"), [])

    def test_a_slot_that_was_not_filled(self) -> None:
        """It has what nobody has written."""
        calls = (["map 0", "uses 0 a slot"],)
        self.assertEqual(self.wrongs(["to 1"], calls, "x86"), ["0 0 a 0 1"])

    def test_an_idle_slot_is_copied_over_a_write(self) -> None:
        """for_cpu of a device that has not written, mapped both."""
        calls = (SLOT[0], ["map 1", "uses 1 a page"], ["write 1 a"],
                 ["begin r 0", "sync for_cpu 0 both a"])
        self.assertEqual(self.wrongs(["both 1", "from 1"], calls, "x86"),
                         ["3 cpu a 1 2"])

    def test_a_late_write_is_promised(self) -> None:
        """Before the sync it is seen; after it, or with none, it is not."""
        begin = ["begin r 0", "late 0 a", "sync for_cpu 0 from a"]
        calls: Calls = (*READ[:2], begin)
        self.assertEqual(self.wrongs(["from 0"], calls), [])
        calls = (*READ[:2], begin[:2])
        self.assertEqual(self.wrongs(["from 0"], calls), ["2 cpu a 1 2"])
        calls = (*READ[:2], [begin[0], begin[2], begin[1]])
        self.assertEqual(
            self.wrongs(["from 0"], calls),
            ["2 cpu a 1 2 in call 2 after the sync for_cpu of device 0 "
             "the CPU's line of a is read in"])

    def test_what_failed_promises_nothing(self) -> None:
        """A begin; and a map, whose device is not there then."""
        calls: Calls = (*READ, ["begin r 0", "FAILED"])
        self.assertEqual(self.wrongs(["from 0"], calls), [])
        calls = (["map 0", "uses 0 a slot", "FAILED"],)
        self.assertEqual(self.wrongs(["to 1"], calls, "x86"), [])
        # Nor does it open a write access: the store is excused.
        calls = (READ[0], ["begin w 0", "FAILED"], ["store a"],
                 ["begin r 0", "sync for_cpu 0 from a"])
        self.assertEqual(self.wrongs(["from 0"], calls), [])

    def test_what_failed_is_not_written(self) -> None:
        """Nor need who fails to write be mapped."""
        calls = (*READER, ["begin w 0"], ["store a", "FAILED"], ["end w 0"])
        self.assertEqual(self.wrongs(["to 0"], calls), [])
        calls = (*READ[:2], ["write 0 a", "FAILED"], ["begin r 0"])
        self.assertEqual(self.wrongs(["from 0"], calls), [])
        self.assertEqual(self.wrongs(["to 0"], [["write 0 a", "FAILED"]]), [])

    def test_who_has_a_write_access_open(self) -> None:
        """A store is excused if nobody has: of each process and the kernel."""
        for before, excused in (
                ((), True), ((["begin w 0"],), False),
                ((["begin r 0"],), True),
                ((["begin w 0"], ["end w 0"]), True),
                ((["begin w 0"], ["end r 0"]), False),
                ((["begin w 0"], ["end w 1"]), False),
                ((["end w 0"], ["begin w 0"]), False),
                ((["begin w 0"], ["begin w 1"], ["end w 0"]), False),
                ((["begin w 0"], ["begin rw 0"], ["end w 0"]), False),
                ((["vmap"],), False), ((["vmap"], ["vunmap"]), True)):
            calls = (READ[0], *before, ["store a"],
                     ["begin r 0", "sync for_cpu 0 from a"])
            with self.subTest(before):
                self.assertEqual(
                    self.wrongs(["from 0"], calls),
                    [] if excused else [f"{len(calls) - 1} cpu a 1 2"])

    def test_copies_are_moved_by_the_exporter(self) -> None:
        """A sync of one copies nothing, and maintains the copy's lines."""
        begin = ["begin r 0", "sync for_cpu 0 both a"]
        calls = (*COPY, begin)
        self.assertEqual(self.wrongs(["from 1"], calls, "x86"), ["2 cpu a 1 2"])
        calls = (*COPY, [*begin, "moved page 0 a"])
        self.assertEqual(self.wrongs(["from 1"], calls, "x86"), [])
        self.assertEqual(self.wrongs(["from 0"], calls), [])
        calls = (*COPY, [begin[0], "moved page 0 a"])
        self.assertEqual(self.wrongs(["from 0"], calls), ["2 cpu a 1 2"])

    def test_a_new_copy_is_cleaned(self) -> None:
        """Or its dirty line is written back over what the device wrote."""
        calls = ([*COPY[0][:-1]], COPY[1],
                 ["begin r 0", "sync for_cpu 0 both a", "moved page 0 a"])
        self.assertEqual(
            self.wrongs(["from 0"], calls),
            ["2 cpu a 1 2 after call 1 the CPU's line of device 0's copy of a "
             "is written back"])

    def test_another_memory_is_new(self) -> None:
        """What the slot was filled with is not in the copy."""
        calls = ([*SLOT[0], "uses 0 a copy"],)
        self.assertEqual(self.wrongs(["to 1"], calls, "x86"), ["0 0 a 0 1"])

    def test_the_same_copy(self) -> None:
        """What one device wrote to it another reads at once."""
        wrongs: dict[str, list[str]] = {
            "same 1 a 0": [], "moved copy 1 a": ["4 1 a 1 2"]}
        for how, wrong in wrongs.items():
            calls: Calls = (
                COPY[0], ["map 1", "uses 1 a copy", how], COPY[1],
                ["begin r 0", "moved page 0 a"], ["end r 0"])
            self.assertEqual(self.wrongs(["both 1", "to 1"], calls, "x86",
                                         last=False), wrong)
            calls = (*calls[:3], ["begin r 0", "moved page 1 a"])
            self.assertEqual(
                self.wrongs(["both 1", "to 1"], calls, "x86"),
                ["3 cpu a 1 2"] if wrong else [])
            calls = (*calls[:2], ["begin w 0"], ["store a"],
                     ["end w 0", "moved copy 0 a"])
            self.assertEqual(self.wrongs(["both 1", "to 1"], calls, "x86",
                                         last=False), wrong)

    def test_dirty_at_first(self) -> None:
        """A line is written back over a write unless mapping cleans it."""
        begin = ["begin r 0", "sync for_cpu 0 from a"]
        calls: Calls = (*WROTE, begin)
        self.assertEqual(self.wrongs(["from 0"], calls), [])
        self.assertEqual(
            self.wrongs(["from 0"], calls, state="dirty"),
            ["2 cpu a 1 2 after call 1 the CPU's line of a is written back"])
        calls = ([*WROTE[0], "sync for_device 0 both a"], WROTE[1], begin)
        self.assertEqual(self.wrongs(["from 0"], calls, state="dirty"), [])
        # It is dropped, and with it all that there was.
        calls = (WROTE[0], begin)
        self.assertEqual(self.wrongs(["from 0"], calls, state="dirty"),
                         ["1 cpu a 0 1"])

    def test_a_line_is_dropped(self) -> None:
        """A slot takes up what a device wrote, and is copied over the next."""
        end = ["end r 0", "sync for_device 0 both a",
               "sync for_device 1 both a"]
        calls = (READER[0], ["map 1", "uses 1 a slot", "fill 1 a"],
                 ["store a"], ["write 0 a"], end,
                 ["begin rw 0", "sync for_cpu 0 both a",
                  "sync for_cpu 1 both a"], ["write 0 a"], end)
        self.assertEqual(
            self.wrongs(["both 0", "both 1"], calls),
            ["7 0 a 3 4 after call 2 the CPU's line of a is written back and "
             "dropped"])

    def test_a_coherent_write_may_be_in_a_cache_only(self) -> None:
        """An invalidate for another device drops it, unless it is cleaned."""
        calls: Calls = (["map 0", "uses 0 a page"], ["map 1", "uses 1 a page"],
                        ["write 1 a"], ["begin r 0", "sync for_cpu 0 from a"])
        self.assertEqual(
            self.wrongs(["from 0", "from 1"], calls),
            ["3 cpu a 1 2 after call 2 what device 1 wrote to a is in a cache "
             "only"])
        clean = ["begin r 0", "sync for_device 0 from a"]
        again = [*calls[:2], clean, *calls[2:]]
        self.assertEqual(len(self.wrongs(["from 0", "from 1"], again)), 1)
        calls = (*calls[:-1], [*clean, "sync for_cpu 0 from a"])
        self.assertEqual(self.wrongs(["from 0", "from 1"], calls), [])
        # Between the two it is nobody's fault.
        calls = (*calls[:2], [*clean, "late 1 a", "sync for_cpu 0 from a"])
        self.assertEqual(self.wrongs(["from 0", "from 1"], calls), [])
        calls = (*calls[:2], [clean[0], "late 1 a", "sync for_cpu 0 from a"])
        self.assertEqual(len(self.wrongs(["from 0", "from 1"], calls)), 1)

    def test_all_agree_when_all_is_quiet(self) -> None:
        """Of two writes that did not know each other either, but the same."""
        calls = (SLOT[0], ["map 1", "uses 1 a page"], ["write 0 a"],
                 ["write 1 a"], ["begin rw 0"], ["end rw 0"])
        self.assertEqual(self.wrongs(["both 1", "both 1"], calls, "x86"),
                         ["5 0 a 2 0"])
        self.assertEqual(self.wrongs(["both 1", "both 1"], calls[:-1], "x86"),
                         [])

    def test_the_unmap_of_a_writer_promises(self) -> None:
        """Of a reader it does not."""
        for direction, promises in (("from", True), ("to", False)):
            calls = (["map 0", "uses 0 a page"],
                     ["map 1", "uses 1 a slot", "fill 1 a"], ["store a"],
                     ["unmap 0"])
            self.assertEqual(
                self.wrongs([f"{direction} 1", "to 1"], calls, "x86"),
                ["3 1 a 1 2"] if promises else [])

    def test_who_is_unmapped_reads_nothing(self) -> None:
        """And what is its slot no more is copied nowhere."""
        calls = (SLOT[0], ["unmap 0"], ["begin r 0", "sync for_cpu 0 both a"],
                 ["map 0", "uses 0 a slot", "fill 0 a"])
        self.assertEqual(self.wrongs(["both 1"], calls, "x86", last=False), [])

    def test_what_was_seen_is_judged(self) -> None:
        """Until it is seen otherwise; 0 of a mapped device was never there."""
        calls = ([*SLOT[0], "views 1 1"], ["write 0 a", "views 1 2"],
                 ["begin r 0"], ["end r 0"], ["end r 0", "views 2 0"])
        self.assertEqual(
            self.wrongs(["both 1"], calls, "recorded", last=False),
            ["2 cpu a 1 2", "3 0 a 2 0", "3 cpu a 1 2", "4 0 a 0 2"])
        self.assertEqual(self.wrongs(["both 1"], calls, "recorded", "dirty"),
                         [])

    def test_each_line_for_itself(self) -> None:
        """Two lines, and a device that is another on each."""
        said = """
            history two 2 1 1
            device 0 from 0
            call 0 map 0
            uses 0 0 slot
            uses 0 1 page
            fill 0 a
            sync for_device 0 both ab
            return 0 OK
            call 7 load b
            return 7 OK
            call 8 write 0 a
            return 8 OK
            call 9 write 0 b
            return 9 OK
            call 10 begin r 3
            sync for_cpu 0 from {}
            return 10 OK
            end
            """
        wrongs: dict[str, list[str]] = {
            "ab": [], "a": ["10 b 1 3"], "b": ["10 a 1 2"],
            "-": ["10 a 1 2", "10 b 1 3"]}
        for places, wrong in wrongs.items():
            done = run(said.format(places) * 2)
            found = [line.split("\t") for line in done.stdout.splitlines()]
            self.assertEqual(
                [" ".join([words[3], *words[5:8]]) for words in found
                 if words[1:3] == ["arm64", "settled"]], wrong * 2)

    def test_two_bytes_of_a_line(self) -> None:
        """Where writes conflict by line one is excused."""
        calls = (["map 0", "uses 0 a page"], ["begin w 0"], ["store a"],
                 ["write 0 b"], ["begin r 0", "sync for_cpu 0 from ab"])
        done = run(history(["both 0"], calls, bytes_=2))
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        self.assertEqual([line for line in done.stdout.splitlines()
                          if "arm64\tsettled" in line], [])

    def test_of_two_bytes_one_is_kept(self) -> None:
        """Not so where a slot that knows neither is copied over both."""
        calls = (["map 0", "uses 0 a page"], ["map 1", "uses 1 a slot",
                                              "fill 1 ab"],
                 ["begin w 0"], ["store a"], ["write 0 b"],
                 ["begin r 0", "sync for_cpu 1 both ab"],
                 ["end r 0", "sync for_device x both ab"])
        done = run(history(["both 0", "both 1"], calls, bytes_=2))
        self.assertIn("h\tarm64\tsettled\t6\tcpu\tb\t1\t3\t",
                      done.stdout.splitlines())

    def test_histories_know_nothing_of_each_other(self) -> None:
        """What one leaves behind is gone in the next."""
        one = history(["to 1"], ([*SLOT[0], "views 1 0"], ["begin w 0"],
                                 ["vmap"]))
        two = history(["to 0"], (["map 0"], ["store a"], ["end r 0"]))
        self.assertNotEqual(run(one).stdout, "")
        self.assertEqual(run(one + two).stdout,
                         run(one).stdout + run(two).stdout)

    def test_bad_input(self) -> None:
        """It says which line is bad."""
        device, ok = ["from 0"], history(["from 0"], READ)
        for text, line in (
                ("end\n", 1), (ok + "call 0 other\n", ok.count("\n") + 1),
                ("history h 1 1 4\n", 1), ("history h 3 1 1\n", 1),
                ("history h 1 1 1\n", 1), ("history h 1 1 1 1\n", 1),
                ("history h 1 1 1\ndevice 1 to 0\n", 2),
                ("history h 1 1 1\ndevice 0 up 0\n", 2),
                ("history h 1 1 1\ndevice 0 to 2\n", 2),
                ("history h 1 1 1\ncall 0 other\n", 2),
                ("history h 1 1 1\nhistory h 1 1 1\n", 2),
                (history(device, [["nothing"]]), 3),
                (history(device, [["map"]]), 3),
                (history(device, [["map 1"]]), 3),
                (history(device, [["map 0 0"]]), 3),
                (history(device, [["store b"]]), 3),
                (history(device, [["begin x 0"]]), 3),
                (history(device, [["begin r -1"]]), 3),
                (history(device, [["other", "call 1 other"]]), 4),
                (history(device, [["other", "views 1"]]), 4),
                (history(device, [["other", "views 1 1 1"]]), 4),
                (history(device, [["other", "views 1 9"]]), 4),
                (history(device, [["other", "return 1 OK"]]), 4),
                (history(device, [["other", "end"]]), 4),
                (history(device, [["write 0 a"]]), 3),
                (history(device, [["unmap 0"]]), 3),
                (history(device, [["map 0"], ["map 0"]]), 5),
                (history(["to 0"], [["map 0"], ["write 0 a"]]), 5),
                (history(device, [["map 0", "fill 0 a"]]), 4),
                (history(device, [["map 0", "moved page 0 a"]]), 4),
                (history(device, [["map 0", "moved slot 0 a"]]), 4),
                (history(device, [["map 0", "same 0 a 0"]]), 4),
                (history(device, [["store a"]] * 7), 15)):
            with self.subTest(text):
                done = run(text)
                self.assertEqual(done.returncode, 2)
                self.assertRegex(done.stderr, rf"^replay: line {line}: .")


if __name__ == "__main__":
    unittest.main()
