"""Each step beside the same formula in float32, over the same bf16 numbers."""

from __future__ import annotations

import pytest
import torch
from torch.nn import functional

from bertkit.model.bert import activation
from bertkit.model.cpu_half import attention, blocks, loss
from bertkit.model.cpu_half.blocks import activated, added_and_normed
from bertkit.model.cpu_half.rows import turned

# Of results of bf16 products that are rounded once more: two steps of the last place.
CLOSE = {"rtol": 2**-6, "atol": 2**-6}


def drawn(*shape: int, scale: float = 1.0) -> torch.Tensor:
    return (torch.randn(shape) * scale).bfloat16()


def wide(tensors):
    return [value.detach().float().requires_grad_() for value in tensors]


def compare(found, inputs, expected, twins, gradients, most=0.01):
    found, expected = (
        value if isinstance(value, tuple) else (value,) for value in (found, expected)
    )
    for one, other in zip(found, expected, strict=True):
        torch.testing.assert_close(one.float(), other, **CLOSE)
    torch.autograd.backward(
        found, [given.to(one.dtype) for given, one in zip(gradients, found, strict=True)]
    )
    torch.autograd.backward(expected, gradients)
    for one, other in zip(inputs, twins, strict=True):
        error = (one.grad.float() - other.grad).norm() / other.grad.norm()
        assert error < most, error
        assert one.grad.dtype == one.dtype


@pytest.mark.parametrize("kind", ["gelu", "gelu_new", "relu"])
@pytest.mark.parametrize(("rows", "width"), [(1, 40), (32, 64), (70, 96), (129, 33)])
def test_activated_projections(kind, rows, width):
    inputs = [drawn(rows, 24), drawn(width, 24, scale=0.2), drawn(width)]
    inputs = [value.requires_grad_() for value in inputs]
    twins = wide(inputs)
    expected = activation(functional.linear(*twins), kind)
    # Where ReLU bends, rounding decides what passes.
    most = 0.06 if kind == "relu" else 0.01
    found = activated(*inputs, kind)
    compare(found, inputs, expected, twins, [drawn(rows, width).float()], most)


@pytest.mark.parametrize(("rows", "width"), [(1, 40), (32, 64), (70, 96), (129, 33)])
def test_added_and_normed_projections(rows, width):
    inputs = [drawn(rows, 24), drawn(width, 24, scale=0.2), drawn(width)]
    inputs += [torch.randn(rows, width), torch.rand(width) + 0.5, torch.randn(width)]
    inputs = [value.requires_grad_() for value in inputs]
    twins = wide(inputs)
    half, full = added_and_normed(*inputs, 1e-12, 0.0)
    assert (half.dtype, full.dtype) == (torch.bfloat16, torch.float32)
    projected = functional.linear(*twins[:3])
    normed = functional.layer_norm(projected + twins[3], (width,), *twins[4:], 1e-12)
    gradients = [drawn(rows, width).float(), torch.randn(rows, width)]
    compare((half, full), inputs, (normed, normed), twins, gradients)


@pytest.mark.parametrize("wanted", [0, 1])
def test_either_form_of_the_rows_may_be_all_that_is_read(wanted):
    inputs = [drawn(9, 16), drawn(32, 16, scale=0.2), drawn(32), torch.randn(9, 32)]
    inputs = [value.requires_grad_() for value in (*inputs, torch.ones(32), torch.zeros(32))]
    twins = wide(inputs)
    normed = functional.layer_norm(functional.linear(*twins[:3]) + twins[3], (32,), *twins[4:])
    gradient = [drawn(9, 32).float()]
    compare(added_and_normed(*inputs, 1e-5, 0.0)[wanted], inputs, normed, twins, gradient)


def dropped(rows: int, width: int, rate: float, seed: int):
    """(what was dropped on the way forward, and on the way back, of a projection of ones)."""
    torch.manual_seed(seed)
    ones = torch.ones(rows, 1, dtype=torch.bfloat16, requires_grad=True)
    weight = torch.ones(width, 1, dtype=torch.bfloat16, requires_grad=True)
    bias = torch.zeros(width, dtype=torch.bfloat16, requires_grad=True)
    other = torch.randn(rows, width, requires_grad=True)
    half, _ = added_and_normed(
        ones, weight, bias, other, torch.ones(width), bias.float(), 0.1, rate
    )
    summed = half.grad_fn.saved_tensors[3] - other
    half.sum().backward(retain_graph=True)
    return summed, half, ones


