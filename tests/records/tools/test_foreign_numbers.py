"""Record files of others with numbers that no instance has, in every command that reads them."""

from __future__ import annotations

import gzip
import shutil
import zlib

import numpy as np
import pytest
import synthetic

from bertkit.records.files.instance import instance_of
from bertkit.records.files.jsonl import encode_line
from bertkit.records.files.tfrecord.frames import decode_example, encode_example, read_records
from bertkit.records.files.tfrecord.frames import write_records as write_file

# File of data/reports/08-records → the record that is named, and what of it.
REPORTS = {
    "bigpos.tfrecord": "masked_lm_positions[0] is 500, the sequence has ",
    "negid.tfrecord": "input_ids[3] is -1, which is no token id",
    "bigpos.hdf5": "masked_lm_positions[",
    "label7.tfrecord": "next_sentence_labels is 7, not 0 or 1",
    "mixlen.tfrecord": " is not of the same kind as the first (64 tokens and 10 predictions)",
}


@pytest.fixture
def reports(shared, tmp_path):
    """The files that failed, where indexes may be written."""
    return shutil.copytree(shared / "data/reports/08-records", tmp_path / "08-records")


def pretrain(path, folder, *words):
    return (
        *("pretrain", "--preset", "tiny", "--input", path, "--output", folder / "run"),
        *("--max-steps", 30, "--gbs", 8, "--set", "model.hidden_size=16"),
        *("--set", "model.num_attention_heads=2", "--set", "model.intermediate_size=16"),
        *("--set", "model.num_hidden_layers=1", *words),
    )


def commands(path, other, folder, *words):
    yield "inspect", path
    yield "verify", path, other
    yield "verify", other, path
    yield "pick-eval", "--input", path, "--output", folder / "picked", "--count", 89
    yield pretrain(path, folder, *words)


@pytest.mark.parametrize("name", REPORTS)
def test_every_command_names_file_and_record(bertkit, reports, tmp_path, name):
    path = reports / name
    for words in commands(
        path, reports / "plain.tfrecord", tmp_path, "--vocab", reports / "sv.txt"
    ):
        done = bertkit(*words)
        assert done.status == 3, (words[0], done.err)
        (line,) = [line for line in done.err.splitlines() if line.startswith("Error: ")]
        assert line.startswith(f"Error: {path}: record ") and REPORTS[name] in line
        assert "Hint: " in done.err
    assert not (tmp_path / "picked/eval.tfrecord").exists()


def test_labels_without_segments_are_explained(bertkit, reports, tmp_path):
    path = reports / "no_segment_ids.tfrecord"
    for words in (
        ("inspect", path),
        pretrain(path, tmp_path, "--vocab", reports / "sv.txt", "--steps-this-run", 1),
    ):
        done = bertkit(*words)
        assert "no_segment_ids.tfrecord: next_sentence_labels without segment_ids" in done.err
        assert "the labels are not used" in done.err
    assert "the records have no pairs" in bertkit("inspect", path).out


@pytest.mark.parametrize("kind", ["report", "gzip", "zlib", "members"])
def test_compressed_files_are_those_they_hold(bertkit, reports, tmp_path, kind):
    plain = reports / "plain.tfrecord"
    content = plain.read_bytes()
    packed = {
        "gzip": gzip.compress(content),
        "zlib": zlib.compress(content),
        "members": gzip.compress(content[:5000]) + gzip.compress(content[5000:]) + bytes(100),
    }
    path = reports / "gz.tfrecord"
    if kind != "report":
        path = tmp_path / "packed.tfrecord"
        path.write_bytes(packed[kind])
    assert bertkit("verify", plain, path).status == 0
    picked = [
        bertkit(
            "pick-eval", "--input", one, "--output", tmp_path / one.stem, "--count", 20, "--json"
        )
        for one in (plain, path)
    ]
    assert picked[0].result["sha256"] == picked[1].result["sha256"]
    assert bertkit("inspect", path).out == bertkit("inspect", plain).out


# The kind, record by record: each number that training would stumble over.

WRONG = {
    "input_ids": [(3, -1), (0, -(2**40)), (2, 2**40)],
    "input_mask": [(3, 0), (2, 2), (0, 0), (1, -1)],
    "segment_ids": [(1, 2), (4, -1), (0, 2**33)],
    "masked_lm_positions": [(0, 24), (0, -1), (0, 23), (0, 2**32)],
    "masked_lm_ids": [(0, -5), (0, 2**32 + 7)],
    "masked_lm_weights": [(0, 0.5), (0, -1.0), (0, np.nan), (0, np.inf), (0, 7.0)],
    "next_sentence_labels": [(0, 2), (0, -2), (0, 2**34)],
}
CASES = [(name, at, value) for name, places in WRONG.items() for at, value in places]


