"""What is written reads back in every format, also by other programs."""

from __future__ import annotations

import hashlib
import pickle

import numpy as np
import pytest
from oracle.instances import create_instances, to_features

from bertkit.data.record_source import RecordSource
from bertkit.manifest import read_manifest
from bertkit.records.config import RecordsConfig
from bertkit.records.files.open import open_records
from bertkit.records.make import make_records
from bertkit.records.read_text import TextReader
from bertkit.records.styles import shard_plans
from bertkit.records.tools.verify import verify
from bertkit.tokenization.sentence_files import read_documents
from bertkit.tokenization.vocabulary import find_vocab, load_vocab
from bertkit.tokenization.wordpiece_variants import make_tokenizer
from records import references
from records.conftest import FORMATS, VOCAB, only_file


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
