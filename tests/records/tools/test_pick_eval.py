"""Evaluation sets: MLPerf's rule, whole bytes, and refusals."""

from __future__ import annotations

import json
import os
import shutil

import numpy as np
import pytest

from bertkit.errors import DataError, UsageError
from bertkit.manifests.manifest import Manifest, begin, describe_inputs, read_manifest
from bertkit.records.config import RecordsConfig
from bertkit.records.files.find import find_record_files
from bertkit.records.files.instance import instances_of
from bertkit.records.files.jsonl import encode_line
from bertkit.records.files.open import open_records
from bertkit.records.files.schema import digest
from bertkit.records.files.tfrecord.external_records import decode_external
from bertkit.records.files.tfrecord.frames import decode_example, read_records, write_records
from bertkit.records.files.tfrecord.reader import RecordFile, checksums_digest
from bertkit.records.make import make_records
from bertkit.records.tools.pick_eval import NAME, pick_eval, picked_numbers
from records.conftest import unmasked
from records.external import write_examples, write_sequences


@pytest.fixture
def sample(shared):
    return shared / "goldens" / "records" / "google_sample_128.tfrecord"


def test_numbers_are_evenly_spaced_in_float_arithmetic():
    assert list(picked_numbers(10, 10)) == list(range(10))
    assert list(picked_numbers(10, 4)) == [0, 2, 5, 7]
    assert list(picked_numbers(1843, 1000))[-1] == 1841
    for available, count in [(7, 3), (1_000_003, 9_999), (500, 499)]:
        numbers = list(picked_numbers(available, count))
        assert len(set(numbers)) == count
        assert numbers == sorted(numbers)
        assert numbers[0] == 0
        assert numbers[-1] < available


def test_records_are_copied_byte_for_byte(sample, tmp_path):
    everything = list(read_records(sample))
    result = pick_eval([str(sample)], tmp_path / "out", 7)
    picked = list(read_records(tmp_path / "out" / NAME))
    assert picked == [everything[int(i * (60 / 7))] for i in range(7)]
    manifest = read_manifest(tmp_path / "out")
    assert manifest.complete
    assert (result.available, result.records) == (60, 7)
    assert manifest.outputs[NAME]["digest"] == digest(map(decode_example, picked))
    assert manifest.outputs[NAME]["digest"] == result.digest


def test_several_files_are_one_list(sample, tmp_path):
    everything = list(read_records(sample))
    for index, (start, end) in enumerate([(0, 1), (1, 41), (41, 60)]):
        write_records(tmp_path / "parts" / f"{index}.tfrecord", everything[start:end])
    one = pick_eval([str(sample)], tmp_path / "one", 25)
    parts = pick_eval([str(tmp_path / "parts")], tmp_path / "two", 25)
    assert one.digest == parts.digest
    assert one.sha256 == parts.sha256


def test_same_run_again_touches_nothing_and_another_is_refused(sample, tmp_path):
    out = tmp_path / "out"
    first = pick_eval([str(sample)], out, 5)
    before = (out / NAME).stat().st_mtime_ns
    assert pick_eval([str(sample)], out, 5).digest == first.digest
    assert (out / NAME).stat().st_mtime_ns == before
    with pytest.raises(DataError, match="count 5, now 6"):
        pick_eval([str(sample)], out, 6)
    assert pick_eval([str(sample)], out, 6, overwrite=True).records == 6


def test_too_few_records_are_repeated_as_by_the_original(sample, tmp_path, caplog):
    """pick_eval_samples.py: records[int(i * (num_examples / num_examples_to_pick))]."""
    with caplog.at_level("WARNING", "bertkit"):
        result = pick_eval([str(sample)], tmp_path / "out", 150)
    assert (result.available, result.records) == (60, 150)
    assert "60 records for --count 150: they are repeated" in caplog.text
    whole = list(read_records(sample))
    ratio = 60 / 150
    picked = list(read_records(tmp_path / "out/eval.tfrecord"))
    assert picked == [whole[int(i * ratio)] for i in range(150)]


