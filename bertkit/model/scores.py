"""Computes the scores that a head gives to rows, in float32 whatever the encoder computes in."""

from __future__ import annotations

import torch
from torch import Tensor, nn


def head_scores(head: nn.Linear, rows: Tensor) -> Tensor:
    """The product of rows with a head of few scores, and its bias.

    bfloat16 has 8 bits: scores rounded to it come in steps of 0.4 %, so that answers tie and
    whoever ranks by them does so by chance. A head costs next to nothing, so it keeps its
    weights' type, under autocast too.

    Args:
        head: of H columns and C scores; engines with half types of their own have made it half.
        rows: [M, H], of any type.

    Returns:
        [M, C], float32 (float64 of such a head).
    """
    device = rows.device.type
    if is_autocast(device):
        with torch.autocast(device, enabled=False):
            return at_least_float(_product(head, rows))
    return at_least_float(_product(head, rows))


def is_autocast(device: str) -> bool:
    """Whether operators on devices of a type choose their types themselves; not of unknown ones."""
    return torch.amp.is_autocast_available(device) and torch.is_autocast_enabled(device)


def at_least_float(values: Tensor) -> Tensor:
    """Half precision widened to float32; float32 and float64 as they are."""
    return values if values.dtype in (torch.float32, torch.float64) else values.float()


def _product(head: nn.Linear, rows: Tensor) -> Tensor:
    scores: Tensor = head(rows.to(head.weight.dtype))
    return scores
