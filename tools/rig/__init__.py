# SPDX-License-Identifier: GPL-2.0
"""The proof on a real kernel: real DMA, three exporters side by side."""
