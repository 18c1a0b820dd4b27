"""HDF5, JSON lines, packs and windows: what is written reads back, also by other programs."""

from __future__ import annotations

import hashlib
import json
import os
import pickle
import shutil
import sys
from dataclasses import replace

import numpy as np
import pytest
from oracle.instances import create_instances, to_features

from bertkit.data.sources import RecordSource
from bertkit.errors import DataError, MissingDependencyError
from bertkit.manifest import read_manifest
from bertkit.records import hdf5
from bertkit.records.build import make_records
from bertkit.records.config import RecordsConfig
from bertkit.records.hdf5 import Hdf5File, Hdf5Writer
from bertkit.records.inspect import inspect_records
from bertkit.records.jsonl import JsonLinesFile, encode_line
from bertkit.records.opening import open_records
from bertkit.records.pack_metadata import read_average
from bertkit.records.packed import PackFile
from bertkit.records.reader import RecordFile
from bertkit.records.reading import TextReader
from bertkit.records.rows import rows_of
from bertkit.records.sequence_example import decode_tokens, encode_tokens, is_tokens
from bertkit.records.styles import shard_plans
from bertkit.records.text import read_documents
from bertkit.records.tfrecord import decode_example, encode_example, read_records, write_records
from bertkit.records.variants import make_tokenizer
from bertkit.records.verify import verify
from bertkit.records.vocab import find_vocab, load_vocab

from . import references

VOCAB = "bertkit-uncased-8k"
FORMATS = {
    "tfrecord": {},
    "hdf5": {"format": "hdf5"},
    "jsonl": {"format": "jsonl"},
    "graphcore": {"packing": "graphcore"},
    "habana-hdf5": {"packing": "habana", "format": "hdf5"},
    "habana-tfrecord": {"packing": "habana", "sequences_per_pack": 5},
}


@pytest.fixture(scope="module")
def text(tmp_path_factory):
    path = tmp_path_factory.mktemp("text") / "story.txt"
    path.write_text(
        "\n".join(
            f"The ship number {n} went to sea.\n" + f"Its captain saw {n} whales.\n" * (n % 5)
            for n in range(60)
        ),
        encoding="utf-8",
    )
    return str(path)


@pytest.fixture(scope="module")
def folders(text, tmp_path_factory):
    """The same instances in every format."""
    place = tmp_path_factory.mktemp("records")
    for name, values in FORMATS.items():
        config = RecordsConfig(max_seq_length=64, dupe_factor=3, short_seq_prob=0.6, **values)
        assert config.problems() == []
        make_records(config, [text], place / name, VOCAB)
    return place


@pytest.fixture(scope="module")
def plain(folders):
    return RecordFile(folders / "tfrecord" / "story.tfrecord")


def only_file(folder):
    (path,) = (path for path in folder.iterdir() if path.name != "manifest.json")
    return str(path)


@pytest.mark.parametrize("name", FORMATS)
def test_the_same_instances_in_every_format(folders, plain, name):
    reader = open_records(only_file(folders / name))
    assert len(reader) == len(plain)
    assert reader.max_seq_length == 64
    assert reader.max_predictions_per_seq == plain.max_predictions_per_seq
    everything, expected = reader.batch(range(len(reader))), plain.batch(range(len(plain)))
    if "-" not in name and name != "graphcore":
        for feature, values in expected.items():
            np.testing.assert_array_equal(everything[feature], values, err_msg=feature)
            assert everything[feature].dtype == values.dtype
    order = "any" if read_manifest(folders / name).config["packing"] != "none" else "files"
    assert verify(str(folders / "tfrecord"), str(folders / name), order=order).same
    picked = [3, 0, len(reader) - 1, 3, -2]
    again = pickle.loads(pickle.dumps(reader)).batch(picked)
    for feature, values in again.items():
        np.testing.assert_array_equal(values, everything[feature][picked], err_msg=feature)
    for wrong in (len(reader), -len(reader) - 1):
        with pytest.raises(IndexError):
            reader.batch([wrong])


