# SPDX-License-Identifier: GPL-2.0
"""Patched udmabuf in the demo: as a module, beside the stock one in the kernel."""

import json
import shutil
from typing import Any

from rig.__main__ import demo, parse
from series.repository import Repository
from series.source import NAME, PLAN, Kernel, changed_once, kernel_of

MAKEFILE = """\
# SPDX-License-Identifier: GPL-2.0
obj-$(CONFIG_UDMABUF_FANOUT) += udmabuf_fanout.o
udmabuf_fanout-y := udmabuf.o dma-buf-sync-plan.o
"""
# The kernel does not export what asks for seals.
_SEALS = """\
static int memfd_seals(struct file *memfd)
{
	return shmem_file(memfd) ? SHMEM_I(file_inode(memfd))->seals :
				   HUGETLBFS_I(file_inode(memfd))->seals;
}

"""


def module_text(text: str, kernel: Kernel) -> str:
    """udmabuf.c's @text as a module that has its node beside the stock one."""
    for old, new in (
            ("\tseals = memfd_fcntl(memfd, F_GET_SEALS, 0);\n",
             "\tseals = memfd_seals(memfd);\n"),
            ("static int check_memfd_seals(",
             f"{_SEALS}static int check_memfd_seals("),
            ('.name           = "udmabuf",',
             '.name           = "udmabuf-fanout",')):
        text = changed_once(NAME, text, old, new)
    return text + 'MODULE_DESCRIPTION("patched udmabuf");\n' \
        f'MODULE_LICENSE("GPL");\nMODULE_IMPORT_NS({kernel.namespace});\n'


def play(repository: Repository) -> dict[str, Any]:
    """Play the demo on udmabuf.c as it is in @repository now.

    Return: what the demo writes. That it passes is not asked for.
    """
    folder = repository.folder / "udmabuf"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    (folder / "Makefile").write_text(MAKEFILE)
    (folder / "udmabuf.c").write_text(module_text(
        repository.read(NAME), kernel_of(repository.tree)))
    for suffix in (".c", ".h"):
        shutil.copy(repository.work / (PLAN + suffix), folder)
    _, text = demo(parse(["demo", "--json", f"--kernel={repository.tree.name}",
                          f"--module={folder}"]))
    figures = json.loads(text)
    assert isinstance(figures, dict)
    return figures
