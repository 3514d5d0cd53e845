# SPDX-License-Identifier: GPL-2.0
"""The review: what base and patch are, what records say, what differs."""

import contextlib
import io
import os
import shutil
import tempfile
import unittest
from collections.abc import Iterator
from email.message import EmailMessage
from pathlib import Path

from fanout.host import REPO, Failure
from fanout.tree import KernelTree
from review import histories, record
from review.__main__ import exporter_of, parse
from review.compare import (Callers, Frame, blame, changes, cost, differences,
                            out_of_order)
from review.findings import Cost
from review.kernels import (JOINT, Kernels, NotBuilt, boot, first_error,
                            layout_of)
from review.replay import _Steps
from review.states import (State, diffs_in, patched, read_patch, state_of,
                           touched)
from review.trials import TRIALS, all_trials, wanted

OLD = "int one(void)\n{\n\tsync();\n\treturn 0;\n}\n"
NEW = OLD.replace("\tsync();\n", "")
DIFF = b"""\
--- a/drivers/dma-buf/udmabuf.c
+++ b/drivers/dma-buf/udmabuf.c
@@ -1,5 +1,4 @@
 int one(void)
 {
-\tsync();
 \treturn 0;
 }
"""
BACK = b"""\
--- a/drivers/dma-buf/udmabuf.c
+++ b/drivers/dma-buf/udmabuf.c
@@ -1,4 +1,5 @@
 int one(void)
 {
+\tsync();
 \treturn 0;
 }
"""


def mail(subject: str, body: bytes, encoding: str = "base64") -> bytes:
    """A mail with @body."""
    message = EmailMessage()
    message["From"] = "somebody@example.org"
    message["Subject"] = subject
    message.set_content(body.decode(), cte=encoding)
    return bytes(message)


