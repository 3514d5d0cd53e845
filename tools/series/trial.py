# SPDX-License-Identifier: GPL-2.0
"""Does with a series what a maintainer would, and a little more.

The mails are applied one by one to the kernel as it is. After each of them what it
touches is built, with W=1 and sparse, and it has gone through checkpatch. After the
last one the kernel's own tools run the suites and make the documentation.
"""

import re
import shutil
import sys
import time
from collections.abc import Sequence
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

from fanout.headers import stock_headers
from fanout.host import (JOBS, REPO, Totals, run, say_totals, show_failure)
from fanout.kunit import judge, show_trouble
from fanout.logscan import not_said
from fanout.module import RUN_SPARSE, WARNING, quiet
from fanout.tree import JOINT, KERNELS
from series import steps, udmabuf
from series.repository import Repository
from series.source import DOCS, PLAN, TESTS

# Nobody's, for patches that are not sent.
SIGNOFF = "Series Trial <trial@localhost>"

# What checkpatch.pl is not asked about: files, message types, and why.
EXCUSED = (
    ("*", ("FILE_PATH_CHANGES",),
     "MAINTAINERS has the folder from the first patch on"),
    ("*/trace.h", ("OPEN_ENDED_LINE", "PARENTHESIS_ALIGNMENT"),
     "TRACE_EVENT() is laid out as the kernel's own trace headers are"),
    ("*/model_checks.c", ("REPEATED_WORD",),
     "a history is words, and may repeat one"),
    ("*/racers.c", ("YIELD",),
     "where there is one CPU, threads take turns by it"),
)
# What a patch recompiles is what is checked.
_SPARSE = tuple(re.sub(r"^(C|KBUILD_CHECKSRC)=2$", r"\1=1", option)
                for option in RUN_SPARSE)
_SUMMARY = re.compile(r"^total: \d+ errors, .* [1-9]\d* lines checked",
                      re.MULTILINE)


def unexcused(report: str) -> list[str]:
    """The lines of checkpatch.pl's @report that EXCUSED does not cover."""
    found = re.findall(r"^(\S+?):\d+: (?:ERROR|WARNING|CHECK):(\w+): (.*)$",
                       report, re.MULTILINE)
    return [f"{file}: {kind}: {text}" for file, kind, text in found
            if not any(fnmatch(file, files) and kind in kinds
                       for files, kinds, _ in EXCUSED)]


def sources_of(patch: str) -> list[Path]:
    """The C files that @patch adds or changes."""
    return [Path(name) for name in
            re.findall(r"^\+\+\+ b/(\S+\.c)$", patch, re.MULTILINE)]


