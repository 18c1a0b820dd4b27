"""Kernels of the loss over a vocabulary in Triton: cross entropy and its gradient in place; sums.

A row of logits is read once, or, where it is longer than registers hold, once from memory and once
from a cache. Every sum is that of one program, in an order that depends on the sizes alone.
"""

# No `from __future__ import annotations`: Triton reads annotations as they are.
import triton
import triton.language as tl

LOWEST = tl.constexpr(-3.4028234663852886e38)  # of float32


@triton.jit
def _beats(value, columns, own, label):
    """1 where a word comes before the label: a larger logit, or as large and further left."""
    return ((value > own) | ((value == own) & (columns < label))).to(tl.int32)


@triton.jit
def _change(power, columns, inverse, label, factor):
    """(softmax - one at the label) * factor, from exponentials and 1 / their sum."""
    share = power * inverse
    change = tl.where(columns == label, share - 1.0, share) * factor
    return tl.where(factor == 0.0, 0.0, change)  # also where a logit is not a number


@triton.jit
def _store_outcome(losses, right, row, loss, best, factor):
    tl.store(losses + row, tl.where(factor == 0.0, 0.0, loss))
    # A loss that is not a number is nobody's success.
    success = best & (loss == loss) & (factor != 0.0)
    tl.store(right + row, success.to(tl.float32))


@triton.jit(do_not_specialize_on_alignment=["labels", "factors", "losses", "right"])
def held_word_losses(
    logits, labels, factors, losses, right, SIZE: tl.constexpr, BLOCK: tl.constexpr,
    GRADIENT: tl.constexpr,
):  # fmt: skip
    """losses and right float32[n] of logits [n, SIZE], one row a program, BLOCK >= SIZE.

    right is 1 where the label has the largest logit, the first of several. With GRADIENT the
    gradient of sum(losses * factors) takes the place of the logits. A row whose factor is 0 has
    zeros for its loss, right and gradient.
    """
    row = tl.program_id(0)
    columns = tl.arange(0, BLOCK)
    inside = columns < SIZE
    line = logits + tl.cast(row, tl.int64) * SIZE
    # Nothing has to be known before the row is on its way.
    value = tl.load(line + columns, mask=inside, other=float("-inf")).to(tl.float32)
    factor = tl.load(factors + row)
    label = tl.load(labels + row).to(tl.int32)
    own = tl.load(line + label).to(tl.float32)
    largest = tl.max(value, 0)
    best = tl.min(tl.where(value == largest, columns, BLOCK), 0)
    power = tl.exp(value - largest)
    total = tl.sum(power, 0)
    _store_outcome(losses, right, row, largest + tl.log(total) - own, best == label, factor)
    if GRADIENT:
        change = _change(power, columns, 1.0 / total, label, factor)
        tl.store(line + columns, change.to(logits.dtype.element_ty), mask=inside)


@triton.jit(do_not_specialize_on_alignment=["labels", "factors", "losses", "right"])
def word_losses(
    logits, labels, factors, losses, right, SIZE: tl.constexpr, BLOCK: tl.constexpr,
    GRADIENT: tl.constexpr,
):  # fmt: skip
    """The same as `held_word_losses` for rows of any length, BLOCK numbers at a time.

    A row whose factor is 0 is not read.
    """
    row = tl.program_id(0)
    factor = tl.load(factors + row)
    label = tl.load(labels + row).to(tl.int32)
    line = logits + tl.cast(row, tl.int64) * SIZE
    kind = logits.dtype.element_ty
    lanes = tl.arange(0, BLOCK)
    if factor == 0.0:
        tl.store(losses + row, 0.0)
        tl.store(right + row, 0.0)
        if GRADIENT:
            for first in range(0, SIZE, BLOCK):
                columns = first + lanes
                tl.store(line + columns, tl.zeros([BLOCK], kind), mask=columns < SIZE)
    else:
        own = tl.load(line + label).to(tl.float32)
        # Of each lane: the largest so far, and the sum of exponentials of differences to it.
        top = tl.full([BLOCK], LOWEST, tl.float32)
        sums = tl.zeros([BLOCK], tl.float32)
        beats = tl.zeros([BLOCK], tl.int32)
        for first in range(0, SIZE, BLOCK):
            columns = first + lanes
            inside = columns < SIZE
            value = tl.load(line + columns, mask=inside, other=float("-inf")).to(tl.float32)
            beats += _beats(value, columns, own, label)
            # One of the exponentials of value - new top and top - new top is 1.
            difference = value - top
            power = tl.exp(-tl.abs(difference))
            higher = difference > 0
            sums = tl.where(higher, sums * power + 1.0, sums + power)
            top = tl.where(higher, value, top)
        largest = tl.max(top, 0)
        total = tl.sum(sums * tl.exp(top - largest), 0)
        loss = largest + tl.log(total) - own
        _store_outcome(losses, right, row, loss, tl.sum(beats, 0) == 0, factor)
        if GRADIENT:
            inverse = 1.0 / total
            for first in range(0, SIZE, BLOCK):
                columns = first + lanes
                inside = columns < SIZE
                value = tl.load(line + columns, mask=inside, other=float("-inf")).to(tl.float32)
                change = _change(tl.exp(value - largest), columns, inverse, label, factor)
                tl.store(line + columns, change.to(kind), mask=inside)


@triton.jit(
    do_not_specialize=["rows"], do_not_specialize_on_alignment=["losses", "right", "factors"]
)
def loss_sums(
    losses, right, factors, loss, correct, plain, cases, rows, BLOCK: tl.constexpr
):  # fmt: skip
    """Four sums over all rows, by one program: see `bertkit.model.losses.LossSums`."""
    lanes = tl.arange(0, BLOCK)
    weighted = tl.zeros([BLOCK], tl.float32)
    hits = tl.zeros([BLOCK], tl.float32)
    unweighted = tl.zeros([BLOCK], tl.float32)
    number = tl.zeros([BLOCK], tl.float32)
    for first in range(0, rows, BLOCK):
        places = first + lanes
        inside = places < rows
        factor = tl.load(factors + places, mask=inside, other=0.0)
        value = tl.load(losses + places, mask=inside, other=0.0)
        count = (factor > 0).to(tl.float32)
        weighted += value * factor
        unweighted += value * count
        hits += tl.load(right + places, mask=inside, other=0.0) * count
        number += count
    tl.store(loss, tl.sum(weighted, 0))
    tl.store(correct, tl.sum(hits, 0))
    tl.store(plain, tl.sum(unweighted, 0))
    tl.store(cases, tl.sum(number, 0))
