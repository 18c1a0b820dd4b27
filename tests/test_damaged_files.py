"""Readers of other people's files take damaged ones, or refuse them in one line: nothing else."""

from __future__ import annotations

import gzip
import io
import json
import tarfile
import zipfile
from pathlib import Path

import numpy as np
import pytest
from damaged_files import outcomes

from bertkit.corpus.config import ExtractConfig
from bertkit.corpus.extraction.part import documents_of
from bertkit.corpus.sentences import split_lines
from bertkit.external_configs.detect import translate_file
from bertkit.manifests.manifest import read_manifest
from bertkit.model.config import BertConfig, label_names, read_config
from bertkit.records.files.jsonl import KEYS
from bertkit.records.files.open import open_any_records
from bertkit.records.files.tfrecord.frames import encode_example, frame
from bertkit.report.views.model import view_config
from bertkit.report.views.table import view_table
from bertkit.tables.table import read_table
from bertkit.tasks.squad.questions import read_questions
from bertkit.tasks.tag.sentence_files import read_sentences
from bertkit.tokenization import tokenizer_files
from bertkit.tokenization.vocabulary import load_vocab
from bertkit.train import metrics

ROWS = [{"id": n, "title": f"T{n}", "text": f"A text, {n}.\nIts end é."} for n in range(4)]
LINES = "".join(json.dumps(row) + "\n" for row in ROWS).encode()
PAGES = "".join(
    f"<page><title>T</title><ns>0</ns><id>{n}</id><revision><text>A '''page'''"
    f" {{{{convert|{n}|km}}}}.</text></revision></page>"
    for n in range(3)
)
ARTICLES = "".join(
    f"<PubmedArticle><MedlineCitation><PMID>{n}</PMID><Article><Abstract><AbstractText>One {n}."
    "</AbstractText></Abstract></Article></MedlineCitation></PubmedArticle>"
    for n in range(3)
)
RECORD = b"WARC/1.0\r\nWARC-Type: conversion\r\nContent-Length: 5\r\n\r\nHello\r\n\r\n"
TABLE = b'id,title,text\n1,A,"Some, text"\n2,B,"more ""quoted"" and\nlines"\n3,C,plain\n4,D,x\n'
SQUAD = {
    "data": [{"title": "A", "paragraphs": [{"context": "The cat sat.", "qas": [
        {"id": "q1", "question": "Who?", "answers": [{"text": "cat", "answer_start": 4}]}]}]}]
}  # fmt: skip
CONFIG = {
    "vocab_size": 64, "hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2,
    "intermediate_size": 32, "model_type": "bert", "id2label": {"0": "a", "1": "b"},
}  # fmt: skip
PARAMS = b"""train_input:
    data_processor: "BertTfRecordsProcessor"
    data_dir: ["./a", './b']
    max_sequence_length: 128
    batch_size: 256
model:
    hidden_size: 768
    mixed_precision: True
optimizer:
    optimizer_type: "adamw"
    learning_rate:
        - {scheduler: "Linear", initial_learning_rate: 0.0, end_learning_rate: 1e-4, steps: 9}
runconfig: {max_steps: 900000}
"""
FLAGS = b"""LR=6e-3
python run_pretraining.py --do_train --bert_model=bert-base-uncased --max_steps=$((10 * 9)) \\
  --learning_rate $LR --input_dir="$HOME/a b" --train_batch_size=64
"""
SPECIAL = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "a", "##b"]
TOKENIZER = {
    "added_tokens": [{"id": 0, "content": "[PAD]"}],
    "normalizer": {"type": "BertNormalizer", "lowercase": True},
    "model": {"type": "WordPiece", "vocab": {token: n for n, token in enumerate(SPECIAL)}},
}
EXAMPLE = {
    **dict.fromkeys(("input_ids", "input_mask", "segment_ids"), np.ones(8, np.int64)),
    **dict.fromkeys(("masked_lm_positions", "masked_lm_ids"), np.ones(2, np.int64)),
    "masked_lm_weights": np.ones(2, np.float32),
    "next_sentence_labels": np.ones(1, np.int64),
}
INSTANCE = {key: [1, 1, 0] for key in KEYS}


def _tar() -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as archive:
        for name, blob in (("a.txt", b"A text."), ("b.jsonl", LINES), ("c.csv", TABLE)):
            member = tarfile.TarInfo(name)
            member.size = len(blob)
            archive.addfile(member, io.BytesIO(blob))
    return out.getvalue()


def _zip() -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("a.txt", b"A text.")
        archive.writestr("b.tar", _tar())
    return out.getvalue()


