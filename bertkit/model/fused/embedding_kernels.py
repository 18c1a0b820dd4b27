"""Kernels in Triton for embeddings: their sum, layer norm and dropout at once; and back.

Tables get sums of rows that share an id. Ids are sorted, and every program adds the rows of a
piece of that order, always in the same order; what goes on over several pieces is added by a
second kernel, so that an id with thousands of rows has many programs.
"""

# No `from __future__ import annotations`: Triton reads annotations as they are.
import triton
import triton.language as tl

from bertkit.model.fused.random_bits import keeps, line_words, load_seed
from bertkit.model.fused.row_kernels import norm_change, normed_row


@triton.jit
def _summed(
    words, positions, segments, ids, places, kinds, row, columns, inside, WIDTH: tl.constexpr
):
    """The row of the sum of three tables, in float32, in the order of PyTorch's operators."""
    word = tl.load(ids + row).to(tl.int64) * WIDTH
    place = tl.load(places + row).to(tl.int64) * WIDTH
    kind = tl.load(kinds + row).to(tl.int64) * WIDTH
    value = tl.load(words + word + columns, mask=inside, other=0.0).to(tl.float32)
    value += tl.load(positions + place + columns, mask=inside, other=0.0).to(tl.float32)
    return value + tl.load(segments + kind + columns, mask=inside, other=0.0).to(tl.float32)


@triton.jit(do_not_specialize=["threshold"])
def embeddings_forward(
    words, positions, segments, ids, places, kinds, gain, shift, result, means, deviations,
    seed, threshold, grow, epsilon, WIDTH: tl.constexpr, BLOCK: tl.constexpr, DROPS: tl.constexpr,
):  # fmt: skip
    """result = dropout(layer norm(sum of three vectors)); one row a program.

    means and deviations float32[T] are the mean and 1 / the standard deviation of each row.
    """
    row = tl.program_id(0)
    seed_rows, seed_columns = load_seed(seed, DROPS)
    columns = tl.arange(0, BLOCK)
    inside = columns < WIDTH
    value = _summed(
        words, positions, segments, ids, places, kinds, row, columns, inside, WIDTH
    )  # fmt: skip
    value = normed_row(
        value, inside, means, deviations, row, gain, shift, columns, epsilon, WIDTH
    )  # fmt: skip
    if DROPS:
        stays = keeps(line_words(row, seed_rows), line_words(columns, seed_columns), threshold)
        value = tl.where(stays, value * grow, 0.0)
    outcome = tl.cast(row, tl.int64) * WIDTH + columns
    tl.store(result + outcome, value.to(result.dtype.element_ty), mask=inside)


@triton.jit(do_not_specialize=["threshold", "rows"])
def embeddings_backward(
    given, words, positions, segments, ids, places, kinds, gain, means, deviations, changes,
    sums, seed, threshold, grow, rows,
    WIDTH: tl.constexpr, BLOCK: tl.constexpr, DROPS: tl.constexpr,
):  # fmt: skip
    """changes float32[T, WIDTH], the gradient of the sum, which is gathered once more; and sums
    float32[programs, 4, WIDTH] for gain, shift and the first two segments."""
    seed_rows, seed_columns = load_seed(seed, DROPS)
    columns = tl.arange(0, BLOCK)
    inside = columns < WIDTH
    factor = tl.load(gain + columns, mask=inside, other=0.0).to(tl.float32)
    to_gain = tl.zeros([BLOCK], tl.float32)
    to_shift = tl.zeros([BLOCK], tl.float32)
    to_first = tl.zeros([BLOCK], tl.float32)
    to_second = tl.zeros([BLOCK], tl.float32)
    line = line_words(columns, seed_columns)
    for row in range(tl.program_id(0), rows, tl.num_programs(0)):
        outcome = tl.cast(row, tl.int64) * WIDTH + columns
        gradient = tl.load(given + outcome, mask=inside, other=0.0).to(tl.float32)
        if DROPS:
            stays = keeps(line_words(row, seed_rows), line, threshold)
            gradient = tl.where(stays, gradient * grow, 0.0)
        value = _summed(
            words, positions, segments, ids, places, kinds, row, columns, inside, WIDTH
        )  # fmt: skip
        change, plain = norm_change(
            gradient, value, inside, means, deviations, row, factor, WIDTH
        )  # fmt: skip
        to_gain += gradient * plain
        to_shift += gradient
        tl.store(changes + outcome, change, mask=inside)
        kind = tl.load(kinds + row)
        to_first += tl.where(kind == 0, change, 0.0)
        to_second += tl.where(kind == 1, change, 0.0)
    outcome = tl.program_id(0) * (4 * WIDTH) + columns
    tl.store(sums + outcome, to_gain, mask=inside)
    tl.store(sums + outcome + WIDTH, to_shift, mask=inside)
    tl.store(sums + outcome + 2 * WIDTH, to_first, mask=inside)
    tl.store(sums + outcome + 3 * WIDTH, to_second, mask=inside)


