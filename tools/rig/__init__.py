# SPDX-License-Identifier: GPL-2.0
"""The proof on a real kernel: real DMA in QEMU, three exporters side by side."""
