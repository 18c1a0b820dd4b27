"""Cross entropy over a whole vocabulary without ever holding all its logits."""

from __future__ import annotations

from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.nn import functional

# Rows of logits alive at a time on a CPU (128 rows of 30,522 floats are 16 MB); in
# bfloat16 the weight gradient is one more product per chunk, so chunks are larger.
_CHUNK_ROWS = 128
_CHUNK_ROWS_HALF = 512


class LossSums(NamedTuple):
    """Sums over the rows of a cross entropy, all 0-dim and float32 (float64 for such input).

    Attributes:
        loss: every row times its weight; carries gradients.
        correct: rows that count and whose largest logit is the label.
        plain: the rows that count, each once; carries no gradient.
        cases: rows that count.
    """

    loss: Tensor
    correct: Tensor
    plain: Tensor
    cases: Tensor


def vocabulary_loss(
    hidden: Tensor,
    weight: Tensor,
    bias: Tensor,
    labels: Tensor,
    chunk_rows: int | None = None,
    row_weights: Tensor | None = None,
) -> LossSums:
    """Cross entropy of softmax(hidden weightᵀ + bias), summed over rows.

    On a CPU the rows are taken in chunks and the gradients are computed on the way
    forward; the result equals the plain computation within rounding.

    Args:
        hidden: [M, H], in the compute type.
        weight: [V, H], float32.
        bias: [V], float32.
        labels: int64[M]; negative ones do not count.
        chunk_rows: rows per chunk on a CPU; None takes the measured default.
        row_weights: float[M], see `weighted_cross_entropy`.
    """
    if hidden.device.type != "cpu":
        logits = functional.linear(hidden, weight, bias)
        return weighted_cross_entropy(logits, labels, row_weights)
    if torch.is_autocast_enabled("cpu"):
        hidden = hidden.to(torch.get_autocast_dtype("cpu"))
    if chunk_rows is None:
        chunk_rows = _CHUNK_ROWS if hidden.dtype == weight.dtype else _CHUNK_ROWS_HALF
    if row_weights is None:
        row_weights = (labels >= 0).to(weight.dtype)
    with torch.autocast("cpu", enabled=False):
        sums: tuple[Tensor, ...] = _ChunkedLoss.apply(  # type: ignore[no-untyped-call]
            hidden, weight, bias, labels, row_weights, chunk_rows, torch.is_grad_enabled()
        )
    return LossSums(*sums)


def weighted_cross_entropy(
    logits: Tensor, labels: Tensor, row_weights: Tensor | None = None
) -> LossSums:
    """Cross entropy summed over rows, with static shapes and nothing read from the device.

    Args:
        logits: [N, C], of any float type.
        labels: int64[N]; negative ones do not count where there are no weights.
        row_weights: float[N], the factor of each row in the loss; rows of weight 0 do
            not count (their labels may be anything from 0 to C - 1). None: weight 1.
    """
    logits = at_least_float(logits)
    if row_weights is None:
        row_weights = (labels >= 0).to(logits.dtype)
        labels = labels.clamp(min=0)
    rows = functional.cross_entropy(logits, labels, reduction="none")
    counts = (row_weights > 0).to(rows.dtype)
    right = (logits.argmax(-1) == labels).to(rows.dtype)
    return LossSums(
        (rows * row_weights).sum(),
        (right * counts).sum(),
        (rows.detach() * counts).sum(),
        counts.sum(),
    )


def summed_cross_entropy(logits: Tensor, labels: Tensor) -> Tensor:
    """Sum over rows of -log softmax at the label; rows with a negative label count 0.

    Args:
        logits: [N, C].
        labels: int64[N].
    """
    return functional.cross_entropy(logits, labels.clamp(min=-1), ignore_index=-1, reduction="sum")


def at_least_float(values: Tensor) -> Tensor:
    """Half precision widened to float32; float32 and float64 as they are."""
    return values if values.dtype in (torch.float32, torch.float64) else values.float()


class _ChunkedLoss(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any, hidden: Tensor, weight: Tensor, bias: Tensor, labels: Tensor,
        row_weights: Tensor, chunk_rows: int, want_gradient: bool,
    ) -> tuple[Tensor, ...]:  # fmt: skip
        wide = weight.dtype
        matrix = weight if hidden.dtype == wide else weight.to(hidden.dtype)
        offset = bias.to(hidden.dtype)
        loss, correct, plain = torch.zeros(3, dtype=wide).unbind()
        factors = row_weights.to(wide)[:, None]
        to_hidden = torch.empty_like(hidden)
        to_weight, to_bias = torch.zeros_like(weight), torch.zeros_like(bias)
        for start in range(0, hidden.shape[0], chunk_rows):
            place = slice(start, start + chunk_rows)
            rows, factor = hidden[place], factors[place]
            logits = torch.addmm(offset, rows, matrix.t()).to(wide)
            wanted = labels[place, None].clamp(min=0)
            counts = factor > 0
            correct += ((logits.argmax(1, keepdim=True) == wanted) & counts).sum()
            normaliser = torch.logsumexp(logits, 1, keepdim=True)
            losses = normaliser - logits.gather(1, wanted)
            loss += (losses * factor).sum()
            plain += (losses * counts).sum()
            if not want_gradient:
                continue
            # The derivative of the loss with respect to the logits, in their place.
            slope = logits.sub_(normaliser).exp_()
            slope.scatter_add_(1, wanted, torch.full_like(normaliser, -1.0)).mul_(factor)
            to_bias += slope.sum(0)
            slope = slope.to(hidden.dtype)
            torch.mm(slope, matrix, out=to_hidden[place])
            if hidden.dtype == wide:
                to_weight.addmm_(slope.t(), rows)
            else:
                to_weight += torch.mm(slope.t(), rows)
        if want_gradient:
            ctx.save_for_backward(to_hidden, to_weight, to_bias)
        count = (factors > 0).sum().to(wide)
        ctx.mark_non_differentiable(correct, plain, count)
        return loss, correct, plain, count

    @staticmethod
    def backward(ctx: Any, gradient: Tensor, *_: Tensor) -> tuple[Tensor | None, ...]:
        to_hidden, to_weight, to_bias = ctx.saved_tensors
        return (
            to_hidden * gradient.to(to_hidden.dtype), to_weight * gradient, to_bias * gradient,
            None, None, None, None,
        )  # fmt: skip
