from __future__ import annotations

from bertkit.corpus.document import RawDocument, Rejected
from bertkit.corpus.forms.documents import FORM
from corpus.forms.reading import read, write


def test_blocks_are_documents_with_their_line(tmp_path):
    path = write(tmp_path, "a.txt", b"\n\none\nmore\n \n\ntwo")
    assert read(FORM, path) == [
        RawDocument(f"{path}:3", "", "one\nmore\n"),
        RawDocument(f"{path}:7", "", "two"),
    ]


def test_bad_block_costs_one_document(tmp_path):
    path = write(tmp_path, "a.txt", b"one\n\nt\xffwo\n\n" + b"x" * 3000 + b"\n\nfour\n")
    one, two, three, four = read(FORM, path, 1000)
    assert one.text == "one\n"
    assert two == Rejected(f"{path}:3", f"not UTF-8 at byte 6 of {path}")
    assert isinstance(three, Rejected)
    assert four.text == "four\n"
