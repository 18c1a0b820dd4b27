"""Kernels over rows in Triton: dropout, residual and layer norm at once; GELU; sums of columns.

Backward kernels also sum what biases and norms get, each program over rows of its own, so
that a second, small kernel has few numbers left to add, always in the same order.
"""

# No `from __future__ import annotations`: Triton reads annotations as they are.
import triton
import triton.language as tl

from bertkit.model.fused.random_bits import keeps, line_words, load_seed
from bertkit.model.fused.row_scales import store_fp8

# sqrt(2 / pi), 1 / sqrt(2 pi) and log2(e) / 2.
TANH_FACTOR = tl.constexpr(0.7978845608028654)
NORMAL = tl.constexpr(0.3989422804014327)
HALF_LOG = tl.constexpr(0.7213475204444817)


@triton.jit
def normed_row(
    value, inside, means, deviations, row, gain, shift, columns, epsilon, WIDTH: tl.constexpr
):
    """The layer norm of a row; its mean and 1 / its standard deviation go to their places."""
    # Rounded as IEEE 754 has it, so that a row of equal numbers deviates by 0 from its mean.
    mean = tl.div_rn(tl.sum(value, 0), tl.cast(WIDTH, tl.float32))
    centred = tl.where(inside, value - mean, 0.0)
    deviation = tl.rsqrt(tl.sum(centred * centred, 0) / WIDTH + epsilon)
    tl.store(means + row, mean)
    tl.store(deviations + row, deviation)
    factor = tl.load(gain + columns, mask=inside, other=0.0).to(tl.float32)
    offset = tl.load(shift + columns, mask=inside, other=0.0).to(tl.float32)
    return centred * deviation * factor + offset


@triton.jit
def norm_change(gradient, value, inside, means, deviations, row, factor, WIDTH: tl.constexpr):
    """(the gradient of the row `value` that was normalised, the row before gain and shift)."""
    deviation = tl.load(deviations + row)
    plain = tl.where(inside, (value - tl.load(means + row)) * deviation, 0.0)
    scaled = gradient * factor
    common = tl.sum(scaled, 0) / WIDTH
    along = tl.sum(scaled * plain, 0) / WIDTH
    return (scaled - common - plain * along) * deviation, plain


@triton.jit(do_not_specialize=["threshold"])
def add_and_norm_forward(
    projected, bias, residual, gain, shift, summed, normed, means, deviations, eights, scales, seed,
    threshold, grow, epsilon, WIDTH: tl.constexpr, BLOCK: tl.constexpr, DROPS: tl.constexpr,
    FP8: tl.constexpr,
):  # fmt: skip
    """summed = dropout(projected + bias) + residual and normed = its layer norm; one row a program.

    means and deviations float32[T] are the mean and 1 / the standard deviation of each row; with
    FP8, eights [T, WIDTH] and scales float32[T] are normed in 8 bits.
    """
    row = tl.program_id(0)
    seed_rows, seed_columns = load_seed(seed, DROPS)
    columns = tl.arange(0, BLOCK)
    inside = columns < WIDTH
    places = tl.cast(row, tl.int64) * WIDTH + columns
    value = tl.load(projected + places, mask=inside, other=0.0).to(tl.float32)
    value += tl.load(bias + columns, mask=inside, other=0.0).to(tl.float32)
    if DROPS:
        words = line_words(columns, seed_columns)
        stays = keeps(line_words(row, seed_rows), words, threshold)
        value = tl.where(stays, value * grow, 0.0)
    value += tl.load(residual + places, mask=inside, other=0.0).to(tl.float32)
    # Rounded first, so that the backward pass sees the row that was normalised.
    stored = value.to(summed.dtype.element_ty)
    tl.store(summed + places, stored, mask=inside)
    result = normed_row(
        stored.to(tl.float32), inside, means, deviations, row, gain, shift, columns, epsilon, WIDTH
    )  # fmt: skip
    rounded = result.to(normed.dtype.element_ty)
    tl.store(normed + places, rounded, mask=inside)
    if FP8:
        store_fp8(rounded.to(tl.float32), inside, eights + places, scales + row)


