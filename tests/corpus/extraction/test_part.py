from __future__ import annotations

import hashlib

import pytest

from bertkit.corpus.config import ExtractConfig
from bertkit.corpus.document import Document, Rejected
from bertkit.corpus.extraction.part import Part, documents_of, form_of, make_part, splitter_of
from bertkit.corpus.sentences import split_lines
from bertkit.errors import UsageError

LINES = ExtractConfig(splitter="lines")


def test_documents_are_cleaned_and_split(tmp_path):
    path = tmp_path / "w"
    path.write_text('<doc id="9" title="A">\nA\n\nOne &amp; two.\n\nThree.\n</doc>\n')
    (found,) = documents_of(str(path), LINES, split_lines)
    assert found == Document("9", "A", ("One & two.", "Three."))


def test_document_without_text_has_no_sentences(tmp_path):
    path = tmp_path / "w"
    path.write_text('<doc id="9" title="A">\nA\n\n</doc>\n<doc id="8">\nx')
    empty, broken = documents_of(str(path), LINES, split_lines)
    assert empty.sentences == ()
    assert isinstance(broken, Rejected)


def test_given_form_wins_over_what_the_file_looks_like(tmp_path):
    path = tmp_path / "a.jsonl"
    path.write_text('{"text": "x"}\n')
    assert form_of(str(path), LINES).name == "jsonl"
    assert form_of(str(path), ExtractConfig(form="text")).name == "text"


def test_sentences_form_is_never_split_again(tmp_path):
    path = tmp_path / "a.txt"
    path.write_text("One. Two.\nThree.\n\nFour.\n")
    config = ExtractConfig(form="sentences", splitter="rule")
    found = list(documents_of(str(path), config, lambda text: text.split()))
    assert [item.sentences for item in found] == [("One. Two.", "Three."), ("Four.",)]


def test_part_tells_what_it_holds(tmp_path):
    names = []
    for number, text in enumerate(("One.\nTwo.\n", "", "Three.\n")):
        (tmp_path / f"{number}.txt").write_text(text)
        names.append(str(tmp_path / f"{number}.txt"))
    name, facts = make_part(Part("p.txt", str(tmp_path), tuple(names), LINES))
    blob = (tmp_path / name).read_bytes()
    assert blob == b"One.\nTwo.\n\nThree.\n"
    assert (facts.documents, facts.sentences, facts.empty, facts.rejected) == (2, 3, 1, 0)
    assert facts.bytes == len(blob)
    assert facts.sha256 == hashlib.sha256(blob).hexdigest()


def test_splitter_is_made_once():
    assert splitter_of(LINES) is splitter_of(ExtractConfig(splitter="lines", strict=True))
    with pytest.raises(UsageError):
        splitter_of(ExtractConfig(splitter="none"))
