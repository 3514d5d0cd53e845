# SPDX-License-Identifier: GPL-2.0
"""Tests of what the review report shows, with reports that are made up."""

import html
import html.parser
import json
import os
import re
import unittest
from collections.abc import Sequence
from dataclasses import asdict, replace
from itertools import product
from typing import Any
from unittest import mock
from xml.etree import ElementTree as xml

from fanout import ktap
from fanout.host import REPO
from review import compare, machine, page, replay, text, words
from review.findings import (Compared, Cost, Difference, Place, Report,
                             Wrong)
from review.record import Call, Device, Event, History, Moved, Used

CAMERA = Device("camera", "noncoherent", "from")
GPU = Device("gpu", "bounced", "to")
PLACE = Place("drivers/dma-buf/udmabuf.c", 241, "begin_cpu_udmabuf",
              "\tdma_sync_sgtable_for_cpu(dev, ubuf->sg, direction);")
ROWS = tuple(arch for arch in words.ARCHITECTURES if arch != words.COHERENT)


def sync(what: str, device: str, direction: str, **more: Any) -> Event:
    """An event of 16 KiB in the device's own table."""
    return replace(Event(what, device, direction, "-", 16384, "a", device,
                         "resv"), **more)


def history(name: str, without: str = "") -> History:
    """A camera writes what CPU and GPU read; @without a call's events."""
    steps: dict[str, list[Event | Moved]] = {
        "map camera": [sync("map", "camera", "from")],
        "map gpu": [sync("map", "gpu", "to", attributes="skip", lock="-")],
        "write camera a": [],
        "begin r": [sync("for_cpu", "camera", "from"),
                    sync("for_cpu", "gpu", "to")],
        "load a": [],
        "end r": [sync("for_device", "gpu", "to"),
                  Moved("gpu", "a", False)],
        "read gpu a": [],
        "unmap camera": [sync("unmap", "camera", "from")]}
    return History(name, [CAMERA, GPU], [
        Call(number, step, [] if step == without else [*happened])
        for number, (step, happened) in enumerate(steps.items(), 1)])


def wrong(arch: str, state: str = "settled", **more: Any) -> Wrong:
    """The CPU reads what was there before the camera wrote."""
    return replace(Wrong(arch, state, 5, "cpu", "a", 1, 2,
                         ("the CPU's cache holds version 1 of a",
                          "camera writes version 2 to memory")),
                   **more)


def same(name: str = "same") -> Compared:
    """No sync differs."""
    return Compared(name, "the camera writes, CPU and GPU read",
                    history(name), history(name), base_cost=Cost(6, 65536, 0),
                    patch_cost=Cost(6, 65536, 0))


def lost(name: str = "camera_then_cpu", worse: bool = True) -> Compared:
    """The begin does not sync the camera any more."""
    one = same(name)
    one.patch = history(name)
    event = one.base.calls[3].happened[0]
    del one.patch.calls[3].happened[0]
    assert isinstance(event, Event)
    one.differences = [Difference("lost", 4, event, None,
                                  "for_cpu of camera (from) is lost", PLACE)]
    one.patch_cost = Cost(5, 49152, 0)
    if worse:
        one.patch_wrong = [wrong(arch) for arch in ROWS]
    return one


def added(name: str = "doubled_end", kind: str = "doubled") -> Compared:
    """The end syncs the GPU twice."""
    one = same(name)
    one.patch.calls[5].happened.append(sync("for_device", "gpu", "to"))
    one.differences = [Difference(
        kind, 6, None, sync("for_device", "gpu", "to"),
        f"for_device of gpu (to) is {kind}", PLACE)]
    one.patch_cost = Cost(7, 65536, 16384)
    return one


def swapped(name: str = "swapped") -> Compared:
    """Two syncs of a begin in another order."""
    one = same(name)
    happened = one.patch.calls[3].happened
    happened.reverse()
    first = one.base.calls[3].events[0]
    one.differences = [Difference("reordered", 4, first, happened[1]
                                  if isinstance(happened[1], Event) else None,
                                  "for_cpu of camera (from) comes after gpu's")]
    return one


def mended(name: str = "mended") -> Compared:
    """What was wrong before and is not with the patch."""
    one = added(name, "added")
    one.base_wrong = [wrong("arm64", reader="gpu", call=7)]
    return one


def report(*compared: Compared, **more: Any) -> Report:
    """Of a patch to udmabuf."""
    return replace(Report("udmabuf", "6.12.117", "stock", "the patch",
                          list(compared)), **more)


