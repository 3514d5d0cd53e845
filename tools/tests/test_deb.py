# SPDX-License-Identifier: GPL-2.0
"""Tests of the package, of the report command, and of how both are judged."""

import contextlib
import io
import os
import re
import subprocess
import tempfile
import unittest
from pathlib import Path
from unittest import mock

from deb import report
from fanout import deb, deb_test, tree
from fanout.host import REPO, Failure, Totals

CONF = deb.PACKAGING / "debian/udmabuf-fanout-dkms.dkms"


def directive(name: str) -> str:
    """What dkms.conf sets @name to."""
    match = re.search(rf'^{name}="(.*)"$', CONF.read_text(), re.MULTILINE)
    assert match
    return match[1]


class Version(unittest.TestCase):
    """There is one, and it is the driver's."""

    def test_the_drivers(self) -> None:
        """It is found, and nothing else has one of its own."""
        number = deb.version((REPO / "driver/main.c").read_text())
        self.assertRegex(number, r"^\d+\.\d+")
        self.assertEqual(directive("PACKAGE_VERSION"), "#MODULE_VERSION#")
        for path in deb.PACKAGING.rglob("*"):
            if path.is_file() and path.suffix not in (".py", ".pyc"):
                self.assertNotIn(f"-{number}", path.read_text(), path)

    def test_none_or_no_version(self) -> None:
        """One message says where it has to be."""
        for source in ("", 'MODULE_VERSION("v1");', 'MODULE_VERSION("1-2");',
                       'MODULE_VERSION("1");\nMODULE_VERSION("2");'):
            with self.assertRaisesRegex(Failure, "driver/main.c needs one"):
                deb.version(source)


class Maintainer(unittest.TestCase):
    """Nobody's name is made up."""

    def told(self, **variables: str) -> str:
        """Who answers for the package with @variables set."""
        env = {name: value for name, value in os.environ.items()
               if not name.startswith("DEB")}
        with mock.patch.dict("os.environ", {**env, **variables}, clear=True):
            return deb.maintainer()

    def test_who(self) -> None:
        """Who Debian's variables name, or nobody."""
        self.assertEqual(self.told(), deb.NOBODY)
        self.assertEqual(self.told(DEBFULLNAME="A B", DEBEMAIL="a@b.example"),
                         "A B <a@b.example>")

    def test_half_of_it(self) -> None:
        """Is an error, as is what is no address."""
        for variables in ({"DEBFULLNAME": "A B"}, {"DEBEMAIL": "a@b.example"},
                          {"DEBFULLNAME": "A", "DEBEMAIL": "a b"}):
            with self.assertRaisesRegex(Failure, "set both, or neither"):
                self.told(**variables)


class Package(unittest.TestCase):
    """What is put together for Debian's tools."""

    def test_the_tree(self) -> None:
        """Each file that debhelper is told of is there."""
        with tempfile.TemporaryDirectory() as folder:
            made = Path(folder, "deb/tree")
            deb.make_tree(made, "1.2")
            for kind in ("install", "docs", "manpages"):
                listed = (made / f"debian/{deb.PACKAGE}.{kind}").read_text()
                for line in listed.splitlines():
                    self.assertTrue(list(made.glob(line.split()[0])), line)
            self.assertNotIn("@", re.sub(r"<\S+>", "", (
                made / "debian/control").read_text()))
            log = (made / "debian/changelog").read_text()
            self.assertRegex(log, r"\Audmabuf-fanout \(1\.2\) unstable;")
            self.assertRegex(log, r"\n -- .+ <.+>  \w{3}, +\d+ \w{3} \d{4} "
                             r"\d\d:\d\d:\d\d [+-]\d{4}\n\Z")
            links = re.findall(r"\]\(([^):#]+)[)#]",
                               (made / "docs/using.md").read_text())
            self.assertIn("examples/capture.c", links)
            for link in links:
                self.assertTrue((made / "docs" / link).is_file(), link)

    def test_kernels(self) -> None:
        """dkms.conf takes those from 6.12 on, as bash matches it."""
        pattern = directive("BUILD_EXCLUSIVE_KERNEL")
        for release, taken in (
                ("6.12.117+deb12-amd64", True), ("6.12.0", True),
                ("6.20.1", True), ("7.0.0-rc1", True), ("7.3.4+deb13-amd64", True),
                ("10.1.2", True), ("6.11.9", False), ("6.1.192-2", False),
                ("6.9.12", False), ("5.15.0", False), ("4.12.1", False)):
            found = subprocess.run(
                ["bash", "-c", '[[ $1 =~ $2 ]]', "bash", release, pattern],
                check=False).returncode == 0
            self.assertEqual(found, taken, release)
        self.assertEqual(tree.OLDEST, (6, 12))

    def test_configuration(self) -> None:
        """dkms.conf wants what Kconfig depends on and selects."""
        kconfig = (REPO / "driver/Kconfig").read_text().partition("\thelp")[0]
        wanted = {f"CONFIG_{name}" for line in
                  re.findall(r"^\t(?:depends on|select) (.*)", kconfig,
                             re.MULTILINE)
                  if "||" not in line
                  for name in re.findall(r"(?<!!)\b[A-Z]\w+", line)}
        refused = {f"!CONFIG_{name}" for name in
                   re.findall(r"!([A-Z]\w+)", kconfig)} - {
                       # MIPS or this: Debian has no such MIPS kernels, and
                       # there the build says it.
                       "!CONFIG_MIPS", "!CONFIG_ARCH_HAS_PHYS_TO_DMA"}
        self.assertEqual(set(directive("BUILD_EXCLUSIVE_CONFIG").split()),
                         wanted | refused)