def records():
    random = np.random.default_rng(4)
    made = []
    for _ in range(6):
        one = synthetic.record(random, 20, 4)  # at most 20 of 24 tokens are real
        for name in ("input_ids", "input_mask", "segment_ids"):
            one[name] = np.pad(one[name], (0, 4))
        made.append(one)
    return made


def refused(bertkit, path, good, folder, name, inspect=True):
    for words in [("inspect", path)] * inspect + [
        ("verify", good, path),
        ("pick-eval", "--input", path, "--output", folder / "picked", "--count", 6),
    ]:
        done = bertkit(*words)
        assert done.status == 3, (words[0], done.err)
        assert f"Error: {path}" in done.err and name in done.err, done.err
        assert "Traceback" not in done.err


@pytest.mark.parametrize(("name", "at", "value"), CASES)
def test_tfrecords(bertkit, tmp_path, name, at, value):
    made = records()
    good = tmp_path / "good.tfrecord"
    write_file(good, map(encode_example, made))
    made[4][name] = made[4][name].copy()
    made[4][name][at] = value
    path = tmp_path / "bad.tfrecord"
    write_file(path, map(encode_example, made))
    refused(bertkit, path, good, tmp_path, f"{path}: record 4 at byte ")


@pytest.mark.parametrize(("name", "at", "value"), [c for c in CASES if c[0] != "masked_lm_weights"])
def test_hdf5(bertkit, tmp_path, name, at, value):
    h5py = pytest.importorskip("h5py")
    made = records()
    good, path = tmp_path / "good.hdf5", tmp_path / "bad.hdf5"
    for place in (good, path):
        with h5py.File(place, "w") as file:
            for feature in made[0]:
                if feature != "masked_lm_weights":
                    file[feature] = np.stack([one[feature] for one in made]).astype(np.int64)
        made[4][name] = made[4][name].copy()
        made[4][name][at] = value
    refused(bertkit, path, good, tmp_path, f"{path}: record 4: ")


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("input_ids", -1),
        ("input_ids", 2**40),
        ("input_ids", 1.5),
        ("attention_mask", 2),
        ("token_type_ids", 3),
        ("labels", -1),
        ("labels", 2**63),
        ("next_sentence_label", 7),
        ("next_sentence_label", 2**70),
    ],
)
def test_json_lines(bertkit, tmp_path, key, value):
    import json

    lines = [encode_line(instance_of(one)) for one in records()]
    good, path = tmp_path / "good.jsonl", tmp_path / "bad.jsonl"
    good.write_bytes(b"".join(lines))
    found = json.loads(lines[4])
    if key == "next_sentence_label":
        found[key] = value
    else:
        found[key][1] = value
    path.write_bytes(b"".join([*lines[:4], json.dumps(found).encode() + b"\n", lines[5]]))
    refused(bertkit, path, good, tmp_path, f"{path}:5: ")


def test_two_widths_in_one_set_are_refused(bertkit, tmp_path):
    paths = [synthetic.write(tmp_path / f"{n}.tfrecord", 4, length=n) for n in (24, 32)]
    given = [word for path in paths for word in ("--input", path)]
    done = bertkit("pick-eval", *given, "--output", tmp_path / "picked", "--count", 4)
    assert done.status == 3
    assert all(f"{path}" in done.err for path in paths) and "different shapes" in done.err


def test_tokens_beyond_the_vocabulary_are_named_with_their_record(bertkit, tmp_path):
    made = records()
    made[4]["input_ids"] = made[4]["input_ids"].copy()
    made[4]["input_ids"][2] = 60_000
    path = tmp_path / "bad.tfrecord"
    write_file(path, map(encode_example, made))
    words = pretrain(path, tmp_path, "--set", f"model.vocab_size={synthetic.VOCAB}")
    done = bertkit(*words)
    assert done.status == 3
    assert f"{path}: record 4: token number 60000" in done.err


def test_what_stands_on_padding_does_not_matter(bertkit, tmp_path):
    """Cerebras pads segments with 2, others pad ids with -1 or positions with -1."""
    made = records()
    good = tmp_path / "good.tfrecord"
    write_file(good, map(encode_example, made))
    for one in made:
        real = int(one["input_mask"].sum())
        one["segment_ids"][real:], one["input_ids"][real:] = 2, -1
        unused = one["masked_lm_weights"] == 0
        one["masked_lm_positions"][unused] = one["masked_lm_ids"][unused] = -1
    path = tmp_path / "padded.tfrecord"
    write_file(path, map(encode_example, made))
    assert bertkit("verify", good, path).status == 0
    assert [decode_example(p)["segment_ids"][-1] for p in read_records(path)] == [2] * 6
