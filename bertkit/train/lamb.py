"""LAMB, layer-wise adaptive moments: not one algorithm but several, each under its name."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from bertkit.backends.base import OptimizerSpec

# As a step count this makes both bias corrections of Adam exactly 1.
_NO_CORRECTION = 1e9


@dataclass(frozen=True)
class LambVariant:
    """What tells one LAMB from another.

    Attributes:
        bias_correction: divide the moments by 1 - beta ** t.
        clamp: upper bound of the weight norm in the trust ratio; None for no bound.
        adapt_all: scale also parameters without weight decay by their trust ratio.
        decay_layer_norm: LayerNorm weights decay too (but are not scaled).
    """

    bias_correction: bool = True
    clamp: float | None = None
    adapt_all: bool = False
    decay_layer_norm: bool = False


# The systems these names come from: nvlamb is NVIDIA's and Habana's NVLAMB, mlperf the
# TensorFlow LAMB of the MLPerf reference, graphcore Graphcore's TensorFlow 2 LAMB,
# max_weight_norm PopTorch's, no_debias_clamp10 Cerebras' cstorch.optim.Lamb.
LAMB_VARIANTS = {
    "nvlamb": LambVariant(),
    "mlperf": LambVariant(),
    "graphcore": LambVariant(decay_layer_norm=True),
    "max_weight_norm": LambVariant(clamp=10.0),
    "no_debias_clamp10": LambVariant(bias_correction=False, clamp=10.0, adapt_all=True),
}


class Lamb(torch.optim.Optimizer):
    """LAMB (You et al. 2019, arXiv:1904.00962) in the variant asked for.

    With g the gradient, per tensor w:

        m = b1 m + (1 - b1) g        v = b2 v + (1 - b2) g^2
        u = m' / (sqrt(v') + eps) + decay * w      (m', v' bias corrected or not)
        w = w - lr * trust * u       trust = min(|w|, clamp) / |u|, 1 where a norm is 0
                                     or the group is not adapted

    Clipping by the global gradient norm comes before (`clip_gradients`). The Adam
    direction is taken from torch's fused Adam, stepping zeroed buffers by rate 1, so
    that one pass over memory does what a loop over tensors would take many for.

    Args:
        groups: from `parameter_groups`, with `params`, `weight_decay` and `adapt`.
        spec: betas and eps.
        variant: which LAMB.
    """

    def __init__(
        self, groups: Sequence[dict[str, Any]], spec: OptimizerSpec, variant: LambVariant
    ) -> None:
        super().__init__(list(groups), {"lr": 0.0})
        self.variant = variant
        self.directions = {
            weight: nn.Parameter(torch.zeros_like(weight))
            for group in self.param_groups
            for weight in group["params"]
        }
        self.adam = torch.optim.Adam(
            list(self.directions.values()),
            lr=1.0,
            betas=(spec.beta1, spec.beta2),
            eps=spec.eps,
            fused=True,
        )
        for direction in self.directions.values():
            steps = 0.0 if variant.bias_correction else _NO_CORRECTION
            self.adam.state[direction] = {
                "step": torch.full((), steps, device=direction.device),
                "exp_avg": torch.zeros_like(direction),
                "exp_avg_sq": torch.zeros_like(direction),
            }

    def moments(self, weight: nn.Parameter) -> dict[str, Tensor]:
        """Step count and both moments of a parameter, to read or to replace in place."""
        state: dict[str, Tensor] = self.adam.state[self.directions[weight]]
        return state

    @torch.no_grad()
    def step(self, closure: Any = None) -> None:  # type: ignore[override]
        """One update of every parameter that has a gradient."""
        for weight, direction in self.directions.items():
            direction.grad = weight.grad
        torch._foreach_zero_(list(self.directions.values()))
        self.adam.step()
        for group in self.param_groups:
            weights = [weight for weight in group["params"] if weight.grad is not None]
            if weights:
                self._apply(weights, group)

    def _apply(self, weights: list[Tensor], group: Mapping[str, Any]) -> None:
        """w += lr * trust * (-u), where the buffers hold -m' / (sqrt(v') + eps)."""
        updates: list[Tensor] = [self.directions[weight] for weight in weights]
        if group["weight_decay"]:
            torch._foreach_add_(updates, weights, alpha=-group["weight_decay"])
        if not group["adapt"]:
            torch._foreach_add_(weights, updates, alpha=group["lr"])
            return
        weight_norms = torch._foreach_norm(weights)
        update_norms = torch._foreach_norm(updates)
        for weight, update, top, bottom in zip(
            weights, updates, weight_norms, update_norms, strict=True
        ):
            if self.variant.clamp is not None:
                top = top.clamp(max=self.variant.clamp)
            trust = torch.where((top > 0) & (bottom > 0), top / bottom, 1.0)
            weight.addcmul_(update, trust * group["lr"])
