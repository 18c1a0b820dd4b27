"""What the kernels of a fused layer compute, by PyTorch's operators, the same dropout included.

For comparisons: it keeps every probability of attention.
"""

from __future__ import annotations

from itertools import accumulate, pairwise

import torch
from torch import Tensor

from bertkit.model.attention import UnpaddedLayout
from bertkit.model.bert import AddAndNorm, EncoderLayer, picked
from bertkit.model.fused.random_bits import keep_threshold

_WORD = 0xFFFFFFFF


def reference_layer(
    layer: EncoderLayer, rows: Tensor, layout: UnpaddedLayout, keep: Tensor | None, seeds: Tensor
) -> Tensor:
    """Rows [T, H] to [T, H], or to the M rows numbered `keep`, as `fused_layer`.

    Args:
        layer: in training it drops.
        rows: of the type of its weights.
        layout: the sequences of these rows.
        keep: int64[M], or None.
        seeds: int32[3, 4] as the layer draws them: of attention, and of what follows it.
    """
    mixing = layer.attention.output
    mixed = _mixed(layer, rows, layout, seeds[0])
    if keep is not None:
        mixed, rows = picked(mixed, keep), picked(rows, keep)
    middle = _added_and_normed(mixing, mixed, rows, seeds[1])
    return _added_and_normed(layer.output, layer.intermediate(middle), middle, seeds[2])


def _mixed(layer: EncoderLayer, rows: Tensor, layout: UnpaddedLayout, seed: Tensor) -> Tensor:
    attention = layer.attention.self
    heads, width = attention.heads, rows.shape[1]
    size = width // heads
    projected = torch.nn.functional.linear(rows, *attention.joined())
    numbers = torch.arange(len(rows), device=rows.device)
    own = numbers * heads + torch.arange(heads, device=rows.device)[:, None]
    rate = attention.rate if layer.training else 0.0
    pieces = []
    for begin, end in pairwise((0, *accumulate(layout.lengths))):
        parts = projected[begin:end].view(end - begin, 3, heads, size)
        query, key, value = parts.permute(1, 2, 0, 3)
        chances = torch.softmax(query @ key.transpose(1, 2) / size**0.5, -1)
        chances = dropped(chances, own[:, begin:end], numbers[begin:end], rate, seed)
        pieces.append((chances @ value).transpose(0, 1).reshape(-1, width))
    return torch.cat(pieces)


def _added_and_normed(part: AddAndNorm, rows: Tensor, residual: Tensor, seed: Tensor) -> Tensor:
    projected: Tensor = part.dense(rows)
    lines, columns = (torch.arange(size, device=rows.device) for size in projected.shape)
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