@triton.jit(do_not_specialize=["threshold", "rows"])
def add_and_norm_backward(
    given, added, summed, means, deviations, gain, to_residual, to_projected, sums, eights, scales,
    seed, threshold, grow, rows, WIDTH: tl.constexpr, BLOCK: tl.constexpr, DROPS: tl.constexpr,
    ADDED: tl.constexpr, FP8: tl.constexpr,
):  # fmt: skip
    """Gradients of residual and projected rows; sums float32[programs, 3, WIDTH] for gain, shift
    and bias. Without dropout both gradients are the same, and only the first is written.

    The gradient of the normed rows is given, with ADDED given + added; with FP8, eights
    [T, WIDTH] and scales float32[T] are the gradient of the projected rows in 8 bits."""
    seed_rows, seed_columns = load_seed(seed, DROPS)
    columns = tl.arange(0, BLOCK)
    inside = columns < WIDTH
    factor = tl.load(gain + columns, mask=inside, other=0.0).to(tl.float32)
    to_gain = tl.zeros([BLOCK], tl.float32)
    to_shift = tl.zeros([BLOCK], tl.float32)
    to_bias = tl.zeros([BLOCK], tl.float32)
    words = line_words(columns, seed_columns)
    kind = to_residual.dtype.element_ty
    for row in range(tl.program_id(0), rows, tl.num_programs(0)):
        places = tl.cast(row, tl.int64) * WIDTH + columns
        gradient = tl.load(given + places, mask=inside, other=0.0).to(tl.float32)
        if ADDED:
            gradient += tl.load(added + places, mask=inside, other=0.0).to(tl.float32)
        value = tl.load(summed + places, mask=inside, other=0.0).to(tl.float32)
        change, plain = norm_change(
            gradient, value, inside, means, deviations, row, factor, WIDTH
        )  # fmt: skip
        to_gain += gradient * plain
        to_shift += gradient
        stored = change.to(kind)
        tl.store(to_residual + places, stored, mask=inside)
        if DROPS:
            stays = keeps(line_words(row, seed_rows), words, threshold)
            change = tl.where(stays, change * grow, 0.0)
            stored = change.to(kind)
            tl.store(to_projected + places, stored, mask=inside)
        if FP8:
            store_fp8(stored.to(tl.float32), inside, eights + places, scales + row)
        to_bias += change
    places = tl.program_id(0) * (3 * WIDTH) + columns
    tl.store(sums + places, to_gain, mask=inside)
    tl.store(sums + places + WIDTH, to_shift, mask=inside)
    tl.store(sums + places + 2 * WIDTH, to_bias, mask=inside)


@triton.jit
def _tanh(value):
    return 1.0 - 2.0 / (1.0 + tl.exp(2.0 * value))


@triton.jit
def _normal(value):
    """(share of the normal distribution below `value`, exp(-value² / 2)).

    What lies beyond |value| is that exponential times a polynomial in 1 / (1 + 0.36 |value|),
    the form of Abramowitz and Stegun's 26.2.17. Its coefficients were fitted to the largest
    relative error between 0 and 14, which is 9e-7; beyond, both are next to nothing. It
    takes half the instructions of an error function.
    """
    root = tl.rsqrt(1.0 + 0.36 * tl.abs(value))  # one instruction, which a division is not
    at = root * root
    bell = tl.exp2(value * value * -HALF_LOG)
    beyond = at * 0.04705801134460432 - 0.1797707268344548
    beyond = at * beyond + 0.18096238348577376
    beyond = at * beyond + 0.02654347056665408
    beyond = at * beyond + 0.139721429680313
    beyond = at * beyond + 0.1417720735373516
    beyond = at * (at * beyond + 0.14371307396763952) * bell
    return tl.where(value > 0, 1.0 - beyond, beyond), bell


@triton.jit
def activated(value, TANH: tl.constexpr):
    """GELU, exact or by tanh (Hendrycks and Gimpel, https://arxiv.org/abs/1606.08415)."""
    if TANH:
        share = 0.5 + 0.5 * _tanh((value + 0.044715 * value * value * value) * TANH_FACTOR)
    else:
        share, _ = _normal(value)
    return value * share


