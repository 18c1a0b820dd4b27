"""The loss over words in bf16 beside PyTorch's in float32, over the same bf16 numbers."""

from __future__ import annotations

import pytest
import torch
from torch.nn import functional

from bertkit.model.cpu_half.loss import words_loss

WORDS = 1301


def problem(rows: int):
    generator = torch.Generator().manual_seed(rows)
    hidden = torch.randn(rows, 32, generator=generator).bfloat16().requires_grad_()
    weight = (torch.randn(WORDS, 32, generator=generator) / 8).requires_grad_()
    bias = torch.randn(WORDS, generator=generator).requires_grad_()
    labels = torch.randint(0, WORDS, (rows,), generator=generator)
    with torch.no_grad():  # some rows are right
        labels[::3] = functional.linear(hidden.float(), weight, bias).argmax(1)[::3]
    factors = torch.rand(rows, generator=generator)
    factors[1::4] = 0.0
    return hidden, weight, bias, labels, factors


@pytest.mark.parametrize("rows", [0, 1, 5, 64, 70])
@pytest.mark.parametrize("at_once", [16, 33, 512])
def test_it_equals_the_plain_computation(rows, at_once):
    hidden, weight, bias, labels, factors = problem(rows)
    loss, correct, plain, count = words_loss(hidden, weight, bias, labels, factors, at_once)
    logits = functional.linear(hidden.float(), weight.bfloat16().float(), bias)
    each = functional.cross_entropy(logits, labels, reduction="none")
    torch.testing.assert_close(loss, (each * factors).sum(), rtol=2e-3, atol=1e-3)
    torch.testing.assert_close(plain, each[factors > 0].sum(), rtol=2e-3, atol=1e-3)
    right = (logits.argmax(1) == labels) & (factors > 0)
    assert abs(float(correct) - float(right.sum())) <= 1  # two words may round to one number
    assert count == (factors > 0).sum()
    found = torch.autograd.grad(loss / 3, (hidden, weight, bias))
    wanted = torch.autograd.grad((each * factors).sum() / 3, (hidden, weight, bias))
    for one, other in zip(found, wanted, strict=True):
        error = (one.float() - other.float()).norm() / other.float().norm().clamp(min=1e-9)
        assert one.dtype == other.dtype and error < 0.01


def test_logits_far_from_zero_do_not_overflow():
    hidden, weight, bias, labels, factors = problem(8)
    ours = words_loss(hidden, weight, (bias.detach() + 500.0).requires_grad_(), labels, factors)[0]
    expected = words_loss(hidden, weight, bias, labels, factors)[0]
    torch.testing.assert_close(ours, expected, rtol=1e-3, atol=1e-3)
    assert all(torch.isfinite(part).all() for part in torch.autograd.grad(ours, (hidden, weight)))


@pytest.mark.parametrize(("label", "right"), [(700, 1), (900, 0), (3, 0)])
def test_the_first_of_equal_logits_counts_as_the_answer(label, right):
    hidden = torch.zeros(1, 32, dtype=torch.bfloat16)
    bias = torch.zeros(WORDS)
    bias[700] = bias[900] = 2.0
    found = words_loss(hidden, torch.zeros(WORDS, 32), bias, torch.tensor([label]), torch.ones(1))
    assert found[1] == right


def test_labels_that_do_not_count_may_be_negative():
    hidden, weight, bias, labels, factors = problem(12)
    changed = torch.where(factors > 0, labels, -100)
    one, other = (words_loss(hidden, weight, bias, item, factors) for item in (labels, changed))
    assert all(torch.equal(*pair) for pair in zip(one, other, strict=True))


def test_what_is_no_number_makes_the_loss_none():
    hidden, weight, bias, labels, factors = problem(12)
    with torch.no_grad():
        hidden[5] = float("nan")
        factors[5] = 1.0
    assert words_loss(hidden, weight, bias, labels, factors)[0].isnan()
