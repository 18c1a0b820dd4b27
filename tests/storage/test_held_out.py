"""Every command that reads text says where it is given what `split` put aside, with the rest."""

from __future__ import annotations

import pytest

VOCAB = "bertkit-uncased-8k"


@pytest.fixture
def parts(bertkit, tmp_path):
    """What `bertkit split` writes."""
    documents = [f"The whale {n} dives.\nIt sails {n}.\n" for n in range(40)]
    (tmp_path / "all.txt").write_text("\n".join(documents))
    made = bertkit("split", "--input", tmp_path / "all.txt", "--output", tmp_path / "parts",
                   "--valid", 0.2)  # fmt: skip
    assert made.status == 0, made.err
    return tmp_path / "parts"


@pytest.mark.parametrize(
    "words",
    [
        ("make-records", "--vocab", VOCAB, "--msl", 16),
        ("train-vocab", "--size", 300),
        ("clean", "--drop", "exact"),
        ("split", "--valid", 0.3),
    ],
    ids=lambda words: words[0],
)
def test_the_whole_folder_is_warned_of_and_its_parts_are_not(bertkit, parts, tmp_path, words):
    whole = bertkit(*words, "--input", parts, "--output", tmp_path / "whole")
    assert whole.status == 0, whole.err
    assert f"{parts} also holds text that was put aside to evaluate on (valid.txt)" in whole.err
    assert f"give {parts / 'train'}" in whole.err
    part = bertkit(*words, "--input", parts / "train", "--output", tmp_path / "part")
    assert part.status == 0 and "put aside" not in part.err
