"""The list of mounts is read as proc(5) has it."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from bertkit.system.mounts import Mount, mounts


def test_lines_are_read_and_what_is_none_is_passed_over(tmp_path):
    path = tmp_path / "mountinfo"
    path.write_bytes(
        b"no mount at all\n"
        b"36 35 98:0 /mnt1 /a\\040b rw,noatime master:1 shared:2 - ext3 /dev/r rw,errors=continue\n"
        b"37 35 0:31 / /\xff rw - tmpfs none\n"
    )
    assert list(mounts(path)) == [
        Mount((98, 0), "/mnt1", "/a b", "ext3", ("rw", "errors=continue")),
        Mount((0, 31), "/", os.fsdecode(b"/\xff"), "tmpfs", ("",)),
    ]
    assert list(mounts(tmp_path / "absent")) == []


@pytest.mark.skipif(not Path("/proc/self/mountinfo").exists(), reason="no /proc here")
def test_the_list_of_this_machine():
    found = {mount.place: mount for mount in mounts("/proc/self/mountinfo")}
    assert os.makedev(*found["/proc"].device) == Path("/proc").stat().st_dev
    assert found["/proc"].kind == "proc"
