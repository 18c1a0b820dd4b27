"""Maps bertkit's optimizer names to the optimizers that run as one kernel on Gaudi.

An optimizer written in Python would read norms, or build every new learning rate into
its program; these take the rate as a tensor.
"""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from bertkit.backends.base import OptimizerSpec
from bertkit.errors import ConfigError
from bertkit.train.config import UNCORRECTED
from bertkit.train.optimization.optimizers import (
    load_named_state,
    named_state,
    own_part,
    parameter_groups,
)

NAMES = ("adamw", UNCORRECTED, "nvlamb", "sgd")
_FUSED = "habana_frameworks.torch.hpex.optimizers"


def make_fused(
    model: nn.Module, spec: OptimizerSpec, sharded: bool = False
) -> torch.optim.Optimizer:
    """The named optimizer over a placed model.

    `nvlamb` is FusedLamb, `adamw` FusedAdamW, with or without bias correction, and `sgd`
    FusedSGD without momentum. Of the LAMB variants only NVLAMB exists as a kernel.
    FusedAdamW adds eps before the bias correction, torch's after it.

    Args:
        model: on the card.
        spec: name and numbers.
        sharded: each process keeps the state of a part of the parameters.

    Raises:
        ConfigError: no such optimizer on Gaudi.
    """
    if spec.name not in NAMES:
        raise ConfigError(f"no optimizer {spec.name!r} on hpu", f"there are {', '.join(NAMES)}")
    vendor: Any = importlib.import_module(_FUSED)
    groups = parameter_groups(model, spec)
    options: dict[str, Any] = {"betas": (spec.beta1, spec.beta2), "eps": spec.eps}
    if spec.name == "sgd":
        kind, options = vendor.FusedSGD, {}
    elif spec.name == "nvlamb":
        # With use_lamb a bias that starts at zero would never move: its trust ratio is
        # |w| / |u| = 0 in the kernel.
        kind, options = vendor.FusedLamb, {**options, "use_lamb": False}
    else:
        for group in groups:
            # In lazy mode the kernel takes 1 - rate * decay as a Python number: a new
            # program for every rate. `decay_weights` does it with a tensor.
            group["decay"] = group.pop("weight_decay")
        correct = spec.name != UNCORRECTED
        options |= {"weight_decay": 0.0, "bias_correction": correct}
        kind = vendor.FusedAdamW
    made: torch.optim.Optimizer
    if sharded:
        from bertkit.backends.torch.processes.sharded_optimizer import ShardedOptimizer

        made = ShardedOptimizer(groups, optimizer_class=kind, lr=0.0, **options)
    else:
        made = kind(groups, lr=0.0, **options)
    return made


@torch.no_grad()
def decay_weights(optimizer: torch.optim.Optimizer) -> None:
    """Weights times 1 - rate * decay, where `make_fused` took the decay out of the kernel."""
    for group in optimizer.param_groups:
        if not group.get("decay"):
            continue
        factor = torch.tensor(1.0 - group["lr"] * group["decay"]).to("hpu", non_blocking=True)
        for weight in group["params"]:
            if weight.grad is not None:
                weight.mul_(factor)


def clips_itself(optimizer: torch.optim.Optimizer, limit: float) -> bool:
    """Make the kernel clip gradients to this norm (0: not at all) where it can: FusedLamb's.

    The kernel reads the default; a group's own value would be ignored. One that is
    sharded would clip by the norm of its own part, so it must not clip.
    """
    kernel = own_part(optimizer)
    if "max_grad_norm" not in kernel.defaults:
        return False
    whole = kernel is optimizer
    kernel.defaults["max_grad_norm"] = limit if whole and limit else None
    return whole


def global_norm(parameters: list[Tensor]) -> Tensor:
    """Norm over all gradients, 0-dim, on the device."""
    norms = [torch.linalg.vector_norm(item.grad) for item in parameters if item.grad is not None]
    norm: Tensor = torch.linalg.vector_norm(torch.stack(norms))
    return norm


def fused_state(optimizer: torch.optim.Optimizer) -> dict[str, dict[str, Tensor]]:
    """Moments and step counts by parameter name on the CPU, as the other backends keep them.

    The fused optimizers count steps per group, in Python. Of one that is sharded,
    what this process keeps.
    """
    for own in own_part(optimizer).state.values():
        for what in [what for what, value in own.items() if not isinstance(value, Tensor)]:
            del own[what]
    state = {name: dict(own) for name, own in named_state(optimizer).items()}
    for group in optimizer.param_groups:
        for name in group["names"]:
            if state.get(name) and "step" in group:
                state[name]["step"] = torch.tensor(float(group["step"]))
    return state


def load_fused_state(
    optimizer: torch.optim.Optimizer, saved: Mapping[str, Mapping[str, Tensor]]
) -> None:
    """Take over what `fused_state`, or another backend's optimizer of that kind, gave.

    Raises:
        ConfigError: other parameters or shapes.
    """
    moments = {
        name: {what: value for what, value in own.items() if what != "step"}
        for name, own in saved.items()
    }
    load_named_state(optimizer, moments)
    for group in optimizer.param_groups:
        steps = [float(saved[name]["step"]) for name in group["names"] if "step" in saved[name]]
        if steps:
            group["step"] = int(max(steps))
