"""The stack of BERT's layers in bf16 on a CPU.

The modules are those of `bertkit.model.bert`, their weights bf16 copies. Rows go from layer
to layer twice: in bf16 for the products, and in float32 to be added to, as under autocast.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

import torch
from torch import Tensor
from torch.nn import functional
from torch.utils.checkpoint import checkpoint

from bertkit.model.attention import Layout, attention, cpu_runs
from bertkit.model.cpu_half.attention import projected_attention
from bertkit.model.cpu_half.blocks import Rows, activated, added_and_normed

if TYPE_CHECKING:
    from bertkit.model.bert import AddAndNorm, Encoder, EncoderLayer, SelfAttention


def computes(device: torch.device, kind: torch.dtype) -> bool:
    """Whether this is for rows on such a device and weights of such a type."""
    on_cpu = device.type == "cpu" and kind == torch.bfloat16
    return on_cpu and not torch.compiler.is_compiling()


def encoded(encoder: Encoder, rows: Tensor, layout: Layout, keep: Tensor | None) -> Tensor:
    """What `Encoder.forward` does.

    Args:
        encoder: its matrices bf16.
        rows: [T, H].
        layout: where the sequences are.
        keep: int64[M], the rows that are wanted; None for all.

    Returns:
        bfloat16[T or M, H].
    """
    half, full = rows.to(torch.bfloat16), rows.float()
    last = len(encoder.layer) - 1
    for number, module in enumerate(encoder.layer):
        layer = cast("EncoderLayer", module)
        if encoder.recompute and encoder.training and number < last:
            given: Any = layer, half, full, layout, None
            half, full = checkpoint(_through, *given, use_reentrant=False)
        else:
            half, full = _through(layer, half, full, layout, keep if number == last else None)
    return half


def _through(
    layer: EncoderLayer, half: Tensor, full: Tensor, layout: Layout, keep: Tensor | None
) -> Rows:
    """One layer."""
    mixed = _mixed(layer.attention.self, half, layout)
    if keep is not None:
        mixed, full = mixed.index_select(0, keep), full.index_select(0, keep)
    half, full = _added(layer.attention.output, mixed, full)
    inner = layer.intermediate
    widened = activated(half, inner.dense.weight, inner.dense.bias, inner.kind)
    return _added(layer.output, widened, full)


def _mixed(module: SelfAttention, half: Tensor, layout: Layout) -> Tensor:
    weight, bias = module.joined()
    rate = module.rate if module.training else 0.0
    runs = cpu_runs(layout)
    if runs is None:  # masked, by PyTorch
        return attention(functional.linear(half, weight, bias), module.heads, layout, rate)
    return projected_attention(half, weight, bias, module.heads, runs, rate)


def _added(module: AddAndNorm, rows: Tensor, residual: Tensor) -> Rows:
    norm, rate = module.LayerNorm, module.rate if module.training else 0.0
    outer = norm.weight.float(), norm.bias.float(), norm.eps
    return added_and_normed(rows, module.dense.weight, module.dense.bias, residual, *outer, rate)
