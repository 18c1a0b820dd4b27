"""Reads sorted string tables, LevelDB's file format, in which TensorFlow keeps its index.

https://github.com/google/leveldb/blob/main/doc/table_format.md: blocks of keys that
share prefixes, an index block that points to them, a footer that points to the index.
Each block is followed by its compression type and a masked CRC-32C.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from pathlib import Path

from bertkit.codecs.checksum import masked_crc32c
from bertkit.codecs.compression import decompress_snappy
from bertkit.codecs.protobuf import read_varint
from bertkit.errors import DataError
from bertkit.storage.files import open_binary

FOOTER = 48
MAGIC = 0xDB4775248B80FB57
_TRAILER = 5  # compression type and CRC
# No honest index comes near these: BERT-large with optimizer slots has 1,200 keys.
_MOST_BYTES = 64 << 20
_MOST_KEY_BYTES = 64 << 20


def read_table(path: str | Path) -> dict[bytes, bytes]:
    """Every key and value of a table file.

    Raises:
        DataError: not such a file, cut off, or a checksum is wrong; memory stays in
            proportion to the file.
    """
    with open_binary(path) as stream:
        if stream.seek(0, 2) > _MOST_BYTES:
            raise DataError(f"{path}: more than {_MOST_BYTES >> 20} MiB; this is not an index file")
        stream.seek(0)
        data = stream.read()
    try:
        return _read(data)
    except DataError as error:
        raise DataError(
            f"{path}: not a complete index of a TensorFlow checkpoint: {error.message}",
            "fetch or copy the file again; the .index file belongs to the .data files beside it",
        ) from error


def _read(data: bytes) -> dict[bytes, bytes]:
    if len(data) < FOOTER or struct.unpack_from("<Q", data, len(data) - 8)[0] != MAGIC:
        raise DataError("its footer has no table magic number")
    footer = data[-FOOTER:]
    _, at = _handle(footer, 0)
    index, _ = _handle(footer, at)
    found: dict[bytes, bytes] = {}
    budget = _MOST_KEY_BYTES
    end = 0
    for _, value in _entries(_block(data, *index)):
        place, _ = _handle(value, 0)
        if place[0] < end:
            raise DataError("its blocks overlap")
        end = sum(place)
        for key, content in _entries(_block(data, *place)):
            budget -= len(key)
            if budget < 0:
                raise DataError("its keys are too long")
            found[key] = content
    return found


def _handle(data: bytes, at: int) -> tuple[tuple[int, int], int]:
    """((offset, size) of a block, where the next thing starts)."""
    offset, at = read_varint(data, at)
    size, at = read_varint(data, at)
    return (offset, size), at


def _block(data: bytes, offset: int, size: int) -> bytes:
    end = offset + size
    if end + _TRAILER > len(data):
        raise DataError(f"a block of {size} bytes at {offset} reaches beyond the file")
    stored = struct.unpack_from("<I", data, end + 1)[0]
    if masked_crc32c(data[offset : end + 1]) != stored:
        raise DataError(f"the checksum of the block at {offset} is wrong")
    kind = data[end]
    if kind not in (0, 1):
        raise DataError(f"the block at {offset} has unknown compression {kind}")
    content = data[offset:end]
    return decompress_snappy(content) if kind else content


def _entries(block: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Keys and values of a block, in order."""
    if len(block) < 4:
        raise DataError("a block without its end")
    restarts = struct.unpack_from("<I", block, len(block) - 4)[0]
    end = len(block) - 4 - 4 * restarts
    if end < 0:
        raise DataError("a block whose restart points do not fit in it")
    key, at = b"", 0
    budget = _MOST_KEY_BYTES
    while at < end:
        shared, at = read_varint(block, at)
        fresh, at = read_varint(block, at)
        size, at = read_varint(block, at)
        budget -= shared + fresh
        if shared > len(key) or at + fresh + size > end or budget < 0:
            raise DataError("an entry that does not fit in its block")
        key = key[:shared] + block[at : at + fresh]
        at += fresh
        yield key, block[at : at + size]
        at += size
