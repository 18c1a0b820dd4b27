"""The kernel's parts by themselves; test_corpus_tokens.py compares the tokens."""

from __future__ import annotations

import numpy as np
import pytest

from bertkit.tokenization.kernels import wordpiece_kernel
from bertkit.tokenization.kernels.wordpiece_kernel import SLOT, move_words


@pytest.mark.parametrize("count", [1, 100, 500])
def test_words_are_found_again_in_a_larger_table(count):
    rng = np.random.default_rng(count)
    keys = rng.integers(1, 1 << 63, (count, 2), dtype=np.uint64)
    old = np.zeros(SLOT << 10, np.uint64)
    old.reshape(-1, SLOT)[:count, :2] = keys
    old.reshape(-1, SLOT)[:count, 2] = np.arange(count, dtype=np.uint64)
    new = np.zeros(SLOT << 12, np.uint64)
    shift = np.uint64(64 - 12)
    move_words(old, new, shift)
    assert np.count_nonzero(new[::SLOT]) == count
    for number, (low, high) in enumerate(keys):
        place = int(wordpiece_kernel._find_word(new, shift, low, high))
        assert new[place : place + SLOT].tolist() == [low, high, number]
