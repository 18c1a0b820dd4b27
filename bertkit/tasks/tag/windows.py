"""Cuts sentences into windows of whole words that fit the model, and puts their tags together.

A sentence that fits is one window. A longer one becomes windows that overlap, and each word is
looked at in that one of them which shows more of its surroundings.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate, pairwise

import numpy as np

from bertkit.tokenization.vocabulary import UNK
from bertkit.tokenization.wordpiece import WordPieceTokenizer


@dataclass(frozen=True, eq=False)
class Window:
    """Some words of a sentence.

    Attributes:
        ids: int64 [L], the tokens with [CLS] and [SEP].
        heads: int64 [W], where the first piece is of each word that is looked at here.
        sizes: int64 [W], how many pieces these words have.
        words: their numbers in the sentence, side by side.
    """

    ids: np.ndarray
    heads: np.ndarray
    sizes: np.ndarray
    words: range


class WindowMaker:
    """Cuts sentences.

    Args:
        tokenizer: makes pieces of words.
        length: tokens of a window, with [CLS] and [SEP].
        overlap: pieces that a window and the next one have in common, at most.
    """

    def __init__(self, tokenizer: WordPieceTokenizer, length: int, overlap: int) -> None:
        self._tokenizer, self._room = tokenizer, length - 2
        self._overlap = min(overlap, self._room // 2)
        self._ends = tokenizer.vocab.cls_id, tokenizer.vocab.sep_id
        self.cut_words: list[int] = []

    def windows(self, words: Sequence[str]) -> list[Window]:
        """The windows of a sentence, in its order; none of a sentence without words.

        A word of which nothing is left, such as an empty one, is [UNK]. Of a word that no
        window has room for the first pieces are taken; `cut_words` then has its number.
        """
        pieces = [self._pieces(word) for word in words]
        self.cut_words = [n for n, own in enumerate(pieces) if len(own) > self._room]
        pieces = [own[: self._room] for own in pieces]
        # Piece at which each word begins, and at last how many there are.
        starts = list(accumulate(map(len, pieces), initial=0))
        spans = self._spans(starts) if words else []
        # Where the words of one window end and those of the next begin: amid what both have.
        cuts = [0]
        for (_, end), (first, _) in pairwise(spans):
            middle = (starts[first] + starts[end]) / 2
            cuts.append(next(n for n in range(first, end + 1) if starts[n] >= middle))
        owned = [range(*cut) for cut in pairwise([*cuts, len(words)])]
        return [
            self._window(pieces[first:end], first, own)
            for (first, end), own in zip(spans, owned, strict=False)
            if own
        ]

    def _pieces(self, word: str) -> list[int]:
        return self._tokenizer.ids(self._tokenizer.tokenize(word) or [UNK])

    def _spans(self, starts: Sequence[int]) -> list[tuple[int, int]]:
        """(first word, word after the last) of every window."""
        first, end, spans = 0, 0, []
        while True:
            while end < len(starts) - 1 and starts[end + 1] - starts[first] <= self._room:
                end += 1
            spans.append((first, end))
            if end == len(starts) - 1:
                return spans
            # As far back as the overlap goes, but so that the next word has room.
            reach = max(starts[end] - self._overlap, starts[end + 1] - self._room)
            first = next(n for n in range(first + 1, end + 1) if starts[n] >= reach)

    def _window(self, pieces: Sequence[Sequence[int]], first: int, words: range) -> Window:
        places = list(accumulate(map(len, pieces), initial=1))
        own = slice(words.start - first, words.stop - first)
        begin, end = self._ends
        ids = [begin, *(piece for word in pieces for piece in word), end]
        return Window(
            np.array(ids, np.int64),
            np.array(places[:-1][own], np.int64),
            np.array([len(word) for word in pieces[own]], np.int64),
            words,
        )
