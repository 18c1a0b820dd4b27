from __future__ import annotations

import math

import pytest
import torch
from torch.nn import functional
from torch.utils._python_dispatch import TorchDispatchMode

from bertkit.model.chunked_loss import GRAIN, chunked_loss
from bertkit.model.losses import vocabulary_loss

WORDS, WIDTH = 70, 12
ONE_CHUNK = 1 << 20


def problem(rows, kind=torch.float64, words=WORDS):
    generator = torch.Generator().manual_seed(rows)
    wide = torch.float64 if kind == torch.float64 else torch.float32
    hidden = torch.randn(rows, WIDTH, generator=generator, dtype=wide).to(kind)
    weight = torch.randn(words, WIDTH, generator=generator, dtype=wide)
    bias = torch.randn(words, generator=generator, dtype=wide)
    labels = torch.randint(0, words, (rows,), generator=generator)
    factors = torch.rand(rows, generator=generator)
    factors[::5] = 0.0
    return [hidden, weight, bias], labels, factors


def outcome(compute, tensors, *more, factor=1.0):
    leaves = [item.clone().requires_grad_() for item in tensors]
    loss, correct, plain, cases = compute(*leaves, *more)
    (loss * factor).backward()
    return [loss.detach(), correct, plain, cases, *(item.grad for item in leaves)]


def by_pytorch(hidden, weight, bias, labels, factors):
    """The same sums from logits that are all there."""
    logits = functional.linear(hidden.to(weight.dtype), weight, bias)
    rows = functional.cross_entropy(logits, labels, reduction="none")
    counts = (factors > 0).to(rows.dtype)
    right = (logits.argmax(-1) == labels).to(rows.dtype)
    plain = (rows.detach() * counts).sum()
    return (rows * factors).sum(), (right * counts).sum(), plain, counts.sum()


@pytest.mark.parametrize("rows", [1, GRAIN, GRAIN + 1, 3 * GRAIN - 7])
@pytest.mark.parametrize("logits", [ONE_CHUNK, 1])
@pytest.mark.parametrize("factor", [1.0, -3.0])
def test_chunks_give_what_pytorch_gives_of_all_rows(rows, logits, factor):
    tensors, labels, factors = problem(rows)
    ours = outcome(chunked_loss, tensors, labels, factors, logits, factor=factor)
    theirs = outcome(by_pytorch, tensors, labels, factors, factor=factor)
    torch.testing.assert_close(ours, theirs, rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("logits", [ONE_CHUNK, 1])
def test_half_precision_is_as_close_as_its_rounding(logits):
    tensors, labels, factors = problem(3 * GRAIN, torch.bfloat16)
    ours = outcome(chunked_loss, tensors, labels, factors, logits)
    theirs = outcome(by_pytorch, tensors, labels, factors)
    assert [item.dtype for item in ours] == [item.dtype for item in theirs]
    torch.testing.assert_close(ours[0], theirs[0], rtol=5e-3, atol=0)
    for one, other in zip(ours[4:], theirs[4:], strict=True):
        distance = (one - other).float().norm() / other.float().norm()
        assert 0 < distance < 1e-2


def test_probabilities_that_are_nothing_have_a_finite_loss():
    """A logit 1,000 below the largest: its probability is 0 in any type."""
    hidden, weight, bias = torch.ones(1, 1), torch.zeros(8, 1), torch.zeros(8)
    weight[3], weight[5] = 500.0, -500.0
    labels, factors = torch.tensor([5]), torch.ones(1)
    loss, *_, to_bias = outcome(chunked_loss, [hidden, weight, bias], labels, factors)
    assert float(loss) == 1000.0
    assert to_bias.tolist() == [0, 0, 0, 1, 0, -1, 0, 0]


def test_a_row_that_is_almost_sure_keeps_its_gradient():
    """1 - p = 0.0003 is far below the rounding of p in bfloat16."""
    weight, bias = torch.tensor([[8.0], [0.0]]), torch.zeros(2)
    hidden = torch.ones(1, 1, dtype=torch.bfloat16)
    *_, to_bias = outcome(chunked_loss, [hidden, weight, bias], torch.tensor([0]), torch.ones(1))
    assert float(to_bias[0]) == pytest.approx(-1 / (1 + math.exp(8)), rel=5e-3)


class Largest(TorchDispatchMode):
    """The most elements of any tensor that an operator gives."""

    elements = 0

    def __torch_dispatch__(self, operator, types, arguments=(), words=None):
        result = operator(*arguments, **(words or {}))
        for item in result if isinstance(result, (tuple, list)) else (result,):
            if isinstance(item, torch.Tensor):
                self.elements = max(self.elements, item.numel())
        return result


@pytest.mark.parametrize("gradients", [True, False])
def test_no_more_logits_exist_than_allowed(gradients):
    words, rows = 10 * GRAIN, 8 * GRAIN
    tensors, labels, factors = problem(rows, words=words)
    with Largest() as seen, torch.set_grad_enabled(gradients):
        chunked_loss(*tensors, labels, factors, 2 * GRAIN * words)
    assert seen.elements == 2 * GRAIN * words


def test_no_rows_have_no_loss_and_no_gradient():
    tensors, labels, factors = problem(0)
    loss, correct, plain, cases, *gradients = outcome(chunked_loss, tensors, labels, factors)
    assert float(loss) == float(correct) == float(plain) == float(cases) == 0
    assert [item.shape for item in gradients] == [item.shape for item in tensors]
    assert not any(item.any() for item in gradients)


def test_a_gradient_that_is_not_a_number_spreads_to_all_weights():
    """As the stepper tells all processes of a loss that is not finite."""
    tensors, labels, factors = problem(5)
    *_, hidden, weight, bias = outcome(chunked_loss, tensors, labels, factors, factor=math.nan)
    assert hidden.isnan().all() and weight.isnan().all() and bias.isnan().all()


@pytest.mark.parametrize(
    ("rows", "kind", "kernels", "chunks"),
    [(1 << 19, torch.bfloat16, False, True), (1 << 19, torch.float32, False, True),
     (1 << 10, torch.bfloat16, False, False), (1 << 10, torch.bfloat16, True, True),
     (1 << 19, torch.float16, True, False)],
)  # fmt: skip
def test_gpus_take_chunks_of_many_logits_without_a_loss_scale(
    rows, kind, kernels, chunks, monkeypatch
):
    """Tensors on meta take the way of CUDA. Where kernels are there, few logits do too."""
    monkeypatch.setattr("bertkit.model.losses.loss_is_fused", lambda *_: kernels)
    with torch.device("meta"):
        hidden = torch.empty(rows, WIDTH, dtype=kind, requires_grad=True)
        weight, bias = torch.empty(WORDS, WIDTH, requires_grad=True), torch.empty(WORDS)
        labels, factors = torch.empty(rows, dtype=torch.int64), torch.empty(rows)
    loss = vocabulary_loss(hidden, weight, bias, labels, factors, fused=True).loss
    # `loss` has to stay: in PyTorch 2.11, the step of a Function in Python goes with it.
    found, step = [], loss.grad_fn
    while step is not None:
        found.append(step.name())
        step = step.next_functions[0][0] if step.next_functions else None
    assert ("_ChunkedLossBackward" in found) == chunks
