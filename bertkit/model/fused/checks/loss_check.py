"""Checks on a device that the kernels of the loss over a vocabulary give the right numbers.

As `layer_check` does for those of layers.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional

from bertkit.model.fused.rows import column_sums
from bertkit.model.fused.word_loss import loss_sums, word_losses

ROWS = 300  # more than a GPU has processors
_PADDING = 13  # words that do not exist
# How far numbers may be off, relative to themselves and the second; numbers of float16 that
# are much smaller than that have few bits.
_ALWAYS, _SMALL = 1e-4, 1e-4


class Found(NamedTuple):
    """What the kernels give, by PyTorch's operators or by themselves."""

    losses: Tensor
    right: Tensor
    beside: Tensor  # gradients of logits, 0 at the labels
    own: Tensor  # those at the labels
    columns: Tensor
    loss: Tensor
    correct: Tensor
    plain: Tensor
    cases: Tensor


_NAMES = (
    "the loss of masked words",
    "whether the label has the largest logit",
    "the gradient of logits",
    "the gradient of labels' logits",
    "the gradient of the vocabulary's biases",
    "the sum of losses",
    "the number of right words",
    "the sum of losses without weights",
    "the number of words",
)


def what_is_wrong(words: int, device: torch.device, kind: torch.dtype) -> str | None:
    """The first thing that is not as it should be, in words; None: all is right.

    Args:
        words: of the vocabulary, with padding.
        device: of the kernels.
        kind: half precision.
    """
    logits, labels, factors = (item.to(device) for item in _drawn(words, kind))
    exact = _by_operators(logits, labels, factors)
    found, gradient = _by_kernels(logits, labels, factors)
    again, _ = _by_kernels(logits, labels, factors)
    exact = exact._replace(columns=gradient.double().sum(0))
    near = _limits(kind)
    for name, right, one, other, limit in zip(_NAMES, exact, found, again, near, strict=True):
        distance = float(((one - right).abs() / (right.abs() + _SMALL)).max())
        if not distance <= limit:  # also where it is not a number
            return f"{name} is {distance:.2g} off, relative to its size (at most {limit:.2g})"
        if not torch.equal(one, other):
            return f"{name} is another one when it is computed again"
    if gradient[factors == 0].any() or gradient[:, words - _PADDING :].any():
        return "the gradient of logits that do not count is not 0"
    kept = logits.clone()
    losses, right = torch.empty_like(factors), torch.empty_like(factors)
    word_losses(kept, labels, factors, losses, right, False)
    if not (torch.equal(kept, logits) and torch.equal(losses, found.losses)):
        return "the loss of masked words is another one without gradients"
    return None


def _limits(kind: torch.dtype) -> tuple[float, ...]:
    """For each of `Found`, how far it may be off."""
    rounded = 2 * torch.finfo(kind).eps
    limits = dict.fromkeys(Found._fields, _ALWAYS)
    # Some biases are small sums of large numbers.
    limits |= {"right": 0.0, "correct": 0.0, "cases": 0.0, "columns": 2e-3}
    return tuple((limits | {"beside": rounded, "own": rounded}).values())


def _drawn(words: int, kind: torch.dtype) -> tuple[Tensor, Tensor, Tensor]:
    """Logits, labels and factors; each label is the largest, one of two largest, or any."""
    generator = torch.Generator().manual_seed(31)
    logits = 3 * torch.randn(ROWS, words, generator=generator)
    real = max(2, words - _PADDING)
    logits[:, real:] = torch.finfo(kind).min
    logits = logits.to(kind)
    labels = torch.randint(0, real, (ROWS,), generator=generator)
    best = logits[:, :real].argmax(-1)
    labels[::3] = best[::3]
    twice = torch.arange(0, ROWS, 6)  # half of those: the label, or another word, is the first
    logits[twice, (best[twice] + real // 2) % real] = logits[twice, best[twice]]
    factors = torch.rand(ROWS, generator=generator) + 0.1
    factors[::5] = 0.0
    return logits, labels, factors


def _by_operators(logits: Tensor, labels: Tensor, factors: Tensor) -> Found:
    wide = logits.float()
    counts = (factors > 0).float()
    losses = functional.cross_entropy(wide, labels, reduction="none") * counts
    right = (wide.argmax(-1) == labels).float() * counts
    gradient = torch.softmax(wide, -1)
    gradient[torch.arange(len(labels)), labels] -= 1
    gradient *= factors[:, None]
    sums = ((losses * factors).sum(), right.sum(), losses.sum(), counts.sum())
    return Found(losses, right, *_parts(gradient, labels), gradient.sum(0), *sums)


def _by_kernels(logits: Tensor, labels: Tensor, factors: Tensor) -> tuple[Found, Tensor]:
    """And the gradient, [ROWS, words]."""
    gradient = logits.clone()
    # What was there shows where nothing is written.
    losses, right = torch.full_like(factors, 77.0), torch.full_like(factors, 77.0)
    word_losses(gradient, labels, factors, losses, right, True)
    columns = column_sums(gradient, torch.float32)
    parts = _parts(gradient.float(), labels)
    return Found(losses, right, *parts, columns, *loss_sums(losses, right, factors)), gradient


def _parts(gradient: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
    """Beside the labels, and at them."""
    own = gradient.gather(1, labels[:, None])
    return gradient.scatter(1, labels[:, None], 0.0), own
