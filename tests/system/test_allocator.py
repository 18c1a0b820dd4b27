"""Whether freed memory stays with the process."""

from __future__ import annotations

import platform
import subprocess
import sys

import pytest

from bertkit.system import allocator

# Pages that a second buffer of the size of the first costs, with and without the setting.
PROGRAM = """
import resource, sys
from bertkit.system.allocator import keep_freed_memory
if sys.argv[1] == "keep":
    assert keep_freed_memory() is True
def fill():
    buffer = bytearray(64 << 20)  # zeroed: every page is touched or mapped when it is written
    buffer[::4096] = b"x" * len(buffer[::4096])
fill()
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
fill()
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


def faults(how: str) -> int:
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, how], capture_output=True, text=True, check=True
    )
    return int(done.stdout)


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="only glibc has these settings")
def test_a_second_buffer_takes_the_pages_of_the_first():
    assert faults("keep") < faults("leave") / 4


def test_other_c_libraries_are_left_alone(monkeypatch):
    monkeypatch.setattr(platform, "libc_ver", lambda: ("musl", "1.2"))
    assert allocator.keep_freed_memory() is False
