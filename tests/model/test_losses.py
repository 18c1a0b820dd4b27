from __future__ import annotations

import torch
from torch.nn import functional

from bertkit.model.losses import vocabulary_loss, weighted_cross_entropy


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
