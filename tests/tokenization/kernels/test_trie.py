"""Words cut by the trie, against the readable tokenizer."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from bertkit.tokenization.kernels.trie import build_trie, cut_word
from bertkit.tokenization.vocabulary import SPECIAL_TOKENS, Vocab
from bertkit.tokenization.wordpiece import WordPieceTokenizer

PIECES = ["a", "ab", "abc", "b", "é", "éa", "##b", "##bc", "##c", "##a", "##é", "##", "##cab"]
TOKENS = [*SPECIAL_TOKENS, *PIECES]
VOCAB = Vocab(TOKENS, {token: number for number, token in enumerate(TOKENS)}, "")
TRIE = build_trie(VOCAB.ids, VOCAB.unk_id)
READABLE = WordPieceTokenizer(VOCAB)


def cut(word: str) -> list[int]:
    blob = np.frombuffer(word.encode("utf-8"), np.uint8)
    found = np.zeros(len(blob), np.int64)
    return found[: cut_word(TRIE, blob, len(blob), found)].tolist()


@given(st.text(alphabet="abcéx", min_size=1, max_size=12))
def test_pieces_are_those_of_the_readable_tokenizer(word):
    assert cut(word) == READABLE.ids(READABLE.wordpiece(word))


def test_longest_piece_first_and_unknown_as_a_whole():
    assert cut("abcab") == [VOCAB.ids["abc"], VOCAB.ids["##a"], VOCAB.ids["##b"]]
    assert cut("abx") == [VOCAB.unk_id]