@pytest.mark.parametrize("name", FORMATS)
def test_training_reads_every_format(folders, plain, name):
    source = RecordSource([str(folders / name)])
    assert len(source) == len(plain)
    assert source.batch(np.array([1, 0]))["input_ids"].shape == (2, 64)


@pytest.mark.parametrize("name", FORMATS)
def test_again_the_same_bytes(text, folders, tmp_path, name):
    config = RecordsConfig(max_seq_length=64, dupe_factor=3, short_seq_prob=0.6, **FORMATS[name])
    make_records(config, [text], tmp_path / "out", VOCAB)
    one, two = only_file(tmp_path / "out"), only_file(folders / name)
    with open(one, "rb") as a, open(two, "rb") as b:
        data = a.read()
        assert data == b.read()
    (facts,) = read_manifest(tmp_path / "out").outputs.values()
    assert facts["bytes"] == len(data)
    if "crc_sha256" in facts:  # TFRecords: a hash of the records' checksums
        checks = [data[end - 4 : end] for end in frame_ends(data)]
        assert facts["crc_sha256"] == hashlib.sha256(b"".join(checks)).hexdigest()
    else:
        assert facts["sha256"] == hashlib.sha256(data).hexdigest()


def frame_ends(data: bytes) -> list[int]:
    ends = [0]
    while ends[-1] < len(data):
        length = int.from_bytes(data[ends[-1] : ends[-1] + 8], "little")
        ends.append(ends[-1] + length + 16)
    return ends[1:]


@pytest.mark.parametrize("name", ["graphcore", "habana-tfrecord"])
def test_packs_have_the_bytes_of_the_readable_encoder(folders, name):
    payloads = list(read_records(only_file(folders / name)))
    assert payloads == [encode_example(decode_example(payload)) for payload in payloads]


def test_bytes_do_not_depend_on_workers(text, tmp_path):
    second = tmp_path / "second.txt"
    with open(text, encoding="utf-8") as stream:
        second.write_text(stream.read().upper(), encoding="utf-8")
    config = RecordsConfig(style="nvidia", max_seq_length=64, dupe_factor=1, packing="habana")
    for workers in (1, 2):
        make_records(config, [text, str(second)], tmp_path / str(workers), VOCAB, workers=workers)
    one, two = (
        {path.name: path.read_bytes() for path in (tmp_path / name).iterdir()} for name in "12"
    )
    assert one == two
    assert sorted(one) == ["manifest.json", "second.hdf5", "story.hdf5"]


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


def test_packs_hold_more(folders, plain):
    (facts,) = read_manifest(folders / "graphcore").outputs.values()
    assert facts["instances"] == len(plain)
    assert facts["records"] < 0.8 * len(plain)
    first = decode_example(next(read_records(only_file(folders / "graphcore"))))
    assert len(first["packed_next_sentence_labels"]) == 3


def test_instances_without_a_plan_are_packed_too(text, tmp_path):
    config = RecordsConfig(style="cerebras", max_seq_length=64, dupe_factor=2)
    make_records(config, [text], tmp_path / "plain", VOCAB)
    make_records(replace(config, packing="habana"), [text], tmp_path / "packed", VOCAB)
    assert verify(str(tmp_path / "plain"), str(tmp_path / "packed"), order="any").same


def test_dealt_to_several_files_in_turn(text, tmp_path, plain):
    config = RecordsConfig(
        max_seq_length=64, dupe_factor=3, short_seq_prob=0.6, style="hf", shards="one-corpus",
        outputs=3,
    )  # fmt: skip
    make_records(config, [text], tmp_path / "out", VOCAB)
    names = sorted(path.name for path in (tmp_path / "out").glob("*.jsonl"))
    assert names == [f"records-0000{n}-of-00003.jsonl" for n in range(3)]
    assert verify(str(plain.path), str(tmp_path / "out"), order="dealt").same


def test_a_text_without_sentences_leaves_no_file(text, tmp_path):
    (tmp_path / "empty.txt").write_text("\n\n")
    config = RecordsConfig(style="nvidia", max_seq_length=64)
    make_records(config, [text, str(tmp_path / "empty.txt")], tmp_path / "out", VOCAB, workers=1)
    assert only_file(tmp_path / "out").endswith("story.hdf5")


