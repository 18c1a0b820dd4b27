"""What a trial of the kernels finds: nothing where they are right, and every kind of fault."""

from __future__ import annotations

from dataclasses import replace
from functools import partial

import pytest
import torch
from slow_cases import slow

from bertkit.model.attention import UnpaddedLayout
from bertkit.model.bert import EncoderLayer, initialise
from bertkit.model.config import BertConfig
from bertkit.model.fused import layer as fused_layers
from bertkit.model.fused.checks import layer_check
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

    def ask(lengths=(2, 0, 5), fp8=False, **changed) -> str | None:
        shape = replace(SHAPE, **changed)
        torch.manual_seed(0)
        layer = EncoderLayer(shape)
        initialise(layer, shape)
        layer.fp8 = fp8
        layout = UnpaddedLayout(lengths).to(device)
        rows = torch.randn(layout.rows, shape.hidden_size).to(device, half)
        return layer_check.what_is_wrong(layer.to(device, half), rows, layout)

    return ask


@pytest.mark.parametrize(
    "changed",
    [
        {},
        *(
            pytest.param(changed, marks=pytest.mark.slow)
            for changed in (
                {"hidden_dropout_prob": 0.0, "attention_probs_dropout_prob": 0.5},
                {"hidden_dropout_prob": 0.5, "attention_probs_dropout_prob": 0.0},
                {"hidden_dropout_prob": 0.0, "attention_probs_dropout_prob": 0.0},
                {"num_attention_heads": 1, "hidden_act": "gelu_new", "layer_norm_eps": 1e-5},
                {"lengths": (2, 1, 1)},
                {"fp8": True, "lengths": (20, 0, 5)},
                {"fp8": True, "hidden_size": 64, "intermediate_size": 256},
            )
        ),
    ],
)
def test_right_kernels_pass(found, changed):
    assert found(**changed) is None


def test_the_layer_stays_as_it_was():
    layer = EncoderLayer(SHAPE)
    before = {name: weight.clone() for name, weight in layer.state_dict().items()}
    other = layer_check.with_weights_that_matter(layer).state_dict()
    assert all(torch.equal(before[name], weight) for name, weight in layer.state_dict().items())
    assert not any(torch.equal(before[name], weight) for name, weight in other.items())
    assert float(other["attention.self.query.weight"].std()) == pytest.approx(32**-0.5, rel=0.1)


def broken(monkeypatch, name, change):
    """Let a call of the layer go through `change(call, *arguments)`."""
    call = getattr(fused_layers, name)
    monkeypatch.setattr(
        fused_layers, name, lambda *given, **named: change(partial(call, **named), *given)
    )


@pytest.mark.parametrize("factor", [1.2, *slow(float("nan"))])
@pytest.mark.parametrize("part", [slice(32, 64), *slow(slice(0, 32), slice(64, 96))])
def test_a_gradient_of_one_part_that_is_off_is_named(found, monkeypatch, part, factor):
    """Also of queries and keys, whose gradients are small beside others in a new layer."""

    def off(call, *given):
        gradient = call(*given)
        gradient[:, part] *= factor
        return gradient

    broken(monkeypatch, "attention_backward", off)
    said = found()
    assert said.startswith("the gradient of ") and "off, relative to its size" in said


@pytest.mark.parametrize("place", [1, 3, 4])
def test_a_bias_or_weight_of_a_norm_that_is_not_read_is_found(found, monkeypatch, place):
    def unread(call, *given):
        plain = torch.ones_like if place == 3 else torch.zeros_like
        return call(*given[:place], plain(given[place]), *given[place + 1 :])

    broken(monkeypatch, "add_and_norm_forward", unread)
    assert "the result is" in found()


SLOW_RATE = pytest.param("rate", marks=pytest.mark.slow)


@pytest.mark.parametrize("kernel", ["attention_forward", "attention_backward"])
@pytest.mark.parametrize("changed", ["seed", SLOW_RATE])
def test_another_dropout_of_attention_is_found(found, monkeypatch, kernel, changed):
    def other(call, *given):
        *before, right = given
        if changed == "seed":
            return call(*before, replace(right, seed=right.seed + 1))
        return call(*before, replace(right, rate=2 * right.rate))

    broken(monkeypatch, kernel, other)
    assert "with dropout is" in found(hidden_dropout_prob=0.0)


@pytest.mark.parametrize("kernel", ["add_and_norm_forward", "add_and_norm_backward"])
@pytest.mark.parametrize(
    "changed", ["seed", SLOW_RATE, pytest.param("none", marks=pytest.mark.slow)]
)
def test_another_dropout_of_rows_is_found(found, monkeypatch, kernel, changed):
    def other(call, *given):
        *before, right = given
        rate = {"seed": right.rate, "rate": 2 * right.rate, "none": 0.0}[changed]
        return call(*before, Dropout(rate, right.seed + (changed == "seed")))

    broken(monkeypatch, kernel, other)
    assert "with dropout is" in found(attention_probs_dropout_prob=0.0)


def test_what_is_another_number_each_time_is_found(found, monkeypatch):
    calls = []

    def racing(call, *given):
        calls.append(1)
        return call(*given) * (1 + 0.004 * (len(calls) % 2))

    broken(monkeypatch, "column_sums", racing)
    assert found() == "the gradient of attention's biases is another one when it is computed again"


def test_a_device_that_computes_nothing_is_no_reference(found, monkeypatch):
    monkeypatch.setattr(layer_check, "_results", lambda *given: {"the result": torch.zeros(3)})
    assert found() == "the result is 0 by PyTorch's operators themselves"


def in_8_bits(fault):
    """What writes rows in 8 bits, beside what else it gives."""

    def change(call, *given):
        found = call(*given)
        eight = found[-1] if isinstance(found, tuple) else found
        (eight.scales if fault == "scales" else eight.values.view(torch.uint8)).copy_(
            eight.scales * 1.5 if fault == "scales" else eight.values.view(torch.uint8).flip(0)
        )
        return found

    return change


@pytest.mark.slow
@pytest.mark.parametrize("fault", ["scales", "rows"])
@pytest.mark.parametrize(
    "kernel",
    ["to_fp8", "transposed_to_fp8", "activation_forward_fp8", "activation_backward_fp8"],
)
def test_rows_in_8_bits_that_are_others_are_found(found, monkeypatch, kernel, fault):
    broken(monkeypatch, kernel, in_8_bits(fault))
    assert "off, relative to its size" in found(fp8=True)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("kernel", "left_out"),
    [
        ("add_and_norm_forward", "fp8"),
        ("add_and_norm_backward", "fp8"),
        ("add_and_norm_backward", "added"),
    ],
)
def test_what_norms_do_for_8_bits_is_needed(found, monkeypatch, kernel, left_out):
    call = getattr(fused_layers, kernel)

    def other(*given, **named):
        if left_out == "added" and named.get("added") is not None:
            return call(*given, **(named | {"added": torch.zeros_like(named["added"])}))
        result = call(*given, **named)
        if left_out == "fp8" and named.get("fp8"):
            named["fp8"].scales.fill_(1.0)
        return result

    monkeypatch.setattr(fused_layers, kernel, other)
    assert "off, relative to its size" in found(fp8=True)
