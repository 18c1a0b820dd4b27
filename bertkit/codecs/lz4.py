"""LZ4 as HDF5's filter 32004 stores it, decompression only.

A chunk is its size (8 bytes, big-endian), the size of a block (4), and the blocks, each
behind its stored size (4); a block stored in its own size is not compressed. The block
format: https://github.com/lz4/lz4/blob/dev/doc/lz4_Block_format.md.
"""

from __future__ import annotations

import struct

from bertkit.errors import DataError

FILTER = 32004
_LEAST_MATCH = 4


def decompress_chunk(data: bytes, size: int) -> bytes:
    """The content of a chunk.

    Args:
        data: as stored.
        size: bytes it must have.

    Raises:
        DataError: damaged.
    """
    if len(data) < 12 or struct.unpack_from(">Q", data)[0] != size:
        raise DataError("an LZ4 chunk of another size than its data set's chunks")
    block = struct.unpack_from(">I", data, 8)[0]
    output, at = bytearray(), 12
    while len(output) < size:
        if at + 4 > len(data) or not block:
            raise DataError("an LZ4 chunk ends early")
        stored = struct.unpack_from(">I", data, at)[0]
        at += 4
        part, wanted = data[at : at + stored], min(block, size - len(output))
        if len(part) != stored:
            raise DataError("an LZ4 chunk ends early")
        output += part if stored == wanted else decompress(part, wanted)
        at += stored
    return bytes(output)


def decompress(block: bytes, size: int) -> bytes:
    """The `size` bytes of a block.

    Raises:
        DataError: damaged; never takes more than about `size` bytes.
    """
    output, at = bytearray(), 0
    while at < len(block):
        token = block[at]
        literals, at = _length(block, at + 1, token >> 4)
        output += block[at : at + literals]
        at += literals
        if at >= len(block):
            break
        offset = int.from_bytes(block[at : at + 2], "little")
        length, at = _length(block, at + 2, token & 15)
        length += _LEAST_MATCH
        if not 0 < offset <= len(output) or len(output) + length > size:
            raise DataError("an LZ4 match points outside its block")
        pattern = output[-offset:][:length]
        output += (pattern * -(-length // len(pattern)))[:length]
    if len(output) != size:
        raise DataError(f"an LZ4 block holds {len(output)} bytes, not {size}")
    return bytes(output)


def _length(block: bytes, at: int, length: int) -> tuple[int, int]:
    """(length with the bytes that continue it, where the next thing starts)."""
    if length < 15:
        return length, at
    while at < len(block):
        length += block[at]
        at += 1
        if block[at - 1] != 255:
            return length, at
    raise DataError("an LZ4 length that does not end")
