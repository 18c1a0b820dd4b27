"""Checks on a device that `one_pass` does what PyTorch's fused AdamW does.

As `bertkit.model.fused.checks.layer_check` does for layers.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from bertkit.train.optimization import one_pass
from bertkit.train.optimization.one_pass import OnePassAdamW
from bertkit.train.optimization.optimizers import norm_of, reads_flags, step_unless

# How far numbers may be off, relative to themselves and those beside them. PyTorch's kernels for
# GPUs and this one have the same bits (2.11 to 2.13); another version may round otherwise.
NEAR = 1e-6
_SEED = 31
_EDGE, _FILL = 16, 7.0  # elements around every tensor, which have to stay
_DIVISOR = 1.75
# (learning rate, size of the gradients, whether the step is left out, whether they are divided)
_STEPS = (
    (1e-2, 1.0, False, True),
    (2e-2, 1e-3, False, False),
    (3e-2, float("nan"), True, True),
    (5e-3, 3.0, False, True),
    (1e-3, 1.0, False, True),
)


@dataclass(frozen=True)
class _Tensors:
    """Weights that are updated in two ways, and what surrounds them.

    Attributes:
        mine: for the kernel; `rooms`: the memory around them and their copies.
        right: for PyTorch.
        copies: by weight of `mine`.
        halves: weights of `mine` whose gradients come in half precision.
    """

    mine: list[nn.Parameter]
    right: list[nn.Parameter]
    copies: dict[Tensor, Tensor]
    halves: list[bool]
    rooms: list[Tensor]


def what_is_wrong(device: torch.device, kind: torch.dtype) -> str | None:
    """The first thing that is not as it should be, in words; None: all is right.

    Args:
        device: of the kernels.
        kind: half precision, of gradients and copies.
    """
    tensors = _drawn(device, kind)
    mine, right = (_optimizer(weights) for weights in (tensors.mine, tensors.right))
    one = OnePassAdamW(mine)
    generator = torch.Generator().manual_seed(_SEED)
    for number, (rate, size, skipped, divided) in enumerate(_STEPS, 1):
        gradients = _gradients(tensors, kind, size, generator)
        if not skipped and (wrong := _norm_wrong(gradients)):
            return wrong
        for group in (*mine.param_groups, *right.param_groups):
            group["lr"] = rate
        left_out = torch.full((), float(skipped), device=device)
        divisor = torch.full((), _DIVISOR, device=device) if divided else None
        given = [item for item in gradients if item is not None]
        one.step(tensors.mine[: len(given)], given, tensors.copies, left_out, divisor)
        _step_right(right, tensors.right, gradients, left_out, divisor)
        for name, found, exact in _pairs(tensors, mine, right):
            distance = float(_distance(found, exact))
            if not distance <= NEAR:  # also where it is not a number
                off = f"{distance:.2g} off, relative to its size (at most {NEAR:.2g})"
                return f"{name} after update {number} of AdamW is {off}"
        if wrong := _surroundings_wrong(tensors):
            return f"{wrong} after update {number} of AdamW"
    return None


def _drawn(device: torch.device, kind: torch.dtype) -> _Tensors:
    """Tensors of all kinds: longer than a program's block, odd, with and without copies."""
    block = one_pass._BLOCK
    half = (2 * block + 16, block, 32, 33, 1)
    whole = (3 * block, block + 7, 16, 2)
    generator = torch.Generator().manual_seed(_SEED)
    mine, right, rooms = [], [], []
    for count in (*half, *whole):
        drawn = 1e-2 * torch.randn(count, generator=generator)
        room = torch.full((count + 2 * _EDGE,), _FILL, device=device)
        room[_EDGE:-_EDGE] = drawn.to(device)
        rooms.append(room)
        mine.append(nn.Parameter(room[_EDGE:-_EDGE]))
        right.append(nn.Parameter(drawn.to(device)))
    # Copies stand side by side, as those of query, key and value do; those of odd ones last.
    room = torch.full((sum(half) + 2 * _EDGE,), _FILL, device=device, dtype=kind)
    parts = torch.split(room[_EDGE:-_EDGE], list(half))
    copies: dict[Tensor, Tensor] = dict(zip(mine, parts, strict=False))
    halves = [True] * len(half) + [False] * len(whole)
    # Weights with copies whose gradients were added up in float32.
    halves[1] = False
    return _Tensors(mine, right, copies, halves, [*rooms, room])