def battery(row: str, *names: str, kinds: Sequence[str] =
            ("coherent", "noncoherent", "bounced", "both")) -> list[Compared]:
    """A row of the battery in which devices with @names map, of all @kinds.

    The base syncs for its own device, the patch for all of them.
    """
    found = []
    for mix in product(kinds, repeat=len(names)):
        devices = [Device(name, kind, "from" if name == "cam" else "to")
                   for name, kind in zip(names, mix)]
        own = sync("for_cpu", "exporter", "from")
        maps = [(sync("map", name, "from", attributes="skip"),
                 sync("map", name, "both", attributes="skip"))
                for name in names]
        steps = [*(f"map {name}" for name in names), "write cam a", "begin r",
                 "load a", "end r"]
        at = len(names) + 2
        base, patch = ([Call(number, step) for number, step in
                        enumerate(steps, 1)] for _ in range(2))
        said = ", ".join(f"{name} is {kind}" for name, kind in zip(names, mix))
        one = Compared(
            f"{row}/{'+'.join(mix)}", f"what {row} does: {said}",
            History(row, devices, base), History(row, devices, patch),
            base_cost=Cost(1), patch_cost=Cost(len(names)))
        for number, (before, after) in enumerate(maps):
            base[number].happened.append(before)
            patch[number].happened.append(after)
            one.differences.append(Difference(
                "mapping", number + 1, before, after, "map both ways", PLACE))
        # As stock does it: the first access maps.
        own_map = sync("map", "exporter", "from", attributes="skip")
        one.differences.append(Difference("mapping", at, own_map, None,
                                          "map of exporter is lost", PLACE))
        base[at - 1].happened += [own_map, own]
        for number, name in enumerate(names):
            event = sync("for_cpu", name, "from")
            patch[at - 1].happened.append(event)
            doubled = number and mix[0] == mix[number] == "noncoherent"
            one.differences.append(Difference(
                "doubled" if doubled else "added", at, None, event,
                f"for_cpu of {name} (from) is new", PLACE,
                f"the same lines as {names[0]}'s" if doubled else "") if number
                else Difference("misdirected", at, own, event, "not its own",
                                PLACE))
        found.append(one)
    return found


def seed() -> Report:
    """What a real patch looks like: all differs; some is worse, more is better.

    As the one of the mail thread that syncs every importer.
    """
    found = []
    for row in (*(f"odd-{number}" for number in range(40)), "idle-reader",
                "through-cpu"):
        odd = row.startswith("odd")
        for one in battery(row, *(("cam",) if odd else ("cam", "gpu"))):
            cam, *gpu = [device.kind for device in one.base.devices]
            begin = len(one.base.devices) + 2
            reads = [wrong(arch, state, call=call) for call in
                     (begin, begin + 1) for arch in words.ARCHITECTURES
                     for state in ("settled", "dirty")]
            seen = [wrong("recorded", call=begin + 1)]
            noise = [wrong(arch, "dirty", call=begin, value=0)
                     for arch in ROWS]
            one.base_wrong = noise
            if cam in ("bounced", "both"):
                one.base_wrong = reads + seen
            elif gpu and gpu[0] in ("bounced", "both"):
                one.patch_wrong = reads + seen
            elif odd and cam == "coherent":
                # Worse in a way that few care about: other than it was.
                one.base_wrong = [wrong(arch, call=begin) for arch in ROWS]
                one.patch_wrong = [wrong(arch, call=begin, place="b")
                                   for arch in ROWS]
            found.append(one)
    return report(*found)


def crowd() -> Report:
    """500 histories that differ, in more ways than fit on a screen."""
    found = []
    for number in range(500):
        one = lost(f"history_{number}", number % 3 == 0)
        one.differences = [replace(
            one.differences[0], call=1 + number % 8,
            kind=("lost", "added", "moved", "size", "lock")[number % 5])]
        found.append(one)
    return report(*found, complaints=["INFO: possible recursive locking\nmore"])


ALL = {
    "empty": report(empty=True),
    "same": report(same("one"), same("two")),
    "harmless": report(same(), lost("fewer", False)),
    "regression": report(same(), lost(), lost("other")),
    "better": report(same(), mended()),
    "both": report(lost(), mended()),
    "complaint": report(same(), complaints=["BUG: sleeping function\n at"]),
    "swapped": report(swapped(), added()),
    "crowd": crowd(),
    "seed": seed(),
}


