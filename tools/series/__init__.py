# SPDX-License-Identifier: GPL-2.0
"""The driver as patches that a kernel maintainer could take."""
