"""What huggingface_hub's own client fetches from a hub on loopback, and what is said where it
cannot."""

from __future__ import annotations

import json
import shutil

import pytest

from bertkit.errors import ConfigError, DataError, MissingDependencyError
from bertkit.hub import fetch
from bertkit.hub.client import UnreachableError
from bertkit.hub.names import HubName
from bertkit.hub.sources import source_of
from bertkit.storage.files import human_bytes
from hub.server import OTHER_TOKEN, TOKEN

CONFIG = json.dumps({"model_type": "bert"}).encode()
FILES = {
    "config.json": CONFIG,
    "vocab.txt": b"[PAD]\n",
    "tokenizer_config.json": b"{}",
    "model.safetensors": b"weights" * 100,
    "pytorch_model.bin": b"pickle",
    "tf_model.h5": b"h5",
    "README.md": b"card",
    "onnx/model.onnx": b"onnx",
}
NEEDED = ["config.json", "model.safetensors", "tokenizer_config.json", "vocab.txt"]
NAME = HubName("lab/bert")


def model(name=NAME, check=lambda config, where: None):
    return fetch.fetch_model(name, check)


def names_in(folder):
    return sorted(path.name for path in folder.iterdir())


@pytest.fixture
def commit(model_hub):
    return model_hub.add("lab/bert", FILES)


def test_only_what_is_needed_once(model_hub, commit, caplog):
    with caplog.at_level("INFO", "bertkit"):
        folder = model()
    assert names_in(folder) == NEEDED == model_hub.fetched()
    for name in NEEDED:
        assert (folder / name).read_bytes() == FILES[name]
    size = human_bytes(sum(len(FILES[name]) for name in NEEDED) - len(CONFIG))
    assert f"lab/bert (commit {commit[:12]}): fetching {size}" in caplog.text
    assert "model.safetensors (700 bytes)" in caplog.text
    assert source_of(folder).facts() == {"name": "lab/bert", "revision": "main", "commit": commit}
    before = len(model_hub.asked)
    assert model() == folder and len(model_hub.asked) == before  # one commit in one process
    model_hub.new_process()
    assert model() == folder and model_hub.fetched() == NEEDED
    assert source_of(folder / "vocab.txt").exact == f"lab/bert@{commit}"


def test_main_moves(model_hub, commit):
    first = model()
    second = model_hub.add("lab/bert", FILES | {"vocab.txt": b"[PAD]\n[UNK]\n"})
    model_hub.new_process()
    assert model() != first and source_of(model()).commit == second
    assert model(NAME.at(commit)) == first  # the commit of before can be named
    assert model(NAME.at(commit)).name == commit
    assert source_of(first).facts()["revision"] == commit


def test_one_call_sees_one_commit(model_hub, commit):
    vocabulary = fetch.fetch_vocabulary(NAME)
    model_hub.add("lab/bert", FILES | {"vocab.txt": b"other"})
    assert model() == vocabulary and model().name == commit
    before = len(model_hub.asked)
    assert model(NAME.at(commit)) == vocabulary and len(model_hub.asked) == before


def test_branches_tags_and_folders(model_hub, commit):
    repo = model_hub.repos["lab/bert"]
    repo.refs["v1"] = repo.refs["refs/pr/2"] = commit
    model_hub.add("lab/bert", {f"small/{name}": blob for name, blob in FILES.items()})
    assert names_in(model(NAME.at("v1"))) == NEEDED
    assert model(NAME.at("refs/pr/2")).name == commit
    model_hub.new_process()
    inside = model(HubName("lab/bert", folder="small"))
    assert inside.name == "small" and names_in(inside) == NEEDED
    assert source_of(inside).exact == f"hf://lab/bert@{source_of(inside).commit}/small"
    with pytest.raises(DataError, match="has no files") as found:
        model()
    assert found.value.hint.endswith("(small); one of them is named as hf://lab/bert/small")
    with pytest.raises(DataError, match="has no files in large"):
        model(HubName("lab/bert", folder="large"))


def test_shards(model_hub):
    parts = [f"model-0000{number}-of-00002.safetensors" for number in (1, 2)]
    index = {"weight_map": {"a": parts[0], "b": parts[1]}}
    files = {name: b"part" + name.encode() for name in parts}
    files |= {"model.safetensors.index.json": json.dumps(index).encode(), "pytorch_model.bin": b""}
    model_hub.add("lab/bert", {"config.json": CONFIG, **files})
    assert names_in(model()) == ["config.json", *parts, "model.safetensors.index.json"]


def test_a_vocabulary_alone(model_hub, commit):
    folder = fetch.fetch_vocabulary(NAME)
    assert names_in(folder) == ["tokenizer_config.json", "vocab.txt"] == model_hub.fetched()
    model_hub.add("lab/other", {"config.json": CONFIG, "spiece.model": b""})
    with pytest.raises(DataError, match=r"no vocab\.txt and no tokenizer\.json; it has config"):
        fetch.fetch_vocabulary(HubName("lab/other"))


