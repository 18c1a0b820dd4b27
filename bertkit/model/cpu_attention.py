"""Computes attention over runs of equally long sequences, as one autograd step on a CPU.

PyTorch's flash kernel for CPUs has no dropout and its bfloat16 backward pass is slow on
short sequences; the explicit form is faster there. Writing each run's part straight
into one result saves the copies that splitting and joining under autograd would cost.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import Any

import torch
from torch import Tensor

from bertkit.model.dropout import drop_threshold, keep_mask

Runs = Sequence[tuple[int, int]]
_STEPS = 1 << 16
# Longest sequence for which the explicit form wins (measured, forward + backward: level with
# the flash kernel in float32, ahead of it in bfloat16 where the CPU multiplies that type).
_SHORT = 160


def run_attention(projected: Tensor, heads: int, runs: Runs, dropout_rate: float) -> Tensor:
    """Scaled dot-product attention within each sequence.

    Args:
        projected: [T, 3H] query, key and value side by side; float32, float64 or bfloat16.
        heads: attention heads; divides H.
        runs: (sequences, length) in row order, covering exactly T rows, no zero length.
        dropout_rate: dropout on the probabilities.

    Returns:
        [T, H], in the type of `projected`.
    """
    result: Tensor = _RunAttention.apply(  # type: ignore[no-untyped-call]
        projected.contiguous(), heads, tuple(runs), drop_threshold(dropout_rate)
    )
    return result


class _RunAttention(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, projected: Tensor, heads: int, runs: Runs, threshold: int) -> Tensor:
        width = projected.shape[1] // 3
        result = projected.new_empty(projected.shape[0], width)
        saved: list[Tensor] = []
        ctx.heads, ctx.runs, ctx.threshold = heads, runs, threshold
        ctx.explicit = []
        row = 0
        with torch.autocast("cpu", enabled=False):
            for count, length in runs:
                rows = slice(row, row + count * length)
                out = result[rows].view(count, length, heads, -1).transpose(1, 2)
                query, key, value = _split(projected[rows], count, heads)
                explicit = _explicit_wins(projected.dtype, length, threshold)
                forward = _explicit_forward if explicit else _flash_forward
                saved += forward(query, key, value, out, threshold)
                ctx.explicit.append(explicit)
                row += count * length
        ctx.save_for_backward(projected, result, *saved)
        return result

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        projected, result, *saved = ctx.saved_tensors
        total = torch.empty_like(projected)
        gradient = gradient.to(projected.dtype).contiguous()
        kept = iter(saved)
        row = 0
        with torch.autocast("cpu", enabled=False):
            for (count, length), explicit in zip(ctx.runs, ctx.explicit, strict=True):
                rows = slice(row, row + count * length)
                shape = (count, length, ctx.heads, -1)
                out = result[rows].view(shape).transpose(1, 2)
                grad = gradient[rows].view(shape).transpose(1, 2)
                triple = _split(projected[rows], count, ctx.heads)
                backward = _explicit_backward if explicit else _flash_backward
                parts = backward(grad, triple, out, kept, ctx.threshold)
                for target, part in zip(_split(total[rows], count, ctx.heads), parts, strict=True):
                    target.copy_(part)
                row += count * length
        return total, None, None, None


def _explicit_wins(kind: torch.dtype, length: int, threshold: int) -> bool:
    if threshold > 0:
        return True
    return length <= _SHORT and (kind != torch.bfloat16 or _multiplies_bfloat16())


@lru_cache(maxsize=1)
def _multiplies_bfloat16() -> bool:
    check = getattr(torch.cpu, "_is_avx512_bf16_supported", None)
    return bool(check and check())


def _split(rows: Tensor, count: int, heads: int) -> tuple[Tensor, Tensor, Tensor]:
    """Views [count, heads, length, D] of query, key and value of one run."""
    size = rows.shape[1] // 3 // heads
    query, key, value = rows.view(count, -1, 3, heads, size).permute(2, 0, 3, 1, 4).unbind(0)
    return query, key, value


def _flash_forward(
    query: Tensor, key: Tensor, value: Tensor, out: Tensor, threshold: int
) -> list[Tensor]:
    mixed, normaliser = torch.ops.aten._scaled_dot_product_flash_attention_for_cpu(
        query, key, value
    )
    out.copy_(mixed)
    return [normaliser]


def _flash_backward(
    gradient: Tensor, triple: tuple[Tensor, Tensor, Tensor], out: Tensor, kept: Any, threshold: int
) -> tuple[Tensor, Tensor, Tensor]:
    query, key, value = triple
    parts: tuple[Tensor, Tensor, Tensor] = (
        torch.ops.aten._scaled_dot_product_flash_attention_for_cpu_backward(
            gradient, query, key, value, out, next(kept), 0.0, False
        )
    )
    return parts


def _explicit_forward(
    query: Tensor, key: Tensor, value: Tensor, out: Tensor, threshold: int
) -> list[Tensor]:
    """softmax(query keyᵀ / √D), dropout, times value; keeps probabilities and decisions."""
    scores = torch.matmul(query, key.transpose(-1, -2)).mul_(query.shape[-1] ** -0.5)
    chances = torch.softmax(scores, -1)
    if threshold == 0:
        out.copy_(torch.matmul(chances, value))
        return [chances]
    keep = keep_mask(chances.numel(), threshold).view(chances.shape)
    torch.mul(chances, keep, out=scores)
    out.copy_(torch.matmul(scores, value).mul_(_STEPS / (_STEPS - threshold)))
    return [chances, keep]


def _explicit_backward(
    gradient: Tensor, triple: tuple[Tensor, Tensor, Tensor], out: Tensor, kept: Any, threshold: int
) -> tuple[Tensor, Tensor, Tensor]:
    query, key, value = triple
    chances = next(kept)
    keep = next(kept) if threshold else None
    # The scale of dropout goes to the small gradient once, not to the large matrices twice.
    if keep is not None:
        gradient = gradient * (_STEPS / (_STEPS - threshold))
    dropped = chances if keep is None else chances * keep
    to_value = torch.matmul(dropped.transpose(-1, -2), gradient)
    to_chances = torch.matmul(gradient, value.transpose(-1, -2))
    if keep is not None:
        to_chances.mul_(keep)
    to_scores = torch.ops.aten._softmax_backward_data(to_chances, chances, -1, chances.dtype)
    to_scores.mul_(query.shape[-1] ** -0.5)
    to_query = torch.matmul(to_scores, key)
    to_key = torch.matmul(to_scores.transpose(-1, -2), query)
    return to_query, to_key, to_value
