# SPDX-License-Identifier: GPL-2.0
"""The kernel tree: where it comes from, and how the driver joins it.

The tree itself is never written to. build/linux is a farm of symbolic links to
it, with real folders only where something differs from the tree.
"""

import fcntl
import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from fanout.host import (BUILD, CACHE, LOGS, REPO, UNPACK, Failure, apt_get,
                         require, run, say, show_failure, shown)

OLDEST = (6, 12)
FARM = BUILD / "linux"
PACKAGE = "linux-source-6.12"
JOINT = "drivers/dma-buf/udmabuf-fanout"

# Where a kernel is an ordinary program, libc would call gcov's constructors
# before printk() works: kunit/coverage.c does without them.
_JOINT_MAKEFILE = b"""\
obj-y += driver/ kunit/ importer/
subdir-ccflags-$(if $(CONFIG_GCOV_KERNEL),$(CONFIG_UML)) += \\
	-fprofile-info-section=fanout_gcov
"""


@dataclass(frozen=True)
class KernelTree:
    """An unpacked kernel source tree."""

    path: Path
    version: tuple[int, int, int]

    @property
    def release(self) -> str:
        """The version as people write it."""
        return ".".join(map(str, self.version))


def read_version(makefile: str) -> tuple[int, int, int] | None:
    """The version that the text of a kernel's top Makefile states."""
    found = [re.search(rf"^{name} *= *(\d+)", makefile, re.MULTILINE)
             for name in ("VERSION", "PATCHLEVEL", "SUBLEVEL")]
    if None in found:
        return None
    major, minor, patch = (int(match[1]) for match in found if match)
    return major, minor, patch


def check_tree(path: Path) -> KernelTree:
    """@path as a kernel tree that can be used; Failure says why not."""
    if not path.is_dir():
        raise Failure(f"KTREE={path}: no such folder")
    makefile = path / "Makefile"
    version = (read_version(makefile.read_text(errors="replace"))
               if makefile.is_file() else None)
    if version is None:
        raise Failure(f"KTREE={path} is not a kernel source tree: its Makefile "
                      "does not state a VERSION and PATCHLEVEL")
    tree = KernelTree(path.resolve(), version)
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


def candidate_version(package: str) -> str | None:
    """The version of @package that apt would fetch now, None if none."""
    if shutil.which("apt-cache") is None:
        return None
    text = subprocess.run(["apt-cache", "show", "--no-all-versions", package],
                          capture_output=True, text=True, check=False).stdout
    match = re.search(r"^Version: (\S+)", text, re.MULTILINE)
    return match[1] if match else None


def fetch_packages(packages: list[str], target: Path) -> None:
    """Download @packages through apt and unpack them, not installed."""
    require(UNPACK)
    shutil.rmtree(target, ignore_errors=True)
    downloads = target / "downloads"
    downloads.mkdir(parents=True)
    log = LOGS / "apt.log"
    if run("download", ["apt-get", "download", *packages], log, cwd=downloads,
           append=True):
        raise Failure(f"apt could not download {' '.join(packages)}: is there "
                      f"a network? (its words: {shown(log)})")
    for package in sorted(downloads.glob("*.deb")):
        if run("unpack", ["dpkg", "-x", package, target], log, append=True):
            show_failure(log)
            raise Failure(f"{package.name} could not be unpacked")
    shutil.rmtree(downloads)


def _cached_trees() -> list[KernelTree]:
    """Complete trees in the cache, the oldest version first."""
    trees = [check_tree(path) for path in CACHE.glob("linux-*")
             if re.fullmatch(r"linux-\d+\.\d+\.\d+", path.name)]
    return sorted(trees, key=lambda tree: tree.version)


def _unpack_source(cache: Path, release: str) -> None:
    """Put linux-@release into @cache; it appears there only when complete."""
    partial = cache / f"linux-{release}.partial"
    fetch_packages([PACKAGE], partial)
    tarball = next(partial.glob("usr/src/*.tar.xz"))
    unpacked = partial / "unpacked"
    unpacked.mkdir()
    log = LOGS / "apt.log"
    if run("unpack", ["tar", "-xJf", tarball, "--strip-components=1",
                      "-C", unpacked], log, append=True):
        show_failure(log)
        raise Failure(f"{tarball.name} could not be unpacked: is the disk of "
                      f"{cache} full?")
    unpacked.rename(cache / f"linux-{release}")
    shutil.rmtree(partial)


