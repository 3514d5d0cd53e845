# SPDX-License-Identifier: GPL-2.0
"""The kernel tree: where it comes from, and how the driver joins it.

The tree itself is never written to. build/KERNEL/linux is a farm of symbolic
links to it, with real folders only where something differs from the tree. All
that is built of a kernel lies beside its farm, so kernels do not disturb each
other.
"""

import argparse
import fcntl
import hashlib
import os
import re
import shutil
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

from fanout import apt
from fanout.host import (BUILD, CACHE, LOGS, REPO, Failure, NothingToDo, say,
                         shown)

OLDEST = (6, 12)
# What KERNEL= may say.
DEFAULT = "6.12"
NEWEST = "newest"
KERNELS = (DEFAULT, NEWEST)
JOINT = "drivers/dma-buf/udmabuf-fanout"

# For make coverage, nothing without CONFIG_GCOV_KERNEL: of all that is joined the
# driver is counted. Where a kernel is an ordinary program, libc would call gcov's
# constructors before printk() works: kunit/coverage.c does without them.
_JOINT_MAKEFILE = b"""\
obj-y += driver/ kunit/ importer/
$(obj)/driver: export GCOV_PROFILE := y
subdir-ccflags-$(if $(CONFIG_GCOV_KERNEL),$(CONFIG_UML)) += \\
	-fprofile-info-section=fanout_gcov
"""

_ALL_TESTS = "tools/testing/kunit/configs/all_tests.config"
# 7.3's kunit.py has QEMU try KVM first. Where that is there and does not work, a
# virtual machine without the host's help, the guest hangs.
_KVM = re.compile(rb"^\s*'-accel', 'kvm',\n", re.MULTILINE)


@dataclass(frozen=True)
class KernelTree:
    """An unpacked kernel source tree, and what is built of it."""

    path: Path
    version: tuple[int, int, int]
    name: str           # of its folder in build/: 6.12, newest or tree-...

    @property
    def release(self) -> str:
        """The version as people write it."""
        return ".".join(map(str, self.version))

    @property
    def build(self) -> Path:
        """Where everything built of it lies."""
        return BUILD / self.name

    @property
    def farm(self) -> Path:
        """The tree with the driver in it."""
        return self.build / "linux"

    @property
    def logs(self) -> Path:
        """Where the logs of builds and runs go."""
        return LOGS / self.name


def read_version(makefile: str) -> tuple[int, int, int] | None:
    """The version that the text of a kernel's top Makefile states."""
    found = [re.search(rf"^{name} *= *(\d+)", makefile, re.MULTILINE)
             for name in ("VERSION", "PATCHLEVEL", "SUBLEVEL")]
    if None in found:
        return None
    major, minor, patch = (int(match[1]) for match in found if match)
    return major, minor, patch


def check_tree(path: Path, name: str = "") -> KernelTree:
    """@path as a kernel tree that can be used; Failure says why not.

    Without a @name it gets one that no other path has.
    """
    if not path.is_dir():
        raise Failure(f"KTREE={path}: no such folder")
    makefile = path / "Makefile"
    version = (read_version(makefile.read_text(errors="replace"))
               if makefile.is_file() else None)
    if version is None:
        raise Failure(f"KTREE={path} is not a kernel source tree: its Makefile "
                      "does not state a VERSION and PATCHLEVEL")
    path = path.resolve()
    tree = KernelTree(path, version, name or
                      f"tree-{hashlib.sha1(bytes(path)).hexdigest()[:8]}")
    if version < OLDEST:
        raise Failure(f"KTREE={path} is Linux {tree.release}; 6.12 is the "
                      "oldest that works (KUnit static stubs, "
                      "memfd_pin_folios())")
    for part in ("drivers/dma-buf/Kconfig", "tools/testing/kunit/kunit.py"):
        if not (path / part).is_file():
            raise Failure(f"KTREE={path} is not a complete kernel source "
                          f"tree: {part} is missing")
    return tree


@contextmanager
def locked(folder: Path) -> Iterator[Path]:
    """@folder, made if need be, with other runs of these tools held off."""
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / ".lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            say("waiting", f"for another run that uses {folder}")
            fcntl.flock(lock, fcntl.LOCK_EX)
        yield folder


def check_choice(kernel: str, ktree: str) -> None:
    """Whether KERNEL= and KTREE= or KDIR= make sense; Failure if not."""
    if kernel and kernel not in KERNELS:
        raise Failure(f"KERNEL={kernel}: it is {DEFAULT}, the oldest that is "
                      f"supported, or {NEWEST}. For any other kernel unpack "
                      "its source and give that with KTREE=/path/to/linux")
    if kernel and ktree:
        raise Failure("KERNEL= says which kernel, and so do KTREE= and KDIR=: "
                      "give one of them")