def test_limit_counts_records(text, tmp_path):
    config = RecordsConfig(style="hf", max_seq_length=64)
    assert make_records(config, [text], tmp_path / "out", VOCAB, limit=7).records == 7


@pytest.mark.parametrize("name", ["nvidia_eval_128_d5", "nvidia_adv_safe_128_d3"])
def test_datasets_equal_those_of_nvidia(shared, tmp_path, name):
    """By h5py alone: names, types, compression and every row."""
    import h5py

    golden = references.outputs(shared)[name]
    args = golden["args"]
    config = RecordsConfig(
        style="nvidia", max_seq_length=args["msl"], max_predictions_per_seq=args["max_pred"],
        dupe_factor=args["dupe"], seed=args["seed"],
    )  # fmt: skip
    text = references.text_path(shared, golden["input"])
    make_records(config, [str(text)], tmp_path, references.vocab_path(shared, "vocab"))
    digest = hashlib.sha256()
    with h5py.File(only_file(tmp_path)) as file:
        data = {name: file[name][:] for name in sorted(file)}
        kinds = {name: (file[name].dtype.str, file[name].compression) for name in file}
        assert {file[name].compression_opts for name in file} == {4}
    for number in range(golden["records"]):
        for key, values in data.items():
            digest.update(key.encode() + b"\0")
            digest.update(np.atleast_1d(values[number]).astype("<i8").tobytes())
    assert digest.hexdigest() == golden["digest"]
    small, large = ("|i1", "gzip"), ("<i4", "gzip")
    assert kinds == {
        "input_ids": large, "input_mask": small, "segment_ids": small,
        "masked_lm_positions": large, "masked_lm_ids": large, "next_sentence_labels": small,
    }  # fmt: skip
    assert {len(values) for values in data.values()} == {golden["records"]}


def test_special_tokens_in_text_are_never_masked(tmp_path):
    """NVIDIA's tokenizer lets them through."""
    text = tmp_path / "text.txt"
    text.write_text("a [SEP] ship\nthe [CLS] sea [MASK]\n\nwe saw\nthe sea\n" * 9)
    config = RecordsConfig(
        style="nvidia", max_seq_length=32, masked_lm_prob=0.9, max_predictions_per_seq=20,
        dupe_factor=2,
    )  # fmt: skip
    make_records(config, [str(text)], tmp_path / "out", VOCAB)
    reader = open_records(only_file(tmp_path / "out"))
    batch = reader.batch(range(len(reader)))
    vocab = load_vocab(find_vocab(VOCAB))
    special = [vocab.cls_id, vocab.sep_id]
    assert (np.isin(batch["input_ids"], special).sum(axis=1) > 3).any()
    assert not np.isin(batch["masked_lm_ids"], special).any()
    assert (batch["masked_lm_ids"] == vocab.mask_id).any()


@pytest.mark.slow
@pytest.mark.parametrize("lower_case", [True, False])
def test_other_styles_of_googles_order_equal_the_readable_code(shared, lower_case):
    """Odd text, through the fast plan and through `create_instances`."""
    path = references.text_path(shared, "adv_safe")
    vocab = references.vocab_path(shared, "vocab" if lower_case else "vocab_cased")
    config = RecordsConfig(
        style="hf", max_seq_length=64, dupe_factor=1, do_lower_case=lower_case,
        whole_word_mask=True, tokenizer="cerebras",
    )  # fmt: skip
    tokenizer = make_tokenizer("cerebras", load_vocab(vocab), lower_case)
    documents = read_documents([path], tokenizer)
    instances = create_instances(documents, config, tokenizer.vocab.tokens)
    expected = [to_features(item, tokenizer.vocab, 64, config.predictions) for item in instances]
    reader = TextReader(tokenizer.vocab, "cerebras", lower_case)
    (plan,) = shard_plans([str(path)], config, reader)
    found = plan.batch(range(len(plan)))
    for name, values in found.items():
        stacked = np.stack([record[name] for record in expected])
        np.testing.assert_array_equal(values.reshape(len(plan), -1), stacked, err_msg=name)


