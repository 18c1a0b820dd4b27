"""What a path holds is told by its content, its manifest and its folder."""

from __future__ import annotations

import gzip
import io
import json
import os
import signal
import struct

import numpy as np
import pytest

from bertkit.cli import main
from bertkit.kinds.recognise import (
    CHECKPOINT,
    OTHER,
    QUESTIONS,
    RECORDS,
    SETTINGS,
    TEXT,
    VOCABULARY,
    Kind,
    is_model,
    kind_of,
    kind_of_bytes,
)
from bertkit.tokenization.vocabulary import find_vocab

SQUAD = {"data": [{"title": "t", "paragraphs": [{"context": "c", "qas": []}]}], "version": "1.1"}


@pytest.mark.parametrize(
    ("head", "kind"),
    [
        (b"The whale dives.\nIt breathes.\n", TEXT),
        ("鯨は深く潜る。".encode()[:-1], TEXT),
        (b"[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\nthe\n##s\n", VOCABULARY),
        (b"He wrote [CLS], [SEP] and [MASK] into\nthe text of this article.\n", TEXT),
        (json.dumps(SQUAD).encode(), QUESTIONS),
        (json.dumps(SQUAD, indent=4).encode(), QUESTIONS),
        (b'{"input_ids": [1, 2], "attention_mask": [1, 1]}\n', RECORDS),
        (b'{\n  "hidden_size": 128,\n  "vocab_size": 5\n}', SETTINGS),
        (
            b'{\n  "dim": 128,\n  "model_type": "distilbert",\n  "transformers_version": "5"\n}',
            SETTINGS,
        ),
        (b"\x89HDF\r\n\x1a\n" + bytes(100), RECORDS),
        (b"\x89PNG\r\n\x1a\n" + bytes(100), OTHER),
    ],
)
def test_beginnings(head, kind):
    assert kind_of_bytes(head).name == kind


@pytest.mark.parametrize("head", [b"", b" \n ", bytes(40), b'{"text": "The whale."}', b"\xff\xfea"])
def test_what_cannot_be_told_is_not_guessed(head):
    assert kind_of_bytes(head) is None


def test_files_of_other_programs_writers(tmp_path):
    """Written by numpy, safetensors and torch themselves."""
    import torch
    from safetensors.torch import save_file

    save_file({"a": torch.zeros(3)}, tmp_path / "w.bin")
    torch.save({"a": torch.zeros(3)}, tmp_path / "w.pt")
    blob = io.BytesIO()
    np.save(blob, np.zeros(3))
    assert kind_of(tmp_path / "w.bin").name == CHECKPOINT
    assert kind_of(tmp_path / "w.pt").name == CHECKPOINT
    assert kind_of_bytes(blob.getvalue()).name == OTHER


def test_folders_and_compressed_files(tmp_path):
    assert kind_of(find_vocab("bertkit-uncased-8k")) == Kind(VOCABULARY, "a vocabulary")
    (tmp_path / "texts").mkdir()
    for name in "ab":
        blob = gzip.compress(b"The whale dives.\n")
        (tmp_path / f"texts/{name}.txt.gz").write_bytes(blob)
    assert kind_of(tmp_path / "texts") == Kind(TEXT, "text")
    (tmp_path / "texts/c.json").write_text(json.dumps(SQUAD))
    assert kind_of(tmp_path / "texts") is None  # they do not agree
    (tmp_path / "run").mkdir()
    (tmp_path / "run/metrics.jsonl").write_text("{}\n")
    assert kind_of(tmp_path / "run") == Kind(CHECKPOINT, "a training run")
    assert kind_of(tmp_path / "nowhere") is None and kind_of("s3://bucket/key") is None


@pytest.mark.parametrize("prefix", ["model.ckpt-0", "bert_model.ckpt"])
def test_checkpoints_of_tensorflow_by_folder_prefix_and_file(tmp_path, prefix):
    for ending in ("index", "data-00000-of-00001"):
        (tmp_path / f"{prefix}.{ending}").write_bytes(b"\0\1")
    (tmp_path / "vocab.txt").write_text("[PAD]\n")
    for place in ("", prefix, f"{prefix}.index", f"{prefix}.data-00000-of-00001"):
        assert is_model(tmp_path / place)
    assert not is_model(tmp_path / "vocab.txt") and not is_model(tmp_path / "other.ckpt")


@pytest.mark.parametrize("name", ["ckpt_8601.pt", "checkpoint_500.mdl"])
def test_folders_of_other_programs(tmp_path, name):
    (tmp_path / name).write_bytes(b"\0\1")
    (tmp_path / "bert_config.json").write_text('{"hidden_size": 8}')
    assert kind_of(tmp_path) == Kind(CHECKPOINT, "a model")


def test_what_bertkit_wrote_is_told_by_its_manifest(tmp_path):
    text = tmp_path / "a.txt"
    text.write_text("The whale dives.\nIt breathes.\n\nThe ship sails.\nIt turns.\n")
    words = ["-i", str(text), "-o", str(tmp_path / "r"), "--vocab", "bertkit-uncased-8k", "-q"]
    assert main(["make-records", *words, "--workers", "1"]) == 0
    assert kind_of(tmp_path / "r") == Kind(RECORDS, "records")
    assert kind_of(tmp_path / "r/a.tfrecord") == Kind(RECORDS, "a TFRecord file")
    # A damaged one stays what its reader says of it.
    blob = (tmp_path / "r/a.tfrecord").read_bytes()
    (tmp_path / "damaged.tfrecord").write_bytes(struct.pack("<Q", 5) + blob[8:])
    assert kind_of(tmp_path / "damaged.tfrecord") is None


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no named pipes here")
@pytest.mark.parametrize("name", ["a.txt", "manifest.json", "metrics.jsonl", "model.safetensors"])
def test_nobody_waits_for_what_a_pipe_brings(tmp_path, name):
    """To open one waits for a writer; and what it brings can be read only once."""
    os.mkfifo(tmp_path / name)
    (tmp_path / "text.txt").write_text("The whale dives.\nIt breathes.\n")
    signal.alarm(60)  # ends the test run rather than wait for ever
    try:
        assert kind_of(tmp_path / name) is None
        assert kind_of(tmp_path) == Kind(TEXT, "text")
    finally:
        signal.alarm(0)


def test_a_large_tree_is_not_searched_for_its_first_files(tmp_path, monkeypatch):
    for number in range(5):
        (tmp_path / str(number)).mkdir()
    (tmp_path / "4" / "text.txt").write_text("The whale dives.\n")
    assert kind_of(tmp_path) == Kind(TEXT, "text")
    monkeypatch.setattr("bertkit.kinds.recognise._FOLDERS", 5)
    assert kind_of(tmp_path) is None
