# SPDX-License-Identifier: GPL-2.0
"""The kernels: base and patch as two builds at one path, and their records.

All of it lies in build/KERNEL/review. The base's farm and build folder are kept
beside those in use, which start as copies of them, so that a patch costs what
make builds of it. make compares times: a file that differs from what was built
last is written anew, never linked to, for the tree's own is older.
"""

import re
import shutil
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path

from fanout.host import (JOBS, REPO, Failure, environment, run, say, shown)
from fanout.tree import KernelTree, Layout, completed, joined, make_farm
from review.states import State

JOINT = "drivers/dma-buf/review"
RECORDER = REPO / "tools/review/recorder"
# Line tables where exporters are, to tell who called.
_LINES = b"ccflags-y += -g1\nsubdir-ccflags-y += -g1\n"
_COMPILER = re.compile(r"^(\S+\.[chS]):(\d+):(?:\d+:)? (?:fatal )?error: (.*)$",
                       re.MULTILINE)
_ANY_ERROR = re.compile(r"^.*(?:\berror\b|\*\*\*|undefined reference).*$",
                        re.MULTILINE | re.IGNORECASE)


class NotBuilt(Failure):
    """A state that cannot be built or run; the text says where."""


@dataclass(frozen=True)
class Kernels:
    """Where the kernels of one tree are built."""

    tree: KernelTree
    seconds: float = 60     # a boot may take
    quiet: float = 15       # ... and may say nothing

    @property
    def folder(self) -> Path:
        """Everything of the review."""
        return self.tree.build / "review"

    @property
    def farm(self) -> Path:
        """The farm in use."""
        return self.folder / "linux"

    @property
    def build(self) -> Path:
        """The build folder in use."""
        return self.folder / "build"

    @property
    def image(self) -> Path:
        """The kernel that was built last."""
        return self.build / "linux"

    @property
    def base(self) -> Path:
        """The base, which build_base() has kept."""
        return self.kept(self.build) / "linux"

    def kept(self, path: Path) -> Path:
        """The base's @path, kept beside the one in use."""
        return path.with_name(f"{path.name}.base")


def layout_of(tree: KernelTree, state: State) -> Layout:
    """The farm of @state: the recorder is joined, and the driver if it is of it."""
    folders = ["recorder", *(["driver"] if state.driver else [])]
    layout: Layout = {f"{JOINT}/recorder/{path.name}": path.read_bytes()
                      for path in RECORDER.iterdir() if path.is_file()}
    layout |= state.kernel
    layout |= joined(tree.path, Path(JOINT).name, folders, state.kernel)
    makefile = layout["drivers/dma-buf/Makefile"]
    assert isinstance(makefile, bytes)
    layout["drivers/dma-buf/Makefile"] = makefile + _LINES
    layout[f"{JOINT}/Makefile"] = "".join(
        f"obj-y += {folder}/\n" for folder in folders).encode()
    layout |= {f"{JOINT}/driver/{name}": content
               for name, content in state.driver.items()}
    return completed(layout, tree.path)


def _settle(layout: Layout, farm: Path) -> Layout:
    """@layout with no link where @farm has a file: it would look unchanged."""
    return {name: target.read_bytes()
            if isinstance(target, Path) and target.is_file()
            and (farm / name).is_file() and not (farm / name).is_symlink()
            else target for name, target in layout.items()}


def _copy(source: Path, target: Path) -> None:
    """Make @target what @source is, times included."""
    shutil.rmtree(target, ignore_errors=True)
    subprocess.run(["cp", "-a", "--reflink=auto", source, target], check=True)


def in_tree(path: str) -> str:
    """@path, of a farm, as it is called where it comes from."""
    name = re.sub(r"^(.*/review/(build/\.\./)?linux/|\.\./linux/|\./)", "",
                  path)
    return name.removeprefix(f"{JOINT}/") \
        if name.startswith(f"{JOINT}/driver/") else name


def first_error(log: str) -> str:
    """What a reader of build log @log should see: file, line, message."""
    match = _COMPILER.search(log)
    if match:
        return f"{in_tree(match[1])}:{match[2]}: {match[3]}"
    line = _ANY_ERROR.search(log)
    return line[0].strip() if line else "see the log"