def test_json_lines_are_what_a_collator_expects(folders, plain):
    with open(only_file(folders / "jsonl"), encoding="ascii") as stream:
        lines = [json.loads(line) for line in stream]
    batch = plain.batch(range(len(plain)))
    for number, line in enumerate(lines):
        length = int(batch["input_mask"][number].sum())
        assert list(line) == ["input_ids", "attention_mask", "token_type_ids", "labels",
                              "next_sentence_label"]  # fmt: skip
        assert line["input_ids"] == batch["input_ids"][number, :length].tolist()
        assert line["attention_mask"] == [1] * length
        assert line["token_type_ids"] == batch["segment_ids"][number, :length].tolist()
        assert line["next_sentence_label"] == batch["next_sentence_labels"][number]
        predicted = batch["masked_lm_weights"][number] > 0
        labels = [-100] * length
        for position, truth in zip(
            batch["masked_lm_positions"][number, predicted],
            batch["masked_lm_ids"][number, predicted], strict=True,
        ):  # fmt: skip
            labels[position] = int(truth)
        assert line["labels"] == labels


def test_foreign_json_lines_have_the_widths_that_occur(tmp_path, plain):
    batch = plain.batch([0, 1, 2])
    rows = rows_of(batch)
    path = tmp_path / "foreign.jsonl"
    path.write_bytes(b"\n".join(map(encode_line, rows)) + b"\n")
    reader = open_records(path)
    assert isinstance(reader, JsonLinesFile)
    assert len(reader) == 3
    assert reader.max_seq_length == batch["input_mask"].sum(axis=1).max()
    assert reader.max_predictions_per_seq == (batch["masked_lm_weights"] > 0).sum(axis=1).max()


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        (b'{"input_ids": [1]}', ":2: not a record: KeyError"),
        (b"{broken", ":2: not a record: JSONDecodeError"),
        (b'{"input_ids":[1,2],"attention_mask":[1],"token_type_ids":[0],"labels":[0],'
         b'"next_sentence_label":0}', ":2: its lists differ in length"),
        (b'{"input_ids":[1,2],"attention_mask":[0,1],"token_type_ids":[0,0],"labels":[0,0],'
         b'"next_sentence_label":0}', ":2: padding between tokens"),
    ],
)  # fmt: skip
def test_a_wrong_line_is_named(tmp_path, plain, line, problem):
    good = encode_line(next(rows_of(plain.batch([0]))))
    (tmp_path / "bad.jsonl").write_bytes(good + line + b"\n")
    with pytest.raises(DataError) as caught:
        open_records(tmp_path / "bad.jsonl")
    assert problem in caught.value.message


@pytest.mark.parametrize("name", ["hdf5", "habana-hdf5"])
def test_hdf5_files_need_not_fit_into_memory(folders, monkeypatch, name):
    path = only_file(folders / name)
    expected = open_records(path).batch([5, 2, 9, 2])
    monkeypatch.setattr(hdf5, "IN_MEMORY", 0)
    found = open_records(path).batch([5, 2, 9, 2])
    for feature, values in expected.items():
        np.testing.assert_array_equal(found[feature], values, err_msg=feature)


@pytest.mark.parametrize(
    ("name", "values", "says"),
    [
        ("packed_segment_ids", None, "record 2 .* lacks a feature"),
        ("packed_next_sentence_labels", np.zeros(4, np.int64), "record 2 .* not of the same sizes"),
        ("packed_input_mask", np.zeros(64, np.int64), "record 2 is a pack of nothing"),
        ("packed_next_sentence_mask", np.zeros(3, np.float32), "record 2: not a pack"),
    ],
)
def test_a_foreign_pack_is_named(folders, tmp_path, name, values, says):
    packs = [decode_example(p) for p in read_records(only_file(folders / "graphcore"))]
    packs[2][name] = values
    if values is None:
        del packs[2][name]
    write_records(tmp_path / "packs.tfrecord", [encode_example(pack) for pack in packs])
    with pytest.raises(DataError, match=says):
        open_records(tmp_path / "packs.tfrecord").batch(range(12))


