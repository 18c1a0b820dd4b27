"""Reads TensorFlow's tensor bundles (`X.index`, `X.data-00000-of-00001`).

The index is a string table (`table.py`): the key "" holds a BundleHeaderProto, every
other key is a tensor's name with a BundleEntryProto (tensorflow/core/protobuf/
tensor_bundle.proto). The data files hold the tensors' bytes, little-endian.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from bertkit.codecs.checksum import masked_crc32c
from bertkit.codecs.protobuf import read_fields
from bertkit.errors import DataError
from bertkit.model.checkpoints.tensorflow.sstable import read_table
from bertkit.storage.files import open_binary, shard_name

# DataType of tensorflow/core/framework/types.proto → ours.
TYPES = {
    1: torch.float32,
    2: torch.float64,
    3: torch.int32,
    4: torch.uint8,
    5: torch.int16,
    6: torch.int8,
    9: torch.int64,
    10: torch.bool,
    14: torch.bfloat16,
    19: torch.float16,
}
# The torch of some vendors' engines is too old to have these.
for _number, _name in ((17, "uint16"), (22, "uint32"), (23, "uint64")):
    if hasattr(torch, _name):
        TYPES[_number] = getattr(torch, _name)
STRING = 7
_LARGEST_SHARDS = 100_000


@dataclass(frozen=True)
class Entry:
    """Where a tensor lies.

    Attributes:
        kind: TensorFlow's number of its type.
        shape: as stored.
        shard: number of its data file.
        offset: first byte in it.
        size: bytes.
        crc: masked CRC-32C of the bytes.
        slices: parts it is stored in under names of their own; 0 = it is whole.
    """

    kind: int = 0
    shape: tuple[int, ...] = ()
    shard: int = 0
    offset: int = 0
    size: int = 0
    crc: int = 0
    slices: int = 0


class Bundle:
    """An opened checkpoint.

    Args:
        prefix: its name without `.index`.

    Attributes:
        entries: tensor's name → where it lies, in the order of names.

    Raises:
        DataError: no such checkpoint, or a damaged index.
    """

    def __init__(self, prefix: str | Path) -> None:
        self.prefix = str(prefix)
        table = read_table(f"{self.prefix}.index")
        header = table.pop(b"", None)
        if header is None:
            raise DataError(f"{self.prefix}.index: no header; it is another kind of table")
        try:
            self.shards = _shard_count(header)
            self.entries = {key.decode("utf-8"): _entry(value) for key, value in table.items()}
        except (DataError, UnicodeDecodeError, struct.error) as error:
            reason = error.message if isinstance(error, DataError) else "damaged entry"
            raise DataError(f"{self.prefix}.index: {reason}") from error

    def __contains__(self, name: str) -> bool:
        return name in self.entries

    def shape(self, name: str) -> tuple[int, ...]:
        """Shape of a tensor, from the index alone."""
        return self.entries[name].shape

    def why_unreadable(self, name: str) -> str:
        """Why `read` will not take this tensor; empty where it will."""
        entry = self.entries[name]
        if entry.kind == STRING:
            return "text, not numbers"
        if entry.kind not in TYPES:
            return f"type {entry.kind} of TensorFlow"
        return f"stored in {entry.slices} slices" if entry.slices else ""

    def read(self, name: str) -> Tensor:
        """A tensor, its checksum checked.

        Raises:
            DataError: of a type or form not read here, outside its file, or damaged.
        """
        entry = self.entries[name]
        reason = self.why_unreadable(name)
        if reason:
            raise DataError(f"{self.prefix}: {name} is {reason}")
        kind = TYPES[entry.kind]
        if math.prod(entry.shape) * kind.itemsize != entry.size or entry.shard >= self.shards:
            raise DataError(f"{self.prefix}: {name} has {entry.size} bytes for {entry.shape}")
        path = shard_name(f"{self.prefix}.data", entry.shard, self.shards)
        with open_binary(path) as stream:
            end = stream.seek(0, 2)
            if entry.offset + entry.size > end:
                raise DataError(
                    f"{path}: {end} bytes, but {name} ends at {entry.offset + entry.size}",
                    "the file is truncated or belongs to another index; fetch it again",
                )
            stream.seek(entry.offset)
            data = bytearray(entry.size)
            stream.readinto(data)  # type: ignore[attr-defined]
        if masked_crc32c(memoryview(data)) != entry.crc:
            raise DataError(f"{path}: the checksum of {name} is wrong", "fetch the file again")
        if not data:
            return torch.empty(entry.shape, dtype=kind)
        return torch.frombuffer(data, dtype=kind).reshape(entry.shape)


def _fields(message: bytes) -> Iterator[tuple[int, int | bytes]]:
    """(number, value) of a protobuf message: integers, or bytes."""
    for number, value in read_fields(message):
        yield number, value if isinstance(value, int) else message[slice(*value)]


def _shard_count(header: bytes) -> int:
    """Data files of a BundleHeaderProto."""
    values = dict(_fields(header))
    shards = values.get(1, 0)
    if values.get(2, 0) != 0:
        raise DataError("big-endian checkpoints are not read")
    if not isinstance(shards, int) or not 0 < shards <= _LARGEST_SHARDS:
        raise DataError(f"{shards!r} data files")
    return shards


def _entry(message: bytes) -> Entry:
    """A BundleEntryProto."""
    numbers: dict[int, int] = {}
    shape: tuple[int, ...] = ()
    slices = 0
    for number, value in _fields(message):
        if number == 2 and isinstance(value, bytes):
            shape = _shape(value)
        elif number == 7:
            slices += 1
        elif isinstance(value, int):
            numbers[number] = value
    kind, shard, offset, size, crc = (numbers.get(number, 0) for number in (1, 3, 4, 5, 6))
    return Entry(kind, shape, shard, offset, size, crc, slices)


def _shape(message: bytes) -> tuple[int, ...]:
    """A TensorShapeProto."""
    sizes = []
    for number, value in _fields(message):
        if number == 2 and isinstance(value, bytes):
            size = dict(_fields(value)).get(1, 0)
            if not isinstance(size, int) or size >= 1 << 48:
                raise DataError("a tensor without a known shape")
            sizes.append(size)
    return tuple(sizes)
