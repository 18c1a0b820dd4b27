"""Files that are not those which the manifest beside them lists."""

from __future__ import annotations

import os

import pytest

from bertkit.errors import DataError
from bertkit.manifests.listed_files import require_as_written, require_listed
from bertkit.manifests.manifest import Manifest, describe_inputs
from bertkit.storage.files import sha256_of


@pytest.mark.parametrize("hidden", [False, True])
def test_a_file_that_was_changed_is_named(tmp_path, hidden):
    path = tmp_path / "a"
    path.write_bytes(b"right")
    (tmp_path / "b").write_bytes(b"not listed")
    listed = {"a": {"sha256": sha256_of(path)}, "c": {"bytes": 3}, "gone": {"sha256": "1"}}
    manifest = Manifest("convert", {}, outputs=listed, state="complete", hidden=hidden)
    manifest.write(tmp_path)
    names = ["a", "b", "c", "gone"]
    require_as_written(tmp_path, names)
    require_listed(describe_inputs([str(path), str(tmp_path / "b")]))
    facts = path.stat()
    path.write_bytes(b"wrong")
    os.utime(path, ns=(facts.st_atime_ns, facts.st_mtime_ns))
    with pytest.raises(DataError, match="a: damaged or replaced"):
        require_as_written(tmp_path, names)
    with pytest.raises(DataError, match="a: damaged or replaced"):
        require_listed(describe_inputs([str(path)]))
