"""What the kernels of a fused layer compute, by PyTorch's operators, the same dropout included.

For comparisons: it keeps every probability of attention.
"""

from __future__ import annotations

from itertools import accumulate, pairwise
from typing import Any

import torch
from torch import Tensor

from bertkit.model.attention import UnpaddedLayout
from bertkit.model.bert import AddAndNorm, EncoderLayer, activation, picked
from bertkit.model.fused.random_bits import keep_threshold

_WORD = 0xFFFFFFFF


def reference_layer(
    layer: EncoderLayer,
    rows: Tensor,
    layout: UnpaddedLayout,
    keep: Tensor | None,
    seeds: Tensor,
    fp8: bool = False,
) -> Tensor:
    """Rows [T, H] to [T, H], or to the M rows numbered `keep`, as `fused_layer`.

    Args:
        layer: in training it drops.
        rows: of the type of its weights.
        layout: the sequences of these rows.
        keep: int64[M], or None.
        seeds: int32[3, 4] as the layer draws them: of attention, and of what follows it.
        fp8: round the factors of products to 8 bits, where the layer does.
    """
    mixing, widening, last = layer.attention.output, layer.intermediate, layer.output
    joined, joined_bias = layer.attention.self.joined()
    projected = linear(rows, joined, joined_bias, fp8, False)
    mixed = _mixed(layer, projected, layout, seeds[0])
    if keep is not None:
        mixed, rows = picked(mixed, keep), picked(rows, keep)
    middle = _added_and_normed(mixing, mixing.dense(mixed), rows, seeds[1])
    wide = linear(middle, widening.dense.weight, widening.dense.bias, fp8, True)
    bent = activation(wide, widening.kind)
    narrow = linear(bent, last.dense.weight, last.dense.bias, fp8, True)
    return _added_and_normed(last, narrow, middle, seeds[2])


def linear(rows: Tensor, weight: Tensor, bias: Tensor, fp8: bool, back: bool) -> Tensor:
    """rows [T, K] @ weight [N, K] transposed + bias [N].

    With fp8 its factors are rounded to 8 bits, and with `back` those of the rows' gradient, too.
    """
    if not fp8:
        return torch.nn.functional.linear(rows, weight, bias)
    product: Tensor = _Rounded.apply(rows, weight, back)  # type: ignore[no-untyped-call]
    return product + bias


class _Rounded(torch.autograd.Function):
    """A product whose factors are rounded to 8 bits, but for the gradient of the weight."""

    @staticmethod
    def forward(ctx: Any, rows: Tensor, weight: Tensor, back: bool) -> Tensor:
        ctx.save_for_backward(rows, weight)
        ctx.back = back
        return rounded_to_fp8(rows) @ rounded_to_fp8(weight).t()

    @staticmethod
    def backward(ctx: Any, given: Tensor) -> tuple[Tensor, Tensor, None]:
        rows, weight = ctx.saved_tensors
        to_rows = given @ weight
        if ctx.back:
            to_rows = rounded_to_fp8(given) @ rounded_to_fp8(weight, True)
        return to_rows, given.t() @ rows, None


def rounded_to_fp8(matrix: Tensor, together: bool = False) -> Tensor:
    """The nearest numbers in 8 bits to those of a matrix [T, W], of its type.

    Each row is divided by the smallest power of 2 that makes it at most 448; or all are,
    `together`, by the largest of these.
    """
    largest = matrix.abs().amax(-1, keepdim=True).clamp(min=2.0**-90)
    if together:
        largest = largest.amax()
    share, exponent = torch.frexp(largest.float())  # 448 is 0.875 * 2^9
    scales = torch.ldexp(torch.ones_like(share), exponent - 9 + (share > 0.875).int())
    return ((matrix / scales).to(torch.float8_e4m3fn).to(matrix.dtype) * scales).to(matrix.dtype)


def _mixed(layer: EncoderLayer, projected: Tensor, layout: UnpaddedLayout, seed: Tensor) -> Tensor:
    attention = layer.attention.self
    heads, width = attention.heads, projected.shape[1] // 3
    size = width // heads
    numbers = torch.arange(len(projected), device=projected.device)
    own = numbers * heads + torch.arange(heads, device=projected.device)[:, None]
    rate = attention.rate if layer.training else 0.0
    pieces = []
    for begin, end in pairwise((0, *accumulate(layout.lengths))):
        parts = projected[begin:end].view(end - begin, 3, heads, size)
        query, key, value = parts.permute(1, 2, 0, 3)
        chances = torch.softmax(query @ key.transpose(1, 2) / size**0.5, -1)
        chances = dropped(chances, own[:, begin:end], numbers[begin:end], rate, seed)
        pieces.append((chances @ value).transpose(0, 1).reshape(-1, width))
    return torch.cat(pieces)


def _added_and_normed(
    part: AddAndNorm, projected: Tensor, residual: Tensor, seed: Tensor
) -> Tensor:
    lines, columns = (torch.arange(size, device=projected.device) for size in projected.shape)
    rate = part.rate if part.training else 0.0
    normed: Tensor = part.LayerNorm(dropped(projected, lines, columns, rate, seed) + residual)
    return normed


def dropped(values: Tensor, lines: Tensor, columns: Tensor, rate: float, seed: Tensor) -> Tensor:
    """Values [..., R, C] of which those stay, and grow, that `random_bits.keeps` keeps.

    Args:
        values: of any type.
        lines: int64[..., R], the numbers of their rows.
        columns: int64[C].
        rate: of dropout; 0: the values themselves.
        seed: int32[4].
    """
    if rate == 0:
        return values
    one, other = seed[:2].long()
    word = _words(lines, one)[..., None] * _words(columns, other) & _WORD
    signed = word - ((word >> 31) << 32)
    return torch.where(signed >= keep_threshold(rate), values / (1.0 - rate), 0.0)


def _words(numbers: Tensor, seed: Tensor) -> Tensor:
    """Of rows or columns, as `random_bits.line_words`; what is beyond 64 bits is cut off."""
    word = (numbers * 0x7FEB352D + seed * 0x9E3779B1) & _WORD
    word = (word ^ (word >> 15)) * 0x846CA68B & _WORD
    return (word ^ (word >> 16)) | 1
