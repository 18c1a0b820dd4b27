"""Index files: what is written is read, and no changed byte is believed."""

from __future__ import annotations

import zlib

import numpy as np
import pytest

from bertkit.errors import DataError
from bertkit.records.files.index_file import (
    PAGE,
    PER_BLOCK,
    DamagedIndexError,
    InMemory,
    read_index,
    write_index,
)

VALUES = np.arange(3 * PER_BLOCK + 5) * 7919 + (1 << 40)


def write(tmp_path, **columns):
    path = tmp_path / "x.index"
    written = write_index(path, {"records": 4, "name": "ö"}, columns)
    assert written.index_bytes == path.stat().st_size
    return path


@pytest.mark.parametrize("count", [0, 1, PER_BLOCK, PER_BLOCK + 1, len(VALUES)])
def test_columns_come_back(tmp_path, count):
    path = write(tmp_path, first=VALUES[:count], second=VALUES[:3])
    index = read_index(path)
    assert index is not None and index.path == path
    assert (len(index), index.facts) == (4, {"records": 4, "name": "ö"})
    assert index.has(("first", "name")) and not index.has(("first", "third"))
    for name, values in (("first", VALUES[:count]), ("second", VALUES[:3])):
        column = index.columns[name]
        assert len(column) == len(values) and np.array_equal(column.all(), values)
        which = np.array([len(values) - 1, 0, len(values) // 2])[: len(values)]
        assert np.array_equal(column.take(which), InMemory(values).take(which))


def test_equal_content_has_equal_bytes(tmp_path):
    path = write(tmp_path, first=VALUES)
    before = path.read_bytes()
    assert write(tmp_path, first=VALUES).read_bytes() == before


def test_every_changed_byte_is_noticed(tmp_path):
    path = write(tmp_path, first=VALUES)
    whole = path.read_bytes()
    rng = np.random.default_rng(3)
    for place in [*range(0, 200, 7), *rng.integers(0, len(whole), 60).tolist()]:
        blob = bytearray(whole)
        blob[place] ^= 1 << int(rng.integers(8))
        path.write_bytes(blob)
        with pytest.raises((DamagedIndexError, DataError), match="damaged"):
            read_index(path).columns["first"].all()
    # A block that is not asked for is not read.
    blob = bytearray(whole)
    blob[-8] ^= 1
    path.write_bytes(blob)
    column = read_index(path).columns["first"]
    assert column.take(np.array([5])) == VALUES[5]
    with pytest.raises(DataError, match="wrong checksum of block 3") as caught:
        column.take(np.array([len(VALUES) - 1]))
    assert "remove it" in caught.value.hint


@pytest.mark.parametrize("size", [0, 10, PAGE - 1, PAGE, 2 * PAGE, -1])
def test_a_cut_file_is_damaged(tmp_path, size):
    path = write(tmp_path, first=VALUES)
    path.write_bytes(path.read_bytes()[:size])
    with pytest.raises(DamagedIndexError):
        read_index(path)


def test_no_file_is_no_index(tmp_path):
    assert read_index(tmp_path / "none") is None


@pytest.mark.parametrize(
    "facts",
    [
        *("[1]", "{", "[" * 3000, '{"columns": []}', '{"records": -1, "columns": []}'),
        '{"records": 1, "columns": [["a", "b"]]}',
        '{"records": 2, "columns": [["offsets", 2]]}',
    ],
)
def test_a_right_checksum_is_not_enough(tmp_path, facts):
    magic = b"bertkit index 1\n"
    body = facts.encode().ljust(PAGE - len(magic) - 9, b"\0")
    path = tmp_path / "x.index"
    path.write_bytes(magic + b"%08x\n" % zlib.crc32(body) + body + bytes(PAGE))
    with pytest.raises(DamagedIndexError):
        read_index(path)
