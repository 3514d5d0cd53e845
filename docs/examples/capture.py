#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0
"""A program to start from: a camera writes into memory of the program's own.

It is capture.c once more, with Python's standard library alone.
"""

import argparse
import ctypes
import errno
import fcntl
import mmap
import os
from types import TracebackType

FRAMES = 4      # that go round between camera and program
FILL = 0x5a
BLOCK = 64

# <linux/udmabuf.h>, <linux/dma-buf.h>
UDMABUF_FLAGS_CLOEXEC = 1
SYNC_READ, SYNC_WRITE = 1, 2
SYNC_START, SYNC_END = 0 << 2, 1 << 2
# <linux/videodev2.h>
VIDEO_CAPTURE = 1
MEMORY_DMABUF = 4


class UdmabufCreate(ctypes.Structure):
    """struct udmabuf_create"""

    _fields_ = [("memfd", ctypes.c_uint32), ("flags", ctypes.c_uint32),
                ("offset", ctypes.c_uint64), ("size", ctypes.c_uint64)]


class PixFormat(ctypes.Structure):
    """The beginning of struct v4l2_pix_format"""

    _fields_ = [(name, ctypes.c_uint32) for name in (
        "width", "height", "pixelformat", "field", "bytesperline",
        "sizeimage")]


class FormatUnion(ctypes.Union):
    """The union in struct v4l2_format, some of which has pointers"""

    _fields_ = [("pix", PixFormat), ("raw", ctypes.c_uint8 * 200),
                ("pointer", ctypes.c_void_p)]


class Format(ctypes.Structure):
    """struct v4l2_format"""

    _fields_ = [("type", ctypes.c_uint32), ("fmt", FormatUnion)]


class RequestBuffers(ctypes.Structure):
    """struct v4l2_requestbuffers"""

    _fields_ = [("count", ctypes.c_uint32), ("type", ctypes.c_uint32),
                ("memory", ctypes.c_uint32), ("reserved", ctypes.c_uint32 * 2)]


class Where(ctypes.Union):
    """The union in struct v4l2_buffer"""

    _fields_ = [("fd", ctypes.c_int32), ("userptr", ctypes.c_ulong)]


class Buffer(ctypes.Structure):
    """struct v4l2_buffer"""

    _fields_ = [("index", ctypes.c_uint32), ("type", ctypes.c_uint32),
                ("bytesused", ctypes.c_uint32), ("flags", ctypes.c_uint32),
                ("field", ctypes.c_uint32), ("timestamp", ctypes.c_long * 2),
                ("timecode", ctypes.c_uint32 * 4),
                ("sequence", ctypes.c_uint32), ("memory", ctypes.c_uint32),
                ("m", Where), ("length", ctypes.c_uint32),
                ("reserved", ctypes.c_uint32 * 2)]


def _iow(kind: str, number: int, size: int, both: bool = False) -> int:
    """_IOW(), or with @both _IOWR(), of <asm-generic/ioctl.h>."""
    return (3 if both else 1) << 30 | size << 16 | ord(kind) << 8 | number


UDMABUF_CREATE = _iow("u", 0x42, ctypes.sizeof(UdmabufCreate))
DMA_BUF_IOCTL_SYNC = _iow("b", 0, 8)
VIDIOC_G_FMT = _iow("V", 4, ctypes.sizeof(Format), both=True)
VIDIOC_REQBUFS = _iow("V", 8, ctypes.sizeof(RequestBuffers), both=True)
VIDIOC_QBUF = _iow("V", 15, ctypes.sizeof(Buffer), both=True)
VIDIOC_DQBUF = _iow("V", 17, ctypes.sizeof(Buffer), both=True)
VIDIOC_STREAMON = _iow("V", 18, 4)
VIDIOC_STREAMOFF = _iow("V", 19, 4)


def call(file: int, request: int,
         argument: ctypes.Structure | ctypes.c_int | ctypes.c_uint64) -> int:
    """ioctl(), again as long as a signal interrupts it: Python does not."""
    while True:
        try:
            return int(fcntl.ioctl(file, request, argument))
        except OSError as error:
            if error.errno not in (errno.EINTR, errno.EAGAIN):
                raise


class Access:
    """A CPU access to a buffer: `with Access(buffer, SYNC_READ): ...`."""

    def __init__(self, buffer: int, what: int) -> None:
        self.buffer, self.what = buffer, what

    def _sync(self, when: int) -> None:
        call(self.buffer, DMA_BUF_IOCTL_SYNC, ctypes.c_uint64(when | self.what))

    def __enter__(self) -> None:
        self._sync(SYNC_START)

    def __exit__(self, kind: type[BaseException] | None,
                 error: BaseException | None,
                 trace: TracebackType | None) -> None:
        self._sync(SYNC_END)


