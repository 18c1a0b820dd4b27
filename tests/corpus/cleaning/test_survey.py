"""What is known of each document, against the reader that all commands share."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from bertkit.corpus.cleaning import blocks, survey
from bertkit.corpus.cleaning.config import CleanConfig
from bertkit.corpus.cleaning.scratch import Scratch
from bertkit.corpus.cleaning.survey import SurveyTask, permutation_family, survey_file
from bertkit.corpus.document import read_documents
from corpus.cleaning import readable


@pytest.fixture
def task(tmp_path):
    documents = [[f"Document {n} says {k}." for k in range(1 + n % 4)] for n in range(50)]
    path = readable.write(tmp_path / "in.txt", documents)
    path.write_bytes(b"\n\n" + path.read_bytes().replace(b"\n\n", b"\n \n\n").rstrip(b"\n"))
    return SurveyTask(str(path), 3, "key", CleanConfig(), Scratch(str(tmp_path / "scratch")))


def test_rows_tell_where_documents_stand(task, monkeypatch):
    monkeypatch.setattr(survey, "PIECE_DOCUMENTS", 8)
    monkeypatch.setattr(blocks.read_blocks, "__defaults__", (200,))
    number, pieces = survey_file(task)
    assert number == 3 and len(pieces) > 3
    rows = np.concatenate([task.scratch.load(f"{piece.name}.rows") for piece in pieces])
    expected = list(read_documents(task.path))
    with open(task.path, "rb") as stream:
        blob = stream.read()
    assert len(rows) == len(expected) == sum(piece.documents for piece in pieces)
    for row, document in zip(rows, expected, strict=True):
        start, size = int(row["offset"]), int(row["bytes"])
        assert blob[start : start + size].decode().split("\n")[:-1] in (
            list(document.sentences),
            list(document.sentences[:-1]),  # the last one of the file has no newline
        )
        assert int(row["line"]) + 1 == int(document.id.rpartition(":")[2])
        assert int(row["lines"]) == len(document.sentences)
        assert int(row["words"]) == len(readable.words(" ".join(document.sentences)))
    assert sum(piece.lines for piece in pieces) == int(rows["lines"].sum())
    for piece in pieces:
        own = task.scratch.load(f"{piece.name}.rows")
        assert own["first_line"].tolist() == [0, *np.cumsum(own["lines"])[:-1]]
        keys = task.scratch.load(f"{piece.name}.keys")
        assert (np.diff(keys.astype(object), axis=1) >= 0).all()
        order = task.scratch.load(f"{piece.name}.keys_order")
        assert (keys[0] == own["hash_1"][order[0]]).all()


def test_a_survey_is_made_once_for_a_key(task, monkeypatch):
    made = survey_file(task)
    monkeypatch.setattr(survey, "_survey", None)
    assert survey_file(task) == made
    with pytest.raises(TypeError):
        survey_file(dataclasses.replace(task, key="other"))


def test_permutations_differ_with_the_seed_and_have_an_inverse():
    first, second = (permutation_family(CleanConfig(seed=seed)) for seed in (1, 2))
    assert (first[0] % 2 == 1).all()
    assert first.shape == (2, 128) and (first != second).mean() > 0.95