def add_kernel(parser: argparse.ArgumentParser) -> None:
    """Have @parser take --kernel."""
    parser.add_argument("--kernel", default="", metavar="WORD",
                        help=f"which kernel: {DEFAULT} (default) or {NEWEST}")


def add_ktree(parser: argparse.ArgumentParser) -> None:
    """Have @parser take --ktree."""
    parser.add_argument("--ktree", default="", metavar="DIR",
                        help="kernel tree to use instead of the newest source "
                        "package")


def series_of(kernel: str,
              foreign: str = "") -> tuple[apt.Archive, tuple[int, int]]:
    """Where apt has @kernel, and its version's first two numbers.

    For the architecture @foreign, or else this machine's.
    """
    if kernel != NEWEST:
        return apt.of_architecture(foreign), OLDEST
    archive = apt.newer_suites(foreign)
    found = [(int(match[1]), int(match[2]))
             for name in archive.names("linux-source-")
             if (match := re.fullmatch(r"linux-source-(\d+)\.(\d+)", name))
             and archive.version(name)]
    if max(found, default=OLDEST) <= OLDEST:
        raise NothingToDo("the archive has no kernel newer than "
                          f"{DEFAULT}: that is the newest")
    return archive, max(found)


def _upstream(version: str) -> str:
    """The three numbers of the kernel in Debian's @version of its package."""
    numbers = re.findall(r"\d+", re.split("[-~+]", version)[0])
    return ".".join([*numbers, "0"][:3])


def _cached_trees(series: tuple[int, int], name: str) -> list[KernelTree]:
    """Complete trees of @series in the cache, the oldest version first."""
    trees = [check_tree(path, name) for path in CACHE.glob("linux-*")
             if re.fullmatch(r"linux-\d+\.\d+\.\d+", path.name)]
    return sorted((tree for tree in trees if tree.version[:2] == series),
                  key=lambda tree: tree.version)


def _unpack_source(archive: apt.Archive, package: str, target: Path) -> None:
    """Put the tree in @package at @target."""
    with apt.appearing(target) as unpacked:
        files = unpacked / ".package"
        archive.fetch([package], files)
        apt.unpack(["tar", "-xJf", next(files.glob("usr/src/*.tar.xz")),
                    "--strip-components=1", "-C", unpacked])
        shutil.rmtree(files)


def packaged_tree(kernel: str = DEFAULT) -> KernelTree:
    """The tree of the newest source package that is @kernel.

    It is downloaded unless it was before.
    """
    with locked(CACHE) as cache:
        archive, series = series_of(kernel)
        package = f"linux-source-{series[0]}.{series[1]}"
        cached = _cached_trees(series, kernel)
        version = archive.version(package)
        if version is None and not cached:
            apt.update()
            version = archive.version(package)
        if version is None and not cached:
            raise Failure(f"apt has no {package}, and {cache} no kernel tree. "
                          "Give one with KTREE=/path/to/linux, or try again "
                          "with a network, after apt-get update.")
        release = _upstream(version) if version else cached[-1].release
        if all(tree.release != release for tree in cached):
            say("kernel tree", f"downloading and unpacking linux {release} "
                "(170 MB, about a minute)")
            try:
                _unpack_source(archive, package, cache / f"linux-{release}")
            except Failure as failure:
                if not cached:
                    raise
                say("kernel tree", f"{failure}; going on with linux "
                    f"{cached[-1].release} from the cache")
                return cached[-1]
        return check_tree(cache / f"linux-{release}", kernel)


def choose(kernel: str, ktree: str) -> KernelTree:
    """The tree that KERNEL= and KTREE= say, of which one is empty at least."""
    check_choice(kernel, ktree)
    return check_tree(Path(ktree).absolute()) if ktree \
        else packaged_tree(kernel or DEFAULT)


def _generated(source: Path) -> set[str]:
    """What a build inside @source left there: an O= build must not see it."""
    left = [".config", ".git", "include/config", "include/generated"]
    found = {name for name in left if (source / name).exists()}
    return found | {str(path.relative_to(source))
                    for path in source.glob("arch/*/include/generated")}


# What a farm holds: for each path a link's target or a file's content.
Layout = dict[str, Path | bytes]


def completed(layout: Layout, source: Path) -> Layout:
    """@layout, and links to all of @source that is not in it."""
    layout = dict(layout)
    skipped = _generated(source)
    # include/trace: define_trace.h includes by a path relative to its folder.
    real = {str(parent) for name in [*layout, *skipped, "include/trace/-"]
            for parent in Path(name).parents}
    for folder in sorted(real):
        if not (source / folder).is_dir():
            continue
        for entry in os.scandir(source / folder):
            name = os.path.normpath(os.path.join(folder, entry.name))
            if name not in real | skipped and name not in layout:
                layout[name] = Path(entry.path)
    return layout


