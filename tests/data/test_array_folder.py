"""Arrays of a cache come back as they were, or are refused."""

from __future__ import annotations

import numpy as np
import pytest

from bertkit.data.array_folder import CHECKSUMS, map_arrays, save_arrays
from bertkit.errors import DataError

ARRAYS = {
    "tokens": np.arange(1000, dtype=np.uint16),
    "ends": np.array([[1, 2], [3, 4]], np.int64),
    "none": np.zeros(0, np.uint32),
    "flags": np.array([True, False]),
}


def test_arrays_come_back_as_they_were(tmp_path):
    save_arrays(tmp_path / "a", ARRAYS)
    for values, found in zip(
        ARRAYS.values(), map_arrays(tmp_path / "a", list(ARRAYS)), strict=True
    ):
        assert found.dtype == values.dtype and np.array_equal(found, values)
    save_arrays(tmp_path / "b", ARRAYS)
    for path in sorted((tmp_path / "a").iterdir()):
        assert path.read_bytes() == (tmp_path / "b" / path.name).read_bytes()


@pytest.mark.parametrize("name", [*(f"{name}.npy" for name in ARRAYS), CHECKSUMS])
def test_every_bit_counts(tmp_path, name):
    """A bit anywhere in a file, its padding too; or a file that is cut, or gone."""
    save_arrays(tmp_path / "a", ARRAYS)
    path = tmp_path / "a" / name
    whole = path.read_bytes()
    places = [0, 9, len(whole) // 3, len(whole) // 2, len(whole) - 1]
    damaged = [whole[:p] + bytes([whole[p] ^ 4]) + whole[p + 1 :] for p in places]
    for blob in [*damaged, whole[:-1]]:
        path.write_bytes(blob)
        with pytest.raises(DataError):
            map_arrays(tmp_path / "a", list(ARRAYS))


def test_a_file_that_is_gone_is_told(tmp_path):
    save_arrays(tmp_path / "a", ARRAYS)
    (tmp_path / "a" / "ends.npy").unlink()
    with pytest.raises(DataError, match=r"damaged: ends.npy"):
        map_arrays(tmp_path / "a", list(ARRAYS))


def test_folders_of_the_first_version_are_read(tmp_path):
    save_arrays(tmp_path / "a", ARRAYS)
    (tmp_path / "a" / CHECKSUMS).unlink()
    assert len(map_arrays(tmp_path / "a", ["tokens"])[0]) == 1000