class Sentences(unittest.TestCase):
    """What all outputs say in the same words."""

    def test_architectures_are_the_models(self) -> None:
        """Or "everywhere" would be said of less."""
        source = (REPO / "kunit/model_archs.c").read_text()
        table = source.partition("model_archs[] = {")[2].partition("\n};")[0]
        self.assertEqual(words.ARCHITECTURES, tuple(
            name for row in table.split("}, {") if ".supported = true" in row
            for name in re.findall(r'\.name = "(.*)"', row)))

    def test_an_event(self) -> None:
        """With what is unusual about it, and nothing else."""
        event = sync("for_cpu", "gpu", "from")
        self.assertEqual(words.event(event), "for_cpu of gpu (from), 16 KiB")
        self.assertEqual(
            words.event(replace(event, table="camera", attributes="skip")),
            "for_cpu of gpu (from), 16 KiB, skip, for camera's table")
        self.assertIn("not locked", words.event(replace(event, lock="-"), True))

    def test_sizes(self) -> None:
        """In the unit that suits."""
        for number, said in ((0, "0 B"), (1536, "1.5 KiB"),
                             (1 << 20, "1 MiB"), (5 << 40, "5120 GiB")):
            self.assertEqual(words.size(number), said)

    def test_one_sentence_for_many_machines(self) -> None:
        """Architectures and states; dirty is said if settled is right."""
        self.assertEqual(
            words.told([wrong("arm64", reader="gpu")]),
            ["gpu reads version 1 of a, was promised 2: on arm64"])
        self.assertEqual(
            words.told([wrong(arch, state) for arch in ("csky", "arm")
                        for state in ("settled", "dirty")]),
            ["cpu reads version 1 of a, was promised 2: on arm and csky"])
        self.assertEqual(
            words.told([wrong("arm", "dirty"), wrong("csky", place="b")]),
            ["cpu reads version 1 of b, was promised 2: on csky",
             "cpu reads version 1 of a, was promised 2: on arm, if caches are "
             "dirty at first"])
        self.assertEqual(
            words.told([wrong("arm", value=0), wrong("arm", promised=0)]),
            ["cpu reads what nobody has written in a, was promised version 2: "
             "on arm", "cpu reads version 1 of a, unlike the CPU: on arm"])

    def test_where(self) -> None:
        """All, all that are not coherent, all but one, some, and here."""
        self.assertEqual(words.where(words.ARCHITECTURES), "everywhere")
        self.assertEqual(words.where(ROWS), "wherever caches are not coherent")
        self.assertEqual(words.where({*ROWS} - {"mips"}),
                         "wherever caches are not coherent, except mips")
        self.assertEqual(words.where({*words.ARCHITECTURES} - {"mips"}),
                         "everywhere except mips")
        self.assertEqual(words.where(ROWS[:5], 2), "on arm, arm64 and 3 more")
        self.assertEqual(words.where(["recorded"]), "seen in UML")
        self.assertEqual(words.where(["recorded", "arm"]),
                         "on arm, also seen in UML")

    def test_kinds_of_devices(self) -> None:
        """In as few words as say the same; of unknown mixes nothing."""
        row = battery("row", "cam", "gpu")

        def said(*some: str) -> str:
            return words.for_whom([one for one in row if any(
                re.fullmatch(f"row/{each}", one.name) for each in some)], row)

        self.assertEqual(said(".*"), "with all kinds of devices")
        self.assertEqual(said(".*[+]bo.*"), "where gpu is bounced")
        self.assertEqual(said("(non)?coherent[+]bo.*"),
                         "where cam is direct and gpu is bounced")
        self.assertEqual(said("noncoherent[+]noncoherent"),
                         "where cam is noncoherent and gpu is noncoherent")
        self.assertEqual(said("noncoherent[+].*", ".*[+]noncoherent"),
                         "where gpu is noncoherent, or cam is noncoherent")
        self.assertEqual(said("both[+].*", "coherent[+].*"),
                         "where cam is bounced+noncoherent or coherent")
        self.assertEqual(
            said("both[+]coherent", "coherent[+]both", "bounced[+]bounced",
                 "noncoherent[+]noncoherent").count("in 3 more mixes"), 1)
        # Of other kinds few mixes were run, and they are not meant.
        row += [one for one in battery("row", "cam", "gpu", kinds=(
            "forced", "noncoherent", "opaque", "bounced")) if one.name in
            ("row/forced+noncoherent", "row/opaque+bounced")]
        self.assertEqual(said("coherent[+].*"), "where cam is coherent")
        self.assertEqual(said("bo[a-z]*[+]bo.*"),
                         "where cam is bounced and gpu is bounced")
        # (bounced, forced) was not run: "bounced" is not less true for that.
        self.assertEqual(words.kinds(
            {"bounced", "both"}, {"bounced", "both", "forced", "coherent",
                                  "noncoherent"},
            {"bounced", "both", "forced"}), "bounced")

    def test_groups(self) -> None:
        """Rows of which the same can be said; first those that were right."""
        worse = words.groups(ALL["seed"], True)
        self.assertEqual(
            [group.headline() for group in worse],
            ["idle-reader and through-cpu, 8 of 32 where cam is direct and gpu "
             "is bounced: cpu reads version 1 of a, was promised 2",
             "odd-0, odd-1, odd-2 and 37 more, 40 of 160 where cam is coherent:"
             " cpu reads version 1 of b, was promised 2"])
        self.assertEqual(worse[0].first.example.name,
                         "idle-reader/coherent+bounced")
        self.assertEqual(worse[0].first.rest(), "better in 12")

    def test_an_example_is_simple(self) -> None:
        """Few calls, and nothing that becomes better with it."""
        both = lost("row/1")
        both.base_wrong = [wrong("arm", place="b")]
        plain, long = lost("row/2"), lost("row/3")
        long.base.calls.append(Call(9, "unmap gpu"))
        row, = words.groups(report(both, long, plain), True)[0].rows
        self.assertIs(row.example, plain)

    def test_the_line_behind_it(self) -> None:
        """That of the last sync that differs before the read."""
        one = lost()
        one.differences = [replace(one.differences[0], call=call, place=replace(
            PLACE, line=call)) for call in (3, 4, 6)]
        place = words.groups(report(one), True)[0].first.place
        self.assertEqual(place, replace(PLACE, line=4))

    def test_dirty_ones_come_last(self) -> None:
        """As does what only could be read, and is not."""
        dirty, idle = lost("dirty"), lost("idle")
        dirty.patch_wrong = [wrong("arm", "dirty")]
        idle.patch_wrong = [wrong("arm", call=8)]
        found = words.groups(report(dirty, idle, lost()), True)
        self.assertEqual([row.name for group in found for row in group.rows],
                         ["camera_then_cpu", "idle", "dirty"])

    def test_syncs(self) -> None:
        """Over all moments; doubled ones first, maps without a sync last."""
        one, two = lost("one", False), added("two")
        one.differences += [replace(one.differences[0], call=5), Difference(
            "mapping", 1, None, sync("map", "gpu", "to", attributes="skip"),
            "map")]
        two.differences = [replace(two.differences[0], reason="why")]
        found = words.syncs(report(one, two))
        self.assertEqual([each.headline() for each in found],
                         ["1 for_device of bounced readers is doubled: why",
                          "1 for_cpu of noncoherent writers is lost"])
        self.assertEqual(words.mappings([one, two]),
                         "1 map or unmap without a sync differs, in 1 history")

    def test_a_moved_wait(self) -> None:
        """It is nobody's sync."""
        one = same()
        one.differences = [Difference("reordered", 4, Event("wait"),
                                      Event("wait"), "the wait")]
        self.assertEqual(words.syncs(report(one))[0].headline(),
                         "1 the wait for a fence comes in another order")

    def test_no_reason_where_it_does_harm(self) -> None:
        """Why a sync is not missed is no reason if it is missed elsewhere."""
        one, other = lost("one", False), lost("other")
        one.differences = [replace(one.differences[0], reason="it snoops")]
        self.assertEqual(words.syncs(report(one))[0].reason, "it snoops")
        self.assertEqual(words.syncs(report(one, other))[0].reason, "")

    def test_only_data_differs(self) -> None:
        """Older data without another sync is told as well."""
        one = same()
        one.patch_wrong = [wrong("recorded")]
        shown = text.mail(report(one))
        self.assertIn("1 history without another sync, but with other data",
                      shown)
        self.assertIn("was promised 2: seen in UML", shown)

    def test_rows_of_a_call(self) -> None:
        """What is instead of another is beside it, nothing else is."""
        one = battery("row", "cam", "gpu")[0]
        base, patch = one.base.calls[3], one.patch.calls[3]
        marked = words.marks(one)
        self.assertEqual(
            [tuple(each and each.device for each in pair)
             for pair in words.pairs(base, patch, marked)],
            [("exporter", None), ("exporter", "cam"), (None, "gpu")])
        self.assertEqual(len(words.pairs(base, patch, marked, True)), 2)

    def test_marks_the_second_of_two(self) -> None:
        """What is doubled is the second, what is swapped is on both sides."""
        one = added()
        self.assertEqual([*words.marks(one)],
                         [id(one.patch.calls[5].happened[2])])
        one = swapped()
        self.assertEqual({*words.marks(one)},
                         {id(one.base.calls[3].happened[0]),
                          id(one.patch.calls[3].happened[1])})