def joined(source: Path, name: str, kconfigs: Iterable[str],
           changed: Mapping[str, bytes] = MappingProxyType({})) -> Layout:
    """What has folder @name below drivers/dma-buf built as part of @source, of
    which some files are @changed.
    """
    kconfig, makefile = (
        changed[path].decode() if path in changed else
        (source / path).read_text()
        for path in ("drivers/dma-buf/Kconfig", "drivers/dma-buf/Makefile"))
    before, end, after = kconfig.rpartition("endmenu")
    line = f'source "drivers/dma-buf/{name}/Kconfig"\n\n'
    return {
        "drivers/dma-buf/Kconfig": (before + line + end + after).encode(),
        "drivers/dma-buf/Makefile":
            f"{makefile}obj-y += {name}/\n".encode(),
        f"drivers/dma-buf/{name}/Kconfig": "".join(
            f'source "drivers/dma-buf/{name}/{folder}/Kconfig"\n'
            for folder in kconfigs).encode(),
    }


def farm_layout(source: Path, repo: Path) -> Layout:
    """The layout of the farm that the suites are built in."""
    layout: Layout = joined(source, Path(JOINT).name,
                            ("driver", "kunit", "importer"))
    layout |= {
        f"{JOINT}/Makefile": _JOINT_MAKEFILE,
        f"{JOINT}/driver": repo / "driver",
        f"{JOINT}/kunit": repo / "kunit",
        f"{JOINT}/importer": repo / "tools/rig/guest",
    }
    # kunit.py builds the tree that its real path lies in.
    for file in (source / "tools/testing/kunit").rglob("*"):
        if file.is_file() and "__pycache__" not in file.parts:
            layout[str(file.relative_to(source))] = _KVM.sub(
                b"", file.read_bytes())
    # What `kunit.py --alltests` has to switch on for the suites to be there.
    all_tests = layout.get(_ALL_TESTS)
    if isinstance(all_tests, bytes):
        layout[_ALL_TESTS] = all_tests + (
            b"\nCONFIG_TMPFS=y\nCONFIG_MEMFD_CREATE=y\n"
            b"CONFIG_DEVTMPFS=y\nCONFIG_UDMABUF=y\n"
            b"CONFIG_UDMABUF_FANOUT=y\n")
    return completed(layout, source)


def make_farm(layout: Layout, farm: Path) -> None:
    """Bring @farm to @layout, touching only what differs from it."""
    folders = {str(parent) for name in layout for parent in Path(name).parents}
    for where, names, files in os.walk(farm):
        for name in names[:]:
            path = Path(where, name)
            relative = str(path.relative_to(farm))
            if path.is_symlink():
                files.append(name)
            elif name == "__pycache__":
                names.remove(name)
            elif relative not in folders:
                shutil.rmtree(path)
                names.remove(name)
        for name in files:
            path = Path(where, name)
            if str(path.relative_to(farm)) not in layout:
                path.unlink()
    for folder in sorted(folders):
        path = farm / folder
        if path.is_symlink() or path.is_file():
            path.unlink()
        path.mkdir(parents=True, exist_ok=True)
    for name, content in layout.items():
        path = farm / name
        if isinstance(content, Path):
            if not path.is_symlink() or Path(os.readlink(path)) != content:
                path.unlink(missing_ok=True)
                path.symlink_to(content)
        elif path.is_symlink() or not path.is_file() \
                or path.read_bytes() != content:
            path.unlink(missing_ok=True)
            path.write_bytes(content)
            path.chmod(0o755 if content.startswith(b"#!") else 0o644)


def prepare(tree: KernelTree) -> None:
    """Make the farm of @tree.

    Objects of another release are removed: make compares time stamps only, and
    would keep those that are newer than this tree's files.
    """
    stamp = tree.build / "linux.from"
    identity = f"{tree.path} {tree.release}\n"
    if stamp.is_file() and stamp.read_text() != identity:
        say("kernel tree", "another release than before: removing "
            f"{shown(tree.build)}")
        shutil.rmtree(tree.build)
    make_farm(farm_layout(tree.path, REPO), tree.farm)
    stamp.write_text(identity)
    say("kernel tree", f"linux {tree.release} from {tree.path}, joined in "
        f"{shown(tree.farm)}")


def show_kunit_line(tree: KernelTree) -> None:
    """Say how to run the kernel's own tool on @tree's farm."""
    say("kunit.py", f"{shown(tree.farm)}/tools/testing/kunit/kunit.py run "
        f"--kunitconfig=$PWD --build_dir=$PWD/{shown(tree.build)}/um")
