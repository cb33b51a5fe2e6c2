"""The wheel's tag. It holds a program for one platform and runs with every Python 3, so its tag says that.

The program is `src/sys_scan_pipe/bin/pipe-ask`; `scripts/wheel.sh` builds it and puts it there.
"""

import re
import sysconfig
from pathlib import Path

from setuptools import setup
from setuptools.command.bdist_wheel import bdist_wheel
from setuptools.dist import Distribution

PROGRAM = Path(__file__).parent / "src/sys_scan_pipe/bin/pipe-ask"


class Programs(Distribution):
    """Not the same on every platform, though nothing of it is an extension module."""

    def has_ext_modules(self):
        return True


class Tagged(bdist_wheel):
    def get_tag(self):
        return "py3", "none", platform()


def platform():
    """The platform of this machine. On Linux with the oldest glibc that the program runs with, in the form that installers know."""
    here = re.sub(r"[-.]", "_", sysconfig.get_platform())
    if not PROGRAM.is_file():
        raise SystemExit(f"{PROGRAM} is missing: run scripts/wheel.sh")
    # The names of the versions stand in the program's table of strings.
    versions = [tuple(map(int, found)) for found in re.findall(rb"GLIBC_(\d+)\.(\d+)", PROGRAM.read_bytes())]
    if here.startswith("linux_") and versions:
        major, minor = max(versions)
        return f"manylinux_{major}_{minor}_{here.removeprefix('linux_')}"
    return here


setup(distclass=Programs, cmdclass={"bdist_wheel": Tagged})
