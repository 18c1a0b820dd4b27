"""Attention in Triton against the formula in float64: numbers, gradients, masks."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from model.fused.formulas import mixed, seed_of
from slow_cases import slow

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
    return Ragged(starts, max(LENGTHS), heads, rate, seed_of(12345, 678, device))


def close(found: torch.Tensor, exact: torch.Tensor, kind: torch.dtype) -> None:
    near = NEAR[kind] * (300 if found.is_cuda and kind == torch.float32 else 1)  # TF32 there
    assert float((found.double().cpu() - exact).abs().max()) < near * float(exact.abs().max())


def tiles(queries: int, keys: int) -> Tiles:
    return Tiles(queries, keys, 4, 1)


@pytest.mark.parametrize("rate", [0.3, *slow(0.0)])
@pytest.mark.parametrize(("size", "keys"), [(16, 16), *slow((64, 64))])
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


def test_a_launch_done_again_has_the_mask_of_the_words_by_then(device, launches):
    torch.manual_seed(1)
    batch, shape = ragged(device, 0.3), tiles(64, 16)
    rows = torch.randn(sum(LENGTHS), 3 * 32)
    given = torch.randn(len(rows), 32)
    here, change = rows.to(device), given.to(device)
    out, lse = attention_forward(here, batch, shape)
    gradient = attention_backward(here, out, lse, change, batch, TileChoice(shape, shape, shape))
    before = out.clone()
    batch.seed.copy_(seed_of(98, 2**31 - 1, device))
    for launch in launches:
        launch()
    exact_rows = rows.double().requires_grad_()
    exact = mixed(exact_rows, batch)
    (exact_gradient,) = torch.autograd.grad(exact, exact_rows, given.double())
    close(out, exact.detach(), torch.float32)
    close(gradient, exact_gradient, torch.float32)
    assert not torch.allclose(out, before, atol=0.1) and len(launches) == 3


@pytest.mark.filterwarnings("ignore::RuntimeWarning")  # of the interpreter, as to keys beyond
@pytest.mark.parametrize("keys", [64, *slow(16)])
def test_scores_that_are_all_far_below_zero(device, kind, keys):
    """Tiles end beyond the sequences; what stands there must not outweigh such scores."""
    rows = torch.randn(sum(LENGTHS), 3, 2, 16)
    rows[:, 0] += 9.0
    rows[:, 1] -= 9.0
    rows = rows.flatten(1).to(kind)
    batch = ragged(device, 0.2)
    exact_rows = rows.double().requires_grad_()
    exact = mixed(exact_rows, batch)
    given = torch.randn(exact.shape).to(kind)
    (exact_gradient,) = torch.autograd.grad(exact, exact_rows, given.double())
    rows, given = rows.to(device), given.to(device)
    out, lse = attention_forward(rows, batch, tiles(64, keys))
    assert float(lse.max()) < -150  # powers of 2: exp2 of the opposite is infinite
    choice = TileChoice(tiles(64, keys), tiles(64, keys), tiles(keys, 64))
    found = attention_backward(rows, out, lse, given, batch, choice)
    assert float((out.double().cpu() - exact.detach()).abs().max()) < 0.1
    assert float((found.double().cpu() - exact_gradient).abs().max()) < 0.05 * float(
        exact_gradient.abs().max()
    )


@pytest.mark.slow
def test_rows_beyond_what_32_bits_number(device):
    """The last ones of a million, whose elements are counted in more than 32 bits."""
    if device.type == "cuda" and torch.cuda.mem_get_info()[0] < 20 << 30:
        pytest.skip("takes 20 GB of a GPU; on a CPU memory that nobody writes to is none")
    count, heads, size = 1_000_000, 16, 64
    begin, width = count - 10, heads * size
    projected = torch.empty(count, 3 * width, dtype=torch.float16, device=device)
    given = torch.empty(count, width, dtype=torch.float16, device=device)
    projected[begin:] = torch.randn(10, 3 * width)
    given[begin:] = torch.randn(10, width)
    starts = torch.tensor([begin, begin + 7, count], dtype=torch.int32, device=device)
    seed = seed_of(1, 2, device)
    far = Ragged(starts, 7, heads, 0.0, seed)
    near = Ragged(starts - begin, 7, heads, 0.0, seed)
    shape, found = tiles(16, 16), []
    for batch, rows, change in (
        (far, projected, given),
        (near, projected[begin:].clone(), given[begin:].clone()),
    ):
        out, lse = attention_forward(rows, batch, shape)
        choice = TileChoice(shape, shape, shape)
        gradient = attention_backward(rows, out, lse, change, batch, choice)
        found.append((out[-10:], lse[:, -10:], gradient[-10:]))
    assert all(torch.equal(one, other) for one, other in zip(*found, strict=True))


@pytest.mark.parametrize("size", [16, 32, 64, 128])
def test_there_are_tiles_for_every_size_of_a_head(size):
    choice = chosen_tiles(size)
    assert {choice.forward.queries, choice.key_value.keys} <= {32, 64, 128}