class Trial:
    """One series on one kernel."""

    def __init__(self, repository: Repository, kunitconfig: str,
                 folder: str = "") -> None:
        self.repository = repository
        self.kunitconfig = kunitconfig
        self.folder = folder    # built after each patch; or its files alone
        self.build = repository.folder / "um"
        self.logs = repository.tree.logs / "series"
        self.totals = Totals()

    def say(self, what: str, good: bool, log: Path | None, start: float) \
            -> bool:
        """Count and show how one step went."""
        totals = Totals(passed=good, failed=not good)
        self.totals += totals
        say_totals(what, totals, time.monotonic() - start)
        if not good and log:
            show_failure(log)
        return good

    def kunit(self, verb: str, log: Path, *arguments: str | Path) -> int:
        """Run the tree's kunit.py. Return: its exit status."""
        self.build.mkdir(parents=True, exist_ok=True)
        return run(f"kunit.py {verb}", [
            sys.executable, "tools/testing/kunit/kunit.py", verb,
            f"--build_dir={self.build}", *arguments], log,
            cwd=self.repository.work)

    def make(self, what: str, log: Path, *arguments: str | Path,
             append: bool = False) -> int:
        """Run make in the tree. Return: its exit status."""
        return run(what, ["make", "-C", self.repository.work,
                          f"-j{JOBS}", *arguments], log, append=append)

    def checked(self, patch: Path, log: Path) -> bool:
        """checkpatch.pl --strict has nothing to say but what is excused."""
        status = run("checkpatch", [
            self.repository.tree.path / "scripts/checkpatch.pl",
            f"--root={self.repository.work}", "--strict", "--emacs",
            "--show-types", "--showfile", patch.resolve()], log)
        report = log.read_text(errors="replace")
        left = unexcused(report)
        if left:
            log.write_text("\n".join(left) + "\n")
        return status in (0, 1) and not left and \
            bool(_SUMMARY.search(report))

    def built(self, text: str, log: Path) -> bool:
        """What the patch with @text touches builds, and nothing warns."""
        configs = re.search(r"^\+\+\+ b/\S*(?:Kconfig|\.kunitconfig)$", text,
                            re.MULTILINE)
        if configs and self.kunit("config", log,
                                  f"--kunitconfig={self.kunitconfig}"):
            return False
        files = sources_of(text)
        status = self.make(
            "build", log, f"O={self.build}", "ARCH=um", *_SPARSE,
            *([self.folder] if self.folder else
              [str(file.with_suffix(".o")) for file in files]),
            append=bool(configs))
        return quiet(status, log, "CC", files) and \
            quiet(status, log, "CHECK", files)

    def patch(self, patch: Path) -> bool:
        """Apply one @patch and look at what that gives."""
        start = time.monotonic()
        number = patch.name.split("-")[0]
        text = patch.read_text()
        log = self.logs / f"{number}.log"
        log.parent.mkdir(parents=True, exist_ok=True)
        log.write_text("")
        applied = self.repository.run("am", patch.resolve())
        if applied.returncode:
            self.repository.run("am", "--abort")
            log.write_text(applied.stdout + applied.stderr)
            return self.say(f"patch {number}", False, log, start)
        good = self.checked(patch, log)
        if good and sources_of(text):
            good = self.built(text, log)
        return self.say(f"patch {number}", good, log, start)

    def patches(self, patches: Sequence[Path]) -> bool:
        """Apply @patches, a cover letter first, to the kernel as it is."""
        self.repository.reset()
        return all(self.patch(patch) for patch in patches[1:])

    def suites(self) -> None:
        """The suites pass, all of them are there, and --alltests has them."""
        start = time.monotonic()
        log = self.logs / "kunit.log"
        results, console = log.with_suffix(".json"), self.build / "test.log"
        for old in (results, console):
            old.unlink(missing_ok=True)
        status = self.kunit(
            "run", log, f"--kunitconfig={self.kunitconfig}",
            f"--jobs={JOBS}", "--timeout=300", f"--json={results}",
            "--kernel_args=panic_on_warn=1")
        totals, wrong = judge(status, results, console)
        self.totals += totals
        say_totals("suites", totals, time.monotonic() - start)
        if wrong:
            show_trouble(wrong, results, console, log)

    def all_tests(self, option: str) -> None:
        """kunit.py --alltests has @option on."""
        start = time.monotonic()
        log = self.logs / "alltests.log"
        status = self.kunit("config", log, "--alltests")
        found = f"{option}=y" in (self.build / ".config").read_text() \
            .splitlines()
        self.say("alltests", not status and found, log, start)

    def kernel_doc(self, files: Sequence[Path]) -> None:
        """Every kernel-doc comment in @files is complete."""
        start = time.monotonic()
        log = self.logs / "kernel-doc.log"
        with_doc = [file for file in files if re.search(
            r"^/\*\*$", file.read_text(), re.MULTILINE)]
        status = run("kernel-doc", [
            self.repository.work / "scripts/kernel-doc", "-none", "-v",
            "-Wall", *with_doc], log)
        self.say("kernel-doc", not status and not not_said(log, {
            file: rf"{re.escape(str(file))}:\d+.*Scanning doc for"
            for file in with_doc}) and not WARNING.search(log.read_text()),
            log, start)

    def html(self) -> None:
        """The kernel's own make htmldocs takes the pages."""
        start = time.monotonic()
        log = self.logs / "htmldocs.log"
        out = self.repository.folder / "docs"
        shutil.rmtree(out, ignore_errors=True)
        out.mkdir()
        folder = Path(DOCS).relative_to("Documentation")
        status = self.make("htmldocs", log, f"O={out}",
                           f"SPHINXDIRS={folder}", "htmldocs")
        said = log.read_text(errors="replace")
        wrong = [line for line in said.splitlines()
                 if DOCS in line and re.search(
                     r"\b(warning|error)\b", line, re.IGNORECASE)]
        made = {page.stem for page in out.rglob("*.html")}
        wanted = {page.stem for page in
                  (self.repository.work / DOCS).glob("*.rst")}
        if wrong:
            log.write_text("\n".join(wrong) + "\n")
        self.say("htmldocs", not status and not wrong and wanted <= made
                 and len(wanted) > 1, log, start)

    def module(self) -> None:
        """The driver is also a module that a stock kernel can have."""
        start = time.monotonic()
        log = self.logs / "module.log"
        headers = stock_headers(self.repository.tree.name)
        folder = self.repository.folder / "module"
        shutil.rmtree(folder, ignore_errors=True)
        shutil.copytree(self.repository.work / JOINT, folder)
        status = run("module", ["make", "-C", headers.path, f"M={folder}",
                                f"-j{JOBS}", "W=1", "CONFIG_UDMABUF_FANOUT=m",
                                "modules"], log)
        self.say("module", not status and (folder / "udmabuf_fanout.ko").is_file()
                 and not WARNING.search(log.read_text(errors="replace")), log,
                 start)


