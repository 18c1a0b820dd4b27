"""Reports settings that Cerebras systems do not support; needs no system and no package."""

from __future__ import annotations

from bertkit.backends.base import Caps, OptimizerSpec, Problem, StepPlan
from bertkit.backends.cs.options import CsOptions
from bertkit.backends.torch.step import setting_problems


def problems(caps: Caps, plan: StepPlan, optimizer: OptimizerSpec) -> list[Problem]:
    """All settings that are not supported, each with what to use instead."""
    options: CsOptions = plan.options or CsOptions()
    found = setting_problems(caps, plan, optimizer)
    texts = [*_precision(plan, options), *_sharing(plan, options)]
    if options.validate_only and options.compile_only:
        texts.append(("--set", "cs.validate_only and cs.compile_only exclude each other"))
    if options.device == "cpu" and (options.validate_only or options.compile_only):
        texts.append(
            ("--set", "cs.device cpu has no compiler; leave out cs.validate_only, cs.compile_only")
        )
    return found + [Problem(flag, text) for flag, text in texts]


def _precision(plan: StepPlan, options: CsOptions) -> list[tuple[str, str]]:
    found = []
    if options.device == "csx" and plan.precision == "fp32":
        found.append(
            ("--precision", "--precision fp32: systems multiply in half precision; use bf16, fp16")
        )
    if options.device == "cpu" and plan.precision == "fp16":
        found.append(("--precision", "--precision fp16: cs.device cpu takes fp32 or bf16"))
    if options.half == "cbfloat16" and plan.loss_scale:
        found.append(
            ("--loss-scale", f"--loss-scale {plan.loss_scale}: cs.half cbfloat16 needs 0 (dynamic)")
        )
    return found


def _sharing(plan: StepPlan, options: CsOptions) -> list[tuple[str, str]]:
    found = []
    if plan.shape is not None:
        batch = plan.shape.micro_batch_size * plan.shape.accumulation
        if options.systems > batch:
            found.append(
                ("--set", f"cs.systems {options.systems} is more than the {batch} rows of a step")
            )
        if plan.shape.world > 1:
            found.append(
                ("--backend", "cs runs in one process, for all systems; start it without torchrun")
            )
    if options.systems > 1 and plan.clip == "before" and plan.max_grad_norm:
        found.append(
            ("--clip", "--clip before: systems share one gradient; use after, or cs.systems 1")
        )
    if options.systems > 1 and options.device == "cpu":
        found.append(("--set", "cs.device cpu is one; leave out cs.systems"))
    return found