class Found(unittest.TestCase):
    """What the outputs are given."""

    def test_stories_have_names(self) -> None:
        """The replay knows devices by their numbers only."""
        self.assertEqual(
            replay.named("in call 4 within the sync for_cpu of device 1 what "
                         "device 0 wrote is dropped", ["cam", "gpu"]),
            "in call 4 within the sync for_cpu of gpu what cam wrote is "
            "dropped")

    def test_doubled_for_whom(self) -> None:
        """Whose lines they were before is the reason, not a word of it."""
        one = battery("row", "cam", "gpu")[5]
        for history_of_it in one.base, one.patch:
            for call in history_of_it.calls:
                call.happened = [
                    *(Used(call.step.split()[1], "a", "page",
                           call.step.split()[1])
                      for _ in range(call.step.startswith("map"))),
                    *(replace(each, maintained=16384) for each in call.events)]
        found = [each for each in compare.differences(one.base, one.patch)
                 if each.kind != "mapping"]
        self.assertEqual([(each.kind, each.words, each.reason)
                          for each in found][1:],
                         [("doubled", "for_cpu of gpu (from) is new",
                           "the same lines as cam's")])

    def test_the_very_line(self) -> None:
        """Of many new ones it is the one that calls."""
        change = compare._Change("a.c", range(5, 5), range(5, 8), "+lock();",
                                 ("\tlock();", "\tsync();", "\tunlock();"))
        for line, said in ((6, "+\tsync();"), (9, "+lock();")):
            place = compare.blame([compare.Frame("begin", "a.c", line)], False,
                                  [change])
            assert place
            self.assertEqual(place.text, said)