def try_fanout(repository: Repository, patches: Sequence[Path]) -> Totals:
    """The series that adds this driver."""
    trial = Trial(repository, JOINT, f"{JOINT}/")
    if not trial.patches(patches):
        return trial.totals
    trial.suites()
    trial.all_tests("CONFIG_UDMABUF_FANOUT_KUNIT_TEST")
    folder = repository.work / JOINT
    trial.kernel_doc(sorted([*folder.glob("*.[ch]"),
                             *(folder / TESTS).glob("*.[ch]")]))
    trial.html()
    if repository.tree.name in KERNELS:
        trial.module()
    return trial.totals


# Histories in which somebody reads older data by the change to udmabuf, and why
# that cannot be helped there. Its letter has them, too.
KNOWN_WORSE = {
    "double-buffer": "a bounced device writes while a write access is open, and "
    "its slots are copied whole when that ends",
    "forgotten": "the same, while one access was never ended and another ends",
}


def worse_than_stock(figures: dict[str, Any]) -> list[str]:
    """Scenarios by the book in which patched udmabuf is wrong and stock not."""
    found = []
    for row in figures["scenarios"]:
        runs = {name: [run["outcome"] for run in row["runs"].get(name, [])]
                for name in ("stock", "fanout")}
        if row["block"] != "programs as they are" and any(
                was == "right" and now != "right"
                for was, now in zip(runs["stock"], runs["fanout"])):
            found.append(row["title"])
    return found


def try_udmabuf(repository: Repository, made: udmabuf.Made) -> Totals:
    """The series that changes the stock driver."""
    config = repository.folder / "udmabuf.kunitconfig"
    lines = steps.kunitconfig((REPO / ".kunitconfig").read_text(), False)
    config.write_text("".join(
        line for line in lines.splitlines(keepends=True)
        if "UDMABUF_FANOUT" not in line) + f"CONFIG_{udmabuf.CONFIG}=y\n")
    trial = Trial(repository, str(config))
    if not trial.patches(made.patches):
        return trial.totals
    trial.suites()
    trial.all_tests(f"CONFIG_{udmabuf.CONFIG}")
    trial.kernel_doc([repository.work / f"{PLAN}{suffix}"
                      for suffix in (".h", ".c", "_test.c")])
    start = time.monotonic()
    surprises = sorted({one.name.split("/")[0]
                        for one in made.report.histories if one.worse}
                       - set(KNOWN_WORSE))
    for name in surprises:
        print(f"    somebody reads older data: {name}")
    trial.say("review", not surprises and not made.report.empty
              and not made.report.complaints, None, start)
    worse = worse_than_stock(made.figures)
    for title in worse:
        print(f"    worse than the stock driver: {title}")
    trial.say("demo", not worse, None, start)
    return trial.totals
