"""Kernels over rows against the formulas in float64."""

from __future__ import annotations

import pytest
import torch
from model.fused.formulas import added_and_normed, seed_of
from slow_cases import slow

from bertkit.model.fused.rows import (
    Dropout,
    activation_backward,
    activation_forward,
    add_and_norm_backward,
    add_and_norm_forward,
    column_sums,
)

NEAR = {torch.float32: 2e-5, torch.float16: 5e-3, torch.bfloat16: 2e-2}


def close(found: torch.Tensor, exact: torch.Tensor, kind: torch.dtype) -> None:
    difference = float((found.double().cpu() - exact).abs().max())
    assert difference < NEAR[kind] * float(exact.abs().max())


@pytest.mark.parametrize("rate", [0.25, *slow(0.0)])
@pytest.mark.parametrize("width", [96, *slow(256)])
def test_add_and_norm(device, kind, rate, width):
    torch.manual_seed(1)
    drop = Dropout(rate, seed_of(5, 9, device))
    matrices = [torch.randn(37, width).to(kind) for _ in range(3)]
    vectors = [torch.randn(width).to(kind) for _ in range(3)]
    projected, residual, given = (item.double().requires_grad_() for item in matrices)
    bias, gain, shift = (item.double().requires_grad_() for item in vectors)
    exact = added_and_normed(projected, bias, residual, gain, shift, drop)
    gradients = torch.autograd.grad(exact, (residual, projected, gain, shift, bias), given)
    here = [item.to(device) for item in matrices]
    bias, gain, shift = (item.to(device) for item in vectors)
    found, kept = add_and_norm_forward(here[0].clone(), bias, here[1], gain, shift, 1e-12, drop)
    close(found, exact.detach(), kind)
    to_residual, to_projected, sums = add_and_norm_backward(here[2], kept, gain, drop)
    for one, other in zip((to_residual, to_projected, *sums), gradients, strict=True):
        close(one, other, kind)


def test_a_launch_done_again_has_the_mask_of_the_words_by_then(device, launches):
    torch.manual_seed(1)
    drop = Dropout(0.25, seed_of(5, 9, device))
    rows, residual, given = (torch.randn(37, 96, device=device) for _ in range(3))
    bias, gain, shift = (torch.randn(96, device=device) for _ in range(3))
    summed = rows.clone()
    found, kept = add_and_norm_forward(summed, bias, residual, gain, shift, 1e-12, drop)
    _, to_projected, _ = add_and_norm_backward(given, kept, gain, drop)
    before = found.clone()
    drop.seed.copy_(seed_of(98, 2**31 - 1, device))
    summed.copy_(rows)  # which the sum has taken the place of
    for launch in launches:
        launch()
    wide = rows.double().cpu().requires_grad_()
    others = (tensor.double().cpu() for tensor in (bias, residual, gain, shift))
    exact = added_and_normed(wide, *others, drop)
    close(found, exact.detach(), torch.float32)
    close(to_projected, torch.autograd.grad(exact, wide, given.double().cpu())[0], torch.float32)
    assert not torch.allclose(found, before, atol=0.1)


@pytest.mark.parametrize(("name", "approximate"), [("gelu", "none"), ("gelu_new", "tanh")])
def test_activations(device, kind, name, approximate):
    values = torch.linspace(-6, 6, 70 * 40).view(70, 40).to(kind)
    given = torch.randn(70, 40).to(kind)
    wide = values.double().requires_grad_()
    exact = torch.nn.functional.gelu(wide, approximate=approximate)
    (gradient,) = torch.autograd.grad(exact, wide, given.double())
    close(activation_forward(values.to(device), name), exact.detach(), kind)
    found = given.to(device)
    sums = activation_backward(found, values.to(device), name)
    close(found, gradient, kind)
    close(sums, gradient.sum(0), kind)


def test_column_sums_have_an_order_of_their_own(device, kind):
    values = torch.randn(300, 1100).to(kind).to(device)
    found = column_sums(values)
    close(found, values.double().cpu().sum(0), kind)
    assert torch.equal(found, column_sums(values))


def test_rows_that_are_none(device):
    empty, weights = torch.zeros(0, 32, device=device), torch.ones(32, device=device)
    drop = Dropout(0.0, seed_of(0, 0, device))
    found, kept = add_and_norm_forward(empty, weights, empty, weights, weights, 1e-12, drop)
    sums = add_and_norm_backward(found, kept, weights, drop)[2]
    assert found.shape == (0, 32) and not sums.any()
    assert activation_forward(empty, "gelu").shape == (0, 32) and not column_sums(empty).any()
