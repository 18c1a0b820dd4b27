"""Blocks hold whole documents, whatever their size, and all of the file."""

from __future__ import annotations

import gzip

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bertkit.corpus.cleaning import blocks
from bertkit.corpus.cleaning.blocks import read_blocks
from bertkit.corpus.document import read_documents
from bertkit.errors import DataError


@given(st.text("ab \n\n\n\té\u3000", max_size=80), st.integers(1, 40))
@settings(max_examples=80)
def test_blocks_hold_whole_documents(tmp_path_factory, text, size):
    folder = tmp_path_factory.mktemp("blocks")
    (folder / "in").write_bytes(text.encode())
    found = list(read_blocks(str(folder / "in"), size))
    blob = text.encode()
    assert b"".join(each.blob[: each.size] for each in found) == blob
    documents = []
    for number, each in enumerate(found):
        assert each.offset == sum(block.size for block in found[:number])
        assert each.lines == blob[: each.offset].count(b"\n")
        (folder / "block").write_bytes(each.blob)
        documents += [document.sentences for document in read_documents(str(folder / "block"))]
    assert documents == [document.sentences for document in read_documents(str(folder / "in"))]


def test_blocks_are_small_and_compressed_files_are_read(tmp_path):
    text = b"One sentence.\nAnother.\n\n" * 1000
    (tmp_path / "in.gz").write_bytes(gzip.compress(b"\xef\xbb\xbf" + text))
    found = list(read_blocks(str(tmp_path / "in.gz"), 5000))
    assert b"".join(each.blob for each in found) == text
    assert max(each.size for each in found) <= 5000 + 50


def test_what_is_not_in_the_form_is_named(tmp_path, monkeypatch):
    (tmp_path / "bad").write_bytes(b"One.\n\n" * 20 + b"\xff\n")
    with pytest.raises(DataError, match=r"bad:\d+: not UTF-8 at byte 120"):
        list(read_blocks(str(tmp_path / "bad"), 32))
    monkeypatch.setattr(blocks, "MAX_LINE", 100)
    (tmp_path / "long").write_bytes(b"One.\n\n" + b"x" * 101 + b"\n")
    with pytest.raises(DataError, match="long:3: the line is longer than 100 bytes"):
        list(read_blocks(str(tmp_path / "long"), 16))
