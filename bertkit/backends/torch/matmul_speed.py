"""Measures how fast a device multiplies matrices, as the peak to compare training with."""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import partial

import torch

HALF = {"bf16": torch.bfloat16, "fp16": torch.float16}


def matrix_flops(
    device: torch.device,
    precision: str,
    seconds: float = 0.5,
    wait: Callable[[], None] | None = None,
    size: int = 0,
) -> float:
    """Floating point operations per second of large matrix products; the best of several.

    Args:
        device: to measure.
        precision: fp32, bf16 or fp16.
        seconds: about how long to measure.
        wait: returns when the device has done all it was given; None where torch knows how.
        size: rows and columns of the matrices; 0: enough to fill the device.
    """
    size = size or (1024 if device.type == "cpu" else 8192)
    wait = wait or partial(wait_for, device)
    kind = HALF.get(precision, torch.float32)
    left = torch.full((size, size), 0.5, dtype=kind, device=device)
    right = torch.full((size, size), 1 / size, dtype=kind, device=device)
    best = 0.0
    end = time.perf_counter() + seconds
    while time.perf_counter() < end or not best:
        # Each product needs the one before: a compiling engine can leave none of them out.
        left = torch.mm(left, right)
        wait()
        begin = time.perf_counter()
        for _ in range(4):
            left = torch.mm(left, right)
        wait()
        best = max(best, 4 * 2 * size**3 / (time.perf_counter() - begin))
    return best


def wait_for(device: torch.device) -> None:
    """Return when the device has done all it was given."""
    if device.type != "cpu":
        torch.accelerator.synchronize(device)
