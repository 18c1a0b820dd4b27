"""Spans of files of lines: documents, ids and messages are those of the whole file."""

from __future__ import annotations

import gzip
import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bertkit.corpus.config import ExtractConfig
from bertkit.corpus.extraction.extract import extract
from bertkit.corpus.forms import documents, jsonl, sentences
from corpus.forms.dividing import found_in, joined, spans_of

from .reading import write

# Lines of documents: some blank in one way or another, some not UTF-8, some long.
LINES = st.sampled_from(
    [b"\n", b"\n", b" \t\n", b"\x0b\n", b"\r\n", b"Some words.\n", b"x\xff\n", "äö\n".encode()]
) | st.integers(0, 90).map(lambda size: b"w" * size + b"\n")
RECORDS = st.sampled_from(
    [
        *({"text": "One."}, {"content": "Two."}, {"text": "Three.", "id": 7}, {"body": "Four."}),
        *({"title": "none"}, {"text": 5}, "a string", 17, None, [], {"text": "Five.\n" * 20}),
    ]
).map(lambda value: json.dumps(value).encode() + b"\n") | st.sampled_from(
    [b"\n", b"{broken\n", b'\x1e{"text": "Six."}\n', b"\xff\n"]
)


def agree(form, path: str, sizes, **more) -> int:
    """Compare the spans of all sizes with the whole; how many there are at most."""
    whole = found_in(form, path, [None], **more)
    counts = []
    for size in sizes:
        spans = spans_of(form, path, size, **more)
        assert found_in(form, path, spans, **more) == whole
        counts.append(len(spans))
    return max(counts)


@given(st.lists(LINES, max_size=40), st.booleans(), st.booleans(), st.integers(1, 200))
@settings(max_examples=150, deadline=None)
def test_documents_between_blank_lines(tmp_path_factory, lines, marked, ended, size):
    blob = (b"\xef\xbb\xbf" if marked else b"") + b"".join(lines) + (b"" if ended else b"end")
    path = write(tmp_path_factory.mktemp("d"), "a.txt", blob or b"x")
    assert agree(documents.FORM, path, (size,), max_bytes=70) <= 1 + len(lines)


@given(st.lists(RECORDS, max_size=40), st.booleans(), st.integers(1, 300), st.booleans())
@settings(max_examples=200, deadline=None)
def test_json_lines(tmp_path_factory, records, marked, size, named):
    blob = (b"\xef\xbb\xbf" if marked else b"") + b"".join(records)
    path = write(tmp_path_factory.mktemp("j"), "a.jsonl", blob or b"{}")
    more = {"text_key": "body"} if named else {}
    assert agree(jsonl.FORM, path, (size,), max_bytes=90, **more) <= max(1, len(records))


def test_every_line_can_begin_a_span(tmp_path):
    blob = b"".join(b'{"text": "Text %d."}\n' % number for number in range(50))
    assert agree(jsonl.FORM, write(tmp_path, "a.jsonl", blob), (1, 100, 10**9)) == 50
    blob = b"".join(b"Text %d.\n\n" % number for number in range(50))
    assert agree(documents.FORM, write(tmp_path, "a.txt", blob), (1, 100, 10**9)) == 50
    assert agree(sentences.FORM, write(tmp_path, "a.txt", blob), (1,)) == 50


def test_the_first_record_with_text_holds_for_all_spans(tmp_path):
    rows = [{"title": "x"}, {"content": "One."}, {"text": "no"}, {"content": "Two.", "text": "no"}]
    blob = "".join(json.dumps(row) + "\n" for row in rows * 3).encode()
    path = write(tmp_path, "a.jsonl", blob)
    assert agree(jsonl.FORM, path, (1, 50)) == 11, "not before the line that tells the key"
    strings = write(tmp_path, "b.jsonl", b'"no key tells"\n' * 30)
    assert len(spans_of(jsonl.FORM, strings, 1)) == 1


def test_lines_longer_than_a_piece(tmp_path):
    spaces, words = b" " * (1 << 20), b"word " * 300_000
    blob = b"One.\n\n" + spaces + b"Two.\n\n" + words + b"\n\nFour.\n\n" + spaces + b"\nFive.\n"
    assert agree(documents.FORM, write(tmp_path, "a.txt", blob), (1, 1 << 20, 3_000_000)) == 5
    rows = [{"text": "One."}, {"text": "word " * 300_000}, {"text": "Three."}]
    blob = "".join(json.dumps(row) + "\n" for row in rows).encode()
    assert agree(jsonl.FORM, write(tmp_path, "a.jsonl", blob), (1, 100_000)) == 3


@pytest.mark.parametrize("behind", [b"", b"broken"])
def test_the_beginning_of_a_long_line_tells_no_key(tmp_path, behind):
    """It may read as a record, with text under a key, where the line is none."""
    first = b'{"text": "One."}' + b" " * 1_100_000 + behind
    rows = [{"content": "Two."}, {"content": "Three.", "text": "no"}] * 9
    blob = b"".join(line + b"\n" for line in [first, *(json.dumps(row).encode() for row in rows)])
    agree(jsonl.FORM, write(tmp_path, "a.jsonl", blob), (1, 1_100_100))


@pytest.mark.parametrize("coding", ["utf-16", "utf-16-le", "cp1252", "shift_jis"])
def test_other_encodings_are_not_cut(tmp_path, coding):
    path = write(tmp_path, "a.txt", ("One.\n\nTwo.\n\n" * 20).encode(coding))
    assert len(spans_of(documents.FORM, path, 10, encoding=coding)) == 1


def test_packed_ones_are_not_cut(tmp_path):
    path = write(tmp_path, "a.txt.gz", gzip.compress(b"One.\n\n" * 99))
    assert len(spans_of(documents.FORM, path, 1)) == 1


@pytest.mark.parametrize("name", ["a.jsonl", "a.txt"])
def test_parts_make_what_one_part_is(tmp_path, name):
    form = jsonl.FORM if name.endswith("l") else documents.FORM
    texts = [f"Text {n}. " * (1 + n % 40) for n in range(400)]
    between = "\n\n" if form is documents.FORM else "\n"
    rows = texts if form is documents.FORM else [json.dumps({"text": text}) for text in texts]
    path = write(tmp_path, name, between.join(rows).encode() + b"\n")
    config = ExtractConfig(splitter="lines", form=form.name)
    one = extract([path], str(tmp_path / "one"), config, workers=1)
    many = extract([path], str(tmp_path / "many"), config, workers=1, part_bytes=8_000)
    assert (one.parts, many.parts > 5, many.documents) == (1, True, 400)
    assert joined(tmp_path / "many") == joined(tmp_path / "one")
