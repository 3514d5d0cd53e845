# SPDX-License-Identifier: GPL-2.0
"""What the guest boots: a kernel, and an initramfs made for it.

The stock kernel is Debian's newest image of the series, unpacked beside the
headers that `make module` uses. The others are built from the source package.
"""

import lzma
import re
import subprocess
from dataclasses import dataclass
from pathlib import Path

from fanout.apt import appearing
from fanout.arch import NATIVE, Arch
from fanout.headers import stock_headers
from fanout.host import (CACHE, JOBS, REPO, Failure, environment, run, say,
                         show_failure)
from fanout.kunit import build_kernel
from fanout.tree import DEFAULT, KernelTree, choose, locked, prepare, series_of

GUEST = REPO / "tools/rig/guest"
SELFTEST = "tools/testing/selftests/drivers/dma-buf/udmabuf.c"
IMPORTER = "edu_importer.ko"
DRIVER = "udmabuf_fanout.ko"
HEAP = "system_heap_module.ko"

# The kernels that are built: their fragments, and for how long on 2 cores.
BUILT = {"debug": (("guest.config", "kasan.config"), "10 minutes"),
         "kcsan": (("guest.config", "kcsan.config"), "7 minutes")}
# What KCSAN watches besides our modules. The rest of the kernel has races of
# its own, and would take most of the watchpoints.
_WATCHED = "KCSAN_SANITIZE=$(if $(filter drivers/dma-buf kernel/dma,$(obj)),y,n)"

# The folders of the guest program, whose core/run.h says who may know whom.
PARTS = ("core", "demo", "bench", "races", "player")
_PLAN = REPO / "driver/sync_plan.c"
# What the kernel has for attributes and user space has not.
GUEST_FLAGS = ("-static", "-pthread", "-O2", "-Wall", "-Wextra", "-Werror",
                "-Wno-missing-field-initializers", "-D_GNU_SOURCE",
                "-D__printf(a,b)=__attribute__((__format__(printf,a,b)))",
                "-D__noreturn=__attribute__((__noreturn__))")


@dataclass(frozen=True)
class Kernel:
    """A bootable kernel and the folder that modules for it are built in."""

    name: str           # of its folder in build/KERNEL/rig
    image: Path
    headers: Path
    release: str
    tree: KernelTree    # its source
    arch: Arch = NATIVE

    @property
    def build(self) -> Path:
        """Where all that is built for it lies."""
        return rig_of(self.tree) / self.name


def rig_of(tree: KernelTree) -> Path:
    """Where what the rig builds and finds for @tree lies."""
    return tree.build / "rig"


def guest_sources() -> list[Path]:
    """All of the guest program but what the tools' tests put in its place."""
    return [GUEST / "guest.c", _PLAN,
            *(path for part in PARTS
              for path in sorted((GUEST / part).glob("*.c"))
              if not path.stem.endswith("_sim"))]


def hostile_sources() -> list[Path]:
    """All of the hostile program."""
    return sorted((GUEST / "hostile").glob("*.c"))


def logged(what: str, command: list[str | Path], log: Path,
            failure: str) -> None:
    """Run @command; if it fails, show why and stop with @failure."""
    if run(what, command, log, append=True):
        show_failure(log)
        raise Failure(failure)


def _image_packages(release: str) -> list[str]:
    """The packages that may hold the image for @release, the best one first.

    Since 6.19 linux-image only depends on what has it.
    """
    return [f"linux-binary-{release}", f"linux-image-{release}",
            f"linux-image-{release}-unsigned"]


def image_in(folder: Path) -> Path | None:
    """The kernel image in @folder, where a package was unpacked."""
    return next((image for pattern in ("boot/vmlinuz-*",
                                       "usr/lib/modules/*/vmlinuz")
                 for image in folder.glob(pattern)), None)


