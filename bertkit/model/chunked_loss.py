"""Computes cross entropy over a vocabulary for a chunk of rows at a time, on GPUs.

Done at once, the logits of all rows lie in memory in four forms: as the product leaves them,
widened, as logarithms of probabilities, and as gradients. Here those of a chunk become
probabilities and then, in their own place, gradients, which are multiplied at once: half
the memory traffic, and memory for one chunk. `bertkit.model.fused.word_loss` has the part
between the products in one kernel.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, NamedTuple

import torch
from torch import Tensor

from bertkit.model.fused.dispatch import loss_is_fused

# Logits of a chunk: 0.5 GB in half precision, and three times that while it lasts.
LOGITS = 1 << 28
# Rows of a chunk, and words of the vocabulary, are a multiple of this.
GRAIN = 64


def chunked_loss(
    hidden: Tensor,
    weight: Tensor,
    bias: Tensor,
    labels: Tensor,
    row_weights: Tensor,
    logits: int = LOGITS,
    fused: bool = False,
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Cross entropy of softmax(hidden weightᵀ + bias), summed over rows.

    Gradients are computed on the way forward where they are wanted, before a loss scale can
    enlarge them, so float16 is not for this. Nothing is read from the device.

    Args:
        hidden: [M, H], in the compute type: float32, bfloat16 or float64.
        weight: [V, H], float32 or float64.
        bias: [V], of the same type.
        labels: int64[M], in 0..V - 1.
        row_weights: float[M], the factor of each row; rows of weight 0 do not count.
        logits: most of a chunk; it has at least 64 rows.
        fused: with the kernels of `bertkit.model.fused`, where they can compute this.

    Returns:
        0-dim, in the type of `weight`: the weighted sum, which carries gradients; rows that
        count and whose largest logit is the label; the unweighted sum over rows that count;
        their number.
    """
    most = max(GRAIN, logits // padded_size(len(weight)) // GRAIN * GRAIN)
    sums: tuple[Tensor, Tensor, Tensor, Tensor] = _ChunkedLoss.apply(  # type: ignore[no-untyped-call]
        *(hidden, weight, bias, labels, row_weights, most),
        *(torch.is_grad_enabled(), fused and loss_is_fused(hidden, weight)),
    )
    return sums


def padded_size(words: int) -> int:
    """The size of a vocabulary whose products are fast, see `losses.wide_projection`."""
    return -(-words // GRAIN) * GRAIN


def padded_copy(values: Tensor, rows: int, kind: torch.dtype, fill: float) -> Tensor:
    """A copy of another type with more rows, which hold `fill`."""
    result = values.new_empty((rows, *values.shape[1:]), dtype=kind)
    result[: len(values)].copy_(values)
    result[len(values) :].fill_(fill)
    return result


class _ChunkedLoss(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any,
        hidden: Tensor,
        weight: Tensor,
        bias: Tensor,
        labels: Tensor,
        row_weights: Tensor,
        most: int,
        want_gradients: bool,
        fused: bool,
    ) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        kind, wide, size = hidden.dtype, weight.dtype, padded_size(len(weight))
        matrix = padded_copy(weight, size, kind, 0.0)
        offset = padded_copy(bias, size, kind, torch.finfo(kind).min)
        steps = _fused_steps() if fused else _OPERATORS
        factors, labels = row_weights.to(wide).contiguous(), labels.contiguous()
        losses, right = torch.empty_like(factors), torch.empty_like(factors)
        sums = _Gradients(hidden, matrix, wide, steps.columns) if want_gradients else None
        for place in _places(len(hidden), most):
            rows = hidden[place]
            logits = torch.addmm(offset, rows, matrix.t())
            outcome = (labels[place], factors[place], losses[place], right[place])
            steps.rows(logits, *outcome, want_gradients)
            if sums is not None:
                sums.add(place, logits, rows)
        if sums is not None:
            ctx.save_for_backward(sums.hidden, sums.matrix, sums.bias)
            ctx.words, ctx.kind = len(weight), wide
        loss, correct, plain, count = steps.sums(losses, right, factors)
        ctx.mark_non_differentiable(correct, plain, count)
        return loss, correct, plain, count

    @staticmethod
    def backward(ctx: Any, gradient: Tensor, *_: Tensor) -> tuple[Tensor | None, ...]:
        hidden, matrix, bias = ctx.saved_tensors
        to_weight = _times(matrix[: ctx.words], gradient, ctx.kind)
        to_bias = _times(bias[: ctx.words], gradient, ctx.kind)
        return _times(hidden, gradient, hidden.dtype), to_weight, to_bias, *(None,) * 5


class _Steps(NamedTuple):
    """What is computed between the products.

    Attributes:
        rows: takes logits [n, V], labels, factors, losses and right [n], and whether gradients
            are wanted; writes the losses, which labels have the largest logit, and the
            gradient of the logits in their place.
        columns: the sum of a matrix over its rows, wide.
        sums: of losses, right and factors: the four that `chunked_loss` returns.
    """

    rows: Callable[[Tensor, Tensor, Tensor, Tensor, Tensor, bool], None]
    columns: Callable[[Tensor, torch.dtype], Tensor]
    sums: Callable[[Tensor, Tensor, Tensor], tuple[Tensor, Tensor, Tensor, Tensor]]


def rows_by_operators(
    logits: Tensor, labels: Tensor, factors: Tensor, losses: Tensor, right: Tensor, gradient: bool
) -> None:
    """What `bertkit.model.fused.word_loss.word_losses` computes, for rows of any type."""
    wanted = labels[:, None]
    best = logits.argmax(-1, keepdim=True)
    chances = torch.softmax(logits, -1, dtype=factors.dtype)
    # The largest probability is never tiny; it gives the sum of the exponentials.
    log_sums = logits.gather(1, best).to(factors.dtype) - chances.gather(1, best).log()
    losses.copy_((log_sums - logits.gather(1, wanted))[:, 0])
    right.copy_((best == wanted)[:, 0])
    if gradient:
        factor = factors[:, None]
        own = (chances.gather(1, wanted) - 1).mul_(factor)
        torch.mul(chances, factor, out=logits).scatter_(1, wanted, own.to(logits.dtype))


def _columns(values: Tensor, kind: torch.dtype) -> Tensor:
    return values.sum(0, dtype=kind)


def _sums(losses: Tensor, right: Tensor, factors: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    counts = (factors > 0).to(factors.dtype)
    loss, plain = (losses * factors).sum(), (losses * counts).sum()
    return loss, (right * counts).sum(), plain, counts.sum()


_OPERATORS = _Steps(rows_by_operators, _columns, _sums)


def _fused_steps() -> _Steps:
    from bertkit.model.fused.rows import column_sums
    from bertkit.model.fused.word_loss import loss_sums, word_losses

    return _Steps(word_losses, column_sums, loss_sums)


class _Gradients:
    """Sums over chunks of rows.

    Attributes:
        hidden: [M, H], in the compute type.
        matrix: [V, H], of the padded vocabulary; wide where there are several chunks.
        bias: [V], wide.
    """

    def __init__(
        self,
        hidden: Tensor,
        matrix: Tensor,
        wide: torch.dtype,
        columns: Callable[[Tensor, torch.dtype], Tensor],
    ) -> None:
        self.hidden = torch.empty_like(hidden)
        self.bias = matrix.new_zeros(len(matrix), dtype=wide)
        self.matrix = matrix.new_zeros((1, 1)).expand_as(matrix)  # until there are rows
        self._vocabulary, self._wide, self._columns = matrix, wide, columns
        self._chunks = 0

    def add(self, place: slice, gradient: Tensor, rows: Tensor) -> None:
        """What the rows of one chunk contribute.

        Args:
            place: of the chunk.
            gradient: of its logits, [n, V].
            rows: [n, H].
        """
        torch.mm(gradient, self._vocabulary, out=self.hidden[place])
        self.bias += self._columns(gradient, self._wide)
        product = torch.mm(gradient.t(), rows)
        if self._chunks == 1:
            self.matrix = self.matrix.to(self._wide)
        self.matrix = self.matrix.add_(product) if self._chunks else product
        self._chunks += 1


def _times(values: Tensor, factor: Tensor, kind: torch.dtype) -> Tensor:
    """Values times a 0-dim factor, multiplied in the wider type of both, by one kernel."""
    result = torch.empty(values.shape, dtype=kind, device=values.device)
    return torch.mul(values, factor.reshape((1,) * values.dim()), out=result)


def _places(count: int, most: int) -> list[slice]:
    """Chunks of almost equal size."""
    size = math.ceil(count / max(1, math.ceil(count / most)) / GRAIN) * GRAIN
    return [slice(first, min(first + size, count)) for first in range(0, count, max(1, size))]
