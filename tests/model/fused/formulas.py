"""What the kernels compute, written down with whole matrices in float64."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import numpy as np
import torch
from torch import Tensor

WORD = 0xFFFFFFFF


def seed_of(first: int, second: int, device) -> Tensor:
    """As kernels take it; the last two numbers are for nothing."""
    return torch.tensor([first, second, 5, 7], dtype=torch.int32, device=device)


def words(numbers: np.ndarray, seed: int) -> np.ndarray:
    word = (numbers.astype(np.uint64) * 0x7FEB352D + (seed * 0x9E3779B1 & WORD)) & WORD
    word = (word ^ (word >> 15)) * 0x846CA68B & WORD
    return word ^ (word >> 16) | 1


def factors(rows: np.ndarray, columns: np.ndarray, rate: float, seed: Sequence[int]) -> Tensor:
    """0 where dropout drops, else 1 / (1 - rate)."""
    if rate == 0.0:
        return torch.ones(len(rows), len(columns), dtype=torch.float64)
    word = words(rows, seed[0])[:, None] * words(columns, seed[1])[None, :] & WORD
    signed = word.astype(np.uint32).view(np.int32)
    return torch.from_numpy(signed >= round(rate * 2**32) - 2**31).double() / (1.0 - rate)


def mixed(projected: Tensor, ragged) -> Tensor:
    """Attention of ragged rows [T, 3H], with the dropout of a `Ragged`."""
    width = projected.shape[1] // 3
    pieces, seed = [], ragged.seed.tolist()
    for begin, end in pairwise(ragged.starts.tolist()):
        shape = (end - begin, 3, ragged.heads, width // ragged.heads)
        query, key, value = projected[begin:end].view(shape).permute(1, 2, 0, 3)
        scores = query @ key.transpose(-1, -2) / shape[-1] ** 0.5
        own = np.arange(begin, end)
        kept = [
            factors(own * ragged.heads + head, own, ragged.rate, seed)
            for head in range(ragged.heads)
        ]
        chances = torch.softmax(scores, -1) * torch.stack(kept)
        pieces.append((chances @ value).transpose(0, 1).reshape(-1, width))
    return torch.cat(pieces)


def added_and_normed(
    projected: Tensor, bias: Tensor, residual: Tensor, gain: Tensor, shift: Tensor, drop
) -> Tensor:
    rows, width = projected.shape
    kept = factors(np.arange(rows), np.arange(width), drop.rate, drop.seed.tolist())
    summed = (projected + bias) * kept + residual
    return torch.nn.functional.layer_norm(summed, (width,), gain, shift, 1e-12)
