from __future__ import annotations

import pytest
import torch
from torch.nn import functional

from bertkit.model import cpu_loss
from bertkit.model.cpu_loss import blocked_loss

WORDS = 301


def problem(rows: int, kind: torch.dtype = torch.float32):
    generator = torch.Generator().manual_seed(rows)
    wide = torch.float64 if kind == torch.float64 else torch.float32
    hidden = torch.randn(rows, 16, generator=generator).to(kind).requires_grad_()
    weight = torch.randn(WORDS, 16, generator=generator).to(wide).requires_grad_()
    bias = torch.randn(WORDS, generator=generator).to(wide).requires_grad_()
    labels = torch.randint(0, WORDS, (rows,), generator=generator)
    with torch.no_grad():  # some rows are right
        labels[::3] = functional.linear(hidden.to(wide), weight, bias).argmax(1)[::3]
    factors = torch.rand(rows, generator=generator, dtype=wide)
    factors[1::4] = 0.0
    return hidden, weight, bias, labels, factors


@pytest.fixture(params=[32, 300, 1024])
def words_at_once(request, monkeypatch):
    monkeypatch.setattr(cpu_loss, "WORDS", request.param)


@pytest.mark.usefixtures("words_at_once")
@pytest.mark.parametrize("rows", [0, 1, 5, 64, 65])
@pytest.mark.parametrize("at_once", [1, 16, 64])
def test_blocks_equal_the_plain_computation(rows, at_once):
    hidden, weight, bias, labels, factors = problem(rows, torch.float64)
    loss, correct, plain, count = blocked_loss(hidden, weight, bias, labels, factors, at_once)
    logits = functional.linear(hidden, weight, bias)
    each = functional.cross_entropy(logits, labels, reduction="none")
    expected = (each * factors).sum()
    torch.testing.assert_close(loss, expected)
    torch.testing.assert_close(plain, each[factors > 0].sum())
    assert correct == ((logits.argmax(1) == labels) & (factors > 0)).sum()
    assert count == (factors > 0).sum()
    found = torch.autograd.grad(loss / 3, (hidden, weight, bias))
    wanted = torch.autograd.grad(expected / 3, (hidden, weight, bias))
    torch.testing.assert_close(found, wanted)


def test_logits_far_from_zero_do_not_overflow():
    hidden, weight, bias, labels, factors = problem(8)
    shifted = (bias.detach() + 500.0).requires_grad_()
    ours = blocked_loss(hidden, weight, shifted, labels, factors)[0]
    expected = blocked_loss(hidden, weight, bias, labels, factors)[0]
    torch.testing.assert_close(ours, expected, rtol=1e-4, atol=1e-4)
    assert all(torch.isfinite(part).all() for part in torch.autograd.grad(ours, (hidden, weight)))


@pytest.mark.usefixtures("words_at_once")
def test_the_first_of_equal_logits_counts_as_the_answer():
    hidden, weight, bias = torch.zeros(4, 8), torch.zeros(WORDS, 8), torch.zeros(WORDS)
    labels = torch.tensor([0, 1, 40, 300])
    assert blocked_loss(hidden, weight, bias, labels, torch.ones(4))[1] == 1
    bias[[40, 299, 300]] = 2.0
    assert blocked_loss(hidden, weight, bias, labels, torch.ones(4))[1] == 1


def test_bfloat16_gradients_are_close():
    parts = problem(64, torch.bfloat16)
    hidden, weight, bias, labels, factors = parts
    wide = hidden.detach().float().requires_grad_()
    halved = weight.detach().bfloat16().float().requires_grad_()
    ours = blocked_loss(*parts)[0]
    theirs = blocked_loss(wide, halved, bias, labels, factors)[0]
    torch.testing.assert_close(ours, theirs, rtol=1e-2, atol=0)
    found = torch.autograd.grad(ours, (hidden, weight))
    wanted = torch.autograd.grad(theirs, (wide, halved))
    for one, other in zip(found, wanted, strict=True):
        assert float((one.float() - other).norm() / other.norm()) < 2e-2
