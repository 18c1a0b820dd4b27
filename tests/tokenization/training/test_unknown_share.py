"""How much of counted text a vocabulary leaves unknown."""

from __future__ import annotations

import io

import pytest

from bertkit.tokenization.normalisation import UNCASED
from bertkit.tokenization.training import unknown_share
from bertkit.tokenization.training.word_counts import WordCounter
from bertkit.tokenization.vocabulary import Vocab
from bertkit.tokenization.wordpiece import WordPieceTokenizer

TOKENS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "the", "wh", "##ale", "a", "##b", "漢", "."]


def test_as_the_tokenizer_says():
    text = "The whale 漢字 a ab axb. the WHALE\n" * 3
    counter = WordCounter(UNCASED, 200)
    counter.feed("text", io.BytesIO(text.encode()))
    words = counter.finished().together()
    pieces = unknown_share.pieces_of_words(words, TOKENS)
    found = unknown_share.shares(words, pieces, unknown_share.LEARNT)
    ids = {token: number for number, token in enumerate(TOKENS)}
    tokens = WordPieceTokenizer(Vocab(TOKENS, ids, "")).tokenize(text)
    assert found.tokens == len(tokens)
    assert found.unknown == tokens.count("[UNK]") == 6
    assert found.unknown_share == pytest.approx(6 / len(tokens))
    assert found.words == 30 and found.tokens_per_word == pytest.approx(len(tokens) / 30)
    fewer = unknown_share.without_characters(words, pieces, [*"thewalb.x", "##z"])
    assert unknown_share.shares(words, fewer, unknown_share.LEARNT).unknown == 9
    assert unknown_share.shares(words, pieces, unknown_share.HELD_OUT).unknown_share == 0
