"""Rows in 8 bits and their products: see `fp8_kernels`.

PyTorch's `scaled_mm` multiplies numbers in E4M3, each row and each column with a scale of its
own, twice as fast as half precision. Which products of a layer are worth it: see `layer`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.functional import ScalingType, scaled_mm

from bertkit.model.fused import fp8_kernels as kernels
from bertkit.model.fused.launch import Kernel
from bertkit.model.fused.rows import add_groups, row_block, row_programs, row_warps

KIND = torch.float8_e4m3fn

_ROWS = Kernel(kernels.fp8_rows)
_TRANSPOSED = Kernel(kernels.fp8_transposed)
_ACTIVATION = Kernel(kernels.activation_forward_fp8)
_ACTIVATION_BACKWARD = Kernel(kernels.activation_backward_fp8)

_SIDE = 64  # of the squares in which matrices are transposed
_SCALES = 1024  # that a program reads at once
_BENT_PROGRAMS = 4  # for each processor, in the backward pass of an activation
_BENT_ELEMENTS = 16  # of a row, for each thread


@dataclass(frozen=True)
class Fp8Rows:
    """A matrix in 8 bits: values * scales.

    Attributes:
        values: float8_e4m3fn[T, W].
        scales: float32[T, 1].
    """

    values: Tensor
    scales: Tensor

    @classmethod
    def room(cls, shape: Sequence[int], device: torch.device) -> Fp8Rows:
        """For a matrix [T, W] that is still to be written."""
        values = torch.empty(shape, dtype=KIND, device=device)
        return cls(values, torch.empty((shape[0], 1), dtype=torch.float32, device=device))


def to_fp8(matrix: Tensor) -> Fp8Rows:
    """A matrix [T, W], contiguous, in 8 bits."""
    result = Fp8Rows.room(matrix.shape, matrix.device)
    _launch_rows(matrix, result.values, result.scales)
    return result


def transposed_to_fp8(matrix: Tensor) -> Fp8Rows:
    """A matrix [T, W], contiguous, as [W, T] in 8 bits, all with one scale."""
    rows, width = matrix.shape
    scales = matrix.new_empty((rows,), dtype=torch.float32)
    _launch_rows(matrix, None, scales)
    result = Fp8Rows.room((width, rows), matrix.device)
    _TRANSPOSED.launch(
        (-(-rows // _SIDE), -(-width // _SIDE), 1),
        (matrix, scales, result.values, result.scales, rows),
        {"WIDTH": width, "SIDE": _SIDE, "BLOCK": _SCALES},
        warps=4,
    )
    return result


def _launch_rows(matrix: Tensor, values: Tensor | None, scales: Tensor) -> None:
    rows, width = matrix.shape
    if rows:
        constants = {"WIDTH": width, "BLOCK": row_block(width), "WRITES": values is not None}
        written = matrix if values is None else values
        _ROWS.launch((rows, 1, 1), (matrix, written, scales), constants, row_warps(width))


def fp8_product(
    rows: Fp8Rows, weight: Fp8Rows, kind: torch.dtype, bias: Tensor | None = None
) -> Tensor:
    """rows [T, K] @ weight [N, K] transposed + bias [N], as [T, N] of a type; sums in float32.

    K and N have to be multiples of 16.
    """
    if not len(rows.values):
        return rows.scales.new_empty((0, len(weight.values)), dtype=kind)
    result: Tensor = scaled_mm(
        rows.values, weight.values.t(), rows.scales, ScalingType.RowWise, weight.scales.t(),
        ScalingType.RowWise, bias=bias, output_dtype=kind, use_fast_accum=True,
    )  # fmt: skip
    return result


def activation_forward_fp8(values: Tensor, kind: str) -> tuple[Tensor, Fp8Rows]:
    """What `rows.activation_forward` gives of values [T, W], and the same in 8 bits."""
    rows, width = values.shape
    result, fp8 = torch.empty_like(values), Fp8Rows.room(values.shape, values.device)
    if rows:
        _ACTIVATION.launch(
            (rows, 1, 1),
            (values, result, fp8.values, fp8.scales),
            _bent(width, kind),
            row_warps(width, _BENT_ELEMENTS),
        )
    return result, fp8


def activation_backward_fp8(given: Tensor, values: Tensor, kind: str) -> tuple[Tensor, Fp8Rows]:
    """What `rows.activation_backward` does, and the gradient [T, W] of `values` in 8 bits."""
    rows, width = values.shape
    fp8 = Fp8Rows.room(values.shape, values.device)
    programs = row_programs(rows, given.device, _BENT_PROGRAMS)
    sums = given.new_empty((programs, width), dtype=torch.float32)
    _ACTIVATION_BACKWARD.launch(
        (programs, 1, 1), (given, values, sums, fp8.values, fp8.scales, rows),
        _bent(width, kind), row_warps(width, _BENT_ELEMENTS),
    )  # fmt: skip
    return add_groups(sums, given.dtype), fp8


def _bent(width: int, kind: str) -> dict[str, int | bool]:
    return {"WIDTH": width, "BLOCK": row_block(width), "TANH": kind == "gelu_new"}
