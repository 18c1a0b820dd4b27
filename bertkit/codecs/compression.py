"""Decompresses Snappy blocks and LZ4 chunks of HDF5 files, in bounded memory.

Files come from anywhere, so no size that a block claims is believed further than its own
length, or what the caller expects, allows.
"""

from __future__ import annotations

import struct

import cramjam

from bertkit.errors import DataError

LZ4_FILTER = 32004  # the registered number of HDF5's LZ4 filter
# Snappy's densest element is a copy of 64 bytes in 3, so no honest block grows by more.
_MOST_SNAPPY_GROWTH = 22
# A byte of a length of LZ4 stands for 255 bytes at most.
_MOST_LZ4_GROWTH = 255


def decompress_snappy(block: bytes) -> bytes:
    """The content of a block in Snappy's raw format, as TensorFlow's tables store it.

    https://github.com/google/snappy/blob/main/format_description.txt

    Raises:
        DataError: damaged; never takes more than 22 times the block's size.
    """
    if not block:
        raise DataError("the Snappy block has no length at its start")
    try:
        size = cramjam.snappy.decompress_raw_len(block)
        if size > _MOST_SNAPPY_GROWTH * len(block):
            raise DataError(f"the Snappy block of {len(block)} bytes claims to hold {size}")
        output = bytearray(size)
        written = cramjam.snappy.decompress_raw_into(block, output)
    except cramjam.DecompressionError as error:
        raise DataError(f"damaged Snappy block: {error}") from error
    return _complete("a snappy block", output, written)


def decompress_lz4_chunk(chunk: bytes, size: int) -> bytes:
    """The content of a chunk that HDF5's filter 32004 compressed.

    A chunk is its size (8 bytes, big-endian), the size of a block (4), and the blocks, each
    behind its stored size (4); a block stored in its own size is not compressed.

    Args:
        chunk: as stored.
        size: bytes it must have.

    Raises:
        DataError: damaged, or of another size.
    """
    if len(chunk) < 12 or struct.unpack_from(">Q", chunk)[0] != size:
        raise DataError("the LZ4 chunk's size differs from the chunk size of its data set")
    block_size = struct.unpack_from(">I", chunk, 8)[0]
    output, at = bytearray(), 12
    while len(output) < size:
        if at + 4 > len(chunk) or not block_size:
            raise DataError("the LZ4 chunk is truncated")
        stored = struct.unpack_from(">I", chunk, at)[0]
        at += 4
        block, wanted = chunk[at : at + stored], min(block_size, size - len(output))
        if len(block) != stored:
            raise DataError("the LZ4 chunk is truncated")
        output += block if stored == wanted else decompress_lz4_block(block, wanted)
        at += stored
    return bytes(output)


def decompress_lz4_block(block: bytes, size: int) -> bytes:
    """The `size` bytes of a block in LZ4's block format.

    https://github.com/lz4/lz4/blob/dev/doc/lz4_Block_format.md

    Raises:
        DataError: damaged, or of another size.
    """
    if size > _MOST_LZ4_GROWTH * (len(block) + 1):
        raise DataError(f"an LZ4 block of {len(block)} bytes claims to hold {size}")
    output = bytearray(size)
    try:
        written = cramjam.lz4.decompress_block_into(block, output)
    except cramjam.DecompressionError as error:
        raise DataError(f"damaged LZ4 block: {error}") from error
    return _complete("an LZ4 block", output, written)


def _complete(what: str, output: bytearray, written: int) -> bytes:
    """The output, which must be full: the rest of a shorter one would pass for zeros."""
    if written != len(output):
        raise DataError(f"{what} holds {written} bytes, not the {len(output)} expected")
    return bytes(output)
