"""Cross entropy over a whole vocabulary without ever holding all its logits."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

# Rows of logits alive at a time on a CPU (128 rows of 30,522 floats are 16 MB); in
# bfloat16 the weight gradient is one more product per chunk, so chunks are larger.
_CHUNK_ROWS = 128
_CHUNK_ROWS_HALF = 512


def vocabulary_loss(
    hidden: Tensor, weight: Tensor, bias: Tensor, labels: Tensor, chunk_rows: int | None = None
) -> tuple[Tensor, Tensor]:
    """Summed cross entropy of softmax(hidden weightᵀ + bias), and how many it got right.

    On a CPU the rows are taken in chunks and the gradients are computed on the way
    forward; the result equals the plain computation within rounding.

    Args:
        hidden: [M, H], in the compute type.
        weight: [V, H], float32.
        bias: [V], float32.
        labels: int64[M]; negative ones are ignored.
        chunk_rows: rows per chunk on a CPU; None takes the measured default.

    Returns:
        (sum over rows, float32 (float64 for float64 input); rows whose largest logit is
        the label, int64).
    """
    if hidden.device.type != "cpu":
        return _plain(hidden, weight, bias, labels)
    if torch.is_autocast_enabled("cpu"):
        hidden = hidden.to(torch.get_autocast_dtype("cpu"))
    if chunk_rows is None:
        chunk_rows = _CHUNK_ROWS if hidden.dtype == weight.dtype else _CHUNK_ROWS_HALF
    with torch.autocast("cpu", enabled=False):
        result: tuple[Tensor, Tensor] = _ChunkedLoss.apply(  # type: ignore[no-untyped-call]
            hidden, weight, bias, labels, chunk_rows, torch.is_grad_enabled()
        )
    return result


def _plain(hidden: Tensor, weight: Tensor, bias: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
    logits = at_least_float(functional.linear(hidden, weight, bias))
    return summed_cross_entropy(logits, labels), (logits.argmax(-1) == labels).sum()


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
        chunk_rows: int, want_gradient: bool,
    ) -> tuple[Tensor, Tensor]:  # fmt: skip
        wide = weight.dtype
        matrix = weight if hidden.dtype == wide else weight.to(hidden.dtype)
        offset = bias.to(hidden.dtype)
        loss = torch.zeros((), dtype=wide)
        correct = torch.zeros((), dtype=torch.int64)
        to_hidden = torch.empty_like(hidden)
        to_weight, to_bias = torch.zeros_like(weight), torch.zeros_like(bias)
        for start in range(0, hidden.shape[0], chunk_rows):
            rows = hidden[start : start + chunk_rows]
            logits = torch.addmm(offset, rows, matrix.t()).to(wide)
            wanted = labels[start : start + chunk_rows, None]
            used = wanted >= 0
            wanted = wanted.clamp(min=0)
            correct += ((logits.argmax(1, keepdim=True) == wanted) & used).sum()
            normaliser = torch.logsumexp(logits, 1, keepdim=True)
            loss += ((normaliser - logits.gather(1, wanted)) * used).sum()
            if not want_gradient:
                continue
            # The derivative of the loss with respect to the logits, in their place.
            slope = logits.sub_(normaliser).exp_()
            slope.scatter_add_(1, wanted, torch.full_like(normaliser, -1.0)).mul_(used)
            to_bias += slope.sum(0)
            slope = slope.to(hidden.dtype)
            torch.mm(slope, matrix, out=to_hidden[start : start + chunk_rows])
            if hidden.dtype == wide:
                to_weight.addmm_(slope.t(), rows)
            else:
                to_weight += torch.mm(slope.t(), rows)
        if want_gradient:
            ctx.save_for_backward(to_hidden, to_weight, to_bias)
        ctx.mark_non_differentiable(correct)
        return loss, correct

    @staticmethod
    def backward(ctx: Any, gradient: Tensor, _: Tensor) -> tuple[Tensor | None, ...]:
        to_hidden, to_weight, to_bias = ctx.saved_tensors
        return (
            to_hidden * gradient.to(to_hidden.dtype), to_weight * gradient, to_bias * gradient,
            None, None, None,
        )  # fmt: skip
