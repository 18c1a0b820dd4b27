from __future__ import annotations

from bertkit.corpus.document import Rejected
from bertkit.corpus.forms.text import FORM
from corpus.forms.reading import read


def test_text_file_is_one_document_or_one_rejection(tmp_path, shared):
    book = str(shared / "data/corpus/gutenberg17/austen-persuasion.txt")
    (item,) = read(FORM, book)
    assert (
        item.text.encode()
        == (shared / "data/corpus/gutenberg17/austen-persuasion.txt").read_bytes()
    )
    (big,) = read(FORM, book, 1000)
    assert isinstance(big, Rejected)
    latin = str(shared / "data/corpus/gutenberg17/shakespeare-caesar.txt")
    (bad,) = read(FORM, latin)
    blob = (shared / "data/corpus/gutenberg17/shakespeare-caesar.txt").read_bytes()
    byte = next(i for i, value in enumerate(blob) if value > 127)
    assert f"not UTF-8 at byte {byte}" in bad.reason


def test_a_file_that_ends_within_a_character_may_be_cut(tmp_path):
    path = tmp_path / "a.txt"
    path.write_bytes("Le café".encode()[:-1])
    (bad,) = read(FORM, str(path))
    assert bad.reason == f"not UTF-8 at byte 6 of {path}, where it ends: cut off?"
