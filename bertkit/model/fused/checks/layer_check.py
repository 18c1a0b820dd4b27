"""Checks on a device that the kernels of a fused layer give a layer's numbers.

`tests/model/fused` checks them one by one against formulas. This is for devices, drivers and
versions of Triton that nobody has tried, and takes a second.
"""

from __future__ import annotations

import copy
from collections.abc import Callable

import torch
from torch import Tensor

from bertkit.model.attention import UnpaddedLayout
from bertkit.model.bert import EncoderLayer
from bertkit.model.fused.checks.reference import reference_layer
from bertkit.model.fused.dispatch import run_fused
from bertkit.model.fused.random_bits import draw_seeds

# A result may be so many times as far from float32 as that of PyTorch's operators in half
# precision, and so far whatever theirs is. What is computed wrongly is off by tenths. With 8 bits
# in both, numbers that differ a little now and then become neighbours, a sixteenth apart.
_TIMES, _ALWAYS, _ALWAYS_FP8 = 3.0, 0.02, 0.05
_SEED = 2718

Results = dict[str, Tensor]


def what_is_wrong(layer: EncoderLayer, rows: Tensor, layout: UnpaddedLayout) -> str | None:
    """The first thing that is not as it should be, in words; None: all is right.

    Args:
        layer: half precision, on the device, of a shape that `what_does_not_fit` has no
            objection to; its rates, sizes and `fp8` count, not its weights.
        rows: [T, H], of the same type.
        layout: the sequences of these rows.
    """
    layer = with_weights_that_matter(layer)
    every_other = torch.arange(0, len(rows), 2, device=rows.device)
    for keep in (None, every_other):
        if wrong := _compared(layer, rows, layout, keep):
            return wrong
    return None


def with_weights_that_matter(layer: EncoderLayer) -> EncoderLayer:
    """A copy whose weights are such that every part of it shows in results and gradients.

    New weights are small: attention then hardly depends on queries and keys, and the layer on
    anything but its residuals; biases are 0.
    """
    layer = copy.deepcopy(layer)
    with torch.no_grad():
        for weight in layer.parameters():
            drawn = torch.randn(weight.shape)
            drawn = drawn / weight.shape[1] ** 0.5 if weight.dim() == 2 else 0.3 * drawn
            weight.copy_(drawn if weight.dim() == 2 else weight.cpu() + drawn)
    return layer


def _compared(
    layer: EncoderLayer, rows: Tensor, layout: UnpaddedLayout, keep: Tensor | None
) -> str | None:
    """Results and gradients against those of the same layer in float32, by formula."""
    exact_layer, near = copy.deepcopy(layer).float(), Results()
    given = torch.randn_like(rows if keep is None else rows[keep])

    def by_formula(rows: Tensor, fp8: bool = layer.fp8) -> Tensor:
        seeds = draw_seeds(3, rows.device)
        return reference_layer(exact_layer, rows, layout, keep, seeds, fp8)

    wide, always = (rows.float(), given.float()), _ALWAYS_FP8 if layer.fp8 else _ALWAYS
    for training in (False, True):
        layer.train(training)
        exact_layer.train(training)
        if not near:
            plain = _results(lambda rows: by_formula(rows, False), exact_layer, *wide)
            near = _results(lambda rows: layer(rows, layout, keep), layer, rows, given)
            near = {name: _distance(near[name], right) for name, right in plain.items()}
        exact = _results(by_formula, exact_layer, *wide)
        found, again = (
            _results(lambda rows: run_fused(layer, rows, layout, keep), layer, rows, given)
            for _ in range(2)
        )
        when = "with dropout " if training else ""
        for name, right in exact.items():
            if not float(right.norm()) > 0:
                return f"{name} is {float(right.norm()):g} by PyTorch's operators themselves"
            distance = float(_distance(found[name], right))
            limit = max(_TIMES * float(near[name]), always)
            if not distance <= limit:  # also where it is not a number
                off = f"{distance:.2g} off, relative to its size (at most {limit:.2g})"
                return f"{name} {when}is {off}"
            if not torch.equal(found[name], again[name]):
                return f"{name} {when}is another one when it is computed again"
    return None


def _distance(found: Tensor, right: Tensor) -> Tensor:
    apart: Tensor = (found - right).norm() / right.norm()
    return apart


def _results(
    compute: Callable[[Tensor], Tensor], layer: EncoderLayer, rows: Tensor, given: Tensor
) -> Results:
    """Rows and all gradients in float32, flat, by name; dropout is the same in all calls.

    The biases of query, key and value stand together: the gradient of the key's alone is 0
    but for rounding, and has no relative error.
    """
    torch.manual_seed(_SEED)
    rows = rows.detach().requires_grad_()
    named = dict(layer.named_parameters())
    result = compute(rows)
    gradients = torch.autograd.grad(result, [rows, *named.values()], given)
    pieces: dict[str, list[Tensor]] = {"the result": [result.detach()]}
    for name, gradient in zip(("rows", *named), gradients, strict=True):
        parts = ("query.bias", "key.bias", "value.bias")
        group = "attention's biases" if name.endswith(parts) else name
        pieces.setdefault(f"the gradient of {group}", []).append(gradient)
    return {
        name: torch.cat([piece.flatten().float() for piece in found])
        for name, found in pieces.items()
    }
