"""Rows of words and tags."""

from __future__ import annotations

import json
import math
from datetime import date

import pytest

from bertkit.errors import DataError
from bertkit.tables.table import Row, Table
from bertkit.tasks.tag.row_words import PREDICTED, is_json, read_json_words, read_table_words
from bertkit.tasks.tag.sentence import Columns


def read(text, tagged=True, **columns):
    return read_json_words("f", text, Columns(**columns), tagged)


def test_objects_come_back_with_one_field_more():
    text = '{"id": 7, "tokens": ["é", ""], "ner_tags": ["B-x", "O"]}\r\n\n{"words": [], "tags": []}'
    file = read(text)
    assert [(one.words, one.tags) for one in file.sentences] == [
        (["é", ""], ["B-x", "O"]),
        ([], []),
    ]
    assert file.sentences[0].place(1) == "f:1"
    lines = file.with_tags([["O", "O"], []]).split("\n")
    assert lines[0].startswith('{"id": 7, "tokens": ["é", ""]')
    assert json.loads(lines[0])[PREDICTED] == ["O", "O"]
    assert lines[1] == ""
    assert json.loads(lines[2]) == {"words": [], "tags": [], PREDICTED: []}


def test_fields_are_named():
    file = read('{"w": ["a"], "pos": ["NN"], "tags": ["O"]}\n', words="w", tags="pos")
    assert (file.sentences[0].words, file.sentences[0].tags) == (["a"], ["NN"])
    assert read('{"words": ["a"]}', tagged=False).sentences[0].tags is None


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ('{"words": ["a"], "tags": ["O", "O"]}', "f:2: 1 words and 2 tags"),
        ('{"words": ["a"]}', "f:2: has no field 'tags' or 'ner_tags' or 'labels'"),
        ('{"text": "a", "tags": ["O"]}', "f:2: has no field 'words' or 'tokens'"),
        ('{"words": "a", "tags": ["O"]}', "f:2: 'words' is not a list of texts"),
        ('{"words": ["a"], "tags": [3]}', "f:2: 'tags' holds numbers, and the tags they stand for"),
        ('{"words": ["a"], "tags": [0.5]}', "f:2: 'tags' is not a list of texts"),
        ('{"words": ["a"], "tags": ["O"]', "f:2: not JSON"),
        ('["a"]', "f:2: not an object"),
    ],
)
def test_bad_lines_are_told_with_their_place(line, said):
    with pytest.raises(DataError) as error:
        read('{"words": ["a"], "tags": ["O"]}\n' + line)
    assert error.value.message.startswith(said)


def test_numbers_are_tags_where_these_are_given():
    line = '{"words": ["a", "b"], "tags": [1, 0], "n": 0.5}'
    for text in (line, f"[{line}]"):
        file = read_json_words("f", text, Columns(), True, ["O", "B-x"])
        assert file.sentences[0].tags == ["B-x", "O"]
        assert json.loads(file.with_tags([["O", "O"]])) == {
            "words": ["a", "b"],
            "tags": ["B-x", "O"],
            "n": 0.5,
            PREDICTED: ["O", "O"],
        }
    with pytest.raises(DataError, match=r"f: object 1: the label 1 has no name; .* 1 names"):
        read_json_words("f", f"[{line}]", Columns(), True, ["O"])
    with pytest.raises(DataError, match="f: object 2: not an object"):
        read_json_words("f", f"[{line}, 3]", Columns(), True, ["O", "B-x"])


def test_a_file_of_columns_may_begin_with_a_brace():
    assert is_json('\ufeff\n{"words": []}\nx')
    assert not is_json("{ O\n} O\n")
    assert not is_json('{" O\n')
    assert not is_json("")
    with pytest.raises(DataError, match="f: holds no sentence"):
        read("\n")


NAMES = ["O", "B-x"]


def table(rows, classes=None):
    """A table as Parquet and Arrow give it."""
    lines = [Row(number, list(row.values())) for number, row in enumerate(rows, 1)]
    return Table("f", list(rows[0]), len(rows[0]), lines, classes or {"ner_tags": NAMES})


@pytest.mark.parametrize(
    ("tags", "said"),
    [
        ([0, -1], "f:2: 'ner_tags' has -1 for word 2: there is no tag"),
        ([None, 0], "f:2: 'ner_tags' has None for word 1: there is no tag"),
        ([0, -100], "f:2: the label -100 has no name; the file notes 2 names"),
        (None, "f:2: 'ner_tags' is empty"),
        ([0.0, 1.0], "f:2: 'ner_tags' is not a list of texts"),
        ([0], "f:2: 2 words and 1 tags"),
    ],
)
def test_bad_rows_of_tables_are_told_as_they_are(tags, said):
    rows = [{"tokens": ["a", "b"], "ner_tags": found} for found in ([0, 1], tags)]
    with pytest.raises(DataError) as error:
        read_table_words(table(rows), Columns(), True)
    assert error.value.message == said
    assert "one object per line" not in error.value.hint


def test_values_of_a_table_come_back_where_json_has_a_form_for_them():
    kept = {"score": 0.5, "meta": {"a": [1, None]}, "spans": [["x"]]}
    others = {
        "day": date(2020, 1, 1),
        "image": {"bytes": b"x"},
        "nan": [math.nan],
        "half": "\ud800",
    }
    row = {"tokens": ["a"], "ner_tags": [1], **kept, **others}
    file = read_table_words(table([row]), Columns(), True)
    assert json.loads(file.with_tags([["O"]])) == {
        "tokens": ["a"], "ner_tags": ["B-x"], **kept, PREDICTED: ["O"],
    }  # fmt: skip