class StatesTest(unittest.TestCase):
    """What --base and --patch take."""

    def setUp(self) -> None:
        scratch = tempfile.TemporaryDirectory()
        self.addCleanup(scratch.cleanup)
        self.tree = Path(scratch.name)
        folder = self.tree / "drivers/dma-buf"
        folder.mkdir(parents=True)
        (folder / "udmabuf.c").write_text(OLD)

    def patched(self, text: bytes) -> State:
        """Stock with the patches in @text."""
        return patched(State("stock"), text, "it", self.tree)

    def test_a_diff_changes_a_copy_of_the_kernels_file(self) -> None:
        """The tree itself stays."""
        state = self.patched(DIFF)
        self.assertEqual(state.kernel, {"drivers/dma-buf/udmabuf.c":
                                        NEW.encode()})
        self.assertEqual((self.tree / "drivers/dma-buf/udmabuf.c").read_text(),
                         OLD)

    def test_a_mail_is_decoded(self) -> None:
        """As mailers send patches."""
        for encoding in ("base64", "quoted-printable", "8bit"):
            state = self.patched(mail("[PATCH] it", DIFF, encoding))
            self.assertEqual(state.kernel["drivers/dma-buf/udmabuf.c"],
                             NEW.encode(), encoding)

    def test_a_series_is_applied_in_its_order(self) -> None:
        """Whatever the order of its mails; a cover letter is no patch."""
        mbox = b"".join(b"From nobody Thu Jan  1 00:00:00 1970\n" + one + b"\n"
                        for one in (mail("[PATCH v2 2/2] back", BACK),
                                    mail("[PATCH v2 0/2] cover", b"both\n"),
                                    mail("[PATCH v2 1/2] away", DIFF)))
        self.assertEqual(self.patched(mbox).kernel,
                         {"drivers/dma-buf/udmabuf.c": OLD.encode()})
        self.assertEqual(len(diffs_in(mbox)), 2)

    def test_one_that_does_not_apply_says_where(self) -> None:
        """File and line."""
        with self.assertRaisesRegex(Failure, r"udmabuf\.c:1"):
            self.patched(BACK.replace(b"int one", b"int two"))

    def test_one_outside_of_all_trees_is_refused(self) -> None:
        """A patch is a stranger's."""
        evil = DIFF.replace(b"drivers/dma-buf/udmabuf.c", b"../../evil")
        with self.assertRaisesRegex(Failure, "in no tree"):
            self.patched(evil)
        self.assertFalse((self.tree.parent / "evil").exists())

    def test_a_mail_is_called_by_its_subject(self) -> None:
        """A diff by its file."""
        file = self.tree / "it.patch"
        for text, name in ((mail("[PATCH] it syncs", DIFF), "[PATCH] it syncs"),
                           (b"From nobody Thu Jan  1 00:00:00 1970\n"
                            + mail("[PATCH 0/2] more", DIFF),
                            "[PATCH 0/2] more"), (DIFF, "it.patch")):
            file.write_bytes(text)
            self.assertEqual(read_patch(str(file), ()), (text, name))

    def test_what_is_no_patch_is_said_to_be_none(self) -> None:
        """And nothing at all is an empty patch."""
        with self.assertRaisesRegex(Failure, "is no patch"):
            self.patched(b"hello\n")
        self.assertTrue(self.patched(b"").same_as(State("stock")))

    def test_of_this_project_only_the_driver_counts(self) -> None:
        """Tests and docs of a patch are left out."""
        diff = DIFF.replace(b"drivers/dma-buf/udmabuf.c", b"driver/copy.c")
        other = DIFF.replace(b"drivers/dma-buf/udmabuf.c", b"kunit/x.c")
        self.assertEqual(touched(diff + other), {"driver/copy.c"})
        state = patched(State("", {"copy.c": OLD.encode()}), diff + other, "it",
                        self.tree)
        self.assertEqual(state.driver, {"copy.c": NEW.encode()})

    def test_a_new_file_and_a_rename(self) -> None:
        """Both are files of the driver afterwards."""
        text = (b"diff --git a/driver/copy.c b/driver/other.c\n"
                b"similarity index 100%\nrename from driver/copy.c\n"
                b"rename to driver/other.c\n"
                b"diff --git a/driver/new.c b/driver/new.c\n"
                b"new file mode 100644\n--- /dev/null\n+++ b/driver/new.c\n"
                b"@@ -0,0 +1 @@\n+int x;\n")
        state = patched(State("", {"copy.c": OLD.encode()}), text, "it",
                        self.tree)
        self.assertEqual(state.driver, {"other.c": OLD.encode(),
                                        "new.c": b"int x;\n"})

    def test_the_work_tree_is_this_checkout(self) -> None:
        """Without what is not built."""
        state = state_of("worktree", "fanout", None, self.tree, ())
        self.assertEqual(state.driver["main.c"],
                         (REPO / "driver/main.c").read_bytes())

    def test_what_is_neither_is_refused(self) -> None:
        """With what would do."""
        with self.assertRaisesRegex(Failure, "neither a revision"):
            state_of("no-such-thing", "fanout", None, self.tree, ())

    def test_the_exporter_is_told_by_the_files(self) -> None:
        """Or else it is this driver."""
        cases: tuple[tuple[set[str], str], ...] = (
            ({"driver/copy.c"}, "fanout"), (set(), "fanout"),
            ({"drivers/dma-buf/udmabuf.c"}, "udmabuf"),
            ({"drivers/dma-buf/heaps/system_heap.c"}, "system_heap"),
            ({"kernel/dma/mapping.c"}, "udmabuf"))
        for names, exporter in cases:
            self.assertEqual(exporter_of(names), exporter)


def line(what: str, device: str, direction: str = "both", *,
         attributes: str = "-", lock: str = "resv", table: str = "",
         kept: int = 4096) -> list[str]:
    """An event as the recorder says it."""
    return [f"{what} {device} {direction} {attributes} 4096 ab "
            f"{table or device} {lock} {kept}", "at 10 20"]


def history(calls: dict[str, list[str]], name: str = "it",
            kinds: str = "noncoherent") -> list[str]:
    """The lines of a history with cam and gpu."""
    lines = [f"begin {name}", f"device cam {kinds} from",
             f"device gpu {kinds} to"]
    for number, (step, happened) in enumerate(calls.items(), 1):
        lines += [f"call {number} {step}", *happened, f"return {number} 0"]
    return [*lines, f"end {name} {len(lines) + 1}"]


def recorded(calls: dict[str, list[str]], **more: str) -> record.History:
    """The same, read."""
    return record.histories(f"[ 0.1] review: {text}" for text in
                            [*history(calls, **more), "done"])[0]