def _arrow() -> list[bytes]:
    pa = pytest.importorskip("pyarrow")
    parquet = pytest.importorskip("pyarrow.parquet")
    table = pa.table({"id": [1, 2], "text": ["one", "zwei ä"], "label": [0, 1]})
    out = [io.BytesIO() for _ in range(3)]
    parquet.write_table(table, out[0], compression="none")
    for number, make in enumerate((pa.ipc.new_file, pa.ipc.new_stream), 1):
        with make(out[number], table.schema) as writer:
            writer.write_table(table)
    return [stream.getvalue() for stream in out]


def _documents(path: str) -> None:
    list(documents_of(path, ExtractConfig(splitter="lines"), split_lines))


def _records(path: str) -> None:
    file = open_any_records(path)
    if hasattr(file, "batch"):
        file.batch(np.arange(len(file)))


def _config(path: str) -> None:
    BertConfig.from_file(path)
    label_names(read_config(Path(path)), path)
    view_config(path)


def _metrics(path: str) -> None:
    list(metrics.lines(path))


def _manifest(path: str) -> None:
    read_manifest(Path(path).parent)


def _folder_of(path: str) -> None:
    tokenizer_files.of_folder(Path(path).parent)


KINDS = {
    "json lines": ("a.jsonl", [LINES], _documents),
    "json": ("a.json", [json.dumps(ROWS).encode(), json.dumps(ROWS, indent=1).encode()],
             _documents),
    "csv": ("a.csv", [TABLE], _documents),
    "wiki": ("a.xml", [f"<mediawiki>{PAGES}</mediawiki>".encode()], _documents),
    "pubmed": ("a.xml", [f"<PubmedArticleSet>{ARTICLES}</PubmedArticleSet>".encode()], _documents),
    "warc": ("a.wet", [RECORD * 3], _documents),
    "wikiextractor": ("a", [b'<doc id="1" title="T">\nT\n\nText.\n</doc>\n' * 3], _documents),
    "gzip": ("a.txt.gz", [gzip.compress(LINES), gzip.compress(b"a") * 2], _documents),
    "tar": ("a.tar", [_tar()], _documents),
    "zip": ("a.zip", [_zip()], _documents),
    "arrow": ("a.arrow", _arrow, _documents),
    "tables": ("a", [TABLE, LINES], view_table),
    "arrow tables": ("a", _arrow, read_table),
    "questions": ("a.json", [json.dumps(SQUAD).encode()], read_questions),
    "tags": ("a.conll", [b"a O\nb B-X\n\nc O\n", b'{"tokens": ["a"], "tags": ["O"]}\n'],
             read_sentences),
    "tfrecord": ("a.tfrecord", [frame(encode_example(EXAMPLE)) * 2], _records),
    "records as json": ("a.jsonl", [(json.dumps(INSTANCE) + "\n").encode() * 3], _records),
    "config.json": ("config.json", [json.dumps(CONFIG).encode()], _config),
    "tokenizer.json": ("tokenizer.json", [json.dumps(TOKENIZER).encode()], load_vocab),
    "tokenizer_config.json": ("tokenizer_config.json", [b'{"do_lower_case": true}'], _folder_of),
    "vocabulary": ("vocab.txt", ["".join(f"{token}\n" for token in SPECIAL).encode()], load_vocab),
    "metrics": ("metrics.jsonl", [b'{"kind": "train", "step": 1, "loss": 2.5}\n' * 3],
                _metrics),
    "manifest": ("manifest.json", [json.dumps({"command": "extract", "config": {}, "inputs": [],
                 "outputs": {"a": {"bytes": 1}}, "stats": {}}).encode()],
                 _manifest),
    "Cerebras' settings": ("params.yaml", [PARAMS], translate_file),
    "Habana's flags": ("job.sh", [FLAGS], translate_file),
    "Google's settings": ("bert_config.json", [json.dumps(CONFIG).encode()], translate_file),
}  # fmt: skip


@pytest.mark.parametrize("cases", [20, pytest.param(3000, marks=pytest.mark.slow)])
@pytest.mark.parametrize("kind", KINDS)
def test_damage_is_refused_in_one_line_or_harmless(tmp_path, kind, cases):
    name, blobs, work = KINDS[kind]
    path = tmp_path / name

    def read(blob: bytes) -> None:
        path.write_bytes(blob)
        work(str(path))

    whole = blobs() if callable(blobs) else blobs
    for blob in whole:
        read(blob)
    assert {*outcomes(read, whole, cases)} <= {"read", "refused"}
