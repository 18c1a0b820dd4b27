"""Cross entropy over a vocabulary in bf16 on a CPU.

What a gradient needs of logits are their exponentials alone, see `bertkit.model.cpu_loss`.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor

from bertkit.model.cpu_half.rows import bits, spread, turned
from bertkit.model.cpu_loss import kept_gradients

ROWS = 512  # of a block: 31 MB of logits over 30,522 words


def words_loss(
    hidden: Tensor,
    weight: Tensor,
    bias: Tensor,
    labels: Tensor,
    row_weights: Tensor,
    rows_at_once: int = ROWS,
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Cross entropy of softmax(hidden weightᵀ + bias), summed over rows.

    Args:
        hidden: bfloat16[M, H].
        weight: float32[V, H].
        bias: float32[V].
        labels: int64[M]; those of rows that count are in 0..V - 1.
        row_weights: float32[M], the factor of each row; rows of weight 0 do not count.
        rows_at_once: rows of a block.

    Returns:
        What `bertkit.model.cpu_loss.blocked_loss` returns.
    """
    sums: tuple[Tensor, Tensor, Tensor, Tensor] = _WordsLoss.apply(  # type: ignore[no-untyped-call]
        hidden,
        weight,
        bias,
        labels.clamp(min=0),
        row_weights.float(),
        rows_at_once,
        torch.is_grad_enabled(),
    )
    return sums


class _WordsLoss(torch.autograd.Function):
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
        from bertkit.model.cpu_half.kernels import words

        matrix = weight.to(hidden.dtype)
        count = len(hidden)
        found, wins = np.empty((count, 3), np.float32), np.empty(count, np.uint8)
        to_hidden = torch.empty(hidden.shape) if want_gradient else None
        to_weight = to_bias = None
        for start in range(0, count, rows_at_once):
            place = slice(start, start + rows_at_once)
            rows, wanted = hidden[place], labels[place]
            logits = torch.mm(rows, matrix.t())
            given = bits(logits), bits(bias), wanted.numpy()
            made = found[place], wins[place]
            spread(words.exponentials, len(rows), *given, *made, scratch=len(matrix))
            if to_hidden is None:
                continue
            shares = row_weights[place] / torch.from_numpy(found[place, 1])
            more, own = _gradients(rows, logits, matrix, shares, bias)
            to_hidden[place] = torch.mm(logits, matrix).float().mul_(shares[:, None])
            to_weight = more.float() if to_weight is None else to_weight.add_(more)
            to_bias = own if to_bias is None else to_bias.add_(own)
        if to_hidden is not None:
            to_weight = torch.zeros_like(weight) if to_weight is None else to_weight
            to_bias = torch.zeros_like(bias) if to_bias is None else to_bias
            # What the labels themselves contribute, in float32.
            to_hidden.sub_(matrix[labels].float().mul_(row_weights[:, None]))
            to_weight.index_add_(0, labels, hidden.float() * row_weights[:, None], alpha=-1)
            to_bias.index_add_(0, labels, row_weights, alpha=-1)
            ctx.save_for_backward(to_hidden, to_weight, to_bias)
            ctx.half = hidden.dtype
        return _sums(ctx, torch.from_numpy(found), torch.from_numpy(wins), row_weights)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor, *_: Tensor) -> tuple[Tensor | None, ...]:
        return *kept_gradients(ctx, gradient), None, None, None, None


def _gradients(
    rows: Tensor, exponentials: Tensor, matrix: Tensor, shares: Tensor, bias: Tensor
) -> tuple[Tensor, Tensor]:
    """What some rows contribute to the gradients of the matrix and the bias."""
    from bertkit.model.cpu_half.kernels import words

    across = turned(len(rows), len(matrix))
    sums = torch.empty_like(bias)
    given = bits(exponentials), shares.contiguous().numpy()
    blocks = -(-len(matrix) // words.WORDS)
    spread(words.words_back, blocks, *given, bits(across), bits(sums))
    scaled = (rows * shares[:, None]).to(rows.dtype)
    return torch.mm(across[:, : len(rows)], scaled), sums


def _sums(ctx: Any, found: Tensor, wins: Tensor, row_weights: Tensor) -> tuple[Tensor, ...]:
    """The loss, rows that are right, the loss without weights, and rows that count."""
    losses = found[:, 1].log() + found[:, 0] - found[:, 2]
    counts = row_weights > 0
    correct, count = (wins.bool() & counts).sum().float(), counts.sum().float()
    plain = (losses * counts).sum()
    ctx.mark_non_differentiable(correct, plain, count)
    return (losses * row_weights).sum(), correct, plain, count
