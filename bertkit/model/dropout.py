"""Computes dropout with random numbers that are cheap to draw on a CPU.

PyTorch draws Bernoulli numbers on a CPU one by one and on one thread; at BERT-base
sizes that costs more than any other element-wise step. Here one 64-bit draw of a fast
generator (SFC64, seeded from PyTorch's own) decides four elements.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

_STEPS = 1 << 16


def drop_threshold(rate: float) -> int:
    """The dropout rate in 65,536ths, the grain of `keep_mask`."""
    return round(rate * _STEPS)


def keep_mask(count: int, threshold: int) -> Tensor:
    """Independent decisions for `count` elements, on the CPU.

    The stream is seeded by one draw from PyTorch's default generator, so
    `torch.manual_seed` decides it, and the number of threads does not.

    Args:
        count: number of elements.
        threshold: how many 65,536ths of them to drop, on average.

    Returns:
        bool[count], True where the element stays.
    """
    seed = int(torch.randint(1 << 62, ()))
    words = np.random.SFC64(seed).random_raw((count + 3) // 4)
    lanes = torch.from_numpy(words.view(np.int16))[:count]
    return lanes.ge(threshold - _STEPS // 2)


class _CpuDropout(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, values: Tensor, threshold: int) -> Tensor:
        keep = keep_mask(values.numel(), threshold).view(values.shape)
        ctx.scale = _STEPS / (_STEPS - threshold)
        ctx.save_for_backward(keep)
        return (values * keep).mul_(ctx.scale)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None]:
        (keep,) = ctx.saved_tensors
        return (gradient * keep).mul_(ctx.scale), None


def dropout(values: Tensor, rate: float, training: bool) -> Tensor:
    """Zero each element with probability `rate` and scale the rest to keep the mean.

    On a CPU the rate is taken to the nearest 1/65,536, and the scale belongs to that
    rate, so that the mean is kept exactly. (Srivastava et al., 2014.)

    Args:
        values: float tensor of any shape.
        rate: in [0, 1).
        training: without it the values come back as they are.
    """
    if not training or rate == 0.0:
        return values
    threshold = drop_threshold(rate)
    if values.device.type != "cpu" or threshold == 0:
        return functional.dropout(values, rate, True)
    result: Tensor = _CpuDropout.apply(values, threshold)  # type: ignore[no-untyped-call]
    return result
