"""Computes cross entropy over a vocabulary on a CPU, in blocks that fit its caches.

The logits of some rows are made word block by word block. What the gradients need of
them is their exponentials alone: normalising and the factors of the rows go to the small
matrices instead of the large one, and the label's own part is subtracted from a single
row. So a logit is written, exponentiated in place and multiplied, and nothing else.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor

# Rows and words of a block (measured with 128 to 768 columns: 1 MB of floats a block).
ROWS, WORDS = 256, 1024


def blocked_loss(
    hidden: Tensor,
    weight: Tensor,
    bias: Tensor,
    labels: Tensor,
    row_weights: Tensor,
    rows_at_once: int = ROWS,
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Cross entropy of softmax(hidden weightᵀ + bias), summed over rows.

    Gradients are computed on the way forward where they are wanted. The result equals
    the plain computation within rounding.

    Args:
        hidden: [M, H], in the compute type.
        weight: [V, H], float32 or float64.
        bias: [V], of the same type.
        labels: int64[M]; those of rows that count are in 0..V - 1.
        row_weights: float[M], the factor of each row; rows of weight 0 do not count.
        rows_at_once: rows of a block.

    Returns:
        0-dim, in the type of `weight`: the weighted sum, which carries gradients; rows
        that count and whose largest logit (the first of equals) is the label; the
        unweighted sum over rows that count; their number.
    """
    with torch.autocast("cpu", enabled=False):
        sums: tuple[Tensor, Tensor, Tensor, Tensor] = _BlockedLoss.apply(  # type: ignore[no-untyped-call]
            hidden,
            weight,
            bias,
            labels.clamp(min=0),
            row_weights.to(weight.dtype),
            rows_at_once,
            torch.is_grad_enabled(),
        )
    return sums


class _Block(NamedTuple):
    """Logits of some rows for the words from `first` to `last`, [n, last - first]."""

    first: int
    last: int
    values: Tensor


class _Gradients(NamedTuple):
    """Sums in the wide type: [M, H], [V, H] and [V]."""

    hidden: Tensor
    weight: Tensor
    bias: Tensor


class _BlockedLoss(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any,
        hidden: Tensor,
        weight: Tensor,
        bias: Tensor,
        labels: Tensor,
        row_weights: Tensor,
        rows_at_once: int,
        want_gradient: bool,
    ) -> tuple[Tensor, ...]:
        wide, half = weight.dtype, hidden.dtype
        matrix, offset = weight.to(half), bias.to(half)
        loss, correct, plain = torch.zeros(3, dtype=wide).unbind()
        counts = row_weights > 0
        sums = None
        if want_gradient:
            shapes = (hidden, weight, bias)
            # The first rows fill them; without any row there is nothing to wait for.
            make = torch.empty_like if len(hidden) else torch.zeros_like
            sums = _Gradients(*(make(like, dtype=wide) for like in shapes))
        for start in range(0, hidden.shape[0], rows_at_once):
            place = slice(start, start + rows_at_once)
            rows, wanted, factors = hidden[place], labels[place], row_weights[place]
            blocks, tops = _logits(rows, matrix, offset, wide)
            top = tops.amax(0)
            picked = _picked(blocks, wanted)
            correct += (_is_first(blocks, tops, top, picked, wanted) & counts[place]).sum()
            totals = torch.zeros_like(top)
            for block in blocks:
                totals += block.values.sub_(top[:, None]).exp_().sum(1)
            losses = totals.log() + top - picked
            loss += (losses * factors).sum()
            plain += (losses * counts[place]).sum()
            if sums is not None:
                own = sums._replace(hidden=sums.hidden[place])
                _add_gradients(own, rows, blocks, matrix, wanted, factors, totals, start == 0)
        if sums is not None:
            ctx.save_for_backward(*sums)
            ctx.half = half
        count = counts.sum().to(wide)
        ctx.mark_non_differentiable(correct, plain, count)
        return loss, correct, plain, count

    @staticmethod
    def backward(ctx: Any, gradient: Tensor, *_: Tensor) -> tuple[Tensor | None, ...]:
        return *kept_gradients(ctx, gradient), None, None, None, None


