"""Number formats and loss scaling."""

from __future__ import annotations

import torch

from ._engine import current_backend

_half = "float16"


def set_half_dtype(value):
    global _half
    if value not in ("float16", "bfloat16", "cbfloat16", torch.float16, torch.bfloat16):
        raise ValueError(f"Invalid half dtype: {value}")
    _half = value


def autocast(dtype=None):
    if current_backend().is_cpu and _half not in ("bfloat16", torch.bfloat16):
        raise ValueError("Mixed precision on CPU is only supported with bfloat16.")
    return torch.autocast("cpu", torch.bfloat16)


class GradScaler:
    """Scales in float32, which changes nothing; what it insists on is the order of calls."""

    def __init__(self, loss_scale=None, **options):
        backend = current_backend()
        if not backend.optimizers:
            raise RuntimeError("make the optimizer first")
        if _half == "cbfloat16" and loss_scale != "dynamic":
            raise ValueError("cbfloat16 needs dynamic loss scaling")
        self.factor = torch.tensor(2.0**15 if loss_scale == "dynamic" else float(loss_scale or 1))
        self.stage = "ready"
        backend.scalers.append(self)

    def scale(self, loss):
        if self.stage != "ready":
            raise RuntimeError("Optimizer parameter gradients already scaled")
        self.stage = "scaled"
        return loss * self.factor

    def unscale_(self, optimizer):
        if self.stage != "scaled":
            raise RuntimeError("unscale_() is being called after step().")
        for group in optimizer.param_groups:
            for item in group["params"]:
                if item.grad is not None:
                    item.grad.div_(self.factor)
        self.stage = "unscaled"

    def step(self, optimizer):
        if self.stage != "unscaled":
            raise RuntimeError("stack expects a non-empty TensorList")
        optimizer.step()
        self.stage = "stepped"

    def update(self):
        if self.stage != "stepped":
            raise RuntimeError("update() comes after step()")
        self.stage = "ready"

    def state_dict(self):
        return {"loss_scale": self.factor} if current_backend().is_csx else {}

    def load_state_dict(self, state):
        self.factor = state.get("loss_scale", self.factor)
