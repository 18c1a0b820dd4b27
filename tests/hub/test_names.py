"""Names of the hub beside paths of this machine."""

from __future__ import annotations

import pytest

from bertkit.hub.names import HubName, hub_name

COMMIT = "86b5e0934494bd15c9632b12f734a8a67f723594"


@pytest.fixture(autouse=True)
def elsewhere(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("google-bert/bert-base-uncased", HubName("google-bert/bert-base-uncased")),
        ("dbmdz/bert.x_1@v1.0", HubName("dbmdz/bert.x_1", "v1.0")),
        (f"a/b@{COMMIT}", HubName("a/b", COMMIT)),
        ("a/b@refs/pr/3", HubName("a/b", "refs/pr/3")),
        ("hf://a/b", HubName("a/b")),
        ("hf://models/a/b", HubName("a/b")),
        ("hf://a/b@v2/sub/folder/", HubName("a/b", "v2", "sub/folder")),
        ("hf://a/b@refs/pr/3/sub", HubName("a/b", "refs/pr/3", "sub")),
        ("bert-base-uncased", HubName("google-bert/bert-base-uncased")),
        ("bert-large-cased@v1", HubName("google-bert/bert-large-cased", "v1")),
        ("hf://bert-base-chinese", HubName("google-bert/bert-base-chinese")),
    ],
)
def test_names(text, name):
    assert hub_name(text) == name
    assert hub_name(str(name)) == name  # as it is written, it can be given again


@pytest.mark.parametrize(
    "text",
    [
        "bert",
        "bertkit-uncased-8k",
        "/runs/tiny",
        "./runs/tiny",
        "../a/b",
        "a/b/c",
        "runs/tiny/step-*",
        "runs/step-*",
        "data/vocab.txt",
        "uncased_L-12/bert_model.ckpt",
        "models/ckpt_1000.pt",
        "s3://bucket/run",
        "hf://datasets/a/b",
        "hf://a/b/vocab.txt",
        "hf://a/b/*",
        "a//b",
        "a/b@",
        "-a/b",
        "",
        "x\\y",
    ],
)
def test_paths_and_other_urls(text):
    assert hub_name(text) is None


def test_what_exists_is_a_path_and_so_is_its_neighbour(tmp_path):
    (tmp_path / "runs/tiny").mkdir(parents=True)
    (tmp_path / "runs/tiny/metrics.jsonl").touch()
    assert hub_name("runs/tiny") is None
    assert hub_name("runs/tny") is None  # a mistake in a path is not asked for on the internet
    assert hub_name("runs/tny@v1") == HubName("runs/tny", "v1")
    assert hub_name("hf://runs/tiny") == HubName("runs/tiny")


@pytest.mark.parametrize(
    "mark", ["metrics.jsonl", "state.json", "manifest.json", ".bertkit/manifest.json", "seeds.json"]
)
def test_folders_that_bertkit_made_need_no_word(tmp_path, caplog, mark):
    place = f"made/by-{mark.strip('.').partition('.')[0].replace('/', '-')}"
    file = tmp_path / place / mark
    file.parent.mkdir(parents=True)
    file.touch()
    with caplog.at_level("INFO", "bertkit"):
        assert hub_name(place) is None
    assert caplog.messages == []


def test_a_local_folder_of_the_same_name_wins_and_is_told_once(tmp_path, caplog):
    (tmp_path / "google-bert/bert-base-cased").mkdir(parents=True)
    with caplog.at_level("INFO", "bertkit"):
        assert hub_name("google-bert/bert-base-cased") is None
        assert hub_name("google-bert/bert-base-cased") is None
    (line,) = caplog.messages
    assert "is a folder here, and that is used" in line
    assert "hf://google-bert/bert-base-cased" in line