class Verdict(unittest.TestCase):
    """One line for each way a comparison can end."""

    def check(self, which: str, *parts: str) -> None:
        """The verdict of a report is one line with these @parts."""
        line = words.verdict(ALL[which])
        self.assertNotIn("\n", line)
        for part in parts:
            self.assertIn(part, line)

    def test_same(self) -> None:
        """Nothing was compared."""
        self.check("empty", "nothing to compare: base and patch are the same")

    def test_no_difference(self) -> None:
        """Nothing else is said."""
        self.assertEqual(words.verdict(ALL["same"]),
                         "no sync differs in 2 histories")

    def test_no_consequence(self) -> None:
        """And what it costs."""
        self.check("harmless", "1 of 2 histories differs, nobody reads older "
                   "data; it costs less (syncs -8%, maintained -12%)")
        self.assertIn("it costs more", words.verdict(report(added())))
        self.assertIn("it costs less and more",
                      words.verdict(report(added(), lost("h", False),
                                           lost("i", False))))

    def test_regression(self) -> None:
        """In how many histories."""
        self.check("regression", "REGRESSION: somebody reads older data than "
                   "before in 2 of 3 histories")

    def test_better(self) -> None:
        """The base is wrong already, and that is said."""
        self.check("better", "BETTER: somebody reads newer data than before "
                   "in 1 of 2 histories", "; wrong already in 1")

    def test_both(self) -> None:
        """A regression that says both."""
        self.check("both", "REGRESSION: ", "before in 1 of 2 histories; "
                   "better in 1; ")
        self.assertLess(len(words.verdict(ALL["seed"])), 2 * text.TERMINAL)

    def test_complaint(self) -> None:
        """A regression without a difference."""
        self.check("complaint", "REGRESSION: the kernel complains, and did "
                   "not before: BUG: sleeping function")

    def test_base_wrong_already(self) -> None:
        """What is as wrong as before is no regression."""
        one = same()
        one.base_wrong = one.patch_wrong = [wrong("arm")]
        self.assertEqual(words.verdict(report(one)), "no sync differs in 1 "
                         "history; wrong already in 1")


class Text(unittest.TestCase):
    """The terminal and the mail."""

    def test_widths_and_lengths(self) -> None:
        """A screen, and lines that survive a reply."""
        for name, one in ALL.items():
            for shown, width in ((text.terminal(one), 80),
                                 (text.mail(one), 71)):
                lines = shown.splitlines()
                self.assertLessEqual(len(lines), 45, name)
                self.assertLessEqual(max(map(len, lines)), width, name)
                self.assertEqual(lines, [line.rstrip() for line in lines])
        self.assertGreater(len(text.mail(ALL["crowd"]).splitlines()), 30)

    def test_side_by_side(self) -> None:
        """The lost sync on the base's side only, in its call."""
        lines = text.terminal(ALL["regression"]).splitlines()
        row = next(number for number, line in enumerate(lines)
                   if "- for_cpu of camera (from)" in line)
        self.assertTrue(lines[row].endswith("|"), lines[row])
        self.assertEqual(lines[row - 1].count(">4 begin r"), 2)

    def test_what_follows_and_why(self) -> None:
        """Who reads what, how it came to that, by which line, at what cost."""
        shown = " ".join(text.mail(ALL["regression"]).split())
        for part in ("cpu reads version 1 of a, was promised 2",
                     "arm: the CPU's cache holds version 1 of a; camera",
                     "by drivers/dma-buf/udmabuf.c:241, in begin_cpu_udmabuf()",
                     "cost per access: syncs 6.00 -> 5.33 (-11%)"):
            self.assertIn(part, shown)
        self.assertIn("nobody reads older data",
                      text.mail(ALL["harmless"]))
        self.assertIn("BETTER, what is read no longer:\n  mended: ",
                      text.mail(ALL["better"]))

    def test_three_statements_on_a_screen(self) -> None:
        """Worse, better and doubled, and for whom; maps at the end."""
        lines = text.terminal(ALL["seed"]).splitlines()[:40]
        shown = " ".join(" ".join(lines).split())
        at = [shown.index(part) for part in (
            "WORSE", "idle-reader: what idle-reader does; in 4 of 16 where cam "
            "is direct and gpu is bounced", "cpu reads version 1 of a, was "
            "promised 2: everywhere, also seen in UML", "and so in through-cpu",
            "BETTER", "where cam is bounced: cpu reads version 1 of a",
            "SYNCS", "2 for_cpu of noncoherent readers is doubled: the same "
            "lines as cam's", "maps and unmaps without a sync differ")]
        self.assertEqual(at, sorted(at))

    def test_maps_are_not_side_by_side(self) -> None:
        """Those that imply no sync, if syncs differ."""
        self.assertNotIn("map of", text.terminal(ALL["seed"]))

    def test_complaints(self) -> None:
        """On a line of their own."""
        self.assertIn("\ncomplaint: BUG: sleeping function\n",
                      text.mail(ALL["complaint"]))

    def test_what_does_not_fit_is_counted(self) -> None:
        """A screen of 500 histories says that there is more."""
        one = report(*(lost(f"row{number}/noncoherent") for number in
                       range(30)))
        for number, each in enumerate(one.histories):
            each.patch_wrong = [wrong("arm", reader=f"r{number}")]
        self.assertRegex(text.mail(one), r"\n  and \d+ more \(--html")
        self.assertLessEqual(len(text.mail(one).splitlines()), 44)
        self.assertIn("<summary>and 22 more</summary>", page.to_html(one))

    def test_colour_is_the_terminals(self) -> None:
        """On a terminal, never with NO_COLOR, never in a mail."""
        with mock.patch("sys.stdout.isatty", return_value=True), \
                mock.patch.dict(os.environ):
            os.environ.pop("NO_COLOR", None)
            self.assertIn("\033[31m", text.terminal(ALL["regression"]))
            self.assertNotIn("\033", text.mail(ALL["regression"]))
            os.environ["NO_COLOR"] = "1"
            self.assertNotIn("\033", text.terminal(ALL["regression"]))


