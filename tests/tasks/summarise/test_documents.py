"""Documents from tables, stories and BERTSum's files; and what is said of bad ones."""

from __future__ import annotations

import json
from datetime import date

import pyarrow
import pytest
from pyarrow import parquet

from bertkit.errors import DataError, MissingDependencyError
from bertkit.tasks.summarise import documents as module
from bertkit.tasks.summarise.documents import LABELS, SUMMARY, DocumentReader, story_files

TEXT = "It rained in London. The river rose by 3.5 m.\nNobody was hurt."
SENTENCES = ["It rained in London.", "The river rose by 3.5 m.", "Nobody was hurt."]
STORY = """(CNN) -- It rained in London. The river rose by 3.5 m.

Nobody was hurt.

@highlight

It rained in
London

@highlight

Nobody was hurt
"""


def read(path, needs="", **settings):
    return DocumentReader(**settings).read(str(path), needs=needs)


def test_texts_and_lists_of_sentences_and_of_words(write):
    path = write(
        "a.jsonl",
        [
            {"document": TEXT, "summary": "It rained. Nobody was hurt.", "id": 7},
            {"document": SENTENCES, "summary": ["It rained."], "labels": [1, 0, 0]},
            {"document": [s.split() for s in SENTENCES], "summary": [["It", "rained", "."]]},
            {"document": TEXT, "summary": "Rain.\nNobody was hurt. Good."},
        ],
    )
    found = read(path, LABELS)
    assert [document.sentences for document in found] == [SENTENCES] * 4
    assert [document.summary for document in found] == [
        ["It rained.", "Nobody was hurt."],
        ["It rained."],
        ["It rained ."],
        ["Rain.", "Nobody was hurt. Good."],
    ]
    assert [document.labels for document in found] == [None, [1, 0, 0], None, None]
    assert [document.name for document in found] == [7, None, None, None]
    assert found[2].place == f"{path}:3"
    assert found[0].words[0] == ["It", "rained", "in", "London."]


def test_hugging_face_columns_of_parquet_and_csv(tmp_path):
    columns = {"article": [TEXT], "highlights": ["It rained .\nNobody was hurt ."], "id": ["x"]}
    parquet.write_table(pyarrow.table(columns), tmp_path / "a.parquet")
    lists = {"body": [SENTENCES], "gist": [["It rained."]]}
    parquet.write_table(pyarrow.table(lists), tmp_path / "b.parquet")
    (tmp_path / "a.csv").write_text('article,highlights\n"One. Two.","One."\n')
    (one,) = read(tmp_path / "a.parquet", SUMMARY)
    assert (one.sentences, one.name) == (SENTENCES, "x")
    assert one.summary == ["It rained .", "Nobody was hurt ."]
    names = {"document_column": "body", "summary_column": "gist"}
    (two,) = read(tmp_path / "b.parquet", SUMMARY, **names)
    assert (two.sentences, two.summary) == (SENTENCES, ["It rained."])
    (three,) = read(tmp_path / "a.csv", SUMMARY)
    assert (three.sentences, three.summary) == (["One.", "Two."], ["One."])


def test_bertsum_files(tmp_path):
    path = tmp_path / "cnndm.train.0.json"
    path.write_text(json.dumps([{"src": [["it", "rained"], ["bye"]], "tgt": [["rain", "."]]}]))
    (document,) = read(path, SUMMARY)
    assert (document.sentences, document.summary) == (["it rained", "bye"], ["rain ."])


def test_stories_and_their_folder(tmp_path):
    for name in ("b.story", "a.story"):
        (tmp_path / name).write_text(STORY)
    (tmp_path / "readme.txt").write_text("not a story")
    found = read(tmp_path, SUMMARY)
    assert [document.name for document in found] == ["a", "b"]
    assert found[0].summary == ["It rained in London", "Nobody was hurt"]
    assert found[0].sentences[-2:] == SENTENCES[1:]
    assert [d.place for d in found] == story_files(str(tmp_path))
    assert len(DocumentReader().read(str(tmp_path), limit=1)) == 1
    assert read(tmp_path / "a.story")[0].sentences == found[0].sentences


BAD = {
    "document is empty": {"document": " ", "summary": "a"},
    "document is neither": {"document": 3, "summary": "a"},
    "document is neither a text nor a list": {"document": ["a", None], "summary": "a"},
    "there is no summary": {"document": "a b", "summary": " "},
    "labels must be a list of 2 numbers": {"document": ["a", "b"], "labels": [1]},
    "a label is neither 0 nor 1": {"document": ["a", "b"], "labels": [0, 2]},
}


@pytest.mark.parametrize("message", BAD)
def test_bad_records_are_named_by_file_and_line(write, message):
    good = {"document": ["One.", "Two."], "summary": "One.", "labels": [1, 0]}
    path = write("bad.jsonl", [good, BAD[message]])
    with pytest.raises(DataError, match=f"bad.jsonl:2: .*{message}|bad.jsonl:2: {message}"):
        read(path, LABELS)


def test_missing_columns_are_named(write):
    path = write("a.jsonl", [{"headline": "a", "body": "b c"}])
    with pytest.raises(DataError, match=r"is the document.* headline, body") as error:
        read(path)
    assert error.value.hint == "name it: --document-column"
    with pytest.raises(DataError, match="which column is the summary"):
        read(path, SUMMARY, document_column="body")
    with pytest.raises(DataError, match="no column 'gist'"):
        read(path, SUMMARY, document_column="body", summary_column="gist")
    assert read(path, document_column="body")[0].sentences == ["b c"]
    path = write("b.jsonl", [{"document": ["One.", "Two."], "labels": [1, 0]}])
    assert read(path, LABELS)[0].summary is None
    with pytest.raises(DataError, match="which column is the summary"):
        read(path, SUMMARY)


def test_text_is_split_only_where_it_has_to_be(write, monkeypatch):
    def missing(*_, **__):
        raise MissingDependencyError("spaCy is not installed")

    monkeypatch.setattr(module, "rule_splitter", missing)
    assert read(write("a.jsonl", [{"document": SENTENCES}]))[0].sentences == SENTENCES
    with pytest.raises(MissingDependencyError):
        read(write("b.jsonl", [{"document": TEXT}]))


def test_a_story_that_is_not_utf_8(tmp_path):
    (tmp_path / "a.story").write_bytes(b"one\ntw\xff\n")
    with pytest.raises(DataError, match=r"a\.story:2: not UTF-8"):
        read(tmp_path / "a.story")


def test_ids_that_json_has_no_form_for_are_texts(tmp_path):
    rows = {"document": [TEXT], "summary": ["It rained."], "id": [date(2020, 1, 31)]}
    parquet.write_table(pyarrow.table(rows), tmp_path / "a.parquet")
    assert read(tmp_path / "a.parquet")[0].name == "2020-01-31"


def test_a_list_that_csv_holds_as_text_is_refused(tmp_path):
    (tmp_path / "a.csv").write_text("document,summary\n\"['It rained.' 'Good.']\",It rained.\n")
    with pytest.raises(DataError, match=r"a.csv:2: the document is a list written as text"):
        read(tmp_path / "a.csv")