def test_a_damaged_window_is_named(shared, tmp_path):
    golden = shared / "goldens" / "records" / "cerebras_sample_mlmonly_128_dupe2_seed0.tfrecord"
    data = bytearray(golden.read_bytes())
    data[len(data) // 2] ^= 1
    (tmp_path / "bad.tfrecord").write_bytes(data)
    with pytest.raises(DataError, match=r"record \d+ at byte \d+: wrong checksum of its data"):
        reader = open_records(tmp_path / "bad.tfrecord")
        reader.batch(range(len(reader)))


def test_lines_that_outgrow_their_manifest_are_named(folders, tmp_path, plain):
    folder = tmp_path / "copy"
    shutil.copytree(folders / "jsonl", folder)
    manifest = read_manifest(folder)
    manifest.config["max_seq_length"] = 9
    manifest.write(folder)
    reader = open_records(only_file(folder))
    with pytest.raises(DataError, match=r"story.jsonl:\d+: \d+ tokens, not 9"):
        reader.batch(range(len(reader)))


def test_damaged_hdf5_is_named(tmp_path, folders):
    with open(only_file(folders / "hdf5"), "rb") as stream:
        data = stream.read()
    (tmp_path / "short.hdf5").write_bytes(data[: len(data) // 2])
    with pytest.raises(DataError, match=r"short.hdf5: not a whole HDF5 file"):
        open_records(tmp_path / "short.hdf5")


def test_hdf5_of_another_kind_is_refused(tmp_path):
    writer = Hdf5Writer(str(tmp_path / "other.h5"), {"input_ids": "i4"})
    writer.add({"input_ids": np.zeros((1, 4))})
    writer.close()
    with pytest.raises(DataError, match="no dataset input_mask") as caught:
        Hdf5File(tmp_path / "other.h5")
    assert "found input_ids" in caught.value.message


def test_without_h5py_one_line_says_what_to_install(bertkit, text, tmp_path, monkeypatch, folders):
    monkeypatch.setitem(sys.modules, "h5py", None)
    with pytest.raises(MissingDependencyError, match="h5py"):
        open_records(only_file(folders / "hdf5"))
    run = bertkit(
        "make-records", "-i", text, "-o", tmp_path / "out", "--vocab", VOCAB, "--style", "nvidia"
    )
    assert run.status == 4
    assert "pip install 'bertkit[hdf5]'" in run.err
    assert not list((tmp_path / "out").glob("*.hdf5"))


def test_graphcores_own_packs_hold_its_own_records(shared):
    folder = shared / "data" / "tfrecord_samples" / "graphcore"
    packed, single = (str(folder / f"sample_text{end}.tfrecord") for end in ("_packed", ""))
    reader = open_records(packed)
    assert isinstance(reader, PackFile)
    assert (len(reader), reader.max_seq_length, reader.max_predictions_per_seq) == (45, 128, 20)
    assert verify(packed, single, order="any").same
    assert not verify(packed, single).same


def test_windows_read_as_one_segment_without_a_pair(shared):
    path = shared / "goldens" / "records" / "cerebras_sample_mlmonly_128_dupe2_seed0.tfrecord"
    reader = open_records(path)
    features = [decode_example(payload) for payload in read_records(path)]
    batch = reader.batch(range(len(reader)))
    assert len(reader) == 37
    for name in features[0]:
        expected = np.stack([record[name] for record in features])
        np.testing.assert_array_equal(batch[name], expected, err_msg=name)
    assert not batch["segment_ids"].any()
    assert (batch["next_sentence_labels"] == -1).all()


def test_unmasked_tokens_cannot_be_trained_on_but_read_back(tmp_path):
    tokens = ["[CLS]", "\u00e9", "", "x" * 300, "[SEP]"]
    payload = encode_tokens(tokens)
    assert is_tokens(payload)
    assert decode_tokens(payload) == [token.encode() for token in tokens]
    write_records(tmp_path / "tokens.tfrecord", [payload])
    with pytest.raises(DataError, match="unmasked tokens"):
        open_records(tmp_path / "tokens.tfrecord")
    for broken in (b"", payload[:-3], b"\xff" * 9):
        assert not is_tokens(broken)