def stock_kernel(kernel: str, arch: Arch = NATIVE) -> Kernel:
    """The newest image of the archive's @kernel, downloaded and unpacked."""
    tree = choose(kernel, "")
    prepare(tree)
    headers = stock_headers(tree.name, arch)
    release = headers.release
    with locked(CACHE) as cache:
        folder = cache / f"linux-image-{release}"
        if not folder.is_dir():
            archive, _ = series_of(tree.name, arch.foreign)
            package = next(filter(archive.version, _image_packages(release)),
                           None)
            if package is None:
                raise Failure(
                    f"apt has the headers for {release} but no kernel image "
                    "for it: run apt-get update, then make clean, and try "
                    "again")
            say("guest kernel", f"downloading {package} (up to 105 MB)")
            with appearing(folder) as files:
                archive.fetch([package], files)
                if image_in(files) is None:
                    raise Failure(f"there is no kernel image in {package}")
    image = image_in(folder)
    assert image is not None
    return Kernel("-".join(filter(None, ("stock", arch.name))), image,
                  headers.path, release, tree, arch)


def built_kernel(name: str, kernel: str) -> Kernel:
    """The source package's kernel with what watches the driver, see BUILT."""
    names, minutes = BUILT[name]
    what = f"{name} kernel"
    fragments = [GUEST / fragment for fragment in names]
    tree = choose(kernel, "")
    prepare(tree)
    build = rig_of(tree) / f"{name}-kernel"
    built_from = build / "include/config/kernel.release"
    build.mkdir(parents=True, exist_ok=True)
    log = tree.logs / f"rig-{name}-kernel.log"
    log.parent.mkdir(parents=True, exist_ok=True)
    log.write_text("")
    make: list[str | Path] = ["make", "-C", tree.path, f"O={build}",
                              "ARCH=x86_64", f"-j{JOBS}", _WATCHED]
    config = build / ".config"
    if not config.is_file() or config.stat().st_mtime < max(
            fragment.stat().st_mtime for fragment in fragments):
        failure = f"the {what} could not be configured"
        logged("configure", [*make, "tinyconfig"], log, failure)
        logged("configure", [tree.path / "scripts/kconfig/merge_config.sh",
                             "-m", "-O", build, config, *fragments],
               log, failure)
        logged("configure", [*make, "olddefconfig"], log, failure)
    lost = sorted(set(wanted_options("".join(
        fragment.read_text() for fragment in fragments)))
                  - set(config.read_text().splitlines()))
    if lost:
        raise Failure(f"the {what} cannot have {', '.join(lost)}: "
                      f"{' or '.join(names)} needs a change")
    say(what, "building" if built_from.is_file() else
        f"building it, about {minutes} on 2 cores")
    logged(what, [*make, "bzImage", "modules"], log,
           f"the {what} could not be built")
    return Kernel(name, build / "arch/x86/boot/bzImage", build,
                  built_from.read_text().strip(), tree)


def wanted_options(fragment: str) -> list[str]:
    """The options that a configuration fragment sets."""
    return re.findall(r"^CONFIG_\w+=.*$", fragment, re.MULTILINE)


def _copy_changed(source: Path, target: Path) -> None:
    """Copy the sources in @source; what has not changed keeps its time."""
    target.mkdir(parents=True, exist_ok=True)
    wanted = {path.relative_to(source): path for path in source.rglob("*")
              if path.suffix in (".c", ".h")
              or path.name in ("Makefile", "Kbuild")}
    for relative, path in wanted.items():
        copy = target / relative
        if not copy.is_file() or copy.read_bytes() != path.read_bytes():
            copy.parent.mkdir(parents=True, exist_ok=True)
            copy.write_bytes(path.read_bytes())


def check_module(module: Path, kernel: str, arch: Arch = NATIVE) -> None:
    """MODULE=: the newest stock kernel of @kernel for @arch takes it."""
    if module.is_dir():
        return
    if not module.is_file():
        raise Failure(f"MODULE={module}: no such file")
    release = stock_headers(kernel or DEFAULT, arch).release
    found = re.search(rb"\0vermagic=(\S+) ", module_bytes(module))
    if found is None:
        raise Failure(f"MODULE={module} is not a kernel module")
    if found[1].decode() != release:
        raise Failure(f"MODULE={module} is for {found[1].decode()}, and the "
                      f"guest has {release}: build it for that")


def module_bytes(module: Path) -> bytes:
    """The module in @module, which may be compressed."""
    raw = module.read_bytes()
    return lzma.decompress(raw) if module.suffix == ".xz" else raw