def newest_tree() -> KernelTree:
    """The newest source package's tree, downloaded unless it was before."""
    with locked(CACHE) as cache:
        cached = _cached_trees()
        version = candidate_version(PACKAGE)
        if version is None and not cached:
            apt_get("package lists", "update")
            version = candidate_version(PACKAGE)
        if version is None and not cached:
            raise Failure(f"apt has no {PACKAGE}, and {cache} no kernel tree. "
                          "Give one with KTREE=/path/to/linux, or try again "
                          "with a network, after apt-get update.")
        release = version.split("-")[0] if version else cached[-1].release
        if all(tree.release != release for tree in cached):
            say("kernel tree", f"downloading and unpacking linux {release} "
                "(150 MB, about a minute)")
            try:
                _unpack_source(cache, release)
            except Failure as failure:
                if not cached:
                    raise
                say("kernel tree", f"{failure}; going on with linux "
                    f"{cached[-1].release} from the cache")
                return cached[-1]
        return check_tree(cache / f"linux-{release}")


def _generated(source: Path) -> set[str]:
    """What a build inside @source left there: an O= build must not see it."""
    left = [".config", ".git", "include/config", "include/generated"]
    found = {name for name in left if (source / name).exists()}
    return found | {str(path.relative_to(source))
                    for path in source.glob("arch/*/include/generated")}


def farm_layout(source: Path, repo: Path) -> dict[str, Path | bytes]:
    """What the farm holds: for each path a link's target or file's content."""
    dma_buf = source / "drivers/dma-buf"
    kconfig = (dma_buf / "Kconfig").read_text()
    makefile = (dma_buf / "Makefile").read_text()
    before, end, after = kconfig.rpartition("endmenu")
    line = f'source "{JOINT}/Kconfig"\n\n'
    layout: dict[str, Path | bytes] = {
        "drivers/dma-buf/Kconfig": (before + line + end + after).encode(),
        "drivers/dma-buf/Makefile":
            f"{makefile}obj-y += {Path(JOINT).name}/\n".encode(),
        f"{JOINT}/Kconfig": f'source "{JOINT}/driver/Kconfig"\n'
                            f'source "{JOINT}/kunit/Kconfig"\n'
                            f'source "{JOINT}/importer/Kconfig"\n'.encode(),
        f"{JOINT}/Makefile": _JOINT_MAKEFILE,
        f"{JOINT}/driver": repo / "driver",
        f"{JOINT}/kunit": repo / "kunit",
        f"{JOINT}/importer": repo / "tools/rig/guest",
    }
    # kunit.py builds the tree that its real path lies in.
    for file in (source / "tools/testing/kunit").rglob("*"):
        if file.is_file() and "__pycache__" not in file.parts:
            layout[str(file.relative_to(source))] = file.read_bytes()
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


def make_farm(source: Path, farm: Path, repo: Path) -> None:
    """Bring @farm to its layout, touching only what differs from it."""
    layout = farm_layout(source, repo)
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


def prepare(ktree: str | None) -> KernelTree:
    """Make build/linux from @ktree, or from the newest source package.

    Objects of another tree are removed: make compares time stamps only, and
    would keep those that are newer than this tree's files.
    """
    tree = check_tree(Path(ktree).absolute()) if ktree else newest_tree()
    stamp = BUILD / "linux.from"
    identity = f"{tree.path} {tree.release}\n"
    if not stamp.is_file() or stamp.read_text() != identity:
        for config in (*BUILD.glob("*/.config"), *BUILD.glob("*/*/.config")):
            say("kernel tree", f"another one than before: removing objects in "
                f"{config.parent.relative_to(REPO)}")
            shutil.rmtree(config.parent)
    make_farm(tree.path, FARM, REPO)
    stamp.write_text(identity)
    say("kernel tree", f"linux {tree.release} from {tree.path}, joined in "
        f"{FARM.relative_to(REPO)}")
    return tree
