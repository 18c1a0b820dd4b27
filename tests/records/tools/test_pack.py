"""Existing records are packed: NVIDIA's own HDF5, and ours with the packs of make-records."""

from __future__ import annotations

import json
from dataclasses import replace

import h5py
import numpy as np
import pytest

from bertkit.errors import ConfigError, DataError, UsageError
from bertkit.manifests.manifest import read_manifest
from bertkit.records.config import RecordsConfig
from bertkit.records.files.open import open_records
from bertkit.records.make import make_records
from bertkit.records.tools.pack import PackOptions, pack_records
from bertkit.records.tools.verify import verify

VOCAB = "bertkit-uncased-8k"
LENGTH, PREDICTIONS, SEQUENCES = 32, 6, 3


def write_as_nvidia(path, count, seed):
    """`write_instance_to_example_file` of NVIDIA's and Habana's create_pretraining_data.py."""
    random = np.random.default_rng(seed)
    kinds = {
        "input_ids": ("i4", LENGTH), "input_mask": ("i1", LENGTH), "segment_ids": ("i1", LENGTH),
        "masked_lm_positions": ("i4", PREDICTIONS), "masked_lm_ids": ("i4", PREDICTIONS),
    }  # fmt: skip
    features = {name: np.zeros([count, size], "int32") for name, (_, size) in kinds.items()}
    features["next_sentence_labels"] = random.integers(0, 2, count)
    for row in range(count):
        tokens, masked = random.integers(6, LENGTH + 1), random.integers(1, PREDICTIONS + 1)
        masked = min(masked, tokens - 2)
        features["input_ids"][row, :tokens] = random.integers(1, 30522, tokens)
        features["input_mask"][row, :tokens] = 1
        features["segment_ids"][row, tokens // 2 : tokens] = 1
        places = np.sort(random.choice(np.arange(1, tokens), masked, replace=False))
        features["masked_lm_positions"][row, :masked] = places
        features["masked_lm_ids"][row, :masked] = random.integers(1, 30522, masked)
    with h5py.File(path, "w") as file:
        for name, (kind, _) in {**kinds, "next_sentence_labels": ("i1", 1)}.items():
            file.create_dataset(name, data=features[name], dtype=kind, compression="gzip")
    return features


def packed_as_habana(features, members):
    """`create_multi_sequence_example` of Habana's pack_pretraining_data_pytorch.py."""
    most = PREDICTIONS + SEQUENCES
    pack = {
        **{
            n: np.zeros(LENGTH, int)
            for n in ("input_ids", "input_mask", "segment_ids", "positions")
        },
        **{name: np.zeros(most, int) for name in ("masked_lm_positions", "masked_lm_ids")},
        **{
            f"next_sentence_{n}": np.zeros(SEQUENCES, int)
            for n in ("positions", "labels", "weights")
        },
    }
    offset = mlm_offset = 0
    for number, member in enumerate(members):
        row = {name: values[member] for name, values in features.items()}
        tokens, masked = row["input_mask"].sum(), (row["masked_lm_ids"] != 0).sum()
        span, slots = slice(offset, offset + tokens), slice(mlm_offset, mlm_offset + masked)
        pack["input_ids"][span] = row["input_ids"][:tokens]
        pack["input_mask"][span] = number + 1
        pack["segment_ids"][span] = row["segment_ids"][:tokens]
        pack["positions"][span] = np.arange(tokens)
        pack["masked_lm_positions"][slots] = offset + row["masked_lm_positions"][:masked]
        pack["masked_lm_ids"][slots] = row["masked_lm_ids"][:masked]
        pack["next_sentence_positions"][number] = offset
        pack["next_sentence_labels"][number] = row["next_sentence_labels"]
        pack["next_sentence_weights"][number] = 1
        offset, mlm_offset = offset + tokens, mlm_offset + masked
    return pack


@pytest.fixture
def nvidia(tmp_path):
    """A folder as NVIDIA's bertPrep.py leaves it, and the features of its two files."""
    folder = tmp_path / "hdf5_lower_case_1_seq_len_32" / "wikicorpus_en"
    folder.mkdir(parents=True)
    names = [f"wikicorpus_en_training_{n}" for n in range(2)]
    return folder, {n: write_as_nvidia(folder / f"{n}.hdf5", 90, k) for k, n in enumerate(names)}


def test_nvidias_own_files_become_the_packs_of_habanas_program(bertkit, nvidia, tmp_path):
    folder, features = nvidia
    out = tmp_path / "packed" / "wikicorpus_en"
    run = bertkit("pack-records", "--input", folder, "--output", out, "--workers", 1, "--json")
    assert run.result["instances"] == 180 > run.result["records"]
    assert sorted(path.name for path in out.glob("[!.]*")) == [f"{n}.hdf5" for n in features]
    for name, source in features.items():
        keys = {tuple(ids[: mask.sum()]): number
                for number, (ids, mask) in enumerate(zip(source["input_ids"], source["input_mask"],
                                                         strict=True))}  # fmt: skip
        seen = []
        with h5py.File(out / f"{name}.hdf5") as file:
            packs = {key: file[key][:] for key in file}
        for row in range(len(packs["input_ids"])):
            pack = {key: values[row] for key, values in packs.items()}
            numbers = range(1, pack["input_mask"].max() + 1)
            members = [keys[tuple(pack["input_ids"][pack["input_mask"] == n])] for n in numbers]
            wanted = packed_as_habana(source, members)
            assert wanted.keys() == pack.keys()
            for key, values in wanted.items():
                np.testing.assert_array_equal(pack[key], values, err_msg=key)
            seen += members
        assert sorted(seen) == list(range(90))
    note = json.loads((tmp_path / "packed/wikicorpus_en_metadata.json").read_text())
    assert note["avg_seq_per_sample"] == pytest.approx(180 / run.result["records"])
    assert verify(str(folder), str(out), order="any").same
    assert pack_records([str(folder)], out, PackOptions(), workers=1).made == 0


@pytest.mark.parametrize(
    ("packing", "file_format"),
    [("habana", "hdf5"), ("graphcore", "tfrecord"), ("habana", "tfrecord")],
)
@pytest.mark.parametrize("source", ["hdf5", "tfrecord", "jsonl"])
def test_records_of_any_format_give_the_packs_of_make_records(
    folders, text, tmp_path, packing, file_format, source
):
    rules = RecordsConfig(max_seq_length=64, dupe_factor=3, short_seq_prob=0.6, packing=packing)
    config = replace(rules, format=file_format)
    make_records(config, [text], tmp_path / "made", VOCAB, workers=1)
    options = PackOptions(packing, file_format)
    result = pack_records([str(folders / source)], tmp_path / "packed", options, workers=1)
    (made,) = (tmp_path / "made").glob(f"story*.{file_format}")
    packed = tmp_path / "packed" / made.name
    assert packed.read_bytes() == made.read_bytes()
    assert len(open_records(packed)) == result.instances
    ours, theirs = read_manifest(tmp_path / "packed"), read_manifest(tmp_path / "made")
    assert ours.tokenizer == theirs.tokenizer
    # Of the text, make-records alone knows something.
    facts = {key: value for key, value in theirs.outputs[made.name].items() if "text_" not in key}
    assert ours.outputs == {made.name: facts}


def test_a_lost_file_is_made_again_and_others_are_kept(nvidia, tmp_path):
    folder, _ = nvidia
    out = tmp_path / "out"
    pack_records([str(folder)], out, PackOptions(), workers=1)
    first = out / "wikicorpus_en_training_0.hdf5"
    before = first.read_bytes()
    first.unlink()
    assert pack_records([str(folder)], out, PackOptions(), workers=2).made == 1
    assert first.read_bytes() == before
    with pytest.raises(DataError, match="made by another run: sequences_per_pack 3, now 4"):
        pack_records([str(folder)], out, PackOptions(sequences_per_pack=4))


def test_what_cannot_be_packed_is_refused(nvidia, tmp_path, text):
    folder, _ = nvidia
    with pytest.raises(UsageError, match="packing graphcore is a tfrecord format"):
        pack_records([str(folder)], tmp_path / "out", PackOptions("graphcore", "hdf5"))
    windows = RecordsConfig(style="cerebras", objective="mlm", max_seq_length=32)
    make_records(windows, [text], tmp_path / "windows", VOCAB, workers=1)
    with pytest.raises(DataError, match="records without sentence pairs"):
        pack_records([str(tmp_path / "windows")], tmp_path / "out", PackOptions(), workers=1)
    both = [str(folder), str(tmp_path / "windows")]
    with pytest.raises(DataError, match=r"records of different shapes: .*: 32 tokens, 6 pred"):
        pack_records(both, tmp_path / "out", PackOptions(), workers=1)
    with h5py.File(folder / "wikicorpus_en_training_1.hdf5", "r+") as file:
        file["input_mask"][5, 1] = 0
    with pytest.raises(DataError, match=r"training_1.hdf5: record 5: padding between"):
        pack_records([str(folder)], tmp_path / "gap", PackOptions(), workers=1)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (PackOptions("zzz"), "--packing zzz: no such packing"),
        (PackOptions("none"), "--packing none: no such packing"),
        (PackOptions("habana", "csv"), "--format csv: no such format"),
        (PackOptions(sequences_per_pack=1), "--sequences-per-pack 1"),
    ],
)
def test_words_that_nothing_is_made_of(nvidia, tmp_path, options, said):
    folder, _ = nvidia
    with pytest.raises(ConfigError, match=said):
        pack_records([str(folder)], tmp_path / "out", options)
    assert not (tmp_path / "out").exists()
