"""The encoder in bf16 beside itself in float32."""

from __future__ import annotations

import contextlib
import copy

import pytest
import torch

from bertkit.backends.torch.working_weights import WorkingWeights
from bertkit.model.attention import PaddedLayout
from bertkit.model.bert import BertModel


def run(model, tokens, places, how):
    """Rows and the gradients of all weights: in float32, by autocast or with copies."""
    model.zero_grad()
    copies = WorkingWeights(model, norms=False).applied() if how == "copies" else None
    cast = torch.autocast("cpu", torch.bfloat16) if how == "autocast" else None
    with copies or contextlib.nullcontext():
        with cast or contextlib.nullcontext():
            parts = model.at(tokens, places)
        # What follows the encoder multiplies bf16 rows in any case.
        given = [part.bfloat16().float() ** 2 * (number + 1) for number, part in enumerate(parts)]
        sum(each.sum() for each in given).backward()
    grads = {name: value.grad.clone() for name, value in model.named_parameters()}
    return torch.cat(parts), grads


def distance(one, other):
    """Of all gradients together, relative."""
    part = sum(float((one[name] - other[name]).square().sum()) for name in other)
    return (part / sum(float(value.square().sum()) for value in other.values())) ** 0.5


@pytest.mark.parametrize("layout", ["padded", "unpadded"])
@pytest.mark.parametrize("act", ["gelu", "gelu_new", "relu"])
def test_it_stays_as_near_to_float32_as_autocast(small, sentences, layout, act):
    small.hidden_act = act
    model = BertModel(small, pooler=False)
    tokens = getattr(sentences, layout)()
    places = [getattr(sentences, f"{layout}_rows"), tokens.cls_rows]
    rows, exact = run(model, tokens, places, "float32")
    cast_rows, cast = run(model, tokens, places, "autocast")
    found, own = run(model, tokens, places, "copies")
    assert found.dtype == torch.bfloat16
    assert (found - rows).norm() <= 1.2 * (cast_rows.bfloat16() - rows).norm()
    assert distance(own, exact) <= 1.2 * distance(cast, exact)


def test_layouts_agree(small, sentences):
    """Masked rows go through PyTorch's attention, the others through the kernels."""
    model = BertModel(small, pooler=False).eval()
    padded, unpadded = sentences.padded(), sentences.unpadded()
    with torch.no_grad(), WorkingWeights(model, norms=False).applied():
        one = model(padded)[sentences.mask.reshape(-1)]
        other = model(unpadded)
    assert isinstance(padded.layout, PaddedLayout) and padded.layout.mask is not None
    torch.testing.assert_close(one.float(), other.float(), rtol=0.05, atol=0.05)


def test_recomputed_activations_change_no_bit(small, sentences):
    small.num_hidden_layers = 3
    small.hidden_dropout_prob = small.attention_probs_dropout_prob = 0.3
    model = BertModel(small, pooler=False)
    again = copy.deepcopy(model)
    again.encoder.recompute = True
    tokens, results = sentences.unpadded(), []
    for each in (model, again):
        torch.manual_seed(2)
        results.append(run(each, tokens, [sentences.unpadded_rows], "copies"))
    assert torch.equal(results[0][0], results[1][0])
    assert all(torch.equal(results[0][1][name], value) for name, value in results[1][1].items())
