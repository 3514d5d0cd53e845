#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0
"""The init of the guest that plays docs/examples: see rig/examples.py.

The cameras are the kernel's vivid, which writes through the kernel's mappings: no
sync that is missing would be missed. So frames of the Python example are lent to
the rig's devices, too, one of which has a copy.
"""

import ctypes
import fcntl
import json
import os
import signal
import struct
import subprocess
import sys
import termios
import tty
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

MS_BIND = 4096
REBOOT_OFF = 0x4321fedc
SYS_SET_MEMPOLICY, SYS_FINIT_MODULE = 238, 313      # of x86-64
MPOL_BIND, HIGH_NODE = 2, 1
LIBC = ctypes.CDLL(None, use_errno=True)
MODULES = Path("/modules")
# Contiguous memory or not; direct to the DMA API, or for vmap().
VIVID = b"n_devs=2 node_types=0x1,0x1 allocators=0,1"
PARAMETERS = {"vivid.ko": VIVID, "edu_importer.ko": b"mask_bits=32,32,64,64"}
CAMERAS: dict[str, list[str]] = {"/dev/video0": [], "/dev/video1": ["-H"]}
PROGRAMS = {"C": ["/capture"], "C, interrupted": ["/interrupted"],
            "Python": ["/usr/bin/python3", "/capture.py"]}
# <edu_importer.h>; direction 2: the device writes, 1: it reads
EDU = "/dev/edu-importer"
EDU_MAP, EDU_TRANSFER = struct.Struct("=IIIIQ"), struct.Struct("=IIQQII")
EDU_LENGTH = 1024


def checked(result: int, what: str) -> None:
    """@result of a libc call, or its errno as an OSError."""
    if result < 0:
        number = ctypes.get_errno()
        raise OSError(number, f"{what}: {os.strerror(number)}")


def set_up() -> int:
    """Mount what programs expect. Return: the result channel."""
    for kind, where in (("devtmpfs", "/dev"), ("proc", "/proc"),
                        ("sysfs", "/sys"), ("debugfs", "/sys/kernel/debug")):
        os.makedirs(where, exist_ok=True)
        checked(LIBC.mount(kind.encode(), where.encode(), kind.encode(), 0,
                           None), where)
    port = os.open("/dev/ttyS1", os.O_RDWR | os.O_NOCTTY)
    tty.setraw(port, termios.TCSANOW)
    return port


def load() -> None:
    """Load the modules, in the order in which they lie there."""
    for name in (MODULES / "order").read_text().split():
        with (MODULES / name).open("rb") as file:
            checked(LIBC.syscall(SYS_FINIT_MODULE, file.fileno(),
                                 PARAMETERS.get(name, b""), 0), name)


def play(command: list[str]) -> dict[str, Any]:
    """Run @command. Return: what it said and how it ended."""
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    return {"status": done.returncode,
            "said": (done.stdout + done.stderr).splitlines()}


class Device:
    """One of the rig's devices, with a mapping of @frame."""

    def __init__(self, index: int, frame: Any, direction: int) -> None:
        self.door = os.open(EDU, os.O_RDWR)
        attach = self.ask(2, EDU_MAP, index, frame.buffer, 0, 0, 0)
        self.attachment = int(attach[2])
        self.ask(4, EDU_MAP, self.attachment, direction, 0, 0, 0)

    def ask(self, number: int, form: struct.Struct, *values: int,
            both: bool = True) -> tuple[int, ...]:
        """One of the importer's calls. Return: its argument afterwards."""
        raw = bytearray(form.pack(*values))
        fcntl.ioctl(self.door, (3 if both else 1) << 30 | form.size << 16
                    | ord("e") << 8 | number, raw)
        return form.unpack(raw)

    def transfer(self, number: int, data: Any) -> None:
        """Have the device write (6) or read (7) all of @data."""
        self.ask(number, EDU_TRANSFER, self.attachment, len(data), 0,
                 ctypes.addressof(data), 0, 0, both=False)


def lend(index: int) -> dict[str, Any]:
    """What a device and the CPU see of each other through a frame's bracket."""
    import capture
    node = os.open("/dev/udmabuf-fanout", os.O_RDWR)
    frame = capture.Frame(node, 1 << 20)
    frame.fill()
    seen = {}
    data = ctypes.create_string_buffer(bytes(range(256)) * 4, EDU_LENGTH)
    Device(index, frame, 2).transfer(6, data)
    seen["cpu"] = frame.read(EDU_LENGTH) == data.raw
    reader = Device(index, frame, 1)
    frame.fill()
    reader.transfer(7, data)
    seen["device"] = data.raw == bytes([capture.FILL]) * EDU_LENGTH
    return seen