class Machine(unittest.TestCase):
    """What programs read."""

    def test_json_has_everything(self) -> None:
        """What was found in each history; records only of examples."""
        for name, one in ALL.items():
            data = json.loads(machine.to_json(one))
            self.assertEqual(data["verdict"], words.verdict(one), name)
            for shown, this in zip(data["histories"], one.histories,
                                   strict=True):
                self.assertEqual(shown["title"], this.title)
                self.assertEqual(shown["patch_cost"], asdict(this.patch_cost))
                self.assertEqual(
                    [(each["words"], each["reason"], each["place"] is not None
                      and data["places"][each["place"]])
                     for each in shown["differences"]],
                    [(each.words, each.reason, each.place is not None
                      and asdict(each.place)) for each in this.differences])
                self.assertEqual(len(shown["worse"]),
                                 len(words.reads(this.worse)))
            self.assertLess(len(data["examples"]), 12)
        self.assertLess(len(machine.to_json(ALL["seed"])), 1000 * len(
            ALL["seed"].histories))

    def test_json_of_records(self) -> None:
        """Each thing with its type, without what no reader can use."""
        one = lost()
        one.base.calls[0].happened.append({"cpu": (1, 2)})
        example = json.loads(machine.to_json(report(one)))["examples"][one.name]
        happened = example["base"]["calls"][0]["happened"]
        self.assertEqual(happened[0]["type"], "event")
        self.assertNotIn("stack", happened[0])
        self.assertEqual(happened[1],
                         {"type": "views", "views": {"cpu": [1, 2]}})
        self.assertEqual(example["base"]["devices"][0], asdict(CAMERA))

    def test_json_names_a_groups_histories(self) -> None:
        """For those who do not want to group themselves."""
        data = json.loads(machine.to_json(ALL["regression"]))
        self.assertEqual(data["worse"][0]["histories"],
                         ["camera_then_cpu", "other"])
        self.assertEqual(data["syncs"][0]["histories"], 2)

    def test_ktap(self) -> None:
        """A result for each history, what it says before it, the totals."""
        for name, one in ALL.items():
            lines = machine.to_ktap(one).splitlines()
            self.assertEqual(lines[0], "KTAP version 1")
            results = ktap.results(lines)
            self.assertEqual(
                [result.name for result in results],
                [] if one.empty else
                [each.name for each in one.histories] + [machine.COMPLAINTS])
            bad = [result for result in results if not result.passed]
            self.assertEqual(bool(bad), one.regressed, name)
            self.assertEqual(
                lines[-1], f"# Totals: pass:{len(results) - len(bad)} "
                f"fail:{len(bad)} skip:0")
            plan = lines[1].split(" # SKIP")
            self.assertEqual(plan[0], f"1..{len(results)}")
            self.assertEqual(len(plan), 1 + one.empty)

    def test_ktap_says_why(self) -> None:
        """Also of what is all right but differs; other lines are no one's."""
        result = ktap.results(machine.to_ktap(
            ALL["regression"]).splitlines())[1]
        self.assertIn("call 4: for_cpu of camera (from) is lost", result.lines)
        result = ktap.results(machine.to_ktap(
            ALL["harmless"]).splitlines())[1]
        self.assertTrue(result.passed)
        self.assertIn("call 4: for_cpu of camera (from) is lost", result.lines)

    def test_ktap_survives_names(self) -> None:
        """A name cannot begin a directive, or a line."""
        lines = machine.to_ktap(report(lost("a # SKIP\nok 2 b"))).splitlines()
        self.assertFalse(ktap.results(lines)[0].passed)
        self.assertIsNone(ktap.results(lines)[0].skipped)
        self.assertEqual(len(ktap.results(lines)), 2)

    def test_junit(self) -> None:
        """It parses, whatever a kernel complains in; failures say why."""
        odd = report(lost("<&>\"'"), mended(), complaints=["\x1b[31m\0 <b>"])
        suite = xml.fromstring(machine.to_junit(odd))
        self.assertEqual([suite.get("tests"), suite.get("failures")],
                         ["3", "2"])
        cases = suite.findall("testcase")
        self.assertEqual([case.get("name") for case in cases],
                         ["<&>\"'", "mended", machine.COMPLAINTS])
        failure = cases[0].find("failure")
        assert failure is not None
        self.assertIn("cpu reads version 1 of a", failure.get("message", ""))
        self.assertIn("begin_cpu_udmabuf", failure.text or "")
        self.assertIsNone(cases[1].find("failure"))

    def test_b4(self) -> None:
        """One result, in the fields and with the words that b4 knows."""
        for name, status in (("empty", "pass"), ("harmless", "pass"),
                             ("swapped", "warn"), ("regression", "fail"),
                             ("complaint", "fail"), ("better", "warn")):
            (result,) = json.loads(machine.to_b4(ALL[name]))
            self.assertLessEqual({*result}, {"tool", "status", "summary",
                                             "url", "details"})
            self.assertEqual(result["status"], status, name)
            self.assertEqual(result["summary"], words.verdict(ALL[name]))


