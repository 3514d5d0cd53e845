# SPDX-License-Identifier: GPL-2.0
"""The Debian package, and the command that it brings."""
