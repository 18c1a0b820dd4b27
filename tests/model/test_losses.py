from __future__ import annotations

import pytest
import torch
from torch.nn import functional

from bertkit.model.losses import vocabulary_loss, weighted_cross_entropy, wide_projection


def problem(rows: int, kind: torch.dtype = torch.float32):
    hidden = torch.randn(rows, 16, dtype=kind, requires_grad=True)
    weight = torch.randn(301, 16, requires_grad=True)
    bias = torch.randn(301, requires_grad=True)
    labels = torch.randint(0, 301, (rows,))
    labels[::4] = -100
    return hidden, weight, bias, labels


def test_accelerator_form_agrees():
    hidden, weight, bias, labels = problem(40)
    ours, theirs = (
        vocabulary_loss(hidden, weight, bias, labels),
        weighted_cross_entropy(functional.linear(hidden, weight, bias), labels),
    )
    torch.testing.assert_close(ours, theirs, rtol=1e-6, atol=1e-6)


def test_bfloat16_is_close_and_keeps_types():
    hidden, weight, bias, labels = problem(64, torch.bfloat16)
    loss, *_ = vocabulary_loss(hidden, weight, bias, labels)
    expected, *_ = vocabulary_loss(hidden.detach().float(), weight, bias, labels)
    assert loss.dtype == torch.float32
    torch.testing.assert_close(loss, expected, rtol=1e-2, atol=0)
    loss.backward()
    assert (hidden.grad.dtype, weight.grad.dtype) == (torch.bfloat16, torch.float32)


def test_no_gradient_is_computed_where_none_is_wanted():
    hidden, weight, bias, labels = problem(8)
    with torch.no_grad():
        loss, *_ = vocabulary_loss(hidden, weight, bias, labels)
    assert not loss.requires_grad


@pytest.mark.parametrize("words", [64, 70])
@pytest.mark.parametrize("kind", [torch.float32, torch.bfloat16])
def test_a_padded_vocabulary_changes_no_number(words, kind):
    generator = torch.Generator().manual_seed(1)
    hidden = torch.randn(6, 8, generator=generator).to(kind)
    weight, bias = torch.randn(words, 8, generator=generator), torch.randn(words)
    labels = torch.tensor([0, 3, words - 1, 5, 7, 1])
    weights = torch.tensor([0.5, 0.5, 1.0, 0.0, 0.25, 0.5])

    def outcome(project):
        leaves = [item.clone().requires_grad_() for item in (hidden, weight, bias)]
        sums = weighted_cross_entropy(project(*leaves), labels, weights)
        sums.loss.backward()
        return [*sums, *(item.grad for item in leaves)]

    wide = wide_projection(hidden, weight, bias)
    assert wide.shape == (6, 128 if words > 64 else 64) and wide.dtype == kind
    assert not torch.softmax(wide.float(), -1)[:, words:].any()
    plain = outcome(lambda h, w, b: torch.nn.functional.linear(h, w.to(kind), b.to(kind)))
    exact = {"rtol": 1e-6, "atol": 1e-6} if kind == torch.float32 else {"rtol": 0.02, "atol": 0.02}
    for one, other in zip(outcome(wide_projection), plain, strict=True):
        assert one.dtype == other.dtype
        torch.testing.assert_close(one, other, **exact)
