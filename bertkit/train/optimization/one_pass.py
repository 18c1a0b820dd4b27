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


class _Item(NamedTuple):
    """A tensor to update.

    Attributes:
        addresses: of weight, moments, gradient and copy (0: none).
        elements: of each.
        step: float32, 0-dim: updates that the weight has had.
    """

    addresses: tuple[int, int, int, int, int]
    elements: int
    step: Tensor


class OnePassAdamW:
    """Takes the steps of an optimizer.

    Args:
        optimizer: that `can_take` says yes to; its weights lie on one GPU, in float32 (or on a
            CPU, for Triton's interpreter).
    """

    def __init__(self, optimizer: torch.optim.Optimizer) -> None:
        self._optimizer = optimizer
        self._betas: Tensor | None = None
        self._work: dict[tuple[int, tuple[int, ...]], Tensor] = {}
        self._table: tuple[np.ndarray, Tensor] | None = None

    @torch.no_grad()
    def step(
        self,
        gradients: Mapping[Tensor, Tensor],
        copies: Mapping[Tensor, Tensor],
        left_out: Tensor,
        divisor: Tensor | None = None,
    ) -> None:
        """One update, or none where the flag is 1: weights, moments and step counts stay.

        Args:
            gradients: by weight; float32 or half precision. Weights without one stay.
            copies: by weight, of half precision: become those of the new weights.
            left_out: float32, 0-dim, 0 or 1.
            divisor: of the gradients, float32, 0-dim.
        """
        launches: dict[_Launch, list[_Item]] = {}
        whole = []  # gradients, until the kernels have been started
        for number, group in enumerate(self._optimizer.param_groups):
            for weight in group["params"]:
                if weight in gradients:
                    whole.append(gradients[weight].contiguous())
                    kind, item = self._item(number, weight, whole[-1], copies.get(weight))
                    launches.setdefault(kind, []).append(item)
        items = [item for found in launches.values() for item in found]
        if not items:
            return
        steps = [item.step for item in items]
        _count(steps, left_out)
        common = self._table_of(items, left_out.device), self._corrections(steps), left_out, divisor
        first = 0
        for kind, found in launches.items():
            work = self._work_of(first, [item.elements for item in found], left_out.device)
            self._start(kind, work, *common)
            first += len(found)
        # As PyTorch's own operators do to what they change.
        torch.autograd.graph.increment_version([weight for weight in gradients])

    def _item(
        self, group: int, weight: Tensor, gradient: Tensor, copy: Tensor | None
    ) -> tuple[_Launch, _Item]:
        state = self._optimizer.state[weight]
        if not state:
            state["step"] = torch.zeros((), dtype=torch.float32, device=weight.device)
            state["exp_avg"], state["exp_avg_sq"] = torch.zeros_like(weight), torch.zeros_like(weight)
        addresses = (
            *(weight.data_ptr(), state["exp_avg"].data_ptr(), state["exp_avg_sq"].data_ptr()),
            *(gradient.data_ptr(), 0 if copy is None else copy.data_ptr()),
        )
        elements = weight.numel()
        aligned = not any(number % _GRAIN for number in (*addresses, elements))
        kind = _Launch(group, gradient.dtype, None if copy is None else copy.dtype, aligned)
        return kind, _Item(addresses, elements, state["step"])

    def _corrections(self, steps: Sequence[Tensor]) -> Tensor:
        """float32[tensors, 2], see `update_kernels`; by the powers that PyTorch's step takes."""
        if self._betas is None:
            betas = self._optimizer.param_groups[0]["betas"]
            self._betas = torch.stack([torch.full_like(steps[0], beta) for beta in betas])
        corrections = 1 - self._betas ** torch.stack(steps)[:, None]
        corrections[:, 1].sqrt_()
        return corrections

    def _table_of(self, items: Sequence[_Item], device: torch.device) -> Tensor:
        """int64[tensors, columns], see `update_kernels`; sent where it is another one."""
        table = np.array([(*item.addresses, item.elements) for item in items], np.int64)
        if self._table is None or not np.array_equal(table, self._table[0]):
            self._table = table, _sent(table, device)
        return self._table[1]

    def _work_of(self, first: int, sizes: Sequence[int], device: torch.device) -> Tensor:
        """int32[programs, 2], see `update_kernels`, of tensors that stand together in the table."""
        key = first, tuple(sizes)
        if key not in self._work:
            blocks = [-(-size // _BLOCK) for size in sizes]
            owners = np.repeat(np.arange(first, first + len(sizes)), blocks)
            numbers = np.concatenate([np.arange(count) for count in blocks])
            self._work[key] = _sent(np.stack([owners, numbers], 1).astype(np.int32), device)
        return self._work[key]

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
    """Whether an optimizer's steps are those that the kernel takes: AdamW's as bertkit makes it."""
    return type(optimizer) is torch.optim.AdamW and all(
        group["fused"]
        and not (group["amsgrad"] or group["maximize"])
        and group["betas"] == optimizer.param_groups[0]["betas"]
        for group in optimizer.param_groups
    )


def _count(steps: Sequence[Tensor], left_out: Tensor) -> None:
    """Add 1, or nothing where the flag is 1; a sum with a number on the device would wait for it."""
    torch._foreach_add_(steps, 1)
    torch._foreach_sub_(steps, [left_out] * len(steps))


def _sent(values: np.ndarray, device: torch.device) -> Tensor:
    """On the device; the host does not wait for it."""
    tensor = torch.from_numpy(values)
    return tensor if device.type == "cpu" else tensor.pin_memory().to(device, non_blocking=True)
