"""What Cerebras' input pipeline expects beside the records: names of files, and arguments."""

from __future__ import annotations

import json

from bertkit.records.config import RecordsConfig
from bertkit.records.styles import CEREBRAS
from bertkit.records.styles.style import FinishedFolder


def test_names_of_files():
    config = RecordsConfig(style="cerebras", outputs=3)
    assert CEREBRAS.file_names(config) == [f"examples-{n}.tfrecords" for n in (1, 2, 3)]
    other = RecordsConfig(style="cerebras", outputs=2, format="hdf5")
    assert CEREBRAS.file_names(other) == [f"records-0000{n}-of-00002.hdf5" for n in (0, 1)]


def params(folder, config):
    CEREBRAS.write_beside(FinishedFolder(folder, ["@list.txt", "b"], 7, "v.txt", 99), config)
    return json.loads((folder / "data_params.json").read_text())


def test_arguments_of_each_program(tmp_path):
    pairs = params(tmp_path, RecordsConfig(style="cerebras", split_files=5, documents="file"))
    assert pairs["metadata_files"] == ["list.txt", "b"]
    assert (pairs["n_docs"], pairs["n_examples"], pairs["vocab_file"]) == (7, 99, "v.txt")
    assert (pairs["split_num"], pairs["multiple_docs_in_single_file"]) == (5, False)
    windows = params(
        tmp_path, RecordsConfig(style="cerebras", objective="unmasked", buffer_tokens=50)
    )
    assert "split_num" not in windows
    assert (windows["disable_masking"], windows["buffer_size"]) == (True, 50)


def test_an_equal_file_is_left_alone(tmp_path):
    config = RecordsConfig(style="cerebras")
    params(tmp_path, config)
    before = (tmp_path / "data_params.json").stat().st_mtime_ns
    params(tmp_path, config)
    assert (tmp_path / "data_params.json").stat().st_mtime_ns == before