class Frame:
    """A dma-buf of @size bytes, mapped, with its descriptor in @buffer."""

    def __init__(self, node: int, size: int, huge: bool = False) -> None:
        memfd = os.memfd_create("frame", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING
                                | (os.MFD_HUGETLB if huge else 0))
        try:
            # Whole pages of the memfd, whatever their size.
            page = os.fstat(memfd).st_blksize
            self.size = (size + page - 1) // page * page
            os.ftruncate(memfd, self.size)
            # A buffer is never cut off, so neither may its memory be.
            fcntl.fcntl(memfd, fcntl.F_ADD_SEALS, fcntl.F_SEAL_SHRINK)
            self.buffer = call(node, UDMABUF_CREATE, UdmabufCreate(
                memfd, UDMABUF_FLAGS_CLOEXEC, 0, self.size))
        finally:
            os.close(memfd)     # the buffer has the memory
        self.data = mmap.mmap(self.buffer, self.size)

    def fill(self) -> None:
        """Write to a frame that the camera does not have."""
        with Access(self.buffer, SYNC_WRITE):
            self.data[:] = bytes([FILL]) * self.size

    def read(self, used: int) -> bytes:
        """Read the first @used bytes of what the camera wrote."""
        with Access(self.buffer, SYNC_READ):
            return self.data[:used]


class Camera:
    """A V4L2 device that writes into frames."""

    def __init__(self, name: str) -> None:
        self.file = os.open(name, os.O_RDWR | os.O_CLOEXEC)

    def frame_size(self) -> int:
        """How large a frame is that the camera writes."""
        wanted = Format(type=VIDEO_CAPTURE)
        call(self.file, VIDIOC_G_FMT, wanted)
        return int(wanted.fmt.pix.sizeimage)

    def take(self, frames: list[Frame]) -> None:
        """Give the camera all of @frames, and have it begin."""
        call(self.file, VIDIOC_REQBUFS, RequestBuffers(
            len(frames), VIDEO_CAPTURE, MEMORY_DMABUF))
        for index, frame in enumerate(frames):
            self.queue(index, frame)
        call(self.file, VIDIOC_STREAMON, ctypes.c_int(VIDEO_CAPTURE))

    def queue(self, index: int, frame: Frame) -> None:
        """Give the camera a frame."""
        call(self.file, VIDIOC_QBUF, Buffer(
            index=index, type=VIDEO_CAPTURE, memory=MEMORY_DMABUF,
            m=Where(fd=frame.buffer), length=frame.size))

    def next(self) -> tuple[int, int]:
        """Wait for a frame. Return: its number, and how much is in it."""
        got = Buffer(type=VIDEO_CAPTURE, memory=MEMORY_DMABUF)
        call(self.file, VIDIOC_DQBUF, got)
        return got.index, got.bytesused

    def stop(self) -> None:
        """Have all frames back."""
        call(self.file, VIDIOC_STREAMOFF, ctypes.c_int(VIDEO_CAPTURE))


def main() -> None:
    """Capture some frames, and say what is in them."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("-n", metavar="NODE", default="/dev/udmabuf-fanout")
    parser.add_argument("-d", metavar="CAMERA", default="/dev/video0")
    parser.add_argument("-c", metavar="FRAMES", type=int, default=8)
    parser.add_argument("-H", action="store_true", help="huge pages")
    options = parser.parse_args()

    node = os.open(options.n, os.O_RDWR | os.O_CLOEXEC)
    camera = Camera(options.d)
    frames = [Frame(node, camera.frame_size(), options.H)
              for _ in range(FRAMES)]
    for frame in frames:
        frame.fill()
    camera.take(frames)
    for number in range(options.c):
        # From here on the frame is the program's ...
        index, used = camera.next()
        seen = frames[index].read(used)
        left = sum(seen[at:at + BLOCK] == bytes([FILL]) * BLOCK
                   for at in range(0, used - BLOCK + 1, BLOCK)) * BLOCK
        print(f"frame {number}: {used} bytes, begins {seen[:4].hex(' ')}, "
              f"{left} not written")
        frames[index].fill()
        # ... and the camera's again.
        camera.queue(index, frames[index])
    camera.stop()


if __name__ == "__main__":
    main()
