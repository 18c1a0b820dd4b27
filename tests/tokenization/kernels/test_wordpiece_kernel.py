"""The kernel's parts by themselves; test_corpus_tokens.py compares the tokens."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from bertkit.tokenization.kernels import wordpiece_kernel
from bertkit.tokenization.kernels.wordpiece_kernel import SLOT, move_words


def decode(blob: bytes) -> tuple[int, int]:
    data = np.frombuffer(blob + bytes(8), np.uint8)
    code, size = wordpiece_kernel._decode(data, np.uint64(0))
    return int(code), int(size)


@given(st.characters(codec="utf-8"))
def test_every_character_is_decoded(character):
    blob = character.encode("utf-8")
    assert decode(blob) == (ord(character), len(blob))


@given(st.binary(min_size=1, max_size=4))
@example(b"\xc0\x80")
@example(b"\xed\xa0\x80")
@example(b"\xf4\x90\x80\x80")
@example(b"\xe0\x80\xaf")
def test_what_python_refuses_is_refused(blob):
    try:
        wanted = blob.decode("utf-8")[0]
    except UnicodeDecodeError as error:
        # A valid first character may stand before the damage.
        wanted = blob[: error.start].decode("utf-8")[:1]
    code, size = decode(blob)
    if wanted:
        assert (chr(code), size) == (wanted, len(wanted.encode("utf-8")))
    else:
        assert size == 0


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