def _make(kernels: Kernels, what: str, *goals: str) -> None:
    log = kernels.tree.logs / f"review-{what.split()[0]}.log"
    if run(what, ["make", "-C", kernels.farm, f"O={kernels.build}", "ARCH=um",
                  f"-j{JOBS}", *goals], log):
        raise NotBuilt(
            f"{what} does not build: "
            f"{first_error(log.read_text(errors='replace'))} "
            f"(all of it: {shown(log)})")


def _configure(kernels: Kernels, state: State) -> None:
    wanted = "".join(
        line for line in (RECORDER / "review.config").read_text()
        .splitlines(keepends=True)
        if state.driver or "UDMABUF_FANOUT" not in line)
    stamp = kernels.build / "config.from"
    if stamp.is_file() and stamp.read_text() == wanted \
            and (kernels.build / ".config").is_file():
        return
    kernels.build.mkdir(parents=True, exist_ok=True)
    (kernels.build / ".config").write_text(wanted)
    _make(kernels, "configure", "olddefconfig")
    config = (kernels.build / ".config").read_text()
    for line in wanted.splitlines():
        if line.startswith("CONFIG_") and f"{line}\n" not in config:
            raise Failure(f"linux {kernels.tree.release} cannot have {line}")
    stamp.write_text(wanted)


def _build(kernels: Kernels, state: State, what: str) -> None:
    start = time.monotonic()
    make_farm(_settle(layout_of(kernels.tree, state), kernels.farm),
              kernels.farm)
    _configure(kernels, state)
    _make(kernels, what, "linux")
    say(what, f"{state.what}, built in {time.monotonic() - start:.0f} s")


def build_base(kernels: Kernels, state: State) -> None:
    """Build the base, or what differs in it from the last one, and keep it."""
    folders = (kernels.farm, kernels.build)
    kernels.folder.mkdir(parents=True, exist_ok=True)
    identity = kernels.folder / "tree.from"
    wanted = f"{kernels.tree.path} {kernels.tree.release}\n"
    if identity.is_file() and identity.read_text() != wanted:
        shutil.rmtree(kernels.folder)
        kernels.folder.mkdir()
    if all(kernels.kept(folder).is_dir() for folder in folders):
        for folder in folders:
            _copy(kernels.kept(folder), folder)
    else:
        say("base", "building a kernel, about five minutes on 2 cores the "
            "first time")
        for folder in folders:
            shutil.rmtree(folder, ignore_errors=True)
    identity.write_text(wanted)
    _build(kernels, state, "base")
    for folder in folders:
        _copy(folder, kernels.kept(folder))


def build_patch(kernels: Kernels, state: State) -> None:
    """Build the patch in the base's folders, which build_base() has left."""
    _build(kernels, state, "patch")


def _watch(kernel: subprocess.Popen[bytes], log: Path,
           kernels: Kernels) -> str:
    """Wait for @kernel, which writes @log. Return: how it hangs, if it does."""
    start = spoke = time.monotonic()
    size = 0
    while kernel.poll() is None:
        time.sleep(0.1)
        now = time.monotonic()
        if log.stat().st_size != size:
            size, spoke = log.stat().st_size, now
        if now - spoke > kernels.quiet:
            return f"says nothing for {kernels.quiet:.0f} s"
        if now - start > kernels.seconds:
            return f"does not come to an end within {kernels.seconds:.0f} s"
    return ""


def boot(kernels: Kernels, image: Path, script: str, what: str,
         *arguments: str) -> str:
    """Run @script in the kernel @image, with more @arguments.

    Return: its console.
    """
    log = kernels.tree.logs / f"review-{what}.console.log"
    log.parent.mkdir(parents=True, exist_ok=True)
    path = log.with_suffix(".script")
    path.write_text(script)
    with log.open("wb") as console, subprocess.Popen(
            [image, "mem=256M", "dma_debug=off", "loglevel=7", "panic=-1",
             "con=null", "con0=fd:0,fd:1", f"review.script={path}", *arguments],
            stdin=subprocess.DEVNULL, stdout=console,
            stderr=subprocess.STDOUT, env=environment()) as kernel:
        try:
            trouble = _watch(kernel, log, kernels)
        finally:
            kernel.kill()
    if trouble:
        raise NotBuilt(f"{what}: the kernel {trouble}: see {shown(log)}")
    return log.read_text(errors="replace")
