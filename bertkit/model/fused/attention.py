"""Calls the attention kernels: see `attention_kernels`."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from bertkit.model.fused import attention_kernels as kernels
from bertkit.model.fused.launch import Kernel
from bertkit.model.fused.random_bits import keep_threshold

_FORWARD = Kernel(kernels.attention_forward)
_QUERY = Kernel(kernels.attention_backward_query)
_KEY_VALUE = Kernel(kernels.attention_backward_key_value)


@dataclass(frozen=True)
class Tiles:
    """Queries and keys per tile, warps, and stages of loads ahead, of one kernel."""

    queries: int
    keys: int
    warps: int
    stages: int


@dataclass(frozen=True)
class TileChoice:
    """Tiles of the three kernels, see benchmarks/gpu_tiles.py for how they were found."""

    forward: Tiles
    query: Tiles
    key_value: Tiles


def chosen_tiles(size: int) -> TileChoice:
    """Tiles for heads of this size."""
    if size <= 64:
        return TileChoice(Tiles(64, 64, 4, 3), Tiles(64, 32, 4, 4), Tiles(16, 64, 4, 3))
    return TileChoice(Tiles(128, 64, 8, 2), Tiles(64, 64, 4, 2), Tiles(64, 64, 4, 2))


@dataclass(frozen=True)
class Ragged:
    """What the kernels need to know of a batch and its dropout.

    Attributes:
        starts: int32[N + 1] on the device, where sequences begin, and the end.
        longest: rows of the longest sequence, at least.
        heads: of attention.
        rate: of dropout on the probabilities.
        seed: of the mask, see `random_bits.draw_seeds`; at a rate of 0 it is not read.
    """

    starts: Tensor
    longest: int
    heads: int
    rate: float
    seed: Tensor

    def blocks(self, rows: int) -> int:
        """Tiles of so many rows that the longest sequence has."""
        return -(-self.longest // rows)

    def programs(self, rows: int) -> tuple[int, int, int]:
        """The launch: every tile of every head of every sequence."""
        return self.blocks(rows) * self.heads * (len(self.starts) - 1), 1, 1

    def constants(self, size: int, tiles: Tiles) -> dict[str, Any]:
        """What kernels are compiled for."""
        shape = {"HEADS": self.heads, "SIZE": size, "M": tiles.queries, "N": tiles.keys}
        return {**shape, "DROPS": self.rate > 0}

    @property
    def grow(self) -> float:
        """What dropout multiplies by."""
        return 1.0 / (1.0 - self.rate)


def attention_forward(
    projected: Tensor, ragged: Ragged, tiles: Tiles | None = None
) -> tuple[Tensor, Tensor]:
    """Attention within each sequence.

    Args:
        projected: half precision [T, 3H], contiguous: query, key and value side by side.
        ragged: the sequences, which cover all T rows.
        tiles: others than those chosen for the size of a head.

    Returns:
        [T, H], and float32[heads, T], which the backward pass needs.
    """
    width = projected.shape[1] // 3
    size = width // ragged.heads
    tiles = tiles or chosen_tiles(size).forward
    out = projected.new_empty((len(projected), width))
    lse = projected.new_empty((ragged.heads, len(projected)), dtype=torch.float32)
    _FORWARD.launch(
        ragged.programs(tiles.queries),
        (
            projected,
            out,
            lse,
            ragged.starts,
            ragged.seed,
            ragged.blocks(tiles.queries),
            len(projected),
            keep_threshold(ragged.rate),
            math.log2(math.e) / math.sqrt(size),
            ragged.grow,
        ),
        ragged.constants(size, tiles),
        tiles.warps,
        tiles.stages,
    )
    return out, lse


def attention_backward(
    projected: Tensor,
    out: Tensor,
    lse: Tensor,
    given: Tensor,
    ragged: Ragged,
    choice: TileChoice | None = None,
) -> Tensor:
    """The gradient [T, 3H] of `projected`, from that of the output and what forward returned."""
    width = out.shape[1]
    size = width // ragged.heads
    choice = choice or chosen_tiles(size)
    result, deltas = torch.empty_like(projected), torch.empty_like(lse)
    scales = (
        keep_threshold(ragged.rate),
        math.log2(math.e) / math.sqrt(size),
        1.0 / math.sqrt(size),
        ragged.grow,
    )
    tiles, rows = choice.query, choice.query.queries
    common = (ragged.starts, ragged.seed, ragged.blocks(rows), len(projected), *scales)
    _QUERY.launch(
        ragged.programs(rows),
        (projected, out, given, lse, deltas, result, *common),
        ragged.constants(size, tiles),
        tiles.warps,
        tiles.stages,
    )
    tiles, rows = choice.key_value, choice.key_value.keys
    common = (ragged.starts, ragged.seed, ragged.blocks(rows), len(projected), *scales)
    _KEY_VALUE.launch(
        ragged.programs(rows),
        (projected, given, lse, deltas, result, *common),
        ragged.constants(size, tiles),
        tiles.warps,
        tiles.stages,
    )
    return result
