"""Random access to records: every value as the plain decoder gives it, every defect named."""

from __future__ import annotations

import pickle

import numpy as np
import pytest

from bertkit.errors import DataError
from bertkit.records.files.open import open_records
from bertkit.records.files.tfrecord.frames import (
    decode_example,
    encode_example,
    read_records,
    write_records,
)
from bertkit.records.files.tfrecord.reader import RecordFile

FILES = [
    "goldens/records/google_sample_128.tfrecord",
    "goldens/records/google_sample_128_wwm.tfrecord",
    "goldens/records/mlperf_sample_512.tfrecord",
    "goldens/records/cerebras_sample_nsp_128_dupe2_seed0.tfrecord",
    "data/tfrecord_samples/graphcore/sample_text.tfrecord",
]
NAMES = {
    "input_ids", "input_mask", "segment_ids", "masked_lm_positions", "masked_lm_ids",
    "masked_lm_weights", "next_sentence_labels",
}  # fmt: skip


def example(length=32, predictions=4, seed=0, largest=30522, **changes):
    rng = np.random.default_rng(seed)
    values = {
        "input_ids": rng.integers(0, largest, length),
        "input_mask": np.ones(length, np.int64),
        "segment_ids": np.zeros(length, np.int64),
        "masked_lm_positions": rng.integers(0, length, predictions),
        "masked_lm_ids": rng.integers(0, largest, predictions),
        "masked_lm_weights": np.ones(predictions, np.float32),
        "next_sentence_labels": np.array([seed % 2]),
    }
    values.update(changes)
    return {name: value for name, value in values.items() if value is not None}


def write(path, *examples):
    write_records(path, map(encode_example, examples))
    return path


@pytest.mark.parametrize("name", FILES)
def test_batches_of_external_files_equal_their_records(shared, name):
    records = RecordFile(shared / name)
    plain = [decode_example(payload) for payload in read_records(shared / name)]
    assert len(records) == len(plain)
    assert records.max_seq_length == len(plain[0]["input_ids"])
    assert records.max_predictions_per_seq == len(plain[0]["masked_lm_ids"])
    order = np.random.default_rng(1).permutation(len(plain))
    batch = records.batch(order)
    assert batch.keys() == NAMES
    for row, index in enumerate(order):
        for feature, values in plain[index].items():
            np.testing.assert_array_equal(np.atleast_1d(batch[feature][row]), values)
    assert batch["masked_lm_weights"].dtype == np.float32
    assert {batch[name].dtype for name in NAMES - {"masked_lm_weights"}} == {np.dtype(np.int32)}
    assert batch["next_sentence_labels"].shape == (len(plain),)


def test_single_records_and_negative_indices(tmp_path):
    examples = [example(seed=n) for n in range(5)]
    records = RecordFile(write(tmp_path / "a", *examples))
    assert records.record(3) == encode_example(examples[3])
    assert records.record(-1) == encode_example(examples[4])
    np.testing.assert_array_equal(records.batch([-1])["input_ids"][0], examples[4]["input_ids"])
    with pytest.raises(IndexError):
        records.record(5)
    with pytest.raises(IndexError):
        records.batch([0, 5])
    assert records.batch([])["input_ids"].shape == (0, 32)


@pytest.mark.parametrize("largest", [2, 127, 129, 16385, 2**21 + 5, 2**31])
@pytest.mark.parametrize("length", [1, 7, 8, 9, 64, 1024])
def test_numbers_of_every_size_and_lists_of_every_length(tmp_path, largest, length):
    examples = [example(length, 3, seed, largest) for seed in range(4)]
    batch = RecordFile(write(tmp_path / "a", *examples)).batch(range(4))
    for row, values in enumerate(examples):
        np.testing.assert_array_equal(batch["input_ids"][row], values["input_ids"])
        np.testing.assert_array_equal(batch["masked_lm_ids"][row], values["masked_lm_ids"])


def test_an_additional_feature_is_ignored(tmp_path):
    records = RecordFile(write(tmp_path / "a", example(extra=[b"x"], zz=np.arange(3))))
    np.testing.assert_array_equal(records.batch([0])["input_ids"][0], example()["input_ids"])


def test_objects_travel_to_other_processes(tmp_path):
    records = RecordFile(write(tmp_path / "a", example()))
    again = pickle.loads(pickle.dumps(records))
    np.testing.assert_array_equal(again.batch([0])["input_ids"], records.batch([0])["input_ids"])


