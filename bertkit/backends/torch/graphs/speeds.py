"""Measures how fast a GPU computes, and how fast its host gives it work."""

from __future__ import annotations

import time
from dataclasses import dataclass

import torch
from torch import Tensor

from bertkit.backends.torch.fused.trial import Case, Way, milliseconds
from bertkit.backends.torch.matmul_speed import HALF, matrix_flops, wait_for

_PRODUCTS = 4096  # rows and columns
_SECONDS = 0.05
_COPIED = 1 << 27  # bytes, more than a GPU keeps beside its memory
_ROUNDS, _CALLS = 3, 4
# A layer so small that every GPU waits for its host.
_LAYER = Case(
    hidden_size=128, num_attention_heads=2, intermediate_size=512, hidden_act="gelu",
    hidden_dropout_prob=0.1, attention_probs_dropout_prob=0.1, rows=64, longest=16,
    compiled=False, dynamic=True,
)  # fmt: skip


@dataclass(frozen=True)
class Speeds:
    """Of a GPU and of its host.

    Attributes:
        products: floating point operations per second of large matrix products.
        copies: bytes that a copy on the GPU reads and writes per second.
        layer: seconds that the host needs to start the kernels of an encoder layer's forward
            and backward pass.
    """

    products: float
    copies: float
    layer: float


def measured(device: torch.device, precision: str) -> Speeds:
    """The speeds of a GPU, in about a second; leaves random numbers and memory as they were.

    Args:
        device: to measure; a CPU is its own host.
        precision: of products.

    Raises:
        RuntimeError: the device cannot be used, or has no room for 300 MB.
    """
    on_gpu = device.type == "cuda"
    with torch.random.fork_rng([device] if on_gpu else []):
        found = Speeds(
            matrix_flops(device, precision, seconds=_SECONDS, size=_PRODUCTS),
            _copy_speed(device),
            _layer_seconds(device, HALF.get(precision, torch.float32)),
        )
    if on_gpu:
        torch.cuda.empty_cache()
        torch.cuda.reset_peak_memory_stats(device)
    return found


def _copy_speed(device: torch.device) -> float:
    source = torch.zeros(_COPIED, dtype=torch.uint8, device=device)
    target, best = torch.empty_like(source), float("inf")
    for _ in range(_ROUNDS + 1):  # the first one wakes the device up
        wait_for(device)
        begin = time.perf_counter()
        for _ in range(_CALLS):
            target.copy_(source)
        wait_for(device)
        best = min(best, time.perf_counter() - begin)
    return _CALLS * 2 * _COPIED / best


def _layer_seconds(device: torch.device, kind: torch.dtype) -> float:
    layer = _LAYER.layer().to(device, kind)
    layout = _LAYER.layout().to(device)
    rows = torch.zeros(layout.rows, _LAYER.hidden_size, dtype=kind, device=device)

    def call(rows: Tensor) -> Tensor:
        return layer(rows, layout)  # type: ignore[no-any-return]

    (found,) = milliseconds([Way(layer, call)], rows)
    return found / 1e3
