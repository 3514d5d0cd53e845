# SPDX-License-Identifier: GPL-2.0
"""What base and patch are: files of a kernel tree and of this driver.

A state is what differs from the kernel tree as it is. Patches are applied with
git to copies of the files that they touch, so neither the kernel tree nor the
checkout changes.
"""

import os
import re
import subprocess
import tempfile
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from email import policy
from email.message import EmailMessage, Message
from email.parser import BytesParser
from pathlib import Path

from fanout.host import REPO, Failure

STOCK = "stock"
WORKTREE = "worktree"
STDIN = "-"
FANOUT = "fanout"
EXPORTERS = (FANOUT, "udmabuf", "system_heap")

_MAILS = BytesParser(EmailMessage, policy=policy.default)

# Of a patch to this project only the driver is looked at.
_NOT_OF_A_KERNEL = ("kunit/", "docs/", "README.md", "Makefile", ".ci/",
                    "tools/review/", "tools/fanout/", "tools/rig/",
                    "tools/tests/", "tools/mutants/", "tools/model/",
                    "tools/merge/", "tools/bindgen/")
_TOUCHES = re.compile(rb"^(?:---|\+\+\+) (?:[ab]/)?([^\t\n]+)|"
                      rb"^(?:rename|copy) (?:from|to) (.+)$", re.MULTILINE)


@dataclass(frozen=True)
class State:
    """One side of a comparison."""

    what: str                           # in words
    driver: dict[str, bytes] = field(default_factory=dict)  # below driver/
    kernel: dict[str, bytes] = field(default_factory=dict)  # paths in the tree

    def same_as(self, other: "State") -> bool:
        """Whether both have the same text."""
        return (self.driver, self.kernel) == (other.driver, other.kernel)

    def file(self, name: str, tree: Path) -> str | None:
        """The text of the file that a stack or patch names, of @tree if not
        of this state; None if there is none.
        """
        content = self.kernel.get(name)
        if content is None and name.startswith("driver/"):
            content = self.driver.get(name.removeprefix("driver/"))
        if content is None and (tree / name).is_file():
            content = (tree / name).read_bytes()
        return None if content is None else content.decode(errors="replace")


def git(*arguments: str, where: Path = REPO, text: bytes = b"") \
        -> subprocess.CompletedProcess[bytes]:
    """Run git in @where, and in no repository above it that is not REPO."""
    return subprocess.run(
        ["git", *arguments], cwd=where, input=text, capture_output=True,
        check=False, env={**os.environ, "LC_ALL": "C.UTF-8",
                          "GIT_CEILING_DIRECTORIES": str(where.parent)})


def _driver_in_worktree() -> dict[str, bytes]:
    folder = REPO / "driver"
    return {str(path.relative_to(folder)): path.read_bytes()
            for path in sorted(folder.rglob("*"))
            if path.is_file() and path.suffix in (".c", ".h", "")}


def _driver_at(commit: str) -> dict[str, bytes]:
    listed = git("ls-tree", "-r", "-z", "--name-only", commit, "driver/")
    names = [name for name in listed.stdout.decode().split("\0") if name]
    if not names:
        raise Failure(f"{commit} has no driver/")
    return {name.removeprefix("driver/"):
            git("cat-file", "blob", f"{commit}:{name}").stdout
            for name in names if not name.endswith(".list")}


def commit_of(what: str) -> str | None:
    """The commit that @what names in this repository, if it names one."""
    found = git("rev-parse", "--verify", "--quiet", f"{what}^{{commit}}")
    return found.stdout.decode().strip() if found.returncode == 0 else None


def _number(message: Message) -> int:
    """Which patch of its series a mail is."""
    subject = str(message.get("subject", ""))
    match = re.search(r"\[[^\]]*?(\d+)/\d+\]", subject)
    return int(match[1]) if match else 0


def diffs_in(text: bytes) -> list[bytes]:
    """The patches in @text: a diff, a mail, or an mbox with a series, in its
    order whatever the order of its mails is.
    """
    mails = re.split(rb"^From \S+.*\n(?=[\w-]+:)", text, flags=re.MULTILINE)
    if len(mails) == 1 and not re.match(rb"(?i)[\w-]+:.*\n(.+\n)*\n", text):
        return [text] if b"\n--- " in b"\n" + text or b"diff " in text else []
    found: list[tuple[int, bytes]] = []
    for mail in mails:
        if not mail.strip():
            continue
        message = _MAILS.parsebytes(mail)
        for part in message.walk():
            if part.get_content_maintype() != "text":
                continue
            body = part.get_payload(decode=True)
            if isinstance(body, bytes) and re.search(rb"^\+\+\+ ", body,
                                                     re.MULTILINE):
                found.append((_number(message),
                              body.replace(b"\r\n", b"\n")))
    return [body for _, body in sorted(found, key=lambda one: one[0])]


