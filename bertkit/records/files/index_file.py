"""Reads and writes index files: where the records of a file lie, in blocks with checksums.

The first 4,096 bytes are the header: a line that names the form, the CRC-32 of what
follows as eight hex digits, and a line of JSON. Columns of whole numbers follow in blocks of
4,096 bytes: 511 little-endian int64 and the CRC-32 of their bytes. A reader looks at the
header, and later at the blocks that it needs, each of which is checked when it is first used.
"""

from __future__ import annotations

import hashlib
import json
import os
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple, Protocol

import numpy as np

from bertkit.errors import DataError
from bertkit.storage.files import atomic_write

PAGE = 4096
PER_BLOCK = PAGE // 8 - 1
_MAGIC = b"bertkit index 1\n"
_HEAD = len(_MAGIC) + 9  # and the checksum with its line end


class DamagedIndexError(Exception):
    """An index file that is cut off, changed, or none at all."""


class Column(Protocol):
    """Whole numbers by place."""

    def __len__(self) -> int: ...

    def take(self, which: np.ndarray) -> np.ndarray:
        """The numbers at the places `which`, int64 of the same shape."""

    def all(self) -> np.ndarray:
        """All numbers, int64."""

    def addresses(self) -> Addresses:
        """Where the numbers are in memory, for as long as the column lives."""


@dataclass(frozen=True)
class RecordIndex:
    """What is known of a record file without reading it.

    Attributes:
        facts: about the file and its records, as plain values.
        columns: `offsets`: int64[n + 1], where each record begins, and the end of the last;
            `ends`: int64[n], sequences in packs up to and with each; `crc32`: int64[n], CRC-32 of
            each line of JSON.
        path: of the index; None where it is in memory only.
    """

    facts: dict[str, Any]
    columns: Mapping[str, Column]
    path: Path | None = None

    def __len__(self) -> int:
        """Number of records, or of packs."""
        return int(self.facts["records"])

    def has(self, names: tuple[str, ...]) -> bool:
        """Whether facts and columns of these names are there."""
        return all(name in self.columns or name in self.facts for name in names)


class Addresses(NamedTuple):
    """Where kernels find a column, see `kernels.parse.OpenFiles`.

    Attributes:
        numbers: address of the first number.
        checked: address of a bool for each block; 0 where the column has no blocks.
    """

    numbers: int
    checked: int


class InMemory:
    """A column that was just made."""

    def __init__(self, values: np.ndarray) -> None:
        self._values = np.ascontiguousarray(values, np.int64)

    def __len__(self) -> int:
        return len(self._values)

    def take(self, which: np.ndarray) -> np.ndarray:
        """See `Column.take`."""
        found: np.ndarray = self._values[which]
        return found

    def all(self) -> np.ndarray:
        """See `Column.all`."""
        return self._values

    def addresses(self) -> Addresses:
        """See `Column.addresses`."""
        return Addresses(self._values.ctypes.data, 0)


class Stored:
    """A column of an index file, mapped into memory when it is first used.

    Args:
        path: the index.
        first: block of the file at which the column begins.
        count: numbers in it.
    """

    def __init__(self, path: Path, first: int, count: int) -> None:
        self._path, self._first, self._count = path, first, count
        self._blocks: np.ndarray | None = None
        self._checked = np.zeros(blocks_of(count), np.bool_)

    def __len__(self) -> int:
        return self._count

    def take(self, which: np.ndarray) -> np.ndarray:
        """See `Column.take`.

        Raises:
            DataError: a block is damaged.
        """
        rows, places = np.divmod(which, PER_BLOCK)
        blocks = self._mapped()
        checked = self._checked[rows]
        if not checked.all():
            for row in np.unique(rows[~checked]).tolist():
                self._check(blocks, row)
        found: np.ndarray = blocks[rows, places]
        return found.astype(np.int64, copy=False)

    def all(self) -> np.ndarray:
        """See `Column.all`."""
        return self.take(np.arange(self._count))

    def addresses(self) -> Addresses:
        """See `Column.addresses`."""
        return Addresses(self._mapped().ctypes.data, self._checked.ctypes.data)

    def _mapped(self) -> np.ndarray:
        if self._blocks is None:
            shape = (blocks_of(self._count), PER_BLOCK + 1)
            place = PAGE * self._first
            try:
                mapped = np.memmap(self._path, "<i8", "r", offset=place, shape=shape)
            except (OSError, ValueError) as error:
                raise DataError(f"cannot read the index {self._path}: {error}") from error
            self._blocks = np.asarray(mapped)
        return self._blocks

    def _check(self, blocks: np.ndarray, row: int) -> None:
        if zlib.crc32(blocks[row, :PER_BLOCK].tobytes()) != int(blocks[row, PER_BLOCK]):
            raise DataError(
                f"the index {self._path} is damaged: wrong checksum of block {row}",
                "remove it and run again: it is made anew from the record file",
            )
        self._checked[row] = True


