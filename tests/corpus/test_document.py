from __future__ import annotations

import hashlib
import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bertkit.corpus import document
from bertkit.corpus.clean import clean_text, one_line
from bertkit.corpus.document import (
    Document,
    DocumentWriter,
    RawDocument,
    Rejected,
    Skipped,
    Unparsed,
    parsed,
    read_documents,
)
from bertkit.errors import DataError


def sentence_lists():
    text = st.text(min_size=1, max_size=30).map(clean_text).map(one_line).filter(bool)
    return st.lists(st.lists(text, min_size=1, max_size=4), max_size=4)


@given(sentence_lists())
def test_what_is_written_is_read_again(tmp_path_factory, lists):
    path = tmp_path_factory.mktemp("d") / "d.txt"
    with open(path, "wb") as stream:
        writer = DocumentWriter(stream)
        for item in lists:
            writer.write(Document("", "", tuple(item)))
    assert writer.facts == {
        "documents": len(lists),
        "sentences": sum(map(len, lists)),
        "bytes": path.stat().st_size,
        "sha256": hashlib.sha256(path.read_bytes()).hexdigest(),
    }
    assert [list(found.sentences) for found in read_documents(str(path))] == lists


def test_form_is_one_sentence_a_line_and_a_blank_line_between():
    stream = io.BytesIO()
    writer = DocumentWriter(stream)
    writer.write(Document("", "", ("A.", "B.")))
    writer.write(Document("", "", ("C.",)))
    assert stream.getvalue() == b"A.\nB.\n\nC.\n"


def test_text_in_its_final_form_is_written_as_it_is():
    stream = io.BytesIO()
    writer = DocumentWriter(stream)
    writer.write_bytes(b"A.\n\n\nB.\n", documents=2, sentences=2)
    writer.write(Document("", "", ("C.",)))
    assert stream.getvalue() == b"A.\n\n\nB.\n\nC.\n"
    assert (writer.documents, writer.sentences, writer.bytes) == (3, 3, 12)


class Pair(Unparsed):
    size = 2

    def documents(self):
        return (RawDocument("1", "", "a"), Skipped("odd"))


def test_pieces_are_taken_apart_in_their_order():
    bad = Rejected("0", "bad")
    assert list(parsed([bad, Pair()])) == [bad, RawDocument("1", "", "a"), Skipped("odd")]


def test_other_programs_files_with_spaces_and_many_blank_lines(tmp_path):
    path = tmp_path / "d.txt"
    path.write_bytes(b"\n\n A. \r\nB.\r\n \t\r\n\n\nC.\x0bD.")
    found = list(read_documents(str(path)))
    assert [item.sentences for item in found] == [("A.", "B."), ("C.\x0bD.",)]
    assert [item.id.rpartition(":")[2] for item in found] == ["3", "8"]


def test_real_one_sentence_file(shared):
    path = shared / "data/tfrecord_samples/graphcore/sample_text.txt"
    found = list(read_documents(str(path)))
    blocks = path.read_text("utf-8").strip().split("\n\n")
    assert len(found) == len(blocks)
    assert [list(item.sentences) for item in found] == [
        [line.strip() for line in block.split("\n")] for block in blocks
    ]


def test_bad_utf8_names_file_and_byte(tmp_path):
    path = tmp_path / "d.txt"
    path.write_bytes(b"good\n\nbad \xff here\n")
    with pytest.raises(DataError, match=r"d\.txt:\d+: not UTF-8 at byte 10") as caught:
        list(read_documents(str(path)))
    assert caught.value.exit_code == 3
    assert str(caught.value).startswith(f"{path}:3:")


def test_bytes_of_another_kind_are_named_and_no_hint_makes_junk(tmp_path):
    path = tmp_path / "d.txt"
    for blob, what in (
        (b"PK\x03\x04\x14\0\xff\xfe", "zip"),
        (b"PAR1\xff", "parquet"),
    ):
        path.write_bytes(blob)
        with pytest.raises(DataError, match=f"the file is .*{what}") as caught:
            list(read_documents(str(path)))
        assert "LATIN1" not in caught.value.hint


def test_endless_line_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(document, "MAX_LINE", 1000)
    path = tmp_path / "d.txt"
    path.write_bytes(b"ok\n" + b"x" * 5000)
    with pytest.raises(DataError, match=r"d\.txt:2: the line is longer than"):
        list(read_documents(str(path)))