def test_another_model_is_refused_before_its_weights_come(model_hub, commit):
    def refuse(config, where):
        raise ConfigError(f"{where}: {config['model_type']}")

    with pytest.raises(ConfigError, match=f"lab/bert .commit {commit[:12]}.: bert"):
        model(check=refuse)
    assert model_hub.fetched() == ["config.json"]


@pytest.mark.parametrize("way", ["offline", "no network", "out of order"])
def test_without_a_network_what_was_fetched_before_is_used(
    way, model_hub, commit, monkeypatch, caplog
):
    folder = model()
    model_hub.new_process()
    cut(way, model_hub, monkeypatch)
    assert model() == folder
    assert model(NAME.at(commit)) == folder
    assert f"what was fetched before is used: commit {commit}" in caplog.text
    assert source_of(folder).facts()["commit"] == commit


@pytest.mark.parametrize("way", ["offline", "no network", "out of order"])
def test_without_a_network_and_a_copy(way, model_hub, commit, monkeypatch):
    fetch.fetch_vocabulary(NAME)
    model_hub.new_process()
    cut(way, model_hub, monkeypatch)
    with pytest.raises(UnreachableError, match="nothing of it is in the cache") as found:
        model()
    assert found.value.exit_code == 3 and found.value.hint
    assert ("HF_HUB_OFFLINE" in found.value.message) == (way == "offline")


def cut(way, model_hub, monkeypatch):
    from huggingface_hub import constants

    if way == "offline":
        model_hub.offline()
    elif way == "no network":
        monkeypatch.setattr(constants, "ENDPOINT", "http://127.0.0.1:1")
    else:
        model_hub.fail = 503


def test_an_incomplete_copy_is_none(model_hub, commit, monkeypatch):
    (model() / "model.safetensors").unlink()
    model_hub.new_process()
    cut("offline", model_hub, monkeypatch)
    with pytest.raises(UnreachableError, match="has only config"):
        model()


@pytest.mark.parametrize(
    ("name", "token", "message", "hint"),
    [
        ("lab/bret", "", "no model lab/bret at", "check the spelling; for a private model log in"),
        ("lab/bret", OTHER_TOKEN, "no model lab/bret at", "check the spelling"),
        ("lab/secret", "", "or it is private", "hf auth login"),
        ("lab/gated", "", "lab/gated is gated", "accept them at http"),
        ("lab/gated", OTHER_TOKEN, "lab/gated is gated", "/lab/gated, then log in"),
        ("lab/bert", "hf_wrong", "does not know your token", "HF_TOKEN"),
        ("lab/bert@v9", "", "lab/bert has no revision v9", "/lab/bert/commits/main"),
        ("lab/onnx", "", "no weights that bertkit reads; it has", "reads model.safetensors"),
        ("lab/data", "", "has no config.json", "look at its page"),
    ],
)
def test_what_is_wrong_in_one_line(name, token, message, hint, model_hub, commit, monkeypatch):
    model_hub.add("lab/secret", FILES, private=True)
    model_hub.add("lab/gated", FILES, gated=True)
    model_hub.add("lab/onnx", {"config.json": CONFIG, "model.onnx": b""})
    model_hub.add("lab/data", {"train.csv": b"a"})
    if token:
        monkeypatch.setenv("HF_TOKEN", token)
    repo, _, revision = name.partition("@")
    with pytest.raises(DataError) as found:
        model(HubName(repo, revision or "main"))
    assert message in found.value.message and "\n" not in found.value.message
    assert hint in found.value.hint


def test_private_and_gated_ones_with_a_token(model_hub, monkeypatch):
    monkeypatch.setenv("HF_TOKEN", TOKEN)
    model_hub.add("lab/secret", FILES, private=True, gated=True)
    assert names_in(model(HubName("lab/secret"))) == NEEDED


def test_a_full_disk_is_said_before(model_hub, commit, monkeypatch):
    monkeypatch.setattr(fetch, "free_bytes", lambda path: 10)
    with pytest.raises(DataError, match=r"to fetch into .* where 10 bytes are free") as found:
        model()
    assert "HF_HOME" in found.value.hint
    assert model_hub.fetched() == ["config.json"]


def test_a_file_that_is_gone_in_between(model_hub, commit, monkeypatch):
    repo = model_hub.repos["lab/bert"]

    def late(*given):
        del repo.commits[commit]["model.safetensors"]
        return ["model.safetensors"]

    monkeypatch.setattr(fetch.files, "weights", late)
    with pytest.raises(DataError, match="cannot read lab/bert on the hub"):
        model()


def test_without_the_package(monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "huggingface_hub", None)
    with pytest.raises(MissingDependencyError, match="no lab/bert here, and") as found:
        model()
    assert "pip install 'bertkit[hub]'" in found.value.hint and found.value.exit_code == 4


def test_a_copy_of_the_cache_elsewhere_tells_its_commit(model_hub, commit, tmp_path):
    model()
    shutil.copytree(model_hub.cache, tmp_path / "copy", symlinks=True)
    place = tmp_path / "copy/models--lab--bert/snapshots" / commit
    assert source_of(place).exact == f"lab/bert@{commit}"
    assert source_of(tmp_path) is None
