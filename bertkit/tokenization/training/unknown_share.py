"""Measures how much of counted text a vocabulary leaves unknown, and its tokens per word."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from bertkit.tokenization.kernels.trie import build_trie
from bertkit.tokenization.training.kernels import word_counts as kernels
from bertkit.tokenization.training.word_counts import WordCounts, codes_of
from bertkit.tokenization.vocabulary import UNK

LEARNT, HELD_OUT = 0, 1


@dataclass(frozen=True)
class Shares:
    """Words, and the tokens that a vocabulary makes of them; 0 words where there is no text."""

    words: int
    tokens: int
    unknown: int

    @property
    def unknown_share(self) -> float:
        """[UNK] per token."""
        return self.unknown / max(1, self.tokens)

    @property
    def tokens_per_word(self) -> float:
        """Tokens per word or punctuation mark."""
        return self.tokens / max(1, self.words)


def pieces_of_words(words: WordCounts, tokens: Iterable[str]) -> np.ndarray:
    """int64[n]: how many pieces a vocabulary cuts each word into; 0 where it is [UNK]."""
    ids = {token: number for number, token in enumerate(tokens)}
    widest = int(np.diff(words.ends).max(initial=0)) + 64
    pieces = np.zeros(len(words), np.int64)
    kernels.count_pieces(
        build_trie(ids, ids[UNK]),
        words.arena,
        words.ends,
        pieces,
        np.zeros(widest, np.uint8),
        np.zeros(widest, np.int64),
    )
    return pieces


def shares(words: WordCounts, pieces: np.ndarray, part: int) -> Shares:
    """What a vocabulary makes of one part of the text, from `pieces_of_words`."""
    counts = words.counts[part]
    rare = int(words.dropped[part])  # dropped ones count as known, of average length
    unknown = int(counts[pieces == 0].sum())
    total = int(counts.sum())
    tokens = int((counts * np.maximum(pieces, 1)).sum())
    tokens += round(rare * tokens / max(1, total))
    return Shares(total + rare, tokens, unknown)


def without_characters(words: WordCounts, pieces: np.ndarray, known: Iterable[str]) -> np.ndarray:
    """The same pieces, where words with a character that is not `known` are [UNK], too."""
    codes, word = codes_of(words.arena, words.ends)
    found, place = np.unique(codes, return_inverse=True)
    alphabet = {ord(token) for token in known if len(token) == 1}
    strange = np.array([code not in alphabet for code in found.tolist()], bool)
    changed = pieces.copy()
    changed[word[strange[place]]] = 0
    return changed