def renamed() -> dict[str, Any]:
    """Whether a program that insists on the stock name can be given ours."""
    checked(LIBC.mount(b"/dev/udmabuf-fanout", b"/dev/udmabuf", None, MS_BIND,
                       None), "/dev/udmabuf")
    said = play([*PROGRAMS["C"], "-n", "/dev/udmabuf", "-c", "6"])
    ours = os.stat("/dev/udmabuf").st_rdev
    checked(LIBC.umount(b"/dev/udmabuf"), "/dev/udmabuf")
    return {**said, "ours": ours == os.stat("/dev/udmabuf-fanout").st_rdev}


def interrupted() -> dict[str, int]:
    """Whether Python's calls go on when signals interrupt them."""
    import capture
    signals, waited = [], 0
    signal.signal(signal.SIGALRM, lambda *_: signals.append(1))
    camera = capture.Camera("/dev/video0")
    frames = [capture.Frame(os.open("/dev/udmabuf-fanout", os.O_RDWR),
                            camera.frame_size()) for _ in range(capture.FRAMES)]
    camera.take(frames)
    for _ in range(8):
        # A frame takes longer than this: the wait for it is interrupted.
        signal.setitimer(signal.ITIMER_REAL, 0.002)
        index, _ = camera.next()
        camera.queue(index, frames[index])
        waited += 1
    camera.stop()
    return {"signals": len(signals), "frames": waited}


def report() -> dict[str, Any]:
    """What is reported while a camera has frames, and a device of the rig one."""
    import capture
    node = os.open("/dev/udmabuf-fanout", os.O_RDWR)
    camera = capture.Camera("/dev/video1")
    frames = [capture.Frame(node, camera.frame_size(), huge=True)
              for _ in range(capture.FRAMES)]
    camera.take(frames)
    lent = Device(0, capture.Frame(node, 1 << 20), 1)
    said = play(["/usr/bin/python3", "/udmabuf-fanout-report"])
    camera.stop()
    os.close(lent.door)
    return said


def main() -> int:
    """Play all of it. Return: 0 if that was possible."""
    port = set_up()

    def emit(what: str, name: str, value: dict[str, Any]) -> None:
        line = json.dumps({what: name, **value}) + "\n"
        os.write(port, line.encode())
        termios.tcdrain(port)

    def emit_alone(what: str, name: str,
                   found: Callable[[], dict[str, Any]]) -> None:
        """Emit what @found returns in a process whose files close with it."""
        pid = os.fork()
        if not pid:
            try:
                emit(what, name, found())
            except BaseException as error:
                emit("error", f"{name}: {type(error).__name__}: {error}", {})
            os._exit(0)
        os.waitpid(pid, 0)

    try:
        load()
        # Out of reach for devices of 32 bits.
        checked(LIBC.syscall(SYS_SET_MEMPOLICY, MPOL_BIND,
                             ctypes.byref(ctypes.c_ulong(1 << HIGH_NODE)), 64),
                "set_mempolicy()")
        sys.path.insert(0, "/")
        for name, command in PROGRAMS.items():
            for camera, options in CAMERAS.items():
                emit("program", f"{name} {camera}",
                     play([*command, "-d", camera, "-c", "6", *options]))
        emit("program", "C, stock node",
             play([*PROGRAMS["C"], "-n", "/dev/udmabuf", "-c", "6"]))
        emit("program", "C, our node by the stock name", renamed())
        emit("program", "C, no camera", play([*PROGRAMS["C"], "-d", "/dev/no"]))
        for index, name in ((1, "bounced"), (2, "direct")):
            emit_alone("device", name, partial(lend, index))
        emit_alone("interrupted", "Python", interrupted)
        emit_alone("report", "all", report)
        status = 0
    except BaseException as error:      # whatever it is: the host must know
        emit("error", f"{type(error).__name__}: {error}", {})
        status = 1
    os.write(port, f'{{"end": {status}}}\n'.encode())
    termios.tcdrain(port)
    LIBC.reboot(ctypes.c_uint(REBOOT_OFF))
    return status


if __name__ == "__main__":
    main()