class Report(unittest.TestCase):
    """The report command, on a machine made of files."""

    def setUp(self) -> None:
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.root = Path(folder.name)

    def write(self, name: str, text: str = "") -> None:
        """Have a file @name."""
        path = self.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)

    def told(self, section: object) -> list[str]:
        """What one section says of it."""
        assert callable(section)
        return list(section(self.root))

    def test_module(self) -> None:
        """Its version; or that it is not there, and what to do."""
        self.assertIn("not loaded: modprobe udmabuf_fanout",
                      self.told(report.module))
        self.write("sys/module/udmabuf_fanout/version", "1.2\n")
        self.assertIn("version: 1.2", self.told(report.module))

    def test_kernel(self) -> None:
        """What matters of its command line, and no more: it may have secrets."""
        self.write("proc/version", "Linux version 6.12\n")
        self.write("proc/cmdline", "root=/dev/x password=y swiotlb=force iommu=pt")
        self.write(f"boot/config-{os.uname().release}",
                   "CONFIG_UDMABUF=y\nCONFIG_NET=y\nCONFIG_SWIOTLB=y\n")
        self.assertEqual(self.told(report.kernel), [
            "Linux version 6.12", "arguments: swiotlb=force iommu=pt",
            "CONFIG_UDMABUF=y", "CONFIG_SWIOTLB=y"])

    def test_parameters_and_node(self) -> None:
        """As they are; the node may have another name."""
        self.write("sys/module/udmabuf_fanout/parameters/size_limit_mb", "64\n")
        self.write("sys/module/udmabuf_fanout/parameters/name", "other\n")
        self.write("dev/other")
        (self.root / "dev/other").chmod(0o640)
        self.assertEqual(self.told(report.parameters),
                         ["name=other", "size_limit_mb=64"])
        said = self.told(report.node)
        self.assertRegex(said[0], r"dev/other: -rw-r----- \S+ \S+$")
        self.assertRegex(said[1], r"dev/udmabuf: No such file")

    def test_buffers_and_their_devices(self) -> None:
        """Each buffer's file, then each device once."""
        debug = "sys/kernel/debug/udmabuf-fanout"
        self.write(f"{debug}/7", "size: 4096\npeer: 0000:00:05.0 kind=copy x\n")
        self.write(f"{debug}/9", "size: 8192\npeer: 0000:00:05.0 kind=copy y\n")
        device = "sys/bus/pci/devices/0000:00:05.0"
        self.write(f"{device}/dma_mask_bits", "32\n")
        self.write("drivers/camera/x")
        (self.root / device / "driver").symlink_to(self.root / "drivers/camera")
        said = self.told(report.buffers)
        self.assertEqual(said[0], "2")
        self.assertEqual(said[1:3], [
            "buffer 7", "size: 4096\npeer: 0000:00:05.0 kind=copy x"])
        self.assertEqual(said[5:], ["device 0000:00:05.0", "driver: camera",
                                    "dma_mask_bits: 32"])

    def test_no_buffers_to_be_seen(self) -> None:
        """It says why."""
        self.assertRegex(self.told(report.buffers)[0], "mount -t debugfs")
        self.write("sys/kernel/debug/other/x")
        self.assertRegex(self.told(report.buffers)[0], "is not loaded")

    def test_messages(self) -> None:
        """The kernel's about the module, with their time."""
        self.write("dev/kmsg", "6,1,2500000,-;udmabuf_fanout: hello\n")
        self.assertEqual(self.told(report.messages),
                         ["[2.500000] udmabuf_fanout: hello"])

    def test_a_bare_machine(self) -> None:
        """Nothing that is missing stops it."""
        out = io.StringIO()
        with mock.patch("os.geteuid", return_value=0), \
                contextlib.redirect_stdout(out):
            self.assertEqual(report.main([], self.root), 0)
        for section in report.SECTIONS:
            self.assertIn(f"## {section.__name__}\n", out.getvalue())

    def test_not_as_root(self) -> None:
        """One message, and nothing else."""
        out, err = io.StringIO(), io.StringIO()
        with mock.patch("os.geteuid", return_value=1000), \
                contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            self.assertEqual(report.main([], self.root), 2)
        self.assertEqual(out.getvalue(), "")
        self.assertRegex(err.getvalue(), r"\Aerror: only root .*\n\Z")


