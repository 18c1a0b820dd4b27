"""Writes sorted string tables, LevelDB's file format, as TensorFlow's BundleWriter does.

See `sstable.py` for the format. Sizes and separators are those of TensorFlow
(tsl/lib/io/table_builder.cc, table_options.h), so that equal entries give its very bytes:
blocks of 256 KiB without compression, every 16th key whole, and in the index the shortest
key between two blocks.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping

from bertkit.codecs.checksum import masked_crc32c
from bertkit.codecs.protobuf import encode_varint
from bertkit.model.checkpoints.tensorflow.sstable import FOOTER, MAGIC

_BLOCK_BYTES = 262_144
_RESTARTS = 16
_UNCOMPRESSED = b"\0"


class _Block:
    """Keys and values that share prefixes, except at restart points.

    Args:
        interval: keys from one restart point to the next.
    """

    def __init__(self, interval: int) -> None:
        self._interval = interval
        self._data = bytearray()
        self._restarts = [0]
        self._since = 0
        self.last = b""

    @property
    def size(self) -> int:
        """Bytes of the block as it stands."""
        return len(self._data) + 4 * len(self._restarts) + 4

    def add(self, key: bytes, value: bytes) -> None:
        """Append a key that sorts after all before it."""
        shared = 0
        if self._since < self._interval:
            shared = _shared(self.last, key)
        else:
            self._restarts.append(len(self._data))
            self._since = 0
        sizes = (shared, len(key) - shared, len(value))
        self._data += b"".join(map(encode_varint, sizes)) + key[shared:] + value
        self._since += 1
        self.last = key

    def finished(self) -> bytes:
        """The block with its restart points."""
        count = len(self._restarts)
        return bytes(self._data) + struct.pack(f"<{count + 1}I", *self._restarts, count)


class _Table:
    """Finished blocks one after another."""

    def __init__(self) -> None:
        self.data = bytearray()

    def put(self, block: _Block) -> bytes:
        """Append a block with its checksum; returns where it lies, as the index says it."""
        content = block.finished()
        handle = encode_varint(len(self.data)) + encode_varint(len(content))
        stored = content + _UNCOMPRESSED
        self.data += stored + struct.pack("<I", masked_crc32c(stored))
        return handle


def table(entries: Mapping[bytes, bytes]) -> bytes:
    """The table of some keys and their values, as its file holds it."""
    made, index, block = _Table(), _Block(interval=1), _Block(_RESTARTS)
    waiting: tuple[bytes, bytes] | None = None  # (last key, place) of a block not in the index
    for key in sorted(entries):
        if waiting:
            index.add(_between(waiting[0], key), waiting[1])
            waiting = None
        block.add(key, entries[key])
        if block.size >= _BLOCK_BYTES:
            waiting = block.last, made.put(block)
            block = _Block(_RESTARTS)
    if block.last or not entries or not waiting:
        waiting = block.last, made.put(block)
    meta = made.put(_Block(_RESTARTS))
    index.add(_after(waiting[0]), waiting[1])
    footer = meta + made.put(index)
    return bytes(made.data) + footer.ljust(FOOTER - 8, b"\0") + struct.pack("<Q", MAGIC)


def _shared(one: bytes, other: bytes) -> int:
    """How many bytes two keys share at their beginning."""
    most = min(len(one), len(other))
    return next((at for at in range(most) if one[at] != other[at]), most)


def _between(last: bytes, following: bytes) -> bytes:
    """A short key from `last` up to, but without, the one that follows it."""
    at = _shared(last, following)
    if at < min(len(last), len(following)) and last[at] + 1 < following[at]:
        return last[:at] + bytes([last[at] + 1])
    return last


def _after(last: bytes) -> bytes:
    """A short key that is not before `last`."""
    for at, byte in enumerate(last):
        if byte != 0xFF:
            return last[:at] + bytes([byte + 1])
    return last