@triton.jit
def activation_slope(value, TANH: tl.constexpr):
    """The derivative of `activated`."""
    if TANH:
        inner = (value + 0.044715 * value * value * value) * TANH_FACTOR
        bent = _tanh(inner)
        steep = (1.0 - bent * bent) * TANH_FACTOR * (1.0 + 3 * 0.044715 * value * value)
        slope = 0.5 + 0.5 * bent + 0.5 * value * steep
    else:
        share, bell = _normal(value)
        slope = share + value * NORMAL * bell
    return slope


@triton.jit(do_not_specialize=["rows"])
def activation_forward(
    values, result, rows, WIDTH: tl.constexpr, BLOCK: tl.constexpr, TANH: tl.constexpr
):
    """Every element of `values` bent, BLOCK of them per program."""
    count = tl.cast(rows, tl.int64) * WIDTH
    places = tl.program_id(0).to(tl.int64) * BLOCK + tl.arange(0, BLOCK)
    value = tl.load(values + places, mask=places < count, other=0.0).to(tl.float32)
    bent = activated(value, TANH)
    tl.store(result + places, bent.to(result.dtype.element_ty), mask=places < count)


@triton.jit(do_not_specialize=["rows", "per_program"])
def activation_backward(
    given, values, sums, rows, per_program, WIDTH: tl.constexpr, BLOCK: tl.constexpr,
    TALL: tl.constexpr, TANH: tl.constexpr,
):  # fmt: skip
    """Puts the gradient of `values` in the place of `given`; and sums float32[groups, WIDTH].

    A program has BLOCK columns of so many rows, and takes TALL of them at once."""
    columns = tl.program_id(1) * BLOCK + tl.arange(0, BLOCK)
    total = tl.zeros([TALL, BLOCK], tl.float32)
    first = tl.program_id(0) * per_program
    last = min(first + per_program, rows)
    for row in range(first, last, TALL):
        lines = row + tl.arange(0, TALL)
        inside = (lines < last)[:, None] & (columns < WIDTH)[None, :]
        places = tl.cast(lines, tl.int64)[:, None] * WIDTH + columns[None, :]
        gradient = tl.load(given + places, mask=inside, other=0.0).to(tl.float32)
        value = tl.load(values + places, mask=inside, other=0.0).to(tl.float32)
        change = gradient * activation_slope(value, TANH)
        total += change
        tl.store(given + places, change.to(given.dtype.element_ty), mask=inside)
    places = sums + tl.program_id(0) * WIDTH + columns
    tl.store(places, tl.sum(total, 0), mask=columns < WIDTH)


@triton.jit(do_not_specialize=["rows", "per_program"])
def column_sums(
    values, sums, rows, per_program, WIDTH: tl.constexpr, BLOCK: tl.constexpr, TALL: tl.constexpr
):
    """sums float32[groups, WIDTH] of so many rows each, TALL of them at once."""
    columns = tl.program_id(1) * BLOCK + tl.arange(0, BLOCK)
    total = tl.zeros([TALL, BLOCK], tl.float32)
    first = tl.program_id(0) * per_program
    last = min(first + per_program, rows)
    for row in range(first, last, TALL):
        lines = row + tl.arange(0, TALL)
        inside = (lines < last)[:, None] & (columns < WIDTH)[None, :]
        places = tl.cast(lines, tl.int64)[:, None] * WIDTH + columns[None, :]
        total += tl.load(values + places, mask=inside, other=0.0).to(tl.float32)
    places = sums + tl.program_id(0) * WIDTH + columns
    tl.store(places, tl.sum(total, 0), mask=columns < WIDTH)


@triton.jit(do_not_specialize=["groups"])
def add_groups(sums, result, groups, WIDTH: tl.constexpr, TALL: tl.constexpr, BLOCK: tl.constexpr):
    """result [WIDTH] = sums of sums float32[groups, WIDTH]; BLOCK columns a program."""
    columns = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    lines = tl.arange(0, TALL)
    total = tl.zeros([TALL, BLOCK], tl.float32)
    for first in range(0, groups, TALL):
        rows = first + lines
        inside = (rows[:, None] < groups) & (columns[None, :] < WIDTH)
        places = rows[:, None] * WIDTH + columns[None, :]
        total += tl.load(sums + places, mask=inside, other=0.0)
    kind = result.dtype.element_ty
    tl.store(result + columns, tl.sum(total, 0).to(kind), mask=columns < WIDTH)
