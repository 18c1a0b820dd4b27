from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator

import pytest

from bertkit.corpus.chains.mlperf import punkt_of_2019, segment
from bertkit.corpus.chains.punkt_2019 import Parameters, Punkt2019, english_parameters
from bertkit.errors import DataError, MissingDependencyError

# What NLTK 3.4.5 (Python 3.7) makes of these. By its rule a sentence can end before white
# space and a word, or before one of ?!)";}]*:@'({[ and a mark of "')]}, white space after it,
# goes back to the sentence that it closes; no other mark does either.
SENTENCES = [
    ["They are not cures.” There is more."],
    ["He said “go.” Then he left."],
    ["It is ‘over.’ The end came."],
    ["On dit «oui.» The rest follows."],
    ["On dit « oui.", "» The rest follows."],
    ["She asked, “why?” Nobody knew."],
    ["“First.” “Second.” Third."],
    ["End.’ (See below.)", "“More.” [Note.]", "End."],
    ['He said "go."', "Then he left."],
    ["It stopped.—Then more."],
    ["At 5 p.m.", "The bus left.", "At 5 p.m. we left."],
    ["Mr. J. Bach came.", "F. Smith left."],
    ["No.", "5 is 3.14.", "Is it?"],
    ["Wait... Then go.", "And so on ... and on."],
    ["a.b.", "Producer.", "He went."],
    ["Very bad acting!!!", "I promise."],
]


@pytest.mark.parametrize("sentences", SENTENCES)
def test_sentences_end_where_nltk_of_2019_ends_them(punkt_data, sentences):
    assert punkt_of_2019()(" ".join(sentences)) == sentences


def paragraphs(shared) -> Iterator[str]:
    """Two novels, each paragraph also with the quotation marks that NLTK learnt later."""
    for name in ("carroll-alice.txt", "chesterton-brown.txt"):
        text = (shared / "data/corpus/gutenberg17" / name).read_text(encoding="utf-8")
        for number, block in enumerate(re.split(r"\n\s*\n", text)):
            paragraph = " ".join(block.split())
            quoted = "“\\1”" if number % 2 else "«\\1»"
            yield paragraph
            yield re.sub(r'"([^"]*)"', quoted, paragraph).replace("'", "’")


def test_novels_are_cut_as_by_nltk_of_2019(shared, punkt_data):
    split = punkt_of_2019()
    sentences = [sentence for text in paragraphs(shared) for sentence in split(text)]
    digest = hashlib.sha256("".join(f"{line}\n" for line in sentences).encode()).hexdigest()
    # Made by nltk 3.4.5 with its own english.pickle under Python 3.7.16.
    assert len(sentences) == 10447
    assert digest == "9824fe2df4bd93523f3c01089dbe03ce338a85d52eb95a9030ed766d03ded2ff"


def test_stage_of_the_chain_keeps_a_quotation_in_one_line(punkt_data):
    text = "\nThey said “these are not cures.” There is more. And more.\n"
    expected = "\nThey said “these are not cures.” There is more.\nAnd more.\n\n"
    assert segment(text, punkt_of_2019()) == expected


def test_installed_nltk_does_not_decide(punkt_data, monkeypatch):
    """Nothing but NLTK's search for its data is used."""
    punkt = pytest.importorskip("nltk.tokenize.punkt")
    for name in ("PunktTokenizer", "PunktSentenceTokenizer", "PunktLanguageVars"):
        monkeypatch.delattr(punkt, name, raising=False)
    assert punkt_of_2019()("One. Two.") == ["One.", "Two."]


def test_missing_and_broken_data_are_named(punkt_data):
    place = punkt_data / "tokenizers/punkt_tab/english"
    (place / "ortho_context.tab").write_bytes(b"\xff\n")
    with pytest.raises(DataError, match=r"punkt data .*utf-8"):
        english_parameters()
    (place / "ortho_context.tab").write_text("word without a number\n")
    with pytest.raises(DataError, match="punkt data"):
        english_parameters()
    for file in place.iterdir():
        file.unlink()
    place.rmdir()
    with pytest.raises(MissingDependencyError, match="punkt"):
        english_parameters()


def test_linked_data_are_read(shared, punkt_data, tmp_path, monkeypatch):
    """NLTK itself refuses to open files behind a link out of its folder."""
    import nltk

    (tmp_path / "linked").mkdir()
    (tmp_path / "linked/tokenizers").symlink_to(shared / "data/punkt")
    monkeypatch.setattr(nltk.data, "path", [str(tmp_path / "linked")])
    assert english_parameters().abbreviations


def test_a_long_word_takes_no_longer_than_its_length():
    """From each of its characters to its end would take hours."""
    split = Punkt2019(Parameters(frozenset(), frozenset(), frozenset(), {}))
    word = "a" * 1_000_000
    assert split(f"{word} It ends. {word}") == [f"{word} It ends.", word]
