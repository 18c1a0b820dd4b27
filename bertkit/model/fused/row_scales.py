"""Writes a row in 8 bits inside a kernel: see `fp8_kernels`."""

# No `from __future__ import annotations`: Triton reads annotations as they are.
import triton
import triton.language as tl

# In bits of a float32: what carries a mantissa above 1.75 into the exponent, the exponent
# itself, and that of 448 = 1.75 * 2^8.
_CARRY = tl.constexpr(0x1FFFFF)
_EXPONENT = tl.constexpr(0x7F800000)
_LARGEST = tl.constexpr(8 << 23)
_SMALLEST = tl.constexpr(2.0**-90)  # rows of zeros have a scale, too
_FINITE = tl.constexpr(3.4028234663852886e38)


@triton.jit
def row_scale(value):
    """The smallest power of 2 that `value` [n] has to be divided by to be at most 448.

    NaN where a number is infinite: in 8 bits it would become 448."""
    largest = tl.max(tl.abs(value), 0)
    bits = tl.maximum(largest, _SMALLEST).to(tl.int32, bitcast=True) + _CARRY
    scale = ((bits & _EXPONENT) - _LARGEST).to(tl.float32, bitcast=True)
    return tl.where(largest <= _FINITE, scale, float("nan"))


@triton.jit
def store_fp8(value, inside, places, scales):
    """Write a row `value` [n] of float32 in 8 bits to its places, and its scale."""
    value = tl.where(inside, value, 0.0)
    scale = row_scale(value)
    tl.store(scales, scale)
    scaled = value * tl.div_rn(1.0, scale)
    tl.store(places, scaled.to(places.dtype.element_ty), mask=inside)
