"""`bertkit convert` and external checkpoints in the other commands, as a user gives them."""

from __future__ import annotations

import json
import shutil

import numpy as np
import pytest

from bertkit.errors import DataError
from bertkit.model.checkpoints.hf import save_pretrained
from bertkit.model.config import BertConfig
from bertkit.model.heads import BertForPreTraining
from bertkit.train.checkpoints import checkpoint


@pytest.fixture
def tiny_tf1(shared):
    return shared / "data" / "checkpoints" / "keras_bert_tiny_tf1"


@pytest.fixture
def numerics(shared, tmp_path):
    """Google's tiny model with its configuration beside it; the prefix."""
    golden = shared / "goldens" / "numerics"
    place = tmp_path / "google"
    shutil.copytree(golden / "init", place)
    shutil.copy(golden / "bert_config.json", place)
    return place / "model.ckpt-0"


def test_check_prints_every_tensor_and_writes_nothing(bertkit, tiny_tf1, tmp_path):
    run = bertkit("convert", tiny_tf1 / "bert_model.ckpt", "--check")
    assert run.status == 0
    lines = run.out.splitlines()
    assert sum("left out: optimizer slot" in line for line in lines) == 92
    assert lines[-1] == (
        f"tf1 → BertForPreTraining: 46 of 139 tensors taken from {tiny_tf1 / 'bert_model.ckpt'}"
    )
    result = bertkit("convert", tiny_tf1, "--check", "--json").result
    assert len(result["rows"]) == 139
    assert result["command"] == "convert"
    assert list(tmp_path.iterdir()) == []


def test_check_of_half_a_model_shows_the_table_and_fails(bertkit, shared):
    place = shared / "data" / "checkpoints" / "keras_bert_tiny_tf2_pretrainer"
    assert bertkit("convert", place, "--check").status == 0
    run = bertkit("convert", shared / "data" / "checkpoints" / "savedmodel_tf1" / "variables")
    assert run.status == 2
    assert "--output is missing" in run.err
    run = bertkit(
        "convert", shared / "data" / "checkpoints" / "savedmodel_tf1" / "variables", "--check"
    )
    assert run.status == 3
    assert run.out.count("left out: unknown") == 5
    assert "tensors have no place" in run.err


def test_convert_names_the_next_command(bertkit, tiny_tf1, tmp_path):
    run = bertkit("convert", tiny_tf1, "--output", tmp_path / "out", "-v")
    assert run.status == 0
    assert "138" not in run.out
    assert "Next: bertkit download squad-v1.1" in run.err
    run = bertkit("convert", tiny_tf1, "--output", tmp_path / "nv", "--to", "nvidia", "--check")
    assert run.out.count("left out") == 93
    assert (tmp_path / "nv" / "ckpt_20.pt").is_file()


@pytest.mark.parametrize("words", [["absent"], ["."]])
def test_nothing_to_convert(bertkit, tmp_path, monkeypatch, words):
    monkeypatch.chdir(tmp_path)
    run = bertkit("convert", *words, "--check")
    assert run.status == 3
    assert "no checkpoint at" in run.err
    assert "Traceback" not in run.err


def test_eval_of_googles_checkpoint_gives_googles_loss(bertkit, numerics, shared):
    """The same records, weights and loss as TensorFlow's, through the whole command."""
    config = numerics.with_name("bert_config.json")
    config.write_text(config.read_text().replace('"gelu"', '"gelu_new"'))
    golden = np.load(shared / "goldens" / "numerics" / "forward_batch0.npz")
    records = shared / "goldens" / "records" / "google_sample_128.tfrecord"
    run = bertkit(
        "eval",
        "--input",
        records,
        "--checkpoint",
        numerics,
        "--limit",
        8,
        "--json",
        "--precision",
        "fp32",
    )
    assert run.status == 0, run.err
    quality = run.result["checkpoints"][0]
    assert quality["mlm_loss"] == pytest.approx(float(golden["mlm_loss"]), rel=1e-5)
    assert quality["nsp_loss"] == pytest.approx(float(golden["nsp_loss"]), rel=1e-5)


