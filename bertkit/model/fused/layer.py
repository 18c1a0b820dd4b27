"""An encoder layer whose forward and backward pass are written out for GPUs.

Products are cuBLAS'; between them stand few kernels that each read and write what they must,
see `attention_kernels` and `row_kernels`. Gradients of residuals are added inside products.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from bertkit.model.fused.attention import Ragged, attention_backward, attention_forward
from bertkit.model.fused.random_bits import draw_seeds
from bertkit.model.fused.rows import (
    Dropout,
    Normed,
    activation_backward,
    activation_forward,
    add_and_norm_backward,
    add_and_norm_forward,
    column_sums,
)


@dataclass(frozen=True)
class LayerFacts:
    """What a layer is, besides its weights.

    Attributes:
        heads: of attention.
        activation: gelu or gelu_new.
        epsilon: of both layer norms.
        attention_rate: of dropout on the probabilities; 0 outside training.
        hidden_rate: of dropout before the residuals are added.
        starts: int32[N + 1] on the device: where sequences begin, and the end.
        longest: rows of the longest sequence, at least.
    """

    heads: int
    activation: str
    epsilon: float
    attention_rate: float
    hidden_rate: float
    starts: Tensor
    longest: int


# The order of a layer's weights and biases in `fused_layer`.
WEIGHTS = (
    "projection of query, key and value [3H, H], [3H]",
    "projection of the mixture [H, H], [H]",
    "gain and shift of the first norm [H], [H]",
    "widening [I, H], [I]",
    "narrowing [H, I], [H]",
    "gain and shift of the second norm [H], [H]",
)


def fused_layer(
    rows: Tensor, keep: Tensor | None, facts: LayerFacts, weights: tuple[Tensor, ...]
) -> Tensor:
    """Rows [T, H] to [T, H], or to the M rows numbered `keep` only.

    Args:
        rows: half precision.
        keep: int64[M], or None.
        facts: of the layer and of the batch.
        weights: of the type of the rows, in the order of `WEIGHTS`.
    """
    every = (aligned(tensor) for tensor in (rows, *weights))
    result: Tensor = _Layer.apply(keep, facts, *every)  # type: ignore[no-untyped-call]
    return result


def aligned(tensor: Tensor) -> Tensor:
    """Contiguous and from a multiple of 16 bytes on, as the kernels are compiled for."""
    tensor = tensor.contiguous()
    return tensor if tensor.data_ptr() % 16 == 0 else tensor.clone()


class _Layer(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any, keep: Tensor | None, facts: LayerFacts, rows: Tensor, *weights: Tensor
    ) -> Tensor:
        (
            joined, joined_bias, mixing, mixing_bias, gain, shift,
            widening, widening_bias, narrowing, narrowing_bias, last_gain, last_shift,
        ) = weights  # fmt: skip
        # Where nothing is dropped, nothing is drawn: evaluating moves no generator.
        drawn = facts.attention_rate > 0 or facts.hidden_rate > 0
        seeds = draw_seeds(3, rows.device) if drawn else rows.new_empty((3, 4), dtype=torch.int32)
        own, *others = seeds
        ragged = Ragged(facts.starts, facts.longest, facts.heads, facts.attention_rate, own)
        drops = tuple(Dropout(facts.hidden_rate, seed) for seed in others)
        projected = torch.addmm(joined_bias, rows, joined.t())
        mixed, lse = attention_forward(projected, ragged)
        kept, residual = mixed, rows
        if keep is not None:
            kept, residual = mixed.index_select(0, keep), rows.index_select(0, keep)
        middle, first = add_and_norm_forward(
            kept @ mixing.t(), mixing_bias, residual, gain, shift, facts.epsilon, drops[0]
        )
        wide = torch.addmm(widening_bias, middle, widening.t())
        bent = activation_forward(wide, facts.activation)
        result, second = add_and_norm_forward(
            bent @ narrowing.t(), narrowing_bias, middle, last_gain, last_shift, facts.epsilon,
            drops[1],
        )  # fmt: skip
        ctx.facts, ctx.ragged, ctx.drops = facts, ragged, drops
        ctx.save_for_backward(
            rows, keep, projected, mixed, lse, kept, first.summed, first.means, first.deviations,
            middle, wide, bent, second.summed, second.means, second.deviations,
            joined, mixing, gain, widening, narrowing, last_gain,
        )  # fmt: skip
        return result

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        if torch.is_grad_enabled():  # create_graph=True: kernels would be constants in it
            raise RuntimeError("layers of cuda.fused have no second derivatives; leave it out")
        # Hooks may have sent them away and put them elsewhere.
        saved: Any = (None if tensor is None else aligned(tensor) for tensor in ctx.saved_tensors)
        (
            rows, keep, projected, mixed, lse, kept, summed, means, deviations,
            middle, wide, bent, last_summed, last_means, last_deviations,
            joined, mixing, gain, widening, narrowing, last_gain,
        ) = saved  # fmt: skip
        to_middle, narrow, last_sums = add_and_norm_backward(
            aligned(gradients[0]), Normed(last_summed, last_means, last_deviations), last_gain,
            ctx.drops[1],
        )  # fmt: skip
        to_wide = narrow @ narrowing
        to_narrowing = narrow.t() @ bent
        to_widening_bias = activation_backward(to_wide, wide, ctx.facts.activation)
        to_middle.addmm_(to_wide, widening)
        to_widening = to_wide.t() @ middle
        to_residual, mixture, sums = add_and_norm_backward(
            to_middle, Normed(summed, means, deviations), gain, ctx.drops[0]
        )
        to_mixed = mixture @ mixing
        to_mixing = mixture.t() @ kept
        if keep is not None:
            to_mixed = torch.zeros_like(mixed).index_add_(0, keep, to_mixed)
            to_residual = torch.zeros_like(rows).index_add_(0, keep, to_residual)
        to_projected = attention_backward(projected, mixed, lse, to_mixed, ctx.ragged)
        to_rows = to_residual.addmm_(to_projected, joined)
        return (
            None, None, to_rows,
            to_projected.t() @ rows, column_sums(to_projected),
            to_mixing, sums[2], sums[0], sums[1], to_widening, to_widening_bias,
            to_narrowing, last_sums[2], last_sums[0], last_sums[1],
        )  # fmt: skip
