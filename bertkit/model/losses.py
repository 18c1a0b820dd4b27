"""Computes cross entropy, summed over rows with a weight for each."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.nn import functional

from bertkit.model.chunked_loss import chunked_loss, padded_copy, padded_size
from bertkit.model.cpu_half.loss import words_loss
from bertkit.model.cpu_loss import blocked_loss
from bertkit.model.fused.dispatch import loss_is_fused
from bertkit.model.scores import at_least_float, is_autocast

# rows [M, H], matrix [V, H], bias [V] to [M, V], as `functional.linear`.
Projection = Callable[[Tensor, Tensor, Tensor], Tensor]
_MANY = 1 << 24  # logits; the kernels of fewer take longer to start than to run


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
    row_weights: Tensor | None = None,
    project: Projection | None = None,
    fused: bool = False,
) -> LossSums:
    """Cross entropy of softmax(hidden weightᵀ + bias), summed over rows.

    Not all logits are held at a time: on a CPU see `bertkit.model.cpu_loss`, or in bfloat16
    `bertkit.model.cpu_half.loss`; on CUDA, where they are many or kernels are there,
    `bertkit.model.chunked_loss`, but for float16 and where PyTorch compiles this, which makes
    few kernels of the whole. On CUDA the vocabulary is padded, see `wide_projection`.

    Args:
        hidden: [M, H], in the compute type.
        weight: [V, H], float32.
        bias: [V], float32.
        labels: int64[M]; negative ones do not count.
        row_weights: float[M], see `weighted_cross_entropy`.
        project: makes the logits; None: as `functional.linear` does, or `wide_projection`; not
            used on a CPU.
        fused: with the kernels of `bertkit.model.fused`, where they can compute this.
    """
    if hidden.device.type != "cpu" or torch.compiler.is_compiling():
        device = hidden.device.type
        # Autocast makes the types alike itself; elsewhere the padded copy does.
        unlike = hidden.dtype != weight.dtype and (device != "meta" and not is_autocast(device))
        if project is None and _in_chunks(hidden, weight, fused):
            factors, labels = _weights_of_rows(labels, row_weights, weight.dtype)
            hidden = hidden.to(_compute_type(hidden))
            return LossSums(*chunked_loss(hidden, weight, bias, labels, factors, fused=fused))
        if project is None and (device == "cuda" or unlike):
            project = wide_projection
        logits = (project or functional.linear)(hidden, weight, bias)
        return weighted_cross_entropy(logits, labels, row_weights)
    if is_autocast("cpu"):
        hidden = hidden.to(torch.get_autocast_dtype("cpu"))
    if row_weights is None:
        row_weights = (labels >= 0).to(weight.dtype)
    half = hidden.dtype == torch.bfloat16 and weight.dtype == torch.float32
    sums = (words_loss if half else blocked_loss)(hidden, weight, bias, labels, row_weights)
    return LossSums(*sums)


def wide_projection(hidden: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    """Logits over a vocabulary that is padded to a round number.

    Matrix kernels of GPUs run at a third of their speed where rows do not begin at
    multiples of 16 bytes: BERT's 30,522 words at 249 TFLOP/s, 30,528 at 705 (H100, bf16).
    Weights have to be made half precision anyway, so the padding costs no pass of its own.

    Args:
        hidden: [M, H].
        weight: [V, H].
        bias: [V].

    Returns:
        [M, V rounded up to 64], in the compute type; the logits of padding are so low that
        their probability is exactly 0, as is their gradient.
    """
    kind = _compute_type(hidden)
    rows = padded_size(len(weight))
    wide = _padded(weight, rows, kind, 0.0)
    floor = _padded(bias, rows, kind, torch.finfo(kind).min)
    return functional.linear(hidden.to(kind), wide, floor)


def _in_chunks(hidden: Tensor, weight: Tensor, fused: bool) -> bool:
    """Whether `chunked_loss` is for these tensors."""
    return (
        hidden.device.type in ("cuda", "meta")  # which takes the way of CUDA
        and _compute_type(hidden) != torch.float16
        and weight.dtype in (torch.float32, torch.float64)
        and not torch.compiler.is_compiling()
        and (len(hidden) * len(weight) >= _MANY or (fused and loss_is_fused(hidden, weight)))
    )


def _compute_type(hidden: Tensor) -> torch.dtype:
    """Of products with these rows."""
    device = hidden.device.type
    if is_autocast(device):
        return torch.get_autocast_dtype(device)
    return hidden.dtype


def _padded(values: Tensor, rows: int, kind: torch.dtype, fill: float) -> Tensor:
    """A copy of another type with more rows."""
    if torch.compiler.is_compiling():  # which makes one kernel of this
        extra = (0, 0) * (values.dim() - 1) + (0, rows - len(values))
        return functional.pad(values.to(kind), extra, value=fill)
    result: Tensor = _Padded.apply(values, rows, kind, fill)  # type: ignore[no-untyped-call]
    return result


class _Padded(torch.autograd.Function):
    """One pass each way."""

    @staticmethod
    def forward(ctx: Any, values: Tensor, rows: int, kind: torch.dtype, fill: float) -> Tensor:
        ctx.count, ctx.kind = len(values), values.dtype
        return padded_copy(values, rows, kind, fill)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None, None, None]:
        return gradient[: ctx.count].to(ctx.kind), None, None, None


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
    row_weights, labels = _weights_of_rows(labels, row_weights, logits.dtype)
    rows = functional.cross_entropy(logits, labels, reduction="none")
    counts = (row_weights > 0).to(rows.dtype)
    right = (logits.argmax(-1) == labels).to(rows.dtype)
    return LossSums(
        (rows * row_weights).sum(),
        (right * counts).sum(),
        (rows.detach() * counts).sum(),
        counts.sum(),
    )


def _weights_of_rows(
    labels: Tensor, row_weights: Tensor | None, kind: torch.dtype
) -> tuple[Tensor, Tensor]:
    """Weights, and labels that a table can be read at."""
    if row_weights is not None:
        return row_weights, labels
    return (labels >= 0).to(kind), labels.clamp(min=0)
