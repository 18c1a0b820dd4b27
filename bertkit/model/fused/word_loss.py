"""Calls the kernels of the loss over a vocabulary: see `loss_kernels`."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from bertkit.model.fused import loss_kernels as kernels
from bertkit.model.fused.launch import Kernel

_HELD = Kernel(kernels.held_word_losses)
_LOOPED = Kernel(kernels.word_losses)
_SUMS = Kernel(kernels.loss_sums)

_SUM_BLOCK = 1024
_MOST_HELD = 1 << 15  # numbers of a row that the registers of a program hold


@dataclass(frozen=True)
class Way:
    """How a row is read.

    Attributes:
        block: a power of 2, the numbers at a time; with all of a row it is read once.
        warps: of 32 threads.
    """

    block: int
    warps: int


def chosen_way(size: int) -> Way:
    """For rows of that many logits."""
    block = 1 << max(6, (size - 1).bit_length())
    return Way(block, max(1, block // 2048)) if block <= _MOST_HELD else Way(4096, 16)


def word_losses(
    logits: Tensor,
    labels: Tensor,
    factors: Tensor,
    losses: Tensor,
    right: Tensor,
    gradient: bool,
    way: Way | None = None,
) -> None:
    """Cross entropy of each row, and its gradient in the place of the logits.

    Args:
        logits: [n, V], half precision, contiguous; with `gradient` it becomes
            (softmax - one at the label) * factor.
        labels: int64[n], in 0..V - 1.
        factors: float32[n]; a row whose factor is 0 gets zeros.
        losses: float32[n], written.
        right: float32[n], written: 1 where the label has the largest logit, and is the first
            word that has it.
        gradient: whether it is wanted; otherwise the logits stay.
        way: None: `chosen_way`.
    """
    rows, size = logits.shape
    if not rows:
        return
    way = way or chosen_way(size)
    (_HELD if way.block >= size else _LOOPED).launch(
        (rows, 1, 1),
        (logits, labels, factors, losses, right),
        {"SIZE": size, "BLOCK": way.block, "GRADIENT": gradient},
        way.warps,
    )


def loss_sums(
    losses: Tensor, right: Tensor, factors: Tensor
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """0-dim sums over rows.

    Args:
        losses: float32[M], and `right` float32[M], of `word_losses`.
        factors: float32[M].

    Returns:
        losses times factors; right, losses, and the number, of rows whose factor is above 0.
    """
    loss, correct, plain, cases = (losses.new_empty(()) for _ in range(4))
    _SUMS.launch(
        (1, 1, 1),
        (losses, right, factors, loss, correct, plain, cases, len(losses)),
        {"BLOCK": _SUM_BLOCK},
        warps=8,
    )
    return loss, correct, plain, cases
