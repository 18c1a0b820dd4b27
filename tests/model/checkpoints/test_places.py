"""Paths, URLs and names of the hub, each to a local place."""

from __future__ import annotations

import json

import pytest

from bertkit.errors import ConfigError
from bertkit.model.checkpoints.places import (
    local_checkpoint,
    local_checkpoints,
    pinned_vocabulary,
)

FILES = {
    "config.json": json.dumps({"model_type": "bert"}).encode(),
    "model.safetensors": b"weights",
    "vocab.txt": b"[PAD]\n",
}


def test_each_kind(model_hub, tmp_path, monkeypatch):
    import fsspec

    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    commit = model_hub.add("lab/bert", FILES)
    with fsspec.open("memory://bucket/run/config.json", "wb") as stream:
        stream.write(b"{}")
    (tmp_path / "runs").mkdir()
    here, there, stored = local_checkpoints(["runs/x", "lab/bert", "memory://bucket/run"])
    assert here == "runs/x"
    assert there.endswith(f"models--lab--bert/snapshots/{commit}")
    assert stored.endswith("bucket/run")
    assert local_checkpoint(f"hf://lab/bert@{commit}") == there


def test_a_vocabulary_is_pinned(model_hub, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    commit = model_hub.add("lab/bert", FILES)
    assert pinned_vocabulary("lab/bert") == f"lab/bert@{commit}"
    assert pinned_vocabulary("vocab.txt") == "vocab.txt"


def test_another_model(model_hub, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    model_hub.add("lab/gpt", FILES | {"config.json": b'{"model_type": "gpt2"}'})
    with pytest.raises(ConfigError, match=r"GPT-2 .model_type gpt2., not BERT"):
        local_checkpoint("lab/gpt")
