"""bf16 as the upper half of float32, exponentials, and random numbers by their place."""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import float32, int32, uint16, uint32

from bertkit.kernels.jit import fused, inlined


@inlined
def wide(bits: Any) -> Any:
    """The float32 of a bf16."""
    return np.uint32(uint32(bits) << uint32(16)).view(np.float32)


@inlined
def narrow(value: Any) -> Any:
    """The nearest bf16 of a float32, of two the even one; NaN stays NaN."""
    bits = np.float32(value).view(np.uint32)
    odd = uint32(uint32(bits >> uint32(16)) & uint32(1))
    rounded = uint32(uint32(bits + uint32(0x7FFF)) + odd)
    upper = uint16(uint32(rounded >> uint32(16)))
    return upper if value == value else uint16(0x7FC0)


@fused
def exponential(value: Any) -> Any:
    """e to the power of a float32 up to 88, to five digits; below -87 nearly 0; NaN of NaN.

    2 to the whole part comes from the exponent's bits, to the rest from Taylor's series.
    """
    power = float32(value * float32(1.4426950408889634))
    if power < float32(-126.0):  # written so that NaN goes on
        power = float32(-126.0)
    # Positive, so that cutting the fraction off rounds to the nearest.
    whole = int32(power + float32(126.5))
    rest = float32(power - float32(float32(whole) - float32(126.0)))
    series = float32(0.00015403530393381608)
    series = float32(series * rest + float32(0.0013333558146428441))
    series = float32(series * rest + float32(0.009618129107628477))
    series = float32(series * rest + float32(0.05550410866482158))
    series = float32(series * rest + float32(0.2402265069591007))
    series = float32(series * rest + float32(0.6931471805599453))
    series = float32(series * rest + float32(1.0))
    return float32(series * np.int32(int32(whole + int32(1)) << int32(23)).view(np.float32))


@inlined
def ordered(value: Any) -> Any:
    """An int32 that grows with a float32, so that LLVM finds the largest by vectors.

    NaN is larger than infinity, or smaller than all.
    """
    bits = np.float32(value).view(np.int32)
    return int32(bits ^ int32(int32(bits >> int32(31)) & int32(0x7FFFFFFF)))


@inlined
def of_ordered(number: Any) -> Any:
    """The float32 that `ordered` made a number of."""
    flipped = int32(number ^ int32(int32(number >> int32(31)) & int32(0x7FFFFFFF)))
    return np.int32(flipped).view(np.float32)


@inlined
def drawn(place: Any, first: Any, second: Any) -> Any:
    """16 random bits of a place, under a key of two words.

    A hash of 32 bits, its upper half (Wellons 2018, "Prospecting for Hash Functions"). The
    second word enters between its rounds, so that streams are no shifts of each other.
    """
    value = uint32(uint32(place) + uint32(first))
    value = uint32(value ^ uint32(value >> uint32(16)))
    value = uint32(value * uint32(0x7FEB352D))
    value = uint32(value ^ uint32(second))
    value = uint32(value ^ uint32(value >> uint32(15)))
    value = uint32(value * uint32(0x846CA68B))
    value = uint32(value ^ uint32(value >> uint32(15)))
    return uint32(uint32(value * uint32(0x7FEB352D)) >> uint32(16))