def test_folder_of_mlperf_names_is_picked_from(sample, tmp_path):
    """create_pretraining_data.py's --output_file has no ending there."""
    (tmp_path / "tfrecords").mkdir()
    shutil.copy(sample, tmp_path / "tfrecords/eval_intermediate")
    (tmp_path / "tfrecords/README").write_text("Not a record.")
    result = pick_eval([str(tmp_path / "tfrecords")], tmp_path / "out", 6)
    assert (result.available, result.records) == (60, 6)


def test_a_damaged_record_is_found_while_picking(sample, tmp_path):
    blob = bytearray(sample.read_bytes())
    blob[len(blob) // 2 + 100] ^= 1
    (tmp_path / "bad.tfrecord").write_bytes(blob)
    with pytest.raises(DataError, match=r"record \d+ at byte \d+: wrong checksum of its data"):
        pick_eval([str(tmp_path / "bad.tfrecord")], tmp_path / "out", 60)
    assert read_manifest(tmp_path / "out") is None
    assert not (tmp_path / "out" / NAME).exists()


def test_records_of_an_unfinished_run_are_refused(sample, tmp_path):
    folder = tmp_path / "records"
    folder.mkdir()
    (folder / "a.tfrecord").write_bytes(sample.read_bytes())
    (folder / "manifest.json").write_text('{"command": "make-records", "config": {}}')
    for name in (folder, folder / "a.tfrecord"):
        with pytest.raises(DataError, match="make-records run did not finish"):
            pick_eval([str(name)], tmp_path / "out", 3)


def test_the_evaluation_set_of_the_reference(shared, tmp_path):
    goldens = shared / "goldens" / "digests"
    known = json.loads((goldens / "digests.json").read_text(encoding="utf-8"))["outputs"]
    golden = next(output for output in known if output["name"] == "mlperf_pick_eval_1000_tf1")
    config = RecordsConfig(max_seq_length=512, style="mlperf")
    vocab = shared / "data" / "vocab" / "bert-base-uncased-vocab.txt"
    make_records(config, [str(goldens / "eval.txt")], tmp_path / "records", vocab)
    result = pick_eval([str(tmp_path / "records")], tmp_path / "eval", 1000)
    assert result.records == golden["records"]
    assert result.digest == golden["digest"]


def test_the_set_still_tells_its_vocabulary(sample, tmp_path):
    for name, vocab in (("a", "1" * 64), ("b", "2" * 64)):
        folder = tmp_path / name
        manifest = begin(folder, Manifest("make-records", {"vocab_sha256": vocab, "vocab_size": 9}))
        (folder / "x.tfrecord").write_bytes(sample.read_bytes())
        manifest.state = "complete"
        manifest.write(folder)
    pick_eval([str(tmp_path / "a")], tmp_path / "picked", 5)
    config = read_manifest(tmp_path / "picked").config
    assert config == {"count": 5, "vocab_sha256": "1" * 64, "vocab_size": 9}
    wanted = r"a has vocabulary 1{12} \(9 tokens\), .*b has vocabulary 2{12}"
    with pytest.raises(DataError, match=wanted):
        pick_eval([str(tmp_path / "a"), str(tmp_path / "b")], tmp_path / "both", 5)


FORMATS = {
    "hdf5": {"style": "nvidia"},
    "jsonl": {"style": "hf"},
    "habana": {"packing": "habana", "format": "hdf5"},
    "graphcore": {"packing": "graphcore"},
}


@pytest.mark.parametrize("name", FORMATS)
def test_every_format_can_be_picked_from(shared, tmp_path, name):
    text = str(shared / "data" / "tfrecord_samples" / "graphcore" / "sample_text.txt")
    config = RecordsConfig(short_seq_prob=0.5, dupe_factor=3, tokenizer="google", **FORMATS[name])
    make_records(config, [text], tmp_path / "records", "bertkit-uncased-8k")
    (path,) = find_record_files([tmp_path / "records"])
    result = pick_eval([str(tmp_path / "records")], tmp_path / "out", 11)
    source, picked = open_records(path), RecordFile(tmp_path / "out" / NAME)
    assert (result.available, result.records) == (len(source), len(picked)) == (len(source), 11)
    assert picked.max_seq_length == source.max_seq_length == 128
    expected = source.batch(list(picked_numbers(len(source), 11)))
    for feature, values in picked.batch(range(11)).items():
        np.testing.assert_array_equal(values, expected[feature], err_msg=feature)


def test_windows_without_pairs_stay_as_they_are(shared, sample, tmp_path):
    golden = shared / "goldens" / "records" / "cerebras_sample_mlmonly_128_dupe2_seed0.tfrecord"
    everything = list(read_records(golden))
    pick_eval([str(golden)], tmp_path / "out", 5)
    assert list(read_records(tmp_path / "out" / NAME)) == [
        everything[number] for number in picked_numbers(len(everything), 5)
    ]
    with pytest.raises(DataError, match="some records have sentence pairs and others do not"):
        pick_eval([str(golden), str(sample)], tmp_path / "both", 5)


def test_several_formats_are_one_list(shared, sample, tmp_path):
    everything = RecordFile(sample)
    lines = map(encode_line, instances_of(everything.batch(range(30))))
    (tmp_path / "a.jsonl").write_bytes(b"".join(lines))
    write_records(tmp_path / "b.tfrecord", list(read_records(sample))[30:])
    pick_eval([str(tmp_path / "a.jsonl"), str(tmp_path / "b.tfrecord")], tmp_path / "out", 20)
    found = RecordFile(tmp_path / "out" / NAME).batch(range(20))
    expected = everything.batch(list(picked_numbers(60, 20)))
    for feature, values in found.items():
        np.testing.assert_array_equal(values, expected[feature], err_msg=feature)


def test_records_with_other_features_are_copied_as_they_are(sample, tmp_path):
    for name, write in (("images", write_examples), ("videos", write_sequences)):
        path = write(tmp_path / f"{name}.tfrecord", 9)
        everything = list(read_records(path))
        result = pick_eval([str(path)], tmp_path / name, 4)
        picked = list(read_records(tmp_path / name / NAME))
        assert picked == [everything[number] for number in picked_numbers(9, 4)]
        assert result.digest == digest(decode_external(payload).flat() for payload in picked)
    with pytest.raises(DataError, match="some records have BERT's features and others do not"):
        pick_eval([str(path), str(sample)], tmp_path / "both", 4)
    write_records(tmp_path / "tokens.tfrecord", [unmasked(["a"])])
    with pytest.raises(DataError, match="unmasked tokens"):
        pick_eval([str(tmp_path / "tokens.tfrecord")], tmp_path / "tokens", 1)


def test_records_whose_manifest_tells_a_hash_are_not_read_for_one(tmp_path, sample, monkeypatch):
    source, out = tmp_path / "records", tmp_path / "out"
    source.mkdir()
    shutil.copy(sample, source / "a.tfrecord")
    facts = {"bytes": sample.stat().st_size, "crc_sha256": checksums_digest(str(sample))}
    manifest = Manifest("make-records", {}, outputs={"a.tfrecord": facts}, state="complete")
    manifest.write(source)
    with monkeypatch.context() as patch:
        patch.setattr("bertkit.manifests.inputs.sha256_of", lambda path: 1 / 0)
        pick_eval([str(source)], out, 7)
    (entry,) = read_manifest(out).inputs
    assert entry["crc_sha256"] == facts["crc_sha256"] and "sha256" not in entry
    # A copy that is younger than its manifest is looked at, and is the same run.
    os.utime(source / "a.tfrecord")
    pick_eval([str(source)], out, 7)
    # So is the folder of an earlier version.
    before = read_manifest(out)
    before.inputs = describe_inputs([str(source / "a.tfrecord")])
    before.write(out)
    pick_eval([str(source)], out, 7)
    (source / "a.tfrecord").write_bytes(sample.read_bytes()[: facts["bytes"]])
    with pytest.raises(DataError, match="made by another run"):
        pick_eval([str(source)], out, 8)


@pytest.mark.parametrize("count", [0, -3])
def test_nothing_to_pick(tmp_path, count):
    with pytest.raises(UsageError, match="nothing to pick"):
        pick_eval([str(tmp_path)], tmp_path / "out", count)
