# SPDX-License-Identifier: GPL-2.0
"""The series that adds this driver to a kernel."""

from pathlib import Path

from fanout.host import REPO, say, shown
from fanout.tree import JOINT
from series import steps
from series.documents import documents
from series.letter import demo_figures, demo_table, letter, page_table
from series.repository import Repository, head
from series.source import TESTS, kernel_files, kernel_of
from series.steps import STEPS


def _makefiles(present: set[str], suites: set[str], module: bool) \
        -> dict[str, str]:
    """What says how the files that are there are built."""
    read = {name: (REPO / name).read_text() for name in (
        "driver/Makefile", "kunit/Makefile", "driver/Kconfig", "kunit/Kconfig")}
    return {
        f"{JOINT}/Makefile": steps.driver_makefile(read["driver/Makefile"],
                                                   present),
        f"{JOINT}/{TESTS}/Makefile": steps.tests_makefile(
            read["kunit/Makefile"], suites),
        f"{JOINT}/Kconfig": steps.kconfig(
            read["driver/Kconfig"], read["kunit/Kconfig"], module,
            "fake_device" in suites)}


def commit_all(repository: Repository) -> None:
    """Commit each step of the series."""
    files = kernel_files(kernel_of(repository.tree))
    present: set[str] = set()
    suites: set[str] = set()
    for step, names in zip(STEPS, steps.split(files)):
        new = {name: files[name] for name in names}
        present |= set(step.driver.split())
        suites |= set(step.tests.split())
        new |= _makefiles(present, suites, "main" in present)
        new[f"{JOINT}/.kunitconfig"] = steps.kunitconfig(
            (REPO / ".kunitconfig").read_text(), "fake_device" in suites)
        if step is steps.PLAN:
            new |= {
                "drivers/dma-buf/Kconfig": steps.joined_kconfig(
                    repository.read("drivers/dma-buf/Kconfig")),
                "drivers/dma-buf/Makefile": steps.joined_makefile(
                    repository.read("drivers/dma-buf/Makefile")),
                "MAINTAINERS": steps.maintainers(
                    repository.read("MAINTAINERS"), str(repository.who))}
        if "fail_test" in step.tests:
            new[steps.ALL_TESTS] = steps.all_tests(
                repository.read(steps.ALL_TESTS))
        if step.docs:
            name = "Documentation/driver-api/index.rst"
            new |= documents()
            new |= {name: steps.index(repository.read(name)),
                    "MAINTAINERS": steps.maintainers_docs(
                        repository.read("MAINTAINERS"))}
        repository.commit(new, step.message)


def make(repository: Repository, out: Path) -> list[Path]:
    """Write the series to @out."""
    figures = demo_figures(repository.tree)
    repository.make()
    commit_all(repository)
    subject, text = letter(
        "fanout", demo_kernel=figures["kernel"], demo=demo_table(figures, "this"),
        bench=page_table("demo.md", "Measured on 64 MiB when this page", 4),
        copies=page_table("demo.md", "### Copies", 3),
        release=repository.tree.release, project=head("udmabuf-fanout %h"))
    patches = repository.write_patches(out, subject, text)
    say("series", f"{len(patches) - 1} patches and a cover letter for linux "
        f"{repository.tree.release} in {shown(out)}")
    return patches
