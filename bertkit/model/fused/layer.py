"""An encoder layer whose forward and backward pass are written out for GPUs.

Products are cuBLAS'; between them stand few kernels that each read and write what they must,
see `attention_kernels` and `row_kernels`. Gradients of residuals are added inside products.

With `fp8` those products are in 8 bits whose rows the kernels before them can write so on the way:
query, key and value, and both of the feed-forward block, forward and to the rows. Of the others,
that of the mixture and the gradient of the layer's rows would gain less than writing their
rows takes, and gradients of weights would need their factors transposed.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from bertkit.model.fused.attention import Ragged, attention_backward, attention_forward
from bertkit.model.fused.fp8 import (
    Fp8Rows,
    activation_backward_fp8,
    activation_forward_fp8,
    fp8_product,
    to_fp8,
    transposed_to_fp8,
)
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
        fp8: compute products in 8 bits; all widths have to be multiples of 16.
    """

    heads: int
    activation: str
    epsilon: float
    attention_rate: float
    hidden_rate: float
    starts: Tensor
    longest: int
    fp8: bool = False


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
        projected = _linear(rows, joined, joined_bias, to_fp8(rows) if facts.fp8 else None)
        mixed, lse = attention_forward(projected, ragged)
        kept, residual = mixed, rows
        if keep is not None:
            kept, residual = mixed.index_select(0, keep), rows.index_select(0, keep)
        middle_fp8 = Fp8Rows.room(kept.shape, kept.device) if facts.fp8 else None
        middle, first = add_and_norm_forward(
            kept @ mixing.t(), mixing_bias, residual, gain, shift, facts.epsilon, drops[0],
            fp8=middle_fp8,
        )  # fmt: skip
        wide = _linear(middle, widening, widening_bias, middle_fp8)
        bent, bent_fp8 = _activated(wide, facts)
        result, second = add_and_norm_forward(
            _linear(bent, narrowing, None, bent_fp8), narrowing_bias, middle, last_gain, last_shift,
            facts.epsilon, drops[1],
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
        narrow_fp8 = Fp8Rows.room(middle.shape, middle.device) if ctx.facts.fp8 else None
        to_middle, narrow, last_sums = add_and_norm_backward(
            aligned(gradients[0]), Normed(last_summed, last_means, last_deviations), last_gain,
            ctx.drops[1], fp8=narrow_fp8,
        )  # fmt: skip
        to_wide = _times(narrow, narrowing, narrow_fp8)
        to_narrowing = narrow.t() @ bent
        to_widening_bias, to_wide_fp8 = _activation_gradient(to_wide, wide, ctx.facts)
        added = None
        if to_wide_fp8 is None:
            to_middle.addmm_(to_wide, widening)
        else:
            added = _times(to_wide, widening, to_wide_fp8)
        to_widening = to_wide.t() @ middle
        to_residual, mixture, sums = add_and_norm_backward(
            to_middle, Normed(summed, means, deviations), gain, ctx.drops[0], added=added
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


def _linear(rows: Tensor, weight: Tensor, bias: Tensor | None, fp8: Fp8Rows | None) -> Tensor:
    """rows [T, K] @ weight [N, K] transposed + bias [N]; in 8 bits where the rows are."""
    if fp8 is not None:
        return fp8_product(fp8, to_fp8(weight), rows.dtype, bias)
    return rows @ weight.t() if bias is None else torch.addmm(bias, rows, weight.t())


def _times(rows: Tensor, weight: Tensor, fp8: Fp8Rows | None) -> Tensor:
    """rows [T, N] @ weight [N, K]; in 8 bits where the rows are."""
    if fp8 is not None:
        return fp8_product(fp8, transposed_to_fp8(weight), rows.dtype)
    return rows @ weight


def _activated(wide: Tensor, facts: LayerFacts) -> tuple[Tensor, Fp8Rows | None]:
    if facts.fp8:
        return activation_forward_fp8(wide, facts.activation)
    return activation_forward(wide, facts.activation), None


def _activation_gradient(
    given: Tensor, wide: Tensor, facts: LayerFacts
) -> tuple[Tensor, Fp8Rows | None]:
    """The gradient of the bias; that of `wide` takes the place of `given`."""
    if facts.fp8:
        return activation_backward_fp8(given, wide, facts.activation)
    return activation_backward(given, wide, facts.activation), None
