"""Folders of the kernel's are told from those of a disk."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from bertkit.storage import kernel_folders


@pytest.fixture(autouse=True)
def forget():
    """What one test finds is not for the next."""
    kernel_folders._devices.cache_clear()
    yield
    kernel_folders._devices.cache_clear()


@pytest.mark.skipif(not os.path.exists("/proc/self/mountinfo"), reason="no /proc here")
def test_folders_of_this_machine(tmp_path):
    assert kernel_folders.is_made_by_kernel(Path("/proc").stat())
    assert not kernel_folders.is_made_by_kernel(tmp_path.stat())


@pytest.mark.parametrize(("kind", "made_up"), [("tracefs", True), ("ext4", False), ("nfs4", False)])
def test_the_type_of_a_mount_decides(tmp_path, monkeypatch, kind, made_up):
    """A line as proc(5) has it; options may stand before the dash, spaces are written as \\040."""
    device = tmp_path.stat().st_dev
    number = f"{os.major(device)}:{os.minor(device)}"
    mounts = tmp_path / "mountinfo"
    mounts.write_text(
        "no mount at all\n"
        f"36 35 {number} / /a\\040b rw,noatime master:1 shared:2 - {kind} none rw,errors=continue\n"
    )
    monkeypatch.setattr(kernel_folders, "_MOUNTS", str(mounts))
    assert kernel_folders.is_made_by_kernel(tmp_path.stat()) == made_up


def test_systems_without_such_a_list_have_no_such_folders(tmp_path, monkeypatch):
    monkeypatch.setattr(kernel_folders, "_MOUNTS", str(tmp_path / "absent"))
    assert not kernel_folders.is_made_by_kernel(Path("/").stat())