class RecordTest(unittest.TestCase):
    """What the recorder says."""

    def test_a_call_has_its_events_in_order(self) -> None:
        """With who called."""
        found = recorded({"begin r": [*line("for_cpu", "cam"),
                                      *line("for_device", "gpu")]})
        self.assertEqual([(one.what, one.device, one.stack)
                          for one in found.calls[0].events],
                         [("for_cpu", "cam", (16, 32)),
                          ("for_device", "gpu", (16, 32))])

    def test_an_incomplete_record_is_none(self) -> None:
        """A line that is lost, a kernel that stops, one that says so."""
        lines = history({"begin r": line("for_cpu", "cam")})
        for broken in (lines, [*lines[:-3], *lines[-2:], "done"],
                       [*lines[:3], "failed no device cam", "done"],
                       [*lines[1:], "done"]):
            with self.assertRaises(record.BadRecord):
                record.histories(f"review: {text}" for text in broken)

    def test_what_the_exporter_moves_is_seen(self) -> None:
        """A page takes what a copy has, a copy what the page has; what is
        written is not moved.
        """
        found = recorded({
            "map cam": ["uses cam a copy cam", "uses cam b copy cam",
                        "views cpu:1:1 cam:1:1 gpu:0:0"],
            "write cam a": ["views cpu:1:1 cam:2:1 gpu:0:0"],
            "begin r": ["views cpu:2:1 cam:2:1 gpu:0:0"],
            "store b": ["views cpu:2:3 cam:2:1 gpu:0:0"],
            "end w": ["views cpu:2:3 cam:2:3 gpu:0:0"]})
        moved = [[one for one in call.happened if isinstance(one, record.Moved)]
                 for call in found.calls]
        self.assertEqual(moved[1:], [
            [], [record.Moved("cam", "a", True)], [],
            [record.Moved("cam", "b", False)]])

    def test_a_copy_is_filled_before_it_is_cleaned(self) -> None:
        """Though it is seen only when it has been mapped."""
        found = recorded({"map cam": [
            "uses cam a copy cam", "uses cam b copy cam",
            *line("for_device", "cam"), "views cpu:1:1 cam:1:1 gpu:0:0"]})
        kinds = [type(one).__name__ for one in found.calls[0].happened]
        self.assertLess(kinds.index("Moved"), kinds.index("Event"))

    def test_the_replay_is_told_all_of_it(self) -> None:
        """An implied sync is one, a slot is filled, the exporter's device is x."""
        found = recorded({
            "map cam": ["uses cam a slot cam", "uses cam b page cam",
                        *line("map", "cam", "from")],
            "begin rw by 2": line("for_cpu", "exporter"),
            "unmap cam": line("unmap", "cam", "from", attributes="skip")})
        self.assertEqual([*_Steps(found).lines(7, False)], [
            "history 7 2 1 2", "device 0 from 0", "device 1 to 0",
            "call 1 map 0", "uses 0 0 slot", "uses 0 1 page", "fill 0 a",
            "sync for_device 0 from ab", "return 1 OK",
            "call 2 begin rw 2", "sync for_cpu x both ab", "return 2 OK",
            "call 3 unmap 0", "return 3 OK", "end"])


