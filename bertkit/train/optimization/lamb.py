"""Implements six variants of LAMB, each under its own name."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast

import torch
from torch import Tensor

from bertkit.backends.base import OptimizerSpec
from bertkit.train.optimization.adamw import NO_CORRECTION

# Elements of a tensor that a CPU works on at a time: at most 4 MB each of weight, gradient,
# direction and both moments. Smaller blocks cost more calls than they save memory traffic.
_BLOCK = 1 << 20


@dataclass(frozen=True)
class LambVariant:
    """What tells one LAMB from another.

    Attributes:
        bias_correction: divide the moments by 1 - beta ** t.
        clamp: upper bound of the weight norm in the trust ratio; None for no bound.
        adapt_all: scale also parameters without weight decay by their trust ratio.
        decay_layer_norm: LayerNorm weights decay too (but are not scaled).
        adapt_layer_norm: LayerNorm weights are scaled too, and scaling needs no weight decay.
    """

    bias_correction: bool = True
    clamp: float | None = None
    adapt_all: bool = False
    decay_layer_norm: bool = False
    adapt_layer_norm: bool = False


# The systems these names come from: nvlamb is NVIDIA's and Habana's NVLAMB, mlperf the
# TensorFlow LAMB of the MLPerf reference, graphcore Graphcore's TensorFlow 2 LAMB,
# max_weight_norm PopTorch's as Graphcore's PyTorch BERT groups it (its default bound is the
# largest fp16 number; max_weight_norm_no_debias their LAMBNoBiasCorrection), no_debias_clamp10
# Cerebras' cstorch.optim.Lamb.
LAMB_VARIANTS = {
    "nvlamb": LambVariant(),
    "mlperf": LambVariant(),
    "graphcore": LambVariant(decay_layer_norm=True),
    "max_weight_norm": LambVariant(clamp=65500.0, adapt_layer_norm=True),
    "max_weight_norm_no_debias": LambVariant(
        bias_correction=False, clamp=65500.0, adapt_layer_norm=True
    ),
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
    direction is taken from torch's fused Adam, which steps -decay * w by rate 1 to -u, so
    that one pass over memory does what a loop over operations would take many for.

    As with PyTorch's fused optimizers, an attribute `found_inf` of 1 leaves a step out on
    devices that are not read, and `grad_scale` divides gradients
    (`bertkit.train.optimization.optimizers.step_unless`).

    Args:
        groups: from `parameter_groups`, with `params`, `weight_decay` and `adapt`.
        spec: betas and eps.
        variant: which LAMB.
    """

    _step_supports_amp_scaling = True

    def __init__(
        self, groups: Sequence[dict[str, Any]], spec: OptimizerSpec, variant: LambVariant
    ) -> None:
        super().__init__(list(groups), {"lr": 0.0})
        self.variant = variant
        self.adam: dict[str, Any] = {
            "amsgrad": False,
            "lr": 1.0,
            "beta1": spec.beta1,
            "beta2": spec.beta2,
            "weight_decay": 0.0,
            "eps": spec.eps,
            "maximize": False,
        }
        steps = 0.0 if variant.bias_correction else NO_CORRECTION
        for group in self.param_groups:
            for weight in group["params"]:
                self.state[weight] = {
                    "step": torch.full((), steps, device=weight.device),
                    "exp_avg": torch.zeros_like(weight),
                    "exp_avg_sq": torch.zeros_like(weight),
                }
        self._room: Tensor | None = None
        self._owners: dict[tuple[int, ...], Tensor] = {}

    @torch.no_grad()
    def step(self, closure: Any = None) -> None:  # type: ignore[override]
        """One update of every parameter that has a gradient."""
        for group in self.param_groups:
            weights = [weight for weight in group["params"] if weight.grad is not None]
            # Groups that are not adapted hold biases and the like: small, and many.
            if group["adapt"] and weights and weights[0].device.type == "cpu":
                for weight in weights:
                    self._update_in_blocks(weight, group)
            elif weights:
                self.update_together(weights, group)

    def _update_in_blocks(self, weight: Tensor, group: Mapping[str, Any]) -> None:
        """One tensor, in blocks that stay in a CPU's cache from the gradient to the norms.

        The last pass goes backwards, from the blocks that are still in the cache.
        """
        state = self.state[weight]
        state["step"] += 1
        room = self._scratch(weight)
        flat, gradients = weight.view(-1), cast(Tensor, weight.grad)
        count = max(1, math.ceil(weight.numel() / _BLOCK))
        parts = [
            item.reshape(-1).tensor_split(count)
            for item in (room, gradients, state["exp_avg"], state["exp_avg_sq"], flat)
        ]
        top = bottom = 0.0
        for update, gradient, first, second, own in zip(*parts, strict=True):
            torch.mul(own, -group["weight_decay"], out=update)
            torch._fused_adam_(
                [update], [gradient], [first], [second], [], [state["step"]], **self.adam
            )
            top += float(torch.dot(own, own))
            bottom += float(torch.dot(update, update))
        length = min(math.sqrt(top), self.variant.clamp or math.inf)
        trust = length / math.sqrt(bottom) if length > 0 and bottom > 0 else 1.0
        for update, own in zip(reversed(parts[0]), reversed(parts[-1]), strict=True):
            own.add_(update, alpha=trust * group["lr"])

    def _scratch(self, weight: Tensor) -> Tensor:
        """Room for one tensor's direction, flat."""
        if self._room is None:
            largest = max(item.numel() for group in self.param_groups for item in group["params"])
            self._room = weight.new_empty(largest)
        return self._room[: weight.numel()]

    def update_together(self, weights: list[Tensor], group: Mapping[str, Any]) -> None:
        """Update tensors of a group with a handful of launches and nothing read from the device.

        The form for GPUs, with gradients disabled by the caller; it runs on a CPU too. The
        group's rate may be a tensor on the device.
        """
        left_out: Tensor | None = getattr(self, "found_inf", None)
        if not group["adapt"]:
            updates = list(torch._foreach_mul(weights, -group["weight_decay"]))
            self._directions(updates, weights)
            rate = group["lr"]
            if left_out is not None:
                torch._foreach_mul_(updates, 1.0 - left_out)
            if isinstance(rate, Tensor):
                torch._foreach_mul_(updates, rate)
            torch._foreach_add_(weights, updates, alpha=1 if isinstance(rate, Tensor) else rate)
            return
        flat, updates, owners = self._flat(weights)
        torch._foreach_copy_(updates, weights)
        flat.mul_(-group["weight_decay"])
        self._directions(updates, weights)
        tops, bottoms = (torch.stack(torch._foreach_norm(items)) for items in (weights, updates))
        lengths = tops if self.variant.clamp is None else tops.clamp(max=self.variant.clamp)
        trusts = torch.where((tops > 0) & (bottoms > 0), lengths / bottoms, 1.0) * group["lr"]
        if left_out is not None:
            trusts = trusts * (1.0 - left_out)
        # A list of tensors without dimensions has no fast way; factors per row have.
        flat.view(len(owners), -1).mul_(trusts[owners][:, None])
        torch._foreach_add_(weights, updates)

    def _directions(self, updates: list[Tensor], weights: list[Tensor]) -> None:
        """Take Adam's direction away from each of the updates."""
        states = [self.state[weight] for weight in weights]
        steps = [state["step"] for state in states]
        left_out: Tensor | None = getattr(self, "found_inf", None)
        torch._foreach_add_(steps, 1)
        torch._fused_adam_(
            updates,
            [cast(Tensor, weight.grad) for weight in weights],
            [item["exp_avg"] for item in states],
            [item["exp_avg_sq"] for item in states],
            [],
            steps,
            grad_scale=getattr(self, "grad_scale", None),
            found_inf=left_out,
            **self.adam,
        )
        if left_out is not None:
            torch._foreach_sub_(steps, [left_out] * len(steps))

    def _flat(self, weights: list[Tensor]) -> tuple[Tensor, list[Tensor], Tensor]:
        """Room for the updates of several tensors, one after the other.

        Returns:
            (the room, flat; the tensors' parts of it in their shapes; int64, which tensor
            each row belongs to, if the room is cut into rows of the largest equal length).
        """
        sizes = [weight.numel() for weight in weights]
        grain = math.gcd(*sizes)
        key = tuple(sizes)
        if key not in self._owners:
            rows = torch.tensor([size // grain for size in sizes])
            owners = torch.repeat_interleave(torch.arange(len(sizes)), rows)
            self._owners[key] = owners.to(weights[0].device)
        flat = weights[0].new_empty(sum(sizes))
        cuts = torch.split(flat, sizes)
        parts = [cut.view_as(weight) for cut, weight in zip(cuts, weights, strict=True)]
        return flat, parts, self._owners[key]
