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
def load_seed(seed, DROPS: tl.constexpr):
    """Its words for rows and for columns; without dropout nothing is read."""
    words = 0, 0
    if DROPS:
        words = tl.load(seed), tl.load(seed + 1)
    return words


@triton.jit
def line_words(numbers, seed):
    """One word for each row or column: uint32 like `numbers`, which are not negative.

    Every bit hangs on every bit of the number and of the seed, but for the lowest, which is 1.
    Multipliers and shifts are those of Wellons' "lowbias32" (2018, public domain).

    seed: a word of `load_seed`.
    """
    word = tl.cast(numbers, tl.uint32) * 0x7FEB352D + tl.cast(seed, tl.uint32) * 0x9E3779B1
    word = word ^ (word >> 15)
    word = word * 0x846CA68B
    return (word ^ (word >> 16)) | 1


@triton.jit
def keeps(rows, columns, threshold):
    """Whether elements stay: of words of rows and columns that broadcast against each other.

    Products of odd words that are drawn at random are random, and independent in pairs; what
    one multiplication costs is what counts in attention, which does this for every score.
    """
    return (rows * columns).to(tl.int32, bitcast=True) >= threshold
