"""Counting tokens in blocks: those of the tokenizer."""

from __future__ import annotations

from bertkit.tokenization.normalisation import UNCASED
from bertkit.tokenization.token_counter import TokenCounter
from bertkit.tokenization.vocabulary import find_vocab, load_vocab
from bertkit.tokenization.wordpiece import WordPieceTokenizer


def test_tokens_and_unknown_ones():
    vocab = load_vocab(find_vocab("bertkit-uncased-8k"))
    lines = ["The whale dives.", "日本語 text", "", "naïve café"]
    counter = TokenCounter(vocab, UNCASED)
    for line in lines:
        counter.feed("text", f"{line}\n".encode())
    tokens = [token for line in lines for token in WordPieceTokenizer(vocab).tokenize(line)]
    assert (counter.tokens, counter.unknown) == (len(tokens), tokens.count("[UNK]"))
    assert counter.unknown == 3
