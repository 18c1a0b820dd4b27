from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor

_TYPES = (torch.float16, torch.float32)


class VariableAttributes:
    def __init__(self, variable: list[str], allowed: list[str]) -> None:
        self.variable, self.allowed = set(variable), set(allowed)

    def isConstant(self, name: str) -> bool:
        return name not in self.variable

    def markAsConstant(self, name: str) -> None:
        assert name in self.allowed, f"Unknown attribute {name}"
        self.variable.discard(name)


class Optimizer(torch.optim.Optimizer):
    """What the engine's optimizers share: their numbers are read when they are set."""

    GROUP: tuple[str, ...] = ()

    def __init__(self, params: Any, given: dict[str, Any], defaults: dict[str, Any]) -> None:
        for name, value in given.items():
            assert not name.endswith("accum_type") or value in (None, *_TYPES), (
                "Accumulation types must be either torch.float32 or torch.float16"
            )
        values = {
            name: default if given.get(name) is None else given[name]
            for name, default in defaults.items()
        }
        super().__init__(params, {name: values[name] for name in self.GROUP})
        self.settings = {name: value for name, value in values.items() if name not in self.GROUP}
        explicit = [name for name, value in given.items() if value is not None]
        self.variable_attrs = VariableAttributes(explicit, [*self.GROUP, "loss_scaling"])
        self.loss_scaling = values["loss_scaling"]
        self._state: dict[str, Any] = {"ipu_state": None, "ipu_param": None}
        self._reader: Any = None

    def state_dict(self) -> dict[str, Any]:
        if self._reader is not None:
            self._state = self._reader()
        return {**self._state, **torch.optim.Optimizer.state_dict(self)}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        if not state:
            raise RuntimeError("Cannot load optimizer state dictionary because it is empty.")
        torch.optim.Optimizer.load_state_dict(self, state)
        if not ("ipu_state" in state and "ipu_param" in state):
            raise RuntimeError("Only IPU optimizer states can be loaded onto the IPU.")
        self._state = {name: state[name] for name in ("ipu_state", "ipu_param")}

    def step(self, closure: Any = None) -> None:
        raise RuntimeError("PopTorch does not run the Python of an optimizer")

    def numbers(self) -> dict[str, Any]:
        """A copy of what an update depends on, with the names of constants."""
        groups = [{name: group[name] for name in self.GROUP} for group in self.param_groups]
        return {"groups": groups, **self.settings}

    def constants(self) -> set[str]:
        return {name for name in self.GROUP if self.variable_attrs.isConstant(name)}


class SGD(Optimizer):
    GROUP = ("lr", "momentum", "dampening", "weight_decay", "nesterov")

    def __init__(
        self, params, lr, momentum=None, dampening=None, weight_decay=None, nesterov=None,
        maximize=None, foreach=None, differentiable=None, loss_scaling=None,
        velocity_scaling=None, use_combined_accum=None, accum_type=None,
        velocity_accum_type=None, max_grad_norm=None,
    ) -> None:  # fmt: skip
        given = _given(locals())
        super().__init__(params, given, {
            "lr": 0.0, "momentum": 0, "dampening": 0, "weight_decay": 0, "nesterov": False,
            "loss_scaling": 1.0, "accum_type": torch.float32, "max_grad_norm": math.inf,
        })  # fmt: skip

    def update(self, weight: Tensor, grad: Tensor, state: dict, group: dict, numbers: dict) -> None:
        assert group["momentum"] == 0, "the stand-in has plain SGD only"
        weight -= group["lr"] * (grad + group["weight_decay"] * weight)


class AdamW(Optimizer):
    GROUP = ("lr", "betas", "eps", "weight_decay", "amsgrad")

    def __init__(
        self, params, lr=None, betas=None, eps=None, weight_decay=None, amsgrad=None,
        foreach=None, maximize=None, capturable=None, differentiable=None, fused=None,
        loss_scaling=None, bias_correction=None, accum_type=None,
        first_order_momentum_accum_type=None, second_order_momentum_accum_type=None,
        max_grad_norm=None,
    ) -> None:  # fmt: skip
        given = _given(locals())
        if amsgrad:
            raise ValueError("amsgrad is not supported")
        super().__init__(params, given, {
            "lr": 1e-3, "betas": (0.9, 0.999), "eps": 1e-8, "weight_decay": 0.01,
            "amsgrad": False, "loss_scaling": 1.0, "bias_correction": True,
            "accum_type": torch.float32, "first_order_momentum_accum_type": torch.float32,
            "second_order_momentum_accum_type": torch.float32, "max_grad_norm": math.inf,
        })  # fmt: skip

    def update(self, weight: Tensor, grad: Tensor, state: dict, group: dict, numbers: dict) -> None:
        direction = _adam(grad, state, group, numbers["bias_correction"])
        weight *= 1 - group["lr"] * group["weight_decay"]
        weight -= group["lr"] * direction


class LAMB(Optimizer):
    GROUP = ("lr", "weight_decay", "betas", "eps", "max_weight_norm")

    def __init__(
        self, params, lr=None, betas=None, eps=None, weight_decay=None, bias_correction=None,
        loss_scaling=None, max_weight_norm=None, accum_type=None,
        first_order_momentum_accum_type=None, second_order_momentum_accum_type=None,
    ) -> None:  # fmt: skip
        given = _given(locals())
        super().__init__(params, given, {
            "lr": 1e-3, "betas": (0.9, 0.999), "eps": 1e-8, "weight_decay": 0.01,
            "bias_correction": True, "loss_scaling": 1.0, "max_weight_norm": 65500.0,
            "accum_type": torch.float32, "first_order_momentum_accum_type": torch.float32,
            "second_order_momentum_accum_type": torch.float32,
        })  # fmt: skip

    def update(self, weight: Tensor, grad: Tensor, state: dict, group: dict, numbers: dict) -> None:
        direction = _adam(grad, state, group, numbers["bias_correction"])
        direction = direction + group["weight_decay"] * weight
        top = weight.norm().clamp(max=group["max_weight_norm"])
        bottom = direction.norm()
        trust = float(top / bottom) if top > 0 and bottom > 0 else 1.0
        weight -= group["lr"] * trust * direction


def _given(found: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in found.items() if name not in _OWN}


_OWN = ("self", "params", "__class__")


def _adam(grad: Tensor, state: dict, group: dict, corrected: bool) -> Tensor:
    first, second = group["betas"]
    state["Step"] += 1
    state["Accl1"].mul_(first).add_(grad, alpha=1 - first)
    state["Accl2"].mul_(second).addcmul_(grad, grad, value=1 - second)
    step = float(state["Step"])
    one = 1 - first**step if corrected else 1.0
    two = 1 - second**step if corrected else 1.0
    return (state["Accl1"] / one) / ((state["Accl2"] / two).sqrt() + group["eps"])
