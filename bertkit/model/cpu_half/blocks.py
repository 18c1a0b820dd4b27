"""The steps of a BERT layer in bf16 on a CPU, each with its gradients.

A step is one product with a weight and what follows it: bias, dropout, residual and layer
norm, or bias and activation. Rows that are multiplied, weights and biases are bf16; residuals
and what belongs to layer norms float32.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from bertkit.model.cpu_half.rows import bits, blocks, new_key, spread, turned
from bertkit.model.dropout import drop_threshold


class Rows(NamedTuple):
    """Rows twice.

    Attributes:
        half: bfloat16[T, H], for products.
        full: float32[T, H], to be added to.
    """

    half: Tensor
    full: Tensor


def activated(rows: Tensor, weight: Tensor, bias: Tensor, kind: str) -> Tensor:
    """The activation of a projection.

    Args:
        rows: [T, H].
        weight: [N, H].
        bias: [N].
        kind: gelu, gelu_new or relu.

    Returns:
        [T, N].
    """
    result: Tensor = _Activated.apply(rows, weight, bias, kind)  # type: ignore[no-untyped-call]
    return result


def added_and_normed(
    rows: Tensor,
    weight: Tensor,
    bias: Tensor,
    residual: Tensor,
    gain: Tensor,
    offset: Tensor,
    epsilon: float,
    rate: float,
) -> Rows:
    """Layer norm of a projection's dropout and the residual.

    Args:
        rows: [T, N].
        weight: [H, N].
        bias: [H].
        residual: float32[T, H].
        gain: float32[H].
        offset: float32[H].
        epsilon: added to the variance.
        rate: of dropout, taken to the nearest 1/65,536.
    """
    half, full = _AddedAndNormed.apply(  # type: ignore[no-untyped-call]
        rows, weight, bias, residual, gain, offset, epsilon, drop_threshold(rate)
    )
    return Rows(half, full)


def to_rows_and_weight(
    gradient: Tensor, across: Tensor, rows: Tensor, weight: Tensor
) -> tuple[Tensor, Tensor]:
    """Gradients of the rows and the weight of a product.

    Args:
        gradient: [T, N], of the product.
        across: the same transposed, [N, T or more].
        rows: [T, H].
        weight: [N, H].
    """
    return torch.mm(gradient, weight), torch.mm(across[:, : len(rows)], rows)


class _Activated(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, rows: Tensor, weight: Tensor, bias: Tensor, kind: str) -> Tensor:
        from bertkit.model.cpu_half.kernels import activation

        kinds = {"gelu": activation.GELU, "gelu_new": activation.GELU_TANH}
        ctx.kind = kinds.get(kind, activation.RELU)
        projected = torch.mm(rows, weight.t())
        result = torch.empty_like(projected)
        parts = bits(projected), bits(bias), ctx.kind, bits(result)
        spread(activation.activate, blocks(len(rows)), *parts)
        ctx.save_for_backward(rows, weight, bias, projected)
        return result

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        from bertkit.model.cpu_half.kernels import activation

        rows, weight, bias, projected = ctx.saved_tensors
        count, width = projected.shape
        result, across = torch.empty_like(projected), turned(count, width)
        sums = np.empty((blocks(count), width), np.float32)
        given = bits(gradient.contiguous()), bits(projected), bits(bias), ctx.kind
        made = bits(result), bits(across), sums
        spread(activation.activate_back, blocks(count), *given, *made)
        to_rows, to_weight = to_rows_and_weight(result, across, rows, weight)
        return to_rows, to_weight, torch.from_numpy(sums.sum(0)), None


class _AddedAndNormed(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any,
        rows: Tensor,
        weight: Tensor,
        bias: Tensor,
        residual: Tensor,
        gain: Tensor,
        offset: Tensor,
        epsilon: float,
        threshold: int,
    ) -> tuple[Tensor, Tensor]:
        from bertkit.model.cpu_half.kernels import norm

        ctx.set_materialize_grads(False)
        ctx.threshold = threshold
        ctx.key = new_key() if threshold else np.zeros(2, np.uint32)
        projected = torch.mm(rows, weight.t())
        half, moments = torch.empty_like(projected), torch.empty(len(rows), 2)
        summed, full = torch.empty(projected.shape), torch.empty(projected.shape)
        own = bits(projected), bits(bias), bits(residual.contiguous())
        given = *own, bits(gain), bits(offset), epsilon
        made = bits(summed), bits(half), bits(full), bits(moments)
        spread(
            norm.add_and_norm,
            blocks(len(rows)),
            *(*given, ctx.key, threshold, *made),
        )
        ctx.save_for_backward(rows, weight, gain, summed, moments)
        return half, full

    @staticmethod
    def backward(ctx: Any, half: Tensor | None, full: Tensor | None) -> tuple[Tensor | None, ...]:
        from bertkit.model.cpu_half.kernels import norm

        rows, weight, gain, summed, moments = ctx.saved_tensors
        count, width = summed.shape
        half = rows.new_zeros(summed.shape) if half is None else half.contiguous()
        full = torch.zeros_like(summed) if full is None else full.contiguous()
        to_residual, to_projected = torch.empty_like(summed), torch.empty_like(half)
        across = turned(count, width)
        sums = np.empty((3, blocks(count), width), np.float32)
        given = bits(half), bits(full), bits(summed), bits(moments), bits(gain)
        made = bits(to_residual), bits(to_projected), bits(across), sums
        spread(
            norm.add_and_norm_back,
            blocks(count),
            *(*given, ctx.key, ctx.threshold, *made),
            scratch=2 * width,
        )
        to_rows, to_weight = to_rows_and_weight(to_projected, across, rows, weight)
        to_gain, to_offset, to_bias = (torch.from_numpy(part) for part in sums.sum(1))
        return to_rows, to_weight, to_bias, to_residual, to_gain, to_offset, None, None
