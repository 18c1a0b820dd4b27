"""Finds the blocks in a bzip2 file, so that it can be read from one of them on.

A block begins with the digits of pi, at any bit. A place is the byte which that bit is in: no
two blocks begin in the same one, since a block is longer. The same digits in the middle of a
block, once in 2^48 bits, are no block: what follows them is unpacked, and its checksum compared.
"""

from __future__ import annotations

import io
import re
from collections.abc import Callable
from mmap import mmap

from bertkit.codecs.bzip2_blocks import Bzip2Blocks

_MARK, _BITS = 0x314159265359, 48
_BYTES = 7  # that hold a mark, wherever it begins in the first one
_SHIFTED = [(_MARK << 8 - bit).to_bytes(_BYTES, "big") for bit in range(8)]
# The first byte and the last may hold other bits too.
_INNER = re.compile(b"|".join(re.escape(shifted[1:-1]) for shifted in _SHIFTED))


def bit_of_block(head: bytes) -> int | None:
    """The bit (0 to 7) of the first byte at which the mark of a block begins; None for none."""
    value = int.from_bytes(head[:_BYTES].ljust(_BYTES, b"\0"), "big")
    bits = (bit for bit in range(8) if value >> 8 - bit & (1 << _BITS) - 1 == _MARK)
    return next(bits, None)


def next_block(packed: bytes | mmap, start: int) -> int | None:
    """The place of the first block that begins at or behind `start` and can be unpacked."""
    found = _INNER.search(packed, start + 1)
    while found:
        place = found.start() - 1
        if bit_of_block(packed[place : place + _BYTES]) is not None and _is_whole(packed, place):
            return place
        found = _INNER.search(packed, found.start() + 1)
    return None


def _is_whole(packed: bytes | mmap, place: int) -> bool:
    """Whether a block begins here whose checksum is that of its bytes."""
    at = place

    def read(size: int) -> bytes:
        nonlocal at
        piece = packed[at : at + size]
        at += len(piece)
        return piece

    try:
        next(iter(blocks_from(read, 0)), b"")
    except (OSError, EOFError):
        return False
    return True


def blocks_from(read: Callable[[int], bytes], stop: int) -> Bzip2Blocks:
    """The blocks from a place on, which may be that of a block or of the head of a stream.

    Args:
        read: gives up to so many bytes from there on, and none at the end of the file.
        stop: bytes from there; of the blocks that begin behind them, few are read ahead.
    """
    head = b""
    while len(head) < _BYTES and (more := read(_BYTES - len(head))):
        head += more
    rest = io.BytesIO(head)
    return Bzip2Blocks(lambda size: rest.read(size) or read(size), bit_of_block(head), stop)
