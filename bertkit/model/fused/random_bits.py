"""Draws dropout masks inside kernels, without keeping them in memory.

An element stays or goes by a hash of its row, its column and the seed of the call, so that
the backward pass finds the mask of the forward pass again, whatever the tiles of either.
"""

# No `from __future__ import annotations`: Triton reads annotations as they are.
import torch
import triton
import triton.language as tl

_BITS = 31  # of each word of a seed, so that they are never negative


def draw_seeds(count: int, device: torch.device) -> torch.Tensor:
    """Seeds int32[count, 4]: two words that decide a mask, and two that nothing uses, so that
    each seed begins at a multiple of 16 bytes.

    They come from PyTorch's generator of that device, by one kernel, and the host never sees
    them: a CUDA graph that is replayed draws others each time, as `torch.manual_seed` decides.
    `torch.utils.checkpoint` sets that generator back before it computes again, so that
    dropout is then the same.
    """
    return torch.randint(1 << _BITS, (count, 4), dtype=torch.int32, device=device)


def keep_threshold(rate: float) -> int:
    """The hash, read as an int32, from which on an element stays, for `keeps`."""
    return min(round(rate * 2**32) - 2**31, 2**31 - 1)


@triton.jit
def hashed(word):
    """A bijection of uint32 whose every output bit hangs on every input bit.

    The multipliers and shifts are those of Wellons' "lowbias32" (2018, public domain).
    """
    word = word ^ (word >> 16)
    word = word * 0x7FEB352D
    word = word ^ (word >> 15)
    word = word * 0x846CA68B
    return word ^ (word >> 16)


@triton.jit
def load_seed(seed, DROPS: tl.constexpr):
    """Its words for rows and for columns; without dropout nothing is read."""
    words = 0, 0
    if DROPS:
        words = tl.load(seed), tl.load(seed + 1)
    return words


@triton.jit
def line_words(numbers, seed):
    """One word for each row or column: uint32 like `numbers`, which are not negative.

    seed: a word of `load_seed`.
    """
    return hashed(tl.cast(numbers, tl.uint32) + tl.cast(seed, tl.uint32) * 0x9E3779B1)


@triton.jit
def keeps(rows, columns, threshold):
    """Whether elements stay: of words of rows and columns that broadcast against each other."""
    word = rows ^ columns
    word = word * 0x7FEB352D
    word = word ^ (word >> 15)
    word = word * 0x846CA68B
    return word.to(tl.int32, bitcast=True) >= threshold
