"""Shows PyTorch's bf16 tensors to kernels, and divides their rows among threads."""

from __future__ import annotations

import ctypes
import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import cache, lru_cache
from typing import Any

import numpy as np
import torch
from torch import Tensor

from bertkit.kernels.team import TEAM_FUNCTIONS
from bertkit.model.cpu_half.kernels import shared

BLOCK = 64  # rows of a block; the kernels know this number
SIDE = 32  # what the columns of transposed rows are filled up to


def bits(values: Tensor) -> np.ndarray:
    """A bf16 tensor as uint16, float32 as it is; the same memory."""
    plain = values.detach()
    array: np.ndarray = (
        plain.view(torch.uint16) if plain.dtype == torch.bfloat16 else plain
    ).numpy()
    return array


def blocks(count: int) -> int:
    """Blocks of so many rows."""
    return -(-count // BLOCK)


def turned(rows: int, columns: int) -> Tensor:
    """Memory for bf16 rows [rows, columns] transposed: [columns, rows up to a round number].

    Kernels fill it, with zeros behind the rows.
    """
    return torch.empty(columns, -(-rows // SIDE) * SIDE, dtype=torch.bfloat16)


def new_key() -> np.ndarray:
    """The key of random numbers, uint32[2], by one draw of PyTorch's default generator."""
    seed = int(torch.randint(1 << 62, ()))
    return np.array([seed & 0xFFFFFFFF, seed >> 32], np.uint32)


def spread(kernel: Callable[..., Any], count: int, *arguments: Any, scratch: int = 0) -> None:
    """Run a kernel on so many blocks, divided among as many threads as PyTorch uses.

    The result does not depend on their number: no block reads what another one writes.

    Args:
        kernel: one of `bertkit.model.cpu_half.kernels.shared`: takes the first block, the one
            behind the last, and the arguments.
        count: of blocks.
        arguments: for the kernel.
        scratch: floats of memory for each thread, the argument before the others; 0: none.
    """
    threads = torch.get_num_threads()
    if threads > 1 and (places := team_places()):
        memory = np.empty(threads * scratch, np.float32) if scratch else None
        shared.of(kernel)(places, threads, count, memory, arguments)
    else:
        _by_python(kernel, count, max(1, min(threads, count)), scratch, arguments)


@cache
def team_places() -> tuple[int, int, int] | None:
    """Addresses of what `bertkit.kernels.team` calls; None where PyTorch has no OpenMP like it."""
    try:
        found = ctypes.CDLL(torch._C.__file__)
        functions = (getattr(found, name) for name in TEAM_FUNCTIONS)
        one, two, three = (ctypes.cast(item, ctypes.c_void_p).value or 0 for item in functions)
    except (AttributeError, OSError):
        return None
    return one, two, three


def _by_python(
    kernel: Callable[..., Any], count: int, threads: int, scratch: int, arguments: tuple[Any, ...]
) -> None:
    """The same on threads that Python starts."""
    ends = [count * number // threads for number in range(threads + 1)]

    def part(number: int) -> None:
        own = (np.empty(scratch, np.float32),) if scratch else ()
        kernel(ends[number], ends[number + 1], *own, *arguments)

    others = [_pool(os.getpid()).submit(part, number) for number in range(1, threads)]
    try:
        part(0)
    finally:
        for other in others:
            other.result()


@lru_cache(maxsize=1)
def _pool(process: int) -> ThreadPoolExecutor:
    """Threads of this process: a fork has none of its parent's."""
    return ThreadPoolExecutor(max(1, torch.get_num_threads() - 1), "bf16")
