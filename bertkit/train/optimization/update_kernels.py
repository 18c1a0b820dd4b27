"""A kernel in Triton for AdamW: one pass over weights, moments and gradients of many tensors.

Its operations and their rounding are those of PyTorch's fused AdamW for CUDA (2.11 to 2.13):
all in float32, products added in one rounding where PyTorch's machine code does so. What it adds
to that: gradients may be of half precision, and half precision copies of the new weights are
written beside them.
"""

# No `from __future__ import annotations`: Triton reads annotations as they are.
import triton
import triton.language as tl

# Of the table of tensors: five addresses, and the number of elements.
COLUMNS = tl.constexpr(6)


@triton.jit
def _column(line, column, KIND: tl.constexpr, ALIGNED: tl.constexpr):
    """The tensor whose address stands in a column."""
    start = tl.load(line + column).to(tl.pointer_type(KIND))
    if ALIGNED:
        start = tl.multiple_of(start, 16)
    return start


@triton.jit
def adamw(
    table, work, rate, corrections, left_out, divisor, beta1, beta2, epsilon, decay,
    GRADIENT: tl.constexpr, COPY: tl.constexpr, DECAYS: tl.constexpr, DIVIDES: tl.constexpr,
    ALIGNED: tl.constexpr, BLOCK: tl.constexpr,
):  # fmt: skip
    """One update of tensors, BLOCK elements of one of them a program; none where left_out is 1.

    table: int64[tensors, COLUMNS]: addresses of the weights, both moments, the gradient and the
        copy; elements.
    work: int32[programs, 2]: the tensor that each program works on, and which block of it.
    rate: float32, and left_out and divisor (of the gradients, where DIVIDES).
    corrections: float32[tensors, 2]: 1 - beta1^step, and the root of 1 - beta2^step.
    GRADIENT: type of the gradients; COPY: of the copies, or None.
    ALIGNED: addresses and numbers of elements divide by 16.
    """
    if tl.load(left_out) != 1.0:
        owner = tl.load(work + tl.program_id(0) * 2)
        block = tl.load(work + tl.program_id(0) * 2 + 1).to(tl.int64)
        line = table + owner * COLUMNS
        count = tl.load(line + 5)
        if ALIGNED:
            count = tl.multiple_of(count, 16)
        places = block * BLOCK + tl.arange(0, BLOCK)
        inside = places < count
        weights = _column(line, 0, tl.float32, ALIGNED) + places
        first_moments = _column(line, 1, tl.float32, ALIGNED) + places
        second_moments = _column(line, 2, tl.float32, ALIGNED) + places
        gradients = _column(line, 3, GRADIENT, ALIGNED) + places
        weight = tl.load(weights, mask=inside, other=0.0)
        first = tl.load(first_moments, mask=inside, other=0.0)
        second = tl.load(second_moments, mask=inside, other=0.0)
        gradient = tl.load(gradients, mask=inside, other=0.0).to(tl.float32)
        pace = tl.load(rate)
        if DIVIDES:
            gradient = tl.div_rn(gradient, tl.load(divisor))
        if DECAYS:
            weight = tl.fma(weight, -(pace * decay), weight)
        square = gradient * gradient
        first = tl.fma(first, beta1, tl.fma(gradient, -beta1, gradient))
        second = tl.fma(second, beta2, tl.fma(square, -beta2, square))
        size = tl.div_rn(pace, tl.load(corrections + owner * 2))
        root = tl.div_rn(tl.sqrt_rn(second), tl.load(corrections + owner * 2 + 1))
        weight -= tl.div_rn(size * first, root + epsilon)
        tl.store(weights, weight, mask=inside)
        tl.store(first_moments, first, mask=inside)
        tl.store(second_moments, second, mask=inside)
        if COPY is not None:
            copies = _column(line, 4, COPY, ALIGNED) + places
            tl.store(copies, weight.to(COPY), mask=inside)
