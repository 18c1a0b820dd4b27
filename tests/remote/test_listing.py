"""What URLs name: files, folders and globs."""

from __future__ import annotations

import fsspec
import pytest

from bertkit.errors import DataError
from bertkit.remote.listing import list_remote, remote_file


def test_files_folders_and_globs():
    system = fsspec.filesystem("memory")
    for name in ("f/a.txt", "f/g/b.txt"):
        system.pipe(f"/listed/{name}", b"x")
    try:
        file, folder, globbed = (
            list_remote(f"memory://listed/f{more}") for more in ("/a.txt", "", "/*")
        )
        empty = [f"memory://listed/{more}" for more in ("none*", "f/none")]
        for url in empty:
            with pytest.raises(DataError, match=r"no files at|cannot read"):
                list_remote(url)
    finally:
        system.rm("/listed", recursive=True)
    assert (file.kind, folder.kind, globbed.kind) == ("file", "folder", "glob")
    assert [folder.inner(name) for name in folder.found] == ["a.txt", "g/b.txt"]
    assert [globbed.url(name) for name in globbed.found] == ["memory://listed/f/a.txt"]


def test_the_surest_state_is_taken_under_whatever_name(cache):
    system = fsspec.filesystem("memory")
    states = [
        remote_file(system, "/a", facts).state
        for facts in (
            {"LastModified": "now", "ETag": "1"},
            {"Last-Modified": "now"},
            {"blob_id": "b", "last_commit": None},
            {"size": 1},
        )
    ]
    assert states == ["etag 1", "lastmodified now", "blobid b", ""]
