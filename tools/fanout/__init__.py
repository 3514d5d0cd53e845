# SPDX-License-Identifier: GPL-2.0
"""Build and test tools: kernel tree preparation, KUnit runs, module, checks."""
