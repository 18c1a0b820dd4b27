"""Gives kernels Python's random stream: MT19937 exactly as `random.Random` consumes it.

Matsumoto and Nishimura 1998; `random()`, `_randbelow` and `shuffle` as in CPython's
random.py. Tempered words are made in blocks ahead and read from a buffer, because a
whole block of 624 can be computed with vector instructions.
"""

from __future__ import annotations

import math
import random
from typing import Any, NamedTuple

import numpy as np
from numba import int64, uint32, uint64

from bertkit.kernels.jit import inlined, kernel
from bertkit.kernels.memory import bit_length

BLOCK = 624
BUFFER = 3 * BLOCK
SHIFT = 397  # MT19937's "m"

_UPPER, _LOWER, _MATRIX = 0x80000000, 0x7FFFFFFF, 0x9908B0DF


class Stream(NamedTuple):
    """A position in the random stream; kernels change the arrays in place.

    Attributes:
        state: uint32[624], the generator after the last word in the buffer.
        far: the same array once more. Read through another pointer, words made a little
            earlier are checked for overlap once per loop; seen in one array, they would
            halve the width of LLVM's vectors.
        words: uint32[BUFFER], words made ahead.
        cursor: int64[2], the next word to read and the end of the words made.
    """

    state: np.ndarray
    far: np.ndarray
    words: np.ndarray
    cursor: np.ndarray


def stream(seed: int) -> Stream:
    """The stream of `random.Random(seed)` from its beginning."""
    return stream_of(random.Random(seed))


def stream_of(rng: random.Random) -> Stream:
    """The stream that `rng` would give from now on; `rng` itself is left alone."""
    numbers = rng.getstate()[1]
    state = np.array(numbers[:BLOCK], np.uint32)
    used = numbers[BLOCK]
    words = np.zeros(BUFFER, np.uint32)
    left = _tempered(state[used:])  # of the block that rng has begun
    words[: len(left)] = left
    return Stream(state, state, words, np.array([0, len(left)]))


def threshold(probability: float) -> np.uint64:
    """`random() < probability` is the same as `random53(...) < threshold(probability)`."""
    return np.uint64(math.ceil(probability * 2.0**53))  # the product is exact


def _tempered(y: np.ndarray) -> Any:
    y = y ^ (y >> np.uint32(11))
    y = y ^ ((y << np.uint32(7)) & np.uint32(0x9D2C5680))
    y = y ^ ((y << np.uint32(15)) & np.uint32(0xEFC60000))
    return y ^ (y >> np.uint32(18))


@inlined
def _twisted(here: Any, behind: Any, far: Any) -> Any:
    """The next value of a state word from itself, its neighbour and the one SHIFT on."""
    y = (here & uint32(_UPPER)) | (behind & uint32(_LOWER))
    return far ^ (y >> uint32(1)) ^ ((uint32(0) - (y & uint32(1))) & uint32(_MATRIX))


@inlined
def _tempered_word(y: Any) -> Any:
    """What the generator gives out for a state word."""
    y ^= y >> uint32(11)
    y ^= (y << uint32(7)) & uint32(0x9D2C5680)
    y ^= (y << uint32(15)) & uint32(0xEFC60000)
    return y ^ (y >> uint32(18))


@inlined
def _advance(state: Any, far: Any, begin: Any, end: Any, ahead: Any) -> None:
    """Advance the state words begin .. end-1; `ahead` leads to the one SHIFT on."""
    for k in range(begin, end):
        state[k] = _twisted(state[k], state[k + uint64(1)], far[k + ahead])


@kernel
def _make_block(state: Any, far: Any, words: Any, at: Any) -> None:
    """Advance `state` by 624 words and write them, tempered, to `words` from `at`."""
    # Unsigned indices: a possibly negative index would keep LLVM from vectorising. Each
    # part reads only words that an earlier part, or an earlier block, has made.
    rest = uint64(BLOCK - SHIFT)
    _advance(state, far, uint64(0), rest, uint64(SHIFT))
    _advance(state, far, rest, rest + rest, uint64(0) - rest)
    _advance(state, far, rest + rest, uint64(BLOCK - 1), uint64(0) - rest)
    state[BLOCK - 1] = _twisted(state[BLOCK - 1], state[0], state[SHIFT - 1])
    first = uint64(at)
    for k in range(uint64(BLOCK)):
        words[first + k] = _tempered_word(state[k])


@kernel
def refill(source: Any) -> None:
    """Move the unread words to the front of the buffer and fill it up with new blocks."""
    state, far, words, cursor = source
    begin = uint64(cursor[0])
    left = uint64(cursor[1]) - begin
    for k in range(left):
        words[k] = words[begin + k]
    while left + uint64(BLOCK) <= uint64(BUFFER):
        _make_block(state, far, words, left)
        left += uint64(BLOCK)
    cursor[0] = 0
    cursor[1] = left


@inlined
def next_word(source: Any) -> Any:
    """The next 32 random bits, as uint32."""
    if source.cursor[0] >= source.cursor[1]:
        refill(source)
    word = source.words[uint64(source.cursor[0])]
    source.cursor[0] += 1
    return word


@inlined
def random53(source: Any) -> Any:
    """`random()` as the integer it is made of, random() * 2**53, in uint64."""
    high = uint64(next_word(source) >> uint32(5))
    low = uint64(next_word(source) >> uint32(6))
    return (high << uint64(26)) | low


@inlined
def below(source: Any, limit: Any) -> Any:
    """`_randbelow(limit)` for 1 <= limit < 2**32, as int64: draw bits until they fit."""
    unused = uint32(uint64(32) - bit_length(uint64(limit)))
    while True:
        number = int64(next_word(source) >> unused)
        if number < limit:
            return number


@kernel
def shuffle(source: Any, items: Any) -> None:
    """`random.shuffle` of a one-dimensional array of fewer than 2**32 items, in place."""
    for last in range(len(items) - 1, 0, -1):
        other = uint64(below(source, last + 1))
        items[uint64(last)], items[other] = items[other], items[uint64(last)]
