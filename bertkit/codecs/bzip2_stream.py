"""Unpacks the streams of a bzip2 file one behind the other; damage between them is an error.

Python's own reader takes damage between two streams for the end of the file. A little file is
unpacked by libbz2, a larger one by compiled kernels (bzip2_blocks.py), which take half to
all of its time.
"""

from __future__ import annotations

import bz2
from collections.abc import Callable, Iterator

# Beside other kernels, which a text's counter loads anyway, these take 0.03 s to load, and save
# about 0.15 s a packed megabyte.
LITTLE = 1 << 20
PIECE = 1 << 20


def unpacked_streams(read: Callable[[int], bytes]) -> Iterator[tuple[bytes, int]]:
    """The bytes of all streams, in pieces.

    Args:
        read: gives up to so many packed bytes, none at the end.

    Yields:
        A piece, and how many packed bytes were unpacked for all so far, at least.

    Raises:
        EOFError: the last stream does not end.
        OSError: damage; what stands before it was given, but for its own block.
    """
    held: list[bytes] = []
    size = 0
    while size < LITTLE:
        if not (packed := read(LITTLE - size)):
            yield from _by_library(b"".join(held))
            return
        held.append(packed)
        size += len(packed)
    from bertkit.codecs.bzip2_blocks import Bzip2Blocks

    blocks = Bzip2Blocks(lambda wanted: held.pop(0) if held else read(wanted))
    for block in blocks:
        yield block, blocks.packed


def _by_library(packed: bytes) -> Iterator[tuple[bytes, int]]:
    unpack = bz2.BZ2Decompressor()
    size = len(packed)
    while packed:
        block = unpack.decompress(packed, PIECE)
        while True:
            yield block, size
            if unpack.eof or unpack.needs_input:
                break
            block = unpack.decompress(b"", PIECE)
        packed = unpack.unused_data
        if unpack.eof:
            unpack = bz2.BZ2Decompressor()
        elif not packed:
            raise EOFError("the last stream does not end")