def put_modules(kernel: Kernel, module: Path | None, root: Path,
                log: Path) -> list[str]:
    """Build the driver and the importer for @kernel, and put them into @root.

    Where @module is given it is the driver, as it is, with its signature; or the
    folder in which the driver is.

    Return: their names, in the order in which they can be loaded.
    """
    driver = module if module and module.is_dir() else REPO / "driver"
    for built in _build_modules(kernel, driver, log):
        logged("modules", [f"{kernel.arch.cross}objcopy", "-g", built,
                           root / built.name], log,
               "a module could not be stripped")
    if module and not module.is_dir():
        (root / DRIVER).write_bytes(module_bytes(module))
    return [DRIVER, IMPORTER]


def pack(root: Path, archive: Path, log: Path) -> Path:
    """Pack all of @root as an initramfs. Return: @archive."""
    names = sorted(str(path.relative_to(root)) for path in root.rglob("*"))
    with archive.open("wb") as out, log.open("a") as errors:
        packed = subprocess.run(
            ["cpio", "-o", "-H", "newc", "--quiet"], cwd=root, stdout=out,
            stderr=errors, env=environment(), check=False,
            input="".join(f"{name}\n" for name in names).encode())
    if packed.returncode:
        show_failure(log)
        raise Failure("cpio could not pack the initramfs")
    return archive


def log_of(kernel: Kernel, what: str) -> Path:
    """The log of building @what for @kernel, empty."""
    log = kernel.tree.logs / f"rig-{what}.log"
    log.parent.mkdir(parents=True, exist_ok=True)
    log.write_text("")
    return log


def lacks_heaps(headers: Path) -> bool:
    """Whether the kernel of @headers was built without the system heap."""
    return "CONFIG_DMABUF_HEAPS_SYSTEM=y" not in \
        (headers / ".config").read_text().splitlines()


def _build_modules(kernel: Kernel, driver: Path, log: Path) -> list[Path]:
    """The importer, and the driver in folder @driver, as modules for @kernel.

    The system heap, too, from the source package, where the kernel lacks it.
    """
    build = kernel.build / "modules"
    _copy_changed(driver, build / "driver")
    _copy_changed(GUEST, build / "importer")
    modules = [build / "driver" / DRIVER, build / "importer" / IMPORTER]
    heap = lacks_heaps(kernel.headers)
    if heap:
        modules.append(build / "importer" / HEAP)
    (build / "Kbuild").write_text("obj-m += driver/ importer/\n")
    logged("modules", ["make", "-C", kernel.headers, f"M={build}",
                       f"-j{JOBS}", "CONFIG_UDMABUF_FANOUT=m",
                       "CONFIG_EDU_IMPORTER=m", *kernel.arch.make,
                       *([f"HEAP_SOURCE={kernel.tree.path}/drivers/dma-buf"]
                         if heap else []), "modules"], log,
           "the guest's modules could not be built")
    return modules


def build_hostile(program: Path, log: Path, cross: str = "") -> None:
    """Build the hostile user as @program."""
    logged("hostile", [f"{cross}gcc", *GUEST_FLAGS, "-o", program,
                       *hostile_sources()], log,
           "the hostile program could not be built")


def um_kernel(kernel: str, ktree: str) -> Kernel:
    """The debug kernel for User Mode Linux that `make test` builds, too."""
    tree = choose(kernel, ktree)
    prepare(tree)
    build = build_kernel(tree, "um", "debug")
    release = (build / "include/config/kernel.release").read_text().strip()
    return Kernel("um", build / "linux", build, release, tree)


def initramfs(kernel: Kernel, module: Path | None = None) -> Path:
    """Build what the guest runs for @kernel and pack it; @module is as
    put_modules() takes it.
    """
    log = log_of(kernel, f"{kernel.name}-build")
    root = kernel.build / "root"
    root.mkdir(parents=True, exist_ok=True)
    cross = kernel.arch.cross
    put_modules(kernel, module, root, log)
    logged("guest", [f"{cross}gcc", *GUEST_FLAGS, "-o", root / "init",
                     *guest_sources()], log,
           "the guest program could not be built")
    build_hostile(root / "hostile", log, cross)
    # Newer ones include kselftest.h by its name alone.
    logged("selftest", [f"{cross}gcc", "-static", "-O2", "-o",
                        root / "selftest",
                        f"-I{kernel.tree.path}/tools/testing/selftests",
                        kernel.tree.path / SELFTEST], log,
           "the kernel's selftest could not be built")
    return pack(root, kernel.build / "initramfs", log)
