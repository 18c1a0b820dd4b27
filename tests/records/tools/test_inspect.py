"""Records as text: every mark says what the record says."""

from __future__ import annotations

import json

import numpy as np
import pytest

from bertkit.errors import DataError
from bertkit.records.config import RecordsConfig
from bertkit.records.files.tfrecord.frames import encode_example, write_records
from bertkit.records.files.tfrecord.reader import RecordFile
from bertkit.records.make import make_records
from bertkit.records.tools.inspect import (
    histogram,
    inspect_manifest,
    inspect_records,
    record_files,
    show_record,
)
from bertkit.tokenization.vocabulary import Vocab, load_vocab
from records.conftest import unmasked

WORDS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "sea", "ship", "##s", "wind"]
VOCAB = Vocab(WORDS, {token: number for number, token in enumerate(WORDS)}, "")


@pytest.fixture
def one(tmp_path):
    """A file of one record: `sea` hidden, `ship` shown, `##s` replaced by `wind`."""
    record = {
        "input_ids": [2, 4, 6, 3, 8, 5, 3, 0],
        "input_mask": [1, 1, 1, 1, 1, 1, 1, 0],
        "segment_ids": [0, 0, 0, 0, 1, 1, 1, 0],
        "masked_lm_positions": [1, 2, 4, 0],
        "masked_lm_ids": [5, 6, 7, 0],
        "next_sentence_labels": [1],
    }
    features = {name: np.array(values) for name, values in record.items()}
    features["masked_lm_weights"] = np.array([1, 1, 1, 0], np.float32)
    write_records(tmp_path / "one.tfrecord", [encode_example(features)])
    return tmp_path / "one.tfrecord"


def test_a_record_token_by_token(one):
    assert show_record(RecordFile(one), 0, VOCAB, 4) == (
        "Record 0: 7 of 8 tokens, 3 predicted, B does not follow A\n"
        "  A: [CLS] [MASK:sea] {ship} [SEP]\n"
        "  B: {wind:##s} sea [SEP]"
    )


def test_ids_where_no_vocabulary_is_known(one):
    assert "A: 2 [MASK:5] {6} 3" in show_record(RecordFile(one), 0, None, 4)


def test_numbers_and_text(one):
    facts, text = inspect_records([str(one)])
    assert facts["records"] == facts["files"] == 1
    assert facts["random_next"] == 1.0
    assert "Record 0" in text
    assert "Real tokens per record" in text
    assert "33.3% [MASK], 33.3% shown, 33.3% replaced" in text
    assert "Record 0" not in inspect_records([str(one)], count=0)[1]
    assert "Record 0" not in inspect_records([str(one)], start=5)[1]


def test_records_of_others(shared):
    path = shared / "data" / "tfrecord_samples" / "graphcore" / "sample_text.tfrecord"
    vocab = shared / "data" / "vocab" / "bert-base-uncased-vocab.txt"
    facts, text = inspect_records([str(path)], vocab, count=1, start=2)
    assert (facts["records"], facts["max_seq_length"]) == (45, 128)
    assert facts["masked"] == pytest.approx(0.8, abs=0.05)
    shown = text.partition("Record 2: ")[2]
    answers = RecordFile(path).batch([2])
    words = load_vocab(vocab)
    for answer, weight in zip(
        answers["masked_lm_ids"][0], answers["masked_lm_weights"][0], strict=True
    ):
        if weight:
            assert words.token(int(answer)) in shown
    assert shown.count("[MASK:") == int((answers["input_ids"][0] == words.mask_id).sum())


def test_records_of_another_kind_show_their_features(tmp_path):
    path = tmp_path / "images.tfrecord"
    write_records(path, [encode_example({"image": [b"abc"], "size": np.zeros(3, np.float32)})])
    facts, text = inspect_records([str(path)])
    assert facts["features"] == {"image": "1 byte strings", "size": "float32[3]"}
    assert "another kind" in text


