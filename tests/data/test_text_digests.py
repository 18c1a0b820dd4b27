"""Digests of texts are remembered as long as nothing about the files has changed."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

import pytest

from bertkit.data import text_digests
from bertkit.data.text_digests import NAME, remembered_digests
from bertkit.errors import DataError


@pytest.fixture
def reads(monkeypatch):
    """Names of the files that are read."""
    seen = []
    real = text_digests.sha256_of
    monkeypatch.setattr(text_digests, "sha256_of", lambda path: seen.append(path) or real(path))
    return seen


def write(path, text, seconds_ago=10):
    path.write_text(text)
    facts = path.stat()
    times = (facts.st_atime_ns, facts.st_mtime_ns - seconds_ago * 10**9)
    os.utime(path, ns=times)
    return str(path)


def digest(text):
    return hashlib.sha256(text.encode()).hexdigest()


def test_a_file_is_read_once(tmp_path, reads):
    names = [write(tmp_path / name, name) for name in "ab"]
    for _ in range(2):
        found = remembered_digests([*names, names[0]], tmp_path / "cache")
        assert found == [(name, digest(name[-1])) for name in (*names, names[0])]
    assert sorted(set(reads)) == names and reads.count(names[1]) == 1
    before = len(reads)
    assert remembered_digests(names, tmp_path / "cache") and len(reads) == before
    # Another set of files forgets nothing of this one.
    remembered_digests([write(tmp_path / "c", "c")], tmp_path / "cache")
    remembered_digests(names, tmp_path / "cache")
    assert len(reads) == before + 1
    assert remembered_digests(names, None) == [(name, digest(name[-1])) for name in names]


@pytest.mark.parametrize("change", ["time", "inode", "size"])
def test_a_changed_file_is_read_again(tmp_path, reads, change):
    name = write(tmp_path / "a", "before")
    remembered_digests([name], tmp_path / "cache")
    times = Path(name).stat()
    if change == "inode":
        Path(write(tmp_path / "new", "behind")).rename(name)
    else:
        write(tmp_path / "a", "behind" if change == "time" else "longer than before")
    moved = 1 if change == "time" else 0
    os.utime(name, ns=(times.st_atime_ns, times.st_mtime_ns + moved))
    text = (tmp_path / "a").read_text()
    assert remembered_digests([name], tmp_path / "cache") == [(name, digest(text))]
    assert len(reads) == 2


def test_what_just_changed_or_is_damaged_is_not_believed(tmp_path, reads):
    name = write(tmp_path / "a", "text", seconds_ago=0)
    for count in (1, 2):
        remembered_digests([name], tmp_path / "cache")
        assert len(reads) == count
    name = write(tmp_path / "a", "text")
    remembered_digests([name], tmp_path / "cache")
    (tmp_path / "cache" / NAME).write_text("{")
    remembered_digests([name], tmp_path / "cache")
    assert len(reads) == 4
    with pytest.raises(DataError, match=r"cannot read .*none"):
        remembered_digests([str(tmp_path / "none")], tmp_path / "cache")
