"""Attention in Triton against the formula in float64: numbers, gradients, masks."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from model.fused.formulas import factors, mixed

from bertkit.model.fused.attention import (
    Ragged,
    TileChoice,
    Tiles,
    attention_backward,
    attention_forward,
    chosen_tiles,
)

LENGTHS = [5, 0, 70, 1, 33]
NEAR = {torch.float32: 1e-5, torch.float16: 5e-3, torch.bfloat16: 2e-2}


def ragged(device, rate: float = 0.0, heads: int = 2) -> Ragged:
    starts = torch.tensor([0, *np.cumsum(LENGTHS)], dtype=torch.int32, device=device)
    return Ragged(starts, max(LENGTHS), heads, rate, (12345, 678))


def close(found: torch.Tensor, exact: torch.Tensor, kind: torch.dtype) -> None:
    near = NEAR[kind] * (30 if found.is_cuda and kind == torch.float32 else 1)  # TF32 there
    assert float((found.double().cpu() - exact).abs().max()) < near * float(exact.abs().max())


def tiles(queries: int, keys: int) -> Tiles:
    return Tiles(queries, keys, 4, 1)


@pytest.mark.parametrize("rate", [0.0, 0.3])
@pytest.mark.parametrize(("size", "keys"), [(16, 16), (64, 64)])
def test_mixtures_and_gradients_are_those_of_the_formula(device, kind, rate, size, keys):
    torch.manual_seed(1)
    batch = ragged(device, rate)
    rows = torch.randn(sum(LENGTHS), 3 * 2 * size).to(kind)
    exact_rows = rows.double().requires_grad_()
    exact = mixed(exact_rows, batch)
    given = torch.randn(exact.shape).to(kind)
    (exact_gradient,) = torch.autograd.grad(exact, exact_rows, given.double())
    rows, given = rows.to(device), given.to(device)
    out, lse = attention_forward(rows, batch, tiles(64, keys))
    choice = TileChoice(tiles(64, keys), tiles(64, keys), tiles(keys, 64))
    gradient = attention_backward(rows, out, lse, given, batch, choice)
    close(out, exact.detach(), kind)
    close(gradient, exact_gradient, kind)


def test_tiles_change_no_mask(device):
    """The mask hangs on rows and columns, not on how a kernel divides them."""
    rows = torch.randn(sum(LENGTHS), 3 * 32).to(device)
    batch = ragged(device, 0.5)
    one, other = (
        attention_forward(rows, batch, tiles(*shape))[0] for shape in ((64, 16), (16, 64))
    )
    torch.testing.assert_close(one, other, rtol=1e-2, atol=1e-2)


def test_masks_drop_the_wanted_share_and_are_unlike_each_other():
    numbers = np.arange(512)
    one, other = (factors(numbers, numbers, 0.1, seed) > 0 for seed in ((1, 2), (3, 2)))
    for mask in (one, other):
        assert abs(float(mask.double().mean()) - 0.9) < 3e-3
        assert (
            float(mask.double().mean(0).std()) < 0.02 and float(mask.double().mean(1).std()) < 0.02
        )
    # Independent masks drop the same element in a hundredth of all cases.
    assert abs(float((~one & ~other).double().mean()) - 0.01) < 2e-3
    # And no rectangle of four elements is decided by the other three.
    parity = one[1:, 1:] ^ one[:-1, 1:] ^ one[1:, :-1] ^ one[:-1, :-1]
    assert abs(float(parity.double().mean()) - (1 - 0.8**4) / 2) < 6e-3


@pytest.mark.parametrize("size", [16, 32, 64, 128])
def test_there_are_tiles_for_every_size_of_a_head(size):
    choice = chosen_tiles(size)
    assert {choice.forward.queries, choice.key_value.keys} <= {32, 64, 128}
