"""AdamW in one pass over the memory of an update: see `update_kernels`.

The optimizer is PyTorch's, with its state in the same places: this only takes the step in its
place. The bits are those of its fused step on the same GPU.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import torch
import triton.language as tl
from torch import Tensor

from bertkit.model.fused.launch import Kernel
from bertkit.train.optimization import update_kernels as kernels

_ADAMW = Kernel(kernels.adamw)
_BLOCK = 1024  # elements of a program
_WARPS = 4
_GRAIN = 16  # bytes, and elements
_KINDS = {torch.float32: tl.float32, torch.float16: tl.float16, torch.bfloat16: tl.bfloat16}


class _Launch(NamedTuple):
    """What tensors have in common that one launch updates.

    Attributes:
        group: its number among the optimizer's.
        gradient: type.
        copy: type; None: there are no copies.
        aligned: addresses and numbers of elements divide by 16.
    """

    group: int
    gradient: torch.dtype
    copy: torch.dtype | None
    aligned: bool


class _Tensors(NamedTuple):
    """What stays as it is from step to step, as long as tensors stay where they are.

    Attributes:
        facts: what decides about it, and `copies`, whose identity does, too.
        states: of the weights in the order of `order`; their step counts are read.
        order: the numbers of weights, launch by launch.
        table: int64[tensors, columns], see `update_kernels`, without the gradients' addresses.
        launches: each with its work, int32[programs, 2], see `update_kernels`.
    """

    facts: tuple[Any, ...]
    copies: Mapping[Tensor, Tensor]
    states: list[dict[str, Tensor]]
    order: list[int]
    table: np.ndarray
    launches: list[tuple[_Launch, Tensor]]


class OnePassAdamW:
    """Takes the steps of an optimizer.

    Args:
        optimizer: that `can_take` says yes to; its weights lie on one GPU, in float32 (or on a
            CPU, for Triton's interpreter).
    """

    def __init__(self, optimizer: torch.optim.Optimizer) -> None:
        self._optimizer = optimizer
        self._groups = {
            id(weight): number
            for number, group in enumerate(optimizer.param_groups)
            for weight in group["params"]
        }
        self._tensors: _Tensors | None = None
        self._betas: Tensor | None = None
        self._table: tuple[np.ndarray, Tensor] | None = None

    @torch.no_grad()
    def step(
        self,
        weights: Sequence[Tensor],
        gradients: Sequence[Tensor],
        copies: Mapping[Tensor, Tensor],
        left_out: Tensor,
        divisor: Tensor | None = None,
    ) -> None:
        """One update, or none where the flag is 1: weights, moments and step counts stay.

        Args:
            weights: those of the optimizer's that have gradients.
            gradients: of each, float32 or half precision.
            copies: by weight, of half precision: become those of the new weights. The same
                object in every step.
            left_out: float32, 0-dim, 0 or 1.
            divisor: of the gradients, float32, 0-dim.
        """
        if not weights:
            return
        whole = [gradient.contiguous() for gradient in gradients]
        tensors = self._tensors_of(weights, whole, copies)
        steps = [state["step"] for state in tensors.states]
        _count(steps, left_out)
        corrections = self._corrections(steps)
        table = tensors.table.copy()
        table[:, 3] = [whole[number].data_ptr() for number in tensors.order]
        if self._table is None or not np.array_equal(table, self._table[0]):
            self._table = table, _sent(table, left_out.device)
        for kind, work in tensors.launches:
            self._start(kind, work, self._table[1], corrections, left_out, divisor)
        # As PyTorch's own operators do to what they change.
        torch.autograd.graph.increment_version(weights)

    def _tensors_of(
        self,
        weights: Sequence[Tensor],
        gradients: Sequence[Tensor],
        copies: Mapping[Tensor, Tensor],
    ) -> _Tensors:
        states = [self._state(weight) for weight in weights]
        places = [weight.data_ptr() for weight in weights]
        kinds = [(item.dtype, item.data_ptr() % _GRAIN == 0) for item in gradients]
        facts = places, kinds, list(map(id, states))
        # States whose identities are compared are kept, so that no others can have the same.
        known = self._tensors
        if known is None or known.facts != facts or known.copies is not copies:
            self._tensors = known = self._found(facts, weights, states, copies)
        return known

    def _found(
        self,
        facts: tuple[Any, ...],
        weights: Sequence[Tensor],
        states: Sequence[dict[str, Tensor]],
        copies: Mapping[Tensor, Tensor],
    ) -> _Tensors:
        table = np.zeros((len(weights), kernels.COLUMNS.value), np.int64)
        launches: dict[_Launch, list[int]] = {}
        for number, (weight, state) in enumerate(zip(weights, states, strict=True)):
            copy, (gradient, aligned) = copies.get(weight), facts[1][number]
            three = weight, state["exp_avg"], state["exp_avg_sq"]
            table[number, :3] = [tensor.data_ptr() for tensor in three]
            table[number, 4:] = 0 if copy is None else copy.data_ptr(), weight.numel()
            aligned = aligned and not (table[number] % _GRAIN).any()
            kind = None if copy is None else copy.dtype
            launch = _Launch(self._groups[id(weight)], gradient, kind, aligned)
            launches.setdefault(launch, []).append(number)
        order = [number for numbers in launches.values() for number in numbers]
        table, first, starts = table[order], 0, []
        for launch, numbers in launches.items():
            sizes = table[first : first + len(numbers), 5]
            starts.append((launch, _sent(_work(first, sizes), weights[0].device)))
            first += len(numbers)
        return _Tensors(facts, copies, [states[number] for number in order], order, table, starts)

    def _state(self, weight: Tensor) -> dict[str, Tensor]:
        state: dict[str, Tensor] = self._optimizer.state[weight]
        if not state:
            state["step"] = torch.zeros((), dtype=torch.float32, device=weight.device)
            state["exp_avg"], state["exp_avg_sq"] = (torch.zeros_like(weight) for _ in range(2))
        return state

    def _corrections(self, steps: list[Tensor]) -> Tensor:
        """float32[tensors, 2], see `update_kernels`; by the powers that PyTorch's step takes."""
        if self._betas is None:
            betas = self._optimizer.param_groups[0]["betas"]
            self._betas = torch.stack([torch.full_like(steps[0], beta) for beta in betas])
        corrections = 1 - self._betas ** torch.stack(steps)[:, None]
        corrections[:, 1].sqrt_()
        return corrections

    def _start(
        self,
        kind: _Launch,
        work: Tensor,
        table: Tensor,
        corrections: Tensor,
        left_out: Tensor,
        divisor: Tensor | None,
    ) -> None:
        group = self._optimizer.param_groups[kind.group]
        rate, decay = group["lr"], group["weight_decay"]
        if not isinstance(rate, Tensor):
            rate = torch.full_like(left_out, rate)
        _ADAMW.launch(
            (len(work), 1, 1),
            (
                *(table, work, rate, corrections, left_out),
                *(left_out if divisor is None else divisor, *group["betas"], group["eps"], decay),
            ),
            {
                "GRADIENT": _KINDS[kind.gradient],
                "COPY": None if kind.copy is None else _KINDS[kind.copy],
                "DECAYS": decay != 0,
                "DIVIDES": divisor is not None,
                "ALIGNED": kind.aligned,
                "BLOCK": _BLOCK,
            },
            _WARPS,
        )


def can_take(optimizer: torch.optim.Optimizer) -> bool:
    """Whether the kernel takes an optimizer's steps: those of AdamW as bertkit makes it."""
    return type(optimizer) is torch.optim.AdamW and all(
        group["fused"]
        and not (group["amsgrad"] or group["maximize"])
        and group["betas"] == optimizer.param_groups[0]["betas"]
        and all(item.dtype == torch.float32 and item.is_contiguous() for item in group["params"])
        for group in optimizer.param_groups
    )


def _work(first: int, sizes: np.ndarray) -> np.ndarray:
    """int32[programs, 2], see `update_kernels`, of tensors that stand in the table from `first`."""
    blocks = -(-sizes // _BLOCK)
    owners = np.repeat(np.arange(first, first + len(sizes)), blocks)
    numbers = np.arange(len(owners)) - np.repeat(np.cumsum(blocks) - blocks, blocks)
    return np.stack([owners, numbers], 1).astype(np.int32)


def _count(steps: list[Tensor], left_out: Tensor) -> None:
    """Add 1, or nothing where the flag is 1.

    As a list: PyTorch would wait for a single number on the device.
    """
    torch._foreach_add_(steps, 1)
    torch._foreach_sub_(steps, [left_out] * len(steps))


def _sent(values: np.ndarray, device: torch.device) -> Tensor:
    """On the device; the host does not wait for it.

    Raises:
        RuntimeError: in a recording, whose replays would read memory that is others' by then.
    """
    tensor = torch.from_numpy(values)
    if device.type == "cpu":
        return tensor
    if torch.cuda.is_current_stream_capturing():
        raise RuntimeError("tensors of an update that is captured lie elsewhere than before")
    return tensor.pin_memory().to(device, non_blocking=True)
