from __future__ import annotations

import pytest
import torch

from bertkit.model import cpu_attention
from bertkit.model.attention import (
    PackedLayout,
    PaddedLayout,
    UnpaddedLayout,
    _formula,
    _ragged,
    _run_by_run,
    attention,
)

HEADS, WIDTH = 3, 24


def plainly(projected: torch.Tensor, lengths: list[int], heads: int) -> torch.Tensor:
    """The formula, one sequence and one head at a time."""
    pieces, row = [], 0
    for length in lengths:
        rows = projected[row : row + length]
        row += length
        query, key, value = rows.split(projected.shape[1] // 3, dim=1)
        mixed = []
        for q, k, v in zip(*(part.chunk(heads, 1) for part in (query, key, value)), strict=True):
            mixed.append(torch.softmax(q @ k.T / q.shape[1] ** 0.5, -1) @ v)
        pieces.append(torch.cat(mixed, 1))
    return torch.cat(pieces)


@pytest.mark.parametrize("explicit", [False, True])
@pytest.mark.parametrize("lengths", [[5], [7, 7, 7], [3, 0, 9, 9, 1, 0], [2, 4, 2, 4]])
def test_unpadded_equals_the_formula_with_gradients(monkeypatch, lengths, explicit):
    monkeypatch.setattr(cpu_attention, "_explicit_wins", lambda *_: explicit)
    rows = torch.randn(sum(lengths), 3 * WIDTH, dtype=torch.float64, requires_grad=True)
    weights = torch.randn(sum(lengths), WIDTH, dtype=torch.float64)
    expected = plainly(rows, lengths, HEADS)
    (wanted,) = torch.autograd.grad((expected * weights).sum(), rows)
    found = attention(rows, HEADS, UnpaddedLayout(lengths), 0.0)
    (gradient,) = torch.autograd.grad((found * weights).sum(), rows)
    torch.testing.assert_close(found, expected)
    torch.testing.assert_close(gradient, wanted)
    torch.testing.assert_close(_run_by_run(rows, HEADS, UnpaddedLayout(lengths), 0.0), expected)


def test_padded_equals_unpadded_and_survives_a_sequence_of_padding():
    mask = torch.tensor([[1, 1, 1, 0], [0, 0, 0, 0], [1, 1, 1, 1]]).bool()
    rows = torch.randn(12, 3 * WIDTH, requires_grad=True)
    mixed = attention(rows, HEADS, PaddedLayout(3, 4, mask), 0.0)
    real = mask.view(-1)
    torch.testing.assert_close(mixed[real], plainly(rows[real], [3, 4], HEADS))
    mixed[real].sum().backward()
    assert torch.isfinite(rows.grad).all()
    assert (rows.grad[~real] == 0).all()


def test_dropout_gradient_matches_numerical_derivative(monkeypatch):
    keep = torch.rand(10_000) > 0.3
    monkeypatch.setattr(cpu_attention, "keep_mask", lambda count, _: keep[:count])
    rows = torch.randn(8, 3 * 4, dtype=torch.float64, requires_grad=True)
    layout = UnpaddedLayout([3, 3, 2])
    assert torch.autograd.gradcheck(lambda x: attention(x, 2, layout, 0.3), rows)


def test_dropout_keeps_the_mean_and_follows_the_seed():
    rows = torch.randn(64, 3 * WIDTH)
    layout = UnpaddedLayout([32, 32])
    plain = attention(rows, HEADS, layout, 0.0)
    torch.manual_seed(3)
    first = attention(rows, HEADS, layout, 0.2)
    torch.manual_seed(3)
    assert torch.equal(attention(rows, HEADS, layout, 0.2), first)
    draws = torch.stack([attention(rows, HEADS, layout, 0.2) for _ in range(400)])
    assert not torch.equal(draws[0], first)
    torch.testing.assert_close(draws.mean(0), plain, atol=0.06, rtol=0)


def test_runs_join_equal_neighbours_and_skip_empty_sequences():
    layout = UnpaddedLayout(torch.tensor([4, 4, 0, 4, 2]))
    assert layout.runs == ((3, 4), (1, 2))
    assert layout.cumulative.tolist() == [0, 4, 8, 8, 12, 14]
    assert (layout.rows, layout.longest) == (14, 4)


def test_grid_puts_rows_under_their_sequence():
    layout = UnpaddedLayout([2, 3])
    assert layout.grid(torch.arange(5.0), -1.0).tolist() == [[0, 1, -1], [2, 3, 4]]
    # Empty sequences have a line, and lines may be longer than any sequence.
    layout = UnpaddedLayout([0, 2, 0, 1, 0], longest=3)
    assert layout.places.tolist() == [3, 4, 9]
    assert layout.grid(torch.arange(3.0), -1.0)[3].tolist() == [2, -1, -1]
    mask = torch.tensor([[1, 1, 0], [1, 1, 1]]).bool()
    padded = PaddedLayout(2, 3, mask).grid(torch.arange(6.0), -1.0)
    assert padded.tolist() == [[0, 1, -1], [3, 4, 5]]


def test_grid_is_what_masks_of_lengths_make_with_gradients_bit_for_bit():
    torch.manual_seed(0)
    lengths = torch.randint(1, 30, (17,))
    values = torch.randn(int(lengths.sum()), requires_grad=True)
    factors = torch.randn(17, int(lengths.max()))
    inside = torch.arange(int(lengths.max()))[None, :] < lengths[:, None]
    theirs = torch.full(inside.shape, -5.0).masked_scatter(inside, values)
    ours = UnpaddedLayout(lengths).grid(values, -5.0)
    assert torch.equal(ours, theirs)
    found = [torch.autograd.grad((table * factors).sum(), values)[0] for table in (ours, theirs)]
    assert torch.equal(*found)


def test_grid_asks_no_device_for_numbers():
    """Tensors on `meta` have none."""
    layout = UnpaddedLayout([2, 3]).to("meta")
    values = torch.empty(5, device="meta", requires_grad=True)
    table = layout.grid(values, 0.0)
    table.sum().backward()
    assert table.shape == (2, 3) and values.grad.shape == (5,)


@pytest.mark.parametrize("kind", [torch.bfloat16, torch.float16, torch.float32])
@pytest.mark.parametrize("rate", [0.0, 0.1])
def test_calls_of_the_cuda_kernels_fit_the_installed_operators(rate, kind):
    """Shapes and derivatives only: tensors on the `meta` device hold no numbers."""
    rows = torch.empty(12, 3 * 64, dtype=kind, device="meta", requires_grad=True)
    layout = UnpaddedLayout([4, 8, 0]).to("meta")
    mixed = _ragged(rows, 4, layout, rate)
    (gradient,) = torch.autograd.grad(mixed.sum(), rows)
    assert (mixed.shape, gradient.shape) == ((12, 64), (12, 192))


def test_the_formula_for_other_accelerators_equals_pytorchs_operator():
    query, key, value = torch.randn(3, 2, HEADS, 5, 8, dtype=torch.float64).unbind(0)
    mask = torch.tensor([[1, 1, 1, 0, 0], [1, 1, 1, 1, 1]]).bool()[:, None, None, :]
    for given in (None, mask):
        expected = torch.nn.functional.scaled_dot_product_attention(query, key, value, given)
        torch.testing.assert_close(_formula(query, key, value, given, 0.0), expected)
    torch.manual_seed(0)
    dropped = _formula(query, key, value, mask, 0.5)
    assert not torch.allclose(dropped, expected)


def test_packed_rows_attend_within_their_sequences():
    """Three sequences in the first row, one in the second, padding after both."""
    numbers = torch.tensor([[1, 1, 2, 3, 3, 3, 0], [1, 1, 1, 1, 0, 0, 0]])
    rows = torch.randn(14, 3 * WIDTH, dtype=torch.float64, requires_grad=True)
    real = numbers.view(-1) > 0
    mixed = attention(rows, HEADS, PackedLayout(numbers), 0.0)
    torch.testing.assert_close(mixed[real], plainly(rows[real], [2, 1, 3, 4], HEADS))
    mixed[real].sum().backward()
    assert (rows.grad[~real] == 0).all()
