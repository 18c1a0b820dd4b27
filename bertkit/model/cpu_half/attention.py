"""Attention within each sequence in bf16 on a CPU, with the projections before it.

Sequences of about one length go through each product together, filled up to a multiple of
32 rows, as many at a time as a cache holds. Probabilities are float32 until they are used.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from bertkit.model.cpu_half.blocks import to_rows_and_weight
from bertkit.model.cpu_half.rows import bits, blocks, new_key, spread, turned
from bertkit.model.dropout import drop_threshold

Runs = Sequence[tuple[int, int]]
_GRAIN = 32  # rows that a sequence is filled up to a multiple of
_SCORES = 1 << 20  # numbers of one product's result: 2 MB


class _Group(NamedTuple):
    """Sequences that are computed together.

    Attributes:
        starts: int64[n], their first rows.
        lengths: int64[n], their rows.
        keys: uint32[n, 2], of their random numbers.
        longest: rows of the matrices of each.
    """

    starts: np.ndarray
    lengths: np.ndarray
    keys: np.ndarray
    longest: int


def projected_attention(
    rows: Tensor, weight: Tensor, bias: Tensor, heads: int, runs: Runs, rate: float
) -> Tensor:
    """Attention between the projections of rows.

    Args:
        rows: [T, H].
        weight: [3H, H], of query, key and value, one above the other.
        bias: [3H].
        heads: divides H.
        runs: (sequences, length) in row order, covering exactly T rows, no zero length.
        rate: of dropout on the probabilities.

    Returns:
        [T, H], the heads of each row side by side.
    """
    result: Tensor = _ProjectedAttention.apply(  # type: ignore[no-untyped-call]
        rows, weight, bias, heads, tuple(runs), drop_threshold(rate)
    )
    return result


def _groups(runs: Runs, heads: int, key: np.ndarray) -> Iterator[_Group]:
    """All sequences of a batch, those of about one length together."""
    lengths = np.repeat([length for _, length in runs], [count for count, _ in runs])
    starts = np.cumsum(lengths) - lengths
    # Each sequence has random numbers of its own, whichever others it is computed with.
    keys = np.random.SeedSequence(key.tolist()).generate_state(2 * len(lengths), np.uint32)
    keys = keys.reshape(-1, 2)
    filled = -(-lengths // _GRAIN) * _GRAIN
    for longest in np.unique(filled).tolist():
        (alike,) = np.nonzero(filled == longest)
        at_once = max(1, _SCORES // (heads * longest * longest))
        for first in range(0, len(alike), at_once):
            some = alike[first : first + at_once]
            yield _Group(starts[some], lengths[some], keys[some], longest)


def _gathered(
    values: Tensor, group: _Group, heads: int, size: int, column: int, bias: Tensor
) -> Tensor:
    """Columns of rows, [sequences * heads, longest, size], with a bias."""
    from bertkit.model.cpu_half.kernels import softmax

    parts = values.new_empty(len(group.lengths), heads, group.longest, size)
    own = bits(bias[column : column + heads * size]).reshape(heads, size)
    given = bits(values), column, own, group.starts, group.lengths
    spread(softmax.gather_heads, len(parts) * heads, *given, bits(parts))
    return parts.view(-1, group.longest, size)


def _scatter(parts: Tensor, group: _Group, heads: int, column: int, rows: Tensor) -> None:
    from bertkit.model.cpu_half.kernels import softmax

    four = parts.view(-1, heads, group.longest, parts.shape[2])
    given = bits(four), column, group.starts, group.lengths
    spread(softmax.scatter_heads, len(four) * heads, *given, bits(rows))


class _ProjectedAttention(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any, rows: Tensor, weight: Tensor, bias: Tensor, heads: int, runs: Runs, threshold: int
    ) -> Tensor:
        from bertkit.model.cpu_half.kernels import softmax

        width = rows.shape[1]
        size = width // heads
        ctx.heads, ctx.threshold, ctx.scale = heads, threshold, size**-0.5
        projected = torch.mm(rows, weight.t())
        result = rows.new_empty(rows.shape)
        key = new_key() if threshold else np.zeros(2, np.uint32)
        ctx.groups = list(_groups(runs, heads, key))
        saved: list[Tensor] = []
        for group in ctx.groups:
            count = len(group.lengths)
            query, keys, value = (
                _gathered(projected, group, heads, size, part * width, bias) for part in range(3)
            )
            scores = torch.bmm(query, keys.transpose(1, 2))
            marked = torch.empty_like(scores) if threshold else scores
            shape = (count, heads, group.longest, group.longest)
            given = bits(scores).reshape(shape), group.lengths, ctx.scale, group.keys, threshold
            made = bits(marked).reshape(shape)
            spread(softmax.probabilities, count * heads, *given, made, scratch=group.longest)
            _scatter(torch.bmm(scores, value), group, heads, 0, result)
            saved += [query, keys, value, marked]
        ctx.save_for_backward(rows, weight, *saved)
        return result

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        from bertkit.model.cpu_half.kernels import softmax, transposed

        rows, weight, *saved = ctx.saved_tensors
        count, width = rows.shape
        size, heads, kept = width // ctx.heads, ctx.heads, iter(saved)
        gradient, none = gradient.contiguous(), gradient.new_zeros(width)
        whole = rows.new_empty(count, 3 * width)
        for group in ctx.groups:
            query, keys, value, marked = (next(kept) for _ in range(4))
            given = _gathered(gradient, group, heads, size, 0, none)
            scores = torch.bmm(given, value.transpose(1, 2))
            dropped = torch.empty_like(scores)
            shape = (len(group.lengths), heads, group.longest, group.longest)
            spread(
                softmax.probabilities_back,
                len(group.lengths) * heads,
                bits(scores).reshape(shape),
                bits(marked).reshape(shape),
                *(group.lengths, ctx.scale, ctx.threshold),
                bits(dropped).reshape(shape),
            )
            parts = (
                torch.bmm(scores, keys),
                torch.bmm(scores.transpose(1, 2), query),
                torch.bmm(dropped.transpose(1, 2), given),
            )
            for number, part in enumerate(parts):
                _scatter(part, group, heads, number * width, whole)
        across = turned(count, 3 * width)
        sums = np.empty((blocks(count), 3 * width), np.float32)
        parts_of = bits(whole), bits(across), sums
        spread(transposed.transpose_and_sum, blocks(count), *parts_of)
        to_rows, to_weight = to_rows_and_weight(whole, across, rows, weight)
        return to_rows, to_weight, torch.from_numpy(sums.sum(0)), None, None, None
