"""Kernels in Triton that write numbers in 8 bits, for matrix products at twice the speed.

The format is E4M3: 4 bits of exponent, 3 of mantissa, at most 448 (Micikevicius et al.,
https://arxiv.org/abs/2209.05433). Each row has a scale of its own, a power of 2, so that scaling
rounds nothing. What is written are the numbers as they are stored in half precision beside it.
"""

# No `from __future__ import annotations`: Triton reads annotations as they are.
import triton
import triton.language as tl

from bertkit.model.fused.row_kernels import activated, activation_slope
from bertkit.model.fused.row_scales import row_scale, store_fp8


@triton.jit
def fp8_rows(
    values, result, scales, WIDTH: tl.constexpr, BLOCK: tl.constexpr, WRITES: tl.constexpr
):
    """values [T, WIDTH] in 8 bits, and scales float32[T]; or the latter only. One row a program."""
    row = tl.program_id(0)
    columns = tl.arange(0, BLOCK)
    inside = columns < WIDTH
    places = tl.cast(row, tl.int64) * WIDTH + columns
    value = tl.load(values + places, mask=inside, other=0.0).to(tl.float32)
    if WRITES:
        store_fp8(value, inside, result + places, scales + row)
    else:
        tl.store(scales + row, row_scale(value))


@triton.jit(do_not_specialize=["rows"])
def fp8_transposed(
    values, scales, result, common, rows, WIDTH: tl.constexpr, SIDE: tl.constexpr,
    BLOCK: tl.constexpr,
):  # fmt: skip
    """result [WIDTH, rows] = values [rows, WIDTH] transposed, all with the largest of the scales
    float32[rows]; it is written WIDTH times into `common`. A program has a square of SIDE."""
    largest = tl.zeros([BLOCK], tl.float32)
    for first in range(0, rows, BLOCK):
        numbers = first + tl.arange(0, BLOCK)
        own = tl.load(scales + numbers, mask=numbers < rows, other=0.0)
        largest = tl.maximum(largest, own)
    scale = tl.max(largest, 0)
    lines = tl.program_id(0) * SIDE + tl.arange(0, SIDE)
    columns = tl.program_id(1) * SIDE + tl.arange(0, SIDE)
    inside = (lines < rows)[:, None] & (columns < WIDTH)[None, :]
    places = tl.cast(lines, tl.int64)[:, None] * WIDTH + columns[None, :]
    value = tl.load(values + places, mask=inside, other=0.0).to(tl.float32)
    turned = tl.cast(columns, tl.int64)[None, :] * rows + lines[:, None]
    scaled = value * tl.div_rn(1.0, scale)
    tl.store(result + turned, scaled.to(result.dtype.element_ty), mask=inside)
    tl.store(common + columns, tl.zeros([SIDE], tl.float32) + scale, mask=columns < WIDTH)


@triton.jit
def activation_forward_fp8(
    values, result, eights, scales, WIDTH: tl.constexpr, BLOCK: tl.constexpr, TANH: tl.constexpr
):
    """result = values [T, WIDTH] through the activation, in 8 bits, too; one row a program."""
    row = tl.program_id(0)
    columns = tl.arange(0, BLOCK)
    inside = columns < WIDTH
    places = tl.cast(row, tl.int64) * WIDTH + columns
    value = tl.load(values + places, mask=inside, other=0.0).to(tl.float32)
    stored = activated(value, TANH).to(result.dtype.element_ty)
    tl.store(result + places, stored, mask=inside)
    store_fp8(stored.to(tl.float32), inside, eights + places, scales + row)


@triton.jit(do_not_specialize=["rows"])
def activation_backward_fp8(
    given, values, sums, eights, scales, rows, WIDTH: tl.constexpr, BLOCK: tl.constexpr,
    TANH: tl.constexpr,
):  # fmt: skip
    """Puts the gradient of `values` in the place of `given`, writes it in 8 bits, too; and sums
    float32[programs, WIDTH] over the rows of each program."""
    columns = tl.arange(0, BLOCK)
    inside = columns < WIDTH
    total = tl.zeros([BLOCK], tl.float32)
    for row in range(tl.program_id(0), rows, tl.num_programs(0)):
        places = tl.cast(row, tl.int64) * WIDTH + columns
        gradient = tl.load(given + places, mask=inside, other=0.0).to(tl.float32)
        value = tl.load(values + places, mask=inside, other=0.0).to(tl.float32)
        change = gradient * activation_slope(value, TANH)
        total += change
        stored = change.to(given.dtype.element_ty)
        tl.store(given + places, stored, mask=inside)
        store_fp8(stored.to(tl.float32), inside, eights + places, scales + row)
    tl.store(sums + tl.program_id(0) * WIDTH + columns, total, mask=inside)