def test_unmasked_tokens_show_how_many(tmp_path):
    path = tmp_path / "tokens.tfrecord"
    write_records(path, [unmasked(["[CLS]", "a", "[SEP]"])])
    assert inspect_records([str(path)])[0] == {"features": {"tokens": "3 byte strings"}}


def test_packs_are_shown_as_their_instances(shared):
    path = shared / "data" / "tfrecord_samples" / "graphcore" / "sample_text_packed.tfrecord"
    facts, text = inspect_records([str(path)])
    assert (facts["records"], facts["max_predictions_per_seq"]) == (45, 20)
    assert "B does not follow A" in text


def test_windows_of_running_text_have_no_pair(shared):
    path = shared / "goldens" / "records" / "cerebras_sample_mlmonly_128_dupe2_seed0.tfrecord"
    facts, text = inspect_records([str(path)])
    assert (facts["records"], facts["random_next"]) == (37, 0.0)
    assert "no pair" in text
    assert "B:" not in text


def test_the_vocabulary_of_the_manifest_is_used_while_it_is_unchanged(tmp_path):
    vocab = tmp_path / "v.txt"
    vocab.write_text("\n".join([*WORDS, *"abcdefghijklmnopqrstuvwxyz"]), encoding="utf-8")
    (tmp_path / "t.txt").write_text("sea wind\nship sea\n\nwind wind\n" * 3, encoding="utf-8")
    out = tmp_path / "out"
    config = RecordsConfig(max_seq_length=16, dupe_factor=2)
    make_records(config, [str(tmp_path / "t.txt")], out, vocab)
    assert "[CLS]" in inspect_records(record_files([str(out)]))[1]
    with vocab.open("a", encoding="utf-8") as stream:
        stream.write("\nmore\n")
    assert "[CLS]" not in inspect_records(record_files([str(out)]))[1]
    values, text = inspect_manifest(out)
    assert values["state"] == "complete"
    for expected in ("make-records", "complete", "dupe_factor", "t.tfrecord", "vocab_sha256"):
        assert expected in text


def test_files_of_folders(one, tmp_path):
    (tmp_path / "notes.txt").write_text("x")
    assert record_files([str(tmp_path)]) == [str(one)]
    assert record_files([str(one)]) == [str(one)]
    (tmp_path / "empty").mkdir()
    assert record_files([str(tmp_path / "empty")]) == []
    with pytest.raises(DataError, match="no such file"):
        record_files([str(tmp_path / "nowhere")])


def test_bars_are_in_proportion():
    lines = histogram([(1, 8, 10), (9, 16, 40), (17, 24, 0)]).splitlines()[1:]
    assert [line.count("#") for line in lines] == [10, 40, 0]
    assert [line.split()[-1] for line in lines] == ["10", "40", "0"]


def test_errors(tmp_path):
    with pytest.raises(DataError, match=r"has no manifest.json"):
        inspect_manifest(tmp_path)
    (tmp_path / "empty.tfrecord").touch()
    with pytest.raises(DataError, match="no records"):
        inspect_records([str(tmp_path / "empty.tfrecord")])
    (tmp_path / "text.tfrecord").write_text("this is no record file at all")
    with pytest.raises(DataError, match="holds text, not record files"):
        inspect_records([str(tmp_path / "text.tfrecord")])


@pytest.mark.parametrize(
    "stats", [{"text": {"words": "x"}}, {"text": [1]}, {"noticed": {"a": 1}}, {"criteria": 5}]
)
def test_a_manifest_that_somebody_changed_is_damaged(tmp_path, stats):
    (tmp_path / "manifest.json").write_text(
        json.dumps({"command": "extract", "config": {}, "stats": stats})
    )
    with pytest.raises(DataError, match=r"manifest\.json: damaged: stats"):
        inspect_manifest(tmp_path)


def test_sizes_of_inputs_are_counts(tmp_path):
    values = {"command": "extract", "config": {}, "inputs": [{"path": "a", "bytes": "5"}]}
    (tmp_path / "manifest.json").write_text(json.dumps(values))
    with pytest.raises(DataError, match="damaged: inputs: bytes"):
        inspect_manifest(tmp_path)
