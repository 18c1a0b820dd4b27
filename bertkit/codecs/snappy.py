"""Snappy's block format, decompression only.

https://github.com/google/snappy/blob/main/format_description.txt: the length as a
varint, then literals and copies of what was already written.
"""

from __future__ import annotations

from bertkit.errors import DataError

# The densest element is a copy of 64 bytes in 3, so no honest block grows by more.
_MOST_GROWTH = 22


def decompress(block: bytes) -> bytes:
    """The content of a compressed block.

    Raises:
        DataError: damaged; never takes more than 22 times the block's size.
    """
    length, at = _length(block)
    if length > _MOST_GROWTH * len(block):
        raise DataError(f"a snappy block of {len(block)} bytes claims to hold {length}")
    output = bytearray()
    while at < len(block):
        kind = block[at] & 3
        at = _literal(block, at, output) if kind == 0 else _copy(block, at, kind, output)
        if len(output) > length:
            break
    if len(output) != length:
        raise DataError(f"a snappy block holds {len(output)} bytes, not the {length} it claims")
    return bytes(output)


def _length(block: bytes) -> tuple[int, int]:
    value = 0
    for index, byte in enumerate(block[:5]):
        value |= (byte & 0x7F) << (7 * index)
        if byte < 0x80:
            return value, index + 1
    raise DataError("a snappy block without its length")


def _literal(block: bytes, at: int, output: bytearray) -> int:
    """Append a literal; returns where the next element starts."""
    size = block[at] >> 2
    at += 1
    if size >= 60:
        width = size - 59
        size = int.from_bytes(block[at : at + width], "little")
        at += width
    size += 1
    if at + size > len(block):
        raise DataError("a snappy literal reaches beyond its block")
    output += block[at : at + size]
    return at + size


def _copy(block: bytes, at: int, kind: int, output: bytearray) -> int:
    """Append a copy of earlier bytes, which may overlap itself; returns the next start."""
    tag = block[at]
    width = (0, 1, 2, 4)[kind]
    offset = int.from_bytes(block[at + 1 : at + 1 + width], "little")
    size = (tag >> 2) + 1
    if kind == 1:
        size = ((tag >> 2) & 7) + 4
        offset |= (tag >> 5) << 8
    if at + 1 + width > len(block) or not 0 < offset <= len(output):
        raise DataError("a snappy copy points outside its block")
    pattern = output[-offset:][:size]
    output += (pattern * -(-size // len(pattern)))[:size]
    return at + 1 + width
