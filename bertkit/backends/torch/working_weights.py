"""Keeps half precision copies of a model's weights for the forward and backward passes.

The parameters stay in float32, where the optimizer updates them and gradients are added
up. For the time of a step the model's layers hold copies in half precision, made by one
call per layer; autocast would make each copy again in every micro-batch, by a kernel of its
own, and widen the rows between layers to float32 for every layer norm.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor, nn


class WorkingWeights:
    """Puts half precision copies in the place of a model's parameters, and back.

    Left as they are: the embeddings, because the gradient of a row is a sum over all its
    occurrences; the vocabulary's bias, see `bertkit.model.losses.wide_projection`; and the
    head that tells whether sentences follow, which is two rows.

    Args:
        model: its modules, under the names of `transformers`' BERT.
        kind: of the copies.
    """

    def __init__(self, model: nn.Module, kind: torch.dtype = torch.bfloat16) -> None:
        self.kind = kind
        groups: dict[str, list[tuple[nn.Module, str, nn.Parameter]]] = {}
        for place, module in model.named_modules():
            for name, parameter in module.named_parameters(recurse=False):
                if _stays(f"{place}.{name}") or parameter.dtype != torch.float32:
                    continue
                groups.setdefault(_group(place), []).append((module, name, parameter))
        self._groups = list(groups.values())

    @contextlib.contextmanager
    def applied(self) -> Iterator[None]:
        """While it lasts, forward and backward passes use copies of the weights of now.

        Gradients arrive at the parameters, in float32.
        """
        try:
            for group in self._groups:
                copies = _Copies.apply(self.kind, *(item[2] for item in group))  # type: ignore[no-untyped-call]
                for (module, name, _), copy in zip(group, copies, strict=True):
                    module._parameters[name] = copy
            yield
        finally:
            for group in self._groups:
                for module, name, parameter in group:
                    module._parameters[name] = parameter


class _Copies(torch.autograd.Function):
    """All tensors in another type by one call, and their gradients back.

    Keeps nothing, so that several backward passes may go through it.
    """

    @staticmethod
    def forward(ctx: Any, kind: torch.dtype, *values: Tensor) -> tuple[Tensor, ...]:
        ctx.kinds = [value.dtype for value in values]
        ctx.set_materialize_grads(False)
        copies = tuple(torch.empty_like(value, dtype=kind) for value in values)
        torch._foreach_copy_(list(copies), list(values))
        return copies

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor | None) -> tuple[Tensor | None, ...]:
        found = [item for item in gradients if item is not None]
        kinds = [kind for kind, item in zip(ctx.kinds, gradients, strict=True) if item is not None]
        wide = [
            torch.empty(item.shape, dtype=kind, device=item.device)
            for item, kind in zip(found, kinds, strict=True)
        ]
        if found:
            torch._foreach_copy_(wide, found)
        rest = iter(wide)
        return None, *(None if item is None else next(rest) for item in gradients)


def _stays(name: str) -> bool:
    """Whether a parameter is used in float32."""
    return any(part in name for part in ("embeddings.", "predictions.bias", "seq_relationship."))


def _group(place: str) -> str:
    """The encoder layer that a module belongs to, whose gradients leave it together."""
    parts = place.split(".")
    return ".".join(parts[: parts.index("layer") + 2]) if "layer" in parts else place
