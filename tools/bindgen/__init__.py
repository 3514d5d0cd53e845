# SPDX-License-Identifier: GPL-2.0
"""Generates the driver's bindings and the KUnit shim from a kernel tree."""


class Failure(Exception):
    """Something a person must act on; the text says what."""
