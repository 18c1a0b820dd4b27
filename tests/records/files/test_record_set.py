import numpy as np
import pytest
import synthetic

from bertkit.errors import DataError
from bertkit.records.files.record_index import index_path
from bertkit.records.files.record_set import RecordSet
from bertkit.records.files.tfrecord.reader import RecordFile

SIZES = (3, 1, 600, 40)


@pytest.fixture(params=["index kept", "index in memory"])
def paths(tmp_path, request, monkeypatch):
    """Files of several sizes; of one index kept, more than a block of it."""
    if request.param == "index in memory":
        monkeypatch.setattr(
            "bertkit.records.files.record_index.is_writable_folder", lambda folder: False
        )
        monkeypatch.setenv("XDG_CACHE_HOME", "/proc/nowhere")
    return [
        synthetic.write(tmp_path / f"{number}.tfrecord", size, seed=number)
        for number, size in enumerate(SIZES)
    ]


def drawn(count, seed=1):
    random = np.random.default_rng(seed)
    owners = random.integers(0, len(SIZES), count)
    return owners, random.integers(0, np.array(SIZES)[owners])


def test_a_batch_over_files_is_that_of_each_file(paths):
    files = [RecordFile(path) for path in paths]
    assert RecordSet.takes(files)
    together = RecordSet([RecordFile(path) for path in paths])
    for count in (1, 300, 5):
        owners, numbers = drawn(count, seed=count)
        found = together.batch(owners, numbers)
        for name, values in found.items():
            parts = [files[o].batch([n])[name] for o, n in zip(owners, numbers, strict=True)]
            expected = np.concatenate(parts)
            assert np.array_equal(values, expected) and values.dtype == expected.dtype
            assert values.shape == expected.shape


def test_damage_is_named_with_file_and_record(paths):
    files = [RecordFile(path) for path in paths]
    start = int(files[2].offsets.take(np.array(7)))
    blob = bytearray(paths[2].read_bytes())
    blob[start + 40] ^= 1
    paths[2].write_bytes(blob)
    together = RecordSet([RecordFile(path) for path in paths])
    with pytest.raises(DataError, match=rf"2\.tfrecord: record 7 at byte {start}"):
        together.batch(np.array([0, 2, 1]), np.array([2, 7, 0]))
    assert len(together.batch(np.array([0, 2]), np.array([2, 8]))["input_ids"]) == 2


def test_a_damaged_index_is_named(tmp_path):
    paths = [synthetic.write(tmp_path / f"{n}.tfrecord", 600, seed=n) for n in range(2)]
    for path in paths:
        RecordFile(path)  # makes the index
    place = index_path(paths[1])
    blob = bytearray(place.read_bytes())
    blob[4096 + 16] ^= 1
    place.write_bytes(blob)
    together = RecordSet([RecordFile(path) for path in paths])
    assert len(together.batch(np.array([0, 1]), np.array([3, 599]))["input_ids"]) == 2
    with pytest.raises(DataError, match="is damaged: wrong checksum of block 0"):
        together.batch(np.array([0, 1]), np.array([3, 1]))


def test_files_of_other_kinds_are_no_set(tmp_path):
    one = RecordFile(synthetic.write(tmp_path / "a.tfrecord", 2))
    wide = RecordFile(synthetic.write(tmp_path / "b.tfrecord", 2, length=32))
    assert RecordSet.takes([one, one]) and not RecordSet.takes([one, wide])
    assert not RecordSet.takes([object()]) and not RecordSet.takes([one, object()])