def touched(diff: bytes) -> set[str]:
    """The files that @diff changes, without those of no interest here."""
    names = {(match[1] or match[2]).decode(errors="replace").strip()
             for match in _TOUCHES.finditer(diff)}
    return {name for name in names if name != "/dev/null"
            and not name.startswith(_NOT_OF_A_KERNEL)}


def _apply(diff: bytes, folder: Path, where: str) -> None:
    """Apply @diff to the files in @folder."""
    wanted = [f"--include={name}" for name in sorted(touched(diff))]
    strip = "-p1" if re.search(rb"^(?:---|\+\+\+) [ab]/|^diff --git a/", diff,
                               re.MULTILINE) else "-p0"
    done = git("apply", strip, "--whitespace=nowarn", *wanted, "-",
               where=folder, text=diff)
    if done.returncode:
        said = done.stderr.decode(errors="replace").strip()
        raise Failure(f"{where} does not apply: "
                      + said.replace("error: ", "").replace("\n", "; "))


def patched(state: State, text: bytes, name: str, tree: Path) -> State:
    """@state with the patches in @text, which are called @name."""
    diffs = diffs_in(text)
    if not diffs and text.strip():
        raise Failure(f"{name} is no patch: it has no line that begins with "
                      "+++")
    new = replace(state, what=name, driver=dict(state.driver),
                  kernel=dict(state.kernel))
    with tempfile.TemporaryDirectory(prefix="review-") as scratch:
        folder = Path(scratch, "files")
        folder.mkdir()
        for diff in diffs:
            names = touched(diff)
            for file in names:
                _put_file(new, file, folder, tree)
            if names:
                _apply(diff, folder, name)
            for file in names:
                _take_file(new, file, folder)
    return new


def _put_file(state: State, name: str, folder: Path, tree: Path) -> None:
    path = (folder / name).resolve()
    if not path.is_relative_to(folder.resolve()):
        raise Failure(f"the patch changes {name}, which is in no tree")
    if name.startswith("driver/"):
        content = state.driver.get(name.removeprefix("driver/"))
    else:
        content = state.kernel.get(name)
        if content is None and (tree / name).is_file():
            content = (tree / name).read_bytes()
    path.unlink(missing_ok=True)
    if content is not None:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)


def _take_file(state: State, name: str, folder: Path) -> None:
    path = folder / name
    content = path.read_bytes() if path.is_file() else None
    files, key = (state.driver, name.removeprefix("driver/")) \
        if name.startswith("driver/") else (state.kernel, name)
    if content is not None:
        files[key] = content
    elif files is state.driver:
        files.pop(key, None)
    else:
        # Gone; an empty file stands for it in a tree made of links.
        files[key] = b""


def _called(text: bytes, otherwise: str) -> str:
    """What the first mail in @text is about, if it is one."""
    head = _MAILS.parsebytes(re.sub(rb"^From \S.*\n", b"", text))
    return str(head["subject"] or otherwise)


def read_patch(what: str, stdin: Iterable[bytes]) -> tuple[bytes, str]:
    """The text of the patch @what, a file or STDIN, and its name."""
    if what == STDIN:
        text = b"".join(stdin)
        return text, _called(text, "the patch on standard input")
    path = Path(what)
    if not path.is_file():
        raise Failure(f"{what}: neither a revision of this repository nor a "
                      "file. Give a revision, worktree, stock, or a patch, "
                      "mbox or series as a file; - reads standard input")
    return path.read_bytes(), _called(path.read_bytes(), path.name)


def state_of(what: str, exporter: str, below: State | None, tree: Path,
             stdin: Iterable[bytes]) -> State:
    """The state that @what names.

    A patch is applied to @below, or without that to what its exporter is: stock,
    or the driver at HEAD.
    """
    if exporter != FANOUT and what == STOCK:
        return State(STOCK)
    if exporter == FANOUT and what == WORKTREE:
        return State("the work tree", _driver_in_worktree())
    if exporter == FANOUT and what != STDIN and not Path(what).is_file():
        commit = commit_of(what)
        if commit:
            short = commit[:12]
            return State(short if commit.startswith(what) else
                         f"{what} ({short})", _driver_at(commit))
    text, name = read_patch(what, stdin)
    if below is None:
        below = state_of("HEAD" if exporter == FANOUT else STOCK, exporter,
                         None, tree, ())
    return patched(below, text, name, tree)