class _Tags(html.parser.HTMLParser):
    """Whether tags are balanced, and what they refer to."""

    EMPTY = {"meta", "!doctype"}

    def __init__(self, text_of_page: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.ids: list[str] = []
        self.refers: list[str] = []
        self.feed(text_of_page)

    def handle_starttag(self, tag: str,
                        attrs: list[tuple[str, str | None]]) -> None:
        if tag not in self.EMPTY:
            self.open.append(tag)
        named = dict(attrs)
        self.ids += [named["id"] or ""] if "id" in named else []
        self.refers += [(named["href"] or "").removeprefix("#")] \
            if "href" in named else []
        self.refers += (named.get("aria-labelledby") or "").split()

    def handle_startendtag(self, tag: str,
                           attrs: list[tuple[str, str | None]]) -> None:
        pass

    def handle_endtag(self, tag: str) -> None:
        assert self.open[-1:] == [tag], (tag, self.open)
        self.open.pop()


class Page(unittest.TestCase):
    """The page, and the pictures on it."""

    @staticmethod
    def pictures(one: Compared) -> list[str]:
        """Those of one history: base, patch."""
        return re.findall("<svg viewBox.*?</svg>", page.to_html(
            report(one)).partition('class="pair"')[2])

    def test_well_formed(self) -> None:
        """Tags are balanced, links lead somewhere, no id is there twice."""
        for name, one in ALL.items():
            tags = _Tags(page.to_html(one))
            self.assertEqual(tags.open, [], name)
            self.assertEqual(len(tags.ids), len({*tags.ids}), name)
            self.assertLessEqual({*tags.refers}, {*tags.ids}, name)

    def test_pictures_are_xml(self) -> None:
        """And say in words what they show."""
        for picture in self.pictures(lost()):
            root = xml.fromstring(picture)
            self.assertEqual([child.tag for child in root][:2],
                             ["title", "desc"])
        self.assertIn("for_cpu of camera (from) is lost", picture)

    def test_needs_no_network(self) -> None:
        """And no scripts."""
        for one in ALL.values():
            shown = page.to_html(one)
            self.assertNotRegex(shown, r"https?:|//|@import|url\(|<script|src=")

    def test_names_are_escaped(self) -> None:
        """Those of histories, devices and revisions, and what a line says."""
        one = lost("<script>&")
        one.title = "<b>"
        one.base.devices[0] = replace(CAMERA, kind="<i>")
        one.differences = [replace(one.differences[0], words="<u>",
                                   place=replace(PLACE, text="a<s>b"))]
        one.patch_wrong = [wrong("<em>", story=("<q>",))]
        for history in (one.base, one.patch):
            history.calls[0].happened = [sync("map", "camera", "<var>")]
            history.calls[1].step = "<sub>"
        shown = page.to_html(report(one, lost("<samp>"), lost("<ins>"),
                                    lost("<del>", False), base="<tt>",
                                    complaints=["<kbd>"]))
        for tag in ("<script", "<b>", "<i>", "<u>", "<s>", "<em>", "<q>",
                    "<tt>", "<kbd>", "<var>", "<sub>", "<samp>", "<ins>",
                    "<del>"):
            self.assertNotIn(tag, shown)
            self.assertIn(html.escape(tag), shown)

    def test_lost_is_in_the_patchs_picture(self) -> None:
        """Red and dashed, with the word; the base has it as it is."""
        base, patch = self.pictures(lost())
        self.assertIn("lost: for_cpu (from)", patch)
        self.assertIn('class="lost"', patch)
        self.assertNotIn("lost", base)
        self.assertIn(">for_cpu (from)<", base)

    def test_reads_old_data(self) -> None:
        """At its reader, only where it does."""
        base, patch = self.pictures(lost())
        self.assertIn("a: reads 1, was promised 2", patch)
        self.assertNotIn("promised", base)

    def test_other_marks(self) -> None:
        """Doubled and added; reordered at both places."""
        self.assertIn("+ doubled: for_device (to)", self.pictures(added())[1])
        self.assertIn('class="added"', self.pictures(mended())[1])
        patch = self.pictures(swapped())[1]
        self.assertIn("was here: for_cpu (from)", patch)
        self.assertIn("now here: for_cpu (from)", patch)
        one = lost()
        event = one.base.calls[3].events[0]
        one.patch.calls[5].happened.append(event)
        one.differences = [Difference("moved", 4, event, event, "moved")]
        self.assertIn("\u2717 moved: for_cpu (from)", self.pictures(one)[1])

    def test_what_is_not_copied(self) -> None:
        """As marked as a sync."""
        one = same()
        del one.patch.calls[5].happened[1]
        base, patch = self.pictures(replace(one, patch_wrong=[wrong("arm")]))
        self.assertIn(">a copied<", base)
        self.assertIn("lost: a copied", patch)
        one.base, one.patch = one.patch, one.base
        self.assertIn("added: a copied", self.pictures(
            replace(one, patch_wrong=[wrong("arm")]))[1])

    def test_locks_and_sizes(self) -> None:
        """They are told where they are what differs, on both sides."""
        kinds: tuple[tuple[str, dict[str, Any], tuple[str, str]], ...] = (
            ("lock", {"lock": "-"}, ("under resv", "not locked")),
            ("size", {"bytes": 4096}, ("16 KiB", "4 KiB")))
        for kind, other, said in kinds:
            one = same()
            before = one.base.calls[3].events[0]
            after = replace(before, **other)
            one.patch.calls[3].happened[0] = after
            one.differences = [Difference(kind, 4, before, after, kind)]
            for picture, text_of_it in zip(self.pictures(one), said):
                self.assertIn(f"for_cpu (from), {text_of_it}", picture)

    def test_both_pictures_have_the_same_rows(self) -> None:
        """Or they could not be compared at a glance."""
        for one in (lost(), added(), swapped()):
            base, patch = (re.search('viewBox="(.*?)"', picture)
                           for picture in self.pictures(one))
            assert base and patch
            self.assertEqual(base[1], patch[1])

    def test_implied_syncs_are_dotted(self) -> None:
        """A map without skip is one, a map with skip is none."""
        base, _ = self.pictures(lost())
        self.assertEqual(base.count('class="sync implied"'), 2)
        self.assertIn('class="quiet"><circle', base)

    def test_the_exporters_own_device(self) -> None:
        """It has a life line if it has syncs."""
        one = lost()
        self.assertNotIn("own device", self.pictures(one)[0])
        one.base.calls[3].happened.append(sync("for_cpu", "exporter", "both"))
        self.assertIn("own device", self.pictures(one)[0])

    def test_what_is_drawn(self) -> None:
        """An example of each group, none twice; all are in the table."""
        one = report(same(), lost(), lost("other"), *(
            added(f"quiet{number}") for number in range(9)))
        shown = page.to_html(one)
        self.assertEqual(shown.count('class="pair"'), 2)
        self.assertIn('As in <a href="#d2">camera_then_cpu</a>', shown)
        self.assertEqual(shown.count("<tr id="), 12)
        self.assertIn('<a href="#h5">quiet1</a>', shown)
        self.assertEqual(page.to_html(report(lost("a", False))).count(
            'class="pair"'), 1)

    def test_the_groups_are_at_the_top(self) -> None:
        """In the order of the terminal, each with a link to its example."""
        shown = page.to_html(ALL["seed"])
        at = [shown.index(f'<a href="#g{number}">{part}') for number, part in (
            (1, "idle-reader and through-cpu"), (2, "odd-0"), (3, "odd-0"),
            (4, "2 for_cpu of noncoherent readers is doubled"))]
        self.assertEqual(at, sorted(at))
        self.assertLess(at[-1], shown.index("<svg"))

    def test_a_page_of_many_stays_small(self) -> None:
        """Pictures are of groups, not of histories."""
        shown = page.to_html(ALL["seed"])
        self.assertLess(len(shown), 3e6 / 772 * len(ALL["seed"].histories))

    def test_old_data_is_told_once(self) -> None:
        """Not again after each call; not if dirty only, beside settled."""
        one = lost()
        one.patch_wrong = [wrong("arm", state, call=call, value=value)
                           for call in (5, 6, 7, 8) for state, value in
                           (("settled", 1), ("dirty", 0))]
        patch = self.pictures(one)[1]
        # Once in its description.
        self.assertEqual(patch.count('class="note"'), 1)
        self.assertNotIn("a: reads what nobody wrote", patch)

    def test_verdict_cost_and_complaints(self) -> None:
        """They stand above all pictures."""
        shown = page.to_html(ALL["crowd"])
        top = shown.partition('class="pair"')[0]
        self.assertIn("REGRESSION", top)
        self.assertIn("<th>maintained</th>", top)
        self.assertIn("<pre>INFO: possible recursive locking\nmore</pre>", top)


if __name__ == "__main__":
    unittest.main()
