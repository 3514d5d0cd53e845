# SPDX-License-Identifier: GPL-2.0
"""A git repository of a kernel tree, in build/.

Its work tree is a farm: the files that a series may touch are the kernel's own,
byte by byte, and all else are links into the tree, which is not changed. git is
told where things are in each call, so that neither a build nor this project takes
it for theirs, and reads nobody's configuration.
"""

import os
import re
import shutil
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from fanout.host import REPO, Failure
from fanout.tree import KernelTree, Layout, completed, make_farm
from series.steps import ALL_TESTS

TOUCHED = ("MAINTAINERS", "drivers/dma-buf/Kconfig", "drivers/dma-buf/Makefile",
           "drivers/dma-buf/udmabuf.c", "drivers/dma-buf/.kunitconfig",
           "Documentation/driver-api/index.rst",
           ALL_TESTS)
BASE = "base"


@dataclass(frozen=True)
class Person:
    """Who signs the series off."""

    name: str
    address: str

    def __str__(self) -> str:
        return f"{self.name} <{self.address}>"


def person(signoff: str) -> Person:
    """Who SIGNOFF= names."""
    if not signoff:
        raise Failure("SIGNOFF= is missing: the series is signed off by whoever "
                      "sends it (the kernel's Developer's Certificate of "
                      'Origin): make series SIGNOFF="Name <address>"')
    match = re.fullmatch(r"\s*([^<>]*[^<>\s])\s*<([^<>\s@]+@[^<>\s@]+)>\s*",
                         signoff)
    if not match:
        raise Failure(f"SIGNOFF={signoff}: it is a name and an address: "
                      'SIGNOFF="Name <address>"')
    return Person(match[1], match[2])


def check_clean() -> None:
    """HEAD is what the series is made of, so nothing may differ from it."""
    said = subprocess.run(["git", "status", "--porcelain"], cwd=REPO, text=True,
                          capture_output=True, check=False)
    if said.returncode:
        raise Failure("the series is made from a commit, and this is no git "
                      f"repository: {said.stderr.strip()}")
    if changed := said.stdout.splitlines():
        raise Failure("the series is made from HEAD, and the work tree differs "
                      f"from it: {', '.join(line[3:] for line in changed[:5])}"
                      f"{', ...' if len(changed) > 5 else ''}. Commit or "
                      "stash that first")


def head(what: str) -> str:
    """The %-format @what of the project's HEAD."""
    return subprocess.run(["git", "log", "-1", f"--format={what}"], cwd=REPO,
                          text=True, capture_output=True,
                          check=True).stdout.strip()


@dataclass(frozen=True)
class Repository:
    """The repository of one kernel."""

    tree: KernelTree
    date: str = "1700000000 +0000"
    who: Person = Person("base", "base@localhost")

    @property
    def folder(self) -> Path:
        """All of it."""
        return self.tree.build / "series"

    @property
    def work(self) -> Path:
        """The work tree."""
        return self.folder / "linux"

    def run(self, *arguments: str | Path, text: str = "") \
            -> subprocess.CompletedProcess[str]:
        """Run git there."""
        return subprocess.run(
            ["git", "-c", "core.bare=false", *arguments], cwd=self.work,
            input=text, text=True, capture_output=True, check=False,
            env={**os.environ, "LC_ALL": "C.UTF-8",
                 "GIT_DIR": str(self.folder / "git"),
                 "GIT_WORK_TREE": str(self.work),
                 "GIT_CONFIG_GLOBAL": "/dev/null",
                 "GIT_CONFIG_NOSYSTEM": "1",
                 "GIT_AUTHOR_NAME": self.who.name,
                 "GIT_AUTHOR_EMAIL": self.who.address,
                 "GIT_AUTHOR_DATE": self.date,
                 "GIT_COMMITTER_NAME": self.who.name,
                 "GIT_COMMITTER_EMAIL": self.who.address,
                 "GIT_COMMITTER_DATE": self.date})

    def git(self, *arguments: str | Path, text: str = "") -> str:
        """Run git there, which must work. Return: what it says."""
        done = self.run(*arguments, text=text)
        if done.returncode:
            raise Failure(f"git {arguments[0]} fails in {self.work}: "
                          f"{(done.stderr or done.stdout).strip()}")
        return done.stdout

    def make(self) -> None:
        """Make it, with the kernel as it is as its only commit."""
        shutil.rmtree(self.folder / "git", ignore_errors=True)
        layout: Layout = {name: (self.tree.path / name).read_bytes()
                          for name in TOUCHED
                          if (self.tree.path / name).is_file()}
        # kunit.py builds the tree that its real path lies in.
        for file in (self.tree.path / "tools/testing/kunit").rglob("*"):
            if file.is_file() and "__pycache__" not in file.parts:
                layout[str(file.relative_to(self.tree.path))] = \
                    file.read_bytes()
        make_farm(completed(layout, self.tree.path), self.work)
        self.git("init", "--quiet")
        self.git("add", "--force", "--all")
        self.git("commit", "--quiet", "--message",
                 f"Linux {self.tree.release}")
        self.git("tag", BASE)

    def reset(self) -> None:
        """Have the kernel as it is."""
        self.git("checkout", "--quiet", "--detach", "--force", BASE)
        self.git("clean", "--quiet", "--force", "-d", "-x")

    def read(self, name: str) -> str:
        """The text of a file as it is now."""
        return (self.work / name).read_text()

    def commit(self, files: Mapping[str, str], message: str) -> None:
        """Commit @files with new text."""
        for name, text in files.items():
            path = self.work / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        self.git("add", "--force", "--", *files)
        self.git("commit", "--quiet", "--signoff", "--file=-", text=message)

    def write_patches(self, out: Path, subject: str, letter: str) -> list[Path]:
        """Write what was committed as mails to @out, a cover letter first."""
        if out.exists():
            shutil.rmtree(out)
        out.mkdir(parents=True)
        self.git("format-patch", "--quiet", "--cover-letter", "--no-renames",
                 "--no-signature", "-o", out.resolve(), f"{BASE}..HEAD")
        patches = sorted(out.glob("*.patch"))
        cover = patches[0].read_text()
        for old, new in (("*** SUBJECT HERE ***", subject),
                         ("*** BLURB HERE ***", letter.strip())):
            if cover.count(old) != 1:
                raise Failure("git format-patch writes another cover letter "
                              f"than the series knows: no {old!r}")
            cover = cover.replace(old, new)
        patches[0].write_text(cover)
        return patches
