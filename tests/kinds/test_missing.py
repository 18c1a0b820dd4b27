"""A path that is not there: how far it leads, and what is near it."""

from __future__ import annotations

import pytest

from bertkit.kinds.missing import hint_for_missing


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "data/split/train").mkdir(parents=True)
    (tmp_path / "data/split/valid.txt").write_text("a\n")


@pytest.mark.parametrize(
    ("path", "hint"),
    [
        ("data/split/vallid.txt", "did you mean data/split/valid.txt?"),
        ("dat", "did you mean data?"),
        ("nothing", "check the path; this folder has data"),
        ("data/split/x", "check the path; data/split has train, valid.txt"),
        ("data/splitt/train/x", "check the path: there is no folder data/splitt"),
        ("lab/train.tfrecord", "check the path: there is no folder lab"),
        ("lab/train.csv.zst", "check the path: there is no folder lab"),
        (
            "lab/bert",
            "check the path: there is no folder lab; lab/bert as the name of a model on the hub is"
            " for `bertkit inspect`, and for where a checkpoint or a vocabulary is asked for",
        ),
        ("data/split/*.json", "no name matches this pattern; data/split has train, valid.txt"),
        ("data/split/train/x", "check the path; data/split/train is empty"),
    ],
)
def test_hints(folder, path, hint):
    assert hint_for_missing(path) == hint
