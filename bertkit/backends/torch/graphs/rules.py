"""Says which runs cannot be recorded, and why."""

from __future__ import annotations

import torch

from bertkit.backends.base import OptimizerSpec, Problem, StepPlan
from bertkit.model.attention import has_ragged_kernel


def against_graphs(plan: StepPlan, optimizer: OptimizerSpec) -> list[Problem]:
    """Settings that `cuda.graphs` does not go with.

    Args:
        plan: of a run that trains.
        optimizer: of the run.
    """
    shape = plan.shape
    several = shape is not None and shape.world > 1
    checks = (
        (shape is not None and not shape.predictions, "is for pretraining"),
        (plan.precision == "fp16", "does not go with fp16, whose loss scale the host changes"),
        (plan.recompute, "does not go with --recompute"),
        (several and optimizer.shard, "does not go with --shard-optimizer"),
        (
            several and getattr(plan.options, "gradient_exchange", "fp32") != "fp32",
            "does not go with cuda.gradient_exchange, gradients travel in fp32",
        ),
        (
            not _has_kernel(plan),
            "needs attention heads of a multiple of 8 numbers, at most 256 (fp32: of 4)",
        ),
    )
    return [
        Problem("cuda.graphs", f"cuda.graphs {text}; leave out one of them")
        if "go with" in text
        else Problem("cuda.graphs", f"cuda.graphs {text}; leave it out")
        for wrong, text in checks
        if wrong
    ]


def _has_kernel(plan: StepPlan) -> bool:
    """Whether attention is one kernel: other ways depend on the lengths of each batch."""
    if plan.model is None:
        return True
    size = plan.model.hidden_size // plan.model.num_attention_heads
    kind = torch.bfloat16 if plan.precision == "bf16" else torch.float32
    return has_ragged_kernel(size, kind)
