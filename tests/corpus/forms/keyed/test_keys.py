from __future__ import annotations

import pytest

from bertkit.corpus.document import RawDocument, Rejected
from bertkit.corpus.forms.form import ReadOptions
from bertkit.corpus.forms.keyed.keys import TextKeys, column_of, value_at
from bertkit.errors import NotTextError


def test_the_first_record_decides_for_the_file():
    keys = TextKeys(ReadOptions())
    assert keys.document({"content": "a", "id": 7}, "n") == RawDocument("7", "", "a")
    assert isinstance(keys.document({"body": "b"}, "n"), Rejected)
    assert keys.document({"content": "c", "text": "d"}, "n") == RawDocument("n", "", "c")


def test_given_keys_and_paths_of_keys():
    keys = TextKeys(ReadOptions(text_key="page.raw", title_key="name"))
    record = {"page": {"raw": "x"}, "name": "T", "text": "no"}
    assert keys.document(record, "n") == RawDocument("n", "T", "x")
    missing = keys.document({"text": "no"}, "n")
    assert isinstance(missing, Rejected)
    assert "page.raw" in missing.reason
    assert value_at({"a.b": 1, "a": {"b": 2}}, "a.b") == 1


def test_columns():
    assert column_of(["id", "body"], ["body"], ReadOptions(), "a") == "body"
    assert column_of(["id", "x"], [], ReadOptions(text_key="x"), "a") == "x"
    with pytest.raises(NotTextError, match="which column is the text\\? It has id, x") as caught:
        column_of(["id", "x"], ["x"], ReadOptions(), "a")
    assert "--text-key" in caught.value.hint
    with pytest.raises(NotTextError, match="no column y"):
        column_of(["id", "x"], ["x"], ReadOptions(text_key="y"), "a")


def test_a_column_that_stands_twice_is_refused():
    """Its last values were taken, the others lost."""
    for options in (ReadOptions(), ReadOptions(text_key="text")):
        with pytest.raises(NotTextError, match="has 2 columns named text"):
            column_of(["text", "id", "text"], ["text", "id", "text"], options, "a")
    assert column_of(["x", "x", "text"], ["text"], ReadOptions(), "a") == "text"


@pytest.mark.parametrize(
    ("value", "said"),
    [(None, "null"), (5, "the number 5"), (True, "true"), (["a"], "a list"), ({}, "an object")],
)
def test_a_text_that_is_none_is_told(value, said):
    rejected = TextKeys(ReadOptions()).document({"text": value}, "n")
    assert rejected.reason == f'no text: "text" is {said}, not a string'
