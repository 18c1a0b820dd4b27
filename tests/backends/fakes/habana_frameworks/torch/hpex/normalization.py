"""Clipping by the global norm."""

import torch

from habana_frameworks.torch import _engine
from habana_frameworks.torch.core.step_closure import _mark_step_if_lazy


class FusedClipNorm:
    def __init__(self, parameters, max_norm):
        self.max_norm_t = (torch.ones(1) * max_norm).to("hpu")

    @torch.no_grad()
    def clip_norm(self, parameters):
        _mark_step_if_lazy()
        gradients = [item.grad for item in parameters if item.grad is not None]
        _engine.require_device(gradients, "FusedClipNorm")
        norm = torch.linalg.vector_norm(torch.stack([item.norm() for item in gradients]))
        factor = torch.clamp(self.max_norm_t / (norm + 1e-6), max=1.0)
        for item in gradients:
            item.mul_(factor)
        _mark_step_if_lazy()
        return norm
