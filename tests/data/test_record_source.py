from __future__ import annotations

import numpy as np
import pytest
import synthetic

from bertkit.data.record_source import RecordSource
from bertkit.errors import DataError
from bertkit.manifests.manifest import Manifest


@pytest.fixture
def folder(tmp_path):
    place = tmp_path / "records"
    place.mkdir()
    for index, count in enumerate((5, 3, 4)):
        synthetic.write(place / f"part-{index}.tfrecord", count, seed=index)
    return place


def test_files_are_one_list(folder):
    source = RecordSource([str(folder)])
    assert len(source) == 12
    assert (source.max_seq_length, source.max_predictions_per_seq) == (24, 4)
    whole = [synthetic.batch(count, seed=index) for index, count in enumerate((5, 3, 4))]
    numbers = np.array([11, 0, 5, 4, 7, 8, 0])
    found = source.batch(numbers)
    for name, values in found.items():
        expected = np.concatenate([part[name] for part in whole])[numbers]
        assert np.array_equal(values, expected), name
        assert values.dtype == expected.dtype, name


def test_numbers_outside_are_refused(folder):
    source = RecordSource([str(folder)])
    for number in (-1, 12):
        with pytest.raises(IndexError):
            source.batch(np.array([number]))


def test_fingerprint_follows_the_content_not_the_place(folder, tmp_path):
    before = RecordSource([str(folder)]).fingerprint
    moved = tmp_path / "elsewhere"
    folder.rename(moved)
    assert RecordSource([str(moved)]).fingerprint == before
    assert RecordSource([str(moved / "part-0.tfrecord")]).fingerprint != before
    synthetic.write(moved / "part-1.tfrecord", 3, seed=99)
    assert RecordSource([str(moved)]).fingerprint != before


def test_an_unfinished_folder_is_refused(folder):
    Manifest("make-records", {}).write(folder)
    for name in (folder, folder / "part-0.tfrecord"):
        with pytest.raises(DataError, match="incomplete"):
            RecordSource([str(name)])


def test_a_file_that_lost_records_is_refused(folder):
    path = folder / "part-1.tfrecord"
    outputs = {path.name: {"bytes": path.stat().st_size}, "elsewhere.tfrecord": {"bytes": 1}}
    Manifest("make-records", {}, outputs=outputs, state="complete").write(folder)
    assert len(RecordSource([str(folder)])) == 12
    synthetic.write(path, 2, seed=1)
    with pytest.raises(DataError, match=r"part-1\.tfrecord has .* bytes, its manifest says"):
        RecordSource([str(folder)])


def test_manifest_hashes_are_used_instead_of_reading(folder, monkeypatch):
    outputs = {f"part-{index}.tfrecord": {"sha256": str(index) * 64} for index in range(3)}
    Manifest("make-records", {}, outputs=outputs, state="complete").write(folder)
    monkeypatch.setattr(
        "bertkit.data.record_source._content_hash", lambda path: pytest.fail("was read")
    )
    RecordSource([str(folder)])


def test_large_files_are_hashed_by_blocks(folder, monkeypatch):
    monkeypatch.setattr("bertkit.data.record_source.WHOLE_BYTES", 100)
    monkeypatch.setattr("bertkit.data.record_source.BLOCK_BYTES", 16)
    before = RecordSource([str(folder)]).fingerprint
    path = folder / "part-2.tfrecord"
    synthetic.write(path, 4, seed=50)
    assert RecordSource([str(folder)]).fingerprint != before


def test_files_of_different_lengths_are_refused(folder):
    synthetic.write(folder / "part-3.tfrecord", 2, length=32)
    with pytest.raises(DataError, match=r"different shapes.*24.*32"):
        RecordSource([str(folder)])


@pytest.mark.parametrize("name", ["nothing-here", "empty"])
def test_missing_or_empty_places(name, tmp_path):
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataError):
        RecordSource([str(tmp_path / name)])