class Judged(unittest.TestCase):
    """How make deb-test looks at what it sees."""

    def test_installed(self) -> None:
        """For this kernel and this version, and nothing less."""
        said = ("udmabuf-fanout/1.0, 6.12.1-amd64, x86_64: installed\n"
                "udmabuf-fanout/1.0, 7.3.4-amd64, x86_64: built\n"
                "other/1.0, 6.12.9-amd64, x86_64: installed\n")
        self.assertTrue(deb_test.installed(said, "6.12.1-amd64", "1.0"))
        for release, number in (("7.3.4-amd64", "1.0"), ("6.12.9-amd64", "1.0"),
                                ("6.12.1-amd64", "1.1"), ("6.12.1", "1.0")):
            self.assertFalse(deb_test.installed(said, release, number))

    def test_one_message(self) -> None:
        """Not none, not two, not of another thing, no success."""
        said = "Error! no kernel headers\nPlease install them.\n"
        self.assertTrue(deb_test.one_message(1, said, "headers"))
        for status, text in ((0, said), (1, said * 2), (1, "no headers\n"),
                             (1, said.replace("headers", "room"))):
            self.assertFalse(deb_test.one_message(status, text, "headers"))

    def test_what_is_left(self) -> None:
        """What others write is no matter; a module that is left behind is."""
        for path in ("/var/log/apt/x", "/var/lib/dkms/mok.key", "/tmp",
                     "/usr/lib/modules/6.12/modules.dep.bin"):
            self.assertTrue(deb_test._ANYBODYS.match(path), path)
        for path in ("/usr/lib/modules/6.12/updates/dkms/udmabuf_fanout.ko",
                     "/var/lib/dkms/udmabuf-fanout", "/etc/udev/rules.d/x",
                     "/usr/src/udmabuf-fanout-1.0", "/tmpfile"):
            self.assertFalse(deb_test._ANYBODYS.match(path), path)
        self.assertEqual(deb_test.path_of("f 644 root:root 5 /a b"), "/a b")
        self.assertEqual(deb_test.path_of("l 777 root:root /a b -> /c"), "/a b")

    def test_releases(self) -> None:
        """The newest headers of each kernel that the suite is tried with."""
        names = ("linux-headers-6.12.9+deb13-amd64\n"
                 "linux-headers-6.12.17+deb13-amd64\n"
                 "linux-headers-6.1.0-1-amd64\n")
        with mock.patch("fanout.tree.series_of",
                        return_value=(None, (6, 12))), \
                mock.patch("fanout.apt.architecture", return_value="amd64"):
            self.assertEqual(deb_test.releases(names, "bookworm"),
                             ["6.12.17+deb13-amd64"])
            with self.assertRaisesRegex(Failure, "no headers of a 6.12"):
                deb_test.releases("", "bookworm")

    def test_totals(self) -> None:
        """Each verdict counts."""
        self.assertEqual(deb_test.totals([(True, "a"), (False, "b")]),
                         Totals(1, 1))


if __name__ == "__main__":
    unittest.main()
