"""Names of record files as NVIDIA's and Habana's programs look for them."""

from __future__ import annotations

import pytest

from bertkit.records.config import RecordsConfig
from bertkit.records.files.names import is_held_out, reader_remarks, training_stem


@pytest.mark.parametrize(
    ("name", "stem"),
    [
        ("part-00000-of-00500", "part-00000-of-00500_training"),
        ("latest", "latest_training"),
        ("wikicorpus_en_training_0", "wikicorpus_en_training_0"),
        ("wikicorpus_en_test_0", "wikicorpus_en_test_0"),
        ("valid", "valid"),
        ("Dev-2", "Dev-2"),
    ],
)
def test_names_of_training_and_of_held_out_text(name, stem):
    assert training_stem(name) == stem
    assert is_held_out(name) == (stem == name and "training" not in name)


@pytest.mark.parametrize(
    ("config", "names", "said"),
    [
        (RecordsConfig(), ["a.tfrecord"], []),
        (RecordsConfig(style="nvidia"), ["a_training.hdf5", "b_training.hdf5"], []),
        (RecordsConfig(style="nvidia"), ["a_training.hdf5", "test.hdf5"], ["test.hdf5: n", "a_t"]),
        (RecordsConfig(style="nvidia", packing="habana"), ["a.hdf5"], ["a.hdf5 is the only"]),
        (RecordsConfig(style="nvidia", packing="habana"), ["a.hdf5", "test.hdf5"], []),
    ],
)
def test_what_their_programs_do_and_do_not_say(config, names, said):
    found = reader_remarks(iter(names), config)
    assert len(found) == len(said)
    for text, begin in zip(found, said, strict=True):
        assert text.startswith(begin)
