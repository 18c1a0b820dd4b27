"""Checks on a device that the kernels of a fused layer give a layer's numbers.

`tests/model/fused` checks them one by one against formulas. This asks for less and takes a
second: it is for devices, drivers and versions of Triton that nobody has tried.
"""

from __future__ import annotations

import copy

import torch
from torch import Tensor

from bertkit.model.attention import UnpaddedLayout
from bertkit.model.bert import EncoderLayer
from bertkit.model.fused.attention import Ragged, attention_backward, attention_forward
from bertkit.model.fused.dispatch import run_fused
from bertkit.model.fused.random_bits import draw_seeds
from bertkit.model.fused.rows import Dropout, add_and_norm_backward, add_and_norm_forward

# A result may be so many times as far from float32 as that of PyTorch's operators in half
# precision, and so far whatever theirs is. What is computed wrongly is off by tenths.
_TIMES, _ALWAYS = 3.0, 0.02
_RATE = 0.1


def what_is_wrong(layer: EncoderLayer, rows: Tensor, layout: UnpaddedLayout) -> str | None:
    """The first thing that is not as it should be, in words; None: all is right.

    Args:
        layer: half precision, on the device, of a shape that `what_does_not_fit` has no
            objection to.
        rows: [T, H], of the same type.
        layout: the sequences of these rows.
    """
    every_other = torch.arange(0, len(rows), 2, device=rows.device)
    for keep in (None, every_other):
        if wrong := _numbers(copy.deepcopy(layer).eval(), rows, layout, keep):
            return wrong
    heads, width = layer.attention.self.heads, rows.shape[1]
    seed, other = draw_seeds(2, rows.device)
    return _attention_masks(
        rows, Ragged(layout.cumulative, layout.longest, heads, _RATE, seed)
    ) or _row_masks(rows.new_ones(width), rows, Dropout(_RATE, other))


def _numbers(
    layer: EncoderLayer, rows: Tensor, layout: UnpaddedLayout, keep: Tensor | None
) -> str | None:
    """Results and gradients without dropout, against the same layer in float32."""
    exact_layer = copy.deepcopy(layer).float()
    given = torch.randn_like(rows if keep is None else rows[keep])
    exact = _results(exact_layer, rows.float(), layout, keep, given.float(), fused=False)
    usual = _results(layer, rows, layout, keep, given, fused=False)
    found = _results(layer, rows, layout, keep, given, fused=True)
    for name, right in exact.items():
        size = float(right.norm())
        if not size > 0:
            return f"{name} is {size:g} by PyTorch's operators themselves"
        distance = float((found[name] - right).norm()) / size
        limit = max(_TIMES * float((usual[name] - right).norm()) / size, _ALWAYS)
        if not distance <= limit:  # also where it is not a number
            return f"{name} is {distance:.2g} off, relative to its size (at most {limit:.2g})"
    return None


def _results(
    layer: EncoderLayer,
    rows: Tensor,
    layout: UnpaddedLayout,
    keep: Tensor | None,
    given: Tensor,
    fused: bool,
) -> dict[str, Tensor]:
    """Rows and all gradients in float32, flat, by name.

    Those of query, key and value stand together: that of the key's bias alone is 0 but for
    rounding, and has no relative error.
    """
    rows = rows.detach().requires_grad_()
    named = dict(layer.named_parameters())
    result = run_fused(layer, rows, layout, keep) if fused else layer(rows, layout, keep)
    gradients = torch.autograd.grad(result, [rows, *named.values()], given)
    pieces: dict[str, list[Tensor]] = {"the result": [result.detach()]}
    for name, gradient in zip(("rows", *named), gradients, strict=True):
        kind = name.rpartition(".")[2]
        projected = any(f".{part}." in name for part in ("query", "key", "value"))
        group = f"attention's projection, {kind}" if projected else name
        pieces.setdefault(f"the gradient of {group}", []).append(gradient)
    return {
        name: torch.cat([piece.flatten().float() for piece in found])
        for name, found in pieces.items()
    }


def _attention_masks(rows: Tensor, ragged: Ragged) -> str | None:
    """That all three kernels of attention drop the same probabilities.

    Two laws hold for one mask and for no two: what is given times the output is the value
    times its gradient, as both are linear; and the gradients of a query's scores add up to 0,
    which a component that is 1 in every key shows as that component of the query's gradient.
    """
    width = rows.shape[1]
    projected = torch.randn(len(rows), 3 * width, device=rows.device, dtype=rows.dtype)
    by_head = projected.view(len(rows), 3, ragged.heads, -1)
    by_head[:, 1, :, 0] = 1.0
    out, lse = attention_forward(projected, ragged)
    gradient = attention_backward(projected, out, lse, out, ragged)
    of_query, _, of_value = gradient.view_as(by_head).float().unbind(1)
    wanted = float(out.float().square().sum())
    distance = abs(float((of_value * by_head[:, 2].float()).sum()) / wanted - 1)
    if not distance <= _ALWAYS:
        return f"dropout of attention is {distance:.2g} off between its passes (values)"
    share = float(of_query[:, :, 0].norm() / of_query[:, :, 1:].norm(dim=2).mean(dim=1).norm())
    if not share <= 0.1:
        return f"dropout of attention is {share:.2g} off between its passes (queries)"
    return None


def _row_masks(gain: Tensor, rows: Tensor, drop: Dropout) -> str | None:
    """That both passes of dropout before a norm drop the same elements, and as many as wanted."""
    nothing, positive = torch.zeros_like(rows), torch.rand_like(rows) + 0.5
    normed = add_and_norm_forward(
        positive, torch.zeros_like(gain), nothing, gain, gain, 1e-12, drop
    )[1]
    to_projected = add_and_norm_backward(torch.randn_like(rows), normed, gain, drop)[1]
    dropped = normed.summed == 0
    # A gradient can be 0 by chance, but hardly ever is.
    apart = float((dropped != (to_projected == 0)).float().mean())
    share = float(dropped.float().mean())
    deviation = (drop.rate * (1 - drop.rate) / rows.numel()) ** 0.5
    if apart > 0.01 or abs(share - drop.rate) > 6 * deviation + 1e-3:
        return f"dropout before a norm drops {share:.3f}, and other elements in {apart:.3f}"
    return None
