"""Windows of words: none is lost, none is cut, each is looked at once and amid its surroundings."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from bertkit.tasks.tag.windows import WindowMaker
from bertkit.tokenization.vocabulary import Vocab
from bertkit.tokenization.wordpiece import WordPieceTokenizer

TOKENS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "a", "##a", "b", "."]


def tokenizer():
    return WordPieceTokenizer(Vocab(TOKENS, {token: n for n, token in enumerate(TOKENS)}, ""))


words = st.lists(
    st.sampled_from(["a", "aa", "aaaa", "a" * 9, "a" * 300, "b", "b.b.b", "", "\u200d", "x"]),
    max_size=30,
)


@settings(max_examples=60, deadline=None)
@given(words, st.integers(4, 14), st.integers(0, 20))
def test_every_word_is_looked_at_once_at_its_first_piece(sentence, length, overlap):
    cutter = tokenizer()
    maker = WindowMaker(cutter, length, overlap)
    windows = maker.windows(sentence)
    assert [n for window in windows for n in window.words] == list(range(len(sentence)))
    for window in windows:
        assert 2 < len(window.ids) <= length
        assert window.ids[0] == 2 and window.ids[-1] == 3
        for n, head, size in zip(window.words, window.heads, window.sizes, strict=True):
            pieces = cutter.ids(cutter.tokenize(sentence[n]) or ["[UNK]"])
            assert window.ids[head : head + size].tolist() == pieces[: length - 2]
    long = [n for n, word in enumerate(sentence) if len(cutter.tokenize(word)) > length - 2]
    assert maker.cut_words == long


def test_a_sentence_that_fits_is_one_window_as_transformers_has_it():
    (window,) = WindowMaker(tokenizer(), 10, 4).windows(["aa", "b.b", "", "x"])
    assert window.ids.tolist() == [2, 5, 6, 7, 8, 7, 1, 1, 3]
    assert window.heads.tolist() == [1, 3, 6, 7]
    assert window.sizes.tolist() == [2, 3, 1, 1]


def test_windows_overlap_and_a_word_is_looked_at_where_more_is_around_it():
    windows = WindowMaker(tokenizer(), 10, 4).windows(["a"] * 20)
    assert [len(window.ids) for window in windows] == [10, 10, 10, 10]
    assert [window.words for window in windows] == [
        range(6),
        range(6, 10),
        range(10, 14),
        range(14, 20),
    ]
    assert all(
        np.diff(window.heads).tolist() == [1] * (len(window.heads) - 1) for window in windows
    )
    inner = windows[1]
    assert (inner.heads.min(), inner.heads.max()) == (3, 6)  # two words to either side


def test_a_window_begins_later_than_the_overlap_where_the_next_word_is_long():
    windows = WindowMaker(tokenizer(), 10, 4).windows(["a", "a", "a", "a" * 7, "b"])
    assert [window.words for window in windows] == [range(3), range(3, 4), range(4, 5)]
    assert [window.ids.tolist()[1:-1] for window in windows] == [[5] * 3, [5, 5, *[6] * 6], [7]]


def test_there_is_no_window_without_words():
    assert WindowMaker(tokenizer(), 10, 4).windows([]) == []
