"""Says what runs with the kernels of this package (layers, embeddings, the loss), and runs it so.

Imports no Triton until a layer does.
"""

from __future__ import annotations

from functools import lru_cache
from importlib.util import find_spec
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from bertkit.model.attention import Layout, UnpaddedLayout

if TYPE_CHECKING:
    from bertkit.model.bert import Embeddings, EncoderLayer, TokenBatch

_SIZES = (16, 32, 64, 128)  # of a head
_ACTIVATIONS = ("gelu", "gelu_new")
_HALF = (torch.bfloat16, torch.float16)
_CAPABILITY = 8  # of NVIDIA's GPUs: bf16, and copies that go past registers
_HAS_FP8 = (8, 9)


@lru_cache
def gpu_has_kernels() -> bool:
    """Whether the kernels run here: one of NVIDIA's GPUs since Ampere, and Triton."""
    return (
        torch.version.hip is None
        and torch.cuda.is_available()
        and torch.cuda.get_device_capability()[0] >= _CAPABILITY
        and find_spec("triton") is not None
    )


def gpu_has_fp8() -> bool:
    """Whether this GPU has kernels, and units for products in 8 bits."""
    return gpu_has_kernels() and torch.cuda.get_device_capability() >= _HAS_FP8


def what_does_not_fit(size: int, activation: str) -> str | None:
    """What of a model the kernels do not compute, in words.

    Args:
        size: of an attention head.
        activation: `hidden_act` of the configuration.
    """
    if size not in _SIZES:
        return f"attention heads of {size} numbers (they take {', '.join(map(str, _SIZES))})"
    if activation not in _ACTIVATIONS:
        return f"hidden_act {activation} (they take {' and '.join(_ACTIVATIONS)})"
    return None


def is_fused(layer: EncoderLayer, rows: Tensor, layout: Layout) -> bool:
    """Whether this call of a layer is for the kernels.

    They take half precision rows and weights of ragged sequences. What `torch.compile`
    compiles stays with PyTorch's operators.
    """
    half = rows.dtype in _HALF
    if not (layer.fused and half and rows.device.type == "cuda"):
        return False
    width, heads = rows.shape[1], layer.attention.self.heads
    return (
        isinstance(layout, UnpaddedLayout)
        and what_does_not_fit(width // heads, layer.intermediate.kind) is None
        and layer.output.dense.weight.dtype == rows.dtype
        and not torch.is_autocast_enabled("cuda")
        and _on_current_gpu(rows)
    )


def loss_is_fused(hidden: Tensor, weight: Tensor) -> bool:
    """Whether the kernels compute the loss over a vocabulary.

    Args:
        hidden: [M, H].
        weight: [V, H], float32.
    """
    return hidden.dtype in _HALF and weight.dtype == torch.float32 and _on_current_gpu(hidden)


def _on_current_gpu(rows: Tensor) -> bool:
    """Triton starts kernels on the GPU that is PyTorch's current one; and not while compiling."""
    return (
        rows.device.type == "cuda"
        and rows.device.index == torch.cuda.current_device()
        and not torch.compiler.is_compiling()
        and gpu_has_kernels()
    )


def run_fused(
    layer: EncoderLayer, rows: Tensor, layout: UnpaddedLayout, keep: Tensor | None
) -> Tensor:
    """What `layer(rows, layout, keep)` gives, up to rounding and the choice of dropout."""
    from bertkit.model.fused.layer import LayerFacts, fused_layer

    mixing, last = layer.attention.output, layer.output
    training = layer.training
    facts = LayerFacts(
        heads=layer.attention.self.heads,
        activation=layer.intermediate.kind,
        epsilon=last.LayerNorm.eps,
        attention_rate=layer.attention.self.rate if training else 0.0,
        hidden_rate=last.rate if training else 0.0,
        starts=layout.cumulative,
        longest=layout.longest,
        fp8=layer.fp8,
    )
    weights = (
        *layer.attention.self.joined(),
        *(mixing.dense.weight, mixing.dense.bias, mixing.LayerNorm.weight, mixing.LayerNorm.bias),
        *(layer.intermediate.dense.weight, layer.intermediate.dense.bias),
        *(last.dense.weight, last.dense.bias, last.LayerNorm.weight, last.LayerNorm.bias),
    )
    return fused_layer(rows, keep, facts, weights)


def embeddings_are_fused(embeddings: Embeddings, ids: Tensor, kind: torch.dtype | None) -> bool:
    """Whether rows of half precision are for the kernels to make.

    Args:
        embeddings: of a model.
        ids: of its words.
        kind: what the rows are wanted in.
    """
    return (
        kind in _HALF
        and embeddings.word_embeddings.weight.device == ids.device
        and embeddings.word_embeddings.padding_idx is None
        and not torch.is_autocast_enabled("cuda")
        and _on_current_gpu(ids)
    )


def run_fused_embeddings(embeddings: Embeddings, tokens: TokenBatch, kind: torch.dtype) -> Tensor:
    """What `embeddings(tokens)` gives in another type, up to rounding and the choice of dropout."""
    from bertkit.model.fused.embeddings import Facts, Places, fused_embeddings

    tables = embeddings.tables()
    segments = tokens.segments
    if len(tables[2]) == 1:  # a model that knows no segments
        segments = torch.zeros_like(segments)
    norm = embeddings.LayerNorm
    rate = embeddings.rate if embeddings.training else 0.0
    return fused_embeddings(
        Places(tokens.ids, tokens.positions, segments),
        Facts(norm.eps, rate, kind),
        (*tables, norm.weight, norm.bias),
    )