def test_dropout_drops_its_share_and_keeps_the_mean():
    summed, _, _ = dropped(400, 512, 0.1, 1)
    kept = summed > 0.5
    threshold = round(0.1 * 65536)
    assert abs(float((~kept).float().mean()) - threshold / 65536) < 5 * (0.09 / kept.numel()) ** 0.5
    torch.testing.assert_close(
        summed[kept], torch.full_like(summed[kept], 65536 / (65536 - threshold))
    )
    assert not torch.equal(kept[:200], kept[200:])


def test_the_seed_decides_what_is_dropped():
    one, again, other = (dropped(40, 64, 0.3, seed)[0] > 0.5 for seed in (1, 1, 2))
    assert torch.equal(one, again) and not torch.equal(one, other)


def test_gradients_pass_where_the_forward_pass_did():
    torch.manual_seed(3)
    # Without a bias nothing but dropout makes a zero.
    none = torch.zeros(64, dtype=torch.bfloat16)
    inputs = [drawn(50, 24), drawn(64, 24, scale=0.2), none, torch.randn(50, 64)]
    inputs = [value.requires_grad_() for value in (*inputs, torch.rand(64) + 0.5, torch.randn(64))]
    twins = wide(inputs)
    half, full = added_and_normed(*inputs, 1e-12, 0.3)
    projected = functional.linear(*twins[:3])
    kept = (half.grad_fn.saved_tensors[3] - inputs[3]).detach().abs() > 1e-6
    assert 0.6 < kept.float().mean() < 0.8
    scaled = projected * kept * (65536 / (65536 - round(0.3 * 65536)))
    normed = functional.layer_norm(scaled + twins[3], (64,), *twins[4:], 1e-12)
    gradients = [drawn(50, 64).float(), torch.randn(50, 64)]
    compare((half, full), inputs, (normed, normed), twins, gradients)


def test_threads_change_no_bit():
    def all_of(threads):
        torch.set_num_threads(threads)
        torch.manual_seed(5)
        inputs = [drawn(300, 64), drawn(64, 64, scale=0.2), drawn(64), torch.randn(300, 64)]
        inputs = [value.requires_grad_() for value in (*inputs, torch.ones(64), torch.zeros(64))]
        half, full = added_and_normed(*inputs, 1e-12, 0.1)
        result = activated(half, inputs[1], inputs[2], "gelu")
        (result.float().square().sum() + full.sum()).backward()
        return [half, full, result, *(value.grad for value in inputs)]

    before = torch.get_num_threads()
    try:
        one, three = all_of(1), all_of(3)
    finally:
        torch.set_num_threads(before)
    assert all(torch.equal(left, right) for left, right in zip(one, three, strict=True))


@pytest.mark.parametrize("place", [0, 3])
def test_what_is_no_number_stays_none(place):
    inputs = [drawn(40, 24), drawn(32, 24), drawn(32), torch.randn(40, 32)]
    inputs[place][7, 3] = float("nan")
    half, full = added_and_normed(*inputs, torch.ones(32), torch.zeros(32), 1e-12, 0.0)
    assert half[7].isnan().all() and full[7].isnan().all() and not half[8].isnan().any()


@pytest.mark.parametrize("count", [1, 31, 32, 33, 95])
def test_there_are_zeros_behind_transposed_rows(monkeypatch, count):
    """What is there is multiplied: memory that held NaN made gradients NaN on AMX."""
    made = []

    def of_nan(rows, columns):
        made.append(turned(rows, columns).fill_(float("nan")))
        return made[-1]

    for module in (attention, blocks, loss):
        monkeypatch.setattr(module, "turned", of_nan)
    rows, weight, bias = drawn(count, 64), drawn(64, 64), drawn(64)
    rows.requires_grad_()
    wanted = torch.zeros(count, dtype=torch.long)
    half, full = added_and_normed(
        activated(rows, weight, bias, "gelu"), weight, bias,
        torch.randn(count, 64), torch.ones(64), torch.zeros(64), 1e-12, 0.1,
    )  # fmt: skip
    projected = attention.projected_attention(
        half, drawn(192, 64), drawn(192), 2, ((1, count),), 0.0
    )
    words = loss.words_loss(
        projected, torch.randn(70, 64), torch.zeros(70), wanted, torch.ones(count)
    )
    (words[0] + full.sum()).backward()
    assert len(made) == 4
    for across in made:
        assert across.shape[1] % 32 == 0
        assert not across[:, count:].any() and not across.isnan().any()
