from __future__ import annotations

import json

import pytest

from bertkit.corpus.document import RawDocument, Rejected
from bertkit.corpus.forms.detect import detect
from bertkit.corpus.forms.jsonl import FORM
from bertkit.corpus.raw_file import RawFile
from bertkit.errors import NotTextError
from corpus.forms.reading import read, write


def test_json_lines_good_and_bad(tmp_path):
    good = {"id": 5, "url": "u", "title": "T", "text": "x \ud800 \n\ny"}
    rows = [
        json.dumps(good).encode(),
        b'{"text": "only"}',
        b'{"txt": "x"}',
        b"[1]",
        b'{"text": 5}',
        b"{broken",
        b"",
        b'{"text": "\xff"}',
        b"[" * 100_000,
        b'{"text": "last"}',
    ]
    path = write(tmp_path, "a.jsonl", b"\n".join(rows))
    found = read(FORM, path)
    assert found[0] == RawDocument("5", "T", "x \ud800 \n\ny")
    assert found[1] == RawDocument(f"{path}:2", "", "only")
    assert all(isinstance(item, Rejected) for item in [*found[2:6], *found[7:9]])
    assert found[6].text == ""
    assert found[9].text == "last"
    assert [item.id for item in found[2:]] == [f"{path}:{n}" for n in range(3, 11)]


def test_a_first_record_of_any_size_makes_json_lines(tmp_path):
    """Books: the first line alone has megabytes, and no ending tells what the file is."""
    rows = [json.dumps({"text": f"{mark} word " * 200_000}) for mark in "abc"]
    path = write(tmp_path, "books.json", "\n".join(rows).encode())
    found = detect(RawFile.of(path))
    assert found == (FORM, "its first line is a JSON object")
    assert [item.text[0] for item in read(FORM, path)] == ["a", "b", "c"]


def test_the_key_of_the_text_is_found_or_given(tmp_path):
    path = write(tmp_path, "a", b'{"id": 1, "content": "x"}\n{"id": 2, "content": "y"}\n')
    assert detect(RawFile.of(path)).reason.endswith('text under "content"')
    assert [item.text for item in read(FORM, path)] == ["x", "y"]
    path = write(tmp_path, "b", b'{"q": "x", "a": "y"}\n')
    with pytest.raises(NotTextError, match="its keys are q, a") as caught:
        detect(RawFile.of(path))
    assert "--text-key" in caught.value.hint
    assert [item.text for item in read(FORM, path, text_key="a")] == ["y"]


def test_a_first_line_that_is_an_object():
    assert FORM.signature(b' {"text": "x"}\n')
    for line in (b"{broken\n", b"[1]\n", b"5\n", b"", b"{" * 100_000):
        assert not FORM.signature(line)


def test_each_line_may_be_a_string(tmp_path):
    texts = ["Cats sleep.", 'They say "hi".', "", "二つ"]
    path = write(tmp_path, "a.ndjson", "".join(json.dumps(t) + "\n" for t in texts).encode())
    assert detect(RawFile.of(path)).form is FORM
    assert [item.text for item in read(FORM, path)] == texts
