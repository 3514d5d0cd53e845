# SPDX-License-Identifier: GPL-2.0
"""The review report: what a change does to the syncs of a dma-buf exporter."""
