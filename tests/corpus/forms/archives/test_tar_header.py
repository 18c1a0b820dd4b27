"""Tar archives are told by their checksum, whatever their age."""

from __future__ import annotations

import subprocess

import pytest

from bertkit.corpus.forms.archives.tar_header import is_tar

from .test_tar_members import tar_of


@pytest.mark.parametrize("kind", ["v7", "oldgnu", "gnu", "ustar", "pax"])
def test_archives_of_the_tar_program(tmp_path, kind):
    (tmp_path / "a.txt").write_text("Cats sleep.")
    command = ["tar", f"--format={kind}", "-cf", "-", "-C", tmp_path, "a.txt"]
    blob = subprocess.run(command, check=True, capture_output=True).stdout
    assert is_tar(blob[:512])
    assert not is_tar(bytes([blob[0] ^ 1]) + blob[1:512])


def test_what_is_none():
    blob = tar_of({"a": b"b"})
    assert is_tar(blob[:512])
    assert not is_tar(blob[:511])
    assert not is_tar(b"x" * 512) and not is_tar(bytes(512)) and not is_tar(b"")
