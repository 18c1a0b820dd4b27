"""What `inspect` says of a model: labels, shape, and tensors that are not BERT's."""

from __future__ import annotations

import json

import pytest
import torch
from safetensors.torch import load_file, save_file

from bertkit.model.checkpoints.hf import save_pretrained
from bertkit.model.config import BertConfig
from bertkit.model.heads import BertForPreTraining
from bertkit.report.views.model import view_model

SHAPE = BertConfig(
    vocab_size=64,
    hidden_size=16,
    num_hidden_layers=1,
    num_attention_heads=2,
    intermediate_size=32,
    max_position_embeddings=32,
)


@pytest.fixture
def folder(tmp_path):
    save_pretrained(BertForPreTraining(SHAPE), tmp_path)
    return tmp_path


def test_labels_in_their_order(folder):
    file = folder / "config.json"
    labels = {str(number): f"label {number}" for number in reversed(range(12))}
    file.write_text(json.dumps(json.loads(file.read_text()) | {"id2label": labels}))
    found, text = view_model(str(folder))
    assert found["labels"] == [f"label {number}" for number in range(12)]
    assert "12: label 0, label 1" in text and "label 9 and 2 more" in " ".join(text.split())


def test_other_tensors_are_named(folder):
    file = folder / "model.safetensors"
    save_file(load_file(file) | {"adapter.weight": torch.zeros(2)}, file)
    found, text = view_model(str(folder))
    assert found["unknown_tensors"] == ["adapter.weight"] and "adapter.weight" in text
    own = sum(value.numel() for value in BertForPreTraining(SHAPE).state_dict().values())
    assert found["parameters"] == own and found["dtypes"] == ["float32"]
