from __future__ import annotations

import pytest
import torch

from bertkit.backends.base import StepPlan
from bertkit.backends.torch import cpu
from bertkit.log import logger
from bertkit.tasks.pretraining.objective import PretrainingObjective


def test_it_is_always_present():
    probe = cpu.CpuAdapter().probe()
    assert probe.present
    assert "thread" in probe.reason and "bf16" in probe.reason


@pytest.mark.parametrize(("hardware", "warned"), [(False, True), (True, False)])
def test_emulated_bf16_is_warned_of(monkeypatch, hardware, warned):
    """Products of bf16 without instructions for them were measured 13 times slower than fp32."""
    seen = []
    monkeypatch.setattr(cpu, "has_bf16", lambda: hardware)
    monkeypatch.setattr(logger, "warning", lambda text, *_: seen.append(text))
    adapter = cpu.CpuAdapter()
    adapter.build(torch.nn.Linear(1, 1), PretrainingObjective(), StepPlan("bf16"))
    assert bool(seen) == warned
    adapter.build(torch.nn.Linear(1, 1), PretrainingObjective(), StepPlan("fp32"))
    assert len(seen) == int(warned)


def test_starting_twice_does_no_harm():
    adapter = cpu.CpuAdapter()
    assert adapter.start().is_main and adapter.start().world == 1
    # A block above the usual threshold of mmap, made, used and freed again.
    for _ in range(3):
        assert float(torch.ones(1 << 22).sum()) == 1 << 22
