"""Which characters a vocabulary can write."""

from __future__ import annotations

from bertkit.tokenization.known_characters import knows_characters
from bertkit.tokenization.normalisation import CASED, UNCASED
from bertkit.tokenization.vocabulary import Vocab

TOKENS = ["[UNK]", "cafe", "##x", "σ", "漢", "."]
VOCAB = Vocab(TOKENS, {token: number for number, token in enumerate(TOKENS)}, "")


def test_after_the_treatment_of_text():
    known = knows_characters(VOCAB, UNCASED)
    assert all(map(known, "CaféxΣ漢. \n\u200b"))
    assert not any(map(known, "yбか字,"))
    cased = knows_characters(VOCAB, CASED)
    assert all(map(cased, "cafex")) and not any(map(cased, "Cé"))