class DifferencesTest(unittest.TestCase):
    """Each kind of difference by itself."""

    def kinds(self, base: list[str], patch: list[str],
              kind: str = "noncoherent") -> list[str]:
        """What kinds there are, where a begin has these events."""
        return [one.kind for one in differences(
            recorded({"begin r": base}, kinds=kind),
            recorded({"begin r": patch}, kinds=kind))]

    def test_each_kind(self) -> None:
        """And nothing else."""
        cam, gpu = line("for_cpu", "cam"), line("for_cpu", "gpu")
        own = line("for_cpu", "exporter")
        cases: tuple[tuple[str, list[str], list[str]], ...] = (
            ("lost", cam, []), ("added", [], cam),
            ("doubled", cam, [*cam, *cam]),
            ("reordered", [*cam, *gpu], [*gpu, *cam]),
            ("misdirected", cam, gpu), ("misdirected", cam, own),
            ("direction", cam, line("for_cpu", "cam", "from")),
            ("table", cam, line("for_cpu", "cam", table="gpu")),
            ("lock", cam, line("for_cpu", "cam", lock="-")),
            ("lost", line("map", "cam"),
             line("map", "cam", attributes="skip")),
            ("mapping", line("map", "cam", attributes="skip"),
             line("map", "cam", "from", attributes="skip")),
            ("reordered", ["wait", "late cam a", *cam],
             [*cam, "wait", "late cam a"]))
        for kind, base, patch in cases:
            with self.subTest(kind=kind, base=base):
                found = set(self.kinds(base, patch))
                self.assertEqual(found, {kind})
        self.assertEqual(self.kinds([*cam, *gpu], [*cam, *gpu]), [])

    def test_one_in_another_call_is_moved(self) -> None:
        """Not lost here and new there."""
        cam = line("for_device", "cam")
        found = differences(recorded({"begin r": cam, "end r": []}),
                            recorded({"begin r": [], "end r": cam}))
        self.assertEqual([one.kind for one in found], ["moved"])

    def test_the_same_lines_for_another_device_are_doubled(self) -> None:
        """Where both use the buffer's own pages and neither snoops."""
        uses = [f"uses {name} {place} page {name}" for name in ("cam", "gpu")
                for place in "ab"]
        both = [*line("for_device", "cam"), *line("for_device", "gpu")]
        for kept, kind in ((4096, "doubled"), (0, "added")):
            patch = [text.replace(" 4096\n", f" {kept}\n") for text in both]
            patch = [text.rsplit(" ", 1)[0] + f" {kept}"
                     if text.startswith("for_") else text for text in patch]
            found = differences(recorded({"map cam": uses, "end w": []}),
                                recorded({"map cam": uses, "end w": patch}))
            self.assertEqual([one.kind for one in found], ["added", kind])

    def test_another_error_is_a_difference(self) -> None:
        """A map that fails."""
        lines = history({"map cam": []})
        lines[-2] = "return 1 12"
        broken = record.histories(f"review: {text}"
                                  for text in [*lines, "done"])[0]
        found = differences(recorded({"map cam": []}), broken)
        self.assertEqual([one.kind for one in found], ["failed"])

    def test_the_fewest_are_out_of_order(self) -> None:
        """One that moved is one, however far."""
        orders: tuple[tuple[list[int], list[int]], ...] = (
            ([0, 1, 2, 3], []), ([3, 0, 1, 2], [3]), ([1, 2, 3, 0], [0]),
            ([1, 0], [1]))
        for order, wrong in orders:
            pairs = list(enumerate(order))
            found = [other for _, other in out_of_order(pairs)]
            self.assertEqual(len(found), len(wrong), order)
            if len(order) > 2:
                self.assertEqual(found, wrong)

    def test_the_costs_are_summed(self) -> None:
        """Of syncs, of maintenance, and of slots."""
        found = recorded({"map gpu": ["uses gpu a slot gpu"],
                          "begin r": [*line("for_cpu", "cam"),
                                      *line("for_cpu", "gpu", kept=0)],
                          "unmap gpu": line("unmap", "gpu",
                                            attributes="skip", kept=0)})
        self.assertEqual(cost(found), Cost(2, 4096, 4096))


class BlameTest(unittest.TestCase):
    """Which line is behind it."""

    def test_the_change_next_to_the_caller(self) -> None:
        """In a changed file; else the first change."""
        old = "".join(f"line {number}\n" for number in range(1, 101))
        new = old.replace("line 20\n", "other 20\n").replace("line 80\n", "")
        base = State("", {"a.c": old.encode()})
        patch = State("", {"a.c": new.encode()})
        found = changes(base, patch, Path("/nowhere"))
        cases: tuple[tuple[list[Frame], str], ...] = (
            ([Frame("f", "driver/a.c", 78)], "-line 80"),
            ([Frame("f", "x.c", 20), Frame("g", "driver/a.c", 25)],
             "+other 20"), ([], "+other 20"))
        for frames, text in cases:
            place = blame(frames, True, found)
            assert place
            self.assertEqual(place.text, text)
        self.assertIsNone(blame([], True, []))

    def test_a_stack_is_looked_up_in_a_program(self) -> None:
        """Of this very machine's, with line tables or without."""
        callers = Callers(Path(os.path.realpath("/bin/true")))
        callers.learn([0x1000])
        self.assertEqual(callers.of(record.Event("map", stack=(0x1000,))), [])

    def test_the_compilers_first_error(self) -> None:
        """As a file of the tree."""
        self.assertEqual(
            first_error("make: hello\n/x/review/linux/drivers/dma-buf/review/"
                        "driver/copy.c:12:3: error: no such thing\n"),
            "driver/copy.c:12: no such thing")
        self.assertIn("undefined reference",
                      first_error("ld: a.o: undefined reference to `x'\n"))


