"""A bias and an activation, and the way back."""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import float32

from bertkit.kernels.jit import arithmetic, fused
from bertkit.model.cpu_half.kernels.numbers import exponential, narrow, wide
from bertkit.model.cpu_half.kernels.transposed import SIDE, transpose_strip

# Numbers of the activations.
GELU, GELU_TANH, RELU = range(3)
_ROOT, _CUBE = 0.7978845608028654, 0.044715  # sqrt(2 / pi)


@fused
def _below(value: Any) -> Any:
    """How much of the normal distribution is below a number, to 4e-6.

    1/2 + x g(x^2), where g is a polynomial in x^2 / 10 - 1 through Chebyshev's points; beyond
    x^2 = 20 it is 0 or 1. A third of the work of an exponential, and no division.
    """
    square = float32(float32(value * value) * float32(0.1) - float32(1.0))
    series = float32(-0.000348788993)
    series = float32(series * square + float32(0.000905211769))
    series = float32(series * square - float32(0.00122434789))
    series = float32(series * square + float32(0.00261076816))
    series = float32(series * square - float32(0.00606659882))
    series = float32(series * square + float32(0.0111216721))
    series = float32(series * square - float32(0.0182444138))
    series = float32(series * square + float32(0.0280323218))
    series = float32(series * square - float32(0.0400966845))
    series = float32(series * square + float32(0.0548360585))
    series = float32(series * square - float32(0.0775890291))
    series = float32(series * square + float32(0.157866312))
    inside = float32(float32(0.5) + value * series)
    outside = float32(1.0) if value > float32(0) else float32(0)
    return outside if square > float32(1.0) else inside


@fused
def _slope(value: Any) -> Any:
    """The derivative of x times `_below`, to 9e-5, in the same way."""
    square = float32(float32(value * value) * float32(0.1) - float32(1.0))
    series = float32(0.00232377134)
    series = float32(series * square - float32(0.00582937276))
    series = float32(series * square + float32(0.00654076856))
    series = float32(series * square - float32(0.0127366301))
    series = float32(series * square + float32(0.0299390348))
    series = float32(series * square - float32(0.0495747736))
    series = float32(series * square + float32(0.0689282933))
    series = float32(series * square - float32(0.0876967683))
    series = float32(series * square + float32(0.0981372305))
    series = float32(series * square - float32(0.0961674226))
    series = float32(series * square + float32(0.0884290086))
    series = float32(series * square - float32(0.0910267744))
    series = float32(series * square + float32(0.160554459))
    inside = float32(float32(0.5) + value * series)
    outside = float32(1.0) if value > float32(0) else float32(0)
    return outside if square > float32(1.0) else inside


@fused
def _gate(value: Any) -> Any:
    """(1 + tanh(u)) / 2 of the u in the other form of GELU, and its derivative."""
    # Beyond 10 nothing changes; NaN goes on.
    near = float32(10.0) if value > float32(10.0) else value
    near = float32(-10.0) if near < float32(-10.0) else near
    square = float32(near * near)
    inner = float32(near * float32(_ROOT) * float32(float32(1.0) + float32(_CUBE) * square))
    share = float32(float32(1.0) / float32(float32(1.0) + exponential(float32(-2.0) * inner)))
    slope = float32(float32(_ROOT) * float32(float32(1.0) + float32(3 * _CUBE) * square))
    return share, float32(float32(2.0) * share * float32(float32(1.0) - share) * slope)


@arithmetic
def activate(
    begin: int, end: int, projected: np.ndarray, bias: np.ndarray, kind: int, result: np.ndarray
) -> None:
    """Activations of projected + bias, for blocks of 64 rows.

    Args:
        begin: first block.
        end: behind the last.
        projected: uint16[T, N].
        bias: uint16[N].
        kind: GELU, GELU_TANH or RELU.
        result: uint16[T, N], filled.
    """
    width = projected.shape[1]
    for row in range(64 * begin, min(64 * end, projected.shape[0])):
        if kind == GELU:
            for at in range(width):
                value = float32(wide(projected[row, at]) + wide(bias[at]))
                result[row, at] = narrow(float32(value * _below(value)))
        elif kind == GELU_TANH:
            for at in range(width):
                value = float32(wide(projected[row, at]) + wide(bias[at]))
                result[row, at] = narrow(float32(value * _gate(value)[0]))
        else:
            for at in range(width):
                value = float32(wide(projected[row, at]) + wide(bias[at]))
                result[row, at] = narrow(float32(0) if value < float32(0) else value)


@arithmetic
def activate_back(
    begin: int,
    end: int,
    gradient: np.ndarray,
    projected: np.ndarray,
    bias: np.ndarray,
    kind: int,
    result: np.ndarray,
    across: np.ndarray,
    sums: np.ndarray,
) -> None:
    """Gradients of `activate`, for blocks of 64 rows.

    Args:
        begin: first block.
        end: behind the last.
        gradient: uint16[T, N].
        projected: uint16[T, N].
        bias: uint16[N].
        kind: as there.
        result: uint16[T, N], filled with the gradient of `projected`.
        across: uint16[N, T or more], filled with the same, transposed.
        sums: float32[blocks, N], filled with the gradient of the bias.
    """
    width = gradient.shape[1]
    for block in range(begin, end):
        for at in range(width):
            sums[block, at] = float32(0)
        last = min(64 * block + 64, gradient.shape[0])
        for first in range(64 * block, last, SIDE):
            stop = min(first + SIDE, last)
            for row in range(first, stop):
                if kind == GELU:
                    for at in range(width):
                        value = float32(wide(projected[row, at]) + wide(bias[at]))
                        slope = float32(_slope(value) * wide(gradient[row, at]))
                        result[row, at] = narrow(slope)
                elif kind == GELU_TANH:
                    for at in range(width):
                        value = float32(wide(projected[row, at]) + wide(bias[at]))
                        share, change = _gate(value)
                        slope = float32(share + value * change)
                        slope = float32(slope * wide(gradient[row, at]))
                        result[row, at] = narrow(slope)
                else:
                    for at in range(width):
                        value = float32(wide(projected[row, at]) + wide(bias[at]))
                        given = wide(gradient[row, at])
                        slope = given if value > float32(0) else float32(0)
                        result[row, at] = narrow(slope)
            transpose_strip(result, first, stop, across, sums, block)
