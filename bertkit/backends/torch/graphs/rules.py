"""Says which runs cannot be recorded, and why."""

from __future__ import annotations

import torch

from bertkit.backends.base import OptimizerSpec, Problem, StepPlan
from bertkit.model.attention import has_ragged_kernel


def is_fine_tuning(plan: StepPlan) -> bool:
    """Whether a plan is of fine-tuning, which predicts no masked words; False where not known."""
    return plan.shape is not None and not plan.shape.predictions


def against_graphs(plan: StepPlan, optimizer: OptimizerSpec) -> list[Problem]:
    """Settings that `cuda.graphs` does not go with.

    Args:
        plan: of a run.
        optimizer: of the run.
    """
    if not plan.training:
        return [Problem("cuda.graphs", "cuda.graphs is for training; leave it out")]
    shape = plan.shape
    several = shape is not None and shape.world > 1
    conflicts = (
        (plan.precision == "fp16", "fp16, whose loss scale the host changes"),
        (plan.recompute, "--recompute"),
        (several and optimizer.shard, "--shard-optimizer"),
        (
            several and getattr(plan.options, "gradient_exchange", "fp32") != "fp32",
            "cuda.gradient_exchange, gradients travel in fp32",
        ),
    )
    found = [
        f"does not go with {other}; leave out one of them" for wrong, other in conflicts if wrong
    ]
    if not _has_kernel(plan):
        heads = "attention heads of a multiple of 8 numbers, at most 256 (fp32: of 4)"
        found.append(f"needs {heads}; leave it out")
    return [Problem("cuda.graphs", f"cuda.graphs {text}") for text in found]


def against_totals(plan: StepPlan) -> list[Problem]:
    """Why nothing would be padded to `cuda.totals`."""
    if plan.layout != "unpadded":
        reason = f"is for --layout unpadded, not {plan.layout}"
    elif is_fine_tuning(plan) and not getattr(plan.options, "graphs", False):
        reason = "needs cuda.graphs in fine-tuning, which compiles for all sizes at once"
    else:
        return []
    return [Problem("cuda.totals", f"cuda.totals {reason}; leave it out")]


def _has_kernel(plan: StepPlan) -> bool:
    """Whether attention has one shape: beside one kernel, others follow the batch's lengths."""
    if plan.model is None or plan.masks:
        return True
    size = plan.model.hidden_size // plan.model.num_attention_heads
    kind = torch.bfloat16 if plan.precision == "bf16" else torch.float32
    return has_ragged_kernel(size, kind)
