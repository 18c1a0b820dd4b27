"""Counts the tokens of text in blocks, without keeping them."""

from __future__ import annotations

import numpy as np

from bertkit.tokenization.corpus_tokens import StreamTokenizer
from bertkit.tokenization.normalisation import Normalisation
from bertkit.tokenization.vocabulary import Vocab


class TokenCounter:
    """Counts tokens, and [UNK] among them.

    Args:
        vocab: the vocabulary.
        normalisation: what happens to text first.
        word_length: letters of the longest word that is not [UNK]; None: 200.

    Attributes:
        tokens, unknown: so far.
    """

    def __init__(
        self, vocab: Vocab, normalisation: Normalisation, word_length: int | None = None
    ) -> None:
        self._stream = StreamTokenizer(vocab, normalisation, word_length=word_length)
        self._unk = vocab.unk_id
        self.tokens = self.unknown = 0

    def feed(self, name: str, block: bytes) -> None:
        """Count the tokens of whole lines, or of a piece of a long line cut at a space.

        Raises:
            DataError: not UTF-8.
        """
        tokens = self._stream.tokenize_texts([(name, block)]).tokens
        self.tokens += len(tokens)
        self.unknown += int(np.count_nonzero(tokens == self._unk))
