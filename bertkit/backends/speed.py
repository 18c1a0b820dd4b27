"""How fast a device multiplies matrices, measured: the limit a training can be held against."""

from __future__ import annotations

import time

import torch

HALF = {"bf16": torch.bfloat16, "fp16": torch.float16}


def matrix_flops(device: torch.device, precision: str, seconds: float = 0.5) -> float:
    """Floating point operations per second of large matrix products; the best of several.

    Args:
        device: to measure.
        precision: fp32, bf16 or fp16.
        seconds: about how long to measure.
    """
    size = 1024 if device.type == "cpu" else 8192
    kind = HALF.get(precision, torch.float32)
    left = torch.full((size, size), 0.5, dtype=kind, device=device)
    right = torch.full((size, size), 0.25, dtype=kind, device=device)
    best = 0.0
    end = time.perf_counter() + seconds
    torch.mm(left, right)
    while time.perf_counter() < end or not best:
        _wait(device)
        begin = time.perf_counter()
        for _ in range(4):
            torch.mm(left, right)
        _wait(device)
        best = max(best, 4 * 2 * size**3 / (time.perf_counter() - begin))
    return best


def _wait(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)
