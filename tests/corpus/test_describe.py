"""Counting text files in any form."""

from __future__ import annotations

import gzip
import json

import pytest

from bertkit.corpus import describe
from bertkit.corpus.describe import describe_text
from bertkit.errors import DataError

TEXT = "One sentence here.\nAnother one.\n\nA second document.\n"


def test_forms_and_compressions_hold_the_same(tmp_path):
    (tmp_path / "a.txt").write_text(TEXT)
    (tmp_path / "b.txt.gz").write_bytes(gzip.compress(TEXT.encode()))
    documents = [part.strip() for part in TEXT.split("\n\n")]
    rows = (json.dumps({"text": part}) for part in documents)
    (tmp_path / "c.jsonl").write_text("\n".join(rows))
    found = [describe_text([str(path)]) for path in sorted(tmp_path.iterdir())]
    for counts in found:
        assert (counts.documents, counts.sentences, counts.words) == (2, 3, 8)
    whole = describe_text([str(tmp_path)])
    assert (whole.files, whole.documents) == (3, 6)
    assert whole.texts.repeated_share == pytest.approx(4 / 6)


def test_paragraphs_of_a_document_are_no_documents(tmp_path):
    (tmp_path / "a.jsonl").write_text(json.dumps({"text": "One here.\n\nTwo.\n \n\nThree."}))
    found = describe_text([str(tmp_path / "a.jsonl")])
    assert (found.documents, found.sentences, found.one_sentence, found.empty) == (1, 3, 0, 0)


def test_blocks_are_whole_lines(tmp_path, monkeypatch):
    monkeypatch.setattr(describe, "BLOCK", 24)
    (tmp_path / "a.txt").write_text(TEXT + "word " * 20 + "漢字" * 20)
    blocks = []
    describe_text([str(tmp_path / "a.txt")], lambda name, block: blocks.append(block))
    assert b"".join(blocks) == (tmp_path / "a.txt").read_bytes()
    assert len(blocks) > 5 and all(block.decode() for block in blocks)
    assert blocks[0].endswith(b"\n") and max(map(len, blocks)) < 80


def test_what_is_no_text_is_refused(tmp_path):
    (tmp_path / "x.bin").write_bytes(bytes(range(256)) * 10)
    with pytest.raises(DataError, match=r"x\.bin"):
        describe_text([str(tmp_path / "x.bin")])


def test_other_encodings_in_a_folder_are_left_out_as_extract_skips_them(tmp_path, monkeypatch):
    monkeypatch.setattr(describe, "BLOCK", 7)  # ends within characters
    (tmp_path / "a.txt").write_text(TEXT + "Größe und Übel.\n" * 9)
    (tmp_path / "b.txt").write_bytes(b"plain, " * 5 + "Größe".encode("latin-1"))
    (tmp_path / "c.txt").write_bytes("Größ".encode()[:-1])  # cut off
    found = describe.forms_of([str(tmp_path)])
    assert found.paths == [str(tmp_path / "a.txt")]
    assert found.left_out == {"not UTF-8": 2}
    assert [line.partition(": ")[2][:21] for line in found.named] == [
        "not UTF-8 at byte 37;",
        "not UTF-8 at byte 4; ",
    ]
    # Named, or alone, it is what the user asks about.
    (tmp_path / "a.txt").unlink()
    (tmp_path / "c.txt").unlink()
    for given in (tmp_path, tmp_path / "b.txt"):
        assert describe.forms_of([str(given)]).paths == [str(tmp_path / "b.txt")]
    with pytest.raises(DataError, match="not UTF-8 at byte 37"):
        describe_text([str(tmp_path)])
