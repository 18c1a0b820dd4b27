"""Settings that Cerebras systems do not support."""

from __future__ import annotations

from bertkit.backends.base import OptimizerSpec, StepPlan, StepShape
from bertkit.backends.cs.adapter import CsAdapter
from bertkit.backends.cs.options import CsOptions


def test_all_problems_are_told_at_once():
    plan = StepPlan(
        "fp32", "unpadded", clip="before", shape=StepShape(2, 2, 128, 0, world=2),
        options=CsOptions(systems=8, validate_only=True, compile_only=True),
    )  # fmt: skip
    flags = [p.flag for p in CsAdapter().validate(plan, OptimizerSpec("nvlamb"))]
    assert flags == ["--layout", "--optimizer", "--precision", "--set", "--backend", "--clip",
                     "--set"]  # fmt: skip
    half = StepPlan("bf16", "padded", loss_scale=8.0, options=CsOptions(half="cbfloat16"))
    assert [p.flag for p in CsAdapter().validate(half, OptimizerSpec())] == ["--loss-scale"]
    here = StepPlan(
        "fp16", "padded", options=CsOptions(device="cpu", validate_only=True, systems=2)
    )
    assert len(CsAdapter().validate(here, OptimizerSpec())) == 3