def test_empty_and_missing_files(tmp_path):
    (tmp_path / "empty").write_bytes(b"")
    with pytest.raises(DataError, match="the file is empty"):
        RecordFile(tmp_path / "empty")
    with pytest.raises(DataError, match="cannot read"):
        RecordFile(tmp_path / "missing")
    with pytest.raises(DataError, match="read in random order"):
        RecordFile("https://example.org/a.tfrecord")


def test_records_of_another_kind_are_named(tmp_path):
    path = write(tmp_path / "a", {"text": [b"hello"], "label": np.array([1])})
    with pytest.raises(DataError, match=r"no feature input_ids.*found label, text"):
        RecordFile(path)
    write_records(path, [b"not an example"])
    with pytest.raises(DataError, match=r"not a tf\.train\.Example"):
        RecordFile(path)


@pytest.mark.parametrize(
    "odd",
    [
        example(length=33),
        example(predictions=5),
        example(next_sentence_labels=np.array([1, 0])),
        example(masked_lm_weights=np.array([1, 1, 1, 1])),
        example(input_ids=np.ones(32, np.float32)),
        example(input_ids=[b"x"] * 32),
    ],
)
def test_a_later_record_of_another_shape_is_named(tmp_path, odd):
    records = RecordFile(write(tmp_path / "a", example(), example(seed=1), odd))
    assert len(records.batch([0, 1])["input_ids"]) == 2
    with pytest.raises(DataError, match=r"record 2 at byte \d+ is not of the same kind") as caught:
        records.batch([0, 2, 1])
    assert "32 tokens and 4 predictions" in caught.value.message


@pytest.mark.parametrize(
    ("first", "odd", "problem"),
    [
        ((), ("segment_ids",), "lacks segment_ids, which the first record has"),
        (("segment_ids", "next_sentence_labels"), (),
         "has segment_ids, next_sentence_labels, which the first record lacks"),
        (("segment_ids", "next_sentence_labels"), ("next_sentence_labels",),
         "has segment_ids, which the first record lacks"),
        (("segment_ids",), (), "has segment_ids, which the first record lacks"),
        (("segment_ids",), ("segment_ids", "input_mask"), "lacks input_mask, which the first"),
    ],
)  # fmt: skip
def test_a_later_record_with_other_features_is_named(tmp_path, first, odd, problem):
    """Where the first had no segments, the others were read as masked LM alone."""
    one, other = (example(**dict.fromkeys(names)) for names in (first, odd))
    records = open_records(write(tmp_path / "a", one, one, other))
    assert len(records.batch([0, 1])["input_ids"]) == 2
    with pytest.raises(DataError, match=rf"record 2 at byte \d+ {problem}"):
        records.batch([0, 2, 1])


def test_a_broken_message_with_right_checksums_is_named(tmp_path):
    path = tmp_path / "a"
    good = encode_example(example())
    for bad in (b"", b"\xff" * 40, good[:-3], good[:20]):
        write_records(path, [good, bad])
        with pytest.raises(DataError, match="record 1 at byte"):
            RecordFile(path).batch([1])


def test_flipped_and_missing_bytes_are_named_with_their_place(tmp_path):
    path = write(tmp_path / "a", *(example(seed=n) for n in range(3)))
    blob = path.read_bytes()
    second = 16 + len(encode_example(example(seed=0)))
    for place in (second, second + 7, second + 11):
        path.write_bytes(blob[:place] + bytes([blob[place] ^ 4]) + blob[place + 1 :])
        with pytest.raises(DataError, match=f"record 1 at byte {second}: wrong checksum of its le"):
            RecordFile(path)
    for place in (second + 12, second + 100):
        path.write_bytes(blob[:place] + bytes([blob[place] ^ 4]) + blob[place + 1 :])
        records = RecordFile(path)
        assert len(records.batch([0, 2])["input_ids"]) == 2
        with pytest.raises(DataError, match=f"record 1 at byte {second}: wrong checksum of its da"):
            records.batch([0, 1])
        with pytest.raises(DataError, match="record 1"):
            records.record(1)
    for size in (second + 1, second + 11, second + 12, second + 50):
        path.write_bytes(blob[:size])
        with pytest.raises(DataError, match=f"record 1 at byte {second}: the file ends inside"):
            RecordFile(path)
