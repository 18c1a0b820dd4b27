from __future__ import annotations

import pytest
import torch

from bertkit.backends import registry
from bertkit.backends.base import OptimizerSpec, StepPlan
from bertkit.errors import MissingDependencyError, UsageError


def test_every_backend_answers_without_its_machine():
    probes = registry.probe_all()
    assert [probe.name for probe in probes] == list(registry.ADAPTERS)
    for probe in probes:
        assert probe.reason
        assert probe.present or probe.hint


def test_auto_takes_the_best_that_is_present():
    present = [probe.name for probe in registry.probe_all() if probe.present]
    assert registry.get("auto").caps.name == present[0]
    assert registry.get("cpu").caps.name == "cpu"


@pytest.mark.skipif(torch.cuda.is_available(), reason="this machine has a GPU")
def test_cuda_without_a_gpu_says_why():
    with pytest.raises(MissingDependencyError, match=r"no backend cuda here: torch .*") as caught:
        registry.get("cuda")
    assert caught.value.exit_code == 4
    assert caught.value.hint


def test_unknown_backend():
    with pytest.raises(UsageError, match="tpu"):
        registry.get("tpu")


@pytest.mark.parametrize("name", registry.ADAPTERS)
def test_settings_outside_the_caps_are_all_reported(name):
    adapter = registry.make(name)
    good = StepPlan(adapter.caps.precisions[0], adapter.caps.layouts[0])
    assert adapter.validate(good, OptimizerSpec()) == []
    problems = adapter.validate(StepPlan("int4", "diagonal"), OptimizerSpec("sgdw"))
    assert [problem.flag for problem in problems] == ["--precision", "--layout", "--optimizer"]
    assert all(f"does not work on {name}" in problem.text for problem in problems)