def kept_gradients(ctx: Any, gradient: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Gradients of hidden rows, weight and bias that a forward pass has computed already.

    Args:
        ctx: has them saved in this order, and as `half` the type of the hidden rows.
        gradient: of the loss, a number.
    """
    parts = ctx.saved_tensors
    if float(gradient) != 1.0:  # the usual factor is in the weights of the rows
        parts = tuple(part * gradient for part in parts)
    hidden, weight, bias = parts
    return hidden.to(ctx.half), weight, bias


def _logits(
    rows: Tensor, matrix: Tensor, offset: Tensor, wide: torch.dtype
) -> tuple[list[_Block], Tensor]:
    """All logits of some rows by blocks, and the largest of each block, [blocks, n]."""
    count, words = rows.shape[0], matrix.shape[0]
    blocks, tops = [], []
    for first in range(0, words, WORDS):
        last = min(first + WORDS, words)
        values = torch.addmm(offset[first:last], rows, matrix[first:last].t()).to(wide)
        blocks.append(_Block(first, last, values))
        tops.append(values.amax(1))
    return blocks, torch.stack(tops) if tops else rows.new_zeros(0, count, dtype=wide)


def _picked(blocks: Sequence[_Block], labels: Tensor) -> Tensor:
    """The logit of every row's label, [n]."""
    result = blocks[0].values.new_empty(len(labels))
    numbers = labels // WORDS
    for number in set(numbers.tolist()):
        rows = torch.nonzero(numbers == number)[:, 0]
        block = blocks[number]
        result[rows] = block.values[rows, labels[rows] - block.first]
    return result


def _is_first(
    blocks: Sequence[_Block], tops: Tensor, top: Tensor, picked: Tensor, labels: Tensor
) -> Tensor:
    """Whether the label is what argmax would find: the first of the largest, bool[n]."""
    numbers = labels // WORDS
    found = (picked >= top) & ((tops == top).to(torch.uint8).argmax(0) == numbers)
    for number in set(numbers[found].tolist()):
        rows = torch.nonzero(found & (numbers == number))[:, 0]
        block = blocks[number]
        found[rows] = block.values[rows].argmax(1) + block.first == labels[rows]
    return found


def _add_gradients(
    sums: _Gradients,
    rows: Tensor,
    blocks: Sequence[_Block],
    matrix: Tensor,
    labels: Tensor,
    factors: Tensor,
    totals: Tensor,
    fresh: bool,
) -> None:
    """Add what some rows contribute, given the exponentials e and their sums s.

    `fresh` says that the sums of the matrix and the bias hold nothing yet.

    With f the factors: (f / s) e W - f W[label] for the rows, eᵀ (f / s) h less f h at the
    labels for the matrix, eᵀ (f / s) less f at the labels for the bias.
    """
    wide, half = sums.weight.dtype, rows.dtype
    shares = factors / totals
    scaled = (rows * shares[:, None]).to(half)
    keep = 0 if fresh else 1
    for first, last, values in blocks:
        part = values.to(half)
        target, more = sums.weight[first:last], 1 if first else 0
        if half == wide:
            sums.hidden.addmm_(part, matrix[first:last], beta=more)
            target.addmm_(part.t(), scaled, beta=keep)
        else:
            to_hidden, to_weight = torch.mm(part, matrix[first:last]), torch.mm(part.t(), scaled)
            _gather(sums.hidden, to_hidden, more)
            _gather(target, to_weight, keep)
        sums.bias[first:last].addmv_(values.t(), shares, beta=keep)
    own = matrix[labels].to(wide).mul_(factors[:, None])
    sums.hidden.mul_(shares[:, None]).sub_(own)
    sums.weight.index_add_(0, labels, rows.to(wide) * factors[:, None], alpha=-1)
    sums.bias.index_add_(0, labels, factors, alpha=-1)


def _gather(total: Tensor, part: Tensor, keep: int) -> None:
    if keep:
        total.add_(part)
    else:
        total.copy_(part)
