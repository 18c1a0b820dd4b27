"""Checkpoints of remote places are copied here once."""

from __future__ import annotations

from pathlib import Path

import fsspec
import pytest

from bertkit.errors import DataError, MissingDependencyError
from bertkit.remote.checkpoints import local_checkpoint, local_checkpoints


@pytest.fixture
def remote(cache):
    """A bucket in memory."""
    system = fsspec.filesystem("memory")
    files = (
        "run/step-1/config.json",
        "run/step-1/model.safetensors",
        "tf/model.ckpt-7.index",
        "tf/model.ckpt-7.data-00000-of-00001",
        "tf/model.ckpt-9.index",
        "tf/bert_config.json",
        "tf/other.txt",
    )
    for name in files:
        system.pipe(f"/bucket/{name}", name.encode())
    yield system
    system.rm("/bucket", recursive=True)


def names(place):
    found = (path.name for path in Path(place).parent.rglob("*") if path.is_file())
    return sorted(name for name in found if not name.endswith(".fetched"))


def test_a_folder_is_copied_once_and_again_when_it_grows(remote, monkeypatch):
    place = local_checkpoint("memory://bucket/run/")
    assert Path(place).name == "run"
    assert Path(place, "step-1/config.json").read_text() == "run/step-1/config.json"
    copied = []
    get = type(remote).get_file
    monkeypatch.setattr(
        type(remote),
        "get_file",
        lambda self, name, *rest: (copied.append(name), get(self, name, *rest)),
    )
    assert local_checkpoint("memory://bucket/run") == place and not copied
    remote.pipe("/bucket/run/step-2/config.json", b"new")
    assert local_checkpoint("memory://bucket/run") == place
    assert copied == ["/bucket/run/step-2/config.json"]
    assert Path(place, "step-2/config.json").read_text() == "new"
    Path(place, "step-2/config.json").write_text("ne")  # damaged
    local_checkpoint("memory://bucket/run")
    assert Path(place, "step-2/config.json").read_text() == "new"


def test_globs_stand_for_what_they_match(remote):
    remote.pipe("/bucket/run/step-2/config.json", b"new")
    found = local_checkpoints(["here/step-*", "memory://bucket/run/step-*"])
    assert found[0] == "here/step-*"
    assert [Path(name).name for name in found[1:]] == ["step-1", "step-2"]
    with pytest.raises(DataError, match=r"nothing at memory://bucket/none-\*"):
        local_checkpoints(["memory://bucket/none-*"])


def test_a_prefix_takes_its_files_and_the_configuration(remote):
    remote.pipe("/bucket/tf/model.ckpt-77.index", b"another")
    place = local_checkpoint("memory://bucket/tf/model.ckpt-7")
    assert names(place) == [
        "bert_config.json",
        "model.ckpt-7.data-00000-of-00001",
        "model.ckpt-7.index",
    ]


def test_what_is_not_there_and_what_cannot_be_opened_is_named(remote, cache):
    with pytest.raises(DataError, match="nothing at memory://bucket/none"):
        local_checkpoint("memory://bucket/none")
    with pytest.raises(DataError, match="cannot read what://bucket/x"):
        local_checkpoint("what://bucket/x")
    assert local_checkpoint("here/run") == "here/run"
    assert not list(cache.rglob("bucket"))


def test_a_protocol_without_its_package_says_what_to_install(monkeypatch, cache):
    def fails(url):
        raise ImportError("Please install gcsfs to access Google Storage")

    monkeypatch.setattr(fsspec.core, "url_to_fs", fails)
    with pytest.raises(MissingDependencyError, match="install gcsfs") as caught:
        local_checkpoint("gs://bucket/run")
    assert "bertkit[remote]" in str(caught.value.hint)
