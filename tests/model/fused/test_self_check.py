"""What a trial of the kernels finds: nothing where they are right, and every kind of fault."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from bertkit.model.attention import UnpaddedLayout
from bertkit.model.bert import EncoderLayer, initialise
from bertkit.model.config import BertConfig
from bertkit.model.fused import layer as fused_layers
from bertkit.model.fused import self_check
from bertkit.model.fused.attention import Ragged
from bertkit.model.fused.random_bits import draw_seeds
from bertkit.model.fused.rows import Dropout

SHAPE = BertConfig(
    vocab_size=8, hidden_size=32, num_hidden_layers=1, num_attention_heads=2, intermediate_size=64
)


@pytest.fixture
def half(device) -> torch.dtype:
    """That the interpreter can multiply."""
    return torch.bfloat16 if device.type == "cuda" else torch.float16


@pytest.fixture
def found(device, half):
    """What is said of a small layer."""
    torch.manual_seed(0)
    layer = EncoderLayer(SHAPE)
    initialise(layer, SHAPE)
    layout = UnpaddedLayout([4, 0, 9]).to(device)
    rows = torch.randn(layout.rows, SHAPE.hidden_size).to(device, half)
    return lambda: self_check.what_is_wrong(layer.to(device, half), rows, layout)


@pytest.fixture
def ragged(device):
    def make(rate: float = 0.1) -> Ragged:
        torch.manual_seed(0)
        starts = torch.tensor([0, 12, 12, 30], dtype=torch.int32, device=device)
        return Ragged(starts, 18, 2, rate, draw_seeds(1, device)[0])

    return make


@pytest.fixture
def rows(device, half):
    return torch.randn(30, 32, device=device, dtype=half)


def test_right_kernels_pass_and_leave_the_layer_as_it_was(found):
    assert found() is None


@pytest.mark.parametrize("factor", [1.1, float("nan")])
def test_a_gradient_that_is_off_is_named(found, monkeypatch, factor):
    backward = fused_layers.attention_backward
    monkeypatch.setattr(
        fused_layers, "attention_backward", lambda *given: backward(*given) * factor
    )
    said = found()
    assert said.startswith("the gradient of ") and "off, relative to its size" in said


def test_a_device_that_computes_nothing_is_no_reference(found, monkeypatch):
    def nothing(layer, rows, *_, fused):
        return {"the result": torch.zeros(3)}

    monkeypatch.setattr(self_check, "_results", nothing)
    assert found() == "the result is 0 by PyTorch's operators themselves"


def test_one_mask_in_all_passes_is_right(rows, ragged, device):
    drop = Dropout(0.1, draw_seeds(1, device)[0])
    assert self_check._attention_masks(rows, ragged()) is None
    assert self_check._row_masks(rows.new_ones(32), rows, drop) is None


@pytest.mark.parametrize("part", ["values", "queries"])
def test_another_mask_in_the_backward_pass_is_found(rows, ragged, monkeypatch, part):
    backward = self_check.attention_backward

    def half_wrong(projected, out, lse, given, right):
        gradient = backward(projected, out, lse, given, right)
        other = backward(projected, out, lse, given, replace(right, seed=right.seed + 1))
        columns = slice(0, 32) if part == "queries" else slice(32, 96)
        gradient[:, columns] = other[:, columns]
        return gradient

    monkeypatch.setattr(self_check, "attention_backward", half_wrong)
    assert f"off between its passes ({part})" in self_check._attention_masks(rows, ragged(0.3))


@pytest.mark.parametrize("changed", [{"seed": 1}, {"rate": 0.3}])
def test_rows_that_are_dropped_otherwise_are_found(rows, device, monkeypatch, changed):
    backward, forward = self_check.add_and_norm_backward, self_check.add_and_norm_forward
    drop = Dropout(0.1, draw_seeds(1, device)[0])
    other = replace(drop, seed=drop.seed + 1) if "seed" in changed else replace(drop, **changed)
    monkeypatch.setattr(
        self_check, "add_and_norm_backward", lambda *given: backward(*given[:3], other)
    )
    if "rate" in changed:  # the same in both passes, but not what was asked for
        monkeypatch.setattr(
            self_check, "add_and_norm_forward", lambda *given: forward(*given[:6], other)
        )
    assert "dropout before a norm drops" in self_check._row_masks(rows.new_ones(32), rows, drop)