def _optimizer(weights: list[nn.Parameter]) -> torch.optim.AdamW:
    """Two groups, the second without decay; the last weight but one has been trained for long."""
    groups = [
        {"params": weights[::2], "weight_decay": 0.5},
        {"params": weights[1::2], "weight_decay": 0.0},
    ]
    optimizer = torch.optim.AdamW(groups, betas=(0.9, 0.98), eps=1e-6, fused=True)
    trained = weights[-2]
    step = torch.full((), 5000.0, device=trained.device)
    moments = {name: torch.full_like(trained, 0.5) for name in ("exp_avg", "exp_avg_sq")}
    optimizer.state[trained] = {"step": step, **moments}
    return optimizer


def _gradients(
    tensors: _Tensors, kind: torch.dtype, size: float, generator: torch.Generator
) -> list[Tensor | None]:
    """Each tensor's of another size, down to such that epsilon counts; the last has none."""
    found: list[Tensor | None] = []
    for place, (weight, half) in enumerate(zip(tensors.mine, tensors.halves, strict=True)):
        drawn = size * 10.0**-place * torch.randn(weight.shape, generator=generator)
        found.append(drawn.to(weight.device, kind if half else torch.float32))
    found[-1] = None
    return found


def _norm_wrong(gradients: list[Tensor | None]) -> str | None:
    given = [item for item in gradients if item is not None]
    found, exact = norm_of(given), norm_of([item.float() for item in given])
    if not float(_distance(found, exact)) <= NEAR:
        return f"the norm of gradients is {float(found):.9g}, and {float(exact):.9g} in float32"
    return None


def _step_right(
    optimizer: torch.optim.AdamW,
    weights: list[nn.Parameter],
    gradients: list[Tensor | None],
    left_out: Tensor,
    divisor: Tensor | None,
) -> None:
    """As runs do it without this kernel."""
    for weight, gradient in zip(weights, gradients, strict=True):
        weight.grad = None if gradient is None else gradient.float()
        if gradient is not None and divisor is not None and weight.grad is not None:
            weight.grad /= 1 if reads_flags(optimizer, weight.device) else divisor
    step_unless(left_out, optimizer, divisor)


def _pairs(
    tensors: _Tensors, mine: torch.optim.AdamW, right: torch.optim.AdamW
) -> Iterator[tuple[str, Tensor, Tensor]]:
    for one, other in zip(tensors.mine, tensors.right, strict=True):
        size = f"of {one.numel()} elements"
        yield f"a weight {size}", one.detach(), other.detach()
        for name, state in right.state.get(other, {}).items():
            found = mine.state[one].get(name, torch.full_like(state, torch.nan))
            yield f"{name} {size}", found, state


def _surroundings_wrong(tensors: _Tensors) -> str | None:
    for weight, copy in tensors.copies.items():
        if not torch.equal(copy, weight.detach().to(copy.dtype)):
            return f"the copy of {weight.numel()} elements is not that of its weight"
    for room in tensors.rooms:
        if not bool((room[:_EDGE] == _FILL).all() & (room[-_EDGE:] == _FILL).all()):
            return "memory beside a tensor has changed"
    return None


def _distance(found: Tensor, right: Tensor) -> Tensor:
    """The largest, relative to a number and the mean size of all."""
    found, right = found.double(), right.double()
    return ((found - right).abs() / (right.abs() + right.square().mean().sqrt())).max()
