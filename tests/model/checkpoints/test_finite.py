"""Tensors with NaN or infinity are found and named, before a model is used or written."""

from __future__ import annotations

import math

import pytest
import torch
from safetensors.torch import load_file, save_file

from bertkit.errors import DataError
from bertkit.model.bert import BertModel
from bertkit.model.checkpoints.finite import is_finite, not_finite, require_finite
from bertkit.model.checkpoints.hf import save_pretrained
from bertkit.model.config import BertConfig

SHAPE = BertConfig(
    vocab_size=20, hidden_size=8, num_hidden_layers=1, num_attention_heads=2,
    intermediate_size=16, max_position_embeddings=16,
)  # fmt: skip


@pytest.mark.parametrize("kind", [torch.float32, torch.float16, torch.bfloat16])
@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_one_element_is_enough(kind, value):
    tensor = torch.zeros(1000, dtype=kind)
    assert is_finite(tensor)
    tensor[997] = value
    assert not is_finite(tensor)


def test_infinities_of_both_signs_do_not_cancel():
    assert not is_finite(torch.tensor([math.inf, -math.inf, 1.0]))


def test_large_values_whose_sum_overflows_are_finite():
    assert is_finite(torch.full((4,), 3e38))
    assert is_finite(torch.full((100,), 6e4, dtype=torch.float16))
    assert is_finite(torch.empty(0)) and is_finite(torch.tensor([1, 2]))


def test_the_state_of_an_optimizer_is_looked_through():
    state = {
        "optimizer": {"a": {"step": torch.tensor(3.0), "exp_avg": torch.tensor([math.nan])}},
        "scaler": {"scale": math.inf, "growth_interval": 2000},
        "random": [1, 2],
    }
    assert not_finite(state) == ["optimizer.a.exp_avg", "scaler.scale"]


def test_the_message_says_which_and_how_many():
    weights = {f"layer.{n}": torch.full((2,), math.nan if n < 5 else 0.0) for n in range(6)}
    with pytest.raises(DataError) as caught:
        require_finite(weights, "runs/x")
    assert str(caught.value) == (
        "runs/x: the model is broken: 5 of 6 tensors are not finite (NaN or infinity):"
        " layer.0, layer.1, layer.2 and 2 more"
    )


@pytest.fixture
def broken(tmp_path):
    """A model of which one tensor has a NaN."""
    place = tmp_path / "broken"
    save_pretrained(BertModel(SHAPE), place)
    tensors = load_file(place / "model.safetensors")
    tensors["encoder.layer.0.output.LayerNorm.weight"][3] = math.nan
    save_file(tensors, place / "model.safetensors", metadata={"format": "pt"})
    return place


@pytest.mark.parametrize("way", ["--check", "--output"])
def test_convert_refuses_it(bertkit, broken, tmp_path, way):
    output = tmp_path / "out"
    done = bertkit("convert", broken, way, *([output] if way == "--output" else []))
    assert done.status == 3
    assert "1 of 23 tensors are not finite" in done.err
    assert "bert.encoder.layer.0.output.LayerNorm.weight" in done.err
    assert not output.exists()
