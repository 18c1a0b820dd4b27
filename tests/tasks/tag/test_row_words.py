"""Rows of words and tags."""

from __future__ import annotations

import json

import pytest

from bertkit.errors import DataError
from bertkit.tasks.tag.row_words import PREDICTED, is_json, read_json_words
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
