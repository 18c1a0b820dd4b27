from bertkit.manifests import cache as manifest_cache
from bertkit.manifests.cache import cached_manifest
from bertkit.manifests.manifest import Manifest, read_manifest


def test_a_manifest_is_parsed_once_until_it_changes(tmp_path, monkeypatch):
    read = []
    monkeypatch.setattr(
        manifest_cache, "read_manifest", lambda folder: read.append(folder) or read_manifest(folder)
    )
    assert cached_manifest(tmp_path) is None
    Manifest("extract", {"a": 1}).write(tmp_path)
    found = [cached_manifest(tmp_path) for _ in range(5)]
    assert found[0].config == {"a": 1} and len(read) == 1
    Manifest("extract", {"a": 2, "b": 1}).write(tmp_path)
    assert cached_manifest(tmp_path).config["a"] == 2 and len(read) == 2
