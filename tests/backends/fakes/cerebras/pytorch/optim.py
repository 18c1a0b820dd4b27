"""Optimizers whose state exists before the first step, and rates computed by tensors."""

from __future__ import annotations

import math
from types import SimpleNamespace

import torch

from ._engine import current_backend, step_closure


class Optimizer(torch.optim.Optimizer):
    moments = ()

    def __init__(self, params, lr=1e-3, weight_decay=0.0, **options):
        super().__init__(params, {"lr": lr, "weight_decay": weight_decay, **options})
        for group in self.param_groups:
            for item in group["params"]:
                for name, make in self.moments:
                    self.state[item][name] = make(item)
        self.schedulers = []
        current_backend().optimizers.append(self)

    @torch.no_grad()
    def step(self, closure=None):
        if current_backend().is_csx:  # the rate is part of the graph
            for scheduler in self.schedulers:
                scheduler.update_last_value()
        for group in self.param_groups:
            for item in group["params"]:
                if item.grad is not None:
                    self.update(item, item.grad, self.state[item], group)


class SGD(Optimizer):
    def __init__(self, params, lr, momentum=0, weight_decay=0):
        if momentum:
            self.moments = (("momentum_buffer", torch.zeros_like),)
        super().__init__(params, lr, weight_decay, momentum=momentum)

    def update(self, weight, gradient, state, group):
        step = gradient + weight * group["weight_decay"]
        if group["momentum"]:
            step = state["momentum_buffer"].mul_(group["momentum"]).add_(step)
        weight.add_(-group["lr"] * step)


class AdamW(Optimizer):
    def __init__(
        self, params, lr=1e-3, betas=(0.9, 0.999), eps=1e-6, weight_decay=0.0, correct_bias=True
    ):
        self.correct_bias = correct_bias
        self.moments = (("exp_avg", torch.zeros_like), ("exp_avg_sq", torch.zeros_like))
        if correct_bias:
            self.moments += (
                ("beta1_power", lambda item: torch.tensor(betas[0])),
                ("beta2_power", lambda item: torch.tensor(betas[1])),
            )
        super().__init__(params, lr, weight_decay, betas=betas, eps=eps)

    def update(self, weight, gradient, state, group):
        one, two = group["betas"]
        state["exp_avg"].mul_(one).add_(gradient, alpha=1 - one)
        state["exp_avg_sq"].mul_(two).addcmul_(gradient, gradient, value=1 - two)
        rate = group["lr"]
        if self.correct_bias:
            rate = rate * (1 - state["beta2_power"]).sqrt() / (1 - state["beta1_power"])
            state["beta1_power"].mul_(one)
            state["beta2_power"].mul_(two)
        direction = state["exp_avg"] / (state["exp_avg_sq"].sqrt() + group["eps"])
        weight.add_(-rate * direction - group["lr"] * group["weight_decay"] * weight)


class Lamb(Optimizer):
    moments = (("exp_avg", torch.zeros_like), ("exp_avg_sq", torch.zeros_like))

    def __init__(self, params, lr=1e-3, betas=(0.9, 0.999), eps=1e-6, weight_decay=0.0):
        super().__init__(params, lr, weight_decay, betas=betas, eps=eps)

    def update(self, weight, gradient, state, group):
        one, two = group["betas"]
        state["exp_avg"].mul_(one).add_(gradient, alpha=1 - one)
        state["exp_avg_sq"].mul_(two).addcmul_(gradient, gradient, value=1 - two)
        step = state["exp_avg"] / (state["exp_avg_sq"].sqrt() + group["eps"])
        step = step + group["weight_decay"] * weight
        size, length = weight.norm().clamp(0, 10), step.norm()
        trust = torch.where((size == 0) | (length == 0), torch.ones(()), size / length)
        weight.add_(-group["lr"] * trust * step)


class LRScheduler:
    def __init__(self, optimizer):
        if not isinstance(optimizer, Optimizer):
            raise TypeError(f"{type(optimizer).__name__} is not an a cstorch.optim.Optimizer")
        self.optimizer = optimizer
        optimizer.schedulers.append(self)
        self.last_epoch = torch.tensor(0)
        if not current_backend().is_csx:
            self.update_last_value()

    def advance(self):
        self.last_epoch = self.last_epoch + 1

    def step(self):
        self.advance()
        self.update_last_value()

    def update_last_value(self):
        rate = self.value()
        for group in self.optimizer.param_groups:
            group["lr"] = rate

    def load_state_dict(self, state):
        self.last_epoch = state["last_epoch"]

    def get_last_value(self):
        return [group["lr"] for group in self.optimizer.param_groups]


class ConstantLR(LRScheduler):
    def __init__(self, optimizer, learning_rate):
        self.rate = learning_rate
        super().__init__(optimizer)

    def value(self):
        return torch.tensor(self.rate)


class PolynomialLR(LRScheduler):
    def __init__(self, optimizer, initial_learning_rate, end_learning_rate, total_iters, power=1.0):
        self.first, self.last = initial_learning_rate, end_learning_rate
        self.total, self.power = total_iters, power
        super().__init__(optimizer)

    def value(self):
        share = (1 - self.last_epoch / self.total).clamp(min=0) ** self.power
        return share * (self.first - self.last) + self.last


class LinearLR(PolynomialLR):
    def __init__(self, optimizer, initial_learning_rate, end_learning_rate, total_iters):
        super().__init__(optimizer, initial_learning_rate, end_learning_rate, total_iters)


class CosineDecayLR(LRScheduler):
    def __init__(self, optimizer, initial_learning_rate, end_learning_rate, total_iters):
        self.first, self.last, self.total = initial_learning_rate, end_learning_rate, total_iters
        super().__init__(optimizer)

    def value(self):
        step = torch.minimum(torch.tensor(float(self.total)), self.last_epoch)
        wave = torch.div(math.pi, self.total).mul(step).cos().add(1).mul(0.5)
        return wave * (self.first - self.last) + self.last


class ExponentialLR(LRScheduler):
    def __init__(self, optimizer, initial_learning_rate, total_iters, decay_rate):
        self.first, self.total, self.decay = initial_learning_rate, total_iters, decay_rate
        super().__init__(optimizer)

    def value(self):
        return torch.pow(self.decay, self.last_epoch / self.total) * self.first


class SequentialLR(LRScheduler):
    def __init__(self, optimizer, schedulers, milestones):
        if len(milestones) != len(schedulers) - 1:
            raise ValueError("Sequential Schedulers expects one more scheduler than milestones")
        self.parts, self.milestones = schedulers, milestones
        optimizer.schedulers.clear()  # of the parts
        super().__init__(optimizer)

    def advance(self):
        super().advance()
        self.parts[0].advance()
        for part, begin in zip(self.parts[1:], self.milestones, strict=True):
            part.last_epoch = part.last_epoch + (self.last_epoch > begin).long()

    def value(self):
        rate = self.parts[0].value()
        for part, begin in zip(self.parts[1:], self.milestones, strict=True):
            rate = torch.where(self.last_epoch < begin, rate, part.value())
        return rate

    def load_state_dict(self, state):
        super().load_state_dict(state)
        for part, own in zip(self.parts, state["_schedulers"], strict=True):
            part.load_state_dict(own)


lr_scheduler = SimpleNamespace(
    ConstantLR=ConstantLR, CosineDecayLR=CosineDecayLR, ExponentialLR=ExponentialLR,
    LinearLR=LinearLR,
    PolynomialLR=PolynomialLR, SequentialLR=SequentialLR, step_closure=step_closure,
)  # fmt: skip