class WrittenIndex(NamedTuple):
    """A finished index: size in bytes, SHA-256 as hex, as manifests name them."""

    index_bytes: int
    index_sha256: str


def blocks_of(count: int) -> int:
    """Blocks that so many numbers fill."""
    return -(-count // PER_BLOCK)


def write_index(
    path: Path, facts: Mapping[str, Any], columns: Mapping[str, np.ndarray]
) -> WrittenIndex:
    """Write an index, whole or not at all; equal content gives equal bytes.

    Raises:
        OSError: it cannot be written there.
    """
    sizes = [[name, len(values)] for name, values in columns.items()]
    text = json.dumps({**facts, "columns": sizes}, sort_keys=True).encode() + b"\n"
    body = text.ljust(PAGE - _HEAD, b"\0")
    if len(body) > PAGE - _HEAD:
        raise ValueError("the facts do not fit into the header of an index")
    digest = hashlib.sha256()
    size = 0
    with atomic_write(path, sync=False) as stream:
        head = b"%s%08x\n%s" % (_MAGIC, zlib.crc32(body), body)
        for part in (head, *(_blocks(values) for values in columns.values())):
            stream.write(part)
            digest.update(part)
            size += len(part)
    return WrittenIndex(size, digest.hexdigest())


def _blocks(values: np.ndarray) -> bytes:
    """A column as it stands in the file."""
    blocks = np.zeros((blocks_of(len(values)), PER_BLOCK + 1), "<i8")
    padded = np.zeros(len(blocks) * PER_BLOCK, "<i8")
    padded[: len(values)] = values
    blocks[:, :PER_BLOCK] = padded.reshape(len(blocks), PER_BLOCK)
    blocks[:, PER_BLOCK] = [zlib.crc32(row[:PER_BLOCK].tobytes()) for row in blocks]
    return blocks.tobytes()


def read_index(path: Path) -> RecordIndex | None:
    """An index, of which only the header is read; None where there is none.

    Raises:
        DamagedIndexError: it is damaged, or not one of ours.
    """
    try:
        with open(path, "rb", buffering=0) as stream:
            head = stream.read(PAGE) or b""
            size = os.fstat(stream.fileno()).st_size
    except OSError:
        return None
    body = head[_HEAD:]
    if not head.startswith(_MAGIC) or head[len(_MAGIC) : _HEAD] != b"%08x\n" % zlib.crc32(body):
        raise DamagedIndexError(f"{path} is damaged, or of another version")
    facts, sizes = _header(body, path)
    columns: dict[str, Column] = {}
    block = 1
    for name, count in sizes:
        columns[name] = Stored(path, block, count)
        block += blocks_of(count)
    if size != PAGE * block:
        raise DamagedIndexError(f"{path} has {size:,} bytes, it should have {PAGE * block:,}")
    return RecordIndex(facts, columns, path)


def _header(body: bytes, path: Path) -> tuple[dict[str, Any], list[tuple[str, int]]]:
    """The facts of an index, and the names and lengths of its columns in their order."""
    try:
        facts = json.loads(body.rstrip(b"\0"))
    except (ValueError, RecursionError):
        facts = None
    sizes = facts.pop("columns", None) if isinstance(facts, dict) else None
    if not isinstance(sizes, list) or not _is_count(facts.get("records")):
        raise DamagedIndexError(f"{path} is not what bertkit writes there")
    for row in sizes:
        named = isinstance(row, list) and len(row) == 2 and isinstance(row[0], str)
        if not named or not _is_count(row[1]):
            raise DamagedIndexError(f"{path} is not what bertkit writes there")
    offsets = dict(sizes).get("offsets")
    if offsets is not None and offsets != facts["records"] + 1:
        raise DamagedIndexError(f"{path} has {offsets:,} places of {facts['records']:,} records")
    return facts, sizes


def _is_count(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0
