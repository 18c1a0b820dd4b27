"""Calls the kernels over rows: see `row_kernels`."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from bertkit.model.fused import row_kernels as kernels
from bertkit.model.fused.launch import Kernel
from bertkit.model.fused.random_bits import keep_threshold

if TYPE_CHECKING:
    from bertkit.model.fused.fp8 import Fp8Rows

_NORM = Kernel(kernels.add_and_norm_forward)
_NORM_BACKWARD = Kernel(kernels.add_and_norm_backward)
_ACTIVATION = Kernel(kernels.activation_forward)
_ACTIVATION_BACKWARD = Kernel(kernels.activation_backward)
_SUMS = Kernel(kernels.column_sums)
_GROUPS = Kernel(kernels.add_groups)

# What follows was fastest on an H200, for rows of 768, 1,024 and four times as many.
_SUM_BLOCK = 1024  # columns per program
_SUM_TALL, _BENT_TALL = 2, 1  # rows that a program takes at once; bending them meanwhile
_SUM_PROGRAMS = 8  # for each processor
_SUM_WARPS = 4
_BENT = 2048  # elements that a program bends
_BENT_WARPS = 4
_NORM_PROGRAMS = 8  # for each processor, in backward passes of norms
_NORM_ELEMENTS = 32  # of a row, for each thread


@dataclass(frozen=True)
class Dropout:
    """A rate, and what says which elements go, a seed of `random_bits.draw_seeds`.

    At a rate of 0 the seed is not read.
    """

    rate: float
    seed: Tensor

    def words(self) -> tuple[Tensor, int, float]:
        """Seed, threshold and the factor of what stays, as kernels take them."""
        return self.seed, keep_threshold(self.rate), 1.0 / (1.0 - self.rate)


@dataclass(frozen=True)
class Normed:
    """What layer norm keeps for its backward pass.

    Attributes:
        summed: [T, H], the rows that were normalised.
        means: float32[T].
        deviations: float32[T], 1 / the standard deviation.
    """

    summed: Tensor
    means: Tensor
    deviations: Tensor


def add_and_norm_forward(
    projected: Tensor,
    bias: Tensor,
    residual: Tensor,
    gain: Tensor,
    shift: Tensor,
    epsilon: float,
    drop: Dropout,
    fp8: Fp8Rows | None = None,
) -> tuple[Tensor, Normed]:
    """Layer norm of dropout(projected + bias) + residual.

    Args:
        projected: [T, H]; its memory is used again for the sum.
        bias: [H].
        residual: [T, H].
        gain: [H], and `shift` [H], of the norm.
        epsilon: added to the variance.
        drop: of the projected rows.
        fp8: gets the result, too.

    Returns:
        [T, H], and what the backward pass needs.
    """
    rows, width = projected.shape
    normed = torch.empty_like(projected)
    means = projected.new_empty((rows,), dtype=torch.float32)
    deviations = torch.empty_like(means)
    if rows:
        _NORM.launch(
            (rows, 1, 1),
            (
                *(projected, bias, residual, gain, shift, projected, normed, means, deviations),
                *((fp8.values, fp8.scales) if fp8 else (normed, means)),
                *drop.words(),
                epsilon,
            ),
            {
                "WIDTH": width,
                "BLOCK": row_block(width),
                "DROPS": drop.rate > 0,
                "FP8": fp8 is not None,
            },
            row_warps(width),
        )
    return normed, Normed(projected, means, deviations)


def add_and_norm_backward(
    given: Tensor,
    normed: Normed,
    gain: Tensor,
    drop: Dropout,
    added: Tensor | None = None,
    fp8: Fp8Rows | None = None,
) -> tuple[Tensor, Tensor, Tensor]:
    """Gradients of what `add_and_norm_forward` took.

    Args:
        given: [T, H], the gradient of its result, or a part of it.
        normed: what it kept.
        gain: [H].
        drop: as there.
        added: [T, H], the other part.
        fp8: gets the gradient of the projected rows, too.

    Returns:
        [T, H] of the residual; [T, H] of the projected rows (the same tensor without
        dropout); [3, H] of gain, shift and bias.
    """
    rows, width = given.shape
    to_residual = torch.empty_like(given)
    to_projected = torch.empty_like(given) if drop.rate > 0 else to_residual
    programs = row_programs(rows, given.device)
    sums = given.new_empty((programs, 3 * width), dtype=torch.float32)
    _NORM_BACKWARD.launch(
        (programs, 1, 1),
        (
            *(given, given if added is None else added),
            *(normed.summed, normed.means, normed.deviations, gain),
            *(to_residual, to_projected, sums),
            *((fp8.values, fp8.scales) if fp8 else (to_projected, sums)),
            *drop.words(),
            rows,
        ),
        {
            "WIDTH": width,
            "BLOCK": row_block(width),
            "DROPS": drop.rate > 0,
            "ADDED": added is not None,
            "FP8": fp8 is not None,
        },
        row_warps(width),
    )
    return to_residual, to_projected, add_groups(sums, gain.dtype).view(3, width)


def activation_forward(values: Tensor, kind: str) -> Tensor:
    """GELU of every element; `kind` as in the configuration, gelu or gelu_new."""
    result = torch.empty_like(values)
    programs = -(-values.numel() // _BENT)
    if programs:
        rows, width = values.shape
        constants = {"WIDTH": width, "BLOCK": _BENT, "TANH": kind == "gelu_new"}
        _ACTIVATION.launch((programs, 1, 1), (values, result, rows), constants, _BENT_WARPS)
    return result


def activation_backward(given: Tensor, values: Tensor, kind: str) -> Tensor:
    """Turns `given` [T, W], the gradient of the activation, into that of `values` in place.

    Returns:
        [W]: its sum over rows, the gradient of a bias.
    """
    rows, width = values.shape
    groups, per_program, blocks = _groups(rows, width, given.device)
    sums = given.new_empty((groups, width), dtype=torch.float32)
    constants = {
        "WIDTH": width,
        "BLOCK": _SUM_BLOCK,
        "TALL": _BENT_TALL,
        "TANH": kind == "gelu_new",
    }
    _ACTIVATION_BACKWARD.launch(
        (groups, blocks, 1), (given, values, sums, rows, per_program), constants, _SUM_WARPS
    )
    return add_groups(sums, given.dtype)


def column_sums(values: Tensor, kind: torch.dtype | None = None) -> Tensor:
    """[W] of values [T, W], added in float32 in an order that depends on the shape alone.

    Its type is that of the values, or `kind`.
    """
    rows, width = values.shape
    groups, per_program, blocks = _groups(rows, width, values.device)
    sums = values.new_empty((groups, width), dtype=torch.float32)
    constants = {"WIDTH": width, "BLOCK": _SUM_BLOCK, "TALL": _SUM_TALL}
    _SUMS.launch((groups, blocks, 1), (values, sums, rows, per_program), constants, _SUM_WARPS)
    return add_groups(sums, kind or values.dtype)


def add_groups(sums: Tensor, kind: torch.dtype) -> Tensor:
    """[W] of that type: the sum of float32[G, W] over G, always in the same order."""
    groups, width = sums.shape
    result = sums.new_empty((width,), dtype=kind)
    constants = {"WIDTH": width, "TALL": 64, "BLOCK": 32}
    _GROUPS.launch((-(-width // 32), 1, 1), (sums, result, groups), constants, warps=8)
    return result


def _groups(rows: int, width: int, device: torch.device) -> tuple[int, int, int]:
    """(groups of rows, rows of each, blocks of columns): some programs for each processor."""
    blocks = -(-width // _SUM_BLOCK)
    wanted = max(1, _SUM_PROGRAMS * multiprocessors(device) // blocks)
    per_program = max(1, -(-rows // wanted))
    return max(1, -(-rows // per_program)), per_program, blocks


def row_block(width: int) -> int:
    """Elements that a program takes at once: the power of 2 that holds a row of `width`."""
    return 1 << (width - 1).bit_length()


def row_warps(width: int, elements: int = _NORM_ELEMENTS) -> int:
    """Of 32 threads, each with so many elements of a row.

    One where it holds a row, as then no thread waits for another warp's sum.
    """
    return min(16, max(1, row_block(width) // (32 * elements)))


def row_programs(rows: int, device: torch.device, each: int = _NORM_PROGRAMS) -> int:
    """That share rows, and add up what they have: so many for each processor."""
    return max(1, min(rows, each * multiprocessors(device)))


@lru_cache
def multiprocessors(device: torch.device) -> int:
    """Of a GPU; a few where Triton's interpreter runs on a CPU."""
    if device.type != "cuda":
        return 4
    return torch.cuda.get_device_properties(device).multi_processor_count
