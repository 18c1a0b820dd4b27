"""Attention over ragged rows with dropout, forward and backward, as Triton kernels.

The method is that of flash attention (Dao, https://arxiv.org/abs/2307.08691): scores live in
registers only. One program has a block of rows of one head of one sequence. Every sum is
made by one program in a fixed order, so that results repeat bit for bit.

`projected` [T, 3H] holds query, key and value of every row side by side; probabilities are
computed as powers of 2, and `lse` is the logarithm of their sums to the base 2.
"""

# No `from __future__ import annotations`: Triton reads annotations as they are.
import triton
import triton.language as tl

from bertkit.model.fused.random_bits import keeps, line_words, load_seed

HUGE = tl.constexpr(3e38)
NUMBERS = ["blocks", "rows_in_all", "threshold"]


@triton.jit
def _place(starts, blocks, HEADS: tl.constexpr):
    """(block, head, first row of the sequence, its length) of this program."""
    program = tl.program_id(0)
    sequence = program // (blocks * HEADS)
    begin = tl.load(starts + sequence)
    length = tl.load(starts + sequence + 1) - begin
    return program % blocks, (program // blocks) % HEADS, begin, length


@triton.jit
def _tile(base, rows, length, WIDTH, SIZE: tl.constexpr):
    """Rows of a head [len(rows), SIZE]; in the place of those beyond the sequence stands its last.

    So no load has a condition. What is computed of them is made 0, or is not stored.
    """
    rows = tl.minimum(rows, length - 1)
    return tl.load(base + rows[:, None] * WIDTH + tl.arange(0, SIZE)[None, :])


@triton.jit
def _forward_block(
    query, words, top, total, mixed, base, first, length, begin, seed, threshold, scale,
    WIDTH: tl.constexpr, SIZE: tl.constexpr, N: tl.constexpr, DROPS: tl.constexpr,
):  # fmt: skip
    """Take N keys from `first` on into the running maximum, sum and mixture."""
    keys = first + tl.arange(0, N)
    key = _tile(base + WIDTH, keys, length, 3 * WIDTH, SIZE)
    value = _tile(base + 2 * WIDTH, keys, length, 3 * WIDTH, SIZE)
    scores = tl.dot(query, tl.trans(key))
    if first + N > length:
        scores = tl.where(keys[None, :] < length, scores, -HUGE)
    higher = tl.maximum(top, tl.max(scores, 1) * scale)
    chances = tl.exp2(scores * scale - higher[:, None])
    shrink = tl.exp2(top - higher)
    total = total * shrink + tl.sum(chances, 1)
    if DROPS:
        columns = line_words(begin + keys, seed)
        chances = tl.where(keeps(words[:, None], columns[None, :], threshold), chances, 0.0)
    mixed = mixed * shrink[:, None]
    mixed = tl.dot(chances.to(value.dtype), value, mixed)
    return higher, total, mixed


@triton.jit(do_not_specialize=NUMBERS, do_not_specialize_on_alignment=["starts"])
def attention_forward(
    projected, out, lse, starts, seed, blocks, rows_in_all, threshold, scale, grow,
    HEADS: tl.constexpr, SIZE: tl.constexpr, M: tl.constexpr, N: tl.constexpr,
    DROPS: tl.constexpr,
):  # fmt: skip
    """out [T, H] and lse float32[HEADS, T]; M queries of a head per program."""
    WIDTH: tl.constexpr = HEADS * SIZE
    block, head, begin, length = _place(starts, blocks, HEADS)
    seed_rows, seed_columns = load_seed(seed, DROPS)
    if block * M >= length:
        return
    base = projected + begin.to(tl.int64) * (3 * WIDTH) + head * SIZE
    rows = block * M + tl.arange(0, M)
    query = _tile(base, rows, length, 3 * WIDTH, SIZE)
    words = line_words((begin + rows) * HEADS + head, seed_rows)
    top = tl.full([M], -HUGE, tl.float32)
    total = tl.zeros([M], tl.float32)
    mixed = tl.zeros([M, SIZE], tl.float32)
    for first in range(0, length, N):
        top, total, mixed = _forward_block(
            query, words, top, total, mixed, base, first, length, begin, seed_columns,
            threshold, scale, WIDTH, SIZE, N, DROPS,
        )  # fmt: skip
    inside = rows < length
    mixed = mixed * (grow / total)[:, None]
    places = (begin + rows).to(tl.int64)[:, None] * WIDTH + head * SIZE + tl.arange(0, SIZE)
    tl.store(out + places, mixed.to(out.dtype.element_ty), mask=inside[:, None])
    tl.store(lse + head * rows_in_all + begin + rows, top + tl.log2(total), mask=inside)


@triton.jit
def _query_block(
    query, given, log_sum, delta, words, gradient, base, first, length, begin, seed, threshold,
    scale, WIDTH: tl.constexpr, SIZE: tl.constexpr, N: tl.constexpr, DROPS: tl.constexpr,
):  # fmt: skip
    """What N keys from `first` on add to the gradient of the queries."""
    keys = first + tl.arange(0, N)
    key = _tile(base + WIDTH, keys, length, 3 * WIDTH, SIZE)
    value = _tile(base + 2 * WIDTH, keys, length, 3 * WIDTH, SIZE)
    chances = tl.exp2(tl.dot(query, tl.trans(key)) * scale - log_sum[:, None])
    if first + N > length:
        chances = tl.where(keys[None, :] < length, chances, 0.0)
    change = tl.dot(given, tl.trans(value))
    if DROPS:
        columns = line_words(begin + keys, seed)
        change = tl.where(keeps(words[:, None], columns[None, :], threshold), change, 0.0)
    change = chances * (change - delta[:, None])
    return tl.dot(change.to(key.dtype), key, gradient)


@triton.jit(do_not_specialize=NUMBERS, do_not_specialize_on_alignment=["starts"])
def attention_backward_query(
    projected, out, given, lse, deltas, result, starts, seed, blocks, rows_in_all, threshold,
    scale, plain_scale, grow, HEADS: tl.constexpr, SIZE: tl.constexpr, M: tl.constexpr,
    N: tl.constexpr, DROPS: tl.constexpr,
):  # fmt: skip
    """The queries' third of result [T, 3H]; and deltas float32[HEADS, T], the products of
    outputs and their gradients over `grow`, which the other kernel needs."""
    WIDTH: tl.constexpr = HEADS * SIZE
    block, head, begin, length = _place(starts, blocks, HEADS)
    seed_rows, seed_columns = load_seed(seed, DROPS)
    if block * M >= length:
        return
    base = projected + begin.to(tl.int64) * (3 * WIDTH) + head * SIZE
    flat = begin.to(tl.int64) * WIDTH + head * SIZE
    rows = block * M + tl.arange(0, M)
    inside = rows < length
    query = _tile(base, rows, length, 3 * WIDTH, SIZE)
    gradient_out = _tile(given + flat, rows, length, WIDTH, SIZE)
    mixed = _tile(out + flat, rows, length, WIDTH, SIZE)
    delta = tl.sum(gradient_out.to(tl.float32) * mixed.to(tl.float32), 1) / grow
    places = head * rows_in_all + begin + rows
    tl.store(deltas + places, delta, mask=inside)
    log_sum = tl.load(lse + places, mask=inside, other=HUGE)
    words = line_words((begin + rows) * HEADS + head, seed_rows)
    gradient = tl.zeros([M, SIZE], tl.float32)
    for first in range(0, length, N):
        gradient = _query_block(
            query, gradient_out, log_sum, delta, words, gradient, base, first, length, begin,
            seed_columns, threshold, scale, WIDTH, SIZE, N, DROPS,
        )  # fmt: skip
    places = (begin + rows).to(tl.int64)[:, None] * (3 * WIDTH) + head * SIZE
    places += tl.arange(0, SIZE)[None, :]
    gradient = (gradient * (plain_scale * grow)).to(result.dtype.element_ty)
    tl.store(result + places, gradient, mask=inside[:, None])


@triton.jit
def _key_block(
    key, value, words, key_gradient, value_gradient, base, given, lse, deltas, first, length,
    begin, head, seed, threshold, scale, HEADS: tl.constexpr, SIZE: tl.constexpr,
    M: tl.constexpr, DROPS: tl.constexpr,
):  # fmt: skip
    """What M queries from `first` on add to the gradients of keys and values.

    Scores stand transposed, [keys, queries], so that no product needs another order.
    """
    WIDTH: tl.constexpr = HEADS * SIZE
    rows = first + tl.arange(0, M)
    query = _tile(base, rows, length, 3 * WIDTH, SIZE)
    gradient_out = _tile(given, rows, length, WIDTH, SIZE)
    # Beyond the sequence the sum is so large that there are no chances.
    log_sum = tl.load(lse + rows, mask=rows < length, other=HUGE)
    delta = tl.load(deltas + rows, mask=rows < length, other=0.0)
    chances = tl.exp2(tl.dot(key, tl.trans(query)) * scale - log_sum[None, :])
    change = tl.dot(value, tl.trans(gradient_out))
    kept = chances
    if DROPS:
        own = line_words((begin + rows) * HEADS + head, seed)
        kept = tl.where(keeps(words[:, None], own[None, :], threshold), chances, 0.0)
    value_gradient = tl.dot(kept.to(query.dtype), gradient_out, value_gradient)
    change = kept * change - chances * delta[None, :]
    key_gradient = tl.dot(change.to(query.dtype), query, key_gradient)
    return key_gradient, value_gradient


@triton.jit(do_not_specialize=NUMBERS, do_not_specialize_on_alignment=["starts"])
def attention_backward_key_value(
    projected, given, lse, deltas, result, starts, seed, blocks, rows_in_all, threshold, scale,
    plain_scale, grow, HEADS: tl.constexpr, SIZE: tl.constexpr, M: tl.constexpr,
    N: tl.constexpr, DROPS: tl.constexpr,
):  # fmt: skip
    """The thirds of result [T, 3H] that belong to keys and values; N of them per program."""
    WIDTH: tl.constexpr = HEADS * SIZE
    block, head, begin, length = _place(starts, blocks, HEADS)
    seed_rows, seed_columns = load_seed(seed, DROPS)
    if block * N >= length:
        return
    base = projected + begin.to(tl.int64) * (3 * WIDTH) + head * SIZE
    given += begin.to(tl.int64) * WIDTH + head * SIZE
    lse += head * rows_in_all + begin
    deltas += head * rows_in_all + begin
    keys = block * N + tl.arange(0, N)
    key = _tile(base + WIDTH, keys, length, 3 * WIDTH, SIZE)
    value = _tile(base + 2 * WIDTH, keys, length, 3 * WIDTH, SIZE)
    words = line_words(begin + keys, seed_columns)
    key_gradient = tl.zeros([N, SIZE], tl.float32)
    value_gradient = tl.zeros([N, SIZE], tl.float32)
    for first in range(0, length, M):
        key_gradient, value_gradient = _key_block(
            key, value, words, key_gradient, value_gradient, base, given, lse, deltas, first,
            length, begin, head, seed_rows, threshold, scale, HEADS, SIZE, M, DROPS,
        )  # fmt: skip
    inside = (keys < length)[:, None]
    places = (begin + keys).to(tl.int64)[:, None] * (3 * WIDTH) + head * SIZE
    places += tl.arange(0, SIZE)[None, :]
    kind = result.dtype.element_ty
    tl.store(result + WIDTH + places, (key_gradient * (plain_scale * grow)).to(kind), mask=inside)
    tl.store(result + 2 * WIDTH + places, (value_gradient * grow).to(kind), mask=inside)
