"""The loss over a vocabulary by kernels, against PyTorch's cross entropy in float64."""

from __future__ import annotations

import pytest
import torch
from model.test_chunked_loss import by_pytorch, outcome, problem
from slow_cases import slow
from torch.nn import functional

from bertkit.model import chunked_loss as losses
from bertkit.model.fused.word_loss import Way, chosen_way, loss_sums, word_losses

LOOP = Way(64, 2)
KINDS = [torch.bfloat16, torch.float16]


def asked(logits, labels, factors, device, gradient=True, way=None):
    """(losses, right, logits as they are then) on the CPU."""
    own = logits.to(device, copy=True)
    factors = factors.float().to(device)
    # What was there shows where nothing is written.
    found, right = (torch.full_like(factors, 77.0) for _ in range(2))
    word_losses(own, labels.to(device), factors, found, right, gradient, way)
    return found.cpu(), right.cpu(), own.cpu()


def exact(logits, labels, factors):
    """Losses and the gradient of their weighted sum in float64."""
    wide = logits.double().requires_grad_()
    rows = functional.cross_entropy(wide, labels, reduction="none")
    (rows * factors.double()).sum().backward()
    return rows.detach(), wide.grad


def cut(kind, device):
    """Triton's interpreter cuts bfloat16 off where GPUs round it, which doubles errors."""
    return 2 if kind == torch.bfloat16 and device.type == "cpu" else 1


def check(logits, labels, factors, device, way=None):
    rows, right, gradient = asked(logits, labels, factors, device, way=way)
    wanted, slopes = exact(logits, labels, factors)
    counts = factors != 0
    torch.testing.assert_close(rows.double()[counts], wanted[counts], rtol=2e-6, atol=2e-6)
    assert not rows[~counts].any() and not right[~counts].any() and not gradient[~counts].any()
    best = logits.argmax(-1) == labels
    assert torch.equal(right.bool()[counts], best[counts])
    # Rounded once: at most half of the last bit off, and what float32 has left out.
    near = torch.finfo(logits.dtype).eps / 2 * 1.01 * cut(logits.dtype, device)
    torch.testing.assert_close(gradient.double(), slopes, rtol=near, atol=1e-7)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("way", [None, LOOP], ids=["held", "looped"])
@pytest.mark.parametrize(("rows", "words"), [(1, 64), (5, 65), (7, 1), (3, 1023), (2, 4097)])
def test_rows_of_any_length(device, kind, way, rows, words):
    torch.manual_seed(rows)
    logits = (3 * torch.randn(rows, words)).to(kind)
    labels = torch.randint(0, words, (rows,))
    labels[0] = words - 1
    factors = torch.rand(rows) + 0.5
    factors[1::3] = 0.0
    check(logits, labels, factors, device, way)


@pytest.mark.parametrize("words", [30_528, (1 << 15) + 64, 70_016])
def test_vocabularies(device, words):
    """One that registers hold, one just above that, and one of several languages."""
    torch.manual_seed(words)
    logits, factors = torch.randn(2, words).to(torch.bfloat16), torch.tensor([1.0, 0.25])
    check(logits, torch.tensor([0, words - 1]), factors, device)
    assert (chosen_way(words).block >= words) == (words < 1 << 15)


@pytest.mark.parametrize("way", [None, LOOP], ids=["held", "looped"])
def test_of_several_largest_logits_the_first_counts(device, way):
    logits = torch.zeros(4, 200, dtype=torch.bfloat16)
    logits[:, 70] = logits[:, 71] = logits[:, 150] = 2.0  # in one block of a loop, and another
    labels = torch.tensor([70, 71, 150, 3])
    _, right, _ = asked(logits, labels, torch.ones(4), device, way=way)
    assert right.tolist() == [1, 0, 0, 0]
    assert torch.equal(right.bool(), logits.argmax(-1) == labels)
    check(logits, labels, torch.ones(4), device, way)


@pytest.mark.parametrize("way", [None, LOOP], ids=["held", "looped"])
def test_padding_has_no_probability(device, way):
    """Words that do not exist: see `losses.wide_projection`."""
    lowest = torch.finfo(torch.bfloat16).min
    for shift in (0.0, -60.0, 60.0):
        logits = (torch.randn(3, 192) + shift).to(torch.bfloat16)
        logits[:, 130:] = lowest
        labels = torch.tensor([0, 64, 129])
        check(logits, labels, torch.ones(3), device, way)
        assert not asked(logits, labels, torch.ones(3), device, way=way)[2][:, 130:].any()


