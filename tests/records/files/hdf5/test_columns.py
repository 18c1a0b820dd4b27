import logging

import numpy as np
import pytest

from bertkit.errors import DataError
from bertkit.records.files.hdf5 import columns as hdf5_columns
from bertkit.records.files.hdf5 import files as hdf5
from bertkit.records.files.hdf5.files import PLAIN, Hdf5File, Hdf5Writer

ROWS = 3000
SPARSE = [2900, 5, 1200, 5]


@pytest.fixture
def path(tmp_path, monkeypatch):
    """A file that is too large for memory."""
    monkeypatch.setattr(hdf5, "MEMORY", hdf5.Room(0))
    monkeypatch.setattr(hdf5_columns, "_ROWS_BYTES", 10_000)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    random = np.random.default_rng(1)
    ones = np.ones((ROWS, 16), np.int8)
    positions = np.tile(np.arange(1, 5), (ROWS, 1))
    batch = {
        "input_ids": random.integers(5, 9000, (ROWS, 16)),
        "input_mask": ones,
        "segment_ids": 0 * ones,
        "masked_lm_positions": positions,
        "masked_lm_ids": random.integers(5, 9000, (ROWS, 4)),
        "next_sentence_labels": random.integers(0, 2, ROWS),
    }
    writer = Hdf5Writer(str(tmp_path / "a.hdf5"), PLAIN)
    writer.add(batch)
    writer.close()
    return tmp_path / "a.hdf5", batch


def check(path, batch, numbers):
    found = Hdf5File(path).batch(numbers)
    for name, values in batch.items():
        assert np.array_equal(found[name], values[numbers]), name


def test_what_is_read_at_random_is_unpacked_once(path, tmp_path, caplog):
    path, batch = path
    caplog.set_level(logging.INFO, "bertkit")
    check(path, batch, [7, 8, 9])
    check(path, batch, list(range(0, 3000, 10)))
    assert not (tmp_path / "cache").exists(), "from front to back it is read as it is"
    for _ in range(2):
        check(path, batch, SPARSE)
    assert caplog.text.count("unpacking") == 1
    path.write_bytes(path.read_bytes() + b"\0")
    check(path, batch, SPARSE)
    assert len(list((tmp_path / "cache").rglob("input_ids.npy"))) == 1


def test_without_room_it_is_read_as_before_and_said(path, monkeypatch, caplog):
    path, batch = path
    monkeypatch.setattr(hdf5_columns, "free_bytes", lambda place: 1000)
    file = Hdf5File(path)
    for _ in range(2):
        assert np.array_equal(file.batch(SPARSE)["input_ids"], batch["input_ids"][SPARSE])
    assert caplog.text.count("300 times slower") == 1
    assert "--format tfrecord" in caplog.text


def test_damage_is_damage(path):
    path, _ = path
    blob = bytearray(path.read_bytes())
    middle = len(blob) // 2
    blob[middle : middle + 5000] = bytes(5000)
    path.write_bytes(blob)
    with pytest.raises(DataError, match=r"a\.hdf5"):
        Hdf5File(path).batch(SPARSE)
