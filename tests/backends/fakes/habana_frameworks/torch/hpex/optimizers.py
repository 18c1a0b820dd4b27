"""The fused optimizers: the vendor's arguments, refusals and arithmetic.

Rates reach the kernels as tensors; in lazy mode every Python number becomes a constant of
the compiled program.
"""

from __future__ import annotations

import math

import torch
from torch.optim import Optimizer

from habana_frameworks.torch import _engine
from habana_frameworks.torch.core.step_closure import _mark_step_if_lazy


def _check(optimizer, what):
    if torch.is_autocast_enabled("hpu"):
        raise RuntimeError(f"{what}: the update runs under autocast")
    for group in optimizer.param_groups:
        for weight in group["params"]:
            if weight.grad is not None and weight.grad.is_sparse:
                raise RuntimeError(f"{what} does not support sparse gradients")
            _engine.require_device([weight], what)
    _engine.LOG.updates.append(what)


def _weights(group):
    return [weight for weight in group["params"] if weight.grad is not None]


def _number(value):
    return torch.tensor(float(value)).to("hpu")


def _moments(optimizer, weight, **more):
    state = optimizer.state[weight]
    if not state:
        state.update(more)
        for name in ("exp_avg", "exp_avg_sq"):
            state[name] = torch.zeros(weight.shape).to(weight.device)
    return state["exp_avg"], state["exp_avg_sq"]


class FusedLamb(Optimizer):
    """NVLAMB; a weight of norm 0 has trust ratio 0."""

    def __init__(
        self, params, lr=1e-3, bias_correction=True, betas=(0.9, 0.999), eps=1e-6,
        weight_decay=0.01, amsgrad=False, adam_w_mode=True, grad_averaging=True,
        set_grad_none=True, max_grad_norm=1.0, use_lamb=False, fused=False, dtype=None,
    ):  # fmt: skip
        if amsgrad:
            raise RuntimeError("FusedLamb does not support the AMSGrad variant.")
        defaults = {
            "lr": lr, "bias_correction": bias_correction, "betas": betas, "eps": eps,
            "weight_decay": weight_decay, "grad_averaging": grad_averaging,
            "max_grad_norm": max_grad_norm,
        }  # fmt: skip
        super().__init__(params, defaults)
        self.set_grad_none, self.use_lamb = set_grad_none, use_lamb

    def zero_grad(self):
        for group in self.param_groups:
            for weight in group["params"]:
                weight.grad = None

    @torch.no_grad()
    def step(self, closure=None):
        _check(self, "FusedLamb")
        gradients = [w.grad for group in self.param_groups for w in _weights(group)]
        shrink = _number(1.0)
        limit = self.defaults["max_grad_norm"]
        if limit is not None:
            norm = torch.linalg.vector_norm(torch.stack([g.norm() for g in gradients]))
            shrink = torch.clamp(norm / limit, min=1.0)
        for group in self.param_groups:
            group["step"] = group.get("step", 0) + 1
            _mark_step_if_lazy()
            corrections = [
                _number(1 - beta ** group["step"] if group["bias_correction"] else 1.0)
                for beta in group["betas"]
            ]
            rate = _number(group["lr"])
            for weight in _weights(group):
                self._one(weight, group, shrink, corrections, rate)
            _mark_step_if_lazy()

    def _one(self, weight, group, shrink, corrections, rate):
        first, second = _moments(self, weight)
        (beta1, beta2), decay = group["betas"], group["weight_decay"]
        gradient = weight.grad / shrink
        first.mul_(beta1).add_(gradient, alpha=1 - beta1 if group["grad_averaging"] else 1.0)
        second.mul_(beta2).addcmul_(gradient, gradient, value=1 - beta2)
        move = (first / corrections[0]) / ((second / corrections[1]).sqrt() + group["eps"])
        move = move + decay * weight
        if decay or self.use_lamb:
            above, below = weight.norm(), move.norm()
            move = move * torch.where(below > 0, above / below, torch.ones_like(below))
        weight.sub_(move * rate)


class FusedAdamW(Optimizer):
    """AdamW with eps before the bias correction."""

    def __init__(
        self, params, lr=1e-3, betas=(0.9, 0.999), eps=1e-6, weight_decay=0.0,
        bias_correction=True, moments_dtype=None,
    ):  # fmt: skip
        if lr < 0.0 or eps < 0.0 or not all(0.0 <= beta < 1.0 for beta in betas):
            raise ValueError("FusedAdamW: a number is out of range")
        defaults = {
            "lr": lr, "betas": betas, "eps": eps, "weight_decay": weight_decay,
            "bias_correction": bias_correction,
        }  # fmt: skip
        super().__init__(params, defaults)

    @torch.no_grad()
    def step(self, closure=None):
        _check(self, "FusedAdamW")
        for group in self.param_groups:
            _mark_step_if_lazy()
            weights = _weights(group)
            if not weights:
                continue
            group["step"] = group.get("step", 0) + 1
            (beta1, beta2), size = group["betas"], group["lr"]
            if group["bias_correction"]:
                size *= math.sqrt(1 - beta2 ** group["step"]) / (1 - beta1 ** group["step"])
            size = _number(size)
            # A Python number in lazy mode, as in the real one: a constant of the program.
            kept = 1.0 - group["weight_decay"] * group["lr"]
            for weight in weights:
                first, second = _moments(self, weight, step=0)
                first.mul_(beta1).add_(weight.grad, alpha=1 - beta1)
                second.mul_(beta2).addcmul_(weight.grad, weight.grad, value=1 - beta2)
                if kept != 1.0:
                    weight.mul_(kept if _engine.is_lazy() else _number(kept))
                weight.sub_(first / (second.sqrt() + group["eps"]) * size)
        _mark_step_if_lazy()


class FusedSGD(Optimizer):
    """SGD without momentum."""

    def __init__(self, params, lr=None, momentum=0, weight_decay=0, dampening=0, nesterov=False):
        if lr is None or lr < 0.0:
            raise ValueError(f"Invalid learning rate: {lr}")
        assert momentum == 0, "the stand-in knows no momentum"
        defaults = {
            "lr": lr, "momentum": momentum, "weight_decay": weight_decay,
            "dampening": dampening, "nesterov": nesterov,
        }  # fmt: skip
        super().__init__(params, defaults)
        _mark_step_if_lazy()

    @torch.no_grad()
    def step(self, closure=None):
        _check(self, "FusedSGD")
        for group in self.param_groups:
            rate = _number(group["lr"])
            for weight in _weights(group):
                gradient = weight.grad
                if group["weight_decay"]:
                    gradient = gradient + group["weight_decay"] * weight
                weight.sub_(gradient * rate)
