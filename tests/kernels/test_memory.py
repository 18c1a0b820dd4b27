"""Intrinsics against plain Python."""

from __future__ import annotations

import string

import numba
import numpy as np
import pytest
from numba import uint32, uint64

from bertkit.kernels import memory

BYTES = np.random.default_rng(0).integers(0, 256, 200, np.uint8)


@numba.njit
def loads(data, offset):
    return memory.load_u64(data, uint64(offset)), memory.load_u32(data, uint64(offset))


@numba.njit
def stores(data, offset, value):
    memory.store_u64(data, uint64(offset), uint64(value))
    memory.store_u32(data, uint64(offset + 11), uint32(value))


@numba.njit
def copies(target, to, source, at):
    memory.copy_32_bytes(target, uint64(to), source, uint64(at))


@numba.njit
def counts(value):
    number = uint64(value)
    return memory.trailing_zeros(number), memory.ones(number), memory.bit_length(number)


@numba.njit
def masks(data, words, limit):
    zero = uint64(0)
    return memory.letters_and_digits(data, uint64(3)), memory.large_words(words, zero, limit)


@numba.njit
def ends_and_wide(data, offset):
    return memory.line_ends_and_wide(data, uint64(offset))


@pytest.mark.parametrize("byte", [0, 9, 10, 11, 13, 65, 127, 128, 255])
def test_line_ends_and_what_is_no_ascii(byte):
    data = np.full(40, ord("x"), np.uint8)
    data[[3, 34]] = byte
    found = ends_and_wide(data, 3)
    assert found == ((1 | 1 << 31) if byte in b"\n\r" or byte > 127 else 0)


@pytest.mark.parametrize("offset", [0, 1, 7, 190])
def test_any_offset_is_loaded_stored_and_copied(offset):
    raw = BYTES.tobytes()
    wide, narrow = loads(BYTES, offset)
    assert wide == int.from_bytes(raw[offset : offset + 8], "little")
    assert narrow == int.from_bytes(raw[offset : offset + 4], "little")
    target = np.zeros(240, np.uint8)
    stores(target, offset, 0x0123456789ABCDEF)
    assert target[offset : offset + 8].tobytes().hex() == "efcdab8967452301"
    assert target[offset + 11 : offset + 15].tobytes().hex() == "efcdab89"
    copies(target, offset, BYTES, 5)
    assert target[offset : offset + 32].tobytes() == raw[5:37]
    assert not target[offset + 32 :].any()


@pytest.mark.parametrize("value", [0, 1, 6, 1 << 40, (1 << 64) - 1, 0xF0F0 << 13])
def test_bits_are_counted(value):
    zeros, ones, length = counts(np.uint64(value))
    assert zeros == (64 if value == 0 else (value & -value).bit_length() - 1)
    assert ones == value.bit_count()
    assert length == value.bit_length()


def test_thirty_two_places_at_once():
    text = np.frombuffer(string.printable.encode() + bytes(range(128, 200)), np.uint8)
    words = np.random.default_rng(1).integers(0, 2**32, 32, np.uint32)
    limit = int(words[7])
    letters, large = masks(text, words, np.uint32(limit))
    alphabet = (string.ascii_letters + string.digits).encode()
    assert letters == sum(1 << k for k in range(32) if text[3 + k] in alphabet)
    assert large == sum(1 << k for k in range(32) if words[k] >= limit)


@numba.njit(_nrt=False)
def word_elsewhere(like, address, size, offset):
    array = memory.array_at(like, uint64(address), size)
    return len(array), array[offset], memory.load_u64(array, uint64(offset))


def test_an_array_of_memory_elsewhere():
    like, at = np.zeros(1, np.uint8), 17
    found = word_elsewhere(like, BYTES.ctypes.data + 5, 150, at)
    word = int.from_bytes(BYTES[5 + at : 13 + at].tobytes(), "little")
    assert found == (150, BYTES[5 + at], word)
