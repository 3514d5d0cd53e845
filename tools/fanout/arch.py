# SPDX-License-Identifier: GPL-2.0
"""The architectures that kernels, modules and programs are built for."""

from dataclasses import dataclass

from fanout import apt
from fanout.host import (ARM64_PROGRAMS, CROSS_ARM64, CROSS_ARMHF,
                         CROSS_RISCV64, Failure, Need)


@dataclass(frozen=True)
class Arch:
    """One of them, and what it is called by whom."""

    name: str                       # as ARCH= and Debian say it
    kernel: str = ""                # as the kernel's Makefile says it
    cross: str = ""                 # what its compiler's names begin with
    needs: tuple[Need, ...] = ()    # to build modules
    programs: tuple[Need, ...] = () # and programs
    packaged: bool = True           # against Debian's headers
    options: tuple[str, ...] = ()   # of the kernel, if it is configured

    @property
    def debian(self) -> str:
        """Debian's name: this machine's own where ARCH= was not given."""
        return self.name if self.cross else apt.architecture()

    @property
    def foreign(self) -> str:
        """Debian's name, nothing if this machine's own apt has it."""
        return self.debian if self.cross else ""

    @property
    def make(self) -> tuple[str, ...]:
        """What the kernel's Makefile is told."""
        return (f"ARCH={self.kernel}", f"CROSS_COMPILE={self.cross}") \
            if self.cross else ()


NATIVE = Arch("")
ARM64 = Arch("arm64", "arm64", "aarch64-linux-gnu-", CROSS_ARM64,
             ARM64_PROGRAMS)
# Debian 12 has no kernel for riscv64, and none called after armhf. Of a source
# tree the 32-bit one has physical addresses that are longer than a pointer.
ARMHF = Arch("armhf", "arm", "arm-linux-gnueabihf-", CROSS_ARMHF,
             packaged=False, options=("CONFIG_ARM_LPAE=y",))
RISCV64 = Arch("riscv64", "riscv", "riscv64-linux-gnu-", CROSS_RISCV64,
               packaged=False)
FOREIGN = {arch.name: arch for arch in (ARM64, ARMHF, RISCV64)}


def named(name: str) -> Arch:
    """What a module is built for with ARCH=@name, this machine if empty."""
    if name and name not in FOREIGN:
        raise Failure(f"ARCH={name}: a module can be built for "
                      f"{', '.join(FOREIGN)}, or without ARCH= for this "
                      "machine")
    return FOREIGN.get(name, NATIVE)
