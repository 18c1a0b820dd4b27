"""Keeps half precision copies of a model's weights for the forward and backward passes.

The parameters stay in float32, where the optimizer updates them and gradients are added
up. For the time of a step the model's layers hold copies in half precision, made by one
call per layer; autocast would make each copy again in every micro-batch, by a kernel of its
own, and widen the rows between layers to float32 for every layer norm. Query, key and value
are copied side by side, so that no micro-batch has to join them.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from bertkit.model.bert import SelfAttention
from bertkit.model.parameter_names import HEAD_MODULES

_PROJECTIONS = ("query", "key", "value")


@dataclass(frozen=True)
class _Slot:
    """Where a copy goes, and what it is made of.

    Attributes:
        holder: of the module's attributes or parameters, by name.
        name: in it.
        parameters: one, or several that stand one above the other in the copy.
        rest: what the holder has when no copies are applied.
    """

    holder: dict[str, Any]
    name: str
    parameters: tuple[nn.Parameter, ...]
    rest: nn.Parameter | None


class WorkingWeights:
    """Puts half precision copies in the place of a model's parameters, and back.

    Left as they are: the embeddings, because the gradient of a row is a sum over all its
    occurrences; the vocabulary's bias, see `bertkit.model.losses.wide_projection`; and the
    heads of few scores, see `bertkit.model.scores`.

    Args:
        model: its modules, under the names of `transformers`' BERT.
        kind: of the copies.
        norms: layer norms get copies, too.

    Attributes:
        adds: gradients are added by one call per layer to those that are there, not tensor by
            tensor by PyTorch. Not for those that DistributedDataParallel exchanges: it
            counts on PyTorch's adding.
        replaces: gradients take the place of those that are there instead.
        holds: gradients go to `held` as they are, in half precision; for a single backward pass.
        held: those gradients, by parameter.
        compiled: `torch.compile` is told that the copies' sizes never change, as those of
            parameters; it would make kernels for any number of columns.
    """

    def __init__(
        self, model: nn.Module, kind: torch.dtype = torch.bfloat16, norms: bool = True
    ) -> None:
        self.kind = kind
        self.adds = self.replaces = self.holds = self.compiled = False
        self.held: dict[Tensor, Tensor] = {}
        groups: dict[str, list[_Slot]] = {}
        joined: set[nn.Parameter] = set()
        for place, module in model.named_modules():
            slots = groups.setdefault(_group(place), [])
            if isinstance(module, SelfAttention):
                slots += _side_by_side(module)
                joined.update(part for slot in slots for part in slot.parameters)
            slots += [
                _Slot(module._parameters, name, (parameter,), parameter)
                for name, parameter in module.named_parameters(recurse=False)
                if parameter.dtype == torch.float32
                and parameter not in joined
                and not _stays(f"{place}.{name}")
                and (norms or not isinstance(module, nn.LayerNorm))
            ]
        self._groups = [slots for slots in groups.values() if slots]
        self._kept: list[list[Tensor]] = []
        self._versions: list[int] = []  # of the parameters, when the copies that stay were right

    @property
    def parameters(self) -> set[nn.Parameter]:
        """Those that have copies."""
        return {part for group in self._groups for slot in group for part in slot.parameters}

    @contextlib.contextmanager
    def applied(self, kept: bool = False) -> Iterator[None]:
        """While it lasts, forward and backward passes use copies of the weights of now.

        Gradients arrive at the parameters, in float32.

        Args:
            kept: use the copies that `refresh` has made.
        """
        try:
            for number, group in enumerate(self._groups):
                counts = tuple(len(slot.parameters) for slot in group)
                own = self._kept[number] if kept else None
                copies = _Copies.apply(  # type: ignore[no-untyped-call]
                    self, own, counts, *_parameters(group)
                )
                for slot, copy in zip(group, copies, strict=True):
                    if self.compiled and slot.rest is None:
                        torch._dynamo.mark_static(copy)
                    slot.holder[slot.name] = copy
            yield
        finally:
            for group in self._groups:
                for slot in group:
                    slot.holder[slot.name] = slot.rest

    @torch.no_grad()
    def refresh(self) -> None:
        """Make the copies that stay at their places in memory, or bring them up to date."""
        if not self._kept:
            self._kept = [
                [_room(slot.parameters, self.kind) for slot in group] for group in self._groups
            ]
        for group, copies in zip(self._groups, self._kept, strict=True):
            rows = [[len(part) for part in slot.parameters] for slot in group]
            _fill(copies, rows, _parameters(group))

    def bring_up_to_date(self) -> None:
        """Make the copies that stay anew where something has changed parameters since."""
        if self._versions != self._versions_now():
            self.refresh()
            self.are_up_to_date()

    def are_up_to_date(self) -> None:
        """Whoever has changed parameters has changed the copies that stay as well."""
        self._versions = self._versions_now()

    def _versions_now(self) -> list[int]:
        # PyTorch counts the changes of every tensor.
        return [part._version for group in self._groups for part in _parameters(group)]

    def places(self) -> dict[Tensor, Tensor]:
        """By parameter, the copy of it that stays, or its part of one."""
        return {
            parameter: part
            for group, copies in zip(self._groups, self._kept, strict=True)
            for slot, copy in zip(group, copies, strict=True)
            for parameter, part in zip(
                slot.parameters, _parts(copy, [len(own) for own in slot.parameters]), strict=True
            )
        }


def _side_by_side(module: SelfAttention) -> list[_Slot]:
    """Slots for the weights and the biases of query, key and value as one matrix and one row."""
    parts = [getattr(module, name) for name in _PROJECTIONS]
    weights, biases = tuple(part.weight for part in parts), tuple(part.bias for part in parts)
    if any(value.dtype != torch.float32 for value in (*weights, *biases)):
        return []
    holder = module.__dict__
    return [
        _Slot(holder, "joined_weight", weights, None),
        _Slot(holder, "joined_bias", biases, None),
    ]


def _parameters(group: list[_Slot]) -> list[nn.Parameter]:
    return [part for slot in group for part in slot.parameters]


def _room(parts: Sequence[Tensor], kind: torch.dtype) -> Tensor:
    """For a copy of tensors that stand one above the other."""
    return parts[0].new_empty((sum(map(len, parts)), *parts[0].shape[1:]), dtype=kind)


def _parts(whole: Tensor, rows: list[int]) -> Sequence[Tensor]:
    """Parts of a tensor of so many rows each. Most are one, which needs no call."""
    return torch.split(whole, rows) if len(rows) > 1 else (whole,)


def _fill(copies: list[Tensor], rows: list[list[int]], values: Sequence[Tensor]) -> None:
    """Copy values, so many rows each, into the copies, by one call."""
    targets = [part for copy, own in zip(copies, rows, strict=True) for part in _parts(copy, own)]
    torch._foreach_copy_(targets, list(values))


class _Copies(torch.autograd.Function):
    """All tensors in another type by one call, and their gradients back.

    Keeps nothing, so that several backward passes may go through it.
    """

    @staticmethod
    def forward(
        ctx: Any,
        owner: WorkingWeights,
        kept: list[Tensor] | None,
        counts: tuple[int, ...],
        *values: Tensor,
    ) -> tuple[Tensor, ...]:
        ctx.owner, ctx.parameters = owner, values
        ctx.set_materialize_grads(False)
        rest = iter(values)
        parts = [[next(rest) for _ in range(count)] for count in counts]
        ctx.rows = [[len(part) for part in own] for own in parts]
        if kept is not None:
            return tuple(copy.detach() for copy in kept)
        copies = [_room(own, owner.kind) for own in parts]
        _fill(copies, ctx.rows, values)
        return tuple(copies)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor | None) -> tuple[Tensor | None, ...]:
        parts: list[Tensor | None] = []
        for gradient, rows in zip(gradients, ctx.rows, strict=True):
            parts += [None] * len(rows) if gradient is None else _parts(gradient, rows)
        found = [item for item in parts if item is not None]
        with_one = [
            own for own, item in zip(ctx.parameters, parts, strict=True) if item is not None
        ]
        there = bool(found) and all(own.grad is not None for own in with_one)
        none = (None,) * (3 + len(parts))
        if ctx.owner.holds:
            ctx.owner.held.update(
                (own, item.contiguous()) for own, item in zip(with_one, found, strict=True)
            )
            return none
        if there and ctx.owner.replaces:
            torch._foreach_copy_([own.grad for own in with_one], found)
            return none
        wide = [torch.empty_like(own) for own in with_one]
        if found:
            torch._foreach_copy_(wide, found)
        if there and ctx.owner.adds:
            torch._foreach_add_([own.grad for own in with_one], wide)
            return none
        rest = iter(wide)
        return None, None, None, *(None if item is None else next(rest) for item in parts)


def _stays(name: str) -> bool:
    """Whether a parameter is used in float32."""
    return any(part in name for part in ("embeddings.", "predictions.bias", *HEAD_MODULES))


def _group(place: str) -> str:
    """The encoder layer that a module belongs to, whose gradients leave it together."""
    parts = place.split(".")
    return ".".join(parts[: parts.index("layer") + 2]) if "layer" in parts else place
