"""What an output folder has already."""

from __future__ import annotations

from bertkit.manifests.manifest import Manifest
from bertkit.records.finished_shards import is_done, verify
from bertkit.records.shards import Shard


def test_files_that_are_gone_or_of_another_size_are_forgotten(tmp_path):
    (tmp_path / "a").write_bytes(b"123")
    (tmp_path / "b").write_bytes(b"123")
    outputs = {name: {"bytes": size} for name, size in (("a", 3), ("b", 4), ("c", 3))}
    manifest = Manifest("make-records", {}, outputs=outputs, state="complete")
    assert verify(manifest, tmp_path) is False
    assert list(manifest.outputs) == ["a"]
    assert verify(manifest, tmp_path) is True
    manifest.stats["empty"] = ["d"]
    assert is_done(Shard([], ["a"]), manifest) and is_done(Shard([], ["d"]), manifest)
    assert not is_done(Shard([], ["a", "b"]), manifest)
