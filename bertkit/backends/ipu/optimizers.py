"""Maps bertkit's optimizer names to the optimizers that PopTorch runs on IPUs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import nn

from bertkit.backends.base import OptimizerSpec, StepPlan
from bertkit.backends.ipu.engine_options import poptorch
from bertkit.backends.ipu.options import IpuOptions
from bertkit.backends.ipu.rules import automatic_loss_scale, half_accumulation
from bertkit.errors import ConfigError
from bertkit.train.config import UNCORRECTED
from bertkit.train.optimization.lamb import LAMB_VARIANTS
from bertkit.train.optimization.optimizers import parameter_groups

# The engine's own "no limit" of a weight norm: the largest fp16 number.
_NO_LIMIT = 65500.0
# What never changes in a run; the engine then need not keep it as a variable.
_CONSTANTS = ("weight_decay", "betas", "eps", "max_weight_norm")


class ChosenOptimizer(torch.optim.Optimizer):
    """The optimizer asked for; the engine's is made of it when the step is planned.

    Args:
        model: whose parameters are to be updated.
        spec: name and numbers.
    """

    def __init__(self, model: nn.Module, spec: OptimizerSpec) -> None:
        super().__init__(parameter_groups(model, spec), {"lr": 0.0})
        self.spec = spec


def engine_optimizer(chosen: ChosenOptimizer, plan: StepPlan, options: IpuOptions) -> Any:
    """The engine's optimizer.

    Of LAMB, PopTorch knows one form, whose weight norm is bounded by `max_weight_norm`; in a
    group with the bound 0 the trust ratio is 1. All named variants are cases of it, as long
    as nothing is clipped.

    Args:
        chosen: from `IpuAdapter.optimizer`.
        plan: clipping, loss scale, precision.
        options: number formats of the state.

    Raises:
        ConfigError: no such optimizer.
    """
    spec, optim = chosen.spec, poptorch().optim
    half = torch.float16 if half_accumulation(options, plan.precision) else torch.float32
    keywords: dict[str, Any] = {"lr": 0.0, "loss_scaling": _loss_scale(plan, options)}
    keywords["accum_type"] = half
    clip = {"max_grad_norm": plan.max_grad_norm} if plan.max_grad_norm > 0 else {}
    if spec.name == "sgd":
        return _constant(optim.SGD(_groups(chosen), **keywords, **clip))
    keywords |= {
        "betas": (spec.beta1, spec.beta2),
        "eps": spec.eps,
        "first_order_momentum_accum_type": (
            torch.float16 if options.half_first_moment else torch.float32
        ),
        "second_order_momentum_accum_type": torch.float32,
    }
    if spec.name in ("adamw", UNCORRECTED):
        correct = spec.name == "adamw"
        made = optim.AdamW(_groups(chosen), bias_correction=correct, **keywords, **clip)
    elif spec.name in LAMB_VARIANTS:
        variant = LAMB_VARIANTS[spec.name]
        limit = _NO_LIMIT if variant.clamp is None else variant.clamp
        made = optim.LAMB(
            _groups(chosen, limit), bias_correction=variant.bias_correction, **keywords
        )
    else:
        raise ConfigError(f"no optimizer {spec.name!r} on ipu")
    return _constant(made)


def saved_state(optimizer: Any) -> dict[str, Any]:
    """The state on the device, as the engine names it."""
    state = optimizer.state_dict()
    return {name: state[name] for name in ("ipu_state", "ipu_param")}


def load_saved_state(optimizer: Any, saved: Mapping[str, Any]) -> None:
    """Take over what `saved_state` gave; before the model is compiled.

    Raises:
        ConfigError: another backend wrote it.
    """
    if set(saved) != {"ipu_state", "ipu_param"}:
        raise ConfigError(
            "the optimizer state was not written on IPUs, and cannot be read there",
            "use --init-checkpoint to take the weights alone",
        )
    own = torch.optim.Optimizer.state_dict(optimizer)
    optimizer.load_state_dict({**own, **saved})


def _groups(chosen: ChosenOptimizer, limit: float | None = None) -> list[dict[str, Any]]:
    """Only what the engine knows: it warns of anything else."""
    groups = []
    for group in chosen.param_groups:
        made = {"params": group["params"], "weight_decay": group["weight_decay"]}
        if limit is not None:
            made["max_weight_norm"] = limit if group["adapt"] else 0.0
        groups.append(made)
    return groups


def _loss_scale(plan: StepPlan, options: IpuOptions) -> float:
    """Constant, or where the engine starts to look for it."""
    if plan.precision != "fp16":
        return 1.0
    if automatic_loss_scale(options, plan):
        return plan.loss_scale or 1.0
    return plan.loss_scale


def _constant(optimizer: Any) -> Any:
    for name in _CONSTANTS:
        if name in optimizer.defaults:
            optimizer.variable_attrs.markAsConstant(name)
    return optimizer
