"""Checkpoints of remote places are copied here once."""

from __future__ import annotations

from pathlib import Path

import fsspec
import pytest

from bertkit.errors import DataError, MissingDependencyError
from bertkit.remote_copy import local_checkpoint


@pytest.fixture
def remote(tmp_path, monkeypatch):
    """A bucket in memory; the cache is in a folder of the test."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    system = fsspec.filesystem("memory")
    files = ("run/step-1/config.json", "run/step-1/model.safetensors", "tf/model.ckpt-7.index",
             "tf/model.ckpt-7.data-00000-of-00001", "tf/model.ckpt-9.index", "tf/bert_config.json",
             "tf/other.txt")  # fmt: skip
    for name in files:
        system.pipe(f"/bucket/{name}", name.encode())
    yield system
    system.rm("/bucket", recursive=True)


def names(place):
    return sorted(path.name for path in Path(place).parent.rglob("*") if path.is_file())


def test_a_folder_is_copied_once(remote):
    place = local_checkpoint("memory://bucket/run/step-1/")
    assert Path(place).name == "step-1"
    assert names(place) == ["config.json", "model.safetensors"]
    assert Path(place, "config.json").read_text() == "run/step-1/config.json"
    remote.rm("/bucket/run", recursive=True)
    assert local_checkpoint("memory://bucket/run/step-1") == place


def test_a_prefix_takes_its_files_and_the_configuration(remote):
    place = local_checkpoint("memory://bucket/tf/model.ckpt-7")
    assert names(place) == [
        "bert_config.json", "model.ckpt-7.data-00000-of-00001", "model.ckpt-7.index",
    ]  # fmt: skip


def test_what_is_not_there_and_what_cannot_be_opened_is_named(remote, tmp_path):
    with pytest.raises(DataError, match="nothing at memory://bucket/none"):
        local_checkpoint("memory://bucket/none")
    with pytest.raises(DataError, match="cannot read what://bucket/x"):
        local_checkpoint("what://bucket/x")
    assert local_checkpoint("here/run") == "here/run"
    assert not list(tmp_path.glob("bertkit/checkpoints/*"))


def test_a_protocol_without_its_package_says_what_to_install(monkeypatch, tmp_path):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))

    def fails(url):
        raise ImportError("Please install gcsfs to access Google Storage")

    monkeypatch.setattr(fsspec, "url_to_fs", fails)
    with pytest.raises(MissingDependencyError, match="install gcsfs") as caught:
        local_checkpoint("gs://bucket/run")
    assert "bertkit[remote]" in str(caught.value.hint)