@triton.jit(do_not_specialize=["count"])
def add_pieces(
    changes, order, numbers, table, pieces, count,
    WIDTH: tl.constexpr, BLOCK: tl.constexpr, PIECE: tl.constexpr,
):  # fmt: skip
    """Adds PIECE rows, in the order of their ids, to the rows of `table` that these name.

    An id whose rows all lie within the piece is done. Of others, sums go to pieces
    float32[pieces, 2, WIDTH]: first of the id that began before this piece, then of one that
    begins in it and goes on.

    order: int64[count], numbers of rows; numbers: [count], their ids, which ascend.
    """
    first = tl.program_id(0) * PIECE
    last = min(first + PIECE, count)
    columns = tl.program_id(1) * BLOCK + tl.arange(0, BLOCK)
    inside = columns < WIDTH
    total = tl.zeros([BLOCK], tl.float32)
    before = tl.load(numbers + first - 1, mask=first > 0, other=-1)
    begun = (before == tl.load(numbers + first)).to(tl.int32)
    mine = pieces + tl.program_id(0).to(tl.int64) * (2 * WIDTH) + columns
    for place in range(first, last):
        number = tl.load(numbers + place)
        following = tl.load(numbers + place + 1, mask=place + 1 < count, other=-1)
        source = tl.load(order + place) * WIDTH + columns
        total += tl.load(changes + source, mask=inside, other=0.0)
        ends = following != number
        target = table + tl.cast(number, tl.int64) * WIDTH + columns
        done = tl.where(ends & (begun == 0), inside, False)
        tl.store(target, total.to(table.dtype.element_ty), mask=done)
        goes_on = (following == number) & (place + 1 == last)
        kept = tl.where((ends | goes_on) & (begun == 1), inside, False)
        tl.store(mine, total, mask=kept)
        begins = tl.where(goes_on & (begun == 0), inside, False)
        tl.store(mine + WIDTH, total, mask=begins)
        total = tl.where(ends, 0.0, total)
        begun = tl.where(ends, 0, begun)


@triton.jit(do_not_specialize=["count"])
def join_pieces(
    numbers, table, pieces, count,
    WIDTH: tl.constexpr, BLOCK: tl.constexpr, PIECE: tl.constexpr, TALL: tl.constexpr,
):  # fmt: skip
    """Adds what an id that begins in a piece and goes on has there and in those that follow."""
    piece = tl.program_id(0)
    first = piece * PIECE
    after = first + PIECE
    number = tl.load(numbers + min(after, count) - 1)
    before = tl.load(numbers + first - 1, mask=first > 0, other=-1)
    # Ids ascend: one that stands before the piece and at its end fills it.
    begins = before != number
    goes_on = tl.load(numbers + after, mask=after < count, other=-1) == number
    if begins & goes_on:
        columns = tl.program_id(1) * BLOCK + tl.arange(0, BLOCK)
        inside = columns < WIDTH
        total = tl.zeros([TALL, BLOCK], tl.float32)
        line = piece + 1
        more = TALL
        while more == TALL:
            lines = line + tl.arange(0, TALL)
            starts = lines * PIECE
            same = tl.load(numbers + starts, mask=starts < count, other=-1) == number
            source = tl.cast(lines, tl.int64)[:, None] * (2 * WIDTH) + columns[None, :]
            total += tl.load(pieces + source, mask=same[:, None] & inside[None, :], other=0.0)
            line += TALL
            more = tl.sum(same.to(tl.int32), 0)
        own = pieces + tl.cast(piece, tl.int64) * (2 * WIDTH) + WIDTH + columns
        whole = tl.load(own, mask=inside, other=0.0) + tl.sum(total, 0)
        target = table + tl.cast(number, tl.int64) * WIDTH + columns
        tl.store(target, whole.to(table.dtype.element_ty), mask=inside)
