"""Tells which characters a vocabulary can write, after the treatment of its text."""

from __future__ import annotations

from collections.abc import Callable

from bertkit.tokenization.kernels.characters import ALONE, HARD, PART, kind_and_text
from bertkit.tokenization.normalisation import Normalisation
from bertkit.tokenization.vocabulary import Vocab
from bertkit.tokenization.wordpiece import strip_accents


def knows_characters(vocab: Vocab, normalisation: Normalisation) -> Callable[[str], bool]:
    """Whether a character of text can be part of a token other than [UNK].

    White space, and what the treatment drops, counts as known.
    """
    letters = set("".join(token.removeprefix("##") for token in vocab.tokens))

    def known(character: str) -> bool:
        kind, text = kind_and_text(character, normalisation)
        if kind == HARD:
            text = character.lower() if normalisation.do_lower_case else character
            text = strip_accents(text) if normalisation.strips_accents else text
        elif kind not in (PART, ALONE):
            return True
        return all(part in letters for part in text)

    return known