class FarmTest(unittest.TestCase):
    """What a state is built from."""

    def test_a_changed_file_is_what_is_built(self) -> None:
        """Of the kernel, of dma-buf's own, and of the recorder."""
        changed = {"drivers/dma-buf/udmabuf.c": b"udmabuf\n",
                   "drivers/dma-buf/Kconfig": b"menu\nendmenu\n",
                   "drivers/dma-buf/Makefile": b"obj-y := one.o\n",
                   f"{JOINT}/recorder/buffer.c": b"buffer\n"}
        with tempfile.TemporaryDirectory() as folder:
            tree = Path(folder)
            for name in (*changed, "drivers/dma-buf/dma-buf.c",
                         "include/trace/define_trace.h"):
                (tree / name).parent.mkdir(parents=True, exist_ok=True)
                (tree / name).write_text("old\n")
            layout = layout_of(KernelTree(tree, (6, 12, 0), "test"),
                               State("changed", {"copy.c": b"copy\n"},
                                     changed))
        for name in ("drivers/dma-buf/udmabuf.c",
                     f"{JOINT}/recorder/buffer.c"):
            self.assertEqual(layout[name], changed[name])
        self.assertEqual(layout[f"{JOINT}/driver/copy.c"], b"copy\n")
        makefile = layout["drivers/dma-buf/Makefile"]
        assert isinstance(makefile, bytes)
        self.assertTrue(makefile.startswith(b"obj-y := one.o\n"))
        self.assertIn(b"obj-y += review/\n", makefile)
        self.assertEqual(layout["drivers/dma-buf/dma-buf.c"],
                         tree / "drivers/dma-buf/dma-buf.c")


class BootTest(unittest.TestCase):
    """A kernel that ends, and two that do not."""

    def boot(self, commands: str, seconds: float, quiet: float) -> str:
        """The console of a kernel of shell @commands."""
        with tempfile.TemporaryDirectory() as folder:
            image = Path(folder, "linux")
            image.write_text(f"#!/bin/sh\n{commands}\n")
            image.chmod(0o755)
            tree = KernelTree(Path(folder), (6, 12, 0), f"test-{os.getpid()}")
            try:
                return boot(Kernels(tree, seconds, quiet), image, "", "test")
            finally:
                shutil.rmtree(tree.logs)

    def test_the_console_of_one_that_ends(self) -> None:
        """All it says."""
        self.assertEqual(self.boot("echo review: done", 20, 20),
                         "review: done\n")

    def test_one_that_says_nothing_is_not_waited_for(self) -> None:
        """However long it might have run."""
        with self.assertRaisesRegex(NotBuilt, "says nothing for 1 s"):
            self.boot("exec sleep 60", 40, 1)

    def test_one_that_never_stops_talking(self) -> None:
        """Is stopped as well."""
        with self.assertRaisesRegex(NotBuilt, "come to an end within 2 s"):
            self.boot("while sleep 0.1; do echo again; done", 2, 20)


class BatteryTest(unittest.TestCase):
    """The table of histories."""

    def test_what_the_model_can_take(self) -> None:
        """At most three devices and six writes, and each history by its name."""
        scenes = histories.battery("fanout")
        names = [scene.name for scene in scenes]
        self.assertEqual(len(names), len(set(names)))
        for scene in scenes:
            writes = [step for step in scene.steps if step.split()[0] in
                      ("store", "write", "fence")]
            self.assertLessEqual(len(writes), 6, scene.name)
            self.assertLessEqual(len(scene.devices), 3)

    def test_all_that_map_unmap(self) -> None:
        """As the recorder demands."""
        for scene in histories.battery("system_heap"):
            steps = list(scene.steps)
            self.assertEqual(
                sum(step.startswith("map ") for step in steps),
                sum(step.startswith("unmap ") for step in steps), scene.name)

    def test_every_order_is_tried(self) -> None:
        """Of two, and of three."""
        names = {scene.name for scene in histories.battery("udmabuf")}
        self.assertIn("idle-reader/noncoherent+bounced/gpu,cam", names)
        self.assertEqual(sum(name.startswith("three/opaque") for name in names),
                         6)

    def test_every_expectation_is_of_a_mistake(self) -> None:
        """That there is."""
        expected = wanted((TRIALS / "wanted").read_text())
        there = {(one.exporter, one.mutant.name) for one in all_trials()}
        for one in expected:
            self.assertIn((one.exporter, one.name), there)


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Without what argparse prints."""
    with contextlib.redirect_stderr(io.StringIO()):
        yield


class CommandTest(unittest.TestCase):
    """The command line."""

    def test_b4_reads_standard_input(self) -> None:
        """The mail that is checked."""
        self.assertEqual(parse(["--b4"]).patch, "-")
        with quiet(), self.assertRaises(SystemExit):
            parse(["--b4", "--json"])


if __name__ == "__main__":
    unittest.main()