def test_pretraining_starts_from_googles_checkpoint(bertkit, numerics, shared, tmp_path):
    records = shared / "goldens" / "records" / "google_sample_128.tfrecord"
    shape = [
        "hidden_size=16",
        "num_hidden_layers=2",
        "num_attention_heads=2",
        "intermediate_size=32",
        "max_position_embeddings=128",
        "vocab_size=30528",
    ]
    settings = [word for item in shape for word in ("--set", f"model.{item}")]
    run = bertkit(
        "pretrain",
        "--input",
        records,
        "--output",
        tmp_path / "run",
        *settings,
        "--init-checkpoint",
        numerics,
        "--global-batch-size",
        8,
        "--max-steps",
        1,
        "--precision",
        "fp32",
        "--json",
    )
    assert run.status == 0, run.err
    assert run.result["train"]["mlm_loss"] < 11.5
    run = bertkit("convert", tmp_path / "run" / "step-0000001", "--check")
    assert run.status == 0
    assert "46 of 46 tensors taken" in run.out


@pytest.mark.parametrize("padded_config", [True, False])
def test_finetuning_starts_from_nvidias_checkpoint(bertkit, tmp_path, padded_config):
    """Weights padded to 16 rows, 12 tokens; NVIDIA's own configuration says 12."""
    text = "anna wrote a poem in paris"
    tokens = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "who", *text.split()]
    config = BertConfig(
        vocab_size=len(tokens),
        hidden_size=16,
        num_hidden_layers=1,
        num_attention_heads=2,
        intermediate_size=32,
        max_position_embeddings=32,
    )
    save_pretrained(BertForPreTraining(config), tmp_path / "encoder")
    (tmp_path / "encoder" / "vocab.txt").write_text("\n".join(tokens) + "\n")
    made = bertkit("convert", tmp_path / "encoder", "--to", "nvidia", "--output", tmp_path / "nv")
    assert made.status == 0
    if not padded_config:
        config.to_file(tmp_path / "nv" / "bert_config.json")
    answer = {"text": "anna", "answer_start": 0}
    question = {"id": "one", "question": "who wrote", "answers": [answer]}
    paragraphs = [{"context": text, "qas": [question]}]
    file = tmp_path / "q.json"
    file.write_text(json.dumps({"data": [{"title": "A", "paragraphs": paragraphs}]}))
    run = bertkit(
        "finetune-squad",
        "--init-checkpoint",
        tmp_path / "nv" / "ckpt_0.pt",
        "--train-file",
        file,
        "--predict-file",
        file,
        "--output",
        tmp_path / "run",
        "--msl",
        24,
        "--max-query-length",
        8,
        "--doc-stride",
        8,
        "--max-steps",
        2,
        "--gbs",
        2,
        "--backend",
        "cpu",
        "--json",
    )
    assert run.status == 0, run.err
    assert run.result["scores"]
    shape = BertConfig.from_file(tmp_path / "run" / "step-0000002")
    assert shape.vocab_size == 16  # the rows that are there; padding does no harm


def test_checkpoints_of_any_form_are_found_by_name_and_glob(bertkit, tiny_tf1, tmp_path):
    bertkit("convert", tiny_tf1, "--to", "nvidia", "--output", tmp_path)
    file = tmp_path / "ckpt_20.pt"
    shutil.copy(file, tmp_path / "ckpt_30.pt")
    both = [(None, file), (None, tmp_path / "ckpt_30.pt")]
    assert checkpoint.find([str(tmp_path / "ckpt_*.pt")]) == both
    assert checkpoint.find([str(tmp_path)]) == [(None, tmp_path)]
    prefix = tiny_tf1 / "bert_model.ckpt"
    assert checkpoint.find([str(prefix)]) == [(None, prefix)]
    with pytest.raises(DataError, match="no such checkpoint"):
        checkpoint.find([str(tiny_tf1 / "bert_model.ckpt-7")])
