"""Turns columns of bf16 rows into rows.

Gradients of weights are products over the rows of a batch, whose left side lies across them;
oneDNN takes twice as long for such a side as for a transposed copy.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from llvmlite import ir
from numba import types, uint16, uint64
from numba.extending import intrinsic

from bertkit.kernels.jit import arithmetic, inlined
from bertkit.kernels.memory import byte_address
from bertkit.model.cpu_half.kernels.numbers import wide

SIDE = 32  # rows and columns of a tile: what the registers of AVX-512 hold
_ONES = np.ones(SIDE, np.float32)


def _swapped(builder: Any, one: Any, other: Any, distance: int) -> tuple[Any, Any]:
    """Two rows, their blocks off the diagonal exchanged."""
    number, lanes = ir.IntType(32), range(SIDE)
    if distance == 1:  # halves of words: cheaper than moving lanes
        words = ir.VectorType(number, SIDE // 2)

        def all_of(value: int) -> Any:
            return ir.Constant(words, [value] * (SIDE // 2))

        left, right = builder.bitcast(one, words), builder.bitcast(other, words)
        lower = builder.or_(builder.and_(left, all_of(0xFFFF)), builder.shl(right, all_of(16)))
        upper = builder.or_(builder.lshr(left, all_of(16)), builder.and_(right, all_of(0xFFFF0000)))
        return builder.bitcast(lower, one.type), builder.bitcast(upper, one.type)
    kind = ir.VectorType(number, SIDE)
    first = [SIDE + lane - distance if lane & distance else lane for lane in lanes]
    second = [SIDE + lane if lane & distance else lane + distance for lane in lanes]
    return (
        builder.shuffle_vector(one, other, ir.Constant(kind, first)),
        builder.shuffle_vector(one, other, ir.Constant(kind, second)),
    )


def _add_columns(context: Any, builder: Any, kinds: Any, places: Any, rows: Sequence[Any]) -> None:
    """Add rows of bf16, each times its factor, to 32 sums.

    Args:
        kinds: of the arrays in `places`.
        places: array and byte of the factors, then of the sums.
    """
    floats = ir.VectorType(ir.FloatType(), SIDE)
    words = ir.VectorType(ir.IntType(32), SIDE)
    everywhere = ir.Constant(words, [0] * SIDE)
    address = byte_address(context, builder, kinds[2], places[2:], floats)
    total = builder.load(address)
    total.align = 4
    shift = ir.Constant(words, [16] * SIDE)
    place = places[1]
    for row in rows:
        where = byte_address(context, builder, kinds[0], (places[0], place), ir.FloatType())
        factor = builder.insert_element(
            ir.Constant(floats, None), builder.load(where), ir.Constant(ir.IntType(32), 0)
        )
        factor = builder.shuffle_vector(factor, factor, everywhere)
        value = builder.bitcast(builder.shl(builder.zext(row, words), shift), floats)
        total = builder.fadd(total, builder.fmul(value, factor, ("contract",)), ("contract",))
        place = builder.add(place, ir.Constant(ir.IntType(64), 4))
    builder.store(total, address).align = 4


@intrinsic
def transpose_tile(
    typing_context: Any,
    source: Any,
    at: Any,
    step: Any,
    target: Any,
    to: Any,
    stride: Any,
    factors: Any,
    first: Any,
    sums: Any,
    place: Any,
) -> Any:
    """Write 32 x 32 bf16 numbers to `target`, rows as columns, and sum their columns.

    Args: array, byte of the tile in it, bytes from row to row; the same of the target; array
    of float32 and byte of the first of 32 factors of the rows in the sums; array of float32
    and byte of the first of the 32 sums, which are added to what is there.
    """

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        kinds = signature.args
        row_type = ir.VectorType(ir.IntType(16), SIDE)
        rows, place = [], arguments[1]
        for _ in range(SIDE):
            address = byte_address(context, builder, kinds[0], (arguments[0], place), row_type)
            row = builder.load(address)
            row.align = 2
            rows.append(row)
            place = builder.add(place, arguments[2])
        _add_columns(context, builder, kinds[6:], arguments[6:], rows)
        for distance in (16, 8, 4, 2, 1):
            for number in range(SIDE):
                if not number & distance:
                    pair = rows[number], rows[number + distance]
                    rows[number], rows[number + distance] = _swapped(builder, *pair, distance)
        place = arguments[4]
        for row in rows:
            address = byte_address(context, builder, kinds[3], (arguments[3], place), row_type)
            builder.store(row, address).align = 2
            place = builder.add(place, arguments[5])
        return context.get_dummy_value()

    size = types.uint64
    tile = (source, size, size, target, size, size)
    return types.void(*tile, factors, size, sums, size), generate


@inlined
def transpose_strip(
    source: np.ndarray,
    first: Any,
    last: Any,
    target: np.ndarray,
    sums: np.ndarray,
    block: Any,
) -> None:
    """Rows `first` to `last` of `source`, up to 32, become columns of `target`.

    The sums of their columns are added to row `block` of `sums`. Behind the last row of all
    come zeros: oneDNN 3.12 reads them with AMX, and NaN times its zeros is NaN.
    """
    width = source.shape[1]
    whole = 0
    if last - first == SIDE:
        whole = width // SIDE * SIDE
        for at in range(0, whole, SIDE):
            transpose_tile(
                source,
                uint64((first * width + at) * 2),
                uint64(width * 2),
                target,
                uint64((at * target.shape[1] + first) * 2),
                uint64(target.shape[1] * 2),
                _ONES,
                uint64(0),
                sums,
                uint64((block * width + at) * 4),
            )
    for row in range(first, last):
        for at in range(whole, width):
            target[at, row] = source[row, at]
            sums[block, at] += wide(source[row, at])
    if last == source.shape[0]:
        zero_behind(target, 0, width, last)


@inlined
def zero_behind(target: np.ndarray, begin: Any, end: Any, count: Any) -> None:
    """Zeros behind the first `count` numbers of the rows `begin` to `end` of `target`."""
    for at in range(begin, end):
        for behind in range(count, target.shape[1]):
            target[at, behind] = uint16(0)


@arithmetic
def transpose_and_sum(
    begin: int, end: int, source: np.ndarray, target: np.ndarray, sums: np.ndarray
) -> None:
    """Transpose blocks of rows, and sum their columns.

    Args:
        begin: first block of 64 rows.
        end: behind the last.
        source: uint16[T, N].
        target: uint16[N, T or more], filled, with zeros behind T.
        sums: float32[blocks, N], filled.
    """
    for block in range(begin, end):
        for at in range(source.shape[1]):
            sums[block, at] = np.float32(0)
        last = min(64 * block + 64, source.shape[0])
        for first in range(64 * block, last, SIDE):
            transpose_strip(source, first, min(first + SIDE, last), target, sums, block)
