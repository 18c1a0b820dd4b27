"""Lines and documents as TensorFlow's reader and the reference programs see them."""

from __future__ import annotations

import pytest

from bertkit.errors import DataError
from bertkit.tokenization.sentence_files import read_documents, read_lines
from bertkit.tokenization.vocabulary import find_vocab, load_vocab
from bertkit.tokenization.wordpiece import WordPieceTokenizer


@pytest.fixture(scope="module")
def cut():
    return WordPieceTokenizer(load_vocab(find_vocab("bertkit-uncased-8k")))


def lines(path, blob: bytes) -> list[str]:
    path.write_bytes(blob)
    return list(read_lines(path))


def documents(cut, tmp_path, *blobs: bytes) -> list[list[str]]:
    paths = []
    for index, blob in enumerate(blobs):
        paths.append(tmp_path / f"{index}.txt")
        paths[-1].write_bytes(blob)
    found = read_documents(paths, cut)
    return [["".join(sentence) for sentence in document] for document in found]


@pytest.mark.parametrize(
    ("blob", "expected"),
    [
        (b"a\nb\n", ["a", "b"]),
        (b"a\nb", ["a", "b"]),
        (b"a\r\nb\r\n", ["a", "b"]),
        (b"a\rb", ["ab"]),  # a file with \r alone is one line
        (b"a\n\r", ["a"]),  # nothing but \r at the end is the end
        (b"a\n\r\nb", ["a", "", "b"]),
        ("a\u2028b\x85c\x0cd\n".encode(), ["a\u2028b\x85c\x0cd"]),  # only \n ends a line
        (b" \t a b \n", ["a b"]),
        (b"", []),
        (b"\n", [""]),
    ],
)
def test_lines(tmp_path, blob, expected):
    assert lines(tmp_path / "t.txt", blob) == expected


def test_not_utf8_names_line_and_byte_of_the_file(tmp_path):
    path = tmp_path / "t.txt"
    with pytest.raises(DataError, match=r"t.txt:3: not UTF-8 at byte 13 \(0xff\)"):
        lines(path, "ää\nb\r\nccc ".encode() + b"d\xff\n")
    with pytest.raises(DataError, match=r"t.txt:2: not UTF-8 at byte 2 \(0xe4\)"):
        lines(path, b"a\n\xe4")  # cut off inside a character


def test_blank_lines_end_documents(cut, tmp_path):
    assert documents(cut, tmp_path, b"\n\na b\nc\n\n\n\nd\n") == [["ab", "c"], ["d"]]


@pytest.mark.parametrize("blank", ["\x85", "\u2028", "\u3000", "\x1c", "\u00a0", "\x0b", " "])
def test_lines_that_strip_to_nothing_are_blank(cut, tmp_path, blank):
    assert documents(cut, tmp_path, f"a\n{blank}\nb\n".encode()) == [["a"], ["b"]]


@pytest.mark.parametrize("filler", ["\u200b", "\x00", "\ufeff", "\u0301"])
def test_lines_without_tokens_are_no_sentence_and_end_nothing(cut, tmp_path, filler):
    assert documents(cut, tmp_path, f"a\n{filler}\nb\n".encode()) == [["a", "b"]]


def test_a_document_goes_on_in_the_next_file(cut, tmp_path):
    assert documents(cut, tmp_path, b"a\n", b"b\n\nc") == [["a", "b"], ["c"]]
    assert documents(cut, tmp_path, b"a\n\n", b"b\n") == [["a"], ["b"]]


def test_nothing(cut, tmp_path):
    assert documents(cut, tmp_path, b"", b"\n\n\x00\n") == []
