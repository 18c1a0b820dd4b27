from __future__ import annotations

import shutil

import pytest

from bertkit.data.record_source import RecordSource
from bertkit.errors import DataError
from bertkit.records.files.find import find_record_files
from bertkit.records.tools.inspect import record_files
from bertkit.records.tools.verify import verify


@pytest.fixture
def mlperf_folder(shared, tmp_path):
    """Records under MLPerf's names, which have no ending, and two files of another kind."""
    folder = tmp_path / "tfrecord"
    folder.mkdir()
    golden = shared / "goldens/records/mlperf_sample_512.tfrecord"
    for number in (1, 0):
        shutil.copy(golden, folder / f"part-{number:05d}-of-00500")
    (folder / "LICENSE").write_text("Text of more than twelve bytes.\n")
    (folder / "notes.txt").write_text("Text.\n")
    return folder


def test_names_without_an_ending_are_found(shared, mlperf_folder):
    parts = [str(mlperf_folder / f"part-0000{number}-of-00500") for number in (0, 1)]
    assert find_record_files([str(mlperf_folder)]) == parts
    assert record_files([str(mlperf_folder)]) == parts
    assert len(RecordSource([str(mlperf_folder)])) == 140
    golden = shared / "goldens/records/mlperf_sample_512.tfrecord"
    assert not verify(str(mlperf_folder), str(golden)).same
    assert verify(parts[0], str(golden)).same


def test_files_with_an_ending_come_first(shared, mlperf_folder):
    shutil.copy(shared / "goldens/records/google_sample_128.tfrecord", mlperf_folder / "a.tfrecord")
    assert find_record_files([str(mlperf_folder)]) == [str(mlperf_folder / "a.tfrecord")]


def test_folder_without_records_is_named(tmp_path):
    (tmp_path / "empty").mkdir()
    (tmp_path / "text").mkdir()
    (tmp_path / "text/part-00000-of-00500").write_text("Sentences of a corpus.\n")
    with pytest.raises(DataError, match=r"no files ending in .tfrecord or .* in folder .*"):
        find_record_files([str(tmp_path / "empty")])
    with pytest.raises(DataError, match="text holds text, not record files"):
        find_record_files([str(tmp_path / "text")])
    with pytest.raises(DataError, match="no such file"):
        find_record_files([str(tmp_path / "missing")])
