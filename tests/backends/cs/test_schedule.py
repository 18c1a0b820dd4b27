"""The engine's learning rates are ours."""

from __future__ import annotations

import pytest
import torch

from bertkit.backends.cs.adapter import CsAdapter
from bertkit.backends.cs.options import CsOptions
from bertkit.backends.cs.schedule import EngineSchedule
from bertkit.train.optimization.schedule import make_schedule, staged

SCHEDULES = {
    "linear": make_schedule("linear", learning_rate=1e-3, max_steps=40, warmup_steps=7),
    "root": make_schedule(
        "polynomial", learning_rate=6e-3, max_steps=40, warmup_steps=7, power=0.5
    ),
    "mlperf": make_schedule(
        "polynomial", learning_rate=1.0, max_steps=40, warmup_steps=9, start_warmup_step=-3
    ),
    "constant": make_schedule("constant", learning_rate=2e-4, max_steps=40),
    "up_down": make_schedule("up_down", learning_rate=2e-7, max_steps=40, warmup_steps=5),
    "cosine": make_schedule(
        "cosine", learning_rate=1e-3, max_steps=40, warmup_steps=7, end_learning_rate=1e-5
    ),
    "stages": staged(["linear:5:0:1e-4", "constant:4:1e-4", "exponential:20:1e-4:1e-6"], 40),
}


@pytest.mark.parametrize("name", SCHEDULES)
def test_rates_are_ours_step_by_step_from_any_step_on(cstorch, name):
    CsAdapter().start(CsOptions(device="cpu"))
    ours = SCHEDULES[name]
    top = max(ours(step) for step in range(41))
    for first in (0, 3, 8, 30):
        weight = torch.nn.Parameter(torch.zeros(1))
        optimizer = cstorch.optim.SGD([weight], lr=0.0)
        rates = EngineSchedule(cstorch, optimizer, ours)
        rates.set_step(first, on_system=False)
        for step in range(first, 45):
            rate = float(optimizer.param_groups[0]["lr"])
            assert rate == pytest.approx(ours(step), rel=1e-5, abs=3e-7 * top), (first, step)
            weight.grad = torch.zeros(1)
            optimizer.step()
            rates.scheduler.step()
