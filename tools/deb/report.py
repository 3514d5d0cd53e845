#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0
"""Prints what a report about udmabuf-fanout needs; run it as root.

It changes nothing. Read what it prints before you send it to anybody: it names
devices of the machine.
"""

import argparse
import errno
import grp
import os
import pwd
import re
import shutil
import stat
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

MODULE = "udmabuf_fanout"
# What decides which of its ways the driver goes.
_OPTIONS = re.compile(r"^CONFIG_(UDMABUF\w*|DMABUF_\w+|DMA_API_DEBUG\w*|"
                      r"SWIOTLB\w*|AMD_MEM_ENCRYPT|INTEL_TDX_GUEST|"
                      r"TRANSPARENT_HUGEPAGE\w*)=.*$", re.MULTILINE)
_ARGUMENTS = re.compile(r"(\S*(?:iommu|swiotlb|mem_encrypt|udmabuf)\S*)")
_OF_A_DEVICE = ("modalias", "dma_mask_bits", "consistent_dma_mask_bits",
                "numa_node", "iommu_group/type")


def text(path: Path) -> str | None:
    """What is in @path, None if that cannot be read."""
    try:
        return path.read_text(errors="replace").rstrip("\n")
    except OSError:
        return None


def output(*command: str) -> str:
    """What @command prints, or why there is nothing."""
    if shutil.which(command[0]) is None:
        return f"{command[0]} is not installed"
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    return (done.stdout or done.stderr).strip() or "nothing"


def module(root: Path) -> Iterator[str]:
    """What is loaded, and what there is to load."""
    loaded = root / "sys/module" / MODULE
    if loaded.is_dir():
        for name in ("version", "srcversion", "taint", "refcnt"):
            yield f"{name}: {text(loaded / name) or '-'}"
    else:
        yield f"not loaded: modprobe {MODULE}"
    yield f"modinfo: {output('modinfo', '-F', 'vermagic', MODULE)}"
    yield f"dkms: {output('dkms', 'status', 'udmabuf-fanout')}"


def kernel(root: Path) -> Iterator[str]:
    """Which kernel runs, how it was built and started."""
    yield f"{text(root / 'proc/version')}"
    release = text(root / "etc/os-release") or ""
    yield from re.findall(r"^PRETTY_NAME=.*$", release, re.MULTILINE)
    yield "arguments: " + " ".join(_ARGUMENTS.findall(
        text(root / "proc/cmdline") or ""))
    config = text(root / f"boot/config-{os.uname().release}")
    if config is None:
        yield "configuration: not in /boot"
    else:
        yield from (match[0] for match in _OPTIONS.finditer(config))


def parameters(root: Path) -> Iterator[str]:
    """The module's parameters as they are."""
    for path in sorted((root / "sys/module" / MODULE / "parameters").glob("*")):
        yield f"{path.name}={text(path)}"


def node(root: Path) -> Iterator[str]:
    """The device node, and whose it is."""
    name = text(root / "sys/module" / MODULE / "parameters/name")
    for path in [root / "dev" / (name or "udmabuf-fanout"),
                 root / "dev/udmabuf"]:
        try:
            found = path.stat()
        except OSError as error:
            yield f"{path}: {error.strerror}"
            continue
        yield (f"{path}: {stat.filemode(found.st_mode)} "
               f"{_named(pwd.getpwuid, found.st_uid)} "
               f"{_named(grp.getgrgid, found.st_gid)}")


def _named(database: Callable[[int], pwd.struct_passwd | grp.struct_group],
           number: int) -> str:
    """The name of user or group @number, the number if it has none."""
    try:
        return str(database(number)[0])
    except KeyError:
        return str(number)


def buffers(root: Path) -> Iterator[str]:
    """Every buffer's file in debugfs, and the devices that they name."""
    debug = root / "sys/kernel/debug"
    folder = debug / "udmabuf-fanout"
    if not folder.is_dir():
        yield "none to be seen: " + (
            f"{MODULE} is not loaded" if any(debug.glob("*")) else
            "mount -t debugfs debugfs /sys/kernel/debug")
        return
    devices: set[str] = set()
    files = sorted(folder.iterdir())
    yield f"{len(files)}"
    for path in files:
        shown = text(path)
        yield f"buffer {path.name}"
        yield shown or "gone"
        devices.update(re.findall(r"^peer: (\S+)", shown or "", re.MULTILINE))
    for name in sorted(devices):
        yield f"device {name}"
        yield from device(root, name)


def device(root: Path, name: str) -> Iterator[str]:
    """What sysfs knows of device @name that decides its kind."""
    for path in (root / "sys/bus").glob(f"*/devices/{name}"):
        driver = path / "driver"
        yield f"driver: {driver.resolve().name if driver.exists() else '-'}"
        for file in _OF_A_DEVICE:
            found = text(path / file)
            if found is not None:
                yield f"{file}: {found}"


def messages(root: Path) -> Iterator[str]:
    """What the kernel has said of the module, if it still knows."""
    try:
        log = os.open(root / "dev/kmsg", os.O_RDONLY | os.O_NONBLOCK)
    except OSError as error:
        yield f"/dev/kmsg: {error.strerror}"
        return
    while True:
        try:
            record = os.read(log, 8192).decode(errors="replace")
        except OSError as error:
            if error.errno == errno.EPIPE:      # overwritten as it was read
                continue
            break
        if not record:
            break
        header, _, said = record.partition(";")
        if re.search(r"udmabuf.fanout", said):
            seconds = int(header.split(",")[2]) / 1e6
            yield f"[{seconds:.6f}] {said.splitlines()[0]}"
    os.close(log)


SECTIONS = (module, kernel, parameters, node, buffers, messages)


def main(arguments: list[str], root: Path = Path("/")) -> int:
    """Return: 0, or 2 if this user may not see what is asked for."""
    argparse.ArgumentParser(prog="udmabuf-fanout-report",
                            description=__doc__).parse_args(arguments)
    if os.geteuid():
        print("error: only root sees the buffers: run it with sudo",
              file=sys.stderr)
        return 2
    for section in SECTIONS:
        print(f"## {section.__name__}", flush=True)
        for line in section(root):
            print(line, flush=True)
        print()
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
