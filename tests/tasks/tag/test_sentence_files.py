"""Which form a file has, and the predictions of other systems in the forms that they write."""

from __future__ import annotations

import gzip
import json

import pytest

from bertkit.errors import DataError
from bertkit.tasks.tag.conll import ConllFile
from bertkit.tasks.tag.row_words import RowFile
from bertkit.tasks.tag.sentence import Columns
from bertkit.tasks.tag.sentence_files import read_predicted, read_sentences

GOLD = "EU B-ORG\nrejects O\n\nPeter B-PER\n. O\n! O\n"
WANTED = [["B-LOC", "O"], ["O", "O", "B-x"]]


@pytest.fixture
def gold(tmp_path):
    path = tmp_path / "gold.conll"
    path.write_text(GOLD)
    return read_sentences(path).sentences


def predicted(tmp_path, text, gold, name="other"):
    path = tmp_path / name
    path.write_bytes(text.encode())
    return read_predicted(path, gold)


def test_the_form_is_told_by_the_name_or_the_first_line(tmp_path):
    (tmp_path / "a.txt").write_text('{"words": ["a"], "tags": ["O"]}\n')
    (tmp_path / "a.conll.gz").write_bytes(gzip.compress(GOLD.encode()))
    (tmp_path / "a.jsonl").write_text("a O\n")
    assert isinstance(read_sentences(tmp_path / "a.txt"), RowFile)
    assert isinstance(read_sentences(tmp_path / "a.conll.gz"), ConllFile)
    with pytest.raises(DataError, match=r"a.jsonl:1: not JSON"):
        read_sentences(tmp_path / "a.jsonl")
    (tmp_path / "a.txt").write_bytes(b"caf\xe9 O\n")
    with pytest.raises(DataError, match=r"a.txt:1: not UTF-8"):
        read_sentences(tmp_path / "a.txt")


OWN = "EU B-ORG B-LOC\nrejects O O\n\nPeter B-PER O\n. O O\n! O B-x\n"


@pytest.mark.parametrize(
    "text",
    [
        OWN,
        "EU\tB-LOC\r\nrejects\tO\r\n\r\n\r\nPeter\tO\r\n.\tO\r\n!\tB-x",
        "-DOCSTART- O\n\nEU B-LOC\nrejects O\n\nPeter O\n. O\n! B-x\n\n",
        "B-LOC\nO\n\nO\nO\nB-x\n",  # no words
        "B-LOC O\nO O B-x\n",  # as run_ner.py of transformers writes them
        '{"words": ["EU", "rejects"], "predicted_tags": ["B-LOC", "O"], "tags": ["O", "O"]}\n'
        '{"words": ["Peter", ".", "!"], "predicted_tags": ["O", "O", "B-x"], "tags": ["O"]}\n',
        '{"tokens": ["EU", "rejects"], "tags": ["B-LOC", "O"]}\n'
        '{"tokens": ["Peter", ".", "!"], "tags": ["O", "O", "B-x"]}\n',
    ],
)
def test_predictions_are_read_in_the_forms_that_systems_write(tmp_path, gold, text):
    assert predicted(tmp_path, text, gold) == WANTED


def test_what_we_write_is_read(tmp_path, gold):
    written = read_sentences(tmp_path / "gold.conll").with_tags(WANTED)
    assert written == OWN
    assert predicted(tmp_path, written, gold) == WANTED
    lines = "".join(
        json.dumps({"words": list(one.words), "tags": list(one.tags)}) + "\n" for one in gold
    )
    (tmp_path / "gold.jsonl").write_text(lines)
    file = read_sentences(tmp_path / "gold.jsonl")
    assert predicted(tmp_path, file.with_tags(WANTED), file.sentences) == WANTED


def test_words_spelled_otherwise_and_other_ends_of_sentences_are_said(tmp_path, gold, caplog):
    text = "EU B-LOC\nrejects O\nPeter O\n\n&period; O\n! B-x\n"
    assert predicted(tmp_path, text, gold) == WANTED
    assert "1 words are others, the first at" in caplog.text
    assert "other:5: '&period;' where" in caplog.text
    assert "gold.conll:5 has '.'" in caplog.text
    assert "other ends sentences elsewhere; those of" in caplog.text


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("EU O\nrejects O\n\n. O\n! O\n", r"other:4: '.' where .*gold.conll:4 has 'Peter'"),
        ("EU O\nrejects O\n\nPeter O\n. O\n", r"other: 4 words where .*gold.conll has 5"),
        ("a O\nb O\n\nc O\n. O\n! O\n", r"other:1: 'a' where .*gold.conll:1 has 'EU'"),
        ("O\nO\nO\n", r"other: 3 words where .*gold.conll has 5"),
        ("EU O\nrejects\n", r"other:2: 1 column where most lines have 2"),
    ],
)
def test_predictions_for_another_text_are_refused(tmp_path, gold, text, said):
    with pytest.raises(DataError, match=said):
        predicted(tmp_path, text, gold)


def test_columns_are_asked_for(tmp_path, gold):
    (tmp_path / "own").write_text(OWN)
    found = read_sentences(tmp_path / "own", Columns(tags="2")).sentences
    assert [list(one.tags) for one in found] == [["B-ORG", "O"], ["B-PER", "O", "O"]]


def test_predictions_are_read_from_arrays_and_tables(tmp_path, gold):
    rows = [
        {"tokens": list(one.words), "ner_tags": list(one.tags), "predicted_tags": list(tags)}
        for one, tags in zip(gold, WANTED, strict=True)
    ]
    assert predicted(tmp_path, json.dumps(rows, indent=1), gold, "a.json") == WANTED
    plain = [{"tokens": row["tokens"], "ner_tags": row["predicted_tags"]} for row in rows]
    pyarrow = pytest.importorskip("pyarrow")
    parquet = pytest.importorskip("pyarrow.parquet")
    for number, found in enumerate((rows, plain)):
        path = tmp_path / f"{number}.parquet"
        parquet.write_table(pyarrow.Table.from_pylist(found), path)
        assert read_predicted(path, gold) == WANTED
    names = ["O", "B-LOC", "B-x"]
    for row in plain:
        row["ner_tags"] = list(map(names.index, row["ner_tags"]))
    lines = "".join(json.dumps(row) + "\n" for row in plain)
    (tmp_path / "n.jsonl").write_text(lines)
    assert read_predicted(tmp_path / "n.jsonl", gold, names) == WANTED
    with pytest.raises(DataError, match=r"n.jsonl:1: 'ner_tags' holds numbers"):
        read_predicted(tmp_path / "n.jsonl", gold)
