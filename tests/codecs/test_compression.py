"""Snappy and LZ4 against blocks written by hand and by the format's own packages."""

from __future__ import annotations

import contextlib
import struct
import tracemalloc

import cramjam
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bertkit.codecs.compression import (
    decompress_lz4_block,
    decompress_lz4_chunk,
    decompress_snappy,
)
from bertkit.errors import DataError

TEXTS = st.lists(st.binary(max_size=60), max_size=30).map(b"".join)


def test_snappy_copies_overlap():
    block = bytes([10, 0 << 2]) + b"a" + bytes([(8 << 2) | 2, 1, 0])
    assert decompress_snappy(block) == b"a" * 10
    near = bytes([7, 2 << 2]) + b"abc" + bytes([0 << 2 | 1, 3])
    assert decompress_snappy(near) == b"abcabca"


@settings(max_examples=100, deadline=None)
@given(TEXTS)
def test_snappy_gives_back_what_was_packed(data):
    assert decompress_snappy(bytes(cramjam.snappy.compress_raw(data * 3))) == data * 3


@pytest.mark.parametrize(
    ("block", "message"),
    [
        (bytes([255, 255, 255, 255, 15]), "claims to hold 4294967295"),
        (bytes([100, 0]), "claims to hold 100"),
        (b"", "no length"),
        (b"\xff" * 6, "damaged"),
        (bytes([5, 4 << 2]) + b"abc", "damaged"),
        (bytes([5, 0]) + b"a" + bytes([(3 << 2) | 2, 9, 0]), "damaged"),
        (bytes([5, 0]) + b"a", "damaged"),
        (bytes([0, 0]) + b"a", "damaged"),
    ],
)
def test_damaged_snappy(block, message):
    with pytest.raises(DataError, match=f"Snappy block.*{message}|{message} Snappy block"):
        decompress_snappy(block)


def test_an_lz4_block_by_hand():
    # A literal, a match that overlaps itself, five literals: the format wants those last.
    assert decompress_lz4_block(b"\x13a\x01\x00\x50bcdef", 13) == b"aaaaaaaabcdef"
    assert decompress_lz4_block(b"\xf0\x00" + b"x" * 15, 15) == b"x" * 15


@pytest.mark.parametrize("size", [0, 4, 6])
def test_an_lz4_block_of_another_size_is_refused(size):
    """A shorter one too, although the decompressor has no objection."""
    with pytest.raises(DataError, match="LZ4 block"):
        decompress_lz4_block(b"\x50abcde", size)


def chunk_of(data: bytes, block_size: int) -> bytes:
    """As the HDF5 filter lays it out; a block that does not shrink is stored as it is."""
    out = struct.pack(">QI", len(data), block_size)
    for start in range(0, len(data), block_size):
        plain = data[start : start + block_size]
        packed = bytes(cramjam.lz4.compress_block(plain, store_size=False))
        stored = packed if len(packed) < len(plain) else plain
        out += struct.pack(">I", len(stored)) + stored
    return out


@settings(max_examples=100, deadline=None)
@given(TEXTS, st.integers(1, 200))
def test_a_chunk_of_blocks_gives_back_what_was_packed(data, block_size):
    assert decompress_lz4_chunk(chunk_of(data * 3, block_size), 3 * len(data)) == data * 3


@pytest.mark.parametrize(
    ("cut", "size", "message"),
    [
        (11, 300, "size differs"),
        (None, 299, "size differs"),
        (14, 300, "is truncated"),
        (-1, 300, "is truncated"),
    ],
)  # fmt: skip
def test_a_damaged_chunk(cut, size, message):
    chunk = chunk_of(b"abc" * 100, 128)
    with pytest.raises(DataError, match=message):
        decompress_lz4_chunk(chunk[:cut], size)


def test_a_chunk_of_empty_blocks_ends():
    with pytest.raises(DataError, match="is truncated"):
        decompress_lz4_chunk(struct.pack(">QIII", 8, 0, 0, 0), 8)


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=200), st.integers(0, 5000))
def test_anything_else_is_refused_or_has_the_size_asked_for(data, size):
    tracemalloc.start()
    with contextlib.suppress(DataError):
        assert len(decompress_lz4_block(data, size)) == size
    with contextlib.suppress(DataError):
        assert len(decompress_lz4_chunk(struct.pack(">QI", size, 64) + data, size)) == size
    with contextlib.suppress(DataError):
        assert len(decompress_snappy(data)) <= 22 * len(data)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 1 << 20


def test_an_lz4_block_that_claims_more_than_it_can_hold_takes_no_memory():
    with pytest.raises(DataError, match="an LZ4 block of 6 bytes claims to hold 4294967295"):
        decompress_lz4_block(b"\x50abcde", (1 << 32) - 1)
