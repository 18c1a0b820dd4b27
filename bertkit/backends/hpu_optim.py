"""The optimizers that run as one kernel on Gaudi, under bertkit's names.

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
from bertkit.train.optim import load_named_state, named_state, parameter_groups

NAMES = ("adamw", "nvlamb", "sgd")
_FUSED = "habana_frameworks.torch.hpex.optimizers"


def make_fused(model: nn.Module, spec: OptimizerSpec) -> torch.optim.Optimizer:
    """The named optimizer over a placed model.

    `nvlamb` is FusedLamb, `adamw` FusedAdamW and `sgd` FusedSGD without momentum. Of the
    LAMB variants only NVLAMB exists as a kernel. FusedAdamW adds eps before the bias
    correction, as Google's and Cerebras' do, torch's after it.

    Raises:
        ConfigError: no such optimizer on this machine.
    """
    if spec.name not in NAMES:
        raise ConfigError(f"no optimizer {spec.name!r} on hpu", f"there are {', '.join(NAMES)}")
    vendor: Any = importlib.import_module(_FUSED)
    groups = parameter_groups(model.named_parameters(), spec)
    if spec.name == "sgd":
        made = vendor.FusedSGD(groups, lr=0.0)
    elif spec.name == "nvlamb":
        # With use_lamb a bias that starts at zero would never move: its trust ratio is
        # |w| / |u| = 0 in the kernel.
        made = vendor.FusedLamb(
            groups, lr=0.0, betas=(spec.beta1, spec.beta2), eps=spec.eps, use_lamb=False
        )
    else:
        for group in groups:
            # In lazy mode the kernel takes 1 - rate * decay as a Python number: a new
            # program for every rate. `decay_weights` does it with a tensor.
            group["decay"] = group.pop("weight_decay")
        made = vendor.FusedAdamW(
            groups, lr=0.0, betas=(spec.beta1, spec.beta2), eps=spec.eps, weight_decay=0.0
        )
    optimizer: torch.optim.Optimizer = made
    return optimizer


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


def clips_itself(optimizer: torch.optim.Optimizer) -> bool:
    """Whether the kernel clips the gradients: FusedLamb does."""
    return "max_grad_norm" in optimizer.defaults


def global_norm(parameters: list[Tensor]) -> Tensor:
    """Norm over all gradients, 0-dim, on the device."""
    norms = [torch.linalg.vector_norm(item.grad) for item in parameters if item.grad is not None]
    norm: Tensor = torch.linalg.vector_norm(torch.stack(norms))
    return norm


def fused_state(optimizer: torch.optim.Optimizer) -> dict[str, dict[str, Tensor]]:
    """Moments and step counts by parameter name on the CPU, as the other machines keep them.

    The fused optimizers count steps per group, in Python.
    """
    state = {name: dict(own) for name, own in named_state(tensors_only(optimizer)).items()}
    for group in optimizer.param_groups:
        for name in group["names"]:
            if state[name] and "step" in group:
                state[name]["step"] = torch.tensor(float(group["step"]))
    return state


def tensors_only(optimizer: torch.optim.Optimizer) -> torch.optim.Optimizer:
    """The optimizer, whose states then hold tensors alone."""
    for own in optimizer.state.values():
        for what in [what for what, value in own.items() if not isinstance(value, Tensor)]:
            del own[what]
    return optimizer


def load_fused_state(
    optimizer: torch.optim.Optimizer, saved: Mapping[str, Mapping[str, Tensor]]
) -> None:
    """Take over what `fused_state`, or another machine's optimizer of that kind, gave.

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
