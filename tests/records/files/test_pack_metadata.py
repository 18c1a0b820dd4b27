"""The file beside Habana's packs that says how many sequences a pack holds."""

from __future__ import annotations

import json
import os

import pytest

from bertkit.errors import DataError
from bertkit.records.files.open import open_records
from bertkit.records.files.pack_metadata import read_average
from bertkit.records.tools.inspect import inspect_records
from records.conftest import only_file


def test_the_mean_number_of_sequences_stands_beside_habanas_packs(folders):
    """Where and how Habana's training program looks for it."""
    for name in ("habana-hdf5", "habana-tfrecord"):
        reader = open_records(only_file(folders / name))
        beside = os.path.join(folders, name, "..", f"{name}_metadata.json")
        with open(beside, encoding="utf-8") as stream:
            average = json.load(stream)["avg_seq_per_sample"]
        assert average == len(reader) / reader.packs == read_average(folders / name)
        assert 1 < average <= 5
        facts, text = inspect_records([only_file(folders / name)])
        assert facts["sequences_per_pack"] == round(average, 4)
        assert f"{average:.4g} in the file beside the folder" in text
    assert not os.path.exists(folders / "graphcore_metadata.json")
    assert read_average(folders / "graphcore") is None


@pytest.mark.parametrize("text", ["{}", "[1]", "1.2", '{"avg_seq_per_sample": 0}', "{"])
def test_a_broken_file_beside_packs_is_named(tmp_path, text):
    (tmp_path / "packs_metadata.json").write_text(text)
    with pytest.raises(DataError, match=r"packs_metadata\.json: .*avg_seq_per_sample"):
        read_average(tmp_path / "packs")