@pytest.mark.parametrize("way", [None, LOOP], ids=["held", "looped"])
def test_a_sure_row_keeps_its_gradient_and_a_hopeless_one_its_loss(device, way):
    logits = torch.zeros(2, 128, dtype=torch.bfloat16)
    logits[0, 5], logits[1, 100] = 12.0, 1000.0
    labels = torch.tensor([5, 4])
    check(logits, labels, torch.ones(2), device, way)
    assert float(asked(logits, labels, torch.ones(2), device, way=way)[0][1]) == 1000.0


@pytest.mark.parametrize("way", [None, LOOP], ids=["held", "looped"])
@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_what_is_no_number_stays_in_its_row(device, way, value):
    logits = torch.randn(4, 100, dtype=torch.bfloat16)
    logits[1:3, 70] = value
    logits[3, 70] = float("-inf")
    factors = torch.tensor([1.0, 1.0, 0.0, 1.0])
    rows, right, gradient = asked(logits, torch.tensor([3, 70, 70, 3]), factors, device, way=way)
    assert rows.isnan().tolist() == [False, True, False, False] and right[1] == 0
    assert gradient[1].isnan().all() and not gradient[2].any() and gradient[3, 70] == 0
    assert gradient[0].isfinite().all() and gradient[3].isfinite().all()


@pytest.mark.parametrize("way", [None, LOOP], ids=["held", "looped"])
def test_without_gradients_logits_stay(device, way):
    logits, labels = torch.randn(3, 100).to(torch.bfloat16), torch.tensor([5, 6, 7])
    factors = torch.tensor([1.0, 0.0, 1.0])
    with_them = asked(logits, labels, factors, device, way=way)
    rows, right, after = asked(logits, labels, factors, device, gradient=False, way=way)
    assert torch.equal(rows, with_them[0]) and torch.equal(right, with_them[1])
    assert torch.equal(after, logits) and not torch.equal(with_them[2], logits)


@pytest.mark.parametrize("rows", [0, 1, 1023, 2500])
def test_sums(device, rows):
    torch.manual_seed(rows)
    given, right, factors = torch.rand(rows), torch.rand(rows).round(), torch.rand(rows)
    factors[::4] = 0.0
    found = loss_sums(*(item.to(device) for item in (given, right, factors)))
    counts = (factors > 0).double()
    exact = [(given.double() * factors).sum(), (right * counts).sum(), (given * counts).sum()]
    torch.testing.assert_close(
        [float(item) for item in found], [*map(float, exact), float(counts.sum())],
        rtol=1e-6, atol=0,
    )  # fmt: skip


@pytest.fixture
def fused(monkeypatch, device):
    """`chunked_loss` with the kernels, also where the interpreter runs them."""
    if device.type == "cpu":
        monkeypatch.setattr(losses, "loss_is_fused", lambda *_: True)

    def compute(*given):
        return losses.chunked_loss(*given, fused=True)

    return compute


def on(device, tensors):
    return [item.to(device) for item in tensors]


@pytest.mark.parametrize("logits", [1 << 20, 1], ids=["one chunk", "chunks"])
@pytest.mark.parametrize(("rows", "words"), [(1, 70), *slow((150, 70), (70, 1000))])
def test_the_whole_loss_is_that_of_operators(device, fused, launches, rows, words, logits):
    tensors, labels, factors = problem(rows, torch.bfloat16, words)
    here = on(device, [*tensors, labels, factors])
    ours = outcome(fused, here[:3], *here[3:], logits, factor=-3.0)
    assert launches
    theirs = outcome(losses.chunked_loss, here[:3], *here[3:], logits, factor=-3.0)
    exact = outcome(by_pytorch, tensors, labels, factors, factor=-3.0)
    for found, usual, right in zip(ours, theirs, exact, strict=True):
        assert found.dtype == usual.dtype and found.shape == usual.shape
        far, limit = (float((item.cpu().float() - right.float()).norm()) for item in (found, usual))
        assert far <= (1.5 if device.type == "cpu" else 1.1) * limit + 1e-5 * float(
            right.float().norm()
        )
    again = outcome(fused, here[:3], *here[3:], logits, factor=-3.0)
    assert all(torch.equal(one, other) for one, other in zip(ours, again, strict=True))


def test_no_rows_have_no_loss_and_no_gradient(device, fused):
    tensors, labels, factors = problem(0, torch.bfloat16)
    here = on(device, [*tensors, labels, factors])
    *sums, hidden, weight, bias = outcome(fused, here[:3], *here[3:])
    assert [float(item) for item in sums] == [0.0] * 4
    assert hidden.shape == (0, 12) and not weight.any() and not bias.any()


def test_float64_and_float32_stay_with_operators(device, launches):
    for kind in (torch.float64, torch.float32):
        tensors, labels, factors = problem(3, kind)
        losses.chunked_loss(*on(device, [*tensors, labels, factors]), fused=True)
    assert not launches
