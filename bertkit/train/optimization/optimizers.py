"""Builds optimizers by name, with parameter groups and clipping; saves and loads their state.

All keep their moments in fp32, group parameters (no weight decay on biases and
LayerNorm), and save their state under parameter names, so that a checkpoint can be
checked against the model before anything is overwritten.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from bertkit.backends.base import OptimizerSpec
from bertkit.errors import ConfigError
from bertkit.train.config import UNCORRECTED
from bertkit.train.optimization.adamw import UncorrectedAdamW
from bertkit.train.optimization.lamb import LAMB_VARIANTS, Lamb, LambVariant

NAMES = ("adamw", UNCORRECTED, *LAMB_VARIANTS, "sgd", "momentum")


def parameter_groups(model: nn.Module, spec: OptimizerSpec) -> list[dict[str, Any]]:
    """Parameters in groups that are treated alike.

    Biases and LayerNorm weights get no weight decay and, in LAMB, no trust ratio, unless
    the variant says otherwise.

    Args:
        model: its LayerNorms may have any name.
        spec: name and weight decay.

    Returns:
        Groups with `params`, `names` (parallel), `weight_decay`, `adapt`.
    """
    variant = LAMB_VARIANTS.get(spec.name, LambVariant())
    always = variant.adapt_all or variant.adapt_layer_norm
    groups: dict[tuple[bool, bool], dict[str, Any]] = {}
    norms = {
        parameter
        for module in model.modules()
        if isinstance(module, nn.LayerNorm)
        for parameter in module.parameters()
    }
    for name, parameter in model.named_parameters():
        bias, norm = name.endswith("bias"), parameter in norms or "LayerNorm" in name
        decays = not (bias or (norm and not variant.decay_layer_norm))
        adapts = variant.adapt_all or not (bias or (norm and not variant.adapt_layer_norm))
        group = groups.setdefault(
            (decays, adapts),
            {
                "params": [],
                "names": [],
                "weight_decay": spec.weight_decay if decays else 0.0,
                "adapt": adapts and (always or spec.weight_decay > 0),
            },
        )
        group["params"].append(parameter)
        group["names"].append(name)
    return list(groups.values())


def make_optimizer(
    model: nn.Module, spec: OptimizerSpec, fused: bool = True
) -> torch.optim.Optimizer:
    """The named optimizer over a model's parameters.

    Args:
        model: on its device.
        spec: name, rates and weight decay.
        fused: AdamW's whole step by one kernel, which not every device has.

    Raises:
        ConfigError: no such optimizer.
    """
    kind, options = optimizer_kind(spec)
    if "fused" in options:
        options["fused"] = fused
    optimizer: torch.optim.Optimizer = kind(parameter_groups(model, spec), **options)
    return optimizer


def optimizer_kind(spec: OptimizerSpec) -> tuple[Any, dict[str, Any]]:
    """The class of the named optimizer, and what it takes beside parameter groups.

    `sgd` is the plain gradient step without momentum: nothing in it hides or enlarges a
    difference between gradients, which makes it the measure of exactness. `momentum` adds
    beta1 times the step before, as TensorFlow's MomentumOptimizer does.

    Raises:
        ConfigError: no such optimizer.
    """
    adam = {"lr": 0.0, "betas": (spec.beta1, spec.beta2), "eps": spec.eps}
    if spec.name == "adamw":
        return torch.optim.AdamW, {**adam, "fused": True}
    if spec.name == UNCORRECTED:
        return UncorrectedAdamW, adam
    if spec.name == "sgd":
        return torch.optim.SGD, {"lr": 0.0}
    if spec.name == "momentum":
        return torch.optim.SGD, {"lr": 0.0, "momentum": spec.beta1}
    if spec.name not in LAMB_VARIANTS:
        raise ConfigError(f"no optimizer {spec.name!r}", f"there are {', '.join(NAMES)}")
    return Lamb, {"spec": spec, "variant": LAMB_VARIANTS[spec.name]}


def gradient_norm(parameters: Sequence[Tensor]) -> Tensor:
    """The global norm of the gradients that there are, 0-dim, on their device."""
    return norm_of([item.grad for item in parameters if item.grad is not None])


def norm_of(gradients: Sequence[Tensor]) -> Tensor:
    """The global norm of gradients, float32, 0-dim, on their device.

    Args:
        gradients: float32, or half precision, which gives the bits of the same numbers in
            float32: PyTorch's kernels add them in the same order.
    """
    norms: dict[int, Tensor] = {}
    for kind in dict.fromkeys(item.dtype for item in gradients):
        places = [place for place, item in enumerate(gradients) if item.dtype == kind]
        alike = [gradients[place] for place in places]
        wide = torch.float32 if kind.itemsize < torch.float32.itemsize else None
        norms.update(zip(places, torch._foreach_norm(alike, 2, wide), strict=True))
    norm: Tensor = torch.linalg.vector_norm(torch.stack([norms[n] for n in range(len(norms))]))
    return norm


def clip_gradients(parameters: Sequence[Tensor], max_norm: float) -> Tensor:
    """Scale all gradients by max_norm / norm where their global norm is above max_norm.

    The rule of TensorFlow's `clip_by_global_norm` and of NVLAMB; torch's own adds 1e-6
    to the norm.

    Args:
        parameters: those without a gradient are passed over.
        max_norm: 0 leaves the gradients as they are.

    Returns:
        The norm before clipping, 0-dim; not read here, so that no device has to wait.
    """
    norm = gradient_norm(parameters)
    scale_gradients([item.grad for item in parameters if item.grad is not None], norm, max_norm)
    return norm


def scale_gradients(gradients: Sequence[Tensor], norm: Tensor, max_norm: float) -> None:
    """Multiply gradients by max_norm / norm where the norm is above max_norm.

    Args:
        gradients: some or all of those that the norm was taken of.
        norm: 0-dim.
        max_norm: 0 leaves the gradients as they are.
    """
    if not gradients:
        return
    if max_norm > 0 and not (norm.device.type == "cpu" and bool(norm <= max_norm)):
        torch._foreach_mul_(list(gradients), max_norm / norm.clamp(min=max_norm))


def not_finite(norm: Tensor) -> Tensor:
    """1 where a norm is infinite or no number, 0 where it is finite; float32, 0-dim.

    Stays on the device of the norm.
    """
    # Of infinity and of NaN this difference is NaN.
    return ((norm - norm) != 0).float()


def reads_flags(optimizer: torch.optim.Optimizer, device: torch.device) -> bool:
    """Whether the kernels of an update read numbers for it themselves.

    Those of an accelerator, of optimizers that PyTorch marks by `_step_supports_amp_scaling`.
    """
    kernels = own_part(optimizer)
    return device.type != "cpu" and getattr(kernels, "_step_supports_amp_scaling", False)


def step_unless(
    left_out: Tensor, optimizer: torch.optim.Optimizer, divisor: Tensor | None = None
) -> None:
    """One update, or none where the flag is 1: weights, moments and step counts stay.

    Kernels that can do so read the flag themselves, so that the host need not wait.

    Args:
        left_out: from `not_finite`, the same in all processes that share the optimizer.
        optimizer: its gradients are ready.
        divisor: of the gradients, float32, 0-dim; for kernels that read it (`reads_flags`),
            which spares a pass over all gradients.
    """
    kernels = own_part(optimizer)
    if not reads_flags(optimizer, left_out.device):
        if not bool(left_out):
            optimizer.step()
        return
    kernels.found_inf, kernels.grad_scale = left_out, divisor  # type: ignore[attr-defined]
    try:
        optimizer.step()
    finally:
        del kernels.found_inf, kernels.grad_scale  # type: ignore[attr-defined]


def on_cpu(tensors: Sequence[Tensor]) -> list[Tensor]:
    """Tensors in main memory."""
    return [tensor.detach().cpu() for tensor in tensors]


def named_state(
    optimizer: torch.optim.Optimizer,
    fetch: Callable[[Sequence[Tensor]], Sequence[Tensor]] = on_cpu,
) -> dict[str, dict[str, Tensor]]:
    """Moments and step counts by parameter name, as tensors on the CPU.

    Of an optimizer that is sharded over processes, those that this one keeps.

    Args:
        optimizer: has taken any number of steps.
        fetch: brings tensors into main memory, all at once.
    """
    places = [
        (name, key, value)
        for name, _, states in _named_states(optimizer)
        for key, value in (states or {}).items()
        if value is not None
    ]
    found: dict[str, dict[str, Tensor]] = {
        name: {} for name, _, states in _named_states(optimizer) if states is not None
    }
    values = fetch([value for _, _, value in places])
    for (name, key, _), value in zip(places, values, strict=True):
        found[name][key] = value
    return found


def load_named_state(
    optimizer: torch.optim.Optimizer, saved: Mapping[str, Mapping[str, Tensor]]
) -> None:
    """Take over what `named_state` gave, of all parameters.

    An optimizer that is sharded over processes takes what it keeps.

    Raises:
        ConfigError: other parameters or shapes; names some of them.
    """
    named = list(_named_states(optimizer))
    own = {name: weight for name, weight, _ in named}
    wrong = sorted(own.keys() ^ saved.keys()) if saved else []
    wrong += [
        name
        for name in own.keys() & saved.keys()
        if any(value.dim() and value.shape != own[name].shape for value in saved[name].values())
    ]
    if wrong:
        raise ConfigError(
            f"the optimizer state belongs to another model: {len(wrong)} parameters differ, "
            f"such as {', '.join(wrong[:3])}",
            "use --init-checkpoint to take the weights alone",
        )
    inner = own_part(optimizer)
    for name, _, present in named:
        if present is None or name not in saved:
            continue
        states = saved[name]
        values = {what: item.to(own[name].device, copy=True) for what, item in states.items()}
        inner.state[own[name]] = values


def _named_states(
    optimizer: torch.optim.Optimizer,
) -> Iterable[tuple[str, nn.Parameter, Mapping[str, Any] | None]]:
    """(name, parameter, its state, None where another process keeps it)."""
    inner = own_part(optimizer)
    kept = {weight for group in inner.param_groups for weight in group["params"]}
    for group in optimizer.param_groups:
        for name, weight in zip(group["names"], group["params"], strict=True):
            yield name, weight, inner.state[weight] if weight in kept else None


def is_sharded(optimizer: torch.optim.Optimizer) -> bool:
    """Whether other processes keep a part of the optimizer's state."""
    return own_part(optimizer) is not optimizer


def own_part(optimizer: torch.optim.Optimizer) -> torch.optim.Optimizer:
    """The optimizer of this process's part, where torch's ZeroRedundancyOptimizer wraps one."""
    inner: torch.optim.Optimizer = getattr(optimizer, "optim", optimizer)
    return inner
